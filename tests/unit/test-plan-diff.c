/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* cmocka.h needs those before it */
#include <cmocka.h>

#include "plan/plan-diff.h"

static PlanOrigin origin = { .capability = (char *) "a.b", .file = (char *) "a.json", .line = 1 };

/* "/target=/source[:w]" and "NAME=value", in one string with spaces between. */
static Plan *plan_of(const char *text) {
        g_auto(GStrv) words = g_strsplit(text, " ", -1);
        Plan *plan = plan_new();

        for (char **word = words; *word; word++) {
                g_auto(GStrv) parts = g_strsplit(*word, "=", 2);

                if (!**word)
                        continue;
                if (**word != '/')
                        assert_int_equal(
                                plan_add_env(plan, &origin, parts[0], parts[1], PLAN_ENV_SET, NULL, NULL), 0);
                else if (g_str_has_suffix(parts[1], ":w")) {
                        parts[1][strlen(parts[1]) - 2] = '\0';
                        assert_int_equal(
                                plan_add_bind(plan, &origin, parts[1], parts[0], PLAN_BIND_WRITABLE, NULL),
                                0);
                } else
                        assert_int_equal(plan_add_bind(plan, &origin, parts[1], parts[0], 0, NULL), 0);
        }
        return plan;
}

static char *steps_format(const GArray *steps) {
        GString *text = g_string_new(NULL);

        for (guint i = 0; i < steps->len; i++) {
                const PlanStep *step = &g_array_index(steps, PlanStep, i);
                static const char signs[_PLAN_STEP_VERB_MAX] = { '-', '+', '~' };

                assert_int_equal(step->from == NULL, step->verb == PLAN_STEP_ADD);
                assert_int_equal(step->to == NULL, step->verb == PLAN_STEP_REMOVE);
                g_string_append_printf(text, "%s%c%s", i > 0 ? " " : "", signs[step->verb],
                                       (step->from ?: step->to)->key);
        }
        return g_string_free(text, FALSE);
}

static const struct {
        const char *name, *from, *to, *steps;
} cases[] = {
        { "nothing", "", "", "" },
        { "equal", "/a=/s A=b", "/a=/s A=b", "" },
        { "all new, shallow first", "", "A=b /a/b=/s /a=/s", "+/a +/a/b +A" },
        { "all gone, deep first", "A=b /a/b=/s /a=/s", "", "-A -/a/b -/a" },
        { "other source", "/a=/s", "/a=/t", "~/a" },
        { "other flags", "/a=/s", "/a=/s:w", "~/a" },
        { "other value", "A=b", "A=c", "~A" },
        { "one for another", "/a=/s", "/b=/s", "-/a +/b" },
        { "removals before all else", "/a=/s /z=/s A=b", "/a=/t B=c", "-A -/z ~/a +B" },
        { "child of a new one", "/a/b=/s", "/a=/s /a/b=/s", "-/a/b +/a +/a/b" },
        { "child of a changed one", "/a=/s /a/b=/s", "/a=/t /a/b=/s", "-/a/b ~/a +/a/b" },
        { "child of a removed one", "/a=/s /a/b=/s", "/a/b=/s", "-/a/b -/a +/a/b" },
        { "changed child of a changed one", "/a=/s /a/b=/s", "/a=/t /a/b=/t", "-/a/b ~/a +/a/b" },
        { "new child of a changed one", "/a=/s", "/a=/t /a/b=/t", "~/a +/a/b" },
        { "removed child of a changed one", "/a=/s /a/b=/s", "/a=/t", "-/a/b ~/a" },
        { "child changed, parent not", "/a=/s /a/b=/s", "/a=/s /a/b=/t", "~/a/b" },
        { "grandchildren", "/a/b=/s /a/b/c=/s /a/b/c/d=/s", "/a=/s /a/b=/s /a/b/c=/s /a/b/c/d=/s",
          "-/a/b/c/d -/a/b/c -/a/b +/a +/a/b +/a/b/c +/a/b/c/d" },
        { "grandchild of a new one, no child", "/a/b/c=/s", "/a=/s /a/b/c=/s", "-/a/b/c +/a +/a/b/c" },
        { "a name that only starts the same", "/a-b=/s /ab=/s", "/a=/s /a-b=/s /ab=/s", "+/a" },
        { "between siblings", "/a/b=/s /a-b=/s", "/a=/s /a/b=/s /a-b=/s", "-/a/b +/a +/a/b" },
        { "a variable is below nothing", "/a/b=/s A=/a/b", "/a=/s /a/b=/s A=/a/b", "-/a/b +/a +/a/b" },
};

static void test_cases(void **state G_GNUC_UNUSED) {
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autoptr(Plan) from = plan_of(cases[i].from);
                g_autoptr(Plan) to = plan_of(cases[i].to);
                g_autoptr(GArray) steps = plan_diff(from, to);
                g_autofree char *text = steps_format(steps);

                if (strcmp(text, cases[i].steps) != 0)
                        fail_msg("%s: '%s', expected '%s'", cases[i].name, text, cases[i].steps);
        }
}

/*
 * The model: a stack of mounts as the kernel keeps it. A mount hides what was mounted at or below its target
 * before; the one that is on top at a target can be taken off only if nothing is mounted below it and no
 * other hides it.
 */
typedef struct Model {
        GPtrArray *mounts;     /* not owned PlanItem *, in the order of mounting */
        GHashTable *variables; /* not owned PlanItem * by name */
} Model;

static bool path_is_below(const char *path, const char *above) {
        size_t size = strlen(above);

        return strncmp(path, above, size) == 0 && path[size] == '/';
}

static bool path_is_at_or_below(const char *path, const char *above) {
        return strcmp(path, above) == 0 || path_is_below(path, above);
}

static void model_mount(Model *model, const PlanItem *item) {
        /* at a target that is mounted already, or over mounts below it, something would be hidden */
        for (guint i = 0; i < model->mounts->len; i++)
                if (path_is_at_or_below(((PlanItem *) model->mounts->pdata[i])->key, item->key))
                        fail_msg("%s hides %s", item->key, ((PlanItem *) model->mounts->pdata[i])->key);
        g_ptr_array_add(model->mounts, (void *) item);
}

static void model_unmount(Model *model, const PlanItem *item) {
        guint at = model->mounts->len;

        for (guint i = 0; i < model->mounts->len; i++) {
                const PlanItem *mount = model->mounts->pdata[i];

                if (path_is_below(mount->key, item->key))
                        fail_msg("%s is busy with %s", item->key, mount->key);
                if (plan_item_is_equal(mount, item))
                        at = i;
        }
        if (at == model->mounts->len)
                fail_msg("%s is not mounted", item->key);
        g_ptr_array_remove_index(model->mounts, at);
}

static void model_apply(Model *model, const PlanStep *step) {
        if (step->from && step->from->kind == PLAN_BIND)
                model_unmount(model, step->from);
        if (step->to && step->to->kind == PLAN_BIND)
                model_mount(model, step->to);
        if (step->from && step->from->kind == PLAN_ENV)
                assert_true(g_hash_table_remove(model->variables, step->from->key));
        if (step->to && step->to->kind == PLAN_ENV)
                assert_true(g_hash_table_insert(model->variables, step->to->key, (void *) step->to));
}

static void assert_model_is(const Model *model, const Plan *plan) {
        guint n_binds = 0;

        for (guint i = 0; i < plan_get_size(plan); i++) {
                const PlanItem *item = plan_get_item(plan, i);
                bool found = false;

                if (item->kind == PLAN_ENV) {
                        const PlanItem *variable = g_hash_table_lookup(model->variables, item->key);

                        assert_non_null(variable);
                        assert_true(plan_item_is_equal(variable, item));
                        continue;
                }
                n_binds++;
                for (guint j = 0; j < model->mounts->len; j++)
                        found = found || plan_item_is_equal(model->mounts->pdata[j], item);
                if (!found)
                        fail_msg("%s is missing", item->key);
        }
        assert_int_equal(model->mounts->len, n_binds);
        assert_int_equal(g_hash_table_size(model->variables), plan_get_size(plan) - n_binds);
}

static Plan *plan_random(GRand *random) {
        /* few names, so that binds are often nested, equal or different */
        static const char *const names[] = { "a", "b", "a-", "ab" };
        Plan *plan = plan_new();
        int n = g_rand_int_range(random, 0, 12);

        for (int i = 0; i < n; i++) {
                g_autoptr(GString) target = g_string_new(NULL);
                g_autofree char *source = g_strdup_printf("/s%d", g_rand_int_range(random, 0, 3));
                PlanBindFlags flags = (PlanBindFlags) g_rand_int_range(random, 0, 2);

                for (int depth = g_rand_int_range(random, 1, 5); depth > 0; depth--)
                        g_string_append_printf(target, "/%s", names[g_rand_int_range(random, 0, 4)]);
                /* conflicts and refusals leave the plan as it was: that is wanted here */
                if (g_rand_int_range(random, 0, 4) > 0)
                        (void) plan_add_bind(plan, &origin, source, target->str, flags, NULL);
                else
                        (void) plan_add_env(plan, &origin, names[i % 4], source, PLAN_ENV_SET, NULL, NULL);
        }
        return plan;
}

static void assert_diff_leads(const Plan *from, const Plan *to) {
        g_autoptr(Plan) nothing = plan_new();
        g_autoptr(GPtrArray) mounts = g_ptr_array_new();
        g_autoptr(GHashTable) variables = g_hash_table_new(g_str_hash, g_str_equal);
        Model model = { mounts, variables };
        g_autoptr(GArray) first = plan_diff(nothing, from);
        g_autoptr(GArray) steps = plan_diff(from, to);
        g_autoptr(GArray) same = plan_diff(from, from);
        bool adding = false;

        assert_int_equal(same->len, 0);
        for (guint i = 0; i < first->len; i++)
                model_apply(&model, &g_array_index(first, PlanStep, i));
        assert_model_is(&model, from);
        for (guint i = 0; i < steps->len; i++) {
                const PlanStep *step = &g_array_index(steps, PlanStep, i);

                assert_false(adding && step->verb == PLAN_STEP_REMOVE);
                adding = step->verb != PLAN_STEP_REMOVE;
                model_apply(&model, step);
        }
        assert_model_is(&model, to);
}

static void test_random_plans(void **state G_GNUC_UNUSED) {
        GRand *random = g_rand_new_with_seed(20240131);
        guint n_nested = 0;

        for (int i = 0; i < 20000; i++) {
                g_autoptr(Plan) from = plan_random(random);
                g_autoptr(Plan) to = plan_random(random);

                assert_diff_leads(from, to);
                for (guint j = 1; j < plan_get_size(from); j++)
                        n_nested += path_is_below(plan_get_item(from, j)->key,
                                                  plan_get_item(from, j - 1)->key);
        }
        g_rand_free(random);
        /* the generator makes what this test is for */
        assert_true(n_nested > 1000);
}

static void test_no_step_too_many(void **state G_GNUC_UNUSED) {
        g_autoptr(Plan) from = plan_of("/a=/s /a/b=/s /c=/s /c/d=/s E=f");
        g_autoptr(Plan) to = plan_of("/a=/t /a/b=/s /c=/s /c/d=/s E=f");
        g_autoptr(GArray) steps = plan_diff(from, to);

        for (guint i = 0; i < steps->len; i++) {
                const PlanStep *step = &g_array_index(steps, PlanStep, i);

                assert_true(path_is_at_or_below((step->from ?: step->to)->key, "/a"));
        }
        assert_int_equal(steps->len, 3);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_cases),
                cmocka_unit_test(test_random_plans),
                cmocka_unit_test(test_no_step_too_many),
        };

        return cmocka_run_group_tests_name("plan-diff", tests, NULL, NULL);
}
