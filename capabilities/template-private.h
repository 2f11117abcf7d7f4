/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the files of a template share: template.c reads lines, template-keys.c knows every key,
 * template-value.c reads the kinds of values. A value that is wrong is one finding, and the key keeps its
 * default.
 */
#include "capabilities/template.h"

#include <stdint.h>

#include "capabilities/filter.h"

#define TEMPLATE_APP_ID   1000 /* of 'app' inside */
#define TEMPLATE_APP_HOME "/home/app"

#define TEMPLATE_TIMEOUT_MAX_USEC 600000000ULL

struct Template {
        gatomicrefcount n_refs;
        char *name;        /* owned */
        char *description; /* owned */
        Spec *spec;        /* owned; only the fields of a template are set */
        unsigned ready;    /* sandboxes that are kept waiting */
        Filter *filter;    /* owned reference; NULL with Seccomp=none, and until the store has found it */
        unsigned filter_line, filter_column; /* of Seccomp=; 0 = not given */
};

typedef struct TemplateRead {
        Template *template;  /* not owned */
        GPtrArray *findings; /* not owned */
        unsigned line, column;
        bool has_environment, has_group;
        uint32_t group; /* instead of that of User= */
} TemplateRead;

typedef struct TemplateKey {
        const char *section, *name;
        void (*read)(TemplateRead *read, const struct TemplateKey *key, const char *value);
        bool repeats; /* it may stand several times */
} TemplateKey;

/* template-keys.c: all that there are. */
extern const TemplateKey template_keys[];
extern const size_t template_n_keys;

void template_finding_add(TemplateRead *read, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* All digits, or -EINVAL; -ERANGE above @max. *ret_end is what stands behind them. */
int template_parse_number(const char *text, uint64_t max, uint64_t *ret, const char **ret_end);
/* Seconds with at most six digits behind the point, as microseconds. */
int template_parse_seconds(const char *text, uint64_t *ret_usec);
/* "SIGTERM", "SIGRTMIN+3" or a number: the signal, or -EINVAL. */
int template_parse_signal(const char *text);

/* NULL after a finding, else the words; free with g_strfreev(). */
char **template_read_words(TemplateRead *read, const TemplateKey *key, const char *value);
/* Which of @choices (NULL-terminated) it is; -EINVAL after a finding. */
int template_read_choice(TemplateRead *read, const TemplateKey *key, const char *value,
                         const char *const *choices);
/* A size from @min to @max; -EINVAL or -ERANGE after a finding. */
int template_read_size(TemplateRead *read, const TemplateKey *key, const char *value, uint64_t min,
                       uint64_t max, uint64_t *ret);
/* Puts the normal form of an absolute path below "/" in the place of *path; negative after a finding. */
int template_normalize_path(TemplateRead *read, const TemplateKey *key, char **path);
/* -EINVAL after a finding if words[i] stands before i too. */
int template_check_twice(TemplateRead *read, const TemplateKey *key, char *const *words, size_t i);

/* Frees *to and takes @from in its place. */
void template_strv_take(char ***to, char **from);
