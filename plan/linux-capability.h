/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The kernel's privileges by their names (capabilities(7)); nothing to do with what manifests call a capability
 */
#include <stdint.h>

/* CAP_LAST_CAP + 1 of Linux 5.9 and later. */
#define LINUX_CAPABILITIES_MAX 41

/* The number of "CAP_NET_RAW" or, in any case and without the prefix, "net_raw"; -EINVAL if there is none. */
int linux_capability_from_string(const char *name);

/* "CAP_NET_RAW", or NULL above the last. */
const char *linux_capability_to_string(unsigned number);
