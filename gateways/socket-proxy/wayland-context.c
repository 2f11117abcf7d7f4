/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gateways/socket-proxy/wayland-context.h"

#include <fcntl.h>
#include <glib.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util/cleanup.h"

#define MANAGER_INTERFACE "wp_security_context_manager_v1"
/* A message: object, size << 16 | opcode, arguments; the longest has 4 KiB (libwayland's buffer). */
#define HEADER_SIZE  8
#define MESSAGE_MAX  4096

/* The objects that we make, in this order. 1 is the display. */
typedef enum ObjectId {
        OBJECT_DISPLAY = 1,
        OBJECT_REGISTRY,
        OBJECT_FIRST_SYNC,
        OBJECT_MANAGER,
        OBJECT_CONTEXT,
        OBJECT_LAST_SYNC,
} ObjectId;

typedef enum Opcode {
        DISPLAY_SYNC = 0,
        DISPLAY_GET_REGISTRY = 1,
        REGISTRY_BIND = 0,
        MANAGER_CREATE_LISTENER = 1,
        CONTEXT_SET_SANDBOX_ENGINE = 1,
        CONTEXT_SET_APP_ID = 2,
        CONTEXT_SET_INSTANCE_ID = 3,
        CONTEXT_COMMIT = 4,
        /* events */
        DISPLAY_ERROR = 0,
        REGISTRY_GLOBAL = 0,
        CALLBACK_DONE = 0,
} Opcode;

typedef struct Session {
        int fd;
        gint64 until;
        GByteArray *out;
        uint8_t in[MESSAGE_MAX];
        size_t in_size;
        bool has_manager;
        uint32_t manager_name;
} Session;

/* ---- writing ---- */

static void put_u32(Session *session, uint32_t value) {
        g_byte_array_append(session->out, (const uint8_t *) &value, sizeof(value));
}

/* Length with the NUL, and padding to four. */
static void put_string(Session *session, const char *text) {
        static const uint8_t zeros[4];
        uint32_t size = (uint32_t) strlen(text) + 1;

        put_u32(session, size);
        g_byte_array_append(session->out, (const uint8_t *) text, size);
        g_byte_array_append(session->out, zeros, (4 - size % 4) % 4);
}

static guint begin_message(Session *session, ObjectId object, Opcode opcode) {
        guint at = session->out->len;

        put_u32(session, object);
        put_u32(session, opcode);
        return at;
}

static void end_message(Session *session, guint at) {
        uint32_t word;

        memcpy(&word, session->out->data + at + 4, sizeof(word));
        word |= (session->out->len - at) << 16;
        memcpy(session->out->data + at + 4, &word, sizeof(word));
}

static void put_message_u32(Session *session, ObjectId object, Opcode opcode, uint32_t value) {
        guint at = begin_message(session, object, opcode);

        put_u32(session, value);
        end_message(session, at);
}

static void put_message_string(Session *session, ObjectId object, Opcode opcode, const char *text) {
        guint at = begin_message(session, object, opcode);

        put_string(session, text);
        end_message(session, at);
}

static int flush(Session *session, const int *fds, size_t n_fds, Error *error) {
        union {
                struct cmsghdr align;
                uint8_t bytes[CMSG_SPACE(2 * sizeof(int))];
        } control = { 0 };
        struct iovec part = { .iov_base = session->out->data, .iov_len = session->out->len };
        struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
        ssize_t n;

        if (n_fds > 0) {
                message.msg_control = &control;
                message.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
                control.align = (struct cmsghdr){ .cmsg_len = CMSG_LEN(n_fds * sizeof(int)),
                                                  .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS };
                memcpy(CMSG_DATA(&control.align), fds, n_fds * sizeof(int));
        }
        n = sendmsg(session->fd, &message, MSG_NOSIGNAL);
        if (n != (ssize_t) session->out->len)
                return error_set_errnof(error, n < 0 ? errno : EPIPE, "Cannot speak to the compositor");
        g_byte_array_set_size(session->out, 0);
        return 0;
}

/* ---- reading ---- */

static int read_more(Session *session, Error *error) {
        struct pollfd polled = { .fd = session->fd, .events = POLLIN };
        gint64 left = session->until - g_get_monotonic_time();
        int n = left > 0 ? poll(&polled, 1, (int) (left / 1000) + 1) : 0;
        ssize_t size;

        if (n == 0)
                return error_setf(error, ERROR_TIMEOUT, "The compositor does not answer");
        size = n < 0 ? -1 : recv(session->fd, session->in + session->in_size, MESSAGE_MAX - session->in_size, 0);
        if (size < 0 && (errno == EINTR || errno == EAGAIN))
                return 0;
        if (size <= 0)
                return error_set_errnof(error, size < 0 ? errno : ECONNRESET, "Cannot hear the compositor");
        session->in_size += (size_t) size;
        return 0;
}

/* A global of the registry: name, interface, version. */
static void on_global(Session *session, const uint8_t *arguments, size_t size) {
        uint32_t name, length;

        if (size < 8)
                return;
        memcpy(&name, arguments, sizeof(name));
        memcpy(&length, arguments + 4, sizeof(length));
        if (length != sizeof(MANAGER_INTERFACE) || size < 8 + sizeof(MANAGER_INTERFACE) ||
            memcmp(arguments + 8, MANAGER_INTERFACE, sizeof(MANAGER_INTERFACE)) != 0)
                return;
        session->has_manager = true;
        session->manager_name = name;
}

/* Takes one message from the front: 1 if it is the end of @sync, 0 if not, -EAGAIN if it is not whole. */
static int take_message(Session *session, ObjectId sync, Error *error) {
        uint32_t object, word, size;

        if (session->in_size < HEADER_SIZE)
                return -EAGAIN;
        memcpy(&object, session->in, sizeof(object));
        memcpy(&word, session->in + 4, sizeof(word));
        size = word >> 16;
        if (size < HEADER_SIZE || size > MESSAGE_MAX)
                return error_setf(error, ERROR_SYSTEM, "The compositor sent a message of %u bytes", size);
        if (session->in_size < size)
                return -EAGAIN;
        word &= 0xffff;
        if (object == OBJECT_DISPLAY && word == DISPLAY_ERROR)
                return error_setf(error, ERROR_SYSTEM, "The compositor refuses the sandbox's security context");
        if (object == OBJECT_REGISTRY && word == REGISTRY_GLOBAL)
                on_global(session, session->in + HEADER_SIZE, size - HEADER_SIZE);
        session->in_size -= size;
        memmove(session->in, session->in + size, session->in_size);
        return object == sync && word == CALLBACK_DONE;
}

static int wait_for(Session *session, ObjectId sync, Error *error) {
        for (;;) {
                int r = take_message(session, sync, error);

                if (r == -EAGAIN)
                        r = read_more(session, error);
                if (r != 0)
                        return r < 0 ? r : 0;
        }
}

/* ---- the whole ---- */

static int find_manager(Session *session, Error *error) {
        int r;

        put_message_u32(session, OBJECT_DISPLAY, DISPLAY_GET_REGISTRY, OBJECT_REGISTRY);
        put_message_u32(session, OBJECT_DISPLAY, DISPLAY_SYNC, OBJECT_FIRST_SYNC);
        r = flush(session, NULL, 0, error);
        return r < 0 ? r : wait_for(session, OBJECT_FIRST_SYNC, error);
}

static int make_context(Session *session, const WaylandContext *context, int close_fd, Error *error) {
        const int fds[] = { context->listen_fd, close_fd };
        guint at = begin_message(session, OBJECT_REGISTRY, REGISTRY_BIND);
        int r;

        put_u32(session, session->manager_name);
        put_string(session, MANAGER_INTERFACE);
        put_u32(session, 1); /* version */
        put_u32(session, OBJECT_MANAGER);
        end_message(session, at);
        put_message_u32(session, OBJECT_MANAGER, MANAGER_CREATE_LISTENER, OBJECT_CONTEXT);
        put_message_string(session, OBJECT_CONTEXT, CONTEXT_SET_SANDBOX_ENGINE, context->sandbox_engine);
        put_message_string(session, OBJECT_CONTEXT, CONTEXT_SET_APP_ID, context->app_id);
        put_message_string(session, OBJECT_CONTEXT, CONTEXT_SET_INSTANCE_ID, context->instance_id);
        end_message(session, begin_message(session, OBJECT_CONTEXT, CONTEXT_COMMIT));
        put_message_u32(session, OBJECT_DISPLAY, DISPLAY_SYNC, OBJECT_LAST_SYNC);
        r = flush(session, fds, G_N_ELEMENTS(fds), error);
        return r < 0 ? r : wait_for(session, OBJECT_LAST_SYNC, error);
}

int wayland_context_open(int fd, const WaylandContext *context, int *ret_close_fd, Error *error) {
        g_autoptr(GByteArray) out = g_byte_array_new();
        Session session = { .fd = fd, .out = out,
                            .until = g_get_monotonic_time() + (gint64) context->timeout_msec * 1000 };
        autofd int theirs = -EBADF, ours = -EBADF;
        int pipes[2], r;

        r = find_manager(&session, error);
        if (r < 0 || !session.has_manager)
                return r;
        if (pipe2(pipes, O_CLOEXEC) < 0)
                return error_set_errnof(error, errno, "Cannot make a pipe");
        theirs = pipes[0];
        ours = pipes[1];
        r = make_context(&session, context, theirs, error);
        if (r < 0)
                return r;
        *ret_close_fd = ours;
        ours = -EBADF;
        return 1;
}
