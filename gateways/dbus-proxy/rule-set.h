/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the rules of a bus allow
 *
 * Which names an app may see, which it may own, and which messages pass. Pure: who owns what is told by the
 * caller.
 */
#include <glib.h>
#include <stdbool.h>

#include "plan/bus-proxy-message.h"

typedef struct RuleSet RuleSet;

/* Who is at the other end of a message. */
typedef struct RulePeer {
        const char *name; /* as the message has it; NULL = everybody who listens, of a broadcast */
        const GPtrArray
                *names; /* of const char *: what the owner of a unique name owns besides; NULL = unknown */
} RulePeer;

RuleSet *rule_set_new(GPtrArray *rules); /* takes @rules, of BusProxyRule */
void rule_set_free(RuleSet *set);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(RuleSet, rule_set_free)

/* Does it matter who owns which name? Not if every rule is for all names. */
bool rule_set_needs_names(const RuleSet *set);

/* A message that passes. @interface may be NULL, as of a call without one, which only a rule for every
 * interface allows: who gets it decides which it is. */
bool rule_set_allows(const RuleSet *set, PlanBusFlow flow, const RulePeer *peer, const char *interface,
                     const char *path, const char *member);

/* May the app know that the name exists? If any rule speaks of it. */
bool rule_set_is_visible(const RuleSet *set, const RulePeer *peer);

/* May it be started? If it may be called at all. */
bool rule_set_may_call(const RuleSet *set, const RulePeer *peer);

/*
 * May the app own it? By a rule that says so, or by one that lets anybody call the app, as manifests of
 * SoftwareContainer do, which have no other word for it: direction incoming, without a bus name, and the name
 * is its interface (without a version at the end) or its object path in dots. One for all interfaces and all
 * paths is for all names.
 */
bool rule_set_may_own(const RuleSet *set, const char *name);
