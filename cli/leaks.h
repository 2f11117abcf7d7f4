/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Leaks: what leaks.c finds, and leaks-fix.c takes away
 */
#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>

#include "util/cgroup.h"
#include "util/error.h"
#include "util/places.h"

typedef enum LeakKind {
        LEAK_FOLDER,
        LEAK_MOUNT,
        LEAK_CGROUP,
        LEAK_SHIM, /* lives; nothing of its number is touched */
} LeakKind;

typedef struct Leak {
        LeakKind kind;
        char *line;      /* owned; what is told of it */
        char *path;      /* owned */
        char *number;    /* owned; of the sandbox that it was */
        bool is_removed; /* by leaks_fix() */
        Error failure;   /* owned; why it could not be */
} Leak;

/* The cgroups in which @service (0 = none runs) has those of its sandboxes; NULL if they cannot be found. */
CgroupHost *leaks_open_cgroups(pid_t service);

/*
 * Removes each of @leaks (of Leak): what is mounted, the cgroups with the processes in them, the folder. Whatever has
 * the number of a shim that lives stays: it holds the lock of its folder, or is found among the processes.
 */
void leaks_fix(GPtrArray *leaks, const Places *places, pid_t service);
