/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * One end of a connection: bytes and descriptors in, bytes and descriptors out
 *
 * What is read is judged where it lies; only what cannot be judged yet is kept. What cannot be sent yet waits
 * here: who fills it stops at BUS_PROXY_QUEUE_MAX.
 */
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct Stream {
        int fd;         /* owned; non-blocking */
        GByteArray *in; /* owned; read, and not taken yet; NULL = nothing */
        GArray *in_fds; /* owned; of int, owned: descriptors that came and belong to no message yet; NULL =
                           none */
        GQueue out;     /* owned; what waits */
        size_t n_out;   /* how much; a descriptor counts as a KiB */
        bool is_broken; /* nobody is there to send to */
} Stream;

#define STREAM_NULL ((Stream){ .fd = -EBADF, .out = G_QUEUE_INIT })

void stream_done(Stream *stream);

/*
 * Reads once. Gives all that is there and not taken, valid until stream_take(). Returns 1, 0 at the end,
 * -EAGAIN, -EMFILE when descriptors were lost, or what recvmsg(2) says.
 */
int stream_receive(Stream *stream, const uint8_t **ret_bytes, size_t *ret_size);
/* Keeps what is behind the first @used bytes. */
void stream_take(Stream *stream, const uint8_t *bytes, size_t size, size_t used);

/* The first @n of the descriptors that came, which are the caller's then; -EBADMSG if there are not so many.
 */
int stream_take_fds(Stream *stream, size_t n, int *fds);

/* Sends, or lets wait, in order. Takes the descriptors, which go with the first byte. Once it has failed the
 * stream is broken, and what is sent is gone. */
void stream_send(Stream *stream, const void *bytes, size_t size, const int *fds, size_t n_fds);
void stream_flush(Stream *stream);

void stream_close_fds(const int *fds, size_t n);
