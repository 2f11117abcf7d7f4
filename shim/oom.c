/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "shim/oom.h"

#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "util/cleanup.h"

#define COUNTER "\noom_kill "

/* The end of a program that was killed is told this long after at most: its memory is given back before. */
#define FRESH_USEC (5 * G_USEC_PER_SEC)
/* v1 says that memory is short, and kills a moment later. */
#define LOOK_AGAIN_USEC (100 * 1000)

struct Oom {
        CgroupBox *box;     /* not owned */
        int event_fd;       /* owned; v1: eventfd(2); v2: memory.events, which is polled */
        LoopSource *source; /* owned */
        LoopSource *timer;  /* owned */
        guint64 n_seen;     /* of the kernel's counter */
        guint64 n_fresh;    /* of them, those that may still be a program's */
        gint64 last_usec;   /* when the last was seen */
};

/* memory.oom_control of v1 (cgroup-v1/memory.rst, section 10) and memory.events of v2 have the same line. */
static int read_counter(const Oom *oom, guint64 *ret, Error *error) {
        g_autofree char *text = NULL;
        const char *line;
        int r;

        r = cgroup_box_read(oom->box, "memory", "memory.oom_control", "memory.events", &text, error);
        if (r < 0)
                return r;
        line = strstr(text, COUNTER);
        if (!line)
                return error_setf(error, ERROR_UNSUPPORTED, "This kernel does not count kills for want of memory");
        *ret = g_ascii_strtoull(line + strlen(COUNTER), NULL, 10);
        return 0;
}

static void look(Oom *oom) {
        gint64 now = g_get_monotonic_time();
        guint64 n = 0;

        if (read_counter(oom, &n, NULL) < 0)
                return;
        /* One of a child of a program: its parent lives on, or has ended otherwise. */
        if (now - oom->last_usec > FRESH_USEC)
                oom->n_fresh = 0;
        if (n <= oom->n_seen)
                return;
        oom->n_fresh += n - oom->n_seen;
        oom->n_seen = n;
        oom->last_usec = now;
}

/* Makes the descriptor wait for the next event; false once the group is gone, which is an event for ever. */
static bool take_event(const Oom *oom) {
        char buffer[4096];

        if (cgroup_box_get_layout(oom->box) == CGROUP_UNIFIED)
                return pread(oom->event_fd, buffer, sizeof(buffer), 0) >= 0;
        return read(oom->event_fd, buffer, sizeof(uint64_t)) >= 0 || errno == EAGAIN;
}

static void on_event(void *userdata, short revents G_GNUC_UNUSED) {
        Oom *oom = userdata;

        if (!take_event(oom)) {
                g_clear_pointer(&oom->source, loop_source_free);
                return;
        }
        look(oom);
        loop_source_set_time(oom->timer, g_get_monotonic_time() + LOOK_AGAIN_USEC);
}

static void on_time(void *userdata) {
        look(userdata);
}

static int open_event(Oom *oom, Error *error) {
        g_autofree char *line = NULL;
        autofd int control_fd = -EBADF;

        oom->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (oom->event_fd < 0)
                return error_set_errnof(error, errno, "Cannot make an event descriptor");
        control_fd = cgroup_box_open_file(oom->box, "memory", "memory.oom_control", NULL, O_WRONLY, error);
        if (control_fd < 0)
                return control_fd;
        line = g_strdup_printf("%d %d", oom->event_fd, control_fd);
        return cgroup_box_write(oom->box, "memory", "cgroup.event_control", NULL, line, error);
}

int oom_new(CgroupBox *box, Loop *loop, Oom **ret, Error *error) {
        g_autoptr(Oom) oom = g_new0(Oom, 1);
        bool is_v2 = cgroup_box_get_layout(box) == CGROUP_UNIFIED;
        int r;

        oom->box = box;
        oom->event_fd = -EBADF;
        r = read_counter(oom, &oom->n_seen, error);
        if (r < 0)
                return r;
        if (is_v2) {
                oom->event_fd = cgroup_box_open_file(box, "memory", NULL, "memory.events", O_RDONLY, error);
                if (oom->event_fd < 0)
                        return oom->event_fd;
        } else {
                r = open_event(oom, error);
                if (r < 0)
                        return r;
        }
        oom->source = loop_add_fd(loop, LOOP_RANK_INIT, oom->event_fd, is_v2 ? POLLPRI : POLLIN, on_event, oom);
        oom->timer = loop_add_timer(loop, on_time, oom);
        *ret = g_steal_pointer(&oom);
        return 0;
}

void oom_free(Oom *oom) {
        if (!oom)
                return;
        g_clear_pointer(&oom->source, loop_source_free);
        g_clear_pointer(&oom->timer, loop_source_free);
        oom->event_fd = fd_close(oom->event_fd);
        g_free(oom);
}

bool oom_take_kill(Oom *oom) {
        look(oom);
        if (oom->n_fresh == 0)
                return false;
        oom->n_fresh--;
        return true;
}
