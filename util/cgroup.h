/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Cgroups: the box of one sandbox in every hierarchy
 *
 * A host has one of three layouts: legacy (v1 hierarchies), hybrid (v1 with an empty v2 tree beside it, which we
 * leave alone) or unified (v2 only). A box is the folder <parent>/<n>/ with <n>/payload/ in it, in every v1
 * hierarchy or once in the v2 tree: shim and monitor live in the box, unlimited; init and apps in the payload,
 * where limits, devices, freezer and kill act. No policy here: who asks says which limit and which value.
 *
 * On v2, where a folder with controllers below it holds no processes, shim and monitor live in <n>/shim/.
 *
 * Joining: on v1 a process with one thread writes "0" to `tasks`, which takes no global lock (cgroup.procs
 * waits 6 to 14 ms for the kernel's grace period); on v2 there is only cgroup.procs.
 */
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "util/error.h"

typedef enum CgroupLayout {
        CGROUP_LEGACY,
        CGROUP_HYBRID,
        CGROUP_UNIFIED,
        _CGROUP_LAYOUT_MAX,
        _CGROUP_LAYOUT_INVALID = -EINVAL,
} CgroupLayout;
const char *cgroup_layout_to_string(CgroupLayout layout);
CgroupLayout cgroup_layout_from_string(const char *name);

/* The hierarchies of this host. */
typedef struct CgroupHost CgroupHost;

/* Reads the cgroup mounts of @mountinfo_path and our own place in them from @self_path ("/proc/self/mountinfo"
 * and "/proc/self/cgroup"; tests give files of their own). */
int cgroup_host_new(const char *mountinfo_path, const char *self_path, CgroupHost **ret, Error *error);
void cgroup_host_free(CgroupHost *host);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CgroupHost, cgroup_host_free)
/* v2 below systemd: moves the calling process (all threads) from our unit's folder, where boxes will stand, into
 * "service" in it, since a folder with controllers below it holds no processes. Elsewhere, and for one that is
 * there already, it does nothing. */
int cgroup_host_settle(const CgroupHost *host, Error *error);
CgroupLayout cgroup_host_get_layout(const CgroupHost *host);
bool cgroup_host_has_controller(const CgroupHost *host, const char *controller); /* "memory", "pids", ... */
/* Path of the folder of @name in the hierarchy of @controller (NULL = the first, or the v2 tree); NULL if the
 * host lacks it. Caller frees. */
char *cgroup_host_get_path(const CgroupHost *host, const char *controller, const char *name);
/* Where cgroupfs is mounted, so that a mount namespace can be made blind to it: "/sys/fs/cgroup". */
const char *cgroup_host_get_mount(const CgroupHost *host);

/*
 * @name is relative, like "bulkhead-1f2e/12". Parents are made as needed (v1 cpuset: cpus and mems are copied
 * down; v2: the controllers that a payload needs are enabled in subtree_control of each parent). The host must
 * outlive the box. -EEXIST if there is a box of that name.
 */
typedef struct CgroupBox CgroupBox;
int cgroup_box_create(const CgroupHost *host, const char *name, CgroupBox **ret, Error *error);
/* The box of a name that exists already, to clean up after a shim that died; missing folders are fine. */
int cgroup_box_open(const CgroupHost *host, const char *name, CgroupBox **ret, Error *error);
void cgroup_box_free(CgroupBox *box); /* closes; destroys nothing */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CgroupBox, cgroup_box_free)

/* The calling process (one thread) joins the box itself. */
int cgroup_box_join(CgroupBox *box, Error *error);
/* The calling process leaves it for where the trees of all instances stand, so that box and parent can be
 * destroyed: the top of each hierarchy or our unit's cgroup (v2: "service" in it). */
int cgroup_box_leave(CgroupBox *box, Error *error);

/* Opens the files of the payload to which init writes "0" to join: as many as there are hierarchies, at most
 * @max. Returns their number; close-on-exec. The right to write is that of the opener. */
int cgroup_box_open_joins(CgroupBox *box, int *ret_fds, size_t max, Error *error);

/* Writes one limit file of the payload. @v1_file belongs to @controller's v1 hierarchy, @v2_file to the v2 tree;
 * NULL = this limit does not exist there (-EOPNOTSUPP, ERROR_UNSUPPORTED naming controller and layout). */
int cgroup_box_write(CgroupBox *box, const char *controller, const char *v1_file, const char *v2_file,
                     const char *value, Error *error);
/* Reads one file of the payload; caller frees *ret. */
int cgroup_box_read(CgroupBox *box, const char *controller, const char *v1_file, const char *v2_file, char **ret,
                    Error *error);

/* Opens one file of the payload (@flags O_RDONLY or O_WRONLY), for what is written later without a path, or polled.
 * Returns the descriptor, close-on-exec; errors as cgroup_box_write(). */
int cgroup_box_open_file(CgroupBox *box, const char *controller, const char *v1_file, const char *v2_file,
                         int flags, Error *error);
CgroupLayout cgroup_box_get_layout(const CgroupBox *box);

/* The two limits that every template has, in bytes and processes; 0 = leave as it is. */
int cgroup_box_limit(CgroupBox *box, uint64_t memory_max, uint64_t tasks_max, Error *error);

/* What may be done with a device; the numbers of BPF_DEVCG_ACC_*. */
typedef enum CgroupAccess {
        CGROUP_MKNOD = 1 << 0,
        CGROUP_READ = 1 << 1,
        CGROUP_WRITE = 1 << 2,
        CGROUP_ACCESS_ALL = (1 << 3) - 1,
} CgroupAccess;

typedef struct CgroupDevice {
        char type; /* 'c' or 'b' */
        bool is_any_minor;
        uint32_t major, minor; /* minor 0 with is_any_minor */
        CgroupAccess access;
} CgroupDevice;

/* The list of all devices that a payload may use, made ready: on v2 a BPF program that the kernel has checked. The
 * same device twice is one with the access of both. ERROR_INVALID_ARGS for numbers that no device has,
 * ERROR_LIMIT_REACHED above DEVICES_MAX. */
typedef struct CgroupDevices CgroupDevices;
int cgroup_devices_new(const CgroupBox *box, const CgroupDevice *list, size_t n, CgroupDevices **ret, Error *error);
CgroupDevices *cgroup_devices_ref(CgroupDevices *devices);
void cgroup_devices_unref(CgroupDevices *devices);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CgroupDevices, cgroup_devices_unref)

/* Puts the list in force in the place of the one before, which at first is everything. v2: in one moment. v1: line by line, only those that differ; after a failure those of before hold. What is
 * open already stays so. The box keeps a reference. */
int cgroup_box_set_devices(CgroupBox *box, CgroupDevices *devices, Error *error);
/* The one in force; stays the box's; NULL before the first. */
CgroupDevices *cgroup_box_get_devices(const CgroupBox *box);

/* Polls until the kernel has done it, at most @timeout_usec (-ETIMEDOUT). A freeze that fails is taken back. */
int cgroup_box_freeze(CgroupBox *box, uint64_t timeout_usec, Error *error);
int cgroup_box_thaw(CgroupBox *box, uint64_t timeout_usec, Error *error);

/* SIGKILL to every process of the payload, once around; 1 if there was one, 0 if it is empty. On v1 it thaws after
 * that, since SIGKILL does not act on a frozen cgroup. */
int cgroup_box_kill(CgroupBox *box, Error *error);
/* The same to every process of the box itself but the caller: the monitor, and what it has left behind. */
int cgroup_box_kill_others(CgroupBox *box, Error *error);
/* 1 if the payload has a process, else 0. */
int cgroup_box_is_populated(CgroupBox *box);

/* Removes payload and box everywhere, and the parent when it was the last. -EBUSY while a process is in one:
 * as long as it is in the payload, the box stays whole there. What is gone already is fine. */
int cgroup_box_destroy(CgroupBox *box, Error *error);
