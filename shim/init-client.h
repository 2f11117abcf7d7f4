/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The shim's end of init's socket, and the programs that were asked for over it
 *
 * Every byte from init is taken as hostile: numbers of programs count only if they were given out here, in
 * the order in which they can happen, and pids only as the kernel puts them beside a message.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "plan/shim-message.h"
#include "util/error.h"

typedef struct InitClient InitClient;

typedef struct InitEvents {
        void (*ready)(void *userdata, pid_t init_pid);
        /* Answer to init_client_run(): the host pid, or why not. */
        void (*ran)(void *userdata, uint32_t serial, uint32_t run, pid_t pid, const Error *error);
        /* Only for programs that ran() has told, once each. */
        void (*exited)(void *userdata, const ShimExited *exited);
        /* Answer to init_client_signal(). */
        void (*signalled)(void *userdata, uint32_t serial, const Error *error);
        /* Of a program that died of a SIGKILL that was not asked for here, or said so of a child of its own: was it the
         * kernel for want of memory? NULL = never. */
        bool (*was_oom)(void *userdata);
} InitEvents;

/* @events is static. Makes the socket pair; the other end is for the container. */
int init_client_new(const InitEvents *events, void *userdata, InitClient **ret, int *ret_init_fd,
                    Error *error);
void init_client_free(InitClient *client);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(InitClient, init_client_free)

int init_client_get_fd(const InitClient *client); /* to poll for reading; -EBADF after the end */

/* Takes one message. Returns 1, 0 when the other end is closed (the monitor keeps a copy of it, so then the
 * container has ended), negative for nonsense: then the container has to be killed. */
int init_client_dispatch(InitClient *client, Error *error);

/* init's socket is full while init is busy: poll for writing, and send then what has waited. */
bool init_client_has_unsent(const InitClient *client);
void init_client_send_unsent(InitClient *client);

/* Before init is started: what it takes away from itself and from programs. It waits in the socket. */
int init_client_setup(InitClient *client, const Spec *spec, Error *error);

/* Each asks; the answer comes as an event with the same serial. Descriptors (at most 3) stay the
 * caller's. ERROR_LIMIT_REACHED when init reads too slowly for too many requests. */
int init_client_run(InitClient *client, uint32_t serial, const InitRun *run, const int *fds, size_t n_fds,
                    Error *error);
int init_client_signal(InitClient *client, uint32_t serial, uint32_t run, int number, Error *error);
int init_client_halt(InitClient *client, int number, Error *error);

/* The container is gone: answers what is open with "the sandbox has ended", tells of every program that was
 * alive that it is lost, and closes. */
void init_client_close(InitClient *client);
