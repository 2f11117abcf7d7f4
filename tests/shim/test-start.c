/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Starts of a sandbox, good and bad, and requests at the wrong time. */
#include "tests/shim/help.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "tests/shim/driver.h"
#include "tests/shim/system.h"
#include "util/cleanup.h"

static void test_start_run_stop(void **state G_GNUC_UNUSED) {
        g_autoptr(Driver) driver = driver_new();
        g_autoptr(Spec) spec = driver_spec();
        g_autofree char *output = NULL;
        g_auto(Error) error = ERROR_NULL;
        g_auto(GStrv) lines = NULL;
        WireMessage timings;

        assert_no_error(driver_start(driver, spec, &error), &error);
        assert_true(driver_await(driver, SHIM_TIMINGS, 0, 0, &timings));
        wire_message_done(&timings);
        assert_int_equal(driver_shell(driver, "id -u; pwd; hostname; cat /proc/self/status", &output), 0);
        lines = g_strsplit(output, "\n", -1);
        assert_string_equal(lines[0], "1000");
        assert_string_equal(lines[1], "/home/app");
        assert_string_equal(lines[2], "test");
        assert_true(g_strv_contains((const char *const *) lines, "NoNewPrivs:\t1"));
        assert_true(g_strv_contains((const char *const *) lines, "CapEff:\t0000000000000000"));
        assert_true(g_strv_contains((const char *const *) lines, "CapBnd:\t0000000000000000"));
        assert_int_equal(driver_shell(driver, "exit 7", NULL), 7);
        driver_assert_stops(driver);
        assert_true(WIFEXITED(driver->exit_status) && WEXITSTATUS(driver->exit_status) == 0);
}

/* A spare shim has made the namespace of the range that it was told; the spec's word is the last. */
static void test_ids_are_the_specs(void **state G_GNUC_UNUSED) {
        static const uint32_t offsets[] = { 0, 65536 };

        for (size_t i = 0; i < G_N_ELEMENTS(offsets); i++) {
                g_autoptr(Driver) driver = driver_new();
                g_autoptr(Spec) spec = driver_spec();
                g_autofree char *output = NULL;
                g_auto(Error) error = ERROR_NULL;
                unsigned inside, outside, count;

                spec->id_base += offsets[i];
                assert_no_error(driver_start(driver, spec, &error), &error);
                assert_int_equal(driver_shell(driver, "cat /proc/self/uid_map", &output), 0);
                assert_int_equal(sscanf(output, "%u %u %u", &inside, &outside, &count), 3);
                assert_int_equal(inside, 0);
                assert_int_equal(outside, spec->id_base);
                assert_int_equal(count, 65536);
                driver_assert_stops(driver);
        }
}

/* What an app must not be able to do in a plain sandbox. */
static void test_app_cannot(void **state G_GNUC_UNUSED) {
        static const char *const lines[] = {
                "unshare -U true",
                "unshare -m true",
                "mount -t tmpfs none /tmp",
                "kill -9 1",
                "kill -STOP 1",
                "ls /proc/1/fd/ | grep -q .",
                "cat /proc/1/environ | grep -q .",
                "mknod /tmp/sda b 8 0",
                "head -c 1 /dev/mem",
                "echo 1 > /proc/sys/kernel/panic",
                "echo h > /proc/sysrq-trigger",
                "echo > /usr/bin/new",
                "echo 0 > /proc/self/oom_score_adj && echo -500 > /proc/self/oom_score_adj",
                "hostname other",
                "ls /run/bulkhead* /sys/fs/cgroup/*/bulkhead* | grep -q .",
                "echo 5 > /proc/sys/user/max_user_namespaces",
        };
        g_autoptr(Driver) driver = driver_new();
        g_autoptr(Spec) spec = driver_spec();
        g_auto(Error) error = ERROR_NULL;

        assert_no_error(driver_start(driver, spec, &error), &error);
        for (size_t i = 0; i < G_N_ELEMENTS(lines); i++)
                if (driver_shell(driver, lines[i], NULL) == 0)
                        fail_msg("worked: %s", lines[i]);
        driver_assert_stops(driver);
}

/* ---- bad specs ---- */

typedef void (*SpecChange)(Spec *spec);

static void set_layers(Spec *spec, const char *layers) {
        g_strfreev(spec->layers);
        spec->layers = g_strsplit(layers, ",", -1);
}

static void missing_layer(Spec *spec) {
        set_layers(spec, "/nonexistent/layer");
}

static void file_layer(Spec *spec) {
        set_layers(spec, "/etc/passwd");
}

static void proc_layer(Spec *spec) {
        set_layers(spec, "/proc");
}

static void no_layer(Spec *spec) {
        g_strfreev(spec->layers);
        spec->layers = g_new0(char *, 1);
}

static void small_upper(Spec *spec) {
        spec->upper_size = 1;
}

static void ids_of_host(Spec *spec) {
        spec->id_base = 0;
}

static void ids_overflow(Spec *spec) {
        spec->id_base = UINT32_MAX - 65535;
}

static void hide_outside(Spec *spec) {
        g_strfreev(spec->hide);
        spec->hide = g_strsplit("/../etc", ",", -1);
}

static void no_time(Spec *spec) {
        spec->start_timeout_usec = 0;
}

static void short_time(Spec *spec) {
        spec->start_timeout_usec = 1;
}

static void no_tasks(Spec *spec) {
        spec->tasks_max = 1; /* not even init's first child */
}

static const struct {
        const char *name;
        SpecChange change;
        ErrorCode code;
        const char *words;
} bad_specs[] = {
        { "missing layer", missing_layer, ERROR_NOT_MOUNTABLE, "/nonexistent/layer" },
        { "file as layer", file_layer, ERROR_NOT_MOUNTABLE, "no squashfs" },
        { "layer that takes no map", proc_layer, ERROR_NOT_MOUNTABLE, "id-mapped" },
        { "no layer", no_layer, ERROR_INVALID_ARGS, "no layers" },
        { "upper of one byte", small_upper, ERROR_SYSTEM, "No space left" },
        { "ids of the host", ids_of_host, ERROR_INVALID_ARGS, "ids" },
        { "ids that overflow", ids_overflow, ERROR_INVALID_ARGS, "ids" },
        { "hidden path outside", hide_outside, ERROR_INVALID_ARGS, "Hidden path" },
        { "no time", no_time, ERROR_INVALID_ARGS, "time" },
        { "a microsecond", short_time, ERROR_TIMEOUT, "did not start within" },
};

static void test_bad_spec(void **state G_GNUC_UNUSED) {
        for (size_t i = 0; i < G_N_ELEMENTS(bad_specs); i++) {
                g_autoptr(Driver) driver = driver_new();
                g_autoptr(Spec) spec = driver_spec();
                g_auto(Error) error = ERROR_NULL;

                print_message("  %s\n", bad_specs[i].name);
                bad_specs[i].change(spec);
                assert_true(driver_start(driver, spec, &error) < 0);
                assert_error_says(&error, bad_specs[i].code, bad_specs[i].words);
                driver_assert_gone(driver);
        }
}

static void test_one_task(void **state G_GNUC_UNUSED) {
        static const char *const argv[] = { "/bin/true", NULL };
        g_autoptr(Driver) driver = driver_new();
        g_autoptr(Spec) spec = driver_spec();
        g_auto(Error) error = ERROR_NULL;

        no_tasks(spec);
        assert_no_error(driver_start(driver, spec, &error), &error);
        assert_true(driver_run(driver, argv, -1, NULL, NULL, &error) < 0);
        assert_error_says(&error, ERROR_LIMIT_REACHED, "no further process");
        driver_assert_stops(driver);
}

/* Times that do not fit are for ever, not over. */
static void test_endless_times(void **state G_GNUC_UNUSED) {
        static const char *const argv[] = { "/bin/sleep", "100", NULL };
        g_autoptr(Driver) driver = driver_new();
        g_autoptr(Spec) spec = driver_spec();
        g_auto(Error) error = ERROR_NULL;
        ShimExited exited;
        uint32_t run;

        spec->start_timeout_usec = spec->stop_timeout_usec = UINT64_MAX;
        assert_no_error(driver_start(driver, spec, &error), &error);
        assert_no_error(driver_run(driver, argv, -1, &run, NULL, &error), &error);
        assert_no_error(driver_stop(driver, UINT64_MAX, &error), &error);
        driver_await_exit(driver, run, &exited);
        assert_int_equal(exited.reason, SHIM_EXIT_KILLED);
        assert_int_equal(exited.status, SIGTERM);
        driver_assert_gone(driver);
}

/* ---- at the wrong time ---- */

static void test_start_twice(void **state G_GNUC_UNUSED) {
        g_autoptr(Driver) driver = driver_new();
        g_autoptr(Spec) spec = driver_spec();
        g_auto(Error) error = ERROR_NULL, twice = ERROR_NULL;

        assert_no_error(driver_start(driver, spec, &error), &error);
        assert_true(driver_start(driver, spec, &twice) < 0);
        assert_error_says(&twice, ERROR_BAD_STATE, "started before");
        assert_int_equal(driver_shell(driver, "exit 3", NULL), 3);
        driver_assert_stops(driver);
}

static void test_spare_refuses(void **state G_GNUC_UNUSED) {
        static const char *const argv[] = { "/bin/true", NULL };
        static const uint16_t plain[] = { SHIM_FREEZE, SHIM_THAW };
        g_autoptr(Driver) driver = driver_new();
        g_autoptr(Plan) plan = plan_new();

        for (size_t i = 0; i < G_N_ELEMENTS(plain); i++) {
                g_auto(Error) error = ERROR_NULL;

                assert_true(driver_ask(driver, plain[i], &error) < 0);
                assert_error_says(&error, ERROR_BAD_STATE, "not started");
        }
        for (unsigned i = 0; i < 3; i++) {
                g_auto(Error) error = ERROR_NULL;

                assert_true((i == 0   ? driver_apply(driver, plan, &error)
                             : i == 1 ? driver_run(driver, argv, -1, NULL, NULL, &error)
                                      : driver_signal(driver, 0, SIGTERM, &error)) < 0);
                assert_error_says(&error, ERROR_BAD_STATE, "not started");
        }
        driver_assert_stops(driver);
}

static void test_nonsense(void **state G_GNUC_UNUSED) {
        static const uint16_t with_body[] = { SHIM_APPLY, SHIM_RUN, SHIM_SIGNAL };
        g_autoptr(Driver) driver = driver_new();
        g_autoptr(Spec) spec = driver_spec();
        g_auto(Error) error = ERROR_NULL, unknown = ERROR_NULL;

        assert_true(driver_ask(driver, 999, &unknown) < 0);
        assert_error_says(&unknown, ERROR_UNSUPPORTED, "999");
        assert_no_error(driver_start(driver, spec, &error), &error);
        for (size_t i = 0; i < G_N_ELEMENTS(with_body); i++) {
                g_auto(Error) empty = ERROR_NULL;
                WireMessage message;
                WireReader reader;
                uint32_t serial = driver_send(driver, with_body[i], NULL, NULL, 0);
                uint16_t type = with_body[i] == SHIM_RUN ? SHIM_RAN : SHIM_DONE;

                assert_true(driver_await(driver, type, serial, DRIVER_PATIENCE_USEC, &message));
                reader = wire_reader(&message);
                if (type == SHIM_RAN)
                        (void) wire_get_u32(&reader); /* of no program */
                assert_true(shim_error_get(&reader, &empty) < 0);
                wire_message_done(&message);
        }
        assert_int_equal(driver_shell(driver, "exit 3", NULL), 3);
        driver_assert_stops(driver);
}

static void test_signals_and_numbers(void **state G_GNUC_UNUSED) {
        static const char *const argv[] = { "/bin/sleep", "100", NULL };
        g_autoptr(Driver) driver = driver_new();
        g_autoptr(Spec) spec = driver_spec();
        g_auto(Error) error = ERROR_NULL, none = ERROR_NULL, high = ERROR_NULL;
        ShimExited exited;
        uint32_t run;

        assert_no_error(driver_start(driver, spec, &error), &error);
        assert_no_error(driver_run(driver, argv, -1, &run, NULL, &error), &error);
        assert_true(driver_signal(driver, 4711, SIGTERM, &none) < 0);
        assert_error_says(&none, ERROR_BAD_STATE, "ended");
        assert_true(driver_signal(driver, run, 65, &high) < 0);
        assert_error_says(&high, ERROR_INVALID_ARGS, "65");
        assert_no_error(driver_signal(driver, run, SIGUSR1, &error), &error);
        driver_await_exit(driver, run, &exited);
        assert_int_equal(exited.reason, SHIM_EXIT_KILLED);
        assert_int_equal(exited.status, SIGUSR1);
        driver_assert_stops(driver);
}

/* More requests at once than any socket holds: each gets its program. */
static void test_many_at_once(void **state G_GNUC_UNUSED) {
        enum { N = 250 };
        static const char *argv[] = { "/bin/true", NULL };
        g_autoptr(Driver) driver = driver_new();
        g_autoptr(Spec) spec = driver_spec();
        g_autofree char *padding = g_strnfill(8000, 'x');
        g_autofree char *variable = g_strconcat("PADDING=", padding, NULL);
        char *environment[] = { variable, NULL };
        g_auto(Error) error = ERROR_NULL;
        autofd int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
        int fds[] = { null_fd, null_fd, null_fd };
        uint32_t serials[N];
        unsigned n_ran = 0;

        spec->tasks_max = 2 * N;
        assert_no_error(driver_start(driver, spec, &error), &error);
        for (uint32_t i = 0; i < N; i++) {
                ShimRun ask = { .run = i + 1,
                                .argv = (char **) (uintptr_t) argv,
                                .environment = environment };
                WireWriter writer = WIRE_WRITER_NULL;

                shim_run_put(&writer, &ask);
                serials[i] = driver_send(driver, SHIM_RUN, &writer, fds, 3);
                wire_writer_done(&writer);
        }
        for (uint32_t i = 0; i < N; i++) {
                g_auto(Error) refused = ERROR_NULL;
                WireMessage message;
                WireReader reader;
                uint32_t run;
                pid_t pid;

                assert_true(driver_await(driver, SHIM_RAN, serials[i], DRIVER_PATIENCE_USEC, &message));
                reader = wire_reader(&message);
                if (shim_ran_get(&reader, &run, &pid, &refused) >= 0)
                        n_ran++;
                else
                        print_message("  %s\n", refused.message);
                wire_message_done(&message);
        }
        assert_int_equal(n_ran, N);
        for (uint32_t i = 0; i < N; i++) {
                ShimExited exited;

                driver_await_exit(driver, i + 1, &exited);
                assert_int_equal(exited.reason, SHIM_EXIT_EXITED);
        }
        driver_assert_stops(driver);
}

/* An init that reads nothing: who asks too much is told so, and nothing is lost when it reads again. */
static void test_init_is_slow(void **state G_GNUC_UNUSED) {
        enum { N = 600 };
        g_autoptr(Driver) driver = driver_new();
        g_autoptr(Spec) spec = driver_spec();
        g_auto(Error) error = ERROR_NULL;
        uint32_t serials[N];
        unsigned n_sent = 0, n_refused = 0;
        pid_t init;

        assert_no_error(driver_start(driver, spec, &error), &error);
        init = system_find_process(driver->cgroup, "bulkhead-init");
        assert_int_equal(kill(init, SIGSTOP), 0);
        for (unsigned i = 0; i < N; i++) {
                WireWriter writer = WIRE_WRITER_NULL;

                wire_put_u32(&writer, 0);
                wire_put_i32(&writer, SIGURG);
                serials[i] = driver_send(driver, SHIM_SIGNAL, &writer, NULL, 0);
                wire_writer_done(&writer);
        }
        system_sleep_msec(100);
        assert_int_equal(kill(init, SIGCONT), 0);
        for (unsigned i = 0; i < N; i++) {
                g_auto(Error) refused = ERROR_NULL;

                if (driver_await_done(driver, serials[i], &refused) >= 0)
                        n_sent++;
                else {
                        assert_error_says(&refused, ERROR_LIMIT_REACHED, "requests to read");
                        n_refused++;
                }
        }
        assert_true(n_sent >= 256 && n_refused > 0);
        assert_int_equal(driver_shell(driver, "exit 3", NULL), 3);
        driver_assert_stops(driver);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_start_run_stop),
                cmocka_unit_test(test_ids_are_the_specs),
                cmocka_unit_test(test_app_cannot),
                cmocka_unit_test(test_bad_spec),
                cmocka_unit_test(test_one_task),
                cmocka_unit_test(test_endless_times),
                cmocka_unit_test(test_start_twice),
                cmocka_unit_test(test_spare_refuses),
                cmocka_unit_test(test_nonsense),
                cmocka_unit_test(test_signals_and_numbers),
                cmocka_unit_test(test_many_at_once),
                cmocka_unit_test(test_init_is_slow),
        };

        need_root();
        return cmocka_run_group_tests(tests, NULL, NULL);
}
