/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Template files
 *
 * Sections, keys and values as in other ini files, with three differences that keep them strict: a comment is
 * a whole line that begins with '#' (a '#' behind a value belongs to the value), a key stands at most once,
 * and lists are separated by spaces, with double quotes around what has spaces in it (inside them \" and \\).
 * GKeyFile is not used since it keeps no line numbers.
 */
#include "capabilities/template.h"

#include <inttypes.h>
#include <signal.h>
#include <string.h>

#include "plan/plan.h"
#include "util/json.h"
#include "util/limits.h"

#define APP_ID   1000 /* of 'app' inside */
#define APP_HOME "/home/app"

#define NOBODY_ID        65534 /* what ids that have no place in the sandbox look like (user_namespaces(7)) */
#define UPPER_SIZE_MIN   (64 * 1024ULL)
#define UPPER_SIZE_MAX   (1ULL << 50)
#define MEMORY_MIN       (1024 * 1024ULL) /* below it not even init starts */
#define MEMORY_MAX       (1ULL << 50)
#define TASKS_MAX        4194304ULL /* PID_MAX_LIMIT of the kernel */
#define TIMEOUT_MIN_USEC 100000ULL
#define TIMEOUT_MAX_USEC 600000000ULL

struct Template {
        gatomicrefcount n_refs;
        char *name;        /* owned */
        char *description; /* owned */
        Spec *spec;        /* owned; only the fields of a template are set */
};

typedef struct TemplateRead {
        Template *template;  /* not owned */
        GPtrArray *findings; /* not owned */
        unsigned line, column;
        bool has_upper, has_environment;
} TemplateRead;

typedef struct TemplateKey {
        const char *section, *name;
        void (*read)(TemplateRead *read, const struct TemplateKey *key, const char *value);
        const char *only; /* for read_fixed(): the one value that this version can build */
} TemplateKey;

static void template_finding_free(void *userdata) {
        TemplateFinding *finding = userdata;

        g_free(finding->text);
        g_free(finding);
}

GPtrArray *template_findings_new(void) {
        return g_ptr_array_new_with_free_func(template_finding_free);
}

G_GNUC_PRINTF(2, 3)
static void finding_add(TemplateRead *read, const char *format, ...) {
        TemplateFinding *finding = g_new0(TemplateFinding, 1);
        va_list args;

        va_start(args, format);
        finding->text = g_strdup_vprintf(format, args);
        va_end(args);
        finding->line = read->line;
        finding->column = read->column;
        g_ptr_array_add(read->findings, finding);
}

/*
 * Values
 */

/* All digits, or -EINVAL; -ERANGE above @max. *ret_end is what stands behind them. */
static int parse_number(const char *text, uint64_t max, uint64_t *ret, const char **ret_end) {
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

        r = parse_number(text, UINT64_MAX, &number, &end);
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

/* Seconds with at most six digits behind the point, as microseconds. */
static int parse_seconds(const char *text, uint64_t *ret_usec) {
        uint64_t seconds, usec = 0, weight = 100000;
        const char *end;
        int r;

        r = parse_number(text, TIMEOUT_MAX_USEC, &seconds, &end);
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

static int parse_signal(const char *text) {
        const char *end;
        uint64_t number;
        int base = 0;

        if (g_str_has_prefix(text, "SIGRTMIN+")) {
                base = SIGRTMIN;
                text += strlen("SIGRTMIN+");
        }
        if (parse_number(text, (uint64_t) (SIGRTMAX - base), &number, &end) >= 0 && !end[0])
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

/* NULL after a finding, else the words; free with g_strfreev(). */
static char **read_words(TemplateRead *read, const TemplateKey *key, const char *value) {
        g_autoptr(GPtrArray) words = g_ptr_array_new_with_free_func(g_free);

        while (*value) {
                GString *word = g_string_new(NULL);
                int r;

                r = parse_word(&value, word);
                g_ptr_array_add(words, g_string_free(word, FALSE));
                if (r < 0) {
                        finding_add(read, "%s= has a double quote without an end", key->name);
                        return NULL;
                }
                if (words->len > TEMPLATE_LIST_MAX) {
                        finding_add(read, "%s= has more than %u entries", key->name, TEMPLATE_LIST_MAX);
                        return NULL;
                }
                while (g_ascii_isspace(*value))
                        value++;
        }
        g_ptr_array_add(words, NULL);
        return (char **) g_ptr_array_free(g_steal_pointer(&words), FALSE);
}

static void strv_take(char ***to, char **from) {
        g_strfreev(*to);
        *to = from;
}

/* A word with a meaning that all of @choices gives; NULL-terminated. -EINVAL after a finding. */
static int read_choice(TemplateRead *read, const TemplateKey *key, const char *value,
                       const char *const *choices) {
        g_autofree char *list = NULL;
        const char *nearest;

        for (int i = 0; choices[i]; i++)
                if (strcmp(choices[i], value) == 0)
                        return i;
        list = g_strjoinv(", ", (char **) choices);
        nearest = json_nearest(value, choices);
        if (nearest)
                finding_add(read, "%s='%s' is unknown; did you mean '%s', expected one of: %s", key->name,
                            value, nearest, list);
        else
                finding_add(read, "%s='%s' is unknown, expected one of: %s", key->name, value, list);
        return -EINVAL;
}

/*
 * Keys
 */
static void read_fixed(TemplateRead *read, const TemplateKey *key, const char *value) {
        if (strcmp(value, key->only) == 0)
                return;
        if (key->only[0])
                finding_add(read, "%s='%s' is not supported by this version, expected '%s'", key->name, value,
                            key->only);
        else
                finding_add(read, "%s='%s' is not supported by this version, expected nothing", key->name,
                            value);
}

static void read_description(TemplateRead *read, const TemplateKey *key G_GNUC_UNUSED, const char *value) {
        g_free(read->template->description);
        read->template->description = g_strdup(value);
}

/* Puts the normal form of an absolute path in the place of *path. */
static int normalize_path(TemplateRead *read, const TemplateKey *key, char **path) {
        g_auto(Error) error = ERROR_NULL;
        char *normal = NULL;
        int r;

        if (strlen(*path) >= PATH_SIZE_MAX) {
                finding_add(read, "%s= has a path of %zu bytes, expected at most %u", key->name,
                            strlen(*path), PATH_SIZE_MAX - 1);
                return -EINVAL;
        }
        r = plan_path_normalize(*path, &normal, &error);
        if (r < 0) {
                finding_add(read, "%s=: %s", key->name, error.message);
                return r;
        }
        if (strcmp(normal, "/") == 0) {
                finding_add(read, "%s= has '/' in it, expected paths below", key->name);
                g_free(normal);
                return -EINVAL;
        }
        g_free(*path);
        *path = normal;
        return 0;
}

static int check_twice(TemplateRead *read, const TemplateKey *key, char *const *words, size_t i) {
        for (size_t j = 0; j < i; j++)
                if (strcmp(words[i], words[j]) == 0) {
                        finding_add(read, "%s= has '%s' twice", key->name, words[i]);
                        return -EINVAL;
                }
        return 0;
}

static void read_layers(TemplateRead *read, const TemplateKey *key, const char *value) {
        g_auto(GStrv) words = read_words(read, key, value);

        if (!words)
                return;
        if (!words[0])
                finding_add(read, "%s= is empty, expected '%s' or folders, top first", key->name,
                            SPEC_LAYER_HOST_USR);
        for (size_t i = 0; words[i]; i++) {
                if (g_str_has_suffix(words[i], ".squashfs") || g_str_has_suffix(words[i], ".erofs")) {
                        finding_add(read,
                                    "%s=: the image '%s' is not supported by this version, expected '%s' or "
                                    "folders",
                                    key->name, words[i], SPEC_LAYER_HOST_USR);
                        return;
                }
                if (strcmp(words[i], SPEC_LAYER_HOST_USR) != 0 && normalize_path(read, key, &words[i]) < 0)
                        return;
                if (check_twice(read, key, words, i) < 0)
                        return;
        }
        strv_take(&read->template->spec->layers, g_steal_pointer(&words));
}

static void read_paths(TemplateRead *read, const TemplateKey *key, const char *value, char ***to) {
        g_auto(GStrv) words = read_words(read, key, value);

        if (!words)
                return;
        for (size_t i = 0; words[i]; i++)
                if (normalize_path(read, key, &words[i]) < 0 || check_twice(read, key, words, i) < 0)
                        return;
        strv_take(to, g_steal_pointer(&words));
}

static void read_hide(TemplateRead *read, const TemplateKey *key, const char *value) {
        read_paths(read, key, value, &read->template->spec->hide);
}

static void read_mkdir(TemplateRead *read, const TemplateKey *key, const char *value) {
        read_paths(read, key, value, &read->template->spec->folders);
}

static void read_upper(TemplateRead *read, const TemplateKey *key, const char *value) {
        static const char *const choices[] = { "ephemeral", "none", NULL };

        if (strcmp(value, "persistent") == 0)
                finding_add(read,
                            "%s='%s' is not supported by this version, expected one of: ephemeral, none",
                            key->name, value);
        else
                read->has_upper = read_choice(read, key, value, choices) != 1;
}

static int read_size(TemplateRead *read, const TemplateKey *key, const char *value, uint64_t min,
                     uint64_t max, uint64_t *ret) {
        uint64_t size;
        int r;

        r = parse_size(value, &size);
        if (r == -EINVAL) {
                finding_add(read,
                            "%s='%s' is not a size, expected a number with K, M, G, T or no letter behind it",
                            key->name, value);
                return r;
        }
        if (r < 0 || size < min || size > max) {
                finding_add(read, "%s='%s' is out of range, expected %" PRIu64 " to %" PRIu64 " bytes",
                            key->name, value, min, max);
                return -ERANGE;
        }
        *ret = size;
        return 0;
}

static void read_upper_size(TemplateRead *read, const TemplateKey *key, const char *value) {
        (void) read_size(read, key, value, UPPER_SIZE_MIN, UPPER_SIZE_MAX, &read->template->spec->upper_size);
}

static void read_network(TemplateRead *read, const TemplateKey *key, const char *value) {
        static const char *const choices[] = { "veth", "none", NULL };

        /* Both have loopback only so far: no capability of this version can grant a link. */
        if (strcmp(value, "host") == 0)
                finding_add(read, "%s='%s' is refused, expected one of: veth, none", key->name, value);
        else
                (void) read_choice(read, key, value, choices);
}

static void read_map_host_root(TemplateRead *read, const TemplateKey *key, const char *value) {
        static const char *const choices[] = { "no", "yes", "false", "true", NULL };
        int choice = read_choice(read, key, value, choices);

        if (choice >= 0)
                read->template->spec->map_host_root = choice % 2 == 1;
}

/* An id inside. init's own is out of reach for apps, and nobody's would be that of everything not mapped. */
static int parse_id(const char *text, char separator, uint32_t *ret, const char **ret_end) {
        uint64_t id;

        if (parse_number(text, NOBODY_ID - 1, &id, ret_end) < 0)
                return -EINVAL;
        if (**ret_end && **ret_end != separator)
                return -EINVAL;
        *ret = (uint32_t) id;
        return 0;
}

static void read_user(TemplateRead *read, const TemplateKey *key, const char *value) {
        Spec *spec = read->template->spec;
        uint32_t uid = APP_ID, gid = APP_ID;
        const char *end = "";
        int r = 0;

        if (strcmp(value, "root") == 0)
                uid = gid = 0;
        else if (strcmp(value, "app") != 0) {
                r = parse_id(value, ':', &uid, &end);
                gid = uid;
                if (r >= 0 && *end == ':')
                        r = parse_id(end + 1, '\0', &gid, &end);
        }
        if (r < 0) {
                finding_add(read, "%s='%s' is not a user, expected 'app', 'root' or uid[:gid] from 0 to %u",
                            key->name, value, NOBODY_ID - 1);
                return;
        }
        spec->app_uid = uid;
        spec->app_gid = gid;
        g_free(spec->app_home);
        spec->app_home = g_strdup(uid == 0 ? "/root" : APP_HOME);
}

static size_t variable_name_size(const char *variable) {
        return strcspn(variable, "=");
}

static void read_environment(TemplateRead *read, const TemplateKey *key, const char *value) {
        g_auto(GStrv) words = read_words(read, key, value);

        if (!words)
                return;
        for (size_t i = 0; words[i]; i++) {
                size_t size = variable_name_size(words[i]);

                if (size == 0 || words[i][size] != '=') {
                        finding_add(read, "%s= has '%s' in it, expected NAME=value", key->name, words[i]);
                        return;
                }
                if (size > ENV_NAME_MAX || strlen(words[i]) - size - 1 > ENV_VALUE_MAX) {
                        finding_add(read, "%s= has a name above %u or a value above %u bytes", key->name,
                                    ENV_NAME_MAX, ENV_VALUE_MAX);
                        return;
                }
                for (size_t j = 0; j < i; j++)
                        if (size == variable_name_size(words[j]) && strncmp(words[i], words[j], size) == 0) {
                                finding_add(read, "%s= has the variable '%.*s' twice", key->name, (int) size,
                                            words[i]);
                                return;
                        }
        }
        read->has_environment = true;
        strv_take(&read->template->spec->template_environment, g_steal_pointer(&words));
}

static void read_halt_signal(TemplateRead *read, const TemplateKey *key, const char *value) {
        int halt_signal = parse_signal(value);

        if (halt_signal <= 0 || halt_signal == SIGSTOP || halt_signal == SIGCONT)
                finding_add(read,
                            "%s='%s' is not a signal that ends programs, expected a name like SIGTERM or "
                            "SIGRTMIN+3, or a number",
                            key->name, value);
        else
                read->template->spec->halt_signal = halt_signal;
}

static void read_timeout(TemplateRead *read, const TemplateKey *key, const char *value, uint64_t *ret_usec) {
        uint64_t usec;

        if (parse_seconds(value, &usec) < 0 || usec < TIMEOUT_MIN_USEC || usec > TIMEOUT_MAX_USEC)
                finding_add(read, "%s='%s' is not a time, expected seconds from 0.1 to 600", key->name,
                            value);
        else
                *ret_usec = usec;
}

static void read_stop_timeout(TemplateRead *read, const TemplateKey *key, const char *value) {
        read_timeout(read, key, value, &read->template->spec->stop_timeout_usec);
}

static void read_start_timeout(TemplateRead *read, const TemplateKey *key, const char *value) {
        read_timeout(read, key, value, &read->template->spec->start_timeout_usec);
}

static void read_memory(TemplateRead *read, const TemplateKey *key, const char *value) {
        if (strcmp(value, "infinity") == 0)
                read->template->spec->memory_max = 0;
        else
                (void) read_size(read, key, value, MEMORY_MIN, MEMORY_MAX, &read->template->spec->memory_max);
}

static void read_tasks(TemplateRead *read, const TemplateKey *key, const char *value) {
        const char *end = "";
        uint64_t tasks;

        if (strcmp(value, "infinity") == 0)
                read->template->spec->tasks_max = 0;
        else if (parse_number(value, TASKS_MAX, &tasks, &end) < 0 || *end || tasks == 0)
                finding_add(read, "%s='%s' is not a number of tasks, expected 1 to %" PRIu64 " or 'infinity'",
                            key->name, value, (uint64_t) TASKS_MAX);
        else
                read->template->spec->tasks_max = tasks;
}

static const TemplateKey template_keys[] = {
        { "Template", "Description", read_description, NULL },
        { "Rootfs", "Layers", read_layers, NULL },
        { "Rootfs", "Hide", read_hide, NULL },
        { "Rootfs", "Upper", read_upper, NULL },
        { "Rootfs", "UpperSize", read_upper_size, NULL },
        { "Rootfs", "Mount", read_fixed, "" },
        { "Rootfs", "Mkdir", read_mkdir, NULL },
        { "Namespaces", "User", read_fixed, "yes" },
        { "Namespaces", "Network", read_network, NULL },
        { "Namespaces", "MapHostRoot", read_map_host_root, NULL },
        { "Process", "User", read_user, NULL },
        { "Process", "Group", read_fixed, "" },
        { "Process", "Environment", read_environment, NULL },
        { "Process", "Command", read_fixed, "" },
        { "Process", "WorkingDirectory", read_fixed, "" },
        { "Process", "HaltSignal", read_halt_signal, NULL },
        { "Process", "StopTimeoutSec", read_stop_timeout, NULL },
        { "Process", "StartTimeoutSec", read_start_timeout, NULL },
        { "Limits", "Memory", read_memory, NULL },
        { "Limits", "Tasks", read_tasks, NULL },
        { "Security", "Seccomp", read_fixed, "default" },
        { "Security", "LinuxCapabilities", read_fixed, "" },
        { "Security", "Masked", read_fixed, "" },
        { "Security", "ReadOnly", read_fixed, "" },
        { "Pool", "Ready", read_fixed, "0" },
};

/*
 * Lines
 */

/* The table's own word for a section, or NULL. */
static const char *section_find(const char *name) {
        for (size_t i = 0; i < G_N_ELEMENTS(template_keys); i++)
                if (strcmp(template_keys[i].section, name) == 0)
                        return template_keys[i].section;
        return NULL;
}

/* "; did you mean '<nearest>'", or "". Caller frees. */
static char *suggest(const char *word, GPtrArray *words) {
        const char *nearest;

        g_ptr_array_add(words, NULL);
        nearest = json_nearest(word, (const char *const *) words->pdata);
        return nearest ? g_strdup_printf("; did you mean '%s'", nearest) : g_strdup("");
}

static const char *read_section(TemplateRead *read, char *line) {
        g_autoptr(GPtrArray) names = g_ptr_array_new();
        g_autofree char *suggestion = NULL;
        size_t size = strlen(line);
        const char *section;

        if (line[size - 1] != ']') {
                finding_add(read, "Section '%s' has no ']' at its end", line);
                return NULL;
        }
        line[size - 1] = '\0';
        section = section_find(line + 1);
        if (section)
                return section;
        for (size_t i = 0; i < G_N_ELEMENTS(template_keys); i++)
                g_ptr_array_add(names, (char *) template_keys[i].section);
        suggestion = suggest(line + 1, names);
        finding_add(read,
                    "Unknown section [%s]%s, expected one of: Template, Rootfs, Namespaces, Process, Limits, "
                    "Security, Pool",
                    line + 1, suggestion);
        return NULL;
}

static void unknown_key(TemplateRead *read, const char *section, const char *name) {
        g_autoptr(GPtrArray) names = g_ptr_array_new();
        g_autofree char *suggestion = NULL;

        for (size_t i = 0; i < G_N_ELEMENTS(template_keys); i++) {
                if (strcmp(template_keys[i].section, section) == 0)
                        g_ptr_array_add(names, (char *) template_keys[i].name);
                else if (strcmp(template_keys[i].name, name) == 0) {
                        finding_add(read, "Unknown key %s= in [%s], expected it in [%s]", name, section,
                                    template_keys[i].section);
                        return;
                }
        }
        suggestion = suggest(name, names);
        finding_add(read, "Unknown key %s= in [%s]%s", name, section, suggestion);
}

static void read_key(TemplateRead *read, const char *section, char *line, unsigned *seen) {
        char *value = strchr(line, '=');
        unsigned value_column;

        if (!value) {
                finding_add(read, "'%s' is not understood, expected [Section], Key=value or # comment", line);
                return;
        }
        *value++ = '\0';
        while (g_ascii_isspace(*value))
                value++;
        value_column = read->column + (unsigned) g_utf8_pointer_to_offset(line, value);
        g_strchomp(line);
        g_strchomp(value);
        for (size_t i = 0; i < G_N_ELEMENTS(template_keys); i++) {
                const TemplateKey *key = &template_keys[i];

                if (strcmp(key->section, section) != 0 || strcmp(key->name, line) != 0)
                        continue;
                if (seen[i] > 0)
                        finding_add(read, "%s= stands in line %u already, expected it once", line, seen[i]);
                else {
                        seen[i] = read->line;
                        read->column = value_column;
                        key->read(read, key, value);
                }
                return;
        }
        unknown_key(read, section, line);
}

static bool line_is_text(const char *line) {
        if (!g_utf8_validate(line, -1, NULL))
                return false;
        for (const char *p = line; *p; p = g_utf8_next_char(p))
                if (*p != '\t' && g_unichar_iscntrl(g_utf8_get_char(p)))
                        return false;
        return true;
}

static void read_lines(TemplateRead *read, const char *text) {
        g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
        unsigned seen[G_N_ELEMENTS(template_keys)] = { 0 }; /* the line in which a key stands */
        const char *section = NULL;
        bool is_skipped = false; /* an unknown section is one finding, not one for each of its keys */

        for (read->line = 1; lines[read->line - 1]; read->line++) {
                char *line = lines[read->line - 1];

                read->column = 1;
                if (!line_is_text(line)) {
                        finding_add(read, "The line is not UTF-8 text without control characters");
                        continue;
                }
                read->column = (unsigned) strspn(line, " \t") + 1;
                line += read->column - 1;
                g_strchomp(line);
                if (line[0] == '\0' || line[0] == '#')
                        continue;
                if (line[0] == '[') {
                        section = read_section(read, line);
                        is_skipped = !section;
                } else if (section)
                        read_key(read, section, line, seen);
                else if (!is_skipped)
                        finding_add(read, "'%s' stands before the first [Section]", line);
        }
}

/*
 * Templates
 */
static char **default_environment(const char *home) {
        const char *const variables[] = { "PATH=/usr/bin:/bin", home, "LANG=C.UTF-8", "TERM=linux", NULL };

        return g_strdupv((char **) variables);
}

static Template *template_new(const char *name) {
        static const char *const layers[] = { SPEC_LAYER_HOST_USR, NULL };
        static const char *const hide[] = { "/usr/share/bulkhead", "/usr/local/share/bulkhead", NULL };
        static const char *const folders[] = { "/gateways", NULL };
        Template *template = g_new0(Template, 1);
        Spec *spec = spec_new();

        g_atomic_ref_count_init(&template->n_refs);
        template->name = g_strdup(name);
        template->description = g_strdup(
                "The host's /usr, read-only; a small /etc; own /dev /tmp /run /home");
        template->spec = spec;
        strv_take(&spec->layers, g_strdupv((char **) layers));
        strv_take(&spec->hide, g_strdupv((char **) hide));
        strv_take(&spec->folders, g_strdupv((char **) folders));
        strv_take(&spec->template_environment, default_environment("HOME=" APP_HOME));
        spec->upper_size = 100 * 1024 * 1024ULL;
        spec->map_host_root = false;
        spec->app_uid = spec->app_gid = APP_ID;
        g_free(spec->app_home);
        spec->app_home = g_strdup(APP_HOME);
        spec->memory_max = 512 * 1024 * 1024ULL;
        spec->tasks_max = 256;
        spec->halt_signal = SIGTERM;
        spec->stop_timeout_usec = STOP_TIMEOUT_USEC;
        spec->start_timeout_usec = START_TIMEOUT_USEC;
        return template;
}

Template *template_new_default(void) {
        return template_new("default");
}

int template_parse(const char *name, const char *text, GPtrArray *findings, Template **ret) {
        g_autoptr(Template) template = template_new(name);
        TemplateRead read = { .template = template, .findings = findings, .has_upper = true };
        Spec *spec = template->spec;
        guint n_before = findings->len;

        *ret = NULL;
        if (strlen(text) > TEMPLATE_SIZE_MAX)
                finding_add(&read, "The file has more than %u bytes", TEMPLATE_SIZE_MAX);
        else
                read_lines(&read, text);
        if (findings->len > n_before)
                return -EBADMSG;

        if (!read.has_upper)
                spec->upper_size = 0;
        if (!read.has_environment) {
                g_autofree char *home = g_strconcat("HOME=", spec->app_home, NULL);

                strv_take(&spec->template_environment, default_environment(home));
        }
        *ret = g_steal_pointer(&template);
        return 0;
}

Template *template_ref(Template *template) {
        g_atomic_ref_count_inc(&template->n_refs);
        return template;
}

void template_unref(Template *template) {
        if (!template || !g_atomic_ref_count_dec(&template->n_refs))
                return;
        spec_free(template->spec);
        g_free(template->description);
        g_free(template->name);
        g_free(template);
}

const char *template_get_name(const Template *template) {
        return template->name;
}

const char *template_get_description(const Template *template) {
        return template->description;
}

void template_fill_spec(const Template *template, Spec *spec) {
        const Spec *from = template->spec;

        g_free(spec->template_name);
        spec->template_name = g_strdup(template->name);
        strv_take(&spec->layers, g_strdupv(from->layers));
        strv_take(&spec->hide, g_strdupv(from->hide));
        strv_take(&spec->folders, g_strdupv(from->folders));
        strv_take(&spec->template_environment, g_strdupv(from->template_environment));
        g_free(spec->app_home);
        spec->app_home = g_strdup(from->app_home);
        spec->upper_size = from->upper_size;
        spec->map_host_root = from->map_host_root;
        spec->app_uid = from->app_uid;
        spec->app_gid = from->app_gid;
        spec->memory_max = from->memory_max;
        spec->tasks_max = from->tasks_max;
        spec->halt_signal = from->halt_signal;
        spec->stop_timeout_usec = from->stop_timeout_usec;
        spec->start_timeout_usec = from->start_timeout_usec;
}
