/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "plan/socket-proxy-message.h"
#include "util/limits.h"

static SocketProxyConfig good_config(void) {
        return (SocketProxyConfig){ .server = PLAN_SOCKET_PULSEAUDIO,
                                    .flags = PLAN_SOCKET_PLAYBACK,
                                    .upstream = (char *) "/run/user/1000/pulse/native",
                                    .uid = 1000,
                                    .gid = 100,
                                    .app_id = (char *) "maps",
                                    .instance_id = (char *) "bulkhead-12" };
}

static void test_config_goes_over_the_wire(void **state G_GNUC_UNUSED) {
        SocketProxyConfig config = good_config();
        g_auto(SocketProxyConfig) read = { 0 };
        WireWriter writer = WIRE_WRITER_NULL;
        WireReader reader;

        socket_proxy_config_put(&writer, &config);
        reader = (WireReader){ .bytes = writer.bytes, .size = writer.size };
        assert_int_equal(socket_proxy_config_get(&reader, &read, NULL), 0);
        assert_int_equal(read.server, PLAN_SOCKET_PULSEAUDIO);
        assert_int_equal(read.flags, PLAN_SOCKET_PLAYBACK);
        assert_string_equal(read.upstream, config.upstream);
        assert_int_equal(read.uid, 1000);
        assert_int_equal(read.gid, 100);
        assert_string_equal(read.app_id, "maps");
        assert_string_equal(read.instance_id, "bulkhead-12");
        for (size_t size = 0; size < writer.size; size++) {
                g_auto(SocketProxyConfig) cut = { 0 };

                reader = (WireReader){ .bytes = writer.bytes, .size = size };
                assert_true(socket_proxy_config_get(&reader, &cut, NULL) < 0);
        }
        wire_writer_done(&writer);
}

static void test_bad_configs_are_refused(void **state G_GNUC_UNUSED) {
        g_autofree char *long_path = g_strnfill(200, 'a');
        SocketProxyConfig cases[] = { good_config(), good_config(), good_config(), good_config(),
                                      good_config(), good_config(), good_config(), good_config() };

        long_path[0] = '/';
        cases[0].server = _PLAN_SOCKET_MAX;
        cases[1].flags = 1u << 7;
        cases[2].server = PLAN_SOCKET_WAYLAND; /* which has no flags */
        cases[3].upstream = NULL;
        cases[4].upstream = (char *) "pulse/native";
        cases[5].upstream = long_path;
        cases[6].app_id = (char *) "";
        cases[7].instance_id = NULL;
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_auto(SocketProxyConfig) read = { 0 };
                g_auto(Error) error = ERROR_NULL;
                WireWriter writer = WIRE_WRITER_NULL;
                WireReader reader;

                print_message("case %zu\n", i);
                socket_proxy_config_put(&writer, &cases[i]);
                reader = (WireReader){ .bytes = writer.bytes, .size = writer.size };
                assert_true(socket_proxy_config_get(&reader, &read, &error) < 0);
                assert_int_equal(error.code, ERROR_INVALID_ARGS);
                wire_writer_done(&writer);
        }
}

static void test_denied(void **state G_GNUC_UNUSED) {
        g_autofree char *long_text = g_strnfill(SOCKET_PROXY_TEXT_MAX + 1, 'a');
        const struct {
                const char *name;
                SocketProxyDenied denied;
                bool is_good;
        } cases[] = {
                { "good", { (char *) "capture", (char *) "not granted", 3 }, true },
                { "nobody", { (char *) "capture", (char *) "not granted", 0 }, false },
                { "no target", { NULL, (char *) "not granted", 1 }, false },
                { "no detail", { (char *) "capture", NULL, 1 }, false },
                { "too long", { long_text, (char *) "", 1 }, false },
                { "no text", { (char *) "\xff", (char *) "", 1 }, false },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_auto(SocketProxyDenied) read = { 0 };
                WireWriter writer = WIRE_WRITER_NULL;
                WireReader reader;

                print_message("%s\n", cases[i].name);
                socket_proxy_denied_put(&writer, &cases[i].denied);
                reader = (WireReader){ .bytes = writer.bytes, .size = writer.size };
                assert_int_equal(socket_proxy_denied_get(&reader, &read, NULL) >= 0, cases[i].is_good);
                if (cases[i].is_good)
                        assert_true(g_str_equal(read.target, "capture") && read.count == 3);
                wire_writer_done(&writer);
        }
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_config_goes_over_the_wire),
                cmocka_unit_test(test_bad_configs_are_refused),
                cmocka_unit_test(test_denied),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
