/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "shim/link.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util/cleanup.h"

struct Link {
        Lease lease;
        char name[IFNAME_MAX + 1]; /* inside */
        Netlink *inside;           /* not owned */
        int netns_fd;              /* not owned */
        bool is_created;           /* there are both ends */
        bool is_made;              /* and the host's is as it must be, and up */
        unsigned index;            /* inside; 0 = not known yet */
};

Link *link_new(const Lease *lease, const char *name, Netlink *inside, int netns_fd) {
        Link *link = g_new0(Link, 1);

        link->lease = *lease;
        (void) g_strlcpy(link->name, name, sizeof(link->name));
        link->inside = inside;
        link->netns_fd = netns_fd;
        return link;
}

void link_free(Link *link) {
        g_free(link);
}

/* ---- the host's end ---- */

static int write_setting(const char *link_name, const char *setting, const char *value, Error *error) {
        g_autofree char *path = g_strdup_printf("/proc/sys/net/ipv6/conf/%s/%s", link_name, setting);
        autofd int fd = open(path, O_WRONLY | O_CLOEXEC);

        if (fd < 0 || write(fd, value, strlen(value)) < 0)
                return error_set_errnof(error, errno, "Cannot set '%s' to %s", path, value);
        return 0;
}

/* A port needs no address of its own, and nobody inside shall talk it into one (CVE-2020-13401). */
static int silence_host_end(const Link *link, Error *error) {
        int r;

        if (!netlink_has_ipv6())
                return 0;
        r = write_setting(link->lease.host_link, "accept_ra", "0", error);
        return r < 0 ? r : write_setting(link->lease.host_link, "disable_ipv6", "1", error);
}

/* The name is ours: a link that has it is one of a sandbox that had the lease before, whose namespace the kernel is
 * not done with, or which somebody holds. */
static int create_veth(Netlink *host, const NetlinkVeth *veth, Error *error) {
        g_auto(Error) taken = ERROR_NULL;
        unsigned index = 0;
        int r;

        r = netlink_veth_create(host, veth, &taken);
        if (r != -EEXIST)
                return r < 0 ? error_move(error, &taken) : 0;
        if (netlink_link_find(host, veth->name, &index, NULL) >= 0)
                (void) netlink_link_destroy(host, index, NULL); /* it may have gone meanwhile */
        return netlink_veth_create(host, veth, error);
}

static int create_ends(Link *link, Netlink *host, Error *error) {
        NetlinkVeth veth = { .name = link->lease.host_link,
                             .peer_name = link->name,
                             .peer_netns_fd = link->netns_fd,
                             .peer_address = link->lease.mac,
                             .mtu = link->lease.mtu };
        g_auto(Error) missing = ERROR_NULL;
        int r;

        if (link->is_created)
                return 0;
        r = netlink_bridge_find(host, link->lease.bridge, &veth.master_index, &missing);
        if (r == -ENODEV)
                return error_setf(error, ERROR_GATEWAY_FAILED, "There is no bridge '%s' to put the sandbox's link on",
                                  link->lease.bridge);
        if (r < 0)
                return error_move(error, &missing);
        r = create_veth(host, &veth, error);
        if (r < 0)
                return r;
        link->is_created = true;
        return 0;
}

static int pin_port(const Link *link, Netlink *host, Error *error) {
        const NetlinkPortFlags flags = NETLINK_PORT_ISOLATED | NETLINK_PORT_LOCKED | NETLINK_PORT_NO_LEARNING |
                                       NETLINK_PORT_NO_FLOOD | NETLINK_PORT_NO_BPDU;
        unsigned index = 0;
        int r;

        r = netlink_link_find(host, link->lease.host_link, &index, error);
        if (r >= 0)
                r = netlink_port_set_flags(host, index, flags, error);
        if (r >= 0)
                r = netlink_port_add_station(host, index, link->lease.mac, error);
        if (r >= 0)
                r = silence_host_end(link, error);
        return r < 0 ? r : netlink_link_set_up(host, index, true, error);
}

int link_make(Link *link, Error *error) {
        g_autoptr(Netlink) host = NULL;
        int r;

        if (link->is_made)
                return 0;
        r = netlink_new(&host, error);
        if (r >= 0)
                r = create_ends(link, host, error);
        if (r >= 0)
                r = pin_port(link, host, error);
        if (r < 0)
                return r;
        link->is_made = true;
        return 0;
}

/* ---- the end inside ---- */

static int done_or_there(int r, Error *local, Error *error) {
        if (r >= 0)
                return 0;
        if (r != -EEXIST)
                return error_move(error, local);
        error_done(local);
        return 0;
}

/* An address for itself alone: the gateway is the only neighbour. */
static int add_address(const Link *link, LeaseFamily family, Error *error) {
        const LeaseNet *net = &link->lease.nets[family];
        g_auto(Error) local = ERROR_NULL;

        return done_or_there(netlink_address_add(link->inside, link->index, lease_family_to_af(family),
                                                 net->address.bytes, 8 * (unsigned) lease_family_size(family),
                                                 &local),
                             &local, error);
}

static int add_route(const Link *link, LeaseFamily family, const LeaseAddress *destination,
                     const LeaseAddress *next_hop, Error *error) {
        unsigned prefix = destination ? 8 * (unsigned) lease_family_size(family) : 0;
        g_auto(Error) local = ERROR_NULL;

        return done_or_there(netlink_route_add(link->inside, link->index, lease_family_to_af(family),
                                               destination ? destination->bytes : NULL, prefix,
                                               next_hop ? next_hop->bytes : NULL, &local),
                             &local, error);
}

static bool has_family(const Link *link, LeaseFamily family) {
        return link->lease.nets[family].address.is_set &&
               (family != LEASE_IPV6 || netlink_has_ipv6());
}

static int bring_up(Link *link, Error *error) {
        int r = 0;

        if (link->index == 0)
                r = netlink_link_find(link->inside, link->name, &link->index, error);
        for (LeaseFamily family = 0; r >= 0 && family < _LEASE_FAMILY_MAX; family++)
                if (has_family(link, family))
                        r = add_address(link, family, error);
        if (r >= 0)
                r = netlink_link_set_up(link->inside, link->index, true, error);
        for (LeaseFamily family = 0; r >= 0 && family < _LEASE_FAMILY_MAX; family++) {
                const LeaseAddress *gateway = &link->lease.nets[family].gateway;

                if (!has_family(link, family))
                        continue;
                /* Setting a link down takes its IPv6 addresses. */
                r = add_address(link, family, error);
                if (r >= 0)
                        r = add_route(link, family, gateway, NULL, error);
                if (r >= 0)
                        r = add_route(link, family, NULL, gateway, error);
        }
        return r;
}

int link_raise(Link *link, Error *error) {
        int r = bring_up(link, error);

        if (r < 0)
                (void) link_lower(link, NULL);
        return r;
}

int link_lower(Link *link, Error *error) {
        return link->index == 0 ? 0 : netlink_link_set_up(link->inside, link->index, false, error);
}
