/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "capabilities/capability-private.h"
#include "tests/unit/findings.h"
#include "util/limits.h"

#define FILE_ROW(source, target)                                                                             \
        "{'id': 'file', 'config': [{'path-host': '" source "', 'path-container': '" target "'}]}"
#define ENV_ROW(name, value) "{'id': 'env', 'config': [{'name': '" name "', 'value': '" value "'}]}"

/* Adds what a manifest called @file says: its only capability, with these gateways. */
static void add(Capability *capability, const char *file, const char *fields, const char *gateways) {
        g_autofree char *text = g_strdup_printf(
                "{'version': '1', 'capabilities': [{'name': '%s', %s 'gateways': [%s]}]}",
                capability_get_name(capability), fields, gateways);
        g_autofree char *quoted = quote_json(text);
        g_autoptr(Manifest) manifest = manifest_parse(file, quoted, strlen(quoted));
        const GPtrArray *definitions = manifest_get_capabilities(manifest);

        assert_int_equal(manifest_get_findings(manifest)->len, 0);
        assert_int_equal(definitions->len, 1);
        capability_add_definition(capability, file, g_ptr_array_index(definitions, 0));
}

static Capability *make(const char *name, const char *gateways) {
        Capability *capability = capability_new(name, false);

        add(capability, "one.json", "", gateways);
        return capability;
}

static void test_name_is_valid(void **state G_GNUC_UNUSED) {
        static const char *const valid[] = { "a", "0", "com.acme.maps", "A-b_c.9", NULL };
        static const char *const invalid[] = { "",  ".a", "-a",  "_a",  "a b",   "a/b", "a\nb",
                                               "ä", "a*", "a:b", "../", "a\x7f", "'a'", NULL };
        g_autofree char *full = g_strnfill(CAPABILITY_NAME_MAX, 'n'),
                        *above = g_strnfill(CAPABILITY_NAME_MAX + 1, 'n');

        for (size_t i = 0; valid[i]; i++)
                if (!capability_name_is_valid(valid[i]))
                        fail_msg("'%s' is refused", valid[i]);
        for (size_t i = 0; invalid[i]; i++)
                if (capability_name_is_valid(invalid[i]))
                        fail_msg("'%s' is not refused", invalid[i]);
        assert_true(capability_name_is_valid(full));
        assert_false(capability_name_is_valid(above));
}

static void test_empty(void **state G_GNUC_UNUSED) {
        g_autoptr(Capability) capability = capability_new("com.acme.empty", true);

        assert_string_equal(capability_get_name(capability), "com.acme.empty");
        assert_string_equal(capability_get_description(capability), "");
        assert_string_equal(capability_get_risk(capability), "");
        assert_true(capability_is_default(capability));
        assert_null(capability_get_files(capability)[0]);
        assert_null(capability_get_gateways(capability)[0]);
}

static void test_definitions_combined(void **state G_GNUC_UNUSED) {
        g_autoptr(Capability) capability = capability_new("com.acme.maps", false);
        char *const *files, *const *gateways;

        add(capability, "10.json", "", ENV_ROW("A", "1"));
        assert_string_equal(capability_get_gateways(capability)[0], "env");
        assert_null(capability_get_gateways(capability)[1]);
        add(capability, "20.json", "'description': 'First', 'risk': 'high',", FILE_ROW("/x", "/y"));
        add(capability, "30.json", "'description': 'Second', 'risk': 'low',", ENV_ROW("B", "2"));

        assert_false(capability_is_default(capability));
        assert_string_equal(capability_get_description(capability), "First");
        assert_string_equal(capability_get_risk(capability), "high");
        files = capability_get_files(capability);
        assert_string_equal(files[0], "10.json");
        assert_string_equal(files[1], "20.json");
        assert_string_equal(files[2], "30.json");
        assert_null(files[3]);
        gateways = capability_get_gateways(capability);
        assert_string_equal(gateways[0], "file");
        assert_string_equal(gateways[1], "env");
        assert_null(gateways[2]);
}

static void test_references(void **state G_GNUC_UNUSED) {
        Capability *capability = make("com.acme.maps", ENV_ROW("A", "1"));

        assert_ptr_equal(capability_ref(capability), capability);
        capability_unref(capability);
        assert_string_equal(capability_get_name(capability), "com.acme.maps");
        capability_unref(capability);
        capability_unref(NULL);
}

/* Plans @first and @second into one plan, as text or as the error with its place. */
static char *plan_both(Capability *first, Capability *second) {
        g_autoptr(GPtrArray) capabilities = g_ptr_array_new();
        g_autoptr(Plan) plan = plan_new();
        g_auto(Error) error = ERROR_NULL;

        g_ptr_array_add(capabilities, first);
        g_ptr_array_add(capabilities, second);
        if (capabilities_plan(capabilities, plan, &error) < 0) {
                assert_int_equal(error.code, ERROR_CONFLICTING_CAPABILITIES);
                return error_format(&error);
        }
        return plan_print_text(plan);
}

static void test_plan(void **state G_GNUC_UNUSED) {
        static const struct {
                const char *name, *first, *second, *expected;
        } cases[] = {
                { "apart", ENV_ROW("A", "1"), FILE_ROW("/x", "/y"),
                  "bind  /y  <- /x  read-only  com.acme.two (one.json:1)\n"
                  "env   A   = 1    set        com.acme.one (one.json:1)\n" },
                { "the same", FILE_ROW("/x", "/y"), FILE_ROW("/x", "/y"),
                  "bind  /y  <- /x  read-only  com.acme.one (one.json:1), com.acme.two (one.json:1)\n" },
                { "nothing", "", "", "" },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autoptr(Capability) first = make("com.acme.one", cases[i].first);
                g_autoptr(Capability) second = make("com.acme.two", cases[i].second);
                g_autofree char *found = plan_both(first, second);

                if (strcmp(found, cases[i].expected) != 0)
                        fail_msg("%s:\nfound\n%sexpected\n%s", cases[i].name, found, cases[i].expected);
        }
}

static void test_plan_conflict(void **state G_GNUC_UNUSED) {
        static const struct {
                const char *first, *second;
        } cases[] = {
                { FILE_ROW("/x", "/y"), FILE_ROW("/z", "/y") },
                { ENV_ROW("A", "1"), ENV_ROW("A", "2") },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autoptr(Capability) first = make("com.acme.one", cases[i].first);
                g_autoptr(Capability) second = make("com.acme.two", cases[i].second);
                g_autofree char *found = plan_both(first, second);

                /* both sides are named, and there is a place to look */
                assert_true(g_str_has_prefix(found, "one.json:1"));
                assert_non_null(strstr(found, "com.acme.one"));
                assert_non_null(strstr(found, "com.acme.two"));
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_name_is_valid),
                cmocka_unit_test(test_empty),
                cmocka_unit_test(test_definitions_combined),
                cmocka_unit_test(test_references),
                cmocka_unit_test(test_plan),
                cmocka_unit_test(test_plan_conflict),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
