/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Plan: what must hold in a sandbox
 *
 * Pure data. Gateways add items, each with the capability, file and line that asked for it; the same thing asked
 * for twice becomes one item, the wider of both; two things that cannot both hold are a conflict that names both
 * sides. A plan never says how to reach it: plan/plan-diff.h compares two, and the shim applies the difference.
 *
 * Items are unique by kind and key (a bind's target, a variable's name) and kept sorted by both, so that a
 * folder comes before what is mounted below it and two plans with the same content print the same text.
 */
#include <glib.h>
#include <stdbool.h>

#include "util/error.h"
#include "util/wire.h"

typedef enum PlanKind {
        PLAN_BIND, /* a host path shown inside */
        PLAN_ENV,  /* a variable of every program run afterwards */
        _PLAN_KIND_MAX,
        _PLAN_KIND_INVALID = -EINVAL,
} PlanKind;

/* The flags of BindMount on the bus, with the same numbers. */
typedef enum PlanBindFlags {
        PLAN_BIND_WRITABLE = 1 << 0,
        PLAN_BIND_OPTIONAL = 1 << 1,  /* a source that does not exist is no error */
        PLAN_BIND_RECURSIVE = 1 << 2, /* with the mounts below the source */
        _PLAN_BIND_FLAGS_ALL = (1 << 3) - 1,
} PlanBindFlags;

/* How a variable meets one of the same name that is in the plan already. */
typedef enum PlanEnvMode {
        PLAN_ENV_DEFAULT, /* what is there stays: for gateways that name their socket */
        PLAN_ENV_SET,     /* a second, different value is a conflict */
        PLAN_ENV_APPEND,  /* old, separator, new; alone it is the value itself */
        PLAN_ENV_PREPEND, /* new, separator, old */
        _PLAN_ENV_MODE_MAX,
        _PLAN_ENV_MODE_INVALID = -EINVAL,
} PlanEnvMode;

/* Who asked. Strings are owned; NULL file = not from a manifest (the bus, a template). */
typedef struct PlanOrigin {
        char *capability;
        char *file;
        unsigned line, column;
} PlanOrigin;

typedef struct PlanItem {
        PlanKind kind;
        char *key;          /* owned; the target or the name */
        GPtrArray *origins; /* owned PlanOrigin *, at least one, in the order they asked */
        union {
                struct {
                        char *source; /* owned; absolute host path, normalized */
                        PlanBindFlags flags;
                } bind;
                struct {
                        char *value;      /* owned; what programs get */
                        PlanEnvMode mode; /* DEFAULT until something stronger was added */
                } env;
        };
} PlanItem;

typedef struct Plan Plan;

Plan *plan_new(void);
Plan *plan_copy(const Plan *plan);
void plan_free(Plan *plan);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Plan, plan_free)

/*
 * Each add copies its arguments and gives 0, or a negative errno with @plan as it was before:
 * ERROR_CONFLICTING_CAPABILITIES for what cannot both hold, ERROR_INVALID_ARGS for a path that is not absolute
 * or has an empty, "." or ".." component left, ERROR_LIMIT_REACHED above PLAN_ITEMS_MAX, PLAN_ORIGINS_MAX or
 * ENV_VALUE_MAX. The error's place is the origin's.
 */

/* Same target and source: writable wins, recursive wins, optional only if both are. Same target, other source:
 * conflict. The target "/" and targets in /proc and /sys and "/dev" itself are refused. */
int plan_add_bind(Plan *plan, const PlanOrigin *origin, const char *source, const char *target,
                  PlanBindFlags flags, Error *error);

/* @separator counts for APPEND and PREPEND; NULL = "". A name is refused that is empty or has '='. */
int plan_add_env(Plan *plan, const PlanOrigin *origin, const char *name, const char *value, PlanEnvMode mode,
                 const char *separator, Error *error);

guint plan_get_size(const Plan *plan);
const PlanItem *plan_get_item(const Plan *plan, guint i);                          /* in order */
const PlanItem *plan_find_item(const Plan *plan, PlanKind kind, const char *key); /* or NULL */
bool plan_item_is_equal(const PlanItem *a, const PlanItem *b); /* in effect: origins do not count */

const char *plan_kind_to_string(PlanKind kind);
PlanKind plan_kind_from_string(const char *name);
const char *plan_env_mode_to_string(PlanEnvMode mode);
PlanEnvMode plan_env_mode_from_string(const char *name);

PlanOrigin *plan_origin_new(const char *capability, const char *file, unsigned line, unsigned column);
PlanOrigin *plan_origin_copy(const PlanOrigin *origin);
void plan_origin_free(PlanOrigin *origin);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PlanOrigin, plan_origin_free)

/* Normal form of an absolute path: no "//", no trailing '/', no "." component. ".." and relative paths are
 * refused, and so are control characters. Caller frees *ret. */
int plan_path_normalize(const char *path, char **ret, Error *error);

/* "capability (file:line)", for messages. Caller frees. */
char *plan_origin_format(const PlanOrigin *origin);

/* Puts the first origin's file and line into an error that is set and has no place yet; returns @r. */
int plan_item_blame(const PlanItem *item, int r, Error *error);

/* plan-print.c: a line per item for people, aligned, untrusted text escaped; the same as JSON:
 * [{"kind","key",...,"origins":[{"capability","file","line","column"}]}]. Caller frees. */
char *plan_print_text(const Plan *plan);
char *plan_print_json(const Plan *plan);

/* plan-wire.c: to and from the wire. Reading believes nothing: what a plan could not hold, it refuses. */
void plan_put(WireWriter *writer, const Plan *plan);
int plan_get(WireReader *reader, Plan **ret, Error *error);
