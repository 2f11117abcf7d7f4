/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * doctor --leaks --fix: takes away what nobody owns
 *
 * A number is taken as a whole and only while we hold the lock of its folder, as its shim would: so no shim of it
 * lives, and none can come. What has no folder any more has no shim either: it is the last thing that a shim
 * removes, and the first that it makes.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "cli/leaks.h"
#include "util/cleanup.h"
#include "util/fs.h"

#define KILL_INTERVAL_USEC (10 * 1000)
#define KILL_TRIES         300

/* Open and locked in *ret_fd; -EBADF if there is no folder or no lock in it. */
static int lock_number(const Places *places, const char *number, int *ret_fd, Error *error) {
        g_autofree char *path = g_build_filename(places->sandboxes_folder, number, "lock", NULL);
        autofd int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);

        *ret_fd = -EBADF;
        if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
                return 0;
        if (fd < 0)
                return error_set_errnof(error, errno, "Cannot open '%s'", path);
        if (flock(fd, LOCK_EX | LOCK_NB) < 0)
                return error_setf(error, ERROR_BAD_STATE, "Its shim lives");
        *ret_fd = fd;
        fd = -EBADF;
        return 0;
}

static int remove_mount(const char *path, Error *error) {
        if (umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) < 0)
                return error_set_errnof(error, errno, "Cannot unmount it");
        return 0;
}

/* Whether the cgroup at @path has process @pid. */
static bool cgroup_has(const char *path, const char *pid) {
        g_autofree char *file = g_build_filename(path, "cgroup.procs", NULL), *text = NULL;
        g_auto(GStrv) pids = NULL;

        if (!g_file_get_contents(file, &text, NULL, NULL))
                return false;
        pids = g_strsplit(text, "\n", -1);
        return g_strv_contains((const char *const *) pids, pid);
}

/* SIGKILL to all that run in the cgroup at @path and below: a box of a sandbox has its processes in every hierarchy,
 * what is left of one may have them in this one only. A number that was read may be somebody else's by now; who is
 * in the cgroup after its pidfd was opened is the right one. */
static void kill_all(const char *path) {
        g_autofree char *file = g_build_filename(path, "cgroup.procs", NULL), *text = NULL;
        g_autoptr(GDir) folder = g_dir_open(path, 0, NULL);
        g_auto(GStrv) pids = NULL;
        const char *name;

        if (!g_file_get_contents(file, &text, NULL, NULL))
                return;
        pids = g_strsplit(text, "\n", -1);
        for (char **pid = pids; *pid; pid++) {
                autofd int fd = pidfd_open((pid_t) strtol(*pid, NULL, 10), 0);

                if (fd >= 0 && cgroup_has(path, *pid))
                        (void) pidfd_send_signal(fd, SIGKILL, NULL, 0);
        }
        while (folder && (name = g_dir_read_name(folder))) {
                g_autofree char *below = g_build_filename(path, name, NULL);

                if (g_file_test(below, G_FILE_TEST_IS_DIR))
                        kill_all(below);
        }
}

/* In all hierarchies; what runs in it is killed. */
static int remove_cgroups(const Places *places, const Leak *leak, pid_t service, Error *error) {
        g_autofree char *name = g_build_filename(places->cgroup_parent, leak->number, NULL);
        g_autoptr(CgroupHost) host = leaks_open_cgroups(service);
        g_autoptr(CgroupBox) box = NULL;
        int r;

        if (!host)
                return error_setf(error, ERROR_SYSTEM, "Cannot find the cgroups of this machine");
        r = cgroup_box_open(host, name, &box, error);
        if (r < 0)
                return r;
        for (int i = 0; i < KILL_TRIES; i++) {
                error_done(error);
                kill_all(leak->path);
                r = cgroup_box_kill(box, error);
                if (r == 0)
                        r = cgroup_box_kill_others(box, error);
                if (r == 0)
                        r = cgroup_box_destroy(box, error);
                if (r == 0)
                        return 0;
                (void) g_usleep(KILL_INTERVAL_USEC);
        }
        return r < 0 ? r : error_setf(error, ERROR_TIMEOUT, "What runs in it cannot be killed");
}

static int remove_folder(const Places *places, const char *number, Error *error) {
        autofd int folder_fd = open(places->sandboxes_folder, O_PATH | O_DIRECTORY | O_CLOEXEC);

        if (folder_fd < 0)
                return error_set_errnof(error, errno, "Cannot open '%s'", places->sandboxes_folder);
        return fs_remove_recursive(folder_fd, number, error);
}

static int leak_remove(const Leak *leak, const Places *places, pid_t service, Error *error) {
        switch (leak->kind) {
        case LEAK_MOUNT:
                return remove_mount(leak->path, error);
        case LEAK_CGROUP:
                /* All hierarchies go at once; the next one of the same number finds nothing to do. */
                return remove_cgroups(places, leak, service, error);
        case LEAK_FOLDER:
                return remove_folder(places, leak->number, error);
        case LEAK_SHIM:
        default:
                return error_setf(error, ERROR_BAD_STATE, "It lives; it ends when it is stopped or killed");
        }
}

static bool has_shim(const GPtrArray *leaks, const char *number) {
        for (guint i = 0; i < leaks->len; i++) {
                const Leak *leak = leaks->pdata[i];

                if (leak->kind == LEAK_SHIM && strcmp(leak->number, number) == 0)
                        return true;
        }
        return false;
}

/* Those of @number and @kind, the last first: of mounts in each other the inner one. */
static void fix_kind(GPtrArray *leaks, LeakKind kind, const char *number, const Places *places, pid_t service) {
        for (guint i = leaks->len; i-- > 0;) {
                Leak *leak = leaks->pdata[i];

                if (leak->kind != kind || leak->is_removed || strcmp(leak->number, number) != 0)
                        continue;
                leak->is_removed = leak_remove(leak, places, service, &leak->failure) >= 0;
        }
}

static void fix_number(GPtrArray *leaks, const char *number, const Places *places, pid_t service) {
        static const LeakKind order[] = { LEAK_SHIM, LEAK_CGROUP, LEAK_MOUNT, LEAK_FOLDER };
        g_auto(Error) error = ERROR_NULL;
        autofd int lock_fd = -EBADF;
        int r;

        r = lock_number(places, number, &lock_fd, &error);
        if (r >= 0 && has_shim(leaks, number))
                r = error_setf(&error, ERROR_BAD_STATE, "Its shim lives");
        for (guint i = 0; r < 0 && i < leaks->len; i++) {
                Leak *leak = leaks->pdata[i];

                if (strcmp(leak->number, number) == 0)
                        (void) error_setf(&leak->failure, error.code, "%s", error.message);
        }
        for (size_t i = 0; r >= 0 && i < G_N_ELEMENTS(order); i++)
                fix_kind(leaks, order[i], number, places, service);
}

void leaks_fix(GPtrArray *leaks, const Places *places, pid_t service) {
        g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);

        for (guint i = 0; i < leaks->len; i++) {
                const Leak *leak = leaks->pdata[i];

                if (g_hash_table_add(seen, leak->number))
                        fix_number(leaks, leak->number, places, service);
        }
}
