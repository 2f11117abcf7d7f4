/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * In which order capabilities are added does not matter: random items, each set in many orders
 *
 * The exceptions are those that plan/plan.h lists, and have tests of their own below.
 */
#include "tests/unit/plan-asserts.h"

#define SETS        4000
#define ADDS_MAX    10
#define SHUFFLES    6
#define PICK(table) table[g_rand_int_range(random, 0, G_N_ELEMENTS(table))]

/* ---- one random plan of one item ---- */

static void add_bind(GRand *random, Plan *plan, const PlanOrigin *origin) {
        static const char *const targets[] = { "/a", "/a/b", "/c" };
        static const char *const sources[] = { "/s", "/s", "/s", "/t" };

        plan_add_bind(plan, origin, PICK(sources), PICK(targets),
                      (PlanBindFlags) g_rand_int_range(random, 0, 8), NULL);
}

static void add_env(GRand *random, Plan *plan, const PlanOrigin *origin) {
        static const char *const names[] = { "A", "B", "C" };
        static const char *const values[] = { "x", "x", "x", "y" };
        const char *name = PICK(names);

        /* one default per name at most, as each gateway has its own variables */
        if (g_rand_int_range(random, 0, 3) == 0)
                plan_add_env(plan, origin, name, "default", PLAN_ENV_DEFAULT, NULL, NULL);
        else
                plan_add_env(plan, origin, name, PICK(values), PLAN_ENV_SET, NULL, NULL);
}

static void add_device(GRand *random, Plan *plan, const PlanOrigin *origin) {
        static const char *const names[] = { "/dev/a", "/dev/b*" };
        static const unsigned modes[] = { 0, 0444, 0266, 0706, 0622 };
        int flags = g_rand_int_range(random, 1, PLAN_DEVICE_ALL + 1);

        if (g_rand_boolean(random))
                flags |= PLAN_DEVICE_OPTIONAL;
        plan_add_device(plan, origin, PICK(names), PICK(modes), (PlanDeviceFlags) flags, NULL);
}

static void add_limit(GRand *random, Plan *plan, const PlanOrigin *origin) {
        static const struct {
                const char *name, *text;
        } limits[] = {
                { "memory.max", "1M" },           { "memory.limit_in_bytes", "2M" },
                { "memory.max", "max" },          { "cpu.max", "50%" },
                { "cpu.max", "20000 40000" },     { "cpu.max", "30%" },
                { "cpu.cfs_period_us", "5000" },  { "cpu.cfs_period_us", "6000" },
                { "cpuset.cpus", "0-2" },         { "cpuset.cpus", "2,4" },
                { "io.max", "8:0 rbps=1" },       { "io.max", "8:0 wbps=2 rbps=2" },
                { "cpu.shares", "77" },           { "cpu.weight", "77" },
                { "net_cls.classid", "0x00001" }, { "net_cls.classid", "0x00002" },
        };
        size_t i = (size_t) g_rand_int_range(random, 0, G_N_ELEMENTS(limits));
        g_auto(LimitValue) value = { 0 };
        g_autofree char *key = NULL;

        assert_int_equal(limit_parse(limits[i].name, limits[i].text, &key, &value, NULL), 0);
        plan_add_limit(plan, origin, key, &value, NULL);
}

static void add_rule(GRand *random, Plan *plan, const PlanOrigin *origin) {
        static const char *const peers[] = { "*", "a.example", "10.0.0.0/8" };
        static const char *const ports[] = { "80,443", "443,80", "1-9" };
        g_auto(PlanRule) rule = { 0 };

        rule.direction = (PlanDirection) g_rand_int_range(random, 0, 2);
        assert_int_equal(plan_peer_parse(PICK(peers), &rule.peer, NULL), 0);
        assert_int_equal(plan_ports_parse(PICK(ports), &rule.peer_ports, NULL), 0);
        plan_add_rule(plan, origin, &rule, NULL);
}

static void add_link(GRand *random, Plan *plan, const PlanOrigin *origin) {
        plan_add_link(plan, origin, "eth0", (PlanLinkFlags) g_rand_int_range(random, 0, 4), NULL);
}

static void add_bus_rule(GRand *random, Plan *plan, const PlanOrigin *origin) {
        static const char *const members[] = { "Play", "Stop", "Get*" };
        char *chosen[] = { (char *) PICK(members), (char *) PICK(members), NULL };
        PlanBusRule rule = { .name = (char *) "*", .interface = (char *) "*", .path = (char *) "*" };

        rule.members = chosen;
        plan_add_bus_rule(plan, origin, &rule, NULL);
}

static void add_bus(GRand *random, Plan *plan, const PlanOrigin *origin) {
        plan_add_bus(plan, origin, (PlanBus) g_rand_int_range(random, 0, _PLAN_BUS_MAX), NULL);
}

static void add_socket(GRand *random, Plan *plan, const PlanOrigin *origin) {
        plan_add_socket(plan, origin, PLAN_SOCKET_PULSEAUDIO,
                        (PlanSocketFlags) g_rand_int_range(random, 1, 4), NULL);
}

/* One row for each kind: a kind without one is a crash here. */
static void (*const adds[_PLAN_KIND_MAX])(GRand *random, Plan *plan, const PlanOrigin *origin) = {
        [PLAN_BIND] = add_bind,         [PLAN_ENV] = add_env,   [PLAN_DEVICE] = add_device,
        [PLAN_LIMIT] = add_limit,       [PLAN_RULE] = add_rule, [PLAN_LINK] = add_link,
        [PLAN_BUS_RULE] = add_bus_rule, [PLAN_BUS] = add_bus,   [PLAN_SOCKET] = add_socket,
};

static Plan *plan_random(GRand *random) {
        PlanOrigin origin = { .capability = (char *) "com.acme.a", .file = (char *) "a.json" };
        Plan *plan = plan_new();

        origin.line = (unsigned) g_rand_int_range(random, 1, 9);
        adds[g_rand_int_range(random, 0, _PLAN_KIND_MAX)](random, plan, &origin);
        assert_int_equal(plan_get_size(plan), 1);
        return plan;
}

/* ---- what must hold ---- */

static int compare_lines(const void *a, const void *b) {
        return strcmp(*(char *const *) a, *(char *const *) b);
}

/* All that holds, with who asked for it in the order of their names. */
static char *plan_describe(const Plan *plan) {
        GString *text = g_string_new(NULL);

        for (guint i = 0; i < plan_get_size(plan); i++) {
                const PlanItem *item = plan_get_item(plan, i);
                g_autoptr(GPtrArray) origins = g_ptr_array_new_with_free_func(g_free);
                g_autofree char *value = NULL, *mode = NULL;

                plan_item_format(item, &value, &mode);
                g_string_append_printf(text, "%s %s %s %s", plan_kind_to_string(item->kind), item->key, value,
                                       item->kind == PLAN_ENV ? "" : mode);
                for (guint j = 0; j < item->origins->len; j++)
                        g_ptr_array_add(origins, plan_origin_format(item->origins->pdata[j]));
                g_ptr_array_sort(origins, compare_lines);
                for (guint j = 0; j < origins->len; j++)
                        g_string_append_printf(text, " %s", (char *) origins->pdata[j]);
                g_string_append_c(text, '\n');
        }
        return g_string_free(text, FALSE);
}

/* NULL if two of them conflict. */
static Plan *unite(const GPtrArray *plans) {
        g_autoptr(Plan) plan = plan_new();

        for (guint i = 0; i < plans->len; i++) {
                g_auto(Error) error = ERROR_NULL;

                if (plan_merge(plan, plans->pdata[i], &error) < 0) {
                        assert_int_equal(error.code, ERROR_CONFLICTING_CAPABILITIES);
                        return NULL;
                }
        }
        return g_steal_pointer(&plan);
}

static void shuffle(GRand *random, GPtrArray *array) {
        for (guint i = array->len; i > 1; i--) {
                guint j = (guint) g_rand_int_range(random, 0, (gint32) i);
                void *other = array->pdata[j];

                array->pdata[j] = array->pdata[i - 1];
                array->pdata[i - 1] = other;
        }
}

static void test_any_order(void **state G_GNUC_UNUSED) {
        GRand *random = g_rand_new_with_seed(20241122);
        guint n_conflicts = 0, n_merged = 0;

        for (int i = 0; i < SETS; i++) {
                g_autoptr(GPtrArray) plans = g_ptr_array_new_with_free_func((GDestroyNotify) plan_free);
                g_autoptr(Plan) first = NULL;
                g_autofree char *expected = NULL;

                for (int n = g_rand_int_range(random, 2, ADDS_MAX); n > 0; n--)
                        g_ptr_array_add(plans, plan_random(random));
                first = unite(plans);
                expected = first ? plan_describe(first) : NULL;
                n_conflicts += first == NULL;
                n_merged += first && plan_get_size(first) < plans->len;
                for (int j = 0; j < SHUFFLES; j++) {
                        g_autoptr(Plan) other = NULL;
                        g_autofree char *text = NULL;

                        shuffle(random, plans);
                        other = unite(plans);
                        text = other ? plan_describe(other) : NULL;
                        if (g_strcmp0(text, expected) != 0)
                                fail_msg("set %d:\n%s\nin another order:\n%s", i, expected, text);
                }
        }
        g_rand_free(random);
        /* the generator makes what this test is for */
        assert_true(n_conflicts > SETS / 50);
        assert_true(n_merged > SETS / 4);
}

/* Everything that either of two opens, their union opens. */
static void test_union_never_narrows(void **state G_GNUC_UNUSED) {
        GRand *random = g_rand_new_with_seed(7);

        for (int i = 0; i < SETS * 5; i++) {
                g_autoptr(Plan) one = plan_random(random), other = plan_random(random);
                g_autoptr(Plan) both = plan_copy(one);
                const PlanItem *item = plan_get_item(one, 0);
                const PlanItem *wider;

                if (plan_merge(both, other, NULL) < 0)
                        continue;
                wider = plan_find_item(both, item->kind, item->key);
                assert_non_null(wider);
                /* a default gives way to what is set, and opens nothing */
                if (item->kind != PLAN_ENV)
                        assert_true(plan_item_covers(wider, item));
        }
        g_rand_free(random);
}

static void assert_env(const char *const values[3], const PlanEnvMode modes[3], const char *expected) {
        g_autoptr(Plan) plan = plan_new();

        for (int i = 0; i < 3 && values[i]; i++)
                assert_int_equal(plan_add_env(plan, &maps, "A", values[i], modes[i], ":", NULL), 0);
        assert_string_equal(plan_find_item(plan, PLAN_ENV, "A")->env.value, expected);
}

static void test_exceptions(void **state G_GNUC_UNUSED) {
        assert_env((const char *[3]){ "a", "b" }, (PlanEnvMode[3]){ PLAN_ENV_APPEND, PLAN_ENV_APPEND },
                   "a:b");
        assert_env((const char *[3]){ "b", "a" }, (PlanEnvMode[3]){ PLAN_ENV_APPEND, PLAN_ENV_APPEND },
                   "b:a");
        assert_env((const char *[3]){ "a", "b" }, (PlanEnvMode[3]){ PLAN_ENV_PREPEND, PLAN_ENV_PREPEND },
                   "b:a");
        assert_env((const char *[3]){ "a", "b" }, (PlanEnvMode[3]){ PLAN_ENV_DEFAULT, PLAN_ENV_DEFAULT },
                   "a");
        assert_env((const char *[3]){ "b", "a" }, (PlanEnvMode[3]){ PLAN_ENV_DEFAULT, PLAN_ENV_DEFAULT },
                   "b");
        assert_env((const char *[3]){ "a", "b" }, (PlanEnvMode[3]){ PLAN_ENV_DEFAULT, PLAN_ENV_APPEND },
                   "a:b");
        assert_env((const char *[3]){ "b", "a" }, (PlanEnvMode[3]){ PLAN_ENV_APPEND, PLAN_ENV_DEFAULT }, "b");
}

static void test_merge_undoes_nothing_half(void **state G_GNUC_UNUSED) {
        g_autoptr(Plan) plan = plan_new(), other = plan_new();
        g_auto(Error) error = ERROR_NULL;

        assert_int_equal(plan_add_env(plan, &maps, "A", "a", PLAN_ENV_SET, NULL, NULL), 0);
        assert_int_equal(plan_add_bind(other, &radio, "/s", "/t", 0, NULL), 0);
        assert_int_equal(plan_add_env(other, &radio, "A", "b", PLAN_ENV_SET, NULL, NULL), 0);
        assert_true(plan_merge(plan, other, &error) < 0);
        assert_string_equal(error.message,
                            "Variable 'A' is set to 'a' by com.acme.maps (maps.json:12) and to 'b' "
                            "by com.acme.radio (radio.json:7)");
        assert_plan_says("as before", plan, "A | = a | set | 1");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_any_order),
                cmocka_unit_test(test_union_never_narrows),
                cmocka_unit_test(test_exceptions),
                cmocka_unit_test(test_merge_undoes_nothing_half),
        };

        return cmocka_run_group_tests_name("plan-order", tests, NULL, NULL);
}
