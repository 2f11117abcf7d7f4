/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Taking more than our share: processes, memory in all its forms, descriptors, files
 *
 * Each stops a little above what the default template allows, so that it does no harm where there is no
 * limit.
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/attacks/probe.h"

#define TASKS_BEYOND  320           /* the default is 256 */
#define MEMORY_BEYOND (640UL << 20) /* 512 MiB */
#define FILES_BEYOND  (160UL << 20) /* 100 MiB */
#define FDS_BEYOND    (1 << 20)
#define CHUNK         (1UL << 20)

static char chunk[CHUNK];

/* ---- processes ---- */

static void run_fork_bomb(const Attack *attack, Result *result) {
        static pid_t pids[TASKS_BEYOND];
        unsigned n = 0;
        int errnum = 0;

        (void) attack;
        for (; n < TASKS_BEYOND; n++) {
                pids[n] = fork();
                if (pids[n] == 0) {
                        (void) pause();
                        _exit(EXIT_SUCCESS);
                }
                if (pids[n] < 0) {
                        errnum = errno;
                        break;
                }
        }
        for (unsigned i = 0; i < n; i++)
                (void) kill(pids[i], SIGKILL);
        for (unsigned i = 0; i < n; i++)
                (void) waitpid(pids[i], NULL, 0);
        result_set(result, n == TASKS_BEYOND ? OUTCOME_THROUGH : OUTCOME_REFUSED, errnum, "%u processes", n);
}

static void *sleep_on(void *unused) {
        (void) pause();
        return unused;
}

static void run_threads(const Attack *attack, Result *result) {
        pthread_attr_t attributes;
        unsigned n = 0;
        pthread_t thread;

        (void) attack;
        (void) pthread_attr_init(&attributes);
        (void) pthread_attr_setstacksize(&attributes, 65536);
        while (n < TASKS_BEYOND && pthread_create(&thread, &attributes, sleep_on, NULL) == 0)
                n++;
        result_set(result, n == TASKS_BEYOND ? OUTCOME_THROUGH : OUTCOME_REFUSED, 0, "%u threads", n);
}

/* ---- memory: what takes it runs in a child, and the OOM killer may take that ---- */

static long take_anonymous(void) {
        char *p = mmap(NULL, MEMORY_BEYOND, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        if (p == MAP_FAILED)
                return 0;
        for (size_t i = 0; i < MEMORY_BEYOND; i += 4096)
                p[i] = 1;
        return MEMORY_BEYOND;
}

static long fill(int fd, size_t most) {
        size_t n = 0;

        while (n < most) {
                ssize_t written = write(fd, chunk, CHUNK);

                if (written <= 0)
                        break;
                n += (size_t) written;
        }
        (void) close(fd);
        return (long) n;
}

static long take_memfd(void) {
        return fill(memfd_create("probe", MFD_CLOEXEC), MEMORY_BEYOND);
}

static long take_shared(void) {
        int id = shmget(IPC_PRIVATE, MEMORY_BEYOND, IPC_CREAT | 0600);
        char *p = id < 0 ? NULL : shmat(id, NULL, 0);

        (void) shmctl(id, IPC_RMID, NULL);
        if (!p || p == (char *) -1)
                return 0;
        for (size_t i = 0; i < MEMORY_BEYOND; i += 4096)
                p[i] = 1;
        return MEMORY_BEYOND;
}

/* Kernel memory: what is in pipes and sockets is charged to who put it there. */
static long take_pipes(void) {
        long n = 0;

        while (n < (long) MEMORY_BEYOND) {
                int fds[2];
                ssize_t written;

                if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
                        break;
                (void) fcntl(fds[1], F_SETPIPE_SZ, 1 << 20);
                written = write(fds[1], chunk, CHUNK);
                n += written > 0 ? written : 0;
        }
        return n;
}

static long take_sockets(void) {
        long n = 0;

        while (n < (long) MEMORY_BEYOND) {
                int fds[2], size = 1 << 24;
                ssize_t written;

                if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) < 0)
                        break;
                (void) setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
                while ((written = write(fds[0], chunk, CHUNK)) > 0)
                        n += written;
        }
        return n;
}

/* attack->arguments[0]: what takes it. */
static void run_memory(const Attack *attack, Result *result) {
        long (*take)(void) = (long (*)(void)) attack->arguments[0];
        int status = 0, fds[2];
        long taken = 0;
        pid_t pid;

        memset(chunk, 'x', sizeof chunk);
        result->may_die = true;
        if (pipe2(fds, O_CLOEXEC) < 0 || (pid = fork()) < 0) {
                result_set(result, OUTCOME_BROKEN, errno, "%s", strerror(errno));
                return;
        }
        if (pid == 0) {
                int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

                /* It, and not the probe, is what the OOM killer shall choose. */
                (void) !write(fd, "1000", 4);
                taken = take();
                _exit(write(fds[1], &taken, sizeof taken) == sizeof taken ? EXIT_SUCCESS : EXIT_FAILURE);
        }
        (void) close(fds[1]);
        (void) !read(fds[0], &taken, sizeof taken);
        (void) waitpid(pid, &status, 0);
        if (WIFSIGNALED(status))
                result_set(result, OUTCOME_REFUSED, 0, "killed by signal %d", WTERMSIG(status));
        else
                result_set(result, taken >= (long) MEMORY_BEYOND ? OUTCOME_THROUGH : OUTCOME_REFUSED, 0,
                           "%ld MiB", taken >> 20);
}

/* ---- files and descriptors ---- */

/* In attack->path; the OOM killer is a refusal too. */
static void run_fill(const Attack *attack, Result *result) {
        char path[256];
        int fd = make_file(attack->path, path);
        long n;

        if (fd < 0) {
                result_judge_path(result, -1);
                return;
        }
        (void) unlink(path);
        result->may_die = true;
        n = fill(fd, FILES_BEYOND);
        result_set(result, n >= (long) FILES_BEYOND ? OUTCOME_THROUGH : OUTCOME_REFUSED, 0, "%ld MiB",
                   n >> 20);
}

static void run_descriptors(const Attack *attack, Result *result) {
        int n = 0;

        (void) attack;
        while (n < FDS_BEYOND && open("/", O_PATH | O_CLOEXEC) >= 0)
                n++;
        result_set(result, n == FDS_BEYOND ? OUTCOME_THROUGH : OUTCOME_REFUSED, n < FDS_BEYOND ? errno : 0,
                   "%d descriptors", n);
}

static void run_pipe_size(const Attack *attack, Result *result) {
        int fds[2];

        (void) attack;
        result_judge(result, pipe2(fds, O_CLOEXEC) < 0 ? -1 : fcntl(fds[1], F_SETPIPE_SZ, 1 << 28));
}

static void run_watches(const Attack *attack, Result *result) {
        int n = 0;

        (void) attack;
        while (n < 4096 && inotify_init1(IN_CLOEXEC) >= 0)
                n++;
        result_set(result, n == 4096 ? OUTCOME_THROUGH : OUTCOME_REFUSED, errno, "%d instances", n);
}

static void run_file_size(const Attack *attack, Result *result) {
        char path[256];
        int fd = make_file(NULL, path);

        (void) attack;
        /* A hole takes no space; filling it does, and is refused before the first byte. */
        (void) unlink(path);
        if (fd < 0 || fallocate(fd, 0, 0, 1L << 40) < 0)
                result_set(result, OUTCOME_REFUSED, errno, "%s", strerror(errno));
        else
                result_set(result, OUTCOME_THROUGH, 0, "a terabyte");
}

#define MEMORY(id_, what_, take)                                                                             \
        {                                                                                                    \
                .id = "limit.memory-" id_, .wall = "limits", .what = what_, .run = run_memory,               \
                .arguments = {                                                                               \
                        (unsigned long) (take)                                                               \
                }                                                                                            \
        }

static const Attack attacks[] = {
        { "limit.processes", "limits", "a fork bomb", run_fork_bomb },
        { "limit.threads", "limits", "a bomb of threads", run_threads },
        MEMORY("anonymous", "take memory", take_anonymous),
        MEMORY("memfd", "take memory as a file without a name", take_memfd),
        MEMORY("shared", "take memory as a shared segment", take_shared),
        MEMORY("pipes", "take memory in pipes", take_pipes),
        MEMORY("sockets", "take memory in sockets", take_sockets),
        { "limit.tmp", "limits", "fill /tmp", run_fill, .path = "/tmp" },
        { "limit.run", "limits", "fill /run", run_fill, .path = "/run" },
        { "limit.shm", "limits", "fill /dev/shm", run_fill, .path = "/dev/shm" },
        { "limit.dev", "limits", "fill /dev", run_fill, .path = "/dev" },
        { "limit.descriptors", "limits", "open more than a million files", run_descriptors },
        { "limit.pipe-size", "limits", "make a pipe of 256 MiB", run_pipe_size },
        { "limit.watches", "limits", "watch with thousands of instances", run_watches },
        { "limit.file-size", "limits", "allocate a terabyte", run_file_size },
};

const AttackList limit_attacks = ATTACK_LIST(attacks);
