/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * PulseFilter: what one client may say to a sound server
 *
 * PulseAudio's native protocol, which PipeWire speaks too: frames of a 20-byte descriptor (length, channel,
 * offset, flags, all big-endian) and a payload. Frames of channel 0xffffffff carry commands, a tagged structure
 * that begins with command and tag; all others carry sound. The server gives every client all rights, so what a
 * client may do is decided here, command by command, from a list of what is let through:
 *   - everybody: to log in, to name itself, to look at the server;
 *   - playback: streams of sound to a sink, and control of those that are the client's own;
 *   - capture: the same for sources.
 * Everything else is answered with "access denied": modules, other clients, the device's volume, the sample
 * cache, the cards. Shared memory is taken out of the login, on which the server then offers none, and frames
 * that speak of it end the connection. Pure: bytes in, bytes out.
 */
#include <glib.h>

#include "plan/plan.h"
#include "util/error.h"

typedef struct PulseFilter PulseFilter;

/* @target, @detail: what was refused and which permission would have allowed it; static strings. */
typedef void (*PulseDenied)(void *userdata, const char *target, const char *detail);

PulseFilter *pulse_filter_new(PlanSocketFlags flags, PulseDenied denied, void *userdata);
void pulse_filter_free(PulseFilter *filter);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PulseFilter, pulse_filter_free)

/* Holds from the next command on. True if what the client has already is more than it allows now. */
gboolean pulse_filter_set_flags(PulseFilter *filter, PlanSocketFlags flags);

/* Takes what the client said from the front of @in as far as it is whole, and adds what the server shall hear
 * to @to_server, and what the client shall hear to @to_client. A negative errno ends the connection: the client
 * does not speak the protocol. */
int pulse_filter_client(PulseFilter *filter, GByteArray *in, GByteArray *to_server, GByteArray *to_client,
                        Error *error);
/* The same for the server, whose answers tell which streams are the client's own. */
int pulse_filter_server(PulseFilter *filter, GByteArray *in, GByteArray *to_client, Error *error);
