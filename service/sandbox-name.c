/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "service/sandbox-name.h"

#include <stdint.h>
#include <string.h>

#include "util/limits.h"

bool sandbox_name_is_valid(const char *name) {
        size_t length = strlen(name);

        if (length == 0 || length > SANDBOX_NAME_MAX || !g_ascii_isalnum(name[0]))
                return false;
        return strspn(name, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "_.-") == length;
}

char *sandbox_name_format(uid_t viewer, uid_t owner, const char *name) {
        if (viewer == owner)
                return g_strdup(name);
        return g_strdup_printf("%u:%s", (unsigned) owner, name);
}

int sandbox_name_parse(uid_t viewer, const char *text, uid_t *ret_owner, char **ret_name, Error *error) {
        const char *name = text;
        guint64 owner = viewer;
        const char *colon = viewer == 0 ? strchr(text, ':') : NULL;

        if (colon) {
                g_autofree char *digits = g_strndup(text, colon - text);

                if (!g_ascii_string_to_unsigned(digits, 10, 0, UINT32_MAX - 1, &owner, NULL))
                        return error_setf(error, ERROR_INVALID_NAME,
                                          "The owner in sandbox name '%.*s' is not a user id",
                                          SANDBOX_NAME_MAX, text);
                name = colon + 1;
        }
        if (!sandbox_name_is_valid(name))
                return error_setf(
                        error, ERROR_INVALID_NAME,
                        "Sandbox name '%.*s'%s is not 1 to %d letters, digits, '_', '.' and '-' that "
                        "begin with a letter or digit",
                        SANDBOX_NAME_MAX, name, strlen(name) > SANDBOX_NAME_MAX ? " (cut)" : "",
                        SANDBOX_NAME_MAX);
        *ret_owner = (uid_t) owner;
        *ret_name = g_strdup(name);
        return 0;
}
