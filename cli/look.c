/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * list, events: what there is, and what becomes of it
 */
#include <errno.h>
#include <glib.h>

#include "cli/bus.h"
#include "cli/options.h"
#include "cli/output.h"

int verb_list(Cli *cli, int argc, char **argv) {
        static const char *const titles[] = { "NAME", "STATE", "PATH", NULL };
        g_autoptr(Table) table = NULL;
        g_auto(BulkheadError) error = { 0 };
        BulkheadSandbox **sandboxes = NULL;
        json_t *objects;
        int status;
        int r;

        if (options_only_global(cli, argc, argv, 0, 0, &status) != 0)
                return status;
        if (bus_open(cli) < 0)
                return EXIT_FAILURE;
        r = bulkhead_list(cli->service, &sandboxes, &error);
        if (r < 0) {
                bus_explain_failure(cli, &error, r);
                return EXIT_FAILURE;
        }

        objects = json_array();
        table = table_new(titles);
        table_set_colour(table, 1, output_state_colour);
        for (BulkheadSandbox **at = sandboxes; *at; at++) {
                const BulkheadSandbox *sandbox = *at;

                json_array_append_new(objects, json_pack("{s:s, s:s, s:s}", "name", sandbox->name, "state",
                                                         sandbox->state, "path", sandbox->path));
                table_add(table, (const char *const[]){ sandbox->name, sandbox->state, sandbox->path });
        }
        if (cli->json)
                output_json(json_incref(objects), stdout);
        else if (json_array_size(objects) == 0 && !cli->quiet)
                puts("No sandboxes.");
        else
                table_print(table, stdout, !cli->quiet);
        json_decref(objects);
        bulkhead_sandboxes_free(sandboxes);
        return EXIT_SUCCESS;
}

/* ---- events ---- */

#define EVENT_NAME_WIDTH 14 /* of the longest, and two blanks */

typedef struct Follow {
        const Cli *cli;
        guint64 left; /* events still to show; 0 = without end */
        bool ended;
        int status;
} Follow;

static const char *const event_names[] = {
        [BULKHEAD_EVENT_CREATED] = "created",
        [BULKHEAD_EVENT_STATE] = "state",
        [BULKHEAD_EVENT_CAPABILITIES] = "capabilities",
        [BULKHEAD_EVENT_STARTED] = "started",
        [BULKHEAD_EVENT_EXITED] = "exited",
        [BULKHEAD_EVENT_DENIED] = "denied",
        [BULKHEAD_EVENT_GONE] = "gone",
        [BULKHEAD_EVENT_SERVICE_LOST] = "service-lost",
        [BULKHEAD_EVENT_SERVICE_BACK] = "service-back",
        [BULKHEAD_EVENT_DISCONNECTED] = "disconnected",
        [BULKHEAD_EVENT_PENDING] = "pending",
        [BULKHEAD_EVENT_ADDRESSES] = "addresses",
};

static json_t *strings_to_json(const char *const *strings) {
        json_t *array = strings ? json_array() : NULL;

        for (; strings && *strings; strings++)
                json_array_append_new(array, json_string(*strings));
        return array;
}

/* Only what the event has. */
static json_t *event_to_json(const BulkheadEvent *event) {
        bool has_pid = event->type == BULKHEAD_EVENT_STARTED || event->type == BULKHEAD_EVENT_EXITED;
        json_t *object = json_pack(
                "{s:I, s:s, s:s*, s:s*, s:s*, s:s*, s:s*, s:s*, s:s*, s:s*, s:s*, s:s*, s:s*, s:s*, s:s*, s:o*, s:o*,"
                " s:o*, s:o*}", "time",
                (json_int_t) g_get_real_time(), "event", event_names[event->type], "sandbox", event->name,
                "path", event->sandbox, "state", event->state, "state-reason", event->state_reason, "process",
                event->process, "reason", event->reason, "gateway", event->gateway, "target", event->target,
                "detail", event->detail, "protocol", event->protocol, "interface", event->interface, "member",
                event->member, "object-path", event->object_path, "capabilities",
                strings_to_json(event->capabilities), "argv", strings_to_json(event->argv), "pending",
                strings_to_json(event->pending), "addresses", strings_to_json(event->addresses));

        if (has_pid)
                json_object_set_new(object, "pid", json_integer(event->pid));
        if (event->type == BULKHEAD_EVENT_EXITED)
                json_object_set_new(object, "status", json_integer(event->status));
        if (event->type == BULKHEAD_EVENT_DENIED)
                json_object_set_new(object, "count", json_integer(event->count));
        if (event->port > 0)
                json_object_set_new(object, "port", json_integer(event->port));
        return object;
}

/* "network: tiles.example tcp 443, no rule allows it (3 times)" */
static char *denied_format(const BulkheadEvent *event) {
        GString *text = g_string_new(event->gateway);
        const char *const words[] = { event->target, event->protocol, event->object_path, event->interface,
                                      event->member };

        g_string_append_c(text, ':');
        for (size_t i = 0; i < G_N_ELEMENTS(words); i++)
                if (words[i] && *words[i])
                        g_string_append_printf(text, " %s", words[i]);
        if (event->port > 0)
                g_string_append_printf(text, " %u", event->port);
        if (event->detail && *event->detail)
                g_string_append_printf(text, ", %s", event->detail);
        if (event->count > 1)
                g_string_append_printf(text, " (%u times)", event->count);
        return g_string_free(text, FALSE);
}

/* What stands behind the event's name. */
static char *event_format(const BulkheadEvent *event) {
        g_autofree char *words = NULL;

        if (event->type == BULKHEAD_EVENT_CREATED || event->type == BULKHEAD_EVENT_STATE)
                return g_strjoin(event->state_reason && *event->state_reason ? ": " : "", event->state ?: "",
                                 event->state_reason, NULL);
        if (event->capabilities || event->pending || event->addresses)
                return g_strjoinv(" ", (char **) (uintptr_t) (event->capabilities ?: event->pending
                                                                      ?: event->addresses));
        if (event->type == BULKHEAD_EVENT_STARTED) {
                words = event->argv ? g_strjoinv(" ", (char **) (uintptr_t) event->argv) : g_strdup("");
                return g_strdup_printf("pid %u: %s", event->pid, words);
        }
        if (event->type == BULKHEAD_EVENT_EXITED)
                return g_strdup_printf("pid %u: %s %d", event->pid, event->reason, event->status);
        if (event->type == BULKHEAD_EVENT_DENIED)
                return denied_format(event);
        return g_strdup("");
}

static void event_print(const BulkheadEvent *event) {
        g_autofree char *text = event_format(event), *escaped = output_escape(text);
        g_autofree char *name = output_escape(event->name ?: "-");
        g_autoptr(GDateTime) now = g_date_time_new_now_local();
        g_autofree char *time = g_date_time_format(now, "%H:%M:%S");

        printf("%s.%03d  %-16s  %-*s%s\n", time, g_date_time_get_microsecond(now) / 1000, name,
               *escaped ? EVENT_NAME_WIDTH : 0, event_names[event->type], escaped);
}

static void on_event(const BulkheadEvent *event, void *userdata) {
        Follow *follow = userdata;

        if (follow->ended || event->type >= G_N_ELEMENTS(event_names) || !event_names[event->type])
                return;
        if (follow->cli->json)
                output_json_line(event_to_json(event), stdout);
        else
                event_print(event);
        if (event->type == BULKHEAD_EVENT_DISCONNECTED) {
                output_error("The connection to the bus was lost");
                follow->status = EXIT_FAILURE;
                follow->ended = true;
        }
        /* A reader that has gone away ends us by SIGPIPE, as it should. */
        if (fflush(stdout) != 0 || (follow->left > 0 && --follow->left == 0))
                follow->ended = true;
}

int verb_events(Cli *cli, int argc, char **argv) {
        static const struct option own[] = { { "count", required_argument, NULL, 'n' }, {} };
        g_auto(BulkheadError) error = { 0 };
        Follow follow = { .cli = cli, .status = EXIT_SUCCESS };
        int c;
        int r;

        options_begin();
        while ((c = options_next(cli, argc, argv, "n:", own)) != OPTIONS_END) {
                if (c == OPTIONS_HELP) {
                        options_print_help(cli->verb);
                        return EXIT_SUCCESS;
                }
                if (c != 'n')
                        return EXIT_USAGE;
                if (!g_ascii_string_to_unsigned(optarg, 10, 1, G_MAXUINT32, &follow.left, NULL))
                        return options_usage(cli, "Expected how many events to show for '-n', not '%s'",
                                             optarg);
        }
        if (optind < argc)
                return options_usage(cli, "'%s' is too much", argv[optind]);
        if (bus_open(cli) < 0)
                return EXIT_FAILURE;
        bulkhead_set_callback(cli->service, on_event, &follow);
        r = bulkhead_subscribe(cli->service, &error);
        if (r < 0) {
                bus_explain_failure(cli, &error, r);
                return EXIT_FAILURE;
        }
        while (!follow.ended) {
                r = bulkhead_wait_events(cli->service, UINT64_MAX);
                if (r < 0 && r != -EINTR && !follow.ended) {
                        output_error("Cannot wait for events: %s", g_strerror(-r));
                        return EXIT_FAILURE;
                }
        }
        return follow.status;
}
