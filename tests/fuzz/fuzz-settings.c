/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Settings: values stay in their ranges whatever the text says; findings have words
 */
#include "capabilities/settings.h"
#include "tests/fuzz/fuzz.h"
#include "util/limits.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
        g_autofree char *text = g_strndup((const char *) bytes, size);
        g_autoptr(Settings) settings = settings_new();

        settings_parse(settings, "f.conf", text);
        for (guint i = 0; i < settings->findings->len; i++) {
                const Finding *finding = settings->findings->pdata[i];
                g_autofree char *line = finding_format(finding);

                FUZZ_ASSERT(finding->text[0] != '\0' && g_utf8_validate(line, -1, NULL) &&
                            !strchr(line, '\n'));
        }
        FUZZ_ASSERT(settings->bus[0] != '\0' && settings->default_template[0] != '\0');
        FUZZ_ASSERT(strcmp(settings->compatibility, "safe") == 0 ||
                    strcmp(settings->compatibility, "strict") == 0);
        FUZZ_ASSERT(settings->sandboxes_max >= 1 && settings->sandboxes_max <= SANDBOXES_MAX);
        FUZZ_ASSERT(settings->spare_shims <= SPARE_SHIMS_MAX);
        FUZZ_ASSERT(settings->ids_count >= ID_RANGE_COUNT);
        FUZZ_ASSERT((uint64_t) settings->ids_base + settings->ids_count <= UINT32_MAX);
        return 0;
}
