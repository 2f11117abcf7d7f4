/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Errors on the bus: the one table between ErrorCode and names
 */
#include <systemd/sd-bus.h>

#include "util/error.h"

#define BUS_ERROR_PREFIX "org.bulkhead.Bulkhead1.Error."

const char *bus_error_get_name(ErrorCode code); /* never NULL */

/* For `return bus_error_set(ret_error, &error);` in a handler; negative. */
int bus_error_set(sd_bus_error *ret, const Error *error);
/* Answers a call that was kept. */
int bus_error_reply(sd_bus_message *call, const Error *error);
