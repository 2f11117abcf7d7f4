/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Mounts by hand: BindMount, BindMountFd, Unmount and the option `mounts`; and what a policy has to say of
 * them
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/fixture/test-client.h"
#include "util/cleanup.h"
#include "util/limits.h"

#define WRITABLE  1
#define OPTIONAL  2
#define ANY_ERROR ""

static TestService *service;
static TestClient *root, *member, *second;
static char *of_root, *of_member, *of_second;

static void give(TestService *instance, const char *name, uid_t uid, mode_t mode) {
        g_autofree char *path = test_service_path(instance, name);

        assert_return_code(chown(path, uid, uid), errno);
        assert_return_code(chmod(path, mode), errno);
}

static void prepare(TestService *instance) {
        g_autofree char *base = test_service_path(instance, "host");
        g_autofree char *policy = g_strdup_printf("[Policy member]\nUsers=65534\nFolders=%s/media %s/in:rw\n",
                                                  base, base);
        g_autofree char *link = test_service_path(instance, "host/media/link");

        g_free(test_service_write(instance, "etc/bulkhead/bulkhead.conf.d/policy.conf", policy));
        g_free(test_service_write(instance, "host/file.txt", "file\n"));
        g_free(test_service_write(instance, "host/secret.txt", "secret\n"));
        g_free(test_service_write(instance, "host/media/song.txt", "song\n"));
        g_free(test_service_write(instance, "host/media/secret.txt", "secret\n"));
        g_free(test_service_write(instance, "host/in/own.txt", "own\n"));
        g_free(test_service_write(instance, "host/in/of-root.txt", "root's\n"));
        test_service_add_bind(instance, "mounts.file", "host/file.txt", "/gateways/granted", true);
        give(instance, "host/secret.txt", 0, 0600);
        give(instance, "host/media/secret.txt", 0, 0600);
        give(instance, "host/in/own.txt", TEST_MEMBER_UID, 0600);
        give(instance, "host/in", TEST_MEMBER_UID, 0755);
        assert_return_code(symlink("/etc", link), errno);
}

static char *create(TestClient *client) {
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        char *sandbox = NULL;

        test_expect_ok(test_client_create(
                               client,
                               &(TestRequest){ .name = "mounts", .capabilities = TEST_STRV("mounts.file") },
                               &sandbox, &error),
                       &error, "CreateSandbox");
        return sandbox;
}

static int open_clients(void **state) {
        service = *state;
        root = test_client_new(service);
        member = test_client_new_as(service, TEST_MEMBER_UID, TEST_MEMBER_GID);
        second = test_client_new_as(service, 2, TEST_MEMBER_GID);
        of_root = create(root);
        of_member = create(member);
        of_second = create(second);
        return 0;
}

static int close_clients(void **state) {
        g_clear_pointer(&root, test_client_free);
        g_clear_pointer(&member, test_client_free);
        g_clear_pointer(&second, test_client_free);
        g_clear_pointer(&of_root, g_free);
        g_clear_pointer(&of_member, g_free);
        g_clear_pointer(&of_second, g_free);
        return test_after_each(state);
}

static int mount_path(TestClient *client, const char *sandbox, const char *source, const char *target,
                      uint64_t flags, sd_bus_error *error) {
        g_autofree char *path = g_path_is_absolute(source) ? g_strdup(source)
                                                           : test_service_path(service, source);

        return test_client_ask(client, sandbox, TEST_SANDBOX, "BindMount", NULL, error, "sst", path, target,
                               flags);
}

static int mount_fd(TestClient *client, const char *sandbox, const char *source, int how, const char *target,
                    uint64_t flags, sd_bus_error *error) {
        g_autofree char *path = g_path_is_absolute(source) ? g_strdup(source)
                                                           : test_service_path(service, source);
        autofd int fd = open(path, how | O_CLOEXEC);

        assert_return_code(fd, errno);
        return test_client_ask(client, sandbox, TEST_SANDBOX, "BindMountFd", NULL, error, "hst", fd, target,
                               flags);
}

static int unmount(TestClient *client, const char *sandbox, const char *target, sd_bus_error *error) {
        return test_client_ask(client, sandbox, TEST_SANDBOX, "Unmount", NULL, error, "s", target);
}

static void expect_shell(TestClient *client, const char *sandbox, const char *script, int status) {
        int r = test_client_shell(client, sandbox, script, NULL);

        if (r != status)
                fail_msg("'%s' ended with %d, not %d", script, r, status);
}

static void test_root_shows_and_takes_away(void **state G_GNUC_UNUSED) {
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;

        test_expect_ok(mount_path(root, of_root, "host/media", "/gateways/media", 0, &error), &error,
                       "BindMount");
        test_expect_ok(mount_fd(root, of_root, "host/file.txt", O_RDONLY, "/gateways/fd", 0, &error), &error,
                       "BindMountFd");
        expect_shell(root, of_root, "grep song /gateways/media/song.txt && grep file /gateways/fd", 0);
        expect_shell(root, of_root, "echo x >>/gateways/media/song.txt", 2);
        /* a grant and a revoke in between change nothing of it */
        test_expect_ok(test_client_change(root, of_root, "Revoke", TEST_STRV("mounts.file"), &error), &error,
                       "Revoke");
        test_expect_ok(test_client_change(root, of_root, "Grant", TEST_STRV("mounts.file"), &error), &error,
                       "Grant");
        expect_shell(root, of_root, "grep song /gateways/media/song.txt && grep file /gateways/fd", 0);
        test_expect_ok(unmount(root, of_root, "/gateways/media/", &error), &error, "Unmount");
        test_expect_ok(unmount(root, of_root, "/gateways/fd", &error), &error, "Unmount of a descriptor");
        expect_shell(root, of_root, "test -e /gateways/media -o -e /gateways/fd", 1);
        test_expect_ok(mount_path(root, of_root, "host/file.txt", "/gateways/media", 0, &error), &error,
                       "BindMount");
        expect_shell(root, of_root, "grep file /gateways/media", 0);
}

static void test_refused_of_root(void **state G_GNUC_UNUSED) {
        static const struct {
                const char *source, *target;
                uint64_t flags;
                const char *error, *needle;
        } cases[] = {
                { "host/file.txt", "gateways/x", 0, TEST_INVALID_ARGS, "gateways/x" },
                { "host/../etc", "/gateways/x", 0, TEST_INVALID_ARGS, ".." },
                { "host/file.txt", "/proc/x", 0, TEST_INVALID_ARGS, "/proc" },
                { "host/file.txt", "/gateways/x", 8, TEST_INVALID_ARGS, "Flags 8" },
                { "host/missing", "/gateways/x", 0, "NotMountable", "missing" },
                { "host/file.txt", "/usr", 0, "NotMountable", "/usr" },
                { "host/media", "/gateways/granted", 0, "ConflictingCapabilities", "mounts.file" },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;

                test_expect_error(
                        mount_path(root, of_root, cases[i].source, cases[i].target, cases[i].flags, &error),
                        &error, cases[i].error, cases[i].needle);
                expect_shell(root, of_root, "grep file /gateways/granted && ! test -e /gateways/x", 0);
        }
}

static void test_targets_that_are_taken(void **state G_GNUC_UNUSED) {
        sd_bus_error errors[5] = { SD_BUS_ERROR_NULL };

        test_expect_ok(mount_path(root, of_root, "host/media", "/gateways/m", 0, &errors[0]), &errors[0],
                       "BindMount");
        test_expect_error(mount_path(root, of_root, "host/in", "/gateways/m", 0, &errors[1]), &errors[1],
                          "NotMountable", "unmount it first");
        test_expect_error(unmount(root, of_root, "/gateways/granted", &errors[2]), &errors[2],
                          TEST_INVALID_ARGS, "mounts.file");
        test_expect_error(unmount(root, of_root, "/gateways/none", &errors[3]), &errors[3], TEST_INVALID_ARGS,
                          "Nothing was mounted");
        test_expect_error(unmount(root, of_root, "/usr", &errors[4]), &errors[4], TEST_INVALID_ARGS, NULL);
        expect_shell(root, of_root, "grep song /gateways/m/song.txt", 0);
        for (size_t i = 0; i < G_N_ELEMENTS(errors); i++)
                sd_bus_error_free(&errors[i]);
}

static void test_optional(void **state G_GNUC_UNUSED) {
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;

        test_expect_ok(mount_path(root, of_root, "host/missing", "/gateways/o", OPTIONAL, &error), &error,
                       "BindMount");
        expect_shell(root, of_root, "test -e /gateways/o", 1);
        test_expect_ok(unmount(root, of_root, "/gateways/o", &error), &error, "Unmount");
}

static void test_limit(void **state G_GNUC_UNUSED) {
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;

        for (unsigned i = 0; i < SANDBOX_MOUNTS_MAX; i++) {
                g_autofree char *target = g_strdup_printf("/gateways/m%u", i);
                g_auto(sd_bus_error) fine = SD_BUS_ERROR_NULL;

                test_expect_ok(mount_path(root, of_root, "host/file.txt", target, 0, &fine), &fine, target);
        }
        test_expect_error(mount_path(root, of_root, "host/file.txt", "/gateways/more", 0, &error), &error,
                          "LimitReached", "64");
}

/* ---- others than root ---- */

static void test_folders_of_a_policy(void **state G_GNUC_UNUSED) {
        static const struct {
                const char *source;
                uint64_t flags;
                const char *error; /* NULL = fine */
        } cases[] = {
                { "host/media", 0, NULL },
                { "host/media/song.txt", 0, NULL },
                { "host/media", WRITABLE, TEST_ACCESS_DENIED },
                { "host/in/own.txt", WRITABLE, NULL },
                { "host/in/of-root.txt", 0, NULL },
                { "host/in/of-root.txt", WRITABLE, TEST_ACCESS_DENIED },
                { "host/file.txt", 0, TEST_ACCESS_DENIED },
                { "/etc", 0, TEST_ACCESS_DENIED },
                { "host/media/link/passwd", 0, "NotMountable" }, /* a link leads out of the folder */
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL, refused = SD_BUS_ERROR_NULL;
                int r = mount_path(member, of_member, cases[i].source, "/gateways/p", cases[i].flags, &error);

                if (cases[i].error)
                        test_expect_error(r, &error, cases[i].error, NULL);
                else {
                        test_expect_ok(r, &error, cases[i].source);
                        test_expect_ok(unmount(member, of_member, "/gateways/p", &error), &error, "Unmount");
                }
                /* whom no section names gets nothing */
                r = mount_path(second, of_second, cases[i].source, "/gateways/p", cases[i].flags, &refused);
                test_expect_error(r, &refused, TEST_ACCESS_DENIED, NULL);
        }
}

/* The app stands for the caller: it reads what is the caller's, and nothing that a stranger may not. */
static void test_app_stands_for_the_caller(void **state G_GNUC_UNUSED) {
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;

        test_expect_ok(mount_path(member, of_member, "host/media", "/gateways/media", 0, &error), &error,
                       "BindMount");
        test_expect_ok(mount_path(member, of_member, "host/in", "/gateways/in", WRITABLE, &error), &error,
                       "BindMount");
        expect_shell(member, of_member, "cat /gateways/media/song.txt", 0);
        expect_shell(member, of_member, "cat /gateways/media/secret.txt", 1);
        expect_shell(member, of_member, "grep own /gateways/in/own.txt && echo more >>/gateways/in/own.txt",
                     0);
        expect_shell(member, of_member, "echo x >>/gateways/in/of-root.txt", 2);
        expect_shell(member, of_member, "echo new >/gateways/in/new.txt", 0);

        g_autofree char *made = test_service_path(service, "host/in/new.txt");
        struct stat st;

        assert_return_code(stat(made, &st), errno);
        assert_int_equal(st.st_uid, TEST_MEMBER_UID);
}

static void test_descriptors_of_callers(void **state G_GNUC_UNUSED) {
        static const struct {
                const char *source;
                int how;
                uint64_t flags;
                const char *error; /* NULL = fine */
        } cases[] = {
                { "host/file.txt", O_RDONLY, 0, NULL },
                { "host/file.txt", O_PATH, 0, TEST_INVALID_ARGS },
                { "host/file.txt", O_RDWR, WRITABLE, TEST_ACCESS_DENIED },
                { "host/in/own.txt", O_RDWR, WRITABLE, NULL },
                { "host/in/own.txt", O_RDONLY, WRITABLE, TEST_ACCESS_DENIED },
                { "host/in", O_RDONLY | O_DIRECTORY, WRITABLE, NULL },
                { "host/media", O_RDONLY | O_DIRECTORY, WRITABLE, TEST_ACCESS_DENIED },
                { "host/media", O_RDONLY | O_DIRECTORY, 0, NULL },
                { "/dev/null", O_RDWR, 0, TEST_INVALID_ARGS },
                { "/proc", O_RDONLY | O_DIRECTORY, 0, ANY_ERROR },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
                int r = mount_fd(member, of_member, cases[i].source, cases[i].how, "/gateways/d",
                                 cases[i].flags, &error);

                if (!cases[i].error) {
                        test_expect_ok(r, &error, cases[i].source);
                        test_expect_ok(unmount(member, of_member, "/gateways/d", &error), &error, "Unmount");
                } else if (*cases[i].error)
                        test_expect_error(r, &error, cases[i].error, NULL);
                else
                        assert_true(r < 0);
                expect_shell(member, of_member, "test -e /gateways/d", 1);
        }
}

/* ---- with the sandbox ---- */

static int create_with(TestClient *client, const char *source, const char *target, sd_bus_error *error) {
        g_autofree char *path = test_service_path(service, source);

        return test_client_ask(client, TEST_BUS_PATH, TEST_MANAGER, "CreateSandbox", NULL, error, "sa{sv}",
                               "with", 1, "mounts", "a(sst)", 1, path, target, (uint64_t) 0);
}

static void test_option(void **state G_GNUC_UNUSED) {
        sd_bus_error errors[5] = { SD_BUS_ERROR_NULL };

        test_expect_ok(create_with(root, "host/media", "/gateways/with", &errors[0]), &errors[0],
                       "CreateSandbox");
        expect_shell(root, TEST_BUS_PATH "/sandbox/with", "grep song /gateways/with/song.txt", 0);
        test_expect_ok(unmount(root, TEST_BUS_PATH "/sandbox/with", "/gateways/with", &errors[1]), &errors[1],
                       "Unmount");
        expect_shell(root, TEST_BUS_PATH "/sandbox/with", "test -e /gateways/with", 1);
        test_expect_ok(create_with(member, "host/media", "/gateways/with", &errors[2]), &errors[2],
                       "CreateSandbox");
        test_expect_error(create_with(second, "host/media", "/gateways/with", &errors[3]), &errors[3],
                          TEST_ACCESS_DENIED, NULL);
        test_expect_error(create_with(second, "host/media", "with", &errors[4]), &errors[4],
                          TEST_INVALID_ARGS, NULL);

        g_auto(GStrv) left = test_client_list(second);

        assert_int_equal(g_strv_length(left), 1);
        for (size_t i = 0; i < G_N_ELEMENTS(errors); i++)
                sd_bus_error_free(&errors[i]);
}

#define mounts_case(function) cmocka_unit_test_setup_teardown(function, open_clients, close_clients)

int main(void) {
        static const struct CMUnitTest tests[] = {
                mounts_case(test_root_shows_and_takes_away),
                mounts_case(test_refused_of_root),
                mounts_case(test_targets_that_are_taken),
                mounts_case(test_optional),
                mounts_case(test_limit),
                mounts_case(test_folders_of_a_policy),
                mounts_case(test_app_stands_for_the_caller),
                mounts_case(test_descriptors_of_callers),
                mounts_case(test_option),
                cmocka_unit_test(test_nothing_is_left),
        };

        return test_main("mounts", prepare, tests, G_N_ELEMENTS(tests));
}
