/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The filter called "default": what programs on a current glibc need, GTK and Qt, Python, Java and Go among them,
 * and not more. A call that stands in no list is answered ENOSYS, as by a kernel that does not have it: what
 * comes with later kernels is refused until somebody has looked at it, and libc falls back. Names are those of
 * all architectures; each takes the ones it has.
 */
#include "capabilities/filter-private.h"

#include <stddef.h>

const char *const filter_allowed[] = {
        /* files */
        "access", "chdir", "chmod", "chown", "chown32", "close", "close_range", "copy_file_range", "creat", "dup",
        "dup2", "dup3", "faccessat", "faccessat2", "fadvise64", "fadvise64_64", "arm_fadvise64_64", "fallocate",
        "fchdir", "fchmod", "fchmodat", "fchmodat2", "fchown", "fchown32", "fchownat", "fcntl", "fcntl64",
        "fdatasync", "fgetxattr", "flistxattr", "flock", "fremovexattr", "fsetxattr", "fstat", "fstat64",
        "fstatat64", "fstatfs", "fstatfs64", "fsync", "ftruncate", "ftruncate64", "futimesat", "getcwd",
        "getdents", "getdents64", "getxattr", "getxattrat", "inotify_add_watch", "inotify_init", "inotify_init1",
        "inotify_rm_watch", "ioctl", "lchown", "lchown32", "lgetxattr", "link", "linkat", "listxattr",
        "listxattrat", "llistxattr", "_llseek", "lremovexattr", "lseek", "lsetxattr", "lstat", "lstat64", "mkdir",
        "mkdirat", "mknod", "mknodat", "newfstatat", "_newselect", "oldfstat", "oldlstat", "oldstat", "open",
        "openat", "pread64", "preadv", "preadv2", "pwrite64", "pwritev", "pwritev2", "read", "readahead",
        "readdir", "readlink", "readlinkat", "readv", "removexattr", "removexattrat", "rename", "renameat",
        "renameat2", "rmdir", "sendfile", "sendfile64", "setxattr", "setxattrat", "splice", "stat", "stat64",
        "statfs", "statfs64", "statx", "symlink", "symlinkat", "sync", "sync_file_range", "sync_file_range2",
        "arm_sync_file_range", "syncfs", "tee", "truncate", "truncate64", "umask", "unlink", "unlinkat", "utime",
        "utimensat", "utimensat_time64", "utimes", "vmsplice", "write", "writev", "cachestat",
        /* waiting, pipes, aio */
        "epoll_create", "epoll_create1", "epoll_ctl", "epoll_ctl_old", "epoll_pwait", "epoll_pwait2",
        "epoll_wait", "epoll_wait_old", "eventfd", "eventfd2", "io_cancel", "io_destroy", "io_getevents",
        "io_pgetevents", "io_pgetevents_time64", "io_setup", "io_submit", "pipe", "pipe2", "poll", "ppoll",
        "ppoll_time64", "pselect6", "pselect6_time64", "select", "signalfd", "signalfd4", "timerfd_create",
        "timerfd_gettime", "timerfd_gettime64", "timerfd_settime", "timerfd_settime64",
        /* memory */
        "brk", "madvise", "membarrier", "memfd_create", "mincore", "mlock", "mlock2", "mlockall", "mmap", "mmap2",
        "mprotect", "mremap", "mseal", "msync", "munlock", "munlockall", "munmap", "pkey_alloc", "pkey_free",
        "pkey_mprotect", "process_madvise", "process_mrelease", "remap_file_pages", "map_shadow_stack",
        /* processes and threads; clone's and unshare's flags are looked at */
        "arch_prctl", "arm_set_tls", "set_tls", "get_tls", "breakpoint", "cacheflush", "capget", "capset", "clone",
        "execve", "execveat", "exit", "exit_group", "fork", "futex", "futex_requeue", "futex_time64",
        "futex_wait", "futex_waitv", "futex_wake", "get_robust_list", "get_thread_area", "getcpu", "getegid",
        "getegid32", "geteuid", "geteuid32", "getgid", "getgid32", "getgroups", "getgroups32", "getpgid",
        "getpgrp", "getpid", "getppid", "getpriority", "getresgid", "getresgid32", "getresuid", "getresuid32",
        "getrlimit", "ugetrlimit", "getrusage", "getsid", "gettid", "getuid", "getuid32", "ioprio_get",
        "ioprio_set", "kcmp", "kill", "landlock_add_rule", "landlock_create_ruleset", "landlock_restrict_self",
        "nice", "pause", "personality", "pidfd_open", "pidfd_send_signal", "prctl", "prlimit64", "riscv_flush_icache",
        "riscv_hwprobe", "rseq", "sched_get_priority_max", "sched_get_priority_min", "sched_getaffinity",
        "sched_getattr", "sched_getparam", "sched_getscheduler", "sched_rr_get_interval",
        "sched_rr_get_interval_time64", "sched_setaffinity", "sched_setattr", "sched_setparam",
        "sched_setscheduler", "sched_yield", "seccomp", "set_robust_list", "set_thread_area", "set_tid_address",
        "setfsgid", "setfsgid32", "setfsuid", "setfsuid32", "setgid", "setgid32", "setgroups", "setgroups32",
        "setpgid", "setpriority", "setregid", "setregid32", "setresgid", "setresgid32", "setresuid",
        "setresuid32", "setreuid", "setreuid32", "setrlimit", "setsid", "setuid", "setuid32", "sysinfo", "tgkill",
        "times", "tkill", "uname", "unshare", "vfork", "wait4", "waitid", "waitpid",
        /* signals */
        "rt_sigaction", "rt_sigpending", "rt_sigprocmask", "rt_sigqueueinfo", "rt_sigreturn", "rt_sigsuspend",
        "rt_sigtimedwait", "rt_sigtimedwait_time64", "rt_tgsigqueueinfo", "restart_syscall", "sigaction",
        "sigaltstack", "signal", "sigpending", "sigprocmask", "sigreturn", "sigsuspend",
        /* time: reading, sleeping, timers */
        "alarm", "clock_getres", "clock_getres_time64", "clock_gettime", "clock_gettime64", "clock_nanosleep",
        "clock_nanosleep_time64", "getitimer", "gettimeofday", "nanosleep", "setitimer", "time", "timer_create",
        "timer_delete", "timer_getoverrun", "timer_gettime", "timer_gettime64", "timer_settime",
        "timer_settime64",
        /* sockets, the families of filter_families[] */
        "accept", "accept4", "bind", "connect", "getpeername", "getsockname", "getsockopt", "listen", "recv",
        "recvfrom", "recvmmsg", "recvmmsg_time64", "recvmsg", "send", "sendmmsg", "sendmsg", "sendto",
        "setsockopt", "shutdown", "socket", "socketpair",
        /* System V and POSIX IPC, of the sandbox's own namespace */
        "ipc", "mq_getsetattr", "mq_notify", "mq_open", "mq_timedreceive", "mq_timedreceive_time64",
        "mq_timedsend", "mq_timedsend_time64", "mq_unlink", "msgctl", "msgget", "msgrcv", "msgsnd", "semctl",
        "semget", "semop", "semtimedop", "semtimedop_time64", "shmat", "shmctl", "shmdt", "shmget",
        /* the rest */
        "getrandom",
        NULL,
};

const char *const filter_refused[] = {
        /* of other processes; a profile for debuggers may allow these */
        "pidfd_getfd", "process_vm_readv", "process_vm_writev", "ptrace",
        /* NUMA and legacy memory models */
        "get_mempolicy", "mbind", "migrate_pages", "modify_ldt", "move_pages", "set_mempolicy",
        "set_mempolicy_home_node", "vm86", "vm86old",
        /* identification that goes around paths, and watching whole file systems */
        "fanotify_init", "fanotify_mark", "name_to_handle_at",
        NULL,
};

const char *const filter_privileged[] = {
        /* mounts and roots */
        "chroot", "fsconfig", "fsmount", "fsopen", "fspick", "mount", "mount_setattr", "move_mount", "open_by_handle_at",
        "open_tree", "open_tree_attr", "pivot_root", "umount", "umount2",
        /* namespaces; clone and unshare are looked at */
        "setns",
        /* rings, programs and counters of the kernel */
        "add_key", "bpf", "io_uring_enter", "io_uring_register", "io_uring_setup", "keyctl", "lookup_dcookie",
        "perf_event_open", "request_key", "syslog", "userfaultfd",
        /* the machine */
        "acct", "adjtimex", "clock_adjtime", "clock_adjtime64", "clock_settime", "clock_settime64",
        "delete_module", "finit_module", "init_module", "ioperm", "iopl", "kexec_file_load", "kexec_load",
        "nfsservctl", "pciconfig_iobase", "pciconfig_read", "pciconfig_write", "quotactl", "quotactl_fd",
        "reboot", "s390_pci_mmio_read", "s390_pci_mmio_write", "setdomainname", "sethostname", "settimeofday",
        "stime", "swapoff", "swapon", "vhangup",
        NULL,
};

/* What init does for a program between clone and exec, and for itself (init/main.c). */
const char *const filter_of_init[] = {
        "brk", "capset", "chdir", "clock_gettime", "clone", "close", "close_range", "dup2", "dup3", "execve", "exit", "exit_group",
        "fcntl", "fcntl64", "fstat", "fstat64", "getpid", "gettid", "ioctl", "kill", "lseek", "_llseek", "madvise",
        "mmap", "mmap2", "mprotect", "mremap", "munmap", "newfstatat", "pidfd_open", "poll", "ppoll", "ppoll_time64", "prctl",
        "pread64", "prlimit64", "read", "recvmsg", "restart_syscall", "rt_sigaction", "rt_sigprocmask", "rt_sigreturn",
        "seccomp", "sendmsg", "setgroups", "setgroups32", "setresgid", "setresgid32", "setresuid", "setresuid32",
        "setrlimit", "setsid", "statx", "tgkill", "wait4", "waitid", "waitpid", "write", "ftruncate", "ftruncate64",
        "memfd_create",
        NULL,
};

/* Calls that came after the libseccomp that may be there; they have one number on every architecture, except
 * alpha. */
const FilterNumber filter_numbers[] = {
        { "cachestat", 451 },      { "fchmodat2", 452 },     { "map_shadow_stack", 453 }, { "futex_wake", 454 },
        { "futex_wait", 455 },     { "futex_requeue", 456 }, { "mseal", 462 },            { "setxattrat", 463 },
        { "getxattrat", 464 },     { "listxattrat", 465 },   { "removexattrat", 466 },    { "open_tree_attr", 467 },
        { NULL, 0 },
};
