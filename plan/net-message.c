/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/net-message.h"

#include <string.h>

#include "plan/plan-private.h"

static int message_broken(Error *error, const char *what) {
        return error_set_errnof(error, EBADMSG, "%s ends early or is not well formed", what);
}

static bool get_bool(WireReader *reader) {
        uint8_t value = wire_get_u8(reader);

        if (value > 1)
                reader->failed = true;
        return value == 1;
}

static uint32_t get_count(WireReader *reader, uint32_t max) {
        uint32_t n = wire_get_u32(reader);

        if (n <= max)
                return n;
        reader->failed = true;
        return 0;
}

/* ---- the instance ---- */

void net_config_put(WireWriter *writer, const NetConfig *config) {
        wire_put_string(writer, config->instance);
        wire_put_string(writer, config->bridge);
        for (LeaseFamily family = 0; family < _LEASE_FAMILY_MAX; family++)
                lease_range_put(writer, family, &config->ranges[family]);
        wire_put_u8(writer, config->nat);
        wire_put_string(writer, firewall_choice_to_string(config->firewall));
        wire_put_u8(writer, config->has_resolver);
}

static int config_check(const NetConfig *config, Error *error) {
        size_t n = strlen(config->instance);

        if (n != 0 && (n != 8 || strspn(config->instance, "0123456789abcdef") != n))
                return error_setf(error, ERROR_INVALID_ARGS, "Id of an instance is not '' or 8 hex digits");
        if (!config->ranges[LEASE_IPV4].is_set && !config->ranges[LEASE_IPV6].is_set)
                return error_setf(error, ERROR_INVALID_ARGS, "Network without any range of addresses");
        return lease_link_name_check("Bridge", config->bridge, error);
}

int net_config_get(WireReader *reader, NetConfig *ret, Error *error) {
        g_auto(NetConfig) config = { 0 };
        int r;

        config.instance = g_strdup(wire_get_string(reader));
        config.bridge = g_strdup(wire_get_string(reader));
        for (LeaseFamily family = 0; family < _LEASE_FAMILY_MAX; family++) {
                r = lease_range_get(reader, family, &config.ranges[family], error);
                if (r < 0)
                        return r;
        }
        config.nat = get_bool(reader);
        config.firewall = firewall_choice_from_string(wire_get_string(reader));
        config.has_resolver = get_bool(reader);
        if (reader->failed || !config.instance || !config.bridge || (int) config.firewall < 0)
                return message_broken(error, "Network of an instance");
        r = config_check(&config, error);
        if (r < 0)
                return r;
        *ret = config;
        config = (NetConfig){ 0 };
        return 0;
}

void net_config_done(NetConfig *config) {
        g_free(config->instance);
        g_free(config->bridge);
        *config = (NetConfig){ 0 };
}

/* ---- a sandbox ---- */

void net_sandbox_put(WireWriter *writer, const NetSandbox *sandbox) {
        guint n_forwards = sandbox->forwards ? sandbox->forwards->len : 0;

        lease_put(writer, &sandbox->lease);
        wire_put_u32(writer, n_forwards);
        for (guint i = 0; i < n_forwards; i++) {
                const NetForward *forward = &g_array_index(sandbox->forwards, NetForward, i);

                wire_put_string(writer, plan_protocol_to_string(forward->protocol));
                wire_put_u32(writer, forward->host_port);
                wire_put_u32(writer, forward->port);
        }
        wire_put_strings(writer, sandbox->hosts);
        wire_put_u32(writer, sandbox->n_peers);
        for (uint32_t i = 0; i < sandbox->n_peers; i++)
                wire_put_u32(writer, sandbox->peers[i]);
        wire_put_u8(writer, sandbox->may_ask_names);
}

static int get_forward(WireReader *reader, GArray *forwards, Error *error) {
        PlanProtocol protocol = plan_protocol_from_string(wire_get_string(reader));
        uint32_t host_port = wire_get_u32(reader), port = wire_get_u32(reader);
        NetForward forward;

        if (reader->failed)
                return message_broken(error, "Network of a sandbox");
        if (protocol != PLAN_PROTOCOL_TCP && protocol != PLAN_PROTOCOL_UDP && protocol != PLAN_PROTOCOL_SCTP)
                return error_setf(error, ERROR_INVALID_ARGS, "Forward of a protocol without ports");
        if (host_port < 1 || host_port > UINT16_MAX || port < 1 || port > UINT16_MAX)
                return error_setf(error, ERROR_INVALID_ARGS,
                                  "Forward from port %u to port %u, 1 to 65535 were expected", host_port, port);
        forward = (NetForward){ protocol, (uint16_t) host_port, (uint16_t) port };
        g_array_append_val(forwards, forward);
        return 0;
}

static int host_name_check(const char *host, Error *error) {
        g_auto(PlanPeer) peer = { 0 };
        int r;

        r = plan_peer_parse(host, &peer, error);
        if (r >= 0 && (peer.type != PLAN_PEER_HOST || strcmp(peer.host, host) != 0)) {
                g_autofree char *text = plan_text_excerpt(host);

                return error_setf(error, ERROR_INVALID_ARGS, "'%s' is no host name in its normal form", text);
        }
        return r;
}

static int sandbox_get(WireReader *reader, NetSandbox *sandbox, Error *error) {
        uint32_t n;
        int r;

        r = lease_get(reader, &sandbox->lease, error);
        if (r < 0)
                return r;
        sandbox->forwards = g_array_new(FALSE, FALSE, sizeof(NetForward));
        n = get_count(reader, FORWARDS_MAX);
        for (uint32_t i = 0; r >= 0 && i < n; i++)
                r = get_forward(reader, sandbox->forwards, error);
        if (r < 0)
                return r;
        sandbox->hosts = plan_strings_take(wire_get_strings(reader, HOSTS_MAX));
        sandbox->n_peers = get_count(reader, LEASES_MAX);
        if (reader->failed || sandbox->n_peers > (reader->size - reader->at) / sizeof(uint32_t))
                return message_broken(error, "Network of a sandbox");
        sandbox->peers = g_new0(uint32_t, sandbox->n_peers);
        for (uint32_t i = 0; i < sandbox->n_peers; i++) {
                sandbox->peers[i] = wire_get_u32(reader);
                if (sandbox->peers[i] >= LEASES_MAX)
                        return error_setf(error, ERROR_INVALID_ARGS, "Peer %u of a sandbox is no lease",
                                          sandbox->peers[i]);
        }
        sandbox->may_ask_names = get_bool(reader);
        if (reader->failed)
                return message_broken(error, "Network of a sandbox");
        for (char **host = sandbox->hosts; r >= 0 && *host; host++)
                r = host_name_check(*host, error);
        return r;
}

int net_sandbox_get(WireReader *reader, NetSandbox *ret, Error *error) {
        g_auto(NetSandbox) sandbox = { 0 };
        int r;

        r = sandbox_get(reader, &sandbox, error);
        if (r < 0)
                return r;
        *ret = sandbox;
        sandbox = (NetSandbox){ 0 };
        return 0;
}

void net_sandbox_done(NetSandbox *sandbox) {
        g_clear_pointer(&sandbox->forwards, g_array_unref);
        g_strfreev(sandbox->hosts);
        g_free(sandbox->peers);
        *sandbox = (NetSandbox){ 0 };
}

/* ---- where a name leads ---- */

static int compare_addresses(gconstpointer a, gconstpointer b) {
        return memcmp(((const LeaseAddress *) a)->bytes, ((const LeaseAddress *) b)->bytes, 16);
}

int host_addresses_add(HostAddresses *host, LeaseFamily family, const LeaseAddress *address, Error *error) {
        guint n = 0;

        for (LeaseFamily i = 0; i < _LEASE_FAMILY_MAX; i++)
                n += host->addresses[i] ? host->addresses[i]->len : 0;
        if (!host->addresses[family])
                host->addresses[family] = g_array_new(FALSE, FALSE, sizeof(LeaseAddress));
        if (g_array_binary_search(host->addresses[family], address, compare_addresses, NULL))
                return 0;
        if (n >= HOST_ADDRESSES_MAX)
                return error_setf(error, ERROR_LIMIT_REACHED, "Host '%s' has more than %d addresses", host->host,
                                  HOST_ADDRESSES_MAX);
        g_array_append_vals(host->addresses[family], address, 1);
        g_array_sort(host->addresses[family], compare_addresses);
        return 0;
}

bool host_addresses_are_equal(const HostAddresses *a, const HostAddresses *b) {
        for (LeaseFamily family = 0; family < _LEASE_FAMILY_MAX; family++) {
                const GArray *left = a->addresses[family], *right = b->addresses[family];
                guint n_left = left ? left->len : 0, n_right = right ? right->len : 0;

                if (n_left != n_right)
                        return false;
                for (guint i = 0; i < n_left; i++)
                        if (compare_addresses(&g_array_index(left, LeaseAddress, i),
                                              &g_array_index(right, LeaseAddress, i)) != 0)
                                return false;
        }
        return strcmp(a->host, b->host) == 0;
}

void host_addresses_put(WireWriter *writer, const HostAddresses *host) {
        wire_put_string(writer, host->host);
        for (LeaseFamily family = 0; family < _LEASE_FAMILY_MAX; family++) {
                guint n = host->addresses[family] ? host->addresses[family]->len : 0;

                wire_put_u32(writer, n);
                for (guint i = 0; i < n; i++)
                        lease_address_put(writer, family,
                                          &g_array_index(host->addresses[family], LeaseAddress, i));
        }
        wire_put_u32(writer, host->ttl_sec);
}

/* An answer of a name server is a stranger's: it must not turn a rule for the world into one for the host. */
static bool address_is_possible(LeaseFamily family, const uint8_t *bytes) {
        if (family == LEASE_IPV4)
                return bytes[0] != 0 && bytes[0] != 127 && bytes[0] < 224 && !(bytes[0] == 169 && bytes[1] == 254);
        /* ::/8 has the unspecified one, loopback and IPv4 in other clothes */
        return bytes[0] != 0 && bytes[0] != 0xff && !(bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80);
}

static int host_get(WireReader *reader, HostAddresses *host, Error *error) {
        int r;

        host->host = g_strdup(wire_get_string(reader));
        if (!host->host)
                return message_broken(error, "Answer about a name");
        r = host_name_check(host->host, error);
        for (LeaseFamily family = 0; r >= 0 && family < _LEASE_FAMILY_MAX; family++) {
                uint32_t n = get_count(reader, HOST_ADDRESSES_MAX);

                for (uint32_t i = 0; r >= 0 && i < n; i++) {
                        LeaseAddress address = lease_address_get(reader, family);

                        if (reader->failed || !address.is_set)
                                return message_broken(error, "Answer about a name");
                        if (!address_is_possible(family, address.bytes))
                                return error_setf(error, ERROR_INVALID_ARGS,
                                                  "Name '%s' leads to an address that no other host has",
                                                  host->host);
                        r = host_addresses_add(host, family, &address, error);
                }
        }
        if (r < 0)
                return r;
        host->ttl_sec = wire_get_u32(reader);
        return reader->failed ? message_broken(error, "Answer about a name") : 0;
}

int host_addresses_get(WireReader *reader, HostAddresses *ret, Error *error) {
        g_auto(HostAddresses) host = { 0 };
        int r;

        r = host_get(reader, &host, error);
        if (r < 0)
                return r;
        *ret = host;
        host = (HostAddresses){ 0 };
        return 0;
}

void host_addresses_done(HostAddresses *host) {
        g_free(host->host);
        for (LeaseFamily family = 0; family < _LEASE_FAMILY_MAX; family++)
                g_clear_pointer(&host->addresses[family], g_array_unref);
        *host = (HostAddresses){ 0 };
}

/* ---- how it is done ---- */

void net_status_put(WireWriter *writer, const NetStatus *status) {
        wire_put_string(writer, firewall_choice_to_string(status->firewall));
        for (LeaseFamily family = 0; family < _LEASE_FAMILY_MAX; family++)
                wire_put_u8(writer, status->forwards[family]);
        wire_put_string(writer, status->resolver);
}

int net_status_get(WireReader *reader, NetStatus *ret, Error *error) {
        NetStatus status = { .firewall = firewall_choice_from_string(wire_get_string(reader)) };
        const char *resolver;

        for (LeaseFamily family = 0; family < _LEASE_FAMILY_MAX; family++)
                status.forwards[family] = get_bool(reader);
        resolver = wire_get_string(reader);
        if (reader->failed || (int) status.firewall <= FIREWALL_AUTO)
                return message_broken(error, "State of the network");
        if (resolver && !plan_text_is_clean(resolver))
                return error_setf(error, ERROR_INVALID_ARGS, "Name of a resolver does not print");
        status.resolver = g_strdup(resolver);
        *ret = status;
        return 0;
}

void net_status_done(NetStatus *status) {
        g_free(status->resolver);
        *status = (NetStatus){ 0 };
}
