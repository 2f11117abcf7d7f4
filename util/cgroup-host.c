/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/cgroup-private.h"
#include "util/cleanup.h"
#include "util/enum-table.h"
#include "util/fs.h"

/* sd_booted(3): the folder exists if and only if systemd is process 1. */
#define SYSTEMD_FOLDER "/run/systemd/system"

#define PROC_FILE_MAX (1024 * 1024) /* mountinfo of a host with hundreds of sandboxes has 100 KiB */

static const char *const cgroup_layout_names[_CGROUP_LAYOUT_MAX] = {
        [CGROUP_LEGACY] = "legacy",
        [CGROUP_HYBRID] = "hybrid",
        [CGROUP_UNIFIED] = "unified",
};

ENUM_TABLE_DEFINE(cgroup_layout, CgroupLayout, _CGROUP_LAYOUT_MAX)

/* What a payload can be limited in on v2, as far as the host has it. */
static const char *const v2_controllers[] = { "cpu", "cpuset", "io", "memory", "pids" };

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
        if (place->is_v2 && g_str_has_suffix(path, "/" CGROUP_SERVICE))
                path[strlen(path) - strlen("/" CGROUP_SERVICE)] = '\0';
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
                r = fs_read_file_at(hierarchy.base_fd, "cgroup.controllers", PROC_FILE_MAX, &controllers,
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
        host->enable = list_enabled(cgroup_host_get(host, 0));
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

bool cgroup_host_find(const CgroupHost *host, const char *controller, guint *ret) {
        for (guint i = 0; i < host->hierarchies->len; i++) {
                const Hierarchy *hierarchy = cgroup_host_get(host, i);

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
        return cgroup_host_find(host, controller, &i);
}

char *cgroup_host_get_path(const CgroupHost *host, const char *controller, const char *name) {
        guint i = 0;

        if (host->layout == CGROUP_UNIFIED ? controller && !cgroup_host_has_controller(host, controller)
                                           : !cgroup_host_find(host, controller, &i))
                return NULL;
        return g_build_filename(cgroup_host_get(host, i)->base, name, NULL);
}

const char *cgroup_host_get_mount(const CgroupHost *host) {
        return host->mount;
}
