/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/attacks/enter.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/keyctl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "util/cleanup.h"
#include "util/wire.h"

#define FILTERS_MAX 8
#define APP_ID      1000

/* In the order in which they are entered: the user namespace last, since the others need the host's root. */
static const struct {
        const char *name;
        Wall wall;
} namespaces[] = {
        { "cgroup", WALL_CGROUP_NS }, { "ipc", WALL_IPC_NS },   { "uts", WALL_UTS_NS },
        { "net", WALL_NET_NS },       { "time", WALL_TIME_NS }, { "pid", WALL_PID_NS },
        { "mnt", WALL_MOUNT_NS },     { "user", WALL_USER_NS },
};

typedef struct Inside {
        int namespace_fds[G_N_ELEMENTS(namespaces)];
        struct sock_fprog filters[FILTERS_MAX]; /* the last one is the oldest */
        unsigned n_filters;
} Inside;

/* ---- what the sandbox has ---- */

/* ptrace(2), PTRACE_SECCOMP_GET_FILTER: index 0 is the youngest. */
static void copy_filters(pid_t pid, Inside *inside) {
        assert_return_code(ptrace(PTRACE_SEIZE, pid, NULL, NULL), errno);
        assert_return_code(ptrace(PTRACE_INTERRUPT, pid, NULL, NULL), errno);
        assert_int_equal(waitpid(pid, NULL, __WALL), pid);
        while (inside->n_filters < FILTERS_MAX) {
                struct sock_fprog *filter = &inside->filters[inside->n_filters];
                long n = ptrace(PTRACE_SECCOMP_GET_FILTER, pid, inside->n_filters, NULL);

                if (n < 0)
                        break;
                filter->len = (unsigned short) n;
                filter->filter = g_new(struct sock_filter, n);
                assert_int_equal(ptrace(PTRACE_SECCOMP_GET_FILTER, pid, inside->n_filters, filter->filter),
                                 n);
                inside->n_filters++;
        }
        assert_return_code(ptrace(PTRACE_DETACH, pid, NULL, NULL), errno);
}

static void open_inside(const Entry *entry, Inside *ret) {
        for (size_t i = 0; i < G_N_ELEMENTS(namespaces); i++) {
                g_autofree char *path = g_strdup_printf("/proc/%d/ns/%s", (int) entry->program,
                                                        namespaces[i].name);

                ret->namespace_fds[i] = open(path, O_RDONLY | O_CLOEXEC);
                assert_return_code(ret->namespace_fds[i], errno);
        }
        copy_filters(entry->program, ret);
}

static void inside_done(Inside *inside) {
        for (size_t i = 0; i < G_N_ELEMENTS(namespaces); i++)
                fd_closep(&inside->namespace_fds[i]);
        for (unsigned i = 0; i < inside->n_filters; i++)
                g_free(inside->filters[i].filter);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Inside, inside_done)

/* ---- in the child: no function of a test, only exits ---- */

#define DIE_UNLESS(condition)                                                                                \
        do {                                                                                                 \
                if (!(condition)) {                                                                          \
                        dprintf(STDERR_FILENO, "%s: %s\n", #condition, strerror(errno));                     \
                        _exit(3);                                                                            \
                }                                                                                            \
        } while (0)

/* Where each hierarchy is mounted: /sys/fs/cgroup/NAME, as on every distribution; on v2 at the top itself. */
static void join_cgroups(pid_t program) {
        g_autofree char *path = g_strdup_printf("/proc/%d/cgroup", (int) program), *text = NULL;

        DIE_UNLESS(g_file_get_contents(path, &text, NULL, NULL));

        g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

        for (char **line = lines; **line; line++) {
                g_auto(GStrv) fields = g_strsplit(*line, ":", 3);
                const char *folder = g_str_has_prefix(fields[1], "name=") ? fields[1] + 5 : fields[1];
                g_autofree char *procs = g_build_filename("/sys/fs/cgroup", folder, fields[2], "cgroup.procs",
                                                          NULL);
                autofd int fd = open(procs, O_WRONLY | O_CLOEXEC);

                if (fd < 0 && errno == ENOENT)
                        continue; /* a hierarchy that nobody has mounted there */
                DIE_UNLESS(fd >= 0 && write(fd, "0", 1) == 1);
        }
}

static void enter_namespaces(const Entry *entry, const Inside *inside) {
        for (size_t i = 0; i < G_N_ELEMENTS(namespaces); i++) {
                if (namespaces[i].wall == entry->without)
                        continue;
                /* Ours already: setns(2) refuses the user namespace that one is in. */
                if (namespaces[i].wall == WALL_USER_NS)
                        DIE_UNLESS(setgroups(0, NULL) == 0);
                DIE_UNLESS(setns(inside->namespace_fds[i], 0) == 0);
        }
}

/* A pid namespace is for children. */
static void fork_on(void) {
        int status;
        pid_t pid = fork();

        DIE_UNLESS(pid >= 0);
        if (pid == 0)
                return;
        DIE_UNLESS(waitpid(pid, &status, 0) == pid);
        _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128);
}

static void take_terminal(void) {
        int controller = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), unlock = 0, fd;
        unsigned number;

        DIE_UNLESS(controller >= 0 && ioctl(controller, TIOCSPTLCK, &unlock) == 0 &&
                   ioctl(controller, TIOCGPTN, &number) == 0);

        g_autofree char *path = g_strdup_printf("/dev/pts/%u", number);

        DIE_UNLESS(setsid() > 0);
        fd = open(path, O_RDWR | O_CLOEXEC);
        DIE_UNLESS(fd >= 0 && ioctl(fd, TIOCSCTTY, 0) == 0);
}

static void load_filters(const Inside *inside) {
        for (unsigned i = inside->n_filters; i > 0; i--)
                DIE_UNLESS(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &inside->filters[i - 1]) == 0);
}

static void set_capabilities(uint32_t low, uint32_t high) {
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = { { low, low, low },
                                                                         { high, high, high } };

        DIE_UNLESS(syscall(SYS_capset, &header, sets) == 0);
}

static void keep_capabilities(void) {
        set_capabilities(~0u, (1u << (CAP_LAST_CAP - 31)) - 1);
        for (int capability = 0; capability <= CAP_LAST_CAP; capability++)
                DIE_UNLESS(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0) == 0);
}

/* Without no_new_privs a filter needs CAP_SYS_ADMIN, which exec then takes, since we are not root any more.
 */
static void drop_privileges(const Entry *entry, const Inside *inside) {
        uint32_t id = (entry->without == WALL_INIT_UID ? INIT_UID : APP_ID) +
                      (entry->without == WALL_USER_NS ? entry->base : 0);
        bool is_filtered = entry->without != WALL_KEYRING;

        if (entry->without != WALL_CAPABILITIES)
                for (int capability = 0; prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; capability++)
                        DIE_UNLESS(prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0);
        DIE_UNLESS(prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) == 0 && setresgid(id, id, id) == 0 &&
                   setresuid(id, id, id) == 0);
        if (entry->without == WALL_CAPABILITIES)
                keep_capabilities();
        else if (entry->without != WALL_NO_NEW_PRIVS)
                set_capabilities(0, 0);
        else {
                struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
                struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = {
                        { .effective = 1u << CAP_SYS_ADMIN, .permitted = 1u << CAP_SYS_ADMIN },
                };

                DIE_UNLESS(syscall(SYS_capset, &header, sets) == 0);
        }
        if (entry->without != WALL_NO_NEW_PRIVS)
                DIE_UNLESS(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
        if (is_filtered)
                load_filters(inside);
}

G_GNUC_NORETURN static void child_main(const Entry *entry, const Inside *inside, int output_fd) {
        g_autoptr(GPtrArray) variables = g_ptr_array_new();

        for (const char *const *pair = entry->environment; pair && *pair; pair += 2)
                g_ptr_array_add(variables, g_strdup_printf("%s=%s", pair[0], pair[1]));
        g_ptr_array_add(variables, NULL);
        /* Its path is the sandbox's, and the host's root does not have it. */
        g_autofree char *program = g_build_filename(g_getenv("BULKHEAD_TEST_BUILD"),
                                                    "tests/attacks/attack-probe", NULL);
        int host_fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC),
            program_fd = open(program, O_PATH | O_CLOEXEC);

        if (entry->without != WALL_CGROUP)
                join_cgroups(entry->program);
        if (entry->without == WALL_SESSION)
                take_terminal();
        if (entry->without != WALL_KEYRING)
                DIE_UNLESS(syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) >= 0);
        enter_namespaces(entry, inside);
        fork_on();
        DIE_UNLESS(dup2(output_fd, STDOUT_FILENO) >= 0);
        if (entry->without == WALL_DESCRIPTORS)
                DIE_UNLESS(dup2(host_fd, 40) == 40 && fcntl(40, F_SETFD, 0) == 0);
        if (entry->without != WALL_SESSION)
                DIE_UNLESS(setsid() > 0);
        (void) close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
        if (entry->without == WALL_DESCRIPTORS)
                DIE_UNLESS(fcntl(40, F_SETFD, 0) == 0);
        DIE_UNLESS(chdir("/") == 0);
        drop_privileges(entry, inside);
        if (entry->without == WALL_MOUNT_NS)
                (void) syscall(SYS_execveat, program_fd, "", entry->argv, variables->pdata, AT_EMPTY_PATH);
        (void) execve(entry->argv[0], (char **) (uintptr_t) entry->argv, (char **) variables->pdata);
        DIE_UNLESS(!"exec");
        abort();
}

char *enter_run(const Entry *entry) {
        g_autoptr(GString) output = g_string_new(NULL);
        g_auto(Inside) inside = { .n_filters = 0 };
        char buffer[65536];
        int fds[2], status;
        ssize_t n;
        pid_t pid;

        open_inside(entry, &inside);
        assert_return_code(pipe2(fds, O_CLOEXEC), errno);
        pid = fork();
        assert_return_code(pid, errno);
        if (pid == 0)
                child_main(entry, &inside, fds[1]);
        (void) close(fds[1]);
        while ((n = read(fds[0], buffer, sizeof buffer)) > 0)
                g_string_append_len(output, buffer, n);
        (void) close(fds[0]);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        assert_true(WEXITSTATUS(status) <= 1);
        return g_string_free(g_steal_pointer(&output), FALSE);
}

void enter_change(pid_t init, int (*before)(void), int (*change)(void)) {
        static const char *const names[] = { "net", "pid", "mnt" };
        int status;
        pid_t pid = fork();

        assert_return_code(pid, errno);
        if (pid == 0) {
                int fds[G_N_ELEMENTS(names)];

                for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
                        g_autofree char *path = g_strdup_printf("/proc/%d/ns/%s", (int) init, names[i]);

                        fds[i] = open(path, O_RDONLY | O_CLOEXEC);
                        DIE_UNLESS(fds[i] >= 0);
                }
                DIE_UNLESS(setns(fds[0], 0) == 0 && setns(fds[1], 0) == 0);
                fork_on();
                errno = before ? before() : 0;
                DIE_UNLESS(errno == 0);
                DIE_UNLESS(setns(fds[2], 0) == 0);
                errno = change();
                DIE_UNLESS(errno == 0);
                _exit(0);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
}
