/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who may call, and who sees what: root, another user of the group, and everybody else
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/fixture/test-client.h"

#define SECOND_MEMBER_UID 2u /* "bin": another user with the group of the first */

static TestClient *root, *member, *second, *outsider;

static void prepare(TestService *service) {
        g_free(test_service_write(service, "host/file.txt", "file\n"));
        test_service_add_bind(service, "owners.low", "host/file.txt", "/gateways/low", true);
        g_free(test_service_write(service, "etc/bulkhead/manifests.d/owners.high.json",
                                  "{ \"version\": \"1\", \"capabilities\": [ { \"name\": \"owners.high\", \"risk\": \"high\",\n"
                                  "  \"gateways\": [ { \"id\": \"env\", \"config\": [ { \"name\": \"A\", \"value\": \"1\" } ] } ]\n"
                                  "} ] }\n"));
        test_service_add_template(service, "special", "[Process]\nStopTimeoutSec=1\n");
}

static int open_clients(void **state) {
        root = test_client_new(*state);
        member = test_client_new_as(*state, TEST_MEMBER_UID, TEST_MEMBER_GID);
        second = test_client_new_as(*state, SECOND_MEMBER_UID, TEST_MEMBER_GID);
        outsider = test_client_new_as(*state, TEST_OUTSIDER_UID, TEST_OUTSIDER_GID);
        return 0;
}

static int close_clients(void **state) {
        g_clear_pointer(&root, test_client_free);
        g_clear_pointer(&member, test_client_free);
        g_clear_pointer(&second, test_client_free);
        g_clear_pointer(&outsider, test_client_free);
        return test_after_each(state);
}

static char *create(TestClient *client, const char *name) {
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        char *sandbox = NULL;

        test_expect_ok(test_client_create(client, &(TestRequest){ .name = name }, &sandbox, &error), &error,
                       "CreateSandbox");
        return sandbox;
}

static int call_method(TestClient *client, const char *path, const char *interface, const char *method,
                       const char *argument, sd_bus_message **ret_reply, sd_bus_error *error) {
        g_autoptr(sd_bus_message) call = NULL;

        assert_true(sd_bus_message_new_method_call(test_client_get_bus(client), &call, TEST_BUS_NAME, path, interface,
                                                   method) >= 0);
        if (argument)
                assert_true(sd_bus_message_append(call, "s", argument) >= 0);
        return test_client_call(client, call, ret_reply, error);
}

static void test_member_makes_and_runs_its_own(void **state G_GNUC_UNUSED) {
        g_autofree char *output = NULL;
        TestRequest request = { .capabilities = TEST_STRV("owners.low") };

        assert_int_equal(test_client_launch_shell(member, &request, "cat /gateways/low; exit 7", &output), 7);
        assert_string_equal(output, "file\n");
}

static void test_owner_is_who_the_bus_says(void **state G_GNUC_UNUSED) {
        g_autofree char *sandbox = create(member, "mine");
        g_autoptr(sd_bus_message) reply = NULL;
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        uint32_t owner = 0;
        int r = sd_bus_get_property(test_client_get_bus(member), TEST_BUS_NAME, sandbox, TEST_SANDBOX, "Owner", &error,
                                    &reply, "u");

        test_expect_ok(r, &error, "Owner");
        assert_true(sd_bus_message_read(reply, "u", &owner) >= 0);
        assert_int_equal(owner, TEST_MEMBER_UID);
}

static void test_lists_show_only_ones_own(void **state G_GNUC_UNUSED) {
        g_free(create(root, "of-root"));
        g_free(create(member, "of-member"));

        g_auto(GStrv) root_sees = test_client_list(root), member_sees = test_client_list(member);

        assert_int_equal(g_strv_length(member_sees), 1);
        assert_string_equal(member_sees[0], "of-member");
        assert_int_equal(g_strv_length(root_sees), 2);
}

/* Calls that a client could try on an object. */
static const struct {
        const char *interface, *method, *argument;
} probes[] = {
        { "org.freedesktop.DBus.Properties", "GetAll", TEST_SANDBOX },
        { "org.freedesktop.DBus.Properties", "GetAll", "org.freedesktop.DBus.Peer" },
        { "org.freedesktop.DBus.Introspectable", "Introspect", NULL },
        { TEST_SANDBOX, "Freeze", NULL },
        { TEST_SANDBOX, "Thaw", NULL },
        { TEST_SANDBOX, "NoSuchMethod", NULL },
};

/* What the answer says, in which every @name is a '?'. */
static char *ask(TestClient *client, const char *path, const char *name, size_t probe) {
        g_autoptr(sd_bus_message) reply = NULL;
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        g_autofree char *text = NULL;
        size_t size;
        int r = call_method(client, path, probes[probe].interface, probes[probe].method, probes[probe].argument, &reply,
                            &error);

        if (r < 0)
                text = g_strdup_printf("%s: %s", error.name, error.message);
        else {
                const char *introspection;

                if (sd_bus_message_read(reply, "s", &introspection) >= 0)
                        text = g_strdup(introspection);
                else {
                        FILE *stream = open_memstream(&text, &size);

                        assert_true(sd_bus_message_dump(reply, stream, SD_BUS_MESSAGE_DUMP_SUBTREE_ONLY) >= 0);
                        (void) fclose(stream);
                }
        }

        g_auto(GStrv) parts = g_strsplit(text, name, -1);

        return g_strjoinv("?", parts);
}

/* One that is hidden answers as one that never was, to the letter. */
static void expect_unreachable(TestClient *client, const char *hidden, const char *never) {
        TestRequest request = { .argv = TEST_STRV("/bin/true") };
        sd_bus_error errors[3] = { SD_BUS_ERROR_NULL, SD_BUS_ERROR_NULL, SD_BUS_ERROR_NULL };
        int results[3];

        results[0] = test_client_run(client, hidden, &request, NULL, &errors[0]);
        results[1] = test_client_stop(client, hidden, 0, &errors[1]);
        results[2] = test_client_change(client, hidden, "Grant", TEST_STRV("owners.low"), &errors[2]);
        for (size_t i = 0; i < G_N_ELEMENTS(results); i++) {
                assert_true(results[i] < 0);
                /* a path that nobody but root can have is no object at all */
                if (!sd_bus_error_has_name(&errors[i], "org.bulkhead.Bulkhead1.Error.NoSuchSandbox") &&
                    !sd_bus_error_has_name(&errors[i], SD_BUS_ERROR_UNKNOWN_OBJECT))
                        fail_msg("A hidden sandbox answers %s: %s", errors[i].name, errors[i].message);
                sd_bus_error_free(&errors[i]);
        }
        for (size_t i = 0; i < G_N_ELEMENTS(probes); i++) {
                g_autofree char *of_hidden = ask(client, hidden, "hidden", i), *of_never = ask(client, never, "never", i);

                if (!g_str_equal(of_hidden, of_never))
                        fail_msg("%s.%s tells a hidden sandbox from none: '%s' and '%s'", probes[i].interface,
                                 probes[i].method, of_hidden, of_never);
                assert_null(strstr(of_hidden, "<interface name=\"" TEST_SANDBOX));
        }
}

/* Paths are as the viewer sees them: root finds those of others under "uid:name", and nobody else does. */
static char *path_of(uid_t owner, const char *name) {
        g_autofree char *full = g_strdup_printf("%u:%s", owner, name);
        char *encoded = NULL, *path;

        assert_true(sd_bus_path_encode(TEST_BUS_PATH "/sandbox", full, &encoded) >= 0);
        path = g_strdup(encoded);
        free(encoded);
        return path;
}

static void test_objects_of_others_do_not_exist(void **state G_GNUC_UNUSED) {
        g_autofree char *of_root = create(root, "hidden"), *of_second = create(second, "hidden");
        g_autofree char *full_root = path_of(0, "hidden"), *full_second = path_of(SECOND_MEMBER_UID, "hidden"),
                        *never_root = path_of(0, "never"), *never_second = path_of(SECOND_MEMBER_UID, "never");
        g_auto(GStrv) sees = test_client_list(member);

        assert_int_equal(g_strv_length(sees), 0);
        assert_string_equal(of_root, TEST_BUS_PATH "/sandbox/hidden");
        assert_string_equal(of_second, of_root);
        expect_unreachable(member, of_root, TEST_BUS_PATH "/sandbox/never");
        expect_unreachable(member, full_root, never_root);
        expect_unreachable(member, full_second, never_second);
        assert_int_equal(test_client_shell(root, of_root, "exit 5", NULL), 5);
        test_client_subscribe(root);
        assert_int_equal(test_client_shell(root, full_second, "exit 6", NULL), 6);
        assert_int_equal(test_client_shell(second, of_second, "exit 7", NULL), 7);
}

/* One that is hidden and one that never was get the same words. */
static void test_names_of_others_are_not_told(void **state G_GNUC_UNUSED) {
        static const struct {
                const char *name, *error;
        } cases[] = {
                { "hidden", "NoSuchSandbox" },
                { "never", "NoSuchSandbox" },
                /* not a name that anybody but root may say */
                { "0:hidden", "InvalidName" },
                { "0:never", "InvalidName" },
        };

        g_free(create(root, "hidden"));
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
                int r = call_method(member, TEST_BUS_PATH, TEST_MANAGER, "GetSandbox", cases[i].name, NULL, &error);

                test_expect_error(r, &error, cases[i].error, cases[i].name);
        }
}

static void test_enumeration_hides_others(void **state G_GNUC_UNUSED) {
        static const struct {
                const char *interface, *method;
        } calls[] = {
                { "org.freedesktop.DBus.ObjectManager", "GetManagedObjects" },
                { "org.freedesktop.DBus.Introspectable", "Introspect" },
        };

        g_free(create(root, "hidden"));
        g_free(create(member, "shown"));

        for (size_t i = 0; i < G_N_ELEMENTS(calls); i++) {
                g_autoptr(sd_bus_message) reply = NULL;
                g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
                g_autofree char *text = NULL;
                FILE *stream;
                size_t size;
                int r = call_method(member, TEST_BUS_PATH, calls[i].interface, calls[i].method, NULL, &reply, &error);

                test_expect_ok(r, &error, calls[i].method);
                stream = open_memstream(&text, &size);
                assert_true(sd_bus_message_dump(reply, stream, 0) >= 0);
                (void) fclose(stream);
                assert_null(strstr(text, "hidden"));
        }
}

static void test_root_reaches_everybodys(void **state G_GNUC_UNUSED) {
        g_autofree char *of_member = create(member, "theirs"), *name = g_strdup_printf("%u:theirs", TEST_MEMBER_UID),
                        *expected = path_of(TEST_MEMBER_UID, "theirs");
        g_autoptr(sd_bus_message) reply = NULL;
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        const char *path;

        test_expect_ok(call_method(root, TEST_BUS_PATH, TEST_MANAGER, "GetSandbox", name, &reply, &error), &error, name);
        assert_true(sd_bus_message_read(reply, "o", &path) >= 0);
        assert_string_equal(path, expected);
        test_client_subscribe(root); /* not the creating connection */
        assert_int_equal(test_client_shell(root, path, "exit 5", NULL), 5);
        test_expect_ok(test_client_stop(root, path, 0, &error), &error, "Stop");

        g_auto(GStrv) left = test_client_list(member);

        assert_null(*left);
        assert_string_equal(of_member, TEST_BUS_PATH "/sandbox/theirs");
}

static void test_two_owners_may_use_one_name(void **state G_GNUC_UNUSED) {
        g_autofree char *of_root = create(root, "twin"), *of_member = create(member, "twin");

        assert_int_equal(test_client_shell(member, of_member, "echo member >/tmp/who", NULL), 0);
        assert_int_equal(test_client_shell(root, of_root, "test -e /tmp/who", NULL), 1);
}

static void test_signals_are_for_the_owner_only(void **state G_GNUC_UNUSED) {
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        g_auto(TestProgram) program = { NULL };
        TestRequest request = { .argv = TEST_STRV("/bin/true") };

        /* even for a member that asks for every signal there is */
        assert_true(sd_bus_match_signal(test_client_get_bus(member), NULL, NULL, NULL, NULL, NULL, NULL, NULL) >= 0);
        test_client_subscribe(member);
        test_expect_ok(test_client_launch(root, &request, &program, &error), &error, "Launch");
        assert_int_equal(test_client_wait(root, program.process, 10 * TEST_USEC_PER_SEC, NULL), 0);
        test_client_idle(member, 200 * 1000);
        assert_int_equal(test_client_count_exits(member, program.process), 0);
}

static void test_what_only_root_may_ask_for(void **state G_GNUC_UNUSED) {
        const struct {
                const char *what;
                TestRequest request;
                const char *error;
        } cases[] = {
                { "another template", { .template_name = "special" }, TEST_ACCESS_DENIED },
                { "root inside", { .user = "0" }, TEST_ACCESS_DENIED },
                { "a capability of high risk", { .capabilities = TEST_STRV("owners.high") }, "CapabilityNotAllowed" },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                TestRequest request = cases[i].request;
                g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL, none = SD_BUS_ERROR_NULL;

                print_message("         %s\n", cases[i].what);
                request.argv = TEST_STRV("/bin/true");
                test_expect_error(test_client_launch(member, &request, NULL, &error), &error, cases[i].error, NULL);
                test_expect_ok(test_client_launch(root, &request, NULL, &none), &none, cases[i].what);
        }
        test_client_wait_empty(root);
}

static void test_outsider_is_refused_by_the_bus(void **state G_GNUC_UNUSED) {
        static const struct {
                const char *path, *interface, *method;
        } calls[] = {
                { TEST_BUS_PATH, TEST_MANAGER, "ListSandboxes" },
                { TEST_BUS_PATH, TEST_MANAGER, "ListCapabilities" },
                { TEST_BUS_PATH, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects" },
                { TEST_BUS_PATH, "org.freedesktop.DBus.Introspectable", "Introspect" },
                { TEST_BUS_PATH, "org.freedesktop.DBus.Peer", "Ping" },
                { "/", "org.freedesktop.DBus.Introspectable", "Introspect" },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(calls); i++) {
                g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
                int r = call_method(outsider, calls[i].path, calls[i].interface, calls[i].method, NULL, NULL, &error);

                test_expect_error(r, &error, TEST_ACCESS_DENIED, NULL);
        }

        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        TestRequest request = { .argv = TEST_STRV("/bin/true") };

        test_expect_error(test_client_launch(outsider, &request, NULL, &error), &error, TEST_ACCESS_DENIED, NULL);
}

static void test_only_root_may_own_the_name(void **state G_GNUC_UNUSED) {
        assert_true(sd_bus_request_name(test_client_get_bus(member), TEST_BUS_NAME, SD_BUS_NAME_REPLACE_EXISTING) < 0);
        assert_true(sd_bus_request_name(test_client_get_bus(outsider), TEST_BUS_NAME, SD_BUS_NAME_REPLACE_EXISTING) <
                    0);
}

#define owners_test(function) cmocka_unit_test_setup_teardown(function, open_clients, close_clients)

int main(void) {
        static const struct CMUnitTest tests[] = {
                owners_test(test_member_makes_and_runs_its_own),
                owners_test(test_owner_is_who_the_bus_says),
                owners_test(test_lists_show_only_ones_own),
                owners_test(test_objects_of_others_do_not_exist),
                owners_test(test_names_of_others_are_not_told),
                owners_test(test_enumeration_hides_others),
                owners_test(test_root_reaches_everybodys),
                owners_test(test_two_owners_may_use_one_name),
                owners_test(test_signals_are_for_the_owner_only),
                owners_test(test_what_only_root_may_ask_for),
                owners_test(test_outsider_is_refused_by_the_bus),
                owners_test(test_only_root_may_own_the_name),
                cmocka_unit_test(test_nothing_is_left),
        };

        return test_main("owners", prepare, tests, G_N_ELEMENTS(tests));
}
