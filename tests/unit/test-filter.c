/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The programs are run by a small interpreter, so that calls of every architecture and every argument can be
 * tried, and loaded in a child, so that the kernel has said yes to them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "capabilities/filter-private.h"
#include "capabilities/filter.h"
#include "capabilities/template.h"
#include "util/limits.h"

typedef struct Programs {
        GBytes *bytes[_SPEC_FILTER_MAX];
} Programs;

static void programs_done(Programs *programs) {
        for (size_t i = 0; i < _SPEC_FILTER_MAX; i++)
                g_clear_pointer(&programs->bytes[i], g_bytes_unref);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Programs, programs_done)

static void compile(Filter *filter, Programs *ret) {
        g_autoptr(Spec) spec = spec_new();
        g_auto(Error) error = ERROR_NULL;
        int r = filter_fill_spec(filter, spec, &error);

        assert_string_equal(error.message ?: "", "");
        assert_int_equal(r, 0);
        assert_int_equal(spec->has_privileged_filter, filter_is_privileged(filter));
        for (size_t i = 0; i < _SPEC_FILTER_MAX; i++)
                ret->bytes[i] = g_steal_pointer(&spec->filters[i]);
}

static void compile_default(Programs *ret) {
        g_autoptr(Filter) filter = filter_new_default();

        compile(filter, ret);
}

/* Whether the arithmetic or jump @code says yes to @value. */
static bool jumps(uint16_t code, uint32_t value, uint32_t operand) {
        switch (BPF_OP(code)) {
        case BPF_JEQ:
                return value == operand;
        case BPF_JGT:
                return value > operand;
        case BPF_JGE:
                return value >= operand;
        case BPF_JSET:
                return value & operand;
        default:
                fail_msg("Jump %#x is not known to the interpreter", code);
        }
        return false;
}

/* The kernel's classic BPF, as far as libseccomp uses it. Returns SECCOMP_RET_... */
static uint32_t run_program(GBytes *bytes, const struct seccomp_data *data) {
        size_t size;
        const struct sock_filter *program = g_bytes_get_data(bytes, &size);
        uint32_t value = 0, memory[BPF_MEMWORDS] = { 0 };

        size /= sizeof(*program);
        for (size_t i = 0; i < size; i++) {
                const struct sock_filter *at = &program[i];

                switch (at->code) {
                case BPF_LD | BPF_W | BPF_ABS:
                        assert_true(at->k <= sizeof(*data) - 4 && at->k % 4 == 0);
                        memcpy(&value, (const uint8_t *) data + at->k, 4);
                        break;
                case BPF_LD | BPF_MEM:
                        value = memory[at->k];
                        break;
                case BPF_ST:
                        memory[at->k] = value;
                        break;
                case BPF_ALU | BPF_AND | BPF_K:
                        value &= at->k;
                        break;
                case BPF_JMP | BPF_JA:
                        i += at->k;
                        break;
                case BPF_RET | BPF_K:
                        return at->k;
                default:
                        if (BPF_CLASS(at->code) != BPF_JMP)
                                fail_msg("Instruction %#x is not known to the interpreter", at->code);
                        i += jumps(at->code, value, at->k) ? at->jt : at->jf;
                }
        }
        fail_msg("The program has no end");
        return 0;
}

/* What a process with these programs gets: 0 = goes to the kernel, or the errno. As the kernel has it: the
 * strictest action counts, and of two errnos that of the program that was loaded last. */
static int answer(const Programs *programs, uint32_t arch, int number, const uint64_t arguments[6]) {
        struct seccomp_data data = { .nr = number, .arch = arch };
        uint32_t result = SECCOMP_RET_ALLOW;

        for (size_t i = 0; i < 6; i++)
                data.args[i] = arguments[i];
        for (size_t i = _SPEC_FILTER_MAX; i-- > 0;) {
                uint32_t action = programs->bytes[i] ? run_program(programs->bytes[i], &data) : SECCOMP_RET_ALLOW;

                if ((action & SECCOMP_RET_ACTION_FULL) < (result & SECCOMP_RET_ACTION_FULL))
                        result = action;
        }
        if (result == SECCOMP_RET_ALLOW)
                return 0;
        assert_int_equal(result & SECCOMP_RET_ACTION_FULL, SECCOMP_RET_ERRNO);
        return (int) (result & SECCOMP_RET_DATA);
}

static int number_of(const char *name) {
        int number = seccomp_syscall_resolve_name(name);

        for (size_t i = 0; number == __NR_SCMP_ERROR && filter_numbers[i].name; i++)
                if (strcmp(name, filter_numbers[i].name) == 0)
                        number = filter_numbers[i].number;
        return number;
}

#define ANY        0xdeadbeefcafef00dULL /* what an argument that does not count may hold, set-id bits included */
#define HIGH       (1ULL << 32)
#define HIGHEST    (1ULL << 63)
#define NEW_TIME   0x80ULL
#define TMPFILE    (uint64_t) (O_TMPFILE)
#define FILES_ONLY (uint64_t) (CLONE_FILES | CLONE_FS)
#define THREAD     (uint64_t) (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | \
                           CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID)

static const struct {
        const char *call;
        uint64_t arguments[4];
        int errnum;
} calls[] = {
        /* ioctl: the kernel looks at 32 bits of the request */
        { "ioctl", { 0, TCGETS }, 0 },
        { "ioctl", { 0, FIONREAD }, 0 },
        { "ioctl", { 0, TIOCSCTTY }, 0 },
        { "ioctl", { 0, TIOCSTI }, EPERM },
        { "ioctl", { 0, TIOCSTI | HIGH }, EPERM },
        { "ioctl", { 0, TIOCSTI | HIGHEST }, EPERM },
        { "ioctl", { 0, TIOCSTI | 0xffffffff00000000ULL }, EPERM },
        { "ioctl", { 0, TIOCLINUX }, EPERM },
        { "ioctl", { 0, TIOCLINUX | HIGH }, EPERM },
        { "ioctl", { 0, TIOCCONS }, EPERM },
        { "ioctl", { 0, TIOCSETD | HIGH }, EPERM },
        { "ioctl", { 0, TIOCSTI << 1 }, 0 },
        /* set-id modes */
        { "chmod", { ANY, 0755 }, 0 },
        { "chmod", { 0, 01777 }, 0 },
        { "chmod", { 0, 04755 }, EPERM },
        { "chmod", { 0, 02755 }, EPERM },
        { "chmod", { 0, 06000 }, EPERM },
        { "chmod", { 0, 04755 | HIGH }, EPERM },
        { "chmod", { 0, 04755 | 1 << 16 }, EPERM },
        { "fchmod", { ANY, 0700 }, 0 },
        { "fchmod", { 3, 04700 }, EPERM },
        { "fchmodat", { ANY, ANY, 0644 }, 0 },
        { "fchmodat", { 3, 0, 02644 }, EPERM },
        { "fchmodat2", { ANY, ANY, 0644, ANY }, 0 },
        { "fchmodat2", { 3, 0, 04644 }, EPERM },
        { "creat", { ANY, 0600 }, 0 },
        { "creat", { 0, 04600 }, EPERM },
        { "mkdir", { ANY, 0777 }, 0 },
        { "mkdir", { 0, 02777 }, EPERM },
        { "mkdirat", { ANY, ANY, 0777 }, 0 },
        { "mkdirat", { 0, 0, 02777 }, EPERM },
        { "mknod", { ANY, S_IFIFO | 0600, 0 }, 0 },
        { "mknod", { 0, S_IFREG | 04755 }, EPERM },
        { "mknod", { 0, S_IFSOCK | 0600 }, 0 },
        { "mknod", { 0, S_IFCHR | 0600, 0 }, EPERM },
        { "mknod", { 0, S_IFBLK | 0600, 0 }, EPERM },
        { "mknodat", { ANY, ANY, 0644 }, 0 },
        { "mknodat", { 0, 0, S_IFREG | 02755 }, EPERM },
        { "mknodat", { 0, 0, S_IFCHR }, EPERM },
        { "open", { 0, O_RDWR, ANY }, 0 },
        { "open", { 0, O_RDWR | O_CREAT, 0644 }, 0 },
        { "open", { 0, O_RDWR | O_CREAT, 04755 }, EPERM },
        { "open", { 0, O_RDWR | O_CREAT | O_EXCL, 02755 }, EPERM },
        { "open", { 0, O_RDWR | TMPFILE, 04755 }, EPERM },
        { "open", { 0, O_RDWR | TMPFILE, 02755 | HIGH }, EPERM },
        { "open", { 0, O_DIRECTORY, ANY }, 0 },
        { "openat", { ANY, 0, O_RDONLY | O_DIRECTORY, ANY }, 0 },
        { "openat", { 0, 0, O_WRONLY | O_CREAT, 0600 }, 0 },
        { "openat", { 0, 0, O_WRONLY | O_CREAT, 04600 }, EPERM },
        { "openat", { 0, 0, O_WRONLY | TMPFILE, 06600 }, EPERM },
        { "openat2", { 0 }, ENOSYS },
        /* namespaces */
        { "clone", { THREAD }, 0 },
        { "clone", { SIGCHLD }, 0 },
        { "clone", { SIGCHLD | CLONE_NEWUSER }, EPERM },
        { "clone", { SIGCHLD | CLONE_NEWNS }, EPERM },
        { "clone", { SIGCHLD | CLONE_NEWPID }, EPERM },
        { "clone", { SIGCHLD | CLONE_NEWNET | HIGH }, EPERM },
        { "clone", { SIGCHLD | CLONE_NEWCGROUP }, EPERM },
        { "clone", { SIGCHLD | CLONE_NEWUTS }, EPERM },
        { "clone", { SIGCHLD | CLONE_NEWIPC }, EPERM },
        { "clone3", { 0 }, ENOSYS },
        { "unshare", { FILES_ONLY }, 0 },
        { "unshare", { CLONE_NEWUSER }, EPERM },
        { "unshare", { CLONE_NEWNS | FILES_ONLY }, EPERM },
        { "unshare", { NEW_TIME }, EPERM },
        { "unshare", { CLONE_NEWNET | HIGHEST }, EPERM },
        { "setns", { 3, 0 }, EPERM },
        /* sockets */
        { "socket", { AF_UNIX, SOCK_STREAM }, 0 },
        { "socket", { AF_INET, SOCK_DGRAM }, 0 },
        { "socket", { AF_INET6, SOCK_STREAM }, 0 },
        { "socket", { AF_NETLINK, SOCK_RAW, 0 }, 0 },
        { "socket", { AF_NETLINK, SOCK_RAW, 9 }, EPROTONOSUPPORT },
        { "socket", { AF_NETLINK, SOCK_RAW, 12 }, EPROTONOSUPPORT },
        { "socket", { AF_NETLINK, SOCK_RAW, 12 | HIGH }, EPROTONOSUPPORT },
        { "socket", { AF_NETLINK | HIGH, SOCK_RAW, 12 }, EAFNOSUPPORT },
        { "socket", { AF_PACKET, SOCK_RAW }, EAFNOSUPPORT },
        { "socket", { AF_PACKET | HIGH, SOCK_RAW }, EAFNOSUPPORT },
        { "socket", { AF_VSOCK, SOCK_STREAM }, EAFNOSUPPORT },
        { "socket", { AF_ALG, SOCK_SEQPACKET }, EAFNOSUPPORT },
        { "socket", { AF_CAN, SOCK_RAW }, EAFNOSUPPORT },
        { "socket", { AF_KEY, SOCK_RAW }, EAFNOSUPPORT },
        { "socket", { AF_BLUETOOTH, SOCK_RAW }, EAFNOSUPPORT },
        { "socket", { 99, SOCK_RAW }, EAFNOSUPPORT },
        { "socket", { 0, SOCK_RAW }, EAFNOSUPPORT },
        { "socketpair", { AF_UNIX, SOCK_STREAM }, 0 },
        { "socketpair", { AF_TIPC, SOCK_STREAM }, EAFNOSUPPORT },
        /* personalities */
        { "personality", { 0 }, 0 },
        { "personality", { 0xffffffff }, 0 },
        { "personality", { 0xffffffffffffffffULL }, 0 },
        { "personality", { 0x40000 }, EPERM },
        { "personality", { 0x40000 | HIGH }, EPERM },
        { "personality", { 0x400000 | 8 }, EPERM },
        { "personality", { 0xfffffffe }, EPERM },
        { "personality", { 0x7fffffff }, EPERM },
        { "personality", { 0x100000 }, EPERM },
        /* whole calls */
        { "mount", { 0 }, EPERM },
        { "umount2", { 0 }, EPERM },
        { "pivot_root", { 0 }, EPERM },
        { "chroot", { 0 }, EPERM },
        { "open_tree", { 0 }, EPERM },
        { "move_mount", { 0 }, EPERM },
        { "fsopen", { 0 }, EPERM },
        { "fsconfig", { 0 }, EPERM },
        { "fsmount", { 0 }, EPERM },
        { "fspick", { 0 }, EPERM },
        { "mount_setattr", { 0 }, EPERM },
        { "open_tree_attr", { 0 }, EPERM },
        { "open_by_handle_at", { 0 }, EPERM },
        { "name_to_handle_at", { 0 }, EPERM },
        { "add_key", { 0 }, EPERM },
        { "request_key", { 0 }, EPERM },
        { "keyctl", { 0 }, EPERM },
        { "bpf", { 0 }, EPERM },
        { "perf_event_open", { 0 }, EPERM },
        { "io_uring_setup", { 0 }, EPERM },
        { "io_uring_enter", { 0 }, EPERM },
        { "io_uring_register", { 0 }, EPERM },
        { "userfaultfd", { 0 }, EPERM },
        { "kexec_load", { 0 }, EPERM },
        { "kexec_file_load", { 0 }, EPERM },
        { "init_module", { 0 }, EPERM },
        { "finit_module", { 0 }, EPERM },
        { "delete_module", { 0 }, EPERM },
        { "settimeofday", { 0 }, EPERM },
        { "clock_settime", { 0 }, EPERM },
        { "clock_adjtime", { 0 }, EPERM },
        { "adjtimex", { 0 }, EPERM },
        { "swapon", { 0 }, EPERM },
        { "swapoff", { 0 }, EPERM },
        { "quotactl", { 0 }, EPERM },
        { "quotactl_fd", { 0 }, EPERM },
        { "reboot", { 0 }, EPERM },
        { "sethostname", { 0 }, EPERM },
        { "syslog", { 0 }, EPERM },
        { "acct", { 0 }, EPERM },
        { "ptrace", { 0 }, EPERM },
        { "process_vm_readv", { 0 }, EPERM },
        { "process_vm_writev", { 0 }, EPERM },
        { "pidfd_getfd", { 0 }, EPERM },
        { "fanotify_init", { 0 }, EPERM },
        { "mbind", { 0 }, EPERM },
        /* what nobody has looked at */
        { "memfd_secret", { 0 }, ENOSYS },
        /* and what every program does */
        { "read", { ANY, ANY, ANY }, 0 },
        { "execve", { ANY, ANY, ANY }, 0 },
        { "mmap", { ANY, ANY, ANY }, 0 },
        { "mprotect", { ANY, ANY, ANY }, 0 },
        { "prctl", { ANY, ANY, ANY }, 0 },
        { "seccomp", { ANY, ANY, ANY }, 0 },
        { "landlock_restrict_self", { ANY, ANY }, 0 },
        { "futex", { ANY, ANY, ANY }, 0 },
        { "rseq", { ANY, ANY, ANY }, 0 },
        { "statx", { ANY, ANY, ANY }, 0 },
        { "memfd_create", { ANY, ANY, ANY }, 0 },
        { "pidfd_open", { ANY, ANY }, 0 },
        { "exit_group", { ANY }, 0 },
};

static void test_calls(void **state) {
        g_auto(Programs) programs = { 0 };
        uint32_t native = seccomp_arch_native();
        int failed = 0;

        (void) state;
        compile_default(&programs);
        for (size_t i = 0; i < G_N_ELEMENTS(calls); i++) {
                uint64_t arguments[6] = { 0 };
                int number = number_of(calls[i].call), got;

                if (number < 0 && number != __NR_SCMP_ERROR)
                        continue; /* this architecture does not have it */
                assert_int_not_equal(number, __NR_SCMP_ERROR);
                memcpy(arguments, calls[i].arguments, sizeof(calls[i].arguments));
                got = answer(&programs, native, number, arguments);
                if (got != calls[i].errnum) {
                        print_error("%zu: %s(%#lx, %#lx, %#lx, %#lx): %s, expected %s\n", i, calls[i].call,
                                    (long) arguments[0], (long) arguments[1], (long) arguments[2],
                                    (long) arguments[3], g_strerror(got), g_strerror(calls[i].errnum));
                        failed++;
                }
        }
        assert_int_equal(failed, 0);
}

/* Calls of every number, by another table: none gets through, whatever it would mean there. */
static void test_architectures(void **state) {
        static const uint32_t others[] = { AUDIT_ARCH_I386, AUDIT_ARCH_X86_64, AUDIT_ARCH_ARM, AUDIT_ARCH_AARCH64,
                                           AUDIT_ARCH_RISCV64, AUDIT_ARCH_MIPS, 0, 0xffffffff };
        g_auto(Programs) programs = { 0 };
        const uint64_t none[6] = { 0 };

        (void) state;
        compile_default(&programs);
        for (size_t i = 0; i < G_N_ELEMENTS(others); i++)
                for (int number = 0; others[i] != seccomp_arch_native() && number < 600; number++)
                        assert_int_equal(answer(&programs, others[i], number, none), ENOSYS);
        /* x32 shares x86-64's number of the architecture and has a bit in that of the call. */
        for (int number = 0; number < 600; number++)
                assert_int_equal(answer(&programs, seccomp_arch_native(), number | 0x40000000, none), ENOSYS);
        assert_int_equal(answer(&programs, seccomp_arch_native(), -1, none), ENOSYS);
}

static void test_unknown_calls(void **state) {
        g_auto(Programs) programs = { 0 };
        const uint64_t none[6] = { 0 };

        (void) state;
        compile_default(&programs);
        for (int number = 470; number < 3000; number++)
                assert_int_equal(answer(&programs, seccomp_arch_native(), number, none), ENOSYS);
}

static void test_tables(void **state) {
        const char *const *const lists[] = { filter_allowed, filter_refused, filter_privileged };
        g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);

        (void) state;
        for (size_t i = 0; i < G_N_ELEMENTS(lists); i++)
                for (size_t j = 0; lists[i][j]; j++)
                        if (!g_hash_table_add(seen, (char *) lists[i][j]))
                                fail_msg("'%s' stands in the tables twice", lists[i][j]);
        for (size_t i = 0; filter_of_init[i]; i++) {
                if (number_of(filter_of_init[i]) == __NR_SCMP_ERROR)
                        fail_msg("'%s' is no system call", filter_of_init[i]);
                assert_false(g_strv_contains(filter_privileged, filter_of_init[i]));
        }
}

/* init needs nothing that the default does not allow: its apps then inherit, and load nothing themselves. */
static void test_default_is_one_program(void **state) {
        g_auto(Programs) programs = { 0 };

        (void) state;
        compile_default(&programs);
        assert_non_null(programs.bytes[SPEC_FILTER_ARGUMENTS]);
        assert_non_null(programs.bytes[SPEC_FILTER_INIT]);
        assert_null(programs.bytes[SPEC_FILTER_APPS]);
        for (size_t i = 0; i < _SPEC_FILTER_MAX; i++)
                if (programs.bytes[i])
                        assert_in_range(g_bytes_get_size(programs.bytes[i]), 8, FILTER_SIZE_MAX);
}

static void test_compiles_alike(void **state) {
        g_auto(Programs) one = { 0 }, two = { 0 };

        (void) state;
        compile_default(&one);
        compile_default(&two);
        for (size_t i = 0; i < SPEC_FILTER_APPS; i++)
                assert_true(g_bytes_equal(one.bytes[i], two.bytes[i]));
}

static const struct {
        const char *text, *expected;
} wrong_files[] = {
        { "allow ptrace\nallow nosuchcall\n", "2: There is no system call 'nosuchcall'\n" },
        { "permit ptrace\n", "1: 'permit' is not understood, expected allow, refuse or families\n" },
        { "refuse execve exit_group", "1: 'execve' cannot be refused: no program starts without it\n"
                                      "1: 'exit_group' cannot be refused: no program starts without it\n" },
        { "\n\nfamilies appletalk",
          "3: Family 'appletalk' is unknown, expected one of: can, bluetooth, netlink, packet, vsock\n" },
        { "allow \xff", "0: The file is not UTF-8 text\n" },
};

static void test_wrong_files(void **state) {
        (void) state;
        for (size_t i = 0; i < G_N_ELEMENTS(wrong_files); i++) {
                g_autoptr(GPtrArray) findings = template_findings_new();
                g_autoptr(GString) text = g_string_new(NULL);
                g_autoptr(Filter) filter = NULL;

                assert_int_equal(filter_parse("x", wrong_files[i].text, findings, &filter), -EBADMSG);
                assert_null(filter);
                for (guint j = 0; j < findings->len; j++) {
                        const TemplateFinding *finding = g_ptr_array_index(findings, j);

                        g_string_append_printf(text, "%u: %s\n", finding->line, finding->text);
                }
                assert_string_equal(text->str, wrong_files[i].expected);
        }
}

static void parse(const char *text, Filter **ret) {
        g_autoptr(GPtrArray) findings = template_findings_new();

        assert_int_equal(filter_parse("x", text, findings, ret), 0);
        assert_string_equal(filter_get_name(*ret), "x");
}

static int answer_by_name(const Programs *programs, const char *name, uint64_t first) {
        const uint64_t arguments[6] = { first };

        return answer(programs, seccomp_arch_native(), number_of(name), arguments);
}

static void test_own_filter(void **state) {
        g_autoptr(Filter) filter = NULL;
        g_auto(Programs) programs = { 0 };

        (void) state;
        parse("# for a debugger\nallow ptrace process_vm_readv # both\n\trefuse listen\nfamilies can\n", &filter);
        assert_false(filter_is_privileged(filter));
        compile(filter, &programs);
        assert_int_equal(answer_by_name(&programs, "ptrace", 0), 0);
        assert_int_equal(answer_by_name(&programs, "listen", 0), EPERM);
        assert_int_equal(answer_by_name(&programs, "socket", AF_CAN), 0);
        assert_int_equal(answer_by_name(&programs, "socket", AF_ALG), EAFNOSUPPORT);
        assert_int_equal(answer_by_name(&programs, "mount", 0), EPERM);
}

/* What init must do and the app must not are two programs. */
static void test_narrower_than_init(void **state) {
        g_autoptr(Filter) filter = NULL;
        g_auto(Programs) programs = { 0 };
        const uint64_t none[6] = { 0 };
        int setsid_number = number_of("setsid"), listen_number = number_of("listen");

        (void) state;
        parse("refuse listen setsid", &filter);
        compile(filter, &programs);
        assert_non_null(programs.bytes[SPEC_FILTER_APPS]);
        assert_int_equal(answer(&programs, seccomp_arch_native(), setsid_number, none), EPERM);
        g_clear_pointer(&programs.bytes[SPEC_FILTER_APPS], g_bytes_unref);
        assert_int_equal(answer(&programs, seccomp_arch_native(), setsid_number, none), 0);
        assert_int_equal(answer(&programs, seccomp_arch_native(), listen_number, none), EPERM);
}

static void test_privileged(void **state) {
        g_autoptr(Filter) filter = NULL;
        g_auto(Programs) programs = { 0 };

        (void) state;
        parse("allow mount umount2", &filter);
        assert_true(filter_is_privileged(filter));
        compile(filter, &programs);
        assert_int_equal(answer_by_name(&programs, "mount", 0), 0);
        /* Arguments are not in any list. */
        assert_int_equal(answer_by_name(&programs, "unshare", CLONE_NEWUSER), EPERM);
}

/* In a child that has loaded them: the kernel takes the programs, and answers as the interpreter does. */
static int child_main(const Programs *programs) {
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                return 1;
        for (size_t i = 0; i < _SPEC_FILTER_MAX; i++) {
                struct sock_fprog program;
                size_t size;

                if (!programs->bytes[i])
                        continue;
                program.filter = (struct sock_filter *) g_bytes_get_data(programs->bytes[i], &size);
                program.len = (unsigned short) (size / sizeof(struct sock_filter));
                if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0)
                        return 2;
        }
        if (syscall(SYS_unshare, CLONE_NEWUSER) == 0 || errno != EPERM)
                return 3;
        if (ioctl(0, TIOCSTI, "") == 0 || errno != EPERM)
                return 4;
        if (syscall(SYS_ioctl, 0, TIOCSTI | HIGH, "") == 0 || errno != EPERM)
                return 5;
        if (socket(AF_ALG, SOCK_SEQPACKET, 0) >= 0 || errno != EAFNOSUPPORT)
                return 6;
        if (syscall(SYS_clone3, NULL, 0) >= 0 || errno != ENOSYS)
                return 7;
        if (fchmod(0, 04755) == 0 || errno != EPERM)
                return 8;
        if (syscall(SYS_mount, NULL, NULL, NULL, 0, NULL) == 0 || errno != EPERM)
                return 9;
        return getppid() > 0 ? 0 : 10;
}

static void test_kernel(void **state) {
        g_auto(Programs) programs = { 0 };
        int status;
        pid_t pid;

        (void) state;
        compile_default(&programs);
        pid = fork();
        assert_int_not_equal(pid, -1);
        if (pid == 0)
                _exit(child_main(&programs));
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_calls),
                cmocka_unit_test(test_architectures),
                cmocka_unit_test(test_unknown_calls),
                cmocka_unit_test(test_tables),
                cmocka_unit_test(test_default_is_one_program),
                cmocka_unit_test(test_compiles_alike),
                cmocka_unit_test(test_wrong_files),
                cmocka_unit_test(test_own_filter),
                cmocka_unit_test(test_narrower_than_init),
                cmocka_unit_test(test_privileged),
                cmocka_unit_test(test_kernel),
        };

        return cmocka_run_group_tests_name("filter", tests, NULL, NULL);
}
