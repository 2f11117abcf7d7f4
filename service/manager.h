/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Manager: all sandboxes of an instance
 *
 * Holds what they share: the store of capabilities and templates, the pool of spare shims, ids, limits,
 * names. Speaks to the outside through ManagerEvents and knows no bus.
 */
#include <systemd/sd-event.h>

#include "capabilities/settings.h"
#include "capabilities/store.h"
#include "service/process.h"
#include "service/sandbox.h"
#include "util/places.h"

typedef struct ManagerEvents {
        void (*sandbox_added)(void *userdata, Sandbox *sandbox);
        void (*sandbox_removed)(void *userdata, Sandbox *sandbox); /* still whole, no longer found */
        void (*sandbox_changed)(void *userdata, Sandbox *sandbox, SandboxChanges changes);
        void (*sandbox_denied)(void *userdata, Sandbox *sandbox, const ShimDenied *denied);
        void (*process_added)(void *userdata, Process *process); /* before the run is answered */
        void (*process_exited)(void *userdata, Process *process);
        void (*process_removed)(void *userdata, Process *process);
} ManagerEvents;

/* Loads the store, makes the runtime folders. Fails if there is a service of this instance already. Makes no
 * sandbox before manager_adopt(). @places and @settings are not owned. */
int manager_new(sd_event *event, const Places *places, Settings *settings, Manager **ret, Error *error);
void manager_free(Manager *manager); /* leaves sandboxes to their shims */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Manager, manager_free)
void manager_set_events(Manager *manager, const ManagerEvents *events, void *userdata);

/* Where the names of clients hold: the id of a bus. Those from another one mean nobody. */
void manager_set_realm(Manager *manager, const char *realm);
/* Takes over what an earlier service has left (service/adopt.h); @adopted is called once, later. */
void manager_adopt(Manager *manager, void (*adopted)(void *userdata), void *userdata);
/* Once everybody can hear it: tells how programs ended while no service was there, and starts spare shims. */
void manager_open(Manager *manager);

/*
 * Makes a sandbox with its capabilities in force. Refuses at once (negative, @error) or calls @created once,
 * later; when that has an error, nothing of the sandbox is left. *ret is the sandbox that is being created.
 */
int manager_create(Manager *manager, const SandboxRequest *request, SandboxDone created, void *userdata,
                   Sandbox **ret, Error *error);

Sandbox *manager_find_sandbox(const Manager *manager, uid_t owner, const char *name); /* or NULL */
Sandbox *manager_find_sandbox_by_pid(const Manager *manager, pid_t pid); /* of any process inside; or NULL */
Process *manager_find_process(const Manager *manager,
                              uint32_t number);            /* not while it is starting; or NULL */
GPtrArray *manager_list_sandboxes(const Manager *manager); /* of Sandbox, by owner and name; caller unrefs */
GPtrArray *manager_list_processes(const Manager *manager); /* of Process, by number; caller unrefs */
guint manager_count_sandboxes(const Manager *manager);
guint manager_count_spares(const Manager *manager);

/* All that is needed is there: tells systemd. */
void manager_set_ready(Manager *manager);

/* Manifests, templates and policies anew; what runs keeps what it has. Tells systemd before and after. */
void manager_reload(Manager *manager);
const Settings *manager_get_settings(const Manager *manager);
const Store *manager_get_store(const Manager *manager);
/* Findings of settings and store, and sandboxes that cannot be spoken to, as sentences; caller unrefs. */
GPtrArray *manager_get_warnings(const Manager *manager);
/* Ids of the gateways; caller frees. */
char **manager_get_gateways(const Manager *manager);

/* Takes nothing new, ends spare shims and what is half made; @settled when none of that is left. Sandboxes go
 * on. */
void manager_leave(Manager *manager, void (*settled)(void *userdata), void *userdata);
