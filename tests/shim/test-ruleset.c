/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What rules become, without any kernel. */
#include "tests/shim/help.h"

#include "shim/ruleset.h"

static PlanOrigin origin = { .capability = (char *) (uintptr_t) "c" };

static Lease lease_new(bool has_ipv6) {
        Lease lease = { .number = 1 };

        lease.nets[LEASE_IPV4].prefix = 24;
        assert_int_equal(lease_address_parse(LEASE_IPV4, "10.0.0.2", &lease.nets[LEASE_IPV4].address), 0);
        assert_int_equal(lease_address_parse(LEASE_IPV4, "10.0.0.1", &lease.nets[LEASE_IPV4].gateway), 0);
        if (has_ipv6) {
                lease.nets[LEASE_IPV6].prefix = 64;
                assert_int_equal(lease_address_parse(LEASE_IPV6, "fd00::2", &lease.nets[LEASE_IPV6].address), 0);
                assert_int_equal(lease_address_parse(LEASE_IPV6, "fd00::1", &lease.nets[LEASE_IPV6].gateway), 0);
        }
        return lease;
}

static Plan *plan_of(PlanLinkFlags flags, PlanDirection direction, PlanProtocol protocol, const char *peer,
                     const char *peer_ports, const char *local_ports) {
        g_auto(PlanRule) rule = { .direction = direction, .protocol = protocol };
        Plan *plan = plan_new();
        g_auto(Error) error = ERROR_NULL;

        assert_no_error(plan_add_link(plan, &origin, "eth0", flags, &error), &error);
        assert_no_error(plan_peer_parse(peer, &rule.peer, &error), &error);
        if (peer_ports)
                assert_no_error(plan_ports_parse(peer_ports, &rule.peer_ports, &error), &error);
        if (local_ports)
                assert_no_error(plan_ports_parse(local_ports, &rule.local_ports, &error), &error);
        assert_no_error(plan_add_rule(plan, &origin, &rule, &error), &error);
        return plan;
}

static char *compile(const Plan *plan, bool has_ipv6, GHashTable *hosts) {
        const Lease lease = lease_new(has_ipv6);
        g_autoptr(GHashTable) nobody = g_hash_table_new(g_str_hash, g_str_equal);
        g_autoptr(Ruleset) ruleset = ruleset_new(plan, &lease, hosts ?: nobody, true);
        g_autoptr(Ruleset) again = ruleset_new(plan, &lease, hosts ?: nobody, true);

        assert_true(ruleset_is_equal(ruleset, again));
        return ruleset_format(ruleset);
}

static void assert_has(const char *name, const char *text, const char *line) {
        if (!strstr(text, line))
                fail_msg("%s: no\n%sin\n%s", name, line, text);
}

static void test_no_link(void **state G_GNUC_UNUSED) {
        g_autoptr(Plan) plan = plan_new();
        g_autofree char *text = compile(plan, true, NULL);

        assert_string_equal(text, "ipv4 in lo accept\nipv4 out lo accept\nipv6 in lo accept\nipv6 out lo accept\n");
}

/* The whole of it once, so that nothing slips in. */
static void test_whole(void **state G_GNUC_UNUSED) {
        g_autoptr(Plan) plan = plan_of(PLAN_LINK_FILTER_ALL, PLAN_OUTGOING, PLAN_PROTOCOL_TCP, "10.9.0.0/16", "443",
                                       NULL);
        g_autofree char *text = compile(plan, true, NULL);

        assert_string_equal(text,
                            "ipv4 in lo accept\n"
                            "ipv4 in protocol 1 related accept\n"
                            "ipv4 in protocol 6 from 10.9.0.0/16 port 443 established reply accept\n"
                            "ipv4 in log\n"
                            "ipv4 out lo accept\n"
                            "ipv4 out from not 10.0.0.2/32 drop\n"
                            "ipv4 out protocol 1 related accept\n"
                            "ipv4 out protocol 6 to 10.9.0.0/16 to-port 443 new established original accept\n"
                            "ipv4 out log\n"
                            "ipv6 in lo accept\n"
                            "ipv6 in protocol 58 type 135 from fe80::/10 accept\n"
                            "ipv6 in protocol 58 type 135 from fd00::1/128 accept\n"
                            "ipv6 in protocol 58 type 136 from fe80::/10 accept\n"
                            "ipv6 in protocol 58 type 136 from fd00::1/128 accept\n"
                            "ipv6 in protocol 58 type 133 drop\n"
                            "ipv6 in protocol 58 type 134 drop\n"
                            "ipv6 in protocol 58 type 137 drop\n"
                            "ipv6 in protocol 58 related accept\n"
                            "ipv6 in log\n"
                            "ipv6 out lo accept\n"
                            "ipv6 out from not fd00::2/128 drop\n"
                            "ipv6 out protocol 58 type 135 from fd00::2/128 accept\n"
                            "ipv6 out protocol 58 type 136 from fd00::2/128 accept\n"
                            "ipv6 out protocol 58 type 133 drop\n"
                            "ipv6 out protocol 58 type 134 drop\n"
                            "ipv6 out protocol 58 type 137 drop\n"
                            "ipv6 out protocol 58 related accept\n"
                            "ipv6 out log\n");
}

static void test_rules(void **state G_GNUC_UNUSED) {
        static const struct {
                const char *name;
                PlanLinkFlags flags;
                PlanDirection direction;
                PlanProtocol protocol;
                const char *peer, *peer_ports, *local_ports;
                const char *lines; /* that must be there, separated by | */
        } cases[] = {
                { "in, local ports", PLAN_LINK_FILTER_ALL, PLAN_INCOMING, PLAN_PROTOCOL_UDP, "fd01::/32", NULL,
                  "1-5,9",
                  "ipv6 in protocol 17 from fd01::/32 to-port 1-5,9 new established original accept\n|"
                  "ipv6 out protocol 17 port 1-5,9 to fd01::/32 established reply accept\n" },
                { "any with ports", PLAN_LINK_FILTER_ALL, PLAN_OUTGOING, PLAN_PROTOCOL_ANY, "*", "7", NULL,
                  "ipv4 out protocol 6 to-port 7 new established original accept\n|"
                  "ipv4 out protocol 17 to-port 7 new established original accept\n|"
                  "ipv6 out protocol 132 to-port 7 new established original accept\n" },
                { "any without ports", PLAN_LINK_FILTER_ALL, PLAN_OUTGOING, PLAN_PROTOCOL_ANY, "*", NULL, NULL,
                  "ipv4 out new established original accept\n|ipv6 in established reply accept\n" },
                { "sixteen ports are two entries", PLAN_LINK_FILTER_ALL, PLAN_OUTGOING, PLAN_PROTOCOL_TCP, "1.1.1.1",
                  "1,3,5,7,9,11,13,15,17,19,21,23,25,27,29,31", NULL,
                  "to-port 1,3,5,7,9,11,13,15,17,19,21,23,25,27,29 new established original accept\n|"
                  "to-port 31 new established original accept\n" },
                { "a range takes two", PLAN_LINK_FILTER_ALL, PLAN_OUTGOING, PLAN_PROTOCOL_TCP, "1.1.1.1",
                  "1-2,4-5,7-8,10-11,13-14,16-17,19-20,22-23", NULL,
                  "to-port 1-2,4-5,7-8,10-11,13-14,16-17,19-20 new established original accept\n|"
                  "to-port 22-23 new established original accept\n" },
                { "outgoing is open", PLAN_LINK_FILTER_INCOMING, PLAN_INCOMING, PLAN_PROTOCOL_TCP, "1.1.1.1", NULL, "1",
                  "ipv4 out protocol 1 related accept\nipv4 out accept\n|ipv4 in established reply accept\n" },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autoptr(Plan) plan = plan_of(cases[i].flags, cases[i].direction, cases[i].protocol, cases[i].peer,
                                               cases[i].peer_ports, cases[i].local_ports);
                g_autofree char *text = compile(plan, true, NULL);
                g_auto(GStrv) lines = g_strsplit(cases[i].lines, "|", -1);

                for (char **line = lines; *line; line++)
                        assert_has(cases[i].name, text, *line);
        }
}

/* Rules of the other family, of one that there is no address of, and of names that lead nowhere. */
static void test_nothing(void **state G_GNUC_UNUSED) {
        static const struct {
                PlanProtocol protocol;
                const char *peer;
                bool has_ipv6;
                const char *no_chain;
        } cases[] = {
                { PLAN_PROTOCOL_TCP, "1.1.1.1", true, "ipv6 out protocol 6" },
                { PLAN_PROTOCOL_TCP, "fd01::1", true, "ipv4 out protocol 6" },
                { PLAN_PROTOCOL_ICMP, "*", true, "ipv6 out new" },
                { PLAN_PROTOCOL_ICMPV6, "*", true, "ipv4 out protocol 58" },
                { PLAN_PROTOCOL_TCP, "*", false, "ipv6 out protocol" },
                { PLAN_PROTOCOL_TCP, "a.example", true, "protocol 6" },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autoptr(Plan) plan = plan_of(PLAN_LINK_FILTER_ALL, PLAN_OUTGOING, cases[i].protocol, cases[i].peer,
                                               NULL, NULL);
                g_autofree char *text = compile(plan, cases[i].has_ipv6, NULL);

                if (strstr(text, cases[i].no_chain))
                        fail_msg("%s: '%s' in\n%s", cases[i].peer, cases[i].no_chain, text);
        }
}

static void test_names(void **state G_GNUC_UNUSED) {
        g_autoptr(Plan) plan = plan_of(PLAN_LINK_FILTER_ALL, PLAN_OUTGOING, PLAN_PROTOCOL_TCP, "a.example", "443", NULL);
        g_autoptr(GHashTable) hosts = g_hash_table_new(g_str_hash, g_str_equal);
        g_auto(HostAddresses) host = { .host = g_strdup("a.example") };
        g_autofree char *text = NULL;
        LeaseAddress address;

        assert_int_equal(lease_address_parse(LEASE_IPV4, "1.2.3.4", &address), 0);
        assert_int_equal(host_addresses_add(&host, LEASE_IPV4, &address, NULL), 0);
        assert_int_equal(lease_address_parse(LEASE_IPV6, "2001:db8::1", &address), 0);
        assert_int_equal(host_addresses_add(&host, LEASE_IPV6, &address, NULL), 0);
        g_hash_table_insert(hosts, host.host, &host);
        text = compile(plan, true, hosts);
        assert_has("IPv4", text, "ipv4 out protocol 6 to 1.2.3.4/32 to-port 443 new established original accept\n");
        assert_has("IPv6", text, "ipv6 out protocol 6 to 2001:db8::1/128 to-port 443 new established original accept\n");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_no_link), cmocka_unit_test(test_whole),   cmocka_unit_test(test_rules),
                cmocka_unit_test(test_nothing), cmocka_unit_test(test_names),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
