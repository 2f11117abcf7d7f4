/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Devices of the host
 */
#include <string.h>

#include "plan/plan-private.h"
#include "util/limits.h"

/* Made by the sandbox for itself: the host's would be a way around its walls. A glob does not match them. */
static const char *const own_devices[] = {
        "/dev/fd",  "/dev/mqueue", "/dev/ptmx",  "/dev/pts",
        "/dev/shm", "/dev/stderr", "/dev/stdin", "/dev/stdout",
};

/* ---- names ---- */

static int device_refuse(const char *name, const char *why, Error *error) {
        g_autofree char *text = plan_text_excerpt(name);

        return error_setf(error, ERROR_INVALID_ARGS, "Device '%s' %s", text, why);
}

bool plan_device_is_glob(const char *name) {
        return strpbrk(name, "*?[") != NULL;
}

/* @at is behind the '['. NULL if it is not closed within its component; a ']' that comes first stands for
 * itself, as in fnmatch(3). */
static const char *skip_set(const char *at) {
        if (*at == '!' || *at == '^')
                at++;
        if (*at == ']')
                at++;
        at += strcspn(at, "]/");
        return *at == ']' ? at + 1 : NULL;
}

static int glob_check(const char *name, Error *error) {
        int n_stars = 0;

        for (const char *at = name; *at;) {
                char c = *at++;

                if (c == '\\')
                        return device_refuse(name, "has a '\\', which no device has and no glob needs",
                                             error);
                if (c == '*' && ++n_stars > GLOB_STARS_MAX)
                        return device_refuse(name, "has more '*' than are possible", error);
                if (c != '[')
                        continue;
                at = skip_set(at);
                if (!at)
                        return device_refuse(name, "has a '[' without its ']'", error);
        }
        return 0;
}

int plan_device_check(const char *name, Error *error) {
        int r;

        r = plan_path_check("Device", name, error);
        if (r < 0)
                return r;
        if (!g_str_has_prefix(name, "/dev/"))
                return device_refuse(name, "is not below /dev", error);
        if (!plan_text_is_clean(name))
                return device_refuse(name, "has characters that do not print", error);
        for (size_t i = 0; i < G_N_ELEMENTS(own_devices); i++) {
                size_t n = strlen(own_devices[i]);

                if (strncmp(name, own_devices[i], n) == 0 && (name[n] == '\0' || name[n] == '/'))
                        return device_refuse(name, "is one that every sandbox has of its own", error);
        }
        return glob_check(name, error);
}

/* ---- devices ---- */

unsigned plan_device_mode_max(unsigned a, unsigned b) {
        unsigned mode = 0;

        for (unsigned shift = 0; shift < 9; shift += 3)
                mode |= MAX(a >> shift & 7, b >> shift & 7) << shift;
        return mode;
}

static int add_device(Plan *plan, const PlanOrigin *origin, const char *name, unsigned mode,
                      PlanDeviceFlags flags, Error *error) {
        PlanItem *item;
        int r;

        r = plan_origin_check(origin, error);
        if (r >= 0)
                r = plan_device_check(name, error);
        if (r >= 0)
                r = plan_flags_check("device", flags, _PLAN_DEVICE_FLAGS_ALL, error);
        if (r >= 0 && mode > 0777)
                r = error_setf(error, ERROR_INVALID_ARGS, "Mode %#o of a device, at most 0777 was expected",
                               mode);
        if (r >= 0 && !(flags & PLAN_DEVICE_ALL))
                r = device_refuse(name, "is asked for without any access", error);
        if (r >= 0)
                r = plan_insert_or_find(plan, PLAN_DEVICE, name, origin, &item, error);
        if (r < 0)
                return r;
        if (r > 0) {
                item->device.mode = mode;
                item->device.flags = flags;
                return 0;
        }
        item->device.mode = plan_device_mode_max(item->device.mode, mode);
        item->device.flags = ((item->device.flags | flags) & ~PLAN_DEVICE_OPTIONAL) |
                             (item->device.flags & flags & PLAN_DEVICE_OPTIONAL);
        return 0;
}

int plan_add_device(Plan *plan, const PlanOrigin *origin, const char *name, unsigned mode,
                    PlanDeviceFlags flags, Error *error) {
        int r;

        if (flags & PLAN_DEVICE_AS_ON_HOST)
                r = plan_flags_check("device", flags, PLAN_DEVICE_ALL | PLAN_DEVICE_OPTIONAL, error);
        else
                r = add_device(plan, origin, name, mode, mode == 0 ? flags | PLAN_DEVICE_AS_ON_HOST : flags,
                               error);
        return plan_origin_blame(origin, r, error);
}

static void device_copy(PlanItem *to, const PlanItem *from) {
        to->device = from->device;
}

static bool device_is_equal(const PlanItem *a, const PlanItem *b) {
        return a->device.mode == b->device.mode && a->device.flags == b->device.flags;
}

static bool device_covers(const PlanItem *wide, const PlanItem *narrow) {
        unsigned missing = narrow->device.flags & ~wide->device.flags;

        return plan_device_mode_max(wide->device.mode, narrow->device.mode) == wide->device.mode &&
               (missing & ~PLAN_DEVICE_OPTIONAL) == 0;
}

static int device_add(Plan *plan, const PlanOrigin *origin, const PlanItem *item, Error *error) {
        int r = add_device(plan, origin, item->key, item->device.mode, item->device.flags, error);

        return plan_origin_blame(origin, r, error);
}

static void device_put(WireWriter *writer, const PlanItem *item) {
        wire_put_u32(writer, item->device.mode);
        wire_put_u32(writer, (uint32_t) item->device.flags);
}

static int device_get(WireReader *reader, Plan *plan, const PlanOrigin *origin, const char *key,
                      Error *error) {
        uint32_t mode = wire_get_u32(reader);
        uint32_t flags = wire_get_u32(reader);
        int r;

        if (reader->failed)
                return plan_item_broken(error);
        if (mode == 0 && !(flags & PLAN_DEVICE_AS_ON_HOST))
                r = device_refuse(key, "has no mode", error);
        else
                r = add_device(plan, origin, key, mode, (PlanDeviceFlags) flags, error);
        return plan_origin_blame(origin, r, error);
}

static void device_print_text(const PlanItem *item, PlanCells *cells) {
        bool is_as_on_host = item->device.flags & PLAN_DEVICE_AS_ON_HOST;

        if (item->device.mode == 0)
                cells->value = g_strdup("mode of the host");
        else
                cells->value = g_strdup_printf("mode %03o%s", item->device.mode,
                                               is_as_on_host ? " or more, if the host's is" : "");
        cells->mode = g_strconcat(item->device.flags & PLAN_DEVICE_READ ? ",read" : "",
                                  item->device.flags & PLAN_DEVICE_WRITE ? ",write" : "",
                                  item->device.flags & PLAN_DEVICE_MKNOD ? ",mknod" : "",
                                  item->device.flags & PLAN_DEVICE_OPTIONAL ? ",optional" : "", NULL);
        memmove(cells->mode, cells->mode + 1, strlen(cells->mode));
}

static void device_print_json(const PlanItem *item, json_t *object) {
        g_autofree char *mode = g_strdup_printf("%03o", item->device.mode);

        json_object_set_new(object, "mode", item->device.mode > 0 ? json_string(mode) : json_null());
        json_object_set_new(object, "as-on-host", json_boolean(item->device.flags & PLAN_DEVICE_AS_ON_HOST));
        json_object_set_new(object, "read", json_boolean(item->device.flags & PLAN_DEVICE_READ));
        json_object_set_new(object, "write", json_boolean(item->device.flags & PLAN_DEVICE_WRITE));
        json_object_set_new(object, "mknod", json_boolean(item->device.flags & PLAN_DEVICE_MKNOD));
        json_object_set_new(object, "optional", json_boolean(item->device.flags & PLAN_DEVICE_OPTIONAL));
        json_object_set_new(object, "glob", json_boolean(plan_device_is_glob(item->key)));
}

const PlanKindOps plan_device_ops = {
        .name = "device",
        .clear = plan_item_clear_nothing,
        .copy = device_copy,
        .is_equal = device_is_equal,
        .covers = device_covers,
        .add = device_add,
        .put = device_put,
        .get = device_get,
        .print_text = device_print_text,
        .print_json = device_print_json,
};
