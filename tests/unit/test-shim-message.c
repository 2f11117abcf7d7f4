/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>
#include <sys/resource.h>

#include "plan/shim-message.h"
#include "tests/unit/bodies.h"
#include "util/limits.h"

static WireReader reader_of(const WireWriter *body) {
        return (WireReader){ .bytes = body->bytes, .size = body->size };
}

static void test_tables(void **state G_GNUC_UNUSED) {
        static const char *const words[_SHIM_EXIT_REASON_MAX] = { "exited", "killed", "dumped", "oom-kill",
                                                                  "lost" };

        for (int i = 0; i < _SHIM_EXIT_REASON_MAX; i++) {
                assert_string_equal(shim_exit_reason_to_string((ShimExitReason) i), words[i]);
                assert_int_equal(shim_exit_reason_from_string(words[i]), i);
        }
        assert_int_equal(shim_exit_reason_from_string("left"), _SHIM_EXIT_REASON_INVALID);
        assert_null(shim_exit_reason_to_string(_SHIM_EXIT_REASON_MAX));
}

/* ---- errors ---- */

/* A body that tells a failure is read well when that failure comes out; one that cannot be read gives
 * EBADMSG, which is no errno of the samples. */
static int read_error(WireReader *reader, Error *error) {
        int r = shim_error_get(reader, error);

        return r < 0 && error->errnum != EBADMSG ? (error_done(error), 0) : r;
}

static void test_success(void **state G_GNUC_UNUSED) {
        WireWriter body = WIRE_WRITER_NULL;
        WireReader reader;
        g_auto(Error) error = ERROR_NULL;
        g_auto(Error) nothing = ERROR_NULL;

        shim_error_put(&body, NULL);
        shim_error_put(&body, &nothing);
        reader = reader_of(&body);
        assert_int_equal(shim_error_get(&reader, &error), 0);
        assert_int_equal(shim_error_get(&reader, &error), 0);
        assert_null(error.message);
        assert_int_equal(reader.at, body.size);
        /* and then it says neither */
        assert_int_equal(shim_error_get(&reader, &error), -EBADMSG);
        assert_int_equal(error.code, ERROR_SYSTEM);
        wire_writer_done(&body);
}

static void test_every_code(void **state G_GNUC_UNUSED) {
        for (int code = 0; code < _ERROR_CODE_MAX; code++) {
                WireWriter body = WIRE_WRITER_NULL;
                WireReader reader;
                g_auto(Error) error = ERROR_NULL;
                g_auto(Error) got = ERROR_NULL;
                int r;

                r = error_set_code_errnof(&error, (ErrorCode) code, ENOENT, "Cannot open '\\x'");
                error_set_place(&error, r, "a.json", 3, 4, "/capabilities/0");
                shim_error_put(&body, &error);
                reader = reader_of(&body);
                assert_int_equal(shim_error_get(&reader, &got), -ENOENT);
                assert_int_equal(got.code, code);
                assert_int_equal(got.errnum, ENOENT);
                assert_string_equal(got.message, error.message);
                assert_string_equal(got.file, "a.json");
                assert_string_equal(got.path, "/capabilities/0");
                assert_int_equal(got.line, 3);
                assert_int_equal(got.column, 4);
                wire_writer_done(&body);
        }
}

static void test_error_without_errno_or_place(void **state G_GNUC_UNUSED) {
        WireWriter body = WIRE_WRITER_NULL;
        WireReader reader;
        g_auto(Error) error = ERROR_NULL;
        g_auto(Error) got = ERROR_NULL;
        int r;

        r = error_setf(&error, ERROR_TIMEOUT, "Too slow");
        shim_error_put(&body, &error);
        reader = reader_of(&body);
        assert_int_equal(shim_error_get(&reader, &got), r);
        assert_int_equal(got.errnum, 0);
        assert_null(got.file);
        reader = reader_of(&body);
        assert_int_equal(shim_error_get(&reader, NULL), r);
        wire_writer_done(&body);
}

static void put_raw_error(WireWriter *body, const char *code, uint32_t errnum, const char *message) {
        wire_put_u8(body, 1);
        wire_put_string(body, code);
        wire_put_u32(body, errnum);
        wire_put_string(body, message);
        wire_put_string(body, NULL);
        wire_put_string(body, NULL);
        wire_put_u32(body, 0);
        wire_put_u32(body, 0);
}

static const struct {
        const char *name, *code;
        uint32_t errnum;
        const char *message, *got; /* NULL = is not an answer */
        ErrorCode got_code;
} raw_errors[] = {
        { "code of a newer shim", "SoulsLost", 0, "Gone", "Gone", ERROR_SYSTEM },
        { "no code", NULL, 5, "Gone", "Gone", ERROR_SYSTEM },
        { "control characters", "Timeout", 0, "a\nb\xff", "a\\x0ab\\xff", ERROR_TIMEOUT },
        { "no message", "Timeout", 0, NULL, NULL, ERROR_SYSTEM },
        { "errno out of range", "Timeout", 4096, "Gone", NULL, ERROR_SYSTEM },
        { "negative errno", "Timeout", UINT32_MAX - 1, "Gone", NULL, ERROR_SYSTEM },
};

static void test_raw_errors(void **state G_GNUC_UNUSED) {
        for (size_t i = 0; i < G_N_ELEMENTS(raw_errors); i++) {
                WireWriter body = WIRE_WRITER_NULL;
                WireReader reader;
                g_auto(Error) error = ERROR_NULL;

                put_raw_error(&body, raw_errors[i].code, raw_errors[i].errnum, raw_errors[i].message);
                reader = reader_of(&body);
                assert_true(shim_error_get(&reader, &error) < 0);
                if (error.code != raw_errors[i].got_code ||
                    (raw_errors[i].got && strcmp(error.message, raw_errors[i].got) != 0))
                        fail_msg("%s: '%s'", raw_errors[i].name, error.message);
                assert_int_equal(error.errnum == EBADMSG, raw_errors[i].got == NULL);
                wire_writer_done(&body);
        }
}

static void test_error_prefixes_and_flips(void **state G_GNUC_UNUSED) {
        WireWriter body = WIRE_WRITER_NULL;
        g_auto(Error) error = ERROR_NULL;
        int r;

        r = error_set_code_errnof(&error, ERROR_NOT_MOUNTABLE, EROFS, "Cannot bind");
        error_set_place(&error, r, "a.json", 3, 4, "/x");
        shim_error_put(&body, &error);
        assert_prefixes_are_refused(&body, read_error);
        assert_flips_are_survived(&body, read_error);
        wire_writer_done(&body);
        shim_error_put(&body, NULL);
        assert_prefixes_are_refused(&body, read_error);
        assert_flips_are_survived(&body, read_error);
        wire_writer_done(&body);
}

/* ---- runs ---- */

static int read_run(WireReader *reader, Error *error) {
        g_auto(ShimRun) run = { 0 };

        return shim_run_get(reader, &run, error);
}

static void fill_run(ShimRun *run) {
        run->run = 5;
        run->argv = g_strsplit("/bin/echo,a b,,c", ",", -1);
        run->environment = g_strsplit("A=b,C=", ",", -1);
        run->working_directory = g_strdup("/srv/../tmp");
        run->has_user = true;
        run->uid = 1;
        run->gid = 65534;
        run->n_groups = 2;
        run->groups = g_memdup2((uint32_t[]){ 7, 8 }, 2 * sizeof(uint32_t));
        run->n_rlimits = 1;
        run->rlimits = g_new0(InitRlimit, 1);
        run->rlimits[0] = (InitRlimit){ .resource = RLIMIT_NOFILE, .soft = 5, .hard = UINT64_MAX };
}

static void test_run_round_trip(void **state G_GNUC_UNUSED) {
        g_auto(ShimRun) run = { 0 };
        g_auto(ShimRun) got = { 0 };
        WireWriter body = WIRE_WRITER_NULL;
        WireReader reader;

        fill_run(&run);
        shim_run_put(&body, &run);
        wire_put_u8(&body, 9);
        reader = reader_of(&body);
        assert_int_equal(shim_run_get(&reader, &got, NULL), 0);
        assert_int_equal(got.run, 5);
        assert_true(g_strv_equal((const char *const *) got.argv, (const char *const *) run.argv));
        assert_true(
                g_strv_equal((const char *const *) got.environment, (const char *const *) run.environment));
        assert_string_equal(got.working_directory, "/srv/../tmp");
        assert_true(got.has_user);
        assert_int_equal(got.uid, 1);
        assert_int_equal(got.gid, 65534);
        assert_int_equal(got.n_groups, 2);
        assert_int_equal(got.groups[1], 8);
        assert_int_equal(got.n_rlimits, 1);
        assert_int_equal(got.rlimits[0].resource, RLIMIT_NOFILE);
        assert_true(got.rlimits[0].soft == 5 && got.rlimits[0].hard == UINT64_MAX);
        wire_writer_done(&body);
}

static void test_smallest_run(void **state G_GNUC_UNUSED) {
        g_auto(ShimRun) run = { .run = 1, .argv = g_strsplit("x", ",", -1) };
        g_auto(ShimRun) got = { 0 };
        WireWriter body = WIRE_WRITER_NULL;
        WireReader reader;

        shim_run_put(&body, &run);
        reader = reader_of(&body);
        assert_int_equal(shim_run_get(&reader, &got, NULL), 0);
        assert_null(got.working_directory);
        assert_false(got.has_user);
        assert_null(got.environment[0]);
        wire_writer_done(&body);
}

static void test_run_prefixes_and_flips(void **state G_GNUC_UNUSED) {
        g_auto(ShimRun) run = { 0 };
        WireWriter body = WIRE_WRITER_NULL;

        fill_run(&run);
        shim_run_put(&body, &run);
        assert_prefixes_are_refused(&body, read_run);
        assert_flips_are_survived(&body, read_run);
        wire_writer_done(&body);
}

static void set_strings(char ***strings, guint n, const char *value) {
        g_strfreev(*strings);
        *strings = g_new0(char *, n + 1);
        for (guint i = 0; i < n; i++)
                (*strings)[i] = g_strdup(value);
}

static void set_directory(ShimRun *run, char *path) {
        g_free(run->working_directory);
        run->working_directory = path;
}

static void set_arguments_size(ShimRun *run, size_t size) {
        set_strings(&run->argv, 1, "");
        set_strings(&run->environment, 1, "A=b");
        g_free(run->argv[0]);
        run->argv[0] = g_strnfill(size - 1 - strlen("A=b") - 1, 'a');
}

static void set_groups(ShimRun *run, uint32_t n, uint32_t gid) {
        g_free(run->groups);
        run->groups = g_new0(uint32_t, n);
        run->n_groups = n;
        for (uint32_t i = 0; i < n; i++)
                run->groups[i] = gid;
}

static void set_rlimits(ShimRun *run, uint32_t n) {
        g_free(run->rlimits);
        run->rlimits = g_new0(InitRlimit, n);
        run->n_rlimits = n;
}

#define CHANGE(name, statement)                                                                              \
        static void name(ShimRun *run) {                                                                     \
                statement;                                                                                   \
        }
CHANGE(nothing, (void) run)
CHANGE(no_number, run->run = 0)
CHANGE(no_argv, set_strings(&run->argv, 0, NULL))
CHANGE(most_argv, set_strings(&run->argv, ARGV_MAX, "a"))
CHANGE(much_argv, set_strings(&run->argv, ARGV_MAX + 1, "a"))
CHANGE(bad_entry, set_strings(&run->environment, 1, "A"))
CHANGE(empty_name, set_strings(&run->environment, 1, "=A"))
CHANGE(most_environment, set_strings(&run->environment, ENVIRONMENT_MAX, "A=b"))
CHANGE(much_environment, set_strings(&run->environment, ENVIRONMENT_MAX + 1, "A=b"))
CHANGE(most_bytes, set_arguments_size(run, RUN_BYTES_MAX))
CHANGE(much_bytes, set_arguments_size(run, RUN_BYTES_MAX + 1))
CHANGE(relative_directory, set_directory(run, g_strdup("tmp")))
CHANGE(empty_directory, set_directory(run, g_strdup("")))
CHANGE(long_directory, set_directory(run, g_strnfill(PATH_SIZE_MAX, '/')))
CHANGE(uid_of_init, run->uid = INIT_UID)
CHANGE(gid_of_init, run->gid = INIT_UID)
CHANGE(uid_minus_one, run->uid = UINT32_MAX)
CHANGE(group_of_init, set_groups(run, 3, INIT_UID))
CHANGE(most_groups, set_groups(run, RUN_GROUPS_MAX, 5))
CHANGE(much_groups, set_groups(run, RUN_GROUPS_MAX + 1, 5))
CHANGE(most_rlimits, set_rlimits(run, RUN_RLIMITS_MAX))
CHANGE(much_rlimits, set_rlimits(run, RUN_RLIMITS_MAX + 1))
CHANGE(unknown_resource, run->rlimits[0].resource = RLIM_NLIMITS)
CHANGE(soft_above_hard, run->rlimits[0].hard = 4)

static const struct {
        const char *name;
        void (*change)(ShimRun *run);
        bool good;
} runs[] = {
        { "nothing", nothing, true },
        { "no number", no_number, false },
        { "empty argv", no_argv, false },
        { "most arguments", most_argv, true },
        { "too many arguments", much_argv, false },
        { "entry without '='", bad_entry, false },
        { "entry with an empty name", empty_name, false },
        { "largest environment", most_environment, true },
        { "too large an environment", much_environment, false },
        { "most bytes", most_bytes, true },
        { "too many bytes", much_bytes, false },
        { "relative directory", relative_directory, false },
        { "empty directory", empty_directory, false },
        { "long directory", long_directory, false },
        { "uid of init", uid_of_init, false },
        { "gid of init", gid_of_init, false },
        { "uid -1", uid_minus_one, false },
        { "group of init", group_of_init, false },
        { "most groups", most_groups, true },
        { "too many groups", much_groups, false },
        { "most rlimits", most_rlimits, true },
        { "too many rlimits", much_rlimits, false },
        { "unknown resource", unknown_resource, false },
        { "soft above hard", soft_above_hard, false },
};

static void test_runs(void **state G_GNUC_UNUSED) {
        for (size_t i = 0; i < G_N_ELEMENTS(runs); i++) {
                g_auto(ShimRun) run = { 0 };
                g_auto(Error) error = ERROR_NULL;
                WireWriter body = WIRE_WRITER_NULL;
                int r;

                fill_run(&run);
                runs[i].change(&run);
                shim_run_put(&body, &run);
                r = body_read(body.bytes, body.size, read_run, &error);
                if ((r == 0) != runs[i].good)
                        fail_msg("%s: %d '%s'", runs[i].name, r, error.message);
                assert_int_equal(error.message != NULL, !runs[i].good);
                wire_writer_done(&body);
        }
}

/* ---- answers and events ---- */

static int read_ran(WireReader *reader, Error *error) {
        uint32_t run = 0;
        pid_t pid = 0;
        int r = shim_ran_get(reader, &run, &pid, error);

        return r < 0 && error->errnum != EBADMSG ? (error_done(error), 0) : r;
}

static void test_ran(void **state G_GNUC_UNUSED) {
        WireWriter body = WIRE_WRITER_NULL;
        WireReader reader;
        g_auto(Error) error = ERROR_NULL;
        g_auto(Error) got = ERROR_NULL;
        uint32_t run = 0;
        pid_t pid = -1;

        shim_ran_put(&body, 3, NULL, 1234);
        reader = reader_of(&body);
        assert_int_equal(shim_ran_get(&reader, &run, &pid, &got), 0);
        assert_int_equal(run, 3);
        assert_int_equal(pid, 1234);
        assert_null(got.message);
        assert_prefixes_are_refused(&body, read_ran);
        assert_flips_are_survived(&body, read_ran);
        wire_writer_done(&body);

        error_set_code_errnof(&error, ERROR_EXEC_FAILED, ENOENT, "Cannot run 'x'");
        shim_ran_put(&body, 4, &error, 1234);
        reader = reader_of(&body);
        pid = -1;
        assert_int_equal(shim_ran_get(&reader, &run, &pid, &got), -ENOENT);
        assert_int_equal(run, 4);
        assert_int_equal(pid, -1);
        assert_int_equal(got.code, ERROR_EXEC_FAILED);
        assert_prefixes_are_refused(&body, read_ran);
        assert_flips_are_survived(&body, read_ran);
        wire_writer_done(&body);
}

static void test_bad_ran(void **state G_GNUC_UNUSED) {
        static const struct {
                uint32_t run;
                pid_t pid;
        } cases[] = { { 0, 1 }, { 1, 0 }, { 1, -1 } };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                WireWriter body = WIRE_WRITER_NULL;
                g_auto(Error) error = ERROR_NULL;

                shim_ran_put(&body, cases[i].run, NULL, cases[i].pid);
                assert_int_equal(body_read(body.bytes, body.size, read_ran, &error), -EBADMSG);
                assert_int_equal(error.code, ERROR_SYSTEM);
                wire_writer_done(&body);
        }
}

static int read_exited(WireReader *reader, Error *error) {
        ShimExited exited;
        int r = shim_exited_get(reader, &exited);

        return r < 0 ? error_set_errnof(error, -r, "Refused") : 0;
}

static const struct {
        const char *name;
        ShimExited exited;
        bool good;
} exits[] = {
        { "exited 0", { 1, SHIM_EXIT_EXITED, 0, 0 }, true },
        { "exited 255", { 1, SHIM_EXIT_EXITED, 255, 255 << 8 }, true },
        { "exited 256", { 1, SHIM_EXIT_EXITED, 256, 0 }, false },
        { "exited -1", { 1, SHIM_EXIT_EXITED, -1, 0 }, false },
        { "killed by 64", { 1, SHIM_EXIT_KILLED, 64, 64 }, true },
        { "killed by 0", { 1, SHIM_EXIT_KILLED, 0, 0 }, false },
        { "killed by 65", { 1, SHIM_EXIT_KILLED, 65, 0 }, false },
        { "dumped by 11", { 1, SHIM_EXIT_DUMPED, 11, 11 | 128 }, true },
        { "dumped by 0", { 1, SHIM_EXIT_DUMPED, 0, 0 }, false },
        { "out of memory", { 1, SHIM_EXIT_OOM_KILL, 9, 9 }, true },
        { "lost", { 1, SHIM_EXIT_LOST, 0, 0 }, true },
        { "lost with a status", { 1, SHIM_EXIT_LOST, 1, 0 }, false },
        { "no reason", { 1, _SHIM_EXIT_REASON_MAX, 0, 0 }, false },
        { "no number", { 0, SHIM_EXIT_EXITED, 0, 0 }, false },
};

static void test_exited(void **state G_GNUC_UNUSED) {
        for (size_t i = 0; i < G_N_ELEMENTS(exits); i++) {
                WireWriter body = WIRE_WRITER_NULL;
                WireReader reader;
                ShimExited got = { 0 };
                int r;

                shim_exited_put(&body, &exits[i].exited);
                reader = reader_of(&body);
                r = shim_exited_get(&reader, &got);
                if (r != (exits[i].good ? 0 : -EBADMSG))
                        fail_msg("%s: %d", exits[i].name, r);
                if (r == 0) {
                        assert_memory_equal(&got, &exits[i].exited, sizeof(got));
                        assert_prefixes_are_refused(&body, read_exited);
                        assert_flips_are_survived(&body, read_exited);
                }
                wire_writer_done(&body);
        }
}

static int read_timings(WireReader *reader, Error *error) {
        g_autoptr(GArray) timings = NULL;
        int r = shim_timings_get(reader, &timings);

        return r < 0 ? error_set_errnof(error, -r, "Refused") : 0;
}

static void test_timings(void **state G_GNUC_UNUSED) {
        g_autoptr(GArray) timings = shim_timings_new();
        g_autoptr(GArray) got = NULL;
        WireWriter body = WIRE_WRITER_NULL;
        WireReader reader;

        shim_timings_add(timings, "cgroups", 120);
        shim_timings_add(timings, "container", UINT64_MAX);
        shim_timings_put(&body, timings);
        reader = reader_of(&body);
        assert_int_equal(shim_timings_get(&reader, &got), 0);
        assert_int_equal(got->len, 2);
        assert_string_equal(g_array_index(got, ShimTiming, 0).step, "cgroups");
        assert_int_equal(g_array_index(got, ShimTiming, 0).usec, 120);
        assert_true(g_array_index(got, ShimTiming, 1).usec == UINT64_MAX);
        assert_prefixes_are_refused(&body, read_timings);
        assert_flips_are_survived(&body, read_timings);
        wire_writer_done(&body);
}

static void test_bad_timings(void **state G_GNUC_UNUSED) {
        static const char *const steps[] = { NULL, "", "a\nb", "\xff" };

        for (size_t i = 0; i < G_N_ELEMENTS(steps); i++) {
                g_autoptr(GArray) timings = shim_timings_new();
                g_auto(Error) error = ERROR_NULL;
                WireWriter body = WIRE_WRITER_NULL;

                shim_timings_add(timings, steps[i], 1);
                shim_timings_put(&body, timings);
                assert_int_equal(body_read(body.bytes, body.size, read_timings, &error), -EBADMSG);
                wire_writer_done(&body);
        }
        for (int n = TIMINGS_MAX; n <= TIMINGS_MAX + 1; n++) {
                g_autoptr(GArray) timings = shim_timings_new();
                g_auto(Error) error = ERROR_NULL;
                WireWriter body = WIRE_WRITER_NULL;

                for (int i = 0; i < n; i++)
                        shim_timings_add(timings, "step", 1);
                shim_timings_put(&body, timings);
                assert_int_equal(body_read(body.bytes, body.size, read_timings, &error),
                                 n == TIMINGS_MAX ? 0 : -EBADMSG);
                wire_writer_done(&body);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_tables),
                cmocka_unit_test(test_success),
                cmocka_unit_test(test_every_code),
                cmocka_unit_test(test_error_without_errno_or_place),
                cmocka_unit_test(test_raw_errors),
                cmocka_unit_test(test_error_prefixes_and_flips),
                cmocka_unit_test(test_run_round_trip),
                cmocka_unit_test(test_smallest_run),
                cmocka_unit_test(test_run_prefixes_and_flips),
                cmocka_unit_test(test_runs),
                cmocka_unit_test(test_ran),
                cmocka_unit_test(test_bad_ran),
                cmocka_unit_test(test_exited),
                cmocka_unit_test(test_timings),
                cmocka_unit_test(test_bad_timings),
        };

        return cmocka_run_group_tests_name("shim-message", tests, NULL, NULL);
}
