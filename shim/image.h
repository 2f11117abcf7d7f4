/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Image: a squashfs or erofs file as a mount
 *
 * It goes through a loop device that is read-only and frees itself with the mount (LO_FLAGS_AUTOCLEAR of loop(4)),
 * also after SIGKILL. File, device and mount are descriptors all the way: no name is looked up twice, and nothing
 * is in the host's mount table.
 */
#include "util/error.h"

/* Mounts the image that @file_fd (readable) stands for; *ret_tree_fd is a detached mount, read-only, nosuid and
 * nodev. @what names the image in messages. ERROR_NOT_MOUNTABLE for what is no image, is damaged, or could be
 * changed by others than root while the kernel reads it. */
int image_mount(int file_fd, const char *what, int *ret_tree_fd, Error *error);
