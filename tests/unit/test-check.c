/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "capabilities/check.h"
#include "tests/unit/folder.h"

#define SET(name, variable, value)                                                                           \
        "{'version': '1', 'capabilities': [{'name': '" name "', 'gateways': [\n"                             \
        "{'id': 'env', 'config': [{'name': '" variable "', 'value': '" value "'}]}]}]}"
#define BROKEN      "{'version': '1', 'capabilities': [\n{'name': 'x', 'gateways': 5}]}"
#define BROKEN_TEXT "2:27: /capabilities/0/gateways: Expected an array, found an integer\n"

/* Findings with the folder cut off, and the number of files. */
static char *check_format(const char *folder, const char *name) {
        g_autofree char *path = g_build_filename(folder, name, NULL);
        g_autoptr(Check) check = check_new();
        GString *text = g_string_new(NULL);

        check_add_path(check, path);
        for (guint i = 0; i < check->findings->len; i++) {
                const Finding *finding = check->findings->pdata[i];
                g_autofree char *one = finding_format(finding);

                assert_true(g_str_has_prefix(one, folder));
                g_string_append_printf(text, "%s%s\n", finding->is_error ? "" : "W ",
                                       one + strlen(folder) + 1);
        }
        g_string_append_printf(text, "%u\n", check->n_files);
        return g_string_free(text, FALSE);
}

static void assert_check(const char *folder, const char *name, const char *expected) {
        g_autofree char *found = check_format(folder, name);

        if (strcmp(found, expected) != 0)
                fail_msg("%s: found\n%sexpected\n%s", name, found, expected);
}

static void test_one_file(void **state) {
        static const struct {
                const char *name, *text, *expected;
        } cases[] = {
                { "good.json", SET("a", "A", "1"), "1\n" },
                { "bad.json", BROKEN, "bad.json:" BROKEN_TEXT "1\n" },
                { "not.json", "{",
                  "not.json:1:1: Not valid JSON: string or '}' expected near end of file\n1\n" },
                { "settings.conf", "[Service]\nX=1\n",
                  "settings.conf:2:1: Unknown key X= in [Service]\n1\n" },
                { "bulkhead.conf", "X=1\n",
                  "bulkhead.conf:1:1: 'X=1' stands before the first [Section]\n1\n" },
                { "kiosk.conf", "# a\n[Template]\n[Limits]\nTasks=none\n",
                  "kiosk.conf:4:7: Tasks='none' is not a number of tasks, expected 1 to 4194304 or 'infinity'\n1\n" },
                { "templates.d/k.conf", "[Servce]\n",
                  "templates.d/k.conf:1:1: Unknown section [Servce], expected one of: Template, Rootfs, Namespaces, "
                  "Process, Limits, Security, Pool\n1\n" },
                { "other.conf", "[Foreign]\n",
                  "other.conf: Neither a manifest nor a template nor settings, expected *.json, or *.conf with a "
                  "section that is known\n0\n" },
                { "notes.txt", "a",
                  "notes.txt: Neither a manifest nor a template nor settings, expected *.json, or "
                  "*.conf with a section that is known\n0\n" },
        };
        const char *folder = *state;

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                folder_put(folder, cases[i].name, cases[i].text);
                assert_check(folder, cases[i].name, cases[i].expected);
        }
        assert_check(folder, "missing.json", "missing.json: Cannot open it: No such file or directory\n0\n");
}

static void test_folders(void **state) {
        const char *folder = *state;

        folder_put(folder, "a/one.json", BROKEN);
        folder_put(folder, "a/b/c/two.json", BROKEN);
        folder_put(folder, "a/manifests.d/three.json", BROKEN);
        folder_put(folder, "a/templates.d/t.conf", "[X]\n");
        folder_put(folder, "a/bulkhead.conf", "[Y]\n");
        folder_put(folder, "a/bulkhead.conf.d/10.conf", "Z\n");
        folder_put(folder, "a/.git/four.json", BROKEN);
        folder_put(folder, "a/foreign.conf", "[Desktop Entry]\n");
        folder_put(folder, "a/README.md", "[Service]\n");
        assert_check(
                folder, "a",
                "a/b/c/two.json:" BROKEN_TEXT
                "a/bulkhead.conf:1:1: Unknown section [Y], expected one of: Service, Ids, Network, Session, "
                "Policy NAME\n"
                "a/bulkhead.conf.d/10.conf:1:1: 'Z' stands before the first [Section]\n"
                "a/manifests.d/three.json:" BROKEN_TEXT "a/one.json:" BROKEN_TEXT
                "a/templates.d/t.conf:1:1: Unknown section [X], expected one of: Template, Rootfs, Namespaces, "
                "Process, Limits, Security, Pool\n6\n");
        assert_check(
                folder, "a/templates.d",
                "a/templates.d/t.conf:1:1: Unknown section [X], expected one of: Template, Rootfs, Namespaces, "
                "Process, Limits, Security, Pool\n1\n");
}

/* Files of one folder are installed together. */
static void test_conflicts(void **state) {
        const char *folder = *state;

        folder_put(folder, "two/1.json", SET("same", "A", "1"));
        folder_put(folder, "two/2.json", SET("same", "A", "2"));
        folder_put(folder, "default/manifests.default.d/1.json", SET("first", "A", "1"));
        folder_put(folder, "default/manifests.default.d/2.json", SET("second", "A", "2"));
        folder_put(folder, "never/manifests.default.d/1.json", SET("all", "A", "1"));
        folder_put(folder, "never/manifests.d/2.json", SET("one", "A", "2"));
        for (size_t i = 0; i < 3; i++) {
                static const char *const names[] = { "two", "default", "never" };
                g_autofree char *found = check_format(folder, names[i]);

                assert_non_null(strstr(found, "2.json:2:26: Variable 'A' is set to '1'"));
                assert_true(g_str_has_suffix(found, "\n2\n"));
        }
        folder_put(folder, "apart/x/1.json", SET("same", "A", "1"));
        folder_put(folder, "apart/y/2.json", SET("same", "A", "2"));
        assert_check(folder, "apart", "2\n");
}

/* Levels, masks and owners count as they will on the system. */
static void test_image(void **state) {
        g_autofree char *mask = g_build_filename(*state, "image/etc/bulkhead/manifests.d/masked.json", NULL);
        const char *folder = *state, *writable;

        folder_put(folder, "image/usr/share/bulkhead/manifests.d/a.json", BROKEN);
        folder_put(folder, "image/usr/share/bulkhead/manifests.d/masked.json", BROKEN);
        folder_put(folder, "image/etc/bulkhead/manifests.d/a.json", SET("a", "A", "1"));
        folder_put(folder, "image/etc/bulkhead/bulkhead.conf", "[X]\n");
        writable = folder_put(folder, "image/etc/bulkhead/templates.d/w.conf", "[Template]\n");
        assert_int_equal(chmod(writable, 0666), 0);
        assert_int_equal(symlink("/dev/null", mask), 0);
        assert_check(
                folder, "image",
                "image/etc/bulkhead/bulkhead.conf:1:1: Unknown section [X], expected one of: Service, Ids, "
                "Network, Session, Policy NAME\n"
                "image/etc/bulkhead/templates.d/w.conf: The file may be written by others than its owner, it is "
                "not read\n2\n");
}

static void test_loops_end(void **state) {
        g_autofree char *link = g_build_filename(*state, "loop/again", NULL);
        const char *folder = *state;

        folder_put(folder, "loop/a.json", SET("a", "A", "1"));
        assert_int_equal(symlink(".", link), 0);
        assert_check(folder, "loop", "1\n");
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_one_file, folder_setup, folder_teardown),
                cmocka_unit_test_setup_teardown(test_folders, folder_setup, folder_teardown),
                cmocka_unit_test_setup_teardown(test_conflicts, folder_setup, folder_teardown),
                cmocka_unit_test_setup_teardown(test_image, folder_setup, folder_teardown),
                cmocka_unit_test_setup_teardown(test_loops_end, folder_setup, folder_teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
