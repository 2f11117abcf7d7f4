/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Policy section: one [Policy NAME] of bulkhead.conf, whom it is about and what they may ask for
 *
 * Read here, without asking the system; decided by in service/policy.c. Lists are words with spaces between;
 * a key that comes again adds to what it said before.
 */
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "util/error.h"

/* A user or group that the section names. */
typedef struct PolicyMember {
        char *name; /* owned; or a number in digits */
        bool is_group;
        bool is_known; /* id is valid: a number, or resolved */
        uint32_t id;
        char *file; /* owned; where it stands */
        unsigned line, column;
} PolicyMember;

typedef struct PolicyFolder {
        char *path; /* owned; normalized */
        bool is_writable;
} PolicyFolder;

typedef struct PolicySection {
        char *name;     /* owned */
        bool is_broken; /* set by who reads it: a part was not understood, and may have denied something */
        GPtrArray *members;      /* owned; of PolicyMember */
        GPtrArray *capabilities; /* owned; globs, those that deny with a '!'; as the next two */
        GPtrArray *templates;
        GPtrArray *inside_users; /* "app", "root", "UID", "UID:GID", globs of these */
        GPtrArray *folders;      /* owned; of PolicyFolder */
} PolicySection;

PolicySection *policy_section_new(const char *name);
void policy_section_free(PolicySection *section);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PolicySection, policy_section_free)

/* One line of it. ERROR_INVALID_ARGS for a word that is refused; those before it were added. @key is one of
 * the section's. */
int policy_section_add(PolicySection *section, const char *key, const char *value, const char *file,
                       unsigned line, unsigned column, Error *error);

/* Looks up the names of its members, getpwnam(3) and getgrnam(3), which may take a while: not in a service's
 * loop. What is not found is a Finding more, and names nobody. */
void policy_section_resolve(PolicySection *section, GPtrArray *findings);

/* The same where nothing may wait: of /etc/passwd and /etc/group alone, and for a name that is not there what a
 * member of the same name has in @before (of PolicySection). */
void policy_section_resolve_again(PolicySection *section, const GPtrArray *before, GPtrArray *findings);

typedef enum PolicyAnswer {
        POLICY_SILENT, /* nothing in it fits */
        POLICY_ALLOWS,
        POLICY_DENIES, /* whatever else fits */
        _POLICY_ANSWER_MAX,
        _POLICY_ANSWER_INVALID = -EINVAL,
} PolicyAnswer;

/* In a glob '*' stands for any number of characters, '?' for one. */
PolicyAnswer policy_globs_answer(const GPtrArray *globs, const char *text);
/* Whether one of them allows anything: a list that only denies takes away from what holds without it. */
bool policy_globs_allow(const GPtrArray *globs);
