/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "dbus/polkit.h"

#include <stdio.h>
#include <string.h>

#include "dbus/bus-error.h"
#include "util/limits.h"
#include "util/log.h"

#define POLKIT_NAME      "org.freedesktop.PolicyKit1"
#define POLKIT_PATH      "/org/freedesktop/PolicyKit1/Authority"
#define POLKIT_INTERFACE "org.freedesktop.PolicyKit1.Authority"

#define ALLOW_USER_INTERACTION 1u /* CheckAuthorizationFlags of polkit's D-Bus reference */

/* One call that policy has refused. */
typedef struct Ask {
        Polkit *polkit;          /* not owned */
        sd_bus_message *message; /* owned reference */
        Caller *caller;          /* owned reference; a copy that this call alone has */
        BusWatch *watch;         /* owned; of the calling connection */
        sd_bus_slot *slot;       /* owned; the question under way; NULL once the call is dispatched again */
        bool is_queued;          /* it is on its way to be dispatched */
        char *about, *what;      /* owned; of the question */
        unsigned n_asked;
        uint32_t number; /* of the question, for its cancellation */
        Error error;     /* owned; the answer if it is not a yes */
} Ask;

struct Polkit {
        sd_bus *bus;      /* not owned */
        BusAuth *auth;    /* not owned */
        GHashTable *asks; /* sd_bus_message -> owned Ask */
        uint32_t last_number;
};

/* What policy asks about (service/caller.h), and polkit's action for it. */
static const struct {
        const char *about, *action;
} actions[] = {
        { "template", "org.bulkhead.Bulkhead1.use-template" },
        { "capability", "org.bulkhead.Bulkhead1.use-capability" },
        { "inside-user", "org.bulkhead.Bulkhead1.run-as-user" },
};

static void ask_free(gpointer data) {
        Ask *ask = data;

        sd_bus_slot_unref(ask->slot);
        bus_watch_free(ask->watch);
        caller_unref(ask->caller);
        sd_bus_message_unref(ask->message);
        error_done(&ask->error);
        g_free(ask->about);
        g_free(ask->what);
        g_free(ask);
}

Polkit *polkit_new(sd_bus *bus, BusAuth *auth) {
        Polkit *polkit = g_new0(Polkit, 1);

        polkit->bus = bus;
        polkit->auth = auth;
        polkit->asks = g_hash_table_new_full(NULL, NULL, NULL, ask_free);
        return polkit;
}

void polkit_free(Polkit *polkit) {
        if (!polkit)
                return;
        g_hash_table_unref(polkit->asks);
        g_free(polkit);
}

static const char *find_action(const char *about) {
        for (size_t i = 0; i < G_N_ELEMENTS(actions); i++)
                if (strcmp(actions[i].about, about) == 0)
                        return actions[i].action;
        return NULL;
}

static void ask_format_cancellation(const Ask *ask, char *ret, size_t size) {
        (void) snprintf(ret, size, "bulkhead-%u", ask->number);
}

/* Nobody is interested in the answer any more; a dialogue that is open is closed. */
static void ask_cancel(const Ask *ask) {
        char id[32];

        ask_format_cancellation(ask, id, sizeof(id));
        (void) sd_bus_call_method_async(ask->polkit->bus, NULL, POLKIT_NAME, POLKIT_PATH, POLKIT_INTERFACE,
                                        "CancelCheckAuthorization", NULL, NULL, "s", id);
}

static void on_caller_left(void *userdata) {
        Ask *ask = userdata;

        ask->watch = NULL;
        if (ask->slot)
                ask_cancel(ask);
        (void) g_hash_table_remove(ask->polkit->asks, ask->message);
}

static void ask_deny(Ask *ask) {
        if (bus_error_reply(ask->message, &ask->error) < 0)
                log_debug("Cannot answer a call that was refused");
        (void) g_hash_table_remove(ask->polkit->asks, ask->message);
}

/* bba{ss}: authorized, could be after a challenge, details. */
static bool reply_allows(sd_bus_message *reply) {
        int is_authorized, is_challenge;

        if (sd_bus_message_is_method_error(reply, NULL)) {
                log_debug("polkit does not answer: %s", sd_bus_message_get_error(reply)->message);
                return false;
        }
        if (sd_bus_message_enter_container(reply, SD_BUS_TYPE_STRUCT, "bba{ss}") <= 0 ||
            sd_bus_message_read(reply, "bb", &is_authorized, &is_challenge) <= 0) {
                log_warning("polkit's answer cannot be read");
                return false;
        }
        return is_authorized;
}

static int on_answer(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error G_GNUC_UNUSED) {
        Ask *ask = userdata;

        if (!reply_allows(reply)) {
                ask_deny(ask);
                return 0;
        }
        ask->slot = sd_bus_slot_unref(ask->slot);
        caller_allow(ask->caller, ask->about, ask->what);
        log_info("polkit allows user %u the %s '%s'", (unsigned) ask->caller->uid, ask->about, ask->what);
        if (sd_bus_enqueue_for_read(ask->polkit->bus, ask->message) < 0) {
                ask_deny(ask);
                return 0;
        }
        ask->is_queued = true;
        return 0;
}

/* (sa{sv})sa{ss}us: subject, action, details, flags, cancellation. */
static int append_question(sd_bus_message *call, const Ask *ask, bool may_interact) {
        char id[32];

        ask_format_cancellation(ask, id, sizeof(id));
        return sd_bus_message_append(call, "(sa{sv})sa{ss}us", "system-bus-name", 1, "name", "s",
                                     sd_bus_message_get_sender(ask->message), find_action(ask->about), 1,
                                     ask->about, ask->what, may_interact ? ALLOW_USER_INTERACTION : 0u, id);
}

static int ask_send(Ask *ask) {
        bool may_interact = sd_bus_message_get_allow_interactive_authorization(ask->message) > 0;
        sd_bus_message *call = NULL;
        int r;

        ask->number = ++ask->polkit->last_number;
        r = sd_bus_message_new_method_call(ask->polkit->bus, &call, POLKIT_NAME, POLKIT_PATH, POLKIT_INTERFACE,
                                           "CheckAuthorization");
        if (r >= 0)
                r = append_question(call, ask, may_interact);
        if (r >= 0)
                r = sd_bus_call_async(ask->polkit->bus, &ask->slot, call, on_answer, ask,
                                      may_interact ? POLKIT_DIALOGUE_USEC : POLKIT_TIMEOUT_USEC);
        sd_bus_message_unref(call);
        return r;
}

static unsigned polkit_count(const Polkit *polkit, const char *sender) {
        GHashTableIter iter;
        gpointer message;
        unsigned n = 0;

        g_hash_table_iter_init(&iter, polkit->asks);
        while (g_hash_table_iter_next(&iter, &message, NULL))
                n += g_strcmp0(sd_bus_message_get_sender(message), sender) == 0;
        return n;
}

/* A new one, or that of the call that asks again for something else. NULL = it may not ask. */
static Ask *polkit_find_ask(Polkit *polkit, sd_bus_message *message, const Caller *caller) {
        const char *sender = sd_bus_message_get_sender(message);
        Ask *ask = g_hash_table_lookup(polkit->asks, message);

        if (ask)
                return ask->n_asked < POLKIT_QUESTIONS_MAX && !ask->slot && !ask->is_queued ? ask : NULL;
        if (polkit_count(polkit, sender) >= POLKIT_CALLS_MAX)
                return NULL;
        ask = g_new0(Ask, 1);
        ask->polkit = polkit;
        ask->message = sd_bus_message_ref(message);
        ask->caller = caller_copy(caller);
        ask->watch = bus_auth_watch(polkit->auth, sender, on_caller_left, ask);
        if (!ask->watch) {
                ask_free(ask);
                return NULL;
        }
        g_hash_table_insert(polkit->asks, message, ask);
        return ask;
}

bool polkit_ask(Polkit *polkit, sd_bus_message *message, Caller *caller, const Error *error) {
        g_autofree char *about = NULL, *what = NULL;
        Ask *ask;

        if (!caller_take_question(caller, &about, &what) || !find_action(about))
                return false;
        ask = polkit_find_ask(polkit, message, caller);
        if (!ask)
                return false;
        ask->n_asked++;
        g_free(ask->about);
        ask->about = g_steal_pointer(&about);
        g_free(ask->what);
        ask->what = g_steal_pointer(&what);
        error_done(&ask->error);
        (void) error_copy(&ask->error, error);
        if (ask_send(ask) >= 0)
                return true;
        (void) g_hash_table_remove(polkit->asks, message);
        return false;
}

Caller *polkit_find_caller(Polkit *polkit, sd_bus_message *message) {
        Ask *ask = message ? g_hash_table_lookup(polkit->asks, message) : NULL;

        if (!ask)
                return NULL;
        ask->is_queued = false;
        return ask->caller;
}

void polkit_forget(Polkit *polkit, sd_bus_message *message) {
        const Ask *ask = g_hash_table_lookup(polkit->asks, message);

        if (ask && !ask->slot && !ask->is_queued)
                (void) g_hash_table_remove(polkit->asks, message);
}
