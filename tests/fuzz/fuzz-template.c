/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Templates: one that is taken has no findings and makes a spec that the shim would take; findings have words
 */
#include "capabilities/template.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
        g_autofree char *text = g_strndup((const char *) bytes, size);
        g_autoptr(GPtrArray) findings = template_findings_new();
        g_autoptr(Template) template = NULL;
        g_autoptr(Spec) spec = spec_new();
        int r;

        r = template_parse("fuzz", text, findings, &template);
        FUZZ_ASSERT((r < 0) == (findings->len > 0) && (r < 0) == (template == NULL));
        for (guint i = 0; i < findings->len; i++) {
                const TemplateFinding *finding = findings->pdata[i];

                FUZZ_ASSERT(finding->text && finding->text[0] != '\0');
                FUZZ_ASSERT(g_utf8_validate(finding->text, -1, NULL));
                FUZZ_ASSERT(!strchr(finding->text, '\n'));
        }
        if (!template)
                return 0;
        template_fill_spec(template, spec);
        FUZZ_ASSERT(spec->layers && spec->layers[0]);
        FUZZ_ASSERT(spec->stop_timeout_usec > 0 && spec->start_timeout_usec > 0 && spec->halt_signal > 0);
        return 0;
}
