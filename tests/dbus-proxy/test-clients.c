/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The clients that apps use: libdbus, GDBus and sd-bus, from the shell and from Python, as several users; and
 * descriptors, which go with messages in both directions
 */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/dbus-proxy/test-bus.h"
#include "util/cleanup.h"

static TestBus bus;
static sd_bus *host;

static const char introspection[] =
        "<node><interface name='com.acme.A'><method name='Echo'><arg type='s' direction='in'/>"
        "<arg type='s' direction='out'/></method></interface></node>";

static int answer_all(sd_bus_message *message, void *userdata G_GNUC_UNUSED,
                      sd_bus_error *error G_GNUC_UNUSED) {
        const char *text;
        int fd;

        if (!sd_bus_message_is_method_call(message, NULL, NULL))
                return 0;
        if (sd_bus_message_is_method_call(message, "org.freedesktop.DBus.Introspectable", "Introspect"))
                return sd_bus_reply_method_return(message, "s", introspection);
        if (sd_bus_message_is_method_call(message, NULL, "Echo") &&
            sd_bus_message_read(message, "s", &text) > 0)
                return sd_bus_reply_method_return(message, "s", text);
        if (sd_bus_message_is_method_call(message, NULL, "Descriptor") &&
            sd_bus_message_read(message, "h", &fd) > 0)
                return sd_bus_reply_method_return(message, "h", fd);
        return sd_bus_reply_method_return(message, "s", "here");
}

static int setup(void **state G_GNUC_UNUSED) {
        test_bus_start(&bus);
        host = test_bus_connect(&bus, bus.address);
        assert_true(sd_bus_add_filter(host, NULL, answer_all, NULL) >= 0);
        assert_true(sd_bus_request_name(host, "com.acme.Radio", 0) >= 0);
        assert_true(sd_bus_request_name(host, "com.hidden.Service", 0) >= 0);
        test_bus_start_proxy(
                &bus,
                (const char *const[]){
                        "talk outgoing name com.acme.* interface com.acme.A path /a member *",
                        "talk outgoing name com.acme.* interface org.freedesktop.DBus.* path /a member Introspect,Get*",
                        NULL });
        return 0;
}

static int teardown(void **state G_GNUC_UNUSED) {
        test_bus_stop(&bus);
        return 0;
}

/* ---- programs ---- */

typedef struct ClientCase {
        const char *name;
        const char *argv[20];
        const char *module;  /* of Python, without which it is skipped */
        const char *allowed; /* what it prints; of the call that is allowed */
        const char *refused; /* what it prints when it calls com.hidden.Service, "@NAME" in argv */
} ClientCase;

#define PYTHON_DBUS                                                                                          \
        "import dbus, dbus.bus, os, sys\n"                                                                   \
        "bus = dbus.bus.BusConnection(os.environ['DBUS_SESSION_BUS_ADDRESS'])\n"                             \
        "print(dbus.Interface(bus.get_object(sys.argv[1], '/a', introspect=False), 'com.acme.A').Echo('hello'))\n"

#define PYTHON_PYDBUS                                                                                        \
        "import pydbus, sys\n"                                                                               \
        "print(pydbus.SessionBus().get(sys.argv[1], '/a')['com.acme.A'].Echo('hello'))\n"

static const ClientCase cases[] = {
        { "dbus-send",
          { "/usr/bin/dbus-send", "--session", "--print-reply", "--dest=@NAME", "/a", "com.acme.A.Echo",
            "string:hello" },
          NULL,
          "hello",
          "ServiceUnknown" },
        { "gdbus",
          { "/usr/bin/gdbus", "call", "--session", "--dest", "@NAME", "--object-path", "/a", "--method",
            "com.acme.A.Echo", "hello" },
          NULL,
          "('hello',)",
          "ServiceUnknown" },
        { "busctl",
          { "/usr/bin/busctl", "--user", "call", "@NAME", "/a", "com.acme.A", "Echo", "s", "hello" },
          NULL,
          "s \"hello\"",
          "not provided by any .service" },
        { "python3-dbus",
          { "/usr/bin/python3", "-c", PYTHON_DBUS, "@NAME" },
          "dbus",
          "hello",
          "com.hidden.Service" },
        { "python3-pydbus",
          { "/usr/bin/python3", "-c", PYTHON_PYDBUS, "@NAME" },
          "pydbus",
          "hello",
          "com.hidden.Service" },
};

/* Runs it with the bus served meanwhile. Returns what it prints on both streams; caller frees. */
static char *run(const char *const *argv, const char *user) {
        g_autofree char *address = g_strdup_printf("DBUS_SESSION_BUS_ADDRESS=%s", bus.proxy_address);
        const char *environment[] = { address, "PATH=/usr/bin:/bin", "HOME=/", "LC_ALL=C.UTF-8", NULL };
        g_autoptr(GPtrArray) words = g_ptr_array_new();
        g_autofree char *uid = g_strdup_printf("--reuid=%s", user);
        posix_spawn_file_actions_t actions;
        GString *output = g_string_new(NULL);
        int out[2], status = 0;
        pid_t pid;

        g_ptr_array_add(words, (char *) "/usr/bin/setpriv");
        g_ptr_array_add(words, uid);
        g_ptr_array_add(words, (char *) "--clear-groups");
        for (; *argv; argv++)
                g_ptr_array_add(words, (char *) *argv);
        g_ptr_array_add(words, NULL);
        assert_int_equal(pipe2(out, O_CLOEXEC | O_NONBLOCK), 0);
        assert_int_equal(posix_spawn_file_actions_init(&actions), 0);
        assert_int_equal(posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO), 0);
        assert_int_equal(posix_spawn_file_actions_adddup2(&actions, out[1], STDERR_FILENO), 0);
        assert_int_equal(posix_spawn(&pid, words->pdata[0], &actions, NULL, (char **) words->pdata,
                                     (char **) environment),
                         0);
        posix_spawn_file_actions_destroy(&actions);
        (void) close(out[1]);
        for (int i = 0; i < 2000; i++) {
                char part[4096];
                ssize_t n = read(out[0], part, sizeof(part));

                if (n == 0)
                        break;
                if (n > 0)
                        g_string_append_len(output, part, n);
                (void) test_bus_pump(&bus, NULL, 5);
        }
        (void) close(out[0]);
        (void) kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        return g_string_free(output, FALSE);
}

static void run_case(const ClientCase *c, const char *name, const char *user, const char *expected) {
        const char *argv[G_N_ELEMENTS(c->argv) + 1] = { 0 };
        g_autofree char *destination = g_strdup_printf("--dest=%s", name), *output = NULL;

        for (size_t i = 0; i < G_N_ELEMENTS(c->argv) && c->argv[i]; i++)
                argv[i] = strcmp(c->argv[i], "@NAME") == 0          ? name
                          : strcmp(c->argv[i], "--dest=@NAME") == 0 ? destination
                                                                    : c->argv[i];
        output = run(argv, user);
        if (!strstr(output, expected))
                fail_msg("%s as user %s of %s says: %s", c->name, user, name, output);
}

static bool is_installed(const ClientCase *c) {
        g_autofree char *import = c->module ? g_strdup_printf("import %s", c->module) : NULL, *output = NULL;

        if (access(c->argv[0], X_OK) < 0)
                return false;
        if (!import)
                return true;
        output = run((const char *const[]){ c->argv[0], "-c", import, NULL }, "0");
        return output[0] == '\0';
}

static void test_clients(void **state G_GNUC_UNUSED) {
        static const char *const users[] = { "0", "1000", "424242" };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                if (!is_installed(&cases[i])) {
                        print_message("Skipped: %s is not installed\n", cases[i].name);
                        continue;
                }
                for (size_t k = 0; k < G_N_ELEMENTS(users); k++)
                        run_case(&cases[i], "com.acme.Radio", users[k], cases[i].allowed);
                run_case(&cases[i], "com.hidden.Service", "1000", cases[i].refused);
        }
}

static void test_listing(void **state G_GNUC_UNUSED) {
        g_autofree char *names = run(
                (const char *const[]){ "/usr/bin/busctl", "--user", "--no-pager", "list", NULL }, "1000");
        g_autofree char *tree = NULL;

        assert_non_null(strstr(names, "com.acme.Radio"));
        assert_null(strstr(names, "com.hidden"));
        tree = run((const char *const[]){ "/usr/bin/gdbus", "introspect", "--session", "--dest",
                                          "com.acme.Radio", "--object-path", "/a", NULL },
                   "1000");
        assert_non_null(strstr(tree, "com.acme.A"));
}

/* ---- descriptors ---- */

static void test_descriptors(void **state G_GNUC_UNUSED) {
        sd_bus *app = test_bus_connect(&bus, bus.proxy_address);

        for (int i = 0; i < 50; i++) {
                sd_bus_message *message = NULL, *reply = NULL;
                char text[6] = "";
                int out[2], fd;

                assert_int_equal(pipe2(out, O_CLOEXEC), 0);
                assert_true(sd_bus_message_new_method_call(app, &message, "com.acme.Radio", "/a",
                                                           "com.acme.A", "Descriptor") >= 0);
                assert_true(sd_bus_message_append(message, "h", out[1]) >= 0);
                assert_null(test_bus_call(&bus, app, message, &reply));
                assert_true(sd_bus_message_read(reply, "h", &fd) > 0);
                assert_int_equal(write(fd, "hello", 5), 5);
                assert_int_equal(read(out[0], text, 5), 5);
                assert_string_equal(text, "hello");
                sd_bus_message_unref(reply);
                (void) close(out[0]);
                (void) close(out[1]);
                /* refused: they are closed, and do not go with the next message */
                assert_true(sd_bus_message_new_method_call(app, &message, "com.acme.Radio", "/b",
                                                           "com.acme.A", "Descriptor") >= 0);
                assert_true(sd_bus_message_append(message, "h", STDERR_FILENO) >= 0);
                g_free(test_bus_call(&bus, app, message, NULL));
        }
        test_bus_disconnect(&bus, app);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_clients),
                cmocka_unit_test(test_listing),
                cmocka_unit_test(test_descriptors),
        };

        return cmocka_run_group_tests(tests, setup, teardown);
}
