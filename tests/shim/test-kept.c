/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "shim/kept.h"
#include "util/cleanup.h"
#include "util/limits.h"

static char *argv[] = { (char *) "/bin/true", NULL };

static void add(Kept *kept, uint32_t run) {
        g_auto(Error) error = ERROR_NULL;

        if (kept_add(kept, run, argv, false, -EBADF, -EBADF, &error) < 0)
                fail_msg("%s", error.message);
}

static void end(Kept *kept, uint32_t run) {
        kept_set_ended(kept, &(ShimExited){ .run = run, .reason = SHIM_EXIT_EXITED });
}

static void test_from_start_to_forgotten(void **state G_GNUC_UNUSED) {
        g_autoptr(Kept) kept = kept_new();
        g_autoptr(GPtrArray) none = kept_list(kept), some = NULL;

        assert_int_equal(none->len, 0);
        add(kept, 1);
        add(kept, 2);
        kept_set_told(kept, 1); /* which has not ended */
        kept_forget(kept, 1);
        assert_non_null(kept_find(kept, 1));
        kept_set_running(kept, 2, 4711);
        some = kept_list(kept);
        assert_int_equal(some->len, 1);
        assert_false(kept_has_untold(kept));
        end(kept, 2);
        assert_true(kept_has_untold(kept));
        kept_set_told(kept, 2);
        assert_false(kept_has_untold(kept));
        kept_forget(kept, 2);
        assert_null(kept_find(kept, 2));
}

static void test_number_twice(void **state G_GNUC_UNUSED) {
        g_autoptr(Kept) kept = kept_new();
        g_auto(Error) error = ERROR_NULL;

        add(kept, 1);
        assert_true(kept_add(kept, 1, argv, false, -EBADF, -EBADF, &error) < 0);
        assert_int_equal(error.code, ERROR_INVALID_ARGS);
        assert_non_null(kept_find(kept, 1));
}

/* Who asked is gone: the program is nobody's, and its end nobody's business. */
static void test_orphans(void **state G_GNUC_UNUSED) {
        g_autoptr(Kept) kept = kept_new();
        g_autoptr(GPtrArray) list = NULL;

        add(kept, 1);
        add(kept, 2);
        kept_set_running(kept, 2, 4711);
        kept_orphan(kept);
        assert_true(kept_find(kept, 1)->is_orphan);
        assert_false(kept_find(kept, 2)->is_orphan);
        kept_set_running(kept, 1, 4712);
        list = kept_list(kept);
        assert_int_equal(list->len, 1);
        end(kept, 1);
        assert_null(kept_find(kept, 1));
        assert_false(kept_has_untold(kept));
}

static void test_ends_with(void **state G_GNUC_UNUSED) {
        g_autoptr(Kept) kept = kept_new();
        g_autoptr(GBytes) record = g_bytes_new("x", 1);

        assert_null(kept_get_record(kept));
        assert_false(kept_has_reached_end(kept));
        add(kept, 1);
        kept_set_record(kept, 1, record);
        assert_ptr_equal(kept_get_record(kept), record);
        assert_false(kept_has_reached_end(kept));
        kept_set_running(kept, 1, 4711);
        end(kept, 1);
        assert_true(kept_has_reached_end(kept));
        kept_forget(kept, 1);
        assert_true(kept_has_reached_end(kept));
        kept_set_record(kept, 0, record);
        assert_false(kept_has_reached_end(kept));
}

/* What was told goes first, and nothing that was not. */
static void test_limit(void **state G_GNUC_UNUSED) {
        g_autoptr(Kept) kept = kept_new();
        g_auto(Error) error = ERROR_NULL;

        for (uint32_t i = 1; i <= KEPT_RUNS_MAX; i++)
                add(kept, i);
        end(kept, 5);
        assert_true(kept_add(kept, KEPT_RUNS_MAX + 1, argv, false, -EBADF, -EBADF, &error) < 0);
        assert_int_equal(error.code, ERROR_LIMIT_REACHED);
        kept_set_told(kept, 5);
        add(kept, KEPT_RUNS_MAX + 1);
        assert_null(kept_find(kept, 5));
        assert_non_null(kept_find(kept, 1));
}

static void test_terminals_are_closed(void **state G_GNUC_UNUSED) {
        g_autoptr(Kept) kept = kept_new();
        g_auto(Error) error = ERROR_NULL;
        int fds[4];

        for (size_t i = 0; i < G_N_ELEMENTS(fds); i++) {
                fds[i] = open("/dev/null", O_RDWR | O_CLOEXEC);
                assert_true(fds[i] >= 0);
        }
        assert_int_equal(kept_add(kept, 1, argv, true, fds[0], fds[1], &error), 0);
        assert_true(kept_add(kept, 1, argv, true, fds[2], fds[3], &error) < 0); /* closes what it was given */
        assert_int_equal(fcntl(fds[2], F_GETFD), -1);
        assert_int_equal(fcntl(fds[3], F_GETFD), -1);
        kept_close_terminal(kept, 1);
        assert_int_equal(fcntl(fds[0], F_GETFD), -1);
        assert_true(fcntl(fds[1], F_GETFD) >= 0);
        end(kept, 1);
        assert_int_equal(fcntl(fds[1], F_GETFD), -1);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_from_start_to_forgotten),
                cmocka_unit_test(test_number_twice),
                cmocka_unit_test(test_orphans),
                cmocka_unit_test(test_ends_with),
                cmocka_unit_test(test_limit),
                cmocka_unit_test(test_terminals_are_closed),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
