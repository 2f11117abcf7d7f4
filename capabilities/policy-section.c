/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "capabilities/policy-section.h"

#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#include "capabilities/finding.h"
#include "plan/plan.h"
#include "util/limits.h"

#define WRITABLE_SUFFIX ":rw"

static void member_free(void *data) {
        PolicyMember *member = data;

        g_free(member->name);
        g_free(member->file);
        g_free(member);
}

static void folder_free(void *data) {
        PolicyFolder *folder = data;

        g_free(folder->path);
        g_free(folder);
}

PolicySection *policy_section_new(const char *name) {
        PolicySection *section = g_new0(PolicySection, 1);

        section->name = g_strdup(name);
        section->members = g_ptr_array_new_with_free_func(member_free);
        section->capabilities = g_ptr_array_new_with_free_func(g_free);
        section->templates = g_ptr_array_new_with_free_func(g_free);
        section->inside_users = g_ptr_array_new_with_free_func(g_free);
        section->folders = g_ptr_array_new_with_free_func(folder_free);
        return section;
}

void policy_section_free(PolicySection *section) {
        if (!section)
                return;
        g_free(section->name);
        g_ptr_array_unref(section->members);
        g_ptr_array_unref(section->capabilities);
        g_ptr_array_unref(section->templates);
        g_ptr_array_unref(section->inside_users);
        g_ptr_array_unref(section->folders);
        g_free(section);
}

/* ---- reading ---- */

static bool is_made_of(const char *text, const char *extra) {
        for (; *text; text++)
                if (!g_ascii_isalnum(*text) && !strchr(extra, *text))
                        return false;
        return true;
}

static int add_glob(GPtrArray *globs, const char *key, const char *word, Error *error) {
        const char *glob = *word == '!' ? word + 1 : word;

        if (!*glob || strlen(glob) > CAPABILITY_NAME_MAX || !is_made_of(glob, "._-:*?"))
                return error_setf(
                        error, ERROR_INVALID_ARGS,
                        "%s= has '%s', expected a name, which may have '*' and '?', and '!' in front", key,
                        word);
        g_ptr_array_add(globs, g_strdup(word));
        return 0;
}

/* (uid_t) -1 is nobody's: the kernel takes it for "no change". */
static int add_member(PolicySection *section, const char *key, const char *word, const PolicyMember *place,
                      Error *error) {
        PolicyMember *member;
        guint64 id = 0;
        bool is_number = g_ascii_isdigit(*word);

        if (is_number && !g_ascii_string_to_unsigned(word, 10, 0, UINT32_MAX - 1, &id, NULL))
                return error_setf(error, ERROR_INVALID_ARGS,
                                  "%s= has '%s', expected a name or a number below %u", key, word,
                                  UINT32_MAX);
        member = g_new0(PolicyMember, 1);
        *member = *place;
        member->name = g_strdup(word);
        member->file = g_strdup(place->file);
        member->is_known = is_number;
        member->id = (uint32_t) id;
        g_ptr_array_add(section->members, member);
        return 0;
}

static int add_folder(PolicySection *section, const char *word, Error *error) {
        bool is_writable = g_str_has_suffix(word, WRITABLE_SUFFIX);
        g_autofree char *path = g_strndup(word, strlen(word) - (is_writable ? strlen(WRITABLE_SUFFIX) : 0));
        g_autofree char *normalized = NULL;
        PolicyFolder *folder;
        int r;

        r = plan_path_normalize(path, &normalized, error);
        if (r < 0)
                return error_prefixf(error, r, "Folders= has '%s'", word);
        folder = g_new0(PolicyFolder, 1);
        *folder = (PolicyFolder){ .path = g_steal_pointer(&normalized), .is_writable = is_writable };
        g_ptr_array_add(section->folders, folder);
        return 0;
}

static int add_word(PolicySection *section, const char *key, const char *word, const PolicyMember *place,
                    Error *error) {
        if (strcmp(key, "Capabilities") == 0)
                return add_glob(section->capabilities, key, word, error);
        if (strcmp(key, "Templates") == 0)
                return add_glob(section->templates, key, word, error);
        if (strcmp(key, "InsideUsers") == 0)
                return add_glob(section->inside_users, key, word, error);
        if (strcmp(key, "Folders") == 0)
                return add_folder(section, word, error);
        return add_member(section, key, word, place, error);
}

int policy_section_add(PolicySection *section, const char *key, const char *value, const char *file,
                       unsigned line, unsigned column, Error *error) {
        PolicyMember place = {
                .is_group = strcmp(key, "Groups") == 0, .file = (char *) file, .line = line, .column = column
        };
        g_auto(GStrv) words = g_strsplit_set(value, " \t", -1);
        bool has_word = false;

        for (char **word = words; *word; word++) {
                int r = **word ? add_word(section, key, *word, &place, error) : 0;

                has_word = has_word || **word;
                if (r < 0)
                        return r;
        }
        if (has_word)
                return 0;
        return error_setf(error, ERROR_INVALID_ARGS, "%s= is empty, expected a value", key);
}

/* ---- names ---- */

static bool member_look_up(PolicyMember *member) {
        const struct passwd *user = member->is_group ? NULL : getpwnam(member->name);
        const struct group *group = member->is_group ? getgrnam(member->name) : NULL;

        if (user)
                member->id = user->pw_uid;
        if (group)
                member->id = group->gr_gid;
        return user || group;
}

static void member_is_missing(const PolicyMember *member, GPtrArray *findings) {
        g_autofree char *text = g_strdup_printf("There is no %s '%s'", member->is_group ? "group" : "user",
                                                member->name);

        g_ptr_array_add(findings, finding_new(true, member->file, member->line, member->column, "", text));
}

void policy_section_resolve(PolicySection *section, GPtrArray *findings) {
        for (guint i = 0; i < section->members->len; i++) {
                PolicyMember *member = section->members->pdata[i];

                if (!member->is_known)
                        member->is_known = member_look_up(member);
                if (!member->is_known)
                        member_is_missing(member, findings);
        }
}

/* getpwnam(3) asks whom /etc/nsswitch.conf names, directories on the network too; these read one local file. */
static bool member_look_up_locally(PolicyMember *member) {
        FILE *file = fopen(member->is_group ? "/etc/group" : "/etc/passwd", "re");
        const struct passwd *user;
        const struct group *group;
        bool found = false;

        if (!file)
                return false;
        while (!found && !member->is_group && (user = fgetpwent(file)))
                if ((found = strcmp(user->pw_name, member->name) == 0))
                        member->id = user->pw_uid;
        while (!found && member->is_group && (group = fgetgrent(file)))
                if ((found = strcmp(group->gr_name, member->name) == 0))
                        member->id = group->gr_gid;
        (void) fclose(file);
        return found;
}

static bool member_take_over(PolicyMember *member, const PolicySection *section) {
        for (guint i = 0; i < section->members->len; i++) {
                const PolicyMember *old = section->members->pdata[i];

                if (old->is_known && old->is_group == member->is_group && strcmp(old->name, member->name) == 0) {
                        member->id = old->id;
                        return true;
                }
        }
        return false;
}

void policy_section_resolve_again(PolicySection *section, const GPtrArray *before, GPtrArray *findings) {
        for (guint i = 0; i < section->members->len; i++) {
                PolicyMember *member = section->members->pdata[i];

                if (!member->is_known)
                        member->is_known = member_look_up_locally(member);
                for (guint at = 0; !member->is_known && at < before->len; at++)
                        member->is_known = member_take_over(member, before->pdata[at]);
                if (!member->is_known)
                        member_is_missing(member, findings);
        }
}

/* ---- matching ---- */

PolicyAnswer policy_globs_answer(const GPtrArray *globs, const char *text) {
        PolicyAnswer answer = POLICY_SILENT;

        for (guint i = 0; i < globs->len; i++) {
                const char *glob = globs->pdata[i];

                if (*glob == '!' && g_pattern_match_simple(glob + 1, text))
                        return POLICY_DENIES;
                if (*glob != '!' && g_pattern_match_simple(glob, text))
                        answer = POLICY_ALLOWS;
        }
        return answer;
}

bool policy_globs_allow(const GPtrArray *globs) {
        for (guint i = 0; i < globs->len; i++)
                if (*(const char *) globs->pdata[i] != '!')
                        return true;
        return false;
}
