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

/* ERROR_LIMIT_REACHED if no range of ids is free. */
int shim_client_spawn(ShimHost *host, const ShimClientEvents *events, void *userdata, ShimClient **ret,
                      Error *error);
/* Before ended() it kills the shim; requests are answered with an error. */
void shim_client_free(ShimClient *client);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ShimClient, shim_client_free)

/* A spare shim gets its sandbox. */
void shim_client_set_events(ShimClient *client, const ShimClientEvents *events, void *userdata);
pid_t shim_client_get_pid(const ShimClient *client);
/* First host id of the range that it holds as long as anything of its sandbox may be there. */
uint32_t shim_client_get_id_base(const ShimClient *client);
const char *shim_client_get_cgroup(const ShimClient *client); /* name of its box, util/cgroup.h */

void shim_client_start(ShimClient *client, const Spec *spec, ShimDone done, void *userdata);
/* @fd goes along under @number, for the plan's source "fd:<number>"; -EBADF = none. Descriptors are
 * duplicated where they have to wait. */
void shim_client_apply(ShimClient *client, const Plan *plan, uint32_t number, int fd, ShimDone done,
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
/* From here on the shim's end is no accident. @usec from the halt signal to SIGKILL. A shim that has not
 * ended STOP_GRACE_USEC later is killed. The end is told by ended(). Again with a shorter time: that counts.
 */
void shim_client_stop(ShimClient *client, uint64_t usec);
