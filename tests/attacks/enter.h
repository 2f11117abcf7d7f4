/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Entering a live sandbox with all its walls but one
 *
 * What the service does for each program, done from outside by the test: the sandbox's own namespaces,
 * control groups and filter of system calls, taken from init and from a program that runs in it, and then the
 * ids and the end of all privileges. One of it can be left out, to see what it was good for.
 */
#include <glib.h>
#include <stdint.h>
#include <sys/types.h>

typedef enum Wall {
        WALL_NONE, /* all are up */
        WALL_USER_NS,
        WALL_PID_NS,
        WALL_NET_NS,
        WALL_IPC_NS,
        WALL_UTS_NS,
        WALL_CGROUP_NS,
        WALL_TIME_NS,
        WALL_MOUNT_NS,
        WALL_CGROUP,      /* stays in our own control groups */
        WALL_KEYRING,     /* our own session keyring; without a filter, which would hide it */
        WALL_SESSION,     /* our own session, with a terminal */
        WALL_DESCRIPTORS, /* a folder of the host stays open */
        WALL_NO_NEW_PRIVS,
        WALL_CAPABILITIES, /* all of the user namespace's */
        WALL_INIT_UID,     /* runs as init's uid */
        _WALL_MAX,
} Wall;

typedef struct Entry {
        pid_t program; /* on the host; whose namespaces, control groups and filter are taken */
        uint32_t base; /* first id of the sandbox's range */
        Wall without;
        const char *const *argv;
        const char *const *environment; /* pairs */
} Entry;

/* Runs argv to its end; what it wrote to standard output. Caller frees. Fails the test if it cannot be run.
 */
char *enter_run(const Entry *entry);

/*
 * As the host's root, in a process of its own: calls @before (NULL = nothing) in the sandbox's net and pid
 * namespaces, and @change in its mount namespace too. Fails the test unless both return 0 (else a positive
 * errno).
 */
void enter_change(pid_t init, int (*before)(void), int (*change)(void));
