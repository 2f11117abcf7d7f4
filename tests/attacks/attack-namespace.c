/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Namespaces: making new ones, in which we would be root; entering others; and whether ours are the host's
 */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/attacks/probe.h"

#define FOREIGN_MAX   8
#define NEW_TIME      0x00000080
#define NS_GET_PARENT _IO(0xb7, 0x2)
#define NS_GET_USERNS _IO(0xb7, 0x1)

/* ENOSPC is how user.max_user_namespaces = 0 refuses. */
static void judge_new(Result *result, long returned) {
        if (returned < 0 && errno == ENOSPC)
                result_set(result, OUTCOME_REFUSED, ENOSPC, "no user namespace may be made");
        else
                result_judge(result, returned);
}

static void run_unshare(const Attack *attack, Result *result) {
        judge_new(result, unshare((int) attack->number));
}

static void run_clone(const Attack *attack, Result *result) {
        long pid = syscall(SYS_clone, attack->number | SIGCHLD, 0, 0, 0, 0);

        if (pid == 0)
                _exit(EXIT_SUCCESS);
        judge_new(result, pid);
}

static void run_clone3(const Attack *attack, Result *result) {
        unsigned long arguments[11] = { (unsigned long) attack->number, 0, 0, 0, SIGCHLD };
        long pid = syscall(SYS_clone3, arguments, sizeof arguments);

        if (pid == 0)
                _exit(EXIT_SUCCESS);
        judge_new(result, pid);
}

/* Those of init, by every path that may open them. */
static void run_enter_init(const Attack *attack, Result *result) {
        char path[64];
        int fd;

        (void) snprintf(path, sizeof path, "/proc/1/ns/%s", attack->path);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        result_judge_path(result, fd < 0 ? -1 : setns(fd, 0));
}

static void run_enter_own(const Attack *attack, Result *result) {
        int fd = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);

        (void) attack;
        result_judge(result, fd < 0 ? -1 : setns(fd, CLONE_NEWNS));
}

static void run_enter_pidfd(const Attack *attack, Result *result) {
        int fd = (int) syscall(SYS_pidfd_open, 1, 0);

        (void) attack;
        result_judge(result, fd < 0 ? -1 : setns(fd, CLONE_NEWNS | CLONE_NEWNET));
}

/* ioctl_ns(2): the namespace that owns ours, and its parent. */
static void run_parent(const Attack *attack, Result *result) {
        int fd = open("/proc/self/ns/user", O_RDONLY | O_CLOEXEC);

        result_judge(result, fd < 0 ? -1 : ioctl(fd, (unsigned long) attack->number));
}

/* PROBE_NAMESPACES is what readlink(2) says of each on the host, with spaces between. */
static void run_is_hosts(const Attack *attack, Result *result) {
        const char *hosts = given(result, "NAMESPACES");
        char path[64], link[64];
        ssize_t size;

        if (!hosts)
                return;
        (void) snprintf(path, sizeof path, "/proc/self/ns/%s", attack->path);
        size = readlink(path, link, sizeof link - 1);
        if (size < 0) {
                result_judge_path(result, -1);
                return;
        }
        link[size] = '\0';
        result_through_if(result, strstr(hosts, link), link);
}

static void run_map(const Attack *attack, Result *result) {
        int fd = open("/proc/self/uid_map", O_WRONLY | O_CLOEXEC);

        (void) attack;
        result_judge(result, fd < 0 ? -1 : write(fd, "0 0 1", 5));
}

/* Does root inside stand for the host's root? */
static void run_is_root(const Attack *attack, Result *result) {
        char text[256];
        unsigned inside, outside;

        if (read_text(attack->path, text, sizeof text) <= 0 || sscanf(text, "%u %u", &inside, &outside) != 2)
                result_set(result, OUTCOME_BROKEN, 0, "%s cannot be read", attack->path);
        else
                result_through_if(result, outside < 65536, "our ids are those of users of the host");
}

static void run_host_name(const Attack *attack, Result *result) {
        const char *name = given(result, "HOST_NAME");
        struct utsname host;

        (void) attack;
        if (!name)
                return;
        (void) uname(&host);
        result_through_if(result, strcmp(host.nodename, name) == 0, host.nodename);
}

static void run_shared_memory(const Attack *attack, Result *result) {
        const char *key = given(result, "SHM_KEY");
        int id;

        (void) attack;
        if (!key)
                return;
        id = shmget((key_t) strtol(key, NULL, 10), 0, 0);
        if (id < 0 && errno == ENOENT)
                result_set(result, OUTCOME_REFUSED, errno, "%s", strerror(errno));
        else
                result_judge(result, id);
}

/* Those that may not be signalled, and so are another's. A sandbox has one or two of them, a host hundreds.
 */
static void run_see_processes(const Attack *attack, Result *result) {
        unsigned n = 0;

        (void) attack;
        for (pid_t pid = 2; pid < PIDS_MAX; pid++)
                n += kill(pid, 0) < 0 && errno == EPERM;
        result_set(result, n > FOREIGN_MAX ? OUTCOME_THROUGH : OUTCOME_REFUSED, 0, "%u processes of others",
                   n);
}

/* Kernel threads have no executable and 2 is their parent: seen on the host only. */
static void run_see_kernel(const Attack *attack, Result *result) {
        char text[128];

        (void) attack;
        result_through_if(result,
                          read_text("/proc/2/comm", text, sizeof text) > 0 && strcmp(text, "kthreadd\n") == 0,
                          "kernel threads");
}

static void run_cgroup_path(const Attack *attack, Result *result) {
        char text[4096], *rest = text;

        (void) attack;
        if (read_text("/proc/self/cgroup", text, sizeof text) <= 0) {
                result_set(result, OUTCOME_BROKEN, 0, "/proc/self/cgroup cannot be read");
                return;
        }
        result_set(result, OUTCOME_REFUSED, 0, "only roots");
        for (char *line; (line = strsep(&rest, "\n")) && *line;) {
                const char *path = strrchr(line, ':');

                if (path && strstr(path, "bulkhead")) {
                        result_set(result, OUTCOME_THROUGH, 0, "%.150s", line);
                        return;
                }
        }
}

#define UNSHARE(name, flag)                                                                                  \
        {                                                                                                    \
                .id = "unshare." name, .wall = "seccomp",                                                    \
                .what = "unshare: a " name " namespace of our own", .run = run_unshare, .number = flag       \
        }
#define CLONE(name, flag)                                                                                    \
        { "clone." name, "seccomp", "clone: a " name " namespace of our own", run_clone, .number = flag }
#define ENTER(name)                                                                                          \
        { "setns." name, "init", "enter the " name " namespace of init", run_enter_init, .path = name }
#define OWN(name, wall)                                                                                      \
        { "namespace." name, wall, "be in the host's " name " namespace", run_is_hosts, .path = name }

static const Attack attacks[] = {
        UNSHARE("user", CLONE_NEWUSER),
        UNSHARE("mount", CLONE_NEWNS),
        UNSHARE("pid", CLONE_NEWPID),
        UNSHARE("net", CLONE_NEWNET),
        UNSHARE("ipc", CLONE_NEWIPC),
        UNSHARE("uts", CLONE_NEWUTS),
        UNSHARE("cgroup", CLONE_NEWCGROUP),
        UNSHARE("time", NEW_TIME),
        UNSHARE("user+mount", CLONE_NEWUSER | CLONE_NEWNS),
        CLONE("user", CLONE_NEWUSER),
        CLONE("mount", CLONE_NEWNS),
        CLONE("pid", CLONE_NEWPID),
        CLONE("net", CLONE_NEWNET),
        CLONE("ipc", CLONE_NEWIPC),
        CLONE("uts", CLONE_NEWUTS),
        CLONE("cgroup", CLONE_NEWCGROUP),
        CLONE("user+net", CLONE_NEWUSER | CLONE_NEWNET),
        { "clone3.user", "seccomp", "clone3: a user namespace of our own", run_clone3,
          .number = CLONE_NEWUSER },
        { "clone3.plain", "seccomp", "clone3, whose flags no filter can see", run_clone3, .number = 0 },
        ENTER("user"),
        ENTER("mnt"),
        ENTER("pid"),
        ENTER("net"),
        ENTER("ipc"),
        ENTER("uts"),
        ENTER("cgroup"),
        ENTER("time"),
        { "setns.own", "seccomp", "enter our own mount namespace, and so its root", run_enter_own },
        { "setns.pidfd", "seccomp", "enter init's namespaces by its pidfd", run_enter_pidfd },
        { "nsfs.parent", "namespaces", "open the parent of our user namespace", run_parent,
          .number = NS_GET_PARENT },
        { "nsfs.owner", "namespaces", "open the owner of our user namespace", run_parent,
          .number = NS_GET_USERNS },
        OWN("user", "ids"),
        OWN("mnt", "namespaces"),
        OWN("pid", "namespaces"),
        OWN("net", "network"),
        OWN("ipc", "namespaces"),
        OWN("uts", "namespaces"),
        OWN("cgroup", "namespaces"),
        OWN("time", "namespaces"),
        { "ids.map", "ids", "change our map of ids", run_map },
        { "ids.uid", "ids", "be a user of the host", run_is_root, .path = "/proc/self/uid_map" },
        { "ids.gid", "ids", "be in a group of the host", run_is_root, .path = "/proc/self/gid_map" },
        { "uts.host-name", "namespaces", "see the host's name", run_host_name },
        { "ipc.shared-memory", "namespaces", "find the host's shared memory", run_shared_memory },
        { "pid.host", "namespaces", "see processes of the host", run_see_processes },
        { "pid.kernel", "namespaces", "see threads of the kernel", run_see_kernel },
        { "cgroup.path", "namespaces", "see where in the host's control groups we are", run_cgroup_path },
};

const AttackList namespace_attacks = ATTACK_LIST(attacks);
