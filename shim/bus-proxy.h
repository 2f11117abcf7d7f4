/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * BusProxy: the sandbox's socket of one bus
 *
 * The shim holds the listening socket, and starts bulkhead-dbus-proxy when the first client connects. A proxy that
 * ended, or was killed, is started again by the next client; a bus that is down is found out client by client.
 */
#include "plan/bus-proxy-message.h"
#include "plan/spec.h"
#include "shim/report.h"
#include "util/error.h"
#include "util/loop.h"

typedef struct BusProxy BusProxy;

typedef struct BusProxySetup {
        Loop *loop;
        ShimReport *report;
        const Spec *spec;
        const char *helper_folder;
        const char *folder; /* of the shim's, where the socket is made */
} BusProxySetup;

/* Listens; nothing passes before there are rules. What @setup points to must live as long as the proxy. */
int bus_proxy_new(const BusProxySetup *setup, PlanBus bus, BusProxy **ret, Error *error);
/* Cuts every connection, ends the process, removes the socket. */
void bus_proxy_free(BusProxy *proxy);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BusProxy, bus_proxy_free)

const char *bus_proxy_get_path(const BusProxy *proxy); /* of the socket, on the host */

/* In force for the next message. Of BusProxyRule; the array stays the caller's. */
void bus_proxy_set_rules(BusProxy *proxy, const GPtrArray *rules);
