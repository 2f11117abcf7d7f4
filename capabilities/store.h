/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Store: all capabilities and templates of an instance
 *
 * Three levels of folders (contract section 1): a file of the same name in a later level replaces the earlier
 * one, a link to /dev/null masks it; a file that others than root may write, or that is not root's, is a
 * finding and not read. Files are read in file-name order. A bad file takes out its own capabilities and
 * nothing else. Immutable once loaded: reload makes a new store.
 */
#include <glib.h>

#include "capabilities/capability.h"
#include "capabilities/finding.h"
#include "capabilities/template.h"
#include "plan/plan.h"
#include "util/error.h"
#include "util/places.h"

typedef struct Store Store;

/* Never fails: what cannot be read is a finding. */
Store *store_load(const Places *places);

/* For who looks at files that are not installed: who may write them does not count, and links lead where they
 * lead everywhere else. Findings name the files as @path does.
 * Of a folder: its *.json and those of its manifests.d, manifests.default.d and templates.d; a folder that
 * has one of these names itself is one. Of a file: a manifest if it ends in .json, else a template. The hash
 * says nothing. Templates find their filters (*.seccomp) beside them, not those of a file alone. */
Store *store_load_folder(const char *path);
Store *store_load_file(const char *path);
Store *store_ref(Store *store);
void store_unref(Store *store);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Store, store_unref)

guint store_get_n_files(const Store *store);                 /* that were read */
const GPtrArray *store_get_findings(const Store *store);     /* of Finding, by file, line, column */
const GPtrArray *store_get_capabilities(const Store *store); /* of Capability, by name; defaults too */
Capability *store_find_capability(const Store *store, const char *name); /* not a new reference; or NULL */
Template *store_find_template(const Store *store, const char *name); /* likewise; "default" always exists */

/* Compiles all filters, so that no launch has to; what cannot be compiled fails those that use it. */
void store_compile_filters(const Store *store);

/* The capabilities of a request: the defaults by name, then @names in their order, each once. Unknown names
 * fail it: ERROR_UNKNOWN_CAPABILITY naming the first (with the nearest known one), ERROR_LIMIT_REACHED above
 * CAPABILITIES_MAX. @names NULL = none. *ret holds references. */
int store_resolve(const Store *store, char *const *names, GPtrArray **ret, Error *error);

/* store_resolve() and capabilities_plan() into a new plan. */
int store_plan(const Store *store, char *const *names, Plan **ret, Error *error);

/* SHA-256 in hex of everything that was read, names and contents: the same store, the same hash, whatever the
 * time stamps say. */
const char *store_get_hash(const Store *store);
