/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Lease: what one sandbox has of the network that an instance's sandboxes share
 *
 * Pure data. The service makes one from its pools (service/lease-pool.h) and tells it the shim, which makes the
 * link from it, and bulkhead-net, which pins it to that link on the host. Of the addresses at least one family
 * is there. Inside, the sandbox has each address for itself alone (/32, /128) and reaches everything by the
 * gateway: who else is on the bridge is the host's decision and nobody's neighbour.
 */
#include <net/ethernet.h>
#include <stdbool.h>

#include "util/error.h"
#include "util/limits.h"
#include "util/wire.h"

/* The firewall that is used; AUTO = the one that the kernel has, iptables first. */
typedef enum FirewallChoice {
        FIREWALL_AUTO,
        FIREWALL_IPTABLES,
        FIREWALL_NFTABLES,
        _FIREWALL_CHOICE_MAX,
        _FIREWALL_CHOICE_INVALID = -EINVAL,
} FirewallChoice;

typedef enum LeaseFamily {
        LEASE_IPV4,
        LEASE_IPV6,
        _LEASE_FAMILY_MAX,
} LeaseFamily;

/* An address of the family it stands at; network byte order, IPv4 in the first 4. */
typedef struct LeaseAddress {
        bool is_set;
        uint8_t bytes[16];
} LeaseAddress;

/* Of one family. */
typedef struct LeaseNet {
        LeaseAddress address;  /* the sandbox's; not set = nothing of this family */
        LeaseAddress gateway;  /* the bridge's, in the same net */
        LeaseAddress resolver; /* where names are asked for; not set = nowhere by this family */
        unsigned prefix;       /* bits of the pool's net */
} LeaseNet;

typedef struct Lease {
        uint32_t number; /* in the pool, below LEASES_MAX */
        LeaseNet nets[_LEASE_FAMILY_MAX];
        uint8_t mac[ETHER_ADDR_LEN];       /* of the end inside; locally administered, of one station */
        char bridge[IFNAME_MAX + 1];
        char host_link[IFNAME_MAX + 1];    /* the end on the bridge; the instance is part of it */
        uint32_t mtu;                      /* 0 = the kernel's choice */
        FirewallChoice firewall;
} Lease;

/* The addresses that leases of one family are taken from, all of them the instance's own. */
typedef struct LeaseRange {
        bool is_set;
        uint8_t bytes[16]; /* the lowest; as in LeaseAddress */
        unsigned prefix;   /* 8 to 29, and 16 to 120 with IPv6 */
} LeaseRange;

size_t lease_family_size(LeaseFamily family);    /* bytes of an address: 4 or 16 */
int lease_family_to_af(LeaseFamily family);      /* AF_INET or AF_INET6 */

/* The text of an address; caller frees. */
char *lease_address_format(LeaseFamily family, const LeaseAddress *address);
/* The sandbox's addresses as text, IPv4 first; caller frees with g_strfreev(). */
char **lease_format_addresses(const Lease *lease);
bool lease_is_equal(const Lease *a, const Lease *b);

/* A name that a link of ours may have: a letter, then letters, digits, '_' and '-', IFNAME_MAX of them; not "lo".
 * ERROR_INVALID_ARGS. @what names it in the message ("Bridge"). */
int lease_link_name_check(const char *what, const char *name, Error *error);

/* "ADDRESS/PREFIX", or "no" for none. Refused: bits behind the prefix, and nets that no host has an address of
 * (0.0.0.0/8, 127.0.0.0/8, 169.254.0.0/16, multicast; ::/8, fe80::/10, ff00::/8). */
int lease_range_parse(LeaseFamily family, const char *text, LeaseRange *ret, Error *error);
char *lease_range_format(LeaseFamily family, const LeaseRange *range); /* caller frees */
/* The @n-th address of the net: 0 is the net's own, 1 the gateway's. @n must be inside. */
LeaseAddress lease_range_pick(LeaseFamily family, const LeaseRange *range, uint32_t n);
void lease_range_put(WireWriter *writer, LeaseFamily family, const LeaseRange *range);
int lease_range_get(WireReader *reader, LeaseFamily family, LeaseRange *ret, Error *error);

/* An address alone. Not set goes as "". get() fails @reader for anything else than an address of @family. */
int lease_address_parse(LeaseFamily family, const char *text, LeaseAddress *ret); /* -EINVAL */
void lease_address_put(WireWriter *writer, LeaseFamily family, const LeaseAddress *address);
LeaseAddress lease_address_get(WireReader *reader, LeaseFamily family);

void lease_put(WireWriter *writer, const Lease *lease);
/* Believes nothing: ERROR_INVALID_ARGS for what no link can be made of. */
int lease_get(WireReader *reader, Lease *ret, Error *error);

const char *firewall_choice_to_string(FirewallChoice choice); /* "auto", "iptables", "nftables" */
FirewallChoice firewall_choice_from_string(const char *name);
