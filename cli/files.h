/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Files: manifests as the verbs that need no service read them
 */
#include "capabilities/store.h"
#include "cli/cli.h"

/* The store of the instance in --root; the system's without it. NULL after a failure that was said. What is
 * wrong in its files is remarked in one line on stderr, unless --quiet. */
Store *files_load(const Cli *cli);

/* "N file" or "N files"; caller frees. */
char *files_count(guint n, const char *noun);
