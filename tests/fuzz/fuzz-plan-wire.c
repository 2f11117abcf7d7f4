/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Plans from the wire: any bytes are refused with words or are a plan, and a plan comes back as it went out
 */
#include "plan/plan-diff.h"
#include "tests/fuzz/fuzz.h"

static void assert_comes_back(const Plan *plan) {
        g_autofree char *json = plan_print_json(plan);
        g_autofree char *text = plan_print_text(plan);
        g_autofree char *json_again = NULL;
        g_autoptr(Plan) again = NULL;
        g_auto(Error) error = ERROR_NULL;
        WireWriter body = WIRE_WRITER_NULL;
        WireReader reader;

        FUZZ_ASSERT(g_utf8_validate(text, -1, NULL));
        plan_put(&body, plan);
        FUZZ_ASSERT(body.error == 0);
        reader = (WireReader){ .bytes = body.bytes, .size = body.size };
        FUZZ_ASSERT(plan_get(&reader, &again, &error) == 0);
        FUZZ_ASSERT(reader.at == reader.size);
        json_again = plan_print_json(again);
        FUZZ_ASSERT(strcmp(json, json_again) == 0);
        wire_writer_done(&body);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
        WireReader reader = { .bytes = bytes, .size = size };
        g_autoptr(Plan) plan = NULL;
        g_auto(Error) error = ERROR_NULL;
        int r = plan_get(&reader, &plan, &error);

        fuzz_assert_explained(r, &error);
        FUZZ_ASSERT((r < 0) == (plan == NULL));
        if (plan)
                assert_comes_back(plan);
        return 0;
}
