/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Pool: spare shims, started and waiting for a template
 */
#include <stdbool.h>

#include "service/shim-client.h"

typedef struct Pool Pool;

/* Keeps @n_spare shims. @host is not owned. @drained is called after pool_drain() when the last one has
 * ended. */
Pool *pool_new(ShimHost *host, unsigned n_spare, void (*drained)(void *userdata), void *userdata);
void pool_free(Pool *pool);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Pool, pool_free)

/* A spare shim, the caller's from now on; NULL if there is none. */
ShimClient *pool_take(Pool *pool, const ShimClientEvents *events, void *userdata);
/* Starts what is missing when the loop has nothing better to do. */
void pool_refill(Pool *pool);
/* Stops all spares for good. */
void pool_drain(Pool *pool);
unsigned pool_get_size(const Pool *pool); /* that can be taken */
bool pool_is_empty(const Pool *pool);     /* not even one that is still ending */
