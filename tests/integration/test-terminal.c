/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Terminals of programs, and what a thousand programs leave of descriptors
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/fixture/test-client.h"
#include "tests/fixture/test-slow.h"
#include "util/cleanup.h"

#define N_RUNS      test_rounds(1000)
#define SETTLE_USEC (200 * 1000) /* who has answered may still be closing what it answered with */

static TestClient *client;
static char *sandbox;

static int open_client(void **state) {
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;

        client = test_client_new(*state);
        test_expect_ok(test_client_create(client, &(TestRequest){ .name = "terminal" }, &sandbox, &error),
                       &error, "CreateSandbox");
        return 0;
}

static int close_client(void **state) {
        g_clear_pointer(&client, test_client_free);
        g_clear_pointer(&sandbox, g_free);
        return test_after_each(state);
}

/* "/bin/sh -c @script" with a terminal. */
static void run(const char *script, TestProgram *ret) {
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        TestRequest request = { .argv = TEST_STRV("/bin/sh", "-c", script), .terminal = true };

        test_expect_ok(test_client_run(client, sandbox, &request, ret, &error), &error, "Run");
}

static int open_terminal(const TestProgram *program, int *ret_fd, sd_bus_error *error) {
        g_autoptr(sd_bus_message) reply = NULL;
        int fd, r;

        r = test_client_ask(client, program->process, TEST_PROCESS, "OpenTerminal", &reply, error, "");
        if (r < 0)
                return r;
        assert_true(sd_bus_message_read(reply, "h", &fd) >= 0);
        *ret_fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        return 0;
}

static int open_terminal_well(const TestProgram *program) {
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        int fd = -EBADF;

        test_expect_ok(open_terminal(program, &fd, &error), &error, "OpenTerminal");
        return fd;
}

static int resize(const TestProgram *program, unsigned rows, unsigned columns, sd_bus_error *error) {
        return test_client_ask(client, program->process, TEST_PROCESS, "Resize", NULL, error, "qq", rows,
                               columns);
}

static void wait_for(const TestProgram *program) {
        assert_int_equal(test_client_wait(client, program->process, 10 * TEST_USEC_PER_SEC, NULL), 0);
}

/* It has written and ended before anybody asks for its terminal. */
static void test_output_of_one_that_ended_at_once(void **state G_GNUC_UNUSED) {
        g_auto(TestProgram) program = { NULL };
        g_autofree char *output = NULL;

        run("echo gone already", &program);
        wait_for(&program);

        autofd int fd = open_terminal_well(&program);

        output = test_client_read_all(client, fd, 5 * TEST_USEC_PER_SEC);
        assert_string_equal(output, "gone already\r\n");
}

/* Also when its whole sandbox is gone. */
static void test_output_of_a_launch(void **state G_GNUC_UNUSED) {
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        g_auto(TestProgram) program = { NULL };
        g_autofree char *output = NULL;
        TestRequest request = { .argv = TEST_STRV("/bin/echo", "launched"), .terminal = true };

        test_expect_ok(test_client_stop(client, sandbox, 0, &error), &error, "Stop");
        test_expect_ok(test_client_launch(client, &request, &program, &error), &error, "Launch");
        test_client_wait_empty(client);

        autofd int fd = open_terminal_well(&program);

        output = test_client_read_all(client, fd, 5 * TEST_USEC_PER_SEC);
        assert_string_equal(output, "launched\r\n");
}

static void test_input_and_size(void **state G_GNUC_UNUSED) {
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        g_auto(TestProgram) program = { NULL };
        g_autofree char *output = NULL;

        run("stty -echo; read line; stty size; test -t 0 -a -t 1 -a -t 2 && echo \"a terminal: $line\"; "
            "read line; stty size",
            &program);
        test_expect_ok(resize(&program, 25, 80, &error), &error, "Resize");

        autofd int fd = open_terminal_well(&program);

        test_client_idle(client, 200 * 1000); /* echo is off by then */
        assert_int_equal(write(fd, "hello\n", 6), 6);
        test_client_idle(client, 200 * 1000);
        test_expect_ok(resize(&program, 50, 132, &error), &error, "Resize of an opened terminal");
        assert_int_equal(write(fd, "again\n", 6), 6);
        output = test_client_read_all(client, fd, 5 * TEST_USEC_PER_SEC);
        if (!strstr(output, "25 80\r\na terminal: hello\r\n50 132\r\n"))
                fail_msg("The terminal said: %s", output);
}

/* A shell whose window is closed does not live on. */
static void test_who_leaves_hangs_up(void **state G_GNUC_UNUSED) {
        g_auto(TestProgram) program = { NULL };
        const TestExit *exit;

        run("exec sleep 100", &program);
        (void) close(open_terminal_well(&program));
        assert_int_equal(test_client_wait(client, program.process, 10 * TEST_USEC_PER_SEC, &exit), 0);
        assert_string_equal(exit->reason, "killed");
        assert_int_equal(exit->status, 1 /* SIGHUP */);
}

/* The program finds the size that was asked for, however early it looks. */
static void test_size_from_the_start(void **state G_GNUC_UNUSED) {
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        g_auto(TestProgram) program = { NULL };
        g_autofree char *output = NULL;
        TestRequest request = { .argv = TEST_STRV("stty", "size"), .terminal = true, .rows = 65535, .columns = 7 };

        test_expect_ok(test_client_run(client, sandbox, &request, &program, &error), &error, "Run");
        wait_for(&program);

        autofd int fd = open_terminal_well(&program);

        output = test_client_read_all(client, fd, 5 * TEST_USEC_PER_SEC);
        assert_string_equal(output, "65535 7\r\n");
        request.terminal = false;
        test_expect_error(test_client_run(client, sandbox, &request, NULL, &error), &error, TEST_INVALID_ARGS,
                          "'terminal'");
}

static void test_refused(void **state G_GNUC_UNUSED) {
        sd_bus_error errors[6] = { SD_BUS_ERROR_NULL };
        g_auto(TestProgram) program = { NULL }, plain = { NULL };
        TestRequest request = { .argv = TEST_STRV("/bin/sleep", "100") };
        int fd = -EBADF;

        test_expect_ok(test_client_run(client, sandbox, &request, &plain, &errors[0]), &errors[0], "Run");
        test_expect_error(open_terminal(&plain, &fd, &errors[1]), &errors[1], TEST_INVALID_ARGS,
                          "without a terminal");
        test_expect_error(resize(&plain, 1, 1, &errors[2]), &errors[2], TEST_INVALID_ARGS,
                          "without a terminal");
        run("true", &program);
        wait_for(&program);
        test_expect_error(resize(&program, 1, 1, &errors[3]), &errors[3], "BadState", "has ended");

        autofd int first_fd = open_terminal_well(&program);

        assert_return_code(first_fd, errno);
        test_expect_error(open_terminal(&program, &fd, &errors[4]), &errors[4], "BadState", "already");
        request.terminal = true;
        request.stdout_fd = STDOUT_FILENO;
        test_expect_error(test_client_run(client, sandbox, &request, NULL, &errors[5]), &errors[5],
                          TEST_INVALID_ARGS, "'stdout' and 'terminal'");
        for (size_t i = 0; i < G_N_ELEMENTS(errors); i++)
                sd_bus_error_free(&errors[i]);
}

/* ---- descriptors ---- */

static unsigned count_fds(uint32_t pid) {
        g_autofree char *path = g_strdup_printf("/proc/%u/fd", pid);
        g_autoptr(GDir) folder = g_dir_open(path, 0, NULL);
        unsigned n = 0;

        assert_non_null(folder);
        while (g_dir_read_name(folder))
                n++;
        return n;
}

static uint32_t get_leader(void) {
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        uint32_t pid = 0;

        test_expect_ok(sd_bus_get_property_trivial(test_client_get_bus(client), TEST_BUS_NAME, sandbox,
                                                   TEST_SANDBOX, "Leader", &error, 'u', &pid),
                       &error, "Leader");
        return pid;
}

static uint32_t get_parent(uint32_t pid) {
        g_autofree char *path = g_strdup_printf("/proc/%u/stat", pid);
        g_autofree char *text = NULL;
        unsigned parent = 0;

        assert_true(g_file_get_contents(path, &text, NULL, NULL));
        assert_int_equal(sscanf(strrchr(text, ')'), ") %*c %u", &parent), 1);
        return parent;
}

/* Who has answered may be about to close what the last program had: the fewest within 0.3 s. */
static unsigned count_settled_fds(uint32_t pid) {
        unsigned fewest = count_fds(pid);

        for (int i = 0; i < 30; i++) {
                g_usleep(10 * 1000);
                fewest = MIN(fewest, count_fds(pid));
        }
        return fewest;
}

/* With each kind of descriptors in turn; those that fail count too. */
static void run_once(unsigned i, int fd) {
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        g_auto(TestProgram) program = { NULL };
        TestRequest request = { .argv = TEST_STRV(i % 10 == 9 ? "/no/such/program" : "/bin/true") };
        int r;

        if (i % 2 == 0)
                request.stdin_fd = request.stdout_fd = request.stderr_fd = fd;
        else
                request.terminal = true;
        r = test_client_run(client, sandbox, &request, &program, &error);
        if (i % 10 == 9) {
                test_expect_error(r, &error, "ExecFailed", NULL);
                return;
        }
        test_expect_ok(r, &error, "Run");
        wait_for(&program);
        if (request.terminal)
                (void) close(open_terminal_well(&program));
}

static void test_descriptors_of_a_thousand_runs(void **state) {
        uint32_t init = get_leader(), monitor = get_parent(init);
        const struct {
                const char *name;
                uint32_t pid;
        } watched[] = {
                { "the service", (uint32_t) test_service_get_pid(*state) },
                { "the shim", get_parent(monitor) },
                { "the monitor", monitor },
                { "init", init },
        };
        autofd int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
        unsigned before[G_N_ELEMENTS(watched)];

        for (unsigned i = 0; i < 20; i++) /* whatever is opened once */
                run_once(i, fd);
        test_client_idle(client, SETTLE_USEC);
        for (size_t i = 0; i < G_N_ELEMENTS(watched); i++)
                before[i] = count_settled_fds(watched[i].pid);
        for (unsigned i = 0; i < N_RUNS; i++)
                run_once(i, fd);
        test_client_idle(client, SETTLE_USEC);
        for (size_t i = 0; i < G_N_ELEMENTS(watched); i++) {
                unsigned after = count_settled_fds(watched[i].pid);

                print_message("%s: %u descriptors before, %u after %u runs\n", watched[i].name, before[i],
                              after, N_RUNS);
                if (after != before[i])
                        fail_msg("%s has %u descriptors, %u before", watched[i].name, after, before[i]);
        }
}

#define terminal_case(function) cmocka_unit_test_setup_teardown(function, open_client, close_client)

int main(void) {
        static const struct CMUnitTest tests[] = {
                terminal_case(test_output_of_one_that_ended_at_once),
                terminal_case(test_output_of_a_launch),
                terminal_case(test_input_and_size),
                terminal_case(test_who_leaves_hangs_up),
                terminal_case(test_size_from_the_start),
                terminal_case(test_refused),
                terminal_case(test_descriptors_of_a_thousand_runs),
                cmocka_unit_test(test_nothing_is_left),
        };

        return test_main("terminal", NULL, tests, G_N_ELEMENTS(tests));
}
