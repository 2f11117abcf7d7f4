/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Whole manifests, right and wrong, and what becomes of them
 *
 * manifest-cases/bad/NAME.json has errors, or rows that cannot both hold; NAME.expected beside it has all
 * findings, and the conflict. manifest-cases/good/NAME.json has none; NAME.expected has the plan as text (and
 * warnings before it).
 *
 * manifest-cases/softwarecontainer/ has what SoftwareContainer's documents and unit tests show, right and
 * wrong; NAME.expected is as in bad/ or good/. What is refused of these has its reason in docs/manifests.md.
 * Names begin with what they are about: 1-6 its best known client, 3-1 to 3-3 manifests, 4-0 all gateways,
 * 4-1 cgroups, 4-2 dbus, 4-3 devicenode, 4-4 env, 4-5 file, 4-6 network, 4-7 pulseaudio, 4-8 wayland.
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
#define BAD_MIN               150
#define GOOD_MIN              60
#define SOFTWARECONTAINER_MIN 140

/* Rows above this are shuffled, those up to it are put in all orders. */
#define ROWS_PERMUTED_MAX 6
#define SHUFFLES          200

/* A case of softwarecontainer/, and the row of docs/manifests.md that is about it. */
typedef struct Documented {
        const char *name;
        const char *cell; /* the first of the row */
} Documented;

/* All that are refused. */
static const Documented documented_refusals[] = {
        { "4-6-protocols-unknown", "an unknown protocol, a port that is none" },
        { "4-6-protocols-second-unknown", "an unknown protocol, a port that is none" },
        { "4-6-protocols-number", "an unknown protocol, a port that is none" },
        { "4-6-ports-words", "an unknown protocol, a port that is none" },
        { "4-6-ports-real", "an unknown protocol, a port that is none" },
        { "4-6-ports-65536", "an unknown protocol, a port that is none" },
        { "4-6-ports-empty-array", "an empty `ports` array" },
        { "4-6-ports-icmp", "`ports` of `icmp`" },
        { "4-6-host-empty", "an empty `host`" },
        { "4-3-major-minor", "an unknown key in a gateway's `config`" },
        { "4-5-create-directory", "an unknown key in a gateway's `config`" },
        { "4-6-key-port", "an unknown key in a gateway's `config`" },
        { "4-1-setting-test", "a `cgroups` setting that is not known" },
        { "4-1-classid-two", "two different `net_cls.classid`" },
        { "4-4-set-twice", "`env` that sets a variable to two values" },
        { "4-4-append-then-set", "`env` that sets a variable to two values" },
        { "4-4-name-with-equals", "a variable's name with `=` in it" },
        { "4-3-mode-648", "a device mode with the digits 8 or 9, or above 777" },
        { "4-3-mode-1777", "a device mode with the digits 8 or 9, or above 777" },
        { "4-2-interface-empty",
          "a `dbus` rule without one of its four keys, or with a pattern that no name can fit" },
        { "4-2-interface-number",
          "a `dbus` rule without one of its four keys, or with a pattern that no name can fit" },
        { "4-2-method-missing",
          "a `dbus` rule without one of its four keys, or with a pattern that no name can fit" },
        { "4-2-method-array-with-number",
          "a `dbus` rule without one of its four keys, or with a pattern that no name can fit" },
        { "4-2-direction-upper",
          "a `dbus` rule without one of its four keys, or with a pattern that no name can fit" },
        { "3-1-version-not-1", "a `version` other than `\"1\"`" },
        { "3-1-comment", "comments in the JSON" },
        { "3-1-capabilities-missing", "a file that is not JSON, or has no `capabilities`" },
        { "3-2-syntax-error", "a file that is not JSON, or has no `capabilities`" },
        { "3-2-top-level-array", "a file that is not JSON, or has no `capabilities`" },
        { "3-1-name-missing", "a capability or a gateway without one of its keys" },
        { "3-1-gateways-missing", "a capability or a gateway without one of its keys" },
        { "3-1-id-missing", "a capability or a gateway without one of its keys" },
        { "3-1-config-missing", "a capability or a gateway without one of its keys" },
        { "3-1-gateway-id-unknown", "a gateway that there is not" },
        { "4-0-config-empty", "a `config` that is no array of objects, or is empty" },
        { "4-0-config-object", "a `config` that is no array of objects, or is empty" },
        { "4-0-element-string", "a `config` that is no array of objects, or is empty" },
        { "4-1-value-missing", "a gateway's key that is missing, empty or of another type" },
        { "4-1-setting-missing", "a gateway's key that is missing, empty or of another type" },
        { "4-1-memory-empty", "a gateway's key that is missing, empty or of another type" },
        { "4-2-no-bus", "a gateway's key that is missing, empty or of another type" },
        { "4-2-bus-is-object", "a gateway's key that is missing, empty or of another type" },
        { "4-2-rule-is-string", "a gateway's key that is missing, empty or of another type" },
        { "4-3-name-missing", "a gateway's key that is missing, empty or of another type" },
        { "4-4-name-empty", "a gateway's key that is missing, empty or of another type" },
        { "4-4-value-empty", "a gateway's key that is missing, empty or of another type" },
        { "4-5-host-empty", "a gateway's key that is missing, empty or of another type" },
        { "4-5-target-empty", "a gateway's key that is missing, empty or of another type" },
        { "4-5-path-container-missing", "a gateway's key that is missing, empty or of another type" },
        { "4-5-read-only-string", "a gateway's key that is missing, empty or of another type" },
        { "4-6-host-missing", "a gateway's key that is missing, empty or of another type" },
        { "4-6-direction-missing", "a gateway's key that is missing, empty or of another type" },
        { "4-6-allow-missing", "a gateway's key that is missing, empty or of another type" },
        { "4-6-allow-object", "a gateway's key that is missing, empty or of another type" },
        { "4-7-audio-missing", "a gateway's key that is missing, empty or of another type" },
        { "4-7-audio-string", "a gateway's key that is missing, empty or of another type" },
        { "4-8-enabled-missing", "a gateway's key that is missing, empty or of another type" },
        { "4-8-enabled-string", "a gateway's key that is missing, empty or of another type" },
        { "4-4-mode-unknown", "a word that is none of those documented" },
        { "4-6-direction-lower-case", "a word that is none of those documented" },
        { "4-1-memory-15Q", "a limit that is no number, too small, too large, or has an unknown unit" },
        { "4-1-memory-overflow", "a limit that is no number, too small, too large, or has an unknown unit" },
        { "4-1-memory-words-and-digit",
          "a limit that is no number, too small, too large, or has an unknown unit" },
        { "4-1-shares-1", "a limit that is no number, too small, too large, or has an unknown unit" },
        { "4-1-shares-minus-1000",
          "a limit that is no number, too small, too large, or has an unknown unit" },
        { "4-1-shares-abc", "a limit that is no number, too small, too large, or has an unknown unit" },
        { "4-1-shares-9223372036854775809",
          "a limit that is no number, too small, too large, or has an unknown unit" },
        { "4-1-classid-123", "a `net_cls.classid` that is not `0x` and 5 to 8 digits, or is 0" },
        { "4-1-classid-0x08PGAH", "a `net_cls.classid` that is not `0x` and 5 to 8 digits, or is 0" },
        { "4-1-classid-0xAAAA", "a `net_cls.classid` that is not `0x` and 5 to 8 digits, or is 0" },
        { "4-1-classid-0xAAAABBBBCCCC", "a `net_cls.classid` that is not `0x` and 5 to 8 digits, or is 0" },
        { "4-1-classid-0x00000000", "a `net_cls.classid` that is not `0x` and 5 to 8 digits, or is 0" },
        { "4-5-target-relative", "a relative `path-container`" },
        { "4-5-two-sources", "two `path-host` for one `path-container`" },
};

/* Those planned that the document tells about: they were planned otherwise there, or not at all. */
static const Documented documented_plans[] = {
        { "4-3-mode-string-722", "a device's `mode`" },
        { "4-3-mode-integer-644", "a device's `mode`" },
        { "4-3-mode-722-and-600", "a device's `mode`" },
        { "4-5-read-only-missing", "a `file` row without `read-only`" },
        { "4-6-ports-without-protocols", "`ports` without `protocols`" },
        { "4-6-ports-X-Y", "`ports` as `X-Y`" },
        { "4-6-protocols-sctp", "`sctp` and `icmpv6`" },
        { "4-6-hosts", "a direction that no `network` row names" },
        { "4-6-incoming", "a direction that no `network` row names" },
        { "4-6-allow-empty", "a direction that no `network` row names" },
        { "4-2-split", "the session bus in one row, the system bus in another" },
        { "4-2-both-and-session", "the session bus in one row, the system bus in another" },
        { "4-2-both", "the sockets of the buses" },
        { "4-2-session-only", "the sockets of the buses" },
        { "4-2-system-only", "the sockets of the buses" },
        { "4-8-enabled", "`WAYLAND_DISPLAY`" },
        { "3-3-capability-twice", "a capability that is defined twice" },
        { "3-1-unknown-keys", "an unknown key beside or above `gateways`, no `version`" },
        { "3-1-version-missing", "an unknown key beside or above `gateways`, no `version`" },
        { "4-1-value-number", "a number as the `value` of a limit" },
        { "4-1-memory-20K-then-100K", "names of cgroup v1" },
        { "4-1-memory-1G-then-10g", "names of cgroup v1" },
        { "4-1-memory-units", "names of cgroup v1" },
        { "4-1-shares-2147483647", "names of cgroup v1" },
        { "4-4-set-twice-same", "a variable that is set twice to the same value" },
        { "4-4-append-alone", "a variable that is only appended to" },
};

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

/* All of one folder, by name. */
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

static const Documented *documented_find(const Documented *table, size_t n, const char *name) {
        for (size_t i = 0; i < n; i++)
                if (strcmp(table[i].name, name) == 0)
                        return &table[i];
        return NULL;
}

/* Is there a row that begins with the cell, in a table of the document? */
static void assert_documented(const Documented *row, const char *docs) {
        g_autofree char *start = g_strdup_printf("\n| %s |", row->cell);

        if (!strstr(docs, start))
                fail_msg("%s: docs/manifests.md has no row '%s'", row->name, row->cell);
}

/* Findings and conflict, or findings and plan, are as expected. */
static void assert_judged(const Case *one, bool *ret_is_refused) {
        g_autofree char *conflict = NULL, *text = NULL;
        g_auto(Outcome) outcome = { 0 };

        outcome_init(&outcome, one->configs);
        *ret_is_refused = case_has_errors(one) || outcome.error.message;
        if (!*ret_is_refused)
                text = plan_print_text(outcome.plan);
        else if (!case_has_errors(one)) {
                conflict = error_format(&outcome.error);
                text = g_strconcat(conflict, "\n", NULL);
        }
        assert_outcome(one, text ? text : "");
}

static void test_softwarecontainer(void **state G_GNUC_UNUSED) {
        g_autoptr(GPtrArray) cases = cases_load("softwarecontainer");
        g_autofree char *folder = source_path("docs");
        g_autofree char *docs = read_text(folder, "manifests", ".md");
        size_t n_refused = 0, n_planned = 0;

        for (guint i = 0; i < cases->len; i++) {
                const Case *one = g_ptr_array_index(cases, i);
                const Documented *row;
                bool is_refused;

                assert_judged(one, &is_refused);
                if (is_refused)
                        row = documented_find(documented_refusals, G_N_ELEMENTS(documented_refusals),
                                              one->name);
                else
                        row = documented_find(documented_plans, G_N_ELEMENTS(documented_plans), one->name);
                if (is_refused && !row)
                        fail_msg("%s: is refused, and no row of docs/manifests.md is named", one->name);
                if (row)
                        assert_documented(row, docs);
                n_refused += is_refused;
                n_planned += !is_refused && row;
        }
        /* Else a row names what is no case, or no longer one of its kind. */
        assert_int_equal(n_refused, G_N_ELEMENTS(documented_refusals));
        assert_int_equal(n_planned, G_N_ELEMENTS(documented_plans));
        assert_true(cases->len >= SOFTWARECONTAINER_MIN);
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
                cmocka_unit_test(test_softwarecontainer),
                cmocka_unit_test(test_order_of_rows),
                cmocka_unit_test(test_order_of_manifests),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
