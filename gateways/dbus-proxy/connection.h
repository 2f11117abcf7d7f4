/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * One client, and the connection to the bus that the proxy has for it
 *
 * Each client has its own, so that it has its own unique name, names and match rules, which end with it.
 * Bodies pass as they come and are not gathered. While one end does not read, nothing more is read from the
 * other.
 */
#include <sys/types.h>

#include "gateways/dbus-proxy/bus-address.h"
#include "gateways/dbus-proxy/filter.h"
#include "gateways/dbus-proxy/tracker.h"
#include "util/error.h"
#include "util/loop.h"

typedef struct Connection Connection;

/* Called once, when there is nothing more to do for it; the connection is to be freed then. */
typedef void (*ConnectionEnded)(void *userdata, Connection *connection);

/* What all connections share; the proxy's. */
typedef struct ConnectionContext {
        Loop *loop;                /* not owned */
        const BusAddress *address; /* not owned */
        uid_t uid;                 /* whom the bus sees */
        const FilterContext *filter;
        Tracker *tracker; /* not owned; NULL = rules do not need names */
        ConnectionEnded ended;
        void *userdata;
} ConnectionContext;

/* Takes @client_fd, also on failure: when the bus cannot be reached. */
int connection_new(const ConnectionContext *context, int client_fd, Connection **ret, Error *error);
void connection_free(Connection *connection);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Connection, connection_free)

/* Names, or rules, are others now: judges what was held. It may end the connection. */
void connection_resume(Connection *connection);
