/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The system bus: a real dbus-daemon that the service is told of, a service on it, and who it sees there
 */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/fixture/test-client.h"
#include "tests/fixture/test-session.h"
#include "util/cleanup.h"

#define SERVER     "/usr/bin/dbus-daemon"
#define USERS      "/etc/passwd"
#define STAND_IN   "bulkhead-proxy"
#define UID_WANTED 64998u

static const char configuration[] =
        "<busconfig><type>system</type><listen>unix:path=%s</listen><auth>EXTERNAL</auth>"
        "<policy context='default'><allow user='*'/><deny own='*'/><deny send_type='method_call'/>"
        "<allow send_type='signal'/><allow send_requested_reply='true' send_type='method_return'/>"
        "<allow send_requested_reply='true' send_type='error'/><allow receive_type='method_call'/>"
        "<allow receive_type='method_return'/><allow receive_type='error'/><allow receive_type='signal'/>"
        "<allow send_destination='org.freedesktop.DBus'/><allow send_destination='com.acme.Radio'/>"
        "<deny send_destination='com.acme.Radio' send_interface='com.acme.A' send_member='RootOnly'/></policy>"
        "<policy user='root'><allow own='com.acme.Radio'/><allow own='com.hidden.Service'/>"
        "<allow send_destination='com.acme.Radio'/></policy></busconfig>";

static TestService *tested;
static TestClient *root_client, *member_client;
static pid_t server, radio;
static char *users,
        *users_path; /* what we have in the place of /etc/passwd, and where; NULL = the real one */
static uid_t stand_in;

/* ---- the host's side ---- */

/* A machine that Bulkhead is not installed on lacks the user: for us and those that we start, it has one. */
static void add_stand_in(TestService *service) {
        const struct passwd *found = getpwnam(STAND_IN);
        g_autofree char *real = NULL;

        if (found) {
                stand_in = found->pw_uid;
                return;
        }
        stand_in = UID_WANTED;
        while (getpwuid(stand_in))
                stand_in--;
        assert_true(g_file_get_contents(USERS, &real, NULL, NULL));
        users = g_strdup_printf("%s" STAND_IN ":x:%u:%u::/nonexistent:/usr/sbin/nologin\n", real,
                                (unsigned) stand_in, (unsigned) stand_in);
        users_path = test_service_write(service, "users", users);
        assert_return_code(unshare(CLONE_NEWNS), errno);
        assert_return_code(mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL), errno);
        assert_return_code(mount(users_path, USERS, NULL, MS_BIND, NULL), errno);
}

/* The same file with other bytes: it is bound over that of the machine. */
static void write_users(const char *text) {
        autofd int fd = open(users_path, O_WRONLY | O_TRUNC | O_CLOEXEC);

        assert_return_code(fd, errno);
        assert_int_equal(write(fd, text, strlen(text)), (ssize_t) strlen(text));
}

static void prepare(TestService *service) {
        g_autofree char *path = test_service_path(service, "system/bus");
        g_autofree char *address = g_strdup_printf("unix:path=%s", path);
        g_autofree char *text = g_strdup_printf(configuration, path);

        g_free(test_service_write(service, "system/bus.conf", text));
        assert_return_code(setenv("DBUS_SYSTEM_BUS_ADDRESS", address, 1), errno);
        add_stand_in(service);
        test_service_add_capability(
                service, "radio.play",
                "[ { \"id\": \"dbus\", \"config\": [ { \"dbus-gateway-config-system\": [ { \"direction\": \"outgoing\", "
                "\"bus-name\": \"com.acme.Radio\", \"interface\": \"com.acme.A\", \"object-path\": \"/a\", \"method\": "
                "[ \"Play\", \"RootOnly\" ] } ] } ] } ]");
        tested = service;
}

/* Says as whom it is called. */
static int answer(sd_bus_message *message, void *userdata G_GNUC_UNUSED, sd_bus_error *error G_GNUC_UNUSED) {
        sd_bus_creds *creds = NULL;
        g_autofree char *text = NULL;
        uid_t uid = 0;
        int r;

        if (!sd_bus_message_is_method_call(message, "com.acme.A", NULL))
                return 0;
        r = sd_bus_query_sender_creds(message, SD_BUS_CREDS_EUID, &creds);
        if (r >= 0)
                r = sd_bus_creds_get_euid(creds, &uid);
        sd_bus_creds_unref(creds);
        text = r < 0 ? g_strdup("from nobody") : g_strdup_printf("from user %u", (unsigned) uid);
        return sd_bus_reply_method_return(message, "s", text);
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

/* Returns when it has written something: dbus-daemon its address, the service that it has its names. */
static pid_t start(bool is_server) {
        g_autofree char *file = test_service_path(tested, "system/bus.conf");
        g_autofree char *option = g_strdup_printf("--config-file=%s", file), *print = NULL;
        int fds[2];
        char byte;
        pid_t pid;

        assert_return_code(pipe(fds), errno);
        print = g_strdup_printf("--print-address=%d", fds[1]);
        pid = fork();
        if (pid == 0 && is_server) {
                (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
                (void) execl(SERVER, SERVER, "--nofork", "--nopidfile", option, print, NULL);
                _exit(1);
        }
        if (pid == 0)
                serve(getenv("DBUS_SYSTEM_BUS_ADDRESS"), fds[1]);
        (void) close(fds[1]);
        assert_int_equal(read(fds[0], &byte, 1), 1);
        (void) close(fds[0]);
        return pid;
}

static int before_each(void **state) {
        if (!root_client) {
                root_client = test_client_new(*state);
                member_client = test_client_new_as(*state, TEST_MEMBER_UID, TEST_MEMBER_GID);
        }
        server = start(true);
        radio = start(false);
        return 0;
}

static int after_each(void **state) {
        (void) test_session_stop(&radio);
        (void) test_session_stop(&server);
        if (users)
                write_users(users);
        return test_after_each(state);
}

static int remove_stand_in(void **state G_GNUC_UNUSED) {
        if (users)
                assert_return_code(umount2(USERS, MNT_DETACH), errno);
        g_clear_pointer(&users, g_free);
        g_clear_pointer(&users_path, g_free);
        g_clear_pointer(&root_client, test_client_free);
        g_clear_pointer(&member_client, test_client_free);
        return 0;
}

static char *make_sandbox(TestClient *client, bool may_play) {
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        TestRequest request = { .capabilities = may_play ? TEST_STRV("radio.play") : NULL };
        char *sandbox = NULL;

        test_expect_ok(test_client_create(client, &request, &sandbox, &error), &error, "CreateSandbox");
        return sandbox;
}

static void expect(TestClient *client, const char *sandbox, const char *name, const char *member,
                   const char *wanted) {
        g_autofree char *output = NULL;

        (void) test_client_exec(
                client, sandbox,
                TEST_STRV("/usr/bin/busctl", "--system", "call", name, "/a", "com.acme.A", member), &output);
        if (!strstr(output, wanted))
                fail_msg("%s of %s says '%s', expected '%s'", member, name, output, wanted);
}

/* ---- the tests ---- */

static void test_root_is_stood_in_for(void **state G_GNUC_UNUSED) {
        g_autofree char *sandbox = make_sandbox(root_client, true);
        g_autofree char *wanted = g_strdup_printf("from user %u\"", (unsigned) stand_in);

        expect(root_client, sandbox, "com.acme.Radio", "Play", wanted);
        /* what our rules allow, and the bus does not allow him */
        expect(root_client, sandbox, "com.acme.Radio", "RootOnly", "ccess denied");
}

static void test_an_owner_is_himself(void **state G_GNUC_UNUSED) {
        g_autofree char *sandbox = make_sandbox(member_client, true);
        g_autofree char *wanted = g_strdup_printf("from user %u\"", TEST_MEMBER_UID);

        expect(member_client, sandbox, "com.acme.Radio", "Play", wanted);
        expect(member_client, sandbox, "com.acme.Radio", "RootOnly", "ccess denied");
}

static void test_rules_hold(void **state G_GNUC_UNUSED) {
        g_autofree char *sandbox = make_sandbox(root_client, true);

        /* what the bus would allow him */
        expect(root_client, sandbox, "com.acme.Radio", "Tune", "ccess denied");
        expect(root_client, sandbox, "com.hidden.Service", "Play", "not provided by any .service");
        /* of this bus only */
        assert_int_not_equal(
                test_client_exec(root_client, sandbox,
                                 TEST_STRV("/usr/bin/test", "-e", "/gateways/session_bus_socket"), NULL),
                0);
}

static void test_no_bus_without_the_capability(void **state G_GNUC_UNUSED) {
        g_autofree char *sandbox = make_sandbox(root_client, false);

        assert_int_not_equal(test_client_exec(root_client, sandbox,
                                              TEST_STRV("/usr/bin/test", "-e", "/gateways/system_bus_socket"),
                                              NULL),
                             0);
}

#define PYTHON_DBUS                                                                                          \
        "import dbus, sys\n"                                                                                 \
        "bus = dbus.SystemBus()\n"                                                                           \
        "print(dbus.Interface(bus.get_object(sys.argv[1], '/a', introspect=False), 'com.acme.A').Play())\n"

static void test_clients(void **state G_GNUC_UNUSED) {
        const struct {
                const char *name;
                const char *const *argv;
                bool may_lack;
        } clients[] = {
                { "dbus-send",
                  TEST_STRV("/usr/bin/dbus-send", "--system", "--print-reply", "--dest=com.acme.Radio", "/a",
                            "com.acme.A.Play"),
                  false },
                { "gdbus",
                  TEST_STRV("/usr/bin/gdbus", "call", "--system", "--dest", "com.acme.Radio", "--object-path",
                            "/a", "--method", "com.acme.A.Play"),
                  true },
                { "python3-dbus", TEST_STRV("/usr/bin/python3", "-c", PYTHON_DBUS, "com.acme.Radio"), true },
        };
        g_autofree char *sandbox = make_sandbox(root_client, true);

        for (size_t i = 0; i < G_N_ELEMENTS(clients); i++) {
                g_autofree char *output = NULL;
                int status = test_client_exec(root_client, sandbox, clients[i].argv, &output);

                if (clients[i].may_lack && (status == 127 || strstr(output, "ModuleNotFoundError")))
                        print_message("Skipped: %s is not installed\n", clients[i].name);
                else if (status != 0 || !strstr(output, "from user "))
                        fail_msg("%s: %d: %s", clients[i].name, status, output);
        }
}

static void test_nobody_stands_in(void **state G_GNUC_UNUSED) {
        g_autofree char *sandbox = make_sandbox(root_client, true), *without = NULL, *output = NULL;

        if (!users) {
                print_message("Skipped: this machine has the user '%s'\n", STAND_IN);
                skip();
        }
        without = g_strndup(users, (gsize) (strstr(users, STAND_IN) - users));
        write_users(without);
        assert_int_not_equal(test_client_exec(root_client, sandbox,
                                              TEST_STRV("/usr/bin/busctl", "--system", "call",
                                                        "com.acme.Radio", "/a", "com.acme.A", "Play"),
                                              &output),
                             0);
        assert_null(strstr(output, "from user"));
        write_users(users);
        expect(root_client, sandbox, "com.acme.Radio", "Play", "from user ");
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, before_each, after_each)
        static const struct CMUnitTest tests[] = {
                TEST(test_no_bus_without_the_capability),
                TEST(test_root_is_stood_in_for),
                TEST(test_an_owner_is_himself),
                TEST(test_rules_hold),
                TEST(test_clients),
                TEST(test_nobody_stands_in),
                cmocka_unit_test_setup(test_nothing_is_left, remove_stand_in),
        };

        if (access(SERVER, X_OK) < 0) {
                printf("SKIP: %s is not installed\n", SERVER);
                return TEST_EXIT_SKIP;
        }
        return test_main("system-bus", prepare, tests, G_N_ELEMENTS(tests));
}
