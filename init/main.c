/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bulkhead-init: process 1 of a sandbox
 *
 * Reaps, starts programs, reports how they ended; nothing else. Its only peer is the shim, over the socket that
 * it inherits. It starts with the Linux capabilities that root has in its user namespace, uses them to join the
 * payload's cgroups and to make the cgroup namespace, and then gives up all but what starting programs needs:
 * SETUID, SETGID and KILL. It runs as a uid that no app has and is not dumpable, so that no app can signal,
 * trace or read it. It is under the filter of system calls that its apps are under: they inherit it, so that a
 * tighter one for init alone cannot be. If the shim goes, it exits, and the kernel ends everything in its pid namespace.
 *
 * Static, without GLib: it runs from a descriptor, in a root that may have no libraries.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "init/walls.h"
#include "util/limits.h"
#include "util/wire.h"

/* Linux 5.6; the oldest libc headers do not know it. */
#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

/* The linker's default for a thread; a child uses a few hundred bytes of it before exec. */
#define CHILD_STACK_SIZE (256 * 1024)

typedef struct Program {
        uint32_t run;
        pid_t pid;
} Program;

static Program programs[RUNS_MAX]; /* the ones alive that the shim knows */
static size_t n_programs;
static bool halting;
static InitSetup walls;

/* ---- becoming process 1 ---- */

/* Writes "0" to every inherited cgroup file: whoever opened it had the right, also for a user namespace. */
static int join_cgroups(void) {
        for (int fd = INIT_FD_CGROUPS; fd < INIT_FD_CGROUPS + INIT_CGROUPS_MAX; fd++) {
                if (fcntl(fd, F_GETFD) < 0)
                        break;
                if (write(fd, "0", 1) != 1)
                        return -errno;
                close(fd);
        }
        return 0;
}

/* Its clocks are the host's: who shares frames and sound with servers outside shares their monotonic clock. Kernels
 * before 5.6, and some after it, have none. */
static int make_time_namespace(void) {
        int fd, r;

        if (unshare(CLONE_NEWTIME) < 0)
                return errno == EINVAL ? 0 : -errno;
        /* That was for children only, and before Linux 6.3 one in another time namespace cannot share our memory, as a
         * program does up to its exec (time_namespaces(7)). */
        fd = open("/proc/self/ns/time_for_children", O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        r = setns(fd, CLONE_NEWTIME) < 0 ? -errno : 0;
        close(fd);
        return r;
}

/* Those that liblxc cannot make. */
static int make_namespaces(void) {
        int r;

        /* Only now: a cgroup namespace is rooted where its maker is, and that has to be the payload. */
        if (unshare(CLONE_NEWCGROUP) < 0)
                return -errno;
        r = make_time_namespace();
        if (r < 0)
                return r;
        /* One of our own, instead of that of whoever started the service; ENOSYS: a kernel without keys. */
        if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0 && errno != ENOSYS)
                return -errno;
        return 0;
}

static int open_child_signals(void) {
        sigset_t all, child;
        int fd;

        sigfillset(&all);
        sigemptyset(&child);
        sigaddset(&child, SIGCHLD);
        if (sigprocmask(SIG_SETMASK, &all, NULL) < 0)
                return -errno;
        fd = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
        return fd < 0 ? -errno : fd;
}

/* ---- programs ---- */

static Program *find_program(uint32_t run) {
        for (size_t i = 0; i < n_programs; i++)
                if (programs[i].run == run)
                        return &programs[i];
        return NULL;
}

typedef struct Child {
        const InitRun *run;
        const int *fds;
        InitStep step; /* what it was doing when it failed; shared memory, see start_program() */
        int errnum;
} Child;

/* execve(2) along PATH of the program's own environment. execvpe(3) is not used: it hands a file without a known
 * format to a shell. */
static int exec_along_path(const InitRun *run) {
        const char *path = "/usr/bin:/bin", *name = run->argv[0];
        size_t name_size = strlen(name) + 1;
        int denied = 0;

        if (strchr(name, '/')) {
                execve(name, (char *const *) run->argv, (char *const *) run->environment);
                return errno;
        }
        for (size_t i = 0; run->environment[i]; i++)
                if (strncmp(run->environment[i], "PATH=", 5) == 0)
                        path = run->environment[i] + 5;
        for (const char *end; *path && name_size > 1; path = *end ? end + 1 : end) {
                char file[PATH_SIZE_MAX];
                size_t size;

                end = strchrnul(path, ':');
                size = (size_t) (end - path);
                if (size == 0 || size + 1 + name_size > sizeof(file))
                        continue;
                memcpy(file, path, size);
                file[size] = '/';
                memcpy(file + size + 1, name, name_size);
                execve(file, (char *const *) run->argv, (char *const *) run->environment);
                if (errno == EACCES)
                        denied = EACCES;
                else if (errno != ENOENT && errno != ENOTDIR)
                        return errno;
        }
        return denied ?: ENOENT;
}

static int set_rlimits(const InitRun *run) {
        for (uint32_t i = 0; i < run->n_rlimits; i++) {
                struct rlimit limit = { run->rlimits[i].soft, run->rlimits[i].hard };

                if (setrlimit((__rlimit_resource_t) run->rlimits[i].resource, &limit) < 0)
                        return errno;
        }
        return 0;
}

static int set_session(const Child *child) {
        for (uint32_t i = 0; i < child->run->n_fds; i++)
                if (dup2(child->fds[i], (int) i) < 0)
                        return errno;
        if (setsid() < 0)
                return errno;
        return child->run->terminal && ioctl(0, TIOCSCTTY, 0) < 0 ? errno : 0;
}

static int unblock_signals(void) {
        sigset_t none;

        sigemptyset(&none);
        return sigprocmask(SIG_SETMASK, &none, NULL) < 0 ? errno : 0;
}

/* Runs in the child, in init's memory, while init waits. */
static int child_main(void *userdata) {
        Child *child = userdata;
        const InitRun *run = child->run;
        WireWriter writer = WIRE_WRITER_NULL;

        /* The kernel puts our pid, as the shim's namespace knows it, beside this message. */
        wire_put_u32(&writer, run->run);
        child->errnum = -wire_send(INIT_FD_SOCKET, INIT_STARTING, 0, &writer, NULL, 0);
        wire_writer_done(&writer);

        child->step = INIT_STEP_SESSION;
        child->errnum = child->errnum ?: set_session(child);
        if (child->errnum == 0) {
                child->step = INIT_STEP_RLIMIT;
                child->errnum = set_rlimits(run);
        }
        if (child->errnum == 0) {
                child->step = INIT_STEP_CREDENTIALS;
                child->errnum = walls_set_credentials(&walls, run);
        }
        if (child->errnum == 0) {
                child->step = INIT_STEP_CHDIR;
                child->errnum = chdir(run->working_directory ?: "/") < 0 ? errno : 0;
        }
        if (child->errnum == 0) {
                child->step = INIT_STEP_FILTER;
                child->errnum = unblock_signals() ?: -walls_load_filter(&walls, INIT_FILTER_APPS);
        }
        if (child->errnum == 0) {
                child->step = INIT_STEP_EXEC;
                child->errnum = exec_along_path(run);
        }
        _exit(127);
}

static int report_run(uint32_t run, const Child *child) {
        WireWriter writer = WIRE_WRITER_NULL;
        int r;

        wire_put_u32(&writer, run);
        wire_put_i32(&writer, child->errnum);
        wire_put_u32(&writer, child->errnum ? child->step : INIT_STEP_NONE);
        r = wire_send(INIT_FD_SOCKET, INIT_RAN, 0, &writer, NULL, 0);
        wire_writer_done(&writer);
        return r;
}

/* Returns 0 also when the program could not be started: then the shim knows. Negative = the shim is gone. */
static int start_program(const InitRun *run, const int *fds, size_t n_fds) {
        static uint8_t stack[CHILD_STACK_SIZE] __attribute__((aligned(16)));
        Child child = { .run = run, .fds = fds, .step = INIT_STEP_FORK };
        pid_t pid = -1;

        if (run->n_fds != n_fds || n_fds > 3)
                child.errnum = EBADMSG;
        else if (halting)
                child.errnum = ESHUTDOWN;
        else if (n_programs >= RUNS_MAX)
                child.errnum = EAGAIN;
        else {
                /* As vfork(2): no copy of the memory, and exec's errno comes back in it. */
                pid = clone(child_main, stack + sizeof(stack), CLONE_VM | CLONE_VFORK | SIGCHLD, &child);
                if (pid < 0)
                        child.errnum = errno;
                /* The child's change of uid has reset it for the memory that we share until its exec. */
                prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
        }
        if (child.errnum != 0 && pid > 0)
                while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
                        ;
        if (child.errnum == 0)
                programs[n_programs++] = (Program){ .run = run->run, .pid = pid };
        return report_run(run->run, &child);
}

static int reap(void) {
        for (;;) {
                WireWriter writer = WIRE_WRITER_NULL;
                int status, r = 0;
                pid_t pid = waitpid(-1, &status, WNOHANG);

                if (pid == 0)
                        return 0;
                if (pid < 0 && errno == EINTR)
                        continue;
                if (pid < 0) {
                        if (halting)
                                _exit(0); /* nothing is left */
                        return 0;
                }
                for (size_t i = 0; i < n_programs; i++) {
                        if (programs[i].pid != pid)
                                continue;
                        wire_put_u32(&writer, programs[i].run);
                        wire_put_i32(&writer, status);
                        programs[i] = programs[--n_programs];
                        r = wire_send(INIT_FD_SOCKET, INIT_EXITED, 0, &writer, NULL, 0);
                        wire_writer_done(&writer);
                        break;
                }
                if (r < 0)
                        return r;
        }
}

/* ---- requests ---- */

static int signal_programs(WireMessage *message) {
        WireReader reader = wire_reader(message);
        uint32_t run = wire_get_u32(&reader);
        int32_t number = wire_get_i32(&reader);
        WireWriter writer = WIRE_WRITER_NULL;
        Program *program = find_program(run);
        int r;

        if (reader.failed)
                return -EBADMSG;
        /* A program that is in the table is not reaped yet, so its pid is still its own. */
        if (run == 0)
                r = kill(-1, number) < 0 && errno != ESRCH ? errno : 0;
        else
                r = !program ? ESRCH : kill(program->pid, number) < 0 ? errno : 0;
        wire_put_i32(&writer, r);
        r = wire_send(INIT_FD_SOCKET, INIT_SIGNALLED, message->header.serial, &writer, NULL, 0);
        wire_writer_done(&writer);
        return r;
}

static int halt(WireMessage *message) {
        WireReader reader = wire_reader(message);
        int32_t number = wire_get_i32(&reader);

        if (reader.failed)
                return -EBADMSG;
        halting = true;
        (void) kill(-1, number);
        /* A stopped process would sleep through the halt signal. */
        (void) kill(-1, SIGCONT);
        return reap();
}

static int run_program(WireMessage *message) {
        WireReader reader = wire_reader(message);
        InitRun run;
        int r = init_run_get(&reader, &run);

        if (r < 0)
                return r;
        r = start_program(&run, message->fds, message->n_fds);
        init_run_done(&run);
        return r;
}

static int dispatch(WireMessage *message) {
        switch (message->header.type) {
        case INIT_RUN:
                return run_program(message);
        case INIT_SIGNAL:
                return signal_programs(message);
        case INIT_HALT:
                return halt(message);
        default:
                return -EBADMSG;
        }
}

/* Returns when the shim is gone or speaks nonsense: in both cases the sandbox has to end. */
static int serve(int signals_fd) {
        struct pollfd polled[] = {
                { .fd = INIT_FD_SOCKET, .events = POLLIN },
                { .fd = signals_fd, .events = POLLIN },
        };
        int r = 0;

        while (r >= 0) {
                if (poll(polled, 2, -1) < 0) {
                        if (errno == EINTR)
                                continue;
                        return -errno;
                }
                if (polled[1].revents & POLLIN) {
                        struct signalfd_siginfo ignored;

                        (void) !read(signals_fd, &ignored, sizeof(ignored));
                        r = reap();
                }
                if (r >= 0 && polled[0].revents) {
                        WireMessage message = WIRE_MESSAGE_NULL;

                        r = wire_receive(INIT_FD_SOCKET, &message);
                        if (r == 0)
                                return 0;
                        if (r > 0)
                                r = dispatch(&message);
                        wire_message_done(&message);
                }
        }
        return r;
}

/* The first message; the filters stay where it has them. */
static int receive_walls(void) {
        static WireMessage message;
        WireReader reader;
        int r = wire_receive(INIT_FD_SOCKET, &message);

        if (r <= 0 || message.header.type != INIT_SETUP)
                return r < 0 ? r : -EBADMSG;
        reader = wire_reader(&message);
        return init_setup_get(&reader, &walls);
}

int main(void) {
        int signals_fd, r;

        prctl(PR_SET_NAME, "bulkhead-init", 0, 0, 0);
        umask(0022);
        r = join_cgroups();
        if (r < 0)
                return INIT_EXIT_CGROUPS;
        r = make_namespaces();
        if (r < 0)
                return INIT_EXIT_NAMESPACES;
        close_range(INIT_FD_SOCKET + 1, ~0u, 0);
        close_range(3, INIT_FD_SOCKET - 1, 0);
        if (fcntl(INIT_FD_SOCKET, F_SETFD, FD_CLOEXEC) < 0)
                return INIT_EXIT_SOCKET;
        signals_fd = open_child_signals();
        if (signals_fd < 0)
                return INIT_EXIT_SIGNALS;
        r = receive_walls();
        if (r < 0)
                return INIT_EXIT_SETUP;
        r = walls_drop_privileges(&walls);
        if (r < 0)
                return INIT_EXIT_PRIVILEGES;
        for (size_t i = 0; r >= 0 && i < INIT_FILTER_APPS; i++)
                r = walls_load_filter(&walls, i);
        if (r < 0)
                return INIT_EXIT_FILTERS;
        r = wire_send(INIT_FD_SOCKET, INIT_READY, 0, NULL, NULL, 0);
        if (r < 0)
                return INIT_EXIT_SOCKET;
        return serve(signals_fd) < 0 ? INIT_EXIT_SERVING : 0;
}
