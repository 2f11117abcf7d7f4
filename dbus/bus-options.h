/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Options: a{sv} read by tables of name, type and reader
 */
#include <glib.h>
#include <stdbool.h>
#include <systemd/sd-bus.h>

#include "service/request.h"
#include "util/error.h"

/* What the options of CreateSandbox, Run and Launch fill in. */
typedef struct BusRequest {
        SandboxRequest *sandbox; /* NULL for Run; owned */
        RunRequest *run;         /* NULL for CreateSandbox; owned */
        bool keep;
} BusRequest;

void bus_request_done(BusRequest *request);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(BusRequest, bus_request_done)

/* Reads the options of the member that has the parts that @request has. ERROR_INVALID_ARGS naming a key that
 * is unknown, given twice or of another type; ERROR_UNSUPPORTED for one that this version does not have. */
int bus_options_read(sd_bus_message *message, BusRequest *request, Error *error);

/* Refuses everything but an empty a{sv}. */
int bus_options_read_none(sd_bus_message *message, Error *error);

/* An array of strings, owned by the caller, never NULL. */
int bus_read_strings(sd_bus_message *message, char ***ret, Error *error);
