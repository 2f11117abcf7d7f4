/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "service/process-number.h"

#include <fcntl.h>
#include <glib.h>

#include "util/fs.h"
#include "util/log.h"

#define BLOCK         4096u /* a file is written once for as many */
#define FILE_SIZE_MAX 16    /* of one number */

struct ProcessNumber {
        char *file; /* owned */
        uint32_t last, reserved;
};

ProcessNumber *process_number_new(const char *file) {
        ProcessNumber *number = g_new0(ProcessNumber, 1);
        g_autofree char *text = NULL;
        guint64 last;

        number->file = g_strdup(file);
        if (fs_read_file_at(AT_FDCWD, file, FILE_SIZE_MAX, &text, NULL, NULL) >= 0 &&
            g_ascii_string_to_unsigned(g_strchomp(text), 10, 0, UINT32_MAX, &last, NULL))
                number->last = number->reserved = (uint32_t) last;
        return number;
}

void process_number_free(ProcessNumber *number) {
        if (!number)
                return;
        g_free(number->file);
        g_free(number);
}

/* Who cannot write goes on: at worst a number is used twice, and the process of a later service is not
 * adopted. */
static void process_number_reserve(ProcessNumber *number) {
        g_autofree char *text = NULL;
        g_auto(Error) error = ERROR_NULL;

        number->reserved = number->last + BLOCK;
        text = g_strdup_printf("%u\n", number->reserved);
        if (fs_replace_file_at(AT_FDCWD, number->file, text, 0600, &error) < 0)
                log_failure(LOG_WARNING, &error, "Numbers of processes");
}

uint32_t process_number_next(ProcessNumber *number) {
        if (number->last == number->reserved)
                process_number_reserve(number);
        number->last++;
        if (number->last == 0) {
                number->last = 1;
                process_number_reserve(number);
        }
        return number->last;
}
