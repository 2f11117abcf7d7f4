/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gateways/gateway.h"

int gateway_config_parse(const GatewayOps *ops, const JsonCursor *row, const PlanOrigin *origin,
                         GatewayConfig **ret) {
        g_autoptr(GatewayConfig) config = g_malloc0(ops->config_size);
        int r;

        config->ops = ops;
        config->origin = plan_origin_copy(origin);
        r = ops->parse_row(row, config);
        if (r < 0) {
                *ret = NULL;
                return r;
        }
        *ret = g_steal_pointer(&config);
        return 0;
}

void gateway_config_free(GatewayConfig *config) {
        if (!config)
                return;
        if (config->ops->done)
                config->ops->done(config);
        plan_origin_free(config->origin);
        g_free(config);
}
