/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Match rules (D-Bus Specification, "Match Rules")
 *
 * What an app asks the bus to be sent. A rule is read as the bus reads it, quotes and all, and written again
 * in one way, so that the bus sees what was judged and not what somebody meant to hide in it. Only rules for
 * signals are for apps: one of another type, or that eavesdrops, is refused.
 */
#include <glib.h>

#include "util/error.h"

/* The rule as the bus is to get it; caller frees. -EACCES for what no app may ask, -EINVAL for what is no
 * rule; the error says why. */
int match_rule_rewrite(const char *text, char **ret, Error *error);
