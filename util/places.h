/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Places: where everything of one instance lies
 *
 * Defaults come from the build; a root other than "/" puts configuration, manifests, templates, runtime and kept
 * state below it, never the helpers, and gives the instance an id of its own that is part of every host-wide
 * name.
 */
#include <glib.h>

#include "util/error.h"

typedef struct Places {
        char *root;                     /* canonical; "/" for the system's own instance */
        char *instance;                 /* "" for "/", else 8 hex digits derived from the root */
        char *config_file;              /* .../etc/bulkhead/bulkhead.conf */
        char *config_folder;            /* .../etc/bulkhead/bulkhead.conf.d */
        char *manifest_folders[4];      /* usr/share < etc < run, then NULL */
        char *default_folders[4];       /* manifests.default.d beside each */
        char *template_folders[4];
        char *runtime_folder;           /* .../run/bulkhead */
        char *sandboxes_folder;         /* .../run/bulkhead/sandboxes */
        char *state_folder;             /* .../var/lib/bulkhead */
        char *helper_folder;            /* libexecdir/bulkhead, or $BULKHEAD_HELPERS for tests from a build tree */
        char *cgroup_parent;            /* "bulkhead" or "bulkhead-<instance>" */
} Places;

/* @root NULL = "/". Fails if it cannot be resolved to an absolute path. */
int places_new(const char *root, Places **ret, Error *error);
void places_free(Places *places);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Places, places_free)
