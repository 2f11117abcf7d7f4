/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the shim tells of refusals, pending names and addresses, on a socket as the service has it
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "plan/shim-message.h"
#include "shim/report.h"
#include "tests/shim/help.h"
#include "util/cleanup.h"
#include "util/limits.h"

typedef struct Fixture {
        Loop *loop;
        ShimReport *report;
        int fds[2];   /* the shim's end, the service's */
        int send_error; /* instead of sending; 0 = send */
} Fixture;

static int send_or_fail(void *userdata, uint16_t type, WireWriter *writer) {
        Fixture *fixture = userdata;
        int r = fixture->send_error ?: wire_send(fixture->fds[0], type, 0, writer, NULL, 0);

        wire_writer_done(writer);
        return r;
}

static int set_up(void **state) {
        Fixture *fixture = g_new0(Fixture, 1);

        assert_return_code(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fixture->fds), errno);
        fixture->loop = loop_new();
        fixture->report = report_new(fixture->loop, send_or_fail, fixture);
        *state = fixture;
        return 0;
}

static int tear_down(void **state) {
        Fixture *fixture = *state;

        report_free(fixture->report);
        loop_free(fixture->loop);
        (void) fd_close(fixture->fds[0]);
        (void) fd_close(fixture->fds[1]);
        g_free(fixture);
        return 0;
}

/* The next refusal that was told; false if nothing was. */
static bool receive_denied(Fixture *fixture, ShimDenied *ret) {
        WireMessage message = WIRE_MESSAGE_NULL;
        WireReader reader;
        int r = wire_receive(fixture->fds[1], &message);

        if (r == -EAGAIN)
                return false;
        assert_int_equal(r, 1);
        assert_int_equal(message.header.type, SHIM_DENIED);
        reader = wire_reader(&message);
        assert_int_equal(shim_denied_get(&reader, ret), 0);
        wire_message_done(&message);
        return true;
}

/* The next list of @type, with commas; NULL if nothing was told. */
static char *receive_list(Fixture *fixture, uint16_t type) {
        WireMessage message = WIRE_MESSAGE_NULL;
        g_auto(GStrv) texts = NULL;
        WireReader reader;
        int r = wire_receive(fixture->fds[1], &message);

        if (r == -EAGAIN)
                return NULL;
        assert_int_equal(r, 1);
        assert_int_equal(message.header.type, type);
        reader = wire_reader(&message);
        assert_int_equal(type == SHIM_PENDING     ? shim_pending_get(&reader, &texts)
                         : type == SHIM_ADDRESSES ? shim_addresses_get(&reader, &texts)
                                                  : shim_mechanisms_get(&reader, &texts),
                         0);
        wire_message_done(&message);
        return g_strjoinv(",", texts);
}

static void expect_list(Fixture *fixture, uint16_t type, const char *expected) {
        g_autofree char *got = receive_list(fixture, type);

        if (g_strcmp0(got, expected) != 0)
                fail_msg("'%s' instead of '%s'", got ?: "nothing", expected ?: "nothing");
}

#define NAMES(...) ((char *const *) (uintptr_t) (const char *const[]){ __VA_ARGS__ __VA_OPT__(, ) NULL })

static const ShimDenied attempt = { .gateway = (char *) "network",
                                    .target = (char *) "192.0.2.1",
                                    .count = 1,
                                    .protocol = (char *) "tcp",
                                    .port = 80 };

/* An app that never stops trying fills nobody's socket, and the loop tells the rest when its time has come. */
static void test_denied(void **state) {
        Fixture *fixture = *state;
        g_auto(ShimDenied) first = { 0 }, rest = { 0 };

        for (int i = 0; i < 100000; i++)
                report_denied(fixture->report, &attempt);
        assert_true(receive_denied(fixture, &first));
        assert_int_equal(first.count, 1);
        assert_int_equal(first.port, 80);
        assert_string_equal(first.protocol, "tcp");
        assert_false(receive_denied(fixture, &rest));
        assert_int_equal(loop_run_once(fixture->loop, NULL), 0);
        assert_true(receive_denied(fixture, &rest));
        assert_int_equal(rest.count, 99999);
}

/* While nobody listens nothing is lost: it is counted with the next. */
static void test_denied_unheard(void **state) {
        Fixture *fixture = *state;
        g_auto(ShimDenied) denied = { 0 };

        fixture->send_error = -ENOTCONN;
        report_denied(fixture->report, &attempt);
        report_denied(fixture->report, &attempt);
        fixture->send_error = 0;
        assert_false(receive_denied(fixture, &denied));
        assert_int_equal(loop_run_once(fixture->loop, NULL), 0);
        assert_true(receive_denied(fixture, &denied));
        assert_int_equal(denied.count, 2);
}

static void test_pending(void **state) {
        Fixture *fixture = *state;

        report_pending(fixture->report, "network", NAMES("b.example", "a.example"));
        expect_list(fixture, SHIM_PENDING, "a.example,b.example");
        report_pending(fixture->report, "network", NAMES("b.example", "a.example"));
        expect_list(fixture, SHIM_PENDING, NULL);
        report_pending(fixture->report, "dbus", NAMES("aa"));
        expect_list(fixture, SHIM_PENDING, "a.example,aa,b.example");
        report_pending(fixture->report, "network", NAMES());
        expect_list(fixture, SHIM_PENDING, "aa");
        report_pending(fixture->report, "dbus", NAMES());
        expect_list(fixture, SHIM_PENDING, "");
}

static void test_addresses_and_repeat(void **state) {
        Fixture *fixture = *state;

        report_addresses(fixture->report, NAMES("10.197.0.2", "fd00::2"));
        expect_list(fixture, SHIM_ADDRESSES, "10.197.0.2,fd00::2");
        report_addresses(fixture->report, NAMES("10.197.0.2", "fd00::2"));
        expect_list(fixture, SHIM_ADDRESSES, NULL);
        report_pending(fixture->report, "network", NAMES("a.example"));
        expect_list(fixture, SHIM_PENDING, "a.example");
        report_mechanism(fixture->report, "wayland", "relay");
        expect_list(fixture, SHIM_MECHANISMS, "wayland: relay");
        report_mechanism(fixture->report, "wayland", "relay");
        expect_list(fixture, SHIM_MECHANISMS, NULL);
        report_mechanism(fixture->report, "firewall", "nftables");
        expect_list(fixture, SHIM_MECHANISMS, "firewall: nftables,wayland: relay");
        report_repeat(fixture->report);
        expect_list(fixture, SHIM_PENDING, "a.example");
        expect_list(fixture, SHIM_ADDRESSES, "10.197.0.2,fd00::2");
        expect_list(fixture, SHIM_MECHANISMS, "firewall: nftables,wayland: relay");
        expect_list(fixture, SHIM_MECHANISMS, NULL);
}

/* More than the service takes is not told, so that the rest is. */
static void test_too_many_pending(void **state) {
        Fixture *fixture = *state;
        g_autoptr(GPtrArray) names = g_ptr_array_new();
        g_autofree char *got = NULL;
        size_t n = 1;

        for (int i = 0; i < PENDING_MAX + 10; i++)
                g_ptr_array_add(names, (char *) "x");
        g_ptr_array_add(names, NULL);
        report_pending(fixture->report, "network", (char *const *) names->pdata);
        got = receive_list(fixture, SHIM_PENDING);
        assert_non_null(got);
        for (const char *at = got; (at = strchr(at, ',')); at++)
                n++;
        assert_int_equal(n, PENDING_MAX);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_denied, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_denied_unheard, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_pending, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_addresses_and_repeat, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_too_many_pending, set_up, tear_down),
        };

        return cmocka_run_group_tests_name("report", tests, NULL, NULL);
}
