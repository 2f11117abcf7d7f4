/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Images for tests: made by the distribution's own programs, and whether the kernel has let go of them
 */
#include <stdbool.h>
#include <stddef.h>

/* Runs a program to its end without a shell; false if it is not installed. Fails the test if it fails. */
bool images_run(const char *const *argv);

/* Makes @image of @folder as "squashfs" or "erofs"; false, with a message, if the program for it is missing.
 */
bool images_make(const char *type, const char *folder, const char *image);

/* Waits until no loop device shows a file whose path has @word in it; fails the test if that does not come.
 */
void images_assert_no_loops(const char *word);
