/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the tests of the kinds of items share: two who ask, and what a plan says
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "plan/plan-private.h"
#include "plan/plan.h"
#include "util/limits.h"

G_GNUC_UNUSED static PlanOrigin maps = { .capability = (char *) "com.acme.maps",
                                         .file = (char *) "maps.json",
                                         .line = 12 };
G_GNUC_UNUSED static PlanOrigin radio = { .capability = (char *) "com.acme.radio",
                                          .file = (char *) "radio.json",
                                          .line = 7 };

/* The only item of the plan, on the wire and back. */
static inline void assert_item_comes_back(const Plan *plan) {
        g_autoptr(Plan) again = NULL;
        g_autofree char *json = plan_print_json(plan), *json_again = NULL;
        WireWriter body = WIRE_WRITER_NULL;
        WireReader reader;

        plan_put(&body, plan);
        reader = (WireReader){ .bytes = body.bytes, .size = body.size };
        assert_int_equal(plan_get(&reader, &again, NULL), 0);
        json_again = plan_print_json(again);
        assert_string_equal(json_again, json);
        for (guint i = 0; i < plan_get_size(plan); i++)
                assert_true(plan_item_is_equal(plan_get_item(plan, i), plan_get_item(again, i)));
        wire_writer_done(&body);
}

/* One item per line: "key | value | mode | how many asked". */
static inline void assert_plan_says(const char *name, const Plan *plan, const char *expected) {
        g_autoptr(GString) text = g_string_new(NULL);

        for (guint i = 0; i < plan_get_size(plan); i++) {
                const PlanItem *item = plan_get_item(plan, i);
                PlanCells cells = { 0 };

                plan_item_ops(item)->print_text(item, &cells);
                g_string_append_printf(text, "%s%s | %s | %s | %u", i > 0 ? "\n" : "", item->key, cells.value,
                                       cells.mode, item->origins->len);
                g_free(cells.value);
                g_free(cells.mode);
        }
        if (strcmp(text->str, expected) != 0)
                fail_msg("%s:\nfound\n%s\nexpected\n%s", name, text->str, expected);
        assert_item_comes_back(plan);
}

static inline void assert_refused(const char *name, int r, const Error *error, const char *message) {
        if (r >= 0)
                fail_msg("%s: not refused", name);
        if (strcmp(error->message, message) != 0)
                fail_msg("%s:\nfound\n%s\nexpected\n%s", name, error->message, message);
        assert_true(plan_text_is_clean(error->message));
}
