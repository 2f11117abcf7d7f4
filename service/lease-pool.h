/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Lease pool: addresses and names of links, none of them twice alive
 *
 * Bookkeeping only. A number stands for one address of each family, a hardware address and a link's name. One
 * given back is the last to be given out again, so that packets and connections that are still under way for
 * who had it before do not soon find somebody else.
 */
#include "capabilities/settings.h"
#include "plan/lease.h"

typedef struct LeasePool LeasePool;

/* @instance: "" or 8 hex digits. @settings: what [Network] says; not kept. */
LeasePool *lease_pool_new(const char *instance, const Settings *settings);
void lease_pool_free(LeasePool *pool);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LeasePool, lease_pool_free)

/* ERROR_LIMIT_REACHED when every address of a family is taken; ERROR_UNSUPPORTED when there is none at all. */
int lease_pool_take(LeasePool *pool, Lease *ret, Error *error);
/* One that a sandbox has since before we were started, out of whatever settings: nobody else gets its number.
 * ERROR_BAD_STATE if somebody has. */
int lease_pool_reserve(LeasePool *pool, const Lease *lease, Error *error);
void lease_pool_give_back(LeasePool *pool, uint32_t number);
/* How many can be taken at once. */
uint32_t lease_pool_get_size(const LeasePool *pool);
uint32_t lease_pool_count_taken(const LeasePool *pool);
/* Name of the bridge: what the settings say, or one of the instance's own. */
const char *lease_pool_get_bridge(const LeasePool *pool);
