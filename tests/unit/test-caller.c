/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "service/caller.h"

static void test_groups(void **state G_GNUC_UNUSED) {
        static const gid_t groups[] = { 0, 27, 1000 };
        g_autoptr(Caller) caller = caller_new(1000, groups, G_N_ELEMENTS(groups));
        g_autoptr(Caller) again = caller_ref(caller);

        assert_ptr_equal(again, caller);
        assert_false(caller_is_root(caller));
        assert_true(caller_has_group(caller, 27));
        assert_false(caller_has_group(caller, 28));
}

static void test_choice(void **state G_GNUC_UNUSED) {
        static const struct {
                const char *name;
                gid_t groups[3];
                size_t n_groups;
                gid_t wanted;
                bool found;
                gid_t chosen;
        } cases[] = {
                { "the wanted one", { 5, 27, 1000 }, 3, 1000, true, 1000 },
                { "not in the wanted one", { 5, 27, 1000 }, 3, 4, true, 5 },
                { "never group 0, also if wanted", { 0, 27 }, 2, 0, true, 27 },
                { "in group 0 only", { 0 }, 1, 0, false, 0 },
                { "in none", { 0 }, 0, 5, false, 0 },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autoptr(Caller) caller = caller_new(1000, cases[i].groups, cases[i].n_groups);
                gid_t chosen = 0;

                if (caller_choose_group(caller, cases[i].wanted, &chosen) != cases[i].found ||
                    chosen != cases[i].chosen)
                        fail_msg("%s: %u", cases[i].name, (unsigned) chosen);
        }
}

int main(void) {
        static const struct CMUnitTest tests[] = { cmocka_unit_test(test_groups),
                                                   cmocka_unit_test(test_choice) };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
