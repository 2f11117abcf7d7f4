/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Runs a fuzz target over files, and over all files in folders, in the order of their names. A folder that
 * does not exist is empty: most targets never had a crash. Fails if there was no file at all.
 */
#include "tests/fuzz/fuzz.h"

static int run_file(const char *path) {
        g_autofree char *text = NULL;
        g_autofree uint8_t *bytes = NULL;
        gsize size;

        if (!g_file_get_contents(path, &text, &size, NULL)) {
                fprintf(stderr, "Cannot read %s\n", path);
                exit(1);
        }
        /* of the exact size, so that AddressSanitizer sees a read past the end */
        bytes = g_memdup2(text, size);
        printf("%s\n", path);
        fflush(stdout);
        (void) LLVMFuzzerTestOneInput(bytes, size);
        return 1;
}

static int compare_names(const void *a, const void *b) {
        return strcmp(*(char *const *) a, *(char *const *) b);
}

static int run_folder(const char *path) {
        g_autoptr(GDir) folder = g_dir_open(path, 0, NULL);
        g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
        const char *name;
        int n = 0;

        while (folder && (name = g_dir_read_name(folder)))
                g_ptr_array_add(names, g_build_filename(path, name, NULL));
        g_ptr_array_sort(names, compare_names);
        for (guint i = 0; i < names->len; i++)
                n += run_file(names->pdata[i]);
        return n;
}

int main(int argc, char **argv) {
        int n = 0;

        for (int i = 1; i < argc; i++)
                n += g_file_test(argv[i], G_FILE_TEST_IS_REGULAR) ? run_file(argv[i]) : run_folder(argv[i]);
        printf("%d inputs\n", n);
        return n > 0 ? 0 : 1;
}
