/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <linux/openat2.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shim/identity.h"
#include "shim/mount.h"
#include "shim/rootfs-private.h"
#include "util/cleanup.h"
#include "util/fs.h"

#define ROOTFS_EMPTY ROOTFS_SCRATCH "/empty" /* a read-only tmpfs: what hidden folders show */

#define ROOTFS_USR ROOTFS_SCRATCH "/usr" /* the host's, below those of layers */

/* Device nodes are empty files with mounts on them. */
#define DEV_OPTIONS "mode=0755,size=64k,nr_inodes=1k"

static void rootfs_done(Rootfs *rootfs) {
        overlay_done(&rootfs->overlay);
        g_clear_pointer(&rootfs->mounts, g_ptr_array_unref);
        g_free(rootfs->resolver);
        rootfs->root_fd = fd_close(rootfs->root_fd);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Rootfs, rootfs_done)

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

/* ---- what is mounted in it ---- */

static int bind_inside(const Rootfs *rootfs, const char *source, const char *target, bool directory,
                       uint64_t attributes, int idmap_fd, Error *error) {
        autofd int target_fd = -EBADF, tree_fd = -EBADF;
        int r;

        r = rootfs_make_inside(rootfs, target, directory, &target_fd, error);
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

static void clear_fd(void *fd) {
        fd_closep(fd);
}

/* Adds the /usr of each layer above the host's; 0 if none has one. */
static int find_upper_usrs(const Rootfs *rootfs, GArray *usr_fds, Error *error) {
        for (guint i = 0; i < rootfs->n_above_usr; i++) {
                int layer_fd = g_array_index(rootfs->overlay.lower_fds, int, i);
                int fd = fs_open_in(layer_fd, "usr", O_PATH | O_DIRECTORY | O_NOFOLLOW, 0,
                                    RESOLVE_NO_SYMLINKS);

                if (fd == -ENOENT)
                        continue;
                if (fd < 0)
                        return error_set_code_errnof(error, ERROR_NOT_MOUNTABLE, -fd,
                                                     "Cannot open /usr of layer '%s'",
                                                     rootfs->spec->layers[i]);
                g_array_append_val(usr_fds, fd);
        }
        return (int) usr_fds->len;
}

/* /usr of the layers above the host's lies above it. */
static int show_merged_usr(const Rootfs *rootfs, const GArray *usr_fds, Error *error) {
        g_autoptr(GString) options = g_string_new("lowerdir=");
        g_autofree char *target = NULL;
        autofd int tree_fd = -EBADF, target_fd = -EBADF;
        int r;

        for (guint i = 0; i < usr_fds->len; i++)
                g_string_append_printf(options, "/proc/self/fd/%d:", g_array_index(usr_fds, int, i));
        g_string_append(options, ROOTFS_USR);
        r = mount_clone(AT_FDCWD, "/usr", false, &tree_fd, error);
        if (r >= 0)
                r = mount_set_attributes(tree_fd, READ_ONLY_LAYER, rootfs->userns_fd, false, "/usr", error);
        if (r < 0)
                return r;
        r = rootfs_make_inside(rootfs, "/usr", true, &target_fd, error);
        if (r < 0)
                return r;
        target = g_strdup_printf("/proc/self/fd/%d", target_fd);
        identity_leave(); /* the scratch folder is the host's root's */
        if (mkdir(ROOTFS_USR, 0755) < 0 ||
            move_mount(tree_fd, "", AT_FDCWD, ROOTFS_USR, MOVE_MOUNT_F_EMPTY_PATH) < 0)
                r = error_set_errnof(error, errno, "Cannot mount the host's /usr");
        identity_enter_privileged(rootfs->root_id);
        if (r >= 0)
                r = mount_new("overlay", target, MS_RDONLY | MS_NOSUID | MS_NODEV, options->str, error);
        identity_enter(rootfs->root_id);
        return r;
}

static int show_usr(const Rootfs *rootfs, Error *error) {
        g_autoptr(GArray) usr_fds = g_array_new(FALSE, FALSE, sizeof(int));
        int r;

        g_array_set_clear_func(usr_fds, clear_fd);
        r = find_upper_usrs(rootfs, usr_fds, error);
        if (r > 0)
                return show_merged_usr(rootfs, usr_fds, error);
        if (r == 0)
                r = bind_inside(rootfs, "/usr", "/usr", true, READ_ONLY_LAYER, rootfs->userns_fd, error);
        return r;
}

static int show_host_usr(const Rootfs *rootfs, Error *error) {
        static const char *const siblings[] = { "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32" };
        int r;

        r = show_usr(rootfs, error);
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
        identity_enter(rootfs->root_id);
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

/* Nodes are the host's, bound one by one: mknod(2) does not give usable nodes on a tmpfs that a user
 * namespace sees, and the devices cgroup decides anyway. liblxc adds pts and ptmx. */
static int show_dev(const Rootfs *rootfs, Error *error) {
        static const char *const nodes[] = { "null", "zero", "full", "random", "urandom", "tty" };
        g_autofree char *options = g_strdup_printf(DEV_OPTIONS ",uid=%u,gid=%u", rootfs->root_id,
                                                   rootfs->root_id);
        autofd int dev_fd = -EBADF;
        int r;

        r = mount_new("tmpfs", ROOTFS_PATH "/dev", MS_NOSUID | MS_NODEV | MS_NOEXEC, options, error);
        if (r < 0)
                return r;
        for (size_t i = 0; i < G_N_ELEMENTS(nodes); i++) {
                g_autofree char *path = g_strdup_printf("/dev/%s", nodes[i]);

                r = bind_inside(rootfs, path, path, false, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, -EBADF,
                                error);
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
                                  rootfs->spec->upper_size ?: SKELETON_SIZE, rootfs->root_id,
                                  rootfs->root_id);
        return mount_new("tmpfs", ROOTFS_PATH "/dev/shm", MS_NOSUID | MS_NODEV, options, error);
}

static int fill(Rootfs *rootfs, Error *error) {
        int r;

        /* What is made here belongs to id 0 inside; as the host's root it could not even be made on mapped
         * ids. */
        identity_enter(rootfs->root_id);
        r = rootfs_make_skeleton(rootfs, error);
        if (r >= 0 && rootfs->has_host_usr)
                r = show_host_usr(rootfs, error);
        for (char **path = rootfs->spec->hide; r >= 0 && path && *path; path++)
                r = hide_path(rootfs, *path, error);
        if (r >= 0)
                r = show_dev(rootfs, error);
        identity_leave();
        return r < 0 ? r : rootfs_attach_mounts(rootfs, error);
}

/* What is named by paths of the host, before we cover some of them. */
static int open_sources(Rootfs *rootfs, Error *error) {
        int r;

        r = rootfs_open_layers(rootfs, error);
        if (r >= 0)
                r = rootfs_open_mounts(rootfs, error);
        if (r >= 0)
                rootfs_read_resolver(rootfs);
        return r;
}

static int mount_root(const Rootfs *rootfs, Error *error) {
        if (rootfs_has_overlay(rootfs))
                return rootfs_mount_overlay(rootfs, &rootfs->overlay, ROOTFS_LAYERS, ROOTFS_PATH, error);
        return rootfs_mount_tmpfs(rootfs, ROOTFS_PATH, rootfs->overlay.size, error);
}

int rootfs_assemble(const Spec *spec, int userns_fd, const char *cgroup_mount, Error *error) {
        g_auto(Rootfs) rootfs = {
                .spec = spec,
                .userns_fd = userns_fd,
                .root_id = spec_get_root_id(spec),
                .root_fd = -EBADF,
        };
        int r;

        overlay_init(&rootfs.overlay);
        umask(0);
        r = open_sources(&rootfs, error);
        if (r >= 0)
                r = make_private(cgroup_mount, error);
        if (r >= 0)
                r = mount_root(&rootfs, error);
        if (r < 0)
                return r;
        rootfs.root_fd = open(ROOTFS_PATH, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (rootfs.root_fd < 0)
                return error_set_errnof(error, errno, "Cannot open the new root");
        r = fill(&rootfs, error);
        if (r < 0)
                return r;
        if (spec->upper == SPEC_UPPER_NONE &&
            mount_setattr(rootfs.root_fd, "", AT_EMPTY_PATH,
                          &(struct mount_attr){ .attr_set = MOUNT_ATTR_RDONLY },
                          sizeof(struct mount_attr)) < 0)
                return error_set_errnof(error, errno, "Cannot make the root read-only");
        return 0;
}
