/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The one list of gateways, in the order in which they are planned
 */
#include <string.h>

#include "gateways/gateway.h"

extern const GatewayOps gateway_cgroups_ops, gateway_dbus_ops, gateway_devicenode_ops, gateway_env_ops,
        gateway_file_ops, gateway_network_ops, gateway_pulseaudio_ops, gateway_wayland_ops;

static const GatewayOps *const gateways[] = {
        &gateway_file_ops,
        &gateway_network_ops,
        &gateway_pulseaudio_ops,
        &gateway_devicenode_ops,
        &gateway_dbus_ops,
        &gateway_cgroups_ops,
        &gateway_wayland_ops,
        &gateway_env_ops, /* last: a manifest's own variables win over those that other gateways set */
};

const GatewayOps *gateway_find(const char *id) {
        for (size_t i = 0; i < G_N_ELEMENTS(gateways); i++)
                if (strcmp(gateways[i]->id, id) == 0)
                        return gateways[i];
        return NULL;
}

const GatewayOps *gateway_get(size_t i) {
        return i < G_N_ELEMENTS(gateways) ? gateways[i] : NULL;
}

const char *const *gateway_get_ids(void) {
        static const char *ids[G_N_ELEMENTS(gateways) + 1];

        for (size_t i = 0; i < G_N_ELEMENTS(gateways); i++)
                ids[i] = gateways[i]->id;
        return ids;
}
