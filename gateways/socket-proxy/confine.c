/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gateways/socket-proxy/confine.h"

#include <glib.h>
#include <grp.h>
#include <linux/capability.h>
#include <seccomp.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

G_DEFINE_AUTO_CLEANUP_FREE_FUNC(scmp_filter_ctx, seccomp_release, NULL)

/* While we may: the bounding set is what an exec could bring back. */
static int empty_bounding_set(Error *error) {
        for (unsigned long i = 0; prctl(PR_CAPBSET_READ, i) >= 0; i++)
                if (prctl(PR_CAPBSET_DROP, i, 0, 0, 0) < 0)
                        return error_set_errnof(error, errno, "Cannot drop capability %lu", i);
        return 0;
}

static int become(uid_t uid, gid_t gid, Error *error) {
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { 0 };

        if (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
                return error_set_errnof(error, errno, "Cannot become user %u:%u", uid, gid);
        /* Root keeps them through setresuid(2). */
        if (syscall(SYS_capset, &header, none) < 0)
                return error_set_errnof(error, errno, "Cannot drop capabilities");
        return 0;
}

/* What glib, poll and stdio need, and sockets of one family. */
static int load_filter(Error *error) {
        static const int calls[] = {
                SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(writev), SCMP_SYS(close), SCMP_SYS(poll), SCMP_SYS(ppoll),
                SCMP_SYS(recvmsg), SCMP_SYS(recvfrom), SCMP_SYS(sendmsg), SCMP_SYS(sendto), SCMP_SYS(accept4),
                SCMP_SYS(connect), SCMP_SYS(fcntl), SCMP_SYS(pipe2), SCMP_SYS(getsockopt), SCMP_SYS(setsockopt),
                SCMP_SYS(brk),
                SCMP_SYS(mmap), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(futex),
                SCMP_SYS(clock_gettime), SCMP_SYS(getrandom), SCMP_SYS(rt_sigreturn), SCMP_SYS(restart_syscall),
                SCMP_SYS(getpid), SCMP_SYS(gettid), SCMP_SYS(exit), SCMP_SYS(exit_group),
        };
        g_auto(scmp_filter_ctx) filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
        int r = filter ? 0 : -ENOMEM;

        for (size_t i = 0; i < G_N_ELEMENTS(calls) && r >= 0; i++)
                r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 0);
        if (r >= 0)
                r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1, SCMP_A0(SCMP_CMP_EQ, AF_UNIX));
        if (r >= 0)
                r = seccomp_load(filter);
        return r < 0 ? error_set_errnof(error, -r, "Cannot load the proxy's system call filter") : 0;
}

int confine(uid_t uid, gid_t gid, Error *error) {
        int r;

        r = empty_bounding_set(error);
        if (r >= 0)
                r = become(uid, gid, error);
        if (r < 0)
                return r;
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
                return error_set_errnof(error, errno, "Cannot give up privileges");
        return load_filter(error);
}
