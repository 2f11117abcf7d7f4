/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Kept: what the shim remembers for a service that may be another one tomorrow
 *
 * The service's record, and each program from its start until the service forgets it: with its end and
 * whether anybody was told, and with its terminal until somebody has opened that.
 */
#include <glib.h>
#include <stdbool.h>

#include "plan/shim-account.h"
#include "util/error.h"

typedef struct Kept Kept;

typedef struct KeptRun {
        ShimKeptRun told; /* what an account says of it; pid 0 until it runs */
        bool is_orphan;   /* whoever asked for it left before it ran: nobody knows of it */
        int terminal_fd;  /* owned; our end, until somebody has opened it; -EBADF = none */
        int peer_fd;      /* owned; names the program's end; -EBADF = no terminal */
} KeptRun;

Kept *kept_new(void);
void kept_free(Kept *kept);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Kept, kept_free)

/* Takes a reference. */
void kept_set_record(Kept *kept, uint32_t ends_with, GBytes *record);
GBytes *kept_get_record(const Kept *kept); /* not a new reference; NULL = none yet */
uint32_t kept_get_ends_with(const Kept *kept);
/* The sandbox ends with a program, and that one is not alive. */
bool kept_has_reached_end(const Kept *kept);

/* A program that is asked for; takes both descriptors, also on failure. Makes room by dropping the oldest one
 * that has ended and was told. ERROR_LIMIT_REACHED; ERROR_INVALID_ARGS for a number that is in use. */
int kept_add(Kept *kept, uint32_t run, char *const *argv, bool has_terminal, int terminal_fd, int peer_fd,
             Error *error);
KeptRun *kept_find(const Kept *kept, uint32_t run); /* or NULL */
void kept_set_running(Kept *kept, uint32_t run, pid_t pid);
void kept_set_ended(Kept *kept, const ShimExited *exited);
void kept_remove(Kept *kept, uint32_t run);
void kept_forget(Kept *kept, uint32_t run); /* once it has ended */
void kept_close_terminal(Kept *kept, uint32_t run);
void kept_set_told(Kept *kept, uint32_t run);
bool kept_has_untold(const Kept *kept);

/* The service is gone: who asked for a program that does not run yet will never hear of it. */
void kept_orphan(Kept *kept);

/* In the order of their numbers; those that run or have ended, and are no orphans. Caller unrefs. */
GPtrArray *kept_list(const Kept *kept);
