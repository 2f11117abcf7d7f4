/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Run options: what `run`, `create` and `exec` may be told
 *
 * One reader for the three, since they share most of it: what belongs to a sandbox goes with run and create,
 * what belongs to a process with run and exec.
 */
#include <glib.h>
#include <systemd/sd-bus.h>

#include "cli/cli.h"

typedef enum RunOptionsFor {
        RUN_OPTIONS_SANDBOX = 1 << 0, /* capabilities, template, name */
        RUN_OPTIONS_PROCESS = 1 << 1, /* working directory, user, terminal, a program */
        RUN_OPTIONS_BOTH = RUN_OPTIONS_SANDBOX | RUN_OPTIONS_PROCESS,
} RunOptionsFor;

typedef struct RunOptions {
        RunOptionsFor wanted;
        GPtrArray *capabilities; /* of const char *, ends with NULL after reading */
        GPtrArray *environment;  /* likewise; "NAME=value" */
        const char *template_name;
        const char *name;
        const char *directory;
        const char *user;
        bool keep;
        bool timings;
} RunOptions;

void run_options_init(RunOptions *options, RunOptionsFor wanted);
void run_options_done(RunOptions *options);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(RunOptions, run_options_done)

/* Reads options up to the first other argument, which optind then names; options_begin() comes before the
 * first call. Returns 0, or 1 with the verb's exit status in @ret_status: --help, or used wrongly. */
int run_options_read(RunOptions *options, Cli *cli, int argc, char **argv, int *ret_status);

/* Adds the options of a sandbox (capabilities, template), or of a process (working directory, user) to an
 * open a{sv}; the environment belongs to the process if there is one. */
int run_options_append_sandbox(const RunOptions *options, sd_bus_message *m);
int run_options_append_process(const RunOptions *options, sd_bus_message *m);
