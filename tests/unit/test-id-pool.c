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

/* What a sandbox of an earlier service holds is not given out, whatever the settings were then. */
static void test_reserved_ranges(void **state G_GNUC_UNUSED) {
        static const struct {
                const char *name;
                uint32_t first, n_left; /* of 4 ranges */
        } cases[] = {
                { "one of ours", BASE + ID_RANGE_COUNT, 3 },
                { "across two", BASE + ID_RANGE_COUNT / 2, 2 },
                { "across the beginning", BASE - 1, 3 },
                { "across the end", BASE + 4 * ID_RANGE_COUNT - 1, 3 },
                { "before", BASE - ID_RANGE_COUNT, 4 },
                { "behind", BASE + 4 * ID_RANGE_COUNT, 4 },
                { "at the very end", UINT32_MAX - ID_RANGE_COUNT, 4 },
                { "at the very beginning", 65536, 4 },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autoptr(IdPool) pool = id_pool_new(BASE, 4 * ID_RANGE_COUNT);
                uint32_t first, n = 0;

                assert_int_equal(id_pool_reserve(pool, cases[i].first, NULL), 0);
                while (id_pool_take(pool, &first, NULL) >= 0) {
                        if (first < cases[i].first + ID_RANGE_COUNT && cases[i].first < first + ID_RANGE_COUNT)
                                fail_msg("%s: %#x is given out", cases[i].name, first);
                        n++;
                }
                assert_int_equal(n, cases[i].n_left);
                id_pool_give_back(pool, cases[i].first);
                for (; n < 4; n++)
                        assert_int_equal(id_pool_take(pool, &first, NULL), 0);
                assert_true(id_pool_take(pool, &first, NULL) < 0);
        }
}

static void test_reserved_twice(void **state G_GNUC_UNUSED) {
        g_autoptr(IdPool) pool = id_pool_new(BASE, 4 * ID_RANGE_COUNT);
        g_auto(Error) error = ERROR_NULL;
        uint32_t first;

        assert_int_equal(id_pool_reserve(pool, BASE + ID_RANGE_COUNT, NULL), 0);
        assert_true(id_pool_reserve(pool, BASE + ID_RANGE_COUNT / 2, &error) < 0);
        assert_int_equal(error.code, ERROR_LIMIT_REACHED);
        /* of which nothing is taken */
        assert_int_equal(id_pool_take(pool, &first, NULL), 0);
        assert_int_equal(first, BASE);
        /* One that was given back, too. */
        id_pool_give_back(pool, BASE);
        assert_int_equal(id_pool_reserve(pool, BASE, NULL), 0);
        for (unsigned i = 0; i < 2; i++)
                assert_int_equal(id_pool_take(pool, &first, NULL), 0);
        assert_true(id_pool_take(pool, &first, NULL) < 0);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_all_different),
                cmocka_unit_test(test_last_back_is_last_out),
                cmocka_unit_test(test_reserved_ranges),
                cmocka_unit_test(test_reserved_twice),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
