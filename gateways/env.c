/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Environment gateway
 *
 * A row is one variable of every program that is started after the grant.
 *
 * "name": not empty, without '='. "value": not empty.
 *
 * "mode": "set" unless said otherwise, "append" or "prepend"; upper and lower case are the same. What is
 * added to a variable that no row before has named is its value, and the separator does not count. A variable
 * may be set first and added to afterwards; to set it to another value after that is a conflict, and so are
 * two different values. These are the only things that depend on the order of rows.
 *
 * "separator": what stands between the old value and what is added; empty unless said otherwise.
 *
 * Only what manifests say is added to, never the host's variables. A variable that another gateway sets
 * (PULSE_SERVER, WAYLAND_DISPLAY, XDG_RUNTIME_DIR, DBUS_SESSION_BUS_ADDRESS, DBUS_SYSTEM_BUS_ADDRESS) is
 * replaced by a row that names it, whatever its mode.
 */
#include <string.h>

#include "gateways/gateway.h"
#include "util/limits.h"

extern const GatewayOps gateway_env_ops;

typedef struct EnvConfig {
        GatewayConfig config;
        char *name, *value, *separator; /* owned; separator may be NULL */
        PlanEnvMode mode;
} EnvConfig;

static int read_name(const JsonCursor *at, void *userdata) {
        EnvConfig *env = userdata;
        const char *name;
        int r;

        r = json_read_string(at, 1, ENV_NAME_MAX, &name);
        if (r < 0)
                return r;
        if (strchr(name, '='))
                return json_error(at, "The name '%s' has '=' in it, expected a name without", name);
        env->name = g_strdup(name);
        return 0;
}

static int read_value(const JsonCursor *at, void *userdata) {
        EnvConfig *env = userdata;
        const char *value;
        int r;

        r = json_read_string(at, 1, ENV_VALUE_MAX, &value);
        if (r < 0)
                return r;
        env->value = g_strdup(value);
        return 0;
}

static int read_mode(const JsonCursor *at, void *userdata) {
        static const struct {
                const char *word;
                PlanEnvMode mode;
        } modes[] = { { "set", PLAN_ENV_SET },
                      { "append", PLAN_ENV_APPEND },
                      { "prepend", PLAN_ENV_PREPEND } };
        static const char *const words[] = { "set", "append", "prepend", NULL };
        EnvConfig *env = userdata;
        const char *word;
        int r;

        r = json_read_string(at, 0, ENV_NAME_MAX, &word);
        if (r < 0)
                return r;
        for (size_t i = 0; i < G_N_ELEMENTS(modes); i++)
                if (g_ascii_strcasecmp(modes[i].word, word) == 0) {
                        env->mode = modes[i].mode;
                        return 0;
                }
        return json_error_choice(at, "mode", word, words, words);
}

static int read_separator(const JsonCursor *at, void *userdata) {
        EnvConfig *env = userdata;
        const char *separator;
        int r;

        r = json_read_string(at, 0, ENV_NAME_MAX, &separator);
        if (r < 0)
                return r;
        env->separator = g_strdup(separator);
        return 0;
}

static const JsonField env_fields[] = {
        { "name", read_name, JSON_FIELD_REQUIRED },
        { "value", read_value, JSON_FIELD_REQUIRED },
        { "mode", read_mode, 0 },           /* set unless said otherwise; upper and lower case are the same */
        { "separator", read_separator, 0 }, /* empty; counts for append and prepend */
        {},
};

static int env_parse_row(const JsonCursor *row, GatewayConfig *config) {
        EnvConfig *env = (EnvConfig *) config;

        env->mode = PLAN_ENV_SET;
        return json_read_object(row, env_fields, JSON_UNKNOWN_ERROR, env);
}

/* What another gateway has put there is not ours to add to: the row's value takes its place. */
static int env_plan(const GatewayConfig *config, Plan *plan, Error *error) {
        const EnvConfig *env = (const EnvConfig *) config;
        const PlanItem *item = plan_find_item(plan, PLAN_ENV, env->name);
        PlanEnvMode mode = item && item->env.mode == PLAN_ENV_DEFAULT ? PLAN_ENV_SET : env->mode;

        return plan_add_env(plan, config->origin, env->name, env->value, mode, env->separator, error);
}

static void env_done(GatewayConfig *config) {
        EnvConfig *env = (EnvConfig *) config;

        g_free(env->name);
        g_free(env->value);
        g_free(env->separator);
}

const GatewayOps gateway_env_ops = {
        .id = "env",
        .config_size = sizeof(EnvConfig),
        .parse_row = env_parse_row,
        .plan = env_plan,
        .done = env_done,
};
