/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The command line: a program inside is used like a program here
 */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/fixture/test-client.h"
#include "tests/fixture/test-program.h"
#include "util/cleanup.h"

#define MEBIBYTE (1024 * 1024)
#define KILLS    40

static void prepare(TestService *service) {
        g_free(test_service_write(service, "host/file.txt", "granted\n"));
        test_service_add_bind(service, "cli.file", "host/file.txt", "/gateways/file", true);
}

typedef struct Case {
        const char *name;
        const char *const *argv;
        const char *input;
        int status;
        const char *output; /* exactly; NULL = any */
        const char *errors; /* a part of it; NULL = there must be none */
} Case;

static void check_case(const TestService *service, const Case *c) {
        g_auto(TestResult) result = { 0 };

        print_message("         %s\n", c->name);
        test_bulkhead(service, c->argv, c->input, &result);
        if (result.status != c->status)
                fail_msg("%s: status %d instead of %d; it printed: %s%s", c->name, result.status, c->status,
                         result.output, result.errors);
        if (c->output && !g_str_equal(result.output, c->output))
                fail_msg("%s: printed '%s' instead of '%s'", c->name, result.output, c->output);
        if (c->errors && !strstr(result.errors, c->errors))
                fail_msg("%s: does not say '%s', but: %s", c->name, c->errors, result.errors);
        if (!c->errors && *result.errors)
                fail_msg("%s: says %s", c->name, result.errors);
}

static void check_cases(const TestService *service, const Case *cases, size_t n) {
        for (size_t i = 0; i < n; i++)
                check_case(service, &cases[i]);
}

static void expect_nothing_listed(const TestService *service) {
        g_autoptr(TestClient) client = test_client_new(service);

        test_client_wait_empty(client);
}

static void test_run_returns_the_programs_status(void **state) {
        const Case cases[] = {
                { "hello and 7", TEST_STRV("run", "--", "/bin/sh", "-c", "echo hello; exit 7"), NULL, 7, "hello\n", NULL },
                { "0", TEST_STRV("run", "--", "/bin/true"), NULL, 0, "", NULL },
                { "found by PATH", TEST_STRV("run", "--", "true"), NULL, 0, "", NULL },
                { "255", TEST_STRV("run", "--", "/bin/sh", "-c", "exit 255"), NULL, 255, "", NULL },
                { "125 of its own", TEST_STRV("run", "--", "/bin/sh", "-c", "exit 125"), NULL, 125, "", NULL },
                { "SIGTERM", TEST_STRV("run", "--", "/bin/sh", "-c", "kill -TERM $$"), NULL, 143, "", NULL },
                { "SIGKILL", TEST_STRV("run", "--", "/bin/sh", "-c", "kill -KILL $$"), NULL, 137, "", NULL },
                { "not found", TEST_STRV("run", "--", "/no/such/program"), NULL, 127, "", "/no/such/program" },
                { "not executable", TEST_STRV("run", "--", "/tmp"), NULL, 126, "", "/tmp" },
        };

        check_cases(*state, cases, G_N_ELEMENTS(cases));
        expect_nothing_listed(*state);
}

static void test_own_failures_are_125_and_wrong_use_2(void **state) {
        const Case cases[] = {
                { "unknown capability", TEST_STRV("run", "-c", "no.such", "--", "/bin/true"), NULL, 125, "", "no.such" },
                { "bad name", TEST_STRV("run", "--name", "a/b", "--", "/bin/true"), NULL, 125, "", "a/b" },
                { "no such sandbox", TEST_STRV("exec", "no-such", "--", "/bin/true"), NULL, 125, "", "no-such" },
                { "no such folder", TEST_STRV("run", "-w", "/no/such", "--", "/bin/true"), NULL, 125, "", "/no/such" },
                { "no program", TEST_STRV("run"), NULL, 2, "", "bulkhead" },
                { "unknown option", TEST_STRV("run", "--colour", "--", "/bin/true"), NULL, 2, "", "colour" },
                { "unknown verb", TEST_STRV("fly"), NULL, 2, "", "fly" },
                { "no verb", (const char *const[]){ NULL }, NULL, 2, "", "" },
                { "stop of nothing", TEST_STRV("stop", "no-such"), NULL, 1, "", "no-such" },
                { "grant to nothing", TEST_STRV("grant", "no-such", "cli.file"), NULL, 1, "", "no-such" },
        };

        check_cases(*state, cases, G_N_ELEMENTS(cases));
        expect_nothing_listed(*state);
}

static void test_no_service(void **state) {
        const Case cases[] = {
                { "run", TEST_STRV("--bus", "unix:path=/nonexistent/bus", "run", "--", "/bin/true"), NULL, 125, "",
                  "/nonexistent/bus" },
                { "list", TEST_STRV("--bus", "unix:path=/nonexistent/bus", "list"), NULL, 1, "", "/nonexistent/bus" },
        };

        check_cases(*state, cases, G_N_ELEMENTS(cases));
}

static void test_options_reach_the_program(void **state) {
        const Case cases[] = {
                { "capability", TEST_STRV("run", "-c", "cli.file", "--", "cat", "/gateways/file"), NULL, 0, "granted\n",
                  NULL },
                { "variable", TEST_STRV("run", "-e", "A=b c", "--", "/bin/sh", "-c", "echo \"$A\""), NULL, 0, "b c\n",
                  NULL },
                { "folder", TEST_STRV("run", "-w", "/usr/bin", "--", "pwd"), NULL, 0, "/usr/bin\n", NULL },
                { "user", TEST_STRV("run", "-u", "1234", "--", "id", "-u"), NULL, 0, "1234\n", NULL },
                { "argv as it is", TEST_STRV("run", "--", "printf", "<%s>", "-c", "--json", "a b", "$HOME"), NULL, 0,
                  "<-c><--json><a b><$HOME>", NULL },
                { "options of the program", TEST_STRV("run", "echo", "-n", "--json"), NULL, 0, "--json", NULL },
        };

        check_cases(*state, cases, G_N_ELEMENTS(cases));
        expect_nothing_listed(*state);
}

static void test_stdin_is_passed_on(void **state) {
        const Case cases[] = {
                { "some", TEST_STRV("run", "--", "cat"), "one\ntwo\n", 0, "one\ntwo\n", NULL },
                { "nothing", TEST_STRV("run", "--", "cat"), NULL, 0, "", NULL },
                { "not read", TEST_STRV("run", "--", "true"), "x", 0, "", NULL },
        };

        check_cases(*state, cases, G_N_ELEMENTS(cases));
}

static void test_a_mebibyte_is_not_lost(void **state) {
        g_autofree char *input = g_malloc(MEBIBYTE);
        g_auto(TestResult) result = { 0 };
        TestChild child;

        for (size_t i = 0; i < MEBIBYTE; i++)
                input[i] = (char) (i * 31 + i / 251);
        test_child_start(*state, TEST_STRV("run", "--", "cat"), &child);
        test_child_finish(&child, input, MEBIBYTE, &result);
        assert_int_equal(result.status, 0);
        assert_int_equal(result.output_size, MEBIBYTE);
        assert_memory_equal(result.output, input, MEBIBYTE);
}

/* The program ends at once and its output is still in the pipe when its end is told. */
static void test_output_of_a_program_that_ends_at_once(void **state) {
        g_auto(TestResult) result = { 0 };
        TestChild child;

        test_child_start(*state, TEST_STRV("run", "--", "head", "-c", "1048576", "/dev/zero"), &child);
        (void) g_usleep(300 * 1000); /* nobody reads for a while */
        test_child_finish(&child, NULL, 0, &result);
        assert_int_equal(result.status, 0);
        assert_int_equal(result.output_size, MEBIBYTE);
}

static void test_stdout_and_stderr_stay_apart(void **state) {
        g_auto(TestResult) result = { 0 };

        test_bulkhead(*state, TEST_STRV("run", "--", "/bin/sh", "-c", "echo out; echo err >&2"), NULL, &result);
        assert_int_equal(result.status, 0);
        assert_string_equal(result.output, "out\n");
        assert_string_equal(result.errors, "err\n");
}

/* The program's first words can be here before the answer to the launch is at the command line, which would then
 * undo the launch: that is another way, and not the one that these tests ask about. */
static void wait_until_it_runs(const TestChild *child) {
        char up[3] = "";

        assert_int_equal(read(child->output_fd, up, 3), 3);
        assert_memory_equal(up, "up\n", 3);
        (void) g_usleep(200 * 1000);
}

static void signal_running(const TestService *service, int signal_number, int expected) {
        g_auto(TestResult) result = { 0 };
        TestChild child;

        test_child_start(service, TEST_STRV("run", "--", "/bin/sh", "-c", "echo up; exec sleep 1000"), &child);
        wait_until_it_runs(&child);

        uint64_t start = test_now_usec();

        assert_return_code(kill(child.pid, signal_number), errno);
        test_child_finish(&child, NULL, 0, &result);
        assert_int_equal(result.status, expected);
        assert_true(test_now_usec() - start < 10 * TEST_USEC_PER_SEC);
        expect_nothing_listed(service);
}

static void test_ctrl_c_ends_the_program(void **state) {
        signal_running(*state, SIGINT, 128 + SIGINT);
}

static void test_sigterm_ends_the_program(void **state) {
        signal_running(*state, SIGTERM, 128 + SIGTERM);
}

/* Nothing can be passed on by a process that is gone: the service sees it leave the bus. */
static void test_killed_run_leaves_nothing(void **state) {
        signal_running(*state, SIGKILL, 128 + SIGKILL);
}

/* At the moment when the program starts and the answer is on its way, earlier, and later: whichever end of the race
 * it is, the service notices. */
static void test_run_killed_around_its_start(void **state) {
        for (unsigned i = 0; i < KILLS; i++) {
                g_auto(TestResult) result = { 0 };
                TestChild child;
                char up[3];

                test_child_start(*state, TEST_STRV("run", "--", "/bin/sh", "-c", "echo up; exec sleep 1000"), &child);
                if (i % 2)
                        (void) g_usleep(i * 500);
                else
                        assert_int_equal(read(child.output_fd, up, 3), 3);
                assert_return_code(kill(child.pid, SIGKILL), errno);
                test_child_finish(&child, NULL, 0, &result);
                expect_nothing_listed(*state);
        }
}

static void test_ctrl_c_that_the_program_catches(void **state) {
        g_auto(TestResult) result = { 0 };
        TestChild child;

        test_child_start(*state, TEST_STRV("run", "--", "/bin/sh", "-c",
                                           "trap 'echo caught; exit 3' INT; echo up; while :; do sleep 0.05; done"),
                         &child);
        wait_until_it_runs(&child);
        assert_return_code(kill(child.pid, SIGINT), errno);
        test_child_finish(&child, NULL, 0, &result);
        assert_int_equal(result.status, 3);
        assert_string_equal(result.output, "caught\n");
}

static void test_a_sandbox_by_hand(void **state) {
        static const struct {
                const char *name;
                const char *argv[8];
                int status;
                const char *output;
        } steps[] = {
                { "create", { "create", "--name", "hand" }, 0, "hand\n" },
                { "exec", { "exec", "hand", "--", "/bin/sh", "-c", "exit 7" }, 7, "" },
                { "not granted", { "exec", "hand", "--", "test", "-e", "/gateways/file" }, 1, "" },
                { "grant", { "--quiet", "grant", "hand", "cli.file" }, 0, "" },
                { "granted", { "exec", "hand", "--", "cat", "/gateways/file" }, 0, "granted\n" },
                { "revoke", { "--quiet", "revoke", "hand", "cli.file" }, 0, "" },
                { "revoked", { "exec", "hand", "--", "test", "-e", "/gateways/file" }, 1, "" },
                { "stop", { "--quiet", "stop", "hand" }, 0, "" },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(steps); i++)
                check_case(*state, &(Case){ .name = steps[i].name,
                                            .argv = steps[i].argv,
                                            .status = steps[i].status,
                                            .output = steps[i].output });
        expect_nothing_listed(*state);
}

static json_t *run_json(const TestService *service, const char *const *argv) {
        g_auto(TestResult) result = { 0 };
        json_error_t error;
        json_t *json;

        test_bulkhead(service, argv, NULL, &result);
        assert_int_equal(result.status, 0);
        json = json_loads(result.output, JSON_REJECT_DUPLICATES, &error);
        if (!json)
                fail_msg("Not JSON: %s: %s", error.text, result.output);
        return json;
}

static void test_json_parses(void **state) {
        json_t *list, *capabilities, *entry;
        const char *name, *state_name, *path;
        bool found = false;

        list = run_json(*state, TEST_STRV("list", "--json"));
        assert_true(json_is_array(list));
        assert_int_equal(json_array_size(list), 0);
        json_decref(list);

        check_case(*state, &(Case){ .name = "create", .argv = TEST_STRV("create", "--name", "shown"), .output = "shown\n" });
        list = run_json(*state, TEST_STRV("list", "--json"));
        assert_int_equal(json_array_size(list), 1);
        assert_int_equal(json_unpack(json_array_get(list, 0), "{s:s, s:s, s:s !}", "name", &name, "state", &state_name,
                                     "path", &path),
                         0);
        assert_string_equal(name, "shown");
        assert_string_equal(state_name, "ready");
        assert_true(g_str_has_prefix(path, TEST_BUS_PATH "/sandbox/"));
        json_decref(list);

        capabilities = run_json(*state, TEST_STRV("--json", "capabilities"));
        for (size_t i = 0; i < json_array_size(capabilities); i++) {
                entry = json_array_get(capabilities, i);
                found = found || g_strcmp0(json_string_value(json_object_get(entry, "name")), "cli.file") == 0;
        }
        assert_true(found);
        json_decref(capabilities);
        check_case(*state, &(Case){ .name = "stop --all", .argv = TEST_STRV("--quiet", "stop", "--all"), .output = "" });
        expect_nothing_listed(*state);
}

static void test_lists_for_people(void **state) {
        g_auto(TestResult) capabilities = { 0 }, list = { 0 };

        test_bulkhead(*state, TEST_STRV("capabilities"), NULL, &capabilities);
        assert_int_equal(capabilities.status, 0);
        assert_non_null(strstr(capabilities.output, "cli.file"));
        assert_non_null(strstr(capabilities.output, "For a test"));
        assert_null(strchr(capabilities.output, '\033')); /* colours on a terminal only */
        check_case(*state, &(Case){ .name = "create", .argv = TEST_STRV("create", "--name", "seen"), .output = "seen\n" });
        test_bulkhead(*state, TEST_STRV("list"), NULL, &list);
        assert_non_null(strstr(list.output, "seen"));
        assert_non_null(strstr(list.output, "ready"));
}

static void test_keep_keeps(void **state) {
        check_case(*state, &(Case){ .name = "run --keep",
                                    .argv = TEST_STRV("run", "--name", "kept", "--keep", "--", "/bin/sh", "-c",
                                                      "echo here >/tmp/file"),
                                    .output = "" });
        check_case(*state, &(Case){ .name = "exec",
                                    .argv = TEST_STRV("exec", "kept", "--", "cat", "/tmp/file"),
                                    .output = "here\n" });
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                test_case(test_run_returns_the_programs_status),
                test_case(test_own_failures_are_125_and_wrong_use_2),
                test_case(test_no_service),
                test_case(test_options_reach_the_program),
                test_case(test_stdin_is_passed_on),
                test_case(test_a_mebibyte_is_not_lost),
                test_case(test_output_of_a_program_that_ends_at_once),
                test_case(test_stdout_and_stderr_stay_apart),
                test_case(test_ctrl_c_ends_the_program),
                test_case(test_sigterm_ends_the_program),
                test_case(test_killed_run_leaves_nothing),
                test_case(test_run_killed_around_its_start),
                test_case(test_ctrl_c_that_the_program_catches),
                test_case(test_a_sandbox_by_hand),
                test_case(test_json_parses),
                test_case(test_lists_for_people),
                test_case(test_keep_keeps),
                cmocka_unit_test(test_nothing_is_left),
        };

        return test_main("cli", prepare, tests, G_N_ELEMENTS(tests));
}
