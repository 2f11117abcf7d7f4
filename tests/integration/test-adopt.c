/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Nobody's death is another's: the service is killed or stopped, and the next one knows all again
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/fixture/test-client.h"
#include "util/cleanup.h"

#define N_APPS      50
#define SETTLE_USEC (100 * 1000) /* a signal too many would have come by then */

static TestService *service;
static TestClient *client;

static void prepare(TestService *made) {
        g_free(test_service_write(made, "host/a.txt", "a\n"));
        g_free(test_service_write(made, "host/b.txt", "b\n"));
        test_service_add_bind(made, "adopt.a", "host/a.txt", "/gateways/a", true);
        test_service_add_bind(made, "adopt.b", "host/b.txt", "/gateways/b", true);
        test_service_add_bind(made, "adopt.gone", "host/b.txt", "/gateways/gone", true);
        g_free(test_service_write(made, "etc/bulkhead/bulkhead.conf.d/few.conf",
                                  "[Service]\nMaxSandboxesPerUser=1024\n"));
}

static int open_client(void **state) {
        service = *state;
        client = test_client_new(service);
        return 0;
}

static int close_client(void **state) {
        g_clear_pointer(&client, test_client_free);
        return test_after_each(state);
}

static void kill_and_restart(void) {
        test_service_kill(service);
        test_service_start(service);
}

static char *create(const TestRequest *request) {
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        char *sandbox = NULL;

        test_expect_ok(test_client_create(client, request, &sandbox, &error), &error, "CreateSandbox");
        return sandbox;
}

static void run(const char *sandbox, const TestRequest *request, TestProgram *ret) {
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;

        test_expect_ok(test_client_run(client, sandbox, request, ret, &error), &error, "Run");
}

static void run_sleep(const char *sandbox, TestProgram *ret) {
        run(sandbox, &(TestRequest){ .argv = TEST_STRV("/bin/sleep", "1000") }, ret);
}

static void ask(const char *path, const char *member) {
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;

        test_expect_ok(test_client_ask(client, path, TEST_SANDBOX, member, NULL, &error, ""), &error, member);
}

static void change(const char *sandbox, const char *method, const char *capability) {
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;

        test_expect_ok(test_client_change(client, sandbox, method, TEST_STRV(capability), &error), &error,
                       method);
}

static void stop(const char *sandbox) {
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;

        test_expect_ok(test_client_stop(client, sandbox, 100 * 1000, &error), &error, "Stop");
}

static bool is_alive(uint32_t pid) {
        return kill((pid_t) pid, 0) == 0;
}

static void expect_exit(const TestProgram *program, const char *reason, int status) {
        const TestExit *exit;

        assert_int_equal(test_client_wait(client, program->process, 10 * TEST_USEC_PER_SEC, &exit), 0);
        assert_string_equal(exit->reason, reason);
        assert_int_equal(exit->status, status);
        assert_int_equal(exit->pid, program->pid);
        test_client_idle(client, SETTLE_USEC);
        assert_int_equal(test_client_count_exits(client, program->process), 1);
}

static bool is_inside(const char *sandbox, const char *path) {
        return test_client_exec(client, sandbox, TEST_STRV("/usr/bin/test", "-e", path), NULL) == 0;
}

/* What a client reads of it, as text. */
static char *describe(const char *path, const char *interface, const char *const *names) {
        char *text = NULL;
        size_t size = 0;
        autostream FILE *stream = open_memstream(&text, &size);

        for (; *names; names++) {
                g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
                g_autoptr(sd_bus_message) reply = NULL;

                test_expect_ok(test_client_ask(client, path, "org.freedesktop.DBus.Properties", "Get", &reply,
                                               &error, "ss", interface, *names),
                               &error, *names);
                (void) fprintf(stream, "%s ", *names);
                assert_true(sd_bus_message_dump(reply, stream, SD_BUS_MESSAGE_DUMP_SUBTREE_ONLY) >= 0);
        }
        /* Only now is the text where it stays. */
        (void) fclose(g_steal_pointer(&stream));
        return text;
}

static char *describe_sandbox(const char *sandbox) {
        return describe(sandbox, TEST_SANDBOX,
                        TEST_STRV("Name", "Template", "Owner", "CreatedUSec", "CreatedUSecMonotonic",
                                  "LaunchTimings", "State", "StateReason", "Capabilities", "Leader",
                                  "ControlGroup", "Labels"));
}

static char *describe_process(const char *process) {
        return describe(process, TEST_PROCESS, TEST_STRV("Pid", "Argv", "State", "ExitReason", "ExitStatus"));
}

/* ---- all of it ---- */

static void test_everything_is_as_it_was(void **state G_GNUC_UNUSED) {
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        g_auto(TestProgram) program = { NULL }, ended = { NULL };
        g_autofree char *b = test_service_path(service, "host/b.txt");
        g_autofree char *sandbox = create(
                &(TestRequest){ .name = "app", .capabilities = TEST_STRV("adopt.a") });
        g_autofree char *folder = g_path_get_dirname(b), *output = NULL;
        autofd int folder_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        test_expect_ok(test_client_ask(client, sandbox, TEST_SANDBOX, "BindMount", NULL, &error, "sst", b,
                                       "/gateways/by-hand", (uint64_t) 0),
                       &error, "BindMount");
        test_expect_ok(test_client_ask(client, sandbox, TEST_SANDBOX, "BindMountFd", NULL, &error, "hst",
                                       folder_fd, "/gateways/by-fd", (uint64_t) 0),
                       &error, "BindMountFd");
        run_sleep(sandbox, &program);
        run(sandbox, &(TestRequest){ .argv = TEST_STRV("/bin/sh", "-c", "exit 7") }, &ended);
        expect_exit(&ended, "exited", 7);

        g_autofree char *before = describe_sandbox(sandbox), *process = describe_process(program.process),
                        *ended_before = describe_process(ended.process);

        kill_and_restart();
        assert_true(is_alive(program.pid));

        g_autofree char *after = describe_sandbox(sandbox),
                        *process_after = describe_process(program.process),
                        *ended_after = describe_process(ended.process);

        assert_string_equal(after, before);
        assert_string_equal(process_after, process);
        assert_string_equal(ended_after, ended_before);
        assert_int_equal(test_client_count_exits(client, ended.process), 1);

        /* It is as alive as it was. */
        change(sandbox, "Grant", "adopt.b");
        assert_true(is_inside(sandbox, "/gateways/a"));
        assert_true(is_inside(sandbox, "/gateways/b"));
        assert_true(is_inside(sandbox, "/gateways/by-hand"));
        assert_true(is_inside(sandbox, "/gateways/by-fd/a.txt"));
        change(sandbox, "Revoke", "adopt.a");
        assert_false(is_inside(sandbox, "/gateways/a"));
        assert_true(is_inside(sandbox, "/gateways/by-hand"));
        test_expect_ok(test_client_ask(client, sandbox, TEST_SANDBOX, "Unmount", NULL, &error, "s",
                                       "/gateways/by-hand"),
                       &error, "Unmount");
        assert_false(is_inside(sandbox, "/gateways/by-hand"));
        assert_int_equal(test_client_shell(client, sandbox, "echo still here", &output), 0);
        assert_string_equal(output, "still here\n");

        /* And again, with what has changed since. */
        kill_and_restart();
        assert_true(is_inside(sandbox, "/gateways/b"));
        assert_false(is_inside(sandbox, "/gateways/a"));
        assert_int_equal(kill((pid_t) program.pid, SIGTERM), 0);
        expect_exit(&program, "killed", SIGTERM);
        stop(sandbox);
        test_client_wait_empty(client);
}

static void test_names_and_numbers_stay_taken(void **state G_GNUC_UNUSED) {
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        g_auto(TestProgram) first = { NULL }, second = { NULL };
        g_autofree char *sandbox = create(&(TestRequest){ .name = "taken" }), *other = NULL, *none = NULL;
        g_autofree char *uids = NULL, *other_uids = NULL;

        run_sleep(sandbox, &first);
        kill_and_restart();
        test_expect_error(test_client_create(client, &(TestRequest){ .name = "taken" }, &none, &error),
                          &error, "SandboxExists", "taken");
        other = create(&(TestRequest){ .name = "other" });
        run_sleep(other, &second);
        assert_string_not_equal(strrchr(first.process, '/'), strrchr(second.process, '/'));
        assert_int_equal(test_client_shell(client, sandbox, "cat /proc/self/uid_map", &uids), 0);
        assert_int_equal(test_client_shell(client, other, "cat /proc/self/uid_map", &other_uids), 0);
        assert_string_not_equal(uids, other_uids);
}

/* ---- while nobody was there ---- */

static void test_exits_meanwhile_are_told_once(void **state G_GNUC_UNUSED) {
        g_auto(TestProgram) killed = { NULL }, exited = { NULL }, alive = { NULL };
        g_autofree char *sandbox = create(&(TestRequest){ .name = "exits" });
        g_autoptr(TestClient) subscriber = test_client_new(service);
        int fds[2];

        assert_return_code(pipe2(fds, O_CLOEXEC), errno);
        run_sleep(sandbox, &killed);
        run_sleep(sandbox, &alive);
        run(sandbox,
            &(TestRequest){ .argv = TEST_STRV("/bin/sh", "-c", "read x; exit 3"), .stdin_fd = fds[0] },
            &exited);
        (void) close(fds[0]);
        test_service_kill(service);
        assert_int_equal(kill((pid_t) killed.pid, SIGKILL), 0);
        (void) close(fds[1]);
        while (is_alive(killed.pid) || is_alive(exited.pid))
                (void) g_usleep(1000);
        test_service_start(service);
        expect_exit(&killed, "killed", SIGKILL);
        expect_exit(&exited, "exited", 3);

        /* What ends now is told to its creator and to who subscribes, and the next service tells nothing of
         * it. */
        test_client_subscribe(subscriber);
        assert_int_equal(kill((pid_t) alive.pid, SIGKILL), 0);
        expect_exit(&alive, "killed", SIGKILL);
        assert_int_equal(test_client_wait(subscriber, alive.process, TEST_USEC_PER_SEC, NULL), 0);
        kill_and_restart();
        test_client_idle(client, SETTLE_USEC);
        assert_int_equal(test_client_count_exits(client, killed.process), 1);
        assert_int_equal(test_client_count_exits(client, exited.process), 1);
        assert_int_equal(test_client_count_exits(client, alive.process), 1);
}

/* Its shim ends it alone, keeps how it ended, and goes when that is told. */
static void test_launch_ends_without_a_service(void **state G_GNUC_UNUSED) {
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        g_auto(TestProgram) gone = { NULL }, kept = { NULL };
        TestRequest request = { .name = "gone", .argv = TEST_STRV("/bin/sleep", "1000") };
        g_auto(GStrv) names = NULL;

        test_expect_ok(test_client_launch(client, &request, &gone, &error), &error, "Launch");
        request.name = "kept";
        request.keep = true;
        test_expect_ok(test_client_launch(client, &request, &kept, &error), &error, "Launch");
        test_service_kill(service);
        assert_int_equal(kill((pid_t) gone.pid, SIGTERM), 0);
        assert_int_equal(kill((pid_t) kept.pid, SIGTERM), 0);
        (void) g_usleep(50 * 1000);
        test_service_start(service);
        expect_exit(&gone, "killed", SIGTERM);
        expect_exit(&kept, "killed", SIGTERM);
        do {
                g_clear_pointer(&names, g_strfreev);
                names = test_client_list(client);
                test_client_idle(client, 1000);
        } while (g_strv_length(names) > 1);
        assert_string_equal(names[0], "kept");
}

static void test_bound_to_a_caller_that_left(void **state G_GNUC_UNUSED) {
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        TestClient *caller = test_client_new(service);
        g_autoptr(TestClient) staying = test_client_new(service);
        TestClient *const callers[] = { caller, staying };
        g_auto(GStrv) names = NULL;

        for (size_t i = 0; i < G_N_ELEMENTS(callers); i++)
                test_expect_ok(test_client_ask(callers[i], TEST_BUS_PATH, TEST_MANAGER, "CreateSandbox", NULL,
                                               &error, "sa{sv}", i == 0 ? "bound" : "bound-too", 1,
                                               "bind-to-caller", "b", 1),
                               &error, "CreateSandbox");
        g_free(create(&(TestRequest){ .name = "free" }));
        test_service_kill(service);
        test_client_free(caller);
        test_service_start(service);
        do {
                g_clear_pointer(&names, g_strfreev);
                names = test_client_list(client);
                test_client_idle(client, 1000);
        } while (g_strv_length(names) > 2);
        assert_string_equal(names[0], "bound-too");
        assert_string_equal(names[1], "free");
        /* One that leaves later is heard as well. */
        g_clear_pointer(&staying, test_client_free);
        do {
                g_clear_pointer(&names, g_strfreev);
                names = test_client_list(client);
                test_client_idle(client, 1000);
        } while (g_strv_length(names) > 1);
        assert_string_equal(names[0], "free");
}

static void test_frozen_stays_frozen(void **state G_GNUC_UNUSED) {
        g_auto(TestProgram) program = { NULL };
        g_autofree char *sandbox = create(&(TestRequest){ .name = "frozen" }), *state_before = NULL;

        run_sleep(sandbox, &program);
        ask(sandbox, "Freeze");
        kill_and_restart();
        state_before = test_client_get_string(client, sandbox, TEST_SANDBOX, "State");
        assert_string_equal(state_before, "frozen");
        ask(sandbox, "Thaw");
        assert_int_equal(test_client_shell(client, sandbox, "true", NULL), 0);
}

/* ---- terminals ---- */

static int open_terminal(const TestProgram *program, sd_bus_error *error) {
        g_autoptr(sd_bus_message) reply = NULL;
        int fd, r;

        r = test_client_ask(client, program->process, TEST_PROCESS, "OpenTerminal", &reply, error, "");
        if (r < 0)
                return r;
        assert_true(sd_bus_message_read(reply, "h", &fd) >= 0);
        return fcntl(fd, F_DUPFD_CLOEXEC, 3);
}

static void test_terminals(void **state G_GNUC_UNUSED) {
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        g_auto(TestProgram) opened = { NULL }, closed = { NULL };
        g_autofree char *sandbox = create(&(TestRequest){ .name = "terminals" });
        TestRequest request = { .argv = TEST_STRV("/bin/sh", "-c", "stty -echo; read x; stty size; exit 4"),
                                .terminal = true };
        g_autofree char *output = NULL, *output_opened = NULL;

        run(sandbox, &request, &opened);
        run(sandbox, &request, &closed);

        autofd int opened_fd = open_terminal(&opened, &error);

        test_expect_ok(opened_fd, &error, "OpenTerminal");
        kill_and_restart();
        test_expect_error(open_terminal(&opened, &error), &error, "BadState", "opened already");
        sd_bus_error_free(&error);
        test_expect_ok(
                test_client_ask(client, opened.process, TEST_PROCESS, "Resize", NULL, &error, "qq", 30, 90),
                &error, "Resize");
        test_expect_ok(
                test_client_ask(client, closed.process, TEST_PROCESS, "Resize", NULL, &error, "qq", 31, 91),
                &error, "Resize");

        autofd int closed_fd = open_terminal(&closed, &error);

        test_expect_ok(closed_fd, &error, "OpenTerminal");
        assert_int_equal(write(opened_fd, "\n", 1), 1);
        assert_int_equal(write(closed_fd, "\n", 1), 1);
        output = test_client_read_all(client, closed_fd, 5 * TEST_USEC_PER_SEC);
        assert_non_null(strstr(output, "31 91"));
        output_opened = test_client_read_all(client, opened_fd, 5 * TEST_USEC_PER_SEC);
        assert_non_null(strstr(output_opened, "30 90"));
        expect_exit(&opened, "exited", 4);
        expect_exit(&closed, "exited", 4);
}

/* ---- the end of a service ---- */

static void test_sigterm_leaves_sandboxes(void **state G_GNUC_UNUSED) {
        g_auto(TestProgram) program = { NULL };
        g_autofree char *sandbox = create(&(TestRequest){ .name = "left" });

        run_sleep(sandbox, &program);
        test_service_end(service);
        assert_true(is_alive(program.pid));
        test_service_start(service);
        assert_int_equal(kill((pid_t) program.pid, SIGTERM), 0);
        expect_exit(&program, "killed", SIGTERM);
}

/* A manifest that has changed meanwhile does not change what a sandbox has. */
static void test_manifest_that_is_gone(void **state G_GNUC_UNUSED) {
        g_autofree char *sandbox = create(
                &(TestRequest){ .name = "keeps", .capabilities = TEST_STRV("adopt.gone") });
        g_autofree char *manifest = test_service_path(service, "etc/bulkhead/manifests.d/adopt.gone.json");

        test_service_kill(service);
        assert_int_equal(unlink(manifest), 0);
        test_service_start(service);
        change(sandbox, "Grant", "adopt.a");
        assert_true(is_inside(sandbox, "/gateways/a"));
        assert_true(is_inside(sandbox, "/gateways/gone"));
        change(sandbox, "Revoke", "adopt.gone");
        assert_true(is_inside(sandbox, "/gateways/a"));
        assert_false(is_inside(sandbox, "/gateways/gone"));
        test_service_add_bind(service, "adopt.gone", "host/b.txt", "/gateways/gone", true);
}

/* Killed at each moment of a creation: there is a whole sandbox or none. */
static void test_killed_while_creating(void **state G_GNUC_UNUSED) {
        unsigned n_ready = 0;

        for (unsigned i = 0; i < 12; i++) {
                g_autofree char *name = g_strdup_printf("half-%u", i);
                g_autoptr(sd_bus_message) call = NULL;
                g_auto(GStrv) names = NULL;
                TestClient *caller = test_client_new(service);

                assert_true(sd_bus_message_new_method_call(test_client_get_bus(caller), &call, TEST_BUS_NAME,
                                                           TEST_BUS_PATH, TEST_MANAGER,
                                                           "CreateSandbox") >= 0);
                assert_true(sd_bus_message_append(call, "sa{sv}", name, 1, "capabilities", "as", 1,
                                                  "adopt.a") >= 0);
                test_client_send(caller, call);
                test_client_idle(caller, (uint64_t) i * 3000);
                kill_and_restart();
                test_client_free(caller);
                names = test_client_list(client);
                if (g_strv_contains((const char *const *) names, name)) {
                        g_autofree char *sandbox = g_strdup_printf("%s/sandbox/half_2d%u", TEST_BUS_PATH, i);

                        n_ready++;
                        test_client_subscribe(client); /* somebody else has made it */
                        assert_true(is_inside(sandbox, "/gateways/a"));
                        stop(sandbox);
                }
        }
        print_message("         %u of 12 were ready\n", n_ready);
}

/* ---- shims that are no help ---- */

static void test_folder_of_a_dead_shim(void **state G_GNUC_UNUSED) {
        g_autofree char *lock = test_service_write(service, "run/bulkhead/sandboxes/4711/lock", ""),
                        *folder = g_path_get_dirname(lock),
                        *identity = test_service_write(service, "run/bulkhead/sandboxes/4711/sandbox",
                                                       "0 dead 1879048192 65536\n");
        g_autofree char *sandbox = NULL;

        (void) identity;
        kill_and_restart();
        for (unsigned i = 0; i < 1000 && access(folder, F_OK) == 0; i++)
                test_client_idle(client, 2000);
        assert_int_equal(access(folder, F_OK), -1);
        sandbox = create(&(TestRequest){ .name = "dead" });
}

static pid_t find_shim(const char *sandbox) {
        g_autofree char *group = test_client_get_string(client, sandbox, TEST_SANDBOX, "ControlGroup");
        g_autofree char *box = g_path_get_dirname(group), *number = g_path_get_basename(box);
        g_autofree char *runtime = g_strdup_printf("run/bulkhead/sandboxes/%s", number);
        g_autofree char *path = test_service_path(service, runtime);
        g_autoptr(GDir) proc = g_dir_open("/proc", 0, NULL);
        const char *name;

        while ((name = g_dir_read_name(proc))) {
                g_autofree char *file = g_build_filename("/proc", name, "cmdline", NULL), *text = NULL;
                size_t size;

                if (g_ascii_isdigit(*name) && g_file_get_contents(file, &text, &size, NULL) &&
                    memmem(text, size, path, strlen(path) + 1)) {
                        pid_t pid = (pid_t) atoi(name);

                        if (getppid() != pid)
                                return pid;
                }
        }
        fail_msg("%s has no shim", sandbox);
        return 0;
}

static void expect_strange(const char *sandbox, const char *name, const char *needle) {
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        g_autofree char *state = test_client_get_string(client, sandbox, TEST_SANDBOX, "State"),
                        *reason = test_client_get_string(client, sandbox, TEST_SANDBOX, "StateReason"),
                        *none = NULL;
        g_auto(GStrv) warnings = test_client_get_strings(client, TEST_BUS_PATH, TEST_MANAGER, "Warnings");
        g_autofree char *all = g_strjoinv("\n", warnings);

        assert_string_equal(state, "failed");
        assert_non_null(strstr(reason, needle));
        assert_non_null(strstr(all, needle));
        test_expect_error(test_client_create(client, &(TestRequest){ .name = name }, &none, &error), &error,
                          "SandboxExists", NULL);
        sd_bus_error_free(&error);
        test_expect_error(test_client_run(client, sandbox, &(TestRequest){ .argv = TEST_STRV("/bin/true") },
                                          &(TestProgram){ NULL }, &error),
                          &error, "BadState", "failed");
}

/* A shim that is stopped does not keep the service, or anybody else, from anything. */
static void test_shim_that_does_not_answer(void **state G_GNUC_UNUSED) {
        g_auto(TestProgram) program = { NULL };
        g_autofree char *silent = create(&(TestRequest){ .name = "silent" }),
                        *other = create(&(TestRequest){ .name = "other" }), *state_after = NULL;
        pid_t shim = find_shim(silent);

        run_sleep(silent, &program);
        test_service_kill(service);
        assert_int_equal(kill(shim, SIGSTOP), 0);
        test_service_start(service);
        expect_strange(silent, "silent", "does not answer");
        assert_int_equal(test_client_shell(client, other, "true", NULL), 0);
        /* It answers after all. */
        assert_int_equal(kill(shim, SIGCONT), 0);
        for (unsigned i = 0; i < 1000; i++) {
                g_clear_pointer(&state_after, g_free);
                state_after = test_client_get_string(client, silent, TEST_SANDBOX, "State");
                if (strcmp(state_after, "ready") == 0)
                        break;
                test_client_idle(client, 2000);
        }
        assert_string_equal(state_after, "ready");
        assert_int_equal(kill((pid_t) program.pid, SIGTERM), 0);
        expect_exit(&program, "killed", SIGTERM);
}

/* An update: the service is newer than the shim. */
static void test_shim_of_the_previous_version(void **state G_GNUC_UNUSED) {
        g_auto(TestProgram) program = { NULL };
        g_autofree char *sandbox = NULL;

        test_service_kill(service);
        test_service_use_shim(service, "bulkhead-shim-previous");
        test_service_start(service);
        sandbox = create(&(TestRequest){ .name = "previous" });
        run_sleep(sandbox, &program);
        test_service_kill(service);
        test_service_use_shim(service, "bulkhead-shim");
        test_service_start(service);
        change(sandbox, "Grant", "adopt.a");
        assert_true(is_inside(sandbox, "/gateways/a"));
        assert_int_equal(kill((pid_t) program.pid, SIGTERM), 0);
        expect_exit(&program, "killed", SIGTERM);
        stop(sandbox);
}

static void test_shim_of_a_version_that_is_not_known(void **state G_GNUC_UNUSED) {
        g_auto(TestProgram) program = { NULL };
        g_autofree char *sandbox = NULL;

        test_service_kill(service);
        test_service_use_shim(service, "bulkhead-shim-future");
        test_service_start(service);
        sandbox = create(&(TestRequest){ .name = "future" });
        run_sleep(sandbox, &program);
        test_service_kill(service);
        test_service_use_shim(service, "bulkhead-shim");
        test_service_start(service);
        assert_true(is_alive(program.pid));
        expect_strange(sandbox, "future", "version 99");
        stop(sandbox);
        assert_false(is_alive(program.pid));
        test_client_wait_empty(client);
}

/* ---- many ---- */

static void test_fifty_apps(void **state G_GNUC_UNUSED) {
        TestProgram programs[N_APPS] = { { NULL } };
        g_auto(GStrv) names = NULL;
        uint64_t begun;

        for (unsigned i = 0; i < N_APPS; i++) {
                g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
                g_autofree char *name = g_strdup_printf("app-%u", i);
                TestRequest request = { .name = name, .argv = TEST_STRV("/bin/sleep", "1000") };

                test_expect_ok(test_client_launch(client, &request, &programs[i], &error), &error, "Launch");
        }
        test_service_kill(service);
        for (unsigned i = 0; i < N_APPS; i++)
                assert_true(is_alive(programs[i].pid));
        for (unsigned i = 0; i < N_APPS; i += 5)
                assert_int_equal(kill((pid_t) programs[i].pid, SIGTERM), 0);
        (void) g_usleep(100 * 1000);
        begun = test_now_usec();
        test_service_start(service);
        print_message("         the next service knew %u after %.0f ms\n", N_APPS,
                      (double) (test_now_usec() - begun) / 1000);
        for (unsigned i = 0; i < N_APPS; i += 5)
                assert_int_equal(test_client_wait(client, programs[i].process, 10 * TEST_USEC_PER_SEC, NULL),
                                 0);
        test_client_idle(client, SETTLE_USEC);
        for (unsigned i = 0; i < N_APPS; i++) {
                assert_int_equal(test_client_count_exits(client, programs[i].process), i % 5 == 0);
                assert_int_equal(is_alive(programs[i].pid), i % 5 != 0);
        }
        names = test_client_list(client);
        assert_int_equal(g_strv_length(names), N_APPS - N_APPS / 5);
        for (unsigned i = 0; i < N_APPS; i++)
                test_program_done(&programs[i]);
}

#define adopt_case(function) cmocka_unit_test_setup_teardown(function, open_client, close_client)

int main(void) {
        static const struct CMUnitTest tests[] = {
                adopt_case(test_everything_is_as_it_was),
                adopt_case(test_names_and_numbers_stay_taken),
                adopt_case(test_exits_meanwhile_are_told_once),
                adopt_case(test_launch_ends_without_a_service),
                adopt_case(test_bound_to_a_caller_that_left),
                adopt_case(test_frozen_stays_frozen),
                adopt_case(test_terminals),
                adopt_case(test_sigterm_leaves_sandboxes),
                adopt_case(test_manifest_that_is_gone),
                adopt_case(test_killed_while_creating),
                adopt_case(test_folder_of_a_dead_shim),
                adopt_case(test_shim_that_does_not_answer),
                adopt_case(test_shim_of_the_previous_version),
                adopt_case(test_shim_of_a_version_that_is_not_known),
                adopt_case(test_fifty_apps),
                cmocka_unit_test(test_nothing_is_left),
        };

        return test_main("adopt", prepare, tests, G_N_ELEMENTS(tests));
}
