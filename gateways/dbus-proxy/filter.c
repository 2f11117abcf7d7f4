/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gateways/dbus-proxy/filter.h"

#include <errno.h>
#include <string.h>

#include "gateways/dbus-proxy/bus-writer.h"
#include "gateways/dbus-proxy/filter-private.h"
#include "util/limits.h"

typedef struct Pending {
        PendingKind kind;
        char *destination; /* owned; the unique name that was called; NULL = a well-known one */
} Pending;

/* A call that waits for the app. */
typedef struct Asked {
        uint32_t serial;
        char *sender; /* owned */
} Asked;

static void pending_free(void *data) {
        Pending *pending = data;

        g_free(pending->destination);
        g_free(pending);
}

static void asked_free(void *data) {
        Asked *asked = data;

        g_free(asked->sender);
        g_free(asked);
}

static guint asked_hash(gconstpointer key) {
        const Asked *asked = key;

        return g_str_hash(asked->sender) ^ asked->serial;
}

static gboolean asked_equal(gconstpointer a, gconstpointer b) {
        const Asked *left = a, *right = b;

        return left->serial == right->serial && strcmp(left->sender, right->sender) == 0;
}

Filter *filter_new(const FilterContext *context, pid_t pid) {
        Filter *filter = g_new0(Filter, 1);

        filter->context = context;
        filter->pid = pid;
        filter->pending = g_hash_table_new_full(NULL, NULL, NULL, pending_free);
        filter->asked = g_hash_table_new_full(asked_hash, asked_equal, asked_free, NULL);
        filter->peers = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        filter->matches = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        return filter;
}

void filter_free(Filter *filter) {
        if (!filter)
                return;
        g_queue_clear(&filter->asked_order);
        g_queue_clear(&filter->peers_order);
        g_hash_table_unref(filter->pending);
        g_hash_table_unref(filter->asked);
        g_hash_table_unref(filter->peers);
        g_hash_table_unref(filter->matches);
        g_free(filter->unique);
        g_free(filter);
}

/* ---- who may be known ---- */

static bool is_unique(const char *name) {
        return name[0] == ':';
}

static RulePeer peer_of(const Filter *filter, const char *name) {
        RulePeer peer = { .name = name };

        if (name && is_unique(name) && filter->context->names)
                peer.names = name_map_get_names(filter->context->names, name);
        return peer;
}

void filter_meet(Filter *filter, const char *name) {
        char *copy;

        if (!is_unique(name) || g_hash_table_contains(filter->peers, name))
                return;
        if (g_hash_table_size(filter->peers) >= BUS_PROXY_PEERS_MAX)
                g_hash_table_remove(filter->peers, g_queue_pop_head(&filter->peers_order));
        copy = g_strdup(name);
        g_hash_table_add(filter->peers, copy);
        g_queue_push_tail(&filter->peers_order, copy);
}

bool filter_is_visible(Filter *filter, const char *name) {
        RulePeer peer = peer_of(filter, name);

        return strcmp(name, BUS_DRIVER_NAME) == 0 || (filter->unique && strcmp(name, filter->unique) == 0) ||
               g_hash_table_contains(filter->peers, name) ||
               rule_set_is_visible(filter->context->rules, &peer);
}

bool filter_must_wait(const Filter *filter, const char *name, bool is_synced) {
        return !is_synced && filter->context->names && name && is_unique(name);
}

/* ---- refusing ---- */

void filter_deny(Filter *filter, const BusHeader *header, bool is_incoming, const char *format, ...) {
        g_autofree char *detail = NULL;
        va_list args;

        va_start(args, format);
        detail = g_strdup_vprintf(format, args);
        va_end(args);
        reporter_add(filter->context->reporter,
                     &(BusProxyDenied){
                             .pid = (uint32_t) filter->pid,
                             .is_incoming = is_incoming,
                             .name = (char *) (is_incoming ? header->sender : header->destination),
                             .interface = (char *) header->interface,
                             .member = (char *) header->member,
                             .path = (char *) header->path,
                             .detail = detail,
                     });
}

void filter_report(Filter *filter, bool is_incoming, const char *detail) {
        filter_deny(filter, &(BusHeader){ 0 }, is_incoming, "%s", detail);
}

FilterVerdict filter_answer(Filter *filter, const BusHeader *header, GByteArray *answer, const char *error,
                            const char *text) {
        if (!(header->flags & BUS_NO_REPLY_EXPECTED))
                bus_write_error(answer, UINT32_MAX, header->serial, BUS_DRIVER_NAME, filter->unique, error,
                                text);
        return FILTER_DROP;
}

/* The rule that is missing, in the words that a plan prints it in. */
static void deny_rule(Filter *filter, const BusHeader *header, bool is_incoming) {
        const char *peer = is_incoming ? header->sender : header->destination;

        filter_deny(filter, header, is_incoming, "No rule: %s talk %s name %s interface %s path %s member %s",
                    filter->context->bus, is_incoming ? "incoming" : "outgoing", peer ?: "*",
                    header->interface ?: "*", header->path, header->member);
}

static bool is_allowed(const Filter *filter, const BusHeader *header, bool is_incoming) {
        RulePeer peer = peer_of(filter, is_incoming ? header->sender : header->destination);

        return rule_set_allows(filter->context->rules, is_incoming ? PLAN_BUS_INCOMING : PLAN_BUS_OUTGOING,
                               &peer, header->interface, header->path, header->member);
}

/* ---- what the app says ---- */

int filter_expect(Filter *filter, const BusHeader *header, PendingKind kind) {
        gpointer serial = GUINT_TO_POINTER(header->serial);
        Pending *pending;

        if (header->flags & BUS_NO_REPLY_EXPECTED)
                return 0;
        if (g_hash_table_contains(filter->pending, serial))
                return -EEXIST;
        if (g_hash_table_size(filter->pending) >= BUS_PROXY_PENDING_MAX)
                return -ENOSPC;
        pending = g_new0(Pending, 1);
        pending->kind = kind;
        if (kind == PENDING_PEER && is_unique(header->destination))
                pending->destination = g_strdup(header->destination);
        g_hash_table_insert(filter->pending, serial, pending);
        return 0;
}

/* A call that rules allow. */
static FilterVerdict pass_call(Filter *filter, const BusHeader *header, GByteArray *answer) {
        int r = filter_expect(filter, header, PENDING_PEER);

        if (r == -ENOSPC) {
                filter_deny(filter, header, false, "More than %d calls without an answer",
                            BUS_PROXY_PENDING_MAX);
                return filter_answer(filter, header, answer, BUS_ERROR_LIMITS_EXCEEDED,
                                     "Too many calls wait for an answer");
        }
        return FILTER_PASS;
}

static FilterVerdict judge_own_call(Filter *filter, const BusHeader *header, bool is_synced,
                                    GByteArray *answer) {
        g_autofree char *text = NULL;

        if (!header->destination) {
                filter_deny(filter, header, false, "Call of nobody");
                return filter_answer(filter, header, answer, BUS_ERROR_ACCESS_DENIED,
                                     "Call without a destination");
        }
        if (is_allowed(filter, header, false))
                return pass_call(filter, header, answer);
        if (filter_must_wait(filter, header->destination, is_synced))
                return FILTER_HOLD;
        deny_rule(filter, header, false);
        if (!filter_is_visible(filter, header->destination)) {
                text = g_strdup_printf("The name %s was not provided by any .service files",
                                       header->destination);
                return filter_answer(filter, header, answer, BUS_ERROR_SERVICE_UNKNOWN, text);
        }
        text = g_strdup_printf("This sandbox may not call %s%s%s on %s of %s", header->interface ?: "",
                               header->interface ? "." : "", header->member, header->path,
                               header->destination);
        return filter_answer(filter, header, answer, BUS_ERROR_ACCESS_DENIED, text);
}

static FilterVerdict judge_own_signal(Filter *filter, const BusHeader *header, bool is_synced) {
        if (is_allowed(filter, header, false))
                return FILTER_PASS;
        if (filter_must_wait(filter, header->destination, is_synced))
                return FILTER_HOLD;
        deny_rule(filter, header, false);
        return FILTER_DROP;
}

/* Takes the call that is answered, if there is one. */
static bool take_asked(Filter *filter, const char *caller, uint32_t serial) {
        Asked key = { .serial = serial, .sender = (char *) caller };
        gpointer asked;

        if (!caller || !g_hash_table_lookup_extended(filter->asked, &key, &asked, NULL))
                return false;
        g_queue_remove(&filter->asked_order, asked);
        g_hash_table_remove(filter->asked, asked);
        return true;
}

static FilterVerdict judge_own_reply(Filter *filter, const BusHeader *header) {
        if (take_asked(filter, header->destination, header->reply_serial))
                return FILTER_PASS;
        filter_deny(filter, header, false, "Reply that nobody waits for");
        return FILTER_DROP;
}

static bool is_reply(const BusHeader *header) {
        return header->type == BUS_RETURN || header->type == BUS_ERROR;
}

/* Two calls at once under one serial: an answer could be taken for that of the other. */
static bool reuses_serial(const Filter *filter, const BusHeader *header) {
        return header->type == BUS_CALL &&
               g_hash_table_contains(filter->pending, GUINT_TO_POINTER(header->serial));
}

static FilterVerdict judge_outgoing(Filter *filter, const BusHeader *header, const uint8_t *bytes,
                                    bool is_synced, GByteArray *answer) {
        bool is_to_driver = header->destination && strcmp(header->destination, BUS_DRIVER_NAME) == 0;

        if (reuses_serial(filter, header)) {
                filter_deny(filter, header, false, "Call with the serial of one that is not answered yet");
                return FILTER_CUT;
        }
        if (header->has_unknown) {
                /* a bus of tomorrow might do something by it */
                filter_deny(filter, header, false, "Header field that is not known");
                return header->type == BUS_CALL
                               ? filter_answer(filter, header, answer, BUS_ERROR_ACCESS_DENIED,
                                               "Header field that is not known")
                               : FILTER_DROP;
        }
        if (header->type == BUS_CALL)
                return is_to_driver ? driver_judge_call(filter, header, bytes, is_synced, answer)
                                    : judge_own_call(filter, header, is_synced, answer);
        if (header->type == BUS_SIGNAL && !is_to_driver)
                return judge_own_signal(filter, header, is_synced);
        if (is_reply(header))
                return judge_own_reply(filter, header);
        filter_deny(filter, header, false, "Message of a type that the bus is not sent");
        return FILTER_DROP;
}

/* ---- what the bus says ---- */

static void add_asked(Filter *filter, const BusHeader *header) {
        Asked *asked;

        if (header->flags & BUS_NO_REPLY_EXPECTED)
                return;
        /* The oldest has waited longest for an app that does not answer. */
        if (g_hash_table_size(filter->asked) >= BUS_PROXY_PENDING_MAX)
                g_hash_table_remove(filter->asked, g_queue_pop_head(&filter->asked_order));
        asked = g_new0(Asked, 1);
        asked->serial = header->serial;
        asked->sender = g_strdup(header->sender);
        if (g_hash_table_contains(filter->asked, asked)) {
                asked_free(asked);
                return;
        }
        g_hash_table_add(filter->asked, asked);
        g_queue_push_tail(&filter->asked_order, asked);
}

static FilterVerdict judge_peer_call(Filter *filter, const BusHeader *header, bool is_synced,
                                     GByteArray *answer) {
        if (is_allowed(filter, header, true)) {
                filter_meet(filter, header->sender);
                add_asked(filter, header);
                return FILTER_PASS;
        }
        if (filter_must_wait(filter, header->sender, is_synced))
                return FILTER_HOLD;
        deny_rule(filter, header, true);
        if (!(header->flags & BUS_NO_REPLY_EXPECTED))
                bus_write_error(answer, UINT32_MAX, header->serial, NULL, header->sender,
                                BUS_ERROR_ACCESS_DENIED, "The sandbox of this name may not be called so");
        return FILTER_DROP;
}

static FilterVerdict judge_peer_signal(Filter *filter, const BusHeader *header, bool is_synced) {
        if (is_allowed(filter, header, true)) {
                filter_meet(filter, header->sender);
                return FILTER_PASS;
        }
        if (filter_must_wait(filter, header->sender, is_synced))
                return FILTER_HOLD;
        deny_rule(filter, header, true);
        return FILTER_DROP;
}

/* May @header be the answer to it? What answers a well-known name is for the bus to know. */
static bool answers(const Pending *pending, const BusHeader *header, bool is_from_driver) {
        if (pending->kind != PENDING_PEER)
                return is_from_driver;
        if (is_from_driver) /* nothing but that there is no answer */
                return header->type == BUS_ERROR;
        return !pending->destination || strcmp(pending->destination, header->sender) == 0;
}

static FilterVerdict judge_reply(Filter *filter, const BusHeader *header, const uint8_t *bytes,
                                 bool is_from_driver, GByteArray *answer) {
        gpointer serial = GUINT_TO_POINTER(header->reply_serial);
        const Pending *pending = g_hash_table_lookup(filter->pending, serial);
        PendingKind kind;

        if (!pending || !answers(pending, header, is_from_driver)) {
                filter_deny(filter, header, true, "Reply to no call of the app");
                return FILTER_DROP;
        }
        kind = pending->kind;
        g_hash_table_remove(filter->pending, serial);
        filter_meet(filter, header->sender);
        if (kind != PENDING_PEER && header->type == BUS_RETURN)
                return driver_judge_return(filter, kind, header, bytes, answer);
        return FILTER_PASS;
}

/* Not what somebody else was sent: an app gets that only if the bus lets it eavesdrop. */
static bool is_for_us(const Filter *filter, const BusHeader *header) {
        if (!header->destination)
                return header->type == BUS_SIGNAL;
        if (is_unique(header->destination))
                return !filter->unique || strcmp(header->destination, filter->unique) == 0;
        return rule_set_may_own(filter->context->rules, header->destination);
}

static FilterVerdict judge_incoming(Filter *filter, const BusHeader *header, const uint8_t *bytes,
                                    bool is_synced, GByteArray *answer) {
        bool is_from_driver = header->sender && strcmp(header->sender, BUS_DRIVER_NAME) == 0;

        if (!header->sender || !is_for_us(filter, header)) {
                filter_deny(filter, header, true, "Message that is not for the app");
                return FILTER_DROP;
        }
        if (is_reply(header))
                return judge_reply(filter, header, bytes, is_from_driver, answer);
        if (header->type == BUS_SIGNAL)
                return is_from_driver ? driver_judge_signal(filter, header, bytes)
                                      : judge_peer_signal(filter, header, is_synced);
        if (header->type == BUS_CALL && !is_from_driver)
                return judge_peer_call(filter, header, is_synced, answer);
        filter_deny(filter, header, true, "Message of an unknown type");
        return FILTER_DROP;
}

/* ---- both ---- */

bool filter_needs_body(const BusHeader *header, bool is_incoming) {
        const char *peer = is_incoming ? header->sender : header->destination;

        return peer && strcmp(peer, BUS_DRIVER_NAME) == 0;
}

FilterVerdict filter_judge(Filter *filter, const BusHeader *header, const uint8_t *bytes, bool is_incoming,
                           bool is_synced, GByteArray *answer) {
        return is_incoming ? judge_incoming(filter, header, bytes, is_synced, answer)
                           : judge_outgoing(filter, header, bytes, is_synced, answer);
}

/* Who waits for a reply gets an error in its place. */
static FilterVerdict replace_reply(Filter *filter, const BusHeader *header, bool is_incoming,
                                   GByteArray *answer) {
        bool is_expected = is_incoming ? g_hash_table_remove(filter->pending,
                                                             GUINT_TO_POINTER(header->reply_serial))
                                       : take_asked(filter, header->destination, header->reply_serial);

        if (!is_expected)
                return FILTER_DROP;
        bus_write_error(answer, UINT32_MAX, header->reply_serial, is_incoming ? header->sender : NULL,
                        header->destination, BUS_ERROR_LIMITS_EXCEEDED, "The reply was too large");
        return FILTER_REPLACE;
}

FilterVerdict filter_judge_too_large(Filter *filter, const BusHeader *header, bool is_incoming,
                                     GByteArray *answer) {
        if (!is_incoming && reuses_serial(filter, header))
                return FILTER_CUT;
        filter_deny(filter, header, is_incoming, "Message of %zu bytes", header->size + header->body_size);
        if (is_reply(header))
                return replace_reply(filter, header, is_incoming, answer);
        if (header->type != BUS_CALL)
                return FILTER_DROP;
        if (!is_incoming)
                return filter_answer(filter, header, answer, BUS_ERROR_LIMITS_EXCEEDED,
                                     "The message is too large");
        if (!(header->flags & BUS_NO_REPLY_EXPECTED))
                bus_write_error(answer, UINT32_MAX, header->serial, NULL, header->sender,
                                BUS_ERROR_LIMITS_EXCEEDED, "The message is too large");
        return FILTER_DROP;
}
