/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Roots of several layers, images among them; what is kept, and what is not. */
#include "tests/shim/help.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "tests/shim/driver.h"
#include "tests/shim/images.h"
#include "tests/shim/system.h"
#include "util/cleanup.h"
#include "util/fs.h"

static char *folder; /* of one test */

static int setup(void **state G_GNUC_UNUSED) {
        folder = system_make_folder("layers");
        return 0;
}

static int teardown(void **state G_GNUC_UNUSED) {
        images_assert_no_loops(folder);
        system_remove_folder(g_steal_pointer(&folder));
        return 0;
}

/* A file in the test's folder, and what is above it. */
static char *put(const char *name, const char *text) {
        g_autofree char *path = g_build_filename(folder, name, NULL);
        g_autofree char *parent = g_path_get_dirname(path);

        assert_int_equal(g_mkdir_with_parents(parent, 0755), 0);
        assert_true(g_file_set_contents(path, text, -1, NULL));
        assert_int_equal(chmod(path, 0755), 0);
        return g_steal_pointer(&path);
}

static char *in_folder(const char *name) {
        return g_build_filename(folder, name, NULL);
}

/* "a b host-usr": words without a slash in the test's folder. */
static void set_layers(Spec *spec, const char *words) {
        g_strfreev(spec->layers);
        spec->layers = g_strsplit(words, " ", -1);
        for (size_t i = 0; spec->layers[i]; i++)
                if (strcmp(spec->layers[i], SPEC_LAYER_HOST_USR) != 0 && spec->layers[i][0] != '/') {
                        char *path = in_folder(spec->layers[i]);

                        g_free(spec->layers[i]);
                        spec->layers[i] = path;
                }
}

static void set_mount(Spec *spec, const char *line) {
        g_strfreev(spec->mounts);
        spec->mounts = g_new0(char *, 2);
        spec->mounts[0] = g_strdup(line);
}

static void keep(Spec *spec, const char *state) {
        spec->upper = SPEC_UPPER_PERSISTENT;
        spec->state_folder = in_folder(state);
}

static Driver *start(const Spec *spec) {
        Driver *driver = driver_new();
        g_auto(Error) error = ERROR_NULL;

        assert_no_error(driver_start(driver, spec, &error), &error);
        return driver;
}

static void assert_start_fails(const Spec *spec, ErrorCode code, const char *words) {
        g_autoptr(Driver) driver = driver_new();
        g_auto(Error) error = ERROR_NULL;

        assert_true(driver_start(driver, spec, &error) < 0);
        assert_error_says(&error, code, words);
        driver_assert_gone(driver);
        images_assert_no_loops(folder);
}

/* Runs it as uid 0 inside, which driver_spec()'s app is not. */
static void assert_shell(Driver *driver, const char *line) {
        g_autofree char *output = NULL;
        int status = driver_shell(driver, line, &output);

        if (status != 0)
                fail_msg("'%s' is %d: %s", line, status, output);
}

static void assert_shell_says(Driver *driver, const char *line, const char *words) {
        g_autofree char *output = NULL;

        (void) driver_shell(driver, line, &output);
        if (!strstr(output, words))
                fail_msg("'%s' says '%s', '%s' was expected", line, output, words);
}

/* ---- layers ---- */

/* Three and the host's /usr: the top one wins, also above the host's. */
static void test_three_layers(void **state G_GNUC_UNUSED) {
        static const char *const types[] = { NULL, "squashfs", "erofs" };

        for (size_t i = 0; i < G_N_ELEMENTS(types); i++) {
                g_autoptr(Spec) spec = driver_spec();
                g_autoptr(Driver) driver = NULL;
                g_autofree char *middle = in_folder("b"), *image = in_folder("b.image");

                print_message("  %s\n", types[i] ?: "folders");
                g_free(put("a/opt/name", "top"));
                g_free(put("b/opt/name", "middle"));
                g_free(put("b/opt/of-b", "b"));
                g_free(put("c/opt/of-b", "not this"));
                g_free(put("c/opt/of-c", "c"));
                g_free(put("a/usr/share/of-a", "in usr"));
                g_free(put("a/usr/bin/true", "#!/bin/sh\nexit 9\n"));
                if (types[i] && !images_make(types[i], middle, image))
                        continue;
                set_layers(spec, types[i] ? "a b.image c host-usr" : "a b c host-usr");
                driver = start(spec);
                assert_shell(driver, "test \"$(cat /opt/name /opt/of-b /opt/of-c)\" = topbc");
                assert_shell(driver, "test \"$(cat /usr/share/of-a)\" = 'in usr' && ls /usr/bin/env");
                assert_shell(driver, "/bin/true; test $? = 9");
                assert_shell(driver, "! touch /usr/share/new 2>/dev/null");
                assert_shell(driver, "test \"$(stat -c %u /opt/name)\" = 0");
                driver_assert_stops(driver);
        }
}

/* What stands below the host's /usr does not show in it. */
static void test_layer_below_usr(void **state G_GNUC_UNUSED) {
        g_autoptr(Spec) spec = driver_spec();
        g_autoptr(Driver) driver = NULL;

        g_free(put("a/usr/share/of-a", "in usr"));
        g_free(put("a/opt/name", "a"));
        set_layers(spec, "host-usr a");
        driver = start(spec);
        assert_shell(driver, "cat /opt/name && ! ls /usr/share/of-a 2>/dev/null");
        driver_assert_stops(driver);
}

static void test_bad_images(void **state G_GNUC_UNUSED) {
        g_autofree char *good = in_folder("good"), *damaged = in_folder("damaged"), *cut = in_folder("cut");
        g_autofree char *writable = in_folder("writable"), *foreign = in_folder("foreign"),
                        *link = in_folder("link");
        g_autofree char *source = in_folder("source");
        static const struct {
                const char *layers, *words;
        } rows[] = {
                { "damaged host-usr", "may be damaged" },
                { "cut host-usr", "may be damaged" },
                { "writable host-usr", "written by others than root" },
                { "foreign host-usr", "written by others than root" },
                { "link host-usr", "is a link" },
                { "text host-usr", "no squashfs or erofs image" },
                { "empty host-usr", "no squashfs or erofs image" },
                { "good missing host-usr", "missing" },
        };
        g_autofree char *bytes = NULL;
        gsize size;

        g_free(put("source/opt/name", "a name that takes some bytes"));
        g_free(put("text", "no image, but some words"));
        g_free(put("empty", ""));
        if (!images_make("squashfs", source, good))
                skip();
        assert_true(g_file_get_contents(good, &bytes, &size, NULL));
        assert_true(g_file_set_contents(writable, bytes, (gssize) size, NULL));
        assert_true(g_file_set_contents(foreign, bytes, (gssize) size, NULL));
        assert_true(g_file_set_contents(cut, bytes, 512, NULL));
        memset(bytes + 8, 0xff, 80); /* behind the magic number: the rest of the superblock */
        assert_true(g_file_set_contents(damaged, bytes, (gssize) size, NULL));
        assert_int_equal(chmod(writable, 0664), 0);
        assert_int_equal(chown(foreign, 1000, 1000), 0);
        assert_int_equal(symlink(good, link), 0);
        for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
                g_autoptr(Spec) spec = driver_spec();

                print_message("  %s\n", rows[i].layers);
                set_layers(spec, rows[i].layers);
                assert_start_fails(spec, ERROR_NOT_MOUNTABLE, rows[i].words);
        }
}

/* The same hostile entries as in a folder, but in an image of both kinds. */
static void test_hostile_images(void **state G_GNUC_UNUSED) {
        static const char *const entries[] = { "dev",  "proc", "sys",  "etc",     "tmp",
                                               "home", "run",  "root", "gateways" };
        static const char *const types[] = { "squashfs", "erofs" };
        g_autofree char *outside = in_folder("outside"), *image = in_folder("image");

        assert_int_equal(mkdir(outside, 0755), 0);
        for (size_t i = 0; i < 2 * G_N_ELEMENTS(entries); i++) {
                g_autoptr(Spec) spec = driver_spec();
                g_autoptr(GDir) left = NULL;
                g_autofree char *source = g_strdup_printf("%s/source-%zu", folder, i);
                g_autofree char *entry = g_build_filename(source, entries[i / 2], NULL);

                assert_int_equal(mkdir(source, 0755), 0);
                if (i % 2 == 0)
                        assert_int_equal(symlink(outside, entry), 0);
                else
                        assert_int_equal(mknod(entry, S_IFCHR | 0666, 1 << 8 | 3), 0);
                if (!images_make(types[i % 2], source, image))
                        continue;
                g_strfreev(spec->folders);
                spec->folders = g_strsplit("/gateways", ",", -1);
                set_layers(spec, "image host-usr");
                assert_start_fails(spec, ERROR_NOT_MOUNTABLE, entries[i / 2]);
                left = g_dir_open(outside, 0, NULL);
                assert_null(g_dir_read_name(left));
        }
}

/* ---- uppers ---- */

static void kill_shim(Driver *driver) {
        uint64_t end = system_now_usec() + DRIVER_PATIENCE_USEC;

        assert_int_equal(kill(driver->pid, SIGKILL), 0);
        while (system_count_in_cgroup(driver->cgroup, NULL) > 0 && system_now_usec() < end)
                system_sleep_msec(5);
}

static void test_ephemeral(void **state G_GNUC_UNUSED) {
        static const char *const layers[] = { "host-usr", "a host-usr" };

        g_free(put("a/opt/name", "a"));
        for (unsigned i = 0; i < 2 * G_N_ELEMENTS(layers); i++) {
                g_autoptr(Spec) spec = driver_spec();
                g_autoptr(Driver) first = NULL, second = NULL;

                set_layers(spec, layers[i / 2]);
                first = start(spec);
                assert_shell(first, "touch /tmp/there /home/app/there");
                if (i % 2 == 0)
                        driver_assert_stops(first);
                else
                        kill_shim(first);
                second = start(spec);
                assert_shell(second, "! ls /tmp/there 2>/dev/null && ! ls /home/app/there 2>/dev/null");
                driver_assert_stops(second);
        }
}

static void test_full_upper(void **state G_GNUC_UNUSED) {
        static const char *const layers[] = { "host-usr", "a host-usr" };

        g_free(put("a/opt/name", "a"));
        for (unsigned i = 0; i < G_N_ELEMENTS(layers); i++) {
                g_autoptr(Spec) spec = driver_spec();
                g_autoptr(Driver) driver = NULL;

                set_layers(spec, layers[i]);
                spec->upper_size = 1024 * 1024;
                driver = start(spec);
                assert_shell_says(driver, "head -c 4M /dev/zero 2>&1 >/tmp/big", "No space left on device");
                assert_shell(driver, "rm /tmp/big && echo small >/tmp/small");
                driver_assert_stops(driver);
        }
}

static void test_persistent(void **state G_GNUC_UNUSED) {
        static const char *const layers[] = { "host-usr", "a host-usr" };

        g_free(put("a/opt/name", "a"));
        for (unsigned i = 0; i < G_N_ELEMENTS(layers); i++) {
                g_autoptr(Spec) spec = driver_spec();
                g_autofree char *name = g_strdup_printf("state-%u", i);
                g_autofree char *path = g_strdup_printf("%s/%s/uppers/0/default/test", folder, name);
                g_autofree char *kept = g_build_filename(path, "upper/home/app/there", NULL);
                g_autofree char *work = g_build_filename(path, "work/left", NULL);
                struct stat st;

                keep(spec, name);
                set_layers(spec, layers[i]);
                for (unsigned round = 0; round < 3; round++) {
                        g_autoptr(Driver) driver = start(spec);

                        if (round > 0)
                                assert_shell(
                                        driver,
                                        "test \"$(cat /home/app/there)\" = kept$(stat -c %u /home/app/there)");
                        assert_shell(driver, "rm -f /home/app/there; echo kept1000 >/home/app/there; sync");
                        if (i > 0)
                                assert_shell(driver, round == 0 ? "cat /opt/name" : "test -f /opt/name");
                        if (round == 1)
                                kill_shim(driver);
                        else
                                driver_assert_stops(driver);
                        /* Another range, and what a crash could have left. */
                        spec->id_base += SPEC_ID_COUNT_MIN;
                        (void) g_mkdir_with_parents(work, 0755);
                }
                assert_int_equal(stat(kept, &st), 0);
                assert_int_equal(st.st_uid, 1000); /* of no range */
                assert_int_equal(stat(path, &st), 0);
                assert_int_equal(st.st_mode & 07777, 0700);
        }
}

/* One per owner, template and name; two at once never share one. */
static void test_persistent_keys(void **state G_GNUC_UNUSED) {
        g_autoptr(Spec) spec = driver_spec(), other = driver_spec();
        g_autoptr(Driver) driver = NULL, second = NULL;

        keep(spec, "state");
        keep(other, "state");
        other->id_base += SPEC_ID_COUNT_MIN;
        driver = start(spec);
        assert_shell(driver, "echo mine >/tmp/mine");
        assert_start_fails(other, ERROR_BAD_STATE, "Another sandbox");
        assert_shell(driver, "cat /tmp/mine");
        other->owner = 1001;
        second = start(other);
        assert_shell(second, "! ls /tmp/mine 2>/dev/null");
        driver_assert_stops(second);
        driver_assert_stops(driver);
}

static void test_bad_state_folders(void **state G_GNUC_UNUSED) {
        g_autofree char *uppers = in_folder("linked/uppers"), *outside = in_folder("outside");
        g_autofree char *open_folder = in_folder("open/uppers/0/default/test"), *linked = in_folder("linked");
        static const struct {
                const char *state, *words;
        } rows[] = {
                { "file", "Cannot" },
                { "linked", "Cannot make the folder" },
                { "open", "mode 0777" },
        };

        g_free(put("file", "text"));
        assert_int_equal(mkdir(linked, 0755), 0);
        assert_int_equal(mkdir(outside, 0755), 0);
        assert_int_equal(symlink(outside, uppers), 0);
        assert_int_equal(g_mkdir_with_parents(open_folder, 0755), 0);
        assert_int_equal(chmod(open_folder, 0777), 0);
        for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
                g_autoptr(Spec) spec = driver_spec();
                g_autoptr(Driver) driver = driver_new();
                g_auto(Error) error = ERROR_NULL;

                print_message("  %s\n", rows[i].state);
                keep(spec, rows[i].state);
                assert_true(driver_start(driver, spec, &error) < 0);
                assert_non_null(error.message);
                if (!strstr(error.message, rows[i].words))
                        fail_msg("%s; '%s' was expected", error.message, rows[i].words);
                driver_assert_gone(driver);
        }
        {
                g_autoptr(Spec) spec = driver_spec();

                spec->upper = SPEC_UPPER_PERSISTENT;
                spec->state_folder = g_strdup("/proc/bulkhead");
                assert_start_fails(spec, ERROR_SYSTEM, "/proc/bulkhead");
        }
}

/* Without a user namespace ids are the host's, on the disk too. */
static void test_host_ids(void **state G_GNUC_UNUSED) {
        g_autofree char *image = in_folder("a.image"), *source = in_folder("a");
        g_autofree char *kept = in_folder("state/uppers/0/default/test/upper/home/app/there");
        struct stat st;

        g_free(put("a/opt/name", "a"));
        if (!images_make("squashfs", source, image))
                skip();
        for (unsigned round = 0; round < 2; round++) {
                g_autoptr(Spec) spec = driver_spec();
                g_autoptr(Driver) driver = NULL;

                spec->user_namespace = false;
                keep(spec, "state");
                set_layers(spec, "a.image host-usr");
                set_mount(spec, "none /cache tmpfs size=1M,uid=1000");
                driver = start(spec);
                assert_shell(driver, "cat /opt/name && echo a >/home/app/there && echo a >/cache/a");
                driver_assert_stops(driver);
        }
        assert_int_equal(stat(kept, &st), 0);
        assert_int_equal(st.st_uid, 1000);
}

/* ---- Mount= ---- */

static void test_mounts(void **state G_GNUC_UNUSED) {
        g_autofree char *source = in_folder("source"), *image = in_folder("image"),
                        *owned = in_folder("owned");
        g_autofree char *kept = in_folder("kept");
        static const struct {
                const char *line, *test; /* DIR is the test's folder */
        } rows[] = {
                { "none /cache tmpfs size=1M,mode=0700,uid=1000,gid=1000,noexec",
                  "echo a >/cache/a && test $(stat -c %a:%u:%g /cache) = 700:1000:1000 && grep -q ' /cache .*noexec' /proc/mounts" },
                { "none /dev/shm tmpfs size=64k", "! head -c 1M /dev/zero >/dev/shm/a 2>/dev/null" },
                { "none /a/b/c tmpfs ro,size=1M", "! touch /a/b/c/d 2>/dev/null" },
                { "DIR/source /data none bind,ro",
                  "test $(cat /data/name) = src && ! touch /data/x 2>/dev/null" },
                { "DIR/source/name /data/file none ro,bind", "test $(cat /data/file) = src" },
                { "DIR/owned /data none bind", "echo a >/data/made && test $(stat -c %u /data/made) = 1000" },
                { "DIR/missing /data none bind,nofail", "! ls /data 2>/dev/null" },
                { "DIR/image /data squashfs ro",
                  "test $(cat /data/name) = src && ! touch /data/x 2>/dev/null" },
                { "overlay /data overlay lowerdir=DIR/source:DIR/owned",
                  "test $(cat /data/name) = src && cat /data/of-owned && ls -ld /data" },
                { "overlay /data overlay lowerdir=DIR/image,upperdir=DIR/kept/u,workdir=DIR/kept/w",
                  "test $(cat /data/name) = src" },
        };

        g_free(put("source/name", "src"));
        g_free(put("owned/of-owned", "x"));
        assert_int_equal(chown(owned, 4321, 4321), 0);
        if (!images_make("squashfs", source, image))
                skip();
        for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
                g_autoptr(Spec) spec = driver_spec();
                g_autoptr(Driver) driver = NULL;
                g_auto(GStrv) parts = g_strsplit(rows[i].line, "DIR", -1);
                g_autofree char *line = g_strjoinv(folder, parts);

                print_message("  %s\n", rows[i].line);
                set_mount(spec, line);
                driver = start(spec);
                assert_shell(driver, rows[i].test);
                driver_assert_stops(driver);
        }
        {
                g_autofree char *made = in_folder("owned/made");
                struct stat st;

                assert_int_equal(stat(made, &st), 0);
                assert_int_equal(st.st_uid, 4321);
                assert_int_equal(stat(kept, &st), 0);
                assert_int_equal(st.st_mode & 07777, 0700);
        }
}

static void test_bad_mounts(void **state G_GNUC_UNUSED) {
        static const struct {
                const char *line, *words;
        } rows[] = {
                { "DIR/missing /data none bind,ro", "missing" },
                { "DIR/source /data none bind", "belongs to user 0" },
                { "DIR/source /etc/passwd none bind,ro", "/etc/passwd" },
                { "DIR/source /way/in none bind,ro", "link" },
                { "DIR/text /data squashfs ro", "no squashfs or erofs image" },
                { "overlay /data overlay lowerdir=DIR/missing", "missing" },
                { "overlay /data overlay lowerdir=DIR/source,upperdir=DIR/u,workdir=DIR/w", "0700" },
                { "none /usr/new tmpfs size=1M", "/usr/new" },
        };
        g_autofree char *layer = in_folder("a"), *way = in_folder("a/way");

        g_free(put("source/name", "src"));
        g_free(put("text", "words"));
        assert_int_equal(mkdir(layer, 0755), 0);
        assert_int_equal(symlink("/etc", way), 0);
        for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
                g_autoptr(Spec) spec = driver_spec();
                g_auto(GStrv) parts = g_strsplit(rows[i].line, "DIR", -1);
                g_autofree char *line = g_strjoinv(folder, parts);

                print_message("  %s\n", rows[i].line);
                set_layers(spec, "a host-usr");
                set_mount(spec, line);
                assert_start_fails(spec, ERROR_NOT_MOUNTABLE, rows[i].words);
        }
}

/* ---- the files of /etc ---- */

static void test_etc(void **state G_GNUC_UNUSED) {
        g_autoptr(Spec) spec = driver_spec();
        g_autoptr(Driver) driver = NULL, again = NULL;
        g_autofree char *first = NULL, *second = NULL;

        g_free(put("a/etc/passwd", "root:x:0:0:::\ndaemon:x:1:1:::"));
        g_free(put("a/etc/group", "app:x:77:\n"));
        g_free(put("a/etc/hostname", "image\n"));
        set_layers(spec, "a host-usr");
        driver = start(spec);
        assert_shell(driver, "id -un | grep -x app && grep -x 'daemon:x:1:1:::' /etc/passwd");
        assert_shell(driver, "test \"$(cat /etc/group)\" = app:x:77: && grep -x image /etc/hostname");
        assert_shell(driver, "grep -xE '[0-9a-f]{12}4[0-9a-f]{3}[89ab][0-9a-f]{15}' /etc/machine-id");
        assert_shell(driver, "! diff /etc/machine-id /proc/sys/kernel/random/boot_id >/dev/null");
        assert_shell(driver, "grep -q 'enable-shm = no' /etc/pulse/client.conf");
        (void) driver_shell(driver, "cat /etc/machine-id", &first);
        driver_assert_stops(driver);
        again = start(spec);
        (void) driver_shell(again, "cat /etc/machine-id", &second);
        assert_string_equal(first, second);
        driver_assert_stops(again);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_three_layers, setup, teardown),
                cmocka_unit_test_setup_teardown(test_layer_below_usr, setup, teardown),
                cmocka_unit_test_setup_teardown(test_bad_images, setup, teardown),
                cmocka_unit_test_setup_teardown(test_hostile_images, setup, teardown),
                cmocka_unit_test_setup_teardown(test_ephemeral, setup, teardown),
                cmocka_unit_test_setup_teardown(test_full_upper, setup, teardown),
                cmocka_unit_test_setup_teardown(test_persistent, setup, teardown),
                cmocka_unit_test_setup_teardown(test_persistent_keys, setup, teardown),
                cmocka_unit_test_setup_teardown(test_bad_state_folders, setup, teardown),
                cmocka_unit_test_setup_teardown(test_host_ids, setup, teardown),
                cmocka_unit_test_setup_teardown(test_mounts, setup, teardown),
                cmocka_unit_test_setup_teardown(test_bad_mounts, setup, teardown),
                cmocka_unit_test_setup_teardown(test_etc, setup, teardown),
        };

        need_root();
        return cmocka_run_group_tests(tests, NULL, NULL);
}
