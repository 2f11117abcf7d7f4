/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Memory and processes that run out: who is killed, who is told, and that everybody else goes on. */
#include "tests/shim/help.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/shim/driver.h"
#include "tests/shim/system.h"
#include "util/cgroup.h"

#define MIB (1024 * 1024ULL)

/* 100 MiB, written to. */
#define HOG "exec dd if=/dev/zero of=/dev/null bs=100M count=1 2>/dev/null"

static Driver *driver;

static Driver *start(uint64_t memory, unsigned tasks) {
        g_autoptr(Spec) spec = driver_spec();
        Driver *new = driver_new();
        g_auto(Error) error = ERROR_NULL;

        spec->memory_max = memory;
        spec->tasks_max = tasks;
        assert_no_error(driver_start(new, spec, &error), &error);
        return new;
}

static int setup(void **state G_GNUC_UNUSED) {
        driver = start(50 * MIB, 64);
        return 0;
}

static int teardown(void **state G_GNUC_UNUSED) {
        g_clear_pointer(&driver, driver_free);
        return 0;
}

static uint32_t run_shell(Driver *on, const char *line) {
        const char *argv[] = { "/bin/sh", "-c", line, NULL };
        g_auto(Error) error = ERROR_NULL;
        uint32_t run;

        assert_no_error(driver_run(on, argv, -1, &run, NULL, &error), &error);
        return run;
}

static void assert_exit(uint32_t run, ShimExitReason reason, int status) {
        ShimExited exited;

        driver_await_exit(driver, run, &exited);
        assert_string_equal(shim_exit_reason_to_string(exited.reason), shim_exit_reason_to_string(reason));
        assert_int_equal(exited.status, status);
}

static void test_hog_is_killed_and_told(void **state G_GNUC_UNUSED) {
        Driver *neighbour = start(50 * MIB, 64);
        uint32_t beside = run_shell(driver, "sleep 0.7; exit 7");
        uint32_t next_door = run_shell(neighbour, "sleep 0.7; exit 8");
        ShimExited exited;

        assert_exit(run_shell(driver, HOG), SHIM_EXIT_OOM_KILL, SIGKILL);
        /* again, and again: the counter is not mistaken for a flag */
        assert_exit(run_shell(driver, HOG), SHIM_EXIT_OOM_KILL, SIGKILL);
        assert_exit(beside, SHIM_EXIT_EXITED, 7);
        driver_await_exit(neighbour, next_door, &exited);
        assert_int_equal(exited.reason, SHIM_EXIT_EXITED);
        assert_int_equal(exited.status, 8);
        assert_int_equal(driver_shell(driver, "exit 9", NULL), 9);
        driver_assert_stops(neighbour);
        driver_free(neighbour);
        driver_assert_stops(driver);
}

/* Kills that are not the kernel's, also shortly after one that was. */
static void test_other_kills_are_told_as_such(void **state G_GNUC_UNUSED) {
        uint32_t victim = run_shell(driver, "exec sleep 600"), sibling, own;

        assert_exit(run_shell(driver, HOG), SHIM_EXIT_OOM_KILL, SIGKILL);
        assert_int_equal(driver_signal(driver, victim, SIGKILL, NULL), 0);
        assert_exit(victim, SHIM_EXIT_KILLED, SIGKILL);
        own = run_shell(driver, "kill -9 $$");
        assert_exit(own, SHIM_EXIT_KILLED, SIGKILL);
        sibling = run_shell(driver, "exec sleep 600");
        assert_int_equal(driver_shell(driver, "kill -9 $(pidof sleep)", NULL), 0);
        assert_exit(sibling, SHIM_EXIT_KILLED, SIGKILL);
        assert_int_equal(driver_shell(driver, "kill -TERM $$", NULL), 128 + SIGTERM);
}

/* A shell ends as its last program: by hand it is told as it is, for want of memory with the reason. */
static void test_child_of_a_shell(void **state G_GNUC_UNUSED) {
        static const char line[] = "dd if=/dev/zero of=/dev/null bs=100M count=1 2>/dev/null; exit $?";

        assert_exit(run_shell(driver, "exit 137"), SHIM_EXIT_EXITED, 137);
        assert_exit(run_shell(driver, line), SHIM_EXIT_OOM_KILL, 137);
        assert_exit(run_shell(driver, "exit 137"), SHIM_EXIT_EXITED, 137);
}

/* ---- a fork bomb ---- */

/* Every process that there is makes one more for ever, also when it could not. */
static const char bomb[] = "exec perl -e 'fork while 1'";

/* Until the kernel has refused one of its forks. */
static void await_full(void) {
        uint64_t end = system_now_usec() + DRIVER_PATIENCE_USEC;
        g_autoptr(CgroupHost) host = NULL;
        g_autoptr(CgroupBox) box = NULL;
        bool is_full = false;

        assert_int_equal(cgroup_host_new("/proc/self/mountinfo", "/proc/self/cgroup", &host, NULL), 0);
        assert_int_equal(cgroup_box_open(host, driver->cgroup, &box, NULL), 0);
        while (!is_full && system_now_usec() < end) {
                g_autofree char *text = NULL;

                assert_int_equal(cgroup_box_read(box, "pids", "pids.events", "pids.events", &text, NULL), 0);
                is_full = strcmp(text, "max 0\n") != 0;
                system_sleep_msec(2);
        }
        assert_true(is_full);
}

static void test_run_fails_at_once_when_full(void **state G_GNUC_UNUSED) {
        const char *argv[] = { "/bin/true", NULL };
        g_auto(Error) error = ERROR_NULL;
        uint64_t begun;
        unsigned n_refused = 0;

        teardown(NULL);
        driver = start(128 * MIB, 24);
        (void) run_shell(driver, bomb);
        await_full();
        /* between the end of one and the fork of the next there may be room for a moment */
        begun = system_now_usec();
        for (int i = 0; i < 50 && n_refused == 0; i++) {
                error_done(&error);
                if (driver_run(driver, argv, -1, NULL, NULL, &error) < 0)
                        n_refused++;
        }
        assert_true(n_refused > 0);
        assert_error_says(&error, ERROR_LIMIT_REACHED, "/bin/true");
        assert_true(system_now_usec() - begun < DRIVER_PATIENCE_USEC / 2);
}

static void test_kill_ends_a_fork_bomb(void **state G_GNUC_UNUSED) {
        uint32_t run;
        ShimExited exited;

        teardown(NULL);
        driver = start(128 * MIB, 24);
        run = run_shell(driver, bomb);
        await_full();
        for (int i = 0; i < 100 && system_count_in_cgroup(driver->cgroup, NULL) > 3; i++) {
                assert_int_equal(driver_signal(driver, 0, SIGKILL, NULL), 0);
                system_sleep_msec(2);
        }
        driver_await_exit(driver, run, &exited);
        assert_int_equal(exited.reason, SHIM_EXIT_KILLED);
        assert_int_equal(driver_shell(driver, "exit 5", NULL), 5);
        driver_assert_stops(driver);
}

static void test_stop_ends_a_fork_bomb(void **state G_GNUC_UNUSED) {
        teardown(NULL);
        driver = start(128 * MIB, 24);
        (void) run_shell(driver, bomb);
        await_full();
        driver_assert_stops(driver);
}

/* SIGKILL does not act on what is frozen in cgroup v1. */
static void test_stop_ends_a_frozen_fork_bomb(void **state G_GNUC_UNUSED) {
        g_auto(Error) error = ERROR_NULL;

        teardown(NULL);
        driver = start(128 * MIB, 24);
        (void) run_shell(driver, bomb);
        await_full();
        assert_no_error(driver_ask(driver, SHIM_FREEZE, &error), &error);
        driver_assert_stops(driver);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_hog_is_killed_and_told, setup, teardown),
                cmocka_unit_test_setup_teardown(test_other_kills_are_told_as_such, setup, teardown),
                cmocka_unit_test_setup_teardown(test_child_of_a_shell, setup, teardown),
                cmocka_unit_test_setup_teardown(test_run_fails_at_once_when_full, setup, teardown),
                cmocka_unit_test_setup_teardown(test_kill_ends_a_fork_bomb, setup, teardown),
                cmocka_unit_test_setup_teardown(test_stop_ends_a_fork_bomb, setup, teardown),
                cmocka_unit_test_setup_teardown(test_stop_ends_a_frozen_fork_bomb, setup, teardown),
        };

        need_root();
        return cmocka_run_group_tests(tests, NULL, NULL);
}
