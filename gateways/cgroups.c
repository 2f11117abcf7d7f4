/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Cgroups gateway
 *
 * A row is one limit of the sandbox's control group.
 *
 * "setting": a name of cgroup v1 ("memory.limit_in_bytes") or of v2 ("memory.max"), whichever the host has;
 * both mean the same. Every setting is known, with the range of its values; one that is not is refused.
 *
 * "value": a string, or an integer where the value is a plain number; never empty. Bytes may have a unit and
 * a fraction ("64M", "1.5G", always powers of 1024), CPU time may be a share of one CPU ("20%"), "max" is no
 * limit.
 *
 * Of two values of one setting the wider counts, whichever names they came by: the larger one, of lists of
 * CPUs both together, of cpu.period the shorter. Two different net_cls.classid are a conflict, since neither
 * is wider.
 */
#include <string.h>

#include "gateways/gateway.h"
#include "util/limits.h"

extern const GatewayOps gateway_cgroups_ops;

typedef struct CgroupsConfig {
        GatewayConfig config;
        char *setting, *text;           /* owned; as they are written */
        JsonCursor setting_at, text_at; /* only while the row is read */
        char *key;                      /* owned; canonical */
        LimitValue value;               /* to be cleared */
} CgroupsConfig;

static int read_setting(const JsonCursor *at, void *userdata) {
        CgroupsConfig *limit = userdata;
        const char *setting;
        int r;

        r = json_read_string(at, 1, LIMIT_TEXT_MAX, &setting);
        if (r < 0)
                return r;
        limit->setting = g_strdup(setting);
        limit->setting_at = *at;
        return 0;
}

static int read_value(const JsonCursor *at, void *userdata) {
        const json_t *value = json_cursor_get_value(at);
        CgroupsConfig *limit = userdata;
        const char *text;
        int r;

        if (json_is_integer(value))
                limit->text = g_strdup_printf("%" JSON_INTEGER_FORMAT, json_integer_value(value));
        else if (json_is_string(value)) {
                r = json_read_string(at, 1, LIMIT_TEXT_MAX, &text);
                if (r < 0)
                        return r;
                limit->text = g_strdup(text);
        } else
                return json_error(at, "Expected a string or an integer");
        limit->text_at = *at;
        return 0;
}

static const JsonField limit_fields[] = {
        { "setting", read_setting, JSON_FIELD_REQUIRED },
        { "value", read_value, JSON_FIELD_REQUIRED },
        {},
};

/* What was meant: a name that goes on where this one stops ("memory.limit"), or one that is spelt alike. */
static const char *setting_nearest(const char *setting) {
        const char *const *names = limit_get_names();

        if (strchr(setting, '.'))
                for (size_t i = 0; names[i]; i++)
                        if (g_str_has_prefix(names[i], setting))
                                return names[i];
        return json_nearest(setting, names);
}

static int cgroups_parse_row(const JsonCursor *row, GatewayConfig *config) {
        CgroupsConfig *limit = (CgroupsConfig *) config;
        g_auto(Error) error = ERROR_NULL;
        const char *nearest;
        int r;

        r = json_read_object(row, limit_fields, JSON_UNKNOWN_ERROR, limit);
        /* A setting is looked at even if its value is none: both are told. */
        if (!limit->setting)
                return r;
        if (limit_parse(limit->setting, limit->text ?: "", &limit->key, &limit->value, &error) >= 0)
                return r;
        if (error.code != ERROR_UNSUPPORTED)
                return limit->text ? json_error(&limit->text_at, "%s", error.message) : r;
        nearest = setting_nearest(limit->setting);
        return json_error(&limit->setting_at, "%s%s%s%s", error.message, nearest ? "; did you mean '" : "",
                          nearest ?: "", nearest ? "'" : "");
}

static int cgroups_plan(const GatewayConfig *config, Plan *plan, Error *error) {
        const CgroupsConfig *limit = (const CgroupsConfig *) config;

        return plan_add_limit(plan, config->origin, limit->key, &limit->value, error);
}

static void cgroups_done(GatewayConfig *config) {
        CgroupsConfig *limit = (CgroupsConfig *) config;

        g_free(limit->setting);
        g_free(limit->text);
        g_free(limit->key);
        limit_clear(&limit->value);
}

const GatewayOps gateway_cgroups_ops = {
        .id = "cgroups",
        .config_size = sizeof(CgroupsConfig),
        .parse_row = cgroups_parse_row,
        .plan = cgroups_plan,
        .done = cgroups_done,
};
