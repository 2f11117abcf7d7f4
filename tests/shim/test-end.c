/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Ends of a sandbox: asked for, by the death of any of its parts, and of things that do not want to die. */
#include "tests/shim/help.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "tests/shim/driver.h"
#include "tests/shim/system.h"
#include "util/cleanup.h"

static const char *const sleeper[] = { "/bin/sleep", "1000", NULL };
static const char *const stubborn[] = { "/bin/sh", "-c",
                                        "trap '' TERM; (sleep 1000 &); while :; do sleep 100; done", NULL };

static Driver *driver_running(void) {
        Driver *driver = driver_new();
        g_autoptr(Spec) spec = driver_spec();
        g_auto(Error) error = ERROR_NULL;

        assert_no_error(driver_start(driver, spec, &error), &error);
        return driver;
}

static uint32_t run_in(Driver *driver, const char *const *argv) {
        g_auto(Error) error = ERROR_NULL;
        uint32_t run;

        assert_no_error(driver_run(driver, argv, -1, &run, NULL, &error), &error);
        return run;
}

static uint32_t ask_stop(Driver *driver, uint64_t timeout_usec) {
        WireWriter writer = WIRE_WRITER_NULL;
        uint32_t serial;

        wire_put_u64(&writer, timeout_usec);
        serial = driver_send(driver, SHIM_STOP, &writer, NULL, 0);
        wire_writer_done(&writer);
        return serial;
}

static uint32_t ask_start(Driver *driver, const Spec *spec) {
        WireWriter writer = WIRE_WRITER_NULL;
        uint32_t serial;

        spec_put(&writer, spec);
        serial = driver_send(driver, SHIM_START, &writer, NULL, 0);
        wire_writer_done(&writer);
        return serial;
}

/* The shim says by itself that the sandbox is gone, and why. */
static void assert_told_gone(Driver *driver, const char *words) {
        g_auto(Error) error = ERROR_NULL;
        WireMessage message;
        WireReader reader;

        if (!driver_await(driver, SHIM_GONE, 0, DRIVER_PATIENCE_USEC, &message))
                fail_msg("the shim did not tell that the sandbox is gone");
        reader = wire_reader(&message);
        assert_true(shim_error_get(&reader, &error) < 0);
        wire_message_done(&message);
        assert_error_says(&error, ERROR_SYSTEM, words);
}

static void assert_exit(Driver *driver, uint32_t run, ShimExitReason reason, int status) {
        ShimExited exited;

        driver_await_exit(driver, run, &exited);
        assert_string_equal(shim_exit_reason_to_string(exited.reason), shim_exit_reason_to_string(reason));
        assert_int_equal(exited.status, status);
}

/* ---- stops ---- */

static void test_stop_by_halt_signal(void **state G_GNUC_UNUSED) {
        g_autoptr(Driver) driver = driver_running();
        uint32_t run = run_in(driver, sleeper);
        uint64_t begun = system_now_usec();
        g_auto(Error) error = ERROR_NULL;

        assert_no_error(driver_stop(driver, 10 * G_USEC_PER_SEC, &error), &error);
        assert_true(system_now_usec() - begun < 5 * G_USEC_PER_SEC);
        assert_exit(driver, run, SHIM_EXIT_KILLED, SIGTERM);
        driver_assert_gone(driver);
}

static void test_stop_of_stubborn(void **state G_GNUC_UNUSED) {
        g_autoptr(Driver) driver = driver_running();
        uint32_t run = run_in(driver, stubborn);
        g_auto(Error) error = ERROR_NULL;

        system_sleep_msec(50);
        assert_no_error(driver_stop(driver, 100 * 1000, &error), &error);
        assert_exit(driver, run, SHIM_EXIT_KILLED, SIGKILL);
        driver_assert_gone(driver);
}

static void test_stop_twice(void **state G_GNUC_UNUSED) {
        g_autoptr(Driver) driver = driver_running();
        g_auto(Error) error = ERROR_NULL, twice = ERROR_NULL;
        uint32_t first;

        (void) run_in(driver, stubborn);
        system_sleep_msec(50);
        first = ask_stop(driver, 200 * 1000);
        assert_true(driver_stop(driver, 0, &twice) < 0);
        assert_error_says(&twice, ERROR_BAD_STATE, "stopping already");
        assert_no_error(driver_await_done(driver, first, &error), &error);
        driver_assert_gone(driver);
}

static void test_stop_while_starting(void **state G_GNUC_UNUSED) {
        for (unsigned usec = 0; usec < 12000; usec += 1000) {
                g_autoptr(Driver) driver = driver_new();
                g_autoptr(Spec) spec = driver_spec();
                g_auto(Error) error = ERROR_NULL, started = ERROR_NULL;
                uint32_t start = ask_start(driver, spec), stop;

                g_usleep(usec);
                stop = ask_stop(driver, 0);
                if (driver_await_done(driver, start, &started) < 0)
                        assert_error_says(&started, ERROR_BAD_STATE, "stopped while it started");
                assert_no_error(driver_await_done(driver, stop, &error), &error);
                driver_assert_gone(driver);
        }
}

static void test_stop_while_frozen(void **state G_GNUC_UNUSED) {
        g_autoptr(Driver) driver = driver_running();
        uint32_t run = run_in(driver, sleeper);
        g_auto(Error) error = ERROR_NULL, refused = ERROR_NULL;

        assert_no_error(driver_ask(driver, SHIM_FREEZE, &error), &error);
        assert_true(driver_run(driver, sleeper, -1, NULL, NULL, &refused) < 0);
        assert_error_says(&refused, ERROR_BAD_STATE, "frozen");
        assert_no_error(driver_stop(driver, 0, &error), &error);
        assert_exit(driver, run, SHIM_EXIT_KILLED, SIGTERM);
        driver_assert_gone(driver);
}

static void test_freeze_and_thaw(void **state G_GNUC_UNUSED) {
        static const char *const counter[] = { "/bin/sh", "-c", "while :; do echo -n x >> /tmp/count; done",
                                               NULL };
        g_autoptr(Driver) driver = driver_running();
        g_auto(Error) error = ERROR_NULL;
        g_autofree char *path = NULL;
        pid_t pid;

        assert_no_error(driver_run(driver, counter, -1, NULL, &pid, &error), &error);
        path = g_strdup_printf("/proc/%d/stat", (int) pid);
        for (unsigned i = 0; i < 10; i++) {
                g_autofree char *before = NULL, *after = NULL;

                assert_no_error(driver_ask(driver, SHIM_FREEZE, &error), &error);
                assert_no_error(driver_ask(driver, SHIM_FREEZE, &error), &error);
                assert_true(g_file_get_contents(path, &before, NULL, NULL));
                system_sleep_msec(20);
                assert_true(g_file_get_contents(path, &after, NULL, NULL));
                assert_string_equal(before, after); /* its times among others */
                assert_no_error(driver_ask(driver, SHIM_THAW, &error), &error);
        }
        assert_int_equal(driver_shell(driver, "while ! test -s /tmp/count; do sleep 0.01; done", NULL), 0);
        driver_assert_stops(driver);
}

/* Kill is an answer, not a wait: also for what is frozen. */
static void test_kill_while_frozen(void **state G_GNUC_UNUSED) {
        g_autoptr(Driver) driver = driver_running();
        uint32_t run = run_in(driver, sleeper);
        g_auto(Error) error = ERROR_NULL;

        assert_no_error(driver_ask(driver, SHIM_FREEZE, &error), &error);
        assert_true(driver_signal(driver, run, SIGKILL, &error) < 0);
        assert_error_says(&error, ERROR_BAD_STATE, "frozen");
        driver_assert_stops(driver);
}

static void test_fork_bomb(void **state G_GNUC_UNUSED) {
        static const char *const bomb[] = { "/bin/sh", "-c", "trap '' TERM; f() { f | f & }; f; sleep 100",
                                            NULL };
        g_autoptr(Driver) driver = driver_running();
        uint64_t begun;
        g_auto(Error) error = ERROR_NULL;

        (void) run_in(driver, bomb);
        system_sleep_msec(300);
        assert_true(system_count_in_cgroup(driver->cgroup, NULL) <= 128 + 2);
        begun = system_now_usec();
        assert_no_error(driver_stop(driver, 100 * 1000, &error), &error);
        assert_true(system_now_usec() - begun < 5 * G_USEC_PER_SEC);
        driver_assert_gone(driver);
}

/* ---- the service dies ---- */

static void test_service_dies_while_spare(void **state G_GNUC_UNUSED) {
        g_autoptr(Driver) driver = driver_new();

        driver->fd = fd_close(driver->fd);
        driver_assert_gone(driver);
}

static void test_service_dies_while_starting(void **state G_GNUC_UNUSED) {
        for (unsigned usec = 0; usec < 12000; usec += 1000) {
                g_autoptr(Driver) driver = driver_new();
                g_autoptr(Spec) spec = driver_spec();

                (void) ask_start(driver, spec);
                g_usleep(usec);
                driver->fd = fd_close(driver->fd);
                driver_assert_gone(driver);
        }
}

static void test_service_dies_while_running(void **state G_GNUC_UNUSED) {
        g_autoptr(Driver) driver = driver_running();

        (void) run_in(driver, sleeper);
        (void) run_in(driver, stubborn);
        driver->fd = fd_close(driver->fd);
        driver_assert_gone(driver);
}

static void test_service_dies_while_frozen(void **state G_GNUC_UNUSED) {
        g_autoptr(Driver) driver = driver_running();
        g_auto(Error) error = ERROR_NULL;

        (void) run_in(driver, stubborn);
        assert_no_error(driver_ask(driver, SHIM_FREEZE, &error), &error);
        driver->fd = fd_close(driver->fd);
        driver_assert_gone(driver);
}

/* Also when it had asked for more patience than anybody has who cannot ask again. */
static void test_service_dies_while_stopping(void **state G_GNUC_UNUSED) {
        g_autoptr(Driver) driver = driver_running();

        (void) run_in(driver, stubborn);
        system_sleep_msec(50);
        (void) ask_stop(driver, UINT64_C(3600) * G_USEC_PER_SEC);
        system_sleep_msec(20);
        driver->fd = fd_close(driver->fd);
        driver_assert_gone(driver);
}

static void test_service_sends_garbage(void **state G_GNUC_UNUSED) {
        g_autoptr(Driver) driver = driver_running();

        (void) run_in(driver, sleeper);
        assert_int_equal(write(driver->fd, "garbage", 7), 7);
        driver_assert_gone(driver);
}

/* ---- parts die ---- */

static void test_init_is_killed(void **state G_GNUC_UNUSED) {
        g_autoptr(Driver) driver = driver_running();
        uint32_t one = run_in(driver, sleeper), two = run_in(driver, stubborn);
        pid_t init = system_find_process(driver->cgroup, "bulkhead-init");

        assert_true(init > 0);
        assert_int_equal(kill(init, SIGKILL), 0);
        assert_exit(driver, one, SHIM_EXIT_LOST, 0);
        assert_exit(driver, two, SHIM_EXIT_LOST, 0);
        assert_told_gone(driver, "init");
        driver_assert_gone(driver);
}

static pid_t find_monitor(const Driver *driver) {
        g_autofree char *path = g_strdup_printf("/proc/%d/task/%d/children", (int) driver->pid,
                                                (int) driver->pid);
        g_autofree char *text = NULL;

        assert_true(g_file_get_contents(path, &text, NULL, NULL));
        return atoi(text);
}

static void test_monitor_is_killed(void **state G_GNUC_UNUSED) {
        g_autoptr(Driver) driver = driver_running();
        uint32_t run = run_in(driver, stubborn);
        pid_t monitor = find_monitor(driver);

        assert_true(monitor > 0);
        assert_int_equal(kill(monitor, SIGKILL), 0);
        assert_exit(driver, run, SHIM_EXIT_LOST, 0);
        assert_told_gone(driver, "");
        driver_assert_gone(driver);
}

/* A monitor that hangs keeps nobody: neither a stop nor the cgroups. */
static void test_monitor_is_stopped(void **state G_GNUC_UNUSED) {
        g_autoptr(Driver) driver = driver_running();
        uint64_t begun = system_now_usec();
        pid_t monitor = find_monitor(driver);
        g_auto(Error) error = ERROR_NULL;

        (void) run_in(driver, stubborn);
        assert_true(monitor > 0);
        assert_int_equal(kill(monitor, SIGSTOP), 0);
        assert_no_error(driver_stop(driver, 100 * 1000, &error), &error);
        assert_true(system_now_usec() - begun < 5 * G_USEC_PER_SEC);
        driver_assert_gone(driver);
}

static void test_init_is_stopped(void **state G_GNUC_UNUSED) {
        g_autoptr(Driver) driver = driver_running();
        uint32_t run = run_in(driver, sleeper);
        pid_t init = system_find_process(driver->cgroup, "bulkhead-init");
        g_auto(Error) error = ERROR_NULL;

        assert_int_equal(kill(init, SIGSTOP), 0);
        assert_no_error(driver_stop(driver, 100 * 1000, &error), &error);
        assert_exit(driver, run, SHIM_EXIT_LOST, 0);
        driver_assert_gone(driver);
}

/* Nothing cleans up after a shim that is killed but the kernel: no process may be left. */
static void test_shim_is_killed(void **state G_GNUC_UNUSED) {
        g_autoptr(Driver) driver = driver_running();
        uint64_t end = system_now_usec() + 5 * G_USEC_PER_SEC;

        (void) run_in(driver, stubborn);
        assert_int_equal(kill(driver->pid, SIGKILL), 0);
        while (system_count_in_cgroup(driver->cgroup, NULL) > 0 && system_now_usec() < end)
                system_sleep_msec(2);
        assert_int_equal(system_count_in_cgroup(driver->cgroup, NULL), 0);
        assert_false(system_has_stray_mounts());
}

static void test_shim_is_killed_while_starting(void **state G_GNUC_UNUSED) {
        for (unsigned usec = 0; usec < 12000; usec += 500) {
                g_autoptr(Driver) driver = driver_new();
                g_autoptr(Spec) spec = driver_spec();
                uint64_t end = system_now_usec() + 2 * G_USEC_PER_SEC;
                pid_t pid = 0;

                (void) ask_start(driver, spec);
                g_usleep(usec);
                assert_int_equal(kill(driver->pid, SIGKILL), 0);
                while (system_count_in_cgroup(driver->cgroup, &pid) > 0 && system_now_usec() < end)
                        system_sleep_msec(2);
                if (system_count_in_cgroup(driver->cgroup, &pid) > 0)
                        fail_msg("process %d lives on without an owner, killed after %u us", (int) pid, usec);
        }
}

static void test_shim_is_told_to_end(void **state G_GNUC_UNUSED) {
        g_autoptr(Driver) driver = driver_running();
        uint32_t run = run_in(driver, sleeper);

        assert_int_equal(kill(driver->pid, SIGTERM), 0);
        assert_exit(driver, run, SHIM_EXIT_KILLED, SIGTERM);
        driver_assert_gone(driver);
}

/* ---- a file system that never answers ---- */

typedef struct Hung {
        int fd; /* owned; /dev/fuse: closing it lets all who wait go */
        char *folder;
} Hung;

static void hung_open(Hung *hung) {
        g_autofree char *options = NULL;

        hung->folder = system_make_folder("hung");
        hung->fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
        assert_true(hung->fd >= 0);
        options = g_strdup_printf("fd=%d,rootmode=40000,user_id=0,group_id=0", hung->fd);
        assert_int_equal(mount("hung", hung->folder, "fuse", 0, options), 0);
}

static void hung_close(Hung *hung) {
        hung->fd = fd_close(hung->fd);
        (void) umount2(hung->folder, MNT_DETACH);
        system_remove_folder(g_steal_pointer(&hung->folder));
}

static void test_hanging_layer(void **state G_GNUC_UNUSED) {
        g_autoptr(Spec) spec = driver_spec();
        Hung hung;
        uint64_t begun;
        g_auto(Error) error = ERROR_NULL;

        hung_open(&hung);
        {
                g_autoptr(Driver) driver = driver_new();
                int r;

                g_strfreev(spec->layers);
                spec->layers = g_strsplit(hung.folder, ",", -1);
                spec->start_timeout_usec = 300 * 1000;
                begun = system_now_usec();
                r = driver_start(driver, spec, &error);
                begun = system_now_usec() - begun;
                if (r < 0 && begun < 2 * G_USEC_PER_SEC)
                        driver_assert_gone(driver);
                hung_close(&hung);
                assert_true(r < 0);
        }
        assert_error_says(&error, ERROR_TIMEOUT, "did not start within 0.3 s");
        assert_true(begun >= 300 * 1000 && begun < 2 * G_USEC_PER_SEC);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_stop_by_halt_signal),
                cmocka_unit_test(test_stop_of_stubborn),
                cmocka_unit_test(test_stop_twice),
                cmocka_unit_test(test_stop_while_starting),
                cmocka_unit_test(test_stop_while_frozen),
                cmocka_unit_test(test_freeze_and_thaw),
                cmocka_unit_test(test_kill_while_frozen),
                cmocka_unit_test(test_fork_bomb),
                cmocka_unit_test(test_service_dies_while_spare),
                cmocka_unit_test(test_service_dies_while_starting),
                cmocka_unit_test(test_service_dies_while_running),
                cmocka_unit_test(test_service_dies_while_frozen),
                cmocka_unit_test(test_service_dies_while_stopping),
                cmocka_unit_test(test_service_sends_garbage),
                cmocka_unit_test(test_init_is_killed),
                cmocka_unit_test(test_monitor_is_killed),
                cmocka_unit_test(test_monitor_is_stopped),
                cmocka_unit_test(test_init_is_stopped),
                cmocka_unit_test(test_shim_is_killed),
                cmocka_unit_test(test_shim_is_killed_while_starting),
                cmocka_unit_test(test_shim_is_told_to_end),
                cmocka_unit_test(test_hanging_layer),
        };

        need_root();
        return cmocka_run_group_tests(tests, NULL, NULL);
}
