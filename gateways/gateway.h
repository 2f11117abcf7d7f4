/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Gateway: one kind of opening in the wall
 *
 * The contract that every gateway fills in, in one .c file with one `const GatewayOps`. Both functions are
 * pure: they read JSON and write a plan, and touch nothing. There is no third slot: gateways do not act, the
 * shim does. Adding a gateway is that file, one row in registry.c, one test, one section in docs.
 */
#include "plan/plan.h"
#include "util/error.h"
#include "util/json.h"

/* One row ("config" element) of one gateway in one capability, parsed. A gateway embeds it as first member. */
typedef struct GatewayConfig {
        const struct GatewayOps *ops; /* static */
        PlanOrigin *origin;           /* owned; set by who calls parse */
} GatewayConfig;

typedef struct GatewayOps {
        const char *id; /* key in manifests: "file" */
        size_t config_size; /* of the struct that starts with GatewayConfig; it comes zeroed */

        /* Reads one row into @config. Adds every finding to the cursor's findings (util/json.h) and returns
         * negative if there was an error among them. Unknown keys are errors. */
        int (*parse_row)(const JsonCursor *row, GatewayConfig *config);

        /* Says what must hold. Fails only for conflicts and limits of the plan. */
        int (*plan)(const GatewayConfig *config, Plan *plan, Error *error);

        /* Frees what parse_row put in, not @config itself; NULL = nothing to free. */
        void (*done)(GatewayConfig *config);
} GatewayOps;

/* Parses one row; *ret is NULL after a failure. @origin is copied. */
int gateway_config_parse(const GatewayOps *ops, const JsonCursor *row, const PlanOrigin *origin,
                         GatewayConfig **ret);
void gateway_config_free(GatewayConfig *config);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(GatewayConfig, gateway_config_free)

/* registry.c: all gateways in the order in which they are planned (env last, so that a manifest's own variables
 * win over those that other gateways set). */
const GatewayOps *gateway_find(const char *id);  /* or NULL */
const GatewayOps *gateway_get(size_t i);         /* NULL past the last one */
const char *const *gateway_get_ids(void);        /* NULL-terminated */
