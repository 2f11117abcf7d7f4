/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "capabilities/check.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "capabilities/settings.h"
#include "capabilities/store.h"
#include "util/fs.h"
#include "util/limits.h"

Check *check_new(void) {
        Check *check = g_new0(Check, 1);

        check->findings = findings_new();
        return check;
}

void check_free(Check *check) {
        if (!check)
                return;
        g_ptr_array_unref(check->findings);
        g_free(check);
}

static void check_add(Check *check, const char *file, const char *text) {
        g_ptr_array_add(check->findings, finding_new(true, file, 0, 0, "", text));
}

static void check_add_findings(Check *check, const GPtrArray *findings) {
        for (guint i = 0; i < findings->len; i++) {
                const Finding *finding = findings->pdata[i];
                const char *file = finding->file;

                /* "check ." names files as "check a.json" does. */
                if (g_str_has_prefix(file, "./"))
                        file += strlen("./");
                g_ptr_array_add(check->findings, finding_new(finding->is_error, file, finding->line,
                                                             finding->column, finding->path, finding->text));
        }
}

static void check_take_store(Check *check, Store *store) {
        check_add_findings(check, store_get_findings(store));
        check->n_files += store_get_n_files(store);
        store_unref(store);
}

static void check_settings(Check *check, const char *path) {
        g_autoptr(Settings) settings = settings_new();

        settings_read(settings, path);
        check_add_findings(check, settings->findings);
        check->n_files += settings->n_files;
}

/* ---- files ---- */

static char *path_get_folder_name(const char *path) {
        g_autofree char *full = g_canonicalize_filename(path, NULL);
        g_autofree char *folder = g_path_get_dirname(full);

        return g_path_get_basename(folder);
}

/* The first section of an ini file says what it is for; "" if there is none. Caller frees. */
static char *conf_get_section(const char *path) {
        g_autofree char *text = NULL;
        g_auto(GStrv) lines = NULL;

        if (fs_read_file_at(AT_FDCWD, path, SETTINGS_SIZE_MAX, &text, NULL, NULL) < 0)
                return g_strdup("");
        lines = g_strsplit(text, "\n", -1);
        for (char **line = lines; *line; line++) {
                g_strstrip(*line);
                if (**line == '[')
                        return g_strndup(*line + 1, strcspn(*line + 1, " ]"));
        }
        return g_strdup("");
}

typedef enum ConfKind {
        CONF_SETTINGS,
        CONF_TEMPLATE,
        CONF_UNKNOWN,
} ConfKind;

static ConfKind conf_get_kind(const char *path) {
        static const char *const of_settings[] = { "Service", "Ids", "Network", "Session", "Policy", NULL };
        static const char *const of_templates[] = { "Template", "Rootfs",   "Namespaces", "Process",
                                                    "Limits",   "Security", "Pool",       NULL };
        g_autofree char *folder = path_get_folder_name(path), *name = g_path_get_basename(path);
        g_autofree char *section = NULL;

        if (strcmp(folder, "templates.d") == 0)
                return CONF_TEMPLATE;
        if (strcmp(name, "bulkhead.conf") == 0 || strcmp(folder, "bulkhead.conf.d") == 0)
                return CONF_SETTINGS;
        section = conf_get_section(path);
        if (g_strv_contains(of_settings, section))
                return CONF_SETTINGS;
        return g_strv_contains(of_templates, section) ? CONF_TEMPLATE : CONF_UNKNOWN;
}

static void check_file(Check *check, const char *path) {
        if (g_str_has_suffix(path, ".json")) {
                check_take_store(check, store_load_file(path));
                return;
        }
        switch (g_str_has_suffix(path, ".conf") ? conf_get_kind(path) : CONF_UNKNOWN) {
        case CONF_SETTINGS:
                check_settings(check, path);
                return;
        case CONF_TEMPLATE:
                check_take_store(check, store_load_file(path));
                return;
        case CONF_UNKNOWN:
        default:
                check_add(check, path,
                          "Neither a manifest nor a template nor settings, expected *.json, or *.conf with a "
                          "section that is known");
        }
}

/* ---- folders ---- */

typedef struct Listing {
        GPtrArray *confs;   /* owned char *, paths */
        GPtrArray *folders; /* owned char *, paths */
        bool has_manifests;
} Listing;

static void listing_done(Listing *listing) {
        g_ptr_array_unref(listing->confs);
        g_ptr_array_unref(listing->folders);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Listing, listing_done)

/* Folders that are read together with the one that they stand in. */
static bool is_part(const char *name) {
        static const char *const parts[] = { "manifests.d", "manifests.default.d", "templates.d", NULL };

        return g_strv_contains(parts, name);
}

static void listing_add(Listing *listing, const char *folder, const char *name) {
        g_autofree char *path = strcmp(folder, ".") == 0 ? g_strdup(name)
                                                         : g_build_filename(folder, name, NULL);
        struct stat st;

        if (lstat(path, &st) < 0)
                return;
        if (S_ISDIR(st.st_mode)) {
                listing->has_manifests = listing->has_manifests || is_part(name);
                g_ptr_array_add(listing->folders, g_steal_pointer(&path));
        } else if (g_str_has_suffix(name, ".json"))
                listing->has_manifests = true;
        else if (g_str_has_suffix(name, ".conf") && stat(path, &st) >= 0 && S_ISREG(st.st_mode))
                g_ptr_array_add(listing->confs, g_steal_pointer(&path));
}

static int compare_paths(const void *a, const void *b) {
        return strcmp(*(const char *const *) a, *(const char *const *) b);
}

static int listing_read(Listing *listing, const char *folder) {
        struct dirent *entry;
        DIR *stream = opendir(folder);

        if (!stream)
                return -errno;
        while ((entry = readdir(stream)))
                if (entry->d_name[0] != '.')
                        listing_add(listing, folder, entry->d_name);
        (void) closedir(stream);
        g_ptr_array_sort(listing->confs, compare_paths);
        g_ptr_array_sort(listing->folders, compare_paths);
        return 0;
}

static bool is_image(const char *folder) {
        static const char *const marks[] = { "usr/share/bulkhead", "etc/bulkhead", "run/bulkhead" };

        for (size_t i = 0; i < G_N_ELEMENTS(marks); i++) {
                g_autofree char *mark = g_build_filename(folder, marks[i], NULL);

                if (g_file_test(mark, G_FILE_TEST_IS_DIR))
                        return true;
        }
        return false;
}

static void check_image(Check *check, const char *folder) {
        g_autoptr(Places) places = NULL;
        g_auto(Error) error = ERROR_NULL;

        if (places_new(folder, &places, &error) < 0)
                check_add(check, folder, error.message);
        else
                check_add_places(check, places);
}

static void check_folder(Check *check, const char *folder, unsigned depth) {
        g_auto(Listing) listing = { .confs = g_ptr_array_new_with_free_func(g_free),
                                    .folders = g_ptr_array_new_with_free_func(g_free) };
        g_autofree char *full = g_canonicalize_filename(folder, NULL), *own_name = g_path_get_basename(full);
        bool is_templates = strcmp(own_name, "templates.d") == 0;
        int r;

        if (depth > CHECK_DEPTH_MAX) {
                check_add(check, folder, "The folder is too deep, it is not read");
                return;
        }
        if (is_image(folder)) {
                check_image(check, folder);
                return;
        }
        r = listing_read(&listing, folder);
        if (r < 0) {
                g_autofree char *text = g_strdup_printf("Cannot read the folder: %s", g_strerror(-r));

                check_add(check, folder, text);
                return;
        }
        if (listing.has_manifests || is_templates)
                check_take_store(check, store_load_folder(folder));
        for (guint i = 0; !is_templates && i < listing.confs->len; i++)
                if (conf_get_kind(listing.confs->pdata[i]) != CONF_UNKNOWN)
                        check_file(check, listing.confs->pdata[i]);
        for (guint i = 0; i < listing.folders->len; i++) {
                g_autofree char *name = g_path_get_basename(listing.folders->pdata[i]);

                if (!is_part(name))
                        check_folder(check, listing.folders->pdata[i], depth + 1);
        }
}

/* ---- what is asked for ---- */

void check_add_path(Check *check, const char *path) {
        g_autofree char *trimmed = g_strdup(path), *text = NULL;
        size_t size = strlen(trimmed);
        struct stat st;

        while (size > 1 && trimmed[size - 1] == '/')
                trimmed[--size] = '\0';
        if (lstat(trimmed, &st) < 0) {
                text = g_strdup_printf("Cannot open it: %s", g_strerror(errno));
                check_add(check, path, text);
        } else if (g_file_test(trimmed, G_FILE_TEST_IS_DIR))
                check_folder(check, trimmed, 0);
        else
                check_file(check, trimmed);
        findings_sort(check->findings);
}

void check_add_places(Check *check, const Places *places) {
        g_autoptr(Settings) settings = settings_load(places->config_file, places->config_folder);

        check_add_findings(check, settings->findings);
        check->n_files += settings->n_files;
        check_take_store(check, store_load(places));
        findings_sort(check->findings);
}
