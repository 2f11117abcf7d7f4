/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "shim/shim.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "plan/plan.h"
#include "plan/shim-message.h"
#include "plan/spec.h"
#include "shim/apply.h"
#include "shim/container.h"
#include "shim/environment.h"
#include "shim/idmap.h"
#include "shim/init-client.h"
#include "shim/terminal.h"
#include "util/cgroup.h"
#include "util/cleanup.h"
#include "util/fs.h"
#include "util/limits.h"
#include "util/log.h"

/* SIGKILL by init's own hand is told program by program; only if init does not answer in this time the whole
 * container is killed from outside, and what ran in it is lost. */
#define KILL_BY_INIT_USEC (500 * 1000)
/* How often a dying payload is looked at, and how long at most. */
#define KILL_INTERVAL_USEC (5 * 1000)
#define KILL_TIMEOUT_USEC  (10 * 1000 * 1000)
/* How long the monitor may live on after init. */
#define MONITOR_END_USEC (250 * 1000)
#define FREEZE_TIMEOUT_USEC (2 * 1000 * 1000)
/* A longer time is for ever; it must not turn negative. 100 years. */
#define DEADLINE_MAX_USEC (UINT64_C(100) * 366 * 24 * 3600 * G_USEC_PER_SEC)

typedef enum ShimState {
        SHIM_SPARE,
        SHIM_STARTING, /* deadline: the start's time limit */
        SHIM_RUNNING,
        SHIM_HALTING, /* deadline: SIGKILL by init */
        SHIM_KILLING, /* deadline: SIGKILL from outside */
        SHIM_ENDING,  /* the container is killed; deadline: look again */
        SHIM_ENDED,   /* nothing is left; leave the loop */
        _SHIM_STATE_MAX,
} ShimState;

struct Shim {
        ShimState state;
        char *instance, *runtime_folder, *init_program, *lxc_name; /* owned */
        int service_fd;     /* owned; -EBADF once the service is gone */
        int signals_fd;     /* owned; SIGCHLD, SIGTERM */
        int userns_fd;      /* owned; of the range that begins at id_base, or -EBADF */
        uint32_t id_base;
        int lock_fd;        /* owned; its lock says that we live */
        CgroupHost *cgroups; /* owned */
        CgroupBox *box;      /* owned */
        Spec *spec;          /* owned; NULL while spare */
        Container *container; /* owned */
        InitClient *init;     /* owned */
        Applier *applier;     /* owned */
        bool is_frozen;
        gint64 deadline;   /* monotonic usec; 0 = none */
        gint64 kill_until; /* in ENDING */
        gint64 step_begun; /* of the step that is being timed */
        GHashTable *terminals; /* run -> owned int *, our end, until the program runs */
        GArray *timings;   /* owned */
        uint32_t start_serial, stop_serial; /* waiting for an answer; 0 = nobody */
        Error reason; /* why it ended unasked, or why the start failed */
};

/* ---- speaking to the service ---- */

static void send_with_fds(Shim *shim, uint16_t type, uint32_t serial, WireWriter *writer, const int *fds,
                          size_t n_fds) {
        if (shim->service_fd >= 0) {
                int r = wire_send(shim->service_fd, type, serial, writer, fds, n_fds);

                if (r < 0)
                        log_debug("Cannot answer the service: %s", g_strerror(-r));
        }
        wire_writer_done(writer);
}

static void send_to_service(Shim *shim, uint16_t type, uint32_t serial, WireWriter *writer) {
        send_with_fds(shim, type, serial, writer, NULL, 0);
}

static void answer(Shim *shim, uint32_t serial, const Error *error) {
        WireWriter writer = WIRE_WRITER_NULL;

        shim_error_put(&writer, error);
        send_to_service(shim, SHIM_DONE, serial, &writer);
}

/* Answers with success for @r >= 0. */
static void answer_result(Shim *shim, uint32_t serial, int r, const Error *error) {
        answer(shim, serial, r < 0 ? error : NULL);
}

/* A program's terminal goes along with the news that it runs, and nowhere if it does not. */
static void answer_run(Shim *shim, uint32_t serial, uint32_t run, const Error *error, pid_t pid) {
        WireWriter writer = WIRE_WRITER_NULL;
        int *terminal;

        if (error) /* before the answer, after which nothing of the program may be left */
                g_hash_table_remove(shim->terminals, GUINT_TO_POINTER(run));
        terminal = g_hash_table_lookup(shim->terminals, GUINT_TO_POINTER(run));
        shim_ran_put(&writer, run, error, pid);
        send_with_fds(shim, SHIM_RAN, serial, &writer, terminal, terminal ? 1 : 0);
        g_hash_table_remove(shim->terminals, GUINT_TO_POINTER(run));
}

static void end_step(Shim *shim, const char *name) {
        gint64 now = g_get_monotonic_time();

        shim_timings_add(shim->timings, name, (uint64_t) (now - shim->step_begun));
        shim->step_begun = now;
}

static gint64 deadline_in(uint64_t usec) {
        return g_get_monotonic_time() + (gint64) MIN(usec, DEADLINE_MAX_USEC);
}

static void set_deadline(Shim *shim, uint64_t usec) {
        shim->deadline = deadline_in(usec);
}

/* ---- ending ---- */

/* From outside and for good: whatever state anything inside is in. */
static void kill_container(Shim *shim) {
        if (shim->state >= SHIM_ENDING)
                return;
        shim->state = SHIM_ENDING;
        shim->kill_until = g_get_monotonic_time() + KILL_TIMEOUT_USEC;
        if (shim->container)
                container_kill(shim->container);
        set_deadline(shim, 0);
}

static void begin_killing(Shim *shim) {
        g_auto(Error) error = ERROR_NULL;

        shim->state = SHIM_KILLING;
        set_deadline(shim, KILL_BY_INIT_USEC);
        if (init_client_signal(shim->init, 0, 0, SIGKILL, &error) < 0) {
                log_failure(LOG_DEBUG, &error, "Cannot let init kill");
                kill_container(shim);
        }
}

/* The halt signal, and SIGKILL after @timeout_usec. */
static void begin_halting(Shim *shim, uint64_t timeout_usec) {
        g_auto(Error) error = ERROR_NULL;

        if (shim->state != SHIM_RUNNING) {
                if (shim->state < SHIM_HALTING)
                        kill_container(shim);
                return;
        }
        if (shim->is_frozen)
                (void) cgroup_box_thaw(shim->box, FREEZE_TIMEOUT_USEC, NULL);
        shim->state = SHIM_HALTING;
        set_deadline(shim, timeout_usec);
        if (init_client_halt(shim->init, shim->spec->halt_signal, &error) < 0) {
                log_failure(LOG_DEBUG, &error, "Cannot let init halt");
                kill_container(shim);
        }
}

/* The monitor is gone, and with it init. @status is its raw wait status. */
static void finish_container(Shim *shim, int status) {
        if (shim->state == SHIM_STARTING) {
                g_auto(Error) error = ERROR_NULL;
                g_autofree char *words =
                        WIFSIGNALED(status)
                                ? g_strdup_printf("The sandbox did not start: its monitor was killed by signal %d",
                                                  WTERMSIG(status))
                                : g_strdup("The sandbox did not start");

                (void) container_take_failure(shim->container, ERROR_SYSTEM, words, &error);
                if (!shim->reason.message)
                        (void) error_move(&shim->reason, &error);
        } else if (shim->state == SHIM_RUNNING)
                (void) error_setf(&shim->reason, ERROR_SYSTEM, "The sandbox's init has ended");
        container_set_ended(shim->container);
        if (shim->init)
                init_client_close(shim->init);
        if (shim->state < SHIM_ENDING)
                shim->kill_until = g_get_monotonic_time() + KILL_TIMEOUT_USEC;
        shim->state = SHIM_ENDING;
        set_deadline(shim, 0);
}

/* One round of killing: 1 if something was left to kill, 0 if nothing is, or a negative errno. */
static int kill_rest(Shim *shim, Error *error) {
        bool has_monitor = shim->container && container_get_monitor(shim->container) > 0;
        gint64 left = shim->kill_until - g_get_monotonic_time();
        int r;

        r = cgroup_box_kill(shim->box, error);
        if (r != 0)
                return r;
        /* A monitor ends by itself when init has ended, unless it hangs. */
        if (has_monitor && left > KILL_TIMEOUT_USEC - MONITOR_END_USEC)
                return 1;
        /* A monitor that died while it started leaves a child that is neither in the payload yet nor bound to its
         * parent's death. */
        r = cgroup_box_kill_others(shim->box, error);
        return r < 0 ? r : r > 0 || has_monitor;
}

/* Kills what is left until nothing is, then takes the cgroups away. */
static void clean_up(Shim *shim) {
        g_auto(Error) error = ERROR_NULL;
        int r;

        r = kill_rest(shim, &error);
        if (r == 0)
                r = cgroup_box_leave(shim->box, &error);
        if (r == 0)
                r = cgroup_box_destroy(shim->box, &error);
        if (r != 0 && g_get_monotonic_time() < shim->kill_until) {
                set_deadline(shim, KILL_INTERVAL_USEC);
                return;
        }
        if (r != 0)
                log_failure(LOG_WARNING, &error, "Cannot take away all of the sandbox");
        shim->deadline = 0;
        shim->state = SHIM_ENDED;
}

/* ---- events of init ---- */

static void on_init_ready(void *userdata, pid_t init_pid) {
        Shim *shim = userdata;
        uint64_t rootfs_usec = container_get_rootfs_usec(shim->container);
        g_auto(Error) error = ERROR_NULL;
        WireWriter writer = WIRE_WRITER_NULL;

        if (shim->state != SHIM_STARTING)
                return; /* it was too late */
        shim_timings_add(shim->timings, "rootfs", rootfs_usec);
        shim->step_begun += (gint64) rootfs_usec;
        end_step(shim, "container");
        if (container_set_ready(shim->container, init_pid, &error) < 0) {
                (void) error_move(&shim->reason, &error);
                kill_container(shim);
                return;
        }
        shim->applier = applier_new(shim->spec, shim->container);
        shim->state = SHIM_RUNNING;
        shim->deadline = 0;
        shim_timings_put(&writer, shim->timings);
        send_to_service(shim, SHIM_TIMINGS, 0, &writer);
        wire_put_i32(&writer, init_pid);
        send_to_service(shim, SHIM_LEADER, 0, &writer);
        answer(shim, shim->start_serial, NULL);
        shim->start_serial = 0;
}

static void on_program_ran(void *userdata, uint32_t serial, uint32_t run, pid_t pid, const Error *error) {
        answer_run(userdata, serial, run, error, pid);
}

static void on_program_exited(void *userdata, const ShimExited *exited) {
        WireWriter writer = WIRE_WRITER_NULL;

        shim_exited_put(&writer, exited);
        send_to_service(userdata, SHIM_EXITED, 0, &writer);
}

static void on_signalled(void *userdata, uint32_t serial, const Error *error) {
        if (serial != 0)
                answer(userdata, serial, error);
}

static const InitEvents init_events = {
        .ready = on_init_ready,
        .ran = on_program_ran,
        .exited = on_program_exited,
        .signalled = on_signalled,
};

/* ---- requests ---- */

/* Nothing to do if the spare shim was told the right range before. */
static int make_user_namespace(Shim *shim, uint32_t base, uint32_t count, Error *error) {
        Idmap map = { .uid_outside = base, .gid_outside = base, .count = count };
        int r;

        if (shim->userns_fd >= 0 && shim->id_base == base && count == SPEC_ID_COUNT_MIN)
                return 0;
        shim->userns_fd = fd_close(shim->userns_fd);
        r = idmap_open(&map, true, &shim->userns_fd, error);
        if (r < 0)
                return r;
        shim->id_base = base;
        end_step(shim, "user-namespace");
        return 0;
}

static int start_container(Shim *shim, Error *error) {
        int join_fds[INIT_CGROUPS_MAX], n_join_fds, r;
        autofd int init_fd = -EBADF;

        r = cgroup_box_limit(shim->box, shim->spec->memory_max, shim->spec->tasks_max, error);
        if (r < 0)
                return r;
        r = make_user_namespace(shim, shim->spec->id_base, shim->spec->id_count, error);
        if (r < 0)
                return r;
        r = init_client_new(&init_events, shim, &shim->init, &init_fd, error);
        if (r < 0)
                return r;
        n_join_fds = cgroup_box_open_joins(shim->box, join_fds, G_N_ELEMENTS(join_fds), error);
        if (n_join_fds < 0)
                return n_join_fds;
        r = container_start(&(ContainerSetup){ .spec = shim->spec,
                                               .lxc_name = shim->lxc_name,
                                               .cgroup_mount = cgroup_host_get_mount(shim->cgroups),
                                               .init_program = shim->init_program,
                                               .userns_fd = shim->userns_fd,
                                               .init_socket_fd = init_fd,
                                               .join_fds = join_fds,
                                               .n_join_fds = (size_t) n_join_fds },
                            &shim->container, error);
        for (int i = 0; i < n_join_fds; i++)
                (void) fd_close(join_fds[i]);
        end_step(shim, "fork");
        return r;
}

static void on_start(Shim *shim, WireMessage *message) {
        WireReader reader = wire_reader(message);
        g_auto(Error) error = ERROR_NULL;
        int r;

        if (shim->state != SHIM_SPARE) {
                (void) error_setf(&error, ERROR_BAD_STATE, "The sandbox was started before");
                answer(shim, message->header.serial, &error);
                return;
        }
        shim->step_begun = g_get_monotonic_time();
        shim->start_serial = message->header.serial;
        shim->state = SHIM_STARTING;
        r = spec_get(&reader, &shim->spec, &error);
        if (r >= 0) {
                set_deadline(shim, shim->spec->start_timeout_usec);
                r = start_container(shim, &error);
        }
        if (r < 0) {
                (void) error_move(&shim->reason, &error);
                kill_container(shim);
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
        g_autoptr(Plan) wanted = NULL;
        g_auto(Error) error = ERROR_NULL;
        int r;

        r = require_running(shim, &error);
        if (r >= 0)
                r = plan_get(&reader, &wanted, &error);
        if (r >= 0)
                r = take_sources(shim, message, &reader, &error);
        if (r >= 0)
                r = apply_plan(shim->applier, g_steal_pointer(&wanted), &error);
        answer_result(shim, message->header.serial, r, &error);
}

/* The program's three descriptors: those that came along, or a terminal. */
static int choose_fds(Shim *shim, const WireMessage *message, const ShimRun *ask, uint32_t uid, int *ret_peer_fd,
                      int ret_fds[3], Error *error) {
        int *fd;
        int r;

        if (message->n_fds != (ask->terminal ? 0 : 3))
                return error_setf(error, ERROR_INVALID_ARGS,
                                  "A program needs 3 descriptors or a terminal, not %zu descriptors", message->n_fds);
        for (int i = 0; i < 3 && !ask->terminal; i++)
                ret_fds[i] = message->fds[i];
        if (!ask->terminal)
                return 0;
        fd = g_new(int, 1);
        r = terminal_open(shim->container, shim->spec->id_base + uid, ask->rows, ask->columns, fd, ret_peer_fd, error);
        if (r < 0) {
                g_free(fd);
                return r;
        }
        g_hash_table_insert(shim->terminals, GUINT_TO_POINTER(ask->run), fd);
        ret_fds[0] = ret_fds[1] = ret_fds[2] = *ret_peer_fd;
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
        r = choose_fds(shim, message, ask, run.uid, &peer_fd, fds, error);
        if (r < 0)
                return r;
        environment = environment_compose(shim->spec, applier_get_plan(shim->applier), ask->environment);
        run.environment = (const char **) environment;
        return init_client_run(shim->init, message->header.serial, &run, fds, G_N_ELEMENTS(fds), error);
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
                answer_run(shim, message->header.serial, ask.run, &error, 0);
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
                answer(shim, message->header.serial, &error);
}

static void on_freeze(Shim *shim, WireMessage *message, bool freeze) {
        g_auto(Error) error = ERROR_NULL;
        int r;

        r = require_running(shim, &error);
        if (r >= 0)
                r = freeze ? cgroup_box_freeze(shim->box, FREEZE_TIMEOUT_USEC, &error)
                           : cgroup_box_thaw(shim->box, FREEZE_TIMEOUT_USEC, &error);
        if (r >= 0)
                shim->is_frozen = freeze;
        answer_result(shim, message->header.serial, r, &error);
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
        send_with_fds(shim, SHIM_NAMESPACES, message->header.serial, &writer, fds, n > 0 ? (size_t) n : 0);
        for (int i = 0; i < n; i++)
                (void) fd_close(fds[i]);
}

static void on_stop(Shim *shim, WireMessage *message) {
        WireReader reader = wire_reader(message);
        uint64_t timeout_usec = wire_get_u64(&reader);

        if (shim->stop_serial != 0) {
                g_auto(Error) error = ERROR_NULL;

                (void) error_setf(&error, ERROR_BAD_STATE, "The sandbox is stopping already");
                answer(shim, message->header.serial, &error);
                return;
        }
        shim->stop_serial = message->header.serial;
        if (timeout_usec == 0 && shim->spec)
                timeout_usec = shim->spec->stop_timeout_usec;
        begin_halting(shim, timeout_usec);
}

static void dispatch_request(Shim *shim, WireMessage *message) {
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
        case SHIM_GET_NAMESPACES:
                return on_get_namespaces(shim, message);
        case SHIM_STOP:
                return on_stop(shim, message);
        default: {
                g_auto(Error) error = ERROR_NULL;

                /* A newer service asks for something that we do not know yet. */
                (void) error_setf(&error, ERROR_UNSUPPORTED, "This sandbox's shim does not know request %u",
                                  message->header.type);
                answer(shim, message->header.serial, &error);
        }
        }
}

/* ---- the loop ---- */

static void on_service(Shim *shim) {
        WireMessage message = WIRE_MESSAGE_NULL;
        int r = wire_receive(shim->service_fd, &message);

        if (r == -EAGAIN)
                return;
        if (r > 0) {
                dispatch_request(shim, &message);
                wire_message_done(&message);
                return;
        }
        if (r < 0)
                log_warning("Cannot hear the service: %s", g_strerror(-r));
        /* Nobody could reach the sandbox any more. */
        shim->service_fd = fd_close(shim->service_fd);
        if (shim->state == SHIM_HALTING)
                shim->deadline = MIN(shim->deadline, deadline_in(shim->spec->stop_timeout_usec));
        begin_halting(shim, shim->spec ? shim->spec->stop_timeout_usec : 0);
}

static void on_init(Shim *shim) {
        g_auto(Error) error = ERROR_NULL;
        int r = init_client_dispatch(shim->init, &error);

        if (r > 0 || r == -EAGAIN)
                return;
        if (r == 0) {
                /* While starting, the monitor's death says the rest. Later an init that ends the stream without
                 * dying (an empty packet looks the same) must not live on unheard. */
                if (shim->state == SHIM_RUNNING)
                        (void) error_setf(&shim->reason, ERROR_SYSTEM, "The sandbox's init has ended");
                if (shim->state != SHIM_STARTING)
                        kill_container(shim);
                return;
        }
        log_failure(LOG_WARNING, &error, "Sandbox '%s' is killed", shim->spec->name);
        if (!shim->reason.message)
                (void) error_move(&shim->reason, &error);
        kill_container(shim);
}

static void on_signals(Shim *shim) {
        struct signalfd_siginfo info;

        while (read(shim->signals_fd, &info, sizeof(info)) == sizeof(info))
                if (info.ssi_signo == SIGTERM)
                        begin_halting(shim, shim->spec ? shim->spec->stop_timeout_usec : 0);
        for (;;) {
                int status;
                pid_t pid = waitpid(-1, &status, WNOHANG);

                if (pid <= 0)
                        return;
                /* Others are what a dead monitor has left to us as subreaper: init. */
                if (shim->container && pid == container_get_monitor(shim->container))
                        finish_container(shim, status);
        }
}

static void on_deadline(Shim *shim) {
        shim->deadline = 0;
        switch (shim->state) {
        case SHIM_STARTING: {
                g_autofree char *words =
                        g_strdup_printf("The sandbox did not start within %.1f s",
                                        (double) shim->spec->start_timeout_usec / G_USEC_PER_SEC);

                (void) container_take_failure(shim->container, ERROR_TIMEOUT, words, &shim->reason);
                kill_container(shim);
                break;
        }
        case SHIM_HALTING:
                begin_killing(shim);
                break;
        case SHIM_KILLING:
                kill_container(shim);
                break;
        case SHIM_ENDING:
                clean_up(shim);
                break;
        case SHIM_SPARE:
        case SHIM_RUNNING:
        case SHIM_ENDED:
        case _SHIM_STATE_MAX:
        default:
                break;
        }
}

static int poll_timeout(const Shim *shim) {
        gint64 left;

        if (shim->deadline == 0)
                return -1;
        left = shim->deadline - g_get_monotonic_time();
        return left <= 0 ? 0 : (int) MIN((left + 999) / 1000, G_MAXINT);
}

/* Tells the last: how the start or the stop went, or that the sandbox ended unasked. */
static void tell_end(Shim *shim) {
        const Error *reason = shim->reason.message ? &shim->reason : NULL;

        if (shim->start_serial != 0) {
                g_auto(Error) stopped = ERROR_NULL;

                (void) error_setf(&stopped, ERROR_BAD_STATE, "The sandbox was stopped while it started");
                answer(shim, shim->start_serial, reason ?: &stopped);
        }
        if (shim->stop_serial != 0)
                answer(shim, shim->stop_serial, NULL);
        else if (shim->start_serial == 0 && reason) {
                WireWriter writer = WIRE_WRITER_NULL;

                shim_error_put(&writer, reason);
                send_to_service(shim, SHIM_GONE, 0, &writer);
        }
}

static void remove_runtime_folder(Shim *shim) {
        g_autofree char *parent = g_path_get_dirname(shim->runtime_folder);
        g_autofree char *name = g_path_get_basename(shim->runtime_folder);
        g_auto(Error) error = ERROR_NULL;
        autofd int parent_fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int r;

        r = parent_fd < 0 ? error_set_errnof(&error, errno, "Cannot open '%s'", parent)
                          : fs_remove_recursive(parent_fd, name, &error);
        if (r < 0)
                log_failure(LOG_WARNING, &error, "Cannot remove the runtime folder");
}

int shim_serve(Shim *shim, Error *error) {
        while (shim->state != SHIM_ENDED) {
                bool has_unsent = shim->init && init_client_has_unsent(shim->init);
                struct pollfd polled[] = {
                        { .fd = shim->signals_fd, .events = POLLIN },
                        { .fd = shim->init ? init_client_get_fd(shim->init) : -1,
                          .events = (short) (POLLIN | (has_unsent ? POLLOUT : 0)) },
                        { .fd = shim->service_fd, .events = POLLIN },
                };
                int n = poll(polled, G_N_ELEMENTS(polled), poll_timeout(shim));

                if (n < 0 && errno != EINTR)
                        return error_set_errnof(error, errno, "Cannot poll");
                if (n < 0)
                        continue;
                /* init before signals: its last words are read before its end is seen. */
                if (polled[1].revents & ~POLLOUT && init_client_get_fd(shim->init) >= 0)
                        on_init(shim);
                if (polled[1].revents & POLLOUT)
                        init_client_send_unsent(shim->init);
                if (polled[0].revents)
                        on_signals(shim);
                if (polled[2].revents && shim->service_fd >= 0)
                        on_service(shim);
                if (shim->deadline != 0 && g_get_monotonic_time() >= shim->deadline)
                        on_deadline(shim);
        }
        remove_runtime_folder(shim);
        tell_end(shim);
        return 0;
}

/* ---- making and freeing ---- */

static int open_signals(Shim *shim, Error *error) {
        sigset_t signals;

        sigemptyset(&signals);
        sigaddset(&signals, SIGCHLD);
        sigaddset(&signals, SIGTERM);
        if (sigprocmask(SIG_SETMASK, &signals, NULL) < 0)
                return error_set_errnof(error, errno, "Cannot block signals");
        shim->signals_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
        if (shim->signals_fd < 0)
                return error_set_errnof(error, errno, "Cannot make a signal descriptor");
        return 0;
}

static int make_runtime_folder(Shim *shim, Error *error) {
        g_autofree char *lock = g_strdup_printf("%s/lock", shim->runtime_folder);
        int r;

        r = fs_make_folders(AT_FDCWD, shim->runtime_folder, 0700, error);
        if (r < 0)
                return r;
        shim->lock_fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (shim->lock_fd < 0 || flock(shim->lock_fd, LOCK_EX | LOCK_NB) < 0)
                return error_set_errnof(error, errno, "Cannot lock '%s'", lock);
        return 0;
}

static int make_box(Shim *shim, const char *name, Error *error) {
        /* What every sandbox has; more is a capability's business. */
        static const char *const devices[] = { "c 1:3 rwm", "c 1:5 rwm", "c 1:7 rwm", "c 1:8 rwm",   "c 1:9 rwm",
                                               "c 5:0 rwm", "c 5:2 rwm", "c 136:* rwm", NULL };
        int r;

        r = cgroup_host_new("/proc/self/mountinfo", "/proc/self/cgroup", &shim->cgroups, error);
        if (r < 0)
                return r;
        r = cgroup_box_create(shim->cgroups, name, &shim->box, error);
        if (r < 0)
                return r;
        r = cgroup_box_join(shim->box, error);
        if (r < 0)
                return r;
        return cgroup_box_set_devices(shim->box, devices, error);
}

static void terminal_free(void *data) {
        fd_closep(data);
        g_free(data);
}

int shim_new(const ShimOptions *options, Shim **ret, Error *error) {
        g_autoptr(Shim) shim = g_new0(Shim, 1);
        int r;

        shim->service_fd = options->service_fd;
        shim->signals_fd = shim->lock_fd = shim->userns_fd = -EBADF;
        shim->instance = g_strdup(options->instance);
        shim->runtime_folder = g_strdup(options->runtime_folder);
        shim->init_program = g_strdup(options->init_program);
        shim->lxc_name = g_strdelimit(g_strdup(options->cgroup), "/", '-');
        shim->timings = shim_timings_new();
        shim->terminals = g_hash_table_new_full(NULL, NULL, NULL, terminal_free);
        shim->step_begun = g_get_monotonic_time();
        r = open_signals(shim, error);
        if (r < 0)
                return r;
        r = make_runtime_folder(shim, error);
        if (r < 0)
                return r;
        r = make_box(shim, options->cgroup, error);
        if (r < 0)
                return r;
        end_step(shim, "cgroups");
        if (options->id_base > 0) {
                r = make_user_namespace(shim, options->id_base, SPEC_ID_COUNT_MIN, error);
                if (r < 0)
                        return r;
        }
        *ret = g_steal_pointer(&shim);
        return 0;
}

void shim_free(Shim *shim) {
        if (!shim)
                return;
        g_clear_pointer(&shim->applier, applier_free);
        g_clear_pointer(&shim->init, init_client_free);
        g_clear_pointer(&shim->container, container_free);
        g_clear_pointer(&shim->box, cgroup_box_free);
        g_clear_pointer(&shim->cgroups, cgroup_host_free);
        g_clear_pointer(&shim->spec, spec_free);
        g_clear_pointer(&shim->timings, g_array_unref);
        g_clear_pointer(&shim->terminals, g_hash_table_unref);
        error_done(&shim->reason);
        shim->service_fd = fd_close(shim->service_fd);
        shim->signals_fd = fd_close(shim->signals_fd);
        shim->lock_fd = fd_close(shim->lock_fd);
        shim->userns_fd = fd_close(shim->userns_fd);
        g_free(shim->instance);
        g_free(shim->runtime_folder);
        g_free(shim->init_program);
        g_free(shim->lxc_name);
        g_free(shim);
}
