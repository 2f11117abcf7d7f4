/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <glib.h>
#include <string.h>

#include "gateways/dbus-pattern.h"

#define CASES_MAX 32

/* Names that the specification allows, and texts that are none. */
static const struct {
        const char *good[CASES_MAX], *bad[CASES_MAX];
} names[_DBUS_NAME_MAX] = {
        [DBUS_NAME_BUS] = {
                { "com.acme", "com.acme.Radio", "a.b", "_.-", "com.acme-corp.Radio_1", ":1.42", ":1.0.x", ":a-b.c" },
                { "", "com", ".com.acme", "com.", "com..acme", "1com.acme", "com.1acme", ":1", ":.1", ":1.", "com:1.2",
                  "com acme.x", "com/acme", "::1.2", "com.ac:me", "cöm.acme" },
        },
        [DBUS_NAME_OWN] = {
                { "com.acme", "com.acme.Radio", "_.-", "a.b.c.d" },
                { "", "com", ":1.42", "com.", "com..acme", "com.1acme", ".a.b" },
        },
        [DBUS_NAME_INTERFACE] = {
                { "com.acme", "com.acme.Radio1", "_a._1", "a.b" },
                { "", "com", "com.", ".com", "com..acme", "com.acme-corp", "com.1acme", ":1.2", "com/acme", "com.acme." },
        },
        [DBUS_NAME_PATH] = {
                { "/", "/com", "/com/acme/Radio", "/1/2", "/_" },
                { "", "//", "/com/", "com", "/com//acme", "/com/acme-corp", "/com.acme", "/com/acme/ " },
        },
        [DBUS_NAME_MEMBER] = {
                { "Play", "_x", "a1", "SetVolume_2" },
                { "", "1a", "a.b", "a-b", "Play()", "a b", "a/b", ":a" },
        },
};

static void test_names(void **state G_GNUC_UNUSED) {
        for (DBusName kind = 0; kind < _DBUS_NAME_MAX; kind++) {
                for (size_t i = 0; names[kind].good[i]; i++)
                        if (!dbus_pattern_is_possible(kind, names[kind].good[i]))
                                fail_msg("%d: '%s' is refused", kind, names[kind].good[i]);
                for (size_t i = 0; names[kind].bad[i]; i++)
                        if (dbus_pattern_is_possible(kind, names[kind].bad[i]))
                                fail_msg("%d: '%s' is taken", kind, names[kind].bad[i]);
        }
}

/* Whatever fits a name that is allowed is possible: every name with parts of it replaced. */
static void test_patterns_of_names(void **state G_GNUC_UNUSED) {
        for (DBusName kind = 0; kind < _DBUS_NAME_MAX; kind++)
                for (size_t i = 0; names[kind].good[i]; i++) {
                        const char *name = names[kind].good[i];
                        size_t size = strlen(name);

                        for (size_t from = 0; from <= size; from++)
                                for (size_t to = from; to <= size; to++) {
                                        g_autofree char *marks = g_strnfill(to - from, '?');
                                        g_autofree char *start = g_strndup(name, from);
                                        g_autofree char *star = g_strconcat(start, "*", name + to, NULL);
                                        g_autofree char *one = g_strconcat(start, marks, name + to, NULL);

                                        assert_true(g_pattern_match_simple(star, name));
                                        if (!dbus_pattern_is_possible(kind, star))
                                                fail_msg("%d: '%s' fits '%s' and is refused", kind, star,
                                                         name);
                                        if (!dbus_pattern_is_possible(kind, one))
                                                fail_msg("%d: '%s' fits '%s' and is refused", kind, one,
                                                         name);
                                }
                }
}

static void test_patterns(void **state G_GNUC_UNUSED) {
        static const struct {
                DBusName kind;
                const char *pattern;
                bool is_possible;
        } cases[] = {
                { DBUS_NAME_INTERFACE, "*", true },     { DBUS_NAME_INTERFACE, "**", true },
                { DBUS_NAME_INTERFACE, "?", false }, /* a name has two parts and a dot */
                { DBUS_NAME_INTERFACE, "??", false },   { DBUS_NAME_INTERFACE, "???", true },
                { DBUS_NAME_INTERFACE, "com*", true },  { DBUS_NAME_INTERFACE, "com.*", true },
                { DBUS_NAME_INTERFACE, "com.?", true }, { DBUS_NAME_INTERFACE, "*.", false },
                { DBUS_NAME_INTERFACE, ".*", false },   { DBUS_NAME_INTERFACE, "*..*", false },
                { DBUS_NAME_INTERFACE, "*.1*", false }, { DBUS_NAME_INTERFACE, "*?1*", true },
                { DBUS_NAME_INTERFACE, "*-*", false },  { DBUS_NAME_INTERFACE, "*:*", false },
                { DBUS_NAME_INTERFACE, "*/*", false },  { DBUS_NAME_INTERFACE, "*[ab]*", false },
                { DBUS_NAME_BUS, "*-*", true },         { DBUS_NAME_BUS, ":*", true },
                { DBUS_NAME_BUS, "*:*", true },         { DBUS_NAME_BUS, "?*:*", false },
                { DBUS_NAME_BUS, ":?", false },         { DBUS_NAME_BUS, "*.1", true }, /* of :1.1 */
                { DBUS_NAME_OWN, "*.1", false },        { DBUS_NAME_OWN, ":*", false },
                { DBUS_NAME_PATH, "?", true },          { DBUS_NAME_PATH, "?com", true },
                { DBUS_NAME_PATH, "com*", false },      { DBUS_NAME_PATH, "*/", true }, /* of "/" */
                { DBUS_NAME_PATH, "?*/", false },       { DBUS_NAME_PATH, "*//*", false },
                { DBUS_NAME_PATH, "*.*", false },       { DBUS_NAME_MEMBER, "?", true },
                { DBUS_NAME_MEMBER, "1*", false },      { DBUS_NAME_MEMBER, "*.*", false },
                { DBUS_NAME_MEMBER, "?1", true },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
                if (dbus_pattern_is_possible(cases[i].kind, cases[i].pattern) != cases[i].is_possible)
                        fail_msg("%d: '%s'", cases[i].kind, cases[i].pattern);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_names),
                cmocka_unit_test(test_patterns_of_names),
                cmocka_unit_test(test_patterns),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
