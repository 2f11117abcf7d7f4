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

/* Where apply() and undo() of a kind run. */
typedef enum ApplyPlace {
        APPLY_OUTSIDE,
        APPLY_IN_MOUNTS,  /* in the sandbox's mount namespace; applier->root_fd is its root */
        APPLY_IN_NETWORK, /* in its network namespace, with our mounts */
} ApplyPlace;

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
        void *data;  /* the kind's own; its done() sees to it */
} Step;

typedef struct Devices Devices; /* apply-device.c */
typedef struct Limits Limits;   /* apply-limit.c */
typedef struct Network Network; /* network.c */

struct Applier {
        const Spec *spec;     /* not owned */
        Container *container; /* not owned */
        CgroupBox *box;       /* not owned */
        Loop *loop;           /* not owned */
        ShimReport *report;   /* not owned */
        Plan *plan;           /* owned; in force */
        GHashTable *sources;  /* number -> owned int *, what callers show by descriptor */
        GHashTable *mounts;   /* target -> owned Mount */
        GHashTable *sockets;  /* key of a PLAN_SOCKET -> owned SocketProxy */
        GHashTable *buses;    /* key of a PLAN_BUS -> owned BusProxy */
        const char *helper_folder, *runtime_folder, *instance_id; /* not owned */
        GHashTable *idmaps;   /* what a one-id map says -> owned int *, its user namespace */
        Devices *devices;     /* owned; NULL until the first device */
        Limits *limits;       /* owned; NULL until the first limit */
        Network *network;     /* owned; NULL once the sandbox has ended */
        const Plan *wanted;   /* while it is being put in force */
        ApplyPlace place;     /* where we are */
        int root_fd;          /* the sandbox's "/" in APPLY_IN_MOUNTS, else -EBADF */
};

typedef struct ApplyOps {
        ApplyPlace place;
        /* Outside, before anything is changed. */
        int (*prepare)(Applier *applier, Step *step, Error *error);
        /* After a failure the step has changed nothing. */
        int (*apply)(Applier *applier, Step *step, Error *error);
        /* Cannot fail. The steps after it were undone before. */
        void (*undo)(Applier *applier, Step *step);
        void (*done)(Step *step);
} ApplyOps;

extern const ApplyOps apply_bind_ops;   /* apply-mount.c */
extern const ApplyOps apply_device_ops; /* apply-device.c */
extern const ApplyOps apply_limit_ops;  /* apply-limit.c */
extern const ApplyOps apply_rule_ops;   /* apply-network.c */
extern const ApplyOps apply_link_ops;   /* apply-network.c */
extern const ApplyOps apply_socket_ops; /* apply-socket.c */
extern const ApplyOps apply_bus_ops;    /* apply-bus.c */
extern const ApplyOps apply_bus_rule_ops;

/* ---- apply.c: for what happens in the sandbox without a plan ---- */

int applier_enter(Applier *applier, ApplyPlace place, Error *error);
/* Also after an enter that failed. Cannot fail: a shim that does not find out is ended, and its sandbox with it. */
void applier_leave(Applier *applier);

/* ---- apply-mount.c ---- */

/* Inside: makes *tree_fd, which it takes on success (negative: nothing), what is mounted on @target, in the place of
 * what @mounts (target -> owned Mount) has there. After a failure the target may be bare. */
int mount_set(Applier *applier, GHashTable *mounts, const char *target, int *tree_fd, Error *error);
void mount_free(void *mount);

/* A kind's step: makes step->tree_fd what is mounted on @target, for good or until it is undone. After a failure it
 * is as before. @is_recursive: what is there now has mounts below. */
int apply_mount_step(Applier *applier, Step *step, const char *target, bool is_recursive, Error *error);
void apply_mount_step_undo(Applier *applier, Step *step, const char *target);

/* ---- apply-device.c ---- */

void devices_free(Devices *devices);

/* ---- apply-limit.c ---- */

void limits_free(Limits *limits);

/* ---- apply-socket.c ---- */

GHashTable *apply_sockets_new(void);

/* ---- apply-bus.c ---- */

GHashTable *apply_buses_new(void);
/* Gives each proxy the rules of the plan that is in force now. */
void apply_buses_follow(const Applier *applier);
