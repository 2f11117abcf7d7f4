/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Many clients that say much at once: all are answered, and the proxy does not grow by it
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "tests/dbus-proxy/echo.h"
#include "tests/dbus-proxy/test-bus.h"
#include "util/limits.h"

#define N_CLIENTS 100
#define N_CALLS   1000
#define WINDOW    16
#define BODY_SIZE 8192

/* What waits for a reader, and what was read beyond the limit before, in both directions; and as much again
 * for what malloc(3) has in holes. */
#define GROWTH_MAX (N_CLIENTS * 2 * 2 * 2 * BUS_PROXY_QUEUE_MAX / 1024)

static TestBus bus;
static EchoClient *clients[N_CLIENTS];
static pid_t service;

/* In KiB; of proc_pid_status(5). */
static unsigned read_status(const char *key) {
        g_autofree char *path = g_strdup_printf("/proc/%d/status", (int) bus.proxy_pid), *text = NULL;
        const char *at;

        assert_true(g_file_get_contents(path, &text, NULL, NULL));
        at = strstr(text, key);
        assert_non_null(at);
        return (unsigned) strtoul(at + strlen(key), NULL, 10);
}

static void test_all_are_answered(void **state G_GNUC_UNUSED) {
        unsigned first, idle, peak, after;

        test_bus_start(&bus);
        service = echo_service_start(bus.address);
        test_bus_start_proxy(
                &bus,
                (const char *const[]){ "talk both name " ECHO_NAME " interface * path * member *", NULL });
        clients[0] = echo_client_new(bus.proxy_address);
        first = read_status("\nVmRSS:");
        for (size_t i = 1; i < N_CLIENTS; i++)
                clients[i] = echo_client_new(bus.proxy_address);
        idle = read_status("\nVmRSS:");
        echo_run(clients, N_CLIENTS, N_CALLS, WINDOW, BODY_SIZE);
        peak = read_status("\nVmHWM:");
        after = read_status("\nVmRSS:");
        print_message(
                "%d clients, each %d calls and answers of %d bytes; the proxy's memory: %u KiB with one "
                "client, %u KiB with all, at most %u KiB under load, %u KiB after it\n",
                N_CLIENTS, N_CALLS, BODY_SIZE, first, idle, peak, after);
        assert_true(peak - first < GROWTH_MAX);
}

/* Also after a failure. */
static int stop(void **state G_GNUC_UNUSED) {
        for (size_t i = 0; i < N_CLIENTS; i++)
                g_clear_pointer(&clients[i], echo_client_free);
        if (service > 0) {
                (void) kill(service, SIGKILL);
                (void) waitpid(service, NULL, 0);
        }
        test_bus_stop(&bus);
        return 0;
}

int main(void) {
        const struct CMUnitTest tests[] = { cmocka_unit_test_teardown(test_all_are_answered, stop) };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
