/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "shim/mount.h"

#include <fcntl.h>
#include <glib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "util/cleanup.h"

/* Linux 6.5; glibc 2.36 does not know it. */
#ifndef MOVE_MOUNT_BENEATH
#define MOVE_MOUNT_BENEATH 0x00000200
#endif

int mount_clone(int dir_fd, const char *path, bool recursive, int *ret_tree_fd, Error *error) {
        unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (path[0] ? 0 : AT_EMPTY_PATH) |
                         (recursive ? AT_RECURSIVE : 0);
        int fd = open_tree(dir_fd, path, flags);

        if (fd < 0)
                return error_set_code_errnof(error, ERROR_NOT_MOUNTABLE, errno, "Cannot open '%s' to mount it",
                                             path);
        *ret_tree_fd = fd;
        return 0;
}

int mount_set_attributes(int tree_fd, uint64_t attributes, int idmap_fd, bool recursive, const char *what,
                         Error *error) {
        struct mount_attr attr = {
                /* How access times are kept is one value (mount_setattr(2)): set, it replaces what was. */
                .attr_clr = attributes & MOUNT_ATTR__ATIME ? MOUNT_ATTR__ATIME : 0,
                .attr_set = attributes | (idmap_fd >= 0 ? MOUNT_ATTR_IDMAP : 0),
                .propagation = MS_PRIVATE,
                .userns_fd = idmap_fd >= 0 ? (uint64_t) idmap_fd : 0,
        };
        unsigned flags = AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0);

        if (mount_setattr(tree_fd, "", flags, &attr, sizeof(attr)) >= 0)
                return 0;
        if (errno == EINVAL && idmap_fd >= 0)
                return error_setf(error, ERROR_NOT_MOUNTABLE,
                                  "Cannot mount '%s': its file system does not take id-mapped mounts", what);
        return error_set_code_errnof(error, ERROR_NOT_MOUNTABLE, errno, "Cannot set the mount attributes of '%s'",
                                     what);
}

int mount_attach(int tree_fd, int target_fd, const char *what, Error *error) {
        if (move_mount(tree_fd, "", target_fd, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
                return error_set_code_errnof(error, ERROR_NOT_MOUNTABLE, errno, "Cannot mount on '%s'", what);
        return 0;
}

int mount_attach_beneath(int tree_fd, int target_fd) {
        unsigned flags = MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH | MOVE_MOUNT_BENEATH;

        return move_mount(tree_fd, "", target_fd, "", flags) < 0 ? -errno : 0;
}

int mount_bind(int dir_fd, const char *source, const char *target, uint64_t attributes, int idmap_fd,
               Error *error) {
        autofd int tree_fd = -EBADF;
        int r;

        r = mount_clone(dir_fd, source, false, &tree_fd, error);
        if (r < 0)
                return r;
        r = mount_set_attributes(tree_fd, attributes, idmap_fd, false, source, error);
        if (r < 0)
                return r;
        if (move_mount(tree_fd, "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH) < 0)
                return error_set_errnof(error, errno, "Cannot mount '%s' on '%s'", source, target);
        return 0;
}

/* Why the kernel refused: its last word on the context (fsopen(2)), "" if there is none. Caller frees. */
static char *read_reason(int context_fd) {
        g_autofree char *reason = g_strdup("");
        char line[512];
        ssize_t n;

        while ((n = read(context_fd, line, sizeof(line) - 1)) > 0) {
                line[n] = '\0';
                g_strchomp(line);
                if (!g_str_has_prefix(line, "e "))
                        continue;
                g_free(reason);
                reason = g_strconcat(": ", line + 2, NULL);
        }
        return g_steal_pointer(&reason);
}

static int configure(int context_fd, const char *options) {
        g_auto(GStrv) words = g_strsplit(options, ",", -1);

        for (size_t i = 0; words[i]; i++) {
                char *value = strchr(words[i], '=');
                int r;

                if (value)
                        *value++ = '\0';
                r = fsconfig(context_fd, value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG, words[i], value, 0);
                if (r < 0)
                        return -errno;
        }
        return fsconfig(context_fd, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0 ? -errno : 0;
}

int mount_create(const char *type, const char *options, uint64_t attributes, const char *what, int *ret_tree_fd,
                 Error *error) {
        autofd int context_fd = fsopen(type, FSOPEN_CLOEXEC);
        int tree_fd, r;

        if (context_fd < 0)
                return error_set_code_errnof(error, ERROR_UNSUPPORTED, errno, "%s: this kernel has no %s", what, type);
        r = configure(context_fd, options);
        if (r < 0) {
                g_autofree char *reason = read_reason(context_fd);

                return error_set_code_errnof(error, ERROR_NOT_MOUNTABLE, -r, "%s: cannot mount a %s%s", what, type,
                                             reason);
        }
        tree_fd = fsmount(context_fd, FSMOUNT_CLOEXEC, (unsigned) attributes);
        if (tree_fd < 0)
                return error_set_code_errnof(error, ERROR_NOT_MOUNTABLE, errno, "%s: cannot mount a %s", what, type);
        *ret_tree_fd = tree_fd;
        return 0;
}

int mount_new(const char *type, const char *target, unsigned long flags, const char *options, Error *error) {
        if (mount(type, target, type, flags, options) < 0)
                return error_set_errnof(error, errno, "Cannot mount a new %s on '%s' with '%s'", type, target,
                                        options ?: "");
        return 0;
}
