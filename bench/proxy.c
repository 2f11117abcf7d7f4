/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a proxy costs on the way to a bus: none, xdg-dbus-proxy, and ours, in turns. See bench/README.md.
 */
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/dbus-proxy/echo.h"
#include "tests/dbus-proxy/test-bus.h"
#include "util/cleanup.h"

#define ROUNDS_DEFAULT 15
#define N_SEQUENTIAL   1000
#define N_SMALL        4000
#define N_LARGE        1500
#define WINDOW         32 /* calls on their way at once */
#define BODY_SIZE      8192
#define CONNECTIONS    100
#define WAIT_MSEC      10000
#define XDG_PROXY      "/usr/bin/xdg-dbus-proxy"

typedef enum Subject {
        SUBJECT_NONE,
        SUBJECT_XDG,
        SUBJECT_OURS,
        _SUBJECT_MAX,
} Subject;

static const char *const subject_names[_SUBJECT_MAX] = {
        [SUBJECT_NONE] = "no proxy",
        [SUBJECT_XDG] = "xdg-dbus-proxy",
        [SUBJECT_OURS] = "bulkhead",
};

typedef enum Load {
        LOAD_SEQUENTIAL,
        LOAD_SMALL,
        LOAD_LARGE,
        _LOAD_MAX,
} Load;

static const struct {
        unsigned n_calls, window;
        uint32_t body_size;
} loads[_LOAD_MAX] = {
        [LOAD_SEQUENTIAL] = { N_SEQUENTIAL, 1, 0 },
        [LOAD_SMALL] = { N_SMALL, WINDOW, 0 },
        [LOAD_LARGE] = { N_LARGE, WINDOW, BODY_SIZE },
};

/* In KiB, of the whole process. */
typedef struct Memory {
        unsigned pss, private;
} Memory;

typedef struct Result {
        GArray *latency;          /* us of each sequential call */
        GArray *calls[_LOAD_MAX]; /* in a second, of each round */
        double cpu[_LOAD_MAX];    /* s of the proxy, in all rounds */
        Memory fresh, loaded, full;
} Result;

static TestBus bus;
static char *addresses[_SUBJECT_MAX]; /* NULL = cannot be measured */
static pid_t service_pid, xdg_pid;
static int xdg_fd = -EBADF;
static unsigned n_rounds = ROUNDS_DEFAULT;

static void on_signal(int number G_GNUC_UNUSED) {
        echo_is_interrupted = 1;
}

/* ---- start and end ---- */

/* It ends by itself when we do: its --fd. */
static void start_xdg(void) {
        g_autofree char *path = g_build_filename(bus.folder, "xdg", NULL);
        const char *argv[] = {
                XDG_PROXY, bus.address, path, "--filter", "--talk=" ECHO_NAME, "--fd=3", NULL
        };
        posix_spawn_file_actions_t actions;
        struct pollfd polled;
        int pair[2];

        if (access(XDG_PROXY, X_OK) < 0) {
                printf("Without xdg-dbus-proxy, which is not installed\n");
                return;
        }
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
        assert_int_equal(posix_spawn_file_actions_init(&actions), 0);
        assert_int_equal(posix_spawn_file_actions_adddup2(&actions, pair[1], 3), 0);
        assert_int_equal(posix_spawn(&xdg_pid, argv[0], &actions, NULL, (char **) argv, environ), 0);
        posix_spawn_file_actions_destroy(&actions);
        (void) close(pair[1]);
        xdg_fd = pair[0];
        polled = (struct pollfd){ .fd = xdg_fd, .events = POLLIN };
        assert_int_equal(poll(&polled, 1, WAIT_MSEC), 1);
        addresses[SUBJECT_XDG] = g_strdup_printf("unix:path=%s", path);
}

static void start(void) {
        test_bus_start(&bus);
        service_pid = echo_service_start(bus.address);
        test_bus_start_proxy(
                &bus,
                (const char *const[]){ "talk both name " ECHO_NAME " interface * path * member *", NULL });
        addresses[SUBJECT_NONE] = g_strdup(bus.address);
        addresses[SUBJECT_OURS] = g_strdup(bus.proxy_address);
        start_xdg();
}

static void end_process(pid_t pid) {
        if (pid <= 0)
                return;
        (void) kill(pid, SIGKILL);
        (void) waitpid(pid, NULL, 0);
}

/* Also after a failure, and when a signal to all of us ended the others before. */
static int stop(void **state G_GNUC_UNUSED) {
        g_autofree char *path = bus.folder ? g_build_filename(bus.folder, "xdg", NULL) : NULL;

        end_process(service_pid);
        end_process(xdg_pid);
        end_process(bus.proxy_pid);
        bus.proxy_pid = 0;
        xdg_fd = fd_close(xdg_fd);
        if (path)
                (void) unlink(path);
        test_bus_stop(&bus);
        for (Subject s = 0; s < _SUBJECT_MAX; s++)
                g_clear_pointer(&addresses[s], g_free);
        return 0;
}

/* ---- what is measured ---- */

static double now_usec(void) {
        struct timespec now;

        (void) clock_gettime(CLOCK_MONOTONIC, &now);
        return (double) now.tv_sec * 1e6 + (double) now.tv_nsec / 1e3;
}

static pid_t pid_of(Subject subject) {
        if (subject == SUBJECT_XDG)
                return xdg_pid;
        return subject == SUBJECT_OURS ? bus.proxy_pid : 0;
}

/* Seconds, proc_pid_stat(5): the 14th and 15th; 0 for nobody. */
static double read_cpu(pid_t pid) {
        g_autofree char *path = g_strdup_printf("/proc/%d/stat", (int) pid), *text = NULL;
        unsigned long user, system;
        const char *at;

        if (pid == 0 || !g_file_get_contents(path, &text, NULL, NULL))
                return 0;
        at = strrchr(text, ')');
        assert_non_null(at);
        assert_int_equal(
                sscanf(at + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system), 2);
        return (double) (user + system) / (double) sysconf(_SC_CLK_TCK);
}

static unsigned find_size(const char *text, const char *key) {
        const char *at = strstr(text, key);

        assert_non_null(at);
        return (unsigned) strtoul(at + strlen(key), NULL, 10);
}

static Memory read_memory(pid_t pid) {
        g_autofree char *path = g_strdup_printf("/proc/%d/smaps_rollup", (int) pid), *text = NULL;

        if (pid == 0)
                return (Memory){ 0 };
        assert_true(g_file_get_contents(path, &text, NULL, NULL));
        return (Memory){
                .pss = find_size(text, "\nPss:"),
                .private = find_size(text, "\nPrivate_Clean:") + find_size(text, "\nPrivate_Dirty:"),
        };
}

static void add_value(GArray *values, double value) {
        g_array_append_val(values, value);
}

static void measure_sequential(EchoClient *client, Result *result) {
        for (unsigned i = 0; i < N_SEQUENTIAL; i++) {
                double begun = now_usec();

                echo_run(&client, 1, 1, 1, 0);
                add_value(result->latency, now_usec() - begun);
        }
}

static void measure(EchoClient *client, Subject subject, Load load, Result *result) {
        double cpu = read_cpu(pid_of(subject)), begun = now_usec();

        if (load == LOAD_SEQUENTIAL)
                measure_sequential(client, result);
        else
                echo_run(&client, 1, loads[load].n_calls, loads[load].window, loads[load].body_size);
        add_value(result->calls[load], loads[load].n_calls * 1e6 / (now_usec() - begun));
        result->cpu[load] += read_cpu(pid_of(subject)) - cpu;
}

/* With CONNECTIONS, one of which is there already. */
static Memory measure_full(Subject subject) {
        int fds[CONNECTIONS - 1];
        Memory memory;

        for (size_t i = 0; i < G_N_ELEMENTS(fds); i++)
                fds[i] = echo_login(addresses[subject]);
        memory = read_memory(pid_of(subject));
        for (size_t i = 0; i < G_N_ELEMENTS(fds); i++)
                (void) close(fds[i]);
        return memory;
}

/* ---- the table ---- */

static int compare(const void *a, const void *b) {
        double left = *(const double *) a, right = *(const double *) b;

        return left < right ? -1 : left > right;
}

static double percentile(GArray *values, unsigned percent) {
        g_array_sort(values, compare);
        return g_array_index(values, double, values->len *percent / 100);
}

static void print_line(const char *name, const char *unit, const double values[_SUBJECT_MAX]) {
        printf("%-28s %-5s", name, unit);
        for (Subject s = 0; s < _SUBJECT_MAX; s++)
                if (addresses[s] && values[s] > 0)
                        printf(" %14.1f", values[s]);
                else
                        printf(" %14s", "-");
        if (addresses[SUBJECT_XDG] && values[SUBJECT_XDG] > 0)
                printf(" %12.2f", values[SUBJECT_OURS] / values[SUBJECT_XDG]);
        else
                printf(" %12s", "-");
        if (values[SUBJECT_NONE] > 0)
                printf(" %12.2f\n", values[SUBJECT_OURS] / values[SUBJECT_NONE]);
        else
                printf(" %12s\n", "-");
}

#define PRINT(name, unit, expression)                                                                        \
        do {                                                                                                 \
                double values[_SUBJECT_MAX] = { 0 };                                                         \
                                                                                                             \
                for (Subject s = 0; s < _SUBJECT_MAX; s++)                                                   \
                        if (addresses[s]) {                                                                  \
                                Result *result = &results[s];                                                \
                                                                                                             \
                                values[s] = expression;                                                      \
                        }                                                                                    \
                print_line(name, unit, values);                                                              \
        } while (0)

static void print(Result *results) {
        printf("%-28s %-5s %14s %14s %14s %12s %12s\n", "median of rounds", "", subject_names[SUBJECT_NONE],
               subject_names[SUBJECT_XDG], subject_names[SUBJECT_OURS], "x xdg", "x no proxy");
        PRINT("small calls, 32 at once", "1/s", percentile(result->calls[LOAD_SMALL], 50));
        PRINT("8 KiB there and back", "1/s", percentile(result->calls[LOAD_LARGE], 50));
        PRINT("8 KiB, in each direction", "MB/s",
              percentile(result->calls[LOAD_LARGE], 50) * BODY_SIZE / 1e6);
        PRINT("call after call, median", "us", percentile(result->latency, 50));
        PRINT("call after call, p90", "us", percentile(result->latency, 90));
        PRINT("proxy's CPU: sequential", "us",
              result->cpu[LOAD_SEQUENTIAL] * 1e6 / (n_rounds * N_SEQUENTIAL));
        PRINT("proxy's CPU: small", "us", result->cpu[LOAD_SMALL] * 1e6 / (n_rounds * N_SMALL));
        PRINT("proxy's CPU: 8 KiB", "us", result->cpu[LOAD_LARGE] * 1e6 / (n_rounds * N_LARGE));
        PRINT("PSS, 1 connection", "KiB", result->fresh.pss);
        PRINT("private, 1 connection", "KiB", result->fresh.private);
        PRINT("PSS, 1, after the load", "KiB", result->loaded.pss);
        PRINT("private, 1, after the load", "KiB", result->loaded.private);
        PRINT("PSS, 100 connections", "KiB", result->full.pss);
        PRINT("private, 100 connections", "KiB", result->full.private);
}

static void bench(void **state G_GNUC_UNUSED) {
        EchoClient *clients[_SUBJECT_MAX] = { 0 };
        Result results[_SUBJECT_MAX] = { 0 };

        start();
        for (Subject s = 0; s < _SUBJECT_MAX; s++) {
                if (!addresses[s])
                        continue;
                clients[s] = echo_client_new(addresses[s]);
                results[s].latency = g_array_new(FALSE, FALSE, sizeof(double));
                for (Load load = 0; load < _LOAD_MAX; load++)
                        results[s].calls[load] = g_array_new(FALSE, FALSE, sizeof(double));
                results[s].fresh = read_memory(pid_of(s));
        }
        for (unsigned round = 0; round < n_rounds; round++)
                for (Load load = 0; load < _LOAD_MAX; load++)
                        for (Subject s = 0; s < _SUBJECT_MAX; s++)
                                if (clients[s])
                                        measure(clients[s], s, load, &results[s]);
        for (Subject s = 0; s < _SUBJECT_MAX; s++)
                if (clients[s]) {
                        results[s].loaded = read_memory(pid_of(s));
                        results[s].full = measure_full(s);
                }
        print(results);
        for (Subject s = 0; s < _SUBJECT_MAX; s++) {
                if (!clients[s])
                        continue;
                echo_client_free(clients[s]);
                g_array_unref(results[s].latency);
                for (Load load = 0; load < _LOAD_MAX; load++)
                        g_array_unref(results[s].calls[load]);
        }
}

int main(int argc, char **argv) {
        const struct CMUnitTest tests[] = { cmocka_unit_test_teardown(bench, stop) };
        int option;

        while ((option = getopt(argc, argv, "n:")) != -1) {
                n_rounds = option == 'n' ? (unsigned) strtoul(optarg, NULL, 10) : 0;
                if (n_rounds == 0) {
                        fprintf(stderr, "Usage: bench/proxy [-n ROUNDS]\n");
                        return 2;
                }
        }
        (void) signal(SIGINT, on_signal);
        (void) signal(SIGTERM, on_signal);
        (void) setenv("BULKHEAD_TEST_BUS_PROXY", BENCH_PROXY, 0);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
