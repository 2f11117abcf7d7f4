/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "service/shim-queue.h"

#include <fcntl.h>

#include "util/cleanup.h"

#define QUEUE_FDS_MAX 3

typedef struct Outgoing {
        uint16_t type;
        uint32_t serial;
        WireWriter writer;      /* owned */
        int fds[QUEUE_FDS_MAX]; /* owned */
        size_t n_fds;
} Outgoing;

struct ShimQueue {
        GQueue messages; /* of owned Outgoing */
};

static void outgoing_free(void *data) {
        Outgoing *outgoing = data;

        for (size_t i = 0; i < outgoing->n_fds; i++)
                (void) fd_close(outgoing->fds[i]);
        wire_writer_done(&outgoing->writer);
        g_free(outgoing);
}

ShimQueue *shim_queue_new(void) {
        return g_new0(ShimQueue, 1);
}

void shim_queue_free(ShimQueue *queue) {
        if (!queue)
                return;
        shim_queue_clear(queue);
        g_free(queue);
}

guint shim_queue_get_length(const ShimQueue *queue) {
        return queue->messages.length;
}

void shim_queue_clear(ShimQueue *queue) {
        g_queue_clear_full(&queue->messages, outgoing_free);
}

void shim_queue_push(ShimQueue *queue, uint16_t type, uint32_t serial, WireWriter *writer, const int *fds,
                     size_t n_fds) {
        Outgoing *outgoing = g_new0(Outgoing, 1);

        g_assert(n_fds <= QUEUE_FDS_MAX);
        outgoing->type = type;
        outgoing->serial = serial;
        outgoing->writer = *writer;
        *writer = WIRE_WRITER_NULL;
        for (size_t i = 0; i < n_fds; i++)
                outgoing->fds[outgoing->n_fds++] = fcntl(fds[i], F_DUPFD_CLOEXEC, 3);
        g_queue_push_tail(&queue->messages, outgoing);
}

int shim_queue_send(ShimQueue *queue, int socket_fd) {
        Outgoing *first;

        while ((first = g_queue_peek_head(&queue->messages))) {
                int r = wire_send(socket_fd, first->type, first->serial, &first->writer, first->fds,
                                  first->n_fds);

                if (r < 0)
                        return r;
                outgoing_free(g_queue_pop_head(&queue->messages));
        }
        return 0;
}
