/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Starting the program of a shim
 */
#include <stdint.h>
#include <sys/types.h>

#include "util/error.h"
#include "util/places.h"

/* What one shim has for itself. */
typedef struct ShimSeat {
        const char *name;   /* of its runtime folder */
        const char *cgroup; /* of its box */
        uint32_t id_base;   /* first host id of its range */
} ShimSeat;

/* @fd: its end of the common socket. The child is the caller's to reap. */
int shim_spawn(const Places *places, const ShimSeat *seat, int fd, pid_t *ret, Error *error);
