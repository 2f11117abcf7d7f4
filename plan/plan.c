/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/plan.h"

#include <string.h>

#include "plan/plan-private.h"
#include "util/enum-table.h"
#include "util/limits.h"

struct Plan {
        GPtrArray *items; /* owned PlanItem *, sorted by kind and key, unique by both */
};

static const char *const plan_kind_names[_PLAN_KIND_MAX] = {
        [PLAN_BIND] = "bind",
        [PLAN_ENV] = "env",
};

ENUM_TABLE_DEFINE(plan_kind, PlanKind, _PLAN_KIND_MAX)

static const char *const plan_env_mode_names[_PLAN_ENV_MODE_MAX] = {
        [PLAN_ENV_DEFAULT] = "default",
        [PLAN_ENV_SET] = "set",
        [PLAN_ENV_APPEND] = "append",
        [PLAN_ENV_PREPEND] = "prepend",
};

ENUM_TABLE_DEFINE(plan_env_mode, PlanEnvMode, _PLAN_ENV_MODE_MAX)

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

static int origin_check(const PlanOrigin *origin, Error *error) {
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

/* What differs between the kinds, next to each other: a new kind is one row. */
typedef struct KindOps {
        void (*done)(PlanItem *item);
        void (*copy)(PlanItem *to, const PlanItem *from);
        bool (*is_equal)(const PlanItem *a, const PlanItem *b);
} KindOps;

static void bind_done(PlanItem *item) {
        g_clear_pointer(&item->bind.source, g_free);
}

static void bind_copy(PlanItem *to, const PlanItem *from) {
        to->bind.source = g_strdup(from->bind.source);
        to->bind.flags = from->bind.flags;
}

static bool bind_is_equal(const PlanItem *a, const PlanItem *b) {
        return a->bind.flags == b->bind.flags && strcmp(a->bind.source, b->bind.source) == 0;
}

static void env_done(PlanItem *item) {
        g_clear_pointer(&item->env.value, g_free);
}

static void env_copy(PlanItem *to, const PlanItem *from) {
        to->env.value = g_strdup(from->env.value);
        to->env.mode = from->env.mode;
}

/* How a variable came to its value does not matter to the programs that get it. */
static bool env_is_equal(const PlanItem *a, const PlanItem *b) {
        return strcmp(a->env.value, b->env.value) == 0;
}

static const KindOps kinds[_PLAN_KIND_MAX] = {
        [PLAN_BIND] = { bind_done, bind_copy, bind_is_equal },
        [PLAN_ENV] = { env_done, env_copy, env_is_equal },
};

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
        kinds[item->kind].done(item);
        g_ptr_array_unref(item->origins);
        g_free(item->key);
        g_free(item);
}

static PlanItem *item_copy(const PlanItem *item) {
        PlanItem *copy = item_new(item->kind, item->key, NULL);

        for (guint i = 0; i < item->origins->len; i++)
                g_ptr_array_add(copy->origins, plan_origin_copy(item->origins->pdata[i]));
        kinds[item->kind].copy(copy, item);
        return copy;
}

bool plan_item_is_equal(const PlanItem *a, const PlanItem *b) {
        return a->kind == b->kind && strcmp(a->key, b->key) == 0 && kinds[a->kind].is_equal(a, b);
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

/* Everybody who has asked so far, for a conflict's message. Caller frees. */
static char *item_format_origins(const PlanItem *item) {
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

static PlanItem *plan_find(const Plan *plan, PlanKind kind, const char *key) {
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

/* Makes room for a new item, which the caller completes; its key is not in the plan yet. */
static int plan_insert(Plan *plan, PlanKind kind, const char *key, const PlanOrigin *origin, PlanItem **ret,
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

/* What the sandbox is made of: a bind over it would replace a wall. /dev is the template's own tmpfs, in
 * which nodes and sockets may stand; /proc and /sys have masked parts that a bind below would show again. */
static const struct {
        const char *path;
        bool below; /* also what lies below it */
} reserved_targets[] = {
        { "/", false },
        { "/dev", false },
        { "/proc", true },
        { "/sys", true },
};

static int target_check(const char *target, Error *error) {
        int r;

        r = plan_path_check("Target", target, error);
        if (r < 0)
                return r;
        for (size_t i = 0; i < G_N_ELEMENTS(reserved_targets); i++) {
                const char *path = reserved_targets[i].path;
                size_t size = strlen(path);

                if (strncmp(target, path, size) != 0)
                        continue;
                if (target[size] == '\0')
                        return error_setf(error, ERROR_INVALID_ARGS, "Nothing can be bound on '%s'", path);
                if (reserved_targets[i].below && target[size] == '/')
                        return error_setf(error, ERROR_INVALID_ARGS, "Nothing can be bound below '%s'", path);
        }
        return 0;
}

/* ---- binds ---- */

static int bind_conflict(const PlanItem *item, const PlanOrigin *origin, const char *source, Error *error) {
        g_autofree char *target = plan_text_escape(item->key);
        g_autofree char *old_source = plan_text_escape(item->bind.source);
        g_autofree char *new_source = plan_text_escape(source);
        g_autofree char *old = item_format_origins(item);
        g_autofree char *new = plan_origin_format(origin);

        return error_setf(error, ERROR_CONFLICTING_CAPABILITIES,
                          "Target '%s' is asked for with source '%s' by %s and with source '%s' by %s",
                          target, old_source, old, new_source, new);
}

static int add_bind(Plan *plan, const PlanOrigin *origin, const char *source, const char *target,
                    PlanBindFlags flags, Error *error) {
        PlanItem *item;
        int r;

        r = origin_check(origin, error);
        if (r >= 0)
                r = plan_path_check("Source", source, error);
        if (r >= 0)
                r = target_check(target, error);
        if (r >= 0 && ((unsigned) flags & ~(unsigned) _PLAN_BIND_FLAGS_ALL))
                r = error_setf(error, ERROR_INVALID_ARGS, "Flags %#x of a bind, at most %#x were expected",
                               (unsigned) flags, (unsigned) _PLAN_BIND_FLAGS_ALL);
        if (r < 0)
                return r;

        item = plan_find(plan, PLAN_BIND, target);
        if (!item) {
                r = plan_insert(plan, PLAN_BIND, target, origin, &item, error);
                if (r < 0)
                        return r;
                item->bind.source = g_strdup(source);
                item->bind.flags = flags;
                return 0;
        }
        if (strcmp(item->bind.source, source) != 0)
                return bind_conflict(item, origin, source, error);
        r = plan_item_add_origin(item, origin, error);
        if (r < 0)
                return r;
        item->bind.flags = ((item->bind.flags | flags) & ~PLAN_BIND_OPTIONAL) |
                           (item->bind.flags & flags & PLAN_BIND_OPTIONAL);
        return 0;
}

int plan_add_bind(Plan *plan, const PlanOrigin *origin, const char *source, const char *target,
                  PlanBindFlags flags, Error *error) {
        int r = add_bind(plan, origin, source, target, flags, error);

        return r < 0 ? error_set_place(error, r, origin->file, origin->line, origin->column, NULL) : 0;
}

/* ---- environment ---- */

static int env_name_check(const char *name, size_t size, Error *error) {
        g_autofree char *text = NULL;

        if (size == 0)
                return error_setf(error, ERROR_INVALID_ARGS, "Variable without a name");
        if (size > ENV_NAME_MAX)
                return error_setf(error, ERROR_INVALID_ARGS,
                                  "Name of a variable has %zu bytes, at most %d can be", size, ENV_NAME_MAX);
        if (!memchr(name, '=', size))
                return 0;
        text = plan_text_escape(name);
        return error_setf(error, ERROR_INVALID_ARGS, "Name of a variable '%s' has a '='", text);
}

static int env_value_check(const char *name, size_t size, Error *error) {
        g_autofree char *text = NULL;

        if (size <= ENV_VALUE_MAX)
                return 0;
        text = plan_text_escape(name);
        return error_setf(error, ERROR_LIMIT_REACHED,
                          "Value of the variable '%s' has %zu bytes, at most %d can be", text, size,
                          ENV_VALUE_MAX);
}

int plan_environment_check(char *const *environment, Error *error) {
        for (size_t i = 0; environment && environment[i]; i++) {
                const char *equals = strchr(environment[i], '=');
                g_autofree char *name = NULL;
                int r;

                if (i >= ENVIRONMENT_MAX)
                        return error_setf(error, ERROR_LIMIT_REACHED, "More than %d variables",
                                          ENVIRONMENT_MAX);
                if (!equals)
                        return error_setf(error, ERROR_INVALID_ARGS,
                                          "Entry %zu of the environment has no '=', NAME=value was expected",
                                          i);
                name = g_strndup(environment[i], (size_t) (equals - environment[i]));
                r = env_name_check(name, strlen(name), error);
                if (r >= 0)
                        r = env_value_check(name, strlen(equals + 1), error);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int env_conflict(const PlanItem *item, const PlanOrigin *origin, const char *value, Error *error) {
        g_autofree char *name = plan_text_escape(item->key);
        g_autofree char *old_value = plan_text_excerpt(item->env.value);
        g_autofree char *new_value = plan_text_excerpt(value);
        g_autofree char *old = item_format_origins(item);
        g_autofree char *new = plan_origin_format(origin);

        return error_setf(error, ERROR_CONFLICTING_CAPABILITIES,
                          "Variable '%s' is set to '%s' by %s and to '%s' by %s", name, old_value, old,
                          new_value, new);
}

/* DEFAULT and SET over what is there. Who asked for a value that does not count is no origin of the one that
 * does, in whichever order they came. */
static int env_settle(PlanItem *item, const PlanOrigin *origin, const char *value, PlanEnvMode mode,
                      Error *error) {
        bool equal = strcmp(item->env.value, value) == 0;
        int r;

        if (mode == PLAN_ENV_DEFAULT)
                return equal ? plan_item_add_origin(item, origin, error) : 0;
        if (!equal && item->env.mode != PLAN_ENV_DEFAULT)
                return env_conflict(item, origin, value, error);
        if (equal) {
                r = plan_item_add_origin(item, origin, error);
                if (r < 0)
                        return r;
        } else {
                g_ptr_array_set_size(item->origins, 0);
                g_ptr_array_add(item->origins, plan_origin_copy(origin));
                g_free(item->env.value);
                item->env.value = g_strdup(value);
        }
        item->env.mode = PLAN_ENV_SET;
        return 0;
}

static int env_compose(PlanItem *item, const PlanOrigin *origin, const char *value, PlanEnvMode mode,
                       const char *separator, Error *error) {
        bool append = mode == PLAN_ENV_APPEND;
        g_autofree char *composed = NULL;
        int r;

        composed = g_strconcat(append ? item->env.value : value, separator ?: "",
                               append ? value : item->env.value, NULL);
        r = env_value_check(item->key, strlen(composed), error);
        if (r >= 0)
                r = plan_item_add_origin(item, origin, error);
        if (r < 0)
                return r;
        g_free(item->env.value);
        item->env.value = g_steal_pointer(&composed);
        item->env.mode = mode;
        return 0;
}

static int add_env(Plan *plan, const PlanOrigin *origin, const char *name, const char *value,
                   PlanEnvMode mode, const char *separator, Error *error) {
        PlanItem *item;
        int r;

        r = origin_check(origin, error);
        if (r >= 0)
                r = env_name_check(name, strlen(name), error);
        if (r >= 0)
                r = env_value_check(name, strlen(value), error);
        if (r >= 0 && !plan_env_mode_to_string(mode))
                r = error_setf(error, ERROR_INVALID_ARGS, "Mode %d of a variable is unknown", (int) mode);
        if (r < 0)
                return r;

        item = plan_find(plan, PLAN_ENV, name);
        if (item && (mode == PLAN_ENV_APPEND || mode == PLAN_ENV_PREPEND))
                return env_compose(item, origin, value, mode, separator, error);
        if (item)
                return env_settle(item, origin, value, mode, error);
        r = plan_insert(plan, PLAN_ENV, name, origin, &item, error);
        if (r < 0)
                return r;
        item->env.value = g_strdup(value);
        item->env.mode = mode;
        return 0;
}

int plan_add_env(Plan *plan, const PlanOrigin *origin, const char *name, const char *value, PlanEnvMode mode,
                 const char *separator, Error *error) {
        int r = add_env(plan, origin, name, value, mode, separator, error);

        return r < 0 ? error_set_place(error, r, origin->file, origin->line, origin->column, NULL) : 0;
}
