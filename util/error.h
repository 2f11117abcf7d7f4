/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Error: a code to branch on, a sentence to read, a place to look
 *
 * A function that can fail returns int: a negative errno on failure, 0 on success, positive only for outcomes
 * that the comment above it names. If a person or a client may need the reason, its last parameter is
 * `Error *error`: the caller's storage, may be NULL, set exactly once on failure and never touched on success.
 * Only the functions below create errors; each returns a negative errno, so `return error_setf(...)` is the
 * idiom. docs/errors.md has the whole rule.
 */
#include <errno.h>
#include <glib.h>
#include <stdarg.h>

typedef enum ErrorCode {
        ERROR_SYSTEM, /* the operating system refused; errnum says how */
        ERROR_INVALID_ARGS,
        ERROR_ACCESS_DENIED,
        ERROR_NO_SUCH_SANDBOX,
        ERROR_SANDBOX_EXISTS,
        ERROR_INVALID_NAME,
        ERROR_BAD_STATE,
        ERROR_UNKNOWN_CAPABILITY,
        ERROR_CAPABILITY_NOT_ALLOWED,
        ERROR_INVALID_MANIFEST,
        ERROR_CONFLICTING_CAPABILITIES,
        ERROR_NOT_MOUNTABLE,
        ERROR_EXEC_FAILED,
        ERROR_LIMIT_REACHED,
        ERROR_TIMEOUT,
        ERROR_UNSUPPORTED,
        ERROR_GATEWAY_FAILED,
        _ERROR_CODE_MAX,
        _ERROR_CODE_INVALID = -EINVAL,
} ErrorCode;

typedef struct Error {
        ErrorCode code;        /* what a program branches on; maps to one bus name */
        int errnum;            /* positive errno behind it, or 0 */
        char *message;         /* owned; one sentence: no newline, no full stop. NULL = no error set */
        char *file;            /* owned; manifest, template or settings file it came from, or NULL */
        char *path;            /* owned; JSON Pointer inside it, "/capabilities/0/name", or NULL */
        unsigned line, column; /* 1-based; 0 = unknown */
} Error;

#define ERROR_NULL ((Error){ 0 })

/* Name of a code as in the contract ("NoSuchSandbox"), and back; from_string gives _ERROR_CODE_INVALID for
 * anything else. */
const char *error_code_to_string(ErrorCode code);
ErrorCode error_code_from_string(const char *name);

/* Sets @error (if not NULL) and returns a negative errno that fits @code. */
int error_setf(Error *error, ErrorCode code, const char *format, ...) G_GNUC_PRINTF(3, 4);
int error_vsetf(Error *error, ErrorCode code, const char *format, va_list args) G_GNUC_PRINTF(3, 0);

/* The same for a failed system call: the message is "<text>: <strerror(errnum)>"; @errnum is positive and is
 * what is returned, negated. The code is ERROR_SYSTEM unless _code_ is given. */
int error_set_errnof(Error *error, int errnum, const char *format, ...) G_GNUC_PRINTF(3, 4);
int error_set_code_errnof(Error *error, ErrorCode code, int errnum, const char *format, ...)
        G_GNUC_PRINTF(4, 5);

/* Puts "<text>: " before the message of an error that is set already; returns @r. At most once per room. */
int error_prefixf(Error *error, int r, const char *format, ...) G_GNUC_PRINTF(3, 4);

/* Adds the place to an error that is set already; copies the strings (NULL = none). Returns @r. */
int error_set_place(Error *error, int r, const char *file, unsigned line, unsigned column, const char *path);

/* Converts where the foreign call stands; frees *gerror and clears it. */
int error_take_gerror(Error *error, ErrorCode code, GError **gerror);

/* Moves *from into @to and clears *from; @to may be NULL. Returns the negative errno of the error. */
int error_move(Error *to, Error *from);

/* Copies *from into the empty @to (may be NULL). Returns the negative errno of the error. */
int error_copy(Error *to, const Error *from);

/* The error as one line for people: "file:line:column: path: message", as much of it as is known.
 * Caller frees. */
char *error_format(const Error *error);

/* Negative errno that fits the error, -EIO if it has none. */
int error_get_errno(const Error *error);

void error_done(Error *error);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Error, error_done)
