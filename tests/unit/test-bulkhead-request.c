/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/bulkhead-private.h"
#include "message.h"

static char *request_to_json(const BulkheadRequest *request, RequestPart parts) {
        TestMessage message = {};
        char *text;

        test_message_open(&message);
        assert_true(bulkhead_request_append(request, parts, message.m) >= 0);
        text = test_message_to_json(&message);
        test_message_close(&message);
        return text;
}

static void expect_sent(const BulkheadRequest *request, RequestPart parts, const char *expected) {
        char *text = request_to_json(request, parts);

        assert_string_equal(text, expected);
        free(text);
}

static void test_empty(void **state G_GNUC_UNUSED) {
        g_autoptr(BulkheadRequest) request = bulkhead_request_new();

        assert_string_equal(bulkhead_request_get_name(NULL), "");
        assert_string_equal(bulkhead_request_get_name(request), "");
        expect_sent(NULL, REQUEST_SANDBOX | REQUEST_PROCESS, "{}");
        expect_sent(request, REQUEST_SANDBOX | REQUEST_PROCESS, "{}");
}

/* Each call sends what it has, and only launch() sends both. */
static void test_parts(void **state G_GNUC_UNUSED) {
        g_autoptr(BulkheadRequest) request = bulkhead_request_new();

        bulkhead_request_set_name(request, "first");
        bulkhead_request_set_name(request, "n");
        bulkhead_request_set_template(request, "t");
        bulkhead_request_set_hostname(request, "h");
        bulkhead_request_add_capability(request, "a");
        assert_int_equal(bulkhead_request_add_label(request, "k", ""), 0);
        assert_int_equal(bulkhead_request_add_mount(request, "/s", "/d", BULKHEAD_MOUNT_RECURSIVE), 0);
        assert_int_equal(bulkhead_request_set_variable(request, "A", "1"), 0);
        assert_int_equal(bulkhead_request_set_variable(request, "A", "2=3"), 0);
        bulkhead_request_set_working_directory(request, "/w");
        bulkhead_request_set_user(request, "u");
        assert_int_equal(bulkhead_request_set_fd(request, 1, STDERR_FILENO), 0);
        bulkhead_request_set_flags(request, BULKHEAD_KEEP | BULKHEAD_BIND_TO_CALLER | BULKHEAD_TERMINAL);

        assert_string_equal(bulkhead_request_get_name(request), "n");
        expect_sent(
                request, REQUEST_SANDBOX,
                "{\"environment\":{\"A\":\"2=3\"},\"capabilities\":[\"a\"],\"template\":\"t\",\"hostname\":\"h\","
                "\"labels\":{\"k\":\"\"},\"mounts\":[[\"/s\",\"/d\",4]],\"bind-to-caller\":true}");
        expect_sent(
                request, REQUEST_PROCESS,
                "{\"environment\":{\"A\":\"2=3\"},\"working-directory\":\"/w\",\"user\":\"u\",\"terminal\":true,"
                "\"stdout\":null}");
        expect_sent(
                request, REQUEST_SANDBOX | REQUEST_PROCESS,
                "{\"environment\":{\"A\":\"2=3\"},\"capabilities\":[\"a\"],\"template\":\"t\",\"hostname\":\"h\","
                "\"labels\":{\"k\":\"\"},\"mounts\":[[\"/s\",\"/d\",4]],\"bind-to-caller\":true,"
                "\"working-directory\":\"/w\",\"user\":\"u\",\"terminal\":true,\"stdout\":null,\"keep\":true}");
}

static void test_refused(void **state G_GNUC_UNUSED) {
        g_autoptr(BulkheadRequest) request = bulkhead_request_new();

        assert_int_equal(bulkhead_request_set_variable(request, "", "1"), -EINVAL);
        assert_int_equal(bulkhead_request_set_variable(request, "A=B", "1"), -EINVAL);
        assert_int_equal(bulkhead_request_set_variable(request, "A", NULL), -EINVAL);
        assert_int_equal(bulkhead_request_add_label(request, "", "1"), -EINVAL);
        assert_int_equal(bulkhead_request_add_mount(request, "", "/d", 0), -EINVAL);
        assert_int_equal(bulkhead_request_add_mount(request, "/s", "", 0), -EINVAL);
        assert_int_equal(bulkhead_request_set_fd(request, 3, 0), -EINVAL);
        assert_int_equal(bulkhead_request_set_fd(request, -1, 0), -EINVAL);
        assert_int_equal(bulkhead_request_set_fd(request, 0, -2), -EINVAL);
        expect_sent(request, REQUEST_SANDBOX | REQUEST_PROCESS, "{}");
}

static void test_error_names(void **state G_GNUC_UNUSED) {
        static const struct {
                const char *bus_name;
                int r;
                const char *expected;
        } cases[] = {
                { BUS_ERROR_PREFIX "NoSuchSandbox", -ENOENT, "NoSuchSandbox" },
                { "org.freedesktop.DBus.Error.InvalidArgs", -EINVAL, "InvalidArgs" },
                { "org.freedesktop.DBus.Error.AccessDenied", -EACCES, "AccessDenied" },
                { "org.freedesktop.DBus.Error.UnknownObject", -EBADR, BULKHEAD_ERROR_GONE },
                { "org.freedesktop.DBus.Error.UnknownMethod", -EBADR, BULKHEAD_ERROR_UNKNOWN },
                { "org.freedesktop.DBus.Error.ServiceUnknown", -EHOSTUNREACH, BULKHEAD_ERROR_NO_SERVICE },
                { "org.freedesktop.DBus.Error.NoReply", -ETIMEDOUT, BULKHEAD_ERROR_NO_ANSWER },
                { NULL, -ETIMEDOUT, BULKHEAD_ERROR_NO_ANSWER },
                { NULL, -ENOTCONN, BULKHEAD_ERROR_NO_BUS },
                { "org.example.Other", -EIO, BULKHEAD_ERROR_FAILED },
                { NULL, -EIO, BULKHEAD_ERROR_FAILED },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                sd_bus_error from = SD_BUS_ERROR_MAKE_CONST(cases[i].bus_name,
                                                            cases[i].bus_name ? "text" : NULL);
                g_auto(BulkheadError) error = { 0 };

                assert_int_equal(bulkhead_error_take(&error, &from, cases[i].r), cases[i].r);
                assert_string_equal(error.name, cases[i].expected);
                assert_true(error.message && *error.message);
                assert_true(bulkhead_error_is(&error, cases[i].expected));
                assert_false(bulkhead_error_is(&error, "Other"));
        }
        assert_int_equal(bulkhead_error_take(NULL, NULL, -EIO), -EIO);
        assert_false(bulkhead_error_is(NULL, "Failed"));
}

static void test_no_bus(void **state G_GNUC_UNUSED) {
        g_auto(BulkheadError) error = { 0 };
        Bulkhead *bulkhead = NULL;

        assert_true(bulkhead_open("unix:path=/nonexistent/bus", &bulkhead, &error) < 0);
        assert_null(bulkhead);
        assert_string_equal(error.name, BULKHEAD_ERROR_NO_BUS);
        assert_non_null(strstr(error.message, "/nonexistent/bus"));
        bulkhead_close(NULL);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_empty),   cmocka_unit_test(test_parts),
                cmocka_unit_test(test_refused), cmocka_unit_test(test_error_names),
                cmocka_unit_test(test_no_bus),
        };

        return cmocka_run_group_tests_name("bulkhead-request", tests, NULL, NULL);
}
