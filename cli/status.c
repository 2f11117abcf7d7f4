/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * status: what one sandbox is, may do and by whose word, uses, and what was refused
 */
#include <glib.h>
#include <string.h>
#include <time.h>

#include "cli/bus.h"
#include "cli/options.h"
#include "cli/output.h"
#include "util/json.h"

/* How the value of a property reads best. */
typedef enum Unit {
        UNIT_PLAIN,
        UNIT_SIZE,
        UNIT_CPU_TIME, /* nanoseconds */
        UNIT_DATE,     /* microseconds since 1970 */
        UNIT_COUNT,    /* 0 is nothing to say */
        UNIT_USEC,     /* the same */
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
        { "Privileges", "Privileges", UNIT_PLAIN },
        { "Owner", "Owner", UNIT_PLAIN },
        { "CreatedUSec", "Created", UNIT_DATE },
        { "Capabilities", "Capabilities", UNIT_PLAIN },
        { "Addresses", "Addresses", UNIT_PLAIN },
        { "Pending", "Pending", UNIT_PLAIN },
        { "Mechanisms", "Opened by", UNIT_PLAIN },
        { "Leader", "Leader", UNIT_PLAIN },
        { "ControlGroup", "Control group", UNIT_PLAIN },
        { "MemoryCurrent", "Uses memory", UNIT_SIZE },
        { "CPUUsageNSec", "Uses CPU time", UNIT_CPU_TIME },
        { "TasksCurrent", "Uses tasks", UNIT_PLAIN },
        { "OOMKills", "Killed for memory", UNIT_COUNT },
        { "CPUPressureUSec", "Waited for a CPU", UNIT_USEC },
        { "IOPressureUSec", "Waited for a disk", UNIT_USEC },
        { "MemoryPressureUSec", "Waited for memory", UNIT_USEC },
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
        case UNIT_USEC:
                return number > 0 ? output_format_usec(number) : g_strdup("");
        case UNIT_COUNT:
                return number > 0 ? g_strdup_printf("%" G_GUINT64_FORMAT, number) : g_strdup("");
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

/* ---- what it may do ---- */

/* The plan as the service explains it, an array; NULL after a failure that was said. */
static json_t *status_explain(Cli *cli, json_t *properties) {
        g_autoptr(sd_bus_message) call = bus_new_call(cli, BUS_PATH, BUS_MANAGER_INTERFACE, "Explain");
        g_autoptr(GPtrArray) names = g_ptr_array_new();
        g_autoptr(JsonDocument) document = NULL;
        json_t *answer = NULL, *plan = NULL, *name;
        JsonCursor root;
        size_t i;

        json_array_foreach(json_object_get(properties, "Capabilities"), i, name)
                g_ptr_array_add(names, (char *) (uintptr_t) json_string_value(name));
        g_ptr_array_add(names, NULL);
        if (sd_bus_message_append_strv(call, (char **) names->pdata) < 0 ||
            sd_bus_message_append(call, "a{sv}", 0) < 0 || bus_call(cli, call, &answer) < 0)
                return NULL;
        document = json_document_new("the answer of Explain", json_string_value(answer) ?: "",
                                     json_string_length(answer));
        if (json_document_get_root(document, &root))
                plan = json_deep_copy(json_cursor_get_value(&root));
        else
                (void) bus_answer_is_bad(-EBADMSG);
        json_decref(answer);
        return plan;
}

/* "capability (file:line), ..." */
static char *origins_format(const json_t *origins) {
        g_autoptr(GPtrArray) words = g_ptr_array_new_with_free_func(g_free);
        json_t *origin;
        size_t i;

        json_array_foreach(origins, i, origin) g_ptr_array_add(
                words, g_strdup_printf("%s (%s:%" JSON_INTEGER_FORMAT ")",
                                       json_string_value(json_object_get(origin, "capability")) ?: "",
                                       json_string_value(json_object_get(origin, "file")) ?: "",
                                       json_integer_value(json_object_get(origin, "line"))));
        g_ptr_array_add(words, NULL);
        return g_strjoinv(", ", (char **) words->pdata);
}

/* What an item has besides kind, key and origins, as "name=value" in the order of the text. */
static char *item_format(json_t *item) {
        g_autoptr(GPtrArray) words = g_ptr_array_new_with_free_func(g_free);
        const char *key;
        json_t *value;

        json_object_foreach(item, key, value) {
                g_autofree char *text = NULL;

                if (strcmp(key, "kind") == 0 || strcmp(key, "key") == 0 || strcmp(key, "origins") == 0 ||
                    json_is_false(value) || json_is_null(value))
                        continue;
                text = json_is_true(value) ? g_strdup("") : property_format(value, UNIT_PLAIN);
                if (json_is_true(value) || *text)
                        g_ptr_array_add(words, g_strdup_printf("%s%s%s", key, *text ? "=" : "", text));
        }
        g_ptr_array_add(words, NULL);
        return g_strjoinv(" ", (char **) words->pdata);
}

static void plan_print_table(json_t *plan) {
        static const char *const titles[] = { "KIND", "OPENS", "HOW", "ASKED FOR BY", NULL };
        g_autoptr(Table) table = table_new(titles);
        json_t *item;
        size_t i;

        json_array_foreach(plan, i, item) {
                g_autofree char *how = item_format(item);
                g_autofree char *origins = origins_format(json_object_get(item, "origins"));

                table_add(table, (const char *const[]){ json_string_value(json_object_get(item, "kind")),
                                                        json_string_value(json_object_get(item, "key")), how,
                                                        origins });
        }
        puts(json_array_size(plan) > 0 ? "\nMay do:"
                                       : "\nMay do nothing that it could not do without capabilities.");
        if (json_array_size(plan) > 0)
                table_print(table, stdout, true);
}

/* ---- what was refused ---- */

/* {time, gateway, capability, target, detail, text, count, ...}; in the order in which it was refused. Takes
 * "Refused" out of @properties, where it is as the bus has it. */
static json_t *status_take_refusals(json_t *properties) {
        json_t *refusals = json_array(), *row;
        size_t i;

        json_array_foreach(json_object_get(properties, "Refused"), i, row) {
                json_t *refusal = json_deep_copy(json_array_get(row, 2));

                if (!json_is_object(refusal))
                        continue;
                json_object_set(refusal, "time", json_array_get(row, 0));
                json_object_set(refusal, "gateway", json_array_get(row, 1));
                json_object_set(refusal, "text", json_object_get(refusal, "detail"));
                if (json_object_get(refusal, "capabilities"))
                        json_object_set(refusal, "capability", json_object_get(refusal, "capabilities"));
                json_object_del(refusal, "capabilities");
                json_array_append_new(refusals, refusal);
        }
        json_object_del(properties, "Refused");
        return refusals;
}

/* What was asked for: capabilities, or the target and what else the gateway tells of it. */
static char *refusal_format(json_t *refusal) {
        static const char *const keys[] = { "capability", "target", "protocol", "path", "interface", "member" };
        json_int_t port = json_integer_value(json_object_get(refusal, "port"));
        GString *text = g_string_new(NULL);

        for (size_t i = 0; i < G_N_ELEMENTS(keys); i++) {
                const char *word = json_string_value(json_object_get(refusal, keys[i]));

                if (word && *word)
                        g_string_append_printf(text, "%s%s", text->len > 0 ? " " : "", word);
        }
        if (port > 0)
                g_string_append_printf(text, " %" JSON_INTEGER_FORMAT, port);
        return g_string_free(text, FALSE);
}

static void refusals_print(json_t *refusals) {
        static const char *const titles[] = { "TIME", "GATEWAY", "ASKED FOR", "TIMES", "WHAT WAS SAID", NULL };
        g_autoptr(Table) table = table_new(titles);
        json_t *refusal;
        size_t i;

        if (json_array_size(refusals) == 0)
                return;
        json_array_foreach(refusals, i, refusal) {
                const char *gateway = json_string_value(json_object_get(refusal, "gateway")) ?: "";
                g_autofree char *when = number_format(
                        (uint64_t) json_integer_value(json_object_get(refusal, "time")), UNIT_DATE);
                g_autofree char *what = refusal_format(refusal);
                g_autofree char *count = number_format(
                        (uint64_t) json_integer_value(json_object_get(refusal, "count")), UNIT_PLAIN);

                table_add(table, (const char *const[]){ when, *gateway ? gateway : NULL, what, count,
                                                        json_string_value(json_object_get(refusal, "text")) });
        }
        table_set_right(table, 3);
        puts("\nWas refused:");
        table_print(table, stdout, true);
}

/* ---- what was mounted by hand ---- */

static void mounts_print(json_t *mounts) {
        static const char *const titles[] = { "SOURCE", "TARGET", "HOW", NULL };
        static const char *const flags[] = { "writable", "optional", "recursive" };
        g_autoptr(Table) table = table_new(titles);
        json_t *mount;
        size_t i;

        if (json_array_size(mounts) == 0)
                return;
        json_array_foreach(mounts, i, mount) {
                json_int_t value = json_integer_value(json_array_get(mount, 2));
                GString *how = g_string_new(NULL);

                for (size_t flag = 0; flag < G_N_ELEMENTS(flags); flag++)
                        if (value & 1 << flag)
                                g_string_append_printf(how, "%s%s", how->len > 0 ? " " : "", flags[flag]);
                table_add(table, (const char *const[]){ json_string_value(json_array_get(mount, 0)),
                                                        json_string_value(json_array_get(mount, 1)), how->str });
                g_string_free(how, TRUE);
        }
        puts("\nMounted by hand:");
        table_print(table, stdout, true);
}

/* ---- the verb ---- */

int verb_status(Cli *cli, int argc, char **argv) {
        g_autofree char *path = NULL;
        json_t *properties, *plan, *refusals;
        int status;

        if (options_only_global(cli, argc, argv, 1, 1, &status) != 0)
                return status;
        if (bus_open(cli) < 0 || bus_find_sandbox(cli, argv[optind], &path) < 0)
                return EXIT_FAILURE;
        properties = bus_get_properties(cli, path, false);
        if (!properties)
                return EXIT_FAILURE;
        plan = status_explain(cli, properties);
        refusals = status_take_refusals(properties);
        if (cli->json) {
                (void) json_object_set_new(properties, "plan", plan ? json_incref(plan) : json_null());
                (void) json_object_set(properties, "refused", refusals);
                output_json(json_incref(properties), stdout);
        } else {
                status_print(properties);
                if (plan)
                        plan_print_table(plan);
                mounts_print(json_object_get(properties, "Mounts"));
                refusals_print(refusals);
        }
        status = plan ? EXIT_SUCCESS : EXIT_FAILURE;
        json_decref(properties);
        json_decref(plan);
        json_decref(refusals);
        return status;
}
