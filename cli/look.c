/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * list, status: verbs that only look
 */
#include <glib.h>
#include <string.h>
#include <time.h>

#include "cli/bus.h"
#include "cli/options.h"
#include "cli/output.h"

static const char *row_string(json_t *row, size_t i) {
        const char *text = json_string_value(json_array_get(row, i));

        return text ? text : "";
}

int verb_list(Cli *cli, int argc, char **argv) {
        static const char *const titles[] = { "NAME", "STATE", "PATH", NULL };
        g_autoptr(Table) table = NULL;
        json_t *sandboxes, *objects, *row;
        int status;
        size_t i;

        if (options_only_global(cli, argc, argv, 0, 0, &status) != 0)
                return status;
        if (bus_open(cli) < 0)
                return EXIT_FAILURE;
        sandboxes = bus_ask_manager(cli, "ListSandboxes");
        if (!sandboxes)
                return EXIT_FAILURE;

        objects = json_array();
        table = table_new(titles);
        table_set_colour(table, 1, output_state_colour);
        json_array_foreach(sandboxes, i, row) {
                const char *name = row_string(row, 0), *state = row_string(row, 1),
                           *path = row_string(row, 2);

                json_array_append_new(
                        objects, json_pack("{s:s, s:s, s:s}", "name", name, "state", state, "path", path));
                table_add(table, (const char *const[]){ name, state, path });
        }
        if (cli->json)
                output_json(json_incref(objects), stdout);
        else if (json_array_size(objects) == 0 && !cli->quiet)
                puts("No sandboxes.");
        else
                table_print(table, stdout, !cli->quiet);
        json_decref(objects);
        json_decref(sandboxes);
        return EXIT_SUCCESS;
}

/* How the value of a property reads best. */
typedef enum Unit {
        UNIT_PLAIN,
        UNIT_SIZE,
        UNIT_CPU_TIME, /* nanoseconds */
        UNIT_DATE,     /* microseconds since 1970 */
} Unit;

static const struct {
        const char *property;
        const char *title;
        Unit unit;
} status_rows[] = {
        { "Name", "Name", UNIT_PLAIN },
        { "State", "State", UNIT_PLAIN },
        { "StateReason", "Reason", UNIT_PLAIN },
        { "Template", "Template", UNIT_PLAIN },
        { "Owner", "Owner", UNIT_PLAIN },
        { "CreatedUSec", "Created", UNIT_DATE },
        { "Capabilities", "Capabilities", UNIT_PLAIN },
        { "Addresses", "Addresses", UNIT_PLAIN },
        { "Pending", "Pending", UNIT_PLAIN },
        { "Leader", "Leader", UNIT_PLAIN },
        { "ControlGroup", "Control group", UNIT_PLAIN },
        { "MemoryCurrent", "Memory", UNIT_SIZE },
        { "CPUUsageNSec", "CPU time", UNIT_CPU_TIME },
        { "TasksCurrent", "Tasks", UNIT_PLAIN },
        { "Labels", "Labels", UNIT_PLAIN },
};

static char *number_format(uint64_t number, Unit unit) {
        time_t seconds = (time_t) (number / G_USEC_PER_SEC);
        struct tm broken_down;
        char date[64];

        switch (unit) {
        case UNIT_SIZE:
                return output_format_size(number);
        case UNIT_CPU_TIME:
                return output_format_usec(number / 1000);
        case UNIT_DATE:
                if (!localtime_r(&seconds, &broken_down) ||
                    strftime(date, sizeof(date), "%Y-%m-%d %H:%M:%S %z", &broken_down) == 0)
                        return g_strdup("?");
                return g_strdup(date);
        case UNIT_PLAIN:
        default:
                return g_strdup_printf("%" G_GUINT64_FORMAT, number);
        }
}

/* One property as text; "" if there is nothing to say. */
static char *property_format(const json_t *value, Unit unit) {
        g_autoptr(GPtrArray) words = g_ptr_array_new_with_free_func(g_free);
        const char *key;
        json_t *element;
        size_t i;

        if (json_is_string(value))
                return g_strdup(json_string_value(value));
        if (json_is_integer(value))
                return number_format((uint64_t) json_integer_value(value), unit);
        json_array_foreach(value, i, element) if (json_is_string(element))
                g_ptr_array_add(words, g_strdup(json_string_value(element)));
        json_object_foreach((json_t *) value, key, element) if (json_is_string(element))
                g_ptr_array_add(words, g_strdup_printf("%s=%s", key, json_string_value(element)));
        g_ptr_array_add(words, NULL);
        return g_strjoinv(" ", (char **) words->pdata);
}

static void status_print(json_t *properties) {
        static const char *const titles[] = { "PROPERTY", "VALUE", NULL };
        g_autoptr(Table) table = table_new(titles);

        for (size_t i = 0; i < G_N_ELEMENTS(status_rows); i++) {
                g_autofree char *text = property_format(json_object_get(properties, status_rows[i].property),
                                                        status_rows[i].unit);

                if (text[0] != '\0')
                        table_add(table, (const char *const[]){ status_rows[i].title, text });
        }
        table_set_colour(table, 1, output_state_colour);
        table_print(table, stdout, false);
}

int verb_status(Cli *cli, int argc, char **argv) {
        g_autoptr(sd_bus_message) call = NULL;
        g_autoptr(sd_bus_message) reply = NULL;
        g_autofree char *path = NULL;
        json_t *properties = NULL;
        int status;
        int r;

        if (options_only_global(cli, argc, argv, 1, 1, &status) != 0)
                return status;
        if (bus_open(cli) < 0 || bus_find_sandbox(cli, argv[optind], &path) < 0)
                return EXIT_FAILURE;
        call = bus_new_call(cli, path, "org.freedesktop.DBus.Properties", "GetAll");
        r = sd_bus_message_append(call, "s", BUS_SANDBOX_INTERFACE);
        if (r >= 0)
                r = bus_call(cli, call, 0, &reply);
        if (r < 0)
                return EXIT_FAILURE;
        r = bus_read_json(reply, &properties);
        if (r < 0) {
                bus_explain_failure(cli, &SD_BUS_ERROR_NULL, r);
                return EXIT_FAILURE;
        }
        if (cli->json)
                output_json(json_incref(properties), stdout);
        else
                status_print(properties);
        json_decref(properties);
        return EXIT_SUCCESS;
}
