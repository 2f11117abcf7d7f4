/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * create, grant, revoke, freeze, thaw, kill, stop: verbs that change a sandbox
 */
#include <glib.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "cli/bus.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/run-options.h"

static int status_of(int r) {
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int sandbox_print_name(Cli *cli, const char *path) {
        g_autofree char *name = NULL;
        sd_bus_error error = SD_BUS_ERROR_NULL;
        int r;

        r = sd_bus_get_property_string(cli->bus, BUS_NAME, path, BUS_SANDBOX_INTERFACE, "Name", &error,
                                       &name);
        if (r < 0)
                bus_explain_failure(cli, &error, r);
        else if (cli->json)
                output_json(json_pack("{s:s, s:s}", "name", name, "path", path), stdout);
        else
                printf("%s\n", name);
        sd_bus_error_free(&error);
        return r;
}

static int create_append(const RunOptions *options, sd_bus_message *call) {
        int r;

        r = sd_bus_message_append(call, "s", options->name ? options->name : "");
        if (r >= 0)
                r = sd_bus_message_open_container(call, SD_BUS_TYPE_ARRAY, "{sv}");
        if (r >= 0)
                r = run_options_append_sandbox(options, call);
        if (r >= 0)
                r = sd_bus_message_close_container(call);
        return r;
}

int verb_create(Cli *cli, int argc, char **argv) {
        g_auto(RunOptions) options = {};
        g_autoptr(sd_bus_message) call = NULL;
        g_autoptr(sd_bus_message) reply = NULL;
        const char *path;
        int status;
        int r;

        run_options_init(&options, RUN_OPTIONS_SANDBOX);
        options_begin();
        if (run_options_read(&options, cli, argc, argv, &status) != 0)
                return status;
        if (optind < argc)
                return options_usage(
                        cli, "'create' runs no program, so '%s' is too much; the name goes with --name",
                        argv[optind]);

        if (bus_open(cli) < 0)
                return EXIT_FAILURE;
        call = bus_new_call(cli, BUS_PATH, BUS_MANAGER_INTERFACE, "CreateSandbox");
        r = create_append(&options, call);
        if (r < 0)
                return status_of(bus_explain_failure(cli, &SD_BUS_ERROR_NULL, r));
        r = bus_call(cli, call, 0, &reply);
        if (r < 0)
                return EXIT_FAILURE;
        r = sd_bus_message_read(reply, "o", &path);
        if (r < 0)
                return status_of(bus_explain_failure(cli, &SD_BUS_ERROR_NULL, r));
        return status_of(sandbox_print_name(cli, path));
}

/* Calls @member with the names of capabilities behind the sandbox's name. */
static int capabilities_change(Cli *cli, int argc, char **argv, const char *member) {
        g_autoptr(sd_bus_message) call = NULL;
        g_autofree char *path = NULL;
        int status;
        int r;

        if (options_only_global(cli, argc, argv, 2, -1, &status) != 0)
                return status;
        if (bus_open(cli) < 0 || bus_find_sandbox(cli, argv[optind], &path) < 0)
                return EXIT_FAILURE;
        call = bus_new_call(cli, path, BUS_SANDBOX_INTERFACE, member);
        r = sd_bus_message_append_strv(call, argv + optind + 1);
        if (r < 0)
                return status_of(bus_explain_failure(cli, &SD_BUS_ERROR_NULL, r));
        return status_of(bus_call(cli, call, 0, NULL));
}

int verb_grant(Cli *cli, int argc, char **argv) {
        return capabilities_change(cli, argc, argv, "Grant");
}

int verb_revoke(Cli *cli, int argc, char **argv) {
        return capabilities_change(cli, argc, argv, "Revoke");
}

/* Calls @member, which takes nothing, on each sandbox named; goes on after a failure. */
static int sandboxes_call(Cli *cli, int argc, char **argv, const char *member) {
        int status;

        if (options_only_global(cli, argc, argv, 1, -1, &status) != 0)
                return status;
        if (bus_open(cli) < 0)
                return EXIT_FAILURE;
        for (int i = optind; i < argc; i++) {
                g_autoptr(sd_bus_message) call = NULL;
                g_autofree char *path = NULL;

                if (bus_find_sandbox(cli, argv[i], &path) < 0) {
                        status = EXIT_FAILURE;
                        continue;
                }
                call = bus_new_call(cli, path, BUS_SANDBOX_INTERFACE, member);
                if (bus_call(cli, call, 0, NULL) < 0)
                        status = EXIT_FAILURE;
        }
        return status;
}

int verb_freeze(Cli *cli, int argc, char **argv) {
        return sandboxes_call(cli, argc, argv, "Freeze");
}

int verb_thaw(Cli *cli, int argc, char **argv) {
        return sandboxes_call(cli, argc, argv, "Thaw");
}

/* "TERM", "SIGTERM", "term" or "15"; -1 for anything else. */
static int signal_from_string(const char *word) {
        const char *name = g_ascii_strncasecmp(word, "SIG", 3) == 0 ? word + 3 : word;
        guint64 number;

        if (g_ascii_string_to_unsigned(word, 10, 1, (guint64) SIGRTMAX, &number, NULL))
                return (int) number;
        for (int i = 1; i < NSIG; i++) {
                const char *known = sigabbrev_np(i);

                if (known && g_ascii_strcasecmp(known, name) == 0)
                        return i;
        }
        return -1;
}

int verb_kill(Cli *cli, int argc, char **argv) {
        static const struct option own[] = { { "signal", required_argument, NULL, 's' }, {} };
        g_autoptr(sd_bus_message) call = NULL;
        g_autofree char *path = NULL;
        int number = SIGTERM;
        int c, r;

        options_begin();
        while ((c = options_next(cli, argc, argv, "s:", own)) != OPTIONS_END) {
                if (c == OPTIONS_HELP) {
                        options_print_help(cli->verb);
                        return EXIT_SUCCESS;
                }
                if (c != 's')
                        return EXIT_USAGE;
                number = signal_from_string(optarg);
                if (number < 0)
                        return options_usage(cli, "Expected a signal's name or number, not '%s'", optarg);
        }
        if (argc - optind != 1)
                return options_usage(cli, "Name one sandbox");
        if (bus_open(cli) < 0 || bus_find_sandbox(cli, argv[optind], &path) < 0)
                return EXIT_FAILURE;
        call = bus_new_call(cli, path, BUS_SANDBOX_INTERFACE, "Kill");
        r = sd_bus_message_append(call, "i", number);
        if (r < 0)
                return status_of(bus_explain_failure(cli, &SD_BUS_ERROR_NULL, r));
        return status_of(bus_call(cli, call, 0, NULL));
}

/* @may_be_gone: a sandbox that has gone by itself meanwhile is what was wanted. */
static int sandbox_stop(Cli *cli, const char *path, bool may_be_gone) {
        g_autoptr(sd_bus_message) call = bus_new_call(cli, path, BUS_SANDBOX_INTERFACE, "Stop");
        sd_bus_error error = SD_BUS_ERROR_NULL;
        int r;

        /* 0 = the template's timeout, however long that is; so this side sets none. */
        r = sd_bus_message_append(call, "t", UINT64_C(0));
        if (r >= 0)
                r = sd_bus_call(cli->bus, call, BUS_TIMEOUT_NONE, &error, NULL);
        if (r < 0 && may_be_gone && bus_error_is_gone(&error))
                r = 0;
        if (r < 0)
                bus_explain_failure(cli, &error, r);
        sd_bus_error_free(&error);
        return r;
}

static int sandboxes_stop_all(Cli *cli) {
        g_autoptr(sd_bus_message) call = bus_new_call(cli, BUS_PATH, BUS_MANAGER_INTERFACE, "ListSandboxes");
        g_autoptr(sd_bus_message) reply = NULL;
        const char *name, *state, *path;
        int status = EXIT_SUCCESS;
        int r;

        r = bus_call(cli, call, 0, &reply);
        if (r < 0)
                return EXIT_FAILURE;
        r = sd_bus_message_enter_container(reply, SD_BUS_TYPE_ARRAY, "(sso)");
        while (r >= 0 && (r = sd_bus_message_read(reply, "(sso)", &name, &state, &path)) > 0)
                if (sandbox_stop(cli, path, true) < 0)
                        status = EXIT_FAILURE;
        if (r < 0)
                return status_of(bus_explain_failure(cli, &SD_BUS_ERROR_NULL, r));
        return status;
}

int verb_stop(Cli *cli, int argc, char **argv) {
        static const struct option own[] = { { "all", no_argument, NULL, 'a' }, {} };
        int status = EXIT_SUCCESS;
        bool all = false;
        int c;

        options_begin();
        while ((c = options_next(cli, argc, argv, "", own)) != OPTIONS_END) {
                if (c == OPTIONS_HELP) {
                        options_print_help(cli->verb);
                        return EXIT_SUCCESS;
                }
                if (c != 'a')
                        return EXIT_USAGE;
                all = true;
        }
        if (all == (optind < argc))
                return options_usage(cli, "Name sandboxes, or say --all");
        if (bus_open(cli) < 0)
                return EXIT_FAILURE;
        if (all)
                return sandboxes_stop_all(cli);

        for (int i = optind; i < argc; i++) {
                g_autofree char *path = NULL;

                if (bus_find_sandbox(cli, argv[i], &path) < 0 || sandbox_stop(cli, path, false) < 0)
                        status = EXIT_FAILURE;
        }
        return status;
}
