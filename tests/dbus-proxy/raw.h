/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Raw: a client that says what no library would
 */
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define RAW_AUTH "AUTH EXTERNAL 31303030\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n"

/* Called for a millisecond or so while nothing comes; NULL = nothing else is to be done meanwhile. */
extern void (*raw_idle)(void);

/* Connects to the socket of a "unix:path=" address; the descriptor is the caller's. */
int raw_connect(const char *address);
/* All of it, however long it takes. False when the other end is gone. */
bool raw_send(int fd, const void *bytes, size_t size);
/* What comes until there is @size, or nothing for half a second. Sets *ret_ended at the end. */
GByteArray *raw_read(int fd, size_t size, bool *ret_ended);
/* Says who we are, and Hello with serial 1; reads what the bus answers. */
int raw_login(const char *address);
/* True if the other end closes within a second; what it says before is thrown away. */
bool raw_is_cut(int fd);

typedef struct RawMessage {
        bool is_big_endian;
        uint8_t type, flags;
        uint32_t serial, reply_serial, n_fds;
        const char *path, *interface, *member, *destination, *sender, *error_name, *signature;
        const void *body; /* marshalled already */
        uint32_t body_size;
        uint32_t said_size; /* of the body, if it is not what there is */
        /* one field more, of any code: twice, unknown, of another type */
        uint8_t extra_code;
        char extra_type;
        const char *extra;
        bool is_reversed; /* fields from the last to the first */
} RawMessage;

GByteArray *raw_marshal(const RawMessage *message);
bool raw_send_message(int fd, const RawMessage *message);

/* The next message: its type, 0 if there is none; with the serial that it answers and the error's name, if
 * there is one, which is the caller's. Signals are passed over. */
uint8_t raw_read_reply(int fd, uint32_t *ret_serial, char **ret_error);
