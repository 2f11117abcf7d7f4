/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "service/process.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>

#include "service/manager-private.h"
#include "service/process-private.h"
#include "service/sandbox-private.h"
#include "util/cleanup.h"
#include "util/enum-table.h"
#include "util/log.h"

#define PROCESS_LINGER_USEC (10 * 1000 * 1000ULL) /* contract section 2 */

static const char *const process_state_names[_PROCESS_STATE_MAX] = {
        [PROCESS_STARTING] = "starting",
        [PROCESS_RUNNING] = "running",
        [PROCESS_ENDED] = "ended",
};

ENUM_TABLE_DEFINE(process_state, ProcessState, _PROCESS_STATE_MAX)

typedef struct Waiter {
        void (*ended)(void *userdata, const Process *process);
        void *userdata;
} Waiter;

struct Process {
        Manager *manager; /* not owned; it frees us */
        Sandbox *sandbox; /* not owned; NULL when it is gone */
        uid_t owner;
        char *sandbox_name; /* owned, as the next two */
        char *client;
        char **argv;
        uint32_t number;
        ProcessState state;
        pid_t pid;
        ShimExitReason reason;
        int status;
        bool has_terminal;
        int terminal_fd; /* owned; our end of it, until somebody opens it */
        int peer_fd;     /* owned; O_PATH of the program's end, which holds nothing open, for resizing */
        GArray *waiters; /* owned; of Waiter */
        sd_event_source *linger; /* owned */
};

Process *process_new(Sandbox *sandbox, uint32_t number, char *const *argv, bool has_terminal) {
        Process *process = g_new0(Process, 1);

        process->manager = sandbox_get_manager(sandbox);
        process->sandbox = sandbox;
        process->owner = sandbox_get_owner(sandbox);
        process->sandbox_name = g_strdup(sandbox_get_name(sandbox));
        process->client = g_strdup(sandbox_get_client(sandbox));
        process->argv = g_strdupv((char **) argv);
        process->number = number;
        process->has_terminal = has_terminal;
        process->terminal_fd = -EBADF;
        process->peer_fd = -EBADF;
        process->waiters = g_array_new(FALSE, FALSE, sizeof(Waiter));
        return process;
}

void process_free(Process *process) {
        if (!process)
                return;
        sd_event_source_disable_unref(process->linger);
        (void) fd_close(process->terminal_fd);
        (void) fd_close(process->peer_fd);
        g_array_unref(process->waiters);
        g_strfreev(process->argv);
        g_free(process->sandbox_name);
        g_free(process->client);
        g_free(process);
}

/*
 * Once the other end is given away, nothing of ours may hold the terminal open: the program is to be hung up
 * when whoever opened it leaves, and its reader to see the end when the program has closed it. A descriptor
 * that only names the program's end does neither.
 */
void process_set_running(Process *process, pid_t pid, int terminal_fd) {
        process->pid = pid;
        process->state = PROCESS_RUNNING;
        process->terminal_fd = terminal_fd;
        if (terminal_fd < 0)
                return;
        process->peer_fd = ioctl(terminal_fd, TIOCGPTPEER, O_PATH | O_CLOEXEC);
        if (process->peer_fd < 0)
                log_warning("The terminal of process %u cannot be resized once it is opened: %s",
                            process->number, g_strerror(errno));
}

void process_restore(Process *process, pid_t pid, int terminal_fd, int peer_fd) {
        process->pid = pid;
        process->state = PROCESS_RUNNING;
        process->terminal_fd = terminal_fd;
        process->peer_fd = peer_fd;
}

bool process_has_terminal(const Process *process) {
        return process->state == PROCESS_STARTING ? process->has_terminal
                                                  : process->terminal_fd >= 0 || process->peer_fd >= 0;
}

static int on_linger(sd_event_source *source G_GNUC_UNUSED, uint64_t usec G_GNUC_UNUSED, void *userdata) {
        Process *process = userdata;

        manager_forget_process(process->manager, process);
        return 0;
}

void process_set_ended(Process *process, ShimExitReason reason, int status) {
        g_autoptr(GArray) waiters = g_steal_pointer(&process->waiters);

        process->waiters = g_array_new(FALSE, FALSE, sizeof(Waiter));
        process->reason = reason;
        process->status = status;
        process->state = PROCESS_ENDED;
        process->peer_fd = fd_close(process->peer_fd);
        (void) sd_event_add_time_relative(manager_get_event(process->manager), &process->linger,
                                          CLOCK_MONOTONIC, PROCESS_LINGER_USEC, 0, on_linger, process);
        for (guint i = 0; i < waiters->len; i++) {
                const Waiter *waiter = &g_array_index(waiters, Waiter, i);

                waiter->ended(waiter->userdata, process);
        }
}

Sandbox *process_get_sandbox(const Process *process) {
        return process->sandbox;
}

void process_leave_sandbox(Process *process) {
        process->sandbox = NULL;
}

uint32_t process_get_number(const Process *process) {
        return process->number;
}

ProcessState process_get_state(const Process *process) {
        return process->state;
}

pid_t process_get_pid(const Process *process) {
        return process->pid;
}

char *const *process_get_argv(const Process *process) {
        return process->argv;
}

ShimExitReason process_get_exit_reason(const Process *process) {
        return process->reason;
}

int process_get_exit_status(const Process *process) {
        return process->status;
}

uid_t process_get_owner(const Process *process) {
        return process->owner;
}

const char *process_get_sandbox_name(const Process *process) {
        return process->sandbox_name;
}

const char *process_get_client(const Process *process) {
        return process->client;
}

int process_kill(Process *process, int signal, void (*done)(void *userdata, const Error *error),
                 void *userdata, Error *error) {
        if (process->state != PROCESS_RUNNING || !process->sandbox)
                return error_setf(error, ERROR_BAD_STATE, "Process %u has ended", process->number);
        return sandbox_signal(process->sandbox, process->number, signal, done, userdata, error);
}

void process_wait(Process *process, void (*ended)(void *userdata, const Process *process), void *userdata) {
        Waiter waiter = { .ended = ended, .userdata = userdata };

        if (process->state == PROCESS_ENDED)
                ended(userdata, process);
        else
                g_array_append_val(process->waiters, waiter);
}

/* ---- terminals ---- */

static int process_check_terminal(const Process *process, Error *error) {
        if (!process->has_terminal)
                return error_setf(error, ERROR_INVALID_ARGS, "Process %u was started without a terminal",
                                  process->number);
        return 0;
}

int process_open_terminal(Process *process, int *ret_fd, Error *error) {
        int r;

        r = process_check_terminal(process, error);
        if (r < 0)
                return r;
        if (process->terminal_fd < 0)
                return error_setf(error, ERROR_BAD_STATE,
                                  "The terminal of process %u has been opened already", process->number);
        /* First, since a shim that kept it open could not be told by anybody else. */
        if (process->sandbox)
                sandbox_set_terminal_opened(process->sandbox, process->number);
        *ret_fd = fd_steal(&process->terminal_fd);
        return 0;
}

int process_resize(Process *process, uint16_t rows, uint16_t columns, Error *error) {
        struct winsize size = { .ws_row = rows, .ws_col = columns };
        autofd int opened_fd = -EBADF;
        int r;

        r = process_check_terminal(process, error);
        if (r < 0)
                return r;
        if (process->state != PROCESS_RUNNING)
                return error_setf(error, ERROR_BAD_STATE, "Process %u has ended", process->number);
        if (process->terminal_fd < 0) {
                char path[32];

                (void) snprintf(path, sizeof(path), "/proc/self/fd/%d", process->peer_fd);
                opened_fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
                if (opened_fd < 0)
                        return error_set_errnof(error, errno, "Cannot open the terminal of process %u",
                                                process->number);
        }
        if (ioctl(opened_fd >= 0 ? opened_fd : process->terminal_fd, TIOCSWINSZ, &size) < 0)
                return error_set_errnof(error, errno, "Cannot resize the terminal of process %u",
                                        process->number);
        return 0;
}
