/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "service/sandbox-state.h"

#include "util/enum-table.h"

static const char *const sandbox_state_names[_SANDBOX_STATE_MAX] = {
        [SANDBOX_CREATING] = "creating", [SANDBOX_READY] = "ready",   [SANDBOX_FROZEN] = "frozen",
        [SANDBOX_STOPPING] = "stopping", [SANDBOX_FAILED] = "failed",
};

ENUM_TABLE_DEFINE(sandbox_state, SandboxState, _SANDBOX_STATE_MAX)

#define STATE(s) (1u << (s))

static const unsigned next_states[_SANDBOX_STATE_MAX] = {
        [SANDBOX_CREATING] = STATE(SANDBOX_READY) | STATE(SANDBOX_STOPPING) | STATE(SANDBOX_FAILED),
        [SANDBOX_READY] = STATE(SANDBOX_FROZEN) | STATE(SANDBOX_STOPPING) | STATE(SANDBOX_FAILED),
        [SANDBOX_FROZEN] = STATE(SANDBOX_READY) | STATE(SANDBOX_STOPPING) | STATE(SANDBOX_FAILED),
        /* Stopping and failed end with the sandbox itself. */
};

bool sandbox_state_is_next(SandboxState from, SandboxState to) {
        return (next_states[from] & STATE(to)) != 0;
}
