/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Packets that were refused, as people read of them; and bytes that are none. */
#include "tests/shim/help.h"

#include <netinet/in.h>

#include "shim/denied-log.h"

/* Hexadecimal digits, spaces between. */
static size_t parse(const char *text, uint8_t *ret) {
        size_t n = 0;

        for (; *text; text++)
                if (*text != ' ') {
                        ret[n++] = (uint8_t) (g_ascii_xdigit_value(text[0]) << 4 | g_ascii_xdigit_value(text[1]));
                        text++;
                }
        return n;
}

#define V4(protocol) "45000028 00000000 40" protocol "0000 0a630002 0a620003"
#define V6(next) "60000000 0010" next "40 fd990000000000000000000000000002 fd980000000000000000000000000003"
#define PORTS "1f90 01bb 00000000"

static void test_packets(void **state G_GNUC_UNUSED) {
        static const struct {
                const char *name, *bytes;
                bool is_incoming;
                const char *target, *protocol;
                uint16_t port;
        } cases[] = {
                { "tcp", V4("06") PORTS, false, "10.98.0.3", "tcp", 443 },
                { "udp from outside", V4("11") PORTS, true, "10.99.0.2", "udp", 443 },
                { "sctp", V4("84") PORTS, false, "10.98.0.3", "sctp", 443 },
                { "icmp", V4("01") "08000000", false, "10.98.0.3", "icmp", 0 },
                { "other protocol", V4("fd") PORTS, false, "10.98.0.3", "253", 0 },
                { "no ports", V4("06") "1f90", false, "10.98.0.3", "tcp", 0 },
                { "with options", "46000028 00000000 40060000 0a630002 0a620003 01010100" PORTS, false, "10.98.0.3",
                  "tcp", 443 },
                { "options to nowhere", "4f000028 00000000 40060000 0a630002 0a620003" PORTS, false, "10.98.0.3",
                  "tcp", 0 },
                { "header of nothing", "40000028 00000000 40060000 0a630002 0a620003" PORTS, false, "10.98.0.3",
                  "tcp", 0 },
                { "tcp of IPv6", V6("06") PORTS, false, "fd98::3", "tcp", 443 },
                { "icmpv6 from outside", V6("3a") "80000000", true, "fd99::2", "icmpv6", 0 },
                { "behind extensions", V6("00") "3c00010400000000 1100010400000000" PORTS, false, "fd98::3", "udp",
                  443 },
                { "a fragment", V6("2c") "1100000100000001" PORTS, false, "fd98::3", "udp", 443 },
                { "extension to nowhere", V6("3c") "06ff000000000000", false, "fd98::3", "tcp", 0 },
                { "extension cut short", V6("3c") "0600", false, "fd98::3", "60", 0 },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                uint8_t bytes[256];
                size_t size = parse(cases[i].bytes, bytes);
                g_autofree uint8_t *exact = g_memdup2(bytes, size);
                g_auto(ShimDenied) denied = { 0 };

                if (denied_log_read_packet(exact, size, cases[i].is_incoming, &denied) < 0)
                        fail_msg("%s: refused", cases[i].name);
                if (strcmp(denied.target, cases[i].target) != 0 || strcmp(denied.protocol, cases[i].protocol) != 0 ||
                    denied.port != cases[i].port)
                        fail_msg("%s: %s %s %u", cases[i].name, denied.target, denied.protocol, denied.port);
                assert_string_equal(denied.gateway, "network");
                assert_int_equal(denied.count, 1);
        }
}

/* Cut anywhere, and with every bit turned over: nothing is read that is not there. */
static void test_broken(void **state G_GNUC_UNUSED) {
        static const char *const texts[] = { V4("06") PORTS, V6("00") "3c00010400000000 1100010400000000" PORTS };

        for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
                uint8_t bytes[256];
                size_t size = parse(texts[i], bytes);

                for (size_t n = 0; n <= size; n++) {
                        g_autofree uint8_t *exact = g_memdup2(bytes, n);
                        g_auto(ShimDenied) denied = { 0 };
                        int r = denied_log_read_packet(exact, n, false, &denied);

                        assert_int_equal(r < 0, n < (i == 0 ? 20 : 40));
                }
                for (size_t bit = 0; bit < 8 * size; bit++) {
                        g_autofree uint8_t *exact = g_memdup2(bytes, size);
                        g_auto(ShimDenied) denied = { 0 };

                        exact[bit / 8] ^= (uint8_t) (1 << bit % 8);
                        (void) denied_log_read_packet(exact, size, false, &denied);
                }
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_packets),
                cmocka_unit_test(test_broken),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
