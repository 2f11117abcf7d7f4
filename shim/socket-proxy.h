/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * SocketProxy: the sandbox's socket of one server of its owner's session
 *
 * The shim holds the listening socket, and starts bulkhead-socket-proxy when the first client connects: an app
 * that never makes a sound costs no process. A proxy that ended is started again by the next client; whether the
 * server is there is found out client by client.
 */
#include "plan/plan.h"
#include "plan/spec.h"
#include "shim/report.h"
#include "util/error.h"
#include "util/loop.h"

typedef struct SocketProxy SocketProxy;

typedef struct SocketProxySetup {
        Loop *loop;
        ShimReport *report;
        const Spec *spec;
        const char *helper_folder;
        const char *folder;      /* of the shim's, where the socket is made */
        const char *instance_id; /* unique on the host */
} SocketProxySetup;

/* Listens. What @setup points to must live as long as the proxy. */
int socket_proxy_new(const SocketProxySetup *setup, PlanSocket server, PlanSocketFlags flags, SocketProxy **ret,
                     Error *error);
/* Cuts every connection, ends the process, removes the socket. */
void socket_proxy_free(SocketProxy *proxy);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SocketProxy, socket_proxy_free)

const char *socket_proxy_get_path(const SocketProxy *proxy); /* of the socket, on the host */
PlanSocketFlags socket_proxy_get_flags(const SocketProxy *proxy);

/* Holds from the next thing that a client asks; who uses what is not allowed any more is cut. */
void socket_proxy_set_flags(SocketProxy *proxy, PlanSocketFlags flags);
