/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the files of plan/ share and nobody else needs: what a kind of item is made of, the checks that hold for
 * a plan, a spec and a message alike, and how their untrusted text is shown
 */
#include <glib.h>
#include <jansson.h>
#include <stdbool.h>

#include "plan/plan.h"
#include "util/error.h"

/* What a line of plan_print_text() says of an item besides its kind, key and origins. Both owned. */
typedef struct PlanCells {
        char *value;
        char *mode;
} PlanCells;

/* What differs between the kinds of items. Each kind is one plan-<kind>.c with its plan_add_<kind>() and one of
 * these; plan.c lists them. */
typedef struct PlanKindOps {
        const char *name; /* on the wire, in JSON and for people */

        void (*clear)(PlanItem *item); /* frees what the kind has in the item */
        void (*copy)(PlanItem *to, const PlanItem *from);
        /* In effect; the keys are equal already. */
        bool (*is_equal)(const PlanItem *a, const PlanItem *b);
        bool (*covers)(const PlanItem *wide, const PlanItem *narrow); /* see plan_item_covers() */

        /* plan_add_<kind>() with what the item has, for plan_merge(). */
        int (*add)(Plan *plan, const PlanOrigin *origin, const PlanItem *item, Error *error);

        void (*put)(WireWriter *writer, const PlanItem *item);
        /* Reads what put() wrote and adds it. Believes nothing; an item that is added under another key than
         * @key is refused by the caller. */
        int (*get)(WireReader *reader, Plan *plan, const PlanOrigin *origin, const char *key, Error *error);

        void (*print_text)(const PlanItem *item, PlanCells *cells);
        void (*print_json)(const PlanItem *item, json_t *object);
} PlanKindOps;

extern const PlanKindOps plan_bind_ops;     /* plan-bind.c */
extern const PlanKindOps plan_env_ops;      /* plan-env.c */
extern const PlanKindOps plan_device_ops;   /* plan-device.c */
extern const PlanKindOps plan_limit_ops;    /* plan-limit.c */
extern const PlanKindOps plan_rule_ops;     /* plan-rule.c */
extern const PlanKindOps plan_link_ops;     /* plan-link.c */
extern const PlanKindOps plan_bus_rule_ops; /* plan-bus.c */
extern const PlanKindOps plan_bus_ops;      /* plan-bus.c */
extern const PlanKindOps plan_socket_ops;   /* plan-socket.c */

const PlanKindOps *plan_item_ops(const PlanItem *item);
const PlanKindOps *plan_kind_find_ops(PlanKind kind); /* NULL out of range */

/* NULL if there is none. */
PlanItem *plan_find(const Plan *plan, PlanKind kind, const char *key);

/* Makes room for a new item, which the caller completes; its key is not in the plan yet. */
int plan_insert(Plan *plan, PlanKind kind, const char *key, const PlanOrigin *origin, PlanItem **ret,
                Error *error);

/* The item of that key with the origin among its own: 1 if it is new and the caller has to complete it, 0 if it
 * was there and the caller merges. For kinds that cannot conflict. */
int plan_insert_or_find(Plan *plan, PlanKind kind, const char *key, const PlanOrigin *origin, PlanItem **ret,
                        Error *error);

/* For kinds that are all in their key: nothing to free, copy or compare. */
void plan_item_clear_nothing(PlanItem *item);
bool plan_item_is_same(const PlanItem *a, const PlanItem *b);

/* ERROR_INVALID_ARGS for bits that are not in @all. @what names them: "link". */
int plan_flags_check(const char *what, unsigned flags, unsigned all, Error *error);

int plan_origin_check(const PlanOrigin *origin, Error *error);

/* Puts the origin's place into an error that is set if @r is negative; returns @r, or 0. */
int plan_origin_blame(const PlanOrigin *origin, int r, Error *error);

/* Everybody who has asked so far, for a conflict's message. Caller frees. */
char *plan_item_format_origins(const PlanItem *item);

/* For get(): sets the error of a body that ends early. */
int plan_item_broken(Error *error);

/* JSON has no bytes: what is no UTF-8 becomes U+FFFD. NULL becomes null. */
json_t *plan_text_to_json(const char *text);

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
