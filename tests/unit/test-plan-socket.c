/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/plan-asserts.h"

enum {
        PLAY = PLAN_SOCKET_PLAYBACK,
        CAPTURE = PLAN_SOCKET_CAPTURE,
};

static void test_merges(void **state G_GNUC_UNUSED) {
        static const struct {
                int first, second;
                const char *text;
        } merges[] = {
                { PLAY, PLAY, "pulseaudio | of the owner's session | playback | 2" },
                { PLAY, CAPTURE, "pulseaudio | of the owner's session | playback,capture | 2" },
                { CAPTURE, CAPTURE, "pulseaudio | of the owner's session | capture | 2" },
                { PLAY | CAPTURE, PLAY, "pulseaudio | of the owner's session | playback,capture | 2" },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(merges); i++) {
                g_autoptr(Plan) plan = plan_new();
                g_autoptr(Plan) first = NULL;

                assert_int_equal(plan_add_socket(plan, &maps, PLAN_SOCKET_PULSEAUDIO, merges[i].first, NULL),
                                 0);
                first = plan_copy(plan);
                assert_int_equal(
                        plan_add_socket(plan, &radio, PLAN_SOCKET_PULSEAUDIO, merges[i].second, NULL), 0);
                assert_plan_says(merges[i].text, plan, merges[i].text);
                assert_true(plan_item_covers(plan_get_item(plan, 0), plan_get_item(first, 0)));
                assert_int_equal(plan_item_covers(plan_get_item(first, 0), plan_get_item(plan, 0)),
                                 plan_item_is_equal(plan_get_item(first, 0), plan_get_item(plan, 0)));
        }
}

static void test_both(void **state G_GNUC_UNUSED) {
        g_autoptr(Plan) plan = plan_new();

        assert_int_equal(plan_add_socket(plan, &maps, PLAN_SOCKET_WAYLAND, 0, NULL), 0);
        assert_int_equal(plan_add_socket(plan, &maps, PLAN_SOCKET_PULSEAUDIO, PLAN_SOCKET_PLAYBACK, NULL), 0);
        assert_plan_says("both", plan,
                         "pulseaudio | of the owner's session | playback | 1\n"
                         "wayland | of the owner's session |  | 1");
}

static void test_refused(void **state G_GNUC_UNUSED) {
        static const struct {
                int server, flags;
                const char *message;
        } cases[] = {
                { 2, 0, "Server 2 of a socket is unknown" },
                { -1, 0, "Server -1 of a socket is unknown" },
                { PLAN_SOCKET_WAYLAND, PLAY, "Flags 0x1 of a socket, at most 0 were expected" },
                { PLAN_SOCKET_PULSEAUDIO, 4, "Flags 0x4 of a socket, at most 0x3 were expected" },
                { PLAN_SOCKET_PULSEAUDIO, 0, "Socket 'pulseaudio' for neither playback nor capture" },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autoptr(Plan) plan = plan_new();
                g_auto(Error) error = ERROR_NULL;
                int r = plan_add_socket(plan, &maps, (PlanSocket) cases[i].server, cases[i].flags, &error);

                assert_refused(cases[i].message, r, &error, cases[i].message);
                assert_string_equal(error.file, "maps.json");
                assert_int_equal(plan_get_size(plan), 0);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_merges),
                cmocka_unit_test(test_both),
                cmocka_unit_test(test_refused),
        };

        return cmocka_run_group_tests_name("plan-socket", tests, NULL, NULL);
}
