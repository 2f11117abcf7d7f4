/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Spawn: starts one of our own programs
 *
 * posix_spawn(3): nothing of ours runs in the child. It begins in a session of its own with no signal blocked or
 * ignored, and with these descriptors only: 0 and 1 are /dev/null, 2 is ours, 3 the one it is given.
 */
#include <sys/types.h>

#include "util/error.h"

#define SPAWN_FD 3

/* @argv[0] is the program's path; @environment has all that it gets. The child is the caller's to reap. */
int spawn_program(const char *const argv[], const char *const environment[], int fd, pid_t *ret_pid, Error *error);
