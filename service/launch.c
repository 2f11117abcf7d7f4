/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "service/launch.h"

#include "service/sandbox-private.h"

struct Launch {
        Sandbox *sandbox; /* not owned; it outlives us */
        RunRequest *run;  /* owned */
        bool keep;
        bool cancelled;
        uint64_t run_usec; /* when the program was asked for */
        Error failure;     /* owned; why it is being undone */
        LaunchDone done;
        void *userdata;
};

static void launch_free(Launch *launch) {
        run_request_free(launch->run);
        error_done(&launch->failure);
        g_free(launch);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Launch, launch_free)

static void on_undone(void *userdata, const Error *error G_GNUC_UNUSED) {
        g_autoptr(Launch) launch = userdata;

        launch->done(launch->userdata, NULL, &launch->failure);
}

/* Takes what is in @failure. */
static void launch_undo(Launch *launch, Error *failure) {
        (void) error_move(&launch->failure, failure);
        sandbox_stop(launch->sandbox, 0, on_undone, launch);
}

static void on_launch_ran(void *userdata, Process *process, const Error *error) {
        Launch *launch = userdata;
        g_auto(Error) failure = ERROR_NULL;

        if (error)
                (void) error_copy(&failure, error);
        else if (launch->cancelled)
                (void) error_setf(&failure, ERROR_BAD_STATE, "The launch was cancelled");
        if (failure.message) {
                launch_undo(launch, &failure);
                return;
        }
        sandbox_add_timing(launch->sandbox, "run", launch->run_usec);
        sandbox_add_timing(launch->sandbox, "total", sandbox_get_created_monotonic_usec(launch->sandbox));
        if (!launch->keep)
                sandbox_end_with(launch->sandbox, process);
        sandbox_commit(launch->sandbox);
        launch->done(launch->userdata, process, NULL);
        launch_free(launch);
}

static void on_launch_created(void *userdata, const Error *error) {
        Launch *launch = userdata;
        g_auto(Error) failure = ERROR_NULL;

        if (error) {
                launch->done(launch->userdata, NULL, error);
                launch_free(launch);
                return;
        }
        launch->run_usec = (uint64_t) g_get_monotonic_time();
        if (sandbox_run(launch->sandbox, launch->run, on_launch_ran, launch, &failure) < 0)
                launch_undo(launch, &failure);
}

int launch_start(Manager *manager, const SandboxRequest *request, RunRequest *run, bool keep, LaunchDone done,
                 void *userdata, Launch **ret, Error *error) {
        g_autoptr(Launch) launch = g_new0(Launch, 1);
        int r;

        launch->run = run;
        launch->keep = keep;
        launch->done = done;
        launch->userdata = userdata;
        r = manager_create(manager, request, on_launch_created, launch, &launch->sandbox, error);
        if (r < 0)
                return r;
        sandbox_hold(launch->sandbox);
        *ret = g_steal_pointer(&launch);
        return 0;
}

void launch_cancel(Launch *launch) {
        launch->cancelled = true;
        sandbox_stop(launch->sandbox, 0, NULL, NULL);
}
