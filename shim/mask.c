/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "shim/mask.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "shim/mount.h"
#include "util/cleanup.h"
#include "util/fs.h"

#define COVER_ATTRIBUTES (MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC)

#define COVERS_PLACE     "/sys/kernel" /* masked itself, and in every sysfs */

/* What tells how the host is and what it does, by the interrupt if need be, and ways into the kernel; nothing that
 * libraries ask for: they want cpuinfo, meminfo, stat, version and the like, and of /sys class, dev and devices. */
static const char *const masked[] = {
        "/proc/acpi",        "/proc/asound",       "/proc/config.gz",     "/proc/diskstats",     "/proc/interrupts",
        "/proc/iomem",       "/proc/ioports",      "/proc/kallsyms",      "/proc/kcore",         "/proc/key-users",
        "/proc/keys",        "/proc/kmsg",         "/proc/kpagecgroup",   "/proc/kpagecount",    "/proc/kpageflags",
        "/proc/latency_stats", "/proc/locks",      "/proc/modules",       "/proc/mtrr",          "/proc/pagetypeinfo",
        "/proc/sched_debug", "/proc/schedstat",    "/proc/scsi",          "/proc/slabinfo",      "/proc/softirqs",
        "/proc/sysrq-trigger", "/proc/timer_list", "/proc/timer_stats",   "/proc/vmallocinfo",   "/proc/vmcore",
        "/proc/vmstat",      "/proc/zoneinfo",     "/sys/devices/virtual/powercap",              "/sys/firmware",
        "/sys/fs",           "/sys/hypervisor",    "/sys/kernel",         "/sys/module",         "/sys/power",
};

static const char *const read_only[] = { "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys" };

typedef struct Masks {
        int root_fd;        /* owned; of the sandbox */
        int folder, file;   /* owned; an empty folder and an empty file in a mount that can be copied, or -EBADF */
} Masks;

static void masks_done(Masks *masks) {
        masks->root_fd = fd_close(masks->root_fd);
        masks->folder = fd_close(masks->folder);
        masks->file = fd_close(masks->file);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Masks, masks_done)

/* Negative errno; -ENOENT also for what lies behind a folder that is not there. */
static int open_target(const Masks *masks, const char *path) {
        int fd = fs_open_in(masks->root_fd, path, O_PATH, 0, RESOLVE_NO_SYMLINKS);

        return fd == -ENOTDIR ? -ENOENT : fd;
}

/* One small tmpfs. Before Linux 6.15 only what is attached can be copied, open_tree(2): it lies where a copy of the
 * folder will lie on it. */
static int make_covers(Masks *masks, Error *error) {
        autofd int fs_fd = fsopen("tmpfs", FSOPEN_CLOEXEC), tree_fd = -EBADF, file_fd = -EBADF;
        autofd int target_fd = open_target(masks, COVERS_PLACE);
        int r;

        if (target_fd < 0)
                return error_set_errnof(error, -target_fd, "Cannot open '" COVERS_PLACE "' to mask it");
        if (fs_fd < 0 || fsconfig(fs_fd, FSCONFIG_SET_STRING, "mode", "0555", 0) < 0 ||
            fsconfig(fs_fd, FSCONFIG_SET_STRING, "size", "4k", 0) < 0 ||
            fsconfig(fs_fd, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
                return error_set_errnof(error, errno, "Cannot make what covers masked paths");
        tree_fd = fsmount(fs_fd, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
        if (tree_fd < 0)
                return error_set_errnof(error, errno, "Cannot mount what covers masked paths");
        /* Its mode counts for apps: our umask must not. */
        file_fd = openat(tree_fd, "file", O_CREAT | O_EXCL | O_CLOEXEC, 0444);
        if (file_fd < 0 || fchmod(file_fd, 0444) < 0 || mkdirat(tree_fd, "folder", 0555) < 0)
                return error_set_errnof(error, errno, "Cannot fill what covers masked paths");
        /* Each copy has these, too. */
        file_fd = fd_close(file_fd);
        r = mount_set_attributes(tree_fd, COVER_ATTRIBUTES, -EBADF, false, "masks", error);
        if (r >= 0)
                r = mount_attach(tree_fd, target_fd, COVERS_PLACE, error);
        if (r < 0)
                return r;
        masks->file = openat(tree_fd, "file", O_PATH | O_CLOEXEC);
        masks->folder = openat(tree_fd, "folder", O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (masks->file < 0 || masks->folder < 0)
                return error_set_errnof(error, errno, "Cannot open what covers masked paths");
        return 0;
}

static int cover(const Masks *masks, const char *path, Error *error) {
        autofd int target_fd = open_target(masks, path), tree_fd = -EBADF;
        struct stat st;
        int r;

        if (target_fd == -ENOENT)
                return 0;
        if (target_fd < 0 || fstat(target_fd, &st) < 0)
                return error_set_errnof(error, target_fd < 0 ? -target_fd : errno, "Cannot open '%s' to mask it", path);
        r = mount_clone(S_ISDIR(st.st_mode) ? masks->folder : masks->file, "", false, &tree_fd, error);
        return r < 0 ? r : mount_attach(tree_fd, target_fd, path, error);
}

/* The same again on itself, with what is mounted below it. */
static int protect(const Masks *masks, const char *path, Error *error) {
        autofd int target_fd = open_target(masks, path), tree_fd = -EBADF;
        int r;

        if (target_fd == -ENOENT)
                return 0;
        if (target_fd < 0)
                return error_set_errnof(error, -target_fd, "Cannot open '%s' to make it read-only", path);
        r = mount_clone(target_fd, "", true, &tree_fd, error);
        if (r >= 0)
                r = mount_set_attributes(tree_fd, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID, -EBADF, true, path, error);
        return r < 0 ? r : mount_attach(tree_fd, target_fd, path, error);
}

/* /proc and /sys are there because liblxc made them; an image that could put something else there would be
 * caught by the type. */
static int restrict_file_system(const Masks *masks, const char *path, long type, bool has_host_ids, Error *error) {
        autofd int fd = fs_open_in(masks->root_fd, path, O_RDONLY | O_DIRECTORY, 0, RESOLVE_NO_SYMLINKS);
        autofd int fs_fd = -EBADF;
        struct statfs st;
        int r;

        if (fd < 0 || fstatfs(fd, &st) < 0)
                return error_set_errnof(error, fd < 0 ? -fd : errno, "Cannot open '%s' inside", path);
        if (st.f_type != type)
                return error_setf(error, ERROR_SYSTEM, "'%s' inside is of file system type %#lx, not %#lx", path,
                                  (long) st.f_type, type);
        r = mount_set_attributes(fd, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC, -EBADF, true, path,
                                 error);
        if (r < 0 || type != PROC_SUPER_MAGIC)
                return r;
        /* Processes of other users, init above all, are not even names. The host's group 0 is excepted, unless there
         * is another one to except: init's own, in which no app is. */
        fs_fd = fspick(fd, "", FSPICK_EMPTY_PATH | FSPICK_CLOEXEC);
        if (fs_fd < 0 || (has_host_ids && fsconfig(fs_fd, FSCONFIG_SET_STRING, "gid", G_STRINGIFY(INIT_UID), 0) < 0) || fsconfig(fs_fd, FSCONFIG_SET_STRING, "hidepid", "invisible", 0) < 0 ||
            fsconfig(fs_fd, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0) < 0)
                return error_set_errnof(error, errno, "Cannot hide the processes of others in '%s'", path);
        return 0;
}

static int apply_inside(Masks *masks, const Spec *spec, Error *error) {
        int r;

        masks->root_fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (masks->root_fd < 0)
                return error_set_errnof(error, errno, "Cannot open the sandbox's root");
        r = mount_set_attributes(masks->root_fd, MOUNT_ATTR_NOSUID, -EBADF, true, "the root", error);
        if (r >= 0)
                r = restrict_file_system(masks, "/proc", PROC_SUPER_MAGIC, !spec->user_namespace, error);
        if (r >= 0)
                r = restrict_file_system(masks, "/sys", SYSFS_MAGIC, false, error);
        for (size_t i = 0; r >= 0 && i < G_N_ELEMENTS(read_only); i++)
                r = protect(masks, read_only[i], error);
        for (char **path = spec->read_only; r >= 0 && path && *path; path++)
                r = protect(masks, *path, error);
        if (r >= 0)
                r = make_covers(masks, error);
        for (size_t i = 0; r >= 0 && i < G_N_ELEMENTS(masked); i++)
                r = cover(masks, masked[i], error);
        for (char **path = spec->masked; r >= 0 && path && *path; path++)
                r = cover(masks, *path, error);
        return r;
}

int mask_apply(Container *container, const Spec *spec, Error *error) {
        g_auto(Masks) masks = { .root_fd = -EBADF, .folder = -EBADF, .file = -EBADF };
        int r;

        r = container_enter_mounts(container, error);
        if (r < 0)
                return r;
        r = apply_inside(&masks, spec, error);
        container_leave_mounts(container);
        return r;
}
