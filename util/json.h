/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Strict JSON with the place of every finding
 *
 * A document is loaded once and read with cursors. jansson keeps no positions, so the text is scanned once
 * after loading: every value then knows where it and its key stand, and what JSON Pointer (RFC 6901) leads to
 * it. All findings of a document are kept, in the order of the text, not just the first: errors and warnings.
 * Refused when loading: more than MANIFEST_SIZE_MAX bytes, depth above JSON_DEPTH_MAX, a key above
 * JSON_KEY_MAX, a duplicate key, a NUL (raw or \u0000), text that is not UTF-8, anything behind the value.
 * Lines and columns are 1-based; a column counts characters (code points), as editors do.
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
        const char *subject; /* not owned; as of json_document_set_subject(), or NULL */
} JsonFinding;

typedef struct JsonDocument JsonDocument;
typedef struct JsonNode JsonNode;

/* A value and the document it stands in. Nothing to free; valid as long as the document. */
typedef struct JsonCursor {
        JsonDocument *document; /* not owned */
        const JsonNode *node;   /* not owned */
} JsonCursor;

/* @text need not end in NUL and is copied; @file is for messages. Never fails: what is wrong is a finding,
 * and then the document has no root. */
JsonDocument *json_document_new(const char *file, const char *text, size_t size);
void json_document_free(JsonDocument *document);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(JsonDocument, json_document_free)

const char *json_document_get_file(const JsonDocument *document);
bool json_document_has_errors(const JsonDocument *document);
/* Findings that are added from now on are about @subject, which is static; NULL = about nothing in particular. */
void json_document_set_subject(JsonDocument *document, const char *subject);
const GPtrArray *json_document_get_findings(const JsonDocument *document); /* of JsonFinding */
/* The first finding that is an error as an Error (ERROR_INVALID_MANIFEST with its place); returns its
 * negative errno, 0 if there is none. */
int json_document_get_error(const JsonDocument *document, Error *error);

/* False if the document has no root. */
bool json_document_get_root(JsonDocument *document, JsonCursor *ret);

/* Where the value starts, and the JSON Pointer to it (caller frees). */
void json_cursor_get_place(const JsonCursor *at, unsigned *ret_line, unsigned *ret_column);
char *json_cursor_get_path(const JsonCursor *at);

/* Findings at a value. Control characters in the text are escaped; above JSON_FINDINGS_MAX findings are
 * counted but not kept. Errors return -EBADMSG so that `return json_error(...)` works. */
int json_error(const JsonCursor *at, const char *format, ...) G_GNUC_PRINTF(2, 3);
void json_warning(const JsonCursor *at, const char *format, ...) G_GNUC_PRINTF(2, 3);
/* "Unknown <what> '<word>'; did you mean '<nearest of near>', expected one of: <expected>". Both lists end
 * with NULL; a word can be near that is not expected here. */
int json_error_choice(const JsonCursor *at, const char *what, const char *word, const char *const *near,
                      const char *const *expected);

/* Steps down to the first value inside an array or object, and on to the one behind @at; false: there is
 * none.
 * @ret may be @at. The loop over an array:
 * for (bool more = json_cursor_get_first(array, &row); more; more = json_cursor_get_next(&row, &row)) */
bool json_cursor_get_first(const JsonCursor *at, JsonCursor *ret);
bool json_cursor_get_next(const JsonCursor *at, JsonCursor *ret);
size_t json_cursor_get_size(const JsonCursor *at); /* of an array or object; 0 for others */
/* The value as jansson has it, for who accepts several types. */
const json_t *json_cursor_get_value(const JsonCursor *at);

/* Each checks the value at @at, adds a finding that says what was expected, and gives it only if it is right.
 * Return 0, or -EBADMSG after a finding. Strings are valid as long as the document. */
int json_read_string(const JsonCursor *at, size_t min, size_t max,
                     const char **ret); /* no control characters */
int json_read_bool(const JsonCursor *at, bool *ret);
int json_read_integer(const JsonCursor *at, gint64 min, gint64 max, gint64 *ret);
int json_expect_array(const JsonCursor *at, size_t min, size_t max);
int json_expect_object(const JsonCursor *at);

/* A table of the members of an object: the schema's documentation. */
typedef enum JsonFieldFlags {
        JSON_FIELD_REQUIRED = 1 << 0,
} JsonFieldFlags;

typedef struct JsonField {
        const char *name;
        int (*read)(const JsonCursor *at, void *userdata); /* negative after it has added a finding */
        JsonFieldFlags flags;
} JsonField;

/* How an object treats keys that are not in its table. */
typedef enum JsonUnknown {
        JSON_UNKNOWN_ERROR,
        JSON_UNKNOWN_WARNING,
} JsonUnknown;

/* Reads every member by its row (@fields ends with a row without name), in the order of the text; reads on
 * after a bad one, so that all findings are told. A near miss of an unknown key gets a suggestion. Negative
 * if any row failed, a required one is missing, or an unknown key is an error. */
int json_read_object(const JsonCursor *at, const JsonField *fields, JsonUnknown unknown, void *userdata);

/* The word of @words (NULL-terminated) nearest to @word, or NULL if none is near: at most a third of its
 * letters wrong, missing, too many or swapped; upper and lower case are the same. For suggestions. */
const char *json_nearest(const char *word, const char *const *words);
