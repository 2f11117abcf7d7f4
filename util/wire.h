/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Messages between service, shim and init
 *
 * One message is one packet on a SOCK_SEQPACKET socket: a fixed header, a body, and up to WIRE_FDS_MAX
 * descriptors. A body above WIRE_BODY_INLINE_MAX travels in a memfd sealed against every change, sent as the
 * first descriptor. Bodies are written with WireWriter and read with WireReader: numbers in host byte order
 * (both ends are on one machine), strings and blocks with their length in front. Every read is checked against
 * the end of the body; a reader that was asked for more than there is fails for good and gives zeros.
 * Versions: a newer writer may append fields at the end of a body; an older reader leaves them unread.
 *
 * Nothing here needs GLib, since init is static and links nothing but libc.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define WIRE_MAGIC   0x31484c42u /* "BLH1" */
#define WIRE_VERSION 1u

typedef struct WireHeader {
        uint32_t magic;
        uint16_t version; /* of the writer */
        uint16_t type;    /* ShimMessageType or InitMessageType */
        uint32_t serial;  /* chosen by who asks, repeated in the answer; 0 = nobody waits */
        uint32_t size;    /* of the body */
        uint16_t n_fds;   /* without the memfd of a large body */
        uint16_t in_memfd;
        uint32_t reserved;
} WireHeader;

typedef struct WireWriter {
        uint8_t *bytes; /* owned */
        size_t size, allocated;
        int error; /* negative errno of the first failure, or 0 */
} WireWriter;

typedef struct WireReader {
        const uint8_t *bytes; /* not owned */
        size_t size, at;
        bool failed;
} WireReader;

typedef struct WireMessage {
        WireHeader header;
        uint8_t *body; /* owned; header.size bytes, NULL if empty */
        int *fds;      /* owned, and so is each descriptor that is not -EBADF; all close-on-exec */
        size_t n_fds;
        pid_t pid; /* the sender's, as the kernel tells it in our pid namespace; 0 without SO_PASSCRED */
        uid_t uid;
} WireMessage;

#define WIRE_WRITER_NULL  ((WireWriter){ 0 })
#define WIRE_MESSAGE_NULL ((WireMessage){ 0 })

/* Writing. Errors are remembered and come out of wire_send(). */
void wire_put_u8(WireWriter *writer, uint8_t value);
void wire_put_u32(WireWriter *writer, uint32_t value);
void wire_put_u64(WireWriter *writer, uint64_t value);
void wire_put_i32(WireWriter *writer, int32_t value);
void wire_put_string(WireWriter *writer, const char *string);        /* NULL is told from "" */
void wire_put_strings(WireWriter *writer, char *const *strings);     /* NULL-terminated; NULL = empty list */
void wire_put_bytes(WireWriter *writer, const void *bytes, size_t size);
void wire_writer_done(WireWriter *writer);

/* Reading. Strings are returned as pointers into the body, NUL-terminated there and without NUL inside;
 * a body that has them otherwise fails. */
uint8_t wire_get_u8(WireReader *reader);
uint32_t wire_get_u32(WireReader *reader);
uint64_t wire_get_u64(WireReader *reader);
int32_t wire_get_i32(WireReader *reader);
const char *wire_get_string(WireReader *reader); /* NULL when NULL was written or after a failure */
/* A NULL-terminated array of pointers into the body, at most @max of them; free() it. NULL after a failure. */
const char **wire_get_strings(WireReader *reader, size_t max);
const void *wire_get_bytes(WireReader *reader, size_t *ret_size);
static inline WireReader wire_reader(const WireMessage *message) {
        return (WireReader){ .bytes = message->body, .size = message->header.size };
}

/*
 * Sends one message; never blocks on a non-blocking socket (-EAGAIN), never raises SIGPIPE (-EPIPE).
 * @writer may be NULL for an empty body. Descriptors stay the caller's. Returns 0 or a negative errno:
 * what the writer met, -E2BIG above WIRE_BODY_MAX or WIRE_FDS_MAX, or of sendmsg(2).
 */
int wire_send(int socket_fd, uint16_t type, uint32_t serial, const WireWriter *writer, const int *fds,
              size_t n_fds);

/*
 * Receives one message. Returns 1 with *ret filled (wire_message_done() it), 0 at the end of the stream, or a
 * negative errno: -EAGAIN on a non-blocking socket with nothing there, -EBADMSG for anything that is not a
 * whole message of a known form (a wrong magic, a length that does not fit, a memfd without its seals); then
 * everything that came with it is closed.
 */
int wire_receive(int socket_fd, WireMessage *ret);
void wire_message_done(WireMessage *message);
int wire_message_steal_fd(WireMessage *message, size_t i); /* -EBADF when there is none */

/*
 * Shim and init
 *
 * init's socket is its only descriptor; the shim's end has SO_PASSCRED. Both think the worst of what init
 * says: the shim believes numbers of programs only if it gave them out itself, and pids only from the kernel.
 */
typedef enum InitMessageType {
        INIT_READY = 1,     /* init -> shim: process 1 stands, ask me */
        INIT_RUN = 2,       /* shim -> init: InitRun; descriptors 0, 1, 2 of the program */
        INIT_STARTING = 3,  /* program -> shim, before exec: u32 run; its host pid is the sender's, by the kernel */
        INIT_RAN = 4,       /* init -> shim: u32 run, i32 errno of what failed or 0, u32 InitStep that failed */
        INIT_EXITED = 5,    /* init -> shim: u32 run, i32 raw wait status */
        INIT_SIGNAL = 6,    /* shim -> init: u32 run (0 = every process but init), i32 signal */
        INIT_SIGNALLED = 7, /* init -> shim: serial of INIT_SIGNAL; i32 errno or 0 */
        INIT_HALT = 8,      /* shim -> init: i32 signal: send it to all, exit when the last process is gone */
        INIT_SETUP = 9,     /* shim -> init, once, before all else: InitSetup. READY when it is in force */
} InitMessageType;

/* What init was doing for a program when it failed. */
typedef enum InitStep {
        INIT_STEP_NONE,
        INIT_STEP_FORK,
        INIT_STEP_SESSION,
        INIT_STEP_RLIMIT,
        INIT_STEP_CREDENTIALS,
        INIT_STEP_CHDIR,
        INIT_STEP_FILTER,
        INIT_STEP_EXEC,
        _INIT_STEP_MAX,
} InitStep;

/* init's exit status when it gives up, for who explains why a sandbox did not start. */
typedef enum InitExit {
        INIT_EXIT_CGROUPS = 10, /* could not join the payload's cgroups */
        INIT_EXIT_SOCKET,       /* has no socket, or nobody listens */
        INIT_EXIT_SIGNALS,
        INIT_EXIT_PRIVILEGES, /* could not drop them */
        INIT_EXIT_SERVING,    /* the shim said what init does not understand */
        INIT_EXIT_NAMESPACES, /* could not make its namespaces and keyring */
        INIT_EXIT_SETUP,      /* was not told its walls */
        INIT_EXIT_FILTERS,    /* could not load its filters */
} InitExit;

/* Where init finds what it inherits; its numbers are fixed since liblxc clears the environment of process 1.
 * Descriptors of cgroup files that init writes "0" to follow from INIT_FD_CGROUPS on. */
#define INIT_FD_SOCKET  100
#define INIT_FD_BINARY  101
#define INIT_FD_CGROUPS 110
#define INIT_CGROUPS_MAX 32

/* init's own uid and gid inside: one that no app can have, so that no app can signal or trace it. */
#define INIT_UID 65535

/* Programs of seccomp(2), struct sock_filter each; size 0 = none. init loads all but the last before it is ready, so
 * that programs inherit them; the last is loaded for a program just before exec. */
#define INIT_FILTERS 3
#define INIT_FILTER_APPS (INIT_FILTERS - 1)

typedef struct InitFilter {
        const void *bytes; /* not owned */
        size_t size;
} InitFilter;

typedef struct InitSetup {
        uint64_t capabilities; /* bit n = capability n of capabilities(7), which programs have, as ambient ones */
        InitFilter filters[INIT_FILTERS];
} InitSetup;

void init_setup_put(WireWriter *writer, const InitSetup *setup);
/* Returns 0 or -EBADMSG. The filters point into the reader's body. */
int init_setup_get(WireReader *reader, InitSetup *ret);

typedef struct InitRlimit {
        uint32_t resource; /* RLIMIT_... */
        uint64_t soft, hard;
} InitRlimit;

typedef struct InitRun {
        uint32_t run; /* the shim's number for this program */
        const char **argv;
        const char **environment;
        const char *working_directory; /* NULL = "/" */
        uint32_t uid, gid;
        uint32_t *groups;
        uint32_t n_groups;
        InitRlimit *rlimits;
        uint32_t n_rlimits;
        uint32_t n_fds;   /* how many of 0, 1, 2, ... come along */
        uint8_t terminal; /* descriptor 0 becomes the controlling terminal of its session */
} InitRun;

void init_run_put(WireWriter *writer, const InitRun *run);
/* Returns 0 or -EBADMSG. The strings point into the reader's body; free the arrays with init_run_done(). */
int init_run_get(WireReader *reader, InitRun *ret);
void init_run_done(InitRun *run);
