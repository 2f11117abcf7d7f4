/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "cli/bus.h"
#include "cli/options.h"
#include "cli/run-options.h"

enum {
        OPTION_NAME = OPTIONS_OWN,
        OPTION_KEEP,
        OPTION_TIMINGS,
};

static const struct option long_options[] = {
        { "capability", required_argument, NULL, 'c' },
        { "template", required_argument, NULL, 't' },
        { "environment", required_argument, NULL, 'e' },
        { "working-directory", required_argument, NULL, 'w' },
        { "user", required_argument, NULL, 'u' },
        { "bind", required_argument, NULL, 'b' },
        { "interactive", no_argument, NULL, 'i' },
        { "terminal", no_argument, NULL, 'T' },
        { "name", required_argument, NULL, OPTION_NAME },
        { "keep", no_argument, NULL, OPTION_KEEP },
        { "timings", no_argument, NULL, OPTION_TIMINGS },
        {},
};

void run_options_init(RunOptions *options, RunOptionsFor wanted) {
        *options = (RunOptions){
                .wanted = wanted,
                .capabilities = g_ptr_array_new(),
                .environment = g_ptr_array_new(),
        };
        /* Each always ends with NULL, so that it can be handed on as a vector at any time. */
        g_ptr_array_add(options->capabilities, NULL);
        g_ptr_array_add(options->environment, NULL);
}

void run_options_done(RunOptions *options) {
        g_clear_pointer(&options->capabilities, g_ptr_array_unref);
        g_clear_pointer(&options->environment, g_ptr_array_unref);
}

static void vector_add(GPtrArray *vector, char *value) {
        g_ptr_array_index(vector, vector->len - 1) = value;
        g_ptr_array_add(vector, NULL);
}

/* A later value of the same variable takes the place of the earlier one, as in env(1). */
static void environment_add(GPtrArray *vector, char *pair) {
        size_t name_size = (size_t) (strchr(pair, '=') - pair) + 1;

        for (guint i = 0; i + 1 < vector->len; i++)
                if (strncmp(g_ptr_array_index(vector, i), pair, name_size) == 0) {
                        g_ptr_array_index(vector, i) = pair;
                        return;
                }
        vector_add(vector, pair);
}

/* NULL if @c goes with what is wanted, else what it belongs to. */
static const char *option_is_misplaced(const RunOptions *options, int c) {
        if (!(options->wanted & RUN_OPTIONS_SANDBOX) &&
            (c == 'c' || c == 't' || c == 'b' || c == OPTION_NAME || c == OPTION_KEEP || c == OPTION_TIMINGS))
                return "belongs to a new sandbox ('run' or 'create')";
        if (!(options->wanted & RUN_OPTIONS_PROCESS) &&
            (c == 'w' || c == 'u' || c == 'i' || c == 'T' || c == OPTION_KEEP || c == OPTION_TIMINGS))
                return "belongs to a program ('run' or 'exec')";
        return NULL;
}

static const char *option_to_string(int c) {
        for (size_t i = 0; long_options[i].name; i++)
                if (long_options[i].val == c)
                        return long_options[i].name;
        return "";
}

/* 0, or the exit status of a wrong use. */
static int run_options_take(RunOptions *options, const Cli *cli, int c, char *value) {
        const char *misplaced = option_is_misplaced(options, c);

        if (misplaced)
                return options_usage(cli, "Option '--%s' %s", option_to_string(c), misplaced);
        switch (c) {
        case 'c':
                vector_add(options->capabilities, value);
                return 0;
        case 'e':
                if (value[0] == '=' || !strchr(value, '='))
                        return options_usage(cli, "Expected NAME=value for '-e', not '%s'", value);
                environment_add(options->environment, value);
                return 0;
        case 't':
                options->template_name = value;
                return 0;
        case 'w':
                if (value[0] != '/')
                        return options_usage(cli, "Expected an absolute path inside for '-w', not '%s'",
                                             value);
                options->directory = value;
                return 0;
        case 'u':
                options->user = value;
                return 0;
        case 'i': /* standard input is passed on always; the letter is there for who is used to type it */
                return 0;
        case 'T':
                return options_usage(cli, "A terminal of its own ('-T') is not supported by this version");
        case 'b':
                return options_usage(cli,
                                     "Bind mounts by hand ('-b') are not supported by this version; name "
                                     "a capability with '-c'");
        case OPTION_NAME:
                options->name = value;
                return 0;
        case OPTION_KEEP:
                options->keep = true;
                return 0;
        case OPTION_TIMINGS:
                options->timings = true;
                return 0;
        default:
                return EXIT_USAGE; /* options_next() has said why */
        }
}

int run_options_read(RunOptions *options, Cli *cli, int argc, char **argv, int *ret_status) {
        int c;

        while ((c = options_next(cli, argc, argv, "+c:t:e:w:u:b:iT", long_options)) != OPTIONS_END) {
                if (c == OPTIONS_HELP) {
                        options_print_help(cli->verb);
                        *ret_status = EXIT_SUCCESS;
                        return 1;
                }
                *ret_status = c == OPTIONS_BAD ? EXIT_USAGE : run_options_take(options, cli, c, optarg);
                if (*ret_status != 0)
                        return 1;
        }
        return 0;
}

static int run_options_append_environment(const RunOptions *options, sd_bus_message *m) {
        if (!g_ptr_array_index(options->environment, 0))
                return 0;
        return bus_append_pairs(m, "environment", (char **) options->environment->pdata);
}

int run_options_append_sandbox(const RunOptions *options, sd_bus_message *m) {
        int r = 0;

        if (g_ptr_array_index(options->capabilities, 0))
                r = bus_append_strings(m, "capabilities", (char **) options->capabilities->pdata);
        if (r >= 0 && options->template_name)
                r = bus_append_string(m, "template", options->template_name);
        if (r >= 0 && !(options->wanted & RUN_OPTIONS_PROCESS))
                r = run_options_append_environment(options, m);
        return r;
}

int run_options_append_process(const RunOptions *options, sd_bus_message *m) {
        int r;

        r = run_options_append_environment(options, m);
        if (r >= 0 && options->directory)
                r = bus_append_string(m, "working-directory", options->directory);
        if (r >= 0 && options->user)
                r = bus_append_string(m, "user", options->user);
        return r;
}
