/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "capabilities/capability.h"
#include "plan/shim-message.h"
#include "service/lease-pool.h"
#include "service/mount.h"
#include "service/sandbox-record.h"
#include "tests/unit/bodies.h"
#include "tests/unit/folder.h"
#include "util/limits.h"

#define MANIFEST(name, target)                                                                               \
        "{'version': '1', 'capabilities': [{'name': '" name "', 'gateways': [{'id': 'file', 'config': "      \
        "[{'path-host': '/srv', 'path-container': '" target "'}]}]}]}"

static Store *store;

static int setup(void **state) {
        int r = folder_setup(state);

        if (r == 0) {
                (void) folder_put(*state, "a.json", MANIFEST("test.a", "/gateways/a"));
                (void) folder_put(*state, "b.json", MANIFEST("test.b", "/gateways/b"));
                store = store_load_folder(*state);
        }
        return r;
}

static int teardown(void **state) {
        store_unref(store);
        return folder_teardown(state);
}

/* The first one of the default settings. */
static void make_lease(Lease *ret) {
        g_autoptr(Settings) settings = settings_new();
        g_autoptr(LeasePool) pool = lease_pool_new("", settings);

        assert_int_equal(lease_pool_take(pool, ret, NULL), 0);
}

/* Of sandbox_record_done(). */
static SandboxRecord make_record(void) {
        SandboxRecord record = { .client = g_strdup(":1.42"),
                                 .realm = g_strdup("0123456789abcdef"),
                                 .bind_to_caller = true,
                                 .created_usec = 1,
                                 .created_monotonic_usec = 2,
                                 .last_mount = 3,
                                 .has_lease = true };
        Mount *mount = NULL;

        record.labels = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
        g_hash_table_insert(record.labels, g_strdup("name"), g_strdup("value"));
        record.timings = shim_timings_new();
        shim_timings_add(record.timings, "total", 17);
        record.capabilities = g_ptr_array_new_with_free_func((GDestroyNotify) capability_unref);
        g_ptr_array_add(record.capabilities, capability_ref(store_find_capability(store, "test.a")));
        g_ptr_array_add(record.capabilities, capability_ref(store_find_capability(store, "test.b")));
        record.mounts = g_ptr_array_new_with_free_func((GDestroyNotify) mount_unref);
        assert_int_equal(mount_new("/srv", "/gateways/c", PLAN_BIND_WRITABLE, &mount, NULL), 0);
        g_ptr_array_add(record.mounts, mount);
        make_lease(&record.lease);
        return record;
}

static GBytes *pack(const SandboxRecord *record) {
        g_auto(Error) error = ERROR_NULL;
        GBytes *bytes = NULL;

        if (sandbox_record_pack(record, &bytes, &error) < 0)
                fail_msg("%s", error.message);
        return bytes;
}

static void test_comes_back(void **state G_GNUC_UNUSED) {
        g_auto(SandboxRecord) record = make_record(), got = { 0 };
        g_autoptr(GBytes) bytes = pack(&record);
        g_auto(Error) error = ERROR_NULL;
        const Mount *mount;

        assert_int_equal(sandbox_record_unpack(bytes, store, &got, &error), 0);
        assert_string_equal(got.client, ":1.42");
        assert_string_equal(got.realm, "0123456789abcdef");
        assert_true(got.bind_to_caller);
        assert_int_equal(got.created_usec, 1);
        assert_int_equal(got.created_monotonic_usec, 2);
        assert_string_equal(g_hash_table_lookup(got.labels, "name"), "value");
        assert_int_equal(got.timings->len, 1);
        assert_int_equal(got.last_mount, 3);
        assert_true(got.has_lease);
        assert_true(lease_is_equal(&got.lease, &record.lease));
        /* What has not changed is the store's own, with all that can be done with it. */
        assert_int_equal(got.capabilities->len, 2);
        assert_ptr_equal(got.capabilities->pdata[0], store_find_capability(store, "test.a"));
        mount = got.mounts->pdata[0];
        assert_string_equal(mount->source, "/srv");
        assert_string_equal(mount->target, "/gateways/c");
        assert_int_equal(mount->flags, PLAN_BIND_WRITABLE);
        assert_int_equal(mount->fd, -EBADF);
}

/* A sandbox keeps what it has: a capability opens what it opened, whatever manifests say by now. */
static void test_manifests_have_changed(void **state) {
        g_auto(SandboxRecord) record = make_record(), got = { 0 };
        g_autoptr(GBytes) bytes = pack(&record);
        g_auto(Error) error = ERROR_NULL;
        g_autoptr(Store) other = NULL;
        g_autoptr(Plan) plan = plan_new();

        (void) folder_put(*state, "a.json", MANIFEST("test.a", "/gateways/elsewhere"));
        assert_int_equal(unlink(folder_put(*state, "b.json", "x")), 0);
        other = store_load_folder(*state);
        assert_null(store_find_capability(other, "test.b"));
        assert_int_equal(sandbox_record_unpack(bytes, other, &got, &error), 0);
        assert_int_equal(got.capabilities->len, 2);
        assert_ptr_not_equal(got.capabilities->pdata[0], store_find_capability(other, "test.a"));
        assert_string_equal(capability_get_name(got.capabilities->pdata[1]), "test.b");
        assert_int_equal(capabilities_plan(got.capabilities, plan, &error), 0);
        assert_int_equal(plan_get_size(plan), 2);
        assert_non_null(plan_find_item(plan, PLAN_BIND, "/gateways/a"));
        assert_non_null(plan_find_item(plan, PLAN_BIND, "/gateways/b"));
        (void) folder_put(*state, "a.json", MANIFEST("test.a", "/gateways/a"));
        (void) folder_put(*state, "b.json", MANIFEST("test.b", "/gateways/b"));
}

static int read_record(WireReader *reader, Error *error) {
        g_autoptr(GBytes) bytes = g_bytes_new(reader->bytes, reader->size);
        g_auto(SandboxRecord) got = { 0 };

        return sandbox_record_unpack(bytes, store, &got, error);
}

static void test_broken_bodies(void **state G_GNUC_UNUSED) {
        g_auto(SandboxRecord) record = make_record();
        g_autoptr(GBytes) bytes = pack(&record);
        WireWriter body = WIRE_WRITER_NULL;
        gsize size;

        body.bytes = g_bytes_unref_to_data(g_steal_pointer(&bytes), &size);
        body.size = size;
        assert_prefixes_are_refused(&body, read_record);
        assert_flips_are_survived(&body, read_record);
        g_free(body.bytes);
}

static void test_other_versions(void **state G_GNUC_UNUSED) {
        static const uint32_t versions[] = { 0, 2, UINT32_MAX };

        for (size_t i = 0; i < G_N_ELEMENTS(versions); i++) {
                g_autoptr(GBytes) bytes = g_bytes_new(&versions[i], sizeof(versions[i]));
                g_auto(SandboxRecord) got = { 0 };
                g_auto(Error) error = ERROR_NULL;

                assert_true(sandbox_record_unpack(bytes, store, &got, &error) < 0);
                assert_int_equal(error.code, versions[i] == 0 ? ERROR_SYSTEM : ERROR_UNSUPPORTED);
        }
}

static void double_capability(SandboxRecord *record) {
        g_ptr_array_add(record->capabilities, capability_ref(record->capabilities->pdata[0]));
}

static void double_mount(SandboxRecord *record) {
        g_ptr_array_add(record->mounts, mount_ref(record->mounts->pdata[0]));
}

static void show_another_descriptor(SandboxRecord *record) {
        Mount *mount = record->mounts->pdata[0];

        g_free(mount->source);
        mount->source = g_strdup("fd:3");
        mount->number = 4;
}

static void leave_root(SandboxRecord *record) {
        Mount *mount = record->mounts->pdata[0];

        g_free(mount->target);
        mount->target = g_strdup("/../etc");
}

static void have_unknown_flags(SandboxRecord *record) {
        Mount *mount = record->mounts->pdata[0];

        mount->flags = (PlanBindFlags) 64;
}

static void have_a_long_client(SandboxRecord *record) {
        g_free(record->client);
        record->client = g_strnfill(256, 'x');
}

static void have_a_label_that_is_no_text(SandboxRecord *record) {
        g_hash_table_insert(record->labels, g_strdup("x"), g_strdup("\xff"));
}

static void have_many_labels(SandboxRecord *record) {
        for (unsigned i = 0; i <= LABELS_MAX; i++)
                g_hash_table_insert(record->labels, g_strdup_printf("%u", i), g_strdup(""));
}

static void test_hostile_records(void **state G_GNUC_UNUSED) {
        static const struct {
                const char *name;
                void (*change)(SandboxRecord *record);
        } cases[] = {
                { "a capability twice", double_capability },
                { "a mount twice", double_mount },
                { "another descriptor's number", show_another_descriptor },
                { "a target outside", leave_root },
                { "unknown flags", have_unknown_flags },
                { "a long client", have_a_long_client },
                { "a label that is no text", have_a_label_that_is_no_text },
                { "too many labels", have_many_labels },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_auto(SandboxRecord) record = make_record(), got = { 0 };
                g_auto(Error) error = ERROR_NULL;
                g_autoptr(GBytes) bytes = NULL;

                cases[i].change(&record);
                bytes = pack(&record);
                if (sandbox_record_unpack(bytes, store, &got, &error) >= 0)
                        fail_msg("%s: is believed", cases[i].name);
                assert_non_null(error.message);
                assert_null(got.labels);
        }
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_comes_back),      cmocka_unit_test(test_manifests_have_changed),
                cmocka_unit_test(test_broken_bodies),   cmocka_unit_test(test_other_versions),
                cmocka_unit_test(test_hostile_records),
        };

        return cmocka_run_group_tests(tests, setup, teardown);
}
