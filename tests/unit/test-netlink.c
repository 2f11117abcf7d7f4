/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Each test runs in a child with a network namespace of its own, which takes everything away with it. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "util/cleanup.h"
#include "util/netlink.h"

#define SKIPPED 77

/* For children: says where it failed, and ends the child. */
#define check(condition)                                                                                     \
        do {                                                                                                 \
                if (!(condition)) {                                                                          \
                        print_message("line %d: " #condition "\n", __LINE__);                                \
                        _exit(1);                                                                            \
                }                                                                                            \
        } while (false)

/* The same for our calls, with their reason. */
#define check_done(call)                                                                                     \
        do {                                                                                                 \
                g_auto(Error) error = ERROR_NULL;                                                            \
                if ((call) < 0) {                                                                            \
                        print_message("line %d: %s\n", __LINE__, error.message);                             \
                        _exit(1);                                                                            \
                }                                                                                            \
        } while (false)

static void run_in_child(void (*body)(void)) {
        int status = 0;
        pid_t child;

        if (geteuid() != 0) {
                print_message("Skipped: a network namespace needs root\n");
                skip();
        }
        child = fork();
        assert_true(child >= 0);
        if (child == 0) {
                if (unshare(CLONE_NEWNET) < 0)
                        _exit(SKIPPED);
                body();
                _exit(0);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status));
        if (WEXITSTATUS(status) == SKIPPED) {
                print_message("Skipped: no network namespace, or no veth or bridge, to be had here\n");
                skip();
        }
        assert_int_equal(WEXITSTATUS(status), 0);
}

static bool is_up(const char *name) {
        autofd int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        struct ifreq request = { 0 };

        (void) g_strlcpy(request.ifr_name, name, sizeof(request.ifr_name));
        check(fd >= 0 && ioctl(fd, SIOCGIFFLAGS, &request) == 0);
        return request.ifr_flags & IFF_UP;
}

/* Can a socket be bound to it? Only if it is ours. */
static bool has_address(int family, const char *text) {
        struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
        struct sockaddr_in v4 = { .sin_family = AF_INET };
        autofd int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

        check(fd >= 0);
        check(inet_pton(family, text, family == AF_INET ? (void *) &v4.sin_addr : (void *) &v6.sin6_addr) ==
              1);
        return bind(fd, family == AF_INET ? (void *) &v4 : (void *) &v6,
                    family == AF_INET ? sizeof(v4) : sizeof(v6)) == 0;
}

/* sysfs shows the namespace that it was mounted in: ours is mounted anew, where nobody else sees it. */
static int read_port(const char *name, const char *setting) {
        char path[128], digit = 0;
        autofd int fd = -EBADF;

        (void) snprintf(path, sizeof(path), "/sys/class/net/%s/brport/%s", name, setting);
        if (access(path, F_OK) < 0 &&
            (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
             mount("sysfs", "/sys", "sysfs", 0, NULL) < 0))
                _exit(SKIPPED);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        check(fd >= 0 && read(fd, &digit, 1) == 1);
        return digit - '0';
}

/* connect(2) of a datagram socket looks up the route and sends nothing. */
static int look_up_route(int family, const char *text) {
        struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(9) };
        struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(9) };
        autofd int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

        check(fd >= 0);
        check(inet_pton(family, text, family == AF_INET ? (void *) &v4.sin_addr : (void *) &v6.sin6_addr) ==
              1);
        if (connect(fd, family == AF_INET ? (void *) &v4 : (void *) &v6,
                    family == AF_INET ? sizeof(v4) : sizeof(v6)) < 0)
                return -errno;
        return 0;
}

static Netlink *open_netlink(void) {
        Netlink *netlink = NULL;

        check_done(netlink_new(&netlink, &error));
        return netlink;
}

static unsigned find(Netlink *netlink, const char *name) {
        unsigned index = 0;

        check_done(netlink_link_find(netlink, name, &index, &error));
        check(index != 0);
        return index;
}

static int create_veth(Netlink *netlink, const char *name, unsigned master, const char *peer_name, int peer_fd,
                       Error *error) {
        static const uint8_t address[] = { 2, 0, 0, 0, 0, 5 };
        const NetlinkVeth veth = { .name = name,
                                   .master_index = master,
                                   .peer_name = peer_name,
                                   .peer_netns_fd = peer_fd,
                                   .peer_address = address,
                                   .mtu = 1400 };

        return netlink_veth_create(netlink, &veth, error);
}

/* Makes the pair "host" and "peer", the peer in another namespace (returned), or ends the child with SKIPPED.
 */
static int make_pair(Netlink *netlink, unsigned bridge) {
        g_auto(Error) error = ERROR_NULL;
        int own_fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
        int peer_fd;

        check(own_fd >= 0);
        check(unshare(CLONE_NEWNET) == 0);
        peer_fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
        check(peer_fd >= 0);
        check(setns(own_fd, CLONE_NEWNET) == 0);
        (void) fd_close(own_fd);
        if (create_veth(netlink, "host", bridge, "peer", peer_fd, &error) < 0) {
                print_message("%s\n", error.message);
                _exit(error.errnum == EOPNOTSUPP ? SKIPPED : 1);
        }
        return peer_fd;
}

static void lo_up(void) {
        g_autoptr(Netlink) netlink = open_netlink();
        unsigned index = find(netlink, "lo");

        check(!is_up("lo"));
        check_done(netlink_link_set_up(netlink, index, true, &error));
        check(is_up("lo"));
        check(has_address(AF_INET, "127.0.0.1"));
        check_done(netlink_link_set_up(netlink, index, true, &error));
        check_done(netlink_link_set_up(netlink, index, false, &error));
        check(!is_up("lo"));
}

static void test_lo_up(void **state G_GNUC_UNUSED) {
        run_in_child(lo_up);
}

static void refusals(void) {
        static const uint8_t address[4] = { 10, 0, 0, 1 };
        static const char *const bad_names[] = { "", "a-name-that-is-16" };
        g_autoptr(Netlink) netlink = open_netlink();
        g_auto(Error) missing = ERROR_NULL, no_link = ERROR_NULL, no_route = ERROR_NULL, family = ERROR_NULL,
                      prefix = ERROR_NULL, family_route = ERROR_NULL, default_route = ERROR_NULL;
        unsigned index = 0;

        for (size_t i = 0; i < G_N_ELEMENTS(bad_names); i++) {
                g_auto(Error) bad = ERROR_NULL;

                check(netlink_link_find(netlink, bad_names[i], &index, &bad) == -EINVAL);
                check(bad.code == ERROR_INVALID_ARGS);
                check(create_veth(netlink, bad_names[i], 0, "b", -EBADF, NULL) == -EINVAL);
                check(create_veth(netlink, "a", 0, bad_names[i], -EBADF, NULL) == -EINVAL);
                check(netlink_bridge_create(netlink, bad_names[i], NULL) == -EINVAL);
        }
        check(netlink_link_find(netlink, "nothing", &index, &missing) == -ENODEV);
        check(strstr(missing.message, "'nothing'") != NULL);
        check(index == 0);
        check(netlink_link_set_up(netlink, 4242, true, &no_link) == -ENODEV);
        check(netlink_link_set_master(netlink, 4242, 1, NULL) == -ENODEV);
        check(netlink_link_destroy(netlink, 4242, NULL) == -ENODEV);
        check(netlink_link_destroy(netlink, 0, NULL) < 0);
        check(netlink_address_add(netlink, 4242, AF_INET, address, 24, NULL) == -ENODEV);
        check(netlink_address_add(netlink, 1, AF_UNIX, address, 24, &family) == -EINVAL);
        check(netlink_address_add(netlink, 1, AF_INET, address, 33, &prefix) == -EINVAL);
        check(netlink_route_add(netlink, 1, AF_UNIX, NULL, 0, NULL, &family_route) == -EINVAL);
        check(netlink_route_add(netlink, 1, AF_INET, NULL, 8, address, &default_route) == -EINVAL);
        check(family.message && prefix.message && family_route.message && default_route.message);
        /* a next hop that nobody can reach: the kernel's own sentence comes along */
        check(netlink_route_add(netlink, 1, AF_INET, NULL, 0, address, &no_route) < 0);
        check(strchr(no_route.message, '(') != NULL);
        print_message("%s\n%s\n", missing.message, no_route.message);
}

static void test_refusals(void **state G_GNUC_UNUSED) {
        run_in_child(refusals);
}

/* A cable into another namespace, addresses, routes: one end reaches the other. */
static void pair(void) {
        static const uint8_t host_v4[4] = { 10, 9, 0, 1 }, peer_v4[4] = { 10, 9, 0, 2 },
                             far_v4[4] = { 10, 77, 0, 0 };
        static const uint8_t host_v6[16] = { 0xfd, [15] = 1 }, peer_v6[16] = { 0xfd, [15] = 2 };
        g_autoptr(Netlink) netlink = open_netlink(), inside = NULL;
        int peer_fd = make_pair(netlink, 0);
        unsigned host = find(netlink, "host"), peer, index = 0;
        g_auto(Error) twice = ERROR_NULL;

        check(netlink_link_find(netlink, "peer", &index, NULL) == -ENODEV);
        check(!is_up("host"));
        check(create_veth(netlink, "host", 0, "peer2", peer_fd, &twice) == -EEXIST);
        check(twice.message != NULL);
        check_done(netlink_address_add(netlink, host, AF_INET, host_v4, 24, &error));
        check(netlink_address_add(netlink, host, AF_INET, host_v4, 24, NULL) == -EEXIST);
        check_done(netlink_link_set_up(netlink, host, true, &error));
        check_done(netlink_address_add(netlink, host, AF_INET6, host_v6, 64, &error));
        check(has_address(AF_INET, "10.9.0.1"));
        check(has_address(AF_INET6, "fd00::1"));

        check(setns(peer_fd, CLONE_NEWNET) == 0);
        inside = open_netlink();
        peer = find(inside, "peer");
        check(!is_up("peer"));
        check_done(netlink_address_add(inside, peer, AF_INET, peer_v4, 24, &error));
        check_done(netlink_link_set_up(inside, peer, true, &error));
        check_done(netlink_address_add(inside, peer, AF_INET6, peer_v6, 64, &error));
        check(look_up_route(AF_INET, "10.77.1.1") == -ENETUNREACH);
        check_done(netlink_route_add(inside, peer, AF_INET, far_v4, 16, host_v4, &error));
        check(look_up_route(AF_INET, "10.77.1.1") == 0);
        check(look_up_route(AF_INET, "10.78.1.1") == -ENETUNREACH);
        check_done(netlink_route_add(inside, peer, AF_INET, NULL, 0, host_v4, &error));
        check(look_up_route(AF_INET, "10.78.1.1") == 0);
        check(netlink_route_add(inside, peer, AF_INET, NULL, 0, host_v4, NULL) == -EEXIST);
        check(look_up_route(AF_INET6, "fd11::1") == -ENETUNREACH);
        check_done(netlink_route_add(inside, peer, AF_INET6, NULL, 0, host_v6, &error));
        check(look_up_route(AF_INET6, "fd11::1") == 0);
        (void) fd_close(peer_fd);

        /* the first socket is still in its own namespace; one end takes the other with it */
        check_done(netlink_link_destroy(netlink, host, &error));
        check(netlink_link_find(inside, "peer", &index, NULL) == -ENODEV);
        check(netlink_link_destroy(netlink, host, NULL) == -ENODEV);
}

static void test_pair(void **state G_GNUC_UNUSED) {
        run_in_child(pair);
}

/* Which bridge a link is on, 0 = none, as sysfs of this namespace would say; read with the kernel's own
 * ioctl. */
static unsigned count_on_bridge(const char *bridge) {
        autofd int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        int indices[64] = { 0 };
        unsigned long arguments[4] = { 7 /* BRCTL_GET_PORT_LIST */, (unsigned long) indices, 64, 0 };
        struct ifreq request = { .ifr_data = (void *) arguments };
        unsigned n = 0;

        (void) g_strlcpy(request.ifr_name, bridge, sizeof(request.ifr_name));
        check(fd >= 0 && ioctl(fd, SIOCDEVPRIVATE, &request) >= 0);
        for (size_t i = 0; i < G_N_ELEMENTS(indices); i++)
                n += indices[i] != 0;
        return n;
}

static void bridge(void) {
        g_autoptr(Netlink) netlink = open_netlink();
        g_auto(Error) error = ERROR_NULL, no_bridge = ERROR_NULL;
        unsigned bridge_index, host;

        if (netlink_bridge_create(netlink, "br", &error) < 0) {
                print_message("%s\n", error.message);
                _exit(error.errnum == EOPNOTSUPP ? SKIPPED : 1);
        }
        check(netlink_bridge_create(netlink, "br", NULL) == -EEXIST);
        bridge_index = find(netlink, "br");
        check(count_on_bridge("br") == 0);
        (void) fd_close(make_pair(netlink, bridge_index));
        host = find(netlink, "host");
        check(count_on_bridge("br") == 1);
        check(netlink_link_set_master(netlink, host, 0, NULL) == 0);
        check(count_on_bridge("br") == 0);
        check(netlink_link_set_master(netlink, host, bridge_index, NULL) == 0);
        check(count_on_bridge("br") == 1);
        check(netlink_link_set_master(netlink, host, find(netlink, "lo"), &no_bridge) < 0);
        check(no_bridge.message != NULL);
}

static void test_bridge(void **state G_GNUC_UNUSED) {
        run_in_child(bridge);
}

/* A port with all that can be said of it; what is no bridge, and no port. */
static void port(void) {
        static const uint8_t station[] = { 2, 0, 0, 0, 0, 5 };
        const NetlinkPortFlags all = NETLINK_PORT_ISOLATED | NETLINK_PORT_LOCKED | NETLINK_PORT_NO_LEARNING |
                                     NETLINK_PORT_NO_FLOOD | NETLINK_PORT_NO_BPDU;
        g_autoptr(Netlink) netlink = open_netlink();
        g_auto(Error) no_links = ERROR_NULL, no_bridge = ERROR_NULL;
        unsigned bridge_index = 0, index, none = 0;

        if (netlink_bridge_create(netlink, "br", &no_links) < 0)
                _exit(no_links.errnum == EOPNOTSUPP ? SKIPPED : 1);
        check_done(netlink_bridge_find(netlink, "br", &bridge_index, &error));
        check(bridge_index == find(netlink, "br"));
        (void) fd_close(make_pair(netlink, bridge_index));
        index = find(netlink, "host");
        check_done(netlink_port_set_flags(netlink, index, all, &error));
        check_done(netlink_port_add_station(netlink, index, station, &error));
        check_done(netlink_port_add_station(netlink, index, station, &error));
        check(read_port("host", "isolated") == 1 && read_port("host", "learning") == 0);
        check(read_port("host", "unicast_flood") == 0 && read_port("host", "bpdu_guard") == 1);
        check_done(netlink_port_set_flags(netlink, index, 0, &error));
        check(read_port("host", "isolated") == 0 && read_port("host", "learning") == 1);

        check(netlink_bridge_find(netlink, "host", &none, &no_bridge) == -EINVAL);
        check(no_bridge.message != NULL && strstr(no_bridge.message, "'host' is no bridge") != NULL);
        check(netlink_bridge_find(netlink, "nobody", &none, NULL) == -ENODEV);
        check(netlink_port_set_flags(netlink, find(netlink, "lo"), all, NULL) < 0);
        check(netlink_port_add_station(netlink, find(netlink, "lo"), station, NULL) < 0);
}

static void test_port(void **state G_GNUC_UNUSED) {
        run_in_child(port);
}

/* A peer in our own namespace, and a namespace that is none. */
static void same_namespace(void) {
        g_autoptr(Netlink) netlink = open_netlink();
        g_auto(Error) error = ERROR_NULL, no_namespace = ERROR_NULL;
        autofd int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        unsigned index = 0;

        if (create_veth(netlink, "a", 0, "b", -EBADF, &error) < 0)
                _exit(error.errnum == EOPNOTSUPP ? SKIPPED : 1);
        check(find(netlink, "a") != find(netlink, "b"));
        check(create_veth(netlink, "c", 0, "d", null_fd, &no_namespace) == -EINVAL);
        check(netlink_link_find(netlink, "c", &index, NULL) == -ENODEV);
}

static void test_same_namespace(void **state G_GNUC_UNUSED) {
        run_in_child(same_namespace);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_lo_up),          cmocka_unit_test(test_refusals),
                cmocka_unit_test(test_pair),           cmocka_unit_test(test_bridge),
                cmocka_unit_test(test_same_namespace), cmocka_unit_test(test_port),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
