/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Mounts of a template: a line of fstab(5) each, "SOURCE TARGET TYPE OPTIONS"
 *
 * What may stand in one is what a sandbox can be given without taking a wall down: tmpfs, overlay, images,
 * and binds of host paths. nosuid and nodev hold for each of them.
 */
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "util/error.h"

typedef enum SpecMountKind {
        SPEC_MOUNT_BIND,
        SPEC_MOUNT_TMPFS,
        SPEC_MOUNT_OVERLAY,
        SPEC_MOUNT_IMAGE, /* squashfs or erofs */
} SpecMountKind;

typedef struct SpecMount {
        SpecMountKind kind;
        char *source;        /* owned; absolute on the host for a bind and an image, else any word */
        char *target;        /* owned; absolute inside */
        uint64_t attributes; /* MOUNT_ATTR_* of mount_setattr(2); NOSUID and NODEV are always there */
        bool is_recursive;   /* of a bind: with what is mounted below */
        bool is_optional;    /* it is fine if the source is not there */
        GString *data;       /* owned; of a tmpfs: size=..., nr_inodes=...; without mode, uid and gid */
        bool has_size;       /* of a tmpfs */
        uint32_t mode;       /* of a tmpfs's top folder */
        uint32_t uid, gid;   /* of that folder, inside */
        char **lower;        /* owned; of an overlay: absolute host folders, top first */
        char *upper;         /* owned; of an overlay, absolute on the host; NULL = in memory */
        char *work;          /* owned; in the same folder as upper */
} SpecMount;

#define SPEC_MOUNT_NULL ((SpecMount){ 0 })

/* Reads a line; words are separated by spaces and tabs, "\040" and the like stand for characters as in
 * fstab(5). ERROR_INVALID_ARGS says which word is wrong and what is expected. spec_mount_done() what it
 * filled. */
int spec_mount_parse(const char *line, SpecMount *ret, Error *error);
void spec_mount_done(SpecMount *mount);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(SpecMount, spec_mount_done)
