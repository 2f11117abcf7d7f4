/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/findings.h"
#include "util/json.h"
#include "util/limits.h"

static JsonDocument *load(const char *text) {
        g_autofree char *quoted = quote_json(text);

        return json_document_new("test.json", quoted, strlen(quoted));
}

static void assert_findings(const char *name, const JsonDocument *document, const char *expected) {
        g_autofree char *found = format_findings(json_document_get_findings(document));

        if (strcmp(found, expected) != 0)
                fail_msg("%s:\nfound\n%sexpected\n%s", name, found, expected);
}

/*
 * What is refused when loading
 */
static void test_load_refused(void **state G_GNUC_UNUSED) {
        static const struct {
                const char *name, *text, *findings;
        } cases[] = {
                { "empty", "", "1:1 error : Not valid JSON: '[' or '{' expected near end of file\n" },
                { "white space only", " \n ",
                  "2:1 error : Not valid JSON: '[' or '{' expected near end of file\n" },
                { "not JSON", "{'a': nope}", "1:10 error : Not valid JSON: invalid token near 'nope'\n" },
                { "a scalar", "5", "1:1 error : Not valid JSON: '[' or '{' expected near '5'\n" },
                { "trailing comma", "[1,\n 2,]", "2:4 error : Not valid JSON: unexpected token near ']'\n" },
                { "comment", "{ // no\n }", "1:3 error : Not valid JSON: string or '}' expected near '/'\n" },
                { "text behind", "{}\n x", "2:2 error : Not valid JSON: end of file expected near 'x'\n" },
                { "two values", "[] []", "1:4 error : Not valid JSON: end of file expected near '['\n" },
                { "not closed", "{'a': [1, 2}", "1:12 error : Not valid JSON: ']' expected near '}'\n" },
                { "end too early", "{'a': [1,\n",
                  "2:1 error : Not valid JSON: ']' expected near end of file\n" },
                { "single word key", "{a: 1}",
                  "1:2 error : Not valid JSON: string or '}' expected near 'a'\n" },
                { "number too large", "[99999999999999999999]",
                  "1:21 error : Not valid JSON: too big integer near '99999999999999999999'\n" },
                { "newline in a string", "['a\nb']",
                  "1:3 error : Not valid JSON: unexpected newline near '\"a'\n" },
                { "tab in a string", "['a\tb']",
                  "1:3 error : Not valid JSON: control character 0x9 near '\"a'\n" },
                { "NUL by escape", "['a\\u0000b']",
                  "1:11 error : Not valid JSON: \\u0000 in a string, expected none\n" },
                { "NUL in a key", "{'a\\u0000b': 1}",
                  "1:11 error : Not valid JSON: \\u0000 in a string, expected none\n" },
                { "half a surrogate pair", "['\\ud800']",
                  "1:9 error : Not valid JSON: invalid Unicode '\\uD800' near '\"\\ud800\"'\n" },
                { "duplicate key", "{'a': 1,\n 'b': 2, 'a': 3}", "2:10 error /a: Duplicate key 'a'\n" },
                { "duplicate by escape", "{'ab': 1, 'a\\u0062': 2}", "1:11 error /ab: Duplicate key 'ab'\n" },
                { "duplicate deep inside", "{'x': [0, {'a/b': 1,\n\n  'a/b': 2}]}",
                  "3:3 error /x/1/a~1b: Duplicate key 'a/b'\n" },
                { "two duplicates", "{'a': {'b': 1, 'b': 2},\n 'a': 3}",
                  "1:16 error /a/b: Duplicate key 'b'\n"
                  "2:2 error /a: Duplicate key 'a'\n" },
                { "a key three times", "{'a': 1, 'a': 2, 'a': 3}",
                  "1:10 error /a: Duplicate key 'a'\n"
                  "1:18 error /a: Duplicate key 'a'\n" },
                { "duplicate and syntax error", "{'a': 1, 'a': 2,\n 5}",
                  "2:2 error : Not valid JSON: string or '}' expected near '5'\n" },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autoptr(JsonDocument) document = load(cases[i].text);
                JsonCursor root;

                assert_findings(cases[i].name, document, cases[i].findings);
                assert_true(json_document_has_errors(document));
                assert_false(json_document_get_root(document, &root));
        }
}

/* Bytes that a C string or a quoted table cannot hold. */
static void test_load_bytes(void **state G_GNUC_UNUSED) {
        static const struct {
                const char *name, *bytes;
                size_t size;
                const char *findings;
        } cases[] = {
                { "raw NUL", "[\000]", 3, "1:2 error : A NUL byte, expected text\n" },
                { "NUL behind the value", "[]\000", 3, "1:3 error : A NUL byte, expected text\n" },
                { "NUL in a string", "[\"a\000b\"]", 7, "1:4 error : A NUL byte, expected text\n" },
                { "not UTF-8", "[\"\377\"]", 5,
                  "1:2 error : Not valid JSON: unable to decode byte 0xff near '\"'\n" },
                { "overlong slash", "[\"a\300\257\"]", 7,
                  "1:3 error : Not valid JSON: unable to decode byte 0xc0 near '\"a'\n" },
                { "surrogate in UTF-8", "[\"\355\240\200\"]", 7,
                  "1:2 error : Not valid JSON: unable to decode byte 0xed near '\"'\n" },
                { "above Unicode", "[\"\364\220\200\200\"]", 8,
                  "1:2 error : Not valid JSON: unable to decode byte 0xf4 near '\"'\n" },
                { "half a character", "[\"\303\"]", 5,
                  "1:2 error : Not valid JSON: unable to decode byte 0xc3 near '\"'\n" },
                { "byte order mark", "\357\273\277[]", 5,
                  "1:1 error : Not valid JSON: '[' or '{' expected near '\\ufeff'\n" },
                { "Latin-1 key", "{\"\344\": 1}", 8,
                  "1:2 error : Not valid JSON: unable to decode byte 0xe4 near '\"'\n" },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autoptr(JsonDocument)
                        document = json_document_new("test.json", cases[i].bytes, cases[i].size);

                assert_findings(cases[i].name, document, cases[i].findings);
                assert_true(json_document_has_errors(document));
        }
}

static char *nest(unsigned depth) {
        GString *text = g_string_new(NULL);

        for (unsigned i = 0; i < depth; i++)
                g_string_append_c(text, '[');
        for (unsigned i = 0; i < depth; i++)
                g_string_append_c(text, ']');
        return g_string_free(text, FALSE);
}

static void test_load_depth(void **state G_GNUC_UNUSED) {
        g_autofree char *deep = nest(JSON_DEPTH_MAX), *deeper = nest(JSON_DEPTH_MAX + 1),
                        *deepest = nest(2000);
        g_autoptr(JsonDocument) good = load(deep), bad = load(deeper), worse = load(deepest);
        g_autoptr(GString) path = g_string_new(NULL);
        g_autofree char *expected = NULL;
        JsonCursor root;

        assert_findings("deep", good, "");
        assert_true(json_document_get_root(good, &root));
        for (unsigned i = 1; i < JSON_DEPTH_MAX; i++)
                g_string_append(path, "/0");
        expected = g_strdup_printf("1:33 error %s: Nested too deeply, expected at most 32 levels\n",
                                   path->str);
        assert_findings("deeper", bad, expected);
        assert_findings("deepest", worse, expected);
        assert_false(json_document_get_root(bad, &root));
}

static void test_load_sizes(void **state G_GNUC_UNUSED) {
        g_autofree char *space = g_strnfill(MANIFEST_SIZE_MAX - 1, ' ');
        g_autofree char *full = g_strdup_printf("[]%s", space + 1), *above = g_strdup_printf("[]%s", space);
        g_autofree char *key = g_strnfill(JSON_KEY_MAX, 'k');
        g_autofree char *long_key = g_strdup_printf("{'a': {'%s': 1}}", key);
        g_autofree char *longer_key = g_strdup_printf("{'a': {'%sk': 1}}", key);
        g_autoptr(JsonDocument) a = load(full), b = load(above), c = load(long_key), d = load(longer_key);

        assert_findings("full", a, "");
        assert_findings("above", b, "0:0 error : The file has 1048577 bytes, expected at most 1048576\n");
        assert_findings("long key", c, "");
        assert_findings("longer key", d, "1:8 error /a: A key has 256 bytes, expected at most 255\n");
}

/*
 * Places
 */

/* Adds a finding at every value, which says its path again. */
static void blame_all(const JsonCursor *at) {
        g_autofree char *path = json_cursor_get_path(at);
        JsonCursor child;

        json_warning(at, "%s", path);
        for (bool more = json_cursor_get_first(at, &child); more; more = json_cursor_get_next(&child, &child))
                blame_all(&child);
}

static void test_places(void **state G_GNUC_UNUSED) {
        static const struct {
                const char *name, *text, *findings;
        } cases[] = {
                { "lines and levels", "{'a': [1,\n  {'b': 'x'}]}",
                  "1:1 warning : \n"
                  "1:7 warning /a: /a\n"
                  "1:8 warning /a/0: /a/0\n"
                  "2:3 warning /a/1: /a/1\n"
                  "2:9 warning /a/1/b: /a/1/b\n" },
                { "characters, not bytes", "{'äöü': '日本', 'b': 1}",
                  "1:1 warning : \n"
                  "1:9 warning /äöü: /äöü\n"
                  "1:20 warning /b: /b\n" },
                { "slash, tilde, empty key", "{'a/b~c': {'': [[]]}}",
                  "1:1 warning : \n"
                  "1:11 warning /a~1b~0c: /a~1b~0c\n"
                  "1:16 warning /a~1b~0c/: /a~1b~0c/\n"
                  "1:17 warning /a~1b~0c//0: /a~1b~0c//0\n" },
                { "brackets and quotes in a string", "['\\'}],{', 2]",
                  "1:1 warning : \n"
                  "1:2 warning /0: /0\n"
                  "1:12 warning /1: /1\n" },
                { "tabs and carriage returns", "{\r\n\t'a':\r\n\t\t1}",
                  "1:1 warning : \n"
                  "3:3 warning /a: /a\n" },
                { "numbers and words", "[-1.5e3,true, null ,false]",
                  "1:1 warning : \n"
                  "1:2 warning /0: /0\n"
                  "1:9 warning /1: /1\n"
                  "1:15 warning /2: /2\n"
                  "1:21 warning /3: /3\n" },
                { "key with an escape", "{'\\u0061b': 0}",
                  "1:1 warning : \n"
                  "1:13 warning /ab: /ab\n" },
                { "empty ones", " [{}, []]",
                  "1:2 warning : \n"
                  "1:3 warning /0: /0\n"
                  "1:7 warning /1: /1\n" },
                { "the same key in two objects", "[{'a':1},{'a':2}]",
                  "1:1 warning : \n"
                  "1:2 warning /0: /0\n"
                  "1:7 warning /0/a: /0/a\n"
                  "1:10 warning /1: /1\n"
                  "1:15 warning /1/a: /1/a\n" },
                { "a backslash at the end of a string", "{'a\\\\': 'b\\\\', 'c': 0}",
                  "1:1 warning : \n"
                  "1:9 warning /a\\: /a\\\n"
                  "1:21 warning /c: /c\n" },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autoptr(JsonDocument) document = load(cases[i].text);
                JsonCursor root;

                assert_true(json_document_get_root(document, &root));
                blame_all(&root);
                assert_findings(cases[i].name, document, cases[i].findings);
        }
}

static void test_findings_order(void **state G_GNUC_UNUSED) {
        g_autoptr(JsonDocument) document = load("[1,\n 2,\n 3]");
        JsonCursor root, one, two, three;

        assert_true(json_document_get_root(document, &root));
        assert_true(json_cursor_get_first(&root, &one));
        assert_true(json_cursor_get_next(&one, &two));
        assert_true(json_cursor_get_next(&two, &three));
        assert_false(json_cursor_get_next(&three, &three));
        json_error(&three, "third");
        json_error(&one, "first");
        json_error(&two, "second");
        json_warning(&one, "first again");
        assert_findings("order", document,
                        "1:2 error /0: first\n1:2 warning /0: first again\n"
                        "2:2 error /1: second\n3:2 error /2: third\n");
}

static void test_findings_limit(void **state G_GNUC_UNUSED) {
        g_autoptr(JsonDocument) document = load("[1]");
        g_auto(Error) error = ERROR_NULL;
        const GPtrArray *findings;
        JsonCursor root;

        assert_true(json_document_get_root(document, &root));
        for (unsigned i = 0; i < 3 * JSON_FINDINGS_MAX; i++)
                json_warning(&root, "Warning %u", i);
        assert_false(json_document_has_errors(document));
        json_error(&root, "An error that is not listed");
        findings = json_document_get_findings(document);
        assert_int_equal(findings->len, JSON_FINDINGS_MAX);
        assert_true(json_document_has_errors(document));
        assert_int_equal(json_document_get_error(document, &error), -EBADMSG);
        assert_string_equal(error.message, "More than 999 findings, the rest is not listed");
}

static void test_findings_escape(void **state G_GNUC_UNUSED) {
        static const JsonField no_fields[] = { { "name", NULL, 0 }, {} };
        g_autoptr(JsonDocument) document = load("{'a\\n\\u001b[31m\\u0085b': 1}");
        JsonCursor root;

        assert_true(json_document_get_root(document, &root));
        assert_int_equal(json_read_object(&root, no_fields, JSON_UNKNOWN_ERROR, NULL), -EBADMSG);
        assert_findings("escape", document,
                        "1:2 error /a\\u000a\\u001b[31m\\u0085b: Unknown key 'a\\u000a\\u001b[31m\\u0085b', "
                        "expected one of: name\n");
}

static void test_get_error(void **state G_GNUC_UNUSED) {
        g_autoptr(JsonDocument) document = load("{'a': [1, 2]}");
        g_auto(Error) error = ERROR_NULL;
        JsonCursor root, a;

        assert_true(json_document_get_root(document, &root));
        assert_int_equal(json_document_get_error(document, &error), 0);
        assert_null(error.message);
        assert_true(json_cursor_get_first(&root, &a));
        json_warning(&root, "only a warning");
        assert_int_equal(json_document_get_error(document, &error), 0);
        assert_int_equal(json_error(&a, "Wrong '%s'", "x"), -EBADMSG);
        assert_int_equal(json_document_get_error(document, &error), -EBADMSG);
        assert_int_equal(error.code, ERROR_INVALID_MANIFEST);
        assert_string_equal(error.message, "Wrong 'x'");
        assert_string_equal(error.file, "test.json");
        assert_string_equal(error.path, "/a");
        assert_int_equal(error.line, 1);
        assert_int_equal(error.column, 7);
}

/*
 * Reading: one object with a member for each reader
 */
typedef struct Record {
        const char *string;
        bool flag;
        gint64 number;
        size_t n_list;
} Record;

static int read_string(const JsonCursor *at, void *userdata) {
        return json_read_string(at, 1, 8, &((Record *) userdata)->string);
}

static int read_flag(const JsonCursor *at, void *userdata) {
        return json_read_bool(at, &((Record *) userdata)->flag);
}

static int read_number(const JsonCursor *at, void *userdata) {
        return json_read_integer(at, -2, 65535, &((Record *) userdata)->number);
}

static int read_list(const JsonCursor *at, void *userdata) {
        int r;

        r = json_expect_array(at, 1, 3);
        if (r >= 0)
                ((Record *) userdata)->n_list = json_cursor_get_size(at);
        return r;
}

static int read_object(const JsonCursor *at, void *userdata G_GNUC_UNUSED) {
        return json_expect_object(at);
}

static int read_word(const JsonCursor *at, void *userdata G_GNUC_UNUSED) {
        static const char *const near[] = { "network", "dbus", NULL }, *const expected[] = { "file", "env",
                                                                                             NULL };
        const char *word = "";

        return json_read_string(at, 0, 64, &word) < 0 ? -EBADMSG
                                                      : json_error_choice(at, "word", word, near, expected);
}

static const JsonField record_fields[] = {
        { "string", read_string, JSON_FIELD_REQUIRED },
        { "flag", read_flag, 0 },
        { "number", read_number, 0 },
        { "list", read_list, 0 },
        { "object", read_object, 0 },
        { "word", read_word, 0 },
        {},
};

static void test_read_refused(void **state G_GNUC_UNUSED) {
        static const struct {
                const char *name, *text, *findings;
        } cases[] = {
                { "not an object", "[1]", "1:1 error : Expected an object, found an array\n" },
                { "missing", "{}", "1:1 error : Key 'string' is missing\n" },
                { "string: number", "{'string': 5}",
                  "1:12 error /string: Expected a string, found an integer\n" },
                { "string: null", "{'string': null}", "1:12 error /string: Expected a string, found null\n" },
                { "string: true", "{'string': true}", "1:12 error /string: Expected a string, found true\n" },
                { "string: empty", "{'string': ''}",
                  "1:12 error /string: Expected a string that is not empty\n" },
                { "string: too long", "{'string': '123456789'}",
                  "1:12 error /string: The string has 9 bytes, expected at most 8\n" },
                { "string: newline", "{'string': 'a\\nb'}",
                  "1:12 error /string: Control character U+000A in a string, expected none\n" },
                { "string: C1 control", "{'string': 'a\\u0085'}",
                  "1:12 error /string: Control character U+0085 in a string, expected none\n" },
                { "flag: string", "{'string': 'x', 'flag': 'true'}",
                  "1:25 error /flag: Expected true or false, found a string\n" },
                { "flag: number", "{'string': 'x', 'flag': 1}",
                  "1:25 error /flag: Expected true or false, found an integer\n" },
                { "flag: null", "{'string': 'x', 'flag': null}",
                  "1:25 error /flag: Expected true or false, found null\n" },
                { "number: string", "{'string': 'x', 'number': '5'}",
                  "1:27 error /number: Expected an integer, found a string\n" },
                { "number: fraction", "{'string': 'x', 'number': 5.0}",
                  "1:27 error /number: Expected an integer, found a number with a fraction or an "
                  "exponent\n" },
                { "number: too large", "{'string': 'x', 'number': 65536}",
                  "1:27 error /number: 65536 is out of range, expected -2 to 65535\n" },
                { "number: too small", "{'string': 'x', 'number': -3}",
                  "1:27 error /number: -3 is out of range, expected -2 to 65535\n" },
                { "list: object", "{'string': 'x', 'list': {}}",
                  "1:25 error /list: Expected an array, found an object\n" },
                { "list: empty", "{'string': 'x', 'list': []}",
                  "1:25 error /list: The array has 0 elements, expected at least 1\n" },
                { "list: too long", "{'string': 'x', 'list': [1,2,3,4]}",
                  "1:25 error /list: The array has 4 elements, expected at most 3\n" },
                { "object: array", "{'string': 'x', 'object': []}",
                  "1:27 error /object: Expected an object, found an array\n" },
                { "word: near", "{'string': 'x', 'word': 'netwrok'}",
                  "1:25 error /word: Unknown word 'netwrok'; did you mean 'network', expected one "
                  "of: file, env\n" },
                { "word: far", "{'string': 'x', 'word': 'zzz'}",
                  "1:25 error /word: Unknown word 'zzz', expected one of: file, env\n" },
                { "unknown key", "{'string': 'x', 'flga': true}",
                  "1:17 error /flga: Unknown key 'flga'; did you mean 'flag', expected one of: "
                  "string, flag, number, list, object, word\n" },
                { "all are told", "{'flag': 1,\n 'number': 70000,\n 'bad': 0}",
                  "1:1 error : Key 'string' is missing\n"
                  "1:10 error /flag: Expected true or false, found an integer\n"
                  "2:12 error /number: 70000 is out of range, expected -2 to 65535\n"
                  "3:2 error /bad: Unknown key 'bad', expected one of: string, flag, number, list, "
                  "object, word\n" },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autoptr(JsonDocument) document = load(cases[i].text);
                Record record = { 0 };
                JsonCursor root;

                assert_true(json_document_get_root(document, &root));
                assert_int_equal(json_read_object(&root, record_fields, JSON_UNKNOWN_ERROR, &record),
                                 -EBADMSG);
                assert_findings(cases[i].name, document, cases[i].findings);
        }
}

static void test_read_good(void **state G_GNUC_UNUSED) {
        g_autoptr(JsonDocument) document = load(
                "{'string': 'äöü', 'flag': true, 'number': -2, 'list': [1, {}, 'x'], 'object': {}}");
        Record record = { 0 };
        JsonCursor root;

        assert_true(json_document_get_root(document, &root));
        assert_int_equal(json_read_object(&root, record_fields, JSON_UNKNOWN_ERROR, &record), 0);
        assert_findings("good", document, "");
        assert_string_equal(record.string, "äöü");
        assert_true(record.flag);
        assert_int_equal(record.number, -2);
        assert_int_equal(record.n_list, 3);
        assert_true(json_is_object(json_cursor_get_value(&root)));
        assert_string_equal(json_document_get_file(document), "test.json");
}

static void test_read_unknown_warning(void **state G_GNUC_UNUSED) {
        g_autoptr(JsonDocument) document = load("{'string': 'x',\n 'nmuber': 5, 'zzzz': [1]}");
        Record record = { 0 };
        JsonCursor root;

        assert_true(json_document_get_root(document, &root));
        assert_int_equal(json_read_object(&root, record_fields, JSON_UNKNOWN_WARNING, &record), 0);
        assert_false(json_document_has_errors(document));
        assert_findings("warnings", document,
                        "2:2 warning /nmuber: Unknown key 'nmuber'; did you mean 'number', expected one of: "
                        "string, flag, number, list, object, word\n"
                        "2:15 warning /zzzz: Unknown key 'zzzz', expected one of: "
                        "string, flag, number, list, object, word\n");
}

static void test_nearest(void **state G_GNUC_UNUSED) {
        static const char *const words[] = { "file",      "devicenode",     "env", "network", "dbus",
                                             "path-host", "path-container", NULL };
        static const struct {
                const char *word, *nearest;
        } cases[] = {
                { "netwrok", "network" },
                { "NETWORK", "network" },
                { "flie", "file" },
                { "envs", "env" },
                { "en", "env" },
                { "path_host", "path-host" },
                { "path-contaner", "path-container" },
                { "path", NULL },
                { "x", NULL },
                { "", NULL },
                { "wayland", NULL },
                { "devicenodes", "devicenode" },
                { "a-word-that-is-longer-than-any-that-is-worth-a-suggestion-in-a-manifest", NULL },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
                if (g_strcmp0(json_nearest(cases[i].word, words), cases[i].nearest) != 0)
                        fail_msg("'%s' is nearest to '%s'", cases[i].word,
                                 json_nearest(cases[i].word, words));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_load_refused),   cmocka_unit_test(test_load_bytes),
                cmocka_unit_test(test_load_depth),     cmocka_unit_test(test_load_sizes),
                cmocka_unit_test(test_places),         cmocka_unit_test(test_findings_order),
                cmocka_unit_test(test_findings_limit), cmocka_unit_test(test_findings_escape),
                cmocka_unit_test(test_get_error),      cmocka_unit_test(test_read_refused),
                cmocka_unit_test(test_read_good),      cmocka_unit_test(test_read_unknown_warning),
                cmocka_unit_test(test_nearest),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
