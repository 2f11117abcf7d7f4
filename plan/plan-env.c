/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Variables of every program run afterwards
 */
#include <string.h>

#include "plan/plan-private.h"
#include "util/enum-table.h"
#include "util/limits.h"

static const char *const plan_env_mode_names[_PLAN_ENV_MODE_MAX] = {
        [PLAN_ENV_DEFAULT] = "default",
        [PLAN_ENV_SET] = "set",
        [PLAN_ENV_APPEND] = "append",
        [PLAN_ENV_PREPEND] = "prepend",
};

ENUM_TABLE_DEFINE(plan_env_mode, PlanEnvMode, _PLAN_ENV_MODE_MAX)

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
        g_autofree char *old = plan_item_format_origins(item);
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

        r = plan_origin_check(origin, error);
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

        return plan_origin_blame(origin, r, error);
}

static void env_clear(PlanItem *item) {
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

/* What was composed is a value as any other to who merges it. */
static int env_add(Plan *plan, const PlanOrigin *origin, const PlanItem *item, Error *error) {
        return plan_add_env(plan, origin, item->key, item->env.value,
                            item->env.mode == PLAN_ENV_DEFAULT ? PLAN_ENV_DEFAULT : PLAN_ENV_SET, NULL, error);
}

static void env_put(WireWriter *writer, const PlanItem *item) {
        wire_put_string(writer, item->env.value);
        wire_put_string(writer, plan_env_mode_to_string(item->env.mode));
}

static int env_get(WireReader *reader, Plan *plan, const PlanOrigin *origin, const char *key, Error *error) {
        const char *value = wire_get_string(reader);
        const char *mode = wire_get_string(reader);

        if (reader->failed || !value || !mode)
                return plan_item_broken(error);
        if (plan_env_mode_from_string(mode) < 0) {
                g_autofree char *text = plan_text_excerpt(mode);

                return error_setf(error, ERROR_UNSUPPORTED, "Mode '%s' of a variable is unknown", text);
        }
        return plan_add_env(plan, origin, key, value, plan_env_mode_from_string(mode), NULL, error);
}

static void env_print_text(const PlanItem *item, PlanCells *cells) {
        g_autofree char *value = plan_text_escape(item->env.value);

        cells->value = g_strdup_printf("= %s", value);
        cells->mode = g_strdup(plan_env_mode_to_string(item->env.mode));
}

static void env_print_json(const PlanItem *item, json_t *object) {
        json_object_set_new(object, "value", plan_text_to_json(item->env.value));
        json_object_set_new(object, "mode", json_string(plan_env_mode_to_string(item->env.mode)));
}

const PlanKindOps plan_env_ops = {
        .name = "env",
        .clear = env_clear,
        .copy = env_copy,
        .is_equal = env_is_equal,
        .covers = env_is_equal,
        .add = env_add,
        .put = env_put,
        .get = env_get,
        .print_text = env_print_text,
        .print_json = env_print_json,
};
