/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/plan-asserts.h"

enum {
        NAME = PLAN_BUS_PATTERN_NAME,
        INTERFACE = PLAN_BUS_PATTERN_INTERFACE,
        PATH = PLAN_BUS_PATTERN_PATH,
        MEMBER = PLAN_BUS_PATTERN_MEMBER,
};

static const struct {
        int kind;
        const char *pattern;
        const char *message; /* NULL = is one */
} patterns[] = {
        { NAME, "*", NULL },
        { NAME, "com.acme.Radio", NULL },
        { NAME, "com.acme-x._1", NULL },
        { NAME, ":1.42", NULL },
        { NAME, "com.acme.*", NULL },
        { NAME, "?", NULL },
        { INTERFACE, "com.acme.Radio1", NULL },
        { INTERFACE, "*", NULL },
        { PATH, "/", NULL },
        { PATH, "/com/acme/1", NULL },
        { PATH, "/com/*", NULL },
        { PATH, "*", NULL },
        { MEMBER, "Play", NULL },
        { MEMBER, "Get*", NULL },
        { NAME, "", "Bus name '' fits nothing, '*' fits everything" },
        { NAME, "radio", "Bus name 'radio' has no '.', two elements or a '*' were expected" },
        { NAME, ".acme", "Bus name '.acme' has an empty element" },
        { NAME, "acme.", "Bus name 'acme.' has an empty element" },
        { NAME, "com..acme", "Bus name 'com..acme' has an empty element" },
        { NAME, "com.1acme", "Bus name 'com.1acme' has an element that starts with a digit" },
        { NAME, "a:b.c", "Bus name 'a:b.c' has a ':' that is not its first character" },
        { NAME, ":", "Bus name ':' has an empty element" },
        { NAME, "com.ac me", "Bus name 'com.ac me' has a character that it cannot have" },
        { NAME, "com.acme,x", "Bus name 'com.acme,x' has a character that it cannot have" },
        { INTERFACE, "com.acme-x", "Interface 'com.acme-x' has a character that it cannot have" },
        { INTERFACE, ":1.1", "Interface ':1.1' has a character that it cannot have" },
        { INTERFACE, "Radio", "Interface 'Radio' has no '.', two elements or a '*' were expected" },
        { PATH, "com/acme", "Object path 'com/acme' does not start with '/'" },
        { PATH, "/com//acme", "Object path '/com//acme' has an empty element" },
        { PATH, "/com/", "Object path '/com/' has an empty element" },
        { PATH, "/a.b", "Object path '/a.b' has a character that it cannot have" },
        { MEMBER, "1st", "Member '1st' has an element that starts with a digit" },
        { MEMBER, "Get.All", "Member 'Get.All' has a character that it cannot have" },
        { MEMBER, "a\nb", "Member 'a\\x0ab' has a character that it cannot have" },
};

static void test_patterns(void **state G_GNUC_UNUSED) {
        for (size_t i = 0; i < G_N_ELEMENTS(patterns); i++) {
                g_auto(Error) error = ERROR_NULL;
                int r = plan_bus_pattern_check((PlanBusPattern) patterns[i].kind, patterns[i].pattern,
                                               &error);

                if (patterns[i].message)
                        assert_refused(patterns[i].pattern, r, &error, patterns[i].message);
                else if (r < 0)
                        fail_msg("'%s': %s", patterns[i].pattern, error.message);
        }
}

static void test_long_pattern(void **state G_GNUC_UNUSED) {
        g_autofree char *pattern = g_strnfill(BUS_PATTERN_MAX + 1, 'a');
        g_auto(Error) error = ERROR_NULL;

        assert_true(plan_bus_pattern_check(PLAN_BUS_PATTERN_MEMBER, pattern, &error) < 0);
        assert_true(g_str_has_suffix(error.message, "is longer than 255 characters"));
        pattern[BUS_PATTERN_MAX] = '\0';
        assert_int_equal(plan_bus_pattern_check(PLAN_BUS_PATTERN_MEMBER, pattern, NULL), 0);
}

#define TEXT(text)    ((char *) (text))
#define MEMBERS(...)  ((char *[]){ __VA_ARGS__, NULL })
#define TALK_TO(what) .name = TEXT(what), .interface = TEXT("*"), .path = TEXT("*")

static void test_rules(void **state G_GNUC_UNUSED) {
        const PlanBusRule rules[] = {
                { TALK_TO("com.acme.Radio"), .members = MEMBERS(TEXT("Play"), TEXT("Get*")) },
                { TALK_TO("com.acme.Radio"), .members = MEMBERS(TEXT("Get*"), TEXT("Play"), TEXT("Play")) },
                { .bus = PLAN_BUS_SYSTEM,
                  .flow = PLAN_BUS_INCOMING,
                  TALK_TO("*"),
                  .members = MEMBERS(TEXT("*")) },
                { .flow = PLAN_BUS_BOTH,
                  .name = TEXT(":1.5"),
                  .interface = TEXT("a.b"),
                  .path = TEXT("/a"),
                  .members = MEMBERS(TEXT("*")) },
                { .verb = PLAN_BUS_OWN, .name = TEXT("com.acme.App") },
                { .verb = PLAN_BUS_OWN, .name = TEXT("com.acme.App") },
                { .verb = PLAN_BUS_OWN, .name = TEXT("com.acme.App.*") },
        };
        g_autoptr(Plan) plan = plan_new();

        for (size_t i = 0; i < G_N_ELEMENTS(rules); i++)
                assert_int_equal(plan_add_bus_rule(plan, i % 2 ? &maps : &radio, rules + i, NULL), 0);
        assert_plan_says("rules", plan,
                         "session own com.acme.App | may be owned |  | 2\n"
                         "session own com.acme.App.* | may be owned |  | 1\n"
                         "session talk both name :1.5 interface a.b path /a member * | may pass |  | 1\n"
                         "session talk outgoing name com.acme.Radio interface * path * member Get*,Play "
                         "| may pass |  | 2\n"
                         "system talk incoming name * interface * path * member * | may pass |  | 1");
}

static void test_bad_rules(void **state G_GNUC_UNUSED) {
        static const struct {
                PlanBusRule rule;
                const char *message;
        } cases[] = {
                { { .bus = (PlanBus) 2, .name = TEXT("*") }, "Bus 2 of a rule is unknown" },
                { { .verb = (PlanBusVerb) 2, .name = TEXT("*") }, "Verb 2 of a bus rule is unknown" },
                { { .verb = PLAN_BUS_OWN }, "Bus rule without a name, '*' fits every one" },
                { { .verb = PLAN_BUS_OWN, .name = TEXT(":1.5") },
                  "Bus name ':1.5' is a unique one, which the bus gives away itself" },
                { { .verb = PLAN_BUS_OWN, .name = TEXT("a.b"), .path = TEXT("/") },
                  "Rule to own a name has more than the name" },
                { { .verb = PLAN_BUS_OWN, .name = TEXT("a.b"), .flow = PLAN_BUS_BOTH },
                  "Rule to own a name has more than the name" },
                { { .flow = (PlanBusFlow) 3, TALK_TO("*") }, "Direction 3 of a bus rule is unknown" },
                { { TALK_TO("*") }, "Bus rule without an interface, a path or a member, '*' fits every one" },
                { { TALK_TO("a b") }, "Bus name 'a b' has a character that it cannot have" },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autoptr(Plan) plan = plan_new();
                g_auto(Error) error = ERROR_NULL;
                int r = plan_add_bus_rule(plan, &maps, &cases[i].rule, &error);

                assert_refused(cases[i].message, r, &error, cases[i].message);
                assert_string_equal(error.file, "maps.json");
                assert_int_equal(plan_get_size(plan), 0);
        }
}

static void test_members(void **state G_GNUC_UNUSED) {
        g_autofree char **members = g_new0(char *, BUS_MEMBERS_MAX + 2);
        PlanBusRule rule = { TALK_TO("*"), .members = members };
        g_autoptr(Plan) plan = plan_new();
        g_auto(Error) error = ERROR_NULL;

        assert_true(plan_add_bus_rule(plan, &maps, &rule, NULL) < 0); /* none */
        for (int i = 0; i < BUS_MEMBERS_MAX; i++)
                members[i] = TEXT("Play");
        assert_int_equal(plan_add_bus_rule(plan, &maps, &rule, NULL), 0);
        members[BUS_MEMBERS_MAX] = TEXT("Play");
        assert_true(plan_add_bus_rule(plan, &maps, &rule, &error) < 0);
        assert_int_equal(error.code, ERROR_LIMIT_REACHED);
        members[1] = TEXT("bad one");
        members[2] = NULL;
        assert_true(plan_add_bus_rule(plan, &maps, &rule, NULL) < 0);
        assert_plan_says("members", plan,
                         "session talk outgoing name * interface * path * member Play | may pass |  | 1");
}

static void test_buses(void **state G_GNUC_UNUSED) {
        g_autoptr(Plan) plan = plan_new();
        g_auto(Error) error = ERROR_NULL;

        assert_int_equal(plan_add_bus(plan, &maps, PLAN_BUS_SYSTEM, NULL), 0);
        assert_int_equal(plan_add_bus(plan, &radio, PLAN_BUS_SYSTEM, NULL), 0);
        assert_int_equal(plan_add_bus(plan, &radio, PLAN_BUS_SESSION, NULL), 0);
        assert_refused("bus", plan_add_bus(plan, &radio, (PlanBus) 2, &error), &error, "Bus 2 is unknown");
        assert_plan_says("buses", plan,
                         "session | nothing but what rules allow |  | 1\n"
                         "system | nothing but what rules allow |  | 2");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_patterns), cmocka_unit_test(test_long_pattern),
                cmocka_unit_test(test_rules),    cmocka_unit_test(test_bad_rules),
                cmocka_unit_test(test_members),  cmocka_unit_test(test_buses),
        };

        return cmocka_run_group_tests_name("plan-bus", tests, NULL, NULL);
}
