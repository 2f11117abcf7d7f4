/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "service/sandbox-record.h"

#include <string.h>

#include "capabilities/capability.h"
#include "plan/plan-diff.h"
#include "plan/shim-message.h"
#include "service/mount.h"
#include "util/limits.h"
#include "util/wire.h"

#define RECORD_VERSION 1u
#define CLIENT_MAX     255 /* the longest bus name, D-Bus Specification */

static int record_broken(Error *error) {
        return error_set_errnof(error, EBADMSG, "Record of a sandbox ends early or is not well formed");
}

void sandbox_record_done(SandboxRecord *record) {
        g_free(record->client);
        g_free(record->realm);
        g_clear_pointer(&record->labels, g_hash_table_unref);
        g_clear_pointer(&record->timings, g_array_unref);
        g_clear_pointer(&record->capabilities, g_ptr_array_unref);
        g_clear_pointer(&record->mounts, g_ptr_array_unref);
        *record = (SandboxRecord){ 0 };
}

/* ---- packing ---- */

static void put_labels(WireWriter *writer, GHashTable *labels) {
        GHashTableIter iter;
        gpointer name, value;

        wire_put_u32(writer, g_hash_table_size(labels));
        g_hash_table_iter_init(&iter, labels);
        while (g_hash_table_iter_next(&iter, &name, &value)) {
                wire_put_string(writer, name);
                wire_put_string(writer, value);
        }
}

static int put_capabilities(WireWriter *writer, const GPtrArray *capabilities, Error *error) {
        wire_put_u32(writer, capabilities->len);
        for (guint i = 0; i < capabilities->len; i++) {
                Capability *capability = capabilities->pdata[i];
                WireWriter block = WIRE_WRITER_NULL;
                const Plan *plan;
                int r;

                r = capability_get_plan(capability, &plan, error);
                if (r < 0)
                        return r;
                wire_put_string(writer, capability_get_name(capability));
                wire_put_u8(writer, capability_is_default(capability));
                plan_put(&block, plan);
                wire_put_bytes(writer, block.bytes ?: (const uint8_t *) "", block.size);
                if (block.error < 0 && writer->error == 0)
                        writer->error = block.error;
                wire_writer_done(&block);
        }
        return 0;
}

int sandbox_record_pack(const SandboxRecord *record, GBytes **ret, Error *error) {
        WireWriter writer = WIRE_WRITER_NULL;
        int r;

        wire_put_u32(&writer, RECORD_VERSION);
        wire_put_string(&writer, record->client);
        wire_put_string(&writer, record->realm);
        wire_put_u8(&writer, record->bind_to_caller);
        wire_put_u64(&writer, record->created_usec);
        wire_put_u64(&writer, record->created_monotonic_usec);
        put_labels(&writer, record->labels);
        shim_timings_put(&writer, record->timings);
        r = put_capabilities(&writer, record->capabilities, error);
        wire_put_u32(&writer, record->mounts->len);
        for (guint i = 0; i < record->mounts->len; i++)
                mount_put(&writer, record->mounts->pdata[i]);
        wire_put_u32(&writer, record->last_mount);
        wire_put_u8(&writer, record->has_lease);
        if (record->has_lease)
                lease_put(&writer, &record->lease);
        if (r >= 0 && writer.error < 0)
                r = error_set_errnof(error, -writer.error, "Cannot write down what a sandbox is");
        if (r >= 0 && writer.size > RECORD_SIZE_MAX)
                r = error_setf(error, ERROR_LIMIT_REACHED,
                               "The capabilities of a sandbox open more than can be kept (%zu bytes of %d)",
                               writer.size, RECORD_SIZE_MAX);
        if (r >= 0)
                *ret = g_bytes_new(writer.bytes, writer.size);
        wire_writer_done(&writer);
        return r;
}

/* ---- unpacking ---- */

static uint32_t get_count(WireReader *reader, uint32_t max) {
        uint32_t n = wire_get_u32(reader);

        if (n <= max)
                return n;
        reader->failed = true;
        return 0;
}

static int get_labels(WireReader *reader, GHashTable *labels, Error *error) {
        uint32_t n = get_count(reader, LABELS_MAX);

        for (uint32_t i = 0; i < n; i++) {
                const char *name = wire_get_string(reader), *value = wire_get_string(reader);

                if (!name || !value || strlen(name) > LABEL_SIZE_MAX || strlen(value) > LABEL_SIZE_MAX ||
                    !g_utf8_validate(name, -1, NULL) || !g_utf8_validate(value, -1, NULL) ||
                    !g_hash_table_insert(labels, g_strdup(name), g_strdup(value)))
                        return record_broken(error);
        }
        return 0;
}

/* Takes what is in @plan. */
static Capability *choose_capability(const Store *store, const char *name, bool is_default, Plan **plan) {
        Capability *today = store_find_capability(store, name);
        const Plan *opens;

        if (today && capability_is_default(today) == is_default &&
            capability_get_plan(today, &opens, NULL) >= 0) {
                g_autoptr(GArray) steps = plan_diff(*plan, opens);

                if (steps->len == 0)
                        return capability_ref(today);
        }
        return capability_new_kept(name, is_default, g_steal_pointer(plan));
}

static int get_capability(WireReader *reader, const Store *store, GHashTable *seen, SandboxRecord *record,
                          Error *error) {
        const char *name = wire_get_string(reader);
        uint8_t is_default = wire_get_u8(reader);
        g_autoptr(Plan) plan = NULL;
        WireReader block = { 0 };
        int r;

        block.bytes = wire_get_bytes(reader, &block.size);
        if (reader->failed || !name || !capability_name_is_valid(name) || is_default > 1 ||
            !g_hash_table_add(seen, (char *) name))
                return record_broken(error);
        r = plan_get(&block, &plan, error);
        if (r >= 0)
                g_ptr_array_add(record->capabilities, choose_capability(store, name, is_default, &plan));
        return r;
}

static int get_capabilities(WireReader *reader, const Store *store, SandboxRecord *record, Error *error) {
        g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
        uint32_t n = get_count(reader, CAPABILITIES_MAX);

        for (uint32_t i = 0; i < n; i++) {
                int r = get_capability(reader, store, seen, record, error);

                if (r < 0)
                        return r;
        }
        return 0;
}

static int get_mounts(WireReader *reader, SandboxRecord *record, Error *error) {
        uint32_t n = get_count(reader, SANDBOX_MOUNTS_MAX);

        for (uint32_t i = 0; i < n; i++) {
                g_autoptr(Mount) mount = NULL;
                int r = mount_get(reader, &mount, error);

                if (r < 0)
                        return r;
                if (mounts_find(record->mounts, mount->target))
                        return record_broken(error);
                g_ptr_array_add(record->mounts, g_steal_pointer(&mount));
        }
        return 0;
}

static bool text_is_fine(const char *text) {
        return !text || (strlen(text) <= CLIENT_MAX && g_str_is_ascii(text));
}

static int get_record(WireReader *reader, const Store *store, SandboxRecord *record, Error *error) {
        uint8_t bind_to_caller, has_lease;
        int r;

        record->client = g_strdup(wire_get_string(reader));
        record->realm = g_strdup(wire_get_string(reader));
        bind_to_caller = wire_get_u8(reader);
        record->bind_to_caller = bind_to_caller == 1;
        record->created_usec = wire_get_u64(reader);
        record->created_monotonic_usec = wire_get_u64(reader);
        if (reader->failed || bind_to_caller > 1 || !text_is_fine(record->client) ||
            !text_is_fine(record->realm))
                return record_broken(error);
        r = get_labels(reader, record->labels, error);
        if (r >= 0 && shim_timings_get(reader, &record->timings) < 0)
                r = record_broken(error);
        if (r >= 0)
                r = get_capabilities(reader, store, record, error);
        if (r >= 0)
                r = get_mounts(reader, record, error);
        if (r < 0)
                return r;
        record->last_mount = wire_get_u32(reader);
        has_lease = wire_get_u8(reader);
        if (reader->failed || has_lease > 1)
                return record_broken(error);
        record->has_lease = has_lease;
        return has_lease ? lease_get(reader, &record->lease, error) : 0;
}

int sandbox_record_unpack(GBytes *bytes, const Store *store, SandboxRecord *ret, Error *error) {
        g_auto(SandboxRecord) record = { 0 };
        WireReader reader = { 0 };
        uint32_t version;
        int r;

        reader.bytes = g_bytes_get_data(bytes, &reader.size);
        version = wire_get_u32(&reader);
        if (reader.failed || version == 0)
                return record_broken(error);
        if (version > RECORD_VERSION)
                return error_setf(error, ERROR_UNSUPPORTED,
                                  "Record of a sandbox is of version %u, and this service knows %u", version,
                                  RECORD_VERSION);
        record.labels = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
        record.capabilities = g_ptr_array_new_with_free_func((GDestroyNotify) capability_unref);
        record.mounts = g_ptr_array_new_with_free_func((GDestroyNotify) mount_unref);
        r = get_record(&reader, store, &record, error);
        if (r < 0)
                return r;
        *ret = record;
        record = (SandboxRecord){ 0 };
        return 0;
}
