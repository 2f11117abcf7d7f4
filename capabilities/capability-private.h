/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * How the store puts a capability together; for store.c, capability.c and their tests only
 */
#include "capabilities/capability.h"
#include "capabilities/manifest.h"

Capability *capability_new(const char *name, bool is_default);

/* Adds what @file says of it. Its rows move here; the first description stays, the highest risk counts. */
void capability_add_definition(Capability *capability, const char *file, ManifestCapability *definition);
