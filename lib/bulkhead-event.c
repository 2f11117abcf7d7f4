/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Events of libbulkhead: the service's signals, as one kind of struct
 *
 * Signals of the service are sent to us alone, so that they need no match rule and no round trip before a
 * launch. They are believed only from the connection that answers our calls. The end of a program in a
 * sandbox that somebody else has made is not signalled to us; bulkhead_run() asks for it (Wait), and
 * whichever comes first is the one event.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "lib/bulkhead-private.h"

#define DBUS_NAME "org.freedesktop.DBus"

typedef struct ProcessWait {
        Bulkhead *bulkhead; /* not owned */
        sd_bus_slot *slot;  /* owned */
        char *process;      /* owned */
        uint32_t pid;
} ProcessWait;

static void process_wait_free(gpointer data) {
        ProcessWait *wait = data;

        sd_bus_slot_unref(wait->slot);
        g_free(wait->process);
        g_free(wait);
}

/* ---- telling ---- */

/* "maps" of ".../sandbox/maps/process/7"; also the path of the sandbox itself. NULL if it is none. */
static char *path_to_name(const char *path, char **ret_sandbox) {
        g_autofree char *sandbox = NULL, *name = NULL;
        const char *label, *end;

        if (!g_str_has_prefix(path, BUS_SANDBOX_PREFIX "/"))
                return NULL;
        label = path + strlen(BUS_SANDBOX_PREFIX "/");
        end = strchrnul(label, '/');
        sandbox = g_strndup(path, (size_t) (end - path));
        if (sd_bus_path_decode(sandbox, BUS_SANDBOX_PREFIX, &name) <= 0)
                return NULL;
        *ret_sandbox = g_steal_pointer(&sandbox);
        return g_steal_pointer(&name);
}

/* Completes @event by what stands in @path (NULL = nothing), and tells it. */
static void tell(Bulkhead *bulkhead, BulkheadEvent event, const char *path) {
        g_autofree char *sandbox = NULL, *name = path ? path_to_name(path, &sandbox) : NULL;

        if (!bulkhead->callback || (path && !name))
                return;
        event.sandbox = sandbox;
        event.name = name;
        bulkhead->callback(&event, bulkhead->userdata);
}

static void tell_exited(Bulkhead *bulkhead, const char *process, uint32_t pid, const char *reason,
                        int status) {
        tell(bulkhead,
             (BulkheadEvent){ .type = BULKHEAD_EVENT_EXITED,
                              .process = process,
                              .pid = pid,
                              .reason = reason,
                              .status = status },
             process);
}

/* ---- ends that we have asked for ---- */

static void remember_told(Bulkhead *bulkhead, const char *process) {
        g_queue_push_tail(&bulkhead->told, g_strdup(process));
        if (bulkhead->told.length > BULKHEAD_TOLD_MAX)
                g_free(g_queue_pop_head(&bulkhead->told));
}

static int on_waited(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error G_GNUC_UNUSED) {
        ProcessWait *wait = userdata;
        Bulkhead *bulkhead = wait->bulkhead;
        const char *reason;
        int32_t status;

        if (sd_bus_message_is_method_error(reply, NULL) > 0 ||
            sd_bus_message_read(reply, "si", &reason, &status) < 0) {
                reason = "lost";
                status = 0;
        }
        (void) g_hash_table_steal(bulkhead->waits, wait->process);
        remember_told(bulkhead, wait->process);
        tell_exited(bulkhead, wait->process, wait->pid, reason, status);
        process_wait_free(wait);
        return 0;
}

int bulkhead_events_watch(Bulkhead *bulkhead, const char *process, uint32_t pid) {
        g_autoptr(sd_bus_message) call = NULL;
        ProcessWait *wait;
        int r;

        r = sd_bus_message_new_method_call(bulkhead->bus, &call, BUS_NAME, process, BUS_PROCESS_INTERFACE,
                                           "Wait");
        if (r < 0)
                return r;
        wait = g_new0(ProcessWait, 1);
        *wait = (ProcessWait){ .bulkhead = bulkhead, .process = g_strdup(process), .pid = pid };
        r = sd_bus_call_async(bulkhead->bus, &wait->slot, call, on_waited, wait, UINT64_MAX);
        if (r < 0)
                process_wait_free(wait);
        else
                g_hash_table_insert(bulkhead->waits, wait->process, wait);
        return r;
}

/* ---- the service's signals ---- */

static int on_process_exited(Bulkhead *bulkhead, sd_bus_message *m) {
        const char *process, *reason;
        uint32_t pid;
        int32_t status;
        GList *told;
        int r = sd_bus_message_read(m, "ousi", &process, &pid, &reason, &status);

        if (r < 0)
                return r;
        told = g_queue_find_custom(&bulkhead->told, process, (GCompareFunc) strcmp);
        if (told) {
                g_free(told->data);
                g_queue_delete_link(&bulkhead->told, told);
                return 0;
        }
        (void) g_hash_table_remove(bulkhead->waits, process);
        tell_exited(bulkhead, process, pid, reason, status);
        return 0;
}

/* The value of one entry, the read position being before its variant, if it is a string or strings. */
static int read_value(sd_bus_message *m, const char **ret_string, char ***ret_strings) {
        const char *contents;
        int r = sd_bus_message_peek_type(m, NULL, &contents);

        if (r < 0)
                return r;
        if (ret_string && strcmp(contents, "s") == 0)
                return sd_bus_message_read(m, "v", "s", ret_string);
        if (!ret_strings || strcmp(contents, "as") != 0)
                return sd_bus_message_skip(m, "v");
        r = sd_bus_message_enter_container(m, SD_BUS_TYPE_VARIANT, "as");
        if (r >= 0)
                r = sd_bus_message_read_strv(m, ret_strings);
        if (r >= 0 && !*ret_strings)
                *ret_strings = g_new0(char *,
                                      1); /* sd-bus gives NULL for none, which means "not told" here */
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

/* What we look for in a{sv}; the strings are the message's. */
typedef struct Fields {
        const char *state, *state_reason, *target, *detail, *protocol, *interface, *member, *path;
        char **capabilities, **argv, **pending, **addresses; /* owned */
        uint32_t pid, count;
        uint16_t port;
} Fields;

static void fields_done(Fields *fields) {
        g_strfreev(fields->capabilities);
        g_strfreev(fields->argv);
        g_strfreev(fields->pending);
        g_strfreev(fields->addresses);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Fields, fields_done)

static int read_field(sd_bus_message *m, const char *key, Fields *fields) {
        const struct {
                const char *key;
                const char **string;
                char ***strings;
        } texts[] = {
                { "State", &fields->state, NULL },
                { "StateReason", &fields->state_reason, NULL },
                { "Capabilities", NULL, &fields->capabilities },
                { "Argv", NULL, &fields->argv },
                { "Pending", NULL, &fields->pending },
                { "Addresses", NULL, &fields->addresses },
                { "target", &fields->target, NULL },
                { "detail", &fields->detail, NULL },
                { "protocol", &fields->protocol, NULL },
                { "interface", &fields->interface, NULL },
                { "member", &fields->member, NULL },
                { "path", &fields->path, NULL },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
                if (strcmp(key, texts[i].key) == 0 && (!texts[i].strings || !*texts[i].strings))
                        return read_value(m, texts[i].string, texts[i].strings);
        if (strcmp(key, "Pid") == 0)
                return sd_bus_message_read(m, "v", "u", &fields->pid);
        if (strcmp(key, "count") == 0)
                return sd_bus_message_read(m, "v", "u", &fields->count);
        if (strcmp(key, "port") == 0)
                return sd_bus_message_read(m, "v", "q", &fields->port);
        return sd_bus_message_skip(m, "v");
}

static int read_fields(sd_bus_message *m, Fields *fields) {
        const char *key;
        int r = sd_bus_message_enter_container(m, SD_BUS_TYPE_ARRAY, "{sv}");

        while (r >= 0 && (r = sd_bus_message_enter_container(m, SD_BUS_TYPE_DICT_ENTRY, "sv")) > 0) {
                r = sd_bus_message_read_basic(m, SD_BUS_TYPE_STRING, &key);
                if (r >= 0)
                        r = read_field(m, key, fields);
                if (r >= 0)
                        r = sd_bus_message_exit_container(m);
        }
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

static int on_denied(Bulkhead *bulkhead, sd_bus_message *m) {
        g_auto(Fields) fields = { 0 };
        const char *gateway;
        int r = sd_bus_message_read(m, "s", &gateway);

        if (r >= 0)
                r = read_fields(m, &fields);
        if (r < 0)
                return r;
        tell(bulkhead,
             (BulkheadEvent){ .type = BULKHEAD_EVENT_DENIED,
                              .gateway = gateway,
                              .target = fields.target,
                              .detail = fields.detail,
                              .count = fields.count,
                              .protocol = fields.protocol,
                              .port = fields.port,
                              .interface = fields.interface,
                              .member = fields.member,
                              .object_path = fields.path },
             sd_bus_message_get_path(m));
        return 0;
}

static int on_properties_changed(Bulkhead *bulkhead, sd_bus_message *m) {
        g_auto(Fields) fields = { 0 };
        const char *interface;
        int r = sd_bus_message_read(m, "s", &interface);

        if (r < 0 || strcmp(interface, BUS_SANDBOX_INTERFACE) != 0)
                return r;
        r = read_fields(m, &fields);
        if (r < 0)
                return r;
        if (fields.state)
                tell(bulkhead,
                     (BulkheadEvent){ .type = BULKHEAD_EVENT_STATE,
                                      .state = fields.state,
                                      .state_reason = fields.state_reason },
                     sd_bus_message_get_path(m));
        if (fields.capabilities)
                tell(bulkhead,
                     (BulkheadEvent){ .type = BULKHEAD_EVENT_CAPABILITIES,
                                      .capabilities = (const char *const *) fields.capabilities },
                     sd_bus_message_get_path(m));
        if (fields.pending)
                tell(bulkhead,
                     (BulkheadEvent){ .type = BULKHEAD_EVENT_PENDING,
                                      .pending = (const char *const *) fields.pending },
                     sd_bus_message_get_path(m));
        if (fields.addresses)
                tell(bulkhead,
                     (BulkheadEvent){ .type = BULKHEAD_EVENT_ADDRESSES,
                                      .addresses = (const char *const *) fields.addresses },
                     sd_bus_message_get_path(m));
        return 0;
}

static int on_interfaces_added(Bulkhead *bulkhead, sd_bus_message *m) {
        g_auto(Fields) fields = { 0 };
        const char *path, *interface;
        int r = sd_bus_message_read(m, "o", &path);

        if (r >= 0)
                r = sd_bus_message_enter_container(m, SD_BUS_TYPE_ARRAY, "{sa{sv}}");
        if (r >= 0)
                r = sd_bus_message_enter_container(m, SD_BUS_TYPE_DICT_ENTRY, "sa{sv}");
        if (r >= 0)
                r = sd_bus_message_read(m, "s", &interface);
        if (r >= 0)
                r = read_fields(m, &fields);
        if (r < 0)
                return r;
        if (strcmp(interface, BUS_SANDBOX_INTERFACE) == 0)
                tell(bulkhead, (BulkheadEvent){ .type = BULKHEAD_EVENT_CREATED, .state = fields.state },
                     path);
        else if (strcmp(interface, BUS_PROCESS_INTERFACE) == 0)
                tell(bulkhead,
                     (BulkheadEvent){ .type = BULKHEAD_EVENT_STARTED,
                                      .process = path,
                                      .pid = fields.pid,
                                      .argv = (const char *const *) fields.argv },
                     path);
        return 0;
}

static int on_interfaces_removed(Bulkhead *bulkhead, sd_bus_message *m) {
        const char *path;
        int r = sd_bus_message_read(m, "o", &path);

        if (r < 0 || !g_str_has_prefix(path, BUS_SANDBOX_PREFIX "/"))
                return r;
        /* A process below it leaves as well, some time after its end was told. */
        if (!strchr(path + strlen(BUS_SANDBOX_PREFIX "/"), '/'))
                tell(bulkhead, (BulkheadEvent){ .type = BULKHEAD_EVENT_GONE }, path);
        return 0;
}

/* ---- the service itself ---- */

/* A service that has just come has no subscribers; what it says to this call is of no use to anybody. */
static int subscribe_again(Bulkhead *bulkhead) {
        g_autoptr(sd_bus_message) call = NULL;
        int r = sd_bus_message_new_method_call(bulkhead->bus, &call, BUS_NAME, BUS_PATH,
                                               BUS_MANAGER_INTERFACE, "Subscribe");

        return r < 0 ? r : sd_bus_send(bulkhead->bus, call, NULL);
}

static int on_owner_changed(Bulkhead *bulkhead, sd_bus_message *m) {
        const char *name, *old_owner, *new_owner;
        int r = sd_bus_message_read(m, "sss", &name, &old_owner, &new_owner);

        if (r < 0 || strcmp(name, BUS_NAME) != 0)
                return r;
        if (*old_owner && bulkhead->service && strcmp(bulkhead->service, old_owner) == 0) {
                g_clear_pointer(&bulkhead->service, g_free);
                g_hash_table_remove_all(bulkhead->waits);
                tell(bulkhead, (BulkheadEvent){ .type = BULKHEAD_EVENT_SERVICE_LOST }, NULL);
        }
        if (!*new_owner || bulkhead->service)
                return 0;
        bulkhead->service = g_strdup(new_owner);
        if (bulkhead->is_subscribed)
                (void) subscribe_again(bulkhead);
        tell(bulkhead, (BulkheadEvent){ .type = BULKHEAD_EVENT_SERVICE_BACK }, NULL);
        return 0;
}

static const struct {
        const char *interface, *member;
        int (*take)(Bulkhead *bulkhead, sd_bus_message *m);
} service_signals[] = {
        { BUS_SANDBOX_INTERFACE, "ProcessExited", on_process_exited },
        { BUS_SANDBOX_INTERFACE, "Denied", on_denied },
        { "org.freedesktop.DBus.Properties", "PropertiesChanged", on_properties_changed },
        { "org.freedesktop.DBus.ObjectManager", "InterfacesAdded", on_interfaces_added },
        { "org.freedesktop.DBus.ObjectManager", "InterfacesRemoved", on_interfaces_removed },
};

/* Everything that is no answer. A signal that cannot be read is none of the service's, and ends nothing. */
static int on_message(sd_bus_message *m, void *userdata, sd_bus_error *ret_error G_GNUC_UNUSED) {
        Bulkhead *bulkhead = userdata;
        const char *sender = sd_bus_message_get_sender(m);

        if (sd_bus_message_is_signal(m, DBUS_NAME ".Local", "Disconnected") > 0)
                tell(bulkhead, (BulkheadEvent){ .type = BULKHEAD_EVENT_DISCONNECTED }, NULL);
        else if (sd_bus_message_is_signal(m, DBUS_NAME, "NameOwnerChanged") > 0 &&
                 g_strcmp0(sender, DBUS_NAME) == 0)
                (void) on_owner_changed(bulkhead, m);
        if (!sender || g_strcmp0(sender, bulkhead->service) != 0)
                return 0;
        for (size_t i = 0; i < G_N_ELEMENTS(service_signals); i++)
                if (sd_bus_message_is_signal(m, service_signals[i].interface, service_signals[i].member) > 0)
                        (void) service_signals[i].take(bulkhead, m);
        return 0;
}

GHashTable *bulkhead_events_new_waits(void) {
        return g_hash_table_new_full(g_str_hash, g_str_equal, NULL, process_wait_free);
}

int bulkhead_events_start(Bulkhead *bulkhead) {
        int r = sd_bus_add_filter(bulkhead->bus, NULL, on_message, bulkhead);

        if (r < 0)
                return r;
        return sd_bus_add_match_async(bulkhead->bus, NULL,
                                      "type='signal',sender='" DBUS_NAME "',interface='" DBUS_NAME
                                      "',member='NameOwnerChanged',arg0='" BUS_NAME "'",
                                      NULL, NULL, NULL);
}

void bulkhead_events_done(Bulkhead *bulkhead) {
        g_clear_pointer(&bulkhead->waits, g_hash_table_unref);
        g_queue_clear_full(&bulkhead->told, g_free);
        bulkhead->callback = NULL;
}

/* ---- the loop's side ---- */

BULKHEAD_EXPORT void bulkhead_set_callback(Bulkhead *bulkhead, BulkheadCallback callback, void *userdata) {
        bulkhead->callback = callback;
        bulkhead->userdata = userdata;
}

BULKHEAD_EXPORT int bulkhead_subscribe(Bulkhead *bulkhead, BulkheadError *error) {
        g_autoptr(sd_bus_message) call = NULL;
        int r = bulkhead_new_call(bulkhead, BUS_PATH, BUS_MANAGER_INTERFACE, "Subscribe", &call, error);

        if (r >= 0)
                r = bulkhead_call(bulkhead, call, 0, NULL, error);
        if (r >= 0)
                bulkhead->is_subscribed = true;
        return r;
}

BULKHEAD_EXPORT int bulkhead_get_fd(Bulkhead *bulkhead) {
        return sd_bus_get_fd(bulkhead->bus);
}

BULKHEAD_EXPORT int bulkhead_get_poll_events(Bulkhead *bulkhead) {
        int events = sd_bus_get_events(bulkhead->bus);

        return events < 0 ? 0 : events;
}

BULKHEAD_EXPORT uint64_t bulkhead_get_deadline(Bulkhead *bulkhead) {
        uint64_t deadline;

        /* What a call has set aside while it waited counts as "now" there as well. */
        return sd_bus_get_timeout(bulkhead->bus, &deadline) < 0 ? 0 : deadline;
}

BULKHEAD_EXPORT int bulkhead_dispatch(Bulkhead *bulkhead) {
        int r;

        do
                r = sd_bus_process(bulkhead->bus, NULL);
        while (r > 0);
        return r;
}

BULKHEAD_EXPORT int bulkhead_wait_events(Bulkhead *bulkhead, uint64_t timeout_usec) {
        int r = sd_bus_wait(bulkhead->bus, timeout_usec);

        return r < 0 ? r : bulkhead_dispatch(bulkhead);
}
