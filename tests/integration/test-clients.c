/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Clients of others: each launches a program with what it has, and sees how it ended
 *
 * The program is one that says by its exit status whether it got what was asked for. libbulkhead has a test of
 * its own, and is here as its example.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/fixture/test-client.h"
#include "util/cleanup.h"

#define TOOL_TIMEOUT_USEC (20 * TEST_USEC_PER_SEC)

static void prepare(TestService *service) {
        g_free(test_service_write(service, "host/file.txt", "granted\n"));
        test_service_add_bind(service, "clients.file", "host/file.txt", "/gateways/file", true);
}

/* Runs a program of the machine on the bus of @service; what it printed, errors too. Fails the test unless it
 * ends well. Skips it if the machine does not have it. */
static char *run_tool(TestService *service, const char *const *argv) {
        g_autofree char *program = g_find_program_in_path(argv[0]);
        g_autofree char *address = g_strdup_printf("DBUS_SYSTEM_BUS_ADDRESS=%s", test_service_get_address(service));
        g_autofree char *session = g_strdup_printf("BULKHEAD_BUS=%s", test_service_get_address(service));
        const char *const environment[] = { address, session, "PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8", NULL };
        g_autoptr(TestClient) client = test_client_new(service);
        posix_spawn_file_actions_t actions;
        int fds[2], status;
        char *output;
        pid_t pid;

        if (!program) {
                print_message("Skipped: this machine has no %s\n", argv[0]);
                skip();
        }
        assert_return_code(pipe2(fds, O_CLOEXEC), errno);
        (void) posix_spawn_file_actions_init(&actions);
        (void) posix_spawn_file_actions_adddup2(&actions, fds[1], STDOUT_FILENO);
        (void) posix_spawn_file_actions_adddup2(&actions, fds[1], STDERR_FILENO);
        assert_int_equal(posix_spawn(&pid, program, &actions, NULL, (char **) (uintptr_t) argv,
                                     (char **) (uintptr_t) environment),
                         0);
        (void) posix_spawn_file_actions_destroy(&actions);
        (void) close(fds[1]);
        output = test_client_read_all(client, fds[0], TOOL_TIMEOUT_USEC);
        (void) close(fds[0]);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        if (status != 0)
                fail_msg("%s: raw status 0x%x: %s", argv[0], (unsigned) status, output);
        print_message("%s: %s", argv[0], output);
        return output;
}

/* The object path of the program in what a tool has printed. */
static char *find_process(const char *output) {
        const char *start = strstr(output, "/process/");
        const char *end = start ? start + strcspn(start, "\"' ,\n") : NULL;

        if (!start)
                fail_msg("No program in: %s", output);
        while (start > output && !strchr("\"' \n", start[-1]))
                start--;
        return g_strndup(start, (size_t) (end - start));
}

/* Ends with 42 if it is as the options below say. */
#define SCRIPT                                                                                                 \
        "test \"$COLOUR\" = deep-blue && test \"$(pwd)\" = /tmp && test \"$(cat /proc/sys/kernel/hostname)\" = tools " \
        "&& test \"$(ulimit -n)\" = 77 && test \"$(cat /gateways/file)\" = granted && exit 42"

static void test_gdbus(void **state) {
        g_autofree char *launched = NULL, *ended = NULL, *process = NULL;

        launched = run_tool(
                *state,
                TEST_STRV("gdbus", "call", "--system", "--dest", TEST_BUS_NAME, "--object-path", TEST_BUS_PATH,
                          "--method", TEST_MANAGER ".Launch", "by-gdbus",
                          "['/bin/bash', '-c', '" SCRIPT "']",
                          "{'environment': <{'COLOUR': 'deep-blue'}>, 'working-directory': <'/tmp'>, "
                          "'hostname': <'tools'>, 'capabilities': <['clients.file']>, "
                          "'labels': <{'from': 'gdbus'}>, 'user': <'app'>, "
                          "'rlimits': <{'nofile': (uint64 77, uint64 77)}>, 'bind-to-caller': <false>}"));
        process = find_process(launched);
        ended = run_tool(*state, TEST_STRV("gdbus", "call", "--system", "--dest", TEST_BUS_NAME, "--object-path",
                                           process, "--method", TEST_PROCESS ".Wait"));
        assert_string_equal(ended, "('exited', 42)\n");
}

static void test_busctl(void **state) {
        const char *address = test_service_get_address(*state);
        g_autofree char *bus = g_strdup_printf("--address=%s", address);
        g_autofree char *launched = NULL, *ended = NULL, *process = NULL;

        launched = run_tool(
                *state, TEST_STRV("busctl", bus, "--", "call", TEST_BUS_NAME, TEST_BUS_PATH, TEST_MANAGER, "Launch",
                                  "sasa{sv}", "by-busctl", "3", "/bin/bash", "-c", SCRIPT, "6", "environment",
                                  "a{ss}", "1", "COLOUR", "deep-blue", "working-directory", "s", "/tmp",
                                  "hostname", "s", "tools", "capabilities", "as", "1", "clients.file", "rlimits",
                                  "a{s(tt)}", "1", "nofile", "77", "77", "user", "s", "app"));
        process = find_process(launched);
        ended = run_tool(*state, TEST_STRV("busctl", bus, "call", TEST_BUS_NAME, process, TEST_PROCESS, "Wait"));
        assert_string_equal(ended, "si \"exited\" 42\n");
}

/* It cannot send variants, so it has a member of its own; its strings may have no commas. */
static void test_dbus_send(void **state) {
        g_autofree char *bus = g_strdup_printf("--bus=%s", test_service_get_address(*state));
        g_autofree char *launched = NULL, *ended = NULL, *process = NULL;

        launched = run_tool(*state, TEST_STRV("dbus-send", bus, "--print-reply", "--dest=" TEST_BUS_NAME,
                                              TEST_BUS_PATH, TEST_MANAGER ".LaunchWith", "string:by-dbus-send",
                                              "array:string:/bin/sh,-c,test \"$(cat /gateways/file)\" = granted "
                                              "&& exit 42",
                                              "array:string:clients.file"));
        process = find_process(launched);
        ended = run_tool(*state, TEST_STRV("dbus-send", bus, "--print-reply=literal", "--dest=" TEST_BUS_NAME,
                                           process, TEST_PROCESS ".Wait"));
        assert_non_null(strstr(ended, "exited"));
        assert_non_null(strstr(ended, "42"));
}

/* CreateSandbox and Run, with descriptors; reads the program's output and the state of the objects. */
static const char python_script[] =
        "import dbus, os, sys\n"
        "bus = dbus.SystemBus()\n"
        "manager = dbus.Interface(bus.get_object('org.bulkhead.Bulkhead1', '/org/bulkhead/Bulkhead1'),\n"
        "                         'org.bulkhead.Bulkhead1.Manager')\n"
        "path = manager.CreateSandbox('by-python', dbus.Dictionary({\n"
        "    'capabilities': ['clients.file'], 'hostname': 'tools',\n"
        "    'labels': dbus.Dictionary({'from': 'python'}, signature='ss')}, signature='sv'))\n"
        "sandbox = bus.get_object('org.bulkhead.Bulkhead1', path)\n"
        "ours, theirs = os.pipe()\n"
        "process, pid = sandbox.Run(['/bin/bash', '-c', sys.argv[1].replace('exit', 'echo said; exit')],\n"
        "    dbus.Dictionary({'environment': dbus.Dictionary({'COLOUR': 'deep-blue'}, signature='ss'),\n"
        "                     'working-directory': '/tmp', 'stdout': dbus.types.UnixFd(theirs),\n"
        "                     'rlimits': dbus.Dictionary({'nofile': (dbus.UInt64(77), dbus.UInt64(77))},\n"
        "                                                signature='s(tt)')}, signature='sv'),\n"
        "    dbus_interface='org.bulkhead.Bulkhead1.Sandbox')\n"
        "os.close(theirs)\n"
        "reason, status = bus.get_object('org.bulkhead.Bulkhead1', process).Wait(\n"
        "    dbus_interface='org.bulkhead.Bulkhead1.Process')\n"
        "labels = sandbox.Get('org.bulkhead.Bulkhead1.Sandbox', 'Labels',\n"
        "                     dbus_interface='org.freedesktop.DBus.Properties')\n"
        "sandbox.Stop(dbus.UInt64(0), dbus_interface='org.bulkhead.Bulkhead1.Sandbox')\n"
        "print(reason, status, os.read(ours, 100).decode().strip(), labels['from'])\n";

static void test_python(void **state) {
        g_autofree char *output = NULL;

        /* The system's: others do not see Debian's modules. -I: nor those of the folder that we are in. */
        if (access("/usr/lib/python3/dist-packages/dbus", F_OK) < 0) {
                print_message("Skipped: this machine has no python3-dbus\n");
                skip();
        }
        output = run_tool(*state, TEST_STRV("/usr/bin/python3", "-I", "-c", python_script, SCRIPT));
        assert_string_equal(output, "exited 42 said python\n");
}

static void test_libbulkhead(void **state) {
        const char *launcher = g_getenv("BULKHEAD_TEST_LAUNCHER");
        g_autofree char *output = NULL;

        assert_non_null(launcher);
        output = run_tool(*state, TEST_STRV(launcher, "clients.file", "/bin/cat", "/gateways/file"));
        assert_non_null(strstr(output, "granted\n"));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                test_case(test_gdbus),       test_case(test_busctl),
                test_case(test_dbus_send),   test_case(test_python),
                test_case(test_libbulkhead), cmocka_unit_test(test_nothing_is_left),
        };

        return test_main("clients", prepare, tests, G_N_ELEMENTS(tests));
}
