/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Templates through service and command line: their own program, what is kept, snapshots, privileges
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/fixture/test-client.h"
#include "tests/fixture/test-program.h"
#include "util/cleanup.h"

static void prepare(TestService *service) {
        g_autofree char *snapshot = test_service_path(service, "snapshot");
        g_autofree char *layered = g_strdup_printf("[Rootfs]\nLayers=%s host-usr\n", snapshot);

        test_service_add_template(service, "command",
                                  "[Process]\nCommand=sh -c \"pwd; id -u; id -g; echo $0 \\\"a b\\\"\" own\n"
                                  "WorkingDirectory=/usr/share\nGroup=77\n");
        test_service_add_template(service, "kept", "[Rootfs]\nUpper=persistent\n");
        test_service_add_template(service, "layered", layered);
        test_service_add_template(service, "missing", "[Rootfs]\nLayers=/nonexistent/image host-usr\n");
        g_free(test_service_write(service, "etc/bulkhead/bulkhead.conf.d/ids.conf", "[Ids]\nCount=327680\n"));
        test_service_add_template(service, "legacy", "[Namespaces]\nUser=no\n");
}

static void expect(const TestService *service, const char *const *argv, int status, const char *needle) {
        g_auto(TestResult) result = { 0 };

        test_bulkhead(service, argv, NULL, &result);
        if (result.status != status)
                fail_msg("%s: status %d instead of %d: %s%s", argv[0], result.status, status, result.output,
                         result.errors);
        if (needle && !strstr(result.output, needle) && !strstr(result.errors, needle))
                fail_msg("%s: no '%s' in: %s%s", argv[0], needle, result.output, result.errors);
}

static void test_command(void **state) {
        expect(*state, TEST_STRV("run", "-t", "command"), 0, "/usr/share\n1000\n77\nown a b\n");
        expect(*state, TEST_STRV("run", "-t", "command", "-w", "/tmp"), 0, "/tmp\n1000\n77\n");
        expect(*state, TEST_STRV("run", "-t", "command", "--", "pwd"), 0, "/usr/share\n");
        expect(*state, TEST_STRV("run", "-t", "kept"), 125, "template 'kept' has no Command=");
        expect(*state, TEST_STRV("run"), 2, "Name a program");
}

static void test_kept(void **state) {
        expect(*state, TEST_STRV("run", "-t", "kept", "--name", "a", "--", "sh", "-c", "echo one >~/file"), 0,
               NULL);
        expect(*state, TEST_STRV("run", "-t", "kept", "--name", "a", "--", "sh", "-c", "cat ~/file"), 0,
               "one\n");
        expect(*state, TEST_STRV("run", "-t", "kept", "--name", "b", "--", "sh", "-c", "cat ~/file"), 1,
               NULL);
}

static void test_snapshot(void **state) {
        g_autofree char *snapshot = test_service_path(*state, "snapshot");
        struct stat st;

        expect(*state, TEST_STRV("create", "--name", "origin"), 0, "origin");
        expect(*state, TEST_STRV("exec", "origin", "--", "sh", "-c", "echo two >~/file"), 0, NULL);
        expect(*state, TEST_STRV("freeze", "origin"), 0, NULL);
        expect(*state, TEST_STRV("snapshot", "origin", snapshot), 0, NULL);
        assert_int_equal(stat(snapshot, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0600);
        expect(*state, TEST_STRV("snapshot", "origin", snapshot), 1, "File exists");
        expect(*state, TEST_STRV("snapshot", "nobody", "/tmp/bulkhead-not-made"), 1, "nobody");
        assert_int_not_equal(access("/tmp/bulkhead-not-made", F_OK), 0);
        expect(*state, TEST_STRV("thaw", "origin"), 0, NULL);
        expect(*state, TEST_STRV("stop", "origin"), 0, NULL);
        expect(*state, TEST_STRV("run", "-t", "layered", "--", "sh", "-c", "cat ~/file"), 0, "two\n");
}

static void test_bad_layers(void **state) {
        expect(*state, TEST_STRV("run", "-t", "missing", "--", "true"), 125, "/nonexistent/image");
}

static void test_privileges(void **state) {
        expect(*state, TEST_STRV("run", "-t", "legacy", "--", "true"), 125,
               "User=no, which needs AllowPrivileged=yes");
}

/* Five ranges of ids: clear words when they are taken, and all is well when they are free again. */
static void test_no_ids(void **state) {
        unsigned n = 0;

        for (;; n++) {
                g_auto(TestResult) result = { 0 };

                test_bulkhead(*state, TEST_STRV("create"), NULL, &result);
                if (result.status == 0 && n < 5)
                        continue;
                assert_int_equal(result.status, 1);
                if (!strstr(result.errors, "ranges of 65536 user ids are in use"))
                        fail_msg("said: %s", result.errors);
                break;
        }
        assert_true(n >= 3);
        expect(*state, TEST_STRV("stop", "--all"), 0, NULL);
        expect(*state, TEST_STRV("run", "--", "true"), 0, NULL);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                test_case(test_command),
                test_case(test_kept),
                test_case(test_snapshot),
                test_case(test_bad_layers),
                test_case(test_privileges),
                test_case(test_no_ids),
                cmocka_unit_test(test_nothing_is_left),
        };

        return test_main("templates", prepare, tests, G_N_ELEMENTS(tests));
}
