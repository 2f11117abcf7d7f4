/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "capabilities/template-private.h"

#include <inttypes.h>
#include <signal.h>
#include <string.h>

#include "plan/plan.h"
#include "util/json.h"
#include "util/limits.h"

int template_parse_number(const char *text, uint64_t max, uint64_t *ret, const char **ret_end) {
        char *end;

        if (!g_ascii_isdigit(text[0]))
                return -EINVAL;
        errno = 0;
        *ret = g_ascii_strtoull(text, &end, 10);
        if (errno != 0 || *ret > max)
                return -ERANGE;
        *ret_end = end;
        return 0;
}

/* Bytes, or K, M, G, T of 1024. */
static int parse_size(const char *text, uint64_t *ret) {
        static const char units[] = "KMGT";
        const char *end, *unit;
        unsigned shift = 0;
        uint64_t number;
        int r;

        r = template_parse_number(text, UINT64_MAX, &number, &end);
        if (r < 0)
                return r;
        if (end[0]) {
                unit = strchr(units, end[0]);
                if (!unit || end[1])
                        return -EINVAL;
                shift = 10 * (unsigned) (unit - units + 1);
        }
        if (number > UINT64_MAX >> shift)
                return -ERANGE;
        *ret = number << shift;
        return 0;
}

int template_parse_seconds(const char *text, uint64_t *ret_usec) {
        uint64_t seconds, usec = 0, weight = 100000;
        const char *end;
        int r;

        r = template_parse_number(text, TEMPLATE_TIMEOUT_MAX_USEC, &seconds, &end);
        if (r < 0)
                return r;
        if (end[0] == '.') {
                if (!end[1])
                        return -EINVAL;
                for (end++; g_ascii_isdigit(*end) && weight > 0; end++, weight /= 10)
                        usec += weight * (uint64_t) (*end - '0');
        }
        if (end[0])
                return -EINVAL;
        *ret_usec = seconds * G_USEC_PER_SEC + usec;
        return 0;
}

int template_parse_signal(const char *text) {
        const char *end;
        uint64_t number;
        int base = 0;

        if (g_str_has_prefix(text, "SIGRTMIN+")) {
                base = SIGRTMIN;
                text += strlen("SIGRTMIN+");
        }
        if (template_parse_number(text, (uint64_t) (SIGRTMAX - base), &number, &end) >= 0 && !end[0])
                return number + (uint64_t) base > 0 ? (int) number + base : -EINVAL;
        for (int i = 1; i < SIGSYS + 1; i++)
                if (g_str_has_prefix(text, "SIG") && g_strcmp0(sigabbrev_np(i), text + 3) == 0)
                        return i;
        return -EINVAL;
}

/* One word up to a space outside of quotes; advances *at. -EINVAL for a quote without an end. */
static int parse_word(const char **at, GString *word) {
        bool quoted = false;
        const char *p = *at;

        for (; *p && (quoted || !g_ascii_isspace(*p)); p++)
                if (*p == '"')
                        quoted = !quoted;
                else if (quoted && *p == '\\' && (p[1] == '"' || p[1] == '\\'))
                        g_string_append_c(word, *++p);
                else
                        g_string_append_c(word, *p);
        *at = p;
        return quoted ? -EINVAL : 0;
}

char **template_read_words(TemplateRead *read, const TemplateKey *key, const char *value) {
        g_autoptr(GPtrArray) words = g_ptr_array_new_with_free_func(g_free);

        while (*value) {
                GString *word = g_string_new(NULL);
                int r;

                r = parse_word(&value, word);
                g_ptr_array_add(words, g_string_free(word, FALSE));
                if (r < 0) {
                        template_finding_add(read, "%s= has a double quote without an end", key->name);
                        return NULL;
                }
                if (words->len > TEMPLATE_LIST_MAX) {
                        template_finding_add(read, "%s= has more than %u entries", key->name,
                                             TEMPLATE_LIST_MAX);
                        return NULL;
                }
                while (g_ascii_isspace(*value))
                        value++;
        }
        g_ptr_array_add(words, NULL);
        return (char **) g_ptr_array_free(g_steal_pointer(&words), FALSE);
}

void template_strv_take(char ***to, char **from) {
        g_strfreev(*to);
        *to = from;
}

int template_read_choice(TemplateRead *read, const TemplateKey *key, const char *value,
                         const char *const *choices) {
        g_autofree char *list = NULL;
        const char *nearest;

        for (int i = 0; choices[i]; i++)
                if (strcmp(choices[i], value) == 0)
                        return i;
        list = g_strjoinv(", ", (char **) choices);
        nearest = json_nearest(value, choices);
        if (nearest)
                template_finding_add(read, "%s='%s' is unknown; did you mean '%s', expected one of: %s",
                                     key->name, value, nearest, list);
        else
                template_finding_add(read, "%s='%s' is unknown, expected one of: %s", key->name, value, list);
        return -EINVAL;
}

int template_normalize_path(TemplateRead *read, const TemplateKey *key, char **path) {
        g_auto(Error) error = ERROR_NULL;
        char *normal = NULL;
        int r;

        if (strlen(*path) >= PATH_SIZE_MAX) {
                template_finding_add(read, "%s= has a path of %zu bytes, expected at most %u", key->name,
                                     strlen(*path), PATH_SIZE_MAX - 1);
                return -EINVAL;
        }
        r = plan_path_normalize(*path, &normal, &error);
        if (r < 0) {
                template_finding_add(read, "%s=: %s", key->name, error.message);
                return r;
        }
        if (strcmp(normal, "/") == 0) {
                template_finding_add(read, "%s= has '/' in it, expected paths below", key->name);
                g_free(normal);
                return -EINVAL;
        }
        g_free(*path);
        *path = normal;
        return 0;
}

int template_check_twice(TemplateRead *read, const TemplateKey *key, char *const *words, size_t i) {
        for (size_t j = 0; j < i; j++)
                if (strcmp(words[i], words[j]) == 0) {
                        template_finding_add(read, "%s= has '%s' twice", key->name, words[i]);
                        return -EINVAL;
                }
        return 0;
}

int template_read_size(TemplateRead *read, const TemplateKey *key, const char *value, uint64_t min,
                       uint64_t max, uint64_t *ret) {
        uint64_t size;
        int r;

        r = parse_size(value, &size);
        if (r == -EINVAL) {
                template_finding_add(
                        read,
                        "%s='%s' is not a size, expected a number with K, M, G, T or no letter behind it",
                        key->name, value);
                return r;
        }
        if (r < 0 || size < min || size > max) {
                template_finding_add(read,
                                     "%s='%s' is out of range, expected %" PRIu64 " to %" PRIu64 " bytes",
                                     key->name, value, min, max);
                return -ERANGE;
        }
        *ret = size;
        return 0;
}
