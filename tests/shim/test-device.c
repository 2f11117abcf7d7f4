/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Devices of a live sandbox, as the apps inside see them. */
#include "tests/fixture/test-slow.h"
#include "tests/shim/help.h"

#include <fcntl.h>
#include <linux/loop.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "tests/shim/driver.h"
#include "tests/shim/system.h"
#include "util/cleanup.h"

/* Of loop devices that tests make: above what a machine uses. */
#define LOOP_FIRST 710

static PlanOrigin origin = { .capability = (char *) (uintptr_t) "com.example.test",
                             .file = (char *) (uintptr_t) "test.json",
                             .line = 7,
                             .column = 1 };

static Driver *driver;

static int setup(void **state G_GNUC_UNUSED) {
        g_autoptr(Spec) spec = driver_spec();
        g_auto(Error) error = ERROR_NULL;

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

static void add_device(Plan *plan, const char *name, unsigned mode, PlanDeviceFlags flags) {
        g_auto(Error) error = ERROR_NULL;

        assert_no_error(plan_add_device(plan, &origin, name, mode, flags, &error), &error);
}

static Plan *make_plan(const char *name, unsigned mode, PlanDeviceFlags flags) {
        Plan *plan = plan_new();

        add_device(plan, name, mode, flags);
        return plan;
}

static void apply_well(const Plan *plan) {
        g_auto(Error) error = ERROR_NULL;

        assert_no_error(driver_apply(driver, plan, &error), &error);
}

static void revoke_all(void) {
        g_autoptr(Plan) nothing = plan_new();

        apply_well(nothing);
}

static void apply_badly(const Plan *plan, ErrorCode code, const char *words) {
        g_auto(Error) error = ERROR_NULL;

        assert_true(driver_apply(driver, plan, &error) < 0);
        assert_error_says(&error, code, words);
        assert_string_equal(error.file, "test.json");
}

static void assert_shell(const char *line, const char *output) {
        g_autofree char *got = NULL;

        (void) driver_shell(driver, line, &got);
        assert_string_equal(got, output);
}

/* What an app is told that opens it: "ok" or the reason. */
static void assert_opens(const char *how, const char *path, const char *told) {
        g_autofree char *line = g_strdup_printf("(exec 3%s%s) 2>&1 && echo ok", how, path);
        g_autofree char *got = NULL;

        (void) driver_shell(driver, line, &got);
        if (!strstr(got, told))
                fail_msg("opening '%s' says '%s' instead of '%s'", path, got, told);
}

/* The list of v1, "" elsewhere. */
static char *read_list(void) {
        g_autofree char *path = g_strdup_printf("/sys/fs/cgroup/devices/%s/payload/devices.list", driver->cgroup);
        char *text = NULL;

        return g_file_get_contents(path, &text, NULL, NULL) ? text : g_strdup("");
}

static void assert_listed(const char *line, bool is_wanted) {
        g_autofree char *list = read_list();

        if (*list)
                assert_int_equal(strstr(list, line) != NULL, is_wanted);
}

static unsigned count_mounts(void) {
        g_autofree char *got = NULL;

        assert_int_equal(driver_shell(driver, "grep -c . /proc/self/mountinfo", &got), 0);
        return (unsigned) atoi(got);
}

/* ---- what comes from a plan ---- */

static const struct {
        const char *path, *type; /* type: in stat(1)'s words */
} samples[] = {
        { "/dev/fuse", "character special file" },
        { "/dev/net/tun", "character special file" },
        { "/dev/loop0", "block special file" },
        { "/dev/tty1", "character special file" },
        { "/dev/snd/timer", "character special file" },
        { "/dev/dri/renderD128", "character special file" },
};

static void test_grant_and_revoke(void **state G_GNUC_UNUSED) {
        g_autofree char *list = read_list();
        unsigned n_mounts = count_mounts();

        for (size_t i = 0; i < G_N_ELEMENTS(samples); i++) {
                const char *path = samples[i].path;
                g_autoptr(Plan) plan = make_plan(path, 0640, PLAN_DEVICE_ALL);
                g_autofree char *look = g_strdup_printf("stat -c '%%F %%a %%u:%%g' %s", path);
                g_autofree char *seen = g_strdup_printf("%s 640 1000:1000\n", samples[i].type);
                g_autofree char *after = NULL;

                if (access(path, F_OK) < 0) {
                        print_message("  Skipped: this machine has no '%s'\n", path);
                        continue;
                }
                print_message("  %s\n", path);
                assert_opens("<", path, "o such file");
                apply_well(plan);
                assert_shell(look, seen);
                if (strcmp(path, "/dev/tty1") != 0) /* which the kernel gives to nobody without a seat */
                        assert_opens("<>", path, "ok");
                assert_int_equal(count_mounts(), n_mounts + 1);
                revoke_all();
                assert_opens("<", path, "o such file");
                after = read_list();
                assert_string_equal(after, list);
                assert_int_equal(count_mounts(), n_mounts);
        }
        assert_shell("ls -d /dev/net /dev/snd /dev/dri 2>/dev/null", "");
        driver_assert_stops(driver);
}

/* A node that an app opens is closed by the list, also when the node is still there. */
static void test_access(void **state G_GNUC_UNUSED) {
        g_autoptr(Plan) readable = make_plan("/dev/fuse", 0666, PLAN_DEVICE_READ);
        g_autoptr(Plan) both = make_plan("/dev/fuse", 0666, PLAN_DEVICE_READ | PLAN_DEVICE_WRITE);

        apply_well(readable);
        assert_opens("<", "/dev/fuse", "ok");
        assert_opens("<>", "/dev/fuse", "not permitted");
        assert_listed("c 10:229 r\n", true);
        apply_well(both);
        assert_opens("<>", "/dev/fuse", "ok");
        assert_listed("c 10:229 rw\n", true);
        apply_well(readable);
        assert_opens("<>", "/dev/fuse", "not permitted");
        assert_opens("<", "/dev/fuse", "ok");
}

static void test_mode(void **state G_GNUC_UNUSED) {
        g_autoptr(Plan) narrow = make_plan("/dev/fuse", 0440, PLAN_DEVICE_ALL);
        g_autoptr(Plan) wide = make_plan("/dev/fuse", 0606, PLAN_DEVICE_ALL);
        g_autoptr(Plan) hosts = make_plan("/dev/fuse", 0, PLAN_DEVICE_ALL);
        g_autofree char *mode = NULL;
        struct stat st;

        apply_well(narrow);
        assert_shell("stat -c %a /dev/fuse", "440\n");
        assert_opens("<>", "/dev/fuse", "ermission denied");
        /* the app owns the node, and cannot change it all the same */
        assert_shell("chmod 666 /dev/fuse 2>/dev/null || echo refused; rm /dev/fuse 2>/dev/null || echo kept",
                     "refused\nkept\n");
        apply_well(wide);
        assert_shell("stat -c %a /dev/fuse", "606\n");
        assert_opens("<>", "/dev/fuse", "ok");
        assert_int_equal(stat("/dev/fuse", &st), 0);
        mode = g_strdup_printf("%o\n", st.st_mode & 0777);
        apply_well(hosts);
        assert_shell("stat -c %a /dev/fuse", mode);
}

/* By its name and by a glob: each goes without taking the other's. */
static void test_overlapping(void **state G_GNUC_UNUSED) {
        g_autoptr(Plan) name = make_plan("/dev/fuse", 0400, PLAN_DEVICE_READ);
        g_autoptr(Plan) glob = make_plan("/dev/fus*", 0060, PLAN_DEVICE_WRITE);
        g_autoptr(Plan) both = plan_copy(name);

        add_device(both, "/dev/fus*", 0060, PLAN_DEVICE_WRITE);
        for (unsigned i = 0; i < 2; i++) {
                apply_well(name);
                assert_shell("stat -c %a /dev/fuse", "400\n");
                assert_listed("c 10:229 r\n", true);
                apply_well(both);
                assert_shell("stat -c %a /dev/fuse", "460\n");
                assert_listed("c 10:229 rw\n", true);
                apply_well(glob);
                assert_shell("stat -c %a /dev/fuse", "60\n");
                assert_listed("c 10:229 w\n", true);
        }
        revoke_all();
        assert_listed("c 10:229", false);
}

/* "m" in the list is not enough without a privilege that no app has. */
static void test_no_app_makes_nodes(void **state G_GNUC_UNUSED) {
        g_autoptr(Plan) plan = make_plan("/dev/loop0", 0666, PLAN_DEVICE_ALL);

        apply_well(plan);
        assert_shell("mknod /tmp/own b 7 0 2>/dev/null && echo made || echo refused", "refused\n");
        assert_shell("mknod /dev/shm/own c 1 3 2>/dev/null && echo made || echo refused", "refused\n");
}

static void test_base_stays(void **state G_GNUC_UNUSED) {
        g_autoptr(Plan) plan = make_plan("/dev/null", 0600, PLAN_DEVICE_READ);

        add_device(plan, "/dev/tty?", 0600, PLAN_DEVICE_READ | PLAN_DEVICE_OPTIONAL);
        add_device(plan, "/dev/z*", 0600, PLAN_DEVICE_READ);
        apply_well(plan);
        assert_opens("<>", "/dev/null", "ok");
        revoke_all();
        assert_opens("<>", "/dev/null", "ok");
        assert_opens("<", "/dev/zero", "ok");
        assert_listed("c 1:3 rwm\n", true);
        assert_shell("stat -c %a /dev/null", "666\n");
}

static void test_missing(void **state G_GNUC_UNUSED) {
        static const struct {
                const char *name, *words;
                PlanDeviceFlags flags; /* besides all access */
        } rows[] = {
                { "/dev/nonexistent", "no device '/dev/nonexistent'", 0 },
                { "/dev/nonexistent[0-9]*", "fits '/dev/nonexistent[0-9]*'", 0 },
                { "/dev/null/below", "no device", 0 },
                { "/dev/net", "is not a device", 0 },
                { "/dev/net", "is not a device", PLAN_DEVICE_OPTIONAL },
                { "/dev/nonexistent", NULL, PLAN_DEVICE_OPTIONAL },
                { "/dev/nonexistent*", NULL, PLAN_DEVICE_OPTIONAL },
                { "/dev/ne*", "fits", 0 }, /* a folder */
        };
        unsigned n_mounts = count_mounts();

        for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
                g_autoptr(Plan) plan = make_plan(rows[i].name, 0, PLAN_DEVICE_ALL | rows[i].flags);

                print_message("  %s\n", rows[i].name);
                if (rows[i].words)
                        apply_badly(plan, ERROR_NOT_MOUNTABLE, rows[i].words);
                else
                        apply_well(plan);
                assert_int_equal(count_mounts(), n_mounts);
        }
}

/* What fails after the devices takes them along, and what fails among them the others. */
static void test_failure_undoes(void **state G_GNUC_UNUSED) {
        g_autoptr(Plan) before = make_plan("/dev/fuse", 0600, PLAN_DEVICE_READ);
        g_autoptr(Plan) taken = make_plan("/dev/fuse", 0666, PLAN_DEVICE_ALL);
        g_autoptr(Plan) other = make_plan("/dev/net/tun", 0666, PLAN_DEVICE_ALL);
        g_autofree char *list = NULL;
        g_auto(Error) error = ERROR_NULL;

        apply_well(before);
        list = read_list();
        add_device(taken, "/dev/net/tun", 0600, PLAN_DEVICE_ALL);
        assert_no_error(plan_add_bind(taken, &origin, "/usr/share", "/dev/net", 0, &error), &error);
        /* the folder is there, read-only, and has no place for the node */
        apply_badly(taken, ERROR_NOT_MOUNTABLE, "/dev/net/tun");
        assert_no_error(plan_add_bind(other, &origin, "/usr/share", "/usr", 0, &error), &error);
        apply_badly(other, ERROR_NOT_MOUNTABLE, "mount point");
        for (unsigned i = 0; i < 2; i++) {
                g_autofree char *after = read_list();

                assert_string_equal(after, list);
                assert_shell("stat -c %a /dev/fuse; ls -d /dev/net 2>/dev/null", "600\n");
                assert_opens("<", "/dev/fuse", "ok");
                assert_opens("<>", "/dev/fuse", "not permitted");
                apply_well(before);
        }
}

/* ---- devices that come and go ---- */

/* Loop devices are made and taken away by number (loop(4)); devtmpfs has their nodes. */
static int control_loop(unsigned long request, unsigned number) {
        autofd int fd = open("/dev/loop-control", O_RDWR | O_CLOEXEC);

        return fd < 0 ? -errno : ioctl(fd, request, (long) number) < 0 ? -errno : 0;
}

static void remove_loops(void) {
        for (unsigned i = 0; i < 3; i++)
                (void) control_loop(LOOP_CTL_REMOVE, LOOP_FIRST + i);
}

static void await_shell(const char *line, const char *output) {
        uint64_t end = system_now_usec() + DRIVER_PATIENCE_USEC;
        g_autofree char *got = NULL;

        do {
                g_clear_pointer(&got, g_free);
                (void) driver_shell(driver, line, &got);
                if (strcmp(got, output) == 0)
                        return;
                system_sleep_msec(5);
        } while (system_now_usec() < end);
        assert_string_equal(got, output);
}

static void test_comes_and_goes(void **state G_GNUC_UNUSED) {
        g_autofree char *glob = g_strdup_printf("/dev/loop%d[0-9]", LOOP_FIRST / 10);
        g_autofree char *name = g_strdup_printf("/dev/loop%d", LOOP_FIRST);
        g_autofree char *both = g_strdup_printf("/dev/loop%d\n/dev/loop%d\n", LOOP_FIRST, LOOP_FIRST + 1);
        g_autofree char *one = g_strdup_printf("/dev/loop%d\n", LOOP_FIRST);
        g_autofree char *line = g_strdup_printf("b 7:%d rwm\n", LOOP_FIRST);
        g_autofree char *look = g_strdup_printf("ls -d /dev/loop%d* 2>/dev/null", LOOP_FIRST / 10);
        g_autoptr(Plan) plan = make_plan(glob, 0, PLAN_DEVICE_ALL | PLAN_DEVICE_OPTIONAL);
        g_autoptr(Plan) exact = NULL;
        int r = control_loop(LOOP_CTL_ADD, LOOP_FIRST);

        if (r < 0) {
                print_message("Skipped: no loop device can be made: %s\n", g_strerror(-r));
                skip();
        }
        (void) atexit(remove_loops);
        assert_int_equal(control_loop(LOOP_CTL_REMOVE, LOOP_FIRST), 0);
        apply_well(plan);
        assert_shell(look, "");
        assert_int_equal(control_loop(LOOP_CTL_ADD, LOOP_FIRST), 0);
        await_shell(look, one);
        assert_opens("<", name, "ok");
        assert_listed(line, true);
        assert_int_equal(control_loop(LOOP_CTL_ADD, LOOP_FIRST + 1), 0);
        await_shell(look, both);
        assert_int_equal(control_loop(LOOP_CTL_REMOVE, LOOP_FIRST + 1), 0);
        await_shell(look, one);
        /* one that was there when it was asked for goes and comes back as well */
        exact = make_plan(name, 0, PLAN_DEVICE_ALL);
        apply_well(exact);
        assert_int_equal(control_loop(LOOP_CTL_REMOVE, LOOP_FIRST), 0);
        await_shell(look, "");
        assert_listed(line, false);
        assert_int_equal(control_loop(LOOP_CTL_ADD, LOOP_FIRST), 0);
        await_shell(look, one);
        assert_listed(line, true);
        revoke_all();
        assert_shell(look, "");
        assert_int_equal(control_loop(LOOP_CTL_REMOVE, LOOP_FIRST), 0);
        driver_assert_stops(driver);
}

/* ---- leaks ---- */

static void test_rounds_leak_nothing(void **state G_GNUC_UNUSED) {
        g_autoptr(Plan) some = make_plan("/dev/fuse", 0600, PLAN_DEVICE_ALL);
        g_autoptr(Plan) others = make_plan("/dev/loop?", 0600, PLAN_DEVICE_ALL);
        g_autoptr(Plan) bad = plan_copy(others);
        g_autofree char *list = read_list();
        unsigned n_fds = 0, n_mounts = count_mounts();
        g_auto(Error) error = ERROR_NULL;

        assert_no_error(plan_add_bind(bad, &origin, "/usr/share", "/usr", 0, &error), &error);
        for (unsigned i = 0; i < test_rounds(50); i++) {
                apply_well(some);
                apply_well(others);
                apply_badly(bad, ERROR_NOT_MOUNTABLE, "mount point");
                revoke_all();
                if (i == 0)
                        n_fds = system_count_fds(driver->pid);
        }
        assert_int_equal(system_count_fds(driver->pid), n_fds);
        assert_int_equal(count_mounts(), n_mounts);
        g_autofree char *after = read_list();
        assert_string_equal(after, list);
        driver_assert_stops(driver);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_grant_and_revoke, setup, teardown),
                cmocka_unit_test_setup_teardown(test_access, setup, teardown),
                cmocka_unit_test_setup_teardown(test_mode, setup, teardown),
                cmocka_unit_test_setup_teardown(test_overlapping, setup, teardown),
                cmocka_unit_test_setup_teardown(test_no_app_makes_nodes, setup, teardown),
                cmocka_unit_test_setup_teardown(test_base_stays, setup, teardown),
                cmocka_unit_test_setup_teardown(test_missing, setup, teardown),
                cmocka_unit_test_setup_teardown(test_failure_undoes, setup, teardown),
                cmocka_unit_test_setup_teardown(test_comes_and_goes, setup, teardown),
                cmocka_unit_test_setup_teardown(test_rounds_leak_nothing, setup, teardown),
        };

        need_root();
        return cmocka_run_group_tests(tests, NULL, NULL);
}
