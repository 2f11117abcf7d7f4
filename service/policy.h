/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Policy: who may ask for what
 *
 * Root may do everything. What anybody else may do is in the policy sections that name the caller or one of
 * the caller's groups, all of them together: what one allows is allowed, unless one denies it. Where none of
 * them says anything of a kind of things, and for whom no section names, the default template, the template's
 * own user and all capabilities but those of risk "high" may be asked for, and no folder of the host.
 * Capabilities that every sandbox has by default are never refused. What is refused because no section says anything
 * of its kind is noted as a question of the caller (service/caller.h), but for folders.
 */
#include <glib.h>
#include <sys/types.h>

#include "capabilities/settings.h"
#include "plan/shim-message.h"
#include "plan/spec.h"
#include "service/caller.h"
#include "util/error.h"

/* ERROR_ACCESS_DENIED where a section that names the caller has mistakes: what it should say is not known. */
int policy_check_caller(const Settings *settings, const Caller *caller, Error *error);
int policy_check_template(const Settings *settings, const Caller *caller, const char *name, Error *error);
/* The user that the program runs as inside, and its groups. */
int policy_check_run(const Settings *settings, const Caller *caller, const ShimRun *run, const Spec *spec,
                     Error *error);
/* @capabilities: of Capability. ERROR_CAPABILITY_NOT_ALLOWED, naming the first. */
int policy_check_capabilities(const Settings *settings, const Caller *caller, const GPtrArray *capabilities,
                              Error *error);
/* *ret_folder is the folder in which @source, normalized, may be shown, of the settings; NULL for root, who
 * may show everything. Nothing is looked at: links are for who resolves the path inside the folder. */
int policy_check_folder(const Settings *settings, const Caller *caller, const char *source, bool is_writable,
                        const char **ret_folder, Error *error);
