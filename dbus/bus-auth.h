/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Who calls: users and groups as the bus vouches for them
 *
 * The bus is asked once per connection, without waiting: calls of a connection whose user is not known yet
 * are put aside and dispatched afterwards, in their order. What is known is forgotten when the connection
 * leaves the bus. /proc is never asked: a pid may be somebody else's by then.
 */
#include <glib.h>
#include <stdbool.h>
#include <systemd/sd-bus.h>

#include "service/caller.h"
#include "util/error.h"

typedef struct BusAuth BusAuth;
typedef struct BusWatch BusWatch;

/* @bus is not owned. */
int bus_auth_new(sd_bus *bus, BusAuth **ret, Error *error);
void bus_auth_free(BusAuth *auth);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BusAuth, bus_auth_free)

/* The caller of @message, which is being dispatched; not a new reference. ERROR_ACCESS_DENIED if it is not
 * known. */
int bus_auth_get_caller(const BusAuth *auth, sd_bus_message *message, Caller **ret, Error *error);
/* Connection @name (":1.7") called an earlier service: asks the bus who it is, as if it had called us. If it
 * has left, its watches are told so later. */
void bus_auth_learn(BusAuth *auth, const char *name);
/* Whether connection @name is on the bus, as far as is known. */
bool bus_auth_is_there(const BusAuth *auth, const char *name);

/* Calls @left once when connection @name leaves the bus; the watch is gone then. NULL if it has left already.
 */
BusWatch *bus_auth_watch(BusAuth *auth, const char *name, void (*left)(void *userdata), void *userdata);
void bus_watch_free(BusWatch *watch); /* NULL is fine; not after @left */
