/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The network of a sandbox, as far as the service has to do with it: its lease
 *
 * One is taken with the first plan that has a link, and held until nothing of the sandbox is left: a link that was
 * taken away and is granted again is the same link.
 */
#include "service/lease-pool.h"
#include "service/manager-private.h"
#include "service/sandbox-private.h"
#include "util/log.h"

static const PlanItem *plan_find_link(const Plan *plan) {
        for (guint i = 0; i < plan_get_size(plan); i++)
                if (plan_get_item(plan, i)->kind == PLAN_LINK)
                        return plan_get_item(plan, i);
        return NULL;
}

int sandbox_take_lease(Sandbox *sandbox, const Plan *plan, Error *error) {
        const PlanItem *link = plan_find_link(plan);
        const Spec *spec = sandbox->spec;
        int r;

        if (!link || sandbox->has_lease)
                return 0;
        if (spec->network != SPEC_NETWORK_VETH) {
                r = error_setf(error, ERROR_UNSUPPORTED,
                               "Template '%s' has Network=%s, and only a sandbox with Network=veth can have a link",
                               spec->template_name, spec_network_to_string(spec->network));
                return plan_item_blame(link, r, error);
        }
        r = lease_pool_take(manager_get_leases(sandbox->manager), &sandbox->lease, error);
        if (r < 0)
                return r;
        sandbox->has_lease = true;
        return 0;
}

static void on_leased(void *userdata G_GNUC_UNUSED, const Error *error) {
        /* The plan that needs it is refused then, with the reason for people. */
        if (error)
                log_failure(LOG_WARNING, error, "A sandbox does not take its lease");
}

void sandbox_send_lease(Sandbox *sandbox) {
        if (!sandbox->has_lease || sandbox->lease_is_sent)
                return;
        sandbox->lease_is_sent = true;
        shim_client_set_lease(sandbox->shim, &sandbox->lease, on_leased, NULL);
}

void sandbox_give_back_lease(Sandbox *sandbox) {
        if (!sandbox->has_lease)
                return;
        sandbox->has_lease = false;
        lease_pool_give_back(manager_get_leases(sandbox->manager), sandbox->lease.number);
}
