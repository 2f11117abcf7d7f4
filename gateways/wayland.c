/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Wayland gateway
 *
 * "enabled": true shows the compositor of the sandbox's owner: its socket is in XDG_RUNTIME_DIR, under the
 * name in WAYLAND_DISPLAY; a manifest's own variables of these names win. False asks for nothing. Where rows
 * disagree, true wins. Graphics devices are not part of it: "devicenode" gives them.
 */
#include "gateways/gateway.h"
#include "plan/inside.h"

extern const GatewayOps gateway_wayland_ops;

typedef struct WaylandConfig {
        GatewayConfig config;
        bool is_enabled;
} WaylandConfig;

static int read_enabled(const JsonCursor *at, void *userdata) {
        WaylandConfig *wayland = userdata;

        return json_read_bool(at, &wayland->is_enabled);
}

static const JsonField wayland_fields[] = {
        { "enabled", read_enabled, JSON_FIELD_REQUIRED },
        {},
};

static int wayland_parse_row(const JsonCursor *row, GatewayConfig *config) {
        return json_read_object(row, wayland_fields, JSON_UNKNOWN_ERROR, config);
}

static int wayland_plan(const GatewayConfig *config, Plan *plan, Error *error) {
        const WaylandConfig *wayland = (const WaylandConfig *) config;
        const PlanOrigin *origin = config->origin;
        int r;

        if (!wayland->is_enabled)
                return 0;
        r = plan_add_socket(plan, origin, PLAN_SOCKET_WAYLAND, 0, error);
        if (r >= 0)
                r = plan_add_env(plan, origin, "XDG_RUNTIME_DIR", INSIDE_DIR, PLAN_ENV_DEFAULT, NULL, error);
        if (r >= 0)
                r = plan_add_env(plan, origin, "WAYLAND_DISPLAY", INSIDE_WAYLAND_NAME, PLAN_ENV_DEFAULT, NULL,
                                 error);
        return r;
}

const GatewayOps gateway_wayland_ops = {
        .id = "wayland",
        .config_size = sizeof(WaylandConfig),
        .parse_row = wayland_parse_row,
        .plan = wayland_plan,
};
