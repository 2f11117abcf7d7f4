/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Link: the cable between a sandbox and the bridge of its instance
 *
 * A veth whose one end is made straight in the sandbox's network namespace, and whose other end is a port of
 * the bridge: isolated from the other ports, and only for the one hardware address that the lease says. It is
 * made once, and from then on raised and lowered: taking it away blocks for 14 to 41 ms, and the namespace
 * takes it along when it ends.
 */
#include "plan/lease.h"
#include "util/error.h"
#include "util/netlink.h"

typedef struct Link Link;

/* @inside: a socket in the sandbox's network namespace, @netns_fd the namespace; neither is owned, and both must
 * live as long. Touches nothing yet. */
Link *link_new(const Lease *lease, const char *name, Netlink *inside, int netns_fd);
void link_free(Link *link); /* what is there stays */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Link, link_free)

/* Makes it if it is not there, down at both ends. Called in the host's network namespace. A failure is tried
 * again from where it was. */
int link_make(Link *link, Error *error);
/* Gives it its addresses, sets it up and adds its routes; by the socket inside, from anywhere. After a failure it
 * is down. */
int link_raise(Link *link, Error *error);
/* Nothing passes any more, whatever rules there are; routes and neighbours are gone. */
int link_lower(Link *link, Error *error);
