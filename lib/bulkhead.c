/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The calls of libbulkhead: each is one method of the service's interface
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "lib/bulkhead-private.h"

#define DBUS_ERROR_PREFIX "org.freedesktop.DBus.Error."

/* ---- errors ---- */

BULKHEAD_EXPORT void bulkhead_error_done(BulkheadError *error) {
        if (!error)
                return;
        g_clear_pointer(&error->name, g_free);
        g_clear_pointer(&error->message, g_free);
}

BULKHEAD_EXPORT int bulkhead_error_is(const BulkheadError *error, const char *name) {
        return error && error->name && strcmp(error->name, name) == 0;
}

int bulkhead_error_set(BulkheadError *error, int r, const char *name, const char *format, ...) {
        va_list args;

        g_assert(r < 0);
        if (!error)
                return r;
        g_assert(!error->name); /* each failure is explained once */
        va_start(args, format);
        error->name = g_strdup(name);
        error->message = g_strdup_vprintf(format, args);
        va_end(args);
        return r;
}

/* What a name on the bus is called here. */
static const char *error_get_name(const char *bus_name, int r) {
        static const struct {
                const char *bus_name, *name;
        } table[] = {
                { DBUS_ERROR_PREFIX "ServiceUnknown", BULKHEAD_ERROR_NO_SERVICE },
                { DBUS_ERROR_PREFIX "NameHasNoOwner", BULKHEAD_ERROR_NO_SERVICE },
                { DBUS_ERROR_PREFIX "NoReply", BULKHEAD_ERROR_NO_ANSWER },
                { DBUS_ERROR_PREFIX "Timeout", BULKHEAD_ERROR_NO_ANSWER },
                { DBUS_ERROR_PREFIX "TimedOut", BULKHEAD_ERROR_NO_ANSWER },
                { DBUS_ERROR_PREFIX "UnknownObject", BULKHEAD_ERROR_GONE },
                { DBUS_ERROR_PREFIX "UnknownMethod", BULKHEAD_ERROR_UNKNOWN },
                { DBUS_ERROR_PREFIX "UnknownInterface", BULKHEAD_ERROR_UNKNOWN },
                { DBUS_ERROR_PREFIX "UnknownProperty", BULKHEAD_ERROR_UNKNOWN },
                { DBUS_ERROR_PREFIX "InvalidArgs", "InvalidArgs" },
                { DBUS_ERROR_PREFIX "AccessDenied", "AccessDenied" },
                { DBUS_ERROR_PREFIX "NoMemory", "NoMemory" },
        };

        if (bus_name && g_str_has_prefix(bus_name, BUS_ERROR_PREFIX))
                return bus_name + strlen(BUS_ERROR_PREFIX);
        for (size_t i = 0; bus_name && i < G_N_ELEMENTS(table); i++)
                if (strcmp(table[i].bus_name, bus_name) == 0)
                        return table[i].name;
        if (r == -ETIMEDOUT)
                return BULKHEAD_ERROR_NO_ANSWER;
        /* The connection is made in the background, so that it failed shows at the first call. */
        if (r == -ENOTCONN || r == -ECONNRESET || r == -ECONNREFUSED || r == -ENOENT || r == -EPIPE)
                return BULKHEAD_ERROR_NO_BUS;
        return BULKHEAD_ERROR_FAILED;
}

int bulkhead_error_take(BulkheadError *error, const sd_bus_error *from, int r) {
        const char *message = from && from->message && *from->message ? from->message : g_strerror(-r);

        return bulkhead_error_set(error, r, error_get_name(from ? from->name : NULL, r), "%s", message);
}

int bulkhead_error_message(BulkheadError *error, int r, const char *what) {
        return bulkhead_error_set(error, r, "InvalidArgs", "%s cannot be sent or read over D-Bus: %s", what,
                                  g_strerror(-r));
}

/* ---- connection ---- */

static int open_address(const char *address, sd_bus **ret) {
        sd_bus *bus = NULL;
        int r = sd_bus_new(&bus);

        if (r >= 0)
                r = sd_bus_set_address(bus, address);
        if (r >= 0)
                r = sd_bus_set_bus_client(bus, 1);
        if (r >= 0)
                r = sd_bus_negotiate_fds(bus, 1);
        if (r >= 0)
                r = sd_bus_start(bus);
        if (r < 0)
                sd_bus_unref(bus);
        else
                *ret = bus;
        return r;
}

BULKHEAD_EXPORT int bulkhead_open(const char *bus, Bulkhead **ret, BulkheadError *error) {
        Bulkhead *bulkhead = g_new0(Bulkhead, 1);
        int r;

        g_queue_init(&bulkhead->told);
        bulkhead->waits = bulkhead_events_new_waits();
        if (!bus || strcmp(bus, "system") == 0)
                r = sd_bus_open_system(&bulkhead->bus);
        else if (strcmp(bus, "session") == 0)
                r = sd_bus_open_user(&bulkhead->bus);
        else
                r = open_address(bus, &bulkhead->bus);
        if (r >= 0)
                r = bulkhead_events_start(bulkhead);
        if (r < 0) {
                bulkhead_close(bulkhead);
                return bulkhead_error_set(error, r, BULKHEAD_ERROR_NO_BUS,
                                          "Cannot connect to the bus '%s': %s", bus ? bus : "system",
                                          g_strerror(-r));
        }
        *ret = bulkhead;
        return 0;
}

BULKHEAD_EXPORT void bulkhead_close(Bulkhead *bulkhead) {
        if (!bulkhead)
                return;
        bulkhead_events_done(bulkhead);
        sd_bus_flush_close_unref(bulkhead->bus);
        g_free(bulkhead->service);
        g_free(bulkhead);
}

sd_bus *bulkhead_get_bus(Bulkhead *bulkhead) {
        return bulkhead->bus;
}

/* ---- calls ---- */

int bulkhead_new_call(Bulkhead *bulkhead, const char *path, const char *interface, const char *member,
                      sd_bus_message **ret, BulkheadError *error) {
        int r;

        if (!path || sd_bus_object_path_is_valid(path) <= 0)
                return bulkhead_error_set(error, -EINVAL, "InvalidArgs",
                                          "Expected the path of an object, not '%s'", path ? path : "");
        r = sd_bus_message_new_method_call(bulkhead->bus, ret, BUS_NAME, path, interface, member);
        return r < 0 ? bulkhead_error_message(error, r, member) : 0;
}

int bulkhead_call(Bulkhead *bulkhead, sd_bus_message *call, uint64_t timeout_usec, sd_bus_message **ret_reply,
                  BulkheadError *error) {
        g_autoptr(sd_bus_message) reply = NULL;
        sd_bus_error bus_error = SD_BUS_ERROR_NULL;
        int r = sd_bus_call(bulkhead->bus, call, timeout_usec, &bus_error, &reply);

        if (r < 0)
                r = bulkhead_error_take(error, &bus_error, r);
        else {
                if (sd_bus_message_get_sender(reply)) {
                        g_free(bulkhead->service);
                        bulkhead->service = g_strdup(sd_bus_message_get_sender(reply));
                }
                if (ret_reply)
                        *ret_reply = g_steal_pointer(&reply);
        }
        sd_bus_error_free(&bus_error);
        return r < 0 ? r : 0;
}

int bulkhead_find(Bulkhead *bulkhead, const char *sandbox, char **ret_path, BulkheadError *error) {
        g_autoptr(sd_bus_message) call = NULL, reply = NULL;
        const char *path;
        int r;

        if (sandbox && sandbox[0] == '/') {
                *ret_path = g_strdup(sandbox);
                return 0;
        }
        r = bulkhead_new_call(bulkhead, BUS_PATH, BUS_MANAGER_INTERFACE, "GetSandbox", &call, error);
        if (r < 0)
                return r;
        r = sd_bus_message_append(call, "s", sandbox ? sandbox : "");
        if (r < 0)
                return bulkhead_error_message(error, r, "The name of the sandbox");
        r = bulkhead_call(bulkhead, call, 0, &reply, error);
        if (r < 0)
                return r;
        r = sd_bus_message_read(reply, "o", &path);
        if (r < 0)
                return bulkhead_error_message(error, r, "The answer");
        *ret_path = g_strdup(path);
        return 0;
}

/* A call to a sandbox by path or name, with arguments as for sd_bus_message_append(), and nothing in the
 * answer. */
static int call_sandbox(Bulkhead *bulkhead, const char *sandbox, const char *member, uint64_t timeout_usec,
                        BulkheadError *error, const char *types, ...) {
        g_autoptr(sd_bus_message) call = NULL;
        g_autofree char *path = NULL;
        va_list args;
        int r = bulkhead_find(bulkhead, sandbox, &path, error);

        if (r < 0)
                return r;
        r = bulkhead_new_call(bulkhead, path, BUS_SANDBOX_INTERFACE, member, &call, error);
        if (r < 0)
                return r;
        va_start(args, types);
        r = sd_bus_message_appendv(call, types, args);
        va_end(args);
        if (r < 0)
                return bulkhead_error_message(error, r, "An argument");
        return bulkhead_call(bulkhead, call, timeout_usec, NULL, error);
}

static int call_process(Bulkhead *bulkhead, const char *process, const char *member, uint64_t timeout_usec,
                        sd_bus_message **ret_reply, BulkheadError *error, const char *types, ...) {
        g_autoptr(sd_bus_message) call = NULL;
        va_list args;
        int r = bulkhead_new_call(bulkhead, process, BUS_PROCESS_INTERFACE, member, &call, error);

        if (r < 0)
                return r;
        va_start(args, types);
        r = sd_bus_message_appendv(call, types, args);
        va_end(args);
        if (r < 0)
                return bulkhead_error_message(error, r, "An argument");
        return bulkhead_call(bulkhead, call, timeout_usec, ret_reply, error);
}

static void give(char **ret, const char *string) {
        if (ret)
                *ret = g_strdup(string);
}

BULKHEAD_EXPORT int bulkhead_create(Bulkhead *bulkhead, const BulkheadRequest *request, char **ret_sandbox,
                                    BulkheadError *error) {
        g_autoptr(sd_bus_message) call = NULL, reply = NULL;
        const char *sandbox;
        int r = bulkhead_new_call(bulkhead, BUS_PATH, BUS_MANAGER_INTERFACE, "CreateSandbox", &call, error);

        if (r < 0)
                return r;
        r = sd_bus_message_append(call, "s", bulkhead_request_get_name(request));
        if (r >= 0)
                r = bulkhead_request_append(request, REQUEST_SANDBOX, call);
        if (r < 0)
                return bulkhead_error_message(error, r, "An argument");
        r = bulkhead_call(bulkhead, call, 0, &reply, error);
        if (r < 0)
                return r;
        r = sd_bus_message_read(reply, "o", &sandbox);
        if (r < 0)
                return bulkhead_error_message(error, r, "The answer");
        give(ret_sandbox, sandbox);
        return 0;
}

/* sd-bus takes vectors without const, and only reads them. */
static int append_argv(sd_bus_message *m, const char *const *argv) {
        return sd_bus_message_append_strv(m, (char **) (uintptr_t) argv);
}

BULKHEAD_EXPORT int bulkhead_launch(Bulkhead *bulkhead, const BulkheadRequest *request,
                                    const char *const *argv, char **ret_sandbox, char **ret_process,
                                    uint32_t *ret_pid, BulkheadError *error) {
        g_autoptr(sd_bus_message) call = NULL, reply = NULL;
        const char *sandbox, *process;
        uint32_t pid;
        int r = bulkhead_new_call(bulkhead, BUS_PATH, BUS_MANAGER_INTERFACE, "Launch", &call, error);

        if (r < 0)
                return r;
        r = sd_bus_message_append(call, "s", bulkhead_request_get_name(request));
        if (r >= 0)
                r = append_argv(call, argv);
        if (r >= 0)
                r = bulkhead_request_append(request, REQUEST_SANDBOX | REQUEST_PROCESS, call);
        if (r < 0)
                return bulkhead_error_message(error, r, "An argument");
        r = bulkhead_call(bulkhead, call, 0, &reply, error);
        if (r < 0)
                return r;
        r = sd_bus_message_read(reply, "oou", &sandbox, &process, &pid);
        if (r < 0)
                return bulkhead_error_message(error, r, "The answer");
        give(ret_sandbox, sandbox);
        give(ret_process, process);
        if (ret_pid)
                *ret_pid = pid;
        return 0;
}

BULKHEAD_EXPORT int bulkhead_run(Bulkhead *bulkhead, const char *sandbox, const BulkheadRequest *request,
                                 const char *const *argv, char **ret_process, uint32_t *ret_pid,
                                 BulkheadError *error) {
        g_autoptr(sd_bus_message) call = NULL, reply = NULL;
        g_autofree char *path = NULL;
        const char *process;
        uint32_t pid;
        int r = bulkhead_find(bulkhead, sandbox, &path, error);

        if (r < 0)
                return r;
        r = bulkhead_new_call(bulkhead, path, BUS_SANDBOX_INTERFACE, "Run", &call, error);
        if (r < 0)
                return r;
        r = append_argv(call, argv);
        if (r >= 0)
                r = bulkhead_request_append(request, REQUEST_PROCESS, call);
        if (r < 0)
                return bulkhead_error_message(error, r, "An argument");
        r = bulkhead_call(bulkhead, call, 0, &reply, error);
        if (r < 0)
                return r;
        r = sd_bus_message_read(reply, "ou", &process, &pid);
        if (r >= 0)
                r = bulkhead_events_watch(bulkhead, process, pid);
        if (r < 0)
                return bulkhead_error_message(error, r, "The answer");
        give(ret_process, process);
        if (ret_pid)
                *ret_pid = pid;
        return 0;
}

static int change_capabilities(Bulkhead *bulkhead, const char *sandbox, const char *member,
                               const char *const *capabilities, BulkheadError *error) {
        g_autoptr(sd_bus_message) call = NULL;
        g_autofree char *path = NULL;
        int r = bulkhead_find(bulkhead, sandbox, &path, error);

        if (r < 0)
                return r;
        r = bulkhead_new_call(bulkhead, path, BUS_SANDBOX_INTERFACE, member, &call, error);
        if (r < 0)
                return r;
        r = append_argv(call, capabilities);
        if (r < 0)
                return bulkhead_error_message(error, r, "The name of a capability");
        return bulkhead_call(bulkhead, call, 0, NULL, error);
}

BULKHEAD_EXPORT int bulkhead_grant(Bulkhead *bulkhead, const char *sandbox, const char *const *capabilities,
                                   BulkheadError *error) {
        return change_capabilities(bulkhead, sandbox, "Grant", capabilities, error);
}

BULKHEAD_EXPORT int bulkhead_revoke(Bulkhead *bulkhead, const char *sandbox, const char *const *capabilities,
                                    BulkheadError *error) {
        return change_capabilities(bulkhead, sandbox, "Revoke", capabilities, error);
}

BULKHEAD_EXPORT int bulkhead_mount(Bulkhead *bulkhead, const char *sandbox, const char *source,
                                   const char *target, unsigned flags, BulkheadError *error) {
        return call_sandbox(bulkhead, sandbox, "BindMount", 0, error, "sst", source, target,
                            (uint64_t) flags);
}

BULKHEAD_EXPORT int bulkhead_mount_fd(Bulkhead *bulkhead, const char *sandbox, int source, const char *target,
                                      unsigned flags, BulkheadError *error) {
        return call_sandbox(bulkhead, sandbox, "BindMountFd", 0, error, "hst", source, target,
                            (uint64_t) flags);
}

BULKHEAD_EXPORT int bulkhead_unmount(Bulkhead *bulkhead, const char *sandbox, const char *target,
                                     BulkheadError *error) {
        return call_sandbox(bulkhead, sandbox, "Unmount", 0, error, "s", target);
}

BULKHEAD_EXPORT int bulkhead_freeze(Bulkhead *bulkhead, const char *sandbox, BulkheadError *error) {
        return call_sandbox(bulkhead, sandbox, "Freeze", 0, error, "");
}

BULKHEAD_EXPORT int bulkhead_thaw(Bulkhead *bulkhead, const char *sandbox, BulkheadError *error) {
        return call_sandbox(bulkhead, sandbox, "Thaw", 0, error, "");
}

BULKHEAD_EXPORT int bulkhead_snapshot(Bulkhead *bulkhead, const char *sandbox, int file, BulkheadError *error) {
        return call_sandbox(bulkhead, sandbox, "Snapshot", UINT64_MAX, error, "ha{sv}", file, 0);
}

BULKHEAD_EXPORT int bulkhead_kill(Bulkhead *bulkhead, const char *sandbox, int signal_number,
                                  BulkheadError *error) {
        return call_sandbox(bulkhead, sandbox, "Kill", 0, error, "i", signal_number);
}

BULKHEAD_EXPORT int bulkhead_kill_process(Bulkhead *bulkhead, const char *process, int signal_number,
                                          BulkheadError *error) {
        return call_process(bulkhead, process, "Kill", 0, NULL, error, "i", signal_number);
}

BULKHEAD_EXPORT int bulkhead_stop(Bulkhead *bulkhead, const char *sandbox, uint64_t timeout_usec,
                                  BulkheadError *error) {
        return call_sandbox(bulkhead, sandbox, "Stop", UINT64_MAX, error, "t", timeout_usec);
}

BULKHEAD_EXPORT int bulkhead_wait(Bulkhead *bulkhead, const char *process, uint64_t timeout_usec,
                                  char **ret_reason, int *ret_status, BulkheadError *error) {
        g_autoptr(sd_bus_message) reply = NULL;
        const char *reason;
        int32_t status;
        int r = call_process(bulkhead, process, "Wait", timeout_usec == 0 ? UINT64_MAX : timeout_usec, &reply,
                             error, "");

        if (r < 0)
                return r;
        r = sd_bus_message_read(reply, "si", &reason, &status);
        if (r < 0)
                return bulkhead_error_message(error, r, "The answer");
        give(ret_reason, reason);
        if (ret_status)
                *ret_status = status;
        return 0;
}

BULKHEAD_EXPORT int bulkhead_open_terminal(Bulkhead *bulkhead, const char *process, int *ret_fd,
                                           BulkheadError *error) {
        g_autoptr(sd_bus_message) reply = NULL;
        int fd; /* the message's */
        int r = call_process(bulkhead, process, "OpenTerminal", 0, &reply, error, "");

        if (r < 0)
                return r;
        r = sd_bus_message_read(reply, "h", &fd);
        if (r < 0)
                return bulkhead_error_message(error, r, "The answer");
        fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        if (fd < 0 || fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK) < 0) {
                r = -errno;
                if (fd >= 0)
                        (void) close(fd);
                return bulkhead_error_set(error, r, BULKHEAD_ERROR_FAILED, "Cannot keep the terminal: %s",
                                          g_strerror(-r));
        }
        *ret_fd = fd;
        return 0;
}

BULKHEAD_EXPORT int bulkhead_resize(Bulkhead *bulkhead, const char *process, uint16_t rows, uint16_t columns,
                                    BulkheadError *error) {
        return call_process(bulkhead, process, "Resize", 0, NULL, error, "qq", (int) rows, (int) columns);
}

/* ---- list ---- */

static void sandbox_entry_free(gpointer data) {
        BulkheadSandbox *sandbox = data;

        if (!sandbox)
                return;
        g_free(sandbox->path);
        g_free(sandbox->name);
        g_free(sandbox->state);
        g_free(sandbox);
}

BULKHEAD_EXPORT void bulkhead_sandboxes_free(BulkheadSandbox **sandboxes) {
        for (size_t i = 0; sandboxes && sandboxes[i]; i++)
                sandbox_entry_free(sandboxes[i]);
        g_free(sandboxes);
}

BULKHEAD_EXPORT int bulkhead_list(Bulkhead *bulkhead, BulkheadSandbox ***ret, BulkheadError *error) {
        g_autoptr(GPtrArray) found = g_ptr_array_new_with_free_func(sandbox_entry_free);
        g_autoptr(sd_bus_message) call = NULL, reply = NULL;
        const char *name, *state, *path;
        int r = bulkhead_new_call(bulkhead, BUS_PATH, BUS_MANAGER_INTERFACE, "ListSandboxes", &call, error);

        if (r >= 0)
                r = bulkhead_call(bulkhead, call, 0, &reply, error);
        if (r < 0)
                return r;
        r = sd_bus_message_enter_container(reply, SD_BUS_TYPE_ARRAY, "(sso)");
        while (r >= 0 && (r = sd_bus_message_read(reply, "(sso)", &name, &state, &path)) > 0) {
                BulkheadSandbox *sandbox = g_new0(BulkheadSandbox, 1);

                *sandbox = (BulkheadSandbox){ g_strdup(path), g_strdup(name), g_strdup(state) };
                g_ptr_array_add(found, sandbox);
        }
        if (r < 0)
                return bulkhead_error_message(error, r, "The answer");
        g_ptr_array_add(found, NULL);
        *ret = (BulkheadSandbox **) g_ptr_array_steal(found, NULL);
        return 0;
}
