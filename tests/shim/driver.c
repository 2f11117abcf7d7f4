/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/shim/driver.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "capabilities/filter.h"
#include "capabilities/template.h"
#include "tests/shim/help.h"
#include "tests/shim/system.h"
#include "util/cleanup.h"
#include "util/fs.h"

/* Below the range of [Ids] Base=, so that a service on the same machine has others. */
#define ID_BASE 0x60000000u

/* ---- the shim ---- */

static const char *need_program(const char *variable) {
        const char *path = g_getenv(variable);

        if (!path)
                fail_msg("%s is not set: run this test through meson", variable);
        return path;
}

static uint32_t id_base(void) {
        return ID_BASE + (uint32_t) getpid() % 1024 * 65536;
}

static void spawn(Driver *driver, int shim_fd) {
        g_autofree char *ids = g_strdup_printf("%u", id_base());
        const char *argv[] = { need_program("BULKHEAD_TEST_SHIM"),
                               "--cgroup",
                               driver->cgroup,
                               "--runtime",
                               driver->runtime,
                               "--ids",
                               ids,
                               "--init",
                               need_program("BULKHEAD_TEST_INIT"),
                               NULL };
        posix_spawn_file_actions_t actions;

        assert_int_equal(posix_spawn_file_actions_init(&actions), 0);
        assert_int_equal(posix_spawn_file_actions_adddup2(&actions, shim_fd, 3), 0);
        assert_int_equal(
                posix_spawn(&driver->pid, argv[0], &actions, NULL, (char **) (uintptr_t) argv, environ), 0);
        posix_spawn_file_actions_destroy(&actions);
}

/* A test that fails jumps away without freeing anything. */
static GHashTable *drivers;

static void free_drivers(void) {
        GHashTableIter iter;
        void *driver;

        while (g_hash_table_iter_init(&iter, drivers), g_hash_table_iter_next(&iter, &driver, NULL))
                driver_free(driver);
        g_hash_table_unref(drivers);
}

static void keep_driver(Driver *driver) {
        if (!drivers) {
                drivers = g_hash_table_new(NULL, NULL);
                (void) atexit(free_drivers);
        }
        g_hash_table_add(drivers, driver);
}

Driver *driver_new(void) {
        static unsigned n;
        Driver *driver = g_new0(Driver, 1);
        int pair[2];

        keep_driver(driver);
        driver->cgroup = g_strdup_printf("bulkhead-t%d/%u", (int) getpid(), ++n);
        driver->runtime = g_strdup_printf("/tmp/bulkhead-test-run-%d-%u", (int) getpid(), n);
        g_queue_init(&driver->kept);
        assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
        driver->fd = pair[0];
        assert_int_equal(fcntl(driver->fd, F_SETFL, O_NONBLOCK), 0);
        /* posix_spawn(3) would leave it close-on-exec if it had the number already. */
        if (pair[1] == 3) {
                pair[1] = fcntl(3, F_DUPFD_CLOEXEC, 4);
                close(3);
        }
        spawn(driver, pair[1]);
        close(pair[1]);
        return driver;
}

/* False if it is still alive after @timeout_usec. */
static bool reap(Driver *driver, uint64_t timeout_usec) {
        uint64_t end = system_now_usec() + timeout_usec;

        while (driver->pid > 0) {
                if (waitpid(driver->pid, &driver->exit_status, WNOHANG) == driver->pid)
                        driver->pid = 0;
                else if (system_now_usec() > end)
                        return false;
                else
                        system_sleep_msec(2);
        }
        return true;
}

static void remove_runtime(const Driver *driver) {
        autofd int fd = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        (void) fs_remove_recursive(fd, strrchr(driver->runtime, '/') + 1, NULL);
}

void driver_free(Driver *driver) {
        if (!driver)
                return;
        g_hash_table_remove(drivers, driver);
        driver->fd = fd_close(driver->fd);
        if (driver->pid > 0) {
                (void) kill(driver->pid, SIGKILL);
                (void) waitpid(driver->pid, NULL, 0);
        }
        system_sweep_cgroup(driver->cgroup);
        remove_runtime(driver);
        g_free(driver->runtime);
        g_queue_clear_full(&driver->kept, (GDestroyNotify) driver_message_free);
        g_free(driver->cgroup);
        g_free(driver);
}

void driver_set_filter(Spec *spec, const char *text) {
        g_autoptr(GPtrArray) findings = template_findings_new();
        g_autoptr(Filter) filter = NULL;
        g_auto(Error) error = ERROR_NULL;

        for (size_t i = 0; i < _SPEC_FILTER_MAX; i++)
                g_clear_pointer(&spec->filters[i], g_bytes_unref);
        g_free(spec->seccomp);
        spec->seccomp = g_strdup(text ? "test" : "none");
        if (!text)
                return;
        assert_int_equal(filter_parse("test", text, findings, &filter), 0);
        assert_no_error(filter_fill_spec(filter, spec, &error), &error);
}

Spec *driver_spec(void) {
        Spec *spec = spec_new();

        spec->name = g_strdup("test");
        spec->hostname = g_strdup("test");
        spec->id_base = id_base();
        spec->environment = g_new0(char *, 1);
        spec->template_name = g_strdup("default");
        spec->layers = g_strsplit(SPEC_LAYER_HOST_USR, ",", -1);
        spec->hide = g_new0(char *, 1);
        spec->folders = g_new0(char *, 1);
        spec->upper_size = 16 * 1024 * 1024;
        spec->app_home = g_strdup("/home/app");
        spec->template_environment = g_strsplit("PATH=/usr/bin:/bin,HOME=/home/app", ",", -1);
        spec->memory_max = 256 * 1024 * 1024;
        spec->tasks_max = 128;
        spec->stop_timeout_usec = 300 * 1000;
        driver_set_filter(spec, "");
        return spec;
}

/* ---- messages ---- */

void driver_message_free(WireMessage *message) {
        if (!message)
                return;
        wire_message_done(message);
        g_free(message);
}

static bool take_kept(Driver *driver, uint16_t type, uint32_t serial, WireMessage *ret) {
        for (GList *link = driver->kept.head; link; link = link->next) {
                WireMessage *message = link->data;

                if (message->header.type != type || message->header.serial != serial)
                        continue;
                *ret = *message;
                g_free(message);
                g_queue_delete_link(&driver->kept, link);
                return true;
        }
        return false;
}

/* One more message at the end of those that are kept. False at the end of the stream or after @end. */
static bool receive(Driver *driver, uint64_t end) {
        struct pollfd polled = { .fd = driver->fd, .events = POLLIN };
        uint64_t now = system_now_usec();
        WireMessage *message;

        if (now >= end || poll(&polled, 1, (int) ((end - now) / 1000) + 1) <= 0)
                return false;
        message = g_new0(WireMessage, 1);
        if (wire_receive(driver->fd, message) <= 0) {
                g_free(message);
                return false;
        }
        g_queue_push_tail(&driver->kept, message);
        return true;
}

/* Takes what the shim says while it cannot take what we say: else both would wait for each other. */
uint32_t driver_send(Driver *driver, uint16_t type, const WireWriter *writer, const int *fds, size_t n_fds) {
        uint64_t end = system_now_usec() + DRIVER_PATIENCE_USEC;
        int r;

        driver->serial++;
        while ((r = wire_send(driver->fd, type, driver->serial, writer, fds, n_fds)) == -EAGAIN)
                if (!receive(driver, MIN(end, system_now_usec() + 10000)) && system_now_usec() > end)
                        break;
        if (r < 0)
                fail_msg("Cannot ask the shim: %s", g_strerror(-r));
        return driver->serial;
}

bool driver_await(Driver *driver, uint16_t type, uint32_t serial, uint64_t timeout_usec, WireMessage *ret) {
        uint64_t end = system_now_usec() + timeout_usec;

        do
                if (take_kept(driver, type, serial, ret))
                        return true;
        while (receive(driver, end));
        return false;
}

/* ---- requests ---- */

int driver_await_done(Driver *driver, uint32_t serial, Error *error) {
        WireMessage message;
        WireReader reader;
        int r;

        if (!driver_await(driver, SHIM_DONE, serial, DRIVER_PATIENCE_USEC, &message))
                return error_setf(error, ERROR_SYSTEM, "the shim did not answer");
        reader = wire_reader(&message);
        r = shim_error_get(&reader, error);
        wire_message_done(&message);
        return r;
}

int driver_start(Driver *driver, const Spec *spec, Error *error) {
        WireWriter writer = WIRE_WRITER_NULL;
        uint32_t serial;

        spec_put(&writer, spec);
        serial = driver_send(driver, SHIM_START, &writer, NULL, 0);
        wire_writer_done(&writer);
        return driver_await_done(driver, serial, error);
}

int driver_apply(Driver *driver, const Plan *plan, Error *error) {
        WireWriter writer = WIRE_WRITER_NULL;
        uint32_t serial;

        plan_put(&writer, plan);
        wire_put_u32(&writer, 0); /* no descriptors beside it */
        serial = driver_send(driver, SHIM_APPLY, &writer, NULL, 0);
        wire_writer_done(&writer);
        return driver_await_done(driver, serial, error);
}

int driver_stop(Driver *driver, uint64_t timeout_usec, Error *error) {
        WireWriter writer = WIRE_WRITER_NULL;
        uint32_t serial;

        wire_put_u64(&writer, timeout_usec);
        serial = driver_send(driver, SHIM_STOP, &writer, NULL, 0);
        wire_writer_done(&writer);
        return driver_await_done(driver, serial, error);
}

int driver_ask(Driver *driver, uint16_t type, Error *error) {
        return driver_await_done(driver, driver_send(driver, type, NULL, NULL, 0), error);
}

int driver_signal(Driver *driver, uint32_t run, int number, Error *error) {
        WireWriter writer = WIRE_WRITER_NULL;
        uint32_t serial;

        wire_put_u32(&writer, run);
        wire_put_i32(&writer, number);
        serial = driver_send(driver, SHIM_SIGNAL, &writer, NULL, 0);
        wire_writer_done(&writer);
        return driver_await_done(driver, serial, error);
}

int driver_run(Driver *driver, const char *const *argv, int output_fd, uint32_t *ret_run, pid_t *ret_pid,
               Error *error) {
        ShimRun ask = { .run = ++driver->run, .argv = (char **) (uintptr_t) argv };
        autofd int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
        int fds[] = { null_fd, output_fd >= 0 ? output_fd : null_fd, output_fd >= 0 ? output_fd : null_fd };
        WireWriter writer = WIRE_WRITER_NULL;
        WireMessage message;
        WireReader reader;
        uint32_t serial, run = 0;
        pid_t pid = 0;
        int r;

        shim_run_put(&writer, &ask);
        serial = driver_send(driver, SHIM_RUN, &writer, fds, 3);
        wire_writer_done(&writer);
        if (!driver_await(driver, SHIM_RAN, serial, DRIVER_PATIENCE_USEC, &message))
                return error_setf(error, ERROR_SYSTEM, "the shim did not answer");
        reader = wire_reader(&message);
        r = shim_ran_get(&reader, &run, &pid, error);
        wire_message_done(&message);
        if (run != ask.run)
                fail_msg("the shim told of program %u instead of %u", run, ask.run);
        if (ret_run)
                *ret_run = run;
        if (ret_pid)
                *ret_pid = pid;
        return r;
}

static bool take_exit(Driver *driver, uint32_t run, ShimExited *ret) {
        for (GList *link = driver->kept.head; link; link = link->next) {
                WireMessage *message = link->data;
                WireReader reader = wire_reader(message);

                if (message->header.type != SHIM_EXITED || shim_exited_get(&reader, ret) < 0 ||
                    ret->run != run)
                        continue;
                driver_message_free(message);
                g_queue_delete_link(&driver->kept, link);
                return true;
        }
        return false;
}

void driver_await_exit(Driver *driver, uint32_t run, ShimExited *ret) {
        uint64_t end = system_now_usec() + DRIVER_PATIENCE_USEC;

        do
                if (take_exit(driver, run, ret))
                        return;
        while (receive(driver, end));
        fail_msg("program %u did not end", run);
}

int driver_shell(Driver *driver, const char *line, char **ret_output) {
        const char *argv[] = { "/bin/sh", "-c", line, NULL };
        g_autoptr(GString) output = g_string_new(NULL);
        g_auto(Error) error = ERROR_NULL;
        ShimExited exited;
        int ends[2], r;
        char buffer[4096];
        uint32_t run;
        ssize_t n;

        assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
        r = driver_run(driver, argv, ends[1], &run, NULL, &error);
        close(ends[1]);
        if (r < 0)
                fail_msg("'%s' did not start: %s", line, error.message);
        while ((n = read(ends[0], buffer, sizeof(buffer))) > 0)
                g_string_append_len(output, buffer, n);
        close(ends[0]);
        driver_await_exit(driver, run, &exited);
        if (ret_output)
                *ret_output = g_string_free(g_steal_pointer(&output), FALSE);
        return exited.reason == SHIM_EXIT_EXITED ? exited.status : 128 + exited.status;
}

/* ---- the end ---- */

void driver_assert_gone(Driver *driver) {
        uint64_t end;

        if (!reap(driver, DRIVER_PATIENCE_USEC))
                fail_msg("the shim is still there");
        /* The kernel is done with the last mounts and processes a little after the last wait. */
        end = system_now_usec() + G_USEC_PER_SEC;
        while (system_now_usec() < end &&
               (system_count_in_cgroup(driver->cgroup, NULL) > 0 || system_has_stray_mounts()))
                system_sleep_msec(5);
        assert_int_equal(system_count_in_cgroup(driver->cgroup, NULL), 0);
        assert_int_equal(system_count_cgroups(driver->cgroup), 0);
        assert_int_not_equal(access(driver->runtime, F_OK), 0);
        assert_false(system_is_mounted(driver->runtime));
        assert_false(system_has_stray_mounts());
}

void driver_assert_stops(Driver *driver) {
        g_auto(Error) error = ERROR_NULL;

        if (driver_stop(driver, 0, &error) < 0)
                fail_msg("stop: %s", error.message);
        driver_assert_gone(driver);
}
