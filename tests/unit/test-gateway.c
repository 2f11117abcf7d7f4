/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/rows.h"

static void test_registry(void **state G_GNUC_UNUSED) {
        static const char *const contract_ids[] = {
                "file", "devicenode", "env", "cgroups", "network", "dbus", "pulseaudio", "wayland",
        };
        const char *const *ids = gateway_get_ids();
        const GatewayOps *last = NULL;
        size_t n = 0;

        for (const GatewayOps *ops; (ops = gateway_get(n)); n++) {
                assert_ptr_equal(gateway_find(ops->id), ops);
                assert_string_equal(ids[n], ops->id);
                assert_true(ops->config_size >= sizeof(GatewayConfig));
                assert_non_null(ops->parse_row);
                assert_non_null(ops->plan);
                for (size_t i = 0; i < n; i++)
                        assert_string_not_equal(gateway_get(i)->id, ops->id);
                last = ops;
        }
        for (size_t i = 0; i < G_N_ELEMENTS(contract_ids); i++)
                assert_non_null(gateway_find(contract_ids[i]));
        assert_null(ids[n]);
        assert_null(gateway_get(n));
        assert_null(gateway_get(SIZE_MAX));
        /* a manifest's own variables win over those that other gateways set */
        assert_string_equal(last->id, "env");
}

static void test_find_unknown(void **state G_GNUC_UNUSED) {
        static const char *const unknown[] = { "", "File", "fil", "files", "netwrok", NULL };

        for (size_t i = 0; unknown[i]; i++)
                assert_null(gateway_find(unknown[i]));
}

/* A gateway that notes what is done with it. */
typedef struct ProbeConfig {
        GatewayConfig config;
        char *text;
} ProbeConfig;

static unsigned n_done;

static int probe_parse_row(const JsonCursor *row, GatewayConfig *config) {
        ProbeConfig *probe = (ProbeConfig *) config;
        const char *text;

        assert_null(probe->text);
        if (json_read_string(row, 1, 8, &text) < 0)
                return -EBADMSG;
        probe->text = g_strdup(text);
        return strcmp(text, "half") == 0 ? json_error(row, "Half read") : 0;
}

static void probe_done(GatewayConfig *config) {
        g_free(((ProbeConfig *) config)->text);
        n_done++;
}

static void test_config_parse(void **state G_GNUC_UNUSED) {
        static const GatewayOps ops = {
                .id = "probe",
                .config_size = sizeof(ProbeConfig),
                .parse_row = probe_parse_row,
                .done = probe_done,
        };
        g_autofree char *text = quote_json("['good', 'half', 5]");
        g_autoptr(JsonDocument) document = json_document_new("test.json", text, strlen(text));
        g_autoptr(PlanOrigin) origin = plan_origin_new("com.acme.test", "test.json", 3, 4);
        GatewayConfig *config = NULL;
        JsonCursor root, row;

        assert_true(json_document_get_root(document, &root));
        assert_true(json_cursor_get_first(&root, &row));
        assert_int_equal(gateway_config_parse(&ops, &row, origin, &config), 0);
        assert_ptr_equal(config->ops, &ops);
        assert_ptr_not_equal(config->origin, origin);
        assert_string_equal(config->origin->capability, "com.acme.test");
        assert_int_equal(config->origin->line, 3);
        assert_string_equal(((ProbeConfig *) config)->text, "good");
        gateway_config_free(config);
        assert_int_equal(n_done, 1);

        while (json_cursor_get_next(&row, &row)) {
                assert_int_equal(gateway_config_parse(&ops, &row, origin, &config), -EBADMSG);
                assert_null(config);
        }
        assert_int_equal(n_done, 3);
        gateway_config_free(NULL);
        assert_int_equal(n_done, 3);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_registry),
                cmocka_unit_test(test_find_unknown),
                cmocka_unit_test(test_config_parse),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
