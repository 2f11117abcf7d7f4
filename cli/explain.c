/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * explain: what capabilities open, item by item, and who says so
 */
#include <glib.h>
#include <string.h>

#include "cli/files.h"
#include "cli/options.h"
#include "cli/output.h"
#include "plan/plan.h"

#define OPENS_WIDTH_MAX 48

/* The id in manifests of the gateway that an item is of. */
static const char *item_get_gateway(const PlanItem *item) {
        switch (item->kind) {
        case PLAN_BIND:
                return "file";
        case PLAN_ENV:
                return "env";
        case PLAN_DEVICE:
                return "devicenode";
        case PLAN_LIMIT:
                return "cgroups";
        case PLAN_RULE:
        case PLAN_LINK:
                return "network";
        case PLAN_BUS_RULE:
        case PLAN_BUS:
                return "dbus";
        case PLAN_SOCKET:
                return plan_socket_to_string(item->socket.server);
        case _PLAN_KIND_MAX:
        case _PLAN_KIND_INVALID:
        default:
                g_assert_not_reached();
        }
}

/* ---- for people ---- */

/* "capability (file:line,line), ..." */
static char *format_origins(const PlanItem *item) {
        const PlanOrigin *before = NULL;
        GString *text = g_string_new(NULL);

        for (guint i = 0; i < item->origins->len; i++) {
                const PlanOrigin *origin = item->origins->pdata[i];

                if (before && g_str_equal(before->capability, origin->capability) &&
                    g_strcmp0(before->file, origin->file) == 0)
                        g_string_append_printf(text, ",%u", origin->line);
                else
                        g_string_append_printf(text, "%s%s (%s:%u", before ? "), " : "", origin->capability,
                                               origin->file ?: "", origin->line);
                before = origin;
        }
        g_string_append_c(text, ')');
        return g_string_free(text, FALSE);
}

static void print_text(const Cli *cli, const Plan *plan) {
        static const char *const titles[] = { "GATEWAY", "OPENS", "AS", "HOW", "ASKED FOR BY", NULL };
        g_autoptr(Table) table = table_new(titles);

        table_set_width_max(table, 1, OPENS_WIDTH_MAX); /* rules are sentences */
        for (guint i = 0; i < plan_get_size(plan); i++) {
                const PlanItem *item = plan_get_item(plan, i);
                g_autofree char *value = NULL, *how = NULL, *origins = format_origins(item);

                plan_item_format(item, &value, &how);
                table_add(table,
                          (const char *const[]){ item_get_gateway(item), item->key, value, how, origins });
        }
        if (plan_get_size(plan) > 0)
                table_print(table, stdout, !cli->quiet);
        else if (!cli->quiet)
                puts("Nothing is opened.");
}

/* ---- for dot(1) ---- */

/* A quoted string of the DOT language, which has backslash escapes of its own in labels. */
static char *dot_quote(const char *text) {
        g_autofree char *escaped = output_escape(text);
        GString *quoted = g_string_new("\"");

        for (const char *p = escaped; *p; p++) {
                if (*p == '"' || *p == '\\')
                        g_string_append_c(quoted, '\\');
                g_string_append_c(quoted, *p);
        }
        g_string_append_c(quoted, '"');
        return g_string_free(quoted, FALSE);
}

/* Prints a line unless it was printed before; takes it. */
static void dot_line(GHashTable *printed, char *line) {
        if (g_hash_table_add(printed, line))
                puts(line);
}

static void dot_item(GHashTable *printed, const PlanItem *item, const PlanOrigin *origin) {
        const char *gateway = item_get_gateway(item);
        g_autofree char *gateway_name = g_strdup_printf("%s/%s", origin->capability, gateway);
        g_autofree char *capability_id = dot_quote(origin->capability), *gateway_id = dot_quote(gateway_name);
        g_autofree char *value = NULL, *how = NULL, *label = NULL, *node = NULL;

        plan_item_format(item, &value, &how);
        label = g_strjoin(" ", item->key, value, *how ? how : NULL, NULL);
        node = dot_quote(label);

        dot_line(printed, g_strdup_printf("  %s [shape=folder];", capability_id));
        dot_line(printed, g_strdup_printf("  %s [label=\"%s\", shape=ellipse];", gateway_id, gateway));
        dot_line(printed, g_strdup_printf("  %s [shape=box];", node));
        dot_line(printed, g_strdup_printf("  %s -> %s;", capability_id, gateway_id));
        dot_line(printed, g_strdup_printf("  %s -> %s;", gateway_id, node));
}

static void print_dot(const Plan *plan) {
        g_autoptr(GHashTable) printed = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

        puts("digraph capabilities {\n  rankdir=LR;");
        for (guint i = 0; i < plan_get_size(plan); i++) {
                const PlanItem *item = plan_get_item(plan, i);

                for (guint j = 0; j < item->origins->len; j++)
                        dot_item(printed, item, item->origins->pdata[j]);
        }
        puts("}");
}

/* ---- the verb ---- */

int verb_explain(Cli *cli, int argc, char **argv) {
        static const struct option own[] = { { "dot", no_argument, NULL, 'd' }, {} };
        g_auto(Error) error = ERROR_NULL;
        g_autofree char *json = NULL;
        g_autoptr(Store) store = NULL;
        g_autoptr(Plan) plan = NULL;
        bool is_dot = false;
        int c;

        options_begin();
        while ((c = options_next(cli, argc, argv, "", own)) != OPTIONS_END) {
                if (c == OPTIONS_HELP) {
                        options_print_help(cli->verb);
                        return EXIT_SUCCESS;
                }
                if (c != 'd')
                        return EXIT_USAGE;
                is_dot = true;
        }
        if (optind == argc)
                return options_usage(cli, "Name a capability");
        store = files_load(cli);
        if (!store)
                return EXIT_FAILURE;
        if (store_plan(store, argv + optind, &plan, &error) < 0) {
                g_autofree char *text = error_format(&error);

                output_error("%s", text);
                return EXIT_FAILURE;
        }

        if (is_dot)
                print_dot(plan);
        else if (cli->json) {
                json = plan_print_json(plan); /* the very text that Explain has on the bus */
                puts(json);
        } else
                print_text(cli, plan);
        return EXIT_SUCCESS;
}
