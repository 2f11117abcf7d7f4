/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/shim/help.h"

#include <arpa/inet.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <sys/socket.h>

#include "tests/shim/packet.h"

#define TAG_MAGIC 0x424c4b48u
#define BODY_MAX  128
#define PACKET_MAX 256
#define FRAGMENT_ID 0x4242

typedef struct Body {
        uint8_t bytes[BODY_MAX];
        size_t size;
} Body;

static void put(Body *body, const void *bytes, size_t size) {
        assert_true(body->size + size <= sizeof(body->bytes));
        memcpy(body->bytes + body->size, bytes, size);
        body->size += size;
}

static void put_u16(Body *body, uint16_t value) {
        uint16_t bytes = htons(value);

        put(body, &bytes, sizeof(bytes));
}

static void put_u32(Body *body, uint32_t value) {
        uint32_t bytes = htonl(value);

        put(body, &bytes, sizeof(bytes));
}

/* RFC 1071 */
static uint32_t add_up(uint32_t sum, const void *bytes, size_t size) {
        const uint8_t *at = bytes;

        for (size_t i = 0; i + 1 < size; i += 2)
                sum += (uint32_t) at[i] << 8 | at[i + 1];
        if (size % 2 == 1)
                sum += (uint32_t) at[size - 1] << 8;
        return sum;
}

static uint16_t fold(uint32_t sum) {
        while (sum >> 16)
                sum = (sum & 0xffff) + (sum >> 16);
        return (uint16_t) ~sum;
}

static void parse(LeaseFamily family, const char *text, uint8_t *address) {
        assert_int_equal(inet_pton(lease_family_to_af(family), text, address), 1);
}

/* Over addresses, length and protocol too, but for ICMP of IPv4. */
static void fill_checksum(Body *body, const Packet *packet, size_t at) {
        size_t size = lease_family_size(packet->family);
        uint8_t from[16], to[16];
        uint32_t sum = 0;
        uint16_t value;

        parse(packet->family, packet->from, from);
        parse(packet->family, packet->to, to);
        if (packet->protocol != IPPROTO_ICMP)
                sum = add_up(add_up((uint32_t) body->size + packet->protocol, from, size), to, size);
        value = htons(fold(add_up(sum, body->bytes, body->size)));
        memcpy(body->bytes + at, &value, sizeof(value));
}

/* RFC 9260 appendix A: reflected, polynomial 0x1edc6f41, least significant byte first. */
static void fill_sctp_checksum(Body *body) {
        uint32_t crc = ~0u;

        for (size_t i = 0; i < body->size; i++) {
                crc ^= body->bytes[i];
                for (int bit = 0; bit < 8; bit++)
                        crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
        }
        crc = GUINT32_TO_LE(~crc);
        memcpy(body->bytes + 8, &crc, sizeof(crc));
}

static void make_tcp(Body *body, const Packet *packet) {
        put_u16(body, packet->from_port);
        put_u16(body, packet->to_port);
        put_u32(body, packet->tag);
        put_u32(body, 0);
        put_u16(body, 0x5002); /* five words, SYN */
        put_u16(body, 1024);
        put_u32(body, 0);
}

/* A chunk INIT, without which connection tracking knows nothing to begin. */
static void make_sctp(Body *body, const Packet *packet) {
        put_u16(body, packet->from_port);
        put_u16(body, packet->to_port);
        put_u32(body, 0);
        put_u32(body, 0);
        put_u32(body, 0x01000014);
        put_u32(body, packet->tag);
        put_u32(body, 1500);
        put_u32(body, 0x00010001);
        put_u32(body, 1);
}

static void make_udp(Body *body, const Packet *packet) {
        put_u16(body, packet->from_port);
        put_u16(body, packet->to_port);
        put_u16(body, 8 + 40);
        put_u16(body, 0);
}

static void make_icmp(Body *body, const Packet *packet) {
        put_u16(body, (uint16_t) (packet->to_port << 8)); /* type and code */
        put_u16(body, 0);
        put_u16(body, packet->from_port);
        put_u16(body, 1);
}

static void put_tag(Body *body, const Packet *packet) {
        static const uint8_t filling[32] = { 0 };

        put(body, filling, sizeof(filling));
        put_u32(body, TAG_MAGIC);
        put_u32(body, packet->tag);
}

static Body make_body(const Packet *packet) {
        Body body = { .size = 0 };

        if (packet->protocol == IPPROTO_TCP)
                make_tcp(&body, packet);
        else if (packet->protocol == IPPROTO_SCTP)
                make_sctp(&body, packet);
        else if (packet->protocol == IPPROTO_UDP)
                make_udp(&body, packet);
        else if (packet->protocol == IPPROTO_ICMP || packet->protocol == IPPROTO_ICMPV6)
                make_icmp(&body, packet);
        if (packet->protocol != IPPROTO_SCTP)
                put_tag(&body, packet);
        if (packet->protocol == IPPROTO_TCP)
                fill_checksum(&body, packet, 16);
        else if (packet->protocol == IPPROTO_UDP)
                fill_checksum(&body, packet, 6);
        else if (packet->protocol == IPPROTO_ICMP || packet->protocol == IPPROTO_ICMPV6)
                fill_checksum(&body, packet, 2);
        else if (packet->protocol == IPPROTO_SCTP)
                fill_sctp_checksum(&body);
        return body;
}

/* ---- the header in front ---- */

static size_t make_ipv4(uint8_t *at, const Packet *packet, size_t size, uint16_t offset) {
        bool has_options = packet->form == PACKET_EXTENDED;
        struct iphdr header = { .version = 4,
                                .ihl = has_options ? 6 : 5,
                                .ttl = 64,
                                .protocol = packet->protocol,
                                .id = htons(FRAGMENT_ID),
                                .frag_off = htons(offset) };
        static const uint8_t options[] = { 1, 1, 1, 0 }; /* nothing, and the end */

        parse(LEASE_IPV4, packet->from, (uint8_t *) &header.saddr);
        parse(LEASE_IPV4, packet->to, (uint8_t *) &header.daddr);
        header.tot_len = htons((uint16_t) (4u * header.ihl + size));
        memcpy(at, &header, sizeof(header));
        memcpy(at + sizeof(header), options, has_options ? sizeof(options) : 0);
        return 4u * header.ihl;
}

static size_t make_ipv6(uint8_t *at, const Packet *packet, size_t size, uint16_t offset) {
        struct ip6_hdr header = { .ip6_hlim = 64, .ip6_nxt = packet->protocol };
        struct ip6_frag fragment = { .ip6f_nxt = packet->protocol, .ip6f_ident = htonl(packet->tag) };
        const uint8_t extension[8] = { packet->protocol, 0, 1, 4 }; /* padding of four */
        size_t extra = packet->form == PACKET_WHOLE ? 0 : 8;

        if (packet->form == PACKET_FRAGMENTS)
                header.ip6_nxt = IPPROTO_FRAGMENT;
        else if (packet->form == PACKET_EXTENDED)
                header.ip6_nxt = IPPROTO_DSTOPTS;
        header.ip6_flow = htonl(6u << 28);
        header.ip6_plen = htons((uint16_t) (size + extra));
        parse(LEASE_IPV6, packet->from, (uint8_t *) &header.ip6_src);
        parse(LEASE_IPV6, packet->to, (uint8_t *) &header.ip6_dst);
        memcpy(at, &header, sizeof(header));
        /* the offset is in units of 8, above a bit for "more" and two of nothing */
        fragment.ip6f_offlg = htons((uint16_t) ((offset & 0x1fff) << 3 | (offset & IP_MF ? 1 : 0)));
        if (packet->form == PACKET_FRAGMENTS)
                memcpy(at + sizeof(header), &fragment, extra);
        else if (packet->form == PACKET_EXTENDED)
                memcpy(at + sizeof(header), extension, extra);
        return sizeof(header) + extra;
}

static bool send_part(int fd, const Packet *packet, const uint8_t *body, size_t size, uint16_t offset) {
        struct sockaddr_in6 to6 = { .sin6_family = AF_INET6 };
        struct sockaddr_in to4 = { .sin_family = AF_INET };
        bool is_ipv4 = packet->family == LEASE_IPV4;
        uint8_t whole[PACKET_MAX];
        size_t at = is_ipv4 ? make_ipv4(whole, packet, size, offset) : make_ipv6(whole, packet, size, offset);
        ssize_t n;

        memcpy(whole + at, body, size);
        parse(packet->family, packet->to, is_ipv4 ? (uint8_t *) &to4.sin_addr : (uint8_t *) &to6.sin6_addr);
        n = sendto(fd, whole, at + size, 0, is_ipv4 ? (void *) &to4 : (void *) &to6,
                   is_ipv4 ? sizeof(to4) : sizeof(to6));
        if (n < 0 && errno != EPERM && errno != EINVAL && errno != ENETUNREACH)
                fail_msg("cannot send from %s to %s: %s", packet->from, packet->to, g_strerror(errno));
        return n >= 0;
}

bool packet_send(int fd, const Packet *packet) {
        Body body = make_body(packet);

        if (packet->form != PACKET_FRAGMENTS)
                return send_part(fd, packet, body.bytes, body.size, 0);
        /* 8 bytes: ports, and nothing more of UDP */
        return send_part(fd, packet, body.bytes, 8, IP_MF) &&
               send_part(fd, packet, body.bytes + 8, body.size - 8, 1);
}

int packet_open_sender(LeaseFamily family) {
        int fd = socket(lease_family_to_af(family), SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);

        assert_true(fd >= 0);
        return fd;
}

int packet_open_receiver(LeaseFamily family, uint8_t protocol) {
        int fd = socket(lease_family_to_af(family), SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);

        assert_true(fd >= 0);
        return fd;
}

/* The tag is at the end, but for TCP's and SCTP's own place, which TCP has as well. */
bool packet_receive(int fd, uint32_t *ret_tag) {
        uint8_t bytes[2048];
        ssize_t n = recv(fd, bytes, sizeof(bytes), 0);
        uint32_t magic, tag;

        *ret_tag = 0;
        if (n < 0)
                return false;
        if (n < 8)
                return true;
        memcpy(&magic, bytes + n - 8, sizeof(magic));
        memcpy(&tag, bytes + n - 4, sizeof(tag));
        if (ntohl(magic) == TAG_MAGIC)
                *ret_tag = ntohl(tag);
        else if (n >= 16) { /* of SCTP: 16 bytes before the end */
                memcpy(&tag, bytes + n - 16, sizeof(tag));
                *ret_tag = ntohl(tag);
        }
        return true;
}
