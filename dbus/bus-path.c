/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "dbus/bus-path.h"

#include <stdlib.h>
#include <string.h>
#include <systemd/sd-bus.h>

#include "service/sandbox-name.h"

#define PROCESS_PART "/process/"

char *bus_path_sandbox(uid_t viewer, uid_t owner, const char *name) {
        g_autofree char *shown = sandbox_name_format(viewer, owner, name);
        char *path = NULL;
        int r = sd_bus_path_encode(BUS_PATH_SANDBOXES, shown, &path);

        g_assert(r >= 0); /* can only be out of memory */

        char *copy = g_strdup(path);

        free(path);
        return copy;
}

char *bus_path_process(uid_t viewer, uid_t owner, const char *name, uint32_t number) {
        g_autofree char *sandbox = bus_path_sandbox(viewer, owner, name);

        return g_strdup_printf("%s" PROCESS_PART "%u", sandbox, number);
}

int bus_path_parse(uid_t viewer, const char *path, uid_t *ret_owner, char **ret_name, uint32_t *ret_number) {
        const char *prefix = BUS_PATH_SANDBOXES "/";
        g_autofree char *sandbox = g_strdup(path);
        g_autofree char *canonical = NULL;
        g_autofree char *name = NULL;
        char *shown = NULL;
        guint64 number = 0;
        uid_t owner;
        int r;

        if (!g_str_has_prefix(path, prefix))
                return 0;

        char *slash = strchr(sandbox + strlen(prefix), '/');

        if (slash) {
                if (!g_str_has_prefix(slash, PROCESS_PART) ||
                    !g_ascii_string_to_unsigned(slash + strlen(PROCESS_PART), 10, 1, UINT32_MAX, &number,
                                                NULL))
                        return 0;
                *slash = '\0';
        }
        if (sd_bus_path_decode(sandbox, BUS_PATH_SANDBOXES, &shown) <= 0)
                return 0;
        r = sandbox_name_parse(viewer, shown, &owner, &name, NULL);
        free(shown);
        if (r < 0)
                return 0;

        /* One object, one path: not "0:maps" for root's own, not "007" for a number, no escape that need not
         * be. */
        canonical = number > 0 ? bus_path_process(viewer, owner, name, (uint32_t) number)
                               : bus_path_sandbox(viewer, owner, name);
        if (strcmp(canonical, path) != 0)
                return 0;
        *ret_owner = owner;
        *ret_name = g_steal_pointer(&name);
        *ret_number = (uint32_t) number;
        return 1;
}
