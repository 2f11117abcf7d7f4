/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Usage: what the programs of a sandbox use, as the kernel counts it for their control group
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "util/cgroup.h"

typedef enum Usage {
        USAGE_MEMORY, /* bytes */
        USAGE_CPU,    /* nanoseconds */
        USAGE_TASKS,  /* processes and threads */
        USAGE_OOM_KILLS,       /* processes that the kernel has killed for want of memory */
        USAGE_CPU_PRESSURE,    /* microseconds in which one of its tasks or more waited for a processor, ... */
        USAGE_IO_PRESSURE,     /* ... for a disk, ... */
        USAGE_MEMORY_PRESSURE, /* ... for memory (Documentation/accounting/psi.rst); v2 only */
        _USAGE_MAX,
        _USAGE_INVALID = -EINVAL,
} Usage;

/* @cgroup: name of a box. 0 where there is none, or where the host does not count this. */
uint64_t usage_read(const CgroupHost *host, const char *cgroup, Usage usage);

/* The payload of a box as a path below the (first) hierarchy; "" if there is none. Caller frees. */
char *usage_get_control_group(const CgroupHost *host, const char *cgroup);

/* The number of the box "<parent>/<number>" in whose payload the process is; 0 = in none. By the kernel's
 * list of the payload: where a process says to be in /proc is only where one begins to look. */
uint32_t usage_find_box(const CgroupHost *host, const char *parent, pid_t pid);
