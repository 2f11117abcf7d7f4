/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Denied: one thing that an app tried and did not get
 *
 * Walls that see single attempts (the bus proxy, the firewall) report them. An app chooses what it tries and how
 * often, so every text is bounded and escaped, and DeniedLimit holds back what comes too often: nobody's socket,
 * bus or journal is filled by an app, and no attempt is forgotten without being counted.
 */
#include <glib.h>
#include <stdbool.h>

#include "util/wire.h"

typedef struct ShimDenied {
        char *gateway; /* owned; its id */
        char *target;  /* owned; who or what was asked for, as the gateway's manifest would write it */
        char *detail;  /* owned; one sentence or "" */
        uint32_t count; /* attempts, this one and those of the same kind that were held back before it; >= 1 */
        /* Where the gateway has them; else NULL and 0. Owned. */
        char *protocol;
        uint16_t port;
        char *interface, *member, *path;
} ShimDenied;

void shim_denied_done(ShimDenied *denied);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ShimDenied, shim_denied_done)
/* A copy whose texts are clean, DENIED_TEXT_MAX bytes at most, and not NULL where the struct says so. */
ShimDenied shim_denied_copy(const ShimDenied *denied);

void shim_denied_put(WireWriter *writer, const ShimDenied *denied);
/* 0, or -EBADMSG for what is not whole, has no gateway or counts nothing. The texts come out clean. */
int shim_denied_get(WireReader *reader, ShimDenied *ret);

/* Host names, addresses: a list of one of the two. -EBADMSG if it is not whole, has too many or something that is
 * no clean text or no address. Caller frees. */
int shim_pending_get(WireReader *reader, char ***ret);
int shim_addresses_get(WireReader *reader, char ***ret);
int shim_mechanisms_get(WireReader *reader, char ***ret);

/*
 * Which attempts are told at once, and which later, together
 *
 * Attempts that are the same but for their count are one kind. A kind is told at most once in
 * DENIED_KIND_INTERVAL_USEC, and all kinds at most DENIED_BURST times at once and DENIED_PER_SECOND after that.
 * Above DENIED_KINDS_MAX kinds that wait, more are counted as one, without a target.
 */
typedef struct DeniedLimit DeniedLimit;

DeniedLimit *denied_limit_new(void);
void denied_limit_free(DeniedLimit *limit);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DeniedLimit, denied_limit_free)
/* @now_usec never goes back. */
void denied_limit_add(DeniedLimit *limit, const ShimDenied *denied, guint64 now_usec);
/* One that may be told now, which is the caller's; false if there is none. */
bool denied_limit_take(DeniedLimit *limit, guint64 now_usec, ShimDenied *ret);
/* When to take again; G_MAXUINT64 = nothing waits. */
guint64 denied_limit_get_due(const DeniedLimit *limit);
