/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Messages of the proxy's own: what it answers in the place of the bus, and what it asks the bus
 *
 * Each is appended to @to. Numbers are little-endian.
 */
#include <glib.h>
#include <stdint.h>

#include "gateways/dbus-proxy/bus-header.h"

#define BUS_ERROR_ACCESS_DENIED   "org.freedesktop.DBus.Error.AccessDenied"
#define BUS_ERROR_SERVICE_UNKNOWN "org.freedesktop.DBus.Error.ServiceUnknown"
#define BUS_ERROR_NO_OWNER        "org.freedesktop.DBus.Error.NameHasNoOwner"
#define BUS_ERROR_LIMITS_EXCEEDED "org.freedesktop.DBus.Error.LimitsExceeded"
#define BUS_ERROR_INVALID_ARGS    "org.freedesktop.DBus.Error.InvalidArgs"
#define BUS_ERROR_MATCH_INVALID   "org.freedesktop.DBus.Error.MatchRuleInvalid"

/* An error that answers @reply_serial. @sender and @destination may be NULL. */
void bus_write_error(GByteArray *to, uint32_t serial, uint32_t reply_serial, const char *sender,
                     const char *destination, const char *name, const char *text);

/* The bus's answer to a call with a boolean. */
void bus_write_boolean(GByteArray *to, uint32_t reply_serial, const char *destination, gboolean value);

/* A call of the bus itself; @argument is a string or NULL. */
void bus_write_driver_call(GByteArray *to, uint32_t serial, const char *member, const char *argument);

/* The message @header, whose header is @bytes, with another body; same signature, same byte order. */
void bus_write_string_body(GByteArray *to, const BusHeader *header, const uint8_t *bytes, const char *string);
void bus_write_strings_body(GByteArray *to, const BusHeader *header, const uint8_t *bytes,
                            const GPtrArray *strings);
