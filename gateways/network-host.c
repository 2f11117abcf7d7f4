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

static bool is_address(const char *text, PlanPeer *ret) {
        if (strchr(text, '/') || plan_peer_parse(text, ret, NULL) < 0)
                return false;
        if (ret->type == PLAN_PEER_IPV4 || ret->type == PLAN_PEER_IPV6)
                return true;
        plan_peer_clear(ret);
        return false;
}

/* What has a colon and is neither an IPv6 address nor a prefix: each has a likely reason. */
static int colon_error(const JsonCursor *at, const char *text) {
        g_autofree char *before_colon = g_strndup(text, strcspn(text, ":"));
        g_autofree char *before_zone = g_strndup(text, strcspn(text, "%"));
        const char *rest = text + strlen(before_colon) + 1;
        g_auto(PlanPeer) peer = { 0 };

        if (g_str_has_prefix(rest, "//"))
                return json_error(at, "'%s' is a URL, expected only its host; did you mean '%.*s'", text,
                                  (int) strcspn(rest + 2, "/:?#"), rest + 2);
        if (text[0] == '[')
                return json_error(at, "'%s' has brackets, expected the IPv6 address without; a port goes to 'ports'",
                                  text);
        if (is_digits(rest) && before_colon[0] != '\0')
                return json_error(at, "'%s' has a port, expected the host alone; did you mean '%s' with \"ports\": %s",
                                  text, before_colon, rest);
        if (strchr(text, '%') && is_address(before_zone, &peer))
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

static bool is_prefix_length(const char *text, const PlanPeer *network) {
        if (!is_digits(text) || strlen(text) > 3 || (text[0] == '0' && text[1] != '\0'))
                return false;
        return g_ascii_strtoull(text, NULL, 10) <= (network->type == PLAN_PEER_IPV4 ? 32 : 128);
}

static int read_prefix(const JsonCursor *at, const char *text, PlanPeer *ret) {
        g_auto(GStrv) parts = g_strsplit(text, "/", 2);
        g_autofree char *length = NULL, *normal = NULL, *better = NULL;
        g_auto(PlanPeer) address = { 0 }, network = { 0 };
        g_auto(Error) error = ERROR_NULL;

        if (!is_address(parts[0], &address))
                return json_error(at, "'%s' is not an address, expected a prefix like '192.168.1.0/24' or "
                                  "'fd00::/64'", parts[0]);
        length = address.type == PLAN_PEER_IPV4 ? length_from_mask(parts[1]) : g_strdup(parts[1]);
        if (!is_prefix_length(length, &address))
                return json_error(at, "'%s' is not a prefix length, expected 0 to %d", parts[1],
                                  address.type == PLAN_PEER_IPV4 ? 32 : 128);
        normal = g_strdup_printf("%s/%s", parts[0], length);
        if (plan_peer_parse(normal, &network, &error) < 0)
                return json_error(at, "%s", error.message);
        if (memcmp(network.address, address.address, sizeof(network.address)) != 0) {
                better = plan_peer_format(&network);
                return json_error(at, "'%s' has bits set behind its prefix; did you mean '%s' for the network or "
                                  "'%s' for the host", text, better, parts[0]);
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
                return json_error(at, "'%s' is a list, expected one host; write one entry of 'allow' for each", text);
        if (strchr(text, '*') || strchr(text, '?'))
                return json_error(at, "'%s' is a pattern, and which names fit it cannot be known; " EXPECTED, text);
        if (g_str_is_ascii(text))
                return 0;
        ascii = g_hostname_to_ascii(text);
        if (ascii && plan_peer_parse(ascii, &peer, NULL) >= 0)
                return json_error(at, "'%s' is not ASCII; did you mean '%s'", text, ascii);
        return json_error(at, "'%s' is not ASCII, " EXPECTED, text);
}

/* Packets come from and go to hosts; none has this address, so it was meant to be something else. */
static int check_unspecified(const JsonCursor *at, const char *text, const PlanPeer *peer) {
        static const uint8_t zero[sizeof(peer->address)];
        bool is_address = peer->type == PLAN_PEER_IPV4 || peer->type == PLAN_PEER_IPV6;

        if (!is_address || peer->prefix == 0 || memcmp(peer->address, zero, sizeof(zero)) != 0)
                return 0;
        return json_error(at, "No host has the address '%s', expected '*' for any host or '%s/0' for any of this "
                          "family", text, text);
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
        if (strchr(text, '/') && !strstr(text, "://"))
                return read_prefix(at, text, ret);
        if (strchr(text, ':') && (strchr(text, '%') || !strchr(strchr(text, ':') + 1, ':')))
                return colon_error(at, text);
        if (strcmp(text, "*") != 0 && !strchr(text, ':') && check_name(at, text) < 0)
                return -EBADMSG;
        if (plan_peer_parse(text, &peer, &error) < 0)
                return strstr(text, "://") || text[0] == '[' ? colon_error(at, text)
                                                             : json_error(at, "%s", error.message);
        if (check_unspecified(at, text, &peer) < 0)
                return -EBADMSG;
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
