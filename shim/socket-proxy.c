/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "shim/socket-proxy.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "plan/socket-proxy-message.h"
#include "util/cleanup.h"
#include "util/fs.h"
#include "util/limits.h"
#include "util/log.h"
#include "util/spawn.h"

#define PROGRAM "bulkhead-socket-proxy"
/* A proxy that ends at once is not started more often than this. */
#define RESTART_USEC (500 * 1000)

struct SocketProxy {
        SocketProxySetup setup;
        PlanSocket server;
        PlanSocketFlags flags;
        char *path;         /* owned */
        int listen_fd;      /* owned */
        int control_fd;     /* owned; -EBADF while there is no process */
        pid_t pid;          /* 0 while there is none */
        gint64 started_usec;
        LoopSource *listen_source, *control_source, *child_source, *timer; /* NULL while there is none */
};

static void listen_for_clients(SocketProxy *proxy);

/* ---- the process ---- */

static void close_control(SocketProxy *proxy) {
        g_clear_pointer(&proxy->control_source, loop_source_free);
        proxy->control_fd = fd_close(proxy->control_fd);
}

static void on_exited(void *userdata, int status G_GNUC_UNUSED) {
        SocketProxy *proxy = userdata;
        gint64 next = proxy->started_usec + RESTART_USEC;

        proxy->child_source = NULL;
        proxy->pid = 0;
        close_control(proxy);
        if (g_get_monotonic_time() >= next)
                listen_for_clients(proxy);
        else
                loop_source_set_time(proxy->timer, next);
}

static void on_timer(void *userdata) {
        listen_for_clients(userdata);
}

static void on_denied(SocketProxy *proxy, WireMessage *message) {
        WireReader reader = wire_reader(message);
        g_auto(SocketProxyDenied) told = { 0 };
        g_auto(Error) error = ERROR_NULL;
        ShimDenied denied = { .gateway = (char *) plan_socket_to_string(proxy->server) };

        if (socket_proxy_denied_get(&reader, &told, &error) < 0) {
                log_failure(LOG_WARNING, &error, "Proxy of '%s'", proxy->setup.spec->name);
                return;
        }
        denied.target = told.target;
        denied.detail = told.detail;
        denied.count = told.count;
        report_denied(proxy->setup.report, &denied);
}

static void on_way(SocketProxy *proxy, WireMessage *message) {
        WireReader reader = wire_reader(message);
        const char *words = wire_get_string(&reader);

        if (words && strlen(words) <= SOCKET_PROXY_TEXT_MAX && g_utf8_validate(words, -1, NULL))
                report_mechanism(proxy->setup.report, plan_socket_to_string(proxy->server), words);
}

static void on_control(void *userdata, short revents G_GNUC_UNUSED) {
        SocketProxy *proxy = userdata;
        WireMessage message = WIRE_MESSAGE_NULL;
        int r = wire_receive(proxy->control_fd, &message);

        if (r == -EAGAIN)
                return;
        if (r <= 0) {
                /* It has ended, or says what nobody understands: then it shall. */
                close_control(proxy);
                return;
        }
        if (message.header.type == SOCKET_PROXY_DENIED)
                on_denied(proxy, &message);
        if (message.header.type == SOCKET_PROXY_WAY)
                on_way(proxy, &message);
        wire_message_done(&message);
}

/* Who to be at the server: whom the folder belongs to that the settings name, or the sandbox's owner. No link is
 * followed, since below the folder of a user all is that user's. */
static int find_user(const SocketProxy *proxy, SocketProxyConfig *config, Error *error) {
        const Spec *spec = proxy->setup.spec;
        const SessionSocket *where = &spec->session.sockets[proxy->server];
        g_autofree char *own = g_strdup_printf("/run/user/%u", spec->owner);
        const char *folder = where->folder ?: own;
        autofd int root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
        autofd int fd = root_fd < 0 ? -errno
                                    : fs_open_in(root_fd, folder, O_PATH | O_DIRECTORY, 0, RESOLVE_NO_SYMLINKS);
        struct stat st;

        if (fd < 0 || fstat(fd, &st) < 0)
                return error_set_errnof(error, fd < 0 ? -fd : errno, "Cannot find '%s'", folder);
        if (!where->folder && st.st_uid != spec->owner)
                return error_setf(error, ERROR_ACCESS_DENIED, "'%s' does not belong to user %u", folder, spec->owner);
        config->uid = st.st_uid;
        config->gid = st.st_gid;
        return 0;
}

static int send_config(SocketProxy *proxy, SocketProxyConfig *config, bool is_first) {
        WireWriter writer = WIRE_WRITER_NULL;
        int r;

        config->server = proxy->server;
        config->flags = proxy->flags;
        config->upstream = proxy->setup.spec->session.sockets[proxy->server].path;
        config->app_id = proxy->setup.spec->name;
        config->instance_id = (char *) proxy->setup.instance_id;
        socket_proxy_config_put(&writer, config);
        r = wire_send(proxy->control_fd, SOCKET_PROXY_CONFIG, 0, &writer, &proxy->listen_fd, is_first ? 1 : 0);
        wire_writer_done(&writer);
        return r;
}

static int spawn(SocketProxy *proxy, int fd, Error *error) {
        g_autofree char *program = g_build_filename(proxy->setup.helper_folder, PROGRAM, NULL);
        const char *level = getenv("BULKHEAD_LOG_LEVEL");
        g_autofree char *variable = level ? g_strdup_printf("BULKHEAD_LOG_LEVEL=%s", level) : NULL;
        const char *argv[] = { program, NULL }, *environment[] = { variable, NULL };

        proxy->started_usec = g_get_monotonic_time();
        return spawn_program(argv, environment, fd, &proxy->pid, error);
}

static int start(SocketProxy *proxy, Error *error) {
        SocketProxyConfig config = { 0 };
        autofd int ours = -EBADF, theirs = -EBADF;
        int sockets[2], r;

        r = find_user(proxy, &config, error);
        if (r < 0)
                return r;
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) < 0)
                return error_set_errnof(error, errno, "Cannot make a socket pair");
        ours = sockets[0];
        theirs = sockets[1];
        if (fcntl(ours, F_SETFL, O_NONBLOCK) < 0)
                return error_set_errnof(error, errno, "Cannot set up a socket");
        r = spawn(proxy, theirs, error);
        if (r < 0)
                return r;
        proxy->control_fd = fd_steal(&ours);
        proxy->control_source =
                loop_add_fd(proxy->setup.loop, LOOP_RANK_NORMAL, proxy->control_fd, POLLIN, on_control, proxy);
        proxy->child_source = loop_add_child(proxy->setup.loop, proxy->pid, on_exited, proxy);
        r = send_config(proxy, &config, true);
        if (r < 0) {
                close_control(proxy);
                return error_set_errnof(error, -r, "Cannot tell the proxy what to do");
        }
        return 0;
}

/* ---- clients ---- */

static void turn_away(SocketProxy *proxy) {
        int fd = accept4(proxy->listen_fd, NULL, NULL, SOCK_CLOEXEC);

        if (fd >= 0)
                (void) fd_close(fd);
}

/* The client stays in the socket's queue until the proxy takes it. */
static void on_client(void *userdata, short revents G_GNUC_UNUSED) {
        SocketProxy *proxy = userdata;
        g_auto(Error) error = ERROR_NULL;

        if (start(proxy, &error) >= 0) {
                loop_source_set_events(proxy->listen_source, 0);
                return;
        }
        log_failure(LOG_WARNING, &error, "Cannot connect '%s' to the %s server", proxy->setup.spec->name,
                    plan_socket_to_string(proxy->server));
        turn_away(proxy);
}

static void listen_for_clients(SocketProxy *proxy) {
        loop_source_set_events(proxy->listen_source, POLLIN);
}

static int open_listener(SocketProxy *proxy, Error *error) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };

        if (g_strlcpy(address.sun_path, proxy->path, sizeof(address.sun_path)) >= sizeof(address.sun_path))
                return error_setf(error, ERROR_SYSTEM, "'%s' is too long for a socket", proxy->path);
        proxy->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (proxy->listen_fd < 0)
                return error_set_errnof(error, errno, "Cannot make a socket");
        (void) unlink(proxy->path);
        /* Only who sees the mount of it inside can reach it: its folder on the host is root's. */
        if (bind(proxy->listen_fd, (const struct sockaddr *) &address, sizeof(address)) < 0 ||
            chmod(proxy->path, 0666) < 0 || listen(proxy->listen_fd, SOCKET_PROXY_CLIENTS_MAX) < 0)
                return error_set_errnof(error, errno, "Cannot listen at '%s'", proxy->path);
        return 0;
}

int socket_proxy_new(const SocketProxySetup *setup, PlanSocket server, PlanSocketFlags flags, SocketProxy **ret,
                     Error *error) {
        g_autoptr(SocketProxy) proxy = g_new0(SocketProxy, 1);
        int r;

        proxy->setup = *setup;
        proxy->server = server;
        proxy->flags = flags;
        proxy->path = g_build_filename(setup->folder, plan_socket_to_string(server), NULL);
        proxy->listen_fd = proxy->control_fd = -EBADF;
        r = open_listener(proxy, error);
        if (r < 0)
                return r;
        proxy->listen_source =
                loop_add_fd(setup->loop, LOOP_RANK_NORMAL, proxy->listen_fd, POLLIN, on_client, proxy);
        proxy->timer = loop_add_timer(setup->loop, on_timer, proxy);
        *ret = g_steal_pointer(&proxy);
        return 0;
}

void socket_proxy_free(SocketProxy *proxy) {
        if (!proxy)
                return;
        g_clear_pointer(&proxy->listen_source, loop_source_free);
        g_clear_pointer(&proxy->timer, loop_source_free);
        /* Who reaps it finds nobody waiting for it. */
        g_clear_pointer(&proxy->child_source, loop_source_free);
        close_control(proxy);
        if (proxy->pid > 0)
                (void) kill(proxy->pid, SIGKILL);
        if (proxy->listen_fd >= 0)
                (void) unlink(proxy->path);
        proxy->listen_fd = fd_close(proxy->listen_fd);
        g_free(proxy->path);
        g_free(proxy);
}

const char *socket_proxy_get_path(const SocketProxy *proxy) {
        return proxy->path;
}

PlanSocketFlags socket_proxy_get_flags(const SocketProxy *proxy) {
        return proxy->flags;
}

void socket_proxy_set_flags(SocketProxy *proxy, PlanSocketFlags flags) {
        SocketProxyConfig config = { .uid = 0 }; /* the user counts only at first */
        int r = 0;

        proxy->flags = flags;
        if (proxy->control_fd >= 0)
                r = send_config(proxy, &config, false);
        /* One that does not listen must not go on with what it may no more. */
        if (r < 0 && proxy->pid > 0)
                (void) kill(proxy->pid, SIGKILL);
}
