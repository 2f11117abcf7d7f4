/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* cmocka.h needs those before it */
#include <cmocka.h>

#include "plan/plan-private.h"
#include "plan/plan.h"

static PlanOrigin maps = { .capability = (char *) "com.acme.maps", .file = (char *) "maps.json", .line = 12 };
static PlanOrigin radio = {
        .capability = (char *) "com.acme.radio", .file = (char *) "radio.json", .line = 7, .column = 3
};
static PlanOrigin bus = { .capability = (char *) "BindMount" };

static const struct {
        const char *name, *text, *escaped;
} escapes[] = {
        { "plain", "/usr/lib", "/usr/lib" },
        { "empty", "", "" },
        { "UTF-8", "h\xc3\xa9 \xe2\x82\xac", "h\xc3\xa9 \xe2\x82\xac" },
        { "newline and tab", "a\nb\tc", "a\\x0ab\\x09c" },
        { "escape sequence", "\033[2J", "\\x1b[2J" },
        { "delete", "\177", "\\x7f" },
        { "C1 control in UTF-8", "\xc2\x9b", "\\xc2\\x9b" },
        { "right-to-left override", "\xe2\x80\xae", "\\xe2\\x80\\xae" },
        { "line separator", "\xe2\x80\xa8", "\\xe2\\x80\\xa8" },
        { "invalid byte",
          "a\xff"
          "b",
          "a\\xffb" },
        { "cut short", "\xe2\x82", "\\xe2\\x82" },
        { "overlong slash", "\xc0\xaf", "\\xc0\\xaf" },
        { "surrogate", "\xed\xa0\x80", "\\xed\\xa0\\x80" },
        { "backslash", "\\x1b", "\\\\x1b" },
};

static void test_escape(void **state G_GNUC_UNUSED) {
        for (size_t i = 0; i < G_N_ELEMENTS(escapes); i++) {
                g_autofree char *escaped = plan_text_escape(escapes[i].text);
                bool same = strcmp(escapes[i].text, escaped) == 0;

                if (strcmp(escaped, escapes[i].escaped) != 0)
                        fail_msg("%s: '%s'", escapes[i].name, escaped);
                assert_true(g_utf8_validate(escaped, -1, NULL));
                /* a backslash is doubled so that escapes are told from text, but is clean by itself */
                assert_int_equal(plan_text_is_clean(escapes[i].text), same || strchr(escapes[i].text, '\\'));
        }
}

static void test_excerpt(void **state G_GNUC_UNUSED) {
        g_autofree char *eighty = g_strnfill(80, 'a');
        g_autofree char *more = g_strdup_printf("%s\xc3\xa9", eighty);
        g_autofree char *short_text = plan_text_excerpt(eighty);
        g_autofree char *long_text = plan_text_excerpt(more);
        g_autofree char *wide = plan_text_excerpt("\xc3\xa9\n");

        assert_string_equal(short_text, eighty);
        assert_true(g_str_has_suffix(long_text, "aaa..."));
        assert_int_equal(strlen(long_text), 83);
        assert_string_equal(wide, "\xc3\xa9\\x0a");
}

static Plan *sample(void) {
        Plan *plan = plan_new();

        assert_int_equal(plan_add_bind(plan, &maps, "/srv/maps", "/maps", 0, NULL), 0);
        assert_int_equal(plan_add_bind(plan, &radio, "/srv/maps", "/maps", 0, NULL), 0);
        assert_int_equal(plan_add_bind(plan, &bus, "/srv/r", "/data/radio",
                                       PLAN_BIND_WRITABLE | PLAN_BIND_OPTIONAL | PLAN_BIND_RECURSIVE, NULL),
                         0);
        assert_int_equal(plan_add_env(plan, &radio, "H\033", "\"\xff\"\n", PLAN_ENV_APPEND, ":", NULL), 0);
        return plan;
}

static void test_text(void **state G_GNUC_UNUSED) {
        g_autoptr(Plan) plan = sample();
        g_autofree char *text = plan_print_text(plan);

        assert_string_equal(
                text,
                "bind  /data/radio  <- /srv/r     writable,optional,recursive  BindMount\n"
                "bind  /maps        <- /srv/maps  read-only                    com.acme.maps (maps.json:12), "
                "com.acme.radio (radio.json:7)\n"
                "env   H\\x1b        = \"\\xff\"\\x0a  append                       com.acme.radio "
                "(radio.json:7)\n");
}

static void test_long_cell_keeps_columns(void **state G_GNUC_UNUSED) {
        g_autofree char *value = g_strnfill(100, 'v');
        g_autofree char *text = NULL;
        g_auto(GStrv) lines = NULL;
        g_autoptr(Plan) plan = plan_new();

        assert_int_equal(plan_add_env(plan, &bus, "A", value, PLAN_ENV_SET, NULL, NULL), 0);
        assert_int_equal(plan_add_env(plan, &bus, "B", "b", PLAN_ENV_SET, NULL, NULL), 0);
        text = plan_print_text(plan);
        lines = g_strsplit(text, "\n", -1);
        assert_string_equal(lines[1], "env  B  = b  set  BindMount");
        assert_non_null(strstr(lines[0], value));
        assert_true(g_str_has_suffix(lines[0], "v  set  BindMount"));
}

static void test_empty(void **state G_GNUC_UNUSED) {
        g_autoptr(Plan) plan = plan_new();
        g_autofree char *text = plan_print_text(plan);
        g_autofree char *json = plan_print_json(plan);

        assert_string_equal(text, "");
        assert_string_equal(json, "[]");
}

static void test_json(void **state G_GNUC_UNUSED) {
        g_autoptr(Plan) plan = sample();
        g_autofree char *json = plan_print_json(plan);
        char *compact;
        json_error_t place;
        json_t *root = json_loads(json, JSON_REJECT_DUPLICATES, &place);

        assert_non_null(root);
        compact = json_dumps(root, JSON_COMPACT | JSON_PRESERVE_ORDER);
        assert_string_equal(
                compact,
                "[{\"kind\":\"bind\",\"key\":\"/data/radio\",\"source\":\"/srv/r\",\"writable\":true,"
                "\"optional\":true,\"recursive\":true,\"origins\":[{\"capability\":\"BindMount\","
                "\"file\":null,"
                "\"line\":0,\"column\":0}]},"
                "{\"kind\":\"bind\",\"key\":\"/maps\",\"source\":\"/srv/maps\","
                "\"writable\":false,\"optional\":false,\"recursive\":false,"
                "\"origins\":[{\"capability\":\"com.acme.maps\","
                "\"file\":\"maps.json\",\"line\":12,\"column\":0},{\"capability\":\"com.acme.radio\","
                "\"file\":\"radio.json\",\"line\":7,\"column\":3}]},"
                "{\"kind\":\"env\",\"key\":\"H\\u001B\",\"value\":\"\\\"\xef\xbf\xbd\\\"\\n\","
                "\"mode\":\"append\",\"origins\":[{\"capability\":\"com.acme.radio\","
                "\"file\":\"radio.json\",\"line\":7,"
                "\"column\":3}]}]");
        free(compact);
        json_decref(root);
}

static void test_same_content_same_text(void **state G_GNUC_UNUSED) {
        g_autoptr(Plan) one = plan_new();
        g_autoptr(Plan) two = plan_new();
        g_autofree char *first = NULL;
        g_autofree char *second = NULL;

        assert_int_equal(plan_add_bind(one, &maps, "/s", "/a", 0, NULL), 0);
        assert_int_equal(plan_add_env(one, &maps, "A", "a", PLAN_ENV_SET, NULL, NULL), 0);
        assert_int_equal(plan_add_bind(one, &maps, "/s", "/b", 0, NULL), 0);
        assert_int_equal(plan_add_bind(two, &maps, "/s", "/b", 0, NULL), 0);
        assert_int_equal(plan_add_bind(two, &maps, "/s", "/a", 0, NULL), 0);
        assert_int_equal(plan_add_env(two, &maps, "A", "a", PLAN_ENV_SET, NULL, NULL), 0);
        first = plan_print_json(one);
        second = plan_print_json(two);
        assert_string_equal(first, second);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_escape),
                cmocka_unit_test(test_excerpt),
                cmocka_unit_test(test_text),
                cmocka_unit_test(test_long_cell_keeps_columns),
                cmocka_unit_test(test_empty),
                cmocka_unit_test(test_json),
                cmocka_unit_test(test_same_content_same_text),
        };

        return cmocka_run_group_tests_name("plan-print", tests, NULL, NULL);
}
