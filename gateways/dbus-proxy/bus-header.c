/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gateways/dbus-proxy/bus-header.h"

#include <errno.h>
#include <string.h>

#include "gateways/dbus-pattern.h"
#include "gateways/dbus-proxy/bus-reader.h"

#define BUS_MESSAGE_MAX (128u * 1024 * 1024) /* D-Bus Specification, "Message Format" */
#define BUS_NAME_MAX    255
#define BUS_VERSION     1

typedef enum FieldCode {
        FIELD_PATH = 1,
        FIELD_INTERFACE,
        FIELD_MEMBER,
        FIELD_ERROR_NAME,
        FIELD_REPLY_SERIAL,
        FIELD_DESTINATION,
        FIELD_SENDER,
        FIELD_SIGNATURE,
        FIELD_UNIX_FDS,
        _FIELD_MAX,
} FieldCode;

/* What a library would take as its own and not as a message (D-Bus Specification, "Message Types"). */
#define LOCAL_PATH      "/org/freedesktop/DBus/Local"
#define LOCAL_INTERFACE "org.freedesktop.DBus.Local"

int bus_header_measure(const uint8_t *bytes, size_t *ret_header, uint32_t *ret_body) {
        BusReader reader = { .bytes = bytes, .size = BUS_HEADER_FIXED, .is_big_endian = bytes[0] == 'B' };
        uint32_t body_size, fields_size;
        size_t size;

        if ((bytes[0] != 'l' && bytes[0] != 'B') || bytes[3] != BUS_VERSION)
                return -EBADMSG;
        reader.at = 4;
        body_size = bus_reader_get_u32(&reader);
        reader.at = 12;
        fields_size = bus_reader_get_u32(&reader);
        if (fields_size > BUS_MESSAGE_MAX || body_size > BUS_MESSAGE_MAX)
                return -EBADMSG;
        size = (BUS_HEADER_FIXED + (size_t) fields_size + 7) & ~(size_t) 7;
        if (size + body_size > BUS_MESSAGE_MAX)
                return -EBADMSG;
        *ret_header = size;
        *ret_body = body_size;
        return 0;
}

/* A string field of @type whose value is a name of @kind. */
static void read_name(BusReader *reader, const char *type, char expected, DBusName kind, const char **ret) {
        const char *text;
        size_t length;

        if (type[0] != expected) {
                reader->failed = true;
                return;
        }
        text = bus_reader_get_string(reader, &length);
        if (reader->failed || (kind != DBUS_NAME_PATH && length > BUS_NAME_MAX) ||
            !dbus_name_is_valid(kind, text))
                reader->failed = true;
        *ret = text;
}

static void read_number(BusReader *reader, const char *type, uint32_t *ret) {
        if (type[0] == 'u')
                *ret = bus_reader_get_u32(reader);
        else
                reader->failed = true;
}

static void read_field(BusReader *reader, BusHeader *header, uint8_t code, const char *type) {
        switch (code) {
        case FIELD_PATH:
                read_name(reader, type, 'o', DBUS_NAME_PATH, &header->path);
                break;
        case FIELD_INTERFACE:
                read_name(reader, type, 's', DBUS_NAME_INTERFACE, &header->interface);
                break;
        case FIELD_MEMBER:
                read_name(reader, type, 's', DBUS_NAME_MEMBER, &header->member);
                break;
        case FIELD_ERROR_NAME: /* named as interfaces are */
                read_name(reader, type, 's', DBUS_NAME_INTERFACE, &header->error_name);
                break;
        case FIELD_REPLY_SERIAL:
                read_number(reader, type, &header->reply_serial);
                reader->failed |= header->reply_serial == 0;
                break;
        case FIELD_DESTINATION:
                read_name(reader, type, 's', DBUS_NAME_BUS, &header->destination);
                break;
        case FIELD_SENDER:
                read_name(reader, type, 's', DBUS_NAME_BUS, &header->sender);
                break;
        case FIELD_SIGNATURE:
                if (type[0] == 'g')
                        header->signature = bus_reader_get_signature(reader);
                else
                        reader->failed = true;
                break;
        case FIELD_UNIX_FDS:
                read_number(reader, type, &header->n_fds);
                break;
        case 0: /* "not a valid field name" */
                reader->failed = true;
                break;
        default:
                header->has_unknown = true;
                bus_reader_skip(reader, type[0]);
        }
}

static int read_fields(BusReader *reader, BusHeader *header) {
        unsigned seen = 0;

        while (!reader->failed && reader->at < reader->size) {
                const char *type;
                uint8_t code;

                bus_reader_align(reader, 8);
                code = bus_reader_get_byte(reader);
                type = bus_reader_get_signature(reader);
                if (reader->failed || strlen(type) != 1)
                        return -EBADMSG;
                if (code < _FIELD_MAX && seen & 1u << code)
                        return -EBADMSG;
                if (code < _FIELD_MAX)
                        seen |= 1u << code;
                read_field(reader, header, code, type);
        }
        return reader->failed ? -EBADMSG : 0;
}

/* What each type needs. */
static bool is_complete(const BusHeader *header) {
        if ((header->path && strcmp(header->path, LOCAL_PATH) == 0) ||
            (header->interface && strcmp(header->interface, LOCAL_INTERFACE) == 0))
                return false;
        switch (header->type) {
        case BUS_CALL:
                return header->path && header->member;
        case BUS_RETURN:
                return header->reply_serial != 0;
        case BUS_ERROR:
                return header->reply_serial != 0 && header->error_name;
        case BUS_SIGNAL:
                return header->path && header->interface && header->member;
        default: /* to be ignored, says the specification; 0 is invalid */
                return header->type != 0;
        }
}

int bus_header_parse(const uint8_t *bytes, BusHeader *ret) {
        BusHeader header = { .signature = "" };
        BusReader reader = { .bytes = bytes, .is_big_endian = bytes[0] == 'B' };
        int r;

        r = bus_header_measure(bytes, &header.size, &header.body_size);
        if (r < 0)
                return r;
        reader.size = header.size;
        reader.at = 8;
        header.is_big_endian = reader.is_big_endian;
        header.type = bytes[1];
        header.flags = bytes[2];
        header.serial = bus_reader_get_u32(&reader);
        reader.size = BUS_HEADER_FIXED + (size_t) bus_reader_get_u32(&reader);
        if (header.serial == 0)
                return -EBADMSG;
        r = read_fields(&reader, &header);
        if (r < 0)
                return r;
        /* the padding of the header itself */
        reader.size = header.size;
        bus_reader_align(&reader, 8);
        if (reader.failed || !is_complete(&header))
                return -EBADMSG;
        if (header.body_size > 0 && header.signature[0] == '\0')
                return -EBADMSG;
        *ret = header;
        return 0;
}
