/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/rows.h"
#include "util/limits.h"

static void test_refused(void **state G_GNUC_UNUSED) {
        static const RowCase cases[] = {
                { "not an object", "[]", "1:1 error : Expected an object, found an array\n" },
                { "setting: number", "{'setting': 5, 'value': '1M'}",
                  "1:13 error /setting: Expected a string, found an integer\n" },
                { "setting: empty", "{'setting': '', 'value': '1M'}",
                  "1:13 error /setting: Expected a string that is not empty\n" },
                { "setting: newline", "{'setting': 'memory.max\\n', 'value': '1M'}",
                  "1:13 error /setting: Control character U+000A in a string, expected none\n" },
                { "setting: a path", "{'setting': '../../cgroup.procs', 'value': '1'}",
                  "1:13 error /setting: Setting '../../cgroup.procs' is unknown, a limit of cgroup v1 or v2 "
                  "was "
                  "expected\n" },
                { "value before an unknown setting", "{'value': '1M', 'setting': 'memory.limit'}",
                  "1:28 error /setting: Setting 'memory.limit' is unknown, a limit of cgroup v1 or v2 was "
                  "expected; "
                  "did you mean 'memory.limit_in_bytes'\n" },
                { "both wrong", "{'setting': 'x', 'value': null}",
                  "1:13 error /setting: Setting 'x' is unknown, a limit of cgroup v1 or v2 was expected\n"
                  "1:27 error /value: Expected a string or an integer\n" },
                { "unknown setting without value", "{'setting': 'x'}",
                  "1:1 error : Key 'value' is missing\n"
                  "1:13 error /setting: Setting 'x' is unknown, a limit of cgroup v1 or v2 was expected\n" },
                { "known setting with another key", "{'setting': 'pids.max', 'value': 5, 'unit': 'K'}",
                  "1:37 error /unit: Unknown key 'unit', expected one of: setting, value\n" },
        };

        assert_rows_refused("cgroups", cases, G_N_ELEMENTS(cases));
}

static void test_planned(void **state G_GNUC_UNUSED) {
        static const RowCase cases[] = {
                { "string", "{'setting': 'memory.max', 'value': '64M'}",
                  "limit  memory.max  = 64M    com.acme.test (test.json:1)\n" },
                { "integer", "{'setting': 'memory.max', 'value': 67108864}",
                  "limit  memory.max  = 64M    com.acme.test (test.json:1)\n" },
                { "name of v1", "{'setting': 'memory.limit_in_bytes', 'value': '65536k'}",
                  "limit  memory.max  = 64M    com.acme.test (test.json:1)\n" },
                { "keys in another order", "{'value': 64, 'setting': 'pids.max'}",
                  "limit  pids.max  = 64    com.acme.test (test.json:1)\n" },
        };

        assert_rows_planned("cgroups", cases, G_N_ELEMENTS(cases));
}

/* Every name of both vocabularies is read, with one of these values at least; none of them is read when
 * empty. */
static void test_names(void **state G_GNUC_UNUSED) {
        static const char *const values[] = { "50000", "100", "0-1", "8:0 rbps=1M", "8:0 100", "0x100001" };
        const char *const *names = limit_get_names();

        for (; *names; names++) {
                bool is_read = false;

                for (size_t i = 0; i < G_N_ELEMENTS(values); i++) {
                        g_autofree char *row = g_strdup_printf("{'setting': '%s', 'value': '%s'}", *names,
                                                               values[i]);
                        g_autoptr(GatewayConfig) config = NULL;
                        g_autofree char *findings = NULL;

                        is_read = parse_row("cgroups", row, &findings, &config) >= 0 || is_read;
                }
                if (!is_read)
                        fail_msg("%s: no value is read", *names);
                g_autofree char *row = g_strdup_printf("{'setting': '%s', 'value': ''}", *names);
                g_autoptr(GatewayConfig) config = NULL;
                g_autofree char *findings = NULL;

                assert_true(parse_row("cgroups", row, &findings, &config) < 0);
                assert_non_null(strstr(findings, " error /value: Expected a string that is not empty\n"));
        }
}

static void test_limits(void **state G_GNUC_UNUSED) {
        g_autofree char *long_value = g_strnfill(LIMIT_TEXT_MAX + 1, '1');
        g_autofree char *above = g_strdup_printf("{'setting': 'cpuset.cpus', 'value': '%s'}", long_value);
        const RowCase refused = { "above", above,
                                  "1:37 error /value: The string has 4097 bytes, expected at most 4096\n" };

        assert_rows_refused("cgroups", &refused, 1);
}

/* Two classes of traffic: neither is wider. */
static void test_conflict(void **state G_GNUC_UNUSED) {
        g_autoptr(GatewayConfig) one = NULL, other = NULL;
        g_autofree char *findings = NULL, *more = NULL;
        g_autoptr(Plan) plan = plan_new();
        g_auto(Error) error = ERROR_NULL;

        assert_int_equal(
                parse_row("cgroups", "{'setting': 'net_cls.classid', 'value': '0x10001'}", &findings, &one),
                0);
        assert_int_equal(
                parse_row("cgroups", "{'setting': 'net_cls.classid', 'value': '0x10002'}", &more, &other), 0);
        assert_int_equal(one->ops->plan(one, plan, &error), 0);
        assert_int_equal(one->ops->plan(one, plan, &error), 0);
        assert_true(other->ops->plan(other, plan, &error) < 0);
        assert_int_equal(error.code, ERROR_CONFLICTING_CAPABILITIES);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_refused), cmocka_unit_test(test_planned),  cmocka_unit_test(test_names),
                cmocka_unit_test(test_limits),  cmocka_unit_test(test_conflict),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
