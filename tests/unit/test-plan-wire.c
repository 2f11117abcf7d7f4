/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "plan/plan-private.h"
#include "plan/plan.h"
#include "tests/unit/bodies.h"
#include "util/limits.h"

static PlanOrigin maps = {
        .capability = (char *) "com.acme.maps", .file = (char *) "maps.json", .line = 12, .column = 5
};
static PlanOrigin bus = { .capability = (char *) "BindMount" };

static int read_plan(WireReader *reader, Error *error) {
        g_autoptr(Plan) plan = NULL;
        int r = plan_get(reader, &plan, error);

        assert_int_equal(plan == NULL, r < 0);
        return r;
}

static bool plan_has_kind(const Plan *plan, PlanKind kind) {
        for (guint i = 0; i < plan_get_size(plan); i++)
                if (plan_get_item(plan, i)->kind == kind)
                        return true;
        return false;
}

static void add_later_kinds(Plan *plan) {
        static char *members[] = { (char *) "Play", (char *) "Get*", NULL };
        const PlanBusRule talk = {
                .name = (char *) "a.b", .interface = (char *) "*", .path = (char *) "/a", .members = members
        };
        const PlanBusRule own = { .bus = PLAN_BUS_SYSTEM, .verb = PLAN_BUS_OWN, .name = (char *) "a.b.*" };
        const LimitValue memory = { .number = LIMIT_UNLIMITED };
        const LimitValue rates = { .rates = { 1, 0, LIMIT_UNLIMITED } };
        const LimitValue cpus = { .list = (char *) "0-3,6" };
        g_auto(PlanRule) rule = { .direction = PLAN_INCOMING, .protocol = PLAN_PROTOCOL_UDP };

        assert_int_equal(plan_peer_parse("2001:db8::/32", &rule.peer, NULL), 0);
        assert_int_equal(plan_ports_parse("80,8000-8080", &rule.local_ports, NULL), 0);
        assert_int_equal(plan_add_device(plan, &maps, "/dev/tty[0-3]", 0466, PLAN_DEVICE_ALL, NULL), 0);
        assert_int_equal(plan_add_device(plan, &maps, "/dev/a", 0, PLAN_DEVICE_READ, NULL), 0);
        assert_int_equal(plan_add_limit(plan, &maps, "memory.max", &memory, NULL), 0);
        assert_int_equal(plan_add_limit(plan, &maps, "io.max:8:0", &rates, NULL), 0);
        assert_int_equal(plan_add_limit(plan, &maps, "cpuset.cpus", &cpus, NULL), 0);
        assert_int_equal(plan_add_rule(plan, &maps, &rule, NULL), 0);
        assert_int_equal(plan_add_link(plan, &maps, "eth0", PLAN_LINK_FILTER_ALL, NULL), 0);
        assert_int_equal(plan_add_bus_rule(plan, &maps, &talk, NULL), 0);
        assert_int_equal(plan_add_bus_rule(plan, &bus, &own, NULL), 0);
        assert_int_equal(plan_add_bus(plan, &maps, PLAN_BUS_SESSION, NULL), 0);
        assert_int_equal(plan_add_socket(plan, &maps, PLAN_SOCKET_PULSEAUDIO, PLAN_SOCKET_CAPTURE, NULL), 0);
        assert_int_equal(plan_add_socket(plan, &maps, PLAN_SOCKET_WAYLAND, 0, NULL), 0);
}

static Plan *sample(void) {
        Plan *plan = plan_new();

        assert_int_equal(
                plan_add_bind(plan, &maps, "/s", "/a", PLAN_BIND_WRITABLE | PLAN_BIND_OPTIONAL, NULL), 0);
        assert_int_equal(plan_add_bind(plan, &bus, "/s", "/a", PLAN_BIND_OPTIONAL, NULL), 0);
        assert_int_equal(plan_add_bind(plan, &bus, "/", "/a/b", PLAN_BIND_RECURSIVE, NULL), 0);
        assert_int_equal(plan_add_env(plan, &maps, "PATH", "/bin", PLAN_ENV_DEFAULT, NULL, NULL), 0);
        assert_int_equal(plan_add_env(plan, &maps, "X", "", PLAN_ENV_PREPEND, NULL, NULL), 0);
        add_later_kinds(plan);
        for (int i = 0; i < _PLAN_KIND_MAX; i++)
                assert_true(plan_has_kind(plan, (PlanKind) i));
        return plan;
}

static void assert_plan_is(const Plan *plan, const Plan *expected) {
        g_autofree char *text = plan_print_json(plan);
        g_autofree char *expected_text = plan_print_json(expected);

        assert_string_equal(text, expected_text);
}

static void test_round_trip(void **state G_GNUC_UNUSED) {
        g_autoptr(Plan) plan = sample();
        g_autoptr(Plan) got = NULL;
        WireWriter body = WIRE_WRITER_NULL;
        WireReader reader;

        plan_put(&body, plan);
        wire_put_u32(&body, 77); /* what a newer writer appends */
        reader = (WireReader){ .bytes = body.bytes, .size = body.size };
        assert_int_equal(plan_get(&reader, &got, NULL), 0);
        assert_int_equal(wire_get_u32(&reader), 77);
        assert_plan_is(got, plan);
        wire_writer_done(&body);
}

static void test_empty_plan(void **state G_GNUC_UNUSED) {
        g_autoptr(Plan) plan = plan_new();
        WireWriter body = WIRE_WRITER_NULL;

        plan_put(&body, plan);
        assert_prefixes_are_refused(&body, read_plan);
        wire_writer_done(&body);
}

static void test_prefixes_and_flips(void **state G_GNUC_UNUSED) {
        g_autoptr(Plan) plan = sample();
        WireWriter body = WIRE_WRITER_NULL;

        plan_put(&body, plan);
        assert_prefixes_are_refused(&body, read_plan);
        assert_flips_are_survived(&body, read_plan);
        wire_writer_done(&body);
}

static void test_largest_plan(void **state G_GNUC_UNUSED) {
        g_autoptr(Plan) plan = plan_new();
        g_autoptr(Plan) got = NULL;
        WireWriter body = WIRE_WRITER_NULL;
        WireReader reader;

        for (int i = 0; i < PLAN_ITEMS_MAX; i++) {
                g_autofree char *target = g_strdup_printf("/t/%d", i);

                assert_int_equal(plan_add_bind(plan, &maps, "/s", target, 0, NULL), 0);
        }
        plan_put(&body, plan);
        assert_int_equal(body.error, 0);
        reader = (WireReader){ .bytes = body.bytes, .size = body.size };
        assert_int_equal(plan_get(&reader, &got, NULL), 0);
        assert_int_equal(plan_get_size(got), PLAN_ITEMS_MAX);
        wire_writer_done(&body);
}

/* Above WIRE_BODY_MAX the writer says so, and wire_send() with it. */
static void test_too_large_for_a_body(void **state G_GNUC_UNUSED) {
        g_autofree char *value = g_strnfill(ENV_VALUE_MAX, 'v');
        g_autoptr(Plan) plan = plan_new();
        WireWriter body = WIRE_WRITER_NULL;

        for (int i = 0; i <= WIRE_BODY_MAX / ENV_VALUE_MAX; i++) {
                g_autofree char *name = g_strdup_printf("N%d", i);

                assert_int_equal(plan_add_env(plan, &maps, name, value, PLAN_ENV_SET, NULL, NULL), 0);
        }
        plan_put(&body, plan);
        assert_int_equal(body.error, -E2BIG);
        wire_writer_done(&body);
}

/* One item by hand, as a writer that lies would write it. */
typedef struct Item {
        const char *kind, *key;
        guint n_origins; /* written as the count */
        const char *capability;
        const char *source_or_value;
        guint flags;      /* of a bind */
        const char *mode; /* of a variable */
} Item;

static void put_item(WireWriter *body, const Item *item) {
        WireWriter block = WIRE_WRITER_NULL;

        wire_put_string(&block, item->kind);
        wire_put_string(&block, item->key);
        wire_put_u32(&block, item->n_origins);
        if (item->n_origins > 0) {
                wire_put_string(&block, item->capability);
                wire_put_string(&block, "x.json");
                wire_put_u32(&block, 1);
                wire_put_u32(&block, 1);
        }
        wire_put_string(&block, item->source_or_value);
        if (item->mode)
                wire_put_string(&block, item->mode);
        else
                wire_put_u32(&block, item->flags);
        if (g_strcmp0(item->kind, "bind") == 0) {
                wire_put_u8(&block, 0);
                wire_put_u32(&block, 0);
                wire_put_u32(&block, 0);
                wire_put_string(&block, NULL);
        }
        wire_put_string(&block, "a newer field of an item");
        wire_put_bytes(body, block.bytes, block.size);
        wire_writer_done(&block);
}

static const struct {
        const char *name;
        Item item;
        int code; /* ErrorCode, or -1 = is read */
} items[] = {
        { "a bind", { "bind", "/t", 1, "a", "/s", 7, NULL }, -1 },
        { "a variable", { "env", "A", 1, "a", "x", 0, "set" }, -1 },
        { "unknown kind", { "teleport", "/t", 1, "a", "/s", 0, NULL }, ERROR_UNSUPPORTED },
        { "kind that is not there", { NULL, "/t", 1, "a", "/s", 0, NULL }, ERROR_SYSTEM },
        { "no key", { "bind", NULL, 1, "a", "/s", 0, NULL }, ERROR_SYSTEM },
        { "no origin", { "bind", "/t", 0, NULL, "/s", 0, NULL }, ERROR_INVALID_ARGS },
        { "too many origins",
          { "bind", "/t", PLAN_ORIGINS_MAX + 1, "a", "/s", 0, NULL },
          ERROR_INVALID_ARGS },
        { "origin of nobody", { "bind", "/t", 1, NULL, "/s", 0, NULL }, ERROR_INVALID_ARGS },
        { "origin without a name", { "bind", "/t", 1, "", "/s", 0, NULL }, ERROR_INVALID_ARGS },
        { "relative target", { "bind", "t", 1, "a", "/s", 0, NULL }, ERROR_INVALID_ARGS },
        { "target out of the root", { "bind", "/t/../..", 1, "a", "/s", 0, NULL }, ERROR_INVALID_ARGS },
        { "target not normal", { "bind", "//t", 1, "a", "/s", 0, NULL }, ERROR_INVALID_ARGS },
        { "target in /proc", { "bind", "/proc/1", 1, "a", "/s", 0, NULL }, ERROR_INVALID_ARGS },
        { "source not normal", { "bind", "/t", 1, "a", "/s/", 0, NULL }, ERROR_INVALID_ARGS },
        { "no source", { "bind", "/t", 1, "a", NULL, 0, NULL }, ERROR_SYSTEM },
        { "unknown flag", { "bind", "/t", 1, "a", "/s", 1u << 31, NULL }, ERROR_INVALID_ARGS },
        { "variable without a name", { "env", "", 1, "a", "x", 0, "set" }, ERROR_INVALID_ARGS },
        { "name with '='", { "env", "A=", 1, "a", "x", 0, "set" }, ERROR_INVALID_ARGS },
        { "no value", { "env", "A", 1, "a", NULL, 0, "set" }, ERROR_SYSTEM },
        { "unknown mode", { "env", "A", 1, "a", "x", 0, "erase" }, ERROR_UNSUPPORTED },
};

static void test_items(void **state G_GNUC_UNUSED) {
        for (size_t i = 0; i < G_N_ELEMENTS(items); i++) {
                WireWriter body = WIRE_WRITER_NULL;
                g_auto(Error) error = ERROR_NULL;
                int r;

                wire_put_u32(&body, 1);
                put_item(&body, &items[i].item);
                r = body_read(body.bytes, body.size, read_plan, &error);
                if (items[i].code < 0 ? r < 0 : r >= 0 || error.code != (ErrorCode) items[i].code)
                        fail_msg("%s: %d '%s'", items[i].name, r, error.message);
                if (r < 0)
                        assert_true(plan_text_is_clean(error.message));
                wire_writer_done(&body);
        }
}

/* Origins and key by hand, then what the kind has. */
static void put_lie(WireWriter *body, const char *kind, const char *key, const WireWriter *content) {
        WireWriter block = WIRE_WRITER_NULL;

        wire_put_u32(body, 1);
        wire_put_string(&block, kind);
        wire_put_string(&block, key);
        wire_put_u32(&block, 1);
        wire_put_string(&block, "a");
        wire_put_string(&block, NULL);
        wire_put_u32(&block, 0);
        wire_put_u32(&block, 0);
        for (size_t i = 0; i < content->size; i++)
                wire_put_u8(&block, content->bytes[i]);
        wire_put_bytes(body, block.bytes, block.size);
        wire_writer_done(&block);
}

static const struct {
        const char *kind, *key;
        const char
                *content; /* words for strings, #n for u32, ##n for u64, - for NULL, members:a:b for a list */
        const char *message; /* NULL = is read */
} lies[] = {
        { "device", "/dev/a", "#292 #7", NULL },
        { "device", "/dev/a", "#0 #7", "Item 0 of a plan: Device '/dev/a' has no mode" },
        { "device", "/dev/a", "#512 #7",
          "Item 0 of a plan: Mode 01000 of a device, at most 0777 was expected" },
        { "device", "/etc/a", "#292 #7", "Item 0 of a plan: Device '/etc/a' is not below /dev" },
        { "device", "/dev/a", "#292 #32",
          "Item 0 of a plan: Flags 0x20 of a device, at most 0x1f were expected" },
        { "limit", "pids.max", "##5 ##0 ##0 ##0 ##0 ##0 -", NULL },
        { "limit", "pids.max", "##5 ##1 ##0 ##0 ##0 ##0 -",
          "Item 0 of a plan: Value of 'pids.max' is not one that it can have" },
        { "limit", "cpu.shares", "##5 ##0 ##0 ##0 ##0 ##0 -",
          "Item 0 of a plan: Setting 'cpu.shares' is unknown, a limit of cgroup v1 or v2 was expected" },
        { "limit", "cpuset.cpus", "##0 ##0 ##0 ##0 ##0 ##0 0,1",
          "Item 0 of a plan: Value of 'cpuset.cpus' is not one that it can have" },
        { "rule", "out tcp to *", "out tcp * - -", NULL },
        { "rule", "out tcp to a.b", "out tcp * - -",
          "Item 0 of a plan: rule 'out tcp to a.b' has a content of another name" },
        { "rule", "out tcp to * port 1", "out tcp * 2 -",
          "Item 0 of a plan: rule 'out tcp to * port 1' has a content of another name" },
        { "rule", "x", "up tcp * - -", "Item 0 of a plan: Direction 'up' of a rule is unknown" },
        { "rule", "x", "out TCP * - -", "Item 0 of a plan: Protocol 'TCP' of a rule is unknown" },
        { "rule", "x", "out tcp - - -",
          "Item 0 of a plan: Plan ends early or is not well formed: Bad message" },
        { "rule", "x", "out icmp * 80 -",
          "Item 0 of a plan: Rule for icmp has ports, which icmp does not have" },
        { "link", "eth0", "#3", NULL },
        { "link", "eth0", "#4", "Item 0 of a plan: Flags 0x4 of a link, at most 0x3 were expected" },
        { "link", "lo", "#3", "Item 0 of a plan: Link 'lo' is one that every sandbox has of its own" },
        { "bus-rule", "system own a.b", "system own a.b", NULL },
        { "bus-rule", "session own a.b", "system own a.b",
          "Item 0 of a plan: bus-rule 'session own a.b' has a content of another name" },
        { "bus-rule", "x", "user own a.b", "Item 0 of a plan: Bus 'user' is unknown" },
        { "bus-rule", "x", "system see a.b", "Item 0 of a plan: Verb of a bus rule 'see' is unknown" },
        { "bus-rule", "session talk both name * interface * path * member A,B",
          "session talk * both * * members:B:A", NULL },
        { "bus-rule", "x", "session talk * up * * members:A",
          "Item 0 of a plan: Direction of a bus rule 'up' is unknown" },
        { "bus-rule", "x", "session talk * both - * members:A",
          "Item 0 of a plan: Bus rule without an interface, a path or a member, '*' fits every one" },
        { "bus-rule", "x", "session talk *",
          "Item 0 of a plan: Plan ends early or is not well formed: Bad message" },
        { "bus", "session", "", NULL },
        { "bus", "user", "", "Item 0 of a plan: Bus 'user' is unknown" },
        { "socket", "wayland", "#0", NULL },
        { "socket", "wayland", "#1", "Item 0 of a plan: Flags 0x1 of a socket, at most 0 were expected" },
        { "socket", "x11", "#0", "Item 0 of a plan: Server 'x11' of a socket is unknown" },
        { "socket", "pulseaudio", "",
          "Item 0 of a plan: Plan ends early or is not well formed: Bad message" },
};

static void put_words(WireWriter *content, const char *text) {
        g_auto(GStrv) words = g_strsplit(text, " ", -1);

        for (char **word = words; *word && **word; word++) {
                if (g_str_has_prefix(*word, "##"))
                        wire_put_u64(content, g_ascii_strtoull(*word + 2, NULL, 10));
                else if (**word == '#')
                        wire_put_u32(content, (uint32_t) g_ascii_strtoull(*word + 1, NULL, 10));
                else if (g_str_has_prefix(*word, "members:")) {
                        g_auto(GStrv) members = g_strsplit(*word + 8, ":", -1);

                        wire_put_strings(content, members);
                } else
                        wire_put_string(content, strcmp(*word, "-") == 0 ? NULL : *word);
        }
}

static void test_lies(void **state G_GNUC_UNUSED) {
        for (size_t i = 0; i < G_N_ELEMENTS(lies); i++) {
                WireWriter body = WIRE_WRITER_NULL, content = WIRE_WRITER_NULL;
                g_auto(Error) error = ERROR_NULL;

                put_words(&content, lies[i].content);
                put_lie(&body, lies[i].kind, lies[i].key, &content);
                (void) body_read(body.bytes, body.size, read_plan, &error);
                if (g_strcmp0(error.message, lies[i].message) != 0)
                        fail_msg("%s '%s': '%s'", lies[i].kind, lies[i].content, error.message ?: "is read");
                wire_writer_done(&content);
                wire_writer_done(&body);
        }
}

static void test_twice_and_unsorted(void **state G_GNUC_UNUSED) {
        static const Item a = { "bind", "/a", 1, "a", "/s", 0, NULL };
        static const Item b = { "bind", "/b", 1, "a", "/s", 0, NULL };
        WireWriter body = WIRE_WRITER_NULL;
        g_auto(Error) error = ERROR_NULL;

        wire_put_u32(&body, 2);
        put_item(&body, &b);
        put_item(&body, &a);
        assert_body_is_read(&body, read_plan);
        body.size = 0;
        wire_put_u32(&body, 2);
        put_item(&body, &a);
        put_item(&body, &a);
        assert_true(body_read(body.bytes, body.size, read_plan, &error) < 0);
        assert_string_equal(error.message, "Item 1 of a plan: bind '/a' is there twice");
        wire_writer_done(&body);
}

static void test_too_many_items(void **state G_GNUC_UNUSED) {
        WireWriter body = WIRE_WRITER_NULL;
        g_auto(Error) error = ERROR_NULL;

        wire_put_u32(&body, PLAN_ITEMS_MAX + 1);
        assert_true(body_read(body.bytes, body.size, read_plan, &error) < 0);
        assert_int_equal(error.code, ERROR_LIMIT_REACHED);
        wire_writer_done(&body);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_round_trip),
                cmocka_unit_test(test_empty_plan),
                cmocka_unit_test(test_prefixes_and_flips),
                cmocka_unit_test(test_largest_plan),
                cmocka_unit_test(test_too_large_for_a_body),
                cmocka_unit_test(test_items),
                cmocka_unit_test(test_lies),
                cmocka_unit_test(test_twice_and_unsorted),
                cmocka_unit_test(test_too_many_items),
        };

        return cmocka_run_group_tests_name("plan-wire", tests, NULL, NULL);
}
