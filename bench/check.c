/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How long an integrator waits: check of 1,000 manifests with 20 capabilities each, explain of 50
 * capabilities
 *
 * In this process, so that neither the start of a program nor the printing is measured, and as the programs
 * that people run. See bench/README.md.
 */
#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "capabilities/check.h"
#include "capabilities/store.h"
#include "util/fs.h"

extern char **environ;

#define MANIFESTS_DEFAULT    1000
#define CAPABILITIES_EACH    20
#define CAPABILITIES_EXPLAIN 50
#define ROUNDS               9

/* A capability larger than those of the samples, which have 2.3 rows and 730 bytes at the mean: three
 * gateways, five rows, of which one has two peers. */
static void append_capability(GString *text, int manifest, int n) {
        g_string_append_printf(text,
                               "%s    { \"name\": \"com.acme.app%d.part%d\",\n"
                               "      \"description\": \"What part %d of an app needs\",\n"
                               "      \"gateways\": [\n        { \"id\": \"file\", \"config\": [",
                               n > 0 ? ",\n" : "", manifest, n, n);
        for (int i = 0; i < 2; i++)
                g_string_append_printf(text,
                                       "%s\n          { \"path-host\": \"/srv/app%d/%d/%d\", "
                                       "\"path-container\": \"/gateways/app%d-%d-%d\" }",
                                       i > 0 ? "," : "", manifest, n, i, manifest, n, i);
        g_string_append_printf(
                text,
                " ] },\n        { \"id\": \"env\", \"config\": [\n"
                "          { \"name\": \"APP%d_%d\", \"value\": \"/gateways/app\" },\n"
                "          { \"name\": \"APP%d_%d_PATH\", \"value\": \"/a\", \"mode\": \"append\" } ] },\n"
                "        { \"id\": \"network\", \"config\": [\n"
                "          { \"direction\": \"OUTGOING\", \"allow\": [\n",
                manifest, n, manifest, n);
        for (int i = 0; i < 2; i++)
                g_string_append_printf(
                        text,
                        "%s            { \"host\": \"h%d-%d.acme.example\", \"protocols\": \"tcp\", "
                        "\"ports\": [443, %d] }",
                        i > 0 ? ",\n" : "", n, i, 8000 + i);
        g_string_append(text, " ] } ] } ] }");
}

static void write_manifests(const char *folder, int n_manifests) {
        for (int i = 0; i < n_manifests; i++) {
                g_autofree char *path = g_strdup_printf("%s/com.acme.app%d.json", folder, i);
                g_autoptr(GString) text = g_string_new("{ \"version\": \"1\",\n  \"capabilities\": [\n");

                for (int j = 0; j < CAPABILITIES_EACH; j++)
                        append_capability(text, i, j);
                g_string_append(text, " ] }\n");
                if (!g_file_set_contents(path, text->str, (gssize) text->len, NULL) ||
                    g_chmod(path, 0644) < 0)
                        g_error("Cannot write '%s'", path);
        }
}

static int compare_times(const void *a, const void *b) {
        gint64 x = *(const gint64 *) a, y = *(const gint64 *) b;

        return x < y ? -1 : x > y;
}

/* Minimum and median of ROUNDS. */
static void measure(const char *name, void (*run)(const void *), const void *userdata) {
        gint64 times[ROUNDS];

        for (int i = 0; i < ROUNDS; i++) {
                gint64 start = g_get_monotonic_time();

                run(userdata);
                times[i] = g_get_monotonic_time() - start;
        }
        qsort(times, ROUNDS, sizeof(*times), compare_times);
        printf("%-52s %9.1f %9.1f\n", name, (double) times[0] / 1000, (double) times[ROUNDS / 2] / 1000);
}

static void run_check(const void *userdata) {
        g_autoptr(Check) check = check_new();

        check_add_path(check, userdata);
        if (check->findings->len > 0)
                g_error("The manifests have findings");
}

typedef struct Explain {
        Store *store;
        char *names[CAPABILITIES_EXPLAIN + 1];
} Explain;

static void run_explain(const void *userdata) {
        const Explain *explain = userdata;
        g_auto(Error) error = ERROR_NULL;
        g_autofree char *json = NULL;
        g_autoptr(Plan) plan = NULL;

        if (store_plan(explain->store, explain->names, &plan, &error) < 0)
                g_error("%s", error.message);
        json = plan_print_json(plan);
}

static void run_program(const void *userdata) {
        posix_spawn_file_actions_t actions;
        int status = -1;
        pid_t pid;

        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
        if (posix_spawn(&pid, BENCH_BULKHEAD, &actions, NULL, (char *const *) userdata, environ) != 0 ||
            waitpid(pid, &status, 0) != pid || status != 0)
                g_error("'%s' failed with %d", BENCH_BULKHEAD, status);
        posix_spawn_file_actions_destroy(&actions);
}

int main(int argc, char **argv) {
        int n_manifests = argc > 1 ? atoi(argv[1]) : MANIFESTS_DEFAULT;
        g_autofree char *root = g_dir_make_tmp("bulkhead-bench-XXXXXX", NULL), *folder = NULL, *name = NULL;
        GPtrArray *arguments = g_ptr_array_new();
        Explain explain = { 0 };
        int tmp_fd;

        if (!root || n_manifests < 3) {
                fprintf(stderr, "Usage: check [MANIFESTS]\n");
                return 2;
        }
        folder = g_build_filename(root, "etc/bulkhead/manifests.d", NULL);
        name = g_path_get_basename(root);
        if (g_mkdir_with_parents(folder, 0755) < 0)
                g_error("Cannot make '%s'", folder);
        write_manifests(folder, n_manifests);

        printf("%d manifests, %d capabilities each, of 5 rows; ms%13s %9s\n", n_manifests, CAPABILITIES_EACH,
               "least", "median");
        measure("check, in this process", run_check, folder);
        explain.store = store_load_folder(folder);
        g_ptr_array_add(arguments, (char *) "bulkhead");
        g_ptr_array_add(arguments, (char *) "--root");
        g_ptr_array_add(arguments, root);
        g_ptr_array_add(arguments, (char *) "explain");
        for (int i = 0; i < CAPABILITIES_EXPLAIN; i++) {
                explain.names[i] = g_strdup_printf("com.acme.app%d.part%d", i % n_manifests, i / n_manifests);
                g_ptr_array_add(arguments, explain.names[i]);
        }
        g_ptr_array_add(arguments, NULL);
        measure("explain of 50, in this process, store loaded", run_explain, &explain);
        measure("bulkhead check", run_program, (const char *const[]){ "bulkhead", "check", folder, NULL });
        measure("bulkhead explain of 50, store not loaded", run_program, arguments->pdata);

        store_unref(explain.store);
        for (int i = 0; i < CAPABILITIES_EXPLAIN; i++)
                g_free(explain.names[i]);
        g_ptr_array_unref(arguments);
        tmp_fd = open(g_get_tmp_dir(), O_PATH | O_DIRECTORY | O_CLOEXEC);
        (void) fs_remove_recursive(tmp_fd, name, NULL);
        (void) close(tmp_fd);
        return 0;
}
