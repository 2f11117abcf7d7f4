/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Whole manifests, right and wrong, and what becomes of them
 *
 * manifest-cases/bad/NAME.json has errors, or rows that cannot both hold; NAME.expected beside it has all
 * findings, and the conflict. manifest-cases/good/NAME.json has none; NAME.expected has the plan as text (and
 * warnings before it).
 *
 * The union of capabilities does not depend on their order: every good manifest is planned with its rows in
 * other orders, and every two of them together in both. The exceptions are about a variable that is put
 * together from several rows, as they always were:
 *   - its parts stand in the order of the rows;
 *   - a row that sets it comes before those that add to it, else it is a conflict.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "capabilities/manifest.h"
#include "tests/unit/findings.h"
#include "tests/unit/source.h"

/* As many as were promised; a folder that was not found has none. */
#define BAD_MIN  150
#define GOOD_MIN 60

/* Rows above this are shuffled, those up to it are put in all orders. */
#define ROWS_PERMUTED_MAX 6
#define SHUFFLES          200

typedef struct Case {
        char *name;
        Manifest *manifest;
        char *expected;     /* what the file beside it says */
        GPtrArray *configs; /* not owned; rows of all its capabilities, in the order of the text */
} Case;

static void case_free(void *userdata) {
        Case *one = userdata;

        g_ptr_array_unref(one->configs);
        manifest_free(one->manifest);
        g_free(one->expected);
        g_free(one->name);
        g_free(one);
}

static char *read_text(const char *folder, const char *name, const char *ending) {
        g_autofree char *file = g_strconcat(name, ending, NULL);
        g_autofree char *path = g_build_filename(folder, file, NULL);
        char *text;

        if (!g_file_get_contents(path, &text, NULL, NULL))
                fail_msg("%s cannot be read", path);
        return text;
}

static Case *case_new(const char *folder, const char *file) {
        Case *one = g_new0(Case, 1);
        g_autofree char *text = NULL;

        one->name = g_strndup(file, strlen(file) - strlen(".json"));
        one->expected = read_text(folder, one->name, ".expected");
        text = read_text(folder, one->name, ".json");
        one->manifest = manifest_parse(file, text, strlen(text));
        one->configs = g_ptr_array_new();
        for (guint i = 0; i < manifest_get_capabilities(one->manifest)->len; i++) {
                const ManifestCapability *capability = manifest_get_capabilities(one->manifest)->pdata[i];

                for (guint j = 0; j < capability->configs->len; j++)
                        g_ptr_array_add(one->configs, capability->configs->pdata[j]);
        }
        return one;
}

static int compare_names(gconstpointer a, gconstpointer b) {
        return strcmp((*(const Case *const *) a)->name, (*(const Case *const *) b)->name);
}

/* All of bad/ or good/, by name. */
static GPtrArray *cases_load(const char *kind) {
        g_autofree char *top = source_path("tests/unit/manifest-cases");
        g_autofree char *folder = g_build_filename(top, kind, NULL);
        GPtrArray *cases = g_ptr_array_new_with_free_func(case_free);
        GDir *stream = g_dir_open(folder, 0, NULL);
        const char *file;

        if (!stream)
                fail_msg("%s cannot be opened", folder);
        while ((file = g_dir_read_name(stream)))
                if (g_str_has_suffix(file, ".json"))
                        g_ptr_array_add(cases, case_new(folder, file));
        g_dir_close(stream);
        g_ptr_array_sort(cases, compare_names);
        return cases;
}

/* As capabilities_plan() does: gateway by gateway in registry order, each in the order of @configs. */
static int configs_plan(const GPtrArray *configs, Plan *plan, Error *error) {
        const GatewayOps *ops;
        int r;

        for (size_t i = 0; (ops = gateway_get(i)); i++)
                for (guint j = 0; j < configs->len; j++) {
                        const GatewayConfig *config = g_ptr_array_index(configs, j);

                        r = config->ops == ops ? ops->plan(config, plan, error) : 0;
                        if (r < 0)
                                return r;
                }
        return 0;
}

static bool case_has_errors(const Case *one) {
        const GPtrArray *findings = manifest_get_findings(one->manifest);

        for (guint i = 0; i < findings->len; i++)
                if (((const JsonFinding *) findings->pdata[i])->severity == JSON_FINDING_ERROR)
                        return true;
        return false;
}

static void assert_outcome(const Case *one, const char *outcome) {
        g_autofree char *findings = format_findings(manifest_get_findings(one->manifest));
        g_autofree char *found = g_strconcat(findings, outcome, NULL);

        if (strcmp(found, one->expected) != 0)
                fail_msg("%s:\nfound\n%sexpected\n%s", one->name, found, one->expected);
}

/*
 * Order
 */

/* The exceptions. */
static bool item_has_order(const PlanItem *item) {
        return item->kind == PLAN_ENV &&
               (item->env.mode == PLAN_ENV_APPEND || item->env.mode == PLAN_ENV_PREPEND);
}

typedef struct Outcome {
        Plan *plan;  /* owned */
        Error error; /* owned; set if it failed */
} Outcome;

static void outcome_init(Outcome *outcome, const GPtrArray *configs) {
        *outcome = (Outcome){ .plan = plan_new() };
        (void) configs_plan(configs, outcome->plan, &outcome->error);
}

static void outcome_done(Outcome *outcome) {
        plan_free(outcome->plan);
        error_done(&outcome->error);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Outcome, outcome_done)

/* @failed is the second exception for a variable that @good has. */
static bool is_set_too_late(const Outcome *failed, const Outcome *good) {
        for (guint i = 0; i < plan_get_size(good->plan); i++) {
                const PlanItem *item = plan_get_item(good->plan, i);
                g_autofree char *start = g_strdup_printf("Variable '%s' is set to ", item->key);

                if (item_has_order(item) && g_str_has_prefix(failed->error.message, start))
                        return true;
        }
        return false;
}

static void assert_item_same(const char *name, const PlanItem *item, const Plan *other) {
        const PlanItem *same = plan_find_item(other, item->kind, item->key);

        if (!same)
                fail_msg("%s: %s '%s' is there in one order only", name, plan_kind_to_string(item->kind),
                         item->key);
        if (!item_has_order(item) && !plan_item_is_equal(item, same))
                fail_msg("%s: %s '%s' depends on the order", name, plan_kind_to_string(item->kind),
                         item->key);
        assert_int_equal(item->origins->len, same->origins->len);
}

/* @first is what the same rows gave in another order. */
static void assert_same(const char *name, const GPtrArray *configs, const Outcome *first) {
        g_auto(Outcome) other = { 0 };

        outcome_init(&other, configs);
        if (first->error.message && other.error.message)
                return;
        if (first->error.message && !is_set_too_late(first, &other))
                fail_msg("%s: in one order only: %s", name, first->error.message);
        if (other.error.message && !is_set_too_late(&other, first))
                fail_msg("%s: in one order only: %s", name, other.error.message);
        if (first->error.message || other.error.message)
                return;
        assert_int_equal(plan_get_size(other.plan), plan_get_size(first->plan));
        for (guint i = 0; i < plan_get_size(first->plan); i++)
                assert_item_same(name, plan_get_item(first->plan, i), other.plan);
}

static void swap_rows(GPtrArray *configs, guint i, guint j) {
        void *row = configs->pdata[i];

        configs->pdata[i] = configs->pdata[j];
        configs->pdata[j] = row;
}

/* All orders of the first @n rows. */
static void assert_permuted(const char *name, GPtrArray *configs, guint n, const Outcome *first) {
        if (n <= 1) {
                assert_same(name, configs, first);
                return;
        }
        for (guint i = 0; i < n; i++) {
                swap_rows(configs, i, n - 1);
                assert_permuted(name, configs, n - 1, first);
                swap_rows(configs, i, n - 1);
        }
}

static void assert_shuffled(const char *name, GPtrArray *configs, const Outcome *first) {
        GRand *random = g_rand_new_with_seed(configs->len);

        for (int shuffle = 0; shuffle < SHUFFLES; shuffle++) {
                for (guint i = configs->len - 1; i > 0; i--)
                        swap_rows(configs, i, (guint) g_rand_int_range(random, 0, (gint32) i + 1));
                assert_same(name, configs, first);
        }
        g_rand_free(random);
}

/*
 * Tests
 */
static void test_bad(void **state G_GNUC_UNUSED) {
        g_autoptr(GPtrArray) cases = cases_load("bad");

        for (guint i = 0; i < cases->len; i++) {
                const Case *one = g_ptr_array_index(cases, i);
                g_autofree char *conflict = NULL, *line = NULL;
                g_auto(Outcome) outcome = { 0 };

                outcome_init(&outcome, one->configs);
                if (!case_has_errors(one)) {
                        if (!outcome.error.message)
                                fail_msg("%s: nothing is wrong", one->name);
                        assert_permuted(one->name, one->configs, one->configs->len, &outcome);
                        conflict = error_format(&outcome.error);
                        line = g_strconcat(conflict, "\n", NULL);
                }
                assert_outcome(one, line);
        }
        assert_true(cases->len >= BAD_MIN);
}

static void test_good(void **state G_GNUC_UNUSED) {
        g_autoptr(GPtrArray) cases = cases_load("good");

        for (guint i = 0; i < cases->len; i++) {
                const Case *one = g_ptr_array_index(cases, i);
                g_auto(Outcome) outcome = { 0 };
                g_autofree char *text = NULL;

                outcome_init(&outcome, one->configs);
                if (outcome.error.message)
                        fail_msg("%s: %s", one->name, outcome.error.message);
                text = plan_print_text(outcome.plan);
                assert_outcome(one, case_has_errors(one) ? "" : text);
        }
        assert_true(cases->len >= GOOD_MIN);
}

static void test_order_of_rows(void **state G_GNUC_UNUSED) {
        g_autoptr(GPtrArray) cases = cases_load("good");
        unsigned n_permuted = 0;

        for (guint i = 0; i < cases->len; i++) {
                const Case *one = g_ptr_array_index(cases, i);
                g_auto(Outcome) outcome = { 0 };

                outcome_init(&outcome, one->configs);
                if (one->configs->len > ROWS_PERMUTED_MAX)
                        assert_shuffled(one->name, one->configs, &outcome);
                else if (one->configs->len > 1)
                        assert_permuted(one->name, one->configs, one->configs->len, &outcome);
                n_permuted += one->configs->len > 1;
        }
        assert_true(n_permuted >= 10);
}

/* One after the other, the other after the one, and all rows from the last to the first. */
static void test_order_of_manifests(void **state G_GNUC_UNUSED) {
        g_autoptr(GPtrArray) cases = cases_load("good");

        for (guint i = 0; i < cases->len; i++)
                for (guint j = 0; j < i; j++) {
                        const Case *a = g_ptr_array_index(cases, i), *b = g_ptr_array_index(cases, j);
                        g_autofree char *name = g_strdup_printf("%s and %s", a->name, b->name);
                        g_autoptr(GPtrArray) ab = g_ptr_array_new(), ba = g_ptr_array_new();
                        g_autoptr(GPtrArray) backwards = g_ptr_array_new();
                        g_auto(Outcome) outcome = { 0 };

                        g_ptr_array_extend(ab, a->configs, NULL, NULL);
                        g_ptr_array_extend(ab, b->configs, NULL, NULL);
                        g_ptr_array_extend(ba, b->configs, NULL, NULL);
                        g_ptr_array_extend(ba, a->configs, NULL, NULL);
                        for (guint k = ab->len; k > 0; k--)
                                g_ptr_array_add(backwards, ab->pdata[k - 1]);
                        outcome_init(&outcome, ab);
                        assert_same(name, ba, &outcome);
                        assert_same(name, backwards, &outcome);
                }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_bad),
                cmocka_unit_test(test_good),
                cmocka_unit_test(test_order_of_rows),
                cmocka_unit_test(test_order_of_manifests),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
