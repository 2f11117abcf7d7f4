/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Who owns which name of the bus
 *
 * Messages carry unique names, rules speak of well-known ones.
 */
#include <glib.h>

typedef struct NameMap NameMap;

NameMap *name_map_new(void);
void name_map_free(NameMap *map);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(NameMap, name_map_free)

/* @owner NULL or "": nobody any more. -ENOSPC above BUS_PROXY_NAMES_MAX; the name then has no owner. */
int name_map_set(NameMap *map, const char *name, const char *owner);

/* What the owner of a unique name owns, of const char *; NULL if it is nothing. Valid until the next change.
 */
const GPtrArray *name_map_get_names(const NameMap *map, const char *unique);
