/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * On real folders below a temporary root
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "capabilities/store.h"
#include "tests/unit/findings.h"
#include "util/cleanup.h"
#include "util/fs.h"
#include "util/limits.h"

#define USR "usr/share/bulkhead/"
#define ETC "etc/bulkhead/"
#define RUN "run/bulkhead/"

/* A manifest with one capability that sets one variable. */
#define SET(name, variable, value)                                                                           \
        "{'version': '1', 'capabilities': [{'name': '" name "', 'gateways': [\n"                             \
        "{'id': 'env', 'config': [{'name': '" variable "', 'value': '" value "'}]}]}]}"
#define BROKEN(name) "{'version': '1', 'capabilities': [\n{'name': '" name "', 'gateways': 5}]}"

typedef struct Fixture {
        char *root; /* owned; removed at the end */
        Places *places;
} Fixture;

static int fixture_init(void **state) {
        Fixture *fixture = g_new0(Fixture, 1);

        fixture->root = g_dir_make_tmp("bulkhead-store-XXXXXX", NULL);
        assert_non_null(fixture->root);
        assert_int_equal(places_new(fixture->root, &fixture->places, NULL), 0);
        *state = fixture;
        return 0;
}

static int fixture_done(void **state) {
        Fixture *fixture = *state;

        g_autofree char *folder = g_path_get_dirname(fixture->root),
                        *name = g_path_get_basename(fixture->root);
        autofd int folder_fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);

        assert_int_equal(fs_remove_recursive(folder_fd, name, NULL), 0);
        places_free(fixture->places);
        g_free(fixture->root);
        g_free(fixture);
        return 0;
}

static char *make_path(const Fixture *fixture, const char *name) {
        char *path = g_build_filename(fixture->root, name, NULL);
        g_autofree char *folder = g_path_get_dirname(path);

        assert_int_equal(g_mkdir_with_parents(folder, 0755), 0);
        return path;
}

/* Writes a file, ' as "; gives its path, which lives as long as the test's program. */
static const char *put(const Fixture *fixture, const char *name, const char *text) {
        g_autofree char *path = make_path(fixture, name), *quoted = quote_json(text);

        assert_true(g_file_set_contents(path, quoted, -1, NULL));
        assert_int_equal(chmod(path, 0644), 0);
        return g_intern_string(path);
}

static void put_link(const Fixture *fixture, const char *name, const char *target) {
        g_autofree char *path = make_path(fixture, name);

        (void) unlink(path);
        assert_int_equal(symlink(target, path), 0);
}

/* "[E] name-below-the-root:line:column path text\n" for each. */
static char *format_store_findings(const Fixture *fixture, const Store *store) {
        const GPtrArray *findings = store_get_findings(store);
        GString *text = g_string_new(NULL);

        for (guint i = 0; i < findings->len; i++) {
                const Finding *finding = g_ptr_array_index(findings, i);

                assert_true(g_str_has_prefix(finding->file, fixture->root));
                g_string_append_printf(text, "%s %s:%u:%u %s %s\n", finding->is_error ? "E" : "W",
                                       finding->file + strlen(fixture->root) + 1, finding->line,
                                       finding->column, finding->path, finding->text);
        }
        return g_string_free(text, FALSE);
}

static void assert_store_findings(const Fixture *fixture, const Store *store, const char *expected) {
        g_autofree char *found = format_store_findings(fixture, store);

        if (strcmp(found, expected) != 0)
                fail_msg("found\n%sexpected\n%s", found, expected);
}

/* The names of all capabilities, defaults with a '*'. */
static void assert_names(const Store *store, const char *expected) {
        const GPtrArray *capabilities = store_get_capabilities(store);
        g_autoptr(GString) names = g_string_new(NULL);

        for (guint i = 0; i < capabilities->len; i++)
                g_string_append_printf(names, "%s%s%s", i > 0 ? " " : "",
                                       capability_is_default(capabilities->pdata[i]) ? "*" : "",
                                       capability_get_name(capabilities->pdata[i]));
        assert_string_equal(names->str, expected);
}

/* The value that @variable gets from @names (separated by spaces), NULL if none. */
static char *plan_value(const Store *store, const char *names, const char *variable) {
        g_auto(GStrv) list = g_strsplit(names, " ", -1);
        g_autoptr(Plan) plan = NULL;
        g_auto(Error) error = ERROR_NULL;
        const PlanItem *item;

        if (store_plan(store, names[0] ? list : NULL, &plan, &error) < 0)
                fail_msg("Not planned: %s", error.message);
        item = plan_find_item(plan, PLAN_ENV, variable);
        return item ? g_strdup(item->env.value) : NULL;
}

static void assert_value(const Store *store, const char *names, const char *variable, const char *expected) {
        g_autofree char *value = plan_value(store, names, variable);

        if (g_strcmp0(value, expected) != 0)
                fail_msg("%s is '%s', expected '%s'", variable, value, expected);
}

static void test_nothing_there(void **state) {
        g_autoptr(Store) store = store_load(((Fixture *) *state)->places);

        assert_store_findings(*state, store, "");
        assert_names(store, "");
        assert_null(store_find_capability(store, "a"));
        assert_non_null(store_find_template(store, "default"));
        assert_null(store_find_template(store, "other"));
        assert_int_equal(strlen(store_get_hash(store)), 64);
}

static void test_levels(void **state) {
        g_autoptr(Store) store = NULL;

        put(*state, USR "manifests.d/only-usr.json", SET("a", "A", "usr"));
        put(*state, USR "manifests.d/both.json", SET("b", "B", "usr"));
        put(*state, USR "manifests.d/all.json", SET("c", "C", "usr"));
        put(*state, USR "manifests.d/masked.json", SET("d", "D", "usr"));
        put(*state, USR "manifests.d/masked-late.json", SET("e", "E", "usr"));
        put(*state, USR "manifests.d/unmasked.json", SET("f", "F", "usr"));
        put(*state, ETC "manifests.d/both.json", SET("b", "B", "etc"));
        put(*state, ETC "manifests.d/all.json", SET("c", "C", "etc"));
        put_link(*state, ETC "manifests.d/masked.json", "/dev/null");
        put_link(*state, RUN "manifests.d/masked-late.json", "/dev/null");
        put_link(*state, ETC "manifests.d/unmasked.json", "/dev/null");
        put(*state, RUN "manifests.d/unmasked.json", SET("f", "F", "run"));
        put(*state, RUN "manifests.d/all.json", SET("c2", "C", "run"));

        store = store_load(((Fixture *) *state)->places);
        assert_store_findings(*state, store, "");
        assert_names(store, "a b c2 f");
        assert_value(store, "a", "A", "usr");
        assert_value(store, "b", "B", "etc");
        assert_value(store, "c2", "C", "run");
        assert_value(store, "f", "F", "run");
}

static void test_other_names(void **state) {
        g_autoptr(Store) store = NULL;

        put(*state, ETC "manifests.d/.hidden.json", SET("a", "A", "1"));
        put(*state, ETC "manifests.d/a.json.bak", SET("b", "A", "1"));
        put(*state, ETC "manifests.d/README", "not JSON");
        put(*state, ETC "manifests.d/below/c.json", SET("c", "A", "1"));
        store = store_load(((Fixture *) *state)->places);
        assert_store_findings(*state, store, "");
        assert_names(store, "");
}

static void test_combined(void **state) {
        g_autoptr(Store) store = NULL;
        Capability *capability;

        put(*state, RUN "manifests.d/10.json",
            "{'version': '1', 'capabilities': [{'name': 'a', 'description': 'First', 'gateways': [\n"
            "{'id': 'env', 'config': [{'name': 'P', 'value': '1'}]}]}]}");
        put(*state, USR "manifests.d/20.json",
            "{'version': '1', 'capabilities': [{'name': 'a', 'description': 'Second', 'gateways': [\n"
            "{'id': 'env', 'config': [{'name': 'P', 'value': '2', 'mode': 'append', 'separator': ':'}]}]}]}");
        store = store_load(((Fixture *) *state)->places);
        assert_store_findings(*state, store, "");
        capability = store_find_capability(store, "a");
        assert_string_equal(capability_get_description(capability), "First");
        assert_true(g_str_has_suffix(capability_get_files(capability)[0], "/10.json"));
        assert_true(g_str_has_suffix(capability_get_files(capability)[1], "/20.json"));
        assert_value(store, "a", "P", "1:2");
}

static void test_defaults(void **state) {
        char *names[] = { (char *) "b", (char *) "a", (char *) "b", (char *) "d", NULL };
        g_autoptr(GPtrArray) resolved = NULL;
        g_autoptr(Store) store = NULL;

        put(*state, USR "manifests.default.d/z.json", SET("z", "Z", "default"));
        put(*state, USR "manifests.default.d/b.json", SET("b", "B", "default"));
        put(*state, USR "manifests.default.d/d.json", SET("d", "D", "default"));
        put(*state, USR "manifests.d/a.json", SET("a", "A", "1"));
        put(*state, USR "manifests.d/b.json", SET("b", "B2", "asked"));
        store = store_load(((Fixture *) *state)->places);
        assert_store_findings(*state, store, "");
        assert_names(store, "a *b b *d *z");
        assert_value(store, "", "Z", "default");
        assert_value(store, "", "B", "default");
        assert_value(store, "", "B2", NULL);
        assert_value(store, "b", "B2", "asked");

        assert_int_equal(store_resolve(store, names, &resolved, NULL), 0);
        assert_int_equal(resolved->len, 5);
        for (guint i = 0; i < 3; i++)
                assert_true(capability_is_default(resolved->pdata[i]));
        assert_string_equal(capability_get_name(resolved->pdata[0]), "b");
        assert_string_equal(capability_get_name(resolved->pdata[1]), "d");
        assert_string_equal(capability_get_name(resolved->pdata[2]), "z");
        assert_string_equal(capability_get_name(resolved->pdata[3]), "b");
        assert_false(capability_is_default(resolved->pdata[3]));
        assert_string_equal(capability_get_name(resolved->pdata[4]), "a");
}

static void assert_unknown(const Store *store, const char *name, const char *message, unsigned line) {
        char *names[] = { (char *) name, NULL };
        g_auto(Error) error = ERROR_NULL;
        g_autoptr(Plan) plan = NULL;

        assert_true(store_plan(store, names, &plan, &error) < 0);
        assert_null(plan);
        assert_int_equal(error.code, ERROR_UNKNOWN_CAPABILITY);
        assert_string_equal(error.message, message);
        assert_int_equal(error.line, line);
}

static void test_errors_take_out(void **state) {
        const char *broken = put(*state, ETC "manifests.d/10-broken.json", BROKEN("com.acme.bad"));
        g_autofree char *hint = NULL;
        g_autoptr(Store) store = NULL;

        /* another file that says something good of the same name does not bring it back */
        put(*state, ETC "manifests.d/20-more.json", SET("com.acme.bad", "A", "1"));
        put(*state, ETC "manifests.d/30-good.json", SET("com.acme.good", "B", "1"));
        put(*state, ETC "manifests.d/40-syntax.json", "{\n'version': 1,,}");
        put(*state, ETC "manifests.d/50-warning.json", "{'version': 1, 'capabilities': []}");
        store = store_load(((Fixture *) *state)->places);
        assert_store_findings(
                *state, store,
                "E etc/bulkhead/manifests.d/10-broken.json:2:38 /capabilities/0/gateways "
                "Expected an array, found an integer\n"
                "E etc/bulkhead/manifests.d/40-syntax.json:2:14  Not valid JSON: string or '}' expected "
                "near ','\n"
                "W etc/bulkhead/manifests.d/50-warning.json:1:13 /version "
                "Version 1 is written as a number, expected the string \"1\"\n");
        assert_names(store, "com.acme.good");
        assert_value(store, "com.acme.good", "B", "1");

        hint = g_strdup_printf("Unknown capability 'com.acme.bad': its manifest has errors (%s:2)", broken);
        assert_unknown(store, "com.acme.bad", hint, 2);
        assert_unknown(store, "com.acme.god",
                       "Unknown capability 'com.acme.god'; did you mean 'com.acme.good'", 0);
        assert_unknown(store, "x", "Unknown capability 'x'", 0);
        assert_unknown(store, "", "Unknown capability ''", 0);
}

static void test_contradiction(void **state) {
        g_autofree char *found = NULL;
        g_autoptr(Store) store = NULL;

        put(*state, ETC "manifests.d/10.json", SET("a", "A", "1"));
        put(*state, ETC "manifests.d/20.json", SET("a", "A", "2"));
        store = store_load(((Fixture *) *state)->places);
        found = format_store_findings(*state, store);
        assert_true(g_str_has_prefix(found, "E etc/bulkhead/manifests.d/"));
        assert_non_null(strstr(found, "10.json:2"));
        assert_non_null(strstr(found, "20.json:2"));
        assert_int_equal(store_get_findings(store)->len, 1);
        assert_names(store, "");
}

/* What others may write is not read, and still replaces what is below it. */
static void test_not_trusted(void **state) {
        const Fixture *fixture = *state;
        g_autoptr(Store) store = NULL;
        const char *path;

        put(fixture, USR "manifests.d/group.json", SET("a", "A", "usr"));
        path = put(fixture, ETC "manifests.d/group.json", SET("a", "A", "etc"));
        assert_int_equal(chmod(path, 0664), 0);
        path = put(fixture, ETC "manifests.d/other.json", SET("b", "A", "etc"));
        assert_int_equal(chmod(path, 0646), 0);
        path = put(fixture, ETC "manifests.d/root-only.json", SET("c", "A", "etc"));
        assert_int_equal(chmod(path, 0600), 0);
        store = store_load(fixture->places);
        assert_store_findings(
                fixture, store,
                "E etc/bulkhead/manifests.d/group.json:0:0  The file may be written by others than "
                "its owner, it is not read\n"
                "E etc/bulkhead/manifests.d/other.json:0:0  The file may be written by others than "
                "its owner, it is not read\n");
        assert_names(store, "c");
}

static void test_not_ours(void **state) {
        const Fixture *fixture = *state;
        g_autoptr(Store) store = NULL;
        const char *path;

        if (geteuid() != 0)
                skip();
        path = put(fixture, ETC "manifests.d/a.json", SET("a", "A", "etc"));
        assert_int_equal(chown(path, 1000, 0), 0);
        store = store_load(fixture->places);
        assert_store_findings(
                fixture, store,
                "E etc/bulkhead/manifests.d/a.json:0:0  The file does not belong to root, it is not "
                "read\n");
        assert_names(store, "");
}

static void test_folder_not_trusted(void **state) {
        const Fixture *fixture = *state;
        g_autofree char *folder = g_build_filename(fixture->root, ETC "manifests.d", NULL);
        g_autoptr(Store) store = NULL;

        put(fixture, USR "manifests.d/a.json", SET("a", "A", "usr"));
        put(fixture, USR "manifests.d/b.json", SET("b", "B", "usr"));
        put(fixture, ETC "manifests.d/a.json", SET("a", "A", "etc"));
        put(fixture, ETC "manifests.d/c.json", SET("c", "C", "etc"));
        assert_int_equal(chmod(folder, 0775), 0);
        store = store_load(fixture->places);
        assert_store_findings(
                fixture, store,
                "E etc/bulkhead/manifests.d:0:0  The folder may be written by others than its owner, "
                "nothing in it is read\n");
        assert_names(store, "b");
}

static void test_odd_files(void **state) {
        const Fixture *fixture = *state;
        g_autofree char *fifo = make_path(fixture, ETC "manifests.d/fifo.json");
        g_autofree char *large = g_strnfill(MANIFEST_SIZE_MAX + 1, ' ');
        g_autoptr(Store) store = NULL;

        assert_int_equal(mkfifo(fifo, 0644), 0);
        put(fixture, ETC "manifests.d/folder.json/x", "");
        put_link(fixture, ETC "manifests.d/dangling.json", "nowhere");
        put_link(fixture, ETC "manifests.d/loop.json", "loop.json");
        put(fixture, ETC "manifests.d/large.json", large);
        /* links are followed inside the root only */
        put(fixture, "opt/vendor/x.json", SET("x", "X", "1"));
        put_link(fixture, ETC "manifests.d/inside.json", "/opt/vendor/x.json");
        put_link(fixture, ETC "manifests.d/outside.json", "../../../../../../../../../etc/passwd");
        store = store_load(fixture->places);
        assert_store_findings(
                fixture, store,
                "E etc/bulkhead/manifests.d/dangling.json:0:0  Cannot open the file: No such file or "
                "directory\n"
                "E etc/bulkhead/manifests.d/fifo.json:0:0  Not a regular file, expected one or a link "
                "to /dev/null\n"
                "E etc/bulkhead/manifests.d/folder.json:0:0  Not a regular file, expected one or a link to "
                "/dev/null\n"
                "E etc/bulkhead/manifests.d/large.json:0:0  The file has more than 1048576 bytes, it is "
                "not read\n"
                "E etc/bulkhead/manifests.d/loop.json:0:0  Cannot open the file: Too many levels of "
                "symbolic links\n"
                "E etc/bulkhead/manifests.d/outside.json:0:0  Cannot open the file: No such file or "
                "directory\n");
        assert_names(store, "x");
}

static void test_templates(void **state) {
        const Fixture *fixture = *state;
        g_autoptr(Spec) spec = spec_new();
        g_autoptr(Store) store = NULL;

        put(fixture, USR "templates.d/small.conf", "[Limits]\nTasks=10\n");
        put(fixture, ETC "templates.d/small.conf", "[Limits]\nTasks=20\n");
        put(fixture, USR "templates.d/masked.conf", "[Limits]\nTasks=10\n");
        put_link(fixture, RUN "templates.d/masked.conf", "/dev/null");
        put(fixture, USR "templates.d/bad.conf", "[Limits]\nTasks=none\n");
        put(fixture, USR "templates.d/no name.conf", "[Limits]\nTasks=10\n");
        put(fixture, USR "templates.d/default.conf", "[Limits]\nTasks=30\n");
        store = store_load(fixture->places);
        assert_store_findings(
                fixture, store,
                "E usr/share/bulkhead/templates.d/bad.conf:2:7  Tasks='none' is not a number of tasks, "
                "expected 1 to 4194304 or 'infinity'\n"
                "E usr/share/bulkhead/templates.d/no name.conf:0:0  Invalid template name 'no name', "
                "expected letters, digits, '.', '_' and '-'\n");
        assert_null(store_find_template(store, "masked"));
        assert_null(store_find_template(store, "bad"));
        template_fill_spec(store_find_template(store, "small"), spec);
        assert_int_equal(spec->tasks_max, 20);
        template_fill_spec(store_find_template(store, "default"), spec);
        assert_int_equal(spec->tasks_max, 30);
        assert_string_equal(spec->template_name, "default");
}

/* A default.conf that cannot be used leaves the compiled-in one. */
static void test_template_default_bad(void **state) {
        g_autoptr(Spec) spec = spec_new();
        g_autoptr(Store) store = NULL;

        put(*state, ETC "templates.d/default.conf", "[Limits]\nTasks=0\n");
        store = store_load(((Fixture *) *state)->places);
        assert_int_equal(store_get_findings(store)->len, 1);
        template_fill_spec(store_find_template(store, "default"), spec);
        assert_int_equal(spec->tasks_max, 256);
}

static void test_filters(void **state) {
        const Fixture *fixture = *state;
        g_autoptr(Spec) spec = spec_new(), plain = spec_new(), none = spec_new();
        g_autoptr(Store) store = NULL;
        g_auto(Error) error = ERROR_NULL;

        put(fixture, USR "templates.d/debug.seccomp", "allow ptrace\n");
        put(fixture, ETC "templates.d/debug.seccomp", "allow ptrace mount\n");
        put(fixture, USR "templates.d/bad.seccomp", "allow everything\n");
        put(fixture, USR "templates.d/none.seccomp", "allow ptrace\n");
        put(fixture, USR "templates.d/a.conf", "[Security]\nSeccomp=debug\n");
        put(fixture, USR "templates.d/b.conf", "[Security]\nSeccomp=debgu\n");
        put(fixture, USR "templates.d/c.conf", "[Security]\nSeccomp=bad\n");
        put(fixture, USR "templates.d/d.conf", "[Security]\nSeccomp=none\n");
        store = store_load(fixture->places);
        assert_store_findings(
                fixture, store,
                "E usr/share/bulkhead/templates.d/b.conf:2:9  There is no system call filter 'debgu'; did you "
                "mean 'debug'\n"
                "E usr/share/bulkhead/templates.d/bad.seccomp:1:1  There is no system call 'everything'\n"
                "E usr/share/bulkhead/templates.d/c.conf:2:9  There is no system call filter 'bad'\n"
                "E usr/share/bulkhead/templates.d/none.seccomp:0:0  The name 'none' means that there is no filter\n");
        assert_null(store_find_template(store, "b"));
        assert_null(store_find_template(store, "c"));
        assert_int_equal(template_fill_filters(store_find_template(store, "a"), spec, &error), 0);
        assert_int_equal(template_fill_filters(store_find_template(store, "default"), plain, &error), 0);
        assert_int_equal(template_fill_filters(store_find_template(store, "d"), none, &error), 0);
        assert_true(spec->has_privileged_filter);
        assert_false(plain->has_privileged_filter);
        assert_false(g_bytes_equal(spec->filters[SPEC_FILTER_INIT], plain->filters[SPEC_FILTER_INIT]));
        for (size_t i = 0; i < _SPEC_FILTER_MAX; i++)
                assert_null(none->filters[i]);
}

/* What is wrong in the place of the default filter must not widen it to the compiled-in one. */
static void test_filter_default_bad(void **state) {
        g_autoptr(Spec) spec = spec_new();
        g_autoptr(Store) store = NULL;
        g_auto(Error) error = ERROR_NULL;

        put(*state, ETC "templates.d/default.seccomp", "refuse litsen\n");
        store = store_load(((Fixture *) *state)->places);
        assert_int_equal(store_get_findings(store)->len, 1);
        assert_true(template_fill_filters(store_find_template(store, "default"), spec, &error) < 0);
        assert_int_equal(error.code, ERROR_UNSUPPORTED);
        assert_string_equal(error.message, "Template 'default' has no system call filter 'default'");
}

static void test_hash(void **state) {
        const Fixture *fixture = *state;
        g_autoptr(Store) empty = store_load(fixture->places), one = NULL, touched = NULL, changed = NULL;
        g_autoptr(Store) renamed = NULL, back = NULL;
        g_autofree char *other = NULL;
        const char *path;

        path = put(fixture, ETC "manifests.d/a.json", SET("a", "A", "1"));
        one = store_load(fixture->places);
        put(fixture, ETC "manifests.d/a.json", SET("a", "A", "1"));
        touched = store_load(fixture->places);
        put(fixture, ETC "manifests.d/a.json", SET("a", "A", "2"));
        changed = store_load(fixture->places);
        put(fixture, ETC "manifests.d/a.json", SET("a", "A", "1"));
        other = make_path(fixture, ETC "manifests.d/b.json");
        assert_int_equal(rename(path, other), 0);
        renamed = store_load(fixture->places);
        assert_int_equal(rename(other, path), 0);
        back = store_load(fixture->places);

        assert_string_equal(store_get_hash(one), store_get_hash(touched));
        assert_string_equal(store_get_hash(one), store_get_hash(back));
        assert_string_not_equal(store_get_hash(one), store_get_hash(empty));
        assert_string_not_equal(store_get_hash(one), store_get_hash(changed));
        assert_string_not_equal(store_get_hash(one), store_get_hash(renamed));
}

static void test_request_limit(void **state) {
        g_autofree char **names = g_new0(char *, CAPABILITIES_MAX + 2);
        g_autoptr(GPtrArray) resolved = NULL;
        g_auto(Error) error = ERROR_NULL;
        g_autoptr(Store) store = NULL;

        put(*state, ETC "manifests.d/a.json", SET("a", "A", "1"));
        store = store_load(((Fixture *) *state)->places);
        for (size_t i = 0; i < CAPABILITIES_MAX; i++)
                names[i] = (char *) "a";
        assert_int_equal(store_resolve(store, names, &resolved, &error), 0);
        assert_int_equal(resolved->len, 1);
        g_clear_pointer(&resolved, g_ptr_array_unref);
        names[CAPABILITIES_MAX] = (char *) "a";
        assert_true(store_resolve(store, names, &resolved, &error) < 0);
        assert_int_equal(error.code, ERROR_LIMIT_REACHED);
        assert_null(resolved);
}

/* Two capabilities that cannot both hold: the request fails, and what was asked is named. */
static void test_plan_conflict(void **state) {
        char *names[] = { (char *) "a", (char *) "b", NULL };
        g_auto(Error) error = ERROR_NULL;
        g_autoptr(Store) store = NULL;
        g_autoptr(Plan) plan = NULL;

        put(*state, ETC "manifests.d/a.json", SET("a", "A", "1"));
        put(*state, ETC "manifests.d/b.json", SET("b", "A", "2"));
        store = store_load(((Fixture *) *state)->places);
        assert_names(store, "a b");
        assert_true(store_plan(store, names, &plan, &error) < 0);
        assert_int_equal(error.code, ERROR_CONFLICTING_CAPABILITIES);
        assert_int_equal(error.line, 2);
        assert_null(plan);
}

/* Capabilities outlive the store that made them, as sandboxes outlive a reload. */
static void test_references(void **state) {
        g_autoptr(GPtrArray) resolved = NULL;
        char *names[] = { (char *) "a", NULL };
        Store *store;

        put(*state, ETC "manifests.d/a.json", SET("a", "A", "1"));
        store = store_load(((Fixture *) *state)->places);
        assert_ptr_equal(store_ref(store), store);
        store_unref(store);
        assert_int_equal(store_resolve(store, names, &resolved, NULL), 0);
        store_unref(store);
        store_unref(NULL);
        assert_string_equal(capability_get_name(resolved->pdata[0]), "a");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_init, fixture_done)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_nothing_there),
                TEST(test_levels),
                TEST(test_other_names),
                TEST(test_combined),
                TEST(test_defaults),
                TEST(test_errors_take_out),
                TEST(test_contradiction),
                TEST(test_not_trusted),
                TEST(test_not_ours),
                TEST(test_folder_not_trusted),
                TEST(test_odd_files),
                TEST(test_templates),
                TEST(test_template_default_bad),
                TEST(test_filters),
                TEST(test_filter_default_bad),
                TEST(test_hash),
                TEST(test_request_limit),
                TEST(test_plan_conflict),
                TEST(test_references),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
