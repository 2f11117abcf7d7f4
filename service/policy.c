/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "service/policy.h"

#include <string.h>

#include "capabilities/capability.h"

/* ---- sections ---- */

static bool section_names(const PolicySection *section, const Caller *caller) {
        for (guint i = 0; i < section->members->len; i++) {
                const PolicyMember *member = section->members->pdata[i];

                if (member->is_known &&
                    (member->is_group ? caller_has_group(caller, member->id) : caller->uid == member->id))
                        return true;
        }
        return false;
}

static const PolicySection *section_at(const Settings *settings, guint i) {
        return settings->policies->pdata[i];
}

typedef const GPtrArray *(*GetGlobs)(const PolicySection *section);

static const GPtrArray *get_capabilities(const PolicySection *section) {
        return section->capabilities;
}

static const GPtrArray *get_templates(const PolicySection *section) {
        return section->templates;
}

static const GPtrArray *get_inside_users(const PolicySection *section) {
        return section->inside_users;
}

/* What all sections of the caller say of @text together; whether any of them lists what it allows. */
static PolicyAnswer sections_answer(const Settings *settings, const Caller *caller, GetGlobs get_globs,
                                    const char *text, bool *ret_is_listed) {
        PolicyAnswer all = POLICY_SILENT;

        for (guint i = 0; i < settings->policies->len; i++) {
                const PolicySection *section = section_at(settings, i);

                if (!section_names(section, caller))
                        continue;
                all = MAX(all, policy_globs_answer(get_globs(section), text)); /* a denial counts most */
                if (ret_is_listed && policy_globs_allow(get_globs(section)))
                        *ret_is_listed = true;
        }
        return all;
}

int policy_check_caller(const Settings *settings, const Caller *caller, Error *error) {
        for (guint i = 0; !caller_is_root(caller) && i < settings->policies->len; i++) {
                const PolicySection *section = section_at(settings, i);

                if (section->is_broken && section_names(section, caller))
                        return error_setf(error, ERROR_ACCESS_DENIED,
                                          "Policy '%s' of the settings, which is about user %u, has mistakes",
                                          section->name, (unsigned) caller->uid);
        }
        return 0;
}

/* ---- what may be asked for ---- */

/* The answer was no. Where no section says anything, somebody else may decide, or has. */
static bool caller_may_after_all(const Caller *caller, PolicyAnswer answer, bool is_listed, const char *about,
                                 const char *what) {
        bool is_open = answer == POLICY_SILENT && !is_listed;

        caller_note_question(caller, NULL, NULL);
        if (is_open && caller_is_allowed(caller, about, what))
                return true;
        if (is_open)
                caller_note_question(caller, about, what);
        return false;
}

int policy_check_template(const Settings *settings, const Caller *caller, const char *name, Error *error) {
        bool is_listed = false;
        PolicyAnswer answer = sections_answer(settings, caller, get_templates, name, &is_listed);

        if (answer == POLICY_SILENT && strcmp(name, settings->default_template) == 0)
                answer = POLICY_ALLOWS;
        if (caller_is_root(caller) || answer == POLICY_ALLOWS ||
            caller_may_after_all(caller, answer, is_listed, "template", name))
                return 0;
        return error_setf(error, ERROR_ACCESS_DENIED, "User %u may not use the template '%.64s'",
                          (unsigned) caller->uid, name);
}

/* A user inside has several names; who is denied under one of them is not allowed under another. */
static bool run_is_allowed(const Settings *settings, const Caller *caller, uint32_t uid, uint32_t gid,
                           bool is_app) {
        bool is_listed = false;
        g_autofree char *pair = g_strdup_printf("%u:%u", uid, gid);
        g_autofree char *number = g_strdup_printf("%u", uid);
        PolicyAnswer answer = sections_answer(settings, caller, get_inside_users, pair, &is_listed);

        if (uid == gid)
                answer = MAX(answer, sections_answer(settings, caller, get_inside_users, number, NULL));
        if (uid == 0 && gid == 0)
                answer = MAX(answer, sections_answer(settings, caller, get_inside_users, "root", NULL));
        if (is_app)
                answer = MAX(answer, sections_answer(settings, caller, get_inside_users, "app", NULL));
        if (answer == POLICY_ALLOWS || (answer == POLICY_SILENT && is_app))
                return true;
        return caller_may_after_all(caller, answer, is_listed, "inside-user", pair);
}

int policy_check_run(const Settings *settings, const Caller *caller, const ShimRun *run, const Spec *spec,
                     Error *error) {
        uint32_t uid = run->has_user ? run->uid : spec->app_uid;
        uint32_t gid = run->has_user ? run->gid : spec->app_gid;

        if (caller_is_root(caller))
                return 0;
        if (!run_is_allowed(settings, caller, uid, gid, uid == spec->app_uid && gid == spec->app_gid))
                return error_setf(error, ERROR_ACCESS_DENIED,
                                  "User %u may not run programs as user %u, group %u inside",
                                  (unsigned) caller->uid, uid, gid);
        for (uint32_t i = 0; i < run->n_groups; i++) {
                uint32_t group = run->groups[i];

                /* As if the program had it as its first one. */
                if (!run_is_allowed(settings, caller, uid, group,
                                    uid == spec->app_uid && group == spec->app_gid))
                        return error_setf(error, ERROR_ACCESS_DENIED,
                                          "User %u may not give programs of user %u inside the group %u",
                                          (unsigned) caller->uid, uid, group);
        }
        return 0;
}

static bool capability_is_allowed(const Settings *settings, const Caller *caller,
                                  const Capability *capability) {
        bool is_listed = false;
        PolicyAnswer answer = sections_answer(settings, caller, get_capabilities,
                                              capability_get_name(capability), &is_listed);

        if (answer == POLICY_SILENT && !is_listed && strcmp(capability_get_risk(capability), "high") != 0)
                answer = POLICY_ALLOWS;
        return answer == POLICY_ALLOWS ||
               caller_may_after_all(caller, answer, is_listed, "capability", capability_get_name(capability));
}

int policy_check_capabilities(const Settings *settings, const Caller *caller, const GPtrArray *capabilities,
                              Error *error) {
        for (guint i = 0; !caller_is_root(caller) && i < capabilities->len; i++) {
                const Capability *capability = capabilities->pdata[i];

                if (capability_is_default(capability) || capability_is_allowed(settings, caller, capability))
                        continue;
                return error_setf(
                        error, ERROR_CAPABILITY_NOT_ALLOWED, "User %u may not ask for capability '%s'%s",
                        (unsigned) caller->uid, capability_get_name(capability),
                        strcmp(capability_get_risk(capability), "high") == 0 ? ": its risk is high" : "");
        }
        return 0;
}

static bool folder_has(const PolicyFolder *folder, const char *path) {
        size_t size = strlen(folder->path);

        if (strcmp(folder->path, "/") == 0)
                return true;
        return strncmp(path, folder->path, size) == 0 && (path[size] == '/' || path[size] == '\0');
}

int policy_check_folder(const Settings *settings, const Caller *caller, const char *source, bool is_writable,
                        const char **ret_folder, Error *error) {
        bool is_read_only = false;

        *ret_folder = NULL;
        if (caller_is_root(caller))
                return 0;
        for (guint i = 0; i < settings->policies->len; i++) {
                const PolicySection *section = section_at(settings, i);

                for (guint at = 0; section_names(section, caller) && at < section->folders->len; at++) {
                        const PolicyFolder *folder = section->folders->pdata[at];

                        if (!folder_has(folder, source))
                                continue;
                        if (!is_writable || folder->is_writable) {
                                *ret_folder = folder->path;
                                return 0;
                        }
                        is_read_only = true;
                }
        }
        return error_setf(error, ERROR_ACCESS_DENIED, "User %u may not mount '%s'%s", (unsigned) caller->uid,
                          source, is_read_only ? " for writing" : "");
}
