/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gateways/dbus-proxy/connection.h"

#include <string.h>
#include <sys/socket.h>

#include "gateways/dbus-proxy/bus-header.h"
#include "gateways/dbus-proxy/sasl.h"
#include "gateways/dbus-proxy/stream.h"
#include "util/cleanup.h"
#include "util/limits.h"

/* Messages in one direction. */
typedef struct Flow {
        bool is_incoming;
        Stream *from, *to;  /* not owned */
        struct Flow *back;  /* not owned; the other direction */
        uint32_t body_left; /* of the message that is passing */
        bool is_dropping;   /* that body goes nowhere */
        guint64 hold_until; /* the sync that is waited for, 0 = none */
        bool is_synced;     /* the next message was waited for */
        GByteArray
                *answers; /* owned; what goes to @from when no message is halfway through on its way there */
} Flow;

struct Connection {
        const ConnectionContext *context; /* not owned */
        Stream client, bus;
        LoopSource *client_source, *bus_source; /* owned */
        LoopSource *timer;                      /* owned; until the client has said who it is */
        SaslServer sasl_server;
        SaslClient sasl_client;
        bool is_bus_ready, is_client_ready, is_client_gone, is_ended;
        Flow outgoing, incoming;
        Filter *filter;
};

/* What was read, and what of it goes on as it is: from @sent to @at. */
typedef struct Batch {
        const uint8_t *bytes;
        size_t size, at, sent;
} Batch;

/* ---- messages ---- */

/* Something of our own for where @flow comes from: not into the middle of another message. */
static void flow_answer(Flow *flow, const GByteArray *answer) {
        bool is_halfway = flow->back->body_left > 0 && !flow->back->is_dropping;

        if (!is_halfway && flow->answers->len == 0)
                stream_send(flow->from, answer->data, answer->len, NULL, 0);
        else
                g_byte_array_append(flow->answers, answer->data, answer->len);
}

static void batch_send(Flow *flow, Batch *batch) {
        stream_send(flow->to, batch->bytes + batch->sent, batch->at - batch->sent, NULL, 0);
        batch->sent = batch->at;
}

static void batch_pass_body(Flow *flow, Batch *batch) {
        size_t n = MIN(batch->size - batch->at, flow->body_left);
        GByteArray *answers = flow->back->answers;

        batch->at += n;
        flow->body_left -= (uint32_t) n;
        if (flow->is_dropping)
                batch->sent = batch->at;
        else if (flow->body_left == 0 && answers->len > 0) {
                /* between two messages now: what waited may go */
                batch_send(flow, batch);
                stream_send(flow->to, answers->data, answers->len, NULL, 0);
                g_byte_array_set_size(answers, 0);
        }
}

/* The message goes on as it is. Descriptors have to go with its first byte. */
static void pass_message(Flow *flow, Batch *batch, const BusHeader *header, const int *fds) {
        size_t size = MIN(batch->size - batch->at, header->size + header->body_size);

        flow->is_dropping = false;
        flow->body_left = header->body_size;
        if (header->n_fds == 0) {
                batch->at += header->size;
                return;
        }
        batch_send(flow, batch);
        stream_send(flow->to, batch->bytes + batch->at, size, fds, header->n_fds);
        batch->at += size;
        batch->sent = batch->at;
        flow->body_left = (uint32_t) (header->size + header->body_size - size);
}

static void drop_message(Flow *flow, Batch *batch, const BusHeader *header, bool is_replaced,
                         const GByteArray *answer) {
        batch_send(flow, batch);
        if (is_replaced)
                stream_send(flow->to, answer->data, answer->len, NULL, 0);
        else
                flow_answer(flow, answer);
        batch->at += header->size;
        batch->sent = batch->at;
        flow->is_dropping = true;
        flow->body_left = header->body_size;
}

static void flow_hold(Connection *connection, Flow *flow) {
        flow->hold_until = tracker_sync(connection->context->tracker);
}

/* A header that is whole, with the body if that is looked at. Returns 1, 0 for one that has to wait. */
static int judge_message(Connection *connection, Flow *flow, Batch *batch, const BusHeader *header,
                         bool is_too_large) {
        g_autoptr(GByteArray) answer = g_byte_array_new();
        int fds[BUS_PROXY_FDS_MAX];
        FilterVerdict verdict;
        int r;

        verdict = is_too_large ? filter_judge_too_large(connection->filter, header, flow->is_incoming, answer)
                               : filter_judge(connection->filter, header, batch->bytes + batch->at,
                                              flow->is_incoming, flow->is_synced, answer);
        if (verdict == FILTER_HOLD) {
                flow_hold(connection, flow);
                return 0;
        }
        flow->is_synced = false;
        if (verdict == FILTER_CUT)
                return -EPROTO;
        r = stream_take_fds(flow->from, header->n_fds, fds);
        if (r < 0)
                return r;
        if (verdict == FILTER_PASS)
                pass_message(flow, batch, header, fds);
        else {
                stream_close_fds(fds, header->n_fds);
                drop_message(flow, batch, header, verdict == FILTER_REPLACE, answer);
        }
        return 1;
}

/* What the bus sends and is not as it should be is not shown to the client; who else sends such things goes.
 */
static int refuse_header(Connection *connection, Flow *flow, Batch *batch, size_t size, uint32_t body_size) {
        BusHeader header = { .size = size, .body_size = body_size };
        g_autoptr(GByteArray) nothing = g_byte_array_new();

        filter_report(connection->filter, flow->is_incoming, "Message with a header that breaks the rules");
        if (!flow->is_incoming)
                return -EBADMSG;
        drop_message(flow, batch, &header, false, nothing);
        return 1;
}

/* Returns 1 when a message was judged, 0 when more is needed, or a negative errno to cut. */
static int take_message(Connection *connection, Flow *flow, Batch *batch) {
        const uint8_t *bytes = batch->bytes + batch->at;
        size_t left = batch->size - batch->at, size;
        bool needs_body, is_too_large;
        uint32_t body_size;
        BusHeader header;
        int r;

        if (left < BUS_HEADER_FIXED)
                return 0;
        r = bus_header_measure(bytes, &size, &body_size);
        if (r >= 0 && size > BUS_PROXY_HEADER_MAX)
                r = -EMSGSIZE;
        if (r < 0) {
                filter_report(connection->filter, flow->is_incoming, "Bytes that are no message");
                return r;
        }
        if (left < size)
                return 0;
        r = bus_header_parse(bytes, &header);
        if (r >= 0 && (header.n_fds > BUS_PROXY_FDS_MAX ||
                       (header.n_fds > 0 && !flow->is_incoming && !connection->sasl_server.passes_fds)))
                r = -EBADMSG;
        if (r < 0)
                return refuse_header(connection, flow, batch, size, body_size);
        needs_body = filter_needs_body(&header, flow->is_incoming);
        is_too_large = size + body_size > BUS_PROXY_MESSAGE_MAX ||
                       (needs_body && body_size > (flow->is_incoming ? BUS_PROXY_DRIVER_REPLY_MAX
                                                                     : BUS_PROXY_DRIVER_CALL_MAX));
        if (needs_body && !is_too_large && left < size + body_size)
                return 0;
        return judge_message(connection, flow, batch, &header, is_too_large);
}

/* Judges and passes what it can. Returns how much was taken, or a negative errno to cut. */
static ssize_t flow_run(Connection *connection, Flow *flow, const uint8_t *bytes, size_t size) {
        Batch batch = { .bytes = bytes, .size = size };
        int r = 1;

        while (r > 0) {
                if (flow->body_left > 0) {
                        if (batch.at == size)
                                break;
                        batch_pass_body(flow, &batch);
                } else
                        r = take_message(connection, flow, &batch);
        }
        /* What was judged before goes on, also if what follows cuts the connection. */
        batch_send(flow, &batch);
        if (r < 0)
                return r;
        /* Every descriptor belongs to a message whose first byte it came with. */
        if (batch.at == size && flow->body_left == 0 && flow->from->in_fds && flow->from->in_fds->len > 0)
                return -EBADMSG;
        return (ssize_t) batch.at;
}

/* ---- reading ---- */

/* Somebody who does not read must not fill us. */
static bool flow_can_read(const Flow *flow) {
        return flow->hold_until == 0 && flow->to->n_out < BUS_PROXY_QUEUE_MAX &&
               flow->from->n_out + flow->answers->len < 4 * BUS_PROXY_QUEUE_MAX;
}

static ssize_t feed_server(Connection *connection, const uint8_t *bytes, size_t size) {
        g_autoptr(GString) answer = g_string_new(NULL);
        size_t used;
        int r;

        r = sasl_server_feed(&connection->sasl_server, connection->sasl_client.guid,
                             connection->sasl_client.passes_fds, bytes, size, &used, answer);
        if (r < 0) {
                filter_report(connection->filter, false, "Client that does not say who it is as clients do");
                return r;
        }
        if (r > 0) {
                connection->is_client_ready = true;
                g_clear_pointer(&connection->timer, loop_source_free);
        }
        stream_send(&connection->client, answer->str, answer->len, NULL, 0);
        return (ssize_t) used;
}

static ssize_t feed_client(Connection *connection, const uint8_t *bytes, size_t size) {
        g_autoptr(GString) text = g_string_new(NULL);
        size_t used;
        int r;

        r = sasl_client_feed(&connection->sasl_client, bytes, size, &used, text);
        if (r < 0)
                return r;
        if (r > 0)
                connection->is_bus_ready = true;
        stream_send(&connection->bus, text->str, text->len, NULL, 0);
        return (ssize_t) used;
}

/* Takes what can be taken of what was read. */
static int flow_take(Connection *connection, Flow *flow, const uint8_t *bytes, size_t size) {
        bool *is_ready = flow->is_incoming ? &connection->is_bus_ready : &connection->is_client_ready;
        size_t at = 0;
        ssize_t used;

        if (!*is_ready) {
                used = flow->is_incoming ? feed_client(connection, bytes, size)
                                         : feed_server(connection, bytes, size);
                if (used < 0)
                        return (int) used;
                at = (size_t) used;
        }
        if (*is_ready && flow->hold_until == 0) {
                /* until it is known who owns what at all */
                if (connection->context->tracker && tracker_get_synced(connection->context->tracker) == 0)
                        flow_hold(connection, flow);
                else {
                        used = flow_run(connection, flow, bytes + at, size - at);
                        if (used < 0)
                                return (int) used;
                        at += (size_t) used;
                }
        }
        stream_take(flow->from, bytes, size, at);
        return 0;
}

static int flow_read(Connection *connection, Flow *flow) {
        const uint8_t *bytes;
        size_t size;
        int r;

        r = stream_receive(flow->from, &bytes, &size);
        if (r == -EAGAIN)
                return 0;
        if (flow->is_incoming && r == 0)
                return -ECONNRESET;
        if (!flow->is_incoming && (r == 0 || r == -ECONNRESET)) {
                connection->is_client_gone = true;
                return 0;
        }
        if (r < 0)
                return r;
        return flow_take(connection, flow, bytes, size);
}

/* ---- events ---- */

static void connection_end(Connection *connection) {
        if (connection->is_ended)
                return;
        connection->is_ended = true;
        connection->context->ended(connection->context->userdata, connection);
}

/* Nothing to wait for is LOOP_OFF: an end that hung up while nothing is read from it would be told for ever.
 */
static short events_of(const Stream *stream, bool is_read) {
        short events = (short) ((is_read ? POLLIN : 0) | (stream->n_out > 0 ? POLLOUT : 0));

        return events != 0 ? events : LOOP_OFF;
}

/* Says what is waited for, or ends a connection that nothing is left to do for. */
static void connection_settle(Connection *connection, int r) {
        bool is_gone = connection->is_client_gone;
        bool may_end = is_gone && connection->outgoing.hold_until == 0 && connection->bus.n_out == 0;
        bool reads_client = connection->is_bus_ready && !is_gone && flow_can_read(&connection->outgoing);
        /* Who does not listen any more may have said something before it left: a program that sends a signal
         * and ends. */
        bool reads_bus = !is_gone && !connection->client.is_broken && flow_can_read(&connection->incoming);

        if (r < 0 || connection->bus.is_broken || may_end) {
                stream_flush(&connection->client);
                connection_end(connection);
                return;
        }
        loop_source_set_events(connection->client_source, events_of(&connection->client, reads_client));
        loop_source_set_events(connection->bus_source, events_of(&connection->bus, reads_bus));
}

/* @out is the end that is ready; @in is the direction that comes from it. */
static void stream_ready(Connection *connection, Stream *out, Flow *in, short revents) {
        bool is_client = out == &connection->client;
        int r = 0;

        if (revents & (POLLOUT | POLLERR) && out->n_out > 0)
                stream_flush(out);
        if (revents & (POLLIN | POLLHUP | POLLERR) && flow_can_read(in) && !connection->is_client_gone &&
            (is_client || !connection->client.is_broken))
                r = flow_read(connection, in);
        connection_settle(connection, r);
}

static void client_ready(void *userdata, short revents) {
        Connection *connection = userdata;

        stream_ready(connection, &connection->client, &connection->outgoing, revents);
}

static void bus_ready(void *userdata, short revents) {
        Connection *connection = userdata;

        stream_ready(connection, &connection->bus, &connection->incoming, revents);
}

static void auth_elapsed(void *userdata) {
        Connection *connection = userdata;

        filter_report(connection->filter, false, "Client that did not say who it is in time");
        connection_end(connection);
}

static int flow_resume(Connection *connection, Flow *flow) {
        const Tracker *tracker = connection->context->tracker;

        if (flow->hold_until == 0 || (tracker && tracker_get_synced(tracker) < flow->hold_until))
                return 0;
        /* the first is of before anything that was held for it */
        flow->is_synced = flow->hold_until > 1;
        flow->hold_until = 0;
        if (!flow->from->in)
                return 0;
        return flow_take(connection, flow, flow->from->in->data, flow->from->in->len);
}

void connection_resume(Connection *connection) {
        int r;

        if (connection->is_ended)
                return;
        r = flow_resume(connection, &connection->outgoing);
        if (r >= 0)
                r = flow_resume(connection, &connection->incoming);
        connection_settle(connection, r);
}

static pid_t peer_pid(int fd) {
        struct ucred credentials = { 0 };
        socklen_t size = sizeof(credentials);

        return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) < 0 ? 0 : credentials.pid;
}

int connection_new(const ConnectionContext *context, int client_fd, Connection **ret, Error *error) {
        g_autoptr(Connection) connection = g_new0(Connection, 1);
        g_autoptr(GString) text = g_string_new(NULL);
        int r;

        connection->context = context;
        connection->client = STREAM_NULL;
        connection->bus = STREAM_NULL;
        connection->client.fd = client_fd;
        connection->outgoing = (Flow){ .from = &connection->client,
                                       .to = &connection->bus,
                                       .back = &connection->incoming };
        connection->incoming = (Flow){ .from = &connection->bus,
                                       .to = &connection->client,
                                       .back = &connection->outgoing };
        connection->incoming.is_incoming = true;
        connection->outgoing.answers = g_byte_array_new();
        connection->incoming.answers = g_byte_array_new();
        connection->filter = filter_new(context->filter, peer_pid(client_fd));
        r = bus_address_connect(context->address, &connection->bus.fd, error);
        if (r < 0)
                return r;
        sasl_client_begin(context->uid, text);
        stream_send(&connection->bus, text->str, text->len, NULL, 0);
        connection->bus_source = loop_add_fd(context->loop, LOOP_RANK_NORMAL, connection->bus.fd, POLLIN,
                                             bus_ready, connection);
        connection->client_source = loop_add_fd(context->loop, LOOP_RANK_NORMAL, client_fd, LOOP_OFF,
                                                client_ready, connection);
        connection->timer = loop_add_timer(context->loop, auth_elapsed, connection);
        loop_source_set_time(connection->timer,
                             g_get_monotonic_time() + (gint64) BUS_PROXY_AUTH_TIMEOUT_USEC);
        *ret = g_steal_pointer(&connection);
        return 0;
}

void connection_free(Connection *connection) {
        if (!connection)
                return;
        loop_source_free(connection->client_source);
        loop_source_free(connection->bus_source);
        loop_source_free(connection->timer);
        stream_done(&connection->client);
        stream_done(&connection->bus);
        g_byte_array_unref(connection->outgoing.answers);
        g_byte_array_unref(connection->incoming.answers);
        filter_free(connection->filter);
        g_free(connection);
}
