/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Changes of a live sandbox: capabilities, mounts, freeze and thaw, one at a time and in the order in which
 * they were asked for. What a change wants is worked out when its turn comes, on top of what the ones before
 * achieved.
 */
#include <string.h>

#include "capabilities/capability.h"
#include "capabilities/store.h"
#include "service/manager-private.h"
#include "service/policy.h"
#include "service/report.h"
#include "service/sandbox-private.h"
#include "util/cleanup.h"
#include "util/limits.h"
#include "util/log.h"

struct Change {
        SandboxVerb verb;
        Caller *caller; /* owned reference */
        char **names;   /* owned; NULL for freeze, thaw and mount */
        Mount *mount;   /* owned reference; NULL for all but mount */
        SandboxDone done;
        void *userdata;
        GPtrArray *capabilities; /* owned; those wanted, from its turn on */
        GPtrArray *mounts;       /* owned; the same */
        Plan *plan;              /* owned; what they open */
        GBytes *record;          /* owned; of all that, for the next service */
};

static void change_free(Change *change) {
        caller_unref(change->caller);
        g_strfreev(change->names);
        mount_unref(change->mount);
        g_clear_pointer(&change->mounts, g_ptr_array_unref);
        g_clear_pointer(&change->capabilities, g_ptr_array_unref);
        plan_free(change->plan);
        g_clear_pointer(&change->record, g_bytes_unref);
        g_free(change);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Change, change_free)

static Capability *capabilities_find(const GPtrArray *capabilities, const char *name) {
        for (guint i = 0; i < capabilities->len; i++)
                if (strcmp(capability_get_name(capabilities->pdata[i]), name) == 0)
                        return capabilities->pdata[i];
        return NULL;
}

static GPtrArray *capabilities_new(void) {
        return g_ptr_array_new_with_free_func((GDestroyNotify) capability_unref);
}

/* Those in force, as they were when they were granted, and those of @names that are not among them. */
static int change_resolve_grant(const Sandbox *sandbox, Change *change, Error *error) {
        g_autoptr(GPtrArray) resolved = NULL;
        g_autoptr(GPtrArray) wanted = capabilities_new();
        int r;

        r = store_resolve(manager_get_store(sandbox->manager), change->names, &resolved, error);
        if (r < 0)
                return r;
        for (guint i = 0; i < sandbox->capabilities->len; i++)
                g_ptr_array_add(wanted, capability_ref(sandbox->capabilities->pdata[i]));
        for (guint i = 0; i < resolved->len; i++) {
                const char *name = capability_get_name(resolved->pdata[i]);

                /* Resolving adds the defaults of today; what a sandbox has by default was decided at its
                 * start. */
                if (g_strv_contains((const char *const *) change->names, name) &&
                    !capabilities_find(wanted, name))
                        g_ptr_array_add(wanted, capability_ref(resolved->pdata[i]));
        }
        change->capabilities = g_steal_pointer(&wanted);
        return 0;
}

static int change_resolve_revoke(const Sandbox *sandbox, Change *change, Error *error) {
        g_autoptr(GPtrArray) wanted = capabilities_new();

        for (char **name = change->names; *name; name++) {
                const Capability *capability = capabilities_find(sandbox->capabilities, *name);

                if (!capability)
                        return error_setf(error, ERROR_INVALID_ARGS,
                                          "Sandbox '%s' does not have capability '%.255s'",
                                          sandbox->spec->name, *name);
                if (capability_is_default(capability))
                        return error_setf(error, ERROR_INVALID_ARGS,
                                          "Capability '%s' is a default, which cannot be revoked", *name);
        }
        for (guint i = 0; i < sandbox->capabilities->len; i++) {
                Capability *capability = sandbox->capabilities->pdata[i];

                if (!g_strv_contains((const char *const *) change->names, capability_get_name(capability)))
                        g_ptr_array_add(wanted, capability_ref(capability));
        }
        change->capabilities = g_steal_pointer(&wanted);
        return 0;
}

/* What somebody with more rights granted stays, also when the list is named anew by somebody with less. */
static int change_check_policy(const Sandbox *sandbox, const Change *change, Error *error) {
        g_autoptr(GPtrArray) added = g_ptr_array_new();

        for (guint i = 0; i < change->capabilities->len; i++) {
                Capability *capability = change->capabilities->pdata[i];

                if (!capabilities_find(sandbox->capabilities, capability_get_name(capability)))
                        g_ptr_array_add(added, capability);
        }
        return policy_check_capabilities(manager_get_settings(sandbox->manager), change->caller, added,
                                         error);
}

/* ---- mounts ---- */

static void *mount_copy(gconstpointer mount, gpointer userdata G_GNUC_UNUSED) {
        return mount_ref((Mount *) mount);
}

static int change_resolve_mount(const Sandbox *sandbox, Change *change, Error *error) {
        const Mount *old = mounts_find(sandbox->mounts, change->mount->target);

        if (old)
                return error_setf(error, ERROR_NOT_MOUNTABLE,
                                  "'%s' has been mounted on '%s' by hand already, unmount it first",
                                  old->source, old->target);
        if (sandbox->mounts->len >= SANDBOX_MOUNTS_MAX)
                return error_setf(error, ERROR_LIMIT_REACHED, "Sandbox '%s' has %d mounts by hand",
                                  sandbox->spec->name, SANDBOX_MOUNTS_MAX);
        g_ptr_array_add(change->mounts, mount_ref(change->mount));
        return 0;
}

static int change_resolve_unmount(const Sandbox *sandbox, Change *change, Error *error) {
        const char *target = change->names[0];
        const Mount *mount = mounts_find(change->mounts, target);
        const PlanItem *item = plan_find_item(sandbox->plan, PLAN_BIND, target);
        const PlanOrigin *origin = item ? item->origins->pdata[0] : NULL;

        if (mount) {
                (void) g_ptr_array_remove(change->mounts, (Mount *) mount);
                return 0;
        }
        if (origin)
                return error_setf(error, ERROR_INVALID_ARGS,
                                  "'%s' was mounted by capability '%s', which can be revoked", target,
                                  origin->capability);
        return error_setf(error, ERROR_INVALID_ARGS, "Nothing was mounted on '%s' by hand", target);
}

/* ---- one after the other ---- */

/* What shall be in force after it; starts from what is. */
static int change_resolve(const Sandbox *sandbox, Change *change, Error *error) {
        int r;

        g_clear_pointer(&change->mounts, g_ptr_array_unref);
        change->mounts = g_ptr_array_copy(sandbox->mounts, mount_copy, NULL);
        g_ptr_array_set_free_func(change->mounts, (GDestroyNotify) mount_unref);
        switch (change->verb) {
        case SANDBOX_SET_CAPABILITIES:
                return store_resolve(manager_get_store(sandbox->manager), change->names,
                                     &change->capabilities, error);
        case SANDBOX_GRANT:
                return change_resolve_grant(sandbox, change, error);
        case SANDBOX_REVOKE:
                return change_resolve_revoke(sandbox, change, error);
        case SANDBOX_MOUNT:
                r = change_resolve_mount(sandbox, change, error);
                break;
        case SANDBOX_UNMOUNT:
                r = change_resolve_unmount(sandbox, change, error);
                break;
        case SANDBOX_FREEZE:
        case SANDBOX_THAW:
        default:
                g_assert_not_reached();
        }
        if (r >= 0)
                change->capabilities = g_ptr_array_ref(sandbox->capabilities);
        return r;
}

static int change_prepare(Sandbox *sandbox, Change *change, Error *error) {
        g_autoptr(Plan) plan = NULL;
        int r;

        if (sandbox->state != SANDBOX_FROZEN) {
                r = sandbox_check_state(sandbox, SANDBOX_READY, error);
                if (r < 0)
                        return r;
        }
        if (change->verb == SANDBOX_FREEZE)
                return sandbox_check_state(sandbox, SANDBOX_READY, error);
        if (change->verb == SANDBOX_THAW)
                return sandbox_check_state(sandbox, SANDBOX_FROZEN, error);
        r = change_resolve(sandbox, change, error);
        if (r < 0)
                return r;
        r = change_check_policy(sandbox, change, error);
        if (r < 0)
                return r;
        plan = plan_new();
        r = capabilities_plan(change->capabilities, plan, error);
        if (r >= 0)
                r = mounts_add_to_plan(change->mounts, plan, error);
        if (r >= 0)
                r = sandbox_take_lease(sandbox, plan, error);
        g_clear_pointer(&change->record, g_bytes_unref);
        if (r >= 0)
                r = sandbox_pack_record(sandbox, change->capabilities, change->mounts, &change->record,
                                        error);
        if (r < 0)
                return r;
        change->plan = g_steal_pointer(&plan);
        return 0;
}

static void on_restored(void *userdata G_GNUC_UNUSED, const Error *error) {
        if (error)
                log_failure(LOG_WARNING, error,
                            "A plan that was not answered in time may be in force in part");
}

static void change_take_effect(Sandbox *sandbox, Change *change) {
        if (change->verb == SANDBOX_FREEZE || change->verb == SANDBOX_THAW) {
                SandboxState from = change->verb == SANDBOX_FREEZE ? SANDBOX_READY : SANDBOX_FROZEN;

                if (sandbox->state == from)
                        sandbox_set_state(sandbox, from == SANDBOX_READY ? SANDBOX_FROZEN : SANDBOX_READY,
                                          NULL);
                return;
        }
        if (change->mount) /* the shim has it */
                change->mount->fd = fd_close(change->mount->fd);
        g_ptr_array_unref(sandbox->capabilities);
        sandbox->capabilities = g_steal_pointer(&change->capabilities);
        g_ptr_array_unref(sandbox->mounts);
        sandbox->mounts = g_steal_pointer(&change->mounts);
        plan_free(sandbox->plan);
        sandbox->plan = g_steal_pointer(&change->plan);
        if (change->verb != SANDBOX_MOUNT && change->verb != SANDBOX_UNMOUNT)
                manager_tell_changed(sandbox->manager, sandbox, SANDBOX_CHANGED_CAPABILITIES);
}

static void sandbox_continue_changes(Sandbox *sandbox);

static void change_report(const Sandbox *sandbox, const Change *change, const Error *error) {
        const char *gateway = NULL;

        if (change->verb != SANDBOX_GRANT && change->verb != SANDBOX_SET_CAPABILITIES)
                return;
        if (change->capabilities)
                gateway = capabilities_find_gateway(change->capabilities, error->file, error->line);
        if (report_refusal(sandbox->spec->name, change->names, gateway, error))
                denials_add_refusal(sandbox->denials, change->names, gateway, error);
}

static void sandbox_restore_plan(Sandbox *sandbox) {
        shim_client_apply(sandbox->shim, sandbox->plan, &(ShimApply){ .fd = -EBADF }, on_restored, NULL);
        sandbox_keep_record(sandbox);
}

static void on_changed(void *userdata, const Error *error) {
        Sandbox *sandbox = userdata;
        g_autoptr(Change) change = g_queue_pop_head(&sandbox->changes);

        if (error)
                change_report(sandbox, change, error);
        if (!error)
                change_take_effect(sandbox, change);
        else if (error->code == ERROR_TIMEOUT && change->plan && sandbox->state != SANDBOX_FAILED)
                /* The shim may still get to it. What we say is in force shall be, so it is asked for anew. */
                sandbox_restore_plan(sandbox);
        change->done(change->userdata, error);
        sandbox_continue_changes(sandbox);
}

static void change_send(Sandbox *sandbox, const Change *change) {
        ShimApply apply = { .number = change->mount ? change->mount->number : 0,
                            .fd = change->mount ? change->mount->fd : -EBADF,
                            .record = sandbox->is_kept ? change->record : NULL,
                            .ends_with = sandbox->ends_with };

        sandbox_send_lease(sandbox);
        if (change->verb == SANDBOX_FREEZE)
                shim_client_freeze(sandbox->shim, on_changed, sandbox);
        else if (change->verb == SANDBOX_THAW)
                shim_client_thaw(sandbox->shim, on_changed, sandbox);
        else
                shim_client_apply(sandbox->shim, change->plan, &apply, on_changed, sandbox);
}

static void sandbox_continue_changes(Sandbox *sandbox) {
        Change *change;

        while ((change = g_queue_peek_head(&sandbox->changes))) {
                g_auto(Error) error = ERROR_NULL;

                if (change_prepare(sandbox, change, &error) >= 0) {
                        change_send(sandbox, change);
                        return;
                }
                (void) g_queue_pop_head(&sandbox->changes);
                change_report(sandbox, change, &error);
                change->done(change->userdata, &error);
                change_free(change);
        }
}

/* Takes @asked. */
static int sandbox_queue_change(Sandbox *sandbox, Change *asked, Error *error) {
        g_autoptr(Change) change = asked;
        g_auto(Error) failure = ERROR_NULL;
        bool is_first = g_queue_is_empty(&sandbox->changes);
        int r;

        if (g_queue_get_length(&sandbox->changes) >= SHIM_QUEUE_MAX)
                return error_setf(error, ERROR_LIMIT_REACHED, "%d changes of sandbox '%s' are waiting",
                                  SHIM_QUEUE_MAX, sandbox->spec->name);
        r = is_first ? change_prepare(sandbox, change, &failure) : 0;
        if (r < 0) {
                change_report(sandbox, change, &failure);
                return error_move(error, &failure);
        }
        g_queue_push_tail(&sandbox->changes, change);
        if (is_first)
                change_send(sandbox, change);
        (void) g_steal_pointer(&change);
        return 0;
}

int sandbox_change(Sandbox *sandbox, SandboxVerb verb, Caller *caller, char *const *names, SandboxDone done,
                   void *userdata, Error *error) {
        Change *change = g_new0(Change, 1);

        *change = (Change){ .verb = verb,
                            .caller = caller_ref(caller),
                            .names = g_strdupv((char **) names),
                            .done = done,
                            .userdata = userdata };
        return sandbox_queue_change(sandbox, change, error);
}

int sandbox_mount(Sandbox *sandbox, Caller *caller, Mount *mount, SandboxDone done, void *userdata,
                  Error *error) {
        Change *change;
        int r;

        r = mount_authorize(mount, manager_get_settings(sandbox->manager), caller, error);
        if (r < 0)
                return r;
        change = g_new0(Change, 1);
        *change = (Change){ .verb = SANDBOX_MOUNT,
                            .caller = caller_ref(caller),
                            .mount = mount_ref(mount),
                            .done = done,
                            .userdata = userdata };
        return sandbox_queue_change(sandbox, change, error);
}

void sandbox_fail_changes(Sandbox *sandbox) {
        g_auto(Error) error = ERROR_NULL;

        (void) error_setf(&error, ERROR_BAD_STATE, "Sandbox '%s' is %s", sandbox->spec->name,
                          sandbox_state_to_string(sandbox->state));
        while (g_queue_get_length(&sandbox->changes) > 1) {
                g_autoptr(Change) change = g_queue_pop_tail(&sandbox->changes);

                change->done(change->userdata, &error);
        }
}

bool sandbox_is_freezing(const Sandbox *sandbox) {
        const Change *first = g_queue_peek_head((GQueue *) &sandbox->changes);

        return first && (first->verb == SANDBOX_FREEZE || first->verb == SANDBOX_THAW);
}
