/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/plan-asserts.h"

static int add(Plan *plan, const PlanOrigin *origin, const char *name, const char *text, Error *error) {
        g_auto(LimitValue) value = { 0 };
        g_autofree char *key = NULL;

        assert_int_equal(limit_parse(name, text, &key, &value, NULL), 0);
        return plan_add_limit(plan, origin, key, &value, error);
}

static const struct {
        const char *name, *first, *other_name, *second; /* the first is the narrower, or as wide */
        const char *text;
} merges[] = {
        { "memory.limit_in_bytes", "20K", "memory.limit_in_bytes", "100K", "memory.max | = 100K |  | 2" },
        { "memory.limit_in_bytes", "1G", "memory.max", "10g", "memory.max | = 10G |  | 2" },
        { "memory.max", "1G", "memory.max", "max", "memory.max | = no limit |  | 2" },
        { "memory.max", "1G", "memory.max", "1024M", "memory.max | = 1G |  | 2" },
        { "cpu.shares", "512", "cpu.weight", "100", "cpu.weight | = 100% of the default |  | 2" },
        { "cpu.max", "50%", "cpu.max", "30000 40000",
          "cpu.max | = 75% of a CPU, in turns of 40000 us |  | 2" },
        { "cpu.max", "20000 40000", "cpu.max", "50%",
          "cpu.max | = 50% of a CPU, in turns of 100000 us |  | 2" },
        { "cpu.max", "400%", "cpu.max", "max", "cpu.max | = no limit |  | 2" },
        { "cpu.cfs_period_us", "100000", "cpu.cfs_period_us", "50000", "cpu.period | = 50000 us |  | 2" },
        { "cpu.cfs_quota_us", "50000", "cpu.cfs_quota_us", "-1", "cpu.quota | = no limit |  | 2" },
        { "pids.max", "64", "pids.max", "65", "pids.max | = 65 |  | 2" },
        { "net_cls.classid", "0x00010002", "net_cls.classid", "0x10002",
          "net_cls.classid | = 0x00010002 |  | 2" },
        { "io.max", "8:0 rbps=1M", "io.max", "8:0 rbps=2M", "io.max:8:0 | = 2M read/s |  | 2" },
};

static void assert_merge(size_t i, bool turned) {
        g_autoptr(Plan) plan = plan_new();
        g_autoptr(Plan) narrow = plan_new();
        const char *names[] = { merges[i].name, merges[i].other_name };
        const char *texts[] = { merges[i].first, merges[i].second };

        assert_int_equal(add(narrow, &maps, names[0], texts[0], NULL), 0);
        assert_int_equal(add(plan, &maps, names[turned], texts[turned], NULL), 0);
        assert_int_equal(add(plan, &radio, names[!turned], texts[!turned], NULL), 0);
        assert_plan_says(merges[i].text, plan, merges[i].text);
        assert_true(plan_item_covers(plan_get_item(plan, 0), plan_get_item(narrow, 0)));
        assert_int_equal(plan_item_covers(plan_get_item(narrow, 0), plan_get_item(plan, 0)),
                         plan_item_is_equal(plan_get_item(narrow, 0), plan_get_item(plan, 0)));
}

static void test_merges(void **state G_GNUC_UNUSED) {
        for (size_t i = 0; i < G_N_ELEMENTS(merges); i++) {
                assert_merge(i, false);
                assert_merge(i, true);
        }
}

static void test_unions(void **state G_GNUC_UNUSED) {
        g_autoptr(Plan) plan = plan_new();

        assert_int_equal(add(plan, &maps, "cpuset.cpus", "0,4", NULL), 0);
        assert_int_equal(add(plan, &radio, "cpuset.cpus", "1-2,4", NULL), 0);
        assert_int_equal(add(plan, &maps, "io.max", "8:0 rbps=1M wbps=5M", NULL), 0);
        assert_int_equal(add(plan, &radio, "io.max", "8:0 rbps=2M riops=7", NULL), 0);
        assert_int_equal(add(plan, &radio, "io.max", "8:1 rbps=2M", NULL), 0);
        assert_plan_says("unions", plan,
                         "cpuset.cpus | = 0-2,4 |  | 2\n"
                         "io.max:8:0 | = 2M read/s, 5M written/s, 7 reads/s |  | 2\n"
                         "io.max:8:1 | = 2M read/s |  | 1");
}

static void test_conflict(void **state G_GNUC_UNUSED) {
        g_autoptr(Plan) plan = plan_new();
        g_auto(Error) error = ERROR_NULL;

        assert_int_equal(add(plan, &maps, "net_cls.classid", "0x00010002", NULL), 0);
        assert_refused("classes", add(plan, &radio, "net_cls.classid", "0x00010003", &error), &error,
                       "Limit 'net_cls.classid' is set to 0x00010002 by com.acme.maps (maps.json:12) and to "
                       "0x00010003 by com.acme.radio (radio.json:7)");
        assert_int_equal(error.code, ERROR_CONFLICTING_CAPABILITIES);
        assert_string_equal(error.file, "radio.json");
        assert_plan_says("classes", plan, "net_cls.classid | = 0x00010002 |  | 1");
}

static void test_refused(void **state G_GNUC_UNUSED) {
        static const LimitValue value = { .number = 5, .period = 5 };
        g_autoptr(Plan) plan = plan_new();
        g_auto(Error) error = ERROR_NULL, other_error = ERROR_NULL;

        assert_refused("value", plan_add_limit(plan, &maps, "pids.max", &value, &error), &error,
                       "Value of 'pids.max' is not one that it can have");
        assert_string_equal(error.file, "maps.json");
        assert_refused("name", plan_add_limit(plan, &maps, "memory.limit_in_bytes", &value, &other_error),
                       &other_error,
                       "Setting 'memory.limit_in_bytes' is unknown, a limit of cgroup v1 or v2 was expected");
        assert_int_equal(plan_get_size(plan), 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_merges),
                cmocka_unit_test(test_unions),
                cmocka_unit_test(test_conflict),
                cmocka_unit_test(test_refused),
        };

        return cmocka_run_group_tests_name("plan-limit", tests, NULL, NULL);
}
