/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* For the files of cgroup.h and their test; nobody else. */
#include "util/cgroup.h"

#define CGROUP_PAYLOAD "payload"
/* v2 only, where a folder with controllers below it holds no processes: so shim and monitor get their own. */
#define CGROUP_SHIM "shim"
/* v2 below systemd: where the service lives, for the same reason. */
#define CGROUP_SERVICE "service"

typedef struct Hierarchy {
        char **controllers; /* owned; "cpu", "cpuacct" of one mount; "name=systemd"; all of the v2 tree */
        char *base;         /* owned; the folder that the trees of all instances stand in */
        int base_fd;        /* owned; O_PATH */
        bool is_v2, is_cpuset;
} Hierarchy;

struct CgroupHost {
        CgroupLayout layout;
        GArray *hierarchies; /* owned; of Hierarchy */
        char *mount;         /* owned */
        char *enable;        /* owned; v2: what each parent gets in cgroup.subtree_control; "" = nothing */
        bool below_systemd;
};

struct CgroupBox {
        const CgroupHost *host; /* not owned; outlives us */
        char *name;             /* owned; below the base of each hierarchy */
        char **parts;           /* owned; its components */
        int *fds;               /* owned; the box in each hierarchy, -EBADF where it is missing */
        CgroupDevices *devices; /* owned reference; in force; NULL until it is set */
};

/* ---- cgroup-host.c ---- */

/* cgroup_host_new() where systemd runs if @systemd_folder exists ("/run/systemd/system"). */
int cgroup_host_new_beside(const char *mountinfo_path, const char *self_path, const char *systemd_folder,
                           CgroupHost **ret, Error *error);

static inline const Hierarchy *cgroup_host_get(const CgroupHost *host, guint i) {
        return &g_array_index(host->hierarchies, Hierarchy, i);
}

/* The hierarchy of @controller, its index in *ret; NULL = any. */
bool cgroup_host_find(const CgroupHost *host, const char *controller, guint *ret);

/* ---- cgroup.c ---- */

/* -ENOENT and -ENODEV: the folder was removed under us. */
bool cgroup_is_gone(int r);

/* Reads a short file into @buffer, without the newline. */
int cgroup_read_short(int dir_fd, const char *path, char *buffer, size_t size);
