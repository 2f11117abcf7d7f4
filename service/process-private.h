/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* For sandbox.c, which makes and ends processes, and manager.c, which keeps them; nobody else */
#include <systemd/sd-event.h>

#include "service/process.h"
#include "service/request.h"

Process *process_new(Sandbox *sandbox, uint32_t number, char *const *argv, bool has_terminal);
void process_free(Process *process);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Process, process_free)

/* Takes @terminal_fd, -EBADF for a program without one. */
void process_set_running(Process *process, pid_t pid, int terminal_fd);
/* Of an earlier service. @terminal_fd is -EBADF if it was given away, @peer_fd if it has ended; takes both. */
void process_restore(Process *process, pid_t pid, int terminal_fd, int peer_fd);
bool process_has_terminal(const Process *process); /* holds descriptors of one, or is about to */
/* Tells whoever waits, and goes PROCESS_LINGER_USEC later by manager_forget_process(). */
void process_set_ended(Process *process, ShimExitReason reason, int status);
Sandbox *process_get_sandbox(const Process *process); /* NULL when it is gone */
void process_leave_sandbox(Process *process);
