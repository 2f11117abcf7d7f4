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

#define ENTRIES_SIZE_MAX  (256 * 1024) /* of an image's passwd and group; Debian's have 2 KiB */
#define RESOLVER_SIZE_MAX (16 * 1024)

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
        if (fchownat(fd, "", rootfs->root_id + uid, rootfs->root_id + uid, AT_EMPTY_PATH) < 0)
                r = error_set_errnof(error, errno, "Cannot set the owner of '%s' inside", path);
        identity_enter(rootfs->root_id);
        return r;
}

/* Only if the image has none: 0 if it has, 1 if it was made. */
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
        return 1;
}

/* "name:x:id:..." of an image: is there a line for @id, or of @name? The id is the third word (passwd(5),
 * group(5)). */
static bool has_entry(const char *text, const char *name, uint32_t id) {
        g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
        g_autofree char *number = g_strdup_printf("%u", id);

        for (size_t i = 0; lines[i]; i++) {
                g_auto(GStrv) words = g_strsplit(lines[i], ":", 4);

                if (words[0] &&
                    (strcmp(words[0], name) == 0 || (words[1] && words[2] && strcmp(words[2], number) == 0)))
                        return true;
        }
        return false;
}

/* Adds the app's @line to the file of an image, unless the image has an idea of its own. */
static int add_entry(const Rootfs *rootfs, const char *path, const char *line, uint32_t id, Error *error) {
        autofd int fd = fs_open_in(rootfs->root_fd, path, O_RDWR | O_APPEND | O_NOFOLLOW | O_NONBLOCK, 0, 0);
        g_autofree char *text = NULL, *added = NULL;
        struct stat st;
        ssize_t n;

        /* A link, a device: the image's own affair. */
        if (fd == -ENOENT || fd == -ELOOP || fd == -EACCES || fd == -ENXIO)
                return 0;
        if (fd < 0 || fstat(fd, &st) < 0)
                return error_set_errnof(error, fd < 0 ? -fd : errno, "Cannot open '%s' inside", path);
        if (!S_ISREG(st.st_mode) || st.st_size > ENTRIES_SIZE_MAX)
                return 0;
        text = g_malloc0((size_t) st.st_size + 1);
        n = pread(fd, text, (size_t) st.st_size, 0);
        if (n < 0)
                return error_set_errnof(error, errno, "Cannot read '%s' inside", path);
        if (has_entry(text, "app", id))
                return 0;
        added = g_strconcat(n > 0 && text[n - 1] != '\n' ? "\n" : "", line, NULL);
        if (write(fd, added, strlen(added)) != (ssize_t) strlen(added))
                return error_set_errnof(error, errno ?: ENOSPC, "Cannot write '%s' inside", path);
        return 0;
}

static int make_users(const Rootfs *rootfs, Error *error) {
        static const char nobody[] = "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n";
        const Spec *spec = rootfs->spec;
        g_autofree char *user = g_strdup_printf("app:x:%u:%u:app:%s:/bin/sh\n", spec->app_uid, spec->app_gid,
                                                spec->app_home ?: "/");
        g_autofree char *group = g_strdup_printf("app:x:%u:\n", spec->app_gid);
        g_autofree char *passwd = g_strconcat("root:x:0:0:root:/root:/bin/sh\n",
                                              spec->app_uid != 0 ? user : "", nobody, NULL);
        g_autofree char *groups = g_strconcat("root:x:0:\ntty:x:5:\n", spec->app_gid != 0 ? group : "",
                                              "nogroup:x:65534:\n", NULL);
        int r;

        r = make_file(rootfs, "/etc/passwd", passwd, error);
        if (r == 0 && spec->app_uid != 0)
                r = add_entry(rootfs, "/etc/passwd", user, spec->app_uid, error);
        if (r >= 0)
                r = make_file(rootfs, "/etc/group", groups, error);
        if (r == 0 && spec->app_gid != 0)
                r = add_entry(rootfs, "/etc/group", group, spec->app_gid, error);
        return r;
}

/*
 * 32 digits as of machine-id(5), always the same for one owner's sandbox of this name: what an app keeps
 * under it is found again. They tell nothing of the host's own id to who does not know it.
 */
static char *make_machine_id(const Spec *spec) {
        g_autofree char *host = NULL, *digest = NULL;
        g_autofree char *key = g_strdup_printf("%u:%s:%s", (unsigned) spec->owner, spec->template_name,
                                               spec->name);
        char *id;

        if (!g_file_get_contents("/etc/machine-id", &host, NULL, NULL))
                host = g_strdup("");
        digest = g_compute_hmac_for_string(G_CHECKSUM_SHA256, (const guchar *) host, strlen(host), key, -1);
        id = g_strndup(digest, 32);
        /* The variant and version of a random UUID, as systemd's have them. */
        id[12] = '4';
        id[16] = "89ab"[g_ascii_xdigit_value(id[16]) & 3];
        return id;
}

static int make_etc(const Rootfs *rootfs, Error *error) {
        const Spec *spec = rootfs->spec;
        g_autofree char *hosts = g_strdup_printf("127.0.0.1 localhost %s\n::1 localhost %s\n", spec->hostname,
                                                 spec->hostname);
        g_autofree char *hostname = g_strdup_printf("%s\n", spec->hostname), *id = make_machine_id(spec);
        g_autofree char *machine_id = g_strconcat(id, "\n", NULL);
        const char *const files[][2] = {
                { "/etc/hosts", hosts },
                { "/etc/hostname", hostname },
                { "/etc/machine-id", machine_id },
                { "/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n" },
                { "/etc/resolv.conf", rootfs->resolver },
                /* Memory cannot be shared with the sound server, and there is none to be started here. */
                { "/etc/pulse/client.conf", "autospawn = no\nenable-shm = no\nenable-memfd = no\n" },
        };
        int r;

        r = make_users(rootfs, error);
        if (r < 0)
                return r;
        r = rootfs_make_folder(rootfs, "/etc/pulse", 0755, 0, error);
        for (size_t i = 0; r >= 0 && i < G_N_ELEMENTS(files); i++)
                if (files[i][1])
                        r = make_file(rootfs, files[i][0], files[i][1], error);
        return r < 0 ? r : 0;
}

void rootfs_read_resolver(Rootfs *rootfs) {
        static const char *const paths[] = { "/etc/resolv.conf", "/run/systemd/resolve/resolv.conf" };
        size_t size;

        for (size_t i = 0; i < G_N_ELEMENTS(paths); i++) {
                g_autofree char *text = NULL;

                if (fs_read_file_at(AT_FDCWD, paths[i], RESOLVER_SIZE_MAX, &text, &size, NULL) < 0)
                        return;
                g_free(rootfs->resolver);
                rootfs->resolver = g_steal_pointer(&text);
                /* systemd-resolved's stub is not there in another network; who it asks may be. */
                if (!strstr(rootfs->resolver, "nameserver 127.0.0.53"))
                        return;
        }
}

int rootfs_make_skeleton(const Rootfs *rootfs, Error *error) {
        static const struct {
                const char *path;
                mode_t mode;
        } folders[] = {
                { "/dev", 0755 },  { "/etc", 0755 },  { "/home", 0755 },
                { "/proc", 0555 }, { "/root", 0700 }, { "/run", 0755 },
                { "/sys", 0555 },  { "/tmp", 01777 }, { "/var/tmp", 01777 },
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
