/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "shim/device.h"

#include <glib.h>

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
        static const char *const paths[] = { "/dev/full", "/dev/null", "/dev/random", "/dev/tty",
                                             "/dev/urandom", "/dev/zero", NULL };

        return g_strv_contains(paths, path);
}
