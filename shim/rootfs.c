/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "shim/rootfs.h"

#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shim/identity.h"
#include "shim/mount.h"
#include "util/cleanup.h"
#include "util/fs.h"

#define ROOTFS_LAYERS ROOTFS_SCRATCH "/layers" /* .../0, .../1: folder layers, ids mapped */
#define ROOTFS_UPPER  ROOTFS_SCRATCH "/upper"  /* tmpfs with overlayfs's upper and work folders */
#define ROOTFS_EMPTY  ROOTFS_SCRATCH "/empty"  /* a read-only tmpfs: what hidden folders show */

/* Without an upper the skeleton itself still has to stand somewhere. */
#define SKELETON_SIZE (1024 * 1024)
/* Device nodes are empty files with mounts on them. */
#define DEV_OPTIONS "mode=0755,size=64k,nr_inodes=1k"

#define READ_ONLY_LAYER (MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV)

typedef struct Rootfs {
        const Spec *spec;  /* not owned */
        int userns_fd;     /* not owned */
        GArray *layer_fds; /* owned detached trees of the folder layers, top first */
        bool has_host_usr;
        int root_fd; /* owned */
} Rootfs;

static void layer_fd_clear(void *fd) {
        fd_closep(fd);
}

static void rootfs_done(Rootfs *rootfs) {
        g_clear_pointer(&rootfs->layer_fds, g_array_unref);
        rootfs->root_fd = fd_close(rootfs->root_fd);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Rootfs, rootfs_done)

/* Layers are opened first: they may lie below /run, which is about to be covered. */
static int open_layers(Rootfs *rootfs, Error *error) {
        for (char **layer = rootfs->spec->layers; *layer; layer++) {
                autofd int tree_fd = -EBADF;
                struct stat st;
                int r;

                if (strcmp(*layer, SPEC_LAYER_HOST_USR) == 0) {
                        rootfs->has_host_usr = true;
                        continue;
                }
                r = mount_clone(AT_FDCWD, *layer, false, &tree_fd, error);
                if (r < 0)
                        return error_prefixf(error, r, "Layer '%s'", *layer);
                if (fstat(tree_fd, &st) < 0)
                        return error_set_errnof(error, errno, "Cannot look at layer '%s'", *layer);
                if (!S_ISDIR(st.st_mode))
                        return error_setf(error, ERROR_NOT_MOUNTABLE, "Layer '%s' is not a folder", *layer);
                r = mount_set_attributes(tree_fd, READ_ONLY_LAYER, rootfs->userns_fd, false, *layer, error);
                if (r < 0)
                        return r;
                g_array_append_val(rootfs->layer_fds, tree_fd);
                tree_fd = -EBADF;
        }
        return 0;
}

static int make_private(const char *cgroup_mount, Error *error) {
        int r;

        if (unshare(CLONE_NEWNS) < 0)
                return error_set_errnof(error, errno, "Cannot make a mount namespace");
        /* Slave, not private: what the host unmounts must not be kept busy here. */
        if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
                return error_set_errnof(error, errno, "Cannot cut mount propagation");
        r = mount_new("tmpfs", cgroup_mount, MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0755,size=64k", error);
        if (r < 0)
                return r;
        /* Also keeps liblxc's lock files off the host. */
        r = mount_new("tmpfs", ROOTFS_SCRATCH, MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0755,size=1m", error);
        if (r < 0)
                return r;
        if (mkdir(ROOTFS_PATH, 0755) < 0 || mkdir(ROOTFS_PIVOT, 0755) < 0)
                return error_set_errnof(error, errno, "Cannot make folders in " ROOTFS_SCRATCH);
        return 0;
}

static int mount_owned_tmpfs(const Rootfs *rootfs, const char *target, uint64_t size, Error *error) {
        g_autofree char *options = g_strdup_printf("mode=0755,size=%" G_GUINT64_FORMAT ",uid=%u,gid=%u", size,
                                                   rootfs->spec->id_base, rootfs->spec->id_base);

        return mount_new("tmpfs", target, MS_NOSUID | MS_NODEV, options, error);
}

/* overlayfs itself cannot be idmapped, so its layers are, and its upper belongs to the range. */
static int mount_overlay(Rootfs *rootfs, Error *error) {
        g_autoptr(GString) options = g_string_new("lowerdir=");
        int r;

        if (mkdir(ROOTFS_LAYERS, 0755) < 0)
                return error_set_errnof(error, errno, "Cannot make " ROOTFS_LAYERS);
        for (guint i = 0; i < rootfs->layer_fds->len; i++) {
                g_autofree char *path = g_strdup_printf(ROOTFS_LAYERS "/%u", i);

                if (mkdir(path, 0755) < 0)
                        return error_set_errnof(error, errno, "Cannot make %s", path);
                if (move_mount(g_array_index(rootfs->layer_fds, int, i), "", AT_FDCWD, path,
                               MOVE_MOUNT_F_EMPTY_PATH) < 0)
                        return error_set_errnof(error, errno, "Cannot mount layer %u", i);
                g_string_append_printf(options, "%s%s", i > 0 ? ":" : "", path);
        }
        if (mkdir(ROOTFS_UPPER, 0755) < 0)
                return error_set_errnof(error, errno, "Cannot make " ROOTFS_UPPER);
        r = mount_owned_tmpfs(rootfs, ROOTFS_UPPER, rootfs->spec->upper_size ?: SKELETON_SIZE, error);
        if (r < 0)
                return r;
        for (size_t i = 0; i < 2; i++) {
                const char *path = i == 0 ? ROOTFS_UPPER "/upper" : ROOTFS_UPPER "/work";

                if (mkdir(path, 0755) < 0 || chown(path, rootfs->spec->id_base, rootfs->spec->id_base) < 0)
                        return error_set_errnof(error, errno, "Cannot make %s", path);
        }
        g_string_append(options, ",upperdir=" ROOTFS_UPPER "/upper,workdir=" ROOTFS_UPPER "/work");
        return mount_new("overlay", ROOTFS_PATH, MS_NOSUID | MS_NODEV, options->str, error);
}

/* ---- the skeleton ---- */

/* Makes a folder or empty file in the root if it is not there, without following any link of an image. */
static int make_inside(const Rootfs *rootfs, const char *path, bool directory, int *ret_fd, Error *error) {
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

/* @uid is the owner inside. A folder that the image has keeps its mode. */
static int make_folder(const Rootfs *rootfs, const char *path, mode_t mode, uint32_t uid, Error *error) {
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

static int make_skeleton(const Rootfs *rootfs, Error *error) {
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
                r = make_folder(rootfs, folders[i].path, folders[i].mode, 0, error);
                if (r < 0)
                        return r;
        }
        for (char **folder = spec->folders; folder && *folder; folder++) {
                r = make_inside(rootfs, *folder, true, NULL, error);
                if (r < 0)
                        return r;
        }
        if (spec->app_home && strcmp(spec->app_home, "/root") != 0) {
                r = make_folder(rootfs, spec->app_home, 0700, spec->app_uid, error);
                if (r < 0)
                        return r;
        }
        return make_etc(rootfs, error);
}

/* ---- what is mounted in it ---- */

static int bind_inside(const Rootfs *rootfs, const char *source, const char *target, bool directory,
                       uint64_t attributes, int idmap_fd, Error *error) {
        autofd int target_fd = -EBADF, tree_fd = -EBADF;
        int r;

        r = make_inside(rootfs, target, directory, &target_fd, error);
        if (r < 0)
                return r;
        r = mount_clone(AT_FDCWD, source, false, &tree_fd, error);
        if (r < 0)
                return r;
        r = mount_set_attributes(tree_fd, attributes, idmap_fd, false, source, error);
        if (r < 0)
                return r;
        return mount_attach(tree_fd, target_fd, target, error);
}

/* /bin, /lib and the like are links into /usr on most hosts, folders on some, and not there on others. */
static int show_usr_sibling(const Rootfs *rootfs, const char *path, Error *error) {
        char link[PATH_MAX];
        ssize_t size = readlink(path, link, sizeof(link) - 1);

        if (size < 0 && errno == ENOENT)
                return 0;
        if (size < 0 && errno == EINVAL)
                return bind_inside(rootfs, path, path, true, READ_ONLY_LAYER, rootfs->userns_fd, error);
        if (size < 0)
                return error_set_errnof(error, errno, "Cannot read link '%s'", path);
        link[size] = 0;
        if (symlinkat(link, rootfs->root_fd, path + 1) < 0 && errno != EEXIST)
                return error_set_errnof(error, errno, "Cannot make link '%s' inside", path);
        return 0;
}

static int show_host_usr(const Rootfs *rootfs, Error *error) {
        static const char *const siblings[] = { "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32" };
        int r;

        r = bind_inside(rootfs, "/usr", "/usr", true, READ_ONLY_LAYER, rootfs->userns_fd, error);
        if (r < 0)
                return r;
        for (size_t i = 0; i < G_N_ELEMENTS(siblings); i++) {
                r = show_usr_sibling(rootfs, siblings[i], error);
                if (r < 0)
                        return r;
        }
        /* Many names in Debian's /usr/bin are links to links in here. */
        if (access("/etc/alternatives", F_OK) == 0)
                return bind_inside(rootfs, "/etc/alternatives", "/etc/alternatives", true, READ_ONLY_LAYER,
                                   rootfs->userns_fd, error);
        return 0;
}

/* What hidden folders and files show instead; made for the first of them. */
static int make_empty(Error *error) {
        int r;

        if (access(ROOTFS_EMPTY, F_OK) == 0)
                return 0;
        if (mkdir(ROOTFS_EMPTY, 0755) < 0)
                return error_set_errnof(error, errno, "Cannot make " ROOTFS_EMPTY);
        r = mount_new("tmpfs", ROOTFS_EMPTY, MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0555,size=4k,nr_inodes=8", error);
        if (r < 0)
                return r;
        if (mkdir(ROOTFS_EMPTY "/folder", 0555) < 0 || mknod(ROOTFS_EMPTY "/file", S_IFREG | 0444, 0) < 0)
                return error_set_errnof(error, errno, "Cannot make an empty folder and an empty file");
        return 0;
}

static int hide_path(const Rootfs *rootfs, const char *path, Error *error) {
        autofd int target_fd = fs_open_in(rootfs->root_fd, path, O_PATH | O_NOFOLLOW, 0, 0);
        autofd int tree_fd = -EBADF;
        const char *source;
        struct stat st;
        int r;

        if (target_fd == -ENOENT || target_fd == -ENOTDIR)
                return 0;
        if (target_fd < 0)
                return error_set_errnof(error, -target_fd, "Cannot open '%s' inside to hide it", path);
        if (fstat(target_fd, &st) < 0)
                return error_set_errnof(error, errno, "Cannot look at '%s' inside to hide it", path);
        identity_leave(); /* the scratch folder is the host's root's */
        r = make_empty(error);
        identity_enter(rootfs->spec->id_base);
        if (r < 0)
                return r;
        source = S_ISDIR(st.st_mode) ? ROOTFS_EMPTY "/folder" : ROOTFS_EMPTY "/file";
        r = mount_clone(AT_FDCWD, source, false, &tree_fd, error);
        if (r < 0)
                return r;
        r = mount_set_attributes(tree_fd, READ_ONLY_LAYER | MOUNT_ATTR_NOEXEC, -EBADF, false, source, error);
        if (r < 0)
                return r;
        return mount_attach(tree_fd, target_fd, path, error);
}

static int make_dev_links(int dev_fd, Error *error) {
        static const char *const links[][2] = {
                { "/proc/self/fd", "fd" },
                { "/proc/self/fd/0", "stdin" },
                { "/proc/self/fd/1", "stdout" },
                { "/proc/self/fd/2", "stderr" },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(links); i++)
                if (symlinkat(links[i][0], dev_fd, links[i][1]) < 0)
                        return error_set_errnof(error, errno, "Cannot make /dev/%s inside", links[i][1]);
        return 0;
}

/* Nodes are the host's, bound one by one: mknod(2) does not give usable nodes on a tmpfs that a user namespace
 * sees, and the devices cgroup decides anyway. liblxc adds pts and ptmx. */
static int show_dev(const Rootfs *rootfs, Error *error) {
        static const char *const nodes[] = { "null", "zero", "full", "random", "urandom", "tty" };
        g_autofree char *options = g_strdup_printf(DEV_OPTIONS ",uid=%u,gid=%u", rootfs->spec->id_base,
                                                   rootfs->spec->id_base);
        autofd int dev_fd = -EBADF;
        int r;

        r = mount_new("tmpfs", ROOTFS_PATH "/dev", MS_NOSUID | MS_NODEV | MS_NOEXEC, options, error);
        if (r < 0)
                return r;
        for (size_t i = 0; i < G_N_ELEMENTS(nodes); i++) {
                g_autofree char *path = g_strdup_printf("/dev/%s", nodes[i]);

                r = bind_inside(rootfs, path, path, false, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, -EBADF, error);
                if (r < 0)
                        return r;
        }
        dev_fd = fs_open_in(rootfs->root_fd, "/dev", O_RDONLY | O_DIRECTORY, 0, 0);
        if (dev_fd < 0)
                return error_set_errnof(error, -dev_fd, "Cannot open /dev inside");
        r = make_dev_links(dev_fd, error);
        if (r < 0)
                return r;
        if (mkdirat(dev_fd, "pts", 0755) < 0 || mkdirat(dev_fd, "shm", 01777) < 0)
                return error_set_errnof(error, errno, "Cannot make folders in /dev inside");
        g_free(options);
        options = g_strdup_printf("mode=1777,size=%" G_GUINT64_FORMAT ",uid=%u,gid=%u",
                                  rootfs->spec->upper_size ?: SKELETON_SIZE, rootfs->spec->id_base,
                                  rootfs->spec->id_base);
        return mount_new("tmpfs", ROOTFS_PATH "/dev/shm", MS_NOSUID | MS_NODEV, options, error);
}

static int fill(Rootfs *rootfs, Error *error) {
        uint32_t base = rootfs->spec->id_base;
        int r;

        /* What is made here belongs to id 0 inside; as the host's root it could not even be made on mapped ids. */
        identity_enter(base);
        r = make_skeleton(rootfs, error);
        if (r >= 0 && rootfs->has_host_usr)
                r = show_host_usr(rootfs, error);
        for (char **path = rootfs->spec->hide; r >= 0 && path && *path; path++)
                r = hide_path(rootfs, *path, error);
        if (r >= 0)
                r = show_dev(rootfs, error);
        identity_leave();
        return r;
}

int rootfs_assemble(const Spec *spec, int userns_fd, const char *cgroup_mount, Error *error) {
        g_auto(Rootfs) rootfs = { .spec = spec, .userns_fd = userns_fd, .root_fd = -EBADF };
        int r;

        rootfs.layer_fds = g_array_new(FALSE, FALSE, sizeof(int));
        g_array_set_clear_func(rootfs.layer_fds, layer_fd_clear);
        umask(0);
        r = open_layers(&rootfs, error);
        if (r < 0)
                return r;
        r = make_private(cgroup_mount, error);
        if (r < 0)
                return r;
        r = rootfs.layer_fds->len > 0
                    ? mount_overlay(&rootfs, error)
                    : mount_owned_tmpfs(&rootfs, ROOTFS_PATH, spec->upper_size ?: SKELETON_SIZE, error);
        if (r < 0)
                return r;
        rootfs.root_fd = open(ROOTFS_PATH, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (rootfs.root_fd < 0)
                return error_set_errnof(error, errno, "Cannot open the new root");
        r = fill(&rootfs, error);
        if (r < 0)
                return r;
        if (spec->upper_size == 0 &&
            mount_setattr(rootfs.root_fd, "", AT_EMPTY_PATH, &(struct mount_attr){ .attr_set = MOUNT_ATTR_RDONLY },
                          sizeof(struct mount_attr)) < 0)
                return error_set_errnof(error, errno, "Cannot make the root read-only");
        return 0;
}
