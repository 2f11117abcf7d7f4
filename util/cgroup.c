/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "util/cgroup.h"

#include <ctype.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/cgroup-private.h"
#include "util/cleanup.h"
#include "util/fs.h"

#define CPUSET_LIST_MAX 4096 /* "0-3,8-11": as long as a kernel page */
#define NAME_PARTS_MAX  4    /* "<instance>/<n>" has two */

/* Others remove the parent while we make a box in it; each loss means that one of them was done. */
#define CREATE_TRIES_MAX 256

/* ---- making boxes ---- */

bool cgroup_is_gone(int r) {
        return r == -ENOENT || r == -ENODEV;
}

int cgroup_read_short(int dir_fd, const char *path, char *buffer, size_t size) {
        autofd int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC);
        ssize_t n;

        if (fd < 0)
                return -errno;
        n = read(fd, buffer, size - 1);
        if (n < 0)
                return -errno;
        buffer[n] = '\0';
        g_strchomp(buffer);
        return 0;
}

static int copy_down(int parent_fd, int fd, const char *file) {
        char list[CPUSET_LIST_MAX];
        int r;

        r = cgroup_read_short(fd, file, list, sizeof(list));
        if (r < 0 || *list)
                return r;
        r = cgroup_read_short(parent_fd, file, list, sizeof(list));
        if (r < 0)
                return r;
        return fs_write_file_at(fd, file, list);
}

/* A new v1 cpuset has neither CPUs nor memory and takes no process. Everything below copies them by itself
 * once clone_children is set, which comes last so that it says that the rest is done (cpuset's cgroup-v1
 * page). */
static int prepare_cpuset(int parent_fd, int fd) {
        char flag[8];
        int r;

        r = cgroup_read_short(fd, "cgroup.clone_children", flag, sizeof(flag));
        if (r < 0 || strcmp(flag, "1") == 0)
                return r;
        r = copy_down(parent_fd, fd, "cpuset.cpus");
        if (r >= 0)
                r = copy_down(parent_fd, fd, "cpuset.mems");
        return r < 0 ? r : fs_write_file_at(fd, "cgroup.clone_children", "1");
}

/* Makes a parent fit for boxes. Everybody does it, not only who made the folder: between its mkdir and the
 * last write others find it half ready. */
static int prepare_parent(const CgroupHost *host, const Hierarchy *hierarchy, int parent_fd, int fd) {
        if (hierarchy->is_cpuset)
                return prepare_cpuset(parent_fd, fd);
        if (hierarchy->is_v2 && *host->enable)
                return fs_write_file_at(fd, "cgroup.subtree_control", host->enable);
        return 0;
}

static int open_folder(int dir_fd, const char *name) {
        int fd = openat(dir_fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

        return fd < 0 ? -errno : fd;
}

static int make_folder(int dir_fd, const char *name) {
        return mkdirat(dir_fd, name, 0755) < 0 ? -errno : 0;
}

/* Opens the last parent of the box, making what is missing. Returns the descriptor. */
static int enter_parents(const CgroupBox *box, const Hierarchy *hierarchy) {
        autofd int at = fcntl(hierarchy->base_fd, F_DUPFD_CLOEXEC, 3);
        int r;

        if (at < 0)
                return -errno;
        if (hierarchy->is_v2) {
                r = prepare_parent(box->host, hierarchy, -EBADF, at);
                if (r < 0)
                        return r;
        }
        for (char **part = box->parts; part[1]; part++) {
                autofd int next = open_folder(at, *part);

                if (next == -ENOENT) {
                        r = make_folder(at, *part);
                        if (r < 0 && r != -EEXIST)
                                return r;
                        next = open_folder(at, *part);
                }
                if (next < 0)
                        return next;
                r = prepare_parent(box->host, hierarchy, at, next);
                if (r < 0)
                        return r;
                (void) fd_close(at);
                at = fd_steal(&next);
        }
        return fd_steal(&at);
}

/* The box in one hierarchy; *ret_fd is set as soon as it is ours, also if a later step fails. */
static int make_in_hierarchy(const CgroupBox *box, const Hierarchy *hierarchy, int *ret_fd) {
        const char *leaf = box->parts[g_strv_length(box->parts) - 1];
        autofd int parent_fd = enter_parents(box, hierarchy);
        int r;

        if (parent_fd < 0)
                return parent_fd;
        r = make_folder(parent_fd, leaf);
        if (r < 0)
                return r;
        r = open_folder(parent_fd, leaf);
        if (r < 0) {
                (void) unlinkat(parent_fd, leaf, AT_REMOVEDIR);
                return cgroup_is_gone(r) ? -EBUSY : r; /* no second try: it was there and somebody took it */
        }
        *ret_fd = r;
        if (hierarchy->is_v2) {
                r = prepare_parent(box->host, hierarchy, parent_fd, *ret_fd);
                if (r >= 0)
                        r = make_folder(*ret_fd, CGROUP_SHIM);
                if (r < 0)
                        return r;
        }
        return make_folder(*ret_fd, CGROUP_PAYLOAD);
}

/* A relative name whose components cannot leave the base or be taken for a file of the kernel's. */
static int box_new(const CgroupHost *host, const char *name, CgroupBox **ret, Error *error) {
        g_autoptr(CgroupBox) box = g_new0(CgroupBox, 1);
        guint n;

        box->host = host;
        box->name = g_strdup(name);
        box->parts = g_strsplit(name, "/", -1);
        n = g_strv_length(box->parts);
        if (n < 1 || n > NAME_PARTS_MAX)
                return error_setf(error, ERROR_INVALID_ARGS, "Cgroup name '%s' has not 1 to %d components",
                                  name, NAME_PARTS_MAX);
        for (char **part = box->parts; *part; part++) {
                bool is_good = isalnum((unsigned char) **part) && strlen(*part) <= 64;

                for (const char *at = *part; *at; at++)
                        is_good = is_good && (isalnum((unsigned char) *at) || *at == '-' || *at == '_');
                if (!is_good)
                        return error_setf(error, ERROR_INVALID_ARGS,
                                          "Cgroup name '%s' is not made of letters, digits, '-' and '_'",
                                          name);
        }
        box->fds = g_new(int, host->hierarchies->len);
        for (guint i = 0; i < host->hierarchies->len; i++)
                box->fds[i] = -EBADF;
        *ret = g_steal_pointer(&box);
        return 0;
}

int cgroup_box_create(const CgroupHost *host, const char *name, CgroupBox **ret, Error *error) {
        g_autoptr(CgroupBox) box = NULL;
        int r;

        r = box_new(host, name, &box, error);
        if (r < 0)
                return r;
        for (guint i = 0; i < host->hierarchies->len; i++) {
                const Hierarchy *hierarchy = cgroup_host_get(host, i);
                unsigned n_tries = 0;

                do
                        r = make_in_hierarchy(box, hierarchy, &box->fds[i]);
                while (cgroup_is_gone(r) && box->fds[i] < 0 && ++n_tries < CREATE_TRIES_MAX);
                if (r < 0) {
                        (void) cgroup_box_destroy(box, NULL);
                        return error_set_errnof(error, -r, "Cannot make the cgroup '%s' in '%s'", name,
                                                hierarchy->base);
                }
        }
        *ret = g_steal_pointer(&box);
        return 0;
}

int cgroup_box_open(const CgroupHost *host, const char *name, CgroupBox **ret, Error *error) {
        g_autoptr(CgroupBox) box = NULL;
        int r;

        r = box_new(host, name, &box, error);
        if (r < 0)
                return r;
        for (guint i = 0; i < host->hierarchies->len; i++) {
                r = open_folder(cgroup_host_get(host, i)->base_fd, name);
                if (r < 0 && !cgroup_is_gone(r))
                        return error_set_errnof(error, -r, "Cannot open the cgroup '%s' in '%s'", name,
                                                cgroup_host_get(host, i)->base);
                box->fds[i] = r < 0 ? -EBADF : r;
        }
        *ret = g_steal_pointer(&box);
        return 0;
}

void cgroup_box_free(CgroupBox *box) {
        if (!box)
                return;
        for (guint i = 0; box->fds && i < box->host->hierarchies->len; i++)
                box->fds[i] = fd_close(box->fds[i]);
        g_clear_pointer(&box->fds, g_free);
        g_clear_pointer(&box->devices, cgroup_devices_unref);
        g_clear_pointer(&box->parts, g_strfreev);
        g_clear_pointer(&box->name, g_free);
        g_free(box);
}

static void remove_parents(const CgroupBox *box, int base_fd) {
        g_autofree char *parent = g_strdup(box->name);

        for (char *slash = strrchr(parent, '/'); slash; slash = strrchr(parent, '/')) {
                *slash = '\0';
                if (unlinkat(base_fd, parent, AT_REMOVEDIR) < 0)
                        return; /* others live in it, or have removed it */
        }
}

/* rmdir(2); what is not there is fine. */
static int remove_folder(int dir_fd, const char *name) {
        if (unlinkat(dir_fd, name, AT_REMOVEDIR) == 0 || cgroup_is_gone(-errno))
                return 0;
        return -errno;
}

/* Payload first: as long as a process is in it, the rest stays whole. */
static int remove_from_hierarchy(const CgroupBox *box, const Hierarchy *hierarchy, int fd) {
        int r;

        r = remove_folder(fd, CGROUP_PAYLOAD);
        if (r >= 0 && hierarchy->is_v2)
                r = remove_folder(fd, CGROUP_SHIM);
        if (r >= 0)
                r = remove_folder(hierarchy->base_fd, box->name);
        return r;
}

int cgroup_box_destroy(CgroupBox *box, Error *error) {
        const char *failed = NULL;
        int result = 0;

        for (guint i = 0; i < box->host->hierarchies->len; i++) {
                const Hierarchy *hierarchy = cgroup_host_get(box->host, i);
                int r = box->fds[i] >= 0 ? remove_from_hierarchy(box, hierarchy, box->fds[i]) : 0;

                if (r < 0) {
                        result = r;
                        failed = hierarchy->base;
                        continue;
                }
                box->fds[i] = fd_close(box->fds[i]);
                remove_parents(box, hierarchy->base_fd);
        }
        if (result < 0)
                return error_set_errnof(error, -result, "Cannot remove the cgroup '%s' from '%s'", box->name,
                                        failed);
        return 0;
}

/* ---- joining ---- */

/* "tasks" of v1 takes no global lock for a process that has one thread and moves itself (Linux 5.5). */
static const char *join_file(const Hierarchy *hierarchy, const char *v1_file, const char *v2_file) {
        return hierarchy->is_v2 ? v2_file : v1_file;
}

int cgroup_box_join(CgroupBox *box, Error *error) {
        for (guint i = 0; i < box->host->hierarchies->len; i++) {
                const Hierarchy *hierarchy = cgroup_host_get(box->host, i);
                int r;

                r = fs_write_file_at(box->fds[i], join_file(hierarchy, "tasks", CGROUP_SHIM "/cgroup.procs"), "0");
                if (r < 0)
                        return error_set_errnof(error, -r, "Cannot join the cgroup '%s' in '%s'", box->name,
                                                hierarchy->base);
        }
        return 0;
}

/* Below systemd the top of v2 is our unit's folder, which has to stay empty of processes. */
static int join_service(const Hierarchy *hierarchy) {
        int r;

        r = make_folder(hierarchy->base_fd, CGROUP_SERVICE);
        if (r < 0 && r != -EEXIST)
                return r;
        return fs_write_file_at(hierarchy->base_fd, CGROUP_SERVICE "/cgroup.procs", "0");
}

int cgroup_host_settle(const CgroupHost *host, Error *error) {
        const Hierarchy *hierarchy = cgroup_host_get(host, 0);
        int r;

        if (!hierarchy->is_v2 || !host->below_systemd)
                return 0;
        r = join_service(hierarchy);
        if (r < 0)
                return error_set_errnof(error, -r, "Cannot move into the cgroup '%s/" CGROUP_SERVICE "'", hierarchy->base);
        return 0;
}

int cgroup_box_leave(CgroupBox *box, Error *error) {
        for (guint i = 0; i < box->host->hierarchies->len; i++) {
                const Hierarchy *hierarchy = cgroup_host_get(box->host, i);
                int r;

                if (hierarchy->is_v2 && box->host->below_systemd)
                        r = join_service(hierarchy);
                else
                        r = fs_write_file_at(hierarchy->base_fd, join_file(hierarchy, "tasks", "cgroup.procs"), "0");
                if (r < 0)
                        return error_set_errnof(error, -r, "Cannot leave the cgroup '%s' for '%s'", box->name,
                                                hierarchy->base);
        }
        return 0;
}

int cgroup_box_open_joins(CgroupBox *box, int *ret_fds, size_t max, Error *error) {
        guint n = box->host->hierarchies->len;

        if (n > max)
                return error_set_errnof(error, E2BIG, "This host has %u cgroup hierarchies, at most %zu fit",
                                        n, max);
        for (guint i = 0; i < n; i++) {
                const Hierarchy *hierarchy = cgroup_host_get(box->host, i);
                int saved;

                ret_fds[i] = openat(box->fds[i],
                                    join_file(hierarchy, CGROUP_PAYLOAD "/tasks", CGROUP_PAYLOAD "/cgroup.procs"),
                                    O_WRONLY | O_CLOEXEC);
                if (ret_fds[i] >= 0)
                        continue;
                saved = errno;
                while (i > 0) {
                        i--;
                        ret_fds[i] = fd_close(ret_fds[i]);
                }
                return error_set_errnof(error, saved, "Cannot open the cgroup '%s/" CGROUP_PAYLOAD "' in '%s'",
                                        box->name, hierarchy->base);
        }
        return (int) n;
}
