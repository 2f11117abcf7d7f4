/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Caller: on whose behalf something is asked for
 *
 * A user and groups as the bus vouches for them. Immutable, reference counted, since what is asked for may
 * have to wait for its turn.
 */
#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>

typedef struct Caller {
        uid_t uid;
        gid_t *groups; /* owned; primary and supplementary, in no order that counts */
        size_t n_groups;
} Caller;

/* Copies @groups. */
Caller *caller_new(uid_t uid, const gid_t *groups, size_t n_groups);
Caller *caller_ref(Caller *caller);
void caller_unref(Caller *caller); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Caller, caller_unref)

bool caller_is_root(const Caller *caller);
bool caller_has_group(const Caller *caller, gid_t gid);

/* The group for which an app may stand that is shown something of the caller's: @wanted if the caller is in
 * it, else the first one; never group 0. False if there is none. */
bool caller_choose_group(const Caller *caller, gid_t wanted, gid_t *ret);
