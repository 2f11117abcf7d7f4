/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * doctor: is this machine fit for sandboxes, what is missing, and how to get it
 *
 * Each check asks the kernel or the file system, changes nothing, and says in one line what it found.
 */
#include <netinet/in.h> /* before the kernel's, which then leave out what both declare */

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <grp.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netlink.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/bus.h"
#include "cli/doctor-private.h"
#include "cli/doctor.h"
#include "cli/options.h"
#include "cli/output.h"
#include "util/cgroup.h"
#include "util/cleanup.h"
#include "util/netlink.h"

static const char *const fitness_names[_FITNESS_MAX] = { "ok", "limited", "missing" };

struct Doctor {
        Cli *cli;
        const Places *places;
        json_t *checks; /* of {name, result, text, advice} */
        Table *table;
        Fitness worst;
};

void doctor_tell(Doctor *doctor, const char *name, Fitness fitness, char *text, const char *advice) {
        if (fitness == FITNESS_OK)
                advice = NULL;
        doctor->worst = MAX(doctor->worst, fitness);
        json_array_append_new(doctor->checks,
                              json_pack("{s:s, s:s, s:s, s:s?}", "name", name, "result",
                                        fitness_names[fitness], "text", text, "advice", advice));
        table_add(doctor->table, (const char *const[]){ name, fitness_names[fitness], text });
        g_free(text);
}

const Places *doctor_get_places(const Doctor *doctor) {
        return doctor->places;
}

static bool file_has_word(const char *path, const char *word) {
        g_autofree char *text = NULL;
        g_auto(GStrv) words = NULL;

        if (!g_file_get_contents(path, &text, NULL, NULL))
                return false;
        words = g_strsplit_set(text, " \t\n", -1);
        return g_strv_contains((const char *const *) words, word);
}

/* Loaded, built in, or there to be loaded: modules.builtin(5) and modules.dep(5) list "kernel/.../NAME.ko".
 */
static bool module_is_there(const char *name) {
        static const char *const lists[] = { "modules.builtin", "modules.dep" };
        g_autofree char *loaded = g_strdup_printf("/sys/module/%s", name),
                        *needle = g_strdup_printf("/%s.ko", name);
        struct utsname host;

        if (access(loaded, F_OK) == 0)
                return true;
        if (uname(&host) < 0)
                return false;
        for (size_t i = 0; i < G_N_ELEMENTS(lists); i++) {
                g_autofree char *path = g_build_filename("/lib/modules", host.release, lists[i], NULL),
                                *text = NULL;

                if (g_file_get_contents(path, &text, NULL, NULL) && strstr(text, needle))
                        return true;
        }
        return false;
}

/* ---- the kernel ---- */

static void check_kernel(Doctor *doctor) {
        struct utsname host = { 0 };
        unsigned major = 0, minor = 0;

        (void) uname(&host);
        (void) sscanf(host.release, "%u.%u", &major, &minor);
        doctor_tell(doctor, "kernel", major > 5 || (major == 5 && minor >= 12) ? FITNESS_OK : FITNESS_LIMITED,
                    g_strdup_printf("Linux %s", host.release),
                    "files are shown through idmapped mounts from 5.12 on");
}

int doctor_try_inside(int flags, int (*attempt)(void)) {
        int status;
        pid_t pid = fork();

        if (pid == 0) {
                if (unshare(flags) < 0)
                        _exit(errno & 0xff);
                _exit(attempt ? attempt() & 0xff : 0);
        }
        if (pid < 0 || waitpid(pid, &status, 0) != pid)
                return -errno;
        return WIFEXITED(status) ? -WEXITSTATUS(status) : -EIO;
}

static void check_namespaces(Doctor *doctor) {
        int r = doctor_try_inside(CLONE_NEWUSER, NULL);

        doctor_tell(
                doctor, "user namespaces", r < 0 ? FITNESS_MISSING : FITNESS_OK,
                r < 0 ? g_strdup_printf("cannot be made: %s", g_strerror(-r)) : g_strdup("can be made"),
                "CONFIG_USER_NS=y, and user.max_user_namespaces and kernel.unprivileged_userns_clone above 0 "
                "(sysctl)");
        r = doctor_try_inside(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC |
                                      CLONE_NEWUTS | CLONE_NEWCGROUP,
                              NULL);
        doctor_tell(doctor, "other namespaces", r < 0 ? FITNESS_MISSING : FITNESS_OK,
                    r < 0 ? g_strdup_printf("mount, pid, network, ipc, uts and cgroup together: %s",
                                            g_strerror(-r))
                          : g_strdup("mount, pid, network, ipc, uts, cgroup"),
                    "CONFIG_NAMESPACES=y with all below it");
}

static void check_mounts(Doctor *doctor) {
        bool has_overlay = file_has_word("/proc/filesystems", "overlay") || module_is_there("overlay");

        doctor_tell(doctor, "overlayfs", has_overlay ? FITNESS_OK : FITNESS_MISSING,
                    g_strdup(has_overlay ? "is there" : "is neither in the kernel nor a module of it"),
                    "CONFIG_OVERLAY_FS, and the package with the modules of the kernel that runs");
}

static void check_cgroups(Doctor *doctor) {
        static const char *const needed[] = { "memory", "pids" };
        g_autoptr(CgroupHost) host = NULL;
        g_auto(Error) error = ERROR_NULL;
        g_autoptr(GString) missing = g_string_new(NULL);

        if (cgroup_host_new("/proc/self/mountinfo", "/proc/self/cgroup", &host, &error) < 0) {
                doctor_tell(doctor, "control groups", FITNESS_MISSING, g_strdup(error.message),
                            "mount them: systemd does, elsewhere the package cgroupfs-mount");
                return;
        }
        for (size_t i = 0; i < G_N_ELEMENTS(needed); i++)
                if (!cgroup_host_has_controller(host, needed[i]))
                        g_string_append_printf(missing, " %s", needed[i]);
        doctor_tell(
                doctor, "control groups", missing->len > 0 ? FITNESS_MISSING : FITNESS_OK,
                g_strdup_printf("layout %s%s%s", cgroup_layout_to_string(cgroup_host_get_layout(host)),
                                missing->len > 0 ? ", without" : ", memory and pids are there", missing->str),
                "CONFIG_MEMCG=y, CONFIG_CGROUP_PIDS=y; some boards need cgroup_enable=memory on the kernel's "
                "command line");
}

/* ---- the network: tried in a namespace of its own, since what is built in has no other trace ---- */

static int make_links(void) {
        const NetlinkVeth veth = { .name = "veth0", .peer_name = "veth1", .peer_netns_fd = -EBADF };
        g_autoptr(Netlink) netlink = NULL;

        return netlink_new(&netlink, NULL) < 0 || netlink_bridge_create(netlink, "bridge0", NULL) < 0 ||
                               netlink_veth_create(netlink, &veth, NULL) < 0
                       ? EOPNOTSUPP
                       : 0;
}

/* As iptables-legacy does; loads the module if there is one. */
static int ask_iptables(void) {
        struct ipt_getinfo filter = { .name = "filter" };
        socklen_t size = sizeof(filter);
        autofd int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);

        return fd < 0 || getsockopt(fd, SOL_IP, IPT_SO_GET_INFO, &filter, &size) < 0 ? errno : 0;
}

/* Its generation is what every program of nftables asks for first. */
static int ask_nftables(void) {
        struct {
                struct nlmsghdr header;
                struct nfgenmsg body;
        } question = {
                .header = { .nlmsg_len = sizeof(question),
                            .nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETGEN,
                            .nlmsg_flags = NLM_F_REQUEST },
                .body = { .nfgen_family = AF_UNSPEC, .version = NFNETLINK_V0 },
        };
        char answer[1024];
        const struct nlmsghdr *header = (const struct nlmsghdr *) answer;
        autofd int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
        ssize_t n;

        if (fd < 0 || send(fd, &question, sizeof(question), 0) < 0)
                return errno;
        n = recv(fd, answer, sizeof(answer), 0);
        return n < (ssize_t) sizeof(*header) || header->nlmsg_type == NLMSG_ERROR ? EOPNOTSUPP : 0;
}

static void check_network(Doctor *doctor) {
        int flags = CLONE_NEWUSER | CLONE_NEWNET;
        bool has_links = doctor_try_inside(flags, make_links) == 0;
        bool has_iptables = doctor_try_inside(flags, ask_iptables) == 0;
        bool has_nftables = doctor_try_inside(flags, ask_nftables) == 0;

        doctor_tell(doctor, "network links", has_links ? FITNESS_OK : FITNESS_LIMITED,
                    g_strdup(has_links ? "veth and bridge can be made" : "veth or bridge cannot be made"),
                    "CONFIG_VETH, CONFIG_BRIDGE; without them no sandbox has a network");
        doctor_tell(doctor, "firewall", has_iptables || has_nftables ? FITNESS_OK : FITNESS_LIMITED,
                    g_strdup(has_iptables && has_nftables ? "iptables and nftables"
                             : has_iptables               ? "iptables"
                             : has_nftables               ? "nftables"
                                                          : "neither iptables nor nftables in the kernel"),
                    "CONFIG_IP_NF_IPTABLES or CONFIG_NF_TABLES; without them no sandbox has a network");
}

/* ---- what is installed ---- */

static void check_liblxc(Doctor *doctor) {
        void *library = dlopen("liblxc.so.1", RTLD_LAZY | RTLD_LOCAL);
        const char *(*get_version)(void) = NULL;

        if (library)
                *(void **) &get_version = dlsym(library, "lxc_get_version");
        doctor_tell(doctor, "liblxc", get_version ? FITNESS_OK : FITNESS_MISSING,
                    get_version ? g_strdup_printf("version %s", get_version())
                                : g_strdup("liblxc.so.1 cannot be loaded"),
                    "Debian: apt-get install liblxc1");
        if (library)
                (void) dlclose(library);
}

static void check_helpers(Doctor *doctor) {
        static const char *const names[] = { "bulkhead-shim", "bulkhead-init" };
        g_autoptr(GString) missing = g_string_new(NULL);

        for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
                g_autofree char *path = g_build_filename(doctor->places->helper_folder, names[i], NULL);

                if (access(path, X_OK) < 0)
                        g_string_append_printf(missing, " %s", path);
        }
        doctor_tell(doctor, "helpers", missing->len > 0 ? FITNESS_MISSING : FITNESS_OK,
                    missing->len > 0 ? g_strdup_printf("not there or not to be executed:%s", missing->str)
                                     : g_strdup_printf("in %s", doctor->places->helper_folder),
                    "install the package bulkhead again");
}

static void check_group(Doctor *doctor) {
        bool has = getgrnam("bulkhead") != NULL;

        doctor_tell(
                doctor, "group", has ? FITNESS_OK : FITNESS_LIMITED,
                g_strdup(has ? "bulkhead is there" : "there is no group 'bulkhead'"),
                "systemd-sysusers, or groupadd --system bulkhead; without it only root may call the service");
}

/* ---- the service ---- */

static bool service_is_activatable(Cli *cli) {
        g_autoptr(sd_bus_message) reply = NULL;
        g_auto(GStrv) names = NULL;

        if (sd_bus_call_method(bulkhead_get_bus(cli->service), "org.freedesktop.DBus",
                               "/org/freedesktop/DBus", "org.freedesktop.DBus", "ListActivatableNames", NULL,
                               &reply, "") < 0 ||
            sd_bus_message_read_strv(reply, &names) < 0)
                return false;
        return names && g_strv_contains((const char *const *) names, BUS_NAME);
}

static void check_service(Doctor *doctor) {
        char *text = NULL;

        if (!bus_has_service(doctor->cli)) {
                bool can_start = doctor->cli->service && service_is_activatable(doctor->cli);

                doctor_tell(doctor, "service", can_start ? FITNESS_OK : FITNESS_LIMITED,
                            g_strdup_printf("does not run on the bus '%s'%s", doctor->cli->address,
                                            can_start ? ", and is started when it is called" : ""),
                            "systemctl start bulkhead; or say with --bus where it is");
                return;
        }
        if (sd_bus_get_property_string(bulkhead_get_bus(doctor->cli->service), BUS_NAME, BUS_PATH,
                                       BUS_MANAGER_INTERFACE, "Version", NULL, &text) < 0)
                doctor_tell(doctor, "service", FITNESS_LIMITED, g_strdup("runs, and does not answer you"),
                            "be root or a member of group 'bulkhead'");
        else
                doctor_tell(doctor, "service", FITNESS_OK, g_strdup_printf("version %s answers", text), NULL);
        free(text);
}

static Colour fitness_colour(const char *text) {
        if (strcmp(text, "ok") == 0)
                return COLOUR_GREEN;
        return strcmp(text, "missing") == 0 ? COLOUR_RED : COLOUR_YELLOW;
}

static void print_advice(const json_t *checks) {
        json_t *check;
        size_t i;

        json_array_foreach(checks, i, check) {
                const char *advice = json_string_value(json_object_get(check, "advice"));

                if (advice)
                        printf("\nTo do for '%s': %s.\n", json_string_value(json_object_get(check, "name")),
                               advice);
        }
}

static int doctor_look(Cli *cli, const Places *places) {
        static void (*const checks[])(Doctor *) = {
                check_kernel,  check_namespaces, check_mounts,  check_cgroups, doctor_check_walls,
                check_network, check_liblxc,     check_helpers, check_group,   check_service,
        };
        static const char *const titles[] = { "CHECK", "RESULT", "FOUND", NULL };
        g_autoptr(Table) table = table_new(titles);
        Doctor doctor = { .cli = cli, .places = places, .checks = json_array(), .table = table };

        for (size_t i = 0; i < G_N_ELEMENTS(checks); i++)
                checks[i](&doctor);
        if (cli->json)
                output_json(json_pack("{s:b, s:O}", "fit", doctor.worst != FITNESS_MISSING, "checks",
                                      doctor.checks),
                            stdout);
        else {
                table_set_colour(table, 1, fitness_colour);
                table_print(table, stdout, !cli->quiet);
                print_advice(doctor.checks);
        }
        json_decref(doctor.checks);
        return doctor.worst == FITNESS_MISSING ? EXIT_FAILURE : EXIT_SUCCESS;
}

int verb_doctor(Cli *cli, int argc, char **argv) {
        static const struct option own[] = { { "leaks", no_argument, NULL, 'l' },
                                             { "fix", no_argument, NULL, 'f' },
                                             {} };
        g_autoptr(Places) places = NULL;
        g_auto(Error) error = ERROR_NULL;
        bool leaks = false, fix = false;
        int c;

        options_begin();
        while ((c = options_next(cli, argc, argv, "", own)) != OPTIONS_END) {
                if (c == OPTIONS_HELP) {
                        options_print_help(cli->verb);
                        return EXIT_SUCCESS;
                }
                if (c != 'l' && c != 'f')
                        return EXIT_USAGE;
                leaks |= c == 'l';
                fix |= c == 'f';
        }
        if (optind < argc)
                return options_usage(cli, "'%s' is too much", argv[optind]);
        if (fix && !leaks)
                return options_usage(cli, "'--fix' goes with '--leaks'");
        if (places_new(cli->root, &places, &error) < 0) {
                output_error("%s", error.message);
                return EXIT_FAILURE;
        }
        return leaks ? doctor_find_leaks(cli, places, fix) : doctor_look(cli, places);
}
