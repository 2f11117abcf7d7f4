/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Spec: what a sandbox is made of before anything is opened
 *
 * The template's walls, and what the service adds for this one sandbox: its name, owner, ids, environment. Pure
 * data, complete: the shim needs nothing else to start it.
 */
#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>

#include "util/error.h"
#include "util/wire.h"

/* Below the first are the host's own users; less than a whole range leaves ids of images without an owner. */
#define SPEC_ID_BASE_MIN  65536u
#define SPEC_ID_COUNT_MIN 65536u

/* The layer that stands for the host's /usr. */
#define SPEC_LAYER_HOST_USR "host-usr"

typedef struct Spec {
        /* this sandbox */
        char *name;         /* owned */
        uid_t owner;
        char *hostname;     /* owned */
        uint32_t id_base;   /* first host id of its range */
        uint32_t id_count;  /* 65536 */
        char **environment; /* owned; "NAME=value" of every program, from the creator; above the plan's */

        /* its template */
        char *template_name;         /* owned */
        char **layers;               /* owned; SPEC_LAYER_HOST_USR or absolute host folders, top first */
        char **hide;                 /* owned; absolute paths inside that show nothing */
        char **folders;              /* owned; absolute paths inside that are made (Mkdir=) */
        uint64_t upper_size;         /* bytes; 0 = no upper, the root is read-only */
        bool map_host_root;          /* a writable grant may stand for host uid 0 */
        uint32_t app_uid, app_gid;   /* inside */
        char *app_home;              /* owned; inside; made, and owned by the app */
        char **template_environment; /* owned; below the plan's */
        uint64_t memory_max;         /* bytes; 0 = not limited */
        uint64_t tasks_max;          /* 0 = not limited */
        int halt_signal;
        uint64_t stop_timeout_usec;
        uint64_t start_timeout_usec;
} Spec;

/* Timeouts of util/limits.h, SIGTERM, 65536 ids, uid and gid 1000 inside; all else is 0 or NULL (no strings). */
Spec *spec_new(void);
Spec *spec_copy(const Spec *spec);
void spec_free(Spec *spec);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Spec, spec_free)

void spec_put(WireWriter *writer, const Spec *spec);
/* Refuses what no sandbox can be made of: a missing name, ranges that overflow, relative paths. */
int spec_get(WireReader *reader, Spec **ret, Error *error);
