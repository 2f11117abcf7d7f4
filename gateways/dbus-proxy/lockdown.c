/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gateways/dbus-proxy/lockdown.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/limits.h"

/* What sockets, GLib and the C library need. */
static const int allowed_calls[] = {
        SCMP_SYS(read),         SCMP_SYS(pread64),         SCMP_SYS(write),
        SCMP_SYS(writev),       SCMP_SYS(close),           SCMP_SYS(poll),
        SCMP_SYS(ppoll),        SCMP_SYS(recvmsg),         SCMP_SYS(sendmsg),
        SCMP_SYS(recvfrom),     SCMP_SYS(sendto),          SCMP_SYS(accept4),
        SCMP_SYS(accept),       SCMP_SYS(connect),         SCMP_SYS(getsockopt),
        SCMP_SYS(setsockopt),   SCMP_SYS(getsockname),     SCMP_SYS(mmap),
        SCMP_SYS(munmap),       SCMP_SYS(mremap),          SCMP_SYS(brk),
        SCMP_SYS(madvise),      SCMP_SYS(clock_gettime),   SCMP_SYS(gettimeofday),
        SCMP_SYS(futex),        SCMP_SYS(getpid),          SCMP_SYS(gettid),
        SCMP_SYS(getrandom),    SCMP_SYS(fstat),           SCMP_SYS(newfstatat),
        SCMP_SYS(fcntl),        SCMP_SYS(rt_sigreturn),    SCMP_SYS(rt_sigprocmask),
        SCMP_SYS(rt_sigaction), SCMP_SYS(restart_syscall), SCMP_SYS(exit),
        SCMP_SYS(exit_group),   SCMP_SYS(tgkill),          SCMP_SYS(lseek),
};

static int drop_user(uid_t uid, gid_t gid, Error *error) {
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct none[2] = { 0 };
        uid_t real, effective, saved;

        if (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
                return error_set_errnof(error, errno, "Cannot become user %u and group %u", uid, gid);
        if (getresuid(&real, &effective, &saved) < 0 || real != uid || effective != uid || saved != uid ||
            uid == 0)
                return error_setf(error, ERROR_SYSTEM, "Did not become user %u", uid);
        if (syscall(SYS_capset, &header, none) < 0)
                return error_set_errnof(error, errno, "Cannot give up capabilities");
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
                return error_set_errnof(error, errno, "Cannot give up new privileges");
        return 0;
}

static int set_limits(Error *error) {
        static const struct {
                int resource;
                rlim_t value;
        } limits[] = {
                { RLIMIT_NOFILE, BUS_PROXY_FILES_MAX },
                { RLIMIT_CORE, 0 },
                { RLIMIT_NPROC, 0 }, /* of itself no more, whatever else the user runs */
        };

        for (size_t i = 0; i < G_N_ELEMENTS(limits); i++) {
                struct rlimit limit = { limits[i].value, limits[i].value };

                if (setrlimit(limits[i].resource, &limit) < 0)
                        return error_set_errnof(error, errno, "Cannot set a limit");
        }
        return 0;
}

/* No file, for what no system call allows anyway; without a word from kernels that have no landlock(7). */
static int close_files(Error *error) {
        struct landlock_ruleset_attr rules = { .handled_access_fs = LANDLOCK_ACCESS_FS_MAKE_SYM * 2 - 1 };
        autofd int fd = (int) syscall(SYS_landlock_create_ruleset, &rules, sizeof(rules.handled_access_fs),
                                      0);

        if (fd < 0)
                return errno == ENOSYS || errno == EOPNOTSUPP
                               ? 0
                               : error_set_errnof(error, errno, "Cannot make a landlock");
        if (syscall(SYS_landlock_restrict_self, fd, 0) < 0)
                return error_set_errnof(error, errno, "Cannot close the landlock");
        return 0;
}

#if defined(__SANITIZE_ADDRESS__)
#define IS_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define IS_SANITIZED 1
#endif
#endif
#ifndef IS_SANITIZED
#define IS_SANITIZED 0
#endif

static void filter_release(scmp_filter_ctx *filter) {
        if (*filter)
                seccomp_release(*filter);
}

static int filter_calls(Error *error) {
        __attribute__((__cleanup__(filter_release)))
        scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
        int r;

        if (!filter)
                return error_setf(error, ERROR_SYSTEM, "Cannot make a system call filter");
        r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1, SCMP_A0(SCMP_CMP_EQ, AF_UNIX));
        for (size_t i = 0; r >= 0 && i < G_N_ELEMENTS(allowed_calls); i++)
                r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed_calls[i], 0);
        /* asked for by the C library for time zones and messages, which do without */
        if (r >= 0)
                r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EACCES), SCMP_SYS(openat), 0);
        if (r >= 0)
                r = seccomp_load(filter);
        return r < 0 ? error_set_errnof(error, -r, "Cannot load a system call filter") : 0;
}

int lockdown_enter(uid_t uid, gid_t gid, Error *error) {
        int r;

        r = set_limits(error);
        if (r >= 0)
                r = drop_user(uid, gid, error);
        if (r >= 0)
                r = close_files(error);
        /* AddressSanitizer looks for leaks with what no proxy may do */
        if (r >= 0 && !IS_SANITIZED)
                r = filter_calls(error);
        return r;
}
