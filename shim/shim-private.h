/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * For shim.c and the files that it is divided into; nobody else
 *
 * shim.c has the sandbox's life, from spare to ended, and the loop; shim-service.c how services come and go;
 * shim-request.c what the service asks; shim-answer.c what it is told.
 */
#include <glib.h>
#include <stdbool.h>

#include "plan/shim-message.h"
#include "plan/spec.h"
#include "shim/apply.h"
#include "shim/container.h"
#include "shim/init-client.h"
#include "shim/kept.h"
#include "shim/oom.h"
#include "shim/report.h"
#include "shim/shim.h"
#include "shim/snapshot.h"
#include "util/cgroup.h"
#include "util/loop.h"

#define SHIM_FREEZE_TIMEOUT_USEC (2 * 1000 * 1000)

typedef enum ShimState {
        SHIM_SPARE,
        SHIM_STARTING, /* deadline: the start's time limit */
        SHIM_RUNNING,
        SHIM_HALTING, /* deadline: SIGKILL by init */
        SHIM_KILLING, /* deadline: SIGKILL from outside */
        SHIM_ENDING,  /* the container is killed; deadline: look again */
        SHIM_TELLING, /* nothing is left but exits that nobody was told; deadline: never mind */
        SHIM_ENDED,   /* leave the loop */
        _SHIM_STATE_MAX,
} ShimState;

struct Shim {
        ShimState state;
        char *instance, *runtime_folder, *init_program, *helper_folder, *lxc_name; /* owned */
        Loop *loop;         /* owned */
        ShimReport *report; /* owned */
        /* The loop's; NULL while there is no descriptor. */
        LoopSource *init_source, *service_source, *listen_source, *timer;
        uint32_t version;   /* that it says it speaks */
        int service_fd;     /* owned; -EBADF while there is no service */
        int listen_fd;      /* owned; where the next one connects */
        bool is_greeted;    /* the service is the one that started us, or has said SHIM_HELLO */
        uint32_t last_serial; /* of a request */
        Kept *kept;         /* owned */
        int signals_fd;     /* owned; SIGCHLD, SIGTERM */
        int userns_fd;      /* owned; of the range that begins at id_base, or -EBADF */
        uint32_t id_base;
        int lock_fd;        /* owned; its lock says that we live */
        CgroupHost *cgroups; /* owned */
        CgroupBox *box;      /* owned */
        Spec *spec;          /* owned; NULL while spare */
        Container *container; /* owned */
        InitClient *init;     /* owned */
        Applier *applier;     /* owned */
        Oom *oom;             /* owned; NULL where the host cannot tell */
        Snapshot *snapshot;   /* owned; NULL = none under way */
        uint32_t snapshot_serial; /* waiting for it */
        bool is_frozen;
        gint64 deadline;   /* monotonic usec; 0 = none */
        gint64 kill_until; /* in ENDING */
        gint64 step_begun; /* of the step that is being timed */
        GArray *timings;   /* owned */
        uint32_t start_serial, stop_serial; /* waiting for an answer; 0 = nobody */
        Error reason; /* why it ended unasked, or why the start failed */
};

/* ---- shim.c ---- */

void shim_set_deadline(Shim *shim, uint64_t usec); /* from now */
gint64 shim_deadline_in(uint64_t usec);
void shim_end_step(Shim *shim, const char *name); /* of the start: its time since the one before */

/* Of the spec; init says later that it stands. */
int shim_start_container(Shim *shim, Error *error);

/* The halt signal, and SIGKILL after @timeout_usec; at once for what does not run. */
void shim_begin_halting(Shim *shim, uint64_t timeout_usec);

/* From outside and for good: whatever state anything inside is in. */
void shim_kill_container(Shim *shim);

/* ---- shim-service.c ---- */

int shim_listen(Shim *shim, Error *error);
int shim_write_identity(const Shim *shim, Error *error);
/* Whether the next connection is to be taken. */
bool shim_wants_service(const Shim *shim);
void shim_accept_service(Shim *shim);
/* One message, or the end of the connection. */
void shim_hear_service(Shim *shim);
/* Answers SHIM_HELLO. */
void shim_tell_account(Shim *shim, uint32_t serial);
/* Without a service it is for us to stop a sandbox that ends with a program. */
void shim_look_for_end(Shim *shim);

/* ---- shim-answer.c; all take what is in @writer; nobody is told before the service is greeted ---- */

void shim_send(Shim *shim, uint16_t type, uint32_t serial, WireWriter *writer);
/* ShimReportSend; userdata is the shim. */
int shim_send_report(void *shim, uint16_t type, WireWriter *writer);
void shim_send_with_fds(Shim *shim, uint16_t type, uint32_t serial, WireWriter *writer, const int *fds,
                        size_t n_fds);
void shim_answer(Shim *shim, uint32_t serial, const Error *error); /* NULL = success */
void shim_answer_result(Shim *shim, uint32_t serial, int r, const Error *error); /* success for @r >= 0 */
void shim_answer_run(Shim *shim, uint32_t serial, uint32_t run, const Error *error, pid_t pid);

/* ---- shim-request.c ---- */

/* Answers each request, now or later. */
void shim_dispatch_request(Shim *shim, WireMessage *message);
