/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Snapshot: what was written in a sandbox, as a squashfs image that is a layer for others
 *
 * A child of ours reads the upper, in the monitor's mount namespace, and gives it to mksquashfs(1) as a tar
 * stream, so that the program that parses what an app has made, runs with the id of nobody, no privileges and
 * no network, and sees none of the host's files but its own. The child then copies the image into the
 * caller's descriptor, which may block it as long as it likes: it is killed when its time is over.
 */
#include "plan/spec.h"
#include "util/error.h"
#include "util/loop.h"

typedef struct Snapshot Snapshot;

typedef struct SnapshotSetup {
        Loop *loop;
        const Spec *spec; /* not owned, as long as the snapshot lives */
        pid_t monitor;    /* whose mount namespace has the upper */
        int file_fd;      /* where the image goes; stays the caller's, who may close it */
        uint64_t timeout_usec;
} SnapshotSetup;

/* @error NULL = the image is written, whole. */
typedef void (*SnapshotDone)(void *userdata, const Error *error);

/* Calls @done once, from the loop; snapshot_free() it then. ERROR_BAD_STATE without an upper,
 * ERROR_UNSUPPORTED without mksquashfs. */
int snapshot_start(const SnapshotSetup *setup, SnapshotDone done, void *userdata, Snapshot **ret,
                   Error *error);
/* Ends it without a call if it is under way. */
void snapshot_free(Snapshot *snapshot);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Snapshot, snapshot_free)
