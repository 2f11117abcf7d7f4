/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Changing what is mounted, by the old calls and the new ones, and what the mounts that are there allow
 */
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/attacks/probe.h"

#define NR_open_tree      428
#define NR_move_mount     429
#define NR_fsopen         430
#define NR_fsconfig       431
#define NR_fsmount        432
#define NR_fspick         433
#define NR_mount_setattr  442
#define NR_open_tree_attr 467

#define POINTER(p) ((unsigned long) (p))
#define CWD        ((unsigned long) AT_FDCWD)

/* struct mount_attr, which some headers have and some do not: clears the read-only flag. */
static const unsigned long clear_read_only[4] = { 0, 1 /* MOUNT_ATTR_RDONLY */, 0, 0 };

/* ---- what is mounted ---- */

typedef struct MountLine {
        const char *target, *options, *tags, *type;
} MountLine;

/* Splits a line of proc_pid_mountinfo(5). */
static bool parse_line(char *line, MountLine *ret) {
        char *fields[6], *rest = line, *dash = strstr(line, " - ");

        if (!dash)
                return false;
        *dash = '\0';
        for (size_t i = 0; i < 6; i++) {
                fields[i] = strsep(&rest, " ");
                if (!fields[i])
                        return false;
        }
        dash += 3;
        *ret = (MountLine){
                .target = fields[4], .options = fields[5], .tags = rest ?: "", .type = strsep(&dash, " ")
        };
        return true;
}

static bool has_option(const char *options, const char *option) {
        size_t size = strlen(option);

        for (const char *at = options; (at = strstr(at, option)); at += size)
                if ((at == options || at[-1] == ',') && (at[size] == ',' || at[size] == '\0'))
                        return true;
        return false;
}

/* A node in /dev has to be without nodev, and so has the file system of terminals. */
static bool is_device(const MountLine *line) {
        struct stat status;

        return strcmp(line->type, "devpts") == 0 ||
               (strncmp(line->target, "/dev/", 5) == 0 && stat(line->target, &status) == 0 &&
                S_ISCHR(status.st_mode));
}

static bool lacks_flags(const MountLine *line) {
        return !has_option(line->options, "nosuid") ||
               (!has_option(line->options, "nodev") && !is_device(line));
}

/* A slave would show what the host mounts later. */
static bool is_slave(const MountLine *line) {
        return strstr(line->tags, "master:") || strstr(line->tags, "propagate_from:");
}

static bool is_cgroup(const MountLine *line) {
        return strncmp(line->type, "cgroup", 6) == 0 && !has_option(line->options, "ro");
}

static bool is_disk_or_debug(const MountLine *line) {
        static const char *const types[] = { "debugfs", "tracefs",     "securityfs", "devtmpfs",
                                             "bpf",     "pstore",      "efivarfs",   "configfs",
                                             "fusectl", "binfmt_misc", "selinuxfs" };
        struct stat status;

        /* A single device node is the host's, of its devtmpfs. */
        if (strcmp(line->type, "devtmpfs") == 0 && stat(line->target, &status) == 0 &&
            S_ISCHR(status.st_mode))
                return false;
        for (size_t i = 0; i < sizeof types / sizeof *types; i++)
                if (strcmp(line->type, types[i]) == 0)
                        return true;
        return false;
}

static void look_at_mounts(Result *result, bool (*is_bad)(const MountLine *line)) {
        FILE *file = fopen("/proc/self/mountinfo", "re");
        unsigned n = 0;
        char *line = NULL;
        size_t size = 0;

        if (!file) {
                result_judge_path(result, -1);
                return;
        }
        result_set(result, OUTCOME_REFUSED, 0, "none of the mounts");
        for (; getline(&line, &size, file) > 0; n++) {
                MountLine mount;

                if (parse_line(line, &mount) && is_bad(&mount)) {
                        result_set(result, OUTCOME_THROUGH, 0, "%.100s, %.20s, %.60s", mount.target,
                                   mount.type, mount.options);
                        break;
                }
        }
        (void) fclose(file);
        free(line);
        if (n == 0 && result->outcome == OUTCOME_REFUSED)
                result_set(result, OUTCOME_BROKEN, 0, "there are no mounts at all");
}

static void run_flags(const Attack *attack, Result *result) {
        (void) attack;
        look_at_mounts(result, lacks_flags);
}

static void run_propagation(const Attack *attack, Result *result) {
        (void) attack;
        look_at_mounts(result, is_slave);
}

static void run_cgroup(const Attack *attack, Result *result) {
        (void) attack;
        look_at_mounts(result, is_cgroup);
}

static void run_kernel_file_systems(const Attack *attack, Result *result) {
        (void) attack;
        look_at_mounts(result, is_disk_or_debug);
}

/* ---- out of the root ---- */

/* The classic: a root below the current folder, then up and up. */
static void run_chroot_escape(const Attack *attack, Result *result) {
        struct stat before, after;

        (void) attack;
        (void) stat("/", &before);
        (void) mkdir("/tmp/probe-root", 0755);
        if (chdir("/tmp") < 0 || syscall(SYS_chroot, "/tmp/probe-root") < 0) {
                result_judge(result, -1);
                return;
        }
        for (int i = 0; i < 64; i++)
                (void) !chdir("..");
        (void) !syscall(SYS_chroot, ".");
        result_through_if(result, stat("/", &after) == 0, "a root of our own choice");
}

static void run_dotdot(const Attack *attack, Result *result) {
        struct stat root, up;

        (void) attack;
        for (int i = 0; i < 64; i++)
                (void) !chdir("..");
        if (stat("/", &root) < 0 || stat(".", &up) < 0)
                result_set(result, OUTCOME_BROKEN, errno, "%s", strerror(errno));
        else
                result_through_if(result, root.st_dev != up.st_dev || root.st_ino != up.st_ino,
                                  "above the root");
}

#define MOUNT(id_, what_, number_, ...)                                                                      \
        {                                                                                                    \
                .id = id_, .wall = "seccomp", .what = what_, .run = run_call, .number = number_,             \
                .arguments = {                                                                               \
                        __VA_ARGS__                                                                          \
                }                                                                                            \
        }

static const Attack attacks[] = {
        MOUNT("mount.tmpfs", "mount a tmpfs", SYS_mount, POINTER("none"), POINTER("/tmp"), POINTER("tmpfs"),
              0, 0),
        MOUNT("mount.proc", "mount a proc without masks", SYS_mount, POINTER("none"), POINTER("/tmp"),
              POINTER("proc"), 0, 0),
        MOUNT("mount.sysfs", "mount a sysfs for writing", SYS_mount, POINTER("none"), POINTER("/tmp"),
              POINTER("sysfs"), 0, 0),
        MOUNT("mount.cgroup", "mount control groups", SYS_mount, POINTER("none"), POINTER("/tmp"),
              POINTER("cgroup"), 0, POINTER("memory")),
        MOUNT("mount.cgroup2", "mount the unified control groups", SYS_mount, POINTER("none"),
              POINTER("/tmp"), POINTER("cgroup2"), 0, 0),
        MOUNT("mount.devpts", "mount a devpts", SYS_mount, POINTER("none"), POINTER("/tmp"),
              POINTER("devpts"), 0, 0),
        MOUNT("mount.overlay", "mount an overlay", SYS_mount, POINTER("none"), POINTER("/tmp"),
              POINTER("overlay"), 0, POINTER("lowerdir=/usr:/bin")),
        MOUNT("mount.bind", "bind the root over a folder", SYS_mount, POINTER("/"), POINTER("/tmp"), 0,
              MS_BIND, 0),
        MOUNT("mount.remount", "make a read-only mount writable", SYS_mount, 0, POINTER("/usr"), 0,
              MS_REMOUNT | MS_BIND, 0),
        MOUNT("mount.move", "move a mount", SYS_mount, POINTER("/dev/shm"), POINTER("/tmp"), 0, MS_MOVE, 0),
        MOUNT("mount.share", "share a mount with others", SYS_mount, 0, POINTER("/"), 0, MS_SHARED, 0),
        MOUNT("mount.umount", "unmount what covers a path", SYS_umount2, POINTER("/dev/full"), 0),
        MOUNT("mount.detach", "unmount lazily", SYS_umount2, POINTER("/dev/full"), MNT_DETACH),
        MOUNT("mount.pivot-root", "change the root", SYS_pivot_root, POINTER("/"), POINTER("/")),
        MOUNT("mount.chroot", "change our root", SYS_chroot, POINTER("/tmp")),
        MOUNT("mount.fsopen", "open a new file system", NR_fsopen, POINTER("tmpfs"), 0),
        MOUNT("mount.fsconfig", "configure a new file system", NR_fsconfig, -1UL, 6, 0, 0, 0),
        MOUNT("mount.fsmount", "mount a new file system", NR_fsmount, -1UL, 0, 0),
        MOUNT("mount.fspick", "pick a file system that is mounted", NR_fspick, CWD, POINTER("/"), 0),
        MOUNT("mount.open-tree", "open a mount", NR_open_tree, CWD, POINTER("/"), 0),
        MOUNT("mount.open-tree-clone", "clone a mount", NR_open_tree, CWD, POINTER("/"), 1),
        MOUNT("mount.open-tree-attr", "clone a mount with other flags", NR_open_tree_attr, CWD, POINTER("/"),
              1, POINTER(clear_read_only), 32),
        MOUNT("mount.move-mount", "attach a mount", NR_move_mount, -1UL, POINTER(""), CWD, POINTER("/tmp"),
              4),
        MOUNT("mount.setattr", "take a mount's read-only flag away", NR_mount_setattr, CWD, POINTER("/usr"),
              0, POINTER(clear_read_only), 32),
        { "root.chroot", "privileges", "leave a root by a root within", run_chroot_escape },
        { "root.dotdot", "mounts", "go up from the root", run_dotdot },
        { "mount.flags", "mounts", "find a mount with set-id bits or device nodes in force", run_flags },
        { "mount.propagation", "mounts", "see what the host mounts later", run_propagation },
        { "mount.kernel", "mounts", "find debugfs and the like", run_kernel_file_systems },
        { "cgroup.mounted", "cgroup", "find control groups to write to", run_cgroup },
};

const AttackList mount_attacks = ATTACK_LIST(attacks);
