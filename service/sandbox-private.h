/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* For sandbox.c, sandbox-change.c and manager.c; nobody else */
#include "capabilities/template.h"
#include "plan/lease.h"
#include "plan/spec.h"
#include "service/sandbox.h"
#include "service/shim-client.h"

typedef struct Change Change;

struct Sandbox {
        Manager *manager; /* not owned; it frees us */
        char *client;     /* owned */
        Spec *spec;       /* owned; name, owner, ids, template */
        GHashTable *labels;
        Denials *denials; /* owned */
        char **pending, **addresses, **mechanisms; /* owned */
        SandboxState state;
        char *state_reason; /* owned or NULL */
        uint64_t created_usec, created_monotonic_usec;
        GArray *timings; /* owned; of ShimTiming */
        bool is_stuck;   /* something of it resists its removal */
        pid_t leader;
        ShimClient *shim;        /* owned; NULL before the start and after its end */
        GPtrArray *capabilities; /* owned; of Capability references, in force */
        GPtrArray *mounts;       /* owned; of Mount references, by hand, in force */
        Plan *plan;              /* owned; what all these open, in force */
        bool has_lease;  /* taken from the manager's pool, until it is gone */
        bool lease_is_sent;
        Lease lease;
        uint32_t last_mount;     /* number of a descriptor that was shown */
        GQueue changes;          /* of owned Change; the first one is with the shim */
        GHashTable *processes;   /* number -> Process, not owned; those that have not ended */
        uint32_t ends_with;      /* number of the process whose end is ours; 0 = none */
        uint64_t step_usec;      /* when the step of the start that is under way began */
        SandboxDone created;     /* NULL once called */
        void *created_userdata;
        Error failure;   /* owned; why the start failed */
        GArray *waiters; /* owned; of those who asked for the stop */
};

/* sandbox-network.c: what @plan needs of the network before the shim gets it: the template's leave and a lease, which
 * the shim is told of once there is one. Nothing for a plan without a link. */
int sandbox_take_lease(Sandbox *sandbox, const Plan *plan, Error *error);
void sandbox_send_lease(Sandbox *sandbox);
void sandbox_give_back_lease(Sandbox *sandbox);

/* Takes @spec, @capabilities and @plan, in which the request's mounts are. */
Sandbox *sandbox_new(Manager *manager, const SandboxRequest *request, Spec *spec, GPtrArray *capabilities,
                     Plan *plan);
void sandbox_free(Sandbox *sandbox);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Sandbox, sandbox_free)

extern const ShimClientEvents sandbox_shim_events; /* their userdata is the sandbox */

/* Takes @shim, whose events go to the sandbox already. */
void sandbox_start(Sandbox *sandbox, ShimClient *shim, SandboxDone created, void *userdata);
/* The step that began at @since_usec is over; a step of the same name before is replaced. */
void sandbox_add_timing(Sandbox *sandbox, const char *step, uint64_t since_usec);
/* ERROR_BAD_STATE, ERROR_NO_SUCH_SANDBOX when it is about to be gone. */
int sandbox_check_state(const Sandbox *sandbox, SandboxState wanted, Error *error);
void sandbox_set_state(Sandbox *sandbox, SandboxState state, const char *reason);

/* sandbox-change.c: those that wait are answered; the one with the shim is answered by the shim. */
void sandbox_fail_changes(Sandbox *sandbox);
bool sandbox_is_freezing(const Sandbox *sandbox); /* a freeze or thaw is under way */
