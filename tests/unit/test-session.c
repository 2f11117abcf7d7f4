/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "plan/session.h"

static WireReader reader_of(const WireWriter *writer) {
        return (WireReader){ .bytes = writer->bytes, .size = writer->size };
}

static void test_goes_over_the_wire(void **state G_GNUC_UNUSED) {
        g_auto(Session) session = { 0 }, read = { 0 };
        WireWriter writer = WIRE_WRITER_NULL;
        WireReader reader;

        session_init(&session, 1234);
        session_set_path(&session, SESSION_PULSEAUDIO, g_strdup("/srv/sound"));
        session_put(&writer, &session);
        reader = reader_of(&writer);
        assert_int_equal(session_get(&reader, &read, NULL), 0);
        assert_string_equal(read.sockets[SESSION_BUS].path, "/run/user/1234/bus");
        assert_null(read.sockets[SESSION_BUS].folder);
        assert_string_equal(read.sockets[SESSION_PULSEAUDIO].path, "/srv/sound");
        assert_string_equal(read.sockets[SESSION_PULSEAUDIO].folder, "/srv");
        wire_writer_done(&writer);
}

static void test_every_cut_is_refused(void **state G_GNUC_UNUSED) {
        g_auto(Session) session = { 0 };
        WireWriter writer = WIRE_WRITER_NULL;

        session_init(&session, 0);
        session_put(&writer, &session);
        for (size_t size = 0; size < writer.size; size++) {
                g_auto(Session) read = { 0 };
                WireReader reader = { .bytes = writer.bytes, .size = size };

                assert_true(session_get(&reader, &read, NULL) < 0);
        }
        wire_writer_done(&writer);
}

static void test_paths(void **state G_GNUC_UNUSED) {
        static const struct {
                const char *path;
                bool is_valid;
        } cases[] = {
                { "/run/user/1000/bus", true }, { "/", true }, { NULL, false }, { "", false }, { "run/bus", false },
                { "/run/../etc", false }, { "/run//bus", false }, { "/run/bus/", false }, { "/run/./bus", false },
                { "/run/a\nb", false },
        };
        g_autofree char *longest = g_strnfill(107, 'a'), *longer = g_strnfill(108, 'a');

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
                assert_int_equal(session_path_is_valid(cases[i].path), cases[i].is_valid);
        longest[0] = longer[0] = '/';
        assert_true(session_path_is_valid(longest));
        assert_false(session_path_is_valid(longer));
}

static void test_hostile_paths_are_refused(void **state G_GNUC_UNUSED) {
        for (int i = 0; i < 2 * _SESSION_SERVER_MAX; i++) {
                g_auto(Session) session = { 0 }, read = { 0 };
                SessionSocket *socket = &session.sockets[i / 2];
                g_auto(Error) error = ERROR_NULL;
                WireWriter writer = WIRE_WRITER_NULL;
                WireReader reader;
                char **text = i % 2 ? &socket->folder : &socket->path;

                session_init(&session, 0);
                g_free(*text);
                *text = g_strdup("../secret");
                session_put(&writer, &session);
                reader = reader_of(&writer);
                assert_true(session_get(&reader, &read, &error) < 0);
                assert_int_equal(error.code, ERROR_INVALID_ARGS);
                wire_writer_done(&writer);
        }
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_goes_over_the_wire),
                cmocka_unit_test(test_every_cut_is_refused),
                cmocka_unit_test(test_paths),
                cmocka_unit_test(test_hostile_paths_are_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
