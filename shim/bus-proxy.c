/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "shim/bus-proxy.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/fs.h"
#include "util/limits.h"
#include "util/log.h"
#include "util/spawn.h"

#define PROGRAM "bulkhead-dbus-proxy"
#define SYSTEM_BUS "unix:path=/run/dbus/system_bus_socket"
/* Whom a bus sees in the place of root: a user who is nobody else. */
#define STAND_IN "bulkhead-proxy"
/* A proxy that ends at once is not started more often than this. */
#define RESTART_USEC (500 * 1000)

struct BusProxy {
        BusProxySetup setup;
        PlanBus bus;
        char *path;       /* owned */
        WireWriter rules; /* as they are sent */
        int listen_fd;    /* owned */
        int control_fd;   /* owned; -EBADF while there is no process */
        pid_t pid;        /* 0 while there is none */
        gint64 started_usec;
        LoopSource *listen_source, *control_source, *child_source, *timer; /* NULL while there is none */
};

/* ---- the process ---- */

static void close_control(BusProxy *proxy) {
        g_clear_pointer(&proxy->control_source, loop_source_free);
        proxy->control_fd = fd_close(proxy->control_fd);
}

/* One that does not do as it is told must not go on. */
static void kill_process(BusProxy *proxy) {
        if (proxy->pid > 0)
                (void) kill(proxy->pid, SIGKILL);
}

static void listen_for_clients(void *userdata) {
        BusProxy *proxy = userdata;

        loop_source_set_events(proxy->listen_source, POLLIN);
}

static void on_exited(void *userdata, int status G_GNUC_UNUSED) {
        BusProxy *proxy = userdata;
        gint64 next = proxy->started_usec + RESTART_USEC;

        proxy->child_source = NULL;
        proxy->pid = 0;
        close_control(proxy);
        if (g_get_monotonic_time() >= next)
                listen_for_clients(proxy);
        else
                loop_source_set_time(proxy->timer, next);
}

static void on_denied(BusProxy *proxy, WireReader *reader) {
        g_auto(BusProxyDenied) told = { 0 };
        g_auto(Error) error = ERROR_NULL;
        ShimDenied denied = { .gateway = (char *) "dbus" };

        if (bus_proxy_denied_get(reader, &told, &error) < 0) {
                log_failure(LOG_WARNING, &error, "Bus proxy of '%s'", proxy->setup.spec->name);
                return;
        }
        denied.target = told.name;
        denied.detail = told.detail;
        denied.count = MAX(told.count, 1);
        denied.interface = told.interface[0] ? told.interface : NULL;
        denied.member = told.member[0] ? told.member : NULL;
        denied.path = told.path[0] ? told.path : NULL;
        report_denied(proxy->setup.report, &denied);
}

static void on_message(BusProxy *proxy, WireMessage *message) {
        WireReader reader = wire_reader(message);
        const char *text;

        if (message->header.type == BUS_PROXY_DENIED)
                on_denied(proxy, &reader);
        else if (message->header.type == BUS_PROXY_WARNING) {
                text = wire_get_string(&reader);
                if (text)
                        log_warning("Sandbox '%s': %s", proxy->setup.spec->name, text);
        }
}

static void on_control(void *userdata, short revents G_GNUC_UNUSED) {
        BusProxy *proxy = userdata;
        WireMessage message = WIRE_MESSAGE_NULL;
        int r = wire_receive(proxy->control_fd, &message);

        if (r == -EAGAIN)
                return;
        if (r > 0) {
                on_message(proxy, &message);
                wire_message_done(&message);
                return;
        }
        close_control(proxy);
        kill_process(proxy);
}

/* ---- who it is ---- */

static int find_passwd(const char *name, uid_t uid, BusProxyStart *start, Error *error) {
        struct passwd entry, *found = NULL;
        char strings[4096];
        int r = name ? getpwnam_r(name, &entry, strings, sizeof(strings), &found)
                     : getpwuid_r(uid, &entry, strings, sizeof(strings), &found);

        if (!found && name)
                return error_set_errnof(error, r != 0 ? r : ENOENT, "Cannot find the user '%s'", name);
        if (!found)
                return error_set_errnof(error, r != 0 ? r : ENOENT, "Cannot find user %u", uid);
        start->uid = entry.pw_uid;
        start->gid = entry.pw_gid;
        return 0;
}

/* Never root, who may do on a bus what no app shall: somebody who has no rights of his own stands in for it. */
static int find_user(uid_t uid, BusProxyStart *start, Error *error) {
        int r = find_passwd(uid == 0 ? STAND_IN : NULL, uid, start, error);

        if (r >= 0 && start->uid == 0)
                return error_setf(error, ERROR_ACCESS_DENIED, "No bus is spoken to as root");
        return r;
}

/* Whose session it is: who owns the folder that the settings name, or the sandbox's owner. No link is followed,
 * since below the folder of a user all is that user's. */
static int find_session_owner(const Spec *spec, uid_t *ret, Error *error) {
        const SessionSocket *where = &spec->session.sockets[SESSION_BUS];
        autofd int root_fd = -EBADF, fd = -EBADF;
        struct stat st;

        *ret = spec->owner;
        if (!where->folder)
                return 0;
        root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
        fd = root_fd < 0 ? -errno
                         : fs_open_in(root_fd, where->folder, O_PATH | O_DIRECTORY, 0, RESOLVE_NO_SYMLINKS);
        if (fd < 0 || fstat(fd, &st) < 0)
                return error_set_errnof(error, fd < 0 ? -fd : errno, "Cannot find '%s'", where->folder);
        *ret = st.st_uid;
        return 0;
}

/* A path as the value of an address (D-Bus Specification, "Server Addresses"). */
static char *path_to_address(const char *path) {
        GString *address = g_string_new("unix:path=");

        for (const char *p = path; *p; p++)
                if (g_ascii_isalnum(*p) || strchr("-_/.\\*", *p))
                        g_string_append_c(address, *p);
                else
                        g_string_append_printf(address, "%%%02x", (unsigned char) *p);
        return g_string_free(address, FALSE);
}

static char *system_bus_address(void) {
        return g_strdup(getenv("DBUS_SYSTEM_BUS_ADDRESS") ?: SYSTEM_BUS);
}

static int describe(const BusProxy *proxy, BusProxyStart *ret, Error *error) {
        const Spec *spec = proxy->setup.spec;
        uid_t uid = spec->owner;
        int r = 0;

        if (proxy->bus == PLAN_BUS_SESSION)
                r = find_session_owner(spec, &uid, error);
        if (r >= 0)
                r = find_user(uid, ret, error);
        if (r < 0)
                return r;
        ret->bus = g_strdup(plan_bus_to_string(proxy->bus));
        ret->address = proxy->bus == PLAN_BUS_SESSION ? path_to_address(spec->session.sockets[SESSION_BUS].path)
                                                      : system_bus_address();
        return 0;
}

/* ---- starting it ---- */

static int send_rules(BusProxy *proxy) {
        return wire_send(proxy->control_fd, BUS_PROXY_RULES, 0, &proxy->rules, NULL, 0);
}

static int send_start(BusProxy *proxy, const BusProxyStart *start) {
        WireWriter writer = WIRE_WRITER_NULL;
        int r;

        bus_proxy_start_put(&writer, start);
        r = wire_send(proxy->control_fd, BUS_PROXY_START, 0, &writer, &proxy->listen_fd, 1);
        wire_writer_done(&writer);
        return r < 0 ? r : send_rules(proxy);
}

static int spawn(BusProxy *proxy, int fd, Error *error) {
        g_autofree char *program = g_build_filename(proxy->setup.helper_folder, PROGRAM, NULL);
        const char *level = getenv("BULKHEAD_LOG_LEVEL");
        g_autofree char *variable = level ? g_strdup_printf("BULKHEAD_LOG_LEVEL=%s", level) : NULL;
        const char *argv[] = { program, NULL }, *environment[] = { variable, NULL };

        proxy->started_usec = g_get_monotonic_time();
        return spawn_program(argv, environment, fd, &proxy->pid, error);
}

static int start(BusProxy *proxy, Error *error) {
        g_auto(BusProxyStart) description = { 0 };
        autofd int ours = -EBADF, theirs = -EBADF;
        int sockets[2], r;

        r = describe(proxy, &description, error);
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
        r = send_start(proxy, &description);
        if (r < 0) {
                close_control(proxy);
                kill_process(proxy);
                return error_set_errnof(error, -r, "Cannot tell the bus proxy what to do");
        }
        return 0;
}

/* ---- clients ---- */

static void turn_away(BusProxy *proxy) {
        int fd = accept4(proxy->listen_fd, NULL, NULL, SOCK_CLOEXEC);

        if (fd >= 0)
                (void) fd_close(fd);
}

/* The client stays in the socket's queue until the proxy takes it. */
static void on_client(void *userdata, short revents G_GNUC_UNUSED) {
        BusProxy *proxy = userdata;
        g_auto(Error) error = ERROR_NULL;

        if (start(proxy, &error) >= 0) {
                loop_source_set_events(proxy->listen_source, LOOP_OFF);
                return;
        }
        log_failure(LOG_WARNING, &error, "Cannot connect '%s' to the %s bus", proxy->setup.spec->name,
                    plan_bus_to_string(proxy->bus));
        turn_away(proxy);
}

static int open_listener(BusProxy *proxy, Error *error) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };

        if (g_strlcpy(address.sun_path, proxy->path, sizeof(address.sun_path)) >= sizeof(address.sun_path))
                return error_setf(error, ERROR_SYSTEM, "'%s' is too long for a socket", proxy->path);
        proxy->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (proxy->listen_fd < 0)
                return error_set_errnof(error, errno, "Cannot make a socket");
        (void) unlink(proxy->path);
        /* Only who sees the mount of it inside can reach it: its folder on the host is root's. */
        if (bind(proxy->listen_fd, (const struct sockaddr *) &address, sizeof(address)) < 0 ||
            chmod(proxy->path, 0666) < 0 || listen(proxy->listen_fd, BUS_PROXY_CONNECTIONS_MAX) < 0)
                return error_set_errnof(error, errno, "Cannot listen at '%s'", proxy->path);
        return 0;
}

int bus_proxy_new(const BusProxySetup *setup, PlanBus bus, BusProxy **ret, Error *error) {
        g_autoptr(BusProxy) proxy = g_new0(BusProxy, 1);
        g_autoptr(GPtrArray) none = bus_proxy_rules_new();
        int r;

        proxy->setup = *setup;
        proxy->bus = bus;
        proxy->path = g_strdup_printf("%s/%s-bus", setup->folder, plan_bus_to_string(bus));
        proxy->listen_fd = proxy->control_fd = -EBADF;
        bus_proxy_rules_put(&proxy->rules, none);
        r = open_listener(proxy, error);
        if (r < 0)
                return r;
        proxy->listen_source =
                loop_add_fd(setup->loop, LOOP_RANK_NORMAL, proxy->listen_fd, POLLIN, on_client, proxy);
        proxy->timer = loop_add_timer(setup->loop, listen_for_clients, proxy);
        *ret = g_steal_pointer(&proxy);
        return 0;
}

void bus_proxy_free(BusProxy *proxy) {
        if (!proxy)
                return;
        g_clear_pointer(&proxy->listen_source, loop_source_free);
        g_clear_pointer(&proxy->timer, loop_source_free);
        /* Who reaps it finds nobody waiting for it. */
        g_clear_pointer(&proxy->child_source, loop_source_free);
        close_control(proxy);
        kill_process(proxy);
        if (proxy->listen_fd >= 0)
                (void) unlink(proxy->path);
        proxy->listen_fd = fd_close(proxy->listen_fd);
        wire_writer_done(&proxy->rules);
        g_free(proxy->path);
        g_free(proxy);
}

const char *bus_proxy_get_path(const BusProxy *proxy) {
        return proxy->path;
}

void bus_proxy_set_rules(BusProxy *proxy, const GPtrArray *rules) {
        WireWriter writer = WIRE_WRITER_NULL;
        bool is_same;

        bus_proxy_rules_put(&writer, rules);
        is_same = writer.error == 0 && writer.size == proxy->rules.size &&
                  memcmp(writer.bytes, proxy->rules.bytes, writer.size) == 0;
        wire_writer_done(&proxy->rules);
        proxy->rules = writer;
        if (is_same || proxy->control_fd < 0)
                return;
        /* One that has not heard what was taken away must not go on. */
        if (send_rules(proxy) < 0) {
                close_control(proxy);
                kill_process(proxy);
        }
}
