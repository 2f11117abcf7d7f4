/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which walls this kernel gives: docs/security.md says what each is good for
 *
 * A wall is tried, not looked up, where that changes nothing: in namespaces that go with the process that
 * made them, or with arguments that the kernel refuses after it has said whether it knows the call.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/doctor-private.h"
#include "util/cgroup.h"
#include "util/cleanup.h"
#include "util/fs.h"

/* Of Linux 6.5; some headers do not have it. */
#define FLAG_BENEATH 0x200u

static void check_seccomp(Doctor *doctor) {
        /* Without a filter to look at, a kernel that has filters says EFAULT. */
        bool has = prctl(PR_SET_SECCOMP, 2 /* SECCOMP_MODE_FILTER */, NULL, 0, 0) < 0 && errno == EFAULT;

        doctor_tell(
                doctor, "seccomp", has ? FITNESS_OK : FITNESS_LIMITED,
                g_strdup(has ? "system calls can be filtered" : "the kernel has no filters of system calls"),
                "CONFIG_SECCOMP_FILTER=y; without it no sandbox with Seccomp=default starts");
}

static void check_landlock(Doctor *doctor) {
        long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

        doctor_tell(
                doctor, "Landlock", version > 0 ? FITNESS_OK : FITNESS_LIMITED,
                version > 0 ? g_strdup_printf("version %ld", version) : g_strdup("is not in force"),
                "CONFIG_SECURITY_LANDLOCK=y, and landlock in lsm= on the kernel's command line; it confines "
                "our own helpers");
}

static void check_apparmor(Doctor *doctor) {
        g_autofree char *text = NULL;
        bool has = g_file_get_contents("/sys/module/apparmor/parameters/enabled", &text, NULL, NULL) &&
                   text[0] == 'Y';

        doctor_tell(
                doctor, "AppArmor", has ? FITNESS_OK : FITNESS_LIMITED,
                g_strdup(has ? "is in force" : "is not in this kernel, or switched off"),
                "CONFIG_SECURITY_APPARMOR=y, and apparmor in lsm= on the kernel's command line; it is a second "
                "wall behind others");
}

static void check_devices(Doctor *doctor) {
        g_autoptr(CgroupHost) host = NULL;
        bool is_v1, is_v2;

        if (cgroup_host_new("/proc/self/mountinfo", "/proc/self/cgroup", &host, NULL) < 0)
                return; /* "control groups" has said it */
        is_v1 = cgroup_host_has_controller(host, "devices");
        is_v2 = !is_v1 && cgroup_host_get_layout(host) == CGROUP_UNIFIED;
        doctor_tell(doctor, "list of devices", is_v1 || is_v2 ? FITNESS_OK : FITNESS_MISSING,
                    g_strdup(is_v1   ? "by the control group of version 1"
                             : is_v2 ? "by a BPF program, as version 2 has it"
                                     : "no control group of devices is mounted"),
                    "CONFIG_CGROUP_DEVICE=y, or on version 2 CONFIG_CGROUP_BPF=y");
}

static void check_time(Doctor *doctor) {
        bool has = access("/proc/self/ns/time", F_OK) == 0;

        doctor_tell(doctor, "time namespaces", has ? FITNESS_OK : FITNESS_LIMITED,
                    g_strdup(has ? "can be made" : "are unknown"), "CONFIG_TIME_NS=y, from Linux 5.6 on");
}

/* ---- mounts ---- */

static int mount_beneath(void) {
        (void) syscall(SYS_move_mount, -1, "", -1, "", FLAG_BENEATH | MOVE_MOUNT_F_EMPTY_PATH);
        return errno == EINVAL || errno == ENOSYS ? errno : 0; /* a known flag: EBADF or ENOENT */
}

static void check_beneath(Doctor *doctor) {
        bool has = doctor_try_inside(CLONE_NEWUSER | CLONE_NEWNS, mount_beneath) == 0;

        doctor_tell(doctor, "mounts beneath", has ? FITNESS_OK : FITNESS_LIMITED,
                    g_strdup(has ? "a granted path is exchanged without a gap" : "are unknown"),
                    "Linux 6.5; without it a path that is granted anew is bare for some microseconds");
}

static int mount_overlay(void) {
        return mount("overlay", "/", "overlay", 0, "lowerdir=/usr:/etc") < 0 ? errno : 0;
}

static void check_overlay(Doctor *doctor) {
        int r = doctor_try_inside(CLONE_NEWUSER | CLONE_NEWNS, mount_overlay);

        doctor_tell(doctor, "overlayfs inside", r < 0 ? FITNESS_LIMITED : FITNESS_OK,
                    r < 0 ? g_strdup_printf("not in a user namespace: %s", g_strerror(-r))
                          : g_strdup("can be mounted in a user namespace"),
                    "Linux 5.11; sandboxes do without, since their overlay is mounted outside");
}

/* A user namespace with a map, held by a process of its own. Returns its descriptor or a negative errno. */
static int open_user_namespace(void) {
        int fds[2], r = 0;
        char path[64], byte;
        pid_t pid;

        if (pipe2(fds, O_CLOEXEC) < 0)
                return -errno;
        pid = fork();
        if (pid == 0) {
                (void) close(fds[0]);
                byte = unshare(CLONE_NEWUSER) < 0 ? (char) errno : 0;
                (void) !write(fds[1], &byte, 1);
                (void) pause();
                _exit(EXIT_FAILURE);
        }
        (void) close(fds[1]);
        if (pid < 0)
                r = -errno;
        else if (read(fds[0], &byte, 1) != 1 || byte != 0)
                r = -EPERM;
        (void) close(fds[0]);
        if (r >= 0) {
                (void) snprintf(path, sizeof path, "/proc/%d/uid_map", (int) pid);
                r = fs_write_file_at(AT_FDCWD, path, "0 100000 65536\n");
        }
        if (r >= 0) {
                (void) snprintf(path, sizeof path, "/proc/%d/gid_map", (int) pid);
                r = fs_write_file_at(AT_FDCWD, path, "0 100000 65536\n");
        }
        if (r >= 0) {
                (void) snprintf(path, sizeof path, "/proc/%d/ns/user", (int) pid);
                r = open(path, O_RDONLY | O_CLOEXEC);
                r = r < 0 ? -errno : r;
        }
        if (pid > 0) {
                (void) kill(pid, SIGKILL);
                (void) waitpid(pid, NULL, 0);
        }
        return r;
}

/* On a mount that nobody sees. */
static int map_ids(const char *path, int namespace_fd) {
        autofd int fd = open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
        struct mount_attr attr = { .attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t) namespace_fd };

        if (fd < 0)
                return -errno;
        return mount_setattr(fd, "", AT_EMPTY_PATH, &attr, sizeof attr) < 0 ? -errno : 0;
}

/* The nearest folder above that is there. Caller frees. */
static char *find_existing(const char *path) {
        char *found = g_strdup(path);

        while (access(found, F_OK) < 0 && strcmp(found, "/") != 0) {
                char *above = g_path_get_dirname(found);

                g_free(found);
                found = above;
        }
        return found;
}

static void check_idmaps(Doctor *doctor) {
        static const char advice[] =
                "a kernel from 5.12 on, and file systems that know idmapped mounts: ext4, xfs, "
                "btrfs, f2fs, squashfs, erofs, and tmpfs from 6.3 on";
        g_autofree char *state = find_existing(doctor_get_places(doctor)->state_folder);
        const char *const paths[] = { "/usr", "/home", "/tmp", state };
        g_autoptr(GString) works = g_string_new(NULL), fails = g_string_new(NULL);
        autofd int namespace_fd = -EBADF;
        dev_t seen[G_N_ELEMENTS(paths)];
        size_t n_seen = 0;

        if (geteuid() != 0) {
                /* A descriptor that is none is not looked at by a kernel that does not know the call. */
                bool has = syscall(SYS_mount_setattr, -1, "", 0, NULL, 0) < 0 && errno != ENOSYS;

                doctor_tell(doctor, "idmapped mounts", has ? FITNESS_OK : FITNESS_LIMITED,
                            g_strdup(has ? "mount_setattr(2) is there; root can try it"
                                         : "mount_setattr(2) is unknown"),
                            advice);
                return;
        }
        namespace_fd = open_user_namespace();
        for (size_t i = 0; i < G_N_ELEMENTS(paths); i++) {
                struct stat st;
                bool is_seen = stat(paths[i], &st) < 0;
                GString *list;

                for (size_t j = 0; j < n_seen; j++)
                        is_seen |= seen[j] == st.st_dev;
                if (is_seen)
                        continue;
                seen[n_seen++] = st.st_dev;
                list = namespace_fd >= 0 && map_ids(paths[i], namespace_fd) >= 0 ? works : fails;
                g_string_append_printf(list, "%s%s", list->len > 0 ? ", " : "", paths[i]);
        }
        doctor_tell(doctor, "idmapped mounts", fails->len > 0 ? FITNESS_LIMITED : FITNESS_OK,
                    g_strdup_printf("%s%s%s%s", works->len > 0 ? "on the file system of " : "", works->str,
                                    fails->len > 0 ? works->len > 0 ? "; not on that of "
                                                                    : "not on the file system of "
                                                   : "",
                                    fails->str),
                    advice);
}

void doctor_check_walls(Doctor *doctor) {
        check_seccomp(doctor);
        check_devices(doctor);
        check_idmaps(doctor);
        check_time(doctor);
        check_beneath(doctor);
        check_overlay(doctor);
        check_landlock(doctor);
        check_apparmor(doctor);
}
