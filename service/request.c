/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "service/request.h"

#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "util/cleanup.h"
#include "util/limits.h"

static const struct {
        const char *name;
        uint32_t resource;
} rlimit_names[] = {
        { "as", RLIMIT_AS },           { "core", RLIMIT_CORE },         { "cpu", RLIMIT_CPU },
        { "data", RLIMIT_DATA },       { "fsize", RLIMIT_FSIZE },       { "locks", RLIMIT_LOCKS },
        { "memlock", RLIMIT_MEMLOCK }, { "msgqueue", RLIMIT_MSGQUEUE }, { "nice", RLIMIT_NICE },
        { "nofile", RLIMIT_NOFILE },   { "nproc", RLIMIT_NPROC },       { "rss", RLIMIT_RSS },
        { "rtprio", RLIMIT_RTPRIO },   { "rttime", RLIMIT_RTTIME },     { "sigpending", RLIMIT_SIGPENDING },
        { "stack", RLIMIT_STACK },
};

static const char *const stream_names[3] = { "stdin", "stdout", "stderr" };

SandboxRequest *sandbox_request_new(Caller *caller, const char *client, const char *name) {
        SandboxRequest *request = g_new0(SandboxRequest, 1);

        request->caller = caller_ref(caller);
        request->client = g_strdup(client);
        request->name = g_strdup(name);
        request->labels = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
        request->mounts = g_ptr_array_new_with_free_func((GDestroyNotify) mount_unref);
        return request;
}

void sandbox_request_free(SandboxRequest *request) {
        if (!request)
                return;
        g_free(request->client);
        g_free(request->name);
        g_free(request->template_name);
        g_strfreev(request->capabilities);
        g_strfreev(request->environment);
        g_free(request->hostname);
        g_hash_table_unref(request->labels);
        g_ptr_array_unref(request->mounts);
        caller_unref(request->caller);
        g_free(request);
}

int sandbox_request_set_hostname(SandboxRequest *request, const char *hostname, Error *error) {
        size_t length = strlen(hostname);

        if (length == 0 || length > HOSTNAME_MAX || !g_ascii_isalnum(hostname[0]) ||
            strspn(hostname, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS ".-") != length)
                return error_setf(error, ERROR_INVALID_ARGS,
                                  "Host name '%.*s' is not 1 to %d letters, digits, '.' and '-'",
                                  HOSTNAME_MAX, hostname, HOSTNAME_MAX);
        g_free(request->hostname);
        request->hostname = g_strdup(hostname);
        return 0;
}

int sandbox_request_add_label(SandboxRequest *request, const char *name, const char *value, Error *error) {
        if (!*name || strlen(name) > LABEL_SIZE_MAX || strlen(value) > LABEL_SIZE_MAX)
                return error_setf(error, ERROR_INVALID_ARGS,
                                  "A label's name is empty, or it or its value is longer than %d bytes",
                                  LABEL_SIZE_MAX);
        if (g_hash_table_size(request->labels) >= LABELS_MAX)
                return error_setf(error, ERROR_LIMIT_REACHED, "More than %d labels", LABELS_MAX);
        g_hash_table_insert(request->labels, g_strdup(name), g_strdup(value));
        return 0;
}

int sandbox_request_add_mount(SandboxRequest *request, const char *source, const char *target, uint64_t flags,
                              Error *error) {
        Mount *mount = NULL;
        int r;

        if (request->mounts->len >= SANDBOX_MOUNTS_MAX)
                return error_setf(error, ERROR_LIMIT_REACHED, "More than %d mounts", SANDBOX_MOUNTS_MAX);
        r = mount_new(source, target, flags, &mount, error);
        if (r < 0)
                return r;
        g_ptr_array_add(request->mounts, mount);
        return 0;
}

int environment_check(char *const *environment, Error *error) {
        size_t n = 0;

        for (char *const *at = environment; *at; at++) {
                const char *equals = strchr(*at, '=');

                if (!equals || equals == *at)
                        return error_setf(error, ERROR_INVALID_ARGS,
                                          "A variable without a name is in the environment");
                if (equals - *at > ENV_NAME_MAX)
                        return error_setf(error, ERROR_INVALID_ARGS,
                                          "The name of variable '%.32s' is longer than %d bytes", *at,
                                          ENV_NAME_MAX);
                if (strlen(equals + 1) > ENV_VALUE_MAX)
                        return error_setf(error, ERROR_INVALID_ARGS,
                                          "The value of variable '%.*s' is longer than %d bytes",
                                          (int) (equals - *at), *at, ENV_VALUE_MAX);
                if (++n > ENVIRONMENT_MAX)
                        return error_setf(error, ERROR_LIMIT_REACHED,
                                          "More than %d variables in the environment", ENVIRONMENT_MAX);
        }
        return 0;
}

int sandbox_request_set_environment(SandboxRequest *request, char *const *environment, Error *error) {
        int r = environment_check(environment, error);

        if (r < 0)
                return r;
        g_strfreev(request->environment);
        request->environment = g_strdupv((char **) environment);
        return 0;
}

RunRequest *run_request_new(Caller *caller) {
        RunRequest *request = g_new0(RunRequest, 1);

        request->caller = caller_ref(caller);
        for (unsigned i = 0; i < G_N_ELEMENTS(request->fds); i++)
                request->fds[i] = -EBADF;
        return request;
}

void run_request_free(RunRequest *request) {
        if (!request)
                return;
        for (unsigned i = 0; i < G_N_ELEMENTS(request->fds); i++)
                (void) fd_close(request->fds[i]);
        shim_run_done(&request->run);
        caller_unref(request->caller);
        g_free(request);
}

/* What execve(2) would count, pointers included. */
static size_t strings_size(char *const *strings) {
        size_t size = 0;

        for (; strings && *strings; strings++)
                size += strlen(*strings) + 1 + sizeof(char *);
        return size;
}

static int run_check_size(const RunRequest *request, Error *error) {
        if (strings_size(request->run.argv) + strings_size(request->run.environment) > RUN_BYTES_MAX)
                return error_setf(error, ERROR_LIMIT_REACHED,
                                  "Arguments and environment together are larger than %d bytes",
                                  RUN_BYTES_MAX);
        return 0;
}

int run_request_set_argv(RunRequest *request, char *const *argv, Error *error) {
        guint n = g_strv_length((char **) argv);

        if (n > 0 && !*argv[0])
                return error_setf(error, ERROR_INVALID_ARGS, "No program to run: the first string of argv is empty");
        if (n > ARGV_MAX)
                return error_setf(error, ERROR_LIMIT_REACHED, "argv has %u strings, at most %d are taken", n,
                                  ARGV_MAX);
        g_strfreev(request->run.argv);
        request->run.argv = g_strdupv((char **) argv);
        return run_check_size(request, error);
}

int run_request_set_environment(RunRequest *request, char *const *environment, Error *error) {
        int r = environment_check(environment, error);

        if (r < 0)
                return r;
        g_strfreev(request->run.environment);
        request->run.environment = g_strdupv((char **) environment);
        return run_check_size(request, error);
}

int run_request_set_working_directory(RunRequest *request, const char *path, Error *error) {
        if (path[0] != '/' || strlen(path) >= PATH_SIZE_MAX)
                return error_setf(error, ERROR_INVALID_ARGS,
                                  "Working directory '%.64s' is not an absolute path of less than %d bytes",
                                  path, PATH_SIZE_MAX);
        g_free(request->run.working_directory);
        request->run.working_directory = g_strdup(path);
        return 0;
}

/* INIT_UID is init's own: an app that had it could signal init. */
static bool id_parse(const char *text, uint32_t *ret) {
        guint64 id;

        if (!g_ascii_string_to_unsigned(text, 10, 0, INIT_UID - 1, &id, NULL))
                return false;
        *ret = (uint32_t) id;
        return true;
}

int run_request_set_user(RunRequest *request, const char *user, Error *error) {
        g_auto(GStrv) parts = g_strsplit(user, ":", 3);
        guint n = g_strv_length(parts);
        uint32_t uid = 0, gid = 0;

        if (strcmp(user, "app") == 0) {
                request->run.has_user = false;
                return 0;
        }
        if (strcmp(user, "root") != 0) {
                if (n < 1 || n > 2 || !id_parse(parts[0], &uid) || !id_parse(parts[n - 1], &gid))
                        return error_setf(error, ERROR_INVALID_ARGS,
                                          "User '%.64s' is not one of: app, root, a number below %u, uid:gid",
                                          user, (unsigned) INIT_UID);
        }
        request->run.has_user = true;
        request->run.uid = uid;
        request->run.gid = gid;
        return 0;
}

int run_request_set_groups(RunRequest *request, char *const *groups, Error *error) {
        guint n = g_strv_length((char **) groups);
        g_autofree uint32_t *ids = g_new0(uint32_t, n + 1);

        if (n > RUN_GROUPS_MAX)
                return error_setf(error, ERROR_LIMIT_REACHED, "%u groups, at most %d are taken", n,
                                  RUN_GROUPS_MAX);
        for (guint i = 0; i < n; i++)
                if (!id_parse(groups[i], &ids[i]))
                        return error_setf(error, ERROR_INVALID_ARGS, "Group '%.64s' is not a number below %u",
                                          groups[i], (unsigned) INIT_UID);
        g_free(request->run.groups);
        request->run.groups = g_steal_pointer(&ids);
        request->run.n_groups = n;
        return 0;
}

int run_request_add_rlimit(RunRequest *request, const char *name, uint64_t soft, uint64_t hard,
                           Error *error) {
        ShimRun *run = &request->run;
        size_t row = 0;

        while (row < G_N_ELEMENTS(rlimit_names) && strcmp(rlimit_names[row].name, name) != 0)
                row++;
        if (row == G_N_ELEMENTS(rlimit_names))
                return error_setf(error, ERROR_INVALID_ARGS,
                                  "Unknown resource limit '%.64s', expected a name like nofile or core",
                                  name);
        if (soft > hard)
                return error_setf(error, ERROR_INVALID_ARGS,
                                  "Resource limit '%s' has a soft limit above its hard limit", name);
        for (uint32_t i = 0; i < run->n_rlimits; i++)
                if (run->rlimits[i].resource == rlimit_names[row].resource)
                        return error_setf(error, ERROR_INVALID_ARGS, "Resource limit '%s' is given twice",
                                          name);
        run->rlimits = g_renew(InitRlimit, run->rlimits, run->n_rlimits + 1);
        run->rlimits[run->n_rlimits++] = (InitRlimit){ .resource = rlimit_names[row].resource,
                                                       .soft = soft,
                                                       .hard = hard };
        return 0;
}

int run_request_set_fd(RunRequest *request, unsigned i, int fd, Error *error) {
        int flags = fcntl(fd, F_GETFL);
        struct statx stx;

        /* Who serves the file system may be the caller's own and never answer: it is not asked. */
        if (flags < 0 || statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE, &stx) < 0)
                return error_set_errnof(error, errno, "Cannot look at the descriptor for %s",
                                        stream_names[i]);
        if (flags & O_PATH)
                return error_setf(error, ERROR_INVALID_ARGS, "The descriptor for %s was opened with O_PATH",
                                  stream_names[i]);
        if (S_ISDIR(stx.stx_mode))
                return error_setf(error, ERROR_INVALID_ARGS, "The descriptor for %s is a folder",
                                  stream_names[i]);

        int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);

        if (copy < 0)
                return error_set_errnof(error, errno, "Cannot duplicate the descriptor for %s",
                                        stream_names[i]);
        (void) fd_close(request->fds[i]);
        request->fds[i] = copy;
        return 0;
}

int run_request_check(const RunRequest *request, Error *error) {
        for (unsigned i = 0; request->run.terminal && i < G_N_ELEMENTS(request->fds); i++)
                if (request->fds[i] >= 0)
                        return error_setf(error, ERROR_INVALID_ARGS,
                                          "Options '%s' and 'terminal' do not go together", stream_names[i]);
        if (!request->run.terminal && (request->run.rows > 0 || request->run.columns > 0))
                return error_setf(error, ERROR_INVALID_ARGS,
                                  "Options 'rows' and 'columns' are of a terminal, and need option 'terminal'");
        return 0;
}
