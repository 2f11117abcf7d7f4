/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "dbus/bus.h"

#include <string.h>

#include "dbus/bus-error.h"
#include "dbus/bus-path.h"
#include "dbus/bus-private.h"
#include "util/log.h"

#define NAME_IS_OURS    1 /* DBUS_REQUEST_NAME_REPLY_PRIMARY_OWNER, D-Bus Specification */
#define NAME_EXISTS     3 /* DBUS_REQUEST_NAME_REPLY_EXISTS */
#define NAME_TRIES      40
#define NAME_RETRY_USEC (50 * 1000ULL)

typedef struct Binding {
        Bus *bus;         /* not owned */
        Sandbox *sandbox; /* not owned */
        BusWatch *watch;  /* owned */
} Binding;

/* ---- calls that are answered later ---- */

BusCall *bus_call_new(Bus *bus, sd_bus_message *message, uid_t uid) {
        BusCall *call = g_new0(BusCall, 1);

        call->bus = bus;
        call->message = sd_bus_message_ref(message);
        call->uid = uid;
        return call;
}

void bus_call_free(BusCall *call) {
        if (!call)
                return;
        bus_watch_free(call->watch);
        polkit_forget(call->bus->polkit, call->message);
        sd_bus_message_unref(call->message);
        g_free(call);
}

void bus_call_finish(void *userdata, const Error *error) {
        g_autoptr(BusCall) call = userdata;
        int r = error ? bus_refuse_later(call, error) : sd_bus_reply_method_return(call->message, NULL);

        if (r < 0)
                log_debug("Cannot answer a call: %s", g_strerror(-r));
}

/* ---- refusals that are not the last word ---- */

static bool bus_ask(Bus *bus, sd_bus_message *message, const Error *error) {
        Caller *caller;

        return bus_get_caller(bus, message, &caller, NULL) >= 0 &&
               polkit_ask(bus->polkit, message, caller, error);
}

int bus_refuse(Bus *bus, sd_bus_message *message, sd_bus_error *ret_error, const Error *error) {
        if (bus_ask(bus, message, error))
                return 1;
        polkit_forget(bus->polkit, message);
        return bus_error_set(ret_error, error);
}

int bus_refuse_later(BusCall *call, const Error *error) {
        return bus_ask(call->bus, call->message, error) ? 0 : bus_error_reply(call->message, error);
}

/* ---- helpers of the handlers ---- */

Bus *bus_of(sd_bus_message *message) {
        return sd_bus_slot_get_userdata(sd_bus_get_current_slot(sd_bus_message_get_bus(message)));
}

int bus_get_caller(Bus *bus, sd_bus_message *message, Caller **ret, Error *error) {
        Caller *allowed = polkit_find_caller(bus->polkit, message);

        if (allowed) {
                *ret = allowed;
                return 0;
        }
        return bus_auth_get_caller(bus->auth, message, ret, error);
}

int bus_get_uid(Bus *bus, sd_bus_message *message, uid_t *ret, Error *error) {
        Caller *caller;
        int r = bus_get_caller(bus, message, &caller, error);

        if (r >= 0)
                *ret = caller->uid;
        return r;
}

bool bus_get_current_uid(Bus *bus, uid_t *ret) {
        return bus_get_uid(bus, sd_bus_get_current_message(bus->bus), ret, NULL) >= 0;
}

void bus_keep_slot(Bus *bus, sd_bus_slot *slot) {
        g_assert(bus->n_slots < G_N_ELEMENTS(bus->slots));
        bus->slots[bus->n_slots++] = slot;
}

int bus_append_text(sd_bus_message *message, const char *text) {
        g_autofree char *valid = g_utf8_make_valid(text, -1);

        return sd_bus_message_append_basic(message, SD_BUS_TYPE_STRING, valid);
}

int bus_append_strings(sd_bus_message *message, char *const *strings) {
        int r = sd_bus_message_open_container(message, SD_BUS_TYPE_ARRAY, "s");

        for (; r >= 0 && *strings; strings++)
                r = bus_append_text(message, *strings);
        return r < 0 ? r : sd_bus_message_close_container(message);
}

int bus_property_append(const BusProperty *table, const char *name, sd_bus_message *message,
                        const void *object) {
        for (; table->name; table++)
                if (strcmp(table->name, name) == 0)
                        return table->append(message, object);
        return -ENOENT;
}

/* ---- bind-to-caller ---- */

static void on_caller_left(void *userdata) {
        Binding *binding = userdata;

        binding->watch = NULL;
        sandbox_stop(binding->sandbox, 0, NULL, NULL);
}

void bus_bind(Bus *bus, Sandbox *sandbox, const char *name) {
        Binding *binding = g_new0(Binding, 1);

        *binding = (Binding){ .bus = bus, .sandbox = sandbox };
        g_hash_table_insert(bus->bindings, sandbox, binding);
        binding->watch = bus_auth_watch(bus->auth, name, on_caller_left, binding);
        if (!binding->watch) /* it has left while the sandbox was made */
                sandbox_stop(sandbox, 0, NULL, NULL);
}

void bus_know_creator(Bus *bus, Sandbox *sandbox) {
        const char *name = sandbox_get_client(sandbox);

        if (!sandbox_is_adopted(sandbox) || !name)
                return;
        bus_auth_learn(bus->auth, name);
        if (sandbox_is_bound_to_client(sandbox))
                bus_bind(bus, sandbox, name);
}

void binding_free(void *userdata) {
        Binding *binding = userdata;

        bus_watch_free(binding->watch);
        g_free(binding);
}

/* ---- life ---- */

static int bus_connect(const char *address, sd_bus **ret) {
        sd_bus *bus = NULL;
        int r;

        if (strcmp(address, "system") == 0)
                return sd_bus_open_system_with_description(ret, "system");
        if (strcmp(address, "session") == 0)
                return sd_bus_open_user_with_description(ret, "session");
        r = sd_bus_new(&bus);
        if (r >= 0)
                r = sd_bus_set_address(bus, address);
        if (r >= 0)
                r = sd_bus_set_bus_client(bus, true);
        if (r >= 0)
                r = sd_bus_start(bus);
        if (r < 0) {
                sd_bus_unref(bus);
                return r;
        }
        *ret = bus;
        return 0;
}

static int bus_add_objects(Bus *bus) {
        sd_bus_slot *slot;
        int r;

        r = sd_bus_add_object_manager(bus->bus, &slot, BUS_PATH);
        if (r < 0)
                return r;
        bus_keep_slot(bus, slot);
        r = bus_add_manager(bus);
        if (r >= 0)
                r = bus_add_sandboxes(bus);
        if (r >= 0)
                r = bus_add_processes(bus);
        return r;
}

int bus_new(sd_event *event, const char *address, Manager *manager, Bus **ret, Error *error) {
        g_autoptr(Bus) bus = g_new0(Bus, 1);
        sd_id128_t id;
        int r;

        bus->manager = manager;
        bus->subscribers = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, subscriber_free);
        bus->bindings = g_hash_table_new_full(NULL, NULL, NULL, binding_free);
        r = bus_connect(address, &bus->bus);
        if (r < 0)
                return error_set_errnof(error, -r, "Cannot connect to the bus '%s'", address);
        r = bus_auth_new(bus->bus, &bus->auth, error);
        if (r < 0)
                return r;
        bus->polkit = polkit_new(bus->bus, bus->auth);
        r = bus_add_objects(bus);
        if (r < 0)
                return error_set_errnof(error, -r, "Cannot put objects on the bus");
        (void) sd_bus_set_exit_on_disconnect(bus->bus, true);
        r = sd_bus_attach_event(bus->bus, event, SD_EVENT_PRIORITY_NORMAL);
        if (r < 0)
                return error_set_errnof(error, -r, "Cannot watch the bus");
        r = sd_bus_get_bus_id(bus->bus, &id);
        if (r < 0)
                return error_set_errnof(error, -r, "Cannot connect to the bus '%s'", address);
        manager_set_realm(manager, SD_ID128_TO_STRING(id));
        manager_set_events(manager, &bus_manager_events, bus);
        *ret = g_steal_pointer(&bus);
        return 0;
}

/* ---- the name ---- */

static int on_name_retry(sd_event_source *source, uint64_t usec, void *userdata);

/* Of a service that was just killed the bus hears in its own time. */
static bool bus_retry_name(Bus *bus) {
        sd_event *event = sd_bus_get_event(bus->bus);

        if (++bus->n_name_tries >= NAME_TRIES)
                return false;
        bus->name_retry = sd_event_source_disable_unref(bus->name_retry);
        return sd_event_add_time_relative(event, &bus->name_retry, CLOCK_MONOTONIC, NAME_RETRY_USEC, 0,
                                          on_name_retry, bus) >= 0;
}

static int on_name_asked(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error G_GNUC_UNUSED) {
        Bus *bus = userdata;
        g_auto(Error) error = ERROR_NULL;
        uint32_t answer = 0;
        BusOwned owned;
        int r = 0;

        if (sd_bus_message_is_method_error(reply, NULL))
                r = error_setf(&error, ERROR_SYSTEM, "Cannot get the name %s: %s", BUS_NAME,
                               sd_bus_message_get_error(reply)->message);
        else if (sd_bus_message_read(reply, "u", &answer) < 0)
                r = error_setf(&error, ERROR_SYSTEM, "Cannot get the name %s", BUS_NAME);
        else if (answer == NAME_EXISTS && bus_retry_name(bus))
                return 0;
        else if (answer != NAME_IS_OURS)
                r = error_setf(&error, ERROR_SYSTEM, "The name %s is taken", BUS_NAME);
        owned = g_steal_pointer(&bus->owned);
        owned(bus->owned_userdata, r < 0 ? &error : NULL);
        return 0;
}

static int bus_ask_name(Bus *bus) {
        bus->name_asked = sd_bus_slot_unref(bus->name_asked);
        return sd_bus_request_name_async(bus->bus, &bus->name_asked, BUS_NAME, 0, on_name_asked, bus);
}

static int on_name_retry(sd_event_source *source G_GNUC_UNUSED, uint64_t usec G_GNUC_UNUSED, void *userdata) {
        int r = bus_ask_name(userdata);

        if (r < 0)
                log_warning("Cannot ask for the name %s: %s", BUS_NAME, g_strerror(-r));
        return 0;
}

int bus_own_name(Bus *bus, BusOwned owned, void *userdata, Error *error) {
        int r;

        bus->owned = owned;
        bus->owned_userdata = userdata;
        /* In its turn, behind what was asked about creators before: its answer comes after theirs. */
        r = bus_ask_name(bus);
        if (r < 0)
                return error_set_errnof(error, -r, "Cannot get the name %s", BUS_NAME);
        return 0;
}

void bus_free(Bus *bus) {
        if (!bus)
                return;
        manager_set_events(bus->manager, NULL, NULL);
        g_clear_pointer(&bus->subscribers, g_hash_table_unref);
        g_clear_pointer(&bus->bindings, g_hash_table_unref);
        g_clear_pointer(&bus->polkit, polkit_free);
        g_clear_pointer(&bus->auth, bus_auth_free);
        sd_event_source_disable_unref(bus->name_retry);
        sd_bus_slot_unref(bus->name_asked);
        for (size_t i = 0; i < bus->n_slots; i++)
                sd_bus_slot_unref(bus->slots[i]);
        if (bus->bus)
                sd_bus_detach_event(bus->bus);
        sd_bus_close_unref(bus->bus);
        g_free(bus);
}

void bus_flush(Bus *bus) {
        (void) sd_bus_flush(bus->bus);
}
