/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Privileges that we have, could get by executing something, or could take; limits that we could raise
 */
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/attacks/probe.h"

/* Reads the number behind "@name:" in /proc/self/status, hexadecimal if @base is 16. */
static bool read_status(const char *name, int base, uint64_t *ret) {
        char text[8192];
        const char *line;

        if (read_text("/proc/self/status", text, sizeof text) <= 0)
                return false;
        line = strstr(text, name);
        if (!line)
                return false;
        *ret = strtoull(line + strlen(name), NULL, base);
        return true;
}

static void run_set(const Attack *attack, Result *result) {
        uint64_t set;

        if (!read_status(attack->path, 16, &set))
                result_set(result, OUTCOME_BROKEN, 0, "%s is not in /proc/self/status", attack->path);
        else
                result_set(result, set != 0 ? OUTCOME_THROUGH : OUTCOME_REFUSED, 0, "%s %llx", attack->path,
                           (unsigned long long) set);
}

static void run_no_new_privs(const Attack *attack, Result *result) {
        (void) attack;
        result_through_if(result, prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1, "no_new_privs is not set");
}

static void run_unset_no_new_privs(const Attack *attack, Result *result) {
        (void) attack;
        /* EINVAL is how the kernel refuses it for ever. */
        (void) prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0);
        run_no_new_privs(attack, result);
}

static void run_filter(const Attack *attack, Result *result) {
        uint64_t mode;

        (void) attack;
        if (!read_status("Seccomp:", 10, &mode))
                result_set(result, OUTCOME_ABSENT, 0, "the kernel has no seccomp");
        else
                result_through_if(result, mode != 2, "no system call filter is in force");
}

/* attack->number: which; all to an id that is not ours. */
static void run_become(const Attack *attack, Result *result) {
        unsigned id = geteuid() == 0 ? 4321 : 0;

        if (attack->number == SYS_setgroups) {
                gid_t groups[] = { 0, 5 };

                result_judge(result, setgroups(2, groups));
        } else if (attack->number == SYS_setfsuid) {
                (void) setfsuid(id);
                result_through_if(result, (unsigned) setfsuid((uid_t) -1) == id,
                                  "file access as another user");
        } else if (attack->number == SYS_setresuid)
                result_judge(result, syscall(SYS_setresuid, id, id, id));
        else if (attack->number == SYS_setresgid)
                result_judge(result, syscall(SYS_setresgid, id, id, id));
        else
                result_judge(result, syscall(attack->number, id));
}

static void run_capset(const Attack *attack, Result *result) {
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = {
                { .effective = 1u << CAP_SYS_ADMIN, .permitted = 1u << CAP_SYS_ADMIN },
        };

        (void) attack;
        result_judge(result, syscall(SYS_capset, &header, sets));
}

static void run_prctl(const Attack *attack, Result *result) {
        const unsigned long *a = attack->arguments;

        result_judge(result, prctl((int) attack->number, a[0], a[1], a[2], a[3]));
}

/* PROBE_SETID is a copy of this program that is set-uid and set-gid root on the host, or has file
 * capabilities: does it run as another than we are? */
static void run_setid(const Attack *attack, Result *result) {
        const char *path = given(result, attack->path);
        int status = 0;
        pid_t pid;

        if (!path)
                return;
        if (access(path, F_OK) < 0) {
                result_judge_path(result, -1);
                return;
        }
        pid = fork();
        if (pid == 0) {
                (void) execl(path, path, "--who", NULL);
                _exit(errno == EPERM ? 2 : 126);
        }
        if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status) > 2)
                result_set(result, OUTCOME_BROKEN, 0, "%s cannot be executed", path);
        else
                result_through_if(result, WEXITSTATUS(status) == 1, "it runs with more than we have");
}

static void run_rlimit(const Attack *attack, Result *result) {
        struct rlimit limit;

        if (getrlimit((__rlimit_resource_t) attack->number, &limit) < 0)
                result_set(result, OUTCOME_BROKEN, errno, "%s", strerror(errno));
        else if (limit.rlim_max == RLIM_INFINITY)
                result_set(result, OUTCOME_ABSENT, 0, "it has no limit, and others hold");
        else {
                limit.rlim_max++;
                result_judge(result, setrlimit((__rlimit_resource_t) attack->number, &limit));
        }
}

static void run_real_time(const Attack *attack, Result *result) {
        struct sched_param param = { .sched_priority = 1 };

        result_judge(result, sched_setscheduler(0, (int) attack->number, &param));
}

static void run_deadline(const Attack *attack, Result *result) {
        struct {
                uint32_t size, policy;
                uint64_t flags;
                int32_t nice;
                uint32_t priority;
                uint64_t runtime, deadline, period;
        } attributes = {
                .size = 48, .policy = 6, .runtime = 1000000, .deadline = 10000000, .period = 10000000
        };

        (void) attack;
        result_judge(result, syscall(SYS_sched_setattr, 0, &attributes, 0));
}

static void run_nice(const Attack *attack, Result *result) {
        (void) attack;
        result_judge(result, setpriority(PRIO_PROCESS, 0, -20));
}

static void run_io_real_time(const Attack *attack, Result *result) {
        (void) attack;
        result_judge(result, syscall(SYS_ioprio_set, 1, 0, 1 << 13));
}

static void run_oom_immunity(const Attack *attack, Result *result) {
        int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

        (void) attack;
        result_judge_path(result, fd < 0 ? -1 : write(fd, "-1000", 5));
}

/* Where the null pointer of a kernel bug would lead. */
static void run_map_zero(const Attack *attack, Result *result) {
        void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

        (void) attack;
        result_judge(result, p == MAP_FAILED ? -1 : 0);
}

#define SET(id_, name)                                                                                       \
        { "privilege." id_, "privileges", "have Linux capabilities: " id_, run_set, .path = name }
#define BECOME(name, number_)                                                                                \
        { "become." name, "privileges", "become another: " name, run_become, .number = number_ }
#define PRCTL(id_, what_, number_, ...)                                                                      \
        {                                                                                                    \
                .id = "prctl." id_, .wall = "privileges", .what = what_, .run = run_prctl,                   \
                .number = number_, .arguments = {                                                            \
                        __VA_ARGS__                                                                          \
                }                                                                                            \
        }
#define RLIMIT(name, number_)                                                                                \
        { "rlimit." name, "privileges", "raise our own limit: " name, run_rlimit, .number = number_ }

static const Attack attacks[] = {
        SET("permitted", "CapPrm:"),
        SET("effective", "CapEff:"),
        SET("inheritable", "CapInh:"),
        SET("ambient", "CapAmb:"),
        SET("bounding", "CapBnd:"),
        { "privilege.no-new-privs", "no-new-privs", "gain privileges by execution", run_no_new_privs },
        { "privilege.unset", "no-new-privs", "take no_new_privs back", run_unset_no_new_privs },
        { "privilege.filter", "seccomp", "call the kernel without a filter", run_filter },
        BECOME("setuid", SYS_setuid),
        BECOME("setgid", SYS_setgid),
        BECOME("setresuid", SYS_setresuid),
        BECOME("setresgid", SYS_setresgid),
        BECOME("setgroups", SYS_setgroups),
        BECOME("setfsuid", SYS_setfsuid),
        { "privilege.capset", "privileges", "take CAP_SYS_ADMIN", run_capset },
        PRCTL("ambient", "raise an ambient capability", PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_ADMIN),
        PRCTL("bounding", "change the bounding set", PR_CAPBSET_DROP, CAP_NET_ADMIN),
        PRCTL("securebits", "let root keep its rights", PR_SET_SECUREBITS, SECBIT_KEEP_CAPS | SECBIT_NOROOT),
        PRCTL("mm", "move the heap", PR_SET_MM, PR_SET_MM_START_BRK, 0x10000),
        { "setid.program", "no-new-privs", "execute a set-id program", run_setid, .path = "SETID" },
        { "setid.capabilities", "no-new-privs", "execute a program with file capabilities", run_setid,
          .path = "FILECAPS" },
        RLIMIT("files", RLIMIT_NOFILE),
        RLIMIT("processes", RLIMIT_NPROC),
        RLIMIT("locked", RLIMIT_MEMLOCK),
        RLIMIT("queues", RLIMIT_MSGQUEUE),
        RLIMIT("nice", RLIMIT_NICE),
        RLIMIT("real-time", RLIMIT_RTPRIO),
        { "schedule.fifo", "privileges", "run before everybody else", run_real_time, .number = SCHED_FIFO },
        { "schedule.round-robin", "privileges", "run before everybody else, in turns", run_real_time,
          .number = SCHED_RR },
        { "schedule.deadline", "privileges", "run at deadlines", run_deadline },
        { "schedule.nice", "privileges", "raise our priority", run_nice },
        { "schedule.io", "privileges", "do I/O before everybody else", run_io_real_time },
        { "schedule.oom", "privileges", "never be killed for memory", run_oom_immunity },
        { "memory.zero", "privileges", "map page zero", run_map_zero },
};

const AttackList privilege_attacks = ATTACK_LIST(attacks);
