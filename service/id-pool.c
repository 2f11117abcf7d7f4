/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "service/id-pool.h"

struct IdPool {
        uint32_t base;
        uint32_t n_ranges;
        uint32_t next; /* ranges from here on were never given out */
        bool *taken;   /* owned; of each range */
        GQueue free;   /* indexes of ranges given back, oldest first */
};

IdPool *id_pool_new(uint32_t base, uint32_t count) {
        IdPool *pool = g_new0(IdPool, 1);

        pool->base = base;
        pool->n_ranges = count / ID_RANGE_COUNT;
        pool->taken = g_new0(bool, pool->n_ranges);
        return pool;
}

void id_pool_free(IdPool *pool) {
        if (!pool)
                return;
        g_queue_clear(&pool->free);
        g_free(pool->taken);
        g_free(pool);
}

int id_pool_take(IdPool *pool, uint32_t *ret_first, Error *error) {
        uint32_t index;

        while (pool->next < pool->n_ranges && pool->taken[pool->next])
                pool->next++;
        if (pool->next < pool->n_ranges)
                index = pool->next++;
        else if (!g_queue_is_empty(&pool->free))
                index = GPOINTER_TO_UINT(g_queue_pop_head(&pool->free));
        else
                return error_setf(error, ERROR_LIMIT_REACHED,
                                  "All %u ranges of %u user ids are in use (Count= in [Ids])", pool->n_ranges,
                                  ID_RANGE_COUNT);
        pool->taken[index] = true;
        *ret_first = pool->base + index * ID_RANGE_COUNT;
        return 0;
}

/* The ranges that share an id with the one from @first on: *ret_begin up to, without, *ret_end. */
static void pool_overlap(const IdPool *pool, uint32_t first, uint32_t *ret_begin, uint32_t *ret_end) {
        int64_t offset = (int64_t) first - pool->base, last = offset + ID_RANGE_COUNT - 1;

        *ret_begin = offset < 0 ? 0 : (uint32_t) (offset / ID_RANGE_COUNT);
        *ret_end = last < 0 ? 0 : (uint32_t) (last / ID_RANGE_COUNT) + 1;
        *ret_begin = MIN(*ret_begin, pool->n_ranges);
        *ret_end = MIN(*ret_end, pool->n_ranges);
}

int id_pool_reserve(IdPool *pool, uint32_t first, Error *error) {
        uint32_t begin, end;

        pool_overlap(pool, first, &begin, &end);
        for (uint32_t i = begin; i < end; i++)
                if (pool->taken[i])
                        return error_setf(error, ERROR_LIMIT_REACHED,
                                          "The user ids from %u on are another sandbox's", first);
        for (uint32_t i = begin; i < end; i++) {
                pool->taken[i] = true;
                (void) g_queue_remove(&pool->free, GUINT_TO_POINTER(i));
        }
        return 0;
}

void id_pool_give_back(IdPool *pool, uint32_t first) {
        uint32_t begin, end;

        pool_overlap(pool, first, &begin, &end);
        for (uint32_t i = begin; i < end; i++) {
                pool->taken[i] = false;
                if (i < pool->next)
                        g_queue_push_tail(&pool->free, GUINT_TO_POINTER(i));
        }
}
