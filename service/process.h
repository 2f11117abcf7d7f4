/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Process: one program that was started in a sandbox
 *
 * Its number is never used twice in the service's life. It can be asked about for 10 s after its end, also
 * when the sandbox itself is gone.
 */
#include <sys/types.h>

#include "plan/shim-message.h"
#include "util/error.h"

typedef struct Process Process;
typedef struct Sandbox Sandbox;
typedef struct Manager Manager;

typedef enum ProcessState {
        PROCESS_STARTING, /* not known outside */
        PROCESS_RUNNING,
        PROCESS_ENDED,
        _PROCESS_STATE_MAX,
        _PROCESS_STATE_INVALID = -EINVAL,
} ProcessState;
const char *process_state_to_string(ProcessState state);
ProcessState process_state_from_string(const char *name);

uint32_t process_get_number(const Process *process);
ProcessState process_get_state(const Process *process);
pid_t process_get_pid(const Process *process); /* on the host */
char *const *process_get_argv(const Process *process);
ShimExitReason process_get_exit_reason(const Process *process); /* once it has ended, as the next one */
int process_get_exit_status(const Process *process);
uid_t process_get_owner(const Process *process); /* of its sandbox, as the next two */
const char *process_get_sandbox_name(const Process *process);
const char *process_get_client(const Process *process);

/* As sandbox_signal() for this one; ERROR_BAD_STATE once it has ended. */
int process_kill(Process *process, int signal, void (*done)(void *userdata, const Error *error),
                 void *userdata, Error *error);
/* @ended is called once, when it has ended: at once if it has already. */
void process_wait(Process *process, void (*ended)(void *userdata, const Process *process), void *userdata);

/* The other end of its terminal, once, also for PROCESS_LINGER_USEC after its end: what it has written is not
 * lost. The descriptor is the caller's. ERROR_INVALID_ARGS for a program without one, ERROR_BAD_STATE for one
 * that has been opened. */
int process_open_terminal(Process *process, int *ret_fd, Error *error);
/* The size of its window, TIOCSWINSZ of ioctl_tty(2): before and after it was opened, until the program ends.
 */
int process_resize(Process *process, uint16_t rows, uint16_t columns, Error *error);
