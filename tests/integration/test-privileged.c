/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Templates that take walls down: refused unless the settings allow it, and then exactly that wall is down
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/fixture/test-client.h"

static TestClient *client;

static void prepare(TestService *service) {
        test_service_add_template(service, "no-user", "[Namespaces]\nUser=no\n");
        test_service_add_template(service, "no-user-root", "[Namespaces]\nUser=no\n[Process]\nUser=root\n");
        test_service_add_template(service, "host-network", "[Namespaces]\nNetwork=host\n");
        test_service_add_template(service, "no-filter", "[Security]\nSeccomp=none\n");
        test_service_add_template(service, "capable", "[Security]\nLinuxCapabilities=CAP_SYS_TIME CAP_SYSLOG\n");
        test_service_add_template(service, "mounter", "[Security]\nSeccomp=mounter\n");
        test_service_add_template(service, "debugger", "[Security]\nSeccomp=debugger\n");
        test_service_add_template(service, "narrow", "[Security]\nSeccomp=narrow\n");
        test_service_add_template(service, "blind", "[Security]\nSeccomp=blind\n");
        g_free(test_service_write(service, "etc/bulkhead/templates.d/mounter.seccomp", "allow mount\n"));
        g_free(test_service_write(service, "etc/bulkhead/templates.d/debugger.seccomp", "allow ptrace\n"));
        g_free(test_service_write(service, "etc/bulkhead/templates.d/narrow.seccomp", "refuse setsid mkdir mkdirat\n"));
        g_free(test_service_write(service, "etc/bulkhead/templates.d/blind.seccomp", "refuse open openat mmap\n"));
}

static int open_client(void **state) {
        client = test_client_new(*state);
        return 0;
}

static int close_client(void **state) {
        g_clear_pointer(&client, test_client_free);
        return test_after_each(state);
}

static void allow_privileged(void **state, bool allow) {
        g_autofree char *text = g_strdup_printf("[Service]\nAllowPrivileged=%s\n", allow ? "yes" : "no");

        g_free(test_service_write(*state, "etc/bulkhead/bulkhead.conf.d/privileged.conf", text));
}

static void test_refused(void **state G_GNUC_UNUSED) {
        static const struct {
                const char *template_name, *line;
        } rows[] = {
                { "no-user", "User=no" },         { "host-network", "Network=host" }, { "no-filter", "Seccomp=none" },
                { "capable", "LinuxCapabilities=" }, { "mounter", "Seccomp=mounter" },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
                TestRequest request = { .template_name = rows[i].template_name };
                g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
                g_autofree char *sandbox = NULL;
                int r = test_client_create(client, &request, &sandbox, &error);

                test_expect_error(r, &error, TEST_ACCESS_DENIED, rows[i].line);
        }
}

static void expect(const char *template_name, const char *script, const char *expected) {
        TestRequest request = { .template_name = template_name };
        g_autofree char *output = NULL;
        int status = test_client_launch_shell(client, &request, script, &output);

        if (strcmp(output, expected) != 0)
                fail_msg("%s: status %d, expected '%s', got '%s'", template_name, status, expected, output);
}

/* What is not privileged works without being allowed. */
static void test_own_filters(void **state G_GNUC_UNUSED) {
        expect("debugger", "grep Seccomp: /proc/self/status", "Seccomp:\t2\n");
        expect("narrow", "export LC_ALL=C; mkdir /tmp/a 2>&1; setsid -w true 2>&1 || echo no; echo alive",
               "mkdir: cannot create directory '/tmp/a': Operation not permitted\n"
               "setsid: setsid failed: Operation not permitted\nno\nalive\n");
}

/* A filter that forbids too much does not hang anything: the program's loader dies, and that is told. */
static void test_too_narrow(void **state G_GNUC_UNUSED) {
        TestRequest request = { .template_name = "blind", .argv = TEST_STRV("/bin/true") };
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        g_auto(TestProgram) program = { 0 };
        const TestExit *ended = NULL;

        test_expect_ok(test_client_launch(client, &request, &program, &error), &error, "Launch");
        assert_int_equal(test_client_wait(client, program.process, 5 * G_USEC_PER_SEC, &ended), 0);
        assert_int_not_equal(ended->status, 0);
        test_client_wait_empty(client);
}

static const char status_script[] = "grep -E '^(Cap(Inh|Prm|Eff|Bnd|Amb)|NoNewPrivs|Seccomp):' /proc/self/status | "
                                    "tr -d '\\t' | tr '\\n' ' '; echo";
#define CAPABILITIES(set) "CapInh:" set " CapPrm:" set " CapEff:" set " CapBnd:" set " CapAmb:" set " "
#define NONE "0000000000000000"

static void test_status(void **state G_GNUC_UNUSED) {
        static const char *const users[] = { NULL, "0" };

        for (size_t i = 0; i < G_N_ELEMENTS(users); i++) {
                TestRequest request = { .user = users[i] };
                g_autofree char *output = NULL;

                assert_int_equal(test_client_launch_shell(client, &request, status_script, &output), 0);
                assert_string_equal(output, CAPABILITIES(NONE) "NoNewPrivs:1 Seccomp:2 \n");
        }
}

static void test_inside(void **state G_GNUC_UNUSED) {
        static const struct {
                const char *script, *expected;
        } rows[] = {
                { "ls /proc/self/fd", "0\n1\n2\n3\n" },
                { "ls /dev | tr '\\n' ' '",
                  "fd full null ptmx pts random shm stderr stdin stdout tty urandom zero " },
                { "cat /proc/sys/user/max_user_namespaces", "0\n" },
                { "cat /proc/self/sessionid /proc/keys /proc/kallsyms | head -c 20; cat /proc/interrupts /proc/kmsg",
                  "4294967295" },
                { "ls -A /sys/kernel /sys/firmware /sys/module | grep -v : | tr -d '\\n'", "" },
                { "ls -d /proc/1 2>&1", "ls: cannot access '/proc/1': No such file or directory\n" },
                /* nosuid everywhere, nodev but for devices, nothing shared with anybody */
                { "awk '!/nosuid/ { print }' /proc/self/mountinfo", "" },
                { "awk '!/nodev/ { print $5 }' /proc/self/mountinfo | sort | tr '\\n' ' '",
                  "/dev/full /dev/null /dev/ptmx /dev/pts /dev/random /dev/tty /dev/urandom /dev/zero " },
                { "grep -cE 'shared:|master:' /proc/self/mountinfo", "0\n" },
                { "for f in sys bus irq fs; do awk -v p=/proc/$f '$5 == p { split($6, o, \",\"); printf o[1] }' "
                  "/proc/self/mountinfo; done",
                  "rorororo" },
                { "cat /proc/net/unix | grep -c @", "0\n" },
                { "cat /proc/self/cgroup | cut -d: -f3 | sort -u | head -1 | cut -c1", "/\n" },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
                expect(NULL, rows[i].script, rows[i].expected);
}

static void test_allowed(void **state) {
        g_autofree char *host_network = NULL;
        char link[64];
        ssize_t size = readlink("/proc/self/ns/net", link, sizeof(link) - 2);

        allow_privileged(state, true);
        test_service_stop(*state);
        test_service_start(*state);
        g_clear_pointer(&client, test_client_free);
        client = test_client_new(*state);

        assert_true(size > 0);
        link[size] = '\n';
        link[size + 1] = '\0';
        expect("host-network", "readlink /proc/self/ns/net", link);
        expect("host-network", "touch /sys/class/net/lo/mtu 2>/dev/null || echo no", "no\n");
        expect("no-user", "id -u; awk '{ print $1, $2, $3 }' /proc/self/uid_map; touch /tmp/x; stat -c %u:%g /tmp/x ~",
               "1000\n0 0 4294967295\n1000:1000\n1000:1000\n");
        expect("no-user", "ls -d /proc/1 2>/dev/null || echo hidden", "hidden\n");
        expect("no-user-root", "id -u; touch /usr/x 2>/dev/null || echo no; ls -d /proc/1 2>/dev/null || echo hidden",
               "0\nno\nhidden\n");
        expect("no-user-root", status_script, CAPABILITIES(NONE) "NoNewPrivs:1 Seccomp:2 \n");
        expect("no-filter", status_script, CAPABILITIES(NONE) "NoNewPrivs:1 Seccomp:0 \n");
        expect("capable", status_script, CAPABILITIES("0000000402000000") "NoNewPrivs:1 Seccomp:2 \n");
        allow_privileged(state, false);
        test_service_stop(*state);
        test_service_start(*state);
        g_clear_pointer(&client, test_client_free);
        client = test_client_new(*state);
}

#define wall_test(function) cmocka_unit_test_setup_teardown(function, open_client, close_client)

int main(void) {
        static const struct CMUnitTest tests[] = {
                wall_test(test_refused),
                wall_test(test_own_filters),
                wall_test(test_too_narrow),
                wall_test(test_status),
                wall_test(test_inside),
                wall_test(test_allowed),
                cmocka_unit_test(test_nothing_is_left),
        };

        return test_main("privileged", prepare, tests, G_N_ELEMENTS(tests));
}
