/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The header of a D-Bus message (D-Bus Specification, "Message Format")
 *
 * All that the proxy judges by. A header that passes is as the specification says, in names and paths too, so
 * that whoever reads the message after us reads the same in it: no field twice, none of another type, none
 * missing that its type needs.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BUS_HEADER_FIXED 16 /* bytes that say how long the rest is */

/* Bus, path and interface of what the bus itself says and is asked. */
#define BUS_DRIVER_NAME      "org.freedesktop.DBus"
#define BUS_DRIVER_PATH      "/org/freedesktop/DBus"
#define BUS_DRIVER_INTERFACE "org.freedesktop.DBus"

typedef enum BusType {
        BUS_CALL = 1,
        BUS_RETURN,
        BUS_ERROR,
        BUS_SIGNAL,
} BusType;

typedef enum BusFlags {
        BUS_NO_REPLY_EXPECTED = 1 << 0,
} BusFlags;

/* Strings point into the bytes that were read; NULL = not there. */
typedef struct BusHeader {
        bool is_big_endian;
        uint8_t type, flags;
        uint32_t serial;
        size_t size; /* of the header with its padding */
        uint32_t body_size;
        uint32_t reply_serial; /* 0 = not there */
        uint32_t n_fds;
        const char *path, *interface, *member, *error_name, *destination, *sender;
        const char *signature; /* never NULL: "" is none */
        bool has_unknown;      /* a field of a code that the specification has not */
} BusHeader;

/* How long header and body are, from the first BUS_HEADER_FIXED bytes. -EBADMSG for what begins no message,
 * or one that is longer than D-Bus allows. */
int bus_header_measure(const uint8_t *bytes, size_t *ret_header, uint32_t *ret_body);

/* @bytes holds the header as bus_header_measure() measured it. -EBADMSG for one that breaks the rules. */
int bus_header_parse(const uint8_t *bytes, BusHeader *ret);
