/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * run, exec and shell: one program inside, as if it ran here
 *
 * Without -T the program gets our own standard descriptors, so nothing of what it reads or writes passes
 * through us. With -T it has a terminal of its own, which is made to look like ours: every key and every line
 * goes through.
 *
 * We wait for its end, hand signals on, and return its status. If we die, the service stops a sandbox that we
 * made (bind-to-caller), so an interrupted `run` leaves nothing behind.
 */
#include <errno.h>
#include <glib.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "cli/bus.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/run-options.h"
#include "cli/terminal.h"
#include "util/cleanup.h"

/* After the program's end, what it has written last is on its way through the kernel's buffers; and a program
 * that it left running may hold the terminal open for ever. So long it may be silent. */
#define TERMINAL_QUIET_MSEC 200

typedef struct Run {
        Cli *cli;
        RunOptions *options;
        char *sandbox;    /* owned; object path of a sandbox that we have made */
        char *process;    /* owned; object path, once it runs */
        int signal_fd;    /* owned */
        Relay relay;      /* with -T */
        uint64_t asked;   /* CLOCK_MONOTONIC, us: the call was sent */
        uint64_t running; /* the reply was there */
        uint64_t ended;   /* the program's end was told */
        bool finished;
        int status; /* what we exit with, once finished */
} Run;

static void run_done(Run *run) {
        terminal_restore();
        relay_done(&run->relay);
        fd_closep(&run->signal_fd);
        g_clear_pointer(&run->cli->service, bulkhead_close);
        g_clear_pointer(&run->sandbox, g_free);
        g_clear_pointer(&run->process, g_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Run, run_done)

static void run_finish(Run *run, int status) {
        if (run->finished)
                return;
        run->finished = true;
        run->status = status & 0xff;
}

static uint64_t now_usec(void) {
        return (uint64_t) g_get_monotonic_time();
}

/* A sentence on a raw terminal would begin below the end of the line before. */
static void run_say(const char *text) {
        terminal_restore();
        output_error("%s", text);
}

/* How the program ended -> our exit status, contract section 3. */
static void run_end(Run *run, const char *reason, int status) {
        run->ended = now_usec();
        if (strcmp(reason, "exited") == 0)
                run_finish(run, status);
        else if (strcmp(reason, "killed") == 0 || strcmp(reason, "dumped") == 0)
                run_finish(run, EXIT_SIGNAL_BASE + status);
        else if (strcmp(reason, "oom-kill") == 0) {
                run_say("The program was killed because its sandbox used up its memory");
                run_finish(run, EXIT_SIGNAL_BASE + SIGKILL);
        } else {
                run_say("The program's end was not seen: its sandbox or what guards it died");
                run_finish(run, EXIT_BULKHEAD);
        }
}

static void on_event(const BulkheadEvent *event, void *userdata) {
        Run *run = userdata;

        if (run->finished)
                return;
        if (event->type == BULKHEAD_EVENT_EXITED && g_strcmp0(event->process, run->process) == 0)
                run_end(run, event->reason, event->status);
        if (event->type == BULKHEAD_EVENT_SERVICE_LOST) {
                run_say("The Bulkhead service left the bus; how the program ends cannot be told any more");
                run_finish(run, EXIT_BULKHEAD);
        }
        if (event->type == BULKHEAD_EVENT_DISCONNECTED) {
                run_say("The connection to the bus was lost; how the program ends cannot be told any more");
                run_finish(run, EXIT_BULKHEAD);
        }
}

/* ---- signals ---- */

static void run_kill(Run *run, int number) {
        g_auto(BulkheadError) error = { 0 };
        int r = bulkhead_kill_process(run->cli->service, run->process, number, &error);

        /* A program that has just ended cannot be killed: its end is on its way to us. */
        if (r >= 0 || bulkhead_error_is(&error, BULKHEAD_ERROR_GONE) || bulkhead_error_is(&error, "BadState"))
                return;
        terminal_restore();
        bus_explain_failure(run->cli, &error, r);
        run_finish(run, EXIT_BULKHEAD);
}

static void run_resize(Run *run) {
        g_auto(BulkheadError) error = { 0 };
        uint16_t rows, columns;

        /* One that has just ended needs no size; a service that cannot do this has no terminals either. */
        if (terminal_get_size(&rows, &columns))
                (void) bulkhead_resize(run->cli->service, run->process, rows, columns, &error);
}

/* Somebody else stops us: the terminal is the shell's until we are continued. */
static void run_pause(Run *run) {
        terminal_restore();
        (void) raise(SIGSTOP);
        (void) terminal_set_raw();
        run_resize(run);
}

static void run_take_signal(Run *run) {
        struct signalfd_siginfo info;
        int number;

        if (read(run->signal_fd, &info, sizeof(info)) != (ssize_t) sizeof(info))
                return;
        number = (int) info.ssi_signo;
        if (number == SIGWINCH)
                run_resize(run);
        else if (number == SIGTSTP)
                run_pause(run);
        else if (!run->options->terminal)
                run_kill(run, number);
        else {
                /* On a terminal, keys are signals inside. One from outside takes the terminal away, as its
                 * owner does when a window is closed. */
                run_kill(run, SIGHUP);
                run_finish(run, EXIT_SIGNAL_BASE + number);
        }
}

/* Signals that our parent ignores (nohup(1), a job in the background) stay ignored. Until the program runs
 * they have ended us, and the service has undone the launch. */
static int run_catch_signals(Run *run) {
        static const int numbers[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH, SIGTSTP };
        size_t n = run->options->terminal ? G_N_ELEMENTS(numbers) : 4;
        sigset_t mask;

        (void) sigemptyset(&mask);
        for (size_t i = 0; i < n; i++) {
                struct sigaction action;

                if (sigaction(numbers[i], NULL, &action) != 0 || action.sa_handler != SIG_IGN)
                        (void) sigaddset(&mask, numbers[i]);
        }
        (void) sigprocmask(SIG_BLOCK, &mask, NULL);
        run->signal_fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
        return run->signal_fd < 0 ? -errno : 0;
}

/* ---- the loop ---- */

/* Milliseconds until the library wants to be asked again; -1 = never. */
static int run_get_timeout(Run *run) {
        uint64_t deadline = bulkhead_get_deadline(run->cli->service), now = now_usec();

        if (deadline == UINT64_MAX)
                return -1;
        return deadline <= now ? 0 : (int) MIN((deadline - now + 999) / 1000, (uint64_t) G_MAXINT);
}

static int run_turn(Run *run) {
        struct pollfd fds[] = {
                { .fd = bulkhead_get_fd(run->cli->service),
                  .events = (short) bulkhead_get_poll_events(run->cli->service) },
                { .fd = run->signal_fd, .events = POLLIN },
                { .fd = STDIN_FILENO, .events = relay_get_input_events(&run->relay) },
                { .fd = run->relay.fd, .events = relay_get_terminal_events(&run->relay) },
        };
        int r;

        if (fds[2].events == 0)
                fds[2].fd = -1; /* else a hangup would wake us again and again */
        r = poll(fds, G_N_ELEMENTS(fds), run_get_timeout(run));
        if (r < 0)
                return errno == EINTR ? 0 : -errno;
        (void) relay_copy(&run->relay, fds[2].revents, fds[3].revents);
        if (fds[1].revents)
                run_take_signal(run);
        r = run->finished ? 0 : bulkhead_dispatch(run->cli->service);
        return run->finished ? 0 : r;
}

/* What the program wrote before its end. */
static void run_drain(Run *run) {
        while (run->relay.fd >= 0) {
                struct pollfd fd = { .fd = run->relay.fd, .events = POLLIN };

                if (poll(&fd, 1, TERMINAL_QUIET_MSEC) <= 0)
                        return;
                relay_copy(&run->relay, 0, fd.revents);
        }
}

static int run_open_terminal(Run *run) {
        g_auto(BulkheadError) error = { 0 };
        int fd;
        int r = bulkhead_open_terminal(run->cli->service, run->process, &fd, &error);

        if (r < 0)
                return bus_explain_failure(run->cli, &error, r);
        relay_init(&run->relay, fd);
        run_resize(run);
        r = terminal_set_raw();
        if (r < 0)
                output_error("Cannot set the terminal: %s", g_strerror(-r));
        return r;
}

/* Serves the program that runs until it has ended. Returns the exit status. */
static int run_serve(Run *run) {
        int r;

        bulkhead_set_callback(run->cli->service, on_event, run);
        r = run_catch_signals(run);
        if (r < 0)
                output_error("Cannot catch signals: %s", g_strerror(-r));
        else if (run->options->terminal)
                r = run_open_terminal(run);
        if (r < 0) {
                run_kill(run, SIGKILL);
                return EXIT_BULKHEAD;
        }
        while (!run->finished) {
                r = run_turn(run);
                if (r < 0) {
                        terminal_restore();
                        output_error("Cannot wait for the end of the program: %s", g_strerror(-r));
                        return EXIT_BULKHEAD;
                }
        }
        if (run->ended != 0)
                run_drain(run);
        terminal_restore();
        return run->status;
}

/* What goes into the request besides the options. */
static void run_complete_request(Run *run, unsigned flags) {
        const char *term = g_getenv("TERM");
        uint16_t rows, columns;

        if (!run->options->terminal) {
                for (int fd = 0; fd < 3; fd++)
                        (void) bulkhead_request_set_fd(run->options->request, fd, fd);
        } else {
                flags |= BULKHEAD_TERMINAL;
                if (terminal_get_size(&rows, &columns))
                        bulkhead_request_set_terminal_size(run->options->request, rows, columns);
                if (term && *term && !run->options->has_term)
                        (void) bulkhead_request_set_variable(run->options->request, "TERM", term);
        }
        bulkhead_request_set_flags(run->options->request, flags);
}

/* The answer to the call that starts the program; on failure said, and what to exit with in run->status. */
static int run_started(Run *run, int r, const BulkheadError *error) {
        run->running = now_usec();
        if (r >= 0)
                return 0;
        bus_explain_failure(run->cli, error, r);
        run->status = bus_error_to_exit_status(error);
        return r;
}

static json_t *run_read_timings(Run *run) {
        json_t *properties = bus_get_properties(run->cli, run->sandbox, false);
        json_t *steps = json_incref(json_object_get(properties, "LaunchTimings"));

        json_decref(properties);
        return steps;
}

static void table_add_timing(Table *table, const char *step, uint64_t usec) {
        g_autofree char *time = output_format_usec(usec);

        table_add(table, (const char *const[]){ step, time });
}

/* On stderr: stdout belongs to the program. */
static void run_print_timings(Run *run) {
        static const char *const titles[] = { "STEP", "TIME", NULL };
        g_autoptr(Table) table = NULL;
        json_t *steps = run_read_timings(run);
        json_t *step;
        size_t i;

        if (run->cli->json) {
                output_json(json_pack("{s:o*, s:I, s:I}", "steps", steps, "call",
                                      (json_int_t) (run->running - run->asked), "program",
                                      (json_int_t) (run->ended - run->running)),
                            stderr);
                return;
        }
        table = table_new(titles);
        table_set_right(table, 1);
        json_array_foreach(steps, i, step)
                table_add_timing(table, json_string_value(json_array_get(step, 0)),
                                 (uint64_t) json_integer_value(json_array_get(step, 1)));
        table_add_timing(table, "whole call, as seen from here", run->running - run->asked);
        table_add_timing(table, "the program itself", run->ended - run->running);
        table_print(table, stderr, !run->cli->quiet);
        json_decref(steps);
}

/* The sandbox goes by itself; Stop answers when nothing of it is left, which is what who types `run` expects
 * of the next line. */
static void run_wait_until_gone(Run *run) {
        g_auto(BulkheadError) error = { 0 };
        int r = bulkhead_stop(run->cli->service, run->sandbox, 0, &error);

        if (r < 0 && !bulkhead_error_is(&error, BULKHEAD_ERROR_GONE) &&
            !bulkhead_error_is(&error, "NoSuchSandbox") && !bulkhead_error_is(&error, "BadState"))
                bus_explain_failure(run->cli, &error, r);
}

int verb_run(Cli *cli, int argc, char **argv) {
        g_auto(RunOptions) options = {};
        g_auto(Run) run = { .cli = cli, .options = &options, .signal_fd = -1, .relay.fd = -1 };
        g_auto(BulkheadError) error = { 0 };
        unsigned flags;
        int status;
        int r;

        run_options_init(&options, RUN_OPTIONS_BOTH);
        options_begin();
        if (run_options_read(&options, cli, argc, argv, &status) != 0)
                return status;
        if (optind == argc && !options.has_template)
                return options_usage(cli, "Name a program to run, or a template that does");
        if (bus_open(cli) < 0)
                return EXIT_BULKHEAD;

        /* Timings are a property of the sandbox, so it must be there when its program has ended. */
        flags = (options.keep || options.timings ? BULKHEAD_KEEP : 0) |
                (options.keep ? 0 : BULKHEAD_BIND_TO_CALLER);
        run_complete_request(&run, flags);
        run.asked = now_usec();
        r = bulkhead_launch(cli->service, options.request, (const char *const *) argv + optind, &run.sandbox,
                            &run.process, NULL, &error);
        if (run_started(&run, r, &error) < 0)
                return run.status;
        status = run_serve(&run);

        /* Only a program whose end was told has left a service that still answers. */
        if (run.ended != 0 && options.timings)
                run_print_timings(&run);
        if (run.ended != 0 && !options.keep)
                run_wait_until_gone(&run);
        return status;
}

/* In the sandbox called @name. */
static int exec_in(Run *run, const char *name, const char *const *program) {
        g_auto(BulkheadError) error = { 0 };
        int r;

        if (bus_open(run->cli) < 0)
                return EXIT_BULKHEAD;
        run_complete_request(run, 0);
        r = bulkhead_run(run->cli->service, name, run->options->request, program, &run->process, NULL,
                         &error);
        return run_started(run, r, &error) < 0 ? run->status : run_serve(run);
}

int verb_exec(Cli *cli, int argc, char **argv) {
        g_auto(RunOptions) options = {};
        g_auto(Run) run = { .cli = cli, .options = &options, .signal_fd = -1, .relay.fd = -1 };
        const char *name;
        int status;

        run_options_init(&options, RUN_OPTIONS_PROCESS);
        options_begin();
        if (run_options_read(&options, cli, argc, argv, &status) != 0)
                return status;
        if (optind == argc)
                return options_usage(cli, "Name a sandbox");
        name = argv[optind++];
        if (run_options_read(&options, cli, argc, argv, &status) != 0)
                return status;
        if (optind == argc)
                return options_usage(cli, "Name a program to run");
        return exec_in(&run, name, (const char *const *) argv + optind);
}

int verb_shell(Cli *cli, int argc, char **argv) {
        static const char *const usual[] = { "/bin/sh", NULL };
        g_auto(RunOptions) options = {};
        g_auto(Run) run = { .cli = cli, .options = &options, .signal_fd = -1, .relay.fd = -1 };
        const char *name;
        int status;

        run_options_init(&options, RUN_OPTIONS_PROCESS);
        options_begin();
        if (run_options_read(&options, cli, argc, argv, &status) != 0)
                return status;
        if (optind == argc)
                return options_usage(cli, "Name a sandbox");
        name = argv[optind++];
        if (run_options_read(&options, cli, argc, argv, &status) != 0)
                return status;
        options.terminal = true;
        return exec_in(&run, name, optind < argc ? (const char *const *) argv + optind : usual);
}
