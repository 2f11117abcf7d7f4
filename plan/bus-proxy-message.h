/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What a shim and its bus proxies say to each other
 *
 * A proxy is told once who it is, with the socket that it listens on, and then its rules, whole, as often as
 * they change: a new set is in force from the next message on. It tells what it refused. Nobody answers.
 */
#include <glib.h>
#include <stdbool.h>

#include "plan/plan.h"
#include "util/error.h"
#include "util/wire.h"

/* Where a proxy finds its socket to the shim. */
#define BUS_PROXY_FD_SHIM 3

typedef enum BusProxyMessageType {
        /* shim -> proxy */
        BUS_PROXY_START = 1, /* BusProxyStart, the listening socket */
        BUS_PROXY_RULES = 2, /* BusProxyRule, many */
        /* proxy -> shim */
        BUS_PROXY_DENIED = 32, /* BusProxyDenied */
        BUS_PROXY_WARNING =
                33, /* string: what somebody should look at, the bus that cannot be reached first of all */
} BusProxyMessageType;

typedef struct BusProxyStart {
        char *bus;         /* owned; "session" or "system", for messages */
        char *address;     /* owned; of the bus (D-Bus Specification, "Server Addresses") */
        uint32_t uid, gid; /* whom the bus sees; never 0 */
} BusProxyStart;

typedef struct BusProxyRule {
        PlanBusVerb verb;
        char *name;       /* owned */
        PlanBusFlow flow; /* this and what follows: of TALK only */
        char *interface;  /* owned */
        char *path;       /* owned */
        char **members;   /* owned */
} BusProxyRule;

/* Something that was not let through. Strings are owned, "" = it has none. */
typedef struct BusProxyDenied {
        uint32_t count;   /* how often since it was told last */
        uint32_t pid;     /* host pid of who connected; 0 = unknown */
        bool is_incoming; /* to the sandbox */
        char *name;       /* of the other side */
        char *interface, *member, *path;
        char *detail; /* why: the rule that would have allowed it, or what is never allowed */
} BusProxyDenied;

void bus_proxy_start_put(WireWriter *writer, const BusProxyStart *start);
int bus_proxy_start_get(WireReader *reader, BusProxyStart *ret, Error *error);
void bus_proxy_start_done(BusProxyStart *start);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(BusProxyStart, bus_proxy_start_done)

GPtrArray *bus_proxy_rules_new(void);
void bus_proxy_rules_put(WireWriter *writer, const GPtrArray *rules);
/* *ret is an array of BusProxyRule, which frees its elements. Patterns are not checked: those of a plan were.
 */
int bus_proxy_rules_get(WireReader *reader, GPtrArray **ret, Error *error);

void bus_proxy_denied_put(WireWriter *writer, const BusProxyDenied *denied);
int bus_proxy_denied_get(WireReader *reader, BusProxyDenied *ret, Error *error);
void bus_proxy_denied_done(BusProxyDenied *denied);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(BusProxyDenied, bus_proxy_denied_done)
