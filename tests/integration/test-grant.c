/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Openings in the walls of a live sandbox: given, taken away, all or nothing
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/fixture/test-client.h"
#include "util/cleanup.h"

#define OWNER_UID 4242u
#define OWNER_GID 4243u

static TestClient *client;
static char *sandbox; /* a fresh one for each test */

static void make_folder(TestService *service, const char *name, uid_t uid, gid_t gid) {
        g_autofree char *path = test_service_path(service, name);

        assert_return_code(g_mkdir_with_parents(path, 0755), errno);
        assert_return_code(chown(path, uid, gid), errno);
        assert_return_code(chmod(path, 0700), errno);
}

static void prepare(TestService *service) {
        g_autofree char *root = g_strdup(test_service_get_root(service));
        g_autofree char *two = g_strdup_printf(
                "[ { \"id\": \"file\", \"config\": [\n"
                "  { \"path-host\": \"%s/host/a.txt\", \"path-container\": \"/gateways/first\" },\n"
                "  { \"path-host\": \"%s/host/missing\", \"path-container\": \"/gateways/second\" } ] } ]",
                root, root);
        g_autofree char *covered = g_strdup_printf(
                "[ { \"id\": \"file\", \"config\": [\n"
                "  { \"path-host\": \"%s/host/a.txt\", \"path-container\": \"/gateways/first\" },\n"
                "  { \"path-host\": \"%s/host/owned\", \"path-container\": \"/usr\" } ] } ]",
                root, root);
        g_autofree char *optional = g_strdup_printf(
                "[ { \"id\": \"file\", \"config\": [\n"
                "  { \"path-host\": \"%s/host/a.txt\", \"path-container\": \"/gateways/first\" },\n"
                "  { \"path-host\": \"%s/host/missing\", \"path-container\": \"/gateways/second\",\n"
                "    \"optional\": true } ] } ]",
                root, root);

        g_autofree char *impossible = g_strdup_printf(
                "[ { \"id\": \"file\", \"config\": [\n"
                "  { \"path-host\": \"%s/host/a.txt\", \"path-container\": \"/gateways/first\" } ] },\n"
                "  { \"id\": \"cgroups\", \"config\": [ { \"setting\": \"cpuset.cpus\", \"value\": \"4000\" } ] } ]",
                root);

        g_autofree char *network = g_strdup_printf(
                "[ { \"id\": \"file\", \"config\": [\n"
                "  { \"path-host\": \"%s/host/a.txt\", \"path-container\": \"/gateways/first\" } ] },\n"
                "  { \"id\": \"network\", \"config\": [ { \"direction\": \"OUTGOING\", \"allow\": [] } ] } ]",
                root);

        test_service_add_capability(service, "grant.impossible", impossible);
        test_service_add_capability(service, "grant.network", network);
        g_free(test_service_write(service, "host/a.txt", "a\n"));
        g_free(test_service_write(service, "host/b.txt", "b\n"));
        make_folder(service, "host/owned", OWNER_UID, OWNER_GID);
        make_folder(service, "host/roots", 0, 0);
        test_service_add_bind(service, "grant.a", "host/a.txt", "/gateways/a", true);
        test_service_add_bind(service, "grant.b", "host/b.txt", "/gateways/b", true);
        test_service_add_bind(service, "grant.b-at-a", "host/b.txt", "/gateways/a", true);
        test_service_add_bind(service, "grant.owned", "host/owned", "/gateways/owned", false);
        test_service_add_bind(service, "grant.owned-read-only", "host/owned", "/gateways/owned", true);
        test_service_add_bind(service, "grant.roots", "host/roots", "/gateways/roots", false);
        test_service_add_bind(service, "grant.link", "host/a.txt", "/tmp/link", true);
        test_service_add_bind(service, "grant.below-link", "host/a.txt", "/tmp/link/file", true);
        test_service_add_bind(service, "grant.over-proc", "host/a.txt", "/proc/version", true);
        test_service_add_bind(service, "grant.over-usr", "host/owned", "/usr", true);
        test_service_add_capability(service, "grant.second-is-missing", two);
        test_service_add_capability(service, "grant.second-is-covered", covered);
        test_service_add_capability(service, "grant.second-is-optional", optional);
        test_service_add_capability(
                service, "grant.env",
                "[ { \"id\": \"env\", \"config\": [ { \"name\": \"GRANTED\", \"value\": \"1\" } ] } ]");
        test_service_add_template(service, "map-host-root", "[Namespaces]\nMapHostRoot=yes\n");
}

static int open_sandbox(void **state) {
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;

        client = test_client_new(*state);
        test_expect_ok(test_client_create(client, &(TestRequest){ .name = "live" }, &sandbox, &error), &error,
                       "CreateSandbox");
        return 0;
}

static int close_sandbox(void **state) {
        g_clear_pointer(&client, test_client_free);
        g_clear_pointer(&sandbox, g_free);
        return test_after_each(state);
}

static int change(const char *method, const char *capability, sd_bus_error *error) {
        return test_client_change(client, sandbox, method, TEST_STRV(capability), error);
}

static void expect_change(const char *method, const char *capability) {
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;

        test_expect_ok(change(method, capability, &error), &error, method);
}

static void expect_refused(const char *capability, const char *name, const char *needle) {
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;

        test_expect_error(change("Grant", capability, &error), &error, name, needle);
}

static bool is_inside(const char *path) {
        return test_client_exec(client, sandbox, TEST_STRV("/usr/bin/test", "-e", path), NULL) == 0;
}

static void expect_capabilities(const char *const *expected) {
        g_auto(GStrv) have = test_client_get_strings(client, sandbox, TEST_SANDBOX, "Capabilities");

        assert_int_equal(g_strv_length(have), g_strv_length((char **) expected));
        for (; *expected; expected++)
                assert_true(g_strv_contains((const char *const *) have, *expected));
}

static void test_appears_and_disappears(void **state G_GNUC_UNUSED) {
        g_autofree char *output = NULL;

        assert_false(is_inside("/gateways/a"));
        expect_change("Grant", "grant.a");
        assert_int_equal(test_client_exec(client, sandbox, TEST_STRV("/bin/cat", "/gateways/a"), &output), 0);
        assert_string_equal(output, "a\n");
        expect_capabilities(TEST_STRV("grant.a"));
        expect_change("Revoke", "grant.a");
        assert_false(is_inside("/gateways/a"));
        expect_capabilities((const char *const[]){ NULL });
        /* not even as an empty file where it was mounted */
        assert_int_equal(test_client_shell(client, sandbox, "ls -A /gateways | grep .", NULL), 1);
        expect_change("Grant", "grant.a");
        assert_true(is_inside("/gateways/a"));
}

/* One process from before the grant to after the revoke: no second one is let in by other means. */
static void test_a_running_app_sees_it_come_and_go(void **state G_GNUC_UNUSED) {
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        g_auto(TestProgram) program = { NULL };
        TestRequest request = { .argv = TEST_STRV(
                                        "/bin/sh", "-c",
                                        "echo waiting; while ! test -e /gateways/a; do sleep 0.01; done\n"
                                        "cat /gateways/a; exec 3</gateways/a\n"
                                        "while test -e /gateways/a; do sleep 0.01; done\n"
                                        "echo gone; cat <&3") };
        int fds[2];

        assert_return_code(pipe2(fds, O_CLOEXEC), errno);
        request.stdout_fd = fds[1];
        test_expect_ok(test_client_run(client, sandbox, &request, &program, &error), &error, "Run");
        (void) close(fds[1]);

        char buffer[64] = "";

        assert_true(read(fds[0], buffer, sizeof buffer - 1) > 0);
        assert_string_equal(buffer, "waiting\n");
        expect_change("Grant", "grant.a");
        memset(buffer, 0, sizeof buffer);
        assert_true(read(fds[0], buffer, sizeof buffer - 1) > 0);
        assert_string_equal(buffer, "a\n");
        test_client_idle(client, 50 * 1000); /* so that it has opened the file */
        expect_change("Revoke", "grant.a");

        /* Revoke stops new opens; what is open stays open (contract, Sandbox). */
        g_autofree char *rest = test_client_read_all(client, fds[0], 10 * TEST_USEC_PER_SEC);

        (void) close(fds[0]);
        assert_string_equal(rest, "gone\na\n");
}

static void test_second_item_fails_and_the_first_is_undone(void **state G_GNUC_UNUSED) {
        expect_change("Grant", "grant.b");
        expect_refused("grant.second-is-missing", "NotMountable", "missing");
        assert_false(is_inside("/gateways/first"));
        assert_false(is_inside("/gateways/second"));
        assert_true(is_inside("/gateways/b"));
        expect_capabilities(TEST_STRV("grant.b"));
        assert_int_equal(test_client_shell(client, sandbox, "ls -A /gateways | grep -v '^b$'", NULL), 1);
}

/* What this host cannot do opens nothing at all, and is said; the folder before it was in place by then. */
static void test_what_cannot_be_put_in_place_grants_nothing(void **state G_GNUC_UNUSED) {
        expect_refused("grant.impossible", "Unsupported", "cpuset.cpus");
        assert_false(is_inside("/gateways/first"));
        expect_capabilities((const char *const[]){ NULL });
}

/* Nobody has made this instance's bridge. */
static void test_link_without_bridge_grants_nothing(void **state G_GNUC_UNUSED) {
        expect_refused("grant.network", "GatewayFailed", "no bridge 'bh");
        assert_false(is_inside("/gateways/first"));
        expect_capabilities((const char *const[]){ NULL });
}

/* The one before fails while the sources are opened, outside; this one when the first is in place inside
 * already. */
static void test_second_item_fails_inside_and_the_first_is_undone(void **state G_GNUC_UNUSED) {
        expect_refused("grant.second-is-covered", "NotMountable", "/usr");
        assert_false(is_inside("/gateways/first"));
        assert_int_equal(test_client_shell(client, sandbox, "ls -A /gateways | grep .", NULL), 1);
        expect_capabilities((const char *const[]){ NULL });
        expect_change("Grant", "grant.second-is-optional"); /* its target is free */
}

/* Removals come first: what was taken away has to come back. */
static void test_failed_set_brings_back_what_it_took_away(void **state G_GNUC_UNUSED) {
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        g_autofree char *output = NULL;

        expect_change("Grant", "grant.a");
        test_expect_error(change("SetCapabilities", "grant.second-is-covered", &error), &error,
                          "NotMountable", "/usr");
        assert_int_equal(test_client_exec(client, sandbox, TEST_STRV("/bin/cat", "/gateways/a"), &output), 0);
        assert_string_equal(output, "a\n");
        assert_false(is_inside("/gateways/first"));
        expect_capabilities(TEST_STRV("grant.a"));
        expect_change("Revoke", "grant.a");
        assert_false(is_inside("/gateways/a"));
}

static void test_second_capability_fails_and_the_first_is_undone(void **state G_GNUC_UNUSED) {
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        int r = test_client_change(client, sandbox, "Grant", TEST_STRV("grant.a", "grant.second-is-missing"),
                                   &error);

        test_expect_error(r, &error, "NotMountable", "missing");
        assert_false(is_inside("/gateways/a"));
        expect_capabilities((const char *const[]){ NULL });
}

static void test_failure_names_manifest_and_capability(void **state G_GNUC_UNUSED) {
        expect_refused("grant.second-is-missing", "NotMountable", "grant.second-is-missing");
}

static void test_optional_source_may_be_missing(void **state G_GNUC_UNUSED) {
        expect_change("Grant", "grant.second-is-optional");
        assert_true(is_inside("/gateways/first"));
        assert_false(is_inside("/gateways/second"));
}

static void test_unknown_capability_grants_nothing(void **state G_GNUC_UNUSED) {
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        int r = test_client_change(client, sandbox, "Grant", TEST_STRV("grant.a", "grant.nonsense"), &error);

        test_expect_error(r, &error, "UnknownCapability", "grant.nonsense");
        assert_false(is_inside("/gateways/a"));
        expect_capabilities((const char *const[]){ NULL });
}

static void test_granting_twice_is_as_once(void **state G_GNUC_UNUSED) {
        expect_change("Grant", "grant.a");
        expect_change("Grant", "grant.a");
        expect_capabilities(TEST_STRV("grant.a"));
        assert_int_equal(test_client_shell(client, sandbox,
                                           "test $(grep -c ' /gateways/a ' /proc/self/mountinfo) = 1", NULL),
                         0);
        expect_change("Revoke", "grant.a");
        assert_false(is_inside("/gateways/a"));
}

static void test_set_replaces_what_was_granted(void **state G_GNUC_UNUSED) {
        expect_change("Grant", "grant.a");
        expect_change("SetCapabilities", "grant.b");
        assert_false(is_inside("/gateways/a"));
        assert_true(is_inside("/gateways/b"));
        expect_capabilities(TEST_STRV("grant.b"));
}

static void test_two_that_cannot_both_hold_are_refused(void **state G_GNUC_UNUSED) {
        g_autofree char *output = NULL;

        expect_change("Grant", "grant.a");
        expect_refused("grant.b-at-a", "ConflictingCapabilities", "grant.a");
        assert_int_equal(test_client_exec(client, sandbox, TEST_STRV("/bin/cat", "/gateways/a"), &output), 0);
        assert_string_equal(output, "a\n");
        expect_capabilities(TEST_STRV("grant.a"));
}

static void test_variables_come_and_go_with_the_next_program(void **state G_GNUC_UNUSED) {
        static const char *const argv[] = { "/bin/sh", "-c", "test \"$GRANTED\" = 1", NULL };

        assert_int_equal(test_client_exec(client, sandbox, argv, NULL), 1);
        expect_change("Grant", "grant.env");
        assert_int_equal(test_client_exec(client, sandbox, argv, NULL), 0);
        expect_change("Revoke", "grant.env");
        assert_int_equal(test_client_exec(client, sandbox, argv, NULL), 1);
}

static void test_binds_are_nosuid_nodev_read_only(void **state G_GNUC_UNUSED) {
        g_autofree char *output = NULL;

        expect_change("Grant", "grant.a");
        expect_change("Grant", "grant.owned");
        assert_int_equal(
                test_client_shell(client, sandbox, "grep ' /gateways/a ' /proc/self/mountinfo", &output), 0);
        assert_non_null(strstr(output, " ro,"));
        assert_non_null(strstr(output, "nosuid"));
        assert_non_null(strstr(output, "nodev"));
        g_clear_pointer(&output, g_free);
        assert_int_equal(
                test_client_shell(client, sandbox, "grep ' /gateways/owned ' /proc/self/mountinfo", &output),
                0);
        assert_non_null(strstr(output, " rw,"));
        assert_non_null(strstr(output, "nosuid"));
        assert_non_null(strstr(output, "nodev"));
}

static void test_what_is_written_belongs_to_the_folders_owner(void **state) {
        g_autofree char *path = test_service_path(*state, "host/owned/new"), *text = NULL, *output = NULL;
        struct stat status;

        expect_change("Grant", "grant.owned");
        assert_int_equal(
                test_client_shell(client, sandbox,
                                  "echo written >/gateways/owned/new && stat -c %u:%g /gateways/owned/new",
                                  &output),
                0);
        assert_string_equal(output, "1000:1000\n");
        assert_return_code(stat(path, &status), errno);
        assert_int_equal(status.st_uid, OWNER_UID);
        assert_int_equal(status.st_gid, OWNER_GID);
        assert_true(g_file_get_contents(path, &text, NULL, NULL));
        assert_string_equal(text, "written\n");
        assert_return_code(unlink(path), errno);
}

/* The hole that a map of the whole range is: root inside leaves files of root outside. */
static void test_root_inside_cannot_write_into_it(void **state) {
        g_autofree char *path = test_service_path(*state, "host/owned/roots");
        TestRequest request = { .argv = TEST_STRV("/usr/bin/touch", "/gateways/owned/roots"), .user = "0" };
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        g_auto(TestProgram) program = { NULL };
        const TestExit *exit;

        expect_change("Grant", "grant.owned");
        test_expect_ok(test_client_run(client, sandbox, &request, &program, &error), &error, "Run");
        assert_int_equal(test_client_wait(client, program.process, 10 * TEST_USEC_PER_SEC, &exit), 0);
        assert_int_not_equal(exit->status, 0);
        assert_int_equal(access(path, F_OK), -1);
}

static void test_writable_folder_of_host_root_is_refused(void **state G_GNUC_UNUSED) {
        expect_refused("grant.roots", "NotMountable", "roots");
        assert_false(is_inside("/gateways/roots"));
}

static void test_writable_folder_of_host_root_if_the_template_says_so(void **state) {
        TestRequest request = { .template_name = "map-host-root",
                                .capabilities = TEST_STRV("grant.roots"),
                                .keep = true };
        g_autofree char *path = test_service_path(*state, "host/roots/new");
        struct stat status;

        assert_int_equal(test_client_launch_shell(client, &request, "echo x >/gateways/roots/new", NULL), 0);
        assert_return_code(stat(path, &status), errno);
        assert_int_equal(status.st_uid, 0);
        assert_return_code(unlink(path), errno);
}

static void test_a_folder_of_mode_0700_can_be_read_by_the_app(void **state) {
        g_autofree char *file = test_service_write(*state, "host/owned/secret", "secret\n"), *output = NULL;

        assert_return_code(chown(file, OWNER_UID, OWNER_GID), errno);
        assert_return_code(chmod(file, 0600), errno);
        expect_change("Grant", "grant.owned-read-only");
        assert_int_equal(
                test_client_exec(client, sandbox, TEST_STRV("/bin/cat", "/gateways/owned/secret"), &output),
                0);
        assert_string_equal(output, "secret\n");
        assert_return_code(unlink(file), errno);
}

/* The app puts a link where the target will be: to /etc of the host, if it were followed outside. */
static void test_target_that_is_a_link_out_of_the_root(void **state) {
        static const struct {
                const char *name, *link_to, *capability;
        } cases[] = {
                { "absolute", "/etc", "grant.link" },
                { "upwards", "../../../../../../../etc", "grant.link" },
                { "as a folder on the way", "../../../../../../../etc", "grant.below-link" },
                { "through proc", "/proc/1/root/etc", "grant.below-link" },
                { "of a descriptor", "/proc/self/fd/0", "grant.link" },
        };
        g_autofree char *file = g_build_filename(test_service_get_root(*state), "etc", "file", NULL);

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
                int r = test_client_exec(client, sandbox,
                                         TEST_STRV("/bin/ln", "-sfn", cases[i].link_to, "/tmp/link"), NULL);

                assert_int_equal(r, 0);
                r = change("Grant", cases[i].capability, &error);
                if (r >= 0)
                        fail_msg("A link %s was followed", cases[i].name);
                test_expect_error(r, &error, "NotMountable", "/tmp/link");
                assert_int_equal(access("/etc/file", F_OK), -1);
                assert_int_equal(access(file, F_OK), -1);
                assert_int_equal(test_client_shell(client, sandbox,
                                                   "grep ' /tmp/link\\| /etc/file' /proc/self/mountinfo",
                                                   NULL),
                                 1);
                expect_capabilities((const char *const[]){ NULL });
        }
}

static void test_target_in_proc_is_refused(void **state G_GNUC_UNUSED) {
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;

        /* either the manifest was refused, and the capability does not exist, or the grant is */
        assert_true(change("Grant", "grant.over-proc", &error) < 0);
        assert_int_equal(test_client_shell(client, sandbox, "grep -q '^a$' /proc/version", NULL), 1);
}

static void test_target_that_is_mounted_already(void **state G_GNUC_UNUSED) {
        expect_refused("grant.over-usr", "NotMountable", "/usr");
        assert_int_equal(test_client_shell(client, sandbox, "test -x /usr/bin/env", NULL), 0);
}

static void test_nothing_appears_in_the_hosts_mounts(void **state) {
        g_autofree char *text = NULL, *file = test_service_path(*state, "host/a.txt");

        expect_change("Grant", "grant.a");
        assert_true(g_file_get_contents("/proc/self/mountinfo", &text, NULL, NULL));
        assert_null(strstr(text, file));
        assert_null(strstr(text, "/gateways/a"));
}

static void test_no_mount_of_the_host_shows_inside(void **state) {
        g_autofree char *output = NULL;

        assert_int_equal(
                test_client_exec(client, sandbox, TEST_STRV("/bin/cat", "/proc/self/mountinfo"), &output), 0);
        assert_null(strstr(output, test_service_get_root(*state)));
        assert_null(strstr(output, "/sys/fs/cgroup/memory"));
}

static void test_grant_in_one_sandbox_is_not_in_another(void **state G_GNUC_UNUSED) {
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        g_autofree char *other = NULL;

        test_expect_ok(test_client_create(client, &(TestRequest){ .name = "other" }, &other, &error), &error,
                       "CreateSandbox");
        expect_change("Grant", "grant.a");
        assert_int_equal(
                test_client_exec(client, other, TEST_STRV("/usr/bin/test", "-e", "/gateways/a"), NULL), 1);
}

#define grant_test(function) cmocka_unit_test_setup_teardown(function, open_sandbox, close_sandbox)

int main(void) {
        static const struct CMUnitTest tests[] = {
                grant_test(test_appears_and_disappears),
                grant_test(test_a_running_app_sees_it_come_and_go),
                grant_test(test_second_item_fails_and_the_first_is_undone),
                grant_test(test_what_cannot_be_put_in_place_grants_nothing),
                grant_test(test_link_without_bridge_grants_nothing),
                grant_test(test_second_item_fails_inside_and_the_first_is_undone),
                grant_test(test_failed_set_brings_back_what_it_took_away),
                grant_test(test_second_capability_fails_and_the_first_is_undone),
                grant_test(test_failure_names_manifest_and_capability),
                grant_test(test_optional_source_may_be_missing),
                grant_test(test_unknown_capability_grants_nothing),
                grant_test(test_granting_twice_is_as_once),
                grant_test(test_set_replaces_what_was_granted),
                grant_test(test_two_that_cannot_both_hold_are_refused),
                grant_test(test_variables_come_and_go_with_the_next_program),
                grant_test(test_binds_are_nosuid_nodev_read_only),
                grant_test(test_what_is_written_belongs_to_the_folders_owner),
                grant_test(test_root_inside_cannot_write_into_it),
                grant_test(test_writable_folder_of_host_root_is_refused),
                grant_test(test_writable_folder_of_host_root_if_the_template_says_so),
                grant_test(test_a_folder_of_mode_0700_can_be_read_by_the_app),
                grant_test(test_target_that_is_a_link_out_of_the_root),
                grant_test(test_target_in_proc_is_refused),
                grant_test(test_target_that_is_mounted_already),
                grant_test(test_nothing_appears_in_the_hosts_mounts),
                grant_test(test_no_mount_of_the_host_shows_inside),
                grant_test(test_grant_in_one_sandbox_is_not_in_another),
                cmocka_unit_test(test_nothing_is_left),
        };

        return test_main("grant", prepare, tests, G_N_ELEMENTS(tests));
}
