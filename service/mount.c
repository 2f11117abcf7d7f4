/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "service/mount.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "service/policy.h"
#include "util/cleanup.h"

#define ORIGIN "BindMount" /* in the place of a capability's name */

static Mount *mount_alloc(void) {
        Mount *mount = g_rc_box_new0(Mount);

        mount->fd = -EBADF;
        return mount;
}

static void mount_clear(void *userdata) {
        Mount *mount = userdata;

        g_free(mount->source);
        g_free(mount->target);
        g_free(mount->folder);
        mount->fd = fd_close(mount->fd);
}

Mount *mount_ref(Mount *mount) {
        return g_rc_box_acquire(mount);
}

void mount_unref(Mount *mount) {
        if (mount)
                g_rc_box_release_full(mount, mount_clear);
}

/* What the plan refuses is refused before anything is waited for. */
static int mount_check(Mount *mount, const char *target, uint64_t flags, Error *error) {
        g_autoptr(Plan) plan = plan_new();
        int r;

        if (flags & ~(uint64_t) _PLAN_BIND_FLAGS_ALL)
                return error_setf(error, ERROR_INVALID_ARGS,
                                  "Flags %" G_GUINT64_FORMAT
                                  " are not a sum of 1 (writable), 2 (optional) and 4 (recursive)",
                                  (guint64) flags);
        mount->flags = (PlanBindFlags) flags;
        r = plan_path_normalize(target, &mount->target, error);
        if (r < 0)
                return r;
        return mount_add_to_plan(mount, plan, error);
}

int mount_new(const char *source, const char *target, uint64_t flags, Mount **ret, Error *error) {
        g_autoptr(Mount) mount = mount_alloc();
        int r;

        r = plan_path_normalize(source, &mount->source, error);
        if (r >= 0)
                r = mount_check(mount, target, flags, error);
        if (r < 0)
                return r;
        *ret = g_steal_pointer(&mount);
        return 0;
}

int mount_new_fd(int fd, uint32_t number, const char *target, uint64_t flags, Mount **ret, Error *error) {
        g_autoptr(Mount) mount = mount_alloc();
        int r;

        mount->number = number;
        mount->source = g_strdup_printf("fd:%u", number);
        r = mount_check(mount, target, flags, error);
        if (r < 0)
                return r;
        mount->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        if (mount->fd < 0)
                return error_set_errnof(error, errno, "Cannot duplicate the descriptor to mount");
        *ret = g_steal_pointer(&mount);
        return 0;
}

/* ---- who may ---- */

/* Without asking whoever serves the file system: it may be the caller's own, and never answer. */
static int descriptor_look(int fd, struct statx *ret, int *ret_flags, Error *error) {
        *ret_flags = fcntl(fd, F_GETFL);
        if (*ret_flags < 0 ||
            statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE | STATX_UID | STATX_GID, ret) < 0)
                return error_set_errnof(error, errno, "Cannot look at the descriptor to mount");
        return 0;
}

static int descriptor_authorize(const Mount *mount, const Caller *caller, gid_t *ret_group, Error *error) {
        bool is_writable = mount->flags & PLAN_BIND_WRITABLE;
        struct statx stx;
        int flags, r;

        r = descriptor_look(mount->fd, &stx, &flags, error);
        if (r < 0)
                return r;
        if (flags & O_PATH)
                return error_setf(error, ERROR_INVALID_ARGS,
                                  "The descriptor to mount was opened with O_PATH, which does not show that "
                                  "the caller may open it");
        if (!S_ISREG(stx.stx_mode) && !S_ISDIR(stx.stx_mode) && !S_ISSOCK(stx.stx_mode) &&
            !S_ISFIFO(stx.stx_mode))
                return error_setf(error, ERROR_INVALID_ARGS,
                                  "The descriptor to mount is not of a regular file, folder, socket or fifo");
        *ret_group = stx.stx_gid;
        if (!is_writable)
                return 0;
        if (stx.stx_uid != caller->uid)
                return error_setf(
                        error, ERROR_ACCESS_DENIED,
                        "User %u may show only what is its own for writing; this belongs to user %u",
                        (unsigned) caller->uid, stx.stx_uid);
        if (!S_ISDIR(stx.stx_mode) && (flags & O_ACCMODE) == O_RDONLY)
                return error_setf(error, ERROR_ACCESS_DENIED,
                                  "The descriptor was not opened for writing, so it cannot be shown for it");
        return 0;
}

int mount_authorize(Mount *mount, const Settings *settings, const Caller *caller, Error *error) {
        const char *folder = NULL;
        gid_t group = 0;
        int r;

        if (caller_is_root(caller))
                return 0;
        if (mount->number > 0)
                r = descriptor_authorize(mount, caller, &group, error);
        else
                r = policy_check_folder(settings, caller, mount->source, mount->flags & PLAN_BIND_WRITABLE,
                                        &folder, error);
        if (r < 0)
                return r;
        if (!caller_choose_group(caller, group, &group))
                return error_setf(error, ERROR_ACCESS_DENIED,
                                  "User %u is in no group but 0, for which no app may stand",
                                  (unsigned) caller->uid);
        mount->has_caller = true;
        mount->uid = caller->uid;
        mount->gid = group;
        g_free(mount->folder);
        mount->folder = g_strdup(folder);
        return 0;
}

/* ---- the plan ---- */

int mount_add_to_plan(const Mount *mount, Plan *plan, Error *error) {
        g_autoptr(PlanOrigin) origin = plan_origin_new(ORIGIN, NULL, 0, 0);
        PlanCaller caller = { .uid = mount->uid, .gid = mount->gid, .folder = mount->folder };

        return plan_add_caller_bind(plan, origin, mount->has_caller ? &caller : NULL, mount->source,
                                    mount->target, mount->flags, error);
}

int mounts_add_to_plan(const GPtrArray *mounts, Plan *plan, Error *error) {
        for (guint i = 0; i < mounts->len; i++) {
                int r = mount_add_to_plan(mounts->pdata[i], plan, error);

                if (r < 0)
                        return r;
        }
        return 0;
}

const Mount *mounts_find(const GPtrArray *mounts, const char *target) {
        for (guint i = 0; i < mounts->len; i++) {
                const Mount *mount = mounts->pdata[i];

                if (strcmp(mount->target, target) == 0)
                        return mount;
        }
        return NULL;
}

/* ---- the record ---- */

void mount_put(WireWriter *writer, const Mount *mount) {
        wire_put_string(writer, mount->source);
        wire_put_string(writer, mount->target);
        wire_put_u32(writer, mount->flags);
        wire_put_u32(writer, mount->number);
        wire_put_u8(writer, mount->has_caller);
        wire_put_u32(writer, mount->uid);
        wire_put_u32(writer, mount->gid);
        wire_put_string(writer, mount->folder);
}

int mount_get(WireReader *reader, Mount **ret, Error *error) {
        g_autoptr(Mount) mount = mount_alloc();
        const char *source = wire_get_string(reader), *target = wire_get_string(reader);
        uint32_t flags = wire_get_u32(reader), number;
        uint8_t has_caller;
        int r;

        mount->number = wire_get_u32(reader);
        has_caller = wire_get_u8(reader);
        mount->has_caller = has_caller == 1;
        mount->uid = wire_get_u32(reader);
        mount->gid = wire_get_u32(reader);
        mount->folder = g_strdup(wire_get_string(reader));
        if (reader->failed || !source || !target || has_caller > 1)
                return error_set_errnof(error, EBADMSG, "Mount in a record ends early or is not well formed");
        if (mount->number == 0) {
                r = plan_path_normalize(source, &mount->source, error);
                if (r < 0)
                        return r;
        } else if (plan_source_get_fd_number(source, &number) < 0 || number != mount->number)
                return error_setf(error, ERROR_INVALID_ARGS, "Mount in a record is of another descriptor");
        else
                mount->source = g_strdup(source);
        r = mount_check(mount, target, flags, error);
        if (r < 0)
                return r;
        *ret = g_steal_pointer(&mount);
        return 0;
}
