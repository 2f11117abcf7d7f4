/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Files of the source tree, for tests of what is shipped
 */
#include <glib.h>

/* $BULKHEAD_SOURCE_ROOT is set by the build; without it the test was built by hand, with its full path or in
 * the top folder. Caller frees. */
static inline char *source_path(const char *path) {
        const char *root = g_getenv("BULKHEAD_SOURCE_ROOT");
        g_autofree char *unit = g_path_get_dirname(__FILE__);

        return root ? g_build_filename(root, path, NULL) : g_build_filename(unit, "..", "..", path, NULL);
}
