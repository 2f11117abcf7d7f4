/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Archive: a folder's tree as a tar stream (pax of POSIX.1-2001), for mksquashfs(1) -tar
 *
 * Made of an upper, so that it says what an upper says: overlayfs's deletions are devices 0:0, its opaque
 * folders have their mark, and nothing else of overlayfs's own is in it. Ids are those inside. Left out are
 * sockets, marks of other systems (of the extended attributes only user.* go along), and what vanishes while
 * it is read.
 */
#include <stdint.h>

#include "util/error.h"

/* Called every now and then with what was written so far. */
typedef void (*ArchiveProgress)(void *userdata, uint64_t n_bytes);

/* Writes what is below @folder_fd (not O_PATH), but not the folder itself, to @output_fd, and blocks there.
 * Files of other ids than @id_base and @id_count behind it become nobody's. No link is followed.
 * ERROR_LIMIT_REACHED above ARCHIVE_DEPTH_MAX or ARCHIVE_BYTES_MAX. */
int archive_write(int folder_fd, uint32_t id_base, uint32_t id_count, int output_fd, ArchiveProgress progress,
                  void *userdata, Error *error);
