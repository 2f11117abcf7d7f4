/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * diff: what two folders of manifests open differently
 */
#include <glib.h>
#include <sys/stat.h>

#include "capabilities/diff.h"
#include "cli/files.h"
#include "cli/options.h"
#include "cli/output.h"
#include "util/places.h"

#define WHAT_WIDTH_MAX 48

/* A file, a folder of manifests, or the root of an image; NULL after a failure that was said. Both sides have
 * to be without errors: what an error takes out would look as if it were narrower. */
static Store *side_load(const char *path) {
        g_autofree char *usr = g_build_filename(path, "usr/share/bulkhead", NULL);
        g_autofree char *etc = g_build_filename(path, "etc/bulkhead", NULL);
        bool is_image = g_file_test(usr, G_FILE_TEST_IS_DIR) || g_file_test(etc, G_FILE_TEST_IS_DIR);
        g_autoptr(Places) places = NULL;
        g_autoptr(Store) store = NULL;
        g_auto(Error) error = ERROR_NULL;
        const GPtrArray *findings;

        if (is_image && places_new(path, &places, &error) < 0) {
                output_error("%s", error.message);
                return NULL;
        }
        if (is_image)
                store = store_load(places);
        else
                store = g_file_test(path, G_FILE_TEST_IS_REGULAR) ? store_load_file(path)
                                                                  : store_load_folder(path);

        findings = store_get_findings(store);
        for (guint i = 0; i < findings->len; i++) {
                const Finding *finding = findings->pdata[i];
                g_autofree char *text = finding_format(finding);

                if (finding->is_error)
                        output_error("%s", text);
        }
        return findings_count_errors(findings) > 0 ? NULL : g_steal_pointer(&store);
}

static Colour verdict_colour(const char *text) {
        if (g_str_equal(text, diff_verdict_to_string(DIFF_WIDENED)) ||
            g_str_equal(text, diff_verdict_to_string(DIFF_ADDED)))
                return COLOUR_RED;
        return g_str_equal(text, diff_verdict_to_string(DIFF_MOVED)) ? COLOUR_CYAN : COLOUR_GREEN;
}

static void print_text(const Cli *cli, const GPtrArray *changes) {
        static const char *const titles[] = { "CHANGE", "CAPABILITY", "KIND", "WHAT", "HOW", "WHERE", NULL };
        g_autoptr(Table) table = table_new(titles);

        table_set_colour(table, 0, verdict_colour);
        table_set_width_max(table, 3, WHAT_WIDTH_MAX);
        table_set_width_max(table, 4, WHAT_WIDTH_MAX);
        for (guint i = 0; i < changes->len; i++) {
                const DiffChange *change = changes->pdata[i];
                g_autofree char *where = change->line > 0
                                                 ? g_strdup_printf("%s:%u", change->file, change->line)
                                                 : g_strdup(change->file);

                table_add(table,
                          (const char *const[]){ diff_verdict_to_string(change->verdict), change->capability,
                                                 change->kind, change->key, change->text, where });
        }
        if (changes->len > 0)
                table_print(table, stdout, !cli->quiet);
        else if (!cli->quiet)
                puts("No difference.");
}

static json_t *changes_to_json(const GPtrArray *changes) {
        json_t *array = json_array();

        for (guint i = 0; i < changes->len; i++) {
                const DiffChange *change = changes->pdata[i];

                json_array_append_new(array, json_pack("{s:s, s:b, s:s, s:s?, s:s?, s:s, s:s, s:i}", "change",
                                                       diff_verdict_to_string(change->verdict), "widens",
                                                       (int) change->widens, "capability", change->capability,
                                                       "kind", change->kind, "key", change->key, "text",
                                                       change->text, "file", change->file, "line",
                                                       (int) change->line));
        }
        return json_pack("{s:b, s:o}", "widens", (int) diff_widens(changes), "changes", array);
}

int verb_diff(Cli *cli, int argc, char **argv) {
        g_autoptr(Store) old = NULL, new = NULL;
        g_autoptr(GPtrArray) changes = NULL;
        int status;

        if (options_only_global(cli, argc, argv, 2, 2, &status) != 0)
                return status;
        old = side_load(argv[optind]);
        new = side_load(argv[optind + 1]);
        if (!old || !new)
                return EXIT_FAILURE;
        changes = diff_stores(old, new);
        if (cli->json)
                output_json(changes_to_json(changes), stdout);
        else
                print_text(cli, changes);
        return diff_widens(changes) ? EXIT_FAILURE : EXIT_SUCCESS;
}
