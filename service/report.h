/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Report: what systemd and the journal are told
 *
 * sd_notify(3) for the unit's state and status; journal lines with the fields and ids that the catalog
 * explains (util/message-id.h).
 */
#include <systemd/sd-event.h>

#include "capabilities/finding.h"
#include "plan/denied.h"
#include "util/error.h"

/* The unit's status line, which follows what changes with a second's delay: launches do not wait for it. */
typedef struct Report Report;

/* @describe says the status in a sentence; caller of it frees. */
Report *report_new(sd_event *event, char *(*describe)(const void *userdata), const void *userdata);
void report_free(Report *report);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Report, report_free)
void report_changed(Report *report);
void report_ready(Report *report);     /* READY=1: started, or done with reloading */
void report_reloading(Report *report); /* RELOADING=1, report_ready() to follow */

/* @id: MESSAGE_MANIFEST_FINDING or MESSAGE_SETTINGS_FINDING. */
void report_finding(const Finding *finding, const char *id);
void report_sandbox_started(const char *name);
/* @gateway (or NULL): the one to blame, capabilities_find_gateway(). */
void report_sandbox_failed(const char *name, const char *gateway, const Error *error);
void report_denied(const char *name, const ShimDenied *denied);
/* Says so if @error is about one of @capabilities (NULL = none) and returns true, and nothing otherwise. */
bool report_refusal(const char *sandbox, char *const *capabilities, const char *gateway, const Error *error);
