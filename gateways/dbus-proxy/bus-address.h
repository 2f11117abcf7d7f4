/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Where the bus is (D-Bus Specification, "Server Addresses"): sockets of this host, by path or abstract
 */
#include <glib.h>

#include "util/error.h"

typedef struct BusAddress BusAddress;

/* Of the alternatives, those of other transports are left out; -EINVAL if none is left. */
int bus_address_new(const char *text, BusAddress **ret, Error *error);
void bus_address_free(BusAddress *address);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BusAddress, bus_address_free)

/* A non-blocking connection to the first that answers. Waits for a bus that is busy, but not for ever. */
int bus_address_connect(const BusAddress *address, int *ret_fd, Error *error);
