/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Report: what the shim tells the service unasked about the openings of its sandbox
 *
 * Attempts that a wall has refused, names that have no address yet, the sandbox's addresses. Whoever sees them
 * says so here; what an app can cause is held back by DeniedLimit (plan/denied.h), and nothing here waits.
 */
#include <glib.h>
#include <stdint.h>

#include "plan/denied.h"
#include "util/loop.h"

typedef struct ShimReport ShimReport;

/* Sends what is in @writer, and takes it. Negative if it could not be sent. */
typedef int (*ShimReportSend)(void *userdata, uint16_t type, WireWriter *writer);

/* @loop is not owned. */
ShimReport *report_new(Loop *loop, ShimReportSend send, void *userdata);
void report_free(ShimReport *report);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ShimReport, report_free)

/* An attempt was refused; @denied is only read. Its texts may be anything; those of NULL are "". */
void report_denied(ShimReport *report, const ShimDenied *denied);

/* All that @who ("network") was granted and that is not in force yet; replaces what it said before. At most
 * PENDING_MAX of all are told. */
void report_pending(ShimReport *report, const char *who, char *const *names);

/* All IP addresses that the sandbox has now, as text without a prefix length. */
void report_addresses(ShimReport *report, char *const *addresses);

/* What stands behind an opening, where there is more than one way: "wayland", "security context". For people. */
void report_mechanism(ShimReport *report, const char *opening, const char *words);

/* Names and addresses once more, for a service that has not heard them. */
void report_repeat(ShimReport *report);
