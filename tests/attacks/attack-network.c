/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Sockets: kinds that no app needs, changes of the network, and who is to be reached without a grant
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/attacks/probe.h"

/* ---- kinds of sockets ---- */

/* attack->arguments: family, type, protocol. A socket of it is all the attack needs. */
static void run_socket(const Attack *attack, Result *result) {
        const unsigned long *a = attack->arguments;

        result_judge_path(result, socket((int) a[0], (int) a[1] | SOCK_CLOEXEC, (int) a[2]));
        if (result->outcome == OUTCOME_THROUGH && result->errnum == EINVAL)
                result->outcome = OUTCOME_ABSENT; /* how a family says that it is not built in */
}

static void run_option(const Attack *attack, Result *result) {
        const unsigned long *a = attack->arguments;
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), value = (int) a[2];

        result_judge_path(result, setsockopt(fd, (int) a[0], (int) a[1], &value, sizeof value));
}

static void run_bind_device(const Attack *attack, Result *result) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        struct ifreq link = { .ifr_name = "lo", .ifr_flags = IFF_UP };

        (void) attack;
        result_judge(result, ioctl(fd, SIOCSIFFLAGS, &link));
}

/* The kernel's answer to one request of rtnetlink(7), as a negative errno. */
static int ask_route(void *request, size_t size) {
        int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
        char answer[4096];
        const struct nlmsghdr *header = (const struct nlmsghdr *) answer;
        const struct nlmsgerr *error = NLMSG_DATA(header);
        ssize_t n;

        if (fd < 0 || send(fd, request, size, 0) < 0)
                return -errno;
        n = recv(fd, answer, sizeof answer, 0);
        if (n < (ssize_t) sizeof *header || header->nlmsg_type != NLMSG_ERROR)
                return -EBADMSG;
        return error->error;
}

/* attack->number: RTM_...; for the loopback, which is there. */
static void run_route(const Attack *attack, Result *result) {
        struct {
                struct nlmsghdr header;
                union {
                        struct ifinfomsg link;
                        struct ifaddrmsg address;
                        struct rtmsg route;
                } body;
                char attributes[64];
        } request = { .header.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE,
                      .header.nlmsg_type = (uint16_t) attack->number };
        struct rtattr *attribute = (struct rtattr *) request.attributes;
        int r;

        request.header.nlmsg_len = sizeof request;
        if (attack->number == RTM_NEWLINK) {
                request.body.link.ifi_index = 1;
                request.body.link.ifi_flags = request.body.link.ifi_change = IFF_UP;
        } else if (attack->number == RTM_NEWADDR) {
                request.body.address = (struct ifaddrmsg){ .ifa_family = AF_INET,
                                                           .ifa_prefixlen = 32,
                                                           .ifa_index = 1 };
                attribute->rta_len = RTA_LENGTH(4);
                attribute->rta_type = IFA_LOCAL;
                memcpy(RTA_DATA(attribute), "\177\0\0\2", 4);
        } else
                request.body.route = (struct rtmsg){ .rtm_family = AF_INET,
                                                     .rtm_table = RT_TABLE_MAIN,
                                                     .rtm_protocol = RTPROT_STATIC,
                                                     .rtm_type = RTN_BLACKHOLE };
        r = ask_route(&request, sizeof request);
        errno = -r;
        result_judge(result, r < 0 ? -1 : 0);
}

/* ---- whom we reach ---- */

/* An abstract name, from the variable or as it is. */
static void run_abstract(const Attack *attack, Result *result) {
        const char *name = attack->number ? attack->path : given(result, attack->path);
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        if (!name)
                return;
        memcpy(address.sun_path + 1, name, strnlen(name, sizeof address.sun_path - 2));
        if (connect(fd, (struct sockaddr *) &address,
                    (socklen_t) (offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name) +
                                 (attack->number ? 1 : 0))) < 0 &&
            errno == ECONNREFUSED)
                result_set(result, OUTCOME_REFUSED, errno, "nobody has that name here");
        else
                result_judge(result, 0);
}

static void run_unix_path(const Attack *attack, Result *result) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        (void) snprintf(address.sun_path, sizeof address.sun_path, "%s", attack->path);
        result_judge_path(result, connect(fd, (struct sockaddr *) &address, sizeof address));
}

/* Connects within a second; the variable (NULL = attack->number) is a port. */
static int connect_to(const struct sockaddr *address, socklen_t size) {
        int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), errnum = 0;
        struct pollfd ready = { .fd = fd, .events = POLLOUT };
        socklen_t errnum_size = sizeof errnum;

        if (fd < 0)
                return -errno;
        if (connect(fd, address, size) == 0)
                return 0;
        if (errno != EINPROGRESS)
                return -errno;
        if (poll(&ready, 1, 1000) != 1)
                return -ETIMEDOUT;
        (void) getsockopt(fd, SOL_SOCKET, SO_ERROR, &errnum, &errnum_size);
        return -errnum;
}

static void judge_connection(Result *result, int r) {
        if (r >= 0)
                result_set(result, OUTCOME_THROUGH, 0, "connected");
        else
                result_set(result, OUTCOME_REFUSED, -r, "%s", strerror(-r));
}

static void run_loopback(const Attack *attack, Result *result) {
        const char *port = attack->path ? given(result, attack->path) : "7777";
        struct sockaddr_in v4 = { .sin_family = AF_INET };

        if (!port)
                return;
        v4.sin_port = htons((uint16_t) strtoul(port, NULL, 10));
        v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        judge_connection(result, connect_to((struct sockaddr *) &v4, sizeof v4));
}

static void run_outside_v6(const Attack *attack, Result *result) {
        struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(80) };

        (void) inet_pton(AF_INET6, attack->path, &v6.sin6_addr);
        judge_connection(result, connect_to((struct sockaddr *) &v6, sizeof v6));
}

/* Where a datagram to there would leave, without sending one. */
static void run_route_to(const Attack *attack, Result *result) {
        struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(9) };
        int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

        (void) inet_pton(AF_INET, attack->path, &v4.sin_addr);
        judge_connection(result, connect(fd, (struct sockaddr *) &v4, sizeof v4) < 0 ? -errno : 0);
}

/* Interfaces beyond the loopback. */
static void run_interfaces(const Attack *attack, Result *result) {
        struct if_nameindex *all = if_nameindex();

        (void) attack;
        result_set(result, OUTCOME_REFUSED, 0, "the loopback only");
        for (struct if_nameindex *link = all; link && link->if_index != 0; link++)
                if (strcmp(link->if_name, "lo") != 0)
                        result_set(result, OUTCOME_THROUGH, 0, "%s", link->if_name);
        if (all)
                if_freenameindex(all);
}

#define SOCKET(id_, what_, wall_, ...)                                                                       \
        {                                                                                                    \
                .id = "socket." id_, .wall = wall_, .what = "make a socket: " what_, .run = run_socket,      \
                .arguments = {                                                                               \
                        __VA_ARGS__                                                                          \
                }                                                                                            \
        }
#define NETLINK_OF(id_, number_)                                                                             \
        SOCKET("netlink-" id_, "netlink, " id_, "seccomp", AF_NETLINK, SOCK_RAW, number_)
#define OPTION(id_, what_, ...)                                                                              \
        {                                                                                                    \
                .id = "option." id_, .wall = "privileges", .what = what_, .run = run_option, .arguments = {  \
                        __VA_ARGS__                                                                          \
                }                                                                                            \
        }

static const Attack attacks[] = {
        SOCKET("raw-icmp", "raw ICMP", "privileges", AF_INET, SOCK_RAW, IPPROTO_ICMP),
        SOCKET("raw-ip", "raw IP", "privileges", AF_INET, SOCK_RAW, IPPROTO_RAW),
        SOCKET("raw-v6", "raw ICMPv6, which spoofs routers", "privileges", AF_INET6, SOCK_RAW,
               IPPROTO_ICMPV6),
        SOCKET("packet", "packets", "seccomp", AF_PACKET, SOCK_RAW, 0),
        SOCKET("packet-datagram", "packets without headers", "seccomp", AF_PACKET, SOCK_DGRAM, 0),
        SOCKET("alg", "the kernel's ciphers", "seccomp", AF_ALG, SOCK_SEQPACKET, 0),
        SOCKET("vsock", "the hypervisor", "seccomp", AF_VSOCK, SOCK_STREAM, 0),
        SOCKET("key", "IPsec keys", "seccomp", AF_KEY, SOCK_RAW, 2),
        SOCKET("can", "the vehicle's bus", "seccomp", AF_CAN, SOCK_RAW, 1),
        SOCKET("bluetooth", "Bluetooth", "seccomp", AF_BLUETOOTH, SOCK_RAW, 1),
        SOCKET("tipc", "TIPC", "seccomp", AF_TIPC, SOCK_STREAM, 0),
        SOCKET("rds", "RDS", "seccomp", AF_RDS, SOCK_SEQPACKET, 0),
        SOCKET("xdp", "XDP", "seccomp", AF_XDP, SOCK_RAW, 0),
        SOCKET("qipcrtr", "Qualcomm's router", "seccomp", AF_QIPCRTR, SOCK_DGRAM, 0),
        SOCKET("ax25", "AX.25", "seccomp", AF_AX25, SOCK_DGRAM, 0),
        SOCKET("appletalk", "AppleTalk", "seccomp", AF_APPLETALK, SOCK_DGRAM, 0),
        SOCKET("pppox", "PPPoE", "seccomp", AF_PPPOX, SOCK_STREAM, 0),
        SOCKET("smc", "SMC", "seccomp", AF_SMC, SOCK_STREAM, 0),
        SOCKET("kcm", "KCM", "seccomp", AF_KCM, SOCK_DGRAM, 0),
        SOCKET("nfc", "NFC", "seccomp", AF_NFC, SOCK_SEQPACKET, 0),
        SOCKET("phonet", "Phonet", "seccomp", AF_PHONET, SOCK_DGRAM, 0),
        SOCKET("sctp", "SCTP", "seccomp", AF_INET, SOCK_SEQPACKET, IPPROTO_SCTP),
        SOCKET("dccp", "DCCP", "seccomp", AF_INET, SOCK_DCCP, IPPROTO_DCCP),
        NETLINK_OF("audit", NETLINK_AUDIT),
        NETLINK_OF("netfilter", NETLINK_NETFILTER),
        NETLINK_OF("xfrm", NETLINK_XFRM),
        NETLINK_OF("selinux", NETLINK_SELINUX),
        NETLINK_OF("connector", NETLINK_CONNECTOR),
        NETLINK_OF("crypto", NETLINK_CRYPTO),
        NETLINK_OF("diag", NETLINK_SOCK_DIAG),
        NETLINK_OF("scsi", NETLINK_SCSITRANSPORT),
        NETLINK_OF("iscsi", NETLINK_ISCSI),
        NETLINK_OF("rdma", NETLINK_RDMA),
        NETLINK_OF("generic", NETLINK_GENERIC),
        { "route.link", "privileges", "change a network interface", run_route, .number = RTM_NEWLINK },
        { "route.address", "privileges", "add an address", run_route, .number = RTM_NEWADDR },
        { "route.route", "privileges", "add a route", run_route, .number = RTM_NEWROUTE },
        { "route.flags", "privileges", "change an interface the old way", run_bind_device },
        OPTION("mark", "mark our packets for the firewall", SOL_SOCKET, SO_MARK, 1),
        OPTION("priority", "send before everybody else", SOL_SOCKET, SO_PRIORITY, 7),
        OPTION("receive-buffer", "force a larger buffer", SOL_SOCKET, SO_RCVBUFFORCE, 1 << 24),
        OPTION("transparent", "send from addresses of others", IPPROTO_IP, IP_TRANSPARENT, 1),
        OPTION("repair", "forge a TCP connection", IPPROTO_TCP, TCP_REPAIR, 1),
        OPTION("iptables", "change the firewall", IPPROTO_IP, 64, 0),
        { "reach.abstract", "network", "speak to an abstract socket of the host", run_abstract,
          .path = "ABSTRACT" },
        { "reach.neighbour", "network", "speak to an abstract socket of another sandbox", run_abstract,
          .path = "bulkhead-neighbour", .number = 1 },
        { "reach.loopback", "network", "connect to the host's loopback", run_loopback, .path = "TCP_PORT" },
        { "reach.neighbour-loopback", "network", "connect to another sandbox's loopback", run_loopback },
        { "reach.outside", "network", "find a route to the world", run_route_to, .path = "192.0.2.1" },
        { "reach.multicast", "network", "find a route to multicast", run_route_to, .path = "224.0.0.251" },
        { "reach.outside-v6", "network", "connect to the world by IPv6", run_outside_v6,
          .path = "2001:db8::1" },
        { "reach.interfaces", "network", "find an interface beyond the loopback", run_interfaces },
        { "reach.system-bus", "mounts", "speak to the host's system bus", run_unix_path,
          .path = "/run/dbus/system_bus_socket" },
        { "reach.journal", "mounts", "speak to the host's journal", run_unix_path,
          .path = "/run/systemd/journal/stdout" },
        { "reach.docker", "mounts", "speak to a container engine", run_unix_path,
          .path = "/run/docker.sock" },
};

const AttackList network_attacks = ATTACK_LIST(attacks);
