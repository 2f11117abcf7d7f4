/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "capabilities/settings.h"
#include "tests/unit/folder.h"
#include "util/limits.h"

static char *format_findings(const Settings *settings) {
        GString *text = g_string_new(NULL);

        for (guint i = 0; i < settings->findings->len; i++) {
                const Finding *finding = settings->findings->pdata[i];
                g_autofree char *one = finding_format(finding);

                g_string_append_printf(text, "%s%s\n", finding->is_error ? "" : "W ", one);
        }
        return g_string_free(text, FALSE);
}

static void test_findings(void **state G_GNUC_UNUSED) {
        static const struct {
                const char *name, *text, *expected;
        } cases[] = {
                { "nothing", "", "" },
                { "comments", "# a\n; b\n\n[Service]\n # c\n", "" },
                { "unknown section", "[Servce]\nBus=system\n",
                  "f:1:1: Unknown section [Servce]; did you mean 'Service', expected one of: Service, Ids, Network, "
                  "Session, Policy NAME\n" },
                { "section without end", "[Service\n", "f:1:1: Section '[Service' has no ']' at its end\n" },
                { "key before section", "Bus=system\n",
                  "f:1:1: 'Bus=system' stands before the first [Section]\n" },
                { "unknown key", "[Service]\n  MaxSandboxs=3\n",
                  "f:2:3: Unknown key MaxSandboxs= in [Service]; did you mean 'MaxSandboxes'\n" },
                { "key of another section", "[Service]\nNAT=yes\n",
                  "f:2:1: Unknown key NAT= in [Service], expected it in [Network]\n" },
                { "no key", "[Service]\nBus\n",
                  "f:2:1: 'Bus' is not understood, expected [Section], Key=value or # comment\n" },
                { "not a bool", "[Service]\nAllowPrivileged = maybe\n",
                  "f:2:19: AllowPrivileged='maybe' is not understood, expected yes or no\n" },
                { "not a number", "[Service]\nMaxSandboxes=many\n",
                  "f:2:14: MaxSandboxes='many' is out of range, expected a number from 1 to 1024\n" },
                { "too many", "[Service]\nMaxSandboxes=1025\n",
                  "f:2:14: MaxSandboxes='1025' is out of range, expected a number from 1 to 1024\n" },
                { "not a choice", "[Service]\nCompatibility=strickt\n",
                  "f:2:15: Compatibility='strickt' is unknown; did you mean 'strict', expected one of: safe, strict\n" },
                { "empty", "[Service]\nBus=\n", "f:2:5: Bus= is empty, expected a value\n" },
                { "a column counts characters", "[Service]\n\tSpareShims=\xc3\xa4\n",
                  "f:2:13: SpareShims='\xc3\xa4' is out of range, expected a number from 0 to 64\n" },
                { "not UTF-8", "[Service]\nBus=\xff\n", "f:2:1: The line is not UTF-8 text\n" },
                { "ids above 32 bits", "[Ids]\nBase=0xfff00000\n",
                  "f: Base= and Count= of [Ids] leave the 32-bit range: the defaults are used\n" },
                { "relative runtime folder", "[Session]\nRuntimeDir=run/user\n",
                  "f:2:12: RuntimeDir='run/user' is not understood, expected an absolute path of at most 107 bytes "
                  "without '.' and '..'\n" },
                { "sound server over the network", "[Session]\nPulseServer=tcp:host\n",
                  "f:2:13: PulseServer='tcp:host' is not understood, expected an absolute path of at most 107 bytes "
                  "without '.' and '..'\n" },
                { "abstract bus", "[Session]\nBusAddress=unix:abstract=/tmp/bus\n",
                  "f:2:12: BusAddress='unix:abstract=/tmp/bus' is not understood, expected an absolute path of at most "
                  "107 bytes without '.' and '..'\n" },
                { "display with a folder", "[Session]\nWaylandDisplay=a/wayland-1\n",
                  "f:2:16: WaylandDisplay='a/wayland-1' is not understood, expected a socket's name, as 'wayland-1', or "
                  "its absolute path\n" },
                { "bridge of a path", "[Network]\nBridge=a/b\n",
                  "f:2:8: Bridge 'a/b' has a character that is no letter, digit, '_' or '-'\n" },
                { "bridge too long", "[Network]\nBridge=abcdefghijklmnop\n",
                  "f:2:8: Bridge 'abcdefghijklmnop' has no name of 1 to 15 characters that starts with a letter\n" },
                { "no bridge", "[Network]\nBridge=\n",
                  "f:2:8: Bridge '' has no name of 1 to 15 characters that starts with a letter\n" },
                { "loopback as bridge", "[Network]\nBridge=lo\n",
                  "f:2:8: Bridge 'lo' is one that every sandbox has of its own\n" },
                { "pool without prefix", "[Network]\nIPv4=10.0.0.0\n",
                  "f:2:6: IPv4='10.0.0.0' is not understood, expected an IPv4 net as in '10.197.0.0/16' or no\n" },
                { "pool of the other family", "[Network]\nIPv6=10.0.0.0/8\n",
                  "f:2:6: IPv6='10.0.0.0/8' is not understood, expected an IPv6 net as in 'fd6b:756c:6b68::/64' "
                  "or no\n" },
                { "prefix of 33", "[Network]\nIPv4=10.0.0.0/33\n",
                  "f:2:6: IPv4='10.0.0.0/33' is not understood, expected an IPv4 net as in '10.197.0.0/16' or no\n" },
                { "pool of one", "[Network]\nIPv4=10.0.0.1/32\n",
                  "f:2:6: IPv4='10.0.0.1/32' has no prefix from 8 to 29 behind a '/'\n" },
                { "bits behind the prefix", "[Network]\nIPv4=10.197.0.1/16\n",
                  "f:2:6: IPv4='10.197.0.1/16' has bits behind its prefix; did you mean '10.197.0.0/16'\n" },
                { "pool of loopback", "[Network]\nIPv4=127.0.0.0/24\n",
                  "f:2:6: IPv4='127.0.0.0/24' has addresses of '127.0.0.0/8', which no host can have\n" },
                { "pool of link-local", "[Network]\nIPv6=fe80::/64\n",
                  "f:2:6: IPv6='fe80::/64' has addresses of 'fe80::/10', which no host can have\n" },
                { "unknown firewall", "[Network]\nFirewall=nftable\n",
                  "f:2:10: Firewall='nftable' is unknown; did you mean 'nftables', expected one of: auto, iptables, "
                  "nftables\n" },
                { "no resolver", "[Network]\nDNS=here\n",
                  "f:2:5: DNS='here' is not understood, expected auto or an address\n" },
                { "all of them", "[Servce]\n[Service]\nX=1\nBus=\n",
                  "f:1:1: Unknown section [Servce]; did you mean 'Service', expected one of: Service, Ids, Network, "
                  "Session, Policy NAME\n"
                  "f:3:1: Unknown key X= in [Service]\n"
                  "f:4:5: Bus= is empty, expected a value\n" },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autoptr(Settings) settings = settings_new();
                g_autofree char *found = NULL;

                settings_parse(settings, "f", cases[i].text);
                found = format_findings(settings);
                if (strcmp(found, cases[i].expected) != 0)
                        fail_msg("%s: found\n%sexpected\n%s", cases[i].name, found, cases[i].expected);
        }
}

static void test_values(void **state G_GNUC_UNUSED) {
        g_autoptr(Settings) settings = settings_new();

        settings_parse(
                settings, "f",
                "[Service]\nBus=unix:path=/x\nSoftwareContainer=yes\nCompatibility=strict\nMaxSandboxes=7\n"
                "AllowPrivileged=true\n[Ids]\nBase=0x10000000\nCount=65536\n");
        assert_int_equal(settings->findings->len, 0);
        assert_string_equal(settings->bus, "unix:path=/x");
        assert_string_equal(settings->compatibility, "strict");
        assert_true(settings->softwarecontainer && settings->allow_privileged);
        assert_int_equal(settings->sandboxes_max, 7);
        assert_int_equal(settings->ids_base, 0x10000000);
        assert_int_equal(settings->ids_count, 65536);
}

static void test_network(void **state G_GNUC_UNUSED) {
        g_autoptr(Settings) settings = settings_new();
        g_autofree char *ipv4 = lease_range_format(LEASE_IPV4, &settings->ranges[LEASE_IPV4]);
        g_autofree char *ipv6 = lease_range_format(LEASE_IPV6, &settings->ranges[LEASE_IPV6]);
        g_autofree char *resolver = NULL;

        assert_null(settings->bridge);
        assert_string_equal(ipv4, "10.197.0.0/16");
        assert_string_equal(ipv6, "fd6b:756c:6b68::/64");
        assert_true(settings->nat && settings->has_resolver && settings->firewall == FIREWALL_AUTO);

        settings_parse(settings, "f",
                       "[Network]\nBridge=br-apps\nIPv4=192.168.7.0/24\nIPv6=no\nNAT=no\nFirewall=nftables\n"
                       "DNS=192.168.7.9\nDNS=fd00::9\n");
        assert_int_equal(settings->findings->len, 0);
        assert_string_equal(settings->bridge, "br-apps");
        assert_int_equal(settings->ranges[LEASE_IPV4].prefix, 24);
        assert_false(settings->ranges[LEASE_IPV6].is_set);
        assert_true(!settings->nat && !settings->has_resolver && settings->firewall == FIREWALL_NFTABLES);
        resolver = lease_address_format(LEASE_IPV6, &settings->resolvers[LEASE_IPV6]);
        assert_string_equal(resolver, "fd00::9");
        assert_true(settings->resolvers[LEASE_IPV4].is_set);

        settings_parse(settings, "f", "[Network]\nDNS=auto\n");
        assert_true(settings->has_resolver && !settings->resolvers[LEASE_IPV4].is_set);
}

static void test_policy(void **state G_GNUC_UNUSED) {
        static const struct {
                const char *text;
                guint n_policies;
                bool is_broken; /* the first one */
                const char *finding; /* NULL = none */
        } cases[] = {
                { "[Policy media]\nUsers=root 1000\nGroups=audio\nCapabilities=com.acme.* !*.camera\n"
                  "Templates=media\nInsideUsers=root 0:5\nFolders=/srv/media /srv/in:rw\n",
                  1, false, NULL },
                { "[Policy a]\nUsers=1\n[Policy b]\nUsers=2\n[Policy a]\nUsers=3\n", 2, false, NULL },
                { "[Policy media]\nCapabilites=!camera\n", 1, true,
                  "b.conf:2:1: Unknown key Capabilites= in [Policy]; did you mean 'Capabilities'" },
                { "[Policy media]\nCapabilities=!cam/era\n", 1, true,
                  "b.conf:2:14: Capabilities= has '!cam/era', expected a name, which may have '*' and '?', and "
                  "'!' in front" },
                { "[Policy media]\nUsers=\n", 1, true, "b.conf:2:7: Users= is empty, expected a value" },
                { "[Policy media]\nUsers=4294967295\n", 1, true,
                  "b.conf:2:7: Users= has '4294967295', expected a name or a number below 4294967295" },
                { "[Policy media]\nFolders=srv\n", 1, true,
                  "b.conf:2:9: Folders= has 'srv': Path 'srv' is not absolute, it has to start with '/'" },
                { "[Policy media]\nnonsense\n", 1, true,
                  "b.conf:2:1: 'nonsense' is not understood, expected [Section], Key=value or # comment" },
                { "[Policy]\n", 1, true, "b.conf:1:1: A policy section has a name: [Policy NAME]" },
                { "[Policyx]\n", 0, false, NULL },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autoptr(Settings) settings = settings_new();

                settings_parse(settings, "b.conf", cases[i].text);
                assert_int_equal(settings->policies->len, cases[i].n_policies);
                if (cases[i].n_policies > 0)
                        assert_int_equal(((PolicySection *) settings->policies->pdata[0])->is_broken,
                                         cases[i].is_broken);
                if (cases[i].finding) {
                        assert_int_equal(settings->findings->len, 1);
                        g_autofree char *line = finding_format(settings->findings->pdata[0]);

                        assert_string_equal(line, cases[i].finding);
                } else if (cases[i].n_policies > 0)
                        assert_int_equal(settings->findings->len, 0);
        }
}

/* A mistake leaves the value before: it must not open anything. */
static void test_mistakes_keep_the_value(void **state G_GNUC_UNUSED) {
        g_autoptr(Settings) settings = settings_new();

        settings_parse(settings, "f", "[Service]\nAllowPrivileged=ja\nMaxSandboxes=0\nBus=\n[Policy]\n");
        assert_false(settings->allow_privileged);
        assert_int_equal(settings->sandboxes_max, SANDBOXES_MAX);
        assert_string_equal(settings->bus, "system");
        assert_int_equal(settings->policies->len, 1);
}

static void test_load(void **state) {
        const char *folder = *state;
        const char *file = folder_put(folder, "bulkhead.conf", "[Service]\nMaxSandboxes=5\nSpareShims=2\n");
        g_autofree char *drop_ins = g_build_filename(folder, "bulkhead.conf.d", NULL), *found = NULL,
                        *expected = NULL;
        g_autoptr(Settings) settings = NULL, none = NULL;
        const char *bad = folder_put(folder, "bulkhead.conf.d/20.conf", "[Service]\nMaxSandboxes=9\nX=\n");

        folder_put(folder, "bulkhead.conf.d/10.conf", "[Service]\nMaxSandboxes=8\n");
        folder_put(folder, "bulkhead.conf.d/.hidden.conf", "[Nonsense]\n");
        folder_put(folder, "bulkhead.conf.d/README", "[Nonsense]\n");
        settings = settings_load(file, drop_ins);
        assert_int_equal(settings->sandboxes_max, 9);
        assert_int_equal(settings->spare_shims, 2);
        assert_int_equal(settings->n_files, 3);
        found = format_findings(settings);
        expected = g_strdup_printf("%s:3:1: Unknown key X= in [Service]\n", bad);
        assert_string_equal(found, expected);

        none = settings_load("/nonexistent/a", "/nonexistent/b");
        assert_int_equal(none->n_files, 0);
        assert_int_equal(none->findings->len, 0);
}

static void test_a_nul_hides_nothing(void **state) {
        g_autofree char *path = g_build_filename(*state, "nul.conf", NULL);
        g_autoptr(Settings) settings = settings_new();

        assert_true(g_file_set_contents(path, "[Service]\n\0AllowPrivileged=yes\n", 31, NULL));
        settings_read(settings, path);
        assert_int_equal(settings->findings->len, 1);
        assert_false(settings->allow_privileged);
}

static void test_session(void **state G_GNUC_UNUSED) {
        static const struct {
                const char *name, *text, *bus, *bus_folder, *pulse, *pulse_folder, *wayland, *wayland_folder;
        } cases[] = {
                { "of the owner", "", "/run/user/1000/bus", NULL, "/run/user/1000/pulse/native", NULL,
                  "/run/user/1000/wayland-0", NULL },
                { "one folder for all", "[Session]\nRuntimeDir=/run/hmi\n", "/run/hmi/bus", "/run/hmi",
                  "/run/hmi/pulse/native", "/run/hmi", "/run/hmi/wayland-0", "/run/hmi" },
                { "each elsewhere",
                  "[Session]\nBusAddress=unix:path=/a/b\nPulseServer=unix:/c/d\nWaylandDisplay=/e/f\n", "/a/b", "/a",
                  "/c/d", "/c", "/e/f", "/e" },
                { "one of them below the folder", "[Session]\nRuntimeDir=/run/hmi\nPulseServer=/run/hmi/p/s\n",
                  "/run/hmi/bus", "/run/hmi", "/run/hmi/p/s", "/run/hmi", "/run/hmi/wayland-0", "/run/hmi" },
                { "one of them beside the folder", "[Session]\nRuntimeDir=/run/hmi\nPulseServer=/run/hmi2/s\n",
                  "/run/hmi/bus", "/run/hmi", "/run/hmi2/s", "/run/hmi2", "/run/hmi/wayland-0", "/run/hmi" },
                { "another display", "[Session]\nWaylandDisplay=wayland-7\n", "/run/user/1000/bus", NULL,
                  "/run/user/1000/pulse/native", NULL, "/run/user/1000/wayland-7", NULL },
                { "taken back", "[Session]\nRuntimeDir=/run/hmi\nRuntimeDir=\nWaylandDisplay=x\nWaylandDisplay=\n",
                  "/run/user/1000/bus", NULL, "/run/user/1000/pulse/native", NULL, "/run/user/1000/wayland-0", NULL },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autoptr(Settings) settings = settings_new();
                g_auto(Session) session = { 0 };
                const SessionSocket *sockets = session.sockets;

                print_message("%s\n", cases[i].name);
                settings_parse(settings, "f", cases[i].text);
                assert_int_equal(settings->findings->len, 0);
                settings_get_session(settings, 1000, &session);
                assert_string_equal(sockets[SESSION_BUS].path, cases[i].bus);
                assert_true(g_strcmp0(sockets[SESSION_BUS].folder, cases[i].bus_folder) == 0);
                assert_string_equal(sockets[SESSION_PULSEAUDIO].path, cases[i].pulse);
                assert_true(g_strcmp0(sockets[SESSION_PULSEAUDIO].folder, cases[i].pulse_folder) == 0);
                assert_string_equal(sockets[SESSION_WAYLAND].path, cases[i].wayland);
                assert_true(g_strcmp0(sockets[SESSION_WAYLAND].folder, cases[i].wayland_folder) == 0);
        }
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_session),
                cmocka_unit_test(test_findings),
                cmocka_unit_test(test_policy),
                cmocka_unit_test(test_values), cmocka_unit_test(test_network),
                cmocka_unit_test(test_mistakes_keep_the_value),
                cmocka_unit_test_setup_teardown(test_load, folder_setup, folder_teardown),
                cmocka_unit_test_setup_teardown(test_a_nul_hides_nothing, folder_setup, folder_teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
