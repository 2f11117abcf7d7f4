/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * System calls that no app needs and that have let apps out before, with arguments that change nothing
 */
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/fanotify.h>
#include <linux/io_uring.h>
#include <linux/keyctl.h>
#include <linux/perf_event.h>
#include <linux/quota.h>
#include <linux/reboot.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/quota.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "tests/attacks/probe.h"

/* Newer than the headers of the oldest supported system; unlike older ones the same on all architectures. */
#define NR_quotactl_fd       443
#define NR_lsm_set_self_attr 460

#define UFFD_USER_MODE_ONLY 1

#define POINTER(p) ((unsigned long) (p))

/* ---- those that need more than numbers ---- */

static void run_bpf_map(const Attack *attack, Result *result) {
        union bpf_attr attributes = {
                .map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1
        };

        (void) attack;
        result_judge(result, syscall(SYS_bpf, BPF_MAP_CREATE, &attributes, sizeof attributes));
}

static void run_bpf_program(const Attack *attack, Result *result) {
        static const struct bpf_insn program[] = {
                { .code = BPF_ALU64 | BPF_MOV | BPF_K }, /* r0 = 0 */
                { .code = BPF_JMP | BPF_EXIT },
        };
        union bpf_attr attributes = { .prog_type = BPF_PROG_TYPE_SOCKET_FILTER,
                                      .insn_cnt = 2,
                                      .insns = POINTER(program),
                                      .license = POINTER("GPL") };

        (void) attack;
        result_judge(result, syscall(SYS_bpf, BPF_PROG_LOAD, &attributes, sizeof attributes));
}

static void run_bpf_next_id(const Attack *attack, Result *result) {
        union bpf_attr attributes = { .start_id = 0 };

        (void) attack;
        result_judge(result, syscall(SYS_bpf, BPF_PROG_GET_NEXT_ID, &attributes, sizeof attributes));
}

/* attack->number: the process, -1 = all of processor 0. */
static void run_perf(const Attack *attack, Result *result) {
        struct perf_event_attr attributes = { .type = PERF_TYPE_SOFTWARE,
                                              .size = sizeof attributes,
                                              .config = PERF_COUNT_SW_CPU_CLOCK,
                                              .disabled = 1,
                                              .exclude_kernel = 1,
                                              .exclude_hv = 1 };

        result_judge(result, syscall(SYS_perf_event_open, &attributes, attack->number,
                                     attack->number < 0 ? 0 : -1, -1, 0));
}

static void run_io_uring(const Attack *attack, Result *result) {
        struct io_uring_params params = { 0 };

        (void) attack;
        result_judge(result, syscall(SYS_io_uring_setup, 1, &params));
}

static void run_clock_settime(const Attack *attack, Result *result) {
        struct timespec now;

        (void) clock_gettime((clockid_t) attack->number, &now);
        result_judge(result, syscall(SYS_clock_settime, attack->number, &now));
}

static void run_settimeofday(const Attack *attack, Result *result) {
        struct timeval now;

        (void) attack;
        (void) gettimeofday(&now, NULL);
        result_judge(result, syscall(SYS_settimeofday, &now, NULL));
}

/* The tick as it is by default. */
static void run_adjtimex(const Attack *attack, Result *result) {
        struct timex tick = { .modes = ADJ_TICK, .tick = 10000 };

        result_judge(result, attack->number == SYS_adjtimex
                                     ? syscall(SYS_adjtimex, &tick)
                                     : syscall(SYS_clock_adjtime, CLOCK_REALTIME, &tick));
}

static void run_name(const Attack *attack, Result *result) {
        struct utsname host;

        (void) uname(&host);
        result_judge(result, attack->number == SYS_sethostname
                                     ? syscall(SYS_sethostname, host.nodename, strlen(host.nodename))
                                     : syscall(SYS_setdomainname, host.domainname, strlen(host.domainname)));
}

/* A key that who started the service has in its session, if it is passed on to us. */
static void run_key_search(const Attack *attack, Result *result) {
        const char *name = given(result, "KEY");
        long r;

        (void) attack;
        if (!name)
                return;
        r = syscall(SYS_keyctl, KEYCTL_SEARCH, KEY_SPEC_SESSION_KEYRING, "user", name, 0);
        if (r < 0 && (errno == ENOKEY || errno == EPERM || errno == EACCES || errno == ENOSYS))
                result_set(result, OUTCOME_REFUSED, errno, "%s", strerror(errno));
        else
                result_judge(result, r);
}

static void run_open_by_handle(const Attack *attack, Result *result) {
        struct {
                struct file_handle handle;
                unsigned char bytes[MAX_HANDLE_SZ];
        } handle = { .handle.handle_bytes = MAX_HANDLE_SZ };
        int mount_id, fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        (void) attack;
        /* Where the handle is refused already, one of inode 2, as most file systems have for their root. */
        if (name_to_handle_at(AT_FDCWD, "/usr", &handle.handle, &mount_id, 0) < 0) {
                handle.handle.handle_bytes = 8;
                handle.handle.handle_type = 1;
                handle.bytes[0] = 2;
        }
        result_judge(result, open_by_handle_at(fd, &handle.handle, O_RDONLY));
}

#define KERNEL(id_, what_, number_, ...)                                                                     \
        {                                                                                                    \
                .id = id_, .wall = "seccomp", .what = what_, .run = run_call, .number = number_,             \
                .arguments = {                                                                               \
                        __VA_ARGS__                                                                          \
                }                                                                                            \
        }

static const Attack attacks[] = {
        { "bpf.map", "seccomp", "make a BPF map", run_bpf_map },
        { "bpf.program", "seccomp", "load a BPF program", run_bpf_program },
        { "bpf.list", "seccomp", "list the host's BPF programs", run_bpf_next_id },
        { "perf.self", "seccomp", "count events of ourselves", run_perf, .number = 0 },
        { "perf.host", "seccomp", "count events of a whole processor", run_perf, .number = -1 },
        { "io-uring.setup", "seccomp", "make an io_uring", run_io_uring },
        KERNEL("io-uring.enter", "enter an io_uring", SYS_io_uring_enter, -1UL, 1),
        KERNEL("io-uring.register", "register with an io_uring", SYS_io_uring_register, -1UL, 0),
        KERNEL("userfaultfd.full", "handle page faults of the kernel", SYS_userfaultfd, O_CLOEXEC),
        KERNEL("userfaultfd.user", "handle page faults of user mode", SYS_userfaultfd,
               O_CLOEXEC | UFFD_USER_MODE_ONLY),
        KERNEL("kexec.load", "unload the next kernel", SYS_kexec_load, 0, 0, 0, 0),
#ifdef SYS_kexec_file_load
        KERNEL("kexec.file", "load a next kernel from a file", SYS_kexec_file_load, -1UL, -1UL, 0, 0, 0),
#endif
        KERNEL("module.init", "load a kernel module", SYS_init_module, 0, 0, POINTER("")),
        KERNEL("module.finit", "load a kernel module from a file", SYS_finit_module, -1UL, POINTER(""), 0),
        KERNEL("module.delete", "unload a kernel module", SYS_delete_module, POINTER("bulkhead-none"),
               O_NONBLOCK),
        { "clock.settime", "seccomp", "set the clock", run_clock_settime, .number = CLOCK_REALTIME },
        { "clock.settimeofday", "seccomp", "set the clock the old way", run_settimeofday },
        { "clock.adjtimex", "seccomp", "change the clock's tick", run_adjtimex, .number = SYS_adjtimex },
        { "clock.adjtime", "seccomp", "change a clock's tick", run_adjtimex, .number = SYS_clock_adjtime },
        { "name.host", "seccomp", "set the host name", run_name, .number = SYS_sethostname },
        { "name.domain", "seccomp", "set the domain name", run_name, .number = SYS_setdomainname },
        KERNEL("swap.on", "add swap", SYS_swapon, POINTER("/nonexistent"), 0),
        KERNEL("swap.off", "take swap away", SYS_swapoff, POINTER("/nonexistent")),
        KERNEL("quota.sync", "write the quotas of all file systems", SYS_quotactl, QCMD(Q_SYNC, USRQUOTA), 0,
               0, 0),
        KERNEL("quota.fd", "ask for quotas by descriptor", NR_quotactl_fd, -1UL, QCMD(Q_GETFMT, USRQUOTA), 0,
               0),
        KERNEL("syslog.size", "ask how large the kernel's log is", SYS_syslog, 10, 0, 0),
        KERNEL("syslog.clear", "switch off the kernel's messages", SYS_syslog, 6, 0, 0),
        KERNEL("acct.off", "switch off process accounting", SYS_acct, 0),
        KERNEL("reboot.cad", "change what Ctrl-Alt-Del does", SYS_reboot, LINUX_REBOOT_MAGIC1,
               LINUX_REBOOT_MAGIC2, LINUX_REBOOT_CMD_CAD_OFF, 0),
#ifdef SYS_iopl
        KERNEL("port.iopl", "use all I/O ports", SYS_iopl, 3),
        KERNEL("port.ioperm", "use one I/O port", SYS_ioperm, 0x80, 1, 1),
#endif
        KERNEL("personality.exec", "make all memory executable", SYS_personality, READ_IMPLIES_EXEC),
        KERNEL("personality.layout", "switch off address randomization", SYS_personality, ADDR_NO_RANDOMIZE),
        KERNEL("vhangup", "hang up the terminal", SYS_vhangup),
        KERNEL("key.add", "add a key", SYS_add_key, POINTER("user"), POINTER("probe"), POINTER("x"), 1,
               (unsigned long) KEY_SPEC_PROCESS_KEYRING),
        KERNEL("key.request", "request a key, and run the host's helper", SYS_request_key, POINTER("user"),
               POINTER("probe"), POINTER("x"), 0),
        KERNEL("key.session", "join a new session keyring", SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, 0),
        KERNEL("key.user", "look at the user's keyring", SYS_keyctl, KEYCTL_GET_KEYRING_ID,
               (unsigned long) KEY_SPEC_USER_KEYRING, 1),
        KERNEL("key.persistent", "look at another user's keyring", SYS_keyctl, KEYCTL_GET_PERSISTENT, 0,
               (unsigned long) KEY_SPEC_PROCESS_KEYRING),
        { "key.inherited", "keyring", "find a key of who started the service", run_key_search },
        KERNEL("fanotify.init", "watch file systems", SYS_fanotify_init, FAN_CLASS_NOTIF | FAN_REPORT_FID,
               O_RDONLY),
        KERNEL("fanotify.content", "decide on other processes' opens", SYS_fanotify_init, FAN_CLASS_CONTENT,
               O_RDONLY),
        { "handle.open", "seccomp", "open a file by handle, past all folders", run_open_by_handle },
        KERNEL("lsm.set", "change the security label", NR_lsm_set_self_attr, 100, 0, 0, 0),
#ifdef SYS_lookup_dcookie
        KERNEL("old.dcookie", "translate a profiler's cookie", SYS_lookup_dcookie, 1, 0, 0),
#endif
#ifdef SYS_uselib
        KERNEL("old.uselib", "load a library into the kernel's hands", SYS_uselib, POINTER("/nonexistent")),
#endif
#ifdef SYS__sysctl
        KERNEL("old.sysctl", "call sysctl", SYS__sysctl, 0),
#endif
#ifdef SYS_nfsservctl
        KERNEL("old.nfsservctl", "command the NFS server", SYS_nfsservctl, 0, 0, 0),
#endif
};

const AttackList call_attacks = ATTACK_LIST(attacks);
