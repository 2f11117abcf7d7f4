/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Sound: a real PulseAudio with a null sink, its own clients inside
 */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/fixture/test-client.h"
#include "tests/fixture/test-session.h"
#include "util/cleanup.h"

#define RATE       44100
#define AMPLITUDE  12000
#define SERVER     "/usr/bin/pulseaudio"
#define SOCKET     "pulse/native"
#define RAW_FORMAT "--raw", "--format=s16le", "--rate=44100", "--channels=1"

static TestService *tested;
static TestClient *client;
static char *sandbox; /* a fresh one for each test */
static pid_t server;

static void write_tone(TestService *service) {
        g_autofree int16_t *samples = g_new(int16_t, RATE);
        g_autofree char *folder = test_service_path(service, "host");
        g_autofree char *path = test_service_path(service, "host/tone.raw");

        for (int i = 0; i < RATE; i++)
                samples[i] = (int16_t) (AMPLITUDE * sin(2 * G_PI * 440 * i / RATE));
        assert_return_code(g_mkdir_with_parents(folder, 0755), errno);
        assert_true(g_file_set_contents(path, (const char *) samples, RATE * (gssize) sizeof(int16_t), NULL));
}

static void prepare(TestService *service) {
        g_autofree char *script = NULL;
        g_autofree char *folder = NULL;
        g_autofree char *socket_path = NULL;

        test_session_prepare(service);
        folder = test_session_path(service, "pulse");
        assert_return_code(mkdir(folder, 0700), errno);
        assert_return_code(chown(folder, TEST_SESSION_UID, TEST_SESSION_GID), errno);
        socket_path = test_session_path(service, SOCKET);
        script = g_strdup_printf("load-module module-null-sink sink_name=testnull\n"
                                 "load-module module-native-protocol-unix socket=%s\n",
                                 socket_path);
        g_free(test_service_write(service, "host/default.pa", script));
        write_tone(service);
        test_service_add_bind(service, "sound.tone", "host/tone.raw", "/gateways/tone.raw", true);
        test_service_add_capability(service, "sound.playback",
                                    "[ { \"id\": \"pulseaudio\", \"config\": [ { \"playback\": true } ] } ]");
        test_service_add_capability(service, "sound.both",
                                    "[ { \"id\": \"pulseaudio\", \"config\": [ { \"audio\": true } ] } ]");
        tested = service;
}

static void start_server(void) {
        g_autofree char *script = test_service_path(tested, "host/default.pa");
        const char *argv[] = { SERVER, "-n", "-F", script, "--daemonize=no", "--exit-idle-time=-1",
                               "--use-pid-file=no", NULL };

        server = test_session_start(tested, argv, SOCKET);
}

static int before_each(void **state) {
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        TestRequest request = { .capabilities = TEST_STRV("sound.tone") };

        if (!client)
                client = test_client_new(*state);
        start_server();
        test_expect_ok(test_client_create(client, &request, &sandbox, &error), &error, "CreateSandbox");
        return 0;
}

static int after_each(void **state) {
        g_clear_pointer(&sandbox, g_free);
        (void) test_session_stop(&server);
        return test_after_each(state);
}

static void change(const char *method, const char *capability) {
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;

        test_expect_ok(test_client_change(client, sandbox, method, TEST_STRV(capability), &error), &error, method);
}

static int inside(const char *const *argv) {
        return test_client_exec(client, sandbox, argv, NULL);
}

static int play(void) {
        g_autofree char *output = NULL;
        int r = test_client_shell(client, sandbox, "pacat --raw --format=s16le --rate=44100 --channels=1 "
                                                   "/gateways/tone.raw 2>&1", &output);

        if (r != 0)
                print_message("pacat: %d: %s\n", r, output);
        return r;
}

/* ---- listening outside ---- */

typedef struct Recording {
        pid_t pid;
        int fd;
} Recording;

static Recording begin_recording(void) {
        g_autofree char *path = test_session_path(tested, SOCKET), *name = g_strdup_printf("unix:%s", path);
        const char *argv[] = { "/usr/bin/parec", "-s", name, "-d", "testnull.monitor", "--latency-msec=20",
                               RAW_FORMAT, NULL };
        Recording recording;
        int fds[2];
        char byte;

        assert_return_code(pipe2(fds, O_CLOEXEC), errno);
        recording.pid = test_session_spawn(tested, argv, fds[1], "parec.log");
        recording.fd = fds[0];
        (void) close(fds[1]);
        /* It records. */
        assert_int_equal(read(recording.fd, &byte, 1), 1);
        assert_int_equal(read(recording.fd, &byte, 1), 1);
        return recording;
}

/* The loudest that was heard, once there was silence for a while. */
static int end_recording(Recording *recording) {
        int16_t samples[RATE / 10];
        int peak = 0, n_quiet = 0;

        for (int tenths = 0; tenths < 50 && n_quiet < 5; tenths++) {
                ssize_t got = 0;
                int loudest = 0;

                while (got < (ssize_t) sizeof(samples)) {
                        ssize_t n = read(recording->fd, (char *) samples + got, sizeof(samples) - (size_t) got);

                        assert_true(n > 0);
                        got += n;
                }
                for (size_t i = 0; i < G_N_ELEMENTS(samples); i++)
                        loudest = MAX(loudest, abs(samples[i]));
                peak = MAX(peak, loudest);
                n_quiet = peak > 0 && loudest == 0 ? n_quiet + 1 : 0;
        }
        (void) test_session_stop(&recording->pid);
        (void) close(recording->fd);
        return peak;
}

static void expect_sound(void) {
        Recording recording = begin_recording();
        int peak;

        assert_int_equal(play(), 0);
        peak = end_recording(&recording);
        print_message("peak %d of %d\n", peak, AMPLITUDE);
        assert_in_range(peak, AMPLITUDE * 9 / 10, AMPLITUDE * 11 / 10);
}

/* ---- the proxy ---- */

/* The process of the instance that runs it; 0 if none does. */
static pid_t find_proxy(void) {
        g_autoptr(GDir) folder = g_dir_open("/proc", 0, NULL);
        g_autofree char *wanted = test_service_get_program(tested, "bulkhead-socket-proxy");
        const char *name;

        while ((name = g_dir_read_name(folder))) {
                g_autofree char *link = g_strdup_printf("/proc/%s/exe", name);
                g_autofree char *program = g_ascii_isdigit(*name) ? g_file_read_link(link, NULL) : NULL;

                if (program && g_str_has_suffix(program, "/bulkhead-socket-proxy") && strstr(program, wanted))
                        return (pid_t) strtol(name, NULL, 10);
        }
        return 0;
}

static void expect_status_line(pid_t pid, const char *line) {
        g_autofree char *path = g_strdup_printf("/proc/%d/status", pid), *text = NULL;

        assert_true(g_file_get_contents(path, &text, NULL, NULL));
        if (!strstr(text, line))
                fail_msg("No '%s' in:\n%s", line, text);
}

/* ---- the tests ---- */

static void test_no_sound_without_the_capability(void **state G_GNUC_UNUSED) {
        assert_int_not_equal(play(), 0);
        assert_int_not_equal(inside(TEST_STRV("/usr/bin/test", "-e", "/gateways/pulse_socket")), 0);
        assert_int_equal(find_proxy(), 0);
}

static void test_a_tone_is_heard_outside(void **state G_GNUC_UNUSED) {
        change("Grant", "sound.playback");
        assert_int_equal(find_proxy(), 0); /* nobody has connected */
        expect_sound();
}

static void test_the_proxy_has_given_up_everything(void **state G_GNUC_UNUSED) {
        pid_t pid;

        change("Grant", "sound.playback");
        assert_int_equal(inside(TEST_STRV("/usr/bin/pactl", "info")), 0);
        pid = find_proxy();
        assert_int_not_equal(pid, 0);
        expect_status_line(pid, "\nUid:\t5\t5\t5\t5\n");
        expect_status_line(pid, "\nGid:\t60\t60\t60\t60\n");
        expect_status_line(pid, "\nCapPrm:\t0000000000000000\n");
        expect_status_line(pid, "\nCapBnd:\t0000000000000000\n");
        expect_status_line(pid, "\nNoNewPrivs:\t1\n");
        expect_status_line(pid, "\nSeccomp:\t2\n");
}

static bool was_refused(const char *target) {
        g_autoptr(sd_bus_message) reply = NULL;
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        uint64_t usec;
        bool found = false;

        test_expect_ok(sd_bus_get_property(test_client_get_bus(client), TEST_BUS_NAME, sandbox, TEST_SANDBOX, "Refused",
                                           &error, &reply, "a(tsa{sv})"),
                       &error, "Refused");
        assert_true(sd_bus_message_enter_container(reply, 'a', "(tsa{sv})") > 0);
        while (sd_bus_message_enter_container(reply, 'r', "tsa{sv}") > 0) {
                const char *gateway, *key, *value;

                assert_true(sd_bus_message_read(reply, "ts", &usec, &gateway) > 0);
                assert_true(sd_bus_message_enter_container(reply, 'a', "{sv}") > 0);
                while (sd_bus_message_enter_container(reply, 'e', "sv") > 0) {
                        assert_true(sd_bus_message_read(reply, "s", &key) > 0);
                        if (g_str_equal(key, "target") && sd_bus_message_read(reply, "v", "s", &value) > 0)
                                found = found || (g_str_equal(gateway, "pulseaudio") && g_str_equal(value, target));
                        else
                                (void) sd_bus_message_skip(reply, "v");
                        (void) sd_bus_message_exit_container(reply);
                }
                (void) sd_bus_message_exit_container(reply);
                (void) sd_bus_message_exit_container(reply);
        }
        return found;
}

static void expect_refused(const char *target) {
        uint64_t end = test_now_usec() + 5 * TEST_USEC_PER_SEC;

        while (!was_refused(target)) {
                if (test_now_usec() > end)
                        fail_msg("Nobody told that '%s' was refused", target);
                test_client_idle(client, 50 * 1000);
        }
}

static int record_inside(void) {
        return test_client_shell(client, sandbox,
                                 "timeout 5 parec --latency-msec=20 -d testnull.monitor --raw | head -c 4096 | wc -c |"
                                 " grep -qx 4096", NULL);
}

static void test_capture_needs_its_own_grant(void **state G_GNUC_UNUSED) {
        change("Grant", "sound.playback");
        assert_int_not_equal(record_inside(), 0);
        expect_refused("capture");
        change("Grant", "sound.both");
        assert_int_equal(record_inside(), 0);
        /* Narrower again, on a proxy that lives. */
        change("Revoke", "sound.both");
        assert_int_not_equal(record_inside(), 0);
        expect_sound();
}

static void test_the_server_is_not_the_apps_to_rule(void **state G_GNUC_UNUSED) {
        static const char *const commands[] = {
                "pactl load-module module-null-sink", "pactl unload-module 0", "pactl list modules",
                "pactl list clients", "pactl list sink-inputs", "pactl exit", "pactl set-sink-volume testnull 1%",
                "pactl set-sink-mute testnull 1", "pactl suspend-sink testnull 1", "pactl upload-sample /gateways/tone.raw x",
        };

        change("Grant", "sound.both");
        for (size_t i = 0; i < G_N_ELEMENTS(commands); i++) {
                print_message("%s\n", commands[i]);
                assert_int_not_equal(test_client_shell(client, sandbox, commands[i], NULL), 0);
        }
        expect_refused("load a module");
        expect_sound();
}

static void test_revoke_cuts(void **state G_GNUC_UNUSED) {
        TestRequest request = { .argv = TEST_STRV("/usr/bin/pacat", RAW_FORMAT, "/dev/zero") };
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        g_auto(TestProgram) program = { NULL };
        const TestExit *end;

        change("Grant", "sound.playback");
        test_expect_ok(test_client_run(client, sandbox, &request, &program, &error), &error, "Run");
        for (uint64_t until = test_now_usec() + 5 * TEST_USEC_PER_SEC; find_proxy() == 0;) {
                assert_true(test_now_usec() < until);
                test_client_idle(client, 20 * 1000);
        }
        test_client_idle(client, 300 * 1000); /* it plays */
        assert_int_equal(test_client_count_exits(client, program.process), 0);
        change("Revoke", "sound.playback");
        assert_int_equal(test_client_wait(client, program.process, 10 * TEST_USEC_PER_SEC, &end), 0);
        assert_int_not_equal(end->status, 0);
        assert_int_not_equal(play(), 0);
        change("Grant", "sound.playback");
        expect_sound();
}

static void test_the_server_may_come_later_and_again(void **state G_GNUC_UNUSED) {
        (void) test_session_stop(&server);
        change("Grant", "sound.playback");
        assert_int_not_equal(play(), 0);
        start_server();
        expect_sound();
        (void) test_session_stop(&server);
        assert_int_not_equal(play(), 0);
        start_server();
        expect_sound();
}

static void test_a_killed_proxy_comes_back(void **state G_GNUC_UNUSED) {
        change("Grant", "sound.playback");
        for (int i = 0; i < 3; i++) {
                pid_t pid;

                assert_int_equal(play(), 0);
                pid = find_proxy();
                assert_int_not_equal(pid, 0);
                assert_return_code(kill(pid, SIGKILL), errno);
        }
        expect_sound();
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_no_sound_without_the_capability, before_each, after_each),
                cmocka_unit_test_setup_teardown(test_a_tone_is_heard_outside, before_each, after_each),
                cmocka_unit_test_setup_teardown(test_the_proxy_has_given_up_everything, before_each, after_each),
                cmocka_unit_test_setup_teardown(test_capture_needs_its_own_grant, before_each, after_each),
                cmocka_unit_test_setup_teardown(test_the_server_is_not_the_apps_to_rule, before_each, after_each),
                cmocka_unit_test_setup_teardown(test_revoke_cuts, before_each, after_each),
                cmocka_unit_test_setup_teardown(test_the_server_may_come_later_and_again, before_each, after_each),
                cmocka_unit_test_setup_teardown(test_a_killed_proxy_comes_back, before_each, after_each),
                cmocka_unit_test(test_nothing_is_left),
        };

        if (access(SERVER, X_OK) < 0) {
                printf("SKIP: %s is not installed\n", SERVER);
                return TEST_EXIT_SKIP;
        }
        return test_main("pulseaudio", prepare, tests, G_N_ELEMENTS(tests));
}
