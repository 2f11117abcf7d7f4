/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What every root has: folders, and the small files of /etc that an image may lack
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shim/identity.h"
#include "shim/rootfs-private.h"
#include "util/cleanup.h"
#include "util/fs.h"

int rootfs_make_inside(const Rootfs *rootfs, const char *path, bool directory, int *ret_fd, Error *error) {
        FsMade made = { 0 };
        int fd = fs_make_in(rootfs->root_fd, path, directory, &made, error);

        fs_made_done(&made);
        if (fd < 0)
                return fd;
        if (ret_fd)
                *ret_fd = fd;
        else
                close(fd);
        return 0;
}

int rootfs_make_folder(const Rootfs *rootfs, const char *path, mode_t mode, uint32_t uid, Error *error) {
        FsMade made = { 0 };
        autofd int fd = fs_make_in(rootfs->root_fd, path, true, &made, error);
        bool is_new = made.leaf_inode != 0;
        int r = 0;

        fs_made_done(&made);
        if (fd < 0)
                return fd;
        if (is_new) {
                /* An O_PATH descriptor takes no fchmod(2). */
                g_autofree char *proc = g_strdup_printf("/proc/self/fd/%d", fd);

                if (chmod(proc, mode) < 0)
                        return error_set_errnof(error, errno, "Cannot set the mode of '%s' inside", path);
        }
        if (uid == 0)
                return 0;
        identity_leave(); /* giving a file away needs the host's root */
        if (fchownat(fd, "", rootfs->spec->id_base + uid, rootfs->spec->id_base + uid, AT_EMPTY_PATH) < 0)
                r = error_set_errnof(error, errno, "Cannot set the owner of '%s' inside", path);
        identity_enter(rootfs->spec->id_base);
        return r;
}

/* Only if the image has none. */
static int make_file(const Rootfs *rootfs, const char *path, const char *text, Error *error) {
        int fd = fs_open_in(rootfs->root_fd, path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0644, 0);

        if (fd == -EEXIST)
                return 0;
        if (fd < 0)
                return error_set_errnof(error, -fd, "Cannot make '%s' inside", path);
        if (write(fd, text, strlen(text)) != (ssize_t) strlen(text)) {
                int r = error_set_errnof(error, errno ?: ENOSPC, "Cannot write '%s' inside", path);

                close(fd);
                return r;
        }
        close(fd);
        return 0;
}

static int make_etc(const Rootfs *rootfs, Error *error) {
        const Spec *spec = rootfs->spec;
        g_autofree char *app = NULL, *passwd = NULL, *group = NULL, *hosts = NULL, *hostname = NULL;
        int r;

        app = spec->app_uid != 0 ? g_strdup_printf("app:x:%u:%u:app:%s:/bin/sh\n", spec->app_uid, spec->app_gid,
                                                   spec->app_home ?: "/")
                                 : g_strdup("");
        passwd = g_strdup_printf("root:x:0:0:root:/root:/bin/sh\n"
                                 "%s"
                                 "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
                                 app);
        group = spec->app_gid != 0 ? g_strdup_printf("root:x:0:\ntty:x:5:\napp:x:%u:\nnogroup:x:65534:\n",
                                                     spec->app_gid)
                                   : g_strdup("root:x:0:\ntty:x:5:\nnogroup:x:65534:\n");
        hosts = g_strdup_printf("127.0.0.1 localhost %s\n::1 localhost %s\n", spec->hostname, spec->hostname);
        hostname = g_strdup_printf("%s\n", spec->hostname);

        const char *const files[][2] = {
                { "/etc/passwd", passwd },
                { "/etc/group", group },
                { "/etc/hosts", hosts },
                { "/etc/hostname", hostname },
                { "/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n" },
        };
        for (size_t i = 0; i < G_N_ELEMENTS(files); i++) {
                r = make_file(rootfs, files[i][0], files[i][1], error);
                if (r < 0)
                        return r;
        }
        return 0;
}

int rootfs_make_skeleton(const Rootfs *rootfs, Error *error) {
        static const struct {
                const char *path;
                mode_t mode;
        } folders[] = {
                { "/dev", 0755 }, { "/etc", 0755 }, { "/home", 0755 }, { "/proc", 0555 },   { "/root", 0700 },
                { "/run", 0755 }, { "/sys", 0555 }, { "/tmp", 01777 }, { "/var/tmp", 01777 },
        };
        const Spec *spec = rootfs->spec;
        int r;

        for (size_t i = 0; i < G_N_ELEMENTS(folders); i++) {
                r = rootfs_make_folder(rootfs, folders[i].path, folders[i].mode, 0, error);
                if (r < 0)
                        return r;
        }
        for (char **folder = spec->folders; folder && *folder; folder++) {
                r = rootfs_make_inside(rootfs, *folder, true, NULL, error);
                if (r < 0)
                        return r;
        }
        if (spec->app_home && strcmp(spec->app_home, "/root") != 0) {
                r = rootfs_make_folder(rootfs, spec->app_home, 0700, spec->app_uid, error);
                if (r < 0)
                        return r;
        }
        return make_etc(rootfs, error);
}
