/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "service/report.h"

#include <stdio.h>
#include <systemd/sd-daemon.h>

#include "util/log.h"
#include "util/message-id.h"

#define STATUS_DELAY_USEC (1000 * 1000ULL)

struct Report {
        sd_event_source *later; /* owned */
        char *(*describe)(const void *userdata);
        const void *userdata;
};

/* ---- the unit ---- */

static void report_send(const Report *report, const char *state) {
        g_autofree char *status = report->describe(report->userdata);

        (void) sd_notifyf(0, "%sSTATUS=%s", state, status);
}

static int on_later(sd_event_source *source G_GNUC_UNUSED, uint64_t usec G_GNUC_UNUSED, void *userdata) {
        report_send(userdata, "");
        return 0;
}

Report *report_new(sd_event *event, char *(*describe)(const void *userdata), const void *userdata) {
        Report *report = g_new0(Report, 1);
        int r;

        report->describe = describe;
        report->userdata = userdata;
        r = sd_event_add_time(event, &report->later, CLOCK_MONOTONIC, 0, 0, on_later, report);
        g_assert(r >= 0); /* can only be out of memory */
        (void) sd_event_source_set_enabled(report->later, SD_EVENT_OFF);
        return report;
}

void report_free(Report *report) {
        if (!report)
                return;
        sd_event_source_disable_unref(report->later);
        g_free(report);
}

void report_changed(Report *report) {
        int enabled;

        if (sd_event_source_get_enabled(report->later, &enabled) >= 0 && enabled != SD_EVENT_OFF)
                return;
        (void) sd_event_source_set_time_relative(report->later, STATUS_DELAY_USEC);
        (void) sd_event_source_set_enabled(report->later, SD_EVENT_ONESHOT);
}

void report_ready(Report *report) {
        report_send(report, "READY=1\n");
}

/* The time tells systemd which reload this is, sd_notify(3). */
void report_reloading(Report *report G_GNUC_UNUSED) {
        (void) sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" G_GINT64_FORMAT "\nSTATUS=Reloading",
                          g_get_monotonic_time());
}

/* ---- the journal ---- */

void report_finding(const Finding *finding, const char *id) {
        g_autofree char *text = finding_format(finding);
        char line[16];

        (void) snprintf(line, sizeof(line), "%u", finding->line);
        log_full(LOG_WARNING,
                 (const char *const[]){
                         "MESSAGE_ID",
                         id,
                         "MANIFEST_FILE",
                         finding->file,
                         "MANIFEST_LINE",
                         line,
                         "GATEWAY",
                         finding->gateway,
                         NULL,
                 },
                 "%s", text);
}

void report_sandbox_started(const char *name) {
        log_full(LOG_INFO,
                 (const char *const[]){ "MESSAGE_ID", MESSAGE_SANDBOX_STARTED, "SANDBOX", name, NULL },
                 "Sandbox '%s' has started", name);
}

/* NULL = not known. */
static const char *format_line(const Error *error, char *ret, size_t size) {
        (void) snprintf(ret, size, "%u", error->line);
        return error->file && error->line > 0 ? ret : NULL;
}

void report_sandbox_failed(const char *name, const char *gateway, const Error *error) {
        g_autofree char *reason = error_format(error);
        char line[16];

        log_full(LOG_WARNING,
                 (const char *const[]){ "MESSAGE_ID", MESSAGE_SANDBOX_FAILED, "SANDBOX", name, "GATEWAY", gateway,
                                        "MANIFEST_FILE", error->file, "MANIFEST_LINE",
                                        format_line(error, line, sizeof(line)), NULL },
                 "Sandbox '%s' has failed: %s", name, reason);
}

static bool error_is_refusal(const Error *error) {
        return error->code == ERROR_UNKNOWN_CAPABILITY || error->code == ERROR_CAPABILITY_NOT_ALLOWED ||
               error->code == ERROR_CONFLICTING_CAPABILITIES || error->code == ERROR_INVALID_MANIFEST ||
               error->code == ERROR_NOT_MOUNTABLE || error->code == ERROR_GATEWAY_FAILED;
}

void report_denied(const char *name, const ShimDenied *denied) {
        log_full(LOG_INFO,
                 (const char *const[]){ "MESSAGE_ID", MESSAGE_DENIED, "SANDBOX", name, "GATEWAY",
                                        denied->gateway, NULL },
                 "Sandbox '%s' was denied '%s' by gateway %s%s%s (%u attempts)", name, denied->target,
                 denied->gateway, *denied->detail ? ": " : "", denied->detail, denied->count);
}

bool report_refusal(const char *sandbox, char *const *capabilities, const char *gateway, const Error *error) {
        g_autofree char *reason = NULL, *names = NULL;
        char line[16];

        if (!capabilities || !*capabilities || !error_is_refusal(error))
                return false;
        reason = error_format(error);
        names = g_strjoinv(" ", (char **) capabilities);
        log_full(LOG_NOTICE,
                 (const char *const[]){ "MESSAGE_ID", MESSAGE_CAPABILITY_REFUSED, "SANDBOX", sandbox,
                                        "CAPABILITY", names, "GATEWAY", gateway, "MANIFEST_FILE", error->file,
                                        "MANIFEST_LINE", format_line(error, line, sizeof(line)), NULL },
                 "Sandbox '%s' does not get what was asked for: %s", sandbox, reason);
        return true;
}
