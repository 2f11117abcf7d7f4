/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* cmocka.h needs those before it */
#include <cmocka.h>

#include "util/error.h"

/* the words of contract section 1, in the order of the enum */
static const char *const names[_ERROR_CODE_MAX] = {
        "System",
        "InvalidArgs",
        "AccessDenied",
        "NoSuchSandbox",
        "SandboxExists",
        "InvalidName",
        "BadState",
        "UnknownCapability",
        "CapabilityNotAllowed",
        "InvalidManifest",
        "ConflictingCapabilities",
        "NotMountable",
        "ExecFailed",
        "LimitReached",
        "Timeout",
        "Unsupported",
        "GatewayFailed",
};

static void test_names(void **state G_GNUC_UNUSED) {
        for (int code = 0; code < _ERROR_CODE_MAX; code++) {
                assert_string_equal(error_code_to_string((ErrorCode) code), names[code]);
                assert_int_equal(error_code_from_string(names[code]), code);
        }
        assert_null(error_code_to_string(_ERROR_CODE_MAX));
        assert_null(error_code_to_string(_ERROR_CODE_INVALID));
        assert_int_equal(error_code_from_string("Nothing"), _ERROR_CODE_INVALID);
        assert_int_equal(error_code_from_string(NULL), _ERROR_CODE_INVALID);
}

static int set_by_va(Error *error, ErrorCode code, const char *format, ...) G_GNUC_PRINTF(3, 4);
static int set_by_va(Error *error, ErrorCode code, const char *format, ...) {
        va_list args;
        int r;

        va_start(args, format);
        r = error_vsetf(error, code, format, args);
        va_end(args);
        return r;
}

static void test_set(void **state G_GNUC_UNUSED) {
        for (int code = 0; code < _ERROR_CODE_MAX; code++) {
                g_auto(Error) error = ERROR_NULL;
                g_auto(Error) other = ERROR_NULL;
                int r = error_setf(&error, (ErrorCode) code, "Value '%s' is not %d", "x", 7);

                assert_true(r < 0);
                assert_int_equal(error.code, code);
                assert_int_equal(error.errnum, 0);
                assert_string_equal(error.message, "Value 'x' is not 7");
                assert_null(error.file);
                assert_int_equal(error_get_errno(&error), r);
                /* the number is the same where nobody wants the words */
                assert_int_equal(error_setf(NULL, (ErrorCode) code, "x"), r);
                assert_int_equal(set_by_va(&other, (ErrorCode) code, "%s", "y"), r);
                assert_string_equal(other.message, "y");
        }
}

static void test_set_errno(void **state G_GNUC_UNUSED) {
        g_auto(Error) error = ERROR_NULL;
        g_auto(Error) other = ERROR_NULL;
        g_autofree char *text = g_strdup_printf("Cannot open '/x': %s", g_strerror(ENOENT));

        assert_int_equal(error_set_errnof(&error, ENOENT, "Cannot open '%s'", "/x"), -ENOENT);
        assert_int_equal(error.code, ERROR_SYSTEM);
        assert_int_equal(error.errnum, ENOENT);
        assert_string_equal(error.message, text);
        assert_int_equal(error_get_errno(&error), -ENOENT);

        assert_int_equal(error_set_code_errnof(&other, ERROR_EXEC_FAILED, ENOENT, "Cannot open '%s'", "/x"),
                         -ENOENT);
        assert_int_equal(other.code, ERROR_EXEC_FAILED);
        assert_int_equal(other.errnum, ENOENT);
        assert_string_equal(other.message, text);
        assert_int_equal(error_set_errnof(NULL, EPERM, "x"), -EPERM);
        assert_int_equal(error_set_code_errnof(NULL, ERROR_TIMEOUT, EPERM, "x"), -EPERM);
}

static void test_prefix(void **state G_GNUC_UNUSED) {
        g_auto(Error) error = ERROR_NULL;

        assert_int_equal(error_prefixf(&error, -5, "Sandbox '%s'", "a"), -5);
        assert_null(error.message); /* nothing to stand before */
        assert_int_equal(error_prefixf(NULL, -5, "Sandbox"), -5);
        error_set_errnof(&error, EPERM, "No");
        assert_int_equal(error_prefixf(&error, -6, "Sandbox '%s'", "a"), -6);
        assert_true(g_str_has_prefix(error.message, "Sandbox 'a': No: "));
        assert_int_equal(error.errnum, EPERM);
}

static void test_place(void **state G_GNUC_UNUSED) {
        g_auto(Error) error = ERROR_NULL;

        assert_int_equal(error_set_place(NULL, -5, "a.json", 1, 2, "/a"), -5);
        error_setf(&error, ERROR_INVALID_MANIFEST, "No");
        assert_int_equal(error_set_place(&error, -5, "a.json", 1, 2, "/a"), -5);
        assert_string_equal(error.file, "a.json");
        assert_string_equal(error.path, "/a");
        assert_int_equal(error.line, 1);
        assert_int_equal(error.column, 2);
        /* a second place takes over, without a leak */
        assert_int_equal(error_set_place(&error, -5, "b.json", 3, 0, NULL), -5);
        assert_string_equal(error.file, "b.json");
        assert_null(error.path);
        assert_int_equal(error.line, 3);
        assert_string_equal(error.message, "No");
}

static const struct {
        const char *name;
        Error error;
        const char *line;
} formats[] = {
        { "nothing set", { 0 }, "No error" },
        { "message only", { .message = (char *) "No" }, "No" },
        { "file", { .message = (char *) "No", .file = (char *) "a.json" }, "a.json: No" },
        { "line", { .message = (char *) "No", .file = (char *) "a.json", .line = 3 }, "a.json:3: No" },
        { "column",
          { .message = (char *) "No", .file = (char *) "a.json", .line = 3, .column = 4 },
          "a.json:3:4: No" },
        { "column without a line",
          { .message = (char *) "No", .file = (char *) "a.json", .column = 4 },
          "a.json: No" },
        { "line without a file", { .message = (char *) "No", .line = 3 }, "No" },
        { "all",
          { .message = (char *) "No",
            .file = (char *) "a.json",
            .line = 3,
            .column = 4,
            .path = (char *) "/a/0" },
          "a.json:3:4: /a/0: No" },
        { "the whole document",
          { .message = (char *) "No", .file = (char *) "a", .path = (char *) "" },
          "a: No" },
        { "path only", { .message = (char *) "No", .path = (char *) "/a" }, "/a: No" },
};

static void test_format(void **state G_GNUC_UNUSED) {
        for (size_t i = 0; i < G_N_ELEMENTS(formats); i++) {
                g_autofree char *line = error_format(&formats[i].error);

                if (strcmp(line, formats[i].line) != 0)
                        fail_msg("%s: '%s'", formats[i].name, line);
        }
}

static void test_move(void **state G_GNUC_UNUSED) {
        g_auto(Error) from = ERROR_NULL;
        g_auto(Error) to = ERROR_NULL;
        const char *message;
        int r;

        r = error_setf(&from, ERROR_BAD_STATE, "Frozen");
        error_set_place(&from, r, "a", 1, 1, NULL);
        message = from.message;
        assert_int_equal(error_move(&to, &from), r);
        assert_ptr_equal(to.message, message);
        assert_int_equal(to.code, ERROR_BAD_STATE);
        assert_null(from.message);
        assert_null(from.file);
        assert_int_equal(error_move(NULL, &to), r);
        assert_null(to.message); /* freed: the sanitizer would tell */
}

static void test_gerror(void **state G_GNUC_UNUSED) {
        GError *gerror = g_error_new_literal(G_FILE_ERROR, G_FILE_ERROR_NOENT, "No '%s' here");
        g_auto(Error) error = ERROR_NULL;
        g_auto(Error) other = ERROR_NULL;

        assert_true(error_take_gerror(&error, ERROR_INVALID_MANIFEST, &gerror) < 0);
        assert_null(gerror);
        assert_string_equal(error.message, "No '%s' here");
        assert_int_equal(error.code, ERROR_INVALID_MANIFEST);
        assert_true(error_take_gerror(&other, ERROR_SYSTEM, &gerror) < 0);
        assert_non_null(other.message);
}

static void test_get_errno(void **state G_GNUC_UNUSED) {
        static const struct {
                Error error;
                int r;
        } cases[] = {
                { { .code = ERROR_TIMEOUT }, -ETIMEDOUT },
                { { .code = ERROR_TIMEOUT, .errnum = EINTR }, -EINTR },
                { { .code = ERROR_TIMEOUT, .errnum = -EINTR }, -ETIMEDOUT },
                { { .code = _ERROR_CODE_INVALID }, -EIO },
                { { .code = _ERROR_CODE_MAX }, -EIO },
                { { 0 }, -EIO },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
                assert_int_equal(error_get_errno(&cases[i].error), cases[i].r);
}

static void test_done(void **state G_GNUC_UNUSED) {
        Error error = ERROR_NULL;

        error_done(&error);
        error_setf(&error, ERROR_TIMEOUT, "x");
        error_set_place(&error, -1, "a", 1, 1, "/b");
        error_done(&error);
        assert_null(error.message);
        assert_null(error.file);
        assert_null(error.path);
        assert_int_equal(error.code, 0);
        error_done(&error);
        /* ready for the next one */
        assert_true(error_setf(&error, ERROR_TIMEOUT, "y") < 0);
        error_done(&error);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_names),     cmocka_unit_test(test_set),
                cmocka_unit_test(test_set_errno), cmocka_unit_test(test_prefix),
                cmocka_unit_test(test_place),     cmocka_unit_test(test_format),
                cmocka_unit_test(test_move),      cmocka_unit_test(test_gerror),
                cmocka_unit_test(test_get_errno), cmocka_unit_test(test_done),
        };

        return cmocka_run_group_tests_name("error", tests, NULL, NULL);
}
