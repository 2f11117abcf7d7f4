/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "shim/container.h"

#include <fcntl.h>
#include <lxc/lxccontainer.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shim/mount.h"
#include "shim/rootfs.h"
#include "util/cleanup.h"
#include "util/fs.h"
#include "util/limits.h"
#include "util/wire.h"

/* The monitor's own descriptors, between those that init inherits (util/wire.h). */
#define MONITOR_FD_REPORT 102
#define MONITOR_FD_LOG    103
#define MONITOR_FD_USERNS 104

/* templates/apparmor/bulkhead-sandbox */
#define APPARMOR_PROFILE "bulkhead-sandbox"
#define APPARMOR_PROFILES_MAX (1024 * 1024)

/* What the monitor tells us. */
enum {
        REPORT_FAILURE = 1, /* an Error */
        REPORT_ROOTFS = 2,  /* u64 usec */
};

/* liblxc's log: as much of its end as is looked at. */
#define LOG_TAIL_SIZE 8192
#define LOG_LINES_MAX 3

struct Container {
        pid_t monitor;    /* our child until it is reaped, then 0 */
        pid_t init;       /* 0 until ready and after the end */
        int init_pidfd;   /* owned */
        int report_fd;    /* owned; the monitor's words */
        int log_fd;       /* owned; memfd that liblxc logs into */
        int userns_fd;    /* owned copy */
        int mnt_fd;       /* owned; the container's mount namespace */
        int host_mnt_fd;  /* owned; ours, to come back to */
        int net_fd;       /* owned; the container's network namespace */
        int host_net_fd;  /* owned; ours */
        int host_fds_fd;  /* owned; our /proc/self/fd as the host's proc shows it */
        int host_root_fd; /* owned */
        uint64_t rootfs_usec;
        Error failure;
};

/* ---- in the monitor ---- */

static void report_failure(const Error *error) {
        WireWriter writer = WIRE_WRITER_NULL;

        shim_error_put(&writer, error);
        (void) wire_send(MONITOR_FD_REPORT, REPORT_FAILURE, 0, &writer, NULL, 0);
        wire_writer_done(&writer);
}

static void report_rootfs(gint64 usec) {
        WireWriter writer = WIRE_WRITER_NULL;

        wire_put_u64(&writer, (uint64_t) usec);
        (void) wire_send(MONITOR_FD_REPORT, REPORT_ROOTFS, 0, &writer, NULL, 0);
        wire_writer_done(&writer);
}

/* Moves every descriptor to the number where init or we expect it, and closes all others. Sources are copied
 * above the whole range first, so that none is overwritten before it was used. */
static int arrange_fds(const ContainerSetup *setup, int init_binary_fd, int report_fd, int log_fd) {
        struct {
                int from, to, flags;
        } moves[5 + INIT_CGROUPS_MAX] = {
                { setup->init_socket_fd, INIT_FD_SOCKET, 0 },
                { init_binary_fd, INIT_FD_BINARY, 0 },
                { report_fd, MONITOR_FD_REPORT, O_CLOEXEC },
                { log_fd, MONITOR_FD_LOG, O_CLOEXEC },
                { setup->userns_fd, MONITOR_FD_USERNS, O_CLOEXEC },
        };
        size_t n = setup->userns_fd >= 0 ? 5 : 4;
        int last = INIT_FD_CGROUPS + INIT_CGROUPS_MAX;

        for (size_t i = 0; i < setup->n_join_fds; i++, n++) {
                moves[n].from = setup->join_fds[i];
                moves[n].to = INIT_FD_CGROUPS + (int) i;
        }
        for (size_t i = 0; i < n; i++) {
                moves[i].from = fcntl(moves[i].from, F_DUPFD_CLOEXEC, last);
                if (moves[i].from < 0)
                        return -errno;
        }
        if (close_range(0, (unsigned) last - 1, 0) < 0)
                return -errno;
        /* liblxc gives 0, 1 and 2 to the sandbox's root, which only the null device survives. */
        for (int fd = 0; fd < 3; fd++)
                if (open("/dev/null", O_RDWR) != fd)
                        return -EIO;
        for (size_t i = 0; i < n; i++)
                if (dup3(moves[i].from, moves[i].to, moves[i].flags) < 0)
                        return -errno;
        return close_range((unsigned) last, ~0u, 0) < 0 ? -errno : 0;
}

static int set_item(struct lxc_container *lxc, const char *key, const char *value, Error *error) {
        if (!lxc->set_config_item(lxc, key, value))
                return error_setf(error, ERROR_SYSTEM, "liblxc does not take %s = %s", key, value);
        return 0;
}

/* Whether the kernel has our profile: where it has AppArmor at all, the packages' start loads it. */
static bool has_apparmor_profile(void) {
        g_autofree char *text = NULL;
        size_t size;

        return fs_read_file_at(AT_FDCWD, "/sys/kernel/security/apparmor/profiles", APPARMOR_PROFILES_MAX, &text, &size,
                               NULL) >= 0 &&
               (g_str_has_prefix(text, APPARMOR_PROFILE " (") || strstr(text, "\n" APPARMOR_PROFILE " ("));
}

static int set_items(struct lxc_container *lxc, const char *const items[][2], size_t n, Error *error) {
        for (size_t i = 0; i < n; i++) {
                int r = set_item(lxc, items[i][0], items[i][1], error);

                if (r < 0)
                        return r;
        }
        return 0;
}

static int configure_ids(struct lxc_container *lxc, const Spec *spec, Error *error) {
        g_autofree char *uids = g_strdup_printf("u 0 %u %u", spec->id_base, spec->id_count);
        g_autofree char *gids = g_strdup_printf("g 0 %u %u", spec->id_base, spec->id_count);
        g_autofree char *userns = g_strdup_printf("/proc/self/fd/%d", MONITOR_FD_USERNS);
        const char *const items[][2] = {
                { "lxc.idmap", uids },
                { "lxc.idmap", gids },
                { "lxc.namespace.share.user", userns },
        };

        return spec->user_namespace ? set_items(lxc, items, G_N_ELEMENTS(items), error) : 0;
}

/* Only the owner of a network namespace may mount its sysfs: with the host's network it is the host's, bound by
 * bind_host_sys(). */
static int configure_network(struct lxc_container *lxc, const Spec *spec, Error *error) {
        static const char *const own[][2] = {
                /* Loopback, up, and nothing else. */
                { "lxc.net.0.type", "empty" },
                { "lxc.net.0.flags", "up" },
                { "lxc.mount.auto", "proc:rw sys:ro" },
        };
        static const char *const host[][2] = {
                { "lxc.net.0.type", "none" },
                { "lxc.mount.auto", "proc:rw" },
        };

        return spec->network == SPEC_NETWORK_HOST ? set_items(lxc, host, G_N_ELEMENTS(host), error)
                                                  : set_items(lxc, own, G_N_ELEMENTS(own), error);
}

static int configure(struct lxc_container *lxc, const Spec *spec, Error *error) {
        g_autofree char *log = g_strdup_printf("/proc/self/fd/%d", MONITOR_FD_LOG);
        const char *const items[][2] = {
                { "lxc.log.level", "ERROR" },
                { "lxc.log.file", log },
                { "lxc.rootfs.path", "dir:" ROOTFS_PATH },
                { "lxc.rootfs.mount", ROOTFS_PIVOT },
                { "lxc.uts.name", spec->hostname },
                { "lxc.autodev", "0" },
                { "lxc.pty.max", "1024" },
                { "lxc.tty.max", "0" },
                { "lxc.console.path", "none" },
                /* init makes its own, and does not start without it. */
                { "lxc.keyring.session", "0" },
                { "lxc.apparmor.profile", has_apparmor_profile() ? APPARMOR_PROFILE : "unchanged" },
        };
        int r;

        r = set_items(lxc, items, G_N_ELEMENTS(items), error);
        if (r >= 0)
                r = configure_ids(lxc, spec, error);
        return r < 0 ? r : configure_network(lxc, spec, error);
}

static int bind_host_sys(const Spec *spec, Error *error) {
        if (spec->network != SPEC_NETWORK_HOST)
                return 0;
        return mount_bind(AT_FDCWD, "/sys", ROOTFS_PATH "/sys",
                          MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC, -EBADF,
                          error);
}

/* init's own words, from its wait status. */
static int init_failure(int status, Error *error) {
        static const char *const words[] = {
                [INIT_EXIT_CGROUPS] = "it could not join its cgroups",
                [INIT_EXIT_SOCKET] = "it has no socket to the shim",
                [INIT_EXIT_SIGNALS] = "it could not set up signals",
                [INIT_EXIT_PRIVILEGES] = "it could not drop its privileges",
                [INIT_EXIT_SERVING] = "it did not understand the shim",
                [INIT_EXIT_NAMESPACES] = "it could not make its namespaces and keyring",
                [INIT_EXIT_SETUP] = "it was not told its walls",
                [INIT_EXIT_FILTERS] = "the kernel did not take its filter of system calls",
        };
        unsigned code = WIFEXITED(status) ? WEXITSTATUS(status) : 0;

        if (WIFSIGNALED(status))
                return error_setf(error, ERROR_SYSTEM, "The sandbox's init was killed by signal %d", WTERMSIG(status));
        if (code == 0)
                return 0;
        return error_setf(error, ERROR_SYSTEM, "The sandbox's init gave up: %s",
                          code < G_N_ELEMENTS(words) && words[code] ? words[code] : "it could not be executed");
}

/* Becomes LXC's monitor; comes back only if the container did not start or has ended. */
static int run_lxc(const ContainerSetup *setup, Error *error) {
        char init_path[32], *argv[] = { init_path, NULL };
        struct lxc_container *lxc;
        int r;

        snprintf(init_path, sizeof(init_path), "/proc/self/fd/%d", INIT_FD_BINARY);
        /* With newuidmap(1) on PATH liblxc would use it even as root, which then needs /etc/subuid. */
        if (setenv("PATH", "/nonexistent", 1) < 0)
                return error_set_errnof(error, errno, "Cannot set PATH");
        lxc = lxc_container_new(setup->lxc_name, ROOTFS_SCRATCH);
        if (!lxc)
                return error_setf(error, ERROR_SYSTEM, "liblxc cannot make container '%s'", setup->lxc_name);
        r = configure(lxc, setup->spec, error);
        if (r < 0)
                return r;
        lxc->want_daemonize(lxc, false);
        if (!lxc->start(lxc, 0, argv))
                return -EIO; /* the reason is in its log, which the shim reads */
        return init_failure(lxc->error_num, error);
}

G_GNUC_NORETURN static void monitor_main(const ContainerSetup *setup, int init_binary_fd, int report_fd,
                                         int log_fd) {
        g_auto(Error) error = ERROR_NULL;
        gint64 begun = g_get_monotonic_time();
        sigset_t none;
        int r;

        /* The shim's death is ours, and ours is init's: no sandbox without an owner. */
        sigemptyset(&none);
        r = prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 || sigprocmask(SIG_SETMASK, &none, NULL) < 0 ? -errno : 0;
        if (r >= 0)
                r = arrange_fds(setup, init_binary_fd, report_fd, log_fd);
        if (r < 0)
                _exit(2); /* nothing to report on yet */
        r = rootfs_assemble(setup->spec, setup->userns_fd >= 0 ? MONITOR_FD_USERNS : -EBADF, setup->cgroup_mount, &error);
        if (r >= 0)
                r = bind_host_sys(setup->spec, &error);
        if (r >= 0) {
                report_rootfs(g_get_monotonic_time() - begun);
                r = run_lxc(setup, &error);
        }
        if (r < 0 && error.message)
                report_failure(&error);
        _exit(r < 0 ? 1 : 0);
}

/* ---- in the shim ---- */

static int open_host(Container *container, Error *error) {
        container->host_mnt_fd = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
        container->host_net_fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
        container->host_fds_fd = open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        container->host_root_fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (container->host_mnt_fd < 0 || container->host_net_fd < 0 || container->host_fds_fd < 0 ||
            container->host_root_fd < 0)
                return error_set_errnof(error, errno, "Cannot open our own namespace");
        return 0;
}

int container_start(const ContainerSetup *setup, Container **ret, Error *error) {
        g_autoptr(Container) container = g_new0(Container, 1);
        autofd int binary_fd = -EBADF, report_fd = -EBADF;
        int sockets[2], r;

        container->init_pidfd = container->report_fd = container->log_fd = container->userns_fd = -EBADF;
        container->mnt_fd = container->host_mnt_fd = container->host_fds_fd = container->host_root_fd = -EBADF;
        container->net_fd = container->host_net_fd = -EBADF;
        r = open_host(container, error);
        if (r < 0)
                return r;
        binary_fd = open(setup->init_program, O_RDONLY | O_CLOEXEC);
        if (binary_fd < 0)
                return error_set_errnof(error, errno, "Cannot open init '%s'", setup->init_program);
        container->userns_fd = setup->userns_fd >= 0 ? fcntl(setup->userns_fd, F_DUPFD_CLOEXEC, 3) : -EBADF;
        container->log_fd = memfd_create("bulkhead-lxc-log", MFD_CLOEXEC);
        if ((setup->userns_fd >= 0 && container->userns_fd < 0) || container->log_fd < 0)
                return error_set_errnof(error, errno, "Cannot open what a container needs");
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sockets) < 0)
                return error_set_errnof(error, errno, "Cannot make a socket pair");
        container->report_fd = sockets[0];
        report_fd = sockets[1];

        container->monitor = fork();
        if (container->monitor < 0) {
                container->monitor = 0;
                return error_set_code_errnof(error, errno == EAGAIN ? ERROR_LIMIT_REACHED : ERROR_SYSTEM, errno,
                                             "Cannot fork the monitor");
        }
        if (container->monitor == 0)
                monitor_main(setup, binary_fd, report_fd, container->log_fd);
        *ret = g_steal_pointer(&container);
        return 0;
}

void container_free(Container *container) {
        if (!container)
                return;
        container_set_ended(container);
        container->report_fd = fd_close(container->report_fd);
        container->log_fd = fd_close(container->log_fd);
        container->userns_fd = fd_close(container->userns_fd);
        container->host_mnt_fd = fd_close(container->host_mnt_fd);
        container->host_net_fd = fd_close(container->host_net_fd);
        container->host_fds_fd = fd_close(container->host_fds_fd);
        container->host_root_fd = fd_close(container->host_root_fd);
        error_done(&container->failure);
        g_free(container);
}

pid_t container_get_monitor(const Container *container) {
        return container->monitor;
}

pid_t container_get_init(const Container *container) {
        return container->init;
}

int container_get_userns_fd(const Container *container) {
        return container->userns_fd;
}

/* A namespace descriptor that is kept pins what is in it, links of the network above all. */
void container_set_ended(Container *container) {
        container->monitor = 0;
        container->init = 0;
        container->init_pidfd = fd_close(container->init_pidfd);
        container->mnt_fd = fd_close(container->mnt_fd);
        container->net_fd = fd_close(container->net_fd);
}

static int open_namespace(pid_t pid, const char *name, int *ret_fd, Error *error) {
        g_autofree char *path = g_strdup_printf("/proc/%d/ns/%s", (int) pid, name);

        *ret_fd = open(path, O_RDONLY | O_CLOEXEC);
        return *ret_fd < 0 ? error_set_errnof(error, errno, "Cannot open %s", path) : 0;
}

int container_set_ready(Container *container, pid_t init_pid, Error *error) {
        int r;

        container->init_pidfd = (int) syscall(SYS_pidfd_open, init_pid, 0);
        if (container->init_pidfd < 0)
                return error_set_errnof(error, errno, "Cannot open init, process %d", (int) init_pid);
        r = open_namespace(init_pid, "mnt", &container->mnt_fd, error);
        if (r >= 0)
                r = open_namespace(init_pid, "net", &container->net_fd, error);
        if (r < 0)
                return r;
        container->init = init_pid;
        return 0;
}

void container_kill(Container *container) {
        if (container->init_pidfd >= 0)
                (void) syscall(SYS_pidfd_send_signal, container->init_pidfd, SIGKILL, NULL, 0);
        else if (container->monitor > 0)
                (void) kill(container->monitor, SIGKILL);
}

/* ---- why it failed ---- */

static void take_reports(Container *container) {
        for (;;) {
                WireMessage message = WIRE_MESSAGE_NULL;
                WireReader reader;

                if (wire_receive(container->report_fd, &message) <= 0)
                        return;
                reader = wire_reader(&message);
                if (message.header.type == REPORT_ROOTFS)
                        container->rootfs_usec = wire_get_u64(&reader);
                else if (!container->failure.message)
                        (void) shim_error_get(&reader, &container->failure);
                wire_message_done(&message);
        }
}

uint64_t container_get_rootfs_usec(Container *container) {
        take_reports(container);
        return container->rootfs_usec;
}

/* The words of a log line "lxc NAME TIME ERROR category - file:function:line - words". */
static const char *log_line_words(const char *line) {
        const char *words;

        if (!strstr(line, " ERROR "))
                return NULL;
        words = strstr(line, " - ");
        words = words ? strstr(words + 3, " - ") : NULL;
        return words ? words + 3 : NULL;
}

static char *read_log_end(Container *container) {
        g_autofree char *text = g_malloc0(LOG_TAIL_SIZE + 1);
        g_auto(GStrv) lines = NULL;
        g_autoptr(GString) words = g_string_new(NULL);
        off_t size = lseek(container->log_fd, 0, SEEK_END);
        off_t from = size > LOG_TAIL_SIZE ? size - LOG_TAIL_SIZE : 0;
        int n = 0;

        if (size <= 0 || pread(container->log_fd, text, LOG_TAIL_SIZE, from) <= 0)
                return NULL;
        lines = g_strsplit(text, "\n", -1);
        for (int i = (int) g_strv_length(lines) - 1; i >= 0 && n < LOG_LINES_MAX; i--) {
                const char *line = log_line_words(lines[i]);

                if (!line)
                        continue;
                if (n++ > 0)
                        g_string_prepend(words, "; ");
                g_string_prepend(words, line);
        }
        return n > 0 ? g_strdup(words->str) : NULL;
}

int container_take_failure(Container *container, ErrorCode fallback_code, const char *fallback, Error *error) {
        g_autofree char *log = NULL;

        take_reports(container);
        if (container->failure.message)
                return error_move(error, &container->failure);
        log = read_log_end(container);
        if (log)
                return error_setf(error, fallback_code, "%s; liblxc says: %s", fallback, log);
        return error_setf(error, fallback_code, "%s", fallback);
}

/* ---- inside ---- */

int container_open_namespaces(const Container *container, const char *ret_names[CONTAINER_NAMESPACES_MAX + 1],
                              int ret_fds[CONTAINER_NAMESPACES_MAX], Error *error) {
        /* The last is the one of init's children: of a process that lives it cannot be changed. */
        static const struct {
                const char *name, *file;
        } namespaces[CONTAINER_NAMESPACES_MAX] = {
                { "cgroup", "cgroup" }, { "ipc", "ipc" },   { "mnt", "mnt" }, { "net", "net" },
                { "pid", "pid" },       { "user", "user" }, { "uts", "uts" }, { "time", "time_for_children" },
        };
        int n = 0;

        if (container->init <= 0)
                return error_setf(error, ERROR_BAD_STATE, "The sandbox is not running");
        for (size_t i = 0; i < CONTAINER_NAMESPACES_MAX; i++) {
                g_auto(Error) failure = ERROR_NULL;
                int r = open_namespace(container->init, namespaces[i].file, &ret_fds[n], &failure);

                if (r == -ENOENT && strcmp(namespaces[i].name, "time") == 0)
                        continue; /* a kernel without them */
                if (r < 0) {
                        while (n-- > 0)
                                (void) fd_close(ret_fds[n]);
                        return error_move(error, &failure);
                }
                ret_names[n++] = namespaces[i].name;
        }
        ret_names[n] = NULL;
        return n;
}

int container_enter_mounts(Container *container, Error *error) {
        if (container->mnt_fd < 0)
                return error_setf(error, ERROR_BAD_STATE, "The sandbox has no mount namespace any more");
        if (setns(container->mnt_fd, CLONE_NEWNS) < 0)
                return error_set_errnof(error, errno, "Cannot enter the sandbox's mount namespace");
        if (fchdir(container->host_fds_fd) < 0) {
                int errnum = errno;

                container_leave_mounts(container);
                return error_set_errnof(error, errnum, "Cannot keep our own /proc at hand");
        }
        return 0;
}

void container_leave_mounts(Container *container) {
        /* Without a way back every later path would mean the sandbox's: better no shim, and so no sandbox. */
        if (setns(container->host_mnt_fd, CLONE_NEWNS) < 0 || fchdir(container->host_root_fd) < 0)
                abort();
}

int container_enter_monitor(Container *container, Error *error) {
        autofd int fd = -EBADF;
        int r;

        if (container->monitor <= 0)
                return error_setf(error, ERROR_BAD_STATE, "The sandbox has no monitor any more");
        r = open_namespace(container->monitor, "mnt", &fd, error);
        if (r < 0)
                return r;
        if (setns(fd, CLONE_NEWNS) < 0)
                return error_set_errnof(error, errno, "Cannot enter the monitor's mount namespace");
        return 0;
}

int container_get_network_fd(const Container *container) {
        return container->net_fd;
}

int container_enter_network(Container *container, Error *error) {
        if (container->net_fd < 0)
                return error_setf(error, ERROR_BAD_STATE, "The sandbox has no network namespace any more");
        if (setns(container->net_fd, CLONE_NEWNET) < 0)
                return error_set_errnof(error, errno, "Cannot enter the sandbox's network namespace");
        return 0;
}

void container_leave_network(Container *container) {
        /* What we do to the host's network next would be done to the sandbox's. */
        if (setns(container->host_net_fd, CLONE_NEWNET) < 0)
                abort();
}
