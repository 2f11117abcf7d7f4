/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gateways/dbus-proxy/match-rule.h"

#include <stdbool.h>
#include <string.h>

#include "gateways/dbus-pattern.h"
#include "util/limits.h"

#define MATCH_ARGS_MAX 64 /* arg0 to arg63 */
#define MATCH_KEYS_MAX 32 /* of one rule: it has 1 KiB */

/* Keys whose values are names. */
static const struct {
        const char *key;
        DBusName kind;
} named_keys[] = {
        { "sender", DBUS_NAME_BUS },          { "destination", DBUS_NAME_BUS },
        { "interface", DBUS_NAME_INTERFACE }, { "member", DBUS_NAME_MEMBER },
        { "path", DBUS_NAME_PATH },           { "path_namespace", DBUS_NAME_PATH },
};

static int refuse(Error *error, const char *why) {
        return error_setf(error, ERROR_INVALID_ARGS, "Match rule %s", why);
}

static bool is_blank(char c) {
        return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* The value that begins at *at, as far as a comma outside of quotes; *at goes to that comma or the end.
 * Inside of
 * '...' everything stands for itself; outside, \' is an apostrophe. */
static int read_value(const char **at, GString *value) {
        bool is_quoted = false;
        const char *p = *at;

        for (; *p && (is_quoted || *p != ','); p++) {
                if (*p == '\'')
                        is_quoted = !is_quoted;
                else if (!is_quoted && *p == '\\' && p[1] == '\'')
                        g_string_append_c(value, *++p);
                else
                        g_string_append_c(value, *p);
        }
        *at = p;
        return is_quoted ? -EINVAL : 0;
}

/* argN, argNpath and arg0namespace. */
static bool is_argument_key(const char *key) {
        unsigned n = 0;
        const char *p = key + 3;

        if (strncmp(key, "arg", 3) != 0 || !g_ascii_isdigit(*p))
                return false;
        for (; g_ascii_isdigit(*p) && n < MATCH_ARGS_MAX; p++)
                n = n * 10 + (unsigned) (*p - '0');
        if (n >= MATCH_ARGS_MAX || (key[3] == '0' && g_ascii_isdigit(key[4])))
                return false;
        return *p == '\0' || strcmp(p, "path") == 0 || strcmp(key, "arg0namespace") == 0;
}

static int check_value(const char *key, const char *value, Error *error) {
        if (strcmp(key, "type") == 0) {
                if (strcmp(value, "signal") == 0)
                        return 0;
                return error_setf(error, ERROR_ACCESS_DENIED, "Match rule for other messages than signals");
        }
        if (strcmp(key, "eavesdrop") == 0) {
                if (strcmp(value, "false") == 0)
                        return 0;
                return error_setf(error, ERROR_ACCESS_DENIED, "Match rule that eavesdrops");
        }
        for (guint i = 0; i < G_N_ELEMENTS(named_keys); i++)
                if (strcmp(key, named_keys[i].key) == 0)
                        return dbus_name_is_valid(named_keys[i].kind, value)
                                       ? 0
                                       : refuse(error, "with a name that is not valid");
        return is_argument_key(key) ? 0 : refuse(error, "with an unknown key");
}

static void append_pair(GString *rule, const char *key, const char *value) {
        g_string_append_printf(rule, ",%s='", key);
        for (const char *p = value; *p; p++)
                if (*p == '\'')
                        g_string_append(rule, "'\\''");
                else
                        g_string_append_c(rule, *p);
        g_string_append_c(rule, '\'');
}

/* One "key=value" and the comma behind it. */
static int read_pair(const char **at, GHashTable *keys, GString *rule, Error *error) {
        g_autoptr(GString) value = g_string_new(NULL);
        g_autofree char *key = NULL;
        size_t n;
        int r;

        n = strcspn(*at, "=,'\\ \t\r\n");
        if (n == 0 || (*at)[n] != '=')
                return refuse(error, "without '=' behind a key");
        key = g_strndup(*at, n);
        *at += n + 1;
        if (read_value(at, value) < 0)
                return refuse(error, "with a quote that is not closed");
        r = check_value(key, value->str, error);
        if (r < 0)
                return r;
        /* both at once are refused by the bus; it is enough that neither comes twice */
        if (g_hash_table_contains(keys, key))
                return refuse(error, "with a key that comes twice");
        if (g_hash_table_size(keys) >= MATCH_KEYS_MAX)
                return refuse(error, "with too many keys");
        if (strcmp(key, "type") != 0 && strcmp(key, "eavesdrop") != 0)
                append_pair(rule, key, value->str);
        g_hash_table_add(keys, g_steal_pointer(&key));
        if (**at == ',')
                (*at)++;
        return 0;
}

int match_rule_rewrite(const char *text, char **ret, Error *error) {
        g_autoptr(GHashTable) keys = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        g_autoptr(GString) rule = g_string_new("type='signal'");
        const char *at = text;
        int r;

        if (strlen(text) > BUS_PROXY_MATCH_MAX)
                return refuse(error, "of more than 1024 bytes");
        for (;;) {
                while (is_blank(*at))
                        at++;
                if (*at == '\0')
                        break;
                r = read_pair(&at, keys, rule, error);
                if (r < 0)
                        return r;
        }
        *ret = g_string_free(g_steal_pointer(&rule), FALSE);
        return 0;
}
