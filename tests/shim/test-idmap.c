/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/shim/help.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "shim/idmap.h"
#include "tests/shim/system.h"
#include "util/cleanup.h"

#define ID_BASE 0x5e000000u

/* Runs @work in a child that has entered the namespace; its exit status. */
static int inside(int userns_fd, int (*work)(void)) {
        pid_t pid = fork();
        int status;

        assert_true(pid >= 0);
        if (pid == 0)
                _exit(setns(userns_fd, CLONE_NEWUSER) < 0 ? 100 : work());
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        return WEXITSTATUS(status);
}

static int has_maps(void) {
        g_autofree char *uids = NULL, *gids = NULL;
        unsigned inside_id, outside_id, count;

        if (!g_file_get_contents("/proc/self/uid_map", &uids, NULL, NULL) ||
            !g_file_get_contents("/proc/self/gid_map", &gids, NULL, NULL))
                return 1;
        if (sscanf(uids, "%u %u %u", &inside_id, &outside_id, &count) != 3 || inside_id != 7 ||
            outside_id != ID_BASE || count != 65536)
                return 2;
        if (sscanf(gids, "%u %u %u", &inside_id, &outside_id, &count) != 3 || inside_id != 9 ||
            outside_id != ID_BASE + 100 || count != 65536)
                return 3;
        return 0;
}

/* Who has no id in a namespace may make none below it. */
static int unshare_errno(void) {
        if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
                return 101;
        return unshare(CLONE_NEWUSER) < 0 ? errno : 0;
}

/* The limit itself must be out of the reach of the sandbox's own root. */
static int raise_limit(void) {
        int fd;

        if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
                return 101;
        fd = open("/proc/sys/user/max_user_namespaces", O_WRONLY);
        if (fd < 0)
                return errno;
        return write(fd, "5", 1) == 1 ? unshare_errno() : errno;
}

static void test_maps(void **state G_GNUC_UNUSED) {
        const Idmap map = { 7, ID_BASE, 9, ID_BASE + 100, 65536 };
        autofd int fd = -EBADF;
        g_auto(Error) error = ERROR_NULL;

        assert_no_error(idmap_open(&map, false, &fd, &error), &error);
        assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
        assert_int_equal(inside(fd, has_maps), 0);
}

static void test_sandbox_has_none_below(void **state G_GNUC_UNUSED) {
        const Idmap map = { 0, ID_BASE, 0, ID_BASE, 65536 };
        autofd int fd = -EBADF, other = -EBADF;
        g_auto(Error) error = ERROR_NULL;

        assert_no_error(idmap_open(&map, true, &fd, &error), &error);
        assert_int_equal(inside(fd, unshare_errno), ENOSPC);
        /* Only this one: the host and others are as before. */
        assert_no_error(idmap_open(&map, false, &other, &error), &error);
        assert_int_equal(inside(other, unshare_errno), 0);
}

/* Root of the namespace with all its capabilities may raise it: it is init's giving them up that counts. */
static void test_limit_is_the_namespaces_own(void **state G_GNUC_UNUSED) {
        const Idmap map = { 0, ID_BASE, 0, ID_BASE, 65536 };
        autofd int fd = -EBADF;
        g_auto(Error) error = ERROR_NULL;
        g_autofree char *before = NULL, *after = NULL;

        assert_true(g_file_get_contents("/proc/sys/user/max_user_namespaces", &before, NULL, NULL));
        assert_no_error(idmap_open(&map, true, &fd, &error), &error);
        (void) inside(fd, raise_limit);
        assert_true(g_file_get_contents("/proc/sys/user/max_user_namespaces", &after, NULL, NULL));
        assert_string_equal(before, after);
}

static void test_bad_maps(void **state G_GNUC_UNUSED) {
        static const struct {
                const char *name;
                Idmap map;
                bool is_sandbox;
                const char *words;
        } rows[] = {
                { "no ids", { 0, ID_BASE, 0, ID_BASE, 0 }, false, "Cannot map uids" },
                { "past the last id", { 0, UINT32_MAX - 1, 0, ID_BASE, 65536 }, false, "Cannot map uids" },
                { "groups past the last id",
                  { 0, ID_BASE, 0, UINT32_MAX - 1, 65536 },
                  false,
                  "Cannot map gids" },
                { "sandbox without a root",
                  { 1, ID_BASE, 1, ID_BASE, 65536 },
                  true,
                  "forbid user namespaces" },
        };
        unsigned n_fds = system_count_fds(getpid());

        for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
                g_auto(Error) error = ERROR_NULL;
                int fd = -EBADF;

                print_message("  %s\n", rows[i].name);
                assert_true(idmap_open(&rows[i].map, rows[i].is_sandbox, &fd, &error) < 0);
                assert_error_says(&error, ERROR_SYSTEM, rows[i].words);
                assert_int_equal(fd, -EBADF);
                assert_int_equal(system_count_fds(getpid()), n_fds);
                assert_true(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD);
        }
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_maps),
                cmocka_unit_test(test_sandbox_has_none_below),
                cmocka_unit_test(test_limit_is_the_namespaces_own),
                cmocka_unit_test(test_bad_maps),
        };

        need_root();
        return cmocka_run_group_tests(tests, NULL, NULL);
}
