/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the service asks a shim, and what the shim answers
 *
 * Requests carry a serial; each is answered exactly once by SHIM_DONE or SHIM_RAN with the same serial, in any
 * order. Events have serial 0. The shim's answers to a program's start (SHIM_RAN) always come before its
 * SHIM_EXITED.
 */
#include <glib.h>
#include <stdbool.h>

#include "plan/denied.h"
#include "plan/plan.h"
#include "plan/spec.h"
#include "util/error.h"
#include "util/wire.h"

typedef enum ShimMessageType {
        /* service -> shim */
        SHIM_START = 1,  /* Spec. Once. DONE when init is ready; SHIM_TIMINGS comes before it */
        SHIM_HELLO = 10, /* u32 SHIM_VERSION of the service. STATE, see plan/shim-account.h */
        /* None of the next is answered. */
        SHIM_RECORD = 16, /* u32 run with which the sandbox ends (0 = none), bytes: what the service wants to be
                           * told by SHIM_STATE, whole. From the first one on the shim outlives the service */
        SHIM_TOLD = 17,   /* u32 run: its end is known outside */
        SHIM_FORGET = 18, /* u32 run: nobody asks about it any more */
        SHIM_TERMINAL_OPENED = 19, /* u32 run: our end of its terminal was given away */
        SHIM_APPLY = 2,  /* Plan: the one wanted, whole; then u32 n, and n times u32: the numbers of the descriptors
                          * that come along, for sources "fd:N". The shim keeps them as long as the plan in force
                          * names them. Then as SHIM_RECORD what is to be kept with it, or nothing.
                          * DONE: it is in force, or the one before still is */
        SHIM_RUN = 3,    /* ShimRun, descriptors 0, 1, 2 (none with a terminal). RAN, and with it the terminal's
                          * other end if one was asked for */
        SHIM_SIGNAL = 4, /* u32 run (0 = every process but init), i32 signal. DONE */
        SHIM_FREEZE = 5, /* DONE */
        SHIM_THAW = 6,   /* DONE */
        SHIM_GET_NAMESPACES = 8, /* NAMESPACES */
        SHIM_LEASE = 11, /* Lease: what the link is made of when a plan has one; before the first such plan. DONE */
        SHIM_RESOLVED = 12, /* u32 n, and n times HostAddresses (plan/net-message.h): where names of the rules lead
                             * from now on; those not named stay as they are. DONE: live rules let through what the
                             * names lead to, and nothing else */
        SHIM_STOP = 7,   /* u64 usec from the halt signal to SIGKILL (0 = the spec's). DONE when everything of
                          * the sandbox is gone; then the shim exits. Allowed at any time, also while starting */
        SHIM_SNAPSHOT = 9, /* u64 usec that it may take (0 = SNAPSHOT_TIMEOUT_USEC); a descriptor to write the image
                            * into. DONE when it is whole. One at a time */
        /* shim -> service */
        SHIM_DONE = 32,    /* ShimDone */
        SHIM_STATE = 39,   /* ShimAccount */
        SHIM_STATE_RUN = 48,  /* ShimKeptRun, before the STATE */
        SHIM_STATE_PLAN = 49, /* Plan: the one in force, before the STATE */
        SHIM_RAN = 33,     /* ShimRan */
        SHIM_EXITED = 34,  /* ShimExited: a program ended */
        SHIM_GONE = 35,    /* ShimDone with the reason: the sandbox ended unasked; the shim exits */
        SHIM_TIMINGS = 36, /* ShimTimings of the start */
        SHIM_NAMESPACES = 37, /* an error or success, then names ("mnt"); as many descriptors, in their order */
        SHIM_LEADER = 38,  /* i32 host pid of init, before the DONE of a start */
        SHIM_DENIED = 40,    /* ShimDenied, plan/denied.h */
        SHIM_PENDING = 41,   /* strings: all that was granted and is not in force yet, such as host names without an
                              * address; each time the list changes */
        SHIM_ADDRESSES = 42, /* strings: all IP addresses of the sandbox; each time the list changes */
        SHIM_MECHANISMS = 43, /* strings "OPENING: WORDS": what stands behind an opening where there is more than one way */
} ShimMessageType;

typedef struct ShimRun {
        uint32_t run;            /* chosen by the service, never 0, unique in this sandbox's life */
        char **argv;             /* owned; at least one */
        char **environment;      /* owned; "NAME=value", above all others */
        char *working_directory; /* owned; absolute inside, or NULL = the app's home for the app, "/" else */
        bool has_user;           /* else the template's app uid and gid */
        uint32_t uid, gid;       /* inside */
        uint32_t *groups;        /* owned */
        uint32_t n_groups;
        InitRlimit *rlimits; /* owned */
        uint32_t n_rlimits;
        bool terminal;           /* a new one of the sandbox's own is its 0, 1 and 2 */
        uint16_t rows, columns;  /* of the terminal; 0 = not known yet */
} ShimRun;

typedef enum ShimExitReason {
        SHIM_EXIT_EXITED,
        SHIM_EXIT_KILLED,
        SHIM_EXIT_DUMPED,
        SHIM_EXIT_OOM_KILL,
        SHIM_EXIT_LOST, /* the sandbox ended before its status was told */
        _SHIM_EXIT_REASON_MAX,
        _SHIM_EXIT_REASON_INVALID = -EINVAL,
} ShimExitReason;

typedef struct ShimExited {
        uint32_t run;
        ShimExitReason reason;
        int32_t status;     /* exit status or signal number; 0 for LOST */
        int32_t raw_status; /* as of wait(2) */
} ShimExited;

typedef struct ShimTiming {
        char *step; /* owned */
        uint64_t usec;
} ShimTiming;

/* The bus's words: "exited", "killed", "dumped", "oom-kill", "lost". */
const char *shim_exit_reason_to_string(ShimExitReason reason);
ShimExitReason shim_exit_reason_from_string(const char *name);

/* An Error on the wire; nothing set = success. error_get() fills @ret from the body and returns 0 when the body
 * says success, the error's negative errno when it says failure, and sets ERROR_SYSTEM when it says neither. */
void shim_error_put(WireWriter *writer, const Error *error);
int shim_error_get(WireReader *reader, Error *ret);

void shim_run_put(WireWriter *writer, const ShimRun *run);
int shim_run_get(WireReader *reader, ShimRun *ret, Error *error); /* shim_run_done() what it filled */
void shim_run_done(ShimRun *run);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ShimRun, shim_run_done)

/* SHIM_RAN: u32 run, then an error or success, then the host pid (0 after a failure). ran_get() gives the negative
 * errno of a program that did not start, with *ret_run filled as far as the body is whole. */
void shim_ran_put(WireWriter *writer, uint32_t run, const Error *error, pid_t pid);
int shim_ran_get(WireReader *reader, uint32_t *ret_run, pid_t *ret_pid, Error *error);

void shim_exited_put(WireWriter *writer, const ShimExited *exited);
int shim_exited_get(WireReader *reader, ShimExited *ret);

/* Array of ShimTiming, which frees its elements. */
GArray *shim_timings_new(void);
void shim_timings_add(GArray *timings, const char *step, uint64_t usec);
void shim_timings_put(WireWriter *writer, const GArray *timings);
int shim_timings_get(WireReader *reader, GArray **ret);
