/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "message.h"

static void test_json(void **state G_GNUC_UNUSED) {
        TestMessage test = {};
        char *text;

        test_message_open(&test);
        assert_true(sd_bus_message_append(test.m, "(sbuita{sv}a(st)aso)", "text", 1, UINT32_MAX, -7,
                                          UINT64_C(5000000000), 2, "one", "s", "1", "many", "as", 2, "x", "y",
                                          1, "step", UINT64_C(12), 0, "/a") >= 0);
        text = test_message_to_json(&test);
        assert_string_equal(text,
                            "[\"text\",true,4294967295,-7,5000000000,{\"one\":\"1\",\"many\":[\"x\",\"y\"]},"
                            "[[\"step\",12]],[],\"/a\"]");
        free(text);
        test_message_close(&test);
}

/* jansson's numbers are signed: "no limit" must not become -1. */
static void test_json_no_limit(void **state G_GNUC_UNUSED) {
        TestMessage test = {};
        char *text;

        test_message_open(&test);
        assert_true(sd_bus_message_append(test.m, "t", UINT64_MAX) >= 0);
        text = test_message_to_json(&test);
        assert_string_equal(text, "null");
        free(text);
        test_message_close(&test);
}

static void test_json_too_deep(void **state G_GNUC_UNUSED) {
        TestMessage test = {};
        json_t *value = NULL;

        test_message_open(&test);
        for (int i = 0; i < 20; i++)
                assert_true(sd_bus_message_open_container(test.m, SD_BUS_TYPE_VARIANT, i < 19 ? "v" : "s") >=
                            0);
        assert_true(sd_bus_message_append(test.m, "s", "deep") >= 0);
        for (int i = 0; i < 20; i++)
                assert_true(sd_bus_message_close_container(test.m) >= 0);
        assert_true(sd_bus_message_seal(test.m, 1, 0) >= 0);
        assert_true(sd_bus_message_rewind(test.m, 1) >= 0);
        assert_int_equal(bus_read_json(test.m, &value), -E2BIG);
        assert_null(value);
        test_message_close(&test);
}

static void test_json_end(void **state G_GNUC_UNUSED) {
        TestMessage test = {};
        json_t *value = NULL;

        test_message_open(&test);
        assert_true(sd_bus_message_seal(test.m, 1, 0) >= 0);
        assert_int_equal(bus_read_json(test.m, &value), -ENXIO);
        test_message_close(&test);
}

static void test_exit_status(void **state G_GNUC_UNUSED) {
        static const struct {
                const char *name, *message;
                int expected;
        } cases[] = {
                { "ExecFailed", "Cannot execute 'x': No such file or directory", 127 },
                { "ExecFailed", "Cannot execute 'x': Permission denied", 126 },
                { "ExecFailed", "Cannot execute 'x': Exec format error", 126 },
                { "ExecFailed", "Cannot execute ': No such file or directory': Is a directory", 126 },
                { "ExecFailed", NULL, 126 },
                { "UnknownCapability", "x: No such file or directory", 125 },
                { BULKHEAD_ERROR_NO_ANSWER, "", 125 },
                { NULL, NULL, 125 },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                BulkheadError error = { (char *) (uintptr_t) cases[i].name,
                                        (char *) (uintptr_t) cases[i].message };

                if (bus_error_to_exit_status(&error) != cases[i].expected)
                        fail_msg("%s '%s': %d, expected %d", cases[i].name, cases[i].message,
                                 bus_error_to_exit_status(&error), cases[i].expected);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_json),        cmocka_unit_test(test_json_no_limit),
                cmocka_unit_test(test_json_end),    cmocka_unit_test(test_json_too_deep),
                cmocka_unit_test(test_exit_status),
        };

        return cmocka_run_group_tests_name("cli-bus", tests, NULL, NULL);
}
