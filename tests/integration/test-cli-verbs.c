/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The command line: verbs that look, mounts by hand, and help for who mistypes
 */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/fixture/test-client.h"
#include "tests/fixture/test-program.h"
#include "util/cleanup.h"

static void prepare(TestService *service) {
        g_free(test_service_write(service, "host/file.txt", "granted\n"));
        g_free(test_service_write(service, "host/shown.txt", "shown\n"));
        test_service_add_bind(service, "verbs.file", "host/file.txt", "/gateways/file", true);
}

/* Runs, and fails the test unless the status is @status and @needle (NULL = any) is in what was printed or
 * said. */
static char *run(const TestService *service, const char *const *argv, int status, const char *needle) {
        g_auto(TestResult) result = { 0 };

        test_bulkhead(service, argv, NULL, &result);
        if (result.status != status)
                fail_msg("%s: status %d instead of %d: %s%s", argv[0], result.status, status, result.output,
                         result.errors);
        if (needle && !strstr(result.output, needle) && !strstr(result.errors, needle))
                fail_msg("%s: no '%s' in: %s%s", argv[0], needle, result.output, result.errors);
        return g_steal_pointer(&result.output);
}

static void expect(const TestService *service, const char *const *argv, int status, const char *needle) {
        g_free(run(service, argv, status, needle));
}

static json_t *parse(const char *text, size_t size) {
        json_error_t error;
        json_t *json = json_loadb(text, size, JSON_REJECT_DUPLICATES, &error);

        if (!json)
                fail_msg("Not JSON: %s: %.*s", error.text, (int) size, text);
        return json;
}

static const char *get_string(const json_t *object, const char *key) {
        const char *text = json_string_value(json_object_get(object, key));

        return text ?: "";
}

/* ---- mounts ---- */

static void test_mounts_by_hand(void **state) {
        g_autofree char *source = test_service_path(*state, "host/shown.txt");
        g_autofree char *first = g_strconcat(source, ":/run/first", NULL);
        g_autofree char *second = g_strconcat(source, ":/run/second:rw", NULL);
        g_autofree char *text = run(*state, TEST_STRV("run", "-b", first, "--", "cat", "/run/first"), 0,
                                    NULL);

        /* No app may stand for the host's root, so what is shown writable belongs to somebody else. */
        assert_return_code(chown(source, 1000, 1000), errno);
        assert_string_equal(text, "shown\n");
        expect(*state, TEST_STRV("run", "-b", first, "--", "/bin/sh", "-c", "echo >/run/first"), 2,
               "Read-only");
        expect(*state, TEST_STRV("create", "--name", "mounts", "-b", first), 0, "mounts");
        expect(*state, TEST_STRV("exec", "mounts", "--", "test", "-e", "/run/second"), 1, NULL);
        expect(*state, TEST_STRV("mount", "mounts", second), 0, NULL);
        expect(*state, TEST_STRV("exec", "mounts", "--", "cat", "/run/first", "/run/second"), 0,
               "shown\nshown\n");
        expect(*state, TEST_STRV("exec", "mounts", "--", "/bin/sh", "-c", "echo written >/run/second"), 0,
               NULL);
        expect(*state, TEST_STRV("exec", "mounts", "--", "cat", "/run/first"), 0, "written\n");
        expect(*state, TEST_STRV("unmount", "mounts", "/run/second"), 0, NULL);
        expect(*state, TEST_STRV("exec", "mounts", "--", "test", "-s", "/run/second"), 1, NULL);
        expect(*state, TEST_STRV("unmount", "mounts", "/run/second"), 1, "/run/second");
        expect(*state, TEST_STRV("mount", "mounts", "/no/such/file:/run/third"), 1, "/no/such/file");
        expect(*state, TEST_STRV("mount", "mounts", "/etc"), 2, "SOURCE:TARGET");
        expect(*state, TEST_STRV("stop", "mounts"), 0, NULL);
}

/* ---- status, top ---- */

static void test_status(void **state) {
        g_autofree char *text = NULL, *people = NULL;
        json_t *status, *item;

        expect(*state, TEST_STRV("create", "--name", "looked-at", "-c", "verbs.file"), 0, NULL);
        text = run(*state, TEST_STRV("status", "looked-at", "--json"), 0, NULL);
        status = parse(text, strlen(text));
        assert_string_equal(get_string(status, "Name"), "looked-at");
        assert_string_equal(get_string(status, "State"), "ready");
        assert_true(json_integer_value(json_object_get(status, "MemoryCurrent")) > 0);
        assert_true(json_integer_value(json_object_get(status, "TasksCurrent")) > 0);
        assert_true(json_is_array(json_object_get(status, "refused")));
        assert_int_equal(json_array_size(json_object_get(status, "plan")), 1);
        item = json_array_get(json_object_get(status, "plan"), 0);
        assert_string_equal(get_string(item, "key"), "/gateways/file");
        json_decref(status);

        people = run(*state, TEST_STRV("status", "looked-at"), 0, "Uses memory");
        assert_non_null(strstr(people, "/gateways/file"));
        assert_non_null(strstr(people, "verbs.file ("));
        assert_non_null(strstr(people, ".json:"));
        expect(*state, TEST_STRV("status", "no-such"), 1, "no-such");
        expect(*state, TEST_STRV("stop", "looked-at"), 0, NULL);
}

static void test_top(void **state) {
        g_autofree char *text = NULL, *people = NULL;
        json_t *first, *second, *row;
        const char *newline;

        expect(*state, TEST_STRV("create", "--name", "busy"), 0, NULL);
        text = run(*state, TEST_STRV("top", "-n", "2", "-d", "0.2", "--json"), 0, NULL);
        newline = strchr(text, '\n');
        assert_non_null(newline);
        first = parse(text, (size_t) (newline - text));
        second = parse(newline + 1, strlen(newline + 1));
        row = json_array_get(json_object_get(first, "sandboxes"), 0);
        assert_string_equal(get_string(row, "name"), "busy");
        assert_true(json_is_null(json_object_get(row, "cpu-percent")));
        row = json_array_get(json_object_get(second, "sandboxes"), 0);
        assert_true(json_is_real(json_object_get(row, "cpu-percent")));
        assert_true(json_integer_value(json_object_get(row, "tasks")) > 0);
        json_decref(first);
        json_decref(second);

        people = run(*state, TEST_STRV("top", "-n", "1"), 0, "busy");
        assert_null(strchr(people, '\033')); /* it is no terminal */
        expect(*state, TEST_STRV("top", "-n", "0"), 2, "-n");
        expect(*state, TEST_STRV("top", "-d", "x"), 2, "-d");
        expect(*state, TEST_STRV("stop", "busy"), 0, NULL);
}

/* ---- events ---- */

/* Reads lines until one has @needle in it, and gives that one. */
static char *read_line_with(int fd, const char *needle) {
        g_autoptr(GString) line = g_string_new(NULL);
        char c;

        while (read(fd, &c, 1) == 1) {
                if (c != '\n') {
                        g_string_append_c(line, c);
                        continue;
                }
                if (strstr(line->str, needle))
                        return g_string_free(g_steal_pointer(&line), FALSE);
                g_string_truncate(line, 0);
        }
        fail_msg("No line with '%s'", needle);
        return NULL;
}

/* That it listens is told by nothing: so something is made until it is seen. */
static void wait_until_it_listens(const TestService *service, const TestChild *child) {
        struct pollfd ready = { .fd = child->output_fd, .events = POLLIN };

        for (unsigned i = 0; poll(&ready, 1, 0) == 0; i++) {
                assert_true(i < 50);
                expect(service, TEST_STRV("run", "--", "true"), 0, NULL);
        }
}

static void test_events(void **state) {
        g_autofree char *line = NULL;
        g_auto(TestResult) result = { 0 };
        TestChild child;
        json_t *event;

        test_child_start(*state, TEST_STRV("events", "--json"), &child);
        wait_until_it_listens(*state, &child);
        expect(*state, TEST_STRV("run", "--name", "eventful", "--", "/bin/sh", "-c", "exit 9"), 9, NULL);
        g_free(read_line_with(child.output_fd, "\"event\":\"created\",\"sandbox\":\"eventful\""));
        line = read_line_with(child.output_fd, "\"event\":\"exited\",\"sandbox\":\"eventful\"");
        event = parse(line, strlen(line));
        assert_string_equal(get_string(event, "reason"), "exited");
        assert_int_equal(json_integer_value(json_object_get(event, "status")), 9);
        assert_true(json_integer_value(json_object_get(event, "pid")) > 0);
        json_decref(event);
        g_free(read_line_with(child.output_fd, "\"event\":\"gone\",\"sandbox\":\"eventful\""));
        assert_return_code(kill(child.pid, SIGINT), errno);
        test_child_finish(&child, NULL, 0, &result);
        assert_int_equal(result.status, 128 + SIGINT);
}

static void test_events_count(void **state) {
        g_auto(TestResult) result = { 0 };
        TestChild child;

        test_child_start(*state, TEST_STRV("events", "-n", "1"), &child);
        wait_until_it_listens(*state, &child);
        test_child_finish(&child, NULL, 0, &result);
        assert_int_equal(result.status, 0);
        assert_ptr_equal(strchr(result.output, '\n'), result.output + strlen(result.output) - 1);
        expect(*state, TEST_STRV("events", "-n", "some"), 2, "-n");
}

/* It follows over the end of a service to the next one, to which it subscribes by itself. */
static void test_events_of_the_service(void **state) {
        g_auto(TestResult) result = { 0 };
        pid_t pid = test_service_get_pid(*state);
        TestChild child;
        int status;

        test_child_start(*state, TEST_STRV("events", "--json"), &child);
        wait_until_it_listens(*state, &child);
        assert_return_code(kill(pid, SIGTERM), errno);
        g_free(read_line_with(child.output_fd, "\"event\":\"service-lost\""));
        assert_int_equal(waitpid(pid, &status, 0), pid);
        test_service_start(*state);
        g_free(read_line_with(child.output_fd, "\"event\":\"service-back\""));
        expect(*state, TEST_STRV("run", "--name", "afterwards", "--", "true"), 0, NULL);
        g_free(read_line_with(child.output_fd, "\"event\":\"exited\",\"sandbox\":\"afterwards\""));
        assert_return_code(kill(child.pid, SIGINT), errno);
        test_child_finish(&child, NULL, 0, &result);
}

/* ---- doctor ---- */

/* What the check of this name says; NULL if there is none. */
static const char *find_result(const json_t *report, const char *name) {
        json_t *check;
        size_t i;

        json_array_foreach(json_object_get(report, "checks"), i, check) {
                if (g_str_equal(get_string(check, "name"), name))
                        return get_string(check, "result");
        }
        return NULL;
}

static void test_doctor(void **state) {
        const char *root = test_service_get_root(*state);
        g_autofree char *helpers = test_service_path(*state, "helpers"), *text = NULL;
        json_t *report, *check;
        /* What this machine must have to run tests at all, and so the doctor must find. */
        static const char *const walls[] = { "user namespaces", "other namespaces", "seccomp",
                                             "list of devices" };
        /* What it may have. */
        static const char *const more_walls[] = { "idmapped mounts",  "time namespaces", "mounts beneath",
                                                  "overlayfs inside", "Landlock",        "AppArmor" };
        bool has_service = false;
        size_t i;

        assert_return_code(setenv("BULKHEAD_HELPERS", helpers, 1), errno);
        text = run(*state, TEST_STRV("--root", root, "doctor", "--json"), 0, NULL);
        report = parse(text, strlen(text));
        assert_true(json_is_true(json_object_get(report, "fit")));
        json_array_foreach(json_object_get(report, "checks"), i,
                           check) if (g_str_equal(get_string(check, "name"), "service"))
                has_service = g_str_equal(get_string(check, "result"), "ok");
        assert_true(has_service);
        for (size_t j = 0; j < G_N_ELEMENTS(walls); j++)
                assert_string_equal(find_result(report, walls[j]), "ok");
        for (size_t j = 0; j < G_N_ELEMENTS(more_walls); j++)
                assert_non_null(find_result(report, more_walls[j]));
        /* Asked in another way than the doctor does. */
        assert_string_equal(find_result(report, "time namespaces"),
                            access("/proc/self/timens_offsets", F_OK) == 0 ? "ok" : "limited");
        assert_string_equal(find_result(report, "AppArmor"),
                            access("/sys/kernel/security/apparmor", F_OK) == 0 ? "ok" : "limited");
        json_decref(report);
        expect(*state, TEST_STRV("--root", root, "doctor"), 0, "control groups");
}

static void test_doctor_misses_helpers(void **state) {
        const char *root = test_service_get_root(*state);

        assert_return_code(setenv("BULKHEAD_HELPERS", "/nonexistent", 1), errno);
        expect(*state, TEST_STRV("--root", root, "doctor"), 1, "/nonexistent/bulkhead-shim");
        assert_return_code(unsetenv("BULKHEAD_HELPERS"), errno);
}

static void test_doctor_finds_leaks(void **state) {
        const char *root = test_service_get_root(*state);
        const char *const argv[] = { "--root", root, "doctor", "--leaks", NULL };
        g_autofree char *planted = test_service_path(*state, "run/bulkhead/sandboxes/4999"), *text = NULL;
        json_t *report;

        expect(*state, argv, 0, "No leaks");
        expect(*state, TEST_STRV("create", "--name", "recorded"), 0, NULL);
        expect(*state, argv, 0, "No leaks");
        assert_return_code(mkdir(planted, 0700), errno);
        text = run(*state, TEST_STRV("--root", root, "--json", "doctor", "--leaks"), 1, planted);
        report = parse(text, strlen(text));
        assert_int_equal(json_array_size(json_object_get(report, "leaks")), 1);
        json_decref(report);
        assert_return_code(rmdir(planted), errno);
        expect(*state, TEST_STRV("stop", "recorded"), 0, NULL);
        expect(*state, argv, 0, "No leaks");
}

/* The folder of the cgroup of sandbox @name's number, where the first hierarchy that has it is. */
static char *find_cgroup(const TestService *service, const char *name) {
        static const char *const roots[] = { "/sys/fs/cgroup/pids", "/sys/fs/cgroup/memory",
                                             "/sys/fs/cgroup/freezer", "/sys/fs/cgroup" };
        g_autofree char *text = run(service, TEST_STRV("status", name, "--json"), 0, NULL);
        json_t *status = parse(text, strlen(text));
        g_autofree char *group = g_strdup(get_string(status, "ControlGroup"));

        json_decref(status);
        if (g_str_has_suffix(group, "/payload"))
                group[strlen(group) - strlen("/payload")] = '\0';
        for (size_t i = 0; i < G_N_ELEMENTS(roots); i++) {
                g_autofree char *path = g_build_filename(roots[i], group, NULL);

                if (*group && access(path, F_OK) == 0)
                        return g_steal_pointer(&path);
        }
        fail_msg("No cgroup '%s'", group);
        return NULL;
}

/* A process in a cgroup of @number beside that of @cgroup. */
static pid_t plant_cgroup(const char *cgroup, const char *number, char **ret_path) {
        g_autofree char *parent = g_path_get_dirname(cgroup), *path = g_build_filename(parent, number, NULL);
        g_autofree char *procs = g_build_filename(path, "cgroup.procs", NULL);
        g_autofree char *text = NULL;
        pid_t pid;

        assert_return_code(mkdir(path, 0755), errno);
        pid = fork();
        if (pid == 0) {
                (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
                (void) pause();
                _exit(0);
        }
        assert_true(pid > 0);
        text = g_strdup_printf("%d", (int) pid);

        autofd int fd = open(procs, O_WRONLY | O_CLOEXEC);

        assert_int_equal(write(fd, text, strlen(text)), strlen(text));
        *ret_path = g_steal_pointer(&path);
        return pid;
}

/* Of one number everything that there can be; of another a folder whose shim seems to live, which we play by
 * holding its lock; and a sandbox that runs, and another instance's cgroup, which nobody may touch. */
static void test_doctor_fixes_leaks(void **state) {
        const char *root = test_service_get_root(*state);
        const char *const fix[] = { "--root", root, "doctor", "--leaks", "--fix", NULL };
        g_autofree char *folder = test_service_path(*state, "run/bulkhead/sandboxes/4999");
        g_autofree char *held = test_service_path(*state, "run/bulkhead/sandboxes/4998");
        g_autofree char *lock = g_build_filename(held, "lock", NULL),
                        *inner = g_build_filename(folder, "a b", NULL);
        g_autofree char *file = g_build_filename(inner, "file", NULL), *cgroup = NULL, *live = NULL,
                        *text = NULL;
        g_autofree char *left = NULL, *parent = NULL, *other = NULL;
        json_t *report;
        int status;
        pid_t pid;

        expect(*state, TEST_STRV("create", "--name", "stays"), 0, NULL);
        live = find_cgroup(*state, "stays");
        parent = g_path_get_dirname(live);
        other = g_strconcat(parent, "-other", NULL);
        assert_return_code(mkdir(other, 0755), errno);
        assert_return_code(mkdir(folder, 0700), errno);
        assert_return_code(mkdir(inner, 0700), errno);
        assert_return_code(mount("planted", inner, "tmpfs", 0, "size=64k"), errno);
        assert_true(g_file_set_contents(file, "x", -1, NULL));
        assert_return_code(mkdir(held, 0700), errno);
        pid = plant_cgroup(live, "4999", &cgroup);

        autofd int lock_fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

        assert_return_code(flock(lock_fd, LOCK_EX | LOCK_NB), errno);
        expect(*state, TEST_STRV("doctor", "--fix"), 2, "--leaks");
        text = run(*state, TEST_STRV("--root", root, "--json", "doctor", "--leaks", "--fix"), 1, NULL);
        report = parse(text, strlen(text));
        if (json_array_size(json_object_get(report, "removed")) != 3)
                fail_msg("Not three things were removed: %s", text);
        assert_int_equal(json_array_size(json_object_get(report, "leaks")), 1);
        json_decref(report);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        assert_int_equal(access(folder, F_OK), -1);
        assert_int_equal(access(cgroup, F_OK), -1);
        assert_int_equal(access(held, F_OK), 0);
        assert_int_equal(access(other, F_OK), 0);
        left = run(*state, fix, 1, "Its shim lives");

        assert_return_code(close(lock_fd), errno);
        lock_fd = -EBADF;
        expect(*state, fix, 0, "4998: removed");
        expect(*state, fix, 0, "No leaks");
        assert_return_code(rmdir(other), errno);
        expect(*state, TEST_STRV("exec", "stays", "--", "true"), 0, NULL);
        expect(*state, TEST_STRV("stop", "stays"), 0, NULL);
}

/* ---- who mistypes ---- */

static void test_suggestions(void **state) {
        static const struct {
                const char *argv[6];
                const char *needle;
        } cases[] = {
                { { "lsit" }, "did you mean 'list'" },
                { { "evnts" }, "did you mean 'events'" },
                { { "run", "--capabilty", "x", "--", "true" }, "did you mean '--capability'" },
                { { "run", "--termnal", "true" }, "did you mean '--terminal'" },
                { { "doctor", "--leak-s" }, "did you mean '--leaks'" },
                { { "list", "--jsno" }, "did you mean '--json'" },
                { { "list", "--zzzzzz" }, "'--zzzzzz'" },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
                expect(*state, cases[i].argv, 2, cases[i].needle);
}

/* Every verb explains itself, and what its JSON looks like if it prints some. */
static void test_help(void **state) {
        static const char *const verbs[] = { "run",    "create", "exec",    "shell",  "grant",
                                             "revoke", "mount",  "unmount", "freeze", "thaw",
                                             "kill",   "stop",   "list",    "status", "top",
                                             "events", "doctor", "check",   "diff",   "explain",
                                             "snapshot" };
        static const char *const printers[] = { "list", "status", "top", "events", "doctor" };

        for (size_t i = 0; i < G_N_ELEMENTS(verbs); i++)
                expect(*state, TEST_STRV(verbs[i], "--help"), 0, verbs[i]);
        for (size_t i = 0; i < G_N_ELEMENTS(printers); i++)
                expect(*state, TEST_STRV(printers[i], "--help"), 0, "--json");
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                test_case(test_mounts_by_hand),
                test_case(test_status),
                test_case(test_top),
                test_case(test_events),
                test_case(test_events_count),
                test_case(test_events_of_the_service),
                test_case(test_doctor),
                test_case(test_doctor_misses_helpers),
                test_case(test_doctor_finds_leaks),
                test_case(test_doctor_fixes_leaks),
                test_case(test_suggestions),
                test_case(test_help),
                cmocka_unit_test(test_nothing_is_left),
        };

        return test_main("cli-verbs", prepare, tests, G_N_ELEMENTS(tests));
}
