/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Firewall: puts a ruleset in force in a network namespace
 *
 * Two kinds with the same effect: iptables by libiptc where the kernel has its tables, else nftables by
 * libnftables, which is loaded only then. Each commit replaces what was there, atomically per family and all or
 * nothing over both. All functions are called with the process in the sandbox's network namespace; nothing of
 * it is kept open between them.
 */
#include "plan/lease.h"
#include "shim/ruleset.h"
#include "util/error.h"

typedef struct Firewall Firewall;

/* AUTO tries what the kernel has. ERROR_UNSUPPORTED if it does not have @choice, or none. */
int firewall_new(FirewallChoice choice, Firewall **ret, Error *error);
void firewall_free(Firewall *firewall);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Firewall, firewall_free)

FirewallChoice firewall_get_choice(const Firewall *firewall); /* never AUTO */

/* Takes @ruleset, also on failure. After a failure what was committed last holds. */
int firewall_commit(Firewall *firewall, Ruleset *ruleset, Error *error);
/* Remembers what the last commit looks like in the kernel. Reading that back takes as long as the commit: it is for
 * after the answer to who waits for the rules. */
int firewall_take_mark(Firewall *firewall, Error *error);
bool firewall_has_mark(const Firewall *firewall); /* of the last commit */
/* With a mark: 1 if what is there is what was committed last, 0 if somebody has changed it, or a negative errno. */
int firewall_is_intact(Firewall *firewall, Error *error);
const Ruleset *firewall_get_ruleset(const Firewall *firewall); /* committed last; NULL before */
