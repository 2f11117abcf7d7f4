/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "service/pool.h"

#include "util/log.h"

#define RETRY_USEC (1000 * 1000ULL) /* after a spare that died or could not be started */

/* A spare shim and its place in the pool. */
typedef struct Spare {
        Pool *pool;         /* not owned; it frees us */
        ShimClient *client; /* owned */
        bool is_gone;
} Spare;

struct Pool {
        ShimHost *host; /* not owned */
        unsigned n_wanted;
        GPtrArray *spares;               /* owned Spare */
        sd_event_source *refill, *retry; /* owned */
        bool draining;
        bool is_failing; /* the last spare could not be started */
        void (*drained)(void *userdata);
        void *userdata;
};

static void spare_free(Spare *spare) {
        shim_client_leave(spare->client); /* it ends with the service */
        g_free(spare);
}

static void on_spare_gone(void *userdata, const Error *reason) {
        Spare *spare = userdata;

        log_failure(LOG_WARNING, reason, "A spare shim ended");
        spare->is_gone = true;
}

static void on_spare_ended(void *userdata) {
        Spare *spare = userdata;
        Pool *pool = spare->pool;

        (void) g_ptr_array_remove_fast(pool->spares, spare);
        if (!pool->draining)
                (void) sd_event_source_set_time_relative(pool->retry, RETRY_USEC);
        if (!pool->draining)
                (void) sd_event_source_set_enabled(pool->retry, SD_EVENT_ONESHOT);
        else if (pool->spares->len == 0)
                pool->drained(pool->userdata);
}

static const ShimClientEvents spare_events = { .gone = on_spare_gone, .ended = on_spare_ended };

/* One at a time, so that a request that comes in between has its turn. */
static int pool_spawn(Pool *pool) {
        g_auto(Error) error = ERROR_NULL;
        Spare *spare = g_new0(Spare, 1);
        int r;

        spare->pool = pool;
        r = shim_client_spawn(pool->host, &spare_events, spare, &spare->client, &error);
        if (r < 0) {
                /* Once: it is tried again every second, for as long as all ids are taken, say. */
                log_failure(pool->is_failing ? LOG_DEBUG : LOG_WARNING, &error, "Cannot keep a spare shim");
                pool->is_failing = true;
                spare_free(spare);
                return r;
        }
        pool->is_failing = false;
        g_ptr_array_add(pool->spares, spare);
        return 0;
}

static int on_refill(sd_event_source *source, void *userdata) {
        Pool *pool = userdata;

        if (pool->draining || pool->spares->len >= pool->n_wanted)
                return 0;
        if (pool_spawn(pool) < 0) {
                (void) sd_event_source_set_time_relative(pool->retry, RETRY_USEC);
                (void) sd_event_source_set_enabled(pool->retry, SD_EVENT_ONESHOT);
        } else
                (void) sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
        return 0;
}

static int on_retry(sd_event_source *source G_GNUC_UNUSED, uint64_t usec G_GNUC_UNUSED, void *userdata) {
        pool_refill(userdata);
        return 0;
}

Pool *pool_new(ShimHost *host, unsigned n_spare, void (*drained)(void *userdata), void *userdata) {
        Pool *pool = g_new0(Pool, 1);
        int r;

        pool->host = host;
        pool->n_wanted = n_spare;
        pool->drained = drained;
        pool->userdata = userdata;
        pool->spares = g_ptr_array_new_with_free_func((GDestroyNotify) spare_free);
        r = sd_event_add_defer(host->event, &pool->refill, on_refill, pool);
        if (r >= 0)
                r = sd_event_source_set_priority(pool->refill, SD_EVENT_PRIORITY_IDLE);
        if (r >= 0)
                r = sd_event_add_time(host->event, &pool->retry, CLOCK_MONOTONIC, 0, 0, on_retry, pool);
        g_assert(r >= 0); /* can only be out of memory */
        (void) sd_event_source_set_enabled(pool->retry, SD_EVENT_OFF);
        return pool;
}

void pool_free(Pool *pool) {
        if (!pool)
                return;
        sd_event_source_disable_unref(pool->refill);
        sd_event_source_disable_unref(pool->retry);
        g_ptr_array_unref(pool->spares);
        g_free(pool);
}

ShimClient *pool_take(Pool *pool, const ShimClientEvents *events, void *userdata) {
        for (guint i = 0; i < pool->spares->len; i++) {
                Spare *spare = pool->spares->pdata[i];

                if (spare->is_gone)
                        continue;

                ShimClient *client = g_steal_pointer(&spare->client);

                shim_client_set_events(client, events, userdata);
                (void) g_ptr_array_remove_index(pool->spares, i);
                return client;
        }
        return NULL;
}

void pool_refill(Pool *pool) {
        if (!pool->draining)
                (void) sd_event_source_set_enabled(pool->refill, SD_EVENT_ONESHOT);
}

void pool_drain(Pool *pool) {
        pool->draining = true;
        for (guint i = 0; i < pool->spares->len; i++) {
                Spare *spare = pool->spares->pdata[i];

                shim_client_stop(spare->client, 0);
        }
}

unsigned pool_get_size(const Pool *pool) {
        unsigned n = 0;

        for (guint i = 0; i < pool->spares->len; i++) {
                const Spare *spare = pool->spares->pdata[i];

                n += !spare->is_gone;
        }
        return n;
}

bool pool_is_empty(const Pool *pool) {
        return pool->spares->len == 0;
}
