/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/rows.h"

#define ORIGIN "com.acme.test (test.json:1)\n"

static void test_refused(void **state G_GNUC_UNUSED) {
        static const RowCase cases[] = {
                { "not an object", "[]", "1:1 error : Expected an object, found an array\n" },
                { "empty object", "{}", "1:1 error : Key 'enabled' is missing\n" },
                { "null", "{'enabled': null}", "1:13 error /enabled: Expected true or false, found null\n" },
                { "string", "{'enabled': 'yes'}",
                  "1:13 error /enabled: Expected true or false, found a string\n" },
                { "another key", "{'enabled': true, 'Enabled': false}",
                  "1:19 error /Enabled: Unknown key 'Enabled'; did you mean 'enabled', expected one of: "
                  "enabled\n" },
        };

        assert_rows_refused("wayland", cases, G_N_ELEMENTS(cases));
}

static void test_planned(void **state G_GNUC_UNUSED) {
        static const RowCase cases[] = {
                { "on", "{'enabled': true}",
                  "env     WAYLAND_DISPLAY  = wayland-0             default  " ORIGIN
                  "env     XDG_RUNTIME_DIR  = /gateways             default  " ORIGIN
                  "socket  wayland          of the owner's session           " ORIGIN },
                { "off", "{'enabled': false}", "" },
        };

        assert_rows_planned("wayland", cases, G_N_ELEMENTS(cases));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_refused),
                cmocka_unit_test(test_planned),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
