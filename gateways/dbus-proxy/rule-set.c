/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gateways/dbus-proxy/rule-set.h"

#include <string.h>

struct RuleSet {
        GPtrArray *rules; /* owned BusProxyRule */
        bool needs_names;
};

/* '*' for any characters, '?' for one. Goes back to the last '*' only, which is enough. */
static bool glob_fits(const char *pattern, const char *text) {
        const char *star = NULL, *resume = NULL;

        while (*text) {
                if (*pattern == '*') {
                        star = pattern++;
                        resume = text;
                } else if (*pattern == '?' || *pattern == *text) {
                        pattern++;
                        text++;
                } else if (star) {
                        pattern = star + 1;
                        text = ++resume;
                } else
                        return false;
        }
        while (*pattern == '*')
                pattern++;
        return *pattern == '\0';
}

static bool fits_all(const char *pattern) {
        return *pattern != '\0' && pattern[strspn(pattern, "*")] == '\0';
}

RuleSet *rule_set_new(GPtrArray *rules) {
        RuleSet *set = g_new0(RuleSet, 1);

        set->rules = rules;
        for (guint i = 0; i < rules->len; i++) {
                const BusProxyRule *rule = rules->pdata[i];

                if (rule->verb == PLAN_BUS_TALK && !fits_all(rule->name))
                        set->needs_names = true;
        }
        return set;
}

void rule_set_free(RuleSet *set) {
        if (!set)
                return;
        g_ptr_array_unref(set->rules);
        g_free(set);
}

bool rule_set_needs_names(const RuleSet *set) {
        return set->needs_names;
}

static bool peer_fits(const BusProxyRule *rule, const RulePeer *peer) {
        if (fits_all(rule->name))
                return true;
        if (peer->name && glob_fits(rule->name, peer->name))
                return true;
        for (guint i = 0; peer->names && i < peer->names->len; i++)
                if (glob_fits(rule->name, peer->names->pdata[i]))
                        return true;
        return false;
}

static bool member_fits(const BusProxyRule *rule, const char *name) {
        for (char **member = rule->members; *member; member++)
                if (glob_fits(*member, name))
                        return true;
        return false;
}

static bool flow_fits(const BusProxyRule *rule, PlanBusFlow flow) {
        return rule->flow == PLAN_BUS_BOTH || rule->flow == flow;
}

bool rule_set_allows(const RuleSet *set, PlanBusFlow flow, const RulePeer *peer, const char *interface,
                     const char *path, const char *member) {
        for (guint i = 0; i < set->rules->len; i++) {
                const BusProxyRule *rule = set->rules->pdata[i];

                if (rule->verb == PLAN_BUS_TALK && flow_fits(rule, flow) && member_fits(rule, member) &&
                    (interface ? glob_fits(rule->interface, interface) : fits_all(rule->interface)) &&
                    glob_fits(rule->path, path) && peer_fits(rule, peer))
                        return true;
        }
        return false;
}

bool rule_set_is_visible(const RuleSet *set, const RulePeer *peer) {
        for (guint i = 0; i < set->rules->len; i++)
                if (peer_fits(set->rules->pdata[i], peer))
                        return true;
        return peer->name && rule_set_may_own(set, peer->name);
}

bool rule_set_may_call(const RuleSet *set, const RulePeer *peer) {
        for (guint i = 0; i < set->rules->len; i++) {
                const BusProxyRule *rule = set->rules->pdata[i];

                if (rule->verb == PLAN_BUS_TALK && flow_fits(rule, PLAN_BUS_OUTGOING) &&
                    peer_fits(rule, peer))
                        return true;
        }
        return false;
}

/* Is @name what @interface is called after: com.acme.Radio of com.acme.Radio and com.acme.Radio1? */
static bool interface_is_named(const char *interface, const char *name) {
        g_autofree char *bare = g_strdup(interface);
        size_t n = strlen(bare);

        if (glob_fits(interface, name))
                return true;
        while (n > 0 && g_ascii_isdigit(bare[n - 1]))
                bare[--n] = '\0';
        return n > 0 && glob_fits(bare, name);
}

static bool path_is_named(const char *path, const char *name) {
        g_autofree char *slashed = g_strconcat("/", name, NULL);

        /* '-' is for names only */
        for (char *p = slashed; *p; p++)
                if (*p == '.')
                        *p = '/';
                else if (*p == '-')
                        *p = '_';
        return glob_fits(path, slashed);
}

static bool rule_implies(const BusProxyRule *rule, const char *name) {
        bool any_interface = fits_all(rule->interface), any_path = fits_all(rule->path);

        if (!flow_fits(rule, PLAN_BUS_INCOMING) || !fits_all(rule->name))
                return false;
        if (any_interface && any_path)
                return true;
        return (!any_interface && interface_is_named(rule->interface, name)) ||
               (!any_path && path_is_named(rule->path, name));
}

bool rule_set_may_own(const RuleSet *set, const char *name) {
        if (name[0] == ':')
                return false;
        for (guint i = 0; i < set->rules->len; i++) {
                const BusProxyRule *rule = set->rules->pdata[i];

                if (rule->verb == PLAN_BUS_OWN ? glob_fits(rule->name, name) : rule_implies(rule, name))
                        return true;
        }
        return false;
}
