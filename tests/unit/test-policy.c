/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "capabilities/capability-private.h"
#include "service/policy.h"

static void test_caller(void **state G_GNUC_UNUSED) {
        g_autoptr(Settings) settings = settings_new();
        g_auto(Error) error = ERROR_NULL;

        assert_int_equal(policy_check_caller(settings, 1000, NULL), 0);
        settings->has_policy = true;
        assert_int_equal(policy_check_caller(settings, 0, NULL), 0);
        assert_true(policy_check_caller(settings, 1000, &error) < 0);
        assert_int_equal(error.code, ERROR_ACCESS_DENIED);
}

static void test_template(void **state G_GNUC_UNUSED) {
        g_autoptr(Settings) settings = settings_new();
        g_auto(Error) error = ERROR_NULL;

        assert_int_equal(policy_check_template(settings, 1000, "default", NULL), 0);
        assert_int_equal(policy_check_template(settings, 0, "media", NULL), 0);
        assert_true(policy_check_template(settings, 1000, "media", &error) < 0);
        assert_int_equal(error.code, ERROR_ACCESS_DENIED);
        assert_non_null(strstr(error.message, "'default'"));
}

static void test_run(void **state G_GNUC_UNUSED) {
        static const struct {
                uid_t caller;
                ShimRun run;
                int r;
        } cases[] = {
                { 1000, { 0 }, 0 },
                { 1000, { .has_user = true, .uid = 1000, .gid = 1000 }, 0 },
                { 1000, { .has_user = true, .uid = 0, .gid = 0 }, -1 },
                { 1000, { .has_user = true, .uid = 1000, .gid = 0 }, -1 },
                { 1000, { .n_groups = 1 }, -1 },
                { 0, { .has_user = true, .n_groups = 1 }, 0 },
        };
        const Spec spec = { .app_uid = 1000, .app_gid = 1000 };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_auto(Error) error = ERROR_NULL;
                int r = policy_check_run(cases[i].caller, &cases[i].run, &spec, &error);

                if (cases[i].r == 0) {
                        assert_int_equal(r, 0);
                        continue;
                }
                assert_true(r < 0);
                assert_int_equal(error.code, ERROR_ACCESS_DENIED);
        }
}

static Capability *make(const char *risk, bool is_default) {
        Capability *capability = capability_new("cam", is_default);
        g_autofree char *text = g_strdup_printf("{\"version\": \"1\", \"capabilities\": [{\"name\": \"cam\", "
                                                "\"risk\": \"%s\", \"gateways\": []}]}",
                                                risk);
        g_autoptr(Manifest) manifest = manifest_parse("a.json", text, strlen(text));

        assert_int_equal(manifest_get_capabilities(manifest)->len, 1);
        capability_add_definition(capability, "a.json", manifest_get_capabilities(manifest)->pdata[0]);
        return capability;
}

static void test_capabilities(void **state G_GNUC_UNUSED) {
        static const struct {
                uid_t caller;
                const char *risk;
                bool is_default, allowed;
        } cases[] = {
                { 1000, "low", false, true },
                { 1000, "medium", false, true },
                { 1000, "high", false, false },
                { 0, "high", false, true },
                /* the integrator gave it to everybody */ { 1000, "high", true, true },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autoptr(Capability) capability = make(cases[i].risk, cases[i].is_default);
                g_autoptr(GPtrArray) wanted = g_ptr_array_new();
                g_auto(Error) error = ERROR_NULL;
                int r;

                g_ptr_array_add(wanted, capability);
                r = policy_check_capabilities(cases[i].caller, wanted, &error);
                if (cases[i].allowed) {
                        assert_int_equal(r, 0);
                        continue;
                }
                assert_true(r < 0);
                assert_int_equal(error.code, ERROR_CAPABILITY_NOT_ALLOWED);
                assert_non_null(strstr(error.message, "'cam'"));
        }
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_caller),
                cmocka_unit_test(test_template),
                cmocka_unit_test(test_run),
                cmocka_unit_test(test_capabilities),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
