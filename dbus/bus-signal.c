/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Signals, each to one connection: whoever made the sandbox, and subscribers that may see it
 *
 * sd-bus's own emitters broadcast, which would tell everybody on the bus of everybody's sandboxes. A path in
 * a signal is as its receiver sees it.
 */
#include <string.h>

#include "dbus/bus-path.h"
#include "dbus/bus-private.h"
#include "util/log.h"

#define PROPERTIES_INTERFACE "org.freedesktop.DBus.Properties"
#define OBJECTS_INTERFACE    "org.freedesktop.DBus.ObjectManager"

typedef struct Subscriber {
        Bus *bus;   /* not owned */
        char *name; /* owned */
        uid_t uid;
        BusWatch *watch; /* owned */
} Subscriber;

/* One who is told. */
typedef struct Receiver {
        const char *name; /* not owned */
        uid_t uid;
} Receiver;

/* ---- subscribers ---- */

void subscriber_free(void *userdata) {
        Subscriber *subscriber = userdata;

        bus_watch_free(subscriber->watch);
        g_free(subscriber->name);
        g_free(subscriber);
}

static void on_subscriber_left(void *userdata) {
        Subscriber *subscriber = userdata;

        subscriber->watch = NULL;
        bus_unsubscribe(subscriber->bus, subscriber->name);
}

void bus_subscribe(Bus *bus, const char *name, uid_t uid) {
        Subscriber *subscriber;

        if (g_hash_table_contains(bus->subscribers, name))
                return;
        subscriber = g_new0(Subscriber, 1);
        *subscriber = (Subscriber){ .bus = bus, .name = g_strdup(name), .uid = uid };
        subscriber->watch = bus_auth_watch(bus->auth, name, on_subscriber_left, subscriber);
        if (!subscriber->watch) {
                subscriber_free(subscriber);
                return;
        }
        g_hash_table_insert(bus->subscribers, subscriber->name, subscriber);
}

void bus_unsubscribe(Bus *bus, const char *name) {
        (void) g_hash_table_remove(bus->subscribers, name);
}

/* Subscribers that may see what belongs to @owner, and @creator (NULL = not) if it is still there. */
static GArray *bus_find_receivers(Bus *bus, uid_t owner, const char *creator) {
        GArray *receivers = g_array_new(FALSE, FALSE, sizeof(Receiver));
        Receiver receiver = { .name = creator, .uid = owner }; /* who creates a sandbox owns it */
        GHashTableIter iter;
        gpointer value;

        if (creator && bus_auth_is_there(bus->auth, creator))
                g_array_append_val(receivers, receiver);
        g_hash_table_iter_init(&iter, bus->subscribers);
        while (g_hash_table_iter_next(&iter, NULL, &value)) {
                const Subscriber *subscriber = value;

                receiver = (Receiver){ .name = subscriber->name, .uid = subscriber->uid };
                if (subscriber->uid != 0 && subscriber->uid != owner)
                        continue;
                if (!creator || strcmp(creator, subscriber->name) != 0)
                        g_array_append_val(receivers, receiver);
        }
        return receivers;
}

/* ---- sending ---- */

typedef struct SignalKind {
        const char *interface, *member;
        bool from_root; /* the object manager's and the manager's come from the root path */
        int (*fill)(sd_bus_message *signal, uid_t viewer, const char *path, const void *subject);
} SignalKind;

static int signal_send(Bus *bus, const SignalKind *kind, const Receiver *receiver, const char *path,
                       const void *subject) {
        sd_bus_message *message = NULL;
        int r;

        r = sd_bus_message_new_signal(bus->bus, &message, kind->from_root ? BUS_PATH : path, kind->interface,
                                      kind->member);
        if (r >= 0)
                r = kind->fill(message, receiver->uid, path, subject);
        if (r >= 0)
                r = sd_bus_message_set_destination(message, receiver->name);
        if (r >= 0)
                r = sd_bus_send(bus->bus, message, NULL);
        sd_bus_message_unref(message);
        return r;
}

static void sandbox_signal_all(Bus *bus, const SignalKind *kind, const Sandbox *sandbox, const void *subject,
                               bool to_creator) {
        g_autoptr(GArray) receivers = bus_find_receivers(bus, sandbox_get_owner(sandbox),
                                                         to_creator ? sandbox_get_client(sandbox) : NULL);

        for (guint i = 0; i < receivers->len; i++) {
                const Receiver *receiver = &g_array_index(receivers, Receiver, i);
                g_autofree char *path = bus_path_sandbox(receiver->uid, sandbox_get_owner(sandbox),
                                                         sandbox_get_name(sandbox));
                int r = signal_send(bus, kind, receiver, path, subject);

                if (r < 0)
                        log_warning("Cannot send %s to %s: %s", kind->member, receiver->name, g_strerror(-r));
        }
}

static void process_signal_all(Bus *bus, const SignalKind *kind, const Process *process, bool to_creator) {
        g_autoptr(GArray) receivers = bus_find_receivers(bus, process_get_owner(process),
                                                         to_creator ? process_get_client(process) : NULL);

        for (guint i = 0; i < receivers->len; i++) {
                const Receiver *receiver = &g_array_index(receivers, Receiver, i);
                g_autofree char *path = kind->from_root || strcmp(kind->interface, PROPERTIES_INTERFACE) == 0
                                                ? bus_path_process(receiver->uid, process_get_owner(process),
                                                                   process_get_sandbox_name(process),
                                                                   process_get_number(process))
                                                : bus_path_sandbox(receiver->uid, process_get_owner(process),
                                                                   process_get_sandbox_name(process));
                int r = signal_send(bus, kind, receiver, path, process);

                if (r < 0)
                        log_warning("Cannot send %s to %s: %s", kind->member, receiver->name, g_strerror(-r));
        }
}

/* ---- contents ---- */

/* {sv} of one property. */
static int append_entry(sd_bus_message *message, const BusProperty *property, const void *object) {
        int r = sd_bus_message_open_container(message, SD_BUS_TYPE_DICT_ENTRY, "sv");

        if (r >= 0)
                r = sd_bus_message_append_basic(message, SD_BUS_TYPE_STRING, property->name);
        if (r >= 0)
                r = sd_bus_message_open_container(message, SD_BUS_TYPE_VARIANT, property->signature);
        if (r >= 0)
                r = property->append(message, object);
        if (r >= 0)
                r = sd_bus_message_close_container(message);
        return r < 0 ? r : sd_bus_message_close_container(message);
}

/* a{sv} of those in @names, or for NULL of all that cost nothing. */
static int append_properties(sd_bus_message *message, const BusProperty *table, const char *const *names,
                             const void *object) {
        int r = sd_bus_message_open_container(message, SD_BUS_TYPE_ARRAY, "{sv}");

        for (; r >= 0 && table->name; table++)
                if (names ? g_strv_contains(names, table->name) : !table->when_asked)
                        r = append_entry(message, table, object);
        return r < 0 ? r : sd_bus_message_close_container(message);
}

/* oa{sa{sv}} with one interface. */
static int fill_added(sd_bus_message *signal, const char *path, const char *interface,
                      const BusProperty *table, const void *object) {
        int r = sd_bus_message_append_basic(signal, SD_BUS_TYPE_OBJECT_PATH, path);

        if (r >= 0)
                r = sd_bus_message_open_container(signal, SD_BUS_TYPE_ARRAY, "{sa{sv}}");
        if (r >= 0)
                r = sd_bus_message_open_container(signal, SD_BUS_TYPE_DICT_ENTRY, "sa{sv}");
        if (r >= 0)
                r = sd_bus_message_append_basic(signal, SD_BUS_TYPE_STRING, interface);
        if (r >= 0)
                r = append_properties(signal, table, NULL, object);
        if (r >= 0)
                r = sd_bus_message_close_container(signal);
        return r < 0 ? r : sd_bus_message_close_container(signal);
}

static int fill_sandbox_added(sd_bus_message *signal, uid_t viewer G_GNUC_UNUSED, const char *path,
                              const void *sandbox) {
        return fill_added(signal, path, BUS_SANDBOX_INTERFACE, sandbox_bus_properties, sandbox);
}

static int fill_process_added(sd_bus_message *signal, uid_t viewer G_GNUC_UNUSED, const char *path,
                              const void *process) {
        return fill_added(signal, path, BUS_PROCESS_INTERFACE, process_bus_properties, process);
}

static int fill_sandbox_removed(sd_bus_message *signal, uid_t viewer G_GNUC_UNUSED, const char *path,
                                const void *sandbox G_GNUC_UNUSED) {
        return sd_bus_message_append(signal, "oas", path, 1, BUS_SANDBOX_INTERFACE);
}

static int fill_process_removed(sd_bus_message *signal, uid_t viewer G_GNUC_UNUSED, const char *path,
                                const void *process G_GNUC_UNUSED) {
        return sd_bus_message_append(signal, "oas", path, 1, BUS_PROCESS_INTERFACE);
}

/* PropertiesChanged: sa{sv}as. */
static int fill_changed(sd_bus_message *signal, const char *interface, const BusProperty *table,
                        const char *const *names, const void *object) {
        int r = sd_bus_message_append_basic(signal, SD_BUS_TYPE_STRING, interface);

        if (r >= 0)
                r = append_properties(signal, table, names, object);
        return r < 0 ? r : sd_bus_message_append(signal, "as", 0);
}

static int fill_state_changed(sd_bus_message *signal, uid_t viewer G_GNUC_UNUSED,
                              const char *path G_GNUC_UNUSED, const void *sandbox) {
        static const char *const names[] = { "State", "StateReason", NULL };

        return fill_changed(signal, BUS_SANDBOX_INTERFACE, sandbox_bus_properties, names, sandbox);
}

static int fill_capabilities_changed(sd_bus_message *signal, uid_t viewer G_GNUC_UNUSED,
                                     const char *path G_GNUC_UNUSED, const void *sandbox) {
        static const char *const names[] = { "Capabilities", NULL };

        return fill_changed(signal, BUS_SANDBOX_INTERFACE, sandbox_bus_properties, names, sandbox);
}

static int fill_pending_changed(sd_bus_message *signal, uid_t viewer G_GNUC_UNUSED,
                                const char *path G_GNUC_UNUSED, const void *sandbox) {
        static const char *const names[] = { "Pending", NULL };

        return fill_changed(signal, BUS_SANDBOX_INTERFACE, sandbox_bus_properties, names, sandbox);
}

static int fill_addresses_changed(sd_bus_message *signal, uid_t viewer G_GNUC_UNUSED,
                                  const char *path G_GNUC_UNUSED, const void *sandbox) {
        static const char *const names[] = { "Addresses", NULL };

        return fill_changed(signal, BUS_SANDBOX_INTERFACE, sandbox_bus_properties, names, sandbox);
}

static int fill_denied(sd_bus_message *signal, uid_t viewer G_GNUC_UNUSED, const char *path G_GNUC_UNUSED,
                       const void *subject) {
        const ShimDenied *denied = subject;
        int r = sd_bus_message_append(signal, "s", denied->gateway);

        return r < 0 ? r : bus_append_denied(signal, denied, NULL);
}

static int fill_process_changed(sd_bus_message *signal, uid_t viewer G_GNUC_UNUSED,
                                const char *path G_GNUC_UNUSED, const void *process) {
        static const char *const names[] = { "State", "ExitReason", "ExitStatus", NULL };

        return fill_changed(signal, BUS_PROCESS_INTERFACE, process_bus_properties, names, process);
}

static int fill_exited(sd_bus_message *signal, uid_t viewer, const char *path G_GNUC_UNUSED,
                       const void *subject) {
        const Process *process = subject;
        g_autofree char *process_path = bus_path_process(viewer, process_get_owner(process),
                                                         process_get_sandbox_name(process),
                                                         process_get_number(process));

        return sd_bus_message_append(signal, "ousi", process_path, (uint32_t) process_get_pid(process),
                                     shim_exit_reason_to_string(process_get_exit_reason(process)),
                                     (int32_t) process_get_exit_status(process));
}

/* ---- what the manager tells ---- */

static void on_sandbox_added(void *userdata, Sandbox *sandbox) {
        static const SignalKind kind = { OBJECTS_INTERFACE, "InterfacesAdded", true, fill_sandbox_added };

        bus_know_creator(userdata, sandbox);
        /* Its creator hears of it from the answer. */
        sandbox_signal_all(userdata, &kind, sandbox, sandbox, false);
}

static void on_sandbox_removed(void *userdata, Sandbox *sandbox) {
        static const SignalKind kind = { OBJECTS_INTERFACE, "InterfacesRemoved", true, fill_sandbox_removed };
        Bus *bus = userdata;

        (void) g_hash_table_remove(bus->bindings, sandbox);
        sandbox_signal_all(bus, &kind, sandbox, sandbox, true);
}

static void on_sandbox_changed(void *userdata, Sandbox *sandbox, SandboxChanges changes) {
        static const struct {
                SandboxChanges change;
                SignalKind kind;
        } signals[] = {
                { SANDBOX_CHANGED_STATE,
                  { PROPERTIES_INTERFACE, "PropertiesChanged", false, fill_state_changed } },
                { SANDBOX_CHANGED_CAPABILITIES,
                  { PROPERTIES_INTERFACE, "PropertiesChanged", false, fill_capabilities_changed } },
                { SANDBOX_CHANGED_PENDING,
                  { PROPERTIES_INTERFACE, "PropertiesChanged", false, fill_pending_changed } },
                { SANDBOX_CHANGED_ADDRESSES,
                  { PROPERTIES_INTERFACE, "PropertiesChanged", false, fill_addresses_changed } },
        };
        bool to_creator = !sandbox_is_awaited(sandbox); /* who waits for the answer needs no news before it */

        for (size_t i = 0; i < G_N_ELEMENTS(signals); i++)
                if (changes & signals[i].change)
                        sandbox_signal_all(userdata, &signals[i].kind, sandbox, sandbox, to_creator);
}

static void on_sandbox_denied(void *userdata, Sandbox *sandbox, const ShimDenied *denied) {
        static const SignalKind kind = { BUS_SANDBOX_INTERFACE, "Denied", false, fill_denied };

        sandbox_signal_all(userdata, &kind, sandbox, denied, true);
}

static void on_process_added(void *userdata, Process *process) {
        static const SignalKind kind = { OBJECTS_INTERFACE, "InterfacesAdded", true, fill_process_added };

        process_signal_all(userdata, &kind, process, false);
}

static void on_process_exited(void *userdata, Process *process) {
        static const SignalKind changed = { PROPERTIES_INTERFACE, "PropertiesChanged", false,
                                            fill_process_changed };
        static const SignalKind of_sandbox = { BUS_SANDBOX_INTERFACE, "ProcessExited", false, fill_exited };
        static const SignalKind of_manager = { BUS_MANAGER_INTERFACE, "ProcessExited", true, fill_exited };

        process_signal_all(userdata, &changed, process, true);
        process_signal_all(userdata, &of_sandbox, process, true);
        process_signal_all(userdata, &of_manager, process, true);
}

static void on_process_removed(void *userdata, Process *process) {
        static const SignalKind kind = { OBJECTS_INTERFACE, "InterfacesRemoved", true, fill_process_removed };

        process_signal_all(userdata, &kind, process, true);
}

const ManagerEvents bus_manager_events = {
        .sandbox_added = on_sandbox_added,
        .sandbox_removed = on_sandbox_removed,
        .sandbox_changed = on_sandbox_changed,
        .sandbox_denied = on_sandbox_denied,
        .process_added = on_process_added,
        .process_exited = on_process_exited,
        .process_removed = on_process_removed,
};
