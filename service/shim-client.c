/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "service/shim-client-private.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "service/shim-remains.h"
#include "service/shim-spawn.h"
#include "util/cleanup.h"
#include "util/limits.h"
#include "util/log.h"

#define END_GRACE_USEC   (5 * 1000 * 1000ULL) /* from GONE or the closed socket to the shim's own exit */
#define CLEAN_RETRY_USEC (10 * 1000ULL)       /* processes of the box are dying */
#define CLEAN_SLOW_USEC  (1000 * 1000ULL)     /* something does not die; told once */
#define CLEAN_TRIES_FAST 200
#define RECEIVE_BATCH    32 /* messages of one shim before others have their turn */
#define NAMESPACES_MAX   16 /* kinds there are; Linux has 8 */

void shim_found_free(ShimFound *found) {
        if (!found)
                return;
        shim_account_free(found->account);
        g_ptr_array_unref(found->runs);
        plan_free(found->plan);
        g_free(found);
}

static void found_run_free(void *data) {
        ShimFoundRun *run = data;

        shim_kept_run_done(&run->kept);
        (void) fd_close(run->terminal_fd);
        (void) fd_close(run->peer_fd);
        g_free(run);
}

static void request_free(ShimRequest *request) {
        sd_event_source_disable_unref(request->timeout);
        error_done(&request->failure);
        g_free(request);
}

ShimFound *shim_found_new(void) {
        ShimFound *found = g_new0(ShimFound, 1);

        found->runs = g_ptr_array_new_with_free_func(found_run_free);
        return found;
}

/* What a shim says to a request. */
typedef struct Answer {
        pid_t pid;
        int terminal_fd; /* owned */
        const char **names;
        const int *fds;
        size_t n_fds;
        ShimFound *found;
} Answer;

#define ANSWER_NULL ((Answer){ .terminal_fd = -EBADF })

/* Takes @request out of the table first: the callback may ask for something new. */
static void request_finish(ShimRequest *request, const Answer *answer, const Error *error) {
        (void) g_hash_table_steal(request->client->requests, GUINT_TO_POINTER(request->serial));
        if (request->ran)
                request->ran(request->userdata, answer->pid, answer->terminal_fd, error);
        else if (request->namespaces)
                request->namespaces(request->userdata, answer->names, answer->fds, answer->n_fds, error);
        else if (request->hello)
                request->hello(request->userdata, answer->found, error);
        else if (request->done)
                request->done(request->userdata, error);
        request_free(request);
}

void shim_request_fail(ShimRequest *request, const Error *error) {
        request_finish(request, &ANSWER_NULL, error);
}

void shim_client_kill(ShimClient *client) {
        if (client->child && client->is_child)
                (void) sd_event_source_send_child_signal(client->child, SIGKILL, NULL, 0);
        else if (client->child)
                (void) pidfd_send_signal(client->pid_fd, SIGKILL, NULL, 0);
}

static int on_deadline(sd_event_source *source G_GNUC_UNUSED, uint64_t usec G_GNUC_UNUSED, void *userdata) {
        ShimClient *client = userdata;

        log_warning("Shim %s did not end in time and is killed", client->name);
        shim_client_kill(client);
        return 0;
}

/* The earlier deadline counts. */
void shim_client_set_deadline(ShimClient *client, uint64_t usec) {
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
                shim_client_kill(client); /* no timer, no patience */
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
        shim_queue_clear(client->outgoing);
}

static void client_fail_requests(ShimClient *client, const Error *reason) {
        while (g_hash_table_size(client->requests) > 0) {
                GHashTableIter iter;
                gpointer request;

                g_hash_table_iter_init(&iter, client->requests);
                (void) g_hash_table_iter_next(&iter, NULL, &request);
                shim_request_fail(request, reason);
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

static int answer_get_account(ShimClient *client, WireReader *reader, Answer *ret, Error *error) {
        ShimFound *found = client->found;
        int r;

        if (!found)
                return error_setf(error, ERROR_SYSTEM, "The shim's account was not asked for");
        r = shim_account_get(reader, &found->account, error);
        if (r < 0)
                return r;
        if (found->account->spec && !found->plan)
                return error_setf(error, ERROR_SYSTEM, "The shim's account has no plan");
        client->last_serial = MAX(client->last_serial, found->account->last_serial);
        ret->found = found;
        return 0;
}

/* The type of the answer that is no failure. */
static uint16_t request_get_answer_type(const ShimRequest *request) {
        if (request->hello)
                return SHIM_STATE;
        return request->ran ? SHIM_RAN : request->namespaces ? SHIM_NAMESPACES : SHIM_DONE;
}

static void client_answer(ShimClient *client, WireMessage *message) {
        ShimRequest *request = g_hash_table_lookup(client->requests,
                                                   GUINT_TO_POINTER(message->header.serial));
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
        else if (message->header.type == SHIM_STATE)
                r = answer_get_account(client, &reader, &answer, &error);
        else
                r = shim_error_get(&reader, &error);
        if (r >= 0 && message->header.type != request_get_answer_type(request))
                r = error_setf(&error, ERROR_SYSTEM, "The shim's answer is to something else");
        if (r >= 0 && request->ran && message->n_fds > 0)
                answer.terminal_fd = wire_message_steal_fd(message, 0);
        request_finish(request, &answer, r < 0 ? &error : NULL);
        free(answer.names);
}

/* ---- parts of an account ---- */

static int found_add_run(ShimFound *found, WireMessage *message, Error *error) {
        WireReader reader = wire_reader(message);
        ShimFoundRun *run = g_new0(ShimFoundRun, 1);
        size_t n = 0;
        int r;

        run->terminal_fd = run->peer_fd = -EBADF;
        g_ptr_array_add(found->runs, run);
        if (found->runs->len > KEPT_RUNS_MAX)
                return error_setf(error, ERROR_LIMIT_REACHED, "The shim tells of more than %d programs",
                                  KEPT_RUNS_MAX);
        r = shim_kept_run_get(&reader, &run->kept, error);
        if (r < 0)
                return r;
        if (run->kept.has_terminal && !run->kept.has_ended)
                run->peer_fd = wire_message_steal_fd(message, n++);
        if (run->kept.has_terminal)
                run->terminal_fd = wire_message_steal_fd(message, n);
        return 0;
}

/* A part that cannot be read leaves an account that cannot be believed. */
static void client_receive_part(ShimClient *client, WireMessage *message) {
        WireReader reader = wire_reader(message);
        g_auto(Error) error = ERROR_NULL;
        ShimRequest *request;
        int r;

        if (!client->found)
                return;
        if (message->header.type == SHIM_STATE_RUN)
                r = found_add_run(client->found, message, &error);
        else if (client->found->plan)
                r = error_setf(&error, ERROR_SYSTEM, "The shim tells two plans");
        else
                r = plan_get(&reader, &client->found->plan, &error);
        if (r >= 0)
                return;
        g_clear_pointer(&client->found, shim_found_free);
        request = g_hash_table_lookup(client->requests, GUINT_TO_POINTER(message->header.serial));
        if (request && request->hello)
                shim_request_fail(request, &error);
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
        shim_client_set_deadline(client, END_GRACE_USEC);
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
        case SHIM_STATE:
                client_answer(client, message);
                return;
        case SHIM_STATE_RUN:
        case SHIM_STATE_PLAN:
                client_receive_part(client, message);
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
        int r = shim_queue_send(client->outgoing, client->socket_fd);

        if (r < 0)
                return r == -EAGAIN ? 0 : r;
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
                shim_client_set_deadline(client, END_GRACE_USEC);
        else {
                log_warning("Shim %s cannot be understood and is killed: %s", client->name, g_strerror(-r));
                shim_client_kill(client);
        }
        client_close(client);
        return 0;
}

static int on_cleaning(sd_event_source *source, uint64_t usec G_GNUC_UNUSED, void *userdata) {
        ShimClient *client = userdata;
        g_auto(Error) error = ERROR_NULL;

        if (shim_remains_clean(client->host->places, client->host->cgroups, client->name, &error) >= 0) {
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

/* The shim is dead. */
static void client_end(ShimClient *client, const Error *reason) {
        int r;

        /* What it said last counts. */
        while (client->socket_fd >= 0 && client_receive(client, RECEIVE_BATCH) > 0)
                ;
        client_close(client);
        client->child = sd_event_source_disable_unref(client->child);
        client->deadline = sd_event_source_disable_unref(client->deadline);
        client_tell_gone(client, reason);
        client_fail_requests(client, reason);

        r = sd_event_add_time_relative(client->host->event, &client->cleaning, CLOCK_MONOTONIC, 0, 1,
                                       on_cleaning, client);
        if (r < 0) {
                log_error("Cannot clean up after shim %s: %s", client->name, g_strerror(-r));
                client->events->ended(client->userdata);
        }
}

static int on_child(sd_event_source *source G_GNUC_UNUSED, const siginfo_t *info, void *userdata) {
        g_auto(Error) reason = ERROR_NULL;

        exit_describe(info, &reason);
        client_end(userdata, &reason);
        return 0;
}

/* Who is not our child does not tell us how it ended. */
static int on_pid_fd(sd_event_source *source G_GNUC_UNUSED, int fd G_GNUC_UNUSED,
                     uint32_t revents G_GNUC_UNUSED, void *userdata) {
        g_auto(Error) reason = ERROR_NULL;

        (void) error_setf(&reason, ERROR_SYSTEM, "The shim of the sandbox has ended");
        client_end(userdata, &reason);
        return 0;
}

/* ---- making ---- */

static ShimClient *client_new(ShimHost *host, uint32_t number, const ShimClientEvents *events,
                              void *userdata) {
        ShimClient *client = g_new0(ShimClient, 1);

        client->host = host;
        client->events = events;
        client->userdata = userdata;
        client->number = number;
        client->name = g_strdup_printf("%u", number);
        client->cgroup = g_strdup_printf("%s/%u", host->places->cgroup_parent, number);
        client->requests = g_hash_table_new(NULL, NULL);
        client->outgoing = shim_queue_new();
        client->socket_fd = client->pid_fd = -EBADF;
        return client;
}

static int client_watch(ShimClient *client, Error *error) {
        sd_event *event = client->host->event;
        int r;

        r = client->is_child
                    ? sd_event_add_child(event, &client->child, client->pid, WEXITED, on_child, client)
                    : sd_event_add_io(event, &client->child, client->pid_fd, EPOLLIN, on_pid_fd, client);
        if (r < 0 && client->is_child)
                (void) kill(client->pid, SIGKILL);
        if (r < 0)
                return error_set_errnof(error, -r, "Cannot watch a shim");
        if (client->is_child)
                (void) sd_event_source_set_child_process_own(client->child, 1);
        r = sd_event_add_io(event, &client->io, client->socket_fd, EPOLLIN, on_io, client);
        if (r < 0)
                return error_set_errnof(error, -r, "Cannot watch the socket of a shim");
        (void) sd_event_source_set_description(client->child, "shim");
        (void) sd_event_source_set_description(client->io, "shim-socket");
        return 0;
}

int shim_client_spawn(ShimHost *host, const ShimClientEvents *events, void *userdata, ShimClient **ret,
                      Error *error) {
        g_autoptr(ShimClient) client = client_new(host, ++host->last_number, events, userdata);
        ShimSeat seat = { .name = client->name, .cgroup = client->cgroup };
        int pair[2];
        int r;

        client->is_child = true;
        r = id_pool_take(host->ids, &client->id_base, error);
        if (r < 0)
                return r;
        seat.id_base = client->id_base;
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
                return error_set_errnof(error, errno, "Cannot make a socket for a shim");
        client->socket_fd = pair[0];

        autofd int shim_fd = pair[1];

        /* Of the two ends only ours must not block; the shim chooses for its own. */
        if (fcntl(client->socket_fd, F_SETFL, O_NONBLOCK) < 0)
                return error_set_errnof(error, errno, "Cannot set up the socket of a shim");
        r = shim_spawn(host->places, &seat, shim_fd, &client->pid, error);
        if (r >= 0)
                r = client_watch(client, error);
        if (r < 0)
                return r;
        *ret = g_steal_pointer(&client);
        return 0;
}

int shim_client_adopt(ShimHost *host, const ShimAdoption *adoption, const ShimClientEvents *events,
                      void *userdata, ShimClient **ret, Error *error) {
        g_autoptr(ShimClient) client = client_new(host, adoption->number, events, userdata);
        int r;

        client->pid = adoption->pid;
        client->socket_fd = adoption->socket_fd;
        client->pid_fd = adoption->pid_fd;
        r = client_watch(client, error);
        if (r < 0)
                return r;
        *ret = g_steal_pointer(&client);
        return 0;
}

bool shim_client_is_alive(const ShimClient *client) {
        return client->child != NULL;
}

void shim_client_set_id_base(ShimClient *client, uint32_t id_base) {
        client->id_base = id_base;
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
        client->pid_fd = fd_close(client->pid_fd);
        g_clear_pointer(&client->found, shim_found_free);
        shim_queue_free(client->outgoing);
        g_hash_table_unref(client->requests);
        if (client->id_base > 0)
                id_pool_give_back(client->host->ids, client->id_base);
        g_free(client->name);
        g_free(client->cgroup);
        g_free(client);
}

void shim_client_leave(ShimClient *client) {
        if (!client)
                return;
        /* Else the event loop would kill its child with the source. */
        if (client->child && client->is_child)
                (void) sd_event_source_set_child_process_own(client->child, 0);
        shim_client_free(client);
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
