/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/plan-asserts.h"

static const struct {
        const char *text;
        const char *normal;  /* NULL = refused */
        const char *message; /* why */
} peers[] = {
        { "*", "*", NULL },
        { "192.0.2.1", "192.0.2.1", NULL },
        { "192.0.2.1/32", "192.0.2.1", NULL },
        { "192.0.2.0/24", "192.0.2.0/24", NULL },
        { "192.0.2.77/24", "192.0.2.0/24", NULL },
        { "192.0.2.255/25", "192.0.2.128/25", NULL },
        { "0.0.0.0/0", "0.0.0.0/0", NULL },
        { "10.1.2.3/0", "0.0.0.0/0", NULL },
        { "2001:db8::1", "2001:db8::1", NULL },
        { "2001:DB8:0::/32", "2001:db8::/32", NULL },
        { "2001:db8:ffff::/33", "2001:db8:8000::/33", NULL },
        { "::/0", "::/0", NULL },
        { "::1", "::1", NULL },
        { "tiles.acme.example", "tiles.acme.example", NULL },
        { "Tiles.ACME.example.", "tiles.acme.example", NULL },
        { "localhost", "localhost", NULL },
        { "a_b.example", "a_b.example", NULL },
        { "1and1.example", "1and1.example", NULL },
        { "", NULL, "Peer is empty, '*' is anybody" },
        { "10.0.0.256", NULL, "Peer '10.0.0.256' is not an address" },
        { "10.0.0", NULL, "Peer '10.0.0' is not an address" },
        { "010.0.0.1", NULL, "Peer '010.0.0.1' is not an address" },
        { "192.0.2.0/33", NULL, "Peer '192.0.2.0/33' has no prefix from 0 to 32 behind its '/'" },
        { "192.0.2.0/", NULL, "Peer '192.0.2.0/' has no prefix from 0 to 32 behind its '/'" },
        { "192.0.2.0/-1", NULL, "Peer '192.0.2.0/-1' has no prefix from 0 to 32 behind its '/'" },
        { "192.0.2.0/ 8", NULL, "Peer '192.0.2.0/ 8' has no prefix from 0 to 32 behind its '/'" },
        { "192.0.2.0/8/8", NULL, "Peer '192.0.2.0/8/8' has no prefix from 0 to 32 behind its '/'" },
        { "2001:db8::/129", NULL, "Peer '2001:db8::/129' has no prefix from 0 to 128 behind its '/'" },
        { "a.example/24", NULL, "Peer 'a.example/24' is not an address" },
        { "*/8", NULL, "Peer '*/8' is not an address" },
        { "0.0.0.0", NULL, "Peer '0.0.0.0' is the address of nobody, '*' is anybody" },
        { "::", NULL, "Peer '::' is the address of nobody, '*' is anybody" },
        { "::ffff:192.0.2.1", NULL,
          "Peer '::ffff:192.0.2.1' is an IPv4 address in IPv6 form, which no packet has: write it as IPv4" },
        { "fe80::1%eth0", NULL, "Peer 'fe80::1%eth0' is not an address" },
        { "[::1]", NULL, "Peer '[::1]' is not an address" },
        { "*.example", NULL,
          "Peer '*.example' is no '*', no IPv4 or IPv6 address, no address with a prefix and no host name" },
        { "a b", NULL,
          "Peer 'a b' is no '*', no IPv4 or IPv6 address, no address with a prefix and no host name" },
        { "a\nb", NULL,
          "Peer 'a\\x0ab' is no '*', no IPv4 or IPv6 address, no address with a prefix and no host name" },
        { "a..example", NULL, "Peer 'a..example' has a part that is not 1 to 63 characters long" },
        { ".", NULL, "Peer '.' is not an address" },
        { "-a.example", NULL, "Peer '-a.example' has a part that starts or ends with '-'" },
        { "a-.example", NULL, "Peer 'a-.example' has a part that starts or ends with '-'" },
        { "host.123", NULL, "Peer 'host.123' is neither an address nor a host name" },
        { "0x7f000001", NULL, "Peer '0x7f000001' is neither an address nor a host name" },
};

static void test_peers(void **state G_GNUC_UNUSED) {
        for (size_t i = 0; i < G_N_ELEMENTS(peers); i++) {
                g_auto(Error) error = ERROR_NULL;
                g_auto(PlanPeer) peer = { 0 };
                g_autofree char *text = NULL;
                int r = plan_peer_parse(peers[i].text, &peer, &error);

                if (!peers[i].normal) {
                        assert_refused(peers[i].text, r, &error, peers[i].message);
                        continue;
                }
                if (r < 0)
                        fail_msg("'%s': %s", peers[i].text, error.message);
                text = plan_peer_format(&peer);
                assert_string_equal(text, peers[i].normal);
        }
}

static void test_long_hosts(void **state G_GNUC_UNUSED) {
        g_autofree char *label = g_strnfill(63, 'a');
        g_autofree char *host = g_strdup_printf("%s.%s.%s.%.61s", label, label, label, label);
        g_autofree char *longer = g_strdup_printf("%sa", host);
        g_autofree char *long_label = g_strdup_printf("%sa.example", label);
        g_auto(PlanPeer) peer = { 0 };
        g_auto(Error) error = ERROR_NULL;

        assert_int_equal(strlen(host), DNS_NAME_MAX);
        assert_int_equal(plan_peer_parse(host, &peer, NULL), 0);
        assert_true(plan_peer_parse(longer, &peer, &error) < 0);
        assert_true(g_str_has_suffix(error.message, "is longer than a host name can be"));
        assert_true(plan_peer_parse(long_label, &peer, NULL) < 0);
        assert_string_equal(peer.host, host); /* untouched by the failures */
}

static const struct {
        const char *text, *normal; /* NULL = refused */
} ports[] = {
        { "80", "80" },
        { "1", "1" },
        { "65535", "65535" },
        { "80-90", "80-90" },
        { "80:90", "80-90" },
        { "80-80", "80" },
        { "443,80", "80,443" },
        { "80,81", "80-81" },
        { "80,80", "80" },
        { "90-100,80-95", "80-100" },
        { "1-10,20-30,5-25", "1-30" },
        { "10,30,20,11", "10-11,20,30" },
        { "1:65535", "1-65535" },
        { "00080", "80" },
        { "", NULL },
        { "0", NULL },
        { "65536", NULL },
        { "-1", NULL },
        { "80-", NULL },
        { "-80", NULL },
        { "90-80", NULL },
        { "80,", NULL },
        { ",80", NULL },
        { "80,,81", NULL },
        { "80 ", NULL },
        { "http", NULL },
        { "80-90-95", NULL },
        { "4294967376", NULL },
        { "0-5", NULL },
        { "1-65536", NULL },
};

static void test_ports(void **state G_GNUC_UNUSED) {
        for (size_t i = 0; i < G_N_ELEMENTS(ports); i++) {
                g_auto(Error) error = ERROR_NULL;
                g_autoptr(GArray) ranges = NULL;
                int r = plan_ports_parse(ports[i].text, &ranges, &error);
                g_autofree char *text = plan_ports_format(ranges);

                if ((r == 0) != (ports[i].normal != NULL) || strcmp(text, ports[i].normal ?: "any") != 0)
                        fail_msg("'%s': %d '%s' %s", ports[i].text, r, text, error.message ?: "");
                assert_int_equal(error.message != NULL, r < 0);
        }
}

static void test_too_many_ranges(void **state G_GNUC_UNUSED) {
        g_autoptr(GArray) ranges = NULL;
        g_auto(Error) error = ERROR_NULL;

        for (unsigned i = 0; i < PORT_RANGES_MAX; i++)
                assert_int_equal(plan_ports_add(&ranges, 2 * i + 1, 2 * i + 1, NULL), 0);
        assert_true(plan_ports_add(&ranges, 60000, 60000, &error) < 0);
        assert_int_equal(error.code, ERROR_LIMIT_REACHED);
        assert_int_equal(ranges->len, PORT_RANGES_MAX);
        assert_int_equal(plan_ports_add(&ranges, 1, 60000, NULL), 0);
        assert_int_equal(ranges->len, 1);
}

static int add(Plan *plan, const PlanOrigin *origin, PlanDirection direction, PlanProtocol protocol,
               const char *peer, const char *peer_ports, const char *local_ports, Error *error) {
        g_auto(PlanRule) rule = { .direction = direction, .protocol = protocol };

        assert_int_equal(plan_peer_parse(peer, &rule.peer, NULL), 0);
        if (peer_ports)
                assert_int_equal(plan_ports_parse(peer_ports, &rule.peer_ports, NULL), 0);
        if (local_ports)
                assert_int_equal(plan_ports_parse(local_ports, &rule.local_ports, NULL), 0);
        return plan_add_rule(plan, origin, &rule, error);
}

static void test_rules(void **state G_GNUC_UNUSED) {
        g_autoptr(Plan) plan = plan_new();

        assert_int_equal(
                add(plan, &maps, PLAN_OUTGOING, PLAN_PROTOCOL_TCP, "a.example", "443,80", NULL, NULL), 0);
        assert_int_equal(
                add(plan, &radio, PLAN_OUTGOING, PLAN_PROTOCOL_TCP, "A.example.", "80,443", NULL, NULL), 0);
        assert_int_equal(add(plan, &maps, PLAN_INCOMING, PLAN_PROTOCOL_UDP, "*", NULL, "5353", NULL), 0);
        assert_int_equal(add(plan, &maps, PLAN_INCOMING, PLAN_PROTOCOL_ANY, "10.9.9.9/8", "1-9", "5", NULL),
                         0);
        assert_int_equal(add(plan, &maps, PLAN_OUTGOING, PLAN_PROTOCOL_ICMPV6, "::/0", NULL, NULL, NULL), 0);
        assert_int_equal(add(plan, &maps, PLAN_OUTGOING, PLAN_PROTOCOL_ICMP, "a.example", NULL, NULL, NULL),
                         0);
        assert_plan_says("rules", plan,
                         "in any from 10.0.0.0/8 port 1-9 local-port 5 | may pass |  | 1\n"
                         "in udp from * local-port 5353 | may pass |  | 1\n"
                         "out icmp to a.example | may pass |  | 1\n"
                         "out icmpv6 to ::/0 | may pass |  | 1\n"
                         "out tcp to a.example port 80,443 | may pass |  | 2");
}

static void test_bad_rules(void **state G_GNUC_UNUSED) {
        static const struct {
                int direction, protocol;
                const char *peer, *ports;
                const char *message;
        } cases[] = {
                { 2, 0, "*", NULL, "Direction 2 of a rule is unknown" },
                { -1, 0, "*", NULL, "Direction -1 of a rule is unknown" },
                { 0, 6, "*", NULL, "Protocol 6 of a rule is unknown" },
                { 0, PLAN_PROTOCOL_ICMP, "*", "80", "Rule for icmp has ports, which icmp does not have" },
                { 0, PLAN_PROTOCOL_ICMPV6, "*", "80",
                  "Rule for icmpv6 has ports, which icmpv6 does not have" },
                { 0, PLAN_PROTOCOL_ICMP, "::1", NULL, "Rule for icmp has a peer of the other IP version" },
                { 0, PLAN_PROTOCOL_ICMPV6, "10.0.0.1", NULL,
                  "Rule for icmpv6 has a peer of the other IP version" },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autoptr(Plan) plan = plan_new();
                g_auto(Error) error = ERROR_NULL;
                int r = add(plan, &maps, (PlanDirection) cases[i].direction, (PlanProtocol) cases[i].protocol,
                            cases[i].peer, cases[i].ports, NULL, &error);

                assert_refused(cases[i].message, r, &error, cases[i].message);
                assert_string_equal(error.file, "maps.json");
                assert_int_equal(plan_get_size(plan), 0);
        }
}

/* What no parser gives, but a caller could put together. */
static void test_not_normal(void **state G_GNUC_UNUSED) {
        const PlanPeer bad_peers[] = {
                { .type = (PlanPeerType) 4 },
                { .type = PLAN_PEER_HOST },
                { .type = PLAN_PEER_ANY, .host = (char *) "a" },
                { .type = PLAN_PEER_ANY, .prefix = 1 },
                { .type = PLAN_PEER_HOST, .host = (char *) "10.0.0.1" },
                { .type = PLAN_PEER_HOST, .host = (char *) "A" },
                { .type = PLAN_PEER_IPV4, .address = { 10, 1 }, .prefix = 8 },
                { .type = PLAN_PEER_IPV4, .address = { 10 }, .prefix = 33 },
                { .type = PLAN_PEER_IPV6, .address = { 1 }, .prefix = 129 },
        };
        const PlanPortRange bad_ports[][2] = {
                { { 0, 1 }, { 5, 5 } },
                { { 5, 4 }, { 9, 9 } },
                { { 5, 5 }, { 6, 6 } },
                { { 5, 5 }, { 1, 1 } },
        };
        g_autoptr(Plan) plan = plan_new();

        for (size_t i = 0; i < G_N_ELEMENTS(bad_peers); i++) {
                g_auto(Error) error = ERROR_NULL;

                assert_true(plan_add_rule(plan, &maps, &(PlanRule){ .peer = bad_peers[i] }, &error) < 0);
                assert_int_equal(error.code, ERROR_INVALID_ARGS);
        }
        for (size_t i = 0; i < G_N_ELEMENTS(bad_ports); i++) {
                g_autoptr(GArray) ranges = g_array_new(FALSE, FALSE, sizeof(PlanPortRange));
                g_auto(Error) error = ERROR_NULL;

                g_array_append_vals(ranges, bad_ports[i], 2);
                assert_true(plan_add_rule(plan, &maps, &(PlanRule){ .local_ports = ranges }, &error) < 0);
                assert_string_equal(error.message, "Ports of a rule are not sorted ranges");
        }
        assert_int_equal(plan_get_size(plan), 0);
        assert_int_equal(plan_add_rule(plan, &maps, &(PlanRule){ 0 }, NULL), 0);
        assert_plan_says("zeroed", plan, "out any to * | may pass |  | 1");
}

static void test_words(void **state G_GNUC_UNUSED) {
        for (int i = 0; i < _PLAN_PROTOCOL_MAX; i++)
                assert_int_equal(plan_protocol_from_string(plan_protocol_to_string((PlanProtocol) i)), i);
        for (int i = 0; i < _PLAN_DIRECTION_MAX; i++)
                assert_int_equal(plan_direction_from_string(plan_direction_to_string((PlanDirection) i)), i);
        assert_int_equal(plan_protocol_from_string("TCP"), _PLAN_PROTOCOL_INVALID);
        assert_int_equal(plan_direction_from_string("outgoing"), _PLAN_DIRECTION_INVALID);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_peers),      cmocka_unit_test(test_long_hosts),
                cmocka_unit_test(test_ports),      cmocka_unit_test(test_too_many_ranges),
                cmocka_unit_test(test_rules),      cmocka_unit_test(test_bad_rules),
                cmocka_unit_test(test_not_normal), cmocka_unit_test(test_words),
        };

        return cmocka_run_group_tests_name("plan-rule", tests, NULL, NULL);
}
