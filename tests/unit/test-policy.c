/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "capabilities/capability-private.h"
#include "service/policy.h"

#define DENIED true

/* Caller 1000 with groups 7 and 8, unless a case says otherwise. */
static const gid_t groups[] = { 7, 8 };

static Settings *settings_of(const char *text) {
        Settings *settings = settings_new();

        settings_parse(settings, "b.conf", text);
        return settings;
}

static void expect(const char *name, int r, const Error *error, bool is_denied, ErrorCode code) {
        if (is_denied ? r >= 0 || error->code != code : r != 0)
                fail_msg("%s: %d, %s", name, r, error->message ?: "allowed");
}

static void test_caller(void **state G_GNUC_UNUSED) {
        static const struct {
                const char *name, *settings;
                uid_t uid;
                bool is_denied;
        } cases[] = {
                { "no policy", "", 1000 },
                { "named", "[Policy a]\nUsers=1000\n", 1000 },
                { "named by what has mistakes", "[Policy a]\nUsers=1000\nFolder=/srv\n", 1000, DENIED },
                { "the group named by what has mistakes", "[Policy a]\nGroups=8\nFolder=/srv\n", 1000,
                  DENIED },
                { "others have mistakes", "[Policy a]\nUsers=1001\nFolder=/srv\n", 1000 },
                { "root is never held up", "[Policy a]\nUsers=0\nFolder=/srv\n", 0 },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autoptr(Settings) settings = settings_of(cases[i].settings);
                g_autoptr(Caller) caller = caller_new(cases[i].uid, groups, G_N_ELEMENTS(groups));
                g_auto(Error) error = ERROR_NULL;

                expect(cases[i].name, policy_check_caller(settings, caller, &error), &error,
                       cases[i].is_denied, ERROR_ACCESS_DENIED);
        }
}

static void test_template(void **state G_GNUC_UNUSED) {
        static const struct {
                const char *name, *settings;
                uid_t uid;
                const char *template_name;
                bool is_denied;
        } cases[] = {
                { "the default one", "", 1000, "default" },
                { "another one", "", 1000, "media", DENIED },
                { "root", "", 0, "media" },
                { "allowed", "[Policy a]\nUsers=1000\nTemplates=media*\n", 1000, "media-hd" },
                { "not on the list", "[Policy a]\nUsers=1000\nTemplates=media\n", 1000, "games", DENIED },
                { "the default is not taken away by a list", "[Policy a]\nUsers=1000\nTemplates=media\n",
                  1000, "default" },
                { "the default is denied", "[Policy a]\nUsers=1000\nTemplates=!default\n", 1000, "default",
                  DENIED },
                { "a section about somebody else", "[Policy a]\nUsers=1001\nTemplates=*\n", 1000, "media",
                  DENIED },
                { "by group", "[Policy a]\nGroups=8\nTemplates=media\n", 1000, "media" },
                { "a user's number is not a group's", "[Policy a]\nGroups=1000\nTemplates=media\n", 1000,
                  "media", DENIED },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autoptr(Settings) settings = settings_of(cases[i].settings);
                g_autoptr(Caller) caller = caller_new(cases[i].uid, groups, G_N_ELEMENTS(groups));
                g_auto(Error) error = ERROR_NULL;

                expect(cases[i].name, policy_check_template(settings, caller, cases[i].template_name, &error),
                       &error, cases[i].is_denied, ERROR_ACCESS_DENIED);
        }
}

static void test_run(void **state G_GNUC_UNUSED) {
        static uint32_t group_5[] = { 5 }, group_6[] = { 6 };
        static const struct {
                const char *name, *settings;
                uid_t uid;
                ShimRun run;
                bool is_denied;
        } cases[] = {
                { "as the app", "", 1000, { 0 } },
                { "the app by number", "", 1000, { .has_user = true, .uid = 500, .gid = 500 } },
                { "as root", "", 1000, { .has_user = true }, DENIED },
                { "the app with root's group", "", 1000, { .has_user = true, .uid = 500 }, DENIED },
                { "with a group more", "", 1000, { .groups = group_5, .n_groups = 1 }, DENIED },
                { "root asks", "", 0, { .has_user = true, .groups = group_5, .n_groups = 1 } },
                { "root by name", "[Policy a]\nUsers=1000\nInsideUsers=root\n", 1000, { .has_user = true } },
                { "root by number", "[Policy a]\nUsers=1000\nInsideUsers=0\n", 1000, { .has_user = true } },
                { "allowed by number, denied by name",
                  "[Policy a]\nUsers=1000\nInsideUsers=* !root\n",
                  1000,
                  { .has_user = true },
                  DENIED },
                { "everybody but root",
                  "[Policy a]\nUsers=1000\nInsideUsers=* !root\n",
                  1000,
                  { .has_user = true, .uid = 3, .gid = 4 } },
                { "uid:gid",
                  "[Policy a]\nUsers=1000\nInsideUsers=3:4\n",
                  1000,
                  { .has_user = true, .uid = 3, .gid = 4 } },
                { "uid alone is not uid:gid",
                  "[Policy a]\nUsers=1000\nInsideUsers=3\n",
                  1000,
                  { .has_user = true, .uid = 3, .gid = 4 },
                  DENIED },
                { "the app is denied",
                  "[Policy a]\nUsers=1000\nInsideUsers=!app root\n",
                  1000,
                  { 0 },
                  DENIED },
                { "a group by uid:gid",
                  "[Policy a]\nUsers=1000\nInsideUsers=500:5\n",
                  1000,
                  { .groups = group_5, .n_groups = 1 } },
                { "another group",
                  "[Policy a]\nUsers=1000\nInsideUsers=500:5\n",
                  1000,
                  { .groups = group_6, .n_groups = 1 },
                  DENIED },
        };
        const Spec spec = { .app_uid = 500, .app_gid = 500 };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autoptr(Settings) settings = settings_of(cases[i].settings);
                g_autoptr(Caller) caller = caller_new(cases[i].uid, groups, G_N_ELEMENTS(groups));
                g_auto(Error) error = ERROR_NULL;

                expect(cases[i].name, policy_check_run(settings, caller, &cases[i].run, &spec, &error),
                       &error, cases[i].is_denied, ERROR_ACCESS_DENIED);
        }
}

static Capability *make(const char *name, const char *risk, bool is_default) {
        Capability *capability = capability_new(name, is_default);
        g_autofree char *text = g_strdup_printf("{\"version\": \"1\", \"capabilities\": [{\"name\": \"cam\", "
                                                "\"risk\": \"%s\", \"gateways\": []}]}",
                                                risk);
        g_autoptr(Manifest) manifest = manifest_parse("a.json", text, strlen(text));

        assert_int_equal(manifest_get_capabilities(manifest)->len, 1);
        capability_add_definition(capability, "a.json", manifest_get_capabilities(manifest)->pdata[0]);
        return capability;
}

static void test_capabilities(void **state G_GNUC_UNUSED) {
        static const struct {
                const char *name, *settings;
                uid_t uid;
                const char *risk;
                bool is_default, is_denied;
        } cases[] = {
                { "low", "", 1000, "low" },
                { "medium", "", 1000, "medium" },
                { "high", "", 1000, "high", false, DENIED },
                { "high for root", "", 0, "high" },
                { "high that everybody has", "", 1000, "high", true },
                { "high by name", "[Policy a]\nUsers=1000\nCapabilities=acme.cam\n", 1000, "high" },
                { "high by glob", "[Policy a]\nUsers=1000\nCapabilities=acme.*\n", 1000, "high" },
                { "not on the list", "[Policy a]\nUsers=1000\nCapabilities=acme.maps\n", 1000, "low", false,
                  DENIED },
                { "denied", "[Policy a]\nUsers=1000\nCapabilities=!acme.*\n", 1000, "low", false, DENIED },
                { "others are denied", "[Policy a]\nUsers=1000\nCapabilities=!acme.maps\n", 1000, "low" },
                { "a list of denials opens nothing", "[Policy a]\nUsers=1000\nCapabilities=!acme.maps\n",
                  1000, "high", false, DENIED },
                { "one section allows, another denies",
                  "[Policy a]\nUsers=1000\nCapabilities=*\n[Policy b]\nGroups=7\nCapabilities=!acme.cam\n",
                  1000, "low", false, DENIED },
                { "one of two sections allows",
                  "[Policy a]\nUsers=1000\nCapabilities=acme.cam\n[Policy b]\nGroups=7\nCapabilities=acme.maps\n",
                  1000, "high" },
                { "a section that is silent about capabilities", "[Policy a]\nUsers=1000\nFolders=/srv\n",
                  1000, "low" },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autoptr(Settings) settings = settings_of(cases[i].settings);
                g_autoptr(Caller) caller = caller_new(cases[i].uid, groups, G_N_ELEMENTS(groups));
                g_autoptr(Capability) capability = make("acme.cam", cases[i].risk, cases[i].is_default);
                g_autoptr(GPtrArray) wanted = g_ptr_array_new();
                g_auto(Error) error = ERROR_NULL;

                g_ptr_array_add(wanted, capability);
                expect(cases[i].name, policy_check_capabilities(settings, caller, wanted, &error), &error,
                       cases[i].is_denied, ERROR_CAPABILITY_NOT_ALLOWED);
                if (cases[i].is_denied)
                        assert_non_null(strstr(error.message, "'acme.cam'"));
        }
}

static void test_folders(void **state G_GNUC_UNUSED) {
        static const char both[] = "[Policy a]\nUsers=1000\nFolders=/srv/media /srv/in:rw\n";
        static const struct {
                const char *name, *settings;
                uid_t uid;
                const char *source;
                bool is_writable;
                const char *folder; /* NULL = denied, or root's */
        } cases[] = {
                { "no policy", "", 1000, "/srv/media/a", false, NULL },
                { "inside", both, 1000, "/srv/media/a/b", false, "/srv/media" },
                { "itself", both, 1000, "/srv/media", false, "/srv/media" },
                { "beside", both, 1000, "/srv/media2", false, NULL },
                { "above", both, 1000, "/srv", false, NULL },
                { "for writing, not allowed", both, 1000, "/srv/media/a", true, NULL },
                { "for writing", both, 1000, "/srv/in/a", true, "/srv/in" },
                { "for reading what may be written", both, 1000, "/srv/in/a", false, "/srv/in" },
                { "somebody else", both, 1001, "/srv/in/a", false, NULL },
                { "the whole host", "[Policy a]\nGroups=7\nFolders=/\n", 1000, "/etc", false, "/" },
                { "another section has it for writing",
                  "[Policy a]\nUsers=1000\nFolders=/srv\n[Policy b]\nGroups=7\nFolders=/srv/x:rw\n", 1000,
                  "/srv/x/y", true, "/srv/x" },
        };
        g_autoptr(Caller) root = caller_new(0, NULL, 0);
        const char *folder = "";

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autoptr(Settings) settings = settings_of(cases[i].settings);
                g_autoptr(Caller) caller = caller_new(cases[i].uid, groups, G_N_ELEMENTS(groups));
                g_auto(Error) error = ERROR_NULL;
                int r = policy_check_folder(settings, caller, cases[i].source, cases[i].is_writable, &folder,
                                            &error);

                expect(cases[i].name, r, &error, !cases[i].folder, ERROR_ACCESS_DENIED);
                if (g_strcmp0(folder, cases[i].folder) != 0)
                        fail_msg("%s: %s", cases[i].name, folder);
        }

        g_autoptr(Settings) settings = settings_new();

        assert_int_equal(policy_check_folder(settings, root, "/etc/shadow", true, &folder, NULL), 0);
        assert_null(folder);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_caller),  cmocka_unit_test(test_template),
                cmocka_unit_test(test_run),     cmocka_unit_test(test_capabilities),
                cmocka_unit_test(test_folders),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
