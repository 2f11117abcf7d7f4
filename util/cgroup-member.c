/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "util/cgroup-private.h"
#include "util/fs.h"

#define PROCESSES_MAX (1024 * 1024) /* bytes of a list of processes: 8 for each of 131,072 */

#define POLL_FIRST_USEC 50
#define POLL_MAX_USEC   5000

/* ---- freezing and killing ---- */

static uint64_t now_usec(void) {
        struct timespec now;

        (void) clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t) now.tv_sec * 1000000 + (uint64_t) now.tv_nsec / 1000;
}

/* Is there "<key> 1" in cgroup.events of the v2 payload? */
static bool has_event(CgroupBox *box, const char *key) {
        g_autofree char *wanted = g_strdup_printf("%s 1", key);
        g_auto(GStrv) lines = NULL;
        char text[256];

        if (cgroup_read_short(box->fds[0], CGROUP_PAYLOAD "/cgroup.events", text, sizeof(text)) < 0)
                return false;
        lines = g_strsplit(text, "\n", -1);
        return g_strv_contains((const char *const *) lines, wanted);
}

/* Writes the wanted state and says whether it is reached: 1 or 0. */
static int step_freezer(CgroupBox *box, guint i, bool frozen) {
        char state[32];
        int r;

        if (cgroup_host_get(box->host, i)->is_v2) {
                r = fs_write_file_at(box->fds[i], CGROUP_PAYLOAD "/cgroup.freeze", frozen ? "1" : "0");
                return r < 0 ? r : has_event(box, "frozen") == frozen;
        }
        /* written again in each round: a process that was forked in between lets v1 stay at FREEZING */
        r = fs_write_file_at(box->fds[i], CGROUP_PAYLOAD "/freezer.state", frozen ? "FROZEN" : "THAWED");
        if (r >= 0)
                r = cgroup_read_short(box->fds[i], CGROUP_PAYLOAD "/freezer.state", state, sizeof(state));
        return r < 0 ? r : strcmp(state, frozen ? "FROZEN" : "THAWED") == 0;
}

static int set_frozen(CgroupBox *box, bool frozen, uint64_t timeout_usec, Error *error) {
        const char *verb = frozen ? "freeze" : "thaw";
        uint64_t start = now_usec();
        guint i = 0;

        if (box->host->layout != CGROUP_UNIFIED && !cgroup_host_find(box->host, "freezer", &i))
                return error_setf(error, ERROR_UNSUPPORTED, "This host has no freezer cgroup");
        for (uint64_t pause = POLL_FIRST_USEC;; pause = MIN(pause * 2, POLL_MAX_USEC)) {
                struct timespec wait = { .tv_nsec = (long) (pause * 1000) };
                int r;

                r = step_freezer(box, i, frozen);
                if (r < 0)
                        return error_set_errnof(error, -r, "Cannot %s the cgroup '%s'", verb, box->name);
                if (r > 0)
                        return 0;
                if (now_usec() - start >= timeout_usec)
                        return error_setf(error, ERROR_TIMEOUT,
                                          "Cgroup '%s' did not %s within %" G_GUINT64_FORMAT " ms", box->name,
                                          verb, timeout_usec / 1000);
                (void) nanosleep(&wait, NULL);
        }
}

int cgroup_box_freeze(CgroupBox *box, uint64_t timeout_usec, Error *error) {
        int r = set_frozen(box, true, timeout_usec, error);

        /* all or nothing: who was told that it failed will not thaw it */
        if (r < 0)
                (void) set_frozen(box, false, 0, NULL);
        return r;
}

int cgroup_box_thaw(CgroupBox *box, uint64_t timeout_usec, Error *error) {
        return set_frozen(box, false, timeout_usec, error);
}

/* The hierarchy that tells who is in the payload: a frozen one must not escape, so the freezer's. */
static guint find_members(const CgroupBox *box) {
        guint i = 0;

        (void) cgroup_host_find(box->host, "freezer", &i);
        return i;
}

int cgroup_box_is_populated(CgroupBox *box) {
        guint i = find_members(box);
        char text[32];

        if (cgroup_host_get(box->host, i)->is_v2)
                return has_event(box, "populated");
        return cgroup_read_short(box->fds[i], CGROUP_PAYLOAD "/cgroup.procs", text, sizeof(text)) >= 0 && *text;
}

/* SIGKILL to all of cgroup.procs of one folder, once around. A pid cannot be given to somebody else meanwhile but by a wrap
 * around all pids between our read and our kill. 1 if there was one. */
static int kill_members(CgroupBox *box, guint i, const char *path, Error *error) {
        g_auto(Error) reason = ERROR_NULL;
        g_autofree char *text = NULL;
        bool found = false;
        int r;

        r = fs_read_file_at(box->fds[i], path, PROCESSES_MAX, &text, NULL, &reason);
        if (cgroup_is_gone(r) || r == -EBADF)
                return 0;
        if (r < 0)
                return error_set_errnof(error, -r, "Cannot read the processes of the cgroup '%s'", box->name);
        for (char *at = text, *end = NULL; *at; at = end + strspn(end, "\n")) {
                gint64 pid = g_ascii_strtoll(at, &end, 10);

                if (end == at)
                        break;
                /* 0: a process of a pid namespace that we do not see; 1 and we ourselves can only be there by
                 * mistake, and would take the machine or the undo with them */
                if (pid <= 1 || pid == getpid())
                        continue;
                found = true;
                (void) kill((pid_t) pid, SIGKILL);
        }
        return found;
}

int cgroup_box_kill(CgroupBox *box, Error *error) {
        guint i = find_members(box);
        guint freezer;
        int r;

        if (cgroup_host_get(box->host, i)->is_v2) {
                if (!has_event(box, "populated"))
                        return 0;
                /* acts on forks that run meanwhile and on frozen processes alike (Linux 5.14) */
                r = fs_write_file_at(box->fds[i], CGROUP_PAYLOAD "/cgroup.kill", "1");
                if (r >= 0)
                        return 1;
                if (r != -ENOENT)
                        return error_set_errnof(error, -r, "Cannot kill the cgroup '%s'", box->name);
                return kill_members(box, i, CGROUP_PAYLOAD "/cgroup.procs", error);
        }
        r = kill_members(box, i, CGROUP_PAYLOAD "/cgroup.procs", error);
        if (r > 0 && cgroup_host_find(box->host, "freezer", &freezer))
                (void) fs_write_file_at(box->fds[freezer], CGROUP_PAYLOAD "/freezer.state", "THAWED");
        return r;
}

int cgroup_box_kill_others(CgroupBox *box, Error *error) {
        guint i = find_members(box);

        return kill_members(box, i, cgroup_host_get(box->host, i)->is_v2 ? CGROUP_SHIM "/cgroup.procs" : "cgroup.procs", error);
}
