/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Check: everything that is wrong in files on their way to a system
 *
 * Reads what it is told and nothing else; no service, no root, no network. What a folder is, its content
 * says: one with usr/share/bulkhead, etc/bulkhead or run/bulkhead below it is the root of an image, and is
 * read as the service would read it there, levels, owners and all. Any other is searched for *.json, for
 * bulkhead.conf and
 * *.conf in a bulkhead.conf.d, and for templates: *.conf in a templates.d, or that begin with a section of
 * templates; then the folders below it, each by itself, links to folders not followed.
 */
#include <glib.h>

#include "capabilities/finding.h"
#include "util/places.h"

typedef struct Check {
        GPtrArray *findings; /* owned, of Finding */
        guint n_files;       /* that were read */
} Check;

Check *check_new(void);
void check_free(Check *check);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Check, check_free)

/* A file or a folder; findings name files as @path does. */
void check_add_path(Check *check, const char *path);

/* All of one instance, as the service loads it. */
void check_add_places(Check *check, const Places *places);
