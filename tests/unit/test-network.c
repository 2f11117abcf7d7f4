/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/rows.h"
#include "util/limits.h"

#define ORIGIN "com.acme.test (test.json:1)\n"

static void test_refused(void **state G_GNUC_UNUSED) {
        static const RowCase cases[] = {
                { "not an object", "[]", "1:1 error : Expected an object, found an array\n" },
                { "all of an entry",
                  "{'direction': 'OUTGOING', 'allow': [{'host': '', 'ports': 0, 'protocols': 'x', "
                  "'local-ports': 'y'}]}",
                  "1:46 error /allow/0/host: The host is empty, expected '*', an address, a prefix or a host "
                  "name\n"
                  "1:59 error /allow/0/ports: 0 is out of range, expected 1 to 65535\n"
                  "1:75 error /allow/0/protocols: Unknown protocol 'x', expected one of: tcp, udp, icmp, "
                  "icmpv6, sctp\n"
                  "1:95 error /allow/0/local-ports: Ports 'y' are not ports from 1 to 65535 or ranges of "
                  "them, as in "
                  "'80,8000-8080'\n"
                  "1:95 error /allow/0/local-ports: 'local-ports' with direction OUTGOING, expected it only "
                  "with "
                  "INCOMING; the ports of the peer are 'ports'\n" },
                { "each entry for itself",
                  "{'direction': 'OUTGOING', 'allow': [{'host': '*'}, {'port': 1}, 5]}",
                  "1:52 error /allow/1: Key 'host' is missing\n"
                  "1:53 error /allow/1/port: Unknown key 'port'; did you mean 'ports', expected one of: "
                  "host, ports, "
                  "protocols, local-ports\n"
                  "1:65 error /allow/2: Expected an object, found an integer\n" },
                { "local ports before the direction",
                  "{'allow': [{'local-ports': 5, 'host': '*'}], 'direction': 'OUTGOING'}",
                  "1:28 error /allow/0/local-ports: 'local-ports' with direction OUTGOING, expected it only "
                  "with "
                  "INCOMING; the ports of the peer are 'ports'\n" },
                { "ports and local ports of icmp and icmpv6",
                  "{'direction': 'INCOMING', 'allow': [{'host': '*', 'ports': 1, 'local-ports': 2, "
                  "'protocols': "
                  "['icmp', 'icmpv6']}]}",
                  "1:60 error /allow/0/ports: Protocol 'icmp' has no ports, expected an entry of its own for "
                  "it\n"
                  "1:60 error /allow/0/ports: Protocol 'icmpv6' has no ports, expected an entry of its own "
                  "for it\n"
                  "1:78 error /allow/0/local-ports: Protocol 'icmp' has no ports, expected an entry of its "
                  "own for it\n"
                  "1:78 error /allow/0/local-ports: Protocol 'icmpv6' has no ports, expected an entry of its "
                  "own for "
                  "it\n" },
                { "one protocol of the other family",
                  "{'direction': 'OUTGOING', 'allow': [{'protocols': ['tcp', 'icmpv6'], 'host': "
                  "'10.0.0.0/8'}]}",
                  "1:51 error /allow/0/protocols: 'icmpv6' is of the other family than the host; did you "
                  "mean "
                  "'icmp'\n" },
                { "a protocol six times",
                  "{'direction': 'OUTGOING', 'allow': [{'host': '*', 'protocols': "
                  "['tcp','tcp','tcp','tcp','tcp','tcp']}]}",
                  "1:64 error /allow/0/protocols: The array has 6 elements, expected at most 5\n" },
                { "protocol is null",
                  "{'direction': 'OUTGOING', 'allow': [{'host': '*', 'protocols': ['tcp', null]}]}",
                  "1:72 error /allow/0/protocols/1: Expected a string, found null\n" },
        };

        assert_rows_refused("network", cases, G_N_ELEMENTS(cases));
}

static void test_planned(void **state G_GNUC_UNUSED) {
        static const RowCase cases[] = {
                { "nothing allowed", "{'direction': 'INCOMING', 'allow': []}",
                  "link  eth0  nothing but what rules allow    " ORIGIN },
                { "everything", "{'direction': 'OUTGOING', 'allow': [{'host': '*'}]}",
                  "rule  out any to *  may pass                        " ORIGIN
                  "link  eth0          nothing but what rules allow    " ORIGIN },
                { "ports without protocols",
                  "{'direction': 'OUTGOING', 'allow': [{'host': '*', 'ports': '5'}]}",
                  "rule  out tcp to * port 5  may pass                        " ORIGIN
                  "rule  out udp to * port 5  may pass                        " ORIGIN
                  "link  eth0                 nothing but what rules allow    " ORIGIN },
                { "local ports without protocols",
                  "{'direction': 'INCOMING', 'allow': [{'host': '*', 'local-ports': '5'}]}",
                  "rule  in tcp from * local-port 5  may pass                        " ORIGIN
                  "rule  in udp from * local-port 5  may pass                        " ORIGIN
                  "link  eth0                        nothing but what rules allow    " ORIGIN },
                { "protocols of both families and a name",
                  "{'direction': 'OUTGOING', 'allow': [{'host': 'a.example', 'protocols': ['icmpv6', 'icmp', "
                  "'icmp']}]}",
                  "rule  out icmp to a.example    may pass                        " ORIGIN
                  "rule  out icmpv6 to a.example  may pass                        " ORIGIN
                  "link  eth0                     nothing but what rules allow    " ORIGIN },
        };

        assert_rows_planned("network", cases, G_N_ELEMENTS(cases));
}

/* All spellings of the same ports are the same rule. */
static void test_ports(void **state G_GNUC_UNUSED) {
        static const struct {
                const char *text, *normal;
        } cases[] = {
                { "1", "1" },
                { "65535", "65535" },
                { "'1-65535'", "1-65535" },
                { "'80:90'", "80-90" },
                { "'80-80'", "80" },
                { "'90,80'", "80,90" },
                { "'80,81,82'", "80-82" },
                { "[80, '81-90', '85:95', 70]", "70,80-95" },
                { "['80,443', 8080]", "80,443,8080" },
                { "[80, 80, '80']", "80" },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autofree char *row = g_strdup_printf(
                        "{'direction': 'OUTGOING', 'allow': [{'host': '*', 'protocols': 'tcp', 'ports': "
                        "%s}]}",
                        cases[i].text);
                g_autofree char *key = g_strdup_printf("out tcp to * port %s", cases[i].normal);
                g_autoptr(GatewayConfig) config = NULL;
                g_autofree char *findings = NULL;
                g_autoptr(Plan) plan = plan_new();
                g_auto(Error) error = ERROR_NULL;

                (void) parse_row("network", row, &findings, &config);
                assert_text(row, findings, "");
                assert_int_equal(config->ops->plan(config, plan, &error), 0);
                if (!plan_find_item(plan, PLAN_RULE, key))
                        fail_msg("%s: no rule '%s'", row, key);
        }
}

static void test_loopback(void **state G_GNUC_UNUSED) {
        g_autoptr(GatewayConfig) config = NULL;
        g_autofree char *findings = NULL;
        g_autoptr(Plan) plan = plan_new();
        g_auto(Error) error = ERROR_NULL;

        assert_int_equal(parse_row("network",
                                   "{'direction': 'OUTGOING', 'allow': [{'host': '127.0.0.1', 'ports': 80}]}",
                                   &findings, &config),
                         0);
        assert_text(
                "loopback", findings,
                "1:46 warning /allow/0/host: This host is the sandbox itself, to which all is open; the "
                "entry adds "
                "nothing\n");
        assert_int_equal(config->ops->plan(config, plan, &error), 0);
        assert_int_equal(plan_get_size(plan), 1);
        assert_non_null(plan_find_item(plan, PLAN_LINK, "eth0"));
}

/* @n odd numbers, so that none is joined with the next. */
static char *list_new(unsigned n, const char *separator) {
        GString *list = g_string_new(NULL);

        for (unsigned i = 0; i < n; i++)
                g_string_append_printf(list, "%s%u", i > 0 ? separator : "", 2 * i + 1);
        return g_string_free(list, FALSE);
}

static void assert_ports_limited(const char *before, const char *after, unsigned n, const char *separator,
                                 const char *words) {
        g_autofree char *list = list_new(n, separator);
        g_autofree char *row = g_strdup_printf(
                "{'direction': 'OUTGOING', 'allow': [{'host': '*', 'ports': %s%s%s}]}", before, list, after);
        g_autoptr(GatewayConfig) config = NULL;
        g_autofree char *findings = NULL;

        if ((parse_row("network", row, &findings, &config) < 0) != (words != NULL))
                fail_msg("%u ports with '%s': %s", n, separator, findings);
        if (words && !strstr(findings, words))
                fail_msg("%u ports with '%s': %s", n, separator, findings);
}

static void test_limits(void **state G_GNUC_UNUSED) {
        g_autofree char *entries = list_new(GATEWAY_ROWS_MAX + 1, ",");
        g_autofree char *row = g_strdup_printf("{'direction': 'OUTGOING', 'allow': [%s]}", entries);
        const RowCase refused = { "entries", row,
                                  "1:36 error /allow: The array has 1025 elements, expected at most 1024\n" };

        assert_rows_refused("network", &refused, 1);
        assert_ports_limited("'", "'", PORT_RANGES_MAX, ",", NULL);
        assert_ports_limited("'", "'", PORT_RANGES_MAX + 1, ",", "1:60 error /allow/0/ports: ");
        assert_ports_limited("[", "]", PORT_RANGES_MAX, ",", NULL);
        assert_ports_limited("[", "]", PORT_RANGES_MAX + 1, ",",
                             "1:60 error /allow/0/ports: The array has 257 elements, expected at most 256\n");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_refused),  cmocka_unit_test(test_planned), cmocka_unit_test(test_ports),
                cmocka_unit_test(test_loopback), cmocka_unit_test(test_limits),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
