/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/shim/help.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "shim/idmap.h"
#include "shim/mount.h"
#include "tests/shim/system.h"
#include "util/cleanup.h"

#define ID_BASE 0x5d000000u

static char *folder;

static int setup(void **state G_GNUC_UNUSED) {
        folder = system_make_folder("mount");
        return 0;
}

static int teardown(void **state G_GNUC_UNUSED) {
        system_remove_folder(g_steal_pointer(&folder));
        return 0;
}

static struct stat stat_in(int dir_fd, const char *name) {
        struct stat st;

        assert_int_equal(fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW), 0);
        return st;
}

static void test_owners_are_mapped(void **state G_GNUC_UNUSED) {
        const Idmap map = { .uid_outside = ID_BASE, .gid_outside = ID_BASE, .count = 65536 };
        autofd int userns_fd = -EBADF, tree_fd = -EBADF;
        g_autofree char *path = g_build_filename(folder, "file", NULL);
        g_auto(Error) error = ERROR_NULL;

        system_write_file(folder, "file", "x", 0644);
        assert_int_equal(chown(path, 5, 6), 0);
        assert_no_error(idmap_open(&map, false, &userns_fd, &error), &error);
        assert_no_error(mount_clone(AT_FDCWD, folder, false, &tree_fd, &error), &error);
        assert_no_error(mount_set_attributes(tree_fd, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID, userns_fd, false,
                                             folder, &error),
                        &error);
        assert_int_equal(stat_in(tree_fd, "file").st_uid, ID_BASE + 5);
        assert_int_equal(stat_in(tree_fd, "file").st_gid, ID_BASE + 6);
        assert_int_equal(stat_in(AT_FDCWD, path).st_uid, 5);
        assert_true(openat(tree_fd, "file", O_WRONLY | O_CLOEXEC) < 0 && errno == EROFS);
}

static void test_not_mountable(void **state G_GNUC_UNUSED) {
        const Idmap map = { .uid_outside = ID_BASE, .gid_outside = ID_BASE, .count = 65536 };
        autofd int userns_fd = -EBADF, tree_fd = -EBADF;
        g_auto(Error) error = ERROR_NULL, missing = ERROR_NULL;

        assert_no_error(idmap_open(&map, false, &userns_fd, &error), &error);
        assert_no_error(mount_clone(AT_FDCWD, "/proc", false, &tree_fd, &error), &error);
        assert_true(mount_set_attributes(tree_fd, 0, userns_fd, false, "/proc", &error) < 0);
        assert_error_says(&error, ERROR_NOT_MOUNTABLE, "'/proc': its file system does not take id-mapped");
        assert_true(mount_clone(AT_FDCWD, "/nonexistent", false, &tree_fd, &missing) < 0);
        assert_error_says(&missing, ERROR_NOT_MOUNTABLE, "'/nonexistent'");
}

/* The rest mounts for real, in a namespace that ends with this program. */
static void own_namespace(void) {
        assert_int_equal(unshare(CLONE_NEWNS), 0);
        assert_int_equal(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
}

static void test_bind_and_new(void **state G_GNUC_UNUSED) {
        g_autofree char *target = g_build_filename(folder, "target", NULL);
        g_autofree char *below = g_build_filename(folder, "target/below", NULL);
        g_autofree char *file = g_build_filename(folder, "file", NULL);
        g_auto(Error) error = ERROR_NULL, bad = ERROR_NULL, kind = ERROR_NULL;

        own_namespace();
        system_write_file(folder, "file", "x", 0644);
        assert_int_equal(mkdir(target, 0755), 0);
        assert_no_error(mount_new("tmpfs", target, MS_NOSUID, "size=64k", &error), &error);
        assert_true(mount_new("nonsense", target, 0, "a=b", &bad) < 0);
        assert_error_says(&bad, ERROR_SYSTEM, "nonsense");
        assert_int_equal(mkdir(below, 0755), 0);
        assert_no_error(mount_bind(AT_FDCWD, "/etc", below, MOUNT_ATTR_RDONLY, -EBADF, &error), &error);
        assert_true(mount_bind(AT_FDCWD, "/etc", file, MOUNT_ATTR_RDONLY, -EBADF, &kind) < 0);
        assert_error_says(&kind, ERROR_SYSTEM, "/etc");
        assert_int_equal(umount2(target, MNT_DETACH), 0);
}

/* The new one is there before the old one is not. */
static void test_beneath(void **state G_GNUC_UNUSED) {
        g_autofree char *one = g_build_filename(folder, "one", NULL),
                        *two = g_build_filename(folder, "two", NULL);
        g_autofree char *target = g_build_filename(folder, "target", NULL);
        g_autofree char *name = g_build_filename(target, "two", NULL);
        autofd int one_fd = -EBADF, two_fd = -EBADF, target_fd = -EBADF;
        g_auto(Error) error = ERROR_NULL;
        int r;

        own_namespace();
        assert_int_equal(mkdir(one, 0755), 0);
        assert_int_equal(mkdir(two, 0755), 0);
        assert_int_equal(mkdir(target, 0755), 0);
        system_write_file(one, "one", "", 0644);
        system_write_file(two, "two", "", 0644);
        target_fd = open(target, O_PATH | O_CLOEXEC);
        assert_no_error(mount_clone(AT_FDCWD, one, false, &one_fd, &error), &error);
        assert_no_error(mount_clone(AT_FDCWD, two, false, &two_fd, &error), &error);
        assert_no_error(mount_attach(one_fd, target_fd, target, &error), &error);
        r = mount_attach_beneath(two_fd, one_fd);
        if (r == -EINVAL) {
                print_message("skipped: this kernel does not mount beneath (it came with Linux 6.5)\n");
                skip();
        }
        assert_int_equal(r, 0);
        assert_int_not_equal(access(name, F_OK), 0);
        assert_int_equal(umount2(target, MNT_DETACH), 0);
        assert_int_equal(access(name, F_OK), 0);
        assert_int_equal(umount2(target, MNT_DETACH), 0);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_owners_are_mapped, setup, teardown),
                cmocka_unit_test_setup_teardown(test_not_mountable, setup, teardown),
                cmocka_unit_test_setup_teardown(test_bind_and_new, setup, teardown),
                cmocka_unit_test_setup_teardown(test_beneath, setup, teardown),
        };

        need_root();
        return cmocka_run_group_tests(tests, NULL, NULL);
}
