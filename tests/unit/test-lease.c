/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "plan/lease.h"
#include "tests/unit/bodies.h"

static int read_lease(WireReader *reader, Error *error) {
        Lease lease;

        return lease_get(reader, &lease, error);
}

static void set(LeaseFamily family, LeaseAddress *address, const char *text) {
        assert_int_equal(lease_address_parse(family, text, address), 0);
}

static Lease sample(void) {
        Lease lease = { .number = 5, .mac = { 2, 'b', 0, 0, 0, 5 }, .mtu = 1500, .firewall = FIREWALL_IPTABLES };

        lease.nets[LEASE_IPV4].prefix = 16;
        set(LEASE_IPV4, &lease.nets[LEASE_IPV4].address, "10.197.0.7");
        set(LEASE_IPV4, &lease.nets[LEASE_IPV4].gateway, "10.197.0.1");
        set(LEASE_IPV4, &lease.nets[LEASE_IPV4].resolver, "8.8.8.8");
        lease.nets[LEASE_IPV6].prefix = 64;
        set(LEASE_IPV6, &lease.nets[LEASE_IPV6].address, "fd6b::7");
        set(LEASE_IPV6, &lease.nets[LEASE_IPV6].gateway, "fd6b::1");
        (void) g_strlcpy(lease.bridge, "bulkhead0", sizeof(lease.bridge));
        (void) g_strlcpy(lease.host_link, "bh-5", sizeof(lease.host_link));
        return lease;
}

static void test_round_trip(void **state G_GNUC_UNUSED) {
        WireWriter body = WIRE_WRITER_NULL;
        Lease lease = sample(), got, other;
        WireReader reader;

        lease_put(&body, &lease);
        wire_put_string(&body, "a newer field");
        reader = (WireReader){ .bytes = body.bytes, .size = body.size };
        assert_int_equal(lease_get(&reader, &got, NULL), 0);
        assert_true(lease_is_equal(&got, &lease));
        other = got;
        other.nets[LEASE_IPV6].address.bytes[15] = 8;
        assert_false(lease_is_equal(&other, &lease));
        wire_writer_done(&body);
}

static void test_prefixes_and_flips(void **state G_GNUC_UNUSED) {
        WireWriter body = WIRE_WRITER_NULL;
        Lease lease = sample();

        lease_put(&body, &lease);
        assert_prefixes_are_refused(&body, read_lease);
        assert_flips_are_survived(&body, read_lease);
        wire_writer_done(&body);
}

#define CHANGE(name, statement)                                                                              \
        static void name(Lease *lease) {                                                                     \
                statement;                                                                                   \
        }

CHANGE(no_address, memset(lease->nets, 0, sizeof(lease->nets)))
CHANGE(number, lease->number = LEASES_MAX)
CHANGE(prefix, lease->nets[LEASE_IPV4].prefix = 31)
CHANGE(no_prefix, lease->nets[LEASE_IPV4].prefix = 0)
CHANGE(no_gateway, lease->nets[LEASE_IPV6].gateway.is_set = false)
CHANGE(far_gateway, set(LEASE_IPV4, &lease->nets[LEASE_IPV4].gateway, "10.198.0.1"))
CHANGE(own_gateway, lease->nets[LEASE_IPV4].gateway = lease->nets[LEASE_IPV4].address)
CHANGE(net, set(LEASE_IPV4, &lease->nets[LEASE_IPV4].address, "10.197.0.0"))
CHANGE(broadcast, set(LEASE_IPV4, &lease->nets[LEASE_IPV4].address, "10.197.255.255"))
CHANGE(anycast, set(LEASE_IPV6, &lease->nets[LEASE_IPV6].address, "fd6b::"))
CHANGE(half, lease->nets[LEASE_IPV4].address.is_set = false)
CHANGE(group, lease->mac[0] = 3)
CHANGE(maker, lease->mac[0] = 0)
CHANGE(bridge, (void) g_strlcpy(lease->bridge, "../../x", sizeof(lease->bridge)))
CHANGE(no_link, lease->host_link[0] = '\0')
CHANGE(loopback, (void) g_strlcpy(lease->host_link, "lo", sizeof(lease->host_link)))
CHANGE(mtu, lease->mtu = 1279)

static void test_refused(void **state G_GNUC_UNUSED) {
        static const struct {
                const char *name;
                void (*change)(Lease *lease);
                const char *words;
        } cases[] = {
                { "no address at all", no_address, "without any address" },
                { "number", number, "Lease 65536" },
                { "prefix", prefix, "prefix of 31" },
                { "no prefix", no_prefix, "prefix of 0" },
                { "no gateway", no_gateway, "no gateway in its net" },
                { "gateway elsewhere", far_gateway, "no gateway in its net" },
                { "its own gateway", own_gateway, "no gateway in its net" },
                { "the net's address", net, "no address of one host" },
                { "the broadcast's", broadcast, "no address of one host" },
                { "the routers'", anycast, "no address of one host" },
                { "half a family", half, "parts of IPv4 and no address" },
                { "a group's hardware address", group, "one station's" },
                { "a maker's hardware address", maker, "one station's" },
                { "a path as bridge", bridge, "Bridge '../../x'" },
                { "no link", no_link, "Link ''" },
                { "loopback", loopback, "Link 'lo'" },
                { "MTU", mtu, "MTU of 1279" },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                WireWriter body = WIRE_WRITER_NULL;
                g_auto(Error) error = ERROR_NULL;
                Lease lease = sample();

                cases[i].change(&lease);
                lease_put(&body, &lease);
                if (body_read(body.bytes, body.size, read_lease, &error) >= 0)
                        fail_msg("%s: not refused", cases[i].name);
                if (!strstr(error.message, cases[i].words))
                        fail_msg("%s: %s", cases[i].name, error.message);
                wire_writer_done(&body);
        }
}

/* What parses has the same text again, and picks addresses inside. */
static void test_ranges(void **state G_GNUC_UNUSED) {
        static const struct {
                LeaseFamily family;
                const char *text;
                uint32_t n;
                const char *picked;
        } cases[] = {
                { LEASE_IPV4, "10.0.0.0/8", 0xfffffe, "10.255.255.254" },
                { LEASE_IPV4, "192.168.1.8/29", 6, "192.168.1.14" },
                { LEASE_IPV6, "fd00::/64", 0xffff, "fd00::ffff" },
                { LEASE_IPV6, "2001:db8::100/120", 1, "2001:db8::101" },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                LeaseFamily family = cases[i].family;
                g_autofree char *text = NULL, *picked = NULL;
                g_auto(Error) error = ERROR_NULL;
                LeaseAddress address;
                LeaseRange range;

                if (lease_range_parse(family, cases[i].text, &range, &error) < 0)
                        fail_msg("%s: %s", cases[i].text, error.message);
                text = lease_range_format(family, &range);
                assert_string_equal(text, cases[i].text);
                address = lease_range_pick(family, &range, cases[i].n);
                picked = lease_address_format(family, &address);
                assert_string_equal(picked, cases[i].picked);
        }
}

static void test_ranges_refused(void **state G_GNUC_UNUSED) {
        static const struct {
                LeaseFamily family;
                const char *text;
        } cases[] = {
                { LEASE_IPV4, "" },           { LEASE_IPV4, "/" },          { LEASE_IPV4, "10.0.0.0" },
                { LEASE_IPV4, "10.0.0.0/" },  { LEASE_IPV4, "0.0.0.0/33" }, { LEASE_IPV4, "0.0.0.0/8" },
                { LEASE_IPV4, "10.0.0.0/7" }, { LEASE_IPV4, "10.0.0.0/30" }, { LEASE_IPV4, "10.0.0.1/16" },
                { LEASE_IPV4, "127.0.0.0/8" }, { LEASE_IPV4, "126.0.0.0/8/8" }, { LEASE_IPV4, "224.0.0.0/8" },
                { LEASE_IPV4, "169.254.0.0/16" }, { LEASE_IPV4, "fd00::/64" }, { LEASE_IPV4, "none" },
                { LEASE_IPV6, "::/96" },      { LEASE_IPV6, "fe80::/64" },  { LEASE_IPV6, "ff02::/16" },
                { LEASE_IPV6, "fd00::/15" },  { LEASE_IPV6, "fd00::/121" }, { LEASE_IPV6, "fd00::1/64" },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_auto(Error) error = ERROR_NULL;
                LeaseRange range;

                if (lease_range_parse(cases[i].family, cases[i].text, &range, &error) >= 0)
                        fail_msg("'%s' is not refused", cases[i].text);
                assert_non_null(strstr(error.message, cases[i].text));
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_round_trip), cmocka_unit_test(test_prefixes_and_flips),
                cmocka_unit_test(test_refused),    cmocka_unit_test(test_ranges),
                cmocka_unit_test(test_ranges_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
