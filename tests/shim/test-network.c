/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a plan lets through a sandbox's link, with real packets, by each firewall that the kernel has. */
#include "tests/shim/help.h"

#include <fcntl.h>
#include <netinet/in.h>

#include "shim/firewall.h"
#include "tests/shim/driver.h"
#include "tests/shim/lab.h"
#include "tests/shim/system.h"
#include "util/cleanup.h"

#define ECHO_REQUEST 8
#define ECHO_REQUEST6 128
#define ROUTER_ADVERT 134
#define REDIRECT 137

static Lab *lab;

/* ---- a sandbox ---- */

static Driver *start(const Lease *lease) {
        g_autoptr(Spec) spec = driver_spec();
        g_auto(Error) error = ERROR_NULL;
        Driver *driver = driver_new();

        assert_no_error(driver_start(driver, spec, &error), &error);
        assert_no_error(lab_send_lease(driver, lease, &error), &error);
        return driver;
}

static void apply(Driver *driver, const Plan *plan) {
        g_auto(Error) error = ERROR_NULL;

        assert_no_error(driver_apply(driver, plan, &error), &error);
}

static bool has_firewall(FirewallChoice choice) {
        g_autoptr(Firewall) firewall = NULL;

        return firewall_new(choice, &firewall, NULL) >= 0;
}

/* ---- what passes ---- */

typedef struct Probe {
        const char *name;
        bool inward;
        LeaseFamily family;
        uint8_t protocol;
        uint16_t from_port, to_port; /* 0 = any, another each time */
        const char *from, *to;
        PacketForm form;
        bool passes;
} Probe;

typedef struct Case {
        const char *name;
        PlanDirection direction;
        PlanProtocol protocol;
        const char *peer, *peer_ports, *local_ports; /* peer NULL = no rule */
        bool is_unfiltered;                          /* the rule's direction */
        Probe probes[24];
} Case;

#define TCP IPPROTO_TCP
#define UDP IPPROTO_UDP
#define SCTP IPPROTO_SCTP
#define OTHER LAB_OTHER_PROTOCOL
#define OUT .inward = false
#define IN .inward = true
#define V4 .family = LEASE_IPV4
#define V6 .family = LEASE_IPV6
#define YES .passes = true
#define NO .passes = false

static const Case cases[] = {
        { .name = "out tcp, ports and a range, one IPv4 peer",
          .direction = PLAN_OUTGOING,
          .protocol = PLAN_PROTOCOL_TCP,
          .peer = "10.98.0.2",
          .peer_ports = "443,8000-8010",
          .probes = { { "443", OUT, V4, TCP, .to_port = 443, YES },
                      { "first of the range", OUT, V4, TCP, .to_port = 8000, YES },
                      { "last of the range", OUT, V4, TCP, .to_port = 8010, YES },
                      { "before the range", OUT, V4, TCP, .to_port = 7999, NO },
                      { "behind the range", OUT, V4, TCP, .to_port = 8011, NO },
                      { "other port", OUT, V4, TCP, .to_port = 444, NO },
                      { "the port as source", OUT, V4, TCP, .from_port = 443, .to_port = 9999, NO },
                      { "udp", OUT, V4, UDP, .to_port = 443, NO },
                      { "sctp", OUT, V4, SCTP, .to_port = 443, NO },
                      { "icmp", OUT, V4, IPPROTO_ICMP, .to_port = ECHO_REQUEST, NO },
                      { "other protocol", OUT, V4, OTHER, NO },
                      { "other host", OUT, V4, TCP, .to_port = 443, .to = "10.98.0.3", NO },
                      { "spoofed source", OUT, V4, TCP, .to_port = 443, .from = "10.99.0.77", NO },
                      { "spoofed loopback", OUT, V4, TCP, .to_port = 443, .from = "127.0.0.1", NO },
                      { "fragments", OUT, V4, TCP, .to_port = 443, .form = PACKET_FRAGMENTS, YES },
                      { "fragments to other port", OUT, V4, TCP, .to_port = 444, .form = PACKET_FRAGMENTS, NO },
                      { "with options", OUT, V4, TCP, .to_port = 443, .form = PACKET_EXTENDED, YES },
                      { "with options, other port", OUT, V4, TCP, .to_port = 444, .form = PACKET_EXTENDED, NO },
                      { "other family", OUT, V6, TCP, .to_port = 443, NO },
                      { "wrong direction", IN, V4, TCP, .to_port = 443, NO },
                      { "from the port", IN, V4, TCP, .from_port = 443, .to_port = 9999, NO } } },
        { .name = "out udp, IPv6 prefix",
          .direction = PLAN_OUTGOING,
          .protocol = PLAN_PROTOCOL_UDP,
          .peer = "fd98::2/128",
          .peer_ports = "53",
          .probes = { { "53", OUT, V6, UDP, .to_port = 53, YES },
                      { "outside the prefix", OUT, V6, UDP, .to_port = 53, .to = "fd98::3", NO },
                      { "other port", OUT, V6, UDP, .to_port = 54, NO },
                      { "tcp", OUT, V6, TCP, .to_port = 53, NO },
                      { "fragments", OUT, V6, UDP, .to_port = 53, .form = PACKET_FRAGMENTS, YES },
                      { "fragments to other port", OUT, V6, UDP, .to_port = 54, .form = PACKET_FRAGMENTS, NO },
                      { "extension header", OUT, V6, UDP, .to_port = 53, .form = PACKET_EXTENDED, YES },
                      { "extension header, other port", OUT, V6, UDP, .to_port = 54, .form = PACKET_EXTENDED, NO },
                      { "extension header, tcp", OUT, V6, TCP, .to_port = 53, .form = PACKET_EXTENDED, NO },
                      { "spoofed source", OUT, V6, UDP, .to_port = 53, .from = "fd99::77", NO },
                      { "other family", OUT, V4, UDP, .to_port = 53, NO },
                      { "wrong direction", IN, V6, UDP, .to_port = 53, NO },
                      { "from the port", IN, V6, UDP, .from_port = 53, .to_port = 9999, NO } } },
        { .name = "out any, one host",
          .direction = PLAN_OUTGOING,
          .protocol = PLAN_PROTOCOL_ANY,
          .peer = "10.98.0.3",
          .probes = { { "tcp", OUT, V4, TCP, .to = "10.98.0.3", .to_port = 1, YES },
                      { "udp", OUT, V4, UDP, .to = "10.98.0.3", .to_port = 65535, YES },
                      { "sctp", OUT, V4, SCTP, .to = "10.98.0.3", .to_port = 5, YES },
                      { "icmp", OUT, V4, IPPROTO_ICMP, .to = "10.98.0.3", .to_port = ECHO_REQUEST, YES },
                      { "other protocol", OUT, V4, OTHER, .to = "10.98.0.3", YES },
                      { "other host", OUT, V4, TCP, .to_port = 1, NO },
                      { "other family", OUT, V6, TCP, .to = "fd98::3", .to_port = 1, NO },
                      { "wrong direction", IN, V4, TCP, .from = "10.98.0.3", .to_port = 1, NO } } },
        { .name = "out any with ports, anybody",
          .direction = PLAN_OUTGOING,
          .protocol = PLAN_PROTOCOL_ANY,
          .peer = "*",
          .peer_ports = "100",
          .probes = { { "tcp", OUT, V4, TCP, .to_port = 100, YES },
                      { "udp", OUT, V6, UDP, .to_port = 100, YES },
                      { "sctp", OUT, V4, SCTP, .to_port = 100, YES },
                      { "sctp of IPv6", OUT, V6, SCTP, .to_port = 100, YES },
                      { "other host", OUT, V6, TCP, .to_port = 100, .to = "fd98::3", YES },
                      { "other port", OUT, V4, TCP, .to_port = 101, NO },
                      { "icmp", OUT, V4, IPPROTO_ICMP, .to_port = ECHO_REQUEST, NO },
                      { "other protocol", OUT, V6, OTHER, NO } } },
        { .name = "out icmp",
          .direction = PLAN_OUTGOING,
          .protocol = PLAN_PROTOCOL_ICMP,
          .peer = "*",
          .probes = { { "echo", OUT, V4, IPPROTO_ICMP, .to_port = ECHO_REQUEST, YES },
                      { "echo of IPv6", OUT, V6, IPPROTO_ICMPV6, .to_port = ECHO_REQUEST6, NO },
                      { "udp", OUT, V4, UDP, .to_port = 8, NO },
                      { "wrong direction", IN, V4, IPPROTO_ICMP, .to_port = ECHO_REQUEST, NO } } },
        { .name = "out icmpv6",
          .direction = PLAN_OUTGOING,
          .protocol = PLAN_PROTOCOL_ICMPV6,
          .peer = "fd98::2",
          .probes = { { "echo", OUT, V6, IPPROTO_ICMPV6, .to_port = ECHO_REQUEST6, YES },
                      { "other host", OUT, V6, IPPROTO_ICMPV6, .to = "fd98::3", .to_port = ECHO_REQUEST6, NO },
                      { "router advertisement", OUT, V6, IPPROTO_ICMPV6, .to_port = ROUTER_ADVERT, NO },
                      { "echo of IPv4", OUT, V4, IPPROTO_ICMP, .to_port = ECHO_REQUEST, NO },
                      { "wrong direction", IN, V6, IPPROTO_ICMPV6, .to_port = ECHO_REQUEST6, NO } } },
        { .name = "out sctp",
          .direction = PLAN_OUTGOING,
          .protocol = PLAN_PROTOCOL_SCTP,
          .peer = "fd98::/64",
          .peer_ports = "36412",
          .probes = { { "36412", OUT, V6, SCTP, .to_port = 36412, YES },
                      { "other port", OUT, V6, SCTP, .to_port = 36413, NO },
                      { "tcp", OUT, V6, TCP, .to_port = 36412, NO } } },
        { .name = "in tcp, local port, one peer",
          .direction = PLAN_INCOMING,
          .protocol = PLAN_PROTOCOL_TCP,
          .peer = "10.98.0.2",
          .local_ports = "80",
          .probes = { { "80", IN, V4, TCP, .to_port = 80, YES },
                      { "other port", IN, V4, TCP, .to_port = 81, NO },
                      { "the port as source", IN, V4, TCP, .from_port = 80, .to_port = 81, NO },
                      { "udp", IN, V4, UDP, .to_port = 80, NO },
                      { "other host", IN, V4, TCP, .from = "10.98.0.3", .to_port = 80, NO },
                      { "fragments", IN, V4, TCP, .to_port = 80, .form = PACKET_FRAGMENTS, YES },
                      { "fragments to other port", IN, V4, TCP, .to_port = 81, .form = PACKET_FRAGMENTS, NO },
                      { "with options", IN, V4, TCP, .to_port = 80, .form = PACKET_EXTENDED, YES },
                      { "other family", IN, V6, TCP, .to_port = 80, NO },
                      { "wrong direction", OUT, V4, TCP, .to_port = 80, NO },
                      { "from the port", OUT, V4, TCP, .from_port = 80, .to_port = 5555, NO } } },
        { .name = "in udp, ports of the peer",
          .direction = PLAN_INCOMING,
          .protocol = PLAN_PROTOCOL_UDP,
          .peer = "*",
          .peer_ports = "5000-5010",
          .probes = { { "from 5005", IN, V4, UDP, .from_port = 5005, .to_port = 9, YES },
                      { "from 5010, IPv6", IN, V6, UDP, .from_port = 5010, .to_port = 11, YES },
                      { "from 5011", IN, V4, UDP, .from_port = 5011, .to_port = 9, NO },
                      { "to 5005", IN, V4, UDP, .to_port = 5005, NO },
                      { "other host", IN, V6, UDP, .from = "fd98::3", .from_port = 5000, .to_port = 9, YES },
                      { "extension header", IN, V6, UDP, .from_port = 5001, .to_port = 9,
                        .form = PACKET_EXTENDED, YES },
                      { "extension header, from 5011", IN, V6, UDP, .from_port = 5011, .to_port = 9,
                        .form = PACKET_EXTENDED, NO },
                      { "fragments", IN, V6, UDP, .from_port = 5002, .to_port = 9, .form = PACKET_FRAGMENTS, YES },
                      { "fragments from 5011", IN, V6, UDP, .from_port = 5011, .to_port = 9,
                        .form = PACKET_FRAGMENTS, NO },
                      { "wrong direction", OUT, V4, UDP, .to_port = 5005, NO } } },
        { .name = "in tcp, more ports than one entry takes",
          .direction = PLAN_INCOMING,
          .protocol = PLAN_PROTOCOL_TCP,
          .peer = "fd98::2",
          .local_ports = "1,3,5,7,9,11,13,15,17,19,21,23,25,27,29-31,33,35-37,39",
          .probes = { { "first", IN, V6, TCP, .to_port = 1, YES },
                      { "a range across", IN, V6, TCP, .to_port = 30, YES },
                      { "last", IN, V6, TCP, .to_port = 39, YES },
                      { "between", IN, V6, TCP, .to_port = 2, NO },
                      { "between the last", IN, V6, TCP, .to_port = 38, NO } } },
        { .name = "in any, one host",
          .direction = PLAN_INCOMING,
          .protocol = PLAN_PROTOCOL_ANY,
          .peer = "fd98::2",
          .probes = { { "echo", IN, V6, IPPROTO_ICMPV6, .to_port = ECHO_REQUEST6, YES },
                      { "other protocol", IN, V6, OTHER, YES },
                      { "router advertisement", IN, V6, IPPROTO_ICMPV6, .to_port = ROUTER_ADVERT, NO },
                      { "redirect", IN, V6, IPPROTO_ICMPV6, .to_port = REDIRECT, NO },
                      { "other host", IN, V6, TCP, .from = "fd98::3", .to_port = 1, NO },
                      { "wrong direction", OUT, V6, TCP, .to_port = 1, NO } } },
        { .name = "no rule",
          .probes = { { "tcp out", OUT, V4, TCP, .to_port = 1, NO },
                      { "udp out", OUT, V6, UDP, .to_port = 1, NO },
                      { "echo out", OUT, V6, IPPROTO_ICMPV6, .to_port = ECHO_REQUEST6, NO },
                      { "tcp in", IN, V4, TCP, .to_port = 1, NO },
                      { "udp in", IN, V6, UDP, .to_port = 1, NO },
                      { "echo in", IN, V4, IPPROTO_ICMP, .to_port = ECHO_REQUEST, NO } } },
        { .name = "outgoing is not filtered",
          .direction = PLAN_OUTGOING,
          .is_unfiltered = true,
          .probes = { { "tcp out", OUT, V4, TCP, .to_port = 1, YES },
                      { "other protocol out", OUT, V6, OTHER, YES },
                      { "spoofed source", OUT, V4, TCP, .to_port = 1, .from = "10.99.0.77", NO },
                      { "tcp in", IN, V4, TCP, .to_port = 1, NO } } },
        { .name = "incoming is not filtered",
          .direction = PLAN_INCOMING,
          .is_unfiltered = true,
          .probes = { { "tcp in", IN, V4, TCP, .to_port = 1, YES },
                      { "router advertisement", IN, V6, IPPROTO_ICMPV6, .to_port = ROUTER_ADVERT, NO },
                      { "tcp out", OUT, V4, TCP, .to_port = 1, NO } } },
};

static void probe(FirewallChoice choice, const char *name, const Probe *wanted, uint16_t port) {
        Packet packet = { .family = wanted->family,
                          .protocol = wanted->protocol,
                          .from = wanted->from,
                          .to = wanted->to,
                          .from_port = wanted->from_port ?: port,
                          .to_port = wanted->to_port ?: port,
                          .form = wanted->form };
        bool passes = lab_reaches(lab, wanted->inward ? LAB_PEER : LAB_SANDBOX,
                                  wanted->inward ? LAB_SANDBOX : LAB_PEER, packet);

        if (passes != wanted->passes)
                fail_msg("%s, %s: '%s' %s", firewall_choice_to_string(choice), name, wanted->name,
                         passes ? "passed" : "did not pass");
}

static void run_cases(FirewallChoice choice) {
        Lease lease = lab_lease(0);
        uint16_t port = 30000; /* another for each, so that no connection is an old one */
        Driver *driver;

        if (!has_firewall(choice)) {
                print_message("Skipped: this kernel has no %s\n", firewall_choice_to_string(choice));
                skip();
        }
        lease.firewall = choice;
        driver = start(&lease);
        lab_set_sandbox(lab, driver);
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                PlanLinkFlags unfiltered = cases[i].direction == PLAN_OUTGOING ? PLAN_LINK_FILTER_OUTGOING
                                                                               : PLAN_LINK_FILTER_INCOMING;
                g_autoptr(Plan) plan = lab_plan_new(PLAN_LINK_FILTER_ALL &
                                                      ~(cases[i].is_unfiltered ? unfiltered : 0u));

                if (cases[i].peer)
                        lab_plan_add_rule(plan, cases[i].direction, cases[i].protocol, cases[i].peer, cases[i].peer_ports,
                                 cases[i].local_ports);
                apply(driver, plan);
                for (const Probe *wanted = cases[i].probes; wanted->name; wanted++)
                        probe(choice, cases[i].name, wanted, port++);
        }
        lab_set_sandbox(lab, NULL);
        driver_assert_stops(driver);
        driver_free(driver);
}

static void test_iptables(void **state G_GNUC_UNUSED) {
        run_cases(FIREWALL_IPTABLES);
}

static void test_nftables(void **state G_GNUC_UNUSED) {
        run_cases(FIREWALL_NFTABLES);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_iptables),
                cmocka_unit_test(test_nftables),
        };
        int r;

        need_root();
        lab = lab_new();
        r = cmocka_run_group_tests(tests, NULL, NULL);
        lab_free(lab);
        return r;
}
