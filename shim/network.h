/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Network: link and rules of one sandbox
 *
 * Nothing is opened until a plan has a link. From then on the rules of the plan in force hold; they are committed
 * before the link goes up, and again before each change is answered. A change is begun, commits its rules once,
 * and is rolled back if something else of it fails.
 */
#include "plan/lease.h"
#include "plan/net-message.h"
#include "plan/plan.h"
#include "shim/container.h"
#include "shim/report.h"
#include "util/error.h"
#include "util/loop.h"

typedef struct Network Network;

/* None is owned. */
Network *network_new(Container *container, Loop *loop, ShimReport *report);
/* Closes all that would keep the namespace, and its link with it, alive. */
void network_free(Network *network);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Network, network_free)

/* ERROR_BAD_STATE for another lease than before. */
int network_set_lease(Network *network, const Lease *lease, Error *error);
const Lease *network_get_lease(const Network *network); /* NULL = none yet */

/* Takes what is in @host, and puts there what was known of that name before (the name alone for one that was not
 * known): a second call takes the first one back. Where it leads counts from the next commit on. True if that is
 * elsewhere than before. */
bool network_swap_host(Network *network, HostAddresses *host);
/* Names of @plan's rules that lead nowhere: what they would let through is closed. Sorted; caller frees. */
char **network_list_pending(const Network *network, const Plan *plan);

/* A change from the plan in force begins. */
void network_begin(Network *network);
/* Rules of @plan, once in a change; if what was committed before is not what is there, that is said in the log and
 * put right by the same commit. */
int network_commit(Network *network, const Plan *plan, Error *error);
/* Back to the rules of @plan, if network_commit() has done something. Cannot fail: the link goes down, or the
 * container ends, where rules cannot be had. */
void network_roll_back(Network *network, const Plan *plan);
bool network_is_used(const Network *network); /* rules are in force */

/* Rules must be in force. @name: of the link inside. */
int network_raise(Network *network, const char *name, Error *error);
int network_lower(Network *network, Error *error);
bool network_is_up(const Network *network);

FirewallChoice network_get_firewall(const Network *network); /* AUTO = none is in use */
