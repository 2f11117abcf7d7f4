/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/session.h"

#include <string.h>
#include <sys/un.h>

#define RUNTIME_DIR "/run/user"

static const char *const names[_SESSION_SERVER_MAX] = {
        [SESSION_PULSEAUDIO] = "pulse/native",
        [SESSION_WAYLAND] = "wayland-0",
        [SESSION_BUS] = "bus",
};

void session_init(Session *session, uid_t owner) {
        session_done(session);
        for (int i = 0; i < _SESSION_SERVER_MAX; i++)
                session->sockets[i].path = g_strdup_printf(RUNTIME_DIR "/%u/%s", owner, names[i]);
}

void session_set_folder(Session *session, const char *folder) {
        for (int i = 0; i < _SESSION_SERVER_MAX; i++) {
                SessionSocket *socket = &session->sockets[i];

                g_free(socket->path);
                g_free(socket->folder);
                socket->path = g_build_filename(folder, names[i], NULL);
                socket->folder = g_strdup(folder);
        }
}

void session_set_path(Session *session, SessionServer server, char *path) {
        SessionSocket *socket = &session->sockets[server];
        size_t size = socket->folder ? strlen(socket->folder) : 0;

        g_free(socket->path);
        socket->path = path;
        if (size > 0 && strncmp(path, socket->folder, size) == 0 && path[size] == '/')
                return;
        g_free(socket->folder);
        socket->folder = g_path_get_dirname(path);
}

void session_copy(const Session *session, Session *ret) {
        for (int i = 0; i < _SESSION_SERVER_MAX; i++) {
                ret->sockets[i].path = g_strdup(session->sockets[i].path);
                ret->sockets[i].folder = g_strdup(session->sockets[i].folder);
        }
}

void session_done(Session *session) {
        for (int i = 0; i < _SESSION_SERVER_MAX; i++) {
                g_clear_pointer(&session->sockets[i].path, g_free);
                g_clear_pointer(&session->sockets[i].folder, g_free);
        }
}

bool session_path_is_valid(const char *path) {
        g_autofree char *normal = NULL;

        return path && strlen(path) < sizeof(((struct sockaddr_un *) NULL)->sun_path) &&
               plan_path_normalize(path, &normal, NULL) >= 0 && strcmp(path, normal) == 0;
}

void session_put(WireWriter *writer, const Session *session) {
        wire_put_u32(writer, _SESSION_SERVER_MAX);
        for (int i = 0; i < _SESSION_SERVER_MAX; i++) {
                wire_put_string(writer, session->sockets[i].path);
                wire_put_string(writer, session->sockets[i].folder);
        }
}

int session_get(WireReader *reader, Session *ret, Error *error) {
        g_auto(Session) session = { 0 };
        uint32_t n = wire_get_u32(reader);

        if (reader->failed || n != _SESSION_SERVER_MAX)
                return error_setf(error, ERROR_INVALID_ARGS, "The owner's session is not whole");
        for (uint32_t i = 0; i < n; i++) {
                SessionSocket *socket = &session.sockets[i];

                socket->path = g_strdup(wire_get_string(reader));
                socket->folder = g_strdup(wire_get_string(reader));
                if (reader->failed || !session_path_is_valid(socket->path) ||
                    (socket->folder && !session_path_is_valid(socket->folder)))
                        return error_setf(error, ERROR_INVALID_ARGS, "The %s socket of the owner's session has no "
                                          "path that a socket can have", names[i]);
        }
        *ret = session;
        session = (Session){ 0 };
        return 0;
}
