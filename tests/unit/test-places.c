/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "config.h"
#include "util/places.h"

/* A folder "real", a link "link" to it, a file "file". */
static int setup(void **state) {
        char *folder = g_strdup("/tmp/test-places-XXXXXX");
        g_autofree char *real = NULL, *link = NULL, *file = NULL;

        assert_non_null(mkdtemp(folder));
        real = g_build_filename(folder, "real", NULL);
        link = g_build_filename(folder, "link", NULL);
        file = g_build_filename(folder, "file", NULL);
        assert_int_equal(mkdir(real, 0755), 0);
        assert_int_equal(symlink("real", link), 0);
        assert_true(g_file_set_contents(file, "", -1, NULL));
        assert_int_equal(unsetenv("BULKHEAD_HELPERS"), 0);
        *state = folder;
        return 0;
}

static int teardown(void **state) {
        char *folder = *state;
        g_autofree char *real = g_build_filename(folder, "real", NULL);
        g_autofree char *link = g_build_filename(folder, "link", NULL);
        g_autofree char *file = g_build_filename(folder, "file", NULL);

        (void) unlink(link);
        (void) unlink(file);
        (void) rmdir(real);
        (void) rmdir(folder);
        g_free(folder);
        return 0;
}

static void test_system(void **state G_GNUC_UNUSED) {
        static const char *const roots[] = { NULL, "/", "//", "/tmp/.." };

        for (size_t i = 0; i < G_N_ELEMENTS(roots); i++) {
                g_autoptr(Places) places = NULL;

                assert_int_equal(places_new(roots[i], &places, NULL), 0);
                assert_string_equal(places->root, "/");
                assert_string_equal(places->instance, "");
                assert_string_equal(places->cgroup_parent, "bulkhead");
                assert_string_equal(places->config_file, BULKHEAD_ETC_DIR "/bulkhead.conf");
                assert_string_equal(places->config_folder, BULKHEAD_ETC_DIR "/bulkhead.conf.d");
                assert_string_equal(places->manifest_folders[0], BULKHEAD_SHARE_DIR "/manifests.d");
                assert_string_equal(places->manifest_folders[1], BULKHEAD_ETC_DIR "/manifests.d");
                assert_string_equal(places->manifest_folders[2], BULKHEAD_RUNTIME_DIR "/manifests.d");
                assert_null(places->manifest_folders[3]);
                assert_string_equal(places->default_folders[2], BULKHEAD_RUNTIME_DIR "/manifests.default.d");
                assert_null(places->default_folders[3]);
                assert_string_equal(places->template_folders[0], BULKHEAD_SHARE_DIR "/templates.d");
                assert_null(places->template_folders[3]);
                assert_string_equal(places->runtime_folder, BULKHEAD_RUNTIME_DIR);
                assert_string_equal(places->sandboxes_folder, BULKHEAD_RUNTIME_DIR "/sandboxes");
                assert_string_equal(places->state_folder, BULKHEAD_STATE_DIR);
                assert_string_equal(places->helper_folder, BULKHEAD_HELPER_DIR);
        }
}

static void assert_below(const char *root, const char *path) {
        assert_true(g_str_has_prefix(path, root));
        assert_int_equal(path[strlen(root)], '/');
}

/* However it is spelt, a root is one instance, and everything but the helpers is below it. */
static void test_other_root(void **state) {
        static const char *const spellings[] = { "real", "link", "real/", "./real/../link/." };
        const char *folder = *state;
        g_autofree char *canonical = realpath(folder, NULL);
        g_autofree char *real = g_build_filename(canonical, "real", NULL);
        g_autofree char *digest = g_compute_checksum_for_string(G_CHECKSUM_SHA256, real, -1);

        for (size_t i = 0; i < G_N_ELEMENTS(spellings); i++) {
                g_autofree char *root = g_strconcat(folder, "/", spellings[i], NULL);
                g_autofree char *parent = NULL;
                g_autoptr(Places) places = NULL;

                assert_int_equal(places_new(root, &places, NULL), 0);
                assert_string_equal(places->root, real);
                assert_int_equal(strlen(places->instance), 8);
                assert_memory_equal(places->instance, digest, 8);
                parent = g_strconcat("bulkhead-", places->instance, NULL);
                assert_string_equal(places->cgroup_parent, parent);
                assert_below(real, places->config_file);
                assert_below(real, places->config_folder);
                for (int level = 0; level < 3; level++) {
                        assert_below(real, places->manifest_folders[level]);
                        assert_below(real, places->default_folders[level]);
                        assert_below(real, places->template_folders[level]);
                }
                assert_below(real, places->runtime_folder);
                assert_below(real, places->sandboxes_folder);
                assert_below(real, places->state_folder);
                assert_string_equal(places->helper_folder, BULKHEAD_HELPER_DIR);
        }
}

static void test_two_roots_two_instances(void **state) {
        g_autofree char *real = g_build_filename(*state, "real", NULL);
        g_autoptr(Places) one = NULL, other = NULL;

        assert_int_equal(places_new(*state, &one, NULL), 0);
        assert_int_equal(places_new(real, &other, NULL), 0);
        assert_string_not_equal(one->instance, other->instance);
}

static const struct {
        const char *name, *root;
        int r;
} bad_roots[] = {
        { "not there", "nowhere", -ENOENT },
        { "a file", "file", -ENOTDIR },
        { "below a file", "file/x", -ENOTDIR },
};

static void test_bad_roots(void **state) {
        for (size_t i = 0; i < G_N_ELEMENTS(bad_roots); i++) {
                g_autofree char *root = g_build_filename(*state, bad_roots[i].root, NULL);
                g_auto(Error) error = ERROR_NULL;
                Places *places = NULL;

                print_message("%s\n", bad_roots[i].name);
                assert_int_equal(places_new(root, &places, &error), bad_roots[i].r);
                assert_null(places);
                assert_non_null(strstr(error.message, root));
        }
        assert_int_equal(places_new("", &(Places *){ NULL }, NULL), -ENOENT);
}

static void test_helpers(void **state G_GNUC_UNUSED) {
        g_autoptr(Places) set = NULL, empty = NULL;
        g_auto(Error) error = ERROR_NULL;

        assert_int_equal(setenv("BULKHEAD_HELPERS", "/build/helpers", 1), 0);
        assert_int_equal(places_new(NULL, &set, NULL), 0);
        assert_string_equal(set->helper_folder, "/build/helpers");
        assert_int_equal(setenv("BULKHEAD_HELPERS", "", 1), 0);
        assert_int_equal(places_new(NULL, &empty, NULL), 0);
        assert_string_equal(empty->helper_folder, BULKHEAD_HELPER_DIR);
        assert_int_equal(setenv("BULKHEAD_HELPERS", "helpers", 1), 0);
        assert_int_equal(places_new(NULL, &(Places *){ NULL }, &error), -EINVAL);
        assert_int_equal(error.code, ERROR_INVALID_ARGS);
}

/* With "print" the program says which helpers it would run: copied and made set-id, its own's, not its
 * caller's. */
static void test_helpers_of_a_set_id_program(void **state) {
        g_autofree char *copy = g_build_filename(*state, "copy", NULL);
        g_autofree char *self = NULL;
        gsize size = 0;
        int status = 0;
        pid_t child;

        if (geteuid() != 0) {
                print_message("Skipped: making a set-id program needs root\n");
                skip();
        }
        assert_true(g_file_get_contents("/proc/self/exe", &self, &size, NULL));
        assert_true(g_file_set_contents(copy, self, (gssize) size, NULL));
        assert_int_equal(chmod(*state, 0755), 0);
        assert_int_equal(chmod(copy, 04755), 0);
        child = fork();
        assert_true(child >= 0);
        if (child == 0) {
                if (setenv("BULKHEAD_HELPERS", "/from/the/caller", 1) < 0 ||
                    setresuid(65534, 65534, 65534) < 0)
                        _exit(3);
                execl(copy, copy, "print", NULL);
                _exit(4);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(unlink(copy), 0);
        assert_true(WIFEXITED(status));
        if (WEXITSTATUS(status) == 2) {
                print_message("Skipped: the temporary folder is mounted nosuid\n");
                skip();
        }
        assert_int_equal(WEXITSTATUS(status), 0);
}

/* 0: the helpers are the build's; 1: they are the caller's; 2: we are not set-id. */
static int print_helpers(void) {
        g_autoptr(Places) places = NULL;

        if (geteuid() == getuid())
                return 2;
        return places_new(NULL, &places, NULL) < 0 || strcmp(places->helper_folder, BULKHEAD_HELPER_DIR) != 0;
}

int main(int argc, char *argv[]) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_system, setup, teardown),
                cmocka_unit_test_setup_teardown(test_other_root, setup, teardown),
                cmocka_unit_test_setup_teardown(test_two_roots_two_instances, setup, teardown),
                cmocka_unit_test_setup_teardown(test_bad_roots, setup, teardown),
                cmocka_unit_test_setup_teardown(test_helpers, setup, teardown),
                cmocka_unit_test_setup_teardown(test_helpers_of_a_set_id_program, setup, teardown),
        };

        if (argc == 2 && strcmp(argv[1], "print") == 0)
                return print_helpers();
        return cmocka_run_group_tests(tests, NULL, NULL);
}
