/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A real socket pair, with the test in init's place. */
#include "tests/shim/help.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>

#include "shim/init-client.h"
#include "util/cleanup.h"

/* Raw wait statuses, as wait(2) has them. */
#define EXITED(code)   ((code) << 8)
#define KILLED(signal) (signal)

typedef struct Fixture {
        InitClient *client;
        int init_fd;
        GString *told; /* one word after another */
} Fixture;

static void on_ready(void *userdata, pid_t pid) {
        Fixture *fixture = userdata;

        g_string_append_printf(fixture->told, "ready:%s ", pid == getpid() ? "me" : "other");
}

static void on_ran(void *userdata, uint32_t serial, uint32_t run, pid_t pid, const Error *error) {
        Fixture *fixture = userdata;

        g_string_append_printf(fixture->told, "ran:%u:%u:%s ", serial, run,
                               error             ? error_code_to_string(error->code)
                               : pid == getpid() ? "me"
                                                 : "other");
        if (error)
                assert_int_equal(pid, 0);
}

static void on_exited(void *userdata, const ShimExited *exited) {
        Fixture *fixture = userdata;

        g_string_append_printf(fixture->told, "exited:%u:%s:%d ", exited->run,
                               shim_exit_reason_to_string(exited->reason), exited->status);
}

static void on_signalled(void *userdata, uint32_t serial, const Error *error) {
        Fixture *fixture = userdata;

        g_string_append_printf(fixture->told, "signalled:%u:%s ", serial,
                               error ? error_code_to_string(error->code) : "ok");
}

static const InitEvents events = { on_ready, on_ran, on_exited, on_signalled };

static int setup(void **state) {
        Fixture *fixture = g_new0(Fixture, 1);
        g_auto(Error) error = ERROR_NULL;

        fixture->told = g_string_new(NULL);
        assert_no_error(init_client_new(&events, fixture, &fixture->client, &fixture->init_fd, &error),
                        &error);
        *state = fixture;
        return 0;
}

static int teardown(void **state) {
        Fixture *fixture = *state;

        init_client_free(fixture->client);
        (void) fd_close(fixture->init_fd);
        g_string_free(fixture->told, TRUE);
        g_free(fixture);
        return 0;
}

/* What init says: @n numbers of 32 bits. */
static void say(Fixture *fixture, uint16_t type, uint32_t serial, size_t n, const int32_t *numbers) {
        WireWriter writer = WIRE_WRITER_NULL;

        for (size_t i = 0; i < n; i++)
                wire_put_i32(&writer, numbers[i]);
        assert_int_equal(wire_send(fixture->init_fd, type, serial, &writer, NULL, 0), 0);
        wire_writer_done(&writer);
}

#define SAY(fixture, type, serial, ...)                                                                      \
        say(fixture, type, serial, sizeof((int32_t[]){ __VA_ARGS__ }) / sizeof(int32_t),                     \
            (int32_t[]){ __VA_ARGS__ })

static void hear(Fixture *fixture) {
        g_auto(Error) error = ERROR_NULL;

        assert_no_error(init_client_dispatch(fixture->client, &error), &error);
}

static void be_ready(Fixture *fixture) {
        say(fixture, INIT_READY, 0, 0, NULL);
        hear(fixture);
}

static void ask_run(Fixture *fixture, uint32_t serial, uint32_t number) {
        static const char *argv[] = { "program", NULL }, *environment[] = { NULL };
        InitRun run = { .run = number, .argv = argv, .environment = environment };
        g_auto(Error) error = ERROR_NULL;

        assert_no_error(init_client_run(fixture->client, serial, &run, NULL, 0, &error), &error);
}

static void assert_told(Fixture *fixture, const char *words) {
        assert_string_equal(fixture->told->str, words);
        g_string_truncate(fixture->told, 0);
}

/* ---- tests ---- */

static void test_nothing_before_ready(void **state) {
        static const char *argv[] = { "program", NULL }, *environment[] = { NULL };
        Fixture *fixture = *state;
        InitRun run = { .run = 1, .argv = argv, .environment = environment };

        for (unsigned i = 0; i < 3; i++) {
                g_auto(Error) error = ERROR_NULL;

                assert_true((i == 0   ? init_client_run(fixture->client, 1, &run, NULL, 0, &error)
                             : i == 1 ? init_client_signal(fixture->client, 1, 0, SIGTERM, &error)
                                      : init_client_halt(fixture->client, SIGTERM, &error)) < 0);
                assert_error_says(&error, ERROR_BAD_STATE, "not running");
        }
        init_client_close(fixture->client);
        assert_told(fixture, "");
}

static void test_life_of_programs(void **state) {
        Fixture *fixture = *state;
        WireMessage message;
        WireReader reader;
        InitRun run;

        be_ready(fixture);
        assert_told(fixture, "ready:me ");
        ask_run(fixture, 11, 1);
        ask_run(fixture, 12, 2);
        assert_int_equal(wire_receive(fixture->init_fd, &message), 1);
        reader = wire_reader(&message);
        assert_int_equal(message.header.type, INIT_RUN);
        assert_int_equal(init_run_get(&reader, &run), 0);
        assert_int_equal(run.run, 1);
        init_run_done(&run);
        wire_message_done(&message);

        SAY(fixture, INIT_STARTING, 0, 2);
        SAY(fixture, INIT_STARTING, 0, 1);
        SAY(fixture, INIT_RAN, 0, 1, 0, 0);
        SAY(fixture, INIT_EXITED, 0, 1, EXITED(3));
        SAY(fixture, INIT_RAN, 0, 2, 0, 0);
        SAY(fixture, INIT_EXITED, 0, 2, KILLED(SIGTERM));
        for (unsigned i = 0; i < 6; i++)
                hear(fixture);
        assert_told(fixture, "ran:11:1:me exited:1:exited:3 ran:12:2:me exited:2:killed:15 ");
        init_client_close(fixture->client);
        assert_told(fixture, "");
}

static void test_programs_that_do_not_start(void **state) {
        static const struct {
                int32_t errnum, step;
                const char *told;
        } rows[] = {
                { EAGAIN, INIT_STEP_FORK, "ran:7:1:LimitReached " },
                { ESHUTDOWN, INIT_STEP_FORK, "ran:7:1:BadState " },
                { EPERM, INIT_STEP_RLIMIT, "ran:7:1:InvalidArgs " },
                { EINVAL, INIT_STEP_CREDENTIALS, "ran:7:1:InvalidArgs " },
                { ENOENT, INIT_STEP_CHDIR, "ran:7:1:InvalidArgs " },
                { ENOENT, INIT_STEP_EXEC, "ran:7:1:ExecFailed " },
                { EPERM, INIT_STEP_SESSION, "ran:7:1:System " },
                { EPERM, 4711, "ran:7:1:System " },
        };
        Fixture *fixture = *state;

        be_ready(fixture);
        assert_told(fixture, "ready:me ");
        for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
                ask_run(fixture, 7, 1);
                SAY(fixture, INIT_RAN, 0, 1, rows[i].errnum, rows[i].step);
                hear(fixture);
                assert_told(fixture, rows[i].told);
        }
}

static void test_number_taken(void **state) {
        static const char *argv[] = { "program", NULL }, *environment[] = { NULL };
        Fixture *fixture = *state;
        InitRun run = { .run = 1, .argv = argv, .environment = environment };

        be_ready(fixture);
        ask_run(fixture, 1, 1);
        for (unsigned i = 0; i < 2; i++) {
                g_auto(Error) error = ERROR_NULL;

                run.run = i;
                assert_true(init_client_run(fixture->client, 2, &run, NULL, 0, &error) < 0);
                assert_error_says(&error, ERROR_INVALID_ARGS, "taken");
        }
}

static void test_signals_in_order(void **state) {
        Fixture *fixture = *state;
        g_auto(Error) error = ERROR_NULL;

        be_ready(fixture);
        assert_told(fixture, "ready:me ");
        for (uint32_t serial = 1; serial <= 3; serial++)
                assert_no_error(init_client_signal(fixture->client, serial, 0, SIGTERM, &error), &error);
        SAY(fixture, INIT_SIGNALLED, 1, 0);
        SAY(fixture, INIT_SIGNALLED, 2, ESRCH);
        SAY(fixture, INIT_SIGNALLED, 3, EINVAL);
        for (unsigned i = 0; i < 3; i++)
                hear(fixture);
        assert_told(fixture, "signalled:1:ok signalled:2:BadState signalled:3:InvalidArgs ");
}

/* ---- nonsense; program 1 was asked for, 2 has started, 3 runs, a signal has serial 9 ---- */

static void say_fd(Fixture *fixture) {
        assert_int_equal(wire_send(fixture->init_fd, INIT_STARTING, 0, NULL, &fixture->init_fd, 1), 0);
}

static void say_garbage(Fixture *fixture) {
        assert_int_equal(write(fixture->init_fd, "garbage", 7), 7);
}

static const struct {
        const char *name;
        void (*say)(Fixture *fixture); /* or: */
        uint16_t type;
        uint32_t serial;
        size_t n;
        int32_t numbers[3];
} nonsense[] = {
        { "ready twice", NULL, INIT_READY, 0, 0, { 0 } },
        { "a descriptor", say_fd, 0, 0, 0, { 0 } },
        { "no message", say_garbage, 0, 0, 0, { 0 } },
        { "unknown type", NULL, 99, 0, 0, { 0 } },
        { "what only we say", NULL, INIT_RUN, 0, 1, { 1 } },
        { "starting, unknown", NULL, INIT_STARTING, 0, 1, { 77 } },
        { "starting, number 0", NULL, INIT_STARTING, 0, 1, { 0 } },
        { "starting, twice", NULL, INIT_STARTING, 0, 1, { 2 } },
        { "starting, empty", NULL, INIT_STARTING, 0, 0, { 0 } },
        { "ran, unknown", NULL, INIT_RAN, 0, 3, { 77, 0, 0 } },
        { "ran, never started", NULL, INIT_RAN, 0, 3, { 1, 0, 0 } },
        { "ran, twice", NULL, INIT_RAN, 0, 3, { 3, 0, 0 } },
        { "ran, failed after it ran", NULL, INIT_RAN, 0, 3, { 3, ENOENT, 0 } },
        { "ran, negative errno", NULL, INIT_RAN, 0, 3, { 2, -1, 0 } },
        { "ran, no errno", NULL, INIT_RAN, 0, 3, { 2, 4096, 0 } },
        { "ran, short", NULL, INIT_RAN, 0, 2, { 2, 0 } },
        { "exited, unknown", NULL, INIT_EXITED, 0, 2, { 77, 0 } },
        { "exited, never ran", NULL, INIT_EXITED, 0, 2, { 2, 0 } },
        { "exited, short", NULL, INIT_EXITED, 0, 1, { 3 } },
        { "exited, but stopped", NULL, INIT_EXITED, 0, 2, { 3, 0x137f } },
        { "exited, but continued", NULL, INIT_EXITED, 0, 2, { 3, 0xffff } },
        { "signalled, other serial", NULL, INIT_SIGNALLED, 8, 1, { 0 } },
        { "signalled, serial 0", NULL, INIT_SIGNALLED, 0, 1, { 0 } },
        { "signalled, negative errno", NULL, INIT_SIGNALLED, 9, 1, { -3 } },
        { "signalled, short", NULL, INIT_SIGNALLED, 9, 0, { 0 } },
};

static void test_nonsense(void **state G_GNUC_UNUSED) {
        for (size_t i = 0; i < G_N_ELEMENTS(nonsense); i++) {
                Fixture *fixture;
                g_auto(Error) error = ERROR_NULL;

                print_message("  %s\n", nonsense[i].name);
                (void) setup((void **) &fixture);
                be_ready(fixture);
                for (uint32_t run = 1; run <= 3; run++)
                        ask_run(fixture, run, run);
                assert_no_error(init_client_signal(fixture->client, 9, 0, SIGTERM, &error), &error);
                SAY(fixture, INIT_STARTING, 0, 2);
                SAY(fixture, INIT_STARTING, 0, 3);
                SAY(fixture, INIT_RAN, 0, 3, 0, 0);
                for (unsigned n = 0; n < 3; n++)
                        hear(fixture);
                assert_told(fixture, "ready:me ran:3:3:me ");

                if (nonsense[i].say)
                        nonsense[i].say(fixture);
                else
                        say(fixture, nonsense[i].type, nonsense[i].serial, nonsense[i].n,
                            nonsense[i].numbers);
                assert_true(init_client_dispatch(fixture->client, &error) < 0);
                assert_error_says(&error, ERROR_SYSTEM, "init");
                assert_told(fixture, "");
                init_client_close(fixture->client);
                assert_told(fixture,
                            "ran:1:1:BadState ran:2:2:BadState exited:3:lost:0 signalled:9:BadState ");
                (void) teardown((void **) &fixture);
        }
}

static void test_something_before_ready(void **state) {
        Fixture *fixture = *state;
        g_auto(Error) error = ERROR_NULL;

        SAY(fixture, INIT_STARTING, 0, 1);
        assert_true(init_client_dispatch(fixture->client, &error) < 0);
        assert_error_says(&error, ERROR_SYSTEM, "before it is ready");
}

/* ---- the end ---- */

static void test_last_words(void **state) {
        Fixture *fixture = *state;

        be_ready(fixture);
        for (uint32_t run = 1; run <= 3; run++)
                ask_run(fixture, run, run);
        SAY(fixture, INIT_STARTING, 0, 1);
        SAY(fixture, INIT_RAN, 0, 1, 0, 0);
        SAY(fixture, INIT_EXITED, 0, 1, EXITED(5));
        SAY(fixture, INIT_STARTING, 0, 2);
        SAY(fixture, INIT_RAN, 0, 2, 0, 0);
        fixture->init_fd = fd_close(fixture->init_fd);
        init_client_close(fixture->client);
        assert_told(fixture,
                    "ready:me ran:1:1:me exited:1:exited:5 ran:2:2:me exited:2:lost:0 ran:3:3:BadState ");
        assert_true(init_client_get_fd(fixture->client) < 0);
        init_client_close(fixture->client);
        assert_told(fixture, "");
}

/* Last words that are nonsense end the listening, not the telling. */
static void test_last_nonsense(void **state) {
        Fixture *fixture = *state;

        be_ready(fixture);
        ask_run(fixture, 1, 1);
        SAY(fixture, INIT_EXITED, 0, 1, 0);
        SAY(fixture, INIT_STARTING, 0, 1);
        init_client_close(fixture->client);
        assert_told(fixture, "ready:me ran:1:1:BadState ");
}

static void test_end_of_stream(void **state) {
        Fixture *fixture = *state;
        g_auto(Error) error = ERROR_NULL;

        be_ready(fixture);
        fixture->init_fd = fd_close(fixture->init_fd);
        assert_int_equal(init_client_dispatch(fixture->client, &error), 0);
        assert_int_equal(init_client_dispatch(fixture->client, &error), 0);
        assert_true(init_client_signal(fixture->client, 1, 0, SIGTERM, &error) < 0);
        assert_error_says(&error, ERROR_BAD_STATE, "not running");
}

/* init reads nothing: requests wait in order, with their descriptors, up to a limit. */
static void test_requests_wait(void **state) {
        Fixture *fixture = *state;
        uint32_t n = 0;
        g_auto(Error) error = ERROR_NULL;

        be_ready(fixture);
        g_string_truncate(fixture->told, 0);
        while (init_client_signal(fixture->client, n + 1, 0, SIGTERM, &error) >= 0)
                n++;
        assert_error_says(&error, ERROR_LIMIT_REACHED, "requests to read");
        assert_true(init_client_has_unsent(fixture->client));
        for (uint32_t serial = 1; serial <= n; serial++) {
                WireMessage message;

                assert_int_equal(wire_receive(fixture->init_fd, &message), 1);
                assert_int_equal(message.header.serial, serial);
                wire_message_done(&message);
                init_client_send_unsent(fixture->client);
        }
        assert_false(init_client_has_unsent(fixture->client));
        assert_told(fixture, "");
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_nothing_before_ready, setup, teardown),
                cmocka_unit_test_setup_teardown(test_life_of_programs, setup, teardown),
                cmocka_unit_test_setup_teardown(test_programs_that_do_not_start, setup, teardown),
                cmocka_unit_test_setup_teardown(test_number_taken, setup, teardown),
                cmocka_unit_test_setup_teardown(test_signals_in_order, setup, teardown),
                cmocka_unit_test(test_nonsense),
                cmocka_unit_test_setup_teardown(test_something_before_ready, setup, teardown),
                cmocka_unit_test_setup_teardown(test_last_words, setup, teardown),
                cmocka_unit_test_setup_teardown(test_last_nonsense, setup, teardown),
                cmocka_unit_test_setup_teardown(test_end_of_stream, setup, teardown),
                cmocka_unit_test_setup_teardown(test_requests_wait, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
