/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/lease.h"

#include <arpa/inet.h>
#include <string.h>

#include "plan/plan-private.h"
#include "util/enum-table.h"

/* RFC 8200 section 5: no link with less carries IPv6. */
#define MTU_MIN 1280u
#define MTU_MAX 65535u

static const char *const firewall_choice_names[_FIREWALL_CHOICE_MAX] = {
        [FIREWALL_AUTO] = "auto",
        [FIREWALL_IPTABLES] = "iptables",
        [FIREWALL_NFTABLES] = "nftables",
};

ENUM_TABLE_DEFINE(firewall_choice, FirewallChoice, _FIREWALL_CHOICE_MAX)

size_t lease_family_size(LeaseFamily family) {
        return family == LEASE_IPV4 ? 4 : 16;
}

int lease_family_to_af(LeaseFamily family) {
        return family == LEASE_IPV4 ? AF_INET : AF_INET6;
}

char *lease_address_format(LeaseFamily family, const LeaseAddress *address) {
        char text[INET6_ADDRSTRLEN];

        (void) inet_ntop(lease_family_to_af(family), address->bytes, text, sizeof(text));
        return g_strdup(text);
}

char **lease_format_addresses(const Lease *lease) {
        GPtrArray *texts = g_ptr_array_new();

        for (LeaseFamily family = 0; family < _LEASE_FAMILY_MAX; family++)
                if (lease->nets[family].address.is_set)
                        g_ptr_array_add(texts, lease_address_format(family, &lease->nets[family].address));
        g_ptr_array_add(texts, NULL);
        return (char **) g_ptr_array_free(texts, FALSE);
}

static bool address_is_equal(const LeaseAddress *a, const LeaseAddress *b) {
        return a->is_set == b->is_set && (!a->is_set || memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0);
}

bool lease_is_equal(const Lease *a, const Lease *b) {
        for (LeaseFamily family = 0; family < _LEASE_FAMILY_MAX; family++)
                if (!address_is_equal(&a->nets[family].address, &b->nets[family].address) ||
                    !address_is_equal(&a->nets[family].gateway, &b->nets[family].gateway) ||
                    !address_is_equal(&a->nets[family].resolver, &b->nets[family].resolver) ||
                    a->nets[family].prefix != b->nets[family].prefix)
                        return false;
        return a->number == b->number && memcmp(a->mac, b->mac, sizeof(a->mac)) == 0 &&
               strcmp(a->bridge, b->bridge) == 0 && strcmp(a->host_link, b->host_link) == 0 &&
               a->mtu == b->mtu && a->firewall == b->firewall;
}

/* ---- ranges ---- */

/* What no single host is reached by: RFC 6890, and multicast. */
static const struct {
        LeaseFamily family;
        const char *net;
        unsigned prefix;
} nobodys[] = {
        { LEASE_IPV4, "0.0.0.0", 8 },    { LEASE_IPV4, "127.0.0.0", 8 }, { LEASE_IPV4, "169.254.0.0", 16 },
        { LEASE_IPV4, "224.0.0.0", 3 },  { LEASE_IPV6, "::", 8 },        { LEASE_IPV6, "fe80::", 10 },
        { LEASE_IPV6, "ff00::", 8 },
};

static bool prefix_is_equal(const uint8_t *a, const uint8_t *b, unsigned n_bits) {
        for (unsigned i = 0; i < n_bits; i++)
                if (((a[i / 8] ^ b[i / 8]) >> (7 - i % 8) & 1) != 0)
                        return false;
        return true;
}

static int range_check(LeaseFamily family, const LeaseRange *range, const char *text, Error *error) {
        unsigned min = family == LEASE_IPV4 ? 8 : 16, max = family == LEASE_IPV4 ? 29 : 120;
        LeaseRange masked = *range;

        if (range->prefix < min || range->prefix > max)
                return error_setf(error, ERROR_INVALID_ARGS, "'%s' has no prefix from %u to %u behind a '/'", text,
                                  min, max);
        for (unsigned bit = range->prefix; bit < 128; bit++)
                masked.bytes[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
        if (memcmp(masked.bytes, range->bytes, sizeof(masked.bytes)) != 0) {
                g_autofree char *normal = lease_range_format(family, &masked);

                return error_setf(error, ERROR_INVALID_ARGS, "'%s' has bits behind its prefix; did you mean '%s'",
                                  text, normal);
        }
        for (size_t i = 0; i < G_N_ELEMENTS(nobodys); i++) {
                uint8_t net[16] = { 0 };

                if (nobodys[i].family != family)
                        continue;
                (void) inet_pton(lease_family_to_af(family), nobodys[i].net, net);
                if (prefix_is_equal(net, range->bytes, MIN(nobodys[i].prefix, range->prefix)))
                        return error_setf(error, ERROR_INVALID_ARGS,
                                          "'%s' has addresses of '%s/%u', which no host can have", text,
                                          nobodys[i].net, nobodys[i].prefix);
        }
        return 0;
}

int lease_range_parse(LeaseFamily family, const char *text, LeaseRange *ret, Error *error) {
        g_autofree char *shown = plan_text_excerpt(text);
        g_auto(GStrv) parts = g_strsplit(text, "/", 2);
        LeaseRange range = { .is_set = true };
        guint64 prefix = 0;
        int r;

        if (strcmp(text, "no") == 0) {
                *ret = (LeaseRange){ 0 };
                return 0;
        }
        if (!parts[0] || inet_pton(lease_family_to_af(family), parts[0], range.bytes) != 1 || !parts[1] ||
            !g_ascii_string_to_unsigned(parts[1], 10, 0, 8 * lease_family_size(family), &prefix, NULL))
                return error_setf(error, ERROR_INVALID_ARGS, "'%s' is not understood, expected %s or no", shown,
                                  family == LEASE_IPV4 ? "an IPv4 net as in '10.197.0.0/16'"
                                                       : "an IPv6 net as in 'fd6b:756c:6b68::/64'");
        range.prefix = (unsigned) prefix;
        r = range_check(family, &range, shown, error);
        if (r < 0)
                return r;
        *ret = range;
        return 0;
}

char *lease_range_format(LeaseFamily family, const LeaseRange *range) {
        char text[INET6_ADDRSTRLEN];

        if (!range->is_set)
                return g_strdup("no");
        (void) inet_ntop(lease_family_to_af(family), range->bytes, text, sizeof(text));
        return g_strdup_printf("%s/%u", text, range->prefix);
}

LeaseAddress lease_range_pick(LeaseFamily family, const LeaseRange *range, uint32_t n) {
        LeaseAddress address = { .is_set = true };
        size_t size = lease_family_size(family);

        memcpy(address.bytes, range->bytes, size);
        for (size_t i = 0; i < sizeof(n); i++)
                address.bytes[size - 1 - i] |= (uint8_t) (n >> 8 * i);
        return address;
}

void lease_range_put(WireWriter *writer, LeaseFamily family, const LeaseRange *range) {
        g_autofree char *text = lease_range_format(family, range);

        wire_put_string(writer, text);
}

int lease_range_get(WireReader *reader, LeaseFamily family, LeaseRange *ret, Error *error) {
        const char *text = wire_get_string(reader);

        if (!text)
                return error_set_errnof(error, EBADMSG, "Range of addresses is missing");
        return lease_range_parse(family, text, ret, error);
}

int lease_address_parse(LeaseFamily family, const char *text, LeaseAddress *ret) {
        LeaseAddress address = { .is_set = true };

        if (inet_pton(lease_family_to_af(family), text, address.bytes) != 1)
                return -EINVAL;
        *ret = address;
        return 0;
}

/* Narrower than the kernel's own rule (net/core/dev.c: dev_valid_name()), so that a name is one word
 * anywhere. */
int lease_link_name_check(const char *what, const char *name, Error *error) {
        g_autofree char *text = plan_text_excerpt(name);

        if (!name[0] || strlen(name) > IFNAME_MAX || !g_ascii_isalpha(name[0]))
                return error_setf(error, ERROR_INVALID_ARGS,
                                  "%s '%s' has no name of 1 to %d characters that starts with a letter", what,
                                  text, IFNAME_MAX);
        for (const char *at = name; *at; at++)
                if (!g_ascii_isalnum(*at) && !strchr("_-", *at))
                        return error_setf(error, ERROR_INVALID_ARGS,
                                          "%s '%s' has a character that is no letter, digit, '_' or '-'", what,
                                          text);
        if (strcmp(name, "lo") == 0)
                return error_setf(error, ERROR_INVALID_ARGS, "%s 'lo' is one that every sandbox has of its own",
                                  what);
        return 0;
}

/* ---- wire ---- */

void lease_address_put(WireWriter *writer, LeaseFamily family, const LeaseAddress *address) {
        wire_put_bytes(writer, address->bytes, address->is_set ? lease_family_size(family) : 0);
}

void lease_put(WireWriter *writer, const Lease *lease) {
        wire_put_u32(writer, lease->number);
        for (LeaseFamily family = 0; family < _LEASE_FAMILY_MAX; family++) {
                lease_address_put(writer, family, &lease->nets[family].address);
                lease_address_put(writer, family, &lease->nets[family].gateway);
                lease_address_put(writer, family, &lease->nets[family].resolver);
                wire_put_u32(writer, lease->nets[family].prefix);
        }
        wire_put_bytes(writer, lease->mac, sizeof(lease->mac));
        wire_put_string(writer, lease->bridge);
        wire_put_string(writer, lease->host_link);
        wire_put_u32(writer, lease->mtu);
        wire_put_string(writer, firewall_choice_to_string(lease->firewall));
}

LeaseAddress lease_address_get(WireReader *reader, LeaseFamily family) {
        LeaseAddress address = { 0 };
        size_t size = 0;
        const void *bytes = wire_get_bytes(reader, &size);

        if (!bytes || size == 0)
                return address;
        if (size != lease_family_size(family)) {
                reader->failed = true;
                return address;
        }
        address.is_set = true;
        memcpy(address.bytes, bytes, size);
        return address;
}

static void get_name(WireReader *reader, char name[static IFNAME_MAX + 1]) {
        const char *text = wire_get_string(reader);

        if (!text || strlen(text) > IFNAME_MAX)
                reader->failed = true;
        else
                (void) g_strlcpy(name, text, IFNAME_MAX + 1);
}

/* Bits of @a behind the prefix are all equal to @bit. */
static bool host_bits_are(LeaseFamily family, const LeaseNet *net, unsigned bit) {
        for (unsigned i = net->prefix; i < 8 * lease_family_size(family); i++)
                if ((net->address.bytes[i / 8] >> (7 - i % 8) & 1u) != bit)
                        return false;
        return true;
}

static int net_check(LeaseFamily family, const LeaseNet *net, Error *error) {
        const char *name = family == LEASE_IPV4 ? "IPv4" : "IPv6";
        unsigned n_bits = 8 * (unsigned) lease_family_size(family);
        g_autofree char *address = NULL;

        if (!net->address.is_set) {
                if (net->gateway.is_set || net->resolver.is_set || net->prefix != 0)
                        return error_setf(error, ERROR_INVALID_ARGS, "Lease has parts of %s and no address",
                                          name);
                return 0;
        }
        address = lease_address_format(family, &net->address);
        if (net->prefix < 1 || net->prefix > n_bits - 2)
                return error_setf(error, ERROR_INVALID_ARGS, "Lease of '%s' has a prefix of %u bits", address,
                                  net->prefix);
        if (!net->gateway.is_set || !prefix_is_equal(net->address.bytes, net->gateway.bytes, net->prefix) || address_is_equal(&net->address, &net->gateway))
                return error_setf(error, ERROR_INVALID_ARGS, "Lease of '%s' has no gateway in its net", address);
        if (host_bits_are(family, net, 0) || (family == LEASE_IPV4 && host_bits_are(family, net, 1)))
                return error_setf(error, ERROR_INVALID_ARGS, "Lease of '%s', which is no address of one host",
                                  address);
        return 0;
}

static int lease_check(const Lease *lease, Error *error) {
        int r;

        if (lease->number >= LEASES_MAX)
                return error_setf(error, ERROR_INVALID_ARGS, "Lease %u, less than %d was expected",
                                  lease->number, LEASES_MAX);
        r = net_check(LEASE_IPV4, &lease->nets[LEASE_IPV4], error);
        if (r >= 0)
                r = net_check(LEASE_IPV6, &lease->nets[LEASE_IPV6], error);
        if (r >= 0)
                r = lease_link_name_check("Bridge", lease->bridge, error);
        if (r >= 0)
                r = lease_link_name_check("Link", lease->host_link, error);
        if (r < 0)
                return r;
        if (!lease->nets[LEASE_IPV4].address.is_set && !lease->nets[LEASE_IPV6].address.is_set)
                return error_setf(error, ERROR_INVALID_ARGS, "Lease without any address");
        /* IEEE 802: the lowest bit is a group's, the next one says that no maker has given it out */
        if ((lease->mac[0] & 3) != 2)
                return error_setf(error, ERROR_INVALID_ARGS,
                                  "Lease has a hardware address that is not one station's, locally given");
        if (lease->mtu != 0 && (lease->mtu < MTU_MIN || lease->mtu > MTU_MAX))
                return error_setf(error, ERROR_INVALID_ARGS, "Lease has an MTU of %u, %u to %u were expected",
                                  lease->mtu, MTU_MIN, MTU_MAX);
        return 0;
}

int lease_get(WireReader *reader, Lease *ret, Error *error) {
        Lease lease = { 0 };
        const void *mac;
        size_t mac_size = 0;
        int r;

        lease.number = wire_get_u32(reader);
        for (LeaseFamily family = 0; family < _LEASE_FAMILY_MAX; family++) {
                lease.nets[family].address = lease_address_get(reader, family);
                lease.nets[family].gateway = lease_address_get(reader, family);
                lease.nets[family].resolver = lease_address_get(reader, family);
                lease.nets[family].prefix = wire_get_u32(reader);
        }
        mac = wire_get_bytes(reader, &mac_size);
        if (mac && mac_size == sizeof(lease.mac))
                memcpy(lease.mac, mac, sizeof(lease.mac));
        else
                reader->failed = true;
        get_name(reader, lease.bridge);
        get_name(reader, lease.host_link);
        lease.mtu = wire_get_u32(reader);
        lease.firewall = firewall_choice_from_string(wire_get_string(reader));
        if (reader->failed || (int) lease.firewall < 0)
                return error_set_errnof(error, EBADMSG, "Lease ends early or is not well formed");
        r = lease_check(&lease, error);
        if (r < 0)
                return r;
        *ret = lease;
        return 0;
}
