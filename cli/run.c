/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * run and exec: one program inside, as if it ran here
 *
 * The program gets our own standard descriptors, so nothing of what it reads or writes passes through us. We
 * wait for its end, hand signals on, and return its status. If we die, the service stops a sandbox that we
 * made (bind-to-caller), so an interrupted `run` leaves nothing behind.
 */
#include <errno.h>
#include <glib.h>
#include <signal.h>
#include <string.h>
#include <systemd/sd-event.h>

#include "cli/bus.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/run-options.h"

typedef struct Run {
        Cli *cli;
        RunOptions *options;
        sd_event *event;  /* owned */
        char *service;    /* owned; unique bus name of who answered: others can send signals as well */
        char *sandbox;    /* owned; object path, once there is one */
        char *process;    /* owned; object path, once it runs */
        uint64_t asked;   /* CLOCK_MONOTONIC, us: the call was sent */
        uint64_t running; /* the reply was there */
        uint64_t ended;   /* the program's end was told */
        bool finished;
        int status; /* what we exit with, once finished */
} Run;

static const int passed_signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };

static void run_done(Run *run) {
        g_clear_pointer(&run->cli->bus, sd_bus_flush_close_unref);
        g_clear_pointer(&run->event, sd_event_unref);
        g_clear_pointer(&run->service, g_free);
        g_clear_pointer(&run->sandbox, g_free);
        g_clear_pointer(&run->process, g_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Run, run_done)

/* Not sd_event_exit(): it would close the bus, and we still have things to ask. */
static void run_finish(Run *run, int status) {
        if (run->finished)
                return;
        run->finished = true;
        run->status = status & 0xff;
}

static uint64_t now_usec(void) {
        return (uint64_t) g_get_monotonic_time();
}

/* How the program ended -> our exit status, contract section 3. */
static void run_end(Run *run, const char *reason, int status) {
        int exit_status;

        run->ended = now_usec();
        if (strcmp(reason, "exited") == 0)
                exit_status = status;
        else if (strcmp(reason, "killed") == 0 || strcmp(reason, "dumped") == 0)
                exit_status = EXIT_SIGNAL_BASE + status;
        else if (strcmp(reason, "oom-kill") == 0) {
                exit_status = EXIT_SIGNAL_BASE + SIGKILL;
                output_error("The program was killed because its sandbox used up its memory");
        } else {
                exit_status = EXIT_BULKHEAD;
                output_error("The program's end was not seen ('%s'): its sandbox or what guards it died",
                             reason);
        }
        run_finish(run, exit_status);
}

static int on_killed(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        Run *run = userdata;
        const sd_bus_error *error = sd_bus_message_get_error(reply);

        (void) ret_error;
        /* A program that has just ended cannot be killed: its end is on its way to us. */
        if (!error || bus_error_is_gone(error) || sd_bus_error_has_name(error, BUS_ERROR_PREFIX "BadState"))
                return 0;
        bus_explain_failure(run->cli, error, -sd_bus_error_get_errno(error));
        run_finish(run, EXIT_BULKHEAD);
        return 0;
}

static int on_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata) {
        Run *run = userdata;
        g_autoptr(sd_bus_message) call = NULL;
        int r;

        (void) source;
        if (!run->process) {
                /* The service undoes a launch whose caller leaves before the answer. */
                run_finish(run, EXIT_SIGNAL_BASE + (int) info->ssi_signo);
                return 0;
        }
        call = bus_new_call(run->cli, run->process, BUS_PROCESS_INTERFACE, "Kill");
        r = sd_bus_message_append(call, "i", (int) info->ssi_signo);
        if (r >= 0)
                r = sd_bus_call_async(run->cli->bus, NULL, call, on_killed, run, 0);
        if (r < 0) {
                bus_explain_failure(run->cli, &SD_BUS_ERROR_NULL, r);
                run_finish(run, EXIT_BULKHEAD);
        }
        return 0;
}

/* Signals that our parent ignores (nohup(1), a job in the background) stay ignored. */
static int run_catch_signals(Run *run) {
        for (size_t i = 0; i < G_N_ELEMENTS(passed_signals); i++) {
                struct sigaction action;
                sigset_t mask;
                int r;

                if (sigaction(passed_signals[i], NULL, &action) == 0 && action.sa_handler == SIG_IGN)
                        continue;
                sigemptyset(&mask);
                sigaddset(&mask, passed_signals[i]);
                sigprocmask(SIG_BLOCK, &mask, NULL);
                r = sd_event_add_signal(run->event, NULL, passed_signals[i], on_signal, run);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int on_exited_signal(Run *run, sd_bus_message *m) {
        const char *process, *reason;
        uint32_t pid;
        int status;
        int r;

        if (g_strcmp0(sd_bus_message_get_sender(m), run->service) != 0)
                return 0;
        r = sd_bus_message_read(m, "ousi", &process, &pid, &reason, &status);
        if (r < 0) {
                bus_explain_failure(run->cli, &SD_BUS_ERROR_NULL, r);
                run_finish(run, EXIT_BULKHEAD);
                return 0;
        }
        if (g_strcmp0(process, run->process) == 0)
                run_end(run, reason, status);
        return 0;
}

static int on_owner_changed(Run *run, sd_bus_message *m) {
        const char *name, *old_owner, *new_owner;

        if (sd_bus_message_read(m, "sss", &name, &old_owner, &new_owner) < 0 || strcmp(name, BUS_NAME) != 0)
                return 0;
        if (new_owner[0] != '\0' || g_strcmp0(old_owner, run->service) != 0)
                return 0;
        output_error("The Bulkhead service left the bus; how the program ends cannot be told any more");
        run_finish(run, EXIT_BULKHEAD);
        return 0;
}

/* Everything that is no answer. ProcessExited needs no match rule, since it is sent to us alone, and so no
 * round trip before the launch. */
static int on_message(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        Run *run = userdata;

        (void) ret_error;
        if (sd_bus_message_is_signal(m, BUS_SANDBOX_INTERFACE, "ProcessExited") > 0)
                return on_exited_signal(run, m);
        if (sd_bus_message_is_signal(m, "org.freedesktop.DBus", "NameOwnerChanged") > 0)
                return on_owner_changed(run, m);
        if (sd_bus_message_is_signal(m, "org.freedesktop.DBus.Local", "Disconnected") > 0) {
                output_error(
                        "The connection to the bus was lost; how the program ends cannot be told any more");
                run_finish(run, EXIT_BULKHEAD);
        }
        return 0;
}

/* The connection, the loop, and what the loop listens to. */
static int run_open(Run *run) {
        int r;

        r = bus_open(run->cli);
        if (r < 0)
                return r;
        if (sd_bus_can_send(run->cli->bus, SD_BUS_TYPE_UNIX_FD) <= 0) {
                output_error(
                        "The bus '%s' passes no file descriptors, which a program's input and output need",
                        run->cli->address);
                return -EOPNOTSUPP;
        }
        r = sd_event_new(&run->event);
        if (r >= 0)
                r = run_catch_signals(run);
        if (r >= 0)
                r = sd_bus_attach_event(run->cli->bus, run->event, SD_EVENT_PRIORITY_NORMAL);
        if (r >= 0)
                r = sd_bus_add_filter(run->cli->bus, NULL, on_message, run);
        if (r >= 0)
                r = sd_bus_add_match_async(run->cli->bus, NULL,
                                           "type='signal',sender='org.freedesktop.DBus',"
                                           "interface='org.freedesktop.DBus',member='NameOwnerChanged',"
                                           "arg0='" BUS_NAME "'",
                                           NULL, NULL, NULL);
        if (r < 0)
                output_error("Cannot set up the event loop: %s", g_strerror(-r));
        return r;
}

/* True if @reply is no error; else said, and we are finished. */
static bool run_take_reply(Run *run, sd_bus_message *reply) {
        const sd_bus_error *error = sd_bus_message_get_error(reply);

        if (error) {
                bus_explain_failure(run->cli, error, -sd_bus_error_get_errno(error));
                run_finish(run, bus_error_to_exit_status(error));
                return false;
        }
        run->running = now_usec();
        g_free(run->service);
        run->service = g_strdup(sd_bus_message_get_sender(reply));
        return true;
}

static void run_reply_is_bad(Run *run, int r) {
        bus_explain_failure(run->cli, &SD_BUS_ERROR_NULL, r);
        run_finish(run, EXIT_BULKHEAD);
}

static int on_launched(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        Run *run = userdata;
        const char *sandbox, *process;
        uint32_t pid;
        int r;

        (void) ret_error;
        if (!run_take_reply(run, reply))
                return 0;
        r = sd_bus_message_read(reply, "oou", &sandbox, &process, &pid);
        if (r < 0) {
                run_reply_is_bad(run, r);
                return 0;
        }
        run->sandbox = g_strdup(sandbox);
        run->process = g_strdup(process);
        return 0;
}

static int on_waited(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        Run *run = userdata;
        const sd_bus_error *error = sd_bus_message_get_error(reply);
        const char *reason;
        int status;
        int r;

        (void) ret_error;
        if (error) {
                bus_explain_failure(run->cli, error, -sd_bus_error_get_errno(error));
                run_finish(run, EXIT_BULKHEAD);
                return 0;
        }
        r = sd_bus_message_read(reply, "si", &reason, &status);
        if (r < 0)
                run_reply_is_bad(run, r);
        else
                run_end(run, reason, status);
        return 0;
}

static int on_run(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        Run *run = userdata;
        g_autoptr(sd_bus_message) call = NULL;
        const char *process;
        uint32_t pid;
        int r;

        (void) ret_error;
        if (!run_take_reply(run, reply))
                return 0;
        r = sd_bus_message_read(reply, "ou", &process, &pid);
        if (r >= 0) {
                /* The signal goes to who made the sandbox, and that is not us. */
                run->process = g_strdup(process);
                call = bus_new_call(run->cli, run->process, BUS_PROCESS_INTERFACE, "Wait");
                r = sd_bus_call_async(run->cli->bus, NULL, call, on_waited, run, BUS_TIMEOUT_NONE);
        }
        if (r < 0)
                run_reply_is_bad(run, r);
        return 0;
}

static int run_append_stdio(sd_bus_message *m) {
        static const char *const names[] = { "stdin", "stdout", "stderr" };
        int r = 0;

        for (int fd = 0; r >= 0 && fd < 3; fd++)
                r = bus_append_fd(m, names[fd], fd);
        return r;
}

static int run_append_launch(Run *run, sd_bus_message *call, char **program) {
        int r;

        r = sd_bus_message_append(call, "s", run->options->name ? run->options->name : "");
        if (r >= 0)
                r = sd_bus_message_append_strv(call, program);
        if (r >= 0)
                r = sd_bus_message_open_container(call, SD_BUS_TYPE_ARRAY, "{sv}");
        if (r >= 0)
                r = run_options_append_sandbox(run->options, call);
        if (r >= 0)
                r = run_options_append_process(run->options, call);
        if (r >= 0)
                r = run_append_stdio(call);
        /* Timings are a property of the sandbox, so it must be there when its program has ended. */
        if (r >= 0 && (run->options->keep || run->options->timings))
                r = bus_append_bool(call, "keep", true);
        if (r >= 0 && !run->options->keep)
                r = bus_append_bool(call, "bind-to-caller", true);
        if (r >= 0)
                r = sd_bus_message_close_container(call);
        return r;
}

static int run_append_run(Run *run, sd_bus_message *call, char **program) {
        int r;

        r = sd_bus_message_append_strv(call, program);
        if (r >= 0)
                r = sd_bus_message_open_container(call, SD_BUS_TYPE_ARRAY, "{sv}");
        if (r >= 0)
                r = run_options_append_process(run->options, call);
        if (r >= 0)
                r = run_append_stdio(call);
        if (r >= 0)
                r = sd_bus_message_close_container(call);
        return r;
}

/* Sends the call and serves the loop until the program has ended. Returns the exit status. */
static int run_serve(Run *run, sd_bus_message *call, sd_bus_message_handler_t on_reply) {
        int r;

        run->asked = now_usec();
        r = sd_bus_call_async(run->cli->bus, NULL, call, on_reply, run, 0);
        if (r < 0) {
                bus_explain_failure(run->cli, &SD_BUS_ERROR_NULL, r);
                return EXIT_BULKHEAD;
        }
        while (!run->finished) {
                r = sd_event_run(run->event, UINT64_MAX);
                if (r < 0) {
                        output_error("The event loop failed: %s", g_strerror(-r));
                        return EXIT_BULKHEAD;
                }
        }
        return run->status;
}

static int arguments_are_bad(int r) {
        output_error("An argument cannot be sent over D-Bus: %s (names and values must be UTF-8)",
                     g_strerror(-r));
        return EXIT_BULKHEAD;
}

static json_t *run_read_timings(Run *run) {
        g_autoptr(sd_bus_message)
                call = bus_new_call(run->cli, run->sandbox, "org.freedesktop.DBus.Properties", "Get");
        g_autoptr(sd_bus_message) reply = NULL;
        json_t *steps = NULL;

        if (sd_bus_message_append(call, "ss", BUS_SANDBOX_INTERFACE, "LaunchTimings") < 0)
                return NULL;
        if (bus_call(run->cli, call, 0, &reply) < 0)
                return NULL;
        return bus_read_json(reply, &steps) < 0 ? NULL : steps;
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
        g_autoptr(sd_bus_message) call = bus_new_call(run->cli, run->sandbox, BUS_SANDBOX_INTERFACE, "Stop");
        sd_bus_error error = SD_BUS_ERROR_NULL;
        int r;

        r = sd_bus_message_append(call, "t", UINT64_C(0));
        if (r >= 0)
                r = sd_bus_call(run->cli->bus, call, 0, &error, NULL);
        if (r < 0 && !bus_error_is_gone(&error) &&
            !sd_bus_error_has_name(&error, BUS_ERROR_PREFIX "BadState"))
                bus_explain_failure(run->cli, &error, r);
        sd_bus_error_free(&error);
}

int verb_run(Cli *cli, int argc, char **argv) {
        g_auto(RunOptions) options = {};
        g_auto(Run) run = { .cli = cli, .options = &options };
        g_autoptr(sd_bus_message) call = NULL;
        int status;
        int r;

        run_options_init(&options, RUN_OPTIONS_BOTH);
        options_begin();
        if (run_options_read(&options, cli, argc, argv, &status) != 0)
                return status;
        if (optind == argc)
                return options_usage(cli, "Name a program to run");

        if (run_open(&run) < 0)
                return EXIT_BULKHEAD;
        call = bus_new_call(cli, BUS_PATH, BUS_MANAGER_INTERFACE, "Launch");
        r = run_append_launch(&run, call, argv + optind);
        if (r < 0)
                return arguments_are_bad(r);
        status = run_serve(&run, call, on_launched);

        /* Only a program whose end was told has left a service that still answers. */
        if (run.ended != 0 && options.timings)
                run_print_timings(&run);
        if (run.ended != 0 && !options.keep)
                run_wait_until_gone(&run);
        return status;
}

int verb_exec(Cli *cli, int argc, char **argv) {
        g_auto(RunOptions) options = {};
        g_auto(Run) run = { .cli = cli, .options = &options };
        g_autoptr(sd_bus_message) call = NULL;
        const char *name;
        int status;
        int r;

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

        if (run_open(&run) < 0)
                return EXIT_BULKHEAD;
        if (bus_find_sandbox(cli, name, &run.sandbox) < 0)
                return EXIT_BULKHEAD;
        call = bus_new_call(cli, run.sandbox, BUS_SANDBOX_INTERFACE, "Run");
        r = run_append_run(&run, call, argv + optind);
        if (r < 0)
                return arguments_are_bad(r);
        return run_serve(&run, call, on_run);
}
