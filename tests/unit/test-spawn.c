/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "util/cleanup.h"
#include "util/spawn.h"

/* What @script says on descriptor 3, in a child with @environment. */
static void expect_said(const char *script, const char *const *environment, const char *expected) {
        const char *argv[] = { "/bin/sh", "-c", script, NULL };
        g_auto(Error) error = ERROR_NULL;
        autofd int leaked = open("/", O_PATH); /* not close-on-exec: it must not get there all the same */
        char said[256] = "";
        int fds[2], status;
        size_t size = 0;
        pid_t pid;

        assert_true(leaked >= 0);
        assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
        assert_int_equal(spawn_program(argv, environment, fds[1], &pid, &error), 0);
        (void) close(fds[1]);
        for (ssize_t n; (n = read(fds[0], said + size, sizeof(said) - 1 - size)) > 0;)
                size += (size_t) n;
        (void) close(fds[0]);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        assert_string_equal(said, expected);
}

static void test_descriptors(void **state G_GNUC_UNUSED) {
        expect_said("a=$(readlink /proc/$$/fd/0); b=$(readlink /proc/$$/fd/1); echo $a $b >&3", (const char *[]){ NULL },
                    "/dev/null /dev/null\n");
        expect_said("for n in 4 5 6 7 8 9; do test -e /proc/$$/fd/$n && echo $n; done >&3; exit 0",
                    (const char *[]){ NULL }, "");
}

static void test_environment(void **state G_GNUC_UNUSED) {
        assert_int_equal(setenv("SECRET", "of the parent", 1), 0);
        expect_said("echo $A,$SECRET >&3", (const char *[]){ "A=b", NULL }, "b,\n");
}

static void test_signals_and_session(void **state G_GNUC_UNUSED) {
        sigset_t all, before;

        (void) sigfillset(&all);
        (void) sigprocmask(SIG_SETMASK, &all, &before);
        (void) signal(SIGUSR1, SIG_IGN);
        expect_said("grep ^SigBlk /proc/$$/status | tr -s '\\t' ' ' >&3; sh -c 'kill -USR1 $$'; echo $? >&3",
                    (const char *[]){ NULL }, "SigBlk: 0000000000000000\n138\n");
        (void) signal(SIGUSR1, SIG_DFL);
        (void) sigprocmask(SIG_SETMASK, &before, NULL);
        expect_said("test $(ps -o sid= -p $$) -eq $$ && echo own >&3", (const char *[]){ NULL }, "own\n");
}

static void test_no_such_program(void **state G_GNUC_UNUSED) {
        const char *argv[] = { "/no/such/program", NULL }, *environment[] = { NULL };
        g_auto(Error) error = ERROR_NULL;
        pid_t pid;

        assert_int_equal(spawn_program(argv, environment, STDERR_FILENO, &pid, &error), -ENOENT);
        assert_string_equal(error.message, "Cannot start '/no/such/program': No such file or directory");
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_descriptors),
                cmocka_unit_test(test_environment),
                cmocka_unit_test(test_signals_and_session),
                cmocka_unit_test(test_no_such_program),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
