/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Attackers outside: paths that change while they are granted, strings that look like options or code,
 * callers that leave in the middle of what they may not do
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/attacks/attack-service.h"
#include "util/cleanup.h"

#define SWAPS       150
#define OTHER_OWNER 4001

static TestService *service;
static TestClient *root, *member;

static int open_clients(void **state) {
        service = *state;
        root = test_client_new(service);
        member = test_client_new_as(service, TEST_MEMBER_UID, TEST_MEMBER_GID);
        return 0;
}

static int close_clients(void **state) {
        g_clear_pointer(&member, test_client_free);
        g_clear_pointer(&root, test_client_free);
        return test_after_each(state);
}

static void prepare(TestService *of_test) {
        g_autofree char *free_folder = test_service_path(of_test, "host/free"),
                        *policy = g_strdup_printf("[Policy member]\nUsers=%u\nFolders=%s\n", TEST_MEMBER_UID,
                                                  free_folder);

        attack_prepare(of_test);
        g_free(test_service_write(of_test, "etc/bulkhead/bulkhead.conf.d/50-outside.conf", policy));
        g_free(test_service_write(of_test, "host/free/current/file", "free\n"));
        g_free(test_service_write(of_test, "host/secret-folder/file", "secret\n"));
        g_free(test_service_write(of_test, "host/writable/cache/file", "mine\n"));
        g_free(test_service_write(of_test, "host/other/file", "of another\n"));
        test_service_add_bind(of_test, "outside.cache", "host/writable/cache", "/gateways/cache", false);
        test_service_add_bind(of_test, "outside.swapped", "host/free/current", "/gateways/swapped", true);
}

static void give(const char *name, uid_t owner) {
        g_autofree char *path = test_service_path(service, name);

        assert_return_code(lchown(path, owner, owner), errno);
}

/* ---- paths that change ---- */

/* Exchanges folder and link until it is killed. */
static pid_t start_swapper(const char *folder, const char *link) {
        pid_t pid = fork();

        assert_return_code(pid, errno);
        if (pid == 0)
                for (;;)
                        if (renameat2(AT_FDCWD, folder, AT_FDCWD, link, RENAME_EXCHANGE) < 0)
                                _exit(EXIT_FAILURE);
        return pid;
}

static ino_t get_inode(const char *path) {
        struct stat st;

        assert_return_code(stat(path, &st), errno);
        return st.st_ino;
}

static uint32_t get_leader(TestClient *client, const char *sandbox) {
        uint32_t pid = 0;
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;

        test_expect_ok(sd_bus_get_property_trivial(test_client_get_bus(client), TEST_BUS_NAME, sandbox,
                                                   TEST_SANDBOX, "Leader", &error, 'u', &pid),
                       &error, "Leader");
        return pid;
}

typedef struct Swap {
        char *folder, *link; /* owned */
        ino_t inode;         /* of the folder that may be shown */
        pid_t swapper;
} Swap;

static void swap_begin(Swap *swap, uid_t link_owner) {
        g_autofree char *secret = test_service_path(service, "host/secret-folder");

        swap->folder = test_service_path(service, "host/free/current");
        swap->link = test_service_path(service, "host/free/link");
        (void) unlink(swap->link);
        assert_return_code(symlink(secret, swap->link), errno);
        assert_return_code(lchown(swap->link, link_owner, link_owner), errno);
        swap->inode = get_inode(swap->folder);
        assert_int_not_equal(swap->inode, get_inode(secret));
        swap->swapper = start_swapper(swap->folder, swap->link);
}

/* Whichever of the two is the folder goes back to its name. */
static void swap_end(Swap *swap) {
        struct stat st;

        assert_return_code(kill(swap->swapper, SIGKILL), errno);
        assert_int_equal(waitpid(swap->swapper, NULL, 0), swap->swapper);
        assert_return_code(lstat(swap->folder, &st), errno);
        if (S_ISLNK(st.st_mode))
                assert_return_code(renameat2(AT_FDCWD, swap->folder, AT_FDCWD, swap->link, RENAME_EXCHANGE),
                                   errno);
        g_free(swap->folder);
        g_free(swap->link);
}

/* Asserts by inode that nothing else than the folder is on the target. */
static void expect_folder(const Swap *swap, uint32_t leader, const char *target) {
        g_autofree char *path = g_strdup_printf("/proc/%u/root%s", leader, target);

        assert_int_equal(get_inode(path), swap->inode);
}

static void test_folder_of_a_policy_is_swapped(void **state G_GNUC_UNUSED) {
        g_auto(sd_bus_error) create_error = SD_BUS_ERROR_NULL;
        g_autofree char *sandbox = NULL;
        unsigned n_shown = 0;
        Swap swap;

        test_expect_ok(test_client_create(member, &(TestRequest){ .name = "swap" }, &sandbox, &create_error),
                       &create_error, "CreateSandbox");

        uint32_t leader = get_leader(member, sandbox);

        swap_begin(&swap, TEST_MEMBER_UID);
        for (unsigned i = 0; i < SWAPS; i++) {
                g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
                int r = test_client_ask(member, sandbox, TEST_SANDBOX, "BindMount", NULL, &error, "sst",
                                        swap.folder, "/gateways/swap", (uint64_t) 0);

                if (r < 0) {
                        test_expect_error(r, &error, "NotMountable", NULL);
                        continue;
                }
                n_shown++;
                expect_folder(&swap, leader, "/gateways/swap");
                test_expect_ok(test_client_ask(member, sandbox, TEST_SANDBOX, "Unmount", NULL, &error, "s",
                                               "/gateways/swap"),
                               &error, "Unmount");
        }
        swap_end(&swap);
        print_message("of %u mounts %u found the folder, none what the link leads to\n", SWAPS, n_shown);
}

/* What a manifest names is trusted, what others put into its path is not. */
static void test_folder_of_a_manifest_is_swapped(void **state G_GNUC_UNUSED) {
        g_auto(sd_bus_error) create_error = SD_BUS_ERROR_NULL;
        g_autofree char *sandbox = NULL;
        unsigned n_shown = 0;
        Swap swap;

        test_expect_ok(
                test_client_create(root, &(TestRequest){ .name = "manifest" }, &sandbox, &create_error),
                &create_error, "CreateSandbox");
        swap_begin(&swap, OTHER_OWNER);
        for (unsigned i = 0; i < SWAPS; i++) {
                g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
                int r = test_client_change(root, sandbox, "Grant", TEST_STRV("outside.swapped"), &error);

                if (r < 0) {
                        test_expect_error(r, &error, "NotMountable", NULL);
                        continue;
                }
                n_shown++;
                expect_folder(&swap, get_leader(root, sandbox), "/gateways/swapped");
                test_expect_ok(
                        test_client_change(root, sandbox, "Revoke", TEST_STRV("outside.swapped"), &error),
                        &error, "Revoke");
        }
        swap_end(&swap);
        print_message("of %u grants %u found the folder, none what the link leads to\n", SWAPS, n_shown);
}

/* The way of CVE-2024-42472: what an app may write to is in the path of its next grant. */
static void test_app_replaces_a_folder_by_a_link(void **state G_GNUC_UNUSED) {
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        g_autofree char *sandbox = NULL, *other = test_service_path(service, "host/other"),
                        *script = g_strdup_printf("cd /gateways/writable && mv cache old && ln -s %s cache",
                                                  other);
        TestRequest request = { .capabilities = TEST_STRV("attack.writable") };

        give("host/writable/cache", 4000);
        give("host/writable/cache/file", 4000);
        give("host/other", OTHER_OWNER);
        give("host/other/file", OTHER_OWNER);
        test_expect_ok(test_client_create(root, &request, &sandbox, &error), &error, "CreateSandbox");
        test_expect_ok(test_client_change(root, sandbox, "Grant", TEST_STRV("outside.cache"), &error), &error,
                       "Grant");
        test_expect_ok(test_client_change(root, sandbox, "Revoke", TEST_STRV("outside.cache"), &error),
                       &error, "Revoke");
        assert_int_equal(test_client_shell(root, sandbox, script, NULL), 0);
        test_expect_error(test_client_change(root, sandbox, "Grant", TEST_STRV("outside.cache"), &error),
                          &error, "NotMountable", "host/writable/cache");
        assert_int_equal(test_client_shell(root, sandbox, "test -e /gateways/cache", NULL), 1);
}

/* A link that root made is the host's own way of naming things. */
static void test_link_of_root_is_followed(void **state G_GNUC_UNUSED) {
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        g_autofree char *link = test_service_path(service, "host/link-of-root"),
                        *source = g_build_filename(link, "file", NULL), *sandbox = NULL;

        assert_return_code(symlink("free/../free/current", link), errno);
        test_expect_ok(test_client_create(root, &(TestRequest){ 0 }, &sandbox, &error), &error,
                       "CreateSandbox");
        test_expect_ok(test_client_ask(root, sandbox, TEST_SANDBOX, "BindMount", NULL, &error, "sst", source,
                                       "/gateways/l", (uint64_t) 0),
                       &error, "BindMount");
        assert_int_equal(test_client_shell(root, sandbox, "grep free /gateways/l", NULL), 0);
        assert_return_code(unlink(link), errno);
}

/* The way of CVE-2024-21626: a current folder by the number of a descriptor. */
static void test_working_directory_by_descriptor(void **state G_GNUC_UNUSED) {
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        g_autofree char *sandbox = attack_create(root, &(Attempt){ 0 });
        unsigned n_started = 0;

        for (unsigned i = 0; i < 130; i++) {
                g_auto(sd_bus_error) run_error = SD_BUS_ERROR_NULL;
                g_auto(TestProgram) program = { NULL };
                g_autofree char *folder = i < 128    ? g_strdup_printf("/proc/self/fd/%u", i)
                                          : i == 128 ? g_strdup("/proc/1/root")
                                                     : g_strdup("/proc/1/cwd");
                TestRequest request = { .argv = TEST_STRV("/gateways/probe", "root.dotdot", "fd.*"),
                                        .working_directory = folder };
                const TestExit *end;

                if (test_client_run(root, sandbox, &request, &program, &run_error) < 0)
                        continue;
                n_started++;
                assert_int_equal(test_client_wait(root, program.process, 10 * TEST_USEC_PER_SEC, &end), 0);
                assert_int_equal(end->status, 0);
        }
        print_message("%u of 130 current folders could be entered, and none led out\n", n_started);
        test_expect_ok(0, &error, "");
}

/* ---- strings ---- */

#define CODE "$(touch /tmp/bulkhead-attacked)`touch /tmp/bulkhead-attacked`;touch /tmp/bulkhead-attacked|x&"

static void test_names(void **state G_GNUC_UNUSED) {
        static const char *const names[] = { "-x",       "--help", ".",   "..",   "../x", "a/b",  "a\nb",
                                             "a b",      "a;b",    CODE,  "a\tb", "%s",   "\x7f", "a*b",
                                             "\xc3\xa4", "a'b",    "a\"", "a\\b", "_a",   "a:b" };

        for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
                g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
                g_autofree char *sandbox = NULL;

                test_expect_error(
                        test_client_create(root, &(TestRequest){ .name = names[i] }, &sandbox, &error),
                        &error, "InvalidName", NULL);
        }
}

static void test_users(void **state G_GNUC_UNUSED) {
        static const char *const users[] = {
                "-1",    "4294967295", "4294967296",     "65535",    "0x0",    "+1",     " 0",      "0 ",
                "1000:", ":0",         "1000:-1",        "1000:0:0", "root\n", "app;id", "../root", "0\t1",
                "1e3",   "١",          "nobody nogroup", CODE
        };

        for (size_t i = 0; i < G_N_ELEMENTS(users); i++) {
                g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
                g_auto(TestProgram) program = { NULL };
                TestRequest request = { .argv = TEST_STRV("/bin/true"), .user = users[i] };

                if (test_client_launch(root, &request, &program, &error) >= 0)
                        fail_msg("User '%s' is taken", users[i]);
                assert_non_null(strstr(error.name, "InvalidArgs"));
        }
}

/* Every other string: refused, or taken as it is. */
static void test_other_strings(void **state G_GNUC_UNUSED) {
        const TestRequest requests[] = {
                { .hostname = "-h" },
                { .hostname = "a\nb" },
                { .hostname = CODE },
                { .template_name = "../default" },
                { .template_name = "-t" },
                { .template_name = "default\n" },
                { .template_name = CODE },
                { .capabilities = TEST_STRV("--all") },
                { .capabilities = TEST_STRV("*") },
                { .capabilities = TEST_STRV("attack.probe\n") },
                { .capabilities = TEST_STRV(CODE) },
                { .working_directory = "-" },
                { .working_directory = "../.." },
                { .working_directory = CODE },
                { .environment = TEST_STRV("A=B", "x") },
                { .environment = TEST_STRV("", "x") },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(requests); i++) {
                g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
                g_auto(TestProgram) program = { NULL };
                TestRequest request = requests[i];

                request.argv = TEST_STRV("/bin/true");
                if (test_client_launch(root, &request, &program, &error) >= 0)
                        fail_msg("Request %zu is taken", i);
        }
        assert_return_code(access("/tmp", F_OK), errno);
        assert_int_equal(access("/tmp/bulkhead-attacked", F_OK), -1);
}

static void test_arguments(void **state G_GNUC_UNUSED) {
        static const char *const arguments[] = {
                "--help", "-", "--", "-c", CODE, "a\nb", "\x01\x7f", "%s%n"
        };
        g_autoptr(GPtrArray) argv = g_ptr_array_new();
        g_autoptr(GString) expected = g_string_new(NULL);
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        g_auto(TestProgram) program = { NULL };
        g_autofree char *sandbox = NULL, *output = NULL;
        TestRequest request = { .argv = TEST_STRV("--version") };

        test_expect_ok(test_client_create(root, &(TestRequest){ 0 }, &sandbox, &error), &error,
                       "CreateSandbox");
        g_ptr_array_add(argv, (char *) (uintptr_t) "/usr/bin/printf");
        g_ptr_array_add(argv, (char *) (uintptr_t) "<%s>");
        for (size_t i = 0; i < G_N_ELEMENTS(arguments); i++) {
                g_ptr_array_add(argv, (char *) (uintptr_t) arguments[i]);
                g_string_append_printf(expected, "<%s>", arguments[i]);
        }
        g_ptr_array_add(argv, NULL);
        assert_int_equal(test_client_exec(root, sandbox, (const char *const *) argv->pdata, &output), 0);
        assert_string_equal(output, expected->str);
        /* A program that looks like an option is one that is not there. */
        test_expect_error(test_client_run(root, sandbox, &request, &program, &error), &error, "ExecFailed",
                          "--version");
        assert_int_equal(access("/tmp/bulkhead-attacked", F_OK), -1);
}

/* ---- callers that leave ---- */

/* The way of CVE-2021-3560: gone when somebody asks who it was. What it asked for it may not have. */
static void test_leaving_while_refused(void **state G_GNUC_UNUSED) {
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        g_autofree char *secret = test_service_path(service, "host/secret-folder"), *sandbox = NULL;

        test_expect_ok(test_client_create(root, &(TestRequest){ .name = "of-root" }, &sandbox, &error),
                       &error, "CreateSandbox");
        for (unsigned i = 0; i < 40; i++) {
                TestClient *rude = test_client_new_as(service, TEST_MEMBER_UID, TEST_MEMBER_GID);
                sd_bus *bus = test_client_get_bus(rude);
                g_autoptr(sd_bus_message) mount = NULL, launch = NULL, grant = NULL;

                assert_true(sd_bus_message_new_method_call(bus, &mount, TEST_BUS_NAME, sandbox, TEST_SANDBOX,
                                                           "BindMount") >= 0 &&
                            sd_bus_message_append(mount, "sst", secret, "/gateways/secret", (uint64_t) 0) >=
                                    0);
                assert_true(sd_bus_message_new_method_call(bus, &grant, TEST_BUS_NAME, sandbox, TEST_SANDBOX,
                                                           "Grant") >= 0 &&
                            sd_bus_message_append(grant, "as", 1, "attack.readable") >= 0);
                assert_true(sd_bus_message_new_method_call(bus, &launch, TEST_BUS_NAME, TEST_BUS_PATH,
                                                           TEST_MANAGER, "Launch") >= 0 &&
                            sd_bus_message_append(launch, "sasa{sv}", "stolen", 2, "/bin/sleep", "100", 2,
                                                  "user", "s", "0", "mounts", "a(sst)", 1, secret,
                                                  "/gateways/secret", (uint64_t) 0) >= 0);
                test_client_send(rude, mount);
                test_client_send(rude, grant);
                test_client_send(rude, launch);
                test_client_idle(rude, (uint64_t) i * 100);
                test_client_free(rude);
        }
        test_client_idle(root, 50 * 1000);

        g_auto(GStrv) list = test_client_list(root);

        assert_int_equal(g_strv_length(list), 1); /* root's own */
        assert_int_equal(
                test_client_shell(root, sandbox, "test -e /gateways/secret -o -e /gateways/readable", NULL),
                1);
}

#define outside_test(function) cmocka_unit_test_setup_teardown(function, open_clients, close_clients)

int main(void) {
        static const struct CMUnitTest tests[] = {
                outside_test(test_folder_of_a_policy_is_swapped),
                outside_test(test_folder_of_a_manifest_is_swapped),
                outside_test(test_app_replaces_a_folder_by_a_link),
                outside_test(test_link_of_root_is_followed),
                outside_test(test_working_directory_by_descriptor),
                outside_test(test_names),
                outside_test(test_users),
                outside_test(test_other_strings),
                outside_test(test_arguments),
                outside_test(test_leaving_while_refused),
                cmocka_unit_test(test_nothing_is_left),
        };

        attack_host_enter();
        return test_main("outside", prepare, tests, G_N_ELEMENTS(tests));
}
