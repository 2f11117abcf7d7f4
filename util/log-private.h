/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* For log.c and its test; nobody else. */
#include "util/log.h"

/* log_open() with the journal's socket at @socket_path. */
void log_open_at(const char *program, gboolean journal, const char *socket_path);
