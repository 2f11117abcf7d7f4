/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What an app may ask the bus itself, and what the bus may say to it
 *
 * One row for each member; what has no row is refused. Names that no rule speaks of do not exist: they are in
 * no list, have no owner, are not started, and nothing is said when they come and go. Debugging, monitoring
 * and the environment of services are for nobody in a sandbox.
 */
#include <errno.h>
#include <string.h>

#include "gateways/dbus-pattern.h"
#include "gateways/dbus-proxy/bus-reader.h"
#include "gateways/dbus-proxy/bus-writer.h"
#include "gateways/dbus-proxy/filter-private.h"
#include "gateways/dbus-proxy/match-rule.h"
#include "util/limits.h"

/* What is asked about the name in the first argument, if there is one. */
typedef enum DriverCheck {
        CHECK_NOTHING,
        CHECK_VISIBLE, /* hidden names have no owner */
        CHECK_HAS_OWNER,
        CHECK_START,
        CHECK_OWN,
        CHECK_ADD_MATCH,
        CHECK_REMOVE_MATCH,
} DriverCheck;

typedef struct DriverMember {
        const char *interface, *member, *signature;
        DriverCheck check;
        PendingKind kind;
} DriverMember;

#define INTROSPECTABLE "org.freedesktop.DBus.Introspectable"
#define PROPERTIES     "org.freedesktop.DBus.Properties"
#define PEER           "org.freedesktop.DBus.Peer"

static const DriverMember members[] = {
        { BUS_DRIVER_INTERFACE, "Hello", "", CHECK_NOTHING, PENDING_HELLO },
        { BUS_DRIVER_INTERFACE, "RequestName", "su", CHECK_OWN, PENDING_DRIVER },
        { BUS_DRIVER_INTERFACE, "ReleaseName", "s", CHECK_OWN, PENDING_DRIVER },
        { BUS_DRIVER_INTERFACE, "ListQueuedOwners", "s", CHECK_VISIBLE, PENDING_DRIVER },
        { BUS_DRIVER_INTERFACE, "ListNames", "", CHECK_NOTHING, PENDING_LIST },
        { BUS_DRIVER_INTERFACE, "ListActivatableNames", "", CHECK_NOTHING, PENDING_LIST },
        { BUS_DRIVER_INTERFACE, "NameHasOwner", "s", CHECK_HAS_OWNER, PENDING_DRIVER },
        { BUS_DRIVER_INTERFACE, "GetNameOwner", "s", CHECK_VISIBLE, PENDING_OWNER },
        { BUS_DRIVER_INTERFACE, "StartServiceByName", "su", CHECK_START, PENDING_DRIVER },
        { BUS_DRIVER_INTERFACE, "GetConnectionUnixUser", "s", CHECK_VISIBLE, PENDING_DRIVER },
        { BUS_DRIVER_INTERFACE, "GetConnectionUnixProcessID", "s", CHECK_VISIBLE, PENDING_DRIVER },
        { BUS_DRIVER_INTERFACE, "GetConnectionCredentials", "s", CHECK_VISIBLE, PENDING_DRIVER },
        { BUS_DRIVER_INTERFACE, "AddMatch", "s", CHECK_ADD_MATCH, PENDING_DRIVER },
        { BUS_DRIVER_INTERFACE, "RemoveMatch", "s", CHECK_REMOVE_MATCH, PENDING_DRIVER },
        { BUS_DRIVER_INTERFACE, "GetId", "", CHECK_NOTHING, PENDING_DRIVER },
        { PEER, "Ping", "", CHECK_NOTHING, PENDING_DRIVER },
        { PEER, "GetMachineId", "", CHECK_NOTHING, PENDING_DRIVER },
        { INTROSPECTABLE, "Introspect", "", CHECK_NOTHING, PENDING_DRIVER },
        { PROPERTIES, "Get", "ss", CHECK_NOTHING, PENDING_DRIVER },
        { PROPERTIES, "GetAll", "s", CHECK_NOTHING, PENDING_DRIVER },
};

/* Without an interface it is the member's only one: no other interface of the bus has one of the same name
 * that apps may call. */
static const DriverMember *find_member(const BusHeader *header) {
        for (guint i = 0; i < G_N_ELEMENTS(members); i++)
                if (strcmp(header->member, members[i].member) == 0 &&
                    (!header->interface || strcmp(header->interface, members[i].interface) == 0))
                        return &members[i];
        return NULL;
}

static BusReader body_reader(const BusHeader *header, const uint8_t *bytes) {
        return (BusReader){
                .bytes = bytes,
                .size = header->size + header->body_size,
                .at = header->size,
                .is_big_endian = header->is_big_endian,
        };
}

/* ---- calls ---- */

static FilterVerdict refuse_hidden(Filter *filter, const BusHeader *header, const char *name,
                                   GByteArray *answer) {
        g_autofree char *text = g_strdup_printf("Could not get owner of name '%s': no such name", name);

        filter_deny(filter, header, false, "No rule: %s talk outgoing name %s", filter->context->bus, name);
        return filter_answer(filter, header, answer, BUS_ERROR_NO_OWNER, text);
}

static FilterVerdict refuse_start(Filter *filter, const BusHeader *header, const char *name,
                                  GByteArray *answer) {
        g_autofree char *text = g_strdup_printf("The name %s was not provided by any .service files", name);

        filter_deny(filter, header, false, "No rule: %s talk outgoing name %s", filter->context->bus, name);
        return filter_answer(filter, header, answer, BUS_ERROR_SERVICE_UNKNOWN, text);
}

static FilterVerdict refuse_own(Filter *filter, const BusHeader *header, const char *name,
                                GByteArray *answer) {
        g_autofree char *text = g_strdup_printf("This sandbox may not own the name %s", name);

        filter_deny(filter, header, false, "No rule: %s own %s", filter->context->bus, name);
        return filter_answer(filter, header, answer, BUS_ERROR_ACCESS_DENIED, text);
}

static FilterVerdict answer_no_owner(Filter *filter, const BusHeader *header, const char *name,
                                     GByteArray *answer) {
        filter_deny(filter, header, false, "No rule: %s talk outgoing name %s", filter->context->bus, name);
        if (!(header->flags & BUS_NO_REPLY_EXPECTED))
                bus_write_boolean(answer, header->serial, filter->unique, FALSE);
        return FILTER_DROP;
}

/* The call is allowed: its answer may come. */
static FilterVerdict pass(Filter *filter, const BusHeader *header, PendingKind kind, GByteArray *answer) {
        if (filter_expect(filter, header, kind) == 0)
                return FILTER_PASS;
        filter_deny(filter, header, false, "More than %d calls without an answer", BUS_PROXY_PENDING_MAX);
        return filter_answer(filter, header, answer, BUS_ERROR_LIMITS_EXCEEDED,
                             "Too many calls wait for an answer");
}

static FilterVerdict judge_name(Filter *filter, const DriverMember *member, const BusHeader *header,
                                const char *name, bool is_synced, GByteArray *answer) {
        RulePeer peer = { .name = name };

        if (member->check == CHECK_OWN)
                return rule_set_may_own(filter->context->rules, name)
                               ? pass(filter, header, member->kind, answer)
                               : refuse_own(filter, header, name, answer);
        if (member->check == CHECK_START)
                return rule_set_may_call(filter->context->rules, &peer)
                               ? pass(filter, header, member->kind, answer)
                               : refuse_start(filter, header, name, answer);
        if (filter_is_visible(filter, name))
                return pass(filter, header, member->kind, answer);
        if (filter_must_wait(filter, name, is_synced))
                return FILTER_HOLD;
        return member->check == CHECK_HAS_OWNER ? answer_no_owner(filter, header, name, answer)
                                                : refuse_hidden(filter, header, name, answer);
}

/* Counts them, so that the bus is not filled. */
static bool count_match(Filter *filter, const char *rule, bool is_added) {
        guint n = GPOINTER_TO_UINT(g_hash_table_lookup(filter->matches, rule));

        if (is_added && filter->n_matches >= BUS_PROXY_MATCHES_MAX)
                return false;
        if (!is_added && n == 0)
                return true; /* the bus says what is wrong with it */
        if (is_added)
                filter->n_matches++;
        else
                filter->n_matches--;
        if (!is_added && n == 1)
                g_hash_table_remove(filter->matches, rule);
        else
                g_hash_table_insert(filter->matches, g_strdup(rule),
                                    GUINT_TO_POINTER(is_added ? n + 1 : n - 1));
        return true;
}

static FilterVerdict judge_match(Filter *filter, const DriverMember *member, const BusHeader *header,
                                 const uint8_t *bytes, const char *text, GByteArray *answer) {
        g_auto(Error) error = ERROR_NULL;
        g_autofree char *rule = NULL;
        FilterVerdict verdict;
        int r;

        r = match_rule_rewrite(text, &rule, &error);
        if (r < 0) {
                filter_deny(filter, header, false, "%s", error.message);
                return filter_answer(filter, header, answer,
                                     r == -EACCES ? BUS_ERROR_ACCESS_DENIED : BUS_ERROR_MATCH_INVALID,
                                     error.message);
        }
        if (!count_match(filter, rule, member->check == CHECK_ADD_MATCH)) {
                filter_deny(filter, header, false, "More than %d match rules", BUS_PROXY_MATCHES_MAX);
                return filter_answer(filter, header, answer, BUS_ERROR_LIMITS_EXCEEDED,
                                     "Too many match rules");
        }
        verdict = pass(filter, header, member->kind, answer);
        if (verdict != FILTER_PASS)
                return verdict;
        bus_write_string_body(answer, header, bytes, rule);
        return FILTER_REPLACE;
}

FilterVerdict driver_judge_call(Filter *filter, const BusHeader *header, const uint8_t *bytes, bool is_synced,
                                GByteArray *answer) {
        const DriverMember *member = find_member(header);
        BusReader body = body_reader(header, bytes);
        const char *argument;

        if (!member || header->n_fds > 0) {
                filter_deny(filter, header, false, "Never for an app: %s.%s", header->interface ?: "*",
                            header->member);
                return filter_answer(filter, header, answer, BUS_ERROR_ACCESS_DENIED,
                                     "No app in a sandbox may ask the bus for this");
        }
        if (strcmp(header->signature, member->signature) != 0)
                return filter_answer(filter, header, answer, BUS_ERROR_INVALID_ARGS,
                                     "Call to the bus with the wrong arguments");
        if (member->check == CHECK_NOTHING) {
                /* An answer that nobody waits for must not be taken for that of another call. */
                if (header->flags & BUS_NO_REPLY_EXPECTED)
                        return FILTER_DROP;
                return pass(filter, header, member->kind, answer);
        }
        argument = bus_reader_get_string(&body, NULL);
        if (body.failed)
                return FILTER_CUT;
        if (member->check == CHECK_ADD_MATCH || member->check == CHECK_REMOVE_MATCH)
                return judge_match(filter, member, header, bytes, argument, answer);
        return judge_name(filter, member, header, argument, is_synced, answer);
}

/* ---- what the bus says ---- */

static bool is_own(const Filter *filter, const char *name) {
        return filter->unique && strcmp(filter->unique, name) == 0;
}

FilterVerdict driver_judge_signal(Filter *filter, const BusHeader *header, const uint8_t *bytes) {
        BusReader body = body_reader(header, bytes);
        const char *name, *before, *after;

        if (strcmp(header->interface, BUS_DRIVER_INTERFACE) != 0)
                return FILTER_DROP;
        /* to this connection only */
        if (strcmp(header->member, "NameAcquired") == 0 || strcmp(header->member, "NameLost") == 0)
                return header->destination ? FILTER_PASS : FILTER_DROP;
        if (strcmp(header->member, "NameOwnerChanged") != 0 || strcmp(header->signature, "sss") != 0)
                return FILTER_DROP;
        name = bus_reader_get_string(&body, NULL);
        before = bus_reader_get_string(&body, NULL);
        after = bus_reader_get_string(&body, NULL);
        if (body.failed || !filter_is_visible(filter, name))
                return FILTER_DROP;
        if (!is_own(filter, name)) {
                filter_meet(filter, before);
                filter_meet(filter, after);
        }
        return FILTER_PASS;
}

static FilterVerdict rewrite_list(Filter *filter, const BusHeader *header, const uint8_t *bytes,
                                  GByteArray *answer) {
        g_autoptr(GPtrArray) names = g_ptr_array_new();
        BusReader body = body_reader(header, bytes);
        size_t end;

        if (strcmp(header->signature, "as") != 0)
                return FILTER_DROP;
        end = bus_reader_get_u32(&body);
        if (body.failed || end != body.size - body.at)
                return FILTER_DROP;
        while (body.at < body.size && !body.failed) {
                const char *name = bus_reader_get_string(&body, NULL);

                if (!body.failed && filter_is_visible(filter, name))
                        g_ptr_array_add(names, (char *) name);
        }
        if (body.failed)
                return FILTER_DROP;
        bus_write_strings_body(answer, header, bytes, names);
        return FILTER_REPLACE;
}

FilterVerdict driver_judge_return(Filter *filter, PendingKind kind, const BusHeader *header,
                                  const uint8_t *bytes, GByteArray *answer) {
        BusReader body = body_reader(header, bytes);
        const char *name;

        if (kind == PENDING_LIST)
                return rewrite_list(filter, header, bytes, answer);
        if (kind != PENDING_HELLO && kind != PENDING_OWNER)
                return FILTER_PASS;
        name = strcmp(header->signature, "s") == 0 ? bus_reader_get_string(&body, NULL) : "";
        if (body.failed || name[0] != ':' || strlen(name) > BUS_PATTERN_MAX ||
            !dbus_name_is_valid(DBUS_NAME_BUS, name))
                return kind == PENDING_HELLO ? FILTER_DROP : FILTER_PASS;
        if (kind == PENDING_OWNER)
                filter_meet(filter, name);
        else if (!filter->unique)
                filter->unique = g_strdup(name);
        return FILTER_PASS;
}
