/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gateways/dbus-proxy/reporter.h"

#include "util/limits.h"

#define REPORTER_WINDOW_USEC (1000 * 1000)

struct Reporter {
        ReporterTell tell;
        void *userdata;
        GHashTable *told;  /* owned text -> owned BusProxyDenied, its count what is not told yet */
        uint32_t n_others; /* beyond BUS_PROXY_REPORTS_MAX */
        LoopSource *timer; /* owned; set while a second is running */
        bool is_running;
};

static void denied_free(void *data) {
        bus_proxy_denied_done(data);
        g_free(data);
}

static void window_ended(void *userdata) {
        Reporter *reporter = userdata;
        GHashTableIter iter;
        gpointer value;

        g_hash_table_iter_init(&iter, reporter->told);
        while (g_hash_table_iter_next(&iter, NULL, &value))
                if (((BusProxyDenied *) value)->count > 0)
                        reporter->tell(reporter->userdata, value);
        if (reporter->n_others > 0) {
                BusProxyDenied others = {
                        .count = reporter->n_others,
                        .name = (char *) "",
                        .interface = (char *) "",
                        .member = (char *) "",
                        .path = (char *) "",
                        .detail = (char *) "Others, of more kinds than are told in a second",
                };

                reporter->tell(reporter->userdata, &others);
        }
        g_hash_table_remove_all(reporter->told);
        reporter->n_others = 0;
        reporter->is_running = false;
}

Reporter *reporter_new(Loop *loop, ReporterTell tell, void *userdata) {
        Reporter *reporter = g_new0(Reporter, 1);

        reporter->tell = tell;
        reporter->userdata = userdata;
        reporter->told = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, denied_free);
        reporter->timer = loop_add_timer(loop, window_ended, reporter);
        return reporter;
}

void reporter_free(Reporter *reporter) {
        if (!reporter)
                return;
        loop_source_free(reporter->timer);
        g_hash_table_unref(reporter->told);
        g_free(reporter);
}

void reporter_add(Reporter *reporter, const BusProxyDenied *denied) {
        BusProxyDenied copy = {
                .count = 1,
                .pid = denied->pid,
                .is_incoming = denied->is_incoming,
                .name = g_strdup(denied->name ?: ""),
                .interface = g_strdup(denied->interface ?: ""),
                .member = g_strdup(denied->member ?: ""),
                .path = g_strdup(denied->path ?: ""),
                .detail = g_strdup(denied->detail ?: ""),
        };
        g_autofree char *key = g_strdup_printf("%d %s %s %s %s %s", copy.is_incoming, copy.name,
                                               copy.interface, copy.member, copy.path, copy.detail);
        BusProxyDenied *known = g_hash_table_lookup(reporter->told, key);

        if (!reporter->is_running) {
                reporter->is_running = true;
                loop_source_set_time(reporter->timer, g_get_monotonic_time() + REPORTER_WINDOW_USEC);
        }
        if (known)
                known->count++;
        else if (g_hash_table_size(reporter->told) >= BUS_PROXY_REPORTS_MAX)
                reporter->n_others++;
        else {
                reporter->tell(reporter->userdata, &copy);
                copy.count = 0;
                g_hash_table_insert(reporter->told, g_steal_pointer(&key), g_memdup2(&copy, sizeof(copy)));
                return;
        }
        bus_proxy_denied_done(&copy);
}
