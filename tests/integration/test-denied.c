/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a sandbox was refused, what is pending and its addresses: from the shim's socket to clients and the
 * command line
 *
 * The messages are sent through a duplicate of the shim's own socket, so that the service, its bus and everything
 * behind it are the real ones.
 */
#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "plan/shim-message.h"
#include "tests/fixture/test-client.h"
#include "tests/fixture/test-program.h"
#include "util/cleanup.h"
#include "util/limits.h"

static void prepare(TestService *service) {
        g_free(test_service_write(service, "host/file.txt", "granted\n"));
        test_service_add_bind(service, "denied.good", "host/file.txt", "/gateways/file", true);
        test_service_add_bind(service, "denied.missing", "host/no-such-file", "/gateways/missing", true);
}

/* ---- the shim's socket ---- */

static pid_t find_parent(pid_t pid) {
        g_autofree char *path = g_strdup_printf("/proc/%d/status", pid), *text = NULL;
        const char *line;

        if (!g_file_get_contents(path, &text, NULL, NULL) || !(line = strstr(text, "\nPPid:")))
                return 0;
        return (pid_t) strtol(line + strlen("\nPPid:"), NULL, 10);
}

/* A duplicate of the socket of process @pid whose other end was made by @peer, or -EBADF. */
static int steal_socket(pid_t pid, pid_t peer) {
        autofd int pidfd = pidfd_open(pid, 0);

        for (int number = 0; pidfd >= 0 && number < 256; number++) {
                autofd int fd = pidfd_getfd(pidfd, number, 0);
                struct ucred credentials;
                socklen_t size = sizeof(credentials), type_size = sizeof(int);
                int type, stolen;

                if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_size) < 0 ||
                    type != SOCK_SEQPACKET || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) < 0 ||
                    credentials.pid != peer)
                        continue;
                stolen = fd;
                fd = -EBADF;
                return stolen;
        }
        return -EBADF;
}

/* The socket on which the shim of @sandbox speaks to the service. */
static int open_shim(TestService *service, TestClient *client, const char *sandbox) {
        uint32_t leader = 0;
        int fd = -EBADF;

        if (sd_bus_get_property_trivial(test_client_get_bus(client), TEST_BUS_NAME, sandbox, TEST_SANDBOX, "Leader",
                                        NULL, 'u', &leader) < 0)
                fail_msg("No Leader");
        for (pid_t pid = find_parent((pid_t) leader); fd < 0 && pid > 1; pid = find_parent(pid))
                fd = steal_socket(pid, test_service_get_pid(service));
        assert_true(fd >= 0);
        return fd;
}

static void send_denied(int fd, const ShimDenied *denied) {
        WireWriter writer = WIRE_WRITER_NULL;
        int r;

        shim_denied_put(&writer, denied);
        do
                r = wire_send(fd, SHIM_DENIED, 0, &writer, NULL, 0);
        while (r == -EAGAIN);
        assert_return_code(r, -r);
        wire_writer_done(&writer);
}

static void send_list(int fd, uint16_t type, const char *const *texts) {
        WireWriter writer = WIRE_WRITER_NULL;

        wire_put_strings(&writer, (char *const *) (uintptr_t) texts);
        assert_return_code(wire_send(fd, type, 0, &writer, NULL, 0), errno);
        wire_writer_done(&writer);
}

/* ---- who listens ---- */

typedef struct Heard {
        unsigned n;
        uint64_t counted;
        GString *lines; /* "gateway target detail count protocol port interface member path", those told */
        sd_bus_slot *slot;
} Heard;

static int on_denied(sd_bus_message *message, void *userdata, sd_bus_error *ret_error G_GNUC_UNUSED) {
        Heard *heard = userdata;
        const char *gateway, *key, *contents;

        heard->n++;
        assert_return_code(sd_bus_message_read(message, "s", &gateway), errno);
        g_string_append(heard->lines, gateway);
        assert_true(sd_bus_message_enter_container(message, 'a', "{sv}") > 0);
        while (sd_bus_message_enter_container(message, 'e', "sv") > 0) {
                const char *text;
                uint32_t number;
                uint16_t port;

                assert_true(sd_bus_message_read(message, "s", &key) > 0);
                assert_true(sd_bus_message_peek_type(message, NULL, &contents) > 0);
                if (*contents == 's' && sd_bus_message_read(message, "v", "s", &text) > 0)
                        g_string_append_printf(heard->lines, " %s=%s", key, text);
                else if (*contents == 'q' && sd_bus_message_read(message, "v", "q", &port) > 0)
                        g_string_append_printf(heard->lines, " %s=%u", key, port);
                else if (*contents == 'u' && sd_bus_message_read(message, "v", "u", &number) > 0) {
                        g_string_append_printf(heard->lines, " %s=%u", key, number);
                        heard->counted += number;
                } else
                        fail_msg("%s is a '%s'", key, contents);
                assert_true(sd_bus_message_exit_container(message) >= 0);
        }
        g_string_append_c(heard->lines, '\n');
        return 0;
}

static Heard *hear(TestClient *client) {
        Heard *heard = g_new0(Heard, 1);

        heard->lines = g_string_new(NULL);
        assert_return_code(sd_bus_match_signal(test_client_get_bus(client), &heard->slot, TEST_BUS_NAME, NULL,
                                               TEST_SANDBOX, "Denied", on_denied, heard),
                           errno);
        return heard;
}

static void heard_free(Heard *heard) {
        sd_bus_slot_unref(heard->slot);
        g_string_free(heard->lines, TRUE);
        g_free(heard);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Heard, heard_free)

static void wait_heard(TestClient *client, const Heard *heard, unsigned n) {
        for (int i = 0; heard->n < n && i < 500; i++)
                test_client_idle(client, 10000);
        if (heard->n < n)
                fail_msg("%u of %u were told", heard->n, n);
}

static void expect_ok(int r, sd_bus_error *error) {
        test_expect_ok(r, error, "call");
        sd_bus_error_free(error);
}

static const ShimDenied message = { .gateway = (char *) "dbus",
                                    .target = (char *) "org.example.Navigation",
                                    .detail = (char *) "No rule allows it",
                                    .count = 3,
                                    .interface = (char *) "org.example.Face",
                                    .member = (char *) "Steal",
                                    .path = (char *) "/org/example" };
static const ShimDenied packet = { .gateway = (char *) "network",
                                   .target = (char *) "192.0.2.1",
                                   .count = 1,
                                   .protocol = (char *) "tcp",
                                   .port = 443 };

/* ---- the tests ---- */

/* The creator and subscribers that may see the sandbox are told, nobody else. */
static void test_who_is_told(void **state) {
        g_autoptr(TestClient) owner = test_client_new_as(*state, TEST_MEMBER_UID, TEST_MEMBER_GID);
        g_autoptr(TestClient) root = test_client_new(*state), other = test_client_new(*state);
        g_autoptr(Heard) by_owner = hear(owner), by_root = hear(root), by_other = hear(other);
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        g_autofree char *sandbox = NULL, *seen = NULL;
        g_auto(GStrv) none = NULL;
        autofd int fd = -EBADF;

        test_client_subscribe(root);
        expect_ok(test_client_create(owner, &(TestRequest){ .name = "told" }, &sandbox, &error), &error);
        none = test_client_get_strings(owner, sandbox, TEST_SANDBOX, "Pending");
        assert_null(none[0]);
        /* "65534:told", as of sd_bus_path_encode(3) */
        seen = g_strdup("/org/bulkhead/Bulkhead1/sandbox/_365534_3atold");
        fd = open_shim(*state, root, seen);
        send_denied(fd, &message);
        send_denied(fd, &packet);
        wait_heard(owner, by_owner, 2);
        wait_heard(root, by_root, 2);
        assert_string_equal(by_owner->lines->str, by_root->lines->str);
        assert_string_equal(by_owner->lines->str,
                            "dbus target=org.example.Navigation detail=No rule allows it count=3 "
                            "interface=org.example.Face member=Steal path=/org/example\n"
                            "network target=192.0.2.1 detail= count=1 protocol=tcp port=443\n");
        assert_int_equal(by_other->n, 0);
        expect_ok(test_client_stop(owner, sandbox, 0, &error), &error);
}

/* A shim that says more than it may is held to the same rate; nothing is lost from the count. */
static void test_flood(void **state) {
        g_autoptr(TestClient) client = test_client_new(*state);
        g_autoptr(Heard) heard = hear(client);
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        g_autofree char *sandbox = NULL;
        autofd int fd = -EBADF;
        unsigned n = 0;

        expect_ok(test_client_create(client, &(TestRequest){ .name = "flood" }, &sandbox, &error), &error);
        fd = open_shim(*state, client, sandbox);
        for (; n < 20000; n++) {
                char target[16];

                (void) snprintf(target, sizeof(target), "%u", n % 10);
                send_denied(fd, &(ShimDenied){ .gateway = (char *) "network", .target = target, .count = 1 });
        }
        for (int i = 0; heard->counted < n && i < 100; i++)
                test_client_idle(client, 50000);
        assert_int_equal(heard->counted, n);
        assert_in_range(heard->n, 20, 60);
        print_message("%u messages were told in %u signals\n", n, heard->n);
        expect_ok(test_client_stop(client, sandbox, 0, &error), &error);
}

/* Neither ends what the shim is for. */
static void test_nonsense(void **state) {
        g_autoptr(TestClient) client = test_client_new(*state);
        g_autoptr(Heard) heard = hear(client);
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        g_autofree char *sandbox = NULL, *huge = g_strnfill(40000, 'x');
        WireWriter half = WIRE_WRITER_NULL;
        autofd int fd = -EBADF;

        expect_ok(test_client_create(client, &(TestRequest){ .name = "nonsense" }, &sandbox, &error), &error);
        fd = open_shim(*state, client, sandbox);
        wire_put_u32(&half, 7);
        assert_return_code(wire_send(fd, SHIM_DENIED, 0, &half, NULL, 0), errno);
        assert_return_code(wire_send(fd, SHIM_PENDING, 0, &half, NULL, 0), errno);
        assert_return_code(wire_send(fd, SHIM_ADDRESSES, 0, &half, NULL, 0), errno);
        wire_writer_done(&half);
        send_list(fd, SHIM_ADDRESSES, TEST_STRV("not an address"));
        send_denied(fd, &(ShimDenied){ .gateway = (char *) "dbus", .target = (char *) "\x1b[31m\xff", .count = 1 });
        send_denied(fd, &(ShimDenied){ .gateway = (char *) "dbus", .target = huge, .count = 1 });
        wait_heard(client, heard, 2);
        assert_true(g_str_has_prefix(heard->lines->str, "dbus target=\\x1b[31m\\xff detail= count=1\n"));
        assert_in_range(heard->lines->len, DENIED_TEXT_MAX, DENIED_TEXT_MAX + 200);
        assert_int_equal(test_client_exec(client, sandbox, TEST_STRV("/bin/true"), NULL), 0);
        expect_ok(test_client_stop(client, sandbox, 0, &error), &error);
}

/* Both properties, and what PropertiesChanged tells of them to who has subscribed. */
static int on_changed(sd_bus_message *signal, void *userdata, sd_bus_error *ret_error G_GNUC_UNUSED) {
        GString *lines = userdata;
        const char *interface, *key, *text;

        if (sd_bus_message_read(signal, "s", &interface) < 0 || !g_str_equal(interface, TEST_SANDBOX) ||
            sd_bus_message_enter_container(signal, 'a', "{sv}") <= 0)
                return 0;
        while (sd_bus_message_enter_container(signal, 'e', "sv") > 0) {
                assert_true(sd_bus_message_read(signal, "s", &key) > 0);
                if (sd_bus_message_enter_container(signal, 'v', "as") > 0) {
                        g_string_append_printf(lines, "%s", key);
                        assert_true(sd_bus_message_enter_container(signal, 'a', "s") > 0);
                        while (sd_bus_message_read(signal, "s", &text) > 0)
                                g_string_append_printf(lines, " %s", text);
                        assert_true(sd_bus_message_exit_container(signal) >= 0);
                        assert_true(sd_bus_message_exit_container(signal) >= 0);
                        g_string_append_c(lines, '\n');
                } else
                        assert_true(sd_bus_message_skip(signal, "v") >= 0);
                assert_true(sd_bus_message_exit_container(signal) >= 0);
        }
        return 0;
}

static void test_lists(void **state) {
        g_autoptr(TestClient) client = test_client_new(*state);
        g_autoptr(GString) changes = g_string_new(NULL);
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        g_autofree char *sandbox = NULL;
        g_auto(GStrv) addresses = NULL, pending = NULL;
        sd_bus_slot *slot = NULL;
        autofd int fd = -EBADF;

        expect_ok(test_client_create(client, &(TestRequest){ .name = "lists" }, &sandbox, &error), &error);
        assert_return_code(sd_bus_match_signal(test_client_get_bus(client), &slot, TEST_BUS_NAME, sandbox,
                                               "org.freedesktop.DBus.Properties", "PropertiesChanged", on_changed,
                                               changes),
                           errno);
        fd = open_shim(*state, client, sandbox);
        send_list(fd, SHIM_PENDING, TEST_STRV("a.example", "b.example"));
        send_list(fd, SHIM_ADDRESSES, TEST_STRV("10.197.0.2", "fd00::2"));
        send_list(fd, SHIM_PENDING, (const char *const[]){ NULL });
        for (int i = 0; !strstr(changes->str, "Pending\n") && i < 500; i++)
                test_client_idle(client, 10000);
        assert_string_equal(changes->str, "Pending a.example b.example\nAddresses 10.197.0.2 fd00::2\nPending\n");
        addresses = test_client_get_strings(client, sandbox, TEST_SANDBOX, "Addresses");
        assert_int_equal(g_strv_length(addresses), 2);
        assert_string_equal(addresses[1], "fd00::2");
        pending = test_client_get_strings(client, sandbox, TEST_SANDBOX, "Pending");
        assert_int_equal(g_strv_length(pending), 0);
        sd_bus_slot_unref(slot);
        expect_ok(test_client_stop(client, sandbox, 0, &error), &error);
}

/* ---- the command line ---- */

static json_t *parse(const char *text) {
        json_error_t error;
        json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, &error);

        if (!json)
                fail_msg("Not JSON: %s: %s", error.text, text);
        return json;
}

static const char *get_string(const json_t *object, const char *key) {
        return json_string_value(json_object_get(object, key)) ?: "";
}

static char *run(TestService *service, const char *const *argv, int status) {
        g_auto(TestResult) result = { 0 };

        test_bulkhead(service, argv, NULL, &result);
        if (result.status != status)
                fail_msg("%s: status %d: %s%s", argv[0], result.status, result.output, result.errors);
        return g_steal_pointer(&result.output);
}

/* Attempts, capabilities that somebody else's word refused, mounts by hand; the newest DENIED_KEPT_MAX. */
static void test_status(void **state) {
        g_autoptr(TestClient) client = test_client_new(*state);
        g_autoptr(Heard) heard = hear(client);
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        g_autofree char *sandbox = NULL, *json_text = NULL, *text = NULL, *many_text = NULL;
        g_autofree char *source = test_service_path(*state, "host/file.txt");
        g_autofree char *mount = g_strconcat(source, ":/run/by-hand", NULL);
        json_t *status, *refused, *row;
        autofd int fd = -EBADF;

        expect_ok(test_client_create(client, &(TestRequest){ .name = "status" }, &sandbox, &error), &error);
        fd = open_shim(*state, client, sandbox);
        send_denied(fd, &message);
        send_denied(fd, &packet);
        wait_heard(client, heard, 2);
        g_free(run(*state, TEST_STRV("mount", "status", mount), 0));
        g_free(run(*state, TEST_STRV("grant", "status", "denied.good"), 0));
        g_free(run(*state, TEST_STRV("grant", "status", "denied.missing"), 1));
        g_free(run(*state, TEST_STRV("grant", "status", "denied.unknown"), 1));

        json_text = run(*state, TEST_STRV("status", "status", "--json"), 0);
        status = parse(json_text);
        assert_null(json_object_get(status, "Refused"));
        refused = json_object_get(status, "refused");
        assert_int_equal(json_array_size(refused), 4);
        row = json_array_get(refused, 0);
        assert_string_equal(get_string(row, "gateway"), "dbus");
        assert_string_equal(get_string(row, "target"), "org.example.Navigation");
        assert_string_equal(get_string(row, "member"), "Steal");
        assert_int_equal(json_integer_value(json_object_get(row, "count")), 3);
        assert_true(json_integer_value(json_object_get(row, "time")) > 0);
        row = json_array_get(refused, 1);
        assert_int_equal(json_integer_value(json_object_get(row, "port")), 443);
        row = json_array_get(refused, 2);
        assert_string_equal(get_string(row, "capability"), "denied.missing");
        assert_string_equal(get_string(row, "gateway"), "file");
        assert_non_null(strstr(get_string(row, "text"), "no-such-file"));
        assert_string_equal(get_string(json_array_get(refused, 3), "capability"), "denied.unknown");
        row = json_array_get(json_object_get(status, "Mounts"), 0);
        assert_string_equal(json_string_value(json_array_get(row, 0)), source);
        assert_string_equal(json_string_value(json_array_get(row, 1)), "/run/by-hand");
        json_decref(status);

        text = run(*state, TEST_STRV("status", "status"), 0);
        assert_non_null(strstr(text, "Was refused:"));
        assert_non_null(strstr(text, "org.example.Navigation /org/example org.example.Face Steal"));
        assert_non_null(strstr(text, "192.0.2.1 tcp 443"));
        assert_non_null(strstr(text, "Mounted by hand:"));

        for (int i = 0; i < DENIED_KEPT_MAX; i++)
                g_free(run(*state, TEST_STRV("grant", "status", "denied.unknown"), 1));
        many_text = run(*state, TEST_STRV("status", "status", "--json"), 0);
        status = parse(many_text);
        refused = json_object_get(status, "refused");
        assert_int_equal(json_array_size(refused), DENIED_KEPT_MAX);
        assert_string_equal(get_string(json_array_get(refused, 0), "capability"), "denied.unknown");
        json_decref(status);
        expect_ok(test_client_stop(client, sandbox, 0, &error), &error);
}

/* The next event of @child that is @name; those before it are passed over. */
static json_t *next_event(TestChild *child, const char *name) {
        g_autoptr(GString) line = g_string_new(NULL);
        char c;

        while (read(child->output_fd, &c, 1) == 1) {
                g_string_append_c(line, c);
                if (c == '\n') {
                        json_t *event = parse(line->str);

                        if (g_str_equal(get_string(event, "event"), name))
                                return event;
                        json_decref(event);
                        g_string_truncate(line, 0);
                }
        }
        fail_msg("No event '%s'", name);
        return NULL;
}

static void test_events(void **state) {
        g_autoptr(TestClient) client = test_client_new(*state);
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        g_autofree char *sandbox = NULL;
        g_auto(TestResult) result = { 0 };
        TestChild child;
        json_t *event;
        autofd int fd = -EBADF;

        expect_ok(test_client_create(client, &(TestRequest){ .name = "events" }, &sandbox, &error), &error);
        fd = open_shim(*state, client, sandbox);
        test_child_start(*state, TEST_STRV("events", "--json"), &child);
        /* Whether it has subscribed by now can be seen from outside only by what it tells. */
        for (struct pollfd ready = { .fd = child.output_fd, .events = POLLIN }; poll(&ready, 1, 100) == 0;)
                send_denied(fd, &packet);
        event = next_event(&child, "denied");
        assert_string_equal(get_string(event, "sandbox"), "events");
        assert_string_equal(get_string(event, "gateway"), "network");
        assert_string_equal(get_string(event, "target"), "192.0.2.1");
        assert_string_equal(get_string(event, "protocol"), "tcp");
        assert_int_equal(json_integer_value(json_object_get(event, "port")), 443);
        json_decref(event);
        send_denied(fd, &message);
        do {
                event = next_event(&child, "denied");
                if (g_str_equal(get_string(event, "gateway"), "dbus"))
                        break;
                json_decref(event);
        } while (true);
        assert_string_equal(get_string(event, "object-path"), "/org/example");
        assert_string_equal(get_string(event, "path"), sandbox);
        assert_int_equal(json_integer_value(json_object_get(event, "count")), 3);
        json_decref(event);
        send_list(fd, SHIM_PENDING, TEST_STRV("a.example"));
        send_list(fd, SHIM_ADDRESSES, TEST_STRV("10.197.0.2"));
        event = next_event(&child, "pending");
        assert_string_equal(json_string_value(json_array_get(json_object_get(event, "pending"), 0)), "a.example");
        json_decref(event);
        event = next_event(&child, "addresses");
        assert_string_equal(json_string_value(json_array_get(json_object_get(event, "addresses"), 0)),
                            "10.197.0.2");
        json_decref(event);
        expect_ok(test_client_stop(client, sandbox, 0, &error), &error);
        json_decref(next_event(&child, "gone"));
        (void) kill(child.pid, SIGTERM);
        test_child_finish(&child, NULL, 0, &result);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                test_case(test_who_is_told),
                test_case(test_flood),
                test_case(test_nonsense),
                test_case(test_lists),
                test_case(test_status),
                test_case(test_events),
                cmocka_unit_test(test_nothing_is_left),
        };

        return test_main("denied", prepare, tests, G_N_ELEMENTS(tests));
}
