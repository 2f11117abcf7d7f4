/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "service/id-pool.h"

#define BASE 0x70000000u

static void test_all_different(void **state G_GNUC_UNUSED) {
        g_autoptr(IdPool) pool = id_pool_new(BASE, 3 * ID_RANGE_COUNT + 7);
        g_auto(Error) error = ERROR_NULL;
        uint32_t first;

        for (uint32_t i = 0; i < 3; i++) {
                assert_int_equal(id_pool_take(pool, &first, NULL), 0);
                assert_int_equal(first, BASE + i * ID_RANGE_COUNT);
        }
        /* Seven ids are no range. */
        assert_true(id_pool_take(pool, &first, &error) < 0);
        assert_int_equal(error.code, ERROR_LIMIT_REACHED);
        assert_non_null(strstr(error.message, "3 ranges"));
}

/* What an app left behind belongs to an id: it shall not soon be another app's. */
static void test_last_back_is_last_out(void **state G_GNUC_UNUSED) {
        g_autoptr(IdPool) pool = id_pool_new(BASE, 3 * ID_RANGE_COUNT);
        uint32_t first;

        assert_int_equal(id_pool_take(pool, &first, NULL), 0);
        id_pool_give_back(pool, BASE);
        for (uint32_t i = 1; i < 3; i++) {
                assert_int_equal(id_pool_take(pool, &first, NULL), 0);
                assert_int_equal(first, BASE + i * ID_RANGE_COUNT);
        }
        id_pool_give_back(pool, BASE + 2 * ID_RANGE_COUNT);
        assert_int_equal(id_pool_take(pool, &first, NULL), 0);
        assert_int_equal(first, BASE);
        assert_int_equal(id_pool_take(pool, &first, NULL), 0);
        assert_int_equal(first, BASE + 2 * ID_RANGE_COUNT);
        assert_true(id_pool_take(pool, &first, NULL) < 0);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_all_different),
                cmocka_unit_test(test_last_back_is_last_out),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
