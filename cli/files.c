/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/files.h"

#include "cli/output.h"
#include "util/places.h"

char *files_count(guint n, const char *noun) {
        return g_strdup_printf("%u %s%s", n, noun, n == 1 ? "" : "s");
}

Store *files_load(const Cli *cli) {
        g_autoptr(Places) places = NULL;
        g_auto(Error) error = ERROR_NULL;
        Store *store;
        guint n;

        if (places_new(cli->root, &places, &error) < 0) {
                output_error("%s", error.message);
                return NULL;
        }
        store = store_load(places);
        n = findings_count_errors(store_get_findings(store));
        if (n > 0 && !cli->quiet) {
                g_autofree char *count = files_count(n, "error");

                output_error("The manifests and templates have %s; 'bulkhead check' says which", count);
        }
        return store;
}
