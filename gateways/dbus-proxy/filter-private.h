/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * For filter.c and driver.c; nobody else
 */
#include "gateways/dbus-proxy/filter.h"

/* What a call waits for, which decides what may answer it and what is done with the answer. */
typedef enum PendingKind {
        PENDING_PEER,
        PENDING_DRIVER, /* of the bus; nothing in the answer has to be hidden */
        PENDING_HELLO,
        PENDING_LIST,  /* of names */
        PENDING_OWNER, /* a unique name, which the app knows from then on */
} PendingKind;

struct Filter {
        const FilterContext *context; /* not owned */
        pid_t pid;
        char *unique;        /* owned; the app's own name on the bus; NULL before the answer to Hello */
        GHashTable *pending; /* serial -> owned Pending: calls of the app that are not answered yet */
        GHashTable *asked;   /* owned Asked, a set: calls of others that the app has not answered yet */
        GQueue asked_order;  /* the same, not owned, oldest first */
        GHashTable *peers;   /* owned unique name, a set: whom the app has heard of */
        GQueue peers_order;  /* the same, not owned, oldest first */
        GHashTable *matches; /* owned rule -> how often */
        unsigned n_matches;
};

/* A reply to @header may come. -EEXIST if its serial stands for a call already, -ENOSPC above
 * BUS_PROXY_PENDING_MAX. */
int filter_expect(Filter *filter, const BusHeader *header, PendingKind kind);

/* Remembers a unique name; anything else is not remembered. */
void filter_meet(Filter *filter, const char *name);

/* May the app know of @name? */
bool filter_is_visible(Filter *filter, const char *name);

/* Could the answer be another when the names are those of after the message? */
bool filter_must_wait(const Filter *filter, const char *name, bool is_synced);

/* Tells that a message is refused; the detail is printed. */
void filter_deny(Filter *filter, const BusHeader *header, bool is_incoming, const char *format, ...)
        G_GNUC_PRINTF(4, 5);

/* Refuses a call of the app: the answer is an error, unless none is expected. */
FilterVerdict filter_answer(Filter *filter, const BusHeader *header, GByteArray *answer, const char *error,
                            const char *text);

/* driver.c */
FilterVerdict driver_judge_call(Filter *filter, const BusHeader *header, const uint8_t *bytes, bool is_synced,
                                GByteArray *answer);
FilterVerdict driver_judge_signal(Filter *filter, const BusHeader *header, const uint8_t *bytes);
FilterVerdict driver_judge_return(Filter *filter, PendingKind kind, const BusHeader *header,
                                  const uint8_t *bytes, GByteArray *answer);
