/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/rows.h"
#include "util/limits.h"

static void test_refused(void **state G_GNUC_UNUSED) {
        static const RowCase cases[] = {
                { "not an object", "[]", "1:1 error : Expected an object, found an array\n" },
                { "empty object", "{}",
                  "1:1 error : Key 'path-host' is missing\n"
                  "1:1 error : Key 'path-container' is missing\n" },
                { "no target", "{'path-host': '/data/x'}", "1:1 error : Key 'path-container' is missing\n" },
                { "no source", "{'path-container': '/mnt/x'}", "1:1 error : Key 'path-host' is missing\n" },
                { "source: number", "{'path-host': 5, 'path-container': '/mnt/x'}",
                  "1:15 error /path-host: Expected a string, found an integer\n" },
                { "source: empty", "{'path-host': '', 'path-container': '/mnt/x'}",
                  "1:15 error /path-host: Expected a string that is not empty\n" },
                { "source: relative", "{'path-host': 'data/x', 'path-container': '/mnt/x'}",
                  "1:15 error /path-host: Path 'data/x' is not absolute, it has to start with '/'\n" },
                { "source: dot dot", "{'path-host': '/data/../etc', 'path-container': '/mnt/x'}",
                  "1:15 error /path-host: Path '/data/../etc' has a '..' component\n" },
                { "source: dot dot at the end", "{'path-host': '/data/..', 'path-container': '/mnt/x'}",
                  "1:15 error /path-host: Path '/data/..' has a '..' component\n" },
                { "source: newline", "{'path-host': '/data/x\\n', 'path-container': '/mnt/x'}",
                  "1:15 error /path-host: Control character U+000A in a string, expected none\n" },
                { "source: escape character", "{'path-host': '/data/\\u001b[2J', 'path-container': '/mnt/x'}",
                  "1:15 error /path-host: Control character U+001B in a string, expected none\n" },
                { "target: relative", "{'path-host': '/data/x', 'path-container': 'mnt/x'}",
                  "1:44 error /path-container: Path 'mnt/x' is not absolute, it has to start with "
                  "'/'\n" },
                { "target: dot dot", "{'path-host': '/data/x', 'path-container': '/mnt/../../x'}",
                  "1:44 error /path-container: Path '/mnt/../../x' has a '..' component\n" },
                { "target: root", "{'path-host': '/data/x', 'path-container': '/'}",
                  "1:44 error /path-container: Nothing can be bound on '/'\n" },
                { "target: root in disguise", "{'path-host': '/data/x', 'path-container': '//.//'}",
                  "1:44 error /path-container: Nothing can be bound on '/'\n" },
                { "target: in /proc", "{'path-host': '/data/x', 'path-container': '/proc/sys'}",
                  "1:44 error /path-container: Nothing can be bound below '/proc'\n" },
                { "target: /sys", "{'path-host': '/data/x', 'path-container': '/sys'}",
                  "1:44 error /path-container: Nothing can be bound on '/sys'\n" },
                { "target: /dev", "{'path-host': '/data/x', 'path-container': '/dev'}",
                  "1:44 error /path-container: Nothing can be bound on '/dev'\n" },
                { "target: null", "{'path-host': '/data/x', 'path-container': null}",
                  "1:44 error /path-container: Expected a string, found null\n" },
                { "target: tab", "{'path-host': '/data/x', 'path-container': '/mnt/\\t'}",
                  "1:44 error /path-container: Control character U+0009 in a string, expected "
                  "none\n" },
                { "read-only: string",
                  "{'path-host': '/data/x', 'path-container': '/mnt/x', 'read-only': 'false'}",
                  "1:67 error /read-only: Expected true or false, found a string\n" },
                { "read-only: number", "{'path-host': '/data/x', 'path-container': '/mnt/x', 'read-only': 0}",
                  "1:67 error /read-only: Expected true or false, found an integer\n" },
                { "read-only: null",
                  "{'path-host': '/data/x', 'path-container': '/mnt/x', 'read-only': null}",
                  "1:67 error /read-only: Expected true or false, found null\n" },
                { "optional: string",
                  "{'path-host': '/data/x', 'path-container': '/mnt/x', 'optional': 'yes'}",
                  "1:66 error /optional: Expected true or false, found a string\n" },
                { "recursive: array", "{'path-host': '/data/x', 'path-container': '/mnt/x', 'recursive': []}",
                  "1:67 error /recursive: Expected true or false, found an array\n" },
                { "misspelt read-only",
                  "{'path-host': '/data/x', 'path-container': '/mnt/x', 'readonly': true}",
                  "1:54 error /readonly: Unknown key 'readonly'; did you mean 'read-only', "
                  "expected one of: path-host, path-container, read-only, optional, recursive\n" },
                { "misspelt source", "{'path_host': '/data/x', 'path-container': '/mnt/x'}",
                  "1:1 error : Key 'path-host' is missing\n"
                  "1:2 error /path_host: Unknown key 'path_host'; did you mean 'path-host', "
                  "expected one of: path-host, path-container, read-only, optional, recursive\n" },
                { "unknown key", "{'path-host': '/data/x', 'path-container': '/mnt/x', 'mode': 'rw'}",
                  "1:54 error /mode: Unknown key 'mode', expected one of: path-host, "
                  "path-container, read-only, optional, recursive\n" },
                { "all are told", "{'path-host': 'x',\n 'path-container': '/proc',\n 'read-only': 'no'}",
                  "1:15 error /path-host: Path 'x' is not absolute, it has to start with '/'\n"
                  "2:20 error /path-container: Nothing can be bound on '/proc'\n"
                  "3:15 error /read-only: Expected true or false, found a string\n" },
        };

        assert_rows_refused("file", cases, G_N_ELEMENTS(cases));
}

static void test_planned(void **state G_GNUC_UNUSED) {
        static const RowCase cases[] = {
                { "least", "{'path-host': '/data/x', 'path-container': '/mnt/x'}",
                  "bind  /mnt/x  <- /data/x  read-only  com.acme.test (test.json:1)\n" },
                { "writable", "{'path-host': '/data/x', 'path-container': '/mnt/x', 'read-only': false}",
                  "bind  /mnt/x  <- /data/x  writable  com.acme.test (test.json:1)\n" },
                { "read-only said", "{'path-host': '/data/x', 'path-container': '/mnt/x', 'read-only': true}",
                  "bind  /mnt/x  <- /data/x  read-only  com.acme.test (test.json:1)\n" },
                { "all flags",
                  "{'path-host': '/data/x', 'path-container': '/mnt/x', 'read-only': false, 'optional': "
                  "true, 'recursive': true}",
                  "bind  /mnt/x  <- /data/x  writable,optional,recursive  com.acme.test "
                  "(test.json:1)\n" },
                { "all flags off",
                  "{'path-host': '/data/x', 'path-container': '/mnt/x', 'read-only': true, 'optional': "
                  "false, 'recursive': false}",
                  "bind  /mnt/x  <- /data/x  read-only  com.acme.test (test.json:1)\n" },
                { "odd slashes", "{'path-host': '//data///x/', 'path-container': '///mnt/./x//'}",
                  "bind  /mnt/x  <- /data/x  read-only  com.acme.test (test.json:1)\n" },
                { "spaces, comma, quotes, UTF-8",
                  "{'path-host': '/data/a b,c\\'d', 'path-container': '/mnt/ä ö'}",
                  "bind  /mnt/ä ö  <- /data/a b,c\"d  read-only  com.acme.test (test.json:1)\n" },
                { "below /dev", "{'path-host': '/data/x', 'path-container': '/dev/shm/x'}",
                  "bind  /dev/shm/x  <- /data/x  read-only  com.acme.test (test.json:1)\n" },
                { "host root", "{'path-host': '/', 'path-container': '/mnt/host'}",
                  "bind  /mnt/host  <- /  read-only  com.acme.test (test.json:1)\n" },
        };

        assert_rows_planned("file", cases, G_N_ELEMENTS(cases));
}

static void test_limits(void **state G_GNUC_UNUSED) {
        g_autofree char *part = g_strnfill(PATH_SIZE_MAX - 2, 'd');
        g_autofree char *full = g_strdup_printf("{'path-host': '/%s', 'path-container': '/mnt'}", part);
        g_autofree char *above = g_strdup_printf("{'path-host': '/%sd', 'path-container': '/mnt'}", part);
        const RowCase refused = {
                "above", above, "1:15 error /path-host: The string has 4096 bytes, expected at most 4095\n"
        };
        g_autoptr(GatewayConfig) config = NULL;
        g_autofree char *findings = NULL;

        assert_int_equal(parse_row("file", full, &findings, &config), 0);
        assert_rows_refused("file", &refused, 1);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_refused),
                cmocka_unit_test(test_planned),
                cmocka_unit_test(test_limits),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
