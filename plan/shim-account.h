/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What a shim tells a service that finds it
 *
 * A shim that has a record (SHIM_RECORD) outlives its service: it listens on the socket `socket` in its
 * runtime folder, and serves one connection at a time. Who connects says SHIM_HELLO; the answer is each
 * program as SHIM_STATE_RUN, the plan in force as SHIM_STATE_PLAN, and then SHIM_STATE, all with the
 * request's serial. What happens from there on is told as ever.
 *
 * Versions: the account begins with what every version has, past and future: who this is, and which ids it
 * holds. A reader that does not know the version has that, and SHIM_STOP, whose number and body never change.
 */
#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>

#include "plan/shim-message.h"
#include "plan/spec.h"
#include "util/error.h"
#include "util/wire.h"

/* 2: the account ends with last_serial. */
#define SHIM_VERSION     2u /* what this service and this shim speak */
#define SHIM_VERSION_MIN 1u /* the oldest that this service understands */

/* Files in a shim's runtime folder. The lock is held as long as the shim lives. */
#define SHIM_LOCK_FILE     "lock"
#define SHIM_SOCKET_FILE   "socket"
#define SHIM_IDENTITY_FILE "sandbox" /* once started: a ShimIdentity */

/* Whose sandbox it is, for who cannot ask the shim. */
typedef struct ShimIdentity {
        char *name; /* owned; of the sandbox */
        uid_t owner;
        uint32_t id_base, id_count;
} ShimIdentity;

/* One line of text: "owner name first-id count". Caller frees. */
char *shim_identity_format(const ShimIdentity *identity);
int shim_identity_parse(const char *text, ShimIdentity *ret, Error *error);
void shim_identity_done(ShimIdentity *identity);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ShimIdentity, shim_identity_done)

typedef enum ShimPhase {
        SHIM_PHASE_RUNNING,
        SHIM_PHASE_FROZEN,
        SHIM_PHASE_STOPPING, /* on its way out, or waiting for who takes the last exits */
        _SHIM_PHASE_MAX,
        _SHIM_PHASE_INVALID = -EINVAL,
} ShimPhase;
const char *shim_phase_to_string(ShimPhase phase);
ShimPhase shim_phase_from_string(const char *name);

typedef struct ShimAccount {
        uint32_t version;
        char *instance; /* owned; of the service that made it */
        ShimIdentity identity;
        /* Nothing from here on of a version that is not known. */
        Spec *spec; /* owned; NULL then */
        ShimPhase phase;
        pid_t leader;         /* process 1 inside; 0 while stopping */
        uint32_t ends_with;   /* as of SHIM_RECORD */
        GBytes *record;       /* owned; likewise */
        uint32_t last_serial; /* of a request, whoever asked: answers to those may still come */
} ShimAccount;

/* Writes what an account of @account->version has. */
void shim_account_put(WireWriter *writer, const ShimAccount *account);
/* Checks all but what only the service can know: instance, id range, whether the name is taken. */
int shim_account_get(WireReader *reader, ShimAccount **ret, Error *error);
void shim_account_free(ShimAccount *account);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ShimAccount, shim_account_free)

/* A program that was started, and has not been forgotten. */
typedef struct ShimKeptRun {
        uint32_t run;
        pid_t pid;   /* on the host */
        char **argv; /* owned */
        bool has_terminal;
        bool has_ended;    /* then as in exited */
        bool is_told;      /* and somebody outside knows */
        ShimExited exited; /* its run is the one above */
} ShimKeptRun;

/* SHIM_STATE_RUN. With it come, of a program with a terminal: a descriptor that names the program's end
 * (O_PATH) while it runs, then our end unless somebody has opened it. */
void shim_kept_run_put(WireWriter *writer, const ShimKeptRun *run);
int shim_kept_run_get(WireReader *reader, ShimKeptRun *ret, Error *error);
void shim_kept_run_done(ShimKeptRun *run);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ShimKeptRun, shim_kept_run_done)

/* SHIM_RECORD: u32 ends_with, then the record. @ret_record is a new reference. */
void shim_record_put(WireWriter *writer, uint32_t ends_with, GBytes *record);
int shim_record_get(WireReader *reader, uint32_t *ret_ends_with, GBytes **ret_record, Error *error);
