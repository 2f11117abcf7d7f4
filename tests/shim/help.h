/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What every test of the shim begins with
 */
#include <errno.h>
#include <glib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
/* cmocka.h needs those before it */
#include <cmocka.h>

#include "util/error.h"

/* Meson's exit status for a test that was skipped. */
#define EXIT_SKIPPED 77

/* For main(): prints the reason and leaves. */
static inline void need_root(void) {
        if (geteuid() == 0)
                return;
        printf("Skipped: this test starts sandboxes and mounts file systems, for which it has to be root\n");
        exit(EXIT_SKIPPED);
}

/* An error that says something, in one sentence, about @words. */
static inline void assert_error_says(const Error *error, ErrorCode code, const char *words) {
        if (!error->message)
                fail_msg("no error, one about '%s' was expected", words);
        if (error->code != code || !strstr(error->message, words))
                fail_msg("%s: %s; %s with '%s' was expected", error_code_to_string(error->code),
                         error->message, error_code_to_string(code), words);
}

static inline void assert_no_error(int r, const Error *error) {
        if (r < 0)
                fail_msg("%s", error->message ?: g_strerror(-r));
}
