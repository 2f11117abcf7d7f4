/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Limits of one sandbox together: what is written on a host with cgroup v1, and on one with v2. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "plan/limit-join.h"

#define MIB (1024 * 1024ULL)

/* Settings as a manifest has them, and the lines for the kernel with '@' for a space; NULL = unsupported. */
static const struct {
        const char *name, *limits;
        uint64_t template_memory;
        const char *v1, *v2;
} rows[] = {
        { "nothing", "", 512 * MIB, "", "" },
        { "one of both", "pids.max=7", 512 * MIB, "pids.max=7", "pids.max=7" },
        { "v1's name of memory", "memory.limit_in_bytes=64M", 512 * MIB, "memory.limit_in_bytes=67108864",
          "memory.max=67108864" },
        { "shares", "cpu.shares=512", 512 * MIB, "cpu.shares=512", "cpu.weight=50" },
        { "only of v2", "memory.high=1M", 512 * MIB, NULL, "memory.high=1048576" },
        { "only of v1", "net_cls.classid=0x00010002", 512 * MIB, "net_cls.classid=65538", NULL },

        { "cpu.max", "cpu.max=50%", 0, "cpu.cfs_period_us=100000 cpu.cfs_quota_us=50000", "cpu.max=50000@100000" },
        { "quota and period", "cpu.cfs_quota_us=5000,cpu.cfs_period_us=10000", 0,
          "cpu.cfs_period_us=10000 cpu.cfs_quota_us=5000", "cpu.max=5000@10000" },
        { "quota alone", "cpu.quota=30000", 0, "cpu.cfs_period_us=100000 cpu.cfs_quota_us=30000",
          "cpu.max=30000@100000" },
        { "period alone", "cpu.period=10000", 0, "cpu.cfs_period_us=100000 cpu.cfs_quota_us=-1",
          "cpu.max=max@100000" },
        { "no quota and a period", "cpu.quota=max,cpu.period=10000", 0,
          "cpu.cfs_period_us=100000 cpu.cfs_quota_us=-1", "cpu.max=max@100000" },
        { "quota wider than cpu.max", "cpu.max=50%,cpu.quota=8000,cpu.period=10000", 0,
          "cpu.cfs_period_us=10000 cpu.cfs_quota_us=8000", "cpu.max=8000@10000" },
        { "cpu.max wider than quota", "cpu.max=90%,cpu.quota=8000,cpu.period=10000", 0,
          "cpu.cfs_period_us=100000 cpu.cfs_quota_us=90000", "cpu.max=90000@100000" },
        { "cpu.max and a period only", "cpu.max=50%,cpu.period=10000", 0,
          "cpu.cfs_period_us=100000 cpu.cfs_quota_us=50000", "cpu.max=50000@100000" },

        { "total above memory", "memory.limit_in_bytes=64M,memory.memsw.limit_in_bytes=100M", 512 * MIB,
          "memory.limit_in_bytes=67108864 memory.memsw.limit_in_bytes=104857600",
          "memory.max=67108864 memory.swap.max=37748736" },
        { "total below memory", "memory.max=64M,memory.total.max=32M", 512 * MIB,
          "memory.limit_in_bytes=33554432 memory.memsw.limit_in_bytes=33554432",
          "memory.max=33554432 memory.swap.max=0" },
        { "total above the template", "memory.total.max=1G", 512 * MIB, "memory.memsw.limit_in_bytes=1073741824",
          "memory.swap.max=536870912" },
        { "total below the template", "memory.total.max=64M", 512 * MIB,
          "memory.limit_in_bytes=67108864 memory.memsw.limit_in_bytes=67108864",
          "memory.max=67108864 memory.swap.max=0" },
        { "total without any", "memory.total.max=64M", LIMIT_UNLIMITED,
          "memory.limit_in_bytes=67108864 memory.memsw.limit_in_bytes=67108864",
          "memory.max=67108864 memory.swap.max=0" },
        { "no total", "memory.total.max=max", 512 * MIB, "memory.memsw.limit_in_bytes=-1", "memory.swap.max=max" },
        { "swap", "memory.max=64M,memory.swap.max=32M", 512 * MIB,
          "memory.limit_in_bytes=67108864 memory.memsw.limit_in_bytes=100663296",
          "memory.max=67108864 memory.swap.max=33554432" },
        { "swap on the template's", "memory.swap.max=0", 512 * MIB, "memory.memsw.limit_in_bytes=536870912",
          "memory.swap.max=0" },
        { "swap without memory", "memory.swap.max=32M", LIMIT_UNLIMITED, NULL, "memory.swap.max=33554432" },
        { "no limit of swap", "memory.swap.max=max", LIMIT_UNLIMITED, "memory.memsw.limit_in_bytes=-1",
          "memory.swap.max=max" },
        { "swap and total", "memory.max=64M,memory.swap.max=64M,memory.total.max=96M", 512 * MIB,
          "memory.limit_in_bytes=67108864 memory.memsw.limit_in_bytes=100663296",
          "memory.max=67108864 memory.swap.max=33554432" },

        { "rates", "io.max=8:0 rbps=1M", 0,
          "blkio.throttle.read_bps_device=8:0@1048576 blkio.throttle.write_bps_device=8:0@0 "
          "blkio.throttle.read_iops_device=8:0@0 blkio.throttle.write_iops_device=8:0@0",
          "io.max=8:0@rbps=1048576@wbps=max@riops=max@wiops=max" },
};

static GHashTable *parse_all(const char *text) {
        GHashTable *limits = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify) g_free);
        g_auto(GStrv) parts = g_strsplit(text, ",", -1);

        for (char **part = parts; *part && **part; part++) {
                LimitValue *value = g_new0(LimitValue, 1);
                g_auto(GStrv) sides = g_strsplit(*part, "=", 2);
                g_auto(Error) error = ERROR_NULL;
                char *key = NULL;

                if (limit_parse(sides[0], sides[1], &key, value, &error) < 0)
                        fail_msg("%s: %s", *part, error.message);
                g_hash_table_insert(limits, key, value);
        }
        return limits;
}

static char *join_all(GHashTable *limits, uint64_t memory, CgroupVersion version) {
        g_autoptr(GArray) joined = limits_joined_new();
        g_autoptr(GString) text = g_string_new(NULL);
        g_auto(Error) error = ERROR_NULL;
        const char *asked = NULL;

        if (limits_join(limits, memory, version, joined, &asked, &error) < 0) {
                assert_int_equal(error.code, ERROR_UNSUPPORTED);
                assert_true(g_hash_table_contains(limits, asked));
                return NULL;
        }
        for (guint i = 0; i < joined->len; i++) {
                const LimitJoined *limit = &g_array_index(joined, LimitJoined, i);
                g_auto(GStrv) files = NULL;

                assert_true(g_hash_table_contains(limits, limit->asked));
                if (limit_to_files(limit->key, &limit->value, version, &files, &error) < 0)
                        fail_msg("%s: %s", limit->key, error.message);
                for (char **file = files; *file; file++)
                        g_string_append_printf(text, "%s%s", text->len > 0 ? " " : "", g_strdelimit(*file, " ", '@'));
        }
        return g_strdup(text->str);
}

static void test_rows(void **state G_GNUC_UNUSED) {
        for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
                g_autoptr(GHashTable) limits = parse_all(rows[i].limits);
                g_autofree char *v1 = join_all(limits, rows[i].template_memory, CGROUP_V1);
                g_autofree char *v2 = join_all(limits, rows[i].template_memory, CGROUP_V2);

                if (g_strcmp0(v1, rows[i].v1) != 0)
                        fail_msg("%s, v1: '%s'", rows[i].name, v1 ?: "unsupported");
                if (g_strcmp0(v2, rows[i].v2) != 0)
                        fail_msg("%s, v2: '%s'", rows[i].name, v2 ?: "unsupported");
        }
}

int main(void) {
        const struct CMUnitTest tests[] = { cmocka_unit_test(test_rows) };

        return cmocka_run_group_tests_name("limit-join", tests, NULL, NULL);
}
