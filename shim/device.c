/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "shim/device.h"

#include <glob.h>
#include <string.h>
#include <sys/stat.h>

/* Numbers: the kernel's Documentation/admin-guide/devices.txt. */
const CgroupDevice device_base[] = {
        { 'c', false, 1, 3, CGROUP_ACCESS_ALL },  /* null */
        { 'c', false, 1, 5, CGROUP_ACCESS_ALL },  /* zero */
        { 'c', false, 1, 7, CGROUP_ACCESS_ALL },  /* full */
        { 'c', false, 1, 8, CGROUP_ACCESS_ALL },  /* random */
        { 'c', false, 1, 9, CGROUP_ACCESS_ALL },  /* urandom */
        { 'c', false, 5, 0, CGROUP_ACCESS_ALL },  /* tty */
        { 'c', false, 5, 2, CGROUP_ACCESS_ALL },  /* ptmx */
        { 'c', true, 136, 0, CGROUP_ACCESS_ALL }, /* pts */
};
const size_t device_n_base = G_N_ELEMENTS(device_base);

bool device_is_base(const char *path) {
        static const char *const paths[] = { "/dev/full", "/dev/null",    "/dev/random",
                                             "/dev/tty",  "/dev/urandom", "/dev/zero",   NULL };

        return g_strv_contains(paths, path);
}

static void device_clear(void *data) {
        g_free(((Device *) data)->path);
}

GArray *device_array_new(void) {
        GArray *devices = g_array_new(FALSE, FALSE, sizeof(Device));

        g_array_set_clear_func(devices, device_clear);
        return devices;
}

/* 1 if it is one, 0 if nothing is there. Links are followed: /dev is the host's root's. */
static int look_at(const char *path, GArray *devices, Error *error) {
        Device device = { .path = NULL };
        struct stat st;

        if (stat(path, &st) < 0) {
                if (errno == ENOENT || errno == ENOTDIR)
                        return 0;
                return error_set_code_errnof(error, ERROR_NOT_MOUNTABLE, errno, "Cannot look at device '%s'", path);
        }
        if (!S_ISCHR(st.st_mode) && !S_ISBLK(st.st_mode))
                return error_setf(error, ERROR_NOT_MOUNTABLE, "'%s' is not a device", path);
        device = (Device){ .path = g_strdup(path),
                           .type = S_ISBLK(st.st_mode) ? 'b' : 'c',
                           .number = st.st_rdev,
                           .mode = st.st_mode & 0777 };
        g_array_append_val(devices, device);
        return 1;
}

static int find_all(const char *pattern, GArray *devices, Error *error) {
        glob_t found = { 0 };
        /* Patterns have no '\' (plan_device_check()), and names with one stand for themselves. */
        int r = glob(pattern, GLOB_NOESCAPE, NULL, &found);

        if (r != 0) {
                globfree(&found);
                return r == GLOB_NOMATCH ? 0 : error_setf(error, ERROR_SYSTEM, "Cannot look for devices '%s'", pattern);
        }
        for (size_t i = 0; i < found.gl_pathc; i++) {
                const char *path = found.gl_pathv[i];

                /* A glob says nothing of what is no device, and what a sandbox has of its own is not for it. */
                if (plan_device_check(path, NULL) >= 0 && !plan_device_is_glob(path))
                        (void) look_at(path, devices, NULL);
        }
        globfree(&found);
        return 0;
}

int device_find(const PlanItem *item, GArray *devices, Error *error) {
        if (plan_device_is_glob(item->key))
                return find_all(item->key, devices, error);
        return look_at(item->key, devices, error);
}

CgroupAccess device_get_access(const PlanItem *item) {
        CgroupAccess access = 0;

        if (item->device.flags & PLAN_DEVICE_READ)
                access |= CGROUP_READ;
        if (item->device.flags & PLAN_DEVICE_WRITE)
                access |= CGROUP_WRITE;
        if (item->device.flags & PLAN_DEVICE_MKNOD)
                access |= CGROUP_MKNOD;
        return access;
}

mode_t device_get_mode(const PlanItem *item, const Device *device) {
        if (!(item->device.flags & PLAN_DEVICE_AS_ON_HOST))
                return item->device.mode;
        return plan_device_mode_max(item->device.mode, device->mode);
}
