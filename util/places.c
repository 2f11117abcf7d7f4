/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "util/places.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config.h"

#define INSTANCE_SIZE 8 /* hex digits: short enough for IFNAMSIZ with a prefix and a number */

/* One of the three levels of each kind, in rising order. */
static void fill_level(Places *places, size_t level, const char *folder) {
        places->manifest_folders[level] = g_build_filename(folder, "manifests.d", NULL);
        places->default_folders[level] = g_build_filename(folder, "manifests.default.d", NULL);
        places->template_folders[level] = g_build_filename(folder, "templates.d", NULL);
}

/* The same root gives the same instance however it was spelt, since @root is canonical. */
static char *derive_instance(const char *root) {
        g_autofree char *digest = g_compute_checksum_for_string(G_CHECKSUM_SHA256, root, -1);

        return g_strndup(digest, INSTANCE_SIZE);
}

static int resolve_root(const char *root, char **ret, Error *error) {
        char *resolved = realpath(root, NULL);
        struct stat st;

        if (!resolved)
                return error_set_errnof(error, errno, "Cannot use '%s' as the root", root);
        if (stat(resolved, &st) < 0 || !S_ISDIR(st.st_mode)) {
                free(resolved);
                return error_set_errnof(error, ENOTDIR, "Cannot use '%s' as the root", root);
        }
        *ret = g_strdup(resolved);
        free(resolved);
        return 0;
}

int places_new(const char *root, Places **ret, Error *error) {
        g_autoptr(Places) places = g_new0(Places, 1);
        g_autofree char *share = NULL, *etc = NULL;
        const char *helpers;
        bool is_system;
        int r;

        r = resolve_root(root ?: "/", &places->root, error);
        if (r < 0)
                return r;
        is_system = strcmp(places->root, "/") == 0;
        places->instance = is_system ? g_strdup("") : derive_instance(places->root);
        places->cgroup_parent = is_system ? g_strdup("bulkhead")
                                          : g_strconcat("bulkhead-", places->instance, NULL);

        share = g_build_filename(places->root, BULKHEAD_SHARE_DIR, NULL);
        etc = g_build_filename(places->root, BULKHEAD_ETC_DIR, NULL);
        places->runtime_folder = g_build_filename(places->root, BULKHEAD_RUNTIME_DIR, NULL);
        places->state_folder = g_build_filename(places->root, BULKHEAD_STATE_DIR, NULL);
        places->sandboxes_folder = g_build_filename(places->runtime_folder, "sandboxes", NULL);
        places->config_file = g_build_filename(etc, "bulkhead.conf", NULL);
        places->config_folder = g_build_filename(etc, "bulkhead.conf.d", NULL);
        fill_level(places, 0, share);
        fill_level(places, 1, etc);
        fill_level(places, 2, places->runtime_folder);

        /* secure_getenv(3): a set-id program must not run what its caller names */
        helpers = secure_getenv("BULKHEAD_HELPERS");
        if (helpers && *helpers && *helpers != '/')
                return error_setf(error, ERROR_INVALID_ARGS, "BULKHEAD_HELPERS '%s' is not an absolute path",
                                  helpers);
        places->helper_folder = g_strdup(helpers && *helpers ? helpers : BULKHEAD_HELPER_DIR);
        *ret = g_steal_pointer(&places);
        return 0;
}

void places_free(Places *places) {
        if (!places)
                return;
        g_free(places->root);
        g_free(places->instance);
        g_free(places->config_file);
        g_free(places->config_folder);
        for (size_t i = 0; i < G_N_ELEMENTS(places->manifest_folders); i++) {
                g_free(places->manifest_folders[i]);
                g_free(places->default_folders[i]);
                g_free(places->template_folders[i]);
        }
        g_free(places->runtime_folder);
        g_free(places->sandboxes_folder);
        g_free(places->state_folder);
        g_free(places->helper_folder);
        g_free(places->cgroup_parent);
        g_free(places);
}
