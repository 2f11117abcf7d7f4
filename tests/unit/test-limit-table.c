/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/limit-table.h"
#include "tests/unit/plan-asserts.h"

/* "name value" as a manifest has it; what it becomes: the key, the words, the files of v1, the files of v2.
 */
static const struct {
        const char *name, *text;
        const char *key, *words, *v1, *v2; /* NULL = this version has nothing like it */
} settings[] = {
        { "memory.max", "536870912", "memory.max", "512M", "memory.limit_in_bytes=536870912",
          "memory.max=536870912" },
        { "memory.limit_in_bytes", "20K", "memory.max", "20K", "memory.limit_in_bytes=20480",
          "memory.max=20480" },
        { "memory.limit_in_bytes", "10g", "memory.max", "10G", "memory.limit_in_bytes=10737418240",
          "memory.max=10737418240" },
        { "memory.limit_in_bytes", "-1", "memory.max", "no limit", "memory.limit_in_bytes=-1",
          "memory.max=max" },
        { "memory.max", "max", "memory.max", "no limit", "memory.limit_in_bytes=-1", "memory.max=max" },
        { "memory.max", "infinity", "memory.max", "no limit", "memory.limit_in_bytes=-1", "memory.max=max" },
        { "memory.max", "1.5GiB", "memory.max", "1536M", "memory.limit_in_bytes=1610612736",
          "memory.max=1610612736" },
        { "memory.max", "0.5Kb", "memory.max", "512", "memory.limit_in_bytes=512", "memory.max=512" },
        { "memory.max", "1T", "memory.max", "1T", "memory.limit_in_bytes=1099511627776",
          "memory.max=1099511627776" },
        { "memory.memsw.limit_in_bytes", "1G", "memory.total.max", "1G",
          "memory.memsw.limit_in_bytes=1073741824", NULL },
        { "memory.swap.max", "0", "memory.swap.max", "0", NULL, "memory.swap.max=0" },
        { "memory.soft_limit_in_bytes", "64M", "memory.low", "64M", "memory.soft_limit_in_bytes=67108864",
          "memory.low=67108864" },
        { "memory.high", "64M", "memory.high", "64M", NULL, "memory.high=67108864" },
        { "memory.min", "4k", "memory.min", "4K", NULL, "memory.min=4096" },
        { "cpu.shares", "1024", "cpu.weight", "100% of the default", "cpu.shares=1024", "cpu.weight=100" },
        { "cpu.shares", "2", "cpu.weight", "0.2% of the default", "cpu.shares=2", "cpu.weight=1" },
        { "cpu.shares", "2147483647", "cpu.weight", "209715199.9% of the default", "cpu.shares=262144",
          "cpu.weight=10000" },
        { "cpu.weight", "100", "cpu.weight", "100% of the default", "cpu.shares=1024", "cpu.weight=100" },
        { "cpu.weight", "1", "cpu.weight", "1% of the default", "cpu.shares=10", "cpu.weight=1" },
        { "cpu.weight", "10000", "cpu.weight", "10000% of the default", "cpu.shares=102400",
          "cpu.weight=10000" },
        { "cpu.max", "150%", "cpu.max", "150% of a CPU, in turns of 100000 us",
          "cpu.cfs_period_us=100000 cpu.cfs_quota_us=150000", "cpu.max=150000 100000" },
        { "cpu.max", "12.5%", "cpu.max", "12.5% of a CPU, in turns of 100000 us",
          "cpu.cfs_period_us=100000 cpu.cfs_quota_us=12500", "cpu.max=12500 100000" },
        { "cpu.max", "20000 50000", "cpu.max", "40% of a CPU, in turns of 50000 us",
          "cpu.cfs_period_us=50000 cpu.cfs_quota_us=20000", "cpu.max=20000 50000" },
        { "cpu.max", "max 50000", "cpu.max", "no limit", "cpu.cfs_period_us=100000 cpu.cfs_quota_us=-1",
          "cpu.max=max 100000" },
        { "cpu.cfs_quota_us", "50000", "cpu.quota", "50000 us", "cpu.cfs_quota_us=50000", NULL },
        { "cpu.cfs_quota_us", "-1", "cpu.quota", "no limit", "cpu.cfs_quota_us=-1", NULL },
        { "cpu.cfs_period_us", "100000", "cpu.period", "100000 us", "cpu.cfs_period_us=100000", NULL },
        { "cpuset.cpus", "6,0-2,3", "cpuset.cpus", "0-3,6", "cpuset.cpus=0-3,6", "cpuset.cpus=0-3,6" },
        { "cpuset.mems", "0", "cpuset.mems", "0", "cpuset.mems=0", "cpuset.mems=0" },
        { "pids.max", "64", "pids.max", "64", "pids.max=64", "pids.max=64" },
        { "pids.max", "max", "pids.max", "no limit", "pids.max=max", "pids.max=max" },
        { "io.weight", "100", "io.weight", "100% of the default", "blkio.weight=500", "io.weight=100" },
        { "io.weight", "default 200", "io.weight", "200% of the default", "blkio.weight=1000",
          "io.weight=200" },
        { "io.weight", "1", "io.weight", "1% of the default", "blkio.weight=10", "io.weight=1" },
        { "blkio.weight", "500", "io.weight", "100% of the default", "blkio.weight=500", "io.weight=100" },
        { "blkio.weight", "999", "io.weight", "199.8% of the default", "blkio.weight=999", "io.weight=200" },
        { "io.max", "8:0 rbps=1M wiops=max", "io.max:8:0", "1M read/s, unlimited writes/s",
          "blkio.throttle.read_bps_device=8:0@1048576 blkio.throttle.write_iops_device=8:0@0",
          "io.max=8:0 rbps=1048576 wiops=max" },
        { "io.max", "/dev/mmcblk0 riops=100", "io.max:/dev/mmcblk0", "100 reads/s",
          "blkio.throttle.read_iops_device=/dev/mmcblk0@100", "io.max=/dev/mmcblk0 riops=100" },
        { "blkio.throttle.write_bps_device", "8:16 0", "io.max:8:16", "unlimited written/s",
          "blkio.throttle.write_bps_device=8:16@0", "io.max=8:16 wbps=max" },
        { "net_cls.classid", "0xAAAAB", "net_cls.classid", "0x000aaaab", "net_cls.classid=699051", NULL },
};

/* Joined with spaces; a space within a line of v1 is shown as '@'. */
static void assert_files(size_t i, const char *key, const LimitValue *value, CgroupVersion version,
                         const char *expected) {
        g_auto(Error) error = ERROR_NULL;
        g_auto(GStrv) files = NULL;
        g_autofree char *text = NULL;
        int r = limit_to_files(key, value, version, &files, &error);

        if (!expected) {
                assert_true(r < 0);
                assert_int_equal(error.code, ERROR_UNSUPPORTED);
                return;
        }
        assert_int_equal(r, 0);
        for (char **file = files; version == CGROUP_V1 && *file; file++)
                g_strdelimit(*file, " ", '@');
        text = g_strjoinv(" ", files);
        if (strcmp(text, expected) != 0)
                fail_msg("%s '%s' in v%d: '%s'", settings[i].name, settings[i].text, (int) version, text);
}

static void test_settings(void **state G_GNUC_UNUSED) {
        for (size_t i = 0; i < G_N_ELEMENTS(settings); i++) {
                g_auto(LimitValue) value = { 0 };
                g_auto(Error) error = ERROR_NULL;
                g_autofree char *key = NULL, *words = NULL;

                if (limit_parse(settings[i].name, settings[i].text, &key, &value, &error) < 0)
                        fail_msg("%s '%s': %s", settings[i].name, settings[i].text, error.message);
                assert_string_equal(key, settings[i].key);
                assert_int_equal(limit_check(key, &value, NULL), 0);
                words = limit_format(limit_find(key), &value);
                if (strcmp(words, settings[i].words) != 0)
                        fail_msg("%s '%s': '%s'", settings[i].name, settings[i].text, words);
                assert_files(i, key, &value, CGROUP_V1, settings[i].v1);
                assert_files(i, key, &value, CGROUP_V2, settings[i].v2);
        }
}

static const struct {
        const char *name, *text;
} bad_values[] = {
        { "memory.max", "" },
        { "memory.max", "15Q" },
        { "memory.max", "-1" },
        { "memory.max", "0" },
        { "memory.max", "1.5" },
        { "memory.max", "1.M" },
        { "memory.max", ".5M" },
        { "memory.max", "1e9" },
        { "memory.max", "0x10" },
        { "memory.max", " 1M" },
        { "memory.max", "1M " },
        { "memory.max", "1 M" },
        { "memory.max", "1MM" },
        { "memory.max", "1iM" },
        { "memory.max", "50%" },
        { "memory.max", "9223372036854775808" },
        { "memory.max", "8388608T" },
        { "memory.max", "1.0000001G" },
        { "memory.limit_in_bytes", "-2" },
        { "memory.max", "Max" },
        { "cpu.shares", "1" },
        { "cpu.shares", "-1000" },
        { "cpu.shares", "abc" },
        { "cpu.shares", "9223372036854775809" },
        { "cpu.shares", "2147483648" },
        { "cpu.weight", "0" },
        { "cpu.weight", "10001" },
        { "cpu.weight", "max" },
        { "cpu.weight", "default 100" },
        { "cpu.max", "" },
        { "cpu.max", "0.5%" },
        { "cpu.max", "-5%" },
        { "cpu.max", "999" },
        { "cpu.max", "5000 999" },
        { "cpu.max", "5000 1000001" },
        { "cpu.max", "5000 5000 5000" },
        { "cpu.max", "%" },
        { "cpu.max", "max 5" },
        { "cpu.max", "1000000000001" },
        { "cpu.max", "99999999999999999999%" },
        { "cpu.cfs_quota_us", "0" },
        { "cpu.cfs_period_us", "-1" },
        { "cpu.cfs_period_us", "max" },
        { "cpuset.cpus", "" },
        { "cpuset.cpus", "3-0" },
        { "cpuset.cpus", "0," },
        { "cpuset.cpus", "8192" },
        { "cpuset.cpus", "a" },
        { "cpuset.cpus", "0-1-2" },
        { "pids.max", "0" },
        { "pids.max", "-1" },
        { "pids.max", "4194305" },
        { "pids.max", "1K" },
        { "io.weight", "0" },
        { "blkio.weight", "9" },
        { "blkio.weight", "1001" },
        { "io.max", "8:0" },
        { "io.max", "rbps=1M" },
        { "io.max", "8:0 rbps=0" },
        { "io.max", "8:0 rbps=1 rbps=2" },
        { "io.max", "8:0 xbps=1" },
        { "io.max", "08:0 rbps=1" },
        { "io.max", "4096:0 rbps=1" },
        { "io.max", "8:1048576 rbps=1" },
        { "io.max", "sda rbps=1" },
        { "io.max", "/dev/../sda rbps=1" },
        { "io.max", "8:0  rbps=1" },
        { "io.max", "8:0 riops=1K" },
        { "blkio.throttle.read_bps_device", "8:0" },
        { "blkio.throttle.read_bps_device", "8:0 1 2" },
        { "net_cls.classid", "123" },
        { "net_cls.classid", "0x08PGAH" },
        { "net_cls.classid", "0xAAAA" },
        { "net_cls.classid", "0xAAAABBBBCCCC" },
        { "net_cls.classid", "0x00000" },
        { "net_cls.classid", "0x-1234" },
};

static void test_bad_values(void **state G_GNUC_UNUSED) {
        for (size_t i = 0; i < G_N_ELEMENTS(bad_values); i++) {
                g_autofree char *quoted = g_strdup_printf("Value '%s' of '", bad_values[i].text);
                g_auto(LimitValue) value = { 0 };
                g_auto(Error) error = ERROR_NULL;
                g_autofree char *key = NULL;

                if (limit_parse(bad_values[i].name, bad_values[i].text, &key, &value, &error) >= 0)
                        fail_msg("%s '%s': not refused", bad_values[i].name, bad_values[i].text);
                assert_int_equal(error.code, ERROR_INVALID_ARGS);
                assert_true(g_str_has_prefix(error.message, quoted));
                assert_null(key);
                assert_null(value.list);
        }
}

static void test_long_value(void **state G_GNUC_UNUSED) {
        g_autofree char *text = g_strnfill(LIMIT_TEXT_MAX + 1, '1');
        g_auto(LimitValue) value = { 0 };
        g_auto(Error) error = ERROR_NULL;
        g_autofree char *key = NULL;

        assert_refused("long", limit_parse("memory.max", text, &key, &value, &error), &error,
                       "Value of 'memory.max' has 4097 bytes, at most 4096 can be");
}

static void test_unknown(void **state G_GNUC_UNUSED) {
        static const struct {
                const char *name, *message;
        } cases[] = {
                { "memory.limit",
                  "Setting 'memory.limit' is unknown, a limit of cgroup v1 or v2 was expected" },
                { "", "Setting '' is unknown, a limit of cgroup v1 or v2 was expected" },
                { "io.max:8:0", "Setting 'io.max:8:0' is unknown, a limit of cgroup v1 or v2 was expected" },
                { "../x", "Setting '../x' is unknown, a limit of cgroup v1 or v2 was expected" },
                { "devices.allow",
                  "Setting 'devices.allow' cannot be set here: which devices a sandbox has is said "
                  "with the gateway 'devicenode'" },
                { "cgroup.procs",
                  "Setting 'cgroup.procs' cannot be set here: the group itself belongs to the service" },
                { "freezer.state",
                  "Setting 'freezer.state' cannot be set here: sandboxes are frozen with Freeze" },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_auto(LimitValue) value = { 0 };
                g_auto(Error) error = ERROR_NULL;
                g_autofree char *key = NULL;

                assert_refused(cases[i].name, limit_parse(cases[i].name, "1", &key, &value, &error), &error,
                               cases[i].message);
                assert_int_equal(error.code, ERROR_UNSUPPORTED);
        }
}

static void test_names(void **state G_GNUC_UNUSED) {
        const char *const *names = limit_get_names();

        assert_ptr_equal(names, limit_get_names());
        assert_true(g_strv_contains(names, "memory.max"));
        assert_true(g_strv_contains(names, "memory.limit_in_bytes"));
        assert_true(g_strv_contains(names, "blkio.throttle.read_bps_device"));
        for (size_t i = 0; names[i]; i++) {
                g_auto(LimitValue) value = { 0 };
                g_auto(Error) error = ERROR_NULL;
                g_autofree char *key = NULL;

                /* no setting takes this, but all are known */
                assert_true(limit_parse(names[i], "?", &key, &value, &error) < 0);
                assert_int_equal(error.code, ERROR_INVALID_ARGS);
        }
        assert_non_null(limit_find("io.max:8:0"));
        assert_null(limit_find("io.max"));
        assert_null(limit_find("io.max:"));
        assert_null(limit_find("io.max:sda"));
        assert_null(limit_find("memory.max:8:0"));
        assert_null(limit_find("memory.limit_in_bytes"));
}

static void test_check(void **state G_GNUC_UNUSED) {
        static const struct {
                const char *key;
                LimitValue value;
                bool good;
        } cases[] = {
                { "memory.max", { .number = 1 }, true },
                { "memory.max", { .number = LIMIT_UNLIMITED }, true },
                { "memory.max", { .number = LIMIT_UNLIMITED - 1 }, false },
                { "memory.max", { 0 }, false },
                { "memory.max", { .number = 1, .period = 1 }, false },
                { "memory.max", { .number = 1, .rates = { 1 } }, false },
                { "memory.max", { .number = 1, .list = (char *) "0" }, false },
                { "cpu.weight", { .number = LIMIT_UNLIMITED }, false },
                { "cpu.max", { .number = 1000, .period = 1000 }, true },
                { "cpu.max", { .number = 1000 }, false },
                { "cpu.max", { .number = 1000, .period = 999 }, false },
                { "cpu.max", { .number = LIMIT_UNLIMITED, .period = 1000 }, false },
                { "cpuset.cpus", { .list = (char *) "0-3" }, true },
                { "cpuset.cpus", { .list = (char *) "0,1" }, false },
                { "cpuset.cpus", { 0 }, false },
                { "cpuset.cpus", { .list = (char *) "0-3", .number = 1 }, false },
                { "io.max:8:0", { .rates = { 0, 5 } }, true },
                { "io.max:8:0", { .rates = { LIMIT_UNLIMITED - 1 } }, false },
                { "io.max:8:0", { 0 }, false },
                { "io.max:8:0", { .rates = { 5 }, .number = 1 }, false },
                { "nothing", { .number = 1 }, false },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_auto(Error) error = ERROR_NULL;
                int r = limit_check(cases[i].key, &cases[i].value, &error);

                if ((r == 0) != cases[i].good)
                        fail_msg("%zu: %s: %d", i, cases[i].key, r);
                assert_int_equal(error.message != NULL, r < 0);
        }
}

/* Both directions of a conversion meet: what one version has can be said in the other and comes back. */
static void test_weights_come_back(void **state G_GNUC_UNUSED) {
        static const char *const names[] = { "cpu.weight", "io.weight" };

        for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
                for (int weight = 1; weight <= 10000; weight++) {
                        g_autofree char *text = g_strdup_printf("%d", weight);
                        g_autofree char *expected = g_strdup_printf("%s=%d", names[i], weight);
                        g_auto(LimitValue) value = { 0 };
                        g_autofree char *key = NULL;
                        g_auto(GStrv) files = NULL;

                        assert_int_equal(limit_parse(names[i], text, &key, &value, NULL), 0);
                        assert_int_equal(limit_to_files(key, &value, CGROUP_V2, &files, NULL), 0);
                        assert_string_equal(files[0], expected);
                }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_settings),
                cmocka_unit_test(test_bad_values),
                cmocka_unit_test(test_long_value),
                cmocka_unit_test(test_unknown),
                cmocka_unit_test(test_names),
                cmocka_unit_test(test_check),
                cmocka_unit_test(test_weights_come_back),
        };

        return cmocka_run_group_tests_name("limit-table", tests, NULL, NULL);
}
