/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the files of plan/ share and nobody else needs: the checks that hold for a plan, a spec and a message
 * alike, and how their untrusted text is shown
 */
#include <glib.h>
#include <stdbool.h>

#include "plan/plan.h"
#include "util/error.h"

/* Text for a terminal or one line of a message: backslashes doubled, bytes that are no valid UTF-8 and all
 * that does not print (control and format characters: no escape sequence, no reversed text) as \xNN. Caller
 * frees. */
char *plan_text_escape(const char *text);

/* The same, but no more of it than helps in a message. Caller frees. */
char *plan_text_excerpt(const char *text);

/* True if the text is valid UTF-8 that prints: it can go on the bus and in one line as it is. */
bool plan_text_is_clean(const char *text);

/* ERROR_INVALID_ARGS unless @path is absolute and in the form that plan_path_normalize() gives. NULL is
 * refused;
 * @what names it in the message ("Layer"). */
int plan_path_check(const char *what, const char *path, Error *error);

/* ERROR_INVALID_ARGS for an entry that is not "NAME=value", ERROR_LIMIT_REACHED above ENVIRONMENT_MAX
 * entries, ENV_NAME_MAX or ENV_VALUE_MAX. NULL is an empty list. */
int plan_environment_check(char *const *environment, Error *error);

/* Appends a copy unless the same origin is there; ERROR_LIMIT_REACHED above PLAN_ORIGINS_MAX. */
int plan_item_add_origin(PlanItem *item, const PlanOrigin *origin, Error *error);

/* A copy of the strings of wire_get_strings(), each of its own; the array of pointers is freed. NULL for
 * NULL. */
char **plan_strings_take(const char **strings);
