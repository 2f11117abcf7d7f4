/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Every member of the interface: asked rightly and wrongly, by root, by the owner, by another user of the
 * group and by somebody who may not call at all; every property as each of them
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/fixture/test-client.h"
#include "util/cleanup.h"

#define SECOND_MEMBER_UID 2u /* "bin": another user with the group of the first */
#define ACCESS_DENIED     TEST_ACCESS_DENIED
#define INVALID_ARGS      TEST_INVALID_ARGS
#define ANY               "" /* any error */

typedef enum Who { ROOT, OWNER, SECOND, OUTSIDER, N_WHO } Who;

static const char *const who_names[N_WHO] = { "root", "the owner", "another member", "an outsider" };
static TestClient *clients[N_WHO];
static TestService *service;

/* What a pass works on: a sandbox of the owner with a program that has a terminal. */
typedef struct Objects {
        char *sandbox, *process; /* owned; as the owner sees them */
        char *of_root[2];        /* owned; as root sees them */
        uint32_t pid;
} Objects;

static Objects objects;
static Who asking;

static void prepare(TestService *instance) {
        g_free(test_service_write(instance, "host/file.txt", "file\n"));
        g_free(test_service_write(instance, "host/shown.txt", "shown\n"));
        test_service_add_bind(instance, "members.file", "host/file.txt", "/gateways/file", true);
        g_free(test_service_write(instance, "etc/bulkhead/bulkhead.conf.d/policy.conf",
                                  "[Policy shown]\nUsers=65534\nFolders=/etc\n"));
}

static int open_clients(void **state) {
        service = *state;
        clients[ROOT] = test_client_new(service);
        clients[OWNER] = test_client_new_as(service, TEST_MEMBER_UID, TEST_MEMBER_GID);
        clients[SECOND] = test_client_new_as(service, SECOND_MEMBER_UID, TEST_MEMBER_GID);
        clients[OUTSIDER] = test_client_new_as(service, TEST_OUTSIDER_UID, TEST_OUTSIDER_GID);
        return 0;
}

static void objects_clear(void) {
        g_clear_pointer(&objects.sandbox, g_free);
        g_clear_pointer(&objects.process, g_free);
        for (size_t i = 0; i < G_N_ELEMENTS(objects.of_root); i++)
                g_clear_pointer(&objects.of_root[i], g_free);
}

static int close_clients(void **state) {
        for (Who who = 0; who < N_WHO; who++)
                g_clear_pointer(&clients[who], test_client_free);
        objects_clear();
        return test_after_each(state);
}

static char *path_of_root(const char *path) {
        const char *rest = path + strlen(TEST_BUS_PATH "/sandbox/");

        /* "65534:members", as sd_bus_path_encode(3) has it */
        return g_strdup_printf(TEST_BUS_PATH "/sandbox/_365534_3a%s", rest);
}

static void objects_make(void) {
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        g_auto(TestProgram) program = { NULL };
        TestRequest request = { .name = "members",
                                .argv = TEST_STRV("/bin/sleep", "100"),
                                .capabilities = TEST_STRV("members.file"),
                                .keep = true,
                                .terminal = true };

        objects_clear();
        test_expect_ok(test_client_launch(clients[OWNER], &request, &program, &error), &error, "Launch");
        objects.sandbox = g_strdup(program.sandbox);
        objects.process = g_strdup(program.process);
        objects.of_root[0] = path_of_root(program.sandbox);
        objects.of_root[1] = path_of_root(program.process);
        objects.pid = program.pid;
}

static void objects_drop(void) {
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;

        (void) test_client_stop(clients[ROOT], objects.of_root[0], 0, &error); /* it may be gone already */
}

/* ---- members ---- */

typedef void (*Append)(sd_bus_message *call);

#define append(...) assert_true(sd_bus_message_append(__VA_ARGS__) >= 0)

static void none(sd_bus_message *call G_GNUC_UNUSED) {
}
static void create_right(sd_bus_message *call) {
        append(call, "sa{sv}", "", 2, "labels", "a{ss}", 1, "a", "b", "mounts", "a(sst)", 1, "/etc/hostname",
               "/gateways/h", (uint64_t) 2);
}
static void create_wrong(sd_bus_message *call) {
        append(call, "sa{sv}", "no/name", 0);
}
static void launch_right(sd_bus_message *call) {
        append(call, "sasa{sv}", "", 1, "/bin/true", 0);
}
static void launch_wrong(sd_bus_message *call) {
        append(call, "sasa{sv}", "", 0, 0);
}
static void launch_with_right(sd_bus_message *call) {
        append(call, "sasas", "", 1, "/bin/true", 1, "members.file");
}
static void launch_with_wrong(sd_bus_message *call) {
        append(call, "sasas", "", 1, "/bin/true", 1, "members.nothing");
}
static void name_right(sd_bus_message *call) {
        append(call, "s", asking == ROOT ? "65534:members" : "members");
}
static void name_wrong(sd_bus_message *call) {
        append(call, "s", "nobody-knows");
}
static void pid_right(sd_bus_message *call) {
        append(call, "u", objects.pid);
}
static void pid_wrong(sd_bus_message *call) {
        append(call, "u", UINT32_MAX);
}
static void capability_right(sd_bus_message *call) {
        append(call, "s", "members.file");
}
static void explain_right(sd_bus_message *call) {
        append(call, "asa{sv}", 1, "members.file", 0);
}
static void explain_wrong(sd_bus_message *call) {
        append(call, "asa{sv}", 0, 1, "colour", "s", "red");
}
static void run_right(sd_bus_message *call) {
        append(call, "asa{sv}", 1, "/bin/true", 0);
}
static void run_wrong(sd_bus_message *call) {
        append(call, "asa{sv}", 1, "/bin/true", 2, "terminal", "b", 1, "stdin", "h", STDIN_FILENO);
}
static void set_right(sd_bus_message *call) {
        append(call, "as", 1, "members.file");
}
static void set_wrong(sd_bus_message *call) {
        append(call, "as", 1, "members.nothing");
}
static void mount_right(sd_bus_message *call) {
        append(call, "sst", "/etc/hostname", "/gateways/hand", (uint64_t) 0);
}
static void mount_wrong(sd_bus_message *call) {
        append(call, "sst", "/etc/hostname", "/gateways/hand", (uint64_t) 64);
}
static void mount_fd(sd_bus_message *call, const char *target) {
        g_autofree char *path = test_service_path(service, "host/shown.txt");
        autofd int fd = open(path, O_RDONLY | O_CLOEXEC);

        append(call, "hst", fd, target, (uint64_t) 0);
}
static void mount_fd_right(sd_bus_message *call) {
        mount_fd(call, "/gateways/by-fd");
}
static void mount_fd_wrong(sd_bus_message *call) {
        mount_fd(call, "gateways/by-fd");
}
static void snapshot_to(sd_bus_message *call, int flags) {
        autofd int fd = memfd_create("snapshot", MFD_CLOEXEC);
        g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", fd);
        autofd int again = open(path, flags | O_CLOEXEC);

        append(call, "ha{sv}", again, 0);
}
static void snapshot_right(sd_bus_message *call) {
        snapshot_to(call, O_RDWR);
}
static void snapshot_wrong(sd_bus_message *call) {
        snapshot_to(call, O_RDONLY);
}
static void unmount_right(sd_bus_message *call) {
        append(call, "s", "/gateways/hand");
}
static void unmount_wrong(sd_bus_message *call) {
        append(call, "s", "/gateways/file");
}
static void kill_right(sd_bus_message *call) {
        append(call, "i", 18);
}
static void kill_wrong(sd_bus_message *call) {
        append(call, "i", 0);
}
static void stop_right(sd_bus_message *call) {
        append(call, "t", (uint64_t) 0);
}
static void size_right(sd_bus_message *call) {
        append(call, "qq", 25, 80);
}

/* In this order, on one sandbox. Nothing is wrong with a call without arguments. */
static const struct {
        const char *interface, *member;
        Append right, wrong;
        const char *wrong_error;
        const char *owner_error; /* of the right call; NULL = it works */
} members[] = {
        { TEST_MANAGER, "CreateSandbox", create_right, create_wrong, "InvalidName", NULL },
        { TEST_MANAGER, "Launch", launch_right, launch_wrong, INVALID_ARGS, NULL },
        { TEST_MANAGER, "LaunchWith", launch_with_right, launch_with_wrong, "UnknownCapability", NULL },
        { TEST_MANAGER, "GetSandbox", name_right, name_wrong, "NoSuchSandbox", NULL },
        { TEST_MANAGER, "GetSandboxByPID", pid_right, pid_wrong, "NoSuchSandbox", NULL },
        { TEST_MANAGER, "ListSandboxes", none, NULL, NULL, NULL },
        { TEST_MANAGER, "ListCapabilities", none, NULL, NULL, NULL },
        { TEST_MANAGER, "DescribeCapability", capability_right, name_wrong, "UnknownCapability", NULL },
        { TEST_MANAGER, "Explain", explain_right, explain_wrong, INVALID_ARGS, NULL },
        { TEST_MANAGER, "Reload", none, NULL, NULL, ACCESS_DENIED },
        { TEST_MANAGER, "Subscribe", none, NULL, NULL, NULL },
        { TEST_MANAGER, "Unsubscribe", none, NULL, NULL, NULL },
        { TEST_SANDBOX, "Run", run_right, run_wrong, INVALID_ARGS, NULL },
        { TEST_SANDBOX, "SetCapabilities", set_right, set_wrong, "UnknownCapability", NULL },
        { TEST_SANDBOX, "Grant", set_right, set_wrong, "UnknownCapability", NULL },
        { TEST_SANDBOX, "BindMount", mount_right, mount_wrong, INVALID_ARGS, NULL },
        { TEST_SANDBOX, "BindMountFd", mount_fd_right, mount_fd_wrong, INVALID_ARGS, NULL },
        { TEST_SANDBOX, "Unmount", unmount_right, unmount_wrong, INVALID_ARGS, NULL },
        { TEST_SANDBOX, "Revoke", set_right, set_wrong, INVALID_ARGS, NULL },
        { TEST_SANDBOX, "Freeze", none, NULL, NULL, NULL },
        { TEST_SANDBOX, "Thaw", none, NULL, NULL, NULL },
        { TEST_SANDBOX, "Snapshot", snapshot_right, snapshot_wrong, INVALID_ARGS, NULL },
        { TEST_SANDBOX, "GetNamespaces", none, NULL, NULL, ACCESS_DENIED },
        { TEST_PROCESS, "Resize", size_right, NULL, NULL, NULL },
        { TEST_PROCESS, "Kill", kill_right, kill_wrong, INVALID_ARGS, NULL },
        { TEST_SANDBOX, "Kill", kill_right, kill_wrong, INVALID_ARGS, NULL },
        /* wrong: once more; and its end hangs up the program */
        { TEST_PROCESS, "OpenTerminal", none, none, "BadState", NULL },
        { TEST_SANDBOX, "Stop", stop_right, NULL, NULL, NULL },
        { TEST_PROCESS, "Wait", none, NULL, NULL, NULL },
};

static const char *path_for(Who who, const char *interface) {
        bool is_process = strcmp(interface, TEST_PROCESS) == 0;

        if (strcmp(interface, TEST_MANAGER) == 0)
                return TEST_BUS_PATH;
        if (who == ROOT)
                return objects.of_root[is_process];
        return is_process ? objects.process : objects.sandbox;
}

static void ask(Who who, size_t row, Append fill, const char *expected) {
        g_autoptr(sd_bus_message) call = NULL;
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        g_autofree char *what = g_strdup_printf("%s by %s", members[row].member, who_names[who]);
        int r;

        asking = who;
        assert_true(sd_bus_message_new_method_call(test_client_get_bus(clients[who]), &call, TEST_BUS_NAME,
                                                   path_for(who, members[row].interface),
                                                   members[row].interface, members[row].member) >= 0);
        fill(call);
        r = test_client_call(clients[who], call, NULL, &error);
        if (!expected)
                test_expect_ok(r, &error, what);
        else if (!*expected ? r >= 0
                            : r >= 0 || !g_str_has_suffix(error.name, strrchr(expected, '.') ?: expected))
                fail_msg("%s: expected %s, got %s: %s", what, expected, r >= 0 ? "success" : error.name,
                         error.message);
        if (r < 0 && (!error.message || !*error.message))
                fail_msg("%s: %s says nothing", what, error.name);
}

/* Those who see the objects: first wrongly (what is refused changes nothing), then rightly. */
static void ask_all(Who who) {
        objects_make();
        for (size_t i = 0; i < G_N_ELEMENTS(members); i++) {
                bool again = members[i].wrong == members[i].right;

                if (members[i].wrong && !again)
                        ask(who, i, members[i].wrong, members[i].wrong_error);
                ask(who, i, members[i].right, who == ROOT ? NULL : members[i].owner_error);
                if (again)
                        ask(who, i, members[i].wrong, members[i].wrong_error);
        }
        objects_drop();
}

static void test_members_by_root(void **state G_GNUC_UNUSED) {
        ask_all(ROOT);
}

static void test_members_by_the_owner(void **state G_GNUC_UNUSED) {
        ask_all(OWNER);
}

/* The manager's members work for it, on its own; objects of others do not exist, and no folder is shown to
 * it. */
static void test_members_by_another_member(void **state G_GNUC_UNUSED) {
        objects_make();
        for (size_t i = 0; i < G_N_ELEMENTS(members); i++) {
                bool is_manager = strcmp(members[i].interface, TEST_MANAGER) == 0;
                bool is_about_others = members[i].right == pid_right || members[i].right == name_right;

                if (is_about_others)
                        ask(SECOND, i, members[i].right, "NoSuchSandbox");
                else if (members[i].right == create_right)
                        ask(SECOND, i, members[i].right, ACCESS_DENIED);
                else
                        ask(SECOND, i, members[i].right, is_manager ? members[i].owner_error : ANY);
                if (members[i].wrong)
                        ask(SECOND, i, members[i].wrong, is_manager ? members[i].wrong_error : ANY);
        }
        /* none of it has reached the owner's */
        assert_int_equal(test_client_shell(clients[OWNER], objects.sandbox, "test -e /gateways/file", NULL),
                         0);
        objects_drop();
}

static void test_members_by_an_outsider(void **state G_GNUC_UNUSED) {
        objects_make();
        for (size_t i = 0; i < G_N_ELEMENTS(members); i++) {
                ask(OUTSIDER, i, members[i].right, ACCESS_DENIED);
                if (members[i].wrong)
                        ask(OUTSIDER, i, members[i].wrong, ACCESS_DENIED);
        }
        objects_drop();
}

/* ---- properties ---- */

static const struct {
        const char *interface, *name, *type;
} properties[] = {
        { TEST_MANAGER, "Version", "s" },
        { TEST_MANAGER, "Gateways", "as" },
        { TEST_MANAGER, "Sandboxes", "u" },
        { TEST_MANAGER, "PoolReady", "u" },
        { TEST_MANAGER, "Warnings", "as" },
        { TEST_SANDBOX, "Name", "s" },
        { TEST_SANDBOX, "Template", "s" },
        { TEST_SANDBOX, "Privileges", "as" },
        { TEST_SANDBOX, "Owner", "u" },
        { TEST_SANDBOX, "CreatedUSec", "t" },
        { TEST_SANDBOX, "CreatedUSecMonotonic", "t" },
        { TEST_SANDBOX, "LaunchTimings", "a(st)" },
        { TEST_SANDBOX, "State", "s" },
        { TEST_SANDBOX, "StateReason", "s" },
        { TEST_SANDBOX, "Capabilities", "as" },
        { TEST_SANDBOX, "Addresses", "as" },
        { TEST_SANDBOX, "Pending", "as" },
        { TEST_SANDBOX, "Leader", "u" },
        { TEST_SANDBOX, "ControlGroup", "s" },
        { TEST_SANDBOX, "Labels", "a{ss}" },
        { TEST_SANDBOX, "Mounts", "a(sst)" },
        { TEST_SANDBOX, "Mechanisms", "as" },
        { TEST_SANDBOX, "Refused", "a(tsa{sv})" },
        { TEST_SANDBOX, "MemoryCurrent", "t" },
        { TEST_SANDBOX, "CPUUsageNSec", "t" },
        { TEST_SANDBOX, "TasksCurrent", "t" },
        { TEST_SANDBOX, "OOMKills", "t" },
        { TEST_SANDBOX, "CPUPressureUSec", "t" },
        { TEST_SANDBOX, "IOPressureUSec", "t" },
        { TEST_SANDBOX, "MemoryPressureUSec", "t" },
        { TEST_PROCESS, "Pid", "u" },
        { TEST_PROCESS, "Argv", "as" },
        { TEST_PROCESS, "State", "s" },
        { TEST_PROCESS, "ExitReason", "s" },
        { TEST_PROCESS, "ExitStatus", "i" },
};

static void expect_property(Who who, size_t i) {
        bool is_manager = strcmp(properties[i].interface, TEST_MANAGER) == 0;
        bool works = who == ROOT || who == OWNER || (who == SECOND && is_manager);
        g_autoptr(sd_bus_message) reply = NULL;
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        const char *type;
        int r = test_client_ask(clients[who], path_for(who, properties[i].interface),
                                "org.freedesktop.DBus.Properties", "Get", &reply, &error, "ss",
                                properties[i].interface, properties[i].name);

        if (who == OUTSIDER)
                test_expect_error(r, &error, ACCESS_DENIED, NULL);
        if (!works) {
                assert_true(r < 0);
                return;
        }
        test_expect_ok(r, &error, properties[i].name);
        assert_true(sd_bus_message_peek_type(reply, NULL, &type) > 0);
        assert_string_equal(type, properties[i].type);
}

/* GetAll shows the same to the same. */
static void expect_all(Who who, const char *interface) {
        bool works = who == ROOT || who == OWNER || (who == SECOND && strcmp(interface, TEST_MANAGER) == 0);
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        g_autoptr(sd_bus_message) reply = NULL;
        int r = test_client_ask(clients[who], path_for(who, interface), "org.freedesktop.DBus.Properties", "GetAll",
                                &reply, &error, "s", interface);
        size_t n = 0, expected = 0;

        if (who == OUTSIDER)
                test_expect_error(r, &error, ACCESS_DENIED, NULL);
        if (!works) {
                assert_true(r < 0);
                return;
        }
        test_expect_ok(r, &error, "GetAll");
        for (size_t i = 0; i < G_N_ELEMENTS(properties); i++)
                expected += strcmp(properties[i].interface, interface) == 0;
        assert_true(sd_bus_message_enter_container(reply, 'a', "{sv}") > 0);
        for (; sd_bus_message_skip(reply, "{sv}") > 0; n++)
                ;
        assert_int_equal(n, expected);
}

/* What the interface descriptions have and the tables above do not. */
static void expect_complete(const char *interface) {
        g_autofree char *file = g_strdup_printf("%s/dbus/interfaces/%s.xml", g_getenv("BULKHEAD_TEST_SOURCE"),
                                                interface);
        g_autofree char *text = NULL;
        unsigned n = 0;

        assert_true(g_file_get_contents(file, &text, NULL, NULL));
        for (const char *at = text; (at = strchr(at, '<')); at++) {
                bool is_method = g_str_has_prefix(at, "<method name=\""), found = false;
                g_autofree char *name = NULL;

                if (!is_method && !g_str_has_prefix(at, "<property name=\""))
                        continue;
                at = strchr(at, '"') + 1;
                name = g_strndup(at, strcspn(at, "\""));
                for (size_t i = 0; is_method && i < G_N_ELEMENTS(members); i++)
                        found |= strcmp(members[i].interface, interface) == 0 && strcmp(members[i].member, name) == 0;
                for (size_t i = 0; !is_method && i < G_N_ELEMENTS(properties); i++)
                        found |= strcmp(properties[i].interface, interface) == 0 &&
                                 strcmp(properties[i].name, name) == 0;
                if (!found)
                        fail_msg("%s.%s has no row in this test", interface, name);
                n++;
        }
        print_message("%s: %u members and properties, each with its rows\n", interface, n);
}

static void test_tables_are_complete(void **state G_GNUC_UNUSED) {
        expect_complete(TEST_MANAGER);
        expect_complete(TEST_SANDBOX);
        expect_complete(TEST_PROCESS);
}

/* Another member finds no word of the owner's things where things are listed. */
static void test_nothing_is_listed(void **state G_GNUC_UNUSED) {
        static const struct {
                const char *path, *interface, *member;
        } lists[] = {
                { TEST_BUS_PATH, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects" },
                { TEST_BUS_PATH, "org.freedesktop.DBus.Introspectable", "Introspect" },
                { TEST_BUS_PATH "/sandbox", "org.freedesktop.DBus.Introspectable", "Introspect" },
                { TEST_BUS_PATH, TEST_MANAGER, "ListSandboxes" },
        };

        objects_make();
        for (size_t i = 0; i < G_N_ELEMENTS(lists); i++)
                for (Who who = 0; who < N_WHO; who++) {
                        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
                        g_autoptr(sd_bus_message) reply = NULL;
                        g_autofree char *text = NULL;
                        size_t size = 0;
                        FILE *stream = open_memstream(&text, &size);
                        int r = test_client_ask(clients[who], lists[i].path, lists[i].interface, lists[i].member,
                                                &reply, &error, "");

                        if (r >= 0)
                                (void) sd_bus_message_dump(reply, stream, 0);
                        (void) fclose(stream);
                        if (who == OUTSIDER)
                                test_expect_error(r, &error, ACCESS_DENIED, NULL);
                        else if (r < 0 && who != SECOND)
                                fail_msg("%s by %s: %s", lists[i].member, who_names[who], error.name);
                        if (who == SECOND && strstr(text, "members"))
                                fail_msg("%s tells another member of the owner's sandbox: %s", lists[i].member, text);
                        if (who < SECOND && i != 1 && !strstr(text, "members"))
                                fail_msg("%s does not tell %s: %s", lists[i].member, who_names[who], text);
                }
        objects_drop();
}

static void test_properties(void **state G_GNUC_UNUSED) {
        objects_make();
        for (size_t i = 0; i < G_N_ELEMENTS(properties); i++)
                for (Who who = 0; who < N_WHO; who++)
                        expect_property(who, i);
        for (Who who = 0; who < N_WHO; who++) {
                expect_all(who, TEST_MANAGER);
                expect_all(who, TEST_SANDBOX);
                expect_all(who, TEST_PROCESS);
        }
        objects_drop();
}

static uint64_t get_number(const char *name) {
        g_autoptr(sd_bus_message) reply = NULL;
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        uint64_t number = 0;

        test_expect_ok(test_client_ask(clients[OWNER], objects.sandbox, "org.freedesktop.DBus.Properties",
                                       "Get", &reply, &error, "ss", TEST_SANDBOX, name),
                       &error, name);
        assert_true(sd_bus_message_read(reply, "v", "t", &number) >= 0);
        return number;
}

/* What the kernel counts is plausible, and of this sandbox. */
static void test_usage(void **state G_GNUC_UNUSED) {
        g_autofree char *group = NULL, *file = NULL, *text = NULL;

        objects_make();
        assert_in_range(get_number("TasksCurrent"), 2, 3); /* init and sleep; and a fork under way */
        assert_in_range(get_number("MemoryCurrent"), 4096, 64 * 1024 * 1024);
        assert_in_range(get_number("CPUUsageNSec"), 1000, 10 * UINT64_C(1000000000));
        assert_int_equal(get_number("OOMKills"), 0);
        assert_true(get_number("CPUPressureUSec") <= 60 * UINT64_C(1000000)); /* 0 with cgroup v1 */
        assert_true(get_number("IOPressureUSec") <= 60 * UINT64_C(1000000));
        assert_true(get_number("MemoryPressureUSec") <= 60 * UINT64_C(1000000));
        group = test_client_get_string(clients[OWNER], objects.sandbox, TEST_SANDBOX, "ControlGroup");
        file = g_strdup_printf("/proc/%u/cgroup", objects.pid);
        assert_true(g_file_get_contents(file, &text, NULL, NULL));
        if (!strstr(text, group) || !*group)
                fail_msg("'%s' is not in %s", group, text);
        objects_drop();
}

/* A process of the host is in none; one that a program has started is in its sandbox. */
static void test_pid_of_anything_inside(void **state G_GNUC_UNUSED) {
        static const uint32_t outside[] = { 0, 1, 4194305 };
        g_autoptr(sd_bus_message) reply = NULL;
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        const char *path;
        uint32_t leader;

        objects_make();
        for (size_t i = 0; i < G_N_ELEMENTS(outside); i++) {
                g_auto(sd_bus_error) refused = SD_BUS_ERROR_NULL;

                test_expect_error(test_client_ask(clients[ROOT], TEST_BUS_PATH, TEST_MANAGER,
                                                  "GetSandboxByPID", NULL, &refused, "u", outside[i]),
                                  &refused, "NoSuchSandbox", NULL);
        }
        test_expect_ok(sd_bus_get_property_trivial(test_client_get_bus(clients[OWNER]), TEST_BUS_NAME,
                                                   objects.sandbox, TEST_SANDBOX, "Leader", &error, 'u',
                                                   &leader),
                       &error, "Leader");
        test_expect_ok(test_client_ask(clients[ROOT], TEST_BUS_PATH, TEST_MANAGER, "GetSandboxByPID", &reply,
                                       &error, "u", leader),
                       &error, "GetSandboxByPID");
        assert_true(sd_bus_message_read(reply, "o", &path) >= 0);
        assert_string_equal(path, objects.of_root[0]);
        objects_drop();
}

/* They are the program's own, and can be entered. */
static void test_namespaces(void **state G_GNUC_UNUSED) {
        g_autoptr(sd_bus_message) reply = NULL;
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        const char *name;
        unsigned n = 0;
        int fd;

        objects_make();
        test_expect_ok(test_client_ask(clients[ROOT], objects.of_root[0], TEST_SANDBOX, "GetNamespaces",
                                       &reply, &error, ""),
                       &error, "GetNamespaces");
        assert_true(sd_bus_message_enter_container(reply, 'a', "{sh}") >= 0);
        while (sd_bus_message_read(reply, "{sh}", &name, &fd) > 0) {
                g_autofree char *path = g_strdup_printf("/proc/%u/ns/%s", objects.pid, name);
                g_autofree char *ours = g_strdup_printf("/proc/self/fd/%d", fd);
                g_autofree char *wanted = g_file_read_link(path, NULL), *got = g_file_read_link(ours, NULL);

                assert_non_null(wanted);
                assert_string_equal(got, wanted);
                n++;
        }
        assert_in_range(n, 6, 8);
        objects_drop();
}

#define members_case(function) cmocka_unit_test_setup_teardown(function, open_clients, close_clients)

int main(void) {
        static const struct CMUnitTest tests[] = {
                members_case(test_members_by_root),
                members_case(test_members_by_the_owner),
                members_case(test_members_by_another_member),
                members_case(test_members_by_an_outsider),
                members_case(test_properties),
                members_case(test_tables_are_complete),
                members_case(test_nothing_is_listed),
                members_case(test_usage),
                members_case(test_pid_of_anything_inside),
                members_case(test_namespaces),
                cmocka_unit_test(test_nothing_is_left),
        };

        return test_main("members", prepare, tests, G_N_ELEMENTS(tests));
}
