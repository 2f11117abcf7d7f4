/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/output.h"

static void test_escape(void **state G_GNUC_UNUSED) {
        static const struct {
                const char *name, *text, *expected;
        } cases[] = {
                { "plain", "Read the maps", "Read the maps" },
                { "empty", "", "" },
                { "other scripts", "Göteborg 東京", "Göteborg 東京" },
                { "a combining mark", "e\xcc\x81", "e\xcc\x81" },
                { "a terminal's control", "\033[2Jx", "\\x1b[2Jx" },
                { "lines and tabs", "a\nb\tc\rd", "a\\x0ab\\x09c\\x0dd" },
                { "delete", "\x7f", "\\x7f" },
                { "C1 controls",
                  "\xc2\x9b"
                  "31m",
                  "\\u{009b}31m" },
                { "not UTF-8", "a\xff\xfe", "a\\xff\\xfe" },
                { "cut off", "a\xe6\x9d", "a\\xe6\\x9d" },
                { "overlong", "\xc0\xaf", "\\xc0\\xaf" },
                { "direction override",
                  "a\xe2\x80\xae"
                  "b",
                  "a\\u{202e}b" },
                { "isolate", "\xe2\x81\xa6", "\\u{2066}" },
                { "zero-width joiner",
                  "a\xe2\x80\x8d"
                  "b",
                  "a\\u{200d}b" },
                { "line separator", "\xe2\x80\xa8", "\\u{2028}" },
                { "byte order mark", "\xef\xbb\xbf", "\\u{feff}" },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autofree char *escaped = output_escape(cases[i].text);

                if (strcmp(escaped, cases[i].expected) != 0)
                        fail_msg("%s: '%s', expected '%s'", cases[i].name, escaped, cases[i].expected);
        }
}

static void test_width(void **state G_GNUC_UNUSED) {
        static const struct {
                const char *text;
                size_t expected;
        } cases[] = {
                { "", 0 }, { "maps", 4 }, { "nämé", 4 }, { "東京", 4 }, { "e\xcc\x81", 1 },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
                if (output_width(cases[i].text) != cases[i].expected)
                        fail_msg("'%s': %zu columns, expected %zu", cases[i].text,
                                 output_width(cases[i].text), cases[i].expected);
}

static void test_units(void **state G_GNUC_UNUSED) {
        static const struct {
                uint64_t number;
                const char *size, *time;
        } cases[] = {
                { 0, "0 B", "0 us" },
                { 999, "999 B", "999 us" },
                { 1000, "1000 B", "1.0 ms" },
                { 1024, "1.0 KiB", "1.0 ms" },
                { 1536, "1.5 KiB", "1.5 ms" },
                { 999949, "976.5 KiB", "999.9 ms" },
                { 999950, "976.5 KiB", "1.0 s" },
                { 1048575, "1.0 MiB", "1.0 s" },
                { 512 * 1024 * 1024, "512.0 MiB", "536.9 s" },
                { UINT64_MAX, "16.0 EiB", "18446744073709.6 s" },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autofree char *size = output_format_size(cases[i].number);
                g_autofree char *time = output_format_usec(cases[i].number);

                assert_string_equal(size, cases[i].size);
                assert_string_equal(time, cases[i].time);
        }
}

/* What @table prints into a file, which is no terminal. */
static char *table_to_string(const Table *table, bool header) {
        char *text = NULL;
        size_t size = 0;
        FILE *stream = open_memstream(&text, &size);

        assert_non_null(stream);
        table_print(table, stream, header);
        assert_int_equal(fclose(stream), 0);
        return text;
}

static void test_table(void **state G_GNUC_UNUSED) {
        static const char *const titles[] = { "NAME", "SIZE", "PATH", NULL };
        g_autoptr(Table) table = table_new(titles);
        char *text;

        table_set_right(table, 1);
        table_set_colour(table, 0, output_state_colour);
        table_add(table, (const char *const[]){ "東京", "7", "/a" });
        table_add(table, (const char *const[]){ "ready", "12345", NULL });
        table_add(table, (const char *const[]){ "a\nb", "", "" });

        text = table_to_string(table, true);
        assert_string_equal(text, "NAME     SIZE  PATH\n"
                                  "東京        7  /a\n"
                                  "ready   12345  -\n"
                                  "a\\x0ab      -  -\n");
        free(text);

        text = table_to_string(table, false);
        assert_string_equal(text, "東京        7  /a\n"
                                  "ready   12345  -\n"
                                  "a\\x0ab      -  -\n");
        free(text);
}

static void test_no_colour(void **state G_GNUC_UNUSED) {
        FILE *file = tmpfile();

        assert_non_null(file);
        assert_int_equal(setenv("TERM", "xterm", 1), 0);
        assert_int_equal(unsetenv("NO_COLOR"), 0);
        assert_false(output_has_colour(file)); /* no terminal */
        assert_int_equal(fclose(file), 0);
}

static void test_state_colours(void **state G_GNUC_UNUSED) {
        static const char *const states[] = { "creating", "ready", "frozen", "stopping", "failed" };

        for (size_t i = 0; i < G_N_ELEMENTS(states); i++)
                assert_int_not_equal(output_state_colour(states[i]), COLOUR_NONE);
        assert_int_equal(output_state_colour("x"), COLOUR_NONE);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_escape),    cmocka_unit_test(test_width),
                cmocka_unit_test(test_units),     cmocka_unit_test(test_table),
                cmocka_unit_test(test_no_colour), cmocka_unit_test(test_state_colours),
        };

        return cmocka_run_group_tests_name("output", tests, NULL, NULL);
}
