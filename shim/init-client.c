/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "shim/init-client.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "util/cleanup.h"
#include "util/limits.h"
#include "util/wire.h"

/* Requests that init has not read yet, beside those in its socket: as many as the service keeps for us. Each
 * may hold three descriptors. */
#define INIT_QUEUE_MAX 256

typedef struct Run {
        uint32_t run, serial;
        char *program;           /* owned; argv[0], for messages */
        char *working_directory; /* owned */
        pid_t pid;               /* host pid, 0 until the child itself has spoken */
        bool is_told;            /* ran() was called with success */
        bool is_killed;          /* SIGKILL was asked for */
} Run;

struct InitClient {
        const InitEvents *events;
        void *userdata;
        int fd; /* owned */
        bool is_ready;
        GHashTable *runs; /* run number -> owned Run, asked for or alive */
        GQueue signals;   /* serials of signals not answered yet, in order */
        GQueue unsent;    /* owned Unsent, in order: what init's socket did not take yet */
};

/* A message that waits until init has read others. */
typedef struct Unsent {
        uint16_t type;
        uint32_t serial;
        WireWriter writer; /* owned */
        int fds[3];        /* owned */
        size_t n_fds;
} Unsent;

static void run_free(void *data) {
        Run *run = data;

        g_free(run->program);
        g_free(run->working_directory);
        g_free(run);
}

static void unsent_free(void *data) {
        Unsent *unsent = data;

        wire_writer_done(&unsent->writer);
        for (size_t i = 0; i < unsent->n_fds; i++)
                (void) fd_close(unsent->fds[i]);
        g_free(unsent);
}

int init_client_new(const InitEvents *events, void *userdata, InitClient **ret, int *ret_init_fd,
                    Error *error) {
        static const int on = 1;
        g_autoptr(InitClient) client = g_new0(InitClient, 1);
        int sockets[2];

        client->events = events;
        client->userdata = userdata;
        client->fd = -EBADF;
        client->runs = g_hash_table_new_full(NULL, NULL, NULL, run_free);
        g_queue_init(&client->signals);
        g_queue_init(&client->unsent);
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) < 0)
                return error_set_errnof(error, errno, "Cannot make a socket pair for init");
        client->fd = sockets[0];
        *ret_init_fd = sockets[1];
        /* init may hang in an exec from a dead file system; that must not hang us. */
        if (setsockopt(client->fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0 ||
            fcntl(client->fd, F_SETFL, O_NONBLOCK) < 0) {
                int r = error_set_errnof(error, errno, "Cannot set up init's socket");

                *ret_init_fd = fd_close(sockets[1]);
                return r;
        }
        *ret = g_steal_pointer(&client);
        return 0;
}

void init_client_free(InitClient *client) {
        if (!client)
                return;
        client->fd = fd_close(client->fd);
        g_clear_pointer(&client->runs, g_hash_table_unref);
        g_queue_clear(&client->signals);
        g_queue_clear_full(&client->unsent, unsent_free);
        g_free(client);
}

int init_client_get_fd(const InitClient *client) {
        return client->fd;
}

/* ---- asking ---- */

int init_client_setup(InitClient *client, const Spec *spec, Error *error) {
        InitSetup setup = { .capabilities = spec->linux_capabilities };
        WireWriter writer = WIRE_WRITER_NULL;
        int r;

        G_STATIC_ASSERT((int) _SPEC_FILTER_MAX == INIT_FILTERS && (int) SPEC_FILTER_APPS == INIT_FILTER_APPS);
        for (size_t i = 0; i < INIT_FILTERS; i++)
                if (spec->filters[i])
                        setup.filters[i].bytes = g_bytes_get_data(spec->filters[i], &setup.filters[i].size);
        init_setup_put(&writer, &setup);
        r = wire_send(client->fd, INIT_SETUP, 0, &writer, NULL, 0);
        wire_writer_done(&writer);
        return r < 0 ? error_set_errnof(error, -r, "Cannot tell init its walls") : 0;
}

/* Keeps the message, with descriptors of our own, until the socket takes it. */
static int send_later(InitClient *client, uint16_t type, uint32_t serial, WireWriter *writer, const int *fds,
                      size_t n_fds, Error *error) {
        Unsent *unsent;

        if (g_queue_get_length(&client->unsent) >= INIT_QUEUE_MAX)
                return error_setf(error, ERROR_LIMIT_REACHED,
                                  "The sandbox's init has %d requests to read, which is the most",
                                  INIT_QUEUE_MAX);
        unsent = g_new0(Unsent, 1);
        unsent->type = type;
        unsent->serial = serial;
        for (size_t i = 0; i < n_fds; i++) {
                unsent->fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 3);
                if (unsent->fds[i] < 0) {
                        int r = error_set_code_errnof(error, ERROR_LIMIT_REACHED, errno,
                                                      "Cannot keep what the program gets");

                        unsent_free(unsent);
                        return r;
                }
                unsent->n_fds++;
        }
        unsent->writer = *writer;
        *writer = WIRE_WRITER_NULL;
        g_queue_push_tail(&client->unsent, unsent);
        return 0;
}

/* Takes what is in @writer. */
static int send_message(InitClient *client, uint16_t type, uint32_t serial, WireWriter *writer,
                        const int *fds, size_t n_fds, Error *error) {
        int r;

        if (client->fd < 0 || !client->is_ready)
                return error_setf(error, ERROR_BAD_STATE, "The sandbox is not running");
        r = g_queue_is_empty(&client->unsent) ? wire_send(client->fd, type, serial, writer, fds, n_fds)
                                              : -EAGAIN;
        if (r == -EAGAIN)
                return send_later(client, type, serial, writer, fds, n_fds, error);
        if (r == -E2BIG)
                return error_setf(error, ERROR_LIMIT_REACHED, "Arguments and environment are too long");
        if (r < 0)
                return error_set_errnof(error, -r, "Cannot speak to the sandbox's init");
        return 0;
}

bool init_client_has_unsent(const InitClient *client) {
        return client->fd >= 0 && !g_queue_is_empty((GQueue *) &client->unsent);
}

void init_client_send_unsent(InitClient *client) {
        while (init_client_has_unsent(client)) {
                Unsent *unsent = g_queue_peek_head(&client->unsent);
                int r = wire_send(client->fd, unsent->type, unsent->serial, &unsent->writer, unsent->fds,
                                  unsent->n_fds);

                if (r == -EAGAIN)
                        return;
                /* Any other failure is init's end, which answers everything. */
                unsent_free(g_queue_pop_head(&client->unsent));
        }
}

int init_client_run(InitClient *client, uint32_t serial, const InitRun *ask, const int *fds, size_t n_fds,
                    Error *error) {
        WireWriter writer = WIRE_WRITER_NULL;
        Run *run;
        int r;

        if (ask->run == 0 || g_hash_table_contains(client->runs, GUINT_TO_POINTER(ask->run)))
                return error_setf(error, ERROR_INVALID_ARGS, "Program number %u is taken", ask->run);
        if (g_hash_table_size(client->runs) >= RUNS_MAX)
                return error_setf(error, ERROR_LIMIT_REACHED,
                                  "The sandbox has %d programs, which is the most", RUNS_MAX);
        g_assert(n_fds <= 3);
        init_run_put(&writer, ask);
        r = send_message(client, INIT_RUN, serial, &writer, fds, n_fds, error);
        wire_writer_done(&writer);
        if (r < 0)
                return r;
        run = g_new0(Run, 1);
        run->run = ask->run;
        run->serial = serial;
        run->program = g_strdup(ask->argv[0]);
        run->working_directory = g_strdup(ask->working_directory ?: "/");
        g_hash_table_insert(client->runs, GUINT_TO_POINTER(run->run), run);
        return 0;
}

/* @number: of a program, or 0 for all. */
static void note_kill(InitClient *client, uint32_t number) {
        GHashTableIter iter;
        void *run;

        g_hash_table_iter_init(&iter, client->runs);
        while (g_hash_table_iter_next(&iter, NULL, &run))
                if (number == 0 || ((Run *) run)->run == number)
                        ((Run *) run)->is_killed = true;
}

int init_client_signal(InitClient *client, uint32_t serial, uint32_t run, int number, Error *error) {
        WireWriter writer = WIRE_WRITER_NULL;
        int r;

        wire_put_u32(&writer, run);
        wire_put_i32(&writer, number);
        r = send_message(client, INIT_SIGNAL, serial, &writer, NULL, 0, error);
        wire_writer_done(&writer);
        if (r < 0)
                return r;
        g_queue_push_tail(&client->signals, GUINT_TO_POINTER(serial));
        if (number == SIGKILL)
                note_kill(client, run);
        return 0;
}

int init_client_halt(InitClient *client, int number, Error *error) {
        WireWriter writer = WIRE_WRITER_NULL;
        int r;

        wire_put_i32(&writer, number);
        r = send_message(client, INIT_HALT, 0, &writer, NULL, 0, error);
        wire_writer_done(&writer);
        if (r >= 0 && number == SIGKILL)
                note_kill(client, 0);
        return r;
}

/* ---- answers ---- */

static int run_failure(const Run *run, int errnum, uint32_t step, Error *error) {
        switch (step) {
        case INIT_STEP_FORK:
                if (errnum == ESHUTDOWN)
                        return error_setf(error, ERROR_BAD_STATE, "Cannot run '%s': the sandbox is stopping",
                                          run->program);
                return error_set_code_errnof(
                        error, errnum == EAGAIN || errnum == ENOMEM ? ERROR_LIMIT_REACHED : ERROR_SYSTEM,
                        errnum, "Cannot run '%s', no further process can be made", run->program);
        case INIT_STEP_RLIMIT:
                return error_set_code_errnof(error, ERROR_INVALID_ARGS, errnum,
                                             "Cannot set the resource limits of '%s'", run->program);
        case INIT_STEP_CREDENTIALS:
                return error_set_code_errnof(error, ERROR_INVALID_ARGS, errnum,
                                             "Cannot set the user or groups of '%s'", run->program);
        case INIT_STEP_CHDIR:
                return error_set_code_errnof(error, ERROR_INVALID_ARGS, errnum,
                                             "Cannot start '%s' in folder '%s'", run->program,
                                             run->working_directory);
        case INIT_STEP_FILTER:
                return error_set_errnof(error, errnum, "Cannot put '%s' under its filter of system calls",
                                        run->program);
        case INIT_STEP_EXEC:
                return error_set_code_errnof(error, ERROR_EXEC_FAILED, errnum, "Cannot execute '%s'",
                                             run->program);
        default:
                return error_set_errnof(error, errnum, "Cannot prepare '%s'", run->program);
        }
}

static ShimExited exited_from_raw(uint32_t run, int32_t raw) {
        ShimExited exited = { .run = run, .raw_status = raw };

        if (WIFEXITED(raw)) {
                exited.reason = SHIM_EXIT_EXITED;
                exited.status = WEXITSTATUS(raw);
        } else {
                exited.reason = WCOREDUMP(raw) ? SHIM_EXIT_DUMPED : SHIM_EXIT_KILLED;
                exited.status = WTERMSIG(raw);
        }
        return exited;
}

/* A shell ends like this when its last program was killed. */
#define STATUS_CHILD_KILLED (128 + SIGKILL)

static bool was_oom(const InitClient *client, const Run *run, const ShimExited *exited) {
        bool is_kill = exited->reason == SHIM_EXIT_KILLED && exited->status == SIGKILL;
        bool is_childs = exited->reason == SHIM_EXIT_EXITED && exited->status == STATUS_CHILD_KILLED;

        return (is_kill || is_childs) && !run->is_killed && client->events->was_oom &&
               client->events->was_oom(client->userdata);
}

static Run *find_run(InitClient *client, uint32_t run) {
        return g_hash_table_lookup(client->runs, GUINT_TO_POINTER(run));
}

static int nonsense(Error *error, const char *what) {
        return error_setf(error, ERROR_SYSTEM, "The sandbox's init says nonsense (%s)", what);
}

static int on_starting(InitClient *client, const WireMessage *message, WireReader *reader, Error *error) {
        Run *run = find_run(client, wire_get_u32(reader));

        if (reader->failed || !run || run->pid != 0 || message->pid <= 0)
                return nonsense(error, "a program starts that nobody asked for");
        run->pid = message->pid;
        return 1;
}

static int on_ran(InitClient *client, WireReader *reader, Error *error) {
        Run *run = find_run(client, wire_get_u32(reader));
        int32_t errnum = wire_get_i32(reader);
        uint32_t step = wire_get_u32(reader);
        g_auto(Error) failure = ERROR_NULL;

        if (reader->failed || !run || run->is_told || errnum < 0 || errnum > 4095)
                return nonsense(error, "an answer to nothing");
        if (errnum == 0) {
                if (run->pid == 0)
                        return nonsense(error, "a program without a process");
                run->is_told = true;
                client->events->ran(client->userdata, run->serial, run->run, run->pid, NULL);
                return 1;
        }
        (void) run_failure(run, errnum, step, &failure);
        client->events->ran(client->userdata, run->serial, run->run, 0, &failure);
        g_hash_table_remove(client->runs, GUINT_TO_POINTER(run->run));
        return 1;
}

static int on_exited(InitClient *client, WireReader *reader, Error *error) {
        uint32_t number = wire_get_u32(reader);
        int32_t raw = wire_get_i32(reader);
        Run *run = find_run(client, number);
        ShimExited exited;

        if (reader->failed || !run || !run->is_told || (!WIFEXITED(raw) && !WIFSIGNALED(raw)))
                return nonsense(error, "an end of nothing");
        exited = exited_from_raw(number, raw);
        if (was_oom(client, run, &exited))
                exited.reason = SHIM_EXIT_OOM_KILL;
        g_hash_table_remove(client->runs, GUINT_TO_POINTER(number));
        client->events->exited(client->userdata, &exited);
        return 1;
}

static int on_signalled(InitClient *client, const WireMessage *message, WireReader *reader, Error *error) {
        int32_t errnum = wire_get_i32(reader);
        uint32_t serial = message->header.serial;
        g_auto(Error) failure = ERROR_NULL;

        if (reader->failed || errnum < 0 || errnum > 4095 || g_queue_is_empty(&client->signals) ||
            GPOINTER_TO_UINT(g_queue_peek_head(&client->signals)) != serial)
                return nonsense(error, "a signal that nobody sent");
        (void) g_queue_pop_head(&client->signals);
        if (errnum == ESRCH)
                (void) error_setf(&failure, ERROR_BAD_STATE, "The program has ended");
        else if (errnum > 0)
                (void) error_set_code_errnof(&failure, errnum == EINVAL ? ERROR_INVALID_ARGS : ERROR_SYSTEM,
                                             errnum, "Cannot send the signal");
        client->events->signalled(client->userdata, serial, errnum > 0 ? &failure : NULL);
        return 1;
}

static int on_ready(InitClient *client, const WireMessage *message, Error *error) {
        if (client->is_ready || message->pid <= 0)
                return nonsense(error, "ready twice");
        client->is_ready = true;
        client->events->ready(client->userdata, message->pid);
        return 1;
}

static int dispatch_message(InitClient *client, const WireMessage *message, Error *error) {
        WireReader reader = wire_reader(message);

        if (message->n_fds > 0)
                return nonsense(error, "descriptors");
        if (!client->is_ready && message->header.type != INIT_READY)
                return nonsense(error, "something before it is ready");
        switch (message->header.type) {
        case INIT_READY:
                return on_ready(client, message, error);
        case INIT_STARTING:
                return on_starting(client, message, &reader, error);
        case INIT_RAN:
                return on_ran(client, &reader, error);
        case INIT_EXITED:
                return on_exited(client, &reader, error);
        case INIT_SIGNALLED:
                return on_signalled(client, message, &reader, error);
        default:
                return nonsense(error, "an unknown word");
        }
}

int init_client_dispatch(InitClient *client, Error *error) {
        WireMessage message = WIRE_MESSAGE_NULL;
        int r;

        if (client->fd < 0)
                return 0;
        r = wire_receive(client->fd, &message);
        if (r == 0) {
                client->fd = fd_close(client->fd);
                return 0;
        }
        if (r < 0)
                return error_set_errnof(error, -r, "Cannot hear the sandbox's init");
        r = dispatch_message(client, &message, error);
        wire_message_done(&message);
        return r;
}

/* ---- the end ---- */

static int compare_runs(const void *a, const void *b) {
        const Run *const *left = a, *const *right = b;

        return (*left)->run < (*right)->run ? -1 : (*left)->run > (*right)->run;
}

/* What init wrote before it died is still there to read. */
static void take_last_words(InitClient *client) {
        for (;;) {
                WireMessage message = WIRE_MESSAGE_NULL;
                struct pollfd polled = { .fd = client->fd, .events = POLLIN };
                int r;

                if (client->fd < 0 || poll(&polled, 1, 0) <= 0 || wire_receive(client->fd, &message) <= 0)
                        return;
                r = dispatch_message(client, &message, NULL);
                wire_message_done(&message);
                if (r < 0)
                        return;
        }
}

void init_client_close(InitClient *client) {
        g_autofree Run **ordered = NULL;
        g_auto(Error) ended = ERROR_NULL;
        guint n = 0;

        take_last_words(client);
        client->fd = fd_close(client->fd);
        (void) error_setf(&ended, ERROR_BAD_STATE, "The sandbox has ended");
        ordered = (Run **) g_hash_table_get_keys_as_array(client->runs, &n);
        for (guint i = 0; i < n; i++)
                ordered[i] = g_hash_table_lookup(client->runs, ordered[i]);
        qsort(ordered, n, sizeof(*ordered), compare_runs);
        for (guint i = 0; i < n; i++) {
                ShimExited lost = { .run = ordered[i]->run, .reason = SHIM_EXIT_LOST };

                if (ordered[i]->is_told)
                        client->events->exited(client->userdata, &lost);
                else
                        client->events->ran(client->userdata, ordered[i]->serial, ordered[i]->run, 0, &ended);
        }
        g_hash_table_remove_all(client->runs);
        g_queue_clear_full(&client->unsent, unsent_free);
        while (!g_queue_is_empty(&client->signals))
                client->events->signalled(client->userdata,
                                          GPOINTER_TO_UINT(g_queue_pop_head(&client->signals)), &ended);
}
