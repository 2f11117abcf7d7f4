/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One call makes a sandbox, opens what its capability says, runs the app: what an app finds inside
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/fixture/test-client.h"
#include "tests/fixture/test-slow.h"
#include "util/cleanup.h"

/* An exit overtaking its answer is a race: often seen is seen once in a hundred. */
#define ROUNDS_AT_ONCE 100

static TestClient *client;

static void prepare(TestService *service) {
        g_autofree char *file = test_service_write(service, "host/granted.txt", "granted\n");

        g_free(test_service_write(service, "host/folder/inner.txt", "inner\n"));

        /* Open to everybody outside, so that only the mount can be what refuses a write. */
        assert_return_code(chmod(file, 0666), errno);
        test_service_add_bind(service, "test.file", "host/granted.txt", "/gateways/granted.txt", true);
        test_service_add_bind(service, "test.folder", "host/folder", "/gateways/folder", true);
        test_service_add_capability(service, "test.env",
                                    "[ { \"id\": \"env\", \"config\": [ { \"name\": \"GRANTED\",\n"
                                    "  \"value\": \"by manifest\" } ] } ]");
}

static int open_client(void **state) {
        client = test_client_new(*state);
        return 0;
}

static int close_client(void **state) {
        g_clear_pointer(&client, test_client_free);
        return test_after_each(state);
}

static void test_hello_and_seven(void **state G_GNUC_UNUSED) {
        g_autofree char *output = NULL;

        assert_int_equal(test_client_launch_shell(client, NULL, "echo hello; exit 7", &output), 7);
        assert_string_equal(output, "hello\n");
}

static void test_granted_file_is_at_its_path_and_read_only(void **state) {
        TestRequest request = { .capabilities = TEST_STRV("test.file") };
        g_autofree char *output = NULL, *path = test_service_path(*state, "host/granted.txt"), *text = NULL;

        assert_int_equal(test_client_launch_shell(client, &request, "cat /gateways/granted.txt", &output), 0);
        assert_string_equal(output, "granted\n");
        g_clear_pointer(&output, g_free);
        assert_int_not_equal(
                test_client_launch_shell(client, &request, "echo x >>/gateways/granted.txt", &output), 0);
        if (!strstr(output, "Read-only file system") && !strstr(output, "Permission denied"))
                fail_msg("Writing failed in another way: %s", output);
        assert_true(g_file_get_contents(path, &text, NULL, NULL));
        assert_string_equal(text, "granted\n");
}

static void test_granted_folder_shows_its_files(void **state G_GNUC_UNUSED) {
        TestRequest request = { .capabilities = TEST_STRV("test.folder") };
        g_autofree char *output = NULL;

        assert_int_equal(
                test_client_launch_shell(client, &request,
                                         "cat /gateways/folder/inner.txt; touch /gateways/folder/new "
                                         "2>/dev/null && echo written",
                                         &output),
                1);
        assert_string_equal(output, "inner\n");
}

static void test_without_capability_the_file_is_absent(void **state G_GNUC_UNUSED) {
        g_autofree char *output = NULL;

        assert_int_equal(test_client_launch_shell(
                                 client, NULL,
                                 "test -e /gateways && echo here; test -e /gateways/granted.txt", &output),
                         1);
        assert_string_equal(output, "here\n");
}

static void test_host_path_is_absent_either_way(void **state) {
        TestRequest requests[] = { { 0 }, { .capabilities = TEST_STRV("test.file") } };
        g_autofree char *path = test_service_path(*state, "host/granted.txt");
        g_autofree char *script = g_strdup_printf("test -e %s && exit 3; test -e %s && exit 4; exit 0", path,
                                                  test_service_get_root(*state));

        for (size_t i = 0; i < G_N_ELEMENTS(requests); i++)
                assert_int_equal(test_client_launch_shell(client, &requests[i], script, NULL), 0);
}

static int compare_lines(const void *a, const void *b) {
        return strcmp(*(char *const *) a, *(char *const *) b);
}

/* Exactly @expected, in whatever order. */
static void expect_lines(const char *text, const char *const *expected) {
        g_autofree char *copy = g_strchomp(g_strdup(text)), *have = NULL, *want = NULL;
        g_auto(GStrv) lines = g_strsplit(copy, "\n", -1), wanted = g_strdupv((char **) expected);

        qsort(lines, g_strv_length(lines), sizeof(char *), compare_lines);
        qsort(wanted, g_strv_length(wanted), sizeof(char *), compare_lines);
        have = g_strjoinv("\n", lines);
        want = g_strjoinv("\n", wanted);
        assert_string_equal(have, want);
}

static void test_environment_is_exactly_template_granted_given(void **state G_GNUC_UNUSED) {
        const struct {
                const char *name;
                TestRequest request;
                const char *more; /* besides the template's, or NULL */
                const char *more2;
        } cases[] = {
                { "nothing asked", { 0 }, NULL, NULL },
                { "granted", { .capabilities = TEST_STRV("test.env") }, "GRANTED=by manifest", NULL },
                { "granted and given",
                  { .capabilities = TEST_STRV("test.env"),
                    .environment = TEST_STRV("GIVEN", "by caller = \"x\"") },
                  "GRANTED=by manifest",
                  "GIVEN=by caller = \"x\"" },
                { "given wins over granted",
                  { .capabilities = TEST_STRV("test.env"), .environment = TEST_STRV("GRANTED", "by caller") },
                  "GRANTED=by caller",
                  NULL },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                TestRequest request = cases[i].request;
                g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
                g_autofree char *output = NULL;
                g_auto(TestProgram) program = { NULL };
                int fds[2], r;

                print_message("         %s\n", cases[i].name);
                assert_return_code(pipe2(fds, O_CLOEXEC), errno);
                request.argv = TEST_STRV("/usr/bin/env");
                request.stdout_fd = fds[1];
                r = test_client_launch(client, &request, &program, &error);
                (void) close(fds[1]);

                autofd int fd = fds[0];

                test_expect_ok(r, &error, cases[i].name);
                output = test_client_read_all(client, fd, 10 * TEST_USEC_PER_SEC);
                expect_lines(output,
                             (const char *const[]){ "PATH=/usr/bin:/bin", "HOME=/home/app", "LANG=C.UTF-8",
                                                    "TERM=linux", cases[i].more, cases[i].more2, NULL });
        }
}

static void test_only_descriptors_0_1_2(void **state G_GNUC_UNUSED) {
        g_autofree char *output = NULL;

        /* ls looks at the shell, which has nothing of its own open; looking at itself it would find its
         * folder. */
        assert_int_equal(test_client_launch_shell(client, NULL, "ls /proc/$$/fd; true", &output), 0);
        assert_string_equal(output, "0\n1\n2\n");
}

static void test_no_privileges(void **state G_GNUC_UNUSED) {
        static const char *const expected[] = {
                "Uid:\t1000\t1000\t1000\t1000", "Gid:\t1000\t1000\t1000\t1000",
                "CapInh:\t0000000000000000",    "CapPrm:\t0000000000000000",
                "CapEff:\t0000000000000000",    "CapBnd:\t0000000000000000",
                "CapAmb:\t0000000000000000",    "NoNewPrivs:\t1",
        };
        g_autofree char *output = NULL;

        assert_int_equal(test_client_launch_shell(client, NULL, "cat /proc/self/status", &output), 0);
        for (size_t i = 0; i < G_N_ELEMENTS(expected); i++)
                if (!test_has_line(output, expected[i]))
                        fail_msg("No line '%s' in:\n%s", expected[i], output);

        /* The service's groups would open what its group may open. */
        const char *groups = strstr(output, "\nGroups:\t");

        assert_non_null(groups);
        groups += strlen("\nGroups:\t");
        groups += strspn(groups, " ");
        if (*groups != '\n' && !g_str_has_prefix(groups, "1000 \n") && !g_str_has_prefix(groups, "1000\n"))
                fail_msg("The app has foreign groups:\n%s", output);
}

static void test_root_inside_has_no_capabilities_either(void **state G_GNUC_UNUSED) {
        TestRequest request = { .user = "0" };
        g_autofree char *output = NULL;

        assert_int_equal(test_client_launch_shell(client, &request, "cat /proc/self/status", &output), 0);
        assert_true(test_has_line(output, "Uid:\t0\t0\t0\t0"));
        assert_true(test_has_line(output, "CapEff:\t0000000000000000"));
        assert_true(test_has_line(output, "CapBnd:\t0000000000000000"));
}

static void test_namespaces_are_its_own(void **state G_GNUC_UNUSED) {
        static const char *const namespaces[] = { "pid", "net", "ipc", "uts", "mnt", "user", "cgroup" };
        g_autofree char *output = NULL;

        assert_int_equal(test_client_launch_shell(client, NULL,
                                                  "for n in pid net ipc uts mnt user cgroup; do\n"
                                                  "readlink /proc/self/ns/$n; done",
                                                  &output),
                         0);
        for (size_t i = 0; i < G_N_ELEMENTS(namespaces); i++) {
                g_autofree char *path = g_strdup_printf("/proc/self/ns/%s", namespaces[i]);
                g_autofree char *ours = g_file_read_link(path, NULL);
                g_autofree char *prefix = g_strdup_printf("%s:[", namespaces[i]);

                assert_non_null(ours);
                assert_non_null(strstr(output, prefix));
                if (test_has_line(output, ours))
                        fail_msg("The app is in the host's %s namespace", namespaces[i]);
        }
}

static void test_network_is_loopback_only_and_up(void **state G_GNUC_UNUSED) {
        g_autofree char *output = NULL;

        assert_int_equal(test_client_launch_shell(client, NULL,
                                                  "tail -n +3 /proc/net/dev | cut -d: -f1; "
                                                  "grep -q 127.0.0.1 /proc/net/fib_trie",
                                                  &output),
                         0);
        (void) g_strstrip(output);
        assert_string_equal(output, "lo");
}

static void test_hostname(void **state G_GNUC_UNUSED) {
        TestRequest named = { .hostname = "radio" };
        g_autofree char *output = NULL;
        char host[256] = "";

        assert_int_equal(test_client_launch_shell(client, &named, "uname -n", &output), 0);
        assert_string_equal(output, "radio\n");
        g_clear_pointer(&output, g_free);
        assert_return_code(gethostname(host, sizeof host - 1), errno);
        assert_int_equal(test_client_launch_shell(client, NULL, "uname -n", &output), 0);
        (void) g_strchomp(output);
        assert_string_not_equal(output, host);
}

/* The first host id of the range, as the app's own map says. */
static uint32_t read_id_base(const char *sandbox, const char *map) {
        g_autofree char *output = NULL;
        unsigned inside, outside, count;

        assert_int_equal(test_client_exec(client, sandbox, TEST_STRV("/bin/cat", map), &output), 0);
        assert_int_equal(sscanf(output, "%u %u %u", &inside, &outside, &count), 3);
        assert_int_equal(inside, 0);
        assert_int_equal(count, 65536);
        return outside;
}

static void test_id_ranges_are_disjoint(void **state G_GNUC_UNUSED) {
        static const char *const maps[] = { "/proc/self/uid_map", "/proc/self/gid_map" };
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        g_autofree char *a = NULL, *b = NULL;

        test_expect_ok(test_client_create(client, &(TestRequest){ 0 }, &a, &error), &error, "CreateSandbox");
        test_expect_ok(test_client_create(client, &(TestRequest){ 0 }, &b, &error), &error, "CreateSandbox");
        for (size_t i = 0; i < G_N_ELEMENTS(maps); i++) {
                uint32_t base_a = read_id_base(a, maps[i]), base_b = read_id_base(b, maps[i]);

                assert_true(base_a >= 65536); /* nobody of the host */
                assert_true(base_b >= 65536);
                assert_true(base_a + 65536 <= base_b || base_b + 65536 <= base_a);
        }
}

static void test_pid_is_the_hosts(void **state G_GNUC_UNUSED) {
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        g_auto(TestProgram) program = { NULL };
        TestRequest request = { .argv = TEST_STRV("/bin/sleep", "1000") };
        struct stat status;

        test_expect_ok(test_client_launch(client, &request, &program, &error), &error, "Launch");

        g_autofree char *path = g_strdup_printf("/proc/%u/cmdline", program.pid), *text = NULL;
        size_t size;

        assert_true(g_file_get_contents(path, &text, &size, NULL));
        assert_int_equal(size, sizeof "/bin/sleep\0001000");
        assert_memory_equal(text, "/bin/sleep\0001000", size);
        assert_return_code(stat(path, &status), errno);
        assert_true(status.st_uid >= 65536);
}

/* Mounts of a sandbox without what differs from one to the next: ids, device numbers, peers, options of the
 * file system. Sorted by the kernel: in the order in which they were made. */
static char *normalize_mounts(const char *mountinfo) {
        g_autoptr(GString) text = g_string_new(NULL);
        g_auto(GStrv) lines = g_strsplit(mountinfo, "\n", -1);

        for (char **line = lines; *line && **line; line++) {
                g_auto(GStrv) halves = g_strsplit(*line, " - ", 2);
                g_auto(GStrv) fields = g_strsplit(halves[0], " ", -1);
                g_auto(GStrv) more = g_strsplit(halves[1], " ", -1);

                g_string_append_printf(text, "%s %s %s %s\n", fields[3], fields[4], fields[5], more[0]);
        }
        return g_string_free(g_steal_pointer(&text), FALSE);
}

static const char what_is_inside[] =
        "echo MOUNTS; cat /proc/self/mountinfo; echo END; env | sort; "
        "ls -la /gateways /gateways/folder /home /tmp | "
        "sed 's/  *[A-Z][a-z][a-z]  *[0-9][0-9]* [0-9:]* / /'; "
        "grep -E '^(Uid|Gid|Cap|No)' /proc/self/status";

static char *describe(const char *output) {
        const char *mounts = strstr(output, "MOUNTS\n"), *end = strstr(output, "END\n");

        assert_non_null(mounts);
        assert_non_null(end);

        g_autofree char *part = g_strndup(mounts + strlen("MOUNTS\n"),
                                          (size_t) (end - mounts) - strlen("MOUNTS\n"));
        g_autofree char *normal = normalize_mounts(part);

        return g_strconcat(normal, end, NULL);
}

static void test_three_calls_give_the_same_as_launch(void **state G_GNUC_UNUSED) {
        static const char *const capabilities[] = { "test.file", "test.folder", "test.env", NULL };
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        g_autofree char *sandbox = NULL, *by_calls = NULL, *by_launch = NULL;
        TestRequest request = { .name = "same", .capabilities = capabilities };

        test_expect_ok(test_client_create(client, &(TestRequest){ .name = "same" }, &sandbox, &error), &error,
                       "CreateSandbox");
        test_expect_ok(test_client_change(client, sandbox, "Grant", capabilities, &error), &error, "Grant");
        assert_int_equal(test_client_shell(client, sandbox, what_is_inside, &by_calls), 0);

        g_auto(GStrv) granted = test_client_get_strings(client, sandbox, TEST_SANDBOX, "Capabilities");

        assert_int_equal(g_strv_length(granted), 3);
        test_expect_ok(test_client_stop(client, sandbox, 0, &error), &error, "Stop");
        assert_int_equal(test_client_launch_shell(client, &request, what_is_inside, &by_launch), 0);

        g_autofree char *a = describe(by_calls), *b = describe(by_launch);

        assert_non_null(strstr(a, " /gateways/granted.txt "));
        assert_non_null(strstr(a, "GRANTED=by manifest"));
        assert_string_equal(a, b);
}

static void test_exit_is_never_told_before_the_answer(void **state G_GNUC_UNUSED) {
        g_autofree char *sandbox = NULL;
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        TestRequest request = { .argv = TEST_STRV("/bin/true") };

        test_expect_ok(test_client_create(client, &(TestRequest){ 0 }, &sandbox, &error), &error,
                       "CreateSandbox");
        for (unsigned i = 0; i < test_rounds(ROUNDS_AT_ONCE); i++) {
                g_auto(TestProgram) launched = { NULL }, run = { NULL };
                const TestExit *exit;

                /* Both fail the test themselves when the end is there before the answer. */
                test_expect_ok(test_client_launch(client, &request, &launched, &error), &error, "Launch");
                test_expect_ok(test_client_run(client, sandbox, &request, &run, &error), &error, "Run");
                assert_int_equal(test_client_wait(client, launched.process, 10 * TEST_USEC_PER_SEC, &exit),
                                 0);
                assert_string_equal(exit->reason, "exited");
                assert_int_equal(exit->status, 0);
                assert_int_equal(exit->pid, launched.pid);
                assert_int_equal(test_client_wait(client, run.process, 10 * TEST_USEC_PER_SEC, &exit), 0);
                assert_int_equal(exit->status, 0);
        }
}

static void test_end_is_told_once(void **state G_GNUC_UNUSED) {
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        g_auto(TestProgram) program = { NULL };
        TestRequest request = { .argv = TEST_STRV("/bin/true") };

        test_expect_ok(test_client_launch(client, &request, &program, &error), &error, "Launch");
        assert_int_equal(test_client_wait(client, program.process, 10 * TEST_USEC_PER_SEC, NULL), 0);
        test_client_wait_empty(client);
        test_client_idle(client, 100 * 1000);
        assert_int_equal(test_client_count_exits(client, program.process), 1);
}

static void test_argv_goes_to_exec_as_it_is(void **state G_GNUC_UNUSED) {
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        g_autofree char *sandbox = NULL, *output = NULL;

        test_expect_ok(test_client_create(client, &(TestRequest){ 0 }, &sandbox, &error), &error,
                       "CreateSandbox");
        assert_int_equal(
                test_client_exec(client, sandbox,
                                 TEST_STRV("printf", "<%s>", "$HOME; `id`", "", "a b", "\xc3\xa4\n*"),
                                 &output),
                0);
        assert_string_equal(output, "<$HOME; `id`><><a b><\xc3\xa4\n*>");
}

static void test_stdin_stdout_stderr_are_the_callers(void **state G_GNUC_UNUSED) {
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        g_auto(TestProgram) program = { NULL };
        int in[2], out[2], err[2];

        assert_return_code(pipe2(in, O_CLOEXEC), errno);
        assert_return_code(pipe2(out, O_CLOEXEC), errno);
        assert_return_code(pipe2(err, O_CLOEXEC), errno);

        TestRequest request = { .argv = TEST_STRV("/bin/sh", "-c", "cat; echo error >&2"),
                                .stdin_fd = in[0],
                                .stdout_fd = out[1],
                                .stderr_fd = err[1] };

        assert_int_equal(write(in[1], "through\n", 8), 8);
        test_expect_ok(test_client_launch(client, &request, &program, &error), &error, "Launch");
        (void) close(in[0]);
        (void) close(in[1]); /* end of stdin: nobody else may hold a copy of it */
        (void) close(out[1]);
        (void) close(err[1]);

        g_autofree char *output = test_client_read_all(client, out[0], 10 * TEST_USEC_PER_SEC);
        g_autofree char *errors = test_client_read_all(client, err[0], 10 * TEST_USEC_PER_SEC);

        (void) close(out[0]);
        (void) close(err[0]);
        assert_string_equal(output, "through\n");
        assert_string_equal(errors, "error\n");
}

static void test_working_directory_and_user(void **state G_GNUC_UNUSED) {
        TestRequest request = { .working_directory = "/usr/bin", .user = "1234:1235" };
        g_autofree char *output = NULL;

        assert_int_equal(test_client_launch_shell(client, &request, "pwd; id -u; id -g", &output), 0);
        assert_string_equal(output, "/usr/bin\n1234\n1235\n");
}

static void test_default_template_is_read_only_where_it_says(void **state G_GNUC_UNUSED) {
        static const struct {
                const char *name, *script;
                int status;
        } cases[] = {
                { "/usr cannot be written", "touch /usr/x 2>/dev/null", 1 },
                { "nor can what is in it", "echo x 2>/dev/null >>/usr/bin/env", 2 },
                { "/tmp is the app's", "echo x >/tmp/x && cat /tmp/x >/dev/null", 0 },
                { "and its home", "cd && echo x >x && test $(pwd) = /home/app", 0 },
                { "/dev/null swallows", "echo x >/dev/null", 0 },
                { "/dev/zero gives", "head -c 3 /dev/zero | wc -c | grep -q 3", 0 },
                { "/dev has no disks", "ls -l /dev/ | grep ^b", 1 },
                { "/proc is the sandbox's", "test $(ls -d /proc/[0-9]* | wc -l) -lt 10", 0 },
                { "kernel settings cannot be changed", "echo 1 2>/dev/null >/proc/sys/vm/drop_caches", 2 },
                { "cgroupfs cannot be written",
                  "for f in $(find /sys/fs/cgroup -name tasks 2>/dev/null); do test -w $f && exit 3; done; "
                  "exit 0",
                  0 },
                { "no nested user namespace", "unshare -U true 2>/dev/null", 1 },
                { "processes of the host cannot be seen", "grep -l bulkhead[d] /proc/[0-9]*/cmdline", 1 },
        };
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        g_autofree char *sandbox = NULL;

        test_expect_ok(test_client_create(client, &(TestRequest){ 0 }, &sandbox, &error), &error,
                       "CreateSandbox");
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autofree char *output = NULL;
                int status = test_client_shell(client, sandbox, cases[i].script, &output);

                if (status != cases[i].status)
                        fail_msg("%s: status %d instead of %d; output: %s", cases[i].name, status,
                                 cases[i].status, output);
        }
}

static void test_properties_of_a_live_sandbox(void **state G_GNUC_UNUSED) {
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        TestRequest request = { .name = "props", .capabilities = TEST_STRV("test.file") };
        g_autofree char *sandbox = NULL;

        test_expect_ok(test_client_create(client, &request, &sandbox, &error), &error, "CreateSandbox");

        g_autofree char *state_name = test_client_get_string(client, sandbox, TEST_SANDBOX, "State");
        g_autofree char *name = test_client_get_string(client, sandbox, TEST_SANDBOX, "Name");
        g_auto(GStrv) capabilities = test_client_get_strings(client, sandbox, TEST_SANDBOX, "Capabilities");
        g_auto(GStrv) list = test_client_list(client);

        assert_string_equal(state_name, "ready");
        assert_string_equal(name, "props");
        assert_int_equal(g_strv_length(capabilities), 1);
        assert_string_equal(capabilities[0], "test.file");
        assert_int_equal(g_strv_length(list), 1);
        assert_string_equal(list[0], "props");
}

static void test_keep_keeps_the_sandbox(void **state G_GNUC_UNUSED) {
        TestRequest request = { .name = "kept", .keep = true };
        g_auto(GStrv) list = NULL;

        assert_int_equal(test_client_launch_shell(client, &request, "true", NULL), 0);
        test_client_idle(client, 200 * 1000);
        list = test_client_list(client);
        assert_int_equal(g_strv_length(list), 1);
        assert_string_equal(list[0], "kept");
}

static void test_capabilities_are_listed(void **state G_GNUC_UNUSED) {
        g_autoptr(sd_bus_message) call = NULL, reply = NULL;
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        const char *name, *description;
        unsigned found = 0;
        int is_default;

        assert_return_code(sd_bus_message_new_method_call(test_client_get_bus(client), &call, TEST_BUS_NAME,
                                                          TEST_BUS_PATH, TEST_MANAGER, "ListCapabilities"),
                           0);
        test_expect_ok(test_client_call(client, call, &reply, &error), &error, "ListCapabilities");
        assert_return_code(sd_bus_message_enter_container(reply, 'a', "(ssb)"), 0);
        while (sd_bus_message_read(reply, "(ssb)", &name, &description, &is_default) > 0) {
                assert_false(is_default);
                assert_string_equal(description, "For a test");
                found += g_str_equal(name, "test.file") || g_str_equal(name, "test.folder") ||
                         g_str_equal(name, "test.env");
        }
        assert_int_equal(found, 3);
}

#define launch_test(function) cmocka_unit_test_setup_teardown(function, open_client, close_client)

int main(void) {
        static const struct CMUnitTest tests[] = {
                launch_test(test_hello_and_seven),
                launch_test(test_granted_file_is_at_its_path_and_read_only),
                launch_test(test_granted_folder_shows_its_files),
                launch_test(test_without_capability_the_file_is_absent),
                launch_test(test_host_path_is_absent_either_way),
                launch_test(test_environment_is_exactly_template_granted_given),
                launch_test(test_only_descriptors_0_1_2),
                launch_test(test_no_privileges),
                launch_test(test_root_inside_has_no_capabilities_either),
                launch_test(test_namespaces_are_its_own),
                launch_test(test_network_is_loopback_only_and_up),
                launch_test(test_hostname),
                launch_test(test_id_ranges_are_disjoint),
                launch_test(test_pid_is_the_hosts),
                launch_test(test_three_calls_give_the_same_as_launch),
                launch_test(test_exit_is_never_told_before_the_answer),
                launch_test(test_end_is_told_once),
                launch_test(test_argv_goes_to_exec_as_it_is),
                launch_test(test_stdin_stdout_stderr_are_the_callers),
                launch_test(test_working_directory_and_user),
                launch_test(test_default_template_is_read_only_where_it_says),
                launch_test(test_properties_of_a_live_sandbox),
                launch_test(test_keep_keeps_the_sandbox),
                launch_test(test_capabilities_are_listed),
                cmocka_unit_test(test_nothing_is_left),
        };

        return test_main("launch", prepare, tests, G_N_ELEMENTS(tests));
}
