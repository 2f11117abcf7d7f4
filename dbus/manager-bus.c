/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * org.bulkhead.Bulkhead1.Manager
 */
#include "config.h"
#include "dbus/bus-error.h"
#include "dbus/bus-options.h"
#include "dbus/bus-path.h"
#include "dbus/bus-private.h"
#include "service/sandbox-name.h"
#include "util/log.h"

static int reply_path(BusCall *call, const Sandbox *sandbox) {
        g_autofree char *path = bus_path_sandbox(call->uid, sandbox_get_owner(sandbox),
                                                 sandbox_get_name(sandbox));

        return sd_bus_reply_method_return(call->message, "o", path);
}

/* ---- CreateSandbox ---- */

static void on_created(void *userdata, const Error *error) {
        g_autoptr(BusCall) call = userdata;
        int r = error ? bus_refuse_later(call, error) : reply_path(call, call->sandbox);

        if (r < 0)
                log_debug("Cannot answer CreateSandbox: %s", g_strerror(-r));
}

/* The name, then the options of the members that @request has. */
static int read_create(Bus *bus, sd_bus_message *message, const char *name, Caller **ret_caller,
                       BusRequest *request, Error *error) {
        int r = bus_get_caller(bus, message, ret_caller, error);

        if (r < 0)
                return r;
        request->sandbox = sandbox_request_new(*ret_caller, sd_bus_message_get_sender(message), name);
        return 0;
}

static int method_create_sandbox(sd_bus_message *message, void *userdata, sd_bus_error *ret_error) {
        Bus *bus = userdata;
        g_auto(Error) error = ERROR_NULL;
        g_auto(BusRequest) request = { 0 };
        g_autoptr(BusCall) call = NULL;
        const char *name;
        Caller *caller;
        int r;

        r = sd_bus_message_read(message, "s", &name);
        if (r < 0)
                return r;
        r = read_create(bus, message, name, &caller, &request, &error);
        if (r >= 0)
                r = bus_options_read(message, &request, &error);
        if (r < 0)
                return bus_refuse(bus, message, ret_error, &error);
        call = bus_call_new(bus, message, caller->uid);
        r = manager_create(bus->manager, request.sandbox, on_created, call, &call->sandbox, &error);
        if (r < 0)
                return bus_refuse(bus, message, ret_error, &error);
        if (request.sandbox->bind_to_caller)
                bus_bind(bus, call->sandbox, request.sandbox->client);
        (void) g_steal_pointer(&call);
        return 1;
}

/* ---- Launch ---- */

int bus_reply_run(BusCall *call, const Process *process, bool with_sandbox) {
        uid_t owner = process_get_owner(process);
        const char *name = process_get_sandbox_name(process);
        g_autofree char *sandbox = bus_path_sandbox(call->uid, owner, name);
        g_autofree char *path = bus_path_process(call->uid, owner, name, process_get_number(process));
        uint32_t pid = (uint32_t) process_get_pid(process);

        if (with_sandbox)
                return sd_bus_reply_method_return(call->message, "oou", sandbox, path, pid);
        return sd_bus_reply_method_return(call->message, "ou", path, pid);
}

static void on_launched(void *userdata, Process *process, const Error *error) {
        g_autoptr(BusCall) call = userdata;
        int r = error ? bus_refuse_later(call, error) : bus_reply_run(call, process, true);

        if (r < 0)
                log_debug("Cannot answer Launch: %s", g_strerror(-r));
        if (process && call->bind_to_caller) {
                Sandbox *sandbox = manager_find_sandbox(call->bus->manager, process_get_owner(process),
                                                        process_get_sandbox_name(process));

                if (sandbox)
                        bus_bind(call->bus, sandbox, sd_bus_message_get_sender(call->message));
        }
}

static void on_launcher_left(void *userdata) {
        BusCall *call = userdata;

        call->watch = NULL;
        launch_cancel(call->launch);
}

static int launch(BusCall *call, BusRequest *request, Error *error) {
        Bus *bus = call->bus;
        int r;

        r = launch_start(bus->manager, request->sandbox, g_steal_pointer(&request->run), request->keep,
                         on_launched, call, &call->launch, error);
        if (r < 0)
                return r;
        call->watch = bus_auth_watch(bus->auth, request->sandbox->client, on_launcher_left, call);
        if (!call->watch)
                launch_cancel(call->launch);
        return 0;
}

/* The rest of the arguments: options, or for @with only capabilities. */
static int read_launch(sd_bus_message *message, BusRequest *request, bool with, Error *error) {
        if (!with)
                return bus_options_read(message, request, error);
        return bus_read_strings(message, &request->sandbox->capabilities, error);
}

static int launch_asked(sd_bus_message *message, Bus *bus, bool with, sd_bus_error *ret_error) {
        g_auto(Error) error = ERROR_NULL;
        g_auto(BusRequest) request = { 0 };
        g_auto(GStrv) argv = NULL;
        g_autoptr(BusCall) call = NULL;
        const char *name;
        Caller *caller;
        int r;

        r = sd_bus_message_read(message, "s", &name);
        if (r < 0)
                return r;
        r = read_create(bus, message, name, &caller, &request, &error);
        if (r >= 0) {
                request.run = run_request_new(caller);
                r = bus_read_strings(message, &argv, &error);
        }
        if (r >= 0)
                r = run_request_set_argv(request.run, argv, &error);
        if (r >= 0)
                r = read_launch(message, &request, with, &error);
        if (r < 0)
                return bus_refuse(bus, message, ret_error, &error);
        call = bus_call_new(bus, message, caller->uid);
        call->bind_to_caller = request.sandbox->bind_to_caller;
        r = launch(call, &request, &error);
        if (r < 0)
                return bus_refuse(bus, message, ret_error, &error);
        (void) g_steal_pointer(&call);
        return 1;
}

static int method_launch(sd_bus_message *message, void *userdata, sd_bus_error *ret_error) {
        return launch_asked(message, userdata, false, ret_error);
}

static int method_launch_with(sd_bus_message *message, void *userdata, sd_bus_error *ret_error) {
        return launch_asked(message, userdata, true, ret_error);
}

/* ---- looking ---- */

static int method_get_sandbox(sd_bus_message *message, void *userdata, sd_bus_error *ret_error) {
        Bus *bus = userdata;
        g_auto(Error) error = ERROR_NULL;
        g_autofree char *name = NULL;
        g_autofree char *path = NULL;
        const char *text;
        uid_t uid, owner;
        int r;

        r = sd_bus_message_read(message, "s", &text);
        if (r < 0)
                return r;
        r = bus_get_uid(bus, message, &uid, &error);
        if (r >= 0)
                r = sandbox_name_parse(uid, text, &owner, &name, &error);
        if (r >= 0 && !manager_find_sandbox(bus->manager, owner, name))
                r = error_setf(&error, ERROR_NO_SUCH_SANDBOX, "There is no sandbox '%s'", text);
        if (r < 0)
                return bus_error_set(ret_error, &error);
        path = bus_path_sandbox(uid, owner, name);
        return sd_bus_reply_method_return(message, "o", path);
}

static int method_get_sandbox_by_pid(sd_bus_message *message, void *userdata, sd_bus_error *ret_error) {
        Bus *bus = userdata;
        g_auto(Error) error = ERROR_NULL;
        g_autofree char *path = NULL;
        const Sandbox *sandbox = NULL;
        uint32_t pid;
        uid_t uid;
        int r;

        r = sd_bus_message_read(message, "u", &pid);
        if (r < 0)
                return r;
        r = bus_get_uid(bus, message, &uid, &error);
        if (r >= 0 && pid <= INT32_MAX)
                sandbox = manager_find_sandbox_by_pid(bus->manager, (pid_t) pid);
        /* One of somebody else is answered as none. */
        if (r >= 0 && (!sandbox || (uid != 0 && sandbox_get_owner(sandbox) != uid)))
                r = error_setf(&error, ERROR_NO_SUCH_SANDBOX, "Process %u is in no sandbox", pid);
        if (r < 0)
                return bus_error_set(ret_error, &error);
        path = bus_path_sandbox(uid, sandbox_get_owner(sandbox), sandbox_get_name(sandbox));
        return sd_bus_reply_method_return(message, "o", path);
}

static int method_list_sandboxes(sd_bus_message *message, void *userdata, sd_bus_error *ret_error) {
        Bus *bus = userdata;
        g_auto(Error) error = ERROR_NULL;
        g_autoptr(GPtrArray) sandboxes = manager_list_sandboxes(bus->manager);
        sd_bus_message *reply = NULL;
        uid_t uid;
        int r;

        r = bus_get_uid(bus, message, &uid, &error);
        if (r < 0)
                return bus_error_set(ret_error, &error);
        r = sd_bus_message_new_method_return(message, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, SD_BUS_TYPE_ARRAY, "(sso)");
        for (guint i = 0; r >= 0 && i < sandboxes->len; i++) {
                const Sandbox *sandbox = sandboxes->pdata[i];
                uid_t owner = sandbox_get_owner(sandbox);
                g_autofree char *name = sandbox_name_format(uid, owner, sandbox_get_name(sandbox));
                g_autofree char *path = bus_path_sandbox(uid, owner, sandbox_get_name(sandbox));

                if (uid == 0 || uid == owner)
                        r = sd_bus_message_append(reply, "(sso)", name,
                                                  sandbox_state_to_string(sandbox_get_state(sandbox)), path);
        }
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        if (r >= 0)
                r = sd_bus_send(NULL, reply, NULL);
        sd_bus_message_unref(reply);
        return r;
}

static int method_list_capabilities(sd_bus_message *message, void *userdata,
                                    sd_bus_error *ret_error G_GNUC_UNUSED) {
        Bus *bus = userdata;
        const GPtrArray *capabilities = store_get_capabilities(manager_get_store(bus->manager));
        sd_bus_message *reply = NULL;
        int r;

        r = sd_bus_message_new_method_return(message, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, SD_BUS_TYPE_ARRAY, "(ssb)");
        for (guint i = 0; r >= 0 && i < capabilities->len; i++) {
                const Capability *capability = capabilities->pdata[i];

                r = sd_bus_message_append(reply, "(ssb)", capability_get_name(capability),
                                          capability_get_description(capability),
                                          (int) capability_is_default(capability));
        }
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        if (r >= 0)
                r = sd_bus_send(NULL, reply, NULL);
        sd_bus_message_unref(reply);
        return r;
}

static int append_strings_entry(sd_bus_message *reply, const char *key, char *const *strings) {
        int r = sd_bus_message_open_container(reply, SD_BUS_TYPE_DICT_ENTRY, "sv");

        if (r >= 0)
                r = sd_bus_message_append_basic(reply, SD_BUS_TYPE_STRING, key);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, SD_BUS_TYPE_VARIANT, "as");
        if (r >= 0)
                r = bus_append_strings(reply, strings);
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int method_describe_capability(sd_bus_message *message, void *userdata, sd_bus_error *ret_error) {
        Bus *bus = userdata;
        g_auto(Error) error = ERROR_NULL;
        g_autoptr(GPtrArray) resolved = NULL;
        sd_bus_message *reply = NULL;
        const Capability *capability;
        const char *name;
        int r;

        r = sd_bus_message_read(message, "s", &name);
        if (r < 0)
                return r;
        capability = store_find_capability(manager_get_store(bus->manager), name);
        if (!capability) {
                char *names[] = { (char *) name, NULL };

                /* Resolving it fails in better words, with the nearest known name. */
                if (store_resolve(manager_get_store(bus->manager), names, &resolved, &error) >= 0)
                        (void) error_setf(&error, ERROR_UNKNOWN_CAPABILITY, "There is no capability '%.255s'",
                                          name);
                return bus_error_set(ret_error, &error);
        }
        r = sd_bus_message_new_method_return(message, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, SD_BUS_TYPE_ARRAY, "{sv}");
        if (r >= 0)
                r = sd_bus_message_append(reply, "{sv}", "description", "s",
                                          capability_get_description(capability));
        if (r >= 0)
                r = append_strings_entry(reply, "files", capability_get_files(capability));
        if (r >= 0)
                r = append_strings_entry(reply, "gateways", capability_get_gateways(capability));
        if (r >= 0)
                r = sd_bus_message_append(reply, "{sv}", "risk", "s", capability_get_risk(capability));
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        if (r >= 0)
                r = sd_bus_send(NULL, reply, NULL);
        sd_bus_message_unref(reply);
        return r;
}

static int method_explain(sd_bus_message *message, void *userdata, sd_bus_error *ret_error) {
        Bus *bus = userdata;
        g_auto(Error) error = ERROR_NULL;
        g_auto(GStrv) names = NULL;
        g_autoptr(Plan) plan = NULL;
        g_autofree char *json = NULL;
        int r;

        r = bus_read_strings(message, &names, &error);
        if (r >= 0)
                r = bus_options_read_none(message, &error);
        if (r >= 0)
                r = store_plan(manager_get_store(bus->manager), names, &plan, &error);
        if (r < 0)
                return bus_error_set(ret_error, &error);
        json = plan_print_json(plan);
        return sd_bus_reply_method_return(message, "s", json);
}

/* ---- the service itself ---- */

static int append_finding(sd_bus_message *reply, const Finding *finding) {
        int r = sd_bus_message_open_container(reply, SD_BUS_TYPE_STRUCT, "suuss");

        if (r >= 0)
                r = bus_append_text(reply, finding->file);
        if (r >= 0)
                r = sd_bus_message_append(reply, "uu", finding->line, finding->column);
        if (r >= 0)
                r = bus_append_text(reply, finding->path);
        if (r >= 0)
                r = bus_append_text(reply, finding->text);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int append_findings(sd_bus_message *reply, const GPtrArray *findings) {
        int r = 0;

        for (guint i = 0; r >= 0 && i < findings->len; i++)
                r = append_finding(reply, findings->pdata[i]);
        return r;
}

static int method_reload(sd_bus_message *message, void *userdata, sd_bus_error *ret_error) {
        Bus *bus = userdata;
        g_auto(Error) error = ERROR_NULL;
        sd_bus_message *reply = NULL;
        uid_t uid;
        int r;

        r = bus_get_uid(bus, message, &uid, &error);
        if (r >= 0 && uid != 0)
                r = error_setf(&error, ERROR_ACCESS_DENIED, "User %u may not reload the manifests",
                               (unsigned) uid);
        if (r < 0)
                return bus_error_set(ret_error, &error);
        manager_reload(bus->manager);
        r = sd_bus_message_new_method_return(message, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, SD_BUS_TYPE_ARRAY, "(suuss)");
        if (r >= 0)
                r = append_findings(reply, store_get_findings(manager_get_store(bus->manager)));
        if (r >= 0)
                r = append_findings(reply, manager_get_settings(bus->manager)->findings);
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        if (r >= 0)
                r = sd_bus_send(NULL, reply, NULL);
        sd_bus_message_unref(reply);
        return r;
}

static int method_subscribe(sd_bus_message *message, void *userdata, sd_bus_error *ret_error) {
        Bus *bus = userdata;
        g_auto(Error) error = ERROR_NULL;
        uid_t uid;
        int r = bus_get_uid(bus, message, &uid, &error);

        if (r < 0)
                return bus_error_set(ret_error, &error);
        bus_subscribe(bus, sd_bus_message_get_sender(message), uid);
        return sd_bus_reply_method_return(message, NULL);
}

static int method_unsubscribe(sd_bus_message *message, void *userdata,
                              sd_bus_error *ret_error G_GNUC_UNUSED) {
        bus_unsubscribe(userdata, sd_bus_message_get_sender(message));
        return sd_bus_reply_method_return(message, NULL);
}

static int append_version(sd_bus_message *message, const void *bus G_GNUC_UNUSED) {
        return sd_bus_message_append_basic(message, SD_BUS_TYPE_STRING, BULKHEAD_VERSION);
}

static int append_gateways(sd_bus_message *message, const void *object) {
        const Bus *bus = object;
        g_auto(GStrv) gateways = manager_get_gateways(bus->manager);

        return bus_append_strings(message, gateways);
}

static int append_sandboxes(sd_bus_message *message, const void *object) {
        const Bus *bus = object;

        return sd_bus_message_append(message, "u", manager_count_sandboxes(bus->manager));
}

static int append_pool_ready(sd_bus_message *message, const void *object) {
        const Bus *bus = object;

        return sd_bus_message_append(message, "u", manager_count_spares(bus->manager));
}

static int append_warnings(sd_bus_message *message, const void *object) {
        const Bus *bus = object;
        g_autoptr(GPtrArray) warnings = manager_get_warnings(bus->manager);

        g_ptr_array_add(warnings, NULL);
        return bus_append_strings(message, (char **) warnings->pdata);
}

static const BusProperty manager_bus_properties[] = {
        { "Version", "s", append_version },     { "Gateways", "as", append_gateways },
        { "Sandboxes", "u", append_sandboxes }, { "PoolReady", "u", append_pool_ready },
        { "Warnings", "as", append_warnings },  {},
};

static int property_get(sd_bus *sd G_GNUC_UNUSED, const char *path G_GNUC_UNUSED,
                        const char *interface G_GNUC_UNUSED, const char *property, sd_bus_message *reply,
                        void *userdata, sd_bus_error *ret_error G_GNUC_UNUSED) {
        return bus_property_append(manager_bus_properties, property, reply, userdata);
}

static const sd_bus_vtable manager_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD_WITH_ARGS("CreateSandbox", SD_BUS_ARGS("s", name, "a{sv}", options),
                                SD_BUS_RESULT("o", sandbox), method_create_sandbox,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Launch", SD_BUS_ARGS("s", name, "as", argv, "a{sv}", options),
                                SD_BUS_RESULT("o", sandbox, "o", process, "u", pid), method_launch,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("LaunchWith", SD_BUS_ARGS("s", name, "as", argv, "as", capabilities),
                                SD_BUS_RESULT("o", sandbox, "o", process, "u", pid), method_launch_with,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("GetSandbox", SD_BUS_ARGS("s", name), SD_BUS_RESULT("o", sandbox),
                                method_get_sandbox, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("GetSandboxByPID", SD_BUS_ARGS("u", pid), SD_BUS_RESULT("o", sandbox),
                                method_get_sandbox_by_pid, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("ListSandboxes", SD_BUS_NO_ARGS, SD_BUS_RESULT("a(sso)", sandboxes),
                                method_list_sandboxes, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("ListCapabilities", SD_BUS_NO_ARGS, SD_BUS_RESULT("a(ssb)", capabilities),
                                method_list_capabilities, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("DescribeCapability", SD_BUS_ARGS("s", name),
                                SD_BUS_RESULT("a{sv}", description), method_describe_capability,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Explain", SD_BUS_ARGS("as", capabilities, "a{sv}", options),
                                SD_BUS_RESULT("s", plan), method_explain, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Reload", SD_BUS_NO_ARGS, SD_BUS_RESULT("a(suuss)", findings), method_reload,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Subscribe", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, method_subscribe,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Unsubscribe", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, method_unsubscribe,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_PROPERTY("Version", "s", property_get, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Gateways", "as", property_get, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Sandboxes", "u", property_get, 0, 0),
        SD_BUS_PROPERTY("PoolReady", "u", property_get, 0, 0),
        SD_BUS_PROPERTY("Warnings", "as", property_get, 0, 0),
        SD_BUS_SIGNAL_WITH_ARGS("ProcessExited",
                                SD_BUS_ARGS("o", process, "u", pid, "s", reason, "i", status), 0),
        SD_BUS_VTABLE_END,
};

int bus_add_manager(Bus *bus) {
        sd_bus_slot *slot;
        int r = sd_bus_add_object_vtable(bus->bus, &slot, BUS_PATH, BUS_MANAGER_INTERFACE, manager_vtable,
                                         bus);

        if (r >= 0)
                bus_keep_slot(bus, slot);
        return r;
}
