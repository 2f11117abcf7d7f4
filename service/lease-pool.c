/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "service/lease-pool.h"

#include <string.h>

/* The net's own address and the gateway's, before the first lease. */
#define N_RESERVED 2u

struct LeasePool {
        char *instance; /* owned */
        char bridge[IFNAME_MAX + 1];
        LeaseRange ranges[_LEASE_FAMILY_MAX];
        LeaseAddress resolvers[_LEASE_FAMILY_MAX];
        bool has_resolver; /* on the bridge, unless the settings name others */
        FirewallChoice firewall;
        uint32_t size;
        uint32_t next;     /* numbers from here on were never given out */
        GQueue free;       /* numbers given back, oldest first; some may be reserved since */
        GHashTable *taken; /* numbers */
};

/* How many leases fit in a range; the last address is a broadcast of IPv4. */
static uint32_t range_count(LeaseFamily family, const LeaseRange *range) {
        unsigned n_bits = 8 * (unsigned) lease_family_size(family) - range->prefix;
        uint64_t n = UINT64_C(1) << MIN(n_bits, 32);

        return (uint32_t) MIN(n - N_RESERVED - 1, LEASES_MAX);
}

LeasePool *lease_pool_new(const char *instance, const Settings *settings) {
        LeasePool *pool = g_new0(LeasePool, 1);

        pool->instance = g_strdup(instance);
        if (settings->bridge)
                (void) g_strlcpy(pool->bridge, settings->bridge, sizeof(pool->bridge));
        else
                (void) g_snprintf(pool->bridge, sizeof(pool->bridge), *instance ? "bh%.8s-br" : "bulkhead0",
                                  instance);
        pool->size = LEASES_MAX;
        for (LeaseFamily family = 0; family < _LEASE_FAMILY_MAX; family++) {
                pool->ranges[family] = settings->ranges[family];
                pool->resolvers[family] = settings->resolvers[family];
                if (pool->ranges[family].is_set)
                        pool->size = MIN(pool->size, range_count(family, &pool->ranges[family]));
        }
        if (!pool->ranges[LEASE_IPV4].is_set && !pool->ranges[LEASE_IPV6].is_set)
                pool->size = 0;
        pool->has_resolver = settings->has_resolver;
        pool->firewall = settings->firewall;
        pool->taken = g_hash_table_new(NULL, NULL);
        return pool;
}

void lease_pool_free(LeasePool *pool) {
        if (!pool)
                return;
        g_queue_clear(&pool->free);
        g_hash_table_unref(pool->taken);
        g_free(pool->instance);
        g_free(pool);
}

static bool is_taken(const LeasePool *pool, uint32_t number) {
        return g_hash_table_contains(pool->taken, GUINT_TO_POINTER(number));
}

static bool pool_next(LeasePool *pool, uint32_t *ret) {
        while (pool->next < pool->size) {
                *ret = pool->next++;
                if (!is_taken(pool, *ret))
                        return true;
        }
        while (!g_queue_is_empty(&pool->free)) {
                *ret = GPOINTER_TO_UINT(g_queue_pop_head(&pool->free));
                if (!is_taken(pool, *ret))
                        return true;
        }
        return false;
}

static void fill_nets(const LeasePool *pool, Lease *lease) {
        for (LeaseFamily family = 0; family < _LEASE_FAMILY_MAX; family++) {
                const LeaseRange *range = &pool->ranges[family];
                LeaseNet *net = &lease->nets[family];

                if (!range->is_set)
                        continue;
                net->prefix = range->prefix;
                net->address = lease_range_pick(family, range, N_RESERVED + lease->number);
                net->gateway = lease_range_pick(family, range, 1);
                if (pool->has_resolver)
                        net->resolver = net->gateway;
                else
                        net->resolver = pool->resolvers[family];
        }
}

/* 02: of one station, given locally. Where two instances are on one bridge, the id keeps them apart. */
static void fill_mac(const LeasePool *pool, Lease *lease) {
        uint16_t id = (uint16_t) g_ascii_strtoull(pool->instance, NULL, 16);
        const uint8_t mac[] = { 0x02,
                                'b',
                                (uint8_t) (id >> 8),
                                (uint8_t) id,
                                (uint8_t) (lease->number >> 8),
                                (uint8_t) lease->number };

        memcpy(lease->mac, mac, sizeof(mac));
}

int lease_pool_take(LeasePool *pool, Lease *ret, Error *error) {
        Lease lease = { .firewall = pool->firewall };

        if (pool->size == 0)
                return error_setf(error, ERROR_UNSUPPORTED,
                                  "There are no addresses for sandboxes (IPv4=no and IPv6=no in [Network])");
        if (!pool_next(pool, &lease.number))
                return error_setf(error, ERROR_LIMIT_REACHED,
                                  "All %u addresses for sandboxes are in use (IPv4= and IPv6= in [Network])",
                                  pool->size);
        g_hash_table_add(pool->taken, GUINT_TO_POINTER(lease.number));
        fill_nets(pool, &lease);
        fill_mac(pool, &lease);
        (void) g_strlcpy(lease.bridge, pool->bridge, sizeof(lease.bridge));
        /* 2 + 8 + 1 + 4 characters; names of "" are shorter than any with an id, so that none is a part of
         * another. */
        (void) g_snprintf(lease.host_link, sizeof(lease.host_link), "bh%.8s-%x", pool->instance,
                          (uint16_t) lease.number);
        *ret = lease;
        return 0;
}

int lease_pool_reserve(LeasePool *pool, const Lease *lease, Error *error) {
        if (lease->number >= LEASES_MAX || is_taken(pool, lease->number))
                return error_setf(error, ERROR_BAD_STATE, "Lease %u of link '%s' is somebody else's",
                                  lease->number, lease->host_link);
        g_hash_table_add(pool->taken, GUINT_TO_POINTER(lease->number));
        return 0;
}

/* A number from before that the pool of today does not reach is not given out again. */
void lease_pool_give_back(LeasePool *pool, uint32_t number) {
        if (!g_hash_table_remove(pool->taken, GUINT_TO_POINTER(number)))
                return;
        if (number < pool->next)
                g_queue_push_tail(&pool->free, GUINT_TO_POINTER(number));
}

uint32_t lease_pool_get_size(const LeasePool *pool) {
        return pool->size;
}

uint32_t lease_pool_count_taken(const LeasePool *pool) {
        return g_hash_table_size(pool->taken);
}

const char *lease_pool_get_bridge(const LeasePool *pool) {
        return pool->bridge;
}
