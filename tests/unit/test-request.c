/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sys/resource.h>

#include "service/request.h"
#include "util/cleanup.h"
#include "util/limits.h"

static Caller *root;

static void assert_refused(int r, const Error *error, const char *words) {
        assert_true(r < 0);
        assert_non_null(error->message);
        assert_non_null(strstr(error->message, words));
}

static void test_argv(void **state G_GNUC_UNUSED) {
        static char *const good[] = { (char *) "sh", (char *) "", NULL };
        static char *const empty[] = { NULL };
        static char *const empty_first[] = { (char *) "", NULL };
        g_autoptr(RunRequest) request = run_request_new(root);
        g_auto(Error) error = ERROR_NULL;

        assert_int_equal(run_request_set_argv(request, good, NULL), 0);
        assert_string_equal(request->run.argv[0], "sh");
        assert_refused(run_request_set_argv(request, empty_first, &error), &error, "argv is empty");
        assert_int_equal(run_request_set_argv(request, empty, NULL), 0); /* the template may have a command */
        assert_null(request->run.argv[0]);
}

static void test_sizes(void **state G_GNUC_UNUSED) {
        g_autoptr(RunRequest) request = run_request_new(root);
        g_autofree char *large = g_strnfill(RUN_BYTES_MAX, 'x');
        g_autofree char **many = g_new0(char *, ARGV_MAX + 2);
        char *argv[] = { large, NULL };
        g_auto(Error) error = ERROR_NULL;

        assert_refused(run_request_set_argv(request, argv, &error), &error, "larger than");
        assert_int_equal(error.code, ERROR_LIMIT_REACHED);
        error_done(&error);
        for (size_t i = 0; i < ARGV_MAX + 1; i++)
                many[i] = argv[0] + RUN_BYTES_MAX - 1;
        assert_refused(run_request_set_argv(request, many, &error), &error, "at most");
        assert_int_equal(error.code, ERROR_LIMIT_REACHED);
}

static void test_user(void **state G_GNUC_UNUSED) {
        static const struct {
                const char *user;
                int r;
                bool has_user;
                uint32_t uid, gid;
        } cases[] = {
                { "app", 0, false },
                { "root", 0, true, 0, 0 },
                { "12", 0, true, 12, 12 },
                { "12:13", 0, true, 12, 13 },
                { "65534:1", 0, true, 65534, 1 },
                /* init's own */ { "65535", -1 },
                { "1:65535", -1 },
                { "", -1 },
                { "12:", -1 },
                { ":12", -1 },
                { "1:2:3", -1 },
                { "-1", -1 },
                { "nobody", -1 },
                { "4294967296", -1 },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autoptr(RunRequest) request = run_request_new(root);
                g_auto(Error) error = ERROR_NULL;
                int r = run_request_set_user(request, cases[i].user, &error);

                if (cases[i].r < 0) {
                        assert_refused(r, &error, "is not one of");
                        assert_false(request->run.has_user);
                        continue;
                }
                assert_int_equal(r, 0);
                assert_int_equal(request->run.has_user, cases[i].has_user);
                assert_int_equal(request->run.uid, cases[i].uid);
                assert_int_equal(request->run.gid, cases[i].gid);
        }
}

static void test_groups(void **state G_GNUC_UNUSED) {
        static char *const good[] = { (char *) "4", (char *) "5", NULL };
        static char *const bad[] = { (char *) "4", (char *) "audio", NULL };
        g_autoptr(RunRequest) request = run_request_new(root);
        g_auto(Error) error = ERROR_NULL;

        assert_int_equal(run_request_set_groups(request, good, NULL), 0);
        assert_int_equal(request->run.n_groups, 2);
        assert_int_equal(request->run.groups[1], 5);
        assert_refused(run_request_set_groups(request, bad, &error), &error, "'audio'");
}

static void test_rlimits(void **state G_GNUC_UNUSED) {
        g_autoptr(RunRequest) request = run_request_new(root);
        g_auto(Error) error = ERROR_NULL;

        assert_int_equal(run_request_add_rlimit(request, "nofile", 10, 20, NULL), 0);
        assert_int_equal(request->run.rlimits[0].resource, RLIMIT_NOFILE);
        assert_int_equal(request->run.rlimits[0].hard, 20);
        assert_refused(run_request_add_rlimit(request, "nofile", 1, 2, &error), &error, "twice");
        error_done(&error);
        assert_refused(run_request_add_rlimit(request, "files", 1, 2, &error), &error, "'files'");
        error_done(&error);
        assert_refused(run_request_add_rlimit(request, "core", 2, 1, &error), &error, "above its hard limit");
        assert_int_equal(request->run.n_rlimits, 1);
}

static void test_descriptors(void **state G_GNUC_UNUSED) {
        static const struct {
                const char *path;
                int flags;
                const char *refused; /* NULL = taken */
        } cases[] = {
                { "/dev/null", O_RDONLY, NULL },
                { "/", O_RDONLY | O_DIRECTORY, "is a folder" },
                { "/dev/null", O_PATH, "O_PATH" },
                { "/", O_PATH, "O_PATH" },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autoptr(RunRequest) request = run_request_new(root);
                g_auto(Error) error = ERROR_NULL;
                autofd int fd = open(cases[i].path, cases[i].flags | O_CLOEXEC);
                int r = run_request_set_fd(request, 1, fd, &error);

                if (cases[i].refused) {
                        assert_refused(r, &error, cases[i].refused);
                        assert_true(request->fds[1] < 0);
                        continue;
                }
                assert_int_equal(r, 0);
                assert_true(request->fds[1] >= 3 && request->fds[1] != fd);
                assert_int_equal(fcntl(request->fds[1], F_GETFD), FD_CLOEXEC);
        }
}

static void test_bad_descriptor(void **state G_GNUC_UNUSED) {
        g_autoptr(RunRequest) request = run_request_new(root);
        g_auto(Error) error = ERROR_NULL;

        assert_refused(run_request_set_fd(request, 0, -1, &error), &error, "stdin");
}

static void test_environment(void **state G_GNUC_UNUSED) {
        g_autofree char *long_name = g_strnfill(ENV_NAME_MAX + 1, 'n');
        g_autofree char *long_variable = g_strconcat(long_name, "=", NULL);
        g_autofree char *long_value = g_strnfill(ENV_VALUE_MAX + 3, 'v');
        const struct {
                const char *variable, *refused;
        } cases[] = {
                { "A=1", NULL },
                { "A=", NULL },
                { "A=b=c", NULL },
                { "=1", "without a name" },
                { "A", "without a name" },
                { long_variable, "is longer than" },
                { long_value, "is longer than" },
        };

        long_value[1] = '=';
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                char *environment[] = { (char *) cases[i].variable, NULL };
                g_auto(Error) error = ERROR_NULL;
                int r = environment_check(environment, &error);

                if (cases[i].refused)
                        assert_refused(r, &error, cases[i].refused);
                else
                        assert_int_equal(r, 0);
        }
}

static void test_working_directory(void **state G_GNUC_UNUSED) {
        g_autoptr(RunRequest) request = run_request_new(root);
        g_auto(Error) error = ERROR_NULL;

        assert_int_equal(run_request_set_working_directory(request, "/srv", NULL), 0);
        assert_refused(run_request_set_working_directory(request, "srv", &error), &error, "'srv'");
        assert_string_equal(request->run.working_directory, "/srv");
}

static void test_hostname(void **state G_GNUC_UNUSED) {
        static const char *const bad[] = { "", "-a", "a b", "a_b", "a\n" };
        g_autoptr(SandboxRequest) request = sandbox_request_new(root, ":1.7", "maps");

        assert_int_equal(sandbox_request_set_hostname(request, "head-unit.local", NULL), 0);
        for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
                g_auto(Error) error = ERROR_NULL;

                assert_refused(sandbox_request_set_hostname(request, bad[i], &error), &error, "Host name");
        }
        assert_string_equal(request->hostname, "head-unit.local");
}

static void test_labels(void **state G_GNUC_UNUSED) {
        g_autoptr(SandboxRequest) request = sandbox_request_new(root, ":1.7", "maps");
        g_auto(Error) error = ERROR_NULL;

        assert_refused(sandbox_request_add_label(request, "", "x", &error), &error, "label");
        error_done(&error);
        for (int i = 0; i < LABELS_MAX; i++) {
                g_autofree char *name = g_strdup_printf("l%d", i);

                assert_int_equal(sandbox_request_add_label(request, name, "", NULL), 0);
        }
        assert_refused(sandbox_request_add_label(request, "one more", "", &error), &error, "More than");
        assert_int_equal(error.code, ERROR_LIMIT_REACHED);
}

/* In whichever order the options came. */
static void test_terminal_and_stream(void **state G_GNUC_UNUSED) {
        g_autoptr(RunRequest) request = run_request_new(root);
        autofd int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
        g_auto(Error) error = ERROR_NULL;

        assert_int_equal(run_request_set_fd(request, 2, fd, NULL), 0);
        assert_int_equal(run_request_check(request, NULL), 0);
        request->run.terminal = true;
        assert_refused(run_request_check(request, &error), &error, "'stderr' and 'terminal'");
        assert_int_equal(error.code, ERROR_INVALID_ARGS);
}

static void test_mounts(void **state G_GNUC_UNUSED) {
        g_autoptr(SandboxRequest) request = sandbox_request_new(root, ":1.7", "maps");
        g_auto(Error) error = ERROR_NULL;

        assert_refused(sandbox_request_add_mount(request, "srv", "/srv", 0, &error), &error, "'srv'");
        error_done(&error);
        for (unsigned i = 0; i < SANDBOX_MOUNTS_MAX; i++)
                assert_int_equal(sandbox_request_add_mount(request, "/srv", "/srv", 0, NULL), 0);
        assert_refused(sandbox_request_add_mount(request, "/srv", "/srv", 0, &error), &error, "More than 64");
        assert_int_equal(error.code, ERROR_LIMIT_REACHED);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_terminal_and_stream),
                cmocka_unit_test(test_mounts),
                cmocka_unit_test(test_argv),
                cmocka_unit_test(test_sizes),
                cmocka_unit_test(test_user),
                cmocka_unit_test(test_groups),
                cmocka_unit_test(test_rlimits),
                cmocka_unit_test(test_descriptors),
                cmocka_unit_test(test_bad_descriptor),
                cmocka_unit_test(test_environment),
                cmocka_unit_test(test_working_directory),
                cmocka_unit_test(test_hostname),
                cmocka_unit_test(test_labels),
        };

        root = caller_new(0, NULL, 0);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
