/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How long until the app runs: from the call to its first instruction, as ratios in one run
 *
 * Numbers of one machine mean little on another, so that everything is compared with bwrap and with fork+exec of
 * the same program, measured in turns with it: a busy moment hits all alike. See bench/README.md.
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
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/fixture/test-client.h"
#include "util/cleanup.h"

#define ROUNDS_DEFAULT 50
#define WARM_UP_ROUNDS 3
#define GAP_USEC       (40 * 1000) /* so that the pool has filled up and nobody's teardown is measured */

typedef enum Subject {
        SUBJECT_FORK_EXEC,
        SUBJECT_BWRAP,
        SUBJECT_BWRAP_USER_NET,
        SUBJECT_LAUNCH,
        SUBJECT_RUN,
        _SUBJECT_MAX,
} Subject;

static const char *const subject_names[_SUBJECT_MAX] = {
        [SUBJECT_FORK_EXEC] = "fork+exec",
        [SUBJECT_BWRAP] = "bwrap: mnt pid ipc uts",
        [SUBJECT_BWRAP_USER_NET] = "bwrap: and user net",
        [SUBJECT_LAUNCH] = "bulkhead: Launch, cold",
        [SUBJECT_RUN] = "bulkhead: Run, live",
};

typedef struct Bench {
        TestService *service; /* not owned */
        TestClient *client;   /* owned */
        char *probe;          /* owned; host path */
        char *live;           /* owned; object path of the sandbox for Run */
        GArray *times[_SUBJECT_MAX]; /* owned; double, us */
        GHashTable *steps;    /* owned; char * -> GArray of double, us */
        GPtrArray *step_names; /* owned strings, in the order in which they come */
} Bench;

static unsigned rounds = ROUNDS_DEFAULT;
static const char *spare = "1";

static uint64_t now_nsec(void) {
        struct timespec now;

        (void) clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t) now.tv_sec * 1000000000u + (uint64_t) now.tv_nsec;
}

static double read_probe(int fd, uint64_t start) {
        uint64_t first;

        if (read(fd, &first, sizeof first) != sizeof first)
                fail_msg("The probe said nothing");
        return (double) (first - start) / 1e3;
}

/* posix_spawn(3) is vfork+exec: the fastest start there is, so that ratios to it are on the safe side. */
static double measure_child(char *const *argv) {
        posix_spawn_file_actions_t actions;
        int fds[2], status, r;
        pid_t pid;

        assert_return_code(pipe2(fds, O_CLOEXEC), errno);
        (void) posix_spawn_file_actions_init(&actions);
        (void) posix_spawn_file_actions_adddup2(&actions, fds[1], STDOUT_FILENO);

        uint64_t start = now_nsec();

        r = posix_spawn(&pid, argv[0], &actions, NULL, argv, environ);
        (void) posix_spawn_file_actions_destroy(&actions);
        (void) close(fds[1]);
        if (r != 0)
                fail_msg("Cannot start %s: %s", argv[0], g_strerror(r));

        autofd int fd = fds[0];
        double took = read_probe(fd, start);

        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        return took;
}

/* The same root as the default template: the host's /usr, own /proc, /dev, /tmp, /run and /home. */
static double measure_bwrap(const Bench *bench, bool with_user_and_net) {
        const char *argv[64] = { "/usr/bin/bwrap", "--unshare-pid", "--unshare-ipc", "--unshare-uts",
                                 "--ro-bind", "/usr", "/usr", "--symlink", "usr/bin", "/bin", "--symlink", "usr/lib",
                                 "/lib", "--symlink", "usr/lib64", "/lib64", "--proc", "/proc", "--dev", "/dev",
                                 "--tmpfs", "/tmp", "--tmpfs", "/run", "--tmpfs", "/home", "--ro-bind", bench->probe,
                                 "/gateways/probe", "--clearenv", "--setenv", "PATH", "/usr/bin:/bin" };
        size_t n = 33;

        if (with_user_and_net) {
                argv[n++] = "--unshare-user";
                argv[n++] = "--unshare-net";
        }
        argv[n++] = "/gateways/probe";
        argv[n] = NULL;
        return measure_child((char *const *) argv);
}

static GArray *new_times(void) {
        return g_array_new(FALSE, FALSE, sizeof(double));
}

static void note_steps(Bench *bench, const char *sandbox) {
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        g_autoptr(sd_bus_message) reply = NULL;
        const char *step;
        uint64_t usec;
        int r = sd_bus_get_property(test_client_get_bus(bench->client), TEST_BUS_NAME, sandbox, TEST_SANDBOX,
                                    "LaunchTimings", &error, &reply, "a(st)");

        test_expect_ok(r, &error, "LaunchTimings");
        assert_true(sd_bus_message_enter_container(reply, 'a', "(st)") >= 0);
        while (sd_bus_message_read(reply, "(st)", &step, &usec) > 0) {
                GArray *times = g_hash_table_lookup(bench->steps, step);
                double value = (double) usec;

                if (!times) {
                        times = new_times();
                        g_hash_table_insert(bench->steps, g_strdup(step), times);
                        g_ptr_array_add(bench->step_names, g_strdup(step));
                }
                g_array_append_val(times, value);
        }
}

static double measure_launch(Bench *bench) {
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        g_auto(TestProgram) program = { NULL };
        TestRequest request = { .argv = TEST_STRV("/gateways/probe"),
                                .capabilities = TEST_STRV("bench.probe"),
                                .keep = true }; /* so that it can still be asked for its steps */
        int fds[2];

        assert_return_code(pipe2(fds, O_CLOEXEC), errno);
        request.stdout_fd = fds[1];

        uint64_t start = now_nsec();
        int r = test_client_launch(bench->client, &request, &program, &error);

        (void) close(fds[1]);

        autofd int fd = fds[0];

        test_expect_ok(r, &error, "Launch");

        double took = read_probe(fd, start);

        note_steps(bench, program.sandbox);
        test_expect_ok(test_client_stop(bench->client, program.sandbox, 0, &error), &error, "Stop");
        return took;
}

static double measure_run(Bench *bench) {
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        g_auto(TestProgram) program = { NULL };
        TestRequest request = { .argv = TEST_STRV("/gateways/probe") };
        int fds[2];

        assert_return_code(pipe2(fds, O_CLOEXEC), errno);
        request.stdout_fd = fds[1];

        uint64_t start = now_nsec();
        int r = test_client_run(bench->client, bench->live, &request, &program, &error);

        (void) close(fds[1]);

        autofd int fd = fds[0];

        test_expect_ok(r, &error, "Run");

        double took = read_probe(fd, start);

        assert_int_equal(test_client_wait(bench->client, program.process, 10 * TEST_USEC_PER_SEC, NULL), 0);
        return took;
}

static double measure(Bench *bench, Subject subject) {
        switch (subject) {
        case SUBJECT_FORK_EXEC:
                return measure_child((char *[]){ bench->probe, NULL });
        case SUBJECT_BWRAP:
                return measure_bwrap(bench, false);
        case SUBJECT_BWRAP_USER_NET:
                return measure_bwrap(bench, true);
        case SUBJECT_LAUNCH:
                return measure_launch(bench);
        case SUBJECT_RUN:
                return measure_run(bench);
        case _SUBJECT_MAX:
                break;
        }
        g_assert_not_reached();
}

static int compare_times(const void *a, const void *b) {
        double x = *(const double *) a, y = *(const double *) b;

        return (x > y) - (x < y);
}

static double quantile(GArray *times, double q) {
        qsort(times->data, times->len, sizeof(double), compare_times);
        return g_array_index(times, double, (guint) (q * (times->len - 1) + 0.5));
}

static void print_results(const Bench *bench) {
        double base = quantile(bench->times[SUBJECT_FORK_EXEC], 0.5);
        double bwrap = quantile(bench->times[SUBJECT_BWRAP], 0.5);
        double bwrap_all = quantile(bench->times[SUBJECT_BWRAP_USER_NET], 0.5);
        double all = 0;

        printf("\nCall to first instruction, us, %u rounds in turns, %s spare shims\n", rounds, spare);
        printf("%-26s %8s %8s %8s %12s %9s %14s\n", "", "p10", "median", "p90", "x fork+exec", "x bwrap",
               "x bwrap+u+n");
        for (Subject i = 0; i < _SUBJECT_MAX; i++) {
                double median = quantile(bench->times[i], 0.5);

                printf("%-26s %8.0f %8.0f %8.0f %12.2f %9.2f %14.2f\n", subject_names[i],
                       quantile(bench->times[i], 0.1), median, quantile(bench->times[i], 0.9), median / base,
                       median / bwrap, median / bwrap_all);
        }

        printf("\nSteps of a launch (LaunchTimings), medians, and shares of their sum\n");
        for (guint i = 0; i < bench->step_names->len; i++)
                if (!g_str_equal(bench->step_names->pdata[i], "total"))
                        all += quantile(g_hash_table_lookup(bench->steps, bench->step_names->pdata[i]), 0.5);
        for (guint i = 0; i < bench->step_names->len; i++) {
                const char *step = bench->step_names->pdata[i];
                double median = quantile(g_hash_table_lookup(bench->steps, step), 0.5);

                printf("%-26s %8.0f us %6.1f %%\n", step, median, all > 0 ? 100 * median / all : 0);
        }
        printf("\n");
        (void) fflush(stdout);
}

static void prepare(TestService *service) {
        g_autofree char *probe = test_service_get_program(service, "probe");
        g_autofree char *config = g_strdup_printf("[Service]\nSpareShims=%s\n", spare);

        test_service_add_bind(service, "bench.probe", probe, "/gateways/probe", true);
        g_free(test_service_write(service, "etc/bulkhead/bulkhead.conf.d/bench.conf", config));
}

static void test_launch(void **state) {
        Bench bench = { .service = *state, .client = test_client_new(*state) };
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        TestRequest live = { .name = "live", .capabilities = TEST_STRV("bench.probe") };

        bench.probe = test_service_get_program(bench.service, "probe");
        bench.steps = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify) g_array_unref);
        bench.step_names = g_ptr_array_new_with_free_func(g_free);
        for (Subject i = 0; i < _SUBJECT_MAX; i++)
                bench.times[i] = new_times();
        test_expect_ok(test_client_create(bench.client, &live, &bench.live, &error), &error, "CreateSandbox");

        for (unsigned round = 0; round < WARM_UP_ROUNDS + rounds; round++)
                for (Subject i = 0; i < _SUBJECT_MAX; i++) {
                        double took;

                        test_client_idle(bench.client, GAP_USEC);
                        took = measure(&bench, i);
                        if (round >= WARM_UP_ROUNDS)
                                g_array_append_val(bench.times[i], took);
                }

        print_results(&bench);
        for (Subject i = 0; i < _SUBJECT_MAX; i++)
                g_array_unref(bench.times[i]);
        g_hash_table_unref(bench.steps);
        g_ptr_array_unref(bench.step_names);
        g_free(bench.live);
        g_free(bench.probe);
        test_client_free(bench.client);
}

int main(int argc, char **argv) {
        static const struct CMUnitTest tests[] = {
                test_case(test_launch),
                cmocka_unit_test(test_nothing_is_left),
        };
        int c;

        while ((c = getopt(argc, argv, "n:s:")) != -1)
                if (c == 'n' && atoi(optarg) > 0)
                        rounds = (unsigned) atoi(optarg);
                else if (c == 's')
                        spare = optarg;
                else {
                        (void) fprintf(stderr, "Usage: launch [-n ROUNDS] [-s SPARE_SHIMS]\n");
                        return 2;
                }
        (void) setenv("BULKHEAD_TEST_BUILD", BENCH_BUILD, 0);
        (void) setenv("BULKHEAD_TEST_SOURCE", BENCH_SOURCE, 0);
        if (access("/usr/bin/bwrap", X_OK) < 0) {
                (void) fprintf(stderr, "bench/launch compares with /usr/bin/bwrap, which is not installed\n");
                return 1;
        }
        return test_main("launch", prepare, tests, G_N_ELEMENTS(tests));
}
