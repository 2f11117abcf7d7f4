/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "shim/shim-private.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>

#include "shim/environment.h"
#include "shim/idmap.h"
#include "shim/terminal.h"
#include "util/cleanup.h"
#include "util/limits.h"
#include "util/log.h"

static void on_start(Shim *shim, WireMessage *message) {
        WireReader reader = wire_reader(message);
        g_auto(Error) error = ERROR_NULL;
        int r;

        if (shim->state != SHIM_SPARE) {
                (void) error_setf(&error, ERROR_BAD_STATE, "The sandbox was started before");
                shim_answer(shim, message->header.serial, &error);
                return;
        }
        shim->step_begun = g_get_monotonic_time();
        shim->start_serial = message->header.serial;
        shim->state = SHIM_STARTING;
        r = spec_get(&reader, &shim->spec, &error);
        if (r >= 0)
                r = shim_write_identity(shim, &error);
        if (r >= 0) {
                shim_set_deadline(shim, shim->spec->start_timeout_usec);
                r = shim_start_container(shim, &error);
        }
        if (r < 0) {
                (void) error_move(&shim->reason, &error);
                shim_kill_container(shim);
        }
}

static int require_running(const Shim *shim, Error *error) {
        if (shim->state != SHIM_RUNNING)
                return error_setf(error, ERROR_BAD_STATE, "The sandbox is %s",
                                  shim->state < SHIM_RUNNING ? "not started" : "stopping");
        return 0;
}

/* Descriptors that callers show come along with the plan that names them. */
static int take_sources(Shim *shim, WireMessage *message, WireReader *reader, Error *error) {
        uint32_t n = wire_get_u32(reader);

        if (reader->failed || n != message->n_fds)
                return error_setf(error, ERROR_INVALID_ARGS, "The plan comes with %zu descriptors, and names %u",
                                  message->n_fds, n);
        for (uint32_t i = 0; i < n; i++) {
                uint32_t number = wire_get_u32(reader);

                if (reader->failed)
                        return error_setf(error, ERROR_INVALID_ARGS, "The plan's descriptors have no numbers");
                applier_add_source(shim->applier, number, wire_message_steal_fd(message, i));
        }
        return 0;
}

static void on_apply(Shim *shim, WireMessage *message) {
        WireReader reader = wire_reader(message);
        g_autoptr(GBytes) record = NULL;
        g_autoptr(Plan) wanted = NULL;
        g_auto(Error) error = ERROR_NULL;
        uint32_t ends_with;
        int r;

        r = require_running(shim, &error);
        if (r >= 0)
                r = plan_get(&reader, &wanted, &error);
        if (r >= 0)
                r = take_sources(shim, message, &reader, &error);
        /* What goes with the plan, so that there is never one without the other. */
        if (r >= 0 && reader.at < reader.size)
                r = shim_record_get(&reader, &ends_with, &record, &error);
        if (r >= 0)
                r = apply_plan(shim->applier, g_steal_pointer(&wanted), &error);
        if (r >= 0 && record)
                kept_set_record(shim->kept, ends_with, record);
        shim_answer_result(shim, message->header.serial, r, &error);
}

static void on_lease(Shim *shim, WireMessage *message) {
        WireReader reader = wire_reader(message);
        g_auto(Error) error = ERROR_NULL;
        Lease lease;
        int r;

        r = require_running(shim, &error);
        if (r >= 0)
                r = lease_get(&reader, &lease, &error);
        if (r >= 0)
                r = applier_set_lease(shim->applier, &lease, &error);
        shim_answer_result(shim, message->header.serial, r, &error);
}

static void host_clear(void *host) {
        host_addresses_done(host);
}

static int get_hosts(WireReader *reader, GArray *hosts, Error *error) {
        uint32_t n = wire_get_u32(reader);
        int r = 0;

        if (reader->failed || n > HOSTS_MAX)
                return error_setf(error, ERROR_INVALID_ARGS, "Answers about %u names, at most %d were expected", n,
                                  HOSTS_MAX);
        for (uint32_t i = 0; r >= 0 && i < n; i++) {
                HostAddresses host = { 0 };

                r = host_addresses_get(reader, &host, error);
                if (r >= 0)
                        g_array_append_val(hosts, host);
        }
        return r;
}

static void on_resolved(Shim *shim, WireMessage *message) {
        g_autoptr(GArray) hosts = g_array_new(FALSE, FALSE, sizeof(HostAddresses));
        WireReader reader = wire_reader(message);
        g_auto(Error) error = ERROR_NULL;
        int r;

        g_array_set_clear_func(hosts, host_clear);
        r = require_running(shim, &error);
        if (r >= 0)
                r = get_hosts(&reader, hosts, &error);
        if (r >= 0)
                r = applier_set_hosts(shim->applier, hosts, &error);
        shim_answer_result(shim, message->header.serial, r, &error);
}

/* ---- programs ---- */

/* Adds it with its terminal, if it has one, whose other end is *ret_peer_fd. */
static int add_program(Shim *shim, const ShimRun *ask, uint32_t uid, int *ret_peer_fd, Error *error) {
        autofd int terminal_fd = -EBADF, name_fd = -EBADF;
        int r;

        if (!ask->terminal)
                return kept_add(shim->kept, ask->run, ask->argv, false, -EBADF, -EBADF, error);
        r = terminal_open(shim->container, spec_get_root_id(shim->spec) + uid, ask->rows, ask->columns, &terminal_fd,
                          ret_peer_fd, error);
        if (r < 0)
                return r;
        /* Names the program's end, and holds nothing open: to change its size once our end is given away. */
        name_fd = ioctl(terminal_fd, TIOCGPTPEER, O_PATH | O_CLOEXEC);
        if (name_fd < 0)
                return error_set_errnof(error, errno, "Cannot name the program's end of the terminal");
        return kept_add(shim->kept, ask->run, ask->argv, true, fd_steal(&terminal_fd), fd_steal(&name_fd), error);
}

/* The program's three descriptors: those that came along, or its terminal. */
static int choose_fds(const WireMessage *message, const ShimRun *ask, int peer_fd, int ret_fds[3], Error *error) {
        if (message->n_fds != (ask->terminal ? 0 : 3))
                return error_setf(error, ERROR_INVALID_ARGS,
                                  "A program needs 3 descriptors or a terminal, not %zu descriptors", message->n_fds);
        for (int i = 0; i < 3; i++)
                ret_fds[i] = ask->terminal ? peer_fd : message->fds[i];
        return 0;
}

static int run_program(Shim *shim, WireMessage *message, const ShimRun *ask, Error *error) {
        g_auto(GStrv) environment = NULL;
        InitRun run = {
                .run = ask->run,
                .argv = (const char **) ask->argv,
                .working_directory = ask->working_directory,
                .uid = ask->has_user ? ask->uid : shim->spec->app_uid,
                .gid = ask->has_user ? ask->gid : shim->spec->app_gid,
                .groups = ask->groups,
                .n_groups = ask->n_groups,
                .rlimits = ask->rlimits,
                .n_rlimits = ask->n_rlimits,
                .n_fds = 3,
                .terminal = ask->terminal,
        };
        autofd int peer_fd = -EBADF;
        int fds[3], r;

        if (shim->is_frozen)
                return error_setf(error, ERROR_BAD_STATE, "Cannot run '%s': the sandbox is frozen", ask->argv[0]);
        if (run.uid == INIT_UID || run.gid == INIT_UID || run.uid >= shim->spec->id_count ||
            run.gid >= shim->spec->id_count)
                return error_setf(error, ERROR_INVALID_ARGS, "No program may run as %u:%u", run.uid, run.gid);
        if (!run.working_directory)
                run.working_directory = run.uid == shim->spec->app_uid ? shim->spec->app_home : "/";
        r = add_program(shim, ask, run.uid, &peer_fd, error);
        if (r < 0)
                return r;
        r = choose_fds(message, ask, peer_fd, fds, error);
        if (r < 0)
                goto fail;
        environment = environment_compose(shim->spec, applier_get_plan(shim->applier), ask->environment);
        run.environment = (const char **) environment;
        r = init_client_run(shim->init, message->header.serial, &run, fds, G_N_ELEMENTS(fds), error);
        if (r >= 0)
                return 0;
fail:
        kept_remove(shim->kept, ask->run);
        return r;
}

static void on_run(Shim *shim, WireMessage *message) {
        WireReader reader = wire_reader(message);
        g_auto(ShimRun) ask = { 0 };
        g_auto(Error) error = ERROR_NULL;
        int r;

        r = shim_run_get(&reader, &ask, &error);
        if (r >= 0)
                r = require_running(shim, &error);
        if (r >= 0)
                r = run_program(shim, message, &ask, &error);
        if (r < 0)
                shim_answer_run(shim, message->header.serial, ask.run, &error, 0);
}

static void on_signal(Shim *shim, WireMessage *message) {
        WireReader reader = wire_reader(message);
        uint32_t run = wire_get_u32(&reader);
        int32_t number = wire_get_i32(&reader);
        g_auto(Error) error = ERROR_NULL;
        int r;

        r = require_running(shim, &error);
        if (r >= 0 && (reader.failed || number < 0 || number >= _NSIG))
                r = error_setf(&error, ERROR_INVALID_ARGS, "No signal has the number %d", number);
        /* init is frozen as well, and would answer when it is thawed. */
        if (r >= 0 && shim->is_frozen)
                r = error_setf(&error, ERROR_BAD_STATE, "Cannot send a signal: the sandbox is frozen");
        if (r >= 0)
                r = init_client_signal(shim->init, message->header.serial, run, number, &error);
        if (r < 0)
                shim_answer(shim, message->header.serial, &error);
}

static void on_freeze(Shim *shim, WireMessage *message, bool freeze) {
        g_auto(Error) error = ERROR_NULL;
        int r;

        r = require_running(shim, &error);
        if (r >= 0)
                r = freeze ? cgroup_box_freeze(shim->box, SHIM_FREEZE_TIMEOUT_USEC, &error)
                           : cgroup_box_thaw(shim->box, SHIM_FREEZE_TIMEOUT_USEC, &error);
        if (r >= 0)
                shim->is_frozen = freeze;
        shim_answer_result(shim, message->header.serial, r, &error);
}

static void on_get_namespaces(Shim *shim, WireMessage *message) {
        const char *names[CONTAINER_NAMESPACES_MAX + 1] = { NULL };
        int fds[CONTAINER_NAMESPACES_MAX], n;
        WireWriter writer = WIRE_WRITER_NULL;
        g_auto(Error) error = ERROR_NULL;

        n = require_running(shim, &error);
        if (n >= 0)
                n = container_open_namespaces(shim->container, names, fds, &error);
        shim_error_put(&writer, n < 0 ? &error : NULL);
        wire_put_strings(&writer, (char *const *) names);
        shim_send_with_fds(shim, SHIM_NAMESPACES, message->header.serial, &writer, fds, n > 0 ? (size_t) n : 0);
        for (int i = 0; i < n; i++)
                (void) fd_close(fds[i]);
}

static void on_snapshot_done(void *userdata, const Error *error) {
        Shim *shim = userdata;

        shim_answer(shim, shim->snapshot_serial, error);
        g_clear_pointer(&shim->snapshot, snapshot_free);
}

static int start_snapshot(Shim *shim, const WireMessage *message, uint64_t timeout_usec, Error *error) {
        SnapshotSetup setup = {
                .loop = shim->loop,
                .spec = shim->spec,
                .monitor = container_get_monitor(shim->container),
                .timeout_usec = timeout_usec ?: SNAPSHOT_TIMEOUT_USEC,
        };

        if (shim->snapshot)
                return error_setf(error, ERROR_BAD_STATE, "A snapshot of the sandbox is under way already");
        if (message->n_fds != 1 || timeout_usec > SNAPSHOT_TIMEOUT_MAX_USEC)
                return error_setf(error, ERROR_INVALID_ARGS, "A snapshot needs one descriptor, and at most %u s",
                                  (unsigned) (SNAPSHOT_TIMEOUT_MAX_USEC / G_USEC_PER_SEC));
        setup.file_fd = message->fds[0];
        return snapshot_start(&setup, on_snapshot_done, shim, &shim->snapshot, error);
}

static void on_snapshot(Shim *shim, WireMessage *message) {
        WireReader reader = wire_reader(message);
        uint64_t timeout_usec = wire_get_u64(&reader);
        g_auto(Error) error = ERROR_NULL;
        int r;

        r = require_running(shim, &error);
        if (r >= 0)
                r = start_snapshot(shim, message, timeout_usec, &error);
        if (r < 0)
                shim_answer(shim, message->header.serial, &error);
        else
                shim->snapshot_serial = message->header.serial;
}

static void on_stop(Shim *shim, WireMessage *message) {
        WireReader reader = wire_reader(message);
        uint64_t timeout_usec = wire_get_u64(&reader);

        if (shim->stop_serial != 0) {
                g_auto(Error) error = ERROR_NULL;

                (void) error_setf(&error, ERROR_BAD_STATE, "The sandbox is stopping already");
                shim_answer(shim, message->header.serial, &error);
                return;
        }
        if (shim->state == SHIM_TELLING) /* whoever asks does not want to know */
                shim->state = SHIM_ENDED;
        shim->stop_serial = message->header.serial;
        if (timeout_usec == 0 && shim->spec)
                timeout_usec = shim->spec->stop_timeout_usec;
        shim_begin_halting(shim, timeout_usec);
}

/* ---- what is kept for the service ---- */

static void on_hello(Shim *shim, const WireMessage *message) {
        WireReader reader = wire_reader(message);

        log_debug("A service of version %u takes over", wire_get_u32(&reader));
        if (kept_get_record(shim->kept)) {
                shim_tell_account(shim, message->header.serial);
                return;
        }

        g_auto(Error) error = ERROR_NULL;

        (void) error_setf(&error, ERROR_BAD_STATE, "The sandbox is nobody's yet");
        shim_answer(shim, message->header.serial, &error);
}

static void on_record(Shim *shim, const WireMessage *message) {
        WireReader reader = wire_reader(message);
        g_autoptr(GBytes) record = NULL;
        g_auto(Error) error = ERROR_NULL;
        uint32_t ends_with;
        int r;

        r = require_running(shim, &error);
        if (r >= 0)
                r = shim_record_get(&reader, &ends_with, &record, &error);
        if (r >= 0)
                kept_set_record(shim->kept, ends_with, record);
        else
                log_failure(LOG_WARNING, &error, "Cannot keep the service's record");
}

/* Told, forgotten, opened: by the number of a program. */
static void on_note(Shim *shim, const WireMessage *message, void (*note)(Kept *kept, uint32_t run)) {
        WireReader reader = wire_reader(message);
        uint32_t run = wire_get_u32(&reader);

        if (!reader.failed)
                note(shim->kept, run);
        if (shim->state == SHIM_TELLING && !kept_has_untold(shim->kept))
                shim->state = SHIM_ENDED;
}

void shim_dispatch_request(Shim *shim, WireMessage *message) {
        switch (message->header.type) {
        case SHIM_START:
                return on_start(shim, message);
        case SHIM_APPLY:
                return on_apply(shim, message);
        case SHIM_RUN:
                return on_run(shim, message);
        case SHIM_SIGNAL:
                return on_signal(shim, message);
        case SHIM_FREEZE:
        case SHIM_THAW:
                return on_freeze(shim, message, message->header.type == SHIM_FREEZE);
        case SHIM_LEASE:
                return on_lease(shim, message);
        case SHIM_RESOLVED:
                return on_resolved(shim, message);
        case SHIM_GET_NAMESPACES:
                return on_get_namespaces(shim, message);
        case SHIM_SNAPSHOT:
                return on_snapshot(shim, message);
        case SHIM_STOP:
                return on_stop(shim, message);
        case SHIM_HELLO:
                return on_hello(shim, message);
        case SHIM_RECORD:
                return on_record(shim, message);
        case SHIM_TOLD:
                return on_note(shim, message, kept_set_told);
        case SHIM_FORGET:
                return on_note(shim, message, kept_forget);
        case SHIM_TERMINAL_OPENED:
                return on_note(shim, message, kept_close_terminal);
        default: {
                g_auto(Error) error = ERROR_NULL;

                /* A newer service asks for something that we do not know yet. */
                (void) error_setf(&error, ERROR_UNSUPPORTED, "This sandbox's shim does not know request %u",
                                  message->header.type);
                shim_answer(shim, message->header.serial, &error);
        }
        }
}

