/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Init, which is not ours to touch, and processes of other users in the same sandbox
 */
#include <dirent.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tests/attacks/probe.h"

/* attack->path is "init" or "foreign". 0, with the result set, if there is none. */
static pid_t get_target(const Attack *attack, Result *result) {
        pid_t pid = strcmp(attack->path, "init") == 0 ? 1 : find_foreign();

        if (pid == 0)
                result_set(result, OUTCOME_ABSENT, 0, "there is no process of another user");
        return pid;
}

static void run_signal(const Attack *attack, Result *result) {
        pid_t pid = get_target(attack, result);

        /* The right to send one is that to send any, and signal 0 ends nobody. */
        if (pid > 0)
                result_judge(result, kill(pid, 0));
}

static void run_pidfd_signal(const Attack *attack, Result *result) {
        pid_t pid = get_target(attack, result);
        int fd = pid > 0 ? (int) syscall(SYS_pidfd_open, pid, 0) : -1;

        if (pid > 0)
                result_judge(result, fd < 0 ? -1 : syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0));
}

static void run_pidfd_getfd(const Attack *attack, Result *result) {
        pid_t pid = get_target(attack, result);
        int fd = pid > 0 ? (int) syscall(SYS_pidfd_open, pid, 0) : -1;

        if (pid > 0)
                result_judge(result, fd < 0 ? -1 : syscall(SYS_pidfd_getfd, fd, 0, 0));
}

static void run_ptrace(const Attack *attack, Result *result) {
        pid_t pid = get_target(attack, result);
        long r;

        if (pid <= 0)
                return;
        r = ptrace((enum __ptrace_request) attack->number, pid, NULL, NULL);
        result_judge(result, r);
        if (r >= 0)
                (void) ptrace(PTRACE_DETACH, pid, NULL, NULL);
}

static void run_process_vm(const Attack *attack, Result *result) {
        pid_t pid = get_target(attack, result);
        char byte;
        struct iovec here = { &byte, 1 }, there = { (void *) (uintptr_t) 0x400000, 1 };

        if (pid > 0)
                result_judge(result, syscall(attack->number, pid, &here, 1, &there, 1, 0));
}

static void run_kcmp(const Attack *attack, Result *result) {
        pid_t pid = get_target(attack, result);

        if (pid > 0)
                result_judge(result, syscall(SYS_kcmp, getpid(), pid, KCMP_VM, 0, 0));
}

static void run_pages(const Attack *attack, Result *result) {
        pid_t pid = get_target(attack, result);
        unsigned long node = 1;

        if (pid <= 0)
                return;
        result_judge(result, attack->number == SYS_move_pages
                                     ? syscall(SYS_move_pages, pid, 0, NULL, NULL, NULL, 0)
                                     : syscall(SYS_migrate_pages, pid, sizeof node * 8 + 1, &node, &node));
}

static void run_rlimit(const Attack *attack, Result *result) {
        pid_t pid = get_target(attack, result);
        struct rlimit limit;

        if (pid > 0)
                result_judge(result, prlimit(pid, RLIMIT_NOFILE, NULL, &limit));
}

static void run_priority(const Attack *attack, Result *result) {
        pid_t pid = get_target(attack, result);

        if (pid > 0)
                result_judge(result, setpriority(PRIO_PROCESS, (id_t) pid, 1));
}

static void run_affinity(const Attack *attack, Result *result) {
        pid_t pid = get_target(attack, result);
        cpu_set_t all;

        if (pid <= 0)
                return;
        (void) sched_getaffinity(0, sizeof all, &all);
        result_judge(result, sched_setaffinity(pid, sizeof all, &all));
}

static void run_scheduler(const Attack *attack, Result *result) {
        pid_t pid = get_target(attack, result);
        struct sched_param param = { 0 };

        if (pid > 0)
                result_judge(result, sched_setscheduler(pid, SCHED_BATCH, &param));
}

static void run_io_priority(const Attack *attack, Result *result) {
        pid_t pid = get_target(attack, result);

        if (pid > 0)
                result_judge(result, syscall(SYS_ioprio_set, 1, pid, 3 << 13));
}

static void run_robust_list(const Attack *attack, Result *result) {
        pid_t pid = get_target(attack, result);
        void *head;
        size_t size;

        if (pid > 0)
                result_judge(result, syscall(SYS_get_robust_list, pid, &head, &size));
}

/* Opens /proc/PID/<file>; attack->arguments[0] holds its name, attack->number the flags. */
static void run_open(const Attack *attack, Result *result) {
        pid_t pid = get_target(attack, result);
        char path[128], names[1024], byte;
        int fd;

        if (pid <= 0)
                return;
        (void) snprintf(path, sizeof path, "/proc/%d/%s", (int) pid, (const char *) attack->arguments[0]);
        fd = open(path, (int) attack->number | O_CLOEXEC | O_NONBLOCK);
        /* Some are opened by anybody and refuse to be read. */
        /* That it opens says nothing, nor do "." and "..". */
        if (fd >= 0 && (attack->number & O_DIRECTORY)) {
                long n = syscall(SYS_getdents64, fd, names, sizeof names);

                result_judge(result, n);
                if (n >= 0 && n <= 48)
                        result_set(result, OUTCOME_REFUSED, 0, "it is empty");
                return;
        }
        if (fd >= 0 && (attack->number & O_ACCMODE) == O_RDONLY &&
            !(attack->number & (O_PATH | O_DIRECTORY)) && read(fd, &byte, 1) <= 0) {
                result_set(result, OUTCOME_REFUSED, errno, "it opens and says nothing");
                return;
        }
        result_judge_path(result, fd);
}

static void run_link(const Attack *attack, Result *result) {
        pid_t pid = get_target(attack, result);
        char path[128], target[128];

        if (pid <= 0)
                return;
        (void) snprintf(path, sizeof path, "/proc/%d/%s", (int) pid, (const char *) attack->arguments[0]);
        result_judge_path(result, readlink(path, target, sizeof target));
}

/* Asking for what it has: who may do that may make it the first to be killed. */
static void run_oom(const Attack *attack, Result *result) {
        pid_t pid = get_target(attack, result);
        char path[64], text[32];
        long n;
        int fd;

        if (pid <= 0)
                return;
        (void) snprintf(path, sizeof path, "/proc/%d/oom_score_adj", (int) pid);
        n = read_text(path, text, sizeof text);
        fd = open(path, O_WRONLY | O_CLOEXEC);
        result_judge_path(result, fd < 0 ? -1 : write(fd, text, n > 0 ? (size_t) n : 0));
}

/* The names of its descriptors may be listed by its own user; what they are may not be opened. */
static void run_descriptors(const Attack *attack, Result *result) {
        pid_t pid = get_target(attack, result);

        if (pid <= 0)
                return;
        result_set(result, OUTCOME_REFUSED, 0, "none of 256");
        for (int i = 0; i < 256; i++) {
                char path[64];
                int fd;

                (void) snprintf(path, sizeof path, "/proc/%d/fd/%d", (int) pid, i);
                fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
                if (fd < 0 && errno == ENXIO)
                        result_set(result, OUTCOME_THROUGH, ENXIO, "%s is a socket", path);
                else if (fd >= 0)
                        result_set(result, OUTCOME_THROUGH, 0, "%s", path);
        }
}

/* ETXTBSY is no refusal, since that of a program that has ended would be open to us; but it comes before the
 * mount's own. */
static bool is_read_only(const char *path) {
        struct statvfs status;

        return statvfs(path, &status) == 0 && (status.f_flag & ST_RDONLY);
}

/* The way of CVE-2019-5736: whatever runs the container is the executable of some process. */
static void run_overwrite(const Attack *attack, Result *result) {
        DIR *folder = opendir("/proc");

        (void) attack;
        result_set(result, OUTCOME_REFUSED, 0, "no executable can be written");
        for (struct dirent *entry; folder && (entry = readdir(folder));) {
                char path[300];

                if (entry->d_name[0] < '0' || (entry->d_name[0] > '9' && strcmp(entry->d_name, "self") != 0))
                        continue;
                (void) snprintf(path, sizeof path, "/proc/%s/exe", entry->d_name);
                if (open(path, O_WRONLY | O_CLOEXEC) >= 0 || (errno == ETXTBSY && !is_read_only(path)))
                        result_set(result, OUTCOME_THROUGH, 0, "%s", path);
        }
        if (folder)
                (void) closedir(folder);
}

static void run_overwrite_later(const Attack *attack, Result *result) {
        char path[64];
        int fd = open("/proc/1/exe", O_PATH | O_CLOEXEC);

        (void) attack;
        (void) snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        result_judge_path(result, fd < 0 ? -1 : open(path, O_WRONLY | O_CLOEXEC));
}

/* Every process's root and current folder lead to our own root, or nowhere. */
static void run_magic_roots(const Attack *attack, Result *result) {
        DIR *folder = opendir("/proc");
        struct stat own, other;

        (void) stat("/", &own);
        result_set(result, OUTCOME_REFUSED, 0, "only our own root");
        for (struct dirent *entry; folder && (entry = readdir(folder));) {
                char path[300];

                if (entry->d_name[0] < '0' || entry->d_name[0] > '9')
                        continue;
                (void) snprintf(path, sizeof path, "/proc/%s/%s", entry->d_name, attack->path);
                if (stat(path, &other) == 0 && (other.st_dev != own.st_dev || other.st_ino != own.st_ino))
                        result_set(result, OUTCOME_THROUGH, 0, "%.100s is another folder", path);
        }
        if (folder)
                (void) closedir(folder);
}

/* What was open at our first instruction, beyond 0, 1 and 2. The attempt's own are made later. */
static void run_leaked(const Attack *attack, Result *result) {
        (void) attack;
        result_set(result, OUTCOME_REFUSED, 0, "0, 1 and 2 only");
        for (int fd = 3; fd < 4096; fd++) {
                char path[64], target[128];
                ssize_t size;

                (void) snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
                size = readlink(path, target, sizeof target - 1);
                if (size >= 0)
                        result_set(result, OUTCOME_THROUGH, 0, "%d is %.*s", fd, (int) size, target);
        }
}

/* The way of CVE-2024-21626: a folder of the host by an inherited descriptor. */
static void run_descriptor_escape(const Attack *attack, Result *result) {
        struct stat own, up;

        (void) attack;
        (void) stat("/", &own);
        result_set(result, OUTCOME_REFUSED, 0, "no folder among them");
        for (int fd = 0; fd < 256; fd++) {
                if (fchdir(fd) < 0)
                        continue;
                for (int i = 0; i < 64; i++)
                        (void) !chdir("..");
                if (stat(".", &up) == 0 && (up.st_dev != own.st_dev || up.st_ino != own.st_ino))
                        result_set(result, OUTCOME_THROUGH, 0, "descriptor %d leads out", fd);
        }
}

static void run_session(const Attack *attack, Result *result) {
        (void) attack;
        result_through_if(result, getsid(0) == 0 || getpgrp() == 0,
                          "our session is led by a process outside");
}

static void run_terminal(const Attack *attack, Result *result) {
        (void) attack;
        if (getenv("PROBE_TERMINAL"))
                result_set(result, OUTCOME_ABSENT, 0, "we were given a terminal");
        else
                result_judge_path(result, open("/dev/tty", O_RDWR | O_CLOEXEC));
}

static void run_seen(const Attack *attack, Result *result) {
        (void) attack;
        result_through_if(result, find_visible() > 0, "it is in /proc");
}

/* Of everything that we may signal, nothing may be outside. */
static void run_signal_all(const Attack *attack, Result *result) {
        (void) attack;
        result_through_if(result, kill(-1, 0) == 0 && getppid() == 0, "all processes of another namespace");
}

#define INIT(id_, what_, run_, ...)                                                                          \
        {                                                                                                    \
                .id = "init." id_, .wall = "init", .what = what_ " of init", .run = run_, .path = "init",    \
                __VA_ARGS__                                                                                  \
        }
#define FOREIGN(id_, what_, run_, ...)                                                                       \
        {                                                                                                    \
                .id = "foreign." id_, .wall = "privileges", .what = what_ " of another user's process",      \
                .run = run_, .path = "foreign", __VA_ARGS__                                                  \
        }
#define FILE_OF(name, flags) .number = flags, .arguments = { (unsigned long) (name) }

static const Attack attacks[] = {
        INIT("signal", "the end", run_signal),
        INIT("pidfd-signal", "the end, by pidfd,", run_pidfd_signal),
        INIT("pidfd-getfd", "a descriptor", run_pidfd_getfd),
        INIT("ptrace-attach", "control", run_ptrace, .number = PTRACE_ATTACH),
        INIT("ptrace-seize", "quiet control", run_ptrace, .number = PTRACE_SEIZE),
        INIT("vm-read", "the memory", run_process_vm, .number = SYS_process_vm_readv),
        INIT("vm-write", "the memory, for writing,", run_process_vm, .number = SYS_process_vm_writev),
        INIT("kcmp", "the order of kernel objects", run_kcmp),
        INIT("move-pages", "the places of pages", run_pages, .number = SYS_move_pages),
        INIT("migrate-pages", "the nodes of pages", run_pages, .number = SYS_migrate_pages),
        INIT("rlimit", "the resource limits", run_rlimit),
        INIT("priority", "the priority", run_priority),
        INIT("affinity", "the processors", run_affinity),
        INIT("scheduler", "the scheduler", run_scheduler),
        INIT("io-priority", "the I/O priority", run_io_priority),
        INIT("robust-list", "the futex list", run_robust_list),
        INIT("mem", "the memory file", run_open, FILE_OF("mem", O_RDWR)),
        INIT("exe", "the executable", run_open, FILE_OF("exe", O_RDONLY)),
        INIT("exe-write", "the executable, for writing,", run_open, FILE_OF("exe", O_WRONLY)),
        INIT("exe-path", "a path descriptor of the executable", run_open, FILE_OF("exe", O_PATH)),
        INIT("root", "the root", run_open, FILE_OF("root", O_PATH)),
        INIT("cwd", "the current folder", run_open, FILE_OF("cwd", O_PATH)),
        INIT("environ", "the environment", run_open, FILE_OF("environ", O_RDONLY)),
        INIT("auxv", "the auxiliary vector", run_open, FILE_OF("auxv", O_RDONLY)),
        INIT("maps", "the memory map", run_open, FILE_OF("maps", O_RDONLY)),
        INIT("pagemap", "the page map", run_open, FILE_OF("pagemap", O_RDONLY)),
        INIT("clear-refs", "the reference bits", run_open, FILE_OF("clear_refs", O_WRONLY)),
        INIT("stack", "the kernel stack", run_open, FILE_OF("stack", O_RDONLY)),
        INIT("syscall", "the system call and registers", run_open, FILE_OF("syscall", O_RDONLY)),
        INIT("personality", "the personality", run_open, FILE_OF("personality", O_RDONLY)),
        INIT("io", "the I/O counts", run_open, FILE_OF("io", O_RDONLY)),
        INIT("oom", "the OOM score", run_oom),
        INIT("coredump-filter", "the core dump filter", run_open, FILE_OF("coredump_filter", O_WRONLY)),
        INIT("map-files", "the mapped files", run_open, FILE_OF("map_files", O_RDONLY | O_DIRECTORY)),
        INIT("fds", "the descriptors", run_descriptors),
        INIT("link-exe", "the path of the executable", run_link, FILE_OF("exe", 0)),
        INIT("link-ns", "the user namespace's number", run_link, FILE_OF("ns/user", 0)),
        FOREIGN("signal", "the end", run_signal),
        FOREIGN("pidfd-getfd", "a descriptor", run_pidfd_getfd),
        FOREIGN("ptrace", "control", run_ptrace, .number = PTRACE_SEIZE),
        FOREIGN("vm-read", "the memory", run_process_vm, .number = SYS_process_vm_readv),
        FOREIGN("mem", "the memory file", run_open, FILE_OF("mem", O_RDWR)),
        FOREIGN("environ", "the environment", run_open, FILE_OF("environ", O_RDONLY)),
        FOREIGN("root", "the root", run_open, FILE_OF("root", O_PATH)),
        FOREIGN("fds", "the descriptors", run_descriptors),
        FOREIGN("rlimit", "the resource limits", run_rlimit),
        FOREIGN("priority", "the priority", run_priority),
        FOREIGN("affinity", "the processors", run_affinity),
        FOREIGN("move-pages", "the places of pages", run_pages, .number = SYS_move_pages),
        FOREIGN("oom", "the OOM score", run_oom),
        { "foreign.seen", "masks", "see another user's process", run_seen },
        { "exe.overwrite", "mounts", "write to any executable that runs", run_overwrite },
        { "exe.overwrite-later", "init", "write to init's executable once it has ended",
          run_overwrite_later },
        { "magic.root", "mounts", "leave by some process's root", run_magic_roots, .path = "root" },
        { "fd.leaked", "descriptors", "find a descriptor that was not given to us", run_leaked },
        { "fd.escape", "descriptors", "leave by a folder that is open", run_descriptor_escape },
        { "session.leader", "session", "be in a session of the host", run_session },
        { "session.terminal", "session", "have the terminal of who started us", run_terminal },
        { "pid.signal-all", "namespaces", "signal all processes of the host", run_signal_all },
};

const AttackList process_attacks = ATTACK_LIST(attacks);
