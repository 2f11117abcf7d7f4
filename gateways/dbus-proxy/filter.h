/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Which messages of one connection go on
 *
 * Outgoing is what the app says, incoming what the bus says to it. Calls and signals pass by a rule; replies
 * pass if they answer a call that passed the other way, and no serial stands for two calls at once. What is
 * said to and by the bus itself is judged member by member: see driver.c.
 *
 * No sockets in here: bytes in, a verdict out.
 */
#include <glib.h>
#include <stdbool.h>

#include "gateways/dbus-proxy/bus-header.h"
#include "gateways/dbus-proxy/name-map.h"
#include "gateways/dbus-proxy/reporter.h"
#include "gateways/dbus-proxy/rule-set.h"

typedef enum FilterVerdict {
        FILTER_PASS,    /* goes on as it is */
        FILTER_DROP,    /* does not; what is in the answer goes back to where it came from */
        FILTER_REPLACE, /* the answer goes on in its place */
        FILTER_HOLD,    /* cannot be judged before it is known who owns which name now */
        FILTER_CUT,     /* who says this is not talked to any more */
} FilterVerdict;

/* What all connections of a proxy share. */
typedef struct FilterContext {
        const char *bus;    /* not owned; "session" */
        RuleSet *rules;     /* not owned; may be another for the next message */
        NameMap *names;     /* not owned; NULL = nobody follows the names, which rules do not need then */
        Reporter *reporter; /* not owned */
} FilterContext;

typedef struct Filter Filter;

Filter *filter_new(const FilterContext *context, pid_t pid);
void filter_free(Filter *filter);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Filter, filter_free)

/* Is the body looked at, too? Then it has to be there when the message is judged. */
bool filter_needs_body(const BusHeader *header, bool is_incoming);

/* @bytes is the header, and the body if it is needed. @is_synced: the names are of after this message. */
FilterVerdict filter_judge(Filter *filter, const BusHeader *header, const uint8_t *bytes, bool is_incoming,
                           bool is_synced, GByteArray *answer);

/* The same for a message that is larger than is let through. */
FilterVerdict filter_judge_too_large(Filter *filter, const BusHeader *header, bool is_incoming,
                                     GByteArray *answer);

/* Tells of something that is not about one message: a limit. */
void filter_report(Filter *filter, bool is_incoming, const char *detail);
