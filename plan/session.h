/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Session: where the servers of a sandbox's owner are
 *
 * The session bus, the sound server, the compositor: each by the path of its socket on the host, and the user as
 * whom the sandbox's proxies speak there. Servers may not be there yet, and may come and go.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <glib.h>

#include "plan/plan.h"
#include "util/error.h"
#include "util/wire.h"

/* The sockets of a session; those of PlanSocket come first, with its numbers. */
typedef enum SessionServer {
        SESSION_PULSEAUDIO = PLAN_SOCKET_PULSEAUDIO,
        SESSION_WAYLAND = PLAN_SOCKET_WAYLAND,
        SESSION_BUS,
        _SESSION_SERVER_MAX,
} SessionServer;

typedef struct SessionSocket {
        char *path;   /* owned; absolute */
        char *folder; /* owned; whoever it belongs to speaks there. NULL = the sandbox's owner */
} SessionSocket;

typedef struct Session {
        SessionSocket sockets[_SESSION_SERVER_MAX];
} Session;

/* What a user has who is logged in: sockets below /run/user/@owner. */
void session_init(Session *session, uid_t owner); /* *session is zeroed, or done */

/* All below @folder, which belongs to who owns the session. */
void session_set_folder(Session *session, const char *folder);

/* One of them elsewhere. It takes @path; the user is who owns the folder that it is in, unless @folder is the one
 * of all. */
void session_set_path(Session *session, SessionServer server, char *path);

void session_copy(const Session *session, Session *ret);
void session_done(Session *session);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Session, session_done)

/* Absolute, without "." and "..", short enough for a socket's address (unix(7)). */
bool session_path_is_valid(const char *path);

void session_put(WireWriter *writer, const Session *session);
/* Refuses paths that session_path_is_valid() does not like. */
int session_get(WireReader *reader, Session *ret, Error *error);
