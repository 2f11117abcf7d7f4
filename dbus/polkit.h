/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * polkit: what no policy section decides, asked of the machine's authority where there is one
 *
 * A call that was refused for lack of a policy section is put aside, org.freedesktop.PolicyKit1.Authority is asked
 * whether the caller may (actions: templates/org.bulkhead.Bulkhead1.policy), and after a yes the call is dispatched
 * once more, for a caller that may this one thing. Everything else is the refusal that it was: a no, a challenge
 * that nobody may answer, an error, a time-out, too many questions. Who leaves while we ask gets nothing done: the
 * call is dropped, whatever the answer. The subject is the name of the connection, which the bus gives to nobody
 * else; a process id might be another's by the time of the answer.
 */
#include <glib.h>
#include <systemd/sd-bus.h>

#include "dbus/bus-auth.h"
#include "util/error.h"

typedef struct Polkit Polkit;

/* Neither is owned. */
Polkit *polkit_new(sd_bus *bus, BusAuth *auth);
void polkit_free(Polkit *polkit); /* calls that wait are dropped */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Polkit, polkit_free)

/* Takes over the call @message that was refused with @error, if policy has left something to ask on behalf of
 * @caller (service/caller.h): true, and it is answered later. False: the caller of this answers. */
bool polkit_ask(Polkit *polkit, sd_bus_message *message, Caller *caller, const Error *error);

/* The caller of a call that is dispatched once more, with what was allowed; NULL for any other call. Not a new
 * reference. */
Caller *polkit_find_caller(Polkit *polkit, sd_bus_message *message);

/* The call was answered. */
void polkit_forget(Polkit *polkit, sd_bus_message *message);
