/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "dbus/bus-options.h"

#include <stdlib.h>
#include <string.h>

#include "util/limits.h"

#define OPTIONS_MAX 32 /* more than there are; names are kept to find one that comes twice */

typedef struct BusOption {
        const char *name;
        const char *signature;
        int (*read)(sd_bus_message *message, BusRequest *request, Error *error);
} BusOption;

void bus_request_done(BusRequest *request) {
        g_clear_pointer(&request->sandbox, sandbox_request_free);
        g_clear_pointer(&request->run, run_request_free);
}

static int error_malformed(int r, Error *error) {
        return error_set_code_errnof(error, ERROR_INVALID_ARGS, -r, "The message cannot be read");
}

int bus_read_strings(sd_bus_message *message, char ***ret, Error *error) {
        g_autoptr(GPtrArray) strings = g_ptr_array_new_with_free_func(g_free);
        const char *string;
        int r;

        r = sd_bus_message_enter_container(message, SD_BUS_TYPE_ARRAY, "s");
        if (r < 0)
                return error_malformed(r, error);
        while ((r = sd_bus_message_read_basic(message, SD_BUS_TYPE_STRING, &string)) > 0)
                g_ptr_array_add(strings, g_strdup(string));
        if (r >= 0)
                r = sd_bus_message_exit_container(message);
        if (r < 0)
                return error_malformed(r, error);
        g_ptr_array_add(strings, NULL);
        *ret = (char **) g_ptr_array_steal(strings, NULL);
        return 0;
}

/* a{ss}: calls @add for each pair. */
static int read_pairs(sd_bus_message *message,
                      int (*add)(void *userdata, const char *, const char *, Error *), void *userdata,
                      Error *error) {
        const char *name, *value;
        int r;

        r = sd_bus_message_enter_container(message, SD_BUS_TYPE_ARRAY, "{ss}");
        if (r < 0)
                return error_malformed(r, error);
        while ((r = sd_bus_message_read(message, "{ss}", &name, &value)) > 0) {
                r = add(userdata, name, value, error);
                if (r < 0)
                        return r;
        }
        if (r >= 0)
                r = sd_bus_message_exit_container(message);
        return r < 0 ? error_malformed(r, error) : 0;
}

static int add_variable(void *userdata, const char *name, const char *value, Error *error) {
        GPtrArray *environment = userdata;

        if (!*name || strchr(name, '='))
                return error_setf(error, ERROR_INVALID_ARGS,
                                  "The name of variable '%.64s' is empty or has a '=' in it", name);
        g_ptr_array_add(environment, g_strdup_printf("%s=%s", name, value));
        return 0;
}

static int read_environment(sd_bus_message *message, BusRequest *request, Error *error) {
        g_autoptr(GPtrArray) environment = g_ptr_array_new_with_free_func(g_free);
        int r = read_pairs(message, add_variable, environment, error);

        if (r < 0)
                return r;
        g_ptr_array_add(environment, NULL);
        /* Launch takes both sets of options; there it is the process's. */
        if (request->run)
                return run_request_set_environment(request->run, (char **) environment->pdata, error);
        return sandbox_request_set_environment(request->sandbox, (char **) environment->pdata, error);
}

static int read_template(sd_bus_message *message, BusRequest *request, Error *error) {
        const char *name;
        int r = sd_bus_message_read(message, "s", &name);

        if (r < 0)
                return error_malformed(r, error);
        g_free(request->sandbox->template_name);
        request->sandbox->template_name = g_strdup(name);
        return 0;
}

static int read_capabilities(sd_bus_message *message, BusRequest *request, Error *error) {
        return bus_read_strings(message, &request->sandbox->capabilities, error);
}

static int read_mounts(sd_bus_message *message, BusRequest *request, Error *error) {
        const char *source, *target;
        uint64_t flags;
        int r;

        r = sd_bus_message_enter_container(message, SD_BUS_TYPE_ARRAY, "(sst)");
        if (r < 0)
                return error_malformed(r, error);
        while ((r = sd_bus_message_read(message, "(sst)", &source, &target, &flags)) > 0) {
                r = sandbox_request_add_mount(request->sandbox, source, target, flags, error);
                if (r < 0)
                        return r;
        }
        if (r >= 0)
                r = sd_bus_message_exit_container(message);
        return r < 0 ? error_malformed(r, error) : 0;
}

static int read_hostname(sd_bus_message *message, BusRequest *request, Error *error) {
        const char *hostname;
        int r = sd_bus_message_read(message, "s", &hostname);

        if (r < 0)
                return error_malformed(r, error);
        return sandbox_request_set_hostname(request->sandbox, hostname, error);
}

static int add_label(void *userdata, const char *name, const char *value, Error *error) {
        return sandbox_request_add_label(userdata, name, value, error);
}

static int read_labels(sd_bus_message *message, BusRequest *request, Error *error) {
        return read_pairs(message, add_label, request->sandbox, error);
}

static int read_flag(sd_bus_message *message, bool *ret, Error *error) {
        int flag;
        int r = sd_bus_message_read(message, "b", &flag);

        if (r < 0)
                return error_malformed(r, error);
        *ret = flag;
        return 0;
}

static int read_bind_to_caller(sd_bus_message *message, BusRequest *request, Error *error) {
        return read_flag(message, &request->sandbox->bind_to_caller, error);
}

static int read_keep(sd_bus_message *message, BusRequest *request, Error *error) {
        return read_flag(message, &request->keep, error);
}

static int read_terminal(sd_bus_message *message, BusRequest *request, Error *error) {
        return read_flag(message, &request->run->run.terminal, error);
}

static int read_size(sd_bus_message *message, uint16_t *ret, Error *error) {
        int r = sd_bus_message_read_basic(message, SD_BUS_TYPE_UINT16, ret);

        return r < 0 ? error_malformed(r, error) : 0;
}

static int read_rows(sd_bus_message *message, BusRequest *request, Error *error) {
        return read_size(message, &request->run->run.rows, error);
}

static int read_columns(sd_bus_message *message, BusRequest *request, Error *error) {
        return read_size(message, &request->run->run.columns, error);
}

static int read_working_directory(sd_bus_message *message, BusRequest *request, Error *error) {
        const char *path;
        int r = sd_bus_message_read(message, "s", &path);

        if (r < 0)
                return error_malformed(r, error);
        return run_request_set_working_directory(request->run, path, error);
}

static int read_user(sd_bus_message *message, BusRequest *request, Error *error) {
        const char *user;
        int r = sd_bus_message_read(message, "s", &user);

        if (r < 0)
                return error_malformed(r, error);
        return run_request_set_user(request->run, user, error);
}

static int read_groups(sd_bus_message *message, BusRequest *request, Error *error) {
        g_auto(GStrv) groups = NULL;
        int r = bus_read_strings(message, &groups, error);

        return r < 0 ? r : run_request_set_groups(request->run, groups, error);
}

static int read_namespaces(sd_bus_message *message, BusRequest *request G_GNUC_UNUSED, Error *error) {
        g_auto(GStrv) names = NULL;
        int r = bus_read_strings(message, &names, error);

        if (r < 0)
                return r;
        if (!names[0] || strcmp(names[0], "all") != 0 || names[1])
                return error_setf(error, ERROR_UNSUPPORTED,
                                  "Option 'namespaces' can only be 'all' in this version");
        return 0;
}

static int read_fd(sd_bus_message *message, BusRequest *request, unsigned i, Error *error) {
        int fd; /* the message's */
        int r = sd_bus_message_read_basic(message, SD_BUS_TYPE_UNIX_FD, &fd);

        if (r < 0)
                return error_malformed(r, error);
        return run_request_set_fd(request->run, i, fd, error);
}

static int read_stdin(sd_bus_message *message, BusRequest *request, Error *error) {
        return read_fd(message, request, 0, error);
}

static int read_stdout(sd_bus_message *message, BusRequest *request, Error *error) {
        return read_fd(message, request, 1, error);
}

static int read_stderr(sd_bus_message *message, BusRequest *request, Error *error) {
        return read_fd(message, request, 2, error);
}

static int read_rlimits(sd_bus_message *message, BusRequest *request, Error *error) {
        const char *name;
        uint64_t soft, hard;
        int r;

        r = sd_bus_message_enter_container(message, SD_BUS_TYPE_ARRAY, "{s(tt)}");
        if (r < 0)
                return error_malformed(r, error);
        while ((r = sd_bus_message_read(message, "{s(tt)}", &name, &soft, &hard)) > 0) {
                r = run_request_add_rlimit(request->run, name, soft, hard, error);
                if (r < 0)
                        return r;
        }
        if (r >= 0)
                r = sd_bus_message_exit_container(message);
        return r < 0 ? error_malformed(r, error) : 0;
}

static const BusOption sandbox_options[] = {
        { "template", "s", read_template },
        { "capabilities", "as", read_capabilities },
        { "mounts", "a(sst)", read_mounts },
        { "environment", "a{ss}", read_environment },
        { "hostname", "s", read_hostname },
        { "labels", "a{ss}", read_labels },
        { "bind-to-caller", "b", read_bind_to_caller },
        {},
};

static const BusOption run_options[] = {
        { "environment", "a{ss}", read_environment },
        { "working-directory", "s", read_working_directory },
        { "user", "s", read_user },
        { "groups", "as", read_groups },
        { "namespaces", "as", read_namespaces },
        { "stdin", "h", read_stdin },
        { "stdout", "h", read_stdout },
        { "stderr", "h", read_stderr },
        { "terminal", "b", read_terminal },
        { "rows", "q", read_rows },
        { "columns", "q", read_columns },
        { "rlimits", "a{s(tt)}", read_rlimits },
        {},
};

static const BusOption launch_options[] = {
        { "keep", "b", read_keep },
        {},
};

static const BusOption *option_find(const BusOption *table, const char *name) {
        for (; table->name; table++)
                if (strcmp(table->name, name) == 0)
                        return table;
        return NULL;
}

static const BusOption *request_find_option(const BusRequest *request, const char *name) {
        const BusOption *option = NULL;

        if (request->sandbox && request->run)
                option = option_find(launch_options, name);
        if (!option && request->run)
                option = option_find(run_options, name);
        if (!option && request->sandbox)
                option = option_find(sandbox_options, name);
        return option;
}

/* One entry of the dictionary; we stand before its variant. */
static int option_read(sd_bus_message *message, const char *name, BusRequest *request, Error *error) {
        const BusOption *option = request_find_option(request, name);
        const char *contents;
        int r;

        if (!option)
                return error_setf(error, ERROR_INVALID_ARGS, "Unknown option '%.64s'", name);
        r = sd_bus_message_peek_type(message, NULL, &contents);
        if (r < 0)
                return error_malformed(r, error);
        if (strcmp(contents, option->signature) != 0)
                return error_setf(error, ERROR_INVALID_ARGS, "Option '%s' is of type '%.64s', not '%s'", name,
                                  contents, option->signature);
        r = sd_bus_message_enter_container(message, SD_BUS_TYPE_VARIANT, contents);
        if (r < 0)
                return error_malformed(r, error);
        r = option->read(message, request, error);
        if (r < 0)
                return r;
        r = sd_bus_message_exit_container(message);
        return r < 0 ? error_malformed(r, error) : 0;
}

int bus_options_read(sd_bus_message *message, BusRequest *request, Error *error) {
        const char *names[OPTIONS_MAX];
        size_t n = 0;
        int r;

        r = sd_bus_message_enter_container(message, SD_BUS_TYPE_ARRAY, "{sv}");
        if (r < 0)
                return error_malformed(r, error);
        while ((r = sd_bus_message_enter_container(message, SD_BUS_TYPE_DICT_ENTRY, "sv")) > 0) {
                const char *name;

                r = sd_bus_message_read_basic(message, SD_BUS_TYPE_STRING, &name);
                if (r < 0)
                        return error_malformed(r, error);
                for (size_t i = 0; i < n; i++)
                        if (strcmp(names[i], name) == 0)
                                return error_setf(error, ERROR_INVALID_ARGS, "Option '%s' is given twice",
                                                  name);
                r = option_read(message, name, request, error);
                if (r < 0)
                        return r;
                g_assert(n < OPTIONS_MAX); /* each is known and comes once */
                names[n++] = name;
                r = sd_bus_message_exit_container(message);
                if (r < 0)
                        return error_malformed(r, error);
        }
        if (r >= 0)
                r = sd_bus_message_exit_container(message);
        if (r < 0)
                return error_malformed(r, error);
        return request->run ? run_request_check(request->run, error) : 0;
}

int bus_options_read_none(sd_bus_message *message, Error *error) {
        BusRequest request = { 0 };

        return bus_options_read(message, &request, error);
}
