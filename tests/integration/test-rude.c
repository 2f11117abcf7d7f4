/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Slow and rude clients cost others nothing, and the service a bounded amount of memory
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/fixture/test-client.h"
#include "util/limits.h"

#define N_CALLS     10000
#define LONG_SIZE   (64 * 1024)
#define GROWTH_KIB  (48 * 1024) /* what all of it may add to the service, sanitizers aside */
#define PATIENCE_MS 500         /* of a polite client's short call meanwhile */

static TestClient *polite;
static TestService *service;

static int open_client(void **state) {
        service = *state;
        polite = test_client_new(service);
        return 0;
}

static int close_client(void **state) {
        g_clear_pointer(&polite, test_client_free);
        return test_after_each(state);
}

/* VmRSS of the service in KiB. */
static unsigned get_memory(void) {
        g_autofree char *path = g_strdup_printf("/proc/%d/status", (int) test_service_get_pid(service));
        g_autofree char *text = NULL;
        const char *line;
        unsigned kib = 0;

        assert_true(g_file_get_contents(path, &text, NULL, NULL));
        line = strstr(text, "VmRSS:");
        assert_non_null(line);
        assert_int_equal(sscanf(line, "VmRSS: %u", &kib), 1);
        return kib;
}

/* A short call of somebody else, and how long it took. */
static void expect_served(const char *what) {
        uint64_t begun = test_now_usec();
        unsigned ms;

        g_strfreev(test_client_list(polite));
        ms = (unsigned) ((test_now_usec() - begun) / 1000);
        print_message("%s: the service has %u KiB, answers others in %u ms\n", what, get_memory(), ms);
        if (ms > PATIENCE_MS)
                fail_msg("%s: others wait for %u ms", what, ms);
}

/* AddressSanitizer keeps what was freed for a while, so that its memory says nothing of the service's. */
#if defined(__SANITIZE_ADDRESS__)
#define HAS_SANITIZER true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_SANITIZER true
#endif
#endif
#ifndef HAS_SANITIZER
#define HAS_SANITIZER false
#endif

static void expect_bounded(const char *what, unsigned before) {
        unsigned after = get_memory();

        print_message("%s: %u KiB before, %u after\n", what, before, after);
        if (HAS_SANITIZER)
                print_message("%s: growth is not looked at, since the sanitizer keeps what was freed\n", what);
        else if (after > before + GROWTH_KIB)
                fail_msg("%s: the service has grown from %u to %u KiB", what, before, after);
}

static sd_bus_message *new_list_call(TestClient *client, bool expects_reply) {
        sd_bus_message *call = NULL;

        assert_true(sd_bus_message_new_method_call(test_client_get_bus(client), &call, TEST_BUS_NAME,
                                                   TEST_BUS_PATH, TEST_MANAGER, "ListCapabilities") >= 0);
        assert_true(sd_bus_message_set_expect_reply(call, expects_reply) >= 0);
        return call;
}

/* Calls as fast as it can, and reads none of the answers. */
static void test_never_reading(void **state G_GNUC_UNUSED) {
        unsigned before = get_memory();
        g_autoptr(TestClient) rude = test_client_new_as(service, TEST_MEMBER_UID, TEST_MEMBER_GID);

        for (unsigned i = 0; i < N_CALLS; i++) {
                g_autoptr(sd_bus_message) call = new_list_call(rude, true);

                /* the bus stops taking them from whom it cannot answer; then they stay with us */
                if (sd_bus_send(test_client_get_bus(rude), call, NULL) < 0)
                        break;
                if (i % 2500 == 0)
                        expect_served("never reading");
        }
        expect_served("never reading");
        expect_bounded("never reading", before);
}

/* Calls that are not answered as long as the program runs; then it leaves. */
static void test_pending_calls(void **state G_GNUC_UNUSED) {
        unsigned before = get_memory();
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        g_auto(TestProgram) program = { NULL };
        TestRequest request = { .name = "pending", .argv = TEST_STRV("/bin/sleep", "100") };
        TestClient *rude = test_client_new_as(service, TEST_MEMBER_UID, TEST_MEMBER_GID);

        test_expect_ok(test_client_launch(rude, &request, &program, &error), &error, "Launch");
        for (unsigned i = 0; i < N_CALLS; i++) {
                g_autoptr(sd_bus_message) call = NULL;

                assert_true(sd_bus_message_new_method_call(test_client_get_bus(rude), &call, TEST_BUS_NAME,
                                                           program.process, TEST_PROCESS, "Wait") >= 0);
                test_client_send(rude, call);
        }
        expect_served("pending calls");
        expect_bounded("pending calls", before);
        test_client_free(rude);
        expect_served("left with calls pending");
}

/* In the middle of launches and just behind them: each is undone, or ends with its caller. */
static void test_leaving(void **state G_GNUC_UNUSED) {
        unsigned before = get_memory();

        for (unsigned i = 0; i < 30; i++) {
                TestClient *rude = test_client_new_as(service, TEST_MEMBER_UID, TEST_MEMBER_GID);
                g_autoptr(sd_bus_message) call = NULL;

                assert_true(sd_bus_message_new_method_call(test_client_get_bus(rude), &call, TEST_BUS_NAME,
                                                           TEST_BUS_PATH, TEST_MANAGER, "Launch") >= 0);
                assert_true(sd_bus_message_append(call, "sasa{sv}", "", 2, "/bin/sleep", "100", 1,
                                                  "bind-to-caller", "b", 1) >= 0);
                test_client_send(rude, call);
                test_client_idle(rude, (uint64_t) i * 1000);
                test_client_free(rude);
        }
        test_client_wait_empty(polite);
        expect_served("leaving");
        expect_bounded("leaving", before);
}

/* Names of 64 KiB in every string that there is: each is refused in an answer of bounded size. */
static void test_long_strings(void **state G_GNUC_UNUSED) {
        g_autofree char *text = g_strnfill(LONG_SIZE, 'x');
        g_autofree char *path = g_strdup_printf("/%s", text);
        g_auto(sd_bus_error) create_error = SD_BUS_ERROR_NULL;
        g_autoptr(TestClient) rude = test_client_new_as(service, TEST_MEMBER_UID, TEST_MEMBER_GID);
        unsigned before = get_memory();
        char *sandbox = NULL;

        test_expect_ok(test_client_create(rude, &(TestRequest){ .name = "long" }, &sandbox, &create_error),
                       &create_error, "CreateSandbox");

#define REFUSED(where, interface, member, ...)                                                               \
        do {                                                                                                 \
                g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;                                              \
                                                                                                             \
                if (test_client_ask(rude, where, interface, member, NULL, &error, __VA_ARGS__) >= 0)         \
                        fail_msg("%s takes a string of %d bytes", member, LONG_SIZE);                        \
                if (strlen(error.message) > BUS_ERROR_MAX + 16)                                              \
                        fail_msg("%s answers with %zu bytes", member, strlen(error.message));                \
        } while (0)

        for (unsigned i = 0; i < 20; i++) {
                REFUSED(TEST_BUS_PATH, TEST_MANAGER, "CreateSandbox", "sa{sv}", text, 0);
                REFUSED(TEST_BUS_PATH, TEST_MANAGER, "CreateSandbox", "sa{sv}", "", 1, text, "s", "x");
                REFUSED(TEST_BUS_PATH, TEST_MANAGER, "LaunchWith", "sasas", text, 1, "/bin/true", 0);
                REFUSED(TEST_BUS_PATH, TEST_MANAGER, "LaunchWith", "sasas", "", 1, "/bin/true", 1, text);
                REFUSED(TEST_BUS_PATH, TEST_MANAGER, "CreateSandbox", "sa{sv}", "", 1, "template", "s", text);
                REFUSED(TEST_BUS_PATH, TEST_MANAGER, "CreateSandbox", "sa{sv}", "", 1, "hostname", "s", text);
                REFUSED(TEST_BUS_PATH, TEST_MANAGER, "CreateSandbox", "sa{sv}", "", 1, "capabilities", "as",
                        1, text);
                REFUSED(TEST_BUS_PATH, TEST_MANAGER, "CreateSandbox", "sa{sv}", "", 1, "labels", "a{ss}", 1,
                        text, "");
                REFUSED(TEST_BUS_PATH, TEST_MANAGER, "CreateSandbox", "sa{sv}", "", 1, "environment", "a{ss}",
                        1, text, "");
                REFUSED(TEST_BUS_PATH, TEST_MANAGER, "CreateSandbox", "sa{sv}", "", 1, "mounts", "a(sst)", 1,
                        path, path, (uint64_t) 0);
                REFUSED(TEST_BUS_PATH, TEST_MANAGER, "GetSandbox", "s", text);
                REFUSED(TEST_BUS_PATH, TEST_MANAGER, "DescribeCapability", "s", text);
                REFUSED(TEST_BUS_PATH, TEST_MANAGER, "Explain", "asa{sv}", 1, text, 0);
                REFUSED(sandbox, TEST_SANDBOX, "Run", "asa{sv}", 1, text, 0);
                REFUSED(sandbox, TEST_SANDBOX, "Run", "asa{sv}", 1, "/bin/true", 1, "user", "s", text);
                REFUSED(sandbox, TEST_SANDBOX, "Run", "asa{sv}", 1, "/bin/true", 1, "working-directory", "s",
                        path);
                REFUSED(sandbox, TEST_SANDBOX, "Run", "asa{sv}", 1, "/bin/true", 1, "groups", "as", 1, text);
                REFUSED(sandbox, TEST_SANDBOX, "Run", "asa{sv}", 1, "/bin/true", 1, "namespaces", "as", 1,
                        text);
                REFUSED(sandbox, TEST_SANDBOX, "Grant", "as", 1, text);
                REFUSED(sandbox, TEST_SANDBOX, "Revoke", "as", 1, text);
                REFUSED(sandbox, TEST_SANDBOX, "SetCapabilities", "as", 1, text);
                REFUSED(sandbox, TEST_SANDBOX, "BindMount", "sst", path, path, (uint64_t) 0);
                REFUSED(sandbox, TEST_SANDBOX, "Unmount", "s", path);
        }
        expect_served("long strings");
        expect_bounded("long strings", before);
        g_free(sandbox);
}

#define rude_case(function) cmocka_unit_test_setup_teardown(function, open_client, close_client)

int main(void) {
        static const struct CMUnitTest tests[] = {
                rude_case(test_never_reading),
                rude_case(test_pending_calls),
                rude_case(test_leaving),
                rude_case(test_long_strings),
                cmocka_unit_test(test_nothing_is_left),
        };

        return test_main("rude", NULL, tests, G_N_ELEMENTS(tests));
}
