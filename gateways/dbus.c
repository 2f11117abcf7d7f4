/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * D-Bus gateway
 *
 * Shows the session bus of the sandbox's owner, the system bus, or both, through a proxy that lets through
 * what the rules say and nothing else. DBUS_SESSION_BUS_ADDRESS and DBUS_SYSTEM_BUS_ADDRESS name the proxy; a
 * manifest's own variables of these names win.
 *
 * A row has "dbus-gateway-config-session", "dbus-gateway-config-system" or both, each an array of rules; an
 * empty one is a proxy that lets nothing through. Which row says what of which bus does not matter: all rules
 * of all rows add up, for each bus by itself.
 *
 * A message passes if one rule fits it in all of its keys:
 *
 * "direction": "outgoing" (from the sandbox), "incoming" (to it), or a pattern that fits one of the words or
 * both.
 *
 * "interface" and "object-path": a pattern each.
 *
 * "method": a pattern, or an array of patterns of which one has to fit. Signals are meant too.
 *
 * "bus-name": a pattern for the name of the other side. Without the key it is any, as it always was.
 *
 * In patterns, '*' stands for any characters, '?' for one; they are about the whole string. The first four
 * keys are required, and a pattern that no valid name can fit is refused (an interface without a dot, a path
 * that ends with a slash): such rules once were accepted and did nothing.
 *
 * "own": stands in a rule of its own; a pattern, or an array of patterns, for names that the app may own on
 * the bus. It implies nothing else: who may call the app is said by rules with "incoming".
 */
#include <string.h>

#include "gateways/dbus-pattern.h"
#include "gateways/gateway.h"
#include "plan/inside.h"
#include "util/limits.h"

extern const GatewayOps gateway_dbus_ops;

typedef struct DBusRule {
        PlanBusRule rule; /* owned; as plan_bus_rule_clear() clears it */
        char **own;       /* owned; NULL = a rule for messages */
} DBusRule;

typedef struct DBusConfig {
        GatewayConfig config;
        GPtrArray *rules[_PLAN_BUS_MAX]; /* owned DBusRule *; NULL = the row does not speak of the bus */
} DBusConfig;

static void dbus_rule_free(void *userdata) {
        DBusRule *rule = userdata;

        plan_bus_rule_clear(&rule->rule);
        g_strfreev(rule->own);
        g_free(rule);
}

/* ---- patterns ---- */

static const struct {
        const char *what, *example;
        PlanBusPattern pattern;
} names[_DBUS_NAME_MAX] = {
        [DBUS_NAME_BUS] = { "bus name", "com.acme.Radio", PLAN_BUS_PATTERN_NAME },
        [DBUS_NAME_OWN] = { "bus name that can be owned", "com.acme.Radio", PLAN_BUS_PATTERN_NAME },
        [DBUS_NAME_INTERFACE] = { "interface", "com.acme.Radio", PLAN_BUS_PATTERN_INTERFACE },
        [DBUS_NAME_PATH] = { "object path", "/com/acme/Radio", PLAN_BUS_PATTERN_PATH },
        [DBUS_NAME_MEMBER] = { "method or signal", "SetVolume", PLAN_BUS_PATTERN_MEMBER },
};

static int read_pattern(const JsonCursor *at, DBusName kind, char **ret) {
        g_auto(Error) error = ERROR_NULL;
        const char *pattern;
        int r;

        r = json_read_string(at, 1, BUS_PATTERN_MAX, &pattern);
        if (r < 0)
                return r;
        if (!dbus_pattern_is_possible(kind, pattern))
                return json_error(
                        at, "No %s can fit '%s', expected one like '%s', with * and ? for what may vary",
                        names[kind].what, pattern, names[kind].example);
        r = plan_bus_pattern_check(names[kind].pattern, pattern, &error);
        if (r < 0)
                return json_error(at, "%s", error.message);
        *ret = g_strdup(pattern);
        return 0;
}

/* One pattern, or an array of them. */
static int read_patterns(const JsonCursor *at, DBusName kind, char ***ret) {
        g_autoptr(GPtrArray) patterns = g_ptr_array_new_with_free_func(g_free);
        char *pattern = NULL;
        JsonCursor element;
        int result;
        int r;

        if (json_is_array(json_cursor_get_value(at))) {
                result = json_expect_array(at, 1, BUS_MEMBERS_MAX);
                if (result < 0)
                        return result;
                for (bool more = json_cursor_get_first(at, &element); more;
                     more = json_cursor_get_next(&element, &element)) {
                        r = read_pattern(&element, kind, &pattern);
                        if (r < 0)
                                result = r;
                        else
                                g_ptr_array_add(patterns, pattern);
                }
        } else if (json_is_string(json_cursor_get_value(at))) {
                result = read_pattern(at, kind, &pattern);
                if (result >= 0)
                        g_ptr_array_add(patterns, pattern);
        } else
                return json_error(at, "Expected a pattern or an array of patterns");
        if (result < 0)
                return result;
        g_ptr_array_add(patterns, NULL);
        *ret = (char **) g_ptr_array_steal(patterns, NULL);
        return 0;
}

/* ---- a rule ---- */

static int read_direction(const JsonCursor *at, void *userdata) {
        static const char *const words[] = { "incoming", "outgoing", NULL };
        DBusRule *rule = userdata;
        bool is_incoming, is_outgoing;
        const char *word;
        int r;

        r = json_read_string(at, 1, BUS_PATTERN_MAX, &word);
        if (r < 0)
                return r;
        is_incoming = g_pattern_match_simple(word, words[0]);
        is_outgoing = g_pattern_match_simple(word, words[1]);
        if (is_incoming && is_outgoing)
                rule->rule.flow = PLAN_BUS_BOTH;
        else if (is_incoming)
                rule->rule.flow = PLAN_BUS_INCOMING;
        else if (is_outgoing)
                rule->rule.flow = PLAN_BUS_OUTGOING;
        else
                return json_error_choice(at, "direction", word, words,
                                         (const char *const[]){ "incoming", "outgoing", "*", NULL });
        return 0;
}

static int read_interface(const JsonCursor *at, void *userdata) {
        DBusRule *rule = userdata;

        return read_pattern(at, DBUS_NAME_INTERFACE, &rule->rule.interface);
}

static int read_path(const JsonCursor *at, void *userdata) {
        DBusRule *rule = userdata;

        return read_pattern(at, DBUS_NAME_PATH, &rule->rule.path);
}

static int read_method(const JsonCursor *at, void *userdata) {
        DBusRule *rule = userdata;

        return read_patterns(at, DBUS_NAME_MEMBER, &rule->rule.members);
}

static int read_bus_name(const JsonCursor *at, void *userdata) {
        DBusRule *rule = userdata;

        return read_pattern(at, DBUS_NAME_BUS, &rule->rule.name);
}

static int read_own(const JsonCursor *at, void *userdata) {
        DBusRule *rule = userdata;

        return read_patterns(at, DBUS_NAME_OWN, &rule->own);
}

static int read_alone(const JsonCursor *at, void *userdata G_GNUC_UNUSED) {
        return json_error(at, "A rule with 'own' has no other keys; write a second rule for messages");
}

static const JsonField talk_fields[] = {
        { "direction", read_direction, JSON_FIELD_REQUIRED },
        { "interface", read_interface, JSON_FIELD_REQUIRED },
        { "object-path", read_path, JSON_FIELD_REQUIRED },
        { "method", read_method, JSON_FIELD_REQUIRED },
        { "bus-name", read_bus_name, 0 },
        { "own", read_alone, 0 }, /* not reached: for the list of keys that are known */
        {},
};

static const JsonField own_fields[] = {
        { "own", read_own, JSON_FIELD_REQUIRED },
        { "direction", read_alone, 0 },
        { "interface", read_alone, 0 },
        { "object-path", read_alone, 0 },
        { "method", read_alone, 0 },
        { "bus-name", read_alone, 0 },
        {},
};

static int read_rule(const JsonCursor *at, PlanBus bus, GPtrArray *rules) {
        DBusRule *rule = g_new0(DBusRule, 1);
        bool is_own = json_object_get(json_cursor_get_value(at), "own") != NULL;

        g_ptr_array_add(rules, rule);
        rule->rule.bus = bus;
        rule->rule.verb = is_own ? PLAN_BUS_OWN : PLAN_BUS_TALK;
        return json_read_object(at, is_own ? own_fields : talk_fields, JSON_UNKNOWN_ERROR, rule);
}

/* ---- a row ---- */

static int read_rules(const JsonCursor *at, PlanBus bus, DBusConfig *dbus) {
        JsonCursor rule;
        int result;
        int r;

        result = json_expect_array(at, 0, GATEWAY_ROWS_MAX);
        if (result < 0)
                return result;
        dbus->rules[bus] = g_ptr_array_new_with_free_func(dbus_rule_free);
        for (bool more = json_cursor_get_first(at, &rule); more; more = json_cursor_get_next(&rule, &rule)) {
                r = read_rule(&rule, bus, dbus->rules[bus]);
                if (r < 0)
                        result = r;
        }
        return result;
}

static int read_session(const JsonCursor *at, void *userdata) {
        return read_rules(at, PLAN_BUS_SESSION, userdata);
}

static int read_system(const JsonCursor *at, void *userdata) {
        return read_rules(at, PLAN_BUS_SYSTEM, userdata);
}

static const JsonField dbus_fields[] = {
        { "dbus-gateway-config-session", read_session, 0 },
        { "dbus-gateway-config-system", read_system, 0 },
        {},
};

static int dbus_parse_row(const JsonCursor *row, GatewayConfig *config) {
        int r;

        r = json_read_object(row, dbus_fields, JSON_UNKNOWN_ERROR, config);
        if (json_is_object(json_cursor_get_value(row)) && json_cursor_get_size(row) == 0)
                return json_error(row, "No bus, expected the key 'dbus-gateway-config-session', "
                                       "'dbus-gateway-config-system' or both");
        return r;
}

static int rule_plan(const DBusRule *rule, const PlanOrigin *origin, Plan *plan, Error *error) {
        PlanBusRule copy = rule->rule; /* borrows what it points to */
        int r;

        if (!rule->own) {
                copy.name = copy.name ?: (char *) "*";
                return plan_add_bus_rule(plan, origin, &copy, error);
        }
        for (char **name = rule->own; *name; name++) {
                copy.name = *name;
                r = plan_add_bus_rule(plan, origin, &copy, error);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int bus_plan(const DBusConfig *dbus, PlanBus bus, Plan *plan, Error *error) {
        static const struct {
                const char *variable, *address;
        } inside[_PLAN_BUS_MAX] = {
                [PLAN_BUS_SESSION] = { "DBUS_SESSION_BUS_ADDRESS", "unix:path=" INSIDE_SESSION_BUS },
                [PLAN_BUS_SYSTEM] = { "DBUS_SYSTEM_BUS_ADDRESS", "unix:path=" INSIDE_SYSTEM_BUS },
        };
        const PlanOrigin *origin = dbus->config.origin;
        int r;

        r = plan_add_bus(plan, origin, bus, error);
        if (r >= 0)
                r = plan_add_env(plan, origin, inside[bus].variable, inside[bus].address, PLAN_ENV_DEFAULT,
                                 NULL, error);
        for (guint i = 0; r >= 0 && i < dbus->rules[bus]->len; i++)
                r = rule_plan(g_ptr_array_index(dbus->rules[bus], i), origin, plan, error);
        return r;
}

static int dbus_plan(const GatewayConfig *config, Plan *plan, Error *error) {
        const DBusConfig *dbus = (const DBusConfig *) config;
        int r;

        for (int bus = 0; bus < _PLAN_BUS_MAX; bus++) {
                r = dbus->rules[bus] ? bus_plan(dbus, (PlanBus) bus, plan, error) : 0;
                if (r < 0)
                        return r;
        }
        return 0;
}

static void dbus_done(GatewayConfig *config) {
        DBusConfig *dbus = (DBusConfig *) config;

        for (int bus = 0; bus < _PLAN_BUS_MAX; bus++)
                g_clear_pointer(&dbus->rules[bus], g_ptr_array_unref);
}

const GatewayOps gateway_dbus_ops = {
        .id = "dbus",
        .config_size = sizeof(DBusConfig),
        .parse_row = dbus_parse_row,
        .plan = dbus_plan,
        .done = dbus_done,
};
