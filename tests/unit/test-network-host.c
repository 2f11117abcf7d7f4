/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateways/network-host.h"
#include "tests/unit/findings.h"

/* Reads @host out of ["host"]; the findings, or NULL if it was read. */
static char *read_host(const char *host, PlanPeer *ret) {
        g_autofree char *text = g_strdup_printf("[\"%s\"]", host);
        g_autoptr(JsonDocument) document = json_document_new("test.json", text, strlen(text));
        JsonCursor root, at;

        assert_true(json_document_get_root(document, &root));
        assert_true(json_cursor_get_first(&root, &at));
        if (network_host_read(&at, ret) >= 0)
                return NULL;
        assert_true(json_document_has_errors(document));
        assert_int_equal(ret->type, PLAN_PEER_ANY);
        assert_null(ret->host);
        return format_findings(json_document_get_findings(document));
}

static void test_read(void **state G_GNUC_UNUSED) {
        static const struct {
                const char *host, *normal;
                PlanPeerType type;
                bool is_loopback;
        } cases[] = {
                { "*", "*", PLAN_PEER_ANY, false },
                { "10.0.0.1", "10.0.0.1", PLAN_PEER_IPV4, false },
                { "255.255.255.255", "255.255.255.255", PLAN_PEER_IPV4, false },
                { "10.0.0.1/32", "10.0.0.1", PLAN_PEER_IPV4, false },
                { "10.0.0.0/8", "10.0.0.0/8", PLAN_PEER_IPV4, false },
                { "10.0.0.0/255.0.0.0", "10.0.0.0/8", PLAN_PEER_IPV4, false },
                { "10.128.0.0/255.128.0.0", "10.128.0.0/9", PLAN_PEER_IPV4, false },
                { "10.0.0.1/255.255.255.255", "10.0.0.1", PLAN_PEER_IPV4, false },
                { "0.0.0.0/0", "0.0.0.0/0", PLAN_PEER_IPV4, false },
                { "0.0.0.0/0.0.0.0", "0.0.0.0/0", PLAN_PEER_IPV4, false },
                { "126.0.0.0/7", "126.0.0.0/7", PLAN_PEER_IPV4, false },
                { "127.0.0.1", "127.0.0.1", PLAN_PEER_IPV4, true },
                { "127.0.0.0/8", "127.0.0.0/8", PLAN_PEER_IPV4, true },
                { "fd00::1", "fd00::1", PLAN_PEER_IPV6, false },
                { "FD00:0:0:0:0:0:0:1", "fd00::1", PLAN_PEER_IPV6, false },
                { "fd00::/64", "fd00::/64", PLAN_PEER_IPV6, false },
                { "fd00::1/128", "fd00::1", PLAN_PEER_IPV6, false },
                { "64:ff9b::10.0.0.1", "64:ff9b::a00:1", PLAN_PEER_IPV6, false },
                { "::/0", "::/0", PLAN_PEER_IPV6, false },
                { "::1", "::1", PLAN_PEER_IPV6, true },
                { "tiles.acme.example", "tiles.acme.example", PLAN_PEER_HOST, false },
                { "Tiles.ACME.example.", "tiles.acme.example", PLAN_PEER_HOST, false },
                { "server", "server", PLAN_PEER_HOST, false },
                { "1und1.de", "1und1.de", PLAN_PEER_HOST, false },
                { "a-b.x--y.example", "a-b.x--y.example", PLAN_PEER_HOST, false },
                { "localhost", "localhost", PLAN_PEER_HOST, true },
                { "LocalHost.", "localhost", PLAN_PEER_HOST, true },
                { "app.localhost", "app.localhost", PLAN_PEER_HOST, true },
                { "notlocalhost", "notlocalhost", PLAN_PEER_HOST, false },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_auto(PlanPeer) peer = { 0 };
                g_autofree char *findings = read_host(cases[i].host, &peer);
                g_autofree char *normal = NULL;

                if (findings)
                        fail_msg("%s: %s", cases[i].host, findings);
                normal = plan_peer_format(&peer);
                assert_string_equal(normal, cases[i].normal);
                assert_int_equal(peer.type, cases[i].type);
                if (network_host_is_loopback(&peer) != cases[i].is_loopback)
                        fail_msg("%s: loopback", cases[i].host);
        }
}

static void test_refused(void **state G_GNUC_UNUSED) {
        static const struct {
                const char *host, *words; /* that the finding has */
        } cases[] = {
                { "", "The host is empty" },
                { " ", "no host name" },
                { ".", "Peer '.'" },
                { "/", "'' is not an address" },
                { "/8", "'' is not an address" },
                { "10.0.0.0/8/8", "'8/8' is not a prefix length, expected 0 to 32" },
                { "10.0.0.0/08", "'08' is not a prefix length" },
                { "10.0.0.0/+8", "'+8' is not a prefix length" },
                { "10.0.0.0/255.0.0.1", "'255.0.0.1' is not a prefix length" },
                { "10.0.0.0/0.0.0.255", "'0.0.0.255' is not a prefix length" },
                { "fd00::/ffff::", "'ffff::' is not a prefix length, expected 0 to 128" },
                { "10.0.0.1/0", "did you mean '0.0.0.0/0' for the network or '10.0.0.1' for the host" },
                { "10.0.0.1/255.0.0.0", "did you mean '10.0.0.0/8' for the network" },
                { "fd00::1/64", "did you mean 'fd00::/64' for the network or 'fd00::1' for the host" },
                { "::ffff:10.0.0.0/104", "IPv4 address in IPv6 form" },
                { "10.0.0.1/24 ", "'24 ' is not a prefix length" },
                { "1.2.3", "Peer '1.2.3' is not an address" },
                { "1.2.3.4.5", "Peer '1.2.3.4.5'" },
                { "0x7f.1", "Peer '0x7f.1'" },
                { "host:0", "did you mean 'host'" },
                { ":80", "':80' is not an IPv6 address" },
                { ":", "':' is not an IPv6 address" },
                { "ftp://", "is a URL" },
                { "file:///etc/passwd", "is a URL" },
                { "[::1]:80", "has brackets" },
                { "fe80::1%25eth0", "did you mean 'fe80::1'" },
                { "%:", "is not an IPv6 address" },
                { "a,b", "is a list" },
                { "tiles?.acme.example", "is a pattern" },
                { "**", "is a pattern" },
                { "exa mple", "no host name" },
                { "a;b", "no host name" },
                { "$(id)", "no host name" },
                { "-", "starts or ends with '-'" },
                { "ex\u00e4mple.example", "did you mean 'xn--exmple-cua.example'" },
                { "\u2603-", "is not ASCII" },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_auto(PlanPeer) peer = { 0 };
                g_autofree char *findings = read_host(cases[i].host, &peer);

                if (!findings)
                        fail_msg("%s: not refused", cases[i].host);
                assert_true(g_str_has_prefix(findings, "1:2 error /0: "));
                if (!strstr(findings, cases[i].words))
                        fail_msg("%s: %s", cases[i].host, findings);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_read),
                cmocka_unit_test(test_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
