/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "util/json.h"

#include <stdarg.h>
#include <string.h>

#include "util/limits.h"

struct JsonNode {
        const json_t *value;    /* not owned; in the document's tree */
        const JsonNode *parent; /* not owned; NULL for the root */
        JsonNode *first, *next; /* not owned; children in the order of the text */
        const char *key;        /* not owned; in the document's keys; NULL if the parent is not an object */
        size_t index, n_children;
        unsigned line, column;
        unsigned key_line, key_column; /* where the key stands; of an element, as line and column */
};

struct JsonDocument {
        char *file;            /* owned */
        json_t *tree;          /* owned; NULL if the text could not be loaded */
        GPtrArray *blocks;     /* owned arrays of NODES_IN_BLOCK JsonNode */
        size_t n_nodes;
        GStringChunk *keys; /* owned; what the nodes' keys point into */
        const JsonNode *root;  /* NULL if something is wrong with the whole text */
        GPtrArray *findings;   /* owned JsonFinding *, by line and column */
        JsonFinding *overflow; /* not owned; the one that stands for all above JSON_FINDINGS_MAX */
        const char *subject;   /* static; of what is read now, or NULL */
        bool has_errors;
};

/* A document has thousands of nodes, which live as long as it does. */
#define NODES_IN_BLOCK 128
#define KEYS_SIZE      4096 /* bytes of keys in one piece */

static void finding_free(void *userdata) {
        JsonFinding *finding = userdata;

        g_free(finding->path);
        g_free(finding->message);
        g_free(finding);
}

/*
 * Findings
 */

/* What moves the cursor, or turns the direction of the text around it. */
static bool is_unprintable(gunichar c) {
        GUnicodeType type = g_unichar_type(c);

        return type == G_UNICODE_CONTROL || type == G_UNICODE_FORMAT || type == G_UNICODE_LINE_SEPARATOR ||
               type == G_UNICODE_PARAGRAPH_SEPARATOR;
}

/* Findings go to terminals, journals and the bus: nothing unprintable, and UTF-8 whatever jansson quoted. */
static char *text_escape(const char *raw) {
        g_autofree char *text = g_utf8_make_valid(raw, -1);
        GString *escaped = g_string_sized_new(strlen(text));

        for (const char *p = text; *p; p = g_utf8_next_char(p)) {
                gunichar c = g_utf8_get_char(p);

                if (is_unprintable(c))
                        g_string_append_printf(escaped, "\\u%04x", c);
                else
                        g_string_append_unichar(escaped, c);
        }
        return g_string_free(escaped, FALSE);
}

static void findings_insert(GPtrArray *findings, JsonFinding *finding) {
        guint i = findings->len;

        for (; i > 0; i--) {
                const JsonFinding *before = g_ptr_array_index(findings, i - 1);

                if (before->line < finding->line ||
                    (before->line == finding->line && before->column <= finding->column))
                        break;
        }
        g_ptr_array_insert(findings, (int) i, finding);
}

/* Takes @path. */
G_GNUC_PRINTF(6, 0)
static void finding_add(JsonDocument *document, JsonSeverity severity, unsigned line, unsigned column,
                        char *path, const char *format, va_list args) {
        g_autofree char *owned_path = path;
        g_autofree char *message = g_strdup_vprintf(format, args);
        JsonFinding *finding;

        if (severity == JSON_FINDING_ERROR)
                document->has_errors = true;
        if (document->overflow) {
                document->overflow->severity = MAX(document->overflow->severity, severity);
                return;
        }

        finding = g_new0(JsonFinding, 1);
        *finding = (JsonFinding){
                .severity = severity, .line = line, .column = column, .subject = document->subject
        };
        finding->path = text_escape(owned_path);
        if (document->findings->len + 1 < JSON_FINDINGS_MAX)
                finding->message = text_escape(message);
        else {
                finding->message = g_strdup_printf("More than %u findings, the rest is not listed",
                                                   JSON_FINDINGS_MAX - 1);
                document->overflow = finding;
        }
        findings_insert(document->findings, finding);
}

G_GNUC_PRINTF(5, 6)
static void document_error(JsonDocument *document, unsigned line, unsigned column, char *path,
                           const char *format, ...) {
        va_list args;

        va_start(args, format);
        finding_add(document, JSON_FINDING_ERROR, line, column, path, format, args);
        va_end(args);
}

/* RFC 6901, from the root down. */
static char *node_get_path(const JsonNode *node) {
        g_autoptr(GPtrArray) chain = g_ptr_array_new();
        GString *path = g_string_new(NULL);

        for (; node && node->parent; node = node->parent)
                g_ptr_array_add(chain, (void *) node);
        for (guint i = chain->len; i > 0; i--) {
                const JsonNode *step = g_ptr_array_index(chain, i - 1);

                g_string_append_c(path, '/');
                if (!step->key)
                        g_string_append_printf(path, "%zu", step->index);
                for (const char *p = step->key; p && *p; p++)
                        if (*p == '~')
                                g_string_append(path, "~0");
                        else if (*p == '/')
                                g_string_append(path, "~1");
                        else
                                g_string_append_c(path, *p);
        }
        return g_string_free(path, FALSE);
}

G_GNUC_PRINTF(4, 5)
static void key_finding(JsonDocument *document, const JsonNode *node, JsonSeverity severity,
                        const char *format, ...) {
        va_list args;

        va_start(args, format);
        finding_add(document, severity, node->key_line, node->key_column, node_get_path(node), format, args);
        va_end(args);
}

/*
 * Scanning: the text beside the tree that jansson made of it. jansson has checked the grammar, so only the
 * ends of tokens are looked for; the end of the text stops everything all the same.
 */
typedef struct Scan {
        JsonDocument *document;
        const char *at, *end;
        unsigned line, column;
        bool stopped;
} Scan;

static char scan_peek(const Scan *scan) {
        return scan->at < scan->end ? *scan->at : '\0';
}

static void scan_step(Scan *scan) {
        unsigned char c;

        if (scan->at >= scan->end)
                return;
        c = (unsigned char) *scan->at++;
        if (c == '\n') {
                scan->line++;
                scan->column = 1;
        } else if ((c & 0xc0) != 0x80) /* not inside a character of several bytes */
                scan->column++;
}

static bool is_space(char c) {
        return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

static void scan_space(Scan *scan) {
        while (scan->at < scan->end && is_space(*scan->at))
                scan_step(scan);
}

static void scan_string(Scan *scan) {
        scan_step(scan);
        while (scan->at < scan->end && *scan->at != '"') {
                if (*scan->at == '\\')
                        scan_step(scan);
                scan_step(scan);
        }
        scan_step(scan);
}

/* Scans a key and gives what it says, its escapes resolved. */
static const char *scan_key(Scan *scan) {
        GStringChunk *keys = scan->document->keys;
        const char *start = scan->at, *key;
        json_t *string;

        scan_string(scan);
        /* Most keys are what they look like; a loader for each would take as long as all the rest. */
        if (!memchr(start, '\\', (size_t) (scan->at - start)))
                return g_string_chunk_insert_len(keys, start + 1, scan->at - start - 2);
        string = json_loadb(start, (size_t) (scan->at - start), JSON_DECODE_ANY, NULL);
        key = g_string_chunk_insert(keys, json_string_value(string) ?: "");
        json_decref(string);
        return key;
}

static JsonNode *scan_add_node(Scan *scan, const JsonNode *parent) {
        JsonDocument *document = scan->document;
        size_t i = document->n_nodes++ % NODES_IN_BLOCK;
        JsonNode *node;

        if (i == 0)
                g_ptr_array_add(document->blocks, g_new0(JsonNode, NODES_IN_BLOCK));
        node = (JsonNode *) g_ptr_array_index(document->blocks, document->blocks->len - 1) + i;
        node->parent = parent;
        node->line = node->key_line = scan->line;
        node->column = node->key_column = scan->column;
        return node;
}

static void scan_value(Scan *scan, JsonNode *node, unsigned depth);

/* The key of a member, the colon, and what is wrong with the key. */
static void scan_member_key(Scan *scan, JsonNode *member, GHashTable *keys) {
        member->key = scan_key(scan);
        if (strlen(member->key) > JSON_KEY_MAX) {
                document_error(scan->document, member->key_line, member->key_column,
                               node_get_path(member->parent), "A key has %zu bytes, expected at most %u",
                               strlen(member->key), JSON_KEY_MAX);
                scan->stopped = true; /* a path with it in it would be as long */
        } else if (!g_hash_table_add(keys, (char *) member->key))
                key_finding(scan->document, member, JSON_FINDING_ERROR, "Duplicate key '%s'", member->key);
        scan_space(scan);
        scan_step(scan);
        scan_space(scan);
        member->line = scan->line;
        member->column = scan->column;
}

/* What stands between the brackets of an object or array, and the closing one. */
static void scan_children(Scan *scan, JsonNode *parent, bool is_object, unsigned depth) {
        g_autoptr(GHashTable) keys = is_object ? g_hash_table_new(g_str_hash, g_str_equal) : NULL;
        JsonNode **link = &parent->first;

        scan_step(scan);
        scan_space(scan);
        while (scan->at < scan->end && !scan->stopped && !strchr("]}", *scan->at)) {
                JsonNode *child = scan_add_node(scan, parent);

                child->index = parent->n_children++;
                *link = child;
                link = &child->next;
                if (is_object) {
                        scan_member_key(scan, child, keys);
                        child->value = json_object_get(parent->value, child->key);
                } else
                        child->value = json_array_get(parent->value, child->index);
                if (!scan->stopped)
                        scan_value(scan, child, depth + 1);
                scan_space(scan);
                if (scan_peek(scan) == ',')
                        scan_step(scan);
                scan_space(scan);
        }
        scan_step(scan);
}

static void scan_value(Scan *scan, JsonNode *node, unsigned depth) {
        if (depth > JSON_DEPTH_MAX) {
                document_error(scan->document, node->line, node->column, node_get_path(node->parent),
                               "Nested too deeply, expected at most %u levels", JSON_DEPTH_MAX);
                scan->stopped = true;
        } else if (scan_peek(scan) == '{' || scan_peek(scan) == '[')
                scan_children(scan, node, scan_peek(scan) == '{', depth);
        else if (scan_peek(scan) == '"')
                scan_string(scan);
        else
                while (scan->at < scan->end && !strchr(",]} \t\r\n", *scan->at))
                        scan_step(scan);
}

/*
 * Documents
 */

/* jansson's words for what went wrong; two of them speak of its own flags. */
static const char *load_error_text(const json_error_t *error) {
        enum json_error_code code = json_error_code(error);

        if (code == json_error_null_character || code == json_error_null_byte_in_key)
                return "\\u0000 in a string, expected none";
        return error->text;
}

static void document_load(JsonDocument *document, const char *text, size_t size) {
        Scan scan = { .document = document, .at = text, .end = text + size, .line = 1, .column = 1 };
        const char *nul = memchr(text, '\0', size);
        JsonNode *root;
        json_error_t error;

        if (size > MANIFEST_SIZE_MAX) {
                document_error(document, 0, 0, g_strdup(""), "The file has %zu bytes, expected at most %u",
                               size, MANIFEST_SIZE_MAX);
                return;
        }
        if (nul) { /* jansson takes it for the end of the file */
                while (scan.at < nul)
                        scan_step(&scan);
                document_error(document, scan.line, scan.column, g_strdup(""), "A NUL byte, expected text");
                return;
        }
        document->tree = json_loadb(text, size, JSON_REJECT_DUPLICATES, &error);
        /* The scan below finds all duplicate keys, and where they are; jansson knows where the first one
         * ends. */
        if (!document->tree && json_error_code(&error) == json_error_duplicate_key)
                document->tree = json_loadb(text, size, 0, &error);
        if (!document->tree) {
                document_error(document, (unsigned) MAX(error.line, 1), (unsigned) MAX(error.column, 1),
                               g_strdup(""), "Not valid JSON: %s", load_error_text(&error));
                return;
        }

        scan_space(&scan);
        root = scan_add_node(&scan, NULL);
        root->value = document->tree;
        scan_value(&scan, root, 1);
        if (!document->has_errors)
                document->root = root;
}

JsonDocument *json_document_new(const char *file, const char *text, size_t size) {
        JsonDocument *document = g_new0(JsonDocument, 1);

        document->file = g_strdup(file);
        document->blocks = g_ptr_array_new_with_free_func(g_free);
        document->keys = g_string_chunk_new(KEYS_SIZE);
        document->findings = g_ptr_array_new_with_free_func(finding_free);
        document_load(document, text, size);
        return document;
}

void json_document_free(JsonDocument *document) {
        if (!document)
                return;
        g_ptr_array_unref(document->findings);
        g_ptr_array_unref(document->blocks);
        g_string_chunk_free(document->keys);
        json_decref(document->tree);
        g_free(document->file);
        g_free(document);
}

const char *json_document_get_file(const JsonDocument *document) {
        return document->file;
}

bool json_document_has_errors(const JsonDocument *document) {
        return document->has_errors;
}

const GPtrArray *json_document_get_findings(const JsonDocument *document) {
        return document->findings;
}

void json_document_set_subject(JsonDocument *document, const char *subject) {
        document->subject = subject;
}

int json_document_get_error(const JsonDocument *document, Error *error) {
        for (guint i = 0; i < document->findings->len; i++) {
                const JsonFinding *finding = g_ptr_array_index(document->findings, i);
                int r;

                if (finding->severity != JSON_FINDING_ERROR)
                        continue;
                r = error_setf(error, ERROR_INVALID_MANIFEST, "%s", finding->message);
                return error_set_place(error, r, document->file, finding->line, finding->column,
                                       finding->path);
        }
        return 0;
}

bool json_document_get_root(JsonDocument *document, JsonCursor *ret) {
        if (!document->root)
                return false;
        *ret = (JsonCursor){ .document = document, .node = document->root };
        return true;
}

/*
 * Cursors
 */
void json_cursor_get_place(const JsonCursor *at, unsigned *ret_line, unsigned *ret_column) {
        *ret_line = at->node->line;
        *ret_column = at->node->column;
}

char *json_cursor_get_path(const JsonCursor *at) {
        return node_get_path(at->node);
}

int json_error(const JsonCursor *at, const char *format, ...) {
        va_list args;

        va_start(args, format);
        finding_add(at->document, JSON_FINDING_ERROR, at->node->line, at->node->column,
                    node_get_path(at->node), format, args);
        va_end(args);
        return -EBADMSG;
}

void json_warning(const JsonCursor *at, const char *format, ...) {
        va_list args;

        va_start(args, format);
        finding_add(at->document, JSON_WARNING, at->node->line, at->node->column, node_get_path(at->node),
                    format, args);
        va_end(args);
}

/* "'<word>'; did you mean '<nearest>', expected one of: <expected>" */
static char *describe_choice(const char *word, const char *const *near, const char *const *expected) {
        g_autofree char *list = g_strjoinv(", ", (char **) expected);
        const char *nearest = json_nearest(word, near);

        if (nearest)
                return g_strdup_printf("'%s'; did you mean '%s', expected one of: %s", word, nearest, list);
        return g_strdup_printf("'%s', expected one of: %s", word, list);
}

int json_error_choice(const JsonCursor *at, const char *what, const char *word, const char *const *near,
                      const char *const *expected) {
        g_autofree char *choice = describe_choice(word, near, expected);

        return json_error(at, "Unknown %s %s", what, choice);
}

bool json_cursor_get_first(const JsonCursor *at, JsonCursor *ret) {
        const JsonNode *first = at->node->first;

        if (!first)
                return false;
        *ret = (JsonCursor){ .document = at->document, .node = first };
        return true;
}

bool json_cursor_get_next(const JsonCursor *at, JsonCursor *ret) {
        const JsonNode *next = at->node->next;

        if (!next)
                return false;
        *ret = (JsonCursor){ .document = at->document, .node = next };
        return true;
}

size_t json_cursor_get_size(const JsonCursor *at) {
        return at->node->n_children;
}

const json_t *json_cursor_get_value(const JsonCursor *at) {
        return at->node->value;
}

/*
 * Reading
 */
static const char *const json_type_names[] = {
        [JSON_OBJECT] = "an object",
        [JSON_ARRAY] = "an array",
        [JSON_STRING] = "a string",
        [JSON_INTEGER] = "an integer",
        [JSON_REAL] = "a number with a fraction or an exponent",
        [JSON_TRUE] = "true",
        [JSON_FALSE] = "false",
        [JSON_NULL] = "null",
};

static int type_error(const JsonCursor *at, const char *expected) {
        return json_error(at, "Expected %s, found %s", expected,
                          json_type_names[json_typeof(at->node->value)]);
}

int json_read_string(const JsonCursor *at, size_t min, size_t max, const char **ret) {
        const char *string;
        size_t size;

        if (!json_is_string(at->node->value))
                return type_error(at, "a string");
        string = json_string_value(at->node->value);
        size = json_string_length(at->node->value);
        if (size == 0 && min > 0)
                return json_error(at, "Expected a string that is not empty");
        if (size < min)
                return json_error(at, "The string has %zu bytes, expected at least %zu", size, min);
        if (size > max)
                return json_error(at, "The string has %zu bytes, expected at most %zu", size, max);
        for (const char *p = string; *p; p = g_utf8_next_char(p))
                if (g_unichar_iscntrl(g_utf8_get_char(p)))
                        return json_error(at, "Control character U+%04X in a string, expected none",
                                          g_utf8_get_char(p));
        *ret = string;
        return 0;
}

int json_read_bool(const JsonCursor *at, bool *ret) {
        if (!json_is_boolean(at->node->value))
                return type_error(at, "true or false");
        *ret = json_is_true(at->node->value);
        return 0;
}

int json_read_integer(const JsonCursor *at, gint64 min, gint64 max, gint64 *ret) {
        gint64 number;

        if (!json_is_integer(at->node->value))
                return type_error(at, "an integer");
        number = json_integer_value(at->node->value);
        if (number < min || number > max)
                return json_error(at,
                                  "%" G_GINT64_FORMAT " is out of range, expected %" G_GINT64_FORMAT
                                  " to %" G_GINT64_FORMAT,
                                  number, min, max);
        *ret = number;
        return 0;
}

int json_expect_array(const JsonCursor *at, size_t min, size_t max) {
        size_t n = at->node->n_children;

        if (!json_is_array(at->node->value))
                return type_error(at, "an array");
        if (n < min)
                return json_error(at, "The array has %zu elements, expected at least %zu", n, min);
        if (n > max)
                return json_error(at, "The array has %zu elements, expected at most %zu", n, max);
        return 0;
}

int json_expect_object(const JsonCursor *at) {
        return json_is_object(at->node->value) ? 0 : type_error(at, "an object");
}

static const JsonField *fields_find(const JsonField *fields, const char *name) {
        for (; fields->name; fields++)
                if (strcmp(fields->name, name) == 0)
                        return fields;
        return NULL;
}

static int unknown_key(const JsonCursor *at, const JsonField *fields, JsonUnknown unknown) {
        g_autoptr(GPtrArray) names = g_ptr_array_new();
        g_autofree char *choice = NULL;
        const char *const *words;

        for (const JsonField *field = fields; field->name; field++)
                g_ptr_array_add(names, (char *) field->name);
        g_ptr_array_add(names, NULL);
        words = (const char *const *) names->pdata;
        choice = describe_choice(at->node->key, words, words);
        if (unknown == JSON_UNKNOWN_ERROR) {
                key_finding(at->document, at->node, JSON_FINDING_ERROR, "Unknown key %s", choice);
                return -EBADMSG;
        }
        key_finding(at->document, at->node, JSON_WARNING, "Unknown key %s", choice);
        return 0;
}

static bool object_has_key(const JsonNode *object, const char *key) {
        for (const JsonNode *member = object->first; member; member = member->next)
                if (strcmp(member->key, key) == 0)
                        return true;
        return false;
}

int json_read_object(const JsonCursor *at, const JsonField *fields, JsonUnknown unknown, void *userdata) {
        JsonCursor member;
        int result = 0;
        int r;

        r = json_expect_object(at);
        if (r < 0)
                return r;
        for (const JsonField *field = fields; field->name; field++)
                if ((field->flags & JSON_FIELD_REQUIRED) && !object_has_key(at->node, field->name))
                        result = json_error(at, "Key '%s' is missing", field->name);

        for (bool more = json_cursor_get_first(at, &member); more;
             more = json_cursor_get_next(&member, &member)) {
                const JsonField *field = fields_find(fields, member.node->key);

                r = field ? field->read(&member, userdata) : unknown_key(&member, fields, unknown);
                if (r < 0)
                        result = r;
        }
        return result;
}

/*
 * Suggestions
 */
#define WORD_SIZE_MAX 63 /* nothing that is worth a suggestion is longer; keeps the table below small */

/* Edit distance in which two letters that changed places count once (optimal string alignment). */
static size_t word_distance(const char *a, const char *b) {
        size_t table[WORD_SIZE_MAX + 1][WORD_SIZE_MAX + 1];
        size_t a_size = strlen(a), b_size = strlen(b);

        for (size_t i = 0; i <= a_size; i++)
                table[i][0] = i;
        for (size_t j = 0; j <= b_size; j++)
                table[0][j] = j;
        for (size_t i = 1; i <= a_size; i++)
                for (size_t j = 1; j <= b_size; j++) {
                        char x = g_ascii_tolower(a[i - 1]), y = g_ascii_tolower(b[j - 1]);
                        size_t best = table[i - 1][j - 1] + (x == y ? 0 : 1);

                        best = MIN(best, MIN(table[i - 1][j], table[i][j - 1]) + 1);
                        if (i > 1 && j > 1 && x == g_ascii_tolower(b[j - 2]) &&
                            g_ascii_tolower(a[i - 2]) == y)
                                best = MIN(best, table[i - 2][j - 2] + 1);
                        table[i][j] = best;
                }
        return table[a_size][b_size];
}

const char *json_nearest(const char *word, const char *const *words) {
        size_t limit = MAX(strlen(word) / 3, 1), best = limit + 1;
        const char *nearest = NULL;

        if (strlen(word) > WORD_SIZE_MAX)
                return NULL;
        for (; *words; words++) {
                size_t distance = strlen(*words) > WORD_SIZE_MAX ? best : word_distance(word, *words);

                if (distance < best) {
                        best = distance;
                        nearest = *words;
                }
        }
        return nearest;
}
