/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Steps from the plan in force to the plan wanted
 *
 * Removals come first, deepest target first; then what is new or changed, shallowest first. A bind whose target
 * lies below the target of a step is taken off before and put back after, since a mount covers what is mounted
 * below its target.
 */
#include "plan/plan.h"

typedef enum PlanStepVerb {
        PLAN_STEP_REMOVE,
        PLAN_STEP_ADD,
        PLAN_STEP_REPLACE, /* same kind and key, other content */
        _PLAN_STEP_VERB_MAX,
} PlanStepVerb;

typedef struct PlanStep {
        PlanStepVerb verb;
        const PlanItem *from; /* not owned, in the plan in force; NULL for ADD */
        const PlanItem *to;   /* not owned, in the plan wanted; NULL for REMOVE */
} PlanStep;

/* Both plans must outlive the steps. Empty if they are equal in effect. Free with g_array_unref(). */
GArray *plan_diff(const Plan *from, const Plan *to);
