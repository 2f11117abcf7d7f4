/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A temporary folder with files that a test writes, gone with all in it at the end
 */
#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/fs.h"

/* For cmocka's setup and teardown; *state is the path. */
static inline int folder_setup(void **state) {
        *state = g_dir_make_tmp("bulkhead-test-XXXXXX", NULL);
        return *state ? 0 : -1;
}

static inline int folder_teardown(void **state) {
        g_autofree char *path = *state;
        g_autofree char *parent = g_path_get_dirname(path), *name = g_path_get_basename(path);
        int fd = open(parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
        int r;

        r = fs_remove_recursive(fd, name, NULL);
        (void) close(fd);
        return r;
}

/* Writes @name below the folder, with every ' as "; @text NULL = a folder. Its path lives as long as the
 * program. */
static inline const char *folder_put(const char *folder, const char *name, const char *text) {
        g_autofree char *path = g_build_filename(folder, name, NULL), *parent = g_path_get_dirname(path);
        g_autofree char *quoted = g_strdup(text);

        (void) g_mkdir_with_parents(text ? parent : path, 0755);
        for (char *p = quoted; p && *p; p++)
                if (*p == '\'')
                        *p = '"';
        if (text && (!g_file_set_contents(path, quoted, -1, NULL) || chmod(path, 0644) < 0))
                g_error("Cannot write '%s'", path);
        return g_intern_string(path);
}
