/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "service/shim-client-private.h"

#include "util/limits.h"
#include "util/log.h"

#define STOP_GRACE_USEC  (5 * 1000 * 1000ULL) /* what a stop may take beyond its own timeout */
#define START_GRACE_USEC (2 * 1000 * 1000ULL) /* the same for a start */
#define FOREVER          UINT64_MAX

/* ---- asking ---- */

static int on_request_timeout(sd_event_source *source G_GNUC_UNUSED, uint64_t usec G_GNUC_UNUSED,
                              void *userdata) {
        ShimRequest *request = userdata;

        if (!request->failure.message)
                (void) error_setf(&request->failure, ERROR_TIMEOUT,
                                  "The shim of the sandbox did not answer in time");
        shim_request_fail(request, &request->failure);
        return 0;
}

/* Sends now or keeps for later; takes what is in @writer. */
static int client_send(ShimClient *client, uint16_t type, uint32_t serial, WireWriter *writer, const int *fds,
                       size_t n_fds, Error *error) {
        int r = -EAGAIN;

        if (client->socket_fd < 0)
                return error_setf(error, ERROR_BAD_STATE, "The shim of the sandbox has ended");
        if (shim_queue_get_length(client->outgoing) == 0)
                r = wire_send(client->socket_fd, type, serial, writer, fds, n_fds);
        if (r >= 0)
                return 0;
        if (r != -EAGAIN)
                return error_set_errnof(error, -r, "Cannot tell the shim of the sandbox");
        if (shim_queue_get_length(client->outgoing) >= SHIM_QUEUE_MAX)
                return error_setf(error, ERROR_LIMIT_REACHED,
                                  "The shim of the sandbox has %d messages waiting", SHIM_QUEUE_MAX);
        shim_queue_push(client->outgoing, type, serial, writer, fds, n_fds);
        (void) sd_event_source_set_io_events(client->io, EPOLLIN | EPOLLOUT);
        return 0;
}

/* Takes what is in @writer; fills @ask's serial, type and timeout. @timeout_usec FOREVER: the shim's end is
 * the only one. */
static void client_ask(ShimClient *client, uint16_t type, WireWriter *writer, const int *fds, size_t n_fds,
                       uint64_t timeout_usec, ShimRequest ask) {
        ShimRequest *request = g_new0(ShimRequest, 1);
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
        if (r >= 0 && timeout_usec == FOREVER)
                return;
        r = sd_event_add_time_relative(client->host->event, &request->timeout, CLOCK_MONOTONIC,
                                       r < 0 ? 0 : timeout_usec, r < 0 ? 1 : 0, on_request_timeout, request);
        if (r < 0) {
                /* Without a timer nobody would ever be told; the shim's end tells everybody. */
                log_error("Cannot time a request to shim %s, which is killed: %s", client->name,
                          g_strerror(-r));
                shim_client_kill(client);
        }
}

void shim_client_start(ShimClient *client, const Spec *spec, ShimDone done, void *userdata) {
        WireWriter writer = WIRE_WRITER_NULL;

        spec_put(&writer, spec);
        client_ask(client, SHIM_START, &writer, NULL, 0, spec->start_timeout_usec + START_GRACE_USEC,
                   (ShimRequest){ .done = done, .userdata = userdata });
}

void shim_client_apply(ShimClient *client, const Plan *plan, const ShimApply *apply, ShimDone done,
                       void *userdata) {
        WireWriter writer = WIRE_WRITER_NULL;
        size_t n_fds = apply->fd >= 0 ? 1 : 0;

        plan_put(&writer, plan);
        wire_put_u32(&writer, (uint32_t) n_fds);
        if (n_fds > 0)
                wire_put_u32(&writer, apply->number);
        if (apply->record)
                shim_record_put(&writer, apply->ends_with, apply->record);
        client_ask(client, SHIM_APPLY, &writer, &apply->fd, n_fds, REQUEST_TIMEOUT_USEC,
                   (ShimRequest){ .done = done, .userdata = userdata });
}

void shim_client_set_lease(ShimClient *client, const Lease *lease, ShimDone done, void *userdata) {
        WireWriter writer = WIRE_WRITER_NULL;

        lease_put(&writer, lease);
        client_ask(client, SHIM_LEASE, &writer, NULL, 0, REQUEST_TIMEOUT_USEC,
                   (ShimRequest){ .done = done, .userdata = userdata });
}

void shim_client_set_hosts(ShimClient *client, const GArray *hosts, ShimDone done, void *userdata) {
        WireWriter writer = WIRE_WRITER_NULL;

        wire_put_u32(&writer, hosts->len);
        for (guint i = 0; i < hosts->len; i++)
                host_addresses_put(&writer, &g_array_index(hosts, HostAddresses, i));
        client_ask(client, SHIM_RESOLVED, &writer, NULL, 0, REQUEST_TIMEOUT_USEC,
                   (ShimRequest){ .done = done, .userdata = userdata });
}

void shim_client_run(ShimClient *client, const ShimRun *run, const int fds[3], ShimRan done, void *userdata) {
        WireWriter writer = WIRE_WRITER_NULL;

        shim_run_put(&writer, run);
        client_ask(client, SHIM_RUN, &writer, fds, run->terminal ? 0 : 3, REQUEST_TIMEOUT_USEC,
                   (ShimRequest){ .ran = done, .userdata = userdata });
}

void shim_client_get_namespaces(ShimClient *client, ShimNamespaces done, void *userdata) {
        WireWriter writer = WIRE_WRITER_NULL;

        client_ask(client, SHIM_GET_NAMESPACES, &writer, NULL, 0, REQUEST_TIMEOUT_USEC,
                   (ShimRequest){ .namespaces = done, .userdata = userdata });
}

void shim_client_snapshot(ShimClient *client, int fd, ShimDone done, void *userdata) {
        WireWriter writer = WIRE_WRITER_NULL;

        wire_put_u64(&writer, SNAPSHOT_TIMEOUT_USEC);
        client_ask(client, SHIM_SNAPSHOT, &writer, &fd, 1, SNAPSHOT_TIMEOUT_USEC + REQUEST_TIMEOUT_USEC,
                   (ShimRequest){ .done = done, .userdata = userdata });
}

void shim_client_signal(ShimClient *client, uint32_t run, int signal, ShimDone done, void *userdata) {
        WireWriter writer = WIRE_WRITER_NULL;

        wire_put_u32(&writer, run);
        wire_put_i32(&writer, signal);
        client_ask(client, SHIM_SIGNAL, &writer, NULL, 0, REQUEST_TIMEOUT_USEC,
                   (ShimRequest){ .done = done, .userdata = userdata });
}

void shim_client_freeze(ShimClient *client, ShimDone done, void *userdata) {
        WireWriter writer = WIRE_WRITER_NULL;

        client_ask(client, SHIM_FREEZE, &writer, NULL, 0, REQUEST_TIMEOUT_USEC,
                   (ShimRequest){ .done = done, .userdata = userdata });
}

void shim_client_thaw(ShimClient *client, ShimDone done, void *userdata) {
        WireWriter writer = WIRE_WRITER_NULL;

        client_ask(client, SHIM_THAW, &writer, NULL, 0, REQUEST_TIMEOUT_USEC,
                   (ShimRequest){ .done = done, .userdata = userdata });
}

void shim_client_hello(ShimClient *client, ShimHello done, void *userdata) {
        WireWriter writer = WIRE_WRITER_NULL;

        g_clear_pointer(&client->found, shim_found_free);
        client->found = shim_found_new();
        wire_put_u32(&writer, SHIM_VERSION);
        client_ask(client, SHIM_HELLO, &writer, NULL, 0, FOREVER,
                   (ShimRequest){ .hello = done, .userdata = userdata });
}

/* ---- telling, which nobody answers ---- */

static void client_tell(ShimClient *client, uint16_t type, WireWriter *writer) {
        g_auto(Error) error = ERROR_NULL;

        if (client->socket_fd >= 0 && client_send(client, type, 0, writer, NULL, 0, &error) < 0)
                log_failure(LOG_WARNING, &error, "Shim %s does not know what we know", client->name);
        wire_writer_done(writer);
}

static void client_note(ShimClient *client, uint16_t type, uint32_t run) {
        WireWriter writer = WIRE_WRITER_NULL;

        wire_put_u32(&writer, run);
        client_tell(client, type, &writer);
}

void shim_client_record(ShimClient *client, uint32_t ends_with, GBytes *record) {
        WireWriter writer = WIRE_WRITER_NULL;

        shim_record_put(&writer, ends_with, record);
        client_tell(client, SHIM_RECORD, &writer);
}

void shim_client_set_told(ShimClient *client, uint32_t run) {
        client_note(client, SHIM_TOLD, run);
}

void shim_client_forget(ShimClient *client, uint32_t run) {
        client_note(client, SHIM_FORGET, run);
}

void shim_client_set_terminal_opened(ShimClient *client, uint32_t run) {
        client_note(client, SHIM_TERMINAL_OPENED, run);
}

/* ---- stopping ---- */

static void on_stopped(void *userdata, const Error *error) {
        ShimClient *client = userdata;

        /* Only its exit proves that it is done; until then the deadline stands. */
        if (error)
                log_failure(LOG_DEBUG, error, "Shim %s did not stop by itself", client->name);
}

void shim_client_set_stopping(ShimClient *client, uint64_t usec) {
        client->stopping = true;
        shim_client_set_deadline(client, usec < FOREVER / 4 ? usec + STOP_GRACE_USEC : FOREVER / 4);
}

void shim_client_stop(ShimClient *client, uint64_t usec) {
        WireWriter writer = WIRE_WRITER_NULL;
        uint64_t patience = usec < UINT64_MAX / 4 ? usec + STOP_GRACE_USEC : UINT64_MAX / 4;
        bool is_first = !client->stopping;

        if (!client->child)
                return;
        client->stopping = true;
        shim_client_set_deadline(client, patience);
        if (!is_first) /* a shim stops once; the deadline may have come nearer */
                return;
        wire_put_u64(&writer, usec);
        client_ask(client, SHIM_STOP, &writer, NULL, 0, patience,
                   (ShimRequest){ .done = on_stopped, .userdata = client });
}
