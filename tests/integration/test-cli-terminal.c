/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The command line on a terminal: run -T, exec -T and shell, with somebody who types
 */
#include <errno.h>
#include <poll.h>
#include <pty.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/fixture/test-client.h"
#include "tests/fixture/test-program.h"
#include "util/cleanup.h"

#define EXPECT_TIMEOUT_USEC (15 * TEST_USEC_PER_SEC)
#define AT_ONCE_ROUNDS      20
#define SIZE_TRIES          50

/* A terminal with `bulkhead` on it. */
typedef struct Tty {
        pid_t pid;
        int fd;        /* owned; what a person looks at */
        GString *seen; /* owned; all that was shown */
        size_t at;     /* behind what was expected last */
} Tty;

static void tty_done(Tty *tty) {
        if (tty->pid > 0) {
                (void) kill(tty->pid, SIGKILL);
                (void) waitpid(tty->pid, NULL, 0);
        }
        fd_closep(&tty->fd);
        if (tty->seen)
                (void) g_string_free(tty->seen, TRUE);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Tty, tty_done)

static void prepare(TestService *service G_GNUC_UNUSED) {
}

/* A sanitizer answers SIGSEGV itself, where there is none to be found: the signal comes from outside. */
static void take_back_signals(void) {
        g_autofree char *options = g_strdup_printf("%s:handle_segv=0", g_getenv("ASAN_OPTIONS") ?: "");

        (void) setenv("ASAN_OPTIONS", options, 1);
}

static void tty_start(Tty *tty, const TestService *service, unsigned short rows, unsigned short columns,
                      const char *const *argv) {
        g_autofree char *program = test_service_get_program(service, "bulkhead");
        g_autoptr(GPtrArray) all = g_ptr_array_new();
        struct winsize size = { .ws_row = rows, .ws_col = columns };

        g_ptr_array_add(all, program);
        g_ptr_array_add(all, (char *) (uintptr_t) "--bus");
        g_ptr_array_add(all, (char *) (uintptr_t) test_service_get_address(service));
        for (; *argv; argv++)
                g_ptr_array_add(all, (char *) (uintptr_t) *argv);
        g_ptr_array_add(all, NULL);
        tty->seen = g_string_new(NULL);
        tty->pid = forkpty(&tty->fd, NULL, NULL, &size);
        if (tty->pid == 0) {
                /* A test in the background of a shell ignores SIGINT, and bulkhead would go on doing so. */
                for (int number = 1; number < NSIG; number++)
                        (void) signal(number, SIG_DFL);
                (void) setenv("TERM", "vt100", 1);
                take_back_signals();
                (void) execv(program, (char **) all->pdata);
                _exit(99);
        }
        assert_true(tty->pid > 0);
}

/* What is shown within @usec; false at the end of the terminal. */
static bool tty_look(Tty *tty, uint64_t usec) {
        struct pollfd fd = { .fd = tty->fd, .events = POLLIN };
        char buffer[4096];
        ssize_t n;

        if (poll(&fd, 1, (int) (usec / 1000)) <= 0)
                return true;
        n = read(tty->fd, buffer, sizeof(buffer));
        if (n > 0)
                g_string_append_len(tty->seen, buffer, n);
        return n > 0;
}

static bool tty_has(Tty *tty, const char *text) {
        const char *found = strstr(tty->seen->str + tty->at, text);

        if (found)
                tty->at = (size_t) (found - tty->seen->str) + strlen(text);
        return found;
}

static void tty_expect(Tty *tty, const char *text) {
        uint64_t end = test_now_usec() + EXPECT_TIMEOUT_USEC;

        while (!tty_has(tty, text))
                if (!tty_look(tty, 100 * 1000) || test_now_usec() > end) {
                        if (tty_has(tty, text))
                                return;
                        fail_msg("'%s' is not shown, but: %s", text, tty->seen->str);
                }
}

static void tty_type(Tty *tty, const char *text) {
        assert_int_equal(write(tty->fd, text, strlen(text)), strlen(text));
}

/* Exit status, or 128 and the signal, when everything was shown. */
static int tty_finish(Tty *tty) {
        uint64_t end = test_now_usec() + EXPECT_TIMEOUT_USEC;
        int status;

        while (waitpid(tty->pid, &status, WNOHANG) != tty->pid) {
                (void) tty_look(tty, 20 * 1000);
                if (test_now_usec() > end)
                        fail_msg("bulkhead does not end; it has shown: %s", tty->seen->str);
        }
        tty->pid = 0;
        while (tty_look(tty, 1000 * 1000))
                ;
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static bool tty_is_raw(const Tty *tty) {
        struct termios settings;

        assert_return_code(tcgetattr(tty->fd, &settings), errno);
        return !(settings.c_lflag & (ICANON | ECHO | ISIG));
}

static void tty_wait_raw(const Tty *tty) {
        for (unsigned i = 0; !tty_is_raw(tty); i++) {
                assert_true(i < 500);
                (void) g_usleep(10 * 1000);
        }
}

/* ---- output ---- */

static void test_output_of_a_program_that_ended_at_once(void **state) {
        for (unsigned i = 0; i < AT_ONCE_ROUNDS; i++) {
                g_auto(Tty) tty = { .fd = -1 };

                tty_start(&tty, *state, 24, 80, TEST_STRV("run", "-T", "--", "echo", "gone at once"));
                assert_int_equal(tty_finish(&tty), 0);
                assert_string_equal(tty.seen->str, "gone at once\r\n");
        }
}

/* More than a terminal's buffers hold. */
static void test_all_of_much_output(void **state) {
        g_auto(Tty) tty = { .fd = -1 };
        g_autoptr(GString) wanted = g_string_new(NULL);

        for (unsigned i = 1; i <= 20000; i++)
                g_string_append_printf(wanted, "%u\r\n", i);
        tty_start(&tty, *state, 24, 80, TEST_STRV("run", "-T", "--", "seq", "1", "20000"));
        assert_int_equal(tty_finish(&tty), 0);
        assert_int_equal(tty.seen->len, wanted->len);
        assert_string_equal(tty.seen->str, wanted->str);
}

static void test_status_and_variables(void **state) {
        g_auto(Tty) tty = { .fd = -1 };

        tty_start(&tty, *state, 24, 80,
                  TEST_STRV("run", "-T", "--", "/bin/sh", "-c",
                            "test -t 0 && test -t 1 && echo $TERM; exit 7"));
        assert_int_equal(tty_finish(&tty), 7);
        assert_string_equal(tty.seen->str, "vt100\r\n");
}

/* A script has no terminal of its own; what it says comes, and so does its end. */
static void test_without_a_terminal_of_ours(void **state) {
        g_auto(TestResult) result = { 0 };

        test_bulkhead(
                *state,
                TEST_STRV("run", "-T", "--", "/bin/sh", "-c", "cat >/dev/null; test -t 0 && echo ended"),
                "some\n", &result);
        assert_int_equal(result.status, 0);
        assert_non_null(strstr(result.output, "ended\r\n"));
}

/* ---- keys ---- */

static void shell_start(Tty *tty, const TestService *service) {
        g_auto(TestResult) result = { 0 };

        test_bulkhead(service, TEST_STRV("create", "--name", "typed"), NULL, &result);
        assert_int_equal(result.status, 0);
        tty_start(tty, service, 33, 101,
                  TEST_STRV("shell", "typed", "-e", "PS1=ready> ", "--", "/bin/sh", "-i"));
        tty_expect(tty, "ready> ");
}

/* A change of the size is told by a signal: not at once. */
static void expect_size(Tty *tty, const char *size) {
        for (unsigned i = 0; i < SIZE_TRIES; i++) {
                g_autofree char *line = g_strdup_printf("size is %s.", size);

                tty_type(tty, "echo size is $(stty size).\r");
                tty_expect(tty, "\nsize is ");
                tty_expect(tty, "ready> ");
                if (strstr(tty->seen->str, line))
                        return;
                (void) g_usleep(50 * 1000);
        }
        fail_msg("The size is not %s: %s", size, tty->seen->str);
}

/* Known before the program starts: one that looks at once, and only once, sees it. */
static void test_window_size_from_the_start(void **state) {
        for (int i = 0; i < 5; i++) {
                g_auto(Tty) tty = { .fd = -1 };

                tty_start(&tty, *state, 41, 132, TEST_STRV("run", "-T", "--", "stty", "size"));
                assert_int_equal(tty_finish(&tty), 0);
                assert_string_equal(tty.seen->str, "41 132\r\n");
        }
}

static void test_window_size(void **state) {
        struct winsize size = { .ws_row = 20, .ws_col = 70 };
        g_auto(Tty) tty = { .fd = -1 };

        shell_start(&tty, *state);
        expect_size(&tty, "33 101");
        assert_return_code(ioctl(tty.fd, TIOCSWINSZ, &size), errno);
        expect_size(&tty, "20 70");
        tty_type(&tty, "exit 3\r");
        assert_int_equal(tty_finish(&tty), 3);
}

static void test_ctrl_c_is_for_the_program(void **state) {
        g_auto(Tty) tty = { .fd = -1 };

        shell_start(&tty, *state);
        tty_type(&tty, "echo go; sleep 1000\r");
        tty_expect(&tty, "\ngo");
        (void) g_usleep(200 * 1000);
        tty_type(&tty, "\003");
        tty_expect(&tty, "ready> ");
        tty_type(&tty, "echo was $?\r");
        tty_expect(&tty, "\r\nwas 130\r\n");
        tty_type(&tty, "\004"); /* an end of input, as a terminal has it; the last command was echo */
        assert_int_equal(tty_finish(&tty), 0);
}

static void test_job_control(void **state) {
        g_auto(Tty) tty = { .fd = -1 };

        shell_start(&tty, *state);
        tty_type(&tty, "echo go; sleep 1000\r");
        tty_expect(&tty, "\ngo");
        (void) g_usleep(200 * 1000);
        tty_type(&tty, "\032");
        tty_expect(&tty, "Stopped");
        tty_expect(&tty, "ready> ");
        tty_type(&tty, "jobs; echo $((6 * 7))\r");
        tty_expect(&tty, "sleep 1000");
        tty_expect(&tty, "\r\n42\r\n");
        tty_type(&tty, "fg\r");
        tty_expect(&tty, "sleep 1000");
        (void) g_usleep(200 * 1000);
        tty_type(&tty, "\003");
        tty_expect(&tty, "ready> ");
        tty_type(&tty, "echo was $?\r");
        tty_expect(&tty, "\r\nwas 130\r\n");
        tty_type(&tty, "exit\r");
        (void) tty_finish(&tty);
}

/* ---- our own terminal ---- */

static void test_terminal_is_given_back(void **state) {
        g_auto(Tty) tty = { .fd = -1 };

        tty_start(&tty, *state, 24, 80,
                  TEST_STRV("run", "-T", "--", "/bin/sh", "-c", "echo up; read x; exit 4"));
        tty_expect(&tty, "up");
        tty_wait_raw(&tty);
        tty_type(&tty, "\r");
        assert_int_equal(tty_finish(&tty), 4);
        assert_false(tty_is_raw(&tty));
}

static void test_terminal_is_given_back_after_signals(void **state) {
        static const struct {
                int number, status;
        } cases[] = {
                { SIGTERM, 128 + SIGTERM }, { SIGHUP, 128 + SIGHUP },   { SIGINT, 128 + SIGINT },
                { SIGQUIT, 128 + SIGQUIT }, { SIGUSR1, 128 + SIGUSR1 }, { SIGSEGV, 128 + SIGSEGV },
                { SIGABRT, 128 + SIGABRT }, { SIGALRM, 128 + SIGALRM },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autoptr(TestClient) client = test_client_new(*state);
                g_auto(Tty) tty = { .fd = -1 };
                int status;

                tty_start(&tty, *state, 24, 80,
                          TEST_STRV("run", "-T", "--", "/bin/sh", "-c", "echo up; sleep 1000"));
                tty_expect(&tty, "up");
                tty_wait_raw(&tty);
                assert_return_code(kill(tty.pid, cases[i].number), errno);
                status = tty_finish(&tty);
                if (status != cases[i].status || tty_is_raw(&tty))
                        fail_msg("Signal %d: status %d, %s", cases[i].number, status,
                                 tty_is_raw(&tty) ? "still raw" : "not raw");
                test_client_wait_empty(client);
        }
}

/* Another process stops us, as `kill -TSTP` or a shell does: the terminal is theirs meanwhile. */
static void test_terminal_is_lent_while_stopped(void **state) {
        g_auto(Tty) tty = { .fd = -1 };
        int status;

        tty_start(&tty, *state, 24, 80,
                  TEST_STRV("run", "-T", "--", "/bin/sh", "-c", "echo up; read x; exit 5"));
        tty_expect(&tty, "up");
        tty_wait_raw(&tty);
        assert_return_code(kill(tty.pid, SIGTSTP), errno);
        assert_int_equal(waitpid(tty.pid, &status, WUNTRACED), tty.pid);
        assert_true(WIFSTOPPED(status));
        assert_false(tty_is_raw(&tty));
        assert_return_code(kill(tty.pid, SIGCONT), errno);
        tty_wait_raw(&tty);
        tty_type(&tty, "\r");
        assert_int_equal(tty_finish(&tty), 5);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                test_case(test_output_of_a_program_that_ended_at_once),
                test_case(test_all_of_much_output),
                test_case(test_status_and_variables),
                test_case(test_without_a_terminal_of_ours),
                test_case(test_window_size_from_the_start),
                test_case(test_window_size),
                test_case(test_ctrl_c_is_for_the_program),
                test_case(test_job_control),
                test_case(test_terminal_is_given_back),
                test_case(test_terminal_is_given_back_after_signals),
                test_case(test_terminal_is_lent_while_stopped),
                cmocka_unit_test(test_nothing_is_left),
        };

        return test_main("cli-terminal", prepare, tests, G_N_ELEMENTS(tests));
}
