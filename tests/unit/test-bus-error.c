/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <systemd/sd-bus.h>

#include "dbus/bus-error.h"
#include "util/limits.h"

static void test_every_code_has_a_name(void **state G_GNUC_UNUSED) {
        for (int code = 0; code < _ERROR_CODE_MAX; code++) {
                const char *name = bus_error_get_name(code);
                g_autofree char *own = g_strconcat(BUS_ERROR_PREFIX, error_code_to_string(code), NULL);

                if (code == ERROR_SYSTEM)
                        assert_string_equal(name, "org.freedesktop.DBus.Error.Failed");
                else if (code == ERROR_INVALID_ARGS)
                        assert_string_equal(name, "org.freedesktop.DBus.Error.InvalidArgs");
                else if (code == ERROR_ACCESS_DENIED)
                        assert_string_equal(name, "org.freedesktop.DBus.Error.AccessDenied");
                else
                        assert_string_equal(name, own);
        }
        assert_string_equal(bus_error_get_name(_ERROR_CODE_MAX), "org.freedesktop.DBus.Error.Failed");
        assert_string_equal(bus_error_get_name(_ERROR_CODE_INVALID), "org.freedesktop.DBus.Error.Failed");
}

static void test_set(void **state G_GNUC_UNUSED) {
        g_auto(Error) error = ERROR_NULL;
        sd_bus_error bus_error = SD_BUS_ERROR_NULL;
        int r = error_setf(&error, ERROR_BAD_STATE, "It sleeps");

        (void) error_set_place(&error, r, "a.json", 3, 4, NULL);
        assert_true(bus_error_set(&bus_error, &error) < 0);
        assert_string_equal(bus_error.name, BUS_ERROR_PREFIX "BadState");
        assert_non_null(strstr(bus_error.message, "It sleeps"));
        assert_non_null(strstr(bus_error.message, "a.json:3"));
        sd_bus_error_free(&bus_error);
}

/* A message with other text would never leave, and its caller would wait for ever. */
static void test_text_is_utf8(void **state G_GNUC_UNUSED) {
        g_auto(Error) error = ERROR_NULL;
        sd_bus_error bus_error = SD_BUS_ERROR_NULL;

        (void) error_setf(&error, ERROR_SYSTEM, "Cannot open 'a\xff\xc3'");
        assert_true(bus_error_set(&bus_error, &error) < 0);
        assert_true(g_utf8_validate(bus_error.message, -1, NULL));
        sd_bus_error_free(&bus_error);
}

/* The reason, which stands last, is not what is cut. */
static void test_long_text(void **state G_GNUC_UNUSED) {
        g_autofree char *name = g_strnfill(64 * 1024, 'x');
        g_auto(Error) error = ERROR_NULL;
        sd_bus_error bus_error = SD_BUS_ERROR_NULL;

        (void) error_set_errnof(&error, ENAMETOOLONG, "Cannot run '%s'", name);
        assert_true(bus_error_set(&bus_error, &error) < 0);
        assert_in_range(strlen(bus_error.message), BUS_ERROR_MAX, BUS_ERROR_MAX + 16);
        assert_true(g_str_has_prefix(bus_error.message, "Cannot run 'xxx"));
        assert_true(g_str_has_suffix(bus_error.message, "xxx': File name too long"));
        sd_bus_error_free(&bus_error);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_every_code_has_a_name),
                cmocka_unit_test(test_set),
                cmocka_unit_test(test_text_is_utf8),
                cmocka_unit_test(test_long_text),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
