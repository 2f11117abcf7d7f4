/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "shim/mask.h"
#include "shim/shim-private.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "plan/shim-account.h"
#include "shim/device.h"
#include "shim/idmap.h"
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
/* A longer time is for ever; it must not turn negative. 100 years. */
#define DEADLINE_MAX_USEC (UINT64_C(100) * 366 * 24 * 3600 * G_USEC_PER_SEC)

void shim_end_step(Shim *shim, const char *name) {
        gint64 now = g_get_monotonic_time();

        shim_timings_add(shim->timings, name, (uint64_t) (now - shim->step_begun));
        shim->step_begun = now;
}

gint64 shim_deadline_in(uint64_t usec) {
        return g_get_monotonic_time() + (gint64) MIN(usec, DEADLINE_MAX_USEC);
}

void shim_set_deadline(Shim *shim, uint64_t usec) {
        shim->deadline = shim_deadline_in(usec);
}

/* ---- ending ---- */

/* From outside and for good: whatever state anything inside is in. */
void shim_kill_container(Shim *shim) {
        if (shim->state >= SHIM_ENDING)
                return;
        shim->state = SHIM_ENDING;
        shim->kill_until = g_get_monotonic_time() + KILL_TIMEOUT_USEC;
        if (shim->container)
                container_kill(shim->container);
        shim_set_deadline(shim, 0);
}

static void begin_killing(Shim *shim) {
        g_auto(Error) error = ERROR_NULL;

        shim->state = SHIM_KILLING;
        shim_set_deadline(shim, KILL_BY_INIT_USEC);
        if (init_client_signal(shim->init, 0, 0, SIGKILL, &error) < 0) {
                log_failure(LOG_DEBUG, &error, "Cannot let init kill");
                shim_kill_container(shim);
        }
}

/* The halt signal, and SIGKILL after @timeout_usec. */
void shim_begin_halting(Shim *shim, uint64_t timeout_usec) {
        g_auto(Error) error = ERROR_NULL;

        if (shim->state != SHIM_RUNNING) {
                if (shim->state < SHIM_HALTING)
                        shim_kill_container(shim);
                return;
        }
        if (shim->is_frozen)
                (void) cgroup_box_thaw(shim->box, SHIM_FREEZE_TIMEOUT_USEC, NULL);
        shim->state = SHIM_HALTING;
        shim_set_deadline(shim, timeout_usec);
        if (init_client_halt(shim->init, shim->spec->halt_signal, &error) < 0) {
                log_failure(LOG_DEBUG, &error, "Cannot let init halt");
                shim_kill_container(shim);
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
        if (shim->applier)
                applier_set_ended(shim->applier);
        if (shim->init)
                init_client_close(shim->init);
        if (shim->state < SHIM_ENDING)
                shim->kill_until = g_get_monotonic_time() + KILL_TIMEOUT_USEC;
        shim->state = SHIM_ENDING;
        shim_set_deadline(shim, 0);
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
                shim_set_deadline(shim, KILL_INTERVAL_USEC);
                return;
        }
        if (r != 0)
                log_failure(LOG_WARNING, &error, "Cannot take away all of the sandbox");
        shim->deadline = 0;
        shim->state = SHIM_ENDED;
        if (!kept_get_record(shim->kept) || !kept_has_untold(shim->kept))
                return;
        shim->state = SHIM_TELLING;
        shim_set_deadline(shim, UNTOLD_TIMEOUT_USEC);
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
        shim_end_step(shim, "container");
        if (container_set_ready(shim->container, init_pid, &error) < 0 ||
            mask_apply(shim->container, shim->spec, &error) < 0) {
                (void) error_move(&shim->reason, &error);
                shim_kill_container(shim);
                return;
        }
        shim->applier = applier_new(&(ApplierSetup){ .spec = shim->spec,
                                                     .container = shim->container,
                                                     .box = shim->box,
                                                     .loop = shim->loop,
                                                     .report = shim->report,
                                                     .helper_folder = shim->helper_folder,
                                                     .runtime_folder = shim->runtime_folder,
                                                     .instance_id = shim->lxc_name });
        shim_end_step(shim, "masks");
        shim->state = SHIM_RUNNING;
        shim->deadline = 0;
        shim_timings_put(&writer, shim->timings);
        shim_send(shim, SHIM_TIMINGS, 0, &writer);
        wire_put_i32(&writer, init_pid);
        shim_send(shim, SHIM_LEADER, 0, &writer);
        shim_answer(shim, shim->start_serial, NULL);
        shim->start_serial = 0;
        if (oom_new(shim->box, shim->loop, &shim->oom, &error) < 0)
                log_failure(LOG_DEBUG, &error, "Programs that the kernel kills are told as killed only");
}

static void on_program_ran(void *userdata, uint32_t serial, uint32_t run, pid_t pid, const Error *error) {
        Shim *shim = userdata;
        const KeptRun *kept = kept_find(shim->kept, run);
        bool is_orphan = kept && kept->is_orphan;

        if (error) /* before the answer, after which nothing of the program may be left */
                kept_remove(shim->kept, run);
        else
                kept_set_running(shim->kept, run, pid);
        if (!is_orphan)
                shim_answer_run(shim, serial, run, error, pid);
        else if (!error)
                (void) init_client_signal(shim->init, 0, run, SIGKILL, NULL);
}

static void on_program_exited(void *userdata, const ShimExited *exited) {
        Shim *shim = userdata;
        WireWriter writer = WIRE_WRITER_NULL;

        kept_set_ended(shim->kept, exited);
        if (!kept_find(shim->kept, exited->run))
                return; /* nobody knows that it was there */
        shim_exited_put(&writer, exited);
        shim_send(shim, SHIM_EXITED, 0, &writer);
        shim_look_for_end(shim);
}

static bool on_was_oom(void *userdata) {
        Shim *shim = userdata;

        return shim->oom && oom_take_kill(shim->oom);
}

static void on_signalled(void *userdata, uint32_t serial, const Error *error) {
        if (serial != 0)
                shim_answer(userdata, serial, error);
}

static const InitEvents init_events = {
        .ready = on_init_ready,
        .ran = on_program_ran,
        .exited = on_program_exited,
        .was_oom = on_was_oom,
        .signalled = on_signalled,
};

/* ---- starting ---- */

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
        shim_end_step(shim, "user-namespace");
        return 0;
}

int shim_start_container(Shim *shim, Error *error) {
        int join_fds[INIT_CGROUPS_MAX], n_join_fds, r;
        autofd int init_fd = -EBADF;

        r = cgroup_box_limit(shim->box, shim->spec->memory_max, shim->spec->tasks_max, error);
        if (r < 0)
                return r;
        if (shim->spec->user_namespace)
                r = make_user_namespace(shim, shim->spec->id_base, shim->spec->id_count, error);
        else /* what the spare shim has made is for others */
                shim->userns_fd = fd_close(shim->userns_fd);
        if (r < 0)
                return r;
        r = init_client_new(&init_events, shim, &shim->init, &init_fd, error);
        if (r >= 0)
                r = init_client_setup(shim->init, shim->spec, error);
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
        shim_end_step(shim, "fork");
        return r;
}

/* ---- the loop ---- */

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
                        shim_kill_container(shim);
                return;
        }
        log_failure(LOG_WARNING, &error, "Sandbox '%s' is killed", shim->spec->name);
        if (!shim->reason.message)
                (void) error_move(&shim->reason, &error);
        shim_kill_container(shim);
}

static void on_signals(void *userdata, short revents) {
        Shim *shim = userdata;
        struct signalfd_siginfo info;

        (void) revents;
        while (read(shim->signals_fd, &info, sizeof(info)) == sizeof(info))
                if (info.ssi_signo == SIGTERM && shim->state == SHIM_TELLING)
                        shim->state = SHIM_ENDED;
                else if (info.ssi_signo == SIGTERM)
                        shim_begin_halting(shim, shim->spec ? shim->spec->stop_timeout_usec : 0);
        for (;;) {
                int status;
                pid_t pid = waitpid(-1, &status, WNOHANG);

                if (pid <= 0)
                        return;
                /* Others are what a dead monitor has left to us as subreaper: init. */
                if (shim->container && pid == container_get_monitor(shim->container))
                        finish_container(shim, status);
                else
                        (void) loop_child_exited(shim->loop, pid, status);
        }
}

static void on_deadline(void *userdata) {
        Shim *shim = userdata;

        shim->deadline = 0;
        switch (shim->state) {
        case SHIM_STARTING: {
                g_autofree char *words =
                        g_strdup_printf("The sandbox did not start within %.1f s",
                                        (double) shim->spec->start_timeout_usec / G_USEC_PER_SEC);

                (void) container_take_failure(shim->container, ERROR_TIMEOUT, words, &shim->reason);
                shim_kill_container(shim);
                break;
        }
        case SHIM_HALTING:
                begin_killing(shim);
                break;
        case SHIM_KILLING:
                shim_kill_container(shim);
                break;
        case SHIM_ENDING:
                clean_up(shim);
                break;
        case SHIM_TELLING:
                log_warning("Nobody was told how the programs of sandbox '%s' ended", shim->spec->name);
                shim->state = SHIM_ENDED;
                break;
        case SHIM_SPARE:
        case SHIM_RUNNING:
        case SHIM_ENDED:
        case _SHIM_STATE_MAX:
        default:
                break;
        }
}

/* Tells the last: how the start or the stop went, or that the sandbox ended unasked. */
static void tell_end(Shim *shim) {
        const Error *reason = shim->reason.message ? &shim->reason : NULL;

        if (shim->start_serial != 0) {
                g_auto(Error) stopped = ERROR_NULL;

                (void) error_setf(&stopped, ERROR_BAD_STATE, "The sandbox was stopped while it started");
                shim_answer(shim, shim->start_serial, reason ?: &stopped);
        }
        if (shim->stop_serial != 0)
                shim_answer(shim, shim->stop_serial, NULL);
        else if (shim->start_serial == 0 && reason) {
                WireWriter writer = WIRE_WRITER_NULL;

                shim_error_put(&writer, reason);
                shim_send(shim, SHIM_GONE, 0, &writer);
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

static void on_init_ready_to_talk(void *userdata, short revents) {
        Shim *shim = userdata;

        if (revents & ~POLLOUT && init_client_get_fd(shim->init) >= 0)
                on_init(shim);
        if (revents & POLLOUT)
                init_client_send_unsent(shim->init);
}

static void on_service_ready(void *userdata, short revents) {
        Shim *shim = userdata;

        (void) revents;
        if (shim->service_fd >= 0)
                shim_hear_service(shim);
}

static void on_listen_ready(void *userdata, short revents) {
        Shim *shim = userdata;

        (void) revents;
        if (shim_wants_service(shim))
                shim_accept_service(shim);
}

static void watch_fd(Shim *shim, LoopSource **source, LoopRank rank, int fd, short events, LoopReady ready) {
        if (fd < 0)
                g_clear_pointer(source, loop_source_free);
        else if (!*source)
                *source = loop_add_fd(shim->loop, rank, fd, events, ready, shim);
        if (*source)
                loop_source_set_events(*source, events);
}

/* Both descriptors come and go; what waits for them follows before each round. */
static void watch(Shim *shim) {
        bool has_unsent = shim->init && init_client_has_unsent(shim->init);

        watch_fd(shim, &shim->init_source, LOOP_RANK_INIT, shim->init ? init_client_get_fd(shim->init) : -EBADF,
                 (short) (POLLIN | (has_unsent ? POLLOUT : 0)), on_init_ready_to_talk);
        watch_fd(shim, &shim->service_source, LOOP_RANK_SERVICE, shim->service_fd, POLLIN, on_service_ready);
        watch_fd(shim, &shim->listen_source, LOOP_RANK_SERVICE, shim_wants_service(shim) ? shim->listen_fd : -EBADF,
                 POLLIN, on_listen_ready);
        loop_source_set_time(shim->timer, shim->deadline);
}

int shim_serve(Shim *shim, Error *error) {
        int r;

        while (shim->state != SHIM_ENDED) {
                watch(shim);
                r = loop_run_once(shim->loop, error);
                if (r < 0)
                        return r;
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
        (void) loop_add_fd(shim->loop, LOOP_RANK_SIGNALS, shim->signals_fd, POLLIN, on_signals, shim);
        return 0;
}

static int make_runtime_folder(Shim *shim, Error *error) {
        g_autofree char *lock = g_build_filename(shim->runtime_folder, SHIM_LOCK_FILE, NULL);
        int r;

        r = fs_make_folders(AT_FDCWD, shim->runtime_folder, 0700, error);
        if (r < 0)
                return r;
        shim->lock_fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (shim->lock_fd < 0 || flock(shim->lock_fd, LOCK_EX | LOCK_NB) < 0)
                return error_set_errnof(error, errno, "Cannot lock '%s'", lock);
        return shim_listen(shim, error);
}

static int make_box(Shim *shim, const char *name, Error *error) {
        g_autoptr(CgroupDevices) devices = NULL;
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
        r = cgroup_devices_new(shim->box, device_base, device_n_base, &devices, error);
        if (r < 0)
                return r;
        return cgroup_box_set_devices(shim->box, devices, error);
}

int shim_new(const ShimOptions *options, Shim **ret, Error *error) {
        g_autoptr(Shim) shim = g_new0(Shim, 1);
        int r;

        shim->service_fd = options->service_fd;
        shim->version = options->version;
        shim->is_greeted = true;
        shim->listen_fd = shim->signals_fd = shim->lock_fd = shim->userns_fd = -EBADF;
        shim->instance = g_strdup(options->instance);
        shim->runtime_folder = g_strdup(options->runtime_folder);
        shim->init_program = g_strdup(options->init_program);
        shim->helper_folder = g_strdup(options->helper_folder);
        shim->lxc_name = g_strdelimit(g_strdup(options->cgroup), "/", '-');
        shim->loop = loop_new();
        shim->report = report_new(shim->loop, shim_send_report, shim);
        shim->timer = loop_add_timer(shim->loop, on_deadline, shim);
        shim->timings = shim_timings_new();
        shim->kept = kept_new();
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
        shim_end_step(shim, "cgroups");
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
        g_clear_pointer(&shim->oom, oom_free);
        g_clear_pointer(&shim->init, init_client_free);
        g_clear_pointer(&shim->container, container_free);
        g_clear_pointer(&shim->box, cgroup_box_free);
        g_clear_pointer(&shim->cgroups, cgroup_host_free);
        g_clear_pointer(&shim->spec, spec_free);
        g_clear_pointer(&shim->timings, g_array_unref);
        g_clear_pointer(&shim->kept, kept_free);
        g_clear_pointer(&shim->report, report_free);
        g_clear_pointer(&shim->snapshot, snapshot_free);
        g_clear_pointer(&shim->loop, loop_free);
        error_done(&shim->reason);
        shim->service_fd = fd_close(shim->service_fd);
        shim->listen_fd = fd_close(shim->listen_fd);
        shim->signals_fd = fd_close(shim->signals_fd);
        shim->lock_fd = fd_close(shim->lock_fd);
        shim->userns_fd = fd_close(shim->userns_fd);
        g_free(shim->instance);
        g_free(shim->runtime_folder);
        g_free(shim->init_program);
        g_free(shim->helper_folder);
        g_free(shim->lxc_name);
        g_free(shim);
}
