/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "service/usage.h"

#include <fcntl.h>
#include <string.h>

#include "util/fs.h"

#define PAYLOAD        "payload"
#define PLACE_SIZE_MAX (16 * 1024)   /* of /proc/PID/cgroup: a line per hierarchy */
#define PIDS_SIZE_MAX  (1024 * 1024) /* of a list of processes: 8 bytes for each of 131,072 */

static const struct {
        const char *controller, *v1_file, *v2_file;
        const char *v1_key, *v2_key; /* what stands in front of it in the file; NULL = the file is the number */
        uint64_t v2_factor;
} usages[_USAGE_MAX] = {
        [USAGE_MEMORY] = { "memory", "memory.usage_in_bytes", "memory.current", NULL, NULL, 1 },
        [USAGE_CPU] = { "cpuacct", "cpuacct.usage", "cpu.stat", NULL, "usage_usec ", 1000 },
        [USAGE_TASKS] = { "pids", "pids.current", "pids.current", NULL, NULL, 1 },
        [USAGE_OOM_KILLS] = { "memory", "memory.oom_control", "memory.events", "\noom_kill ", "\noom_kill ", 1 },
        /* the first line is that of "some" */
        [USAGE_CPU_PRESSURE] = { "cpu", NULL, "cpu.pressure", NULL, " total=", 1 },
        [USAGE_IO_PRESSURE] = { "io", NULL, "io.pressure", NULL, " total=", 1 },
        [USAGE_MEMORY_PRESSURE] = { "memory", NULL, "memory.pressure", NULL, " total=", 1 },
};

uint64_t usage_read(const CgroupHost *host, const char *cgroup, Usage usage) {
        bool is_v2 = cgroup_host_get_layout(host) == CGROUP_UNIFIED;
        const char *key = is_v2 ? usages[usage].v2_key : usages[usage].v1_key;
        g_autoptr(CgroupBox) box = NULL;
        g_autofree char *text = NULL;
        const char *number;

        if (cgroup_box_open(host, cgroup, &box, NULL) < 0 ||
            cgroup_box_read(box, usages[usage].controller, usages[usage].v1_file, usages[usage].v2_file,
                            &text, NULL) < 0)
                return 0;
        number = key ? strstr(text, key) : text;
        if (!number)
                return 0;
        return g_ascii_strtoull(number + (key ? strlen(key) : 0), NULL, 10) *
               (is_v2 ? usages[usage].v2_factor : 1);
}

/* Folder of the payload in the first hierarchy; NULL if the host has none. Caller frees. */
static char *payload_get_folder(const CgroupHost *host, const char *cgroup) {
        g_autofree char *name = g_build_filename(cgroup, PAYLOAD, NULL);

        return cgroup_host_get_path(host, NULL, name);
}

char *usage_get_control_group(const CgroupHost *host, const char *cgroup) {
        g_autofree char *folder = payload_get_folder(host, cgroup);
        const char *mount = cgroup_host_get_mount(host);
        const char *path;

        if (!folder || !g_str_has_prefix(folder, mount))
                return g_strdup("");
        path = folder + strlen(mount);
        /* On v1 each hierarchy has a folder of its own in there. */
        if (cgroup_host_get_layout(host) != CGROUP_UNIFIED)
                path = strchr(path + 1, '/');
        return g_strdup(path ?: "");
}

static bool payload_has(const CgroupHost *host, const char *cgroup, pid_t pid) {
        g_autofree char *folder = payload_get_folder(host, cgroup);
        g_autofree char *file = folder ? g_build_filename(folder, "cgroup.procs", NULL) : NULL;
        g_autofree char *number = g_strdup_printf("%d", (int) pid);
        g_autofree char *text = NULL;
        g_auto(GStrv) lines = NULL;

        if (!file || fs_read_file_at(AT_FDCWD, file, PIDS_SIZE_MAX, &text, NULL, NULL) < 0)
                return false;
        lines = g_strsplit(text, "\n", -1);
        return g_strv_contains((const char *const *) lines, number);
}

/* N of "...:.../<parent>/N/payload"; 0 for any other line. */
static uint32_t line_get_box(const char *line, const char *parent) {
        g_autofree char *mark = g_strdup_printf("/%s/", parent);
        g_autofree char *digits = NULL;
        const char *at = g_strrstr(line, mark);
        guint64 number;

        if (!at || !g_str_has_suffix(line, "/" PAYLOAD))
                return 0;
        at += strlen(mark);
        digits = g_strndup(at, strcspn(at, "/"));
        if (strlen(digits) + strlen("/" PAYLOAD) != strlen(at) ||
            !g_ascii_string_to_unsigned(digits, 10, 1, UINT32_MAX, &number, NULL))
                return 0;
        return (uint32_t) number;
}

uint32_t usage_find_box(const CgroupHost *host, const char *parent, pid_t pid) {
        g_autofree char *file = g_strdup_printf("/proc/%d/cgroup", (int) pid);
        g_autofree char *text = NULL;
        g_auto(GStrv) lines = NULL;

        if (pid <= 0 || fs_read_file_at(AT_FDCWD, file, PLACE_SIZE_MAX, &text, NULL, NULL) < 0)
                return 0;
        lines = g_strsplit(text, "\n", -1);
        for (char **line = lines; *line; line++) {
                uint32_t number = line_get_box(*line, parent);
                g_autofree char *cgroup = g_strdup_printf("%s/%u", parent, number);

                if (number > 0)
                        return payload_has(host, cgroup, pid) ? number : 0;
        }
        return 0;
}
