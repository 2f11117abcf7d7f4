/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

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

bool bind_parse(const char *text, Bind *ret) {
        const char *colon = strchr(text, ':');
        g_autofree char *source = NULL;
        size_t size;

        if (!colon || colon == text || colon[1] != '/')
                return false;
        ret->flags = g_str_has_suffix(colon + 1, ":rw") ? BULKHEAD_MOUNT_WRITABLE : 0;
        size = strlen(colon + 1) - (ret->flags ? strlen(":rw") : 0);
        if (memchr(colon + 1, ':', size))
                return false;
        source = g_strndup(text, (size_t) (colon - text));
        ret->source = g_canonicalize_filename(source, NULL);
        ret->target = g_strndup(colon + 1, size);
        return true;
}

void bind_done(Bind *bind) {
        g_clear_pointer(&bind->source, g_free);
        g_clear_pointer(&bind->target, g_free);
}

void run_options_init(RunOptions *options, RunOptionsFor wanted) {
        *options = (RunOptions){ .wanted = wanted, .request = bulkhead_request_new() };
}

void run_options_done(RunOptions *options) {
        g_clear_pointer(&options->request, bulkhead_request_free);
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

static int run_options_take_variable(RunOptions *options, const Cli *cli, const char *value) {
        const char *equals = strchr(value, '=');
        g_autofree char *name = equals ? g_strndup(value, (size_t) (equals - value)) : NULL;

        if (!name || bulkhead_request_set_variable(options->request, name, equals + 1) < 0)
                return options_usage(cli, "Expected NAME=value for '-e', not '%s'", value);
        options->has_term = options->has_term || strcmp(name, "TERM") == 0;
        return 0;
}

static int run_options_take_bind(RunOptions *options, const Cli *cli, const char *value) {
        g_auto(Bind) bind = { 0 };

        if (!bind_parse(value, &bind))
                return options_usage(
                        cli,
                        "Expected SOURCE:TARGET or SOURCE:TARGET:rw with an absolute TARGET for '-b', "
                        "not '%s'",
                        value);
        (void) bulkhead_request_add_mount(options->request, bind.source, bind.target, bind.flags);
        return 0;
}

/* 0, or the exit status of a wrong use. */
static int run_options_take(RunOptions *options, const Cli *cli, int c, char *value) {
        const char *misplaced = option_is_misplaced(options, c);

        if (misplaced)
                return options_usage(cli, "Option '--%s' %s", option_to_string(c), misplaced);
        switch (c) {
        case 'c':
                bulkhead_request_add_capability(options->request, value);
                return 0;
        case 'e':
                return run_options_take_variable(options, cli, value);
        case 't':
                bulkhead_request_set_template(options->request, value);
                options->has_template = true;
                return 0;
        case 'w':
                if (value[0] != '/')
                        return options_usage(cli, "Expected an absolute path inside for '-w', not '%s'",
                                             value);
                bulkhead_request_set_working_directory(options->request, value);
                return 0;
        case 'u':
                bulkhead_request_set_user(options->request, value);
                return 0;
        case 'i': /* standard input is passed on always; the letter is there for who is used to type it */
                return 0;
        case 'T':
                options->terminal = true;
                return 0;
        case 'b':
                return run_options_take_bind(options, cli, value);
        case OPTION_NAME:
                bulkhead_request_set_name(options->request, value);
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
