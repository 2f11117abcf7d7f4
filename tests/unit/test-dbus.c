/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/rows.h"
#include "util/limits.h"

#define ORIGIN "com.acme.test (test.json:1)\n"

static void test_refused(void **state G_GNUC_UNUSED) {
        static const RowCase cases[] = {
                { "not an object", "[]", "1:1 error : Expected an object, found an array\n" },
                { "no bus", "{}",
                  "1:1 error : No bus, expected the key 'dbus-gateway-config-session', "
                  "'dbus-gateway-config-system' or "
                  "both\n" },
                { "unknown bus", "{'dbus-gateway-config-a11y': []}",
                  "1:2 error /dbus-gateway-config-a11y: Unknown key 'dbus-gateway-config-a11y'; did you mean "
                  "'dbus-gateway-config-system', expected one of: dbus-gateway-config-session, "
                  "dbus-gateway-config-system\n" },
                { "rules: null", "{'dbus-gateway-config-session': null}",
                  "1:33 error /dbus-gateway-config-session: Expected an array, found null\n" },
                { "all of a rule",
                  "{'dbus-gateway-config-system': [{'direction': 'in', 'interface': 'a', 'object-path': 'b', "
                  "'method': [], 'bus-name': 'c', 'destination': 'd'}]}",
                  "1:47 error /dbus-gateway-config-system/0/direction: Unknown direction 'in', expected one "
                  "of: "
                  "incoming, outgoing, *\n"
                  "1:66 error /dbus-gateway-config-system/0/interface: No interface can fit 'a', expected "
                  "one like "
                  "'com.acme.Radio', with * and ? for what may vary\n"
                  "1:86 error /dbus-gateway-config-system/0/object-path: No object path can fit 'b', "
                  "expected one like "
                  "'/com/acme/Radio', with * and ? for what may vary\n"
                  "1:101 error /dbus-gateway-config-system/0/method: The array has 0 elements, expected at "
                  "least 1\n"
                  "1:117 error /dbus-gateway-config-system/0/bus-name: No bus name can fit 'c', expected one "
                  "like "
                  "'com.acme.Radio', with * and ? for what may vary\n"
                  "1:122 error /dbus-gateway-config-system/0/destination: Unknown key 'destination', "
                  "expected one of: "
                  "direction, interface, object-path, method, bus-name, own\n" },
                { "own with another key",
                  "{'dbus-gateway-config-session': [{'bus-name': '*', 'own': 'a.b'}]}",
                  "1:47 error /dbus-gateway-config-session/0/bus-name: A rule with 'own' has no other keys; "
                  "write a "
                  "second rule for messages\n" },
                { "own with a bad name and an unknown key",
                  "{'dbus-gateway-config-session': [{'owns': 1, 'own': ['a.b', 'c']}]}",
                  "1:35 error /dbus-gateway-config-session/0/owns: Unknown key 'owns'; did you mean 'own', "
                  "expected "
                  "one of: own, direction, interface, object-path, method, bus-name\n"
                  "1:61 error /dbus-gateway-config-session/0/own/1: No bus name that can be owned can fit "
                  "'c', expected "
                  "one like 'com.acme.Radio', with * and ? for what may vary\n" },
        };

        assert_rows_refused("dbus", cases, G_N_ELEMENTS(cases));
}

static void test_planned(void **state G_GNUC_UNUSED) {
        static const RowCase cases[] = {
                { "no rules", "{'dbus-gateway-config-system': []}",
                  "env  DBUS_SYSTEM_BUS_ADDRESS  = unix:path=/gateways/system_bus_socket  default  " ORIGIN
                  "bus  system                   nothing but what rules allow                      " ORIGIN },
                { "own", "{'dbus-gateway-config-session': [{'own': 'a.b'}]}",
                  "env       DBUS_SESSION_BUS_ADDRESS  = unix:path=/gateways/session_bus_socket  default  "
                  "" ORIGIN
                  "bus-rule  session own a.b           may be owned                                       "
                  "" ORIGIN
                  "bus       session                   nothing but what rules allow                       "
                  "" ORIGIN },
        };

        assert_rows_planned("dbus", cases, G_N_ELEMENTS(cases));
}

/* Patterns as the original took them, and what they mean. */
static void test_directions(void **state G_GNUC_UNUSED) {
        static const struct {
                const char *word;
                int flow; /* negative = refused */
        } cases[] = {
                { "incoming", PLAN_BUS_INCOMING },
                { "outgoing", PLAN_BUS_OUTGOING },
                { "*", PLAN_BUS_BOTH },
                { "**", PLAN_BUS_BOTH },
                { "*ing", PLAN_BUS_BOTH },
                { "????????", PLAN_BUS_BOTH },
                { "i*", PLAN_BUS_INCOMING },
                { "?n*", PLAN_BUS_INCOMING },
                { "*com*", PLAN_BUS_INCOMING },
                { "out*", PLAN_BUS_OUTGOING },
                { "outgoin?", PLAN_BUS_OUTGOING },
                { "out", -1 },
                { "Outgoing", -1 },
                { "?", -1 },
                { "incoming*x", -1 },
                { "incoming,outgoing", -1 },
                { "", -1 },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autofree char *row = g_strdup_printf(
                        "{'dbus-gateway-config-session': [{'direction': '%s', 'interface': '*', "
                        "'object-path': '*', "
                        "'method': '*'}]}",
                        cases[i].word);
                g_autoptr(GatewayConfig) config = NULL;
                g_autofree char *findings = NULL;
                g_autoptr(Plan) plan = plan_new();
                g_auto(Error) error = ERROR_NULL;

                if ((parse_row("dbus", row, &findings, &config) < 0) != (cases[i].flow < 0))
                        fail_msg("%s: %s", cases[i].word, findings);
                if (!config)
                        continue;
                assert_int_equal(config->ops->plan(config, plan, &error), 0);
                for (guint j = 0; j < plan_get_size(plan); j++)
                        if (plan_get_item(plan, j)->kind == PLAN_BUS_RULE)
                                assert_int_equal(plan_get_item(plan, j)->bus_rule.flow, cases[i].flow);
                assert_int_equal(plan_get_size(plan), 3);
        }
}

static char *repeat(const char *text, unsigned n) {
        GString *all = g_string_new(text);

        for (unsigned i = 1; i < n; i++)
                g_string_append_printf(all, ",%s", text);
        return g_string_free(all, FALSE);
}

static void test_limits(void **state G_GNUC_UNUSED) {
        g_autofree char *members = repeat("'A'", BUS_MEMBERS_MAX),
                        *rules = repeat("{'own': 'a.b'}", GATEWAY_ROWS_MAX);
        g_autofree char *pattern = g_strnfill(BUS_PATTERN_MAX - 1, '?');
        const struct {
                const char *format, *full, *more, *words;
        } cases[] = {
                { "{'dbus-gateway-config-session': [{'direction': '*', 'interface': '*', 'object-path': '*', "
                  "'method': [%s%s]}]}",
                  members, ",'A'", "method: The array has 257 elements, expected at most 256\n" },
                { "{'dbus-gateway-config-session': [%s%s]}", rules, ",{'own': 'a.b'}",
                  "/dbus-gateway-config-session: The array has 1025 elements, expected at most 1024\n" },
                { "{'dbus-gateway-config-session': [{'direction': '*', 'interface': '*', 'object-path': "
                  "'/%s%s', "
                  "'method': '*'}]}",
                  pattern, "?", "object-path: The string has 256 bytes, expected at most 255\n" },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                const char *first = strstr(cases[i].format, "%s");
                g_autofree char *start = g_strndup(cases[i].format, (gsize) (first - cases[i].format));
                g_autofree char *full = g_strconcat(start, cases[i].full, first + 4, NULL);
                g_autofree char *above = g_strconcat(start, cases[i].full, cases[i].more, first + 4, NULL);
                g_autoptr(GatewayConfig) config = NULL, none = NULL;
                g_autofree char *findings = NULL, *refused = NULL;

                (void) parse_row("dbus", full, &findings, &config);
                assert_text(start, findings, "");
                assert_true(parse_row("dbus", above, &refused, &none) < 0);
                assert_true(g_str_has_suffix(refused, cases[i].words));
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_refused),
                cmocka_unit_test(test_planned),
                cmocka_unit_test(test_directions),
                cmocka_unit_test(test_limits),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
