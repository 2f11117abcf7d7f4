/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "capabilities/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "util/error.h"
#include "util/fs.h"
#include "util/json.h"
#include "util/limits.h"

#define IDS_BASE_DEFAULT  0x70000000u
#define IDS_COUNT_DEFAULT (ID_RANGE_COUNT * 1024u)

typedef enum KeyType {
        KEY_BOOL,
        KEY_NUMBER,
        KEY_STRING, /* not empty */
        KEY_CHOICE, /* one of the words in `choices` */
        KEY_BRIDGE,
        KEY_RANGE_IPV4,
        KEY_RANGE_IPV6,
        KEY_FIREWALL,
        KEY_DNS,
        KEY_FOLDER,          /* an absolute path */
        KEY_SOCKET,          /* "unix:path=/PATH" of a bus, "unix:/PATH" of a sound server, "/PATH" */
        KEY_WAYLAND_DISPLAY, /* a name, or an absolute path */
        KEY_POLICY, /* of a policy section, which reads it itself */
} KeyType;

typedef struct Key {
        const char *section, *name;
        KeyType type;
        size_t offset; /* in Settings */
        uint64_t min, max;
        const char *choices; /* words with a space between */
} Key;

static const Key keys[] = {
        { "Service", "Bus", KEY_STRING, G_STRUCT_OFFSET(Settings, bus) },
        { "Service", "SoftwareContainer", KEY_BOOL, G_STRUCT_OFFSET(Settings, softwarecontainer) },
        { "Service", "Compatibility", KEY_CHOICE, G_STRUCT_OFFSET(Settings, compatibility), 0, 0,
          "safe strict" },
        { "Service", "DefaultTemplate", KEY_STRING, G_STRUCT_OFFSET(Settings, default_template) },
        { "Service", "MaxSandboxes", KEY_NUMBER, G_STRUCT_OFFSET(Settings, sandboxes_max), 1, SANDBOXES_MAX },
        { "Service", "MaxSandboxesPerUser", KEY_NUMBER, G_STRUCT_OFFSET(Settings, sandboxes_per_user_max), 1,
          SANDBOXES_MAX },
        { "Service", "SpareShims", KEY_NUMBER, G_STRUCT_OFFSET(Settings, spare_shims), 0, SPARE_SHIMS_MAX },
        { "Service", "AllowPrivileged", KEY_BOOL, G_STRUCT_OFFSET(Settings, allow_privileged) },
        { "Ids", "Base", KEY_NUMBER, G_STRUCT_OFFSET(Settings, ids_base), ID_RANGE_COUNT, UINT32_MAX },
        { "Ids", "Count", KEY_NUMBER, G_STRUCT_OFFSET(Settings, ids_count), ID_RANGE_COUNT, UINT32_MAX },
        { "Network", "Bridge", KEY_BRIDGE },
        { "Network", "IPv4", KEY_RANGE_IPV4 },
        { "Network", "IPv6", KEY_RANGE_IPV6 },
        { "Network", "NAT", KEY_BOOL, G_STRUCT_OFFSET(Settings, nat) },
        { "Network", "Firewall", KEY_FIREWALL, 0, 0, 0, "auto iptables nftables" },
        { "Network", "DNS", KEY_DNS },
        { "Session", "BusAddress", KEY_SOCKET, G_STRUCT_OFFSET(Settings, session_paths[SESSION_BUS]) },
        { "Session", "RuntimeDir", KEY_FOLDER, G_STRUCT_OFFSET(Settings, runtime_dir) },
        { "Session", "PulseServer", KEY_SOCKET, G_STRUCT_OFFSET(Settings, session_paths[SESSION_PULSEAUDIO]) },
        { "Session", "WaylandDisplay", KEY_WAYLAND_DISPLAY },
        { "Policy", "Users", KEY_POLICY },
        { "Policy", "Groups", KEY_POLICY },
        { "Policy", "Capabilities", KEY_POLICY },
        { "Policy", "Templates", KEY_POLICY },
        { "Policy", "InsideUsers", KEY_POLICY },
        { "Policy", "Folders", KEY_POLICY },
};

typedef struct Parser {
        Settings *settings;
        const char *file;
        unsigned line, column; /* where the next finding stands */
        unsigned value_column;
        const char *section;   /* static, from the table; NULL = none or an unknown one */
        PolicySection *policy; /* not owned; the one that is being read, or NULL */
} Parser;

static void line_free(gpointer data) {
        SettingsLine *line = data;

        g_free(line->value);
        g_free(line->file);
        g_free(line);
}

/* Keys that may come several times, such as DNS=, are told as one. */
static void parser_remember(Parser *parser, const Key *key, const char *value) {
        g_autofree char *name = g_strdup_printf("[%s] %s=", key->section, key->name);
        const SettingsLine *before = g_hash_table_lookup(parser->settings->lines, name);
        SettingsLine *line = g_new0(SettingsLine, 1);

        line->value = before && key->type == KEY_DNS ? g_strconcat(before->value, " ", value, NULL)
                                                     : g_strdup(value);
        line->file = g_strdup(parser->file);
        line->line = parser->line;
        line->column = parser->column;
        g_hash_table_insert(parser->settings->lines, g_steal_pointer(&name), line);
}

Settings *settings_new(void) {
        Settings *settings = g_new0(Settings, 1);

        settings->bus = g_strdup("system");
        settings->compatibility = g_strdup("safe");
        settings->default_template = g_strdup("default");
        settings->sandboxes_max = SANDBOXES_MAX;
        settings->sandboxes_per_user_max = 64;
        settings->spare_shims = 1;
        settings->ids_base = IDS_BASE_DEFAULT;
        settings->ids_count = IDS_COUNT_DEFAULT;
        settings->nat = true;
        settings->has_resolver = true;
        (void) lease_range_parse(LEASE_IPV4, "10.197.0.0/16", &settings->ranges[LEASE_IPV4], NULL);
        (void) lease_range_parse(LEASE_IPV6, "fd6b:756c:6b68::/64", &settings->ranges[LEASE_IPV6], NULL);
        settings->findings = findings_new();
        settings->lines = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, line_free);
        settings->policies = g_ptr_array_new_with_free_func((GDestroyNotify) policy_section_free);
        return settings;
}

void settings_free(Settings *settings) {
        if (!settings)
                return;
        g_free(settings->bus);
        g_free(settings->compatibility);
        g_free(settings->default_template);
        g_free(settings->bridge);
        g_free(settings->runtime_dir);
        g_free(settings->wayland_display);
        for (int i = 0; i < _SESSION_SERVER_MAX; i++)
                g_free(settings->session_paths[i]);
        g_ptr_array_unref(settings->findings);
        g_ptr_array_unref(settings->policies);
        g_hash_table_unref(settings->lines);
        g_free(settings->file);
        g_free(settings->folder);
        g_free(settings);
}

G_GNUC_PRINTF(3, 4)
static void parser_add(Parser *parser, bool is_error, const char *format, ...) {
        g_autofree char *text = NULL;
        va_list args;

        va_start(args, format);
        text = g_strdup_vprintf(format, args);
        va_end(args);
        if (parser->policy) /* what is not understood, a key that was misspelt say, may have denied something */
                parser->policy->is_broken = true;
        g_ptr_array_add(parser->settings->findings,
                        finding_new(is_error, parser->file, parser->line, parser->column, "", text));
}

/* "; did you mean '<nearest>'", or "". Caller frees. */
static char *suggest(const char *word, GPtrArray *words) {
        const char *nearest;

        g_ptr_array_add(words, NULL);
        nearest = json_nearest(word, (const char *const *) words->pdata);
        return nearest ? g_strdup_printf("; did you mean '%s'", nearest) : g_strdup("");
}

static void parser_set_bool(Parser *parser, const Key *key, const char *value) {
        bool *target = (bool *) ((char *) parser->settings + key->offset);

        if (strcmp(value, "yes") == 0 || strcmp(value, "true") == 0)
                *target = true;
        else if (strcmp(value, "no") == 0 || strcmp(value, "false") == 0)
                *target = false;
        else
                parser_add(parser, true, "%s='%s' is not understood, expected yes or no", key->name, value);
}

static void parser_set_number(Parser *parser, const Key *key, const char *value) {
        unsigned *target = (unsigned *) ((char *) parser->settings + key->offset);
        bool is_hex = g_str_has_prefix(value, "0x");
        guint64 number;

        if (g_ascii_string_to_unsigned(is_hex ? value + 2 : value, is_hex ? 16 : 10, key->min, key->max,
                                       &number, NULL))
                *target = (unsigned) number;
        else
                parser_add(parser, true,
                           "%s='%s' is out of range, expected a number from %" G_GUINT64_FORMAT
                           " to %" G_GUINT64_FORMAT,
                           key->name, value, (guint64) key->min, (guint64) key->max);
}

static void parser_set_string(Parser *parser, const Key *key, const char *value) {
        char **target = (char **) (void *) ((char *) parser->settings + key->offset);

        if (*value) {
                g_free(*target);
                *target = g_strdup(value);
        } else
                parser_add(parser, true, "%s= is empty, expected a value", key->name);
}

/* True if it is one of the key's words; else that is a finding. */
static bool parser_check_choice(Parser *parser, const Key *key, const char *value) {
        g_auto(GStrv) words = g_strsplit(key->choices, " ", -1);
        g_autofree char *list = NULL;
        const char *nearest;

        if (g_strv_contains((const char *const *) words, value))
                return true;
        list = g_strjoinv(", ", words);
        nearest = json_nearest(value, (const char *const *) words);
        parser_add(parser, true, "%s='%s' is unknown%s%s%s, expected one of: %s", key->name, value,
                   nearest ? "; did you mean '" : "", nearest ?: "", nearest ? "'" : "", list);
        return false;
}

static void parser_set_choice(Parser *parser, const Key *key, const char *value) {
        if (parser_check_choice(parser, key, value))
                parser_set_string(parser, key, value);
}

/* ---- the network ---- */

static void parser_set_bridge(Parser *parser, const char *value) {
        g_auto(Error) error = ERROR_NULL;

        if (lease_link_name_check("Bridge", value, &error) < 0) {
                parser_add(parser, true, "%s", error.message);
                return;
        }
        g_free(parser->settings->bridge);
        parser->settings->bridge = g_strdup(value);
}

static void parser_set_range(Parser *parser, LeaseFamily family, const Key *key, const char *value) {
        g_auto(Error) error = ERROR_NULL;

        if (lease_range_parse(family, value, &parser->settings->ranges[family], &error) < 0)
                parser_add(parser, true, "%s=%s", key->name, error.message);
}

static void parser_set_dns(Parser *parser, const Key *key, const char *value) {
        Settings *settings = parser->settings;
        LeaseAddress address;
        LeaseFamily family = strchr(value, ':') ? LEASE_IPV6 : LEASE_IPV4;

        if (strcmp(value, "auto") == 0) {
                settings->has_resolver = true;
                memset(settings->resolvers, 0, sizeof(settings->resolvers));
        } else if (lease_address_parse(family, value, &address) >= 0) {
                settings->has_resolver = false;
                settings->resolvers[family] = address;
        } else
                parser_add(parser, true, "%s='%s' is not understood, expected auto or an address", key->name,
                           value);
}

/* ---- the session ---- */

/* Empty means: found from the owner's uid. @path is in @value. */
static void parser_set_path(Parser *parser, const Key *key, const char *value, const char *path) {
        char **target = (char **) (void *) ((char *) parser->settings + key->offset);

        if (*value && !session_path_is_valid(path)) {
                parser_add(parser, true,
                           "%s='%s' is not understood, expected an absolute path of at most 107 bytes without '.' "
                           "and '..'", key->name, value);
                return;
        }
        g_free(*target);
        *target = *value ? g_strdup(path) : NULL;
}

static void parser_set_socket(Parser *parser, const Key *key, const char *value) {
        static const char *const prefixes[] = { "unix:path=", "unix:" };

        for (size_t i = 0; i < G_N_ELEMENTS(prefixes); i++)
                if (g_str_has_prefix(value, prefixes[i])) {
                        parser_set_path(parser, key, value, value + strlen(prefixes[i]));
                        return;
                }
        parser_set_path(parser, key, value, value);
}

static void parser_set_wayland_display(Parser *parser, const Key *key, const char *value) {
        Settings *settings = parser->settings;
        bool is_path = *value == '/';

        if (is_path ? !session_path_is_valid(value) : strchr(value, '/') != NULL) {
                parser_add(parser, true, "%s='%s' is not understood, expected a socket's name, as 'wayland-1', or "
                           "its absolute path", key->name, value);
                return;
        }
        g_clear_pointer(&settings->session_paths[SESSION_WAYLAND], g_free);
        g_clear_pointer(&settings->wayland_display, g_free);
        if (is_path)
                settings->session_paths[SESSION_WAYLAND] = g_strdup(value);
        else if (*value)
                settings->wayland_display = g_strdup(value);
}

void settings_get_session(const Settings *settings, uid_t owner, Session *ret) {
        session_init(ret, owner);
        if (settings->runtime_dir)
                session_set_folder(ret, settings->runtime_dir);
        for (int i = 0; i < _SESSION_SERVER_MAX; i++)
                if (settings->session_paths[i])
                        session_set_path(ret, (SessionServer) i, g_strdup(settings->session_paths[i]));
        if (settings->wayland_display) {
                SessionSocket *socket = &ret->sockets[SESSION_WAYLAND];
                g_autofree char *folder = g_path_get_dirname(socket->path);

                g_free(socket->path);
                socket->path = g_build_filename(folder, settings->wayland_display, NULL);
        }
}

static void parser_set_policy(Parser *parser, const Key *key, const char *value) {
        g_auto(Error) error = ERROR_NULL;

        if (policy_section_add(parser->policy, key->name, value, parser->file, parser->line, parser->column,
                               &error) < 0)
                parser_add(parser, true, "%s", error.message);
}

static void parser_set(Parser *parser, const Key *key, const char *value) {
        parser->column = parser->value_column;
        if (key->type != KEY_POLICY)
                parser_remember(parser, key, value);
        switch (key->type) {
        case KEY_BOOL:
                parser_set_bool(parser, key, value);
                return;
        case KEY_NUMBER:
                parser_set_number(parser, key, value);
                return;
        case KEY_STRING:
                parser_set_string(parser, key, value);
                return;
        case KEY_CHOICE:
                parser_set_choice(parser, key, value);
                return;
        case KEY_BRIDGE:
                parser_set_bridge(parser, value);
                return;
        case KEY_RANGE_IPV4:
                parser_set_range(parser, LEASE_IPV4, key, value);
                return;
        case KEY_RANGE_IPV6:
                parser_set_range(parser, LEASE_IPV6, key, value);
                return;
        case KEY_FIREWALL:
                if (parser_check_choice(parser, key, value))
                        parser->settings->firewall = firewall_choice_from_string(value);
                return;
        case KEY_DNS:
                parser_set_dns(parser, key, value);
                return;
        case KEY_FOLDER:
                parser_set_path(parser, key, value, value);
                return;
        case KEY_SOCKET:
                parser_set_socket(parser, key, value);
                return;
        case KEY_WAYLAND_DISPLAY:
                parser_set_wayland_display(parser, key, value);
                return;
        case KEY_POLICY:
                parser_set_policy(parser, key, value);
                return;
        default:
                g_assert_not_reached();
        }
}

static void unknown_section(Parser *parser, const char *name) {
        g_autoptr(GPtrArray) names = g_ptr_array_new();
        g_autofree char *suggestion = NULL;

        for (size_t i = 0; i < G_N_ELEMENTS(keys); i++)
                g_ptr_array_add(names, (char *) keys[i].section);
        suggestion = suggest(name, names);
        parser_add(parser, true,
                   "Unknown section [%s]%s, expected one of: Service, Ids, Network, Session, Policy NAME",
                   name, suggestion);
}

static void unknown_key(Parser *parser, const char *name) {
        g_autoptr(GPtrArray) names = g_ptr_array_new();
        g_autofree char *suggestion = NULL;

        for (size_t i = 0; i < G_N_ELEMENTS(keys); i++)
                if (strcmp(keys[i].section, parser->section) == 0)
                        g_ptr_array_add(names, (char *) keys[i].name);
                else if (strcmp(keys[i].name, name) == 0) {
                        parser_add(parser, true, "Unknown key %s= in [%s], expected it in [%s]", name,
                                   parser->section, keys[i].section);
                        return;
                }
        suggestion = suggest(name, names);
        parser_add(parser, true, "Unknown key %s= in [%s]%s", name, parser->section, suggestion);
}

/* A section of a name that was there before, in a drop-in say, adds to it. Returns the name in the table. */
static const char *parser_begin_policy(Parser *parser, const char *rest) {
        g_autofree char *name = g_strstrip(g_strdup(rest));
        GPtrArray *policies = parser->settings->policies;

        for (guint i = 0; i < policies->len && !parser->policy; i++) {
                PolicySection *policy = policies->pdata[i];

                if (strcmp(policy->name, name) == 0)
                        parser->policy = policy;
        }
        if (!parser->policy) {
                parser->policy = policy_section_new(name);
                g_ptr_array_add(policies, parser->policy);
        }
        if (!*name)
                parser_add(parser, true, "A policy section has a name: [Policy NAME]");
        return "Policy";
}

static void parser_read_section(Parser *parser, char *line) {
        char *end = strchr(line, ']');
        const char *name = line + 1;

        parser->section = NULL;
        parser->policy = NULL;
        if (!end || end[1]) {
                parser_add(parser, true, "Section '%s' has no ']' at its end", line);
                return;
        }
        *end = '\0';
        if (strcmp(name, "Policy") == 0 || g_str_has_prefix(name, "Policy "))
                name = parser_begin_policy(parser, name + strlen("Policy"));
        for (size_t i = 0; i < G_N_ELEMENTS(keys) && !parser->section; i++)
                if (strcmp(keys[i].section, name) == 0)
                        parser->section = keys[i].section;
        if (!parser->section)
                unknown_section(parser, name);
}

static void parser_read_key(Parser *parser, char *line) {
        char *equals = strchr(line, '=');

        if (!equals) {
                parser_add(parser, true, "'%s' is not understood, expected [Section], Key=value or # comment",
                           line);
                return;
        }
        *equals++ = '\0';
        while (g_ascii_isspace(*equals))
                equals++;
        parser->value_column = parser->column + (unsigned) g_utf8_pointer_to_offset(line, equals);

        const char *name = g_strstrip(line);
        const char *value = g_strstrip(equals);

        if (!parser->section) /* the section itself was told already, or there is none yet */
                return;
        for (size_t i = 0; i < G_N_ELEMENTS(keys); i++)
                if (strcmp(keys[i].section, parser->section) == 0 && strcmp(keys[i].name, name) == 0) {
                        parser_set(parser, &keys[i], value);
                        return;
                }
        unknown_key(parser, name);
}

void settings_parse(Settings *settings, const char *file, const char *text) {
        Parser parser = { .settings = settings, .file = file };
        g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
        bool in_section = false;

        for (char **at = lines; *at; at++) {
                char *line = *at + strspn(*at, " \t\r\f\v");

                parser.line++;
                parser.column = (unsigned) (line - *at) + 1;
                g_strchomp(line);
                if (!*line || *line == '#' || *line == ';')
                        continue;
                if (!g_utf8_validate(line, -1, NULL))
                        parser_add(&parser, true, "The line is not UTF-8 text");
                else if (*line == '[') {
                        in_section = true;
                        parser_read_section(&parser, line);
                } else if (!in_section)
                        parser_add(&parser, true, "'%s' stands before the first [Section]", line);
                else
                        parser_read_key(&parser, line);
        }

        /* (uid_t) -1 means "no change" to the kernel, so the last range ends below it. */
        if ((uint64_t) settings->ids_base + settings->ids_count > UINT32_MAX) {
                parser.line = parser.column = 0;
                parser_add(&parser, true,
                           "Base= and Count= of [Ids] leave the 32-bit range: the defaults are used");
                settings->ids_base = IDS_BASE_DEFAULT;
                settings->ids_count = IDS_COUNT_DEFAULT;
        }
}

void settings_read(Settings *settings, const char *file) {
        g_autofree char *text = NULL;
        g_auto(Error) error = ERROR_NULL;
        size_t size;
        int r = fs_read_file_at(AT_FDCWD, file, SETTINGS_SIZE_MAX, &text, &size, &error);

        if (r == -ENOENT)
                return;
        settings->n_files++;
        settings->misses_file |= r < 0 || strlen(text) != size;
        if (r < 0)
                g_ptr_array_add(settings->findings, finding_new(true, file, 0, 0, "", error.message));
        else if (strlen(text) != size)
                g_ptr_array_add(settings->findings,
                                finding_new(true, file, 0, 0, "", "The file has a NUL in it, expected text"));
        else
                settings_parse(settings, file, text);
}

static int compare_names(gconstpointer a, gconstpointer b) {
        return strcmp(*(char *const *) a, *(char *const *) b);
}

Settings *settings_load(const char *config_file, const char *config_folder) {
        Settings *settings = settings_new();
        g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
        g_autoptr(GDir) folder = g_dir_open(config_folder, 0, NULL);
        const char *name;

        settings->file = g_strdup(config_file);
        settings->folder = g_strdup(config_folder);
        settings_read(settings, config_file);
        while (folder && (name = g_dir_read_name(folder)))
                if (g_str_has_suffix(name, ".conf") && name[0] != '.')
                        g_ptr_array_add(names, g_build_filename(config_folder, name, NULL));
        g_ptr_array_sort(names, compare_names);
        for (guint i = 0; i < names->len; i++)
                settings_read(settings, names->pdata[i]);
        return settings;
}

/* ---- once more ---- */

/* Of a key that is in @lines and is not the same in @others. */
static void find_changes(GHashTable *lines, GHashTable *others, GPtrArray *findings) {
        g_autoptr(GList) names = g_list_sort(g_hash_table_get_keys(lines), (GCompareFunc) strcmp);

        for (GList *at = names; at; at = at->next) {
                const SettingsLine *line = g_hash_table_lookup(lines, at->data);
                const SettingsLine *other = g_hash_table_lookup(others, at->data);
                g_autofree char *text = NULL;

                if (other && strcmp(line->value, other->value) == 0)
                        continue;
                text = g_strdup_printf("%s has changed, which takes effect when the service is restarted",
                                       (const char *) at->data);
                g_ptr_array_add(findings, finding_new(false, line->file, line->line, line->column, "", text));
        }
}

/* Of a key that is in @lines and no longer in @now. */
static void find_removals(GHashTable *lines, GHashTable *now, GPtrArray *findings) {
        g_autoptr(GHashTable) gone = g_hash_table_new(g_str_hash, g_str_equal);
        GHashTableIter iter;
        gpointer name, line;

        g_hash_table_iter_init(&iter, lines);
        while (g_hash_table_iter_next(&iter, &name, &line))
                if (!g_hash_table_contains(now, name))
                        g_hash_table_insert(gone, name, line);
        find_changes(gone, now, findings);
}

static void array_swap(GPtrArray **a, GPtrArray **b) {
        GPtrArray *other = *a;

        *a = *b;
        *b = other;
}

void settings_reload(Settings *settings) {
        g_autoptr(Settings) fresh = settings_load(settings->file, settings->folder);

        for (guint i = 0; i < fresh->policies->len; i++)
                policy_section_resolve_again(fresh->policies->pdata[i], settings->policies, fresh->findings);
        find_changes(fresh->lines, settings->lines, fresh->findings);
        find_removals(settings->lines, fresh->lines, fresh->findings);
        /* What is freed with @fresh is what was in force. */
        if (!fresh->misses_file)
                array_swap(&settings->policies, &fresh->policies);
        array_swap(&settings->findings, &fresh->findings);
        settings->n_files = fresh->n_files;
}

void settings_resolve(Settings *settings) {
        for (guint i = 0; i < settings->policies->len; i++)
                policy_section_resolve(settings->policies->pdata[i], settings->findings);
}
