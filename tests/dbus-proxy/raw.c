/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/dbus-proxy/raw.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateways/dbus-proxy/bus-header.h"

int raw_connect(const char *address) {
        struct sockaddr_un name = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        g_strlcpy(name.sun_path, address + strlen("unix:path="), sizeof(name.sun_path));
        assert_int_equal(connect(fd, (struct sockaddr *) &name, sizeof(name)), 0);
        return fd;
}

bool raw_send(int fd, const void *bytes, size_t size) {
        while (size > 0) {
                ssize_t n = send(fd, bytes, size, MSG_NOSIGNAL);

                if (n < 0)
                        return false;
                bytes = (const char *) bytes + n;
                size -= (size_t) n;
        }
        return true;
}

void (*raw_idle)(void);

/* False if nothing comes for half a second. */
static bool wait_for_bytes(int fd) {
        struct pollfd polled = { .fd = fd, .events = POLLIN };

        for (int i = 0; i < 500; i++) {
                if (poll(&polled, 1, raw_idle ? 0 : 1) > 0)
                        return true;
                if (raw_idle)
                        raw_idle();
        }
        return false;
}

GByteArray *raw_read(int fd, size_t size, bool *ret_ended) {
        GByteArray *bytes = g_byte_array_new();

        if (ret_ended)
                *ret_ended = false;
        while (bytes->len < size && wait_for_bytes(fd)) {
                uint8_t part[65536];
                ssize_t n = recv(fd, part, MIN(sizeof(part), size - bytes->len), 0);

                if (n <= 0) {
                        if (ret_ended)
                                *ret_ended = true;
                        break;
                }
                g_byte_array_append(bytes, part, (guint) n);
        }
        return bytes;
}

bool raw_is_cut(int fd) {
        bool is_ended = false;

        for (int i = 0; i < 100 && !is_ended; i++) {
                g_autoptr(GByteArray) bytes = raw_read(fd, 65536, &is_ended);

                if (bytes->len == 0)
                        break;
        }
        return is_ended;
}

/* ---- messages ---- */

static void put_u32(GByteArray *to, bool is_big_endian, uint32_t value) {
        while (to->len % 4 != 0)
                g_byte_array_append(to, (const guint8 *) "", 1);
        value = is_big_endian ? GUINT32_TO_BE(value) : GUINT32_TO_LE(value);
        g_byte_array_append(to, (const guint8 *) &value, sizeof(value));
}

static void put_field(GByteArray *to, bool is_big_endian, uint8_t code, char type, const char *text,
                      uint32_t number) {
        if (!text && number == 0)
                return;
        while (to->len % 8 != 0)
                g_byte_array_append(to, (const guint8 *) "", 1);
        g_byte_array_append(to, (const guint8[]){ code, 1, (guint8) type, 0 }, 4);
        if (!text) {
                put_u32(to, is_big_endian, number);
                return;
        }
        if (type == 'g')
                g_byte_array_append(to, (const guint8[]){ (guint8) strlen(text) }, 1);
        else
                put_u32(to, is_big_endian, (uint32_t) strlen(text));
        g_byte_array_append(to, (const guint8 *) text, (guint) strlen(text) + 1);
}

GByteArray *raw_marshal(const RawMessage *message) {
        GByteArray *to = g_byte_array_new();
        bool big = message->is_big_endian;
        const struct {
                uint8_t code;
                char type;
                const char *text;
                uint32_t number;
        } fields[] = {
                { 1, 'o', message->path, 0 },
                { 2, 's', message->interface, 0 },
                { 3, 's', message->member, 0 },
                { 4, 's', message->error_name, 0 },
                { 5, 'u', NULL, message->reply_serial },
                { 6, 's', message->destination, 0 },
                { 7, 's', message->sender, 0 },
                { 8, 'g', message->signature, 0 },
                { 9, 'u', NULL, message->n_fds },
                { message->extra_code, message->extra_type, message->extra, 0 },
        };
        uint32_t size;

        g_byte_array_append(to, (const guint8[]){ big ? 'B' : 'l', message->type, message->flags, 1 }, 4);
        put_u32(to, big, message->said_size ?: message->body_size);
        put_u32(to, big, message->serial);
        put_u32(to, big, 0);
        for (size_t i = 0; i < G_N_ELEMENTS(fields); i++) {
                size_t k = message->is_reversed ? G_N_ELEMENTS(fields) - 1 - i : i;

                put_field(to, big, fields[k].code, fields[k].type, fields[k].text, fields[k].number);
        }
        size = to->len - BUS_HEADER_FIXED;
        size = big ? GUINT32_TO_BE(size) : GUINT32_TO_LE(size);
        memcpy(to->data + 12, &size, sizeof(size));
        while (to->len % 8 != 0)
                g_byte_array_append(to, (const guint8 *) "", 1);
        if (message->body_size > 0)
                g_byte_array_append(to, message->body, message->body_size);
        return to;
}

bool raw_send_message(int fd, const RawMessage *message) {
        g_autoptr(GByteArray) bytes = raw_marshal(message);

        return raw_send(fd, bytes->data, bytes->len);
}

uint8_t raw_read_reply(int fd, uint32_t *ret_serial, char **ret_error) {
        for (;;) {
                g_autoptr(GByteArray) bytes = raw_read(fd, BUS_HEADER_FIXED, NULL), rest = NULL, body = NULL;
                BusHeader header;
                uint32_t body_size;
                size_t size;

                if (bytes->len < BUS_HEADER_FIXED)
                        return 0;
                assert_int_equal(bus_header_measure(bytes->data, &size, &body_size), 0);
                rest = raw_read(fd, size - BUS_HEADER_FIXED, NULL);
                body = raw_read(fd, body_size, NULL);
                assert_int_equal(body->len, body_size);
                g_byte_array_append(bytes, rest->data, rest->len);
                assert_int_equal(bus_header_parse(bytes->data, &header), 0);
                if (header.type == BUS_SIGNAL)
                        continue;
                if (ret_serial)
                        *ret_serial = header.reply_serial;
                if (ret_error)
                        *ret_error = g_strdup(header.error_name);
                return header.type;
        }
}

int raw_login(const char *address) {
        int fd = raw_connect(address);
        g_autoptr(GByteArray) answer = NULL;
        size_t expected = strlen("OK 0123456789abcdef0123456789abcdef\r\nAGREE_UNIX_FD\r\n");

        assert_true(raw_send(fd, "", 1));
        assert_true(raw_send(fd, RAW_AUTH, strlen(RAW_AUTH)));
        answer = raw_read(fd, expected, NULL);
        assert_int_equal(answer->len, expected);
        assert_true(raw_send_message(fd, &(RawMessage){ .type = BUS_CALL,
                                                        .serial = 1,
                                                        .path = BUS_DRIVER_PATH,
                                                        .interface = BUS_DRIVER_INTERFACE,
                                                        .member = "Hello",
                                                        .destination = BUS_DRIVER_NAME }));
        assert_int_equal(raw_read_reply(fd, NULL, NULL), BUS_RETURN);
        return fd;
}
