/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * top: what sandboxes use, again and again
 *
 * On a terminal each picture takes the place of the one before; elsewhere they follow one another. Processor
 * time is that between two pictures, in percent of one processor.
 */
#include <glib.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/bus.h"
#include "cli/options.h"
#include "cli/output.h"

#define DELAY_MIN_SEC 0.1
#define DELAY_MAX_SEC 3600.0

typedef struct Top {
        Cli *cli;
        GHashTable *before; /* owned; path -> nanoseconds of processor time, as guint64 * */
        uint64_t before_usec;
        double delay_sec;
        guint64 count; /* pictures still to show; 0 = without end */
} Top;

static json_int_t get_number(const json_t *properties, const char *name) {
        return json_integer_value(json_object_get(properties, name));
}

/* Percent of one processor since the picture before; negative if there was none. */
static double top_take_cpu(Top *top, const char *path, guint64 nsec, uint64_t now) {
        const guint64 *before = g_hash_table_lookup(top->before, path);
        double percent = -1;

        if (before && nsec >= *before && now > top->before_usec)
                percent = (double) (nsec - *before) / 10.0 / (double) (now - top->before_usec);
        g_hash_table_insert(top->before, g_strdup(path), g_memdup2(&nsec, sizeof(nsec)));
        return percent;
}

static void top_add(Top *top, const BulkheadSandbox *sandbox, json_t *properties, uint64_t now,
                    json_t *objects, Table *table) {
        json_int_t memory = get_number(properties, "MemoryCurrent"),
                   tasks = get_number(properties, "TasksCurrent");
        json_int_t nsec = get_number(properties, "CPUUsageNSec"), kills = get_number(properties, "OOMKills");
        double percent = top_take_cpu(top, sandbox->path, (guint64) nsec, now);
        g_autofree char *cpu = percent < 0 ? NULL : g_strdup_printf("%.1f %%", percent);
        g_autofree char *size = output_format_size((uint64_t) memory);
        g_autofree char *time = output_format_usec((uint64_t) nsec / 1000);
        g_autofree char *n = g_strdup_printf("%" JSON_INTEGER_FORMAT, tasks);
        g_autofree char *killed = g_strdup_printf("%" JSON_INTEGER_FORMAT, kills);

        json_array_append_new(objects,
                              json_pack("{s:s, s:s, s:s, s:o, s:I, s:I, s:I, s:I}", "name", sandbox->name, "path",
                                        sandbox->path, "state", sandbox->state, "cpu-percent",
                                        percent < 0 ? json_null() : json_real(percent), "cpu-nsec", nsec,
                                        "memory", memory, "tasks", tasks, "oom-kills", kills));
        table_add(table, (const char *const[]){ sandbox->name, sandbox->state, cpu, time, size, n, killed });
}

static int top_show(Top *top, bool is_terminal) {
        static const char *const titles[] = { "NAME", "STATE", "CPU", "CPU TIME", "MEMORY", "TASKS", "KILLED", NULL };
        g_autoptr(Table) table = table_new(titles);
        g_auto(BulkheadError) error = { 0 };
        BulkheadSandbox **sandboxes = NULL;
        uint64_t now = (uint64_t) g_get_monotonic_time();
        json_t *objects;
        int r;

        r = bulkhead_list(top->cli->service, &sandboxes, &error);
        if (r < 0)
                return bus_explain_failure(top->cli, &error, r);
        table_set_colour(table, 1, output_state_colour);
        for (size_t column = 2; column < 7; column++)
                table_set_right(table, column);
        objects = json_array();
        for (BulkheadSandbox **at = sandboxes; *at; at++) {
                json_t *properties = bus_get_properties(top->cli, (*at)->path, true);

                if (properties)
                        top_add(top, *at, properties, now, objects, table);
                json_decref(properties);
        }
        bulkhead_sandboxes_free(sandboxes);
        top->before_usec = now;

        if (top->cli->json)
                output_json_line(
                        json_pack("{s:I, s:O}", "time", (json_int_t) g_get_real_time(), "sandboxes", objects),
                        stdout);
        else {
                if (is_terminal)
                        fputs("\033[H\033[J", stdout); /* to the top left, and empty what is below */
                table_print(table, stdout, !top->cli->quiet);
        }
        json_decref(objects);
        (void) fflush(stdout);
        return 0;
}

/* Until the next picture is due. True if somebody wants no more: a line that begins with q. */
static bool top_pause(const Top *top, bool is_terminal) {
        struct pollfd fd = { .fd = is_terminal && isatty(STDIN_FILENO) ? STDIN_FILENO : -1,
                             .events = POLLIN };
        char key = '\0';

        if (poll(&fd, 1, (int) (top->delay_sec * 1000)) > 0)
                return read(STDIN_FILENO, &key, 1) <= 0 || key == 'q';
        return false;
}

/* 0, or the exit status of a wrong use. */
static int top_take_option(Top *top, int c) {
        char *end;

        switch (c) {
        case 'n':
                if (g_ascii_string_to_unsigned(optarg, 10, 1, G_MAXUINT32, &top->count, NULL))
                        return 0;
                return options_usage(top->cli, "Expected how many pictures to show for '-n', not '%s'",
                                     optarg);
        case 'd':
                top->delay_sec = g_ascii_strtod(optarg, &end);
                if (end != optarg && *end == '\0' && top->delay_sec >= DELAY_MIN_SEC &&
                    top->delay_sec <= DELAY_MAX_SEC)
                        return 0;
                return options_usage(top->cli, "Expected seconds from %g to %g for '-d', not '%s'",
                                     DELAY_MIN_SEC, DELAY_MAX_SEC, optarg);
        default:
                return EXIT_USAGE;
        }
}

int verb_top(Cli *cli, int argc, char **argv) {
        static const struct option own[] = { { "count", required_argument, NULL, 'n' },
                                             { "delay", required_argument, NULL, 'd' },
                                             {} };
        bool is_terminal = isatty(STDOUT_FILENO) && !cli->json;
        g_autoptr(GHashTable) before = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
        Top top = { .cli = cli, .before = before, .delay_sec = 2 };
        int c, status;

        options_begin();
        while ((c = options_next(cli, argc, argv, "n:d:", own)) != OPTIONS_END) {
                if (c == OPTIONS_HELP) {
                        options_print_help(cli->verb);
                        return EXIT_SUCCESS;
                }
                status = top_take_option(&top, c);
                if (status != 0)
                        return status;
        }
        if (optind < argc)
                return options_usage(cli, "'%s' is too much", argv[optind]);
        if (bus_open(cli) < 0)
                return EXIT_FAILURE;
        do {
                if (top_show(&top, is_terminal) < 0)
                        return EXIT_FAILURE;
                if (top.count > 0 && --top.count == 0)
                        break;
                if (!is_terminal && !cli->json)
                        putchar('\n');
        } while (!top_pause(&top, is_terminal));
        return EXIT_SUCCESS;
}
