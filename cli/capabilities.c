/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * capabilities: what there is to ask for
 *
 * Asks the service, which has what it has loaded; where none is running, and with --root, reads the files.
 */
#include <glib.h>

#include "capabilities/capability.h"
#include "cli/bus.h"
#include "cli/files.h"
#include "cli/options.h"
#include "cli/output.h"

/* ---- one ---- */

static json_t *strings_to_json(char *const *strings) {
        json_t *array = json_array();

        for (; *strings; strings++)
                json_array_append_new(array, json_string(*strings));
        return array;
}

static json_t *describe_by_files(const Store *store, const char *name) {
        char *names[] = { (char *) name, NULL };
        const Capability *capability = store_find_capability(store, name);
        g_autoptr(GPtrArray) resolved = NULL;
        g_auto(Error) error = ERROR_NULL;

        if (store_resolve(store, names, &resolved, &error) < 0) {
                output_error("%s", error.message);
                return NULL;
        }
        return json_pack("{s:s, s:o, s:o, s:s}", "description", capability_get_description(capability),
                         "files", strings_to_json(capability_get_files(capability)), "gateways",
                         strings_to_json(capability_get_gateways(capability)), "risk",
                         capability_get_risk(capability));
}

static json_t *describe_by_service(Cli *cli, const char *name) {
        g_autoptr(sd_bus_message)
                call = bus_new_call(cli, BUS_PATH, BUS_MANAGER_INTERFACE, "DescribeCapability");
        json_t *answer = NULL;

        if (sd_bus_message_append(call, "s", name) < 0) {
                output_error("'%s' cannot be the name of a capability", name);
                return NULL;
        }
        return bus_call(cli, call, &answer) < 0 ? NULL : answer;
}

static void print_one(const Cli *cli, json_t *answer) {
        static const char *const titles[] = { "KEY", "VALUE", NULL };
        g_autoptr(Table) table = table_new(titles);
        json_t *value, *element;
        const char *key;
        size_t i;

        if (cli->json) {
                output_json(json_incref(answer), stdout);
                return;
        }
        json_object_foreach(answer, key, value) {
                if (json_is_string(value))
                        table_add(table, (const char *const[]){ key, json_string_value(value) });
                json_array_foreach(value, i, element)
                        table_add(table, (const char *const[]){ key, json_string_value(element) });
        }
        table_print(table, stdout, false);
}

/* ---- all: rows of name, description, default, as ListCapabilities has them ---- */

static json_t *list_by_files(const Store *store) {
        const GPtrArray *capabilities = store_get_capabilities(store);
        json_t *rows = json_array();

        for (guint i = 0; i < capabilities->len; i++) {
                const Capability *capability = capabilities->pdata[i];

                json_array_append_new(rows, json_pack("[s, s, b]", capability_get_name(capability),
                                                      capability_get_description(capability),
                                                      (int) capability_is_default(capability)));
        }
        return rows;
}

static void print_all(const Cli *cli, json_t *capabilities) {
        static const char *const titles[] = { "NAME", "DEFAULT", "DESCRIPTION", NULL };
        g_autoptr(Table) table = table_new(titles);
        json_t *objects = json_array(), *row;
        size_t i;

        json_array_foreach(capabilities, i, row) {
                const char *name = json_string_value(json_array_get(row, 0));
                const char *description = json_string_value(json_array_get(row, 1));
                bool is_default = json_is_true(json_array_get(row, 2));

                json_array_append_new(objects, json_pack("{s:s, s:s, s:b}", "name", name ?: "", "description",
                                                         description ?: "", "default", (int) is_default));
                table_add(table, (const char *const[]){ name, is_default ? "yes" : "no", description });
        }
        if (cli->json)
                output_json(json_incref(objects), stdout);
        else if (json_array_size(objects) == 0 && !cli->quiet)
                puts("No capabilities: there is no manifest.");
        else
                table_print(table, stdout, !cli->quiet);
        json_decref(objects);
}

int verb_capabilities(Cli *cli, int argc, char **argv) {
        g_autoptr(Store) store = NULL;
        json_t *answer;
        int status;

        if (options_only_global(cli, argc, argv, 0, 1, &status) != 0)
                return status;
        if (cli->root || !bus_has_service(cli)) {
                if (!cli->root && !cli->quiet)
                        output_error("No service on the bus '%s'; this is what the files say", cli->address);
                store = files_load(cli);
                if (!store)
                        return EXIT_FAILURE;
        }
        if (optind < argc)
                answer = store ? describe_by_files(store, argv[optind])
                               : describe_by_service(cli, argv[optind]);
        else
                answer = store ? list_by_files(store) : bus_ask_manager(cli, "ListCapabilities");
        if (!answer)
                return EXIT_FAILURE;
        if (optind < argc)
                print_one(cli, answer);
        else
                print_all(cli, answer);
        json_decref(answer);
        return EXIT_SUCCESS;
}
