/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Network gateway
 *
 * Gives the sandbox its link and address, and says with whom it may speak. A row is one direction and the
 * peers that are allowed in it; everything that no row allows is refused, in both directions and both
 * families. Replies to what is allowed need no rule.
 *
 * "direction": "INCOMING" or "OUTGOING", in capitals.
 *
 * "allow": an array of peers; an empty one opens nothing, but the link is there. The keys of a peer:
 *
 * "host": "*" for any; an address; a prefix ("10.0.0.0/8", also "10.0.0.0/255.0.0.0"), which may have no bits
 * set behind its length; or a host name, which is followed as it resolves. An empty host is refused, which
 * once meant any. An address of the sandbox itself (127.0.0.1, ::1, localhost) is a warning: to itself
 * everything is open.
 *
 * "ports": 443, "443", "8000-8080", "8000:8080", "80,443", or an array of these. They are the ports of the
 * peer: where a packet goes to in OUTGOING, where it comes from in INCOMING. Without the key it is all ports.
 *
 * "protocols": "tcp", "udp", "icmp" (IPv4), "icmpv6" (IPv6), "sctp", or an array of these. Without the key it
 * is all protocols; with ports, tcp and udp, and sctp only if it is named. Ports with icmp or icmpv6 are
 * refused, since these have none, and so is icmpv6 with an IPv4 address and the other way round.
 *
 * "local-ports": the same forms as "ports"; the sandbox's own ports that the peer may connect to. Only with
 * INCOMING. Without the key it is all of them.
 *
 * Ports and protocols that cannot be read are refused; once they were left out, which opened more than was
 * asked.
 */
#include <string.h>

#include "gateways/gateway.h"
#include "gateways/network-host.h"
#include "plan/inside.h"
#include "util/limits.h"

extern const GatewayOps gateway_network_ops;

#define PORT_MAX 65535

/* Bits of PlanProtocol. */
#define PROTOCOLS_WITH_PORTS_DEFAULT (1u << PLAN_PROTOCOL_TCP | 1u << PLAN_PROTOCOL_UDP)

typedef struct PortSet {
        GArray *ranges; /* owned, as in PlanRule; NULL = all */
        JsonCursor at;  /* where they stand; only while the row is read, no document if they do not */
} PortSet;

typedef struct Entry {
        PlanPeer peer;
        bool is_loopback;
        unsigned protocols;               /* a bit for each PlanProtocol */
        JsonCursor host_at, protocols_at; /* as in PortSet */
        PortSet ports, local_ports;
} Entry;

typedef struct NetworkConfig {
        GatewayConfig config;
        PlanDirection direction;
        bool has_direction;
        GPtrArray *entries; /* owned Entry *; NULL until it is read */
} NetworkConfig;

static void entry_free(void *userdata) {
        Entry *entry = userdata;

        plan_peer_clear(&entry->peer);
        g_clear_pointer(&entry->ports.ranges, g_array_unref);
        g_clear_pointer(&entry->local_ports.ranges, g_array_unref);
        g_free(entry);
}

/* ---- ports ---- */

/* "443", "8000-8080" or "8000:8080" */
static int read_range(const JsonCursor *at, const char *text, GArray **ranges) {
        g_auto(GStrv) ends = g_strsplit_set(text, "-:", 2);
        g_auto(Error) error = ERROR_NULL;

        /* 080 is eighty to some and no number to others. */
        for (char **end = ends; *end; end++)
                if ((*end)[0] == '0')
                        return json_error(at, "Port '%s' begins with 0, expected 1 to %d", *end, PORT_MAX);
        if (plan_ports_parse(text, ranges, &error) >= 0)
                return 0;
        if (ends[0] && ends[1]) {
                g_autofree char *turned = g_strdup_printf("%s-%s", ends[1], ends[0]);
                g_autoptr(GArray) probe = NULL;

                if (plan_ports_parse(turned, &probe, NULL) >= 0)
                        return json_error(at, "%s; did you mean '%s'", error.message, turned);
        }
        return json_error(at, "%s", error.message);
}

static int read_ports_string(const JsonCursor *at, GArray **ranges) {
        g_auto(GStrv) parts = NULL;
        const char *text;
        int result = 0;
        int r;

        r = json_read_string(at, 1, PORT_RANGES_MAX * strlen("65535-65535,"), &text);
        if (r < 0)
                return r;
        parts = g_strsplit(text, ",", -1);
        for (char **part = parts; *part; part++) {
                if ((*part)[0] == '\0')
                        return json_error(at, "'%s' has a comma without a port beside it", text);
                r = read_range(at, *part, ranges);
                if (r < 0)
                        result = r;
        }
        return result;
}

static int read_port(const JsonCursor *at, GArray **ranges) {
        const json_t *value = json_cursor_get_value(at);
        g_auto(Error) error = ERROR_NULL;
        gint64 port;
        int r;

        if (json_is_string(value))
                return read_ports_string(at, ranges);
        if (!json_is_integer(value))
                return json_error(at, "Expected a port or a range of ports, as an integer or a string");
        r = json_read_integer(at, 1, PORT_MAX, &port);
        if (r < 0)
                return r;
        r = plan_ports_add(ranges, (unsigned) port, (unsigned) port, &error);
        return r < 0 ? json_error(at, "%s", error.message) : 0;
}

static int read_port_set(const JsonCursor *at, PortSet *set) {
        JsonCursor port;
        int result;
        int r;

        set->at = *at;
        if (!json_is_array(json_cursor_get_value(at)))
                return read_port(at, &set->ranges);
        result = json_expect_array(at, 1, PORT_RANGES_MAX);
        if (result < 0)
                return result;
        for (bool more = json_cursor_get_first(at, &port); more; more = json_cursor_get_next(&port, &port)) {
                r = read_port(&port, &set->ranges);
                if (r < 0)
                        result = r;
        }
        return result;
}

static int read_ports(const JsonCursor *at, void *userdata) {
        Entry *entry = userdata;

        return read_port_set(at, &entry->ports);
}

static int read_local_ports(const JsonCursor *at, void *userdata) {
        Entry *entry = userdata;

        return read_port_set(at, &entry->local_ports);
}

/* ---- protocols ---- */

static const char *const protocol_words[] = { "tcp", "udp", "icmp", "icmpv6", "sctp", NULL };

static int read_protocol(const JsonCursor *at, Entry *entry) {
        const char *word;
        int r;

        r = json_read_string(at, 1, ENV_NAME_MAX, &word);
        if (r < 0)
                return r;
        if (strchr(word, ','))
                return json_error(at, "'%s' is a list in a string, expected an array of protocols", word);
        if (strcmp(word, "all") == 0 || strcmp(word, "any") == 0 || strcmp(word, "*") == 0)
                return json_error(at, "Unknown protocol '%s'; for all protocols leave 'protocols' out", word);
        if (!g_strv_contains(protocol_words, word))
                return json_error_choice(at, "protocol", word, protocol_words, protocol_words);
        entry->protocols |= 1u << plan_protocol_from_string(word);
        return 0;
}

static int read_protocols(const JsonCursor *at, void *userdata) {
        JsonCursor protocol;
        Entry *entry = userdata;
        int result;
        int r;

        entry->protocols_at = *at;
        if (json_is_string(json_cursor_get_value(at)))
                return read_protocol(at, entry);
        if (!json_is_array(json_cursor_get_value(at)))
                return json_error(at, "Expected a protocol or an array of protocols");
        result = json_expect_array(at, 1, G_N_ELEMENTS(protocol_words) - 1);
        if (result < 0)
                return result;
        for (bool more = json_cursor_get_first(at, &protocol); more;
             more = json_cursor_get_next(&protocol, &protocol)) {
                r = read_protocol(&protocol, entry);
                if (r < 0)
                        result = r;
        }
        return result;
}

/* ---- an entry of "allow" ---- */

static int read_host(const JsonCursor *at, void *userdata) {
        Entry *entry = userdata;
        int r;

        r = network_host_read(at, &entry->peer);
        if (r < 0)
                return r;
        entry->host_at = *at;
        entry->is_loopback = network_host_is_loopback(&entry->peer);
        if (entry->is_loopback)
                json_warning(at,
                             "This host is the sandbox itself, to which all is open; the entry adds nothing");
        return 0;
}

static const JsonField entry_fields[] = {
        { "host", read_host, JSON_FIELD_REQUIRED },
        { "ports", read_ports, 0 },
        { "protocols", read_protocols, 0 },
        { "local-ports", read_local_ports, 0 },
        {},
};

/* What each key cannot know alone: a protocol without ports, or of the other family, would match nothing. */
static int entry_check_protocol(const Entry *entry, PlanProtocol protocol, PlanPeerType wrong_family) {
        const char *name = plan_protocol_to_string(protocol);
        const PortSet *sets[] = { &entry->ports, &entry->local_ports };
        int result = 0;

        if (!(entry->protocols & 1u << protocol))
                return 0;
        for (size_t i = 0; i < G_N_ELEMENTS(sets); i++)
                if (sets[i]->at.document)
                        result = json_error(&sets[i]->at,
                                            "Protocol '%s' has no ports, expected an entry of its own "
                                            "for it",
                                            name);
        if (entry->host_at.document && entry->peer.type == wrong_family)
                result = json_error(&entry->protocols_at,
                                    "'%s' is of the other family than the host; did you mean "
                                    "'%s'",
                                    name, protocol == PLAN_PROTOCOL_ICMP ? "icmpv6" : "icmp");
        return result;
}

static int read_entry(const JsonCursor *at, NetworkConfig *network) {
        Entry *entry = g_new0(Entry, 1);
        int result;
        int r;

        g_ptr_array_add(network->entries, entry);
        result = json_read_object(at, entry_fields, JSON_UNKNOWN_ERROR, entry);
        r = entry_check_protocol(entry, PLAN_PROTOCOL_ICMP, PLAN_PEER_IPV6);
        if (r < 0)
                result = r;
        r = entry_check_protocol(entry, PLAN_PROTOCOL_ICMPV6, PLAN_PEER_IPV4);
        if (r < 0)
                result = r;
        if (entry->protocols == 0)
                entry->protocols = entry->ports.ranges || entry->local_ports.ranges
                                           ? PROTOCOLS_WITH_PORTS_DEFAULT
                                           : 1u << PLAN_PROTOCOL_ANY;
        return result;
}

/* ---- a row ---- */

static int read_direction(const JsonCursor *at, void *userdata) {
        static const char *const words[] = { "INCOMING", "OUTGOING", NULL };
        NetworkConfig *network = userdata;
        const char *word;
        int r;

        r = json_read_string(at, 1, ENV_NAME_MAX, &word);
        if (r < 0)
                return r;
        if (!g_strv_contains(words, word))
                return json_error_choice(at, "direction", word, words, words);
        network->direction = strcmp(word, words[0]) == 0 ? PLAN_INCOMING : PLAN_OUTGOING;
        network->has_direction = true;
        return 0;
}

static int read_allow(const JsonCursor *at, void *userdata) {
        NetworkConfig *network = userdata;
        JsonCursor entry;
        int result;
        int r;

        result = json_expect_array(at, 0, GATEWAY_ROWS_MAX);
        if (result < 0)
                return result;
        network->entries = g_ptr_array_new_with_free_func(entry_free);
        for (bool more = json_cursor_get_first(at, &entry); more;
             more = json_cursor_get_next(&entry, &entry)) {
                r = read_entry(&entry, network);
                if (r < 0)
                        result = r;
        }
        return result;
}

static const JsonField network_fields[] = {
        { "direction", read_direction, JSON_FIELD_REQUIRED },
        { "allow", read_allow, JSON_FIELD_REQUIRED },
        {},
};

static int network_parse_row(const JsonCursor *row, GatewayConfig *config) {
        NetworkConfig *network = (NetworkConfig *) config;
        int result;

        result = json_read_object(row, network_fields, JSON_UNKNOWN_ERROR, network);
        if (!network->has_direction || network->direction == PLAN_INCOMING || !network->entries)
                return result;
        for (guint i = 0; i < network->entries->len; i++) {
                const Entry *entry = g_ptr_array_index(network->entries, i);

                if (entry->local_ports.at.document)
                        result = json_error(&entry->local_ports.at,
                                            "'local-ports' with direction OUTGOING, expected "
                                            "it only with INCOMING; the ports of the peer are 'ports'");
        }
        return result;
}

static int entry_plan(const NetworkConfig *network, const Entry *entry, Plan *plan, Error *error) {
        PlanRule rule = {
                .direction = network->direction,
                .peer = entry->peer,
                .peer_ports = entry->ports.ranges,
                .local_ports = entry->local_ports.ranges,
        };
        int r;

        if (entry->is_loopback)
                return 0;
        for (unsigned protocol = 0; protocol < _PLAN_PROTOCOL_MAX; protocol++) {
                if (!(entry->protocols & 1u << protocol))
                        continue;
                rule.protocol = (PlanProtocol) protocol;
                r = plan_add_rule(plan, network->config.origin, &rule, error);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* A direction that no row mentions is closed too. */
static int network_plan(const GatewayConfig *config, Plan *plan, Error *error) {
        const NetworkConfig *network = (const NetworkConfig *) config;
        int r;

        r = plan_add_link(plan, config->origin, INSIDE_LINK, PLAN_LINK_FILTER_ALL, error);
        for (guint i = 0; r >= 0 && i < network->entries->len; i++)
                r = entry_plan(network, g_ptr_array_index(network->entries, i), plan, error);
        return r;
}

static void network_done(GatewayConfig *config) {
        g_clear_pointer(&((NetworkConfig *) config)->entries, g_ptr_array_unref);
}

const GatewayOps gateway_network_ops = {
        .id = "network",
        .config_size = sizeof(NetworkConfig),
        .parse_row = network_parse_row,
        .plan = network_plan,
        .done = network_done,
};
