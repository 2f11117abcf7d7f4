/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/limit-join.h"

#include <string.h>

/* What all versions of the kernel begin with (CFS bandwidth control). */
#define CPU_PERIOD_DEFAULT (100 * 1000)

static void joined_clear(void *data) {
        LimitJoined *joined = data;

        g_free(joined->key);
        g_free(joined->asked);
        limit_clear(&joined->value);
}

GArray *limits_joined_new(void) {
        GArray *joined = g_array_new(FALSE, TRUE, sizeof(LimitJoined));

        g_array_set_clear_func(joined, joined_clear);
        return joined;
}

static void add(GArray *joined, const char *key, const char *asked, const LimitValue *value) {
        LimitJoined limit = { .key = g_strdup(key), .asked = g_strdup(asked) };

        limit_copy(&limit.value, value);
        g_array_append_val(joined, limit);
}

static void add_number(GArray *joined, const char *key, const char *asked, uint64_t number) {
        add(joined, key, asked, &(LimitValue){ .number = number });
}

/* ---- processor time ---- */

static void join_cpu(GHashTable *limits, GArray *joined) {
        const LimitValue *max = g_hash_table_lookup(limits, "cpu.max");
        const LimitValue *quota = g_hash_table_lookup(limits, "cpu.quota");
        const LimitValue *period = g_hash_table_lookup(limits, "cpu.period");
        LimitValue halves = { .number = quota ? quota->number : LIMIT_UNLIMITED,
                              .period = period ? period->number : CPU_PERIOD_DEFAULT };
        g_auto(LimitValue) both = { 0 };

        if (!max && !quota && !period)
                return;
        /* a period of no quota means nothing */
        if (halves.number == LIMIT_UNLIMITED)
                halves.period = CPU_PERIOD_DEFAULT;
        limit_copy(&both, max ?: &halves);
        if (max && quota)
                (void) limit_merge(limit_find("cpu.max"), &both, &halves, NULL);
        add(joined, "cpu.max", max ? "cpu.max" : quota ? "cpu.quota" : "cpu.period", &both);
}

/* ---- memory ---- */

static uint64_t sum(uint64_t a, uint64_t b) {
        return a == LIMIT_UNLIMITED || b == LIMIT_UNLIMITED || a > INT64_MAX - b ? LIMIT_UNLIMITED : a + b;
}

/* v1: memory.total.max from both ways to say it. */
static int join_total(uint64_t memory, const LimitValue *total, const LimitValue *swap, GArray *joined,
                      const char **ret_asked, Error *error) {
        uint64_t number = total ? total->number : LIMIT_UNLIMITED;

        if (swap && swap->number != LIMIT_UNLIMITED && memory == LIMIT_UNLIMITED) {
                *ret_asked = "memory.swap.max";
                return error_setf(error, ERROR_UNSUPPORTED,
                                  "cgroup v1 can limit swap only together with memory: set 'memory.max' too");
        }
        if (swap)
                number = MIN(number, sum(memory, swap->number));
        if (total || swap)
                add_number(joined, "memory.total.max", total ? "memory.total.max" : "memory.swap.max", number);
        return 0;
}

/* v2: memory.swap.max from both. */
static void join_swap(uint64_t memory, const LimitValue *total, const LimitValue *swap, GArray *joined) {
        uint64_t number = swap ? swap->number : LIMIT_UNLIMITED;

        if (total && total->number != LIMIT_UNLIMITED)
                number = MIN(number, total->number - memory);
        if (total || swap)
                add_number(joined, "memory.swap.max", swap ? "memory.swap.max" : "memory.total.max", number);
}

static int join_memory(GHashTable *limits, uint64_t template_max, CgroupVersion version, GArray *joined,
                       const char **ret_asked, Error *error) {
        const LimitValue *max = g_hash_table_lookup(limits, "memory.max");
        const LimitValue *total = g_hash_table_lookup(limits, "memory.total.max");
        const LimitValue *swap = g_hash_table_lookup(limits, "memory.swap.max");
        uint64_t memory = max ? max->number : template_max;

        if (total && total->number < memory) {
                memory = total->number;
                add_number(joined, "memory.max", "memory.total.max", memory);
        } else if (max)
                add_number(joined, "memory.max", "memory.max", memory);
        if (version == CGROUP_V1)
                return join_total(memory, total, swap, joined, ret_asked, error);
        join_swap(memory, total, swap, joined);
        return 0;
}

/* ---- all others ---- */

static bool is_joined(const char *key) {
        static const char *const keys[] = { "cpu.max",    "cpu.period",       "cpu.quota",
                                            "memory.max", "memory.total.max", "memory.swap.max", NULL };

        return g_strv_contains(keys, key);
}

static int join_other(const char *key, const LimitValue *value, CgroupVersion version, GArray *joined, Error *error) {
        g_auto(GStrv) files = NULL;
        g_auto(LimitValue) whole = { 0 };
        int r;

        r = limit_to_files(key, value, version, &files, error);
        if (r < 0)
                return r;
        limit_copy(&whole, value);
        for (int i = 0; i < _LIMIT_RATE_MAX && limit_find(key)->type == LIMIT_RATES; i++)
                if (whole.rates[i] == 0)
                        whole.rates[i] = LIMIT_UNLIMITED;
        add(joined, key, key, &whole);
        return 0;
}

static int compare_keys(const void *a, const void *b) {
        const LimitJoined *left = a, *right = b;

        return strcmp(left->key, right->key);
}

int limits_join(GHashTable *limits, uint64_t memory_max, CgroupVersion version, GArray *joined,
                const char **ret_asked, Error *error) {
        GHashTableIter iter;
        void *key, *value;
        int r;

        join_cpu(limits, joined);
        r = join_memory(limits, memory_max, version, joined, ret_asked, error);
        if (r < 0)
                return r;
        g_hash_table_iter_init(&iter, limits);
        while (g_hash_table_iter_next(&iter, &key, &value)) {
                if (is_joined(key))
                        continue;
                r = join_other(key, value, version, joined, error);
                if (r < 0) {
                        *ret_asked = key;
                        return r;
                }
        }
        g_array_sort(joined, compare_keys);
        return 0;
}
