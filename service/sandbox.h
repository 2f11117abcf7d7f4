/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Sandbox: one of them, from request to removal
 *
 * Functions that take a callback return a negative errno with @error set when they refuse at once, and then
 * never call it; otherwise it is called exactly once, later, from the loop. A sandbox is freed by nobody
 * outside: it goes when nothing of it is left.
 */
#include <glib.h>
#include <sys/types.h>

#include "plan/plan.h"
#include "service/denials.h"
#include "service/process.h"
#include "service/request.h"
#include "service/sandbox-state.h"
#include "service/usage.h"
#include "util/error.h"

typedef void (*SandboxDone)(void *userdata, const Error *error); /* NULL = success */
typedef void (*SandboxRan)(void *userdata, Process *process, const Error *error);

/* The bus's change-signalled properties. */
typedef enum SandboxChanges {
        SANDBOX_CHANGED_STATE = 1 << 0, /* and the reason */
        SANDBOX_CHANGED_CAPABILITIES = 1 << 1,
        SANDBOX_CHANGED_PENDING = 1 << 2,
        SANDBOX_CHANGED_ADDRESSES = 1 << 3,
} SandboxChanges;

typedef enum SandboxVerb {
        SANDBOX_SET_CAPABILITIES,
        SANDBOX_GRANT,
        SANDBOX_REVOKE,
        SANDBOX_MOUNT,
        SANDBOX_UNMOUNT,
        SANDBOX_FREEZE,
        SANDBOX_THAW,
} SandboxVerb;

Manager *sandbox_get_manager(const Sandbox *sandbox);
const char *sandbox_get_name(const Sandbox *sandbox);
uid_t sandbox_get_owner(const Sandbox *sandbox);
const char *sandbox_get_client(const Sandbox *sandbox); /* who asked for it; NULL = cannot be there any more */
bool sandbox_is_bound_to_client(const Sandbox *sandbox);
bool sandbox_is_adopted(const Sandbox *sandbox); /* made by an earlier service */
const char *sandbox_get_template(const Sandbox *sandbox);
SandboxState sandbox_get_state(const Sandbox *sandbox);
const char *sandbox_get_state_reason(const Sandbox *sandbox); /* "" if there is none */
pid_t sandbox_get_leader(const Sandbox *sandbox);             /* process 1 inside; 0 = not known yet */
bool sandbox_is_awaited(const Sandbox *sandbox);              /* its creation has not been answered */
uint64_t sandbox_get_created_usec(const Sandbox *sandbox);
uint64_t sandbox_get_created_monotonic_usec(const Sandbox *sandbox);
const GArray *sandbox_get_timings(const Sandbox *sandbox);         /* of ShimTiming */
const GPtrArray *sandbox_get_capabilities(const Sandbox *sandbox); /* of Capability, those in force */
char *const *sandbox_get_pending(const Sandbox *sandbox);   /* granted and not in force yet */
char *const *sandbox_get_mechanisms(const Sandbox *sandbox); /* "OPENING: WORDS" */
char *const *sandbox_get_addresses(const Sandbox *sandbox); /* IP addresses */
const GPtrArray *sandbox_get_mounts(const Sandbox *sandbox); /* of Mount, by hand */
const Denials *sandbox_get_denials(const Sandbox *sandbox);
GHashTable *sandbox_get_labels(const Sandbox *sandbox);            /* not to be changed */
char **sandbox_list_privileges(const Sandbox *sandbox); /* spec_list_privileges(); caller frees */
char *sandbox_get_control_group(const Sandbox *sandbox);           /* "" if there is none; caller frees */
/* What its programs use, read from the control group; 0 if there is none. */
uint64_t sandbox_read_usage(const Sandbox *sandbox, Usage usage);

/* ERROR_BAD_STATE unless it is ready; limits and policy as in service/policy.h. @request is only read. */
int sandbox_run(Sandbox *sandbox, RunRequest *request, SandboxRan ran, void *userdata, Error *error);

/* Changes wait for those before them. @names: of capabilities, or the target of an unmount; NULL for freeze
 * and thaw. */
int sandbox_change(Sandbox *sandbox, SandboxVerb verb, Caller *caller, char *const *names, SandboxDone done,
                   void *userdata, Error *error);
/* The same for a mount, which it takes a reference of. Refuses at once what @caller may not show. */
int sandbox_mount(Sandbox *sandbox, Caller *caller, Mount *mount, SandboxDone done, void *userdata,
                  Error *error);
uint32_t sandbox_number_mount(Sandbox *sandbox); /* for mount_new_fd() */

/* Names as in /proc/PID/ns and their descriptors; both are gone afterwards. */
typedef void (*SandboxNamespaces)(void *userdata, const char *const *names, const int *fds, size_t n,
                                  const Error *error);
int sandbox_get_namespaces(Sandbox *sandbox, SandboxNamespaces done, void *userdata, Error *error);

/* Writes what was written in the sandbox to @fd, which stays the caller's, as a squashfs image. Also of a frozen
 * one. */
int sandbox_snapshot(Sandbox *sandbox, int fd, SandboxDone done, void *userdata, Error *error);

/* @run: of a process, 0 = all. */
int sandbox_signal(Sandbox *sandbox, uint32_t run, int signal, SandboxDone done, void *userdata,
                   Error *error);

/* Any time. @usec from the halt signal to SIGKILL, 0 = the template's. @gone (may be NULL) is called when
 * nothing is left; by then the sandbox is not there any more. */
void sandbox_stop(Sandbox *sandbox, uint64_t usec, SandboxDone gone, void *userdata);

/* The sandbox stops when @process ends (at once if it has). */
void sandbox_end_with(Sandbox *sandbox, Process *process);
