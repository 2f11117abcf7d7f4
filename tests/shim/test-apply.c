/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Plans on a live sandbox, as the apps inside see them. */
#include "tests/fixture/test-slow.h"
#include "tests/shim/help.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/shim/driver.h"
#include "tests/shim/system.h"
#include "util/cleanup.h"

/* An app's files belong to it on the disk as well; this is their owner there. */
#define SOURCE_OWNER 1234

static PlanOrigin origin = { .capability = (char *) (uintptr_t) "com.example.test",
                             .file = (char *) (uintptr_t) "test.json",
                             .line = 7,
                             .column = 1 };

typedef struct Fixture {
        Driver *driver;
        char *folder; /* of the sources */
        char *one, *two;
} Fixture;

static char *make_source(const Fixture *fixture, const char *name) {
        char *path = g_build_filename(fixture->folder, name, NULL);

        assert_int_equal(mkdir(path, 0755), 0);
        system_write_file(path, "name", name, 0644);
        assert_int_equal(chown(path, SOURCE_OWNER, SOURCE_OWNER), 0);
        return path;
}

static int setup(void **state) {
        Fixture *fixture = g_new0(Fixture, 1);
        g_autoptr(Spec) spec = driver_spec();
        g_auto(Error) error = ERROR_NULL;

        fixture->folder = system_make_folder("apply");
        fixture->one = make_source(fixture, "one");
        fixture->two = make_source(fixture, "two");
        fixture->driver = driver_new();
        *state = fixture;
        if (driver_start(fixture->driver, spec, &error) < 0) {
                print_error("%s\n", error.message);
                return -1;
        }
        return 0;
}

static int teardown(void **state) {
        Fixture *fixture = *state;

        driver_free(fixture->driver);
        system_remove_folder(fixture->folder);
        g_free(fixture->one);
        g_free(fixture->two);
        g_free(fixture);
        return 0;
}

static void add_bind(Plan *plan, const char *source, const char *target, PlanBindFlags flags) {
        g_auto(Error) error = ERROR_NULL;

        assert_no_error(plan_add_bind(plan, &origin, source, target, flags, &error), &error);
}

/* The plan with at most these two binds; a NULL target leaves one out. */
static Plan *make_plan(const char *source, const char *target, const char *source2, const char *target2,
                       PlanBindFlags flags) {
        Plan *plan = plan_new();

        if (target)
                add_bind(plan, source, target, flags);
        if (target2)
                add_bind(plan, source2, target2, flags);
        return plan;
}

static void apply_well(Driver *driver, const Plan *plan) {
        g_auto(Error) error = ERROR_NULL;

        assert_no_error(driver_apply(driver, plan, &error), &error);
}

static void assert_shell(Driver *driver, const char *line, const char *output) {
        g_autofree char *got = NULL;

        (void) driver_shell(driver, line, &got);
        assert_string_equal(got, output);
}

/* ---- tests ---- */

static void test_grant_and_revoke(void **state) {
        Fixture *fixture = *state;
        g_autoptr(Plan) plan = make_plan(fixture->one, "/data/one", NULL, NULL, 0);
        g_autoptr(Plan) nothing = plan_new();

        apply_well(fixture->driver, plan);
        assert_shell(fixture->driver, "cat /data/one/name", "one");
        assert_shell(fixture->driver, "(echo x > /data/one/new) 2>/dev/null || echo refused", "refused\n");
        apply_well(fixture->driver, nothing);
        assert_shell(fixture->driver, "ls -d /data 2>/dev/null || echo gone", "gone\n");
        driver_assert_stops(fixture->driver);
}

/* Writable and read-only in turns, at the same target, while a program looks all the time. */
static void test_replace_shows_target_always(void **state) {
        Fixture *fixture = *state;
        g_autoptr(Plan) read_only = make_plan(fixture->one, "/data", NULL, NULL, 0);
        g_autoptr(Plan) writable = make_plan(fixture->one, "/data", NULL, NULL, PLAN_BIND_WRITABLE);
        const char *poller[] = { "/bin/sh", "-c",
                                 "while [ ! -e /tmp/stop ]; do read x < /data/name || exit 1; done; exit 0",
                                 NULL };
        g_auto(Error) error = ERROR_NULL;
        ShimExited exited;
        uint32_t run;

        apply_well(fixture->driver, read_only);
        assert_shell(fixture->driver, "printf one'\\n' > /tmp/x; cat /data/name", "one");
        system_write_file(fixture->one, "name", "one\n", 0644);
        assert_no_error(driver_run(fixture->driver, poller, -1, &run, NULL, &error), &error);
        for (unsigned i = 0; i < 20; i++) {
                apply_well(fixture->driver, writable);
                assert_shell(fixture->driver, "echo x > /data/new && cat /data/name", "one\n");
                apply_well(fixture->driver, read_only);
                assert_shell(fixture->driver, "(echo x > /data/new) 2>/dev/null || cat /data/name", "one\n");
        }
        assert_shell(fixture->driver, "touch /tmp/stop", "");
        driver_await_exit(fixture->driver, run, &exited);
        assert_int_equal(exited.status, 0);
}

/* What was taken away must not lie beneath what came for it. */
static void test_replace_by_other_source(void **state) {
        Fixture *fixture = *state;
        g_autoptr(Plan) one = make_plan(fixture->one, "/data", NULL, NULL, 0);
        g_autoptr(Plan) two = make_plan(fixture->two, "/data", NULL, NULL, 0);
        g_autoptr(Plan) nothing = plan_new();

        apply_well(fixture->driver, one);
        for (unsigned i = 0; i < 10; i++) {
                apply_well(fixture->driver, two);
                assert_shell(fixture->driver, "cat /data/name", "two");
                apply_well(fixture->driver, one);
                assert_shell(fixture->driver, "cat /data/name; grep -c ' /data ' /proc/self/mountinfo",
                             "one1\n");
        }
        apply_well(fixture->driver, nothing);
        assert_shell(fixture->driver, "ls -d /data 2>/dev/null || echo gone", "gone\n");
}

static void test_nested_targets(void **state) {
        Fixture *fixture = *state;
        g_autoptr(Plan) outer = make_plan(fixture->one, "/a", NULL, NULL, 0);
        g_autoptr(Plan) both = make_plan(fixture->one, "/a", fixture->two, "/a/b", 0);
        g_autoptr(Plan) inner = make_plan(NULL, NULL, fixture->two, "/a/b", 0);
        g_autoptr(Plan) nothing = plan_new();
        g_autofree char *below = g_build_filename(fixture->one, "b", NULL);

        assert_int_equal(mkdir(below, 0755), 0);
        apply_well(fixture->driver, outer);
        apply_well(fixture->driver, both);
        assert_shell(fixture->driver, "cat /a/name /a/b/name", "onetwo");
        apply_well(fixture->driver, inner);
        assert_shell(fixture->driver, "cat /a/b/name; ls /a", "twob\n");
        apply_well(fixture->driver, both);
        assert_shell(fixture->driver, "cat /a/name /a/b/name", "onetwo");
        apply_well(fixture->driver, outer);
        assert_shell(fixture->driver, "cat /a/name; ls /a/b", "one");
        apply_well(fixture->driver, nothing);
        assert_shell(fixture->driver, "ls -d /a 2>/dev/null || echo gone; grep -c ' /a' /proc/self/mountinfo",
                     "gone\n0\n");
}

static void test_nested_below_replacement(void **state) {
        Fixture *fixture = *state;
        g_autoptr(Plan) read_only = make_plan(fixture->one, "/a", fixture->two, "/a/b", 0);
        g_autoptr(Plan) writable = make_plan(fixture->one, "/a", NULL, NULL, PLAN_BIND_WRITABLE);
        g_autofree char *below = g_build_filename(fixture->one, "b", NULL);

        assert_int_equal(mkdir(below, 0755), 0);
        add_bind(writable, fixture->two, "/a/b", 0);
        apply_well(fixture->driver, read_only);
        apply_well(fixture->driver, writable);
        assert_shell(fixture->driver, "cat /a/name /a/b/name; echo x > /a/new && ls /a",
                     "onetwob\nname\nnew\n");
        apply_well(fixture->driver, read_only);
        assert_shell(fixture->driver, "cat /a/name /a/b/name; grep -c ' /a' /proc/self/mountinfo",
                     "onetwo2\n");
}

/* The first step of a plan works, the second does not: then neither counts. */
static void test_failure_undoes(void **state) {
        static const struct {
                const char *name, *target, *words;
        } rows[] = {
                { "no such source", "/z", "Cannot show" },
                { "below a read-only mount", "/usr/z", "/usr/z" },
                { "below a file", "/etc/passwd/z", "no folder" },
                { "mount of the sandbox", "/usr", "mount point" },
        };
        Fixture *fixture = *state;
        g_autoptr(Plan) before = make_plan(fixture->one, "/keep", fixture->two, "/also", PLAN_BIND_WRITABLE);

        apply_well(fixture->driver, before);
        for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
                g_autoptr(Plan) after = make_plan(fixture->two, "/keep", fixture->two, "/a", 0);
                g_auto(Error) error = ERROR_NULL;

                print_message("  %s\n", rows[i].name);
                add_bind(after, i == 0 ? "/nonexistent/source" : fixture->one, rows[i].target, 0);
                assert_true(driver_apply(fixture->driver, after, &error) < 0);
                assert_error_says(&error, ERROR_NOT_MOUNTABLE, rows[i].words);
                assert_string_equal(error.file, "test.json");
                assert_int_equal(error.line, 7);
                assert_shell(
                        fixture->driver,
                        "cat /keep/name /also/name; ls -d /a 2>/dev/null; touch /keep/x && rm /keep/x && echo rw",
                        "onetworw\n");
        }
}

/* The app was there first: nothing of it is followed, covered by force or taken away. */
static void test_target_taken_by_app(void **state) {
        static const struct {
                const char *name, *make, *look, *words; /* NULL = the grant works */
                const char *seen;
        } rows[] = {
                { "folder", "mkdir /home/app/t; echo mine > /home/app/t/f", "cat /home/app/t/f", NULL,
                  "mine\n" },
                { "file", "echo mine > /home/app/t", "cat /home/app/t", "no folder", "mine\n" },
                { "link", "ln -s /etc /home/app/t", "readlink /home/app/t", "is a link", "/etc\n" },
                { "link on the way", "ln -s /tmp /home/app/t", "ls /tmp", "is a link", "" },
        };
        Fixture *fixture = *state;
        g_autoptr(Plan) nothing = plan_new();

        for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
                bool is_deep = strcmp(rows[i].name, "link on the way") == 0;
                g_autoptr(Plan) plan = make_plan(fixture->one, is_deep ? "/home/app/t/deep" : "/home/app/t",
                                                 NULL, NULL, 0);
                g_auto(Error) error = ERROR_NULL;
                int r;

                print_message("  %s\n", rows[i].name);
                assert_shell(fixture->driver, rows[i].make, "");
                r = driver_apply(fixture->driver, plan, &error);
                if (rows[i].words) {
                        assert_true(r < 0);
                        assert_error_says(&error, ERROR_NOT_MOUNTABLE, rows[i].words);
                } else {
                        assert_no_error(r, &error);
                        assert_shell(fixture->driver, "cat /home/app/t/name", "one");
                        apply_well(fixture->driver, nothing);
                }
                assert_shell(fixture->driver, rows[i].look, rows[i].seen);
                assert_shell(fixture->driver, "rm -rf /home/app/t", "");
        }
}

/* While granted, the app fills or renames what was made for the target: undo takes away only what is ours. */
static void test_target_renamed_by_app(void **state) {
        Fixture *fixture = *state;
        g_autoptr(Plan) plan = make_plan(fixture->one, "/home/app/new/t", NULL, NULL, 0);
        g_autoptr(Plan) nothing = plan_new();

        /* In a folder that the app owns its root's folders can still be moved by their parent's owner. */
        apply_well(fixture->driver, plan);
        (void) driver_shell(fixture->driver,
                            "mv /home/app/new /home/app/old; mkdir -p /home/app/new/t; "
                            "echo mine > /home/app/new/t/f",
                            NULL);
        apply_well(fixture->driver, nothing);
        assert_shell(fixture->driver, "cat /home/app/new/t/f; grep -c /home/app /proc/self/mountinfo",
                     "mine\n0\n");
}

static void test_writable_owner(void **state) {
        Fixture *fixture = *state;
        g_autoptr(Plan) plan = make_plan(fixture->one, "/data", NULL, NULL, PLAN_BIND_WRITABLE);
        g_autofree char *path = g_build_filename(fixture->one, "made", NULL);
        g_autofree char *root_owned = g_build_filename(fixture->folder, "root", NULL);
        g_autoptr(Plan) refused = NULL;
        g_auto(Error) error = ERROR_NULL;
        struct stat st;

        apply_well(fixture->driver, plan);
        assert_shell(fixture->driver,
                     "echo x > /data/made; chmod 6755 /data/made 2>&1; stat -c %u:%g /data/made",
                     "chmod: changing permissions of '/data/made': Operation not permitted\n1000:1000\n");
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_uid, SOURCE_OWNER);
        assert_int_equal(st.st_gid, SOURCE_OWNER);
        assert_int_equal(st.st_mode & (S_ISUID | S_ISGID), 0);

        assert_int_equal(mkdir(root_owned, 0777), 0);
        refused = make_plan(root_owned, "/root-owned", NULL, NULL, PLAN_BIND_WRITABLE);
        assert_true(driver_apply(fixture->driver, refused, &error) < 0);
        assert_error_says(&error, ERROR_NOT_MOUNTABLE, "user 0");
        /* The file is one link in the map of owners: it stays whole when a plan fails. */
        assert_shell(fixture->driver, "cat /data/name", "one");
}

static void test_optional_source(void **state) {
        Fixture *fixture = *state;
        g_autofree char *source = g_build_filename(fixture->folder, "later", NULL);
        g_autoptr(Plan) plan = make_plan(source, "/later", NULL, NULL, PLAN_BIND_OPTIONAL);
        g_autoptr(Plan)
                writable = make_plan(source, "/later", NULL, NULL, PLAN_BIND_OPTIONAL | PLAN_BIND_WRITABLE);
        g_autoptr(Plan) nothing = plan_new();

        apply_well(fixture->driver, plan);
        assert_shell(fixture->driver, "ls -d /later 2>/dev/null || echo none", "none\n");
        apply_well(fixture->driver, writable);
        assert_shell(fixture->driver, "ls -d /later 2>/dev/null || echo none", "none\n");
        g_free(make_source(fixture, "later"));
        apply_well(fixture->driver, plan);
        assert_shell(fixture->driver, "cat /later/name", "later");
        apply_well(fixture->driver, nothing);
        assert_shell(fixture->driver, "ls -d /later 2>/dev/null || echo none", "none\n");
}

/* Of a file as source: an editor replaces it, and a folder comes in its place. */
static void test_source_changes_kind(void **state) {
        Fixture *fixture = *state;
        g_autofree char *source = g_build_filename(fixture->folder, "x", NULL);
        g_autofree char *aside = g_build_filename(fixture->folder, "aside", NULL);
        g_autoptr(Plan) plan = make_plan(source, "/data", NULL, NULL, 0);
        g_autoptr(Plan) recursive = make_plan(source, "/data", NULL, NULL, PLAN_BIND_RECURSIVE);
        g_autoptr(Plan) on_own = make_plan(source, "/home/app/own", NULL, NULL, 0);
        g_autoptr(Plan)
                on_own_recursive = make_plan(source, "/home/app/own", NULL, NULL, PLAN_BIND_RECURSIVE);
        g_autoptr(Plan) nothing = plan_new();
        g_auto(Error) error = ERROR_NULL;

        system_write_file(fixture->folder, "x", "file", 0644);
        apply_well(fixture->driver, plan);
        assert_shell(fixture->driver, "cat /data", "file");
        assert_int_equal(unlink(source), 0);
        assert_int_equal(mkdir(source, 0755), 0);
        apply_well(fixture->driver, recursive);
        assert_shell(fixture->driver, "test -d /data && echo folder", "folder\n");

        /* Not where the file is the app's own. */
        assert_int_equal(rmdir(source), 0);
        system_write_file(fixture->folder, "x", "file", 0644);
        assert_shell(fixture->driver, "echo mine > /home/app/own", "");
        apply_well(fixture->driver, on_own);
        /* The kernel mounts nothing that was deleted, so the old one has to be somewhere to be put back. */
        assert_int_equal(rename(source, aside), 0);
        assert_int_equal(mkdir(source, 0755), 0);
        assert_true(driver_apply(fixture->driver, on_own_recursive, &error) < 0);
        assert_error_says(&error, ERROR_NOT_MOUNTABLE, "no folder");
        assert_shell(fixture->driver, "cat /home/app/own", "file");
        apply_well(fixture->driver, nothing);
        assert_shell(fixture->driver, "cat /home/app/own; ls /data 2>/dev/null", "mine\n");
}

static void test_rounds_leak_nothing(void **state) {
        Fixture *fixture = *state;
        g_autoptr(Plan)
                plan = make_plan(fixture->one, "/data/deep/one", fixture->two, "/two", PLAN_BIND_WRITABLE);
        g_autoptr(Plan) other = make_plan(fixture->one, "/data/deep/one", NULL, NULL, 0);
        g_autoptr(Plan) bad = make_plan(fixture->one, "/data/deep/one", fixture->two, "/usr/bad", 0);
        g_autoptr(Plan) nothing = plan_new();
        pid_t init = system_find_process(fixture->driver->cgroup, "bulkhead-init");
        unsigned n_shim, n_init;

        assert_true(init > 0);
        apply_well(fixture->driver, plan);
        apply_well(fixture->driver, nothing);
        n_shim = system_count_fds(fixture->driver->pid);
        n_init = system_count_fds(init);
        for (unsigned i = 0; i < test_rounds(100); i++) {
                g_auto(Error) error = ERROR_NULL;

                apply_well(fixture->driver, plan);
                apply_well(fixture->driver, other);
                assert_true(driver_apply(fixture->driver, bad, &error) < 0);
                apply_well(fixture->driver, nothing);
        }
        assert_int_equal(system_count_fds(fixture->driver->pid), n_shim);
        assert_int_equal(system_count_fds(init), n_init);
        assert_shell(fixture->driver,
                     "ls -d /data /two 2>/dev/null; grep -c -e /data -e /two /proc/self/mountinfo", "0\n");
        driver_assert_stops(fixture->driver);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_grant_and_revoke, setup, teardown),
                cmocka_unit_test_setup_teardown(test_replace_shows_target_always, setup, teardown),
                cmocka_unit_test_setup_teardown(test_replace_by_other_source, setup, teardown),
                cmocka_unit_test_setup_teardown(test_nested_targets, setup, teardown),
                cmocka_unit_test_setup_teardown(test_nested_below_replacement, setup, teardown),
                cmocka_unit_test_setup_teardown(test_failure_undoes, setup, teardown),
                cmocka_unit_test_setup_teardown(test_target_taken_by_app, setup, teardown),
                cmocka_unit_test_setup_teardown(test_target_renamed_by_app, setup, teardown),
                cmocka_unit_test_setup_teardown(test_writable_owner, setup, teardown),
                cmocka_unit_test_setup_teardown(test_optional_source, setup, teardown),
                cmocka_unit_test_setup_teardown(test_source_changes_kind, setup, teardown),
                cmocka_unit_test_setup_teardown(test_rounds_leak_nothing, setup, teardown),
        };

        need_root();
        return cmocka_run_group_tests(tests, NULL, NULL);
}
