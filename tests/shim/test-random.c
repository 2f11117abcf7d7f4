/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A thousand changes of a live sandbox
 *
 * Capabilities that overlap come and go at random, and every fourth time something is among them that must fail.
 * After each change the sandbox is in exactly the state that the plan in force says, seen from outside: its mounts,
 * the nodes of its devices and the list of what may be opened, the files of its control group, and from time to time
 * the variables of a program. In the end nothing is granted, and all is as it was at the start.
 *
 * BULKHEAD_TEST_SEED repeats a run that failed.
 */
#include "tests/shim/help.h"

#include <fcntl.h>
#include <fnmatch.h>
#include <glob.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "plan/limit-join.h"
#include "tests/fixture/test-slow.h"
#include "tests/shim/driver.h"
#include "tests/shim/system.h"
#include "util/cgroup.h"
#include "util/fs.h"

#define N_CHANGES     test_rounds(1000)
#define N_PROGRAM     25 /* a program looks at its variables once in so many changes */
#define FAIL_ONE_IN   4
#define SOURCE_OWNER  1234

typedef enum SampleKind {
        SAMPLE_BIND,
        SAMPLE_DEVICE,
        SAMPLE_LIMIT,
        SAMPLE_ENV,
} SampleKind;

/* One capability; those that share a name or a target overlap. */
typedef struct Sample {
        SampleKind kind;
        const char *name;  /* target, device, setting, variable */
        const char *value; /* source below the folder, value */
        unsigned flags, mode;
} Sample;

static const Sample samples[] = {
        { SAMPLE_BIND, "/g/a", "one", 0, 0 },
        { SAMPLE_BIND, "/g/a", "one", PLAN_BIND_WRITABLE, 0 },
        { SAMPLE_BIND, "/g/a", "one", PLAN_BIND_RECURSIVE, 0 },
        { SAMPLE_BIND, "/g/a/b", "two", 0, 0 },
        { SAMPLE_BIND, "/g/a/b", "two", PLAN_BIND_WRITABLE, 0 },
        { SAMPLE_BIND, "/g/deep/er/c", "file", 0, 0 },
        { SAMPLE_BIND, "/g/deep/d", "socket", 0, 0 },
        { SAMPLE_BIND, "/home/app/e", "missing", PLAN_BIND_OPTIONAL, 0 },
        { SAMPLE_BIND, "/home/app/f", "two", PLAN_BIND_OPTIONAL, 0 },
        { SAMPLE_DEVICE, "/dev/fuse", NULL, PLAN_DEVICE_READ, 0440 },
        { SAMPLE_DEVICE, "/dev/fus*", NULL, PLAN_DEVICE_WRITE | PLAN_DEVICE_OPTIONAL, 0206 },
        { SAMPLE_DEVICE, "/dev/loop[0-3]", NULL, PLAN_DEVICE_READ | PLAN_DEVICE_OPTIONAL, 0400 },
        { SAMPLE_DEVICE, "/dev/loop[2-5]", NULL, PLAN_DEVICE_ALL | PLAN_DEVICE_OPTIONAL, 0060 },
        { SAMPLE_DEVICE, "/dev/net/tun", NULL, PLAN_DEVICE_ALL | PLAN_DEVICE_OPTIONAL, 0666 },
        { SAMPLE_DEVICE, "/dev/nonexistent", NULL, PLAN_DEVICE_ALL | PLAN_DEVICE_OPTIONAL, 0666 },
        { SAMPLE_DEVICE, "/dev/zero", NULL, PLAN_DEVICE_READ, 0400 },
        { SAMPLE_LIMIT, "memory.max", "100M", 0, 0 },
        { SAMPLE_LIMIT, "memory.limit_in_bytes", "300M", 0, 0 },
        { SAMPLE_LIMIT, "memory.total.max", "200M", 0, 0 },
        { SAMPLE_LIMIT, "pids.max", "99", 0, 0 },
        { SAMPLE_LIMIT, "pids.max", "max", 0, 0 },
        { SAMPLE_LIMIT, "cpu.shares", "400", 0, 0 },
        { SAMPLE_LIMIT, "cpu.weight", "300", 0, 0 },
        { SAMPLE_LIMIT, "cpuset.cpus", "0", 0, 0 },
        { SAMPLE_LIMIT, "io.max", "7:0 rbps=1M", 0, 0 },
        { SAMPLE_LIMIT, "io.max", "7:0 wiops=10", 0, 0 },
        { SAMPLE_ENV, "GRANTED", "1", PLAN_ENV_SET, 0 },
        { SAMPLE_ENV, "LIST", "a", PLAN_ENV_APPEND, 0 },
        { SAMPLE_ENV, "LIST", "b", PLAN_ENV_APPEND, 0 },
        { SAMPLE_ENV, "LIST", "c", PLAN_ENV_PREPEND, 0 },
};

/* Each fails at another place: while sources are looked for, inside, and at the control group. */
static const Sample failures[] = {
        { SAMPLE_BIND, "/g/z", "missing", 0, 0 },
        { SAMPLE_BIND, "/usr", "one", 0, 0 },
        { SAMPLE_BIND, "/etc/passwd/z", "two", 0, 0 },
        { SAMPLE_BIND, "/g/z", "roots", PLAN_BIND_WRITABLE, 0 },
        { SAMPLE_DEVICE, "/dev/nothing*", NULL, PLAN_DEVICE_ALL, 0600 },
        { SAMPLE_DEVICE, "/dev/net", NULL, PLAN_DEVICE_ALL, 0600 },
        { SAMPLE_LIMIT, "cpuset.mems", "60", 0, 0 },
        { SAMPLE_LIMIT, "io.max", "250:77 rbps=1M", 0, 0 },
};

static PlanOrigin origin = { .capability = (char *) (uintptr_t) "com.example.test",
                             .file = (char *) (uintptr_t) "test.json",
                             .line = 7,
                             .column = 1 };

static Driver *driver;
static char *folder; /* of the sources */
static CgroupHost *host;
static CgroupBox *box;
static pid_t init_pid;
static GRand *dice;
static uint64_t memory_max;

/* ---- plans ---- */

static int add_sample(Plan *plan, const Sample *sample) {
        g_auto(Error) error = ERROR_NULL;
        g_autofree char *source = sample->value ? g_build_filename(folder, sample->value, NULL) : NULL;
        g_autofree char *key = NULL;
        g_auto(LimitValue) value = { 0 };

        switch (sample->kind) {
        case SAMPLE_BIND:
                return plan_add_bind(plan, &origin, source, sample->name, sample->flags, NULL);
        case SAMPLE_DEVICE:
                return plan_add_device(plan, &origin, sample->name, sample->mode, sample->flags, NULL);
        case SAMPLE_ENV:
                return plan_add_env(plan, &origin, sample->name, sample->value, sample->flags, ":", NULL);
        case SAMPLE_LIMIT:
                assert_no_error(limit_parse(sample->name, sample->value, &key, &value, &error), &error);
                return plan_add_limit(plan, &origin, key, &value, NULL);
        }
        return -EINVAL;
}

static Plan *make_plan(const bool *granted, const Sample *failure) {
        Plan *plan = plan_new();

        for (size_t i = 0; i < G_N_ELEMENTS(samples); i++)
                if (granted[i])
                        assert_int_equal(add_sample(plan, samples + i), 0);
        if (failure)
                assert_int_equal(add_sample(plan, failure), 0);
        return plan;
}

/* ---- what is, from outside ---- */

static char *inside(const char *path) {
        return g_strdup_printf("/proc/%d/root%s", (int) init_pid, path);
}

static char *read_limit(const char *file) {
        g_autofree char *controller = g_strndup(file, strcspn(file, "."));
        char *text = NULL;

        return cgroup_box_read(box, controller, file, file, &text, NULL) < 0 ? NULL : g_strstrip(text);
}

static int compare_strings(const void *a, const void *b) {
        return strcmp(*(char *const *) a, *(char *const *) b);
}

static char *join_sorted(GPtrArray *lines) {
        g_ptr_array_sort(lines, compare_strings);
        g_ptr_array_add(lines, NULL);
        return g_strjoinv("\n", (char **) lines->pdata);
}

static GPtrArray *lines_new(void) {
        return g_ptr_array_new_with_free_func(g_free);
}

/* "target ro|rw name": the name is the last component of what is mounted there, "*" of a device's node. */
static char *read_mounts(void) {
        g_autofree char *path = g_strdup_printf("/proc/%d/mountinfo", (int) init_pid);
        g_autoptr(GPtrArray) mounts = lines_new();
        g_autofree char *text = NULL;
        g_auto(GStrv) lines = NULL;

        assert_true(g_file_get_contents(path, &text, NULL, NULL));
        lines = g_strsplit(g_strchomp(text), "\n", -1);
        for (char **line = lines; *line; line++) {
                g_auto(GStrv) words = g_strsplit(*line, " ", 7);
                g_autofree char *name = g_path_get_basename(words[3]);

                g_ptr_array_add(mounts, g_strdup_printf("%s %.2s %s", words[4], words[5],
                                                        g_str_has_prefix(words[4], "/dev/") ? "*" : name));
        }
        return join_sorted(mounts);
}

/* The list of v1; v2 has a program, which test-device asks. */
static char *read_devices(void) {
        g_autofree char *text = read_limit("devices.list");
        g_auto(GStrv) lines = text ? g_strsplit(text, "\n", -1) : NULL;
        g_autoptr(GPtrArray) sorted = lines_new();

        for (char **line = lines; line && *line; line++)
                g_ptr_array_add(sorted, g_strdup(*line));
        return join_sorted(sorted);
}

/* ---- what the plan says ---- */

typedef struct Node {
        unsigned mode;
        PlanDeviceFlags access;
        dev_t number;
        char type;
} Node;

static void expect_node(GHashTable *nodes, const char *path, const PlanItem *item) {
        Node *node = g_hash_table_lookup(nodes, path);
        struct stat st;

        if (stat(path, &st) < 0 || (!S_ISCHR(st.st_mode) && !S_ISBLK(st.st_mode)) || strcmp(path, "/dev/zero") == 0)
                return;
        if (!node) {
                node = g_new0(Node, 1);
                node->number = st.st_rdev;
                node->type = S_ISBLK(st.st_mode) ? 'b' : 'c';
                g_hash_table_insert(nodes, g_strdup(path), node);
        }
        /* of each digit the larger one */
        for (unsigned shift = 0; shift < 9; shift += 3) {
                unsigned old = node->mode >> shift & 7, new = item->device.mode >> shift & 7;

                node->mode = (node->mode & ~(7u << shift)) | MAX(old, new) << shift;
        }
        node->access |= item->device.flags & PLAN_DEVICE_ALL;
}

static GHashTable *expect_nodes(const Plan *plan) {
        GHashTable *nodes = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);

        for (guint i = 0; i < plan_get_size(plan); i++) {
                const PlanItem *item = plan_get_item(plan, i);
                glob_t found = { 0 };

                if (item->kind != PLAN_DEVICE)
                        continue;
                if (glob(item->key, GLOB_NOESCAPE, NULL, &found) == 0)
                        for (size_t n = 0; n < found.gl_pathc; n++)
                                expect_node(nodes, found.gl_pathv[n], item);
                globfree(&found);
        }
        return nodes;
}

static void check_mounts(const Plan *plan, GHashTable *nodes, const char *base) {
        g_autoptr(GPtrArray) mounts = lines_new();
        g_autofree char *seen = read_mounts(), *wanted = NULL;
        g_auto(GStrv) lines = g_strsplit(base, "\n", -1);
        GHashTableIter iter;
        void *path;

        for (char **line = lines; *line; line++)
                g_ptr_array_add(mounts, g_strdup(*line));
        for (guint i = 0; i < plan_get_size(plan); i++) {
                const PlanItem *item = plan_get_item(plan, i);
                g_autofree char *name = NULL;

                if (item->kind != PLAN_BIND || access(item->bind.source, F_OK) < 0)
                        continue;
                name = g_path_get_basename(item->bind.source);
                g_ptr_array_add(mounts, g_strdup_printf("%s %s %s", item->key,
                                                        item->bind.flags & PLAN_BIND_WRITABLE ? "rw" : "ro", name));
        }
        g_hash_table_iter_init(&iter, nodes);
        while (g_hash_table_iter_next(&iter, &path, NULL))
                g_ptr_array_add(mounts, g_strdup_printf("%s ro *", (char *) path));
        wanted = join_sorted(mounts);
        if (strcmp(seen, wanted) != 0)
                fail_msg("mounts are\n%s\ninstead of\n%s", seen, wanted);
}

static void check_nodes(GHashTable *nodes, const char *base_list) {
        g_autofree char *seen = read_devices(), *wanted = NULL;
        g_auto(GStrv) lines = g_strsplit(base_list, "\n", -1);
        g_autoptr(GPtrArray) list = lines_new();
        GHashTableIter iter;
        void *path, *data;

        for (char **line = lines; *line && **line; line++)
                g_ptr_array_add(list, g_strdup(*line));
        g_hash_table_iter_init(&iter, nodes);
        while (g_hash_table_iter_next(&iter, &path, &data)) {
                g_autofree char *node_path = inside(path);
                const Node *node = data;
                struct stat st;

                assert_int_equal(stat(node_path, &st), 0);
                assert_int_equal(st.st_mode & 0777, node->mode);
                assert_int_equal(st.st_rdev, node->number);
                g_ptr_array_add(list, g_strdup_printf("%c %u:%u %s%s%s", node->type, major(node->number),
                                                      minor(node->number), node->access & PLAN_DEVICE_READ ? "r" : "",
                                                      node->access & PLAN_DEVICE_WRITE ? "w" : "",
                                                      node->access & PLAN_DEVICE_MKNOD ? "m" : ""));
        }
        wanted = join_sorted(list);
        if (*base_list && strcmp(seen, wanted) != 0)
                fail_msg("devices are\n%s\ninstead of\n%s", seen, wanted);
}

/* Targets that nothing is on are not there at all, and neither are the folders that were made for them. */
static void check_targets(const Plan *plan) {
        for (size_t i = 0; i < G_N_ELEMENTS(samples); i++) {
                g_autofree char *path = samples[i].kind == SAMPLE_BIND ? inside(samples[i].name) : NULL;
                bool is_wanted = false;

                if (!path)
                        continue;
                for (guint n = 0; n < plan_get_size(plan); n++) {
                        const PlanItem *item = plan_get_item(plan, n);

                        /* itself, what is below it, or what is in the folder that is shown above it */
                        if (item->kind == PLAN_BIND && access(item->bind.source, F_OK) == 0 &&
                            (g_str_has_prefix(item->key, samples[i].name) || strcmp(samples[i].name, "/g/a/b") == 0))
                                is_wanted = is_wanted || strcmp(samples[i].name, "/g/a/b") != 0 ||
                                            strcmp(item->key, "/g/a") == 0 || strcmp(item->key, "/g/a/b") == 0;
                }
                if ((access(path, F_OK) == 0) != is_wanted)
                        fail_msg("'%s' is %sthere", samples[i].name, is_wanted ? "not " : "");
        }
}

static void check_limit(const char *file, const char *device, const char *wanted) {
        g_autofree char *seen = read_limit(file);

        if (device && seen ? !strstr(seen, wanted) : g_strcmp0(seen, wanted) != 0)
                fail_msg("'%s' is '%s' instead of '%s'", file, seen ?: "not there", wanted);
}

static GHashTable *collect_limits(const Plan *plan) {
        GHashTable *limits = g_hash_table_new(g_str_hash, g_str_equal);

        for (guint i = 0; i < plan_get_size(plan); i++) {
                const PlanItem *item = plan_get_item(plan, i);

                if (item->kind == PLAN_LIMIT)
                        g_hash_table_insert(limits, item->key, (void *) (uintptr_t) &item->limit);
        }
        return limits;
}

/* Settings that may be limited, and what their files had at the start. */
static GHashTable *read_all_limits(void) {
        static const char *const files[] = {
                "memory.limit_in_bytes", "memory.memsw.limit_in_bytes", "memory.max", "memory.swap.max",
                "pids.max",              "cpu.shares",                  "cpu.weight", "cpuset.cpus",
        };
        GHashTable *all = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, g_free);

        for (size_t i = 0; i < G_N_ELEMENTS(files); i++) {
                char *text = read_limit(files[i]);

                if (text)
                        g_hash_table_insert(all, (void *) (uintptr_t) files[i], text);
        }
        return all;
}

static void check_limits(const Plan *plan, GHashTable *base) {
        CgroupVersion version = cgroup_host_get_layout(host) == CGROUP_UNIFIED ? CGROUP_V2 : CGROUP_V1;
        g_autoptr(GHashTable) limits = collect_limits(plan);
        g_autoptr(GHashTable) changed = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        g_autoptr(GArray) joined = limits_joined_new();
        const char *refused = NULL;
        GHashTableIter iter;
        void *file, *text;

        assert_int_equal(limits_join(limits, memory_max, version, joined, &refused, NULL), 0);
        for (guint i = 0; i < joined->len; i++) {
                const LimitJoined *limit = &g_array_index(joined, LimitJoined, i);
                g_auto(GStrv) lines = NULL;

                assert_int_equal(limit_to_files(limit->key, &limit->value, version, &lines, NULL), 0);
                for (char **line = lines; *line; line++) {
                        char *value = strchr(*line, '=');
                        const char *device = strchr(limit->key, ':');

                        *value++ = '\0';
                        g_hash_table_add(changed, g_strdup(*line));
                        /* no throttling is no line */
                        if (!g_str_has_suffix(value, " 0"))
                                check_limit(*line, device, strcmp(value, "-1") == 0
                                                                    ? g_hash_table_lookup(base, *line) : value);
                }
        }
        g_hash_table_iter_init(&iter, base);
        while (g_hash_table_iter_next(&iter, &file, &text))
                if (!g_hash_table_contains(changed, file))
                        check_limit(file, NULL, text);
}

static void check_environment(const Plan *plan) {
        static const char *const names[] = { "GRANTED", "LIST" };
        g_autofree char *output = NULL;
        g_auto(GStrv) lines = NULL;

        assert_int_equal(driver_shell(driver, "env", &output), 0);
        lines = g_strsplit(output, "\n", -1);
        for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
                const PlanItem *item = plan_find_item(plan, PLAN_ENV, names[i]);
                g_autofree char *line = item ? g_strdup_printf("%s=%s", names[i], item->env.value) : NULL;
                g_autofree char *start = g_strdup_printf("\n%s=", names[i]);
                g_autofree char *text = g_strconcat("\n", output, NULL);

                if (item)
                        assert_true(g_strv_contains((const char *const *) lines, line));
                else
                        assert_null(strstr(text, start));
        }
}

/* ---- the test ---- */

static void make_sources(void) {
        static const char *const folders[] = { "one", "one/b", "two", "roots" };
        g_autofree char *socket = g_build_filename(folder, "socket", NULL);
        g_autofree char *file = g_build_filename(folder, "file", NULL);

        for (size_t i = 0; i < G_N_ELEMENTS(folders); i++) {
                g_autofree char *path = g_build_filename(folder, folders[i], NULL);

                assert_int_equal(mkdir(path, 0755), 0);
                if (strcmp(folders[i], "roots") != 0)
                        assert_int_equal(chown(path, SOURCE_OWNER, SOURCE_OWNER), 0);
        }
        system_write_file(folder, "file", "file", 0644);
        assert_int_equal(chown(file, SOURCE_OWNER, SOURCE_OWNER), 0);
        assert_int_equal(mknod(socket, S_IFSOCK | 0666, 0), 0);
}

static int setup(void **state G_GNUC_UNUSED) {
        g_autoptr(Spec) spec = driver_spec();
        const char *seed = g_getenv("BULKHEAD_TEST_SEED");
        guint32 number = seed ? (guint32) g_ascii_strtoull(seed, NULL, 10) : g_random_int();
        g_auto(Error) error = ERROR_NULL;

        print_message("  BULKHEAD_TEST_SEED=%u\n", number);
        dice = g_rand_new_with_seed(number);
        folder = system_make_folder("random");
        make_sources();
        memory_max = spec->memory_max;
        driver = driver_new();
        assert_no_error(driver_start(driver, spec, &error), &error);
        init_pid = system_find_process(driver->cgroup, "bulkhead-init");
        assert_true(init_pid > 0);
        assert_no_error(cgroup_host_new("/proc/self/mountinfo", "/proc/self/cgroup", &host, &error), &error);
        assert_no_error(cgroup_box_open(host, driver->cgroup, &box, &error), &error);
        return 0;
}

static int teardown(void **state G_GNUC_UNUSED) {
        driver_free(driver);
        system_remove_folder(folder);
        g_clear_pointer(&box, cgroup_box_free);
        g_clear_pointer(&host, cgroup_host_free);
        g_clear_pointer(&dice, g_rand_free);
        return 0;
}

static void check(const Plan *plan, const char *mounts, const char *devices, GHashTable *limits) {
        g_autoptr(GHashTable) nodes = expect_nodes(plan);

        check_mounts(plan, nodes, mounts);
        check_nodes(nodes, devices);
        check_targets(plan);
        check_limits(plan, limits);
}

/* Flips some; all go now and then. */
static void flip(bool *granted) {
        if (g_rand_int_range(dice, 0, 40) == 0)
                memset(granted, 0, sizeof(bool) * G_N_ELEMENTS(samples));
        for (int n = g_rand_int_range(dice, 1, 5); n > 0; n--) {
                bool *one = granted + g_rand_int_range(dice, 0, G_N_ELEMENTS(samples));

                *one = !*one;
        }
}

static void test_thousand_changes(void **state G_GNUC_UNUSED) {
        g_autofree char *mounts = read_mounts(), *devices = read_devices(), *last = NULL, *last_devices = NULL;
        g_autoptr(GHashTable) limits = read_all_limits();
        bool granted[G_N_ELEMENTS(samples)] = { false };
        g_autoptr(Plan) in_force = plan_new();
        unsigned n_failed = 0, n_fds;
        g_auto(Error) error = ERROR_NULL;

        for (unsigned i = 0; i < N_CHANGES; i++) {
                bool wanted[G_N_ELEMENTS(samples)], must_fail = g_rand_int_range(dice, 0, FAIL_ONE_IN) == 0;
                g_autoptr(Plan) plan = NULL;
                g_auto(Error) refused = ERROR_NULL;
                int r;

                memcpy(wanted, granted, sizeof(granted));
                flip(wanted);
                plan = make_plan(wanted, must_fail ? failures + g_rand_int_range(dice, 0, G_N_ELEMENTS(failures)) : NULL);
                r = driver_apply(driver, plan, &refused);
                if ((r < 0) != must_fail)
                        fail_msg("change %u: %s", i, r < 0 ? refused.message : "nothing failed");
                if (r >= 0) {
                        memcpy(granted, wanted, sizeof(granted));
                        plan_free(in_force);
                        in_force = g_steal_pointer(&plan);
                } else
                        n_failed++;
                check(in_force, mounts, devices, limits);
                if (i % N_PROGRAM == 0)
                        check_environment(in_force);
        }
        assert_true(n_failed > N_CHANGES / FAIL_ONE_IN / 2);
        n_fds = system_count_fds(driver->pid);

        g_autoptr(Plan) nothing = plan_new();
        assert_no_error(driver_apply(driver, nothing, &error), &error);
        check(nothing, mounts, devices, limits);
        check_environment(nothing);
        last = read_mounts();
        last_devices = read_devices();
        assert_string_equal(last, mounts);
        assert_string_equal(last_devices, devices);
        assert_true(system_count_fds(driver->pid) <= n_fds);
        driver_assert_stops(driver);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_thousand_changes, setup, teardown),
        };

        need_root();
        return cmocka_run_group_tests(tests, NULL, NULL);
}
