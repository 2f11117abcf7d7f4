/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <glib/gstdio.h>

#include "capabilities/settings.h"
#include "util/limits.h"

static void test_defaults(void **state G_GNUC_UNUSED) {
        g_autoptr(Settings) settings = settings_new();

        assert_string_equal(settings->bus, "system");
        assert_string_equal(settings->default_template, "default");
        assert_int_equal(settings->sandboxes_max, 1024);
        assert_int_equal(settings->sandboxes_per_user_max, 64);
        assert_int_equal(settings->spare_shims, 1);
        assert_int_equal(settings->ids_base, 0x70000000);
        assert_int_equal(settings->ids_count, 65536 * 1024);
        assert_false(settings->allow_privileged);
        assert_int_equal(settings->policies->len, 0);
        assert_int_equal(settings->findings->len, 0);
}

static void test_all_keys(void **state G_GNUC_UNUSED) {
        g_autoptr(Settings) settings = settings_new();

        settings_parse(settings, "b.conf",
                       "# a comment\n; another\n\n[Service]\n Bus = session \nSoftwareContainer=yes\n"
                       "Compatibility=strict\nDefaultTemplate=media\nMaxSandboxes=10\nMaxSandboxesPerUser=5\n"
                       "SpareShims=0\nAllowPrivileged=true\n[Ids]\nBase=0x10000\nCount=131072\n"
                       "[Network]\nNAT=no\n[Session]\nRuntimeDir=/run/user/7\n");
        assert_int_equal(settings->findings->len, 0);
        assert_string_equal(settings->bus, "session");
        assert_true(settings->softwarecontainer);
        assert_string_equal(settings->compatibility, "strict");
        assert_string_equal(settings->default_template, "media");
        assert_int_equal(settings->sandboxes_max, 10);
        assert_int_equal(settings->sandboxes_per_user_max, 5);
        assert_int_equal(settings->spare_shims, 0);
        assert_true(settings->allow_privileged);
        assert_int_equal(settings->ids_base, 0x10000);
        assert_int_equal(settings->ids_count, 131072);
}

static void test_findings(void **state G_GNUC_UNUSED) {
        static const struct {
                const char *text, *finding;
        } cases[] = {
                { "[Service]\nBuss=system\n",
                  "b.conf:2:1: Unknown key Buss= in [Service]; did you mean 'Bus'" },
                { "[Servce]\nBus=system\n",
                  "b.conf:1:1: Unknown section [Servce]"
                  "; did you mean 'Service', expected one of: Service, Ids, Network, Session, Policy NAME" },
                { "[Service\n", "b.conf:1:1: Section '[Service' has no ']' at its end" },
                { "[Service] x\n", "b.conf:1:1: Section '[Service] x' has no ']' at its end" },
                { "Bus=system\n", "b.conf:1:1: 'Bus=system' stands before the first [Section]" },
                { "[Service]\n\nBus\n",
                  "b.conf:3:1: 'Bus' is not understood, expected [Section], Key=value or # comment" },
                { "[Service]\nBus=\n", "b.conf:2:5: Bus= is empty, expected a value" },
                { "[Service]\nAllowPrivileged=maybe\n",
                  "b.conf:2:17: AllowPrivileged='maybe' is not understood, expected yes or no" },
                { "[Service]\nCompatibility=loose\n",
                  "b.conf:2:15: Compatibility='loose' is unknown, expected one of: safe, strict" },
                { "[Service]\nMaxSandboxes=0\n",
                  "b.conf:2:14: MaxSandboxes='0' is out of range, expected a number from 1 to 1024" },
                { "[Service]\nMaxSandboxes=1025\n",
                  "b.conf:2:14: MaxSandboxes='1025' is out of range, expected a number from 1 to 1024" },
                { "[Service]\nMaxSandboxes=ten\n",
                  "b.conf:2:14: MaxSandboxes='ten' is out of range, expected a number from 1 to 1024" },
                { "[Service]\nSpareShims=-1\n",
                  "b.conf:2:12: SpareShims='-1' is out of range, expected a number from 0 to 64" },
                { "[Ids]\nBase=65535\n",
                  "b.conf:2:6: Base='65535' is out of range, expected a number from 65536 to 4294967295" },
                { "[Service]\nBus=\xff\n", "b.conf:2:1: The line is not UTF-8 text" },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autoptr(Settings) settings = settings_new();

                settings_parse(settings, "b.conf", cases[i].text);
                assert_int_equal(settings->findings->len, 1);
                g_autofree char *line = finding_format(settings->findings->pdata[0]);

                assert_string_equal(line, cases[i].finding);
                assert_string_equal(settings->bus, "system");
                assert_int_equal(settings->sandboxes_max, 1024);
        }
}

static void test_policy(void **state G_GNUC_UNUSED) {
        static const struct {
                const char *text;
                guint n_policies;
                bool is_broken; /* the first one */
                const char *finding; /* NULL = none */
        } cases[] = {
                { "[Policy media]\nUsers=root 1000\nGroups=audio\nCapabilities=com.acme.* !*.camera\n"
                  "Templates=media\nInsideUsers=root 0:5\nFolders=/srv/media /srv/in:rw\n",
                  1, false, NULL },
                { "[Policy a]\nUsers=1\n[Policy b]\nUsers=2\n[Policy a]\nUsers=3\n", 2, false, NULL },
                { "[Policy media]\nCapabilites=!camera\n", 1, true,
                  "b.conf:2:1: Unknown key Capabilites= in [Policy]; did you mean 'Capabilities'" },
                { "[Policy media]\nCapabilities=!cam/era\n", 1, true,
                  "b.conf:2:14: Capabilities= has '!cam/era', expected a name, which may have '*' and '?', and "
                  "'!' in front" },
                { "[Policy media]\nUsers=\n", 1, true, "b.conf:2:7: Users= is empty, expected a value" },
                { "[Policy media]\nUsers=4294967295\n", 1, true,
                  "b.conf:2:7: Users= has '4294967295', expected a name or a number below 4294967295" },
                { "[Policy media]\nFolders=srv\n", 1, true,
                  "b.conf:2:9: Folders= has 'srv': Path 'srv' is not absolute, it has to start with '/'" },
                { "[Policy media]\nnonsense\n", 1, true,
                  "b.conf:2:1: 'nonsense' is not understood, expected [Section], Key=value or # comment" },
                { "[Policy]\n", 1, true, "b.conf:1:1: A policy section has a name: [Policy NAME]" },
                { "[Policyx]\n", 0, false, NULL },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autoptr(Settings) settings = settings_new();

                settings_parse(settings, "b.conf", cases[i].text);
                assert_int_equal(settings->policies->len, cases[i].n_policies);
                if (cases[i].n_policies > 0)
                        assert_int_equal(((PolicySection *) settings->policies->pdata[0])->is_broken,
                                         cases[i].is_broken);
                if (cases[i].finding) {
                        assert_int_equal(settings->findings->len, 1);
                        g_autofree char *line = finding_format(settings->findings->pdata[0]);

                        assert_string_equal(line, cases[i].finding);
                } else if (cases[i].n_policies > 0)
                        assert_int_equal(settings->findings->len, 0);
        }
}

/* (uid_t) -1 and what comes after it are no ids. */
static void test_ids_past_the_end(void **state G_GNUC_UNUSED) {
        g_autoptr(Settings) settings = settings_new();

        settings_parse(settings, "b.conf", "[Ids]\nBase=0xfffe0000\nCount=131072\n");
        assert_int_equal(settings->findings->len, 1);
        assert_int_equal(settings->ids_base, 0x70000000);
        assert_int_equal(settings->ids_count, 65536 * 1024);
}

static void write_file(const char *folder, const char *name, const char *text) {
        g_autofree char *path = g_build_filename(folder, name, NULL);

        assert_true(g_file_set_contents(path, text, -1, NULL));
}

static void remove_file(const char *folder, const char *name) {
        g_autofree char *path = g_build_filename(folder, name, NULL);

        (void) g_remove(path);
}

static void test_files_in_order(void **state G_GNUC_UNUSED) {
        g_autofree char *folder = g_dir_make_tmp("test-settings-XXXXXX", NULL);
        g_autofree char *file = g_build_filename(folder, "main", NULL);
        g_autofree char *big = g_strnfill(SETTINGS_SIZE_MAX + 1, '\n');

        write_file(folder, "main", "[Service]\nBus=one\nDefaultTemplate=main\n");
        write_file(folder, "20.conf", "[Service]\nBus=three\n");
        write_file(folder, "10.conf", "[Service]\nBus=two\nSpareShims=2\n");
        write_file(folder, "30.conf~", "[Service]\nBus=four\n");
        write_file(folder, ".40.conf", "[Service]\nBus=five\n");
        write_file(folder, "50.conf", big);

        g_autoptr(Settings) settings = settings_load(file, folder);

        assert_string_equal(settings->bus, "three");
        assert_string_equal(settings->default_template, "main");
        assert_int_equal(settings->spare_shims, 2);
        assert_int_equal(settings->findings->len, 1); /* the one that is too large */
        assert_true(g_str_has_suffix(((const Finding *) settings->findings->pdata[0])->file, "50.conf"));

        static const char *const names[] = {
                "main", "20.conf", "10.conf", "30.conf~", ".40.conf", "50.conf"
        };

        for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
                remove_file(folder, names[i]);
        assert_int_equal(g_rmdir(folder), 0);
}

static void test_no_files(void **state G_GNUC_UNUSED) {
        g_autoptr(Settings) settings = settings_load("/nonexistent/b.conf", "/nonexistent/b.conf.d");

        assert_int_equal(settings->findings->len, 0);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_defaults),         cmocka_unit_test(test_all_keys),
                cmocka_unit_test(test_findings),         cmocka_unit_test(test_policy),
                cmocka_unit_test(test_ids_past_the_end), cmocka_unit_test(test_files_in_order),
                cmocka_unit_test(test_no_files),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
