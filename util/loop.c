/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "util/loop.h"

#include <errno.h>
#include <stdbool.h>

typedef enum SourceType {
        SOURCE_FD,
        SOURCE_TIMER,
        SOURCE_CHILD,
} SourceType;

struct LoopSource {
        Loop *loop;
        SourceType type;
        LoopRank rank;
        bool is_dead; /* freed while functions were called */
        int fd;
        short events;
        short revents; /* of this round */
        gint64 at_usec;
        pid_t pid;
        LoopReady ready;
        LoopElapsed elapsed;
        LoopExited exited;
        void *userdata;
};

struct Loop {
        GPtrArray *sources; /* owned LoopSource, by rank */
        GArray *polled;     /* struct pollfd, of one round; kept for its memory */
        unsigned n_calling; /* functions that are being called */
};

static void source_destroy(void *source) {
        g_free(source);
}

Loop *loop_new(void) {
        Loop *loop = g_new0(Loop, 1);

        loop->sources = g_ptr_array_new_with_free_func(source_destroy);
        loop->polled = g_array_new(FALSE, TRUE, sizeof(struct pollfd));
        return loop;
}

void loop_free(Loop *loop) {
        if (!loop)
                return;
        g_ptr_array_unref(loop->sources);
        g_array_unref(loop->polled);
        g_free(loop);
}

static LoopSource *source_new(Loop *loop, SourceType type, LoopRank rank, void *userdata) {
        LoopSource *source = g_new0(LoopSource, 1);
        guint i = 0;

        source->loop = loop;
        source->type = type;
        source->rank = rank;
        source->fd = -EBADF;
        source->userdata = userdata;
        while (i < loop->sources->len && ((LoopSource *) loop->sources->pdata[i])->rank <= rank)
                i++;
        g_ptr_array_insert(loop->sources, (int) i, source);
        return source;
}

LoopSource *loop_add_fd(Loop *loop, LoopRank rank, int fd, short events, LoopReady ready, void *userdata) {
        LoopSource *source = source_new(loop, SOURCE_FD, rank, userdata);

        source->fd = fd;
        source->events = events;
        source->ready = ready;
        return source;
}

void loop_source_set_events(LoopSource *source, short events) {
        source->events = events;
}

LoopSource *loop_add_timer(Loop *loop, LoopElapsed elapsed, void *userdata) {
        LoopSource *source = source_new(loop, SOURCE_TIMER, LOOP_RANK_SERVICE, userdata);

        source->elapsed = elapsed;
        return source;
}

void loop_source_set_time(LoopSource *source, gint64 at_usec) {
        source->at_usec = at_usec;
}

LoopSource *loop_add_child(Loop *loop, pid_t pid, LoopExited exited, void *userdata) {
        LoopSource *source = source_new(loop, SOURCE_CHILD, LOOP_RANK_SIGNALS, userdata);

        source->pid = pid;
        source->exited = exited;
        return source;
}

/* The array must not change under a round that walks it. */
static void sweep(Loop *loop) {
        if (loop->n_calling > 0)
                return;
        for (guint i = loop->sources->len; i > 0; i--)
                if (((LoopSource *) loop->sources->pdata[i - 1])->is_dead)
                        g_ptr_array_remove_index(loop->sources, i - 1);
}

void loop_source_free(LoopSource *source) {
        if (!source)
                return;
        source->is_dead = true;
        sweep(source->loop);
}

gboolean loop_child_exited(Loop *loop, pid_t pid, int status) {
        for (guint i = 0; i < loop->sources->len; i++) {
                LoopSource *source = loop->sources->pdata[i];

                if (source->is_dead || source->type != SOURCE_CHILD || source->pid != pid)
                        continue;
                source->is_dead = true;
                loop->n_calling++;
                source->exited(source->userdata, status);
                loop->n_calling--;
                sweep(loop);
                return TRUE;
        }
        return FALSE;
}

static int next_timeout(const Loop *loop) {
        gint64 next = 0, left;

        for (guint i = 0; i < loop->sources->len; i++) {
                const LoopSource *source = loop->sources->pdata[i];

                if (source->at_usec != 0 && (next == 0 || source->at_usec < next))
                        next = source->at_usec;
        }
        if (next == 0)
                return -1;
        left = next - g_get_monotonic_time();
        return left <= 0 ? 0 : (int) MIN((left + 999) / 1000, G_MAXINT);
}

/* Puts what poll(2) found at each source, so that functions may add and free sources while they are called. */
static int wait_for_events(Loop *loop, Error *error) {
        guint k = 0;

        g_array_set_size(loop->polled, 0);
        for (guint i = 0; i < loop->sources->len; i++) {
                const LoopSource *source = loop->sources->pdata[i];
                struct pollfd polled = { .fd = source->events == LOOP_OFF ? -1 : source->fd,
                                         .events = source->events };

                if (source->type == SOURCE_FD)
                        g_array_append_val(loop->polled, polled);
        }
        if (poll((struct pollfd *) (void *) loop->polled->data, loop->polled->len, next_timeout(loop)) < 0)
                return errno == EINTR ? 0 : error_set_errnof(error, errno, "Cannot poll");
        for (guint i = 0; i < loop->sources->len; i++) {
                LoopSource *source = loop->sources->pdata[i];

                source->revents = 0;
                if (source->type == SOURCE_FD)
                        source->revents = g_array_index(loop->polled, struct pollfd, k++).revents;
        }
        return 1;
}

static void call_source(LoopSource *source) {
        if (source->is_dead)
                return;
        if (source->revents != 0) {
                short revents = source->revents;

                source->revents = 0;
                source->ready(source->userdata, revents);
        } else if (source->at_usec != 0 && g_get_monotonic_time() >= source->at_usec) {
                source->at_usec = 0;
                source->elapsed(source->userdata);
        }
}

int loop_run_once(Loop *loop, Error *error) {
        int r;

        r = wait_for_events(loop, error);
        if (r <= 0)
                return r;
        loop->n_calling++;
        /* One that is added meanwhile may move the others: it has no events yet, and they are asked again. */
        for (guint i = 0; i < loop->sources->len; i++)
                call_source(loop->sources->pdata[i]);
        loop->n_calling--;
        sweep(loop);
        return 0;
}
