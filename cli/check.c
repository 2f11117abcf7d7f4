/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * check: what is wrong in manifests, templates and settings
 */
#include <glib.h>

#include "capabilities/check.h"
#include "cli/files.h"
#include "cli/options.h"
#include "cli/output.h"
#include "config.h"

#define SARIF_SCHEMA "https://json.schemastore.org/sarif-2.1.0.json"

static const char *finding_get_severity(const Finding *finding) {
        return finding->is_error ? "error" : "warning";
}

/* ---- for people ---- */

static void print_finding(const Finding *finding) {
        g_autofree char *line = NULL, *escaped = NULL;
        Finding marked = *finding;
        g_autofree char *text = g_strconcat("warning: ", finding->text, NULL);

        if (!finding->is_error)
                marked.text = text;
        line = finding_format(&marked);
        escaped = output_escape(line);
        puts(escaped);
}

static void print_text(const Cli *cli, const Check *check) {
        guint n_errors = findings_count_errors(check->findings);
        g_autofree char *files = files_count(check->n_files, "file"),
                        *errors = files_count(n_errors, "error");
        g_autofree char *warnings = files_count(check->findings->len - n_errors, "warning");

        for (guint i = 0; i < check->findings->len; i++)
                print_finding(check->findings->pdata[i]);
        if (!cli->quiet)
                printf("%s: %s, %s\n", files, errors, warnings);
}

/* ---- for programs ---- */

static json_t *finding_to_json(const Finding *finding) {
        return json_pack("{s:s, s:s, s:i, s:i, s:s, s:s}", "severity", finding_get_severity(finding), "file",
                         finding->file, "line", (int) finding->line, "column", (int) finding->column, "path",
                         finding->path, "text", finding->text);
}

static json_t *check_to_json(const Check *check) {
        guint n_errors = findings_count_errors(check->findings);
        json_t *findings = json_array();

        for (guint i = 0; i < check->findings->len; i++)
                json_array_append_new(findings, finding_to_json(check->findings->pdata[i]));
        return json_pack("{s:i, s:i, s:i, s:o}", "files", (int) check->n_files, "errors", (int) n_errors,
                         "warnings", (int) (check->findings->len - n_errors), "findings", findings);
}

/* ---- SARIF 2.1.0 (OASIS), what review tools read ---- */

static const struct {
        const char *id, *text;
} sarif_rules[] = {
        { "manifest", "A manifest says exactly what it opens" },
        { "configuration", "A template or a file of settings has only keys and values that are known" },
};

static json_t *finding_to_sarif(const Finding *finding) {
        g_autofree char *escaped = g_uri_escape_string(finding->file, "/", FALSE);
        g_autofree char *uri = g_strconcat(finding->file[0] == '/' ? "file://" : "", escaped, NULL);
        int rule = g_str_has_suffix(finding->file, ".conf") ? 1 : 0;
        json_t *physical = json_pack("{s:{s:s}}", "artifactLocation", "uri", uri);
        json_t *location;

        if (finding->line > 0)
                json_object_set_new(physical, "region",
                                    finding->column > 0
                                            ? json_pack("{s:i, s:i}", "startLine", (int) finding->line,
                                                        "startColumn", (int) finding->column)
                                            : json_pack("{s:i}", "startLine", (int) finding->line));
        location = json_pack("{s:o}", "physicalLocation", physical);
        if (*finding->path)
                json_object_set_new(location, "logicalLocations",
                                    json_pack("[{s:s}]", "fullyQualifiedName", finding->path));
        return json_pack("{s:s, s:i, s:s, s:{s:s}, s:[o]}", "ruleId", sarif_rules[rule].id, "ruleIndex", rule,
                         "level", finding_get_severity(finding), "message", "text", finding->text,
                         "locations", location);
}

static json_t *check_to_sarif(const Check *check) {
        json_t *results = json_array(), *rules = json_array();

        for (size_t i = 0; i < G_N_ELEMENTS(sarif_rules); i++)
                json_array_append_new(rules, json_pack("{s:s, s:{s:s}}", "id", sarif_rules[i].id,
                                                       "shortDescription", "text", sarif_rules[i].text));
        for (guint i = 0; i < check->findings->len; i++)
                json_array_append_new(results, finding_to_sarif(check->findings->pdata[i]));
        return json_pack("{s:s, s:s, s:[{s:{s:{s:s, s:s, s:o}}, s:s, s:o}]}", "$schema", SARIF_SCHEMA,
                         "version", "2.1.0", "runs", "tool", "driver", "name", "bulkhead", "version",
                         BULKHEAD_VERSION, "rules", rules, "columnKind", "unicodeCodePoints", "results",
                         results);
}

/* ---- the verb ---- */

static int check_instance(const Cli *cli, Check *check) {
        g_autoptr(Places) places = NULL;
        g_auto(Error) error = ERROR_NULL;
        int r;

        r = places_new(cli->root, &places, &error);
        if (r < 0)
                output_error("%s", error.message);
        else
                check_add_places(check, places);
        return r;
}

int verb_check(Cli *cli, int argc, char **argv) {
        static const struct option own[] = { { "sarif", no_argument, NULL, 's' }, {} };
        g_autoptr(Check) check = check_new();
        bool is_sarif = false;
        int c;

        options_begin();
        while ((c = options_next(cli, argc, argv, "", own)) != OPTIONS_END) {
                if (c == OPTIONS_HELP) {
                        options_print_help(cli->verb);
                        return EXIT_SUCCESS;
                }
                if (c != 's')
                        return EXIT_USAGE;
                is_sarif = true;
        }
        if (optind < argc && cli->root)
                return options_usage(cli, "Name files and folders, or --root DIR, not both");
        if (optind == argc && check_instance(cli, check) < 0)
                return EXIT_FAILURE;
        for (int i = optind; i < argc; i++)
                check_add_path(check, argv[i]);

        if (is_sarif)
                output_json(check_to_sarif(check), stdout);
        else if (cli->json)
                output_json(check_to_json(check), stdout);
        else
                print_text(cli, check);
        return findings_count_errors(check->findings) > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
