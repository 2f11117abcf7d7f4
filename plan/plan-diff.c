/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/plan-diff.h"

#include <string.h>

/* The targets of all binds that differ between the two plans; the keys are the items'. */
static GHashTable *collect_stepped(const Plan *from, const Plan *to) {
        GHashTable *stepped = g_hash_table_new(g_str_hash, g_str_equal);

        for (guint i = 0; i < plan_get_size(from); i++) {
                const PlanItem *old = plan_get_item(from, i);
                const PlanItem *new = plan_find_item(to, old->kind, old->key);

                if (old->kind == PLAN_BIND && (!new || !plan_item_is_equal(old, new)))
                        g_hash_table_add(stepped, old->key);
        }
        for (guint i = 0; i < plan_get_size(to); i++) {
                const PlanItem *new = plan_get_item(to, i);

                if (new->kind == PLAN_BIND && !plan_find_item(from, PLAN_BIND, new->key))
                        g_hash_table_add(stepped, new->key);
        }
        return stepped;
}

/*
 * True for a bind with a stepped target above its own: it cannot stay while that one is mounted or unmounted.
 * Looking for the binds that differ is enough. One that is moved only for their sake lies below one of them,
 * and so does everything below it.
 */
static bool item_is_covered(const PlanItem *item, GHashTable *stepped) {
        g_autofree char *above = NULL;
        char *slash;

        if (item->kind != PLAN_BIND)
                return false;
        above = g_strdup(item->key);
        while ((slash = strrchr(above, '/')) && slash > above) {
                *slash = '\0';
                if (g_hash_table_contains(stepped, above))
                        return true;
        }
        return false;
}

static void steps_add(GArray *steps, PlanStepVerb verb, const PlanItem *from, const PlanItem *to) {
        PlanStep step = { .verb = verb, .from = from, .to = to };

        g_array_append_val(steps, step);
}

GArray *plan_diff(const Plan *from, const Plan *to) {
        g_autoptr(GHashTable) stepped = collect_stepped(from, to);
        GArray *steps = g_array_new(FALSE, FALSE, sizeof(PlanStep));

        for (guint i = plan_get_size(from); i > 0; i--) {
                const PlanItem *old = plan_get_item(from, i - 1);

                if (!plan_find_item(to, old->kind, old->key) || item_is_covered(old, stepped))
                        steps_add(steps, PLAN_STEP_REMOVE, old, NULL);
        }
        for (guint i = 0; i < plan_get_size(to); i++) {
                const PlanItem *new = plan_get_item(to, i);
                const PlanItem *old = plan_find_item(from, new->kind, new->key);

                if (!old || item_is_covered(new, stepped))
                        steps_add(steps, PLAN_STEP_ADD, NULL, new);
                else if (!plan_item_is_equal(old, new))
                        steps_add(steps, PLAN_STEP_REPLACE, old, new);
        }
        return steps;
}
