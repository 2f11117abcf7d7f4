/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Sockets of the owner's servers in a live sandbox
 *
 * Each is a listening socket of the shim's (shim/socket-proxy.h), bound over its path inside. What is taken away
 * is kept until the whole change holds: a change that fails leaves connections as they were.
 */
#include <fcntl.h>
#include <sys/mount.h>

#include "plan/inside.h"
#include "shim/apply-private.h"
#include "shim/mount.h"
#include "shim/socket-proxy.h"
#include "util/cleanup.h"

typedef struct SocketStep {
        SocketProxy *proxy;        /* owned; that has no place yet, or none any more */
        SocketProxy *changed;      /* not owned; whose flags change when the whole plan holds */
        PlanSocketFlags new_flags; /* those */
} SocketStep;

static void proxy_free(void *proxy) {
        socket_proxy_free(proxy);
}

GHashTable *apply_sockets_new(void) {
        return g_hash_table_new_full(g_str_hash, g_str_equal, g_free, proxy_free);
}

static const char *target_of(const PlanItem *item) {
        return item->socket.server == PLAN_SOCKET_WAYLAND ? INSIDE_DIR "/" INSIDE_WAYLAND_NAME : INSIDE_PULSEAUDIO;
}

static const PlanItem *item_of(const Step *step) {
        return step->plan.to ?: step->plan.from;
}

static SocketProxy *find_proxy(const Applier *applier, const PlanItem *item) {
        return g_hash_table_lookup(applier->sockets, item->key);
}

/* Everything that can fail outside is done before anything is changed. */
static int socket_prepare(Applier *applier, Step *step, Error *error) {
        const PlanItem *item = step->plan.to;
        SocketProxySetup setup = { .loop = applier->loop,
                                   .report = applier->report,
                                   .spec = applier->spec,
                                   .helper_folder = applier->helper_folder,
                                   .folder = applier->runtime_folder,
                                   .instance_id = applier->instance_id };
        g_autoptr(SocketProxy) proxy = NULL;
        SocketStep *own = g_new0(SocketStep, 1);
        int r;

        step->data = own;
        if (!item || find_proxy(applier, item))
                return 0;
        r = socket_proxy_new(&setup, item->socket.server, item->socket.flags, &proxy, error);
        if (r >= 0)
                r = mount_clone(AT_FDCWD, socket_proxy_get_path(proxy), false, &step->tree_fd, error);
        if (r >= 0)
                r = mount_set_attributes(step->tree_fd, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_RDONLY, -EBADF,
                                         false, "the socket", error);
        if (r >= 0)
                own->proxy = g_steal_pointer(&proxy);
        return r;
}

static int socket_apply(Applier *applier, Step *step, Error *error) {
        const PlanItem *item = item_of(step);
        SocketStep *own = step->data;
        gpointer key = NULL;
        int r;

        if (step->plan.from && step->plan.to) {
                own->changed = find_proxy(applier, item);
                own->new_flags = item->socket.flags;
                return 0;
        }
        r = apply_mount_step(applier, step, target_of(item), false, error);
        if (r < 0)
                return r;
        if (step->plan.to)
                g_hash_table_insert(applier->sockets, g_strdup(item->key), g_steal_pointer(&own->proxy));
        else
                g_hash_table_steal_extended(applier->sockets, item->key, &key, (gpointer *) &own->proxy);
        g_free(key);
        return 0;
}

static void socket_undo(Applier *applier, Step *step) {
        const PlanItem *item = item_of(step);
        SocketStep *own = step->data;

        own->changed = NULL;
        if (step->plan.from && step->plan.to)
                return;
        apply_mount_step_undo(applier, step, target_of(item));
        if (step->plan.to)
                g_hash_table_remove(applier->sockets, item->key);
        else
                g_hash_table_insert(applier->sockets, g_strdup(item->key), g_steal_pointer(&own->proxy));
}

/* The plan holds: what is narrower now cuts, and what was taken away, or never got into its place, ends. */
static void socket_done(Step *step) {
        SocketStep *own = step->data;

        if (own && own->changed)
                socket_proxy_set_flags(own->changed, own->new_flags);
        if (own)
                socket_proxy_free(own->proxy);
        g_clear_pointer(&step->data, g_free);
}

const ApplyOps apply_socket_ops = {
        .place = APPLY_IN_MOUNTS,
        .prepare = socket_prepare,
        .apply = socket_apply,
        .undo = socket_undo,
        .done = socket_done,
};
