/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Upper: what is written in a sandbox and outlives it
 *
 * A folder with overlayfs's upper and work folders in it, locked by the process that mounts it: no two
 * sandboxes ever share one. On the disk its files have the ids inside, so that any range can use it; what an
 * app leaves there may be a set-uid root program, so that nobody but root may reach the folder.
 */
#include "plan/spec.h"
#include "util/error.h"

/* The folder of owner, template and name below the spec's state_folder, made if it is not there, as a
 * detached mount with ids of @userns_fd; in it are "upper" and an empty "work". Its lock is kept until the
 * calling process ends. ERROR_BAD_STATE if another sandbox has it. */
int upper_open(const Spec *spec, int userns_fd, int *ret_tree_fd, Error *error);

/* The same for two folders of these names in @parent, an absolute path of the host, all made if they are not
 * there. ERROR_NOT_MOUNTABLE if others than root may enter @parent. */
int upper_open_at(const char *parent, const char *upper, const char *work, int userns_fd, int *ret_tree_fd,
                  Error *error);
