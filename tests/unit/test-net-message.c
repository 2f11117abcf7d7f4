/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "plan/net-message.h"
#include "tests/unit/bodies.h"

/* ---- the instance ---- */

static int read_config(WireReader *reader, Error *error) {
        g_auto(NetConfig) config = { 0 };

        return net_config_get(reader, &config, error);
}

static NetConfig sample_config(void) {
        NetConfig config = { .instance = g_strdup("01abcdef"),
                             .bridge = g_strdup("bulkhead0"),
                             .nat = true,
                             .firewall = FIREWALL_NFTABLES,
                             .has_resolver = true };

        assert_int_equal(lease_range_parse(LEASE_IPV4, "10.197.0.0/16", &config.ranges[LEASE_IPV4], NULL), 0);
        return config;
}

static void test_config(void **state G_GNUC_UNUSED) {
        g_auto(NetConfig) config = sample_config();
        g_auto(NetConfig) got = { 0 };
        WireWriter body = WIRE_WRITER_NULL;
        WireReader reader;

        net_config_put(&body, &config);
        assert_prefixes_are_refused(&body, read_config);
        assert_flips_are_survived(&body, read_config);
        reader = (WireReader){ .bytes = body.bytes, .size = body.size };
        assert_int_equal(net_config_get(&reader, &got, NULL), 0);
        assert_string_equal(got.instance, "01abcdef");
        assert_string_equal(got.bridge, "bulkhead0");
        assert_memory_equal(got.ranges, config.ranges, sizeof(got.ranges));
        assert_true(got.nat && got.has_resolver && got.firewall == FIREWALL_NFTABLES);
        wire_writer_done(&body);
}

static void test_config_refused(void **state G_GNUC_UNUSED) {
        static const struct {
                const char *instance, *bridge;
                bool has_range;
        } cases[] = {
                { "01ABCDEF", "b", true }, { "01abcde", "b", true }, { "", "", true },
                { "", "a b", true },       { "", "b", false },       { NULL, "b", true },
                { "", NULL, true },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_auto(NetConfig) config = sample_config();
                WireWriter body = WIRE_WRITER_NULL;

                g_free(config.instance);
                g_free(config.bridge);
                config.instance = g_strdup(cases[i].instance);
                config.bridge = g_strdup(cases[i].bridge);
                config.ranges[LEASE_IPV4].is_set = cases[i].has_range;
                net_config_put(&body, &config);
                if (body_read(body.bytes, body.size, read_config, NULL) >= 0)
                        fail_msg("case %zu is not refused", i);
                wire_writer_done(&body);
        }
}

/* ---- a sandbox ---- */

static int read_sandbox(WireReader *reader, Error *error) {
        g_auto(NetSandbox) sandbox = { 0 };

        return net_sandbox_get(reader, &sandbox, error);
}

static NetSandbox sample_sandbox(void) {
        static const NetForward forwards[] = { { PLAN_PROTOCOL_TCP, 8080, 80 }, { PLAN_PROTOCOL_UDP, 53, 53 } };
        static const uint32_t peers[] = { 0, LEASES_MAX - 1 };
        NetSandbox sandbox = { .lease = { .number = 1, .mac = { 2 } }, .n_peers = 2, .may_ask_names = true };
        LeaseNet *net = &sandbox.lease.nets[LEASE_IPV4];

        net->prefix = 24;
        assert_int_equal(lease_address_parse(LEASE_IPV4, "10.0.0.3", &net->address), 0);
        assert_int_equal(lease_address_parse(LEASE_IPV4, "10.0.0.1", &net->gateway), 0);
        (void) g_strlcpy(sandbox.lease.bridge, "b", sizeof(sandbox.lease.bridge));
        (void) g_strlcpy(sandbox.lease.host_link, "bh-1", sizeof(sandbox.lease.host_link));
        sandbox.forwards = g_array_append_vals(g_array_new(FALSE, FALSE, sizeof(NetForward)), forwards, 2);
        sandbox.hosts = g_strsplit("a.example b.example", " ", -1);
        sandbox.peers = g_memdup2(peers, sizeof(peers));
        return sandbox;
}

static void test_sandbox(void **state G_GNUC_UNUSED) {
        g_auto(NetSandbox) sandbox = sample_sandbox();
        g_auto(NetSandbox) got = { 0 };
        WireWriter body = WIRE_WRITER_NULL;
        WireReader reader;

        net_sandbox_put(&body, &sandbox);
        assert_prefixes_are_refused(&body, read_sandbox);
        assert_flips_are_survived(&body, read_sandbox);
        reader = (WireReader){ .bytes = body.bytes, .size = body.size };
        assert_int_equal(net_sandbox_get(&reader, &got, NULL), 0);
        assert_true(lease_is_equal(&got.lease, &sandbox.lease));
        assert_int_equal(got.forwards->len, 2);
        assert_int_equal(g_array_index(got.forwards, NetForward, 0).host_port, 8080);
        assert_int_equal(g_array_index(got.forwards, NetForward, 1).protocol, PLAN_PROTOCOL_UDP);
        assert_string_equal(got.hosts[1], "b.example");
        assert_int_equal(got.n_peers, 2);
        assert_int_equal(got.peers[1], LEASES_MAX - 1);
        assert_true(got.may_ask_names);
        wire_writer_done(&body);
}

static void add_forward(NetSandbox *sandbox, PlanProtocol protocol, uint16_t host_port, uint16_t port) {
        NetForward forward = { protocol, host_port, port };

        g_array_append_val(sandbox->forwards, forward);
}

static void set_host(NetSandbox *sandbox, const char *host) {
        g_free(sandbox->hosts[0]);
        sandbox->hosts[0] = g_strdup(host);
}

#define CHANGE(name, statement)                                                                              \
        static void name(NetSandbox *sandbox) {                                                              \
                statement;                                                                                   \
        }

CHANGE(icmp, add_forward(sandbox, PLAN_PROTOCOL_ICMP, 1, 1))
CHANGE(any, add_forward(sandbox, PLAN_PROTOCOL_ANY, 1, 1))
CHANGE(no_port, add_forward(sandbox, PLAN_PROTOCOL_TCP, 1, 0))
CHANGE(no_host_port, add_forward(sandbox, PLAN_PROTOCOL_TCP, 0, 1))
CHANGE(address, set_host(sandbox, "10.0.0.1"))
CHANGE(no_host, set_host(sandbox, ""))
CHANGE(upper, set_host(sandbox, "A.example"))
CHANGE(odd, set_host(sandbox, "a;b"))
CHANGE(peer, sandbox->peers[0] = LEASES_MAX)
CHANGE(mtu, sandbox->lease.mtu = 1)

static void test_sandbox_refused(void **state G_GNUC_UNUSED) {
        static void (*const cases[])(NetSandbox *) = { icmp,    any,   no_port, no_host_port, address,
                                                       no_host, upper, odd,     peer,         mtu };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_auto(NetSandbox) sandbox = sample_sandbox();
                WireWriter body = WIRE_WRITER_NULL;
                g_auto(Error) error = ERROR_NULL;

                cases[i](&sandbox);
                net_sandbox_put(&body, &sandbox);
                if (body_read(body.bytes, body.size, read_sandbox, &error) >= 0)
                        fail_msg("case %zu is not refused", i);
                assert_non_null(error.message);
                wire_writer_done(&body);
        }
}

/* A count that no body has room for must not be believed. */
static void test_sandbox_count(void **state G_GNUC_UNUSED) {
        g_auto(NetSandbox) sandbox = sample_sandbox();
        WireWriter body = WIRE_WRITER_NULL;
        uint32_t n = LEASES_MAX;

        net_sandbox_put(&body, &sandbox);
        /* before the two peers and the byte at the end */
        memcpy(body.bytes + body.size - 1 - 3 * sizeof(uint32_t), &n, sizeof(n));
        assert_true(body_read(body.bytes, body.size, read_sandbox, NULL) < 0);
        wire_writer_done(&body);
}

/* ---- names ---- */

static int read_host(WireReader *reader, Error *error) {
        g_auto(HostAddresses) host = { 0 };

        return host_addresses_get(reader, &host, error);
}

static void add(HostAddresses *host, LeaseFamily family, const char *text) {
        LeaseAddress address;

        assert_int_equal(lease_address_parse(family, text, &address), 0);
        assert_int_equal(host_addresses_add(host, family, &address, NULL), 0);
}

static void test_host(void **state G_GNUC_UNUSED) {
        g_auto(HostAddresses) host = { .host = g_strdup("a.example"), .ttl_sec = 60 };
        g_auto(HostAddresses) same = { .host = g_strdup("a.example") };
        g_auto(HostAddresses) got = { 0 };
        WireWriter body = WIRE_WRITER_NULL;
        WireReader reader;

        add(&host, LEASE_IPV4, "10.0.0.2");
        add(&host, LEASE_IPV4, "10.0.0.1");
        add(&host, LEASE_IPV4, "10.0.0.2");
        add(&host, LEASE_IPV6, "2001:db8::1");
        assert_int_equal(host.addresses[LEASE_IPV4]->len, 2);
        host_addresses_put(&body, &host);
        assert_prefixes_are_refused(&body, read_host);
        assert_flips_are_survived(&body, read_host);
        reader = (WireReader){ .bytes = body.bytes, .size = body.size };
        assert_int_equal(host_addresses_get(&reader, &got, NULL), 0);
        assert_int_equal(got.ttl_sec, 60);
        assert_true(host_addresses_are_equal(&got, &host));
        add(&same, LEASE_IPV6, "2001:db8::1");
        add(&same, LEASE_IPV4, "10.0.0.1");
        assert_false(host_addresses_are_equal(&same, &host));
        add(&same, LEASE_IPV4, "10.0.0.2");
        assert_true(host_addresses_are_equal(&same, &host));
        wire_writer_done(&body);
}

/* A name that does not resolve has no addresses, and that is an answer. */
static void test_host_without(void **state G_GNUC_UNUSED) {
        HostAddresses host = { .host = (char *) "a.example" };
        WireWriter body = WIRE_WRITER_NULL;

        host_addresses_put(&body, &host);
        assert_body_is_read(&body, read_host);
        wire_writer_done(&body);
}

static void test_host_refused(void **state G_GNUC_UNUSED) {
        static const struct {
                LeaseFamily family;
                const char *host, *address;
        } cases[] = {
                { LEASE_IPV4, "a.example", "127.0.0.1" }, { LEASE_IPV4, "a.example", "0.0.0.0" },
                { LEASE_IPV4, "a.example", "169.254.1.1" }, { LEASE_IPV4, "a.example", "224.0.0.1" },
                { LEASE_IPV4, "a.example", "255.255.255.255" }, { LEASE_IPV6, "a.example", "::1" },
                { LEASE_IPV6, "a.example", "::" }, { LEASE_IPV6, "a.example", "::ffff:10.0.0.1" },
                { LEASE_IPV6, "a.example", "fe80::1" }, { LEASE_IPV6, "a.example", "ff02::1" },
                { LEASE_IPV4, "10.0.0.1", "10.0.0.1" }, { LEASE_IPV4, "", "10.0.0.1" },
                { LEASE_IPV4, "*", "10.0.0.1" },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_auto(HostAddresses) host = { .host = g_strdup(cases[i].host) };
                WireWriter body = WIRE_WRITER_NULL;

                add(&host, cases[i].family, cases[i].address);
                host_addresses_put(&body, &host);
                if (body_read(body.bytes, body.size, read_host, NULL) >= 0)
                        fail_msg("'%s' at '%s' is not refused", cases[i].host, cases[i].address);
                wire_writer_done(&body);
        }
}

static void test_host_limit(void **state G_GNUC_UNUSED) {
        g_auto(HostAddresses) host = { .host = g_strdup("a.example") };
        LeaseAddress address = { .is_set = true, .bytes = { 10 } };
        g_auto(Error) error = ERROR_NULL;

        for (unsigned i = 0; i < HOST_ADDRESSES_MAX; i++) {
                address.bytes[3] = (uint8_t) (i + 1);
                assert_int_equal(host_addresses_add(&host, LEASE_IPV4, &address, NULL), 0);
        }
        assert_int_equal(host_addresses_add(&host, LEASE_IPV4, &address, NULL), 0);
        assert_true(host_addresses_add(&host, LEASE_IPV6, &address, &error) < 0);
        assert_int_equal(error.code, ERROR_LIMIT_REACHED);
}

static int read_status(WireReader *reader, Error *error) {
        g_auto(NetStatus) status = { 0 };

        return net_status_get(reader, &status, error);
}

static void test_status(void **state G_GNUC_UNUSED) {
        NetStatus status = { .firewall = FIREWALL_IPTABLES, .forwards = { true, false } };
        WireWriter body = WIRE_WRITER_NULL;

        net_status_put(&body, &status);
        assert_body_is_read(&body, read_status);
        wire_writer_done(&body);
        status.resolver = (char *) "dnsmasq";
        net_status_put(&body, &status);
        assert_prefixes_are_refused(&body, read_status);
        assert_flips_are_survived(&body, read_status);
        wire_writer_done(&body);
        status.firewall = FIREWALL_AUTO;
        net_status_put(&body, &status);
        assert_true(body_read(body.bytes, body.size, read_status, NULL) < 0);
        wire_writer_done(&body);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_config),          cmocka_unit_test(test_config_refused),
                cmocka_unit_test(test_sandbox),         cmocka_unit_test(test_sandbox_refused),
                cmocka_unit_test(test_sandbox_count),   cmocka_unit_test(test_host),
                cmocka_unit_test(test_host_without),    cmocka_unit_test(test_host_refused),
                cmocka_unit_test(test_host_limit),      cmocka_unit_test(test_status),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
