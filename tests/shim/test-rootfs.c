/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The root of a sandbox, assembled in a child that is there for it only, and looked at from there. */
#include "tests/shim/help.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>

#include "plan/shim-message.h"
#include "shim/idmap.h"
#include "shim/rootfs.h"
#include "tests/shim/driver.h"
#include "tests/shim/system.h"
#include "util/cleanup.h"

static char *layer, *outside;
static int userns_fd = -EBADF;

static int setup(void **state G_GNUC_UNUSED) {
        layer = system_make_folder("layer");
        outside = system_make_folder("outside");
        system_write_file(outside, "secret", "secret", 0644);
        return 0;
}

static int teardown(void **state G_GNUC_UNUSED) {
        system_remove_folder(g_steal_pointer(&layer));
        system_remove_folder(g_steal_pointer(&outside));
        return 0;
}

static void use_layer(Spec *spec) {
        g_strfreev(spec->layers);
        spec->layers = g_strsplit(layer, ",", -1);
}

static Spec *layer_spec(void) {
        Spec *spec = driver_spec();

        use_layer(spec);
        return spec;
}

/* ---- in the child ---- */

typedef const char *(*Look)(const Spec *spec); /* what is wrong, or NULL */

static bool is_there(const char *path) {
        g_autofree char *full = g_strconcat(ROOTFS_PATH, path, NULL);
        struct stat st;

        return lstat(full, &st) == 0;
}

static bool has_text(const char *path, const char *text) {
        g_autofree char *full = g_strconcat(ROOTFS_PATH, path, NULL);
        g_autofree char *got = NULL;

        return g_file_get_contents(full, &got, NULL, NULL) && strstr(got, text);
}

static bool is_owned(const char *path, uint32_t uid, mode_t mode) {
        g_autofree char *full = g_strconcat(ROOTFS_PATH, path, NULL);
        struct stat st;

        return lstat(full, &st) == 0 && st.st_uid == uid && st.st_gid == uid && (st.st_mode & 07777) == mode;
}

static bool is_read_only(const char *path) {
        g_autofree char *full = g_strconcat(ROOTFS_PATH, path, NULL);
        struct statvfs fs;

        return statvfs(full, &fs) == 0 && fs.f_flag & ST_RDONLY;
}

static bool is_null_device(const char *path) {
        g_autofree char *full = g_strconcat(ROOTFS_PATH, path, NULL);
        struct stat st;

        return stat(full, &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == (1 << 8 | 3);
}

/* Reports the error, or what looks wrong, or success. */
G_GNUC_NORETURN static void child_main(const Spec *spec, Look look, int socket_fd) {
        g_auto(Error) error = ERROR_NULL;
        WireWriter writer = WIRE_WRITER_NULL;
        const char *wrong = NULL;
        int r;

        r = rootfs_assemble(spec, userns_fd, "/sys/fs/cgroup", &error);
        if (r >= 0 && look)
                wrong = look(spec);
        if (wrong)
                (void) error_setf(&error, ERROR_GATEWAY_FAILED, "looks wrong: %s", wrong);
        shim_error_put(&writer, &error);
        _exit(wire_send(socket_fd, 1, 0, &writer, NULL, 0) < 0);
}

static int assemble(const Spec *spec, Look look, Error *error) {
        const Idmap map = { .uid_outside = spec->id_base,
                            .gid_outside = spec->id_base,
                            .count = spec->id_count };
        WireMessage message;
        WireReader reader;
        int sockets[2], r;
        pid_t pid;

        r = idmap_open(&map, true, &userns_fd, error);
        if (r < 0)
                return r;
        assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets), 0);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0)
                child_main(spec, look, sockets[1]);
        close(sockets[1]);
        userns_fd = fd_close(userns_fd);
        if (wire_receive(sockets[0], &message) != 1)
                fail_msg("the child died");
        reader = wire_reader(&message);
        r = shim_error_get(&reader, error);
        wire_message_done(&message);
        close(sockets[0]);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        assert_false(system_has_stray_mounts());
        return r;
}

/* ---- good ones ---- */

static const char *look_skeleton(const Spec *spec) {
        uint32_t base = spec->id_base;

        return !is_owned("/", base, 0755)                      ? "/"
               : !is_owned("/tmp", base, 01777)                ? "/tmp"
               : !is_owned("/var/tmp", base, 01777)            ? "/var/tmp"
               : !is_owned("/root", base, 0700)                ? "/root"
               : !is_owned("/home", base, 0755)                ? "/home"
               : !is_owned("/home/app", base + 1000, 0700)     ? "/home/app"
               : !is_owned("/etc/passwd", base, 0644)          ? "/etc/passwd"
               : !is_owned("/dev", base, 0755)                 ? "/dev"
               : !is_owned("/dev/shm", base, 01777)            ? "/dev/shm"
               : !is_null_device("/dev/null")                  ? "/dev/null"
               : is_there("/dev/mem") || is_there("/dev/kmsg") ? "a device too many"
               : !is_there("/dev/stdin")                       ? "/dev/stdin"
               : !has_text("/etc/passwd", "app:x:1000:1000")   ? "the app's line"
               : !has_text("/etc/hosts", "localhost test")     ? "/etc/hosts"
               : !has_text("/etc/hostname", "test")            ? "/etc/hostname"
               : access("/sys/fs/cgroup/pids", F_OK) == 0      ? "the host's cgroups"
                                                               : NULL;
}

static const char *look_host_usr(const Spec *spec) {
        const char *wrong = look_skeleton(spec);

        return wrong                                     ? wrong
               : !is_owned("/usr", spec->id_base, 0755)  ? "/usr"
               : !is_read_only("/usr")                   ? "/usr is writable"
               : !is_there("/usr/bin/env")               ? "/usr/bin/env"
               : !is_there("/bin/sh")                    ? "/bin/sh"
               : is_there("/etc/shadow")                 ? "the host's /etc"
               : is_there("/usr/share/doc/bash")         ? "a hidden folder"
               : !is_read_only("/usr/share/doc")         ? "a hidden folder is writable"
               : has_text("/usr/lib/os-release", "NAME") ? "a hidden file"
               : !is_there("/gateways/deep")             ? "/gateways/deep"
                                                         : NULL;
}

static void test_host_usr(void **state G_GNUC_UNUSED) {
        for (unsigned upper = 0; upper < 2; upper++) {
                g_autoptr(Spec) spec = driver_spec();
                g_auto(Error) error = ERROR_NULL;

                g_strfreev(spec->hide);
                spec->hide = g_strsplit("/usr/share/doc,/usr/lib/os-release,/usr/not/there", ",", -1);
                g_strfreev(spec->folders);
                spec->folders = g_strsplit("/gateways/deep", ",", -1);
                if (!upper)
                        spec->upper = SPEC_UPPER_NONE;
                assert_no_error(assemble(spec, look_host_usr, &error), &error);
        }
}

static const char *look_layer(const Spec *spec) {
        const char *wrong = look_skeleton(spec);
        bool is_writable = spec->upper != SPEC_UPPER_NONE;

        return wrong                                             ? wrong
               : !has_text("/opt/app", "app")                    ? "/opt/app"
               : !is_owned("/opt/app", spec->id_base + 5, 0755)  ? "owner of /opt/app"
               : !is_owned("/opt/setuid", spec->id_base, 04755)  ? "/opt/setuid"
               : !has_text("/etc/nsswitch.conf", "of the image") ? "a file of the image was replaced"
               : is_read_only("/") == is_writable                ? "writable or not"
                                                                 : NULL;
}

static void make_in_layer(const char *name, bool is_folder) {
        g_autofree char *path = g_build_filename(layer, name, NULL);

        if (is_folder)
                assert_int_equal(mkdir(path, 0755), 0);
        else
                system_write_file(layer, name, "app", 0755);
}

static void test_layer(void **state G_GNUC_UNUSED) {
        g_autofree char *app = g_build_filename(layer, "opt/app", NULL);
        g_autofree char *setuid_path = g_build_filename(layer, "opt/setuid", NULL);

        make_in_layer("opt", true);
        make_in_layer("etc", true);
        make_in_layer("opt/app", false);
        make_in_layer("opt/setuid", false);
        assert_int_equal(chmod(setuid_path, 04755), 0);
        assert_int_equal(chown(app, 5, 5), 0);
        system_write_file(layer, "etc/nsswitch.conf", "of the image", 0644);
        for (unsigned upper = 0; upper < 2; upper++) {
                g_autoptr(Spec) spec = layer_spec();
                g_auto(Error) error = ERROR_NULL;
                g_autofree char *passwd = g_build_filename(layer, "etc/passwd", NULL);

                if (!upper)
                        spec->upper = SPEC_UPPER_NONE;
                assert_no_error(assemble(spec, look_layer, &error), &error);
                assert_int_not_equal(access(passwd, F_OK), 0); /* nothing is written into a layer */
        }
}

static const char *look_top_wins(const Spec *spec G_GNUC_UNUSED) {
        return has_text("/name", "top") ? NULL : "the lower layer won";
}

/* As many as a spec may have: their paths have to fit into one page of mount options. */
static void test_many_layers(void **state G_GNUC_UNUSED) {
        g_autoptr(Spec) spec = layer_spec();
        g_autoptr(GPtrArray) layers = g_ptr_array_new();
        g_auto(Error) error = ERROR_NULL;

        for (unsigned i = 0; i < 256; i++) {
                g_autofree char *name = g_strdup_printf("%u", i);
                g_autofree char *path = g_build_filename(layer, name, NULL);

                assert_int_equal(mkdir(path, 0755), 0);
                system_write_file(path, "name", i == 0 ? "top" : "lower", 0644);
                g_ptr_array_add(layers, g_steal_pointer(&path));
        }
        g_ptr_array_add(layers, NULL);
        g_strfreev(spec->layers);
        spec->layers = (char **) g_ptr_array_free(g_steal_pointer(&layers), FALSE);
        assert_no_error(assemble(spec, look_top_wins, &error), &error);
}

/* ---- hostile ones ---- */

static void link_in_layer(const char *name, const char *target) {
        g_autofree char *path = g_build_filename(layer, name, NULL);

        assert_int_equal(symlink(target, path), 0);
}

static const struct {
        const char *name, *entry, *link; /* NULL = a file */
        const char *words;               /* of the error */
} hostile[] = {
        { "/dev is a link to /etc", "dev", "/etc", "link" },
        { "/dev is a link out of the root", "dev", "../../../../../../etc", "link" },
        { "/proc is a file", "proc", NULL, "no folder" },
        { "/proc is a link to itself", "proc", "proc", "link" },
        { "/sys is a file", "sys", NULL, "no folder" },
        { "/etc is a link to the host's", "etc", "/etc", "link" },
        { "/tmp is a link", "tmp", "/var/tmp", "link" },
        { "/home is a link", "home", "/root", "link" },
        { "/var is a link to outside", "var", "/run", "link" },
        { "/root is a file", "root", NULL, "no folder" },
        { "the folder of the template is a link", "gateways", "/tmp", "link" },
};

static void test_hostile_layers(void **state G_GNUC_UNUSED) {
        for (size_t i = 0; i < G_N_ELEMENTS(hostile); i++)
                for (unsigned upper = 0; upper < 2; upper++) {
                        g_autoptr(Spec) spec = NULL;
                        g_auto(Error) error = ERROR_NULL;

                        print_message("  %s, upper %u\n", hostile[i].name, upper);
                        setup(NULL);
                        spec = layer_spec();
                        g_strfreev(spec->folders);
                        spec->folders = g_strsplit("/gateways/a", ",", -1);
                        if (!upper)
                                spec->upper = SPEC_UPPER_NONE;
                        if (hostile[i].link)
                                link_in_layer(hostile[i].entry, hostile[i].link);
                        else
                                make_in_layer(hostile[i].entry, false);
                        assert_true(assemble(spec, NULL, &error) < 0);
                        assert_error_says(&error, ERROR_NOT_MOUNTABLE, hostile[i].words);
                        teardown(NULL);
                }
}

/* Links of an image below what we make: nothing is written through them. */
static void test_links_for_files(void **state G_GNUC_UNUSED) {
        static const char *const names[] = { "etc/passwd", "etc/group", "etc/hosts", "etc/hostname" };
        g_autoptr(Spec) spec = layer_spec();
        g_auto(Error) error = ERROR_NULL;

        make_in_layer("etc", true);
        for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
                g_autofree char *target = g_build_filename(outside, strchr(names[i], '/'), NULL);

                link_in_layer(names[i], target);
        }
        assert_no_error(assemble(spec, NULL, &error), &error);
        for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
                g_autofree char *target = g_build_filename(outside, strchr(names[i], '/'), NULL);

                assert_int_not_equal(access(target, F_OK), 0);
        }
}

static const char *look_hidden_link(const Spec *spec G_GNUC_UNUSED) {
        g_autofree char *full = g_build_filename(ROOTFS_PATH, outside, "secret", NULL);

        return access(full, F_OK) == 0         ? "the host's folder is in the root"
               : has_text("/hidden", "secret") ? "the hidden link shows"
               : !has_text("/really", "shown") ? "what a hidden link points to"
                                               : NULL;
}

/* A hidden path that is a link: the host's file of that name stays as it is. */
static void test_hidden_links(void **state G_GNUC_UNUSED) {
        g_autoptr(Spec) spec = layer_spec();
        g_autofree char *secret = g_build_filename(outside, "secret", NULL);
        g_autofree char *text = NULL;
        g_auto(Error) error = ERROR_NULL;

        link_in_layer("hidden", secret);
        link_in_layer("way", outside);
        system_write_file(layer, "really", "shown", 0644);
        g_strfreev(spec->hide);
        spec->hide = g_strsplit("/hidden,/way/secret,/really/below", ",", -1);
        assert_no_error(assemble(spec, look_hidden_link, &error), &error);
        assert_true(g_file_get_contents(secret, &text, NULL, NULL));
        assert_string_equal(text, "secret");
}

static const char *look_devices(const Spec *spec G_GNUC_UNUSED) {
        g_autofree char *path = g_strconcat(ROOTFS_PATH, "/null", NULL);
        int fd = open(path, O_RDONLY | O_CLOEXEC);

        return fd < 0 && errno == EACCES ? NULL : "a device node of an image can be opened";
}

static void test_devices_of_layers(void **state G_GNUC_UNUSED) {
        g_autoptr(Spec) spec = layer_spec();
        g_autofree char *node = g_build_filename(layer, "null", NULL);
        g_auto(Error) error = ERROR_NULL;

        assert_int_equal(mknod(node, S_IFCHR | 0666, 1 << 8 | 3), 0);
        assert_no_error(assemble(spec, look_devices, &error), &error);
}

static void test_bad_layers(void **state G_GNUC_UNUSED) {
        static const struct {
                const char *layers, *words;
        } rows[] = {
                { "/nonexistent", "Layer '/nonexistent'" },
                { "/etc/passwd", "no folder, and no squashfs" },
                { "/dev/null", "not a folder" },
                { "/proc", "id-mapped" },
                { "host-usr,/nonexistent", "Layer '/nonexistent'" },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
                g_autoptr(Spec) spec = driver_spec();
                g_auto(Error) error = ERROR_NULL;

                print_message("  %s\n", rows[i].layers);
                g_strfreev(spec->layers);
                spec->layers = g_strsplit(rows[i].layers, ",", -1);
                assert_true(assemble(spec, NULL, &error) < 0);
                assert_error_says(&error, ERROR_NOT_MOUNTABLE, rows[i].words);
        }
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_host_usr, setup, teardown),
                cmocka_unit_test_setup_teardown(test_layer, setup, teardown),
                cmocka_unit_test_setup_teardown(test_many_layers, setup, teardown),
                cmocka_unit_test(test_hostile_layers),
                cmocka_unit_test_setup_teardown(test_links_for_files, setup, teardown),
                cmocka_unit_test_setup_teardown(test_hidden_links, setup, teardown),
                cmocka_unit_test_setup_teardown(test_devices_of_layers, setup, teardown),
                cmocka_unit_test_setup_teardown(test_bad_layers, setup, teardown),
        };

        need_root();
        return cmocka_run_group_tests(tests, NULL, NULL);
}
