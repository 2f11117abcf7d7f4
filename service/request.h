/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What a caller asks for: a sandbox, or a program in one
 *
 * Filled in by a front end through the functions below, which refuse with ERROR_INVALID_ARGS (or
 * ERROR_LIMIT_REACHED) what could never work, in words that name the value. All of them copy; callers are
 * referenced.
 */
#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>

#include "plan/shim-message.h"
#include "service/caller.h"
#include "service/mount.h"
#include "util/error.h"

typedef struct SandboxRequest {
        Caller *caller;      /* owned reference; the owner */
        char *client;        /* owned; who asked, in the front end's words (a bus name) */
        char *name;          /* owned; "" = generated */
        char *template_name; /* owned; NULL = the settings' default */
        char **capabilities; /* owned; NULL = none but the defaults */
        char **environment;  /* owned; "NAME=value" of every program; NULL = none */
        char *hostname;      /* owned; NULL = the sandbox's name */
        GHashTable *labels;  /* owned; char * -> char * */
        GPtrArray *mounts;   /* owned; of Mount references */
        bool bind_to_caller; /* the front end stops it when the caller leaves */
} SandboxRequest;

SandboxRequest *sandbox_request_new(Caller *caller, const char *client, const char *name);
void sandbox_request_free(SandboxRequest *request);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SandboxRequest, sandbox_request_free)
int sandbox_request_set_hostname(SandboxRequest *request, const char *hostname, Error *error);
int sandbox_request_add_label(SandboxRequest *request, const char *name, const char *value, Error *error);
int sandbox_request_add_mount(SandboxRequest *request, const char *source, const char *target, uint64_t flags,
                              Error *error);
int sandbox_request_set_environment(SandboxRequest *request, char *const *environment, Error *error);

typedef struct RunRequest {
        Caller *caller; /* owned reference */
        ShimRun run;    /* its number is set by the sandbox */
        int fds[3];     /* owned; -EBADF = /dev/null */
} RunRequest;

RunRequest *run_request_new(Caller *caller);
void run_request_free(RunRequest *request);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(RunRequest, run_request_free)
int run_request_set_argv(RunRequest *request, char *const *argv, Error *error);
int run_request_set_environment(RunRequest *request, char *const *environment, Error *error);
int run_request_set_working_directory(RunRequest *request, const char *path, Error *error);
/* "app" (the template's), "root", a user id, or "uid:gid"; a user id alone is the group id too. */
int run_request_set_user(RunRequest *request, const char *user, Error *error);
int run_request_set_groups(RunRequest *request, char *const *groups, Error *error); /* numbers */
/* @name as of prlimit(1) without "RLIMIT_", in small letters: "nofile". */
int run_request_add_rlimit(RunRequest *request, const char *name, uint64_t soft, uint64_t hard, Error *error);
/* Standard input, output or error (@i 0, 1, 2): duplicates @fd; refuses folders and O_PATH descriptors, which
 * an app could use to leave its root. */
int run_request_set_fd(RunRequest *request, unsigned i, int fd, Error *error);

/* Once all is set: what does not go together. */
int run_request_check(const RunRequest *request, Error *error);

/* "NAME=value" strings: a name that is not empty, within the limits. */
int environment_check(char *const *environment, Error *error);
