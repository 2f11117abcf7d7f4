/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Relay: one client's connection to the server
 *
 * Passes bytes both ways, bounded: an end that does not read stops the other from being read. Without a filter
 * descriptors pass too, never later than the bytes they came with; with one they are closed.
 */
#include "gateways/socket-proxy/pulse-filter.h"
#include "util/loop.h"

typedef struct Relay Relay;

/* The connection is over; @relay is still there, and freed by who is called. @error is NULL when one end closed it. */
typedef void (*RelayEnded)(void *userdata, Relay *relay, const Error *error);

/* Takes both descriptors, which must be non-blocking, and @filter, which may be NULL. */
Relay *relay_new(Loop *loop, int client_fd, int server_fd, PulseFilter *filter, RelayEnded ended, void *userdata);
void relay_free(Relay *relay);
PulseFilter *relay_get_filter(Relay *relay);
