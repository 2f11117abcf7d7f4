/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Devices of a live sandbox
 *
 * A device has two walls: its node, and the list of what the sandbox's group may open. The host's node cannot be
 * shown: its mode is the host's, and devtmpfs takes no id map. So a node of our own is made in a small tmpfs, with
 * the app as its owner and the mode that the plan says, and bound read-only (the mode stays ours) but without nodev
 * over a target in /dev inside. The tmpfs is mounted in the monitor's mount namespace: a tree can only be cloned
 * from a mount of the namespace where we are (open_tree(2)), and there nobody else looks.
 *
 * Several items may name one device, by its path or by a glob, so nodes know who asked. The steps of a plan are
 * worked out together: each prepare() changes what is wanted, the first apply() puts all of it in place, and the
 * first undo() takes it back.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "shim/apply-private.h"
#include "shim/device.h"
#include "shim/mount.h"
#include "shim/rootfs.h"
#include "util/cleanup.h"
#include "util/limits.h"
#include "util/log.h"

#define NODES_PATH ROOTFS_SCRATCH "/devices"
/* Nodes in force, and those that shall be: as many again while a plan is applied. */
#define NODES_OPTIONS "mode=0700,size=4k,nr_inodes=" G_STRINGIFY(NODES_INODES_MAX)
#define NODES_INODES_MAX 2100
G_STATIC_ASSERT(NODES_INODES_MAX > 2 * DEVICES_MAX);

/* What one item gives one device. */
typedef struct Grant {
        char *key; /* owned; the item's */
        mode_t mode;
        CgroupAccess access;
} Grant;

typedef struct Node {
        char type;
        dev_t number;
        unsigned serial; /* its name in the tmpfs */
        int tree_fd;     /* owned; to attach; -EBADF once it is, or if it was before */
        GArray *grants;  /* owned; of Grant, at least one */
} Node;

/* What is done with one path, and how it is undone. */
typedef struct Change {
        const char *path; /* in one of the tables */
        const Node *from; /* NULL = no node; not owned */
        Node *to;         /* the same */
        int undo_fd;           /* owned; copy of what was mounted, if it is taken off */
} Change;

struct Devices {
        int folder_fd;       /* owned; the tmpfs; -EBADF until the first device */
        unsigned last_serial;
        GHashTable *mounts;  /* path -> owned Mount */
        GHashTable *nodes;   /* path -> owned Node; in force */
        DeviceWatch *watch;  /* owned; NULL while there is no item */
        /* while a plan is applied */
        GHashTable *wanted;    /* like nodes; what shall be in force; NULL = nothing has been asked for */
        GHashTable *before;    /* like nodes; what was in force; NULL until it is taken back no more */
        CgroupDevices *listed; /* owned reference; the list before */
        GArray *changes;       /* owned; of Change, those that were carried out */
};

/* ---- nodes ---- */

static void grant_clear(void *data) {
        g_free(((Grant *) data)->key);
}

static Node *node_new(const Device *device) {
        Node *node = g_new0(Node, 1);

        node->type = device->type;
        node->number = device->number;
        node->tree_fd = -EBADF;
        node->grants = g_array_new(FALSE, FALSE, sizeof(Grant));
        g_array_set_clear_func(node->grants, grant_clear);
        return node;
}

static void node_free(void *data) {
        Node *node = data;

        node->tree_fd = fd_close(node->tree_fd);
        g_array_unref(node->grants);
        g_free(node);
}

static void node_add_grant(Node *node, const char *key, mode_t mode, CgroupAccess access) {
        Grant grant = { .key = g_strdup(key), .mode = mode, .access = access };

        g_array_append_val(node->grants, grant);
}

static Node *node_copy(const Node *node) {
        Device device = { .type = node->type, .number = node->number };
        Node *copy = node_new(&device);

        copy->serial = node->serial;
        for (guint i = 0; i < node->grants->len; i++) {
                const Grant *grant = &g_array_index(node->grants, Grant, i);

                node_add_grant(copy, grant->key, grant->mode, grant->access);
        }
        return copy;
}

static mode_t node_get_mode(const Node *node) {
        mode_t mode = 0;

        for (guint i = 0; i < node->grants->len; i++)
                mode = plan_device_mode_max(mode, g_array_index(node->grants, Grant, i).mode);
        return mode;
}

static CgroupAccess node_get_access(const Node *node) {
        CgroupAccess access = 0;

        for (guint i = 0; i < node->grants->len; i++)
                access |= g_array_index(node->grants, Grant, i).access;
        return access;
}

static GHashTable *nodes_new(void) {
        return g_hash_table_new_full(g_str_hash, g_str_equal, g_free, node_free);
}

static GHashTable *nodes_copy(GHashTable *nodes) {
        GHashTable *copy = nodes_new();
        GHashTableIter iter;
        void *path, *node;

        g_hash_table_iter_init(&iter, nodes);
        while (g_hash_table_iter_next(&iter, &path, &node))
                g_hash_table_insert(copy, g_strdup(path), node_copy(node));
        return copy;
}

/* Takes back what @key gave; a node that nobody asks for any more goes. */
static void nodes_remove_grants(GHashTable *nodes, const char *key) {
        GHashTableIter iter;
        void *node;

        g_hash_table_iter_init(&iter, nodes);
        while (g_hash_table_iter_next(&iter, NULL, &node)) {
                GArray *grants = ((Node *) node)->grants;

                for (guint i = grants->len; i > 0; i--)
                        if (strcmp(g_array_index(grants, Grant, i - 1).key, key) == 0)
                                g_array_remove_index(grants, i - 1);
                if (grants->len == 0)
                        g_hash_table_iter_remove(&iter);
        }
}

/* ---- the tmpfs ---- */

static int open_folder(Applier *applier, Error *error) {
        Devices *devices = applier->devices;
        int r;

        r = container_enter_monitor(applier->container, error);
        if (r < 0)
                return r;
        if (mkdir(NODES_PATH, 0700) < 0 && errno != EEXIST)
                r = error_set_errnof(error, errno, "Cannot make " NODES_PATH " of the monitor");
        else
                r = mount_new("tmpfs", NODES_PATH, MS_NOSUID | MS_NOEXEC, NODES_OPTIONS, error);
        if (r >= 0) {
                devices->folder_fd = open(NODES_PATH, O_PATH | O_DIRECTORY | O_CLOEXEC);
                if (devices->folder_fd < 0)
                        r = error_set_errnof(error, errno, "Cannot open " NODES_PATH " of the monitor");
        }
        container_leave_mounts(applier->container);
        return r;
}

static const char *node_format_name(const Node *node, char name[16]) {
        (void) snprintf(name, 16, "%u", node->serial);
        return name;
}

static void unlink_node(const Devices *devices, const Node *node) {
        char name[16];

        if (node->serial != 0)
                (void) unlinkat(devices->folder_fd, node_format_name(node, name), 0);
}

/* Without the caller's umask. */
static void set_node_mode(const Devices *devices, const Node *node) {
        char name[16];

        (void) fchmodat(devices->folder_fd, node_format_name(node, name), node_get_mode(node), 0);
}

static int clone_node(Applier *applier, Node *node, const char *path, Error *error) {
        char name[16];
        int r;

        r = container_enter_monitor(applier->container, error);
        if (r < 0)
                return r;
        r = mount_clone(applier->devices->folder_fd, node_format_name(node, name), false, &node->tree_fd, error);
        container_leave_mounts(applier->container);
        if (r < 0)
                return r;
        return mount_set_attributes(node->tree_fd, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_RDONLY, -EBADF,
                                    false, path, error);
}

/* Makes the node in the tmpfs, and the tree to attach, for one that has none yet. */
static int make_node(Applier *applier, Node *node, const char *path, Error *error) {
        Devices *devices = applier->devices;
        const Spec *spec = applier->spec;
        char name[16];

        if (devices->folder_fd < 0) {
                int r = open_folder(applier, error);

                if (r < 0)
                        return r;
        }
        node->serial = ++devices->last_serial;
        if (mknodat(devices->folder_fd, node_format_name(node, name), (node->type == 'b' ? S_IFBLK : S_IFCHR) | 0600,
                    node->number) < 0) {
                int errnum = errno;

                node->serial = 0;
                return error_set_errnof(error, errnum, "Cannot make a node for device '%s'", path);
        }
        if (fchownat(devices->folder_fd, name, spec_get_root_id(spec) + spec->app_uid, spec_get_root_id(spec) + spec->app_gid,
                     AT_SYMLINK_NOFOLLOW) < 0)
                return error_set_errnof(error, errno, "Cannot set the owner of device '%s'", path);
        return clone_node(applier, node, path, error);
}

/* ---- what is wanted ---- */

static int want_device(Applier *applier, const PlanItem *item, const Device *device, Error *error) {
        GHashTable *wanted = applier->devices->wanted;
        Node *node = g_hash_table_lookup(wanted, device->path);

        if (device_is_base(device->path))
                return 0;
        if (!node && g_hash_table_size(wanted) + device_n_base >= DEVICES_MAX)
                return error_setf(error, ERROR_LIMIT_REACHED, "A sandbox can have %d devices", DEVICES_MAX);
        /* Taken away and plugged in again, or another one under the old name. */
        if (!node || node->type != device->type || node->number != device->number) {
                const Node *known = g_hash_table_lookup(applier->devices->nodes, device->path);
                Node *made = node_new(device);
                int r = 0;

                if (known && known->type == device->type && known->number == device->number)
                        made->serial = known->serial;
                else
                        r = make_node(applier, made, device->path, error);
                if (r < 0) {
                        unlink_node(applier->devices, made);
                        node_free(made);
                        return r;
                }
                node = made;
                g_hash_table_replace(wanted, g_strdup(device->path), node);
        }
        node_add_grant(node, item->key, device_get_mode(item, device), device_get_access(item));
        return 0;
}

static int want_item(Applier *applier, const PlanItem *item, const GArray *found, Error *error) {
        nodes_remove_grants(applier->devices->wanted, item->key);
        for (guint i = 0; i < found->len; i++) {
                int r = want_device(applier, item, &g_array_index(found, Device, i), error);

                if (r < 0)
                        return r;
        }
        return 0;
}

static void begin(Devices *devices) {
        if (!devices->wanted)
                devices->wanted = nodes_copy(devices->nodes);
}

/* Nodes of @nodes that @kept does not have as well leave the tmpfs. */
static void unlink_others(const Devices *devices, GHashTable *nodes, GHashTable *kept) {
        GHashTableIter iter;
        void *path, *node;

        g_hash_table_iter_init(&iter, nodes);
        while (g_hash_table_iter_next(&iter, &path, &node)) {
                const Node *other = g_hash_table_lookup(kept, path);

                if (!other || other->serial != ((Node *) node)->serial)
                        unlink_node(devices, node);
        }
}

/* What is in force now stays. */
static void finish(Devices *devices) {
        if (devices->wanted)
                unlink_others(devices, devices->wanted, devices->nodes);
        if (devices->before)
                unlink_others(devices, devices->before, devices->nodes);
        g_clear_pointer(&devices->wanted, g_hash_table_unref);
        g_clear_pointer(&devices->before, g_hash_table_unref);
        g_clear_pointer(&devices->listed, cgroup_devices_unref);
        g_clear_pointer(&devices->changes, g_array_unref);
}

/* ---- carrying it out, inside ---- */

static int make_list(Applier *applier, CgroupDevices **ret, Error *error) {
        g_autoptr(GArray) list = g_array_new(FALSE, FALSE, sizeof(CgroupDevice));
        GHashTableIter iter;
        void *data;

        g_array_append_vals(list, device_base, (guint) device_n_base);
        g_hash_table_iter_init(&iter, applier->devices->wanted);
        while (g_hash_table_iter_next(&iter, NULL, &data)) {
                const Node *node = data;
                CgroupDevice device = { .type = node->type,
                                        .major = major(node->number),
                                        .minor = minor(node->number),
                                        .access = node_get_access(node) };

                g_array_append_val(list, device);
        }
        return cgroup_devices_new(applier->box, (CgroupDevice *) (void *) list->data, list->len, ret, error);
}

static bool change_takes_off(const Change *change) {
        return change->from && (!change->to || change->to->serial != change->from->serial);
}

/* The node's mode and its mount. After a failure the path is as it was. */
static int carry_out_change(Applier *applier, Change *change, Error *error) {
        Devices *devices = applier->devices;
        int none = -EBADF, r;

        if (change->to)
                set_node_mode(devices, change->to);
        if (!change_takes_off(change) && change->from)
                return 0;
        if (change_takes_off(change)) {
                const Mount *mount = g_hash_table_lookup(devices->mounts, change->path);

                r = mount_clone(mount->tree_fd, "", false, &change->undo_fd, error);
                if (r < 0)
                        return r;
        }
        r = mount_set(applier, devices->mounts, change->path, change->to ? &change->to->tree_fd : &none, error);
        if (r < 0)
                (void) mount_set(applier, devices->mounts, change->path, &change->undo_fd, NULL);
        return r;
}

static void undo_change(Applier *applier, Change *change) {
        Devices *devices = applier->devices;

        if (change->from)
                set_node_mode(devices, change->from);
        if (change_takes_off(change) || !change->from)
                (void) mount_set(applier, devices->mounts, change->path, &change->undo_fd, NULL);
}

static void undo_changes(Applier *applier) {
        GArray *changes = applier->devices->changes;

        for (guint i = changes->len; i > 0; i--)
                undo_change(applier, &g_array_index(changes, Change, i - 1));
        g_array_set_size(changes, 0);
}

static void change_clear(void *data) {
        Change *change = data;

        change->undo_fd = fd_close(change->undo_fd);
}

static int carry_out_path(Applier *applier, const char *path, Error *error) {
        Devices *devices = applier->devices;
        Change change = { .path = path, .undo_fd = -EBADF };
        int r;

        change.from = g_hash_table_lookup(devices->nodes, path);
        change.to = g_hash_table_lookup(devices->wanted, path);
        r = carry_out_change(applier, &change, error);
        if (r < 0)
                change_clear(&change);
        else
                g_array_append_val(devices->changes, change);
        return r;
}

/* @failed (NULL = none may fail) gets the paths where it failed. */
static int carry_out_paths(Applier *applier, GPtrArray *failed, Error *error) {
        Devices *devices = applier->devices;
        g_autoptr(GPtrArray) paths = g_ptr_array_new();
        GHashTableIter iter;
        void *path;

        g_hash_table_iter_init(&iter, devices->nodes);
        while (g_hash_table_iter_next(&iter, &path, NULL))
                if (!g_hash_table_contains(devices->wanted, path))
                        g_ptr_array_add(paths, path);
        g_hash_table_iter_init(&iter, devices->wanted);
        while (g_hash_table_iter_next(&iter, &path, NULL))
                g_ptr_array_add(paths, path);
        for (guint i = 0; i < paths->len; i++) {
                g_auto(Error) failure = ERROR_NULL;

                if (carry_out_path(applier, paths->pdata[i], &failure) >= 0)
                        continue;
                if (!failed)
                        return error_move(error, &failure);
                log_failure(LOG_WARNING, &failure, "A device that has come or gone");
                g_ptr_array_add(failed, paths->pdata[i]);
        }
        return 0;
}

static void take_back(Applier *applier) {
        Devices *devices = applier->devices;

        /* It was in force a moment ago, so the kernel takes it; v1 at worst has less in it than before. */
        if (devices->listed)
                (void) cgroup_box_set_devices(applier->box, devices->listed, NULL);
        undo_changes(applier);
        if (devices->before) {
                g_hash_table_unref(devices->wanted);
                devices->wanted = devices->nodes;
                devices->nodes = g_steal_pointer(&devices->before);
        }
}

static int set_list(Applier *applier, Error *error) {
        g_autoptr(CgroupDevices) list = NULL;
        int r;

        r = make_list(applier, &list, error);
        return r < 0 ? r : cgroup_box_set_devices(applier->box, list, error);
}

/* Where it failed what was in force stays. */
static int give_up(Applier *applier, const GPtrArray *failed, Error *error) {
        Devices *devices = applier->devices;

        for (guint i = 0; i < failed->len; i++) {
                const Node *node = g_hash_table_lookup(devices->nodes, failed->pdata[i]);
                const Node *other = g_hash_table_lookup(devices->wanted, failed->pdata[i]);
                char *path = g_strdup(failed->pdata[i]);

                if (other && (!node || node->serial != other->serial))
                        unlink_node(devices, other);
                (void) g_hash_table_remove(devices->wanted, path);
                if (node)
                        g_hash_table_insert(devices->wanted, path, node_copy(node));
                else
                        g_free(path);
        }
        return failed->len > 0 ? set_list(applier, error) : 0;
}

/* All of it, or with @failed as much as is possible. */
static int carry_out(Applier *applier, GPtrArray *failed, Error *error) {
        Devices *devices = applier->devices;
        int r;

        devices->changes = g_array_new(FALSE, FALSE, sizeof(Change));
        g_array_set_clear_func(devices->changes, change_clear);
        devices->listed = cgroup_devices_ref(cgroup_box_get_devices(applier->box));
        r = set_list(applier, error);
        if (r >= 0)
                r = carry_out_paths(applier, failed, error);
        if (r >= 0 && failed)
                r = give_up(applier, failed, error);
        if (r < 0) {
                take_back(applier);
                return r;
        }
        devices->before = devices->nodes;
        devices->nodes = nodes_copy(devices->wanted);
        return 0;
}

/* ---- devices that come and go ---- */

/* False if the plan has no devices at all. */
static bool look_again(Applier *applier) {
        bool has_devices = false;

        for (guint i = 0; i < plan_get_size(applier->plan); i++) {
                const PlanItem *item = plan_get_item(applier->plan, i);
                g_autoptr(GArray) found = device_array_new();
                g_auto(Error) error = ERROR_NULL;
                int r;

                if (item->kind != PLAN_DEVICE)
                        continue;
                has_devices = true;
                r = device_find(item, found, &error);
                if (r >= 0)
                        r = want_item(applier, item, found, &error);
                if (r < 0)
                        log_failure(LOG_WARNING, &error, "Device '%s' is not followed", item->key);
        }
        return has_devices;
}

static bool nodes_are_equal(GHashTable *a, GHashTable *b) {
        GHashTableIter iter;
        void *path, *data;

        if (g_hash_table_size(a) != g_hash_table_size(b))
                return false;
        g_hash_table_iter_init(&iter, a);
        while (g_hash_table_iter_next(&iter, &path, &data)) {
                const Node *node = data, *other = g_hash_table_lookup(b, path);

                if (!other || other->serial != node->serial || node_get_mode(other) != node_get_mode(node) ||
                    node_get_access(other) != node_get_access(node))
                        return false;
        }
        return true;
}

static void on_devices_changed(void *userdata) {
        g_autoptr(GPtrArray) failed = g_ptr_array_new();
        Applier *applier = userdata;
        Devices *devices = applier->devices;
        g_auto(Error) error = ERROR_NULL;
        int r = 0;

        if (container_get_init(applier->container) == 0)
                return; /* it has ended */
        begin(devices);
        if (!look_again(applier))
                g_clear_pointer(&devices->watch, device_watch_free);
        if (!nodes_are_equal(devices->nodes, devices->wanted)) {
                r = applier_enter(applier, APPLY_IN_MOUNTS, &error);
                if (r >= 0)
                        r = carry_out(applier, failed, &error);
                applier_leave(applier);
        }
        finish(devices);
        if (r < 0)
                log_failure(LOG_WARNING, &error, "Devices that have come or gone");
}

/* ---- steps ---- */

static Devices *devices_new(void) {
        Devices *devices = g_new0(Devices, 1);

        devices->folder_fd = -EBADF;
        devices->nodes = nodes_new();
        devices->mounts = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, mount_free);
        return devices;
}

void devices_free(Devices *devices) {
        if (!devices)
                return;
        finish(devices);
        g_clear_pointer(&devices->watch, device_watch_free);
        g_clear_pointer(&devices->nodes, g_hash_table_unref);
        g_clear_pointer(&devices->mounts, g_hash_table_unref);
        devices->folder_fd = fd_close(devices->folder_fd);
        g_free(devices);
}

static int device_prepare(Applier *applier, Step *step, Error *error) {
        g_autoptr(GArray) found = device_array_new();
        const PlanItem *item = step->plan.to;
        Devices *devices;
        int r;

        if (!applier->devices)
                applier->devices = devices_new();
        devices = applier->devices;
        step->data = devices;
        begin(devices);
        if (!item) {
                nodes_remove_grants(devices->wanted, step->plan.from->key);
                return 0;
        }
        /* before looking, so that nothing comes unseen after it */
        if (!devices->watch) {
                r = device_watch_new(applier->loop, on_devices_changed, applier, &devices->watch, error);
                if (r < 0)
                        return r;
        }
        r = device_find(item, found, error);
        if (r < 0)
                return r;
        if (found->len == 0 && !(item->device.flags & PLAN_DEVICE_OPTIONAL))
                return error_setf(error, ERROR_NOT_MOUNTABLE,
                                  plan_device_is_glob(item->key) ? "No device of the host fits '%s'"
                                                                 : "The host has no device '%s'",
                                  item->key);
        return want_item(applier, item, found, error);
}

/* Of the first step; it does the work of all. */
static int device_apply(Applier *applier, Step *step G_GNUC_UNUSED, Error *error) {
        return applier->devices->before ? 0 : carry_out(applier, NULL, error);
}

static void device_undo(Applier *applier, Step *step G_GNUC_UNUSED) {
        if (applier->devices->before)
                take_back(applier);
}

static void device_done(Step *step) {
        Devices *devices = step->data;

        if (devices)
                finish(devices);
}

const ApplyOps apply_device_ops = {
        .place = APPLY_IN_MOUNTS,
        .prepare = device_prepare,
        .apply = device_apply,
        .undo = device_undo,
        .done = device_done,
};
