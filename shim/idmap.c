/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "shim/idmap.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/fs.h"

/* The process whose namespace it becomes: it tells when it is in it, waits until the map is written, and then
 * uses its root rights inside for the one thing that cannot be done from outside. */
G_GNUC_NORETURN static void namespace_main(int socket_fd, bool is_sandbox) {
        uint8_t byte = 0;

        if (unshare(CLONE_NEWUSER) < 0)
                byte = (uint8_t) errno;
        if (write(socket_fd, &byte, 1) != 1 || byte != 0 || read(socket_fd, &byte, 1) != 1)
                _exit(1);
        if (is_sandbox) {
                /* Before the map there was no uid 0 to be. The file counts for this namespace only. */
                if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
                        byte = (uint8_t) errno;
                else
                        byte = (uint8_t) -fs_write_file_at(AT_FDCWD, "/proc/sys/user/max_user_namespaces", "0");
        }
        _exit(write(socket_fd, &byte, 1) == 1 ? 0 : 1);
}

static int await(int socket_fd, const char *what, Error *error) {
        uint8_t byte = 0;
        ssize_t n;

        do
                n = read(socket_fd, &byte, 1);
        while (n < 0 && errno == EINTR);
        if (n != 1)
                return error_setf(error, ERROR_SYSTEM, "Cannot %s: its process died", what);
        if (byte != 0)
                return error_set_errnof(error, byte, "Cannot %s", what);
        return 0;
}

static int write_maps(pid_t pid, const Idmap *map, Error *error) {
        char path[64], line[64];
        int r;

        snprintf(path, sizeof(path), "/proc/%d/uid_map", (int) pid);
        snprintf(line, sizeof(line), "%u %u %u\n", map->uid_inside, map->uid_outside, map->count);
        r = fs_write_file_at(AT_FDCWD, path, line);
        if (r < 0)
                return error_set_errnof(error, -r, "Cannot map uids %u to %u, %u of them", map->uid_inside,
                                        map->uid_outside, map->count);
        snprintf(path, sizeof(path), "/proc/%d/gid_map", (int) pid);
        snprintf(line, sizeof(line), "%u %u %u\n", map->gid_inside, map->gid_outside, map->count);
        r = fs_write_file_at(AT_FDCWD, path, line);
        if (r < 0)
                return error_set_errnof(error, -r, "Cannot map gids %u to %u, %u of them", map->gid_inside,
                                        map->gid_outside, map->count);
        return 0;
}

static int open_namespace(pid_t pid, int socket_fd, const Idmap *map, bool is_sandbox, int *ret_fd,
                          Error *error) {
        char path[64];
        autofd int fd = -EBADF;
        int r;

        r = await(socket_fd, "make a user namespace", error);
        if (r < 0)
                return r;
        r = write_maps(pid, map, error);
        if (r < 0)
                return r;
        snprintf(path, sizeof(path), "/proc/%d/ns/user", (int) pid);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return error_set_errnof(error, errno, "Cannot open %s", path);
        if (write(socket_fd, "", 1) != 1)
                return error_set_errnof(error, errno, "Cannot speak to the user namespace's process");
        if (is_sandbox) {
                r = await(socket_fd, "forbid user namespaces inside", error);
                if (r < 0)
                        return r;
        }
        *ret_fd = fd_steal(&fd);
        return 0;
}

int idmap_open(const Idmap *map, bool is_sandbox, int *ret_fd, Error *error) {
        autofd int ours = -EBADF, theirs = -EBADF;
        int sockets[2], r;
        pid_t pid;

        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) < 0)
                return error_set_errnof(error, errno, "Cannot make a socket pair");
        ours = sockets[0];
        theirs = sockets[1];
        pid = fork();
        if (pid < 0)
                return error_set_errnof(error, errno, "Cannot fork");
        if (pid == 0) {
                close(ours); /* else its read would wait for itself if we died */
                namespace_main(theirs, is_sandbox);
        }
        theirs = fd_close(theirs);
        r = open_namespace(pid, ours, map, is_sandbox, ret_fd, error);
        if (r < 0)
                (void) kill(pid, SIGKILL);
        ours = fd_close(ours);
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
                ;
        return r;
}
