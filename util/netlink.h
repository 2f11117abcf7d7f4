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

/* The index of a link, for the functions below; -ENODEV if there is none of that name. */
int netlink_link_find(Netlink *netlink, const char *name, unsigned *ret_index, Error *error);

/* Sets a link up or down. */
int netlink_link_set_up(Netlink *netlink, unsigned index, bool up, Error *error);

/* Puts a link on a bridge; 0 takes it off. */
int netlink_link_set_master(Netlink *netlink, unsigned index, unsigned master_index, Error *error);

/* Makes a pair in one request: @name here, its peer @peer_name in the namespace of @peer_netns_fd (an nsfs
 * descriptor, stays the caller's; -EBADF = here too). @master_index is the bridge of the end that is here,
 * 0 = none. Both ends are down. -EEXIST if a name is taken. */
int netlink_veth_create(Netlink *netlink, const char *name, unsigned master_index, const char *peer_name,
                        int peer_netns_fd, Error *error);

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
