/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Bus: the service as the command line sees it
 *
 * Names and signatures are those of the interface, org.bulkhead.Bulkhead1. Every function that fails has said
 * why on stderr, once, in words for the person who typed the command; it returns a negative errno.
 */
#include <glib.h>
#include <jansson.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

#include "cli/cli.h"

#define BUS_NAME              "org.bulkhead.Bulkhead1"
#define BUS_PATH              "/org/bulkhead/Bulkhead1"
#define BUS_SANDBOX_PREFIX    "/org/bulkhead/Bulkhead1/sandbox"
#define BUS_MANAGER_INTERFACE "org.bulkhead.Bulkhead1.Manager"
#define BUS_SANDBOX_INTERFACE "org.bulkhead.Bulkhead1.Sandbox"
#define BUS_PROCESS_INTERFACE "org.bulkhead.Bulkhead1.Process"
#define BUS_ERROR_PREFIX      "org.bulkhead.Bulkhead1.Error."

G_DEFINE_AUTOPTR_CLEANUP_FUNC(sd_bus, sd_bus_unref)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(sd_bus_message, sd_bus_message_unref)

/* Method calls that may take as long as the sandbox takes. */
#define BUS_TIMEOUT_NONE UINT64_MAX

/* Connects cli->bus, system bus unless --bus says otherwise. */
int bus_open(Cli *cli);

/* A call to the manager, or to the sandbox or process at @path; never fails but for what is a bug of ours. */
sd_bus_message *bus_new_call(Cli *cli, const char *path, const char *interface, const char *member);

/* Whether the service is running; connects. Says nothing, and does not start it. */
bool bus_has_service(Cli *cli);

/* Sends @call and waits; @timeout_usec 0 = the usual 25 s. @ret_reply may be NULL. */
int bus_call(Cli *cli, sd_bus_message *call, uint64_t timeout_usec, sd_bus_message **ret_reply);

/* Says why a call failed; @r is what sd-bus returned. Returns @r. */
int bus_explain_failure(const Cli *cli, const sd_bus_error *error, int r);

/* True if @error says that the object of the call is not there (any more). */
bool bus_error_is_gone(const sd_bus_error *error);

/* The exit status of run and exec for a failed call: 125, 126 or 127. */
int bus_error_to_exit_status(const sd_bus_error *error);

/* Object path of the sandbox called @name; caller frees. */
int bus_find_sandbox(Cli *cli, const char *name, char **ret_path);

/* Adds one entry to an open a{sv}. The array of strings ends with NULL; @pairs are "NAME=value". */
int bus_append_string(sd_bus_message *m, const char *key, const char *value);
int bus_append_bool(sd_bus_message *m, const char *key, bool value);
int bus_append_fd(sd_bus_message *m, const char *key, int fd);
int bus_append_strings(sd_bus_message *m, const char *key, char *const *values);
int bus_append_pairs(sd_bus_message *m, const char *key, char *const *pairs);

/* Reads the value at the read position, whatever its type, as JSON: arrays of dictionary entries become
 * objects, structs arrays, descriptors null. Takes at most 16 levels. */
int bus_read_json(sd_bus_message *m, json_t **ret);

/* Calls a method of the manager that takes nothing and gives its answer as JSON; NULL after a failure. */
json_t *bus_ask_manager(Cli *cli, const char *member);
