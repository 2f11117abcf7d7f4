/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Sandbox record: what a service must know of a sandbox that its shim does not
 *
 * The service keeps it with the shim (SHIM_RECORD), which gives it to the next service unread. Capabilities
 * are kept by name with what each of them opened: manifests may be others by then, and a sandbox keeps what
 * it has.
 */
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "capabilities/store.h"
#include "plan/lease.h"
#include "util/error.h"

typedef struct SandboxRecord {
        char *client;        /* owned, as everything here; who asked for it, in the front end's words */
        char *realm;         /* where those words hold: the id of a bus */
        bool bind_to_caller; /* the sandbox ends when the client leaves */
        uint64_t created_usec, created_monotonic_usec;
        GHashTable *labels;      /* char * -> char * */
        GArray *timings;         /* of ShimTiming */
        GPtrArray *capabilities; /* of Capability references */
        GPtrArray *mounts;       /* of Mount references, by hand; descriptors are with the shim */
        uint32_t last_mount;     /* number of a descriptor that was shown */
        bool has_lease;          /* its addresses, with the shim as well */
        Lease lease;
} SandboxRecord;

void sandbox_record_done(SandboxRecord *record);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(SandboxRecord, sandbox_record_done)

/* ERROR_LIMIT_REACHED above RECORD_SIZE_MAX bytes. Caller unrefs *ret. */
int sandbox_record_pack(const SandboxRecord *record, GBytes **ret, Error *error);
/* Believes nothing. ERROR_UNSUPPORTED for the record of a newer service. A capability is the one of @store if
 * that opens the same. */
int sandbox_record_unpack(GBytes *bytes, const Store *store, SandboxRecord *ret, Error *error);
