/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Confine: what the proxy gives up before it listens to anybody
 */
#include <sys/types.h>

#include "util/error.h"

/* Becomes @uid and @gid without other groups, capabilities, a way to gain any, dumps, and every system call but
 * those that passing bytes between sockets needs; those end the process. Cannot be undone. */
int confine(uid_t uid, gid_t gid, Error *error);
