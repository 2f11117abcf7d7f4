/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Filtered buses and what may pass them
 */
#include <stdlib.h>
#include <string.h>

#include "plan/plan-private.h"
#include "util/enum-table.h"
#include "util/limits.h"

static const char *const plan_bus_names[_PLAN_BUS_MAX] = {
        [PLAN_BUS_SESSION] = "session",
        [PLAN_BUS_SYSTEM] = "system",
};

ENUM_TABLE_DEFINE(plan_bus, PlanBus, _PLAN_BUS_MAX)

static const char *const plan_bus_verb_names[_PLAN_BUS_VERB_MAX] = {
        [PLAN_BUS_TALK] = "talk",
        [PLAN_BUS_OWN] = "own",
};

ENUM_TABLE_DEFINE(plan_bus_verb, PlanBusVerb, _PLAN_BUS_VERB_MAX)

static const char *const plan_bus_flow_names[_PLAN_BUS_FLOW_MAX] = {
        [PLAN_BUS_OUTGOING] = "outgoing",
        [PLAN_BUS_INCOMING] = "incoming",
        [PLAN_BUS_BOTH] = "both",
};

ENUM_TABLE_DEFINE(plan_bus_flow, PlanBusFlow, _PLAN_BUS_FLOW_MAX)

/* ---- patterns ---- */

/* D-Bus Specification, "Valid Names" and "Valid Object Paths". */
static const struct {
        const char *what;
        const char *others; /* characters besides letters, digits and '_' */
        char separator;     /* of its elements, 0 = there is one */
        bool may_start_with_digit;
} patterns[_PLAN_BUS_PATTERN_MAX] = {
        [PLAN_BUS_PATTERN_NAME] = { "Bus name", "-.:", '.', false },
        [PLAN_BUS_PATTERN_INTERFACE] = { "Interface", ".", '.', false },
        [PLAN_BUS_PATTERN_PATH] = { "Object path", "/", '/', true },
        [PLAN_BUS_PATTERN_MEMBER] = { "Member", "", '\0', false },
};

static int pattern_refuse(PlanBusPattern kind, const char *pattern, const char *why, Error *error) {
        g_autofree char *text = plan_text_excerpt(pattern);

        return error_setf(error, ERROR_INVALID_ARGS, "%s '%s' %s", patterns[kind].what, text, why);
}

/* Elements of a name without '*' and '?'; the leading '/' and ':' are gone. */
static int elements_check(PlanBusPattern kind, const char *pattern, const char *elements, bool digits,
                          Error *error) {
        const char separator[] = { patterns[kind].separator, '\0' };
        int n_elements = 0;

        for (const char *at = elements;; at++) {
                size_t n = strcspn(at, separator);

                if (n == 0)
                        return pattern_refuse(kind, pattern, "has an empty element", error);
                if (!digits && g_ascii_isdigit(at[0]))
                        return pattern_refuse(kind, pattern, "has an element that starts with a digit",
                                              error);
                n_elements++;
                at += n;
                if (*at == '\0')
                        break;
        }
        if (patterns[kind].separator == '.' && n_elements < 2)
                return pattern_refuse(kind, pattern, "has no '.', two elements or a '*' were expected",
                                      error);
        return 0;
}

int plan_bus_pattern_check(PlanBusPattern kind, const char *pattern, Error *error) {
        bool is_path = kind == PLAN_BUS_PATTERN_PATH;
        bool is_unique = kind == PLAN_BUS_PATTERN_NAME && pattern[0] == ':';

        if (!pattern[0])
                return pattern_refuse(kind, pattern, "fits nothing, '*' fits everything", error);
        if (strlen(pattern) > BUS_PATTERN_MAX)
                return pattern_refuse(kind, pattern, "is longer than 255 characters", error);
        for (const char *at = pattern; *at; at++)
                if (!g_ascii_isalnum(*at) && !strchr("_*?", *at) && !strchr(patterns[kind].others, *at))
                        return pattern_refuse(kind, pattern, "has a character that it cannot have", error);
        if (strchr(is_unique ? pattern + 1 : pattern, ':'))
                return pattern_refuse(kind, pattern, "has a ':' that is not its first character", error);
        if (is_path && !strchr("/*?", pattern[0]))
                return pattern_refuse(kind, pattern, "does not start with '/'", error);
        if (strpbrk(pattern, "*?") || (is_path && pattern[1] == '\0'))
                return 0;
        return elements_check(kind, pattern, is_path || is_unique ? pattern + 1 : pattern,
                              is_unique || patterns[kind].may_start_with_digit, error);
}

/* ---- rules ---- */

void plan_bus_rule_clear(PlanBusRule *rule) {
        g_free(rule->name);
        g_free(rule->interface);
        g_free(rule->path);
        g_strfreev(rule->members);
        *rule = (PlanBusRule){ 0 };
}

static int compare_strings(const void *a, const void *b) {
        return strcmp(*(char *const *) a, *(char *const *) b);
}

/* Sorted, nothing twice. */
static char **members_copy(char *const *members) {
        char **copy = g_strdupv((char **) members);
        guint n = copy ? g_strv_length(copy) : 0, n_unique = 0;

        if (n > 1)
                qsort(copy, n, sizeof(*copy), compare_strings);
        for (guint i = 0; i < n; i++) {
                char *member = copy[i];

                if (n_unique > 0 && strcmp(copy[n_unique - 1], member) == 0)
                        g_free(member);
                else
                        copy[n_unique++] = member;
        }
        if (copy)
                copy[n_unique] = NULL;
        return copy;
}

static void rule_copy(PlanBusRule *to, const PlanBusRule *from) {
        *to = *from;
        to->name = g_strdup(from->name);
        to->interface = g_strdup(from->interface);
        to->path = g_strdup(from->path);
        to->members = members_copy(from->members);
}

/* The whole rule in words. No pattern has a space or a comma. */
static char *rule_format(const PlanBusRule *rule) {
        g_autofree char *members = NULL;

        if (rule->verb == PLAN_BUS_OWN)
                return g_strdup_printf("%s own %s", plan_bus_to_string(rule->bus), rule->name);
        members = g_strjoinv(",", rule->members);
        return g_strdup_printf("%s talk %s name %s interface %s path %s member %s",
                               plan_bus_to_string(rule->bus), plan_bus_flow_to_string(rule->flow), rule->name,
                               rule->interface, rule->path, members);
}

static int own_check(const PlanBusRule *rule, Error *error) {
        if (rule->flow != 0 || rule->interface || rule->path || rule->members)
                return error_setf(error, ERROR_INVALID_ARGS, "Rule to own a name has more than the name");
        if (rule->name[0] == ':')
                return pattern_refuse(PLAN_BUS_PATTERN_NAME, rule->name,
                                      "is a unique one, which the bus gives away itself", error);
        return 0;
}

static int talk_check(const PlanBusRule *rule, Error *error) {
        size_t n = 0;
        int r;

        if (!plan_bus_flow_to_string(rule->flow))
                return error_setf(error, ERROR_INVALID_ARGS, "Direction %d of a bus rule is unknown",
                                  (int) rule->flow);
        if (!rule->interface || !rule->path || !rule->members || !rule->members[0])
                return error_setf(error, ERROR_INVALID_ARGS,
                                  "Bus rule without an interface, a path or a member, '*' fits every one");
        r = plan_bus_pattern_check(PLAN_BUS_PATTERN_INTERFACE, rule->interface, error);
        if (r >= 0)
                r = plan_bus_pattern_check(PLAN_BUS_PATTERN_PATH, rule->path, error);
        for (; r >= 0 && rule->members[n]; n++) {
                r = plan_bus_pattern_check(PLAN_BUS_PATTERN_MEMBER, rule->members[n], error);
                if (r >= 0 && n >= BUS_MEMBERS_MAX)
                        r = error_setf(error, ERROR_LIMIT_REACHED, "Bus rule with more than %d members",
                                       BUS_MEMBERS_MAX);
        }
        return r;
}

static int rule_check(const PlanBusRule *rule, Error *error) {
        int r;

        if (!plan_bus_to_string(rule->bus))
                return error_setf(error, ERROR_INVALID_ARGS, "Bus %d of a rule is unknown", (int) rule->bus);
        if (!plan_bus_verb_to_string(rule->verb))
                return error_setf(error, ERROR_INVALID_ARGS, "Verb %d of a bus rule is unknown",
                                  (int) rule->verb);
        if (!rule->name)
                return error_setf(error, ERROR_INVALID_ARGS, "Bus rule without a name, '*' fits every one");
        r = plan_bus_pattern_check(PLAN_BUS_PATTERN_NAME, rule->name, error);
        if (r < 0)
                return r;
        return rule->verb == PLAN_BUS_OWN ? own_check(rule, error) : talk_check(rule, error);
}

static int add_bus_rule(Plan *plan, const PlanOrigin *origin, const PlanBusRule *rule, Error *error) {
        g_auto(PlanBusRule) normal = { 0 };
        g_autofree char *key = NULL;
        PlanItem *item;
        int r;

        r = plan_origin_check(origin, error);
        if (r >= 0)
                r = rule_check(rule, error);
        if (r < 0)
                return r;
        rule_copy(&normal, rule);
        key = rule_format(&normal);
        r = plan_insert_or_find(plan, PLAN_BUS_RULE, key, origin, &item, error);
        if (r > 0) {
                item->bus_rule = normal;
                normal = (PlanBusRule){ 0 };
        }
        return r;
}

int plan_add_bus_rule(Plan *plan, const PlanOrigin *origin, const PlanBusRule *rule, Error *error) {
        int r = add_bus_rule(plan, origin, rule, error);

        return plan_origin_blame(origin, r, error);
}

static void item_clear(PlanItem *item) {
        plan_bus_rule_clear(&item->bus_rule);
}

static void item_copy(PlanItem *to, const PlanItem *from) {
        rule_copy(&to->bus_rule, &from->bus_rule);
}

static int item_add(Plan *plan, const PlanOrigin *origin, const PlanItem *item, Error *error) {
        return plan_add_bus_rule(plan, origin, &item->bus_rule, error);
}

static void item_put(WireWriter *writer, const PlanItem *item) {
        const PlanBusRule *rule = &item->bus_rule;

        wire_put_string(writer, plan_bus_to_string(rule->bus));
        wire_put_string(writer, plan_bus_verb_to_string(rule->verb));
        wire_put_string(writer, rule->name);
        if (rule->verb != PLAN_BUS_TALK)
                return;
        wire_put_string(writer, plan_bus_flow_to_string(rule->flow));
        wire_put_string(writer, rule->interface);
        wire_put_string(writer, rule->path);
        wire_put_strings(writer, rule->members);
}

static int word_refuse(const char *what, const char *word, Error *error) {
        g_autofree char *text = plan_text_excerpt(word);

        return error_setf(error, ERROR_UNSUPPORTED, "%s '%s' is unknown", what, text);
}

static int item_get(WireReader *reader, Plan *plan, const PlanOrigin *origin, const char *key G_GNUC_UNUSED,
                    Error *error) {
        const char *bus = wire_get_string(reader);
        const char *verb = wire_get_string(reader);
        const char *flow = NULL;
        PlanBusRule rule = { 0 }; /* nothing in it is owned: add copies */
        int r;

        rule.name = (char *) wire_get_string(reader);
        if (reader->failed || !bus || !verb)
                return plan_item_broken(error);
        if (plan_bus_from_string(bus) < 0)
                return word_refuse("Bus", bus, error);
        if (plan_bus_verb_from_string(verb) < 0)
                return word_refuse("Verb of a bus rule", verb, error);
        rule.bus = plan_bus_from_string(bus);
        rule.verb = plan_bus_verb_from_string(verb);
        if (rule.verb == PLAN_BUS_OWN)
                return plan_add_bus_rule(plan, origin, &rule, error);
        flow = wire_get_string(reader);
        rule.interface = (char *) wire_get_string(reader);
        rule.path = (char *) wire_get_string(reader);
        rule.members = (char **) wire_get_strings(reader, BUS_MEMBERS_MAX);
        if (reader->failed || !flow)
                r = plan_item_broken(error);
        else if (plan_bus_flow_from_string(flow) < 0)
                r = word_refuse("Direction of a bus rule", flow, error);
        else {
                rule.flow = plan_bus_flow_from_string(flow);
                r = plan_add_bus_rule(plan, origin, &rule, error);
        }
        free(rule.members);
        return r;
}

static void item_print_text(const PlanItem *item, PlanCells *cells) {
        cells->value = g_strdup(item->bus_rule.verb == PLAN_BUS_OWN ? "may be owned" : "may pass");
        cells->mode = g_strdup("");
}

static void item_print_json(const PlanItem *item, json_t *object) {
        const PlanBusRule *rule = &item->bus_rule;
        json_t *members;

        json_object_set_new(object, "bus", json_string(plan_bus_to_string(rule->bus)));
        json_object_set_new(object, "verb", json_string(plan_bus_verb_to_string(rule->verb)));
        json_object_set_new(object, "name", json_string(rule->name));
        if (rule->verb != PLAN_BUS_TALK)
                return;
        json_object_set_new(object, "direction", json_string(plan_bus_flow_to_string(rule->flow)));
        json_object_set_new(object, "interface", json_string(rule->interface));
        json_object_set_new(object, "path", json_string(rule->path));
        members = json_array();
        for (char **member = rule->members; *member; member++)
                json_array_append_new(members, json_string(*member));
        json_object_set_new(object, "members", members);
}

const PlanKindOps plan_bus_rule_ops = {
        .name = "bus-rule",
        .clear = item_clear,
        .copy = item_copy,
        .is_equal = plan_item_is_same,
        .covers = plan_item_is_same,
        .add = item_add,
        .put = item_put,
        .get = item_get,
        .print_text = item_print_text,
        .print_json = item_print_json,
};

/* ---- buses ---- */

static int add_bus(Plan *plan, const PlanOrigin *origin, PlanBus bus, Error *error) {
        PlanItem *item;
        int r;

        r = plan_origin_check(origin, error);
        if (r >= 0 && !plan_bus_to_string(bus))
                r = error_setf(error, ERROR_INVALID_ARGS, "Bus %d is unknown", (int) bus);
        if (r >= 0)
                r = plan_insert_or_find(plan, PLAN_BUS, plan_bus_to_string(bus), origin, &item, error);
        if (r > 0)
                item->bus.bus = bus;
        return r;
}

int plan_add_bus(Plan *plan, const PlanOrigin *origin, PlanBus bus, Error *error) {
        int r = add_bus(plan, origin, bus, error);

        return plan_origin_blame(origin, r, error);
}

static void bus_copy(PlanItem *to, const PlanItem *from) {
        to->bus = from->bus;
}

static int bus_add(Plan *plan, const PlanOrigin *origin, const PlanItem *item, Error *error) {
        return plan_add_bus(plan, origin, item->bus.bus, error);
}

/* It is all in its key. */
static void bus_put(WireWriter *writer G_GNUC_UNUSED, const PlanItem *item G_GNUC_UNUSED) {
}

static int bus_get(WireReader *reader G_GNUC_UNUSED, Plan *plan, const PlanOrigin *origin, const char *key,
                   Error *error) {
        if (plan_bus_from_string(key) < 0)
                return word_refuse("Bus", key, error);
        return plan_add_bus(plan, origin, plan_bus_from_string(key), error);
}

static void bus_print_text(const PlanItem *item G_GNUC_UNUSED, PlanCells *cells) {
        cells->value = g_strdup("nothing but what rules allow");
        cells->mode = g_strdup("");
}

static void bus_print_json(const PlanItem *item G_GNUC_UNUSED, json_t *object G_GNUC_UNUSED) {
}

const PlanKindOps plan_bus_ops = {
        .name = "bus",
        .clear = plan_item_clear_nothing,
        .copy = bus_copy,
        .is_equal = plan_item_is_same,
        .covers = plan_item_is_same,
        .add = bus_add,
        .put = bus_put,
        .get = bus_get,
        .print_text = bus_print_text,
        .print_json = bus_print_json,
};
