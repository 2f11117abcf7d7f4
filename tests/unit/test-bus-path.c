/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dbus/bus-path.h"

static void test_there_and_back(void **state G_GNUC_UNUSED) {
        static const struct {
                uid_t viewer, owner;
                const char *name;
                uint32_t number;
                const char *path;
        } cases[] = {
                { 1000, 1000, "maps", 0, BUS_PATH "/sandbox/maps" },
                { 0, 0, "maps", 0, BUS_PATH "/sandbox/maps" },
                { 0, 1000, "maps", 0, BUS_PATH "/sandbox/_31000_3amaps" },
                { 1000, 1000, "a.b-c_d", 0, BUS_PATH "/sandbox/a_2eb_2dc_5fd" },
                { 1000, 1000, "9", 0, BUS_PATH "/sandbox/_39" },
                { 1000, 1000, "maps", 12, BUS_PATH "/sandbox/maps/process/12" },
                { 0, 1000, "maps", 4294967295, BUS_PATH "/sandbox/_31000_3amaps/process/4294967295" },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autofree char *path = cases[i].number > 0
                                                ? bus_path_process(cases[i].viewer, cases[i].owner,
                                                                   cases[i].name, cases[i].number)
                                                : bus_path_sandbox(cases[i].viewer, cases[i].owner,
                                                                   cases[i].name);
                g_autofree char *name = NULL;
                uint32_t number;
                uid_t owner;

                assert_string_equal(path, cases[i].path);
                assert_int_equal(bus_path_parse(cases[i].viewer, path, &owner, &name, &number), 1);
                assert_int_equal(owner, cases[i].owner);
                assert_string_equal(name, cases[i].name);
                assert_int_equal(number, cases[i].number);
        }
}

static void test_other_paths(void **state G_GNUC_UNUSED) {
        static const struct {
                uid_t viewer;
                const char *path;
        } cases[] = {
                { 0, "/" },
                { 0, BUS_PATH },
                { 0, BUS_PATH "/sandbox" },
                { 0, BUS_PATH "/sandbox/" },
                { 0, BUS_PATH "/sandbox/maps/x" },
                { 0, BUS_PATH "/sandbox/maps/process" },
                { 0, BUS_PATH "/sandbox/maps/process/0" },
                { 0, BUS_PATH "/sandbox/maps/process/x" },
                { 0, BUS_PATH "/sandbox/maps/process/1/2" },
                { 0, BUS_PATH "/sandbox/maps/process/4294967296" },
                { 0, BUS_PATH "/sandboxes/maps" },
                /* the owner of others' is root's to write */ { 1000, BUS_PATH "/sandbox/_31001_3amaps" },
                /* one object has one path */ { 0, BUS_PATH "/sandbox/_30_3amaps" },
                { 0, BUS_PATH "/sandbox/_6daps" },
                { 0, BUS_PATH "/sandbox/maps/process/01" },
                /* names that are none */ { 0, BUS_PATH "/sandbox/_2e_2e" },
                { 0, BUS_PATH "/sandbox/_" },
                { 0, BUS_PATH "/sandbox/a_2fb" },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autofree char *name = NULL;
                uint32_t number;
                uid_t owner;

                assert_int_equal(bus_path_parse(cases[i].viewer, cases[i].path, &owner, &name, &number), 0);
                assert_null(name);
        }
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_there_and_back),
                cmocka_unit_test(test_other_paths),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
