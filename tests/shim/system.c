/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/shim/system.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "util/cgroup.h"
#include "util/fs.h"

#define CGROUP_MOUNT "/sys/fs/cgroup"
#define SWEEP_ROUNDS 400

uint64_t system_now_usec(void) {
        return (uint64_t) g_get_monotonic_time();
}

void system_sleep_msec(unsigned msec) {
        g_usleep(msec * 1000UL);
}

unsigned system_count_fds(pid_t pid) {
        g_autofree char *path = g_strdup_printf("/proc/%d/fd", (int) pid);
        DIR *folder = opendir(path);
        unsigned n = 0;

        if (!folder)
                fail_msg("Cannot open %s: %s", path, strerror(errno));
        while (readdir(folder))
                n++;
        closedir(folder);
        return n - 2;
}

bool system_has_stray_mounts(void) {
        /* Where monitors mount in namespaces of their own; one thing is on cgroupfs's folder anyway. */
        static const char *const targets[] = { " /run/root ", " /run/pivot ", " /run/layers", " /run/upper ",
                                               " /run/empty " };
        g_autofree char *text = NULL;
        const char *cgroups;

        assert_true(g_file_get_contents("/proc/self/mountinfo", &text, NULL, NULL));
        for (size_t i = 0; i < G_N_ELEMENTS(targets); i++)
                if (strstr(text, targets[i]))
                        return true;
        cgroups = strstr(text, " " CGROUP_MOUNT " ");
        return cgroups && strstr(cgroups + 1, " " CGROUP_MOUNT " ");
}

bool system_is_mounted(const char *word) {
        g_autofree char *text = NULL;

        assert_true(g_file_get_contents("/proc/self/mountinfo", &text, NULL, NULL));
        return strstr(text, word) != NULL;
}

bool system_is_alive(pid_t pid) {
        g_autofree char *path = g_strdup_printf("/proc/%d/stat", (int) pid);
        g_autofree char *text = NULL;
        const char *state;

        if (!g_file_get_contents(path, &text, NULL, NULL))
                return false;
        state = strrchr(text, ')');
        return state && state[1] == ' ' && state[2] != 'Z' && state[2] != 'X';
}

/* The next process of the cgroup in @proc, or 0. */
static pid_t next_member(DIR *proc, const char *name) {
        const struct dirent *entry;

        while ((entry = readdir(proc))) {
                g_autofree char *path = g_strdup_printf("/proc/%s/cgroup", entry->d_name);
                g_autofree char *text = NULL;

                if (g_ascii_isdigit(*entry->d_name) && g_file_get_contents(path, &text, NULL, NULL) &&
                    strstr(text, name))
                        return atoi(entry->d_name);
        }
        return 0;
}

unsigned system_count_in_cgroup(const char *name, pid_t *ret_pid) {
        DIR *proc = opendir("/proc");
        unsigned n = 0;
        pid_t pid;

        assert_non_null(proc);
        while ((pid = next_member(proc, name)) > 0)
                if (system_is_alive(pid) && n++ == 0 && ret_pid)
                        *ret_pid = pid;
        closedir(proc);
        return n;
}

pid_t system_find_process(const char *cgroup, const char *comm) {
        g_autofree char *wanted = g_strdup_printf("%s\n", comm);
        DIR *proc = opendir("/proc");
        pid_t pid;

        assert_non_null(proc);
        while ((pid = next_member(proc, cgroup)) > 0) {
                g_autofree char *path = g_strdup_printf("/proc/%d/comm", (int) pid);
                g_autofree char *text = NULL;

                if (g_file_get_contents(path, &text, NULL, NULL) && strcmp(text, wanted) == 0)
                        break;
        }
        closedir(proc);
        return pid;
}

unsigned system_count_cgroups(const char *name) {
        DIR *folder = opendir(CGROUP_MOUNT);
        const struct dirent *entry;
        unsigned n = 0;

        assert_non_null(folder);
        while ((entry = readdir(folder))) {
                g_autofree char *path = g_build_filename(CGROUP_MOUNT, entry->d_name, name, NULL);

                if (*entry->d_name != '.' && access(path, F_OK) == 0)
                        n++;
        }
        closedir(folder);
        return n;
}

void system_sweep_cgroup(const char *name) {
        g_autoptr(CgroupHost) host = NULL;
        g_autoptr(CgroupBox) box = NULL;

        if (cgroup_host_new("/proc/self/mountinfo", "/proc/self/cgroup", &host, NULL) < 0 ||
            cgroup_box_open(host, name, &box, NULL) < 0)
                return;
        for (unsigned i = 0; i < SWEEP_ROUNDS; i++) {
                pid_t pid = 0;

                (void) cgroup_box_thaw(box, 0, NULL);
                if (system_count_in_cgroup(name, &pid) == 0 && cgroup_box_destroy(box, NULL) == 0)
                        return;
                if (pid > 1)
                        (void) kill(pid, SIGKILL);
                system_sleep_msec(5);
        }
}

static GHashTable *folders; /* paths, not owned */

static void remove_folder(const char *path) {
        int fd = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        (void) umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW);
        (void) fs_remove_recursive(fd, strrchr(path, '/') + 1, NULL);
        close(fd);
}

/* What tests that failed have left. */
static void remove_folders(void) {
        GHashTableIter iter;
        void *path;

        g_hash_table_iter_init(&iter, folders);
        while (g_hash_table_iter_next(&iter, &path, NULL))
                remove_folder(path);
        g_hash_table_unref(folders);
}

char *system_make_folder(const char *what) {
        g_autofree char *template = g_strdup_printf("/tmp/bulkhead-test-%s-XXXXXX", what);

        if (!g_mkdtemp_full(template, 0755))
                fail_msg("Cannot make %s: %s", template, strerror(errno));
        if (!folders) {
                folders = g_hash_table_new(g_str_hash, g_str_equal);
                (void) atexit(remove_folders);
        }
        g_hash_table_add(folders, template);
        return g_steal_pointer(&template);
}

void system_remove_folder(char *path) {
        if (!path)
                return;
        g_hash_table_remove(folders, path);
        remove_folder(path);
        g_free(path);
}

void system_write_file(const char *folder, const char *name, const char *text, mode_t mode) {
        g_autofree char *path = g_build_filename(folder, name, NULL);

        assert_true(g_file_set_contents(path, text, -1, NULL));
        assert_int_equal(chmod(path, mode), 0);
}
