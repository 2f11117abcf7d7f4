/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gateways/dbus-proxy/stream.h"

#include <string.h>
#include <sys/socket.h>

#include "util/cleanup.h"
#include "util/limits.h"

#define READ_SIZE (64 * 1024)
#define FD_WEIGHT 1024

typedef struct Chunk {
        uint8_t *bytes; /* owned */
        size_t size, at;
        int *fds; /* owned */
        size_t n_fds;
} Chunk;

/* There is one thread, and what is here is judged before anything else is read. */
static uint8_t scratch[READ_SIZE];

void stream_close_fds(const int *fds, size_t n) {
        for (size_t i = 0; i < n; i++)
                (void) fd_close(fds[i]);
}

static void chunk_free(void *data) {
        Chunk *chunk = data;

        stream_close_fds(chunk->fds, chunk->n_fds);
        g_free(chunk->fds);
        g_free(chunk->bytes);
        g_free(chunk);
}

void stream_done(Stream *stream) {
        stream->fd = fd_close(stream->fd);
        g_clear_pointer(&stream->in, g_byte_array_unref);
        if (stream->in_fds)
                stream_close_fds((const int *) (void *) stream->in_fds->data, stream->in_fds->len);
        g_clear_pointer(&stream->in_fds, g_array_unref);
        g_queue_clear_full(&stream->out, chunk_free);
        stream->n_out = 0;
}

/* ---- in ---- */

static void take_received(Stream *stream, struct msghdr *message) {
        for (struct cmsghdr *cmsg = CMSG_FIRSTHDR(message); cmsg; cmsg = CMSG_NXTHDR(message, cmsg)) {
                guint n;

                if (cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS)
                        continue;
                n = (guint) ((cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int));
                if (!stream->in_fds)
                        stream->in_fds = g_array_new(FALSE, FALSE, sizeof(int));
                g_array_append_vals(stream->in_fds, CMSG_DATA(cmsg), n);
        }
}

int stream_receive(Stream *stream, const uint8_t **ret_bytes, size_t *ret_size) {
        union {
                struct cmsghdr header;
                char bytes[CMSG_SPACE(BUS_PROXY_FDS_MAX * sizeof(int))];
        } control;
        guint kept = stream->in ? stream->in->len : 0;
        struct iovec iov = { .iov_base = scratch, .iov_len = sizeof(scratch) };
        struct msghdr message = {
                .msg_iov = &iov,
                .msg_iovlen = 1,
                .msg_control = &control,
                .msg_controllen = sizeof(control),
        };
        ssize_t n;

        do
                n = recvmsg(stream->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return -errno;
        take_received(stream, &message);
        /* closed by the kernel, since we may not have so many */
        if (message.msg_flags & MSG_CTRUNC)
                return -EMFILE;
        if (n == 0)
                return 0;
        if (kept > 0)
                g_byte_array_append(stream->in, scratch, (guint) n);
        *ret_bytes = kept > 0 ? stream->in->data : scratch;
        *ret_size = kept + (size_t) n;
        return 1;
}

void stream_take(Stream *stream, const uint8_t *bytes, size_t size, size_t used) {
        bool is_kept = stream->in && bytes == stream->in->data;

        if (used == size)
                g_clear_pointer(&stream->in, g_byte_array_unref);
        else if (is_kept)
                g_byte_array_remove_range(stream->in, 0, (guint) used);
        else {
                stream->in = g_byte_array_new();
                g_byte_array_append(stream->in, bytes + used, (guint) (size - used));
        }
}

int stream_take_fds(Stream *stream, size_t n, int *fds) {
        if (n == 0)
                return 0;
        if (!stream->in_fds || stream->in_fds->len < n)
                return -EBADMSG;
        memcpy(fds, stream->in_fds->data, n * sizeof(int));
        g_array_remove_range(stream->in_fds, 0, (guint) n);
        return 0;
}

/* ---- out ---- */

/* Returns how much went, 0 if nothing can. */
static ssize_t send_now(const Stream *stream, const uint8_t *bytes, size_t size, const int *fds,
                        size_t n_fds) {
        union {
                struct cmsghdr header;
                char bytes[CMSG_SPACE(BUS_PROXY_FDS_MAX * sizeof(int))];
        } control;
        struct iovec iov = { .iov_base = (void *) bytes, .iov_len = size };
        struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };
        ssize_t n;

        if (n_fds > 0) {
                message.msg_control = &control;
                message.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
                memset(&control, 0, message.msg_controllen);
                control.header.cmsg_level = SOL_SOCKET;
                control.header.cmsg_type = SCM_RIGHTS;
                control.header.cmsg_len = CMSG_LEN(n_fds * sizeof(int));
                memcpy(CMSG_DATA(&control.header), fds, n_fds * sizeof(int));
        }
        do
                n = sendmsg(stream->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
        while (n < 0 && errno == EINTR);
        if (n < 0)
                /* ETOOMANYREFS: too many descriptors on their way; some will arrive */
                return errno == EAGAIN || errno == ETOOMANYREFS ? 0 : -errno;
        return n;
}

static void let_wait(Stream *stream, const uint8_t *bytes, size_t size, const int *fds, size_t n_fds) {
        Chunk *chunk = g_new0(Chunk, 1);

        chunk->bytes = g_memdup2(bytes, size);
        chunk->size = size;
        chunk->fds = n_fds > 0 ? g_memdup2(fds, n_fds * sizeof(int)) : NULL;
        chunk->n_fds = n_fds;
        g_queue_push_tail(&stream->out, chunk);
        stream->n_out += size + n_fds * FD_WEIGHT;
}

static void stream_break(Stream *stream) {
        stream->is_broken = true;
        g_queue_clear_full(&stream->out, chunk_free);
        stream->n_out = 0;
}

void stream_send(Stream *stream, const void *bytes, size_t size, const int *fds, size_t n_fds) {
        ssize_t n = 0;

        if (!stream->is_broken && g_queue_is_empty(&stream->out) && size > 0)
                n = send_now(stream, bytes, size, fds, n_fds);
        if (n < 0)
                stream_break(stream);
        if (stream->is_broken || n > 0) {
                stream_close_fds(fds, n_fds);
                n_fds = 0;
        }
        if (!stream->is_broken && (size_t) n < size)
                let_wait(stream, (const uint8_t *) bytes + n, size - (size_t) n, fds, n_fds);
}

void stream_flush(Stream *stream) {
        Chunk *chunk;

        while ((chunk = g_queue_peek_head(&stream->out))) {
                ssize_t n = send_now(stream, chunk->bytes + chunk->at, chunk->size - chunk->at, chunk->fds,
                                     chunk->n_fds);

                if (n < 0)
                        stream_break(stream);
                if (n <= 0)
                        return;
                stream->n_out -= (size_t) n + chunk->n_fds * FD_WEIGHT;
                stream_close_fds(chunk->fds, chunk->n_fds);
                chunk->n_fds = 0;
                chunk->at += (size_t) n;
                if (chunk->at < chunk->size)
                        return;
                chunk_free(g_queue_pop_head(&stream->out));
        }
}
