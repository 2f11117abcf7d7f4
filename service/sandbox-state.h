/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * States of a sandbox and the ways between them
 */
#include <errno.h>
#include <stdbool.h>

typedef enum SandboxState {
        SANDBOX_CREATING, /* until its shim says that init is ready and the first plan is in force */
        SANDBOX_READY,
        SANDBOX_FROZEN,
        SANDBOX_STOPPING, /* asked to stop; gone when nothing of it is left */
        SANDBOX_FAILED,   /* ended unasked; gone when nothing of it is left */
        _SANDBOX_STATE_MAX,
        _SANDBOX_STATE_INVALID = -EINVAL,
} SandboxState;

const char *sandbox_state_to_string(SandboxState state);
SandboxState sandbox_state_from_string(const char *name);

/* Whether @to may follow @from. */
bool sandbox_state_is_next(SandboxState from, SandboxState to);
