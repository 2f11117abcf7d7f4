/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Template files
 *
 * Sections, keys and values as in other ini files, with three differences that keep them strict: a comment is
 * a whole line that begins with '#' (a '#' behind a value belongs to the value), a key stands at most once,
 * and lists are separated by spaces, with double quotes around what has spaces in it (inside them \" and \\).
 * GKeyFile is not used since it keeps no line numbers.
 */
#include "capabilities/template-private.h"

#include <signal.h>
#include <string.h>

#include "util/json.h"
#include "util/limits.h"

static void template_finding_free(void *userdata) {
        TemplateFinding *finding = userdata;

        g_free(finding->text);
        g_free(finding);
}

GPtrArray *template_findings_new(void) {
        return g_ptr_array_new_with_free_func(template_finding_free);
}

void template_finding_add(TemplateRead *read, const char *format, ...) {
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
 * Lines
 */

/* The table's own word for a section, or NULL. */
static const char *section_find(const char *name) {
        for (size_t i = 0; i < template_n_keys; i++)
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
                template_finding_add(read, "Section '%s' has no ']' at its end", line);
                return NULL;
        }
        line[size - 1] = '\0';
        section = section_find(line + 1);
        if (section)
                return section;
        for (size_t i = 0; i < template_n_keys; i++)
                g_ptr_array_add(names, (char *) template_keys[i].section);
        suggestion = suggest(line + 1, names);
        template_finding_add(
                read,
                "Unknown section [%s]%s, expected one of: Template, Rootfs, Namespaces, Process, Limits, "
                "Security, Pool",
                line + 1, suggestion);
        return NULL;
}

static void unknown_key(TemplateRead *read, const char *section, const char *name) {
        g_autoptr(GPtrArray) names = g_ptr_array_new();
        g_autofree char *suggestion = NULL;

        for (size_t i = 0; i < template_n_keys; i++) {
                if (strcmp(template_keys[i].section, section) == 0)
                        g_ptr_array_add(names, (char *) template_keys[i].name);
                else if (strcmp(template_keys[i].name, name) == 0) {
                        template_finding_add(read, "Unknown key %s= in [%s], expected it in [%s]", name,
                                             section, template_keys[i].section);
                        return;
                }
        }
        suggestion = suggest(name, names);
        template_finding_add(read, "Unknown key %s= in [%s]%s", name, section, suggestion);
}

static void read_key(TemplateRead *read, const char *section, char *line, unsigned *seen) {
        char *value = strchr(line, '=');
        unsigned value_column;

        if (!value) {
                template_finding_add(
                        read, "'%s' is not understood, expected [Section], Key=value or # comment", line);
                return;
        }
        *value++ = '\0';
        while (g_ascii_isspace(*value))
                value++;
        value_column = read->column + (unsigned) g_utf8_pointer_to_offset(line, value);
        g_strchomp(line);
        g_strchomp(value);
        for (size_t i = 0; i < template_n_keys; i++) {
                const TemplateKey *key = &template_keys[i];

                if (strcmp(key->section, section) != 0 || strcmp(key->name, line) != 0)
                        continue;
                if (seen[i] > 0 && !key->repeats)
                        template_finding_add(read, "%s= stands in line %u already, expected it once", line,
                                             seen[i]);
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
        g_autofree unsigned *seen = g_new0(unsigned, template_n_keys); /* the line in which a key stands */
        const char *section = NULL;
        bool is_skipped = false; /* an unknown section is one finding, not one for each of its keys */

        for (read->line = 1; lines[read->line - 1]; read->line++) {
                char *line = lines[read->line - 1];

                read->column = 1;
                if (!line_is_text(line)) {
                        template_finding_add(read, "The line is not UTF-8 text without control characters");
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
                        template_finding_add(read, "'%s' stands before the first [Section]", line);
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
        template_strv_take(&spec->layers, g_strdupv((char **) layers));
        template_strv_take(&spec->hide, g_strdupv((char **) hide));
        template_strv_take(&spec->folders, g_strdupv((char **) folders));
        spec->seccomp = g_strdup("default");
        spec->mounts = g_new0(char *, 1);
        spec->masked = g_new0(char *, 1);
        spec->read_only = g_new0(char *, 1);
        spec->command = g_new0(char *, 1);
        template_strv_take(&spec->template_environment, default_environment("HOME=" TEMPLATE_APP_HOME));
        spec->upper_size = 100 * 1024 * 1024ULL;
        spec->map_host_root = false;
        spec->app_uid = spec->app_gid = TEMPLATE_APP_ID;
        g_free(spec->app_home);
        spec->app_home = g_strdup(TEMPLATE_APP_HOME);
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
        TemplateRead read = { .template = template, .findings = findings };
        Spec *spec = template->spec;
        guint n_before = findings->len;

        *ret = NULL;
        if (strlen(text) > TEMPLATE_SIZE_MAX)
                template_finding_add(&read, "The file has more than %u bytes", TEMPLATE_SIZE_MAX);
        else
                read_lines(&read, text);
        read.line = read.column = 0;
        if (template->ready > 0 && spec->upper == SPEC_UPPER_PERSISTENT)
                template_finding_add(&read,
                                     "Ready= keeps sandboxes waiting that have no name yet, expected 0 with "
                                     "Upper=persistent");
        if (findings->len > n_before)
                return -EBADMSG;

        if (read.has_group)
                spec->app_gid = read.group;
        if (!read.has_environment) {
                g_autofree char *home = g_strconcat("HOME=", spec->app_home, NULL);

                template_strv_take(&spec->template_environment, default_environment(home));
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
        g_clear_pointer(&template->filter, filter_unref);
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

static void string_take(char **to, char *from) {
        g_free(*to);
        *to = from;
}

unsigned template_get_ready(const Template *template) {
        return template->ready;
}

const char *template_get_filter_name(const Template *template, unsigned *ret_line, unsigned *ret_column) {
        *ret_line = template->filter_line;
        *ret_column = template->filter_column;
        return strcmp(template->spec->seccomp, "none") == 0 ? NULL : template->spec->seccomp;
}

void template_set_filter(Template *template, Filter *filter) {
        g_clear_pointer(&template->filter, filter_unref);
        template->filter = filter_ref(filter);
}

int template_fill_filters(const Template *template, Spec *spec, Error *error) {
        if (strcmp(template->spec->seccomp, "none") == 0)
                return 0;
        if (!template->filter)
                return error_setf(error, ERROR_UNSUPPORTED, "Template '%s' has no system call filter '%s'",
                                  template->name, template->spec->seccomp);
        return filter_fill_spec(template->filter, spec, error);
}

void template_fill_spec(const Template *template, Spec *spec) {
        const Spec *from = template->spec;

        string_take(&spec->template_name, g_strdup(template->name));
        template_strv_take(&spec->layers, g_strdupv(from->layers));
        template_strv_take(&spec->hide, g_strdupv(from->hide));
        template_strv_take(&spec->folders, g_strdupv(from->folders));
        template_strv_take(&spec->template_environment, g_strdupv(from->template_environment));
        template_strv_take(&spec->masked, g_strdupv(from->masked));
        template_strv_take(&spec->read_only, g_strdupv(from->read_only));
        template_strv_take(&spec->command, g_strdupv(from->command));
        string_take(&spec->app_home, g_strdup(from->app_home));
        string_take(&spec->seccomp, g_strdup(from->seccomp));
        string_take(&spec->working_directory, g_strdup(from->working_directory));
        spec->user_namespace = from->user_namespace;
        spec->network = from->network;
        spec->linux_capabilities = from->linux_capabilities;
        template_strv_take(&spec->mounts, g_strdupv(from->mounts));
        spec->upper = from->upper;
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
