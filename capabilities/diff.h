/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Diff: what two sets of manifests open differently
 *
 * Plans are compared, not texts: a manifest that is written anew and opens the same is no change. In doubt a
 * change widens: a variable with another value does, and so does a limit that is gone, for then the
 * template's counts, which is not known here.
 */
#include <glib.h>
#include <stdbool.h>

#include "capabilities/store.h"

typedef enum DiffVerdict {
        DIFF_WIDENED, /* something can be reached that could not */
        DIFF_ADDED,   /* a capability that was not there; widens if it opens anything */
        DIFF_NARROWED,
        DIFF_REMOVED,
        DIFF_MOVED, /* the same, under another name, in another file, at another target */
        _DIFF_VERDICT_MAX,
} DiffVerdict;

typedef struct DiffChange {
        DiffVerdict verdict;
        bool widens;
        char *capability; /* owned */
        char *kind, *key; /* owned; of the item of the plan; NULL = the capability as a whole */
        char *text;       /* owned; what changed, for people */
        char *file;       /* owned; where it stands now, or stood; "" if nowhere */
        unsigned line;
} DiffChange;

/* Of DiffChange, by verdict, capability, kind and key. The same capabilities, none. Caller unrefs. */
GPtrArray *diff_stores(const Store *old, const Store *new);
bool diff_widens(const GPtrArray *changes);

const char *diff_verdict_to_string(DiffVerdict verdict); /* "widened", ... */
