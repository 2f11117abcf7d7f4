/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Sections of bulkhead.conf decide over real callers: their users and groups as the bus tells them
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/fixture/test-client.h"

/* Two users of the group that may call, one of them with another first group. */
#define SECOND_UID 2u /* "bin" */
#define BROKEN_UID 3u

static TestClient *root, *member, *second, *broken;

static void add_capability(TestService *service, const char *name, const char *risk) {
        g_autofree char *file = g_strdup_printf("etc/bulkhead/manifests.d/%s.json", name);
        g_autofree char *text = g_strdup_printf(
                "{ \"version\": \"1\", \"capabilities\": [ { \"name\": \"%s\", "
                "\"risk\": \"%s\", \"gateways\": [ { \"id\": \"env\", "
                "\"config\": [ { \"name\": \"A\", \"value\": \"1\" } ] } ] } ] }\n",
                name, risk);

        g_free(test_service_write(service, file, text));
}

static void prepare(TestService *service) {
        add_capability(service, "acme.camera", "high");
        add_capability(service, "acme.maps", "low");
        add_capability(service, "other.maps", "low");
        test_service_add_template(service, "special", "[Process]\nStopTimeoutSec=1\n");
        g_free(test_service_write(
                service, "etc/bulkhead/bulkhead.conf.d/10-policy.conf",
                "[Service]\nMaxSandboxesPerUser=2\n"
                "[Policy acme]\nUsers=nobody no-such-user\nCapabilities=acme.*\nTemplates=special\n"
                "[Policy broken]\nUsers=3\nCapabilites=!acme.*\n"));
        /* a drop-in adds to the section of the same name */
        g_free(test_service_write(service, "etc/bulkhead/bulkhead.conf.d/20-policy.conf",
                                  "[Policy acme]\nInsideUsers=root\n[Policy everybody]\nGroups=65534\n"
                                  "Capabilities=!other.secret\n"));
}

static int open_clients(void **state) {
        root = test_client_new(*state);
        member = test_client_new_as(*state, TEST_MEMBER_UID, TEST_MEMBER_GID);
        second = test_client_new_as(*state, SECOND_UID, TEST_MEMBER_GID);
        broken = test_client_new_as(*state, BROKEN_UID, TEST_MEMBER_GID);
        return 0;
}

static int close_clients(void **state) {
        g_clear_pointer(&root, test_client_free);
        g_clear_pointer(&member, test_client_free);
        g_clear_pointer(&second, test_client_free);
        g_clear_pointer(&broken, test_client_free);
        return test_after_each(state);
}

static void test_launches(void **state G_GNUC_UNUSED) {
        const struct {
                const char *what;
                TestClient *client;
                TestRequest request;
                const char *error, *needle; /* NULL = it works */
        } cases[] = {
                { "named, on the list", member, { .capabilities = TEST_STRV("acme.camera") }, NULL, NULL },
                { "named, not on the list",
                  member,
                  { .capabilities = TEST_STRV("other.maps") },
                  "CapabilityNotAllowed",
                  "'other.maps'" },
                { "named, template", member, { .template_name = "special" }, NULL, NULL },
                { "named, root inside", member, { .user = "root" }, NULL, NULL },
                { "named, somebody else inside", member, { .user = "5" }, TEST_ACCESS_DENIED, "user 5" },
                { "by group only, low", second, { .capabilities = TEST_STRV("other.maps") }, NULL, NULL },
                { "by group only, high",
                  second,
                  { .capabilities = TEST_STRV("acme.camera") },
                  "CapabilityNotAllowed",
                  "risk is high" },
                { "by group only, template",
                  second,
                  { .template_name = "special" },
                  TEST_ACCESS_DENIED,
                  "special" },
                { "by group only, root inside", second, { .user = "root" }, TEST_ACCESS_DENIED, NULL },
                { "named by a section with mistakes", broken, { 0 }, TEST_ACCESS_DENIED, "'broken'" },
                { "root",
                  root,
                  { .capabilities = TEST_STRV("acme.camera"), .template_name = "special" },
                  NULL,
                  NULL },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
                TestRequest request = cases[i].request;
                int r;

                request.argv = TEST_STRV("/bin/true");
                r = test_client_launch(cases[i].client, &request, NULL, &error);
                if (cases[i].error)
                        test_expect_error(r, &error, cases[i].error, cases[i].needle);
                else
                        test_expect_ok(r, &error, cases[i].what);
                test_client_wait_empty(cases[i].client);
        }
}

static void test_sandboxes_per_user(void **state G_GNUC_UNUSED) {
        for (unsigned i = 0; i < 3; i++) {
                g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL, of_root = SD_BUS_ERROR_NULL;
                int r = test_client_create(member, &(TestRequest){ 0 }, NULL, &error);

                if (i < 2)
                        test_expect_ok(r, &error, "CreateSandbox");
                else
                        test_expect_error(r, &error, "LimitReached", "MaxSandboxesPerUser");
                test_expect_ok(test_client_create(root, &(TestRequest){ 0 }, NULL, &of_root), &of_root,
                               "CreateSandbox");
        }
}

/* Each mistake of the settings is told, with its line. */
static void test_warnings(void **state G_GNUC_UNUSED) {
        g_auto(GStrv) warnings = test_client_get_strings(root, TEST_BUS_PATH, TEST_MANAGER, "Warnings");
        g_autofree char *text = g_strjoinv("\n", warnings);

        assert_non_null(strstr(text, "10-policy.conf:4:7: There is no user 'no-such-user'"));
        assert_non_null(strstr(text, "10-policy.conf:9:1: Unknown key Capabilites="));
}

/* ---- reload ---- */

static char *reload(void) {
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        g_autoptr(sd_bus_message) reply = NULL;
        GString *lines = g_string_new(NULL);
        const char *file, *path, *text;
        uint32_t line, column;

        test_expect_ok(test_client_ask(root, TEST_BUS_PATH, TEST_MANAGER, "Reload", &reply, &error, ""), &error,
                       "Reload");
        assert_true(sd_bus_message_enter_container(reply, 'a', "(suuss)") > 0);
        while (sd_bus_message_read(reply, "(suuss)", &file, &line, &column, &path, &text) > 0)
                g_string_append_printf(lines, "%s:%u: %s\n", file, line, text);
        return g_string_free(lines, FALSE);
}

static void expect_launch(TestClient *client, const char *capability, const char *refused) {
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        const char *const capabilities[] = { capability, NULL };
        TestRequest request = { .argv = TEST_STRV("/bin/true"), .capabilities = capabilities };
        int r = test_client_launch(client, &request, NULL, &error);

        if (refused)
                test_expect_error(r, &error, refused, NULL);
        else
                test_expect_ok(r, &error, capability);
        test_client_wait_empty(client);
}

/* What the sections say counts at once; everything else is told, and stays as it was at the start. */
static void test_reload(void **state) {
        g_autofree char *first = NULL, *second_time = NULL, *third = NULL, *unread = NULL;

        first = reload();
        assert_non_null(strstr(first, "10-policy.conf:4: There is no user 'no-such-user'"));
        assert_null(strstr(first, "restarted"));
        expect_launch(member, "other.maps", "CapabilityNotAllowed");
        expect_launch(second, "acme.camera", "CapabilityNotAllowed");

        g_free(test_service_write(*state, "etc/bulkhead/bulkhead.conf.d/10-policy.conf",
                                  "[Service]\nMaxSandboxesPerUser=3\n"
                                  "[Ids]\nBase=0x7000\n"
                                  "[Policy acme]\nUsers=nobody bin\nCapabilities=other.*\n"));
        second_time = reload();
        assert_non_null(strstr(second_time, "10-policy.conf:2: [Service] MaxSandboxesPerUser= has changed"));
        assert_non_null(strstr(second_time, "10-policy.conf:4: Base='0x7000' is out of range"));
        assert_non_null(strstr(second_time, "[Ids] Base= has changed"));
        expect_launch(member, "other.maps", NULL);
        expect_launch(member, "acme.camera", "CapabilityNotAllowed");
        expect_launch(second, "acme.maps", "CapabilityNotAllowed");
        expect_launch(broken, "acme.maps", NULL);

        /* It is a folder, so nobody knows what it would say: who was restricted stays so. */
        g_free(test_service_write(*state, "etc/bulkhead/bulkhead.conf.d/30-unread.conf/x", ""));
        g_free(test_service_write(*state, "etc/bulkhead/bulkhead.conf.d/10-policy.conf", ""));
        unread = reload();
        assert_non_null(strstr(unread, "30-unread.conf"));
        expect_launch(second, "acme.maps", "CapabilityNotAllowed");
        expect_launch(member, "other.maps", NULL);

        third = test_service_path(*state, "etc/bulkhead/bulkhead.conf.d/30-unread.conf/x");
        assert_int_equal(unlink(third), 0);
        *strrchr(third, '/') = '\0';
        assert_int_equal(rmdir(third), 0);
        g_free(third);
        third = reload();
        assert_non_null(strstr(third, "[Service] MaxSandboxesPerUser= has changed"));
        expect_launch(second, "acme.maps", NULL);
        test_sandboxes_per_user(state); /* still two of each user's */
}

#define policy_case(function) cmocka_unit_test_setup_teardown(function, open_clients, close_clients)

int main(void) {
        static const struct CMUnitTest tests[] = {
                policy_case(test_launches),
                policy_case(test_sandboxes_per_user),
                policy_case(test_warnings),
                policy_case(test_reload),
                cmocka_unit_test(test_nothing_is_left),
        };

        return test_main("policy", prepare, tests, G_N_ELEMENTS(tests));
}
