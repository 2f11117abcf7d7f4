/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Reads what is marshalled as D-Bus does it (D-Bus Specification, "Marshaling"), in either byte order
 *
 * Every read is checked against the end; a reader that was asked for more than there is, that met padding
 * which is not zero, or a string that is not valid UTF-8 with its NUL behind it, fails for good and gives
 * zeros and "".
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct BusReader {
        const uint8_t *bytes; /* not owned; of a whole message, since alignment counts from its start */
        size_t size, at;
        bool is_big_endian;
        bool failed;
} BusReader;

void bus_reader_align(BusReader *reader, size_t alignment);
uint8_t bus_reader_get_byte(BusReader *reader);
uint32_t bus_reader_get_u32(BusReader *reader);
/* Pointers into the bytes. */
const char *bus_reader_get_string(BusReader *reader, size_t *ret_length);
const char *bus_reader_get_signature(BusReader *reader);

/* Passes over one value of a basic type; what is made of parts fails. */
void bus_reader_skip(BusReader *reader, char type);
