/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <glib.h>

#include "service/sandbox-state.h"

static void test_table(void **state G_GNUC_UNUSED) {
        for (int i = 0; i < _SANDBOX_STATE_MAX; i++) {
                assert_non_null(sandbox_state_to_string(i));
                assert_int_equal(sandbox_state_from_string(sandbox_state_to_string(i)), i);
        }
        assert_null(sandbox_state_to_string(_SANDBOX_STATE_MAX));
        assert_true((int) sandbox_state_from_string("asleep") < 0);
        assert_true((int) sandbox_state_from_string(NULL) < 0);
}

/* The whole table once more, written the way the contract draws it. */
static void test_ways(void **state G_GNUC_UNUSED) {
        static const struct {
                SandboxState from, to;
        } ways[] = {
                { SANDBOX_CREATING, SANDBOX_READY },  { SANDBOX_CREATING, SANDBOX_STOPPING },
                { SANDBOX_CREATING, SANDBOX_FAILED }, { SANDBOX_READY, SANDBOX_FROZEN },
                { SANDBOX_READY, SANDBOX_STOPPING },  { SANDBOX_READY, SANDBOX_FAILED },
                { SANDBOX_FROZEN, SANDBOX_READY },    { SANDBOX_FROZEN, SANDBOX_STOPPING },
                { SANDBOX_FROZEN, SANDBOX_FAILED },
        };
        size_t n = 0;

        for (size_t i = 0; i < G_N_ELEMENTS(ways); i++)
                assert_true(sandbox_state_is_next(ways[i].from, ways[i].to));
        for (int from = 0; from < _SANDBOX_STATE_MAX; from++)
                for (int to = 0; to < _SANDBOX_STATE_MAX; to++)
                        n += sandbox_state_is_next(from, to);
        assert_int_equal(n, G_N_ELEMENTS(ways));
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_table),
                cmocka_unit_test(test_ways),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
