/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Options: getopt_long(3) with the options that every verb takes
 *
 * Global options may stand before the verb and behind it; --help too.
 */
#include <getopt.h>

#include "cli/cli.h"

/* What options_next() returns besides the caller's own characters. */
#define OPTIONS_END  (-1) /* no more options; optind is at the first other argument */
#define OPTIONS_BAD  '?'  /* used wrongly; already said on stderr */
#define OPTIONS_HELP 'h'  /* --help or -h */

/* Long options without a letter use values from here on. */
#define OPTIONS_OWN 0x200

/* The lines about them in --help. */
extern const char options_global_help[];

/* Prints how @verb is used. */
void options_print_help(const Verb *verb);

/* Starts reading a new vector. */
void options_begin(void);

/* The next option that the caller must handle; handles the global ones itself. @letters is as for getopt(3),
 * without the leading ':'; with a leading '+' reading stops at the first other argument. @own ends with a row
 * of zeroes; NULL = none. */
int options_next(Cli *cli, int argc, char **argv, const char *letters, const struct option *own);

/* For verbs without options of their own: reads the global ones. Returns 0 to go on, else *ret_status is what
 * the verb returns. @min and @max: how many other arguments there must be (@max < 0: any number). */
int options_only_global(Cli *cli, int argc, char **argv, int min, int max, int *ret_status);

/* Says on stderr that the verb was used wrongly; returns EXIT_USAGE. */
int options_usage(const Cli *cli, const char *format, ...) __attribute__((format(printf, 2, 3)));
