/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/shim-message.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "plan/plan-private.h"
#include "util/enum-table.h"
#include "util/limits.h"

/* MAX_ERRNO of the kernel: no system call fails with more. */
#define ERRNO_MAX 4095

/* What waitid(2) can tell: an exit status, or a signal, of which Linux has fewer. */
#define EXIT_STATUS_MAX 255
#define SIGNAL_MAX      64

static const char *const shim_exit_reason_names[_SHIM_EXIT_REASON_MAX] = {
        [SHIM_EXIT_EXITED] = "exited",     [SHIM_EXIT_KILLED] = "killed", [SHIM_EXIT_DUMPED] = "dumped",
        [SHIM_EXIT_OOM_KILL] = "oom-kill", [SHIM_EXIT_LOST] = "lost",
};

ENUM_TABLE_DEFINE(shim_exit_reason, ShimExitReason, _SHIM_EXIT_REASON_MAX)

static int message_broken(Error *error, const char *what) {
        return error_set_errnof(error, EBADMSG, "%s ends early or is not well formed", what);
}

/* ---- an error, or success ---- */

void shim_error_put(WireWriter *writer, const Error *error) {
        bool failed = error && error->message;

        wire_put_u8(writer, failed);
        if (!failed)
                return;
        wire_put_string(writer, error_code_to_string(error->code));
        wire_put_u32(writer, (uint32_t) error->errnum);
        wire_put_string(writer, error->message);
        wire_put_string(writer, error->file);
        wire_put_string(writer, error->path);
        wire_put_u32(writer, error->line);
        wire_put_u32(writer, error->column);
}

/* The text goes on to the bus, which drops what is no UTF-8, and into one line of a log. */
static char *text_clean(const char *text) {
        return !text || plan_text_is_clean(text) ? g_strdup(text) : plan_text_escape(text);
}

int shim_error_get(WireReader *reader, Error *ret) {
        g_auto(Error) error = ERROR_NULL;
        uint8_t failed = wire_get_u8(reader);
        uint32_t errnum;

        if (reader->failed || failed > 1)
                return message_broken(ret, "Answer");
        if (!failed)
                return 0;
        error.code = error_code_from_string(wire_get_string(reader));
        errnum = wire_get_u32(reader);
        error.message = text_clean(wire_get_string(reader));
        error.file = text_clean(wire_get_string(reader));
        error.path = text_clean(wire_get_string(reader));
        error.line = wire_get_u32(reader);
        error.column = wire_get_u32(reader);
        if (reader->failed || !error.message || errnum > ERRNO_MAX)
                return message_broken(ret, "Answer");
        error.errnum = (int) errnum;
        /* A newer writer may know more codes; its sentence still says what happened. */
        if (error.code < 0)
                error.code = ERROR_SYSTEM;
        return error_move(ret, &error);
}

/* ---- a program to run ---- */

void shim_run_put(WireWriter *writer, const ShimRun *run) {
        wire_put_u32(writer, run->run);
        wire_put_strings(writer, run->argv);
        wire_put_strings(writer, run->environment);
        wire_put_string(writer, run->working_directory);
        wire_put_u8(writer, run->has_user);
        wire_put_u32(writer, run->uid);
        wire_put_u32(writer, run->gid);
        wire_put_u32(writer, run->n_groups);
        for (uint32_t i = 0; i < run->n_groups; i++)
                wire_put_u32(writer, run->groups[i]);
        wire_put_u32(writer, run->n_rlimits);
        for (uint32_t i = 0; i < run->n_rlimits; i++) {
                wire_put_u32(writer, run->rlimits[i].resource);
                wire_put_u64(writer, run->rlimits[i].soft);
                wire_put_u64(writer, run->rlimits[i].hard);
        }
        wire_put_u8(writer, run->terminal);
        wire_put_u32(writer, run->rows);
        wire_put_u32(writer, run->columns);
}

void shim_run_done(ShimRun *run) {
        g_strfreev(run->argv);
        g_strfreev(run->environment);
        g_free(run->working_directory);
        g_free(run->groups);
        g_free(run->rlimits);
        *run = (ShimRun){ 0 };
}

static uint32_t get_count(WireReader *reader, uint32_t max) {
        uint32_t n = wire_get_u32(reader);

        if (n <= max)
                return n;
        reader->failed = true;
        return 0;
}

static size_t strings_size(char *const *strings) {
        size_t size = 0;

        for (; *strings; strings++)
                size += strlen(*strings) + 1;
        return size;
}

static int run_check_ids(const ShimRun *run, Error *error) {
        bool valid = !run->has_user || (run->uid < INIT_UID && run->gid < INIT_UID);

        for (uint32_t i = 0; valid && i < run->n_groups; i++)
                valid = run->groups[i] < INIT_UID;
        if (valid)
                return 0;
        return error_setf(error, ERROR_INVALID_ARGS, "User, group or a further group is %u or more",
                          INIT_UID);
}

static int run_check_rlimits(const ShimRun *run, Error *error) {
        for (uint32_t i = 0; i < run->n_rlimits; i++) {
                const InitRlimit *rlimit = run->rlimits + i;

                if (rlimit->resource >= RLIM_NLIMITS)
                        return error_setf(error, ERROR_INVALID_ARGS, "Resource %u is unknown",
                                          rlimit->resource);
                if (rlimit->soft > rlimit->hard)
                        return error_setf(error, ERROR_INVALID_ARGS,
                                          "Soft limit of resource %u is above its hard limit",
                                          rlimit->resource);
        }
        return 0;
}

static int run_check(const ShimRun *run, Error *error) {
        int r;

        if (run->run == 0)
                return error_setf(error, ERROR_INVALID_ARGS, "Program without a number");
        if (!run->argv[0])
                return error_setf(error, ERROR_INVALID_ARGS, "Program without a name, argv is empty");
        if (strings_size(run->argv) + strings_size(run->environment) > RUN_BYTES_MAX)
                return error_setf(error, ERROR_LIMIT_REACHED,
                                  "Arguments and environment have more than %d bytes together",
                                  RUN_BYTES_MAX);
        r = plan_environment_check(run->environment, error);
        if (r < 0)
                return r;
        if (run->working_directory && run->working_directory[0] != '/')
                return error_setf(error, ERROR_INVALID_ARGS, "Working directory is not absolute");
        if (run->working_directory && strlen(run->working_directory) >= PATH_SIZE_MAX)
                return error_setf(error, ERROR_INVALID_ARGS, "Working directory is longer than %d bytes",
                                  PATH_SIZE_MAX - 1);
        r = run_check_ids(run, error);
        return r < 0 ? r : run_check_rlimits(run, error);
}

int shim_run_get(WireReader *reader, ShimRun *ret, Error *error) {
        g_auto(ShimRun) run = { 0 };
        uint8_t has_user, terminal;
        uint32_t rows, columns;
        int r;

        run.run = wire_get_u32(reader);
        run.argv = plan_strings_take(wire_get_strings(reader, ARGV_MAX));
        run.environment = plan_strings_take(wire_get_strings(reader, ENVIRONMENT_MAX));
        run.working_directory = g_strdup(wire_get_string(reader));
        has_user = wire_get_u8(reader);
        run.has_user = has_user == 1;
        run.uid = wire_get_u32(reader);
        run.gid = wire_get_u32(reader);
        run.n_groups = get_count(reader, RUN_GROUPS_MAX);
        run.groups = g_new0(uint32_t, run.n_groups);
        for (uint32_t i = 0; i < run.n_groups; i++)
                run.groups[i] = wire_get_u32(reader);
        run.n_rlimits = get_count(reader, RUN_RLIMITS_MAX);
        run.rlimits = g_new0(InitRlimit, run.n_rlimits);
        for (uint32_t i = 0; i < run.n_rlimits; i++) {
                run.rlimits[i].resource = wire_get_u32(reader);
                run.rlimits[i].soft = wire_get_u64(reader);
                run.rlimits[i].hard = wire_get_u64(reader);
        }
        terminal = wire_get_u8(reader);
        run.terminal = terminal == 1;
        rows = wire_get_u32(reader);
        columns = wire_get_u32(reader);
        if (reader->failed || has_user > 1 || terminal > 1 || rows > UINT16_MAX || columns > UINT16_MAX)
                return message_broken(error, "Request to run a program");
        run.rows = (uint16_t) rows;
        run.columns = (uint16_t) columns;
        r = run_check(&run, error);
        if (r < 0)
                return r;
        *ret = run;
        run = (ShimRun){ 0 };
        return 0;
}

/* ---- what became of it ---- */

void shim_ran_put(WireWriter *writer, uint32_t run, const Error *error, pid_t pid) {
        bool failed = error && error->message;

        wire_put_u32(writer, run);
        shim_error_put(writer, error);
        wire_put_i32(writer, failed ? 0 : pid);
}

int shim_ran_get(WireReader *reader, uint32_t *ret_run, pid_t *ret_pid, Error *error) {
        g_auto(Error) told = ERROR_NULL;
        uint32_t run = wire_get_u32(reader);
        int r = shim_error_get(reader, &told);
        pid_t pid = wire_get_i32(reader);

        if (reader->failed || run == 0 || (r >= 0 && pid <= 0))
                return message_broken(error, "Answer to a program's start");
        *ret_run = run;
        if (r < 0)
                return error_move(error, &told);
        *ret_pid = pid;
        return 0;
}

void shim_exited_put(WireWriter *writer, const ShimExited *exited) {
        wire_put_u32(writer, exited->run);
        wire_put_string(writer, shim_exit_reason_to_string(exited->reason));
        wire_put_i32(writer, exited->status);
        wire_put_i32(writer, exited->raw_status);
}

static bool exited_is_possible(const ShimExited *exited) {
        switch (exited->reason) {
        case SHIM_EXIT_EXITED:
        case SHIM_EXIT_OOM_KILL: /* also of a program that outlived the kill of a child and exited by itself
                                  */
                return exited->status >= 0 && exited->status <= EXIT_STATUS_MAX;
        case SHIM_EXIT_KILLED:
        case SHIM_EXIT_DUMPED:
                return exited->status >= 1 && exited->status <= SIGNAL_MAX;
        case SHIM_EXIT_LOST:
                return exited->status == 0;
        case _SHIM_EXIT_REASON_MAX:
        case _SHIM_EXIT_REASON_INVALID:
                return false;
        }
        return false;
}

int shim_exited_get(WireReader *reader, ShimExited *ret) {
        ShimExited exited;

        exited.run = wire_get_u32(reader);
        exited.reason = shim_exit_reason_from_string(wire_get_string(reader));
        exited.status = wire_get_i32(reader);
        exited.raw_status = wire_get_i32(reader);
        if (reader->failed || exited.run == 0 || !exited_is_possible(&exited))
                return -EBADMSG;
        *ret = exited;
        return 0;
}

/* ---- how long a start took ---- */

static void timing_clear(void *timing) {
        g_free(((ShimTiming *) timing)->step);
}

GArray *shim_timings_new(void) {
        GArray *timings = g_array_new(FALSE, FALSE, sizeof(ShimTiming));

        g_array_set_clear_func(timings, timing_clear);
        return timings;
}

void shim_timings_add(GArray *timings, const char *step, uint64_t usec) {
        ShimTiming timing = { .step = g_strdup(step), .usec = usec };

        g_array_append_val(timings, timing);
}

void shim_timings_put(WireWriter *writer, const GArray *timings) {
        wire_put_u32(writer, timings->len);
        for (guint i = 0; i < timings->len; i++) {
                const ShimTiming *timing = &g_array_index(timings, ShimTiming, i);

                wire_put_string(writer, timing->step);
                wire_put_u64(writer, timing->usec);
        }
}

int shim_timings_get(WireReader *reader, GArray **ret) {
        g_autoptr(GArray) timings = shim_timings_new();
        uint32_t n = get_count(reader, TIMINGS_MAX);

        for (uint32_t i = 0; i < n; i++) {
                const char *step = wire_get_string(reader);
                uint64_t usec = wire_get_u64(reader);

                if (reader->failed || !step || !step[0] || !plan_text_is_clean(step))
                        return -EBADMSG;
                shim_timings_add(timings, step, usec);
        }
        if (reader->failed)
                return -EBADMSG;
        *ret = g_steal_pointer(&timings);
        return 0;
}
