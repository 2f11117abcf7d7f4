/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Adopt: finds the shims that an earlier service of this instance has left
 *
 * Looks into every folder of a sandbox: its lock says whether its shim is alive, the shim says the rest.
 * Sandboxes come back into the manager; what is left of a shim that is dead is removed; one that does not
 * answer in ADOPT_TIMEOUT_USEC, or cannot be understood, is left alone: its name and ids stay taken, and it
 * can be stopped. Nothing here waits outside of the loop.
 */
#include "service/manager.h"
#include "service/shim-client.h"

typedef struct Adopt Adopt;

/* Ranges of ids that are in use are reserved when it returns. @done is called once, later: everybody has
 * answered, or was given up. @host is not owned. */
Adopt *adopt_new(Manager *manager, ShimHost *host, void (*done)(void *userdata), void *userdata);
void adopt_free(Adopt *adopt); /* leaves shims that have not answered to themselves */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Adopt, adopt_free)

/* Sandboxes whose names are taken, but that are in no list: of shims that are on their way out. */
bool adopt_has_name(const Adopt *adopt, uid_t owner, const char *name);
