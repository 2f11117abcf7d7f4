/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Sockets of servers of the owner's session
 */
#include "plan/plan-private.h"
#include "util/enum-table.h"

static const char *const plan_socket_names[_PLAN_SOCKET_MAX] = {
        [PLAN_SOCKET_PULSEAUDIO] = "pulseaudio",
        [PLAN_SOCKET_WAYLAND] = "wayland",
};

ENUM_TABLE_DEFINE(plan_socket, PlanSocket, _PLAN_SOCKET_MAX)

static int add_socket(Plan *plan, const PlanOrigin *origin, PlanSocket server, PlanSocketFlags flags,
                      Error *error) {
        const char *key = plan_socket_to_string(server);
        PlanItem *item;
        int r;

        r = plan_origin_check(origin, error);
        if (r >= 0 && !key)
                r = error_setf(error, ERROR_INVALID_ARGS, "Server %d of a socket is unknown", (int) server);
        if (r >= 0)
                r = plan_flags_check("socket", flags,
                                     server == PLAN_SOCKET_PULSEAUDIO ? _PLAN_SOCKET_FLAGS_ALL : 0, error);
        if (r >= 0 && server == PLAN_SOCKET_PULSEAUDIO && flags == 0)
                r = error_setf(error, ERROR_INVALID_ARGS,
                               "Socket 'pulseaudio' for neither playback nor capture");
        if (r >= 0)
                r = plan_insert_or_find(plan, PLAN_SOCKET, key, origin, &item, error);
        if (r < 0)
                return r;
        item->socket.server = server;
        item->socket.flags |= flags;
        return 0;
}

int plan_add_socket(Plan *plan, const PlanOrigin *origin, PlanSocket server, PlanSocketFlags flags,
                    Error *error) {
        int r = add_socket(plan, origin, server, flags, error);

        return plan_origin_blame(origin, r, error);
}

static void socket_copy(PlanItem *to, const PlanItem *from) {
        to->socket = from->socket;
}

static bool socket_is_equal(const PlanItem *a, const PlanItem *b) {
        return a->socket.flags == b->socket.flags;
}

static bool socket_covers(const PlanItem *wide, const PlanItem *narrow) {
        return (narrow->socket.flags & ~wide->socket.flags) == 0;
}

static int socket_add(Plan *plan, const PlanOrigin *origin, const PlanItem *item, Error *error) {
        return plan_add_socket(plan, origin, item->socket.server, item->socket.flags, error);
}

static void socket_put(WireWriter *writer, const PlanItem *item) {
        wire_put_u32(writer, (uint32_t) item->socket.flags);
}

static int socket_get(WireReader *reader, Plan *plan, const PlanOrigin *origin, const char *key,
                      Error *error) {
        uint32_t flags = wire_get_u32(reader);

        if (reader->failed)
                return plan_item_broken(error);
        if (plan_socket_from_string(key) < 0) {
                g_autofree char *text = plan_text_excerpt(key);

                return error_setf(error, ERROR_UNSUPPORTED, "Server '%s' of a socket is unknown", text);
        }
        return plan_add_socket(plan, origin, plan_socket_from_string(key), (PlanSocketFlags) flags, error);
}

static void socket_print_text(const PlanItem *item, PlanCells *cells) {
        static const char *const words[] = {
                [0] = "",
                [PLAN_SOCKET_PLAYBACK] = "playback",
                [PLAN_SOCKET_CAPTURE] = "capture",
                [_PLAN_SOCKET_FLAGS_ALL] = "playback,capture",
        };

        cells->value = g_strdup("of the owner's session");
        cells->mode = g_strdup(words[item->socket.flags]);
}

static void socket_print_json(const PlanItem *item, json_t *object) {
        if (item->socket.server != PLAN_SOCKET_PULSEAUDIO)
                return;
        json_object_set_new(object, "playback", json_boolean(item->socket.flags & PLAN_SOCKET_PLAYBACK));
        json_object_set_new(object, "capture", json_boolean(item->socket.flags & PLAN_SOCKET_CAPTURE));
}

const PlanKindOps plan_socket_ops = {
        .name = "socket",
        .clear = plan_item_clear_nothing,
        .copy = socket_copy,
        .is_equal = socket_is_equal,
        .covers = socket_covers,
        .add = socket_add,
        .put = socket_put,
        .get = socket_get,
        .print_text = socket_print_text,
        .print_json = socket_print_json,
};
