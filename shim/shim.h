/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Shim: owner of one sandbox, from its cgroups to the last exit status
 *
 * One thread, one poll loop; sd-event is left out here on purpose, since libsystemd and what it needs would cost
 * each sandbox memory and each cold launch time. Requests come over the service's socket (plan/shim-message.h).
 * The sandbox ends when a service asks, when the program ends with which it shall end, or when init does. One that
 * the service has never called its own (SHIM_RECORD) ends with the service that started it.
 */
#include <stdint.h>

#include "util/error.h"

typedef struct Shim Shim;

typedef struct ShimOptions {
        const char *instance;       /* "" for the system's own */
        const char *cgroup;         /* of the box, "bulkhead/12" */
        const char *runtime_folder; /* of this sandbox, made by us */
        const char *init_program;
        const char *helper_folder; /* of our other programs */
        uint32_t id_base; /* of the range that the sandbox will probably have; 0 = not known yet */
        int service_fd;   /* taken */
        uint32_t version; /* SHIM_VERSION; a test has an older one */
} ShimOptions;

/* Makes the cgroups and the runtime folder: from now on it is a spare shim. */
int shim_new(const ShimOptions *options, Shim **ret, Error *error);
/* Serves until the sandbox is gone and told. */
int shim_serve(Shim *shim, Error *error);
void shim_free(Shim *shim);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Shim, shim_free)
