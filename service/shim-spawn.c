/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "service/shim-spawn.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <unistd.h>

#define SHIM_FD 3 /* where a shim finds its socket */

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
        posix_spawn_file_actions_t actions;
        posix_spawnattr_t attributes;
        sigset_t none, all;
        int r;

        (void) sigemptyset(&none);
        (void) sigfillset(&all);
        (void) posix_spawn_file_actions_init(&actions);
        (void) posix_spawnattr_init(&attributes);
        /* A session of its own: a Ctrl-C meant for us is not meant for it. */
        (void) posix_spawnattr_setflags(&attributes,
                                        POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID);
        (void) posix_spawnattr_setsigmask(&attributes, &none);
        (void) posix_spawnattr_setsigdefault(&attributes, &all);
        r = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
        if (r == 0)
                r = posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
        if (r == 0)
                r = posix_spawn_file_actions_adddup2(&actions, fd, SHIM_FD);
        if (r == 0)
                r = posix_spawn_file_actions_addclosefrom_np(&actions, SHIM_FD + 1);
        if (r == 0)
                r = posix_spawn(ret, program, &actions, &attributes, (char **) argv,
                                shim_environment(environment));
        (void) posix_spawn_file_actions_destroy(&actions);
        (void) posix_spawnattr_destroy(&attributes);
        if (r != 0)
                return error_set_errnof(error, r, "Cannot start '%s'", program);
        return 0;
}
