/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Driver: a real bulkhead-shim, spoken to as the service does (plan/shim-message.h)
 *
 * What a test leaves behind when it fails is swept at the latest when its program ends, by the cgroup's own
 * name.
 */
#include <stdbool.h>
#include <sys/types.h>

#include "plan/plan.h"
#include "plan/shim-message.h"
#include "plan/spec.h"
#include "tests/fixture/test-slow.h"

/* More than anything here takes on a machine that is busy. */
#define DRIVER_PATIENCE_USEC (test_slowness() * 20 * G_USEC_PER_SEC)

typedef struct Driver {
        pid_t pid;       /* of the shim, our child; 0 once it is reaped */
        int fd;          /* owned; the service's end; -EBADF when closed */
        int exit_status; /* raw, once reaped */
        char *cgroup;    /* owned; "bulkhead-t<pid>/<n>" */
        char *runtime;   /* owned */
        uint32_t serial; /* the last one used */
        uint32_t run;    /* likewise */
        GQueue kept;     /* owned WireMessage *, received while another was awaited */
} Driver;

Driver *driver_new(void);
void driver_free(Driver *driver);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Driver, driver_free)

/* A spec that starts: the host's /usr, a small upper, short times. */
Spec *driver_spec(void);
/* As a file of filters says (capabilities/filter.h), "" for the default; NULL = no filter. */
void driver_set_filter(Spec *spec, const char *text);

/* ---- one message ---- */

/* Returns the serial. Fails the test if it cannot be sent. */
uint32_t driver_send(Driver *driver, uint16_t type, const WireWriter *writer, const int *fds, size_t n_fds);
/* The next message of this type and serial (0 = an event), others are kept for later. False when the shim has
 * closed its end or @timeout_usec is over. */
bool driver_await(Driver *driver, uint16_t type, uint32_t serial, uint64_t timeout_usec, WireMessage *ret);
void driver_message_free(WireMessage *message);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WireMessage, driver_message_free)

/* ---- requests; negative = the error that the shim answered ---- */

int driver_await_done(Driver *driver, uint32_t serial, Error *error);
int driver_start(Driver *driver, const Spec *spec, Error *error);
int driver_apply(Driver *driver, const Plan *plan, Error *error);
int driver_stop(Driver *driver, uint64_t timeout_usec, Error *error);
int driver_ask(Driver *driver, uint16_t type, Error *error); /* a request without a body */
int driver_signal(Driver *driver, uint32_t run, int number, Error *error);

/* Its number in *ret_run; output goes to @output_fd (-1 = /dev/null). */
int driver_run(Driver *driver, const char *const *argv, int output_fd, uint32_t *ret_run, pid_t *ret_pid,
               Error *error);
/* The end of that program. */
void driver_await_exit(Driver *driver, uint32_t run, ShimExited *ret);
/* Runs a line of shell inside to its end; the exit status, and what it printed, for free(). */
int driver_shell(Driver *driver, const char *line, char **ret_output);

/* Waits for the shim's own end and takes it; then nothing of the sandbox may be left. */
void driver_assert_gone(Driver *driver);
/* As above, after a stop that is answered well. */
void driver_assert_stops(Driver *driver);
