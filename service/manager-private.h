/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* For the files that make up manager, sandbox and process; nobody else */
#include <stdbool.h>

#include "plan/shim-account.h"
#include "service/lease-pool.h"
#include "service/manager.h"

sd_event *manager_get_event(const Manager *manager);
LeasePool *manager_get_leases(const Manager *manager);
const CgroupHost *manager_get_cgroups(const Manager *manager);
/* ERROR_LIMIT_REACHED when programs of @owner hold as many terminals as a user may have. */
int manager_check_terminals(const Manager *manager, uid_t owner, Error *error);
void manager_tell_denied(Manager *manager, Sandbox *sandbox, const ShimDenied *denied);
void manager_tell_changed(Manager *manager, Sandbox *sandbox, SandboxChanges changes);
/* Another one in the list: its name is free. */
void manager_add_sandbox(Manager *manager, Sandbox *sandbox);
const char *manager_get_realm(const Manager *manager); /* see manager_set_realm() */
bool manager_has_process(const Manager *manager, uint32_t number);
/* Of an earlier service; its number is free. In state starting, owned by the manager. */
Process *manager_restore_process(Manager *manager, Sandbox *sandbox, const ShimKeptRun *run);
/* A new process in state starting; owned by the manager. */
Process *manager_add_process(Manager *manager, Sandbox *sandbox, char *const *argv, bool has_terminal);
void manager_tell_process_added(Manager *manager, Process *process);
void manager_tell_process_exited(Manager *manager, Process *process);
void manager_forget_process(Manager *manager, Process *process); /* frees it */
/* Takes it out of all tables, tells so, gives back its ids; the sandbox is the caller's to free. */
void manager_forget_sandbox(Manager *manager, Sandbox *sandbox);
/* Looks whether it is the last one that manager_leave() waits for; keeps the pool filled. */
void manager_settle(Manager *manager);
