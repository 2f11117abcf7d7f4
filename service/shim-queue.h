/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Messages for one shim that its socket had no room for, in their order
 */
#include <glib.h>
#include <stdbool.h>

#include "util/wire.h"

typedef struct ShimQueue ShimQueue;

ShimQueue *shim_queue_new(void);
void shim_queue_free(ShimQueue *queue);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ShimQueue, shim_queue_free)

guint shim_queue_get_length(const ShimQueue *queue);
void shim_queue_clear(ShimQueue *queue);
/* Takes what is in @writer; duplicates at most three descriptors. */
void shim_queue_push(ShimQueue *queue, uint16_t type, uint32_t serial, WireWriter *writer, const int *fds,
                     size_t n_fds);
/* Sends as many as go. 0 = none is left; -EAGAIN = the socket is full again; else of wire_send(). */
int shim_queue_send(ShimQueue *queue, int socket_fd);
