/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libbulkhead.so as a launcher uses it: its header alone, linked with the shared library; and the example
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <bulkhead.h>

#include "tests/fixture/test-client.h"
#include "util/cleanup.h"

#define EVENT_TIMEOUT_USEC (10 * TEST_USEC_PER_SEC)

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Bulkhead, bulkhead_close)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BulkheadRequest, bulkhead_request_free)
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(BulkheadError, bulkhead_error_done)

/* Every event as a line: "exited NAME exited 7". */
typedef struct Seen {
        GPtrArray *lines; /* owned */
        char *process;    /* owned; of the last end */
        unsigned n_exits;
} Seen;

static void seen_done(Seen *seen) {
        g_ptr_array_unref(seen->lines);
        g_free(seen->process);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Seen, seen_done)

static Seen seen_new(void) {
        return (Seen){ .lines = g_ptr_array_new_with_free_func(g_free) };
}

static void prepare(TestService *service) {
        g_free(test_service_write(service, "host/file.txt", "granted\n"));
        test_service_add_bind(service, "library.file", "host/file.txt", "/gateways/file", true);
}

static Bulkhead *library_open(const TestService *service) {
        g_auto(BulkheadError) error = { 0 };
        Bulkhead *bulkhead = NULL;

        if (bulkhead_open(test_service_get_address(service), &bulkhead, &error) < 0)
                fail_msg("%s: %s", error.name, error.message);
        return bulkhead;
}

static void expect_ok(int r, const BulkheadError *error) {
        if (r < 0)
                fail_msg("%s: %s", error->name, error->message);
}

static void on_event(const BulkheadEvent *event, void *userdata) {
        Seen *seen = userdata;
        char *line = NULL;

        switch (event->type) {
        case BULKHEAD_EVENT_EXITED:
                line = g_strdup_printf("exited %s %s %d", event->name, event->reason, event->status);
                g_free(seen->process);
                seen->process = g_strdup(event->process);
                seen->n_exits++;
                break;
        case BULKHEAD_EVENT_STATE:
                line = g_strdup_printf("state %s %s", event->name, event->state);
                break;
        case BULKHEAD_EVENT_CAPABILITIES: {
                g_autofree char *names = g_strjoinv(",", (char **) (uintptr_t) event->capabilities);

                line = g_strdup_printf("capabilities %s %s", event->name, names);
                break;
        }
        case BULKHEAD_EVENT_STARTED:
                line = g_strdup_printf("started %s %s", event->name, event->argv[0]);
                break;
        case BULKHEAD_EVENT_CREATED:
        case BULKHEAD_EVENT_GONE:
                line = g_strdup_printf("%s %s", event->type == BULKHEAD_EVENT_GONE ? "gone" : "created",
                                       event->name);
                break;
        case BULKHEAD_EVENT_DENIED:
        case BULKHEAD_EVENT_SERVICE_LOST:
        case BULKHEAD_EVENT_SERVICE_BACK:
        case BULKHEAD_EVENT_DISCONNECTED:
        case BULKHEAD_EVENT_PENDING:
        case BULKHEAD_EVENT_ADDRESSES:
        default:
                line = g_strdup_printf("other %d", (int) event->type);
        }
        g_ptr_array_add(seen->lines, line);
}

static bool seen_has(const Seen *seen, const char *line) {
        for (guint i = 0; i < seen->lines->len; i++)
                if (g_str_equal(seen->lines->pdata[i], line))
                        return true;
        return false;
}

/* Waits as an event loop does: descriptor, events and deadline are what it is told. */
static void expect_event(Bulkhead *bulkhead, const Seen *seen, const char *line) {
        uint64_t end = test_now_usec() + EVENT_TIMEOUT_USEC;

        while (!seen_has(seen, line)) {
                uint64_t now = test_now_usec(), deadline = MIN(bulkhead_get_deadline(bulkhead), end);
                struct pollfd fd = { .fd = bulkhead_get_fd(bulkhead),
                                     .events = (short) bulkhead_get_poll_events(bulkhead) };

                if (now >= end) {
                        g_ptr_array_add(seen->lines, NULL);
                        g_autofree char *all = g_strjoinv("; ", (char **) seen->lines->pdata);

                        fail_msg("No '%s' among: %s", line, all);
                }
                (void) poll(&fd, 1, deadline <= now ? 0 : (int) ((deadline - now) / 1000 + 1));
                assert_true(bulkhead_dispatch(bulkhead) >= 0);
        }
}

/* ---- launch ---- */

static void test_launch_and_hear_of_the_end(void **state) {
        g_autoptr(Bulkhead) bulkhead = library_open(*state);
        g_autoptr(BulkheadRequest) request = bulkhead_request_new();
        g_autofree char *sandbox = NULL, *process = NULL;
        g_auto(BulkheadError) error = { 0 };
        g_auto(Seen) seen = seen_new();
        int pipe_fds[2];
        uint32_t pid = 0;
        char text[64] = "";

        assert_return_code(pipe2(pipe_fds, O_CLOEXEC), errno);
        bulkhead_set_callback(bulkhead, on_event, &seen);
        bulkhead_request_set_name(request, "first");
        bulkhead_request_add_capability(request, "library.file");
        assert_int_equal(bulkhead_request_set_variable(request, "NUMBER", "7"), 0);
        assert_int_equal(bulkhead_request_set_fd(request, 1, pipe_fds[1]), 0);
        expect_ok(bulkhead_launch(bulkhead, request,
                                  TEST_STRV("/bin/sh", "-c", "cat /gateways/file; exit $NUMBER"), &sandbox,
                                  &process, &pid, &error),
                  &error);
        (void) close(pipe_fds[1]);
        assert_true(pid > 0);
        assert_true(g_str_has_prefix(process, sandbox));
        expect_event(bulkhead, &seen, "exited first exited 7");
        assert_string_equal(seen.process, process);
        expect_event(bulkhead, &seen, "gone first");
        assert_int_equal(seen.n_exits, 1);
        assert_int_equal(read(pipe_fds[0], text, sizeof(text) - 1), strlen("granted\n"));
        assert_string_equal(text, "granted\n");
        (void) close(pipe_fds[0]);
}

/* Whoever has made the sandbox, and whether or not its signals come as well: told once. */
static void test_end_of_run_is_told_once(void **state) {
        g_autoptr(Bulkhead) maker = library_open(*state), other = library_open(*state);
        g_autoptr(BulkheadRequest) request = bulkhead_request_new();
        g_auto(Seen) seen_by_maker = seen_new(), seen_by_other = seen_new();
        g_auto(BulkheadError) error = { 0 };

        bulkhead_set_callback(maker, on_event, &seen_by_maker);
        bulkhead_set_callback(other, on_event, &seen_by_other);
        bulkhead_request_set_name(request, "shared");
        expect_ok(bulkhead_create(maker, request, NULL, &error), &error);
        expect_ok(
                bulkhead_run(other, "shared", NULL, TEST_STRV("/bin/sh", "-c", "exit 4"), NULL, NULL, &error),
                &error);
        expect_event(other, &seen_by_other, "exited shared exited 4");
        expect_event(maker, &seen_by_maker, "exited shared exited 4");

        expect_ok(bulkhead_subscribe(other, &error), &error);
        for (int i = 0; i < 10; i++) {
                g_autofree char *script = g_strdup_printf("exit %d", 10 + i);
                g_autofree char *line = g_strdup_printf("exited shared exited %d", 10 + i);

                expect_ok(bulkhead_run(other, "shared", NULL, TEST_STRV("/bin/sh", "-c", script), NULL, NULL,
                                       &error),
                          &error);
                expect_event(other, &seen_by_other, line);
        }
        expect_ok(
                bulkhead_run(maker, "shared", NULL, TEST_STRV("/bin/sh", "-c", "exit 5"), NULL, NULL, &error),
                &error);
        expect_event(maker, &seen_by_maker, "exited shared exited 5");
        expect_ok(bulkhead_stop(maker, "shared", 0, &error), &error);
        expect_event(maker, &seen_by_maker, "gone shared");
        expect_event(other, &seen_by_other, "gone shared");
        assert_int_equal(seen_by_other.n_exits, 12);
        assert_int_equal(seen_by_maker.n_exits, 12);
}

static void test_events_of_others(void **state) {
        g_autoptr(Bulkhead) maker = library_open(*state), watcher = library_open(*state);
        g_autoptr(BulkheadRequest) request = bulkhead_request_new();
        g_auto(BulkheadError) error = { 0 };
        g_auto(Seen) seen = seen_new();
        const char *const capabilities[] = { "library.file", NULL };

        bulkhead_set_callback(watcher, on_event, &seen);
        expect_ok(bulkhead_subscribe(watcher, &error), &error);
        bulkhead_request_set_name(request, "watched");
        expect_ok(bulkhead_create(maker, request, NULL, &error), &error);
        expect_event(watcher, &seen, "created watched");
        expect_ok(bulkhead_grant(maker, "watched", capabilities, &error), &error);
        expect_event(watcher, &seen, "capabilities watched library.file");
        expect_ok(bulkhead_revoke(maker, "watched", capabilities, &error), &error);
        expect_event(watcher, &seen, "capabilities watched ");
        expect_ok(bulkhead_freeze(maker, "watched", &error), &error);
        expect_event(watcher, &seen, "state watched frozen");
        expect_ok(bulkhead_thaw(maker, "watched", &error), &error);
        expect_ok(bulkhead_run(maker, "watched", NULL, TEST_STRV("sleep", "1000"), NULL, NULL, &error),
                  &error);
        expect_event(watcher, &seen, "started watched sleep");
        expect_ok(bulkhead_kill(maker, "watched", SIGKILL, &error), &error);
        expect_event(watcher, &seen, "exited watched killed 9");
        expect_ok(bulkhead_stop(maker, "watched", 0, &error), &error);
        expect_event(watcher, &seen, "gone watched");
}

/* ---- the other calls ---- */

static void test_wait_and_list(void **state) {
        g_autoptr(Bulkhead) bulkhead = library_open(*state);
        g_autoptr(BulkheadRequest) request = bulkhead_request_new();
        g_autofree char *sandbox = NULL, *process = NULL, *reason = NULL;
        g_auto(BulkheadError) error = { 0 };
        BulkheadSandbox **sandboxes = NULL;
        int status = -1;

        bulkhead_request_set_name(request, "listed");
        bulkhead_request_set_flags(request, BULKHEAD_KEEP);
        expect_ok(bulkhead_launch(bulkhead, request, TEST_STRV("sleep", "1000"), &sandbox, &process, NULL,
                                  &error),
                  &error);
        expect_ok(bulkhead_list(bulkhead, &sandboxes, &error), &error);
        assert_non_null(sandboxes[0]);
        assert_null(sandboxes[1]);
        assert_string_equal(sandboxes[0]->name, "listed");
        assert_string_equal(sandboxes[0]->path, sandbox);
        assert_string_equal(sandboxes[0]->state, "ready");
        bulkhead_sandboxes_free(sandboxes);

        assert_true(bulkhead_wait(bulkhead, process, 100 * 1000, NULL, NULL, &error) < 0);
        assert_true(bulkhead_error_is(&error, BULKHEAD_ERROR_NO_ANSWER));
        bulkhead_error_done(&error);
        expect_ok(bulkhead_kill_process(bulkhead, process, SIGTERM, &error), &error);
        expect_ok(bulkhead_wait(bulkhead, process, 0, &reason, &status, &error), &error);
        assert_string_equal(reason, "killed");
        assert_int_equal(status, SIGTERM);
        expect_ok(bulkhead_stop(bulkhead, sandbox, 0, &error), &error);
}

static void test_mounts(void **state) {
        g_autoptr(Bulkhead) bulkhead = library_open(*state);
        g_autoptr(BulkheadRequest) request = bulkhead_request_new();
        g_autoptr(TestClient) client = test_client_new(*state);
        g_autofree char *source = test_service_path(*state, "host/file.txt"), *sandbox = NULL, *text = NULL;
        g_auto(BulkheadError) error = { 0 };
        autofd int fd = open(source, O_PATH | O_CLOEXEC);

        test_client_subscribe(client); /* to the ends of programs in what somebody else has made */
        assert_int_equal(bulkhead_request_add_mount(request, source, "/run/first", 0), 0);
        expect_ok(bulkhead_create(bulkhead, request, &sandbox, &error), &error);
        expect_ok(bulkhead_mount(bulkhead, sandbox, source, "/run/second", 0, &error), &error);
        expect_ok(bulkhead_mount_fd(bulkhead, sandbox, fd, "/run/third", 0, &error), &error);
        assert_int_equal(test_client_shell(client, sandbox,
                                           "cat /run/first /run/second /run/third; echo >/run/first", &text),
                         2);
        assert_true(g_str_has_prefix(text, "granted\ngranted\ngranted\n"));
        expect_ok(bulkhead_unmount(bulkhead, sandbox, "/run/second", &error), &error);
        assert_int_equal(test_client_shell(client, sandbox, "test -s /run/second", NULL), 1);
        expect_ok(bulkhead_stop(bulkhead, sandbox, 0, &error), &error);
}

static void test_terminal(void **state) {
        g_autoptr(Bulkhead) bulkhead = library_open(*state);
        g_autoptr(BulkheadRequest) request = bulkhead_request_new();
        g_autofree char *process = NULL;
        g_auto(BulkheadError) error = { 0 };
        autofd int fd = -1;
        char text[64] = "";

        bulkhead_request_set_flags(request, BULKHEAD_TERMINAL);
        expect_ok(bulkhead_launch(bulkhead, request, TEST_STRV("/bin/sh", "-c", "read x; stty size"), NULL,
                                  &process, NULL, &error),
                  &error);
        expect_ok(bulkhead_open_terminal(bulkhead, process, &fd, &error), &error);
        expect_ok(bulkhead_resize(bulkhead, process, 12, 34, &error), &error);
        assert_int_equal(write(fd, "\n", 1), 1);
        for (size_t at = 0; !strstr(text, "12 34") && at < sizeof(text) - 1;) {
                struct pollfd ready = { .fd = fd, .events = POLLIN };
                ssize_t n;

                assert_int_equal(poll(&ready, 1, 10000), 1);
                n = read(fd, text + at, sizeof(text) - 1 - at);

                assert_true(n > 0);
                at += (size_t) n;
        }
        expect_ok(bulkhead_wait(bulkhead, process, 0, NULL, NULL, &error), &error);
}

/* ---- errors ---- */

static void test_errors_have_names(void **state) {
        g_autoptr(Bulkhead) bulkhead = library_open(*state);
        g_autoptr(BulkheadRequest) request = bulkhead_request_new();
        g_autofree char *process = NULL;
        const char *const unknown[] = { "no.such", NULL };
        struct {
                const char *name;
                int r;
                BulkheadError error;
        } cases[] = { { "NoSuchSandbox" },     { "InvalidArgs" }, { "UnknownCapability" }, { "ExecFailed" },
                      { BULKHEAD_ERROR_GONE }, { "InvalidName" }, { "InvalidArgs" } };

        bulkhead_request_add_capability(request, "no.such");
        cases[0].r = bulkhead_grant(bulkhead, "nobody", unknown, &cases[0].error);
        cases[1].r = bulkhead_kill_process(bulkhead, "no path", SIGTERM, &cases[1].error);
        cases[2].r = bulkhead_create(bulkhead, request, NULL, &cases[2].error);
        cases[3].r = bulkhead_launch(bulkhead, NULL, TEST_STRV("/no/such"), NULL, &process, NULL,
                                     &cases[3].error);
        cases[4].r = bulkhead_kill_process(bulkhead, TEST_BUS_PATH "/sandbox/nobody/process/1", 9,
                                           &cases[4].error);
        bulkhead_request_set_name(request, "a/b");
        cases[5].r = bulkhead_create(bulkhead, request, NULL, &cases[5].error);
        cases[6].r = bulkhead_stop(bulkhead, "\xff", 0, &cases[6].error);
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                if (cases[i].r >= 0 || !bulkhead_error_is(&cases[i].error, cases[i].name) ||
                    !cases[i].error.message)
                        fail_msg("Case %zu: %d, %s: %s; expected %s", i, cases[i].r, cases[i].error.name,
                                 cases[i].error.message, cases[i].name);
                bulkhead_error_done(&cases[i].error);
        }
        assert_null(process);
}

/* ---- the example ---- */

static int run_example(const TestService *service, const char *capability, const char *program,
                       const char *argument, char **ret_output) {
        const char *launcher = g_getenv("BULKHEAD_TEST_LAUNCHER");
        const char *const argv[] = { launcher, capability, program, argument, NULL };
        g_autofree char *variable = g_strdup_printf("BULKHEAD_BUS=%s", test_service_get_address(service));
        const char *const environment[] = { variable, NULL };
        g_autoptr(TestClient) client = test_client_new(service);
        posix_spawn_file_actions_t actions;
        int fds[2], status;
        pid_t pid;

        assert_non_null(launcher);
        assert_return_code(pipe2(fds, O_CLOEXEC), errno);
        (void) posix_spawn_file_actions_init(&actions);
        (void) posix_spawn_file_actions_adddup2(&actions, fds[1], STDOUT_FILENO);
        (void) posix_spawn_file_actions_adddup2(&actions, fds[1], STDERR_FILENO);
        assert_int_equal(posix_spawn(&pid, launcher, &actions, NULL, (char **) (uintptr_t) argv,
                                     (char **) (uintptr_t) environment),
                         0);
        (void) posix_spawn_file_actions_destroy(&actions);
        (void) close(fds[1]);
        *ret_output = test_client_read_all(client, fds[0], EVENT_TIMEOUT_USEC);
        (void) close(fds[0]);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void test_example_launcher(void **state) {
        g_autofree char *output = NULL, *refusal = NULL;

        assert_int_equal(run_example(*state, "library.file", "/bin/cat", "/gateways/file", &output), 0);
        assert_true(g_str_has_prefix(output, "granted\n"));
        assert_true(g_str_has_suffix(output, ": exited 0\n"));
        assert_int_equal(run_example(*state, "no.such", "/bin/cat", "/gateways/file", &refusal), 1);
        assert_true(g_str_has_prefix(refusal, "UnknownCapability: "));
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                test_case(test_launch_and_hear_of_the_end),
                test_case(test_end_of_run_is_told_once),
                test_case(test_events_of_others),
                test_case(test_wait_and_list),
                test_case(test_mounts),
                test_case(test_terminal),
                test_case(test_errors_have_names),
                test_case(test_example_launcher),
                cmocka_unit_test(test_nothing_is_left),
        };

        return test_main("library", prepare, tests, G_N_ELEMENTS(tests));
}
