/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Terminals: a pty of the sandbox's own devpts (pty(7)), opened by the shim, never by anything inside
 */
#include <stdint.h>

#include "shim/container.h"
#include "util/error.h"

/* @owner is the host uid that the program runs as; its end belongs to it. @rows and @columns 0 = not known.
 * *ret_fd is our end (non-blocking), *ret_peer_fd the program's. */
int terminal_open(Container *container, uint32_t owner, uint16_t rows, uint16_t columns, int *ret_fd,
                  int *ret_peer_fd, Error *error);
