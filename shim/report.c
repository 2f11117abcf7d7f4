/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "shim/report.h"

#include <string.h>

#include "plan/shim-message.h"
#include "util/limits.h"

struct ShimReport {
        ShimReportSend send;
        void *userdata;
        LoopSource *timer;   /* the loop's; for what was held back */
        DeniedLimit *limit;  /* owned */
        GHashTable *pending; /* owned; who -> char **, owned */
        char **addresses;    /* owned */
        char **told_pending; /* owned */
        GTree *mechanisms;   /* owned; opening -> words */
};

static guint64 now_usec(void) {
        return (guint64) g_get_monotonic_time();
}

/* ---- refused attempts ---- */

static void send_denied(ShimReport *report) {
        g_auto(ShimDenied) denied = { 0 };

        while (denied_limit_take(report->limit, now_usec(), &denied)) {
                WireWriter writer = WIRE_WRITER_NULL;
                int r;

                shim_denied_put(&writer, &denied);
                r = report->send(report->userdata, SHIM_DENIED, &writer);
                if (r < 0) { /* counted with the next, when somebody hears us again */
                        denied_limit_add(report->limit, &denied, now_usec());
                        break;
                }
                shim_denied_done(&denied);
        }
        loop_source_set_time(report->timer, (gint64) MIN(denied_limit_get_due(report->limit), G_MAXINT64));
}

static void on_due(void *userdata) {
        send_denied(userdata);
}

void report_denied(ShimReport *report, const ShimDenied *denied) {
        denied_limit_add(report->limit, denied, now_usec());
        send_denied(report);
}

/* ---- lists ---- */

static int send_list(ShimReport *report, uint16_t type, char *const *texts) {
        WireWriter writer = WIRE_WRITER_NULL;

        wire_put_strings(&writer, texts);
        return report->send(report->userdata, type, &writer);
}

static int compare_names(gconstpointer a, gconstpointer b) {
        return g_strcmp0(*(const char *const *) a, *(const char *const *) b);
}

/* What all have said, in an order that does not depend on who said it first. Caller frees. */
static char **find_pending(ShimReport *report) {
        g_autoptr(GPtrArray) names = g_ptr_array_new();
        GHashTableIter iter;
        gpointer value;

        g_hash_table_iter_init(&iter, report->pending);
        while (g_hash_table_iter_next(&iter, NULL, &value))
                for (char **name = value; *name && names->len < PENDING_MAX; name++)
                        g_ptr_array_add(names, *name);
        g_ptr_array_sort(names, compare_names);
        g_ptr_array_add(names, NULL);
        return g_strdupv((char **) names->pdata);
}

void report_pending(ShimReport *report, const char *who, char *const *names) {
        g_auto(GStrv) pending = NULL;

        g_hash_table_insert(report->pending, g_strdup(who), g_strdupv((char **) (uintptr_t) names));
        pending = find_pending(report);
        if (g_strv_equal((const char *const *) pending, (const char *const *) report->told_pending))
                return;
        (void) send_list(report, SHIM_PENDING, pending);
        g_strfreev(report->told_pending);
        report->told_pending = g_steal_pointer(&pending);
}

void report_addresses(ShimReport *report, char *const *addresses) {
        if (g_strv_equal((const char *const *) addresses, (const char *const *) report->addresses))
                return;
        g_strfreev(report->addresses);
        report->addresses = g_strdupv((char **) (uintptr_t) addresses);
        (void) send_list(report, SHIM_ADDRESSES, report->addresses);
}

static gboolean add_mechanism(gpointer opening, gpointer words, gpointer texts) {
        g_ptr_array_add(texts, g_strdup_printf("%s: %s", (const char *) opening, (const char *) words));
        return FALSE;
}

static void send_mechanisms(ShimReport *report) {
        g_autoptr(GPtrArray) texts = g_ptr_array_new_with_free_func(g_free);

        g_tree_foreach(report->mechanisms, add_mechanism, texts);
        g_ptr_array_add(texts, NULL);
        (void) send_list(report, SHIM_MECHANISMS, (char **) texts->pdata);
}

void report_mechanism(ShimReport *report, const char *opening, const char *words) {
        if (g_strcmp0(g_tree_lookup(report->mechanisms, opening), words) == 0)
                return;
        g_tree_replace(report->mechanisms, g_strdup(opening), g_strdup(words));
        send_mechanisms(report);
}

void report_repeat(ShimReport *report) {
        (void) send_list(report, SHIM_PENDING, report->told_pending);
        (void) send_list(report, SHIM_ADDRESSES, report->addresses);
        send_mechanisms(report);
        send_denied(report);
}

/* ---- making and freeing ---- */

static int compare_openings(const void *a, const void *b, void *userdata G_GNUC_UNUSED) {
        return strcmp(a, b);
}

ShimReport *report_new(Loop *loop, ShimReportSend send, void *userdata) {
        ShimReport *report = g_new0(ShimReport, 1);

        report->send = send;
        report->userdata = userdata;
        report->timer = loop_add_timer(loop, on_due, report);
        report->limit = denied_limit_new();
        report->pending = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify) g_strfreev);
        report->addresses = g_new0(char *, 1);
        report->told_pending = g_new0(char *, 1);
        report->mechanisms = g_tree_new_full(compare_openings, NULL, g_free, g_free);
        return report;
}

void report_free(ShimReport *report) {
        if (!report)
                return;
        loop_source_free(report->timer);
        denied_limit_free(report->limit);
        g_hash_table_unref(report->pending);
        g_strfreev(report->addresses);
        g_strfreev(report->told_pending);
        g_tree_unref(report->mechanisms);
        g_free(report);
}
