/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Message ids: values of the journal's field MESSAGE_ID
 *
 * Each kind of event that a person may want to find or have explained has one; templates/bulkhead.catalog has the
 * explanations, whose texts use the fields that are named here (https://systemd.io/CATALOG/).
 */
#define MESSAGE_SANDBOX_STARTED    "fb637cd463144e479de671334758d5d4" /* SANDBOX */
#define MESSAGE_SANDBOX_FAILED     "577e0fd4c55d4feea5567e4e671e3ec4" /* SANDBOX */
#define MESSAGE_CAPABILITY_REFUSED "e71c61ae93464e5f89489a179d16478d" /* SANDBOX, CAPABILITY, GATEWAY if it was one */
#define MESSAGE_DENIED             "89e016c51a304c3ead9e6f0b8ac698c4" /* SANDBOX, GATEWAY */
#define MESSAGE_MANIFEST_FINDING   "2ca032f9165d405981a87233e0c5db75" /* MANIFEST_FILE, MANIFEST_LINE */
#define MESSAGE_SETTINGS_FINDING   "1b4bb1706471431a86a2a096a7a966d0"
