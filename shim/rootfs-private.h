/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the files of a root file system share: rootfs.c puts them in order
 */
#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>

#include "shim/rootfs.h"

/* Without an upper the skeleton itself still has to stand somewhere. */
#define SKELETON_SIZE (1024 * 1024)

typedef struct Rootfs {
        const Spec *spec;  /* not owned */
        int userns_fd;     /* not owned */
        GArray *layer_fds; /* owned detached trees of the folder layers, top first */
        bool has_host_usr;
        int root_fd; /* owned */
} Rootfs;

/* rootfs-files.c: what is made belongs to the sandbox's root; call these as it (shim/identity.h). */

/* Makes a folder or empty file in the root if it is not there, without following any link of an image. */
int rootfs_make_inside(const Rootfs *rootfs, const char *path, bool directory, int *ret_fd, Error *error);
/* @uid is the owner inside. A folder that the image has keeps its mode. */
int rootfs_make_folder(const Rootfs *rootfs, const char *path, mode_t mode, uint32_t uid, Error *error);
/* Folders, those of the template too, the app's home, and the files of /etc that an image has not. */
int rootfs_make_skeleton(const Rootfs *rootfs, Error *error);
