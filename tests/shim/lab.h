/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Lab: a world of network namespaces for one test program
 *
 * The program itself moves to a new namespace, which is the router: with a bridge for sandboxes, whose shims are
 * its children and stay in it, and a cable to a peer with two addresses of each family. Nothing of it touches the
 * host's network, and all of it goes with the program.
 *
 *     sandbox 10.99.0.2, fd99::2 -- bridge 10.99.0.1, fd99::1 -- router -- peer 10.98.0.2 and .3, fd98::2 and ::3
 */
#include "plan/lease.h"
#include "tests/shim/driver.h"
#include "tests/shim/packet.h"

#define LAB_BRIDGE "labbridge"

typedef enum LabPlace {
        LAB_ROUTER,
        LAB_PEER,
        LAB_SANDBOX,
        _LAB_PLACE_MAX,
} LabPlace;

/* Protocols that are listened to; the last one is nobody's (RFC 3692). */
#define LAB_PROTOCOLS 6
#define LAB_OTHER_PROTOCOL 253

typedef struct Lab {
        int netns_fds[_LAB_PLACE_MAX]; /* owned; of the sandbox: -EBADF until there is one */
        int senders[_LAB_PLACE_MAX][_LEASE_FAMILY_MAX]; /* owned raw sockets */
        int receivers[_LAB_PLACE_MAX][_LEASE_FAMILY_MAX][LAB_PROTOCOLS];
        uint32_t tag;                  /* the last one used */
} Lab;

/* Once in a program. Skips the test where there are no namespaces, veth and bridges. */
Lab *lab_new(void);
void lab_free(Lab *lab);

/* Opens the sockets in the sandbox's namespace. */
void lab_set_sandbox(Lab *lab, Driver *driver);
void lab_enter(Lab *lab, LabPlace place);
void lab_leave(Lab *lab); /* back to the router */

/* Of number @number in the lab's pools. */
Lease lab_lease(uint32_t number);
const char *lab_address(LabPlace place, LeaseFamily family); /* the peer's first */
const char *lab_other_address(LeaseFamily family);           /* the peer's second */

/* Who asked, of every plan here. */
extern const PlanOrigin lab_origin;
/* A plan with a link, and the rules that lab_reaches() needs. */
Plan *lab_plan_new(PlanLinkFlags flags);
/* Ports may be NULL. */
void lab_plan_add_rule(Plan *plan, PlanDirection direction, PlanProtocol protocol, const char *peer,
                       const char *peer_ports, const char *local_ports);
int lab_send_lease(Driver *driver, const Lease *lease, Error *error);

/* Sends @packet from @from, whose tag and addresses that are NULL it fills in, and then one that is always allowed:
 * true if the packet was at @to before that. A rule for UDP to and from port 7 of the peer's first address must
 * be there. */
bool lab_reaches(Lab *lab, LabPlace from, LabPlace to, Packet packet);
#define LAB_MARKER_PORT 7
