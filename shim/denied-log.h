/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Denied log: packets that no rule of the sandbox lets through, as the kernel tells them
 *
 * The last entry of every chain logs to a group of nfnetlink_log, some times a second; each packet becomes a line
 * of the shim's report, with the peer's address, the protocol and the port. A kernel without it only counts.
 */
#include "shim/report.h"
#include "util/error.h"
#include "util/loop.h"

typedef struct DeniedLog DeniedLog;

/* In the sandbox's network namespace, which the log keeps alive until it is freed. Neither is owned. */
int denied_log_new(Loop *loop, ShimReport *report, DeniedLog **ret, Error *error);
void denied_log_free(DeniedLog *log);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DeniedLog, denied_log_free)

/* What a packet, or its beginning, was: its strings are for shim_denied_done(). @is_incoming: it came from outside.
 * -EBADMSG for what is no IP packet. */
int denied_log_read_packet(const uint8_t *bytes, size_t size, bool is_incoming, ShimDenied *ret);
