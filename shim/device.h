/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Devices of the host, and those that every sandbox has of its own
 */
#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "plan/plan.h"
#include "util/cgroup.h"
#include "util/error.h"
#include "util/loop.h"

/* What the group of every sandbox may open, whatever it is granted. */
extern const CgroupDevice device_base[];
extern const size_t device_n_base;

/* True for the path of a node that rootfs.c has put there: a capability need not, and cannot, add it. */
bool device_is_base(const char *path);

/* A device that is there now. */
typedef struct Device {
        char *path; /* owned; as the plan names it, or one that its glob matches */
        char type;  /* 'c' or 'b' */
        dev_t number;
        mode_t mode; /* 0 to 0777; of the host's node */
} Device;

/* Looks below the host's /dev for what @item names; links in there are followed. Appends what is there to
 * @devices (device_array_new()), base devices too. ERROR_NOT_MOUNTABLE for a name that is there and no device. A
 * name or glob that nothing is found for is no error here. */
int device_find(const PlanItem *item, GArray *devices, Error *error);
GArray *device_array_new(void);

/* What the kernel allows of an item, and the mode of its node for one found. */
CgroupAccess device_get_access(const PlanItem *item);
mode_t device_get_mode(const PlanItem *item, const Device *device);

/* Calls @changed some milliseconds after devices of the host have come or gone, once for many. */
typedef struct DeviceWatch DeviceWatch;
typedef void (*DevicesChanged)(void *userdata);
int device_watch_new(Loop *loop, DevicesChanged changed, void *userdata, DeviceWatch **ret, Error *error);
void device_watch_free(DeviceWatch *watch);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DeviceWatch, device_watch_free)
