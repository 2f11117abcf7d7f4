/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Layers: folders and images, put together by overlayfs
 *
 * overlayfs itself cannot be idmapped, so its layers are, and its upper belongs to the sandbox's range.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shim/identity.h"
#include "shim/image.h"
#include "shim/mount.h"
#include "shim/rootfs-private.h"
#include "shim/upper.h"
#include "util/cleanup.h"

/* What layers say of other places in them is not followed; the app's renames of folders are copies, as they
 * are between two file systems. The last one keeps layers free to be changed between two starts. */
#define OVERLAY_OPTIONS ",metacopy=off,redirect_dir=nofollow,index=off"

static void clear_fd(void *fd) {
        fd_closep(fd);
}

void overlay_init(Overlay *overlay) {
        *overlay = (Overlay){ .upper_fd = -EBADF, .upper = "upper", .work = "work" };
        overlay->lower_fds = g_array_new(FALSE, FALSE, sizeof(int));
        g_array_set_clear_func(overlay->lower_fds, clear_fd);
}

void overlay_done(Overlay *overlay) {
        g_clear_pointer(&overlay->lower_fds, g_array_unref);
        overlay->upper_fd = fd_close(overlay->upper_fd);
}

/* A link to a folder is an administrator's convenience; a link to an image would be looked up once more. */
static int open_image(const char *path, int *ret_tree_fd, Error *error) {
        autofd int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

        if (fd < 0 && errno == ELOOP)
                return error_setf(error, ERROR_NOT_MOUNTABLE, "'%s' is a link, expected the image itself",
                                  path);
        if (fd < 0)
                return error_set_code_errnof(error, ERROR_NOT_MOUNTABLE, errno, "Cannot open '%s'", path);
        return image_mount(fd, path, ret_tree_fd, error);
}

int rootfs_open_layer(const char *path, int userns_fd, int *ret_tree_fd, Error *error) {
        autofd int path_fd = open(path, O_PATH | O_CLOEXEC), tree_fd = -EBADF;
        struct stat st;
        int r;

        if (path_fd < 0)
                return error_set_code_errnof(error, ERROR_NOT_MOUNTABLE, errno, "Cannot open '%s'", path);
        if (fstat(path_fd, &st) < 0)
                return error_set_errnof(error, errno, "Cannot look at '%s'", path);
        if (S_ISDIR(st.st_mode))
                r = mount_clone(path_fd, "", false, &tree_fd, error);
        else if (S_ISREG(st.st_mode))
                r = open_image(path, &tree_fd, error);
        else
                r = error_setf(error, ERROR_NOT_MOUNTABLE, "'%s' is not a folder and no image", path);
        if (r < 0)
                return r;
        r = mount_set_attributes(tree_fd, READ_ONLY_LAYER, userns_fd, false, path, error);
        if (r < 0)
                return r;
        *ret_tree_fd = fd_steal(&tree_fd);
        return 0;
}

int rootfs_open_layers(Rootfs *rootfs, Error *error) {
        const Spec *spec = rootfs->spec;

        for (char **layer = spec->layers; *layer; layer++) {
                int tree_fd, r;

                if (strcmp(*layer, SPEC_LAYER_HOST_USR) == 0) {
                        rootfs->has_host_usr = true;
                        rootfs->n_above_usr = rootfs->overlay.lower_fds->len;
                        continue;
                }
                r = rootfs_open_layer(*layer, rootfs->userns_fd, &tree_fd, error);
                if (r < 0)
                        return error_prefixf(error, r, "Layer '%s'", *layer);
                g_array_append_val(rootfs->overlay.lower_fds, tree_fd);
        }
        rootfs->overlay.size = spec->upper == SPEC_UPPER_EPHEMERAL ? spec->upper_size : SKELETON_SIZE;
        if (spec->upper == SPEC_UPPER_PERSISTENT)
                return upper_open(spec, rootfs->userns_fd, &rootfs->overlay.upper_fd, error);
        return 0;
}

bool rootfs_has_overlay(const Rootfs *rootfs) {
        return rootfs->overlay.lower_fds->len > 0 || rootfs->overlay.upper_fd >= 0;
}

int rootfs_mount_tmpfs(const Rootfs *rootfs, const char *target, uint64_t size, Error *error) {
        g_autofree char *options = g_strdup_printf("mode=0755,size=%" G_GUINT64_FORMAT ",uid=%u,gid=%u", size,
                                                   rootfs->root_id, rootfs->root_id);

        return mount_new("tmpfs", target, MS_NOSUID | MS_NODEV, options, error);
}

static int attach_at(int tree_fd, const char *path, Error *error) {
        if (mkdir(path, 0755) < 0)
                return error_set_errnof(error, errno, "Cannot make %s", path);
        if (tree_fd >= 0 && move_mount(tree_fd, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH) < 0)
                return error_set_errnof(error, errno, "Cannot mount on %s", path);
        return 0;
}

/* In the current folder: "0", "1" and so on, top first. */
static int attach_lowers(const Overlay *overlay, GString *options, Error *error) {
        int r;

        g_string_append(options, "lowerdir=");
        for (guint i = 0; i < overlay->lower_fds->len; i++) {
                g_autofree char *name = g_strdup_printf("%u", i);

                r = attach_at(g_array_index(overlay->lower_fds, int, i), name, error);
                if (r < 0)
                        return r;
                g_string_append_printf(options, "%s%s", i > 0 ? ":" : "", name);
        }
        if (overlay->lower_fds->len > 0)
                return 0;
        /* overlayfs wants one. */
        g_string_append(options, "0");
        return attach_at(-EBADF, "0", error);
}

/* In the current folder: ROOTFS_UP, with the upper and the work folder in it. */
static int attach_upper(const Rootfs *rootfs, const Overlay *overlay, GString *options, Error *error) {
        const char *const names[] = { overlay->upper, overlay->work };
        int r;

        g_string_append_printf(options, ",upperdir=" ROOTFS_UP "/%s,workdir=" ROOTFS_UP "/%s", overlay->upper,
                               overlay->work);
        r = attach_at(overlay->upper_fd, ROOTFS_UP, error);
        if (r < 0 || overlay->upper_fd >= 0)
                return r;
        r = rootfs_mount_tmpfs(rootfs, ROOTFS_UP, overlay->size, error);
        for (size_t i = 0; r >= 0 && i < G_N_ELEMENTS(names); i++) {
                g_autofree char *path = g_build_filename(ROOTFS_UP, names[i], NULL);

                if (mkdir(path, 0755) < 0 || chown(path, rootfs->root_id, rootfs->root_id) < 0)
                        r = error_set_errnof(error, errno, "Cannot make %s", path);
        }
        return r;
}

/* Short names in the current folder, since all options have to fit into a page. */
int rootfs_mount_overlay(const Rootfs *rootfs, const Overlay *overlay, const char *scratch,
                         const char *target, Error *error) {
        g_autoptr(GString) options = g_string_new(NULL);
        int r;

        if (mkdir(scratch, 0755) < 0 || chdir(scratch) < 0)
                return error_set_errnof(error, errno, "Cannot make %s", scratch);
        r = attach_lowers(overlay, options, error);
        if (r >= 0)
                r = attach_upper(rootfs, overlay, options, error);
        if (r >= 0) {
                g_string_append(options, OVERLAY_OPTIONS);
                /* overlayfs writes into the upper with the rights and ids of who mounts it, and on a mount
                 * with mapped ids the host's root has none. */
                identity_enter_privileged(rootfs->root_id);
                r = mount_new("overlay", target, MS_NOSUID | MS_NODEV, options->str, error);
                identity_leave();
        }
        if (chdir("/") < 0 && r >= 0)
                r = error_set_errnof(error, errno, "Cannot leave %s", scratch);
        return r;
}
