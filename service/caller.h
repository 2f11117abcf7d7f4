/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Caller: on whose behalf something is asked for
 *
 * A user and groups as the bus vouches for them. Reference counted, since what is asked for may have to wait for its
 * turn. What is refused for lack of a word of the settings is noted as a question, so that the front end can put it
 * to somebody else, and try again for a copy of the caller that may that.
 */
#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>

typedef struct Caller {
        uid_t uid;
        gid_t *groups; /* owned; primary and supplementary, in no order that counts */
        size_t n_groups;
        struct CallerQuestion *question; /* owned; what policy could not decide last; empty if there is nothing */
        GPtrArray *allowed;              /* owned; of CallerQuestion; some only in copies */
} Caller;

typedef struct CallerQuestion {
        char *about; /* owned; "template", "capability", "inside-user" */
        char *what;  /* owned; its name */
} CallerQuestion;

/* Copies @groups. */
Caller *caller_new(uid_t uid, const gid_t *groups, size_t n_groups);
Caller *caller_ref(Caller *caller);
void caller_unref(Caller *caller); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Caller, caller_unref)

/* The same user with nothing noted and everything allowed that is allowed to @caller. */
Caller *caller_copy(const Caller *caller);
/* For who decides: notes that nothing decides about this; NULL for @about: what was decided leaves no question. */
void caller_note_question(const Caller *caller, const char *about, const char *what);
/* Takes what was noted last, for the caller of this to free; false if there is nothing. */
bool caller_take_question(Caller *caller, char **ret_about, char **ret_what);
void caller_allow(Caller *caller, const char *about, const char *what);
bool caller_is_allowed(const Caller *caller, const char *about, const char *what);

bool caller_is_root(const Caller *caller);
bool caller_has_group(const Caller *caller, gid_t gid);

/* The group for which an app may stand that is shown something of the caller's: @wanted if the caller is in
 * it, else the first one; never group 0. False if there is none. */
bool caller_choose_group(const Caller *caller, gid_t wanted, gid_t *ret);
