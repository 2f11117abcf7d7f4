/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Manifest: one file that defines capabilities (contract section 4)
 *
 * Reading is pure: text in, capabilities and findings out, no file is touched. A finding that is an error
 * takes out the capability it stands in; above the capabilities (not JSON, another version) it takes out the
 * file.
 */
#include <glib.h>
#include <stdbool.h>

#include "gateways/gateway.h"
#include "util/json.h"

/* One capability as one file defines it. */
typedef struct ManifestCapability {
        char *name;        /* owned; valid */
        char *description; /* owned; "" if none */
        char *risk;        /* owned; "low", "medium", "high", or "" */
        unsigned line, column;
        bool has_errors;    /* may not be used: nor what other files say of the same name */
        GPtrArray *configs; /* owned GatewayConfig *, in the order of the text; their origins name @file */
} ManifestCapability;

typedef struct Manifest Manifest;

/* @file is the path it was read from, for findings and origins; @text need not end in NUL. Never fails: what
 * is wrong is a finding. */
Manifest *manifest_parse(const char *file, const char *text, size_t size);
void manifest_free(Manifest *manifest);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Manifest, manifest_free)

const char *manifest_get_file(const Manifest *manifest);
const GPtrArray *manifest_get_findings(
        const Manifest *manifest); /* of JsonFinding, in the order of the text */
const GPtrArray *manifest_get_capabilities(
        const Manifest *manifest); /* of ManifestCapability, each name once */
