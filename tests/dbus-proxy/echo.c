/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/dbus-proxy/echo.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateways/dbus-proxy/bus-header.h"
#include "tests/dbus-proxy/raw.h"
#include "util/cleanup.h"

#define BUFFER_SIZE (64 * 1024)
#define WAIT_MSEC   10000

/* Of one run. */
struct EchoClient {
        int fd;
        uint32_t serial;
        uint32_t body_size;
        GByteArray *call; /* owned; sent again and again, with other serials */
        size_t at;        /* how much of it is sent */
        unsigned n_left, n_waiting, window;
        size_t n_in;
        uint8_t in[BUFFER_SIZE];
};

volatile sig_atomic_t echo_is_interrupted;

/* ---- the service ---- */

static int answer(sd_bus_message *message, void *userdata G_GNUC_UNUSED, sd_bus_error *error G_GNUC_UNUSED) {
        sd_bus_message *reply = NULL;
        const void *bytes;
        size_t size;
        int r;

        if (!sd_bus_message_is_method_call(message, "com.acme.A", NULL))
                return 0;
        r = sd_bus_message_new_method_return(message, &reply);
        if (r >= 0 && sd_bus_message_has_signature(message, "ay")) {
                r = sd_bus_message_read_array(message, 'y', &bytes, &size);
                if (r >= 0)
                        r = sd_bus_message_append_array(reply, 'y', bytes, size);
        }
        if (r >= 0)
                r = sd_bus_send(NULL, reply, NULL);
        sd_bus_message_unref(reply);
        return r < 0 ? r : 1;
}

static G_GNUC_NORETURN void serve(const char *address, int ready_fd) {
        sd_bus *bus = NULL;

        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (sd_bus_new(&bus) < 0 || sd_bus_set_address(bus, address) < 0 ||
            sd_bus_set_bus_client(bus, true) < 0 || sd_bus_start(bus) < 0 ||
            sd_bus_add_filter(bus, NULL, answer, NULL) < 0 || sd_bus_request_name(bus, ECHO_NAME, 0) < 0 ||
            write(ready_fd, "x", 1) != 1)
                _exit(1);
        for (;;) {
                int r = sd_bus_process(bus, NULL);

                if (r < 0 || (r == 0 && sd_bus_wait(bus, UINT64_MAX) < 0))
                        _exit(0);
        }
}

pid_t echo_service_start(const char *address) {
        int fds[2];
        char byte;
        pid_t pid;

        assert_int_equal(pipe(fds), 0);
        pid = fork();
        if (pid == 0)
                serve(address, fds[1]);
        (void) close(fds[1]);
        assert_true(pid > 0);
        assert_int_equal(read(fds[0], &byte, 1), 1);
        (void) close(fds[0]);
        return pid;
}

/* ---- a client ---- */

static void say_line(int fd, const char *text) {
        uint8_t byte = 0;

        assert_true(raw_send(fd, text, strlen(text)));
        while (byte != '\n')
                assert_int_equal(recv(fd, &byte, 1, 0), 1);
}

int echo_login(const char *address) {
        int fd = raw_connect(address);

        assert_true(raw_send(fd, "", 1));
        say_line(fd, "AUTH EXTERNAL 30\r\n");
        say_line(fd, "NEGOTIATE_UNIX_FD\r\n");
        assert_true(raw_send(fd, "BEGIN\r\n", strlen("BEGIN\r\n")));
        assert_true(raw_send_message(fd, &(RawMessage){ .type = BUS_CALL,
                                                        .serial = 1,
                                                        .path = BUS_DRIVER_PATH,
                                                        .interface = BUS_DRIVER_INTERFACE,
                                                        .member = "Hello",
                                                        .destination = BUS_DRIVER_NAME }));
        assert_int_equal(raw_read_reply(fd, NULL, NULL), BUS_RETURN);
        return fd;
}

EchoClient *echo_client_new(const char *address) {
        EchoClient *client = g_new0(EchoClient, 1);

        client->fd = echo_login(address);
        client->serial = 1;
        return client;
}

void echo_client_free(EchoClient *client) {
        if (!client)
                return;
        (void) fd_close(client->fd);
        g_clear_pointer(&client->call, g_byte_array_unref);
        g_free(client);
}

static GByteArray *make_call(uint32_t body_size) {
        g_autofree char *body = g_malloc0(body_size);
        uint32_t n = body_size - (uint32_t) sizeof(n);

        if (body_size > 0)
                memcpy(body, &n, sizeof(n));
        return raw_marshal(&(RawMessage){ .type = BUS_CALL,
                                          .path = "/a",
                                          .interface = "com.acme.A",
                                          .member = "M",
                                          .destination = ECHO_NAME,
                                          .signature = body_size > 0 ? "ay" : NULL,
                                          .body = body,
                                          .body_size = body_size,
                                          .is_big_endian = G_BYTE_ORDER == G_BIG_ENDIAN });
}

static void client_begin(EchoClient *client, unsigned n_calls, unsigned window, uint32_t body_size) {
        g_clear_pointer(&client->call, g_byte_array_unref);
        client->call = make_call(body_size);
        client->body_size = body_size;
        client->n_left = n_calls;
        client->window = window;
}

static bool client_is_done(const EchoClient *client) {
        return client->n_left == 0 && client->n_waiting == 0;
}

static bool client_may_send(const EchoClient *client) {
        return client->n_left > 0 && client->n_waiting < client->window;
}

/* As many calls as go. */
static void client_send(EchoClient *client) {
        while (client_may_send(client)) {
                ssize_t n;

                if (client->at == 0) {
                        client->serial++;
                        memcpy(client->call->data + 8, &client->serial, sizeof(client->serial));
                }
                n = send(client->fd, client->call->data + client->at, client->call->len - client->at,
                         MSG_DONTWAIT | MSG_NOSIGNAL);
                if (n < 0 && errno == EAGAIN)
                        return;
                if (n < 0)
                        fail_msg("The connection was cut");
                client->at += (size_t) n;
                if (client->at < client->call->len)
                        return;
                client->at = 0;
                client->n_left--;
                client->n_waiting++;
        }
}

static void client_take(EchoClient *client) {
        size_t at = 0;

        while (client->n_in - at >= BUS_HEADER_FIXED) {
                const uint8_t *bytes = client->in + at;
                uint32_t body_size;
                size_t size;

                assert_int_equal(bus_header_measure(bytes, &size, &body_size), 0);
                if (client->n_in - at < size + body_size)
                        break;
                at += size + body_size;
                if (bytes[1] == BUS_SIGNAL) /* that it has its unique name */
                        continue;
                assert_int_equal(bytes[1], BUS_RETURN);
                assert_int_equal(body_size, client->body_size);
                assert_true(client->n_waiting-- > 0);
        }
        client->n_in -= at;
        memmove(client->in, client->in + at, client->n_in);
}

static void client_receive(EchoClient *client) {
        ssize_t n = recv(client->fd, client->in + client->n_in, BUFFER_SIZE - client->n_in, MSG_DONTWAIT);

        if (n < 0 && errno == EAGAIN)
                return;
        if (n <= 0)
                fail_msg("The connection was cut");
        client->n_in += (size_t) n;
        client_take(client);
}

void echo_run(EchoClient *const *clients, size_t n_clients, unsigned n_calls, unsigned window,
              uint32_t body_size) {
        g_autofree struct pollfd *polled = g_new0(struct pollfd, n_clients);
        size_t n_done;

        for (size_t i = 0; i < n_clients; i++)
                client_begin(clients[i], n_calls, window, body_size);
        for (;;) {
                n_done = 0;
                for (size_t i = 0; i < n_clients; i++) {
                        client_send(clients[i]);
                        polled[i] = (struct pollfd){ .fd = clients[i]->fd, .events = POLLIN };
                        if (client_may_send(clients[i]))
                                polled[i].events |= POLLOUT;
                        n_done += client_is_done(clients[i]);
                }
                if (n_done == n_clients)
                        return;
                if (poll(polled, n_clients, WAIT_MSEC) <= 0)
                        fail_msg("%s", echo_is_interrupted ? "Interrupted" : "No answer comes");
                for (size_t i = 0; i < n_clients; i++)
                        if (polled[i].revents & ~POLLOUT)
                                client_receive(clients[i]);
        }
}
