/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "service/manager.h"

#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "gateways/gateway.h"
#include "service/adopt.h"
#include "service/id-pool.h"
#include "service/manager-private.h"
#include "service/policy.h"
#include "service/pool.h"
#include "service/process-number.h"
#include "service/process-private.h"
#include "service/report.h"
#include "service/sandbox-name.h"
#include "service/sandbox-private.h"
#include "util/cleanup.h"
#include "util/fs.h"
#include "util/limits.h"
#include "util/log.h"
#include "util/message-id.h"

struct Manager {
        sd_event *event;          /* owned reference */
        const Places *places;     /* not owned */
        Settings *settings; /* not owned; only policies and findings change */
        CgroupHost *cgroups;      /* owned */
        Store *store;             /* owned reference */
        IdPool *ids;              /* owned */
        LeasePool *leases;        /* owned */
        ShimHost host;
        Pool *pool;            /* owned */
        Report *report;        /* owned */
        GHashTable *sandboxes; /* "uid:name" -> owned Sandbox */
        GHashTable *processes; /* number -> owned Process */
        Adopt *adopt;          /* owned; NULL before it begins */
        int lock_fd;           /* owned; there is one service of an instance */
        char *realm;           /* owned; "" = none */
        bool is_open;
        ProcessNumber *process_number; /* owned */
        uint32_t last_generated;       /* of generated names */
        bool leaving;
        const ManagerEvents *events; /* NULL = nobody listens */
        void *events_userdata;
        void (*adopted)(void *userdata);
        void *adopted_userdata;
        void (*settled)(void *userdata);
        void *settled_userdata;
};

static char *sandbox_key(uid_t owner, const char *name) {
        return g_strdup_printf("%u:%s", (unsigned) owner, name);
}

/* ---- life ---- */

static void on_pool_drained(void *userdata) {
        manager_settle(userdata);
}

/* Numbers of shims go on behind those of which something is left: their shims may still be stopping. */
static uint32_t find_last_number(const char *sandboxes_folder) {
        g_autoptr(GDir) folder = g_dir_open(sandboxes_folder, 0, NULL);
        uint32_t last = 0;
        const char *name;

        while (folder && (name = g_dir_read_name(folder))) {
                guint64 number;

                if (g_ascii_string_to_unsigned(name, 10, 1, UINT32_MAX / 2, &number, NULL))
                        last = MAX(last, (uint32_t) number);
        }
        return last;
}

static int manager_make_folders(const Places *places, Error *error) {
        int r;

        r = fs_make_folders(AT_FDCWD, places->runtime_folder, 0755, error);
        if (r < 0)
                return r;
        r = fs_make_folders(AT_FDCWD, places->sandboxes_folder, 0711, error);
        if (r < 0)
                return r;
        /* Whatever our umask is. */
        if (chmod(places->runtime_folder, 0755) < 0 || chmod(places->sandboxes_folder, 0711) < 0)
                return error_set_errnof(error, errno, "Cannot set the mode of '%s'", places->runtime_folder);
        return 0;
}

/* Who is killed leaves it open at once, whatever becomes of its shims. */
static int manager_lock(Manager *manager, Error *error) {
        g_autofree char *path = g_build_filename(manager->places->runtime_folder, "lock", NULL);

        manager->lock_fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (manager->lock_fd < 0)
                return error_set_errnof(error, errno, "Cannot open '%s'", path);
        if (flock(manager->lock_fd, LOCK_EX | LOCK_NB) < 0)
                return error_setf(error, ERROR_BAD_STATE, "There is a service for '%s' already",
                                  manager->places->root);
        return 0;
}

static void log_findings(const Store *store) {
        const GPtrArray *findings = store_get_findings(store);

        for (guint i = 0; i < findings->len; i++)
                report_finding(findings->pdata[i], MESSAGE_MANIFEST_FINDING);
}

/* The unit's status. */
static char *manager_describe(const void *userdata) {
        const Manager *manager = userdata;

        return g_strdup_printf("%u sandboxes, %u spare shims, %u warnings",
                               g_hash_table_size(manager->sandboxes), pool_get_size(manager->pool),
                               manager->settings->findings->len + store_get_findings(manager->store)->len);
}

int manager_new(sd_event *event, const Places *places, Settings *settings, Manager **ret,
                Error *error) {
        g_autofree char *number_file = g_build_filename(places->runtime_folder, "last-process", NULL);
        g_autoptr(Manager) manager = g_new0(Manager, 1);
        int r;

        manager->event = sd_event_ref(event);
        manager->places = places;
        manager->settings = settings;
        manager->sandboxes = g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
                                                   (GDestroyNotify) sandbox_free);
        manager->processes = g_hash_table_new_full(NULL, NULL, NULL, (GDestroyNotify) process_free);
        manager->ids = id_pool_new(settings->ids_base, settings->ids_count);
        manager->lock_fd = -EBADF;
        manager->realm = g_strdup("");
        manager->leases = lease_pool_new(places->instance, settings);
        r = cgroup_host_new("/proc/self/mountinfo", "/proc/self/cgroup", &manager->cgroups, error);
        if (r >= 0)
                r = cgroup_host_settle(manager->cgroups, error);
        if (r < 0)
                return r;
        r = manager_make_folders(places, error);
        if (r >= 0)
                r = manager_lock(manager, error);
        if (r < 0)
                return r;
        manager->process_number = process_number_new(number_file);
        manager->store = store_load(places);
        store_compile_filters(manager->store);
        log_findings(manager->store);
        manager->host = (ShimHost){ .event = event,
                                    .places = places,
                                    .cgroups = manager->cgroups,
                                    .ids = manager->ids,
                                    .last_number = find_last_number(places->sandboxes_folder) };
        manager->pool = pool_new(&manager->host, settings->spare_shims, on_pool_drained, manager);
        manager->report = report_new(event, manager_describe, manager);
        *ret = g_steal_pointer(&manager);
        return 0;
}

void manager_free(Manager *manager) {
        if (!manager)
                return;
        manager->events = NULL;
        g_clear_pointer(&manager->report, report_free);
        g_clear_pointer(&manager->sandboxes, g_hash_table_unref);
        g_clear_pointer(&manager->adopt, adopt_free);
        g_clear_pointer(&manager->processes, g_hash_table_unref);
        g_clear_pointer(&manager->process_number, process_number_free);
        g_clear_pointer(&manager->pool, pool_free);
        g_clear_pointer(&manager->ids, id_pool_free);
        g_clear_pointer(&manager->leases, lease_pool_free);
        g_clear_pointer(&manager->store, store_unref);
        g_clear_pointer(&manager->cgroups, cgroup_host_free);
        manager->lock_fd = fd_close(manager->lock_fd);
        sd_event_unref(manager->event);
        g_free(manager->realm);
        g_free(manager);
}

void manager_set_events(Manager *manager, const ManagerEvents *events, void *userdata) {
        manager->events = events;
        manager->events_userdata = userdata;
}

sd_event *manager_get_event(const Manager *manager) {
        return manager->event;
}

const Settings *manager_get_settings(const Manager *manager) {
        return manager->settings;
}

LeasePool *manager_get_leases(const Manager *manager) {
        return manager->leases;
}

const CgroupHost *manager_get_cgroups(const Manager *manager) {
        return manager->cgroups;
}

void manager_set_realm(Manager *manager, const char *realm) {
        g_free(manager->realm);
        manager->realm = g_strdup(realm);
}

const char *manager_get_realm(const Manager *manager) {
        return manager->realm;
}

/* ---- an earlier service ---- */

static void on_adopted(void *userdata) {
        Manager *manager = userdata;

        manager->adopted(manager->adopted_userdata);
}

void manager_adopt(Manager *manager, void (*adopted)(void *userdata), void *userdata) {
        manager->adopted = adopted;
        manager->adopted_userdata = userdata;
        manager->adopt = adopt_new(manager, &manager->host, on_adopted, manager);
}

void manager_open(Manager *manager) {
        g_autoptr(GPtrArray) sandboxes = manager_list_sandboxes(manager);

        manager->is_open = true;
        for (guint i = 0; i < sandboxes->len; i++)
                sandbox_tell_untold(sandboxes->pdata[i]);
        pool_refill(manager->pool);
}

void manager_add_sandbox(Manager *manager, Sandbox *sandbox) {
        g_hash_table_insert(manager->sandboxes,
                            sandbox_key(sandbox_get_owner(sandbox), sandbox_get_name(sandbox)), sandbox);
        if (manager->events)
                manager->events->sandbox_added(manager->events_userdata, sandbox);
        report_changed(manager->report);
        if (manager->is_open && sandbox_is_adopted(sandbox))
                sandbox_tell_untold(sandbox);
}

/* ---- create ---- */

/* Also one that is in no list: of a shim that is on its way out. */
static bool manager_has_name(const Manager *manager, uid_t owner, const char *name) {
        return manager_find_sandbox(manager, owner, name) || adopt_has_name(manager->adopt, owner, name);
}

static int manager_check_limits(const Manager *manager, uid_t owner, Error *error) {
        unsigned n_own = 0;
        GHashTableIter iter;
        gpointer sandbox;

        if (g_hash_table_size(manager->sandboxes) >= manager->settings->sandboxes_max)
                return error_setf(error, ERROR_LIMIT_REACHED, "There are %u sandboxes (MaxSandboxes=)",
                                  g_hash_table_size(manager->sandboxes));
        if (owner == 0) /* who could change the limit need not be held by it */
                return 0;
        g_hash_table_iter_init(&iter, manager->sandboxes);
        while (g_hash_table_iter_next(&iter, NULL, &sandbox))
                n_own += sandbox_get_owner(sandbox) == owner;
        if (n_own >= manager->settings->sandboxes_per_user_max)
                return error_setf(error, ERROR_LIMIT_REACHED,
                                  "User %u has %u sandboxes (MaxSandboxesPerUser=)", (unsigned) owner, n_own);
        return 0;
}

/* The name that was asked for, if it is one and free, or a new one. Caller frees. */
static int manager_choose_name(Manager *manager, const SandboxRequest *request, char **ret, Error *error) {
        g_autofree char *name = g_strdup(request->name);

        while (!*name || (!*request->name && manager_has_name(manager, request->caller->uid, name))) {
                g_free(name);
                name = g_strdup_printf("sandbox-%u", ++manager->last_generated);
        }
        if (!sandbox_name_is_valid(name)) {
                uid_t owner;
                g_autofree char *ignored = NULL;

                /* It is no name even where "uid:" may stand in front: the reason is the same. */
                if (sandbox_name_parse(UINT32_MAX, name, &owner, &ignored, error) < 0)
                        return -EINVAL;
        }
        if (manager_has_name(manager, request->caller->uid, name))
                return error_setf(error, ERROR_SANDBOX_EXISTS, "There is a sandbox '%s' already", name);
        *ret = g_steal_pointer(&name);
        return 0;
}

static int manager_find_template(const Manager *manager, const SandboxRequest *request, Template **ret,
                                 Error *error) {
        const char *name = request->template_name ?: manager->settings->default_template;
        Template *template;
        int r;

        r = policy_check_template(manager->settings, request->caller, name, error);
        if (r < 0)
                return r;
        template = store_find_template(manager->store, name);
        if (!template)
                return error_setf(error, ERROR_INVALID_ARGS, "There is no template '%.64s'", name);
        *ret = template;
        return 0;
}

/* Root may do everything that the settings do not forbid to all. */
static int manager_check_privileges(const Manager *manager, const Spec *spec, Error *error) {
        g_auto(GStrv) privileges = spec_list_privileges(spec);

        if (!privileges[0] || manager->settings->allow_privileged)
                return 0;
        return error_setf(error, ERROR_ACCESS_DENIED,
                          "Template '%s' has %s, which needs AllowPrivileged=yes in bulkhead.conf",
                          spec->template_name, privileges[0]);
}

/* What is wanted: capabilities and mounts by hand, as far as the caller may ask for them. */
static int manager_plan(Manager *manager, const SandboxRequest *request, GPtrArray **ret_capabilities,
                        Plan *plan, Error *error) {
        g_autoptr(GPtrArray) capabilities = NULL;
        int r;

        r = store_resolve(manager->store, request->capabilities, &capabilities, error);
        if (r >= 0)
                r = policy_check_capabilities(manager->settings, request->caller, capabilities, error);
        if (r >= 0)
                r = capabilities_plan(capabilities, plan, error);
        for (guint i = 0; r >= 0 && i < request->mounts->len; i++)
                r = mount_authorize(request->mounts->pdata[i], manager->settings, request->caller, error);
        if (r >= 0)
                r = mounts_add_to_plan(request->mounts, plan, error);
        if (r < 0)
                return r;
        *ret_capabilities = g_steal_pointer(&capabilities);
        return 0;
}

/* Everything that can be refused without touching the system. */
static int manager_prepare(Manager *manager, const SandboxRequest *request, Sandbox **ret, Error *error) {
        g_autoptr(GPtrArray) capabilities = NULL;
        g_autoptr(Sandbox) sandbox = NULL;
        g_autoptr(Plan) plan = plan_new();
        g_autoptr(Spec) spec = spec_new();
        g_autofree char *name = NULL;
        Template *template = NULL;
        int r;

        r = policy_check_caller(manager->settings, request->caller, error);
        if (r >= 0)
                r = manager_choose_name(manager, request, &name, error);
        if (r >= 0)
                r = manager_check_limits(manager, request->caller->uid, error);
        if (r >= 0)
                r = manager_find_template(manager, request, &template, error);
        if (r >= 0)
                r = manager_plan(manager, request, &capabilities, plan, error);
        if (r < 0)
                return r;
        template_fill_spec(template, spec);
        r = template_fill_filters(template, spec, error);
        if (r >= 0)
                r = manager_check_privileges(manager, spec, error);
        if (r < 0)
                return r;
        spec->id_count = ID_RANGE_COUNT;
        spec->owner = request->caller->uid;
        settings_get_session(manager->settings, spec->owner, &spec->session);
        spec->hostname = g_strdup(request->hostname ?: name);
        spec->state_folder = g_strdup(manager->places->state_folder);
        spec->environment = request->environment ? g_strdupv(request->environment) : g_new0(char *, 1);
        spec->name = g_steal_pointer(&name);
        sandbox = sandbox_new(manager, request, g_steal_pointer(&spec), g_steal_pointer(&capabilities),
                              g_steal_pointer(&plan));
        r = sandbox_take_lease(sandbox, sandbox->plan, error);
        if (r < 0)
                return r;
        *ret = g_steal_pointer(&sandbox);
        return 0;
}

static void manager_report_refusal(const Manager *manager, const SandboxRequest *request, const Error *error) {
        g_autoptr(GPtrArray) capabilities = NULL;
        const char *gateway = NULL;

        if (store_resolve(manager->store, request->capabilities, &capabilities, NULL) >= 0)
                gateway = capabilities_find_gateway(capabilities, error->file, error->line);
        (void) report_refusal(request->name, request->capabilities, gateway, error);
}

int manager_create(Manager *manager, const SandboxRequest *request, SandboxDone created, void *userdata,
                   Sandbox **ret, Error *error) {
        g_autoptr(Sandbox) sandbox = NULL;
        g_auto(Error) failure = ERROR_NULL;
        ShimClient *shim;
        int r;

        if (manager->leaving || !manager->is_open)
                return error_setf(error, ERROR_BAD_STATE, "The service is %s",
                                  manager->leaving ? "stopping" : "starting");
        r = manager_prepare(manager, request, &sandbox, &failure);
        if (r < 0) {
                manager_report_refusal(manager, request, &failure);
                return error_move(error, &failure);
        }
        shim = pool_take(manager->pool, &sandbox_shim_events, sandbox);
        if (!shim) {
                r = shim_client_spawn(&manager->host, &sandbox_shim_events, sandbox, &shim, error);
                if (r < 0)
                        return r;
        }
        sandbox->spec->id_base = shim_client_get_id_base(shim);
        manager_add_sandbox(manager, sandbox);
        sandbox_start(sandbox, shim, created, userdata);
        *ret = g_steal_pointer(&sandbox);
        return 0;
}

void manager_forget_sandbox(Manager *manager, Sandbox *sandbox) {
        g_autofree char *key = sandbox_key(sandbox_get_owner(sandbox), sandbox_get_name(sandbox));
        gpointer stolen_key = NULL;
        GHashTableIter iter;
        gpointer process;

        g_hash_table_iter_init(&iter, manager->processes);
        while (g_hash_table_iter_next(&iter, NULL, &process))
                if (process_get_sandbox(process) == sandbox)
                        process_leave_sandbox(process);
        (void) g_hash_table_steal_extended(manager->sandboxes, key, &stolen_key, NULL);
        g_free(stolen_key);
        report_changed(manager->report);
        if (manager->events)
                manager->events->sandbox_removed(manager->events_userdata, sandbox);
}

/* What is half made, and does not resist its removal. */
static unsigned manager_count_ending(const Manager *manager) {
        GHashTableIter iter;
        gpointer value;
        unsigned n = 0;

        g_hash_table_iter_init(&iter, manager->sandboxes);
        while (g_hash_table_iter_next(&iter, NULL, &value)) {
                const Sandbox *sandbox = value;

                n += !sandbox->is_kept && !sandbox->is_stuck;
        }
        return n;
}

void manager_settle(Manager *manager) {
        if (!manager->leaving) {
                pool_refill(manager->pool);
                return;
        }
        if (manager->settled && manager_count_ending(manager) == 0 && pool_is_empty(manager->pool)) {
                void (*settled)(void *userdata) = manager->settled;

                manager->settled = NULL;
                settled(manager->settled_userdata);
        }
}

void manager_tell_changed(Manager *manager, Sandbox *sandbox, SandboxChanges changes) {
        /* What was taken from the pool is replaced when nobody waits for it any more. */
        if (!manager->leaving && sandbox_get_state(sandbox) != SANDBOX_CREATING)
                pool_refill(manager->pool);
        if (manager->events)
                manager->events->sandbox_changed(manager->events_userdata, sandbox, changes);
}

void manager_tell_denied(Manager *manager, Sandbox *sandbox, const ShimDenied *denied) {
        if (manager->events)
                manager->events->sandbox_denied(manager->events_userdata, sandbox, denied);
}

/* ---- processes ---- */

Process *manager_add_process(Manager *manager, Sandbox *sandbox, char *const *argv, bool has_terminal) {
        uint32_t number;
        Process *process;

        do
                number = process_number_next(manager->process_number);
        while (manager_has_process(manager, number));
        process = process_new(sandbox, number, argv, has_terminal);
        g_hash_table_insert(manager->processes, GUINT_TO_POINTER(number), process);
        return process;
}

Process *manager_restore_process(Manager *manager, Sandbox *sandbox, const ShimKeptRun *run) {
        Process *process = process_new(sandbox, run->run, run->argv, run->has_terminal);

        g_hash_table_insert(manager->processes, GUINT_TO_POINTER(run->run), process);
        return process;
}

bool manager_has_process(const Manager *manager, uint32_t number) {
        return g_hash_table_contains(manager->processes, GUINT_TO_POINTER(number));
}

int manager_check_terminals(const Manager *manager, uid_t owner, Error *error) {
        GHashTableIter iter;
        gpointer process;
        unsigned n = 0;

        g_hash_table_iter_init(&iter, manager->processes);
        while (g_hash_table_iter_next(&iter, NULL, &process))
                n += process_get_owner(process) == owner && process_has_terminal(process);
        if (n >= TERMINALS_MAX)
                return error_setf(error, ERROR_LIMIT_REACHED, "Programs of user %u have %u terminals",
                                  (unsigned) owner, n);
        return 0;
}

void manager_tell_process_added(Manager *manager, Process *process) {
        if (manager->events)
                manager->events->process_added(manager->events_userdata, process);
}

void manager_tell_process_exited(Manager *manager, Process *process) {
        if (manager->events)
                manager->events->process_exited(manager->events_userdata, process);
}

void manager_forget_process(Manager *manager, Process *process) {
        Sandbox *sandbox = process_get_sandbox(process);

        if (sandbox)
                shim_client_forget(sandbox->shim, process_get_number(process));
        if (manager->events && process_get_state(process) != PROCESS_STARTING)
                manager->events->process_removed(manager->events_userdata, process);
        (void) g_hash_table_remove(manager->processes, GUINT_TO_POINTER(process_get_number(process)));
}

/* ---- reading ---- */

Sandbox *manager_find_sandbox(const Manager *manager, uid_t owner, const char *name) {
        g_autofree char *key = sandbox_key(owner, name);

        return g_hash_table_lookup(manager->sandboxes, key);
}

Sandbox *manager_find_sandbox_by_pid(const Manager *manager, pid_t pid) {
        uint32_t number = usage_find_box(manager->cgroups, manager->places->cgroup_parent, pid);
        g_autofree char *cgroup = g_strdup_printf("%s/%u", manager->places->cgroup_parent, number);
        GHashTableIter iter;
        gpointer value;

        g_hash_table_iter_init(&iter, manager->sandboxes);
        while (number > 0 && g_hash_table_iter_next(&iter, NULL, &value)) {
                Sandbox *sandbox = value;

                if (sandbox->shim && strcmp(shim_client_get_cgroup(sandbox->shim), cgroup) == 0)
                        return sandbox;
        }
        return NULL;
}

Process *manager_find_process(const Manager *manager, uint32_t number) {
        Process *process = g_hash_table_lookup(manager->processes, GUINT_TO_POINTER(number));

        return process && process_get_state(process) != PROCESS_STARTING ? process : NULL;
}

static int compare_sandboxes(gconstpointer a, gconstpointer b) {
        const Sandbox *left = *(Sandbox *const *) a, *right = *(Sandbox *const *) b;
        uid_t left_owner = sandbox_get_owner(left), right_owner = sandbox_get_owner(right);

        if (left_owner != right_owner)
                return left_owner < right_owner ? -1 : 1;
        return strcmp(sandbox_get_name(left), sandbox_get_name(right));
}

GPtrArray *manager_list_sandboxes(const Manager *manager) {
        GPtrArray *list = g_ptr_array_sized_new(g_hash_table_size(manager->sandboxes));
        GHashTableIter iter;
        gpointer sandbox;

        g_hash_table_iter_init(&iter, manager->sandboxes);
        while (g_hash_table_iter_next(&iter, NULL, &sandbox))
                g_ptr_array_add(list, sandbox);
        g_ptr_array_sort(list, compare_sandboxes);
        return list;
}

static int compare_processes(gconstpointer a, gconstpointer b) {
        uint32_t left = process_get_number(*(Process *const *) a),
                 right = process_get_number(*(Process *const *) b);

        return left < right ? -1 : left > right;
}

GPtrArray *manager_list_processes(const Manager *manager) {
        GPtrArray *list = g_ptr_array_sized_new(g_hash_table_size(manager->processes));
        GHashTableIter iter;
        gpointer process;

        g_hash_table_iter_init(&iter, manager->processes);
        while (g_hash_table_iter_next(&iter, NULL, &process))
                if (process_get_state(process) != PROCESS_STARTING)
                        g_ptr_array_add(list, process);
        g_ptr_array_sort(list, compare_processes);
        return list;
}

guint manager_count_sandboxes(const Manager *manager) {
        return g_hash_table_size(manager->sandboxes);
}

guint manager_count_spares(const Manager *manager) {
        return pool_get_size(manager->pool);
}

/* ---- store ---- */

void manager_set_ready(Manager *manager) {
        report_ready(manager->report);
}

void manager_reload(Manager *manager) {
        Store *store;

        report_reloading(manager->report);
        store = store_load(manager->places);
        store_unref(manager->store);
        manager->store = store;
        store_compile_filters(store);
        log_findings(store);
        settings_reload(manager->settings);
        for (guint i = 0; i < manager->settings->findings->len; i++)
                report_finding(manager->settings->findings->pdata[i], MESSAGE_SETTINGS_FINDING);
        log_info("Reloaded manifests, templates and policies");
        report_ready(manager->report);
}

const Store *manager_get_store(const Manager *manager) {
        return manager->store;
}

GPtrArray *manager_get_warnings(const Manager *manager) {
        GPtrArray *warnings = g_ptr_array_new_with_free_func(g_free);
        const GPtrArray *findings = store_get_findings(manager->store);
        g_autoptr(GPtrArray) sandboxes = manager_list_sandboxes(manager);

        for (guint i = 0; i < manager->settings->findings->len; i++)
                g_ptr_array_add(warnings, finding_format(manager->settings->findings->pdata[i]));
        for (guint i = 0; i < findings->len; i++)
                g_ptr_array_add(warnings, finding_format(findings->pdata[i]));
        for (guint i = 0; i < sandboxes->len; i++) {
                const Sandbox *sandbox = sandboxes->pdata[i];

                if (sandbox->is_strange)
                        g_ptr_array_add(warnings,
                                        g_strdup_printf("Sandbox '%s' of user %u is left to its shim: %s",
                                                        sandbox_get_name(sandbox),
                                                        (unsigned) sandbox_get_owner(sandbox),
                                                        sandbox_get_state_reason(sandbox)));
        }
        return warnings;
}

char **manager_get_gateways(const Manager *manager G_GNUC_UNUSED) {
        g_autoptr(GPtrArray) ids = g_ptr_array_new();
        const GatewayOps *gateway;

        for (size_t i = 0; (gateway = gateway_get(i)); i++)
                g_ptr_array_add(ids, g_strdup(gateway->id));
        g_ptr_array_add(ids, NULL);
        return (char **) g_ptr_array_steal(ids, NULL);
}

/* ---- end ---- */

void manager_leave(Manager *manager, void (*settled)(void *userdata), void *userdata) {
        g_autoptr(GPtrArray) sandboxes = manager_list_sandboxes(manager);

        manager->leaving = true;
        manager->settled = settled;
        manager->settled_userdata = userdata;
        for (guint i = 0; i < sandboxes->len; i++) {
                Sandbox *sandbox = sandboxes->pdata[i];

                if (!sandbox->is_kept)
                        sandbox_stop(sandbox, 0, NULL, NULL);
        }
        pool_drain(manager->pool);
        manager_settle(manager);
}
