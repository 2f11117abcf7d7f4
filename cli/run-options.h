/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Run options: what `run`, `create` and `exec` may be told
 *
 * One reader for the three, since they share most of it: what belongs to a sandbox goes with run and create,
 * what belongs to a process with run and exec.
 */
#include <glib.h>

#include "cli/cli.h"

/* "SOURCE:TARGET" or "SOURCE:TARGET:rw". */
typedef struct Bind {
        char *source; /* owned; absolute: relative ones begin where we are */
        char *target; /* owned; absolute */
        unsigned flags;
} Bind;

bool bind_parse(const char *text, Bind *ret);
void bind_done(Bind *bind);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Bind, bind_done)

typedef enum RunOptionsFor {
        RUN_OPTIONS_SANDBOX = 1 << 0, /* capabilities, template, name */
        RUN_OPTIONS_PROCESS = 1 << 1, /* working directory, user, terminal, a program */
        RUN_OPTIONS_BOTH = RUN_OPTIONS_SANDBOX | RUN_OPTIONS_PROCESS,
} RunOptionsFor;

typedef struct RunOptions {
        RunOptionsFor wanted;
        BulkheadRequest *request; /* owned; all that is sent but flags and descriptors */
        bool has_term;            /* the variable TERM was given */
        bool has_template;        /* which may say what is run */
        bool keep;
        bool terminal;
        bool timings;
} RunOptions;

void run_options_init(RunOptions *options, RunOptionsFor wanted);
void run_options_done(RunOptions *options);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(RunOptions, run_options_done)

/* Reads options up to the first other argument, which optind then names; options_begin() comes before the
 * first call. Returns 0, or 1 with the verb's exit status in @ret_status: --help, or used wrongly. */
int run_options_read(RunOptions *options, Cli *cli, int argc, char **argv, int *ret_status);
