/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* cmocka.h needs those before it */
#include <cmocka.h>

#include "plan/plan-private.h"
#include "plan/plan.h"
#include "util/limits.h"

static PlanOrigin maps = { .capability = (char *) "com.acme.maps", .file = (char *) "maps.json", .line = 12 };
static PlanOrigin radio = { .capability = (char *) "com.acme.radio",
                            .file = (char *) "radio.json",
                            .line = 7 };
static PlanOrigin bus = { .capability = (char *) "BindMount" };

static void test_tables(void **state G_GNUC_UNUSED) {
        for (int i = 0; i < _PLAN_KIND_MAX; i++) {
                assert_non_null(plan_kind_to_string((PlanKind) i));
                assert_int_equal(plan_kind_from_string(plan_kind_to_string((PlanKind) i)), i);
        }
        for (int i = 0; i < _PLAN_ENV_MODE_MAX; i++) {
                assert_non_null(plan_env_mode_to_string((PlanEnvMode) i));
                assert_int_equal(plan_env_mode_from_string(plan_env_mode_to_string((PlanEnvMode) i)), i);
        }
        assert_int_equal(plan_kind_from_string("device?"), _PLAN_KIND_INVALID);
        assert_int_equal(plan_env_mode_from_string(NULL), _PLAN_ENV_MODE_INVALID);
}

static const struct {
        const char *name, *path, *normal; /* NULL = refused */
} paths[] = {
        { "normal already", "/usr/lib", "/usr/lib" },
        { "the root", "/", "/" },
        { "only slashes", "////", "/" },
        { "only a dot", "/.", "/" },
        { "double slash", "/usr//lib", "/usr/lib" },
        { "slash at the end", "/usr/lib/", "/usr/lib" },
        { "dot inside", "/usr/./lib/.", "/usr/lib" },
        { "names that start with dots", "/.a/..b/...", "/.a/..b/..." },
        { "UTF-8", "/h\xc3\xa9", "/h\xc3\xa9" },
        { "empty", "", NULL },
        { "relative", "usr", NULL },
        { "dots at the end", "/usr/..", NULL },
        { "dots inside", "/usr/../lib", NULL },
        { "newline", "/a\nb", NULL },
        { "escape", "/a\033[31m", NULL },
        { "delete", "/a\177", NULL },
};

static void test_normalize(void **state G_GNUC_UNUSED) {
        for (size_t i = 0; i < G_N_ELEMENTS(paths); i++) {
                g_auto(Error) error = ERROR_NULL;
                g_autofree char *normal = NULL;
                int r = plan_path_normalize(paths[i].path, &normal, &error);

                if ((r == 0) != (paths[i].normal != NULL) || g_strcmp0(normal, paths[i].normal) != 0)
                        fail_msg("%s: %d '%s'", paths[i].name, r, normal);
                assert_int_equal(error.message != NULL, r < 0);
                if (r < 0) {
                        assert_int_equal(error.code, ERROR_INVALID_ARGS);
                        assert_true(plan_text_is_clean(error.message));
                }
        }
}

static void test_normalize_long(void **state G_GNUC_UNUSED) {
        g_autofree char *name = g_strnfill(PATH_SIZE_MAX, 'a');
        g_autofree char *normal = NULL;
        g_auto(Error) error = ERROR_NULL;

        name[0] = '/';
        assert_true(plan_path_normalize(name, &normal, &error) < 0);
        assert_int_equal(error.code, ERROR_INVALID_ARGS);
        name[PATH_SIZE_MAX - 1] = '\0';
        assert_int_equal(plan_path_normalize(name, &normal, NULL), 0);
        assert_string_equal(normal, name);
}

/* ---- binds ---- */

static const struct {
        const char *name, *source, *target;
        unsigned flags;
} bad_binds[] = {
        { "the root", "/a", "/", 0 },
        { "/proc", "/a", "/proc", 0 },
        { "below /proc", "/a", "/proc/sys", 0 },
        { "/sys", "/a", "/sys", 0 },
        { "below /sys", "/a", "/sys/fs/cgroup", 0 },
        { "/dev itself", "/a", "/dev", 0 },
        { "relative source", "a", "/b", 0 },
        { "relative target", "/a", "b", 0 },
        { "empty source", "", "/b", 0 },
        { "empty component", "/a", "/b//c", 0 },
        { "dot left", "/a/./b", "/b", 0 },
        { "slash at the end", "/a", "/b/", 0 },
        { "dots", "/a", "/b/../c", 0 },
        { "dots to /proc", "/a", "/x/../proc", 0 },
        { "unknown flag", "/a", "/b", 8 },
        { "all flags", "/a", "/b", ~0u },
};

static void test_bad_binds(void **state G_GNUC_UNUSED) {
        for (size_t i = 0; i < G_N_ELEMENTS(bad_binds); i++) {
                g_autoptr(Plan) plan = plan_new();
                g_auto(Error) error = ERROR_NULL;

                if (plan_add_bind(plan, &maps, bad_binds[i].source, bad_binds[i].target,
                                  (PlanBindFlags) bad_binds[i].flags, &error) >= 0)
                        fail_msg("%s: not refused", bad_binds[i].name);
                assert_int_equal(error.code, ERROR_INVALID_ARGS);
                assert_string_equal(error.file, "maps.json");
                assert_int_equal(error.line, 12);
                assert_int_equal(plan_get_size(plan), 0);
        }
}

static void test_good_targets(void **state G_GNUC_UNUSED) {
        static const char *const targets[] = {
                "/dev/snd", "/process", "/system", "/device", "/a", "/a/proc"
        };
        g_autoptr(Plan) plan = plan_new();

        for (size_t i = 0; i < G_N_ELEMENTS(targets); i++)
                assert_int_equal(plan_add_bind(plan, &maps, "/x", targets[i], 0, NULL), 0);
        assert_int_equal(plan_get_size(plan), G_N_ELEMENTS(targets));
}

enum {
        W = PLAN_BIND_WRITABLE,
        O = PLAN_BIND_OPTIONAL,
        R = PLAN_BIND_RECURSIVE,
};

static const struct {
        const char *name;
        int first, second, both;
} bind_merges[] = {
        { "nothing", 0, 0, 0 },
        { "writable wins, first", W, 0, W },
        { "writable wins, second", 0, W, W },
        { "recursive wins, first", R, 0, R },
        { "recursive wins, second", 0, R, R },
        { "optional, first only", O, 0, 0 },
        { "optional, second only", 0, O, 0 },
        { "optional, both", O, O, O },
        { "all", W | O, O | R, W | O | R },
};

static void test_bind_merges(void **state G_GNUC_UNUSED) {
        for (size_t i = 0; i < G_N_ELEMENTS(bind_merges); i++) {
                g_autoptr(Plan) plan = plan_new();
                const PlanItem *item;

                assert_int_equal(
                        plan_add_bind(plan, &maps, "/s", "/t", (PlanBindFlags) bind_merges[i].first, NULL),
                        0);
                assert_int_equal(
                        plan_add_bind(plan, &radio, "/s", "/t", (PlanBindFlags) bind_merges[i].second, NULL),
                        0);
                assert_int_equal(plan_get_size(plan), 1);
                item = plan_find_item(plan, PLAN_BIND, "/t");
                if ((int) item->bind.flags != bind_merges[i].both)
                        fail_msg("%s: %d", bind_merges[i].name, (int) item->bind.flags);
                assert_int_equal(item->origins->len, 2);
                assert_string_equal(((PlanOrigin *) item->origins->pdata[0])->capability, "com.acme.maps");
                assert_string_equal(((PlanOrigin *) item->origins->pdata[1])->capability, "com.acme.radio");
        }
}

static void test_bind_conflict(void **state G_GNUC_UNUSED) {
        g_autoptr(Plan) plan = plan_new();
        g_auto(Error) error = ERROR_NULL;
        const PlanItem *item;
        int r;

        assert_int_equal(plan_add_bind(plan, &maps, "/s", "/t", 0, NULL), 0);
        r = plan_add_bind(plan, &radio, "/other", "/t", PLAN_BIND_WRITABLE, &error);
        assert_int_equal(r, error_get_errno(&error));
        assert_true(r < 0);
        assert_int_equal(error.code, ERROR_CONFLICTING_CAPABILITIES);
        assert_string_equal(
                error.message,
                "Target '/t' is asked for with source '/s' by com.acme.maps (maps.json:12) and with "
                "source '/other' by com.acme.radio (radio.json:7)");
        assert_string_equal(error.file, "radio.json");
        assert_int_equal(error.line, 7);
        item = plan_find_item(plan, PLAN_BIND, "/t");
        assert_string_equal(item->bind.source, "/s");
        assert_int_equal(item->bind.flags, 0);
        assert_int_equal(item->origins->len, 1);
}

static void test_origins_are_unique(void **state G_GNUC_UNUSED) {
        g_autoptr(Plan) plan = plan_new();
        PlanOrigin later = maps;

        later.line++;
        for (int i = 0; i < 3; i++)
                assert_int_equal(plan_add_bind(plan, &maps, "/s", "/t", 0, NULL), 0);
        assert_int_equal(plan_find_item(plan, PLAN_BIND, "/t")->origins->len, 1);
        assert_int_equal(plan_add_bind(plan, &later, "/s", "/t", 0, NULL), 0);
        assert_int_equal(plan_add_bind(plan, &bus, "/s", "/t", 0, NULL), 0);
        assert_int_equal(plan_find_item(plan, PLAN_BIND, "/t")->origins->len, 3);
}

static void test_bad_origins(void **state G_GNUC_UNUSED) {
        g_autofree char *capability = g_strnfill(CAPABILITY_NAME_MAX + 1, 'c');
        g_autofree char *file = g_strnfill(PATH_SIZE_MAX, 'f');
        const PlanOrigin origins[] = {
                { .capability = NULL },
                { .capability = (char *) "" },
                { .capability = capability },
                { .capability = (char *) "a", .file = file },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(origins); i++) {
                g_autoptr(Plan) plan = plan_new();
                g_auto(Error) error = ERROR_NULL;

                assert_true(plan_add_bind(plan, origins + i, "/s", "/t", 0, &error) < 0);
                assert_int_equal(error.code, ERROR_INVALID_ARGS);
                assert_true(plan_add_env(plan, origins + i, "A", "a", PLAN_ENV_SET, NULL, NULL) < 0);
                assert_int_equal(plan_get_size(plan), 0);
        }
}

static void test_too_many_origins(void **state G_GNUC_UNUSED) {
        g_autoptr(Plan) plan = plan_new();
        g_auto(Error) error = ERROR_NULL;
        PlanOrigin origin = maps;

        for (origin.line = 1; origin.line <= PLAN_ORIGINS_MAX; origin.line++)
                assert_int_equal(plan_add_bind(plan, &origin, "/s", "/t", 0, NULL), 0);
        assert_true(plan_add_bind(plan, &origin, "/s", "/t", PLAN_BIND_WRITABLE, &error) < 0);
        assert_int_equal(error.code, ERROR_LIMIT_REACHED);
        assert_int_equal(plan_find_item(plan, PLAN_BIND, "/t")->origins->len, PLAN_ORIGINS_MAX);
        assert_int_equal(plan_find_item(plan, PLAN_BIND, "/t")->bind.flags, 0);
        /* who has asked already may ask again */
        assert_int_equal(plan_add_bind(plan, &maps, "/s", "/t", 0, NULL), 0);
}

static void test_too_many_items(void **state G_GNUC_UNUSED) {
        g_autoptr(Plan) plan = plan_new();
        g_auto(Error) error = ERROR_NULL;

        for (int i = 0; i < PLAN_ITEMS_MAX; i++) {
                g_autofree char *target = g_strdup_printf("/t/%d", i);

                assert_int_equal(plan_add_bind(plan, &maps, "/s", target, 0, NULL), 0);
        }
        assert_true(plan_add_env(plan, &maps, "A", "a", PLAN_ENV_SET, NULL, &error) < 0);
        assert_int_equal(error.code, ERROR_LIMIT_REACHED);
        assert_int_equal(plan_get_size(plan), PLAN_ITEMS_MAX);
        assert_int_equal(plan_add_bind(plan, &radio, "/s", "/t/0", 0, NULL), 0);
}

/* ---- environment ---- */

enum {
        DEF = PLAN_ENV_DEFAULT,
        SET = PLAN_ENV_SET,
        APP = PLAN_ENV_APPEND,
        PRE = PLAN_ENV_PREPEND,
        END = -1,
};

static const struct {
        const char *name;
        struct {
                int mode;
                const char *value;
        } adds[4];
        const char *result; /* NULL = the last add conflicts */
        int mode;
        guint n_origins; /* each add has its own */
} env_cases[] = {
        { "default alone", { { DEF, "a" }, { END } }, "a", DEF, 1 },
        { "default keeps default", { { DEF, "a" }, { DEF, "b" }, { END } }, "a", DEF, 1 },
        { "default twice", { { DEF, "a" }, { DEF, "a" }, { END } }, "a", DEF, 2 },
        { "default keeps set", { { SET, "a" }, { DEF, "b" }, { END } }, "a", SET, 1 },
        { "default keeps appended", { { APP, "a" }, { DEF, "b" }, { END } }, "a", APP, 1 },
        { "set replaces default", { { DEF, "a" }, { SET, "b" }, { END } }, "b", SET, 1 },
        { "set confirms default", { { DEF, "a" }, { SET, "a" }, { END } }, "a", SET, 2 },
        { "set after both", { { DEF, "a" }, { SET, "b" }, { SET, "b" }, { END } }, "b", SET, 2 },
        { "set twice", { { SET, "a" }, { SET, "a" }, { END } }, "a", SET, 2 },
        { "set against set", { { SET, "a" }, { SET, "b" }, { END } }, NULL, SET, 1 },
        { "set against confirmed default",
          { { DEF, "a" }, { SET, "a" }, { SET, "b" }, { END } },
          NULL,
          SET,
          2 },
        { "set against appended", { { APP, "a" }, { SET, "b" }, { END } }, NULL, APP, 1 },
        { "set against prepended", { { PRE, "a" }, { SET, "b" }, { END } }, NULL, PRE, 1 },
        { "set against set and appended",
          { { SET, "a" }, { APP, "b" }, { SET, "a" }, { END } },
          NULL,
          APP,
          2 },
        { "set equals appended", { { SET, "a" }, { APP, "b" }, { SET, "a:b" }, { END } }, "a:b", SET, 3 },
        { "append alone", { { APP, "a" }, { END } }, "a", APP, 1 },
        { "prepend alone", { { PRE, "a" }, { END } }, "a", PRE, 1 },
        { "append to default", { { DEF, "a" }, { APP, "b" }, { END } }, "a:b", APP, 2 },
        { "append to set", { { SET, "a" }, { APP, "b" }, { END } }, "a:b", APP, 2 },
        { "append to prepended", { { PRE, "a" }, { PRE, "b" }, { APP, "c" }, { END } }, "b:a:c", APP, 3 },
        { "prepend to set", { { SET, "a" }, { PRE, "b" }, { END } }, "b:a", PRE, 2 },
        { "an empty value is one", { { SET, "" }, { DEF, "a" }, { APP, "b" }, { END } }, ":b", APP, 2 },
};

static void assert_env_case(size_t i) {
        g_autoptr(Plan) plan = plan_new();
        g_auto(Error) error = ERROR_NULL;
        g_autofree char *before = NULL;
        const PlanItem *item;
        PlanOrigin origin = maps;
        int r = 0;

        for (int j = 0; j < 4 && env_cases[i].adds[j].mode != END; j++) {
                origin.line = 100 + (unsigned) j;
                assert_int_equal(r, 0);
                g_free(before);
                item = plan_find_item(plan, PLAN_ENV, "PATH");
                before = item ? g_strdup(item->env.value) : NULL;
                r = plan_add_env(plan, &origin, "PATH", env_cases[i].adds[j].value,
                                 (PlanEnvMode) env_cases[i].adds[j].mode, ":", &error);
        }
        item = plan_find_item(plan, PLAN_ENV, "PATH");
        assert_int_equal(item->env.mode, env_cases[i].mode);
        assert_int_equal(item->origins->len, env_cases[i].n_origins);
        assert_int_equal(plan_get_size(plan), 1);
        if (env_cases[i].result) {
                assert_int_equal(r, 0);
                assert_string_equal(item->env.value, env_cases[i].result);
                return;
        }
        assert_true(r < 0);
        assert_int_equal(error.code, ERROR_CONFLICTING_CAPABILITIES);
        assert_string_equal(item->env.value, before);
        assert_non_null(strstr(error.message, "com.acme.maps (maps.json:100)"));
        assert_int_equal(error.line, origin.line);
        assert_string_equal(error.file, "maps.json");
}

static void test_env(void **state G_GNUC_UNUSED) {
        for (size_t i = 0; i < G_N_ELEMENTS(env_cases); i++) {
                print_message("%s\n", env_cases[i].name);
                assert_env_case(i);
        }
}

static void test_env_conflict_names_both(void **state G_GNUC_UNUSED) {
        g_autofree char *value = g_strnfill(ENV_VALUE_MAX, 'v');
        g_autoptr(Plan) plan = plan_new();
        g_auto(Error) error = ERROR_NULL;

        assert_int_equal(plan_add_env(plan, &maps, "A", "x\n", PLAN_ENV_SET, NULL, NULL), 0);
        assert_true(plan_add_env(plan, &bus, "A", value, PLAN_ENV_SET, NULL, &error) < 0);
        assert_int_equal(error.code, ERROR_CONFLICTING_CAPABILITIES);
        assert_true(g_str_has_prefix(error.message, "Variable 'A' is set to 'x\\x0a' by com.acme.maps "
                                                    "(maps.json:12) and to 'vvvv"));
        assert_true(g_str_has_suffix(error.message, "vvvv...' by BindMount"));
        assert_true(strlen(error.message) < 300);
        assert_null(error.file);
}

static void test_separator(void **state G_GNUC_UNUSED) {
        g_autoptr(Plan) plan = plan_new();

        assert_int_equal(plan_add_env(plan, &maps, "A", "a", PLAN_ENV_APPEND, ", ", NULL), 0);
        assert_int_equal(plan_add_env(plan, &maps, "A", "b", PLAN_ENV_APPEND, ", ", NULL), 0);
        assert_int_equal(plan_add_env(plan, &maps, "A", "c", PLAN_ENV_PREPEND, NULL, NULL), 0);
        assert_string_equal(plan_find_item(plan, PLAN_ENV, "A")->env.value, "ca, b");
}

static void test_bad_env(void **state G_GNUC_UNUSED) {
        g_autofree char *name = g_strnfill(ENV_NAME_MAX + 1, 'n');
        g_autofree char *value = g_strnfill(ENV_VALUE_MAX + 1, 'v');
        const struct {
                const char *name, *value;
                int mode;
                ErrorCode code;
        } cases[] = {
                { "", "a", SET, ERROR_INVALID_ARGS },     { "A=B", "a", SET, ERROR_INVALID_ARGS },
                { "=", "a", SET, ERROR_INVALID_ARGS },    { name, "a", SET, ERROR_INVALID_ARGS },
                { "A", value, SET, ERROR_LIMIT_REACHED }, { "A", "a", 4, ERROR_INVALID_ARGS },
                { "A", "a", -1, ERROR_INVALID_ARGS },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autoptr(Plan) plan = plan_new();
                g_auto(Error) error = ERROR_NULL;

                assert_true(plan_add_env(plan, &maps, cases[i].name, cases[i].value,
                                         (PlanEnvMode) cases[i].mode, NULL, &error) < 0);
                assert_int_equal(error.code, cases[i].code);
                assert_string_equal(error.file, "maps.json");
                assert_int_equal(plan_get_size(plan), 0);
        }
}

static void test_env_limits(void **state G_GNUC_UNUSED) {
        g_autofree char *name = g_strnfill(ENV_NAME_MAX, 'n');
        g_autofree char *value = g_strnfill(ENV_VALUE_MAX, 'v');
        g_autoptr(Plan) plan = plan_new();
        g_auto(Error) error = ERROR_NULL;

        assert_int_equal(plan_add_env(plan, &maps, name, value, PLAN_ENV_SET, NULL, NULL), 0);
        assert_true(plan_add_env(plan, &radio, name, "v", PLAN_ENV_APPEND, NULL, &error) < 0);
        assert_int_equal(error.code, ERROR_LIMIT_REACHED);
        assert_string_equal(plan_find_item(plan, PLAN_ENV, name)->env.value, value);
        assert_int_equal(plan_find_item(plan, PLAN_ENV, name)->origins->len, 1);
}

/* ---- the whole ---- */

static void test_order_and_find(void **state G_GNUC_UNUSED) {
        static const char *const targets[] = { "/b", "/a/b/c", "/a", "/a-b", "/a/b" };
        static const char *const sorted[] = { "/a", "/a-b", "/a/b", "/a/b/c", "/b" };
        g_autoptr(Plan) plan = plan_new();

        assert_int_equal(plan_add_env(plan, &maps, "/a", "x", PLAN_ENV_SET, NULL, NULL), 0);
        for (size_t i = 0; i < G_N_ELEMENTS(targets); i++)
                assert_int_equal(plan_add_bind(plan, &maps, "/s", targets[i], 0, NULL), 0);
        for (guint i = 0; i < G_N_ELEMENTS(sorted); i++) {
                assert_string_equal(plan_get_item(plan, i)->key, sorted[i]);
                assert_ptr_equal(plan_find_item(plan, PLAN_BIND, sorted[i]), plan_get_item(plan, i));
        }
        assert_int_equal(plan_get_item(plan, 5)->kind, PLAN_ENV);
        assert_ptr_equal(plan_find_item(plan, PLAN_ENV, "/a"), plan_get_item(plan, 5));
        assert_null(plan_find_item(plan, PLAN_BIND, "/a/"));
        assert_null(plan_find_item(plan, PLAN_ENV, "/b"));
}

static void test_copy_and_equal(void **state G_GNUC_UNUSED) {
        g_autoptr(Plan) plan = plan_new();
        g_autoptr(Plan) copy = NULL;
        g_autoptr(Plan) other = plan_new();

        assert_int_equal(plan_add_bind(plan, &maps, "/s", "/t", PLAN_BIND_OPTIONAL, NULL), 0);
        assert_int_equal(plan_add_bind(plan, &radio, "/s", "/t", PLAN_BIND_OPTIONAL, NULL), 0);
        assert_int_equal(plan_add_env(plan, &bus, "A", "a", PLAN_ENV_APPEND, NULL, NULL), 0);
        copy = plan_copy(plan);
        assert_int_equal(plan_get_size(copy), 2);
        for (guint i = 0; i < 2; i++)
                assert_true(plan_item_is_equal(plan_get_item(plan, i), plan_get_item(copy, i)));
        assert_int_equal(plan_get_item(copy, 0)->origins->len, 2);
        assert_int_equal(plan_get_item(copy, 1)->env.mode, PLAN_ENV_APPEND);

        /* in effect the same: other origins, other ways to the value */
        assert_int_equal(plan_add_env(other, &maps, "A", "a", PLAN_ENV_SET, NULL, NULL), 0);
        assert_true(plan_item_is_equal(plan_get_item(plan, 1), plan_get_item(other, 0)));
        assert_false(plan_item_is_equal(plan_get_item(plan, 0), plan_get_item(other, 0)));

        /* the copy is its own */
        assert_int_equal(plan_add_bind(copy, &bus, "/s", "/t", 0, NULL), 0);
        assert_false(plan_item_is_equal(plan_get_item(plan, 0), plan_get_item(copy, 0)));
        assert_int_equal(plan_get_item(plan, 0)->origins->len, 2);
        plan_free(NULL);
}

static void test_origin_format(void **state G_GNUC_UNUSED) {
        static const struct {
                PlanOrigin origin;
                const char *text;
        } cases[] = {
                { { (char *) "a.b", (char *) "x.json", 3, 9 }, "a.b (x.json:3)" },
                { { (char *) "a.b", (char *) "x.json", 0, 0 }, "a.b (x.json)" },
                { { (char *) "a.b", NULL, 3, 9 }, "a.b" },
                { { (char *) "a\nb", (char *) "\033x", 3, 9 }, "a\\x0ab (\\x1bx:3)" },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autofree char *text = plan_origin_format(&cases[i].origin);

                assert_string_equal(text, cases[i].text);
        }
        plan_origin_free(NULL);
}

static void test_blame(void **state G_GNUC_UNUSED) {
        g_autoptr(Plan) plan = plan_new();
        g_auto(Error) error = ERROR_NULL;

        assert_int_equal(plan_add_bind(plan, &maps, "/s", "/t", 0, NULL), 0);
        assert_int_equal(plan_item_blame(plan_get_item(plan, 0), -5, NULL), -5);
        assert_int_equal(plan_item_blame(plan_get_item(plan, 0), -5, &error), -5);
        assert_null(error.file); /* nothing is set that could have a place */
        error_setf(&error, ERROR_NOT_MOUNTABLE, "No");
        assert_int_equal(plan_item_blame(plan_get_item(plan, 0), -5, &error), -5);
        assert_string_equal(error.file, "maps.json");
        assert_int_equal(error.line, 12);
        error_set_place(&error, -5, "other.json", 1, 1, NULL);
        plan_item_blame(plan_get_item(plan, 0), -5, &error);
        assert_string_equal(error.file, "other.json");
}

static void test_environment_check(void **state G_GNUC_UNUSED) {
        g_autofree char *name = g_strdup_printf("%0*d=", ENV_NAME_MAX + 1, 0);
        g_autofree char *value = g_strdup_printf("A=%0*d", ENV_VALUE_MAX + 1, 0);
        g_autofree const char **many = g_new0(const char *, ENVIRONMENT_MAX + 2);
        const struct {
                const char *entry;
                bool good;
        } cases[] = {
                { "A=b", true },    { "A=", true }, { "A==", true }, { "=A", false },
                { "plain", false }, { "", false },  { name, false }, { value, false },
        };

        assert_int_equal(plan_environment_check(NULL, NULL), 0);
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                const char *environment[] = { "X=y", cases[i].entry, NULL };
                g_auto(Error) error = ERROR_NULL;
                int r = plan_environment_check((char *const *) environment, &error);

                if ((r == 0) != cases[i].good)
                        fail_msg("'%.20s': %d", cases[i].entry, r);
                assert_int_equal(error.message != NULL, !cases[i].good);
        }
        for (int i = 0; i < ENVIRONMENT_MAX; i++)
                many[i] = "A=b";
        assert_int_equal(plan_environment_check((char *const *) many, NULL), 0);
        many[ENVIRONMENT_MAX] = "A=b";
        assert_int_equal(plan_environment_check((char *const *) many, NULL),
                         error_setf(NULL, ERROR_LIMIT_REACHED, "many"));
}

/* What a caller of the bus shows: by descriptor, or by a path in the folder that its policy names. */
static void test_caller_binds(void **state G_GNUC_UNUSED) {
        static const struct {
                const char *name, *source;
                PlanCaller caller;
                int r;
        } cases[] = {
                { "a descriptor", "fd:7", { 1000, 1000, NULL }, 0 },
                { "a path in its folder", "/srv/media/a", { 1000, 1000, "/srv/media" }, 0 },
                { "the folder itself", "/srv/media", { 1000, 1000, "/srv/media" }, 0 },
                { "any folder", "/a", { 1000, 1000, "/" }, 0 },
                { "a path outside of it", "/srv/other", { 1000, 1000, "/srv/media" }, -EINVAL },
                { "a name that begins like it", "/srv/media2", { 1000, 1000, "/srv/media" }, -EINVAL },
                { "a descriptor in a folder", "fd:7", { 1000, 1000, "/srv" }, -EINVAL },
                { "no number", "fd:", { 1000, 1000, NULL }, -EINVAL },
                { "a negative number", "fd:-1", { 1000, 1000, NULL }, -EINVAL },
                { "user 0", "/a", { 0, 1000, NULL }, -EINVAL },
                { "group 0", "/a", { 1000, 0, NULL }, -EINVAL },
                { "no user", "/a", { UINT32_MAX, 1000, NULL }, -EINVAL },
        };
        PlanOrigin origin = { .capability = (char *) "BindMount" };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autoptr(Plan) plan = plan_new();
                g_auto(Error) error = ERROR_NULL;
                int r = plan_add_caller_bind(plan, &origin, &cases[i].caller, cases[i].source, "/t", 0, &error);

                if (r != cases[i].r)
                        fail_msg("%s: %d %s", cases[i].name, r, error.message ?: "");
                assert_int_equal(r < 0, error.message != NULL);
                assert_int_equal(plan_get_size(plan), r < 0 ? 0 : 1);
        }
}

/* The same source at the same target, but for somebody else, is another thing. */
static void test_caller_binds_conflict(void **state G_GNUC_UNUSED) {
        PlanOrigin origin = { .capability = (char *) "BindMount" };
        PlanCaller first = { 1000, 1000, NULL }, second = { 1001, 1001, NULL };
        g_autoptr(Plan) plan = plan_new(), copy = NULL;

        assert_int_equal(plan_add_caller_bind(plan, &origin, &first, "fd:1", "/t", 0, NULL), 0);
        assert_int_equal(plan_add_caller_bind(plan, &origin, &first, "fd:1", "/t", 0, NULL), 0);
        assert_true(plan_add_caller_bind(plan, &origin, &second, "fd:1", "/t", 0, NULL) < 0);
        assert_true(plan_add_caller_bind(plan, &origin, NULL, "fd:1", "/t", 0, NULL) < 0);
        copy = plan_copy(plan);
        assert_true(plan_item_is_equal(plan_get_item(plan, 0), plan_get_item(copy, 0)));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_tables),
                cmocka_unit_test(test_normalize),
                cmocka_unit_test(test_normalize_long),
                cmocka_unit_test(test_bad_binds),
                cmocka_unit_test(test_good_targets),
                cmocka_unit_test(test_bind_merges),
                cmocka_unit_test(test_bind_conflict),
                cmocka_unit_test(test_origins_are_unique),
                cmocka_unit_test(test_bad_origins),
                cmocka_unit_test(test_too_many_origins),
                cmocka_unit_test(test_too_many_items),
                cmocka_unit_test(test_env),
                cmocka_unit_test(test_env_conflict_names_both),
                cmocka_unit_test(test_separator),
                cmocka_unit_test(test_bad_env),
                cmocka_unit_test(test_env_limits),
                cmocka_unit_test(test_caller_binds),
                cmocka_unit_test(test_caller_binds_conflict),
                cmocka_unit_test(test_order_and_find),
                cmocka_unit_test(test_copy_and_equal),
                cmocka_unit_test(test_origin_format),
                cmocka_unit_test(test_blame),
                cmocka_unit_test(test_environment_check),
        };

        return cmocka_run_group_tests_name("plan", tests, NULL, NULL);
}
