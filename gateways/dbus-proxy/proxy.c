/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gateways/dbus-proxy/proxy.h"

#include <fcntl.h>
#include <sys/socket.h>

#include "gateways/dbus-proxy/connection.h"
#include "gateways/dbus-proxy/lockdown.h"
#include "util/cleanup.h"
#include "util/limits.h"
#include "util/log.h"

struct Proxy {
        Loop *loop;
        int shim_fd;               /* not owned */
        int listen_fd;             /* owned; -EBADF before the start */
        LoopSource *shim_source;   /* owned */
        LoopSource *listen_source; /* owned; NULL before there are rules */
        LoopSource *idle_timer;    /* owned */
        BusProxyStart start;
        BusAddress *address;
        RuleSet *rules;
        Tracker *tracker; /* NULL = rules need no names, or nobody is connected */
        Reporter *reporter;
        FilterContext filter;
        ConnectionContext context;
        GPtrArray *connections; /* owned Connection */
        bool has_warned;        /* that the bus cannot be reached */
        bool is_ended;
        Error error; /* of what ended it */
};

/* ---- to the shim ---- */

/* Nobody waits for a shim: what it does not read is lost. */
static void tell_denied(void *userdata, const BusProxyDenied *denied) {
        Proxy *proxy = userdata;
        WireWriter writer = WIRE_WRITER_NULL;

        bus_proxy_denied_put(&writer, denied);
        (void) wire_send(proxy->shim_fd, BUS_PROXY_DENIED, 0, &writer, NULL, 0);
        wire_writer_done(&writer);
}

static void tell_warning(Proxy *proxy, const char *text) {
        WireWriter writer = WIRE_WRITER_NULL;

        wire_put_string(&writer, text);
        (void) wire_send(proxy->shim_fd, BUS_PROXY_WARNING, 0, &writer, NULL, 0);
        wire_writer_done(&writer);
}

/* ---- connections ---- */

static void set_tracker(Proxy *proxy, Tracker *tracker) {
        tracker_free(proxy->tracker);
        proxy->tracker = tracker;
        proxy->context.tracker = tracker;
        proxy->filter.names = tracker ? tracker_get_names(tracker) : NULL;
}

/* From the end, since those that end are taken out. */
static void resume_all(Proxy *proxy) {
        for (guint i = proxy->connections->len; i > 0; i--)
                connection_resume(proxy->connections->pdata[i - 1]);
}

static void end_all(Proxy *proxy) {
        g_ptr_array_set_size(proxy->connections, 0);
        set_tracker(proxy, NULL);
        loop_source_set_time(proxy->idle_timer, g_get_monotonic_time() + (gint64) BUS_PROXY_IDLE_USEC);
}

static void on_tracker_changed(void *userdata, bool is_broken) {
        Proxy *proxy = userdata;

        /* The bus is gone, and with it every connection. */
        if (is_broken)
                end_all(proxy);
        else
                resume_all(proxy);
}

/* Follows the names while rules need them and somebody is there. */
static int follow_names(Proxy *proxy, Error *error) {
        bool is_needed = rule_set_needs_names(proxy->rules);
        Tracker *tracker;
        int r;

        if (is_needed == (proxy->tracker != NULL))
                return 0;
        if (!is_needed) {
                set_tracker(proxy, NULL);
                return 0;
        }
        r = tracker_new(proxy->loop, proxy->address, proxy->start.uid, on_tracker_changed, proxy, &tracker,
                        error);
        if (r >= 0)
                set_tracker(proxy, tracker);
        return r;
}

static void on_connection_ended(void *userdata, Connection *connection) {
        Proxy *proxy = userdata;

        g_ptr_array_remove_fast(proxy->connections, connection);
        loop_source_set_events(proxy->listen_source, POLLIN);
        if (proxy->connections->len == 0)
                end_all(proxy);
}

static void warn_once(Proxy *proxy, const Error *error) {
        if (!proxy->has_warned)
                tell_warning(proxy, error->message);
        proxy->has_warned = true;
}

/* Takes @fd. */
static void add_connection(Proxy *proxy, int fd) {
        g_auto(Error) error = ERROR_NULL;
        Connection *connection;
        int r;

        if (proxy->connections->len >= BUS_PROXY_CONNECTIONS_MAX) {
                reporter_add(proxy->reporter,
                             &(BusProxyDenied){ .detail = (char *) "More connections than an app may have" });
                (void) fd_close(fd);
                return;
        }
        r = follow_names(proxy, &error);
        if (r < 0)
                (void) fd_close(fd);
        else
                r = connection_new(&proxy->context, fd, &connection, &error);
        if (r < 0) {
                warn_once(proxy, &error);
                if (proxy->connections->len == 0)
                        end_all(proxy);
                return;
        }
        proxy->has_warned = false;
        loop_source_set_time(proxy->idle_timer, 0);
        g_ptr_array_add(proxy->connections, connection);
}

static void on_listen(void *userdata, short revents G_GNUC_UNUSED) {
        Proxy *proxy = userdata;
        int fd = accept4(proxy->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

        if (fd >= 0)
                add_connection(proxy, fd);
        else if (errno == EMFILE || errno == ENFILE)
                /* until a connection ends */
                loop_source_set_events(proxy->listen_source, proxy->connections->len > 0 ? LOOP_OFF : POLLIN);
}

static void on_idle(void *userdata) {
        Proxy *proxy = userdata;

        proxy->is_ended = true;
}

/* ---- from the shim ---- */

static int take_start(Proxy *proxy, WireMessage *message, Error *error) {
        WireReader reader = wire_reader(message);
        int r;

        if (proxy->address)
                return error_setf(error, ERROR_BAD_STATE, "Bus proxy was started twice");
        r = bus_proxy_start_get(&reader, &proxy->start, error);
        if (r < 0)
                return r;
        proxy->listen_fd = wire_message_steal_fd(message, 0);
        if (proxy->listen_fd < 0)
                return error_setf(error, ERROR_INVALID_ARGS, "Bus proxy without a socket to listen on");
        if (fcntl(proxy->listen_fd, F_SETFL, O_RDWR | O_NONBLOCK) < 0)
                return error_set_errnof(error, errno, "Cannot set up the socket to listen on");
        r = bus_address_new(proxy->start.address, &proxy->address, error);
        if (r < 0)
                return r;
        proxy->filter.bus = proxy->start.bus;
        proxy->context.address = proxy->address;
        proxy->context.uid = proxy->start.uid;
        return lockdown_enter(proxy->start.uid, proxy->start.gid, error);
}

static int take_rules(Proxy *proxy, WireMessage *message, Error *error) {
        g_auto(Error) bus_error = ERROR_NULL;
        WireReader reader = wire_reader(message);
        g_autoptr(GPtrArray) rules = NULL;
        int r;

        if (!proxy->address)
                return error_setf(error, ERROR_BAD_STATE, "Bus proxy got rules before its start");
        r = bus_proxy_rules_get(&reader, &rules, error);
        if (r < 0)
                return r;
        g_clear_pointer(&proxy->rules, rule_set_free);
        proxy->rules = rule_set_new(g_steal_pointer(&rules));
        proxy->filter.rules = proxy->rules;
        if (!proxy->listen_source) {
                proxy->listen_source = loop_add_fd(proxy->loop, LOOP_RANK_NORMAL, proxy->listen_fd, POLLIN,
                                                   on_listen, proxy);
                loop_source_set_time(proxy->idle_timer,
                                     g_get_monotonic_time() + (gint64) BUS_PROXY_IDLE_USEC);
        }
        if (proxy->connections->len == 0)
                return 0;
        if (follow_names(proxy, &bus_error) < 0) {
                warn_once(proxy, &bus_error);
                end_all(proxy);
        } else
                resume_all(proxy);
        return 0;
}

static int take_message(Proxy *proxy, WireMessage *message, Error *error) {
        switch (message->header.type) {
        case BUS_PROXY_START:
                return take_start(proxy, message, error);
        case BUS_PROXY_RULES:
                return take_rules(proxy, message, error);
        default: /* of a newer shim */
                return 0;
        }
}

static void on_shim(void *userdata, short revents G_GNUC_UNUSED) {
        Proxy *proxy = userdata;
        WireMessage message = WIRE_MESSAGE_NULL;
        int r = wire_receive(proxy->shim_fd, &message);

        if (r == -EAGAIN)
                return;
        if (r > 0)
                r = take_message(proxy, &message, &proxy->error);
        else if (r < 0)
                (void) error_set_errnof(&proxy->error, -r, "Cannot hear the shim");
        else
                proxy->is_ended = true;
        if (r < 0)
                proxy->is_ended = true;
        wire_message_done(&message);
}

/* ---- life ---- */

Proxy *proxy_new(int shim_fd) {
        Proxy *proxy = g_new0(Proxy, 1);

        proxy->loop = loop_new();
        proxy->shim_fd = shim_fd;
        proxy->listen_fd = -EBADF;
        proxy->connections = g_ptr_array_new_with_free_func((GDestroyNotify) connection_free);
        proxy->reporter = reporter_new(proxy->loop, tell_denied, proxy);
        proxy->filter.reporter = proxy->reporter;
        proxy->context = (ConnectionContext){
                .loop = proxy->loop,
                .filter = &proxy->filter,
                .ended = on_connection_ended,
                .userdata = proxy,
        };
        /* Before all others of a round: what the shim took away holds from the next message on. */
        proxy->shim_source = loop_add_fd(proxy->loop, LOOP_RANK_INIT, shim_fd, POLLIN, on_shim, proxy);
        proxy->idle_timer = loop_add_timer(proxy->loop, on_idle, proxy);
        return proxy;
}

void proxy_free(Proxy *proxy) {
        if (!proxy)
                return;
        g_ptr_array_unref(proxy->connections);
        set_tracker(proxy, NULL);
        reporter_free(proxy->reporter);
        loop_source_free(proxy->shim_source);
        loop_source_free(proxy->listen_source);
        loop_source_free(proxy->idle_timer);
        loop_free(proxy->loop);
        rule_set_free(proxy->rules);
        bus_address_free(proxy->address);
        bus_proxy_start_done(&proxy->start);
        error_done(&proxy->error);
        (void) fd_close(proxy->listen_fd);
        g_free(proxy);
}

int proxy_run(Proxy *proxy, Error *error) {
        int r;

        while (!proxy->is_ended) {
                r = loop_run_once(proxy->loop, error);
                if (r < 0)
                        return r;
        }
        return proxy->error.message ? error_move(error, &proxy->error) : 0;
}
