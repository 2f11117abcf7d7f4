/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/cgroup-private.h"
#include "util/cleanup.h"
#include "util/fs.h"

#define CGROUP_FILE_MAX (256 * 1024) /* memory.stat has 2 KiB, io files grow with the disks */

/* Finds the folder (*ret_fd, not the caller's) and the path in it of a file of the payload. */
static int find_file(CgroupBox *box, const char *controller, const char *v1_file, const char *v2_file,
                     int *ret_fd, char **ret_path, Error *error) {
        bool is_v2 = box->host->layout == CGROUP_UNIFIED;
        const char *file = is_v2 ? v2_file : v1_file;
        guint i = 0;

        if (!file || (!is_v2 && !cgroup_host_find(box->host, controller, &i)))
                return error_setf(error, ERROR_UNSUPPORTED,
                                  "Controller '%s' has no '%s' on this host, which is %s", controller,
                                  v1_file ?: v2_file, cgroup_layout_to_string(box->host->layout));
        if (!isalpha((unsigned char) *file) || strchr(file, '/'))
                return error_setf(error, ERROR_INVALID_ARGS, "'%s' is no name of a cgroup file", file);
        *ret_fd = box->fds[i];
        *ret_path = g_strconcat(CGROUP_PAYLOAD "/", file, NULL);
        return 0;
}

/* A file that is missing in a folder that is there: the controller is off, or older than the file. */
static int file_failed(CgroupBox *box, int dir_fd, const char *path, int r, const char *verb, Error *error) {
        struct stat st;

        if (r == -ENOENT && dir_fd >= 0 && fstatat(dir_fd, CGROUP_PAYLOAD, &st, AT_SYMLINK_NOFOLLOW) == 0)
                return error_setf(error, ERROR_UNSUPPORTED,
                                  "This host has no '%s' for cgroups, which are %s here",
                                  path + strlen(CGROUP_PAYLOAD "/"), cgroup_layout_to_string(box->host->layout));
        return error_set_errnof(error, -r, "Cannot %s '%s' of the cgroup '%s'", verb, path, box->name);
}

int cgroup_box_write(CgroupBox *box, const char *controller, const char *v1_file, const char *v2_file,
                     const char *value, Error *error) {
        g_autofree char *path = NULL;
        g_autofree char *verb = NULL;
        int dir_fd = -EBADF;
        int r;

        r = find_file(box, controller, v1_file, v2_file, &dir_fd, &path, error);
        if (r < 0)
                return r;
        r = fs_write_file_at(dir_fd, path, value);
        if (r >= 0)
                return 0;
        verb = g_strdup_printf("write '%s' to", value);
        return file_failed(box, dir_fd, path, r, verb, error);
}

int cgroup_box_read(CgroupBox *box, const char *controller, const char *v1_file, const char *v2_file,
                    char **ret, Error *error) {
        g_auto(Error) reason = ERROR_NULL;
        g_autofree char *path = NULL;
        int dir_fd = -EBADF;
        int r;

        r = find_file(box, controller, v1_file, v2_file, &dir_fd, &path, error);
        if (r < 0)
                return r;
        r = fs_read_file_at(dir_fd, path, CGROUP_FILE_MAX, ret, NULL, &reason);
        return r < 0 ? file_failed(box, dir_fd, path, r, "read", error) : 0;
}

int cgroup_box_open_file(CgroupBox *box, const char *controller, const char *v1_file, const char *v2_file,
                         int flags, Error *error) {
        g_autofree char *path = NULL;
        int dir_fd = -EBADF, fd;
        int r;

        r = find_file(box, controller, v1_file, v2_file, &dir_fd, &path, error);
        if (r < 0)
                return r;
        fd = openat(dir_fd, path, flags | O_CLOEXEC);
        return fd >= 0 ? fd : file_failed(box, dir_fd, path, -errno, "open", error);
}

CgroupLayout cgroup_box_get_layout(const CgroupBox *box) {
        return box->host->layout;
}

int cgroup_box_limit(CgroupBox *box, uint64_t memory_max, uint64_t tasks_max, Error *error) {
        char value[32];
        int r;

        if (memory_max > 0) {
                (void) snprintf(value, sizeof(value), "%" G_GUINT64_FORMAT, memory_max);
                r = cgroup_box_write(box, "memory", "memory.limit_in_bytes", "memory.max", value, error);
                if (r < 0)
                        return r;
        }
        if (tasks_max > 0) {
                (void) snprintf(value, sizeof(value), "%" G_GUINT64_FORMAT, tasks_max);
                r = cgroup_box_write(box, "pids", "pids.max", "pids.max", value, error);
                if (r < 0)
                        return r;
        }
        return 0;
}
