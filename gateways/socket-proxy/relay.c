/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gateways/socket-proxy/relay.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "util/cleanup.h"
#include "util/limits.h"

#define READ_SIZE (16 * 1024)

/* Bytes that came in one packet, with their descriptors. */
typedef struct Chunk {
        GByteArray *bytes;
        guint sent;
        int fds[SOCKET_PROXY_FDS_MAX];
        unsigned n_fds;
} Chunk;

typedef struct End {
        Relay *relay;
        int fd;             /* owned */
        LoopSource *source; /* the loop's */
        GQueue chunks;      /* owned Chunk, on their way to this end */
        size_t queued;      /* bytes of them */
        GByteArray *unread; /* came from this end, not whole yet; with a filter */
        bool is_closed;     /* it sends no more */
        bool has_hung_up;   /* nor does it read */
} End;

struct Relay {
        Loop *loop;
        End client, server;
        PulseFilter *filter; /* owned, or NULL */
        RelayEnded ended;
        void *userdata;
        bool is_over; /* told already */
};

static void chunk_free(Chunk *chunk) {
        for (unsigned i = 0; i < chunk->n_fds; i++)
                (void) fd_close(chunk->fds[i]);
        g_byte_array_unref(chunk->bytes);
        g_free(chunk);
}

static Chunk *chunk_new(void) {
        Chunk *chunk = g_new0(Chunk, 1);

        chunk->bytes = g_byte_array_new();
        return chunk;
}

static void end_drop_chunks(End *end) {
        Chunk *chunk;

        while ((chunk = g_queue_pop_head(&end->chunks)))
                chunk_free(chunk);
        end->queued = 0;
}

static void end_clear(End *end) {
        g_clear_pointer(&end->source, loop_source_free);
        end->fd = fd_close(end->fd);
        end_drop_chunks(end);
        g_clear_pointer(&end->unread, g_byte_array_unref);
}

void relay_free(Relay *relay) {
        if (!relay)
                return;
        end_clear(&relay->client);
        end_clear(&relay->server);
        pulse_filter_free(relay->filter);
        g_free(relay);
}

PulseFilter *relay_get_filter(Relay *relay) {
        return relay->filter;
}

static End *other_end(End *end) {
        return end == &end->relay->client ? &end->relay->server : &end->relay->client;
}

static void queue_chunk(End *to, Chunk *chunk) {
        if (chunk->bytes->len == 0 || to->has_hung_up) {
                chunk_free(chunk);
                return;
        }
        to->queued += chunk->bytes->len;
        g_queue_push_tail(&to->chunks, chunk);
}

/* ---- reading ---- */

/* Takes what came along; more than fits is a client that means no good, or a server with a new protocol. */
static int take_fds(struct msghdr *message, Chunk *chunk, Error *error) {
        for (struct cmsghdr *control = CMSG_FIRSTHDR(message); control; control = CMSG_NXTHDR(message, control)) {
                size_t n = (control->cmsg_len - CMSG_LEN(0)) / sizeof(int);

                if (control->cmsg_level != SOL_SOCKET || control->cmsg_type != SCM_RIGHTS)
                        continue;
                memcpy(chunk->fds, CMSG_DATA(control), n * sizeof(int));
                chunk->n_fds = (unsigned) n;
        }
        if (message->msg_flags & MSG_CTRUNC)
                return error_setf(error, ERROR_LIMIT_REACHED, "A packet came with more than %u descriptors",
                                  SOCKET_PROXY_FDS_MAX);
        return 0;
}

/* 1 with something in @chunk, 0 at the end, -EAGAIN when there is nothing. */
static int read_chunk(End *end, Chunk *chunk, Error *error) {
        union {
                struct cmsghdr align;
                uint8_t bytes[CMSG_SPACE(sizeof(int) * SOCKET_PROXY_FDS_MAX) + CMSG_SPACE(sizeof(struct ucred))];
        } control;
        struct iovec part;
        struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control,
                                  .msg_controllen = sizeof(control) };
        ssize_t n;
        int r;

        g_byte_array_set_size(chunk->bytes, READ_SIZE);
        part = (struct iovec){ .iov_base = chunk->bytes->data, .iov_len = chunk->bytes->len };
        n = recvmsg(end->fd, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
        g_byte_array_set_size(chunk->bytes, n > 0 ? (guint) n : 0);
        if (n < 0)
                return errno == EINTR ? -EAGAIN : errno == ECONNRESET ? 0 : -errno;
        r = take_fds(&message, chunk, error);
        return r < 0 ? r : n > 0;
}

static int filter_chunk(End *from, Chunk *chunk, Error *error) {
        Relay *relay = from->relay;
        Chunk *forward = chunk_new(), *back = chunk_new();
        int r;

        if (!from->unread)
                from->unread = g_byte_array_new();
        g_byte_array_append(from->unread, chunk->bytes->data, chunk->bytes->len);
        if (from == &relay->client)
                r = pulse_filter_client(relay->filter, from->unread, forward->bytes, back->bytes, error);
        else
                r = pulse_filter_server(relay->filter, from->unread, forward->bytes, error);
        queue_chunk(other_end(from), forward);
        queue_chunk(from, back);
        return r;
}

static int on_readable(End *end, Error *error) {
        Chunk *chunk = chunk_new();
        int r;

        r = read_chunk(end, chunk, error);
        if (r == 0)
                end->is_closed = true;
        if (r > 0 && !end->relay->filter) {
                queue_chunk(other_end(end), g_steal_pointer(&chunk));
                return 0;
        }
        if (r > 0)
                r = filter_chunk(end, chunk, error);
        chunk_free(chunk);
        return r == -EAGAIN ? 0 : r;
}

/* ---- writing ---- */

static ssize_t send_chunk(int fd, Chunk *chunk) {
        union {
                struct cmsghdr align;
                uint8_t bytes[CMSG_SPACE(sizeof(int) * SOCKET_PROXY_FDS_MAX)];
        } control = { 0 };
        struct iovec part = { .iov_base = chunk->bytes->data + chunk->sent,
                              .iov_len = chunk->bytes->len - chunk->sent };
        struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };

        if (chunk->n_fds > 0) {
                message.msg_control = &control;
                message.msg_controllen = CMSG_SPACE(sizeof(int) * chunk->n_fds);
                control.align = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof(int) * chunk->n_fds),
                                                  .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS };
                memcpy(CMSG_DATA(&control.align), chunk->fds, sizeof(int) * chunk->n_fds);
        }
        return sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void hang_up(End *end) {
        end->has_hung_up = true;
        end_drop_chunks(end);
}

static int on_writable(End *end) {
        Chunk *chunk;

        while ((chunk = g_queue_peek_head(&end->chunks))) {
                ssize_t n = send_chunk(end->fd, chunk);

                if (n < 0 && (errno == EPIPE || errno == ECONNRESET)) {
                        /* What it said before it went may still be on its way to the other. */
                        hang_up(end);
                        return 0;
                }
                if (n < 0)
                        return errno == EAGAIN || errno == EINTR ? 0 : -errno;
                /* They go with the first byte of it, and only once. */
                while (chunk->n_fds > 0)
                        (void) fd_close(chunk->fds[--chunk->n_fds]);
                chunk->sent += (guint) n;
                end->queued -= (size_t) n;
                if (chunk->sent < chunk->bytes->len)
                        return 0;
                chunk_free(g_queue_pop_head(&end->chunks));
        }
        return 0;
}

/* ---- both ---- */

static bool is_full(End *end) {
        return end->queued >= SOCKET_PROXY_QUEUE_MAX || g_queue_get_length(&end->chunks) >= SOCKET_PROXY_CHUNKS_MAX;
}

/* What a filter answers goes back to who asked: both must have room. */
static bool may_read(End *end) {
        return !end->is_closed && !is_full(other_end(end)) && !is_full(end);
}

static void on_ready(void *userdata, short revents);

/* poll(2) tells of a hang-up whether asked or not: who has hung up is asked only while there is room to read the
 * rest of what it said. */
static void watch_end(End *end) {
        short events = may_read(end) ? POLLIN : 0;

        if (!g_queue_is_empty(&end->chunks))
                events |= POLLOUT;
        if (end->has_hung_up && !(events & POLLIN))
                g_clear_pointer(&end->source, loop_source_free);
        else if (!end->source)
                end->source = loop_add_fd(end->relay->loop, LOOP_RANK_NORMAL, end->fd, events, on_ready, end);
        else
                loop_source_set_events(end->source, events);
}

static bool is_done(Relay *relay) {
        return (relay->client.is_closed && g_queue_is_empty(&relay->server.chunks)) ||
               (relay->server.is_closed && g_queue_is_empty(&relay->client.chunks));
}

static int move_bytes(End *end, short revents, Error *error) {
        Relay *relay = end->relay;
        int r = 0;

        if (revents & (POLLIN | POLLHUP | POLLERR) && may_read(end))
                r = on_readable(end, error);
        if (revents & (POLLHUP | POLLERR))
                hang_up(end);
        if (r >= 0)
                r = on_writable(&relay->server);
        if (r >= 0)
                r = on_writable(&relay->client);
        return r;
}

static void on_ready(void *userdata, short revents) {
        End *end = userdata;
        Relay *relay = end->relay;
        g_auto(Error) error = ERROR_NULL;

        if (relay->is_over)
                return;
        if (move_bytes(end, revents, &error) < 0 || revents & POLLNVAL || is_done(relay)) {
                relay->is_over = true;
                relay->ended(relay->userdata, relay, error.message ? &error : NULL);
                return;
        }
        watch_end(&relay->client);
        watch_end(&relay->server);
}

static void end_init(Relay *relay, End *end, int fd) {
        end->relay = relay;
        end->fd = fd;
        g_queue_init(&end->chunks);
        watch_end(end);
}

Relay *relay_new(Loop *loop, int client_fd, int server_fd, PulseFilter *filter, RelayEnded ended, void *userdata) {
        Relay *relay = g_new0(Relay, 1);

        relay->loop = loop;
        relay->filter = filter;
        relay->ended = ended;
        relay->userdata = userdata;
        end_init(relay, &relay->client, client_fd);
        end_init(relay, &relay->server, server_fd);
        return relay;
}
