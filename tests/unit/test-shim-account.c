/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <signal.h>
#include <string.h>

#include "plan/shim-account.h"
#include "tests/unit/bodies.h"
#include "util/limits.h"

static Spec *make_spec(void) {
        Spec *spec = spec_new();

        spec->name = g_strdup("app");
        spec->owner = 1000;
        spec->hostname = g_strdup("app");
        spec->id_base = 0x70000000;
        spec->environment = g_new0(char *, 1);
        spec->template_name = g_strdup("default");
        spec->layers = g_strsplit(SPEC_LAYER_HOST_USR, ",", -1);
        spec->hide = g_new0(char *, 1);
        spec->folders = g_new0(char *, 1);
        spec->app_home = g_strdup("/home/app");
        spec->upper_size = 1024 * 1024;
        spec->seccomp = g_strdup("none");
        spec->template_environment = g_new0(char *, 1);
        return spec;
}

/* Owned by the caller, who changes it as the case wants. */
static ShimAccount *make_account(void) {
        ShimAccount *account = g_new0(ShimAccount, 1);

        *account = (ShimAccount){ .version = SHIM_VERSION,
                                  .instance = g_strdup("1f2e3d4c"),
                                  .identity = { .name = g_strdup("app"),
                                                .owner = 1000,
                                                .id_base = 0x70000000,
                                                .id_count = SPEC_ID_COUNT_MIN },
                                  .spec = make_spec(),
                                  .phase = SHIM_PHASE_RUNNING,
                                  .leader = 4711,
                                  .ends_with = 3,
                                  .record = g_bytes_new("record", 6),
                                  .last_serial = 99 };
        return account;
}

static int read_account(WireReader *reader, Error *error) {
        g_autoptr(ShimAccount) account = NULL;

        return shim_account_get(reader, &account, error);
}

static int give(const ShimAccount *account, ShimAccount **ret, Error *error) {
        WireWriter body = WIRE_WRITER_NULL;
        WireReader reader;
        int r;

        shim_account_put(&body, account);
        assert_int_equal(body.error, 0);
        reader = (WireReader){ .bytes = body.bytes, .size = body.size };
        r = shim_account_get(&reader, ret, error);
        wire_writer_done(&body);
        return r;
}

static void test_comes_back(void **state G_GNUC_UNUSED) {
        g_autoptr(ShimAccount) account = make_account(), got = NULL;
        g_auto(Error) error = ERROR_NULL;

        assert_int_equal(give(account, &got, &error), 0);
        assert_int_equal(got->version, SHIM_VERSION);
        assert_string_equal(got->instance, "1f2e3d4c");
        assert_string_equal(got->identity.name, "app");
        assert_string_equal(got->spec->template_name, "default");
        assert_int_equal(got->phase, SHIM_PHASE_RUNNING);
        assert_int_equal(got->leader, 4711);
        assert_int_equal(got->ends_with, 3);
        assert_true(g_bytes_equal(got->record, account->record));
        assert_int_equal(got->last_serial, 99);
}

/* One that lacks what came later is understood. */
static void test_previous_version(void **state G_GNUC_UNUSED) {
        g_autoptr(ShimAccount) account = make_account(), got = NULL;
        g_auto(Error) error = ERROR_NULL;

        account->version = SHIM_VERSION_MIN;
        assert_int_equal(give(account, &got, &error), 0);
        assert_non_null(got->spec);
        assert_int_not_equal(got->last_serial, 0);
}

/* Who it is, and nothing that might mean something else by then. */
static void test_other_versions(void **state G_GNUC_UNUSED) {
        static const uint32_t versions[] = { 0, SHIM_VERSION + 1, UINT32_MAX };

        for (size_t i = 0; i < G_N_ELEMENTS(versions); i++) {
                g_autoptr(ShimAccount) account = make_account(), got = NULL;
                g_auto(Error) error = ERROR_NULL;

                account->version = versions[i];
                assert_int_equal(give(account, &got, &error), 0);
                assert_string_equal(got->identity.name, "app");
                assert_int_equal(got->identity.id_base, 0x70000000);
                assert_null(got->spec);
                assert_null(got->record);
        }
}

static void test_broken_bodies(void **state G_GNUC_UNUSED) {
        g_autoptr(ShimAccount) account = make_account();
        WireWriter body = WIRE_WRITER_NULL;

        shim_account_put(&body, account);
        assert_prefixes_are_refused(&body, read_account);
        assert_flips_are_survived(&body, read_account);
        wire_writer_done(&body);
}

static void rename_identity(ShimAccount *account) {
        account->identity.name[0] = 'b';
}

static void move_ids(ShimAccount *account) {
        account->identity.id_base += SPEC_ID_COUNT_MIN;
}

static void change_owner(ShimAccount *account) {
        account->identity.owner = account->spec->owner = (uid_t) -1;
}

static void take_host_ids(ShimAccount *account) {
        account->identity.id_base = account->spec->id_base = 1000;
}

static void take_few_ids(ShimAccount *account) {
        account->identity.id_count = account->spec->id_count = 1;
}

static void leave_path(ShimAccount *account) {
        g_free(account->identity.name);
        account->identity.name = g_strdup("../x");
}

static void forget_leader(ShimAccount *account) {
        account->leader = 0;
}

static void lead_the_host(ShimAccount *account) {
        account->leader = 1;
}

static void make_leader_negative(ShimAccount *account) {
        account->phase = SHIM_PHASE_STOPPING;
        account->leader = -1;
}

static void have_no_phase(ShimAccount *account) {
        account->phase = _SHIM_PHASE_MAX;
}

static void test_hostile_accounts(void **state G_GNUC_UNUSED) {
        static const struct {
                const char *name;
                void (*change)(ShimAccount *account);
        } cases[] = {
                { "another name than in its spec", rename_identity },
                { "other ids than in its spec", move_ids },
                { "nobody's", change_owner },
                { "ids of the host", take_host_ids },
                { "too few ids", take_few_ids },
                { "a path as name", leave_path },
                { "running without process 1", forget_leader },
                { "process 1 of the host", lead_the_host },
                { "a process group", make_leader_negative },
                { "in no phase", have_no_phase },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autoptr(ShimAccount) account = make_account(), got = NULL;
                g_auto(Error) error = ERROR_NULL;

                cases[i].change(account);
                if (give(account, &got, &error) >= 0)
                        fail_msg("%s: is believed", cases[i].name);
                assert_non_null(error.message);
                assert_null(got);
        }
}

/* ---- identity ---- */

static void test_identity_comes_back(void **state G_GNUC_UNUSED) {
        ShimIdentity identity = {
                .name = (char *) "a.b-c_d", .owner = 0, .id_base = 65536, .id_count = 65536
        };
        g_autofree char *text = shim_identity_format(&identity);
        g_auto(ShimIdentity) got = { 0 };
        g_auto(Error) error = ERROR_NULL;

        assert_int_equal(shim_identity_parse(text, &got, &error), 0);
        assert_string_equal(got.name, "a.b-c_d");
        assert_int_equal(got.owner, 0);
        assert_int_equal(got.id_base, 65536);
        assert_int_equal(got.id_count, 65536);
}

static void test_hostile_identities(void **state G_GNUC_UNUSED) {
        static const char *const texts[] = {
                "",
                "\n",
                "0 app 1879048192 65536",     /* cut off before its end */
                "0 app 1879048192\n",         /* a number is missing */
                "0 app 1879048192 65536 1\n", /* one too many */
                "-1 app 1879048192 65536\n",  /* no user */
                "4294967295 app 1879048192 65536\n",
                "0 ../app 1879048192 65536\n",
                "0  1879048192 65536\n",    /* no name */
                "0 app 0 65536\n",          /* the host's ids */
                "0 app 4294967295 65536\n", /* beyond the last one */
                "0 app 1879048192 1\n",
                "0 app 99999999999999999999 65536\n",
                "0 app 0x70000000 65536\n",
        };

        for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
                g_auto(ShimIdentity) got = { 0 };
                g_auto(Error) error = ERROR_NULL;

                if (shim_identity_parse(texts[i], &got, &error) >= 0)
                        fail_msg("'%s' is believed", texts[i]);
                assert_non_null(error.message);
                assert_null(got.name);
        }
}

/* ---- programs ---- */

static int read_run(WireReader *reader, Error *error) {
        g_auto(ShimKeptRun) run = { 0 };

        return shim_kept_run_get(reader, &run, error);
}

static ShimKeptRun make_run(void) {
        static const char *const argv[] = { "/bin/sh", "-c", "", NULL };

        return (ShimKeptRun){ .run = 7,
                              .pid = 4711,
                              .argv = (char **) argv,
                              .has_ended = true,
                              .exited = { .run = 7, .reason = SHIM_EXIT_KILLED, .status = SIGTERM } };
}

static void test_run_comes_back(void **state G_GNUC_UNUSED) {
        ShimKeptRun run = make_run();
        g_auto(ShimKeptRun) got = { 0 };
        g_auto(Error) error = ERROR_NULL;
        WireWriter body = WIRE_WRITER_NULL;
        WireReader reader;

        shim_kept_run_put(&body, &run);
        assert_prefixes_are_refused(&body, read_run);
        assert_flips_are_survived(&body, read_run);
        reader = (WireReader){ .bytes = body.bytes, .size = body.size };
        assert_int_equal(shim_kept_run_get(&reader, &got, &error), 0);
        assert_int_equal(got.run, 7);
        assert_int_equal(got.pid, 4711);
        assert_int_equal(g_strv_length(got.argv), 3);
        assert_true(got.has_ended);
        assert_false(got.is_told);
        assert_int_equal(got.exited.status, SIGTERM);
        wire_writer_done(&body);
}

static void test_hostile_runs(void **state G_GNUC_UNUSED) {
        static const char *const none[] = { NULL };
        ShimKeptRun runs[6];

        for (size_t i = 0; i < G_N_ELEMENTS(runs); i++)
                runs[i] = make_run();
        runs[0].run = 0;
        runs[1].pid = 1;
        runs[2].argv = (char **) none;
        runs[3].exited.run = 8;
        runs[4].has_ended = false; /* and told */
        runs[4].is_told = true;
        runs[5].exited.status = 65;
        for (size_t i = 0; i < G_N_ELEMENTS(runs); i++) {
                WireWriter body = WIRE_WRITER_NULL;
                WireReader reader;
                g_auto(Error) error = ERROR_NULL;

                shim_kept_run_put(&body, &runs[i]);
                reader = (WireReader){ .bytes = body.bytes, .size = body.size };
                if (read_run(&reader, &error) >= 0)
                        fail_msg("Program %zu is believed", i);
                assert_non_null(error.message);
                wire_writer_done(&body);
        }
}

/* ---- the record ---- */

static void test_record(void **state G_GNUC_UNUSED) {
        g_autoptr(GBytes) record = g_bytes_new("\0x", 2), got = NULL;
        g_auto(Error) error = ERROR_NULL;
        WireWriter body = WIRE_WRITER_NULL;
        WireReader reader;
        uint32_t ends_with;

        shim_record_put(&body, 5, record);
        reader = (WireReader){ .bytes = body.bytes, .size = body.size };
        assert_int_equal(shim_record_get(&reader, &ends_with, &got, &error), 0);
        assert_int_equal(ends_with, 5);
        assert_true(g_bytes_equal(got, record));
        reader = (WireReader){ .bytes = body.bytes, .size = body.size - 1 };
        g_clear_pointer(&got, g_bytes_unref);
        assert_true(shim_record_get(&reader, &ends_with, &got, &error) < 0);
        assert_null(got);
        wire_writer_done(&body);
}

static void test_record_above_its_limit(void **state G_GNUC_UNUSED) {
        g_autofree char *much = g_malloc0(RECORD_SIZE_MAX + 1);
        g_autoptr(GBytes) record = g_bytes_new_static(much, RECORD_SIZE_MAX + 1), got = NULL;
        g_auto(Error) error = ERROR_NULL;
        WireWriter body = WIRE_WRITER_NULL;
        WireReader reader;
        uint32_t ends_with;

        shim_record_put(&body, 0, record);
        reader = (WireReader){ .bytes = body.bytes, .size = body.size };
        assert_true(shim_record_get(&reader, &ends_with, &got, &error) < 0);
        wire_writer_done(&body);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_comes_back),
                cmocka_unit_test(test_previous_version),
                cmocka_unit_test(test_other_versions),
                cmocka_unit_test(test_broken_bodies),
                cmocka_unit_test(test_hostile_accounts),
                cmocka_unit_test(test_identity_comes_back),
                cmocka_unit_test(test_hostile_identities),
                cmocka_unit_test(test_run_comes_back),
                cmocka_unit_test(test_hostile_runs),
                cmocka_unit_test(test_record),
                cmocka_unit_test(test_record_above_its_limit),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
