/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Host paths shown inside
 */
#include <string.h>

#include "plan/plan-private.h"

/* What the sandbox is made of: a bind over it would replace a wall. /dev is the template's own tmpfs, in
 * which nodes and sockets may stand; /proc and /sys have masked parts that a bind below would show again. */
static const struct {
        const char *path;
        bool below; /* also what lies below it */
} reserved_targets[] = {
        { "/", false },
        { "/dev", false },
        { "/proc", true },
        { "/sys", true },
};

static int target_check(const char *target, Error *error) {
        int r;

        r = plan_path_check("Target", target, error);
        if (r < 0)
                return r;
        for (size_t i = 0; i < G_N_ELEMENTS(reserved_targets); i++) {
                const char *path = reserved_targets[i].path;
                size_t size = strlen(path);

                if (strncmp(target, path, size) != 0)
                        continue;
                if (target[size] == '\0')
                        return error_setf(error, ERROR_INVALID_ARGS, "Nothing can be bound on '%s'", path);
                if (reserved_targets[i].below && target[size] == '/')
                        return error_setf(error, ERROR_INVALID_ARGS, "Nothing can be bound below '%s'", path);
        }
        return 0;
}

int plan_source_get_fd_number(const char *source, uint32_t *ret) {
        guint64 number;

        if (!g_str_has_prefix(source, "fd:") ||
            !g_ascii_string_to_unsigned(source + 3, 10, 0, UINT32_MAX, &number, NULL))
                return -EINVAL;
        *ret = (uint32_t) number;
        return 0;
}

static int source_check(const char *source, const PlanCaller *caller, Error *error) {
        uint32_t number;
        int r;

        if (caller && (caller->uid == 0 || caller->gid == 0 || caller->uid == UINT32_MAX ||
                       caller->gid == UINT32_MAX))
                return error_setf(error, ERROR_INVALID_ARGS, "No app may stand for user %u, group %u", caller->uid,
                                  caller->gid);
        if (plan_source_get_fd_number(source, &number) >= 0)
                return caller && caller->folder
                               ? error_setf(error, ERROR_INVALID_ARGS, "A descriptor lies in no folder")
                               : 0;
        r = plan_path_check("Source", source, error);
        if (r < 0 || !caller || !caller->folder)
                return r;
        r = plan_path_check("Folder", caller->folder, error);
        if (r < 0)
                return r;
        if (strcmp(caller->folder, "/") != 0 &&
            (!g_str_has_prefix(source, caller->folder) ||
             (source[strlen(caller->folder)] != '/' && source[strlen(caller->folder)] != '\0')))
                return error_setf(error, ERROR_INVALID_ARGS, "Source '%s' is not in folder '%s'", source,
                                  caller->folder);
        return 0;
}

/* ---- binds ---- */

static bool bind_is_for(const PlanItem *item, const PlanCaller *caller) {
        if (!caller)
                return !item->bind.has_caller;
        return item->bind.has_caller && item->bind.uid == caller->uid && item->bind.gid == caller->gid &&
               g_strcmp0(item->bind.folder, caller->folder) == 0;
}

static int bind_conflict(const PlanItem *item, const PlanOrigin *origin, const char *source, Error *error) {
        g_autofree char *target = plan_text_escape(item->key);
        g_autofree char *old_source = plan_text_escape(item->bind.source);
        g_autofree char *new_source = plan_text_escape(source);
        g_autofree char *old = plan_item_format_origins(item);
        g_autofree char *new = plan_origin_format(origin);

        return error_setf(error, ERROR_CONFLICTING_CAPABILITIES,
                          "Target '%s' is asked for with source '%s' by %s and with source '%s' by %s",
                          target, old_source, old, new_source, new);
}

static int add_bind(Plan *plan, const PlanOrigin *origin, const PlanCaller *caller, const char *source,
                    const char *target, PlanBindFlags flags, Error *error) {
        PlanItem *item;
        int r;

        r = plan_origin_check(origin, error);
        if (r >= 0)
                r = source_check(source, caller, error);
        if (r >= 0)
                r = target_check(target, error);
        if (r >= 0)
                r = plan_flags_check("bind", flags, _PLAN_BIND_FLAGS_ALL, error);
        if (r < 0)
                return r;

        item = plan_find(plan, PLAN_BIND, target);
        if (!item) {
                r = plan_insert(plan, PLAN_BIND, target, origin, &item, error);
                if (r < 0)
                        return r;
                item->bind.source = g_strdup(source);
                item->bind.flags = flags;
                if (caller) {
                        item->bind.has_caller = true;
                        item->bind.uid = caller->uid;
                        item->bind.gid = caller->gid;
                        item->bind.folder = g_strdup(caller->folder);
                }
                return 0;
        }
        if (strcmp(item->bind.source, source) != 0 || !bind_is_for(item, caller))
                return bind_conflict(item, origin, source, error);
        r = plan_item_add_origin(item, origin, error);
        if (r < 0)
                return r;
        item->bind.flags = ((item->bind.flags | flags) & ~PLAN_BIND_OPTIONAL) |
                           (item->bind.flags & flags & PLAN_BIND_OPTIONAL);
        return 0;
}

int plan_add_bind(Plan *plan, const PlanOrigin *origin, const char *source, const char *target,
                  PlanBindFlags flags, Error *error) {
        return plan_add_caller_bind(plan, origin, NULL, source, target, flags, error);
}

int plan_add_caller_bind(Plan *plan, const PlanOrigin *origin, const PlanCaller *caller, const char *source,
                         const char *target, PlanBindFlags flags, Error *error) {
        int r = add_bind(plan, origin, caller, source, target, flags, error);

        return plan_origin_blame(origin, r, error);
}

static void bind_clear(PlanItem *item) {
        g_clear_pointer(&item->bind.source, g_free);
        g_clear_pointer(&item->bind.folder, g_free);
}

static void bind_copy(PlanItem *to, const PlanItem *from) {
        to->bind = from->bind;
        to->bind.source = g_strdup(from->bind.source);
        to->bind.folder = g_strdup(from->bind.folder);
}

static PlanCaller *bind_get_caller(const PlanItem *item, PlanCaller *storage) {
        *storage = (PlanCaller){ item->bind.uid, item->bind.gid, item->bind.folder };
        return item->bind.has_caller ? storage : NULL;
}

static bool bind_is_equal(const PlanItem *a, const PlanItem *b) {
        PlanCaller caller;

        return a->bind.flags == b->bind.flags && strcmp(a->bind.source, b->bind.source) == 0 &&
               bind_is_for(a, bind_get_caller(b, &caller));
}

/* A source that may be missing opens no more and no less. */
static bool bind_covers(const PlanItem *wide, const PlanItem *narrow) {
        unsigned missing = narrow->bind.flags & ~wide->bind.flags;
        PlanCaller caller;

        return strcmp(wide->bind.source, narrow->bind.source) == 0 &&
               bind_is_for(wide, bind_get_caller(narrow, &caller)) && (missing & ~PLAN_BIND_OPTIONAL) == 0;
}

static int bind_add(Plan *plan, const PlanOrigin *origin, const PlanItem *item, Error *error) {
        PlanCaller caller;

        return plan_add_caller_bind(plan, origin, bind_get_caller(item, &caller), item->bind.source, item->key,
                                    item->bind.flags, error);
}

static void bind_put(WireWriter *writer, const PlanItem *item) {
        wire_put_string(writer, item->bind.source);
        wire_put_u32(writer, (uint32_t) item->bind.flags);
        wire_put_u8(writer, item->bind.has_caller);
        wire_put_u32(writer, item->bind.uid);
        wire_put_u32(writer, item->bind.gid);
        wire_put_string(writer, item->bind.folder);
}

static int bind_get(WireReader *reader, Plan *plan, const PlanOrigin *origin, const char *key, Error *error) {
        const char *source = wire_get_string(reader);
        uint32_t flags = wire_get_u32(reader);
        uint8_t has_caller = wire_get_u8(reader);
        PlanCaller caller;

        caller.uid = wire_get_u32(reader);
        caller.gid = wire_get_u32(reader);
        caller.folder = wire_get_string(reader);
        if (reader->failed || !source || has_caller > 1)
                return plan_item_broken(error);
        return plan_add_caller_bind(plan, origin, has_caller ? &caller : NULL, source, key, (PlanBindFlags) flags,
                                    error);
}

static void bind_print_text(const PlanItem *item, PlanCells *cells) {
        g_autofree char *source = plan_text_escape(item->bind.source);

        cells->value = g_strdup_printf("<- %s", source);
        cells->mode = g_strconcat(item->bind.flags & PLAN_BIND_WRITABLE ? "writable" : "read-only",
                                         item->bind.flags & PLAN_BIND_OPTIONAL ? ",optional" : "",
                                         item->bind.flags & PLAN_BIND_RECURSIVE ? ",recursive" : "", NULL);
}

static void bind_print_json(const PlanItem *item, json_t *object) {
        json_object_set_new(object, "source", plan_text_to_json(item->bind.source));
        json_object_set_new(object, "writable", json_boolean(item->bind.flags & PLAN_BIND_WRITABLE));
        json_object_set_new(object, "optional", json_boolean(item->bind.flags & PLAN_BIND_OPTIONAL));
        json_object_set_new(object, "recursive", json_boolean(item->bind.flags & PLAN_BIND_RECURSIVE));
}

const PlanKindOps plan_bind_ops = {
        .name = "bind",
        .clear = bind_clear,
        .copy = bind_copy,
        .is_equal = bind_is_equal,
        .covers = bind_covers,
        .add = bind_add,
        .put = bind_put,
        .get = bind_get,
        .print_text = bind_print_text,
        .print_json = bind_print_json,
};
