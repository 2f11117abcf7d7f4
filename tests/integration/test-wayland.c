/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Windows: a real weston without a screen, its own clients inside; and a compositor that knows security contexts,
 * which this Debian's weston does not, played by the test
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/fixture/test-client.h"
#include "tests/fixture/test-session.h"
#include "util/cleanup.h"

#define COMPOSITOR "/usr/bin/weston"
#define SOCKET     "wayland-0"
#define MANAGER    "wp_security_context_manager_v1"

static TestService *tested;
static TestClient *client;
static char *sandbox; /* a fresh one for each test */
static pid_t server;

static void prepare(TestService *service) {
        test_session_prepare(service);
        test_service_add_capability(service, "windows",
                                    "[ { \"id\": \"wayland\", \"config\": [ { \"enabled\": true } ] } ]");
        tested = service;
}

static void start_compositor(void) {
        const char *argv[] = { COMPOSITOR, "--debug", "--backend=headless-backend.so", "--use-pixman",
                               "--socket=" SOCKET, "--idle-time=0", "--no-config", "--shell=desktop-shell.so", NULL };

        server = test_session_start(tested, argv, SOCKET);
}

static int before_each(void **state) {
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        TestRequest request = { .name = "painter" };

        if (!client)
                client = test_client_new(*state);
        test_expect_ok(test_client_create(client, &request, &sandbox, &error), &error, "CreateSandbox");
        return 0;
}

static int after_each(void **state) {
        g_clear_pointer(&sandbox, g_free);
        (void) test_session_stop(&server);
        return test_after_each(state);
}

static void change(const char *method) {
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;

        test_expect_ok(test_client_change(client, sandbox, method, TEST_STRV("windows"), &error), &error, method);
}

static int look_inside(void) {
        return test_client_shell(client, sandbox, "timeout 5 wayland-info | grep -q wl_compositor", NULL);
}

static void expect_mechanism(const char *text) {
        g_auto(GStrv) have = test_client_get_strings(client, sandbox, TEST_SANDBOX, "Mechanisms");

        if (!g_strv_contains((const char *const *) have, text))
                fail_msg("'%s' is not among the %u mechanisms", text, g_strv_length(have));
}

/* ---- looking from outside ---- */

static char *run_outside(const char *const *argv) {
        int fds[2];
        pid_t pid;
        char *output;

        assert_return_code(pipe2(fds, O_CLOEXEC), errno);
        pid = test_session_spawn(tested, argv, fds[1], "outside.log");
        (void) close(fds[1]);
        output = test_client_read_all(client, fds[0], 10 * TEST_USEC_PER_SEC);
        (void) close(fds[0]);
        (void) test_session_stop(&pid);
        return output;
}

static bool is_in_scene(const char *title) {
        g_autofree char *scene = run_outside(TEST_STRV("/usr/bin/timeout", "5", "/usr/bin/weston-debug", "scene-graph"));

        return strstr(scene, title) != NULL;
}

static void wait_for_scene(const char *title, bool wanted) {
        uint64_t end = test_now_usec() + 10 * TEST_USEC_PER_SEC;

        while (is_in_scene(title) != wanted) {
                if (test_now_usec() > end)
                        fail_msg("'%s' %s in the scene", title, wanted ? "is not" : "is still");
                test_client_idle(client, 50 * 1000);
        }
}

/* A picture of the whole screen; caller frees. */
static char *take_screenshot(gsize *ret_size) {
        g_autofree char *folder = test_service_path(tested, "session");
        g_autoptr(GDir) entries = NULL;
        g_autofree char *command =
                g_strdup_printf("cd '%s' && exec timeout 5 weston-screenshooter", folder);
        g_autofree char *said = run_outside(TEST_STRV("/bin/sh", "-c", command));
        const char *name;
        char *picture = NULL;

        entries = g_dir_open(folder, 0, NULL);
        while (!picture && (name = g_dir_read_name(entries))) {
                g_autofree char *path = g_build_filename(folder, name, NULL);

                if (!g_str_has_suffix(name, ".png") || !g_file_get_contents(path, &picture, ret_size, NULL))
                        continue;
                (void) unlink(path);
        }
        if (!picture)
                fail_msg("No picture was taken: %s", said);
        assert_true(*ret_size > 8 && memcmp(picture, "\x89PNG\r\n\x1a\n", 8) == 0);
        return picture;
}

/* The first picture that is not as @before; the window is in the scene some frames before it is painted. */
static char *wait_for_picture(const char *before, gsize before_size, gsize *ret_size) {
        uint64_t end = test_now_usec() + 10 * TEST_USEC_PER_SEC;

        for (;;) {
                char *picture = take_screenshot(ret_size);

                if (*ret_size != before_size || memcmp(picture, before, before_size) != 0)
                        return picture;
                g_free(picture);
                if (test_now_usec() > end)
                        fail_msg("The screen stays as it was");
                test_client_idle(client, 100 * 1000);
        }
}

/* For people to look at, beside the logs of the tests. */
static void keep_picture(const char *picture, gsize size) {
        g_autofree char *path = g_build_filename(g_getenv("BULKHEAD_TEST_BUILD"), "meson-logs", "wayland.png", NULL);

        assert_true(g_file_set_contents(path, picture, (gssize) size, NULL));
        print_message("picture: %s\n", path);
}

/* ---- with weston ---- */

static void test_no_display_without_the_capability(void **state G_GNUC_UNUSED) {
        start_compositor();
        assert_int_not_equal(look_inside(), 0);
        assert_int_not_equal(test_client_shell(client, sandbox,
                                               "XDG_RUNTIME_DIR=/gateways WAYLAND_DISPLAY=wayland-0 timeout 5 wayland-info",
                                               NULL),
                             0);
        assert_int_not_equal(test_client_exec(client, sandbox, TEST_STRV("/usr/bin/test", "-e", "/gateways/wayland-0"),
                                              NULL),
                             0);
}

static void start_painter(TestProgram *ret) {
        TestRequest request = { .argv = TEST_STRV("/usr/bin/weston-simple-shm") };
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;

        test_expect_ok(test_client_run(client, sandbox, &request, ret, &error), &error, "Run");
}

static void test_a_window_is_on_the_screen(void **state G_GNUC_UNUSED) {
        g_auto(TestProgram) program = { NULL };
        g_autofree char *before = NULL, *with = NULL;
        gsize before_size, with_size;
        const TestExit *end;

        start_compositor();
        before = take_screenshot(&before_size);
        assert_false(is_in_scene("simple-shm"));
        change("Grant");
        assert_int_equal(look_inside(), 0);
        expect_mechanism("wayland: relay");
        start_painter(&program);
        wait_for_scene("simple-shm", true);
        with = wait_for_picture(before, before_size, &with_size);
        keep_picture(with, with_size);

        change("Revoke");
        assert_int_equal(test_client_wait(client, program.process, 10 * TEST_USEC_PER_SEC, &end), 0);
        wait_for_scene("simple-shm", false);
        assert_int_not_equal(look_inside(), 0);
}

static void test_the_compositor_may_come_later_and_again(void **state G_GNUC_UNUSED) {
        change("Grant");
        assert_int_not_equal(look_inside(), 0);
        for (int i = 0; i < 2; i++) {
                start_compositor();
                assert_int_equal(look_inside(), 0);
                (void) test_session_stop(&server);
                assert_int_not_equal(look_inside(), 0);
        }
}

/* ---- with a compositor that knows security contexts ---- */

static void must(bool good) {
        if (!good)
                _exit(1);
}

static uint32_t word_at(const uint8_t *bytes, size_t at) {
        uint32_t value;

        memcpy(&value, bytes + at, sizeof(value));
        return value;
}

/* Reads until @needle was read; descriptors that come along go to @fds. */
static size_t read_until(int fd, uint8_t *bytes, size_t max, const void *needle, size_t needle_size, int fds[2]) {
        size_t size = 0;

        while (!memmem(bytes, size, needle, needle_size)) {
                union {
                        struct cmsghdr align;
                        uint8_t bytes[CMSG_SPACE(2 * sizeof(int))];
                } control;
                struct iovec part = { bytes + size, max - size };
                struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control,
                                          .msg_controllen = sizeof(control) };
                ssize_t n = recvmsg(fd, &message, 0);
                const struct cmsghdr *came = CMSG_FIRSTHDR(&message);

                must(n > 0);
                size += (size_t) n;
                if (came && came->cmsg_type == SCM_RIGHTS && came->cmsg_len == CMSG_LEN(2 * sizeof(int)))
                        memcpy(fds, CMSG_DATA(came), 2 * sizeof(int));
        }
        return size;
}

static void send_done(int fd, uint32_t callback) {
        uint32_t event[] = { callback, 12u << 16, 0 };

        must(write(fd, event, sizeof(event)) == sizeof(event));
}

static bool has_string(const uint8_t *bytes, size_t size, const char *text) {
        uint32_t length = (uint32_t) strlen(text) + 1;
        g_autofree uint8_t *wanted = g_malloc(sizeof(length) + length);

        memcpy(wanted, &length, sizeof(length));
        memcpy(wanted + sizeof(length), text, length);
        return memmem(bytes, size, wanted, sizeof(length) + length) != NULL;
}

/* One connection that asks for the globals: it is offered contexts, makes one, and the socket that it hands over is
 * accepted from, once. */
static void play_compositor(int listen_fd) {
        static const uint32_t sync_first[] = { 1, 12u << 16, 3 }, sync_last[] = { 1, 12u << 16, 6 };
        uint32_t global[] = { 2, (8 + 4 + 4 + 32 + 4) << 16, 7, sizeof(MANAGER), 0, 0, 0, 0, 0, 0, 0, 0, 1 };
        uint8_t bytes[4096];
        int fd = accept(listen_fd, NULL, NULL), fds[2] = { -1, -1 }, guest;
        size_t size;
        struct pollfd hangup;

        must(fd >= 0);
        size = read_until(fd, bytes, sizeof(bytes), sync_first, sizeof(sync_first), fds);
        must(word_at(bytes, 0) == 1 && word_at(bytes, 4) == ((12u << 16) | 1) && size >= 24);
        memcpy(&global[4], MANAGER, sizeof(MANAGER));
        must(write(fd, global, sizeof(global)) == sizeof(global));
        send_done(fd, 3);
        size = read_until(fd, bytes, sizeof(bytes), sync_last, sizeof(sync_last), fds);
        must(fds[0] >= 0 && fds[1] >= 0);
        must(has_string(bytes, size, MANAGER) && has_string(bytes, size, "org.bulkhead.Bulkhead1") &&
             has_string(bytes, size, "painter"));
        send_done(fd, 6);
        (void) close(fd);
        hangup = (struct pollfd){ .fd = fds[0], .events = POLLIN };
        must(poll(&hangup, 1, 10000) == 1);
        guest = accept(fds[0], NULL, NULL);
        must(guest >= 0 && write(guest, "welcome", 7) == 7);
        (void) close(guest);
        /* Until the sandbox wants it no more. */
        hangup = (struct pollfd){ .fd = fds[1], .events = POLLIN };
        must(poll(&hangup, 1, 20000) == 1 && hangup.revents & POLLHUP);
        _exit(0);
}

static pid_t start_knowing_compositor(void) {
        g_autofree char *path = test_session_path(tested, SOCKET);
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        autofd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        pid_t pid;

        (void) unlink(path);
        assert_true(g_strlcpy(address.sun_path, path, sizeof(address.sun_path)) < sizeof(address.sun_path));
        assert_return_code(bind(fd, (const struct sockaddr *) &address, sizeof(address)), errno);
        assert_return_code(chown(path, TEST_SESSION_UID, TEST_SESSION_GID), errno);
        assert_return_code(listen(fd, 4), errno);
        pid = fork();
        if (pid == 0)
                play_compositor(fd);
        return pid;
}

static void test_a_security_context_where_the_compositor_has_it(void **state G_GNUC_UNUSED) {
        g_autofree char *output = NULL;
        int status;
        pid_t pid = start_knowing_compositor();

        change("Grant");
        assert_int_equal(test_client_exec(client, sandbox,
                                          TEST_STRV("/usr/bin/python3", "-c",
                                                    "import socket\n"
                                                    "s = socket.socket(socket.AF_UNIX)\n"
                                                    "s.settimeout(10)\n"
                                                    "s.connect('/gateways/wayland-0')\n"
                                                    "print(s.recv(100).decode())"),
                                          &output),
                         0);
        assert_string_equal(output, "welcome\n");
        expect_mechanism("wayland: security context");
        /* Revoke takes the compositor's ear away. */
        change("Revoke");
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_no_display_without_the_capability, before_each, after_each),
                cmocka_unit_test_setup_teardown(test_a_window_is_on_the_screen, before_each, after_each),
                cmocka_unit_test_setup_teardown(test_the_compositor_may_come_later_and_again, before_each, after_each),
                cmocka_unit_test_setup_teardown(test_a_security_context_where_the_compositor_has_it, before_each,
                                                after_each),
                cmocka_unit_test(test_nothing_is_left),
        };

        if (access(COMPOSITOR, X_OK) < 0) {
                printf("SKIP: %s is not installed\n", COMPOSITOR);
                return TEST_EXIT_SKIP;
        }
        return test_main("wayland", prepare, tests, G_N_ELEMENTS(tests));
}
