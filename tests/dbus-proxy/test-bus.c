/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/dbus-proxy/test-bus.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "util/cleanup.h"

static const char configuration[] =
        "<busconfig><type>session</type><listen>unix:path=%s/bus</listen><auth>EXTERNAL</auth>"
        "<servicedir>%s/services</servicedir>"
        "<policy context='default'><allow user='*'/><allow own='*'/><allow send_type='method_call'/>"
        "<allow send_type='signal'/><allow send_type='method_return'/><allow send_type='error'/>"
        "<allow receive_type='method_call'/><allow receive_type='signal'/><allow receive_type='method_return'/>"
        "<allow receive_type='error'/><allow send_destination='*' eavesdrop='true'/><allow eavesdrop='true'/>"
        "</policy><limit name='max_message_size'>134217728</limit>"
        "<limit name='max_incoming_bytes'>268435456</limit><limit name='max_outgoing_bytes'>268435456</limit>"
        "<limit name='max_connections_per_user'>1024</limit><limit name='max_match_rules_per_connection'>4096</limit>"
        "<limit name='max_replies_per_connection'>50000</limit></busconfig>";

static void write_file(const char *folder, const char *name, const char *text) {
        g_autofree char *path = g_build_filename(folder, name, NULL);

        assert_true(g_file_set_contents(path, text, -1, NULL));
}

/* Waits until somebody listens at @path. */
static void wait_for_socket(const char *path) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };

        g_strlcpy(address.sun_path, path, sizeof(address.sun_path));
        for (int i = 0; i < 500; i++) {
                autofd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

                if (connect(fd, (struct sockaddr *) &address, sizeof(address)) == 0)
                        return;
                g_usleep(10 * 1000);
        }
        fail_msg("Nobody listens at %s", path);
}

/* Leaks are looked for by tracing oneself, which who has given up everything may not. */
static char **make_environment(void) {
        char **environment = g_get_environ();
        const char *options = g_environ_getenv(environment, "ASAN_OPTIONS");
        g_autofree char *more = options ? g_strdup_printf("%s:detect_leaks=0", options) : NULL;

        return more ? g_environ_setenv(environment, "ASAN_OPTIONS", more, TRUE) : environment;
}

/* Also a test program that is killed leaves none behind: a daemon dies with it, a proxy when it loses its
 * shim. */
static pid_t spawn(const char *const *argv, int shim_fd) {
        g_auto(GStrv) environment = make_environment();
        pid_t pid = fork();

        assert_return_code(pid, errno);
        if (pid > 0)
                return pid;
        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
        /* dup2(2) leaves one that is in its place already as it is: closed by execve(2) */
        if (shim_fd == BUS_PROXY_FD_SHIM)
                (void) fcntl(shim_fd, F_SETFD, 0);
        else if (shim_fd >= 0 && dup2(shim_fd, BUS_PROXY_FD_SHIM) < 0)
                _exit(1);
        (void) execve(argv[0], (char **) argv, environment);
        _exit(1);
}

static void end_process(pid_t *pid) {
        if (*pid <= 0)
                return;
        (void) kill(*pid, SIGKILL);
        (void) waitpid(*pid, NULL, 0);
        *pid = 0;
}

static void denied_free(void *data) {
        bus_proxy_denied_done(data);
        g_free(data);
}

void test_bus_start(TestBus *bus) {
        g_autofree char *text = NULL, *path = NULL, *argument = NULL, *services = NULL;

        if (geteuid() != 0 || access("/usr/bin/dbus-daemon", X_OK) < 0) {
                print_message(
                        "Skipped: needs root, for the proxy to become somebody else, and dbus-daemon\n");
                skip();
        }
        *bus = (TestBus){ .shim_fd = -EBADF, .listen_fd = -EBADF };
        bus->denied = g_ptr_array_new_with_free_func(denied_free);
        bus->warnings = g_ptr_array_new_with_free_func(g_free);
        bus->clients = g_ptr_array_new();
        bus->folder = g_dir_make_tmp("bulkhead-bus-XXXXXX", NULL);
        assert_non_null(bus->folder);
        assert_int_equal(chmod(bus->folder, 0755), 0);
        services = g_build_filename(bus->folder, "services", NULL);
        assert_int_equal(mkdir(services, 0755), 0);
        write_file(services, "hidden.service",
                   "[D-BUS Service]\nName=com.hidden.Activatable\nExec=/bin/false\n");
        write_file(services, "radio.service",
                   "[D-BUS Service]\nName=com.acme.Activatable\nExec=/bin/false\n");
        text = g_strdup_printf(configuration, bus->folder, bus->folder);
        write_file(bus->folder, "bus.conf", text);
        path = g_build_filename(bus->folder, "bus", NULL);
        argument = g_strdup_printf("--config-file=%s/bus.conf", bus->folder);
        bus->daemon_pid = spawn(
                (const char *const[]){ "/usr/bin/dbus-daemon", "--nofork", "--nopidfile", argument, NULL },
                -EBADF);
        wait_for_socket(path);
        bus->address = g_strdup_printf("unix:path=%s/bus", bus->folder);
        bus->proxy_address = g_strdup_printf("unix:path=%s/proxy", bus->folder);
}

static void remove_in(const char *folder, const char *name) {
        g_autofree char *path = g_build_filename(folder, name, NULL);

        (void) remove(path);
}

/* It ends when its shim does, and by itself. */
static int end_proxy(TestBus *bus) {
        int status = 0;

        bus->shim_fd = fd_close(bus->shim_fd);
        bus->listen_fd = fd_close(bus->listen_fd);
        if (bus->proxy_pid > 0)
                (void) waitpid(bus->proxy_pid, &status, 0);
        bus->proxy_pid = 0;
        return status;
}

void test_bus_stop(TestBus *bus) {
        int status;

        if (!bus->folder)
                return;
        for (guint i = 0; i < bus->clients->len; i++)
                sd_bus_close_unref(bus->clients->pdata[i]);
        status = end_proxy(bus);
        end_process(&bus->daemon_pid);
        for (const char *const *name =
                     (const char *const[]){ "services/hidden.service", "services/radio.service", "services",
                                            "bus.conf", "bus", "proxy", "", NULL };
             *name; name++)
                remove_in(bus->folder, *name);
        g_ptr_array_unref(bus->denied);
        g_ptr_array_unref(bus->warnings);
        g_ptr_array_unref(bus->clients);
        g_free(bus->address);
        g_free(bus->proxy_address);
        g_clear_pointer(&bus->folder, g_free);
        assert_int_equal(status, 0); /* when nothing is left that it could leave behind */
}

/* ---- the shim's part ---- */

static PlanBusFlow flow_from(const char *word) {
        if (strcmp(word, "outgoing") == 0)
                return PLAN_BUS_OUTGOING;
        return strcmp(word, "incoming") == 0 ? PLAN_BUS_INCOMING : PLAN_BUS_BOTH;
}

static BusProxyRule *parse_rule(const char *text) {
        g_auto(GStrv) words = g_strsplit(text, " ", -1);
        BusProxyRule *rule = g_new0(BusProxyRule, 1);

        if (strcmp(words[0], "own") == 0) {
                rule->verb = PLAN_BUS_OWN;
                rule->name = g_strdup(words[1]);
                return rule;
        }
        assert_int_equal(g_strv_length(words), 10);
        rule->flow = flow_from(words[1]);
        rule->name = g_strdup(words[3]);
        rule->interface = g_strdup(words[5]);
        rule->path = g_strdup(words[7]);
        rule->members = g_strsplit(words[9], ",", -1);
        return rule;
}

void test_bus_set_rules(TestBus *bus, const char *const *rules) {
        g_autoptr(GPtrArray) list = bus_proxy_rules_new();
        WireWriter writer = WIRE_WRITER_NULL;

        for (; *rules; rules++)
                g_ptr_array_add(list, parse_rule(*rules));
        bus_proxy_rules_put(&writer, list);
        assert_int_equal(wire_send(bus->shim_fd, BUS_PROXY_RULES, 0, &writer, NULL, 0), 0);
        wire_writer_done(&writer);
}

static void listen_at(TestBus *bus) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };

        g_snprintf(address.sun_path, sizeof(address.sun_path), "%s/proxy", bus->folder);
        (void) unlink(address.sun_path);
        bus->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(bind(bus->listen_fd, (struct sockaddr *) &address, sizeof(address)), 0);
        assert_int_equal(chmod(address.sun_path, 0666), 0);
        assert_int_equal(listen(bus->listen_fd, 128), 0);
}

void test_bus_start_proxy(TestBus *bus, const char *const *rules) {
        BusProxyStart start = {
                .bus = (char *) "session", .address = bus->address, .uid = TEST_BUS_UID, .gid = TEST_BUS_UID
        };
        const char *program = getenv("BULKHEAD_TEST_BUS_PROXY");
        WireWriter writer = WIRE_WRITER_NULL;
        autofd int other = -EBADF;
        int pair[2];

        test_bus_stop_proxy(bus);
        listen_at(bus);
        assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
        bus->shim_fd = pair[0];
        other = pair[1];
        bus->proxy_pid = spawn((const char *const[]){ program, NULL }, other);
        bus_proxy_start_put(&writer, &start);
        assert_int_equal(wire_send(bus->shim_fd, BUS_PROXY_START, 0, &writer, &bus->listen_fd, 1), 0);
        wire_writer_done(&writer);
        test_bus_set_rules(bus, rules);
}

void test_bus_stop_proxy(TestBus *bus) {
        if (bus->proxy_pid > 0)
                assert_int_equal(end_proxy(bus), 0);
}

static void hear_proxy(TestBus *bus) {
        WireMessage message = WIRE_MESSAGE_NULL;
        struct pollfd polled = { .fd = bus->shim_fd, .events = POLLIN };

        while (bus->shim_fd >= 0 && poll(&polled, 1, 0) > 0 && wire_receive(bus->shim_fd, &message) > 0) {
                WireReader reader = wire_reader(&message);
                BusProxyDenied denied;

                if (message.header.type == BUS_PROXY_DENIED) {
                        assert_int_equal(bus_proxy_denied_get(&reader, &denied, NULL), 0);
                        g_ptr_array_add(bus->denied, g_memdup2(&denied, sizeof(denied)));
                } else
                        g_ptr_array_add(bus->warnings, g_strdup(wire_get_string(&reader)));
                wire_message_done(&message);
        }
}

bool test_bus_was_denied(TestBus *bus, const char *glob) {
        bool found = false;

        hear_proxy(bus);
        for (guint i = 0; i < bus->denied->len; i++)
                if (g_pattern_match_simple(glob, ((BusProxyDenied *) bus->denied->pdata[i])->detail))
                        found = true;
        for (guint i = 0; !found && i < bus->denied->len; i++)
                print_message("told instead: %s\n", ((BusProxyDenied *) bus->denied->pdata[i])->detail);
        g_ptr_array_set_size(bus->denied, 0);
        return found;
}

/* ---- clients ---- */

sd_bus *test_bus_connect(TestBus *bus, const char *address) {
        sd_bus *client = NULL;
        const char *unique;

        assert_true(sd_bus_new(&client) >= 0);
        assert_true(sd_bus_set_address(client, address) >= 0);
        assert_true(sd_bus_set_bus_client(client, true) >= 0);
        assert_true(sd_bus_negotiate_fds(client, true) >= 0);
        assert_true(sd_bus_start(client) >= 0);
        assert_true(sd_bus_get_unique_name(client, &unique) >= 0);
        g_ptr_array_add(bus->clients, client);
        return client;
}

void test_bus_disconnect(TestBus *bus, sd_bus *client) {
        g_ptr_array_remove(bus->clients, client);
        sd_bus_flush_close_unref(client);
}

static bool process_all(TestBus *bus) {
        bool any = false;

        for (guint i = 0; i < bus->clients->len; i++)
                while (sd_bus_process(bus->clients->pdata[i], NULL) > 0)
                        any = true;
        return any;
}

bool test_bus_pump(TestBus *bus, const bool *done, unsigned msec) {
        gint64 end = g_get_monotonic_time() + (gint64) msec * 1000;

        for (;;) {
                struct pollfd polled[64];
                nfds_t n = 0;

                while (process_all(bus))
                        ;
                hear_proxy(bus);
                if (done && *done)
                        return true;
                if (g_get_monotonic_time() >= end)
                        return false;
                for (guint i = 0; i < bus->clients->len && n < G_N_ELEMENTS(polled); i++) {
                        int events = sd_bus_get_events(bus->clients->pdata[i]);

                        if (events >= 0)
                                polled[n++] = (struct pollfd){ .fd = sd_bus_get_fd(bus->clients->pdata[i]),
                                                               .events = (short) events };
                }
                (void) poll(polled, n, (int) MIN(msec, 5));
        }
}

typedef struct Answer {
        sd_bus_message *reply;
        bool is_there;
} Answer;

static int on_answer(sd_bus_message *message, void *userdata, sd_bus_error *error G_GNUC_UNUSED) {
        Answer *answer = userdata;

        answer->reply = sd_bus_message_ref(message);
        answer->is_there = true;
        return 0;
}

char *test_bus_call(TestBus *bus, sd_bus *client, sd_bus_message *message, sd_bus_message **ret_reply) {
        Answer answer = { 0 };
        sd_bus_slot *slot = NULL;
        char *name = NULL;

        assert_true(sd_bus_call_async(client, &slot, message, on_answer, &answer, 10 * 1000 * 1000) >= 0);
        sd_bus_message_unref(message);
        if (!test_bus_pump(bus, &answer.is_there, 2000))
                name = g_strdup("silence");
        else if (sd_bus_message_is_method_error(answer.reply, NULL))
                name = g_strdup(sd_bus_message_get_error(answer.reply)->name);
        else if (ret_reply)
                *ret_reply = sd_bus_message_ref(answer.reply);
        sd_bus_message_unref(answer.reply);
        sd_bus_slot_unref(slot);
        return name;
}
