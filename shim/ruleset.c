/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "shim/ruleset.h"

#include <arpa/inet.h>
#include <netinet/icmp6.h>
#include <string.h>

/* Of who opened a connection, and of who answers. */
#define OPENER  (RULESET_NEW | RULESET_ESTABLISHED | RULESET_ORIGINAL)
#define REPLIES (RULESET_ESTABLISHED | RULESET_REPLY)

static void add(Ruleset *ruleset, LeaseFamily family, RulesetChain chain, RulesetEntry entry) {
        g_array_append_val(ruleset->entries[family][chain], entry);
}

static RulesetNet net_new(LeaseFamily family, const uint8_t *address, unsigned prefix) {
        RulesetNet net = { .is_set = true, .prefix = prefix };

        memcpy(net.address, address, lease_family_size(family));
        return net;
}

static RulesetNet net_of_one(LeaseFamily family, const LeaseAddress *address) {
        return net_new(family, address->bytes, 8 * (unsigned) lease_family_size(family));
}

/* ---- what holds without any rule ---- */

/* RFC 4861, as far as it goes without routers that tell of themselves: who has this address, between us and the
 * gateway. Addresses and routes are given, so nobody may advertise or redirect. */
static void add_neighbours(Ruleset *ruleset, const LeaseNet *net) {
        static const uint8_t asked[] = { ND_NEIGHBOR_SOLICIT, ND_NEIGHBOR_ADVERT };
        static const uint8_t never[] = { ND_ROUTER_SOLICIT, ND_ROUTER_ADVERT, ND_REDIRECT };
        static const uint8_t link_local[16] = { 0xfe, 0x80 };
        const RulesetNet gateways[] = { net_new(LEASE_IPV6, link_local, 10),
                                        net_of_one(LEASE_IPV6, &net->gateway) };
        RulesetEntry entry = { .verdict = RULESET_ACCEPT, .protocol = IPPROTO_ICMPV6 };

        for (size_t i = 0; i < G_N_ELEMENTS(asked); i++) {
                entry.icmpv6_type = asked[i];
                entry.source = net_of_one(LEASE_IPV6, &net->address);
                add(ruleset, LEASE_IPV6, RULESET_OUT, entry);
                for (size_t j = 0; j < G_N_ELEMENTS(gateways); j++) {
                        entry.source = gateways[j];
                        add(ruleset, LEASE_IPV6, RULESET_IN, entry);
                }
        }
        entry = (RulesetEntry){ .verdict = RULESET_DROP, .protocol = IPPROTO_ICMPV6 };
        for (size_t i = 0; i < G_N_ELEMENTS(never); i++)
                for (RulesetChain chain = 0; chain < _RULESET_CHAIN_MAX; chain++) {
                        entry.icmpv6_type = never[i];
                        add(ruleset, LEASE_IPV6, chain, entry);
                }
}

/* An app needs no privilege to send by IPv6 what seems to come from elsewhere (IPV6_FREEBIND). */
static void add_own_source(Ruleset *ruleset, LeaseFamily family, const LeaseNet *net) {
        RulesetEntry entry = { .verdict = RULESET_DROP, .source = net_of_one(family, &net->address) };

        entry.source.is_not = true;
        add(ruleset, family, RULESET_OUT, entry);
}

/* "Too big", "unreachable": of connections that there are, hence of such as were let through. */
static void add_errors(Ruleset *ruleset, LeaseFamily family) {
        const RulesetEntry entry = { .verdict = RULESET_ACCEPT,
                                     .protocol = family == LEASE_IPV4 ? IPPROTO_ICMP : IPPROTO_ICMPV6,
                                     .states = RULESET_RELATED };

        for (RulesetChain chain = 0; chain < _RULESET_CHAIN_MAX; chain++)
                add(ruleset, family, chain, entry);
}

/* A direction that is not filtered lets all pass, and the replies to it. */
static void add_unfiltered(Ruleset *ruleset, LeaseFamily family, PlanLinkFlags flags) {
        const RulesetEntry all = { .verdict = RULESET_ACCEPT };
        const RulesetEntry replies = { .verdict = RULESET_ACCEPT, .states = REPLIES };

        if (!(flags & PLAN_LINK_FILTER_OUTGOING)) {
                add(ruleset, family, RULESET_OUT, all);
                add(ruleset, family, RULESET_IN, replies);
        }
        if (!(flags & PLAN_LINK_FILTER_INCOMING)) {
                add(ruleset, family, RULESET_IN, all);
                add(ruleset, family, RULESET_OUT, replies);
        }
}

/* ---- rules ---- */

/* From *at on, as many as fit. True if there are some; a list that is NULL fits once, as "all". */
static bool ports_next(const GArray *ports, guint *at, RulesetPorts *ret) {
        unsigned slots = 0;

        *ret = (RulesetPorts){ 0 };
        if (!ports)
                return (*at)++ == 0;
        while (*at < ports->len) {
                const PlanPortRange *range = &g_array_index(ports, PlanPortRange, *at);
                unsigned needed = range->first == range->last ? 1 : 2;

                if (slots + needed > RULESET_PORT_SLOTS)
                        break;
                ret->ranges[ret->n++] = *range;
                slots += needed;
                (*at)++;
        }
        return ret->n > 0;
}

typedef struct Pass {
        LeaseFamily family;
        PlanDirection direction;
        uint8_t protocol;
        RulesetNet peer;
        RulesetPorts peer_ports, local_ports;
} Pass;

static void add_pass(Ruleset *ruleset, const Pass *pass) {
        const RulesetEntry out = { .verdict = RULESET_ACCEPT,
                                   .protocol = pass->protocol,
                                   .states = pass->direction == PLAN_OUTGOING ? OPENER : REPLIES,
                                   .destination = pass->peer,
                                   .destination_ports = pass->peer_ports,
                                   .source_ports = pass->local_ports };
        const RulesetEntry in = { .verdict = RULESET_ACCEPT,
                                  .protocol = pass->protocol,
                                  .states = pass->direction == PLAN_INCOMING ? OPENER : REPLIES,
                                  .source = pass->peer,
                                  .source_ports = pass->peer_ports,
                                  .destination_ports = pass->local_ports };

        add(ruleset, pass->family, RULESET_OUT, out);
        add(ruleset, pass->family, RULESET_IN, in);
}

static void add_protocol(Ruleset *ruleset, const PlanRule *rule, Pass pass) {
        guint peer_at = 0;

        while (ports_next(rule->peer_ports, &peer_at, &pass.peer_ports)) {
                guint local_at = 0;

                while (ports_next(rule->local_ports, &local_at, &pass.local_ports))
                        add_pass(ruleset, &pass);
        }
}

static void add_peer(Ruleset *ruleset, const PlanRule *rule, LeaseFamily family, RulesetNet peer) {
        static const uint8_t with_ports[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP };
        static const uint8_t numbers[_PLAN_PROTOCOL_MAX] = {
                [PLAN_PROTOCOL_ANY] = 0,
                [PLAN_PROTOCOL_TCP] = IPPROTO_TCP,
                [PLAN_PROTOCOL_UDP] = IPPROTO_UDP,
                [PLAN_PROTOCOL_SCTP] = IPPROTO_SCTP,
                [PLAN_PROTOCOL_ICMP] = IPPROTO_ICMP,
                [PLAN_PROTOCOL_ICMPV6] = IPPROTO_ICMPV6,
        };
        Pass pass = { .family = family, .direction = rule->direction, .peer = peer };

        if (family == (rule->protocol == PLAN_PROTOCOL_ICMP     ? LEASE_IPV6
                       : rule->protocol == PLAN_PROTOCOL_ICMPV6 ? LEASE_IPV4
                                                                : _LEASE_FAMILY_MAX))
                return;
        if (rule->protocol != PLAN_PROTOCOL_ANY || (!rule->peer_ports && !rule->local_ports)) {
                pass.protocol = numbers[rule->protocol];
                add_protocol(ruleset, rule, pass);
                return;
        }
        for (size_t i = 0; i < G_N_ELEMENTS(with_ports); i++) {
                pass.protocol = with_ports[i];
                add_protocol(ruleset, rule, pass);
        }
}

static void add_host(Ruleset *ruleset, const PlanRule *rule, LeaseFamily family, const HostAddresses *host) {
        const GArray *addresses = host ? host->addresses[family] : NULL;

        for (guint i = 0; addresses && i < addresses->len; i++)
                add_peer(ruleset, rule, family,
                         net_of_one(family, &g_array_index(addresses, LeaseAddress, i)));
}

static void add_rule(Ruleset *ruleset, LeaseFamily family, const PlanRule *rule, GHashTable *hosts) {
        const PlanPeer *peer = &rule->peer;

        switch (peer->type) {
        case PLAN_PEER_ANY:
                add_peer(ruleset, rule, family, (RulesetNet){ 0 });
                return;
        case PLAN_PEER_IPV4:
        case PLAN_PEER_IPV6:
                if (family == (peer->type == PLAN_PEER_IPV4 ? LEASE_IPV4 : LEASE_IPV6))
                        add_peer(ruleset, rule, family, net_new(family, peer->address, peer->prefix));
                return;
        case PLAN_PEER_HOST:
                add_host(ruleset, rule, family, g_hash_table_lookup(hosts, peer->host));
                return;
        }
}

/* ---- all of it ---- */

static void add_family(Ruleset *ruleset, LeaseFamily family, const LeaseNet *net, const Plan *plan,
                       PlanLinkFlags flags, GHashTable *hosts, bool logs) {
        add_own_source(ruleset, family, net);
        if (family == LEASE_IPV6)
                add_neighbours(ruleset, net);
        add_errors(ruleset, family);
        add_unfiltered(ruleset, family, flags);
        for (guint i = 0; i < plan_get_size(plan); i++) {
                const PlanItem *item = plan_get_item(plan, i);

                if (item->kind == PLAN_RULE)
                        add_rule(ruleset, family, &item->rule, hosts);
        }
        for (RulesetChain chain = 0; logs && chain < _RULESET_CHAIN_MAX; chain++)
                add(ruleset, family, chain, (RulesetEntry){ .verdict = RULESET_LOG });
}

static const PlanItem *find_link(const Plan *plan) {
        for (guint i = 0; i < plan_get_size(plan); i++)
                if (plan_get_item(plan, i)->kind == PLAN_LINK)
                        return plan_get_item(plan, i);
        return NULL;
}

Ruleset *ruleset_new(const Plan *plan, const Lease *lease, GHashTable *hosts, bool logs) {
        Ruleset *ruleset = g_new0(Ruleset, 1);
        const PlanItem *link = find_link(plan);

        for (LeaseFamily family = 0; family < _LEASE_FAMILY_MAX; family++) {
                for (RulesetChain chain = 0; chain < _RULESET_CHAIN_MAX; chain++) {
                        ruleset->entries[family][chain] = g_array_new(FALSE, TRUE, sizeof(RulesetEntry));
                        add(ruleset, family, chain,
                            (RulesetEntry){ .verdict = RULESET_ACCEPT, .is_loopback = true });
                }
                if (link && lease->nets[family].address.is_set)
                        add_family(ruleset, family, &lease->nets[family], plan, link->link.flags, hosts, logs);
        }
        return ruleset;
}

void ruleset_free(Ruleset *ruleset) {
        if (!ruleset)
                return;
        for (LeaseFamily family = 0; family < _LEASE_FAMILY_MAX; family++)
                for (RulesetChain chain = 0; chain < _RULESET_CHAIN_MAX; chain++)
                        g_array_unref(ruleset->entries[family][chain]);
        g_free(ruleset);
}

/* ---- comparing ---- */

static bool ports_are_equal(const RulesetPorts *a, const RulesetPorts *b) {
        return a->n == b->n && memcmp(a->ranges, b->ranges, a->n * sizeof(a->ranges[0])) == 0;
}

static bool net_is_equal(const RulesetNet *a, const RulesetNet *b) {
        return a->is_set == b->is_set && a->is_not == b->is_not && a->prefix == b->prefix &&
               memcmp(a->address, b->address, sizeof(a->address)) == 0;
}

static bool entry_is_equal(const RulesetEntry *a, const RulesetEntry *b) {
        return a->verdict == b->verdict && a->is_loopback == b->is_loopback && a->protocol == b->protocol &&
               a->icmpv6_type == b->icmpv6_type && a->states == b->states && net_is_equal(&a->source, &b->source) &&
               net_is_equal(&a->destination, &b->destination) &&
               ports_are_equal(&a->source_ports, &b->source_ports) &&
               ports_are_equal(&a->destination_ports, &b->destination_ports);
}

static bool chain_is_equal(const GArray *a, const GArray *b) {
        if (a->len != b->len)
                return false;
        for (guint i = 0; i < a->len; i++)
                if (!entry_is_equal(&g_array_index(a, RulesetEntry, i), &g_array_index(b, RulesetEntry, i)))
                        return false;
        return true;
}

bool ruleset_is_equal(const Ruleset *a, const Ruleset *b) {
        for (LeaseFamily family = 0; family < _LEASE_FAMILY_MAX; family++)
                for (RulesetChain chain = 0; chain < _RULESET_CHAIN_MAX; chain++)
                        if (!chain_is_equal(a->entries[family][chain], b->entries[family][chain]))
                                return false;
        return true;
}

/* ---- as text ---- */

static void format_net(GString *text, LeaseFamily family, const char *word, const RulesetNet *net) {
        char address[INET6_ADDRSTRLEN];

        if (!net->is_set)
                return;
        (void) inet_ntop(lease_family_to_af(family), net->address, address, sizeof(address));
        g_string_append_printf(text, " %s %s%s/%u", word, net->is_not ? "not " : "", address, net->prefix);
}

static void format_ports(GString *text, const char *word, const RulesetPorts *ports) {
        for (unsigned i = 0; i < ports->n; i++) {
                const PlanPortRange *range = &ports->ranges[i];

                if (i == 0)
                        g_string_append_printf(text, " %s ", word);
                g_string_append_printf(text, "%s%u", i > 0 ? "," : "", range->first);
                if (range->first != range->last)
                        g_string_append_printf(text, "-%u", range->last);
        }
}

static void format_states(GString *text, unsigned states) {
        static const struct {
                RulesetState state;
                const char *word;
        } words[] = {
                { RULESET_NEW, "new" },           { RULESET_ESTABLISHED, "established" },
                { RULESET_RELATED, "related" },   { RULESET_ORIGINAL, "original" },
                { RULESET_REPLY, "reply" },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(words); i++)
                if (states & words[i].state)
                        g_string_append_printf(text, " %s", words[i].word);
}

static void format_entry(GString *text, LeaseFamily family, const RulesetEntry *entry) {
        static const char *const verdicts[] = { "accept", "drop", "log" };

        if (entry->is_loopback)
                g_string_append(text, " lo");
        if (entry->protocol != 0)
                g_string_append_printf(text, " protocol %u", entry->protocol);
        if (entry->icmpv6_type != 0)
                g_string_append_printf(text, " type %u", entry->icmpv6_type);
        format_net(text, family, "from", &entry->source);
        format_ports(text, "port", &entry->source_ports);
        format_net(text, family, "to", &entry->destination);
        format_ports(text, "to-port", &entry->destination_ports);
        format_states(text, entry->states);
        g_string_append_printf(text, " %s\n", verdicts[entry->verdict]);
}

char *ruleset_format(const Ruleset *ruleset) {
        static const char *const families[] = { "ipv4", "ipv6" };
        static const char *const chains[] = { "in", "out" };
        GString *text = g_string_new(NULL);

        for (LeaseFamily family = 0; family < _LEASE_FAMILY_MAX; family++)
                for (RulesetChain chain = 0; chain < _RULESET_CHAIN_MAX; chain++) {
                        const GArray *entries = ruleset->entries[family][chain];

                        for (guint i = 0; i < entries->len; i++) {
                                g_string_append_printf(text, "%s %s", families[family], chains[chain]);
                                format_entry(text, family, &g_array_index(entries, RulesetEntry, i));
                        }
                }
        return g_string_free(text, FALSE);
}
