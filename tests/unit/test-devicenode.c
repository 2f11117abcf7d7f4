/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/rows.h"
#include "util/limits.h"

/* The item that a row becomes. */
static const PlanItem *plan_row(const char *text, Plan *plan) {
        g_autoptr(GatewayConfig) config = NULL;
        g_autofree char *findings = NULL;
        g_auto(Error) error = ERROR_NULL;

        (void) parse_row("devicenode", text, &findings, &config);
        assert_text(text, findings, "");
        if (config->ops->plan(config, plan, &error) < 0)
                fail_msg("%s: %s", text, error.message);
        assert_int_equal(plan_get_size(plan), 1);
        return plan_get_item(plan, 0);
}

static void test_modes(void **state G_GNUC_UNUSED) {
        static const struct {
                const char *text;
                unsigned mode;
        } cases[] = {
                { "1", 01 },       { "7", 07 },        { "20", 020 },     { "644", 0644 },
                { "777", 0777 },   { "'1'", 01 },      { "'07'", 07 },    { "'020'", 020 },
                { "'644'", 0644 }, { "'0644'", 0644 }, { "'722'", 0722 }, { "'0777'", 0777 },
                { "'0001'", 01 },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autofree char *row = g_strdup_printf("{'name': '/dev/fb0', 'mode': %s}", cases[i].text);
                g_autoptr(Plan) plan = plan_new();
                const PlanItem *item = plan_row(row, plan);

                assert_int_equal(item->device.mode, cases[i].mode);
                assert_int_equal(item->device.flags, PLAN_DEVICE_ALL);
        }
}

static void test_modes_refused(void **state G_GNUC_UNUSED) {
        static const char *const modes[] = {
                "0",      "8",      "9",      "-1",     "778",    "800",    "1000",    "9223372036854775807",
                "1e2",    "6.5",    "'8'",    "'09'",   "'778'",  "'1000'", "'00644'", "'-1'",
                "'+644'", "' 644'", "'644 '", "'0x1a'", "'u=rw'", "''",     "'0'",     "'000'",
                "null",   "[644]",  "{}",     "true",
        };

        for (size_t i = 0; i < G_N_ELEMENTS(modes); i++) {
                g_autofree char *row = g_strdup_printf("{'name': '/dev/fb0', 'mode': %s}", modes[i]);
                g_autoptr(GatewayConfig) config = NULL;
                g_autofree char *findings = NULL;

                if (parse_row("devicenode", row, &findings, &config) >= 0)
                        fail_msg("%s: not refused", row);
                assert_true(g_str_has_prefix(findings, "1:30 error /mode: "));
        }
}

static void test_access(void **state G_GNUC_UNUSED) {
        enum { R = PLAN_DEVICE_READ, W = PLAN_DEVICE_WRITE, M = PLAN_DEVICE_MKNOD };
        static const struct {
                const char *word;
                unsigned flags; /* 0 = refused */
        } cases[] = {
                { "r", R },      { "w", W },      { "m", M },           { "rw", R | W },      { "wr", R | W },
                { "rm", R | M }, { "mw", W | M }, { "mwr", R | W | M }, { "rwm", R | W | M }, { "", 0 },
                { "x", 0 },      { "rr", 0 },     { "rwr", 0 },         { "rwmr", 0 },        { "R", 0 },
                { "r w", 0 },    { "r,w", 0 },    { "read", 0 },        { "rwx", 0 },         { "6", 0 },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autofree char *row = g_strdup_printf("{'name': '/dev/fb0', 'access': '%s'}", cases[i].word);
                g_autoptr(GatewayConfig) config = NULL;
                g_autofree char *findings = NULL;
                g_autoptr(Plan) plan = plan_new();

                if (cases[i].flags != 0)
                        assert_int_equal(plan_row(row, plan)->device.flags,
                                         cases[i].flags | PLAN_DEVICE_AS_ON_HOST);
                else if (parse_row("devicenode", row, &findings, &config) >= 0)
                        fail_msg("%s: not refused", row);
        }
}

static void test_planned(void **state G_GNUC_UNUSED) {
        static const RowCase cases[] = {
                { "least", "{'name': '/dev/fb0'}",
                  "device  /dev/fb0  mode of the host  read,write,mknod  com.acme.test (test.json:1)\n" },
                { "all keys", "{'optional': true, 'access': 'wr', 'mode': '0660', 'name': '/dev/ttyUSB*'}",
                  "device  /dev/ttyUSB*  mode 660  read,write,optional  com.acme.test (test.json:1)\n" },
                { "set in a glob", "{'name': '/dev/video[!0-3]', 'optional': false}",
                  "device  /dev/video[!0-3]  mode of the host  read,write,mknod  com.acme.test "
                  "(test.json:1)\n" },
                { "glob below a folder", "{'name': '/dev/snd/*'}",
                  "device  /dev/snd/*  mode of the host  read,write,mknod  com.acme.test (test.json:1)\n" },
                { "comma and colon", "{'name': '/dev/disk/by-path/pci-0000:00:1f.2,x'}",
                  "device  /dev/disk/by-path/pci-0000:00:1f.2,x  mode of the host  read,write,mknod  "
                  "com.acme.test "
                  "(test.json:1)\n" },
        };

        assert_rows_planned("devicenode", cases, G_N_ELEMENTS(cases));
}

static void test_limits(void **state G_GNUC_UNUSED) {
        g_autofree char *part = g_strnfill(PATH_SIZE_MAX - 1 - strlen("/dev/"), 'd');
        g_autofree char *full = g_strdup_printf("{'name': '/dev/%s'}", part);
        g_autofree char *above = g_strdup_printf("{'name': '/dev/%sd'}", part);
        const RowCase refused = { "above", above,
                                  "1:10 error /name: The string has 4096 bytes, expected at most 4095\n" };
        g_autoptr(Plan) plan = plan_new();

        assert_int_equal(strlen(plan_row(full, plan)->key), PATH_SIZE_MAX - 1);
        assert_rows_refused("devicenode", &refused, 1);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_modes),  cmocka_unit_test(test_modes_refused),
                cmocka_unit_test(test_access), cmocka_unit_test(test_planned),
                cmocka_unit_test(test_limits),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
