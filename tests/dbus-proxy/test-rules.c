/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Every form of a rule in both directions, on a real bus: what passes, what does not, and what is told
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "tests/dbus-proxy/test-bus.h"

#define DENIED  "org.freedesktop.DBus.Error.AccessDenied"
#define UNKNOWN "org.freedesktop.DBus.Error.ServiceUnknown"

/* The host's side owns these. */
#define RADIO  "com.acme.Radio"
#define HIDDEN "com.hidden.Service"

static TestBus bus;
static sd_bus *host;     /* on the bus itself */
static sd_bus *app;      /* behind the proxy */
static sd_bus *listener; /* whose signals are counted */
static unsigned n_heard;
static bool is_heard;

/* Answers every call, and counts signals. */
static int answer_all(sd_bus_message *message, void *userdata G_GNUC_UNUSED,
                      sd_bus_error *error G_GNUC_UNUSED) {
        const char *interface = sd_bus_message_get_interface(message);

        if (sd_bus_message_is_method_call(message, NULL, NULL))
                return sd_bus_reply_method_return(message, "s", "here");
        if (sd_bus_message_is_signal(message, NULL, NULL) && sd_bus_message_get_bus(message) == listener &&
            g_str_has_prefix(interface, "com.")) {
                n_heard++;
                is_heard = true;
        }
        return 0;
}

static int setup(void **state G_GNUC_UNUSED) {
        test_bus_start(&bus);
        host = test_bus_connect(&bus, bus.address);
        assert_true(sd_bus_add_filter(host, NULL, answer_all, NULL) >= 0);
        assert_true(sd_bus_request_name(host, RADIO, 0) >= 0);
        assert_true(sd_bus_request_name(host, HIDDEN, 0) >= 0);
        return 0;
}

static int teardown(void **state G_GNUC_UNUSED) {
        test_bus_stop(&bus);
        return 0;
}

static void enter(const char *const *rules) {
        test_bus_start_proxy(&bus, rules);
        app = test_bus_connect(&bus, bus.proxy_address);
        assert_true(sd_bus_add_filter(app, NULL, answer_all, NULL) >= 0);
        g_ptr_array_set_size(bus.denied, 0);
}

static void leave(void) {
        test_bus_disconnect(&bus, app);
        test_bus_stop_proxy(&bus);
}

static const char *host_unique(void) {
        const char *name;

        assert_true(sd_bus_get_unique_name(host, &name) >= 0);
        return name;
}

static char *call(sd_bus *from, const char *to, const char *path, const char *interface, const char *member) {
        sd_bus_message *message = NULL;

        assert_true(sd_bus_message_new_method_call(from, &message, to, path, interface, member) >= 0);
        return test_bus_call(&bus, from, message, NULL);
}

/* ---- calls of the app ---- */

typedef struct CallCase {
        const char *rule;
        const char *to, *path, *interface, *member; /* @to "unique" is the host's unique name */
        const char *error;                          /* NULL = passes */
} CallCase;

static const CallCase outgoing_cases[] = {
#define OUT "talk outgoing name "
        { OUT RADIO " interface com.acme.Radio1 path /com/acme/Radio member Tune", RADIO, "/com/acme/Radio",
          "com.acme.Radio1", "Tune", NULL },
        { OUT RADIO " interface com.acme.Radio1 path /com/acme/Radio member Tune", RADIO, "/com/acme/Radio",
          "com.acme.Radio1", "Tuned", DENIED },
        { OUT RADIO " interface com.acme.Radio1 path /com/acme/Radio member Tune", RADIO, "/com/acme/Radio",
          "com.acme.Radio2", "Tune", DENIED },
        { OUT RADIO " interface com.acme.Radio1 path /com/acme/Radio member Tune", RADIO, "/com/acme/Radio2",
          "com.acme.Radio1", "Tune", DENIED },
        { OUT RADIO " interface com.acme.Radio1 path /com/acme/Radio member Tune", HIDDEN, "/com/acme/Radio",
          "com.acme.Radio1", "Tune", UNKNOWN },
        /* members: a list, globs */
        { OUT RADIO " interface * path * member Tune,Get*", RADIO, "/a", "com.acme.A", "GetVolume", NULL },
        { OUT RADIO " interface * path * member Tune,Get*", RADIO, "/a", "com.acme.A", "Tune", NULL },
        { OUT RADIO " interface * path * member Tune,Get*", RADIO, "/a", "com.acme.A", "SetVolume", DENIED },
        { OUT RADIO " interface * path * member Ge?", RADIO, "/a", "com.acme.A", "Get", NULL },
        { OUT RADIO " interface * path * member Ge?", RADIO, "/a", "com.acme.A", "Gett", DENIED },
        /* globs of the others */
        { OUT "com.acme.* interface com.acme.Radio? path /com/* member *", RADIO, "/com/x/y",
          "com.acme.Radio9", "A", NULL },
        { OUT "com.acme.* interface com.acme.Radio? path /com/* member *", RADIO, "/org", "com.acme.Radio9",
          "A", DENIED },
        { OUT "com.acme.* interface com.acme.Radio? path /com/* member *", HIDDEN, "/com/x",
          "com.acme.Radio9", "A", UNKNOWN },
        { OUT "*.Radio interface * path * member *", RADIO, "/", "com.acme.A", "A", NULL },
        /* every name, as in manifests without bus-name */
        { OUT "* interface com.acme.A path * member *", HIDDEN, "/", "com.acme.A", "A", NULL },
        { OUT "* interface com.acme.A path * member *", HIDDEN, "/", "com.acme.B", "A", DENIED },
        /* by unique name: of an owner of an allowed name, and of nobody that is known */
        { OUT RADIO " interface * path * member *", "unique", "/", "com.acme.A", "A", NULL },
        { OUT "com.acme.Other interface * path * member *", "unique", "/", "com.acme.A", "A", UNKNOWN },
        { OUT "* interface * path * member *", "unique", "/", "com.acme.A", "A", NULL },
        /* without an interface: only where every one is allowed */
        { OUT RADIO " interface * path * member *", RADIO, "/", NULL, "A", NULL },
        { OUT RADIO " interface com.acme.A path * member *", RADIO, "/", NULL, "A", DENIED },
        { OUT RADIO " interface com.* path * member *", RADIO, "/", NULL, "A", DENIED },
        /* the other direction, and both */
        { "talk incoming name " RADIO " interface * path * member *", RADIO, "/", "com.acme.A", "A", DENIED },
        { "talk both name " RADIO " interface * path * member *", RADIO, "/", "com.acme.A", "A", NULL },
        /* what implies nothing else */
        { "own " RADIO, RADIO, "/", "com.acme.A", "A", DENIED },
        { "own com.acme.Other", RADIO, "/", "com.acme.A", "A", UNKNOWN },
        /* standard interfaces are like any other */
        { OUT RADIO " interface com.acme.A path * member *", RADIO, "/", "org.freedesktop.DBus.Properties",
          "GetAll", DENIED },
        { OUT RADIO " interface com.acme.A path * member *", RADIO, "/", "org.freedesktop.DBus", "ListNames",
          DENIED },
};

static void test_outgoing_calls(void **state G_GNUC_UNUSED) {
        for (size_t i = 0; i < G_N_ELEMENTS(outgoing_cases); i++) {
                const CallCase *c = &outgoing_cases[i];
                g_autofree char *error = NULL;

                enter((const char *const[]){ c->rule, NULL });
                error = call(app, strcmp(c->to, "unique") == 0 ? host_unique() : c->to, c->path, c->interface,
                             c->member);
                if (g_strcmp0(error, c->error) != 0)
                        fail_msg("%s; %s %s %s.%s: %s, expected %s", c->rule, c->to, c->path, c->interface,
                                 c->member, error ?: "success", c->error ?: "success");
                if (c->error)
                        assert_true(test_bus_was_denied(&bus, "No rule: session talk outgoing name *"));
                leave();
        }
}

/* ---- calls of others ---- */

static const CallCase incoming_cases[] = {
#define IN "talk incoming name "
        { IN "* interface com.acme.App1 path /app member Show", NULL, "/app", "com.acme.App1", "Show", NULL },
        { IN "* interface com.acme.App1 path /app member Show", NULL, "/app", "com.acme.App1", "Hide",
          DENIED },
        { IN "* interface com.acme.App1 path /app member Show", NULL, "/app", "com.acme.App2", "Show",
          DENIED },
        { IN "* interface com.acme.App1 path /app member Show", NULL, "/ap", "com.acme.App1", "Show",
          DENIED },
        { IN "* interface com.acme.App1 path /app member Show", NULL, "/app", NULL, "Show", DENIED },
        { IN "* interface * path * member *", NULL, "/app", NULL, "Show", NULL },
        { IN RADIO " interface * path * member *", NULL, "/app", "com.acme.App1", "Show", NULL },
        { IN "com.other.* interface * path * member *", NULL, "/app", "com.acme.App1", "Show", DENIED },
        { OUT "* interface * path * member *", NULL, "/app", "com.acme.App1", "Show", DENIED },
        { "talk both name * interface * path * member S*", NULL, "/app", "com.acme.App1", "Show", NULL },
        { "own com.acme.App", NULL, "/app", "com.acme.App1", "Show", DENIED },
};

static void test_incoming_calls(void **state G_GNUC_UNUSED) {
        for (size_t i = 0; i < G_N_ELEMENTS(incoming_cases); i++) {
                const CallCase *c = &incoming_cases[i];
                g_autofree char *error = NULL;
                const char *unique;

                enter((const char *const[]){ c->rule, NULL });
                assert_true(sd_bus_get_unique_name(app, &unique) >= 0);
                error = call(host, unique, c->path, c->interface, c->member);
                if (g_strcmp0(error, c->error) != 0)
                        fail_msg("%s; %s %s.%s: %s, expected %s", c->rule, c->path, c->interface, c->member,
                                 error ?: "success", c->error ?: "success");
                if (c->error)
                        assert_true(test_bus_was_denied(&bus, "No rule: session talk incoming name :*"));
                leave();
        }
}

/* ---- signals ---- */

typedef struct SignalCase {
        const char *rule;
        const char *interface;
        bool is_unicast;
        bool is_heard;
} SignalCase;

static const SignalCase outgoing_signals[] = {
        { OUT "* interface com.acme.App path /app member Changed", "com.acme.App", false, true },
        { OUT "* interface com.acme.App path /app member Other", "com.acme.App", false, false },
        { OUT "* interface com.acme.App path /app member Changed", "com.acme.Other", false, false },
        /* everybody hears a broadcast: a rule for one name does not allow it */
        { OUT RADIO " interface * path * member *", "com.acme.App", false, false },
        { OUT RADIO " interface * path * member *", "com.acme.App", true, true },
        { OUT "com.other.A interface * path * member *", "com.acme.App", true, false },
        { IN "* interface * path * member *", "com.acme.App", false, false },
};

static const SignalCase incoming_signals[] = {
        { IN "* interface com.acme.App path /app member Changed", "com.acme.App", false, true },
        { IN "* interface com.acme.App path /app member Changed", "com.acme.Other", false, false },
        { IN RADIO " interface * path * member *", "com.acme.App", false, true },
        { IN RADIO " interface * path * member *", "com.acme.App", true, true },
        { IN "com.other.A interface * path * member *", "com.acme.App", false, false },
        { IN "com.other.A interface * path * member *", "com.acme.App", true, false },
        { OUT "* interface * path * member *", "com.acme.App", false, false },
};

static void emit(sd_bus *from, const char *to, const char *interface) {
        sd_bus_message *message = NULL;

        assert_true(sd_bus_message_new_signal(from, &message, "/app", interface, "Changed") >= 0);
        if (to)
                assert_true(sd_bus_message_set_destination(message, to) >= 0);
        assert_true(sd_bus_send(from, message, NULL) >= 0);
        sd_bus_message_unref(message);
}

static void check_signal(const SignalCase *c, sd_bus *from, sd_bus *to) {
        g_autofree char *error = NULL;
        const char *unique;

        assert_true(sd_bus_add_match(to, NULL, "type='signal',path='/app'", NULL, NULL) >= 0);
        assert_true(sd_bus_get_unique_name(to, &unique) >= 0);
        listener = to;
        n_heard = 0;
        is_heard = false;
        emit(from, c->is_unicast ? unique : NULL, c->interface);
        /* what follows it was behind it all the way */
        error = call(from, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "GetId");
        assert_null(error);
        error = call(to, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "GetId");
        assert_null(error);
        if (c->is_heard)
                (void) test_bus_pump(&bus, &is_heard, 2000);
        if (n_heard != (c->is_heard ? 1 : 0))
                fail_msg("%s; %s: heard %u times", c->rule, c->interface, n_heard);
        if (!c->is_heard)
                assert_true(test_bus_was_denied(&bus, "No rule: session talk *"));
}

static void test_outgoing_signals(void **state G_GNUC_UNUSED) {
        for (size_t i = 0; i < G_N_ELEMENTS(outgoing_signals); i++) {
                enter((const char *const[]){ outgoing_signals[i].rule, NULL });
                check_signal(&outgoing_signals[i], app, host);
                leave();
        }
}

static void test_incoming_signals(void **state G_GNUC_UNUSED) {
        for (size_t i = 0; i < G_N_ELEMENTS(incoming_signals); i++) {
                enter((const char *const[]){ incoming_signals[i].rule, NULL });
                check_signal(&incoming_signals[i], host, app);
                leave();
        }
}

/* ---- rules that change ---- */

static void test_live_rules(void **state G_GNUC_UNUSED) {
        const char *const none[] = { NULL },
                          *const radio[] = { OUT RADIO " interface * path * member *", NULL },
                          *const all[] = { OUT "* interface * path * member *", NULL };
        char *error;

        enter(none);
        error = call(app, RADIO, "/", "com.acme.A", "A");
        assert_string_equal(error, UNKNOWN);
        g_free(error);
        for (int i = 0; i < 3; i++) {
                test_bus_set_rules(&bus, radio);
                error = call(app, RADIO, "/", "com.acme.A", "A");
                assert_null(error);
                error = call(app, HIDDEN, "/", "com.acme.A", "A");
                assert_string_equal(error, UNKNOWN);
                g_free(error);
                test_bus_set_rules(&bus, all);
                error = call(app, HIDDEN, "/", "com.acme.A", "A");
                assert_null(error);
                test_bus_set_rules(&bus, none);
                error = call(app, RADIO, "/", "com.acme.A", "A");
                assert_string_equal(error, UNKNOWN);
                g_free(error);
        }
        leave();
}

/* A name that comes and goes: the rule is about whoever has it now. */
static void test_owner_changes(void **state G_GNUC_UNUSED) {
        sd_bus *other = test_bus_connect(&bus, bus.address);
        const char *unique;
        char *error;

        assert_true(sd_bus_add_filter(other, NULL, answer_all, NULL) >= 0);
        assert_true(sd_bus_get_unique_name(other, &unique) >= 0);
        enter((const char *const[]){ OUT "com.acme.Late interface * path * member *", NULL });
        for (int i = 0; i < 5; i++) {
                error = call(app, unique, "/", "com.acme.A", "A");
                /* once it has answered, its name is no secret */
                assert_string_equal(error, i == 0 ? UNKNOWN : DENIED);
                g_free(error);
                assert_true(sd_bus_request_name(other, "com.acme.Late", 0) >= 0);
                assert_null(call(app, unique, "/", "com.acme.A", "A"));
                assert_true(sd_bus_release_name(other, "com.acme.Late") >= 0);
                /* a name that has an owner no more: until the bus has said so, it is as it was */
                (void) test_bus_pump(&bus, NULL, 20);
        }
        leave();
        test_bus_disconnect(&bus, other);
}

static void test_bus_goes(void **state G_GNUC_UNUSED) {
        g_autofree char *path = g_build_filename(bus.folder, "bus", NULL),
                        *away = g_strconcat(path, "2", NULL);
        sd_bus *client = NULL;

        enter((const char *const[]){ OUT RADIO " interface * path * member *", NULL });
        assert_int_equal(rename(path, away), 0);
        assert_true(sd_bus_new(&client) >= 0);
        assert_true(sd_bus_set_address(client, bus.proxy_address) >= 0);
        assert_true(sd_bus_set_bus_client(client, true) >= 0);
        /* the connection fails, not the proxy */
        if (sd_bus_start(client) >= 0)
                assert_true(sd_bus_get_unique_name(client, &(const char *){ NULL }) < 0);
        sd_bus_unref(client);
        (void) test_bus_pump(&bus, NULL, 50);
        assert_int_equal(bus.warnings->len, 1);
        assert_int_equal(rename(away, path), 0);
        assert_null(call(app, RADIO, "/", "com.acme.A", "A"));
        client = test_bus_connect(&bus, bus.proxy_address);
        assert_null(call(client, RADIO, "/", "com.acme.A", "A"));
        test_bus_disconnect(&bus, client);
        leave();
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_outgoing_calls),   cmocka_unit_test(test_incoming_calls),
                cmocka_unit_test(test_outgoing_signals), cmocka_unit_test(test_incoming_signals),
                cmocka_unit_test(test_live_rules),       cmocka_unit_test(test_owner_changes),
                cmocka_unit_test(test_bus_goes),
        };

        return cmocka_run_group_tests(tests, setup, teardown);
}
