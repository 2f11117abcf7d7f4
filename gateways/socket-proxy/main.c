/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bulkhead-socket-proxy: between the clients of one sandbox and one server of the owner's session
 *
 * Started by the shim when the first client connects to the sandbox's socket, with their common socket as
 * descriptor 3. For each client it connects to the server anew, by path: a server that restarts is met again. It
 * does so as the server's own user, which both sound servers and compositors ask for, and which no sandbox is.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "config.h"
#include "gateways/socket-proxy/confine.h"
#include "gateways/socket-proxy/relay.h"
#include "gateways/socket-proxy/wayland-context.h"
#include "plan/socket-proxy-message.h"
#include "util/cleanup.h"
#include "util/limits.h"
#include "util/log.h"
#include "util/loop.h"

#define SHIM_FD 3
#define SANDBOX_ENGINE "org.bulkhead.Bulkhead1"
#define CONTEXT_TIMEOUT_MSEC 1000
/* Refusals of one kind are told at once, and those that follow together after this time. */
#define DENIED_INTERVAL_USEC (1000 * 1000)

typedef struct Denied {
        const char *target, *detail;
        uint32_t count; /* not told yet */
} Denied;

typedef struct Proxy {
        Loop *loop;
        SocketProxyConfig config;
        int listen_fd, context_fd;
        LoopSource *listen_source, *context_source, *denied_timer;
        GPtrArray *relays; /* owned Relay */
        GArray *denied;    /* Denied */
        gint64 quiet_until;
        bool is_over;
} Proxy;

/* ---- telling the shim ---- */

static void tell_denied(Proxy *proxy) {
        for (guint i = 0; i < proxy->denied->len; i++) {
                const Denied *denied = &g_array_index(proxy->denied, Denied, i);
                SocketProxyDenied told = { (char *) denied->target, (char *) denied->detail, denied->count };
                WireWriter writer = WIRE_WRITER_NULL;

                socket_proxy_denied_put(&writer, &told);
                (void) wire_send(SHIM_FD, SOCKET_PROXY_DENIED, 0, &writer, NULL, 0);
                wire_writer_done(&writer);
        }
        g_array_set_size(proxy->denied, 0);
        proxy->quiet_until = g_get_monotonic_time() + DENIED_INTERVAL_USEC;
}

static void on_denied_timer(void *userdata) {
        tell_denied(userdata);
}

static void count_denied(Proxy *proxy, const char *target, const char *detail) {
        Denied denied = { target, detail, 1 };

        for (guint i = 0; i < proxy->denied->len; i++) {
                Denied *known = &g_array_index(proxy->denied, Denied, i);

                if (known->target == target && known->detail == detail) {
                        known->count++;
                        return;
                }
        }
        g_array_append_val(proxy->denied, denied);
}

static void on_denied(void *userdata, const char *target, const char *detail) {
        Proxy *proxy = userdata;

        count_denied(proxy, target, detail);
        if (g_get_monotonic_time() >= proxy->quiet_until)
                tell_denied(proxy);
        else
                loop_source_set_time(proxy->denied_timer, proxy->quiet_until);
}

static void tell_way(const char *way) {
        WireWriter writer = WIRE_WRITER_NULL;

        wire_put_string(&writer, way);
        (void) wire_send(SHIM_FD, SOCKET_PROXY_WAY, 0, &writer, NULL, 0);
        wire_writer_done(&writer);
}

/* ---- clients ---- */

static void listen_again(Proxy *proxy);

/* Without waiting: a server whose queue is full is as good as none. */
static int connect_upstream(const Proxy *proxy) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        autofd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        int with_credentials = 1, r;

        /* The sound server looks at who sends the first message. It asks the kernel for that after it has accepted us,
         * which may be too late: so we ask. */
        if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &with_credentials, sizeof(with_credentials)) < 0)
                return -errno;
        g_strlcpy(address.sun_path, proxy->config.upstream, sizeof(address.sun_path));
        if (connect(fd, (const struct sockaddr *) &address, sizeof(address)) < 0)
                return -errno;
        r = fd;
        fd = -EBADF;
        return r;
}

static void on_relay_ended(void *userdata, Relay *relay, const Error *error) {
        Proxy *proxy = userdata;

        if (error)
                log_failure(LOG_NOTICE, error, "A client of '%s' is cut", proxy->config.app_id);
        g_ptr_array_remove_fast(proxy->relays, relay);
        listen_again(proxy);
}

static void add_client(Proxy *proxy, int client_fd) {
        PulseFilter *filter = NULL;
        int server_fd = connect_upstream(proxy);

        if (server_fd < 0) {
                log_notice("Cannot reach '%s' for '%s': %s", proxy->config.upstream, proxy->config.app_id,
                           g_strerror(-server_fd));
                (void) fd_close(client_fd);
                return;
        }
        if (proxy->config.server == PLAN_SOCKET_PULSEAUDIO)
                filter = pulse_filter_new(proxy->config.flags, on_denied, proxy);
        g_ptr_array_add(proxy->relays, relay_new(proxy->loop, client_fd, server_fd, filter, on_relay_ended, proxy));
}

static void on_context_hangup(void *userdata, short revents) {
        Proxy *proxy = userdata;

        (void) revents;
        g_clear_pointer(&proxy->context_source, loop_source_free);
        proxy->context_fd = fd_close(proxy->context_fd);
        listen_again(proxy);
}

/* True if the compositor listens from now on, to who is waiting too. */
static bool open_context(Proxy *proxy) {
        autofd int fd = connect_upstream(proxy);
        WaylandContext context = { SANDBOX_ENGINE, proxy->config.app_id, proxy->config.instance_id,
                                   proxy->listen_fd, CONTEXT_TIMEOUT_MSEC };
        g_auto(Error) error = ERROR_NULL;
        int r;

        if (fd < 0)
                return false;
        r = wayland_context_open(fd, &context, &proxy->context_fd, &error);
        if (r < 0)
                log_failure(LOG_WARNING, &error, "No security context for '%s'", proxy->config.app_id);
        tell_way(r > 0 ? "security context" : "relay");
        if (r <= 0)
                return false;
        proxy->context_source =
                loop_add_fd(proxy->loop, LOOP_RANK_NORMAL, proxy->context_fd, 0, on_context_hangup, proxy);
        return true;
}

static void on_connection(void *userdata, short revents) {
        Proxy *proxy = userdata;
        int fd;

        (void) revents;
        if (proxy->config.server == PLAN_SOCKET_WAYLAND && open_context(proxy)) {
                listen_again(proxy);
                return;
        }
        fd = accept4(proxy->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0)
                add_client(proxy, fd);
        listen_again(proxy);
}

/* Who comes when there are too many waits in the socket's queue. */
static void listen_again(Proxy *proxy) {
        bool wanted = proxy->context_fd < 0 && proxy->relays->len < SOCKET_PROXY_CLIENTS_MAX;

        loop_source_set_events(proxy->listen_source, wanted ? POLLIN : 0);
}

/* ---- the shim ---- */

static void change_flags(Proxy *proxy, PlanSocketFlags flags) {
        proxy->config.flags = flags;
        for (guint i = proxy->relays->len; i > 0; i--) {
                Relay *relay = proxy->relays->pdata[i - 1];

                if (relay_get_filter(relay) && pulse_filter_set_flags(relay_get_filter(relay), flags))
                        g_ptr_array_remove_index_fast(proxy->relays, i - 1);
        }
        listen_again(proxy);
}

static void on_shim(void *userdata, short revents) {
        Proxy *proxy = userdata;
        g_auto(SocketProxyConfig) config = { 0 };
        g_auto(Error) error = ERROR_NULL;
        WireMessage message = WIRE_MESSAGE_NULL;
        WireReader reader;
        int r;

        (void) revents;
        r = wire_receive(SHIM_FD, &message);
        if (r == -EAGAIN)
                return;
        if (r <= 0) {
                proxy->is_over = true;
                return;
        }
        reader = wire_reader(&message);
        if (message.header.type == SOCKET_PROXY_CONFIG && socket_proxy_config_get(&reader, &config, &error) >= 0)
                change_flags(proxy, config.flags);
        wire_message_done(&message);
        if (error.message) {
                log_failure(LOG_ERR, &error, "Cannot take the new configuration");
                proxy->is_over = true; /* what was revoked must not go on */
        }
}

static int receive_config(Proxy *proxy, Error *error) {
        WireMessage message = WIRE_MESSAGE_NULL;
        int r = wire_receive(SHIM_FD, &message);

        if (r <= 0)
                return error_set_errnof(error, r < 0 ? -r : EPIPE, "Cannot hear the shim");
        if (message.header.type != SOCKET_PROXY_CONFIG || message.n_fds != 1)
                r = error_setf(error, ERROR_INVALID_ARGS, "The shim sent no configuration");
        else {
                WireReader reader = wire_reader(&message);

                r = socket_proxy_config_get(&reader, &proxy->config, error);
                proxy->listen_fd = wire_message_steal_fd(&message, 0);
        }
        wire_message_done(&message);
        return r;
}

static int serve(Proxy *proxy, Error *error) {
        int flags, r;

        r = receive_config(proxy, error);
        if (r < 0)
                return r;
        /* The shim's other descriptions of it may be waited on as well: whoever comes late must not hang. */
        flags = fcntl(proxy->listen_fd, F_GETFL);
        if (flags < 0 || fcntl(proxy->listen_fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
            fcntl(SHIM_FD, F_SETFL, O_NONBLOCK) < 0)
                return error_set_errnof(error, errno, "Cannot set up sockets");
        r = confine(proxy->config.uid, proxy->config.gid, error);
        if (r < 0)
                return r;
        proxy->listen_source =
                loop_add_fd(proxy->loop, LOOP_RANK_NORMAL, proxy->listen_fd, POLLIN, on_connection, proxy);
        proxy->denied_timer = loop_add_timer(proxy->loop, on_denied_timer, proxy);
        (void) loop_add_fd(proxy->loop, LOOP_RANK_SERVICE, SHIM_FD, POLLIN, on_shim, proxy);
        while (!proxy->is_over && r >= 0)
                r = loop_run_once(proxy->loop, error);
        return r;
}

static void relay_destroy(void *relay) {
        relay_free(relay);
}

int main(int argc, char **argv) {
        Proxy proxy = { .listen_fd = -EBADF, .context_fd = -EBADF };
        g_auto(Error) error = ERROR_NULL;
        int r;

        if (argc == 2 && strcmp(argv[1], "--version") == 0) {
                puts(BULKHEAD_VERSION);
                return 0;
        }
        if (argc > 1) {
                puts("bulkhead-socket-proxy\n\n"
                     "Started by bulkhead-shim, with their common socket as descriptor 3; of no use by hand.");
                return strcmp(argv[1], "--help") == 0 ? 0 : 2;
        }
        log_open("bulkhead-socket-proxy", FALSE);
        if (getenv("BULKHEAD_LOG_LEVEL"))
                log_set_level(log_level_from_string(getenv("BULKHEAD_LOG_LEVEL")));
        if (close_range(SHIM_FD + 1, ~0u, 0) < 0)
                return 1;
        proxy.loop = loop_new();
        proxy.relays = g_ptr_array_new_with_free_func(relay_destroy);
        proxy.denied = g_array_new(FALSE, TRUE, sizeof(Denied));
        r = serve(&proxy, &error);
        if (r < 0)
                log_failure(LOG_ERR, &error, "Cannot go on for '%s'", proxy.config.app_id ?: "?");
        g_ptr_array_unref(proxy.relays);
        loop_free(proxy.loop);
        g_array_unref(proxy.denied);
        socket_proxy_config_done(&proxy.config);
        return r < 0 ? 1 : 0;
}
