/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What callers, manifests and settings get wrong: each its own error, nothing left of it, and the service goes on
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/fixture/test-client.h"
#include "util/cleanup.h"
#include "util/limits.h"

#define SANDBOXES_OF_A_USER 4

static TestClient *client;

static void prepare(TestService *service) {
        g_autofree char *writable = NULL;

        test_service_add_bind(service, "bad.missing-source", "host/missing", "/gateways/missing", true);
        test_service_add_bind(service, "bad.good", "host/good.txt", "/gateways/good", true);
        g_free(test_service_write(service, "host/good.txt", "good\n"));
        test_service_add_capability(service, "bad.syntax", "[ { \"id\": \"file\", ] ");
        test_service_add_capability(service, "bad.key",
                                    "[ { \"id\": \"file\", \"config\": [ { \"path-host\": \"/usr\",\n"
                                    "  \"path-container\": \"/gateways/usr\", \"raed-only\": true } ] } ]");
        test_service_add_capability(service, "bad.gateway", "[ { \"id\": \"flie\", \"config\": [] } ]");
        test_service_add_template(service, "bad-template", "[Rootfs]\nLayres=host-usr\n");
        test_service_add_template(service, "missing-layer", "[Rootfs]\nLayers=/nonexistent/layer\n");
        test_service_add_bind(service, "bad.writable-by-all", "host/good.txt", "/gateways/good", true);
        writable = test_service_path(service, "etc/bulkhead/manifests.d/bad.writable-by-all.json");
        assert_return_code(chmod(writable, 0666), errno);
        g_free(test_service_write(service, "etc/bulkhead/bulkhead.conf.d/limits.conf",
                                  "[Service]\nMaxSandboxesPerUser=4\n"));
}

static int open_client(void **state) {
        client = test_client_new(*state);
        return 0;
}

/* After every mistake: nothing of it is there, and the service does its work. */
static int close_client(void **state) {
        int r = test_after_each(state);

        if (r == 0) {
                g_auto(GStrv) left = test_client_list(client);

                if (*left) {
                        print_error("Sandbox %s is left\n", *left);
                        r = -1;
                }
        }
        if (r == 0 && test_client_launch_shell(client, NULL, "exit 9", NULL) != 9)
                r = -1;
        g_clear_pointer(&client, test_client_free);
        return r;
}

static void expect_create_refused(const TestRequest *request, const char *name, const char *needle) {
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;

        test_expect_error(test_client_create(client, request, NULL, &error), &error, name, needle);
}

static void expect_launch_refused(const TestRequest *request, const char *name, const char *needle) {
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        g_auto(GStrv) left = NULL;

        test_expect_error(test_client_launch(client, request, NULL, &error), &error, name, needle);
        left = test_client_list(client);
        if (*left)
                fail_msg("The Launch that failed has left sandbox '%s'", *left);
}

/* Launch refuses it and undoes all; Run refuses it and the sandbox lives on. */
static void expect_program_refused(const TestRequest *request, const char *name, const char *needle) {
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL, launch_error = SD_BUS_ERROR_NULL;
        g_autofree char *sandbox = NULL;

        expect_launch_refused(request, name, needle);
        test_expect_ok(test_client_create(client, &(TestRequest){ 0 }, &sandbox, &error), &error, "CreateSandbox");
        test_expect_error(test_client_run(client, sandbox, request, NULL, &launch_error), &launch_error, name, needle);
        assert_int_equal(test_client_shell(client, sandbox, "exit 8", NULL), 8);
        test_expect_ok(test_client_stop(client, sandbox, 0, &error), &error, "Stop");
}

static void test_unknown_option_key(void **state G_GNUC_UNUSED) {
        TestRequest request = { .argv = TEST_STRV("/bin/true"), .unknown_key = "colour" };

        expect_create_refused(&request, TEST_INVALID_ARGS, "colour");
        expect_program_refused(&request, TEST_INVALID_ARGS, "colour");
}

static void test_option_of_another_type(void **state G_GNUC_UNUSED) {
        /* the fixture sends unknown_key as a string: these two are not strings */
        expect_create_refused(&(TestRequest){ .unknown_key = "capabilities" }, TEST_INVALID_ARGS, "capabilities");
        expect_launch_refused(&(TestRequest){ .argv = TEST_STRV("/bin/true"), .unknown_key = "keep" },
                              TEST_INVALID_ARGS, "keep");
}

static void test_empty_argv(void **state G_GNUC_UNUSED) {
        expect_program_refused(&(TestRequest){ 0 }, TEST_INVALID_ARGS, NULL);
}

static void test_empty_program_name(void **state G_GNUC_UNUSED) {
        expect_program_refused(&(TestRequest){ .argv = TEST_STRV("") }, TEST_INVALID_ARGS, NULL);
}

static void test_program_does_not_exist(void **state G_GNUC_UNUSED) {
        expect_program_refused(&(TestRequest){ .argv = TEST_STRV("/usr/bin/no-such-program") }, "ExecFailed",
                               "No such file or directory");
        expect_program_refused(&(TestRequest){ .argv = TEST_STRV("no-such-program") }, "ExecFailed",
                               "No such file or directory");
}

static void test_program_is_not_executable(void **state G_GNUC_UNUSED) {
        expect_program_refused(&(TestRequest){ .argv = TEST_STRV("/tmp") }, "ExecFailed", "Permission denied");
}

static void test_working_directory_does_not_exist(void **state G_GNUC_UNUSED) {
        TestRequest request = { .argv = TEST_STRV("/bin/true"), .working_directory = "/no/such/folder" };

        expect_program_refused(&request, TEST_INVALID_ARGS, "/no/such/folder");
        expect_program_refused(&request, TEST_INVALID_ARGS, "No such file or directory");
}

static void test_working_directory_is_relative(void **state G_GNUC_UNUSED) {
        expect_program_refused(&(TestRequest){ .argv = TEST_STRV("/bin/true"), .working_directory = "tmp" },
                               TEST_INVALID_ARGS, "tmp");
}

static void test_user_makes_no_sense(void **state G_GNUC_UNUSED) {
        expect_program_refused(&(TestRequest){ .argv = TEST_STRV("/bin/true"), .user = "no such user" },
                               TEST_INVALID_ARGS, "no such user");
        expect_program_refused(&(TestRequest){ .argv = TEST_STRV("/bin/true"), .user = "99999999" },
                               TEST_INVALID_ARGS, "99999999");
}

/* init's own uid: an app with it could signal process 1. */
static void test_user_is_inits(void **state G_GNUC_UNUSED) {
        expect_program_refused(&(TestRequest){ .argv = TEST_STRV("/bin/true"), .user = "65535" }, TEST_INVALID_ARGS,
                               "65535");
}

static void test_descriptor_is_a_folder(void **state G_GNUC_UNUSED) {
        autofd int fd = open("/etc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        expect_program_refused(&(TestRequest){ .argv = TEST_STRV("/bin/true"), .stdin_fd = fd }, TEST_INVALID_ARGS,
                               NULL);
}

static void test_descriptor_is_a_path(void **state G_GNUC_UNUSED) {
        autofd int fd = open("/etc/passwd", O_PATH | O_CLOEXEC);

        expect_program_refused(&(TestRequest){ .argv = TEST_STRV("/bin/true"), .stdout_fd = fd }, TEST_INVALID_ARGS,
                               NULL);
}

static void test_environment_makes_no_sense(void **state G_GNUC_UNUSED) {
        g_autofree char *huge = g_strnfill(ENV_VALUE_MAX + 1, 'x');

        expect_program_refused(&(TestRequest){ .argv = TEST_STRV("/bin/true"), .environment = TEST_STRV("", "x") },
                               TEST_INVALID_ARGS, NULL);
        expect_program_refused(&(TestRequest){ .argv = TEST_STRV("/bin/true"), .environment = TEST_STRV("A=B", "x") },
                               TEST_INVALID_ARGS, NULL);
        expect_create_refused(&(TestRequest){ .environment = TEST_STRV("BIG", huge) }, TEST_INVALID_ARGS, "BIG");
}

static void test_argv_is_too_long(void **state G_GNUC_UNUSED) {
        g_autoptr(GPtrArray) argv = g_ptr_array_new();

        g_ptr_array_add(argv, (char *) (uintptr_t) "/bin/true");
        while (argv->len <= ARGV_MAX)
                g_ptr_array_add(argv, (char *) (uintptr_t) "x");
        g_ptr_array_add(argv, NULL);
        expect_program_refused(&(TestRequest){ .argv = (const char *const *) argv->pdata }, "LimitReached", NULL);
}

static void test_unknown_capability(void **state G_GNUC_UNUSED) {
        TestRequest request = { .argv = TEST_STRV("/bin/true"), .capabilities = TEST_STRV("bad.good", "bad.nonsense") };

        expect_create_refused(&request, "UnknownCapability", "bad.nonsense");
        expect_launch_refused(&request, "UnknownCapability", "bad.nonsense");
}

static void test_source_does_not_exist(void **state G_GNUC_UNUSED) {
        TestRequest request = { .argv = TEST_STRV("/bin/true"),
                                .capabilities = TEST_STRV("bad.good", "bad.missing-source") };

        expect_create_refused(&request, "NotMountable", "host/missing");
        expect_launch_refused(&request, "NotMountable", "host/missing");
}

static void test_unknown_template(void **state G_GNUC_UNUSED) {
        expect_create_refused(&(TestRequest){ .template_name = "no-such-template" }, TEST_INVALID_ARGS,
                              "no-such-template");
}

static void test_template_with_a_mistake_is_not_there(void **state G_GNUC_UNUSED) {
        expect_create_refused(&(TestRequest){ .template_name = "bad-template" }, TEST_INVALID_ARGS, "bad-template");
}

/* The start itself fails, in the shim: the reason comes all the way back. */
static void test_template_whose_layer_is_missing(void **state G_GNUC_UNUSED) {
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        int r = test_client_create(client, &(TestRequest){ .template_name = "missing-layer" }, NULL, &error);

        assert_true(r < 0);
        if (!strstr(error.message, "/nonexistent/layer"))
                fail_msg("The error does not name the layer: %s: %s", error.name, error.message);
}

static void test_name_is_taken(void **state G_GNUC_UNUSED) {
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        g_autofree char *sandbox = NULL;

        test_expect_ok(test_client_create(client, &(TestRequest){ .name = "taken" }, &sandbox, &error), &error,
                       "CreateSandbox");
        expect_create_refused(&(TestRequest){ .name = "taken" }, "SandboxExists", "taken");

        TestRequest request = { .name = "taken", .argv = TEST_STRV("/bin/true") };
        g_auto(sd_bus_error) launch_error = SD_BUS_ERROR_NULL;

        test_expect_error(test_client_launch(client, &request, NULL, &launch_error), &launch_error, "SandboxExists",
                          "taken");
        assert_int_equal(test_client_shell(client, sandbox, "exit 6", NULL), 6);

        /* and free again once it is gone */
        test_expect_ok(test_client_stop(client, sandbox, 0, &error), &error, "Stop");
        test_expect_ok(test_client_launch(client, &request, NULL, &error), &error, "Launch");
        test_client_wait_empty(client);
}

static void test_names(void **state G_GNUC_UNUSED) {
        g_autofree char *four_kib = g_strnfill(4096, 'a'), *just_too_long = g_strnfill(SANDBOX_NAME_MAX + 1, 'a'),
                        *longest = g_strnfill(SANDBOX_NAME_MAX, 'a');
        const struct {
                const char *what, *name;
                bool is_valid;
        } cases[] = {
                { "a slash", "a/b", false },
                { "upwards", "../x", false },
                { "4 KiB", four_kib, false },
                { "one too long", just_too_long, false },
                { "a leading dash", "-rf", false },
                { "a leading dot", ".hidden", false },
                { "a leading underscore", "_x", false },
                { "a space", "a b", false },
                { "a newline", "a\n", false },
                { "not ASCII", "\xc3\xa4", false },
                { "percent", "a%2fb", false },
                { "as long as may be", longest, true },
                { "every kind of character", "0.a_B-9", true },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                TestRequest request = { .name = cases[i].name, .argv = TEST_STRV("/bin/true") };
                g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
                int r = test_client_launch(client, &request, NULL, &error);

                print_message("         %s\n", cases[i].what);
                if (cases[i].is_valid) {
                        test_expect_ok(r, &error, cases[i].what);
                        test_client_wait_empty(client);
                } else {
                        test_expect_error(r, &error, "InvalidName", NULL);
                        expect_create_refused(&request, "InvalidName", NULL);
                }
        }
}

static void test_call_on_a_stopped_sandbox(void **state G_GNUC_UNUSED) {
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        g_autofree char *sandbox = NULL;
        sd_bus_error errors[3] = { SD_BUS_ERROR_NULL, SD_BUS_ERROR_NULL, SD_BUS_ERROR_NULL };
        int results[3];

        test_expect_ok(test_client_create(client, &(TestRequest){ .name = "stopped" }, &sandbox, &error), &error,
                       "CreateSandbox");
        test_expect_ok(test_client_stop(client, sandbox, 0, &error), &error, "Stop");
        results[0] = test_client_run(client, sandbox, &(TestRequest){ .argv = TEST_STRV("/bin/true") }, NULL, &errors[0]);
        results[1] = test_client_change(client, sandbox, "Grant", TEST_STRV("bad.good"), &errors[1]);
        results[2] = test_client_stop(client, sandbox, 0, &errors[2]);
        for (size_t i = 0; i < G_N_ELEMENTS(results); i++) {
                assert_true(results[i] < 0);
                if (!sd_bus_error_has_name(&errors[i], "org.bulkhead.Bulkhead1.Error.NoSuchSandbox") &&
                    !sd_bus_error_has_name(&errors[i], SD_BUS_ERROR_UNKNOWN_OBJECT))
                        fail_msg("Call %zu on a stopped sandbox: %s: %s", i, errors[i].name, errors[i].message);
                sd_bus_error_free(&errors[i]);
        }
}

static void test_call_on_a_stopping_sandbox(void **state) {
        g_autoptr(TestClient) second = test_client_new(*state);
        g_autoptr(sd_bus_message) call = NULL;
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL, refused = SD_BUS_ERROR_NULL;
        g_auto(TestProgram) program = { NULL };
        TestRequest request = { .argv = TEST_STRV("/bin/sh", "-c", "trap '' TERM; while :; do sleep 0.05; done") };

        test_expect_ok(test_client_launch(client, &request, &program, &error), &error, "Launch");
        test_client_idle(client, 100 * 1000); /* until the trap is set */
        assert_true(sd_bus_message_new_method_call(test_client_get_bus(second), &call, TEST_BUS_NAME, program.sandbox,
                                                   TEST_SANDBOX, "Stop") >= 0);
        assert_true(sd_bus_message_append(call, "t", UINT64_C(1000000)) >= 0);
        test_client_send(second, call);
        test_client_idle(client, 200 * 1000);

        int r = test_client_run(client, program.sandbox, &(TestRequest){ .argv = TEST_STRV("/bin/true") }, NULL, &refused);

        test_expect_error(r, &refused, "BadState", NULL);
        test_client_wait_empty(client);
}

static void test_sandbox_that_never_was(void **state G_GNUC_UNUSED) {
        g_autoptr(sd_bus_message) call = NULL;
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;

        assert_true(sd_bus_message_new_method_call(test_client_get_bus(client), &call, TEST_BUS_NAME, TEST_BUS_PATH,
                                                   TEST_MANAGER, "GetSandbox") >= 0);
        assert_true(sd_bus_message_append(call, "s", "never") >= 0);
        test_expect_error(test_client_call(client, call, NULL, &error), &error, "NoSuchSandbox", "never");
}

/* Root is not held by it: it could change it. */
static void test_too_many_sandboxes_of_a_user(void **state) {
        g_autoptr(TestClient) member = test_client_new_as(*state, TEST_MEMBER_UID, TEST_MEMBER_GID);
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL, refused = SD_BUS_ERROR_NULL;
        g_autofree char *first = NULL;

        for (unsigned i = 0; i < SANDBOXES_OF_A_USER; i++)
                test_expect_ok(test_client_create(member, &(TestRequest){ 0 }, i == 0 ? &first : NULL, &error), &error,
                               "CreateSandbox");
        test_expect_error(test_client_create(member, &(TestRequest){ 0 }, NULL, &refused), &refused, "LimitReached",
                          NULL);
        test_expect_ok(test_client_stop(member, first, 0, &error), &error, "Stop");
        test_expect_ok(test_client_create(member, &(TestRequest){ 0 }, NULL, &error), &error, "CreateSandbox");
}

/* One bad manifest takes out its own capabilities and nothing else; a mistake never opens more. */
static void test_bad_manifests_take_out_only_their_own(void **state G_GNUC_UNUSED) {
        static const char *const names[] = { "bad.syntax", "bad.key", "bad.gateway", "bad.writable-by-all" };
        TestRequest good = { .capabilities = TEST_STRV("bad.good") };

        for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
                print_message("         %s\n", names[i]);
                expect_create_refused(&(TestRequest){ .capabilities = TEST_STRV(names[i]) }, "UnknownCapability",
                                      names[i]);
        }
        assert_int_equal(test_client_launch_shell(client, &good, "test -e /gateways/good", NULL), 0);
}

#define bad_input_test(function) cmocka_unit_test_setup_teardown(function, open_client, close_client)

int main(void) {
        static const struct CMUnitTest tests[] = {
                bad_input_test(test_unknown_option_key),
                bad_input_test(test_option_of_another_type),
                bad_input_test(test_empty_argv),
                bad_input_test(test_empty_program_name),
                bad_input_test(test_program_does_not_exist),
                bad_input_test(test_program_is_not_executable),
                bad_input_test(test_working_directory_does_not_exist),
                bad_input_test(test_working_directory_is_relative),
                bad_input_test(test_user_makes_no_sense),
                bad_input_test(test_user_is_inits),
                bad_input_test(test_descriptor_is_a_folder),
                bad_input_test(test_descriptor_is_a_path),
                bad_input_test(test_environment_makes_no_sense),
                bad_input_test(test_argv_is_too_long),
                bad_input_test(test_unknown_capability),
                bad_input_test(test_source_does_not_exist),
                bad_input_test(test_unknown_template),
                bad_input_test(test_template_with_a_mistake_is_not_there),
                bad_input_test(test_template_whose_layer_is_missing),
                bad_input_test(test_name_is_taken),
                bad_input_test(test_names),
                bad_input_test(test_call_on_a_stopped_sandbox),
                bad_input_test(test_call_on_a_stopping_sandbox),
                bad_input_test(test_sandbox_that_never_was),
                bad_input_test(test_too_many_sandboxes_of_a_user),
                bad_input_test(test_bad_manifests_take_out_only_their_own),
                cmocka_unit_test(test_nothing_is_left),
        };

        return test_main("bad-input", prepare, tests, G_N_ELEMENTS(tests));
}
