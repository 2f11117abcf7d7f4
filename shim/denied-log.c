/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "shim/denied-log.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_log.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "shim/ruleset.h"
#include "util/cleanup.h"

/* Headers of IPv6 with some extensions, and ports. */
#define COPY_BYTES 160
#define ANSWER_MAX 4096
/* Packets read in one round of the loop; the rest waits for the next. */
#define PACKETS_MAX 32

struct DeniedLog {
        int fd;             /* owned */
        LoopSource *source; /* owned */
        ShimReport *report; /* not owned */
};

/* ---- a packet ---- */

static uint16_t read_u16(const uint8_t *at) {
        return (uint16_t) (at[0] << 8 | at[1]);
}

static const char *protocol_name(uint8_t protocol) {
        switch (protocol) {
        case IPPROTO_TCP:
                return "tcp";
        case IPPROTO_UDP:
                return "udp";
        case IPPROTO_SCTP:
                return "sctp";
        case IPPROTO_ICMP:
                return "icmp";
        case IPPROTO_ICMPV6:
                return "icmpv6";
        default:
                return NULL;
        }
}

/* Where the header behind those of IPv6 begins, or 0; *protocol is what it is. RFC 8200 section 4. */
static size_t skip_extensions(const uint8_t *bytes, size_t size, uint8_t *protocol) {
        size_t at = 40;

        *protocol = bytes[6];
        while (*protocol == IPPROTO_HOPOPTS || *protocol == IPPROTO_ROUTING || *protocol == IPPROTO_DSTOPTS ||
               *protocol == IPPROTO_FRAGMENT) {
                bool is_fragment = *protocol == IPPROTO_FRAGMENT;

                if (at + 8 > size)
                        return 0;
                *protocol = bytes[at];
                at += is_fragment ? 8 : 8u * (bytes[at + 1] + 1u);
        }
        return at;
}

int denied_log_read_packet(const uint8_t *bytes, size_t size, bool is_incoming, ShimDenied *ret) {
        bool is_ipv4 = size >= 20 && bytes[0] >> 4 == 4, is_ipv6 = size >= 40 && bytes[0] >> 4 == 6;
        char address[INET6_ADDRSTRLEN];
        uint8_t protocol;
        const char *name;
        size_t at;

        if (!is_ipv4 && !is_ipv6)
                return -EBADMSG;
        protocol = bytes[9];
        at = is_ipv4 ? 4u * (bytes[0] & 15u) : skip_extensions(bytes, size, &protocol);
        (void) inet_ntop(is_ipv4 ? AF_INET : AF_INET6,
                         bytes + (is_ipv4 ? (is_incoming ? 12 : 16) : (is_incoming ? 8 : 24)), address,
                         sizeof(address));
        name = protocol_name(protocol);
        *ret = (ShimDenied){ .gateway = g_strdup("network"),
                             .target = g_strdup(address),
                             .detail = g_strdup(is_incoming ? "From outside" : "To outside"),
                             .count = 1,
                             .protocol = name ? g_strdup(name) : g_strdup_printf("%u", protocol) };
        if ((protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_SCTP) && at >= 20 &&
            at + 4 <= size)
                ret->port = read_u16(bytes + at + 2);
        return 0;
}

/* ---- the kernel's messages ---- */

static void take_packet(DeniedLog *log, const struct nlmsghdr *header) {
        const uint8_t *payload = NULL;
        size_t payload_size = 0;
        bool is_incoming = false;

        for (size_t at = NLMSG_LENGTH(sizeof(struct nfgenmsg)); at + NLA_HDRLEN <= header->nlmsg_len;) {
                const struct nlattr *attribute = (const void *) ((const uint8_t *) header + at);
                const uint8_t *value = (const uint8_t *) attribute + NLA_HDRLEN;

                if (attribute->nla_len < NLA_HDRLEN || at + attribute->nla_len > header->nlmsg_len)
                        break;
                if ((attribute->nla_type & NLA_TYPE_MASK) == NFULA_PAYLOAD) {
                        payload = value;
                        payload_size = attribute->nla_len - (size_t) NLA_HDRLEN;
                } else if ((attribute->nla_type & NLA_TYPE_MASK) == NFULA_PACKET_HDR &&
                           attribute->nla_len >= NLA_HDRLEN + sizeof(struct nfulnl_msg_packet_hdr))
                        is_incoming = ((const struct nfulnl_msg_packet_hdr *) value)->hook == NF_INET_LOCAL_IN;
                at += NLA_ALIGN(attribute->nla_len);
        }
        if (payload) {
                g_auto(ShimDenied) denied = { 0 };

                if (denied_log_read_packet(payload, payload_size, is_incoming, &denied) >= 0)
                        report_denied(log->report, &denied);
        }
}

static void on_packets(void *userdata, short revents G_GNUC_UNUSED) {
        DeniedLog *log = userdata;
        union {
                struct nlmsghdr header;
                uint8_t bytes[ANSWER_MAX];
        } answer;

        for (unsigned i = 0; i < PACKETS_MAX; i++) {
                ssize_t n = recv(log->fd, &answer, sizeof(answer), MSG_DONTWAIT);
                unsigned left;

                if (n < 0)
                        return; /* nothing more, or some were lost: more than are told anyway */
                left = (unsigned) n;
                for (const struct nlmsghdr *header = &answer.header; NLMSG_OK(header, left);
                     header = NLMSG_NEXT(header, left))
                        if (header->nlmsg_type == (NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_PACKET))
                                take_packet(log, header);
        }
}

/* ---- the group ---- */

typedef struct Config {
        struct nlmsghdr header;
        struct nfgenmsg body;
        struct nlattr attribute;
        uint8_t value[8];
} Config;

/* One attribute in one request; 0 or the kernel's errno. */
static int configure(int fd, uint16_t type, const void *value, size_t size) {
        Config config = { .header = { .nlmsg_len = (uint32_t) (G_STRUCT_OFFSET(Config, value) + NLA_ALIGN(size)),
                                      .nlmsg_type = NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_CONFIG,
                                      .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK },
                          .body = { .nfgen_family = AF_UNSPEC,
                                    .version = NFNETLINK_V0,
                                    .res_id = htons(RULESET_LOG_GROUP) },
                          .attribute = { .nla_len = (uint16_t) (NLA_HDRLEN + size), .nla_type = type } };
        union {
                struct nlmsghdr header;
                uint8_t bytes[ANSWER_MAX];
        } answer;
        ssize_t n;

        memcpy(config.value, value, size);
        if (send(fd, &config, config.header.nlmsg_len, 0) < 0)
                return -errno;
        do
                n = recv(fd, &answer, sizeof(answer), 0);
        while (n >= (ssize_t) sizeof(answer.header) && answer.header.nlmsg_type != NLMSG_ERROR);
        if (n < (ssize_t) NLMSG_LENGTH(sizeof(struct nlmsgerr)))
                return n < 0 ? -errno : -EBADMSG;
        return ((const struct nlmsgerr *) NLMSG_DATA(&answer.header))->error;
}

static int open_group(int fd) {
        const struct nfulnl_msg_config_cmd bind_group = { .command = NFULNL_CFG_CMD_BIND };
        const struct nfulnl_msg_config_mode mode = { .copy_range = htonl(COPY_BYTES),
                                                     .copy_mode = NFULNL_COPY_PACKET };
        const uint32_t one = htonl(1);
        const struct timeval timeout = { .tv_sec = 5 };
        int r;

        if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) < 0)
                return -errno;
        r = configure(fd, NFULA_CFG_CMD, &bind_group, sizeof(bind_group));
        if (r >= 0)
                r = configure(fd, NFULA_CFG_MODE, &mode, sizeof(mode));
        /* at once, not when a hundred have come together */
        return r < 0 ? r : configure(fd, NFULA_CFG_QTHRESH, &one, sizeof(one));
}

int denied_log_new(Loop *loop, ShimReport *report, DeniedLog **ret, Error *error) {
        autofd int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
        DeniedLog *log;
        int r;

        r = fd < 0 ? -errno : open_group(fd);
        if (r < 0)
                return error_set_errnof(error, -r, "Cannot hear of packets that are refused");
        log = g_new0(DeniedLog, 1);
        log->fd = fd_steal(&fd);
        log->report = report;
        log->source = loop_add_fd(loop, LOOP_RANK_NORMAL, log->fd, POLLIN, on_packets, log);
        *ret = log;
        return 0;
}

void denied_log_free(DeniedLog *log) {
        if (!log)
                return;
        loop_source_free(log->source);
        log->fd = fd_close(log->fd);
        g_free(log);
}
