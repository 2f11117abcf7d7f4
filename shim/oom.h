/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Oom: programs that the kernel kills because the sandbox has no memory left
 *
 * The kernel says how many processes it has killed in the payload, and not which. A program that died of a SIGKILL
 * that nobody asked for, shortly after that number has grown, is one of them; each kill counts for one program.
 */
#include <stdbool.h>

#include "util/cgroup.h"
#include "util/error.h"
#include "util/loop.h"

typedef struct Oom Oom;

/* Neither is owned. ERROR_UNSUPPORTED where the host has no memory controller. */
int oom_new(CgroupBox *box, Loop *loop, Oom **ret, Error *error);
void oom_free(Oom *oom);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Oom, oom_free)

/* Takes one kill that no program was told of yet; false if there is none. */
bool oom_take_kill(Oom *oom);
