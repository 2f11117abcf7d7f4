/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Mount: something of the host that a caller shows in a sandbox by hand
 *
 * Reference counted; it is part of what a sandbox wants as long as the sandbox lists it.
 */
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "capabilities/settings.h"
#include "plan/plan.h"
#include "service/caller.h"
#include "util/error.h"
#include "util/wire.h"

typedef struct Mount {
        char *source; /* owned; normalized host path; of a descriptor "fd:N" */
        char *target; /* owned; normalized path inside */
        PlanBindFlags flags;
        int fd; /* owned; what a caller shows, until the shim has it; -EBADF = a path, or handed over */
        uint32_t number; /* of the descriptor in its sandbox; 0 = a path */
        bool has_caller; /* as in PlanItem, as the next three */
        uint32_t uid, gid;
        char *folder; /* owned */
} Mount;

/* Refuse with ERROR_INVALID_ARGS: flags beyond PlanBindFlags, and what no plan can hold. */
int mount_new(const char *source, const char *target, uint64_t flags, Mount **ret, Error *error);
/* Duplicates @fd. @number: of it in its sandbox, from 1 on; never used twice there. */
int mount_new_fd(int fd, uint32_t number, const char *target, uint64_t flags, Mount **ret, Error *error);
Mount *mount_ref(Mount *mount);
void mount_unref(Mount *mount); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Mount, mount_unref)

/*
 * May @caller show this? Then it notes for whom the app will stand. Root shows anything, as its owner. Others
 * show what lies in a folder of a policy (service/policy.h), and by descriptor what they could open
 * themselves: a regular file, folder, socket or fifo, for writing only what is theirs and, unless it is a
 * folder, was opened for writing. ERROR_ACCESS_DENIED, or ERROR_INVALID_ARGS for a descriptor of the wrong
 * kind.
 */
int mount_authorize(Mount *mount, const Settings *settings, const Caller *caller, Error *error);

/* In the name of "BindMount". */
int mount_add_to_plan(const Mount *mount, Plan *plan, Error *error);
int mounts_add_to_plan(const GPtrArray *mounts, Plan *plan, Error *error);
/* To and from a sandbox's record; the descriptor stays where it is. Reading believes nothing. */
void mount_put(WireWriter *writer, const Mount *mount);
int mount_get(WireReader *reader, Mount **ret, Error *error);
const Mount *mounts_find(const GPtrArray *mounts, const char *target); /* or NULL */
