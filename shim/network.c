/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "shim/network.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "shim/denied-log.h"
#include "shim/firewall.h"
#include "shim/link.h"
#include "util/cleanup.h"
#include "util/log.h"
#include "util/netlink.h"

struct Network {
        Container *container; /* not owned */
        Loop *loop;           /* not owned */
        ShimReport *report;   /* not owned */
        bool has_lease;
        Lease lease;
        GHashTable *hosts;  /* name -> owned HostAddresses */
        Netlink *inside;    /* owned; a socket in the namespace; NULL before the first commit */
        Firewall *firewall; /* owned; likewise */
        LoopSource *mark_timer; /* owned; when the kernel is asked what the last commit looks like */
        DeniedLog *log;     /* owned; NULL before, and where the kernel has none */
        Link *link;         /* owned; NULL before it was raised first */
        bool is_up;
        bool is_committed;  /* in the change that is under way */
};

static void host_free(void *host) {
        host_addresses_done(host);
        g_free(host);
}

static void on_mark(void *userdata) {
        Network *network = userdata;
        g_auto(Error) error = ERROR_NULL;

        if (!network->firewall || container_enter_network(network->container, NULL) < 0)
                return;
        /* Without one the next change commits anew. */
        if (firewall_take_mark(network->firewall, &error) < 0)
                log_failure(LOG_DEBUG, &error, "Cannot look at the rules");
        container_leave_network(network->container);
}

Network *network_new(Container *container, Loop *loop, ShimReport *report) {
        Network *network = g_new0(Network, 1);

        network->container = container;
        network->loop = loop;
        network->report = report;
        network->mark_timer = loop_add_timer(loop, on_mark, network);
        network->hosts = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, host_free);
        return network;
}

void network_free(Network *network) {
        if (!network)
                return;
        g_clear_pointer(&network->link, link_free);
        g_clear_pointer(&network->mark_timer, loop_source_free);
        g_clear_pointer(&network->log, denied_log_free);
        g_clear_pointer(&network->firewall, firewall_free);
        g_clear_pointer(&network->inside, netlink_free);
        g_clear_pointer(&network->hosts, g_hash_table_unref);
        g_free(network);
}

int network_set_lease(Network *network, const Lease *lease, Error *error) {
        if (network->has_lease && !lease_is_equal(&network->lease, lease))
                return error_setf(error, ERROR_BAD_STATE, "The sandbox has a lease already, '%s'",
                                  network->lease.host_link);
        network->lease = *lease;
        network->has_lease = true;
        return 0;
}

const Lease *network_get_lease(const Network *network) {
        return network->has_lease ? &network->lease : NULL;
}

/* ---- names ---- */

bool network_swap_host(Network *network, HostAddresses *host) {
        HostAddresses *before = g_hash_table_lookup(network->hosts, host->host);
        HostAddresses *kept;
        bool is_new;

        if (before) {
                HostAddresses swapped = *before;

                is_new = !host_addresses_are_equal(before, host);
                *before = *host;
                *host = swapped;
                /* the table's key is the name of what it has */
                (void) g_hash_table_steal(network->hosts, before->host);
                g_hash_table_insert(network->hosts, before->host, before);
                return is_new;
        }
        kept = g_memdup2(host, sizeof(*host));
        *host = (HostAddresses){ .host = g_strdup(kept->host) };
        is_new = !host_addresses_are_equal(kept, host);
        g_hash_table_insert(network->hosts, kept->host, kept);
        return is_new;
}

static bool host_leads_somewhere(const Network *network, const char *name) {
        const HostAddresses *host = g_hash_table_lookup(network->hosts, name);

        for (LeaseFamily family = 0; host && family < _LEASE_FAMILY_MAX; family++)
                if (host->addresses[family] && host->addresses[family]->len > 0)
                        return true;
        return false;
}

static int compare_names(gconstpointer a, gconstpointer b) {
        return strcmp(*(char *const *) a, *(char *const *) b);
}

char **network_list_pending(const Network *network, const Plan *plan) {
        g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
        GPtrArray *names = g_ptr_array_new();

        for (guint i = 0; i < plan_get_size(plan); i++) {
                const PlanItem *item = plan_get_item(plan, i);

                if (item->kind == PLAN_RULE && item->rule.peer.type == PLAN_PEER_HOST &&
                    !host_leads_somewhere(network, item->rule.peer.host) &&
                    g_hash_table_add(seen, item->rule.peer.host))
                        g_ptr_array_add(names, g_strdup(item->rule.peer.host));
        }
        g_ptr_array_sort(names, compare_names);
        g_ptr_array_add(names, NULL);
        return (char **) g_ptr_array_free(names, FALSE);
}

/* ---- rules; all of it in the sandbox's network namespace ---- */

/* For links that are made from now on: addresses and routes are given, nobody advertises any. */
static int refuse_advertisements(Error *error) {
        static const struct {
                const char *setting, *value;
        } settings[] = {
                { "accept_ra", "0" }, { "autoconf", "0" }, { "accept_redirects", "0" },
                { "addr_gen_mode", "1" }, /* no link-local address */
        };

        if (!netlink_has_ipv6())
                return 0;
        for (size_t i = 0; i < G_N_ELEMENTS(settings); i++) {
                g_autofree char *path = g_strdup_printf("/proc/sys/net/ipv6/conf/default/%s", settings[i].setting);
                autofd int fd = open(path, O_WRONLY | O_CLOEXEC);

                if (fd < 0 || write(fd, settings[i].value, 1) != 1)
                        return error_set_errnof(error, errno, "Cannot set '%s' to %s", path, settings[i].value);
        }
        return 0;
}

static int open_inside(Network *network, Error *error) {
        g_autoptr(Firewall) firewall = NULL;
        g_autoptr(Netlink) inside = NULL;
        g_auto(Error) no_log = ERROR_NULL;
        int r;

        if (network->firewall)
                return 0;
        r = refuse_advertisements(error);
        if (r >= 0)
                r = firewall_new(network->lease.firewall, &firewall, error);
        if (r >= 0)
                r = netlink_new(&inside, error);
        if (r < 0)
                return r;
        if (denied_log_new(network->loop, network->report, &network->log, &no_log) < 0)
                log_failure(LOG_NOTICE, &no_log, "What the sandbox's firewall refuses is not told");
        network->firewall = g_steal_pointer(&firewall);
        network->inside = g_steal_pointer(&inside);
        return 0;
}

/* Logging may need parts of the kernel that filtering does not: the first commit shows. */
static int commit_first(Network *network, const Plan *plan, Error *error) {
        g_auto(Error) reason = ERROR_NULL;
        int r;

        r = firewall_commit(network->firewall, ruleset_new(plan, &network->lease, network->hosts, network->log != NULL),
                            &reason);
        if (r >= 0 || !network->log)
                return r < 0 ? error_move(error, &reason) : 0;
        log_failure(LOG_NOTICE, &reason, "What the sandbox's firewall refuses is not told");
        g_clear_pointer(&network->log, denied_log_free);
        return firewall_commit(network->firewall, ruleset_new(plan, &network->lease, network->hosts, false), error);
}

/* 1 if @ruleset is in force already. */
static int is_in_force(Network *network, const Ruleset *ruleset, Error *error) {
        int r;

        if (!firewall_has_mark(network->firewall))
                return 0;
        r = firewall_is_intact(network->firewall, error);
        if (r == 0)
                log_warning("Somebody has changed the sandbox's firewall rules: they are put back");
        return r <= 0 ? r : ruleset_is_equal(firewall_get_ruleset(network->firewall), ruleset);
}

static int commit_inside(Network *network, const Plan *plan, Error *error) {
        g_autoptr(Ruleset) ruleset = NULL;
        int r;

        r = open_inside(network, error);
        if (r < 0)
                return r;
        if (!firewall_get_ruleset(network->firewall))
                return commit_first(network, plan, error);
        ruleset = ruleset_new(plan, &network->lease, network->hosts, network->log != NULL);
        r = is_in_force(network, ruleset, error);
        return r != 0 ? MIN(r, 0) : firewall_commit(network->firewall, g_steal_pointer(&ruleset), error);
}

static int commit(Network *network, const Plan *plan, Error *error) {
        int r;

        r = container_enter_network(network->container, error);
        if (r < 0)
                return r;
        r = commit_inside(network, plan, error);
        container_leave_network(network->container);
        if (r >= 0 && !firewall_has_mark(network->firewall))
                loop_source_set_time(network->mark_timer, g_get_monotonic_time());
        return r;
}

void network_begin(Network *network) {
        network->is_committed = false;
}

int network_commit(Network *network, const Plan *plan, Error *error) {
        int r;

        if (network->is_committed)
                return 0;
        if (!network->has_lease)
                return error_setf(error, ERROR_BAD_STATE, "The sandbox has no address to make a link with");
        r = commit(network, plan, error);
        if (r < 0)
                return r;
        network->is_committed = true;
        return 0;
}

void network_roll_back(Network *network, const Plan *plan) {
        g_auto(Error) error = ERROR_NULL;

        if (!network->is_committed)
                return;
        network->is_committed = false;
        if (commit(network, plan, &error) >= 0)
                return;
        log_failure(LOG_ERR, &error, "Cannot put back the rules from before: the link is set down");
        error_done(&error);
        if (network_lower(network, &error) < 0) {
                log_failure(LOG_ERR, &error, "Cannot set the link down: the sandbox is ended");
                container_kill(network->container);
        }
}

/* ---- the link ---- */

int network_raise(Network *network, const char *name, Error *error) {
        int r;

        if (!network->link)
                network->link = link_new(&network->lease, name, network->inside,
                                         container_get_network_fd(network->container));
        r = link_make(network->link, error);
        if (r >= 0)
                r = link_raise(network->link, error);
        network->is_up = r >= 0;
        return r;
}

int network_lower(Network *network, Error *error) {
        int r = network->link ? link_lower(network->link, error) : 0;

        if (r >= 0)
                network->is_up = false;
        return r;
}

bool network_is_used(const Network *network) {
        return network->firewall != NULL;
}

bool network_is_up(const Network *network) {
        return network->is_up;
}

FirewallChoice network_get_firewall(const Network *network) {
        return network->firewall ? firewall_get_choice(network->firewall) : FIREWALL_AUTO;
}
