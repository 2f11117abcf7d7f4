/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Doctor: is this machine fit, and is anything left that nobody has a record of
 */
#include "cli/cli.h"
#include "util/places.h"

/* Compares host state with records; prints. With @fix it removes what nobody owns, and says each thing.
 * Returns EXIT_SUCCESS, or EXIT_FAILURE for a leak that is left, or a failure. */
int doctor_find_leaks(Cli *cli, const Places *places, bool fix);
