/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Ruleset: what a plan lets through a sandbox's link, packet by packet
 *
 * Pure data, the same for every firewall (shim/firewall.h). Each family has two chains, of what comes in and
 * what goes out; an entry that fits decides, and what none fits is dropped.
 *
 * Every rule of the plan becomes two entries: one for the packets of who opened the connection, one in the
 * other chain for the replies, with the same addresses and ports, and only of connections that were opened
 * the right way round. There is no entry for all that is established: so a rule that is gone has taken its
 * connections along in the same commit, and nobody has to be quick about the kernel's table of connections.
 * Fragments need no care: connection tracking puts packets together before a chain sees them.
 */
#include "plan/lease.h"
#include "plan/net-message.h"
#include "plan/plan.h"

typedef enum RulesetChain {
        RULESET_IN,
        RULESET_OUT,
        _RULESET_CHAIN_MAX,
} RulesetChain;

typedef enum RulesetVerdict {
        RULESET_ACCEPT,
        RULESET_DROP,
        RULESET_LOG, /* told to RULESET_LOG_GROUP, some times a second; goes on */
} RulesetVerdict;

/* Of the connection that the packet belongs to; both sets empty = no matter. */
typedef enum RulesetState {
        RULESET_NEW = 1 << 0,
        RULESET_ESTABLISHED = 1 << 1,
        RULESET_RELATED = 1 << 2, /* an ICMP error about another one */
        RULESET_ORIGINAL = 1 << 3, /* from who opened it */
        RULESET_REPLY = 1 << 4,
} RulesetState;

/* Slots of one list: a port takes one and a range two, as xt_multiport has it. */
#define RULESET_PORT_SLOTS 15

typedef struct RulesetPorts {
        PlanPortRange ranges[RULESET_PORT_SLOTS];
        unsigned n; /* 0 = all ports */
} RulesetPorts;

typedef struct RulesetNet {
        bool is_set; /* else every address */
        bool is_not; /* every other address */
        uint8_t address[16];
        unsigned prefix;
} RulesetNet;

typedef struct RulesetEntry {
        RulesetVerdict verdict;
        bool is_loopback;    /* of the link "lo" only */
        uint8_t protocol;    /* IPPROTO_...; 0 = all */
        uint8_t icmpv6_type; /* 0 = all */
        unsigned states;     /* RulesetState */
        RulesetNet source, destination;
        RulesetPorts source_ports, destination_ports;
} RulesetEntry;

typedef struct Ruleset {
        GArray *entries[_LEASE_FAMILY_MAX][_RULESET_CHAIN_MAX]; /* owned; of RulesetEntry */
} Ruleset;

/* Packets that were dropped are told to this group of nfnetlink_log. */
#define RULESET_LOG_GROUP      1
#define RULESET_LOG_PER_SECOND 8
#define RULESET_LOG_BURST      16

/*
 * What @plan lets through the link of @lease. @hosts: name -> HostAddresses, where names lead; a rule for a name
 * that leads nowhere lets nothing through. A plan without a link lets nothing through but what stays inside.
 * @logs: what is dropped is told to RULESET_LOG_GROUP.
 */
Ruleset *ruleset_new(const Plan *plan, const Lease *lease, GHashTable *hosts, bool logs);
void ruleset_free(Ruleset *ruleset);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Ruleset, ruleset_free)

bool ruleset_is_equal(const Ruleset *a, const Ruleset *b);
/* A line for each entry, for tests and the log; caller frees. */
char *ruleset_format(const Ruleset *ruleset);
