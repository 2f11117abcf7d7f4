/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What a shim tells the proxy of one of its sockets, and what it hears of it
 *
 * One SOCK_SEQPACKET socket, the proxy's descriptor 3. The proxy ends when the shim's end is closed.
 */
#include <stdint.h>

#include "plan/plan.h"
#include "util/error.h"
#include "util/wire.h"

typedef enum SocketProxyMessageType {
        SOCKET_PROXY_CONFIG = 1, /* shim -> proxy: SocketProxyConfig; with the first one comes the listening socket.
                                  * A later one replaces the flags, and cuts who uses what they no longer allow */
        SOCKET_PROXY_DENIED = 2, /* proxy -> shim: SocketProxyDenied */
        SOCKET_PROXY_WAY = 3,    /* proxy -> shim: string: how clients reach the server, for people */
} SocketProxyMessageType;

typedef struct SocketProxyConfig {
        PlanSocket server;
        PlanSocketFlags flags;
        char *upstream;   /* owned; absolute path of the server's socket on the host */
        uint32_t uid, gid; /* who to be there: the owner of the server's folder */
        char *app_id;     /* owned; the sandbox's name, for a compositor that asks for it */
        char *instance_id; /* owned; unique on the host */
} SocketProxyConfig;

typedef struct SocketProxyDenied {
        char *target;   /* owned; what was asked for, "record" */
        char *detail;   /* owned; which permission was missing */
        uint32_t count; /* how often since the last one */
} SocketProxyDenied;

void socket_proxy_config_put(WireWriter *writer, const SocketProxyConfig *config);
/* Refuses unknown servers and flags, paths that are not absolute or longer than a socket's, empty names. */
int socket_proxy_config_get(WireReader *reader, SocketProxyConfig *ret, Error *error);
void socket_proxy_config_done(SocketProxyConfig *config);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(SocketProxyConfig, socket_proxy_config_done)

void socket_proxy_denied_put(WireWriter *writer, const SocketProxyDenied *denied);
/* Refuses texts that are longer than SOCKET_PROXY_TEXT_MAX or not UTF-8. */
int socket_proxy_denied_get(WireReader *reader, SocketProxyDenied *ret, Error *error);
void socket_proxy_denied_done(SocketProxyDenied *denied);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(SocketProxyDenied, socket_proxy_denied_done)
