/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gateways/dbus-proxy/bus-reader.h"

#include <glib.h>
#include <string.h>

static const uint8_t *take(BusReader *reader, size_t n) {
        if (reader->failed || n > reader->size - reader->at) {
                reader->failed = true;
                return NULL;
        }
        reader->at += n;
        return reader->bytes + reader->at - n;
}

void bus_reader_align(BusReader *reader, size_t alignment) {
        while (!reader->failed && reader->at % alignment != 0) {
                const uint8_t *padding = take(reader, 1);

                if (padding && *padding != 0)
                        reader->failed = true;
        }
}

uint8_t bus_reader_get_byte(BusReader *reader) {
        const uint8_t *byte = take(reader, 1);

        return byte ? *byte : 0;
}

uint32_t bus_reader_get_u32(BusReader *reader) {
        const uint8_t *bytes;
        uint32_t value;

        bus_reader_align(reader, 4);
        bytes = take(reader, sizeof(value));
        if (!bytes)
                return 0;
        memcpy(&value, bytes, sizeof(value));
        return reader->is_big_endian ? GUINT32_FROM_BE(value) : GUINT32_FROM_LE(value);
}

/* @n bytes and the NUL behind them. */
static const char *take_text(BusReader *reader, size_t n) {
        const char *text = (const char *) take(reader, n);

        if (!text || bus_reader_get_byte(reader) != 0 || reader->failed || memchr(text, '\0', n)) {
                reader->failed = true;
                return "";
        }
        return text;
}

const char *bus_reader_get_string(BusReader *reader, size_t *ret_length) {
        uint32_t n = bus_reader_get_u32(reader);
        const char *text = take_text(reader, n);

        if (!reader->failed && !g_utf8_validate(text, n, NULL))
                reader->failed = true;
        if (ret_length)
                *ret_length = reader->failed ? 0 : n;
        return reader->failed ? "" : text;
}

const char *bus_reader_get_signature(BusReader *reader) {
        return take_text(reader, bus_reader_get_byte(reader));
}

static void skip_fixed(BusReader *reader, size_t size) {
        bus_reader_align(reader, size);
        (void) take(reader, size);
}

void bus_reader_skip(BusReader *reader, char type) {
        switch (type) {
        case 'y':
                skip_fixed(reader, 1);
                break;
        case 'n':
        case 'q':
                skip_fixed(reader, 2);
                break;
        case 'b':
        case 'i':
        case 'u':
        case 'h':
                skip_fixed(reader, 4);
                break;
        case 'x':
        case 't':
        case 'd':
                skip_fixed(reader, 8);
                break;
        case 's':
        case 'o':
                (void) bus_reader_get_string(reader, NULL);
                break;
        case 'g':
                (void) bus_reader_get_signature(reader);
                break;
        default:
                reader->failed = true;
        }
}
