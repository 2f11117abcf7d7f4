/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "dbus/bus-auth.h"

#include <string.h>

#include "dbus/bus-error.h"
#include "util/limits.h"
#include "util/log.h"

#define DRIVER_NAME "org.freedesktop.DBus"
#define DRIVER_PATH "/org/freedesktop/DBus"

/* One connection that called us. */
typedef struct Sender {
        BusAuth *auth;         /* not owned; it frees us */
        char *name;            /* owned */
        Caller *caller;        /* owned reference; NULL = not known yet */
        sd_bus_slot *question; /* owned; to the bus, who that is */
        GQueue parked;      /* owned sd_bus_message references, in order: put aside, or on their way again */
        GPtrArray *watches; /* BusWatch, not owned */
} Sender;

struct BusWatch {
        Sender *sender; /* not owned */
        void (*left)(void *userdata);
        void *userdata;
};

struct BusAuth {
        sd_bus *bus;                         /* not owned */
        GHashTable *senders;                 /* name -> owned Sender */
        sd_bus_slot *filter, *owner_changed; /* owned */
};

static void message_unref(gpointer message) {
        sd_bus_message_unref(message);
}

static void sender_free(Sender *sender) {
        sd_bus_slot_unref(sender->question);
        g_queue_clear_full(&sender->parked, message_unref);
        g_ptr_array_unref(sender->watches);
        caller_unref(sender->caller);
        g_free(sender->name);
        g_free(sender);
}

/* The connection has left: whoever watched it is told. One that is told may take away other watches. */
static void sender_leave(Sender *sender) {
        (void) g_hash_table_steal(sender->auth->senders, sender->name);
        while (sender->watches->len > 0) {
                g_autofree BusWatch *watch = g_ptr_array_steal_index(sender->watches, 0);

                watch->sender = NULL;
                watch->left(watch->userdata);
        }
        sender_free(sender);
}

/* ---- asking the bus ---- */

/* {sv} of the answer; we stand before the variant. */
static int read_credential(sd_bus_message *reply, const char *name, bool *ret_has_uid, uint32_t *ret_uid,
                           const gid_t **ret_groups, size_t *ret_size) {
        int r;

        if (strcmp(name, "UnixUserID") == 0) {
                r = sd_bus_message_read(reply, "v", "u", ret_uid);
                *ret_has_uid = r >= 0;
                return r;
        }
        if (strcmp(name, "UnixGroupIDs") != 0)
                return sd_bus_message_skip(reply, "v");
        r = sd_bus_message_enter_container(reply, SD_BUS_TYPE_VARIANT, "au");
        if (r >= 0)
                r = sd_bus_message_read_array(reply, SD_BUS_TYPE_UINT32, (const void **) ret_groups,
                                              ret_size);
        return r < 0 ? r : sd_bus_message_exit_container(reply);
}

/* Of GetConnectionCredentials, D-Bus Specification. A bus that tells no groups leaves a caller without any.
 */
static Caller *read_caller(sd_bus_message *reply) {
        const gid_t *groups = NULL;
        const char *name;
        bool has_uid = false;
        uint32_t uid = 0;
        size_t size = 0;
        int r;

        G_STATIC_ASSERT(sizeof(gid_t) == sizeof(uint32_t));
        r = sd_bus_message_enter_container(reply, SD_BUS_TYPE_ARRAY, "{sv}");
        while (r >= 0 && (r = sd_bus_message_enter_container(reply, SD_BUS_TYPE_DICT_ENTRY, "sv")) > 0) {
                r = sd_bus_message_read(reply, "s", &name);
                if (r >= 0)
                        r = read_credential(reply, name, &has_uid, &uid, &groups, &size);
                if (r >= 0)
                        r = sd_bus_message_exit_container(reply);
        }
        return r < 0 || !has_uid ? NULL : caller_new(uid, groups, size / sizeof(gid_t));
}

static int on_credentials(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error G_GNUC_UNUSED) {
        Sender *sender = userdata;
        Caller *caller = sd_bus_message_is_method_error(reply, NULL) ? NULL : read_caller(reply);
        int r;

        if (!caller) {
                sender_leave(sender);
                return 0;
        }
        sender->question = sd_bus_slot_unref(sender->question);
        sender->caller = caller;
        for (GList *at = sender->parked.head; at; at = at->next) {
                r = sd_bus_enqueue_for_read(sender->auth->bus, at->data);
                if (r < 0) {
                        log_warning("Cannot dispatch the calls of %s: %s", sender->name, g_strerror(-r));
                        sender_leave(sender);
                        return 0;
                }
        }
        return 0;
}

static Sender *sender_new(BusAuth *auth, const char *name) {
        Sender *sender = g_new0(Sender, 1);
        int r;

        sender->auth = auth;
        sender->name = g_strdup(name);
        sender->watches = g_ptr_array_new();
        g_queue_init(&sender->parked);
        r = sd_bus_call_method_async(auth->bus, &sender->question, DRIVER_NAME, DRIVER_PATH, DRIVER_NAME,
                                     "GetConnectionCredentials", on_credentials, sender, "s", name);
        if (r < 0) {
                log_warning("Cannot ask the bus who %s is: %s", name, g_strerror(-r));
                sender_free(sender);
                return NULL;
        }
        g_hash_table_insert(auth->senders, sender->name, sender);
        return sender;
}

static int refuse(sd_bus_message *message, ErrorCode code, const char *text) {
        g_auto(Error) error = ERROR_NULL;

        (void) error_setf(&error, code, "%s", text);
        (void) bus_error_reply(message, &error);
        return 1;
}

/* Every message comes through here before anybody else sees it; 1 = it goes no further. */
static int on_message(sd_bus_message *message, void *userdata, sd_bus_error *ret_error G_GNUC_UNUSED) {
        BusAuth *auth = userdata;
        const char *name = sd_bus_message_get_sender(message);
        Sender *sender;

        if (!sd_bus_message_is_method_call(message, NULL, NULL))
                return 0;
        if (!name)
                return refuse(message, ERROR_ACCESS_DENIED, "A call without a sender");
        sender = g_hash_table_lookup(auth->senders, name) ?: sender_new(auth, name);
        if (!sender)
                return refuse(message, ERROR_LIMIT_REACHED, "The bus cannot be asked who calls");
        if (sender->caller && g_queue_peek_head(&sender->parked) == message) {
                sd_bus_message_unref(g_queue_pop_head(&sender->parked));
                return 0;
        }
        if (sender->caller && g_queue_is_empty(&sender->parked))
                return 0;
        if (g_queue_get_length(&sender->parked) >= CALLS_PARKED_MAX)
                return refuse(message, ERROR_LIMIT_REACHED,
                              "Too many calls before the bus has told who calls");
        if (sender->caller && sd_bus_enqueue_for_read(auth->bus, message) < 0)
                return refuse(message, ERROR_LIMIT_REACHED, "Too many calls are waiting");
        g_queue_push_tail(&sender->parked, sd_bus_message_ref(message));
        return 1;
}

static int on_name_owner_changed(sd_bus_message *message, void *userdata,
                                 sd_bus_error *ret_error G_GNUC_UNUSED) {
        BusAuth *auth = userdata;
        const char *name, *old_owner, *new_owner;
        Sender *sender;

        if (sd_bus_message_read(message, "sss", &name, &old_owner, &new_owner) < 0 || *new_owner)
                return 0;
        sender = g_hash_table_lookup(auth->senders, name);
        if (sender)
                sender_leave(sender);
        return 0;
}

static int on_match_installed(sd_bus_message *reply, void *userdata G_GNUC_UNUSED,
                              sd_bus_error *ret_error G_GNUC_UNUSED) {
        if (sd_bus_message_is_method_error(reply, NULL))
                log_error("The bus does not tell who leaves: %s", sd_bus_message_get_error(reply)->message);
        return 0;
}

int bus_auth_new(sd_bus *bus, BusAuth **ret, Error *error) {
        g_autoptr(BusAuth) auth = g_new0(BusAuth, 1);
        int r;

        auth->bus = bus;
        auth->senders = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify) sender_free);
        r = sd_bus_add_filter(bus, &auth->filter, on_message, auth);
        if (r >= 0)
                r = sd_bus_add_match_async(bus, &auth->owner_changed,
                                           "type='signal',sender='" DRIVER_NAME "',path='" DRIVER_PATH "',"
                                           "interface='" DRIVER_NAME "',member='NameOwnerChanged',arg2=''",
                                           on_name_owner_changed, on_match_installed, auth);
        if (r < 0)
                return error_set_errnof(error, -r, "Cannot watch the connections of the bus");
        *ret = g_steal_pointer(&auth);
        return 0;
}

void bus_auth_free(BusAuth *auth) {
        if (!auth)
                return;
        sd_bus_slot_unref(auth->filter);
        sd_bus_slot_unref(auth->owner_changed);
        g_hash_table_unref(auth->senders);
        g_free(auth);
}

static const Sender *auth_find(const BusAuth *auth, const char *name) {
        const Sender *sender = g_hash_table_lookup(auth->senders, name);

        return sender && sender->caller ? sender : NULL;
}

int bus_auth_get_caller(const BusAuth *auth, sd_bus_message *message, Caller **ret, Error *error) {
        const char *name = message ? sd_bus_message_get_sender(message) : NULL;
        const Sender *sender = name ? auth_find(auth, name) : NULL;

        if (!sender)
                return error_setf(error, ERROR_ACCESS_DENIED, "The caller's user is not known");
        *ret = sender->caller;
        return 0;
}

void bus_auth_learn(BusAuth *auth, const char *name) {
        if (!g_hash_table_contains(auth->senders, name))
                (void) sender_new(auth, name);
}

bool bus_auth_is_there(const BusAuth *auth, const char *name) {
        return g_hash_table_contains(auth->senders, name);
}

BusWatch *bus_auth_watch(BusAuth *auth, const char *name, void (*left)(void *userdata), void *userdata) {
        Sender *sender = g_hash_table_lookup(auth->senders, name);
        BusWatch *watch;

        if (!sender)
                return NULL;
        watch = g_new0(BusWatch, 1);
        *watch = (BusWatch){ .sender = sender, .left = left, .userdata = userdata };
        g_ptr_array_add(sender->watches, watch);
        return watch;
}

void bus_watch_free(BusWatch *watch) {
        if (!watch || !watch->sender) /* it is being told of just now, which frees it */
                return;
        (void) g_ptr_array_remove_fast(watch->sender->watches, watch);
        g_free(watch);
}
