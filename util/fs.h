/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Files by descriptor
 *
 * A path that an app, an image or a caller can influence is resolved inside a root descriptor by openat2(2)
 * with RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS, component by component where something has to be made, and is
 * used by descriptor from then on. Returned descriptors are close-on-exec.
 */
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "util/error.h"

/* openat2(2) of @path below @root_fd: the path may be absolute, and cannot leave the root by "..", by an absolute
 * link or by a magic link. @flags as of open(2), O_CLOEXEC is added. @resolve is added to
 * RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS (RESOLVE_NO_SYMLINKS, say). Returns the descriptor or a negative
 * errno. */
int fs_open_in(int root_fd, const char *path, int flags, mode_t mode, uint64_t resolve);

/* O_PATH of the absolute host path @path, component by component; -ELOOP for a link that does not belong to root: who
 * may write to a folder on the way must not choose where the way leads. Returns the descriptor or a negative errno. */
int fs_open_trusted(const char *path);

/* What fs_make_in() made and fs_unmake_in() takes away again: the paths, deepest last. */
typedef struct FsMade {
        GPtrArray *paths; /* owned char *, absolute below the root; NULL = nothing made */
        ino_t leaf_inode; /* of the leaf if it was made, else 0 */
} FsMade;
void fs_made_done(FsMade *made);

/* Makes sure that @path exists below @root_fd as a folder (@directory) or an empty file, with parents (folders
 * 0755, files 0644), owned by the caller's fsuid and fsgid; follows no symlink at all. Returns an O_PATH
 * descriptor of it; what had to be made is in *ret_made, also noted when a later part failed and undone then.
 * Errors: NOT_MOUNTABLE with the path for a link on the way, a component of the wrong kind, a read-only file
 * system. */
int fs_make_in(int root_fd, const char *path, bool directory, FsMade *ret_made, Error *error);

/* Removes what was made, as far as it is still empty and still the same; never fails, never follows a link. */
void fs_unmake_in(int root_fd, const FsMade *made);

/* Reads a whole file of at most @max bytes; the text gets a NUL behind it that does not count. -EFBIG above. */
int fs_read_file_at(int dir_fd, const char *path, size_t max, char **ret_text, size_t *ret_size, Error *error);

/* One write(2) of @text into an existing file (procfs, cgroupfs): -errno of open or write; never creates. */
int fs_write_file_at(int dir_fd, const char *path, const char *text);

/* Writes a new file and renames it over @path: readers see the old or the new one. */
int fs_replace_file_at(int dir_fd, const char *path, const char *text, mode_t mode, Error *error);

/* mkdir with all parents below @dir_fd (AT_FDCWD for host paths); existing folders are left as they are. */
int fs_make_folders(int dir_fd, const char *path, mode_t mode, Error *error);

/* Removes the entry @name below @dir_fd, and everything in it if it is a folder; follows no link, crosses no
 * mount. What is not there is fine. */
int fs_remove_recursive(int dir_fd, const char *name, Error *error);
