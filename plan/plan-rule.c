/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What may pass a link
 */
#include <arpa/inet.h>
#include <string.h>

#include "plan/plan-private.h"
#include "util/enum-table.h"
#include "util/limits.h"

static const char *const plan_direction_names[_PLAN_DIRECTION_MAX] = {
        [PLAN_OUTGOING] = "out",
        [PLAN_INCOMING] = "in",
};

ENUM_TABLE_DEFINE(plan_direction, PlanDirection, _PLAN_DIRECTION_MAX)

static const char *const plan_protocol_names[_PLAN_PROTOCOL_MAX] = {
        [PLAN_PROTOCOL_ANY] = "any",   [PLAN_PROTOCOL_TCP] = "tcp",   [PLAN_PROTOCOL_UDP] = "udp",
        [PLAN_PROTOCOL_SCTP] = "sctp", [PLAN_PROTOCOL_ICMP] = "icmp", [PLAN_PROTOCOL_ICMPV6] = "icmpv6",
};

ENUM_TABLE_DEFINE(plan_protocol, PlanProtocol, _PLAN_PROTOCOL_MAX)

/* ---- peers ---- */

static int peer_refuse(const char *text, const char *why, Error *error) {
        g_autofree char *shown = plan_text_excerpt(text);

        return error_setf(error, ERROR_INVALID_ARGS, "Peer '%s' %s", shown, why);
}

void plan_peer_clear(PlanPeer *peer) {
        g_free(peer->host);
        *peer = (PlanPeer){ 0 };
}

static void peer_copy(PlanPeer *to, const PlanPeer *from) {
        *to = *from;
        to->host = g_strdup(from->host);
}

static bool peer_is_equal(const PlanPeer *a, const PlanPeer *b) {
        return a->type == b->type && a->prefix == b->prefix &&
               memcmp(a->address, b->address, sizeof(a->address)) == 0 && g_strcmp0(a->host, b->host) == 0;
}

char *plan_peer_format(const PlanPeer *peer) {
        char address[INET6_ADDRSTRLEN];
        bool is_ipv4 = peer->type == PLAN_PEER_IPV4;

        switch (peer->type) {
        case PLAN_PEER_ANY:
                return g_strdup("*");
        case PLAN_PEER_HOST:
                return g_strdup(peer->host);
        case PLAN_PEER_IPV4:
        case PLAN_PEER_IPV6:
                break;
        }
        (void) inet_ntop(is_ipv4 ? AF_INET : AF_INET6, peer->address, address, sizeof(address));
        if (peer->prefix == (is_ipv4 ? 32 : 128))
                return g_strdup(address);
        return g_strdup_printf("%s/%u", address, peer->prefix);
}

static void peer_clear_host_bits(PlanPeer *peer) {
        for (unsigned bit = peer->prefix; bit < 8 * sizeof(peer->address); bit++)
                peer->address[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
}

/* @address is what stands before the '/', @slash the '/' or NULL. */
static int parse_address(const char *text, const char *address, const char *slash, PlanPeer *ret,
                         Error *error) {
        static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
        static const uint8_t nobody[16] = { 0 };
        unsigned n_bits = ret->type == PLAN_PEER_IPV4 ? 32 : 128;
        guint64 prefix = n_bits;

        if (slash && !g_ascii_string_to_unsigned(slash + 1, 10, 0, n_bits, &prefix, NULL))
                return peer_refuse(text,
                                   n_bits == 32 ? "has no prefix from 0 to 32 behind its '/'"
                                                : "has no prefix from 0 to 128 behind its '/'",
                                   error);
        if (inet_pton(n_bits == 32 ? AF_INET : AF_INET6, address, ret->address) != 1)
                return peer_refuse(text, "is not an address", error);
        ret->prefix = (unsigned) prefix;
        if (n_bits == 128 && prefix >= 96 && memcmp(ret->address, mapped, sizeof(mapped)) == 0)
                return peer_refuse(text,
                                   "is an IPv4 address in IPv6 form, which no packet has: write it as IPv4",
                                   error);
        peer_clear_host_bits(ret);
        if (prefix == n_bits && memcmp(ret->address, nobody, sizeof(nobody)) == 0)
                return peer_refuse(text, "is the address of nobody, '*' is anybody", error);
        return 0;
}

static int host_check(const char *host, Error *error) {
        const char *label = host;

        if (strlen(host) > DNS_NAME_MAX)
                return peer_refuse(host, "is longer than a host name can be", error);
        for (;;) {
                size_t n = strcspn(label, ".");

                if (n == 0 || n > 63)
                        return peer_refuse(host, "has a part that is not 1 to 63 characters long", error);
                if (label[0] == '-' || label[n - 1] == '-')
                        return peer_refuse(host, "has a part that starts or ends with '-'", error);
                for (size_t i = 0; i < n; i++)
                        if (!g_ascii_isalnum(label[i]) && !strchr("-_", label[i]))
                                return peer_refuse(host,
                                                   "is no '*', no IPv4 or IPv6 address, no address with a "
                                                   "prefix and no host name",
                                                   error);
                if (label[n] == '\0')
                        break;
                label += n + 1;
        }
        /* RFC 3696 section 2: no top-level domain is a number. inet_aton(3) would read some of these. */
        if (label[strspn(label, "0123456789")] == '\0' || g_ascii_strncasecmp(label, "0x", 2) == 0)
                return peer_refuse(host, "is neither an address nor a host name", error);
        return 0;
}

static int parse_host(const char *text, PlanPeer *ret, Error *error) {
        g_autofree char *host = g_ascii_strdown(text, -1);
        size_t n = strlen(host);
        int r;

        if (n > 1 && host[n - 1] == '.')
                host[n - 1] = '\0';
        r = host_check(host, error);
        if (r < 0)
                return r;
        ret->host = g_steal_pointer(&host);
        return 0;
}

int plan_peer_parse(const char *text, PlanPeer *ret, Error *error) {
        const char *slash = strchr(text, '/');
        g_autofree char *address = g_strndup(text, slash ? (size_t) (slash - text) : strlen(text));
        g_auto(PlanPeer) peer = { 0 };
        int r = 0;

        if (!text[0])
                return error_setf(error, ERROR_INVALID_ARGS, "Peer is empty, '*' is anybody");
        if (strchr(address, ':'))
                peer.type = PLAN_PEER_IPV6;
        else if (slash || address[strspn(address, "0123456789.")] == '\0')
                peer.type = PLAN_PEER_IPV4;
        else if (strcmp(text, "*") != 0)
                peer.type = PLAN_PEER_HOST;

        if (peer.type == PLAN_PEER_HOST)
                r = parse_host(text, &peer, error);
        else if (peer.type != PLAN_PEER_ANY)
                r = parse_address(text, address, slash, &peer, error);
        if (r < 0)
                return r;
        *ret = peer;
        peer = (PlanPeer){ 0 };
        return 0;
}

/* ---- ports ---- */

static const PlanPortRange *ports_get(const GArray *ports, guint i) {
        return &g_array_index(ports, PlanPortRange, i);
}

static GArray *ports_copy(const GArray *ports) {
        GArray *copy;

        if (!ports)
                return NULL;
        copy = g_array_sized_new(FALSE, FALSE, sizeof(PlanPortRange), ports->len);
        return g_array_append_vals(copy, ports->data, ports->len);
}

/* Sorted already but for the new one at its place: takes in what it touches. */
static void ports_insert(GArray *ports, PlanPortRange range) {
        guint at = 0;

        while (at < ports->len && ports_get(ports, at)->last + 1 < range.first)
                at++;
        while (at < ports->len && ports_get(ports, at)->first <= range.last + 1) {
                range.first = MIN(range.first, ports_get(ports, at)->first);
                range.last = MAX(range.last, ports_get(ports, at)->last);
                g_array_remove_index(ports, at);
        }
        g_array_insert_val(ports, at, range);
}

int plan_ports_add(GArray **ports, unsigned first, unsigned last, Error *error) {
        g_autoptr(GArray) wider = NULL;

        if (first < 1 || last > UINT16_MAX || first > UINT16_MAX)
                return error_setf(error, ERROR_INVALID_ARGS,
                                  "Port %u does not exist, 1 to 65535 was expected",
                                  first < 1 || first > UINT16_MAX ? first : last);
        if (last < first)
                return error_setf(error, ERROR_INVALID_ARGS,
                                  "Range of ports ends at %u before it starts at %u", last, first);
        wider = ports_copy(*ports) ?: g_array_new(FALSE, FALSE, sizeof(PlanPortRange));
        ports_insert(wider, (PlanPortRange){ (uint16_t) first, (uint16_t) last });
        if (wider->len > PORT_RANGES_MAX)
                return error_setf(error, ERROR_LIMIT_REACHED, "More than %d ranges of ports in one rule",
                                  PORT_RANGES_MAX);
        if (*ports)
                g_array_unref(*ports);
        *ports = g_steal_pointer(&wider);
        return 0;
}

static bool read_port(const char **at, unsigned *ret) {
        unsigned port = 0;
        int n = 0;

        for (; g_ascii_isdigit(**at) && n < 6; (*at)++, n++)
                port = port * 10 + (unsigned) (**at - '0');
        *ret = port;
        return n > 0 && !g_ascii_isdigit(**at);
}

int plan_ports_parse(const char *text, GArray **ports, Error *error) {
        g_autoptr(GArray) wider = ports_copy(*ports);
        g_autofree char *shown = plan_text_excerpt(text);
        unsigned first, last;
        int r;

        for (const char *at = text;; at++) {
                bool good = read_port(&at, &first);

                last = first;
                if (good && (*at == '-' || *at == ':')) {
                        at++;
                        good = read_port(&at, &last);
                }
                if (!good || (*at != ',' && *at != '\0'))
                        return error_setf(error, ERROR_INVALID_ARGS,
                                          "Ports '%s' are not ports from 1 to 65535 or ranges of them, as in "
                                          "'80,8000-8080'",
                                          shown);
                r = plan_ports_add(&wider, first, last, error);
                if (r < 0)
                        return r;
                if (*at == '\0')
                        break;
        }
        if (*ports)
                g_array_unref(*ports);
        *ports = g_steal_pointer(&wider);
        return 0;
}

char *plan_ports_format(const GArray *ports) {
        GString *text = g_string_new(ports ? NULL : "any");

        for (guint i = 0; ports && i < ports->len; i++) {
                const PlanPortRange *range = ports_get(ports, i);

                g_string_append_printf(text, range->last > range->first ? "%s%u-%u" : "%s%u",
                                       i > 0 ? "," : "", range->first, range->last);
        }
        return g_string_free(text, FALSE);
}

/* In the form that plan_ports_add() makes? */
static bool ports_are_valid(const GArray *ports) {
        if (ports && (ports->len == 0 || ports->len > PORT_RANGES_MAX))
                return false;
        for (guint i = 0; ports && i < ports->len; i++) {
                const PlanPortRange *range = ports_get(ports, i);

                if (range->first < 1 || range->last < range->first ||
                    (i > 0 && range->first <= ports_get(ports, i - 1)->last + 1))
                        return false;
        }
        return true;
}

/* ---- rules ---- */

void plan_rule_clear(PlanRule *rule) {
        plan_peer_clear(&rule->peer);
        g_clear_pointer(&rule->peer_ports, g_array_unref);
        g_clear_pointer(&rule->local_ports, g_array_unref);
        *rule = (PlanRule){ 0 };
}

static void rule_copy(PlanRule *to, const PlanRule *from) {
        *to = *from;
        peer_copy(&to->peer, &from->peer);
        to->peer_ports = ports_copy(from->peer_ports);
        to->local_ports = ports_copy(from->local_ports);
}

/* The whole rule in words, the same for the same rule: "out tcp to tiles.acme.example port 443". */
static char *rule_format(const PlanRule *rule) {
        g_autofree char *peer = plan_peer_format(&rule->peer);
        g_autofree char *peer_ports = plan_ports_format(rule->peer_ports);
        g_autofree char *local_ports = plan_ports_format(rule->local_ports);

        return g_strconcat(
                plan_direction_to_string(rule->direction), " ", plan_protocol_to_string(rule->protocol),
                rule->direction == PLAN_OUTGOING ? " to " : " from ", peer, rule->peer_ports ? " port " : "",
                rule->peer_ports ? peer_ports : "", rule->local_ports ? " local-port " : "",
                rule->local_ports ? local_ports : "", NULL);
}

static int peer_check(const PlanPeer *peer, Error *error) {
        g_auto(PlanPeer) again = { 0 };
        g_autofree char *text = NULL;
        int r;

        if ((int) peer->type < 0 || peer->type > PLAN_PEER_HOST ||
            (peer->type == PLAN_PEER_HOST) != !!peer->host)
                return error_setf(error, ERROR_INVALID_ARGS, "Peer of a rule has no form that is known");
        text = plan_peer_format(peer);
        r = plan_peer_parse(text, &again, error);
        if (r < 0)
                return r;
        if (!peer_is_equal(peer, &again))
                return peer_refuse(text, "is not in its normal form", error);
        return 0;
}

static int rule_check(const PlanRule *rule, Error *error) {
        bool is_icmp = rule->protocol == PLAN_PROTOCOL_ICMP || rule->protocol == PLAN_PROTOCOL_ICMPV6;
        int r;

        if (!plan_direction_to_string(rule->direction))
                return error_setf(error, ERROR_INVALID_ARGS, "Direction %d of a rule is unknown",
                                  (int) rule->direction);
        if (!plan_protocol_to_string(rule->protocol))
                return error_setf(error, ERROR_INVALID_ARGS, "Protocol %d of a rule is unknown",
                                  (int) rule->protocol);
        r = peer_check(&rule->peer, error);
        if (r < 0)
                return r;
        if (!ports_are_valid(rule->peer_ports) || !ports_are_valid(rule->local_ports))
                return error_setf(error, ERROR_INVALID_ARGS, "Ports of a rule are not sorted ranges");
        if (is_icmp && (rule->peer_ports || rule->local_ports))
                return error_setf(error, ERROR_INVALID_ARGS, "Rule for %s has ports, which %s does not have",
                                  plan_protocol_to_string(rule->protocol),
                                  plan_protocol_to_string(rule->protocol));
        if ((rule->protocol == PLAN_PROTOCOL_ICMP && rule->peer.type == PLAN_PEER_IPV6) ||
            (rule->protocol == PLAN_PROTOCOL_ICMPV6 && rule->peer.type == PLAN_PEER_IPV4))
                return error_setf(error, ERROR_INVALID_ARGS, "Rule for %s has a peer of the other IP version",
                                  plan_protocol_to_string(rule->protocol));
        return 0;
}

static int add_rule(Plan *plan, const PlanOrigin *origin, const PlanRule *rule, Error *error) {
        g_autofree char *key = NULL;
        PlanItem *item;
        int r;

        r = plan_origin_check(origin, error);
        if (r >= 0)
                r = rule_check(rule, error);
        if (r < 0)
                return r;
        key = rule_format(rule);
        r = plan_insert_or_find(plan, PLAN_RULE, key, origin, &item, error);
        if (r > 0)
                rule_copy(&item->rule, rule);
        return r;
}

int plan_add_rule(Plan *plan, const PlanOrigin *origin, const PlanRule *rule, Error *error) {
        int r = add_rule(plan, origin, rule, error);

        return plan_origin_blame(origin, r, error);
}

static void item_clear(PlanItem *item) {
        plan_rule_clear(&item->rule);
}

static void item_copy(PlanItem *to, const PlanItem *from) {
        rule_copy(&to->rule, &from->rule);
}

static int item_add(Plan *plan, const PlanOrigin *origin, const PlanItem *item, Error *error) {
        return plan_add_rule(plan, origin, &item->rule, error);
}

static void item_put(WireWriter *writer, const PlanItem *item) {
        const PlanRule *rule = &item->rule;
        g_autofree char *peer = plan_peer_format(&rule->peer);
        g_autofree char *peer_ports = plan_ports_format(rule->peer_ports);
        g_autofree char *local_ports = plan_ports_format(rule->local_ports);

        wire_put_string(writer, plan_direction_to_string(rule->direction));
        wire_put_string(writer, plan_protocol_to_string(rule->protocol));
        wire_put_string(writer, peer);
        wire_put_string(writer, rule->peer_ports ? peer_ports : NULL);
        wire_put_string(writer, rule->local_ports ? local_ports : NULL);
}

static int word_refuse(const char *what, const char *word, Error *error) {
        g_autofree char *text = plan_text_excerpt(word);

        return error_setf(error, ERROR_UNSUPPORTED, "%s '%s' of a rule is unknown", what, text);
}

static int item_get(WireReader *reader, Plan *plan, const PlanOrigin *origin, const char *key G_GNUC_UNUSED,
                    Error *error) {
        const char *direction = wire_get_string(reader);
        const char *protocol = wire_get_string(reader);
        const char *peer = wire_get_string(reader);
        const char *peer_ports = wire_get_string(reader);
        const char *local_ports = wire_get_string(reader);
        g_auto(PlanRule) rule = { 0 };
        int r;

        if (reader->failed || !direction || !protocol || !peer)
                return plan_item_broken(error);
        if (plan_direction_from_string(direction) < 0)
                return word_refuse("Direction", direction, error);
        if (plan_protocol_from_string(protocol) < 0)
                return word_refuse("Protocol", protocol, error);
        rule.direction = plan_direction_from_string(direction);
        rule.protocol = plan_protocol_from_string(protocol);
        r = plan_peer_parse(peer, &rule.peer, error);
        if (r >= 0 && peer_ports)
                r = plan_ports_parse(peer_ports, &rule.peer_ports, error);
        if (r >= 0 && local_ports)
                r = plan_ports_parse(local_ports, &rule.local_ports, error);
        return r < 0 ? r : plan_add_rule(plan, origin, &rule, error);
}

static void item_print_text(const PlanItem *item G_GNUC_UNUSED, PlanCells *cells) {
        cells->value = g_strdup("may pass");
        cells->mode = g_strdup("");
}

static json_t *ports_to_json(const GArray *ports) {
        json_t *array;

        if (!ports)
                return json_null();
        array = json_array();
        for (guint i = 0; i < ports->len; i++)
                json_array_append_new(array, json_pack("[i,i]", (int) ports_get(ports, i)->first,
                                                       (int) ports_get(ports, i)->last));
        return array;
}

static void item_print_json(const PlanItem *item, json_t *object) {
        const PlanRule *rule = &item->rule;
        g_autofree char *peer = plan_peer_format(&rule->peer);

        json_object_set_new(object, "direction", json_string(plan_direction_to_string(rule->direction)));
        json_object_set_new(object, "protocol", json_string(plan_protocol_to_string(rule->protocol)));
        json_object_set_new(object, "peer", json_string(peer));
        json_object_set_new(object, "peer-ports", ports_to_json(rule->peer_ports));
        json_object_set_new(object, "local-ports", ports_to_json(rule->local_ports));
}

const PlanKindOps plan_rule_ops = {
        .name = "rule",
        .clear = item_clear,
        .copy = item_copy,
        .is_equal = plan_item_is_same,
        .covers = plan_item_is_same,
        .add = item_add,
        .put = item_put,
        .get = item_get,
        .print_text = item_print_text,
        .print_json = item_print_json,
};
