/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Environment of a program: template < plan in force < creator of the sandbox < this one run
 *
 * Never the service's own, and never the shim's.
 */
#include "plan/plan.h"
#include "plan/spec.h"

/* @run: "NAME=value" of this program, may be NULL. Each name once, sorted. Free with g_strfreev(). */
char **environment_compose(const Spec *spec, const Plan *plan, char *const *run);
