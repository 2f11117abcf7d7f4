/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Root file system of a sandbox
 *
 * Put together in a mount namespace of the monitor's own before liblxc starts: nothing of it is ever in the
 * host's mount table, and nothing has to be undone when the monitor is gone. Layers, folders and images, are shown
 * with their ids mapped into the sandbox's range; writes go to a tmpfs of a limited size, or to a folder that is
 * kept.
 */
#include "plan/spec.h"
#include "util/error.h"

/* Where the monitor keeps everything in its own namespace: a tmpfs over the host's /run. */
#define ROOTFS_SCRATCH "/run"
#define ROOTFS_PATH    ROOTFS_SCRATCH "/root"  /* the assembled root */
/* The layers and the upper of a root that is an overlay, else there is no such folder; then the root itself is the
 * upper. Below it ROOTFS_UP/upper is what was written. */
#define ROOTFS_LAYERS ROOTFS_SCRATCH "/layers"
#define ROOTFS_UP     "up"
#define ROOTFS_PIVOT   ROOTFS_SCRATCH "/pivot" /* where liblxc binds it before it enters */

/* Makes the calling process's mount namespace its own, and the root in it, owned by id 0 of @userns_fd's map (negative: the
 * host's).
 * @cgroup_mount is hidden, so that liblxc's cgroup driver finds nothing to do (it would cost 18 ms). Call it in
 * a process that is there for this only: on failure its mount namespace is left half made. */
int rootfs_assemble(const Spec *spec, int userns_fd, const char *cgroup_mount, Error *error);
