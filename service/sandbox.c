/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "service/sandbox.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>

#include "capabilities/capability.h"
#include "service/id-pool.h"
#include "service/manager-private.h"
#include "service/policy.h"
#include "service/process-private.h"
#include "service/report.h"
#include "service/sandbox-private.h"
#include "service/sandbox-record.h"
#include "util/cleanup.h"
#include "util/limits.h"
#include "util/log.h"

typedef struct Waiter {
        SandboxDone gone;
        void *userdata;
} Waiter;

typedef struct Run {
        Sandbox *sandbox; /* not owned; it outlives the request */
        Process *process; /* not owned; it stays while it is starting */
        SandboxRan ran;
        void *userdata;
} Run;

/* One that may be told now. */
static void sandbox_tell_denied(void *userdata, const ShimDenied *denied) {
        Sandbox *sandbox = userdata;

        report_denied(sandbox->spec->name, denied);
        manager_tell_denied(sandbox->manager, sandbox, denied);
}

Sandbox *sandbox_alloc(Manager *manager, Spec *spec) {
        Sandbox *sandbox = g_new0(Sandbox, 1);

        sandbox->manager = manager;
        sandbox->spec = spec;
        sandbox->timings = shim_timings_new();
        sandbox->untold = g_array_new(FALSE, FALSE, sizeof(ShimExited));
        sandbox->processes = g_hash_table_new(NULL, NULL);
        sandbox->waiters = g_array_new(FALSE, FALSE, sizeof(Waiter));
        g_queue_init(&sandbox->changes);
        sandbox->denials = denials_new(manager_get_event(manager), sandbox_tell_denied, sandbox);
        sandbox->pending = g_new0(char *, 1);
        sandbox->mechanisms = g_new0(char *, 1);
        sandbox->addresses = g_new0(char *, 1);
        return sandbox;
}

Sandbox *sandbox_new(Manager *manager, const SandboxRequest *request, Spec *spec, GPtrArray *capabilities,
                     Plan *plan) {
        Sandbox *sandbox = sandbox_alloc(manager, spec);

        sandbox->client = g_strdup(request->client);
        sandbox->bind_to_caller = request->bind_to_caller;
        sandbox->labels = g_hash_table_ref(request->labels);
        sandbox->created_usec = (uint64_t) g_get_real_time();
        sandbox->created_monotonic_usec = (uint64_t) g_get_monotonic_time();
        sandbox->capabilities = capabilities;
        sandbox->mounts = g_ptr_array_ref(request->mounts);
        sandbox->plan = plan;
        return sandbox;
}

void sandbox_free(Sandbox *sandbox) {
        if (!sandbox)
                return;
        shim_client_leave(sandbox->shim);
        sandbox_give_back_lease(sandbox);
        g_hash_table_unref(sandbox->processes);
        g_array_unref(sandbox->untold);
        g_array_unref(sandbox->waiters);
        g_array_unref(sandbox->timings);
        g_clear_pointer(&sandbox->capabilities, g_ptr_array_unref);
        g_clear_pointer(&sandbox->mounts, g_ptr_array_unref);
        plan_free(sandbox->plan);
        spec_free(sandbox->spec);
        g_clear_pointer(&sandbox->labels, g_hash_table_unref);
        denials_free(sandbox->denials);
        g_strfreev(sandbox->pending);
        g_strfreev(sandbox->mechanisms);
        g_strfreev(sandbox->addresses);
        g_free(sandbox->client);
        g_free(sandbox->state_reason);
        error_done(&sandbox->failure);
        g_free(sandbox);
}

void sandbox_set_state(Sandbox *sandbox, SandboxState state, const char *reason) {
        g_assert(sandbox_state_is_next(sandbox->state, state));
        sandbox->state = state;
        g_free(sandbox->state_reason);
        sandbox->state_reason = g_strdup(reason);
        manager_tell_changed(sandbox->manager, sandbox, SANDBOX_CHANGED_STATE);
}

int sandbox_check_state(const Sandbox *sandbox, SandboxState wanted, Error *error) {
        if (sandbox->state == wanted)
                return 0;
        return error_setf(error, ERROR_BAD_STATE, "Sandbox '%s' is %s, not %s", sandbox->spec->name,
                          sandbox_state_to_string(sandbox->state), sandbox_state_to_string(wanted));
}

void sandbox_add_timing(Sandbox *sandbox, const char *step, uint64_t since_usec) {
        uint64_t usec = (uint64_t) g_get_monotonic_time() - since_usec;

        for (guint i = 0; i < sandbox->timings->len; i++) {
                const ShimTiming *timing = &g_array_index(sandbox->timings, ShimTiming, i);

                if (strcmp(timing->step, step) == 0) {
                        g_array_remove_index(sandbox->timings, i);
                        break;
                }
        }
        shim_timings_add(sandbox->timings, step, usec);
}

/* ---- what the next service must know ---- */

int sandbox_pack_record(const Sandbox *sandbox, GPtrArray *capabilities, GPtrArray *mounts, GBytes **ret,
                        Error *error) {
        SandboxRecord record = { .client = sandbox->client,
                                 .realm = (char *) manager_get_realm(sandbox->manager),
                                 .bind_to_caller = sandbox->bind_to_caller,
                                 .created_usec = sandbox->created_usec,
                                 .created_monotonic_usec = sandbox->created_monotonic_usec,
                                 .labels = sandbox->labels,
                                 .timings = sandbox->timings,
                                 .capabilities = capabilities,
                                 .mounts = mounts,
                                 .last_mount = sandbox->last_mount,
                                 .has_lease = sandbox->has_lease,
                                 .lease = sandbox->lease };

        return sandbox_record_pack(&record, ret, error);
}

void sandbox_keep_record(Sandbox *sandbox) {
        g_autoptr(GBytes) record = NULL;
        g_auto(Error) error = ERROR_NULL;

        if (!sandbox->is_kept)
                return;
        if (sandbox_pack_record(sandbox, sandbox->capabilities, sandbox->mounts, &record, &error) < 0)
                log_failure(LOG_WARNING, &error, "Sandbox '%s'", sandbox->spec->name);
        else
                shim_client_record(sandbox->shim, sandbox->ends_with, record);
}

void sandbox_hold(Sandbox *sandbox) {
        sandbox->is_held = true;
}

void sandbox_commit(Sandbox *sandbox) {
        sandbox->is_held = false;
        sandbox->is_kept = true;
        sandbox_keep_record(sandbox);
}

void sandbox_set_terminal_opened(Sandbox *sandbox, uint32_t process) {
        shim_client_set_terminal_opened(sandbox->shim, process);
}

/* ---- start ---- */

static void sandbox_fail_start(Sandbox *sandbox, const Error *error) {
        if (sandbox->state != SANDBOX_CREATING)
                return; /* its end is under way, and has its reason */
        (void) error_setf(&sandbox->failure, error->code, "%s", error->message);
        (void) error_set_place(&sandbox->failure, error_get_errno(error), error->file, error->line,
                               error->column, error->path);
        sandbox->failure.errnum = error->errnum;
        sandbox_set_state(sandbox, SANDBOX_STOPPING, error->message);
        shim_client_stop(sandbox->shim, sandbox->spec->stop_timeout_usec);
}

static void sandbox_become_ready(Sandbox *sandbox) {
        SandboxDone created = sandbox->created;

        sandbox_add_timing(sandbox, "total", sandbox->created_monotonic_usec);
        sandbox_set_state(sandbox, SANDBOX_READY, NULL);
        report_sandbox_started(sandbox->spec->name);
        sandbox->created = NULL;
        if (!sandbox->is_held)
                sandbox_commit(sandbox);
        created(sandbox->created_userdata, NULL);
}

static void on_first_applied(void *userdata, const Error *error) {
        Sandbox *sandbox = userdata;

        if (error || sandbox->state != SANDBOX_CREATING) {
                if (error)
                        sandbox_fail_start(sandbox, error);
                return;
        }
        sandbox_add_timing(sandbox, "apply", sandbox->step_usec);
        sandbox_become_ready(sandbox);
}

static void on_started(void *userdata, const Error *error) {
        Sandbox *sandbox = userdata;

        if (error || sandbox->state != SANDBOX_CREATING) {
                if (error)
                        sandbox_fail_start(sandbox, error);
                return;
        }
        if (plan_get_size(sandbox->plan) == 0) {
                sandbox_become_ready(sandbox);
                return;
        }
        sandbox->step_usec = (uint64_t) g_get_monotonic_time();
        sandbox_send_lease(sandbox);
        shim_client_apply(sandbox->shim, sandbox->plan, &(ShimApply){ .fd = -EBADF }, on_first_applied,
                          sandbox);
}

void sandbox_start(Sandbox *sandbox, ShimClient *shim, SandboxDone created, void *userdata) {
        g_autoptr(GBytes) record = NULL;
        g_auto(Error) error = ERROR_NULL;

        sandbox->shim = shim;
        sandbox->created = created;
        sandbox->created_userdata = userdata;
        sandbox_add_timing(sandbox, "spawn", sandbox->created_monotonic_usec);
        shim_client_start(shim, sandbox->spec, on_started, sandbox);
        /* While the shim is busy: what could not be kept later is refused now. */
        if (sandbox_pack_record(sandbox, sandbox->capabilities, sandbox->mounts, &record, &error) < 0)
                sandbox_fail_start(sandbox, &error);
}

/* ---- what the shim tells unasked ---- */

static void on_timings(void *userdata, const GArray *timings) {
        Sandbox *sandbox = userdata;

        for (guint i = 0; i < timings->len; i++) {
                const ShimTiming *timing = &g_array_index(timings, ShimTiming, i);

                shim_timings_add(sandbox->timings, timing->step, timing->usec);
        }
}

static void on_leader(void *userdata, pid_t pid) {
        Sandbox *sandbox = userdata;

        sandbox->leader = pid;
}

static void on_denied(void *userdata, const ShimDenied *denied) {
        Sandbox *sandbox = userdata;

        denials_add(sandbox->denials, denied);
}

static void on_mechanisms(void *userdata, char **texts) {
        Sandbox *sandbox = userdata;

        g_strfreev(sandbox->mechanisms);
        sandbox->mechanisms = texts;
}

static void on_pending(void *userdata, char **names) {
        Sandbox *sandbox = userdata;

        g_strfreev(sandbox->pending);
        sandbox->pending = names;
        manager_tell_changed(sandbox->manager, sandbox, SANDBOX_CHANGED_PENDING);
}

static void on_addresses(void *userdata, char **addresses) {
        Sandbox *sandbox = userdata;

        g_strfreev(sandbox->addresses);
        sandbox->addresses = addresses;
        manager_tell_changed(sandbox->manager, sandbox, SANDBOX_CHANGED_ADDRESSES);
}

static void sandbox_end_process(Sandbox *sandbox, Process *process, ShimExitReason reason, int status) {
        (void) g_hash_table_remove(sandbox->processes, GUINT_TO_POINTER(process_get_number(process)));
        process_set_ended(process, reason, status);
        manager_tell_process_exited(sandbox->manager, process);
        shim_client_set_told(sandbox->shim, process_get_number(process));
}

void sandbox_tell_exit(Sandbox *sandbox, const ShimExited *exited) {
        Process *process = g_hash_table_lookup(sandbox->processes, GUINT_TO_POINTER(exited->run));

        if (!process || process_get_state(process) != PROCESS_RUNNING) {
                log_debug("Sandbox '%s' tells the end of process %u, which it does not have",
                          sandbox->spec->name, exited->run);
                shim_client_set_told(sandbox->shim, exited->run);
                return;
        }
        sandbox_end_process(sandbox, process, exited->reason, exited->status);
        if (exited->run == sandbox->ends_with)
                sandbox_stop(sandbox, 0, NULL, NULL);
}

static void on_exited(void *userdata, const ShimExited *exited) {
        sandbox_tell_exit(userdata, exited);
}

static void sandbox_report_failed(const Sandbox *sandbox, const Error *error) {
        report_sandbox_failed(sandbox->spec->name,
                              capabilities_find_gateway(sandbox->capabilities, error->file, error->line), error);
}

static void on_gone(void *userdata, const Error *reason) {
        Sandbox *sandbox = userdata;

        if (sandbox->is_strange)
                return; /* it has failed already */
        if (sandbox->state == SANDBOX_CREATING)
                (void) error_copy(&sandbox->failure, reason);
        else
                sandbox_report_failed(sandbox, reason);
        sandbox_set_state(sandbox, SANDBOX_FAILED, reason->message);
        sandbox_fail_changes(sandbox);
}

/* Whoever waits for its creation or its end is answered; @error: why it is not gone. */
static void sandbox_answer_all(Sandbox *sandbox, const Error *error) {
        g_autoptr(GArray) waiters = g_steal_pointer(&sandbox->waiters);

        sandbox->waiters = g_array_new(FALSE, FALSE, sizeof(Waiter));
        if (sandbox->created) {
                SandboxDone created = sandbox->created;

                sandbox->created = NULL;
                sandbox_report_failed(sandbox, &sandbox->failure);
                created(sandbox->created_userdata, &sandbox->failure);
        }
        for (guint i = 0; i < waiters->len; i++) {
                const Waiter *waiter = &g_array_index(waiters, Waiter, i);

                waiter->gone(waiter->userdata, error);
        }
}

static void on_stuck(void *userdata, const Error *reason) {
        Sandbox *sandbox = userdata;
        g_auto(Error) error = ERROR_NULL;

        (void) error_setf(&error, ERROR_TIMEOUT, "Not all of sandbox '%s' is gone: %s", sandbox->spec->name,
                          reason->message);
        sandbox->is_stuck = true;
        sandbox_answer_all(sandbox, &error);
        manager_settle(sandbox->manager);
}

/* Nothing is left of it. */
static void on_ended(void *userdata) {
        g_autoptr(Sandbox) sandbox = userdata;
        g_autoptr(GList) lost = g_hash_table_get_values(sandbox->processes);

        for (GList *at = lost; at; at = at->next) {
                Process *process = at->data;

                if (process_get_state(process) == PROCESS_RUNNING)
                        sandbox_end_process(sandbox, process, SHIM_EXIT_LOST, 0);
        }
        manager_forget_sandbox(sandbox->manager, sandbox);
        sandbox_answer_all(sandbox, NULL);
        manager_settle(sandbox->manager);
}

const ShimClientEvents sandbox_shim_events = {
        .timings = on_timings,
        .leader = on_leader,
        .exited = on_exited,
        .denied = on_denied,
        .pending = on_pending,
        .mechanisms = on_mechanisms,
        .addresses = on_addresses,
        .gone = on_gone,
        .stuck = on_stuck,
        .ended = on_ended,
};

/* ---- programs ---- */

static void on_ran(void *userdata, pid_t pid, int terminal_fd, const Error *error) {
        g_autofree Run *run = userdata;
        Process *process = run->process;

        if (error) {
                (void) fd_close(terminal_fd);
                (void) g_hash_table_remove(run->sandbox->processes,
                                           GUINT_TO_POINTER(process_get_number(process)));
                manager_forget_process(run->sandbox->manager, process);
                run->ran(run->userdata, NULL, error);
                return;
        }
        process_set_running(process, pid, terminal_fd);
        manager_tell_process_added(run->sandbox->manager, process);
        run->ran(run->userdata, process, NULL);
}

/* Fills @ret with @request's descriptors; *ret_null is /dev/null if it is among them. */
static int run_open_fds(const RunRequest *request, int ret[3], int *ret_null, Error *error) {
        for (unsigned i = 0; i < 3; i++) {
                ret[i] = request->fds[i];
                if (ret[i] < 0 && *ret_null < 0)
                        *ret_null = open("/dev/null", O_RDWR | O_CLOEXEC | O_NOCTTY);
                if (ret[i] < 0)
                        ret[i] = *ret_null;
                if (ret[i] < 0)
                        return error_set_errnof(error, errno, "Cannot open /dev/null");
        }
        return 0;
}

/* What the template says of programs that are run. */
static int run_complete(const Sandbox *sandbox, RunRequest *request, Error *error) {
        const Spec *spec = sandbox->spec;

        if (!request->run.working_directory)
                request->run.working_directory = g_strdup(spec->working_directory);
        if (request->run.argv && request->run.argv[0])
                return 0;
        if (!spec->command || !spec->command[0])
                return error_setf(error, ERROR_INVALID_ARGS,
                                  "No program to run: argv is empty, and template '%s' has no Command=",
                                  spec->template_name);
        return run_request_set_argv(request, spec->command, error);
}

int sandbox_run(Sandbox *sandbox, RunRequest *request, SandboxRan ran, void *userdata, Error *error) {
        autofd int null_fd = -EBADF;
        int fds[3] = { -EBADF, -EBADF, -EBADF };
        int r;

        r = sandbox_check_state(sandbox, SANDBOX_READY, error);
        if (r < 0)
                return r;
        if (sandbox_is_freezing(sandbox))
                return error_setf(error, ERROR_BAD_STATE, "Sandbox '%s' is being frozen or thawed",
                                  sandbox->spec->name);
        if (g_hash_table_size(sandbox->processes) >= RUNS_MAX)
                return error_setf(error, ERROR_LIMIT_REACHED, "Sandbox '%s' has %d programs",
                                  sandbox->spec->name, RUNS_MAX);
        r = run_complete(sandbox, request, error);
        if (r < 0)
                return r;
        r = policy_check_run(manager_get_settings(sandbox->manager), request->caller, &request->run,
                             sandbox->spec, error);
        if (r >= 0 && request->run.terminal)
                r = manager_check_terminals(sandbox->manager, sandbox_get_owner(sandbox), error);
        else if (r >= 0)
                r = run_open_fds(request, fds, &null_fd, error);
        if (r < 0)
                return r;

        Process *process = manager_add_process(sandbox->manager, sandbox, request->run.argv,
                                               request->run.terminal);
        Run *run = g_new0(Run, 1);

        *run = (Run){ .sandbox = sandbox, .process = process, .ran = ran, .userdata = userdata };
        request->run.run = process_get_number(process);
        g_hash_table_insert(sandbox->processes, GUINT_TO_POINTER(request->run.run), process);
        shim_client_run(sandbox->shim, &request->run, fds, on_ran, run);
        return 0;
}

void sandbox_end_with(Sandbox *sandbox, Process *process) {
        sandbox->ends_with = process_get_number(process);
        if (process_get_state(process) == PROCESS_ENDED)
                sandbox_stop(sandbox, 0, NULL, NULL);
}

int sandbox_signal(Sandbox *sandbox, uint32_t run, int signal, SandboxDone done, void *userdata,
                   Error *error) {
        if (signal < 1 || signal > SIGRTMAX)
                return error_setf(error, ERROR_INVALID_ARGS, "Signal %d is not a number from 1 to %d", signal,
                                  SIGRTMAX);
        if (sandbox->state != SANDBOX_FROZEN) {
                int r = sandbox_check_state(sandbox, SANDBOX_READY, error);

                if (r < 0)
                        return r;
        }
        shim_client_signal(sandbox->shim, run, signal, done, userdata);
        return 0;
}

int sandbox_get_namespaces(Sandbox *sandbox, SandboxNamespaces done, void *userdata, Error *error) {
        if (sandbox->state != SANDBOX_FROZEN) {
                int r = sandbox_check_state(sandbox, SANDBOX_READY, error);

                if (r < 0)
                        return r;
        }
        shim_client_get_namespaces(sandbox->shim, done, userdata);
        return 0;
}

int sandbox_snapshot(Sandbox *sandbox, int fd, SandboxDone done, void *userdata, Error *error) {
        int flags = fcntl(fd, F_GETFL);

        if (sandbox->state != SANDBOX_FROZEN) {
                int r = sandbox_check_state(sandbox, SANDBOX_READY, error);

                if (r < 0)
                        return r;
        }
        if (flags < 0)
                return error_set_errnof(error, errno, "Cannot look at the descriptor of the file");
        if (flags & O_PATH || (flags & O_ACCMODE) == O_RDONLY)
                return error_setf(error, ERROR_INVALID_ARGS, "The descriptor of the file is not open for writing");
        shim_client_snapshot(sandbox->shim, fd, done, userdata);
        return 0;
}

/* ---- stop ---- */

void sandbox_stop(Sandbox *sandbox, uint64_t usec, SandboxDone gone, void *userdata) {
        Waiter waiter = { .gone = gone, .userdata = userdata };

        if (gone)
                g_array_append_val(sandbox->waiters, waiter);
        if (sandbox->state == SANDBOX_FAILED && !sandbox->is_strange)
                return; /* it goes by itself */
        if (sandbox->state == SANDBOX_CREATING)
                (void) error_setf(&sandbox->failure, ERROR_BAD_STATE,
                                  "Sandbox '%s' was stopped while it was created", sandbox->spec->name);
        if (sandbox->state != SANDBOX_STOPPING && !sandbox->is_strange) {
                sandbox_set_state(sandbox, SANDBOX_STOPPING, NULL);
                sandbox_fail_changes(sandbox);
        }
        shim_client_stop(sandbox->shim, usec > 0 ? usec : sandbox->spec->stop_timeout_usec);
}

/* ---- reading ---- */

Manager *sandbox_get_manager(const Sandbox *sandbox) {
        return sandbox->manager;
}

const char *sandbox_get_name(const Sandbox *sandbox) {
        return sandbox->spec->name;
}

uid_t sandbox_get_owner(const Sandbox *sandbox) {
        return sandbox->spec->owner;
}

const char *sandbox_get_client(const Sandbox *sandbox) {
        return sandbox->client;
}

const char *sandbox_get_template(const Sandbox *sandbox) {
        return sandbox->spec->template_name;
}

bool sandbox_is_bound_to_client(const Sandbox *sandbox) {
        return sandbox->bind_to_caller;
}

bool sandbox_is_adopted(const Sandbox *sandbox) {
        return sandbox->is_adopted;
}

SandboxState sandbox_get_state(const Sandbox *sandbox) {
        return sandbox->state;
}

const char *sandbox_get_state_reason(const Sandbox *sandbox) {
        return sandbox->state_reason ? sandbox->state_reason : "";
}

pid_t sandbox_get_leader(const Sandbox *sandbox) {
        return sandbox->leader;
}

bool sandbox_is_awaited(const Sandbox *sandbox) {
        return sandbox->created != NULL;
}

uint64_t sandbox_get_created_usec(const Sandbox *sandbox) {
        return sandbox->created_usec;
}

uint64_t sandbox_get_created_monotonic_usec(const Sandbox *sandbox) {
        return sandbox->created_monotonic_usec;
}

const GArray *sandbox_get_timings(const Sandbox *sandbox) {
        return sandbox->timings;
}

const GPtrArray *sandbox_get_capabilities(const Sandbox *sandbox) {
        return sandbox->capabilities;
}

char *const *sandbox_get_mechanisms(const Sandbox *sandbox) {
        return sandbox->mechanisms;
}

char *const *sandbox_get_pending(const Sandbox *sandbox) {
        return sandbox->pending;
}

char *const *sandbox_get_addresses(const Sandbox *sandbox) {
        return sandbox->addresses;
}

const GPtrArray *sandbox_get_mounts(const Sandbox *sandbox) {
        return sandbox->mounts;
}

const Denials *sandbox_get_denials(const Sandbox *sandbox) {
        return sandbox->denials;
}

GHashTable *sandbox_get_labels(const Sandbox *sandbox) {
        return sandbox->labels;
}

uint32_t sandbox_number_mount(Sandbox *sandbox) {
        return ++sandbox->last_mount;
}

char **sandbox_list_privileges(const Sandbox *sandbox) {
        return spec_list_privileges(sandbox->spec);
}

char *sandbox_get_control_group(const Sandbox *sandbox) {
        if (!sandbox->shim)
                return g_strdup("");
        return usage_get_control_group(manager_get_cgroups(sandbox->manager),
                                       shim_client_get_cgroup(sandbox->shim));
}

uint64_t sandbox_read_usage(const Sandbox *sandbox, Usage usage) {
        if (!sandbox->shim)
                return 0;
        return usage_read(manager_get_cgroups(sandbox->manager), shim_client_get_cgroup(sandbox->shim),
                          usage);
}
