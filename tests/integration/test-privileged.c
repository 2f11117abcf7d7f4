/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Templates that take walls down: refused unless the settings allow it, and then exactly that wall is down
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/fixture/test-client.h"

/* Of the folder that apps may write. */
#define OWNER 4321u

static TestClient *client;

static void prepare(TestService *service) {
        g_autofree char *folder = test_service_path(service, "writable"), *manifest = NULL;

        assert_int_equal(mkdir(folder, 0700), 0);
        assert_int_equal(chown(folder, OWNER, OWNER), 0);
        manifest = g_strdup_printf("{ \"version\": \"1\", \"capabilities\": [ { \"name\": \"writable\", \"gateways\": [ "
                                   "{ \"id\": \"file\", \"config\": [ { \"path-host\": \"%s\", "
                                   "\"path-container\": \"/gateways/writable\", \"read-only\": false } ] } ] } ] }",
                                   folder);
        g_free(test_service_write(service, "etc/bulkhead/manifests.d/writable.json", manifest));
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

        if (g_strcmp0(output, expected) != 0)
                fail_msg("%s: status %d, expected '%s', got '%s'", template_name ?: "default",
                         status, expected, output ?: "nothing");
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

/* Every way to a file with a set-id bit or capabilities of its own, in a folder of the host that the app may write. */
static const char set_id_script[] =
        "cd /gateways/writable && cp /bin/true made && exec /usr/bin/python3 -c '\n"
        "import os, shutil, subprocess, socket\n"
        "def attempt(f):\n"
        "    try: f()\n"
        "    except OSError: pass\n"
        "def run(*a): subprocess.run(a, stdout=-3, stderr=-3)\n"
        "fd = os.open(\"made\", os.O_RDWR)\n"
        "for bits in (0o4755, 0o2755, 0o6755):\n"
        "    attempt(lambda: os.chmod(\"made\", bits))\n"
        "    attempt(lambda: os.fchmod(fd, bits))\n"
        "    attempt(lambda: os.chmod(\"/proc/self/fd/%d\" % fd, bits))\n"
        "    attempt(lambda: os.chmod(\"made\", bits, dir_fd=os.open(\".\", 0)))\n"
        "    attempt(lambda: os.open(\"open%o\" % bits, os.O_CREAT | os.O_RDWR, bits))\n"
        "    attempt(lambda: os.mknod(\"node%o\" % bits, 0o100000 | bits))\n"
        "    attempt(lambda: os.mkfifo(\"fifo%o\" % bits, bits))\n"
        "    attempt(lambda: os.mkdir(\"dir%o\" % bits, bits))\n"
        "    def tmpfile():\n"
        "        t = os.open(\".\", os.O_TMPFILE | os.O_RDWR, bits)\n"
        "        os.link(\"/proc/self/fd/%d\" % t, \"tmp%o\" % bits, follow_symlinks=True)\n"
        "    attempt(tmpfile)\n"
        "    def memory():\n"
        "        m = os.memfd_create(\"m\"); os.fchmod(m, bits); shutil.copy2(\"/proc/self/fd/%d\" % m, \"mem%o\" % bits)\n"
        "    attempt(memory)\n"
        "    run(\"install\", \"-m\", \"%o\" % bits, \"/bin/true\", \"inst%o\" % bits)\n"
        "    run(\"/bin/sh\", \"-c\", \"umask 0; cp --preserve=all /usr/bin/su su%o; chmod %o su%o\" % (bits, bits, bits))\n"
        "attempt(lambda: os.link(\"/usr/bin/su\", \"linked\"))\n"
        "attempt(lambda: os.rename(\"/usr/bin/su\", \"renamed\"))\n"
        "run(\"mv\", \"/usr/bin/su\", \"moved\")\n"
        "run(\"/bin/sh\", \"-c\", \"tar -C /usr/bin -cf - su passwd | tar -xpf - --xattrs --same-permissions\")\n"
        "run(\"perl\", \"-e\", \"chmod 04755, q(made)\")\n"
        "cap = bytes.fromhex(\"0100000200200000000000000000000000000000\")\n"
        "for n in (\"security.capability\", \"trusted.overlay.opaque\", \"security.selinux\"):\n"
        "    attempt(lambda: os.setxattr(\"made\", n, cap))\n"
        "attempt(lambda: os.setxattr(\"made\", \"system.posix_acl_access\", bytes.fromhex("
        "\"0200000001000700ffffffff04000700ffffffff20000700ffffffff\")))\n"
        "attempt(lambda: os.chown(\"made\", 0, 0))\n"
        "attempt(lambda: socket.socket(socket.AF_UNIX).bind(\"sock\"))\n"
        "print(\"tried\", len(os.listdir(\".\")) > 10)'";

static void test_set_id(void **state) {
        g_autofree char *folder = test_service_path(*state, "writable");
        TestRequest request = { .capabilities = TEST_STRV("writable") };
        const char *const users[] = { NULL, "0" };
        unsigned n = 0;
        GDir *dir;

        for (size_t i = 0; i < G_N_ELEMENTS(users); i++) {
                g_autofree char *output = NULL;
                int status;

                request.user = users[i];
                status = test_client_launch_shell(client, &request, set_id_script, &output);
                /* Root inside has no place on that disk. */
                if (!users[i] && (status != 0 || !test_has_line(output, "tried True")))
                        fail_msg("Status %d: %s", status, output);
        }
        dir = g_dir_open(folder, 0, NULL);
        assert_non_null(dir);
        for (const char *name; (name = g_dir_read_name(dir)); n++) {
                g_autofree char *path = g_build_filename(folder, name, NULL);
                struct stat st;

                assert_int_equal(lstat(path, &st), 0);
                if (st.st_uid != OWNER || st.st_gid != OWNER || st.st_mode & (S_ISUID | S_ISGID) ||
                    S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode) || lgetxattr(path, "security.capability", NULL, 0) >= 0)
                        fail_msg("'%s' has mode %o and belongs to %u:%u", name, st.st_mode, st.st_uid, st.st_gid);
        }
        g_dir_close(dir);
        assert_true(n > 10);
}

static void assert_no_common_range(const char *const *sandboxes, size_t n) {
        g_autoptr(GHashTable) ranges = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

        for (size_t i = 0; i < n; i++) {
                char *map = NULL;
                unsigned inside, outside, count;

                assert_int_equal(test_client_shell(client, sandboxes[i], "cat /proc/self/uid_map", &map), 0);
                assert_int_equal(sscanf(map, "%u %u %u", &inside, &outside, &count), 3);
                assert_int_equal(inside, 0);
                assert_int_equal(count, 65536);
                assert_int_equal(outside % 65536, 0);
                assert_true(g_hash_table_add(ranges, map));
        }
}

/* A newuidmap(1) that knows nothing of our ranges does not count, nor does one that is not there. */
static void test_ranges(void **state) {
        g_autofree char *fake = test_service_write(*state, "fake/newuidmap", "#!/bin/sh\necho used >&2\nexit 1\n");
        g_autofree char *other = test_service_write(*state, "fake/newgidmap", "#!/bin/sh\nexit 1\n");
        g_autofree char *folder = test_service_path(*state, "fake"), *old = g_strdup(g_getenv("PATH"));
        g_autofree char *with = g_strdup_printf("%s:%s", folder, old);
        const char *const paths[] = { with, "/nonexistent" };

        assert_int_equal(chmod(fake, 0755) | chmod(other, 0755), 0);
        for (size_t p = 0; p < G_N_ELEMENTS(paths); p++) {
                char *sandboxes[4] = { NULL };

                g_clear_pointer(&client, test_client_free);
                test_service_stop(*state);
                assert_true(g_setenv("PATH", paths[p], TRUE));
                test_service_start(*state);
                assert_true(g_setenv("PATH", old, TRUE));
                client = test_client_new(*state);
                for (size_t i = 0; i < G_N_ELEMENTS(sandboxes); i++) {
                        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;

                        test_expect_ok(test_client_create(client, &(TestRequest){ 0 }, &sandboxes[i], &error), &error,
                                       "CreateSandbox");
                }
                assert_no_common_range((const char *const *) sandboxes, G_N_ELEMENTS(sandboxes));
                for (size_t i = 0; i < G_N_ELEMENTS(sandboxes); i++) {
                        assert_int_equal(test_client_stop(client, sandboxes[i], 1, NULL), 0);
                        g_free(sandboxes[i]);
                }
        }
}

static void test_allowed(void **state) {
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
                wall_test(test_set_id),
                wall_test(test_ranges),
                wall_test(test_allowed),
                cmocka_unit_test(test_nothing_is_left),
        };

        return test_main("privileged", prepare, tests, G_N_ELEMENTS(tests));
}
