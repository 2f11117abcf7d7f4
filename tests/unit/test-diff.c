/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "capabilities/diff.h"
#include "tests/unit/folder.h"

/* One capability with one gateway; rows are those of the gateway. */
#define CAPABILITY(name, more, gateway, rows)                                                                \
        "{'name': '" name "'" more ", 'gateways': [{'id': '" gateway "', 'config': [" rows "]}]}"
#define MANIFEST(capabilities)     "{'version': '1', 'capabilities': [" capabilities "]}"
#define ONE(gateway, rows)         MANIFEST(CAPABILITY("c", "", gateway, rows))
#define BIND(source, target, more) "{'path-host': '" source "', 'path-container': '" target "'" more "}"
#define OUT(peer)                  "{'direction': 'OUTGOING', 'allow': [" peer "]}"
#define BUS(rule)                  "{'dbus-gateway-config-session': [" rule "]}"
#define TALK(name, method)                                                                                   \
        "{'direction': 'outgoing', 'bus-name': '" name                                                       \
        "', 'interface': 'a.B', 'object-path': '/a', 'method': " method "}"
#define EMPTY MANIFEST("")

/* "verdict[!] capability [kind key]: text\n"; ! = widens. */
static char *format_changes(const GPtrArray *changes) {
        GString *text = g_string_new(NULL);

        for (guint i = 0; i < changes->len; i++) {
                const DiffChange *change = changes->pdata[i];

                g_string_append_printf(text, "%s%s %s", diff_verdict_to_string(change->verdict),
                                       change->widens ? "!" : "", change->capability);
                if (change->kind)
                        g_string_append_printf(text, " [%s %s]", change->kind, change->key);
                g_string_append_printf(text, ": %s\n", change->text);
        }
        return g_string_free(text, FALSE);
}

static Store *load(const char *folder, const char *name, const char *text) {
        g_autofree char *side = g_build_filename(folder, name, NULL);
        g_autofree char *file = g_build_filename(name, "m.json", NULL);
        Store *store;

        folder_put(folder, file, text);
        store = store_load_folder(side);
        for (guint i = 0; i < store_get_findings(store)->len; i++) {
                g_autofree char *finding = finding_format(store_get_findings(store)->pdata[i]);

                fail_msg("%s: %s", text, finding);
        }
        return store;
}

typedef struct Case {
        const char *name, *old, *new, *expected;
} Case;

static void check_case(const char *folder, const Case *c) {
        g_autoptr(Store) old = load(folder, "old", c->old), new = load(folder, "new", c->new);
        g_autoptr(GPtrArray) changes = diff_stores(old, new), same = diff_stores(new, new);
        g_autofree char *found = format_changes(changes);

        if (strcmp(found, c->expected) != 0)
                fail_msg("%s: found\n%sexpected\n%s", c->name, found, c->expected);
        assert_int_equal(diff_widens(changes), strchr(c->expected, '!') != NULL);
        assert_int_equal(same->len, 0);
}

static void check_cases(const char *folder, const Case *cases, size_t n) {
        for (size_t i = 0; i < n; i++)
                check_case(folder, &cases[i]);
}

static void test_items(void **state) {
        static const Case cases[] = {
                { "same", ONE("file", BIND("/a", "/b", "")), ONE("file", BIND("/a", "/b", "")), "" },
                { "written anew", ONE("file", BIND("/a", "/b", "")),
                  ONE("file", "\n\n" BIND("//a/", "/b/.", ", 'read-only': true")), "" },
                { "writable", ONE("file", BIND("/a", "/b", "")),
                  ONE("file", BIND("/a", "/b", ", 'read-only': false")),
                  "widened! c [bind /b]: <- /a read-only -> <- /a writable\n" },
                { "read-only", ONE("file", BIND("/a", "/b", ", 'read-only': false")),
                  ONE("file", BIND("/a", "/b", "")),
                  "narrowed c [bind /b]: <- /a writable -> <- /a read-only\n" },
                { "other source", ONE("file", BIND("/a", "/b", "")), ONE("file", BIND("/z", "/b", "")),
                  "widened! c [bind /b]: <- /a read-only -> <- /z read-only\n" },
                { "other target", ONE("file", BIND("/a", "/b", "")), ONE("file", BIND("/a", "/x", "")),
                  "moved c [bind /x]: was at /b\n" },
                { "other target, writable", ONE("file", BIND("/a", "/b", "")),
                  ONE("file", BIND("/a", "/x", ", 'read-only': false")),
                  "widened! c [bind /x]: <- /a writable\nnarrowed c [bind /b]: <- /a read-only is gone\n" },
                { "another bind", ONE("file", BIND("/a", "/b", "")),
                  ONE("file", BIND("/a", "/b", "") "," BIND("/c", "/d", "")),
                  "widened! c [bind /d]: <- /c read-only\n" },
                { "a bind less", ONE("file", BIND("/a", "/b", "") "," BIND("/c", "/d", "")),
                  ONE("file", BIND("/a", "/b", "")), "narrowed c [bind /d]: <- /c read-only is gone\n" },
                { "other value", ONE("env", "{'name': 'A', 'value': '1'}"),
                  ONE("env", "{'name': 'A', 'value': '2'}"), "widened! c [env A]: = 1 set -> = 2 set\n" },
                { "more access", ONE("devicenode", "{'name': '/dev/x', 'mode': 600, 'access': 'r'}"),
                  ONE("devicenode", "{'name': '/dev/x', 'mode': 600, 'access': 'rw'}"),
                  "widened! c [device /dev/x]: mode 600 read -> mode 600 read,write\n" },
                { "more memory", ONE("cgroups", "{'setting': 'memory.max', 'value': '1M'}"),
                  ONE("cgroups", "{'setting': 'memory.max', 'value': '2M'}"),
                  "widened! c [limit memory.max]: = 1M -> = 2M\n" },
                { "less memory", ONE("cgroups", "{'setting': 'memory.max', 'value': '2M'}"),
                  ONE("cgroups", "{'setting': 'memory.limit_in_bytes', 'value': '1M'}"),
                  "narrowed c [limit memory.max]: = 2M -> = 1M\n" },
                { "a limit is gone",
                  ONE("cgroups",
                      "{'setting': 'cpu.max', 'value': '10%'}, {'setting': 'pids.max', 'value': 5}"),
                  ONE("cgroups", "{'setting': 'pids.max', 'value': 5}"),
                  "widened! c [limit cpu.max]: = 10% of a CPU, in turns of 100000 us is gone, the template's limit "
                  "counts\n" },
                { "a limit that templates have not", ONE("cgroups", "{'setting': 'pids.max', 'value': 5}"),
                  ONE("cgroups",
                      "{'setting': 'cpu.max', 'value': '10%'}, {'setting': 'pids.max', 'value': 5}"),
                  "narrowed c [limit cpu.max]: = 10% of a CPU, in turns of 100000 us\n" },
                { "a limit that templates have", ONE("cgroups", "{'setting': 'cpu.max', 'value': '10%'}"),
                  ONE("cgroups",
                      "{'setting': 'cpu.max', 'value': '10%'}, {'setting': 'pids.max', 'value': 5}"),
                  "widened! c [limit pids.max]: = 5\n" },
                { "capture", ONE("pulseaudio", "{'playback': true}"), ONE("pulseaudio", "{'audio': true}"),
                  "widened! c [socket pulseaudio]: of the owner's session playback -> of the owner's session "
                  "playback,capture\n" },
        };

        check_cases(*state, cases, G_N_ELEMENTS(cases));
}

/* A rule that another one says already is no change. */
static void test_rules(void **state) {
        static const Case cases[] = {
                { "a peer more", ONE("network", OUT("{'host': 'a.example'}")),
                  ONE("network", OUT("{'host': 'a.example'}, {'host': 'b.example'}")),
                  "widened! c [rule out any to b.example]: may pass\n" },
                { "any instead of one",
                  ONE("network", OUT("{'host': 'a.example', 'protocols': 'tcp', 'ports': 80}")),
                  ONE("network", OUT("{'host': '*', 'protocols': 'tcp', 'ports': '79-81'}")),
                  "widened! c [rule out tcp to * port 79-81]: may pass\n" },
                { "one instead of any",
                  ONE("network", OUT("{'host': '*', 'protocols': 'tcp', 'ports': '79-81'}")),
                  ONE("network", OUT("{'host': 'a.example', 'protocols': 'tcp', 'ports': 80}")),
                  "narrowed c [rule out tcp to * port 79-81]: may pass is gone\n" },
                { "a part of a network", ONE("network", OUT("{'host': '10.0.0.0/8'}")),
                  ONE("network", OUT("{'host': '10.0.0.0/8'}, {'host': '10.128.0.0/9'}")), "" },
                { "beside a network", ONE("network", OUT("{'host': '10.0.0.0/9'}")),
                  ONE("network", OUT("{'host': '10.0.0.0/9'}, {'host': '10.128.0.0/9'}")),
                  "widened! c [rule out any to 10.128.0.0/9]: may pass\n" },
                { "above a network", ONE("network", OUT("{'host': '10.0.0.0/9'}")),
                  ONE("network", OUT("{'host': '10.0.0.0/9'}, {'host': '10.0.0.0/8'}")),
                  "widened! c [rule out any to 10.0.0.0/8]: may pass\n" },
                { "no ports", ONE("network", OUT("{'host': '*', 'protocols': 'tcp', 'ports': 80}")),
                  ONE("network", OUT("{'host': '*', 'protocols': 'tcp'}")),
                  "widened! c [rule out tcp to *]: may pass\n" },
                { "icmp is no tcp", ONE("network", OUT("{'host': '*', 'protocols': 'tcp'}")),
                  ONE("network", OUT("{'host': '*', 'protocols': ['tcp', 'icmp']}")),
                  "widened! c [rule out icmp to *]: may pass\n" },
                { "a member more", ONE("dbus", BUS(TALK("x.Y", "['A']"))),
                  ONE("dbus", BUS(TALK("x.Y", "['A', 'B']"))),
                  "widened! c [bus-rule session talk outgoing name x.Y interface a.B path /a member A,B]: may pass\n" },
                { "a member less", ONE("dbus", BUS(TALK("x.Y", "['A', 'B']"))),
                  ONE("dbus", BUS(TALK("x.Y", "'A'"))),
                  "narrowed c [bus-rule session talk outgoing name x.Y interface a.B path /a member A,B]: may pass is "
                  "gone\n" },
                { "one of all", ONE("dbus", BUS(TALK("*", "'*'"))),
                  ONE("dbus", BUS(TALK("*", "'*'") "," TALK("x.Y", "'A'"))), "" },
                { "to own is more than to talk", ONE("dbus", BUS(TALK("*", "'*'"))),
                  ONE("dbus", BUS(TALK("*", "'*'") ", {'own': 'x.Y'}")),
                  "widened! c [bus-rule session own x.Y]: may be owned\n" },
        };

        check_cases(*state, cases, G_N_ELEMENTS(cases));
}

static void test_capabilities(void **state) {
        static const Case cases[] = {
                { "both empty", EMPTY, EMPTY, "" },
                { "added", EMPTY,
                  MANIFEST(CAPABILITY("a", ", 'description': 'An a'", "file", BIND("/a", "/b", ""))),
                  "added! a: An a; 1 item\nadded a [bind /b]: <- /a read-only\n" },
                { "added, opens nothing", EMPTY, MANIFEST("{'name': 'a', 'gateways': []}"),
                  "added a: 0 items\n" },
                { "removed", ONE("file", BIND("/a", "/b", "")), EMPTY,
                  "removed c: 1 item\nremoved c [bind /b]: <- /a read-only\n" },
                { "renamed", MANIFEST(CAPABILITY("old", "", "file", BIND("/a", "/b", ""))),
                  MANIFEST(CAPABILITY("new", "", "file", BIND("/a", "/b", ""))), "moved new: was old\n" },
                { "renamed, no longer high",
                  MANIFEST(CAPABILITY("old", ", 'risk': 'high'", "file", BIND("/a", "/b", ""))),
                  MANIFEST(CAPABILITY("new", "", "file", BIND("/a", "/b", ""))),
                  "widened! new: risk high -> none: granted without a policy\nmoved new: was old\n" },
                { "risk", MANIFEST(CAPABILITY("c", ", 'risk': 'low'", "file", BIND("/a", "/b", ""))),
                  MANIFEST(CAPABILITY("c", ", 'risk': 'high'", "file", BIND("/a", "/b", ""))),
                  "narrowed c: risk low -> high\n" },
                { "renamed and widened is added",
                  MANIFEST(CAPABILITY("old", "", "file", BIND("/a", "/b", ""))),
                  MANIFEST(CAPABILITY("new", "", "file", BIND("/a", "/b", ", 'read-only': false"))),
                  "added! new: 1 item\nadded new [bind /b]: <- /a writable\n"
                  "removed old: 1 item\nremoved old [bind /b]: <- /a read-only\n" },
        };

        check_cases(*state, cases, G_N_ELEMENTS(cases));
}

static void test_files_and_defaults(void **state) {
        static const char text[] = ONE("file", BIND("/a", "/b", ""));
        static const struct {
                const char *name, *old, *new, *expected;
        } cases[] = {
                { "other file", "a.json", "b.json", "moved c: was in a.json\n" },
                { "a default now", "a.json", "manifests.default.d/a.json",
                  "widened! c: every sandbox has it now\n" },
                { "no default now", "manifests.default.d/a.json", "manifests.d/a.json",
                  "narrowed c: only who asks for it has it now\n" },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autofree char *old_name = g_strdup_printf("%zu/old", i),
                                *new_name = g_strdup_printf("%zu/new", i);
                g_autofree char *old_path = g_build_filename(*state, old_name, NULL);
                g_autofree char *new_path = g_build_filename(*state, new_name, NULL), *found = NULL;
                g_autoptr(Store) old = NULL, new = NULL;
                g_autoptr(GPtrArray) changes = NULL;

                folder_put(old_path, cases[i].old, text);
                folder_put(new_path, cases[i].new, text);
                old = store_load_folder(old_path);
                new = store_load_folder(new_path);
                changes = diff_stores(old, new);
                found = format_changes(changes);
                if (strcmp(found, cases[i].expected) != 0)
                        fail_msg("%s: found\n%sexpected\n%s", cases[i].name, found, cases[i].expected);
        }
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_items, folder_setup, folder_teardown),
                cmocka_unit_test_setup_teardown(test_rules, folder_setup, folder_teardown),
                cmocka_unit_test_setup_teardown(test_capabilities, folder_setup, folder_teardown),
                cmocka_unit_test_setup_teardown(test_files_and_defaults, folder_setup, folder_teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
