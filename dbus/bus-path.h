/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Object paths, relative to who looks
 *
 * The owner of a sandbox sees it at sandbox/<name>; root sees those of others at sandbox/<uid:name>. Both are
 * escaped as by sd_bus_path_encode(3).
 */
#include <glib.h>
#include <stdint.h>
#include <sys/types.h>

#include "util/error.h"

#define BUS_NAME              "org.bulkhead.Bulkhead1"
#define BUS_PATH              "/org/bulkhead/Bulkhead1"
#define BUS_PATH_SANDBOXES    BUS_PATH "/sandbox"
#define BUS_MANAGER_INTERFACE "org.bulkhead.Bulkhead1.Manager"
#define BUS_SANDBOX_INTERFACE "org.bulkhead.Bulkhead1.Sandbox"
#define BUS_PROCESS_INTERFACE "org.bulkhead.Bulkhead1.Process"

/* Caller frees. */
char *bus_path_sandbox(uid_t viewer, uid_t owner, const char *name);
char *bus_path_process(uid_t viewer, uid_t owner, const char *name, uint32_t number);

/* 1 and the parts if @path can be that of a sandbox (*ret_number 0) or a process as @viewer sees it, 0 if it
 * is any other path. Caller frees *ret_name. */
int bus_path_parse(uid_t viewer, const char *path, uid_t *ret_owner, char **ret_name, uint32_t *ret_number);
