/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What of a new sandbox's file system is covered, made read-only and restricted
 *
 * Done from outside between init's readiness and the first program, and by descriptor: parts of /proc and /sys are
 * not there before liblxc has mounted them. A part that this kernel does not have is passed over; one that cannot
 * be covered fails the start.
 */
#include "plan/spec.h"
#include "shim/container.h"
#include "util/error.h"

/* Also sets nosuid and private propagation on every mount, and nodev and noexec on /proc and /sys. */
int mask_apply(Container *container, const Spec *spec, Error *error);
