/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Loop: what a program of one thread waits for
 *
 * For the shim and the proxies, of which there are many: sd-event would cost each of them libsystemd's memory.
 * Descriptors, one-shot timers and children, each with the function that is called.
 * Functions may add and free sources, their own too. Sources are asked in the order of their rank, so that the
 * last words of a process are read before its end is seen.
 */
#include <glib.h>
#include <poll.h>
#include <sys/types.h>

#include "util/error.h"

typedef struct Loop Loop;
typedef struct LoopSource LoopSource;

typedef enum LoopRank {
        LOOP_RANK_INIT,    /* what the sandbox says */
        LOOP_RANK_NORMAL,
        LOOP_RANK_SIGNALS, /* children's ends */
        LOOP_RANK_SERVICE,
} LoopRank;

typedef void (*LoopReady)(void *userdata, short revents);
typedef void (*LoopElapsed)(void *userdata);
typedef void (*LoopExited)(void *userdata, int status); /* raw, as of wait(2) */

Loop *loop_new(void);
void loop_free(Loop *loop); /* and all sources that are left; @fd of none of them */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Loop, loop_free)

/* Calls @ready while @fd has one of poll(2)'s @events, or an error. @fd stays the caller's, and must be open as
 * long as the source is. */
LoopSource *loop_add_fd(Loop *loop, LoopRank rank, int fd, short events, LoopReady ready, void *userdata);
/* LOOP_OFF: it is not looked at, nor for errors. */
#define LOOP_OFF ((short) -1)
void loop_source_set_events(LoopSource *source, short events);

/* Off until it is set. Calls @elapsed once when the monotonic clock is at @at_usec; 0 = off. */
LoopSource *loop_add_timer(Loop *loop, LoopElapsed elapsed, void *userdata);
void loop_source_set_time(LoopSource *source, gint64 at_usec);

/* Calls @exited, once, when our child @pid was reaped; the source is freed after it. The child of a source that
 * is freed before is still reaped. */
LoopSource *loop_add_child(Loop *loop, pid_t pid, LoopExited exited, void *userdata);
/* For who reaps: true if somebody waited for @pid. */
gboolean loop_child_exited(Loop *loop, pid_t pid, int status);

void loop_source_free(LoopSource *source); /* NULL does nothing */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LoopSource, loop_source_free)

/* Waits for one round of events and calls their functions. */
int loop_run_once(Loop *loop, Error *error);
