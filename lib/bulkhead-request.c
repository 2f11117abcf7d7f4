/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include "lib/bulkhead-private.h"

typedef struct RequestMount {
        char *source, *target; /* owned */
        unsigned flags;
} RequestMount;

struct BulkheadRequest {
        unsigned flags;
        char *name, *template_name, *hostname, *directory, *user; /* owned, or NULL */
        GPtrArray *capabilities;                                  /* of char * */
        GPtrArray *labels, *variables;                            /* of char *: name, value, name, value */
        GPtrArray *mounts;                                        /* of RequestMount */
        int fds[3];                                               /* not owned; -1 = not set */
        uint16_t rows, columns;                                   /* of the terminal; 0 = not known */
};

static const char *const fd_names[] = { "stdin", "stdout", "stderr" };

static void request_mount_free(gpointer data) {
        RequestMount *mount = data;

        g_free(mount->source);
        g_free(mount->target);
        g_free(mount);
}

BULKHEAD_EXPORT BulkheadRequest *bulkhead_request_new(void) {
        BulkheadRequest *request = g_new0(BulkheadRequest, 1);

        request->capabilities = g_ptr_array_new_with_free_func(g_free);
        request->labels = g_ptr_array_new_with_free_func(g_free);
        request->variables = g_ptr_array_new_with_free_func(g_free);
        request->mounts = g_ptr_array_new_with_free_func(request_mount_free);
        for (size_t i = 0; i < G_N_ELEMENTS(request->fds); i++)
                request->fds[i] = -1;
        return request;
}

BULKHEAD_EXPORT void bulkhead_request_free(BulkheadRequest *request) {
        if (!request)
                return;
        g_free(request->name);
        g_free(request->template_name);
        g_free(request->hostname);
        g_free(request->directory);
        g_free(request->user);
        g_ptr_array_unref(request->capabilities);
        g_ptr_array_unref(request->labels);
        g_ptr_array_unref(request->variables);
        g_ptr_array_unref(request->mounts);
        g_free(request);
}

static void replace(char **string, const char *value) {
        g_free(*string);
        *string = g_strdup(value);
}

BULKHEAD_EXPORT void bulkhead_request_set_flags(BulkheadRequest *request, unsigned flags) {
        request->flags = flags;
}

BULKHEAD_EXPORT void bulkhead_request_set_terminal_size(BulkheadRequest *request, uint16_t rows,
                                                        uint16_t columns) {
        request->rows = rows;
        request->columns = columns;
}

BULKHEAD_EXPORT void bulkhead_request_set_name(BulkheadRequest *request, const char *name) {
        replace(&request->name, name);
}

BULKHEAD_EXPORT void bulkhead_request_set_template(BulkheadRequest *request, const char *name) {
        replace(&request->template_name, name);
}

BULKHEAD_EXPORT void bulkhead_request_set_hostname(BulkheadRequest *request, const char *hostname) {
        replace(&request->hostname, hostname);
}

BULKHEAD_EXPORT void bulkhead_request_set_working_directory(BulkheadRequest *request, const char *path) {
        replace(&request->directory, path);
}

BULKHEAD_EXPORT void bulkhead_request_set_user(BulkheadRequest *request, const char *user) {
        replace(&request->user, user);
}

BULKHEAD_EXPORT void bulkhead_request_add_capability(BulkheadRequest *request, const char *capability) {
        g_ptr_array_add(request->capabilities, g_strdup(capability));
}

/* A later value of a name takes the place of the earlier one. */
static void pairs_set(GPtrArray *pairs, const char *name, const char *value) {
        for (guint i = 0; i < pairs->len; i += 2)
                if (strcmp(pairs->pdata[i], name) == 0) {
                        g_free(pairs->pdata[i + 1]);
                        pairs->pdata[i + 1] = g_strdup(value);
                        return;
                }
        g_ptr_array_add(pairs, g_strdup(name));
        g_ptr_array_add(pairs, g_strdup(value));
}

BULKHEAD_EXPORT int bulkhead_request_add_label(BulkheadRequest *request, const char *name,
                                               const char *value) {
        if (!name || !*name || !value)
                return -EINVAL;
        pairs_set(request->labels, name, value);
        return 0;
}

BULKHEAD_EXPORT int bulkhead_request_set_variable(BulkheadRequest *request, const char *name,
                                                  const char *value) {
        if (!name || !*name || strchr(name, '=') || !value)
                return -EINVAL;
        pairs_set(request->variables, name, value);
        return 0;
}

BULKHEAD_EXPORT int bulkhead_request_add_mount(BulkheadRequest *request, const char *source,
                                               const char *target, unsigned flags) {
        RequestMount *mount;

        if (!source || !*source || !target || !*target)
                return -EINVAL;
        mount = g_new0(RequestMount, 1);
        *mount = (RequestMount){ .source = g_strdup(source), .target = g_strdup(target), .flags = flags };
        g_ptr_array_add(request->mounts, mount);
        return 0;
}

BULKHEAD_EXPORT int bulkhead_request_set_fd(BulkheadRequest *request, int number, int fd) {
        if (number < 0 || number >= (int) G_N_ELEMENTS(request->fds) || fd < -1)
                return -EINVAL;
        request->fds[number] = fd;
        return 0;
}

/* ---- onto the wire ---- */

const char *bulkhead_request_get_name(const BulkheadRequest *request) {
        return request && request->name ? request->name : "";
}

/* Opens an entry of a{sv} up to the inside of its variant. */
static int open_entry(sd_bus_message *m, const char *key, const char *signature) {
        int r = sd_bus_message_open_container(m, SD_BUS_TYPE_DICT_ENTRY, "sv");

        if (r >= 0)
                r = sd_bus_message_append(m, "s", key);
        return r < 0 ? r : sd_bus_message_open_container(m, SD_BUS_TYPE_VARIANT, signature);
}

static int close_entry(sd_bus_message *m) {
        int r = sd_bus_message_close_container(m);

        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int append_string(sd_bus_message *m, const char *key, const char *value) {
        return value ? sd_bus_message_append(m, "{sv}", key, "s", value) : 0;
}

static int append_flag(sd_bus_message *m, const char *key, bool value) {
        return value ? sd_bus_message_append(m, "{sv}", key, "b", 1) : 0;
}

static int append_strings(sd_bus_message *m, const char *key, const GPtrArray *strings) {
        int r;

        if (strings->len == 0)
                return 0;
        r = open_entry(m, key, "as");
        if (r >= 0)
                r = sd_bus_message_open_container(m, SD_BUS_TYPE_ARRAY, "s");
        for (guint i = 0; r >= 0 && i < strings->len; i++)
                r = sd_bus_message_append(m, "s", strings->pdata[i]);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        return r < 0 ? r : close_entry(m);
}

static int append_pairs(sd_bus_message *m, const char *key, const GPtrArray *pairs) {
        int r;

        if (pairs->len == 0)
                return 0;
        r = open_entry(m, key, "a{ss}");
        if (r >= 0)
                r = sd_bus_message_open_container(m, SD_BUS_TYPE_ARRAY, "{ss}");
        for (guint i = 0; r >= 0 && i < pairs->len; i += 2)
                r = sd_bus_message_append(m, "{ss}", pairs->pdata[i], pairs->pdata[i + 1]);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        return r < 0 ? r : close_entry(m);
}

static int append_mounts(sd_bus_message *m, const GPtrArray *mounts) {
        int r;

        if (mounts->len == 0)
                return 0;
        r = open_entry(m, "mounts", "a(sst)");
        if (r >= 0)
                r = sd_bus_message_open_container(m, SD_BUS_TYPE_ARRAY, "(sst)");
        for (guint i = 0; r >= 0 && i < mounts->len; i++) {
                const RequestMount *mount = mounts->pdata[i];

                r = sd_bus_message_append(m, "(sst)", mount->source, mount->target, (uint64_t) mount->flags);
        }
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        return r < 0 ? r : close_entry(m);
}

static int append_sandbox(const BulkheadRequest *request, sd_bus_message *m) {
        int r = append_strings(m, "capabilities", request->capabilities);

        if (r >= 0)
                r = append_string(m, "template", request->template_name);
        if (r >= 0)
                r = append_string(m, "hostname", request->hostname);
        if (r >= 0)
                r = append_pairs(m, "labels", request->labels);
        if (r >= 0)
                r = append_mounts(m, request->mounts);
        return r < 0 ? r : append_flag(m, "bind-to-caller", request->flags & BULKHEAD_BIND_TO_CALLER);
}

static int append_process(const BulkheadRequest *request, sd_bus_message *m) {
        int r = append_string(m, "working-directory", request->directory);

        if (r >= 0)
                r = append_string(m, "user", request->user);
        if (r >= 0)
                r = append_flag(m, "terminal", request->flags & BULKHEAD_TERMINAL);
        if (r >= 0 && request->flags & BULKHEAD_TERMINAL && request->rows > 0)
                r = sd_bus_message_append(m, "{sv}", "rows", "q", request->rows);
        if (r >= 0 && request->flags & BULKHEAD_TERMINAL && request->columns > 0)
                r = sd_bus_message_append(m, "{sv}", "columns", "q", request->columns);
        for (size_t i = 0; r >= 0 && i < G_N_ELEMENTS(request->fds); i++)
                if (request->fds[i] >= 0)
                        r = sd_bus_message_append(m, "{sv}", fd_names[i], "h", request->fds[i]);
        return r;
}

int bulkhead_request_append(const BulkheadRequest *request, RequestPart parts, sd_bus_message *m) {
        int r = sd_bus_message_open_container(m, SD_BUS_TYPE_ARRAY, "{sv}");

        if (r >= 0 && request) {
                r = append_pairs(m, "environment", request->variables);
                if (r >= 0 && (parts & REQUEST_SANDBOX))
                        r = append_sandbox(request, m);
                if (r >= 0 && (parts & REQUEST_PROCESS))
                        r = append_process(request, m);
                if (r >= 0 && parts == (REQUEST_SANDBOX | REQUEST_PROCESS))
                        r = append_flag(m, "keep", request->flags & BULKHEAD_KEEP);
        }
        return r < 0 ? r : sd_bus_message_close_container(m);
}
