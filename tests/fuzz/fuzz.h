/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What fuzz targets share
 *
 * A target is one fuzz-<name>.c with LLVMFuzzerTestOneInput() (LLVM's documentation of libFuzzer), one row in
 * meson.build and a folder of seeds in corpus/. Built by any compiler it runs over files that are given to
 * it; by scripts/fuzz it makes up its own.
 */
#include <glib.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/error.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* Not assert(3): it must hold in every build. */
#define FUZZ_ASSERT(condition)                                                                               \
        do {                                                                                                 \
                if (!(condition)) {                                                                          \
                        fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition);       \
                        abort();                                                                             \
                }                                                                                            \
        } while (0)

/* A failure has words, in one line that a terminal can show, and no success has any. */
static inline void fuzz_assert_explained(int r, const Error *error) {
        FUZZ_ASSERT((r < 0) == (error->message != NULL));
        if (r >= 0)
                return;
        FUZZ_ASSERT(error->message[0] != '\0');
        FUZZ_ASSERT(g_utf8_validate(error->message, -1, NULL));
        for (const char *at = error->message; *at; at++)
                FUZZ_ASSERT(!g_ascii_iscntrl(*at));
}
