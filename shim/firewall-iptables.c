/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The firewall by iptables' own tables
 *
 * The whole table "filter" is the sandbox's: each commit writes it anew. Entries are put together as the kernel
 * has them (struct ipt_entry, its matches, its target); libiptc turns the list into the kernel's one blob.
 */
#include <errno.h>
#include <libiptc/libip6tc.h>
#include <libiptc/libiptc.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/xt_NFLOG.h>
#include <linux/netfilter/xt_conntrack.h>
#include <linux/netfilter/xt_limit.h>
#include <linux/netfilter/xt_multiport.h>
#include <linux/netfilter_ipv6/ip6_tables.h>
#include <string.h>

#include "shim/firewall-private.h"
#include "util/netlink.h"

/* libiptc takes labels of a fixed size. */
static const xt_chainlabel chain_labels[_RULESET_CHAIN_MAX] = {
        [RULESET_IN] = "INPUT",
        [RULESET_OUT] = "OUTPUT",
};
static const xt_chainlabel forward_label = "FORWARD", drop_label = "DROP";

/* The longest entry, to be logged, has some 500 bytes. */
#define ENTRY_MAX 1024

typedef struct Blob {
        size_t size;
        union { /* last: the entries end in arrays of no size */
                uint8_t bytes[ENTRY_MAX];
                struct ipt_entry ipv4;
                struct ip6t_entry ipv6;
        };
} Blob;

/* What libip4tc and libip6tc have twice. */
typedef struct Library {
        struct xtc_handle *(*init)(const char *table);
        void (*free)(struct xtc_handle *handle);
        int (*commit)(struct xtc_handle *handle);
        int (*flush)(const xt_chainlabel chain, struct xtc_handle *handle);
        int (*delete)(const xt_chainlabel chain, struct xtc_handle *handle);
        int (*set_policy)(const xt_chainlabel chain, const xt_chainlabel policy, struct xt_counters *counters,
                          struct xtc_handle *handle);
        const char *(*first_chain)(struct xtc_handle *handle);
        const char *(*next_chain)(struct xtc_handle *handle);
        const char *(*get_policy)(const char *chain, struct xt_counters *counters, struct xtc_handle *handle);
        int (*builtin)(const char *chain, struct xtc_handle *handle);
        const char *(*strerror)(int number);
        const char *name;
} Library;

static const Library libraries[_LEASE_FAMILY_MAX] = {
        [LEASE_IPV4] = { iptc_init, iptc_free, iptc_commit, iptc_flush_entries, iptc_delete_chain,
                         iptc_set_policy, iptc_first_chain, iptc_next_chain, iptc_get_policy, iptc_builtin,
                         iptc_strerror, "IPv4" },
        [LEASE_IPV6] = { ip6tc_init, ip6tc_free, ip6tc_commit, ip6tc_flush_entries, ip6tc_delete_chain,
                         ip6tc_set_policy, ip6tc_first_chain, ip6tc_next_chain, ip6tc_get_policy, ip6tc_builtin,
                         ip6tc_strerror, "IPv6" },
};

static int fail(LeaseFamily family, const char *what, Error *error) {
        int errnum = errno > 0 ? errno : EIO;

        return error_setf(error, ERROR_SYSTEM, "Cannot %s the rules of %s: %s", what, libraries[family].name,
                          libraries[family].strerror(errnum));
}

/* ---- one entry ---- */

static void *blob_extend(Blob *blob, size_t size) {
        void *at = blob->bytes + blob->size;

        g_assert(blob->size + size <= sizeof(blob->bytes));
        blob->size += size;
        return at;
}

static void add_match(Blob *blob, const char *name, uint8_t revision, const void *data, size_t size) {
        struct xt_entry_match *match = blob_extend(blob, XT_ALIGN(sizeof(*match)) + XT_ALIGN(size));

        match->u.match_size = (uint16_t) (XT_ALIGN(sizeof(*match)) + XT_ALIGN(size));
        (void) g_strlcpy(match->u.user.name, name, sizeof(match->u.user.name));
        match->u.user.revision = revision;
        memcpy(match->data, data, size);
}

static void add_target(Blob *blob, const char *name, const void *data, size_t size) {
        struct xt_entry_target *target = blob_extend(blob, XT_ALIGN(sizeof(*target)) + XT_ALIGN(size));

        target->u.target_size = (uint16_t) (XT_ALIGN(sizeof(*target)) + XT_ALIGN(size));
        (void) g_strlcpy(target->u.user.name, name, sizeof(target->u.user.name));
        if (size > 0)
                memcpy(target->data, data, size);
}

static void add_states(Blob *blob, unsigned states) {
        struct xt_conntrack_mtinfo3 info = { 0 };

        if (states == 0)
                return;
        if (states & RULESET_NEW)
                info.state_mask |= XT_CONNTRACK_STATE_BIT(IP_CT_NEW);
        if (states & RULESET_ESTABLISHED)
                info.state_mask |= XT_CONNTRACK_STATE_BIT(IP_CT_ESTABLISHED);
        if (states & RULESET_RELATED)
                info.state_mask |= XT_CONNTRACK_STATE_BIT(IP_CT_RELATED);
        info.match_flags = XT_CONNTRACK_STATE;
        if (states & (RULESET_ORIGINAL | RULESET_REPLY))
                info.match_flags |= XT_CONNTRACK_DIRECTION;
        if (states & RULESET_REPLY) /* the flag alone stands for the original direction */
                info.invert_flags |= XT_CONNTRACK_DIRECTION;
        add_match(blob, "conntrack", 3, &info, sizeof(info));
}

static void add_ports(Blob *blob, uint8_t flag, const RulesetPorts *ports) {
        struct xt_multiport_v1 info = { .flags = flag };

        if (ports->n == 0)
                return;
        for (unsigned i = 0; i < ports->n; i++) {
                const PlanPortRange *range = &ports->ranges[i];

                info.ports[info.count] = range->first;
                if (range->first != range->last) {
                        info.pflags[info.count++] = 1;
                        info.ports[info.count] = range->last;
                }
                info.count++;
        }
        add_match(blob, "multiport", 1, &info, sizeof(info));
}

static void add_log(Blob *blob) {
        const struct xt_rateinfo rate = { .avg = XT_LIMIT_SCALE / RULESET_LOG_PER_SECOND,
                                          .burst = RULESET_LOG_BURST };

        add_match(blob, "limit", 0, &rate, sizeof(rate));
}

static void make_mask(uint8_t *mask, unsigned prefix) {
        for (unsigned bit = 0; bit < prefix; bit++)
                mask[bit / 8] |= (uint8_t) (0x80 >> bit % 8);
}

static void begin_ipv4(Blob *blob, const RulesetEntry *entry, RulesetChain chain) {
        struct ipt_ip *ip = &blob->ipv4.ip;

        blob->size = XT_ALIGN(sizeof(blob->ipv4));
        ip->proto = entry->protocol;
        memcpy(&ip->src, entry->source.address, sizeof(ip->src));
        make_mask((uint8_t *) &ip->smsk, entry->source.prefix);
        memcpy(&ip->dst, entry->destination.address, sizeof(ip->dst));
        make_mask((uint8_t *) &ip->dmsk, entry->destination.prefix);
        if (entry->source.is_not)
                ip->invflags |= IPT_INV_SRCIP;
        if (entry->destination.is_not)
                ip->invflags |= IPT_INV_DSTIP;
        if (entry->is_loopback) {
                memcpy(chain == RULESET_IN ? ip->iniface : ip->outiface, "lo", 3);
                memset(chain == RULESET_IN ? ip->iniface_mask : ip->outiface_mask, 0xff, 3);
        }
}

static void begin_ipv6(Blob *blob, const RulesetEntry *entry, RulesetChain chain) {
        struct ip6t_ip6 *ip = &blob->ipv6.ipv6;

        blob->size = XT_ALIGN(sizeof(blob->ipv6));
        ip->proto = entry->protocol;
        if (entry->protocol != 0)
                ip->flags |= IP6T_F_PROTO; /* looks behind extension headers */
        memcpy(&ip->src, entry->source.address, sizeof(ip->src));
        make_mask((uint8_t *) &ip->smsk, entry->source.prefix);
        memcpy(&ip->dst, entry->destination.address, sizeof(ip->dst));
        make_mask((uint8_t *) &ip->dmsk, entry->destination.prefix);
        if (entry->source.is_not)
                ip->invflags |= IP6T_INV_SRCIP;
        if (entry->destination.is_not)
                ip->invflags |= IP6T_INV_DSTIP;
        if (entry->is_loopback) {
                memcpy(chain == RULESET_IN ? ip->iniface : ip->outiface, "lo", 3);
                memset(chain == RULESET_IN ? ip->iniface_mask : ip->outiface_mask, 0xff, 3);
        }
        if (entry->icmpv6_type != 0) {
                const struct ip6t_icmp icmp = { .type = entry->icmpv6_type, .code = { 0, 0xff } };

                add_match(blob, "icmp6", 0, &icmp, sizeof(icmp));
        }
}

static void end_entry(Blob *blob, LeaseFamily family, const RulesetEntry *entry) {
        static const struct xt_nflog_info log = { .group = RULESET_LOG_GROUP };
        static const int verdict = 0; /* filled in by libiptc, which goes by the name */
        uint16_t target_offset = (uint16_t) blob->size;

        if (entry->verdict == RULESET_LOG)
                add_target(blob, "NFLOG", &log, sizeof(log));
        else
                add_target(blob, entry->verdict == RULESET_ACCEPT ? "ACCEPT" : "DROP", &verdict, sizeof(verdict));
        if (family == LEASE_IPV4) {
                blob->ipv4.target_offset = target_offset;
                blob->ipv4.next_offset = (uint16_t) blob->size;
        } else {
                blob->ipv6.target_offset = target_offset;
                blob->ipv6.next_offset = (uint16_t) blob->size;
        }
}

static int append_entry(LeaseFamily family, RulesetChain chain, const RulesetEntry *entry,
                        struct xtc_handle *handle, Error *error) {
        Blob blob;
        int done;

        memset(&blob, 0, sizeof(blob));
        if (family == LEASE_IPV4)
                begin_ipv4(&blob, entry, chain);
        else
                begin_ipv6(&blob, entry, chain);
        add_states(&blob, entry->states);
        add_ports(&blob, XT_MULTIPORT_SOURCE, &entry->source_ports);
        add_ports(&blob, XT_MULTIPORT_DESTINATION, &entry->destination_ports);
        if (entry->verdict == RULESET_LOG)
                add_log(&blob);
        end_entry(&blob, family, entry);
        done = family == LEASE_IPV4 ? iptc_append_entry(chain_labels[chain], &blob.ipv4, handle)
                                    : ip6tc_append_entry(chain_labels[chain], &blob.ipv6, handle);
        return done ? 0 : fail(family, "put together", error);
}

/* ---- a table ---- */

/* Chains of somebody else go: the table is ours. */
static int clear_table(LeaseFamily family, struct xtc_handle *handle, Error *error) {
        g_autoptr(GPtrArray) own = g_ptr_array_new_with_free_func(g_free);
        const Library *library = &libraries[family];

        for (const char *chain = library->first_chain(handle); chain; chain = library->next_chain(handle)) {
                xt_chainlabel *label = g_new0(xt_chainlabel, 1);

                (void) g_strlcpy(*label, chain, sizeof(*label));
                g_ptr_array_add(own, label);
        }
        for (guint i = 0; i < own->len; i++)
                if (!library->flush(*(xt_chainlabel *) own->pdata[i], handle))
                        return fail(family, "clear", error);
        for (guint i = 0; i < own->len; i++)
                if (!library->builtin(own->pdata[i], handle) &&
                    !library->delete(*(xt_chainlabel *) own->pdata[i], handle))
                        return fail(family, "clear", error);
        return 0;
}

static int fill_table(LeaseFamily family, const Ruleset *ruleset, struct xtc_handle *handle, Error *error) {
        const Library *library = &libraries[family];
        int r = 0;

        for (RulesetChain chain = 0; chain < _RULESET_CHAIN_MAX; chain++) {
                const GArray *entries = ruleset->entries[family][chain];

                if (!library->set_policy(chain_labels[chain], drop_label, NULL, handle))
                        return fail(family, "close", error);
                for (guint i = 0; r >= 0 && i < entries->len; i++)
                        r = append_entry(family, chain, &g_array_index(entries, RulesetEntry, i), handle, error);
        }
        if (r >= 0 && !library->set_policy(forward_label, drop_label, NULL, handle))
                return fail(family, "close", error);
        return r;
}

static int commit_family(LeaseFamily family, const Ruleset *ruleset, Error *error) {
        const Library *library = &libraries[family];
        struct xtc_handle *handle = library->init("filter");
        int r;

        if (!handle)
                return fail(family, "read", error);
        r = clear_table(family, handle, error);
        if (r >= 0)
                r = fill_table(family, ruleset, handle, error);
        if (r >= 0 && !library->commit(handle))
                r = fail(family, "commit", error);
        library->free(handle);
        return r;
}

static int iptables_commit(const Ruleset *ruleset, const Ruleset *before, Error *error) {
        g_autoptr(Ruleset) closed = NULL;
        int r;

        r = commit_family(LEASE_IPV4, ruleset, error);
        if (r < 0 || !netlink_has_ipv6())
                return r;
        r = commit_family(LEASE_IPV6, ruleset, error);
        if (r >= 0)
                return 0;
        if (!before) {
                g_autoptr(GHashTable) nobody = g_hash_table_new(NULL, NULL);
                g_autoptr(Plan) nothing = plan_new();
                const Lease none = { 0 };

                closed = ruleset_new(nothing, &none, nobody, false);
                before = closed;
        }
        (void) commit_family(LEASE_IPV4, before, NULL);
        return r;
}

static int iptables_probe(Error *error) {
        for (LeaseFamily family = 0; family < _LEASE_FAMILY_MAX; family++) {
                struct xtc_handle *handle;

                if (family == LEASE_IPV6 && !netlink_has_ipv6())
                        continue;
                handle = libraries[family].init("filter");
                if (!handle)
                        return fail(family, "read", error);
                libraries[family].free(handle);
        }
        return 0;
}

/* ---- what is there ---- */

static void digest_text(GChecksum *sum, const char *text) {
        g_checksum_update(sum, (const guchar *) text, (gssize) strlen(text) + 1);
}

/* A match or a target: behind the end of its name is what was in our memory before. */
static void digest_extension(GChecksum *sum, const struct xt_entry_match *extension) {
        digest_text(sum, extension->u.user.name);
        g_checksum_update(sum, &extension->u.user.revision, sizeof(extension->u.user.revision));
        g_checksum_update(sum, extension->data, (gssize) (extension->u.match_size - sizeof(*extension)));
}

/* An entry without what the kernel counts in it. */
static void digest_entry(GChecksum *sum, LeaseFamily family, const void *entry) {
        const struct ipt_entry *ipv4 = entry;
        const struct ip6t_entry *ipv6 = entry;
        size_t at = family == LEASE_IPV4 ? sizeof(*ipv4) : sizeof(*ipv6);
        size_t end = family == LEASE_IPV4 ? ipv4->next_offset : ipv6->next_offset;

        if (family == LEASE_IPV4)
                g_checksum_update(sum, (const guchar *) &ipv4->ip, sizeof(ipv4->ip));
        else
                g_checksum_update(sum, (const guchar *) &ipv6->ipv6, sizeof(ipv6->ipv6));
        /* struct xt_entry_target looks the same, and is the last one */
        while (at + sizeof(struct xt_entry_match) <= end) {
                const struct xt_entry_match *extension = (const void *) ((const uint8_t *) entry + at);

                digest_extension(sum, extension);
                at += MAX(extension->u.match_size, sizeof(*extension));
        }
}

static void digest_chain(GChecksum *sum, LeaseFamily family, const char *chain, struct xtc_handle *handle) {
        struct xt_counters counters;
        const char *policy = libraries[family].get_policy(chain, &counters, handle);

        digest_text(sum, chain);
        if (policy)
                digest_text(sum, policy);
        if (family == LEASE_IPV4)
                for (const struct ipt_entry *entry = iptc_first_rule(chain, handle); entry;
                     entry = iptc_next_rule(entry, handle))
                        digest_entry(sum, family, entry);
        else
                for (const struct ip6t_entry *entry = ip6tc_first_rule(chain, handle); entry;
                     entry = ip6tc_next_rule(entry, handle))
                        digest_entry(sum, family, entry);
}

static int iptables_mark(char **ret, Error *error) {
        g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);

        for (LeaseFamily family = 0; family < _LEASE_FAMILY_MAX; family++) {
                const Library *library = &libraries[family];
                struct xtc_handle *handle;

                if (family == LEASE_IPV6 && !netlink_has_ipv6())
                        continue;
                handle = library->init("filter");
                if (!handle)
                        return fail(family, "read", error);
                for (const char *chain = library->first_chain(handle); chain;
                     chain = library->next_chain(handle))
                        digest_chain(sum, family, chain, handle);
                library->free(handle);
        }
        *ret = g_strdup(g_checksum_get_string(sum));
        return 0;
}

const FirewallOps firewall_iptables_ops = {
        .choice = FIREWALL_IPTABLES,
        .probe = iptables_probe,
        .commit = iptables_commit,
        .mark = iptables_mark,
};
