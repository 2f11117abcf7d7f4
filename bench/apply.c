/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How long a change of a live sandbox takes, from the plan's message to the shim's answer
 *
 * Without the service and the bus, which bench/launch has. In turns with fork+exec, as there.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/shim/driver.h"
#include "tests/shim/system.h"

#define ROUNDS_DEFAULT 50
#define WARM_UP_ROUNDS 3
#define GAP_MSEC       10
#define SOURCE_OWNER   1234

typedef enum Subject {
        SUBJECT_FORK_EXEC,
        SUBJECT_SPAWN,
        SUBJECT_BIND,
        SUBJECT_UNBIND,
        SUBJECT_BIND_WRITABLE,
        SUBJECT_UNBIND_WRITABLE,
        SUBJECT_DEVICE,
        SUBJECT_DEVICE_GONE,
        SUBJECT_LIMITS,
        SUBJECT_LIMITS_GONE,
        SUBJECT_QUOTA,
        SUBJECT_QUOTA_GONE,
        _SUBJECT_MAX,
} Subject;

static const char *const subject_names[_SUBJECT_MAX] = {
        [SUBJECT_FORK_EXEC] = "fork+exec",
        [SUBJECT_SPAWN] = "posix_spawn",
        [SUBJECT_BIND] = "bind, read-only: grant",
        [SUBJECT_UNBIND] = "... revoke",
        [SUBJECT_BIND_WRITABLE] = "bind, writable: grant",
        [SUBJECT_UNBIND_WRITABLE] = "... revoke",
        [SUBJECT_DEVICE] = "device: grant",
        [SUBJECT_DEVICE_GONE] = "... revoke",
        [SUBJECT_LIMITS] = "memory, pids, shares: grant",
        [SUBJECT_LIMITS_GONE] = "... revoke",
        [SUBJECT_QUOTA] = "CPU quota: grant",
        [SUBJECT_QUOTA_GONE] = "... revoke",
};

static PlanOrigin origin = { .capability = (char *) (uintptr_t) "bench", .line = 1, .column = 1 };

static Driver *driver;
static char *folder;

static double now_usec(void) {
        return (double) g_get_monotonic_time();
}

static char *probe[] = { (char *) (uintptr_t) "/bin/true", NULL };

static double measure_child(bool with_fork) {
        double start = now_usec();
        int status;
        pid_t pid;

        if (with_fork) {
                pid = fork();
                if (pid == 0) {
                        (void) execv(probe[0], probe);
                        _exit(127);
                }
        } else
                assert_int_equal(posix_spawn(&pid, probe[0], NULL, NULL, probe, environ), 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        return now_usec() - start;
}

static void add_limit(Plan *plan, const char *name, const char *text) {
        g_auto(LimitValue) value = { 0 };
        g_autofree char *key = NULL;

        assert_int_equal(limit_parse(name, text, &key, &value, NULL), 0);
        assert_int_equal(plan_add_limit(plan, &origin, key, &value, NULL), 0);
}

/* What is granted; the subjects in between revoke all. */
static Plan *make_plan(Subject subject) {
        Plan *plan = plan_new();

        if (subject == SUBJECT_BIND)
                assert_int_equal(plan_add_bind(plan, &origin, folder, "/data", 0, NULL), 0);
        else if (subject == SUBJECT_BIND_WRITABLE)
                assert_int_equal(plan_add_bind(plan, &origin, folder, "/data", PLAN_BIND_WRITABLE, NULL), 0);
        else if (subject == SUBJECT_DEVICE)
                assert_int_equal(plan_add_device(plan, &origin, "/dev/loop0", 0660, PLAN_DEVICE_ALL, NULL), 0);
        else if (subject == SUBJECT_LIMITS) {
                add_limit(plan, "memory.max", "100M");
                add_limit(plan, "pids.max", "99");
                add_limit(plan, "cpu.shares", "512");
        } else if (subject == SUBJECT_QUOTA)
                add_limit(plan, "cpu.max", "50%");
        return plan;
}

static double measure(Subject subject) {
        g_autoptr(Plan) plan = NULL;
        g_auto(Error) error = ERROR_NULL;
        double start;

        if (subject <= SUBJECT_SPAWN)
                return measure_child(subject == SUBJECT_FORK_EXEC);
        plan = make_plan(subject);
        start = now_usec();
        if (driver_apply(driver, plan, &error) < 0)
                fail_msg("%s: %s", subject_names[subject], error.message);
        return now_usec() - start;
}

static int compare_times(const void *a, const void *b) {
        double x = *(const double *) a, y = *(const double *) b;

        return (x > y) - (x < y);
}

static double quantile(GArray *times, double q) {
        qsort(times->data, times->len, sizeof(double), compare_times);
        return g_array_index(times, double, (guint) (q * (times->len - 1) + 0.5));
}

static void print_results(GArray **times, unsigned rounds) {
        double base = quantile(times[SUBJECT_FORK_EXEC], 0.5);

        printf("\nPlan to answer, us, %u rounds in turns\n", rounds);
        printf("%-28s %8s %8s %8s %12s\n", "", "p10", "median", "p90", "x fork+exec");
        for (Subject i = 0; i < _SUBJECT_MAX; i++)
                printf("%-28s %8.0f %8.0f %8.0f %12.2f\n", subject_names[i], quantile(times[i], 0.1),
                       quantile(times[i], 0.5), quantile(times[i], 0.9), quantile(times[i], 0.5) / base);
}

int main(int argc, char **argv) {
        unsigned rounds = argc == 3 && strcmp(argv[1], "-n") == 0 ? (unsigned) atoi(argv[2]) : ROUNDS_DEFAULT;
        g_autoptr(Spec) spec = driver_spec();
        g_auto(Error) error = ERROR_NULL;
        GArray *times[_SUBJECT_MAX];

        if (geteuid() != 0 || rounds == 0) {
                (void) fprintf(stderr, "Usage, as root: apply [-n ROUNDS]\n");
                return 2;
        }
        (void) setenv("BULKHEAD_TEST_SHIM", BENCH_SHIM, 0);
        (void) setenv("BULKHEAD_TEST_INIT", BENCH_INIT, 0);
        folder = system_make_folder("bench");
        assert_int_equal(chown(folder, SOURCE_OWNER, SOURCE_OWNER), 0);
        driver = driver_new();
        if (driver_start(driver, spec, &error) < 0) {
                (void) fprintf(stderr, "%s\n", error.message);
                return 1;
        }
        for (Subject i = 0; i < _SUBJECT_MAX; i++)
                times[i] = g_array_new(FALSE, FALSE, sizeof(double));
        for (unsigned round = 0; round < WARM_UP_ROUNDS + rounds; round++)
                for (Subject i = 0; i < _SUBJECT_MAX; i++) {
                        double took;

                        system_sleep_msec(GAP_MSEC);
                        took = measure(i);
                        if (round >= WARM_UP_ROUNDS)
                                g_array_append_val(times[i], took);
                }
        print_results(times, rounds);
        for (Subject i = 0; i < _SUBJECT_MAX; i++)
                g_array_unref(times[i]);
        driver_assert_stops(driver);
        driver_free(driver);
        system_remove_folder(folder);
        return 0;
}
