/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the files of a root file system share; rootfs.c puts them in order
 */
#include <glib.h>
#include <stdbool.h>
#include <sys/mount.h>
#include <sys/types.h>

#include "shim/rootfs.h"

/* Without an upper the skeleton itself still has to stand somewhere. */
#define SKELETON_SIZE (1024 * 1024)

#define READ_ONLY_LAYER (MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV)

/* What an overlay is made of: descriptors of detached trees, their ids mapped. */
typedef struct Overlay {
        GArray *lower_fds;       /* owned; top first */
        int upper_fd;            /* owned; a folder with the two below in it; negative = in memory */
        const char *upper, *work; /* their names */
        uint64_t size;           /* of an upper in memory */
} Overlay;

typedef struct RootfsMount RootfsMount; /* rootfs-mounts.c */

typedef struct Rootfs {
        const Spec *spec; /* not owned */
        int userns_fd;    /* not owned; negative = ids inside are the host's */
        uint32_t root_id; /* on the host, of the sandbox's root */
        Overlay overlay;
        bool has_host_usr;
        guint n_above_usr; /* layers above the host's /usr */
        GPtrArray *mounts; /* owned, of RootfsMount */
        char *resolver;    /* owned; the host's resolver file, or NULL */
        int root_fd;       /* owned */
} Rootfs;

/* rootfs-layers.c */
void overlay_init(Overlay *overlay);
void overlay_done(Overlay *overlay);
/* The detached tree of a folder or an image of the host, read-only, with ids of @userns_fd. -ENOENT, and *error as
 * for any failure, if it is not there. */
int rootfs_open_layer(const char *path, int userns_fd, int *ret_tree_fd, Error *error);
/* The layers of the spec, and its upper if that is kept. They may lie where the scratch folder will be: call it
 * before that is mounted. */
int rootfs_open_layers(Rootfs *rootfs, Error *error);
/* Whether the root is an overlay, or a plain tmpfs. */
bool rootfs_has_overlay(const Rootfs *rootfs);
/* Mounts it on @target, with what it needs in a new folder @scratch. */
int rootfs_mount_overlay(const Rootfs *rootfs, const Overlay *overlay, const char *scratch, const char *target,
                         Error *error);
/* A tmpfs that belongs to the sandbox's root. */
int rootfs_mount_tmpfs(const Rootfs *rootfs, const char *target, uint64_t size, Error *error);

/* rootfs-files.c: what is made belongs to the sandbox's root; call these as it (shim/identity.h). */

/* Makes a folder or empty file in the root if it is not there, without following any link of an image. */
int rootfs_make_inside(const Rootfs *rootfs, const char *path, bool directory, int *ret_fd, Error *error);
/* @uid is the owner inside. A folder that the image has keeps its mode. */
int rootfs_make_folder(const Rootfs *rootfs, const char *path, mode_t mode, uint32_t uid, Error *error);
/* Folders, those of the template too, the app's home, and the files of /etc that an image has not. */
int rootfs_make_skeleton(const Rootfs *rootfs, Error *error);
/* The host's resolver file, before /run is covered; nothing if it has none. */
void rootfs_read_resolver(Rootfs *rootfs);

/* rootfs-mounts.c: Mount= of the template. The sources are opened while the host's paths are there, and mounted when
 * the root is filled. */
int rootfs_open_mounts(Rootfs *rootfs, Error *error);
int rootfs_attach_mounts(const Rootfs *rootfs, Error *error);
