/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gateways/network-host.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "util/limits.h"

#define EXPECTED "expected '*', an address, a prefix or a host name"

static bool is_digits(const char *text) {
        size_t size = strlen(text);

        return size > 0 && strspn(text, "0123456789") == size;
}

/* An address alone, as inet_pton(3) has it: no shortened or octal numbers. AF_UNSPEC if it is none. */
static int address_parse(const char *text, uint8_t ret[16]) {
        int family = strchr(text, ':') ? AF_INET6 : AF_INET;

        memset(ret, 0, 16);
        return inet_pton(family, text, ret) == 1 ? family : AF_UNSPEC;
}

/* What has a colon and is neither an IPv6 address nor a prefix: each has a likely reason. */
static int colon_error(const JsonCursor *at, const char *text) {
        g_autofree char *before_colon = g_strndup(text, strcspn(text, ":"));
        g_autofree char *before_zone = g_strndup(text, strcspn(text, "%"));
        const char *rest = text + strlen(before_colon) + 1;
        uint8_t address[16];

        if (g_str_has_prefix(rest, "//"))
                return json_error(at, "'%s' is a URL, expected only its host; did you mean '%.*s'", text,
                                  (int) strcspn(rest + 2, "/:?#"), rest + 2);
        if (text[0] == '[')
                return json_error(
                        at, "'%s' has brackets, expected the IPv6 address without; a port goes to 'ports'",
                        text);
        if (is_digits(rest) && before_colon[0] != '\0')
                return json_error(
                        at, "'%s' has a port, expected the host alone; did you mean '%s' with \"ports\": %s",
                        text, before_colon, rest);
        if (strchr(text, '%') && address_parse(before_zone, address) != AF_UNSPEC)
                return json_error(at, "'%s' has a zone, expected the address alone; did you mean '%s'", text,
                                  before_zone);
        return json_error(at, "'%s' is not an IPv6 address", text);
}

/* "255.255.0.0" as "16"; other texts as they are. A mask with holes is no length and stays what it is. */
static char *length_from_mask(const char *text) {
        struct in_addr mask;
        uint32_t bits;
        int length;

        if (inet_pton(AF_INET, text, &mask) != 1)
                return g_strdup(text);
        bits = ntohl(mask.s_addr);
        length = bits == 0 ? 0 : 32 - __builtin_ctz(bits);
        if (bits != 0 && bits != UINT32_MAX << (32 - length))
                return g_strdup(text);
        return g_strdup_printf("%d", length);
}

static bool is_prefix_length(const char *text, unsigned max) {
        if (!is_digits(text) || strlen(text) > 3 || (text[0] == '0' && text[1] != '\0'))
                return false;
        return g_ascii_strtoull(text, NULL, 10) <= max;
}

static int read_prefix(const JsonCursor *at, const char *text, PlanPeer *ret) {
        g_auto(GStrv) parts = g_strsplit(text, "/", 2);
        g_autofree char *length = NULL, *normal = NULL, *better = NULL;
        g_auto(PlanPeer) network = { 0 };
        g_auto(Error) error = ERROR_NULL;
        uint8_t address[16];
        int family = address_parse(parts[0], address);
        unsigned n_bits = family == AF_INET ? 32 : 128;

        if (family == AF_UNSPEC)
                return json_error(at,
                                  "'%s' is not an address, expected a prefix like '192.168.1.0/24' or "
                                  "'fd00::/64'",
                                  parts[0]);
        length = family == AF_INET ? length_from_mask(parts[1]) : g_strdup(parts[1]);
        if (!is_prefix_length(length, n_bits))
                return json_error(at, "'%s' is not a prefix length, expected 0 to %u", parts[1], n_bits);
        normal = g_strdup_printf("%s/%s", parts[0], length);
        if (plan_peer_parse(normal, &network, &error) < 0)
                return json_error(at, "%s", error.message);
        if (memcmp(network.address, address, sizeof(address)) != 0) {
                better = plan_peer_format(&network);
                return json_error(at,
                                  "'%s' has bits set behind its prefix; did you mean '%s' for the network or "
                                  "'%s' for the host",
                                  text, better, parts[0]);
        }
        *ret = network;
        network = (PlanPeer){ 0 };
        return 0;
}

/* For what reads like a name and is none that can be followed. */
static int check_name(const JsonCursor *at, const char *text) {
        g_autofree char *ascii = NULL;
        g_auto(PlanPeer) peer = { 0 };

        if (strchr(text, ','))
                return json_error(
                        at, "'%s' is a list, expected one host; write one entry of 'allow' for each", text);
        if (strchr(text, '*') || strchr(text, '?'))
                return json_error(at, "'%s' is a pattern, and which names fit it cannot be known; " EXPECTED,
                                  text);
        if (g_str_is_ascii(text))
                return 0;
        ascii = g_hostname_to_ascii(text);
        if (ascii && plan_peer_parse(ascii, &peer, NULL) >= 0)
                return json_error(at, "'%s' is not ASCII; did you mean '%s'", text, ascii);
        return json_error(at, "'%s' is not ASCII, " EXPECTED, text);
}

/* An IPv6 address has two colons at least, and neither a slash behind one nor what is refused here. */
static bool has_wrong_colon(const char *text) {
        const char *colon = strchr(text, ':');

        return colon && (strstr(text, "://") || strpbrk(text, "[%") || !strchr(colon + 1, ':'));
}

int network_host_read(const JsonCursor *at, PlanPeer *ret) {
        g_auto(PlanPeer) peer = { 0 };
        g_auto(Error) error = ERROR_NULL;
        const char *text;
        int r;

        r = json_read_string(at, 0, PATH_SIZE_MAX, &text);
        if (r < 0)
                return r;
        if (text[0] == '\0')
                return json_error(at, "The host is empty, " EXPECTED);
        if (has_wrong_colon(text))
                return colon_error(at, text);
        if (strchr(text, '/'))
                return read_prefix(at, text, ret);
        if (strcmp(text, "*") != 0 && !strchr(text, ':') && check_name(at, text) < 0)
                return -EBADMSG;
        if (plan_peer_parse(text, &peer, &error) < 0)
                return json_error(at, "%s", error.message);
        *ret = peer;
        peer = (PlanPeer){ 0 };
        return 0;
}

bool network_host_is_loopback(const PlanPeer *peer) {
        static const uint8_t loopback[16] = { [15] = 1 };

        switch (peer->type) {
        case PLAN_PEER_IPV4:
                return peer->address[0] == 127 && peer->prefix >= 8;
        case PLAN_PEER_IPV6:
                return peer->prefix == 128 && memcmp(peer->address, loopback, sizeof(loopback)) == 0;
        case PLAN_PEER_HOST:
                return strcmp(peer->host, "localhost") == 0 || g_str_has_suffix(peer->host, ".localhost");
        case PLAN_PEER_ANY:
        default:
                return false;
        }
}
