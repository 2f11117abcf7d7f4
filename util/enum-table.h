/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Tables between an enum and its words
 *
 * For an enum with _MAX and _INVALID and a table `static const char *const <name>_names[_MAX]`, the macro
 * defines `const char *<name>_to_string(Type)` (NULL out of range) and `Type <name>_from_string(const char *)`
 * (-EINVAL for NULL or an unknown word). Declare both in the header of the enum.
 */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#define ENUM_TABLE_DEFINE(name, Type, max)                                                                   \
        const char *name##_to_string(Type value) {                                                           \
                if ((int) value < 0 || (int) value >= (int) (max))                                           \
                        return NULL;                                                                         \
                return name##_names[value];                                                                  \
        }                                                                                                    \
        Type name##_from_string(const char *word) {                                                          \
                for (int i = 0; word && i < (int) (max); i++)                                                \
                        if (name##_names[i] && strcmp(name##_names[i], word) == 0)                           \
                                return (Type) i;                                                             \
                return (Type) -EINVAL;                                                                       \
        }
