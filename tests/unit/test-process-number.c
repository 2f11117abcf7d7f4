/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "service/process-number.h"
#include "tests/unit/folder.h"

static void test_never_twice(void **state) {
        const char *file = folder_put(*state, "number", "");
        uint32_t last = 0;

        for (unsigned service = 0; service < 3; service++) {
                ProcessNumber *number = process_number_new(file);

                for (unsigned i = 0; i < 5000; i++) {
                        uint32_t next = process_number_next(number);

                        assert_true(next > last);
                        last = next;
                }
                process_number_free(number);
        }
}

/* What cannot be read or written is no reason to run nothing. */
static void test_useless_files(void **state) {
        const char *const files[] = { folder_put(*state, "words", "many"),
                                      folder_put(*state, "none/number", ""),
                                      folder_put(*state, "folder", NULL) };

        assert_int_equal(unlink(files[1]), 0);
        assert_int_equal(rmdir(folder_put(*state, "none", NULL)), 0);
        for (size_t i = 0; i < G_N_ELEMENTS(files); i++) {
                ProcessNumber *number = process_number_new(files[i]);

                assert_int_equal(process_number_next(number), 1);
                assert_int_equal(process_number_next(number), 2);
                process_number_free(number);
        }
}

static void test_wraps_without_zero(void **state) {
        ProcessNumber *number = process_number_new(folder_put(*state, "last", "4294967294"));

        assert_int_equal(process_number_next(number), UINT32_MAX);
        assert_int_equal(process_number_next(number), 1);
        assert_int_equal(process_number_next(number), 2);
        process_number_free(number);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_never_twice, folder_setup, folder_teardown),
                cmocka_unit_test_setup_teardown(test_useless_files, folder_setup, folder_teardown),
                cmocka_unit_test_setup_teardown(test_wraps_without_zero, folder_setup, folder_teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
