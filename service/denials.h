/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Denials: what one sandbox was refused
 *
 * Attempts of its programs, told at a bounded rate as the shim says them, and capabilities that somebody asked
 * for and it did not get. The newest DENIED_KEPT_MAX are kept for who asks later.
 */
#include <systemd/sd-event.h>

#include "plan/denied.h"
#include "util/error.h"

typedef struct Denials Denials;

typedef struct Denial {
        guint64 usec; /* since 1970 */
        ShimDenied what; /* owned; the gateway is "" if none is to blame */
        char *capabilities; /* owned; those asked for, with blanks between them; NULL for an attempt */
} Denial;

/* @tell is called for an attempt that may be told now. */
Denials *denials_new(sd_event *event, void (*tell)(void *userdata, const ShimDenied *denied), void *userdata);
void denials_free(Denials *denials);

/* An attempt that was refused: tells it, now or later together with others of its kind. */
void denials_add(Denials *denials, const ShimDenied *denied);
/* A capability that was refused; only kept. */
void denials_add_refusal(Denials *denials, char *const *capabilities, const char *gateway, const Error *error);

/* The oldest first. */
guint denials_get_size(const Denials *denials);
const Denial *denials_get(const Denials *denials, guint i);
