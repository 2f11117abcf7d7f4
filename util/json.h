/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Strict JSON with the place of every finding
 *
 * A document is loaded once and read with cursors. A cursor knows its value and the JSON Pointer (RFC 6901) to
 * it; jansson keeps no positions, so line and column are found by scanning the text for that pointer, only when
 * something has to be reported. All findings of a document are kept, in the order of the text, not just the
 * first: errors and warnings. Refused when loading: more than MANIFEST_SIZE_MAX bytes, depth above
 * JSON_DEPTH_MAX, a duplicate key, a NUL (raw or \u0000), text that is not UTF-8, anything behind the value.
 */
#include <glib.h>
#include <jansson.h>
#include <stdbool.h>

#include "util/error.h"

typedef enum JsonSeverity {
        JSON_WARNING,
        JSON_FINDING_ERROR,
} JsonSeverity;

typedef struct JsonFinding {
        JsonSeverity severity;
        unsigned line, column;
        char *path;    /* owned; JSON Pointer, "" = the whole document */
        char *message; /* owned; what is wrong and what was expected */
} JsonFinding;

typedef struct JsonDocument JsonDocument;

typedef struct JsonCursor {
        JsonDocument *document; /* not owned */
        const json_t *value;    /* not owned; NULL for a member that is not there */
        char *path;             /* owned */
} JsonCursor;

/* @text need not end in NUL and is copied; @file is for messages. Never fails: what is wrong is a finding, and
 * then the document has no root. */
JsonDocument *json_document_new(const char *file, const char *text, size_t size);
void json_document_free(JsonDocument *document);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(JsonDocument, json_document_free)

const char *json_document_get_file(const JsonDocument *document);
bool json_document_has_errors(const JsonDocument *document);
const GPtrArray *json_document_get_findings(const JsonDocument *document); /* of JsonFinding */
/* The first finding that is an error as an Error (ERROR_INVALID_MANIFEST with its place); returns its negative
 * errno, 0 if there is none. */
int json_document_get_error(const JsonDocument *document, Error *error);

/* False if the document has no root. */
bool json_document_get_root(JsonDocument *document, JsonCursor *ret);
void json_cursor_done(JsonCursor *cursor);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(JsonCursor, json_cursor_done)

/* Line and column (1-based) where the value of @path starts, or for a key's own path with @key true, where the
 * key stands. 0, 0 if there is no such value. */
void json_document_locate(const JsonDocument *document, const char *path, bool key, unsigned *ret_line,
                          unsigned *ret_column);

/* Findings at a cursor. Both return -EBADMSG so that `return json_error(...)` works. */
int json_error(JsonCursor *at, const char *format, ...) G_GNUC_PRINTF(2, 3);
int json_error_at_key(JsonCursor *object, const char *key, const char *format, ...) G_GNUC_PRINTF(3, 4);
void json_warning(JsonCursor *at, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* Steps down. Each fills @ret, which the caller clears with json_cursor_done(). */
bool json_cursor_get_member(JsonCursor *object, const char *key, JsonCursor *ret); /* false: not there */
bool json_cursor_get_element(JsonCursor *array, size_t i, JsonCursor *ret);        /* false: past the end */
size_t json_cursor_get_size(const JsonCursor *at); /* of an array or object; 0 for others */

/* Each checks the type of the value at @at, adds a finding that says what was expected, and then gives it.
 * Return 0, or -EBADMSG after a finding. Strings are valid as long as the document. */
int json_read_string(JsonCursor *at, const char **ret);   /* refuses control characters */
int json_read_bool(JsonCursor *at, bool *ret);
int json_read_integer(JsonCursor *at, gint64 min, gint64 max, gint64 *ret);
int json_expect_array(JsonCursor *at, size_t max);
int json_expect_object(JsonCursor *at);

/* A table of the members of an object: the schema's documentation. */
typedef enum JsonFieldFlags {
        JSON_FIELD_REQUIRED = 1 << 0,
} JsonFieldFlags;

typedef struct JsonField {
        const char *name;
        int (*read)(JsonCursor *at, void *userdata); /* negative after it has added a finding */
        JsonFieldFlags flags;
} JsonField;

/* How an object treats keys that are not in its table. */
typedef enum JsonUnknown {
        JSON_UNKNOWN_ERROR,
        JSON_UNKNOWN_WARNING,
} JsonUnknown;

/* Reads every member by its row (@fields ends with a row without name); reads on after a bad one, so that all
 * findings are told. A near miss of an unknown key gets a suggestion. Negative if any row failed, a required
 * one is missing, or an unknown key is an error. */
int json_read_object(JsonCursor *at, const JsonField *fields, JsonUnknown unknown, void *userdata);

/* The word of @words (NULL-terminated) nearest to @word, or NULL if none is near. For suggestions. */
const char *json_nearest(const char *word, const char *const *words);
