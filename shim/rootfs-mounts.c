/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Mount= of a template (plan/spec-mount.h)
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "plan/spec-mount.h"
#include "shim/identity.h"
#include "shim/idmap.h"
#include "shim/mount.h"
#include "shim/rootfs-private.h"
#include "shim/upper.h"
#include "util/cleanup.h"
#include "util/fs.h"

struct RootfsMount {
        SpecMount mount;
        int tree_fd;     /* owned; of a bind and an image; negative after a source that was optional */
        Overlay overlay; /* of an overlay */
};

static void rootfs_mount_free(void *userdata) {
        RootfsMount *mount = userdata;

        mount->tree_fd = fd_close(mount->tree_fd);
        overlay_done(&mount->overlay);
        spec_mount_done(&mount->mount);
        g_free(mount);
}

/* ---- sources ---- */

/*
 * For whom the app stands in a bind: as with those of capabilities, for the owner of what can be written, and
 * for nobody else. With a map of the whole range its own root could leave a set-uid root program on the disk.
 */
static int open_bind_idmap(const Rootfs *rootfs, const SpecMount *mount, const struct stat *st, int *ret_fd,
                           Error *error) {
        bool is_writable = !(mount->attributes & MOUNT_ATTR_RDONLY);
        const Spec *spec = rootfs->spec;
        Idmap map = {
                .uid_inside = st->st_uid,
                .uid_outside = rootfs->root_id + spec->app_uid,
                .gid_inside = st->st_gid,
                .gid_outside = rootfs->root_id + spec->app_gid,
                .count = 1,
        };

        if (rootfs->userns_fd < 0)
                return 0;
        if (is_writable && (st->st_uid == 0 || st->st_gid == 0) && !spec->map_host_root)
                return error_setf(
                        error, ERROR_NOT_MOUNTABLE,
                        "'%s' belongs to %s of the host, for which no app may stand: give it another "
                        "owner, or mount it with ro",
                        mount->source, st->st_uid == 0 ? "user 0" : "group 0");
        if (is_writable || st->st_uid != 0)
                return idmap_open(&map, false, ret_fd, error);
        *ret_fd = fcntl(rootfs->userns_fd, F_DUPFD_CLOEXEC, 3);
        return *ret_fd < 0 ? error_set_errnof(error, errno, "Cannot duplicate a descriptor") : 0;
}

static int open_bind(const Rootfs *rootfs, RootfsMount *mount, Error *error) {
        const SpecMount *wanted = &mount->mount;
        autofd int tree_fd = -EBADF, idmap_fd = -EBADF;
        struct stat st;
        int r;

        r = mount_clone(AT_FDCWD, wanted->source, wanted->is_recursive, &tree_fd, error);
        if (r < 0)
                return r;
        if (fstat(tree_fd, &st) < 0)
                return error_set_errnof(error, errno, "Cannot look at '%s'", wanted->source);
        r = open_bind_idmap(rootfs, wanted, &st, &idmap_fd, error);
        if (r < 0)
                return r;
        r = mount_set_attributes(tree_fd, wanted->attributes, idmap_fd, wanted->is_recursive, wanted->source,
                                 error);
        if (r < 0)
                return r;
        mount->tree_fd = fd_steal(&tree_fd);
        return 0;
}

static int open_image(const Rootfs *rootfs, RootfsMount *mount, Error *error) {
        autofd int tree_fd = -EBADF;
        int r;

        r = rootfs_open_layer(mount->mount.source, rootfs->userns_fd, &tree_fd, error);
        if (r < 0)
                return r;
        r = mount_set_attributes(tree_fd, mount->mount.attributes, -EBADF, false, mount->mount.source, error);
        if (r < 0)
                return r;
        mount->tree_fd = fd_steal(&tree_fd);
        return 0;
}

static int open_overlay(const Rootfs *rootfs, RootfsMount *mount, Error *error) {
        const SpecMount *wanted = &mount->mount;
        g_autofree char *parent = NULL;
        int r;

        for (char **lower = wanted->lower; *lower; lower++) {
                int tree_fd;

                r = rootfs_open_layer(*lower, rootfs->userns_fd, &tree_fd, error);
                if (r < 0)
                        return r;
                g_array_append_val(mount->overlay.lower_fds, tree_fd);
        }
        mount->overlay.size = rootfs->spec->upper_size ?: SKELETON_SIZE;
        if (!wanted->upper)
                return 0;
        parent = g_path_get_dirname(wanted->upper);
        mount->overlay.upper = strrchr(wanted->upper, '/') + 1;
        mount->overlay.work = strrchr(wanted->work, '/') + 1;
        return upper_open_at(parent, mount->overlay.upper, mount->overlay.work, rootfs->userns_fd,
                             &mount->overlay.upper_fd, error);
}

static int open_source(const Rootfs *rootfs, RootfsMount *mount, Error *error) {
        switch (mount->mount.kind) {
        case SPEC_MOUNT_BIND:
                return open_bind(rootfs, mount, error);
        case SPEC_MOUNT_IMAGE:
                return open_image(rootfs, mount, error);
        case SPEC_MOUNT_OVERLAY:
                return open_overlay(rootfs, mount, error);
        case SPEC_MOUNT_TMPFS:
        default:
                return 0;
        }
}

int rootfs_open_mounts(Rootfs *rootfs, Error *error) {
        rootfs->mounts = g_ptr_array_new_with_free_func(rootfs_mount_free);
        for (char **line = rootfs->spec->mounts; line && *line; line++) {
                RootfsMount *mount = g_new0(RootfsMount, 1);
                g_auto(Error) failure = ERROR_NULL;
                int r;

                mount->tree_fd = -EBADF;
                overlay_init(&mount->overlay);
                g_ptr_array_add(rootfs->mounts, mount);
                r = spec_mount_parse(*line, &mount->mount, error);
                if (r < 0)
                        return r;
                r = open_source(rootfs, mount, &failure);
                if (r < 0 && mount->mount.is_optional &&
                    (failure.errnum == ENOENT || failure.errnum == ENOTDIR))
                        g_ptr_array_remove_index(rootfs->mounts, rootfs->mounts->len - 1);
                else if (r < 0) {
                        (void) error_move(error, &failure);
                        return error_prefixf(error, r, "Mount on '%s'", mount->mount.target);
                }
        }
        return 0;
}

/* ---- targets ---- */

static int make_tmpfs(const Rootfs *rootfs, const SpecMount *mount, int *ret_tree_fd, Error *error) {
        g_autofree char *options = g_strdup_printf("mode=%04o,uid=%u,gid=%u%s%s", mount->mode,
                                                   rootfs->root_id + mount->uid, rootfs->root_id + mount->gid,
                                                   mount->data->len > 0 ? "," : "", mount->data->str);
        g_autofree char *sized = NULL;

        if (!mount->has_size) /* the kernel's would be half of the machine's memory */
                sized = g_strdup_printf("%s,size=%" G_GUINT64_FORMAT, options,
                                        rootfs->spec->upper_size ?: SKELETON_SIZE);
        return mount_create("tmpfs", sized ?: options, mount->attributes, mount->target, ret_tree_fd, error);
}

static int attach_overlay(const Rootfs *rootfs, const RootfsMount *mount, guint number, int target_fd,
                          Error *error) {
        g_autofree char *scratch = g_strdup_printf(ROOTFS_SCRATCH "/mount-%u", number);
        g_autofree char *target = g_strdup_printf("/proc/self/fd/%d", target_fd);
        struct mount_attr attr = {
                .attr_clr = mount->mount.attributes & MOUNT_ATTR__ATIME ? MOUNT_ATTR__ATIME : 0,
                .attr_set = mount->mount.attributes,
        };
        autofd int fd = -EBADF;
        int r;

        r = rootfs_mount_overlay(rootfs, &mount->overlay, scratch, target, error);
        if (r < 0)
                return r;
        /* The same path again, which now is that of the mount. */
        fd = fs_open_in(rootfs->root_fd, mount->mount.target, O_PATH, 0, 0);
        if (fd < 0 || mount_setattr(fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
                return error_set_errnof(error, fd < 0 ? -fd : errno, "Cannot set the mount attributes");
        return 0;
}

static int attach(const Rootfs *rootfs, const RootfsMount *mount, guint number, Error *error) {
        autofd int target_fd = -EBADF, tmpfs_fd = -EBADF;
        bool is_folder = true;
        struct stat st;
        int r;

        if (mount->tree_fd >= 0) {
                if (fstat(mount->tree_fd, &st) < 0)
                        return error_set_errnof(error, errno, "Cannot look at '%s'", mount->mount.source);
                is_folder = S_ISDIR(st.st_mode);
        }
        identity_enter(rootfs->root_id);
        r = rootfs_make_inside(rootfs, mount->mount.target, is_folder, &target_fd, error);
        identity_leave();
        if (r < 0)
                return r;
        if (mount->mount.kind == SPEC_MOUNT_OVERLAY)
                return attach_overlay(rootfs, mount, number, target_fd, error);
        if (mount->mount.kind != SPEC_MOUNT_TMPFS)
                return mount_attach(mount->tree_fd, target_fd, mount->mount.target, error);
        r = make_tmpfs(rootfs, &mount->mount, &tmpfs_fd, error);
        return r < 0 ? r : mount_attach(tmpfs_fd, target_fd, mount->mount.target, error);
}

int rootfs_attach_mounts(const Rootfs *rootfs, Error *error) {
        for (guint i = 0; i < rootfs->mounts->len; i++) {
                const RootfsMount *mount = rootfs->mounts->pdata[i];
                int r = attach(rootfs, mount, i, error);

                if (r < 0)
                        return error_prefixf(error, r, "Mount on '%s'", mount->mount.target);
        }
        return 0;
}
