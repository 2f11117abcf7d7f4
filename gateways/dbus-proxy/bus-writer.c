/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gateways/dbus-proxy/bus-writer.h"

#include <string.h>

/* Offsets in the fixed part of a header. */
#define AT_BODY_SIZE   4
#define AT_FIELDS_SIZE 12

typedef struct Writer {
        GByteArray *to;
        guint start; /* of the message */
        bool is_big_endian;
} Writer;

static void put_byte(Writer *writer, uint8_t byte) {
        g_byte_array_append(writer->to, &byte, 1);
}

static void align(Writer *writer, guint alignment) {
        while ((writer->to->len - writer->start) % alignment != 0)
                put_byte(writer, 0);
}

static uint32_t to_order(const Writer *writer, uint32_t value) {
        return writer->is_big_endian ? GUINT32_TO_BE(value) : GUINT32_TO_LE(value);
}

static void put_u32(Writer *writer, uint32_t value) {
        align(writer, 4);
        value = to_order(writer, value);
        g_byte_array_append(writer->to, (const guint8 *) &value, sizeof(value));
}

static void set_u32(Writer *writer, guint at, uint32_t value) {
        value = to_order(writer, value);
        memcpy(writer->to->data + at, &value, sizeof(value));
}

static void put_string(Writer *writer, const char *string) {
        size_t n = strlen(string);

        put_u32(writer, (uint32_t) n);
        g_byte_array_append(writer->to, (const guint8 *) string, (guint) n + 1);
}

static void put_field(Writer *writer, uint8_t code, char type, const char *string) {
        if (!string)
                return;
        align(writer, 8);
        put_byte(writer, code);
        g_byte_array_append(writer->to, (const guint8[]){ 1, (guint8) type, 0 }, 3);
        if (type == 'g') {
                put_byte(writer, (uint8_t) strlen(string));
                g_byte_array_append(writer->to, (const guint8 *) string, (guint) strlen(string) + 1);
        } else
                put_string(writer, string);
}

/* Fields are those of @header that are set. */
static Writer begin(GByteArray *to, const BusHeader *header) {
        Writer writer = { .to = to, .start = to->len };

        g_byte_array_append(to, (const guint8[]){ 'l', header->type, header->flags, 1, 0, 0, 0, 0 }, 8);
        put_u32(&writer, header->serial);
        put_u32(&writer, 0);
        put_field(&writer, 1, 'o', header->path);
        put_field(&writer, 2, 's', header->interface);
        put_field(&writer, 3, 's', header->member);
        put_field(&writer, 4, 's', header->error_name);
        if (header->reply_serial != 0) {
                align(&writer, 8);
                g_byte_array_append(to, (const guint8[]){ 5, 1, 'u', 0 }, 4);
                put_u32(&writer, header->reply_serial);
        }
        put_field(&writer, 6, 's', header->destination);
        put_field(&writer, 7, 's', header->sender);
        put_field(&writer, 8, 'g', header->signature);
        set_u32(&writer, writer.start + AT_FIELDS_SIZE, to->len - writer.start - BUS_HEADER_FIXED);
        align(&writer, 8);
        return writer;
}

static void end(Writer *writer, guint body) {
        set_u32(writer, writer->start + AT_BODY_SIZE, writer->to->len - body);
}

void bus_write_error(GByteArray *to, uint32_t serial, uint32_t reply_serial, const char *sender,
                     const char *destination, const char *name, const char *text) {
        BusHeader header = {
                .type = BUS_ERROR,
                .flags = BUS_NO_REPLY_EXPECTED,
                .serial = serial,
                .reply_serial = reply_serial,
                .sender = sender,
                .destination = destination,
                .error_name = name,
                .signature = "s",
        };
        Writer writer = begin(to, &header);
        guint body = to->len;

        put_string(&writer, text);
        end(&writer, body);
}

void bus_write_boolean(GByteArray *to, uint32_t reply_serial, const char *destination, gboolean value) {
        BusHeader header = {
                .type = BUS_RETURN,
                .flags = BUS_NO_REPLY_EXPECTED,
                .serial = UINT32_MAX,
                .reply_serial = reply_serial,
                .sender = BUS_DRIVER_NAME,
                .destination = destination,
                .signature = "b",
        };
        Writer writer = begin(to, &header);
        guint body = to->len;

        put_u32(&writer, value ? 1 : 0);
        end(&writer, body);
}

void bus_write_driver_call(GByteArray *to, uint32_t serial, const char *member, const char *argument) {
        BusHeader header = {
                .type = BUS_CALL,
                .serial = serial,
                .path = BUS_DRIVER_PATH,
                .interface = BUS_DRIVER_INTERFACE,
                .member = member,
                .destination = BUS_DRIVER_NAME,
                .signature = argument ? "s" : NULL,
        };
        Writer writer = begin(to, &header);
        guint body = to->len;

        if (argument)
                put_string(&writer, argument);
        end(&writer, body);
}

static Writer begin_again(GByteArray *to, const BusHeader *header, const uint8_t *bytes) {
        Writer writer = { .to = to, .start = to->len, .is_big_endian = header->is_big_endian };

        g_byte_array_append(to, bytes, (guint) header->size);
        return writer;
}

void bus_write_string_body(GByteArray *to, const BusHeader *header, const uint8_t *bytes,
                           const char *string) {
        Writer writer = begin_again(to, header, bytes);
        guint body = to->len;

        put_string(&writer, string);
        end(&writer, body);
}

void bus_write_strings_body(GByteArray *to, const BusHeader *header, const uint8_t *bytes,
                            const GPtrArray *strings) {
        Writer writer = begin_again(to, header, bytes);
        guint body = to->len, first;

        put_u32(&writer, 0);
        first = to->len;
        for (guint i = 0; i < strings->len; i++)
                put_string(&writer, strings->pdata[i]);
        set_u32(&writer, body, to->len - first);
        end(&writer, body);
}
