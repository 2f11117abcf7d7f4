/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Around the filter: other word sizes, other numbers for the same calls, requests with more bits than are
 * compared; and what a terminal can be made to do
 */
#include <fcntl.h>
#include <linux/keyctl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/attacks/probe.h"

#define TIOC_LINUX 0x541C
#define TIOC_CONS  0x541D
#define TIOC_SETD  0x5423
#define HIGH_WORD  (1UL << 32)
#define X32_BIT    0x40000000UL

/* ENOSPC is how user.max_user_namespaces = 0 refuses. */
static void forgive_limit(Result *result) {
        if (result->errnum == ENOSPC)
                result->outcome = OUTCOME_REFUSED;
}

/* ---- terminals ---- */

/* A terminal of our own, which is made our controlling one. */
static int open_terminal(void) {
        int controller = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC), unlock = 0;
        unsigned number;
        char path[64];

        if (controller < 0 || ioctl(controller, TIOCSPTLCK, &unlock) < 0 ||
            ioctl(controller, TIOCGPTN, &number) < 0)
                return -1;
        (void) snprintf(path, sizeof path, "/dev/pts/%u", number);
        (void) setsid();
        return open(path, O_RDWR | O_CLOEXEC);
}

/* attack->arguments: the request, with what stands above its 32 bits. */
static void run_terminal(const Attack *attack, Result *result) {
        int fd = open_terminal(), line_discipline = 15; /* N_HDLC... any but the usual */
        char byte = 'x';

        if (fd < 0) {
                result_set(result, OUTCOME_BROKEN, errno, "cannot open a terminal: %s", strerror(errno));
                return;
        }
        result_judge(result,
                     syscall(SYS_ioctl, fd, attack->arguments[0],
                             (attack->arguments[0] & 0xffffffff) == TIOC_SETD ? (void *) &line_discipline
                                                                              : (void *) &byte));
        if (result->errnum == EIO && (attack->arguments[0] & 0xffffffff) == TIOCSTI)
                result->outcome = OUTCOME_ABSENT; /* dev.tty.legacy_tiocsti is 0 */
}

/* ---- i386 ---- */

#ifdef __x86_64__
static long call_i386(long number, unsigned long a, unsigned long b, unsigned long c) {
        long r;

        __asm__ volatile("int $0x80"
                         : "=a"(r)
                         : "a"(number), "b"(a), "c"(b), "d"(c), "S"(0), "D"(0)
                         : "memory", "r8", "r9", "r10", "r11");
        return r;
}

/* Memory that an i386 call can name. */
static char *get_low_memory(void) {
        char *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);

        return p == MAP_FAILED ? NULL : p;
}

/* attack->arguments: up to three; attack->path, if there is one, is the first. */
static void run_i386(const Attack *attack, Result *result) {
        char *low = get_low_memory();
        unsigned long first = attack->arguments[0];
        long r;

        if (!low) {
                result_set(result, OUTCOME_BROKEN, errno, "no low memory");
                return;
        }
        result->may_die = true; /* without the emulation in the kernel the instruction is a fault */
        if (attack->path) {
                (void) strcpy(low, attack->path);
                first = (unsigned long) (uintptr_t) low;
        }
        r = call_i386(attack->number, first, attack->arguments[1], attack->arguments[2]);
        errno = r < 0 ? (int) -r : 0;
        result_judge(result, r < 0 ? -1 : r);
        forgive_limit(result);
}

static void run_i386_setid(const Attack *attack, Result *result) {
        char path[256], *low = get_low_memory();
        struct stat status;
        int fd = make_file(NULL, path);
        long r;

        (void) attack;
        if (!low || fd < 0) {
                result_set(result, OUTCOME_BROKEN, errno, "no low memory or no file");
                return;
        }
        result->may_die = true;
        (void) strcpy(low, path);
        r = call_i386(15 /* chmod */, (unsigned long) (uintptr_t) low, 04755, 0);
        errno = r < 0 ? (int) -r : 0;
        result_judge(result, r < 0 ? -1 : r);
        if (r >= 0 && fstat(fd, &status) == 0 && !(status.st_mode & S_ISUID))
                result_set(result, OUTCOME_REFUSED, 0, "mode %o", status.st_mode & 07777);
        (void) unlink(path);
}

static void run_x32(const Attack *attack, Result *result) {
        const unsigned long *a = attack->arguments;
        long r = syscall((long) ((unsigned long) attack->number | X32_BIT), a[0], a[1], a[2], a[3], a[4],
                         a[5]);

        result_judge(result, r);
        forgive_limit(result);
}

/* A page of the kernel's, at one place in every process: its calls are the filter's business too. */
static void run_vsyscall(const Attack *attack, Result *result) {
        long r;

        (void) attack;
        result->may_die = true;
        r = *(volatile char *) 0xffffffffff600000UL;
        result_set(result, OUTCOME_THROUGH, 0, "it can be read: %ld", r);
}
#else
static void run_i386(const Attack *attack, Result *result) {
        (void) attack;
        result_set(result, OUTCOME_ABSENT, 0, "this is no x86");
}

#define run_i386_setid run_i386
#define run_x32        run_i386
#define run_vsyscall   run_i386
#endif

/* The kernel takes a call's number from 32 bits of the register. */
static void run_wide_number(const Attack *attack, Result *result) {
        const unsigned long *a = attack->arguments;

        result_judge(result, syscall((long) ((unsigned long) attack->number | HIGH_WORD), a[0], a[1], a[2],
                                     a[3], a[4]));
        forgive_limit(result);
}

/* Flags with bits set above those that the kernel looks at. */
static void run_wide_flags(const Attack *attack, Result *result) {
        long pid = syscall(SYS_clone, (unsigned long) attack->number | HIGH_WORD << 8 | SIGCHLD, 0, 0, 0, 0);

        if (pid == 0)
                _exit(EXIT_SUCCESS);
        result_judge(result, pid);
        forgive_limit(result);
}

/* Modes whose upper half the kernel cuts off. */
static void run_wide_mode(const Attack *attack, Result *result) {
        char path[256];
        struct stat status;
        int fd = make_file(NULL, path);
        long r = syscall(SYS_fchmod, fd, attack->arguments[0]);

        result_judge(result, r);
        if (r >= 0 && fstat(fd, &status) == 0)
                result_set(result, status.st_mode & (S_ISUID | S_ISGID) ? OUTCOME_THROUGH : OUTCOME_REFUSED,
                           0, "mode %o", status.st_mode & 07777);
        (void) unlink(path);
}

#define TERMINAL(id_, what_, request)                                                                        \
        {                                                                                                    \
                .id = "terminal." id_, .wall = "seccomp", .what = what_, .run = run_terminal, .arguments = { \
                        request                                                                              \
                }                                                                                            \
        }
#define I386(id_, what_, number_, path_, ...)                                                                \
        {                                                                                                    \
                .id = "i386." id_, .wall = "seccomp", .what = "32-bit call: " what_, .run = run_i386,        \
                .number = number_, .path = path_, .arguments = {                                             \
                        __VA_ARGS__                                                                          \
                }                                                                                            \
        }
#define X32(id_, what_, number_, ...)                                                                        \
        {                                                                                                    \
                .id = "x32." id_, .wall = "seccomp", .what = "x32 call: " what_, .run = run_x32,             \
                .number = number_, .arguments = {                                                            \
                        __VA_ARGS__                                                                          \
                }                                                                                            \
        }

static const Attack attacks[] = {
        TERMINAL("inject", "type into a terminal", TIOCSTI),
        TERMINAL("inject-high", "type into a terminal, with a bit above 32", TIOCSTI | HIGH_WORD),
        TERMINAL("inject-high-all", "type into a terminal, with all bits above 32",
                 TIOCSTI | 0xffffffff00000000UL),
        TERMINAL("linux", "paste into a console", TIOC_LINUX),
        TERMINAL("linux-high", "paste into a console, with a bit above 32", TIOC_LINUX | HIGH_WORD),
        TERMINAL("console", "take the console's output", TIOC_CONS),
        TERMINAL("discipline", "load a line discipline", TIOC_SETD),
        I386("getpid", "any at all", 20, NULL, 0),
        I386("mount", "mount", 21, NULL, 0, 0, 0),
        I386("unshare", "unshare, a user namespace", 310, NULL, CLONE_NEWUSER),
        I386("keyctl", "keyctl, a session", 288, NULL, KEYCTL_JOIN_SESSION_KEYRING, 0),
        I386("bpf", "bpf", 357, NULL, 0, 0, 0),
        I386("io-uring", "io_uring", 425, NULL, 1, 0),
        I386("userfaultfd", "userfaultfd", 374, NULL, 1),
        I386("socketcall", "socket, by its old number", 102, NULL, 1, 0),
        I386("chroot", "chroot", 61, "/tmp", 0),
        I386("ptrace", "ptrace", 26, NULL, 0x4206, 1, 0),
        { "i386.setuid-bit", "seccomp", "32-bit call: put a set-uid bit", run_i386_setid },
        X32("getpid", "any at all", SYS_getpid),
        X32("mount", "mount", SYS_mount),
        X32("keyctl", "keyctl", SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, 0),
        X32("unshare", "unshare", SYS_unshare, CLONE_NEWUSER),
        X32("ptrace", "ptrace, by its x32 number", 521, 0x4206, 1, 0),
        { "abi.wide-keyctl", "seccomp", "keyctl, with a bit above 32 in its number", run_wide_number,
          .number = SYS_keyctl, .arguments = { KEYCTL_JOIN_SESSION_KEYRING } },
        { "abi.wide-unshare", "seccomp", "unshare, with a bit above 32 in its number", run_wide_number,
          .number = SYS_unshare, .arguments = { CLONE_NEWUSER } },
        { "abi.wide-clone", "seccomp", "clone, with flags above 32 bits", run_wide_flags,
          .number = CLONE_NEWUSER },
        { "abi.wide-mode", "seccomp", "a set-uid bit in a mode of more than 16 bits", run_wide_mode,
          .arguments = { 04755 | 0xffff0000UL } },
        { "abi.wide-mode-high", "seccomp", "a set-uid bit in a mode of more than 32 bits", run_wide_mode,
          .arguments = { 04755 | HIGH_WORD } },
        { "abi.vsyscall", "kernel", "read the kernel's page in every process", run_vsyscall },
};

const AttackList abi_attacks = ATTACK_LIST(attacks);
