/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Binds of a live sandbox
 *
 * The source is opened outside and given its map and flags as a detached tree; inside, the target is made or
 * found component by component, without following a link, and the tree is attached to that descriptor. Its
 * descriptor is kept: it names exactly this mount, whatever an app mounts or renames, and is how it is taken
 * away again.
 */
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shim/apply-private.h"
#include "shim/identity.h"
#include "shim/idmap.h"
#include "shim/mount.h"
#include "util/cleanup.h"

void mount_free(void *data) {
        Mount *mount = data;

        if (!mount)
                return;
        mount->tree_fd = fd_close(mount->tree_fd);
        fs_made_done(&mount->made);
        g_free(mount);
}

/* ---- the source, outside ---- */

/*
 * The app's uid stands for the owner of the source, and for nobody else: what the app makes there is the
 * owner's. With a map of the whole range the app, as its own root, could leave a set-uid root file on the
 * disk. What the host's root owns is shown as root's inside, and for writing only if the template says so.
 */
static int open_owner_idmap(Applier *applier, const struct stat *st, const PlanItem *item, int *ret_fd,
                            Error *error) {
        const Spec *spec = applier->spec;
        bool is_writable = item->bind.flags & PLAN_BIND_WRITABLE;
        Idmap map = {
                .uid_inside = st->st_uid,
                .uid_outside = spec_get_root_id(spec) + spec->app_uid,
                .gid_inside = st->st_gid,
                .gid_outside = spec_get_root_id(spec) + (st->st_gid == 0 && !is_writable ? 0 : spec->app_gid),
                .count = 1,
        };
        if (item->bind.has_caller) {
                map.uid_inside = item->bind.uid;
                map.gid_inside = item->bind.gid;
                map.gid_outside = spec_get_root_id(spec) + spec->app_gid;
        }
        g_autofree char *key = g_strdup_printf("%u:%u:%u", map.uid_inside, map.gid_inside, map.gid_outside);
        int *cached = g_hash_table_lookup(applier->idmaps, key);
        int r;

        if (is_writable && item->bind.has_caller && st->st_uid != item->bind.uid)
                return error_setf(error, ERROR_ACCESS_DENIED,
                                  "'%s' belongs to user %u, and only who owns a thing may show it for writing",
                                  item->bind.source, st->st_uid);
        if (is_writable && !item->bind.has_caller && (st->st_uid == 0 || st->st_gid == 0) && !spec->map_host_root)
                return error_setf(
                        error, ERROR_NOT_MOUNTABLE,
                        "'%s' belongs to %s of the host, for which no app may stand: give it another "
                        "owner, or show it read-only",
                        item->bind.source, st->st_uid == 0 ? "user 0" : "group 0");
        if (!item->bind.has_caller && !is_writable && st->st_uid == 0) {
                *ret_fd = container_get_userns_fd(applier->container);
                return 0;
        }
        if (!cached) {
                cached = g_new(int, 1);
                r = idmap_open(&map, false, cached, error);
                if (r < 0) {
                        g_free(cached);
                        return r;
                }
                g_hash_table_insert(applier->idmaps, g_steal_pointer(&key), cached);
        }
        *ret_fd = *cached;
        return 0;
}

/*
 * Opens the source for mounting: a descriptor that a caller has shown, a path inside a folder that a policy names,
 * resolved without any link, or a path that a manifest names, in which only links of root are followed: an app may
 * have been granted a folder on the way for writing. Returns the detached tree or a negative errno.
 */
static int open_source(Applier *applier, const PlanItem *item) {
        unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC |
                         (item->bind.flags & PLAN_BIND_RECURSIVE ? AT_RECURSIVE : 0);
        const char *source = item->bind.source, *folder = item->bind.folder;
        autofd int folder_fd = -EBADF, source_fd = -EBADF;
        uint32_t number;
        int fd;

        if (plan_source_get_fd_number(source, &number) >= 0) {
                const int *shown = g_hash_table_lookup(applier->sources, GUINT_TO_POINTER(number));

                if (!shown)
                        return -EBADF;
                fd = open_tree(*shown, "", flags | AT_EMPTY_PATH);
        } else if (folder) {
                folder_fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
                if (folder_fd < 0)
                        return -errno;
                if (strcmp(folder, "/") != 0)
                        source += strlen(folder);
                source_fd = fs_open_in(folder_fd, *source ? source : "/", O_PATH, 0, RESOLVE_NO_SYMLINKS);
                if (source_fd < 0)
                        return source_fd;
                fd = open_tree(source_fd, "", flags | AT_EMPTY_PATH);
        } else {
                source_fd = fs_open_trusted(source);
                if (source_fd < 0)
                        return source_fd;
                fd = open_tree(source_fd, "", flags | AT_EMPTY_PATH);
        }
        return fd < 0 ? -errno : fd;
}

static int prepare_tree(Applier *applier, Step *step, Error *error) {
        const PlanItem *item = step->plan.to;
        const char *source = item->bind.source;
        bool is_recursive = item->bind.flags & PLAN_BIND_RECURSIVE;
        bool is_writable = item->bind.flags & PLAN_BIND_WRITABLE;
        struct stat st;
        int idmap_fd = -EBADF, r;

        step->tree_fd = open_source(applier, item);
        if ((step->tree_fd == -ENOENT || step->tree_fd == -ENOTDIR) && (item->bind.flags & PLAN_BIND_OPTIONAL))
                return 0;
        if (step->tree_fd < 0)
                return error_set_code_errnof(error, ERROR_NOT_MOUNTABLE, -step->tree_fd,
                                             "Cannot show '%s' in the sandbox", source);
        if (fstat(step->tree_fd, &st) < 0)
                return error_set_errnof(error, errno, "Cannot look at '%s'", source);
        r = open_owner_idmap(applier, &st, item, &idmap_fd, error);
        if (r < 0)
                return r;
        return mount_set_attributes(
                step->tree_fd, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | (is_writable ? 0 : MOUNT_ATTR_RDONLY),
                idmap_fd, is_recursive, source, error);
}

static int bind_prepare(Applier *applier, Step *step, Error *error) {
        return step->plan.to ? prepare_tree(applier, step, error) : 0;
}

/* ---- the target, inside ---- */

/* Is it the root of a mount? The check that keeps us from covering what is not ours. */
static int is_mount_root(int fd) {
        struct statx stx;

        if (statx(fd, "", AT_EMPTY_PATH, STATX_TYPE, &stx) < 0)
                return -errno;
        return (stx.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

/* Makes or finds the target as the sandbox's root would: what is made belongs to it. */
static int open_target(Applier *applier, const char *target, bool is_folder, FsMade *ret_made, Error *error) {
        int fd;

        identity_enter(spec_get_root_id(applier->spec));
        fd = fs_make_in(applier->root_fd, target, is_folder, ret_made, error);
        identity_leave();
        return fd;
}

/* Takes off what is on top at this mount's target, which is this mount, since nobody else can mount in there:
 * umount2(2) always goes to the top. The path is the number of its descriptor in our own /proc/self/fd, which
 * is the current folder while inside, so that no path of the sandbox is walked. What an app has open there
 * stays open, but nothing can be written through it any more unless a file was open for writing already. */
static void take_off(const Mount *mount) {
        char number[16];

        (void) mount_setattr(mount->tree_fd, "", AT_EMPTY_PATH,
                             &(struct mount_attr){ .attr_set = MOUNT_ATTR_RDONLY },
                             sizeof(struct mount_attr));
        snprintf(number, sizeof(number), "%d", mount->tree_fd);
        (void) umount2(number, MNT_DETACH);
}

static void detach(Applier *applier, GHashTable *mounts, const char *target) {
        Mount *mount = g_hash_table_lookup(mounts, target);

        take_off(mount);
        fs_unmake_in(applier->root_fd, &mount->made);
        g_hash_table_remove(mounts, target);
}

/* Takes *tree_fd on success. */
static int attach(Applier *applier, GHashTable *mounts, const char *target, int *tree_fd, Error *error) {
        g_autofree Mount *mount = g_new0(Mount, 1);
        autofd int target_fd = -EBADF;
        struct stat st;
        int r = 0;

        if (fstat(*tree_fd, &st) < 0)
                return error_set_errnof(error, errno, "Cannot look at what is mounted on '%s'", target);
        target_fd = open_target(applier, target, S_ISDIR(st.st_mode), &mount->made, error);
        if (target_fd < 0)
                return target_fd;
        if (is_mount_root(target_fd) != 0)
                r = error_setf(error, ERROR_NOT_MOUNTABLE, "'%s' is a mount point of the sandbox already",
                               target);
        if (r >= 0)
                r = mount_attach(*tree_fd, target_fd, target, error);
        if (r < 0) {
                fs_unmake_in(applier->root_fd, &mount->made);
                fs_made_done(&mount->made);
                return r;
        }
        mount->tree_fd = fd_steal(tree_fd);
        g_hash_table_insert(mounts, g_strdup(target), g_steal_pointer(&mount));
        return 0;
}

/* Puts *tree_fd, which it takes on success, in the place of @mount: it is mounted beneath and seen in the
 * moment when @mount is taken off, so that no app ever finds the target without either. */
static int swap(Mount *mount, int *tree_fd) {
        int r = mount_attach_beneath(*tree_fd, mount->tree_fd);

        if (r < 0)
                return r;
        take_off(mount);
        (void) fd_close(mount->tree_fd);
        mount->tree_fd = fd_steal(tree_fd);
        return 0;
}

int mount_set(Applier *applier, GHashTable *mounts, const char *target, int *tree_fd, Error *error) {
        Mount *mount = g_hash_table_lookup(mounts, target);

        if (mount && *tree_fd >= 0 && swap(mount, tree_fd) >= 0)
                return 0;
        /* Before Linux 6.5, and where a file comes in the place of a folder: bare for some microseconds. */
        if (mount)
                detach(applier, mounts, target);
        return *tree_fd >= 0 ? attach(applier, mounts, target, tree_fd, error) : 0;
}

int apply_mount_step(Applier *applier, Step *step, const char *target, bool is_recursive, Error *error) {
        Mount *mount = g_hash_table_lookup(applier->mounts, target); /* none: optional, and its source was not there */
        int r;

        if (mount) {
                /* A copy, since a mount that was taken off cannot be attached again. */
                r = mount_clone(mount->tree_fd, "", is_recursive, &step->undo_fd, error);
                if (r < 0)
                        return r;
        }
        r = mount_set(applier, applier->mounts, target, &step->tree_fd, error);
        if (r < 0)
                (void) mount_set(applier, applier->mounts, target, &step->undo_fd, NULL);
        return r;
}

/* Cannot put back what was deleted on the host since it was granted: the kernel mounts nothing without a
 * name. */
void apply_mount_step_undo(Applier *applier, Step *step, const char *target) {
        (void) mount_set(applier, applier->mounts, target, &step->undo_fd, NULL);
}

static int bind_apply(Applier *applier, Step *step, Error *error) {
        return apply_mount_step(applier, step, (step->plan.to ?: step->plan.from)->key,
                                step->plan.from && step->plan.from->bind.flags & PLAN_BIND_RECURSIVE, error);
}

static void bind_undo(Applier *applier, Step *step) {
        apply_mount_step_undo(applier, step, (step->plan.to ?: step->plan.from)->key);
}

const ApplyOps apply_bind_ops = {
        .place = APPLY_IN_MOUNTS,
        .prepare = bind_prepare,
        .apply = bind_apply,
        .undo = bind_undo,
};
