/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Log: to the journal with fields where there is one, else to stderr
 *
 * Libraries return errors; only edges (main files, bus handlers, event callbacks) log, once per failure.
 * log_debug() is free everywhere. The journal is spoken to in its native protocol
 * (https://systemd.io/JOURNAL_NATIVE_PROTOCOL/), so that the shim need not map libsystemd.
 * On stderr a line is "<program>: <message>", with "<n>" in front where stderr is the journal's own stream.
 */
#include <glib.h>
#include <syslog.h>

#include "util/error.h"

/* Opens the log. @program is static. If JOURNAL_STREAM names our stderr or @journal is true and
 * /run/systemd/journal/socket answers, lines go to the journal. Default level LOG_INFO. */
void log_open(const char *program, gboolean journal);
void log_set_level(int level);                   /* LOG_ERR ... LOG_DEBUG */
int log_level_from_string(const char *name);     /* "err" "warning" "notice" "info" "debug"; -EINVAL */

/* @fields: NULL-terminated pairs of name and value ("SANDBOX", "maps"); NULL = none. A NULL value is left out.
 * Control characters of the message are escaped on stderr. errno is kept. */
void log_full(int level, const char *const *fields, const char *format, ...) G_GNUC_PRINTF(3, 4);

#define log_debug(...)   log_full(LOG_DEBUG, NULL, __VA_ARGS__)
#define log_info(...)    log_full(LOG_INFO, NULL, __VA_ARGS__)
#define log_notice(...)  log_full(LOG_NOTICE, NULL, __VA_ARGS__)
#define log_warning(...) log_full(LOG_WARNING, NULL, __VA_ARGS__)
#define log_error(...)   log_full(LOG_ERR, NULL, __VA_ARGS__)

/* "<text>: <the error with its place>", with MANIFEST_FILE, MANIFEST_LINE and ERRNO as fields. */
void log_failure(int level, const Error *error, const char *format, ...) G_GNUC_PRINTF(3, 4);
