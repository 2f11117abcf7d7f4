/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Names of sandboxes
 *
 * [A-Za-z0-9][A-Za-z0-9_.-]{0,63}, unique per owner. Its owner calls a sandbox "name"; root, who sees those
 * of everybody, calls the ones of others "uid:name". Only here it is known how a name looks to whom.
 */
#include <stdbool.h>
#include <sys/types.h>

#include "util/error.h"

bool sandbox_name_is_valid(const char *name);

/* As @viewer writes it; caller frees. */
char *sandbox_name_format(uid_t viewer, uid_t owner, const char *name);

/* What @viewer wrote, taken apart; caller frees *ret_name. ERROR_INVALID_NAME for anything that is no name;
 * a "uid:" in front is one only for root. */
int sandbox_name_parse(uid_t viewer, const char *text, uid_t *ret_owner, char **ret_name, Error *error);
