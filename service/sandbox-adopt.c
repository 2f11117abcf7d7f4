/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Sandboxes that an earlier service made
 */
#include "capabilities/capability.h"
#include "service/manager-private.h"
#include "service/process-private.h"
#include "service/sandbox-private.h"
#include "service/sandbox-record.h"
#include "util/cleanup.h"
#include "util/log.h"

static const SandboxState phase_states[_SHIM_PHASE_MAX] = {
        [SHIM_PHASE_RUNNING] = SANDBOX_READY,
        [SHIM_PHASE_FROZEN] = SANDBOX_FROZEN,
        [SHIM_PHASE_STOPPING] = SANDBOX_STOPPING,
};

static int runs_check(const Manager *manager, const GPtrArray *runs, Error *error) {
        g_autoptr(GHashTable) seen = g_hash_table_new(NULL, NULL);

        for (guint i = 0; i < runs->len; i++) {
                const ShimFoundRun *run = runs->pdata[i];

                if (!g_hash_table_add(seen, GUINT_TO_POINTER(run->kept.run)) ||
                    manager_has_process(manager, run->kept.run))
                        return error_setf(error, ERROR_INVALID_ARGS,
                                          "Process %u is another one's, or there twice", run->kept.run);
        }
        return 0;
}

static void sandbox_restore_run(Sandbox *sandbox, ShimFoundRun *run) {
        Process *process = manager_restore_process(sandbox->manager, sandbox, &run->kept);
        const ShimExited *exited = &run->kept.exited;

        process_restore(process, run->kept.pid, fd_steal(&run->terminal_fd), fd_steal(&run->peer_fd));
        if (run->kept.is_told) {
                process_set_ended(process, exited->reason, exited->status);
                return;
        }
        g_hash_table_insert(sandbox->processes, GUINT_TO_POINTER(run->kept.run), process);
        if (run->kept.has_ended)
                g_array_append_val(sandbox->untold, *exited);
}

/* Takes what is in @record. */
static void sandbox_take_record(Sandbox *sandbox, SandboxRecord *record) {
        /* A name on a bus that is gone may be somebody else's on the next one. */
        if (g_strcmp0(record->realm, manager_get_realm(sandbox->manager)) == 0)
                sandbox->client = g_steal_pointer(&record->client);
        sandbox->bind_to_caller = record->bind_to_caller;
        sandbox->created_usec = record->created_usec;
        sandbox->created_monotonic_usec = record->created_monotonic_usec;
        sandbox->labels = g_steal_pointer(&record->labels);
        g_array_unref(sandbox->timings);
        sandbox->timings = g_steal_pointer(&record->timings);
        sandbox->capabilities = g_steal_pointer(&record->capabilities);
        sandbox->mounts = g_steal_pointer(&record->mounts);
        sandbox->last_mount = record->last_mount;
        sandbox->has_lease = sandbox->lease_is_sent = record->has_lease;
        sandbox->lease = record->lease;
}

int sandbox_new_adopted(Manager *manager, ShimClient *client, ShimFound *found, Sandbox **ret, Error *error) {
        g_auto(SandboxRecord) record = { 0 };
        ShimAccount *account = found->account;
        Sandbox *sandbox;
        int r;

        r = sandbox_record_unpack(account->record, manager_get_store(manager), &record, error);
        if (r >= 0)
                r = runs_check(manager, found->runs, error);
        if (r >= 0 && record.has_lease)
                r = lease_pool_reserve(manager_get_leases(manager), &record.lease, error);
        if (r < 0)
                return r;
        sandbox = sandbox_alloc(manager, g_steal_pointer(&account->spec));
        sandbox->shim = client;
        sandbox->is_adopted = sandbox->is_kept = true;
        sandbox->state = phase_states[account->phase];
        sandbox->leader = account->leader;
        sandbox->ends_with = account->ends_with;
        sandbox->plan = g_steal_pointer(&found->plan);
        sandbox_take_record(sandbox, &record);
        for (guint i = 0; i < found->runs->len; i++)
                sandbox_restore_run(sandbox, found->runs->pdata[i]);
        shim_client_set_events(client, &sandbox_shim_events, sandbox);
        if (sandbox->state == SANDBOX_STOPPING)
                shim_client_set_stopping(client, sandbox->spec->stop_timeout_usec);
        *ret = sandbox;
        return 0;
}

Sandbox *sandbox_new_strange(Manager *manager, ShimClient *client, const ShimIdentity *identity,
                             const char *reason) {
        Spec *spec = spec_new();
        Sandbox *sandbox;

        spec->name = g_strdup(identity->name);
        spec->owner = identity->owner;
        spec->id_base = identity->id_base;
        spec->template_name = g_strdup("");
        sandbox = sandbox_alloc(manager, spec);
        sandbox->shim = client;
        sandbox->is_adopted = sandbox->is_kept = sandbox->is_strange = true;
        sandbox->state = SANDBOX_FAILED;
        sandbox->state_reason = g_strdup(reason);
        sandbox->labels = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
        sandbox->capabilities = g_ptr_array_new_with_free_func((GDestroyNotify) capability_unref);
        sandbox->mounts = g_ptr_array_new_with_free_func((GDestroyNotify) mount_unref);
        sandbox->plan = plan_new();
        shim_client_set_events(client, &sandbox_shim_events, sandbox);
        return sandbox;
}

void sandbox_tell_untold(Sandbox *sandbox) {
        g_autoptr(GArray) untold = g_steal_pointer(&sandbox->untold);
        const Process *last = g_hash_table_lookup(sandbox->processes, GUINT_TO_POINTER(sandbox->ends_with));

        sandbox->untold = g_array_new(FALSE, FALSE, sizeof(ShimExited));
        for (guint i = 0; i < untold->len; i++)
                sandbox_tell_exit(sandbox, &g_array_index(untold, ShimExited, i));
        if (sandbox->is_strange || sandbox->state == SANDBOX_STOPPING)
                return;
        /* Told by the service before, which did not get to stop it; or its caller was on a bus that is gone.
         */
        if ((sandbox->ends_with != 0 && !last) || (sandbox->bind_to_caller && !sandbox->client))
                sandbox_stop(sandbox, 0, NULL, NULL);
}
