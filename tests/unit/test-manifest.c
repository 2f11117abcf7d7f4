/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "capabilities/capability-private.h"
#include "capabilities/manifest.h"
#include "tests/unit/findings.h"
#include "tests/unit/source.h"
#include "util/limits.h"

static Manifest *parse(const char *text) {
        g_autofree char *quoted = quote_json(text);

        return manifest_parse("test.json", quoted, strlen(quoted));
}

static void assert_text(const char *name, const char *found, const char *expected) {
        if (strcmp(found, expected) != 0)
                fail_msg("%s:\nfound\n%s\nexpected\n%s", name, found, expected);
}

static void assert_findings(const char *name, const Manifest *manifest, const char *expected) {
        g_autofree char *found = format_findings(manifest_get_findings(manifest));

        assert_text(name, found, expected);
}

/* The names of its capabilities, those with errors with a '!' before. */
static char *format_names(const Manifest *manifest) {
        const GPtrArray *capabilities = manifest_get_capabilities(manifest);
        GString *text = g_string_new(NULL);

        for (guint i = 0; i < capabilities->len; i++) {
                const ManifestCapability *capability = g_ptr_array_index(capabilities, i);

                g_string_append_printf(text, "%s%s%s", i > 0 ? " " : "", capability->has_errors ? "!" : "",
                                       capability->name);
        }
        return g_string_free(text, FALSE);
}

/* What all capabilities of the file open together, as text. */
static char *format_plan(const Manifest *manifest) {
        g_autoptr(GPtrArray) all = g_ptr_array_new_with_free_func((GDestroyNotify) capability_unref);
        const GPtrArray *definitions = manifest_get_capabilities(manifest);
        g_autoptr(Plan) plan = plan_new();
        g_auto(Error) error = ERROR_NULL;

        for (guint i = 0; i < definitions->len; i++) {
                ManifestCapability *definition = g_ptr_array_index(definitions, i);
                Capability *capability = capability_new(definition->name, false);

                assert_false(definition->has_errors);
                capability_add_definition(capability, "test.json", definition);
                g_ptr_array_add(all, capability);
        }
        if (capabilities_plan(all, plan, &error) < 0)
                fail_msg("Not planned: %s", error.message);
        return plan_print_text(plan);
}

static void test_refused(void **state G_GNUC_UNUSED) {
        static const struct {
                const char *name, *text, *names, *findings;
        } cases[] = {
                { "empty file", "", "",
                  "1:1 error : Not valid JSON: '[' or '{' expected near end of file\n" },
                { "not JSON", "capabilities: []", "",
                  "1:12 error : Not valid JSON: '[' or '{' expected near 'capabilities'\n" },
                { "an array", "[]", "", "1:1 error : Expected an object, found an array\n" },
                { "empty object", "{}", "", "1:1 error : Key 'capabilities' is missing\n" },
                { "duplicate key in a capability",
                  "{'version': '1',\n"
                  " 'capabilities': [\n"
                  "{'name': 'a.b', 'gateways': [], 'gateways': []}]}",
                  "", "3:33 error /capabilities/0/gateways: Duplicate key 'gateways'\n" },
                { "no capabilities", "{'version': '1'}", "", "1:1 error : Key 'capabilities' is missing\n" },
                { "capabilities: object", "{'version': '1', 'capabilities': {}}", "",
                  "1:34 error /capabilities: Expected an array, found an object\n" },
                { "capabilities: null", "{'version': '1', 'capabilities': null}", "",
                  "1:34 error /capabilities: Expected an array, found null\n" },
                { "misspelt capabilities", "{'version': '1', 'capabilites': []}", "",
                  "1:1 error : Key 'capabilities' is missing\n"
                  "1:18 warning /capabilites: Unknown key 'capabilites'; did you mean "
                  "'capabilities', expected one of: $schema, description, version, capabilities\n" },
                { "version: 2",
                  "{'version': '2',\n"
                  " 'capabilities': [\n"
                  "{'name': 'ok.cap', 'gateways': [\n"
                  "{'id': 'file', 'config': [\n"
                  "{'path-host': '/x', 'path-container': '/y'}]}]}]}",
                  "", "1:13 error /version: Version '2' is not known, expected \"1\"\n" },
                { "version: 1.0",
                  "{'version': '1.0',\n"
                  " 'capabilities': [\n"
                  "{'name': 'ok.cap', 'gateways': [\n"
                  "{'id': 'file', 'config': [\n"
                  "{'path-host': '/x', 'path-container': '/y'}]}]}]}",
                  "", "1:13 error /version: Version '1.0' is not known, expected \"1\"\n" },
                { "version: number 2",
                  "{'version': 2,\n"
                  " 'capabilities': [\n"
                  "{'name': 'ok.cap', 'gateways': [\n"
                  "{'id': 'file', 'config': [\n"
                  "{'path-host': '/x', 'path-container': '/y'}]}]}]}",
                  "", "1:13 error /version: Expected a string, found an integer\n" },
                { "version: null",
                  "{'version': null,\n"
                  " 'capabilities': [\n"
                  "{'name': 'ok.cap', 'gateways': [\n"
                  "{'id': 'file', 'config': [\n"
                  "{'path-host': '/x', 'path-container': '/y'}]}]}]}",
                  "", "1:13 error /version: Expected a string, found null\n" },
                { "version: empty",
                  "{'version': '',\n"
                  " 'capabilities': [\n"
                  "{'name': 'ok.cap', 'gateways': [\n"
                  "{'id': 'file', 'config': [\n"
                  "{'path-host': '/x', 'path-container': '/y'}]}]}]}",
                  "", "1:13 error /version: Expected a string that is not empty\n" },
                { "$schema: number",
                  "{'$schema': 1, 'version': '1',\n"
                  " 'capabilities': [\n"
                  "{'name': 'ok.cap', 'gateways': [\n"
                  "{'id': 'file', 'config': [\n"
                  "{'path-host': '/x', 'path-container': '/y'}]}]}]}",
                  "", "1:13 error /$schema: Expected a string, found an integer\n" },
                { "description of the file: array",
                  "{'description': [], 'version': '1',\n"
                  " 'capabilities': [\n"
                  "{'name': 'ok.cap', 'gateways': [\n"
                  "{'id': 'file', 'config': [\n"
                  "{'path-host': '/x', 'path-container': '/y'}]}]}]}",
                  "", "1:17 error /description: Expected a string, found an array\n" },
                { "capability: string",
                  "{'version': '1',\n"
                  " 'capabilities': [\n"
                  "'a.b']}",
                  "", "3:1 error /capabilities/0: Expected an object, found a string\n" },
                { "capability without name",
                  "{'version': '1',\n"
                  " 'capabilities': [\n"
                  "{'gateways': []},\n"
                  "{'name': 'ok.cap', 'gateways': [\n"
                  "{'id': 'file', 'config': [\n"
                  "{'path-host': '/x', 'path-container': '/y'}]}]}]}",
                  "ok.cap", "3:1 error /capabilities/0: Key 'name' is missing\n" },
                { "capability without gateways",
                  "{'version': '1',\n"
                  " 'capabilities': [\n"
                  "{'name': 'a.b'},\n"
                  "{'name': 'ok.cap', 'gateways': [\n"
                  "{'id': 'file', 'config': [\n"
                  "{'path-host': '/x', 'path-container': '/y'}]}]}]}",
                  "!a.b ok.cap", "3:1 error /capabilities/0: Key 'gateways' is missing\n" },
                { "name: number",
                  "{'version': '1',\n"
                  " 'capabilities': [\n"
                  "{'name': 5, 'gateways': []}]}",
                  "", "3:10 error /capabilities/0/name: Expected a string, found an integer\n" },
                { "name: empty",
                  "{'version': '1',\n"
                  " 'capabilities': [\n"
                  "{'name': '', 'gateways': []}]}",
                  "", "3:10 error /capabilities/0/name: Expected a string that is not empty\n" },
                { "name: space",
                  "{'version': '1',\n"
                  " 'capabilities': [\n"
                  "{'name': 'a b', 'gateways': []}]}",
                  "",
                  "3:10 error /capabilities/0/name: Invalid capability name 'a b', expected "
                  "letters, digits, '.', '_' and '-', beginning with a letter or digit\n" },
                { "name: slash",
                  "{'version': '1',\n"
                  " 'capabilities': [\n"
                  "{'name': '../a', 'gateways': []}]}",
                  "",
                  "3:10 error /capabilities/0/name: Invalid capability name '../a', expected "
                  "letters, digits, '.', '_' and '-', beginning with a letter or digit\n" },
                { "name: leading dash",
                  "{'version': '1',\n"
                  " 'capabilities': [\n"
                  "{'name': '-a', 'gateways': []}]}",
                  "",
                  "3:10 error /capabilities/0/name: Invalid capability name '-a', expected "
                  "letters, digits, '.', '_' and '-', beginning with a letter or digit\n" },
                { "name: umlaut",
                  "{'version': '1',\n"
                  " 'capabilities': [\n"
                  "{'name': 'ä.b', 'gateways': []}]}",
                  "",
                  "3:10 error /capabilities/0/name: Invalid capability name 'ä.b', expected "
                  "letters, digits, '.', '_' and '-', beginning with a letter or digit\n" },
                { "name: newline",
                  "{'version': '1',\n"
                  " 'capabilities': [\n"
                  "{'name': 'a\\nb', 'gateways': []}]}",
                  "",
                  "3:10 error /capabilities/0/name: Control character U+000A in a string, expected "
                  "none\n" },
                { "description: number",
                  "{'version': '1',\n"
                  " 'capabilities': [\n"
                  "{'name': 'a.b', 'description': 5, 'gateways': []}]}",
                  "!a.b", "3:32 error /capabilities/0/description: Expected a string, found an integer\n" },
                { "risk: unknown",
                  "{'version': '1',\n"
                  " 'capabilities': [\n"
                  "{'name': 'a.b', 'risk': 'none', 'gateways': []}]}",
                  "!a.b",
                  "3:25 error /capabilities/0/risk: Unknown risk 'none', expected one of: low, "
                  "medium, high\n" },
                { "risk: misspelt",
                  "{'version': '1',\n"
                  " 'capabilities': [\n"
                  "{'name': 'a.b', 'risk': 'hihg', 'gateways': []}]}",
                  "!a.b",
                  "3:25 error /capabilities/0/risk: Unknown risk 'hihg'; did you mean 'high', "
                  "expected one of: low, medium, high\n" },
                { "risk: number",
                  "{'version': '1',\n"
                  " 'capabilities': [\n"
                  "{'name': 'a.b', 'risk': 1, 'gateways': []}]}",
                  "!a.b", "3:25 error /capabilities/0/risk: Expected a string, found an integer\n" },
                { "gateways: object",
                  "{'version': '1',\n"
                  " 'capabilities': [\n"
                  "{'name': 'a.b', 'gateways': {'id': 'file'}}]}",
                  "!a.b", "3:29 error /capabilities/0/gateways: Expected an array, found an object\n" },
                { "gateway: string",
                  "{'version': '1',\n"
                  " 'capabilities': [\n"
                  "{'name': 'a.b', 'gateways': [\n"
                  "'file']}]}",
                  "!a.b", "4:1 error /capabilities/0/gateways/0: Expected an object, found a string\n" },
                { "gateway without id",
                  "{'version': '1',\n"
                  " 'capabilities': [\n"
                  "{'name': 'a.b', 'gateways': [\n"
                  "{'config': [\n"
                  "{'path-host': '/x', 'path-container': '/y'}]}]}]}",
                  "!a.b", "4:1 error /capabilities/0/gateways/0: Key 'id' is missing\n" },
                { "gateway without config",
                  "{'version': '1',\n"
                  " 'capabilities': [\n"
                  "{'name': 'a.b', 'gateways': [\n"
                  "{'id': 'file'}]}]}",
                  "!a.b", "4:1 error /capabilities/0/gateways/0: Key 'config' is missing\n" },
                { "id: number",
                  "{'version': '1',\n"
                  " 'capabilities': [\n"
                  "{'name': 'a.b', 'gateways': [\n"
                  "{'id': 1, 'config': [1]}]}]}",
                  "!a.b", "4:8 error /capabilities/0/gateways/0/id: Expected a string, found an integer\n" },
                { "id: empty",
                  "{'version': '1',\n"
                  " 'capabilities': [\n"
                  "{'name': 'a.b', 'gateways': [\n"
                  "{'id': '', 'config': [1]}]}]}",
                  "!a.b", "4:8 error /capabilities/0/gateways/0/id: Expected a string that is not empty\n" },
                { "id: misspelt",
                  "{'version': '1',\n"
                  " 'capabilities': [\n"
                  "{'name': 'a.b', 'gateways': [\n"
                  "{'id': 'netwrok', 'config': [\n"
                  "{}]}]},\n"
                  "{'name': 'ok.cap', 'gateways': [\n"
                  "{'id': 'file', 'config': [\n"
                  "{'path-host': '/x', 'path-container': '/y'}]}]}]}",
                  "!a.b ok.cap",
                  "4:8 error /capabilities/0/gateways/0/id: Unknown gateway 'netwrok'; did you "
                  "mean 'network', expected one of: file, network, pulseaudio, devicenode, dbus, "
                  "cgroups, wayland, env\n" },
                { "id: misspelt file",
                  "{'version': '1',\n"
                  " 'capabilities': [\n"
                  "{'name': 'a.b', 'gateways': [\n"
                  "{'id': 'File', 'config': [\n"
                  "{'path-host': '/x', 'path-container': '/y'}]}]}]}",
                  "!a.b",
                  "4:8 error /capabilities/0/gateways/0/id: Unknown gateway 'File'; did you mean "
                  "'file', expected one of: file, network, pulseaudio, devicenode, dbus, "
                  "cgroups, wayland, env\n" },
                { "id: far from all",
                  "{'version': '1',\n"
                  " 'capabilities': [\n"
                  "{'name': 'a.b', 'gateways': [\n"
                  "{'id': 'bluetooth', 'config': [\n"
                  "{}]}]}]}",
                  "!a.b",
                  "4:8 error /capabilities/0/gateways/0/id: Unknown gateway 'bluetooth', expected "
                  "one of: file, network, pulseaudio, devicenode, dbus, cgroups, wayland, env\n" },
                { "config: of another gateway",
                  "{'version': '1',\n"
                  " 'capabilities': [\n"
                  "{'name': 'a.b', 'gateways': [\n"
                  "{'id': 'file', 'config': [\n"
                  "{'path-host': '/x', 'path-container': '/y'}]},\n"
                  "{'id': 'network', 'config': [\n"
                  "{'host': '*'}]}]},\n"
                  "{'name': 'ok.cap', 'gateways': [\n"
                  "{'id': 'file', 'config': [\n"
                  "{'path-host': '/x', 'path-container': '/y'}]}]}]}",
                  "!a.b ok.cap",
                  "7:1 error /capabilities/0/gateways/1/config/0: Key 'direction' is missing\n"
                  "7:1 error /capabilities/0/gateways/1/config/0: Key 'allow' is missing\n"
                  "7:2 error /capabilities/0/gateways/1/config/0/host: Unknown key 'host', expected "
                  "one of: direction, allow\n" },
                { "config: empty",
                  "{'version': '1',\n"
                  " 'capabilities': [\n"
                  "{'name': 'a.b', 'gateways': [\n"
                  "{'id': 'file', 'config': []}]}]}",
                  "!a.b",
                  "4:26 error /capabilities/0/gateways/0/config: The array has 0 elements, "
                  "expected at least 1\n" },
                { "config: object",
                  "{'version': '1',\n"
                  " 'capabilities': [\n"
                  "{'name': 'a.b', 'gateways': [\n"
                  "{'id': 'file', 'config': {'path-host': '/x', 'path-container': '/y'}}]}]}",
                  "!a.b",
                  "4:26 error /capabilities/0/gateways/0/config: Expected an array, found an "
                  "object\n" },
                { "config: null",
                  "{'version': '1',\n"
                  " 'capabilities': [\n"
                  "{'name': 'a.b', 'gateways': [\n"
                  "{'id': 'env', 'config': null}]}]}",
                  "!a.b", "4:25 error /capabilities/0/gateways/0/config: Expected an array, found null\n" },
                { "row: string",
                  "{'version': '1',\n"
                  " 'capabilities': [\n"
                  "{'name': 'a.b', 'gateways': [\n"
                  "{'id': 'file', 'config': [\n"
                  "'/x']}]}]}",
                  "!a.b",
                  "5:1 error /capabilities/0/gateways/0/config/0: Expected an object, found a "
                  "string\n" },
                { "row: unknown key",
                  "{'version': '1',\n"
                  " 'capabilities': [\n"
                  "{'name': 'a.b', 'gateways': [\n"
                  "{'id': 'file', 'config': [\n"
                  "{'path-host': '/x', 'path-container': '/y', 'readonly': true}]}]}]}",
                  "!a.b",
                  "5:45 error /capabilities/0/gateways/0/config/0/readonly: Unknown key "
                  "'readonly'; did you mean 'read-only', expected one of: path-host, "
                  "path-container, read-only, optional, recursive\n" },
                { "row: wrong type",
                  "{'version': '1',\n"
                  " 'capabilities': [\n"
                  "{'name': 'a.b', 'gateways': [\n"
                  "{'id': 'file', 'config': [\n"
                  "{'path-host': '/x',\n"
                  " 'path-container': '/y',\n"
                  " 'read-only': 'false'}]}]}]}",
                  "!a.b",
                  "7:15 error /capabilities/0/gateways/0/config/0/read-only: Expected true or "
                  "false, found a string\n" },
                { "row: second is bad",
                  "{'version': '1',\n"
                  " 'capabilities': [\n"
                  "{'name': 'a.b', 'gateways': [\n"
                  "{'id': 'file', 'config': [\n"
                  "{'path-host': '/x', 'path-container': '/y'},\n"
                  "{'path-host': 'x', 'path-container': '/y'}]}]},\n"
                  "{'name': 'ok.cap', 'gateways': [\n"
                  "{'id': 'file', 'config': [\n"
                  "{'path-host': '/x', 'path-container': '/y'}]}]}]}",
                  "!a.b ok.cap",
                  "6:15 error /capabilities/0/gateways/0/config/1/path-host: Path 'x' is not "
                  "absolute, it has to start with '/'\n" },
                { "row: env mode",
                  "{'version': '1',\n"
                  " 'capabilities': [\n"
                  "{'name': 'a.b', 'gateways': [\n"
                  "{'id': 'env', 'config': [\n"
                  "{'name': 'A', 'value': '1', 'mode': 'replace'}]}]}]}",
                  "!a.b",
                  "5:37 error /capabilities/0/gateways/0/config/0/mode: Unknown mode 'replace', "
                  "expected one of: set, append, prepend\n" },
                { "row: relative target",
                  "{'version': '1',\n"
                  " 'capabilities': [\n"
                  "{'name': 'a.b', 'gateways': [\n"
                  "{'id': 'file', 'config': [\n"
                  "{'path-host': '/x', 'path-container': 'y'}]}]}]}",
                  "!a.b",
                  "5:39 error /capabilities/0/gateways/0/config/0/path-container: Path 'y' is not "
                  "absolute, it has to start with '/'\n" },
                { "nameless, and its rows too",
                  "{'version': '1',\n"
                  " 'capabilities': [\n"
                  "{'gateways': [\n"
                  "{'id': 'file', 'config': [\n"
                  "{'path-host': '/x'}]}]}]}",
                  "",
                  "3:1 error /capabilities/0: Key 'name' is missing\n"
                  "5:1 error /capabilities/0/gateways/0/config/0: Key 'path-container' is missing\n" },
                { "one name twice, the second bad",
                  "{'version': '1',\n"
                  " 'capabilities': [\n"
                  "{'name': 'a.b', 'gateways': [\n"
                  "{'id': 'file', 'config': [\n"
                  "{'path-host': '/x', 'path-container': '/y'}]}]},\n"
                  "{'name': 'a.b', 'gateways': [\n"
                  "{'id': 'file', 'config': [\n"
                  "{}]}]}]}",
                  "!a.b",
                  "6:10 warning /capabilities/1/name: Capability 'a.b' is defined in line 3 "
                  "already; both are combined\n"
                  "8:1 error /capabilities/1/gateways/0/config/0: Key 'path-host' is missing\n"
                  "8:1 error /capabilities/1/gateways/0/config/0: Key 'path-container' is missing\n" },
                { "findings everywhere",
                  "{'version': '1',\n"
                  " 'capabilities': [\n"
                  "{'name': 'a b', 'risk': 'x', 'gateways': [\n"
                  "{'id': 'fil', 'config': []},\n"
                  "{'id': 'env', 'config': [{'name': '='}]}]},\n"
                  "5]}",
                  "",
                  "3:10 error /capabilities/0/name: Invalid capability name 'a b', expected "
                  "letters, digits, '.', '_' and '-', beginning with a letter or digit\n"
                  "3:25 error /capabilities/0/risk: Unknown risk 'x', expected one of: low, "
                  "medium, high\n"
                  "4:8 error /capabilities/0/gateways/0/id: Unknown gateway 'fil'; did you mean "
                  "'file', expected one of: file, network, pulseaudio, devicenode, dbus, "
                  "cgroups, wayland, env\n"
                  "4:25 error /capabilities/0/gateways/0/config: The array has 0 elements, "
                  "expected at least 1\n"
                  "5:26 error /capabilities/0/gateways/1/config/0: Key 'value' is missing\n"
                  "5:35 error /capabilities/0/gateways/1/config/0/name: The name '=' has '=' in "
                  "it, expected a name without\n"
                  "6:1 error /capabilities/1: Expected an object, found an integer\n" },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autoptr(Manifest) manifest = parse(cases[i].text);
                g_autofree char *names = format_names(manifest);

                assert_findings(cases[i].name, manifest, cases[i].findings);
                assert_text(cases[i].name, names, cases[i].names);
        }
}

/* Odd, but used. */
static void test_warned(void **state G_GNUC_UNUSED) {
        static const struct {
                const char *name, *text, *findings, *plan;
        } cases[] = {
                { "no version",
                  "{\n"
                  " 'capabilities': [\n"
                  "{'name': 'a.b', 'gateways': [\n"
                  "{'id': 'file', 'config': [\n"
                  "{'path-host': '/x', 'path-container': '/y'}]}]}]}",
                  "1:1 warning : Key 'version' is missing, expected \"1\"\n",
                  "bind  /y  <- /x  read-only  a.b (test.json:5)\n" },
                { "version as a number",
                  "{'version': 1,\n"
                  " 'capabilities': [\n"
                  "{'name': 'a.b', 'gateways': [\n"
                  "{'id': 'file', 'config': [\n"
                  "{'path-host': '/x', 'path-container': '/y'}]}]}]}",
                  "1:13 warning /version: Version 1 is written as a number, expected the string "
                  "\"1\"\n",
                  "bind  /y  <- /x  read-only  a.b (test.json:5)\n" },
                { "unknown keys above",
                  "{'version': '1', 'vendor': 'acme', 'descripton': '',\n"
                  " 'capabilities': [\n"
                  "{'name': 'a.b', 'gateways': [\n"
                  "{'id': 'file', 'config': [\n"
                  "{'path-host': '/x', 'path-container': '/y'}]}]}]}",
                  "1:18 warning /vendor: Unknown key 'vendor', expected one of: $schema, "
                  "description, version, capabilities\n"
                  "1:36 warning /descripton: Unknown key 'descripton'; did you mean 'description', "
                  "expected one of: $schema, description, version, capabilities\n",
                  "bind  /y  <- /x  read-only  a.b (test.json:5)\n" },
                { "unknown key beside gateways",
                  "{'version': '1',\n"
                  " 'capabilities': [\n"
                  "{'name': 'a.b', 'x-note': {'any': [1]}, 'gateways': [\n"
                  "{'id': 'file', 'config': [\n"
                  "{'path-host': '/x', 'path-container': '/y'}]}]}]}",
                  "3:17 warning /capabilities/0/x-note: Unknown key 'x-note', expected one of: "
                  "name, description, risk, gateways\n",
                  "bind  /y  <- /x  read-only  a.b (test.json:5)\n" },
                { "unknown key beside config",
                  "{'version': '1',\n"
                  " 'capabilities': [\n"
                  "{'name': 'a.b', 'gateways': [\n"
                  "{'id': 'file', 'note': 1, 'config': [\n"
                  "{'path-host': '/x', 'path-container': '/y'}]}]}]}",
                  "4:16 warning /capabilities/0/gateways/0/note: Unknown key 'note', expected one "
                  "of: id, config\n",
                  "bind  /y  <- /x  read-only  a.b (test.json:5)\n" },
                { "one name twice, combined",
                  "{'version': '1',\n"
                  " 'capabilities': [\n"
                  "{'name': 'a.b', 'gateways': [\n"
                  "{'id': 'file', 'config': [\n"
                  "{'path-host': '/x', 'path-container': '/y'}]}]},\n"
                  "{'name': 'a.b', 'gateways': [\n"
                  "{'id': 'file', 'config': [\n"
                  "{'path-host': '/x2', 'path-container': '/y2'}]}]}]}",
                  "6:10 warning /capabilities/1/name: Capability 'a.b' is defined in line 3 "
                  "already; both are combined\n",
                  "bind  /y   <- /x   read-only  a.b (test.json:5)\n"
                  "bind  /y2  <- /x2  read-only  a.b (test.json:8)\n" },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autoptr(Manifest) manifest = parse(cases[i].text);
                g_autofree char *plan = format_plan(manifest);

                assert_findings(cases[i].name, manifest, cases[i].findings);
                assert_text(cases[i].name, plan, cases[i].plan);
        }
}

static void test_good(void **state G_GNUC_UNUSED) {
        static const struct {
                const char *name, *text, *plan;
        } cases[] = {
                { "least", "{'version': '1', 'capabilities': []}", "" },
                { "no gateways",
                  "{'version': '1',\n"
                  " 'capabilities': [\n"
                  "{'name': 'a.b', 'gateways': []}]}",
                  "" },
                { "file",
                  "{'version': '1',\n"
                  " 'capabilities': [\n"
                  "{'name': 'a.b', 'gateways': [\n"
                  "{'id': 'file', 'config': [\n"
                  "{'path-host': '/x', 'path-container': '/y'}]}]}]}",
                  "bind  /y  <- /x  read-only  a.b (test.json:5)\n" },
                { "env",
                  "{'version': '1',\n"
                  " 'capabilities': [\n"
                  "{'name': 'a.b', 'gateways': [\n"
                  "{'id': 'env', 'config': [\n"
                  "{'name': 'A', 'value': '1'}]}]}]}",
                  "env  A  = 1  set  a.b (test.json:5)\n" },
                { "all keys",
                  "{'$schema': 'file:///s.json', 'description': 'File', 'version': '1',\n"
                  " 'capabilities': [\n"
                  "{'name': 'a.b', 'description': 'Text', 'risk': 'high', 'gateways': [\n"
                  "{'id': 'file', 'config': [\n"
                  "{'path-host': '/x', 'path-container': '/y'}]}]}]}",
                  "bind  /y  <- /x  read-only  a.b (test.json:5)\n" },
                { "two gateways, planned in registry order",
                  "{'version': '1',\n"
                  " 'capabilities': [\n"
                  "{'name': 'a.b', 'gateways': [\n"
                  "{'id': 'env', 'config': [\n"
                  "{'name': 'A', 'value': '1'}]},\n"
                  "{'id': 'file', 'config': [\n"
                  "{'path-host': '/x', 'path-container': '/y'}]}]}]}",
                  "bind  /y  <- /x  read-only  a.b (test.json:7)\n"
                  "env   A   = 1    set        a.b (test.json:5)\n" },
                { "one gateway twice",
                  "{'version': '1',\n"
                  " 'capabilities': [\n"
                  "{'name': 'a.b', 'gateways': [\n"
                  "{'id': 'file', 'config': [\n"
                  "{'path-host': '/x', 'path-container': '/y'}]},\n"
                  "{'id': 'file', 'config': [\n"
                  "{'path-host': '/x2', 'path-container': '/y2'}]}]}]}",
                  "bind  /y   <- /x   read-only  a.b (test.json:5)\n"
                  "bind  /y2  <- /x2  read-only  a.b (test.json:7)\n" },
                { "several rows",
                  "{'version': '1',\n"
                  " 'capabilities': [\n"
                  "{'name': 'a.b', 'gateways': [\n"
                  "{'id': 'file', 'config': [\n"
                  "{'path-host': '/x2', 'path-container': '/y2'},\n"
                  "{'path-host': '/x', 'path-container': '/y'}]}]}]}",
                  "bind  /y   <- /x   read-only  a.b (test.json:6)\n"
                  "bind  /y2  <- /x2  read-only  a.b (test.json:5)\n" },
                { "two capabilities",
                  "{'version': '1',\n"
                  " 'capabilities': [\n"
                  "{'name': 'a.b', 'gateways': [\n"
                  "{'id': 'file', 'config': [\n"
                  "{'path-host': '/x', 'path-container': '/y'}]}]},\n"
                  "{'name': 'c', 'gateways': [\n"
                  "{'id': 'file', 'config': [\n"
                  "{'path-host': '/x2', 'path-container': '/y2'}]}]}]}",
                  "bind  /y   <- /x   read-only  a.b (test.json:5)\n"
                  "bind  /y2  <- /x2  read-only  c (test.json:8)\n" },
                { "keys in another order",
                  "{'capabilities': [{'gateways': [{'config': [{'value': '1', 'name': 'A'}], 'id': "
                  "'env'}], 'name': 'a.b'}], 'version': '1'}",
                  "env  A  = 1  set  a.b (test.json:1)\n" },
                { "the same file twice, the wider wins",
                  "{'version': '1',\n"
                  " 'capabilities': [\n"
                  "{'name': 'a.b', 'gateways': [\n"
                  "{'id': 'file', 'config': [\n"
                  "{'path-host': '/x', 'path-container': '/y'},\n"
                  "{'path-host': '/x', 'path-container': '/y', 'read-only': false}]}]}]}",
                  "bind  /y  <- /x  writable  a.b (test.json:5), a.b (test.json:6)\n" },
                { "one file at two places",
                  "{'version': '1',\n"
                  " 'capabilities': [\n"
                  "{'name': 'a.b', 'gateways': [\n"
                  "{'id': 'file', 'config': [\n"
                  "{'path-host': '/x', 'path-container': '/y'},\n"
                  "{'path-host': '/x', 'path-container': '/z'}]}]}]}",
                  "bind  /y  <- /x  read-only  a.b (test.json:5)\n"
                  "bind  /z  <- /x  read-only  a.b (test.json:6)\n" },
                { "variables put together",
                  "{'version': '1',\n"
                  " 'capabilities': [\n"
                  "{'name': 'a.b', 'gateways': [\n"
                  "{'id': 'env', 'config': [\n"
                  "{'name': 'A', 'value': '1'},\n"
                  "{'name': 'A', 'value': '2', 'mode': 'append', 'separator': ':'},\n"
                  "{'name': 'A', 'value': '0', 'mode': 'prepend'}]}]}]}",
                  "env  A  = 01:2  prepend  a.b (test.json:5), a.b (test.json:6), a.b "
                  "(test.json:7)\n" },
                { "two capabilities, one variable",
                  "{'version': '1',\n"
                  " 'capabilities': [\n"
                  "{'name': 'a.b', 'gateways': [\n"
                  "{'id': 'env', 'config': [\n"
                  "{'name': 'A', 'value': '1', 'mode': 'append', 'separator': ':'}]}]},\n"
                  "{'name': 'c', 'gateways': [\n"
                  "{'id': 'env', 'config': [\n"
                  "{'name': 'A', 'value': '2', 'mode': 'append', 'separator': ':'}]}]}]}",
                  "env  A  = 1:2  append  a.b (test.json:5), c (test.json:8)\n" },
                { "risk low",
                  "{'version': '1',\n"
                  " 'capabilities': [\n"
                  "{'name': 'a.b', 'risk': 'low', 'gateways': []}]}",
                  "" },
                { "carriage returns",
                  "{\r\n"
                  "'version': '1',\r\n"
                  "'capabilities': []}\r\n",
                  "" },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autoptr(Manifest) manifest = parse(cases[i].text);
                g_autofree char *plan = format_plan(manifest);

                assert_findings(cases[i].name, manifest, "");
                assert_text(cases[i].name, plan, cases[i].plan);
        }
}

static void test_fields(void **state G_GNUC_UNUSED) {
        g_autoptr(Manifest) manifest = parse(
                "{'version': '1', 'capabilities': [\n  {'name': 'a.b', 'description': 'Text', 'risk': "
                "'medium',\n"
                "   'gateways': [{'id': 'env', 'config': [\n     {'name': 'A', 'value': '1'}]}]},\n"
                "  {'name': 'c', 'gateways': []}]}");
        const GPtrArray *capabilities = manifest_get_capabilities(manifest);
        const ManifestCapability *capability = g_ptr_array_index(capabilities, 0);
        const GatewayConfig *config = g_ptr_array_index(capability->configs, 0);

        assert_string_equal(manifest_get_file(manifest), "test.json");
        assert_int_equal(capabilities->len, 2);
        assert_string_equal(capability->description, "Text");
        assert_string_equal(capability->risk, "medium");
        assert_int_equal(capability->line, 2);
        assert_int_equal(capability->column, 3);
        assert_string_equal(config->origin->capability, "a.b");
        assert_string_equal(config->origin->file, "test.json");
        assert_int_equal(config->origin->line, 4);
        assert_int_equal(config->origin->column, 6);

        capability = g_ptr_array_index(capabilities, 1);
        assert_string_equal(capability->description, "");
        assert_string_equal(capability->risk, "");
        assert_int_equal(capability->configs->len, 0);
}

/* @n times @text, with commas between. */
static char *repeat(const char *text, unsigned n) {
        GString *all = g_string_new(text);

        for (unsigned i = 1; i < n; i++)
                g_string_append_printf(all, ",%s", text);
        return g_string_free(all, FALSE);
}

static void test_limits(void **state G_GNUC_UNUSED) {
        static const struct {
                const char *before, *repeated;
                unsigned max;
                const char *after, *finding;
        } cases[] = {
                { "{'version':'1','capabilities':[", "{'name':'a','gateways':[]}", CAPABILITIES_MAX, "]}",
                  "1:31 error /capabilities: The array has 4097 elements, expected at most 4096\n" },
                { "{'version':'1','capabilities':[{'name':'a','gateways':[",
                  "{'id':'env','config':[{'name':'A','value':'1'}]}", GATEWAYS_MAX, "]}]}",
                  "1:55 error /capabilities/0/gateways: The array has 65 elements, expected at most 64\n" },
                { "{'version':'1','capabilities':[{'name':'a','gateways':[{'id':'env','config':[",
                  "{'name':'A','value':'1'}", GATEWAY_ROWS_MAX, "]}]}]}",
                  "1:77 error /capabilities/0/gateways/0/config: The array has 1025 elements, expected "
                  "at most 1024\n" },
        };
        g_autofree char *name = g_strnfill(CAPABILITY_NAME_MAX, 'n');
        g_autofree char *long_name = g_strdup_printf(
                "{'version': '1', 'capabilities': [{'name': '%sn', 'gateways': []}]}", name);
        g_autofree char *full_name = g_strdup_printf(
                "{'version': '1', 'capabilities': [{'name': '%s', 'gateways': []}]}", name);
        g_autoptr(Manifest) long_named = parse(long_name), full_named = parse(full_name);

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autofree char *full = repeat(cases[i].repeated, cases[i].max);
                g_autofree char *good = g_strconcat(cases[i].before, full, cases[i].after, NULL);
                g_autofree char *above = g_strconcat(cases[i].before, full, ",", cases[i].repeated,
                                                     cases[i].after, NULL);
                g_autoptr(Manifest) filled = parse(good), overfull = parse(above);

                assert_findings(cases[i].before, overfull, cases[i].finding);
                assert_int_equal(manifest_get_capabilities(filled)->len, 1);
                assert_false(
                        ((ManifestCapability *) manifest_get_capabilities(filled)->pdata[0])->has_errors);
        }
        assert_findings("long name", long_named,
                        "1:44 error /capabilities/0/name: The string has 256 bytes, expected at most 255\n");
        assert_findings("full name", full_named, "");
}

/* The shipped ones are read without a word. */
static void test_samples(void **state G_GNUC_UNUSED) {
        g_autofree char *folder = source_path("capabilities/samples");
        GDir *stream = g_dir_open(folder, 0, NULL);
        const char *name;
        unsigned n = 0;

        assert_non_null(stream);
        while ((name = g_dir_read_name(stream))) {
                g_autofree char *path = g_build_filename(folder, name, NULL), *text = NULL, *plan = NULL;
                g_autoptr(Manifest) manifest = NULL;
                gsize size;

                assert_true(g_file_get_contents(path, &text, &size, NULL));
                manifest = manifest_parse(path, text, size);
                assert_findings(name, manifest, "");
                assert_true(manifest_get_capabilities(manifest)->len > 0);
                for (guint i = 0; i < manifest_get_capabilities(manifest)->len; i++) {
                        const ManifestCapability *capability = manifest_get_capabilities(manifest)->pdata[i];

                        assert_true(capability->description[0] != '\0');
                        assert_true(capability->risk[0] != '\0');
                }
                plan = format_plan(manifest);
                assert_true(strlen(plan) > 0);
                n++;
        }
        g_dir_close(stream);
        assert_true(n >= 3);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_refused), cmocka_unit_test(test_warned), cmocka_unit_test(test_good),
                cmocka_unit_test(test_fields),  cmocka_unit_test(test_limits), cmocka_unit_test(test_samples),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
