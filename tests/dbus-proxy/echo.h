/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Echo: a service that says back what it is told, and clients that call it as fast as they can
 *
 * The clients are such as the xdg-dbus-proxy of Debian 12 serves too: they say who they are line by line,
 * and their serials only grow.
 */
#include <glib.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define ECHO_NAME "com.acme.Radio"

typedef struct EchoClient EchoClient;

/* Set by a signal handler: what waits fails. */
extern volatile sig_atomic_t echo_is_interrupted;

/* A process that owns ECHO_NAME on the bus at @address; returns when it does. To be killed by the caller; it
 * ends with the caller too. */
pid_t echo_service_start(const char *address);

/* Connects, and says Hello; the descriptor is the caller's. */
int echo_login(const char *address);

EchoClient *echo_client_new(const char *address);
void echo_client_free(EchoClient *client);

/* Each client makes @n_calls with bodies of @body_size, at most @window of them on their way, and gets as
 * many answers as long, or the test fails. */
void echo_run(EchoClient *const *clients, size_t n_clients, unsigned n_calls, unsigned window,
              uint32_t body_size);
