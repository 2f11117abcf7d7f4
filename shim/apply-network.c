/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Rules and the link of a live sandbox
 *
 * Rules are not carried out one by one: the first step of a change commits all that the wanted plan has, and what
 * fails later takes all of it back at once (apply.c). Since links come after rules when things are added, no link
 * is ever up without the rules that belong to it.
 */
#include "shim/apply-private.h"
#include "shim/network.h"
#include "util/log.h"

static int apply_rule(Applier *applier, Step *step G_GNUC_UNUSED, Error *error) {
        return network_commit(applier->network, applier->wanted, error);
}

const ApplyOps apply_rule_ops = {
        .place = APPLY_OUTSIDE, /* network_commit() enters the namespace, once for all */
        .apply = apply_rule,
};

static int prepare_link(Applier *applier, Step *step, Error *error) {
        const Spec *spec = applier->spec;

        if (!step->plan.to)
                return 0;
        if (spec->network != SPEC_NETWORK_VETH)
                return error_setf(error, ERROR_UNSUPPORTED,
                                  "Template '%s' has Network=%s, and only a sandbox with Network=veth can have a link",
                                  spec->template_name, spec_network_to_string(spec->network));
        if (!network_get_lease(applier->network))
                return error_setf(error, ERROR_BAD_STATE, "The sandbox has no address to make a link with");
        return 0;
}

static int apply_link(Applier *applier, Step *step, Error *error) {
        int r;

        r = network_commit(applier->network, applier->wanted, error);
        if (r >= 0 && step->plan.verb == PLAN_STEP_ADD)
                r = network_raise(applier->network, step->plan.to->key, error);
        else if (r >= 0 && step->plan.verb == PLAN_STEP_REMOVE)
                r = network_lower(applier->network, error);
        return r;
}

/* What was lowered comes up behind the rules of the plan that failed, until apply.c takes these back. */
static void undo_link(Applier *applier, Step *step) {
        g_auto(Error) error = ERROR_NULL;
        int r = 0;

        if (step->plan.verb == PLAN_STEP_ADD)
                r = network_lower(applier->network, &error);
        else if (step->plan.verb == PLAN_STEP_REMOVE)
                r = network_raise(applier->network, step->plan.from->key, &error);
        if (r >= 0)
                return;
        log_failure(LOG_ERR, &error, "Cannot put back the link from before: the sandbox is ended");
        container_kill(applier->container);
}

const ApplyOps apply_link_ops = {
        .place = APPLY_OUTSIDE,
        .prepare = prepare_link,
        .apply = apply_link,
        .undo = undo_link,
};
