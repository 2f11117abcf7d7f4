/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * doctor --leaks: what is on the host under this instance's name, and which of it somebody has a record of
 *
 * Everything of a sandbox has one number: its folder in the runtime folder, with what is mounted in it, its
 * cgroup in every hierarchy, its shim's command line. A number is accounted for if the service lists a sandbox
 * of it, or if a shim of it lives that the service has started: those that are kept ready have no name yet.
 * Everything else is a leak, and so is a shim that a running service is not the parent of. What comes and goes
 * while we look is not seen twice.
 */
#include <errno.h>
#include <glib.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/bus.h"
#include "cli/doctor.h"
#include "cli/leaks.h"
#include "cli/output.h"
#include "util/cgroup.h"

#define LOOK_AGAIN_USEC (400 * 1000)

typedef struct Leaks {
        Cli *cli;
        const Places *places;
        pid_t service;         /* 0 = none runs */
        GHashTable *accounted; /* of char *: numbers */
        GHashTable *found;     /* line that tells of it -> owned Leak */
} Leaks;

static void leak_free(gpointer data) {
        Leak *leak = data;

        g_free(leak->line);
        g_free(leak->path);
        g_free(leak->number);
        error_done(&leak->failure);
        g_free(leak);
}

static void leaks_add(Leaks *leaks, LeakKind kind, const char *what, const char *path, const char *number) {
        Leak *leak = g_new0(Leak, 1);

        *leak = (Leak){ .kind = kind,
                        .line = g_strdup_printf("%s %s", what, path),
                        .path = g_strdup(path),
                        .number = g_strdup(number) };
        g_hash_table_replace(leaks->found, leak->line, leak);
}

/* "12" of "12", of ".../bulkhead/12/payload" with @parent "bulkhead"; NULL if it is none. */
static char *number_from(const char *text, size_t size) {
        if (size == 0 || size > 10)
                return NULL;
        for (size_t i = 0; i < size; i++)
                if (!g_ascii_isdigit(text[i]))
                        return NULL;
        return g_strndup(text, size);
}

static char *number_from_path(const char *path, const char *parent) {
        g_autofree char *needle = g_strdup_printf("/%s/", parent);
        const char *at = path ? strstr(path, needle) : NULL;

        if (!at)
                return NULL;
        at += strlen(needle);
        return number_from(at, strcspn(at, "/"));
}

/* ---- who is accounted for ---- */

static pid_t find_service(Cli *cli) {
        sd_bus_creds *creds = NULL;
        pid_t pid = 0;

        if (bus_has_service(cli) &&
            sd_bus_get_name_creds(bulkhead_get_bus(cli->service), BUS_NAME, SD_BUS_CREDS_PID, &creds) >= 0)
                (void) sd_bus_creds_get_pid(creds, &pid);
        sd_bus_creds_unref(creds);
        return pid;
}

static int account_for_listed(Leaks *leaks) {
        g_auto(BulkheadError) error = { 0 };
        BulkheadSandbox **sandboxes = NULL;
        int r;

        if (leaks->service == 0)
                return 0;
        r = bulkhead_list(leaks->cli->service, &sandboxes, &error);
        if (r < 0)
                return bus_explain_failure(leaks->cli, &error, r);
        for (BulkheadSandbox **at = sandboxes; *at; at++) {
                json_t *properties = bus_get_properties(leaks->cli, (*at)->path, true);
                const char *cgroup = json_string_value(json_object_get(properties, "ControlGroup"));
                char *number = number_from_path(cgroup, leaks->places->cgroup_parent);

                if (number)
                        (void) g_hash_table_add(leaks->accounted, number);
                json_decref(properties);
        }
        bulkhead_sandboxes_free(sandboxes);
        return 0;
}

/* Fields 3 and 4 of proc(5) stat: the name before them may hold anything, so from its end. */
static pid_t read_parent(const char *pid, char *ret_state) {
        g_autofree char *path = g_build_filename("/proc", pid, "stat", NULL), *text = NULL;
        const char *end;
        int parent;

        if (!g_file_get_contents(path, &text, NULL, NULL))
                return -1;
        end = strrchr(text, ')');
        return end && sscanf(end, ") %c %d", ret_state, &parent) == 2 ? (pid_t) parent : -1;
}

/* The value behind @option on the command line of a process; NULL if it is not there. */
static char *read_argument(const char *pid, const char *option) {
        g_autofree char *path = g_build_filename("/proc", pid, "cmdline", NULL), *text = NULL;
        size_t size = 0;

        if (!g_file_get_contents(path, &text, &size, NULL))
                return NULL;
        for (const char *at = text; at < text + size; at += strlen(at) + 1)
                if (strcmp(at, option) == 0 && at + strlen(at) + 1 < text + size)
                        return g_strdup(at + strlen(at) + 1);
        return NULL;
}

static bool is_shim(const char *pid) {
        g_autofree char *path = g_build_filename("/proc", pid, "exe", NULL);
        g_autofree char *target = g_file_read_link(path, NULL);

        return target && strstr(target, "/bulkhead-shim");
}

static void look_at_process(Leaks *leaks, const char *pid) {
        g_autofree char *cgroup = NULL, *path = NULL, *number = NULL;
        char state = '?';
        pid_t parent = read_parent(pid, &state);

        if (parent < 0 || state == 'Z' || !is_shim(pid))
                return;
        cgroup = read_argument(pid, "--cgroup");
        path = g_strconcat("/", cgroup, NULL);
        number = number_from_path(path, leaks->places->cgroup_parent);
        if (!number || g_hash_table_contains(leaks->accounted, number))
                return;
        /* Without a service, shims are those that wait for the next one. The monitor is a child of its shim.
         */
        if (leaks->service == 0 || parent == leaks->service) {
                (void) g_hash_table_add(leaks->accounted, g_steal_pointer(&number));
                return;
        }
        if (parent <= 1) {
                g_autofree char *what = g_strdup_printf("process %s: a shim that the service does not know, of", pid);

                leaks_add(leaks, LEAK_SHIM, what, cgroup, number);
        }
}

static void look_at_processes(Leaks *leaks) {
        g_autoptr(GDir) folder = g_dir_open("/proc", 0, NULL);
        const char *name;

        while (folder && (name = g_dir_read_name(folder)))
                if (g_ascii_isdigit(name[0]))
                        look_at_process(leaks, name);
}

/* ---- what there is ---- */

static void look_at_folder(Leaks *leaks, const char *path, LeakKind kind, const char *what) {
        g_autoptr(GDir) folder = g_dir_open(path, 0, NULL);
        const char *name;

        while (folder && (name = g_dir_read_name(folder))) {
                g_autofree char *number = number_from(name, strlen(name));

                if (number && !g_hash_table_contains(leaks->accounted, number)) {
                        g_autofree char *full = g_build_filename(path, name, NULL);

                        leaks_add(leaks, kind, what, full, number);
                }
        }
}

/* Field 5 of proc(5) mountinfo is the mount point, with blanks and the like as \NNN, which g_strcompress() reads. */
static void look_at_mounts(Leaks *leaks) {
        g_autofree char *text = NULL, *below = g_strconcat(leaks->places->sandboxes_folder, "/", NULL);
        g_auto(GStrv) lines = NULL;

        if (!g_file_get_contents("/proc/self/mountinfo", &text, NULL, NULL))
                return;
        lines = g_strsplit(text, "\n", -1);
        for (char **line = lines; *line; line++) {
                g_auto(GStrv) fields = g_strsplit(*line, " ", 6);
                g_autofree char *path = g_strv_length(fields) == 6 ? g_strcompress(fields[4]) : NULL;
                g_autofree char *number = NULL;

                if (!path || !g_str_has_prefix(path, below))
                        continue;
                number = number_from(path + strlen(below), strcspn(path + strlen(below), "/"));
                if (number && !g_hash_table_contains(leaks->accounted, number))
                        leaks_add(leaks, LEAK_MOUNT, "mount", path, number);
        }
}

CgroupHost *leaks_open_cgroups(pid_t service) {
        /* Where its tree stands is told by the service's own cgroup, if there is one. */
        g_autofree char *self = service ? g_strdup_printf("/proc/%d/cgroup", (int) service)
                                        : g_strdup("/proc/self/cgroup");
        CgroupHost *host = NULL;

        return cgroup_host_new("/proc/self/mountinfo", self, &host, NULL) < 0 ? NULL : host;
}

static void look_at_cgroups(Leaks *leaks) {
        static const char *const controllers[] = { NULL,      "memory",     "pids",    "cpu",   "cpuacct",
                                                   "cpuset",  "devices",    "freezer", "blkio", "io",
                                                   "net_cls", "perf_event", "hugetlb" };
        g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        g_autoptr(CgroupHost) host = leaks_open_cgroups(leaks->service);

        if (!host)
                return;
        for (size_t i = 0; i < G_N_ELEMENTS(controllers); i++) {
                char *path = cgroup_host_get_path(host, controllers[i], leaks->places->cgroup_parent);

                if (path && g_hash_table_add(seen, path)) /* takes it either way */
                        look_at_folder(leaks, path, LEAK_CGROUP, "cgroup");
        }
}

static int leaks_look(Leaks *leaks) {
        int r;

        leaks->service = find_service(leaks->cli);
        r = account_for_listed(leaks);
        if (r < 0)
                return r;
        look_at_processes(leaks);
        look_at_mounts(leaks);
        look_at_folder(leaks, leaks->places->sandboxes_folder, LEAK_FOLDER, "folder");
        look_at_cgroups(leaks);
        return 0;
}

/* ---- telling ---- */

static gboolean is_missing_in(gpointer line, gpointer value G_GNUC_UNUSED, gpointer set) {
        return !g_hash_table_contains(set, line);
}

static gint compare_leaks(gconstpointer a, gconstpointer b) {
        return strcmp((*(const Leak *const *) a)->line, (*(const Leak *const *) b)->line);
}

static GPtrArray *leaks_sort(GHashTable *found) {
        GPtrArray *sorted = g_ptr_array_new();
        GHashTableIter iter;
        gpointer leak;

        g_hash_table_iter_init(&iter, found);
        while (g_hash_table_iter_next(&iter, NULL, &leak))
                g_ptr_array_add(sorted, leak);
        g_ptr_array_sort(sorted, compare_leaks);
        return sorted;
}

static void leaks_print(const Cli *cli, const GPtrArray *leaks, bool fix) {
        json_t *left = json_array(), *removed = json_array();

        for (guint i = 0; i < leaks->len; i++) {
                const Leak *leak = leaks->pdata[i];
                g_autofree char *escaped = output_escape(leak->line);

                json_array_append_new(leak->is_removed ? removed : left, json_string(leak->line));
                if (cli->json)
                        continue;
                if (leak->failure.message) {
                        g_autofree char *why = output_escape(leak->failure.message);

                        printf("%s: stays: %s\n", escaped, why);
                } else
                        printf("%s%s\n", escaped, leak->is_removed ? ": removed" : "");
        }
        if (cli->json)
                output_json(fix ? json_pack("{s:O, s:O}", "leaks", left, "removed", removed)
                                : json_pack("{s:O}", "leaks", left),
                            stdout);
        else if (leaks->len == 0 && !cli->quiet)
                puts("No leaks.");
        json_decref(left);
        json_decref(removed);
}

static bool leaks_are_left(const GPtrArray *leaks) {
        for (guint i = 0; i < leaks->len; i++)
                if (!((const Leak *) leaks->pdata[i])->is_removed)
                        return true;
        return false;
}

static GHashTable *found_new(void) {
        return g_hash_table_new_full(g_str_hash, g_str_equal, NULL, leak_free);
}

int doctor_find_leaks(Cli *cli, const Places *places, bool fix) {
        g_autoptr(GHashTable) accounted = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        g_autoptr(GHashTable) first = found_new(), second = found_new();
        g_autoptr(GPtrArray) sorted = NULL;
        Leaks leaks = { .cli = cli, .places = places, .accounted = accounted, .found = first };

        if (geteuid() != 0) {
                output_error("Only root sees all of what there can be");
                return EXIT_FAILURE;
        }
        if (leaks_look(&leaks) < 0)
                return EXIT_FAILURE;
        if (g_hash_table_size(first) > 0) {
                (void) g_usleep(LOOK_AGAIN_USEC);
                g_hash_table_remove_all(accounted);
                leaks.found = second;
                if (leaks_look(&leaks) < 0)
                        return EXIT_FAILURE;
                (void) g_hash_table_foreach_remove(first, is_missing_in, second);
        }
        sorted = leaks_sort(first);
        if (fix)
                leaks_fix(sorted, places, leaks.service);
        leaks_print(cli, sorted, fix);
        return leaks_are_left(sorted) ? EXIT_FAILURE : EXIT_SUCCESS;
}
