/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Bus: the connection of libbulkhead below its header, for the command line, which shows properties as they
 * are
 *
 * Not installed and not exported.
 */
#include <glib.h>
#include <systemd/sd-bus.h>

#include "lib/bulkhead.h"

#define BUS_NAME              "org.bulkhead.Bulkhead1"
#define BUS_PATH              "/org/bulkhead/Bulkhead1"
#define BUS_SANDBOX_PREFIX    "/org/bulkhead/Bulkhead1/sandbox"
#define BUS_MANAGER_INTERFACE "org.bulkhead.Bulkhead1.Manager"
#define BUS_SANDBOX_INTERFACE "org.bulkhead.Bulkhead1.Sandbox"
#define BUS_PROCESS_INTERFACE "org.bulkhead.Bulkhead1.Process"
#define BUS_ERROR_PREFIX      "org.bulkhead.Bulkhead1.Error."

G_DEFINE_AUTOPTR_CLEANUP_FUNC(sd_bus_message, sd_bus_message_unref)

sd_bus *bulkhead_get_bus(Bulkhead *bulkhead);

/* A call to the object at @path; fails if that cannot be a path. */
int bulkhead_new_call(Bulkhead *bulkhead, const char *path, const char *interface, const char *member,
                      sd_bus_message **ret, BulkheadError *error);
/* Sends and waits; @timeout_usec 0 = 25 s. @ret_reply may be NULL. */
int bulkhead_call(Bulkhead *bulkhead, sd_bus_message *call, uint64_t timeout_usec, sd_bus_message **ret_reply,
                  BulkheadError *error);
/* Object path of a sandbox's name; a path is copied. Caller frees. */
int bulkhead_find(Bulkhead *bulkhead, const char *sandbox, char **ret_path, BulkheadError *error);

/* Fills @error; returns @r (negative). */
int bulkhead_error_take(BulkheadError *error, const sd_bus_error *from, int r);
int bulkhead_error_set(BulkheadError *error, int r, const char *name, const char *format, ...)
        G_GNUC_PRINTF(4, 5);
/* A message that we could not write or read. */
int bulkhead_error_message(BulkheadError *error, int r, const char *what);
