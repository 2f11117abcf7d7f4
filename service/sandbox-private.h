/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* For the files that make up sandbox and manager, launch.c and adopt.c; nobody else */
#include "capabilities/template.h"
#include "plan/lease.h"
#include "plan/spec.h"
#include "service/sandbox.h"
#include "service/shim-client.h"

typedef struct Change Change;

struct Sandbox {
        Manager *manager; /* not owned; it frees us */
        char *client;     /* owned; NULL = of a bus that is gone */
        Spec *spec;       /* owned; name, owner, ids, template */
        bool bind_to_caller;
        bool is_held;    /* a launch is on its way, which is undone if we die: there is nothing to keep yet */
        bool is_kept;    /* its shim has our record and outlives us */
        bool is_adopted; /* an earlier service made it */
        bool is_strange; /* and its shim cannot be spoken to: all that works is to stop it */
        GArray *untold;  /* owned; of ShimExited: ends from the time when no service was there */
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
/* The rest is up to the caller: labels, capabilities and mounts are NULL. */
Sandbox *sandbox_alloc(Manager *manager, Spec *spec);
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

/* Between the two it is undone if the service dies; after that it outlives the service. */
void sandbox_hold(Sandbox *sandbox);
void sandbox_commit(Sandbox *sandbox);
/* What the next service must know; @capabilities and @mounts as they shall be. */
int sandbox_pack_record(const Sandbox *sandbox, GPtrArray *capabilities, GPtrArray *mounts, GBytes **ret,
                        Error *error);
/* Something of that has changed. */
void sandbox_keep_record(Sandbox *sandbox);
void sandbox_set_terminal_opened(Sandbox *sandbox, uint32_t process);

/* sandbox-adopt.c: takes @client, and what is in @found, on success only. */
int sandbox_new_adopted(Manager *manager, ShimClient *client, ShimFound *found, Sandbox **ret, Error *error);
/* Takes @client. */
Sandbox *sandbox_new_strange(Manager *manager, ShimClient *client, const ShimIdentity *identity,
                             const char *reason);
/* Once everybody can hear it: the ends from before our time, and what follows from them. */
void sandbox_tell_untold(Sandbox *sandbox);
void sandbox_tell_exit(Sandbox *sandbox, const ShimExited *exited);

/* sandbox-change.c: those that wait are answered; the one with the shim is answered by the shim. */
void sandbox_fail_changes(Sandbox *sandbox);
bool sandbox_is_freezing(const Sandbox *sandbox); /* a freeze or thaw is under way */
