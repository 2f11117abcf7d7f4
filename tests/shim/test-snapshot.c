/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Snapshots: what a sandbox has written, as a layer for others. */
#include "tests/shim/help.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "tests/shim/driver.h"
#include "tests/shim/images.h"
#include "tests/shim/system.h"
#include "util/cleanup.h"
#include "util/limits.h"

static char *folder; /* of one test */

static int setup(void **state G_GNUC_UNUSED) {
        folder = system_make_folder("snapshot");
        return 0;
}

static int teardown(void **state G_GNUC_UNUSED) {
        images_assert_no_loops(folder);
        system_remove_folder(g_steal_pointer(&folder));
        return 0;
}

static char *put(const char *name, const char *text) {
        g_autofree char *path = g_build_filename(folder, name, NULL);
        g_autofree char *parent = g_path_get_dirname(path);

        assert_int_equal(g_mkdir_with_parents(parent, 0755), 0);
        assert_true(g_file_set_contents(path, text, -1, NULL));
        return g_steal_pointer(&path);
}

static void set_layers(Spec *spec, const char *words) {
        g_strfreev(spec->layers);
        spec->layers = g_strsplit(words, " ", -1);
        for (size_t i = 0; spec->layers[i]; i++)
                if (strcmp(spec->layers[i], SPEC_LAYER_HOST_USR) != 0) {
                        char *path = g_build_filename(folder, spec->layers[i], NULL);

                        g_free(spec->layers[i]);
                        spec->layers[i] = path;
                }
}

static Driver *start(const Spec *spec) {
        Driver *driver = driver_new();
        g_auto(Error) error = ERROR_NULL;

        assert_no_error(driver_start(driver, spec, &error), &error);
        return driver;
}

static uint32_t ask_snapshot(Driver *driver, int fd, uint64_t timeout_usec) {
        WireWriter writer = WIRE_WRITER_NULL;
        uint32_t serial;

        wire_put_u64(&writer, timeout_usec);
        serial = driver_send(driver, SHIM_SNAPSHOT, &writer, &fd, fd >= 0 ? 1 : 0);
        wire_writer_done(&writer);
        return serial;
}

static int take_snapshot(Driver *driver, const char *name, Error *error) {
        g_autofree char *path = g_build_filename(folder, name, NULL);
        autofd int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

        assert_true(fd >= 0);
        return driver_await_done(driver, ask_snapshot(driver, fd, 0), error);
}

/* As uid 0 inside, which may make more. */
static void run_root(Driver *driver, const char *script, char **ret_output) {
        int status = driver_shell(driver, script, ret_output);

        if (status != 0)
                fail_msg("%s: %d %s", script, status, ret_output && *ret_output ? *ret_output : "");
}

/* Everything about every file of the root, but not of what is mounted in it. */
static const char list_script[] =
        "import os,stat,hashlib\n"
        "def xattrs(p):\n"
        "  try: return [(a,os.getxattr(p,a)) for a in sorted(os.listxattr(p)) if a.startswith('user.')]\n"
        "  except OSError: return []\n"
        "for top,dirs,files in os.walk('/'):\n"
        "  dirs[:]=sorted(d for d in dirs if not os.path.ismount(top+'/'+d))\n"
        "  for n in sorted(files)+dirs:\n"
        "    p=os.path.join(top,n); s=os.lstat(p)\n"
        "    if stat.S_ISSOCK(s.st_mode): continue\n"
        "    l=[p,oct(s.st_mode),s.st_uid,s.st_gid]\n"
        "    if not stat.S_ISDIR(s.st_mode): l+=[s.st_nlink,int(s.st_mtime)]\n"
        "    if stat.S_ISLNK(s.st_mode): l+=[os.readlink(p)]\n"
        "    else: l+=xattrs(p)\n"
        "    if stat.S_ISREG(s.st_mode): l+=[s.st_size,hashlib.sha256(open(p,'rb').read()).hexdigest()]\n"
        "    print(*l)\n";

static char *list_root(Driver *driver) {
        g_autofree char *line = g_strdup_printf("exec python3 -c \"%s\"", list_script);
        char *output = NULL;

        run_root(driver, line, &output);
        return output;
}

static const char changes[] =
        "set -e; cd /opt\n"
        "echo new >file; chmod 640 file; ln file name; ln -s ../up link; mkfifo pipe; mkdir -m 1770 deep; mkdir -p deep/a/b\n"
        "rm gone; rm -r folder; mkdir folder; echo inside >folder/new; rm -r whole\n"
        "echo changed >>kept; head -c 300000 /dev/urandom >big; truncate -s 5M holes; chmod 711 big\n"
        "touch \"$(printf 'a\\nb')\" \"$(printf '%0200d' 7)\"; mkdir -p $(printf '%090d/%090d/%090d' 1 2 3)\n"
        "touch -d @5 old\n"
        "python3 -c \"import os; os.setxattr('file','user.a',b'\\\\0\\\\1='); os.setxattr('deep','user.b',b'v'*3000)\"\n"
        "python3 -c \"import socket; socket.socket(socket.AF_UNIX).bind('sock')\"\n"
        "echo mine >/home/app/mine";

static Spec *spec_of(const char *layers) {
        Spec *spec = driver_spec();

        set_layers(spec, layers);
        spec->app_uid = spec->app_gid = 0;
        g_free(spec->app_home);
        spec->app_home = g_strdup("/home/app");
        spec->memory_max = 1024 * 1024 * 1024;
        return spec;
}

static void make_base(void) {
        g_free(put("base/opt/gone", "x"));
        g_free(put("base/opt/kept", "kept\n"));
        g_free(put("base/opt/folder/old", "x"));
        g_free(put("base/opt/whole/a/b", "x"));
        g_free(put("base/opt/stays/a", "x"));
}

static void assert_round_trip(SpecUpper upper, bool frozen) {
        g_autofree char *state = g_build_filename(folder, "state", NULL), *before = NULL, *after = NULL;
        g_autoptr(Spec) spec = spec_of("base host-usr"), next = spec_of("snap base host-usr");
        g_autoptr(Driver) driver = NULL, second = NULL;
        g_auto(Error) error = ERROR_NULL;

        spec->upper = upper;
        if (upper == SPEC_UPPER_PERSISTENT)
                spec->state_folder = g_strdup(state);
        next->id_base += SPEC_ID_COUNT_MIN; /* other ids outside, the same inside */
        driver = start(spec);
        run_root(driver, changes, NULL);
        before = list_root(driver);
        if (frozen)
                assert_no_error(driver_ask(driver, SHIM_FREEZE, &error), &error);
        assert_no_error(take_snapshot(driver, "snap", &error), &error);
        if (frozen)
                assert_no_error(driver_ask(driver, SHIM_THAW, &error), &error);
        run_root(driver, "touch /tmp/still-writable", NULL);
        driver_assert_stops(driver);

        second = start(next);
        after = list_root(second);
        run_root(
                second,
                "! ls /opt/gone 2>/dev/null && ! ls /opt/folder/old 2>/dev/null && ! ls /opt/whole 2>/dev/null",
                NULL);
        driver_assert_stops(second);
        if (strcmp(before, after) != 0) {
                g_autofree char *a = put("before", before), *b = put("after", after);
                const char *const diff[] = { "diff", a, b, NULL };
                int status;
                pid_t pid = fork();

                if (pid == 0) {
                        execvp(diff[0], (char **) (uintptr_t) diff);
                        _exit(127);
                }
                (void) waitpid(pid, &status, 0);
                fail_msg("the snapshot differs");
        }
}

static void test_round_trip(void **state G_GNUC_UNUSED) {
        make_base();
        assert_round_trip(SPEC_UPPER_EPHEMERAL, false);
        assert_round_trip(SPEC_UPPER_EPHEMERAL, true);
        assert_round_trip(SPEC_UPPER_PERSISTENT, false);
}

/* A root without layers: the tmpfs itself is what was written. */
static void test_plain_root(void **state G_GNUC_UNUSED) {
        g_autoptr(Spec) spec = spec_of("host-usr"), next = spec_of("snap host-usr");
        g_autoptr(Driver) driver = start(spec), second = NULL;
        g_autofree char *before = NULL, *after = NULL;
        g_auto(Error) error = ERROR_NULL;

        run_root(driver, "echo a >/home/app/a; mkdir -m 1777 /data", NULL);
        before = list_root(driver);
        assert_no_error(take_snapshot(driver, "snap", &error), &error);
        driver_assert_stops(driver);
        second = start(next);
        after = list_root(second);
        assert_string_equal(before, after);
        driver_assert_stops(second);
}

/* ---- refused, and given up ---- */

static void test_refused(void **state G_GNUC_UNUSED) {
        g_autoptr(Spec) spec = spec_of("host-usr"), none = spec_of("host-usr");
        g_autoptr(Driver) spare = driver_new(), driver = start(spec), read_only = NULL;
        autofd int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        autofd int full_fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
        g_auto(Error) error = ERROR_NULL;

        assert_true(driver_await_done(spare, ask_snapshot(spare, null_fd, 0), &error) < 0);
        assert_error_says(&error, ERROR_BAD_STATE, "not started");
        error_done(&error);
        driver_assert_stops(spare);

        assert_true(driver_await_done(driver, ask_snapshot(driver, -1, 0), &error) < 0);
        assert_error_says(&error, ERROR_INVALID_ARGS, "needs one descriptor");
        error_done(&error);
        assert_true(driver_await_done(driver, ask_snapshot(driver, null_fd, UINT64_MAX), &error) < 0);
        assert_error_says(&error, ERROR_INVALID_ARGS, "at most");
        error_done(&error);
        assert_true(driver_await_done(driver, ask_snapshot(driver, null_fd, 0), &error) < 0);
        assert_error_says(&error, ERROR_SYSTEM, "Cannot write the snapshot into the file");
        error_done(&error);
        assert_true(driver_await_done(driver, ask_snapshot(driver, full_fd, 0), &error) < 0);
        assert_error_says(&error, ERROR_SYSTEM, "No space left");
        error_done(&error);
        run_root(driver, "cd /tmp; i=0; while [ $i -lt 300 ]; do mkdir a; cd a; i=$((i+1)); done", NULL);
        assert_true(take_snapshot(driver, "deep", &error) < 0);
        assert_error_says(&error, ERROR_LIMIT_REACHED, "deeper");
        error_done(&error);
        run_root(driver, "rm -r /tmp/a; truncate -s 1T /tmp/holes", NULL);
        assert_true(driver_await_done(driver, ask_snapshot(driver, full_fd, 300 * 1000), &error) < 0);
        assert_error_says(&error, ERROR_TIMEOUT, "its time is over");
        driver_assert_stops(driver);

        none->upper = SPEC_UPPER_NONE;
        error_done(&error);
        read_only = start(none);
        assert_true(driver_await_done(read_only, ask_snapshot(read_only, null_fd, 0), &error) < 0);
        assert_error_says(&error, ERROR_BAD_STATE, "no upper");
        driver_assert_stops(read_only);
}

/* A pipe that nobody reads: other requests are answered meanwhile, and a stop ends it. */
static void test_blocked(void **state G_GNUC_UNUSED) {
        g_autoptr(Spec) spec = spec_of("host-usr");
        g_autoptr(Driver) driver = start(spec);
        g_auto(Error) error = ERROR_NULL;
        int ends[2];
        uint32_t serial;

        run_root(driver, "head -c 2M /dev/urandom >/tmp/big", NULL);
        assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
        serial = ask_snapshot(driver, ends[1], 0);
        assert_true(driver_await_done(driver, ask_snapshot(driver, ends[1], 0), &error) < 0);
        assert_error_says(&error, ERROR_BAD_STATE, "under way");
        error_done(&error);
        run_root(driver, "true", NULL);
        assert_no_error(driver_stop(driver, 0, &error), &error);
        assert_true(driver_await_done(driver, serial, &error) < 0);
        assert_non_null(error.message);
        driver_assert_gone(driver);
        close(ends[0]);
        close(ends[1]);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_round_trip, setup, teardown),
                cmocka_unit_test_setup_teardown(test_plain_root, setup, teardown),
                cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
                cmocka_unit_test_setup_teardown(test_blocked, setup, teardown),
        };

        need_root();
        if (access("/usr/bin/mksquashfs", X_OK) < 0) {
                printf("Skipped: squashfs-tools is not installed\n");
                return EXIT_SKIPPED;
        }
        return cmocka_run_group_tests(tests, NULL, NULL);
}
