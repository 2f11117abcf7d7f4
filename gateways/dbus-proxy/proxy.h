/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The proxy of one bus for one sandbox
 *
 * Its shim tells it who it is and what the rules are, gives it the socket to listen on, and hears what was
 * refused.
 */
#include "util/error.h"

typedef struct Proxy Proxy;

Proxy *proxy_new(int shim_fd); /* not owned */
void proxy_free(Proxy *proxy);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Proxy, proxy_free)

/* Serves until the shim is gone, or nobody was connected for BUS_PROXY_IDLE_USEC. */
int proxy_run(Proxy *proxy, Error *error);
