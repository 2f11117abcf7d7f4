/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/rows.h"

/* Each key missing, false and true: every row that there can be, and what it opens. Negative: it is refused.
 */
static void test_all_rows(void **state G_GNUC_UNUSED) {
        static const char *const words[] = { NULL, "false", "true" };
        enum {
                NONE = 0,
                PLAY = PLAN_SOCKET_PLAYBACK,
                CAPTURE = PLAN_SOCKET_CAPTURE,
                BOTH = PLAY | CAPTURE,
                NO = -1
        };
        static const int expected[3][3][3] = {
                /* capture: missing, false, true; playback in lines of three */
                [0] = { { NO, NONE, CAPTURE }, { NONE, NONE, CAPTURE }, { PLAY, PLAY, BOTH } },
                [1] = { { NONE, NONE, NO }, { NONE, NONE, NO }, { NO, NO, NO } }, /* "audio": false */
                [2] = { { BOTH, NO, CAPTURE },
                        { NO, NO, CAPTURE },
                        { PLAY, PLAY, BOTH } }, /* "audio": true */
        };

        for (int i = 0; i < 27; i++) {
                const char *audio = words[i / 9], *playback = words[i / 3 % 3], *capture = words[i % 3];
                int flags = expected[i / 9][i / 3 % 3][i % 3];
                g_autofree char *text = NULL, *findings = NULL;
                g_autoptr(GatewayConfig) config = NULL;
                g_autoptr(Plan) plan = plan_new();
                g_auto(Error) error = ERROR_NULL;
                GString *row = g_string_new(NULL);
                const PlanItem *item;

                if (audio)
                        g_string_append_printf(row, ", 'audio': %s", audio);
                if (playback)
                        g_string_append_printf(row, ", 'playback': %s", playback);
                if (capture)
                        g_string_append_printf(row, ", 'capture': %s", capture);
                text = g_strdup_printf("{%s}", row->len > 0 ? row->str + 2 : "");
                g_string_free(row, TRUE);
                if ((parse_row("pulseaudio", text, &findings, &config) < 0) != (flags == NO))
                        fail_msg("%s: %s", text, findings);
                if (flags == NO) {
                        assert_true(strlen(findings) > 0);
                        continue;
                }
                assert_int_equal(config->ops->plan(config, plan, &error), 0);
                item = plan_find_item(plan, PLAN_SOCKET, "pulseaudio");
                assert_int_equal(item != NULL, flags != NONE);
                assert_int_equal(plan_find_item(plan, PLAN_ENV, "PULSE_SERVER") != NULL, flags != NONE);
                if (item)
                        assert_int_equal(item->socket.flags, flags);
        }
}

static void test_refused(void **state G_GNUC_UNUSED) {
        static const RowCase cases[] = {
                { "not an object", "[]", "1:1 error : Expected an object, found an array\n" },
                { "nothing said", "{}",
                  "1:1 error : Key 'audio' is missing, or one of 'playback' and 'capture'\n" },
                { "contradiction", "{'audio': false, 'capture': true}",
                  "1:1 error : 'audio' is false, but 'capture' is true\n" },
                { "both wrong", "{'audio': 1, 'playback': 'x'}",
                  "1:11 error /audio: Expected true or false, found an integer\n"
                  "1:26 error /playback: Expected true or false, found a string\n" },
                { "misspelt", "{'audio': true, 'playbak': true}",
                  "1:17 error /playbak: Unknown key 'playbak'; did you mean 'playback', expected one of: "
                  "audio, "
                  "playback, capture\n" },
        };

        assert_rows_refused("pulseaudio", cases, G_N_ELEMENTS(cases));
}

static void test_planned(void **state G_GNUC_UNUSED) {
        static const RowCase cases[] = {
                { "audio", "{'audio': true}",
                  "env     PULSE_SERVER  = unix:/gateways/pulse_socket  default           com.acme.test "
                  "(test.json:1)\n"
                  "socket  pulseaudio    of the owner's session         playback,capture  com.acme.test "
                  "(test.json:1)\n" },
        };

        assert_rows_planned("pulseaudio", cases, G_N_ELEMENTS(cases));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_all_rows),
                cmocka_unit_test(test_refused),
                cmocka_unit_test(test_planned),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
