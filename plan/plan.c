/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/plan.h"

#include <string.h>

#include "plan/plan-private.h"
#include "util/limits.h"

struct Plan {
        GPtrArray *items; /* owned PlanItem *, sorted by kind and key, unique by both */
};

/* A new kind is one row here. */
static const PlanKindOps *const plan_kinds[_PLAN_KIND_MAX] = {
        [PLAN_BIND] = &plan_bind_ops,
        [PLAN_ENV] = &plan_env_ops,
        [PLAN_DEVICE] = &plan_device_ops,
        [PLAN_LIMIT] = &plan_limit_ops,
        [PLAN_RULE] = &plan_rule_ops,
        [PLAN_LINK] = &plan_link_ops,
        [PLAN_BUS_RULE] = &plan_bus_rule_ops,
        [PLAN_BUS] = &plan_bus_ops,
        [PLAN_SOCKET] = &plan_socket_ops,
};

const PlanKindOps *plan_item_ops(const PlanItem *item) {
        return plan_kinds[item->kind];
}

const PlanKindOps *plan_kind_find_ops(PlanKind kind) {
        return (int) kind >= 0 && kind < _PLAN_KIND_MAX ? plan_kinds[kind] : NULL;
}

const char *plan_kind_to_string(PlanKind kind) {
        const PlanKindOps *ops = plan_kind_find_ops(kind);

        return ops ? ops->name : NULL;
}

PlanKind plan_kind_from_string(const char *name) {
        for (int i = 0; name && i < _PLAN_KIND_MAX; i++)
                if (strcmp(plan_kinds[i]->name, name) == 0)
                        return (PlanKind) i;
        return _PLAN_KIND_INVALID;
}

/* ---- origins ---- */

PlanOrigin *plan_origin_new(const char *capability, const char *file, unsigned line, unsigned column) {
        PlanOrigin *origin = g_new0(PlanOrigin, 1);

        origin->capability = g_strdup(capability);
        origin->file = g_strdup(file);
        origin->line = line;
        origin->column = column;
        return origin;
}

PlanOrigin *plan_origin_copy(const PlanOrigin *origin) {
        return plan_origin_new(origin->capability, origin->file, origin->line, origin->column);
}

void plan_origin_free(PlanOrigin *origin) {
        if (!origin)
                return;
        g_free(origin->capability);
        g_free(origin->file);
        g_free(origin);
}

/* The column is not compared: one row of a manifest asks once. */
static bool origin_is_equal(const PlanOrigin *a, const PlanOrigin *b) {
        return a->line == b->line && g_strcmp0(a->capability, b->capability) == 0 &&
               g_strcmp0(a->file, b->file) == 0;
}

int plan_origin_check(const PlanOrigin *origin, Error *error) {
        if (!origin->capability || !origin->capability[0])
                return error_setf(error, ERROR_INVALID_ARGS, "Origin without the name of a capability");
        if (strlen(origin->capability) > CAPABILITY_NAME_MAX)
                return error_setf(error, ERROR_INVALID_ARGS, "Name of a capability is longer than %d bytes",
                                  CAPABILITY_NAME_MAX);
        if (origin->file && strlen(origin->file) >= PATH_SIZE_MAX)
                return error_setf(error, ERROR_INVALID_ARGS, "File name of an origin is longer than %d bytes",
                                  PATH_SIZE_MAX - 1);
        return 0;
}

int plan_origin_blame(const PlanOrigin *origin, int r, Error *error) {
        return r < 0 ? error_set_place(error, r, origin->file, origin->line, origin->column, NULL) : 0;
}

char *plan_origin_format(const PlanOrigin *origin) {
        g_autofree char *capability = plan_text_escape(origin->capability ?: "unknown");
        g_autofree char *file = NULL;

        if (!origin->file)
                return g_steal_pointer(&capability);
        file = plan_text_escape(origin->file);
        if (origin->line == 0)
                return g_strdup_printf("%s (%s)", capability, file);
        return g_strdup_printf("%s (%s:%u)", capability, file, origin->line);
}

/* ---- items ---- */

static PlanItem *item_new(PlanKind kind, const char *key, const PlanOrigin *origin) {
        PlanItem *item = g_new0(PlanItem, 1);

        item->kind = kind;
        item->key = g_strdup(key);
        item->origins = g_ptr_array_new_with_free_func((GDestroyNotify) plan_origin_free);
        if (origin)
                g_ptr_array_add(item->origins, plan_origin_copy(origin));
        return item;
}

static void item_free(PlanItem *item) {
        plan_item_ops(item)->clear(item);
        g_ptr_array_unref(item->origins);
        g_free(item->key);
        g_free(item);
}

static PlanItem *item_copy(const PlanItem *item) {
        PlanItem *copy = item_new(item->kind, item->key, NULL);

        for (guint i = 0; i < item->origins->len; i++)
                g_ptr_array_add(copy->origins, plan_origin_copy(item->origins->pdata[i]));
        plan_item_ops(item)->copy(copy, item);
        return copy;
}

bool plan_item_is_equal(const PlanItem *a, const PlanItem *b) {
        return a->kind == b->kind && strcmp(a->key, b->key) == 0 && plan_item_ops(a)->is_equal(a, b);
}

bool plan_item_covers(const PlanItem *wide, const PlanItem *narrow) {
        return wide->kind == narrow->kind && strcmp(wide->key, narrow->key) == 0 &&
               plan_item_ops(wide)->covers(wide, narrow);
}

void plan_item_clear_nothing(PlanItem *item G_GNUC_UNUSED) {
}

bool plan_item_is_same(const PlanItem *a G_GNUC_UNUSED, const PlanItem *b G_GNUC_UNUSED) {
        return true;
}

int plan_item_add_origin(PlanItem *item, const PlanOrigin *origin, Error *error) {
        for (guint i = 0; i < item->origins->len; i++)
                if (origin_is_equal(item->origins->pdata[i], origin))
                        return 0;
        if (item->origins->len >= PLAN_ORIGINS_MAX) {
                g_autofree char *key = plan_text_escape(item->key);

                return error_setf(error, ERROR_LIMIT_REACHED, "%s '%s' is asked for more than %d times",
                                  plan_kind_to_string(item->kind), key, PLAN_ORIGINS_MAX);
        }
        g_ptr_array_add(item->origins, plan_origin_copy(origin));
        return 0;
}

int plan_item_blame(const PlanItem *item, int r, Error *error) {
        const PlanOrigin *origin = item->origins->pdata[0];

        if (!error || !error->message || error->file)
                return r;
        return error_set_place(error, r, origin->file, origin->line, origin->column, NULL);
}

char *plan_item_format_origins(const PlanItem *item) {
        GString *text = g_string_new(NULL);

        for (guint i = 0; i < item->origins->len; i++) {
                g_autofree char *one = plan_origin_format(item->origins->pdata[i]);

                g_string_append_printf(text, "%s%s", i > 0 ? ", " : "", one);
                if (i == 3 && item->origins->len > 4) {
                        g_string_append_printf(text, " and %u more", item->origins->len - 4);
                        break;
                }
        }
        return g_string_free(text, FALSE);
}

/* ---- the plan ---- */

Plan *plan_new(void) {
        Plan *plan = g_new0(Plan, 1);

        plan->items = g_ptr_array_new_with_free_func((GDestroyNotify) item_free);
        return plan;
}

Plan *plan_copy(const Plan *plan) {
        Plan *copy = plan_new();

        for (guint i = 0; i < plan->items->len; i++)
                g_ptr_array_add(copy->items, item_copy(plan->items->pdata[i]));
        return copy;
}

void plan_free(Plan *plan) {
        if (!plan)
                return;
        g_ptr_array_unref(plan->items);
        g_free(plan);
}

/* Where the item is, or where it belongs. */
static bool plan_search(const Plan *plan, PlanKind kind, const char *key, guint *ret_index) {
        guint low = 0, high = plan->items->len;

        while (low < high) {
                guint middle = low + (high - low) / 2;
                const PlanItem *item = plan->items->pdata[middle];
                int order = item->kind != kind ? (int) item->kind - (int) kind : strcmp(item->key, key);

                if (order == 0) {
                        *ret_index = middle;
                        return true;
                }
                if (order < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        *ret_index = low;
        return false;
}

PlanItem *plan_find(const Plan *plan, PlanKind kind, const char *key) {
        guint i;

        return plan_search(plan, kind, key, &i) ? plan->items->pdata[i] : NULL;
}

const PlanItem *plan_find_item(const Plan *plan, PlanKind kind, const char *key) {
        return plan_find(plan, kind, key);
}

guint plan_get_size(const Plan *plan) {
        return plan->items->len;
}

const PlanItem *plan_get_item(const Plan *plan, guint i) {
        g_assert(i < plan->items->len);
        return plan->items->pdata[i];
}

int plan_insert(Plan *plan, PlanKind kind, const char *key, const PlanOrigin *origin, PlanItem **ret,
                Error *error) {
        PlanItem *item;
        guint i;

        if (plan->items->len >= PLAN_ITEMS_MAX)
                return error_setf(error, ERROR_LIMIT_REACHED,
                                  "A sandbox can have at most %d items in its plan", PLAN_ITEMS_MAX);
        item = item_new(kind, key, origin);
        (void) plan_search(plan, kind, key, &i);
        g_ptr_array_insert(plan->items, (int) i, item);
        *ret = item;
        return 0;
}

int plan_insert_or_find(Plan *plan, PlanKind kind, const char *key, const PlanOrigin *origin, PlanItem **ret,
                        Error *error) {
        PlanItem *item = plan_find(plan, kind, key);
        int r;

        if (!item) {
                r = plan_insert(plan, kind, key, origin, ret, error);
                return r < 0 ? r : 1;
        }
        r = plan_item_add_origin(item, origin, error);
        if (r < 0)
                return r;
        *ret = item;
        return 0;
}

int plan_merge(Plan *plan, const Plan *other, Error *error) {
        g_autoptr(Plan) merged = plan_copy(plan);
        GPtrArray *before;

        for (guint i = 0; i < other->items->len; i++) {
                const PlanItem *item = other->items->pdata[i];

                for (guint j = 0; j < item->origins->len; j++) {
                        int r = plan_item_ops(item)->add(merged, item->origins->pdata[j], item, error);

                        if (r < 0)
                                return r;
                }
        }
        before = plan->items;
        plan->items = merged->items;
        merged->items = before;
        return 0;
}

int plan_flags_check(const char *what, unsigned flags, unsigned all, Error *error) {
        if ((flags & ~all) == 0)
                return 0;
        return error_setf(error, ERROR_INVALID_ARGS, "Flags %#x of a %s, at most %#x were expected", flags, what,
                          all);
}

/* ---- paths ---- */

static int path_refuse(Error *error, const char *path, const char *why) {
        g_autofree char *text = plan_text_escape(path);

        return error_setf(error, ERROR_INVALID_ARGS, "Path '%s' %s", text, why);
}

int plan_path_normalize(const char *path, char **ret, Error *error) {
        g_autoptr(GString) normal = g_string_new(NULL);

        if (strlen(path) >= PATH_SIZE_MAX)
                return error_setf(error, ERROR_INVALID_ARGS, "Path of %zu bytes, at most %d are possible",
                                  strlen(path), PATH_SIZE_MAX - 1);
        if (path[0] != '/')
                return path_refuse(error, path, "is not absolute, it has to start with '/'");
        for (const char *at = path; *at; at++)
                if (g_ascii_iscntrl(*at))
                        return path_refuse(error, path, "has a control character");
        for (const char *at = path; *at;) {
                size_t n = strcspn(at, "/");

                if (n == 2 && at[0] == '.' && at[1] == '.')
                        return path_refuse(error, path, "has a '..' component");
                if (n > 1 || (n == 1 && at[0] != '.')) {
                        g_string_append_c(normal, '/');
                        g_string_append_len(normal, at, (gssize) n);
                }
                at += n > 0 ? n : 1;
        }
        *ret = normal->len > 0 ? g_strdup(normal->str) : g_strdup("/");
        return 0;
}

int plan_path_check(const char *what, const char *path, Error *error) {
        g_autofree char *normal = NULL;
        g_autofree char *given_text = NULL;
        g_autofree char *normal_text = NULL;
        int r;

        if (!path)
                return error_setf(error, ERROR_INVALID_ARGS, "%s is missing, a path was expected", what);
        r = plan_path_normalize(path, &normal, error);
        if (r < 0)
                return error_prefixf(error, r, "%s", what);
        if (strcmp(path, normal) == 0)
                return 0;
        given_text = plan_text_escape(path);
        normal_text = plan_text_escape(normal);
        return error_setf(error, ERROR_INVALID_ARGS, "%s '%s' is not in its normal form, '%s'", what,
                          given_text, normal_text);
}
