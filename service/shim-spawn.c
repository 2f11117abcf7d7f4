/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "service/shim-spawn.h"

#include "util/spawn.h"

/* An environment of what a shim needs and nothing of ours besides. Caller frees the array only. */
static char **shim_environment(GPtrArray *strings) {
        static const char *const names[] = { "BULKHEAD_HELPERS", "BULKHEAD_LOG_LEVEL", "DBUS_SYSTEM_BUS_ADDRESS" };

        g_ptr_array_add(strings, g_strdup("PATH=/usr/sbin:/usr/bin:/sbin:/bin"));
        for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
                if (g_getenv(names[i]))
                        g_ptr_array_add(strings, g_strdup_printf("%s=%s", names[i], g_getenv(names[i])));
        g_ptr_array_add(strings, NULL);
        return (char **) strings->pdata;
}

int shim_spawn(const Places *places, const ShimSeat *seat, int fd, pid_t *ret, Error *error) {
        g_autofree char *program = g_build_filename(places->helper_folder, "bulkhead-shim", NULL);
        g_autofree char *runtime = g_build_filename(places->sandboxes_folder, seat->name, NULL);
        g_autoptr(GPtrArray) environment = g_ptr_array_new_with_free_func(g_free);
        g_autofree char *ids = g_strdup_printf("%u", seat->id_base);
        const char *argv[] = { program,     "--instance", places->instance, "--cgroup", seat->cgroup,
                               "--runtime", runtime,      "--ids",          ids,        NULL };

        return spawn_program(argv, (const char *const *) shim_environment(environment), fd, ret, error);
}
