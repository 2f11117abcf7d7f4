/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What was refused, told in a way that an app cannot make a flood of
 *
 * A refusal is told at once, the same again within a second only by its count at the end of that second.
 * Beyond BUS_PROXY_REPORTS_MAX different ones in a second, the rest is one number.
 */
#include <glib.h>

#include "plan/bus-proxy-message.h"
#include "util/loop.h"

typedef struct Reporter Reporter;
typedef void (*ReporterTell)(void *userdata, const BusProxyDenied *denied);

Reporter *reporter_new(Loop *loop, ReporterTell tell, void *userdata);
void reporter_free(Reporter *reporter);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Reporter, reporter_free)

/* @denied is the caller's, its strings may be NULL, its count is not looked at. */
void reporter_add(Reporter *reporter, const BusProxyDenied *denied);
