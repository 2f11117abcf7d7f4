/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Shim client: one shim, spawned and spoken to
 *
 * Nothing here waits: a request is sent or queued, and answered by a callback from the loop, never from
 * inside the call that asked, exactly once: with the shim's answer, a timeout, or the shim's end. When the
 * shim has ended, the client removes what may be left of its sandbox (processes and cgroups of the box, the
 * runtime folder), again from the loop, and only then tells its owner.
 */
#include <systemd/sd-event.h>

#include "plan/lease.h"
#include "plan/net-message.h"
#include "plan/shim-account.h"
#include "plan/shim-message.h"
#include "service/id-pool.h"
#include "util/cgroup.h"
#include "util/error.h"
#include "util/places.h"

typedef struct ShimClient ShimClient;

/* What all shims of an instance have in common. Not owned; outlives the clients. */
typedef struct ShimHost {
        sd_event *event;
        const Places *places;
        const CgroupHost *cgroups;
        IdPool *ids;
        uint32_t last_number; /* of a shim; names its box and its folder, never used twice */
} ShimHost;

typedef struct ShimClientEvents {
        void (*timings)(void *userdata, const GArray *timings); /* of ShimTiming, before START is answered */
        void (*leader)(void *userdata, pid_t pid); /* process 1 inside, as the host sees it; likewise */
        void (*exited)(void *userdata, const ShimExited *exited);
        void (*denied)(void *userdata, const ShimDenied *denied);
        void (*pending)(void *userdata, char **names); /* the callee's from now on */
        void (*addresses)(void *userdata, char **addresses); /* likewise */
        void (*mechanisms)(void *userdata, char **texts); /* likewise */
        /* The sandbox ends, or its shim has died, without having been asked to. At most once, before ended().
         */
        void (*gone)(void *userdata, const Error *reason);
        /* The shim is dead, and something of its sandbox resists: it is tried again, for ever. At most once.
         */
        void (*stuck)(void *userdata, const Error *reason);
        /* Nothing is left, every request was answered: the owner frees the client, here or later. */
        void (*ended)(void *userdata);
} ShimClientEvents;

typedef void (*ShimDone)(void *userdata, const Error *error); /* @error NULL = success */
/* @terminal_fd: the other end of the program's terminal, the callee's from now on; -EBADF = it has none. */
typedef void (*ShimRan)(void *userdata, pid_t pid, int terminal_fd, const Error *error);
/* @n of both; they are the client's and gone afterwards. */
typedef void (*ShimNamespaces)(void *userdata, const char *const *names, const int *fds, size_t n,
                               const Error *error);

/* A program of an account, and its terminal. */
typedef struct ShimFoundRun {
        ShimKeptRun kept;
        int terminal_fd; /* owned; our end, unless somebody has opened it; -EBADF = no, or no terminal */
        int peer_fd;     /* owned; names the program's end while it runs */
} ShimFoundRun;

/* What a shim of an earlier service has told. */
typedef struct ShimFound {
        ShimAccount *account; /* owned */
        GPtrArray *runs;      /* owned; of owned ShimFoundRun */
        Plan *plan;           /* owned; in force; NULL if the version of the account is not known */
} ShimFound;
void shim_found_free(ShimFound *found);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ShimFound, shim_found_free)

/* @found is the client's, which keeps it as long as it lives; what is stolen from it leaves a NULL behind.
 * NULL with an error. */
typedef void (*ShimHello)(void *userdata, ShimFound *found, const Error *error);

/* What goes along with a plan. */
typedef struct ShimApply {
        uint32_t number; /* of @fd in the plan, for its source "fd:<number>" */
        int fd;          /* not owned, duplicated where it has to wait; -EBADF = none */
        GBytes *record;  /* not owned; as of shim_client_record(), kept if the plan gets in force; NULL = none
                          */
        uint32_t ends_with;
} ShimApply;

/* Whom to speak to. */
typedef struct ShimAdoption {
        uint32_t number;
        pid_t pid;
        int socket_fd, pid_fd; /* taken, also on failure */
} ShimAdoption;

/* ERROR_LIMIT_REACHED if no range of ids is free. */
int shim_client_spawn(ShimHost *host, const ShimClientEvents *events, void *userdata, ShimClient **ret,
                      Error *error);
/* Speaks to a shim that is not our child. It has no range of ids yet. */
int shim_client_adopt(ShimHost *host, const ShimAdoption *adoption, const ShimClientEvents *events,
                      void *userdata, ShimClient **ret, Error *error);
bool shim_client_is_alive(const ShimClient *client);
/* Its own, which is reserved in the pool. */
void shim_client_set_id_base(ShimClient *client, uint32_t id_base);
/* Before ended() it kills the shim if that is our child; requests are answered with an error. */
void shim_client_free(ShimClient *client);
/* The same, and the shim goes on without us. */
void shim_client_leave(ShimClient *client);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ShimClient, shim_client_free)

/* A spare shim gets its sandbox. */
void shim_client_set_events(ShimClient *client, const ShimClientEvents *events, void *userdata);
pid_t shim_client_get_pid(const ShimClient *client);
/* First host id of the range that it holds as long as anything of its sandbox may be there. */
uint32_t shim_client_get_id_base(const ShimClient *client);
const char *shim_client_get_cgroup(const ShimClient *client); /* name of its box, util/cgroup.h */

void shim_client_start(ShimClient *client, const Spec *spec, ShimDone done, void *userdata);
void shim_client_apply(ShimClient *client, const Plan *plan, const ShimApply *apply, ShimDone done,
                       void *userdata);
/* What the link of a plan is made of, before the first such plan. */
void shim_client_set_lease(ShimClient *client, const Lease *lease, ShimDone done, void *userdata);
/* @hosts: an array of HostAddresses, where names in the rules lead from now on. */
void shim_client_set_hosts(ShimClient *client, const GArray *hosts, ShimDone done, void *userdata);
/* @fds: standard input, output and error; not used with a terminal. */
void shim_client_run(ShimClient *client, const ShimRun *run, const int fds[3], ShimRan done, void *userdata);
void shim_client_get_namespaces(ShimClient *client, ShimNamespaces done, void *userdata);
/* @fd is duplicated. Answered after SNAPSHOT_TIMEOUT_USEC at the latest. */
void shim_client_snapshot(ShimClient *client, int fd, ShimDone done, void *userdata);
void shim_client_signal(ShimClient *client, uint32_t run, int signal, ShimDone done, void *userdata);
void shim_client_freeze(ShimClient *client, ShimDone done, void *userdata);
void shim_client_thaw(ShimClient *client, ShimDone done, void *userdata);
/* To one that was adopted, first of all. Answered when it likes, or by its end. */
void shim_client_hello(ShimClient *client, ShimHello done, void *userdata);
/* Something to remember of its sandbox, whole, for the next service; and the program with whose end it ends.
 */
void shim_client_record(ShimClient *client, uint32_t ends_with, GBytes *record);
void shim_client_set_told(ShimClient *client, uint32_t run); /* its end is known outside */
void shim_client_forget(ShimClient *client, uint32_t run);
void shim_client_set_terminal_opened(ShimClient *client, uint32_t run);
/* It is stopping already, and was given @usec for that. */
void shim_client_set_stopping(ShimClient *client, uint64_t usec);
/* From here on the shim's end is no accident. @usec from the halt signal to SIGKILL. A shim that has not
 * ended STOP_GRACE_USEC later is killed. The end is told by ended(). Again with a shorter time: that counts.
 */
void shim_client_stop(ShimClient *client, uint64_t usec);
