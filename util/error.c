/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "util/error.h"

#include "util/enum-table.h"

static const char *const error_code_names[_ERROR_CODE_MAX] = {
        [ERROR_SYSTEM] = "System",
        [ERROR_INVALID_ARGS] = "InvalidArgs",
        [ERROR_ACCESS_DENIED] = "AccessDenied",
        [ERROR_NO_SUCH_SANDBOX] = "NoSuchSandbox",
        [ERROR_SANDBOX_EXISTS] = "SandboxExists",
        [ERROR_INVALID_NAME] = "InvalidName",
        [ERROR_BAD_STATE] = "BadState",
        [ERROR_UNKNOWN_CAPABILITY] = "UnknownCapability",
        [ERROR_CAPABILITY_NOT_ALLOWED] = "CapabilityNotAllowed",
        [ERROR_INVALID_MANIFEST] = "InvalidManifest",
        [ERROR_CONFLICTING_CAPABILITIES] = "ConflictingCapabilities",
        [ERROR_NOT_MOUNTABLE] = "NotMountable",
        [ERROR_EXEC_FAILED] = "ExecFailed",
        [ERROR_LIMIT_REACHED] = "LimitReached",
        [ERROR_TIMEOUT] = "Timeout",
        [ERROR_UNSUPPORTED] = "Unsupported",
        [ERROR_GATEWAY_FAILED] = "GatewayFailed",
};

ENUM_TABLE_DEFINE(error_code, ErrorCode, _ERROR_CODE_MAX)

/* What a caller gets who only looks at the number. */
static const int error_code_errnos[_ERROR_CODE_MAX] = {
        [ERROR_SYSTEM] = EIO,
        [ERROR_INVALID_ARGS] = EINVAL,
        [ERROR_ACCESS_DENIED] = EACCES,
        [ERROR_NO_SUCH_SANDBOX] = ENOENT,
        [ERROR_SANDBOX_EXISTS] = EEXIST,
        [ERROR_INVALID_NAME] = EINVAL,
        [ERROR_BAD_STATE] = EBUSY,
        [ERROR_UNKNOWN_CAPABILITY] = ENOENT,
        [ERROR_CAPABILITY_NOT_ALLOWED] = EACCES,
        [ERROR_INVALID_MANIFEST] = EBADMSG,
        [ERROR_CONFLICTING_CAPABILITIES] = EEXIST,
        [ERROR_NOT_MOUNTABLE] = ENOTSUP,
        [ERROR_EXEC_FAILED] = ENOEXEC,
        [ERROR_LIMIT_REACHED] = EDQUOT,
        [ERROR_TIMEOUT] = ETIMEDOUT,
        [ERROR_UNSUPPORTED] = EOPNOTSUPP,
        [ERROR_GATEWAY_FAILED] = EIO,
};

int error_get_errno(const Error *error) {
        if (error->errnum > 0)
                return -error->errnum;
        if ((int) error->code < 0 || error->code >= _ERROR_CODE_MAX)
                return -EIO;
        return -error_code_errnos[error->code];
}

int error_vsetf(Error *error, ErrorCode code, const char *format, va_list args) {
        g_assert(code >= 0 && code < _ERROR_CODE_MAX);

        if (error) {
                g_assert(!error->message);
                error->code = code;
                error->message = g_strdup_vprintf(format, args);
        }
        return -error_code_errnos[code];
}

int error_setf(Error *error, ErrorCode code, const char *format, ...) {
        va_list args;
        int r;

        va_start(args, format);
        r = error_vsetf(error, code, format, args);
        va_end(args);
        return r;
}

G_GNUC_PRINTF(4, 0)
static int set_errno_va(Error *error, ErrorCode code, int errnum, const char *format, va_list args) {
        g_assert(errnum > 0);

        if (error) {
                g_autofree char *text = g_strdup_vprintf(format, args);

                g_assert(!error->message);
                error->code = code;
                error->errnum = errnum;
                error->message = g_strdup_printf("%s: %s", text, g_strerror(errnum));
        }
        return -errnum;
}

int error_set_errnof(Error *error, int errnum, const char *format, ...) {
        va_list args;
        int r;

        va_start(args, format);
        r = set_errno_va(error, ERROR_SYSTEM, errnum, format, args);
        va_end(args);
        return r;
}

int error_set_code_errnof(Error *error, ErrorCode code, int errnum, const char *format, ...) {
        va_list args;
        int r;

        va_start(args, format);
        r = set_errno_va(error, code, errnum, format, args);
        va_end(args);
        return r;
}

int error_prefixf(Error *error, int r, const char *format, ...) {
        g_assert(r < 0);

        if (error && error->message) {
                g_autofree char *rest = error->message;
                g_autofree char *text = NULL;
                va_list args;

                va_start(args, format);
                text = g_strdup_vprintf(format, args);
                va_end(args);
                error->message = g_strdup_printf("%s: %s", text, rest);
        }
        return r;
}

int error_set_place(Error *error, int r, const char *file, unsigned line, unsigned column, const char *path) {
        g_assert(r < 0);

        if (!error)
                return r;
        g_free(error->file);
        error->file = g_strdup(file);
        g_free(error->path);
        error->path = g_strdup(path);
        error->line = line;
        error->column = column;
        return r;
}

int error_take_gerror(Error *error, ErrorCode code, GError **gerror) {
        int r = error_setf(error, code, "%s", *gerror ? (*gerror)->message : "Unknown error");

        g_clear_error(gerror);
        return r;
}

int error_move(Error *to, Error *from) {
        int r = error_get_errno(from);

        if (to) {
                g_assert(!to->message);
                *to = *from;
                *from = ERROR_NULL;
        } else
                error_done(from);
        return r;
}

int error_copy(Error *to, const Error *from) {
        if (to) {
                g_assert(!to->message);
                *to = *from;
                to->message = g_strdup(from->message);
                to->file = g_strdup(from->file);
                to->path = g_strdup(from->path);
        }
        return error_get_errno(from);
}

char *error_format(const Error *error) {
        GString *line = g_string_new(NULL);

        if (error->file) {
                g_string_append(line, error->file);
                if (error->line > 0)
                        g_string_append_printf(line, ":%u", error->line);
                if (error->line > 0 && error->column > 0)
                        g_string_append_printf(line, ":%u", error->column);
                g_string_append(line, ": ");
        }
        if (error->path && error->path[0])
                g_string_append_printf(line, "%s: ", error->path);
        g_string_append(line, error->message ?: "No error");
        return g_string_free(line, FALSE);
}

void error_done(Error *error) {
        g_clear_pointer(&error->message, g_free);
        g_clear_pointer(&error->file, g_free);
        g_clear_pointer(&error->path, g_free);
        *error = ERROR_NULL;
}
