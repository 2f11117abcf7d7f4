/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * File gateway
 *
 * A row shows a file or folder of the host to the sandbox.
 *
 * "path-host" and "path-container": absolute paths without "..". Odd slashes and "." are put in order. Commas
 * and quotes are fine, since paths reach mount(2) by descriptor and never through an option string; control
 * characters are refused. The source is resolved by the shim when the bind is made; here it is only a name.
 * Nothing can be shown on "/", on "/dev" itself, and on or in "/proc" and "/sys".
 *
 * "read-only": true unless said otherwise.
 *
 * "optional": true if a source that is not there is no error; false unless said otherwise.
 *
 * "recursive": true to show what is mounted below the source too; false unless said otherwise.
 *
 * The same source at the same target again adds up: writable if one row says so, recursive if one says so,
 * optional only if all do. Another source at the same target is a conflict.
 */
#include "gateways/gateway.h"
#include "util/limits.h"

extern const GatewayOps gateway_file_ops;

typedef struct FileConfig {
        GatewayConfig config;
        char *source; /* owned; normalized host path */
        char *target; /* owned; normalized path inside */
        PlanBindFlags flags;
} FileConfig;

static int read_path(const JsonCursor *at, char **ret) {
        g_auto(Error) error = ERROR_NULL;
        const char *path;
        int r;

        r = json_read_string(at, 1, PATH_SIZE_MAX - 1, &path);
        if (r < 0)
                return r;
        r = plan_path_normalize(path, ret, &error);
        return r < 0 ? json_error(at, "%s", error.message) : 0;
}

static int read_source(const JsonCursor *at, void *userdata) {
        FileConfig *file = userdata;

        return read_path(at, &file->source);
}

static int read_target(const JsonCursor *at, void *userdata) {
        FileConfig *file = userdata;
        g_autoptr(Plan) probe = plan_new();
        g_auto(Error) error = ERROR_NULL;
        int r;

        r = read_path(at, &file->target);
        if (r < 0)
                return r;
        /* Which targets no bind may have is the plan's rule; it is asked here, so that it is told with a
         * place. */
        r = plan_add_bind(probe, file->config.origin, "/probe", file->target, 0, &error);
        return r < 0 ? json_error(at, "%s", error.message) : 0;
}

static int read_flag(const JsonCursor *at, FileConfig *file, PlanBindFlags flag, bool when) {
        bool value;
        int r;

        r = json_read_bool(at, &value);
        if (r < 0)
                return r;
        if (value == when)
                file->flags |= flag;
        return 0;
}

static int read_read_only(const JsonCursor *at, void *userdata) {
        return read_flag(at, userdata, PLAN_BIND_WRITABLE, false);
}

static int read_optional(const JsonCursor *at, void *userdata) {
        return read_flag(at, userdata, PLAN_BIND_OPTIONAL, true);
}

static int read_recursive(const JsonCursor *at, void *userdata) {
        return read_flag(at, userdata, PLAN_BIND_RECURSIVE, true);
}

static const JsonField file_fields[] = {
        { "path-host", read_source, JSON_FIELD_REQUIRED },
        { "path-container", read_target, JSON_FIELD_REQUIRED },
        { "read-only", read_read_only, 0 }, /* true unless said otherwise */
        { "optional", read_optional, 0 },   /* false */
        { "recursive", read_recursive, 0 }, /* false */
        {},
};

static int file_parse_row(const JsonCursor *row, GatewayConfig *config) {
        return json_read_object(row, file_fields, JSON_UNKNOWN_ERROR, config);
}

static int file_plan(const GatewayConfig *config, Plan *plan, Error *error) {
        const FileConfig *file = (const FileConfig *) config;

        return plan_add_bind(plan, config->origin, file->source, file->target, file->flags, error);
}

static void file_done(GatewayConfig *config) {
        FileConfig *file = (FileConfig *) config;

        g_free(file->source);
        g_free(file->target);
}

const GatewayOps gateway_file_ops = {
        .id = "file",
        .config_size = sizeof(FileConfig),
        .parse_row = file_parse_row,
        .plan = file_plan,
        .done = file_done,
};
