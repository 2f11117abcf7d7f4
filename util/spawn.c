/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "util/spawn.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <unistd.h>

int spawn_program(const char *const argv[], const char *const environment[], int fd, pid_t *ret_pid, Error *error) {
        posix_spawn_file_actions_t actions;
        posix_spawnattr_t attributes;
        sigset_t none, all;
        int r;

        (void) sigemptyset(&none);
        (void) sigfillset(&all);
        (void) posix_spawn_file_actions_init(&actions);
        (void) posix_spawnattr_init(&attributes);
        /* A session of its own: a Ctrl-C meant for us is not meant for it. */
        (void) posix_spawnattr_setflags(&attributes,
                                        POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID);
        (void) posix_spawnattr_setsigmask(&attributes, &none);
        (void) posix_spawnattr_setsigdefault(&attributes, &all);
        r = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
        if (r == 0)
                r = posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
        if (r == 0)
                r = posix_spawn_file_actions_adddup2(&actions, fd, SPAWN_FD);
        if (r == 0)
                r = posix_spawn_file_actions_addclosefrom_np(&actions, SPAWN_FD + 1);
        if (r == 0)
                r = posix_spawn(ret_pid, argv[0], &actions, &attributes, (char **) argv, (char **) environment);
        (void) posix_spawn_file_actions_destroy(&actions);
        (void) posix_spawnattr_destroy(&attributes);
        return r != 0 ? error_set_errnof(error, r, "Cannot start '%s'", argv[0]) : 0;
}
