/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Who is at the other end of a network rule, as manifests write it. Pure: a name is checked, not resolved
 */
#include <stdbool.h>

#include "plan/plan.h"
#include "util/json.h"

/*
 * Reads "*", an address, a prefix or a host name. What plan_peer_parse() refuses is a finding at @at, with a
 * better spelling where one is likely; so are prefixes with bits set behind their length. IPv4 prefixes may
 * have a network mask in place of the length. Returns -EBADMSG then, else 0 and a peer that the caller
 * clears.
 */
int network_host_read(const JsonCursor *at, PlanPeer *ret);

/* The sandbox itself: 127.0.0.0/8, ::1, localhost and names below it (RFC 6761). */
bool network_host_is_loopback(const PlanPeer *peer);
