/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a shim tells of itself: any bytes are refused with words or are an account that comes back as it went
 * out
 */
#include "plan/shim-account.h"
#include "tests/fuzz/fuzz.h"

static void assert_comes_back(const ShimAccount *account) {
        g_autoptr(ShimAccount) again = NULL;
        g_auto(Error) error = ERROR_NULL;
        WireWriter body = WIRE_WRITER_NULL;
        WireReader reader;

        shim_account_put(&body, account);
        FUZZ_ASSERT(body.error == 0);
        reader = (WireReader){ .bytes = body.bytes, .size = body.size };
        FUZZ_ASSERT(shim_account_get(&reader, &again, &error) == 0);
        FUZZ_ASSERT(strcmp(again->identity.name, account->identity.name) == 0);
        FUZZ_ASSERT(g_bytes_equal(again->record, account->record));
        FUZZ_ASSERT(again->leader == account->leader && again->last_serial == account->last_serial);
        wire_writer_done(&body);
}

static void read_identity(const uint8_t *bytes, size_t size) {
        g_autofree char *text = g_strndup((const char *) bytes, size);
        g_auto(ShimIdentity) identity = { 0 };
        g_auto(Error) error = ERROR_NULL;

        fuzz_assert_explained(shim_identity_parse(text, &identity, &error), &error);
}

static void read_run(const uint8_t *bytes, size_t size) {
        WireReader reader = { .bytes = bytes, .size = size };
        g_auto(ShimKeptRun) run = { 0 };
        g_auto(Error) error = ERROR_NULL;
        int r = shim_kept_run_get(&reader, &run, &error);

        fuzz_assert_explained(r, &error);
        FUZZ_ASSERT(r < 0 || (run.run > 0 && run.pid > 1 && run.argv[0]));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
        WireReader reader = { .bytes = bytes, .size = size };
        g_autoptr(ShimAccount) account = NULL;
        g_auto(Error) error = ERROR_NULL;
        int r = shim_account_get(&reader, &account, &error);

        fuzz_assert_explained(r, &error);
        FUZZ_ASSERT((r < 0) == (account == NULL));
        if (account && account->spec)
                assert_comes_back(account);
        read_identity(bytes, size);
        read_run(bytes, size);
        return 0;
}
