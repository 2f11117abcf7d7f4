/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* For the files of dbus/; nobody else */
#include <systemd/sd-bus.h>

#include "dbus/bus-auth.h"
#include "dbus/bus.h"
#include "dbus/polkit.h"
#include "plan/denied.h"
#include "service/launch.h"

struct Bus {
        sd_bus *bus;             /* owned */
        Manager *manager;        /* not owned */
        BusAuth *auth;           /* owned */
        Polkit *polkit;          /* owned */
        GHashTable *subscribers; /* name of a connection -> Subscriber, owned */
        GHashTable *bindings;    /* Sandbox -> Binding, owned */
        sd_bus_slot *name_asked; /* owned */
        sd_event_source *name_retry; /* owned; the bus may not have seen yet that an earlier service is gone */
        unsigned n_name_tries;
        BusOwned owned;          /* NULL once called */
        void *owned_userdata;
        sd_bus_slot *slots[8];   /* owned */
        size_t n_slots;
};

/* A call that is answered later. */
typedef struct BusCall {
        Bus *bus;                /* not owned */
        sd_bus_message *message; /* owned reference */
        uid_t uid;               /* the caller's */
        Sandbox *sandbox;        /* not owned; of a creation or a run */
        Launch *launch;          /* not owned; NULL once it is done */
        BusWatch *watch;         /* owned; of a launch */
        bool bind_to_caller;     /* of a launch */
} BusCall;

BusCall *bus_call_new(Bus *bus, sd_bus_message *message, uid_t uid);
void bus_call_free(BusCall *call);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BusCall, bus_call_free)
/* The usual end of a call without results, as a callback: answers, and frees the call. */
void bus_call_finish(void *call, const Error *error);

/* For `return bus_refuse(...)` in a handler whose call policy may have refused: polkit is asked, and answers in our
 * place, or it is as bus_error_set(). And the same for a call that was kept. */
int bus_refuse(Bus *bus, sd_bus_message *message, sd_bus_error *ret_error, const Error *error);
int bus_refuse_later(BusCall *call, const Error *error);

/* The bus of a handler whose userdata is the object that find() found. */
Bus *bus_of(sd_bus_message *message);
int bus_get_caller(Bus *bus, sd_bus_message *message, Caller **ret, Error *error); /* not a new reference */
int bus_get_uid(Bus *bus, sd_bus_message *message, uid_t *ret, Error *error);
/* The caller that is being served, for find callbacks and enumerators, which are not told; false if there is
 * none. */
bool bus_get_current_uid(Bus *bus, uid_t *ret);
void bus_keep_slot(Bus *bus, sd_bus_slot *slot);
/* Appends a string that may not be UTF-8. */
int bus_append_text(sd_bus_message *message, const char *text);
int bus_append_strings(sd_bus_message *message, char *const *strings);
/* a{sv}: what was denied, without the gateway; @capabilities as in Denial. */
int bus_append_denied(sd_bus_message *message, const ShimDenied *denied, const char *capabilities);
/* Stops @sandbox when the connection @name leaves. */
void bus_bind(Bus *bus, Sandbox *sandbox, const char *name);
/* Of a sandbox that an earlier service made: hears when its creator leaves, or has left. */
void bus_know_creator(Bus *bus, Sandbox *sandbox);

/* One property; tables of them serve GetAll and InterfacesAdded alike. */
typedef struct BusProperty {
        const char *name;
        const char *signature;
        int (*append)(sd_bus_message *message, const void *object);
        bool when_asked; /* looked up at some cost, so not part of signals */
} BusProperty;
int bus_property_append(const BusProperty *table, const char *name, sd_bus_message *message,
                        const void *object);

/* manager-bus.c, sandbox-bus.c, process-bus.c */
int bus_add_manager(Bus *bus);
int bus_add_sandboxes(Bus *bus);
int bus_add_processes(Bus *bus);
extern const BusProperty sandbox_bus_properties[]; /* ends with a NULL name */
extern const BusProperty process_bus_properties[];
/* Answers Run and Launch. */
int bus_reply_run(BusCall *call, const Process *process, bool with_sandbox);

/* bus-signal.c: unicast signals to whoever may see the object and has asked, or has made it. */
extern const ManagerEvents bus_manager_events; /* their userdata is the bus */
void bus_subscribe(Bus *bus, const char *name, uid_t uid);
void bus_unsubscribe(Bus *bus, const char *name);
void subscriber_free(void *subscriber);
void binding_free(void *binding);
