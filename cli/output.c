/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "cli/output.h"
#include "config.h"

#define TABLE_COLUMNS_MAX 8

typedef struct Row {
        char *cells[TABLE_COLUMNS_MAX]; /* owned */
} Row;

struct Table {
        const char *const *titles;
        size_t n_columns;
        Colour (*colours[TABLE_COLUMNS_MAX])(const char *text);
        bool right[TABLE_COLUMNS_MAX];
        size_t widths_max[TABLE_COLUMNS_MAX];
        GPtrArray *rows; /* of Row */
};

static const char *const colour_codes[_COLOUR_MAX] = {
        [COLOUR_NONE] = "",          [COLOUR_BOLD] = "\033[1m",    [COLOUR_RED] = "\033[31m",
        [COLOUR_GREEN] = "\033[32m", [COLOUR_YELLOW] = "\033[33m", [COLOUR_CYAN] = "\033[36m",
};

/* Not printable are controls and the invisible: direction overrides, zero-width joiners, the byte order mark.
 * Combining marks stay: names in many languages need them, and they only touch the letter before them. */
static bool unichar_is_harmless(gunichar c) {
        return g_unichar_isprint(c) && c != 0x2028 &&
               c != 0x2029; /* the separators of lines and paragraphs */
}

char *output_escape(const char *text) {
        GString *escaped = g_string_new(NULL);

        while (*text != '\0') {
                gunichar c = g_utf8_get_char_validated(text, -1);

                if (c == (gunichar) -1 || c == (gunichar) -2) {
                        g_string_append_printf(escaped, "\\x%02x", (unsigned char) *text);
                        text++;
                        continue;
                }
                if (unichar_is_harmless(c))
                        g_string_append_unichar(escaped, c);
                else if (c < 0x80)
                        g_string_append_printf(escaped, "\\x%02x", c);
                else
                        g_string_append_printf(escaped, "\\u{%04x}", c);
                text = g_utf8_next_char(text);
        }
        return g_string_free(escaped, FALSE);
}

size_t output_width(const char *text) {
        size_t width = 0;

        for (; *text != '\0'; text = g_utf8_next_char(text)) {
                gunichar c = g_utf8_get_char(text);

                if (!g_unichar_iszerowidth(c))
                        width += g_unichar_iswide(c) ? 2 : 1;
        }
        return width;
}

void output_error(const char *format, ...) {
        g_autofree char *escaped = NULL;
        g_autofree char *text = NULL;
        va_list args;

        va_start(args, format);
        text = g_strdup_vprintf(format, args);
        va_end(args);
        escaped = output_escape(text);
        (void) fflush(stdout);
        fprintf(stderr, "bulkhead: %s\n", escaped);
}

void output_version(void) {
        printf("bulkhead %s\n", BULKHEAD_VERSION);
}

bool output_has_colour(FILE *stream) {
        const char *no_color = g_getenv("NO_COLOR");
        const char *term = g_getenv("TERM");

        if (no_color && no_color[0] != '\0')
                return false;
        return term && strcmp(term, "dumb") != 0 && isatty(fileno(stream));
}

char *output_format_size(uint64_t bytes) {
        static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
        double value = (double) bytes;
        size_t i = 0;

        /* 1023.95 would be rounded to 1024.0 of a unit, so the next one begins there. */
        for (; value >= 1023.95 && i + 1 < G_N_ELEMENTS(units); i++)
                value /= 1024;
        return i == 0 ? g_strdup_printf("%.0f B", value) : g_strdup_printf("%.1f %s", value, units[i]);
}

char *output_format_usec(uint64_t usec) {
        if (usec < 1000)
                return g_strdup_printf("%" G_GUINT64_FORMAT " us", usec);
        if (usec < 999950)
                return g_strdup_printf("%.1f ms", (double) usec / 1000);
        return g_strdup_printf("%.1f s", (double) usec / 1000000);
}

void output_json(json_t *value, FILE *stream) {
        (void) json_dumpf(value, stream, JSON_INDENT(2) | JSON_ENCODE_ANY);
        fputc('\n', stream);
        json_decref(value);
}

void output_json_line(json_t *value, FILE *stream) {
        (void) json_dumpf(value, stream, JSON_COMPACT | JSON_ENCODE_ANY);
        fputc('\n', stream);
        json_decref(value);
}

Colour output_state_colour(const char *state) {
        static const struct {
                const char *state;
                Colour colour;
        } table[] = {
                { "ready", COLOUR_GREEN },     { "frozen", COLOUR_CYAN }, { "creating", COLOUR_YELLOW },
                { "stopping", COLOUR_YELLOW }, { "failed", COLOUR_RED },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(table); i++)
                if (strcmp(table[i].state, state) == 0)
                        return table[i].colour;
        return COLOUR_NONE;
}

static void row_free(gpointer data) {
        Row *row = data;

        for (size_t i = 0; i < TABLE_COLUMNS_MAX; i++)
                g_free(row->cells[i]);
        g_free(row);
}

Table *table_new(const char *const *titles) {
        Table *table = g_new0(Table, 1);

        table->titles = titles;
        while (titles[table->n_columns])
                table->widths_max[table->n_columns++] = SIZE_MAX;
        g_assert(table->n_columns > 0 && table->n_columns <= TABLE_COLUMNS_MAX);
        table->rows = g_ptr_array_new_with_free_func(row_free);
        return table;
}

void table_free(Table *table) {
        if (!table)
                return;
        g_ptr_array_unref(table->rows);
        g_free(table);
}

void table_add(Table *table, const char *const *cells) {
        Row *row = g_new0(Row, 1);

        for (size_t i = 0; i < table->n_columns; i++)
                row->cells[i] = output_escape(cells[i] && cells[i][0] != '\0' ? cells[i] : "-");
        g_ptr_array_add(table->rows, row);
}

void table_set_colour(Table *table, size_t column, Colour (*choose)(const char *text)) {
        g_assert(column < table->n_columns);
        table->colours[column] = choose;
}

void table_set_right(Table *table, size_t column) {
        g_assert(column < table->n_columns);
        table->right[column] = true;
}

void table_set_width_max(Table *table, size_t column, size_t width) {
        g_assert(column < table->n_columns);
        table->widths_max[column] = width;
}

static void cell_print(FILE *stream, const char *text, size_t width, bool right, bool last, Colour colour) {
        size_t used = output_width(text);
        int padding = (int) (width > used ? width - used : 0);

        if (right)
                fprintf(stream, "%*s", padding, "");
        fprintf(stream, "%s%s%s", colour_codes[colour], text, colour == COLOUR_NONE ? "" : "\033[0m");
        if (!right && !last)
                fprintf(stream, "%*s", padding, "");
        fputs(last ? "\n" : "  ", stream);
}

void table_print(const Table *table, FILE *stream, bool header) {
        bool coloured = output_has_colour(stream);
        size_t widths[TABLE_COLUMNS_MAX] = {};

        for (size_t c = 0; c < table->n_columns; c++) {
                if (header)
                        widths[c] = output_width(table->titles[c]);
                for (guint i = 0; i < table->rows->len; i++) {
                        const Row *row = g_ptr_array_index(table->rows, i);
                        size_t width = output_width(row->cells[c]);

                        if (width <= table->widths_max[c])
                                widths[c] = MAX(widths[c], width);
                }
        }

        for (size_t c = 0; header && c < table->n_columns; c++)
                cell_print(stream, table->titles[c], widths[c], table->right[c], c + 1 == table->n_columns,
                           coloured ? COLOUR_BOLD : COLOUR_NONE);

        for (guint i = 0; i < table->rows->len; i++) {
                const Row *row = g_ptr_array_index(table->rows, i);

                for (size_t c = 0; c < table->n_columns; c++) {
                        Colour colour = COLOUR_NONE;

                        if (coloured && table->colours[c])
                                colour = table->colours[c](row->cells[c]);
                        cell_print(stream, row->cells[c], widths[c], table->right[c],
                                   c + 1 == table->n_columns, colour);
                }
        }
}
