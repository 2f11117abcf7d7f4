/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Policy: who may ask for what
 *
 * Root may do everything. Anybody else gets the default template, the template's own user, and all
 * capabilities but those of risk "high" that are not defaults.
 */
#include <glib.h>
#include <sys/types.h>

#include "capabilities/settings.h"
#include "plan/shim-message.h"
#include "plan/spec.h"
#include "util/error.h"

/* ERROR_ACCESS_DENIED. */
int policy_check_caller(const Settings *settings, uid_t caller, Error *error);
int policy_check_template(const Settings *settings, uid_t caller, const char *name, Error *error);
int policy_check_run(uid_t caller, const ShimRun *run, const Spec *spec, Error *error);
/* @capabilities: of Capability. ERROR_CAPABILITY_NOT_ALLOWED, naming the first. */
int policy_check_capabilities(uid_t caller, const GPtrArray *capabilities, Error *error);
