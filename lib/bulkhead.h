/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef BULKHEAD_H
#define BULKHEAD_H

/*
 * libbulkhead: sandboxes for programs written in C
 *
 * A Bulkhead is one connection to the sandbox service. On it, programs are launched in sandboxes, and what
 * becomes of them is told as events. Everything here is for one thread at a time.
 *
 * Functions return 0 or a positive number that their comment explains, or a negative errno; then @error, if
 * it is not NULL, has a name to branch on and a sentence for people. Strings that are given back are the
 * caller's, for free(3). Calls wait for the service's answer, 25 s at most unless their comment says
 * otherwise; events that come meanwhile are kept for bulkhead_dispatch().
 *
 * Where a function takes a sandbox, it takes the path that bulkhead_create() and bulkhead_launch() give, or
 * its name, which costs one more round trip.
 *
 * Fields and values may be added at the end of what this header declares, unless it says "for good". Symbols
 * keep their meaning; new ones get a new version node.
 */
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- errors ---- */

/*
 * Names are those of the service's errors without their prefix ("NoSuchSandbox", "UnknownCapability",
 * "ExecFailed", see org.bulkhead.Bulkhead1(5)), "InvalidArgs" and "AccessDenied", and these, which the
 * library adds:
 */
#define BULKHEAD_ERROR_NO_BUS     "NoBus"     /* there is no bus at that address, or the connection is lost */
#define BULKHEAD_ERROR_NO_SERVICE "NoService" /* nobody on the bus has the service's name */
#define BULKHEAD_ERROR_NO_ANSWER  "NoAnswer"  /* the service did not answer in time, or left meanwhile */
#define BULKHEAD_ERROR_GONE       "Gone"      /* the sandbox or program was there and is there no more */
#define BULKHEAD_ERROR_UNKNOWN    "Unknown"   /* the service that runs does not have this member */
#define BULKHEAD_ERROR_FAILED     "Failed"    /* anything else */

/* Caller's storage, for good: BulkheadError error = { 0 }; filled by a function that fails, at most once
 * before bulkhead_error_done(). */
typedef struct BulkheadError {
        char *name;    /* owned */
        char *message; /* owned; one sentence without a full stop */
} BulkheadError;

void bulkhead_error_done(BulkheadError *error);
/* 1 if @error is set and its name is @name, else 0. */
int bulkhead_error_is(const BulkheadError *error, const char *name);

/* ---- connection ---- */

typedef struct Bulkhead Bulkhead;

/* Connects to "system" (NULL: the same), "session" or a D-Bus address. That the service runs is not asked. */
int bulkhead_open(const char *bus, Bulkhead **ret, BulkheadError *error);
/* Sends what is still to be sent, and closes. The service stops sandboxes of BULKHEAD_BIND_TO_CALLER now. */
void bulkhead_close(Bulkhead *bulkhead);

/* ---- what to make and to run ---- */

typedef struct BulkheadRequest BulkheadRequest;

/* Flags of a request. */
#define BULKHEAD_KEEP           (1u << 0) /* bulkhead_launch(): the sandbox stays when the program ends */
#define BULKHEAD_BIND_TO_CALLER (1u << 1) /* the sandbox is stopped when this connection ends */
#define BULKHEAD_TERMINAL       (1u << 2) /* the program gets a terminal, see bulkhead_open_terminal() */

/* Flags of a mount. */
#define BULKHEAD_MOUNT_WRITABLE  (1u << 0)
#define BULKHEAD_MOUNT_OPTIONAL  (1u << 1) /* no error if the source is not there */
#define BULKHEAD_MOUNT_RECURSIVE (1u << 2) /* with what is mounted below the source */

/* Nothing is set in a new one; it may be used for several calls. Setters copy. */
BulkheadRequest *bulkhead_request_new(void);
void bulkhead_request_free(BulkheadRequest *request);
void bulkhead_request_set_flags(BulkheadRequest *request, unsigned flags);

/* Of the sandbox. Without a name the service makes one up. -EINVAL for a label or mount without a name or
 * target. */
void bulkhead_request_set_name(BulkheadRequest *request, const char *name);
void bulkhead_request_set_template(BulkheadRequest *request, const char *name);
void bulkhead_request_set_hostname(BulkheadRequest *request, const char *hostname);
void bulkhead_request_add_capability(BulkheadRequest *request, const char *capability);
int bulkhead_request_add_label(BulkheadRequest *request, const char *name, const char *value);
int bulkhead_request_add_mount(BulkheadRequest *request, const char *source, const char *target,
                               unsigned flags);

/* Of the program; the variables are the sandbox's, for all its programs, in bulkhead_create(). A variable
 * that is set again has the new value; -EINVAL if @name is empty or has a '=' in it. */
int bulkhead_request_set_variable(BulkheadRequest *request, const char *name, const char *value);
void bulkhead_request_set_working_directory(BulkheadRequest *request, const char *path);
void bulkhead_request_set_user(BulkheadRequest *request, const char *user);
/* Of the terminal of BULKHEAD_TERMINAL, before the program starts; 0 = not known. Not used without it. */
void bulkhead_request_set_terminal_size(BulkheadRequest *request, uint16_t rows, uint16_t columns);
/* Standard input, output or error (@number 0 to 2); else /dev/null. @fd stays the caller's and open until the
 * call is made; -1 unsets. -EINVAL for other numbers. */
int bulkhead_request_set_fd(BulkheadRequest *request, int number, int fd);

/* ---- sandboxes and programs ---- */

/* Each ret_ may be NULL. @argv ends with NULL and goes to execve(2) as it is; it may be NULL or empty where
 * the template has a command. @request may be NULL. */
int bulkhead_create(Bulkhead *bulkhead, const BulkheadRequest *request, char **ret_sandbox,
                    BulkheadError *error);
int bulkhead_launch(Bulkhead *bulkhead, const BulkheadRequest *request, const char *const *argv,
                    char **ret_sandbox, char **ret_process, uint32_t *ret_pid, BulkheadError *error);
/* In a sandbox that is there. The program's end is told to this connection, whoever made the sandbox. */
int bulkhead_run(Bulkhead *bulkhead, const char *sandbox, const BulkheadRequest *request,
                 const char *const *argv, char **ret_process, uint32_t *ret_pid, BulkheadError *error);

/* All or nothing. @capabilities ends with NULL. */
int bulkhead_grant(Bulkhead *bulkhead, const char *sandbox, const char *const *capabilities,
                   BulkheadError *error);
int bulkhead_revoke(Bulkhead *bulkhead, const char *sandbox, const char *const *capabilities,
                    BulkheadError *error);

/* @source is a path on the host; or a descriptor of what the caller can open itself, which stays the
 * caller's. */
int bulkhead_mount(Bulkhead *bulkhead, const char *sandbox, const char *source, const char *target,
                   unsigned flags, BulkheadError *error);
int bulkhead_mount_fd(Bulkhead *bulkhead, const char *sandbox, int source, const char *target, unsigned flags,
                      BulkheadError *error);
int bulkhead_unmount(Bulkhead *bulkhead, const char *sandbox, const char *target, BulkheadError *error);

int bulkhead_freeze(Bulkhead *bulkhead, const char *sandbox, BulkheadError *error);
int bulkhead_thaw(Bulkhead *bulkhead, const char *sandbox, BulkheadError *error);
/* Writes what was written in the sandbox to @file, which is open for writing and stays the caller's, as a squashfs
 * image: a layer for other sandboxes. Returns when it is whole. */
int bulkhead_snapshot(Bulkhead *bulkhead, const char *sandbox, int file, BulkheadError *error);
/* A signal to every program of a sandbox, and to one program. */
int bulkhead_kill(Bulkhead *bulkhead, const char *sandbox, int signal_number, BulkheadError *error);
int bulkhead_kill_process(Bulkhead *bulkhead, const char *process, int signal_number, BulkheadError *error);
/* Returns when nothing of the sandbox is left, however long that takes. Its programs have @timeout_usec after
 * the halt signal; 0 = the template's timeout. */
int bulkhead_stop(Bulkhead *bulkhead, const char *sandbox, uint64_t timeout_usec, BulkheadError *error);

/* Waits for the end of a program, for ever if @timeout_usec is 0. *ret_reason is "exited", "killed",
 * "dumped", "oom-kill" or "lost"; *ret_status the exit status or the signal's number. One that has ended can
 * be asked for 10 s longer. */
int bulkhead_wait(Bulkhead *bulkhead, const char *process, uint64_t timeout_usec, char **ret_reason,
                  int *ret_status, BulkheadError *error);

/* The other end of the terminal of a program of BULKHEAD_TERMINAL, close-on-exec and non-blocking, as
 * *ret_fd: read(2) gives EIO when nobody inside has the terminal any more and everything was read. And its
 * size. */
int bulkhead_open_terminal(Bulkhead *bulkhead, const char *process, int *ret_fd, BulkheadError *error);
int bulkhead_resize(Bulkhead *bulkhead, const char *process, uint16_t rows, uint16_t columns,
                    BulkheadError *error);

typedef struct BulkheadSandbox {
        char *path, *name;
        char *state; /* "creating", "ready", "frozen", "stopping", "failed" */
} BulkheadSandbox;

/* The sandboxes that the caller may see; ends with NULL. For bulkhead_sandboxes_free(). */
int bulkhead_list(Bulkhead *bulkhead, BulkheadSandbox ***ret, BulkheadError *error);
void bulkhead_sandboxes_free(BulkheadSandbox **sandboxes);

/* ---- events ---- */

typedef enum BulkheadEventType {
        BULKHEAD_EVENT_CREATED = 1,      /* a sandbox is there; not told to who made it */
        BULKHEAD_EVENT_STATE = 2,        /* state, state_reason */
        BULKHEAD_EVENT_CAPABILITIES = 3, /* capabilities: those in force now */
        BULKHEAD_EVENT_STARTED = 4,      /* process, pid, argv: not told to who made the sandbox */
        BULKHEAD_EVENT_EXITED = 5,       /* process, pid, reason, status as for bulkhead_wait() */
        BULKHEAD_EVENT_DENIED = 6,       /* gateway, target, detail, count; protocol and the fields after it where
                                          * the gateway has them */
        BULKHEAD_EVENT_GONE = 7,         /* nothing of the sandbox is left */
        BULKHEAD_EVENT_SERVICE_LOST = 8, /* the service left the bus; it may come back */
        BULKHEAD_EVENT_SERVICE_BACK = 9, /* another one has come; subscriptions have been renewed */
        BULKHEAD_EVENT_DISCONNECTED = 10, /* no more will come on this connection */
        BULKHEAD_EVENT_PENDING = 11,      /* pending: what is granted and not in force yet */
        BULKHEAD_EVENT_ADDRESSES = 12     /* addresses of the sandbox, IPv4 and IPv6 */
} BulkheadEventType;

/* Everything in it is the library's, until the callback returns; what the type does not have is NULL or 0. */
typedef struct BulkheadEvent {
        BulkheadEventType type;
        const char *sandbox; /* path */
        const char *name;    /* of the sandbox */
        const char *state, *state_reason;
        const char *const *capabilities; /* ends with NULL */
        const char *process;             /* path */
        uint32_t pid;
        const char *const *argv; /* ends with NULL */
        const char *reason;
        int status;
        const char *gateway, *target, *detail;
        uint32_t count; /* refusals of this kind since the event before, this one included */
        const char *protocol;
        uint16_t port;
        const char *interface, *member, *object_path;
        const char *const *pending, *const *addresses; /* end with NULL */
} BulkheadEvent;

typedef void (*BulkheadCallback)(const BulkheadEvent *event, void *userdata);

/* Who is told; NULL = nobody. A callback may make calls; it may not dispatch, and not close the connection.
 */
void bulkhead_set_callback(Bulkhead *bulkhead, BulkheadCallback callback, void *userdata);
/* Events of all sandboxes that the caller may see, not only of those that this connection made. */
int bulkhead_subscribe(Bulkhead *bulkhead, BulkheadError *error);

/* For an event loop: a descriptor for poll(2), what to wait for, and when to dispatch at the latest
 * (CLOCK_MONOTONIC in microseconds, UINT64_MAX = never, 0 = now). The last two change with every call on the
 * connection. */
int bulkhead_get_fd(Bulkhead *bulkhead);
int bulkhead_get_poll_events(Bulkhead *bulkhead);
uint64_t bulkhead_get_deadline(Bulkhead *bulkhead);
/* Tells what has come; never waits. Negative if the connection is lost, after BULKHEAD_EVENT_DISCONNECTED. */
int bulkhead_dispatch(Bulkhead *bulkhead);
/* For a program without a loop: waits at most @timeout_usec (UINT64_MAX = for ever) and dispatches. */
int bulkhead_wait_events(Bulkhead *bulkhead, uint64_t timeout_usec);

#ifdef __cplusplus
}
#endif
#endif
