/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Finding: one thing that is wrong in a manifest, a template or bulkhead.conf, and where
 */
#include <glib.h>
#include <stdbool.h>

typedef struct Finding {
        bool is_error;         /* else a warning */
        char *file;            /* owned */
        unsigned line, column; /* 1-based; 0 = unknown, or the whole file */
        char *path;            /* owned; JSON Pointer, "" if it makes no sense */
        char *text;            /* owned; what is wrong and what was expected */
        const char *gateway;   /* static; whose row it is about, or NULL */
} Finding;

/* Copies its strings; what is not UTF-8 in them becomes U+FFFD. */
Finding *finding_new(bool is_error, const char *file, unsigned line, unsigned column, const char *path,
                     const char *text);
void finding_free(Finding *finding);
GPtrArray *findings_new(void); /* of Finding, owned */

/* By file, line, column, text; for findings_new()'s arrays. */
void findings_sort(GPtrArray *findings);
guint findings_count_errors(const GPtrArray *findings);

/* "file:line:column: path: text", as much of the place as is known. Caller frees. */
char *finding_format(const Finding *finding);
