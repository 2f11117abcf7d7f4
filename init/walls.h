/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What init takes away from itself, and from a program before its exec
 *
 * Everything here is for good: no_new_privs is set, the bounding set is empty but for what programs may have, and a
 * filter of system calls cannot be taken off again (seccomp(2)).
 */
#include "util/wire.h"

/* init's own: it leaves uid 0 and keeps SETUID, SETGID and KILL, and what it has to pass on. Returns 0 or a negative
 * errno; then init must end. */
int walls_drop_privileges(const InitSetup *setup);

/* Loads one of the filters, if there is one, for the calling process. Returns 0 or a negative errno. */
int walls_load_filter(const InitSetup *setup, size_t number);

/* In the program's process, which shares init's memory until exec: its ids, groups and capabilities. Returns 0 or
 * a positive errno. */
int walls_set_credentials(const InitSetup *setup, const InitRun *run);
