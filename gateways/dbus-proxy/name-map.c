/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gateways/dbus-proxy/name-map.h"

#include <errno.h>

#include "util/limits.h"

struct NameMap {
        GHashTable *owners; /* owned name -> owned unique name */
        GHashTable *names;  /* owned unique name -> owned GPtrArray of owned char * */
};

NameMap *name_map_new(void) {
        NameMap *map = g_new0(NameMap, 1);

        map->owners = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
        map->names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
                                           (GDestroyNotify) g_ptr_array_unref);
        return map;
}

void name_map_free(NameMap *map) {
        if (!map)
                return;
        g_hash_table_unref(map->owners);
        g_hash_table_unref(map->names);
        g_free(map);
}

static void forget(NameMap *map, const char *name) {
        const char *owner = g_hash_table_lookup(map->owners, name);
        GPtrArray *names = owner ? g_hash_table_lookup(map->names, owner) : NULL;
        guint i;

        if (names && g_ptr_array_find_with_equal_func(names, name, g_str_equal, &i))
                g_ptr_array_remove_index_fast(names, i);
        if (names && names->len == 0)
                g_hash_table_remove(map->names, owner);
        g_hash_table_remove(map->owners, name);
}

int name_map_set(NameMap *map, const char *name, const char *owner) {
        GPtrArray *names;

        forget(map, name);
        if (!owner || owner[0] == '\0')
                return 0;
        if (g_hash_table_size(map->owners) >= BUS_PROXY_NAMES_MAX)
                return -ENOSPC;
        names = g_hash_table_lookup(map->names, owner);
        if (!names) {
                names = g_ptr_array_new_with_free_func(g_free);
                g_hash_table_insert(map->names, g_strdup(owner), names);
        }
        g_ptr_array_add(names, g_strdup(name));
        g_hash_table_insert(map->owners, g_strdup(name), g_strdup(owner));
        return 0;
}

const GPtrArray *name_map_get_names(const NameMap *map, const char *unique) {
        return g_hash_table_lookup(map->names, unique);
}
