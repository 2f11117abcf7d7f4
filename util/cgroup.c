/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "util/cgroup.h"

#include <ctype.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "util/cgroup-private.h"
#include "util/cleanup.h"
#include "util/enum-table.h"
#include "util/fs.h"

/* sd_booted(3): the folder exists if and only if systemd is process 1. */
#define SYSTEMD_FOLDER "/run/systemd/system"

#define PAYLOAD "payload"
/* v2 only, where a folder with controllers below it holds no processes: so shim and monitor get their own. */
#define SHIM "shim"
/* v2 below systemd: where the service lives, for the same reason. */
#define SERVICE "service"

#define PROC_FILE_MAX   (1024 * 1024) /* mountinfo of a host with hundreds of sandboxes has 100 KiB */
#define CGROUP_FILE_MAX (256 * 1024)  /* memory.stat has 2 KiB, io files grow with the disks */
#define CPUSET_LIST_MAX 4096          /* "0-3,8-11": as long as a kernel page */
#define NAME_PARTS_MAX  4             /* "<instance>/<n>" has two */

/* Others remove the parent while we make a box in it; each loss means that one of them was done. */
#define CREATE_TRIES_MAX 256

#define POLL_FIRST_USEC 50
#define POLL_MAX_USEC   5000

static const char *const cgroup_layout_names[_CGROUP_LAYOUT_MAX] = {
        [CGROUP_LEGACY] = "legacy",
        [CGROUP_HYBRID] = "hybrid",
        [CGROUP_UNIFIED] = "unified",
};

ENUM_TABLE_DEFINE(cgroup_layout, CgroupLayout, _CGROUP_LAYOUT_MAX)

/* What a payload can be limited in on v2, as far as the host has it. */
static const char *const v2_controllers[] = { "cpu", "cpuset", "io", "memory", "pids" };

typedef struct Hierarchy {
        char **controllers; /* owned; "cpu", "cpuacct" of one mount; "name=systemd"; all of the v2 tree */
        char *base;         /* owned; the folder that the trees of all instances stand in */
        int base_fd;        /* owned; O_PATH */
        bool is_v2, is_cpuset;
} Hierarchy;

struct CgroupHost {
        CgroupLayout layout;
        GArray *hierarchies; /* owned; of Hierarchy */
        char *mount;         /* owned */
        char *enable;        /* owned; v2: what each parent gets in cgroup.subtree_control; "" = nothing */
        bool below_systemd;
};

struct CgroupBox {
        const CgroupHost *host; /* not owned; outlives us */
        char *name;             /* owned; below the base of each hierarchy */
        char **parts;           /* owned; its components */
        int *fds;               /* owned; the box in each hierarchy, -EBADF where it is missing */
};

static const Hierarchy *host_get(const CgroupHost *host, guint i) {
        return &g_array_index(host->hierarchies, Hierarchy, i);
}

/* ---- the host ---- */

/* One cgroup mount of mountinfo, proc_pid_mountinfo(5). */
typedef struct CgroupMount {
        char *root;     /* owned; the folder of the hierarchy that is mounted */
        char *point;    /* owned */
        char **options; /* owned; of the file system: the controllers are among them */
        bool is_v2;
} CgroupMount;

/* One line of /proc/self/cgroup, cgroups(7). */
typedef struct CgroupPlace {
        char **controllers; /* owned; empty for the v2 tree */
        char *path;         /* owned */
        bool is_v2;
} CgroupPlace;

static void mount_free(void *pointer) {
        CgroupMount *mount = pointer;

        g_free(mount->root);
        g_free(mount->point);
        g_strfreev(mount->options);
        g_free(mount);
}

static void place_free(void *pointer) {
        CgroupPlace *place = pointer;

        g_strfreev(place->controllers);
        g_free(place->path);
        g_free(place);
}

static void hierarchy_done(void *pointer) {
        Hierarchy *hierarchy = pointer;

        g_strfreev(hierarchy->controllers);
        g_free(hierarchy->base);
        (void) fd_close(hierarchy->base_fd);
}

/* mountinfo writes space, tab, newline and backslash as three octal digits. */
static char *unescape(const char *text) {
        GString *plain = g_string_new(NULL);

        for (const char *at = text; *at; at++) {
                if (at[0] == '\\' && at[1] >= '0' && at[1] <= '3' && at[2] >= '0' && at[2] <= '7' &&
                    at[3] >= '0' && at[3] <= '7') {
                        g_string_append_c(plain,
                                          (char) ((at[1] - '0') * 64 + (at[2] - '0') * 8 + at[3] - '0'));
                        at += 3;
                } else
                        g_string_append_c(plain, *at);
        }
        return g_string_free(plain, FALSE);
}

/* "36 35 98:0 /root /point options [tags...] - type source super-options"; NULL if it is no cgroup mount. */
static CgroupMount *parse_mount(const char *line) {
        const char *dash = strstr(line, " - ");
        g_auto(GStrv) before = NULL;
        g_auto(GStrv) after = NULL;
        CgroupMount *mount;

        if (!dash || !g_str_has_prefix(dash, " - cgroup"))
                return NULL;
        before = g_strsplit(line, " ", 6);
        after = g_strsplit(dash + strlen(" - "), " ", -1);
        if (g_strv_length(before) < 6 || g_strv_length(after) < 3)
                return NULL;
        if (strcmp(after[0], "cgroup") != 0 && strcmp(after[0], "cgroup2") != 0)
                return NULL;
        mount = g_new0(CgroupMount, 1);
        mount->root = unescape(before[3]);
        mount->point = unescape(before[4]);
        mount->options = g_strsplit(after[2], ",", -1);
        mount->is_v2 = strcmp(after[0], "cgroup2") == 0;
        return mount;
}

/* "4:memory:/path"; NULL for anything else. */
static CgroupPlace *parse_place(const char *line) {
        g_auto(GStrv) fields = g_strsplit(line, ":", 3);
        CgroupPlace *place;

        if (g_strv_length(fields) < 3 || fields[2][0] != '/')
                return NULL;
        place = g_new0(CgroupPlace, 1);
        place->controllers = g_strsplit(fields[1], ",", -1);
        place->path = g_strdup(fields[2]);
        place->is_v2 = strcmp(fields[0], "0") == 0 && !*fields[1];
        return place;
}

typedef void *(*LineParser)(const char *line);

static int parse_lines(const char *path, LineParser parse, GPtrArray *items, Error *error) {
        g_autofree char *text = NULL;
        g_auto(GStrv) lines = NULL;
        int r;

        r = fs_read_file_at(AT_FDCWD, path, PROC_FILE_MAX, &text, NULL, error);
        if (r < 0)
                return r;
        lines = g_strsplit(text, "\n", -1);
        for (char **line = lines; *line; line++) {
                void *item = parse(*line);

                if (item)
                        g_ptr_array_add(items, item);
        }
        return 0;
}

static void *parse_mount_line(const char *line) {
        return parse_mount(line);
}

static void *parse_place_line(const char *line) {
        return parse_place(line);
}

/* The first mount of the hierarchy; later ones are copies, in containers and change roots. */
static const CgroupMount *find_mount(const GPtrArray *mounts, const CgroupPlace *place) {
        for (guint i = 0; i < mounts->len; i++) {
                const CgroupMount *mount = g_ptr_array_index(mounts, i);

                if (mount->is_v2 != place->is_v2)
                        continue;
                if (place->is_v2 ||
                    g_strv_contains((const char *const *) mount->options, place->controllers[0]))
                        return mount;
        }
        return NULL;
}

static const CgroupPlace *find_place(const GPtrArray *places, const char *controller) {
        for (guint i = 0; i < places->len; i++) {
                const CgroupPlace *place = g_ptr_array_index(places, i);

                if (controller ? g_strv_contains((const char *const *) place->controllers, controller)
                               : place->is_v2)
                        return place;
        }
        return NULL;
}

/* The folder that the trees of instances stand in: our own unit's below systemd, else the top. */
static int find_base(const CgroupMount *mount, const CgroupPlace *place, bool below_systemd, char **ret,
                     Error *error) {
        g_autofree char *path = g_strdup(place->path);

        if (!below_systemd) {
                *ret = g_strdup(mount->point);
                return 0;
        }
        /* seen from inside a cgroup namespace, what lies outside begins with ".." */
        if (g_str_has_prefix(path, "/.."))
                return error_setf(error, ERROR_UNSUPPORTED, "Our cgroup '%s' lies outside of the mount '%s'",
                                  path, mount->point);
        /* a mount of a part of the tree shows what is below that part */
        if (strcmp(mount->root, "/") != 0 && g_str_has_prefix(path, mount->root))
                memmove(path, path + strlen(mount->root), strlen(path) - strlen(mount->root) + 1);
        if (place->is_v2 && g_str_has_suffix(path, "/" SERVICE))
                path[strlen(path) - strlen("/" SERVICE)] = '\0';
        *ret = strcmp(path, "/") == 0 ? g_strdup(mount->point) : g_strconcat(mount->point, path, NULL);
        return 0;
}

static int add_hierarchy(CgroupHost *host, const CgroupMount *mount, const CgroupPlace *place, Error *error) {
        Hierarchy hierarchy = { .base_fd = -EBADF, .is_v2 = place->is_v2 };
        g_autofree char *controllers = NULL;
        int r;

        r = find_base(mount, place, host->below_systemd, &hierarchy.base, error);
        if (r < 0)
                return r;
        hierarchy.base_fd = open(hierarchy.base, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (hierarchy.base_fd < 0) {
                r = error_set_errnof(error, errno, "Cannot open the cgroup '%s'", hierarchy.base);
                hierarchy_done(&hierarchy);
                return r;
        }
        if (place->is_v2) {
                r = fs_read_file_at(hierarchy.base_fd, "cgroup.controllers", CGROUP_FILE_MAX, &controllers,
                                    NULL, error);
                if (r < 0) {
                        hierarchy_done(&hierarchy);
                        return r;
                }
                hierarchy.controllers = g_strsplit(g_strstrip(controllers), " ", -1);
        } else
                hierarchy.controllers = g_strdupv(place->controllers);
        hierarchy.is_cpuset = !place->is_v2 &&
                              g_strv_contains((const char *const *) place->controllers, "cpuset");
        g_array_append_val(host->hierarchies, hierarchy);
        return 0;
}

/* "/sys/fs/cgroup" of "/sys/fs/cgroup/cpu", "/sys/fs/cgroup/memory", ...: the longest folder above all. */
static int find_common_mount(const GPtrArray *used, char **ret, Error *error) {
        g_autofree char *common = NULL;

        for (guint i = 0; i < used->len; i++) {
                const char *point = ((const CgroupMount *) g_ptr_array_index(used, i))->point;

                if (!common)
                        common = g_strdup(point);
                while (!g_str_has_prefix(point, common) ||
                       (point[strlen(common)] != '/' && point[strlen(common)] != '\0')) {
                        char *slash = strrchr(common, '/');

                        /* who hides the mount would hide all of the system */
                        if (!slash || slash == common)
                                return error_setf(error, ERROR_UNSUPPORTED,
                                                  "Cgroup mount '%s' is not in one folder with the others",
                                                  point);
                        *slash = '\0';
                }
        }
        *ret = g_steal_pointer(&common);
        return 0;
}

static char *list_enabled(const Hierarchy *hierarchy) {
        GString *enable = g_string_new(NULL);

        for (size_t i = 0; i < G_N_ELEMENTS(v2_controllers); i++)
                if (g_strv_contains((const char *const *) hierarchy->controllers, v2_controllers[i]))
                        g_string_append_printf(enable, "%s+%s", enable->len > 0 ? " " : "",
                                               v2_controllers[i]);
        return g_string_free(enable, FALSE);
}

static int load_hierarchies(CgroupHost *host, const GPtrArray *mounts, const GPtrArray *places,
                            Error *error) {
        g_autoptr(GPtrArray) used = g_ptr_array_new();
        bool has_v1 = false, has_v2 = false;
        int r;

        for (guint i = 0; i < places->len; i++) {
                const CgroupPlace *place = g_ptr_array_index(places, i);
                const CgroupMount *mount = find_mount(mounts, place);

                if (!mount)
                        continue;
                g_ptr_array_add(used, (void *) mount);
                has_v1 = has_v1 || !place->is_v2;
                has_v2 = has_v2 || place->is_v2;
        }
        if (!has_v1 && !has_v2)
                return error_setf(error, ERROR_UNSUPPORTED, "No cgroup file system is mounted");
        host->layout = !has_v1 ? CGROUP_UNIFIED : has_v2 ? CGROUP_HYBRID : CGROUP_LEGACY;
        r = find_common_mount(used, &host->mount, error);
        if (r < 0)
                return r;

        /* /proc/self/cgroup lists the newest hierarchy first; ours begin with the oldest */
        for (guint i = places->len; i > 0; i--) {
                const CgroupPlace *place = g_ptr_array_index(places, i - 1);
                const CgroupMount *mount = find_mount(mounts, place);

                if (!mount || (place->is_v2 && host->layout != CGROUP_UNIFIED))
                        continue;
                r = add_hierarchy(host, mount, place, error);
                if (r < 0)
                        return r;
        }
        host->enable = list_enabled(host_get(host, 0));
        return 0;
}

int cgroup_host_new_beside(const char *mountinfo_path, const char *self_path, const char *systemd_folder,
                           CgroupHost **ret, Error *error) {
        g_autoptr(CgroupHost) host = g_new0(CgroupHost, 1);
        g_autoptr(GPtrArray) mounts = g_ptr_array_new_with_free_func(mount_free);
        g_autoptr(GPtrArray) places = g_ptr_array_new_with_free_func(place_free);
        const CgroupPlace *own;
        int r;

        host->hierarchies = g_array_new(FALSE, TRUE, sizeof(Hierarchy));
        g_array_set_clear_func(host->hierarchies, hierarchy_done);
        r = parse_lines(mountinfo_path, parse_mount_line, mounts, error);
        if (r < 0)
                return r;
        r = parse_lines(self_path, parse_place_line, places, error);
        if (r < 0)
                return r;
        own = find_place(places, "name=systemd") ?: find_place(places, NULL);
        host->below_systemd = own && strcmp(own->path, "/") != 0 && access(systemd_folder, F_OK) == 0;
        r = load_hierarchies(host, mounts, places, error);
        if (r < 0)
                return r;
        *ret = g_steal_pointer(&host);
        return 0;
}

int cgroup_host_new(const char *mountinfo_path, const char *self_path, CgroupHost **ret, Error *error) {
        return cgroup_host_new_beside(mountinfo_path, self_path, SYSTEMD_FOLDER, ret, error);
}

void cgroup_host_free(CgroupHost *host) {
        if (!host)
                return;
        g_clear_pointer(&host->hierarchies, g_array_unref);
        g_clear_pointer(&host->mount, g_free);
        g_clear_pointer(&host->enable, g_free);
        g_free(host);
}

CgroupLayout cgroup_host_get_layout(const CgroupHost *host) {
        return host->layout;
}

/* The hierarchy of @controller, its index in *ret; NULL = any. */
static bool host_find(const CgroupHost *host, const char *controller, guint *ret) {
        for (guint i = 0; i < host->hierarchies->len; i++) {
                const Hierarchy *hierarchy = host_get(host, i);

                if (!controller ||
                    g_strv_contains((const char *const *) hierarchy->controllers, controller)) {
                        *ret = i;
                        return true;
                }
        }
        return false;
}

bool cgroup_host_has_controller(const CgroupHost *host, const char *controller) {
        guint i;

        /* part of every v2 folder, so it is not listed */
        if (host->layout == CGROUP_UNIFIED && strcmp(controller, "freezer") == 0)
                return true;
        return host_find(host, controller, &i);
}

char *cgroup_host_get_path(const CgroupHost *host, const char *controller, const char *name) {
        guint i = 0;

        if (host->layout == CGROUP_UNIFIED ? controller && !cgroup_host_has_controller(host, controller)
                                           : !host_find(host, controller, &i))
                return NULL;
        return g_build_filename(host_get(host, i)->base, name, NULL);
}

const char *cgroup_host_get_mount(const CgroupHost *host) {
        return host->mount;
}

/* ---- making boxes ---- */

/* -ENOENT and -ENODEV: the folder was removed under us. */
static bool is_gone(int r) {
        return r == -ENOENT || r == -ENODEV;
}

/* Reads a short file into @buffer, without the newline. */
static int read_short(int dir_fd, const char *path, char *buffer, size_t size) {
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

        r = read_short(fd, file, list, sizeof(list));
        if (r < 0 || *list)
                return r;
        r = read_short(parent_fd, file, list, sizeof(list));
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

        r = read_short(fd, "cgroup.clone_children", flag, sizeof(flag));
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
                return is_gone(r) ? -EBUSY : r; /* no second try: it was there and somebody took it */
        }
        *ret_fd = r;
        if (hierarchy->is_v2) {
                r = prepare_parent(box->host, hierarchy, parent_fd, *ret_fd);
                if (r >= 0)
                        r = make_folder(*ret_fd, SHIM);
                if (r < 0)
                        return r;
        }
        return make_folder(*ret_fd, PAYLOAD);
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
                const Hierarchy *hierarchy = host_get(host, i);
                unsigned n_tries = 0;

                do
                        r = make_in_hierarchy(box, hierarchy, &box->fds[i]);
                while (is_gone(r) && box->fds[i] < 0 && ++n_tries < CREATE_TRIES_MAX);
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
                r = open_folder(host_get(host, i)->base_fd, name);
                if (r < 0 && !is_gone(r))
                        return error_set_errnof(error, -r, "Cannot open the cgroup '%s' in '%s'", name,
                                                host_get(host, i)->base);
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
        if (unlinkat(dir_fd, name, AT_REMOVEDIR) == 0 || is_gone(-errno))
                return 0;
        return -errno;
}

/* Payload first: as long as a process is in it, the rest stays whole. */
static int remove_from_hierarchy(const CgroupBox *box, const Hierarchy *hierarchy, int fd) {
        int r;

        r = remove_folder(fd, PAYLOAD);
        if (r >= 0 && hierarchy->is_v2)
                r = remove_folder(fd, SHIM);
        if (r >= 0)
                r = remove_folder(hierarchy->base_fd, box->name);
        return r;
}

int cgroup_box_destroy(CgroupBox *box, Error *error) {
        const char *failed = NULL;
        int result = 0;

        for (guint i = 0; i < box->host->hierarchies->len; i++) {
                const Hierarchy *hierarchy = host_get(box->host, i);
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
                const Hierarchy *hierarchy = host_get(box->host, i);
                int r;

                r = fs_write_file_at(box->fds[i], join_file(hierarchy, "tasks", SHIM "/cgroup.procs"), "0");
                if (r < 0)
                        return error_set_errnof(error, -r, "Cannot join the cgroup '%s' in '%s'", box->name,
                                                hierarchy->base);
        }
        return 0;
}

int cgroup_box_leave(CgroupBox *box, Error *error) {
        for (guint i = 0; i < box->host->hierarchies->len; i++) {
                const Hierarchy *hierarchy = host_get(box->host, i);
                const char *file = "cgroup.procs";
                int r;

                if (hierarchy->is_v2 && box->host->below_systemd) {
                        (void) make_folder(hierarchy->base_fd, SERVICE);
                        file = SERVICE "/cgroup.procs";
                }
                r = fs_write_file_at(hierarchy->base_fd, join_file(hierarchy, "tasks", file), "0");
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
                const Hierarchy *hierarchy = host_get(box->host, i);
                int saved;

                ret_fds[i] = openat(box->fds[i],
                                    join_file(hierarchy, PAYLOAD "/tasks", PAYLOAD "/cgroup.procs"),
                                    O_WRONLY | O_CLOEXEC);
                if (ret_fds[i] >= 0)
                        continue;
                saved = errno;
                while (i > 0) {
                        i--;
                        ret_fds[i] = fd_close(ret_fds[i]);
                }
                return error_set_errnof(error, saved, "Cannot open the cgroup '%s/" PAYLOAD "' in '%s'",
                                        box->name, hierarchy->base);
        }
        return (int) n;
}

/* ---- limits ---- */

/* Finds the folder (*ret_fd, not the caller's) and the path in it of a file of the payload. */
static int find_file(CgroupBox *box, const char *controller, const char *v1_file, const char *v2_file,
                     int *ret_fd, char **ret_path, Error *error) {
        bool is_v2 = box->host->layout == CGROUP_UNIFIED;
        const char *file = is_v2 ? v2_file : v1_file;
        guint i = 0;

        if (!file || (!is_v2 && !host_find(box->host, controller, &i)))
                return error_setf(error, ERROR_UNSUPPORTED,
                                  "Controller '%s' has no '%s' on this host, which is %s", controller,
                                  v1_file ?: v2_file, cgroup_layout_to_string(box->host->layout));
        if (!isalpha((unsigned char) *file) || strchr(file, '/'))
                return error_setf(error, ERROR_INVALID_ARGS, "'%s' is no name of a cgroup file", file);
        *ret_fd = box->fds[i];
        *ret_path = g_strconcat(PAYLOAD "/", file, NULL);
        return 0;
}

/* A file that is missing in a folder that is there: the controller is off, or older than the file. */
static int file_failed(CgroupBox *box, int dir_fd, const char *path, int r, const char *verb, Error *error) {
        struct stat st;

        if (r == -ENOENT && dir_fd >= 0 && fstatat(dir_fd, PAYLOAD, &st, AT_SYMLINK_NOFOLLOW) == 0)
                return error_setf(error, ERROR_UNSUPPORTED,
                                  "This host has no '%s' for cgroups, which are %s here",
                                  path + strlen(PAYLOAD "/"), cgroup_layout_to_string(box->host->layout));
        return error_set_errnof(error, -r, "Cannot %s '%s' of the cgroup '%s'", verb, path, box->name);
}

int cgroup_box_write(CgroupBox *box, const char *controller, const char *v1_file, const char *v2_file,
                     const char *value, Error *error) {
        g_autofree char *path = NULL;
        g_autofree char *verb = NULL;
        int dir_fd;
        int r;

        r = find_file(box, controller, v1_file, v2_file, &dir_fd, &path, error);
        if (r < 0)
                return r;
        r = fs_write_file_at(dir_fd, path, value);
        if (r >= 0)
                return 0;
        verb = g_strdup_printf("write '%s' to", value);
        return file_failed(box, dir_fd, path, r, verb, error);
}

int cgroup_box_read(CgroupBox *box, const char *controller, const char *v1_file, const char *v2_file,
                    char **ret, Error *error) {
        g_auto(Error) reason = ERROR_NULL;
        g_autofree char *path = NULL;
        int dir_fd;
        int r;

        r = find_file(box, controller, v1_file, v2_file, &dir_fd, &path, error);
        if (r < 0)
                return r;
        r = fs_read_file_at(dir_fd, path, CGROUP_FILE_MAX, ret, NULL, &reason);
        return r < 0 ? file_failed(box, dir_fd, path, r, "read", error) : 0;
}

int cgroup_box_limit(CgroupBox *box, uint64_t memory_max, uint64_t tasks_max, Error *error) {
        char value[32];
        int r;

        if (memory_max > 0) {
                (void) snprintf(value, sizeof(value), "%" G_GUINT64_FORMAT, memory_max);
                r = cgroup_box_write(box, "memory", "memory.limit_in_bytes", "memory.max", value, error);
                if (r < 0)
                        return r;
        }
        if (tasks_max > 0) {
                (void) snprintf(value, sizeof(value), "%" G_GUINT64_FORMAT, tasks_max);
                r = cgroup_box_write(box, "pids", "pids.max", "pids.max", value, error);
                if (r < 0)
                        return r;
        }
        return 0;
}

int cgroup_box_set_devices(CgroupBox *box, const char *const *allowed, Error *error) {
        g_autofree char *path = NULL;
        autofd int fd = -EBADF;
        int dir_fd;
        int r;

        r = find_file(box, "devices", "devices.allow", NULL, &dir_fd, &path, error);
        if (r < 0)
                return r;
        /* "a" alone would open everything again */
        for (const char *const *device = allowed; device && *device; device++)
                if (!g_str_has_prefix(*device, "c ") && !g_str_has_prefix(*device, "b "))
                        return error_setf(error, ERROR_INVALID_ARGS,
                                          "Device '%s' does not begin with 'c ' or 'b '", *device);
        r = cgroup_box_write(box, "devices", "devices.deny", NULL, "a", error);
        if (r < 0 || !allowed || !*allowed)
                return r;
        fd = openat(dir_fd, path, O_WRONLY | O_CLOEXEC);
        if (fd < 0)
                return error_set_errnof(error, errno, "Cannot open '%s' of the cgroup '%s'", path, box->name);
        for (const char *const *device = allowed; *device; device++)
                if (write(fd, *device, strlen(*device)) < 0)
                        return error_set_errnof(error, errno,
                                                "Cannot allow the device '%s' in the cgroup '%s'", *device,
                                                box->name);
        return 0;
}

/* ---- freezing and killing ---- */

static uint64_t now_usec(void) {
        struct timespec now;

        (void) clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t) now.tv_sec * 1000000 + (uint64_t) now.tv_nsec / 1000;
}

/* Is there "<key> 1" in cgroup.events of the v2 payload? */
static bool has_event(CgroupBox *box, const char *key) {
        g_autofree char *wanted = g_strdup_printf("%s 1", key);
        g_auto(GStrv) lines = NULL;
        char text[256];

        if (read_short(box->fds[0], PAYLOAD "/cgroup.events", text, sizeof(text)) < 0)
                return false;
        lines = g_strsplit(text, "\n", -1);
        return g_strv_contains((const char *const *) lines, wanted);
}

/* Writes the wanted state and says whether it is reached: 1 or 0. */
static int step_freezer(CgroupBox *box, guint i, bool frozen) {
        char state[32];
        int r;

        if (host_get(box->host, i)->is_v2) {
                r = fs_write_file_at(box->fds[i], PAYLOAD "/cgroup.freeze", frozen ? "1" : "0");
                return r < 0 ? r : has_event(box, "frozen") == frozen;
        }
        /* written again in each round: a process that was forked in between lets v1 stay at FREEZING */
        r = fs_write_file_at(box->fds[i], PAYLOAD "/freezer.state", frozen ? "FROZEN" : "THAWED");
        if (r >= 0)
                r = read_short(box->fds[i], PAYLOAD "/freezer.state", state, sizeof(state));
        return r < 0 ? r : strcmp(state, frozen ? "FROZEN" : "THAWED") == 0;
}

static int set_frozen(CgroupBox *box, bool frozen, uint64_t timeout_usec, Error *error) {
        const char *verb = frozen ? "freeze" : "thaw";
        uint64_t start = now_usec();
        guint i = 0;

        if (box->host->layout != CGROUP_UNIFIED && !host_find(box->host, "freezer", &i))
                return error_setf(error, ERROR_UNSUPPORTED, "This host has no freezer cgroup");
        for (uint64_t pause = POLL_FIRST_USEC;; pause = MIN(pause * 2, POLL_MAX_USEC)) {
                struct timespec wait = { .tv_nsec = (long) (pause * 1000) };
                int r;

                r = step_freezer(box, i, frozen);
                if (r < 0)
                        return error_set_errnof(error, -r, "Cannot %s the cgroup '%s'", verb, box->name);
                if (r > 0)
                        return 0;
                if (now_usec() - start >= timeout_usec)
                        return error_setf(error, ERROR_TIMEOUT,
                                          "Cgroup '%s' did not %s within %" G_GUINT64_FORMAT " ms", box->name,
                                          verb, timeout_usec / 1000);
                (void) nanosleep(&wait, NULL);
        }
}

int cgroup_box_freeze(CgroupBox *box, uint64_t timeout_usec, Error *error) {
        int r = set_frozen(box, true, timeout_usec, error);

        /* all or nothing: who was told that it failed will not thaw it */
        if (r < 0)
                (void) set_frozen(box, false, 0, NULL);
        return r;
}

int cgroup_box_thaw(CgroupBox *box, uint64_t timeout_usec, Error *error) {
        return set_frozen(box, false, timeout_usec, error);
}

/* The hierarchy that tells who is in the payload: a frozen one must not escape, so the freezer's. */
static guint find_members(const CgroupBox *box) {
        guint i = 0;

        (void) host_find(box->host, "freezer", &i);
        return i;
}

int cgroup_box_is_populated(CgroupBox *box) {
        guint i = find_members(box);
        char text[32];

        if (host_get(box->host, i)->is_v2)
                return has_event(box, "populated");
        return read_short(box->fds[i], PAYLOAD "/cgroup.procs", text, sizeof(text)) >= 0 && *text;
}

/* SIGKILL to all of cgroup.procs of one folder, once around. A pid cannot be given to somebody else meanwhile but by a wrap
 * around all pids between our read and our kill. 1 if there was one. */
static int kill_members(CgroupBox *box, guint i, const char *path, Error *error) {
        g_auto(Error) reason = ERROR_NULL;
        g_autofree char *text = NULL;
        bool found = false;
        int r;

        r = fs_read_file_at(box->fds[i], path, PROC_FILE_MAX, &text, NULL, &reason);
        if (is_gone(r) || r == -EBADF)
                return 0;
        if (r < 0)
                return error_set_errnof(error, -r, "Cannot read the processes of the cgroup '%s'", box->name);
        for (char *at = text, *end = NULL; *at; at = end + strspn(end, "\n")) {
                gint64 pid = g_ascii_strtoll(at, &end, 10);

                if (end == at)
                        break;
                /* 0: a process of a pid namespace that we do not see; 1 and we ourselves can only be there by
                 * mistake, and would take the machine or the undo with them */
                if (pid <= 1 || pid == getpid())
                        continue;
                found = true;
                (void) kill((pid_t) pid, SIGKILL);
        }
        return found;
}

int cgroup_box_kill(CgroupBox *box, Error *error) {
        guint i = find_members(box);
        guint freezer;
        int r;

        if (host_get(box->host, i)->is_v2) {
                if (!has_event(box, "populated"))
                        return 0;
                /* acts on forks that run meanwhile and on frozen processes alike (Linux 5.14) */
                r = fs_write_file_at(box->fds[i], PAYLOAD "/cgroup.kill", "1");
                if (r >= 0)
                        return 1;
                if (r != -ENOENT)
                        return error_set_errnof(error, -r, "Cannot kill the cgroup '%s'", box->name);
                return kill_members(box, i, PAYLOAD "/cgroup.procs", error);
        }
        r = kill_members(box, i, PAYLOAD "/cgroup.procs", error);
        if (r > 0 && host_find(box->host, "freezer", &freezer))
                (void) fs_write_file_at(box->fds[freezer], PAYLOAD "/freezer.state", "THAWED");
        return r;
}

int cgroup_box_kill_others(CgroupBox *box, Error *error) {
        guint i = find_members(box);

        return kill_members(box, i, host_get(box->host, i)->is_v2 ? SHIM "/cgroup.procs" : "cgroup.procs", error);
}
