/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the tests of JSON, gateways and manifests share: texts that are easy to read, findings as one string
 */
#include <glib.h>
#include <string.h>

#include "util/json.h"

/* @text with every ' as ", so that JSON in a table needs no backslashes. Caller frees. */
static inline char *quote_json(const char *text) {
        char *quoted = g_strdup(text);

        for (char *p = quoted; *p; p++)
                if (*p == '\'')
                        *p = '"';
        return quoted;
}

/* "line:column error|warning path: message\n" for each. Caller frees. */
static inline char *format_findings(const GPtrArray *findings) {
        GString *text = g_string_new(NULL);

        for (guint i = 0; i < findings->len; i++) {
                const JsonFinding *finding = g_ptr_array_index(findings, i);

                g_string_append_printf(text, "%u:%u %s %s: %s\n", finding->line, finding->column,
                                       finding->severity == JSON_FINDING_ERROR ? "error" : "warning",
                                       finding->path, finding->message);
        }
        return g_string_free(text, FALSE);
}
