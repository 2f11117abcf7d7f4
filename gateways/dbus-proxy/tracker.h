/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Follows who owns which name, on a connection of its own
 *
 * Messages carry unique names. What the tracker knows may be older than a message that came on another
 * connection: who refuses because of it asks for a sync first, whose answer the bus gives after everything
 * that it did before.
 */
#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>

#include "gateways/dbus-proxy/bus-address.h"
#include "gateways/dbus-proxy/name-map.h"
#include "util/error.h"
#include "util/loop.h"

typedef struct Tracker Tracker;

/* Called when syncs were answered; @is_broken: the bus is gone, and the tracker knows nothing any more. */
typedef void (*TrackerChanged)(void *userdata, bool is_broken);

int tracker_new(Loop *loop, const BusAddress *address, uid_t uid, TrackerChanged changed, void *userdata,
                Tracker **ret, Error *error);
void tracker_free(Tracker *tracker);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Tracker, tracker_free)

NameMap *tracker_get_names(Tracker *tracker);

/* The number that tracker_get_synced() will have reached when the names are of after now. The first, 1, is
 * reached when they are known at all. */
guint64 tracker_sync(Tracker *tracker);
guint64 tracker_get_synced(const Tracker *tracker);
