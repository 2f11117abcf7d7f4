/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Cleanup of values that are not our own types: descriptors and streams
 *
 * A descriptor is born close-on-exec and dies as -EBADF. Macros only; the autoptr of one of our types stands in
 * that type's header.
 */
#include <errno.h>
#include <glib.h>
#include <stdio.h>
#include <unistd.h>

/* Closes @fd if it is one, keeps errno, and returns -EBADF for the variable. */
static inline int fd_close(int fd) {
        if (fd >= 0) {
                int saved = errno;

                (void) close(fd);
                errno = saved;
        }
        return -EBADF;
}

/* Hands the descriptor on and leaves -EBADF behind (g_steal_fd() leaves -1). */
static inline int fd_steal(int *fd) {
        int stolen = *fd;

        *fd = -EBADF;
        return stolen;
}

static inline void fd_closep(int *fd) {
        *fd = fd_close(*fd);
}

#define autofd __attribute__((__cleanup__(fd_closep)))

static inline void stream_closep(FILE **stream) {
        if (*stream)
                (void) fclose(*stream);
}

#define autostream __attribute__((__cleanup__(stream_closep)))
