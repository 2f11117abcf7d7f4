/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "util/netlink.h"

#include <linux/if_addr.h>
#include <linux/if_bridge.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util/cleanup.h"

/* A pair of links with names, bridge and namespace has 150 bytes. */
#define REQUEST_MAX 512
/* An answer about one link: some 2 KiB, more with many addresses or VFs; longer ones are cut, and refused. */
#define ANSWER_MAX 32768

/* rtnetlink answers while we wait; only a broken kernel module would not. */
#define ANSWER_TIMEOUT_SEC 5

struct Netlink {
        int fd; /* owned */
        uint32_t serial;
};

/* A request as it grows. Attributes are 4-aligned (netlink(7)); nested ones are closed with their length. */
typedef struct Request {
        union {
                struct nlmsghdr header;
                uint8_t bytes[REQUEST_MAX];
        };
} Request;

static void request_init(Request *request, uint16_t type, uint16_t flags, const void *body, size_t size) {
        memset(request, 0, sizeof(*request));
        request->header.nlmsg_type = type;
        request->header.nlmsg_flags = (uint16_t) (NLM_F_REQUEST | flags);
        request->header.nlmsg_len = (uint32_t) NLMSG_LENGTH(size);
        memcpy(NLMSG_DATA(&request->header), body, size);
}

/* Room for @size bytes at the end. Every caller's sizes are bounded, so running over is a mistake of ours. */
static void *request_extend(Request *request, size_t size) {
        size_t at = NLMSG_ALIGN(request->header.nlmsg_len);

        g_assert(at + size <= sizeof(request->bytes));
        request->header.nlmsg_len = (uint32_t) (at + size);
        return request->bytes + at;
}

static struct rtattr *request_put(Request *request, uint16_t type, const void *value, size_t size) {
        struct rtattr *attribute = request_extend(request, RTA_LENGTH(size));

        attribute->rta_type = type;
        attribute->rta_len = (uint16_t) RTA_LENGTH(size);
        if (size > 0)
                memcpy(RTA_DATA(attribute), value, size);
        return attribute;
}

static void request_put_u32(Request *request, uint16_t type, uint32_t value) {
        (void) request_put(request, type, &value, sizeof(value));
}

static void request_put_string(Request *request, uint16_t type, const char *value) {
        (void) request_put(request, type, value, strlen(value) + 1);
}

static struct rtattr *request_begin(Request *request, uint16_t type) {
        return request_put(request, type, NULL, 0);
}

static void request_end(Request *request, struct rtattr *nested) {
        nested->rta_len = (uint16_t) (request->bytes + request->header.nlmsg_len - (uint8_t *) nested);
}

/* ---- the socket ---- */

int netlink_new(Netlink **ret, Error *error) {
        const struct timeval timeout = { .tv_sec = ANSWER_TIMEOUT_SEC };
        autofd int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
        Netlink *netlink;
        int yes = 1;

        if (fd < 0)
                return error_set_errnof(error, errno, "Cannot open a netlink socket");
        if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) < 0)
                return error_set_errnof(error, errno, "Cannot limit the time of a netlink socket");
        /* sentences instead of bare numbers (Linux 4.12), and no copy of the request in front of them */
        (void) setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &yes, sizeof(yes));
        (void) setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &yes, sizeof(yes));
        netlink = g_new0(Netlink, 1);
        netlink->fd = fd_steal(&fd);
        *ret = netlink;
        return 0;
}

void netlink_free(Netlink *netlink) {
        if (!netlink)
                return;
        netlink->fd = fd_close(netlink->fd);
        g_free(netlink);
}

/* The kernel's sentence in an acknowledgement; NULL if it has none. */
static const char *find_words(const struct nlmsghdr *header) {
        const struct nlmsgerr *ack = NLMSG_DATA(header);
        size_t skip = NLMSG_LENGTH(sizeof(*ack));
        int left;

        if (!(header->nlmsg_flags & NLM_F_ACK_TLVS))
                return NULL;
        if (!(header->nlmsg_flags & NLM_F_CAPPED))
                skip += NLMSG_ALIGN(ack->msg.nlmsg_len - sizeof(ack->msg));
        if (skip >= header->nlmsg_len)
                return NULL;
        left = (int) (header->nlmsg_len - skip);
        for (const struct rtattr *attribute = (const void *) ((const uint8_t *) header + skip);
             RTA_OK(attribute, left); attribute = RTA_NEXT(attribute, left)) {
                const char *words = RTA_DATA(attribute);
                size_t size = RTA_PAYLOAD(attribute);

                if ((attribute->rta_type & NLA_TYPE_MASK) == NLMSGERR_ATTR_MSG && size > 0 &&
                    words[size - 1] == '\0')
                        return words;
        }
        return NULL;
}

/* What is asked about a link. */
typedef struct LinkAnswer {
        unsigned index; /* 0 = none was found */
        bool is_bridge;
} LinkAnswer;

static const struct rtattr *find_attribute(const void *attributes, size_t size, uint16_t type) {
        int left = (int) size;

        for (const struct rtattr *attribute = attributes; RTA_OK(attribute, left);
             attribute = RTA_NEXT(attribute, left))
                if ((attribute->rta_type & NLA_TYPE_MASK) == type)
                        return attribute;
        return NULL;
}

static void read_link(const struct nlmsghdr *header, LinkAnswer *ret) {
        static const char bridge[] = "bridge";
        const struct ifinfomsg *body = NLMSG_DATA(header);
        const struct rtattr *info = find_attribute(IFLA_RTA(body), IFLA_PAYLOAD(header), IFLA_LINKINFO);
        const struct rtattr *kind =
                info ? find_attribute(RTA_DATA(info), RTA_PAYLOAD(info), IFLA_INFO_KIND) : NULL;

        ret->index = (unsigned) body->ifi_index;
        ret->is_bridge = kind && RTA_PAYLOAD(kind) >= sizeof(bridge) - 1 &&
                         memcmp(RTA_DATA(kind), bridge, sizeof(bridge) - 1) == 0;
}

/* What the kernel said about @serial: 1 if the answer is done with, 0 if more is to come. A refusal is given
 * as
 * @what with the kernel's reason. */
static int take_answer(const struct nlmsghdr *header, LinkAnswer *ret_link, const char *what, Error *error) {
        const struct nlmsgerr *ack = NLMSG_DATA(header);

        if (header->nlmsg_type == RTM_NEWLINK && ret_link &&
            header->nlmsg_len >= NLMSG_LENGTH(sizeof(struct ifinfomsg))) {
                read_link(header, ret_link);
                return 0;
        }
        if (header->nlmsg_type != NLMSG_ERROR)
                return 0;
        if (header->nlmsg_len < NLMSG_LENGTH(sizeof(*ack)))
                return error_set_errnof(error, EBADMSG, "%s", what);
        if (ack->error < 0) {
                const char *words = find_words(header);

                return words ? error_set_errnof(error, -ack->error, "%s (%s)", what, words)
                             : error_set_errnof(error, -ack->error, "%s", what);
        }
        return 1;
}

/* Sends the request and waits for its acknowledgement; @what is the sentence for a failure. */
static int call(Netlink *netlink, Request *request, LinkAnswer *ret_link, const char *what, Error *error) {
        g_autofree uint8_t *answer = g_malloc(ANSWER_MAX);
        struct sockaddr_nl sender;

        request->header.nlmsg_flags |= NLM_F_ACK;
        request->header.nlmsg_seq = ++netlink->serial;
        if (send(netlink->fd, request, request->header.nlmsg_len, 0) < 0)
                return error_set_errnof(error, errno, "%s", what);
        for (;;) {
                struct iovec vector = { .iov_base = answer, .iov_len = ANSWER_MAX };
                struct msghdr message = { .msg_name = &sender,
                                          .msg_namelen = sizeof(sender),
                                          .msg_iov = &vector,
                                          .msg_iovlen = 1 };
                ssize_t n = recvmsg(netlink->fd, &message, 0);
                unsigned left;
                int r;

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return error_set_errnof(error, errno == EAGAIN ? ETIMEDOUT : errno, "%s", what);
                if (message.msg_flags & MSG_TRUNC)
                        return error_set_errnof(error, EMSGSIZE, "%s", what);
                if (sender.nl_pid !=
                    0) /* another process may send to our address; only the kernel is believed */
                        continue;
                left = (unsigned) n;
                for (const struct nlmsghdr *header = (const void *) answer; NLMSG_OK(header, left);
                     header = NLMSG_NEXT(header, left)) {
                        if (header->nlmsg_seq != netlink->serial)
                                continue;
                        r = take_answer(header, ret_link, what, error);
                        if (r != 0)
                                return r < 0 ? r : 0;
                }
        }
}

bool netlink_has_ipv6(void) {
        return access("/proc/sys/net/ipv6", F_OK) == 0;
}

/* ---- links ---- */

static int check_name(const char *name, Error *error) {
        if (*name && strlen(name) < IFNAMSIZ)
                return 0;
        return error_setf(error, ERROR_INVALID_ARGS, "Link name '%s' has not 1 to %d characters", name,
                          IFNAMSIZ - 1);
}

static int find_link(Netlink *netlink, const char *name, LinkAnswer *ret, Error *error) {
        const struct ifinfomsg body = { .ifi_family = AF_UNSPEC };
        g_autofree char *what = g_strdup_printf("Cannot find the link '%s'", name);
        LinkAnswer answer = { 0 };
        Request request;
        int r;

        r = check_name(name, error);
        if (r < 0)
                return r;
        request_init(&request, RTM_GETLINK, 0, &body, sizeof(body));
        request_put_string(&request, IFLA_IFNAME, name);
        r = call(netlink, &request, &answer, what, error);
        if (r < 0)
                return r;
        if (answer.index == 0)
                return error_set_errnof(error, ENODEV, "%s", what);
        *ret = answer;
        return 0;
}

int netlink_link_find(Netlink *netlink, const char *name, unsigned *ret_index, Error *error) {
        LinkAnswer answer;
        int r;

        r = find_link(netlink, name, &answer, error);
        if (r < 0)
                return r;
        *ret_index = answer.index;
        return 0;
}

int netlink_bridge_find(Netlink *netlink, const char *name, unsigned *ret_index, Error *error) {
        LinkAnswer answer;
        int r;

        r = find_link(netlink, name, &answer, error);
        if (r < 0)
                return r;
        if (!answer.is_bridge)
                return error_setf(error, ERROR_INVALID_ARGS, "Link '%s' is no bridge, and a bridge was expected",
                                  name);
        *ret_index = answer.index;
        return 0;
}

int netlink_link_set_up(Netlink *netlink, unsigned index, bool up, Error *error) {
        const struct ifinfomsg body = { .ifi_family = AF_UNSPEC,
                                        .ifi_index = (int) index,
                                        .ifi_flags = up ? IFF_UP : 0,
                                        .ifi_change = IFF_UP };
        g_autofree char *what = g_strdup_printf("Cannot set link %u %s", index, up ? "up" : "down");
        Request request;

        request_init(&request, RTM_NEWLINK, 0, &body, sizeof(body));
        return call(netlink, &request, NULL, what, error);
}

int netlink_link_set_master(Netlink *netlink, unsigned index, unsigned master_index, Error *error) {
        const struct ifinfomsg body = { .ifi_family = AF_UNSPEC, .ifi_index = (int) index };
        g_autofree char *what = g_strdup_printf("Cannot put link %u on bridge %u", index, master_index);
        Request request;

        request_init(&request, RTM_NEWLINK, 0, &body, sizeof(body));
        request_put_u32(&request, IFLA_MASTER, master_index);
        return call(netlink, &request, NULL, what, error);
}

static void put_veth_peer(Request *request, const NetlinkVeth *veth) {
        const struct ifinfomsg body = { .ifi_family = AF_UNSPEC };
        /* the peer's attribute begins with an ifinfomsg of its own */
        struct rtattr *peer = request_put(request, VETH_INFO_PEER, &body, sizeof(body));

        request_put_string(request, IFLA_IFNAME, veth->peer_name);
        if (veth->peer_netns_fd >= 0)
                request_put_u32(request, IFLA_NET_NS_FD, (uint32_t) veth->peer_netns_fd);
        if (veth->peer_address)
                (void) request_put(request, IFLA_ADDRESS, veth->peer_address, ETH_ALEN);
        if (veth->mtu != 0)
                request_put_u32(request, IFLA_MTU, veth->mtu);
        request_end(request, peer);
}

int netlink_veth_create(Netlink *netlink, const NetlinkVeth *veth, Error *error) {
        const struct ifinfomsg body = { .ifi_family = AF_UNSPEC };
        g_autofree char *what = g_strdup_printf("Cannot make the links '%s' and '%s'", veth->name,
                                                veth->peer_name);
        struct rtattr *info, *data;
        Request request;
        int r;

        r = check_name(veth->name, error);
        if (r >= 0)
                r = check_name(veth->peer_name, error);
        if (r < 0)
                return r;
        request_init(&request, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &body, sizeof(body));
        request_put_string(&request, IFLA_IFNAME, veth->name);
        if (veth->master_index != 0)
                request_put_u32(&request, IFLA_MASTER, veth->master_index);
        if (veth->mtu != 0)
                request_put_u32(&request, IFLA_MTU, veth->mtu);
        info = request_begin(&request, IFLA_LINKINFO);
        request_put_string(&request, IFLA_INFO_KIND, "veth");
        data = request_begin(&request, IFLA_INFO_DATA);
        put_veth_peer(&request, veth);
        request_end(&request, data);
        request_end(&request, info);
        return call(netlink, &request, NULL, what, error);
}

/* ---- ports of a bridge ---- */

int netlink_port_set_flags(Netlink *netlink, unsigned index, NetlinkPortFlags flags, Error *error) {
        static const struct {
                NetlinkPortFlags flag;
                uint16_t attribute;
                bool when_set; /* what the attribute is with the flag */
        } table[] = {
                { NETLINK_PORT_ISOLATED, IFLA_BRPORT_ISOLATED, true },
                { NETLINK_PORT_LOCKED, IFLA_BRPORT_LOCKED, true },
                { NETLINK_PORT_NO_LEARNING, IFLA_BRPORT_LEARNING, false },
                { NETLINK_PORT_NO_FLOOD, IFLA_BRPORT_UNICAST_FLOOD, false },
                { NETLINK_PORT_NO_BPDU, IFLA_BRPORT_GUARD, true },
        };
        const struct ifinfomsg body = { .ifi_family = AF_BRIDGE, .ifi_index = (int) index };
        g_autofree char *what = g_strdup_printf("Cannot set up port %u of a bridge", index);
        struct rtattr *port;
        Request request;

        request_init(&request, RTM_SETLINK, 0, &body, sizeof(body));
        port = request_begin(&request, IFLA_PROTINFO | NLA_F_NESTED);
        for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
                uint8_t value = !!(flags & table[i].flag) == table[i].when_set;

                (void) request_put(&request, table[i].attribute, &value, sizeof(value));
        }
        request_end(&request, port);
        return call(netlink, &request, NULL, what, error);
}

int netlink_port_add_station(Netlink *netlink, unsigned index, const uint8_t *address, Error *error) {
        /* NUD_NOARP: stays, and is at that port; NUD_PERMANENT would be the bridge's own */
        const struct ndmsg body = { .ndm_family = AF_BRIDGE,
                                    .ndm_ifindex = (int) index,
                                    .ndm_state = NUD_NOARP,
                                    .ndm_flags = NTF_MASTER };
        g_autofree char *what = g_strdup_printf("Cannot add a station to port %u of a bridge", index);
        Request request;

        request_init(&request, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, &body, sizeof(body));
        (void) request_put(&request, NDA_LLADDR, address, ETH_ALEN);
        return call(netlink, &request, NULL, what, error);
}

/* ---- bridges ---- */

int netlink_bridge_create(Netlink *netlink, const char *name, Error *error) {
        const struct ifinfomsg body = { .ifi_family = AF_UNSPEC };
        g_autofree char *what = g_strdup_printf("Cannot make the bridge '%s'", name);
        struct rtattr *info;
        Request request;
        int r;

        r = check_name(name, error);
        if (r < 0)
                return r;
        request_init(&request, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &body, sizeof(body));
        request_put_string(&request, IFLA_IFNAME, name);
        info = request_begin(&request, IFLA_LINKINFO);
        request_put_string(&request, IFLA_INFO_KIND, "bridge");
        request_end(&request, info);
        return call(netlink, &request, NULL, what, error);
}

int netlink_link_destroy(Netlink *netlink, unsigned index, Error *error) {
        const struct ifinfomsg body = { .ifi_family = AF_UNSPEC, .ifi_index = (int) index };
        g_autofree char *what = g_strdup_printf("Cannot remove link %u", index);
        Request request;

        request_init(&request, RTM_DELLINK, 0, &body, sizeof(body));
        return call(netlink, &request, NULL, what, error);
}

/* ---- addresses and routes ---- */

static int check_family(int family, unsigned prefix_length, size_t *ret_size, Error *error) {
        if (family != AF_INET && family != AF_INET6)
                return error_setf(error, ERROR_INVALID_ARGS, "Address family %d is neither IPv4 nor IPv6",
                                  family);
        *ret_size = family == AF_INET ? 4 : 16;
        if (prefix_length > *ret_size * 8)
                return error_setf(error, ERROR_INVALID_ARGS, "Prefix length %u is above %zu", prefix_length,
                                  *ret_size * 8);
        return 0;
}

int netlink_address_add(Netlink *netlink, unsigned index, int family, const void *address,
                        unsigned prefix_length, Error *error) {
        struct ifaddrmsg body = { .ifa_family = (uint8_t) family,
                                  .ifa_prefixlen = (uint8_t) prefix_length,
                                  .ifa_flags = family == AF_INET6 ? IFA_F_NODAD : 0,
                                  .ifa_index = index };
        g_autofree char *what = g_strdup_printf("Cannot give an address to link %u", index);
        Request request;
        size_t size = 0;
        int r;

        r = check_family(family, prefix_length, &size, error);
        if (r < 0)
                return r;
        request_init(&request, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &body, sizeof(body));
        (void) request_put(&request, IFA_LOCAL, address, size);
        (void) request_put(&request, IFA_ADDRESS, address, size);
        return call(netlink, &request, NULL, what, error);
}

int netlink_route_add(Netlink *netlink, unsigned index, int family, const void *destination,
                      unsigned prefix_length, const void *next_hop, Error *error) {
        struct rtmsg body = { .rtm_family = (uint8_t) family,
                              .rtm_dst_len = (uint8_t) prefix_length,
                              .rtm_table = RT_TABLE_MAIN,
                              .rtm_protocol = RTPROT_STATIC,
                              .rtm_scope = next_hop ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK,
                              .rtm_type = RTN_UNICAST };
        g_autofree char *what = g_strdup_printf("Cannot add a route by link %u", index);
        Request request;
        size_t size = 0;
        int r;

        r = check_family(family, prefix_length, &size, error);
        if (r < 0)
                return r;
        if (!destination && prefix_length > 0)
                return error_setf(error, ERROR_INVALID_ARGS, "Default route with a prefix length of %u",
                                  prefix_length);
        request_init(&request, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, &body, sizeof(body));
        if (destination)
                (void) request_put(&request, RTA_DST, destination, size);
        if (next_hop)
                (void) request_put(&request, RTA_GATEWAY, next_hop, size);
        request_put_u32(&request, RTA_OIF, index);
        return call(netlink, &request, NULL, what, error);
}
