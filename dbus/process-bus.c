/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * org.bulkhead.Bulkhead1.Process
 */
#include <string.h>

#include "dbus/bus-error.h"
#include "dbus/bus-path.h"
#include "dbus/bus-private.h"
#include "util/cleanup.h"
#include "util/log.h"

static int method_kill(sd_bus_message *message, void *process, sd_bus_error *ret_error) {
        g_auto(Error) error = ERROR_NULL;
        g_autoptr(BusCall) call = bus_call_new(bus_of(message), message, 0);
        int32_t signal;
        int r;

        r = sd_bus_message_read(message, "i", &signal);
        if (r < 0)
                return r;
        r = process_kill(process, signal, bus_call_finish, call, &error);
        if (r < 0)
                return bus_error_set(ret_error, &error);
        (void) g_steal_pointer(&call);
        return 1;
}

static void on_process_ended(void *userdata, const Process *process) {
        g_autoptr(BusCall) call = userdata;
        int r = sd_bus_reply_method_return(call->message, "si",
                                           shim_exit_reason_to_string(process_get_exit_reason(process)),
                                           (int32_t) process_get_exit_status(process));

        if (r < 0)
                log_debug("Cannot answer Wait: %s", g_strerror(-r));
}

static int method_wait(sd_bus_message *message, void *process, sd_bus_error *ret_error G_GNUC_UNUSED) {
        process_wait(process, on_process_ended, bus_call_new(bus_of(message), message, 0));
        return 1;
}

static int method_open_terminal(sd_bus_message *message, void *process, sd_bus_error *ret_error) {
        g_auto(Error) error = ERROR_NULL;
        autofd int fd = -EBADF;

        if (process_open_terminal(process, &fd, &error) < 0)
                return bus_error_set(ret_error, &error);
        return sd_bus_reply_method_return(message, "h", fd); /* which duplicates it */
}

static int method_resize(sd_bus_message *message, void *process, sd_bus_error *ret_error) {
        g_auto(Error) error = ERROR_NULL;
        uint16_t rows, columns;
        int r;

        r = sd_bus_message_read(message, "qq", &rows, &columns);
        if (r < 0)
                return r;
        if (process_resize(process, rows, columns, &error) < 0)
                return bus_error_set(ret_error, &error);
        return sd_bus_reply_method_return(message, NULL);
}

/* ---- properties ---- */

static int append_pid(sd_bus_message *message, const void *process) {
        return sd_bus_message_append(message, "u", (uint32_t) process_get_pid(process));
}

static int append_argv(sd_bus_message *message, const void *process) {
        return bus_append_strings(message, process_get_argv(process));
}

static int append_state(sd_bus_message *message, const void *process) {
        return sd_bus_message_append_basic(message, SD_BUS_TYPE_STRING,
                                           process_state_to_string(process_get_state(process)));
}

static int append_exit_reason(sd_bus_message *message, const void *process) {
        bool has_ended = process_get_state(process) == PROCESS_ENDED;

        return sd_bus_message_append_basic(
                message, SD_BUS_TYPE_STRING,
                has_ended ? shim_exit_reason_to_string(process_get_exit_reason(process)) : "");
}

static int append_exit_status(sd_bus_message *message, const void *process) {
        return sd_bus_message_append(message, "i", (int32_t) process_get_exit_status(process));
}

const BusProperty process_bus_properties[] = {
        { "Pid", "u", append_pid },
        { "Argv", "as", append_argv },
        { "State", "s", append_state },
        { "ExitReason", "s", append_exit_reason },
        { "ExitStatus", "i", append_exit_status },
        {},
};

/* ---- the object ---- */

static int find(sd_bus *sd G_GNUC_UNUSED, const char *path, const char *interface G_GNUC_UNUSED,
                void *userdata, void **ret_found, sd_bus_error *ret_error G_GNUC_UNUSED) {
        Bus *bus = userdata;
        g_autofree char *name = NULL;
        uint32_t number;
        uid_t viewer, owner;
        Process *process;

        if (!bus_get_current_uid(bus, &viewer))
                return 0;
        if (bus_path_parse(viewer, path, &owner, &name, &number) == 0 || number == 0)
                return 0;
        process = manager_find_process(bus->manager, number);
        if (!process || process_get_owner(process) != owner ||
            strcmp(process_get_sandbox_name(process), name) != 0)
                return 0;
        *ret_found = process;
        return 1;
}

static int property_get(sd_bus *sd G_GNUC_UNUSED, const char *path G_GNUC_UNUSED,
                        const char *interface G_GNUC_UNUSED, const char *property, sd_bus_message *reply,
                        void *process, sd_bus_error *ret_error G_GNUC_UNUSED) {
        return bus_property_append(process_bus_properties, property, reply, process);
}

static const sd_bus_vtable process_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD_WITH_ARGS("Kill", SD_BUS_ARGS("i", signal), SD_BUS_NO_RESULT, method_kill,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Wait", SD_BUS_NO_ARGS, SD_BUS_RESULT("s", reason, "i", status), method_wait,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("OpenTerminal", SD_BUS_NO_ARGS, SD_BUS_RESULT("h", terminal),
                                method_open_terminal, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Resize", SD_BUS_ARGS("q", rows, "q", columns), SD_BUS_NO_RESULT,
                                method_resize, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_PROPERTY("Pid", "u", property_get, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Argv", "as", property_get, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("State", "s", property_get, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("ExitReason", "s", property_get, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("ExitStatus", "i", property_get, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_VTABLE_END,
};

int bus_add_processes(Bus *bus) {
        sd_bus_slot *slot;
        int r = sd_bus_add_fallback_vtable(bus->bus, &slot, BUS_PATH_SANDBOXES, BUS_PROCESS_INTERFACE,
                                           process_vtable, find, bus);

        if (r >= 0)
                bus_keep_slot(bus, slot);
        return r;
}
