/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "capabilities/finding.h"
#include "capabilities/policy-section.h"

static int add(PolicySection *section, const char *key, const char *value) {
        return policy_section_add(section, key, value, "b.conf", 3, 7, NULL);
}

static void test_words_add_up(void **state G_GNUC_UNUSED) {
        g_autoptr(PolicySection) section = policy_section_new("media");

        assert_int_equal(add(section, "Folders", " /srv//media \t/srv/in:rw"), 0);
        assert_int_equal(add(section, "Folders", "/"), 0);
        assert_int_equal(section->folders->len, 3);

        const PolicyFolder *first = section->folders->pdata[0], *second = section->folders->pdata[1];

        assert_string_equal(first->path, "/srv/media");
        assert_false(first->is_writable);
        assert_string_equal(second->path, "/srv/in");
        assert_true(second->is_writable);
}

static void test_refused_words(void **state G_GNUC_UNUSED) {
        static const struct {
                const char *key, *value;
        } cases[] = {
                { "Capabilities", "!" },
                { "Capabilities", "a b[c]" },
                { "Templates", "../x" },
                { "InsideUsers", "a;b" },
                { "Folders", "relative" },
                { "Folders", "/a/../b" },
                { "Folders", ":rw" },
                { "Users", "12x" },
                { "Users", "-1x 4294967296" },
                { "Groups", "4294967295" },
                { "Groups", "" },
                { "Users", " \t" },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autoptr(PolicySection) section = policy_section_new("media");
                g_auto(Error) error = ERROR_NULL;

                assert_true(policy_section_add(section, cases[i].key, cases[i].value, "b.conf", 1, 1,
                                               &error) < 0);
                assert_int_equal(error.code, ERROR_INVALID_ARGS);
                assert_non_null(error.message);
        }
}

static void test_names(void **state G_GNUC_UNUSED) {
        g_autoptr(PolicySection) section = policy_section_new("media");
        g_autoptr(GPtrArray) findings = findings_new();

        assert_int_equal(add(section, "Users", "root no-such-user 1234"), 0);
        assert_int_equal(add(section, "Groups", "root no-such-group"), 0);
        policy_section_resolve(section, findings);

        static const struct {
                bool is_group, is_known;
                uint32_t id;
        } expected[] = {
                { false, true, 0 }, { false, false, 0 }, { false, true, 1234 },
                { true, true, 0 },  { true, false, 0 },
        };

        assert_int_equal(section->members->len, G_N_ELEMENTS(expected));
        for (size_t i = 0; i < G_N_ELEMENTS(expected); i++) {
                const PolicyMember *member = section->members->pdata[i];

                assert_int_equal(member->is_group, expected[i].is_group);
                assert_int_equal(member->is_known, expected[i].is_known);
                assert_int_equal(member->id, expected[i].id);
        }
        assert_int_equal(findings->len, 2);
        g_autofree char *line = finding_format(findings->pdata[0]);

        assert_string_equal(line, "b.conf:3:7: There is no user 'no-such-user'");
}

static void test_globs(void **state G_GNUC_UNUSED) {
        static const struct {
                const char *globs, *text;
                PolicyAnswer answer;
                bool allow;
        } cases[] = {
                { "com.acme.*", "com.acme.maps", POLICY_ALLOWS, true },
                { "com.acme.*", "com.acme", POLICY_SILENT, true },
                { "*", "anything", POLICY_ALLOWS, true },
                { "!*.camera *", "a.camera", POLICY_DENIES, true },
                { "* !*.camera", "a.camera", POLICY_DENIES, true },
                { "!*.camera", "a.audio", POLICY_SILENT, false },
                { "?", "a", POLICY_ALLOWS, true },
                { "?", "ab", POLICY_SILENT, true },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autoptr(PolicySection) section = policy_section_new("x");

                assert_int_equal(add(section, "Capabilities", cases[i].globs), 0);
                assert_int_equal(policy_globs_answer(section->capabilities, cases[i].text), cases[i].answer);
                assert_int_equal(policy_globs_allow(section->capabilities), cases[i].allow);
        }
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_words_add_up),
                cmocka_unit_test(test_refused_words),
                cmocka_unit_test(test_names),
                cmocka_unit_test(test_globs),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
