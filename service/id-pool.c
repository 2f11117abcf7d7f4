/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "service/id-pool.h"

struct IdPool {
        uint32_t base;
        uint32_t n_ranges;
        uint32_t next; /* ranges from here on were never given out */
        GQueue free;   /* indexes of ranges given back, oldest first */
};

IdPool *id_pool_new(uint32_t base, uint32_t count) {
        IdPool *pool = g_new0(IdPool, 1);

        pool->base = base;
        pool->n_ranges = count / ID_RANGE_COUNT;
        return pool;
}

void id_pool_free(IdPool *pool) {
        if (!pool)
                return;
        g_queue_clear(&pool->free);
        g_free(pool);
}

int id_pool_take(IdPool *pool, uint32_t *ret_first, Error *error) {
        uint32_t index;

        if (pool->next < pool->n_ranges)
                index = pool->next++;
        else if (!g_queue_is_empty(&pool->free))
                index = GPOINTER_TO_UINT(g_queue_pop_head(&pool->free));
        else
                return error_setf(error, ERROR_LIMIT_REACHED,
                                  "All %u ranges of %u user ids are in use (Count= in [Ids])", pool->n_ranges,
                                  ID_RANGE_COUNT);
        *ret_first = pool->base + index * ID_RANGE_COUNT;
        return 0;
}

void id_pool_give_back(IdPool *pool, uint32_t first) {
        g_queue_push_tail(&pool->free, GUINT_TO_POINTER((first - pool->base) / ID_RANGE_COUNT));
}
