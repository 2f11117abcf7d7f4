/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "service/sandbox-name.h"
#include "util/limits.h"

#define NAME_64 "a234567890123456789012345678901234567890123456789012345678901234"

static void test_valid(void **state G_GNUC_UNUSED) {
        static const struct {
                const char *name;
                bool valid;
        } cases[] = {
                { "a", true },         { "0", true },    { "Maps-2_x.y", true }, { NAME_64, true },
                { "", false },         { "-a", false },  { ".a", false },        { "_a", false },
                { "a/b", false },      { "a b", false }, { "a\n", false },       { "1:a", false },
                { "\xc3\xbc", false }, { "..", false },  { NAME_64 "5", false },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
                assert_int_equal(sandbox_name_is_valid(cases[i].name), cases[i].valid);
}

static void test_format(void **state G_GNUC_UNUSED) {
        g_autofree char *own = sandbox_name_format(1000, 1000, "maps");
        g_autofree char *of_other = sandbox_name_format(0, 1000, "maps");

        assert_string_equal(own, "maps");
        assert_string_equal(of_other, "1000:maps");
}

static void test_parse(void **state G_GNUC_UNUSED) {
        static const struct {
                uid_t viewer;
                const char *text;
                uid_t owner;
                const char *name; /* NULL = refused */
        } cases[] = {
                { 1000, "maps", 1000, "maps" },
                { 0, "maps", 0, "maps" },
                { 0, "1000:maps", 1000, "maps" },
                { 0, "0:maps", 0, "maps" },
                /* only root sees those of others */ { 1000, "1001:maps", 0, NULL },
                /* not even in its own case */ { 1000, "1000:maps", 0, NULL },
                { 0, ":maps", 0, NULL },
                { 0, "-1:maps", 0, NULL },
                { 0, "4294967295:maps", 0, NULL },
                { 0, "1000:", 0, NULL },
                { 0, "1000:1000:maps", 0, NULL },
                { 0, "x:maps", 0, NULL },
                { 0, "", 0, NULL },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_auto(Error) error = ERROR_NULL;
                g_autofree char *name = NULL;
                uid_t owner = 7;
                int r = sandbox_name_parse(cases[i].viewer, cases[i].text, &owner, &name, &error);

                if (cases[i].name) {
                        assert_int_equal(r, 0);
                        assert_int_equal(owner, cases[i].owner);
                        assert_string_equal(name, cases[i].name);
                } else {
                        assert_true(r < 0);
                        assert_int_equal(error.code, ERROR_INVALID_NAME);
                        assert_non_null(error.message);
                }
        }
}

/* What was written is told back, but not 4 KiB of it. */
static void test_long_name(void **state G_GNUC_UNUSED) {
        g_autofree char *text = g_strnfill(4096, 'a');
        g_auto(Error) error = ERROR_NULL;
        g_autofree char *name = NULL;
        uid_t owner;

        assert_true(sandbox_name_parse(0, text, &owner, &name, &error) < 0);
        assert_true(strlen(error.message) < 256);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_valid),
                cmocka_unit_test(test_format),
                cmocka_unit_test(test_parse),
                cmocka_unit_test(test_long_name),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
