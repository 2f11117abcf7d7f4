/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Who is who at the begin of a connection (D-Bus Specification, "Authentication Protocol")
 *
 * Both ends end at the proxy. A client says who it is inside of its sandbox, which means nothing outside, and
 * is believed: the socket is in no other sandbox. The bus checks who the proxy is. Only EXTERNAL is spoken,
 * so that no cookie file is ever read or written. Nothing that a client says here reaches the bus.
 */
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define SASL_GUID_SIZE 33

typedef enum SaslServerState {
        SASL_SERVER_NUL, /* the byte that comes first */
        SASL_SERVER_AUTH,
        SASL_SERVER_DATA, /* asked for the identity */
        SASL_SERVER_BEGIN,
} SaslServerState;

/* The end that the client talks to. Zeroed = at the start. */
typedef struct SaslServer {
        SaslServerState state;
        unsigned n_lines;
        bool passes_fds;
} SaslServer;

/*
 * Reads what the client said and appends to @answer. @guid and @can_pass_fds are the bus's. Returns 1 after
 * BEGIN with *ret_used bytes taken: what is behind it are messages; 0 when more is needed; -EPROTO for who
 * does not speak the protocol, -EMSGSIZE for who says too much.
 */
int sasl_server_feed(SaslServer *server, const char *guid, bool can_pass_fds, const uint8_t *bytes,
                     size_t size, size_t *ret_used, GString *answer);

/* The end that talks to the bus. */
typedef struct SaslClient {
        bool is_accepted;
        char guid[SASL_GUID_SIZE];
        bool passes_fds;
} SaslClient;

void sasl_client_begin(uid_t uid, GString *to);

/* Reads what the bus said and appends what follows to @to. Returns 1 when messages may be sent, 0 when more
 * is needed, -EACCES when the bus refuses us, -EPROTO for nonsense. */
int sasl_client_feed(SaslClient *client, const uint8_t *bytes, size_t size, size_t *ret_used, GString *to);
