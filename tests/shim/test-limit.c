/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Limits of a live sandbox: what the kernel's files say, and what a program inside meets. */
#include "tests/fixture/test-slow.h"
#include "tests/shim/help.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/shim/driver.h"
#include "tests/shim/system.h"
#include "util/cgroup.h"

#define MIB (1024 * 1024ULL)

#define TEMPLATE_MEMORY (48 * MIB)
#define TEMPLATE_TASKS  64

static PlanOrigin origin = { .capability = (char *) (uintptr_t) "com.example.test",
                             .file = (char *) (uintptr_t) "test.json",
                             .line = 7,
                             .column = 1 };

static Driver *driver;
static CgroupHost *host;
static bool is_v2;

static int setup(void **state G_GNUC_UNUSED) {
        g_autoptr(Spec) spec = driver_spec();
        g_auto(Error) error = ERROR_NULL;

        spec->memory_max = TEMPLATE_MEMORY;
        spec->tasks_max = TEMPLATE_TASKS;
        driver = driver_new();
        if (driver_start(driver, spec, &error) >= 0)
                return 0;
        print_error("%s\n", error.message);
        return -1;
}

static int teardown(void **state G_GNUC_UNUSED) {
        g_clear_pointer(&driver, driver_free);
        return 0;
}

/* "memory.max=64M,pids.max=9" */
static Plan *make_plan(const char *text) {
        g_auto(GStrv) parts = g_strsplit(text, ",", -1);
        Plan *plan = plan_new();

        for (char **part = parts; *part && **part; part++) {
                g_auto(GStrv) sides = g_strsplit(*part, "=", 2);
                g_auto(LimitValue) value = { 0 };
                g_auto(Error) error = ERROR_NULL;
                g_autofree char *key = NULL;

                assert_no_error(limit_parse(sides[0], sides[1], &key, &value, &error), &error);
                assert_no_error(plan_add_limit(plan, &origin, key, &value, &error), &error);
        }
        return plan;
}

static void grant(const char *text) {
        g_autoptr(Plan) plan = make_plan(text);
        g_auto(Error) error = ERROR_NULL;

        assert_no_error(driver_apply(driver, plan, &error), &error);
}

static void grant_badly(const char *text, ErrorCode code, const char *words) {
        g_autoptr(Plan) plan = make_plan(text);
        g_auto(Error) error = ERROR_NULL;

        assert_true(driver_apply(driver, plan, &error) < 0);
        assert_error_says(&error, code, words);
        assert_string_equal(error.file, "test.json");
        assert_int_equal(error.line, 7);
}

/* Of the payload; NULL where there is no such file. */
static char *read_limit(const char *file) {
        g_autofree char *controller = g_strndup(file, strcspn(file, "."));
        g_autoptr(CgroupBox) box = NULL;
        char *text = NULL;

        assert_int_equal(cgroup_box_open(host, driver->cgroup, &box, NULL), 0);
        if (cgroup_box_read(box, controller, file, file, &text, NULL) < 0)
                return NULL;
        return g_strstrip(text);
}

static void assert_limit(const char *file, const char *wanted) {
        g_autofree char *text = read_limit(file);

        if (g_strcmp0(text, wanted) != 0)
                fail_msg("'%s' has '%s' instead of '%s'", file, text ?: "nothing", wanted);
}

static void assert_number(const char *file, uint64_t wanted) {
        g_autofree char *text = g_strdup_printf("%" G_GUINT64_FORMAT, wanted);

        assert_limit(file, text);
}

static const char *memory_file(void) {
        return is_v2 ? "memory.max" : "memory.limit_in_bytes";
}

static uint64_t read_number(const char *file) {
        g_autofree char *text = read_limit(file);

        return text ? g_ascii_strtoull(text, NULL, 10) : 0;
}

/* ---- the files ---- */

static const struct {
        const char *setting;
        const char *v1, *v1_text; /* file, and what it says then */
        const char *v2, *v2_text;
} settings[] = {
        { "memory.max=64M", "memory.limit_in_bytes", "67108864", "memory.max", "67108864" },
        { "memory.limit_in_bytes=1G", "memory.limit_in_bytes", "1073741824", "memory.max", "1073741824" },
        { "memory.memsw.limit_in_bytes=40M", "memory.memsw.limit_in_bytes", "41943040", "memory.swap.max", "0" },
        { "memory.total.max=40M", "memory.limit_in_bytes", "41943040", "memory.max", "41943040" },
        { "memory.swap.max=16M", "memory.memsw.limit_in_bytes", "67108864", "memory.swap.max", "16777216" },
        { "memory.low=8M", "memory.soft_limit_in_bytes", "8388608", "memory.low", "8388608" },
        { "memory.high=40M", NULL, NULL, "memory.high", "41943040" },
        { "memory.min=4M", NULL, NULL, "memory.min", "4194304" },
        { "pids.max=200", "pids.max", "200", "pids.max", "200" },
        { "pids.max=max", "pids.max", "max", "pids.max", "max" },
        { "cpu.shares=512", "cpu.shares", "512", "cpu.weight", "50" },
        { "cpu.weight=200", "cpu.shares", "2048", "cpu.weight", "200" },
        { "cpu.max=50%", "cpu.cfs_quota_us", "50000", "cpu.max", "50000 100000" },
        { "cpu.cfs_quota_us=8000,cpu.cfs_period_us=20000", "cpu.cfs_period_us", "20000", "cpu.max", "8000 20000" },
        { "cpuset.cpus=0", "cpuset.cpus", "0", "cpuset.cpus", "0" },
        { "cpuset.mems=0", "cpuset.mems", "0", "cpuset.mems", "0" },
        { "io.weight=300", "blkio.bfq.weight", "300", "io.weight", "default 300" },
        { "blkio.weight=250", "blkio.bfq.weight", "50", "io.weight", "default 50" },
        { "io.max=/dev/loop0 rbps=1M", "blkio.throttle.read_bps_device", "7:0 1048576", "io.max",
          "7:0 rbps=1048576 wbps=max riops=max wiops=max" },
        { "blkio.throttle.write_iops_device=7:0 50", "blkio.throttle.write_iops_device", "7:0 50", "io.max",
          "7:0 rbps=max wbps=max riops=max wiops=50" },
        { "net_cls.classid=0x00010002", "net_cls.classid", "65538", NULL, NULL },
};

static void test_each_setting(void **state G_GNUC_UNUSED) {
        for (size_t i = 0; i < G_N_ELEMENTS(settings); i++) {
                const char *file = is_v2 ? settings[i].v2 : settings[i].v1;
                g_autofree char *before = file ? read_limit(file) : NULL;

                /* bfq has weights of its own where the kernel has no others */
                if (!before && g_strcmp0(file, "io.weight") == 0)
                        before = read_limit(file = "io.bfq.weight");
                print_message("  %s\n", settings[i].setting);
                if (!before) {
                        /* the host has no such thing: then the grant says so */
                        grant_badly(settings[i].setting, ERROR_UNSUPPORTED, "");
                        continue;
                }
                grant(settings[i].setting);
                assert_limit(file, is_v2 ? settings[i].v2_text : settings[i].v1_text);
                grant("");
                assert_limit(file, before);
                assert_number(memory_file(), TEMPLATE_MEMORY);
                assert_number("pids.max", TEMPLATE_TASKS);
        }
        driver_assert_stops(driver);
}

/* What a template limits holds only for settings that no capability sets: then these alone count. */
static void test_template_and_capabilities(void **state G_GNUC_UNUSED) {
        assert_number(memory_file(), TEMPLATE_MEMORY);
        grant("memory.max=32M");
        assert_number(memory_file(), 32 * MIB);
        assert_number("pids.max", TEMPLATE_TASKS);
        grant("memory.max=900M,pids.max=9");
        assert_number(memory_file(), 900 * MIB);
        assert_number("pids.max", 9);
        grant("pids.max=9");
        assert_number(memory_file(), TEMPLATE_MEMORY);
        grant("");
        assert_number("pids.max", TEMPLATE_TASKS);
}

/* v1 refuses memory above memory and swap at any moment, so one of both has to be first. */
static void test_memory_and_swap_in_any_order(void **state G_GNUC_UNUSED) {
        static const char *const steps[] = {
                "memory.max=64M,memory.total.max=64M",
                "memory.max=256M,memory.total.max=512M",
                "memory.max=40M,memory.total.max=44M",
                "memory.max=1G",
                "memory.total.max=40M",
                "memory.max=100M,memory.total.max=max",
                "",
        };

        for (size_t i = 0; i < G_N_ELEMENTS(steps); i++) {
                print_message("  '%s'\n", steps[i]);
                grant(steps[i]);
        }
        assert_number(memory_file(), TEMPLATE_MEMORY);
}

/* ---- refusals ---- */

static void test_what_the_host_cannot_do(void **state G_GNUC_UNUSED) {
        static const struct {
                const char *limits, *words;
                ErrorCode code;
        } rows[] = {
                { "cpuset.cpus=0-4000", "cpuset.cpus", ERROR_UNSUPPORTED },
                { "cpuset.mems=60", "cpuset.mems", ERROR_UNSUPPORTED },
                { "io.max=/dev/nonexistent rbps=1M", "/dev/nonexistent", ERROR_NOT_MOUNTABLE },
                { "io.max=/dev/null rbps=1M", "not a block device", ERROR_NOT_MOUNTABLE },
                { "io.max=250:77 rbps=1M", "250:77", ERROR_UNSUPPORTED },
        };
        g_autofree char *shares = read_limit(is_v2 ? "cpu.weight" : "cpu.shares");

        grant("pids.max=99");
        for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
                /* among others that are fine, before it and behind it */
                g_autofree char *limits = g_strdup_printf("%s,cpu.shares=333,memory.max=200M,pids.max=100",
                                                          rows[i].limits);

                print_message("  %s\n", rows[i].limits);
                grant_badly(limits, rows[i].code, rows[i].words);
                assert_limit(is_v2 ? "cpu.weight" : "cpu.shares", shares);
                assert_number(memory_file(), TEMPLATE_MEMORY);
                assert_number("pids.max", 99);
        }
}

/* A limit that was taken away comes back when the rest of the plan fails. */
static void test_failure_undoes(void **state G_GNUC_UNUSED) {
        g_autoptr(Plan) bad = plan_new();
        g_auto(Error) error = ERROR_NULL;

        grant("memory.max=100M,cpu.weight=300");
        assert_no_error(plan_add_bind(bad, &origin, "/usr/share", "/usr", 0, &error), &error);
        assert_true(driver_apply(driver, bad, &error) < 0);
        assert_error_says(&error, ERROR_NOT_MOUNTABLE, "mount point");
        assert_number(memory_file(), 100 * MIB);
        assert_limit(is_v2 ? "cpu.weight" : "cpu.shares", is_v2 ? "300" : "3072");
        grant("");
        assert_number(memory_file(), TEMPLATE_MEMORY);
}

/* ---- what is in use ---- */

/* A program that holds so many MiB, and keeps them. */
static uint32_t start_holder(unsigned mib) {
        const char *use = is_v2 ? "memory.current" : "memory.usage_in_bytes";
        g_autofree char *line = g_strdup_printf("(head -c %uM /dev/zero; sleep 600) | tail -c %uM", mib, mib);
        const char *argv[] = { "/bin/sh", "-c", line, NULL };
        uint64_t end = system_now_usec() + DRIVER_PATIENCE_USEC;
        g_auto(Error) error = ERROR_NULL;
        uint32_t run;

        assert_no_error(driver_run(driver, argv, -1, &run, NULL, &error), &error);
        while (read_number(use) < mib * MIB && system_now_usec() < end)
                system_sleep_msec(5);
        assert_true(read_number(use) >= mib * MIB);
        return run;
}

static void test_refused_below_use(void **state G_GNUC_UNUSED) {
        g_autofree char *tasks = NULL;

        (void) start_holder(30);
        grant_badly("memory.max=16M,cpu.shares=300", ERROR_LIMIT_REACHED, "the sandbox uses");
        assert_number(memory_file(), TEMPLATE_MEMORY);
        if (!is_v2)
                assert_limit("cpu.shares", "1024");
        tasks = read_limit("pids.current");
        assert_true(atoi(tasks) > 2);
        grant_badly("pids.max=2", ERROR_LIMIT_REACHED, "the sandbox uses");
        assert_number("pids.max", TEMPLATE_TASKS);
        assert_true(read_number(is_v2 ? "memory.current" : "memory.usage_in_bytes") >= 30 * MIB);
        grant("memory.max=40M");
        grant("");
}

/* Who uses much cannot keep the capability by that, and is not killed for it. */
static void test_revoke_below_use(void **state G_GNUC_UNUSED) {
        uint64_t end;
        uint32_t run;

        grant("memory.max=200M,pids.max=100");
        run = start_holder(90);
        grant("");
        assert_number("pids.max", TEMPLATE_TASKS);
        assert_true(read_number(memory_file()) < 150 * MIB);
        assert_true(read_number(memory_file()) >= 90 * MIB);
        assert_true(read_number(is_v2 ? "memory.current" : "memory.usage_in_bytes") >= 90 * MIB);
        /* and is granted it again */
        grant("memory.max=200M");
        assert_number(memory_file(), 200 * MIB);
        grant("");
        (void) run;
        assert_int_equal(driver_signal(driver, 0, SIGKILL, NULL), 0);
        end = system_now_usec() + DRIVER_PATIENCE_USEC;
        while (read_number(memory_file()) > TEMPLATE_MEMORY && system_now_usec() < end)
                system_sleep_msec(20);
        assert_number(memory_file(), TEMPLATE_MEMORY);
}

/* ---- as programs inside meet them ---- */

static void test_seen_from_inside(void **state G_GNUC_UNUSED) {
        static const char fork_five[] = "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 2 & done 2>/dev/null && echo ok";
        static const char allocate[] = "dd if=/dev/zero of=/dev/null bs=80M count=1 2>/dev/null && echo ok";
        g_autofree char *one = NULL, *two = NULL, *three = NULL, *four = NULL, *cpus = NULL;

        (void) driver_shell(driver, allocate, &one);
        assert_string_equal(one, "");
        grant("memory.max=200M,cpuset.cpus=0");
        (void) driver_shell(driver, allocate, &two);
        assert_string_equal(two, "ok\n");
        (void) driver_shell(driver, "nproc", &cpus);
        assert_string_equal(cpus, "1\n");
        (void) driver_shell(driver, fork_five, &three);
        assert_string_equal(three, "ok\n");
        assert_int_equal(driver_signal(driver, 0, SIGKILL, NULL), 0);
        while (read_number("pids.current") > 1)
                system_sleep_msec(2);
        grant("pids.max=8");
        assert_int_not_equal(driver_shell(driver, fork_five, &four), 0);
        assert_string_equal(four, "");
}

static void test_rounds_leak_nothing(void **state G_GNUC_UNUSED) {
        unsigned n_fds = 0;

        for (unsigned i = 0; i < test_rounds(100); i++) {
                grant("memory.max=100M,cpu.shares=300");
                grant("memory.max=300M,pids.max=99");
                grant_badly("memory.max=90M,cpuset.cpus=0-4000", ERROR_UNSUPPORTED, "cpuset");
                grant("");
                if (i == 0)
                        n_fds = system_count_fds(driver->pid);
        }
        assert_int_equal(system_count_fds(driver->pid), n_fds);
        driver_assert_stops(driver);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_each_setting, setup, teardown),
                cmocka_unit_test_setup_teardown(test_template_and_capabilities, setup, teardown),
                cmocka_unit_test_setup_teardown(test_memory_and_swap_in_any_order, setup, teardown),
                cmocka_unit_test_setup_teardown(test_what_the_host_cannot_do, setup, teardown),
                cmocka_unit_test_setup_teardown(test_failure_undoes, setup, teardown),
                cmocka_unit_test_setup_teardown(test_refused_below_use, setup, teardown),
                cmocka_unit_test_setup_teardown(test_revoke_below_use, setup, teardown),
                cmocka_unit_test_setup_teardown(test_seen_from_inside, setup, teardown),
                cmocka_unit_test_setup_teardown(test_rounds_leak_nothing, setup, teardown),
        };
        int r;

        need_root();
        if (cgroup_host_new("/proc/self/mountinfo", "/proc/self/cgroup", &host, NULL) < 0)
                return 1;
        is_v2 = cgroup_host_get_layout(host) == CGROUP_UNIFIED;
        r = cmocka_run_group_tests(tests, NULL, NULL);
        cgroup_host_free(host);
        return r;
}
