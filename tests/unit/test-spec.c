/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "plan/linux-capability.h"
#include "plan/spec.h"
#include "tests/unit/bodies.h"
#include "util/limits.h"

static int read_spec(WireReader *reader, Error *error) {
        g_autoptr(Spec) spec = NULL;
        int r = spec_get(reader, &spec, error);

        assert_int_equal(spec == NULL, r < 0);
        return r;
}

static Spec *sample(void) {
        Spec *spec = spec_new();

        spec->name = g_strdup("maps-1");
        spec->owner = 1001;
        spec->hostname = g_strdup("maps");
        spec->id_base = 0x70000000;
        spec->environment = g_strsplit("A=b C=d=e", " ", -1);
        spec->template_name = g_strdup("default");
        spec->layers = g_strsplit("/opt/layer " SPEC_LAYER_HOST_USR, " ", -1);
        spec->hide = g_strsplit("/usr/share/bulkhead", " ", -1);
        spec->folders = g_strsplit("/gateways /srv", " ", -1);
        spec->upper_size = 100ULL << 32;
        spec->map_host_root = true;
        spec->app_uid = 0;
        spec->app_gid = 5;
        spec->app_home = g_strdup("/home/app");
        spec->template_environment = g_strsplit("PATH=/usr/bin:/bin", " ", -1);
        spec->memory_max = 512ULL << 20;
        spec->tasks_max = 256;
        spec->halt_signal = 64;
        spec->stop_timeout_usec = 3;
        spec->start_timeout_usec = UINT64_MAX;
        spec->user_namespace = false;
        spec->state_folder = g_strdup("/var/lib/bulkhead");
        spec->upper = SPEC_UPPER_PERSISTENT;
        spec->mounts = g_strsplit("none /tmp tmpfs size=1M;none /b tmpfs ro", ";", -1);
        spec->network = SPEC_NETWORK_HOST;
        spec->seccomp = g_strdup("maps");
        spec->has_privileged_filter = true;
        for (size_t i = 0; i < _SPEC_FILTER_MAX; i++)
                spec->filters[i] = g_bytes_new("0123456789abcdef", 8 + i % 2 * 8);
        spec->linux_capabilities = 5;
        spec->masked = g_strsplit("/proc/kcore", " ", -1);
        spec->read_only = g_strsplit("/proc/sys /etc", " ", -1);
        spec->command = g_strsplit("maps --big", " ", -1);
        spec->working_directory = g_strdup("/");
        return spec;
}

static void assert_strings_are(char *const *strings, char *const *expected) {
        assert_true(g_strv_equal((const char *const *) strings, (const char *const *) expected));
}

static void assert_spec_is(const Spec *spec, const Spec *expected) {
        assert_string_equal(spec->name, expected->name);
        assert_int_equal(spec->owner, expected->owner);
        assert_string_equal(spec->hostname, expected->hostname);
        assert_int_equal(spec->id_base, expected->id_base);
        assert_int_equal(spec->id_count, expected->id_count);
        assert_strings_are(spec->environment, expected->environment);
        assert_string_equal(spec->template_name, expected->template_name);
        assert_strings_are(spec->layers, expected->layers);
        assert_strings_are(spec->hide, expected->hide);
        assert_strings_are(spec->folders, expected->folders);
        assert_true(spec->upper_size == expected->upper_size);
        assert_int_equal(spec->map_host_root, expected->map_host_root);
        assert_int_equal(spec->app_uid, expected->app_uid);
        assert_int_equal(spec->app_gid, expected->app_gid);
        assert_string_equal(spec->app_home, expected->app_home);
        assert_strings_are(spec->template_environment, expected->template_environment);
        assert_true(spec->memory_max == expected->memory_max);
        assert_true(spec->tasks_max == expected->tasks_max);
        assert_int_equal(spec->halt_signal, expected->halt_signal);
        assert_true(spec->stop_timeout_usec == expected->stop_timeout_usec);
        assert_true(spec->start_timeout_usec == expected->start_timeout_usec);
        assert_string_equal(spec->state_folder, expected->state_folder);
        assert_int_equal(spec->upper, expected->upper);
        assert_strings_are(spec->mounts, expected->mounts);
        assert_int_equal(spec->user_namespace, expected->user_namespace);
        assert_int_equal(spec->network, expected->network);
        assert_string_equal(spec->seccomp, expected->seccomp);
        assert_int_equal(spec->has_privileged_filter, expected->has_privileged_filter);
        for (size_t i = 0; i < _SPEC_FILTER_MAX; i++)
                assert_true(g_bytes_equal(spec->filters[i], expected->filters[i]));
        assert_true(spec->linux_capabilities == expected->linux_capabilities);
        assert_strings_are(spec->masked, expected->masked);
        assert_strings_are(spec->read_only, expected->read_only);
        assert_strings_are(spec->command, expected->command);
        assert_string_equal(spec->working_directory, expected->working_directory);
}

static void test_round_trip(void **state G_GNUC_UNUSED) {
        g_autoptr(Spec) spec = sample();
        g_autoptr(Spec) got = NULL;
        WireWriter body = WIRE_WRITER_NULL;
        WireReader reader;

        spec_put(&body, spec);
        wire_put_string(&body, "a newer field");
        reader = (WireReader){ .bytes = body.bytes, .size = body.size };
        assert_int_equal(spec_get(&reader, &got, NULL), 0);
        assert_spec_is(got, spec);
        wire_writer_done(&body);
}

static void test_copy(void **state G_GNUC_UNUSED) {
        g_autoptr(Spec) spec = sample();
        g_autoptr(Spec) copy = spec_copy(spec);
        g_autoptr(Spec) empty = spec_new();
        g_autoptr(Spec) empty_copy = spec_copy(empty);

        assert_spec_is(copy, spec);
        assert_ptr_not_equal(copy->layers[0], spec->layers[0]);
        assert_null(empty_copy->name);
        assert_null(empty_copy->layers);
        spec_free(NULL);
}

static void test_empty_lists(void **state G_GNUC_UNUSED) {
        g_autoptr(Spec) spec = sample();
        g_autoptr(Spec) got = NULL;
        WireWriter body = WIRE_WRITER_NULL;
        WireReader reader;

        g_clear_pointer(&spec->environment, g_strfreev);
        g_clear_pointer(&spec->hide, g_strfreev);
        spec_put(&body, spec);
        reader = (WireReader){ .bytes = body.bytes, .size = body.size };
        assert_int_equal(spec_get(&reader, &got, NULL), 0);
        /* nobody has to think of NULL when reading one that came by wire */
        assert_non_null(got->environment);
        assert_null(got->environment[0]);
        assert_non_null(got->hide);
        wire_writer_done(&body);
}

static void test_prefixes_and_flips(void **state G_GNUC_UNUSED) {
        g_autoptr(Spec) spec = sample();
        WireWriter body = WIRE_WRITER_NULL;

        spec_put(&body, spec);
        assert_prefixes_are_refused(&body, read_spec);
        assert_flips_are_survived(&body, read_spec);
        wire_writer_done(&body);
}

/* ---- what no sandbox can be made of ---- */

static void drop_filter(Spec *spec, SpecFilter filter) {
        g_clear_pointer(&spec->filters[filter], g_bytes_unref);
}

static void set_string(char **string, const char *value) {
        g_free(*string);
        *string = g_strdup(value);
}

static void set_strings(char ***strings, const char *value) {
        g_strfreev(*strings);
        *strings = g_strsplit(value, ",", -1);
}

#define CHANGE(name, statement)                                                                              \
        static void name(Spec *spec) {                                                                       \
                statement;                                                                                   \
        }
CHANGE(nothing, (void) spec)
CHANGE(no_name, set_string(&spec->name, NULL))
CHANGE(empty_name, set_string(&spec->name, ""))
CHANGE(slash_in_name, set_string(&spec->name, "a/b"))
CHANGE(dash_first, set_string(&spec->name, "-a"))
CHANGE(dot_first, set_string(&spec->name, ".."))
CHANGE(newline_in_name, set_string(&spec->name, "a\nb"))
CHANGE(name_of_64,
       set_string(&spec->name, "abcdefghabcdefghabcdefghabcdefghabcdefghabcdefghabcdefghabcdefgh"))
CHANGE(name_of_65,
       set_string(&spec->name, "abcdefghabcdefghabcdefghabcdefghabcdefghabcdefghabcdefghabcdefghi"))
CHANGE(no_hostname, set_string(&spec->hostname, NULL))
CHANGE(bad_hostname, set_string(&spec->hostname, "a b"))
CHANGE(no_template, set_string(&spec->template_name, NULL))
CHANGE(template_path, set_string(&spec->template_name, "../x"))
CHANGE(owner_nobody, spec->owner = (uid_t) -1)
CHANGE(base_0, spec->id_base = 0)
CHANGE(base_low, spec->id_base = 65535)
CHANGE(base_lowest, spec->id_base = 65536)
CHANGE(count_low, spec->id_count = 65535)
CHANGE(count_0, spec->id_count = 0)
CHANGE(range_overflows, spec->id_base = UINT32_MAX - 1000)
CHANGE(range_wraps, (spec->id_base = 0x80000000, spec->id_count = 0x80000000))
CHANGE(range_highest, spec->id_base = UINT32_MAX - 65536)
CHANGE(uid_of_init, spec->app_uid = INIT_UID)
CHANGE(gid_of_init, spec->app_gid = INIT_UID)
CHANGE(uid_highest, spec->app_uid = INIT_UID - 1)
CHANGE(uid_huge, spec->app_uid = UINT32_MAX)
CHANGE(bad_environment, set_strings(&spec->environment, "A=b,C"))
CHANGE(bad_template_environment, set_strings(&spec->template_environment, "=b"))
CHANGE(no_layers, set_strings(&spec->layers, ""))
CHANGE(relative_layer, set_strings(&spec->layers, "host-usr,opt"))
CHANGE(layer_with_dots, set_strings(&spec->layers, "/opt/../etc"))
CHANGE(relative_hide, set_strings(&spec->hide, "usr"))
CHANGE(hide_not_normal, set_strings(&spec->hide, "/usr/"))
CHANGE(relative_folder, set_strings(&spec->folders, "/a,b"))
CHANGE(no_home, set_string(&spec->app_home, NULL))
CHANGE(relative_home, set_string(&spec->app_home, "home"))
CHANGE(signal_0, spec->halt_signal = 0)
CHANGE(signal_65, spec->halt_signal = 65)
CHANGE(signal_negative, spec->halt_signal = -9)
CHANGE(no_time, spec->start_timeout_usec = 0)
CHANGE(upper_unknown, spec->upper = _SPEC_UPPER_MAX)
CHANGE(persistent_nowhere, set_string(&spec->state_folder, NULL))
CHANGE(relative_state, set_string(&spec->state_folder, "var"))
CHANGE(ephemeral_without_size, (spec->upper = SPEC_UPPER_EPHEMERAL, spec->upper_size = 0))
CHANGE(bad_mount, set_strings(&spec->mounts, "none /p proc"))
CHANGE(no_seccomp, set_string(&spec->seccomp, NULL))
CHANGE(seccomp_none_with_programs, set_string(&spec->seccomp, "none"))
CHANGE(seccomp_none, (set_string(&spec->seccomp, "none"), drop_filter(spec, 0), drop_filter(spec, 1), drop_filter(spec, 2)))
CHANGE(no_filter_of_init, drop_filter(spec, SPEC_FILTER_INIT))
CHANGE(no_filter_of_arguments, drop_filter(spec, SPEC_FILTER_ARGUMENTS))
CHANGE(no_filter_of_apps, drop_filter(spec, SPEC_FILTER_APPS))
CHANGE(odd_filter, (drop_filter(spec, 0), spec->filters[0] = g_bytes_new("0123456", 7)))
CHANGE(huge_filter, (drop_filter(spec, 0), spec->filters[0] = g_bytes_new_take(g_malloc0(FILTER_SIZE_MAX + 8), FILTER_SIZE_MAX + 8)))
CHANGE(seccomp_path, set_string(&spec->seccomp, "../x"))
CHANGE(network_unknown, spec->network = _SPEC_NETWORK_MAX)
CHANGE(linux_capability_last, spec->linux_capabilities = 1ULL << 40)
CHANGE(linux_capability_above, spec->linux_capabilities = 1ULL << 41)
CHANGE(relative_masked, set_strings(&spec->masked, "proc"))
CHANGE(relative_read_only, set_strings(&spec->read_only, "/a,b"))
CHANGE(no_command, set_strings(&spec->command, ""))
CHANGE(empty_program, (set_strings(&spec->command, "a"), spec->command[0][0] = 0))
CHANGE(no_working_directory, set_string(&spec->working_directory, NULL))
CHANGE(relative_working_directory, set_string(&spec->working_directory, "srv"))

static const struct {
        const char *name;
        void (*change)(Spec *spec);
        bool good;
} cases[] = {
        { "nothing", nothing, true },
        { "no name", no_name, false },
        { "empty name", empty_name, false },
        { "'/' in the name", slash_in_name, false },
        { "'-' first", dash_first, false },
        { "'.' first", dot_first, false },
        { "newline in the name", newline_in_name, false },
        { "name of 64", name_of_64, true },
        { "name of 65", name_of_65, false },
        { "no host name", no_hostname, false },
        { "bad host name", bad_hostname, false },
        { "no template", no_template, false },
        { "template is a path", template_path, false },
        { "owner is no uid", owner_nobody, false },
        { "ids from 0", base_0, false },
        { "ids from 65535", base_low, false },
        { "ids from 65536", base_lowest, true },
        { "65535 ids", count_low, false },
        { "no ids", count_0, false },
        { "range overflows", range_overflows, false },
        { "range wraps to 0", range_wraps, false },
        { "highest range", range_highest, true },
        { "uid of init", uid_of_init, false },
        { "gid of init", gid_of_init, false },
        { "highest uid", uid_highest, true },
        { "huge uid", uid_huge, false },
        { "bad environment", bad_environment, false },
        { "bad template environment", bad_template_environment, false },
        { "no layers", no_layers, false },
        { "relative layer", relative_layer, false },
        { "layer with dots", layer_with_dots, false },
        { "relative hidden path", relative_hide, false },
        { "hidden path is not normal", hide_not_normal, false },
        { "relative folder", relative_folder, false },
        { "no home", no_home, false },
        { "relative home", relative_home, false },
        { "signal 0", signal_0, false },
        { "signal 65", signal_65, false },
        { "signal -9", signal_negative, false },
        { "no time to start", no_time, false },
        { "unknown upper", upper_unknown, false },
        { "persistent upper without a folder", persistent_nowhere, false },
        { "relative state folder", relative_state, false },
        { "ephemeral upper without a size", ephemeral_without_size, false },
        { "bad mount", bad_mount, false },
        { "no name of a filter", no_seccomp, true },
        { "programs of no filter", seccomp_none_with_programs, false },
        { "no filter", seccomp_none, true },
        { "no filter of init", no_filter_of_init, false },
        { "no filter of arguments", no_filter_of_arguments, false },
        { "no filter of apps alone", no_filter_of_apps, true },
        { "half an instruction", odd_filter, false },
        { "huge filter", huge_filter, false },
        { "filter is a path", seccomp_path, false },
        { "unknown network", network_unknown, false },
        { "last Linux capability", linux_capability_last, true },
        { "Linux capability above the last", linux_capability_above, false },
        { "relative masked path", relative_masked, false },
        { "relative read-only path", relative_read_only, false },
        { "no command", no_command, true },
        { "empty program", empty_program, false },
        { "no working directory", no_working_directory, true },
        { "relative working directory", relative_working_directory, false },
};

static void test_cases(void **state G_GNUC_UNUSED) {
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autoptr(Spec) spec = sample();
                WireWriter body = WIRE_WRITER_NULL;
                g_auto(Error) error = ERROR_NULL;
                int r;

                cases[i].change(spec);
                spec_put(&body, spec);
                r = body_read(body.bytes, body.size, read_spec, &error);
                if ((r == 0) != cases[i].good)
                        fail_msg("%s: %d '%s'", cases[i].name, r, error.message);
                if (r < 0) {
                        assert_int_equal(error.code, ERROR_INVALID_ARGS);
                        assert_true(g_str_has_prefix(error.message, "Spec: "));
                }
                wire_writer_done(&body);
        }
}

static void test_privileges(void **state G_GNUC_UNUSED) {
        g_autoptr(Spec) spec = sample(), plain = spec_new();
        g_auto(GStrv) lines = spec_list_privileges(spec), none = spec_list_privileges(plain);

        g_autofree char *text = g_strjoinv(" ", lines);

        assert_string_equal(text, "User=no Network=host Seccomp=maps LinuxCapabilities=");
        assert_null(none[0]);
        assert_int_equal(spec_get_root_id(spec), 0);
        plain->id_base = 0x70000000;
        assert_int_equal(spec_get_root_id(plain), 0x70000000);
}

static void test_linux_capabilities(void **state G_GNUC_UNUSED) {
        for (unsigned i = 0; i < LINUX_CAPABILITIES_MAX; i++)
                assert_int_equal(linux_capability_from_string(linux_capability_to_string(i)), i);
        assert_null(linux_capability_to_string(LINUX_CAPABILITIES_MAX));
        assert_int_equal(linux_capability_from_string("CAP_KILL"), 5);
        assert_int_equal(linux_capability_from_string("kill"), 5);
        assert_int_equal(linux_capability_from_string(""), -EINVAL);
}

static void test_too_many_paths(void **state G_GNUC_UNUSED) {
        for (int n = SPEC_PATHS_MAX; n <= SPEC_PATHS_MAX + 1; n++) {
                g_autoptr(Spec) spec = sample();
                WireWriter body = WIRE_WRITER_NULL;
                g_auto(Error) error = ERROR_NULL;
                int r;

                g_strfreev(spec->folders);
                spec->folders = g_new0(char *, (gsize) n + 1);
                for (int i = 0; i < n; i++)
                        spec->folders[i] = g_strdup("/a");
                spec_put(&body, spec);
                r = body_read(body.bytes, body.size, read_spec, &error);
                assert_int_equal(r == 0, n == SPEC_PATHS_MAX);
                wire_writer_done(&body);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_round_trip),  cmocka_unit_test(test_copy),
                cmocka_unit_test(test_empty_lists), cmocka_unit_test(test_prefixes_and_flips),
                cmocka_unit_test(test_cases),       cmocka_unit_test(test_too_many_paths),
                cmocka_unit_test(test_privileges),  cmocka_unit_test(test_linux_capabilities),
        };

        return cmocka_run_group_tests_name("spec", tests, NULL, NULL);
}
