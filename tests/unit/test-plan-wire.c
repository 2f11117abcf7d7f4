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

static Plan *sample(void) {
        Plan *plan = plan_new();

        assert_int_equal(
                plan_add_bind(plan, &maps, "/s", "/a", PLAN_BIND_WRITABLE | PLAN_BIND_OPTIONAL, NULL), 0);
        assert_int_equal(plan_add_bind(plan, &bus, "/s", "/a", PLAN_BIND_OPTIONAL, NULL), 0);
        assert_int_equal(plan_add_bind(plan, &bus, "/", "/a/b", PLAN_BIND_RECURSIVE, NULL), 0);
        assert_int_equal(plan_add_env(plan, &maps, "PATH", "/bin", PLAN_ENV_DEFAULT, NULL, NULL), 0);
        assert_int_equal(plan_add_env(plan, &maps, "X", "", PLAN_ENV_PREPEND, NULL, NULL), 0);
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
                cmocka_unit_test(test_round_trip),           cmocka_unit_test(test_empty_plan),
                cmocka_unit_test(test_prefixes_and_flips),   cmocka_unit_test(test_largest_plan),
                cmocka_unit_test(test_too_large_for_a_body), cmocka_unit_test(test_items),
                cmocka_unit_test(test_twice_and_unsorted),   cmocka_unit_test(test_too_many_items),
        };

        return cmocka_run_group_tests_name("plan-wire", tests, NULL, NULL);
}
