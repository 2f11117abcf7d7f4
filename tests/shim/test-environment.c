/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/shim/help.h"

#include "shim/environment.h"

#define LIST(...) ((const char *const[]){ __VA_ARGS__, NULL })

static const struct {
        const char *name;
        const char *const *template, *const *plan, *const *sandbox, *const *run, *const *expected;
} rows[] = {
        { "nothing", NULL, NULL, NULL, NULL, (const char *const[]){ NULL } },
        { "each layer alone", LIST("A=t"), LIST("B", "p"), LIST("C=s"), LIST("D=r"),
          LIST("A=t", "B=p", "C=s", "D=r") },
        { "later layers win", LIST("A=t", "B=t", "C=t", "D=t"), LIST("B", "p", "C", "p", "D", "p"),
          LIST("C=s", "D=s"), LIST("D=r"), LIST("A=t", "B=p", "C=s", "D=r") },
        { "sorted by bytes", LIST("b=1", "a=1", "_=1", "B=1", "A1=1", "A=1"), NULL, NULL, NULL,
          LIST("A=1", "A1=1", "B=1", "_=1", "a=1", "b=1") },
        { "of duplicates the last", LIST("A=1", "A=2"), NULL, NULL, LIST("A=3", "B=1", "A=4"),
          LIST("A=4", "B=1") },
        { "no name", LIST("=x", "="), NULL, LIST("=x"), LIST("=x", "A=1"), LIST("A=1") },
        { "no equals sign", LIST("A=1", "noequals"), NULL, NULL, LIST("A", ""), LIST("A=1") },
        { "empty value", LIST("A=1"), NULL, NULL, LIST("A="), LIST("A=") },
        { "equals sign in the value", LIST("A=b=c"), LIST("P", "=="), NULL, NULL, LIST("A=b=c", "P===") },
        { "name that another begins with", LIST("PATH=1", "PATHX=2"), NULL, NULL, LIST("PAT=3"),
          LIST("PAT=3", "PATH=1", "PATHX=2") },
};

static void test_compose(void **state G_GNUC_UNUSED) {
        static const PlanOrigin origin = { .capability = (char *) (uintptr_t) "test" };

        for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
                g_autoptr(Spec) spec = spec_new();
                g_autoptr(Plan) plan = plan_new();
                g_auto(GStrv) got = NULL;
                g_autofree char *text = NULL, *expected = NULL;

                print_message("  %s\n", rows[i].name);
                spec->template_environment = g_strdupv((char **) (uintptr_t) rows[i].template);
                spec->environment = g_strdupv((char **) (uintptr_t) rows[i].sandbox);
                for (const char *const *at = rows[i].plan; at && *at; at += 2)
                        assert_int_equal(plan_add_env(plan, &origin, at[0], at[1], PLAN_ENV_SET, NULL, NULL),
                                         0);
                got = environment_compose(spec, plan, (char **) (uintptr_t) rows[i].run);
                text = g_strjoinv("\n", got);
                expected = g_strjoinv("\n", (char **) (uintptr_t) rows[i].expected);
                assert_string_equal(text, expected);
        }
}

/* What is mounted is no variable, and our own environment is nobody's. */
static void test_only_variables(void **state G_GNUC_UNUSED) {
        static const PlanOrigin origin = { .capability = (char *) (uintptr_t) "test" };
        g_autoptr(Spec) spec = spec_new();
        g_autoptr(Plan) plan = plan_new();
        g_auto(GStrv) got = NULL;

        assert_true(g_setenv("BULKHEAD_TEST_LEAK", "1", TRUE));
        assert_int_equal(plan_add_bind(plan, &origin, "/a", "/b", 0, NULL), 0);
        got = environment_compose(spec, plan, NULL);
        assert_non_null(got);
        assert_null(got[0]);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_compose),
                cmocka_unit_test(test_only_variables),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
