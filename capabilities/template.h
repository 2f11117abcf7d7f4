/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Template: what a sandbox is made of before anything is opened (contract section 5)
 *
 * An ini file, strict: an unknown section or key, a value out of range, a path that is not absolute is a finding
 * with its line. Immutable, reference counted. The compiled-in one is called "default".
 */
#include <glib.h>
#include <stdbool.h>

#include "capabilities/filter.h"
#include "plan/spec.h"
#include "util/error.h"

typedef struct Template Template;

typedef struct TemplateFinding {
        unsigned line, column; /* of the line's text, or of the value that is wrong; 0 = the whole file */
        char *text;            /* owned */
} TemplateFinding;

/* Reads @text (NUL-terminated); keys that are not given have the compiled-in default's values. Every finding is
 * added to @findings (TemplateFinding); *ret is NULL if there was any. */
int template_parse(const char *name, const char *text, GPtrArray *findings, Template **ret);
Template *template_new_default(void);
GPtrArray *template_findings_new(void);

Template *template_ref(Template *template);
void template_unref(Template *template);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Template, template_unref)

const char *template_get_name(const Template *template);
const char *template_get_description(const Template *template);
unsigned template_get_ready(const Template *template); /* how many sandboxes of it are kept started and waiting */

/* The store finds the filter that Seccomp= names, by its name (NULL with Seccomp=none); a finding about it stands at
 * this line and column. A new reference is taken. */
const char *template_get_filter_name(const Template *template, unsigned *ret_line, unsigned *ret_column);
void template_set_filter(Template *template, Filter *filter);
/* The programs of its filter, compiled at the first time, into @spec; of template_fill_spec()'s the only part that
 * can fail. */
int template_fill_filters(const Template *template, Spec *spec, Error *error);

/* Fills the fields of @spec that stand under "its template" in plan/spec.h; the spec owns its copies. */
void template_fill_spec(const Template *template, Spec *spec);
