/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Cli: what every verb of the command line gets, and the verbs themselves
 *
 * A verb is a row in main.c's table and a function here. It reads its options (options.h), talks to the
 * service (bus.h), prints (output.h) and returns the exit status of the program; it is an edge, so it also
 * prints its own failure, once.
 */
#include <stdbool.h>

#include "lib/bulkhead.h"

/* Exit statuses, contract section 3; those of run and exec are the ones a shell and env(1) use. */
#define EXIT_USAGE          2
#define EXIT_BULKHEAD       125
#define EXIT_NOT_EXECUTABLE 126
#define EXIT_NOT_FOUND      127
#define EXIT_SIGNAL_BASE    128

typedef struct Cli {
        const char *address; /* "system", "session" or a D-Bus address; not owned */
        const char *root;    /* --root or NULL; not owned */
        bool json;
        bool quiet;
        const struct Verb *verb; /* the one that runs */
        Bulkhead *service;       /* owned; opened by bus_open() */
} Cli;

typedef struct Verb {
        const char *name;
        const char *synopsis; /* behind "bulkhead NAME " */
        const char *summary;  /* one line of the list */
        const char *help;     /* the rest of --help: options and examples, lines with newline; or NULL */
        int (*run)(Cli *cli, int argc, char **argv); /* argv[0] is the verb; returns the exit status */
} Verb;

/* run.c */
int verb_run(Cli *cli, int argc, char **argv);
int verb_exec(Cli *cli, int argc, char **argv);
int verb_shell(Cli *cli, int argc, char **argv);

/* sandbox.c */
int verb_create(Cli *cli, int argc, char **argv);
int verb_grant(Cli *cli, int argc, char **argv);
int verb_revoke(Cli *cli, int argc, char **argv);
int verb_mount(Cli *cli, int argc, char **argv);
int verb_unmount(Cli *cli, int argc, char **argv);
int verb_freeze(Cli *cli, int argc, char **argv);
int verb_thaw(Cli *cli, int argc, char **argv);
int verb_snapshot(Cli *cli, int argc, char **argv);
int verb_kill(Cli *cli, int argc, char **argv);
int verb_stop(Cli *cli, int argc, char **argv);

/* look.c */
int verb_list(Cli *cli, int argc, char **argv);
int verb_events(Cli *cli, int argc, char **argv);

/* Each in a file of its own. */
int verb_doctor(Cli *cli, int argc, char **argv);
int verb_status(Cli *cli, int argc, char **argv);
int verb_top(Cli *cli, int argc, char **argv);

/* Verbs that need no service; each in a file of its own. */
int verb_capabilities(Cli *cli, int argc, char **argv);
int verb_check(Cli *cli, int argc, char **argv);
int verb_diff(Cli *cli, int argc, char **argv);
int verb_explain(Cli *cli, int argc, char **argv);
