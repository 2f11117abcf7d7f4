/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What a shim that is dead has left: processes and control groups of its box, its runtime folder
 */
#include "util/cgroup.h"
#include "util/error.h"
#include "util/places.h"

/* One round, which waits for nothing: kills, and removes what can be removed. @name: of the folder and, below
 * the instance's cgroup, of the box. Returns 0 when nothing is left, -EBUSY while something is dying, or why
 * it cannot be. */
int shim_remains_clean(const Places *places, const CgroupHost *cgroups, const char *name, Error *error);
