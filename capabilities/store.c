/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "capabilities/store.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "capabilities/capability-private.h"
#include "capabilities/filter.h"
#include "util/cleanup.h"
#include "util/fs.h"
#include "util/json.h"
#include "util/limits.h"

struct Store {
        gatomicrefcount n_refs;
        GPtrArray *findings;     /* owned Finding * */
        GPtrArray *capabilities; /* owned references, by name; of one name the default comes first */
        GHashTable *defaults;    /* name -> Capability, not owned */
        GHashTable *on_request;  /* name -> Capability, not owned */
        GHashTable *taken_out;   /* owned name -> owned PlanOrigin: where a definition with errors stands */
        GHashTable *templates;   /* owned name -> owned reference */
        GHashTable *filters;     /* likewise */
        char *hash;              /* owned */
        guint n_files;
};

/* What is needed while loading. */
typedef struct StoreLoad {
        Store *store;        /* not owned */
        const char *root;    /* not owned; folders below it are opened inside it */
        int root_fd;         /* not owned; negative: looking only, see store_load_folder() */
        Plan *defaults;      /* owned; NULL if there are none, or they conflict */
        bool is_alone;       /* one file, see store_load_file() */
        char *buffer;        /* owned; the largest file fits: one for all, as most of them are small */
        GChecksum *checksum; /* not owned */
} StoreLoad;

/* The highest of the files that have one name. */
typedef struct StoreFile {
        char *path;      /* owned */
        bool is_refused; /* its folder is not to be trusted; the finding is the folder's */
} StoreFile;

/* One kind of files. */
typedef struct StoreKind {
        const char *name, *suffix;
        size_t size_max;
        bool is_default;
        void (*read)(StoreLoad *load, const char *name, const char *path, const char *text, size_t size,
                     GHashTable *userdata);
} StoreKind;

static void file_free(void *userdata) {
        StoreFile *file = userdata;

        g_free(file->path);
        g_free(file);
}

static void store_add_finding(Store *store, bool is_error, const char *file, unsigned line, unsigned column,
                              const char *path, const char *text) {
        g_ptr_array_add(store->findings, finding_new(is_error, file, line, column, path, text));
}

G_GNUC_PRINTF(3, 4)
static void load_finding(StoreLoad *load, const char *file, const char *format, ...) {
        g_autofree char *text = NULL;
        va_list args;

        va_start(args, format);
        text = g_strdup_vprintf(format, args);
        va_end(args);
        store_add_finding(load->store, true, file, 0, 0, "", text);
}

/*
 * Files
 */

/* NULL, or what is wrong with who may write it. Our own files count as root's: who is not root loads a store
 * to look at it, and could as well change what it prints. */
static const char *check_owner(const struct stat *st) {
        if (st->st_uid != 0 && st->st_uid != geteuid())
                return "does not belong to root";
        if (st->st_mode & (S_IWGRP | S_IWOTH))
                return "may be written by others than its owner";
        return NULL;
}

static bool load_is_looking(const StoreLoad *load) {
        return load->root_fd < 0;
}

/* Opens a path of this instance; links lead to what they name inside its root, never to the host's. */
static int open_in_root(const StoreLoad *load, const char *path, int flags) {
        size_t size = strcmp(load->root, "/") == 0 ? 0 : strlen(load->root);
        int fd;

        if (load_is_looking(load)) {
                fd = open(path, flags | O_CLOEXEC);
                return fd < 0 ? -errno : fd;
        }
        return fs_open_in(load->root_fd, path + size, flags, 0, 0);
}

static void list_names(StoreLoad *load, const StoreKind *kind, DIR *stream, const char *folder,
                       bool is_refused, GHashTable *files) {
        const struct dirent *entry;
        size_t n = 0;

        while ((entry = readdir(stream))) {
                StoreFile *file;

                /* Hidden ones are what editors leave behind. */
                if (entry->d_name[0] == '.' || !g_str_has_suffix(entry->d_name, kind->suffix))
                        continue;
                if (!g_utf8_validate(entry->d_name, -1, NULL)) {
                        load_finding(load, folder, "The file name '%s' is not UTF-8, it is not read",
                                     entry->d_name);
                        continue;
                }
                if (++n > MANIFESTS_MAX) {
                        load_finding(load, folder, "More than %u %s, none is read", MANIFESTS_MAX,
                                     kind->name);
                        g_hash_table_remove_all(files);
                        return;
                }
                file = g_new0(StoreFile, 1);
                file->path = g_build_filename(folder, entry->d_name, NULL);
                file->is_refused = is_refused;
                g_hash_table_replace(files, g_strdup(entry->d_name), file);
        }
}

/* Adds the files of one level to @files; they replace those of the same name, also when they are not going to
 * be read: without that, damaging a higher level would bring back what it replaces and masks. */
static void list_folder(StoreLoad *load, const StoreKind *kind, const char *folder, GHashTable *files) {
        autofd int fd = open_in_root(load, folder, O_RDONLY | O_DIRECTORY);
        const char *problem;
        struct stat st;
        DIR *stream;

        if (fd == -ENOENT)
                return;
        if (fd < 0 || fstat(fd, &st) < 0) {
                load_finding(load, folder, "Cannot open the folder: %s", g_strerror(fd < 0 ? -fd : errno));
                return;
        }
        problem = load_is_looking(load) ? NULL : check_owner(&st);
        if (problem)
                load_finding(load, folder, "The folder %s, nothing in it is read", problem);
        stream = fdopendir(fd);
        if (!stream) {
                load_finding(load, folder, "Cannot read the folder: %s", g_strerror(errno));
                return;
        }
        (void) fd_steal(&fd);
        list_names(load, kind, stream, folder, problem, files);
        (void) closedir(stream);
}

/* Whether @path is a link to /dev/null: the words of the link count, since a root need not have a /dev. */
static bool is_mask(const StoreLoad *load, const char *path) {
        static const char null_path[] = "/dev/null";
        autofd int fd = open_in_root(load, path, O_PATH | O_NOFOLLOW);
        char target[sizeof(null_path) + 1];
        ssize_t size;

        if (fd < 0)
                return false;
        size = readlinkat(fd, "", target, sizeof(target));
        return size == (ssize_t) strlen(null_path) && memcmp(target, null_path, (size_t) size) == 0;
}

/* Reads at most @max bytes; a NUL that does not count stands behind them. */
static int read_all(StoreLoad *load, int fd, size_t max, char **ret_text, size_t *ret_size) {
        size_t size = 0;

        g_assert(max <= MANIFEST_SIZE_MAX);
        while (size <= max) {
                ssize_t n = read(fd, load->buffer + size, max + 1 - size);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        break;
                size += (size_t) n;
        }
        if (size > max)
                return -EFBIG;
        *ret_text = g_malloc(size + 1);
        memcpy(*ret_text, load->buffer, size);
        (*ret_text)[size] = '\0';
        *ret_size = size;
        return 0;
}

/* Reads what may be trusted; gives nothing and adds a finding otherwise. */
static char *read_trusted(StoreLoad *load, const StoreKind *kind, const char *path, size_t *ret_size) {
        autofd int fd = open_in_root(load, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
        const char *problem;
        char *text = NULL;
        struct stat st;
        int r;

        if (fd < 0 || fstat(fd, &st) < 0) {
                load_finding(load, path, "Cannot open the file: %s", g_strerror(fd < 0 ? -fd : errno));
                return NULL;
        }
        if (!S_ISREG(st.st_mode)) {
                load_finding(load, path, "Not a regular file, expected one or a link to /dev/null");
                return NULL;
        }
        problem = load_is_looking(load) ? NULL : check_owner(&st);
        if (problem) {
                load_finding(load, path, "The file %s, it is not read", problem);
                return NULL;
        }
        r = read_all(load, fd, kind->size_max, &text, ret_size);
        if (r == -EFBIG)
                load_finding(load, path, "The file has more than %zu bytes, it is not read", kind->size_max);
        else if (r < 0)
                load_finding(load, path, "Cannot read the file: %s", g_strerror(-r));
        return text;
}

static void load_file(StoreLoad *load, const StoreKind *kind, const char *name, const StoreFile *file,
                      GHashTable *userdata) {
        g_autofree char *head = NULL, *text = NULL;
        size_t size;

        if (file->is_refused || is_mask(load, file->path))
                return;
        text = read_trusted(load, kind, file->path, &size);
        if (!text)
                return;
        head = g_strdup_printf("%s/%s %zu\n", kind->name, name, size);
        if (!load_is_looking(load)) {
                g_checksum_update(load->checksum, (const guchar *) head, (gssize) strlen(head));
                g_checksum_update(load->checksum, (const guchar *) text, (gssize) size);
        }
        load->store->n_files++;
        kind->read(load, name, file->path, text, size, userdata);
}

static int compare_strings(const void *a, const void *b) {
        return strcmp(*(const char *const *) a, *(const char *const *) b);
}

/* The files of one kind in levels of folders; NULL-terminated. */
static GHashTable *list_levels(StoreLoad *load, const StoreKind *kind, char *const *folders) {
        GHashTable *files = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, file_free);

        for (; *folders; folders++)
                list_folder(load, kind, *folders, files);
        return files;
}

static void load_files(StoreLoad *load, const StoreKind *kind, GHashTable *files, GHashTable *userdata) {
        g_autofree const char **names = NULL;
        guint n_names;

        names = (const char **) g_hash_table_get_keys_as_array(files, &n_names);
        qsort(names, n_names, sizeof(*names), compare_strings);
        for (guint i = 0; i < n_names; i++)
                load_file(load, kind, names[i], g_hash_table_lookup(files, names[i]), userdata);
}

/*
 * Manifests
 */

/* All definitions of one name, of which one may have errors. */
typedef struct Definitions {
        Capability *capability; /* owned */
        PlanOrigin *error;      /* owned; NULL if all are good */
} Definitions;

static void definitions_free(void *userdata) {
        Definitions *definitions = userdata;

        capability_unref(definitions->capability);
        plan_origin_free(definitions->error);
        g_free(definitions);
}

static void add_definition(GHashTable *by_name, const char *path, ManifestCapability *definition,
                           bool is_default) {
        Definitions *definitions = g_hash_table_lookup(by_name, definition->name);

        if (!definitions) {
                definitions = g_new0(Definitions, 1);
                definitions->capability = capability_new(definition->name, is_default);
                g_hash_table_insert(by_name, g_strdup(definition->name), definitions);
        }
        if (definition->has_errors && !definitions->error)
                definitions->error = plan_origin_new(definition->name, path, definition->line,
                                                     definition->column);
        capability_add_definition(definitions->capability, path, definition);
}

static void read_manifest(StoreLoad *load, const char *path, const char *text, size_t size, bool is_default,
                          GHashTable *by_name) {
        g_autoptr(Manifest) manifest = manifest_parse(path, text, size);
        const GPtrArray *findings = manifest_get_findings(manifest);
        const GPtrArray *capabilities = manifest_get_capabilities(manifest);

        for (guint i = 0; i < findings->len; i++) {
                const JsonFinding *finding = g_ptr_array_index(findings, i);

                store_add_finding(load->store, finding->severity == JSON_FINDING_ERROR, path, finding->line,
                                  finding->column, finding->path, finding->message);
                ((Finding *) load->store->findings->pdata[load->store->findings->len - 1])->gateway = finding->subject;
        }
        for (guint i = 0; i < capabilities->len; i++)
                add_definition(by_name, path, g_ptr_array_index(capabilities, i), is_default);
}

static void read_default(StoreLoad *load, const char *name G_GNUC_UNUSED, const char *path, const char *text,
                         size_t size, GHashTable *by_name) {
        read_manifest(load, path, text, size, true, by_name);
}

static void read_on_request(StoreLoad *load, const char *name G_GNUC_UNUSED, const char *path,
                            const char *text, size_t size, GHashTable *by_name) {
        read_manifest(load, path, text, size, false, by_name);
}

static void load_error(StoreLoad *load, const Error *error) {
        store_add_finding(load->store, true, error->file ?: "", error->line, error->column, error->path ?: "",
                          error->message);
}

/* A capability that contradicts itself, or what every sandbox has, can never be granted: said now, not at the
 * first launch. */
static void check_alone(StoreLoad *load, Definitions *definitions) {
        g_autoptr(GPtrArray) alone = g_ptr_array_new();
        g_auto(Error) error = ERROR_NULL;
        g_autoptr(Plan) plan = plan_new(), together = NULL;

        g_ptr_array_add(alone, definitions->capability);
        if (capabilities_plan(alone, plan, &error) >= 0) {
                together = load->defaults ? plan_copy(load->defaults) : NULL;
                if (together && capabilities_plan(alone, together, &error) < 0)
                        load_error(load, &error);
                return;
        }
        load_error(load, &error);
        definitions->error = plan_origin_new(capability_get_name(definitions->capability), error.file,
                                             error.line, error.column);
}

/* Every sandbox has all of them: a conflict among them fails every launch. */
static void check_defaults(StoreLoad *load) {
        g_autoptr(GPtrArray) defaults = NULL;
        g_auto(Error) error = ERROR_NULL;
        g_autoptr(Plan) plan = NULL;

        if (store_resolve(load->store, NULL, &defaults, NULL) < 0 || defaults->len == 0)
                return;
        plan = plan_new();
        if (capabilities_plan(defaults, plan, &error) < 0)
                load_error(load, &error);
        else
                load->defaults = g_steal_pointer(&plan);
}

static void load_manifests(StoreLoad *load, const StoreKind *kind, GHashTable *files) {
        g_autoptr(GHashTable)
                by_name = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, definitions_free);
        Store *store = load->store;
        GHashTable *good = kind->is_default ? store->defaults : store->on_request;
        Definitions *definitions;
        GHashTableIter iter;
        void *name;

        load_files(load, kind, files, by_name);
        g_hash_table_iter_init(&iter, by_name);
        while (g_hash_table_iter_next(&iter, &name, (void **) &definitions)) {
                Capability *capability = definitions->capability;

                if (!definitions->error)
                        check_alone(load, definitions);
                if (definitions->error)
                        g_hash_table_replace(store->taken_out, g_strdup(name),
                                             g_steal_pointer(&definitions->error));
                else {
                        g_ptr_array_add(store->capabilities, capability_ref(capability));
                        g_hash_table_insert(good, (char *) capability_get_name(capability), capability);
                }
        }
}

/*
 * Templates and their filters
 */
static bool check_file(StoreLoad *load, const char *what, const char *stem, const char *path, const char *text,
                       size_t size) {
        if (!capability_name_is_valid(stem))
                load_finding(load, path, "Invalid %s name '%s', expected letters, digits, '.', '_' and '-'", what,
                             stem);
        else if (strlen(text) != size)
                load_finding(load, path, "The file has a NUL in it, expected text");
        else
                return true;
        return false;
}

static void add_template_findings(StoreLoad *load, const char *path, const GPtrArray *findings) {
        for (guint i = 0; i < findings->len; i++) {
                const TemplateFinding *finding = g_ptr_array_index(findings, i);

                store_add_finding(load->store, true, path, finding->line, finding->column, "", finding->text);
        }
}

static void read_filter(StoreLoad *load, const char *name, const char *path, const char *text, size_t size,
                        GHashTable *userdata G_GNUC_UNUSED) {
        g_autofree char *stem = g_strndup(name, strlen(name) - strlen(".seccomp"));
        g_autoptr(GPtrArray) findings = template_findings_new();
        g_autoptr(Filter) filter = NULL;

        if (!check_file(load, "filter", stem, path, text, size))
                return;
        if (strcmp(stem, "none") == 0) {
                load_finding(load, path, "The name 'none' means that there is no filter");
                return;
        }
        (void) filter_parse(stem, text, findings, &filter);
        add_template_findings(load, path, findings);
        if (filter)
                g_hash_table_replace(load->store->filters, g_steal_pointer(&stem), g_steal_pointer(&filter));
        else /* what is wrong in the built-in one's place must not bring it back */
                g_hash_table_remove(load->store->filters, stem);
}

/* Of a template that is looked at alone nobody knows which filters stand beside it. */
static bool find_filter(StoreLoad *load, Template *template, const char *path, bool is_alone) {
        g_autoptr(GPtrArray) names = g_ptr_array_new();
        unsigned line, column;
        const char *name = template_get_filter_name(template, &line, &column), *nearest;
        Filter *filter = name ? g_hash_table_lookup(load->store->filters, name) : NULL;
        g_autofree char *text = NULL;
        GHashTableIter iter;
        void *key;

        if (filter)
                template_set_filter(template, filter);
        if (filter || !name || is_alone)
                return true;
        g_hash_table_iter_init(&iter, load->store->filters);
        while (g_hash_table_iter_next(&iter, &key, NULL))
                g_ptr_array_add(names, key);
        g_ptr_array_add(names, (char *) "none");
        g_ptr_array_add(names, NULL);
        nearest = json_nearest(name, (const char *const *) names->pdata);
        text = g_strdup_printf("There is no system call filter '%s'%s%s%s", name, nearest ? "; did you mean '" : "",
                               nearest ?: "", nearest ? "'" : "");
        store_add_finding(load->store, true, path, line, column, "", text);
        return false;
}

static void read_template(StoreLoad *load, const char *name, const char *path, const char *text, size_t size,
                          GHashTable *userdata G_GNUC_UNUSED) {
        g_autofree char *stem = g_strndup(name, strlen(name) - strlen(".conf"));
        g_autoptr(GPtrArray) findings = template_findings_new();
        g_autoptr(Template) template = NULL;

        if (!check_file(load, "template", stem, path, text, size))
                return;
        (void) template_parse(stem, text, findings, &template);
        add_template_findings(load, path, findings);
        if (template && find_filter(load, template, path, load->is_alone))
                g_hash_table_replace(load->store->templates, g_steal_pointer(&stem),
                                     g_steal_pointer(&template));
}

/*
 * The store
 */
static const StoreKind kind_manifests = { "manifests", ".json", MANIFEST_SIZE_MAX, false, read_on_request };
static const StoreKind kind_defaults = { "default manifests", ".json", MANIFEST_SIZE_MAX, true,
                                         read_default };
static const StoreKind kind_templates = { "templates", ".conf", TEMPLATE_SIZE_MAX, false, read_template };

static const StoreKind kind_filters = { "filters", ".seccomp", TEMPLATE_SIZE_MAX, false, read_filter };

static int compare_capabilities(const void *a, const void *b) {
        const Capability *x = *(const Capability *const *) a, *y = *(const Capability *const *) b;
        int r = strcmp(capability_get_name(x), capability_get_name(y));

        return r != 0 ? r : (int) capability_is_default(y) - (int) capability_is_default(x);
}

static Store *store_new(void) {
        Store *store = g_new0(Store, 1);

        g_atomic_ref_count_init(&store->n_refs);
        store->findings = findings_new();
        store->capabilities = g_ptr_array_new_with_free_func((GDestroyNotify) capability_unref);
        store->defaults = g_hash_table_new(g_str_hash, g_str_equal);
        store->on_request = g_hash_table_new(g_str_hash, g_str_equal);
        store->taken_out = g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
                                                 (GDestroyNotify) plan_origin_free);
        store->templates = g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
                                                 (GDestroyNotify) template_unref);
        store->filters = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify) filter_unref);
        g_hash_table_insert(store->templates, g_strdup("default"), template_new_default());
        g_hash_table_insert(store->filters, g_strdup("default"), filter_new_default());
        return store;
}

static StoreLoad load_begin(const char *root, int root_fd) {
        return (StoreLoad){
                .store = store_new(),
                .root = root,
                .root_fd = root_fd,
                .checksum = g_checksum_new(G_CHECKSUM_SHA256),
                .buffer = g_malloc(MANIFEST_SIZE_MAX + 1),
        };
}

/* What is read of each kind; NULL-terminated lists of folders from the lowest level to the highest. */
static void load_levels(StoreLoad *load, char *const *defaults, char *const *manifests,
                        char *const *templates) {
        g_autoptr(GHashTable) default_files = list_levels(load, &kind_defaults, defaults);
        g_autoptr(GHashTable) files = list_levels(load, &kind_manifests, manifests);
        g_autoptr(GHashTable) template_files = list_levels(load, &kind_templates, templates);
        g_autoptr(GHashTable) filter_files = list_levels(load, &kind_filters, templates);

        load_manifests(load, &kind_defaults, default_files);
        g_ptr_array_sort(load->store->capabilities, compare_capabilities);
        check_defaults(load);
        load_manifests(load, &kind_manifests, files);
        load_files(load, &kind_filters, filter_files, NULL);
        load_files(load, &kind_templates, template_files, NULL);
}

static Store *load_end(StoreLoad *load) {
        Store *store = load->store;
        Template *compiled_in = g_hash_table_lookup(store->templates, "default");
        Filter *filter = g_hash_table_lookup(store->filters, "default");
        unsigned line, column;

        /* The compiled-in template was there before its filter; one in its place has found its own. */
        if (filter && g_strcmp0(template_get_filter_name(compiled_in, &line, &column), "default") == 0)
                template_set_filter(compiled_in, filter);
        findings_sort(store->findings);
        g_ptr_array_sort(store->capabilities, compare_capabilities);
        store->hash = g_strdup(g_checksum_get_string(load->checksum));
        g_checksum_free(load->checksum);
        g_free(load->buffer);
        plan_free(load->defaults);
        return store;
}

Store *store_load(const Places *places) {
        autofd int root_fd = open(places->root, O_PATH | O_DIRECTORY | O_CLOEXEC);
        StoreLoad load = load_begin(places->root, root_fd);

        if (root_fd < 0)
                load_finding(&load, places->root, "Cannot open the folder: %s", g_strerror(errno));
        else
                load_levels(&load, places->default_folders, places->manifest_folders,
                            places->template_folders);
        return load_end(&load);
}

Store *store_load_folder(const char *path) {
        g_autofree char *manifests = g_build_filename(path, "manifests.d", NULL);
        g_autofree char *defaults = g_build_filename(path, "manifests.default.d", NULL);
        g_autofree char *templates = g_build_filename(path, "templates.d", NULL);
        g_autofree char *full = g_canonicalize_filename(path, NULL), *name = g_path_get_basename(full);
        char *folder[] = { (char *) path, NULL }, *none[] = { NULL };
        char *default_folder[] = { defaults, NULL }, *template_folder[] = { templates, NULL };
        char *manifest_folders[] = { (char *) path, manifests, NULL };
        StoreLoad load = load_begin("", -1);
        struct stat st;

        if (stat(path, &st) < 0)
                load_finding(&load, path, "Cannot open the folder: %s", g_strerror(errno));
        else if (strcmp(name, "manifests.default.d") == 0)
                load_levels(&load, folder, none, none);
        else if (strcmp(name, "templates.d") == 0)
                load_levels(&load, none, none, folder);
        else
                load_levels(&load, default_folder, manifest_folders, template_folder);
        return load_end(&load);
}

Store *store_load_file(const char *path) {
        g_autoptr(GHashTable) files = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, file_free);
        StoreFile *file = g_new0(StoreFile, 1);
        StoreLoad load = load_begin("", -1);

        load.is_alone = true;
        file->path = g_strdup(path);
        g_hash_table_insert(files, g_path_get_basename(path), file);
        if (g_str_has_suffix(path, kind_manifests.suffix))
                load_manifests(&load, &kind_manifests, files);
        else
                load_files(&load, g_str_has_suffix(path, kind_filters.suffix) ? &kind_filters : &kind_templates,
                           files, NULL);
        return load_end(&load);
}

Store *store_ref(Store *store) {
        g_atomic_ref_count_inc(&store->n_refs);
        return store;
}

void store_unref(Store *store) {
        if (!store || !g_atomic_ref_count_dec(&store->n_refs))
                return;
        g_free(store->hash);
        g_hash_table_unref(store->templates);
        g_hash_table_unref(store->filters);
        g_hash_table_unref(store->taken_out);
        g_hash_table_unref(store->on_request);
        g_hash_table_unref(store->defaults);
        g_ptr_array_unref(store->capabilities);
        g_ptr_array_unref(store->findings);
        g_free(store);
}

guint store_get_n_files(const Store *store) {
        return store->n_files;
}

const GPtrArray *store_get_findings(const Store *store) {
        return store->findings;
}

const GPtrArray *store_get_capabilities(const Store *store) {
        return store->capabilities;
}

Capability *store_find_capability(const Store *store, const char *name) {
        return g_hash_table_lookup(store->on_request, name) ?: g_hash_table_lookup(store->defaults, name);
}

void store_compile_filters(const Store *store) {
        GHashTableIter iter;
        void *filter;

        g_hash_table_iter_init(&iter, store->filters);
        while (g_hash_table_iter_next(&iter, NULL, &filter))
                (void) filter_compile(filter, NULL);
}

Template *store_find_template(const Store *store, const char *name) {
        return g_hash_table_lookup(store->templates, name);
}

const char *store_get_hash(const Store *store) {
        return store->hash;
}

static int unknown_capability(const Store *store, const char *name, Error *error) {
        const PlanOrigin *origin = g_hash_table_lookup(store->taken_out, name);
        g_autoptr(GPtrArray) names = g_ptr_array_new();
        const char *nearest;
        int r;

        if (origin) {
                r = error_setf(error, ERROR_UNKNOWN_CAPABILITY,
                               "Unknown capability '%s': its manifest has errors (%s:%u)", name,
                               origin->file ?: "unknown", origin->line);
                return error_set_place(error, r, origin->file, origin->line, origin->column, NULL);
        }
        for (guint i = 0; i < store->capabilities->len; i++)
                g_ptr_array_add(names, (char *) capability_get_name(store->capabilities->pdata[i]));
        g_ptr_array_add(names, NULL);
        nearest = json_nearest(name, (const char *const *) names->pdata);
        if (nearest)
                return error_setf(error, ERROR_UNKNOWN_CAPABILITY,
                                  "Unknown capability '%s'; did you mean '%s'", name, nearest);
        return error_setf(error, ERROR_UNKNOWN_CAPABILITY, "Unknown capability '%.*s'", CAPABILITY_NAME_MAX,
                          name);
}

/* Adds @capability unless it is there. */
static void add_once(GPtrArray *capabilities, GHashTable *seen, Capability *capability) {
        if (g_hash_table_add(seen, capability))
                g_ptr_array_add(capabilities, capability_ref(capability));
}

int store_resolve(const Store *store, char *const *names, GPtrArray **ret, Error *error) {
        g_autoptr(GPtrArray) capabilities = g_ptr_array_new_with_free_func((GDestroyNotify) capability_unref);
        g_autoptr(GHashTable) seen = g_hash_table_new(NULL, NULL);

        for (guint i = 0; i < store->capabilities->len; i++)
                if (capability_is_default(store->capabilities->pdata[i]))
                        add_once(capabilities, seen, store->capabilities->pdata[i]);
        for (size_t i = 0; names && names[i]; i++) {
                Capability *capability = store_find_capability(store, names[i]);

                if (i >= CAPABILITIES_MAX)
                        return error_setf(error, ERROR_LIMIT_REACHED,
                                          "More than %u capabilities in one request", CAPABILITIES_MAX);
                /* A default of the same name stands in for nothing: what was asked for is not whole. */
                if (!capability || g_hash_table_contains(store->taken_out, names[i]))
                        return unknown_capability(store, names[i], error);
                add_once(capabilities, seen, capability);
        }
        *ret = g_steal_pointer(&capabilities);
        return 0;
}

int store_plan(const Store *store, char *const *names, Plan **ret, Error *error) {
        g_autoptr(GPtrArray) capabilities = NULL;
        g_autoptr(Plan) plan = plan_new();
        int r;

        r = store_resolve(store, names, &capabilities, error);
        if (r < 0)
                return r;
        r = capabilities_plan(capabilities, plan, error);
        if (r < 0)
                return r;
        *ret = g_steal_pointer(&plan);
        return 0;
}
