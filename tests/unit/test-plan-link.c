/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/plan-asserts.h"

enum {
        ALL = PLAN_LINK_FILTER_ALL,
        OUT = PLAN_LINK_FILTER_OUTGOING,
        IN = PLAN_LINK_FILTER_INCOMING,
};

static const struct {
        int first, second;
        const char *text;
} merges[] = {
        { ALL, ALL, "eth0 | nothing but what rules allow |  | 2" },
        { ALL, OUT, "eth0 | only outgoing filtered |  | 2" },
        { IN, ALL, "eth0 | only incoming filtered |  | 2" },
        { IN, OUT, "eth0 | not filtered |  | 2" },
        { ALL, 0, "eth0 | not filtered |  | 2" },
};

static void test_merges(void **state G_GNUC_UNUSED) {
        for (size_t i = 0; i < G_N_ELEMENTS(merges); i++) {
                g_autoptr(Plan) plan = plan_new();
                g_autoptr(Plan) first = NULL;

                assert_int_equal(plan_add_link(plan, &maps, "eth0", merges[i].first, NULL), 0);
                first = plan_copy(plan);
                assert_int_equal(plan_add_link(plan, &radio, "eth0", merges[i].second, NULL), 0);
                assert_plan_says(merges[i].text, plan, merges[i].text);
                assert_true(plan_item_covers(plan_get_item(plan, 0), plan_get_item(first, 0)));
                assert_int_equal(plan_item_covers(plan_get_item(first, 0), plan_get_item(plan, 0)),
                                 plan_item_is_equal(plan_get_item(first, 0), plan_get_item(plan, 0)));
        }
}

static void test_refused(void **state G_GNUC_UNUSED) {
        static const struct {
                const char *name;
                int flags;
                const char *message;
        } cases[] = {
                { "lo", ALL, "Link 'lo' is one that every sandbox has of its own" },
                { "", ALL, "Link '' has no name of 1 to 15 characters that starts with a letter" },
                { "0eth", ALL, "Link '0eth' has no name of 1 to 15 characters that starts with a letter" },
                { "sixteencharacter", ALL,
                  "Link 'sixteencharacter' has no name of 1 to 15 characters that starts with a letter" },
                { "a/b", ALL, "Link 'a/b' has a character that is no letter, digit, '_' or '-'" },
                { "a b", ALL, "Link 'a b' has a character that is no letter, digit, '_' or '-'" },
                { "eth0", 4, "Flags 0x4 of a link, at most 0x3 were expected" },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autoptr(Plan) plan = plan_new();
                g_auto(Error) error = ERROR_NULL;
                int r = plan_add_link(plan, &radio, cases[i].name, cases[i].flags, &error);

                assert_refused(cases[i].name, r, &error, cases[i].message);
                assert_int_equal(error.code, ERROR_INVALID_ARGS);
                assert_string_equal(error.file, "radio.json");
                assert_int_equal(plan_get_size(plan), 0);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_merges),
                cmocka_unit_test(test_refused),
        };

        return cmocka_run_group_tests_name("plan-link", tests, NULL, NULL);
}
