/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Bytes that no library would send, and what else somebody tries who wants more than the rules allow
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateways/dbus-proxy/bus-header.h"
#include "tests/dbus-proxy/raw.h"
#include "tests/dbus-proxy/test-bus.h"
#include "util/cleanup.h"

static TestBus bus;
static sd_bus *host;
static unsigned n_calls; /* that arrived at the host's side */

static int answer_all(sd_bus_message *message, void *userdata G_GNUC_UNUSED,
                      sd_bus_error *error G_GNUC_UNUSED) {
        if (!sd_bus_message_is_method_call(message, NULL, NULL))
                return 0;
        n_calls++;
        if (sd_bus_message_is_method_call(message, NULL, "Never"))
                return 1;
        return sd_bus_reply_method_return(message, "s", "here");
}

/* The host's side answers while the app's waits. */
static void pump(void) {
        (void) test_bus_pump(&bus, NULL, 1);
}

/* A new one for each test: what was told of the last one is not in the way. */
static int setup_proxy(void **state G_GNUC_UNUSED) {
        test_bus_start_proxy(
                &bus,
                (const char *const[]){
                        "talk outgoing name com.acme.Radio interface com.acme.A path /a member *", NULL });
        g_ptr_array_set_size(bus.denied, 0);
        return 0;
}

static int setup(void **state G_GNUC_UNUSED) {
        test_bus_start(&bus);
        host = test_bus_connect(&bus, bus.address);
        assert_true(sd_bus_add_filter(host, NULL, answer_all, NULL) >= 0);
        assert_true(sd_bus_request_name(host, "com.acme.Radio", 0) >= 0);
        assert_true(sd_bus_request_name(host, "com.hidden.Service", 0) >= 0);
        raw_idle = pump;
        return 0;
}

static int teardown(void **state G_GNUC_UNUSED) {
        test_bus_stop(&bus);
        return 0;
}

/* ---- authentication ---- */

static void test_auth(void **state G_GNUC_UNUSED) {
        static const struct {
                const char *name, *text;
                const char *answer; /* begins with it; NULL = cut */
        } cases[] = {
                { "uid of the inside", "AUTH EXTERNAL 31303030\r\n", "OK " },
                { "root of the inside", "AUTH EXTERNAL 30\r\n", "OK " },
                { "without an identity", "AUTH EXTERNAL\r\n", "DATA\r\n" },
                { "as sd-bus", "AUTH EXTERNAL\r\nDATA\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n", "DATA\r\nOK " },
                { "list of mechanisms", "AUTH\r\n", "REJECTED EXTERNAL\r\n" },
                { "cookie", "AUTH DBUS_COOKIE_SHA1 726f6f74\r\n", "REJECTED EXTERNAL\r\n" },
                { "anonymous", "AUTH ANONYMOUS\r\n", "REJECTED EXTERNAL\r\n" },
                { "lower case", "auth external 30\r\n", "ERROR" },
                { "two spaces", "AUTH  EXTERNAL 30\r\n", "REJECTED" },
                { "tab", "AUTH\tEXTERNAL 30\r\n", "ERROR" },
                { "space before", " AUTH EXTERNAL 30\r\n", "ERROR" },
                { "BEGIN with a space is none", "AUTH EXTERNAL 30\r\nBEGIN \r\n", "OK " },
                { "no hexadecimal", "AUTH EXTERNAL root\r\n", "REJECTED" },
                { "BEGIN first", "BEGIN\r\n", NULL },
                { "BEGIN after a refusal", "AUTH ANONYMOUS\r\nBEGIN\r\n", NULL },
                { "descriptors first", "NEGOTIATE_UNIX_FD\r\n", "ERROR" },
                { "nonsense", "HELO me\r\n", "ERROR" },
                { "cancel", "AUTH EXTERNAL\r\nCANCEL\r\n", "DATA\r\nREJECTED" },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                autofd int fd = raw_connect(bus.proxy_address);
                g_autoptr(GByteArray) answer = NULL;

                assert_true(raw_send(fd, "", 1) && raw_send(fd, cases[i].text, strlen(cases[i].text)));
                if (!cases[i].answer) {
                        assert_true(raw_is_cut(fd));
                        continue;
                }
                answer = raw_read(fd, strlen(cases[i].answer), NULL);
                if (answer->len != strlen(cases[i].answer) ||
                    memcmp(answer->data, cases[i].answer, answer->len) != 0)
                        fail_msg("%s: %.*s", cases[i].name, (int) answer->len, (const char *) answer->data);
        }
}

static void test_auth_floods(void **state G_GNUC_UNUSED) {
        autofd int no_nul = raw_connect(bus.proxy_address), nul_inside = raw_connect(bus.proxy_address);
        autofd int lines = raw_connect(bus.proxy_address), line = raw_connect(bus.proxy_address);
        g_autofree char *text = g_strnfill(100 * 1024, 'A');

        (void) raw_send(no_nul, "AUTH EXTERNAL 30\r\n", 18);
        assert_true(raw_is_cut(no_nul));
        (void) raw_send(nul_inside, "\0AUTH\0EXTERNAL 30\r\n", 19);
        assert_true(raw_is_cut(nul_inside));
        (void) raw_send(line, "", 1);
        (void) raw_send(line, text, strlen(text));
        assert_true(raw_is_cut(line));
        (void) raw_send(lines, "", 1);
        for (int i = 0; i < 100; i++)
                (void) raw_send(lines, "AUTH\r\n", 6);
        assert_true(raw_is_cut(lines));
        assert_true(test_bus_was_denied(&bus, "Client that does not say*"));
}

/* ---- headers ---- */

#define CALL(t, s, p, i, m, d)                                                                               \
        .type = t, .serial = s, .path = p, .interface = i, .member = m, .destination = d
#define A_CALL CALL(BUS_CALL, 7, "/a", "com.acme.A", "M", "com.acme.Radio")

typedef enum Outcome {
        PASSES,
        REFUSED, /* an error comes back */
        DROPPED,
        CUT,
} Outcome;

static const struct {
        const char *name;
        RawMessage message;
        Outcome outcome;
} header_cases[] = {
        { "as it should be", { A_CALL }, PASSES },
        { "big-endian", { A_CALL, .is_big_endian = true }, PASSES },
        { "big-endian, refused",
          { CALL(BUS_CALL, 7, "/b", "com.acme.A", "M", "com.acme.Radio"), .is_big_endian = true },
          REFUSED },
        { "fields in another order", { A_CALL, .is_reversed = true }, PASSES },
        { "fields in another order, refused",
          { CALL(BUS_CALL, 7, "/b", "com.acme.A", "M", "com.acme.Radio"), .is_reversed = true },
          REFUSED },
        { "destination twice",
          { A_CALL, .extra_code = 6, .extra_type = 's', .extra = "com.hidden.Service" },
          CUT },
        { "the same twice", { A_CALL, .extra_code = 3, .extra_type = 's', .extra = "M" }, CUT },
        { "path twice", { A_CALL, .extra_code = 1, .extra_type = 'o', .extra = "/a" }, CUT },
        { "twice, the other first",
          { A_CALL, .is_reversed = true, .extra_code = 6, .extra_type = 's', .extra = "com.hidden.Service" },
          CUT },
        { "unknown field", { A_CALL, .extra_code = 10, .extra_type = 's', .extra = "x" }, REFUSED },
        { "field 0", { A_CALL, .extra_code = 0, .extra_type = 's', .extra = "x" }, CUT },
        { "unknown field of an unknown type",
          { A_CALL, .extra_code = 200, .extra_type = 'v', .extra = "x" },
          CUT },
        { "field of another type", { A_CALL, .extra_code = 7, .extra_type = 'o', .extra = "/a" }, CUT },
        { "trailing slash", { CALL(BUS_CALL, 7, "/a/", "com.acme.A", "M", "com.acme.Radio") }, CUT },
        { "two slashes", { CALL(BUS_CALL, 7, "//a", "com.acme.A", "M", "com.acme.Radio") }, CUT },
        { "no slash", { CALL(BUS_CALL, 7, "a", "com.acme.A", "M", "com.acme.Radio") }, CUT },
        { "interface without a dot", { CALL(BUS_CALL, 7, "/a", "acme", "M", "com.acme.Radio") }, CUT },
        { "member with a dot", { CALL(BUS_CALL, 7, "/a", "com.acme.A", "M.N", "com.acme.Radio") }, CUT },
        { "glob as a destination", { CALL(BUS_CALL, 7, "/a", "com.acme.A", "M", "com.acme.*") }, CUT },
        { "serial 0", { CALL(BUS_CALL, 0, "/a", "com.acme.A", "M", "com.acme.Radio") }, CUT },
        { "type 0", { CALL(0, 7, "/a", "com.acme.A", "M", "com.acme.Radio") }, CUT },
        { "type 5", { CALL(5, 7, "/a", "com.acme.A", "M", "com.acme.Radio") }, DROPPED },
        { "call without a path", { CALL(BUS_CALL, 7, NULL, "com.acme.A", "M", "com.acme.Radio") }, CUT },
        { "call without a member", { CALL(BUS_CALL, 7, "/a", "com.acme.A", NULL, "com.acme.Radio") }, CUT },
        { "call of nobody", { CALL(BUS_CALL, 7, "/a", "com.acme.A", "M", NULL) }, REFUSED },
        { "call without an interface", { CALL(BUS_CALL, 7, "/a", NULL, "M", "com.acme.Radio") }, REFUSED },
        { "local path",
          { CALL(BUS_CALL, 7, "/org/freedesktop/DBus/Local", "com.acme.A", "M", "com.acme.Radio") },
          CUT },
        { "local interface",
          { CALL(BUS_CALL, 7, "/a", "org.freedesktop.DBus.Local", "M", "com.acme.Radio") },
          CUT },
        { "body without a signature", { A_CALL, .body = "1234", .body_size = 4 }, CUT },
        { "somebody else's name as sender", { A_CALL, .sender = "com.hidden.Service" }, PASSES },
        { "descriptors that are not there", { A_CALL, .n_fds = 1 }, CUT },
        { "more descriptors than there can be", { A_CALL, .n_fds = 100000 }, CUT },
        { "reply to nobody",
          { .type = BUS_RETURN, .serial = 8, .reply_serial = 3, .destination = "com.hidden.Service" },
          DROPPED },
        { "reply to the bus",
          { .type = BUS_RETURN, .serial = 8, .reply_serial = 3, .destination = "org.freedesktop.DBus" },
          DROPPED },
        { "signal to the bus",
          { .type = BUS_SIGNAL,
            .serial = 8,
            .path = "/a",
            .interface = "com.acme.A",
            .member = "M",
            .destination = "org.freedesktop.DBus" },
          DROPPED },
        { "error without a name", { .type = BUS_ERROR, .serial = 8, .reply_serial = 3 }, CUT },
        { "signal of the bus's",
          { .type = BUS_SIGNAL,
            .serial = 8,
            .path = "/org/freedesktop/DBus",
            .interface = "org.freedesktop.DBus",
            .member = "NameOwnerChanged" },
          DROPPED },
};

static void assert_alive(int fd, const char *what) {
        uint32_t serial = 0;

        assert_true(raw_send_message(
                fd, &(RawMessage){ CALL(BUS_CALL, 99, "/a", "com.acme.A", "M", "com.acme.Radio") }));
        if (raw_read_reply(fd, &serial, NULL) != BUS_RETURN || serial != 99)
                fail_msg("%s: does not go on", what);
}

static void test_headers(void **state G_GNUC_UNUSED) {
        for (size_t i = 0; i < G_N_ELEMENTS(header_cases); i++) {
                autofd int fd = raw_login(bus.proxy_address);
                const char *what = header_cases[i].name;
                Outcome outcome = header_cases[i].outcome;
                g_autofree char *error = NULL;
                uint32_t serial = 0;
                uint8_t type;

                n_calls = 0;
                assert_true(raw_send_message(fd, &header_cases[i].message));
                if (outcome == CUT) {
                        if (!raw_is_cut(fd))
                                fail_msg("%s: not cut", what);
                } else if (outcome != DROPPED) {
                        type = raw_read_reply(fd, &serial, &error);
                        if (type != (outcome == PASSES ? BUS_RETURN : BUS_ERROR) || serial != 7)
                                fail_msg("%s: got %u of %u, %s", what, type, serial, error ?: "");
                }
                if (n_calls != (outcome == PASSES ? 1 : 0))
                        fail_msg("%s: %u calls arrived", what, n_calls);
                if (outcome != CUT)
                        assert_alive(fd, what);
        }
}

/* Byte by byte; and one header after the other in one piece, good ones and bad ones. */
static void test_pieces(void **state G_GNUC_UNUSED) {
        autofd int fd = raw_login(bus.proxy_address);
        g_autoptr(GByteArray) good = raw_marshal(
                &(RawMessage){ A_CALL, .signature = "s", .body = "\1\0\0\0a\0", .body_size = 6 });
        g_autoptr(GByteArray) many = g_byte_array_new();
        uint32_t serial;

        for (guint i = 0; i < good->len; i++)
                assert_true(raw_send(fd, good->data + i, 1));
        assert_int_equal(raw_read_reply(fd, &serial, NULL), BUS_RETURN);
        for (uint32_t i = 0; i < 200; i++) {
                g_autoptr(GByteArray) one = raw_marshal(&(RawMessage){
                        CALL(BUS_CALL, 100 + i, i % 2 ? "/a" : "/b", "com.acme.A", "M", "com.acme.Radio") });

                g_byte_array_append(many, one->data, one->len);
        }
        n_calls = 0;
        assert_true(raw_send(fd, many->data, many->len));
        for (uint32_t i = 0; i < 200; i++) {
                uint8_t type = raw_read_reply(fd, &serial, NULL);

                assert_int_equal(type, serial % 2 ? BUS_RETURN : BUS_ERROR);
        }
        assert_int_equal(n_calls, 100);
}

static void test_not_messages(void **state G_GNUC_UNUSED) {
        static const char *const starts[] = { "X\1\0\1\0\0\0\0\1\0\0\0\0\0\0\0",
                                              "l\1\0\2\0\0\0\0\1\0\0\0\0\0\0\0",
                                              "l\1\0\1\377\377\377\377\1\0\0\0\0\0\0\0",
                                              "l\1\0\1\0\0\0\0\1\0\0\0\377\377\377\177",
                                              "l\1\0\1\0\0\0\0\1\0\0\0\0\377\0\0" };

        for (size_t i = 0; i < G_N_ELEMENTS(starts); i++) {
                autofd int fd = raw_login(bus.proxy_address);

                (void) raw_send(fd, starts[i], 16);
                if (!raw_is_cut(fd))
                        fail_msg("start %zu: not cut", i);
        }
}

/* ---- serials and replies ---- */

static void test_serial_reuse(void **state G_GNUC_UNUSED) {
        autofd int fd = raw_login(bus.proxy_address);

        /* an answer to the second could be taken for that of the first */
        assert_true(raw_send_message(
                fd, &(RawMessage){ CALL(BUS_CALL, 7, "/a", "com.acme.A", "Never", "com.acme.Radio") }));
        assert_true(raw_send_message(fd, &(RawMessage){ .type = BUS_CALL,
                                                        .serial = 7,
                                                        .path = BUS_DRIVER_PATH,
                                                        .interface = BUS_DRIVER_INTERFACE,
                                                        .member = "ListNames",
                                                        .destination = BUS_DRIVER_NAME }));
        assert_true(raw_is_cut(fd));
        assert_true(test_bus_was_denied(&bus, "Call with the serial of one that is not answered yet"));
}

/* A list that nobody waits for cannot come as the answer to something else. */
static void test_unwaited_list(void **state G_GNUC_UNUSED) {
        autofd int fd = raw_login(bus.proxy_address);
        RawMessage list = { .type = BUS_CALL,
                            .flags = 1,
                            .serial = 7,
                            .path = BUS_DRIVER_PATH,
                            .interface = BUS_DRIVER_INTERFACE,
                            .member = "ListNames",
                            .destination = BUS_DRIVER_NAME };
        uint32_t serial;

        assert_true(raw_send_message(fd, &list));
        list.member = "GetId";
        list.flags = 0;
        assert_true(raw_send_message(fd, &list));
        assert_int_equal(raw_read_reply(fd, &serial, NULL), BUS_RETURN);
        assert_int_equal(serial, 7);
        assert_int_equal(raw_read_reply(fd, &serial, NULL), 0);
}

static void test_guessed_names(void **state G_GNUC_UNUSED) {
        autofd int fd = raw_login(bus.proxy_address);
        sd_bus *stranger = test_bus_connect(&bus, bus.address);

        assert_true(sd_bus_add_filter(stranger, NULL, answer_all, NULL) >= 0);
        n_calls = 0;
        for (uint32_t i = 0; i < 100; i++) {
                g_autofree char *name = g_strdup_printf(":1.%u", i), *error = NULL;
                const char *own;
                uint8_t type;

                (void) sd_bus_get_unique_name(host, &own);
                if (strcmp(own, name) == 0)
                        continue;
                assert_true(raw_send_message(
                        fd, &(RawMessage){ CALL(BUS_CALL, 10 + i, "/a", "com.acme.A", "M", name) }));
                type = raw_read_reply(fd, NULL, &error);
                assert_int_equal(type, BUS_ERROR);
        }
        assert_int_equal(n_calls, 0);
        test_bus_disconnect(&bus, stranger);
}

/* ---- sizes ---- */

static void test_too_large(void **state G_GNUC_UNUSED) {
        autofd int fd = raw_login(bus.proxy_address);
        size_t size = 64 * 1024 * 1024;
        g_autofree char *body = g_malloc0(size), *error = NULL;
        uint32_t serial, length = GUINT32_TO_LE((uint32_t) size - 5);

        memcpy(body, &length, sizeof(length));
        memset(body + 4, 'a', size - 5);
        assert_true(raw_send_message(
                fd, &(RawMessage){ A_CALL, .signature = "s", .said_size = (uint32_t) size }));
        assert_int_equal(raw_read_reply(fd, &serial, &error), BUS_ERROR);
        assert_string_equal(error, "org.freedesktop.DBus.Error.LimitsExceeded");
        assert_true(raw_send(fd, body, size));
        assert_alive(fd, "64 MiB");
        assert_true(test_bus_was_denied(&bus, "Message of 67* bytes"));
}

/* In KiB, of /proc/PID/status. */
static unsigned proxy_memory(void) {
        g_autofree char *path = g_strdup_printf("/proc/%d/status", (int) bus.proxy_pid), *text = NULL;
        const char *at;
        unsigned size = 0;

        assert_true(g_file_get_contents(path, &text, NULL, NULL));
        at = strstr(text, "VmRSS:");
        assert_non_null(at);
        (void) sscanf(at, "VmRSS: %u", &size);
        return size;
}

/* A client that asks and never reads: it is not read from any more. */
static void test_slow_reader(void **state G_GNUC_UNUSED) {
        autofd int fd = raw_login(bus.proxy_address);
        unsigned before = proxy_memory();
        size_t n_sent = 0;

        assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
        for (uint32_t i = 0; i < 1000 * 1000; i++) {
                g_autoptr(GByteArray) message = raw_marshal(
                        &(RawMessage){ CALL(BUS_CALL, 10 + i, "/b", "com.acme.A", "M", "com.acme.Radio") });
                ssize_t n = send(fd, message->data, message->len, MSG_NOSIGNAL);

                if (n < (ssize_t) message->len) {
                        (void) test_bus_pump(&bus, NULL, 50);
                        if (send(fd, message->data, message->len, MSG_NOSIGNAL) < 0)
                                break;
                }
                n_sent += message->len;
        }
        assert_true(n_sent < 8 * 1024 * 1024);
        if (!g_getenv("ASAN_OPTIONS")) /* which keeps for a while what was freed */
                assert_true(proxy_memory() < before + 4 * 1024);
}

static void test_undeclared_descriptors(void **state G_GNUC_UNUSED) {
        autofd int fd = raw_login(bus.proxy_address);
        g_autoptr(GByteArray) bytes = raw_marshal(&(RawMessage){ A_CALL });
        union {
                struct cmsghdr header;
                char bytes[CMSG_SPACE(sizeof(int))];
        } control = { .header = { .cmsg_level = SOL_SOCKET,
                                  .cmsg_type = SCM_RIGHTS,
                                  .cmsg_len = CMSG_LEN(sizeof(int)) } };
        struct iovec iov = { bytes->data, bytes->len };
        struct msghdr message = {
                .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)
        };

        memcpy(CMSG_DATA(&control.header), &(int){ STDIN_FILENO }, sizeof(int));
        assert_true(sendmsg(fd, &message, MSG_NOSIGNAL) > 0);
        assert_true(raw_is_cut(fd));
}

static void test_many_connections(void **state G_GNUC_UNUSED) {
        int fds[300];
        unsigned n_cut = 0;

        for (size_t i = 0; i < G_N_ELEMENTS(fds); i++)
                fds[i] = raw_connect(bus.proxy_address);
        (void) test_bus_pump(&bus, NULL, 100);
        for (size_t i = 0; i < G_N_ELEMENTS(fds); i++) {
                char byte;

                if (recv(fds[i], &byte, 1, MSG_DONTWAIT) == 0)
                        n_cut++;
        }
        assert_int_equal(n_cut, G_N_ELEMENTS(fds) - 256);
        for (size_t i = 0; i < G_N_ELEMENTS(fds); i++)
                (void) close(fds[i]);
        (void) test_bus_pump(&bus, NULL, 100);
        assert_true(test_bus_was_denied(&bus, "More connections than an app may have"));
        (void) close(raw_login(bus.proxy_address));
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup(name, setup_proxy)
        const struct CMUnitTest tests[] = {
                TEST(test_auth),
                TEST(test_auth_floods),
                TEST(test_headers),
                TEST(test_pieces),
                TEST(test_not_messages),
                TEST(test_serial_reuse),
                TEST(test_unwaited_list),
                TEST(test_guessed_names),
                TEST(test_too_large),
                TEST(test_slow_reader),
                TEST(test_undeclared_descriptors),
                TEST(test_many_connections),
        };

        return cmocka_run_group_tests(tests, setup, teardown);
}
