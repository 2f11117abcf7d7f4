/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the tests of gateways share: rows in, findings or the printed plan out
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateways/gateway.h"
#include "tests/unit/findings.h"

typedef struct RowCase {
        const char *name;
        const char *text;     /* one row, ' for " */
        const char *expected; /* findings, or the plan as text */
} RowCase;

static inline void assert_text(const char *name, const char *found, const char *expected) {
        if (strcmp(found, expected) != 0)
                fail_msg("%s:\nfound\n%sexpected\n%s", name, found, expected);
}

/* Negative if the row is refused, its findings in *ret_findings; *ret is NULL then. */
static inline int parse_row(const char *id, const char *text, char **ret_findings, GatewayConfig **ret) {
        g_autofree char *quoted = quote_json(text);
        g_autoptr(JsonDocument) document = json_document_new("test.json", quoted, strlen(quoted));
        g_autoptr(PlanOrigin) origin = plan_origin_new("com.acme.test", "test.json", 1, 1);
        JsonCursor row;
        int r;

        assert_true(json_document_get_root(document, &row));
        r = gateway_config_parse(gateway_find(id), &row, origin, ret);
        *ret_findings = format_findings(json_document_get_findings(document));
        assert_true((r < 0) == json_document_has_errors(document));
        return r;
}

static inline void assert_rows_refused(const char *id, const RowCase *cases, size_t n_cases) {
        for (size_t i = 0; i < n_cases; i++) {
                g_autoptr(GatewayConfig) config = NULL;
                g_autofree char *findings = NULL;

                if (parse_row(id, cases[i].text, &findings, &config) >= 0)
                        fail_msg("%s: not refused", cases[i].name);
                assert_null(config);
                assert_text(cases[i].name, findings, cases[i].expected);
        }
}

static inline void assert_rows_planned(const char *id, const RowCase *cases, size_t n_cases) {
        for (size_t i = 0; i < n_cases; i++) {
                g_autofree char *findings = NULL, *text = NULL;
                g_autoptr(GatewayConfig) config = NULL;
                g_autoptr(Plan) plan = plan_new();
                g_auto(Error) error = ERROR_NULL;

                (void) parse_row(id, cases[i].text, &findings, &config);
                assert_text(cases[i].name, findings, "");
                assert_int_equal(config->ops->plan(config, plan, &error), 0);
                text = plan_print_text(plan);
                assert_text(cases[i].name, text, cases[i].expected);
        }
}
