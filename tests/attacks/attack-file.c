/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Files: set-id bits, device nodes, links, and paths that belong to the host or to others
 */
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/capability.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "tests/attacks/probe.h"

#define NR_fchmodat2 452

/* ---- set-id bits ---- */

typedef enum Way {
        WAY_CHMOD,
        WAY_FCHMOD,
        WAY_FCHMODAT,
        WAY_FCHMODAT2,
        WAY_OPEN,
        WAY_OPENAT,
        WAY_OPENAT2,
        WAY_CREAT,
        WAY_MKNOD,
        WAY_MKNODAT,
        WAY_MKDIR,
        WAY_MKDIRAT,
        WAY_TMPFILE,
} Way;

static long make_by_open(Way way, const char *path, mode_t mode) {
        struct open_how how = { .flags = O_WRONLY | O_CREAT | O_EXCL, .mode = mode };

        switch ((int) way) {
#ifdef SYS_open
        case WAY_OPEN:
                return syscall(SYS_open, path, O_WRONLY | O_CREAT | O_EXCL, mode);
        case WAY_CREAT:
                return syscall(SYS_creat, path, mode);
#endif
        case WAY_OPENAT:
                return syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_EXCL, mode);
        case WAY_OPENAT2:
                return syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof how);
        default:
                errno = ENOSYS;
                return -1;
        }
}

static long make_by_node(Way way, const char *path, mode_t mode) {
        switch ((int) way) {
#ifdef SYS_mknod
        case WAY_MKNOD:
                return syscall(SYS_mknod, path, S_IFREG | mode, 0);
        case WAY_MKDIR:
                return syscall(SYS_mkdir, path, mode);
#endif
        case WAY_MKNODAT:
                return syscall(SYS_mknodat, AT_FDCWD, path, S_IFREG | mode, 0);
        case WAY_MKDIRAT:
                return syscall(SYS_mkdirat, AT_FDCWD, path, mode);
        default:
                errno = ENOSYS;
                return -1;
        }
}

static long change_mode(Way way, int fd, const char *path, mode_t mode) {
        switch ((int) way) {
#ifdef SYS_chmod
        case WAY_CHMOD:
                return syscall(SYS_chmod, path, mode);
#endif
        case WAY_FCHMOD:
                return syscall(SYS_fchmod, fd, mode);
        case WAY_FCHMODAT:
                return syscall(SYS_fchmodat, AT_FDCWD, path, mode);
        case WAY_FCHMODAT2:
                return syscall(NR_fchmodat2, AT_FDCWD, path, mode, 0);
        default:
                errno = ENOSYS;
                return -1;
        }
}

/* attack->number: the way; arguments[0]: the bit; path: the variable with the folder, or NULL for /tmp. What
 * counts is the mode that comes out. */
static void run_setid_bit(const Attack *attack, Result *result) {
        const char *folder = attack->path ? given(result, attack->path) : "/tmp";
        Way way = (Way) attack->number;
        mode_t bit = (mode_t) attack->arguments[0];
        struct stat status = { 0 };
        char path[256];
        long r;
        int fd;

        if (!folder)
                return;
        (void) umask(0);
        fd = make_file(folder, path);
        if (fd < 0) {
                result_set(result, OUTCOME_BROKEN, errno, "cannot make a file in %s: %s", folder,
                           strerror(errno));
                return;
        }
        if (way <= WAY_FCHMODAT2)
                r = change_mode(way, fd, path, 0755 | bit);
        else if (way == WAY_TMPFILE) {
                r = syscall(SYS_openat, AT_FDCWD, folder, O_TMPFILE | O_WRONLY, 0755 | bit);
                fd = (int) r;
        } else {
                (void) unlink(path);
                r = way <= WAY_CREAT ? make_by_open(way, path, 0755 | bit)
                                     : make_by_node(way, path, 0755 | bit);
        }
        result_judge(result, r);
        if (r >= 0) {
                if (way == WAY_TMPFILE ? fstat(fd, &status) < 0 : stat(path, &status) < 0)
                        result_set(result, OUTCOME_BROKEN, errno, "%s", strerror(errno));
                else
                        result_set(result, status.st_mode & bit ? OUTCOME_THROUGH : OUTCOME_REFUSED, 0,
                                   "mode %o", status.st_mode & 07777);
        } else if (errno == ENOTDIR || errno == EISDIR)
                result_set(result, OUTCOME_BROKEN, errno, "%s", strerror(errno));
        (void) (unlink(path) < 0 && rmdir(path) < 0);
}

static void run_file_capability(const Attack *attack, Result *result) {
        struct vfs_cap_data data = { .magic_etc = VFS_CAP_REVISION_2 | VFS_CAP_FLAGS_EFFECTIVE,
                                     .data[0].permitted = 1u << CAP_SYS_ADMIN };
        char path[256];
        int fd = make_file(NULL, path);

        (void) attack;
        result_judge(result, fd < 0 ? -1 : fsetxattr(fd, "security.capability", &data, XATTR_CAPS_SZ_2, 0));
        (void) unlink(path);
}

static void run_trusted(const Attack *attack, Result *result) {
        char path[256];
        int fd = make_file(NULL, path);

        (void) attack;
        result_judge(result, fd < 0 ? -1 : fsetxattr(fd, "trusted.overlay.opaque", "y", 1, 0));
        (void) unlink(path);
}

static void run_chown(const Attack *attack, Result *result) {
        char path[256];
        int fd = make_file(NULL, path);
        unsigned id = geteuid() == 0 ? 4321 : 0;

        (void) attack;
        result_judge(result, fd < 0 ? -1 : fchown(fd, id, id));
        (void) unlink(path);
}

/* ---- device nodes ---- */

static void run_mknod(const Attack *attack, Result *result) {
        const unsigned long *a = attack->arguments;

        (void) unlink("/tmp/probe-node");
        result_judge(result, syscall(SYS_mknodat, AT_FDCWD, "/tmp/probe-node", a[0] | 0666,
                                     makedev((unsigned) a[1], (unsigned) a[2])));
        (void) unlink("/tmp/probe-node");
}

static bool is_harmless(dev_t device) {
        static const unsigned memory[] = { 3, 5, 7, 8, 9 }; /* null zero full random urandom */

        for (size_t i = 0; i < sizeof memory / sizeof *memory; i++)
                if (device == makedev(1, memory[i]))
                        return true;
        /* tty and ptmx, and the terminals of our own devpts. */
        return device == makedev(5, 0) || device == makedev(5, 2) ||
               (major(device) >= 136 && major(device) <= 143);
}

static unsigned n_nodes, n_open;
static char node_seen[160];

static int look_at_node(const char *path, const struct stat *status, int type, struct FTW *walk) {
        (void) type;
        (void) walk;
        if (!S_ISCHR(status->st_mode) && !S_ISBLK(status->st_mode))
                return 0;
        if (S_ISCHR(status->st_mode) && is_harmless(status->st_rdev))
                return 0;
        n_nodes++;
        if (open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC) >= 0 ||
            open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC) >= 0 ||
            (errno != EPERM && errno != EACCES && errno != EROFS)) {
                n_open++;
                (void) snprintf(node_seen, sizeof node_seen, "%s opens", path);
        } else if (n_open == 0)
                (void) snprintf(node_seen, sizeof node_seen, "%s is there", path);
        return 0;
}

static void run_dev_nodes(const Attack *attack, Result *result) {
        (void) nftw("/dev", look_at_node, 16, FTW_PHYS);
        result_through_if(result, attack->number ? n_open > 0 : n_nodes > 0, node_seen);
}

/* Nodes that others may have left in the root, or an image has. */
static void run_root_nodes(const Attack *attack, Result *result) {
        static const char *const folders[] = { "/etc", "/tmp", "/run", "/home", "/var", "/opt", "/gateways" };

        (void) attack;
        for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
                (void) nftw(folders[i], look_at_node, 16, FTW_PHYS | FTW_MOUNT);
        result_through_if(result, n_open > 0, node_seen);
}

static void run_device(const Attack *attack, Result *result) {
        result_judge_path(result, open(attack->path, O_RDWR | O_NONBLOCK | O_CLOEXEC));
}

/* ---- links and paths ---- */

static void run_hard_link(const Attack *attack, Result *result) {
        (void) unlink("/tmp/probe-link");
        result_judge_path(result,
                          linkat(AT_FDCWD, attack->path, AT_FDCWD, "/tmp/probe-link", AT_SYMLINK_FOLLOW));
        if (result->outcome == OUTCOME_THROUGH && result->errnum == EXDEV)
                result->outcome = OUTCOME_REFUSED; /* the mount is the wall */
        (void) unlink("/tmp/probe-link");
}

/* The path that a PROBE_ variable names: is it there, and says it anything? */
static void run_host_path(const Attack *attack, Result *result) {
        const char *path = given(result, attack->path);
        struct stat status;

        if (path && stat(path, &status) < 0 && (errno == ENOENT || errno == ENOTDIR))
                result_set(result, OUTCOME_REFUSED, errno, "%s is not there", path);
        else if (path)
                result_judge(result, open(path, O_RDONLY | O_CLOEXEC));
}

/* Folders of which nothing may be seen; the variable may name others. */
static void run_hidden(const Attack *attack, Result *result) {
        const char *folders = getenv("PROBE_HIDDEN") ?: "/usr/share/bulkhead /usr/local/share/bulkhead";
        char copy[1024], *rest = copy;
        unsigned n_folders = 0;

        (void) attack;
        (void) snprintf(copy, sizeof copy, "%s", folders);
        result_set(result, OUTCOME_REFUSED, 0, "they are empty");
        for (char *path; (path = strsep(&rest, " "));) {
                DIR *folder = opendir(path);

                for (struct dirent *entry; folder && (entry = readdir(folder));)
                        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
                                result_set(result, OUTCOME_THROUGH, 0, "%.60s has %.60s", path,
                                           entry->d_name);
                n_folders += folder != NULL;
                if (folder)
                        (void) closedir(folder);
        }
        if (n_folders == 0)
                result_set(result, OUTCOME_ABSENT, ENOENT, "they are not there");
}

static void run_write(const Attack *attack, Result *result) {
        const char *folder = attack->path[0] == '/' ? attack->path : given(result, attack->path);
        char path[256];
        int fd;

        if (!folder)
                return;
        fd = make_file(folder, path);
        result_judge_path(result, fd);
        if (fd >= 0)
                (void) unlink(path);
}

/* Accounts of the host: ours has root, app and nobody. */
static void run_accounts(const Attack *attack, Result *result) {
        char text[65536];
        unsigned n = 0;
        long size = read_text(attack->path, text, sizeof text);

        if (size < 0) {
                errno = (int) -size;
                result_judge_path(result, -1);
                return;
        }
        for (const char *at = text; (at = strchr(at, '\n')); at++)
                n++;
        result_set(result, n > 6 ? OUTCOME_THROUGH : OUTCOME_REFUSED, 0, "%u lines", n);
}

#define BIT(name, way)                                                                                       \
        { .id = "setuid." name,                                                                              \
          .wall = "seccomp",                                                                                 \
          .what = "put a set-uid bit: " name,                                                                \
          .run = run_setid_bit,                                                                              \
          .number = way,                                                                                     \
          .arguments = { S_ISUID } },                                                                        \
                { .id = "setgid." name,                                                                      \
                  .wall = "seccomp",                                                                         \
                  .what = "put a set-gid bit: " name,                                                        \
                  .run = run_setid_bit,                                                                      \
                  .number = way,                                                                             \
                  .arguments = { S_ISGID } },                                                                \
        {                                                                                                    \
                .id = "grant.setuid-" name, .wall = "seccomp",                                               \
                .what = "put a set-uid bit in a granted folder: " name, .run = run_setid_bit,                \
                .path = "WRITABLE", .number = way, .arguments = {                                            \
                        S_ISUID                                                                              \
                }                                                                                            \
        }
#define NODE(name, type, major_, minor_)                                                                     \
        {                                                                                                    \
                .id = "mknod." name, .wall = "privileges", .what = "make a device node: " name,              \
                .run = run_mknod, .arguments = {                                                             \
                        type,                                                                                \
                        major_,                                                                              \
                        minor_                                                                               \
                }                                                                                            \
        }
#define DEVICE(name)                                                                                         \
        { "device." name, "devices", "open /dev/" name, run_device, .path = "/dev/" name }

static const Attack attacks[] = {
        BIT("chmod", WAY_CHMOD),
        BIT("fchmod", WAY_FCHMOD),
        BIT("fchmodat", WAY_FCHMODAT),
        BIT("fchmodat2", WAY_FCHMODAT2),
        BIT("open", WAY_OPEN),
        BIT("openat", WAY_OPENAT),
        BIT("openat2", WAY_OPENAT2),
        BIT("creat", WAY_CREAT),
        BIT("mknod", WAY_MKNOD),
        BIT("mknodat", WAY_MKNODAT),
        BIT("mkdir", WAY_MKDIR),
        BIT("mkdirat", WAY_MKDIRAT),
        BIT("tmpfile", WAY_TMPFILE),
        { "setid.file-capability", "privileges", "give a file capabilities", run_file_capability },
        { "xattr.trusted", "privileges", "set an attribute of overlayfs", run_trusted },
        { "chown.other", "privileges", "give a file to another", run_chown },
        NODE("null", S_IFCHR, 1, 3),
        NODE("mem", S_IFCHR, 1, 1),
        NODE("kmsg", S_IFCHR, 1, 11),
        NODE("console", S_IFCHR, 5, 1),
        NODE("fuse", S_IFCHR, 10, 229),
        NODE("loop-control", S_IFCHR, 10, 237),
        NODE("kvm", S_IFCHR, 10, 232),
        NODE("sda", S_IFBLK, 8, 0),
        NODE("vda", S_IFBLK, 254, 0),
        NODE("loop0", S_IFBLK, 7, 0),
        { "device.visible", "dev", "find device nodes in /dev that are not for everybody", run_dev_nodes },
        { "device.opens", "devices", "open any device node in /dev that is not for everybody", run_dev_nodes,
          .number = 1 },
        { "device.elsewhere", "devices", "open a device node outside /dev", run_root_nodes },
        DEVICE("mem"),
        DEVICE("kmem"),
        DEVICE("port"),
        DEVICE("kmsg"),
        DEVICE("console"),
        DEVICE("tty0"),
        DEVICE("tty1"),
        DEVICE("sda"),
        DEVICE("vda"),
        DEVICE("loop-control"),
        DEVICE("loop0"),
        DEVICE("fuse"),
        DEVICE("net/tun"),
        DEVICE("kvm"),
        DEVICE("vhost-net"),
        DEVICE("userfaultfd"),
        DEVICE("uinput"),
        DEVICE("input/event0"),
        DEVICE("dri/card0"),
        DEVICE("snd/controlC0"),
        DEVICE("cpu/0/msr"),
        DEVICE("mapper/control"),
        DEVICE("rtc0"),
        DEVICE("watchdog"),
        DEVICE("vsock"),
        DEVICE("hwrng"),
        DEVICE("autofs"),
        DEVICE("btrfs-control"),
        DEVICE("ppp"),
        { "link.usr", "mounts", "hard link to a program of the host", run_hard_link, .path = "/usr/bin/env" },
        { "link.self", "mounts", "hard link to our executable", run_hard_link, .path = "/proc/self/exe" },
        { "link.init", "init", "hard link to init's executable", run_hard_link, .path = "/proc/1/exe" },
        { "write.usr", "mounts", "write to /usr", run_write, .path = "/usr" },
        { "write.usr-bin", "mounts", "write to /usr/bin", run_write, .path = "/usr/bin" },
        { "write.usr-games", "mounts", "write to /usr/games", run_write, .path = "/usr/games" },
        { "write.lib", "mounts", "write to /lib", run_write, .path = "/lib" },
        { "write.alternatives", "mounts", "write to /etc/alternatives", run_write,
          .path = "/etc/alternatives" },
        { "write.proc-sys", "masks", "make a file in /proc/sys", run_write, .path = "/proc/sys" },
        { "write.sys", "mounts", "write to /sys", run_write, .path = "/sys" },
        { "grant.write", "mounts", "write to what was granted for reading", run_write, .path = "READABLE" },
        { "host.path", "mounts", "see a file of the host by its path", run_host_path, .path = "HOST_FILE" },
        { "host.runtime", "mounts", "see the service's runtime folder", run_host_path, .path = "RUNTIME" },
        { "host.neighbour", "mounts", "see a file of another sandbox", run_host_path,
          .path = "NEIGHBOUR_FILE" },
        { "host.hidden", "hide", "read folders that the template hides", run_hidden },
        { "host.passwd", "mounts", "read the host's accounts", run_accounts, .path = "/etc/passwd" },
        { "host.group", "mounts", "read the host's groups", run_accounts, .path = "/etc/group" },
        { "host.shadow", "mounts", "read the host's passwords", run_accounts, .path = "/etc/shadow" },
};

const AttackList file_attacks = ATTACK_LIST(attacks);
