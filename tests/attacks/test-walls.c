/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The attack suite can fail: with one wall down, exactly the attacks that only this wall refuses come through
 *
 * A template takes a wall down where there is a key for it; a change from outside to a live sandbox where the
 * wall is in its mounts or control groups; everything else by entering the sandbox as the service does,
 * without one step.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/attacks/attack-service.h"
#include "tests/attacks/enter.h"
#include "util/cleanup.h"

#define PROBE "/gateways/probe"

static TestClient *client;

static int open_client(void **state) {
        client = test_client_new(*state);
        return 0;
}

static int close_client(void **state) {
        g_clear_pointer(&client, test_client_free);
        return test_after_each(state);
}

static void prepare(TestService *service) {
        attack_prepare(service);
        g_free(test_service_write(service, "etc/bulkhead/bulkhead.conf.d/50-attack.conf",
                                  "[Service]\nAllowPrivileged=yes\n"));
        test_service_add_template(service, "no-filter", "[Security]\nSeccomp=none\n");
        test_service_add_template(service, "no-hide", "[Rootfs]\nHide=\n");
        test_service_add_template(service, "hide", "[Rootfs]\nHide=/usr/share/common-licenses\n");
        test_service_add_template(service, "no-limits", "[Limits]\nMemory=infinity\nTasks=infinity\n");
        test_service_add_template(service, "large-upper", "[Rootfs]\nUpperSize=1G\n");
        test_service_add_template(service, "host-network", "[Namespaces]\nNetwork=host\n");
        test_service_add_template(service, "host-users", "[Namespaces]\nUser=no\n");
        test_service_add_template(service, "privileged", "[Security]\nLinuxCapabilities=CAP_NET_RAW\n");
}

/* ---- by a template ---- */

#define SETID_BITS "setuid.*", "setgid.*", "abi.wide-mode*", "i386.setuid-bit"

/* What nothing but the filter refuses on a kernel that has it all. */
#define ONLY_FILTER                                                                                          \
        SETID_BITS, "privilege.filter", "abi.wide-keyctl", "clone3.plain", "fanotify.init", "i386.bpf",      \
                "i386.getpid", "i386.io-uring", "i386.keyctl", "i386.mount", "i386.socketcall",              \
                "i386.userfaultfd", "io-uring.enter", "io-uring.register", "io-uring.setup", "key.add",      \
                "key.request", "key.session", "key.user", "lsm.set", "mount.fsconfig", "mount.open-tree",    \
                "perf.self", "personality.exec", "personality.layout", "quota.fd", "quota.sync",             \
                "socket.netlink-audit", "socket.netlink-connector", "socket.netlink-diag",                   \
                "socket.netlink-generic", "socket.netlink-netfilter", "socket.netlink-selinux",              \
                "socket.netlink-xfrm", "socket.vsock", "terminal.discipline", "terminal.inject",             \
                "terminal.inject-high", "terminal.inject-high-all", "terminal.linux", "terminal.linux-high", \
                "userfaultfd.user"

static void try_template(const char *wall, const Attempt *attempt, const char *const *expected) {
        g_auto(Report) report = { NULL };

        attack_try(client, attempt, &report);
        assert_int_equal(report_count_wrong(&report, wall, expected), 0);
}

static void test_no_filter(void **state G_GNUC_UNUSED) {
        try_template("seccomp", &(Attempt){ .template_name = "no-filter", .patterns = TEST_STRV("!limit.*") },
                     TEST_STRV(ONLY_FILTER));
}

static void test_hide(void **state G_GNUC_UNUSED) {
        static const char *const folder[] = { "PROBE_HIDDEN", "/usr/share/common-licenses", NULL };
        Attempt attempt = { .template_name = "hide",
                            .environment = folder,
                            .patterns = TEST_STRV("host.hidden") };

        if (access(folder[1], F_OK) < 0)
                skip(); /* not a Debian */
        try_template("none", &attempt, TEST_STRV(NULL));
        attempt.template_name = "no-hide";
        attempt.patterns = TEST_STRV("!limit.*");
        try_template("hide", &attempt, TEST_STRV("host.hidden"));
}

static void test_no_limits(void **state G_GNUC_UNUSED) {
        try_template("limits", &(Attempt){ .template_name = "no-limits" },
                     TEST_STRV("limit.processes", "limit.threads", "limit.memory-anonymous",
                               "limit.memory-memfd", "limit.memory-shared", "limit.memory-sockets"));
}

static void test_large_upper(void **state G_GNUC_UNUSED) {
        try_template("limits of the root", &(Attempt){ .template_name = "large-upper" },
                     TEST_STRV("limit.tmp", "limit.shm"));
}

static void test_host_network(void **state G_GNUC_UNUSED) {
        try_template("network",
                     &(Attempt){ .template_name = "host-network", .patterns = TEST_STRV("!limit.*") },
                     TEST_STRV("namespace.net", "reach.abstract", "reach.loopback"));
}

static void test_host_users(void **state G_GNUC_UNUSED) {
        try_template("ids", &(Attempt){ .template_name = "host-users", .patterns = TEST_STRV("!limit.*") },
                     TEST_STRV("namespace.user", "ids.uid", "ids.gid"));
}

static void test_some_capabilities(void **state G_GNUC_UNUSED) {
        try_template("privileges",
                     &(Attempt){ .template_name = "privileged", .patterns = TEST_STRV("!limit.*") },
                     TEST_STRV("privilege.permitted", "privilege.effective", "privilege.inheritable",
                               "privilege.ambient", "privilege.bounding", "socket.raw-icmp", "socket.raw-ip",
                               "socket.raw-v6", "option.mark", "option.priority", "option.transparent"));
}

/* ---- by a change to a live sandbox ---- */

static pid_t get_leader(const char *sandbox) {
        uint32_t pid = 0;
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;

        test_expect_ok(sd_bus_get_property_trivial(test_client_get_bus(client), TEST_BUS_NAME, sandbox,
                                                   TEST_SANDBOX, "Leader", &error, 'u', &pid),
                       &error, "Leader");
        return (pid_t) pid;
}

static int proc_fd = -EBADF, sys_fd = -EBADF;

static int open_fresh(const char *type) {
        autofd int fd = fsopen(type, FSOPEN_CLOEXEC);

        if (fd < 0 || fsconfig(fd, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
                return -EBADF;
        return fsmount(fd, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
}

/* In the sandbox itself even the host's root may not mount a proc that shows more than the one that is there.
 */
static int open_unmasked(void) {
        proc_fd = open_fresh("proc");
        sys_fd = proc_fd < 0 ? -EBADF : open_fresh("sysfs");
        if (proc_fd < 0 || sys_fd < 0)
                return errno;

        /* It is the same file system as the sandbox's, which as a whole is read-only. */
        autofd int fd = fspick(sys_fd, "", FSPICK_EMPTY_PATH | FSPICK_CLOEXEC);

        return fd < 0 || fsconfig(fd, FSCONFIG_SET_FLAG, "rw", NULL, 0) < 0 ||
                               fsconfig(fd, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0) < 0
                       ? errno
                       : 0;
}

static int cover_masked(void) {
        return move_mount(proc_fd, "", AT_FDCWD, "/proc", MOVE_MOUNT_F_EMPTY_PATH) < 0 ||
                               move_mount(sys_fd, "", AT_FDCWD, "/sys", MOVE_MOUNT_F_EMPTY_PATH) < 0
                       ? errno
                       : 0;
}

static void try_changed(const char *wall, const Attempt *attempt, int (*change)(void),
                        const char *const *expected) {
        g_autofree char *sandbox = attack_create(client, attempt);
        g_auto(Report) report = { NULL };

        enter_change(get_leader(sandbox), change == cover_masked ? open_unmasked : NULL, change);
        attack_run(client, sandbox, attempt, &report);
        assert_int_equal(report_count_wrong(&report, wall, expected), 0);
}

static void test_no_masks(void **state G_GNUC_UNUSED) {
        try_changed("masks", &(Attempt){ .patterns = TEST_STRV("!limit.*") }, cover_masked,
                    TEST_STRV("proc.sys-writable", "proc.irq-writable", "proc.bus-writable",
                              "proc.fs-writable", "proc.last-pid", "proc.sysrq-writable", "sys.writable",
                              "read.*", "foreign.seen"));
}

static int mount_scratch(const char *path, unsigned long flags, const char *options) {
        return mount("tmpfs", path, "tmpfs", flags, options) < 0 ? errno : 0;
}

static int mount_without_flags(void) {
        return mount_scratch("/var/tmp", 0, "size=64k");
}

static void test_no_mount_flags(void **state G_GNUC_UNUSED) {
        try_changed("mount flags", &(Attempt){ .patterns = TEST_STRV("!limit.*") }, mount_without_flags,
                    TEST_STRV("mount.flags"));
}

static int mount_slave(void) {
        int r = mount_scratch("/var/tmp", MS_NOSUID | MS_NODEV, "size=64k");

        if (r == 0 &&
            (mount(NULL, "/var/tmp", NULL, MS_SHARED, NULL) < 0 || mkdir("/var/tmp/copy", 0755) < 0 ||
             mount("/var/tmp", "/var/tmp/copy", NULL, MS_BIND, NULL) < 0 ||
             mount(NULL, "/var/tmp/copy", NULL, MS_SLAVE, NULL) < 0))
                r = errno;
        return r;
}

static void test_propagation(void **state G_GNUC_UNUSED) {
        try_changed("propagation", &(Attempt){ .patterns = TEST_STRV("!limit.*") }, mount_slave,
                    TEST_STRV("mount.propagation"));
}

static int mount_writable_usr(void) {
        return mount_scratch("/usr/games", MS_NOSUID | MS_NODEV, "size=64k,mode=1777");
}

static void test_writable_usr(void **state G_GNUC_UNUSED) {
        if (access("/usr/games", F_OK) < 0)
                skip();
        try_changed("a read-only /usr", &(Attempt){ .patterns = TEST_STRV("!limit.*") }, mount_writable_usr,
                    TEST_STRV("write.usr-games"));
}

static int unlock_grant(void) {
        struct mount_attr clear = { .attr_clr = MOUNT_ATTR_RDONLY };

        return mount_setattr(AT_FDCWD, "/gateways/readable", 0, &clear, sizeof clear) < 0 ? errno : 0;
}

static void test_writable_grant(void **state G_GNUC_UNUSED) {
        static const char *const folder[] = { "PROBE_READABLE", "/gateways/readable", NULL };

        try_changed("a read-only grant",
                    &(Attempt){ .capabilities = TEST_STRV("attack.readable"),
                                .environment = folder,
                                .patterns = TEST_STRV("!limit.*") },
                    unlock_grant, TEST_STRV("grant.write"));
}

static int show_node(void) {
        int r = mount_scratch("/var/tmp", MS_NOSUID | MS_NOEXEC, "size=64k");

        if (r == 0 &&
            (mknod("/var/tmp/node", S_IFCHR | 0666, makedev(10, 237)) < 0 ||
             chmod("/var/tmp/node", 0666) < 0 || mknod("/dev/loop-control", S_IFREG, 0) < 0 ||
             mount("/var/tmp/node", "/dev/loop-control", NULL, MS_BIND, NULL) < 0 || umount("/var/tmp") < 0))
                r = errno;
        return r;
}

static void test_node_in_dev(void **state G_GNUC_UNUSED) {
        if (access("/dev/loop-control", F_OK) < 0)
                skip();
        /* It is seen, and the control group of devices goes on refusing it. */
        try_changed("an own /dev", &(Attempt){ .patterns = TEST_STRV("!limit.*") }, show_node,
                    TEST_STRV("device.visible"));
}

/* The list of devices as a file, as control groups of version 1 have it; NULL if it is a program here. */
static char *find_device_list(pid_t init) {
        g_autofree char *path = g_strdup_printf("/proc/%d/cgroup", (int) init), *text = NULL;
        g_auto(GStrv) lines = NULL;

        assert_true(g_file_get_contents(path, &text, NULL, NULL));
        lines = g_strsplit(text, "\n", -1);
        for (char **line = lines; **line; line++) {
                g_auto(GStrv) fields = g_strsplit(*line, ":", 3);

                if (g_str_equal(fields[1], "devices"))
                        return g_build_filename("/sys/fs/cgroup/devices", fields[2], "devices.allow", NULL);
        }
        return NULL;
}

static void test_no_device_list(void **state G_GNUC_UNUSED) {
        Attempt attempt = { .patterns = TEST_STRV("!limit.*") };
        g_autofree char *sandbox = attack_create(client, &attempt),
                        *list = find_device_list(get_leader(sandbox));
        g_auto(Report) report = { NULL };
        autofd int fd = list ? open(list, O_WRONLY | O_CLOEXEC) : -EBADF;

        if (fd < 0 || access("/dev/loop-control", F_OK) < 0)
                skip(); /* on v2 it is a BPF program, which cannot be changed from here */
        assert_int_equal(write(fd, "a", 1), 1);
        enter_change(get_leader(sandbox), NULL, show_node);
        attack_run(client, sandbox, &attempt, &report);
        assert_int_equal(
                report_count_wrong(&report, "an own /dev and the list of devices",
                                   TEST_STRV("device.visible", "device.opens", "device.loop-control")),
                0);
}

/* ---- by entering without one ---- */

/* The first outside id of its range. */
static uint32_t read_base(pid_t pid) {
        g_autofree char *path = g_strdup_printf("/proc/%d/uid_map", (int) pid), *text = NULL;
        unsigned inside, base;

        assert_true(g_file_get_contents(path, &text, NULL, NULL));
        assert_int_equal(sscanf(text, "%u %u", &inside, &base), 2);
        return base;
}

typedef struct Without {
        const char *name;
        Wall wall;
        const char *patterns[4], *expected[70];
        const char *capabilities[4];
        int (*change)(void); /* to the live sandbox beforehand */
} Without;

/* Returns how many lines are wrong. */
static unsigned try_without(const Without *without) {
        g_autofree char *sandbox = attack_create(client, &(Attempt){ .capabilities = without->capabilities }),
                        *output = NULL;
        TestRequest request = { .argv = TEST_STRV(PROBE, "--wait") };
        g_autoptr(GPtrArray) argv = g_ptr_array_new();
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        g_auto(TestProgram) program = { NULL };
        g_auto(Report) report = { NULL };

        /* A program as the service starts it, to take the filter from. */
        test_expect_ok(test_client_run(client, sandbox, &request, &program, &error), &error, "Run");
        if (without->change)
                enter_change(get_leader(sandbox), NULL, without->change);
        g_ptr_array_add(argv, (char *) (uintptr_t) PROBE);
        g_ptr_array_add(argv, (char *) (uintptr_t) "--json");
        for (const char *const *pattern = without->patterns; *pattern; pattern++)
                g_ptr_array_add(argv, (char *) (uintptr_t) *pattern);
        g_ptr_array_add(argv, NULL);

        Entry entry = { .program = (pid_t) program.pid,
                        .base = read_base((pid_t) program.pid),
                        .without = without->wall,
                        .argv = (const char *const *) argv->pdata,
                        .environment = attack_get_environment() };

        output = enter_run(&entry);
        attack_stop(client, sandbox);
        report_parse(output, &report);
        return report_count_wrong(&report, without->name, without->expected);
}

static int allow_setid(void) {
        struct mount_attr clear = { .attr_clr = MOUNT_ATTR_NOSUID };

        return mount_setattr(AT_FDCWD, "/gateways/setid", 0, &clear, sizeof clear) < 0 ? errno : 0;
}

static const Without withouts[] = {
        { "none", WALL_NONE, { "!limit.*" }, { NULL } },
        { "user namespace", WALL_USER_NS, { "!limit.*" }, { "namespace.user", "ids.uid", "ids.gid" } },
        { "net namespace",
          WALL_NET_NS,
          { "!limit.*" },
          { "namespace.net", "reach.abstract", "reach.loopback" } },
        { "ipc namespace", WALL_IPC_NS, { "!limit.*" }, { "namespace.ipc", "ipc.shared-memory" } },
        { "uts namespace", WALL_UTS_NS, { "!limit.*" }, { "namespace.uts", "uts.host-name" } },
        { "cgroup namespace", WALL_CGROUP_NS, { "!limit.*" }, { "namespace.cgroup", "cgroup.path" } },
        { "time namespace", WALL_TIME_NS, { "!limit.*" }, { "namespace.time" } },
        /* The sandbox's proc does not know us then, so what looks into /proc/self cannot be asked. */
        { "pid namespace", WALL_PID_NS, { "pid.*" }, { "pid.host" } },
        { "mount namespace",
          WALL_MOUNT_NS,
          { "host.*" },
          { "host.path", "host.runtime", "host.passwd", "host.group" } },
        { "control groups",
          WALL_CGROUP,
          { NULL },
          { "limit.processes", "limit.threads", "limit.memory-anonymous", "limit.memory-memfd",
            "limit.memory-shared", "limit.memory-sockets" } },
        { "keyring", WALL_KEYRING, { "!limit.*" }, { "key.inherited", ONLY_FILTER } },
        { "session", WALL_SESSION, { "!limit.*" }, { "session.leader", "session.terminal" } },
        { "descriptors", WALL_DESCRIPTORS, { "!limit.*" }, { "fd.leaked", "fd.escape" } },
        { "no_new_privs",
          WALL_NO_NEW_PRIVS,
          { "!limit.*" },
          { "privilege.no-new-privs", "privilege.unset" },
          .capabilities = { "attack.setid" } },
        /* One of the two is enough to keep a set-id program from being one. */
        { "no_new_privs and nosuid",
          WALL_NO_NEW_PRIVS,
          { "!limit.*" },
          { "privilege.no-new-privs", "privilege.unset", "mount.flags", "setid.program" },
          .capabilities = { "attack.setid" },
          .change = allow_setid },
        { "privileges",
          WALL_CAPABILITIES,
          { "!limit.*" },
          { "become.*", "chown.other", "foreign.*", "init.*", "option.*", "prctl.ambient", "prctl.bounding",
            "prctl.securebits", "privilege.ambient", "privilege.bounding", "privilege.capset",
            "privilege.effective", "privilege.inheritable", "privilege.permitted", "route.*",
            "setid.file-capability", "socket.raw-*" } },
        { "init's own uid",
          WALL_INIT_UID,
          { "!limit.*" },
          { "init.signal", "init.pidfd-signal", "init.rlimit" } },
};

static void test_entering_without(void **state G_GNUC_UNUSED) {
        unsigned n_wrong = 0;

        for (size_t i = 0; i < G_N_ELEMENTS(withouts); i++)
                n_wrong += try_without(&withouts[i]);
        assert_int_equal(n_wrong, 0);
}

#define wall_test(function) cmocka_unit_test_setup_teardown(function, open_client, close_client)

int main(void) {
        static const struct CMUnitTest tests[] = {
                wall_test(test_no_filter),         wall_test(test_hide),
                wall_test(test_no_limits),         wall_test(test_large_upper),
                wall_test(test_host_network),      wall_test(test_host_users),
                wall_test(test_some_capabilities), wall_test(test_no_masks),
                wall_test(test_no_mount_flags),    wall_test(test_propagation),
                wall_test(test_writable_usr),      wall_test(test_writable_grant),
                wall_test(test_node_in_dev),       wall_test(test_no_device_list),
                wall_test(test_entering_without),  cmocka_unit_test(test_nothing_is_left),
        };

        attack_host_enter();
        return test_main("walls", prepare, tests, G_N_ELEMENTS(tests));
}
