/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "service/lease-pool.h"

static LeasePool *pool_new(const char *instance, const char *text) {
        g_autoptr(Settings) settings = settings_new();

        settings_parse(settings, "f", text);
        assert_int_equal(settings->findings->len, 0);
        return lease_pool_new(instance, settings);
}

static void take(LeasePool *pool, Lease *ret) {
        g_auto(Error) error = ERROR_NULL;

        if (lease_pool_take(pool, ret, &error) < 0)
                fail_msg("%s", error.message);
}

/* What the shim and bulkhead-net get has to pass their checks. */
static void assert_is_whole(const Lease *lease) {
        WireWriter body = WIRE_WRITER_NULL;
        WireReader reader;
        g_auto(Error) error = ERROR_NULL;
        Lease got;

        lease_put(&body, lease);
        reader = (WireReader){ .bytes = body.bytes, .size = body.size };
        if (lease_get(&reader, &got, &error) < 0)
                fail_msg("%s: %s", lease->host_link, error.message);
        assert_true(lease_is_equal(&got, lease));
        wire_writer_done(&body);
}

static void assert_is(const Lease *lease, const char *addresses, const char *gateways, const char *link,
                      const char *bridge) {
        g_auto(GStrv) texts = lease_format_addresses(lease);
        g_autofree char *text = g_strjoinv(" ", texts);
        g_autofree char *ipv4 = lease_address_format(LEASE_IPV4, &lease->nets[LEASE_IPV4].gateway);
        g_autofree char *ipv6 = lease_address_format(LEASE_IPV6, &lease->nets[LEASE_IPV6].gateway);
        g_autofree char *both = g_strdup_printf("%s %s", ipv4, ipv6);

        assert_string_equal(text, addresses);
        assert_string_equal(both, gateways);
        assert_string_equal(lease->host_link, link);
        assert_string_equal(lease->bridge, bridge);
        assert_is_whole(lease);
}

static void test_defaults(void **state G_GNUC_UNUSED) {
        g_autoptr(LeasePool) pool = pool_new("", "");
        Lease lease;

        assert_int_equal(lease_pool_get_size(pool), 65533);
        take(pool, &lease);
        assert_is(&lease, "10.197.0.2 fd6b:756c:6b68::2", "10.197.0.1 fd6b:756c:6b68::1", "bh-0", "bulkhead0");
        assert_memory_equal(lease.mac, "\x02" "b\0\0\0\0", 6);
        assert_true(lease.nets[LEASE_IPV4].resolver.is_set);
        take(pool, &lease);
        assert_is(&lease, "10.197.0.3 fd6b:756c:6b68::3", "10.197.0.1 fd6b:756c:6b68::1", "bh-1", "bulkhead0");
}

static void test_instance(void **state G_GNUC_UNUSED) {
        g_autoptr(LeasePool) pool = pool_new("01abcdef", "[Network]\nFirewall=nftables\nDNS=10.0.0.9\n");
        g_autoptr(LeasePool) named = pool_new("01abcdef", "[Network]\nBridge=mine\n");
        Lease lease = { 0 };
        uint32_t last = lease_pool_get_size(pool) - 1;

        assert_string_equal(lease_pool_get_bridge(pool), "bh01abcdef-br");
        assert_string_equal(lease_pool_get_bridge(named), "mine");
        for (uint32_t i = 0; i <= last; i++)
                take(pool, &lease);
        assert_is(&lease, "10.197.255.254 fd6b:756c:6b68::fffe", "10.197.0.1 fd6b:756c:6b68::1",
                  "bh01abcdef-fffc", "bh01abcdef-br");
        assert_memory_equal(lease.mac, "\x02" "b\xcd\xef\xff\xfc", 6);
        assert_int_equal(lease.firewall, FIREWALL_NFTABLES);
        assert_false(lease.nets[LEASE_IPV6].resolver.is_set);
        assert_true(lease_pool_take(pool, &lease, NULL) < 0);
}

static void test_one_family(void **state G_GNUC_UNUSED) {
        g_autoptr(LeasePool) only_ipv6 = pool_new("", "[Network]\nIPv4=no\nIPv6=fd00::/120\n");
        g_autoptr(LeasePool) none = pool_new("", "[Network]\nIPv4=no\nIPv6=no\n");
        g_auto(GStrv) texts = NULL;
        g_auto(Error) error = ERROR_NULL;
        Lease lease;

        assert_int_equal(lease_pool_get_size(only_ipv6), 253);
        take(only_ipv6, &lease);
        assert_is_whole(&lease);
        texts = lease_format_addresses(&lease);
        assert_int_equal(g_strv_length(texts), 1);
        assert_string_equal(texts[0], "fd00::2");
        assert_true(lease_pool_take(none, &lease, &error) < 0);
        assert_int_equal(error.code, ERROR_UNSUPPORTED);
}

/* A /29 has eight addresses: the net's, the gateway's, five of sandboxes, the broadcast's. */
static void test_exhaustion(void **state G_GNUC_UNUSED) {
        g_autoptr(LeasePool) pool = pool_new("", "[Network]\nIPv4=10.0.0.0/29\n");
        g_auto(Error) error = ERROR_NULL;
        Lease lease;

        for (uint32_t i = 0; i < 5; i++) {
                take(pool, &lease);
                assert_int_equal(lease.number, i);
        }
        assert_true(lease_pool_take(pool, &lease, &error) < 0);
        assert_int_equal(error.code, ERROR_LIMIT_REACHED);
        assert_string_equal(error.message,
                            "All 5 addresses for sandboxes are in use (IPv4= and IPv6= in [Network])");
        assert_int_equal(lease_pool_count_taken(pool), 5);
        lease_pool_give_back(pool, 3);
        lease_pool_give_back(pool, 1);
        lease_pool_give_back(pool, 1); /* is nobody's any more */
        take(pool, &lease);
        assert_int_equal(lease.number, 3);
        take(pool, &lease);
        assert_int_equal(lease.number, 1);
        assert_true(lease_pool_take(pool, &lease, NULL) < 0);
}

static void test_reserve(void **state G_GNUC_UNUSED) {
        g_autoptr(LeasePool) before = pool_new("", "");
        g_autoptr(LeasePool) pool = pool_new("", "[Network]\nIPv4=10.0.0.0/29\n");
        g_auto(Error) error = ERROR_NULL;
        Lease lease, kept = { 0 };

        for (uint32_t i = 0; i < 3; i++)
                take(before, &kept); /* number 2 */
        assert_int_equal(lease_pool_reserve(pool, &kept, NULL), 0);
        assert_true(lease_pool_reserve(pool, &kept, &error) < 0);
        assert_int_equal(error.code, ERROR_BAD_STATE);
        for (uint32_t i = 0; i < 4; i++) {
                take(pool, &lease);
                assert_int_not_equal(lease.number, 2);
        }
        assert_true(lease_pool_take(pool, &lease, NULL) < 0);
        lease_pool_give_back(pool, 2);
        take(pool, &lease);
        assert_int_equal(lease.number, 2);

        /* from a larger pool of other settings: counted, never given out here */
        kept.number = 500;
        assert_int_equal(lease_pool_reserve(pool, &kept, NULL), 0);
        lease_pool_give_back(pool, 500);
        assert_true(lease_pool_take(pool, &lease, NULL) < 0);
        kept.number = LEASES_MAX;
        assert_true(lease_pool_reserve(pool, &kept, NULL) < 0);
}

/* One that was given back before it was reserved must not come out of the queue. */
static void test_reserve_given_back(void **state G_GNUC_UNUSED) {
        g_autoptr(LeasePool) pool = pool_new("", "[Network]\nIPv4=10.0.0.0/29\n");
        Lease lease, first;

        take(pool, &first);
        for (uint32_t i = 1; i < 5; i++)
                take(pool, &lease);
        lease_pool_give_back(pool, first.number);
        assert_int_equal(lease_pool_reserve(pool, &first, NULL), 0);
        assert_true(lease_pool_take(pool, &lease, NULL) < 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_defaults),   cmocka_unit_test(test_instance),
                cmocka_unit_test(test_one_family), cmocka_unit_test(test_exhaustion),
                cmocka_unit_test(test_reserve),    cmocka_unit_test(test_reserve_given_back),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
