/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Bus: the manager as objects on D-Bus
 */
#include <systemd/sd-event.h>

#include "service/manager.h"
#include "util/error.h"

typedef struct Bus Bus;

/* Connects to @address: "system", "session" (both as their environment variables say) or an address, puts the
 * objects up, and tells the manager its realm. The loop ends with an error when the connection is lost.
 * @manager is not owned. */
int bus_new(sd_event *event, const char *address, Manager *manager, Bus **ret, Error *error);

/* Asks for the name, once all is there that whoever finds it shall find; @owned is called once, later. */
typedef void (*BusOwned)(void *userdata, const Error *error);
int bus_own_name(Bus *bus, BusOwned owned, void *userdata, Error *error);
void bus_free(Bus *bus);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Bus, bus_free)

/* What was answered last is sent. May wait: for the end of the service. */
void bus_flush(Bus *bus);
