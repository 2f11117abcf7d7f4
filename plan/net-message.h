/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the service tells bulkhead-net, and what that answers
 *
 * The service says what it wants, never how: NET_CONFIGURE once after connecting, then NET_SANDBOX for each
 * sandbox that has a link, then NET_SETTLE. Each NET_SANDBOX is whole: it takes the place of what was wanted for
 * that sandbox before. A bulkhead-net that was started anew is told all of it again, and makes the host so;
 * whatever else of this instance it finds on the host at NET_SETTLE is stale and goes.
 *
 * Requests carry a serial; each is answered exactly once by NET_DONE with the same serial, in any order, when
 * the host is as wanted. Events have serial 0.
 */
#include <glib.h>
#include <stdbool.h>

#include "plan/lease.h"
#include "plan/plan.h"
#include "util/error.h"
#include "util/wire.h"

typedef enum NetMessageType {
        /* service -> bulkhead-net */
        NET_CONFIGURE = 1, /* NetConfig. DONE: the bridge stands, has its addresses, NAT and forwarding are as
                            * wanted. Another one than before changes what there is */
        NET_SANDBOX = 2,   /* NetSandbox. DONE: its port may come up; what it follows is being asked for */
        NET_FORGET = 3,    /* u32 number of the lease. DONE: nothing of that sandbox is left on the host but the link,
                            * which goes with its namespace */
        NET_SETTLE = 4,    /* all has been said that is wanted now. DONE: all else is gone */
        NET_STOP = 5,      /* take everything away that is the instance's. DONE, then it exits */
        /* bulkhead-net -> service */
        NET_DONE = 32,     /* shim_error_put(): an error or success */
        NET_RESOLVED = 33, /* HostAddresses: a name that some sandbox follows; told at its first answer, and
                            * whenever the addresses change */
        NET_RESTORED = 34, /* string: what somebody else had taken away, and is back: for the log */
        NET_FAILED = 35,   /* an error: what is wanted does not hold, and could not be put back */
        NET_STATUS = 36,   /* NetStatus, after NET_CONFIGURE and when it changes */
} NetMessageType;

typedef struct NetConfig {
        char *instance; /* owned; "" or 8 hex digits: part of every name on the host */
        char *bridge;   /* owned */
        LeaseRange ranges[_LEASE_FAMILY_MAX]; /* the bridge has the first address of each */
        bool nat;       /* what leaves the host has the host's address */
        FirewallChoice firewall;
        bool has_resolver; /* names are answered on the bridge's own addresses */
} NetConfig;

/* A port of the host that leads into a sandbox. */
typedef struct NetForward {
        PlanProtocol protocol; /* TCP, UDP or SCTP */
        uint16_t host_port, port;
} NetForward;

typedef struct NetSandbox {
        Lease lease;
        GArray *forwards; /* owned; of NetForward; NULL = none */
        char **hosts;     /* owned; names that its rules follow, as PlanPeer has them; NULL = none */
        uint32_t *peers;  /* owned; numbers of the leases of sandboxes that it may speak with; NULL = none */
        uint32_t n_peers;
        bool may_ask_names; /* the resolver on the bridge answers it */
} NetSandbox;

/* Where a name leads. */
typedef struct HostAddresses {
        char *host;           /* owned */
        GArray *addresses[_LEASE_FAMILY_MAX]; /* owned; of LeaseAddress, sorted, unique; NULL = none */
        uint32_t ttl_sec;     /* how long that holds; 0 = not known */
} HostAddresses;

typedef struct NetStatus {
        FirewallChoice firewall; /* never AUTO */
        bool forwards[_LEASE_FAMILY_MAX];
        char *resolver; /* owned; who answers names, for people; NULL = nobody */
} NetStatus;

void net_config_put(WireWriter *writer, const NetConfig *config);
int net_config_get(WireReader *reader, NetConfig *ret, Error *error); /* net_config_done() what it filled */
void net_config_done(NetConfig *config);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(NetConfig, net_config_done)

void net_sandbox_put(WireWriter *writer, const NetSandbox *sandbox);
int net_sandbox_get(WireReader *reader, NetSandbox *ret, Error *error);
void net_sandbox_done(NetSandbox *sandbox);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(NetSandbox, net_sandbox_done)

/* Sorts and makes unique; ERROR_LIMIT_REACHED above HOST_ADDRESSES_MAX of both families together. */
int host_addresses_add(HostAddresses *host, LeaseFamily family, const LeaseAddress *address, Error *error);
bool host_addresses_are_equal(const HostAddresses *a, const HostAddresses *b); /* but for the TTL */
void host_addresses_put(WireWriter *writer, const HostAddresses *host);
/* Refuses addresses that no name may lead to: loopback, unspecified, multicast, link-local. */
int host_addresses_get(WireReader *reader, HostAddresses *ret, Error *error);
void host_addresses_done(HostAddresses *host);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(HostAddresses, host_addresses_done)

void net_status_put(WireWriter *writer, const NetStatus *status);
int net_status_get(WireReader *reader, NetStatus *ret, Error *error);
void net_status_done(NetStatus *status);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(NetStatus, net_status_done)
