/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Gives up everything that a proxy does not need
 *
 * It reads what hostile programs write: should one of them ever take it over, it finds itself as a user
 * without groups or privileges, without a file system, and with few system calls besides those of its
 * sockets.
 */
#include <sys/types.h>

#include "util/error.h"

/* Becomes @uid and @gid, which are not 0; for good. */
int lockdown_enter(uid_t uid, gid_t gid, Error *error);
