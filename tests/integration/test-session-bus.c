/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The session bus: a real dbus-daemon of a user's session, a service on it, and the clients that apps use
 * inside
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/fixture/test-client.h"
#include "tests/fixture/test-session.h"

#define SERVER "/usr/bin/dbus-daemon"
#define SOCKET "bus"

static const char configuration[] =
        "<busconfig><type>session</type><listen>unix:path=%s</listen><auth>EXTERNAL</auth>"
        "<policy context='default'><allow user='*'/><allow own='*'/>"
        "<allow send_destination='*' eavesdrop='true'/><allow eavesdrop='true'/></policy></busconfig>";

static TestService *tested;
static TestClient *client;
static char *sandbox; /* a fresh one for each test */
static pid_t server, radio;

static void prepare(TestService *service) {
        g_autofree char *path = NULL, *text = NULL;

        test_session_prepare(service);
        path = test_session_path(service, SOCKET);
        text = g_strdup_printf(configuration, path);
        g_free(test_service_write(service, "host/session.conf", text));
        test_service_add_capability(
                service, "radio.play",
                "[ { \"id\": \"dbus\", \"config\": [ { \"dbus-gateway-config-session\": [ { \"direction\": \"outgoing\", "
                "\"bus-name\": \"com.acme.*\", \"interface\": \"com.acme.A\", \"object-path\": \"/a\", \"method\": "
                "[ \"Echo\", \"Play\" ] }, { \"direction\": \"outgoing\", \"bus-name\": \"com.acme.*\", \"interface\": "
                "\"org.freedesktop.DBus.Introspectable\", \"object-path\": \"/a\", \"method\": \"*\" } ] } ] } ]");
        test_service_add_capability(
                service, "radio.tune",
                "[ { \"id\": \"dbus\", \"config\": [ { \"dbus-gateway-config-session\": [ { \"direction\": \"outgoing\", "
                "\"bus-name\": \"com.acme.Radio\", \"interface\": \"com.acme.A\", \"object-path\": \"/a\", \"method\": "
                "\"Tune\" } ] } ] } ]");
        tested = service;
}

/* ---- the host's side ---- */

static const char introspection[] =
        "<node><interface name='com.acme.A'><method name='Echo'><arg type='s' direction='in'/>"
        "<arg type='s' direction='out'/></method></interface></node>";

static int answer(sd_bus_message *message, void *userdata G_GNUC_UNUSED, sd_bus_error *error G_GNUC_UNUSED) {
        if (!sd_bus_message_is_method_call(message, NULL, NULL))
                return 0;
        if (sd_bus_message_is_method_call(message, NULL, "Introspect"))
                return sd_bus_reply_method_return(message, "s", introspection);
        return sd_bus_reply_method_return(message, "s", "hello");
}

static G_GNUC_NORETURN void serve(const char *address, int ready_fd) {
        sd_bus *bus = NULL;

        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (sd_bus_new(&bus) < 0 || sd_bus_set_address(bus, address) < 0 ||
            sd_bus_set_bus_client(bus, true) < 0 || sd_bus_start(bus) < 0 ||
            sd_bus_add_filter(bus, NULL, answer, NULL) < 0 ||
            sd_bus_request_name(bus, "com.acme.Radio", 0) < 0 ||
            sd_bus_request_name(bus, "com.hidden.Service", 0) < 0 || write(ready_fd, "x", 1) != 1)
                _exit(1);
        for (;;) {
                int r = sd_bus_process(bus, NULL);

                if (r < 0 || (r == 0 && sd_bus_wait(bus, UINT64_MAX) < 0))
                        _exit(0);
        }
}

static void start_radio(void) {
        g_autofree char *path = test_session_path(tested, SOCKET),
                        *address = g_strdup_printf("unix:path=%s", path);
        int fds[2];
        char byte;

        assert_return_code(pipe(fds), errno);
        radio = fork();
        if (radio == 0)
                serve(address, fds[1]);
        (void) close(fds[1]);
        assert_int_equal(read(fds[0], &byte, 1), 1);
        (void) close(fds[0]);
}

static void start_server(void) {
        g_autofree char *file = test_service_path(tested, "host/session.conf");
        g_autofree char *option = g_strdup_printf("--config-file=%s", file);

        server = test_session_start(
                tested, (const char *const[]){ SERVER, "--nofork", "--nopidfile", option, NULL }, SOCKET);
        start_radio();
}

static void stop_server(void) {
        (void) test_session_stop(&radio);
        (void) test_session_stop(&server);
}

static int before_each(void **state) {
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        TestRequest request = { 0 };

        if (!client)
                client = test_client_new(*state);
        start_server();
        test_expect_ok(test_client_create(client, &request, &sandbox, &error), &error, "CreateSandbox");
        return 0;
}

static int after_each(void **state) {
        g_clear_pointer(&sandbox, g_free);
        stop_server();
        return test_after_each(state);
}

static void change(const char *method, const char *capability) {
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;

        test_expect_ok(test_client_change(client, sandbox, method, TEST_STRV(capability), &error), &error,
                       method);
}

static char *call(const char *name, const char *member) {
        char *output = NULL;

        (void) test_client_exec(
                client, sandbox,
                TEST_STRV("/usr/bin/busctl", "--user", "call", name, "/a", "com.acme.A", member), &output);
        return output;
}

static void expect(const char *name, const char *member, const char *wanted) {
        g_autofree char *output = call(name, member);

        if (!strstr(output, wanted))
                fail_msg("%s of %s says '%s', expected '%s'", member, name, output, wanted);
}

static pid_t find_proxy(void) {
        g_autoptr(GDir) folder = g_dir_open("/proc", 0, NULL);
        g_autofree char *wanted = test_service_get_program(tested, "bulkhead-dbus-proxy");
        const char *name;

        while ((name = g_dir_read_name(folder))) {
                g_autofree char *link = g_strdup_printf("/proc/%s/exe", name);
                g_autofree char *program = g_ascii_isdigit(*name) ? g_file_read_link(link, NULL) : NULL;

                if (program && strcmp(program, wanted) == 0)
                        return (pid_t) strtol(name, NULL, 10);
        }
        return 0;
}

/* ---- the tests ---- */

static void test_no_bus_without_the_capability(void **state G_GNUC_UNUSED) {
        assert_int_not_equal(
                test_client_exec(client, sandbox,
                                 TEST_STRV("/usr/bin/test", "-e", "/gateways/session_bus_socket"), NULL),
                0);
        assert_int_equal(find_proxy(), 0);
        change("Grant", "radio.play");
        assert_int_equal(test_client_exec(client, sandbox,
                                          TEST_STRV("/usr/bin/test", "-S", "/gateways/session_bus_socket"),
                                          NULL),
                         0);
        assert_int_equal(find_proxy(), 0); /* nobody has connected */
}

#define PYTHON_DBUS                                                                                          \
        "import dbus, dbus.bus, os, sys\n"                                                                   \
        "bus = dbus.bus.BusConnection(os.environ['DBUS_SESSION_BUS_ADDRESS'])\n"                             \
        "print(dbus.Interface(bus.get_object(sys.argv[1], '/a', introspect=False), 'com.acme.A').Echo('x'))\n"
#define PYTHON_PYDBUS                                                                                        \
        "import pydbus, sys\n"                                                                               \
        "print(pydbus.SessionBus().get(sys.argv[1], '/a')['com.acme.A'].Echo('x'))\n"

static void test_clients(void **state G_GNUC_UNUSED) {
        const struct {
                const char *name;
                const char *const *argv;
                bool may_lack;
        } clients[] = {
                { "busctl",
                  TEST_STRV("/usr/bin/busctl", "--user", "call", "com.acme.Radio", "/a", "com.acme.A", "Echo",
                            "s", "x"),
                  false },
                { "dbus-send",
                  TEST_STRV("/usr/bin/dbus-send", "--session", "--print-reply", "--dest=com.acme.Radio", "/a",
                            "com.acme.A.Echo", "string:x"),
                  false },
                { "gdbus",
                  TEST_STRV("/usr/bin/gdbus", "call", "--session", "--dest", "com.acme.Radio",
                            "--object-path", "/a", "--method", "com.acme.A.Echo", "x"),
                  true },
                { "python3-dbus", TEST_STRV("/usr/bin/python3", "-c", PYTHON_DBUS, "com.acme.Radio"), true },
                { "python3-pydbus", TEST_STRV("/usr/bin/python3", "-c", PYTHON_PYDBUS, "com.acme.Radio"),
                  true },
        };

        change("Grant", "radio.play");
        for (size_t i = 0; i < G_N_ELEMENTS(clients); i++) {
                g_autofree char *output = NULL;
                int status = test_client_exec(client, sandbox, clients[i].argv, &output);

                if (clients[i].may_lack && (status == 127 || strstr(output, "ModuleNotFoundError")))
                        print_message("Skipped: %s is not installed\n", clients[i].name);
                else if (status != 0 || !strstr(output, "hello"))
                        fail_msg("%s: %d: %s", clients[i].name, status, output);
        }
        expect("com.acme.Radio", "Tune", "ccess denied");
        expect("com.hidden.Service", "Echo", "not provided by any .service");
}

static void test_the_proxy_has_given_up_everything(void **state G_GNUC_UNUSED) {
        const char *const lines[] = { "\nUid:\t5\t5\t5\t5\n", "\nGid:\t60\t60\t60\t60\n",
                                             "\nGroups:\t \n",       "\nCapPrm:\t0000000000000000\n",
                                             "\nNoNewPrivs:\t1\n",
                                             /* sanitizers make calls that no filter of ours knows */
                                             g_getenv("ASAN_OPTIONS") ? "\nSeccomp:\t" : "\nSeccomp:\t2\n" };
        g_autofree char *path = NULL, *text = NULL;

        change("Grant", "radio.play");
        expect("com.acme.Radio", "Play", "hello");
        path = g_strdup_printf("/proc/%d/status", (int) find_proxy());
        assert_true(g_file_get_contents(path, &text, NULL, NULL));
        for (size_t i = 0; i < G_N_ELEMENTS(lines); i++)
                if (!strstr(text, lines[i]))
                        fail_msg("No '%s' in:\n%s", lines[i], text);
}

static void test_rules_follow_grants(void **state G_GNUC_UNUSED) {
        change("Grant", "radio.play");
        for (int i = 0; i < 3; i++) {
                expect("com.acme.Radio", "Tune", "ccess denied");
                change("Grant", "radio.tune");
                expect("com.acme.Radio", "Tune", "hello");
                expect("com.acme.Radio", "Play", "hello");
                change("Revoke", "radio.tune");
        }
        change("Grant", "radio.tune");
        change("Revoke", "radio.play");
        expect("com.acme.Radio", "Play", "ccess denied");
        expect("com.acme.Radio", "Tune", "hello");
}

static void test_revoke_cuts(void **state G_GNUC_UNUSED) {
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        /* as long as its connection lives */
        TestRequest request = { .argv = TEST_STRV("/usr/bin/dbus-monitor", "--session", "type='signal'") };
        TestProgram program = { 0 };
        const TestExit *told;

        change("Grant", "radio.play");
        test_expect_ok(test_client_run(client, sandbox, &request, &program, &error), &error, "Run");
        expect("com.acme.Radio", "Play", "hello");
        assert_int_equal(test_client_wait(client, program.process, 200 * 1000, &told), -ETIMEDOUT);
        change("Revoke", "radio.play");
        assert_int_equal(test_client_wait(client, program.process, 5 * TEST_USEC_PER_SEC, &told), 0);
        assert_int_equal(find_proxy(), 0);
        assert_int_not_equal(
                test_client_exec(client, sandbox,
                                 TEST_STRV("/usr/bin/test", "-e", "/gateways/session_bus_socket"), NULL),
                0);
        g_free(program.sandbox);
        g_free(program.process);
}

static void test_a_killed_proxy_comes_back(void **state G_GNUC_UNUSED) {
        change("Grant", "radio.play");
        for (int i = 0; i < 3; i++) {
                pid_t pid;

                expect("com.acme.Radio", "Play", "hello");
                pid = find_proxy();
                assert_int_not_equal(pid, 0);
                assert_return_code(kill(pid, SIGKILL), errno);
        }
        expect("com.acme.Radio", "Play", "hello");
}

static void test_the_bus_may_come_later_and_again(void **state G_GNUC_UNUSED) {
        stop_server();
        change("Grant", "radio.play");
        g_free(call("com.acme.Radio", "Play"));
        start_server();
        expect("com.acme.Radio", "Play", "hello");
        stop_server();
        start_server();
        expect("com.acme.Radio", "Play", "hello");
}

static bool was_refused(void) {
        g_autoptr(sd_bus_message) reply = NULL;
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        const char *gateway;
        uint64_t usec;
        bool found = false;

        test_expect_ok(sd_bus_get_property(test_client_get_bus(client), TEST_BUS_NAME, sandbox, TEST_SANDBOX,
                                           "Refused", &error, &reply, "a(tsa{sv})"),
                       &error, "Refused");
        assert_true(sd_bus_message_enter_container(reply, 'a', "(tsa{sv})") > 0);
        while (sd_bus_message_enter_container(reply, 'r', "tsa{sv}") > 0) {
                assert_true(sd_bus_message_read(reply, "ts", &usec, &gateway) > 0);
                found = found || strcmp(gateway, "dbus") == 0;
                (void) sd_bus_message_skip(reply, "a{sv}");
                (void) sd_bus_message_exit_container(reply);
        }
        return found;
}

static void test_refusals_are_told(void **state G_GNUC_UNUSED) {
        bool found = false;

        change("Grant", "radio.play");
        expect("com.acme.Radio", "Tune", "ccess denied");
        for (int i = 0; i < 40 && !found; i++) {
                test_client_idle(client, 50 * 1000);
                found = was_refused();
        }
        assert_true(found);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, before_each, after_each)
        static const struct CMUnitTest tests[] = {
                TEST(test_no_bus_without_the_capability),
                TEST(test_clients),
                TEST(test_the_proxy_has_given_up_everything),
                TEST(test_rules_follow_grants),
                TEST(test_revoke_cuts),
                TEST(test_a_killed_proxy_comes_back),
                TEST(test_the_bus_may_come_later_and_again),
                TEST(test_refusals_are_told),
                cmocka_unit_test(test_nothing_is_left),
        };

        if (access(SERVER, X_OK) < 0) {
                printf("SKIP: %s is not installed\n", SERVER);
                return TEST_EXIT_SKIP;
        }
        return test_main("session-bus", prepare, tests, G_N_ELEMENTS(tests));
}
