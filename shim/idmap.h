/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Idmap: user namespaces, for the sandbox itself and as maps of idmapped mounts (mount_setattr(2))
 *
 * As the sandbox's namespace a map says which host ids stand for the ids inside. As the map of a mount it says
 * under which host id the file of an id on disk appears; the sandbox then translates that back.
 */
#include <stdbool.h>
#include <stdint.h>

#include "util/error.h"

typedef struct Idmap {
        uint32_t uid_inside, uid_outside; /* first of the range; "inside" is the disk's side in a mount's map */
        uint32_t gid_inside, gid_outside;
        uint32_t count;
} Idmap;

/* Makes a user namespace with this map and returns a descriptor that holds it, close-on-exec. With
 * @is_sandbox, user namespaces below it are forbidden for good (its max_user_namespaces is 0). Costs a fork. */
int idmap_open(const Idmap *map, bool is_sandbox, int *ret_fd, Error *error);
