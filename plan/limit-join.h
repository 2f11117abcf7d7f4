/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Limits of one sandbox, put together for the version of control groups that its host has
 *
 * Some settings of one version are a part of another's: cpu.quota and cpu.period are cpu.max, and what v1 limits as
 * memory and swap together v2 limits as swap alone. What becomes of one depends on the others, so all are
 * translated together. Pure, as limit-table.h.
 */
#include "plan/limit-table.h"

/* A limit that the version has a file for: limit_to_files() takes it. */
typedef struct LimitJoined {
        char *key;       /* owned; canonical */
        char *asked;     /* owned; the key that it comes from, to say who asked */
        LimitValue value; /* owned */
} LimitJoined;

/* Array of LimitJoined, which frees its elements. */
GArray *limits_joined_new(void);

/*
 * @limits: canonical key -> LimitValue. @memory_max: what the template limits memory to, LIMIT_UNLIMITED if it does
 * not. Rules:
 *   - cpu.max, cpu.quota and cpu.period become cpu.max, of two quotas the wider; no period is 100 ms;
 *   - memory.total.max limits memory.max too, the template's as well; on v2 the rest of it is memory.swap.max;
 *   - memory.swap.max needs a limit of memory on v1, where it becomes memory.total.max: ERROR_UNSUPPORTED without;
 *   - rates that io.max does not say are unlimited.
 * ERROR_UNSUPPORTED for a setting that the version has nothing for; *ret_asked is its key then, one of @limits.
 */
int limits_join(GHashTable *limits, uint64_t memory_max, CgroupVersion version, GArray *joined,
                const char **ret_asked, Error *error);
