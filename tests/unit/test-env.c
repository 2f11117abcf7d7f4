/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/rows.h"
#include "util/limits.h"

static void test_refused(void **state G_GNUC_UNUSED) {
        static const RowCase cases[] = {
                { "not an object", "[]", "1:1 error : Expected an object, found an array\n" },
                { "empty object", "{}",
                  "1:1 error : Key 'name' is missing\n"
                  "1:1 error : Key 'value' is missing\n" },
                { "no value", "{'name': 'LANG'}", "1:1 error : Key 'value' is missing\n" },
                { "no name", "{'value': 'C'}", "1:1 error : Key 'name' is missing\n" },
                { "name: number", "{'name': 1, 'value': 'C'}",
                  "1:10 error /name: Expected a string, found an integer\n" },
                { "name: empty", "{'name': '', 'value': 'C'}",
                  "1:10 error /name: Expected a string that is not empty\n" },
                { "name: equals sign", "{'name': 'A=B', 'value': 'C'}",
                  "1:10 error /name: The name 'A=B' has '=' in it, expected a name without\n" },
                { "name: newline", "{'name': 'A\\nB', 'value': 'C'}",
                  "1:10 error /name: Control character U+000A in a string, expected none\n" },
                { "value: number", "{'name': 'LANG', 'value': 1}",
                  "1:27 error /value: Expected a string, found an integer\n" },
                { "value: true", "{'name': 'LANG', 'value': true}",
                  "1:27 error /value: Expected a string, found true\n" },
                { "value: empty", "{'name': 'LANG', 'value': ''}",
                  "1:27 error /value: Expected a string that is not empty\n" },
                { "value: newline", "{'name': 'LANG', 'value': 'a\\nb'}",
                  "1:27 error /value: Control character U+000A in a string, expected none\n" },
                { "mode: unknown", "{'name': 'LANG', 'value': 'C', 'mode': 'add'}",
                  "1:40 error /mode: Unknown mode 'add', expected one of: set, append, prepend\n" },
                { "mode: near", "{'name': 'LANG', 'value': 'C', 'mode': 'apend'}",
                  "1:40 error /mode: Unknown mode 'apend'; did you mean 'append', expected one of: "
                  "set, append, prepend\n" },
                { "mode: empty", "{'name': 'LANG', 'value': 'C', 'mode': ''}",
                  "1:40 error /mode: Unknown mode '', expected one of: set, append, prepend\n" },
                { "mode: internal", "{'name': 'LANG', 'value': 'C', 'mode': 'default'}",
                  "1:40 error /mode: Unknown mode 'default', expected one of: set, append, "
                  "prepend\n" },
                { "mode: number", "{'name': 'LANG', 'value': 'C', 'mode': 0}",
                  "1:40 error /mode: Expected a string, found an integer\n" },
                { "separator: number", "{'name': 'LANG', 'value': 'C', 'mode': 'append', 'separator': 0}",
                  "1:63 error /separator: Expected a string, found an integer\n" },
                { "separator: newline", "{'name': 'LANG', 'value': 'C', 'separator': '\\n'}",
                  "1:45 error /separator: Control character U+000A in a string, expected none\n" },
                { "misspelt key", "{'name': 'LANG', 'value': 'C', 'seperator': ':'}",
                  "1:32 error /seperator: Unknown key 'seperator'; did you mean 'separator', "
                  "expected one of: name, value, mode, separator\n" },
                { "all are told", "{'name': '',\n 'value': 5,\n 'mode': 'x',\n 'sep': ''}",
                  "1:10 error /name: Expected a string that is not empty\n"
                  "2:11 error /value: Expected a string, found an integer\n"
                  "3:10 error /mode: Unknown mode 'x', expected one of: set, append, prepend\n"
                  "4:2 error /sep: Unknown key 'sep', expected one of: name, value, mode, "
                  "separator\n" },
        };

        assert_rows_refused("env", cases, G_N_ELEMENTS(cases));
}

static void test_planned(void **state G_GNUC_UNUSED) {
        static const RowCase cases[] = {
                { "set by default", "{'name': 'LANG', 'value': 'C'}",
                  "env  LANG  = C  set  com.acme.test (test.json:1)\n" },
                { "set", "{'name': 'LANG', 'value': 'C', 'mode': 'set'}",
                  "env  LANG  = C  set  com.acme.test (test.json:1)\n" },
                { "SET", "{'name': 'LANG', 'value': 'C', 'mode': 'SET'}",
                  "env  LANG  = C  set  com.acme.test (test.json:1)\n" },
                { "append alone", "{'name': 'LANG', 'value': 'C', 'mode': 'append', 'separator': ':'}",
                  "env  LANG  = C  append  com.acme.test (test.json:1)\n" },
                { "Prepend alone", "{'name': 'LANG', 'value': 'C', 'mode': 'Prepend'}",
                  "env  LANG  = C  prepend  com.acme.test (test.json:1)\n" },
                { "empty separator", "{'name': 'LANG', 'value': 'C', 'separator': ''}",
                  "env  LANG  = C  set  com.acme.test (test.json:1)\n" },
                { "equals sign in the value", "{'name': 'LANG', 'value': 'a=b c'}",
                  "env  LANG  = a=b c  set  com.acme.test (test.json:1)\n" },
                { "name with a dot", "{'name': 'my.var-1', 'value': 'C'}",
                  "env  my.var-1  = C  set  com.acme.test (test.json:1)\n" },
        };

        assert_rows_planned("env", cases, G_N_ELEMENTS(cases));
}

static void test_limits(void **state G_GNUC_UNUSED) {
        g_autofree char *name = g_strnfill(ENV_NAME_MAX, 'N'), *value = g_strnfill(ENV_VALUE_MAX, 'v');
        g_autofree char *full = g_strdup_printf("{'name': '%s', 'value': '%s'}", name, value);
        g_autofree char *long_name = g_strdup_printf("{'name': '%sN', 'value': 'v'}", name);
        g_autofree char *long_value = g_strdup_printf("{'name': 'N', 'value': '%sv'}", value);
        const RowCase refused[] = {
                { "name", long_name, "1:10 error /name: The string has 257 bytes, expected at most 256\n" },
                { "value", long_value,
                  "1:24 error /value: The string has 65537 bytes, expected at most 65536\n" },
        };
        g_autoptr(GatewayConfig) config = NULL;
        g_autofree char *findings = NULL;

        assert_int_equal(parse_row("env", full, &findings, &config), 0);
        assert_rows_refused("env", refused, G_N_ELEMENTS(refused));
}

/* Two rows of one variable: what the plan makes of them. */
static void test_two_rows(void **state G_GNUC_UNUSED) {
        static const struct {
                const char *first, *second, *value; /* NULL = conflict */
        } cases[] = {
                { "{'name': 'P', 'value': 'a'}",
                  "{'name': 'P', 'value': 'b', 'mode': 'append', 'separator': ':'}", "a:b" },
                { "{'name': 'P', 'value': 'a'}",
                  "{'name': 'P', 'value': 'b', 'mode': 'prepend', 'separator': ':'}", "b:a" },
                { "{'name': 'P', 'value': 'a'}", "{'name': 'P', 'value': 'b', 'mode': 'append'}", "ab" },
                { "{'name': 'P', 'value': 'a'}", "{'name': 'P', 'value': 'a', 'mode': 'set'}", "a" },
                { "{'name': 'P', 'value': 'a'}", "{'name': 'P', 'value': 'b', 'mode': 'set'}", NULL },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autoptr(GatewayConfig) first = NULL, second = NULL;
                g_autofree char *first_findings = NULL, *second_findings = NULL;
                g_autoptr(Plan) plan = plan_new();
                g_auto(Error) error = ERROR_NULL;
                int r;

                assert_int_equal(parse_row("env", cases[i].first, &first_findings, &first), 0);
                assert_int_equal(parse_row("env", cases[i].second, &second_findings, &second), 0);
                assert_int_equal(first->ops->plan(first, plan, &error), 0);
                r = second->ops->plan(second, plan, &error);
                if (cases[i].value) {
                        assert_int_equal(r, 0);
                        assert_string_equal(plan_find_item(plan, PLAN_ENV, "P")->env.value, cases[i].value);
                } else {
                        assert_true(r < 0);
                        assert_int_equal(error.code, ERROR_CONFLICTING_CAPABILITIES);
                }
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_refused),
                cmocka_unit_test(test_planned),
                cmocka_unit_test(test_limits),
                cmocka_unit_test(test_two_rows),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
