/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Numbers of processes, none of them twice as long as /run lives
 *
 * Not even by the next service, which may hear of a process long after it has given out numbers of its own: a
 * file says up to where they may be in use, a block ahead.
 */
#include <stdint.h>

typedef struct ProcessNumber ProcessNumber;

/* Goes on behind what @file says, if it is there. Copies @file. */
ProcessNumber *process_number_new(const char *file);
void process_number_free(ProcessNumber *number);
uint32_t process_number_next(ProcessNumber *number); /* never 0 */
