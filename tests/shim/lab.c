/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/shim/help.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>

#include "plan/shim-message.h"
#include "tests/shim/lab.h"
#include "tests/shim/system.h"
#include "util/cleanup.h"
#include "util/netlink.h"

static const uint8_t protocols[LAB_PROTOCOLS] = { IPPROTO_TCP,  IPPROTO_UDP,    IPPROTO_SCTP,
                                                  IPPROTO_ICMP, IPPROTO_ICMPV6, LAB_OTHER_PROTOCOL };

static const char *const addresses[_LAB_PLACE_MAX][_LEASE_FAMILY_MAX] = {
        [LAB_ROUTER] = { "10.99.0.1", "fd99::1" },
        [LAB_PEER] = { "10.98.0.2", "fd98::2" },
        [LAB_SANDBOX] = { "10.99.0.2", "fd99::2" },
};

const char *lab_address(LabPlace place, LeaseFamily family) {
        return addresses[place][family];
}

const char *lab_other_address(LeaseFamily family) {
        return family == LEASE_IPV4 ? "10.98.0.3" : "fd98::3";
}

/* ---- making it ---- */

static void must(int r, const Error *error) {
        if (r < 0)
                fail_msg("the lab cannot be made: %s", error->message);
}

static void set(const char *path, const char *value) {
        autofd int fd = open(path, O_WRONLY | O_CLOEXEC);

        if (fd < 0 || write(fd, value, strlen(value)) < 0)
                fail_msg("the lab cannot be made: %s: %s", path, g_strerror(errno));
}

static void give(Netlink *netlink, const char *name, const char *ipv4, const char *ipv6) {
        g_auto(Error) error = ERROR_NULL;
        LeaseAddress four, six;
        unsigned index;

        must(netlink_link_find(netlink, name, &index, &error), &error);
        assert_int_equal(lease_address_parse(LEASE_IPV4, ipv4, &four), 0);
        assert_int_equal(lease_address_parse(LEASE_IPV6, ipv6, &six), 0);
        must(netlink_link_set_up(netlink, index, true, &error), &error);
        must(netlink_address_add(netlink, index, AF_INET, four.bytes, 24, &error), &error);
        must(netlink_address_add(netlink, index, AF_INET6, six.bytes, 64, &error), &error);
}

static void route_home(Netlink *netlink, const char *name) {
        g_auto(Error) error = ERROR_NULL;
        LeaseAddress four, six;
        unsigned index;

        must(netlink_link_find(netlink, name, &index, &error), &error);
        assert_int_equal(lease_address_parse(LEASE_IPV4, "10.98.0.1", &four), 0);
        assert_int_equal(lease_address_parse(LEASE_IPV6, "fd98::1", &six), 0);
        must(netlink_route_add(netlink, index, AF_INET, NULL, 0, four.bytes, &error), &error);
        must(netlink_route_add(netlink, index, AF_INET6, NULL, 0, six.bytes, &error), &error);
}

static int open_own_netns(void) {
        int fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);

        assert_true(fd >= 0);
        return fd;
}

static void set_loopback_up(void) {
        g_autoptr(Netlink) netlink = NULL;
        g_auto(Error) error = ERROR_NULL;
        unsigned index;

        must(netlink_new(&netlink, &error), &error);
        must(netlink_link_find(netlink, "lo", &index, &error), &error);
        must(netlink_link_set_up(netlink, index, true, &error), &error);
}

static void make_peer(Lab *lab) {
        const NetlinkVeth veth = { .name = "labpeer", .peer_name = "eth0", .peer_netns_fd = lab->netns_fds[LAB_PEER] };
        g_autoptr(Netlink) router = NULL, peer = NULL;
        g_auto(Error) error = ERROR_NULL;

        must(netlink_new(&router, &error), &error);
        must(netlink_bridge_create(router, LAB_BRIDGE, &error), &error);
        must(netlink_veth_create(router, &veth, &error), &error);
        give(router, "labpeer", "10.98.0.1", "fd98::1");
        give(router, LAB_BRIDGE, "10.99.0.1", "fd99::1");
        lab_enter(lab, LAB_PEER);
        must(netlink_new(&peer, &error), &error);
        lab_leave(lab);
        give(peer, "eth0", "10.98.0.2", "fd98::2");
        give(peer, "eth0", "10.98.0.3", "fd98::3");
        route_home(peer, "eth0");
}

static void open_sockets(Lab *lab, LabPlace place) {
        lab_enter(lab, place);
        for (LeaseFamily family = 0; family < _LEASE_FAMILY_MAX; family++) {
                lab->senders[place][family] = packet_open_sender(family);
                for (size_t i = 0; i < LAB_PROTOCOLS; i++)
                        lab->receivers[place][family][i] = packet_open_receiver(family, protocols[i]);
        }
        lab_leave(lab);
}

static void close_sockets(Lab *lab, LabPlace place) {
        for (LeaseFamily family = 0; family < _LEASE_FAMILY_MAX; family++) {
                lab->senders[place][family] = fd_close(lab->senders[place][family]);
                for (size_t i = 0; i < LAB_PROTOCOLS; i++)
                        lab->receivers[place][family][i] = fd_close(lab->receivers[place][family][i]);
        }
}

/* One processor, on which packets stay in the order they were sent. */
static void stay_on_one_cpu(void) {
        cpu_set_t cpus;

        CPU_ZERO(&cpus);
        CPU_SET((size_t) sched_getcpu(), &cpus);
        assert_int_equal(sched_setaffinity(0, sizeof(cpus), &cpus), 0);
}

Lab *lab_new(void) {
        Lab *lab = g_new0(Lab, 1);

        memset(lab->senders, 0xff, sizeof(lab->senders));
        memset(lab->receivers, 0xff, sizeof(lab->receivers));
        lab->netns_fds[LAB_SANDBOX] = -EBADF;
        if (unshare(CLONE_NEWNET) < 0) {
                printf("Skipped: no network namespace can be made here\n");
                exit(EXIT_SKIPPED);
        }
        set_loopback_up();
        lab->netns_fds[LAB_PEER] = open_own_netns();
        assert_int_equal(unshare(CLONE_NEWNET), 0);
        set_loopback_up();
        lab->netns_fds[LAB_ROUTER] = open_own_netns();
        set("/proc/sys/net/ipv4/ip_forward", "1");
        set("/proc/sys/net/ipv6/conf/all/forwarding", "1");
        make_peer(lab);
        open_sockets(lab, LAB_PEER);
        stay_on_one_cpu();
        return lab;
}

void lab_free(Lab *lab) {
        for (LabPlace place = 0; place < _LAB_PLACE_MAX; place++) {
                close_sockets(lab, place);
                lab->netns_fds[place] = fd_close(lab->netns_fds[place]);
        }
        g_free(lab);
}

void lab_enter(Lab *lab, LabPlace place) {
        assert_int_equal(setns(lab->netns_fds[place], CLONE_NEWNET), 0);
}

void lab_leave(Lab *lab) {
        lab_enter(lab, LAB_ROUTER);
}

static int get_netns(Driver *driver) {
        uint32_t serial = driver_send(driver, SHIM_GET_NAMESPACES, NULL, NULL, 0);
        g_auto(Error) error = ERROR_NULL;
        WireMessage message;
        WireReader reader;
        const char **names;
        int fd = -EBADF;

        assert_true(driver_await(driver, SHIM_NAMESPACES, serial, DRIVER_PATIENCE_USEC, &message));
        reader = wire_reader(&message);
        assert_int_equal(shim_error_get(&reader, &error), 0);
        names = wire_get_strings(&reader, 16);
        for (size_t i = 0; names && names[i]; i++)
                if (strcmp(names[i], "net") == 0)
                        fd = wire_message_steal_fd(&message, i);
        free(names);
        wire_message_done(&message);
        assert_true(fd >= 0);
        return fd;
}

void lab_set_sandbox(Lab *lab, Driver *driver) {
        close_sockets(lab, LAB_SANDBOX);
        lab->netns_fds[LAB_SANDBOX] = fd_close(lab->netns_fds[LAB_SANDBOX]);
        if (!driver)
                return;
        lab->netns_fds[LAB_SANDBOX] = get_netns(driver);
        open_sockets(lab, LAB_SANDBOX);
}

Lease lab_lease(uint32_t number) {
        Lease lease = { .number = number, .mac = { 2, 'b', 0, 0, 0, (uint8_t) number } };

        for (LeaseFamily family = 0; family < _LEASE_FAMILY_MAX; family++) {
                LeaseNet *net = &lease.nets[family];

                net->prefix = family == LEASE_IPV4 ? 24 : 64;
                assert_int_equal(lease_address_parse(family, addresses[LAB_ROUTER][family], &net->gateway), 0);
                net->address = net->gateway;
                net->address.bytes[lease_family_size(family) - 1] = (uint8_t) (number + 2);
        }
        (void) g_strlcpy(lease.bridge, LAB_BRIDGE, sizeof(lease.bridge));
        (void) g_snprintf(lease.host_link, sizeof(lease.host_link), "bhlab-%x", number);
        return lease;
}

/* ---- plans ---- */

const PlanOrigin lab_origin = { .capability = (char *) (uintptr_t) "com.example.test",
                                .file = (char *) (uintptr_t) "test.json",
                                .line = 7,
                                .column = 1 };

void lab_plan_add_rule(Plan *plan, PlanDirection direction, PlanProtocol protocol, const char *peer,
                       const char *peer_ports, const char *local_ports) {
        g_auto(PlanRule) rule = { .direction = direction, .protocol = protocol };
        g_auto(Error) error = ERROR_NULL;

        assert_no_error(plan_peer_parse(peer, &rule.peer, &error), &error);
        if (peer_ports)
                assert_no_error(plan_ports_parse(peer_ports, &rule.peer_ports, &error), &error);
        if (local_ports)
                assert_no_error(plan_ports_parse(local_ports, &rule.local_ports, &error), &error);
        assert_no_error(plan_add_rule(plan, &lab_origin, &rule, &error), &error);
}

Plan *lab_plan_new(PlanLinkFlags flags) {
        Plan *plan = plan_new();
        g_auto(Error) error = ERROR_NULL;

        assert_no_error(plan_add_link(plan, &lab_origin, "eth0", flags, &error), &error);
        for (LeaseFamily family = 0; family < _LEASE_FAMILY_MAX; family++) {
                lab_plan_add_rule(plan, PLAN_OUTGOING, PLAN_PROTOCOL_UDP, lab_address(LAB_PEER, family),
                         G_STRINGIFY(LAB_MARKER_PORT), NULL);
                lab_plan_add_rule(plan, PLAN_INCOMING, PLAN_PROTOCOL_UDP, lab_address(LAB_PEER, family), NULL,
                         G_STRINGIFY(LAB_MARKER_PORT));
        }
        return plan;
}

int lab_send_lease(Driver *driver, const Lease *lease, Error *error) {
        WireWriter writer = WIRE_WRITER_NULL;
        uint32_t serial;

        lease_put(&writer, lease);
        serial = driver_send(driver, SHIM_LEASE, &writer, NULL, 0);
        wire_writer_done(&writer);
        return driver_await_done(driver, serial, error);
}

/* ---- using it ---- */

/* What has arrived at @place since the last look: whether @tag and @marker are among it. */
static void look(Lab *lab, LabPlace place, uint32_t tag, uint32_t marker, bool *has_tag, bool *has_marker) {
        for (LeaseFamily family = 0; family < _LEASE_FAMILY_MAX; family++)
                for (size_t i = 0; i < LAB_PROTOCOLS; i++) {
                        uint32_t got;

                        while (packet_receive(lab->receivers[place][family][i], &got)) {
                                *has_tag = *has_tag || got == tag;
                                *has_marker = *has_marker || got == marker;
                        }
                }
}

static Packet make_marker(LabPlace from, LabPlace to, LeaseFamily family, uint32_t tag) {
        return (Packet){ .family = family,
                         .protocol = IPPROTO_UDP,
                         .from = addresses[from][family],
                         .to = addresses[to][family],
                         .from_port = (uint16_t) (20000 + tag % 20000),
                         .to_port = LAB_MARKER_PORT,
                         .tag = tag };
}

bool lab_reaches(Lab *lab, LabPlace from, LabPlace to, Packet packet) {
        uint64_t end = system_now_usec() + 5 * G_USEC_PER_SEC;
        bool has_tag = false, has_marker = false;
        Packet marker;

        packet.from = packet.from ?: addresses[from][packet.family];
        packet.to = packet.to ?: addresses[to][packet.family];
        packet.tag = ++lab->tag;
        marker = make_marker(from, to, packet.family, ++lab->tag);
        (void) packet_send(lab->senders[from][packet.family], &packet);
        assert_true(packet_send(lab->senders[from][packet.family], &marker));
        while (!has_marker && system_now_usec() < end) {
                look(lab, to, packet.tag, marker.tag, &has_tag, &has_marker);
                if (!has_marker)
                        system_sleep_msec(1);
        }
        if (!has_marker)
                fail_msg("what is always allowed from %s did not arrive", marker.from);
        look(lab, to, packet.tag, marker.tag, &has_tag, &has_marker);
        return has_tag;
}
