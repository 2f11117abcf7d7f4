/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Ends: asked for, unasked, refused by the program; told truthfully; nothing outlives its sandbox
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/fixture/test-client.h"
#include "util/cleanup.h"

#define TEMPLATE_STOP_USEC (1 * TEST_USEC_PER_SEC) /* StopTimeoutSec= of template "second" */
#define SLACK_USEC         (3 * TEST_USEC_PER_SEC) /* a busy machine, sanitizers */
#define CYCLES             12

static TestClient *client;

static void prepare(TestService *service) {
        test_service_add_template(service, "second", "[Process]\nStopTimeoutSec=1\n");
}

static int open_client(void **state) {
        client = test_client_new(*state);
        return 0;
}

static int close_client(void **state) {
        g_clear_pointer(&client, test_client_free);
        return test_after_each(state);
}

static char *create(const TestRequest *request) {
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        char *sandbox = NULL;

        test_expect_ok(test_client_create(client, request, &sandbox, &error), &error, "CreateSandbox");
        return sandbox;
}

/* Runs a script and returns when it has said "up". */
static void run_until_up(const char *sandbox, const char *script, TestProgram *ret) {
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        char buffer[3] = "";
        int fds[2];

        assert_return_code(pipe2(fds, O_CLOEXEC), errno);
        test_expect_ok(test_client_run(client, sandbox,
                                       &(TestRequest){ .argv = TEST_STRV("/bin/sh", "-c", script),
                                                       .stdout_fd = fds[1] },
                                       ret, &error),
                       &error, "Run");
        (void) close(fds[1]);
        assert_int_equal(read(fds[0], buffer, 3), 3);
        assert_memory_equal(buffer, "up\n", 3);
        (void) close(fds[0]);
}

static bool is_pid_alive(uint32_t pid) {
        return kill((pid_t) pid, 0) == 0;
}

/* How many processes of the host have @marker on their command line. */
static unsigned count_marked(const char *marker) {
        DIR *folder = opendir("/proc");
        unsigned n = 0;

        for (struct dirent *entry = readdir(folder); entry; entry = readdir(folder)) {
                g_autofree char *path = g_build_filename("/proc", entry->d_name, "cmdline", NULL),
                                *text = NULL;
                size_t size;

                if (g_ascii_isdigit(entry->d_name[0]) && g_file_get_contents(path, &text, &size, NULL))
                        n += memmem(text, size, marker, strlen(marker)) != NULL;
        }
        (void) closedir(folder);
        return n;
}

/* sleep takes several numbers and adds them up: one of them marks ours among all sleeps of the machine, and
 * those of this test program among those of another that runs at the same time. */
static char *make_marker(unsigned number) {
        return g_strdup_printf("0.%07d%u", (int) getpid(), number);
}

static char *make_stubborn_script(const char *marker) {
        return g_strdup_printf(
                "trap '' TERM HUP INT\n"
                "(trap '' TERM; exec sleep 1000 %s) &\n"
                "(setsid sh -c \"trap '' TERM; (setsid sleep 1000 %s &) ; exec sleep 1000 %s\" &)\n"
                "echo up; while :; do sleep 0.05; done",
                marker, marker, marker);
}

/* Shells on their way to exec have the marker too, for a moment. */
static void wait_marked(const char *marker, unsigned expected) {
        uint64_t end = test_now_usec() + SLACK_USEC;
        unsigned n = count_marked(marker);

        while (n != expected && test_now_usec() < end) {
                test_client_idle(client, 10 * 1000);
                n = count_marked(marker);
        }
        assert_int_equal(n, expected);
}

static void expect_stubborn_ends(const TestRequest *request, uint64_t timeout_usec, uint64_t expected_usec) {
        g_autofree char *sandbox = create(request), *marker = make_marker(1),
                        *script = make_stubborn_script(marker);
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        g_auto(TestProgram) program = { NULL };
        const TestExit *exit;

        run_until_up(sandbox, script, &program);
        wait_marked(marker, 3 + 1); /* three sleeps, and the shell with the script itself */

        uint64_t start = test_now_usec();

        test_expect_ok(test_client_stop(client, sandbox, timeout_usec, &error), &error, "Stop");

        uint64_t took = test_now_usec() - start;

        /* Stop answers when everything is gone: not later. */
        assert_int_equal(count_marked(marker), 0);
        assert_false(is_pid_alive(program.pid));
        print_message("         stopped after %.2f s\n", (double) took / 1e6);
        if (took + 10 * 1000 < expected_usec || took > expected_usec + SLACK_USEC)
                fail_msg("Stop took %.2f s, not about %.2f s", (double) took / 1e6,
                         (double) expected_usec / 1e6);
        assert_int_equal(test_client_wait(client, program.process, TEST_USEC_PER_SEC, &exit), 0);
        assert_string_equal(exit->reason, "killed");
        assert_int_equal(exit->status, SIGKILL);
        assert_int_equal(test_client_count_exits(client, program.process), 1);
}

static void test_orphans_that_ignore_sigterm_are_killed(void **state G_GNUC_UNUSED) {
        expect_stubborn_ends(&(TestRequest){ 0 }, 300 * 1000, 300 * 1000);
}

static void test_timeout_0_is_the_templates(void **state G_GNUC_UNUSED) {
        expect_stubborn_ends(&(TestRequest){ .template_name = "second" }, 0, TEMPLATE_STOP_USEC);
}

static void test_halt_signal_lets_a_program_end_itself(void **state G_GNUC_UNUSED) {
        g_autofree char *sandbox = create(&(TestRequest){ 0 });
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        g_auto(TestProgram) program = { NULL };
        const TestExit *exit;

        run_until_up(sandbox, "trap 'exit 3' TERM; echo up; while :; do sleep 0.02; done", &program);

        uint64_t start = test_now_usec();

        test_expect_ok(test_client_stop(client, sandbox, 10 * TEST_USEC_PER_SEC, &error), &error, "Stop");
        assert_true(test_now_usec() - start < SLACK_USEC);
        assert_int_equal(test_client_wait(client, program.process, TEST_USEC_PER_SEC, &exit), 0);
        assert_string_equal(exit->reason, "exited");
        assert_int_equal(exit->status, 3);
}

static void test_sigterm_is_told_as_killed_15(void **state G_GNUC_UNUSED) {
        g_autofree char *sandbox = create(&(TestRequest){ 0 });
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        g_auto(TestProgram) program = { NULL };
        const TestExit *exit;

        run_until_up(sandbox, "echo up; exec sleep 1000", &program);
        test_expect_ok(test_client_stop(client, sandbox, 10 * TEST_USEC_PER_SEC, &error), &error, "Stop");
        assert_int_equal(test_client_wait(client, program.process, TEST_USEC_PER_SEC, &exit), 0);
        assert_string_equal(exit->reason, "killed");
        assert_int_equal(exit->status, SIGTERM);
}

static void test_empty_sandbox_stops_at_once(void **state G_GNUC_UNUSED) {
        g_autofree char *sandbox = create(&(TestRequest){ 0 });
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        uint64_t start = test_now_usec();

        test_expect_ok(test_client_stop(client, sandbox, 0, &error), &error, "Stop");
        assert_true(test_now_usec() - start < TEST_USEC_PER_SEC);

        g_auto(GStrv) list = test_client_list(client);

        assert_null(list[0]);
}

static void test_launched_sandbox_goes_with_its_program(void **state G_GNUC_UNUSED) {
        g_autofree char *marker = make_marker(2), *output = NULL;
        g_autofree char *script = g_strdup_printf(
                "(setsid sleep 1000 %s >/dev/null 2>&1 </dev/null &) ; exit 4", marker);

        /* its orphan does not keep it */
        assert_int_equal(test_client_launch_shell(client, NULL, script, &output), 4);
        assert_int_equal(count_marked(marker), 0);
}

static void test_program_killed_by_itself_is_told(void **state G_GNUC_UNUSED) {
        static const struct {
                const char *script, *reason;
                int status;
        } cases[] = {
                { "kill -KILL $$", "killed", SIGKILL },
                { "ulimit -c 0; kill -USR1 $$", "killed", SIGUSR1 },
                { "exit 255", "exited", 255 },
                { "exit 0", "exited", 0 },
        };
        g_autofree char *sandbox = create(&(TestRequest){ 0 });

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
                g_auto(TestProgram) program = { NULL };
                const TestExit *exit;

                test_expect_ok(
                        test_client_run(client, sandbox,
                                        &(TestRequest){ .argv = TEST_STRV("/bin/sh", "-c", cases[i].script) },
                                        &program, &error),
                        &error, cases[i].script);
                assert_int_equal(test_client_wait(client, program.process, 10 * TEST_USEC_PER_SEC, &exit), 0);
                assert_string_equal(exit->reason, cases[i].reason);
                assert_int_equal(exit->status, cases[i].status);
        }
}

static void test_two_stops_at_once_are_both_answered(void **state) {
        g_autofree char *sandbox = create(&(TestRequest){ 0 });
        g_autoptr(TestClient) second = test_client_new(*state);
        g_autoptr(sd_bus_message) call = NULL;
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        g_auto(TestProgram) program = { NULL };

        run_until_up(sandbox, "trap '' TERM; echo up; while :; do sleep 0.02; done", &program);
        assert_true(sd_bus_message_new_method_call(test_client_get_bus(second), &call, TEST_BUS_NAME, sandbox,
                                                   TEST_SANDBOX, "Stop") >= 0);
        assert_true(sd_bus_message_append(call, "t", UINT64_C(300000)) >= 0);
        test_client_send(second, call);
        /* The second may meet a sandbox that stops, and wait too, or one that is gone. */
        if (test_client_stop(client, sandbox, 300 * 1000, &error) < 0 &&
            !sd_bus_error_has_name(&error, "org.bulkhead.Bulkhead1.Error.NoSuchSandbox") &&
            !sd_bus_error_has_name(&error, SD_BUS_ERROR_UNKNOWN_OBJECT))
                fail_msg("The second Stop failed: %s: %s", error.name, error.message);
        test_client_wait_empty(client);
        assert_false(is_pid_alive(program.pid));
}

/* Nobody's death is another's: the other sandbox plays on. */
static void test_killed_shim_takes_only_its_own_sandbox(void **state G_GNUC_UNUSED) {
        g_autofree char *victim = create(&(TestRequest){ .name = "victim" });
        g_autofree char *other = create(&(TestRequest){ .name = "other" });
        g_autofree char *marker = make_marker(3),
                        *script = g_strdup_printf("echo up; exec sleep 1000 %s", marker);
        g_auto(TestProgram) program = { NULL };
        const TestExit *exit;

        run_until_up(victim, script, &program);

        /* The program's parent is init, its parent LXC's monitor, and its parent the shim. */
        uint32_t pid = program.pid;

        for (unsigned i = 0; i < 3; i++) {
                g_autofree char *path = g_strdup_printf("/proc/%u/status", pid), *text = NULL;

                assert_true(g_file_get_contents(path, &text, NULL, NULL));
                assert_int_equal(sscanf(strstr(text, "\nPPid:"), "\nPPid: %u", &pid), 1);
        }

        g_autofree char *path = g_strdup_printf("/proc/%u/comm", pid), *name = NULL;

        assert_true(g_file_get_contents(path, &name, NULL, NULL));
        assert_string_equal(name, "bulkhead-shim\n");
        assert_return_code(kill((pid_t) pid, SIGKILL), errno);
        assert_int_equal(test_client_wait(client, program.process, 10 * TEST_USEC_PER_SEC, &exit), 0);
        assert_string_equal(exit->reason, "lost");
        wait_marked(marker, 0);
        assert_int_equal(test_client_shell(client, other, "true", NULL), 0);
}

static unsigned count_descriptors(pid_t pid) {
        g_autofree char *path = g_strdup_printf("/proc/%d/fd", (int) pid);
        DIR *folder = opendir(path);
        unsigned n = 0;

        assert_non_null(folder);
        while (readdir(folder))
                n++;
        (void) closedir(folder);
        return n;
}

static void test_service_keeps_no_descriptors(void **state) {
        pid_t pid = test_service_get_pid(*state);
        unsigned before = 0;

        /* The first rounds may fill what is kept on purpose, a spare shim say. */
        for (unsigned i = 0; i < CYCLES; i++) {
                assert_int_equal(test_client_launch_shell(client, NULL, "exit 5", NULL), 5);
                test_client_idle(client, 100 * 1000);
                if (i == 1)
                        before = count_descriptors(pid);
        }
        assert_int_equal(count_descriptors(pid), before);
}

#define stop_test(function) cmocka_unit_test_setup_teardown(function, open_client, close_client)

int main(void) {
        static const struct CMUnitTest tests[] = {
                stop_test(test_orphans_that_ignore_sigterm_are_killed),
                stop_test(test_timeout_0_is_the_templates),
                stop_test(test_halt_signal_lets_a_program_end_itself),
                stop_test(test_sigterm_is_told_as_killed_15),
                stop_test(test_empty_sandbox_stops_at_once),
                stop_test(test_launched_sandbox_goes_with_its_program),
                stop_test(test_program_killed_by_itself_is_told),
                stop_test(test_two_stops_at_once_are_both_answered),
                stop_test(test_killed_shim_takes_only_its_own_sandbox),
                stop_test(test_service_keeps_no_descriptors),
                cmocka_unit_test(test_nothing_is_left),
        };

        return test_main("stop", prepare, tests, G_N_ELEMENTS(tests));
}
