/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "capabilities/manifest.h"

#include <string.h>

#include "capabilities/capability.h"
#include "util/limits.h"

#define MANIFEST_VERSION "1"

struct Manifest {
        JsonDocument *document;  /* owned */
        GPtrArray *capabilities; /* owned ManifestCapability * */
        GHashTable *by_name;     /* name -> ManifestCapability; owns neither */
        bool has_version;
};

static void manifest_capability_free(void *userdata) {
        ManifestCapability *capability = userdata;

        g_free(capability->name);
        g_free(capability->description);
        g_free(capability->risk);
        g_ptr_array_unref(capability->configs);
        g_free(capability);
}

static ManifestCapability *manifest_capability_new(void) {
        ManifestCapability *capability = g_new0(ManifestCapability, 1);

        capability->description = g_strdup("");
        capability->risk = g_strdup("");
        capability->configs = g_ptr_array_new_with_free_func((GDestroyNotify) gateway_config_free);
        return capability;
}

static int read_text(const JsonCursor *at, size_t max, char **text) {
        const char *string;
        int r;

        r = json_read_string(at, 0, max, &string);
        if (r < 0)
                return r;
        g_free(*text);
        *text = g_strdup(string);
        return 0;
}

/*
 * An entry of "gateways": { "id", "config" }
 */
typedef struct Entry {
        const GatewayOps *ops; /* static; NULL until an id was read that is known */
        JsonCursor rows;
        bool has_rows;
} Entry;

static int read_id(const JsonCursor *at, void *userdata) {
        const char *const *ids = gateway_get_ids();
        Entry *entry = userdata;
        const char *id;
        int r;

        r = json_read_string(at, 1, CAPABILITY_NAME_MAX, &id);
        if (r < 0)
                return r;
        entry->ops = gateway_find(id);
        return entry->ops ? 0 : json_error_choice(at, "gateway", id, ids, ids);
}

static int read_rows(const JsonCursor *at, void *userdata) {
        Entry *entry = userdata;
        int r;

        r = json_expect_array(at, 1, GATEWAY_ROWS_MAX);
        if (r < 0)
                return r;
        entry->rows = *at;
        entry->has_rows = true;
        return 0;
}

static const JsonField entry_fields[] = {
        { "id", read_id, JSON_FIELD_REQUIRED },
        { "config", read_rows, JSON_FIELD_REQUIRED },
        {},
};

static int entry_read_row(const Entry *entry, const JsonCursor *row, ManifestCapability *capability) {
        g_autoptr(PlanOrigin) origin = NULL;
        GatewayConfig *config;
        unsigned line, column;
        int r;

        json_cursor_get_place(row, &line, &column);
        /* Rows of a capability without a name are read too, for what is wrong in them. */
        origin = plan_origin_new(capability->name ?: "unnamed", json_document_get_file(row->document), line,
                                 column);
        r = gateway_config_parse(entry->ops, row, origin, &config);
        if (r < 0)
                return r;
        g_ptr_array_add(capability->configs, config);
        return 0;
}

static int read_entry(const JsonCursor *at, ManifestCapability *capability) {
        Entry entry = { 0 };
        JsonCursor row;
        int result;

        result = json_read_object(at, entry_fields, JSON_UNKNOWN_WARNING, &entry);
        if (!entry.ops || !entry.has_rows)
                return result;
        json_document_set_subject(at->document, entry.ops->id);
        for (bool more = json_cursor_get_first(&entry.rows, &row); more;
             more = json_cursor_get_next(&row, &row))
                if (entry_read_row(&entry, &row, capability) < 0)
                        result = -EBADMSG;
        json_document_set_subject(at->document, NULL);
        return result;
}

/*
 * A capability: { "name", "description", "risk", "gateways" }
 */
typedef struct CapabilityRead {
        ManifestCapability *capability; /* owned */
        JsonCursor name, entries;
        bool has_entries;
} CapabilityRead;

static int read_name(const JsonCursor *at, void *userdata) {
        CapabilityRead *read = userdata;
        const char *name;
        int r;

        r = json_read_string(at, 1, CAPABILITY_NAME_MAX, &name);
        if (r < 0)
                return r;
        if (!capability_name_is_valid(name))
                return json_error(at,
                                  "Invalid capability name '%s', expected letters, digits, '.', '_' and '-', "
                                  "beginning with a letter or digit",
                                  name);
        read->capability->name = g_strdup(name);
        read->name = *at;
        return 0;
}

static int read_description(const JsonCursor *at, void *userdata) {
        CapabilityRead *read = userdata;

        return read_text(at, PATH_SIZE_MAX, &read->capability->description);
}

static int read_risk(const JsonCursor *at, void *userdata) {
        static const char *const risks[] = { "low", "medium", "high", NULL };
        CapabilityRead *read = userdata;
        const char *risk;
        int r;

        r = json_read_string(at, 0, CAPABILITY_NAME_MAX, &risk);
        if (r < 0)
                return r;
        if (!g_strv_contains(risks, risk))
                return json_error_choice(at, "risk", risk, risks, risks);
        return read_text(at, CAPABILITY_NAME_MAX, &read->capability->risk);
}

static int read_entries(const JsonCursor *at, void *userdata) {
        CapabilityRead *read = userdata;
        int r;

        r = json_expect_array(at, 0, GATEWAYS_MAX);
        if (r < 0)
                return r;
        read->entries = *at;
        read->has_entries = true;
        return 0;
}

static const JsonField capability_fields[] = {
        { "name", read_name, JSON_FIELD_REQUIRED },
        { "description", read_description, 0 },
        { "risk", read_risk, 0 },
        { "gateways", read_entries, JSON_FIELD_REQUIRED },
        {},
};

/* Takes what was read: a new capability, or more of one that the file has named before. */
static void manifest_add(Manifest *manifest, CapabilityRead *read) {
        ManifestCapability *capability = g_steal_pointer(&read->capability), *before = NULL;

        if (capability->name)
                before = g_hash_table_lookup(manifest->by_name, capability->name);
        if (!capability->name)
                manifest_capability_free(capability);
        else if (!before) {
                g_ptr_array_add(manifest->capabilities, capability);
                g_hash_table_insert(manifest->by_name, capability->name, capability);
        } else {
                json_warning(&read->name, "Capability '%s' is defined in line %u already; both are combined",
                             capability->name, before->line);
                before->has_errors = before->has_errors || capability->has_errors;
                g_ptr_array_extend_and_steal(before->configs, g_steal_pointer(&capability->configs));
                capability->configs = g_ptr_array_new();
                manifest_capability_free(capability);
        }
}

static void read_capability(const JsonCursor *at, Manifest *manifest) {
        CapabilityRead read = { .capability = manifest_capability_new() };
        ManifestCapability *capability = read.capability;
        JsonCursor entry;

        json_cursor_get_place(at, &capability->line, &capability->column);
        if (json_read_object(at, capability_fields, JSON_UNKNOWN_WARNING, &read) < 0)
                capability->has_errors = true;
        if (read.has_entries)
                for (bool more = json_cursor_get_first(&read.entries, &entry); more;
                     more = json_cursor_get_next(&entry, &entry))
                        if (read_entry(&entry, capability) < 0)
                                capability->has_errors = true;
        manifest_add(manifest, &read);
}

/*
 * The file: { "$schema", "description", "version", "capabilities" }
 */
/* For people and their editors. */
static int read_comment(const JsonCursor *at, void *userdata G_GNUC_UNUSED) {
        const char *text;

        return json_read_string(at, 0, PATH_SIZE_MAX, &text);
}

static int read_version(const JsonCursor *at, void *userdata) {
        const json_t *value = json_cursor_get_value(at);
        Manifest *manifest = userdata;
        const char *version;
        int r;

        manifest->has_version = true;
        if (json_is_integer(value) && json_integer_value(value) == 1) {
                json_warning(at, "Version 1 is written as a number, expected the string \"" MANIFEST_VERSION
                                 "\"");
                return 0;
        }
        r = json_read_string(at, 1, CAPABILITY_NAME_MAX, &version);
        if (r < 0)
                return r;
        if (strcmp(version, MANIFEST_VERSION) != 0)
                return json_error(at, "Version '%s' is not known, expected \"" MANIFEST_VERSION "\"",
                                  version);
        return 0;
}

static int read_capabilities(const JsonCursor *at, void *userdata) {
        Manifest *manifest = userdata;
        JsonCursor capability;
        int r;

        r = json_expect_array(at, 0, CAPABILITIES_MAX);
        if (r < 0)
                return r;
        for (bool more = json_cursor_get_first(at, &capability); more;
             more = json_cursor_get_next(&capability, &capability))
                read_capability(&capability, manifest);
        return 0;
}

static const JsonField manifest_fields[] = {
        { "$schema", read_comment, 0 },
        { "description", read_comment, 0 },
        { "version", read_version, 0 },
        { "capabilities", read_capabilities, JSON_FIELD_REQUIRED },
        {},
};

Manifest *manifest_parse(const char *file, const char *text, size_t size) {
        Manifest *manifest = g_new0(Manifest, 1);
        JsonCursor root;

        manifest->document = json_document_new(file, text, size);
        manifest->capabilities = g_ptr_array_new_with_free_func(manifest_capability_free);
        manifest->by_name = g_hash_table_new(g_str_hash, g_str_equal);
        if (!json_document_get_root(manifest->document, &root))
                return manifest;

        /* An error of the file itself says that it is not what we take it for: nothing of it is used. */
        if (json_read_object(&root, manifest_fields, JSON_UNKNOWN_WARNING, manifest) < 0) {
                g_hash_table_remove_all(manifest->by_name);
                g_ptr_array_set_size(manifest->capabilities, 0);
        } else if (!manifest->has_version)
                json_warning(&root, "Key 'version' is missing, expected \"" MANIFEST_VERSION "\"");
        return manifest;
}

void manifest_free(Manifest *manifest) {
        if (!manifest)
                return;
        g_hash_table_unref(manifest->by_name);
        g_ptr_array_unref(manifest->capabilities);
        json_document_free(manifest->document);
        g_free(manifest);
}

const char *manifest_get_file(const Manifest *manifest) {
        return json_document_get_file(manifest->document);
}

const GPtrArray *manifest_get_findings(const Manifest *manifest) {
        return json_document_get_findings(manifest->document);
}

const GPtrArray *manifest_get_capabilities(const Manifest *manifest) {
        return manifest->capabilities;
}
