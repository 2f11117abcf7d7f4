/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/attacks/attack-service.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/keyctl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "util/cleanup.h"

#define PROBE         "/gateways/probe"
#define HOST_NAME     "attacked-host"
#define KEY_NAME      "bulkhead-attack"
#define SHM_KEY       0x62756c6b
#define FOLDER_OWNER  4000 /* of the host, whom the app stands for in granted folders */
#define FOREIGN_USER  "4321"
#define PROBE_TIMEOUT (90 * TEST_USEC_PER_SEC)

static GPtrArray *environment; /* pairs, NULL-terminated */

/* ---- the host ---- */

void attack_host_enter(void) {
        struct ifreq loopback = { .ifr_name = "lo", .ifr_flags = IFF_UP };
        autofd int fd = -EBADF;

        if (test_machine_lacks())
                return; /* test_main() says so and skips */
        if (unshare(CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS) < 0 ||
            sethostname(HOST_NAME, strlen(HOST_NAME)) < 0)
                g_error("Cannot make a host of our own: %s", g_strerror(errno));
        fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &loopback) < 0)
                g_error("Cannot set our loopback up: %s", g_strerror(errno));
}

static void add_variable(const char *name, char *value) {
        g_ptr_array_add(environment, g_strdup(name));
        g_ptr_array_add(environment, value);
}

static char *list_namespaces(void) {
        static const char *const names[] = { "user", "mnt", "pid", "net", "ipc", "uts", "cgroup", "time" };
        g_autoptr(GString) all = g_string_new(NULL);

        for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
                g_autofree char *path = g_strdup_printf("/proc/self/ns/%s", names[i]),
                                *link = g_file_read_link(path, NULL);

                g_string_append_printf(all, "%s ", link ?: names[i]);
        }
        return g_string_free(g_steal_pointer(&all), FALSE);
}

/* Sockets, memory and a key that stay until the test program ends. */
static void open_targets(void) {
        struct sockaddr_un abstract = { .sun_family = AF_UNIX };
        struct sockaddr_in loopback = { .sin_family = AF_INET };
        socklen_t size = sizeof loopback;
        g_autofree char *name = g_strdup_printf("bulkhead-attack-%d", (int) getpid());
        int unix_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0),
            inet_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        long key;
        int id;

        loopback.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        memcpy(abstract.sun_path + 1, name, strlen(name));
        assert_return_code(bind(unix_fd, (struct sockaddr *) &abstract,
                                (socklen_t) (offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name))),
                           errno);
        assert_return_code(listen(unix_fd, 16), errno);
        assert_return_code(bind(inet_fd, (struct sockaddr *) &loopback, sizeof loopback), errno);
        assert_return_code(listen(inet_fd, 16), errno);
        assert_return_code(getsockname(inet_fd, (struct sockaddr *) &loopback, &size), errno);
        id = shmget(SHM_KEY, 4096, IPC_CREAT | 0666); /* goes with our ipc namespace */
        assert_return_code(id, errno);

        assert_true(syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) >= 0);
        key = syscall(SYS_add_key, "user", KEY_NAME, "secret", 6, KEY_SPEC_SESSION_KEYRING);
        assert_true(key >= 0);
        assert_true(syscall(SYS_keyctl, KEYCTL_SETPERM, key, 0x3f3f3f3f) >= 0);
        assert_true(syscall(SYS_keyctl, KEYCTL_SETPERM, KEY_SPEC_SESSION_KEYRING, 0x3f3f3f3f) >= 0);

        add_variable("PROBE_ABSTRACT", g_steal_pointer(&name));
        add_variable("PROBE_TCP_PORT", g_strdup_printf("%u", ntohs(loopback.sin_port)));
        add_variable("PROBE_SHM_KEY", g_strdup_printf("%d", SHM_KEY));
        add_variable("PROBE_KEY", g_strdup(KEY_NAME));
}

/* ---- what is granted and what is not ---- */

/* A copy of the probe that root owns, with @mode. Caller frees the path. */
static char *copy_probe(TestService *service, const char *name, mode_t mode) {
        g_autofree char *program = test_service_get_program(service, "attack-probe"), *text = NULL,
                        *path = test_service_write(service, name, "");
        size_t size;

        assert_true(g_file_get_contents(program, &text, &size, NULL));
        assert_true(g_file_set_contents(path, text, (gssize) size, NULL));
        assert_return_code(chmod(path, mode), errno);
        return g_steal_pointer(&path);
}

static void make_setid_programs(TestService *service) {
        struct vfs_cap_data data = {
                .magic_etc = VFS_CAP_REVISION_2 | VFS_CAP_FLAGS_EFFECTIVE,
                .data[0].permitted = 1u << CAP_NET_RAW,
        };
        g_autofree char *capable = copy_probe(service, "host/setid/capable", 0755);

        g_free(copy_probe(service, "host/setid/setid", 06755));
        assert_return_code(setxattr(capable, "security.capability", &data, XATTR_CAPS_SZ_2, 0), errno);
        test_service_add_bind(service, "attack.setid", "host/setid", "/gateways/setid", true);
        add_variable("PROBE_SETID", g_strdup("/gateways/setid/setid"));
        add_variable("PROBE_FILECAPS", g_strdup("/gateways/setid/capable"));
}

static void make_node(const char *folder, const char *name, mode_t type, unsigned major_, unsigned minor_) {
        g_autofree char *path = g_build_filename(folder, name, NULL);

        assert_return_code(mknod(path, type | 0666, makedev(major_, minor_)), errno);
        assert_return_code(chmod(path, 0666), errno);
}

/* A root of an image whose maker is hostile: nodes, a set-id program, links where folders are expected. */
static void make_hostile_layer(TestService *service) {
        g_autofree char *layer = test_service_path(service, "host/layer"),
                        *etc = g_build_filename(layer, "etc", NULL),
                        *link = g_build_filename(layer, "etc/alternatives", NULL),
                        *dev = g_build_filename(layer, "dev", NULL),
                        *text = g_strdup_printf("[Rootfs]\nLayers=%s\n[Process]\nUser=app\n", layer),
                        *program = copy_probe(service, "host/layer/usr/bin/setid", 06755);

        (void) program;
        assert_return_code(g_mkdir_with_parents(etc, 0755), errno);
        assert_return_code(g_mkdir_with_parents(dev, 0755), errno);
        assert_return_code(symlink("/proc/1/root", link), errno);
        make_node(etc, "mem", S_IFCHR, 1, 1);
        make_node(etc, "kmsg", S_IFCHR, 1, 11);
        make_node(etc, "vda", S_IFBLK, 254, 0);
        make_node(dev, "kmsg", S_IFCHR, 1, 11);
        make_node(dev, "loop0", S_IFBLK, 7, 0);
        test_service_add_template(service, "layer", text);
}

static void make_folders(TestService *service) {
        g_autofree char *writable = test_service_path(service, "host/writable"),
                        *readable = test_service_write(service, "host/readable/file", "for reading\n"),
                        *secret = test_service_write(service, "host/secret", "of the host\n"),
                        *folder = g_path_get_dirname(readable);

        assert_return_code(g_mkdir_with_parents(writable, 0777), errno);
        assert_return_code(chmod(writable, 0777), errno);
        assert_return_code(chown(writable, FOLDER_OWNER, FOLDER_OWNER), errno);
        assert_return_code(chmod(folder, 0777), errno);
        assert_return_code(chmod(readable, 0666), errno);
        test_service_add_bind(service, "attack.writable", "host/writable", "/gateways/writable", false);
        test_service_add_bind(service, "attack.readable", "host/readable", "/gateways/readable", true);
        add_variable("PROBE_HOST_FILE", g_steal_pointer(&secret));
        add_variable("PROBE_RUNTIME", test_service_path(service, "run/bulkhead"));
}

/* The same as an image. */
static void make_hostile_image(TestService *service) {
        g_autofree char *layer = test_service_path(service, "host/layer"),
                        *image = test_service_path(service, "host/layer.squashfs"),
                        *text = g_strdup_printf("[Rootfs]\nLayers=%s\n[Process]\nUser=app\n", image);
        char *argv[] = { (char *) "/usr/bin/mksquashfs", layer, image, (char *) "-no-progress", (char *) "-quiet", NULL };
        g_autoptr(GError) failure = NULL;
        int status;

        if (!g_spawn_sync(NULL, argv, NULL, G_SPAWN_STDOUT_TO_DEV_NULL, NULL, NULL, NULL, NULL, &status, &failure) ||
            status != 0)
                fail_msg("No image: %s", failure ? failure->message : "mksquashfs failed");
        test_service_add_template(service, "image", text);
}

void attack_prepare(TestService *service) {
        g_autofree char *program = test_service_get_program(service, "attack-probe");

        environment = g_ptr_array_new_with_free_func(g_free);
        open_targets();
        test_service_add_bind(service, "attack.probe", program, PROBE, true);
        make_setid_programs(service);
        make_folders(service);
        make_hostile_layer(service);
        make_hostile_image(service);
        add_variable("PROBE_NAMESPACES", list_namespaces());
        add_variable("PROBE_HOST_NAME", g_strdup(HOST_NAME));
        add_variable("PROBE_NEIGHBOUR_FILE", g_strdup("/tmp/neighbour"));
        g_ptr_array_add(environment, NULL);
}

char *attack_hash_programs(const TestService *service) {
        static const char *const names[] = { "bulkheadd", "bulkhead-shim", "bulkhead-init", "bulkhead",
                                             "attack-probe" };
        g_autoptr(GChecksum) digest = g_checksum_new(G_CHECKSUM_SHA256);

        for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
                g_autofree char *path = test_service_get_program(service, names[i]), *text = NULL;
                size_t size;

                assert_true(g_file_get_contents(path, &text, &size, NULL));
                g_checksum_update(digest, (const guchar *) text, (gssize) size);
        }
        return g_strdup(g_checksum_get_string(digest));
}

const char *const *attack_get_environment(void) {
        return (const char *const *) environment->pdata;
}

/* ---- running the probe ---- */

/* Starts a victim and returns when it is ready. */
static void start_victim(TestClient *client, const char *sandbox, const char *how, const char *user) {
        TestRequest request = { .argv = TEST_STRV(PROBE, how), .user = user };
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        char word[8];
        int fds[2], r;

        assert_return_code(pipe2(fds, O_CLOEXEC), errno);
        request.stdout_fd = fds[1];
        r = test_client_run(client, sandbox, &request, NULL, &error);
        (void) close(fds[1]);
        test_expect_ok(r, &error, how);
        assert_int_equal(read(fds[0], word, sizeof word), 6); /* "ready" */
        (void) close(fds[0]);
}

static GPtrArray *join(const char *const *a, const char *const *b) {
        g_autoptr(GPtrArray) all = g_ptr_array_new();

        for (; a && *a; a++)
                g_ptr_array_add(all, (char *) (uintptr_t) *a);
        for (; b && *b; b++)
                g_ptr_array_add(all, (char *) (uintptr_t) *b);
        g_ptr_array_add(all, NULL);
        return g_steal_pointer(&all);
}

char *attack_create(TestClient *client, const Attempt *attempt) {
        g_autoptr(GPtrArray) capabilities = join(TEST_STRV("attack.probe"), attempt->capabilities);
        TestRequest request = { .capabilities = (const char *const *) capabilities->pdata,
                                .template_name = attempt->template_name,
                                .hostname = "inside" };
        TestRequest neighbour = { .capabilities = TEST_STRV("attack.probe"), .name = "neighbour" };
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        g_autofree char *sandbox = NULL, *other = NULL;

        test_expect_ok(test_client_create(client, &neighbour, &other, &error), &error,
                       "CreateSandbox, a neighbour");
        start_victim(client, other, "--serve", NULL);
        test_expect_ok(test_client_create(client, &request, &sandbox, &error), &error, "CreateSandbox");
        start_victim(client, sandbox, "--wait", FOREIGN_USER);
        return g_steal_pointer(&sandbox);
}

void attack_run(TestClient *client, const char *sandbox, const Attempt *attempt, Report *ret) {
        g_autoptr(GPtrArray) argv = join(TEST_STRV(PROBE, "--json"), attempt->patterns);
        g_autoptr(GPtrArray) variables = join(attack_get_environment(), attempt->environment);
        TestRequest request = { .argv = (const char *const *) argv->pdata,
                                .environment = (const char *const *) variables->pdata,
                                .user = attempt->user };
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        g_auto(TestProgram) program = { NULL };
        g_autofree char *output = NULL;
        const TestExit *end;
        int fds[2], r;

        assert_return_code(pipe2(fds, O_CLOEXEC), errno);
        request.stdout_fd = request.stderr_fd = fds[1];
        r = test_client_run(client, sandbox, &request, &program, &error);
        (void) close(fds[1]);
        test_expect_ok(r, &error, "Run of the probe");
        output = test_client_read_all(client, fds[0], PROBE_TIMEOUT);
        (void) close(fds[0]);
        assert_int_equal(test_client_wait(client, program.process, PROBE_TIMEOUT, &end), 0);
        report_parse(output, ret);
        /* What it exits with is what its lines say. */
        g_autoptr(GPtrArray) through = report_list_through(ret);

        assert_string_equal(end->reason, "exited");
        assert_int_equal(end->status, through->len > 0 ? 1 : 0);
}

void attack_try(TestClient *client, const Attempt *attempt, Report *ret) {
        g_autofree char *sandbox = attack_create(client, attempt);

        attack_run(client, sandbox, attempt, ret);
        attack_stop(client, sandbox);
}

void attack_stop(TestClient *client, const char *sandbox) {
        const char *const both[] = { sandbox, TEST_BUS_PATH "/sandbox/neighbour" };

        for (size_t i = 0; i < G_N_ELEMENTS(both); i++) {
                g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;

                test_expect_ok(test_client_stop(client, both[i], TEST_USEC_PER_SEC / 10, &error), &error,
                               "Stop");
        }
}

/* ---- reports ---- */

void report_done(Report *report) {
        g_clear_pointer(&report->outcomes, g_hash_table_unref);
        g_clear_pointer(&report->texts, g_hash_table_unref);
}

void report_parse(const char *text, Report *ret) {
        json_error_t error;
        json_t *root = json_loads(text, 0, &error), *line;
        size_t i;

        if (!root)
                fail_msg("The probe did not print JSON: %s: %s", error.text, text);
        ret->outcomes = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
        ret->texts = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
        json_array_foreach(json_object_get(root, "attacks"), i, line) {
                const char *id = json_string_value(json_object_get(line, "id")),
                           *came = json_string_value(json_object_get(line, "came")),
                           *wall = json_string_value(json_object_get(line, "wall")),
                           *what = json_string_value(json_object_get(line, "attack")),
                           *said = json_string_value(json_object_get(line, "text"));

                assert_non_null(came);
                assert_false(g_hash_table_contains(ret->outcomes, id)); /* an id is one attack */
                g_hash_table_insert(ret->outcomes, g_strdup(id), g_strdup(came));
                g_hash_table_insert(ret->texts, g_strdup(id),
                                    g_strdup_printf("(%s) %s: %s", wall, what, said));
        }
        assert_int_equal(json_integer_value(json_object_get(root, "tried")), i);
        json_decref(root);
}

static int compare_strings(const void *a, const void *b) {
        return strcmp(*(const char *const *) a, *(const char *const *) b);
}

GPtrArray *report_list_through(const Report *report) {
        g_autoptr(GPtrArray) list = g_ptr_array_new();
        GHashTableIter iter;
        void *id, *came;

        g_hash_table_iter_init(&iter, report->outcomes);
        while (g_hash_table_iter_next(&iter, &id, &came))
                if (!g_str_equal(came, "refused") && !g_str_equal(came, "absent"))
                        g_ptr_array_add(list, id);
        g_ptr_array_sort(list, compare_strings);
        return g_steal_pointer(&list);
}

void report_expect_refused(const Report *report, const char *what) {
        g_autoptr(GPtrArray) through = report_list_through(report);

        print_message("%s: %u attacks, %u not refused\n", what, g_hash_table_size(report->outcomes),
                      through->len);
        for (guint i = 0; i < through->len; i++)
                print_error("%s %s %s\n", (char *) g_hash_table_lookup(report->outcomes, through->pdata[i]),
                            (char *) through->pdata[i],
                            (char *) g_hash_table_lookup(report->texts, through->pdata[i]));
        assert_int_equal(through->len, 0);
}

/* Does the kernel itself refuse it, outside any sandbox, to an ordinary user? */
static bool is_refused_bare(const char *id) {
        g_autofree char *program = g_build_filename(g_getenv("BULKHEAD_TEST_BUILD"),
                                                    "tests/attacks/attack-probe", NULL);
        pid_t pid = fork();
        int status;

        assert_return_code(pid, errno);
        if (pid == 0) {
                if (setgroups(0, NULL) < 0 ||
                    setresgid(TEST_MEMBER_GID, TEST_MEMBER_GID, TEST_MEMBER_GID) < 0 ||
                    setresuid(TEST_MEMBER_UID, TEST_MEMBER_UID, TEST_MEMBER_UID) < 0)
                        _exit(EXIT_FAILURE);
                (void) dup2(STDERR_FILENO, STDOUT_FILENO);
                (void) execl(program, program, id, NULL);
                _exit(EXIT_FAILURE);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        return status == 0;
}

static bool matches_any(const char *id, const char *const *patterns) {
        for (; *patterns; patterns++)
                if (g_pattern_match_simple(*patterns, id))
                        return true;
        return false;
}

unsigned report_count_wrong(const Report *report, const char *wall, const char *const *expected) {
        g_autoptr(GPtrArray) through = report_list_through(report);
        unsigned n_wrong = 0;

        print_message("without the wall '%s': %u of %u attacks come through\n", wall, through->len,
                      g_hash_table_size(report->outcomes));
        for (guint i = 0; i < through->len; i++) {
                const char *id = through->pdata[i];
                bool is_expected = matches_any(id, expected) &&
                                   g_str_equal(g_hash_table_lookup(report->outcomes, id), "through");

                print_message("  %s%s %s\n", id, is_expected ? "" : " UNEXPECTED",
                              (char *) g_hash_table_lookup(report->texts, id));
                n_wrong += !is_expected;
        }
        for (; *expected; expected++) {
                const char *came = g_hash_table_lookup(report->outcomes, *expected);
                bool is_pattern = strpbrk(*expected, "*?"), is_missing = !is_pattern;

                for (guint i = 0; i < through->len; i++)
                        if (is_pattern ? g_pattern_match_simple(*expected, through->pdata[i])
                                       : g_str_equal(*expected, through->pdata[i]))
                                is_missing = false;
                if (is_missing && came && (g_str_equal(came, "absent") || is_refused_bare(*expected)))
                        print_message("  %s: this kernel refuses it to everybody\n", *expected);
                else if (is_missing) {
                        print_error("  %s is MISSING: %s\n", *expected,
                                    (char *) g_hash_table_lookup(report->texts, *expected) ?: "not tried");
                        n_wrong++;
                }
        }
        return n_wrong;
}
