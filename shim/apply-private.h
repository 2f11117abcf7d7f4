/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * For apply.c and the files of its kinds of items; nobody else
 *
 * A kind says how its steps are carried out. Every slot but apply and undo may be empty.
 */
#include "plan/plan-diff.h"
#include "shim/apply.h"
#include "util/fs.h"

/* A bind that is in force. */
typedef struct Mount {
        int tree_fd;   /* owned; the mount itself */
        FsMade made;   /* what had to be made for its target */
} Mount;

/* One step on its way. */
typedef struct Step {
        PlanStep plan;
        int tree_fd; /* owned; to attach; -EBADF = nothing, also for an optional source that is not there */
        int undo_fd; /* owned; copy of what was mounted before; -EBADF = nothing was */
} Step;

struct Applier {
        const Spec *spec;     /* not owned */
        Container *container; /* not owned */
        Plan *plan;           /* owned; in force */
        GHashTable *sources;  /* number -> owned int *, what callers show by descriptor */
        GHashTable *mounts;   /* target -> owned Mount */
        GHashTable *idmaps;   /* what a one-id map says -> owned int *, its user namespace */
        int root_fd;          /* the sandbox's "/" while steps are carried out, else -EBADF */
};

typedef struct ApplyOps {
        /* Outside, before anything is changed. */
        int (*prepare)(Applier *applier, Step *step, Error *error);
        /* In the sandbox's mount namespace. After a failure the step has changed nothing. */
        int (*apply)(Applier *applier, Step *step, Error *error);
        void (*undo)(Applier *applier, Step *step);
        void (*done)(Step *step);
} ApplyOps;

extern const ApplyOps apply_bind_ops; /* apply-mount.c */

void mount_free(void *mount);
