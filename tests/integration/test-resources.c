/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Devices and limits of live sandboxes over the bus, and what happens where memory and processes end. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/fixture/test-client.h"

#define PATIENCE_USEC (20 * TEST_USEC_PER_SEC)

static TestClient *client;
static char *sandbox; /* a fresh one for each test */

static void add_limit(TestService *service, const char *capability, const char *setting, const char *value) {
        g_autofree char *gateways = g_strdup_printf(
                "[ { \"id\": \"cgroups\", \"config\": [ { \"setting\": \"%s\", \"value\": \"%s\" } ] } ]", setting, value);

        test_service_add_capability(service, capability, gateways);
}

static void add_device(TestService *service, const char *capability, const char *name, const char *access) {
        g_autofree char *gateways = g_strdup_printf("[ { \"id\": \"devicenode\", \"config\": [ { \"name\": \"%s\", "
                                                    "\"mode\": 660, \"access\": \"%s\" } ] } ]",
                                                    name, access);

        test_service_add_capability(service, capability, gateways);
}

static void prepare(TestService *service) {
        test_service_add_template(service, "small", "[Limits]\nMemory=50M\nTasks=32\n");
        add_limit(service, "resources.roomy", "memory.max", "300M");
        add_limit(service, "resources.v1-roomy", "memory.limit_in_bytes", "200M");
        add_limit(service, "resources.tasks", "pids.max", "9");
        add_limit(service, "resources.impossible", "cpuset.cpus", "4000");
        add_device(service, "resources.fuse", "/dev/fuse", "rw");
        add_device(service, "resources.fuse-read", "/dev/fuse", "r");
        add_device(service, "resources.missing", "/dev/nonexistent", "rw");
}

static int open_sandbox(void **state) {
        TestRequest request = { .name = "small", .template_name = "small" };
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;

        client = test_client_new(*state);
        test_expect_ok(test_client_create(client, &request, &sandbox, &error), &error, "CreateSandbox");
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

static uint64_t get_number(const char *name) {
        g_autoptr(sd_bus_message) reply = NULL;
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        uint64_t number = 0;

        test_expect_ok(test_client_ask(client, sandbox, "org.freedesktop.DBus.Properties", "Get", &reply, &error, "ss",
                                       TEST_SANDBOX, name),
                       &error, name);
        assert_true(sd_bus_message_read(reply, "v", "t", &number) >= 0);
        return number;
}

/* ---- devices ---- */

static bool can_open(const char *how, const char *path) {
        g_autofree char *script = g_strdup_printf("(exec 3%s%s) 2>/dev/null", how, path);

        return test_client_shell(client, sandbox, script, NULL) == 0;
}

static void test_device_comes_and_goes(void **state G_GNUC_UNUSED) {
        if (access("/dev/fuse", F_OK) < 0) {
                print_message("Skipped: this machine has no /dev/fuse\n");
                skip();
        }
        assert_false(can_open("<", "/dev/fuse"));
        expect_change("Grant", "resources.fuse-read");
        assert_true(can_open("<", "/dev/fuse"));
        assert_false(can_open("<>", "/dev/fuse"));
        expect_change("Grant", "resources.fuse");
        assert_true(can_open("<>", "/dev/fuse"));
        expect_change("Revoke", "resources.fuse");
        assert_false(can_open("<>", "/dev/fuse"));
        assert_true(can_open("<", "/dev/fuse"));
        expect_change("Revoke", "resources.fuse-read");
        assert_false(can_open("<", "/dev/fuse"));
        expect_refused("resources.missing", "NotMountable", "/dev/nonexistent");
}

/* ---- limits ---- */

/* 100 MiB, written to. */
static int allocate(void) {
        return test_client_shell(client, sandbox, "exec dd if=/dev/zero of=/dev/null bs=100M count=1 2>/dev/null", NULL);
}

static void test_limit_comes_and_goes(void **state G_GNUC_UNUSED) {
        assert_int_not_equal(allocate(), 0);
        expect_change("Grant", "resources.roomy");
        assert_int_equal(allocate(), 0);
        expect_change("Grant", "resources.v1-roomy");
        expect_change("Revoke", "resources.roomy");
        assert_int_equal(allocate(), 0);
        expect_change("Revoke", "resources.v1-roomy");
        assert_int_not_equal(allocate(), 0);
        expect_refused("resources.impossible", "Unsupported", "cpuset.cpus");
}

/* ---- out of memory ---- */

static void start(const char *in, const char *script, TestProgram *ret) {
        TestRequest request = { .argv = TEST_STRV("/bin/sh", "-c", script) };
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;

        test_expect_ok(test_client_run(client, in, &request, ret, &error), &error, "Run");
}

static void expect_exit(const TestProgram *program, const char *reason, int status) {
        const TestExit *exit;

        assert_int_equal(test_client_wait(client, program->process, PATIENCE_USEC, &exit), 0);
        assert_string_equal(exit->reason, reason);
        assert_int_equal(exit->status, status);
}

static void test_out_of_memory_is_told(void **state G_GNUC_UNUSED) {
        g_auto(TestProgram) hog = { NULL }, beside = { NULL }, next_door = { NULL };
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        g_autofree char *neighbour = NULL, *reason = NULL;
        TestRequest request = { .name = "neighbour", .template_name = "small" };

        test_expect_ok(test_client_create(client, &request, &neighbour, &error), &error, "CreateSandbox");
        start(sandbox, "sleep 0.5; exit 3", &beside);
        start(neighbour, "sleep 0.5; exit 4", &next_door);
        assert_int_equal(get_number("OOMKills"), 0);
        start(sandbox, "exec dd if=/dev/zero of=/dev/null bs=100M count=1 2>/dev/null", &hog);
        expect_exit(&hog, "oom-kill", SIGKILL);
        reason = test_client_get_string(client, hog.process, TEST_PROCESS, "ExitReason");
        assert_string_equal(reason, "oom-kill");
        expect_exit(&beside, "exited", 3);
        expect_exit(&next_door, "exited", 4);
        assert_int_equal(get_number("OOMKills"), 1);
        assert_int_equal(test_client_shell(client, sandbox, "exit 5", NULL), 5);
}

/* ---- no more processes ---- */

static void test_fork_bomb(void **state G_GNUC_UNUSED) {
        TestRequest request = { .argv = TEST_STRV("/bin/true") };
        g_auto(TestProgram) bomb = { NULL };
        int r = 0;

        expect_change("Grant", "resources.roomy"); /* processes shall run out, not memory */
        start(sandbox, "exec perl -e 'fork while 1'", &bomb);
        /* there may be room for a moment between two of its forks */
        for (int i = 0; i < 100 && r >= 0; i++) {
                g_auto(TestProgram) program = { NULL };
                g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;

                r = test_client_run(client, sandbox, &request, &program, &error);
                if (r < 0)
                        test_expect_error(r, &error, "LimitReached", "/bin/true");
        }
        assert_true(r < 0);
        for (int i = 0; i < 100; i++) {
                g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;

                test_expect_ok(test_client_ask(client, sandbox, TEST_SANDBOX, "Kill", NULL, &error, "i", SIGKILL), &error,
                               "Kill");
                if (get_number("TasksCurrent") <= 1)
                        break;
        }
        expect_exit(&bomb, "killed", SIGKILL);
        assert_int_equal(test_client_shell(client, sandbox, "exit 6", NULL), 6);
}

static void test_stop_of_a_fork_bomb(void **state G_GNUC_UNUSED) {
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        g_auto(TestProgram) bomb = { NULL };

        start(sandbox, "exec perl -e 'fork while 1'", &bomb);
        test_client_idle(client, 100 * 1000);
        test_expect_ok(test_client_stop(client, sandbox, 50 * 1000, &error), &error, "Stop");
        test_client_wait_empty(client);
}

static void test_tasks_are_limited_by_a_capability(void **state G_GNUC_UNUSED) {
        static const char many[] = "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 1 & done 2>/dev/null";

        assert_int_equal(test_client_shell(client, sandbox, many, NULL), 0);
        test_client_idle(client, 1200 * 1000);
        expect_change("Grant", "resources.tasks");
        assert_int_not_equal(test_client_shell(client, sandbox, many, NULL), 0);
}

#define resources_test(function) cmocka_unit_test_setup_teardown(function, open_sandbox, close_sandbox)

int main(void) {
        static const struct CMUnitTest tests[] = {
                resources_test(test_device_comes_and_goes),
                resources_test(test_limit_comes_and_goes),
                resources_test(test_out_of_memory_is_told),
                resources_test(test_fork_bomb),
                resources_test(test_stop_of_a_fork_bomb),
                resources_test(test_tasks_are_limited_by_a_capability),
                cmocka_unit_test(test_nothing_is_left),
        };

        return test_main("resources", prepare, tests, G_N_ELEMENTS(tests));
}
