/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "shim/apply.h"

#include <fcntl.h>

#include "plan/plan-diff.h"
#include "shim/apply-private.h"
#include "shim/network.h"
#include "util/cleanup.h"
#include "util/log.h"

/* Variables need nothing done: each program gets those of the plan in force when it starts. */
static const ApplyOps apply_env_ops = { 0 };

/* NULL for what this version cannot put in place. */
static const ApplyOps *const apply_kinds[_PLAN_KIND_MAX] = {
        [PLAN_BIND] = &apply_bind_ops,
        [PLAN_ENV] = &apply_env_ops,
        [PLAN_DEVICE] = &apply_device_ops,
        [PLAN_LIMIT] = &apply_limit_ops,
        [PLAN_RULE] = &apply_rule_ops,
        [PLAN_LINK] = &apply_link_ops,
        [PLAN_SOCKET] = &apply_socket_ops,
        [PLAN_BUS_RULE] = &apply_bus_rule_ops,
        [PLAN_BUS] = &apply_bus_ops,
};

static void fd_free(void *data) {
        fd_closep(data);
        g_free(data);
}

Applier *applier_new(const ApplierSetup *setup) {
        Applier *applier = g_new0(Applier, 1);

        applier->spec = setup->spec;
        applier->container = setup->container;
        applier->box = setup->box;
        applier->loop = setup->loop;
        applier->report = setup->report;
        applier->helper_folder = setup->helper_folder;
        applier->runtime_folder = setup->runtime_folder;
        applier->instance_id = setup->instance_id;
        applier->plan = plan_new();
        applier->sources = g_hash_table_new_full(NULL, NULL, NULL, fd_free);
        applier->mounts = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, mount_free);
        applier->idmaps = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, fd_free);
        applier->network = network_new(setup->container, setup->loop, setup->report);
        applier->sockets = apply_sockets_new();
        applier->buses = apply_buses_new();
        applier->root_fd = -EBADF;
        return applier;
}

void applier_free(Applier *applier) {
        if (!applier)
                return;
        g_clear_pointer(&applier->devices, devices_free);
        g_clear_pointer(&applier->limits, limits_free);
        applier_set_ended(applier);
        g_clear_pointer(&applier->plan, plan_free);
        g_clear_pointer(&applier->sources, g_hash_table_unref);
        g_clear_pointer(&applier->mounts, g_hash_table_unref);
        g_clear_pointer(&applier->idmaps, g_hash_table_unref);
        g_clear_pointer(&applier->sockets, g_hash_table_unref);
        g_clear_pointer(&applier->buses, g_hash_table_unref);
        g_free(applier);
}

void applier_set_ended(Applier *applier) {
        g_clear_pointer(&applier->network, network_free);
}

const Plan *applier_get_plan(const Applier *applier) {
        return applier->plan;
}

static const PlanItem *step_item(const Step *step) {
        return step->plan.to ?: step->plan.from;
}

static const ApplyOps *step_ops(const Step *step) {
        return apply_kinds[step_item(step)->kind];
}

static void step_clear(void *data) {
        Step *step = data;

        if (step->plan.verb < _PLAN_STEP_VERB_MAX && step_ops(step) && step_ops(step)->done)
                step_ops(step)->done(step);
        step->tree_fd = fd_close(step->tree_fd);
        step->undo_fd = fd_close(step->undo_fd);
}

static GArray *steps_new(const GArray *plan_steps) {
        GArray *steps = g_array_sized_new(FALSE, TRUE, sizeof(Step), plan_steps->len);

        g_array_set_clear_func(steps, step_clear);
        for (guint i = 0; i < plan_steps->len; i++) {
                Step step = { .plan = g_array_index(plan_steps, PlanStep, i), .tree_fd = -EBADF, .undo_fd = -EBADF };

                g_array_append_val(steps, step);
        }
        return steps;
}

/* Before anything else is done: a plan of which a part would silently be missing is not applied at all. After
 * it every step has its ops. */
static int check_steps(const GArray *steps, Error *error) {
        for (guint i = 0; i < steps->len; i++) {
                const Step *step = &g_array_index(steps, Step, i);
                const PlanItem *item = step_item(step);
                int r;

                if (step_ops(step))
                        continue;
                r = error_setf(error, ERROR_UNSUPPORTED, "This version cannot put a %s in place yet",
                               plan_kind_to_string(item->kind));
                return plan_item_blame(item, r, error);
        }
        return 0;
}

static int prepare_steps(Applier *applier, GArray *steps, Error *error) {
        for (guint i = 0; i < steps->len; i++) {
                Step *step = &g_array_index(steps, Step, i);
                int r = step_ops(step)->prepare ? step_ops(step)->prepare(applier, step, error) : 0;

                if (r < 0)
                        return plan_item_blame(step_item(step), r, error);
        }
        return 0;
}

void applier_leave(Applier *applier) {
        if (applier->place == APPLY_IN_MOUNTS)
                container_leave_mounts(applier->container);
        else if (applier->place == APPLY_IN_NETWORK)
                container_leave_network(applier->container);
        applier->root_fd = fd_close(applier->root_fd);
        applier->place = APPLY_OUTSIDE;
}

static int enter_mounts(Applier *applier, Error *error) {
        int r;

        r = container_enter_mounts(applier->container, error);
        if (r < 0)
                return r;
        applier->place = APPLY_IN_MOUNTS;
        applier->root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (applier->root_fd < 0)
                return error_set_errnof(error, errno, "Cannot open the sandbox's root");
        return 0;
}

int applier_enter(Applier *applier, ApplyPlace place, Error *error) {
        int r;

        if (applier->place == place)
                return 0;
        applier_leave(applier);
        if (place == APPLY_IN_MOUNTS)
                return enter_mounts(applier, error);
        if (place == APPLY_IN_NETWORK) {
                r = container_enter_network(applier->container, error);
                if (r < 0)
                        return r;
                applier->place = place;
        }
        return 0;
}

/* In reverse, the @n_done first. Where we cannot go any more there is nothing left to undo but by the sandbox's
 * end, and it is better ended than half open. */
static void undo_steps(Applier *applier, GArray *steps, guint n_done) {
        for (guint i = n_done; i > 0; i--) {
                Step *step = &g_array_index(steps, Step, i - 1);
                g_auto(Error) error = ERROR_NULL;

                if (!step_ops(step)->undo)
                        continue;
                if (applier_enter(applier, step_ops(step)->place, &error) >= 0) {
                        step_ops(step)->undo(applier, step);
                        continue;
                }
                log_failure(LOG_ERR, &error, "Cannot undo a change: the sandbox is ended");
                container_kill(applier->container);
                return;
        }
}

static int carry_out_step(Applier *applier, Step *step, Error *error) {
        int r;

        if (!step_ops(step)->apply)
                return 0;
        r = applier_enter(applier, step_ops(step)->place, error);
        if (r >= 0)
                r = step_ops(step)->apply(applier, step, error);
        return plan_item_blame(step_item(step), r, error);
}

static int carry_out_steps(Applier *applier, GArray *steps, Error *error) {
        int r = 0;

        for (guint i = 0; i < steps->len && r >= 0; i++) {
                r = carry_out_step(applier, &g_array_index(steps, Step, i), error);
                if (r < 0)
                        undo_steps(applier, steps, i);
        }
        applier_leave(applier);
        return r;
}

void applier_add_source(Applier *applier, uint32_t number, int fd) {
        int *kept = g_new(int, 1);

        *kept = fd;
        g_hash_table_replace(applier->sources, GUINT_TO_POINTER(number), kept);
}

/* Lets go of descriptors that the plan in force does not name. */
static void forget_sources(Applier *applier) {
        g_autoptr(GHashTable) named = g_hash_table_new(NULL, NULL);
        GHashTableIter iter;
        gpointer number;

        for (guint i = 0; i < plan_get_size(applier->plan); i++) {
                const PlanItem *item = plan_get_item(applier->plan, i);
                uint32_t n;

                if (item->kind == PLAN_BIND && plan_source_get_fd_number(item->bind.source, &n) >= 0)
                        g_hash_table_add(named, GUINT_TO_POINTER(n));
        }
        g_hash_table_iter_init(&iter, applier->sources);
        while (g_hash_table_iter_next(&iter, &number, NULL))
                if (!g_hash_table_contains(named, number))
                        g_hash_table_iter_remove(&iter);
}

static void tell_network(const Applier *applier) {
        g_auto(GStrv) pending = network_list_pending(applier->network, applier->plan);
        g_auto(GStrv) addresses = network_is_up(applier->network)
                                          ? lease_format_addresses(network_get_lease(applier->network))
                                          : g_new0(char *, 1);

        report_pending(applier->report, "network", pending);
        report_addresses(applier->report, addresses);
        report_mechanism(applier->report, "network",
                         firewall_choice_to_string(network_get_firewall(applier->network)));
}

/* Where rules are in force, every change looks whether they are still those, and commits its own with it. */
static int carry_out(Applier *applier, GArray *steps, const Plan *wanted, Error *error) {
        int r;

        applier->wanted = wanted;
        network_begin(applier->network);
        r = steps->len > 0 && network_is_used(applier->network) ? network_commit(applier->network, wanted, error) : 0;
        if (r >= 0)
                r = carry_out_steps(applier, steps, error);
        if (r < 0)
                network_roll_back(applier->network, applier->plan);
        applier->wanted = NULL;
        return r;
}

static int change_plan(Applier *applier, Plan *wanted_plan, Error *error) {
        g_autoptr(Plan) wanted = wanted_plan;
        g_autoptr(GArray) plan_steps = plan_diff(applier->plan, wanted);
        g_autoptr(GArray) steps = steps_new(plan_steps);
        int r;

        r = check_steps(steps, error);
        if (r >= 0)
                r = prepare_steps(applier, steps, error);
        if (r < 0)
                return r;
        r = carry_out(applier, steps, wanted, error);
        if (r < 0)
                return r;
        /* The steps point into both plans. */
        g_clear_pointer(&steps, g_array_unref);
        plan_free(applier->plan);
        applier->plan = g_steal_pointer(&wanted);
        apply_buses_follow(applier);
        if (network_is_used(applier->network))
                tell_network(applier);
        return 0;
}

int applier_set_lease(Applier *applier, const Lease *lease, Error *error) {
        return network_set_lease(applier->network, lease, error);
}

int applier_set_hosts(Applier *applier, GArray *hosts, Error *error) {
        bool is_new = false;
        int r;

        for (guint i = 0; i < hosts->len; i++)
                is_new = network_swap_host(applier->network, &g_array_index(hosts, HostAddresses, i)) || is_new;
        if (!is_new || !network_is_used(applier->network))
                return 0;
        network_begin(applier->network);
        r = network_commit(applier->network, applier->plan, error);
        for (guint i = hosts->len; r < 0 && i > 0; i--)
                (void) network_swap_host(applier->network, &g_array_index(hosts, HostAddresses, i - 1));
        if (r >= 0)
                tell_network(applier);
        return r;
}

int apply_plan(Applier *applier, Plan *wanted, Error *error) {
        int r = change_plan(applier, wanted, error);

        forget_sources(applier);
        return r;
}
