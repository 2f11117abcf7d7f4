/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gateways/dbus-pattern.h"

#include <glib.h>
#include <string.h>

/*
 * The grammars as one automaton. A name is made of elements with a separator between them; the state says
 * what has been read so far, and how far that is from what the kind needs.
 */
typedef enum NameState {
        NAME_START,        /* nothing yet */
        NAME_UNIQUE,       /* after ':': elements follow, which may begin with digits */
        NAME_UNIQUE_FIRST, /* in the first element of a unique name */
        NAME_UNIQUE_DOT,
        NAME_UNIQUE_REST, /* in a later one: complete */
        NAME_FIRST,       /* in the first element */
        NAME_SEPARATOR,   /* after one: an element has to follow */
        NAME_REST,        /* in a later element */
        NAME_ROOT,        /* the path "/" */
        _NAME_STATE_MAX,
        NAME_IMPOSSIBLE = _NAME_STATE_MAX,
} NameState;

/* One of each class of characters that no grammar tells apart; for '*' and '?', which stand for all. */
static const char classes[] = "a0-.:/";

static bool is_element_character(DBusName kind, char c) {
        return g_ascii_isalnum(c) || c == '_' || (c == '-' && kind <= DBUS_NAME_OWN);
}

static bool is_element_start(DBusName kind, char c) {
        return is_element_character(kind, c) && (kind == DBUS_NAME_PATH || !g_ascii_isdigit(c));
}

static NameState name_begin(DBusName kind, char c) {
        if (kind == DBUS_NAME_PATH)
                return c == '/' ? NAME_ROOT : NAME_IMPOSSIBLE;
        if (kind == DBUS_NAME_BUS && c == ':')
                return NAME_UNIQUE;
        return is_element_start(kind, c) ? NAME_FIRST : NAME_IMPOSSIBLE;
}

static NameState name_step(DBusName kind, NameState state, char c) {
        bool is_character = is_element_character(kind, c);

        switch (state) {
        case NAME_START:
                return name_begin(kind, c);
        case NAME_UNIQUE:
                return is_character ? NAME_UNIQUE_FIRST : NAME_IMPOSSIBLE;
        case NAME_UNIQUE_FIRST:
                return is_character ? state : c == '.' ? NAME_UNIQUE_DOT : NAME_IMPOSSIBLE;
        case NAME_UNIQUE_DOT:
                return is_character ? NAME_UNIQUE_REST : NAME_IMPOSSIBLE;
        case NAME_UNIQUE_REST:
                return is_character ? state : c == '.' ? NAME_UNIQUE_DOT : NAME_IMPOSSIBLE;
        case NAME_ROOT:
        case NAME_SEPARATOR:
                return is_element_start(kind, c) ? NAME_REST : NAME_IMPOSSIBLE;
        case NAME_FIRST:
                if (is_character)
                        return state;
                return c == '.' && kind != DBUS_NAME_MEMBER ? NAME_SEPARATOR : NAME_IMPOSSIBLE;
        case NAME_REST:
                if (is_character)
                        return state;
                return c == (kind == DBUS_NAME_PATH ? '/' : '.') ? NAME_SEPARATOR : NAME_IMPOSSIBLE;
        case _NAME_STATE_MAX:
        default:
                return NAME_IMPOSSIBLE;
        }
}

static bool name_is_complete(DBusName kind, NameState state) {
        if (kind == DBUS_NAME_MEMBER)
                return state == NAME_FIRST;
        return state == NAME_REST || state == NAME_UNIQUE_REST || state == NAME_ROOT;
}

/* States that one more character leads to, from any of @states (a bit each). */
static unsigned states_step(DBusName kind, unsigned states, const char *characters, size_t n_characters) {
        unsigned next = 0;

        for (unsigned state = 0; state < _NAME_STATE_MAX; state++)
                for (size_t i = 0; states & 1u << state && i < n_characters; i++)
                        next |= 1u << name_step(kind, (NameState) state, characters[i]);
        return next & ((1u << _NAME_STATE_MAX) - 1);
}

bool dbus_pattern_is_possible(DBusName kind, const char *pattern) {
        unsigned states = 1u << NAME_START;

        for (const char *p = pattern; *p; p++) {
                unsigned before = 0;

                if (*p == '?')
                        states = states_step(kind, states, classes, strlen(classes));
                else if (*p != '*')
                        states = states_step(kind, states, p, 1);
                else
                        while (states != before) {
                                before = states;
                                states |= states_step(kind, states, classes, strlen(classes));
                        }
        }
        for (unsigned state = 0; state < _NAME_STATE_MAX; state++)
                if (states & 1u << state && name_is_complete(kind, (NameState) state))
                        return true;
        return false;
}

bool dbus_name_is_valid(DBusName kind, const char *name) {
        NameState state = NAME_START;

        for (const char *p = name; *p && state != NAME_IMPOSSIBLE; p++)
                state = name_step(kind, state, *p);
        return name_is_complete(kind, state);
}
