/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "service/caller.h"

static void caller_clear(void *userdata) {
        Caller *caller = userdata;

        g_free(caller->groups);
}

Caller *caller_new(uid_t uid, const gid_t *groups, size_t n_groups) {
        Caller *caller = g_rc_box_new0(Caller);

        caller->uid = uid;
        caller->groups = g_memdup2(groups, n_groups * sizeof(gid_t));
        caller->n_groups = n_groups;
        return caller;
}

Caller *caller_ref(Caller *caller) {
        return g_rc_box_acquire(caller);
}

void caller_unref(Caller *caller) {
        if (caller)
                g_rc_box_release_full(caller, caller_clear);
}

bool caller_is_root(const Caller *caller) {
        return caller->uid == 0;
}

bool caller_has_group(const Caller *caller, gid_t gid) {
        for (size_t i = 0; i < caller->n_groups; i++)
                if (caller->groups[i] == gid)
                        return true;
        return false;
}

bool caller_choose_group(const Caller *caller, gid_t wanted, gid_t *ret) {
        if (wanted != 0 && caller_has_group(caller, wanted)) {
                *ret = wanted;
                return true;
        }
        for (size_t i = 0; i < caller->n_groups; i++)
                if (caller->groups[i] != 0) {
                        *ret = caller->groups[i];
                        return true;
                }
        return false;
}
