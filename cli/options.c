/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib.h>
#include <stdio.h>
#include <string.h>

#include "cli/options.h"
#include "cli/output.h"
#include "util/json.h"

enum {
        OPTION_JSON = 0x100,
        OPTION_QUIET,
        OPTION_BUS,
        OPTION_ROOT,
        OPTION_VERSION,
};

#define OWN_OPTIONS_MAX 32

static const struct option global_options[] = {
        { "json", no_argument, NULL, OPTION_JSON },       { "quiet", no_argument, NULL, OPTION_QUIET },
        { "bus", required_argument, NULL, OPTION_BUS },   { "root", required_argument, NULL, OPTION_ROOT },
        { "version", no_argument, NULL, OPTION_VERSION }, { "help", no_argument, NULL, OPTIONS_HELP },
};

const char options_global_help[] =
        "  --bus system|session|ADDRESS  the bus that the service is on (default: system)\n"
        "  --root DIR                    where the instance's files are, for verbs that read files:\n"
        "                                check, explain, capabilities, doctor (default: the system's)\n"
        "  --json                        for programs: print JSON\n"
        "  --quiet                       print no titles and no remarks\n"
        "  --help                        this text; behind a verb, that verb's\n"
        "  --version                     the version\n";

void options_print_help(const Verb *verb) {
        printf("Usage: bulkhead %s%s%s\n\n%s.\n\n", verb->name, verb->synopsis[0] ? " " : "", verb->synopsis,
               verb->summary);
        if (verb->help)
                printf("%s\n", verb->help);
        printf("Options of every verb:\n%s", options_global_help);
}

void options_begin(void) {
        /* 0 and not 1: glibc then forgets where it was inside a cluster of letters as well, getopt(3). */
        optind = 0;
        opterr = 0;
}

int options_usage(const Cli *cli, const char *format, ...) {
        g_autofree char *text = NULL;
        va_list args;

        va_start(args, format);
        text = g_strdup_vprintf(format, args);
        va_end(args);
        if (cli->verb)
                output_error("%s; see 'bulkhead %s --help'", text, cli->verb->name);
        else
                output_error("%s; see 'bulkhead --help'", text);
        return EXIT_USAGE;
}

/* False if @option is not a global one. */
static bool options_take_global(Cli *cli, int option) {
        switch (option) {
        case OPTION_JSON:
                cli->json = true;
                return true;
        case OPTION_QUIET:
                cli->quiet = true;
                return true;
        case OPTION_BUS:
                cli->address = optarg;
                return true;
        case OPTION_ROOT:
                cli->root = optarg;
                return true;
        case OPTION_VERSION:
                output_version();
                exit(EXIT_SUCCESS);
        default:
                return false;
        }
}

/* The argument that getopt has just looked at, for messages about a long option. */
static const char *options_current(char **argv) {
        return optind > 0 && argv[optind - 1] ? argv[optind - 1] : "";
}

/* What getopt_long(3) did not take: say so, and which one is near. */
static void options_refuse(const Cli *cli, const char *word, const struct option *known, size_t n) {
        const char *start = word + strspn(word, "-");
        g_autofree char *name = g_strndup(start, strcspn(start, "="));
        g_autofree const char **names = g_new0(const char *, n + 1);
        const char *nearest;

        for (size_t i = 0; i < n; i++)
                names[i] = known[i].name;
        nearest = json_nearest(name, names);
        if (nearest && strcmp(nearest, name) != 0)
                options_usage(cli, "There is no option '--%s'; did you mean '--%s'", name, nearest);
        else
                options_usage(cli, "Unknown, ambiguous or wrongly used option '%s'", word);
}

int options_next(Cli *cli, int argc, char **argv, const char *letters, const struct option *own) {
        struct option merged[G_N_ELEMENTS(global_options) + OWN_OPTIONS_MAX + 1] = {};
        g_autofree char *short_options = NULL;
        size_t n = G_N_ELEMENTS(global_options);
        const char *order;
        int c;

        memcpy(merged, global_options, sizeof(global_options));
        for (; own && own->name; own++) {
                g_assert(n < G_N_ELEMENTS(merged) - 1);
                merged[n++] = *own;
        }

        /* The ':' that tells a missing value from an unknown option stands behind the '+', getopt(3). */
        order = letters[0] == '+' ? "+" : "";
        short_options = g_strdup_printf("%s:h%s", order, letters + strlen(order));
        do
                c = getopt_long(argc, argv, short_options, merged, NULL);
        while (options_take_global(cli, c));

        if (c == ':') {
                options_usage(cli, "Option '%s' needs a value", options_current(argv));
                return OPTIONS_BAD;
        }
        if (c == '?') {
                if (optopt > 0 && optopt < 0x80)
                        options_usage(cli, "Unknown option '-%c'", optopt);
                else
                        options_refuse(cli, options_current(argv), merged, n);
                return OPTIONS_BAD;
        }
        return c;
}

int options_only_global(Cli *cli, int argc, char **argv, int min, int max, int *ret_status) {
        int c, n;

        options_begin();
        c = options_next(cli, argc, argv, "", NULL);
        if (c == OPTIONS_HELP) {
                options_print_help(cli->verb);
                *ret_status = EXIT_SUCCESS;
                return 1;
        }
        if (c != OPTIONS_END) {
                *ret_status = EXIT_USAGE;
                return 1;
        }
        n = argc - optind;
        if (n < min || (max >= 0 && n > max)) {
                *ret_status = options_usage(cli, "Expected 'bulkhead %s%s%s'", cli->verb->name,
                                            cli->verb->synopsis[0] ? " " : "", cli->verb->synopsis);
                return 1;
        }
        return 0;
}
