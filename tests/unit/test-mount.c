/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "service/mount.h"
#include "util/cleanup.h"

static Settings *settings;
static Caller *root, *user;

static void test_refused_requests(void **state G_GNUC_UNUSED) {
        static const struct {
                const char *source, *target;
                uint64_t flags;
                const char *words;
        } cases[] = {
                { "srv", "/srv", 0, "'srv'" },
                { "/srv", "srv", 0, "'srv'" },
                { "/srv/../etc", "/srv", 0, "'..'" },
                { "/srv", "/proc/x", 0, "/proc" },
                { "/srv", "/", 0, "'/'" },
                { "/srv", "/srv", 8, "Flags 8" },
                { "/srv", "/srv", UINT64_C(1) << 32, "Flags 4294967296" },
                { "fd:3", "/srv", 0, "'fd:3'" }, /* only our own numbers are descriptors */
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autoptr(Mount) mount = NULL;
                g_auto(Error) error = ERROR_NULL;

                assert_true(mount_new(cases[i].source, cases[i].target, cases[i].flags, &mount, &error) < 0);
                assert_int_equal(error.code, ERROR_INVALID_ARGS);
                if (!strstr(error.message, cases[i].words))
                        fail_msg("'%s' does not say %s", error.message, cases[i].words);
        }
}

static void test_plan(void **state G_GNUC_UNUSED) {
        g_autoptr(Mount) mount = NULL;
        g_autoptr(Plan) plan = plan_new();

        assert_int_equal(mount_new("/srv//media/", "/gateways/m/", PLAN_BIND_RECURSIVE, &mount, NULL), 0);
        assert_int_equal(mount_authorize(mount, settings, root, NULL), 0);
        assert_int_equal(mount_add_to_plan(mount, plan, NULL), 0);

        const PlanItem *item = plan_find_item(plan, PLAN_BIND, "/gateways/m");

        assert_non_null(item);
        assert_string_equal(item->bind.source, "/srv/media");
        assert_false(item->bind.has_caller);
        assert_string_equal(((const PlanOrigin *) item->origins->pdata[0])->capability, "BindMount");
}

static void test_folders(void **state G_GNUC_UNUSED) {
        static const struct {
                const char *source;
                uint64_t flags;
                int code; /* -1 = fine */
        } cases[] = {
                { "/srv/media/a", 0, -1 },
                { "/srv/media/a", PLAN_BIND_WRITABLE, ERROR_ACCESS_DENIED },
                { "/srv/in/a", PLAN_BIND_WRITABLE, -1 },
                { "/srv/mediaa", 0, ERROR_ACCESS_DENIED },
                { "/etc", 0, ERROR_ACCESS_DENIED },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autoptr(Mount) mount = NULL;
                g_auto(Error) error = ERROR_NULL;
                int r;

                assert_int_equal(mount_new(cases[i].source, "/a", cases[i].flags, &mount, NULL), 0);
                r = mount_authorize(mount, settings, user, &error);
                if (r < 0) {
                        assert_int_equal((int) error.code, cases[i].code);
                        continue;
                }
                assert_int_equal(cases[i].code, -1);
                assert_true(mount->has_caller);
                assert_int_equal(mount->uid, 1000);
                assert_int_equal(mount->gid, 7);
                assert_true(g_str_has_prefix(mount->source, mount->folder));
        }
}

typedef enum Kind { OF_USER, OF_ROOT, FOLDER, PATH_ONLY, DEVICE, FIFO, SOCKET } Kind;

static int open_kind(const char *folder, Kind kind, int flags) {
        g_autofree char *path = g_build_filename(folder, "thing", NULL);
        int fds[2], fd;

        switch (kind) {
        case OF_USER:
        case OF_ROOT:
        case PATH_ONLY:
                assert_true(g_file_set_contents(path, "x", -1, NULL));
                assert_return_code(chown(path, kind == OF_ROOT ? 0 : 1000, 8), errno);
                fd = open(path, (kind == PATH_ONLY ? O_PATH : flags) | O_CLOEXEC);
                assert_return_code(unlink(path), errno);
                return fd;
        case FOLDER:
                return open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        case DEVICE:
                return open("/dev/null", flags | O_CLOEXEC);
        case FIFO:
                assert_return_code(pipe2(fds, O_CLOEXEC), errno);
                (void) close(fds[1]);
                return fds[0];
        case SOCKET:
        default:
                return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        }
}

static void test_descriptors(void **state G_GNUC_UNUSED) {
        static const struct {
                const char *name;
                Kind kind;
                int open_flags;
                uint64_t flags;
                int code; /* -1 = fine */
        } cases[] = {
                { "one's own, read-only", OF_USER, O_RDONLY, 0, -1 },
                { "one's own for writing", OF_USER, O_RDWR, PLAN_BIND_WRITABLE, -1 },
                { "opened for reading, shown for writing", OF_USER, O_RDONLY, PLAN_BIND_WRITABLE,
                  ERROR_ACCESS_DENIED },
                { "root's, read-only", OF_ROOT, O_RDONLY, 0, -1 },
                { "root's for writing", OF_ROOT, O_RDWR, PLAN_BIND_WRITABLE, ERROR_ACCESS_DENIED },
                { "a folder of one's own for writing", FOLDER, 0, PLAN_BIND_WRITABLE, -1 },
                { "O_PATH", PATH_ONLY, 0, 0, ERROR_INVALID_ARGS },
                { "a device", DEVICE, O_RDWR, 0, ERROR_INVALID_ARGS },
                { "a fifo", FIFO, 0, 0, -1 },
                { "a socket", SOCKET, 0, 0, -1 },
        };
        g_autofree char *folder = g_dir_make_tmp("test-mount-XXXXXX", NULL);

        if (geteuid() != 0)
                skip(); /* only root can give files away */
        assert_return_code(chown(folder, 1000, 1000), errno);
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                autofd int fd = open_kind(folder, cases[i].kind, cases[i].open_flags);
                g_autoptr(Mount) mount = NULL;
                g_auto(Error) error = ERROR_NULL;
                int r;

                assert_return_code(fd, errno);
                assert_int_equal(mount_new_fd(fd, 3, "/a", cases[i].flags, &mount, NULL), 0);
                assert_string_equal(mount->source, "fd:3");
                r = mount_authorize(mount, settings, user, &error);
                if ((r < 0 ? (int) error.code : -1) != cases[i].code)
                        fail_msg("%s: %s", cases[i].name, error.message ?: "allowed");
                if (r >= 0 && cases[i].kind == OF_USER)
                        assert_int_equal(mount->gid, 8); /* the file's group, which the user is in */
        }
        assert_return_code(rmdir(folder), errno);
}

static void test_no_group(void **state G_GNUC_UNUSED) {
        static const gid_t groups[] = { 0 };
        g_autoptr(Caller) caller = caller_new(1000, groups, 1);
        g_autoptr(Mount) mount = NULL;
        g_auto(Error) error = ERROR_NULL;

        assert_int_equal(mount_new("/srv/media", "/a", 0, &mount, NULL), 0);
        assert_true(mount_authorize(mount, settings, caller, &error) < 0);
        assert_int_equal(error.code, ERROR_ACCESS_DENIED);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_refused_requests), cmocka_unit_test(test_plan),
                cmocka_unit_test(test_folders),          cmocka_unit_test(test_descriptors),
                cmocka_unit_test(test_no_group),
        };
        static const gid_t groups[] = { 7, 8 };

        settings = settings_new();
        settings_parse(settings, "b.conf", "[Policy a]\nUsers=1000\nFolders=/srv/media /srv/in:rw\n");
        root = caller_new(0, NULL, 0);
        user = caller_new(1000, groups, G_N_ELEMENTS(groups));
        return cmocka_run_group_tests(tests, NULL, NULL);
}
