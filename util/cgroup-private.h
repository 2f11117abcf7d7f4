/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* For cgroup.c and its test; nobody else. */
#include "util/cgroup.h"

/* cgroup_host_new() where systemd runs if @systemd_folder exists ("/run/systemd/system"). */
int cgroup_host_new_beside(const char *mountinfo_path, const char *self_path, const char *systemd_folder,
                           CgroupHost **ret, Error *error);
