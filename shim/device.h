/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Devices that every sandbox has, whatever it is granted
 */
#include <stdbool.h>
#include <stddef.h>

#include "util/cgroup.h"

/* What its group may open. */
extern const CgroupDevice device_base[];
extern const size_t device_n_base;

/* True for the path of a node that rootfs.c has put there: a capability need not, and cannot, add it. */
bool device_is_base(const char *path);
