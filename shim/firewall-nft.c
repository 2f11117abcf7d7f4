/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The firewall by nftables
 *
 * One table of both families, which each commit replaces in one transaction. libnftables takes text: every word
 * of it is a number, an address that was formatted here, or a constant. It is loaded when it is needed, which
 * on most kernels is never: it and what it brings along would double a shim's memory.
 */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <nftables/libnftables.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "shim/firewall-private.h"
#include "util/cleanup.h"

#define TABLE "inet bulkhead"

typedef struct NftLibrary {
        struct nft_ctx *(*ctx_new)(uint32_t flags);
        void (*ctx_free)(struct nft_ctx *context);
        int (*buffer_error)(struct nft_ctx *context);
        const char *(*get_error)(struct nft_ctx *context);
        int (*run)(struct nft_ctx *context, const char *text);
} NftLibrary;

/* Loaded once, and never unloaded. */
static int load_library(const NftLibrary **ret, Error *error) {
        static NftLibrary library;
        static const struct {
                const char *name;
                size_t offset;
        } symbols[] = {
                { "nft_ctx_new", G_STRUCT_OFFSET(NftLibrary, ctx_new) },
                { "nft_ctx_free", G_STRUCT_OFFSET(NftLibrary, ctx_free) },
                { "nft_ctx_buffer_error", G_STRUCT_OFFSET(NftLibrary, buffer_error) },
                { "nft_ctx_get_error_buffer", G_STRUCT_OFFSET(NftLibrary, get_error) },
                { "nft_run_cmd_from_buffer", G_STRUCT_OFFSET(NftLibrary, run) },
        };
        void *handle;

        if (!library.run) {
                handle = dlopen("libnftables.so.1", RTLD_NOW | RTLD_LOCAL);
                if (!handle)
                        return error_setf(error, ERROR_UNSUPPORTED, "Cannot load libnftables: %s", dlerror());
                for (size_t i = 0; i < G_N_ELEMENTS(symbols); i++) {
                        void *symbol = dlsym(handle, symbols[i].name);

                        if (!symbol)
                                return error_setf(error, ERROR_UNSUPPORTED, "libnftables has no %s()",
                                                  symbols[i].name);
                        memcpy((char *) &library + symbols[i].offset, &symbol, sizeof(symbol));
                }
        }
        *ret = &library;
        return 0;
}

/* ---- the kernel's number of the rules, another after every commit of anybody ---- */

static int ask_generation(char **ret) {
        const struct timeval timeout = { .tv_sec = 5 };
        struct {
                struct nlmsghdr header;
                struct nfgenmsg body;
        } question = {
                .header = { .nlmsg_len = sizeof(question),
                            .nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETGEN,
                            .nlmsg_flags = NLM_F_REQUEST },
                .body = { .nfgen_family = AF_UNSPEC, .version = NFNETLINK_V0 },
        };
        union {
                struct nlmsghdr header;
                uint8_t bytes[1024];
        } answer;
        autofd int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
        ssize_t n;

        if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) < 0 ||
            send(fd, &question, sizeof(question), 0) < 0)
                return -errno;
        n = recv(fd, &answer, sizeof(answer), 0);
        if (n < 0)
                return -errno;
        if (!NLMSG_OK(&answer.header, (size_t) n) || answer.header.nlmsg_type == NLMSG_ERROR)
                return -EOPNOTSUPP;
        for (size_t at = NLMSG_LENGTH(sizeof(struct nfgenmsg)); at + NLA_HDRLEN + 4 <= (size_t) n;) {
                const struct nlattr *attribute = (const void *) (answer.bytes + at);

                if (attribute->nla_len < NLA_HDRLEN)
                        break;
                if (attribute->nla_type == NFTA_GEN_ID) {
                        uint32_t id;

                        memcpy(&id, (const uint8_t *) attribute + NLA_HDRLEN, sizeof(id));
                        *ret = g_strdup_printf("%u", ntohl(id));
                        return 0;
                }
                at += NLA_ALIGN(attribute->nla_len);
        }
        return -EBADMSG;
}

static int nft_mark(char **ret, Error *error) {
        int r = ask_generation(ret);

        return r < 0 ? error_set_errnof(error, -r, "Cannot ask nftables") : 0;
}

static int nft_probe(Error *error) {
        g_autofree char *mark = NULL;
        const NftLibrary *library;
        int r;

        r = nft_mark(&mark, error);
        return r < 0 ? r : load_library(&library, error);
}

/* ---- the text ---- */

static void write_net(GString *text, LeaseFamily family, const char *side, const RulesetNet *net) {
        char address[INET6_ADDRSTRLEN];

        if (!net->is_set || (net->prefix == 0 && !net->is_not))
                return;
        (void) inet_ntop(lease_family_to_af(family), net->address, address, sizeof(address));
        g_string_append_printf(text, " %s %s %s%s/%u", family == LEASE_IPV4 ? "ip" : "ip6", side,
                               net->is_not ? "!= " : "", address, net->prefix);
}

/* "th" is where the ports of every protocol that has some are. */
static void write_ports(GString *text, const char *side, const RulesetPorts *ports) {
        for (unsigned i = 0; i < ports->n; i++) {
                const PlanPortRange *range = &ports->ranges[i];

                if (i == 0)
                        g_string_append_printf(text, " th %s {", side);
                g_string_append_printf(text, "%s%u", i > 0 ? "," : "", range->first);
                if (range->first != range->last)
                        g_string_append_printf(text, "-%u", range->last);
        }
        if (ports->n > 0)
                g_string_append_c(text, '}');
}

static void write_states(GString *text, unsigned states) {
        static const struct {
                RulesetState state;
                const char *word;
        } words[] = {
                { RULESET_NEW, "new" },
                { RULESET_ESTABLISHED, "established" },
                { RULESET_RELATED, "related" },
        };
        const char *separator = " ct state ";

        for (size_t i = 0; i < G_N_ELEMENTS(words); i++)
                if (states & words[i].state) {
                        g_string_append_printf(text, "%s%s", separator, words[i].word);
                        separator = ",";
                }
        if (states & (RULESET_ORIGINAL | RULESET_REPLY))
                g_string_append_printf(text, " ct direction %s",
                                       states & RULESET_REPLY ? "reply" : "original");
}

static void write_entry(GString *text, LeaseFamily family, RulesetChain chain, const RulesetEntry *entry) {
        g_string_append_printf(text, "add rule " TABLE " %s meta nfproto %s",
                               chain == RULESET_IN ? "input" : "output", family == LEASE_IPV4 ? "ipv4" : "ipv6");
        if (entry->is_loopback)
                g_string_append_printf(text, " %s lo", chain == RULESET_IN ? "iifname" : "oifname");
        if (entry->protocol != 0)
                g_string_append_printf(text, " meta l4proto %u", entry->protocol);
        if (entry->icmpv6_type != 0)
                g_string_append_printf(text, " icmpv6 type %u", entry->icmpv6_type);
        write_net(text, family, "saddr", &entry->source);
        write_net(text, family, "daddr", &entry->destination);
        write_ports(text, "sport", &entry->source_ports);
        write_ports(text, "dport", &entry->destination_ports);
        write_states(text, entry->states);
        if (entry->verdict == RULESET_LOG)
                g_string_append_printf(text, " limit rate %d/second burst %d packets log group %d\n",
                                       RULESET_LOG_PER_SECOND, RULESET_LOG_BURST, RULESET_LOG_GROUP);
        else
                g_string_append(text, entry->verdict == RULESET_ACCEPT ? " accept\n" : " drop\n");
}

/* Chains that are there stay and are emptied: to take one away, the kernel waits until nobody is in it. */
static char *write_table(const Ruleset *ruleset) {
        GString *text = g_string_new("add table " TABLE "\n");
        static const char *const hooks[] = { "input", "output", "forward" };

        for (size_t i = 0; i < G_N_ELEMENTS(hooks); i++)
                g_string_append_printf(text,
                                       "add chain " TABLE
                                       " %s { type filter hook %s priority 0; policy drop; }\n"
                                       "flush chain " TABLE " %s\n",
                                       hooks[i], hooks[i], hooks[i]);
        for (LeaseFamily family = 0; family < _LEASE_FAMILY_MAX; family++)
                for (RulesetChain chain = 0; chain < _RULESET_CHAIN_MAX; chain++) {
                        const GArray *entries = ruleset->entries[family][chain];

                        for (guint i = 0; i < entries->len; i++)
                                write_entry(text, family, chain, &g_array_index(entries, RulesetEntry, i));
                }
        return g_string_free(text, FALSE);
}

static int nft_commit(const Ruleset *ruleset, const Ruleset *before G_GNUC_UNUSED, Error *error) {
        g_autofree char *text = write_table(ruleset);
        const NftLibrary *library;
        struct nft_ctx *context;
        int r;

        r = load_library(&library, error);
        if (r < 0)
                return r;
        context = library->ctx_new(NFT_CTX_DEFAULT);
        if (!context)
                return error_set_errnof(error, ENOMEM, "Cannot use libnftables");
        if (library->buffer_error(context) != 0)
                r = error_set_errnof(error, ENOMEM, "Cannot use libnftables");
        else if (library->run(context, text) != 0) {
                const char *words = library->get_error(context);
                g_autofree char *line = g_strndup(words ?: "", strcspn(words ?: "", "\n"));

                r = error_setf(error, ERROR_SYSTEM, "Cannot commit the rules: %s", line);
        }
        library->ctx_free(context);
        return r;
}

const FirewallOps firewall_nft_ops = {
        .choice = FIREWALL_NFTABLES,
        .probe = nft_probe,
        .commit = nft_commit,
        .mark = nft_mark,
};
