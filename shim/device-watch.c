/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Uevents: what the kernel says when devices come and go
 *
 * netlink(7), NETLINK_KOBJECT_UEVENT. Group 1 is the kernel itself, group 2 is udev, which repeats an event when
 * it has set modes and links. What they say is not looked at any further than to see that it is of a device with a
 * node: who is told looks at /dev itself.
 */
#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>

#include "shim/device.h"
#include "util/cleanup.h"

#define GROUP_KERNEL (1 << 0)
#define GROUP_UDEV   (1 << 1)

#define EVENT_SIZE_MAX 8192 /* the kernel's have at most 2 KiB (UEVENT_BUFFER_SIZE), udev's somewhat more */
/* A device that is plugged in sends dozens of events. */
#define SETTLE_USEC (10 * 1000)

struct DeviceWatch {
        int fd; /* owned */
        LoopSource *source, *timer; /* owned */
        bool is_set;
        DevicesChanged changed;
        void *userdata;
};

static void on_settled(void *userdata) {
        DeviceWatch *watch = userdata;

        watch->is_set = false;
        watch->changed(watch->userdata);
}

/* "add@/devices/...", then "NAME=value" each with its NUL; udev puts a header in front. */
static bool has_node(const char *event, size_t size) {
        return memmem(event, size, "\0DEVNAME=", strlen("DEVNAME=") + 1) != NULL;
}

static void on_event(void *userdata, short revents G_GNUC_UNUSED) {
        DeviceWatch *watch = userdata;
        char event[EVENT_SIZE_MAX];
        bool found = false;
        ssize_t n;

        while ((n = recv(watch->fd, event, sizeof(event), MSG_DONTWAIT)) >= 0 || errno == EINTR || errno == ENOBUFS)
                /* of what was lost, anything may have been a device's */
                found = found || n < 0 || has_node(event, (size_t) n);
        if (!found || watch->is_set)
                return;
        watch->is_set = true;
        loop_source_set_time(watch->timer, g_get_monotonic_time() + SETTLE_USEC);
}

int device_watch_new(Loop *loop, DevicesChanged changed, void *userdata, DeviceWatch **ret, Error *error) {
        struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = GROUP_KERNEL | GROUP_UDEV };
        g_autoptr(DeviceWatch) watch = g_new0(DeviceWatch, 1);

        watch->changed = changed;
        watch->userdata = userdata;
        watch->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT);
        if (watch->fd < 0 || bind(watch->fd, (struct sockaddr *) &address, sizeof(address)) < 0)
                return error_set_errnof(error, errno, "Cannot listen for devices that come and go");
        watch->source = loop_add_fd(loop, LOOP_RANK_NORMAL, watch->fd, POLLIN, on_event, watch);
        watch->timer = loop_add_timer(loop, on_settled, watch);
        *ret = g_steal_pointer(&watch);
        return 0;
}

void device_watch_free(DeviceWatch *watch) {
        if (!watch)
                return;
        g_clear_pointer(&watch->source, loop_source_free);
        g_clear_pointer(&watch->timer, loop_source_free);
        watch->fd = fd_close(watch->fd);
        g_free(watch);
}
