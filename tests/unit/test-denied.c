/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "plan/denied.h"
#include "tests/unit/bodies.h"
#include "util/limits.h"

#define SECOND_USEC (1000 * 1000ULL)

/* ---- on the wire ---- */

static int read_denied(WireReader *reader, Error *error) {
        g_auto(ShimDenied) denied = { 0 };
        int r = shim_denied_get(reader, &denied);

        return r < 0 ? error_set_errnof(error, -r, "No refusal") : 0;
}

static void test_round_trip(void **state G_GNUC_UNUSED) {
        static const ShimDenied denied = { .gateway = (char *) "dbus",
                                           .target = (char *) "org.example.Service",
                                           .detail = (char *) "No rule",
                                           .count = 7,
                                           .protocol = (char *) "tcp",
                                           .port = 65535,
                                           .interface = (char *) "org.example.Face",
                                           .member = (char *) "Call",
                                           .path = (char *) "/org/example" };
        g_auto(ShimDenied) got = { 0 };
        WireWriter body = WIRE_WRITER_NULL;
        WireReader reader;

        shim_denied_put(&body, &denied);
        reader = (WireReader){ .bytes = body.bytes, .size = body.size };
        assert_int_equal(shim_denied_get(&reader, &got), 0);
        assert_string_equal(got.gateway, "dbus");
        assert_string_equal(got.target, "org.example.Service");
        assert_string_equal(got.detail, "No rule");
        assert_int_equal(got.count, 7);
        assert_string_equal(got.protocol, "tcp");
        assert_int_equal(got.port, 65535);
        assert_string_equal(got.interface, "org.example.Face");
        assert_string_equal(got.member, "Call");
        assert_string_equal(got.path, "/org/example");
        assert_prefixes_are_refused(&body, read_denied);
        assert_flips_are_survived(&body, read_denied);
        wire_writer_done(&body);
}

static const struct {
        const char *name;
        ShimDenied denied;
        const char *target; /* as it comes out; NULL = it is refused */
} bodies[] = {
        { "the least", { .gateway = (char *) "network", .count = 1 }, "" },
        { "no gateway", { .target = (char *) "a", .count = 1 }, NULL },
        { "an empty gateway", { .gateway = (char *) "", .count = 1 }, NULL },
        { "nothing counted", { .gateway = (char *) "network" }, NULL },
        { "an escape sequence", { .gateway = (char *) "dbus", .target = (char *) "\x1b[2J", .count = 1 }, "\\x1b[2J" },
        { "no UTF-8", { .gateway = (char *) "dbus", .target = (char *) "a\xff", .count = 1 }, "a\\xff" },
        { "clean text with a backslash", { .gateway = (char *) "dbus", .target = (char *) "\\x1b", .count = 1 },
          "\\x1b" },
};

static void test_bodies(void **state G_GNUC_UNUSED) {
        for (size_t i = 0; i < G_N_ELEMENTS(bodies); i++) {
                g_auto(ShimDenied) got = { 0 };
                WireWriter body = WIRE_WRITER_NULL;
                WireReader reader;
                int r;

                shim_denied_put(&body, &bodies[i].denied);
                reader = (WireReader){ .bytes = body.bytes, .size = body.size };
                r = shim_denied_get(&reader, &got);
                if (r != (bodies[i].target ? 0 : -EBADMSG))
                        fail_msg("%s: %d", bodies[i].name, r);
                if (r == 0)
                        assert_string_equal(got.target, bodies[i].target);
                wire_writer_done(&body);
        }
}

/* Whatever its bytes are, and wherever it is cut, a text comes out as UTF-8 that fits. */
static void test_long_texts(void **state G_GNUC_UNUSED) {
        static const char *const units[] = { "a", "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\xff", "\n", "\\" };

        for (size_t i = 0; i < G_N_ELEMENTS(units); i++)
                for (size_t shift = 0; shift < 5; shift++) {
                        g_autoptr(GString) text = g_string_new_len("xxxx", (gssize) shift);
                        g_auto(ShimDenied) got = { 0 };

                        while (text->len < 70000)
                                g_string_append(text, units[i]);
                        got = shim_denied_copy(&(ShimDenied){ .gateway = text->str, .path = text->str });
                        assert_true(g_utf8_validate(got.gateway, -1, NULL));
                        assert_in_range(strlen(got.gateway), DENIED_TEXT_MAX - 3, DENIED_TEXT_MAX);
                        assert_string_equal(got.path, got.gateway);
                }
}

static const struct {
        const char *name;
        int (*get)(WireReader *reader, char ***ret);
        const char *texts[3];
        int r;
} lists[] = {
        { "no names", shim_pending_get, {}, 0 },
        { "names", shim_pending_get, { "tiles.example", "a b" }, 0 },
        { "an empty name", shim_pending_get, { "a", "" }, -EBADMSG },
        { "a name with a newline", shim_pending_get, { "a\nb" }, -EBADMSG },
        { "addresses", shim_addresses_get, { "10.197.0.2", "fd6b:756c:6b68::2" }, 0 },
        { "a name for an address", shim_addresses_get, { "localhost" }, -EBADMSG },
        { "an address with a prefix", shim_addresses_get, { "10.0.0.1/16" }, -EBADMSG },
};

static void test_lists(void **state G_GNUC_UNUSED) {
        for (size_t i = 0; i < G_N_ELEMENTS(lists); i++) {
                g_auto(GStrv) got = NULL;
                WireWriter body = WIRE_WRITER_NULL;
                WireReader reader;
                int r;

                wire_put_strings(&body, (char *const *) (uintptr_t) lists[i].texts);
                reader = (WireReader){ .bytes = body.bytes, .size = body.size };
                r = lists[i].get(&reader, &got);
                if (r != lists[i].r)
                        fail_msg("%s: %d", lists[i].name, r);
                if (r == 0)
                        assert_true(g_strv_equal((const char *const *) got, lists[i].texts));
                wire_writer_done(&body);
        }
}

static void test_list_ends(void **state G_GNUC_UNUSED) {
        static const struct {
                int (*get)(WireReader *reader, char ***ret);
                size_t max;
        } kinds[] = { { shim_pending_get, PENDING_MAX }, { shim_addresses_get, ADDRESSES_MAX } };

        for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++)
                for (size_t more = 0; more < 2; more++) {
                        g_autoptr(GPtrArray) texts = g_ptr_array_new();
                        g_auto(GStrv) got = NULL;
                        WireWriter body = WIRE_WRITER_NULL;
                        WireReader reader;

                        for (size_t n = 0; n < kinds[i].max + more; n++)
                                g_ptr_array_add(texts, (char *) "::1");
                        g_ptr_array_add(texts, NULL);
                        wire_put_strings(&body, (char *const *) texts->pdata);
                        reader = (WireReader){ .bytes = body.bytes, .size = body.size };
                        assert_int_equal(kinds[i].get(&reader, &got), more ? -EBADMSG : 0);
                        wire_writer_done(&body);
                }
}

/* ---- what is held back ---- */

/* Attempts on @n different targets, at one time. */
static void add_targets(DeniedLimit *limit, unsigned n, guint64 now) {
        for (unsigned i = 0; i < n; i++) {
                g_autofree char *target = g_strdup_printf("host-%u", i);

                denied_limit_add(limit, &(ShimDenied){ .gateway = (char *) "network", .target = target, .count = 1 },
                                 now);
        }
}

/* How many tellings there are at @now, and the attempts that they count. */
static unsigned take_all(DeniedLimit *limit, guint64 now, unsigned *ret_counted) {
        g_auto(ShimDenied) denied = { 0 };
        unsigned n = 0;

        for (; denied_limit_take(limit, now, &denied); n++) {
                *ret_counted += denied.count;
                shim_denied_done(&denied);
        }
        return n;
}

static void test_first_is_told_at_once(void **state G_GNUC_UNUSED) {
        g_autoptr(DeniedLimit) limit = denied_limit_new();
        g_auto(ShimDenied) denied = { 0 };

        assert_true(denied_limit_get_due(limit) == G_MAXUINT64);
        assert_false(denied_limit_take(limit, 5, &denied));
        add_targets(limit, 1, 5);
        assert_true(denied_limit_take(limit, 5, &denied));
        assert_int_equal(denied.count, 1);
        assert_string_equal(denied.target, "host-0");
        assert_true(denied_limit_get_due(limit) == G_MAXUINT64);
}

/* The same a thousand times in half a second: told once, and when its time has come the rest in one. */
static void test_same_is_counted(void **state G_GNUC_UNUSED) {
        g_autoptr(DeniedLimit) limit = denied_limit_new();
        unsigned told = 0, counted = 0;

        for (guint64 i = 0; i < 1000; i++) {
                add_targets(limit, 1, SECOND_USEC + i * 500);
                told += take_all(limit, SECOND_USEC + i * 500, &counted);
        }
        assert_int_equal(told, 1);
        assert_int_equal(counted, 1);
        assert_true(denied_limit_get_due(limit) == SECOND_USEC + DENIED_KIND_INTERVAL_USEC);
        assert_int_equal(take_all(limit, denied_limit_get_due(limit) - 1, &counted), 0);
        assert_int_equal(take_all(limit, denied_limit_get_due(limit), &counted), 1);
        assert_int_equal(counted, 1000);
}

/* A port scan: 60 s of 1000 different targets each millisecond. Nothing is forgotten, little is told. */
static void test_flood(void **state G_GNUC_UNUSED) {
        g_autoptr(DeniedLimit) limit = denied_limit_new();
        unsigned told = 0, counted = 0, added = 0;
        guint64 now = 0;

        for (; now < 60 * SECOND_USEC; now += 200 * 1000) {
                add_targets(limit, 1000, now);
                added += 1000;
                told += take_all(limit, now, &counted);
        }
        assert_in_range(told, 60 * DENIED_PER_SECOND, DENIED_BURST + 60 * DENIED_PER_SECOND);
        while (denied_limit_get_due(limit) != G_MAXUINT64) {
                guint64 due = denied_limit_get_due(limit);

                assert_true(due >= now - 60 * SECOND_USEC);
                now = MAX(now, due);
                told += take_all(limit, now, &counted);
        }
        assert_int_equal(counted, added);
        print_message("%u attempts, told in %u\n", added, told);
}

/* Who has tried too much at once is not silenced for ever, and what differs in any part is its own kind. */
static void test_kinds(void **state G_GNUC_UNUSED) {
        static const ShimDenied kinds[] = {
                { .gateway = (char *) "dbus", .target = (char *) "a", .count = 1 },
                { .gateway = (char *) "network", .target = (char *) "a", .count = 1 },
                { .gateway = (char *) "dbus", .target = (char *) "a", .detail = (char *) "d", .count = 1 },
                { .gateway = (char *) "dbus", .target = (char *) "a", .protocol = (char *) "tcp", .count = 1 },
                { .gateway = (char *) "dbus", .target = (char *) "a", .port = 1, .count = 1 },
                { .gateway = (char *) "dbus", .target = (char *) "a", .interface = (char *) "i", .count = 1 },
                { .gateway = (char *) "dbus", .target = (char *) "a", .member = (char *) "m", .count = 1 },
                { .gateway = (char *) "dbus", .target = (char *) "a", .path = (char *) "/", .count = 1 },
        };
        g_autoptr(DeniedLimit) limit = denied_limit_new();
        unsigned counted = 0;

        for (int round = 0; round < 2; round++)
                for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++)
                        denied_limit_add(limit, kinds + i, SECOND_USEC);
        assert_int_equal(take_all(limit, SECOND_USEC, &counted), G_N_ELEMENTS(kinds));
        assert_int_equal(counted, 2 * G_N_ELEMENTS(kinds));
}

static void test_count_does_not_wrap(void **state G_GNUC_UNUSED) {
        static const ShimDenied many = { .gateway = (char *) "dbus", .count = UINT32_MAX - 1 };
        g_autoptr(DeniedLimit) limit = denied_limit_new();
        g_auto(ShimDenied) denied = { 0 };

        for (int i = 0; i < 3; i++)
                denied_limit_add(limit, &many, 1);
        assert_true(denied_limit_take(limit, 1, &denied));
        assert_int_equal(denied.count, UINT32_MAX);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_round_trip),          cmocka_unit_test(test_bodies),
                cmocka_unit_test(test_long_texts),          cmocka_unit_test(test_lists),
                cmocka_unit_test(test_list_ends),           cmocka_unit_test(test_first_is_told_at_once),
                cmocka_unit_test(test_same_is_counted),     cmocka_unit_test(test_flood),
                cmocka_unit_test(test_kinds),               cmocka_unit_test(test_count_does_not_wrap),
        };

        return cmocka_run_group_tests_name("denied", tests, NULL, NULL);
}
