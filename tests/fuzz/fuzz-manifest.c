/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Manifests
 *
 * Every finding has words and a place. A capability without errors plans or says why not; what it opens
 * alone, the union of all opens too.
 */
#include "capabilities/capability-private.h"
#include "capabilities/manifest.h"
#include "tests/fuzz/fuzz.h"

static void check_findings(const Manifest *manifest) {
        const GPtrArray *findings = manifest_get_findings(manifest);

        for (guint i = 0; i < findings->len; i++) {
                const JsonFinding *finding = findings->pdata[i];
                Error error = { .message = finding->message };

                fuzz_assert_explained(-1, &error);
                FUZZ_ASSERT(finding->line >= 1 && finding->column >= 1);
                FUZZ_ASSERT(finding->path[0] == '\0' || finding->path[0] == '/');
        }
}

/* Variables are put together from their parts, so that none of them is in the union as it is alone. */
static void check_not_narrower(const Plan *both, const Plan *alone) {
        for (guint i = 0; i < plan_get_size(alone); i++) {
                const PlanItem *item = plan_get_item(alone, i);
                const PlanItem *wide = plan_find_item(both, item->kind, item->key);

                FUZZ_ASSERT(wide);
                FUZZ_ASSERT(item->kind == PLAN_ENV || plan_item_covers(wide, item));
        }
}

static Plan *try_plan(GPtrArray *capabilities) {
        g_autoptr(Plan) plan = plan_new();
        g_auto(Error) error = ERROR_NULL;
        int r;

        r = capabilities_plan(capabilities, plan, &error);
        fuzz_assert_explained(r, &error);
        return r < 0 ? NULL : g_steal_pointer(&plan);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
        g_autoptr(Manifest) manifest = manifest_parse("f.json", (const char *) bytes, size);
        g_autoptr(GPtrArray) capabilities = g_ptr_array_new_with_free_func((GDestroyNotify) capability_unref);
        g_autoptr(GPtrArray) alone = g_ptr_array_new();
        const GPtrArray *definitions = manifest_get_capabilities(manifest);
        g_autoptr(Plan) both = NULL;

        check_findings(manifest);
        for (guint i = 0; i < definitions->len; i++) {
                ManifestCapability *definition = definitions->pdata[i];
                Capability *capability;

                FUZZ_ASSERT(capability_name_is_valid(definition->name));
                if (definition->has_errors)
                        continue;
                capability = capability_new(definition->name, false);
                capability_add_definition(capability, "f.json", definition);
                g_ptr_array_add(capabilities, capability);
        }
        both = try_plan(capabilities);
        for (guint i = 0; i < capabilities->len; i++) {
                g_autoptr(Plan) plan = NULL;

                g_ptr_array_set_size(alone, 0);
                g_ptr_array_add(alone, capabilities->pdata[i]);
                plan = try_plan(alone);
                FUZZ_ASSERT(!both || plan); /* what plans together plans alone */
                if (both)
                        check_not_narrower(both, plan);
        }
        return 0;
}
