/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <endian.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "gateways/socket-proxy/pulse-filter.h"
#include "util/limits.h"

#define COMMANDS UINT32_MAX /* their channel */

typedef struct Talk {
        PulseFilter *filter;
        GByteArray *in, *to_server, *to_client, *from_server, *heard;
        const char *target, *detail; /* of the last refusal */
        unsigned n_denied;
} Talk;

static void on_denied(void *userdata, const char *target, const char *detail) {
        Talk *talk = userdata;

        talk->target = target;
        talk->detail = detail;
        talk->n_denied++;
}

static void put_u32(GByteArray *bytes, uint32_t value) {
        value = htobe32(value);
        g_byte_array_append(bytes, (const uint8_t *) &value, sizeof(value));
}

static void put_frame(GByteArray *bytes, uint32_t channel, uint32_t flags, const void *payload, uint32_t size) {
        put_u32(bytes, size);
        put_u32(bytes, channel);
        put_u32(bytes, 0);
        put_u32(bytes, 0);
        put_u32(bytes, flags);
        g_byte_array_append(bytes, payload, size);
}

/* A command frame of numbers: command, tag, and the rest. */
static void put_command(GByteArray *bytes, unsigned n, const uint32_t *numbers) {
        g_autoptr(GByteArray) payload = g_byte_array_new();

        for (unsigned i = 0; i < n; i++) {
                g_byte_array_append(payload, (const uint8_t *) "L", 1);
                put_u32(payload, numbers[i]);
        }
        put_frame(bytes, COMMANDS, 0, payload->data, payload->len);
}

#define NUMBERS(...) (sizeof((uint32_t[]){ __VA_ARGS__ }) / sizeof(uint32_t)), (const uint32_t[]){ __VA_ARGS__ }

static int run(Talk *talk) {
        g_byte_array_set_size(talk->to_server, 0);
        g_byte_array_set_size(talk->to_client, 0);
        talk->n_denied = 0;
        return pulse_filter_client(talk->filter, talk->in, talk->to_server, talk->to_client, NULL);
}

/* Says one command; true if it went through unchanged. */
static bool passes(Talk *talk, unsigned n, const uint32_t *numbers) {
        g_autoptr(GByteArray) said = g_byte_array_new();

        put_command(said, n, numbers);
        g_byte_array_append(talk->in, said->data, said->len);
        assert_int_equal(run(talk), 0);
        assert_int_equal(talk->in->len, 0);
        if (talk->n_denied > 0) {
                g_autoptr(GByteArray) answer = g_byte_array_new();

                assert_int_equal(talk->to_server->len, 0);
                put_command(answer, NUMBERS(0, numbers[1], 1));
                assert_int_equal(talk->to_client->len, answer->len);
                assert_memory_equal(talk->to_client->data, answer->data, answer->len);
                return false;
        }
        assert_int_equal(talk->to_client->len, 0);
        return talk->to_server->len == said->len && memcmp(talk->to_server->data, said->data, said->len) == 0;
}

static void hear(Talk *talk, unsigned n, const uint32_t *numbers) {
        put_command(talk->from_server, n, numbers);
        assert_int_equal(pulse_filter_server(talk->filter, talk->from_server, talk->heard, NULL), 0);
        assert_int_equal(talk->from_server->len, 0);
}

static void talk_begin(Talk *talk, PlanSocketFlags flags) {
        *talk = (Talk){ .filter = pulse_filter_new(flags, on_denied, talk),
                        .in = g_byte_array_new(),
                        .to_server = g_byte_array_new(),
                        .to_client = g_byte_array_new(),
                        .from_server = g_byte_array_new(),
                        .heard = g_byte_array_new() };
}

static void talk_end(Talk *talk) {
        pulse_filter_free(talk->filter);
        g_byte_array_unref(talk->in);
        g_byte_array_unref(talk->to_server);
        g_byte_array_unref(talk->to_client);
        g_byte_array_unref(talk->from_server);
        g_byte_array_unref(talk->heard);
}

static void log_in(Talk *talk) {
        assert_true(passes(talk, NUMBERS(8, 0, 35)));
        hear(talk, NUMBERS(2, 0, 35));
}

static void test_commands(void **state G_GNUC_UNUSED) {
        static const struct {
                const char *name;
                uint32_t command;
                bool nothing, playback, capture;
        } cases[] = {
                { "SET_CLIENT_NAME", 9, true, true, true },
                { "CREATE_PLAYBACK_STREAM", 3, false, true, false },
                { "CREATE_RECORD_STREAM", 5, false, false, true },
                { "EXIT", 7, false, false, false },
                { "LOOKUP_SINK", 10, false, true, false },
                { "LOOKUP_SOURCE", 11, false, false, true },
                { "CREATE_UPLOAD_STREAM", 15, false, false, false },
                { "PLAY_SAMPLE", 18, false, false, false },
                { "GET_SERVER_INFO", 20, true, true, true },
                { "GET_SINK_INFO_LIST", 22, false, true, false },
                { "GET_SOURCE_INFO_LIST", 24, false, false, true },
                { "GET_MODULE_INFO_LIST", 26, false, false, false },
                { "GET_CLIENT_INFO_LIST", 28, false, false, false },
                { "GET_SINK_INPUT_INFO of a stranger", 29, false, false, false },
                { "SET_SINK_VOLUME", 36, false, false, false },
                { "SET_SINK_INPUT_VOLUME of a stranger", 37, false, false, false },
                { "KILL_CLIENT", 48, false, false, false },
                { "LOAD_MODULE", 51, false, false, false },
                { "ADD_AUTOLOAD", 53, false, false, false },
                { "CORK_RECORD_STREAM", 58, false, false, true },
                { "a server's own", 61, false, false, false },
                { "EXTENSION", 87, false, false, false },
                { "SET_CARD_PROFILE", 90, false, false, false },
                { "REGISTER_MEMFD_SHMID", 103, false, false, false },
                { "SEND_OBJECT_MESSAGE", 104, false, false, false },
                { "not known", 105, false, false, false },
                { "far out", 0xfffffff0, false, false, false },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
                for (unsigned flags = 0; flags <= (PLAN_SOCKET_PLAYBACK | PLAN_SOCKET_CAPTURE); flags++) {
                        bool expected = cases[i].nothing || (flags & PLAN_SOCKET_PLAYBACK && cases[i].playback) ||
                                        (flags & PLAN_SOCKET_CAPTURE && cases[i].capture);
                        Talk talk;

                        talk_begin(&talk, flags);
                        log_in(&talk);
                        print_message("%s with %u\n", cases[i].name, flags);
                        assert_int_equal(passes(&talk, NUMBERS(cases[i].command, 7, 42)), expected);
                        if (!expected)
                                assert_true(talk.n_denied == 1 && talk.target && talk.detail);
                        talk_end(&talk);
                }
}

static void test_shared_memory_is_taken_out_of_the_login(void **state G_GNUC_UNUSED) {
        g_autoptr(GByteArray) clean = g_byte_array_new();
        Talk talk;

        talk_begin(&talk, PLAN_SOCKET_PLAYBACK);
        assert_false(passes(&talk, NUMBERS(8, 0, 0xc0000023)));
        put_command(clean, NUMBERS(8, 0, 0x23));
        assert_int_equal(talk.to_server->len, clean->len);
        assert_memory_equal(talk.to_server->data, clean->data, clean->len);
        talk_end(&talk);
}

static void test_events_only_of_what_may_be_seen(void **state G_GNUC_UNUSED) {
        static const struct {
                PlanSocketFlags flags;
                uint32_t mask;
        } cases[] = { { PLAN_SOCKET_PLAYBACK, 0x81 }, { PLAN_SOCKET_CAPTURE, 0x82 },
                      { PLAN_SOCKET_PLAYBACK | PLAN_SOCKET_CAPTURE, 0x83 } };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autoptr(GByteArray) expected = g_byte_array_new();
                Talk talk;

                talk_begin(&talk, cases[i].flags);
                log_in(&talk);
                (void) passes(&talk, NUMBERS(35, 1, 0x2ff));
                put_command(expected, NUMBERS(35, 1, cases[i].mask));
                assert_int_equal(talk.to_server->len, expected->len);
                assert_memory_equal(talk.to_server->data, expected->data, expected->len);
                talk_end(&talk);
        }
}

static void test_own_streams_may_be_ruled(void **state G_GNUC_UNUSED) {
        Talk talk;

        talk_begin(&talk, PLAN_SOCKET_PLAYBACK | PLAN_SOCKET_CAPTURE);
        log_in(&talk);
        assert_true(passes(&talk, NUMBERS(3, 10, 0)));
        assert_false(passes(&talk, NUMBERS(37, 11, 42))); /* not answered yet */
        hear(&talk, NUMBERS(2, 10, 0, 42, 1000));
        assert_true(passes(&talk, NUMBERS(37, 12, 42)));
        assert_false(passes(&talk, NUMBERS(37, 13, 43)));
        assert_false(passes(&talk, NUMBERS(98, 14, 42))); /* a sink input is no source output */
        assert_true(passes(&talk, NUMBERS(5, 15, 0)));
        hear(&talk, NUMBERS(2, 15, 0, 77));
        assert_true(passes(&talk, NUMBERS(98, 16, 77)));
        assert_false(passes(&talk, NUMBERS(37, 17, 77)));
        /* One that the server refused is nobody's. */
        assert_true(passes(&talk, NUMBERS(3, 18, 0)));
        hear(&talk, NUMBERS(0, 18, 1, 99));
        assert_false(passes(&talk, NUMBERS(37, 19, 99)));
        /* Nor is what the answer to another command happens to say. */
        assert_true(passes(&talk, NUMBERS(72, 20, 0)));
        hear(&talk, NUMBERS(2, 20, 0, 55));
        assert_false(passes(&talk, NUMBERS(37, 21, 55)));
        talk_end(&talk);
}

static void test_one_tag_for_two_commands_ends_it(void **state G_GNUC_UNUSED) {
        Talk talk;

        talk_begin(&talk, PLAN_SOCKET_PLAYBACK);
        log_in(&talk);
        assert_true(passes(&talk, NUMBERS(72, 5, 0)));
        put_command(talk.in, NUMBERS(3, 5, 0));
        assert_int_equal(run(&talk), -EINVAL);
        talk_end(&talk);
}

static void test_narrower_flags(void **state G_GNUC_UNUSED) {
        Talk talk;

        talk_begin(&talk, PLAN_SOCKET_PLAYBACK | PLAN_SOCKET_CAPTURE);
        log_in(&talk);
        assert_false(pulse_filter_set_flags(talk.filter, PLAN_SOCKET_PLAYBACK)); /* nothing is used */
        assert_false(passes(&talk, NUMBERS(5, 1, 0)));
        assert_false(pulse_filter_set_flags(talk.filter, PLAN_SOCKET_PLAYBACK | PLAN_SOCKET_CAPTURE));
        assert_true(passes(&talk, NUMBERS(5, 2, 0)));
        assert_true(pulse_filter_set_flags(talk.filter, PLAN_SOCKET_PLAYBACK)); /* asked for already */
        (void) pulse_filter_set_flags(talk.filter, PLAN_SOCKET_PLAYBACK | PLAN_SOCKET_CAPTURE);
        hear(&talk, NUMBERS(2, 2, 0, 9));
        assert_true(pulse_filter_set_flags(talk.filter, PLAN_SOCKET_PLAYBACK));
        assert_false(pulse_filter_set_flags(talk.filter, PLAN_SOCKET_PLAYBACK));
        talk_end(&talk);
}

static void test_sound_passes_in_pieces(void **state G_GNUC_UNUSED) {
        g_autoptr(GByteArray) all = g_byte_array_new(), passed = g_byte_array_new();
        uint8_t sound[3000];
        Talk talk;

        memset(sound, 0x5a, sizeof(sound));
        talk_begin(&talk, PLAN_SOCKET_PLAYBACK);
        log_in(&talk);
        put_frame(all, 0, 0, sound, sizeof(sound));
        put_command(all, NUMBERS(41, 3, 0));
        put_frame(all, 0, 0, sound, 1);
        for (guint i = 0; i < all->len; i++) {
                g_byte_array_append(talk.in, all->data + i, 1);
                assert_int_equal(run(&talk), 0);
                g_byte_array_append(passed, talk.to_server->data, talk.to_server->len);
        }
        assert_int_equal(passed->len, all->len);
        assert_memory_equal(passed->data, all->data, all->len);
        talk_end(&talk);
}

static void test_what_ends_a_connection(void **state G_GNUC_UNUSED) {
        static const struct {
                const char *name;
                uint32_t size, channel, flags;
                const char *payload;
                unsigned payload_size;
                bool is_logged_in;
        } cases[] = {
                { "a command before the login", 10, COMMANDS, 0, "L\0\0\0\x14L\0\0\0\1", 10, false },
                { "sound before the login", 4, 0, 0, "abcd", 4, false },
                { "shared memory", 4, 0, 0x80000000, "abcd", 4, true },
                { "a shared memory block's release", 0, 0, 0x40000000, "", 0, true },
                { "a frame that is too long", 16 * 1024 * 1024 + 1, 0, 0, "", 0, true },
                { "a command that is too long", PULSE_COMMAND_MAX + 1, COMMANDS, 0, "", 0, true },
                { "an empty command", 0, COMMANDS, 0, "", 0, true },
                { "a command without a tag", 5, COMMANDS, 0, "L\0\0\0\x14", 5, true },
                { "a tag that is no number", 10, COMMANDS, 0, "L\0\0\0\x14U\0\0\0\1", 10, true },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                Talk talk;

                print_message("%s\n", cases[i].name);
                talk_begin(&talk, PLAN_SOCKET_PLAYBACK);
                if (cases[i].is_logged_in)
                        log_in(&talk);
                put_frame(talk.in, cases[i].channel, cases[i].flags, cases[i].payload, cases[i].payload_size);
                *(uint32_t *) (void *) talk.in->data = htobe32(cases[i].size);
                assert_true(run(&talk) < 0);
                assert_int_equal(talk.to_server->len, 0);
                talk_end(&talk);
        }
}

static void test_unanswered_commands_are_limited(void **state G_GNUC_UNUSED) {
        Talk talk;

        talk_begin(&talk, PLAN_SOCKET_PLAYBACK);
        log_in(&talk);
        for (uint32_t i = 0; i < PULSE_COMMANDS_MAX; i++)
                assert_true(passes(&talk, NUMBERS(41, i, 0)));
        put_command(talk.in, NUMBERS(41, PULSE_COMMANDS_MAX, 0));
        assert_true(run(&talk) < 0);
        talk_end(&talk);
}

static void test_a_server_that_offers_shared_memory_is_left(void **state G_GNUC_UNUSED) {
        Talk talk;

        talk_begin(&talk, PLAN_SOCKET_PLAYBACK);
        put_frame(talk.from_server, 0, 0xc0000000, "abcd", 4);
        assert_true(pulse_filter_server(talk.filter, talk.from_server, talk.heard, NULL) < 0);
        talk_end(&talk);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_commands),
                cmocka_unit_test(test_shared_memory_is_taken_out_of_the_login),
                cmocka_unit_test(test_events_only_of_what_may_be_seen),
                cmocka_unit_test(test_own_streams_may_be_ruled),
                cmocka_unit_test(test_one_tag_for_two_commands_ends_it),
                cmocka_unit_test(test_narrower_flags),
                cmocka_unit_test(test_sound_passes_in_pieces),
                cmocka_unit_test(test_what_ends_a_connection),
                cmocka_unit_test(test_unanswered_commands_are_limited),
                cmocka_unit_test(test_a_server_that_offers_shared_memory_is_left),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
