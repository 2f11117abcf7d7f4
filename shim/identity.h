/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Identity: to act on files as the root of a sandbox
 *
 * What is made belongs to its id 0, and no mode of its files keeps it out, as a root's rights inside have it.
 * Links and mounts are for the caller to mind.
 */
#include <stdint.h>

/* From now on and until identity_leave() the file system takes us for @id (setfsuid(2)). */
void identity_enter(uint32_t id);
void identity_leave(void);

/* The same, but all rights to change files stay: for what keeps our rights with it, as overlayfs does. */
void identity_enter_privileged(uint32_t id);
