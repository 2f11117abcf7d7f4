/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "capabilities/capability.h"

#include <string.h>

#include "capabilities/capability-private.h"
#include "util/limits.h"

struct Capability {
        gatomicrefcount n_refs;
        char *name;        /* owned */
        char *description; /* owned */
        const char *risk;  /* static */
        bool is_default;
        GPtrArray *files;    /* owned char *, ends with NULL */
        GPtrArray *gateways; /* static const char *, ends with NULL */
        GPtrArray *configs;  /* owned GatewayConfig *, in file-name order and the order of the text */
        Plan *plan;          /* owned; what it opens by itself, once somebody asked */
        bool is_kept;        /* that is all there is: no configs */
};

/* From the least to the most. */
static const char *const risks[] = { "", "low", "medium", "high" };

static size_t risk_get_rank(const char *risk) {
        for (size_t i = 0; i < G_N_ELEMENTS(risks); i++)
                if (strcmp(risks[i], risk) == 0)
                        return i;
        return G_N_ELEMENTS(risks) - 1; /* what is not known is the worst */
}

bool capability_name_is_valid(const char *name) {
        size_t size = strlen(name);

        if (size == 0 || size > CAPABILITY_NAME_MAX || !g_ascii_isalnum(name[0]))
                return false;
        for (const char *p = name; *p; p++)
                if (!g_ascii_isalnum(*p) && !strchr("._-", *p))
                        return false;
        return true;
}

Capability *capability_new(const char *name, bool is_default) {
        Capability *capability = g_new0(Capability, 1);

        g_assert(capability_name_is_valid(name));
        g_atomic_ref_count_init(&capability->n_refs);
        capability->name = g_strdup(name);
        capability->description = g_strdup("");
        capability->risk = risks[0];
        capability->is_default = is_default;
        capability->files = g_ptr_array_new_with_free_func(g_free);
        g_ptr_array_add(capability->files, NULL);
        capability->gateways = g_ptr_array_new();
        g_ptr_array_add(capability->gateways, NULL);
        capability->configs = g_ptr_array_new_with_free_func((GDestroyNotify) gateway_config_free);
        return capability;
}

Capability *capability_new_kept(const char *name, bool is_default, Plan *plan) {
        Capability *capability = capability_new(name, is_default);

        capability->plan = plan;
        capability->is_kept = true;
        return capability;
}

Capability *capability_ref(Capability *capability) {
        g_atomic_ref_count_inc(&capability->n_refs);
        return capability;
}

void capability_unref(Capability *capability) {
        if (!capability || !g_atomic_ref_count_dec(&capability->n_refs))
                return;
        plan_free(capability->plan);
        g_ptr_array_unref(capability->configs);
        g_ptr_array_unref(capability->gateways);
        g_ptr_array_unref(capability->files);
        g_free(capability->description);
        g_free(capability->name);
        g_free(capability);
}

static bool capability_uses(const Capability *capability, const GatewayOps *ops) {
        for (guint i = 0; i < capability->configs->len; i++) {
                const GatewayConfig *config = g_ptr_array_index(capability->configs, i);

                if (config->ops == ops)
                        return true;
        }
        return false;
}

void capability_add_definition(Capability *capability, const char *file, ManifestCapability *definition) {
        const GatewayOps *ops;

        g_clear_pointer(&capability->plan, plan_free);
        g_ptr_array_insert(capability->files, (int) capability->files->len - 1, g_strdup(file));
        if (!capability->description[0]) {
                g_free(capability->description);
                capability->description = g_strdup(definition->description);
        }
        capability->risk = risks[MAX(risk_get_rank(capability->risk), risk_get_rank(definition->risk))];

        for (guint i = 0; i < definition->configs->len; i++)
                g_ptr_array_add(capability->configs, g_steal_pointer(&definition->configs->pdata[i]));
        g_ptr_array_set_size(definition->configs, 0);

        g_ptr_array_set_size(capability->gateways, 0);
        for (size_t i = 0; (ops = gateway_get(i)); i++)
                if (capability_uses(capability, ops))
                        g_ptr_array_add(capability->gateways, (char *) ops->id);
        g_ptr_array_add(capability->gateways, NULL);
}

const char *capability_get_name(const Capability *capability) {
        return capability->name;
}

const char *capability_get_description(const Capability *capability) {
        return capability->description;
}

const char *capability_get_risk(const Capability *capability) {
        return capability->risk;
}

bool capability_is_default(const Capability *capability) {
        return capability->is_default;
}

char *const *capability_get_files(const Capability *capability) {
        return (char *const *) capability->files->pdata;
}

char *const *capability_get_gateways(const Capability *capability) {
        return (char *const *) capability->gateways->pdata;
}

const char *capabilities_find_gateway(const GPtrArray *capabilities, const char *file, unsigned line) {
        for (guint i = 0; file && i < capabilities->len; i++) {
                const Capability *capability = capabilities->pdata[i];

                for (guint j = 0; j < capability->configs->len; j++) {
                        const GatewayConfig *config = capability->configs->pdata[j];

                        if (config->origin->line == line && g_strcmp0(config->origin->file, file) == 0)
                                return config->ops->id;
                }
        }
        return NULL;
}

static int capability_plan_gateway(const Capability *capability, const GatewayOps *ops, Plan *plan,
                                   Error *error) {
        for (guint i = 0; i < capability->configs->len; i++) {
                const GatewayConfig *config = g_ptr_array_index(capability->configs, i);
                const PlanOrigin *origin = config->origin;
                g_auto(Error) reason = ERROR_NULL;

                if (config->ops != ops || ops->plan(config, plan, &reason) >= 0)
                        continue;
                /* The row that could not be added is the one to look at, unless the plan knew better. */
                if (!reason.file)
                        (void) error_set_place(&reason, error_get_errno(&reason), origin->file, origin->line,
                                               origin->column, NULL);
                return error_move(error, &reason);
        }
        return 0;
}

int capability_get_plan(Capability *capability, const Plan **ret, Error *error) {
        g_autoptr(Plan) plan = NULL;
        const GatewayOps *ops;
        int r;

        if (!capability->plan) {
                plan = plan_new();
                for (size_t i = 0; (ops = gateway_get(i)); i++) {
                        r = capability_plan_gateway(capability, ops, plan, error);
                        if (r < 0)
                                return r;
                }
                capability->plan = g_steal_pointer(&plan);
        }
        *ret = capability->plan;
        return 0;
}

int capabilities_plan(const GPtrArray *capabilities, Plan *plan, Error *error) {
        const GatewayOps *ops;
        int r;

        for (guint i = 0; i < capabilities->len; i++) {
                const Capability *capability = g_ptr_array_index(capabilities, i);

                r = capability->is_kept ? plan_merge(plan, capability->plan, error) : 0;
                if (r < 0)
                        return r;
        }
        for (size_t i = 0; (ops = gateway_get(i)); i++)
                for (guint j = 0; j < capabilities->len; j++) {
                        r = capability_plan_gateway(g_ptr_array_index(capabilities, j), ops, plan, error);
                        if (r < 0)
                                return r;
                }
        return 0;
}
