/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "capabilities/finding.h"

static void test_format(void **state G_GNUC_UNUSED) {
        static const struct {
                const char *name;
                unsigned line, column;
                const char *path, *expected;
        } cases[] = {
                { "all", 3, 7, "/a/0", "f.json:3:7: /a/0: wrong" },
                { "no path", 3, 7, "", "f.json:3:7: wrong" },
                { "no column", 3, 0, "", "f.json:3: wrong" },
                { "the whole file", 0, 0, "", "f.json: wrong" },
                { "a column without a line says nothing", 0, 7, "", "f.json: wrong" },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                Finding *finding = finding_new(true, "f.json", cases[i].line, cases[i].column, cases[i].path,
                                               "wrong");
                g_autofree char *text = finding_format(finding);

                if (g_strcmp0(text, cases[i].expected) != 0)
                        fail_msg("%s: '%s'", cases[i].name, text);
                finding_free(finding);
        }
        finding_free(NULL);
}

static void test_text_becomes_utf8(void **state G_GNUC_UNUSED) {
        Finding *finding = finding_new(false, "\xff.json", 1, 1, "", "\xfe");

        assert_true(g_utf8_validate(finding->file, -1, NULL));
        assert_true(g_utf8_validate(finding->text, -1, NULL));
        finding_free(finding);
}

static void test_sort_and_count(void **state G_GNUC_UNUSED) {
        static const char expected[] = "a:1:1: x|a:1:2: a|a:1:2: b|a:2:1: x|b:1:1: x|";
        g_autoptr(GPtrArray) findings = findings_new();
        g_autoptr(GString) text = g_string_new(NULL);

        g_ptr_array_add(findings, finding_new(true, "b", 1, 1, "", "x"));
        g_ptr_array_add(findings, finding_new(true, "a", 2, 1, "", "x"));
        g_ptr_array_add(findings, finding_new(false, "a", 1, 2, "", "b"));
        g_ptr_array_add(findings, finding_new(false, "a", 1, 2, "", "a"));
        g_ptr_array_add(findings, finding_new(true, "a", 1, 1, "", "x"));
        findings_sort(findings);
        for (guint i = 0; i < findings->len; i++) {
                g_autofree char *one = finding_format(findings->pdata[i]);

                g_string_append_printf(text, "%s|", one);
        }
        assert_string_equal(text->str, expected);
        assert_int_equal(findings_count_errors(findings), 3);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_format),
                cmocka_unit_test(test_text_becomes_utf8),
                cmocka_unit_test(test_sort_and_count),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
