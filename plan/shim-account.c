/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/shim-account.h"

#include <string.h>

#include "plan/plan-private.h"
#include "util/enum-table.h"
#include "util/limits.h"

static const char *const shim_phase_names[_SHIM_PHASE_MAX] = {
        [SHIM_PHASE_RUNNING] = "running",
        [SHIM_PHASE_FROZEN] = "frozen",
        [SHIM_PHASE_STOPPING] = "stopping",
};

ENUM_TABLE_DEFINE(shim_phase, ShimPhase, _SHIM_PHASE_MAX)

static int account_broken(Error *error) {
        return error_set_errnof(error, EBADMSG, "Account of a shim ends early or is not well formed");
}

/* ---- who it is ---- */

char *shim_identity_format(const ShimIdentity *identity) {
        return g_strdup_printf("%u %s %u %u\n", (unsigned) identity->owner, identity->name, identity->id_base,
                               identity->id_count);
}

void shim_identity_done(ShimIdentity *identity) {
        g_free(identity->name);
        *identity = (ShimIdentity){ 0 };
}

static bool name_is_valid(const char *name) {
        bool valid = name && g_ascii_isalnum(name[0]) && strlen(name) <= SANDBOX_NAME_MAX;

        for (const char *at = name; valid && *at; at++)
                valid = g_ascii_isalnum(*at) || strchr("_.-", *at);
        return valid;
}

static int identity_check(const ShimIdentity *identity, Error *error) {
        if (!name_is_valid(identity->name) || identity->owner == (uid_t) -1 ||
            identity->id_base < SPEC_ID_BASE_MIN || identity->id_count < SPEC_ID_COUNT_MIN ||
            (uint64_t) identity->id_base + identity->id_count > UINT32_MAX)
                return error_setf(error, ERROR_INVALID_ARGS,
                                  "Shim does not say well whose it is: a name, an owner and a range of ids "
                                  "were expected");
        return 0;
}

int shim_identity_parse(const char *text, ShimIdentity *ret, Error *error) {
        g_autofree char *line = g_strndup(text, strcspn(text, "\n"));
        g_auto(GStrv) words = g_strsplit(line, " ", 5);
        g_auto(ShimIdentity) identity = { 0 };
        guint64 owner, base, count;
        int r;

        if (g_strv_length(words) != 4 || !text[strlen(line)] ||
            !g_ascii_string_to_unsigned(words[0], 10, 0, UINT32_MAX, &owner, NULL) ||
            !g_ascii_string_to_unsigned(words[2], 10, 0, UINT32_MAX, &base, NULL) ||
            !g_ascii_string_to_unsigned(words[3], 10, 0, UINT32_MAX, &count, NULL))
                return account_broken(error);
        identity.name = g_strdup(words[1]);
        identity.owner = (uid_t) owner;
        identity.id_base = (uint32_t) base;
        identity.id_count = (uint32_t) count;
        r = identity_check(&identity, error);
        if (r < 0)
                return r;
        *ret = identity;
        identity = (ShimIdentity){ 0 };
        return 0;
}

/* ---- the account ---- */

/* A block with its length: other fields follow, and a newer spec may be longer than its reader knows. */
static void account_put_spec(WireWriter *writer, const Spec *spec) {
        WireWriter block = WIRE_WRITER_NULL;

        spec_put(&block, spec);
        wire_put_bytes(writer, block.bytes, block.size);
        if (block.error < 0 && writer->error == 0)
                writer->error = block.error;
        wire_writer_done(&block);
}

void shim_account_put(WireWriter *writer, const ShimAccount *account) {
        wire_put_u32(writer, account->version);
        wire_put_string(writer, account->instance);
        wire_put_string(writer, account->identity.name);
        wire_put_u32(writer, account->identity.owner);
        wire_put_u32(writer, account->identity.id_base);
        wire_put_u32(writer, account->identity.id_count);

        wire_put_string(writer, shim_phase_to_string(account->phase));
        wire_put_i32(writer, account->leader);
        shim_record_put(writer, account->ends_with, account->record);
        account_put_spec(writer, account->spec);
        if (account->version >= 2)
                wire_put_u32(writer, account->last_serial);
        /* New fields go here, with a new version. */
}

/* What an account of a version that we know goes on with. */
static int account_get_rest(WireReader *reader, ShimAccount *account, Error *error) {
        WireReader block = { 0 };
        int r;

        account->phase = shim_phase_from_string(wire_get_string(reader));
        account->leader = wire_get_i32(reader);
        r = shim_record_get(reader, &account->ends_with, &account->record, error);
        if (r < 0)
                return r;
        block.bytes = wire_get_bytes(reader, &block.size);
        if (!block.bytes)
                return account_broken(error);
        r = spec_get(&block, &account->spec, error);
        if (r < 0)
                return r;
        /* A shim of version 1 does not tell. Nobody has ever asked this often. */
        account->last_serial = account->version >= 2 ? wire_get_u32(reader) : UINT32_MAX / 2;
        if (reader->failed || account->phase < 0 || account->leader < 0 ||
            (account->phase != SHIM_PHASE_STOPPING && account->leader < 2))
                return account_broken(error);
        if (strcmp(account->spec->name, account->identity.name) != 0 ||
            account->spec->owner != account->identity.owner ||
            account->spec->id_base != account->identity.id_base ||
            account->spec->id_count != account->identity.id_count)
                return error_setf(error, ERROR_INVALID_ARGS, "Shim says in two ways whose it is");
        return 0;
}

int shim_account_get(WireReader *reader, ShimAccount **ret, Error *error) {
        g_autoptr(ShimAccount) account = g_new0(ShimAccount, 1);
        int r;

        account->version = wire_get_u32(reader);
        account->instance = g_strdup(wire_get_string(reader));
        account->identity.name = g_strdup(wire_get_string(reader));
        account->identity.owner = wire_get_u32(reader);
        account->identity.id_base = wire_get_u32(reader);
        account->identity.id_count = wire_get_u32(reader);
        if (reader->failed || !account->instance)
                return account_broken(error);
        r = identity_check(&account->identity, error);
        if (r >= 0 && account->version >= SHIM_VERSION_MIN && account->version <= SHIM_VERSION)
                r = account_get_rest(reader, account, error);
        if (r < 0)
                return r;
        *ret = g_steal_pointer(&account);
        return 0;
}

void shim_account_free(ShimAccount *account) {
        if (!account)
                return;
        g_free(account->instance);
        shim_identity_done(&account->identity);
        spec_free(account->spec);
        g_clear_pointer(&account->record, g_bytes_unref);
        g_free(account);
}

/* ---- programs ---- */

void shim_kept_run_put(WireWriter *writer, const ShimKeptRun *run) {
        wire_put_u32(writer, run->run);
        wire_put_i32(writer, run->pid);
        wire_put_strings(writer, run->argv);
        wire_put_u8(writer, run->has_terminal);
        wire_put_u8(writer, run->has_ended);
        wire_put_u8(writer, run->is_told);
        if (run->has_ended)
                shim_exited_put(writer, &run->exited);
}

int shim_kept_run_get(WireReader *reader, ShimKeptRun *ret, Error *error) {
        g_auto(ShimKeptRun) run = { 0 };
        uint8_t has_terminal, has_ended, is_told;
        int r = 0;

        run.run = wire_get_u32(reader);
        run.pid = wire_get_i32(reader);
        run.argv = plan_strings_take(wire_get_strings(reader, ARGV_MAX));
        has_terminal = wire_get_u8(reader);
        has_ended = wire_get_u8(reader);
        is_told = wire_get_u8(reader);
        if (!reader->failed && has_ended == 1)
                r = shim_exited_get(reader, &run.exited);
        if (reader->failed || r < 0 || run.run == 0 || run.pid < 2 || !run.argv[0] || has_terminal > 1 ||
            has_ended > 1 || is_told > has_ended || (has_ended && run.exited.run != run.run))
                return error_set_errnof(error, EBADMSG,
                                        "Program of a shim's account ends early or is not well formed");
        run.has_terminal = has_terminal;
        run.has_ended = has_ended;
        run.is_told = is_told;
        *ret = run;
        run = (ShimKeptRun){ 0 };
        return 0;
}

void shim_kept_run_done(ShimKeptRun *run) {
        g_strfreev(run->argv);
        *run = (ShimKeptRun){ 0 };
}

/* ---- what the service keeps there ---- */

void shim_record_put(WireWriter *writer, uint32_t ends_with, GBytes *record) {
        gsize size = 0;
        const void *bytes = record ? g_bytes_get_data(record, &size) : NULL;

        wire_put_u32(writer, ends_with);
        wire_put_bytes(writer, bytes ?: "", size);
}

int shim_record_get(WireReader *reader, uint32_t *ret_ends_with, GBytes **ret_record, Error *error) {
        uint32_t ends_with = wire_get_u32(reader);
        size_t size = 0;
        const void *bytes = wire_get_bytes(reader, &size);

        if (reader->failed || size > RECORD_SIZE_MAX)
                return error_set_errnof(error, EBADMSG, "Record ends early or has more than %d bytes",
                                        RECORD_SIZE_MAX);
        *ret_ends_with = ends_with;
        *ret_record = g_bytes_new(bytes, size);
        return 0;
}
