/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What may be shown in a live sandbox, of whatever kind it is, and taken away, in whatever state it is. */
#include "tests/shim/help.h"

#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/shim/driver.h"
#include "tests/shim/system.h"
#include "util/cleanup.h"

#define SOURCE_OWNER 1234

static PlanOrigin origin = { .capability = (char *) (uintptr_t) "com.example.test",
                             .file = (char *) (uintptr_t) "test.json",
                             .line = 7,
                             .column = 1 };

static Driver *driver;
static char *folder; /* of the sources */
static pid_t server; /* of the file system that hangs; 0 = none */

static int setup(void **state G_GNUC_UNUSED) {
        g_autoptr(Spec) spec = driver_spec();
        g_auto(Error) error = ERROR_NULL;

        folder = system_make_folder("file");
        driver = driver_new();
        if (driver_start(driver, spec, &error) >= 0)
                return 0;
        print_error("%s\n", error.message);
        return -1;
}

/* What a test mounts below the folder; those of others are not there. */
static void unmount(const char *name) {
        g_autofree char *path = g_build_filename(folder, name, NULL);

        (void) umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW);
}

static void end_server(void) {
        if (server <= 0)
                return;
        (void) kill(server, SIGKILL);
        (void) waitpid(server, NULL, 0);
        server = 0;
}

static int teardown(void **state G_GNUC_UNUSED) {
        end_server();
        g_clear_pointer(&driver, driver_free);
        unmount("outer/below");
        unmount("hung");
        system_remove_folder(g_steal_pointer(&folder));
        return 0;
}

static char *in_folder(const char *name) {
        return g_build_filename(folder, name, NULL);
}

static void give_away(const char *name) {
        g_autofree char *path = in_folder(name);

        assert_int_equal(chown(path, SOURCE_OWNER, SOURCE_OWNER), 0);
}

static void make_file(const char *name, const char *text) {
        system_write_file(folder, name, text, 0644);
        give_away(name);
}

static void make_folder(const char *name) {
        g_autofree char *path = in_folder(name);

        assert_int_equal(mkdir(path, 0755), 0);
        give_away(name);
}

static void add_bind(Plan *plan, const char *source, const char *target, PlanBindFlags flags) {
        g_auto(Error) error = ERROR_NULL;

        assert_no_error(plan_add_bind(plan, &origin, source, target, flags, &error), &error);
}

/* A NULL name grants nothing. */
static void grant(const char *name, const char *target, PlanBindFlags flags) {
        g_autofree char *source = name ? in_folder(name) : NULL;
        g_autoptr(Plan) plan = plan_new();
        g_auto(Error) error = ERROR_NULL;

        if (name)
                add_bind(plan, source, target, flags);
        assert_no_error(driver_apply(driver, plan, &error), &error);
}

static void grant_badly(const char *source, PlanBindFlags flags, const char *words) {
        g_autoptr(Plan) plan = plan_new();
        g_auto(Error) error = ERROR_NULL;

        add_bind(plan, source, "/data", flags);
        assert_true(driver_apply(driver, plan, &error) < 0);
        assert_error_says(&error, ERROR_NOT_MOUNTABLE, words);
        assert_string_equal(error.file, "test.json");
}

static void assert_shell(const char *line, const char *output) {
        g_autofree char *got = NULL;

        (void) driver_shell(driver, line, &got);
        assert_string_equal(got, output);
}

/* ---- kinds ---- */

static int listen_at(const char *path) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        assert_true(fd >= 0);
        assert_true(g_strlcpy(address.sun_path, path, sizeof(address.sun_path)) < sizeof(address.sun_path));
        assert_int_equal(bind(fd, (struct sockaddr *) &address, sizeof(address)), 0);
        assert_int_equal(listen(fd, 1), 0);
        return fd;
}

/* Reading it is enough to be shown a socket: who listens decides who may speak. */
static void test_socket(void **state G_GNUC_UNUSED) {
        g_autofree char *path = in_folder("socket");
        autofd int fd = listen_at(path);
        struct pollfd polled = { .fd = fd, .events = POLLIN };

        give_away("socket");
        grant("socket", "/gate/socket", 0);
        assert_shell("test -S /gate/socket && perl -MSocket -e 'socket(S, PF_UNIX, SOCK_STREAM, 0); "
                     "connect(S, sockaddr_un(\"/gate/socket\")) or die; print \"spoke\\n\"'",
                     "spoke\n");
        assert_int_equal(poll(&polled, 1, 1000), 1);
        grant(NULL, NULL, 0);
        assert_shell("ls -d /gate 2>/dev/null || echo gone", "gone\n");
}

static void test_fifo(void **state G_GNUC_UNUSED) {
        g_autofree char *path = in_folder("fifo");
        autofd int fd = -EBADF;
        char text[16] = "";

        assert_int_equal(mkfifo(path, 0600), 0);
        give_away("fifo");
        fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
        assert_true(fd >= 0);
        grant("fifo", "/gate/fifo", PLAN_BIND_WRITABLE);
        assert_shell("echo hello > /gate/fifo && echo wrote", "wrote\n");
        assert_true(read(fd, text, sizeof(text) - 1) > 0);
        assert_string_equal(text, "hello\n");
        grant(NULL, NULL, 0);
        assert_shell("ls -d /gate 2>/dev/null || echo gone", "gone\n");
}

/* Mounted below the source: seen if that is asked for, and then as read-only as the rest. */
static void test_recursive(void **state G_GNUC_UNUSED) {
        g_autofree char *below = in_folder("outer/below");

        make_folder("outer");
        make_folder("outer/below");
        assert_int_equal(mount("tmpfs", below, "tmpfs", 0, "size=64k,mode=0755,uid=1234,gid=1234"), 0);
        make_file("outer/below/inner", "inner");
        grant("outer", "/data", 0);
        assert_shell("ls /data/below; ls /data", "below\n");
        grant("outer", "/data", PLAN_BIND_RECURSIVE);
        assert_shell("cat /data/below/inner; touch /data/below/new 2>/dev/null || echo refused", "innerrefused\n");
        grant("outer", "/data", PLAN_BIND_RECURSIVE | PLAN_BIND_WRITABLE);
        assert_shell("touch /data/below/new && stat -c %u /data/below/new", "1000\n");
        grant(NULL, NULL, 0);
        assert_shell("grep -c /data /proc/self/mountinfo; ls -d /data 2>/dev/null", "0\n");
}

/* One program from the start to the end: what it has open is what it was opened as, what it opens is as it is. */
static void test_writable_and_back_in_place(void **state G_GNUC_UNUSED) {
        make_folder("one");
        make_file("one/text", "a\n");
        grant("one", "/data", 0);
        for (int i = 0; i < 3; i++) {
                assert_shell("(echo b >> /data/text) 2>/dev/null && echo wrote; cat /data/text", "a\n");
                grant("one", "/data", PLAN_BIND_WRITABLE);
                assert_shell("touch /data/new && rm /data/new && echo wrote", "wrote\n");
                grant("one", "/data", 0);
        }
}

/* ---- sources that go and come ---- */

static void test_source_vanishes_and_comes_back(void **state G_GNUC_UNUSED) {
        g_autofree char *path = in_folder("text"), *source = in_folder("other");
        g_autoptr(Plan) both = plan_new();
        g_auto(Error) error = ERROR_NULL;

        make_file("text", "first");
        make_file("other", "other");
        grant("text", "/data", 0);
        assert_int_equal(unlink(path), 0);
        /* what is shown stays shown, and does not stand in the way of other changes */
        assert_shell("cat /data", "first");
        add_bind(both, path, "/data", 0);
        add_bind(both, source, "/other", 0);
        assert_no_error(driver_apply(driver, both, &error), &error);
        assert_shell("cat /data /other", "firstother");
        grant(NULL, NULL, 0);
        assert_shell("ls -d /data /other 2>/dev/null || echo gone", "gone\n");
        grant_badly(path, 0, "No such file");
        make_file("text", "second");
        grant("text", "/data", 0);
        assert_shell("cat /data", "second");
}

/* ---- what cannot be shown ---- */

static void test_what_cannot_be_idmapped(void **state G_GNUC_UNUSED) {
        static const char *const sources[] = { "/sys/kernel", "/proc/sys/kernel", "/dev/null" };

        for (size_t i = 0; i < G_N_ELEMENTS(sources); i++) {
                print_message("  %s\n", sources[i]);
                grant_badly(sources[i], 0, "does not take id-mapped mounts");
                assert_shell("ls -d /data 2>/dev/null || echo gone", "gone\n");
        }
}

/* ---- a file system that hangs ---- */

#ifndef FUSE_INIT_EXT
#define FUSE_INIT_EXT (1u << 30)
#endif
#define ALLOW_IDMAP_IN_FLAGS2 (1u << (40 - 32)) /* Linux 6.12 */

static void fuse_answer(int fd, uint64_t unique, const void *body, size_t size) {
        char packet[512];
        struct fuse_out_header header = { .len = (uint32_t) (sizeof(header) + size), .unique = unique };

        memcpy(packet, &header, sizeof(header));
        memcpy(packet + sizeof(header), body, size);
        (void) !write(fd, packet, sizeof(header) + size);
}

/* A folder of its owner with nothing in it, for as long as it is not stopped. */
G_GNUC_NORETURN static void fuse_serve(int fd) {
        static char request[FUSE_MIN_READ_BUFFER + 65536];

        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
        while (read(fd, request, sizeof(request)) > 0 || errno == ENOENT || errno == EINTR) {
                const struct fuse_in_header *in = (const void *) request;

                if (in->opcode == FUSE_INIT) {
                        struct fuse_init_out out = { .major = FUSE_KERNEL_VERSION,
                                                     .minor = FUSE_KERNEL_MINOR_VERSION,
                                                     .flags = FUSE_INIT_EXT,
                                                     .flags2 = ALLOW_IDMAP_IN_FLAGS2,
                                                     .max_write = 4096 };

                        fuse_answer(fd, in->unique, &out, sizeof(out));
                } else if (in->opcode == FUSE_GETATTR) {
                        struct fuse_attr_out out = { .attr = { .ino = 1,
                                                               .mode = S_IFDIR | 0755,
                                                               .nlink = 2,
                                                               .uid = SOURCE_OWNER,
                                                               .gid = SOURCE_OWNER } };

                        fuse_answer(fd, in->unique, &out, sizeof(out));
                } else {
                        struct fuse_out_header out = { .len = sizeof(out), .error = -ENOSYS, .unique = in->unique };

                        (void) !write(fd, &out, sizeof(out));
                }
        }
        _exit(0);
}

static pid_t fuse_start(const char *path) {
        autofd int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
        g_autofree char *options = g_strdup_printf("fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other,"
                                                   "default_permissions",
                                                   fd);
        pid_t pid;

        if (fd < 0 || mount("bulkhead-test", path, "fuse", MS_NOSUID | MS_NODEV, options) < 0)
                return 0;
        pid = fork();
        if (pid == 0)
                fuse_serve(fd);
        return pid;
}

/* The server is stopped, an app waits for it, and still what it was shown is taken away. */
static void test_revoke_of_what_hangs(void **state G_GNUC_UNUSED) {
        static const char *const argv[] = { "/bin/ls", "/data", NULL };
        g_autofree char *path = in_folder("hung");
        g_autoptr(Plan) plan = plan_new();
        g_auto(Error) error = ERROR_NULL;
        uint32_t run;
        int r;

        make_folder("hung");
        server = fuse_start(path);
        if (server <= 0) {
                print_message("Skipped: no FUSE here: %s\n", g_strerror(errno));
                skip();
        }
        add_bind(plan, path, "/data", 0);
        r = driver_apply(driver, plan, &error);
        if (r < 0 && strstr(error.message, "id-mapped")) {
                print_message("Skipped: this kernel's FUSE does not take id-mapped mounts\n");
                skip();
        }
        assert_no_error(r, &error);
        /* until it has: who has read a request and says nothing keeps even SIGKILL from who waits for it */
        assert_int_equal(kill(server, SIGSTOP), 0);
        assert_int_equal(waitpid(server, NULL, WUNTRACED), server);
        assert_no_error(driver_run(driver, argv, -1, &run, NULL, &error), &error);
        system_sleep_msec(50);
        grant(NULL, NULL, 0);
        assert_shell("grep -c /data /proc/self/mountinfo; ls -d /data 2>/dev/null || echo gone", "0\ngone\n");
        driver_assert_stops(driver);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_socket, setup, teardown),
                cmocka_unit_test_setup_teardown(test_fifo, setup, teardown),
                cmocka_unit_test_setup_teardown(test_recursive, setup, teardown),
                cmocka_unit_test_setup_teardown(test_writable_and_back_in_place, setup, teardown),
                cmocka_unit_test_setup_teardown(test_source_vanishes_and_comes_back, setup, teardown),
                cmocka_unit_test_setup_teardown(test_what_cannot_be_idmapped, setup, teardown),
                cmocka_unit_test_setup_teardown(test_revoke_of_what_hangs, setup, teardown),
        };

        need_root();
        return cmocka_run_group_tests(tests, NULL, NULL);
}
