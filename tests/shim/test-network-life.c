/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Links and rules that come and go: connections, names, failures, strangers, moments in between. */
#include "tests/shim/help.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "shim/firewall.h"
#include "tests/shim/driver.h"
#include "tests/shim/lab.h"
#include "tests/shim/system.h"
#include "util/cleanup.h"
#include "util/netlink.h"

static Lab *lab;

/* What a test begins with: a sandbox with a lease, its rules by the firewall of the group. */
typedef struct Fixture {
        FirewallChoice choice;
        Driver *driver;
        Lease lease;
} Fixture;

/* ---- plans ---- */

static void apply(Fixture *fixture, const Plan *plan) {
        g_auto(Error) error = ERROR_NULL;

        assert_no_error(driver_apply(fixture->driver, plan, &error), &error);
}

static void apply_refused(Fixture *fixture, const Plan *plan, ErrorCode code, const char *words) {
        g_auto(Error) error = ERROR_NULL;

        assert_true(driver_apply(fixture->driver, plan, &error) < 0);
        assert_error_says(&error, code, words);
        assert_string_equal(error.file, "test.json");
}

static bool tcp_passes(LeaseFamily family, uint16_t port) {
        static uint16_t from_port = 40000;

        return lab_reaches(lab, LAB_SANDBOX, LAB_PEER,
                           (Packet){ .family = family, .protocol = IPPROTO_TCP, .from_port = from_port++, .to_port = port });
}

/* ---- fixture ---- */

static Driver *start_driver(const Spec *spec, const Lease *lease) {
        g_auto(Error) error = ERROR_NULL;
        Driver *driver = driver_new();

        assert_no_error(driver_start(driver, spec, &error), &error);
        if (lease)
                assert_no_error(lab_send_lease(driver, lease, &error), &error);
        return driver;
}

static int setup_with(void **state, FirewallChoice choice) {
        g_autoptr(Spec) spec = driver_spec();
        Fixture *fixture = g_new0(Fixture, 1);

        fixture->choice = choice;
        fixture->lease = lab_lease(0);
        fixture->lease.firewall = choice;
        fixture->driver = start_driver(spec, &fixture->lease);
        lab_set_sandbox(lab, fixture->driver);
        *state = fixture;
        return 0;
}

static int setup_iptables(void **state) {
        return setup_with(state, FIREWALL_IPTABLES);
}

static int setup_nftables(void **state) {
        return setup_with(state, FIREWALL_NFTABLES);
}

static int teardown(void **state) {
        Fixture *fixture = *state;

        lab_leave(lab);
        lab_set_sandbox(lab, NULL);
        driver_free(fixture->driver);
        g_free(fixture);
        return 0;
}

/* ---- connections ---- */

static int open_socket(LabPlace place, LeaseFamily family, int type) {
        int fd;

        lab_enter(lab, place);
        fd = socket(lease_family_to_af(family), type | SOCK_CLOEXEC, 0);
        lab_leave(lab);
        assert_true(fd >= 0);
        return fd;
}

static socklen_t make_name(LeaseFamily family, const char *text, uint16_t port, struct sockaddr_storage *ret) {
        struct sockaddr_in6 *six = (struct sockaddr_in6 *) ret;
        struct sockaddr_in *four = (struct sockaddr_in *) ret;

        *ret = (struct sockaddr_storage){ .ss_family = (sa_family_t) lease_family_to_af(family) };
        four->sin_port = htons(port); /* at the same place in both */
        assert_int_equal(inet_pton(ret->ss_family, text,
                                   family == LEASE_IPV4 ? (void *) &four->sin_addr : (void *) &six->sin6_addr),
                         1);
        return family == LEASE_IPV4 ? sizeof(*four) : sizeof(*six);
}

static int listen_at(LabPlace place, LeaseFamily family, const char *text, uint16_t port) {
        int fd = open_socket(place, family, SOCK_STREAM), yes = 1;
        struct sockaddr_storage name;
        socklen_t size = make_name(family, text, port, &name);

        assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)), 0);
        assert_int_equal(bind(fd, (struct sockaddr *) &name, size), 0);
        assert_int_equal(listen(fd, 4), 0);
        return fd;
}

typedef struct Pair {
        int listener, client, server;
} Pair;

static Pair connect_pair(LabPlace client, LabPlace server, LeaseFamily family, const char *text, uint16_t port) {
        Pair pair = { .listener = listen_at(server, family, text, port),
                      .client = open_socket(client, family, SOCK_STREAM) };
        struct timeval timeout = { .tv_sec = 5 };
        struct sockaddr_storage name;
        socklen_t size = make_name(family, text, port, &name);

        assert_int_equal(setsockopt(pair.client, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)), 0);
        if (connect(pair.client, (struct sockaddr *) &name, size) < 0)
                fail_msg("no connection to %s: %s", text, g_strerror(errno));
        pair.server = accept(pair.listener, NULL, NULL);
        assert_true(pair.server >= 0);
        return pair;
}

static void pair_close(Pair *pair) {
        /* what the firewall holds back would be tried again for minutes */
        const struct linger linger = { .l_onoff = 1 };

        (void) setsockopt(pair->client, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
        (void) setsockopt(pair->server, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
        (void) fd_close(pair->client);
        (void) fd_close(pair->server);
        (void) fd_close(pair->listener);
}

/* Does a byte sent by one arrive at the other? @wait_msec for one that should not. */
static bool carries(int from, int to, int wait_msec) {
        struct pollfd polled = { .fd = to, .events = POLLIN };
        char byte = 'x';

        if (send(from, &byte, 1, MSG_NOSIGNAL | MSG_DONTWAIT) != 1 || poll(&polled, 1, wait_msec) <= 0)
                return false;
        return recv(to, &byte, 1, MSG_DONTWAIT) == 1;
}

/* More than a retransmission takes: 200 ms at first. */
#define NEVER_MSEC 300
#define SOON_MSEC 5000

static void test_revoke_cuts_its_connections(void **state) {
        Fixture *fixture = *state;
        g_autoptr(Plan) both = lab_plan_new(PLAN_LINK_FILTER_ALL), one = lab_plan_new(PLAN_LINK_FILTER_ALL);

        lab_plan_add_rule(both, PLAN_OUTGOING, PLAN_PROTOCOL_TCP, "10.98.0.2", "443", NULL);
        lab_plan_add_rule(both, PLAN_OUTGOING, PLAN_PROTOCOL_TCP, "fd98::2", "443", NULL);
        lab_plan_add_rule(both, PLAN_INCOMING, PLAN_PROTOCOL_TCP, "10.98.0.2", NULL, "80");
        lab_plan_add_rule(one, PLAN_OUTGOING, PLAN_PROTOCOL_TCP, "fd98::2", "443", NULL);
        apply(fixture, both);

        Pair cut = connect_pair(LAB_SANDBOX, LAB_PEER, LEASE_IPV4, "10.98.0.2", 443);
        Pair cut_in = connect_pair(LAB_PEER, LAB_SANDBOX, LEASE_IPV4, "10.99.0.2", 80);
        Pair kept = connect_pair(LAB_SANDBOX, LAB_PEER, LEASE_IPV6, "fd98::2", 443);

        assert_true(carries(cut.client, cut.server, SOON_MSEC) && carries(cut.server, cut.client, SOON_MSEC));
        assert_true(carries(cut_in.client, cut_in.server, SOON_MSEC));
        assert_true(carries(kept.server, kept.client, SOON_MSEC));
        apply(fixture, one);
        assert_false(carries(cut.client, cut.server, NEVER_MSEC));
        assert_false(carries(cut.server, cut.client, 50));
        assert_false(carries(cut_in.client, cut_in.server, 50));
        assert_false(carries(cut_in.server, cut_in.client, NEVER_MSEC));
        /* from the server first: an answer in a connection that is known */
        assert_true(carries(kept.server, kept.client, SOON_MSEC));
        assert_true(carries(kept.client, kept.server, SOON_MSEC));
        pair_close(&cut);
        pair_close(&cut_in);
        pair_close(&kept);
}

/* ---- the link ---- */

static bool inside_has(Fixture *fixture, const char *line) {
        return driver_shell(fixture->driver, line, NULL) == 0;
}

/* Loopback, and nothing else: no link, no route, no neighbour. */
static void assert_no_network(Fixture *fixture) {
        assert_true(inside_has(fixture, "test \"$(ls /sys/class/net)\" = lo || ! cat /sys/class/net/eth0/carrier"));
        assert_false(inside_has(fixture, "grep -q eth0 /proc/net/route"));
        assert_false(inside_has(fixture, "grep -v ' lo$' /proc/net/ipv6_route | grep -q ."));
        assert_false(inside_has(fixture, "tail -n +2 /proc/net/arp | grep -q ."));
}

static void test_link_comes_and_goes(void **state) {
        Fixture *fixture = *state;
        g_autoptr(Plan) plan = lab_plan_new(PLAN_LINK_FILTER_ALL), nothing = plan_new();

        lab_plan_add_rule(plan, PLAN_OUTGOING, PLAN_PROTOCOL_TCP, "*", "443", NULL);
        assert_no_network(fixture);
        for (int i = 0; i < 3; i++) {
                apply(fixture, plan);
                assert_true(tcp_passes(LEASE_IPV4, 443));
                assert_true(tcp_passes(LEASE_IPV6, 443));
                assert_true(inside_has(fixture, "ping -c 1 -W 1 127.0.0.1 >/dev/null 2>&1 || test -d /proc/net"));
                apply(fixture, nothing);
                assert_no_network(fixture);
        }
}

/* All of it goes with the sandbox, whose shim keeps nothing that would hold it. */
static void test_link_goes_with_the_sandbox(void **state) {
        Fixture *fixture = *state;
        g_autoptr(Plan) plan = lab_plan_new(PLAN_LINK_FILTER_ALL);
        uint64_t end;

        apply(fixture, plan);
        lab_set_sandbox(lab, NULL);
        assert_int_not_equal(if_nametoindex(fixture->lease.host_link), 0);
        driver_assert_stops(fixture->driver);
        end = system_now_usec() + 5 * G_USEC_PER_SEC;
        while (if_nametoindex(fixture->lease.host_link) != 0 && system_now_usec() < end)
                system_sleep_msec(5);
        assert_int_equal(if_nametoindex(fixture->lease.host_link), 0);
}

static void assert_setting(const char *path, const char *value) {
        g_autofree char *text = NULL;

        assert_true(g_file_get_contents(path, &text, NULL, NULL));
        assert_string_equal(g_strchomp(text), value);
}

/* Nobody can advertise routers or addresses, to either end. */
static void test_nobody_advertises(void **state) {
        Fixture *fixture = *state;
        g_autoptr(Plan) plan = lab_plan_new(PLAN_LINK_FILTER_ALL);
        g_autofree char *path = NULL;

        apply(fixture, plan);
        path = g_strdup_printf("/proc/sys/net/ipv6/conf/%s/accept_ra", fixture->lease.host_link);
        assert_setting(path, "0");
        lab_enter(lab, LAB_SANDBOX);
        assert_setting("/proc/sys/net/ipv6/conf/eth0/accept_ra", "0");
        assert_setting("/proc/sys/net/ipv6/conf/eth0/autoconf", "0");
        lab_leave(lab);
        assert_false(inside_has(fixture, "grep -q ^fe80 /proc/net/if_inet6"));
}

/* A frame by hand, as only a privileged thief inside could send it: does it arrive at @receiver, a raw socket of the
 * protocol that is nobody's? */
static bool frame_passes(const uint8_t *from, const uint8_t *to, const uint8_t *to_ip, int receiver,
                         uint64_t wait_msec) {
        struct sockaddr_ll name = { .sll_family = AF_PACKET };
        uint64_t end = system_now_usec() + 1000 * wait_msec;
        uint8_t frame[14 + 28] = { 0 }, *ip = frame + 14;
        bool arrived = false;
        uint32_t sum = 0, tag;
        int fd;

        memcpy(frame, to, 6);
        memcpy(frame + 6, from, 6);
        frame[12] = 8;
        memcpy(ip, (const uint8_t[]){ 0x45, 0, 0, 28, 0, 0, 0, 0, 64, LAB_OTHER_PROTOCOL, 0, 0, 10, 99, 0, 2 }, 16);
        memcpy(ip + 16, to_ip, 4);
        for (int i = 0; i < 20; i += 2)
                sum += (uint32_t) ip[i] << 8 | ip[i + 1];
        sum = (sum & 0xffff) + (sum >> 16);
        ip[10] = (uint8_t) (~sum >> 8);
        ip[11] = (uint8_t) ~sum;
        lab_enter(lab, LAB_SANDBOX);
        fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
        name.sll_ifindex = (int) if_nametoindex("eth0");
        lab_leave(lab);
        while (packet_receive(receiver, &tag))
                continue;
        assert_int_equal(sendto(fd, frame, sizeof(frame), 0, (struct sockaddr *) &name, sizeof(name)), sizeof(frame));
        while (!arrived && system_now_usec() < end)
                arrived = packet_receive(receiver, &tag);
        (void) fd_close(fd);
        return arrived;
}

static void get_bridge_address(uint8_t ret[6]) {
        autofd int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        struct ifreq request = { 0 };

        (void) g_strlcpy(request.ifr_name, LAB_BRIDGE, sizeof(request.ifr_name));
        assert_int_equal(ioctl(fd, SIOCGIFHWADDR, &request), 0);
        memcpy(ret, request.ifr_hwaddr.sa_data, 6);
}

static void test_bridge_knows_one_station(void **state) {
        static const uint8_t thief[6] = { 2, 'b', 0, 0, 0, 0x99 }, peer[4] = { 10, 98, 0, 2 };
        int receiver = lab->receivers[LAB_PEER][LEASE_IPV4][LAB_PROTOCOLS - 1];
        Fixture *fixture = *state;
        g_autoptr(Plan) plan = lab_plan_new(PLAN_LINK_FILTER_ALL);
        uint8_t gateway[6];

        apply(fixture, plan);
        get_bridge_address(gateway);
        assert_true(frame_passes(fixture->lease.mac, gateway, peer, receiver, SOON_MSEC));
        assert_false(frame_passes(thief, gateway, peer, receiver, 100));
}

/* ---- names ---- */

static void send_hosts(Driver *driver, const char *host, const char *ipv4, const char *ipv6) {
        g_auto(HostAddresses) addresses = { .host = g_strdup(host), .ttl_sec = 60 };
        WireWriter writer = WIRE_WRITER_NULL;
        g_auto(Error) error = ERROR_NULL;
        LeaseAddress address;
        uint32_t serial;

        if (ipv4) {
                assert_int_equal(lease_address_parse(LEASE_IPV4, ipv4, &address), 0);
                assert_int_equal(host_addresses_add(&addresses, LEASE_IPV4, &address, NULL), 0);
        }
        if (ipv6) {
                assert_int_equal(lease_address_parse(LEASE_IPV6, ipv6, &address), 0);
                assert_int_equal(host_addresses_add(&addresses, LEASE_IPV6, &address, NULL), 0);
        }
        wire_put_u32(&writer, 1);
        host_addresses_put(&writer, &addresses);
        serial = driver_send(driver, SHIM_RESOLVED, &writer, NULL, 0);
        wire_writer_done(&writer);
        assert_no_error(driver_await_done(driver, serial, &error), &error);
}

static void assert_pending(Driver *driver, const char *expected) {
        g_auto(GStrv) names = NULL;
        g_autofree char *text = NULL;
        WireMessage message;
        WireReader reader;

        assert_true(driver_await(driver, SHIM_PENDING, 0, DRIVER_PATIENCE_USEC, &message));
        reader = wire_reader(&message);
        assert_int_equal(shim_pending_get(&reader, &names), 0);
        wire_message_done(&message);
        text = g_strjoinv(" ", names);
        assert_string_equal(text, expected);
}

static void test_names_are_followed(void **state) {
        Fixture *fixture = *state;
        g_autoptr(Plan) plan = lab_plan_new(PLAN_LINK_FILTER_ALL);

        lab_plan_add_rule(plan, PLAN_OUTGOING, PLAN_PROTOCOL_TCP, "maps.example", "443", NULL);
        apply(fixture, plan);
        assert_pending(fixture->driver, "maps.example");
        assert_false(tcp_passes(LEASE_IPV4, 443));
        send_hosts(fixture->driver, "maps.example", "10.98.0.2", NULL);
        assert_pending(fixture->driver, "");
        assert_true(tcp_passes(LEASE_IPV4, 443));
        assert_false(tcp_passes(LEASE_IPV6, 443));
        assert_false(tcp_passes(LEASE_IPV4, 444));
        send_hosts(fixture->driver, "maps.example", "10.98.0.9", "fd98::2");
        assert_false(tcp_passes(LEASE_IPV4, 443));
        assert_true(tcp_passes(LEASE_IPV6, 443));
        send_hosts(fixture->driver, "other.example", "10.98.0.2", NULL);
        assert_false(tcp_passes(LEASE_IPV4, 443));
        send_hosts(fixture->driver, "maps.example", NULL, NULL);
        assert_pending(fixture->driver, "maps.example");
        assert_false(tcp_passes(LEASE_IPV6, 443));
}

/* ---- what fails changes nothing ---- */

static void test_failed_grant_changes_nothing(void **state) {
        Fixture *fixture = *state;
        g_autoptr(Plan) plan = lab_plan_new(PLAN_LINK_FILTER_ALL), bad = lab_plan_new(PLAN_LINK_FILTER_ALL), nothing = plan_new();
        g_auto(Error) error = ERROR_NULL;
        Pair pair;

        lab_plan_add_rule(plan, PLAN_OUTGOING, PLAN_PROTOCOL_TCP, "10.98.0.2", "443", NULL);
        apply(fixture, plan);
        pair = connect_pair(LAB_SANDBOX, LAB_PEER, LEASE_IPV4, "10.98.0.2", 443);
        /* a wider rule, and a target that nobody can make: its step fails when the rules are in force already */
        lab_plan_add_rule(bad, PLAN_OUTGOING, PLAN_PROTOCOL_ANY, "*", NULL, NULL);
        assert_no_error(plan_add_bind(bad, &lab_origin, "/usr/bin", "/usr/no-such-folder", 0, &error), &error);
        apply_refused(fixture, bad, ERROR_NOT_MOUNTABLE, "");
        assert_true(tcp_passes(LEASE_IPV4, 443));
        assert_false(tcp_passes(LEASE_IPV4, 444));
        assert_true(carries(pair.server, pair.client, SOON_MSEC));
        pair_close(&pair);
        apply(fixture, nothing);
        assert_no_network(fixture);
}

static void test_bad_leases(void **state) {
        Fixture *fixture = *state;
        g_autoptr(Spec) spec = driver_spec();
        g_autoptr(Plan) plan = lab_plan_new(PLAN_LINK_FILTER_ALL);
        Fixture other = { .lease = lab_lease(1) };
        g_auto(Error) twice = ERROR_NULL;

        assert_true(lab_send_lease(fixture->driver, &other.lease, &twice) < 0);
        assert_error_says(&twice, ERROR_BAD_STATE, fixture->lease.host_link);

        other.driver = start_driver(spec, NULL);
        apply_refused(&other, plan, ERROR_BAD_STATE, "no address");
        driver_assert_stops(other.driver);
        driver_free(other.driver);

        (void) g_strlcpy(other.lease.bridge, "labpeer", sizeof(other.lease.bridge));
        other.driver = start_driver(spec, &other.lease);
        apply_refused(&other, plan, ERROR_INVALID_ARGS, "'labpeer' is no bridge");
        assert_no_network(&other);
        driver_assert_stops(other.driver);
        driver_free(other.driver);

        (void) g_strlcpy(other.lease.bridge, "nosuchbridge", sizeof(other.lease.bridge));
        other.driver = start_driver(spec, &other.lease);
        apply_refused(&other, plan, ERROR_GATEWAY_FAILED, "no bridge 'nosuchbridge'");
        driver_assert_stops(other.driver);
        driver_free(other.driver);

        spec->network = SPEC_NETWORK_NONE;
        other.lease = lab_lease(1);
        other.driver = start_driver(spec, &other.lease);
        apply_refused(&other, plan, ERROR_UNSUPPORTED, "Network=none");
        driver_assert_stops(other.driver);
        driver_free(other.driver);
}

/* ---- somebody else's hands ---- */

static void run_inside(const char *const *argv) {
        g_autoptr(GError) gerror = NULL;
        int status = -1;

        lab_enter(lab, LAB_SANDBOX);
        if (!g_spawn_sync(NULL, (char **) (uintptr_t) argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, &status,
                          &gerror))
                fail_msg("%s", gerror->message);
        lab_leave(lab);
        assert_int_equal(status, 0);
}

static void test_strangers_change_is_put_right(void **state) {
        Fixture *fixture = *state;
        static const char *const iptables[][6] = { { "iptables-legacy", "-P", "OUTPUT", "ACCEPT" },
                                                   { "iptables-legacy", "-F", "OUTPUT" } };
        static const char *const nft[] = { "nft", "flush", "ruleset", NULL };
        g_autoptr(Plan) plan = lab_plan_new(PLAN_LINK_FILTER_ALL), more = lab_plan_new(PLAN_LINK_FILTER_ALL);

        g_autofree char *program =
                g_find_program_in_path(fixture->choice == FIREWALL_IPTABLES ? "iptables-legacy" : "nft");

        if (!program) {
                print_message("Skipped: there is no other program to change rules with\n");
                skip();
        }
        apply(fixture, plan);
        assert_false(tcp_passes(LEASE_IPV4, 443));
        if (fixture->choice == FIREWALL_IPTABLES)
                for (size_t i = 0; i < G_N_ELEMENTS(iptables); i++)
                        run_inside(iptables[i]);
        else
                run_inside(nft);
        assert_true(tcp_passes(LEASE_IPV4, 443)); /* the stranger has opened it */
        assert_no_error(plan_add_env(more, &lab_origin, "A", "b", PLAN_ENV_SET, NULL, NULL), NULL);
        apply(fixture, more); /* has nothing to do with rules */
        assert_false(tcp_passes(LEASE_IPV4, 443));
}

/* ---- what is refused is told ---- */

static void assert_denied(Driver *driver, const char *target, const char *protocol, uint16_t port,
                          const char *detail) {
        g_auto(ShimDenied) denied = { 0 };
        WireMessage message;
        WireReader reader;

        assert_true(driver_await(driver, SHIM_DENIED, 0, DRIVER_PATIENCE_USEC, &message));
        reader = wire_reader(&message);
        assert_int_equal(shim_denied_get(&reader, &denied), 0);
        wire_message_done(&message);
        assert_string_equal(denied.gateway, "network");
        assert_string_equal(denied.target, target);
        assert_string_equal(denied.protocol, protocol);
        assert_int_equal(denied.port, port);
        assert_string_equal(denied.detail, detail);
}

static void test_refused_packets_are_told(void **state) {
        Fixture *fixture = *state;
        g_autoptr(Plan) plan = lab_plan_new(PLAN_LINK_FILTER_ALL);
        Packet in = { .family = LEASE_IPV6, .protocol = IPPROTO_UDP, .from_port = 5, .to_port = 6 };

        apply(fixture, plan);
        assert_false(tcp_passes(LEASE_IPV4, 443));
        assert_denied(fixture->driver, "10.98.0.2", "tcp", 443, "To outside");
        assert_false(lab_reaches(lab, LAB_PEER, LAB_SANDBOX, in));
        assert_denied(fixture->driver, "fd98::2", "udp", 6, "From outside");
}

/* ---- the moment in between ---- */

/* Sends what no rule allows, from @place to @to, until it is killed. */
static pid_t flood(LabPlace place, const char *from, const char *to, uint32_t tag) {
        pid_t pid = fork();

        if (pid != 0)
                return pid;
        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
        lab_enter(lab, place);
        for (;;) {
                Packet packet = { .family = LEASE_IPV4,
                                  .protocol = LAB_OTHER_PROTOCOL,
                                  .from = from,
                                  .to = to,
                                  .tag = tag };

                (void) packet_send(lab->senders[place][LEASE_IPV4], &packet);
                (void) usleep(20);
        }
}

static unsigned count(LabPlace place, uint32_t tag) {
        unsigned n = 0;
        uint32_t got;

        while (packet_receive(lab->receivers[place][LEASE_IPV4][LAB_PROTOCOLS - 1], &got))
                n += got == tag;
        return n;
}

/* The sandbox's own end floods too: what is inside may be running when the link comes. */
static void test_nothing_passes_while_links_come(void **state) {
        Fixture *fixture = *state;
        g_autoptr(Plan) plan = lab_plan_new(PLAN_LINK_FILTER_ALL), nothing = plan_new();
        unsigned n_in = 0, n_out = 0;
        pid_t pids[2];

        pids[0] = flood(LAB_PEER, "10.98.0.2", "10.99.0.2", 0x1111);
        pids[1] = flood(LAB_SANDBOX, "10.99.0.2", "10.98.0.2", 0x2222);
        for (int i = 0; i < 20; i++) {
                apply(fixture, plan);
                assert_true(tcp_passes(LEASE_IPV4, 443) == false); /* and the link carries what it may */
                n_in += count(LAB_SANDBOX, 0x1111);
                n_out += count(LAB_PEER, 0x2222);
                apply(fixture, nothing);
        }
        for (size_t i = 0; i < G_N_ELEMENTS(pids); i++) {
                (void) kill(pids[i], SIGKILL);
                (void) waitpid(pids[i], NULL, 0);
        }
        assert_int_equal(n_in + n_out, 0);
}

/* ---- two of them ---- */

/* Both with every rule there is: between ports of the bridge nothing passes, whatever the firewalls say. */
static void test_sandboxes_do_not_see_each_other(void **state) {
        static const uint8_t address[4] = { 10, 99, 0, 3 };
        Fixture *fixture = *state;
        g_autoptr(Spec) spec = driver_spec();
        g_autoptr(Plan) plan = lab_plan_new(0);
        Fixture second = { .lease = lab_lease(1) };
        int receiver;

        spec->name[0] = 'u'; /* another name */
        second.driver = start_driver(spec, &second.lease);
        apply(fixture, plan);
        apply(&second, plan);
        lab_set_sandbox(lab, second.driver);
        receiver = dup(lab->receivers[LAB_SANDBOX][LEASE_IPV4][LAB_PROTOCOLS - 1]);
        lab_set_sandbox(lab, fixture->driver);
        assert_true(receiver >= 0);
        assert_false(frame_passes(fixture->lease.mac, second.lease.mac, address, receiver, 100));
        (void) fd_close(receiver);
        assert_true(inside_has(fixture, "! grep -q 10.99.0.3 /proc/net/arp"));
        driver_assert_stops(second.driver);
        driver_free(second.driver);
}

#define BOTH(test)                                                                                           \
        cmocka_unit_test_setup_teardown(test, setup_iptables, teardown),                                     \
                cmocka_unit_test_setup_teardown(test, setup_nftables, teardown)
#define ONE(test) cmocka_unit_test_setup_teardown(test, setup_iptables, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                BOTH(test_revoke_cuts_its_connections),
                ONE(test_link_comes_and_goes),
                ONE(test_link_goes_with_the_sandbox),
                ONE(test_nobody_advertises),
                ONE(test_bridge_knows_one_station),
                BOTH(test_names_are_followed),
                BOTH(test_failed_grant_changes_nothing),
                ONE(test_bad_leases),
                BOTH(test_strangers_change_is_put_right),
                BOTH(test_refused_packets_are_told),
                BOTH(test_nothing_passes_while_links_come),
                ONE(test_sandboxes_do_not_see_each_other),
        };
        int r;

        need_root();
        lab = lab_new();
        r = cmocka_run_group_tests(tests, NULL, NULL);
        lab_free(lab);
        return r;
}
