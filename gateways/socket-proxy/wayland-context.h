/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * WaylandContext: lets the compositor itself listen for a sandbox's clients
 *
 * Where the compositor offers wp_security_context_manager_v1 (wayland-protocols 1.32), it takes the sandbox's
 * listening socket, knows whoever comes in by the sandbox's name, and keeps its privileged protocols from them.
 * The few messages are written here by hand: libwayland would cost each proxy more than they are.
 */
#include <stdbool.h>

#include "util/error.h"

typedef struct WaylandContext {
        const char *sandbox_engine;
        const char *app_id;
        const char *instance_id;
        int listen_fd;   /* stays the caller's */
        int timeout_msec; /* for all of it */
} WaylandContext;

/* Over the connected @fd. Returns 1 with *ret_close_fd: the compositor listens until it is closed, and
 * it hangs up when the compositor ends; 0 if the compositor does not offer it; or a negative errno. */
int wayland_context_open(int fd, const WaylandContext *context, int *ret_close_fd, Error *error);
