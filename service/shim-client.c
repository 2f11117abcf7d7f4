/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "service/shim-client.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/fs.h"
#include "util/limits.h"
#include "util/log.h"

#define SHIM_FD            3                    /* where a shim finds its socket */
#define STOP_GRACE_USEC    (5 * 1000 * 1000ULL) /* what a stop may take beyond its own timeout */
#define START_GRACE_USEC   (2 * 1000 * 1000ULL) /* the same for a start */
#define END_GRACE_USEC     (5 * 1000 * 1000ULL) /* from GONE or the closed socket to the shim's own exit */
#define CLEAN_RETRY_USEC   (10 * 1000ULL)       /* processes of the box are dying */
#define CLEAN_SLOW_USEC    (1000 * 1000ULL)     /* something does not die; told once */
#define CLEAN_TRIES_FAST   200
#define BOX_PROCS_SIZE_MAX (64 * 1024) /* a handful of numbers */
#define RECEIVE_BATCH      32          /* messages of one shim before others have their turn */
#define NAMESPACES_MAX     16          /* kinds there are; Linux has 8 */

typedef struct Request {
        ShimClient *client; /* not owned */
        uint32_t serial;
        uint16_t type;
        sd_event_source *timeout; /* owned; comes at once for a request that failed already */
        Error failure;            /* owned; what the timeout answers, if set */
        ShimDone done;            /* one of these three */
        ShimRan ran;
        ShimNamespaces namespaces;
        void *userdata;
} Request;

/* A message that the socket had no room for. */
typedef struct Outgoing {
        uint16_t type;
        uint32_t serial;
        WireWriter writer; /* owned */
        int fds[3];        /* owned */
        size_t n_fds;
} Outgoing;

struct ShimClient {
        const ShimHost *host; /* not owned */
        uint32_t id_base;     /* of the range taken from its pool; 0 = none yet */
        uint32_t number;
        char *name;   /* owned; the number as text: folder and cgroup */
        char *cgroup; /* owned */
        pid_t pid;
        int socket_fd;               /* owned */
        sd_event_source *io, *child; /* owned */
        sd_event_source *deadline;   /* owned; the shim is killed then; NULL = none */
        sd_event_source *cleaning;   /* owned; NULL while the shim lives */
        unsigned n_cleanings;
        GHashTable *requests; /* owned; serial -> owned Request */
        GQueue outgoing;      /* of owned Outgoing */
        uint32_t last_serial;
        bool stopping; /* its end is no accident */
        bool is_gone;  /* gone() was called */
        const ShimClientEvents *events;
        void *userdata;
};

static void outgoing_free(Outgoing *outgoing) {
        for (size_t i = 0; i < outgoing->n_fds; i++)
                (void) fd_close(outgoing->fds[i]);
        wire_writer_done(&outgoing->writer);
        g_free(outgoing);
}

static void request_free(Request *request) {
        sd_event_source_disable_unref(request->timeout);
        error_done(&request->failure);
        g_free(request);
}

/* What a shim says to a request. */
typedef struct Answer {
        pid_t pid;
        int terminal_fd; /* owned */
        const char **names;
        const int *fds;
        size_t n_fds;
} Answer;

#define ANSWER_NULL ((Answer){ .terminal_fd = -EBADF })

/* Takes @request out of the table first: the callback may ask for something new. */
static void request_finish(Request *request, const Answer *answer, const Error *error) {
        (void) g_hash_table_steal(request->client->requests, GUINT_TO_POINTER(request->serial));
        if (request->ran)
                request->ran(request->userdata, answer->pid, answer->terminal_fd, error);
        else if (request->namespaces)
                request->namespaces(request->userdata, answer->names, answer->fds, answer->n_fds, error);
        else if (request->done)
                request->done(request->userdata, error);
        request_free(request);
}

static void request_fail(Request *request, const Error *error) {
        request_finish(request, &ANSWER_NULL, error);
}

static void client_kill(ShimClient *client) {
        if (client->child)
                (void) sd_event_source_send_child_signal(client->child, SIGKILL, NULL, 0);
}

static int on_deadline(sd_event_source *source G_GNUC_UNUSED, uint64_t usec G_GNUC_UNUSED, void *userdata) {
        ShimClient *client = userdata;

        log_warning("Shim %s did not end in time and is killed", client->name);
        client_kill(client);
        return 0;
}

/* The earlier deadline counts. */
static void client_set_deadline(ShimClient *client, uint64_t usec) {
        uint64_t now, set;

        if (sd_event_now(client->host->event, CLOCK_MONOTONIC, &now) < 0)
                return;
        if (client->deadline) {
                if (sd_event_source_get_time(client->deadline, &set) >= 0 && set > now + usec)
                        (void) sd_event_source_set_time(client->deadline, now + usec);
                return;
        }
        if (sd_event_add_time(client->host->event, &client->deadline, CLOCK_MONOTONIC, now + usec, 0,
                              on_deadline, client) < 0)
                client_kill(client); /* no timer, no patience */
}

static void client_tell_gone(ShimClient *client, const Error *reason) {
        if (client->stopping || client->is_gone)
                return;
        client->is_gone = true;
        if (client->events->gone)
                client->events->gone(client->userdata, reason);
}

/* Nobody reads what we say any more, or says anything we could read. */
static void client_close(ShimClient *client) {
        client->io = sd_event_source_disable_unref(client->io);
        client->socket_fd = fd_close(client->socket_fd);
        g_queue_clear_full(&client->outgoing, (GDestroyNotify) outgoing_free);
}

static void client_fail_requests(ShimClient *client, const Error *reason) {
        while (g_hash_table_size(client->requests) > 0) {
                GHashTableIter iter;
                gpointer request;

                g_hash_table_iter_init(&iter, client->requests);
                (void) g_hash_table_iter_next(&iter, NULL, &request);
                request_fail(request, reason);
        }
}

static int answer_get_namespaces(WireReader *reader, WireMessage *message, Answer *ret, Error *error) {
        size_t n = 0;
        int r;

        r = shim_error_get(reader, error);
        if (r < 0)
                return r;
        ret->names = wire_get_strings(reader, NAMESPACES_MAX);
        while (ret->names && ret->names[n])
                n++;
        if (!ret->names || n != message->n_fds)
                return error_setf(error, ERROR_SYSTEM, "The shim's answer cannot be understood");
        ret->fds = message->fds;
        ret->n_fds = n;
        return 0;
}

/* The type of the answer that is no failure. */
static uint16_t request_get_answer_type(const Request *request) {
        return request->ran ? SHIM_RAN : request->namespaces ? SHIM_NAMESPACES : SHIM_DONE;
}

static void client_answer(ShimClient *client, WireMessage *message) {
        Request *request = g_hash_table_lookup(client->requests, GUINT_TO_POINTER(message->header.serial));
        WireReader reader = wire_reader(message);
        g_auto(Error) error = ERROR_NULL;
        Answer answer = ANSWER_NULL;
        uint32_t run;
        int r;

        /* An answer that comes after its timeout: whoever waited has been told. */
        if (!request) {
                log_debug("Shim %s answers %u, which nobody waits for", client->name, message->header.serial);
                return;
        }
        if (message->header.type == SHIM_RAN)
                r = shim_ran_get(&reader, &run, &answer.pid, &error);
        else if (message->header.type == SHIM_NAMESPACES)
                r = answer_get_namespaces(&reader, message, &answer, &error);
        else
                r = shim_error_get(&reader, &error);
        if (r >= 0 && message->header.type != request_get_answer_type(request))
                r = error_setf(&error, ERROR_SYSTEM, "The shim's answer is to something else");
        if (r >= 0 && request->ran && message->n_fds > 0)
                answer.terminal_fd = wire_message_steal_fd(message, 0);
        request_finish(request, &answer, r < 0 ? &error : NULL);
        free(answer.names);
}

static void client_receive_timings(ShimClient *client, WireMessage *message) {
        WireReader reader = wire_reader(message);
        g_autoptr(GArray) timings = NULL;

        if (shim_timings_get(&reader, &timings) >= 0 && client->events->timings)
                client->events->timings(client->userdata, timings);
}

static void client_receive_gone(ShimClient *client, WireMessage *message) {
        WireReader reader = wire_reader(message);
        g_auto(Error) reason = ERROR_NULL;

        if (shim_error_get(&reader, &reason) >= 0)
                (void) error_setf(&reason, ERROR_SYSTEM, "Process 1 of the sandbox ended");
        client_set_deadline(client, END_GRACE_USEC);
        client_tell_gone(client, &reason);
}

static void client_receive_denied(ShimClient *client, WireMessage *message) {
        WireReader reader = wire_reader(message);
        g_auto(ShimDenied) denied = { 0 };

        if (shim_denied_get(&reader, &denied) >= 0 && client->events->denied)
                client->events->denied(client->userdata, &denied);
}

static void client_receive_list(ShimClient *client, WireMessage *message,
                                int (*get)(WireReader *reader, char ***ret),
                                void (*tell)(void *userdata, char **texts)) {
        WireReader reader = wire_reader(message);
        char **texts;

        if (tell && get(&reader, &texts) >= 0)
                tell(client->userdata, texts);
}

static void client_dispatch(ShimClient *client, WireMessage *message) {
        WireReader reader = wire_reader(message);
        ShimExited exited;
        int32_t leader;

        switch (message->header.type) {
        case SHIM_DONE:
        case SHIM_RAN:
        case SHIM_NAMESPACES:
                client_answer(client, message);
                return;
        case SHIM_EXITED:
                if (shim_exited_get(&reader, &exited) >= 0 && client->events->exited)
                        client->events->exited(client->userdata, &exited);
                return;
        case SHIM_DENIED:
                client_receive_denied(client, message);
                return;
        case SHIM_PENDING:
                client_receive_list(client, message, shim_pending_get, client->events->pending);
                return;
        case SHIM_ADDRESSES:
                client_receive_list(client, message, shim_addresses_get, client->events->addresses);
                return;
        case SHIM_MECHANISMS:
                client_receive_list(client, message, shim_mechanisms_get, client->events->mechanisms);
                return;
        case SHIM_TIMINGS:
                client_receive_timings(client, message);
                return;
        case SHIM_LEADER:
                leader = wire_get_i32(&reader);
                if (!reader.failed && leader > 0 && client->events->leader)
                        client->events->leader(client->userdata, (pid_t) leader);
                return;
        case SHIM_GONE:
                client_receive_gone(client, message);
                return;
        default:
                log_debug("Shim %s says %u, which is unknown", client->name, message->header.type);
        }
}

/* At most @max messages. Returns 1 if there may be more, 0 if not, negative when the socket is of no use. */
static int client_receive(ShimClient *client, unsigned max) {
        for (unsigned i = 0; i < max; i++) {
                WireMessage message = WIRE_MESSAGE_NULL;
                int r = wire_receive(client->socket_fd, &message);

                if (r == -EAGAIN || r == -EINTR)
                        return 0;
                if (r <= 0)
                        return r == 0 ? -ECONNRESET : r;
                client_dispatch(client, &message);
                wire_message_done(&message);
                if (client->socket_fd < 0)
                        return 0;
        }
        return 1;
}

static int client_send_queued(ShimClient *client) {
        Outgoing *first;

        while ((first = g_queue_peek_head(&client->outgoing))) {
                int r = wire_send(client->socket_fd, first->type, first->serial, &first->writer, first->fds,
                                  first->n_fds);

                if (r == -EAGAIN)
                        return 0;
                if (r < 0)
                        return r;
                (void) g_queue_pop_head(&client->outgoing);
                outgoing_free(first);
        }
        return sd_event_source_set_io_events(client->io, EPOLLIN);
}

static int on_io(sd_event_source *source G_GNUC_UNUSED, int fd G_GNUC_UNUSED, uint32_t revents,
                 void *userdata) {
        ShimClient *client = userdata;
        int r = 0;

        if (revents & EPOLLOUT)
                r = client_send_queued(client);
        if (r >= 0 && (revents & (EPOLLIN | EPOLLHUP | EPOLLERR)))
                r = client_receive(client, RECEIVE_BATCH);
        if (r >= 0 || client->socket_fd < 0)
                return 0;

        /* A shim closes its socket by exiting, so its exit status is about to come. One that writes nonsense
         * or closes without exiting is made to. */
        if (r == -ECONNRESET || r == -EPIPE)
                client_set_deadline(client, END_GRACE_USEC);
        else {
                log_warning("Shim %s cannot be understood and is killed: %s", client->name, g_strerror(-r));
                client_kill(client);
        }
        client_close(client);
        return 0;
}

/* The shim is dead, and its monitor with all that liblxc forked is in the box beside the payload: a child
 * that waits for an answer of a monitor that was killed waits for ever. */
static void client_kill_box(const ShimClient *client) {
        g_autofree char *folder = cgroup_host_get_path(client->host->cgroups, NULL, client->cgroup);
        g_autofree char *file = folder ? g_build_filename(folder, "cgroup.procs", NULL) : NULL;
        g_autofree char *text = NULL;

        if (!file || fs_read_file_at(AT_FDCWD, file, BOX_PROCS_SIZE_MAX, &text, NULL, NULL) < 0)
                return; /* there is no box any more */

        g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

        for (char **line = lines; *line; line++) {
                gint64 pid;

                if (g_ascii_string_to_signed(*line, 10, 2, G_MAXINT32, &pid, NULL))
                        (void) kill((pid_t) pid, SIGKILL);
        }
}

/* Returns 0 when nothing is left, -EBUSY to come back later, or why it cannot be. */
static int client_clean(ShimClient *client, Error *error) {
        const Places *places = client->host->places;
        g_autoptr(CgroupBox) box = NULL;
        int r;

        r = cgroup_box_open(client->host->cgroups, client->cgroup, &box, error);
        if (r < 0)
                return r;
        (void) cgroup_box_kill(box, NULL);
        client_kill_box(client);
        r = cgroup_box_destroy(box, error);
        if (r < 0)
                return r;

        autofd int folder_fd = open(places->sandboxes_folder, O_PATH | O_DIRECTORY | O_CLOEXEC);

        if (folder_fd < 0 && errno == ENOENT)
                return 0;
        if (folder_fd < 0)
                return error_set_errnof(error, errno, "Cannot open '%s'", places->sandboxes_folder);
        return fs_remove_recursive(folder_fd, client->name, error);
}

static int on_cleaning(sd_event_source *source, uint64_t usec G_GNUC_UNUSED, void *userdata) {
        ShimClient *client = userdata;
        g_auto(Error) error = ERROR_NULL;

        if (client_clean(client, &error) >= 0) {
                (void) sd_event_source_set_enabled(source, SD_EVENT_OFF);
                client->events->ended(client->userdata);
                return 0; /* the client may be gone */
        }
        client->n_cleanings++;
        if (client->n_cleanings == CLEAN_TRIES_FAST) {
                log_failure(LOG_WARNING, &error, "Cannot remove all of what shim %s had", client->name);
                if (client->events->stuck)
                        client->events->stuck(client->userdata, &error);
        }
        (void) sd_event_source_set_time_relative(
                source, client->n_cleanings < CLEAN_TRIES_FAST ? CLEAN_RETRY_USEC : CLEAN_SLOW_USEC);
        (void) sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
        return 0;
}

static void exit_describe(const siginfo_t *info, Error *error) {
        if (info->si_code == CLD_EXITED)
                (void) error_setf(error, ERROR_SYSTEM, "The shim of the sandbox exited with status %d",
                                  info->si_status);
        else
                (void) error_setf(error, ERROR_SYSTEM, "The shim of the sandbox was killed by signal %d (%s)",
                                  info->si_status, g_strsignal(info->si_status));
}

static int on_child(sd_event_source *source G_GNUC_UNUSED, const siginfo_t *info, void *userdata) {
        ShimClient *client = userdata;
        g_auto(Error) reason = ERROR_NULL;
        int r;

        /* What it said last counts. */
        while (client->socket_fd >= 0 && client_receive(client, RECEIVE_BATCH) > 0)
                ;
        client_close(client);
        client->child = sd_event_source_disable_unref(client->child);
        client->deadline = sd_event_source_disable_unref(client->deadline);
        exit_describe(info, &reason);
        client_tell_gone(client, &reason);
        client_fail_requests(client, &reason);

        r = sd_event_add_time_relative(client->host->event, &client->cleaning, CLOCK_MONOTONIC, 0, 1,
                                       on_cleaning, client);
        if (r < 0) {
                log_error("Cannot clean up after shim %s: %s", client->name, g_strerror(-r));
                client->events->ended(client->userdata);
        }
        return 0;
}

/* ---- spawning ---- */

/* An environment of what a shim needs and nothing of ours besides. Caller frees the array only. */
static char **shim_environment(GPtrArray *strings) {
        static const char *const names[] = { "BULKHEAD_HELPERS", "BULKHEAD_LOG_LEVEL", "DBUS_SYSTEM_BUS_ADDRESS" };

        g_ptr_array_add(strings, g_strdup("PATH=/usr/sbin:/usr/bin:/sbin:/bin"));
        for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
                if (g_getenv(names[i]))
                        g_ptr_array_add(strings, g_strdup_printf("%s=%s", names[i], g_getenv(names[i])));
        g_ptr_array_add(strings, NULL);
        return (char **) strings->pdata;
}

static int shim_spawn(ShimClient *client, int fd, Error *error) {
        const Places *places = client->host->places;
        g_autofree char *program = g_build_filename(places->helper_folder, "bulkhead-shim", NULL);
        g_autofree char *runtime = g_build_filename(places->sandboxes_folder, client->name, NULL);
        g_autoptr(GPtrArray) environment = g_ptr_array_new_with_free_func(g_free);
        g_autofree char *ids = g_strdup_printf("%u", client->id_base);
        const char *argv[] = { program,        "--instance", places->instance, "--cgroup",
                               client->cgroup, "--runtime",  runtime,          "--ids",
                               ids,            NULL };
        posix_spawn_file_actions_t actions;
        posix_spawnattr_t attributes;
        sigset_t none, all;
        int r;

        (void) sigemptyset(&none);
        (void) sigfillset(&all);
        (void) posix_spawn_file_actions_init(&actions);
        (void) posix_spawnattr_init(&attributes);
        /* A session of its own: a Ctrl-C meant for us is not meant for it. */
        (void) posix_spawnattr_setflags(&attributes,
                                        POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID);
        (void) posix_spawnattr_setsigmask(&attributes, &none);
        (void) posix_spawnattr_setsigdefault(&attributes, &all);
        r = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
        if (r == 0)
                r = posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
        if (r == 0)
                r = posix_spawn_file_actions_adddup2(&actions, fd, SHIM_FD);
        if (r == 0)
                r = posix_spawn_file_actions_addclosefrom_np(&actions, SHIM_FD + 1);
        if (r == 0)
                r = posix_spawn(&client->pid, program, &actions, &attributes, (char **) argv,
                                shim_environment(environment));
        (void) posix_spawn_file_actions_destroy(&actions);
        (void) posix_spawnattr_destroy(&attributes);
        if (r != 0)
                return error_set_errnof(error, r, "Cannot start '%s'", program);
        return 0;
}

int shim_client_spawn(ShimHost *host, const ShimClientEvents *events, void *userdata, ShimClient **ret,
                      Error *error) {
        g_autoptr(ShimClient) client = g_new0(ShimClient, 1);
        int pair[2];
        int r;

        client->host = host;
        client->events = events;
        client->userdata = userdata;
        client->number = ++host->last_number;
        client->name = g_strdup_printf("%u", client->number);
        client->cgroup = g_strdup_printf("%s/%u", host->places->cgroup_parent, client->number);
        client->requests = g_hash_table_new(NULL, NULL);
        g_queue_init(&client->outgoing);
        client->socket_fd = -EBADF;
        r = id_pool_take(host->ids, &client->id_base, error);
        if (r < 0)
                return r;

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
                return error_set_errnof(error, errno, "Cannot make a socket for a shim");
        client->socket_fd = pair[0];

        autofd int shim_fd = pair[1];

        /* Of the two ends only ours must not block; the shim chooses for its own. */
        if (fcntl(client->socket_fd, F_SETFL, O_NONBLOCK) < 0)
                return error_set_errnof(error, errno, "Cannot set up the socket of a shim");
        r = shim_spawn(client, shim_fd, error);
        if (r < 0)
                return r;
        r = sd_event_add_child(host->event, &client->child, client->pid, WEXITED, on_child, client);
        if (r < 0) {
                (void) kill(client->pid, SIGKILL);
                return error_set_errnof(error, -r, "Cannot watch a shim");
        }
        (void) sd_event_source_set_child_process_own(client->child, 1);
        r = sd_event_add_io(host->event, &client->io, client->socket_fd, EPOLLIN, on_io, client);
        if (r < 0)
                return error_set_errnof(error, -r, "Cannot watch the socket of a shim");
        (void) sd_event_source_set_description(client->child, "shim");
        (void) sd_event_source_set_description(client->io, "shim-socket");
        *ret = g_steal_pointer(&client);
        return 0;
}

void shim_client_free(ShimClient *client) {
        g_auto(Error) reason = ERROR_NULL;

        if (!client)
                return;
        (void) error_setf(&reason, ERROR_BAD_STATE, "The sandbox is gone");
        client_fail_requests(client, &reason);
        client_close(client);
        client->cleaning = sd_event_source_disable_unref(client->cleaning);
        client->deadline = sd_event_source_disable_unref(client->deadline);
        client->child = sd_event_source_disable_unref(client->child);
        g_hash_table_unref(client->requests);
        if (client->id_base > 0)
                id_pool_give_back(client->host->ids, client->id_base);
        g_free(client->name);
        g_free(client->cgroup);
        g_free(client);
}

void shim_client_set_events(ShimClient *client, const ShimClientEvents *events, void *userdata) {
        client->events = events;
        client->userdata = userdata;
}

pid_t shim_client_get_pid(const ShimClient *client) {
        return client->pid;
}

uint32_t shim_client_get_id_base(const ShimClient *client) {
        return client->id_base;
}

const char *shim_client_get_cgroup(const ShimClient *client) {
        return client->cgroup;
}

/* ---- asking ---- */

static int on_request_timeout(sd_event_source *source G_GNUC_UNUSED, uint64_t usec G_GNUC_UNUSED,
                              void *userdata) {
        Request *request = userdata;

        if (!request->failure.message)
                (void) error_setf(&request->failure, ERROR_TIMEOUT,
                                  "The shim of the sandbox did not answer in time");
        request_fail(request, &request->failure);
        return 0;
}

/* Sends now or keeps for later; takes what is in @writer. */
static int client_send(ShimClient *client, uint16_t type, uint32_t serial, WireWriter *writer, const int *fds,
                       size_t n_fds, Error *error) {
        int r = -EAGAIN;

        if (client->socket_fd < 0)
                return error_setf(error, ERROR_BAD_STATE, "The shim of the sandbox has ended");
        if (g_queue_is_empty(&client->outgoing))
                r = wire_send(client->socket_fd, type, serial, writer, fds, n_fds);
        if (r >= 0)
                return 0;
        if (r != -EAGAIN)
                return error_set_errnof(error, -r, "Cannot tell the shim of the sandbox");
        if (g_queue_get_length(&client->outgoing) >= SHIM_QUEUE_MAX)
                return error_setf(error, ERROR_LIMIT_REACHED,
                                  "The shim of the sandbox has %d messages waiting", SHIM_QUEUE_MAX);

        Outgoing *outgoing = g_new0(Outgoing, 1);

        outgoing->type = type;
        outgoing->serial = serial;
        outgoing->writer = *writer;
        *writer = WIRE_WRITER_NULL;
        for (size_t i = 0; i < n_fds; i++)
                outgoing->fds[outgoing->n_fds++] = fcntl(fds[i], F_DUPFD_CLOEXEC, 3);
        g_queue_push_tail(&client->outgoing, outgoing);
        (void) sd_event_source_set_io_events(client->io, EPOLLIN | EPOLLOUT);
        return 0;
}

/* Takes what is in @writer; fills @ask's serial, type and timeout. */
static void client_ask(ShimClient *client, uint16_t type, WireWriter *writer, const int *fds, size_t n_fds,
                       uint64_t timeout_usec, Request ask) {
        Request *request = g_new0(Request, 1);
        int r;

        *request = ask;
        request->client = client;
        request->type = type;
        do
                request->serial = ++client->last_serial;
        while (request->serial == 0 ||
               g_hash_table_contains(client->requests, GUINT_TO_POINTER(request->serial)));
        g_hash_table_insert(client->requests, GUINT_TO_POINTER(request->serial), request);

        r = client_send(client, type, request->serial, writer, fds, n_fds, &request->failure);
        wire_writer_done(writer);
        r = sd_event_add_time_relative(client->host->event, &request->timeout, CLOCK_MONOTONIC,
                                       r < 0 ? 0 : timeout_usec, r < 0 ? 1 : 0, on_request_timeout, request);
        if (r < 0) {
                /* Without a timer nobody would ever be told; the shim's end tells everybody. */
                log_error("Cannot time a request to shim %s, which is killed: %s", client->name,
                          g_strerror(-r));
                client_kill(client);
        }
}

void shim_client_start(ShimClient *client, const Spec *spec, ShimDone done, void *userdata) {
        WireWriter writer = WIRE_WRITER_NULL;

        spec_put(&writer, spec);
        client_ask(client, SHIM_START, &writer, NULL, 0, spec->start_timeout_usec + START_GRACE_USEC,
                   (Request){ .done = done, .userdata = userdata });
}

void shim_client_apply(ShimClient *client, const Plan *plan, uint32_t number, int fd, ShimDone done,
                       void *userdata) {
        WireWriter writer = WIRE_WRITER_NULL;
        size_t n_fds = fd >= 0 ? 1 : 0;

        plan_put(&writer, plan);
        wire_put_u32(&writer, (uint32_t) n_fds);
        if (fd >= 0)
                wire_put_u32(&writer, number);
        client_ask(client, SHIM_APPLY, &writer, &fd, n_fds, REQUEST_TIMEOUT_USEC,
                   (Request){ .done = done, .userdata = userdata });
}

void shim_client_set_lease(ShimClient *client, const Lease *lease, ShimDone done, void *userdata) {
        WireWriter writer = WIRE_WRITER_NULL;

        lease_put(&writer, lease);
        client_ask(client, SHIM_LEASE, &writer, NULL, 0, REQUEST_TIMEOUT_USEC,
                   (Request){ .done = done, .userdata = userdata });
}

void shim_client_set_hosts(ShimClient *client, const GArray *hosts, ShimDone done, void *userdata) {
        WireWriter writer = WIRE_WRITER_NULL;

        wire_put_u32(&writer, hosts->len);
        for (guint i = 0; i < hosts->len; i++)
                host_addresses_put(&writer, &g_array_index(hosts, HostAddresses, i));
        client_ask(client, SHIM_RESOLVED, &writer, NULL, 0, REQUEST_TIMEOUT_USEC,
                   (Request){ .done = done, .userdata = userdata });
}

void shim_client_run(ShimClient *client, const ShimRun *run, const int fds[3], ShimRan done, void *userdata) {
        WireWriter writer = WIRE_WRITER_NULL;

        shim_run_put(&writer, run);
        client_ask(client, SHIM_RUN, &writer, fds, run->terminal ? 0 : 3, REQUEST_TIMEOUT_USEC,
                   (Request){ .ran = done, .userdata = userdata });
}

void shim_client_get_namespaces(ShimClient *client, ShimNamespaces done, void *userdata) {
        WireWriter writer = WIRE_WRITER_NULL;

        client_ask(client, SHIM_GET_NAMESPACES, &writer, NULL, 0, REQUEST_TIMEOUT_USEC,
                   (Request){ .namespaces = done, .userdata = userdata });
}

void shim_client_snapshot(ShimClient *client, int fd, ShimDone done, void *userdata) {
        WireWriter writer = WIRE_WRITER_NULL;

        wire_put_u64(&writer, SNAPSHOT_TIMEOUT_USEC);
        client_ask(client, SHIM_SNAPSHOT, &writer, &fd, 1, SNAPSHOT_TIMEOUT_USEC + REQUEST_TIMEOUT_USEC,
                   (Request){ .done = done, .userdata = userdata });
}

void shim_client_signal(ShimClient *client, uint32_t run, int signal, ShimDone done, void *userdata) {
        WireWriter writer = WIRE_WRITER_NULL;

        wire_put_u32(&writer, run);
        wire_put_i32(&writer, signal);
        client_ask(client, SHIM_SIGNAL, &writer, NULL, 0, REQUEST_TIMEOUT_USEC,
                   (Request){ .done = done, .userdata = userdata });
}

void shim_client_freeze(ShimClient *client, ShimDone done, void *userdata) {
        WireWriter writer = WIRE_WRITER_NULL;

        client_ask(client, SHIM_FREEZE, &writer, NULL, 0, REQUEST_TIMEOUT_USEC,
                   (Request){ .done = done, .userdata = userdata });
}

void shim_client_thaw(ShimClient *client, ShimDone done, void *userdata) {
        WireWriter writer = WIRE_WRITER_NULL;

        client_ask(client, SHIM_THAW, &writer, NULL, 0, REQUEST_TIMEOUT_USEC,
                   (Request){ .done = done, .userdata = userdata });
}

static void on_stopped(void *userdata, const Error *error) {
        ShimClient *client = userdata;

        /* Only its exit proves that it is done; until then the deadline stands. */
        if (error)
                log_failure(LOG_DEBUG, error, "Shim %s did not stop by itself", client->name);
}

void shim_client_stop(ShimClient *client, uint64_t usec) {
        WireWriter writer = WIRE_WRITER_NULL;
        uint64_t patience = usec < UINT64_MAX / 4 ? usec + STOP_GRACE_USEC : UINT64_MAX / 4;
        bool is_first = !client->stopping;

        if (!client->child)
                return;
        client->stopping = true;
        client_set_deadline(client, patience);
        if (!is_first) /* a shim stops once; the deadline may have come nearer */
                return;
        wire_put_u64(&writer, usec);
        client_ask(client, SHIM_STOP, &writer, NULL, 0, patience,
                   (Request){ .done = on_stopped, .userdata = client });
}
