/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "shim/environment.h"

#include <string.h>

static void add_entries(GTree *variables, char *const *entries) {
        for (size_t i = 0; entries && entries[i]; i++) {
                const char *equals = strchr(entries[i], '=');

                if (equals && equals != entries[i])
                        g_tree_replace(variables, g_strndup(entries[i], (gsize) (equals - entries[i])),
                                       g_strdup(equals + 1));
        }
}

static gboolean append_entry(gpointer name, gpointer value, gpointer userdata) {
        GPtrArray *entries = userdata;

        g_ptr_array_add(entries, g_strdup_printf("%s=%s", (const char *) name, (const char *) value));
        return FALSE;
}

static int compare_names(const void *a, const void *b, void *userdata G_GNUC_UNUSED) {
        return strcmp(a, b);
}

char **environment_compose(const Spec *spec, const Plan *plan, char *const *run) {
        g_autoptr(GTree) variables = g_tree_new_full(compare_names, NULL, g_free, g_free);
        GPtrArray *entries = g_ptr_array_new();

        add_entries(variables, spec->template_environment);
        for (guint i = 0; i < plan_get_size(plan); i++) {
                const PlanItem *item = plan_get_item(plan, i);

                if (item->kind == PLAN_ENV)
                        g_tree_replace(variables, g_strdup(item->key), g_strdup(item->env.value));
        }
        add_entries(variables, spec->environment);
        add_entries(variables, run);
        g_tree_foreach(variables, append_entry, entries);
        g_ptr_array_add(entries, NULL);
        return (char **) g_ptr_array_free(entries, FALSE);
}
