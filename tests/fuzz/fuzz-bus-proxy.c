/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Bus proxy: authentication, match rules, headers, and whole conversations through the filter. The first byte says
 * which.
 */
#include "gateways/dbus-proxy/bus-header.h"
#include "gateways/dbus-proxy/filter.h"
#include "gateways/dbus-proxy/match-rule.h"
#include "gateways/dbus-proxy/sasl.h"
#include "tests/fuzz/fuzz.h"
#include "util/limits.h"

#define GUID "0123456789abcdef0123456789abcdef"

/* In pieces or as a whole: the same is said. */
static void fuzz_sasl(const uint8_t *bytes, size_t size) {
        g_autoptr(GString) whole = g_string_new(NULL), pieces = g_string_new(NULL);
        SaslServer one = { 0 }, other = { 0 };
        size_t used, begun = 0, end;
        int r, s = 0;

        r = sasl_server_feed(&one, GUID, true, bytes, size, &used, whole);
        FUZZ_ASSERT(used <= size);
        for (end = 1; end <= size && s == 0; end++) {
                size_t n;

                s = sasl_server_feed(&other, GUID, true, bytes + begun, end - begun, &n, pieces);
                begun += n;
        }
        /* a line that is too long is found earlier or later, and then both end */
        FUZZ_ASSERT(r == s || (r < 0 && s < 0) || r == -EMSGSIZE || s == -EMSGSIZE);
        if (r > 0) {
                FUZZ_ASSERT(s > 0 && used == begun && g_string_equal(whole, pieces));
                FUZZ_ASSERT(strstr(whole->str, "OK " GUID "\r\n"));
        }
}

static void fuzz_sasl_client(const uint8_t *bytes, size_t size) {
        g_autoptr(GString) text = g_string_new(NULL);
        SaslClient client = { 0 };
        size_t used;
        int r = sasl_client_feed(&client, bytes, size, &used, text);

        FUZZ_ASSERT(used <= size);
        FUZZ_ASSERT(r <= 0 || (client.is_accepted && strlen(client.guid) == SASL_GUID_SIZE - 1));
}

/* What is written again is read the same, and is for signals only. */
static void fuzz_match(const uint8_t *bytes, size_t size) {
        g_autofree char *text = g_strndup((const char *) bytes, size), *rule = NULL, *again = NULL;
        g_auto(Error) error = ERROR_NULL;

        if (!g_utf8_validate(text, -1, NULL))
                return;
        if (match_rule_rewrite(text, &rule, &error) < 0) {
                FUZZ_ASSERT(error.message);
                return;
        }
        FUZZ_ASSERT(g_str_has_prefix(rule, "type='signal'"));
        if (strlen(rule) > BUS_PROXY_MATCH_MAX)
                return;
        FUZZ_ASSERT(match_rule_rewrite(rule, &again, NULL) >= 0 && strcmp(rule, again) == 0);
}

static bool read_header(const uint8_t *bytes, size_t size, BusHeader *ret) {
        size_t header_size;
        uint32_t body_size;

        if (size < BUS_HEADER_FIXED || bus_header_measure(bytes, &header_size, &body_size) < 0 ||
            header_size > size)
                return false;
        if (bus_header_parse(bytes, ret) < 0)
                return false;
        FUZZ_ASSERT(ret->size == header_size && ret->body_size == body_size && ret->signature);
        FUZZ_ASSERT(ret->serial != 0);
        return true;
}

static void ignore_denied(void *userdata G_GNUC_UNUSED, const BusProxyDenied *denied) {
        FUZZ_ASSERT(denied->count > 0 && denied->detail);
}

static BusProxyRule *rule(PlanBusVerb verb, const char *name, PlanBusFlow flow, const char *interface) {
        BusProxyRule *talk = g_new0(BusProxyRule, 1);

        talk->verb = verb;
        talk->name = g_strdup(name);
        talk->flow = flow;
        talk->interface = g_strdup(interface);
        talk->path = g_strdup("/a*");
        talk->members = g_strsplit("M,Get*", ",", -1);
        return talk;
}

static void check_answer(const GByteArray *answer) {
        BusHeader header;

        if (answer->len > 0)
                FUZZ_ASSERT(read_header(answer->data, answer->len, &header) &&
                            header.size + header.body_size == answer->len);
}

/* Nothing passes that no rule allows. */
static void check_passed(const FilterContext *context, const BusHeader *header, bool is_incoming) {
        const char *other = is_incoming ? header->sender : header->destination;
        RulePeer peer = { .name = other };

        if (header->type != BUS_CALL || !other || strcmp(other, BUS_DRIVER_NAME) == 0)
                return;
        if (other[0] == ':')
                peer.names = name_map_get_names(context->names, other);
        FUZZ_ASSERT(rule_set_allows(context->rules, is_incoming ? PLAN_BUS_INCOMING : PLAN_BUS_OUTGOING, &peer,
                                    header->interface, header->path, header->member));
}

static void fuzz_filter(const uint8_t *bytes, size_t size) {
        g_autoptr(Loop) loop = loop_new();
        g_autoptr(Reporter) reporter = reporter_new(loop, ignore_denied, NULL);
        g_autoptr(NameMap) names = name_map_new();
        GPtrArray *rules = bus_proxy_rules_new();
        g_autoptr(RuleSet) set = NULL;
        g_autoptr(Filter) filter = NULL;
        FilterContext context = { .bus = "session", .names = names, .reporter = reporter };

        g_ptr_array_add(rules, rule(PLAN_BUS_TALK, "com.a", PLAN_BUS_OUTGOING, "com.*"));
        g_ptr_array_add(rules, rule(PLAN_BUS_TALK, "*", PLAN_BUS_INCOMING, "*"));
        g_ptr_array_add(rules, rule(PLAN_BUS_OWN, "com.own.*", 0, NULL));
        context.rules = set = rule_set_new(rules);
        (void) name_map_set(names, "com.a", ":1.1");
        filter = filter_new(&context, 0);
        /* a byte of flags, two of the length, a message */
        while (size >= 3) {
                size_t n = MIN((size_t) bytes[1] << 8 | bytes[2], size - 3);
                g_autofree uint8_t *message = g_memdup2(bytes + 3, n);
                g_autoptr(GByteArray) answer = g_byte_array_new();
                bool is_incoming = bytes[0] & 1;
                BusHeader header;

                if (read_header(message, n, &header) &&
                    (!filter_needs_body(&header, is_incoming) || header.size + header.body_size <= n)) {
                        FilterVerdict verdict;

                        if (bytes[0] & 2)
                                verdict = filter_judge_too_large(filter, &header, is_incoming, answer);
                        else
                                verdict = filter_judge(filter, &header, message, is_incoming, bytes[0] & 4, answer);
                        check_answer(answer);
                        FUZZ_ASSERT(verdict != FILTER_REPLACE || answer->len > 0);
                        if (verdict == FILTER_PASS)
                                check_passed(&context, &header, is_incoming);
                        if (verdict == FILTER_CUT)
                                return;
                }
                bytes += 3 + n;
                size -= 3 + n;
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
        BusHeader header;

        if (size == 0)
                return 0;
        switch (bytes[0]) {
        case 's':
                fuzz_sasl(bytes + 1, size - 1);
                break;
        case 'c':
                fuzz_sasl_client(bytes + 1, size - 1);
                break;
        case 'm':
                fuzz_match(bytes + 1, size - 1);
                break;
        case 'h': {
                g_autofree uint8_t *aligned = g_memdup2(bytes + 1, size - 1);

                (void) read_header(aligned, size - 1, &header);
                break;
        }
        default:
                fuzz_filter(bytes + 1, size - 1);
        }
        return 0;
}
