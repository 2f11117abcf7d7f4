/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Netlink: links, addresses and routes of the network namespace that the socket was opened in
 *
 * One request, one acknowledgement (rtnetlink(7)); the kernel's own words for a refusal are in the error. A
 * socket stays in the namespace it was opened in, whatever the process enters afterwards. No policy here: who
 * asks says which names, numbers and addresses.
 */
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "util/error.h"

typedef struct Netlink Netlink;

/* Opens a socket in the network namespace of the calling thread. */
int netlink_new(Netlink **ret, Error *error);
void netlink_free(Netlink *netlink);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Netlink, netlink_free)

/* Does the kernel speak IPv6 at all? */
bool netlink_has_ipv6(void);

/* The index of a link, for the functions below; -ENODEV if there is none of that name. */
int netlink_link_find(Netlink *netlink, const char *name, unsigned *ret_index, Error *error);

/* Sets a link up or down. */
int netlink_link_set_up(Netlink *netlink, unsigned index, bool up, Error *error);

/* Puts a link on a bridge; 0 takes it off. */
int netlink_link_set_master(Netlink *netlink, unsigned index, unsigned master_index, Error *error);

/* A pair of links: the end that is here, and its peer. */
typedef struct NetlinkVeth {
        const char *name;
        unsigned master_index;       /* the bridge of the end that is here; 0 = none */
        const char *peer_name;
        int peer_netns_fd;           /* where the peer is made: an nsfs descriptor, stays the caller's; -EBADF = here */
        const uint8_t *peer_address; /* ETHER_ADDR_LEN bytes; NULL = one that the kernel draws */
        uint32_t mtu;                /* of both; 0 = the kernel's choice */
} NetlinkVeth;

/* Makes a pair in one request. Both ends are down. -EEXIST if a name is taken. */
int netlink_veth_create(Netlink *netlink, const NetlinkVeth *veth, Error *error);

/* Like netlink_link_find(), and ERROR_INVALID_ARGS if the link is no bridge. */
int netlink_bridge_find(Netlink *netlink, const char *name, unsigned *ret_index, Error *error);

/* Of a bridge's port, bridge(8) "bridge link set". */
typedef enum NetlinkPortFlags {
        NETLINK_PORT_ISOLATED = 1 << 0,   /* speaks with the bridge itself and ports that are not isolated */
        NETLINK_PORT_LOCKED = 1 << 1,     /* only from stations that were added to it; Linux 5.16, without effect before */
        NETLINK_PORT_NO_LEARNING = 1 << 2,
        NETLINK_PORT_NO_FLOOD = 1 << 3,   /* gets no frames to stations that the bridge does not know */
        NETLINK_PORT_NO_BPDU = 1 << 4,    /* takes no part in how bridges arrange themselves */
} NetlinkPortFlags;

/* Those that are not in @flags are as the kernel has them at first. */
int netlink_port_set_flags(Netlink *netlink, unsigned index, NetlinkPortFlags flags, Error *error);

/* The station @address (ETHER_ADDR_LEN bytes) is at this port of a bridge and at no other. */
int netlink_port_add_station(Netlink *netlink, unsigned index, const uint8_t *address, Error *error);

/* Makes an empty bridge, down. */
int netlink_bridge_create(Netlink *netlink, const char *name, Error *error);

/* Removes a link, with a veth its peer. Waits for the kernel's grace periods: 14 to 41 ms for a veth. */
int netlink_link_destroy(Netlink *netlink, unsigned index, Error *error);

/* @family is AF_INET or AF_INET6, @address 4 or 16 bytes in network order. An IPv6 address is added without
 * duplicate address detection, so that it can be used at once. */
int netlink_address_add(Netlink *netlink, unsigned index, int family, const void *address,
                        unsigned prefix_length, Error *error);

/* Adds a unicast route to @destination/@prefix_length (NULL and 0 = default) by @next_hop (NULL = on the link).
 * @index is the link it goes out by. */
int netlink_route_add(Netlink *netlink, unsigned index, int family, const void *destination,
                      unsigned prefix_length, const void *next_hop, Error *error);
