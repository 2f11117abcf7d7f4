/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Capability: a named bundle of openings, as manifests define it. Immutable, reference counted
 */
#include <glib.h>
#include <stdbool.h>

#include "plan/plan.h"
#include "util/error.h"

typedef struct Capability Capability;

Capability *capability_ref(Capability *capability);
void capability_unref(Capability *capability); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Capability, capability_unref)

const char *capability_get_name(const Capability *capability);
const char *capability_get_description(const Capability *capability); /* "" if none */
const char *capability_get_risk(const Capability *capability);        /* "low", "medium", "high"; "" if not said */
bool capability_is_default(const Capability *capability);             /* from a manifests.default.d */
/* Manifests that define it, in file-name order, and ids of the gateways it has rows for, in registry order;
 * NULL-terminated, owned by the capability. */
char *const *capability_get_files(const Capability *capability);
char *const *capability_get_gateways(const Capability *capability);

/* Id of the gateway that has a row at @line of @file among @capabilities (of Capability), or NULL: whose an error is
 * that has a place. Static. */
const char *capabilities_find_gateway(const GPtrArray *capabilities, const char *file, unsigned line);

/* Letters, digits, '.', '_' and '-', beginning with a letter or digit, at most CAPABILITY_NAME_MAX. */
bool capability_name_is_valid(const char *name);

/* What it opens by itself; the capability's. Fails as the next one does. */
int capability_get_plan(Capability *capability, const Plan **ret, Error *error);

/* One of which only is known what it opened when it was granted, since its manifest has changed or is gone. Takes
 * @plan. */
Capability *capability_new_kept(const char *name, bool is_default, Plan *plan);

/* Adds to @plan what the capabilities (Capability *) open, gateway by gateway in registry order, each in the
 * order of the array. On failure @plan is of no use any more. */
int capabilities_plan(const GPtrArray *capabilities, Plan *plan, Error *error);
