/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Bus: the service as the command line sees it
 *
 * What has a function in libbulkhead goes through it; here is the rest: properties as they are, as JSON, and
 * what is said to a person when a call fails. Every function that fails has said why on stderr, once; it
 * returns a negative errno.
 */
#include <glib.h>
#include <jansson.h>
#include <stdint.h>

#include "cli/cli.h"
#include "lib/bus.h"

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(BulkheadError, bulkhead_error_done)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BulkheadRequest, bulkhead_request_free)

/* Connects cli->service, system bus unless --bus says otherwise. */
int bus_open(Cli *cli);

/* Whether the service is running; connects. Says nothing, and does not start it. */
bool bus_has_service(Cli *cli);

/* Says why a call failed; @r is what the library returned. Returns @r. */
int bus_explain_failure(const Cli *cli, const BulkheadError *error, int r);
int bus_answer_is_bad(int r);

/* The exit status of run and exec for a failed call: 125, 126 or 127. */
int bus_error_to_exit_status(const BulkheadError *error);

/* A call to the manager, or to the sandbox or process at @path; never fails but for what is a bug of ours. */
sd_bus_message *bus_new_call(Cli *cli, const char *path, const char *interface, const char *member);

/* Sends @call and waits, the usual 25 s; the first value of the answer as JSON, for json_decref(). */
int bus_call(Cli *cli, sd_bus_message *call, json_t **ret);

/* Object path of the sandbox called @name; caller frees. */
int bus_find_sandbox(Cli *cli, const char *name, char **ret_path);

/* Reads the value at the read position, whatever its type, as JSON: arrays of dictionary entries become
 * objects, structs arrays, descriptors null. Takes at most 16 levels. */
int bus_read_json(sd_bus_message *m, json_t **ret);

/* Calls a method of the manager that takes nothing and gives its answer as JSON; NULL after a failure. */
json_t *bus_ask_manager(Cli *cli, const char *member);

/* All properties of the sandbox at @path as an object; NULL after a failure, of which nothing is said if the
 * sandbox has gone and @may_be_gone. */
json_t *bus_get_properties(Cli *cli, const char *path, bool may_be_gone);
