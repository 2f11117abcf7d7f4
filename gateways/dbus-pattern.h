/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Whether a pattern for a name of D-Bus can fit any
 *
 * A pattern has '*' for any characters, none included, and '?' for one; everything else stands for itself. A
 * rule that fits nothing is a mistake, so a pattern is compared with the grammar of the names that it is for
 * (D-Bus Specification, "Valid Names", "Valid Object Paths"): not by trying names, but by walking both at
 * once, so that the answer is exact.
 */
#include <stdbool.h>

typedef enum DBusName {
        DBUS_NAME_BUS, /* com.acme.Radio, :1.42 */
        DBUS_NAME_OWN, /* the same without those that begin with ':', which the bus gives and nobody asks for
                        */
        DBUS_NAME_INTERFACE, /* com.acme.Radio1 */
        DBUS_NAME_PATH,      /* /com/acme/Radio */
        DBUS_NAME_MEMBER,    /* SetVolume: a method or a signal */
        _DBUS_NAME_MAX,
} DBusName;

/* The length of names is not looked at. */
bool dbus_pattern_is_possible(DBusName kind, const char *pattern);

/* Is it a name of that kind? The length is not looked at. */
bool dbus_name_is_valid(DBusName kind, const char *name);
