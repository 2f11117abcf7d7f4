/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What every reader of a message body must survive: the body cut short anywhere, and bits turned over
 *
 * Each try gets its own heap block of the exact size, so that AddressSanitizer sees a read past the end.
 */
#include <glib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
/* cmocka.h needs those before it */
#include <cmocka.h>

#include "util/error.h"
#include "util/wire.h"

/* Reads one body and frees what it got; a reader without an Error sets a message of its own. */
typedef int (*BodyRead)(WireReader *reader, Error *error);

static inline int body_read(const uint8_t *bytes, size_t size, BodyRead read, Error *error) {
        g_autofree uint8_t *copy = g_memdup2(bytes, size);
        WireReader reader = { .bytes = copy, .size = size };

        return read(&reader, error);
}

static inline void assert_body_is_read(const WireWriter *body, BodyRead read) {
        g_auto(Error) error = ERROR_NULL;

        assert_int_equal(body->error, 0);
        if (body_read(body->bytes, body->size, read, &error) < 0)
                fail_msg("refused: %s", error.message);
}

static inline void assert_prefixes_are_refused(const WireWriter *body, BodyRead read) {
        assert_body_is_read(body, read);
        for (size_t size = 0; size < body->size; size++) {
                g_auto(Error) error = ERROR_NULL;

                if (body_read(body->bytes, size, read, &error) >= 0)
                        fail_msg("%zu of %zu bytes were enough", size, body->size);
                assert_non_null(error.message);
        }
}

static inline void assert_flips_are_survived(const WireWriter *body, BodyRead read) {
        size_t n_refused = 0;

        for (size_t i = 0; i < body->size * 9; i++) {
                uint8_t mask = i % 9 == 8 ? 0xff : (uint8_t) (1 << i % 9);
                g_auto(Error) error = ERROR_NULL;

                body->bytes[i / 9] ^= mask;
                if (body_read(body->bytes, body->size, read, &error) < 0) {
                        assert_non_null(error.message);
                        n_refused++;
                } else
                        assert_null(error.message);
                body->bytes[i / 9] ^= mask;
        }
        assert_true(n_refused > 0);
}
