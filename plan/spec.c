/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/spec.h"

#include <limits.h>
#include <signal.h>
#include <string.h>

#include "plan/linux-capability.h"
#include "plan/plan-private.h"
#include "plan/spec-mount.h"
#include "util/enum-table.h"
#include "util/limits.h"

/* _NSIG - 1: the last realtime signal of Linux (signal(7)). */
#define SIGNAL_MAX 64

static const char *const spec_network_names[_SPEC_NETWORK_MAX] = {
        [SPEC_NETWORK_VETH] = "veth",
        [SPEC_NETWORK_NONE] = "none",
        [SPEC_NETWORK_HOST] = "host",
};

ENUM_TABLE_DEFINE(spec_network, SpecNetwork, _SPEC_NETWORK_MAX)

static const char *const spec_upper_names[_SPEC_UPPER_MAX] = {
        [SPEC_UPPER_EPHEMERAL] = "ephemeral",
        [SPEC_UPPER_NONE] = "none",
        [SPEC_UPPER_PERSISTENT] = "persistent",
};

ENUM_TABLE_DEFINE(spec_upper, SpecUpper, _SPEC_UPPER_MAX)

Spec *spec_new(void) {
        Spec *spec = g_new0(Spec, 1);

        session_init(&spec->session, 0);
        spec->id_count = SPEC_ID_COUNT_MIN;
        spec->user_namespace = true;
        spec->app_uid = spec->app_gid = 1000;
        spec->halt_signal = SIGTERM;
        spec->stop_timeout_usec = STOP_TIMEOUT_USEC;
        spec->start_timeout_usec = START_TIMEOUT_USEC;
        return spec;
}

Spec *spec_copy(const Spec *spec) {
        Spec *copy = g_new(Spec, 1);

        *copy = *spec;
        copy->name = g_strdup(spec->name);
        copy->hostname = g_strdup(spec->hostname);
        copy->environment = g_strdupv(spec->environment);
        session_copy(&spec->session, &copy->session);
        copy->template_name = g_strdup(spec->template_name);
        copy->layers = g_strdupv(spec->layers);
        copy->hide = g_strdupv(spec->hide);
        copy->folders = g_strdupv(spec->folders);
        copy->app_home = g_strdup(spec->app_home);
        copy->template_environment = g_strdupv(spec->template_environment);
        copy->state_folder = g_strdup(spec->state_folder);
        copy->mounts = g_strdupv(spec->mounts);
        copy->seccomp = g_strdup(spec->seccomp);
        for (size_t i = 0; i < _SPEC_FILTER_MAX; i++)
                copy->filters[i] = spec->filters[i] ? g_bytes_ref(spec->filters[i]) : NULL;
        copy->masked = g_strdupv(spec->masked);
        copy->read_only = g_strdupv(spec->read_only);
        copy->command = g_strdupv(spec->command);
        copy->working_directory = g_strdup(spec->working_directory);
        return copy;
}

void spec_free(Spec *spec) {
        if (!spec)
                return;
        g_free(spec->name);
        g_free(spec->hostname);
        g_strfreev(spec->environment);
        session_done(&spec->session);
        g_free(spec->template_name);
        g_strfreev(spec->layers);
        g_strfreev(spec->hide);
        g_strfreev(spec->folders);
        g_free(spec->app_home);
        g_strfreev(spec->template_environment);
        g_free(spec->state_folder);
        g_strfreev(spec->mounts);
        g_free(spec->seccomp);
        for (size_t i = 0; i < _SPEC_FILTER_MAX; i++)
                g_clear_pointer(&spec->filters[i], g_bytes_unref);
        g_strfreev(spec->masked);
        g_strfreev(spec->read_only);
        g_strfreev(spec->command);
        g_free(spec->working_directory);
        g_free(spec);
}

char **spec_list_privileges(const Spec *spec) {
        g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func(g_free);

        if (!spec->user_namespace)
                g_ptr_array_add(lines, g_strdup("User=no"));
        if (spec->network == SPEC_NETWORK_HOST)
                g_ptr_array_add(lines, g_strdup("Network=host"));
        if (g_strcmp0(spec->seccomp, "none") == 0)
                g_ptr_array_add(lines, g_strdup("Seccomp=none"));
        if (spec->has_privileged_filter)
                g_ptr_array_add(lines, g_strdup_printf("Seccomp=%s", spec->seccomp));
        if (spec->linux_capabilities != 0)
                g_ptr_array_add(lines, g_strdup("LinuxCapabilities="));
        g_ptr_array_add(lines, NULL);
        return (char **) g_ptr_array_free(g_steal_pointer(&lines), FALSE);
}

uint32_t spec_get_root_id(const Spec *spec) {
        return spec->user_namespace ? spec->id_base : 0;
}

static void put_filters(WireWriter *writer, const Spec *spec) {
        for (size_t i = 0; i < _SPEC_FILTER_MAX; i++) {
                size_t size = 0;
                const void *bytes = spec->filters[i] ? g_bytes_get_data(spec->filters[i], &size) : NULL;

                wire_put_bytes(writer, bytes, size);
        }
}

static void get_filters(WireReader *reader, Spec *spec) {
        for (size_t i = 0; i < _SPEC_FILTER_MAX; i++) {
                size_t size;
                const void *bytes = wire_get_bytes(reader, &size);

                spec->filters[i] = bytes && size > 0 ? g_bytes_new(bytes, size) : NULL;
        }
}

void spec_put(WireWriter *writer, const Spec *spec) {
        wire_put_string(writer, spec->name);
        wire_put_u32(writer, spec->owner);
        wire_put_string(writer, spec->hostname);
        wire_put_u32(writer, spec->id_base);
        wire_put_u32(writer, spec->id_count);
        wire_put_strings(writer, spec->environment);
        session_put(writer, &spec->session);
        wire_put_string(writer, spec->template_name);
        wire_put_strings(writer, spec->layers);
        wire_put_strings(writer, spec->hide);
        wire_put_strings(writer, spec->folders);
        wire_put_u64(writer, spec->upper_size);
        wire_put_u8(writer, spec->map_host_root);
        wire_put_u32(writer, spec->app_uid);
        wire_put_u32(writer, spec->app_gid);
        wire_put_string(writer, spec->app_home);
        wire_put_strings(writer, spec->template_environment);
        wire_put_u64(writer, spec->memory_max);
        wire_put_u64(writer, spec->tasks_max);
        wire_put_i32(writer, spec->halt_signal);
        wire_put_u64(writer, spec->stop_timeout_usec);
        wire_put_u64(writer, spec->start_timeout_usec);
        wire_put_u8(writer, spec->user_namespace);
        wire_put_string(writer, spec_network_to_string(spec->network));
        wire_put_string(writer, spec->seccomp);
        wire_put_u64(writer, spec->linux_capabilities);
        wire_put_strings(writer, spec->masked);
        wire_put_strings(writer, spec->read_only);
        wire_put_strings(writer, spec->command);
        wire_put_string(writer, spec->working_directory);
        wire_put_u8(writer, spec->has_privileged_filter);
        put_filters(writer, spec);
        wire_put_string(writer, spec->state_folder);
        wire_put_string(writer, spec_upper_to_string(spec->upper));
        wire_put_strings(writer, spec->mounts);
        /* New fields go here; readers that do not know them leave them. */
}

/* A word that becomes a part of paths, cgroup names and messages: [A-Za-z0-9][A-Za-z0-9_.-]*. */
static int name_check(const char *what, const char *name, size_t max, Error *error) {
        g_autofree char *text = NULL;
        bool valid = name && g_ascii_isalnum(name[0]) && strlen(name) <= max;

        for (const char *at = name; valid && *at; at++)
                valid = g_ascii_isalnum(*at) || strchr("_.-", *at);
        if (valid)
                return 0;
        if (!name)
                return error_setf(error, ERROR_INVALID_ARGS, "%s is missing", what);
        text = plan_text_excerpt(name);
        return error_setf(error, ERROR_INVALID_ARGS,
                          "%s '%s' is not a letter or digit with at most %zu of A-Z a-z 0-9 _ . - after it",
                          what, text, max - 1);
}

/* wire_get_strings() has seen to SPEC_PATHS_MAX. */
static int paths_check(const char *what, char *const *paths, Error *error) {
        for (size_t i = 0; paths[i]; i++) {
                int r = plan_path_check(what, paths[i], error);

                if (r < 0)
                        return r;
        }
        return 0;
}

static int layers_check(char *const *layers, Error *error) {
        if (!layers[0])
                return error_setf(error, ERROR_INVALID_ARGS, "Sandbox has no layers to be made of");
        for (size_t i = 0; layers[i]; i++) {
                int r = strcmp(layers[i], SPEC_LAYER_HOST_USR) == 0
                                ? 0
                                : plan_path_check("Layer", layers[i], error);

                if (r < 0)
                        return r;
        }
        return 0;
}

static int ids_check(const Spec *spec, Error *error) {
        if (spec->owner == (uid_t) -1)
                return error_setf(error, ERROR_INVALID_ARGS, "Owner of the sandbox is no user id");
        /* The last id, (uid_t) -1, is "no change" to the kernel and cannot be mapped (setreuid(2)). */
        if (spec->id_base < SPEC_ID_BASE_MIN || spec->id_count < SPEC_ID_COUNT_MIN ||
            (uint64_t) spec->id_base + spec->id_count > UINT32_MAX)
                return error_setf(error, ERROR_INVALID_ARGS,
                                  "%u ids from %u on are no range, at least %u from %u on were expected",
                                  spec->id_count, spec->id_base, SPEC_ID_COUNT_MIN, SPEC_ID_BASE_MIN);
        if (spec->app_uid >= INIT_UID || spec->app_gid >= INIT_UID)
                return error_setf(error, ERROR_INVALID_ARGS,
                                  "App's ids %u:%u inside, less than %d were expected", spec->app_uid,
                                  spec->app_gid, INIT_UID);
        return 0;
}

/* Without the filter that it names a sandbox must not start, so none is told from no filter. */
static int filters_check(const Spec *spec, Error *error) {
        bool is_none = g_strcmp0(spec->seccomp, "none") == 0;

        for (size_t i = 0; i < _SPEC_FILTER_MAX; i++) {
                size_t size = spec->filters[i] ? g_bytes_get_size(spec->filters[i]) : 0;

                if (is_none ? size > 0 : size == 0 && i != SPEC_FILTER_APPS)
                        return error_setf(error, ERROR_INVALID_ARGS,
                                          "Program %zu of the system call filter '%s' is %s", i,
                                          spec->seccomp ?: "default", is_none ? "there" : "missing");
                /* struct sock_filter has 8 bytes. */
                if (size > FILTER_SIZE_MAX || size % 8 != 0)
                        return error_setf(error, ERROR_INVALID_ARGS,
                                          "Program %zu of the system call filter has %zu bytes", i, size);
        }
        return 0;
}

static int upper_check(const Spec *spec, Error *error) {
        if (spec->upper < 0)
                return error_setf(error, ERROR_INVALID_ARGS,
                                  "Upper is not one of: ephemeral, none, persistent");
        if (spec->upper == SPEC_UPPER_EPHEMERAL && spec->upper_size == 0)
                return error_setf(error, ERROR_INVALID_ARGS, "Ephemeral upper has no size");
        if (spec->upper == SPEC_UPPER_PERSISTENT || spec->state_folder)
                return plan_path_check("Folder of kept state", spec->state_folder, error);
        return 0;
}

static int mounts_check(char *const *mounts, Error *error) {
        for (size_t i = 0; mounts[i]; i++) {
                g_auto(SpecMount) mount = SPEC_MOUNT_NULL;
                int r = spec_mount_parse(mounts[i], &mount, error);

                if (r < 0)
                        return r;
        }
        return 0;
}

static int walls_check(const Spec *spec, Error *error) {
        int r = 0;

        if (spec->network < 0)
                return error_setf(error, ERROR_INVALID_ARGS, "Network is not one of: veth, none, host");
        if (spec->linux_capabilities >> LINUX_CAPABILITIES_MAX != 0)
                return error_setf(error, ERROR_INVALID_ARGS, "Linux capabilities above %u",
                                  LINUX_CAPABILITIES_MAX - 1);
        if (spec->seccomp)
                r = name_check("Name of the system call filter", spec->seccomp, SECCOMP_NAME_MAX, error);
        if (r >= 0)
                r = filters_check(spec, error);
        if (r >= 0)
                r = paths_check("Masked path", spec->masked, error);
        if (r >= 0)
                r = paths_check("Read-only path", spec->read_only, error);
        return r;
}

/* What is run without an argv of its own. */
static int command_check(const Spec *spec, Error *error) {
        if (spec->command[0] && !spec->command[0][0])
                return error_setf(error, ERROR_INVALID_ARGS, "Command has an empty program");
        if (spec->working_directory && strcmp(spec->working_directory, "/") != 0)
                return plan_path_check("Working directory", spec->working_directory, error);
        return 0;
}

static int spec_check(const Spec *spec, Error *error) {
        int r;

        r = name_check("Name of the sandbox", spec->name, SANDBOX_NAME_MAX, error);
        if (r >= 0)
                r = name_check("Host name", spec->hostname, HOST_NAME_MAX, error);
        if (r >= 0)
                r = name_check("Name of the template", spec->template_name, NAME_MAX, error);
        if (r >= 0)
                r = ids_check(spec, error);
        if (r >= 0)
                r = plan_environment_check(spec->environment, error);
        if (r >= 0)
                r = plan_environment_check(spec->template_environment, error);
        if (r >= 0)
                r = layers_check(spec->layers, error);
        if (r >= 0)
                r = paths_check("Hidden path", spec->hide, error);
        if (r >= 0)
                r = paths_check("Folder", spec->folders, error);
        if (r >= 0)
                r = plan_path_check("App's home", spec->app_home, error);
        if (r >= 0)
                r = upper_check(spec, error);
        if (r >= 0)
                r = mounts_check(spec->mounts, error);
        if (r >= 0)
                r = walls_check(spec, error);
        if (r >= 0)
                r = command_check(spec, error);
        if (r >= 0 && (spec->halt_signal < 1 || spec->halt_signal > SIGNAL_MAX))
                r = error_setf(error, ERROR_INVALID_ARGS, "Halt signal %d, 1 to %d were expected",
                               spec->halt_signal, SIGNAL_MAX);
        if (r >= 0 && spec->start_timeout_usec == 0)
                r = error_setf(error, ERROR_INVALID_ARGS, "Sandbox has no time to start");
        return r;
}

int spec_get(WireReader *reader, Spec **ret, Error *error) {
        g_autoptr(Spec) spec = spec_new();
        uint8_t map_host_root, user_namespace, has_privileged_filter;
        int r;

        spec->name = g_strdup(wire_get_string(reader));
        spec->owner = wire_get_u32(reader);
        spec->hostname = g_strdup(wire_get_string(reader));
        spec->id_base = wire_get_u32(reader);
        spec->id_count = wire_get_u32(reader);
        spec->environment = plan_strings_take(wire_get_strings(reader, ENVIRONMENT_MAX));
        session_done(&spec->session);
        r = session_get(reader, &spec->session, error);
        if (r < 0)
                return error_prefixf(error, r, "Spec");
        spec->template_name = g_strdup(wire_get_string(reader));
        spec->layers = plan_strings_take(wire_get_strings(reader, SPEC_PATHS_MAX));
        spec->hide = plan_strings_take(wire_get_strings(reader, SPEC_PATHS_MAX));
        spec->folders = plan_strings_take(wire_get_strings(reader, SPEC_PATHS_MAX));
        spec->upper_size = wire_get_u64(reader);
        map_host_root = wire_get_u8(reader);
        spec->map_host_root = map_host_root == 1;
        spec->app_uid = wire_get_u32(reader);
        spec->app_gid = wire_get_u32(reader);
        spec->app_home = g_strdup(wire_get_string(reader));
        spec->template_environment = plan_strings_take(wire_get_strings(reader, ENVIRONMENT_MAX));
        spec->memory_max = wire_get_u64(reader);
        spec->tasks_max = wire_get_u64(reader);
        spec->halt_signal = wire_get_i32(reader);
        spec->stop_timeout_usec = wire_get_u64(reader);
        spec->start_timeout_usec = wire_get_u64(reader);
        user_namespace = wire_get_u8(reader);
        spec->user_namespace = user_namespace == 1;
        spec->network = spec_network_from_string(wire_get_string(reader));
        spec->seccomp = g_strdup(wire_get_string(reader));
        spec->linux_capabilities = wire_get_u64(reader);
        spec->masked = plan_strings_take(wire_get_strings(reader, SPEC_PATHS_MAX));
        spec->read_only = plan_strings_take(wire_get_strings(reader, SPEC_PATHS_MAX));
        spec->command = plan_strings_take(wire_get_strings(reader, ARGV_MAX));
        spec->working_directory = g_strdup(wire_get_string(reader));
        has_privileged_filter = wire_get_u8(reader);
        spec->has_privileged_filter = has_privileged_filter == 1;
        get_filters(reader, spec);
        spec->state_folder = g_strdup(wire_get_string(reader));
        spec->upper = spec_upper_from_string(wire_get_string(reader));
        spec->mounts = plan_strings_take(wire_get_strings(reader, SPEC_PATHS_MAX));
        if (reader->failed || map_host_root > 1 || user_namespace > 1 || has_privileged_filter > 1)
                return error_set_errnof(error, EBADMSG, "Spec ends early or is not well formed");
        r = spec_check(spec, error);
        if (r < 0)
                return error_prefixf(error, r, "Spec");
        *ret = g_steal_pointer(&spec);
        return 0;
}
