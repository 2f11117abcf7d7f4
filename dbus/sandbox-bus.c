/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * org.bulkhead.Bulkhead1.Sandbox
 */
#include "capabilities/capability.h"
#include "dbus/bus-error.h"
#include "dbus/bus-options.h"
#include "dbus/bus-path.h"
#include "dbus/bus-private.h"
#include "service/mount.h"
#include "util/log.h"

/* ---- Run ---- */

static void on_ran(void *userdata, Process *process, const Error *error) {
        g_autoptr(BusCall) call = userdata;
        int r = error ? bus_refuse_later(call, error) : bus_reply_run(call, process, false);

        if (r < 0)
                log_debug("Cannot answer Run: %s", g_strerror(-r));
}

static int method_run(sd_bus_message *message, Bus *bus, Sandbox *sandbox, sd_bus_error *ret_error) {
        g_auto(Error) error = ERROR_NULL;
        g_auto(BusRequest) request = { 0 };
        g_auto(GStrv) argv = NULL;
        g_autoptr(BusCall) call = NULL;
        Caller *caller;
        int r;

        r = bus_get_caller(bus, message, &caller, &error);
        if (r >= 0) {
                request.run = run_request_new(caller);
                r = bus_read_strings(message, &argv, &error);
        }
        if (r >= 0)
                r = run_request_set_argv(request.run, argv, &error);
        if (r >= 0)
                r = bus_options_read(message, &request, &error);
        if (r >= 0) {
                call = bus_call_new(bus, message, caller->uid);
                r = sandbox_run(sandbox, request.run, on_ran, call, &error);
        }
        if (r < 0)
                return bus_refuse(bus, message, ret_error, &error);
        (void) g_steal_pointer(&call);
        return 1;
}

/* ---- changes ---- */

static int method_change(sd_bus_message *message, Bus *bus, Sandbox *sandbox, SandboxVerb verb,
                         bool has_names, sd_bus_error *ret_error) {
        g_auto(Error) error = ERROR_NULL;
        g_auto(GStrv) names = NULL;
        g_autoptr(BusCall) call = NULL;
        Caller *caller;
        int r;

        r = bus_get_caller(bus, message, &caller, &error);
        if (r >= 0 && has_names)
                r = bus_read_strings(message, &names, &error);
        if (r >= 0) {
                call = bus_call_new(bus, message, caller->uid);
                r = sandbox_change(sandbox, verb, caller, names, bus_call_finish, call, &error);
        }
        if (r < 0)
                return bus_refuse(bus, message, ret_error, &error);
        (void) g_steal_pointer(&call);
        return 1;
}

/* ---- mounts ---- */

/* By @source, or by the descriptor for NULL. */
static int mount_asked(sd_bus_message *message, Bus *bus, Sandbox *sandbox, const char *source, int fd,
                       sd_bus_error *ret_error) {
        g_auto(Error) error = ERROR_NULL;
        g_autoptr(BusCall) call = NULL;
        g_autoptr(Mount) mount = NULL;
        const char *target;
        Caller *caller;
        uint64_t flags;
        int r;

        r = sd_bus_message_read(message, "st", &target, &flags);
        if (r < 0)
                return r;
        r = bus_get_caller(bus, message, &caller, &error);
        if (r >= 0 && source)
                r = mount_new(source, target, flags, &mount, &error);
        else if (r >= 0)
                r = mount_new_fd(fd, sandbox_number_mount(sandbox), target, flags, &mount, &error);
        if (r >= 0) {
                call = bus_call_new(bus, message, caller->uid);
                r = sandbox_mount(sandbox, caller, mount, bus_call_finish, call, &error);
        }
        if (r < 0)
                return bus_error_set(ret_error, &error);
        (void) g_steal_pointer(&call);
        return 1;
}

static int method_bind_mount(sd_bus_message *message, Bus *bus, Sandbox *sandbox, sd_bus_error *ret_error) {
        const char *source;
        int r = sd_bus_message_read(message, "s", &source);

        return r < 0 ? r : mount_asked(message, bus, sandbox, source, -EBADF, ret_error);
}

static int method_bind_mount_fd(sd_bus_message *message, Bus *bus, Sandbox *sandbox,
                                sd_bus_error *ret_error) {
        int fd; /* the message's */
        int r = sd_bus_message_read(message, "h", &fd);

        return r < 0 ? r : mount_asked(message, bus, sandbox, NULL, fd, ret_error);
}

static int method_unmount(sd_bus_message *message, Bus *bus, Sandbox *sandbox, sd_bus_error *ret_error) {
        g_auto(Error) error = ERROR_NULL;
        g_autoptr(BusCall) call = NULL;
        g_autofree char *normal = NULL;
        const char *target;
        Caller *caller;
        int r;

        r = sd_bus_message_read(message, "s", &target);
        if (r < 0)
                return r;
        r = bus_get_caller(bus, message, &caller, &error);
        if (r >= 0)
                r = plan_path_normalize(target, &normal, &error);
        if (r >= 0) {
                char *names[] = { normal, NULL };

                call = bus_call_new(bus, message, caller->uid);
                r = sandbox_change(sandbox, SANDBOX_UNMOUNT, caller, names, bus_call_finish, call, &error);
        }
        if (r < 0)
                return bus_error_set(ret_error, &error);
        (void) g_steal_pointer(&call);
        return 1;
}

/* ---- snapshot ---- */

static int method_snapshot(sd_bus_message *message, Bus *bus, Sandbox *sandbox, sd_bus_error *ret_error) {
        g_auto(Error) error = ERROR_NULL;
        g_autoptr(BusCall) call = NULL;
        Caller *caller;
        int fd; /* the message's */
        int r;

        r = sd_bus_message_read(message, "h", &fd);
        if (r < 0)
                return r;
        r = bus_get_caller(bus, message, &caller, &error);
        if (r >= 0)
                r = bus_options_read_none(message, &error);
        if (r >= 0) {
                call = bus_call_new(bus, message, caller->uid);
                r = sandbox_snapshot(sandbox, fd, bus_call_finish, call, &error);
        }
        if (r < 0)
                return bus_error_set(ret_error, &error);
        (void) g_steal_pointer(&call);
        return 1;
}

/* ---- namespaces ---- */

static int reply_namespaces(sd_bus_message *call, const char *const *names, const int *fds, size_t n) {
        sd_bus_message *reply = NULL;
        int r;

        r = sd_bus_message_new_method_return(call, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, SD_BUS_TYPE_ARRAY, "{sh}");
        for (size_t i = 0; r >= 0 && i < n; i++)
                r = sd_bus_message_append(reply, "{sh}", names[i], fds[i]);
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        if (r >= 0)
                r = sd_bus_send(NULL, reply, NULL);
        sd_bus_message_unref(reply);
        return r;
}

static void on_namespaces(void *userdata, const char *const *names, const int *fds, size_t n,
                          const Error *error) {
        g_autoptr(BusCall) call = userdata;
        int r = error ? bus_error_reply(call->message, error)
                      : reply_namespaces(call->message, names, fds, n);

        if (r < 0)
                log_debug("Cannot answer GetNamespaces: %s", g_strerror(-r));
}

static int method_get_namespaces(sd_bus_message *message, Bus *bus, Sandbox *sandbox,
                                 sd_bus_error *ret_error) {
        g_auto(Error) error = ERROR_NULL;
        g_autoptr(BusCall) call = NULL;
        uid_t uid;
        int r;

        r = bus_get_uid(bus, message, &uid, &error);
        if (r >= 0 && uid != 0)
                r = error_setf(&error, ERROR_ACCESS_DENIED,
                               "User %u may not have the namespaces of a sandbox", (unsigned) uid);
        if (r >= 0) {
                call = bus_call_new(bus, message, uid);
                r = sandbox_get_namespaces(sandbox, on_namespaces, call, &error);
        }
        if (r < 0)
                return bus_error_set(ret_error, &error);
        (void) g_steal_pointer(&call);
        return 1;
}

/* ---- the rest ---- */

static int method_kill(sd_bus_message *message, Bus *bus, Sandbox *sandbox, sd_bus_error *ret_error) {
        g_auto(Error) error = ERROR_NULL;
        g_autoptr(BusCall) call = NULL;
        int32_t signal;
        int r;

        r = sd_bus_message_read(message, "i", &signal);
        if (r < 0)
                return r;
        call = bus_call_new(bus, message, 0);
        r = sandbox_signal(sandbox, 0, signal, bus_call_finish, call, &error);
        if (r < 0)
                return bus_error_set(ret_error, &error);
        (void) g_steal_pointer(&call);
        return 1;
}

static int method_stop(sd_bus_message *message, Bus *bus, Sandbox *sandbox) {
        uint64_t usec;
        int r = sd_bus_message_read(message, "t", &usec);

        if (r < 0)
                return r;
        sandbox_stop(sandbox, usec, bus_call_finish, bus_call_new(bus, message, 0));
        return 1;
}

/* ---- properties ---- */

static int append_name(sd_bus_message *message, const void *sandbox) {
        return sd_bus_message_append_basic(message, SD_BUS_TYPE_STRING, sandbox_get_name(sandbox));
}

static int append_privileges(sd_bus_message *message, const void *sandbox) {
        g_auto(GStrv) lines = sandbox_list_privileges(sandbox);

        return bus_append_strings(message, lines);
}

static int append_template(sd_bus_message *message, const void *sandbox) {
        return bus_append_text(message, sandbox_get_template(sandbox));
}

static int append_owner(sd_bus_message *message, const void *sandbox) {
        return sd_bus_message_append(message, "u", (uint32_t) sandbox_get_owner(sandbox));
}

static int append_created(sd_bus_message *message, const void *sandbox) {
        return sd_bus_message_append(message, "t", sandbox_get_created_usec(sandbox));
}

static int append_created_monotonic(sd_bus_message *message, const void *sandbox) {
        return sd_bus_message_append(message, "t", sandbox_get_created_monotonic_usec(sandbox));
}

static int append_timing(sd_bus_message *message, const ShimTiming *timing) {
        int r = sd_bus_message_open_container(message, SD_BUS_TYPE_STRUCT, "st");

        if (r >= 0)
                r = bus_append_text(message, timing->step);
        if (r >= 0)
                r = sd_bus_message_append_basic(message, SD_BUS_TYPE_UINT64, &timing->usec);
        return r < 0 ? r : sd_bus_message_close_container(message);
}

static int append_timings(sd_bus_message *message, const void *sandbox) {
        const GArray *timings = sandbox_get_timings(sandbox);
        int r = sd_bus_message_open_container(message, SD_BUS_TYPE_ARRAY, "(st)");

        for (guint i = 0; r >= 0 && i < timings->len; i++)
                r = append_timing(message, &g_array_index(timings, ShimTiming, i));
        return r < 0 ? r : sd_bus_message_close_container(message);
}

static int append_state(sd_bus_message *message, const void *sandbox) {
        return sd_bus_message_append_basic(message, SD_BUS_TYPE_STRING,
                                           sandbox_state_to_string(sandbox_get_state(sandbox)));
}

static int append_state_reason(sd_bus_message *message, const void *sandbox) {
        return bus_append_text(message, sandbox_get_state_reason(sandbox));
}

static int append_capabilities(sd_bus_message *message, const void *sandbox) {
        const GPtrArray *capabilities = sandbox_get_capabilities(sandbox);
        int r = sd_bus_message_open_container(message, SD_BUS_TYPE_ARRAY, "s");

        for (guint i = 0; r >= 0 && i < capabilities->len; i++)
                r = sd_bus_message_append_basic(message, SD_BUS_TYPE_STRING,
                                                capability_get_name(capabilities->pdata[i]));
        return r < 0 ? r : sd_bus_message_close_container(message);
}

static int append_leader(sd_bus_message *message, const void *sandbox) {
        return sd_bus_message_append(message, "u", (uint32_t) sandbox_get_leader(sandbox));
}

static int append_labels(sd_bus_message *message, const void *sandbox) {
        int r = sd_bus_message_open_container(message, SD_BUS_TYPE_ARRAY, "{ss}");
        GHashTableIter iter;
        gpointer name, value;

        g_hash_table_iter_init(&iter, sandbox_get_labels(sandbox));
        while (r >= 0 && g_hash_table_iter_next(&iter, &name, &value))
                r = sd_bus_message_append(message, "{ss}", (const char *) name, (const char *) value);
        return r < 0 ? r : sd_bus_message_close_container(message);
}

static int append_addresses(sd_bus_message *message, const void *sandbox) {
        return bus_append_strings(message, sandbox_get_addresses(sandbox));
}

static int append_mechanisms(sd_bus_message *message, const void *sandbox) {
        return bus_append_strings(message, sandbox_get_mechanisms(sandbox));
}

static int append_pending(sd_bus_message *message, const void *sandbox) {
        return bus_append_strings(message, sandbox_get_pending(sandbox));
}

static int append_mounts(sd_bus_message *message, const void *sandbox) {
        const GPtrArray *mounts = sandbox_get_mounts(sandbox);
        int r = sd_bus_message_open_container(message, SD_BUS_TYPE_ARRAY, "(sst)");

        for (guint i = 0; r >= 0 && i < mounts->len; i++) {
                const Mount *mount = mounts->pdata[i];

                r = sd_bus_message_open_container(message, SD_BUS_TYPE_STRUCT, "sst");
                if (r >= 0)
                        r = bus_append_text(message, mount->source);
                if (r >= 0)
                        r = bus_append_text(message, mount->target);
                if (r >= 0)
                        r = sd_bus_message_append(message, "t", (uint64_t) mount->flags);
                if (r >= 0)
                        r = sd_bus_message_close_container(message);
        }
        return r < 0 ? r : sd_bus_message_close_container(message);
}

/* {sv} of a text that may be missing. */
static int append_denied_text(sd_bus_message *message, const char *name, const char *text) {
        return text ? sd_bus_message_append(message, "{sv}", name, "s", text) : 0;
}

int bus_append_denied(sd_bus_message *message, const ShimDenied *denied, const char *capabilities) {
        int r = sd_bus_message_open_container(message, SD_BUS_TYPE_ARRAY, "{sv}");

        if (r >= 0)
                r = append_denied_text(message, "target", denied->target);
        if (r >= 0)
                r = append_denied_text(message, "detail", denied->detail);
        if (r >= 0)
                r = sd_bus_message_append(message, "{sv}", "count", "u", denied->count);
        if (r >= 0)
                r = append_denied_text(message, "protocol", denied->protocol);
        if (r >= 0 && denied->port > 0)
                r = sd_bus_message_append(message, "{sv}", "port", "q", denied->port);
        if (r >= 0)
                r = append_denied_text(message, "interface", denied->interface);
        if (r >= 0)
                r = append_denied_text(message, "member", denied->member);
        if (r >= 0)
                r = append_denied_text(message, "path", denied->path);
        if (r >= 0)
                r = append_denied_text(message, "capabilities", capabilities);
        return r < 0 ? r : sd_bus_message_close_container(message);
}

static int append_refused(sd_bus_message *message, const void *sandbox) {
        const Denials *denials = sandbox_get_denials(sandbox);
        int r = sd_bus_message_open_container(message, SD_BUS_TYPE_ARRAY, "(tsa{sv})");

        for (guint i = 0; r >= 0 && i < denials_get_size(denials); i++) {
                const Denial *denial = denials_get(denials, i);

                r = sd_bus_message_open_container(message, SD_BUS_TYPE_STRUCT, "tsa{sv}");
                if (r >= 0)
                        r = sd_bus_message_append(message, "ts", (uint64_t) denial->usec, denial->what.gateway);
                if (r >= 0)
                        r = bus_append_denied(message, &denial->what, denial->capabilities);
                if (r >= 0)
                        r = sd_bus_message_close_container(message);
        }
        return r < 0 ? r : sd_bus_message_close_container(message);
}

static int append_control_group(sd_bus_message *message, const void *sandbox) {
        g_autofree char *path = sandbox_get_control_group(sandbox);

        return bus_append_text(message, path);
}

static int append_memory(sd_bus_message *message, const void *sandbox) {
        return sd_bus_message_append(message, "t", sandbox_read_usage(sandbox, USAGE_MEMORY));
}

static int append_cpu(sd_bus_message *message, const void *sandbox) {
        return sd_bus_message_append(message, "t", sandbox_read_usage(sandbox, USAGE_CPU));
}

static int append_tasks(sd_bus_message *message, const void *sandbox) {
        return sd_bus_message_append(message, "t", sandbox_read_usage(sandbox, USAGE_TASKS));
}

static int append_oom_kills(sd_bus_message *message, const void *sandbox) {
        return sd_bus_message_append(message, "t", sandbox_read_usage(sandbox, USAGE_OOM_KILLS));
}

static int append_cpu_pressure(sd_bus_message *message, const void *sandbox) {
        return sd_bus_message_append(message, "t", sandbox_read_usage(sandbox, USAGE_CPU_PRESSURE));
}

static int append_io_pressure(sd_bus_message *message, const void *sandbox) {
        return sd_bus_message_append(message, "t", sandbox_read_usage(sandbox, USAGE_IO_PRESSURE));
}

static int append_memory_pressure(sd_bus_message *message, const void *sandbox) {
        return sd_bus_message_append(message, "t", sandbox_read_usage(sandbox, USAGE_MEMORY_PRESSURE));
}

const BusProperty sandbox_bus_properties[] = {
        { "Name", "s", append_name },
        { "Template", "s", append_template },
        { "Privileges", "as", append_privileges },
        { "Owner", "u", append_owner },
        { "CreatedUSec", "t", append_created },
        { "CreatedUSecMonotonic", "t", append_created_monotonic },
        { "LaunchTimings", "a(st)", append_timings },
        { "State", "s", append_state },
        { "StateReason", "s", append_state_reason },
        { "Capabilities", "as", append_capabilities },
        { "Addresses", "as", append_addresses },
        { "Pending", "as", append_pending },
        { "Leader", "u", append_leader },
        { "ControlGroup", "s", append_control_group },
        { "Labels", "a{ss}", append_labels },
        { "Mounts", "a(sst)", append_mounts, .when_asked = true },
        { "Mechanisms", "as", append_mechanisms, .when_asked = true },
        { "Refused", "a(tsa{sv})", append_refused, .when_asked = true },
        { "MemoryCurrent", "t", append_memory, .when_asked = true },
        { "CPUUsageNSec", "t", append_cpu, .when_asked = true },
        { "TasksCurrent", "t", append_tasks, .when_asked = true },
        { "OOMKills", "t", append_oom_kills, .when_asked = true },
        { "CPUPressureUSec", "t", append_cpu_pressure, .when_asked = true },
        { "IOPressureUSec", "t", append_io_pressure, .when_asked = true },
        { "MemoryPressureUSec", "t", append_memory_pressure, .when_asked = true },
        {},
};

/* ---- the object ---- */

static int find(sd_bus *sd G_GNUC_UNUSED, const char *path, const char *interface G_GNUC_UNUSED,
                void *userdata, void **ret_found, sd_bus_error *ret_error) {
        Bus *bus = userdata;
        g_auto(Error) error = ERROR_NULL;
        g_autofree char *name = NULL;
        uint32_t number;
        uid_t viewer, owner;

        if (!bus_get_current_uid(bus, &viewer))
                return 0;
        if (bus_path_parse(viewer, path, &owner, &name, &number) == 0 || number > 0)
                return 0;
        *ret_found = manager_find_sandbox(bus->manager, owner, name);
        if (*ret_found)
                return 1;
        (void) error_setf(&error, ERROR_NO_SUCH_SANDBOX, "There is no sandbox '%s'", name);
        return bus_error_set(ret_error, &error);
}

static int enumerate(sd_bus *sd G_GNUC_UNUSED, const char *prefix G_GNUC_UNUSED, void *userdata,
                     char ***ret_nodes, sd_bus_error *ret_error G_GNUC_UNUSED) {
        Bus *bus = userdata;
        g_autoptr(GPtrArray) sandboxes = manager_list_sandboxes(bus->manager);
        g_autoptr(GPtrArray) processes = manager_list_processes(bus->manager);
        g_autoptr(GPtrArray) paths = g_ptr_array_new();
        uid_t viewer;

        if (!bus_get_current_uid(bus, &viewer))
                return 0;
        for (guint i = 0; i < sandboxes->len; i++) {
                uid_t owner = sandbox_get_owner(sandboxes->pdata[i]);

                if (viewer == 0 || viewer == owner)
                        g_ptr_array_add(paths, bus_path_sandbox(viewer, owner,
                                                                sandbox_get_name(sandboxes->pdata[i])));
        }
        for (guint i = 0; i < processes->len; i++) {
                const Process *process = processes->pdata[i];
                uid_t owner = process_get_owner(process);

                if (viewer == 0 || viewer == owner)
                        g_ptr_array_add(paths,
                                        bus_path_process(viewer, owner, process_get_sandbox_name(process),
                                                         process_get_number(process)));
        }
        g_ptr_array_add(paths, NULL);
        /* sd-bus frees with free(3), which is what g_malloc() uses since GLib 2.46. */
        *ret_nodes = (char **) g_ptr_array_steal(paths, NULL);
        return 0;
}

static int on_run(sd_bus_message *message, void *sandbox, sd_bus_error *ret_error) {
        return method_run(message, bus_of(message), sandbox, ret_error);
}

static int on_set_capabilities(sd_bus_message *message, void *sandbox, sd_bus_error *ret_error) {
        return method_change(message, bus_of(message), sandbox, SANDBOX_SET_CAPABILITIES, true, ret_error);
}

static int on_grant(sd_bus_message *message, void *sandbox, sd_bus_error *ret_error) {
        return method_change(message, bus_of(message), sandbox, SANDBOX_GRANT, true, ret_error);
}

static int on_revoke(sd_bus_message *message, void *sandbox, sd_bus_error *ret_error) {
        return method_change(message, bus_of(message), sandbox, SANDBOX_REVOKE, true, ret_error);
}

static int on_bind_mount(sd_bus_message *message, void *sandbox, sd_bus_error *ret_error) {
        return method_bind_mount(message, bus_of(message), sandbox, ret_error);
}

static int on_bind_mount_fd(sd_bus_message *message, void *sandbox, sd_bus_error *ret_error) {
        return method_bind_mount_fd(message, bus_of(message), sandbox, ret_error);
}

static int on_unmount(sd_bus_message *message, void *sandbox, sd_bus_error *ret_error) {
        return method_unmount(message, bus_of(message), sandbox, ret_error);
}

static int on_snapshot(sd_bus_message *message, void *sandbox, sd_bus_error *ret_error) {
        return method_snapshot(message, bus_of(message), sandbox, ret_error);
}

static int on_get_namespaces(sd_bus_message *message, void *sandbox, sd_bus_error *ret_error) {
        return method_get_namespaces(message, bus_of(message), sandbox, ret_error);
}

static int on_freeze(sd_bus_message *message, void *sandbox, sd_bus_error *ret_error) {
        return method_change(message, bus_of(message), sandbox, SANDBOX_FREEZE, false, ret_error);
}

static int on_thaw(sd_bus_message *message, void *sandbox, sd_bus_error *ret_error) {
        return method_change(message, bus_of(message), sandbox, SANDBOX_THAW, false, ret_error);
}

static int on_kill(sd_bus_message *message, void *sandbox, sd_bus_error *ret_error) {
        return method_kill(message, bus_of(message), sandbox, ret_error);
}

static int on_stop(sd_bus_message *message, void *sandbox, sd_bus_error *ret_error G_GNUC_UNUSED) {
        return method_stop(message, bus_of(message), sandbox);
}

static int property_get(sd_bus *sd G_GNUC_UNUSED, const char *path G_GNUC_UNUSED,
                        const char *interface G_GNUC_UNUSED, const char *property, sd_bus_message *reply,
                        void *sandbox, sd_bus_error *ret_error G_GNUC_UNUSED) {
        return bus_property_append(sandbox_bus_properties, property, reply, sandbox);
}

static const sd_bus_vtable sandbox_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD_WITH_ARGS("Run", SD_BUS_ARGS("as", argv, "a{sv}", options),
                                SD_BUS_RESULT("o", process, "u", pid), on_run, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("SetCapabilities", SD_BUS_ARGS("as", capabilities), SD_BUS_NO_RESULT,
                                on_set_capabilities, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Grant", SD_BUS_ARGS("as", capabilities), SD_BUS_NO_RESULT, on_grant,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Revoke", SD_BUS_ARGS("as", capabilities), SD_BUS_NO_RESULT, on_revoke,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("BindMount", SD_BUS_ARGS("s", source, "s", target, "t", flags),
                                SD_BUS_NO_RESULT, on_bind_mount, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("BindMountFd", SD_BUS_ARGS("h", source, "s", target, "t", flags),
                                SD_BUS_NO_RESULT, on_bind_mount_fd, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Unmount", SD_BUS_ARGS("s", target), SD_BUS_NO_RESULT, on_unmount,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Snapshot", SD_BUS_ARGS("h", file, "a{sv}", options), SD_BUS_NO_RESULT,
                                on_snapshot, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("GetNamespaces", SD_BUS_NO_ARGS, SD_BUS_RESULT("a{sh}", namespaces),
                                on_get_namespaces, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Freeze", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, on_freeze,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Thaw", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, on_thaw,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Kill", SD_BUS_ARGS("i", signal), SD_BUS_NO_RESULT, on_kill,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Stop", SD_BUS_ARGS("t", timeout_usec), SD_BUS_NO_RESULT, on_stop,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_PROPERTY("Name", "s", property_get, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Template", "s", property_get, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Privileges", "as", property_get, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Owner", "u", property_get, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("CreatedUSec", "t", property_get, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("CreatedUSecMonotonic", "t", property_get, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("LaunchTimings", "a(st)", property_get, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("State", "s", property_get, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("StateReason", "s", property_get, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Capabilities", "as", property_get, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Addresses", "as", property_get, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Pending", "as", property_get, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Leader", "u", property_get, 0, 0),
        SD_BUS_PROPERTY("ControlGroup", "s", property_get, 0, 0),
        SD_BUS_PROPERTY("Labels", "a{ss}", property_get, 0, 0),
        SD_BUS_PROPERTY("Mounts", "a(sst)", property_get, 0, 0),
        SD_BUS_PROPERTY("Mechanisms", "as", property_get, 0, 0),
        SD_BUS_PROPERTY("Refused", "a(tsa{sv})", property_get, 0, 0),
        SD_BUS_PROPERTY("MemoryCurrent", "t", property_get, 0, 0),
        SD_BUS_PROPERTY("CPUUsageNSec", "t", property_get, 0, 0),
        SD_BUS_PROPERTY("TasksCurrent", "t", property_get, 0, 0),
        SD_BUS_PROPERTY("OOMKills", "t", property_get, 0, 0),
        SD_BUS_PROPERTY("CPUPressureUSec", "t", property_get, 0, 0),
        SD_BUS_PROPERTY("IOPressureUSec", "t", property_get, 0, 0),
        SD_BUS_PROPERTY("MemoryPressureUSec", "t", property_get, 0, 0),
        SD_BUS_SIGNAL_WITH_ARGS("ProcessExited",
                                SD_BUS_ARGS("o", process, "u", pid, "s", reason, "i", status), 0),
        SD_BUS_SIGNAL_WITH_ARGS("Denied", SD_BUS_ARGS("s", gateway, "a{sv}", what), 0),
        SD_BUS_VTABLE_END,
};

int bus_add_sandboxes(Bus *bus) {
        sd_bus_slot *slot;
        int r;

        r = sd_bus_add_fallback_vtable(bus->bus, &slot, BUS_PATH_SANDBOXES, BUS_SANDBOX_INTERFACE,
                                       sandbox_vtable, find, bus);
        if (r < 0)
                return r;
        bus_keep_slot(bus, slot);
        r = sd_bus_add_node_enumerator(bus->bus, &slot, BUS_PATH_SANDBOXES, enumerate, bus);
        if (r >= 0)
                bus_keep_slot(bus, slot);
        return r;
}
