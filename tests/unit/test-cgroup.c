/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The real hierarchies of the machine where we are root (v1, and the v2 tree whether or not controllers are
 * in it), and a tree of plain files for what the machine does not have.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "util/cgroup-private.h"
#include "util/cgroup.h"
#include "util/cleanup.h"
#include "util/fs.h"
#include "util/limits.h"

#define MAX_USEC  (5 * 1000 * 1000ULL)
#define JOINS_MAX 32

/* ---- a host of plain files ---- */

typedef struct Fake {
        char *folder;
        char *mountinfo, *self, *systemd;
} Fake;

static void fake_write(const Fake *fake, const char *path, const char *text) {
        g_autofree char *full = g_build_filename(fake->folder, path, NULL);
        g_autofree char *parent = g_path_get_dirname(full);
        g_auto(Error) error = ERROR_NULL;

        assert_int_equal(fs_make_folders(AT_FDCWD, parent, 0755, &error), 0);
        assert_true(g_file_set_contents(full, text, -1, NULL));
}

static char *fake_read(const Fake *fake, const char *path) {
        g_autofree char *full = g_build_filename(fake->folder, path, NULL);
        char *text = NULL;

        assert_true(g_file_get_contents(full, &text, NULL, NULL));
        return text;
}

static void assert_fake_file(const Fake *fake, const char *path, const char *wanted) {
        g_autofree char *text = fake_read(fake, path);

        assert_string_equal(text, wanted);
}

/* "%s" in @mountinfo stands for the folder of the fake. */
static void fake_set(const Fake *fake, const char *mountinfo, const char *self) {
        g_auto(GStrv) parts = g_strsplit(mountinfo, "%s", -1);
        g_autofree char *filled = g_strjoinv(fake->folder, parts);

        fake_write(fake, "mountinfo", filled);
        fake_write(fake, "self", self);
}

static int setup_fake(void **state) {
        Fake *fake = g_new0(Fake, 1);

        fake->folder = g_strdup("/tmp/test-cgroup-XXXXXX");
        assert_non_null(mkdtemp(fake->folder));
        fake->mountinfo = g_build_filename(fake->folder, "mountinfo", NULL);
        fake->self = g_build_filename(fake->folder, "self", NULL);
        fake->systemd = g_build_filename(fake->folder, "systemd", NULL);
        *state = fake;
        return 0;
}

static int teardown_fake(void **state) {
        autofd int tmp_fd = open("/tmp", O_PATH | O_DIRECTORY | O_CLOEXEC);
        Fake *fake = *state;
        int r;

        r = fs_remove_recursive(tmp_fd, fake->folder + strlen("/tmp/"), NULL);
        g_free(fake->folder);
        g_free(fake->mountinfo);
        g_free(fake->self);
        g_free(fake->systemd);
        g_free(fake);
        return r;
}

static const char v1_mounts[] = "22 27 0:21 / /proc rw,relatime - proc proc rw\n"
                                "32 31 0:29 / %s/cg/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct\n"
                                "35 31 0:32 / %s/cg/mem\\040ory rw - cgroup cgroup rw,memory\n"
                                "40 31 0:37 / %s/cg/systemd rw - cgroup cgroup rw,name=systemd\n"
                                "50 31 0:32 / %s/copy rw - cgroup cgroup rw,memory\n";
static const char v2_mount[] = "41 31 0:38 / %s/cg rw,relatime - cgroup2 cgroup2 rw\n";

static const struct {
        const char *name, *mounts, *self;
        bool has_systemd;
        CgroupLayout layout;
        const char *mount, *memory_path; /* below the fake's folder */
} hosts[] = {
        { "legacy", v1_mounts, "3:name=systemd:/\n2:memory:/elsewhere\n1:cpu,cpuacct:/\n", false,
          CGROUP_LEGACY, "cg", "cg/mem ory/bulkhead/1" },
        { "legacy in a unit, no systemd", v1_mounts,
          "3:name=systemd:/a.service\n2:memory:/a.service\n1:cpu,cpuacct:/\n", false, CGROUP_LEGACY, "cg",
          "cg/mem ory/bulkhead/1" },
        { "legacy in a unit of systemd", v1_mounts,
          "3:name=systemd:/a.service\n2:memory:/a.service\n1:cpu,cpuacct:/\n", true, CGROUP_LEGACY, "cg",
          "cg/mem ory/a.service/bulkhead/1" },
        { "legacy at the top of systemd's tree", v1_mounts,
          "3:name=systemd:/\n2:memory:/a.service\n1:cpu,cpuacct:/\n", true, CGROUP_LEGACY, "cg",
          "cg/mem ory/bulkhead/1" },
        { "memory not mounted", "32 31 0:29 / %s/cg/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n",
          "2:memory:/\n1:cpu,cpuacct:/\n", false, CGROUP_LEGACY, "cg/cpu,cpuacct", NULL },
        { "unified", v2_mount, "0::/\n", false, CGROUP_UNIFIED, "cg", "cg/bulkhead/1" },
        { "unified in a unit", v2_mount, "0::/a.service\n", true, CGROUP_UNIFIED, "cg",
          "cg/a.service/bulkhead/1" },
        { "unified, the service in its leaf", v2_mount, "0::/a.service/service\n", true, CGROUP_UNIFIED, "cg",
          "cg/a.service/bulkhead/1" },
        { "unified, a part of the tree mounted", "41 31 0:38 /docker/1 %s/cg rw - cgroup2 cgroup2 rw\n",
          "0::/docker/1/a.service\n", true, CGROUP_UNIFIED, "cg", "cg/a.service/bulkhead/1" },
};

static void fake_fill(const Fake *fake, bool has_systemd) {
        static const char *const folders[] = { "cg/cpu,cpuacct", "cg/mem ory/a.service",
                                               "cg/systemd/a.service", "cg/a.service", "copy" };

        for (size_t i = 0; i < G_N_ELEMENTS(folders); i++) {
                g_autofree char *full = g_build_filename(fake->folder, folders[i], NULL);

                assert_int_equal(fs_make_folders(AT_FDCWD, full, 0755, NULL), 0);
        }
        fake_write(fake, "cg/cgroup.controllers", "cpuset cpu io memory hugetlb pids\n");
        fake_write(fake, "cg/a.service/cgroup.controllers", "memory pids\n");
        if (has_systemd)
                fake_write(fake, "systemd", "");
        else
                (void) unlink(fake->systemd);
}

static void test_hosts(void **state) {
        const Fake *fake = *state;

        for (size_t i = 0; i < G_N_ELEMENTS(hosts); i++) {
                g_autoptr(CgroupHost) host = NULL;
                g_auto(Error) error = ERROR_NULL;
                g_autofree char *path = NULL, *mount = NULL, *wanted = NULL;

                print_message("%s\n", hosts[i].name);
                fake_fill(fake, hosts[i].has_systemd);
                fake_set(fake, hosts[i].mounts, hosts[i].self);
                assert_int_equal(
                        cgroup_host_new_beside(fake->mountinfo, fake->self, fake->systemd, &host, &error), 0);
                assert_int_equal(cgroup_host_get_layout(host), hosts[i].layout);
                mount = g_build_filename(fake->folder, hosts[i].mount, NULL);
                assert_string_equal(cgroup_host_get_mount(host), mount);
                path = cgroup_host_get_path(host, "memory", "bulkhead/1");
                assert_int_equal(cgroup_host_has_controller(host, "memory"), hosts[i].memory_path != NULL);
                assert_false(cgroup_host_has_controller(host, "nonsense"));
                if (!hosts[i].memory_path) {
                        assert_null(path);
                        continue;
                }
                wanted = g_build_filename(fake->folder, hosts[i].memory_path, NULL);
                assert_string_equal(path, wanted);
        }
}

static void test_hybrid_leaves_v2_alone(void **state) {
        const Fake *fake = *state;
        g_autofree char *mounts = g_strconcat(v1_mounts,
                                              "41 31 0:38 / %s/cg/unified rw - cgroup2 cgroup2 rw\n", NULL);
        g_autoptr(CgroupHost) host = NULL;

        fake_fill(fake, false);
        fake_set(fake, mounts, "2:memory:/\n1:cpu,cpuacct:/\n0::/\n");
        assert_int_equal(cgroup_host_new(fake->mountinfo, fake->self, &host, NULL), 0);
        assert_int_equal(cgroup_host_get_layout(host), CGROUP_HYBRID);
        for (int i = 0; i < 2; i++) {
                g_autofree char *path = cgroup_host_get_path(host, i == 0 ? NULL : "cpuacct", "b");

                assert_true(g_str_has_suffix(path, "/cg/cpu,cpuacct/b"));
        }
}

static const struct {
        const char *name, *mounts, *self;
        ErrorCode code;
} bad_hosts[] = {
        { "no cgroups", "22 27 0:21 / /proc rw,relatime - proc proc rw\n", "", ERROR_UNSUPPORTED },
        { "garbage", "\n - cgroup\n1 2 - cgroup2 a\n", "x\n:::\n0:\n", ERROR_UNSUPPORTED },
        { "a mount that is not there", "41 31 0:38 / %s/nowhere rw - cgroup2 cgroup2 rw\n", "0::/\n",
          ERROR_SYSTEM },
        { "no v2 tree after all", "41 31 0:38 / %s/copy rw - cgroup2 cgroup2 rw\n", "0::/\n", ERROR_SYSTEM },
        { "nothing in common",
          "41 31 0:38 / /one rw - cgroup cgroup rw,cpu\n42 31 0:39 / /two rw - cgroup cgroup rw,memory\n",
          "2:cpu:/\n1:memory:/\n", ERROR_UNSUPPORTED },
        { "outside of the mount", v2_mount, "0::/../a.service\n", ERROR_UNSUPPORTED },
};

static void test_bad_hosts(void **state) {
        const Fake *fake = *state;

        for (size_t i = 0; i < G_N_ELEMENTS(bad_hosts); i++) {
                g_autoptr(CgroupHost) host = NULL;
                g_auto(Error) error = ERROR_NULL;

                print_message("%s\n", bad_hosts[i].name);
                fake_fill(fake, true);
                fake_set(fake, bad_hosts[i].mounts, bad_hosts[i].self);
                assert_true(cgroup_host_new_beside(fake->mountinfo, fake->self, fake->systemd, &host,
                                                   &error) < 0);
                assert_non_null(error.message);
                assert_int_equal(error.code, bad_hosts[i].code);
                assert_null(host);
        }
        assert_int_equal(cgroup_host_new("/nonexistent", fake->self, &(CgroupHost *){ NULL }, NULL), -ENOENT);
        assert_int_equal(cgroup_host_new(fake->mountinfo, "/nonexistent", &(CgroupHost *){ NULL }, NULL),
                         -ENOENT);
}

/* The v2 files of a box that is there already; what the kernel does behind them is test_real_unified()'s. */
static void test_unified_files(void **state) {
        const Fake *fake = *state;
        g_autoptr(CgroupHost) host = NULL;
        g_autoptr(CgroupBox) box = NULL;
        g_autofree char *text = NULL;
        g_auto(Error) error = ERROR_NULL, missing = ERROR_NULL, late = ERROR_NULL;

        fake_fill(fake, false);
        fake_set(fake, v2_mount, "0::/\n");
        fake_write(fake, "cg/b/1/payload/memory.max", "");
        fake_write(fake, "cg/b/1/payload/pids.max", "");
        fake_write(fake, "cg/b/1/payload/cgroup.freeze", "");
        fake_write(fake, "cg/b/1/payload/cgroup.events", "populated 1\nfrozen 1\n");
        fake_write(fake, "cg/b/1/payload/cgroup.kill", "");
        fake_write(fake, "cg/b/1/shim/cgroup.procs", "");
        assert_int_equal(cgroup_host_new(fake->mountinfo, fake->self, &host, NULL), 0);
        assert_int_equal(cgroup_box_open(host, "b/1", &box, NULL), 0);

        assert_int_equal(cgroup_box_limit(box, 1048576, 33, &error), 0);
        assert_fake_file(fake, "cg/b/1/payload/memory.max", "1048576");
        assert_fake_file(fake, "cg/b/1/payload/pids.max", "33");
        assert_int_equal(cgroup_box_read(box, "pids", "pids.max", "pids.max", &text, NULL), 0);
        assert_string_equal(text, "33");
        assert_int_equal(cgroup_box_join(box, NULL), 0);
        assert_fake_file(fake, "cg/b/1/shim/cgroup.procs", "0");
        assert_int_equal(cgroup_box_is_populated(box), 1);
        assert_int_equal(cgroup_box_kill(box, NULL), 1);
        assert_fake_file(fake, "cg/b/1/payload/cgroup.kill", "1");
        assert_int_equal(cgroup_box_freeze(box, MAX_USEC, NULL), 0);
        assert_fake_file(fake, "cg/b/1/payload/cgroup.freeze", "1");
        /* plain files never thaw */
        assert_int_equal(cgroup_box_thaw(box, 20000, &late), -ETIMEDOUT);
        assert_int_equal(late.code, ERROR_TIMEOUT);
        assert_fake_file(fake, "cg/b/1/payload/cgroup.freeze", "0");

        assert_true(cgroup_box_write(box, "cpu", "cpu.shares", "cpu.weight", "100", &missing) < 0);
        assert_int_equal(missing.code, ERROR_UNSUPPORTED);
        assert_int_equal(cgroup_box_destroy(box, NULL), -ENOTEMPTY);
}

/* A plain folder below the base has no cgroup.subtree_control: create fails and takes back what it made. */
static void test_create_undoes(void **state) {
        const Fake *fake = *state;
        g_autoptr(CgroupHost) host = NULL;
        g_autoptr(CgroupBox) box = NULL;
        g_auto(Error) error = ERROR_NULL;
        g_autofree char *parent = g_build_filename(fake->folder, "cg/fresh", NULL);

        fake_fill(fake, false);
        fake_write(fake, "cg/cgroup.subtree_control", "");
        fake_set(fake, v2_mount, "0::/\n");
        assert_int_equal(cgroup_host_new(fake->mountinfo, fake->self, &host, NULL), 0);
        assert_int_equal(cgroup_box_create(host, "fresh/1", &box, &error), -ENOENT);
        assert_non_null(error.message);
        assert_null(box);
        assert_fake_file(fake, "cg/cgroup.subtree_control", "+cpu +cpuset +io +memory +pids");
        assert_int_equal(access(parent, F_OK), -1);
}

/* A service that stayed in its unit's folder could not give a box any controller. */
static void test_settle(void **state) {
        static const struct {
                const char *name, *mounts, *self;
                bool has_systemd, moves;
        } places[] = {
                { "in a unit", v2_mount, "0::/a.service\n", true, true },
                { "in its leaf", v2_mount, "0::/a.service/service\n", true, true },
                { "without systemd", v2_mount, "0::/a.service\n", false, false },
                { "at the top", v2_mount, "0::/\n", true, false },
                { "legacy", v1_mounts, "2:memory:/a.service\n1:cpu,cpuacct:/a.service\n", true, false },
        };
        const Fake *fake = *state;

        for (size_t i = 0; i < G_N_ELEMENTS(places); i++) {
                g_autoptr(CgroupHost) host = NULL;
                g_auto(Error) error = ERROR_NULL;

                print_message("  %s\n", places[i].name);
                fake_fill(fake, places[i].has_systemd);
                fake_write(fake, "cg/a.service/service/cgroup.procs", "");
                fake_set(fake, places[i].mounts, places[i].self);
                assert_int_equal(
                        cgroup_host_new_beside(fake->mountinfo, fake->self, fake->systemd, &host, &error), 0);
                assert_int_equal(cgroup_host_settle(host, &error), 0);
                assert_fake_file(fake, "cg/a.service/service/cgroup.procs", places[i].moves ? "0" : "");
        }
}

static void test_settle_fails(void **state) {
        const Fake *fake = *state;
        g_autoptr(CgroupHost) host = NULL;
        g_auto(Error) error = ERROR_NULL;

        fake_fill(fake, true);
        fake_set(fake, v2_mount, "0::/a.service\n");
        assert_int_equal(cgroup_host_new_beside(fake->mountinfo, fake->self, fake->systemd, &host, &error), 0);
        assert_int_equal(cgroup_host_settle(host, &error), -ENOENT); /* a plain folder has no cgroup.procs */
        assert_non_null(strstr(error.message, "a.service/service"));
}

static void test_bad_names(void **state) {
        static const char *const names[] = { "",     "/",       "/a",        "a/",         "a//b",
                                             "..",   "a/../b",  "a/.",       "a b",        "a\nb",
                                             "-a/1", "cpu.max", "a/b/c/d/e", "a/b\xc3\xa4" };
        const Fake *fake = *state;
        g_autoptr(CgroupHost) host = NULL;

        fake_fill(fake, false);
        fake_set(fake, v2_mount, "0::/\n");
        assert_int_equal(cgroup_host_new(fake->mountinfo, fake->self, &host, NULL), 0);
        for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
                g_auto(Error) error = ERROR_NULL;
                CgroupBox *box = NULL;

                print_message("'%s'\n", names[i]);
                assert_int_equal(cgroup_box_create(host, names[i], &box, &error), -EINVAL);
                assert_int_equal(error.code, ERROR_INVALID_ARGS);
                assert_int_equal(cgroup_box_open(host, names[i], &box, NULL), -EINVAL);
        }
}

static void test_layout_names(void **state G_GNUC_UNUSED) {
        for (int i = 0; i < _CGROUP_LAYOUT_MAX; i++)
                assert_int_equal(cgroup_layout_from_string(cgroup_layout_to_string((CgroupLayout) i)), i);
        assert_int_equal(cgroup_layout_from_string("v3"), _CGROUP_LAYOUT_INVALID);
        assert_null(cgroup_layout_to_string(_CGROUP_LAYOUT_MAX));
}

/* ---- the hierarchies of this machine ---- */

static CgroupHost *real_host;
static char real_parent[32]; /* of the boxes of this run */

/* Where boxes can be made for real: v1 as mounted; else NULL with the reason printed. */
static CgroupHost *open_real_host(CgroupLayout *ret_layout) {
        g_auto(Error) error = ERROR_NULL;
        CgroupHost *host = NULL;

        if (geteuid() != 0) {
                print_message("Skipped: making cgroups needs root\n");
                return NULL;
        }
        if (cgroup_host_new("/proc/self/mountinfo", "/proc/self/cgroup", &host, &error) < 0) {
                print_message("Skipped: %s\n", error.message);
                return NULL;
        }
        *ret_layout = cgroup_host_get_layout(host);
        if (*ret_layout != CGROUP_UNIFIED && !cgroup_host_has_controller(host, "freezer")) {
                print_message("Skipped: this host has no freezer cgroup\n");
                cgroup_host_free(host);
                return NULL;
        }
        return host;
}

/* The v2 tree of a hybrid host, as if it were all there is: it has no controllers, but joins, freezes, kills.
 */
static CgroupHost *open_unified_host(const Fake *fake) {
        g_autofree char *mountinfo = NULL, *found = NULL;
        g_auto(GStrv) lines = NULL;
        CgroupHost *host = NULL;

        if (geteuid() != 0) {
                print_message("Skipped: making cgroups needs root\n");
                return NULL;
        }
        assert_true(g_file_get_contents("/proc/self/mountinfo", &mountinfo, NULL, NULL));
        lines = g_strsplit(mountinfo, "\n", -1);
        for (char **line = lines; *line && !found; line++)
                if (strstr(*line, " - cgroup2 "))
                        found = g_strconcat(*line, "\n", NULL);
        if (!found) {
                print_message("Skipped: no v2 tree is mounted\n");
                return NULL;
        }
        fake_write(fake, "mountinfo", found);
        fake_write(fake, "self", "0::/\n");
        if (cgroup_host_new(fake->mountinfo, fake->self, &host, NULL) < 0) {
                print_message("Skipped: the v2 tree cannot be opened\n");
                return NULL;
        }
        return host;
}

static void assert_done(int r, const Error *error) {
        if (r < 0)
                fail_msg("%d: %s", r, error->message ?: "no reason");
}

static void assert_nothing_left(const CgroupHost *host, const char *name) {
        static const char *const controllers[] = {
                NULL,      "cpu",     "cpuacct", "cpuset", "memory",
                "devices", "freezer", "blkio",   "pids",   "name=systemd"
        };

        for (size_t i = 0; i < G_N_ELEMENTS(controllers); i++) {
                g_autofree char *path = cgroup_host_get_path(host, controllers[i], name);

                if (path && access(path, F_OK) == 0)
                        fail_msg("'%s' is left", path);
        }
}

/* A child in the payload that waits; @joins as init inherits them. */
static pid_t start_member(CgroupBox *box) {
        int joins[JOINS_MAX], ready[2];
        int n = cgroup_box_open_joins(box, joins, JOINS_MAX, NULL);
        char byte = 0;
        pid_t child;

        assert_true(n > 0);
        assert_int_equal(pipe(ready), 0);
        child = fork();
        assert_true(child >= 0);
        if (child == 0) {
                for (int i = 0; i < n; i++)
                        if (write(joins[i], "0", 1) != 1)
                                _exit(1);
                if (write(ready[1], "x", 1) != 1)
                        _exit(1);
                for (;;)
                        (void) pause();
        }
        close(ready[1]);
        assert_int_equal(read(ready[0], &byte, 1), 1);
        close(ready[0]);
        for (int i = 0; i < n; i++) {
                assert_int_equal(fcntl(joins[i], F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
                close(joins[i]);
        }
        return child;
}

static void reap_killed(pid_t child) {
        int status = 0;

        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

/* What is true of every layout. */
static void check_life(const CgroupHost *host, const char *name) {
        g_auto(Error) error = ERROR_NULL, busy = ERROR_NULL, taken = ERROR_NULL;
        g_autoptr(CgroupBox) box = NULL, second = NULL, again = NULL;
        CgroupBox *none = NULL;
        pid_t child, shim;
        int status = 0;

        assert_done(cgroup_box_create(host, name, &box, &error), &error);
        assert_int_equal(cgroup_box_create(host, name, &none, &taken), -EEXIST);
        assert_null(none);
        assert_int_equal(cgroup_box_is_populated(box), 0);
        assert_int_equal(cgroup_box_kill(box, NULL), 0);

        child = start_member(box);
        assert_int_equal(cgroup_box_is_populated(box), 1);
        assert_int_equal(cgroup_box_destroy(box, &busy), -EBUSY);
        assert_non_null(busy.message);

        /* the box survives the refusal, and is found by its name */
        assert_done(cgroup_box_open(host, name, &second, &error), &error);
        assert_done(cgroup_box_freeze(second, MAX_USEC, &error), &error);
        assert_done(cgroup_box_thaw(second, MAX_USEC, &error), &error);
        assert_int_equal(waitpid(child, &status, WNOHANG), 0);

        /* and a frozen one dies of a kill */
        assert_done(cgroup_box_freeze(box, MAX_USEC, &error), &error);
        assert_int_equal(cgroup_box_kill(box, NULL), 1);
        reap_killed(child);
        assert_int_equal(cgroup_box_is_populated(box), 0);

        /* a shim joins the box, sees its own payload empty, and leaves */
        assert_done(cgroup_box_thaw(box, MAX_USEC, &error), &error);
        shim = fork();
        assert_true(shim >= 0);
        if (shim == 0) {
                if (cgroup_box_join(box, NULL) < 0)
                        _exit(1);
                if (cgroup_box_is_populated(box) != 0)
                        _exit(2);
                if (cgroup_box_destroy(box, NULL) != -EBUSY)
                        _exit(3);
                if (cgroup_box_leave(box, NULL) < 0)
                        _exit(4);
                _exit(cgroup_box_destroy(box, NULL) < 0 ? 5 : 0);
        }
        assert_int_equal(waitpid(shim, &status, 0), shim);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
        assert_done(cgroup_box_destroy(box, &error), &error);
        assert_nothing_left(host, name);

        /* gone: nothing to kill, nothing to join, and a second removal is fine */
        assert_int_equal(cgroup_box_kill(box, NULL), 0);
        assert_int_equal(cgroup_box_is_populated(box), 0);
        assert_true(cgroup_box_join(box, NULL) < 0);
        assert_int_equal(cgroup_box_open(host, name, &again, NULL), 0);
        assert_done(cgroup_box_destroy(again, &error), &error);
}

static void test_real_life(void **state G_GNUC_UNUSED) {
        g_autofree char *name = g_strconcat(real_parent, "/1", NULL);

        if (!real_host)
                skip();
        check_life(real_host, name);
        assert_nothing_left(real_host, real_parent);
}

static void test_real_unified(void **state) {
        g_autoptr(CgroupHost) host = open_unified_host(*state);
        g_autofree char *name = g_strconcat(real_parent, "/2", NULL);

        if (!host)
                skip();
        assert_int_equal(cgroup_host_get_layout(host), CGROUP_UNIFIED);
        check_life(host, name);
        assert_nothing_left(host, real_parent);
}

static void assert_payload_file(CgroupBox *box, const char *controller, const char *file,
                                const char *wanted) {
        g_auto(Error) error = ERROR_NULL;
        g_autofree char *text = NULL;

        assert_done(cgroup_box_read(box, controller, file, file, &text, &error), &error);
        assert_string_equal(text, wanted);
}

static void test_real_limits(void **state G_GNUC_UNUSED) {
        g_autofree char *name = g_strconcat(real_parent, "/3", NULL);
        g_auto(Error) error = ERROR_NULL, range = ERROR_NULL, no_file = ERROR_NULL, slash = ERROR_NULL,
                      no_controller = ERROR_NULL;
        g_autoptr(CgroupBox) box = NULL;
        int joins[1];

        if (!real_host || cgroup_host_get_layout(real_host) == CGROUP_UNIFIED) {
                print_message("Skipped: needs v1 controllers and root\n");
                skip();
        }
        assert_done(cgroup_box_create(real_host, name, &box, &error), &error);
        assert_done(cgroup_box_limit(box, 64 * 1024 * 1024, 17, &error), &error);
        assert_payload_file(box, "memory", "memory.limit_in_bytes", "67108864\n");
        assert_payload_file(box, "pids", "pids.max", "17\n");
        assert_done(cgroup_box_limit(box, 0, 0, &error), &error);
        assert_payload_file(box, "pids", "pids.max", "17\n");

        assert_int_equal(cgroup_box_write(box, "pids", "pids.max", "pids.max", "many", &range), -EINVAL);
        assert_true(cgroup_box_write(box, "pids", "pids.nonsense", NULL, "1", &no_file) < 0);
        assert_int_equal(no_file.code, ERROR_UNSUPPORTED);
        assert_true(cgroup_box_write(box, "nonsense", "nonsense.max", NULL, "1", &no_controller) < 0);
        assert_int_equal(no_controller.code, ERROR_UNSUPPORTED);
        assert_true(cgroup_box_write(box, "pids", "../pids.max", NULL, "1", &slash) < 0);
        assert_int_equal(slash.code, ERROR_INVALID_ARGS);
        assert_int_equal(cgroup_box_open_joins(box, joins, 0, NULL), -E2BIG);
        assert_done(cgroup_box_destroy(box, &error), &error);
        assert_nothing_left(real_host, real_parent);
}

/* ---- devices ---- */

static void set_devices(CgroupBox *box, const CgroupDevice *list, size_t n) {
        g_autoptr(CgroupDevices) devices = NULL;
        g_auto(Error) error = ERROR_NULL;

        assert_done(cgroup_devices_new(box, list, n, &devices, &error), &error);
        assert_done(cgroup_box_set_devices(box, devices, &error), &error);
        assert_ptr_equal(cgroup_box_get_devices(box), devices);
}

static void test_real_device_list(void **state G_GNUC_UNUSED) {
        static const CgroupDevice first[] = {
                { 'c', false, 1, 3, CGROUP_ACCESS_ALL },
                { 'c', true, 136, 0, CGROUP_ACCESS_ALL },
                { 'c', false, 1, 5, CGROUP_READ },
                { 'c', false, 1, 5, CGROUP_WRITE }, /* the same again adds up */
        };
        static const CgroupDevice second[] = {
                { 'c', false, 1, 5, CGROUP_READ | CGROUP_MKNOD },
                { 'c', true, 136, 0, CGROUP_ACCESS_ALL },
                { 'b', false, 7, 200, CGROUP_READ },
        };
        g_autofree char *name = g_strconcat(real_parent, "/4", NULL);
        g_autoptr(CgroupBox) box = NULL;
        g_auto(Error) error = ERROR_NULL;

        if (!real_host || !cgroup_host_has_controller(real_host, "devices")) {
                print_message("Skipped: needs the devices controller of v1 and root\n");
                skip();
        }
        assert_done(cgroup_box_create(real_host, name, &box, &error), &error);
        assert_null(cgroup_box_get_devices(box));
        set_devices(box, first, G_N_ELEMENTS(first));
        assert_payload_file(box, "devices", "devices.list", "c 1:3 rwm\nc 136:* rwm\nc 1:5 rw\n");
        set_devices(box, second, G_N_ELEMENTS(second));
        assert_payload_file(box, "devices", "devices.list", "c 136:* rwm\nc 1:5 rm\nb 7:200 r\n");
        set_devices(box, NULL, 0);
        assert_payload_file(box, "devices", "devices.list", "");
        set_devices(box, first, G_N_ELEMENTS(first));
        assert_payload_file(box, "devices", "devices.list", "c 1:3 rwm\nc 136:* rwm\nc 1:5 rw\n");
        assert_done(cgroup_box_destroy(box, &error), &error);
}

static void test_bad_devices(void **state) {
        static const struct {
                const char *name;
                CgroupDevice device;
        } rows[] = {
                { "all devices", { 'a', false, 1, 3, CGROUP_READ } },
                { "no type", { 0, false, 1, 3, CGROUP_READ } },
                { "no access", { 'c', false, 1, 3, 0 } },
                { "unknown access", { 'c', false, 1, 3, CGROUP_READ | 8 } },
                { "major above 12 bits", { 'c', false, 4096, 3, CGROUP_READ } },
                { "minor above 20 bits", { 'c', false, 1, 1 << 20, CGROUP_READ } },
                { "a minor and any", { 'c', true, 1, 3, CGROUP_READ } },
        };
        g_autoptr(CgroupHost) host = open_unified_host(*state);
        g_autofree char *name = g_strconcat(real_parent, "/5", NULL);
        g_autofree CgroupDevice *many = g_new0(CgroupDevice, DEVICES_MAX + 1);
        g_auto(Error) error = ERROR_NULL, too_many = ERROR_NULL;
        g_autoptr(CgroupBox) box = NULL;
        CgroupDevices *devices = NULL;

        if (!host)
                skip();
        assert_done(cgroup_box_create(host, name, &box, &error), &error);
        for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
                g_auto(Error) refused = ERROR_NULL;

                print_message("  %s\n", rows[i].name);
                assert_true(cgroup_devices_new(box, &rows[i].device, 1, &devices, &refused) < 0);
                assert_int_equal(refused.code, ERROR_INVALID_ARGS);
                assert_null(devices);
        }
        for (unsigned i = 0; i <= DEVICES_MAX; i++)
                many[i] = (CgroupDevice){ 'b', false, 9, i, CGROUP_READ };
        assert_true(cgroup_devices_new(box, many, DEVICES_MAX + 1, &devices, &too_many) < 0);
        assert_int_equal(too_many.code, ERROR_LIMIT_REACHED);
        /* what is just allowed is a program that the kernel takes */
        set_devices(box, many, DEVICES_MAX);
        assert_done(cgroup_box_destroy(box, &error), &error);
}

/* What a process in the payload is told when it opens a device: 0 or an errno. */
static int try_open(CgroupBox *box, const char *path, int flags) {
        int joins[JOINS_MAX], status = 0;
        int n = cgroup_box_open_joins(box, joins, JOINS_MAX, NULL);
        pid_t child;

        assert_true(n > 0);
        child = fork();
        assert_true(child >= 0);
        if (child == 0) {
                for (int i = 0; i < n; i++)
                        if (write(joins[i], "0", 1) != 1)
                                _exit(255);
                _exit(open(path, flags) < 0 ? errno : 0);
        }
        for (int i = 0; i < n; i++)
                close(joins[i]);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status));
        return WEXITSTATUS(status);
}

/* The program of v2, asked by the kernel. */
static void test_real_device_program(void **state) {
        static const CgroupDevice null_and_loop[] = {
                { 'c', false, 1, 3, CGROUP_ACCESS_ALL },
                { 'c', false, 1, 5, CGROUP_READ },
                { 'b', true, 7, 0, CGROUP_READ },
        };
        static const CgroupDevice zero[] = { { 'c', false, 1, 5, CGROUP_READ | CGROUP_WRITE } };
        g_autoptr(CgroupHost) host = open_unified_host(*state);
        g_autofree char *name = g_strconcat(real_parent, "/6", NULL);
        g_auto(Error) error = ERROR_NULL;
        g_autoptr(CgroupBox) box = NULL;

        if (!host)
                skip();
        assert_done(cgroup_box_create(host, name, &box, &error), &error);
        assert_int_equal(try_open(box, "/dev/full", O_RDONLY), 0);
        set_devices(box, null_and_loop, G_N_ELEMENTS(null_and_loop));
        assert_int_equal(try_open(box, "/dev/null", O_RDWR), 0);
        assert_int_equal(try_open(box, "/dev/zero", O_RDONLY), 0);
        assert_int_equal(try_open(box, "/dev/zero", O_RDWR), EPERM);
        assert_int_equal(try_open(box, "/dev/full", O_RDONLY), EPERM);
        if (access("/dev/loop0", F_OK) == 0) {
                assert_int_equal(try_open(box, "/dev/loop0", O_RDONLY), 0);
                assert_int_equal(try_open(box, "/dev/loop0", O_WRONLY), EPERM);
        }
        set_devices(box, zero, G_N_ELEMENTS(zero));
        assert_int_equal(try_open(box, "/dev/zero", O_RDWR), 0);
        assert_int_equal(try_open(box, "/dev/null", O_RDONLY), EPERM);
        set_devices(box, NULL, 0);
        assert_int_equal(try_open(box, "/dev/zero", O_RDONLY), EPERM);
        assert_done(cgroup_box_destroy(box, &error), &error);
}

#define RACERS 4
#define RACES  40

/* The last of several boxes takes the parent with it while others are being made in it. */
static void test_real_race(void **state G_GNUC_UNUSED) {
        pid_t racers[RACERS];

        if (!real_host)
                skip();
        for (int i = 0; i < RACERS; i++) {
                racers[i] = fork();
                assert_true(racers[i] >= 0);
                if (racers[i] != 0)
                        continue;
                for (int race = 0; race < RACES; race++) {
                        g_autofree char *name = g_strdup_printf("%s/race%d-%d", real_parent, i, race);
                        g_autoptr(CgroupBox) box = NULL;
                        g_auto(Error) error = ERROR_NULL;

                        if (cgroup_box_create(real_host, name, &box, &error) < 0 ||
                            cgroup_box_join(box, &error) < 0 || cgroup_box_leave(box, &error) < 0 ||
                            cgroup_box_destroy(box, &error) < 0) {
                                print_message("racer %d, race %d: %s\n", i, race, error.message);
                                _exit(1);
                        }
                }
                _exit(0);
        }
        for (int i = 0; i < RACERS; i++) {
                int status = 0;

                assert_int_equal(waitpid(racers[i], &status, 0), racers[i]);
                assert_true(WIFEXITED(status));
                assert_int_equal(WEXITSTATUS(status), 0);
        }
        assert_nothing_left(real_host, real_parent);
}

static int compare_doubles(const void *a, const void *b) {
        double x = *(const double *) a, y = *(const double *) b;

        return x < y ? -1 : x > y;
}

static double now_us(void) {
        struct timespec now;

        (void) clock_gettime(CLOCK_MONOTONIC, &now);
        return (double) now.tv_sec * 1e6 + (double) now.tv_nsec / 1e3;
}

/* Printed, not judged: a shared machine is slow at times. */
static void test_real_cost(void **state G_GNUC_UNUSED) {
        enum { N = 30 };
        double made[N], removed[N];
        g_autofree char *first = g_strconcat(real_parent, "/0", NULL);
        g_autoptr(CgroupBox) keep = NULL;

        if (!real_host)
                skip();
        assert_int_equal(cgroup_box_create(real_host, first, &keep, NULL), 0);
        for (int i = 0; i < N; i++) {
                g_autofree char *name = g_strdup_printf("%s/cost%d", real_parent, i);
                g_autoptr(CgroupBox) box = NULL;
                double start = now_us();

                assert_int_equal(cgroup_box_create(real_host, name, &box, NULL), 0);
                made[i] = now_us() - start;
                start = now_us();
                assert_int_equal(cgroup_box_destroy(box, NULL), 0);
                removed[i] = now_us() - start;
        }
        assert_int_equal(cgroup_box_destroy(keep, NULL), 0);
        qsort(made, N, sizeof(double), compare_doubles);
        qsort(removed, N, sizeof(double), compare_doubles);
        print_message("create %.0f us, destroy %.0f us (medians of %d)\n", made[N / 2], removed[N / 2], N);
        assert_nothing_left(real_host, real_parent);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_layout_names),
                cmocka_unit_test_setup_teardown(test_hosts, setup_fake, teardown_fake),
                cmocka_unit_test_setup_teardown(test_hybrid_leaves_v2_alone, setup_fake, teardown_fake),
                cmocka_unit_test_setup_teardown(test_bad_hosts, setup_fake, teardown_fake),
                cmocka_unit_test_setup_teardown(test_unified_files, setup_fake, teardown_fake),
                cmocka_unit_test_setup_teardown(test_create_undoes, setup_fake, teardown_fake),
                cmocka_unit_test_setup_teardown(test_settle, setup_fake, teardown_fake),
                cmocka_unit_test_setup_teardown(test_settle_fails, setup_fake, teardown_fake),
                cmocka_unit_test_setup_teardown(test_bad_names, setup_fake, teardown_fake),
                cmocka_unit_test(test_real_life),
                cmocka_unit_test_setup_teardown(test_real_unified, setup_fake, teardown_fake),
                cmocka_unit_test(test_real_limits),
                cmocka_unit_test(test_real_device_list),
                cmocka_unit_test_setup_teardown(test_bad_devices, setup_fake, teardown_fake),
                cmocka_unit_test_setup_teardown(test_real_device_program, setup_fake, teardown_fake),
                cmocka_unit_test(test_real_race),
                cmocka_unit_test(test_real_cost),
        };
        CgroupLayout layout = _CGROUP_LAYOUT_INVALID;
        int r;

        (void) snprintf(real_parent, sizeof(real_parent), "bulkhead-test-%d", (int) getpid());
        real_host = open_real_host(&layout);
        r = cmocka_run_group_tests(tests, NULL, NULL);
        cgroup_host_free(real_host);
        return r;
}
