/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "service/shim-remains.h"

#include <fcntl.h>
#include <signal.h>

#include "util/cleanup.h"
#include "util/fs.h"

#define BOX_PROCS_SIZE_MAX (64 * 1024) /* a handful of numbers */

/* The shim is dead, and its monitor with all that liblxc forked is in the box beside the payload: a child
 * that waits for an answer of a monitor that was killed waits for ever. */
static void box_kill(const CgroupHost *cgroups, const char *cgroup) {
        g_autofree char *folder = cgroup_host_get_path(cgroups, NULL, cgroup);
        g_autofree char *file = folder ? g_build_filename(folder, "cgroup.procs", NULL) : NULL;
        g_autofree char *text = NULL;

        if (!file || fs_read_file_at(AT_FDCWD, file, BOX_PROCS_SIZE_MAX, &text, NULL, NULL) < 0)
                return; /* there is no box any more */

        g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

        for (char **line = lines; *line; line++) {
                gint64 pid;

                if (g_ascii_string_to_signed(*line, 10, 2, G_MAXINT32, &pid, NULL))
                        (void) kill((pid_t) pid, SIGKILL);
        }
}

int shim_remains_clean(const Places *places, const CgroupHost *cgroups, const char *name, Error *error) {
        g_autofree char *cgroup = g_strdup_printf("%s/%s", places->cgroup_parent, name);
        g_autoptr(CgroupBox) box = NULL;
        int r;

        r = cgroup_box_open(cgroups, cgroup, &box, error);
        if (r < 0)
                return r;
        (void) cgroup_box_kill(box, NULL);
        box_kill(cgroups, cgroup);
        r = cgroup_box_destroy(box, error);
        if (r < 0)
                return r;

        autofd int folder_fd = open(places->sandboxes_folder, O_PATH | O_DIRECTORY | O_CLOEXEC);

        if (folder_fd < 0 && errno == ENOENT)
                return 0;
        if (folder_fd < 0)
                return error_set_errnof(error, errno, "Cannot open '%s'", places->sandboxes_folder);
        return fs_remove_recursive(folder_fd, name, error);
}
