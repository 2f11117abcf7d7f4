/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a link and its rules cost, part by part, as ratios to fork+exec in the same run
 *
 * In network namespaces of its own, with the shim's own code: ten rules of the plan in both families, and a link
 * that is made, gets its addresses, and comes up. See bench/README.md.
 */
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "shim/firewall.h"
#include "shim/link.h"
#include "tests/shim/lab.h"
#include "util/cleanup.h"

#define ROUNDS  50
#define N_RULES 10

typedef enum Part {
        PART_FORK_EXEC,
        PART_FIRST_RULES,
        PART_RULES,
        PART_CHECK,
        PART_LINK_MAKE,
        PART_LINK_RAISE,
        PART_LINK_LOWER,
        PART_HOT,  /* rules, link made, raised */
        PART_WARM, /* rules, link raised that was there */
        _PART_MAX,
} Part;

static const char *const part_names[_PART_MAX] = {
        [PART_FORK_EXEC] = "fork+exec",
        [PART_FIRST_RULES] = "10 rules, the first of a namespace",
        [PART_RULES] = "10 rules",
        [PART_CHECK] = "look whether they are still there",
        [PART_LINK_MAKE] = "link: make",
        [PART_LINK_RAISE] = "link: addresses, up, routes",
        [PART_LINK_LOWER] = "link: down",
        [PART_HOT] = "link hot: rules, make, up",
        [PART_WARM] = "link waiting: rules, up",
};

static double times[_PART_MAX][ROUNDS];

static double now_usec(void) {
        struct timespec now;

        (void) clock_gettime(CLOCK_MONOTONIC, &now);
        return (double) now.tv_sec * 1e6 + (double) now.tv_nsec / 1e3;
}

static void must(int r, const Error *error) {
        if (r < 0)
                fail_msg("%s", error->message);
}

static void measure_child(unsigned round) {
        char *const argv[] = { (char *) (uintptr_t) "/bin/true", NULL };
        double begun = now_usec();
        pid_t pid;

        assert_int_equal(posix_spawn(&pid, argv[0], NULL, NULL, argv, environ), 0);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        times[PART_FORK_EXEC][round] = now_usec() - begun;
}

/* Ten rules; @extra makes them others than those before. */
static Ruleset *make_rules(const Lease *lease, unsigned extra) {
        g_autoptr(Plan) plan = lab_plan_new(PLAN_LINK_FILTER_ALL);
        g_autoptr(GHashTable) nobody = g_hash_table_new(g_str_hash, g_str_equal);

        for (unsigned i = plan_get_size(plan) - 1; i < N_RULES; i++) {
                g_autofree char *peer = g_strdup_printf("10.%u.%u.1", extra, i);

                lab_plan_add_rule(plan, PLAN_OUTGOING, PLAN_PROTOCOL_TCP, peer, "443", NULL);
        }
        return ruleset_new(plan, lease, nobody, true);
}

static double measure_rules(Firewall *firewall, const Lease *lease, unsigned extra) {
        g_auto(Error) error = ERROR_NULL;
        double begun = now_usec();

        must(firewall_commit(firewall, make_rules(lease, extra), &error), &error);
        return now_usec() - begun;
}

static void measure_link(const Lease *lease, Netlink *inside, int netns_fd, unsigned round) {
        g_autoptr(Link) link = link_new(lease, "eth0", inside, netns_fd);
        g_auto(Error) error = ERROR_NULL;
        double begun = now_usec(), made, raised;

        must(link_make(link, &error), &error);
        made = now_usec();
        must(link_raise(link, &error), &error);
        raised = now_usec();
        times[PART_LINK_MAKE][round] = made - begun;
        times[PART_LINK_RAISE][round] = raised - made;
        must(link_lower(link, &error), &error);
        times[PART_LINK_LOWER][round] = now_usec() - raised;
}

static void measure(const Lease *lease, FirewallChoice choice, int router_fd, unsigned round) {
        g_autoptr(Firewall) firewall = NULL;
        g_autoptr(Netlink) inside = NULL;
        g_auto(Error) error = ERROR_NULL;
        autofd int netns_fd = -EBADF;
        double begun;

        measure_child(round);
        assert_int_equal(unshare(CLONE_NEWNET), 0);
        netns_fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
        assert_true(netns_fd >= 0);
        must(firewall_new(choice, &firewall, &error), &error);
        times[PART_FIRST_RULES][round] = measure_rules(firewall, lease, 1);
        times[PART_RULES][round] = measure_rules(firewall, lease, 2);
        must(firewall_take_mark(firewall, &error), &error);
        begun = now_usec();
        assert_int_equal(firewall_is_intact(firewall, &error), 1);
        times[PART_CHECK][round] = now_usec() - begun;
        must(netlink_new(&inside, &error), &error);
        assert_int_equal(setns(router_fd, CLONE_NEWNET), 0);
        measure_link(lease, inside, netns_fd, round);
        times[PART_HOT][round] = times[PART_FIRST_RULES][round] + times[PART_LINK_MAKE][round] +
                                 times[PART_LINK_RAISE][round];
        times[PART_WARM][round] = times[PART_RULES][round] + times[PART_LINK_RAISE][round];
}

static int compare(const void *a, const void *b) {
        double left = *(const double *) a, right = *(const double *) b;

        return left < right ? -1 : left > right;
}

static void print(FirewallChoice choice) {
        double base;

        for (Part part = 0; part < _PART_MAX; part++)
                qsort(times[part], ROUNDS, sizeof(times[part][0]), compare);
        base = times[PART_FORK_EXEC][ROUNDS / 2];
        printf("%-36s %9s %9s %9s %12s\n", firewall_choice_to_string(choice), "p10 us", "median us", "p90 us",
               "x fork+exec");
        for (Part part = 0; part < _PART_MAX; part++)
                printf("%-36s %9.0f %9.0f %9.0f %12.2f\n", part_names[part], times[part][ROUNDS / 10],
                       times[part][ROUNDS / 2], times[part][ROUNDS * 9 / 10], times[part][ROUNDS / 2] / base);
        printf("\n");
}

static void bench(void **state G_GNUC_UNUSED) {
        Lab *lab = lab_new();

        for (FirewallChoice choice = FIREWALL_IPTABLES; choice <= FIREWALL_NFTABLES; choice++) {
                for (unsigned round = 0; round < ROUNDS; round++) {
                        Lease lease = lab_lease(round);

                        lease.firewall = choice;
                        measure(&lease, choice, lab->netns_fds[LAB_ROUTER], round);
                        (void) usleep(40 * 1000); /* nobody's teardown is measured */
                }
                print(choice);
        }
        lab_free(lab);
}

int main(void) {
        const struct CMUnitTest tests[] = { cmocka_unit_test(bench) };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
