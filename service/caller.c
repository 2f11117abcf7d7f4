/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "service/caller.h"

#include <string.h>

static void question_clear(CallerQuestion *question) {
        g_clear_pointer(&question->about, g_free);
        g_clear_pointer(&question->what, g_free);
}

static void question_free(gpointer data) {
        question_clear(data);
        g_free(data);
}

static void caller_clear(void *userdata) {
        Caller *caller = userdata;

        g_free(caller->groups);
        question_free(caller->question);
        g_ptr_array_unref(caller->allowed);
}

Caller *caller_new(uid_t uid, const gid_t *groups, size_t n_groups) {
        Caller *caller = g_rc_box_new0(Caller);

        caller->uid = uid;
        caller->groups = g_memdup2(groups, n_groups * sizeof(gid_t));
        caller->n_groups = n_groups;
        caller->question = g_new0(CallerQuestion, 1);
        caller->allowed = g_ptr_array_new_with_free_func(question_free);
        return caller;
}

Caller *caller_copy(const Caller *caller) {
        Caller *copy = caller_new(caller->uid, caller->groups, caller->n_groups);

        for (guint i = 0; i < caller->allowed->len; i++) {
                const CallerQuestion *question = caller->allowed->pdata[i];

                caller_allow(copy, question->about, question->what);
        }
        return copy;
}

/* ---- what somebody else may decide ---- */

void caller_note_question(const Caller *caller, const char *about, const char *what) {
        question_clear(caller->question);
        caller->question->about = g_strdup(about);
        caller->question->what = g_strdup(what);
}

bool caller_take_question(Caller *caller, char **ret_about, char **ret_what) {
        if (!caller->question->about)
                return false;
        *ret_about = g_steal_pointer(&caller->question->about);
        *ret_what = g_steal_pointer(&caller->question->what);
        return true;
}

void caller_allow(Caller *caller, const char *about, const char *what) {
        CallerQuestion *question = g_new0(CallerQuestion, 1);

        question->about = g_strdup(about);
        question->what = g_strdup(what);
        g_ptr_array_add(caller->allowed, question);
}

bool caller_is_allowed(const Caller *caller, const char *about, const char *what) {
        for (guint i = 0; i < caller->allowed->len; i++) {
                const CallerQuestion *question = caller->allowed->pdata[i];

                if (strcmp(question->about, about) == 0 && strcmp(question->what, what) == 0)
                        return true;
        }
        return false;
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
