/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "util/loop.h"
#include "util/cleanup.h"

typedef struct Seen {
        Loop *loop;
        GString *order;
        LoopSource *victim, *own;
        int fd;
        char name;
} Seen;

static void note(void *userdata, short revents) {
        Seen *seen = userdata;
        char byte;

        assert_true(revents & (POLLIN | POLLOUT));
        if (revents & POLLIN)
                assert_int_equal(read(seen->fd, &byte, 1), 1);
        g_string_append_c(seen->order, seen->name);
        g_clear_pointer(&seen->victim, loop_source_free);
        g_clear_pointer(&seen->own, loop_source_free);
}

static void note_time(void *userdata) {
        Seen *seen = userdata;

        g_string_append_c(seen->order, seen->name);
}

static void note_exit(void *userdata, int status) {
        Seen *seen = userdata;

        assert_true(WIFEXITED(status));
        g_string_append_printf(seen->order, "%d", WEXITSTATUS(status));
}

typedef struct State {
        Loop *loop;
        GString *order;
        int pipes[2][2];
        Seen seen[2];
} State;

static int setup(void **ret) {
        State *state = g_new0(State, 1);

        state->loop = loop_new();
        state->order = g_string_new(NULL);
        for (int i = 0; i < 2; i++) {
                assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, state->pipes[i]), 0);
                state->seen[i] = (Seen){ state->loop, state->order, NULL, NULL, state->pipes[i][0], (char) ('a' + i) };
        }
        *ret = state;
        return 0;
}

static int teardown(void **test) {
        State *state = *test;

        loop_free(state->loop);
        g_string_free(state->order, TRUE);
        for (int i = 0; i < 4; i++)
                close(state->pipes[i / 2][i % 2]);
        g_free(state);
        return 0;
}

static void run_once(State *state) {
        g_auto(Error) error = ERROR_NULL;

        assert_int_equal(loop_run_once(state->loop, &error), 0);
}

static LoopSource *add(State *state, int i, LoopRank rank) {
        return loop_add_fd(state->loop, rank, state->pipes[i][0], POLLIN, note, &state->seen[i]);
}

static void write_both(State *state) {
        for (int i = 0; i < 2; i++)
                assert_int_equal(write(state->pipes[i][1], "x", 1), 1);
}

static void test_ranks_decide_the_order(void **test) {
        State *state = *test;

        (void) add(state, 0, LOOP_RANK_SERVICE);
        (void) add(state, 1, LOOP_RANK_INIT);
        write_both(state);
        run_once(state);
        assert_string_equal(state->order->str, "ba");
}

static void test_a_freed_source_is_not_called_in_the_same_round(void **test) {
        State *state = *test;

        (void) add(state, 0, LOOP_RANK_INIT);
        state->seen[0].victim = add(state, 1, LOOP_RANK_SERVICE);
        write_both(state);
        run_once(state);
        assert_string_equal(state->order->str, "a");
        assert_int_equal(write(state->pipes[0][1], "x", 1), 1);
        run_once(state);
        assert_string_equal(state->order->str, "aa");
}

static void test_a_source_may_free_itself(void **test) {
        State *state = *test;
        LoopSource *timer = loop_add_timer(state->loop, note_time, &state->seen[1]);

        state->seen[0].own = add(state, 0, LOOP_RANK_NORMAL);
        write_both(state);
        run_once(state);
        assert_string_equal(state->order->str, "a");
        assert_int_equal(write(state->pipes[0][1], "x", 1), 1);
        loop_source_set_time(timer, g_get_monotonic_time() + 1000);
        while (state->order->len < 2)
                run_once(state);
        assert_string_equal(state->order->str, "ab");
}

static void test_a_timer_elapses_once(void **test) {
        State *state = *test;
        gint64 end = g_get_monotonic_time() + 5000;
        LoopSource *first = loop_add_timer(state->loop, note_time, &state->seen[0]);
        LoopSource *last = loop_add_timer(state->loop, note_time, &state->seen[1]);

        loop_source_set_time(first, end - 4000);
        loop_source_set_time(last, end);
        while (!strchr(state->order->str, 'b'))
                run_once(state);
        assert_true(g_get_monotonic_time() >= end);
        assert_string_equal(state->order->str, "ab");
}

static void test_a_timer_can_be_set_off(void **test) {
        State *state = *test;
        LoopSource *off = loop_add_timer(state->loop, note_time, &state->seen[0]);
        LoopSource *on = loop_add_timer(state->loop, note_time, &state->seen[1]);

        loop_source_set_time(off, g_get_monotonic_time() - 1);
        loop_source_set_time(off, 0);
        loop_source_set_time(on, g_get_monotonic_time() + 1000);
        while (state->order->len == 0)
                run_once(state);
        assert_string_equal(state->order->str, "b");
}

static void test_events_can_be_changed(void **test) {
        State *state = *test;
        LoopSource *source = add(state, 0, LOOP_RANK_NORMAL);

        loop_source_set_events(source, POLLOUT);
        run_once(state);
        assert_string_equal(state->order->str, "a");
}

static void test_a_child_is_told_once(void **test) {
        State *state = *test;
        pid_t pid = fork();
        int status;

        if (pid == 0)
                _exit(7);
        (void) loop_add_child(state->loop, pid, note_exit, &state->seen[0]);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_false(loop_child_exited(state->loop, pid + 1, status));
        assert_true(loop_child_exited(state->loop, pid, status));
        assert_false(loop_child_exited(state->loop, pid, status));
        assert_string_equal(state->order->str, "7");
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_ranks_decide_the_order, setup, teardown),
                cmocka_unit_test_setup_teardown(test_a_freed_source_is_not_called_in_the_same_round, setup, teardown),
                cmocka_unit_test_setup_teardown(test_a_source_may_free_itself, setup, teardown),
                cmocka_unit_test_setup_teardown(test_a_timer_elapses_once, setup, teardown),
                cmocka_unit_test_setup_teardown(test_a_timer_can_be_set_off, setup, teardown),
                cmocka_unit_test_setup_teardown(test_events_can_be_changed, setup, teardown),
                cmocka_unit_test_setup_teardown(test_a_child_is_told_once, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
