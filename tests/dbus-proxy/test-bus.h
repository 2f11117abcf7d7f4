/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * TestBus: a dbus-daemon of its own, a bus proxy in front of it, and the test as its shim
 *
 * Two sorts of clients, all in this process: of the bus itself, as services of the host are, and of the
 * proxy, as an app is. Nothing waits for anything else than test_bus_pump().
 */
#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>
#include <systemd/sd-bus.h>

#include "plan/bus-proxy-message.h"

#define TEST_BUS_UID 65534 /* whom the proxy speaks as */

typedef struct TestBus {
        char *folder;                /* owned */
        char *address;               /* owned; of the bus */
        char *proxy_address;         /* owned; of the proxy, as inside of a sandbox */
        pid_t daemon_pid, proxy_pid; /* 0 = not running */
        int shim_fd, listen_fd;
        GPtrArray *denied;   /* owned BusProxyDenied; in the order they were told */
        GPtrArray *warnings; /* owned */
        GPtrArray *clients;  /* sd_bus *, not owned: who is pumped */
} TestBus;

/* Skips the test, with the reason, where it cannot run. */
void test_bus_start(TestBus *bus);
void test_bus_stop(TestBus *bus);

/* Rules as a plan prints them, without the bus: "own com.acme.Radio", "talk outgoing name N interface I path
 * P member A,B". NULL-terminated. */
void test_bus_start_proxy(TestBus *bus, const char *const *rules);
void test_bus_stop_proxy(TestBus *bus);
void test_bus_set_rules(TestBus *bus, const char *const *rules);

/* Connects, and says Hello. */
sd_bus *test_bus_connect(TestBus *bus, const char *address);
void test_bus_disconnect(TestBus *bus, sd_bus *client);

/* Lets all of them do what they have to, and hears the proxy, until *@done or for @msec. True if it is done.
 */
bool test_bus_pump(TestBus *bus, const bool *done, unsigned msec);

/* The answer to a call: the error's name, or NULL; caller frees. "silence" if there is none for a second.
 * Frees
 * @message. */
char *test_bus_call(TestBus *bus, sd_bus *client, sd_bus_message *message, sd_bus_message **ret_reply);

/* Has a refusal been told whose detail fits the glob? Forgets all that were told. */
bool test_bus_was_denied(TestBus *bus, const char *glob);
