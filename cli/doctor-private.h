/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * For the doctor's own files; nobody else
 */
#include <glib.h>

#include "util/places.h"

typedef enum Fitness {
        FITNESS_OK,
        FITNESS_LIMITED, /* sandboxes run, something of them does not, or one of their walls is missing */
        FITNESS_MISSING, /* no sandbox runs */
        _FITNESS_MAX,
} Fitness;

typedef struct Doctor Doctor;

/* @advice: how to get what is missing; NULL = nothing to do. Takes @text. */
void doctor_tell(Doctor *doctor, const char *name, Fitness fitness, char *text, const char *advice);
const Places *doctor_get_places(const Doctor *doctor);

/* Does what @attempt does (0, or an errno) in namespaces of its own (flags of unshare(2)): a process in them
 * cannot come back, and what it makes there goes with them. Returns 0 or a negative errno. */
int doctor_try_inside(int flags, int (*attempt)(void));

/* One line for each wall that only some kernels have. */
void doctor_check_walls(Doctor *doctor);
