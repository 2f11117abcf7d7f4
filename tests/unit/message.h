/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A D-Bus message without a bus: one end of a socket pair is enough for sd-bus to make messages
 */
#include <sys/socket.h>
#include <unistd.h>

#include "cli/bus.h"

typedef struct TestMessage {
        sd_bus *bus;       /* owned */
        sd_bus_message *m; /* owned */
        int peer;          /* owned; nobody reads it */
} TestMessage;

static inline void test_message_open(TestMessage *test) {
        int fds[2];

        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
        test->peer = fds[1];
        assert_true(sd_bus_new(&test->bus) >= 0);
        assert_true(sd_bus_set_fd(test->bus, fds[0], fds[0]) >= 0);
        assert_true(sd_bus_start(test->bus) >= 0);
        assert_true(sd_bus_message_new_method_call(test->bus, &test->m, "a.b", "/", "a.b", "C") >= 0);
}

static inline void test_message_close(TestMessage *test) {
        sd_bus_message_unref(test->m);
        sd_bus_close(test->bus);
        sd_bus_unref(test->bus);
        (void) close(test->peer);
}

/* The message so far, from its beginning, as compact JSON; caller frees with free(). */
static inline char *test_message_to_json(TestMessage *test) {
        json_t *value = NULL;
        char *text;

        assert_true(sd_bus_message_seal(test->m, 1, 0) >= 0);
        assert_true(sd_bus_message_rewind(test->m, 1) >= 0);
        assert_int_equal(bus_read_json(test->m, &value), 0);
        text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
        json_decref(value);
        assert_non_null(text);
        return text;
}
