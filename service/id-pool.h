/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Id pool: ranges of user and group ids for sandboxes, none of them twice alive
 *
 * A range given back is the last to be given out again, so that what an app left behind with its ids is not
 * soon somebody else's.
 */
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "util/error.h"
#include "util/limits.h"

typedef struct IdPool IdPool;

/* @count ids from @base on; what does not fill a whole range at the end is not used. */
IdPool *id_pool_new(uint32_t base, uint32_t count);
void id_pool_free(IdPool *pool);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(IdPool, id_pool_free)

/* *ret_first begins a range of ID_RANGE_COUNT ids. ERROR_LIMIT_REACHED when all are taken. */
int id_pool_take(IdPool *pool, uint32_t *ret_first, Error *error);
/* A range that a sandbox of an earlier service holds, whose settings may have been others: what it shares ids
 * with is not given out. ERROR_LIMIT_REACHED if part of it is taken. */
int id_pool_reserve(IdPool *pool, uint32_t first, Error *error);
void id_pool_give_back(IdPool *pool, uint32_t first);
