/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gateways/dbus-proxy/tracker.h"

#include <string.h>

#include "gateways/dbus-proxy/bus-header.h"
#include "gateways/dbus-proxy/bus-reader.h"
#include "gateways/dbus-proxy/bus-writer.h"
#include "gateways/dbus-proxy/sasl.h"
#include "gateways/dbus-proxy/stream.h"
#include "util/limits.h"

#define FOLLOW_RULE                                                                                          \
        "type='signal',sender='" BUS_DRIVER_NAME "',interface='" BUS_DRIVER_INTERFACE                        \
        "',member='NameOwnerChanged'"

struct Tracker {
        Stream stream;
        LoopSource *source; /* owned */
        SaslClient sasl;
        bool is_ready; /* authenticated */
        NameMap *names;
        TrackerChanged changed;
        void *userdata;
        uint32_t serial;
        uint32_t list_serial; /* of ListNames */
        GHashTable *asked;    /* serial -> owned name whose owner is asked for */
        GQueue syncs;         /* serials, in order */
        guint64 n_requested, n_synced;
};

static uint32_t call(Tracker *tracker, const char *member, const char *argument) {
        g_autoptr(GByteArray) message = g_byte_array_new();
        uint32_t serial = ++tracker->serial;

        bus_write_driver_call(message, serial, member, argument);
        stream_send(&tracker->stream, message->data, message->len, NULL, 0);
        return serial;
}

static void send_sync(Tracker *tracker) {
        g_queue_push_tail(&tracker->syncs, GUINT_TO_POINTER(call(tracker, "GetId", NULL)));
}

static void begin(Tracker *tracker) {
        tracker->is_ready = true;
        (void) call(tracker, "Hello", NULL);
        (void) call(tracker, "AddMatch", FOLLOW_RULE);
        tracker->list_serial = call(tracker, "ListNames", NULL);
}

static void ask_owners(Tracker *tracker, const BusHeader *header, BusReader *body) {
        if (strcmp(header->signature, "as") != 0)
                return;
        (void) bus_reader_get_u32(body);
        while (!body->failed && body->at < body->size) {
                const char *name = bus_reader_get_string(body, NULL);
                uint32_t serial;

                if (body->failed || name[0] == ':' ||
                    g_hash_table_size(tracker->asked) >= BUS_PROXY_NAMES_MAX)
                        continue;
                serial = call(tracker, "GetNameOwner", name);
                g_hash_table_insert(tracker->asked, GUINT_TO_POINTER(serial), g_strdup(name));
        }
        /* answered behind all of them */
        send_sync(tracker);
}

static void take_reply(Tracker *tracker, const BusHeader *header, BusReader *body) {
        gpointer serial = GUINT_TO_POINTER(header->reply_serial);
        const char *name = g_hash_table_lookup(tracker->asked, serial);

        if (header->reply_serial == tracker->list_serial && header->type == BUS_RETURN)
                ask_owners(tracker, header, body);
        else if (name) {
                if (header->type == BUS_RETURN && strcmp(header->signature, "s") == 0)
                        (void) name_map_set(tracker->names, name, bus_reader_get_string(body, NULL));
                g_hash_table_remove(tracker->asked, serial);
        } else if (g_queue_peek_head(&tracker->syncs) == serial) {
                g_queue_pop_head(&tracker->syncs);
                tracker->n_synced++;
        }
}

static void take_message(Tracker *tracker, const BusHeader *header, const uint8_t *bytes) {
        BusReader body = {
                .bytes = bytes,
                .size = header->size + header->body_size,
                .at = header->size,
                .is_big_endian = header->is_big_endian,
        };
        const char *name;

        if (!header->sender || strcmp(header->sender, BUS_DRIVER_NAME) != 0)
                return;
        if (header->type == BUS_RETURN || header->type == BUS_ERROR)
                take_reply(tracker, header, &body);
        else if (header->type == BUS_SIGNAL && strcmp(header->member, "NameOwnerChanged") == 0 &&
                 strcmp(header->signature, "sss") == 0) {
                const char *after;

                name = bus_reader_get_string(&body, NULL);
                (void) bus_reader_get_string(&body, NULL);
                after = bus_reader_get_string(&body, NULL);
                if (!body.failed && name[0] != ':')
                        (void) name_map_set(tracker->names, name, after);
        }
}

/* Returns how much was taken, or a negative errno. */
static ssize_t take_messages(Tracker *tracker, const uint8_t *bytes, size_t size) {
        size_t at = 0;

        while (size - at >= BUS_HEADER_FIXED) {
                BusHeader header;
                size_t header_size;
                uint32_t body_size;

                if (bus_header_measure(bytes + at, &header_size, &body_size) < 0 ||
                    header_size > BUS_PROXY_HEADER_MAX || body_size > BUS_PROXY_DRIVER_REPLY_MAX)
                        return -EBADMSG;
                if (size - at < header_size + body_size)
                        break;
                if (bus_header_parse(bytes + at, &header) >= 0)
                        take_message(tracker, &header, bytes + at);
                at += header_size + body_size;
        }
        return (ssize_t) at;
}

static ssize_t take_auth(Tracker *tracker, const uint8_t *bytes, size_t size) {
        g_autoptr(GString) text = g_string_new(NULL);
        size_t used;
        int r;

        r = sasl_client_feed(&tracker->sasl, bytes, size, &used, text);
        if (r < 0)
                return r;
        stream_send(&tracker->stream, text->str, text->len, NULL, 0);
        if (r > 0)
                begin(tracker);
        return (ssize_t) used;
}

static void stream_ready(void *userdata, short revents) {
        Tracker *tracker = userdata;
        guint64 n_synced = tracker->n_synced;
        const uint8_t *bytes;
        ssize_t used = 0;
        size_t size;
        int r = 0;

        if (revents & POLLOUT)
                stream_flush(&tracker->stream);
        if (revents & (POLLIN | POLLHUP | POLLERR)) {
                r = stream_receive(&tracker->stream, &bytes, &size);
                if (r == 0)
                        r = -ECONNRESET;
                if (r > 0) {
                        used = tracker->is_ready ? take_messages(tracker, bytes, size)
                                                 : take_auth(tracker, bytes, size);
                        if (used >= 0)
                                stream_take(&tracker->stream, bytes, size, (size_t) used);
                }
        }
        if ((r < 0 && r != -EAGAIN) || used < 0 || tracker->stream.is_broken) {
                tracker->changed(tracker->userdata, true);
                return;
        }
        loop_source_set_events(tracker->source, (short) (POLLIN | (tracker->stream.n_out > 0 ? POLLOUT : 0)));
        if (tracker->n_synced != n_synced)
                tracker->changed(tracker->userdata, false);
}

int tracker_new(Loop *loop, const BusAddress *address, uid_t uid, TrackerChanged changed, void *userdata,
                Tracker **ret, Error *error) {
        g_autoptr(Tracker) tracker = g_new0(Tracker, 1);
        g_autoptr(GString) text = g_string_new(NULL);
        int r;

        tracker->stream = STREAM_NULL;
        tracker->names = name_map_new();
        tracker->asked = g_hash_table_new_full(NULL, NULL, NULL, g_free);
        tracker->changed = changed;
        tracker->userdata = userdata;
        tracker->n_requested = 1;
        r = bus_address_connect(address, &tracker->stream.fd, error);
        if (r < 0)
                return r;
        sasl_client_begin(uid, text);
        stream_send(&tracker->stream, text->str, text->len, NULL, 0);
        tracker->source = loop_add_fd(loop, LOOP_RANK_INIT, tracker->stream.fd, POLLIN, stream_ready,
                                      tracker);
        *ret = g_steal_pointer(&tracker);
        return 0;
}

void tracker_free(Tracker *tracker) {
        if (!tracker)
                return;
        loop_source_free(tracker->source);
        stream_done(&tracker->stream);
        name_map_free(tracker->names);
        g_hash_table_unref(tracker->asked);
        g_queue_clear(&tracker->syncs);
        g_free(tracker);
}

NameMap *tracker_get_names(Tracker *tracker) {
        return tracker->names;
}

guint64 tracker_sync(Tracker *tracker) {
        /* before the names are known, that comes first */
        if (tracker->n_synced == 0)
                return 1;
        send_sync(tracker);
        loop_source_set_events(tracker->source, (short) (POLLIN | (tracker->stream.n_out > 0 ? POLLOUT : 0)));
        return ++tracker->n_requested;
}

guint64 tracker_get_synced(const Tracker *tracker) {
        return tracker->n_synced;
}
