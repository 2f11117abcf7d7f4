/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/plan.h"

#include <jansson.h>
#include <string.h>

#include "plan/plan-private.h"

/* A cell wider than this keeps its text, but does not push the other lines' columns away. */
#define COLUMN_WIDTH_MAX 48

/* Of a value quoted in a message: a conflict quotes two, and they still stand in one line of a log. */
#define EXCERPT_WIDTH_MAX 80

enum {
        COLUMN_KIND,
        COLUMN_KEY,
        COLUMN_VALUE,
        COLUMN_MODE,
        COLUMN_ORIGINS,
        _COLUMN_MAX,
};

/* ---- untrusted text ---- */

/* Length in bytes of the printable character at @at, or 0. */
static size_t printable_size(const char *at) {
        gunichar c = g_utf8_get_char_validated(at, -1);

        /* Negative values are errors; both are above every character. Line and paragraph separators print as
         * far as GLib is concerned. */
        if (c > 0x10ffff || !g_unichar_isprint(c) || c == 0x2028 || c == 0x2029)
                return 0;
        return (size_t) (g_utf8_next_char(at) - at);
}

char *plan_text_escape(const char *text) {
        GString *escaped = g_string_new(NULL);

        for (const char *at = text; *at;) {
                size_t n = printable_size(at);

                if (*at == '\\')
                        g_string_append(escaped, "\\\\");
                else if (n > 0)
                        g_string_append_len(escaped, at, (gssize) n);
                else
                        g_string_append_printf(escaped, "\\x%02x", (guchar) *at);
                at += MAX(n, 1);
        }
        return g_string_free(escaped, FALSE);
}

char *plan_text_excerpt(const char *text) {
        g_autofree char *escaped = plan_text_escape(text);
        g_autofree char *start = NULL;

        if (g_utf8_strlen(escaped, -1) <= EXCERPT_WIDTH_MAX)
                return g_steal_pointer(&escaped);
        start = g_utf8_substring(escaped, 0, EXCERPT_WIDTH_MAX);
        return g_strconcat(start, "...", NULL);
}

bool plan_text_is_clean(const char *text) {
        for (const char *at = text; *at;) {
                size_t n = printable_size(at);

                if (n == 0)
                        return false;
                at += n;
        }
        return true;
}

/* ---- for people ---- */

static char *format_origins(const PlanItem *item) {
        GString *text = g_string_new(NULL);

        for (guint i = 0; i < item->origins->len; i++) {
                g_autofree char *one = plan_origin_format(item->origins->pdata[i]);

                g_string_append_printf(text, "%s%s", i > 0 ? ", " : "", one);
        }
        return g_string_free(text, FALSE);
}

/* ---- for programs ---- */

json_t *plan_text_to_json(const char *text) {
        g_autofree char *valid = NULL;

        if (!text)
                return json_null();
        valid = g_utf8_make_valid(text, -1);
        return json_string(valid);
}

char *plan_print_text(const Plan *plan) {
        g_autoptr(GPtrArray) rows = g_ptr_array_new_with_free_func((GDestroyNotify) g_strfreev);
        GString *text = g_string_new(NULL);
        glong widths[_COLUMN_MAX] = { 0 };

        for (guint i = 0; i < plan_get_size(plan); i++) {
                const PlanItem *item = plan_get_item(plan, i);
                char **cells = g_new0(char *, _COLUMN_MAX + 1);
                PlanCells shown = { 0 };

                cells[COLUMN_KIND] = g_strdup(plan_kind_to_string(item->kind));
                cells[COLUMN_KEY] = plan_text_escape(item->key);
                plan_item_ops(item)->print_text(item, &shown);
                cells[COLUMN_VALUE] = shown.value;
                cells[COLUMN_MODE] = shown.mode;
                cells[COLUMN_ORIGINS] = format_origins(item);
                g_ptr_array_add(rows, cells);
                for (int c = 0; c < _COLUMN_MAX; c++) {
                        glong width = g_utf8_strlen(cells[c], -1);

                        if (width <= COLUMN_WIDTH_MAX)
                                widths[c] = MAX(widths[c], width);
                }
        }
        for (guint i = 0; i < rows->len; i++) {
                char **cells = rows->pdata[i];

                for (int c = 0; c < COLUMN_ORIGINS; c++) {
                        glong padding = widths[c] - g_utf8_strlen(cells[c], -1);

                        g_string_append_printf(text, "%s%*s", cells[c], (int) MAX(padding, 0) + 2, "");
                }
                g_string_append_printf(text, "%s\n", cells[COLUMN_ORIGINS]);
        }
        return g_string_free(text, FALSE);
}

void plan_item_format(const PlanItem *item, char **ret_value, char **ret_mode) {
        PlanCells shown = { 0 };

        plan_item_ops(item)->print_text(item, &shown);
        *ret_value = shown.value;
        *ret_mode = shown.mode;
}

static json_t *origins_to_json(const PlanItem *item) {
        json_t *array = json_array();

        for (guint i = 0; i < item->origins->len; i++) {
                const PlanOrigin *origin = item->origins->pdata[i];
                json_t *object = json_object();

                json_object_set_new(object, "capability", plan_text_to_json(origin->capability));
                json_object_set_new(object, "file", plan_text_to_json(origin->file));
                json_object_set_new(object, "line", json_integer(origin->line));
                json_object_set_new(object, "column", json_integer(origin->column));
                json_array_append_new(array, object);
        }
        return array;
}

char *plan_print_json(const Plan *plan) {
        json_t *array = json_array();
        char *dumped, *text;

        for (guint i = 0; i < plan_get_size(plan); i++) {
                const PlanItem *item = plan_get_item(plan, i);
                json_t *object = json_object();

                json_object_set_new(object, "kind", json_string(plan_kind_to_string(item->kind)));
                json_object_set_new(object, "key", plan_text_to_json(item->key));
                plan_item_ops(item)->print_json(item, object);
                json_object_set_new(object, "origins", origins_to_json(item));
                json_array_append_new(array, object);
        }
        dumped = json_dumps(array, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
        json_decref(array);
        /* jansson's memory comes from malloc(3); the caller's g_free() may only see GLib's. */
        text = g_strdup(dumped);
        free(dumped);
        return text;
}
