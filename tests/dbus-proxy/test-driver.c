/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What an app may ask the bus itself, and which names it sees
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "tests/dbus-proxy/test-bus.h"

#define DBUS     "org.freedesktop.DBus"
#define PATH     "/org/freedesktop/DBus"
#define DENIED   "org.freedesktop.DBus.Error.AccessDenied"
#define UNKNOWN  "org.freedesktop.DBus.Error.ServiceUnknown"
#define NO_OWNER "org.freedesktop.DBus.Error.NameHasNoOwner"
#define INVALID  "org.freedesktop.DBus.Error.InvalidArgs"

static TestBus bus;
static sd_bus *host, *app;

static int setup(void **state G_GNUC_UNUSED) {
        test_bus_start(&bus);
        host = test_bus_connect(&bus, bus.address);
        assert_true(sd_bus_request_name(host, "com.acme.Radio", 0) >= 0);
        test_bus_start_proxy(
                &bus,
                (const char *const[]){
                        "talk outgoing name com.acme.* interface * path * member *", "own com.acme.app.*",
                        "talk incoming name * interface com.acme.Served1 path * member *",
                        "talk incoming name * interface com.x.* path /com/acme/Pathed member *",
                        "talk incoming name com.hidden.But interface com.acme.Nope path * member *", NULL });
        return 0;
}

static int teardown(void **state G_GNUC_UNUSED) {
        test_bus_stop(&bus);
        return 0;
}

static int connect_app(void **state G_GNUC_UNUSED) {
        app = test_bus_connect(&bus, bus.proxy_address);
        return 0;
}

static int disconnect_app(void **state G_GNUC_UNUSED) {
        test_bus_disconnect(&bus, app);
        return 0;
}

static char *ask(const char *interface, const char *member, const char *types, ...) {
        sd_bus_message *message = NULL;
        va_list args;

        assert_true(sd_bus_message_new_method_call(app, &message, DBUS, PATH, interface, member) >= 0);
        va_start(args, types);
        assert_true(sd_bus_message_appendv(message, types, args) >= 0);
        va_end(args);
        return test_bus_call(&bus, app, message, NULL);
}

static void assert_answer(char *error, const char *expected, const char *what) {
        if (g_strcmp0(error, expected) != 0)
                fail_msg("%s: %s, expected %s", what, error ?: "success", expected ?: "success");
        g_free(error);
}

/* The names are not the same for all tests: rules without a bus name make everything visible, so these have
 * none. */
static void test_names(void **state G_GNUC_UNUSED) {
        static const struct {
                const char *member, *name, *error;
        } cases[] = {
                { "GetNameOwner", "com.acme.Radio", NULL },
                { "GetNameOwner", "com.acme.Nobody", NO_OWNER },
                { "GetNameOwner", DBUS, NULL },
                { "GetConnectionUnixUser", "com.acme.Radio", NULL },
                { "GetConnectionCredentials", "com.acme.Radio", NULL },
                { "ListQueuedOwners", "com.acme.Radio", NULL },
                { "ReleaseName", "com.acme.app.A", NULL },
                { "ReleaseName", "com.acme.Radio", DENIED },
                { "GetNameOwner", "not a name", NO_OWNER },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
                assert_answer(ask(DBUS, cases[i].member, "s", cases[i].name), cases[i].error,
                              cases[i].member);
}

static void test_refused(void **state G_GNUC_UNUSED) {
        assert_answer(ask("org.freedesktop.DBus.Monitoring", "BecomeMonitor", "asu", 0, 0), DENIED,
                      "BecomeMonitor");
        assert_answer(ask(NULL, "BecomeMonitor", "asu", 0, 0), DENIED, "BecomeMonitor without an interface");
        assert_answer(ask(DBUS, "UpdateActivationEnvironment", "a{ss}", 0), DENIED,
                      "UpdateActivationEnvironment");
        assert_answer(ask(DBUS, "ReloadConfig", ""), DENIED, "ReloadConfig");
        assert_answer(ask("org.freedesktop.DBus.Debug.Stats", "GetStats", ""), DENIED, "GetStats");
        assert_answer(ask("org.freedesktop.DBus.Properties", "Set", "ssv", "a.b", "c", "s", "d"), DENIED,
                      "Set");
        assert_answer(ask("org.freedesktop.DBus.Peer", "ListNames", ""), DENIED,
                      "ListNames of another interface");
        assert_answer(ask(DBUS, "GetNameOwner", "u", 1), INVALID, "GetNameOwner of a number");
        assert_answer(ask(DBUS, "RequestName", "s", "com.acme.app.A"), INVALID, "RequestName without flags");
        assert_answer(ask(DBUS, "Hello", ""), "org.freedesktop.DBus.Error.Failed", "a second Hello");
        assert_answer(ask("org.freedesktop.DBus.Peer", "Ping", ""), NULL, "Ping");
        assert_answer(ask("org.freedesktop.DBus.Introspectable", "Introspect", ""), NULL, "Introspect");
        assert_answer(ask("org.freedesktop.DBus.Properties", "GetAll", "s", DBUS), NULL, "GetAll");
        assert_answer(ask(NULL, "GetId", ""), NULL, "GetId without an interface");
        assert_true(test_bus_was_denied(&bus, "Never for an app: *BecomeMonitor"));
}

static void test_own(void **state G_GNUC_UNUSED) {
        static const struct {
                const char *name, *error;
        } cases[] = {
                { "com.acme.app.A", NULL },
                { "com.acme.app", DENIED },
                { "com.acme.Radio2", DENIED },
                { "org.freedesktop.login1", DENIED },
                /* by rules that let everybody call the app */
                { "com.acme.Served", NULL },
                { "com.acme.Served1", NULL },
                { "com.acme.Served2", DENIED },
                { "com.acme.Pathed", NULL },
                { "com.x.Service", NULL },
                /* a rule with a bus name is about somebody else */
                { "com.acme.Nope", DENIED },
                { "com.hidden.But", DENIED },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
                assert_answer(ask(DBUS, "RequestName", "su", cases[i].name, 4), cases[i].error,
                              cases[i].name);
        assert_true(test_bus_was_denied(&bus, "No rule: session own org.freedesktop.login1"));
}

static void test_matches(void **state G_GNUC_UNUSED) {
        static const struct {
                const char *rule, *error;
        } cases[] = {
                { "type='signal',sender='com.acme.Radio'", NULL },
                { "", NULL },
                { "eavesdrop='true'", DENIED },
                { "type='signal',eavesdrop=tr'ue'", DENIED },
                { "eavesdrop=true,interface='com.acme.A'", DENIED },
                { "eavesdrop='false'", NULL },
                { "type='method_call'", DENIED },
                { "type='signal',type='method_call'", DENIED },
                { "type='signal',type='signal'", "org.freedesktop.DBus.Error.MatchRuleInvalid" },
                { "nonsense='a'", "org.freedesktop.DBus.Error.MatchRuleInvalid" },
                { "interface='a'b", "org.freedesktop.DBus.Error.MatchRuleInvalid" },
                { "interface='com.acme.A", "org.freedesktop.DBus.Error.MatchRuleInvalid" },
                { "arg0='it'\\''s, a test',arg63path='/a/'", NULL },
                { "arg64='a'", "org.freedesktop.DBus.Error.MatchRuleInvalid" },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
                assert_answer(ask(DBUS, "AddMatch", "s", cases[i].rule), cases[i].error, cases[i].rule);
        /* taken back as it was given, however it was written */
        assert_answer(ask(DBUS, "RemoveMatch", "s", "sender=com.acme.Radio"), NULL, "RemoveMatch");
        assert_answer(ask(DBUS, "RemoveMatch", "s", "sender=com.acme.Radio"),
                      "org.freedesktop.DBus.Error.MatchRuleNotFound", "RemoveMatch again");
        assert_true(test_bus_was_denied(&bus, "Match rule that eavesdrops"));
}

static void test_many_matches(void **state G_GNUC_UNUSED) {
        for (int i = 0; i < 1024; i++)
                assert_answer(ask(DBUS, "AddMatch", "s", "member='A'"), NULL, "AddMatch");
        assert_answer(ask(DBUS, "AddMatch", "s", "member='A'"), "org.freedesktop.DBus.Error.LimitsExceeded",
                      "the last");
        assert_answer(ask(DBUS, "RemoveMatch", "s", "member='A'"), NULL, "RemoveMatch");
        assert_answer(ask(DBUS, "AddMatch", "s", "member='A'"), NULL, "AddMatch");
}

/* ---- with rules that do not speak of all names ---- */

static int setup_narrow(void **state) {
        (void) setup(state);
        assert_true(sd_bus_request_name(host, "com.hidden.Service", 0) >= 0);
        test_bus_start_proxy(
                &bus, (const char *const[]){ "talk outgoing name com.acme.* interface * path * member *",
                                             "talk incoming name com.heard.* interface * path * member *",
                                             "own com.mine.A", NULL });
        return 0;
}

static GPtrArray *list(const char *member) {
        GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
        sd_bus_message *message = NULL, *reply = NULL;
        const char *name;

        assert_true(sd_bus_message_new_method_call(app, &message, DBUS, PATH, DBUS, member) >= 0);
        assert_null(test_bus_call(&bus, app, message, &reply));
        assert_true(sd_bus_message_enter_container(reply, 'a', "s") > 0);
        while (sd_bus_message_read(reply, "s", &name) > 0)
                g_ptr_array_add(names, g_strdup(name));
        sd_bus_message_unref(reply);
        return names;
}

static bool has(GPtrArray *names, const char *name) {
        return g_ptr_array_find_with_equal_func(names, name, g_str_equal, NULL);
}

static void test_hidden_lists(void **state G_GNUC_UNUSED) {
        sd_bus *stranger = test_bus_connect(&bus, bus.address);
        g_autoptr(GPtrArray) names = NULL, startable = NULL;
        const char *own, *host_name, *stranger_name;

        (void) sd_bus_get_unique_name(app, &own);
        (void) sd_bus_get_unique_name(host, &host_name);
        (void) sd_bus_get_unique_name(stranger, &stranger_name);
        names = list("ListNames");
        startable = list("ListActivatableNames");
        assert_true(has(names, DBUS) && has(names, "com.acme.Radio") && has(names, own) &&
                    has(names, host_name));
        assert_false(has(names, "com.hidden.Service"));
        assert_false(has(names, stranger_name));
        assert_true(has(startable, "com.acme.Activatable"));
        assert_false(has(startable, "com.hidden.Activatable"));
        test_bus_disconnect(&bus, stranger);
}

static void test_hidden_names(void **state G_GNUC_UNUSED) {
        sd_bus *stranger = test_bus_connect(&bus, bus.address);
        static const char *const members[] = { "GetNameOwner", "GetConnectionUnixUser",
                                               "GetConnectionUnixProcessID", "GetConnectionCredentials",
                                               "ListQueuedOwners" };
        sd_bus_message *message = NULL, *reply = NULL;
        const char *unique;
        int has_owner = 1;

        (void) sd_bus_get_unique_name(stranger, &unique);
        for (size_t i = 0; i < G_N_ELEMENTS(members); i++) {
                assert_answer(ask(DBUS, members[i], "s", "com.hidden.Service"), NO_OWNER, members[i]);
                assert_answer(ask(DBUS, members[i], "s", unique), NO_OWNER, members[i]);
        }
        assert_answer(ask(DBUS, "StartServiceByName", "su", "com.hidden.Activatable", 0), UNKNOWN, "start");
        assert_answer(ask(DBUS, "StartServiceByName", "su", "com.heard.A", 0), UNKNOWN,
                      "start what may only be heard");
        assert_true(sd_bus_message_new_method_call(app, &message, DBUS, PATH, DBUS, "NameHasOwner") >= 0);
        assert_true(sd_bus_message_append(message, "s", "com.hidden.Service") >= 0);
        assert_null(test_bus_call(&bus, app, message, &reply));
        assert_true(sd_bus_message_read(reply, "b", &has_owner) > 0);
        assert_false(has_owner);
        sd_bus_message_unref(reply);
        assert_true(test_bus_was_denied(&bus, "No rule: session talk outgoing name com.hidden.Service"));
        test_bus_disconnect(&bus, stranger);
}

static GPtrArray *changed; /* names whose owner changed, as the app was told */

static int note_change(sd_bus_message *message, void *userdata G_GNUC_UNUSED,
                       sd_bus_error *error G_GNUC_UNUSED) {
        const char *name;

        assert_true(sd_bus_message_read(message, "s", &name) > 0);
        g_ptr_array_add(changed, g_strdup(name));
        return 0;
}

static void test_hidden_changes(void **state G_GNUC_UNUSED) {
        sd_bus *stranger = test_bus_connect(&bus, bus.address);
        g_autofree char *unique = NULL;
        const char *name;

        (void) sd_bus_get_unique_name(stranger, &name);
        unique = g_strdup(name);
        changed = g_ptr_array_new_with_free_func(g_free);
        assert_true(sd_bus_match_signal(app, NULL, DBUS, PATH, DBUS, "NameOwnerChanged", note_change, NULL) >=
                    0);
        assert_true(sd_bus_request_name(stranger, "com.hidden.Late", 0) >= 0);
        assert_true(sd_bus_request_name(stranger, "com.acme.Late", 0) >= 0);
        assert_true(sd_bus_request_name(stranger, "com.heard.Late", 0) >= 0);
        test_bus_disconnect(&bus, stranger);
        stranger = test_bus_connect(&bus, bus.address);
        (void) test_bus_pump(&bus, NULL, 100);
        assert_true(has(changed, "com.acme.Late") && has(changed, "com.heard.Late") && has(changed, unique));
        assert_false(has(changed, "com.hidden.Late"));
        (void) sd_bus_get_unique_name(stranger, &name);
        assert_false(has(changed, name));
        test_bus_disconnect(&bus, stranger);
        g_ptr_array_unref(changed);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, connect_app, disconnect_app)
        const struct CMUnitTest tests[] = {
                TEST(test_names),   TEST(test_refused),      TEST(test_own),
                TEST(test_matches), TEST(test_many_matches),
        };
        const struct CMUnitTest narrow[] = {
                TEST(test_hidden_lists),
                TEST(test_hidden_names),
                TEST(test_hidden_changes),
        };

        return cmocka_run_group_tests(tests, setup, teardown) +
               cmocka_run_group_tests(narrow, setup_narrow, teardown);
}
