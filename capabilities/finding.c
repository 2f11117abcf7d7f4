/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "capabilities/finding.h"

#include <string.h>

Finding *finding_new(bool is_error, const char *file, unsigned line, unsigned column, const char *path,
                     const char *text) {
        Finding *finding = g_new0(Finding, 1);

        *finding = (Finding){
                .is_error = is_error,
                .line = line,
                .column = column,
                .file = g_utf8_make_valid(file, -1),
                .path = g_strdup(path),
                .text = g_utf8_make_valid(text, -1),
        };
        return finding;
}

void finding_free(Finding *finding) {
        if (!finding)
                return;
        g_free(finding->file);
        g_free(finding->path);
        g_free(finding->text);
        g_free(finding);
}

GPtrArray *findings_new(void) {
        return g_ptr_array_new_with_free_func((GDestroyNotify) finding_free);
}

static int compare_findings(const void *a, const void *b) {
        const Finding *x = *(const Finding *const *) a, *y = *(const Finding *const *) b;
        int r;

        r = strcmp(x->file, y->file);
        if (r != 0)
                return r;
        if (x->line != y->line)
                return x->line < y->line ? -1 : 1;
        if (x->column != y->column)
                return x->column < y->column ? -1 : 1;
        return strcmp(x->text, y->text);
}

void findings_sort(GPtrArray *findings) {
        g_ptr_array_sort(findings, compare_findings);
}

guint findings_count_errors(const GPtrArray *findings) {
        guint n = 0;

        for (guint i = 0; i < findings->len; i++) {
                const Finding *finding = findings->pdata[i];

                n += finding->is_error;
        }
        return n;
}

char *finding_format(const Finding *finding) {
        GString *text = g_string_new(finding->file);

        if (finding->line > 0)
                g_string_append_printf(text, ":%u", finding->line);
        if (finding->line > 0 && finding->column > 0)
                g_string_append_printf(text, ":%u", finding->column);
        g_string_append_printf(text, ": %s%s%s", finding->path, *finding->path ? ": " : "", finding->text);
        return g_string_free(text, FALSE);
}
