/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Output: tables, colours, units and JSON, for people and for programs
 *
 * Names, descriptions and error texts come from manifests and clients; whatever goes to a terminal is escaped
 * here, so that none of it can move a cursor or hide a line. JSON goes out unescaped but for JSON's own
 * rules.
 */
#include <glib.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

typedef enum Colour {
        COLOUR_NONE,
        COLOUR_BOLD,
        COLOUR_RED,
        COLOUR_GREEN,
        COLOUR_YELLOW,
        COLOUR_CYAN,
        _COLOUR_MAX,
} Colour;

/* @text with control characters, invalid UTF-8 and characters that change the direction or cannot be seen as
 * \xNN or \u{NNNN}. Caller frees. */
char *output_escape(const char *text);

/* Columns that @text (escaped, UTF-8) takes on a terminal. */
size_t output_width(const char *text);

/* "bulkhead: <text>" on stderr, escaped. */
void output_error(const char *format, ...) G_GNUC_PRINTF(1, 2);

/* The version of this program on stdout. */
void output_version(void);

/* Whether colours go to @stream: a terminal, TERM not "dumb", NO_COLOR (https://no-color.org) not set. */
bool output_has_colour(FILE *stream);

/* "512 B", "1.5 MiB"; "850 us", "12.4 ms", "3.2 s". Caller frees. */
char *output_format_size(uint64_t bytes);
char *output_format_usec(uint64_t usec);

/* Prints @value with a newline behind it, and takes it. */
void output_json(json_t *value, FILE *stream);
/* The same in one line, for streams of values. */
void output_json_line(json_t *value, FILE *stream);

/* The colour of a sandbox's state ("ready"). */
Colour output_state_colour(const char *state);

/* Rows of cells in aligned columns. */
typedef struct Table Table;

/* @titles ends with NULL and is static. */
Table *table_new(const char *const *titles);
void table_free(Table *table);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Table, table_free)

/* As many cells as titles; copied and escaped; NULL = "-". */
void table_add(Table *table, const char *const *cells);
/* The cells of @column get the colour that @choose gives for their text. */
void table_set_colour(Table *table, size_t column, Colour (*choose)(const char *text));
/* The cells of @column are numbers: aligned to the right. */
void table_set_right(Table *table, size_t column);
/* Cells of @column that are wider than @width keep their text, and push only what stands behind them in their
 * line. */
void table_set_width_max(Table *table, size_t column, size_t width);
/* @header: the titles too. */
void table_print(const Table *table, FILE *stream, bool header);
