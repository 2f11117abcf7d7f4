/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Buses of a live sandbox
 *
 * Each is a listening socket of the shim's (shim/bus-proxy.h), bound over its path inside. Rules are not put in place
 * one by one: when a plan holds, each proxy gets those of it. What is taken away is kept until the whole change
 * holds: a change that fails leaves connections as they were.
 */
#include <fcntl.h>
#include <sys/mount.h>

#include "plan/inside.h"
#include "shim/apply-private.h"
#include "shim/bus-proxy.h"
#include "shim/mount.h"
#include "util/cleanup.h"

static void proxy_free(void *proxy) {
        bus_proxy_free(proxy);
}

GHashTable *apply_buses_new(void) {
        return g_hash_table_new_full(g_str_hash, g_str_equal, g_free, proxy_free);
}

static const char *target_of(const PlanItem *item) {
        return item->bus.bus == PLAN_BUS_SESSION ? INSIDE_SESSION_BUS : INSIDE_SYSTEM_BUS;
}

static const PlanItem *item_of(const Step *step) {
        return step->plan.to ?: step->plan.from;
}

/* Everything that can fail outside is done before anything is changed. */
static int bus_prepare(Applier *applier, Step *step, Error *error) {
        BusProxySetup setup = { .loop = applier->loop,
                                .report = applier->report,
                                .spec = applier->spec,
                                .helper_folder = applier->helper_folder,
                                .folder = applier->runtime_folder };
        g_autoptr(BusProxy) proxy = NULL;
        int r;

        if (!step->plan.to || step->plan.from)
                return 0;
        r = bus_proxy_new(&setup, step->plan.to->bus.bus, &proxy, error);
        if (r >= 0)
                r = mount_clone(AT_FDCWD, bus_proxy_get_path(proxy), false, &step->tree_fd, error);
        if (r >= 0)
                r = mount_set_attributes(step->tree_fd, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_RDONLY,
                                         -EBADF, false, "the bus's socket", error);
        if (r >= 0)
                step->data = g_steal_pointer(&proxy);
        return r;
}

static int bus_apply(Applier *applier, Step *step, Error *error) {
        const PlanItem *item = item_of(step);
        gpointer key = NULL;
        int r;

        if (step->plan.from && step->plan.to)
                return 0;
        r = apply_mount_step(applier, step, target_of(item), false, error);
        if (r < 0)
                return r;
        if (step->plan.to)
                g_hash_table_insert(applier->buses, g_strdup(item->key), g_steal_pointer(&step->data));
        else
                g_hash_table_steal_extended(applier->buses, item->key, &key, &step->data);
        g_free(key);
        return 0;
}

static void bus_undo(Applier *applier, Step *step) {
        const PlanItem *item = item_of(step);

        if (step->plan.from && step->plan.to)
                return;
        apply_mount_step_undo(applier, step, target_of(item));
        if (step->plan.to)
                g_hash_table_remove(applier->buses, item->key);
        else
                g_hash_table_insert(applier->buses, g_strdup(item->key), g_steal_pointer(&step->data));
}

/* What was taken away, or never got into its place, ends. */
static void bus_done(Step *step) {
        bus_proxy_free(step->data);
        step->data = NULL;
}

const ApplyOps apply_bus_ops = {
        .place = APPLY_IN_MOUNTS,
        .prepare = bus_prepare,
        .apply = bus_apply,
        .undo = bus_undo,
        .done = bus_done,
};

/* See apply_buses_follow(). */
const ApplyOps apply_bus_rule_ops = { 0 };

static BusProxyRule *rule_of(const PlanItem *item) {
        const PlanBusRule *from = &item->bus_rule;
        BusProxyRule *rule = g_new0(BusProxyRule, 1);

        rule->verb = from->verb;
        rule->name = g_strdup(from->name);
        rule->flow = from->flow;
        rule->interface = g_strdup(from->interface);
        rule->path = g_strdup(from->path);
        rule->members = g_strdupv(from->members);
        return rule;
}

static void follow_bus(const Applier *applier, const PlanItem *bus) {
        g_autoptr(GPtrArray) rules = bus_proxy_rules_new();
        BusProxy *proxy = g_hash_table_lookup(applier->buses, bus->key);

        for (guint i = 0; i < plan_get_size(applier->plan); i++) {
                const PlanItem *item = plan_get_item(applier->plan, i);

                if (item->kind == PLAN_BUS_RULE && item->bus_rule.bus == bus->bus.bus)
                        g_ptr_array_add(rules, rule_of(item));
        }
        bus_proxy_set_rules(proxy, rules);
}

void apply_buses_follow(const Applier *applier) {
        for (guint i = 0; i < plan_get_size(applier->plan); i++) {
                const PlanItem *item = plan_get_item(applier->plan, i);

                if (item->kind == PLAN_BUS)
                        follow_bus(applier, item);
        }
}
