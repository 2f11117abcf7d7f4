/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Mounts by descriptor: open_tree(2), mount_setattr(2), move_mount(2)
 *
 * A tree is cloned, given its attributes while nobody can see it, and attached to a descriptor: no path is
 * looked up twice, and there is no moment in which a read-only bind is writable. Needs Linux 5.12.
 */
#include <stdbool.h>
#include <stdint.h>

#include "util/error.h"

/* A detached, private copy of the mount at @path (below @dir_fd; "" = @dir_fd itself). */
int mount_clone(int dir_fd, const char *path, bool recursive, int *ret_tree_fd, Error *error);

/* Adds MOUNT_ATTR_* to a tree that is not attached yet, and @idmap_fd's map unless that is negative.
 * @what is for messages. ERROR_NOT_MOUNTABLE if its file system cannot be idmapped. */
int mount_set_attributes(int tree_fd, uint64_t attributes, int idmap_fd, bool recursive, const char *what,
                         Error *error);

/* Attaches it on top of what @target_fd (O_PATH) stands for. */
int mount_attach(int tree_fd, int target_fd, const char *what, Error *error);

/* Attaches it beneath the mount whose root @target_fd stands for, to be seen when that one is taken off. -EINVAL
 * where the kernel cannot (before Linux 6.5). */
int mount_attach_beneath(int tree_fd, int target_fd);

/* All in one, onto an absolute path of our own mount namespace. */
int mount_bind(int dir_fd, const char *source, const char *target, uint64_t attributes, int idmap_fd,
               Error *error);

/* A new file system as a detached mount (fsopen(2), fsmount(2)) with MOUNT_ATTR_* @attributes. @options are those of
 * the type, "size=1M,mode=0755". ERROR_NOT_MOUNTABLE with the kernel's own words, beginning with @what. */
int mount_create(const char *type, const char *options, uint64_t attributes, const char *what, int *ret_tree_fd,
                 Error *error);

/* mount(2) of a new file system, with words. */
int mount_new(const char *type, const char *target, unsigned long flags, const char *options, Error *error);
