/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * create, grant, revoke, mount, unmount, freeze, thaw, snapshot, kill, stop: verbs that change a sandbox
 */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/bus.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/run-options.h"

/* EXIT_SUCCESS, or after a failure what it was. */
static int status_of_call(const Cli *cli, int r, const BulkheadError *error) {
        if (r >= 0)
                return EXIT_SUCCESS;
        bus_explain_failure(cli, error, r);
        return EXIT_FAILURE;
}

static int sandbox_print_name(Cli *cli, const char *path) {
        json_t *properties = bus_get_properties(cli, path, false);
        const char *name = json_string_value(json_object_get(properties, "Name"));

        if (!properties)
                return EXIT_FAILURE;
        if (cli->json)
                output_json(json_pack("{s:s, s:s}", "name", name ?: "", "path", path), stdout);
        else
                printf("%s\n", name ?: "");
        json_decref(properties);
        return EXIT_SUCCESS;
}

int verb_create(Cli *cli, int argc, char **argv) {
        g_auto(RunOptions) options = {};
        g_auto(BulkheadError) error = { 0 };
        g_autofree char *path = NULL;
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
        r = bulkhead_create(cli->service, options.request, &path, &error);
        return r < 0 ? status_of_call(cli, r, &error) : sandbox_print_name(cli, path);
}

static int capabilities_change(Cli *cli, int argc, char **argv,
                               int (*change)(Bulkhead *, const char *, const char *const *,
                                             BulkheadError *)) {
        g_auto(BulkheadError) error = { 0 };
        int status;

        if (options_only_global(cli, argc, argv, 2, -1, &status) != 0)
                return status;
        if (bus_open(cli) < 0)
                return EXIT_FAILURE;
        return status_of_call(
                cli, change(cli->service, argv[optind], (const char *const *) argv + optind + 1, &error),
                &error);
}

int verb_grant(Cli *cli, int argc, char **argv) {
        return capabilities_change(cli, argc, argv, bulkhead_grant);
}

int verb_revoke(Cli *cli, int argc, char **argv) {
        return capabilities_change(cli, argc, argv, bulkhead_revoke);
}

/* Root's is a path, which the service resolves; what others show they open themselves, so that the service
 * need not wonder whether they may. */
int verb_mount(Cli *cli, int argc, char **argv) {
        g_auto(BulkheadError) error = { 0 };
        g_auto(Bind) bind = { 0 };
        int status, fd;
        int r;

        if (options_only_global(cli, argc, argv, 2, 2, &status) != 0)
                return status;
        if (!bind_parse(argv[optind + 1], &bind))
                return options_usage(
                        cli, "Expected SOURCE:TARGET or SOURCE:TARGET:rw with an absolute TARGET, not '%s'",
                        argv[optind + 1]);
        if (bus_open(cli) < 0)
                return EXIT_FAILURE;
        if (geteuid() == 0) {
                r = bulkhead_mount(cli->service, argv[optind], bind.source, bind.target, bind.flags, &error);
                return status_of_call(cli, r, &error);
        }
        fd = open(bind.source, O_PATH | O_CLOEXEC);
        if (fd < 0) {
                output_error("Cannot open '%s': %s", bind.source, g_strerror(errno));
                return EXIT_FAILURE;
        }
        r = bulkhead_mount_fd(cli->service, argv[optind], fd, bind.target, bind.flags, &error);
        (void) close(fd);
        return status_of_call(cli, r, &error);
}

int verb_unmount(Cli *cli, int argc, char **argv) {
        g_auto(BulkheadError) error = { 0 };
        int status;

        if (options_only_global(cli, argc, argv, 2, 2, &status) != 0)
                return status;
        if (bus_open(cli) < 0)
                return EXIT_FAILURE;
        return status_of_call(cli, bulkhead_unmount(cli->service, argv[optind], argv[optind + 1], &error),
                              &error);
}

/* On each sandbox named; goes on after a failure. */
static int sandboxes_call(Cli *cli, int argc, char **argv,
                          int (*call)(Bulkhead *, const char *, BulkheadError *)) {
        int status;

        if (options_only_global(cli, argc, argv, 1, -1, &status) != 0)
                return status;
        if (bus_open(cli) < 0)
                return EXIT_FAILURE;
        status = EXIT_SUCCESS;
        for (int i = optind; i < argc; i++) {
                g_auto(BulkheadError) error = { 0 };

                if (status_of_call(cli, call(cli->service, argv[i], &error), &error) != EXIT_SUCCESS)
                        status = EXIT_FAILURE;
        }
        return status;
}

int verb_freeze(Cli *cli, int argc, char **argv) {
        return sandboxes_call(cli, argc, argv, bulkhead_freeze);
}

int verb_thaw(Cli *cli, int argc, char **argv) {
        return sandboxes_call(cli, argc, argv, bulkhead_thaw);
}

int verb_snapshot(Cli *cli, int argc, char **argv) {
        g_auto(BulkheadError) error = { 0 };
        int status, fd;
        int r;

        if (options_only_global(cli, argc, argv, 2, 2, &status) != 0)
                return status;
        if (bus_open(cli) < 0)
                return EXIT_FAILURE;
        /* Never over something that is there: a snapshot that fails would have emptied it. */
        fd = open(argv[optind + 1], O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (fd < 0) {
                output_error("Cannot make '%s': %s", argv[optind + 1], g_strerror(errno));
                return EXIT_FAILURE;
        }
        r = bulkhead_snapshot(cli->service, argv[optind], fd, &error);
        (void) close(fd);
        if (r < 0)
                (void) unlink(argv[optind + 1]);
        return status_of_call(cli, r, &error);
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
        g_auto(BulkheadError) error = { 0 };
        int number = SIGTERM;
        int c;

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
        if (bus_open(cli) < 0)
                return EXIT_FAILURE;
        return status_of_call(cli, bulkhead_kill(cli->service, argv[optind], number, &error), &error);
}

/* @may_be_gone: a sandbox that has gone by itself meanwhile is what was wanted. */
static int sandbox_stop(Cli *cli, const char *sandbox, bool may_be_gone) {
        g_auto(BulkheadError) error = { 0 };
        int r = bulkhead_stop(cli->service, sandbox, 0, &error);

        if (r < 0 && may_be_gone &&
            (bulkhead_error_is(&error, BULKHEAD_ERROR_GONE) || bulkhead_error_is(&error, "NoSuchSandbox")))
                return EXIT_SUCCESS;
        return status_of_call(cli, r, &error);
}

static int sandboxes_stop_all(Cli *cli) {
        g_auto(BulkheadError) error = { 0 };
        BulkheadSandbox **sandboxes = NULL;
        int status = EXIT_SUCCESS;
        int r = bulkhead_list(cli->service, &sandboxes, &error);

        if (r < 0)
                return status_of_call(cli, r, &error);
        for (size_t i = 0; sandboxes[i]; i++)
                if (sandbox_stop(cli, sandboxes[i]->path, true) != EXIT_SUCCESS)
                        status = EXIT_FAILURE;
        bulkhead_sandboxes_free(sandboxes);
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

        for (int i = optind; i < argc; i++)
                if (sandbox_stop(cli, argv[i], false) != EXIT_SUCCESS)
                        status = EXIT_FAILURE;
        return status;
}
