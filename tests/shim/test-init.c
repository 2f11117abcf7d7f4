/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The real bulkhead-init, driven over its socket, outside of any container but in namespaces of its own:
 * user, pid and mount.
 */
#include "tests/fixture/test-slow.h"
#include "tests/shim/help.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "tests/shim/system.h"
#include "util/cleanup.h"
#include "util/fs.h"
#include "util/wire.h"

#define ID_BASE       0x5f000000u
#define PATIENCE_MSEC 10000

typedef struct Fixture {
        pid_t pid; /* of init, on the host; 0 once it is reaped */
        int fd;
        char *folder; /* anybody may look into it */
        uint32_t run;
} Fixture;

/* What init answered to a program. */
typedef struct Ran {
        int32_t errnum;
        uint32_t step;
        pid_t pid; /* of the child, by the kernel */
} Ran;

static Fixture *current; /* to end it also when a test jumps away */

/* ---- init as a child ---- */

/* The program is a descriptor, as it is for the shim: the folder that it lies in may be closed to its ids. */
G_GNUC_NORETURN static void init_main(int program_fd, int socket_fd, int go_fd) {
        char *argv[] = { (char *) (uintptr_t) "bulkhead-init", NULL }, *environment[] = { NULL };
        char byte;

        if (read(go_fd, &byte, 1) != 1 || dup2(socket_fd, INIT_FD_SOCKET) < 0 || setresgid(0, 0, 0) < 0 ||
            setresuid(0, 0, 0) < 0 || mount("proc", "/proc", "proc", 0, NULL) < 0)
                _exit(120);
        fexecve(program_fd, argv, environment);
        _exit(121);
}

static void write_map(pid_t pid, const char *file) {
        g_autofree char *path = g_strdup_printf("/proc/%d/%s", (int) pid, file);
        g_autofree char *map = g_strdup_printf("0 %u 65536\n", ID_BASE);

        assert_int_equal(fs_write_file_at(AT_FDCWD, path, map), 0);
}

/* @filter is for programs; init itself has none. */
static void send_walls(int fd, uint64_t capabilities, const void *filter, size_t size) {
        InitSetup walls = { .capabilities = capabilities, .filters[INIT_FILTER_APPS] = { filter, size } };
        WireWriter writer = WIRE_WRITER_NULL;

        init_setup_put(&writer, &walls);
        assert_int_equal(wire_send(fd, INIT_SETUP, 0, &writer, NULL, 0), 0);
        wire_writer_done(&writer);
}

static int setup(void **state) {
        static const int on = 1;
        const char *program = g_getenv("BULKHEAD_TEST_INIT");
        Fixture *fixture = g_new0(Fixture, 1);
        int sockets[2], go[2], program_fd;
        WireMessage message;

        if (!program)
                fail_msg("BULKHEAD_TEST_INIT is not set: run this test through meson");
        program_fd = open(program, O_RDONLY | O_CLOEXEC);
        assert_return_code(program_fd, errno);
        fixture->folder = system_make_folder("init");
        assert_int_equal(chmod(fixture->folder, 0755), 0);
        assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets), 0);
        assert_int_equal(setsockopt(sockets[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)), 0);
        assert_int_equal(pipe2(go, O_CLOEXEC), 0);
        /* clone(2) without a stack of its own is fork(2) with namespaces: the child is process 1. */
        fixture->pid = (pid_t) syscall(SYS_clone, CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS | SIGCHLD, NULL,
                                       NULL, NULL, NULL);
        assert_true(fixture->pid >= 0);
        if (fixture->pid == 0)
                init_main(program_fd, sockets[1], go[0]);
        close(program_fd);
        close(sockets[1]);
        close(go[0]);
        fixture->fd = sockets[0];
        current = fixture;
        *state = fixture;
        write_map(fixture->pid, "uid_map");
        write_map(fixture->pid, "gid_map");
        assert_int_equal(write(go[1], "", 1), 1);
        close(go[1]);
        send_walls(fixture->fd, 0, NULL, 0);
        if (wire_receive(fixture->fd, &message) != 1 || message.header.type != INIT_READY) {
                int status = 0;

                (void) waitpid(fixture->pid, &status, 0);
                fixture->pid = 0;
                fail_msg("init did not get ready, status %#x", status);
        }
        assert_int_equal(message.pid, fixture->pid);
        wire_message_done(&message);
        return 0;
}

static int teardown(void **state) {
        Fixture *fixture = current;

        (void) state;
        current = NULL;
        fixture->fd = fd_close(fixture->fd);
        if (fixture->pid > 0) {
                (void) kill(fixture->pid, SIGKILL);
                (void) waitpid(fixture->pid, NULL, 0);
        }
        system_remove_folder(fixture->folder);
        g_free(fixture);
        return 0;
}

/* Its own wait status. */
static int await_end(Fixture *fixture) {
        int status = -1;

        for (unsigned i = 0; i < PATIENCE_MSEC / 5; i++) {
                if (waitpid(fixture->pid, &status, WNOHANG) == fixture->pid) {
                        fixture->pid = 0;
                        return status;
                }
                system_sleep_msec(5);
        }
        fail_msg("init lives on");
        return -1;
}

/* ---- messages ---- */

static void next(Fixture *fixture, uint16_t type, WireMessage *ret) {
        struct pollfd polled = { .fd = fixture->fd, .events = POLLIN };

        if (poll(&polled, 1, PATIENCE_MSEC) <= 0)
                fail_msg("init is silent, message %u was expected", type);
        if (wire_receive(fixture->fd, ret) != 1)
                fail_msg("init hung up, message %u was expected", type);
        if (ret->header.type != type)
                fail_msg("init sent message %u, %u was expected", ret->header.type, type);
}

static void assert_silent(Fixture *fixture) {
        struct pollfd polled = { .fd = fixture->fd, .events = POLLIN };

        assert_int_equal(poll(&polled, 1, 100), 0);
}

static Ran run(Fixture *fixture, InitRun *ask, int output_fd) {
        autofd int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
        int fds[] = { null_fd, output_fd >= 0 ? output_fd : null_fd, output_fd >= 0 ? output_fd : null_fd };
        static const char *nothing[] = { "PATH=/usr/bin:/bin", NULL };
        WireWriter writer = WIRE_WRITER_NULL;
        WireMessage message;
        WireReader reader;
        Ran ran = { 0 };

        ask->run = ++fixture->run;
        ask->n_fds = 3;
        if (!ask->environment)
                ask->environment = nothing;
        init_run_put(&writer, ask);
        assert_int_equal(wire_send(fixture->fd, INIT_RUN, 0, &writer, fds, 3), 0);
        wire_writer_done(&writer);
        next(fixture, ask->run == 0 ? INIT_RAN : INIT_STARTING, &message);
        ran.pid = message.pid;
        reader = wire_reader(&message);
        assert_int_equal(wire_get_u32(&reader), ask->run);
        wire_message_done(&message);
        next(fixture, INIT_RAN, &message);
        assert_int_equal(message.pid, fixture->pid);
        reader = wire_reader(&message);
        assert_int_equal(wire_get_u32(&reader), ask->run);
        ran.errnum = wire_get_i32(&reader);
        ran.step = wire_get_u32(&reader);
        assert_false(reader.failed);
        wire_message_done(&message);
        return ran;
}

static int await_exit(Fixture *fixture, uint32_t number) {
        WireMessage message;
        WireReader reader;
        int status;

        next(fixture, INIT_EXITED, &message);
        reader = wire_reader(&message);
        assert_int_equal(wire_get_u32(&reader), number);
        status = wire_get_i32(&reader);
        assert_false(reader.failed);
        wire_message_done(&message);
        return status;
}

/* As another user than init, in no groups. */
static InitRun program(const char **argv) {
        return (InitRun){ .argv = argv, .uid = 1000, .gid = 1000 };
}

/* Its whole output; it has to end well. */
static char *output_of(Fixture *fixture, InitRun *ask) {
        GString *output = g_string_new(NULL);
        char buffer[4096];
        int ends[2];
        ssize_t n;
        Ran ran;

        assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
        ran = run(fixture, ask, ends[1]);
        close(ends[1]);
        if (ran.errnum != 0)
                fail_msg("'%s' did not start: %s", ask->argv[0], g_strerror(ran.errnum));
        while ((n = read(ends[0], buffer, sizeof(buffer))) > 0)
                g_string_append_len(output, buffer, n);
        close(ends[0]);
        assert_int_equal(await_exit(fixture, ask->run), 0);
        return g_string_free(output, FALSE);
}

static char *shell(Fixture *fixture, const char *line) {
        const char *argv[] = { "/bin/sh", "-c", line, NULL };
        InitRun ask = program(argv);

        return output_of(fixture, &ask);
}

static void assert_shell(Fixture *fixture, const char *line, const char *expected) {
        g_autofree char *output = shell(fixture, line);

        assert_string_equal(output, expected);
}

static int send_signal(Fixture *fixture, uint32_t number, int signal_number) {
        WireWriter writer = WIRE_WRITER_NULL;
        int r;

        wire_put_u32(&writer, number);
        wire_put_i32(&writer, signal_number);
        r = wire_send(fixture->fd, INIT_SIGNAL, 4711, &writer, NULL, 0);
        wire_writer_done(&writer);
        return r;
}

static int signalled(Fixture *fixture) {
        WireMessage message;
        WireReader reader;
        int r;

        next(fixture, INIT_SIGNALLED, &message);
        assert_int_equal(message.header.serial, 4711);
        reader = wire_reader(&message);
        r = wire_get_i32(&reader);
        wire_message_done(&message);
        return r;
}

static void start(Fixture *fixture, const char *line) {
        const char *argv[] = { "/bin/sh", "-c", line, NULL };
        InitRun ask = program(argv);

        assert_int_equal(run(fixture, &ask, -1).errnum, 0);
}

/* ---- programs ---- */

static void test_exit_codes_and_signals(void **state) {
        static const struct {
                const char *line;
                int status;
        } rows[] = {
                { "exit 0", 0 },
                { "exit 1", 1 << 8 },
                { "exit 255", 255 << 8 },
                { "kill -TERM $$", SIGTERM },
                { "kill -KILL $$", SIGKILL },
                { "ulimit -c 0; kill -SEGV $$", SIGSEGV },
        };
        Fixture *fixture = *state;

        for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
                start(fixture, rows[i].line);
                assert_int_equal(await_exit(fixture, fixture->run) & ~0x80, rows[i].status);
        }
}

static void test_pid_is_the_kernels(void **state) {
        Fixture *fixture = *state;
        const char *argv[] = { "/bin/sleep", "100", NULL };
        g_autofree char *path = NULL, *text = NULL;
        InitRun ask = program(argv);
        Ran ran = run(fixture, &ask, -1);

        path = g_strdup_printf("/proc/%d/cmdline", (int) ran.pid);
        /* The kernel wakes init a moment before the new program has its arguments. */
        for (unsigned i = 0; i < 100 && !(text && *text); i++) {
                g_free(text);
                assert_true(g_file_get_contents(path, &text, NULL, NULL));
                system_sleep_msec(1);
        }
        assert_string_equal(text, "/bin/sleep");
}

static void test_failures(void **state) {
        Fixture *fixture = *state;
        const char *denied = g_strconcat(fixture->folder, "/denied", NULL);
        const char *formless = g_strconcat(fixture->folder, "/formless", NULL);
        const char *orphan = g_strconcat(fixture->folder, "/orphan", NULL);
        uint32_t bad_group = UINT32_MAX;
        InitRlimit impossible = { RLIMIT_NOFILE, 2, 1 }, unknown = { 999, 1, 1 };
        const struct {
                const char *name;
                InitRun run;
                int errnum;
                InitStep step;
        } rows[] = {
                { "not there", { .argv = (const char *[]){ "/nonexistent", NULL } }, ENOENT, INIT_STEP_EXEC },
                { "nowhere in PATH",
                  { .argv = (const char *[]){ "nonexistent", NULL } },
                  ENOENT,
                  INIT_STEP_EXEC },
                { "no name", { .argv = (const char *[]){ "", NULL } }, ENOENT, INIT_STEP_EXEC },
                { "folder", { .argv = (const char *[]){ "/usr", NULL } }, EACCES, INIT_STEP_EXEC },
                { "not executable", { .argv = (const char *[]){ denied, NULL } }, EACCES, INIT_STEP_EXEC },
                { "no known format",
                  { .argv = (const char *[]){ formless, NULL } },
                  ENOEXEC,
                  INIT_STEP_EXEC },
                { "no interpreter", { .argv = (const char *[]){ orphan, NULL } }, ENOENT, INIT_STEP_EXEC },
                { "no such folder",
                  { .argv = (const char *[]){ "/bin/true", NULL }, .working_directory = "/nonexistent" },
                  ENOENT,
                  INIT_STEP_CHDIR },
                { "closed folder",
                  { .argv = (const char *[]){ "/bin/true", NULL }, .working_directory = "/root" },
                  EACCES,
                  INIT_STEP_CHDIR },
                { "user out of range",
                  { .argv = (const char *[]){ "/bin/true", NULL }, .uid = 65536 },
                  EINVAL,
                  INIT_STEP_CREDENTIALS },
                { "group out of range",
                  { .argv = (const char *[]){ "/bin/true", NULL }, .groups = &bad_group, .n_groups = 1 },
                  EINVAL,
                  INIT_STEP_CREDENTIALS },
                { "limit that cannot be",
                  { .argv = (const char *[]){ "/bin/true", NULL }, .rlimits = &impossible, .n_rlimits = 1 },
                  EINVAL,
                  INIT_STEP_RLIMIT },
                { "unknown limit",
                  { .argv = (const char *[]){ "/bin/true", NULL }, .rlimits = &unknown, .n_rlimits = 1 },
                  EINVAL,
                  INIT_STEP_RLIMIT },
        };

        system_write_file(fixture->folder, "denied", "#!/bin/sh\n", 0644);
        system_write_file(fixture->folder, "formless", "exit 0\n", 0755);
        system_write_file(fixture->folder, "orphan", "#!/nonexistent\n", 0755);
        for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
                InitRun ask = rows[i].run;
                Ran ran;

                print_message("  %s\n", rows[i].name);
                ask.uid = ask.uid ?: 1000;
                ask.gid = 1000;
                ran = run(fixture, &ask, -1);
                assert_int_equal(ran.errnum, rows[i].errnum);
                assert_int_equal(ran.step, rows[i].step);
        }
        assert_silent(fixture); /* no end is told of what never ran */
        assert_shell(fixture, "echo alive", "alive\n");
        g_free((void *) (uintptr_t) denied);
        g_free((void *) (uintptr_t) formless);
        g_free((void *) (uintptr_t) orphan);
}

/* A file that may not be executed does not end the search, but is told when nothing better comes. */
static void test_search(void **state) {
        Fixture *fixture = *state;
        g_autofree char *first = g_build_filename(fixture->folder, "first", NULL);
        g_autofree char *second = g_build_filename(fixture->folder, "second", NULL);
        g_autofree char *both = g_strdup_printf("PATH=/nonexistent:/etc/passwd::%s:%s", first, second);
        g_autofree char *only = g_strdup_printf("PATH=%s", first);
        const char *argv[] = { "tool", "word", NULL };
        const char *with_both[] = { both, NULL }, *with_only[] = { only, NULL },
                   *without[] = { "PATH=", NULL };
        const char *no_path[] = { "A=1", NULL }, *env[] = { "env", NULL };
        InitRun ask = program(argv);
        g_autofree char *output = NULL, *default_output = NULL;

        assert_int_equal(mkdir(first, 0755), 0);
        assert_int_equal(mkdir(second, 0755), 0);
        system_write_file(first, "tool", "#!/bin/sh\necho first\n", 0644);
        system_write_file(second, "tool", "#!/bin/sh\necho second $1\n", 0755);
        ask.environment = with_both;
        output = output_of(fixture, &ask);
        assert_string_equal(output, "second word\n");
        ask.environment = with_only;
        assert_int_equal(run(fixture, &ask, -1).errnum, EACCES);
        ask.environment = without;
        assert_int_equal(run(fixture, &ask, -1).errnum, ENOENT);
        ask = program(env);
        ask.environment = no_path;
        default_output = output_of(fixture, &ask);
        assert_string_equal(default_output, "A=1\n");
}

static void test_what_a_program_has(void **state) {
        uint32_t groups[] = { 2000, 3000 };
        InitRlimit limits[] = { { RLIMIT_NOFILE, 33, 44 }, { RLIMIT_CORE, 0, 0 } };
        const char *argv[] = {
                "/bin/sh", "-c",
                "pwd; id -u; id -g; id -G; ulimit -Sn; ulimit -Hn; ulimit -c; env | grep -v -e PWD -e _=",
                NULL
        };
        const char *environment[] = { "ONLY=this", NULL };
        Fixture *fixture = *state;
        g_autofree char *output = NULL;
        InitRun ask = {
                .argv = argv,
                .environment = environment,
                .working_directory = "/usr",
                .uid = 1234,
                .gid = 2345,
                .groups = groups,
                .n_groups = 2,
                .rlimits = limits,
                .n_rlimits = 2,
        };

        output = output_of(fixture, &ask);
        assert_string_equal(output, "/usr\n1234\n2345\n2345 2000 3000\n33\n44\n0\nONLY=this\n");
        assert_shell(fixture, "pwd", "/\n");
}

static void test_what_a_program_has_not(void **state) {
        static const char *const expected[] = {
                "Groups:\t ",
                "NoNewPrivs:\t1",
                "SigBlk:\t0000000000000000",
                "SigIgn:\t0000000000000000",
                "SigCgt:\t0000000000000000",
                "CapInh:\t0000000000000000",
                "CapPrm:\t0000000000000000",
                "CapEff:\t0000000000000000",
                "CapBnd:\t0000000000000000",
                "CapAmb:\t0000000000000000",
        };
        const char *cat[] = { "/bin/cat", "/proc/self/status", NULL };
        const char *as_root[] = { "/bin/cat", "/proc/self/status", NULL };
        Fixture *fixture = *state;

        for (unsigned uid = 0; uid <= 1000; uid += 1000) {
                InitRun ask = program(uid == 0 ? as_root : cat);
                g_autofree char *output = NULL;
                g_auto(GStrv) lines = NULL;

                ask.uid = ask.gid = uid;
                output = output_of(fixture, &ask);
                lines = g_strsplit(output, "\n", -1);
                for (size_t i = 0; i < G_N_ELEMENTS(expected); i++)
                        if (!g_strv_contains((const char *const *) lines, expected[i]))
                                fail_msg("'%s' is not in: %s", expected[i], output);
        }
        /* The fourth is ls's own, of the folder. */
        assert_shell(fixture, "ls /proc/self/fd", "0\n1\n2\n3\n");
        /* Of a session of its own it is the leader. */
        assert_shell(fixture, "set -- $(cat /proc/$$/stat); test $1 = $5 && test $1 = $6 && echo leads",
                     "leads\n");
}

static void test_init_is_out_of_reach(void **state) {
        static const char *const lines[] = {
                "kill -9 1",        "kill -STOP 1",         "kill -TERM 1",
                "kill -CHLD 1",     "ls /proc/1/fd/",       "cat /proc/1/environ",
                "cat /proc/1/maps", "readlink /proc/1/exe", "readlink /proc/1/cwd",
                "cat /proc/1/mem",
        };
        Fixture *fixture = *state;

        for (size_t i = 0; i < G_N_ELEMENTS(lines); i++) {
                g_autofree char *line = g_strdup_printf(
                        "(%s) > /dev/null 2>&1 && echo worked || echo refused", lines[i]);
                g_autofree char *output = shell(fixture, line);

                if (strcmp(output, "refused\n") != 0)
                        fail_msg("%s: %s", lines[i], output);
        }
}

static void test_orphans(void **state) {
        Fixture *fixture = *state;
        g_autofree char *path = g_strdup_printf("/proc/%d/task/%d/children", (int) fixture->pid,
                                                (int) fixture->pid);
        g_autofree char *text = NULL;

        for (unsigned i = 0; i < 5; i++) {
                start(fixture, "(sleep 0.05; exit 3) & (true &) ; exit 4");
                assert_int_equal(await_exit(fixture, fixture->run), 4 << 8);
        }
        system_sleep_msec(200);
        assert_silent(fixture);
        assert_true(g_file_get_contents(path, &text, NULL, NULL));
        assert_string_equal(text, "");
}

static void test_signals(void **state) {
        Fixture *fixture = *state;
        uint32_t one, two;

        start(fixture, "exec sleep 100");
        one = fixture->run;
        start(fixture, "exec sleep 100");
        two = fixture->run;
        assert_int_equal(send_signal(fixture, one, SIGUSR1), 0);
        assert_int_equal(signalled(fixture), 0);
        assert_int_equal(await_exit(fixture, one), SIGUSR1);
        assert_int_equal(send_signal(fixture, one, SIGUSR1), 0);
        assert_int_equal(signalled(fixture), ESRCH);
        assert_int_equal(send_signal(fixture, two, 999), 0);
        assert_int_equal(signalled(fixture), EINVAL);
        assert_int_equal(send_signal(fixture, two, 0), 0);
        assert_int_equal(signalled(fixture), 0);
        assert_int_equal(send_signal(fixture, 0, SIGKILL), 0);
        assert_int_equal(signalled(fixture), 0);
        assert_int_equal(await_exit(fixture, two), SIGKILL);
        /* Nobody is there: that is no failure. */
        assert_int_equal(send_signal(fixture, 0, SIGKILL), 0);
        assert_int_equal(signalled(fixture), 0);
}

/* ---- the end ---- */

static void send_halt(Fixture *fixture, int number) {
        WireWriter writer = WIRE_WRITER_NULL;

        wire_put_i32(&writer, number);
        assert_int_equal(wire_send(fixture->fd, INIT_HALT, 0, &writer, NULL, 0), 0);
        wire_writer_done(&writer);
}

static void test_halt_of_nobody(void **state) {
        Fixture *fixture = *state;

        send_halt(fixture, SIGTERM);
        assert_int_equal(await_end(fixture), 0);
}

static void test_halt(void **state) {
        const char *argv[] = { "/bin/true", NULL };
        Fixture *fixture = *state;
        WireWriter writer = WIRE_WRITER_NULL;
        InitRun late = program(argv);
        WireMessage message;
        WireReader reader;
        uint32_t patient;

        start(fixture, "trap '' TERM; echo > /dev/null; sleep 0.4; exit 6");
        patient = fixture->run;
        start(fixture, "kill -STOP $$; exec sleep 100"); /* a stopped one gets it, too */
        system_sleep_msec(100);
        send_halt(fixture, SIGTERM);
        assert_int_equal(await_exit(fixture, fixture->run), SIGTERM);

        late.run = 99;
        late.environment = argv + 1;
        init_run_put(&writer, &late);
        assert_int_equal(wire_send(fixture->fd, INIT_RUN, 0, &writer, NULL, 0), 0);
        wire_writer_done(&writer);
        next(fixture, INIT_RAN, &message);
        reader = wire_reader(&message);
        assert_int_equal(wire_get_u32(&reader), 99);
        assert_int_equal(wire_get_i32(&reader), ESHUTDOWN);
        wire_message_done(&message);

        assert_int_equal(await_exit(fixture, patient), 6 << 8);
        assert_int_equal(await_end(fixture), 0);
}

static void test_shim_goes(void **state) {
        Fixture *fixture = *state;

        start(fixture, "trap '' TERM; while :; do sleep 100; done");
        fixture->fd = fd_close(fixture->fd);
        assert_int_equal(await_end(fixture), 0);
}

static void test_nonsense_ends_it(void **state) {
        static const struct {
                uint16_t type;
                size_t size;
        } rows[] = { { 0, 0 },        { 99, 8 },       { INIT_READY, 0 },  { INIT_RAN, 12 },
                     { INIT_RUN, 0 }, { INIT_RUN, 7 }, { INIT_SIGNAL, 7 }, { INIT_HALT, 3 } };

        teardown(state);
        for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
                WireWriter writer = WIRE_WRITER_NULL;
                int status;

                setup(state);
                for (size_t n = 0; n < rows[i].size; n++)
                        wire_put_u8(&writer, 1);
                assert_int_equal(wire_send(current->fd, rows[i].type, 0, &writer, NULL, 0), 0);
                wire_writer_done(&writer);
                status = await_end(current);
                assert_true(WIFEXITED(status));
                assert_int_equal(WEXITSTATUS(status), INIT_EXIT_SERVING);
                teardown(state);
        }
        setup(state);
        assert_int_equal(write(current->fd, "garbage", 7), 7);
        assert_int_equal(WEXITSTATUS(await_end(current)), INIT_EXIT_SERVING);
}

/* ---- much of it ---- */

static void test_a_thousand(void **state) {
        const char *argv[] = { "/bin/true", NULL }, *missing[] = { "/nonexistent", NULL };
        Fixture *fixture = *state;
        unsigned n_fds = system_count_fds(fixture->pid);
        g_autofree char *path = g_strdup_printf("/proc/%d/task/%d/children", (int) fixture->pid,
                                                (int) fixture->pid);
        g_autofree char *text = NULL;

        for (unsigned i = 0; i < test_rounds(1000); i++) {
                InitRun ask = program(i % 10 == 9 ? missing : argv);

                if (run(fixture, &ask, -1).errnum == 0)
                        assert_int_equal(await_exit(fixture, ask.run), 0);
        }
        /* It answers a program before it closes what came for it. */
        assert_int_equal(send_signal(fixture, 0, 0), 0);
        (void) signalled(fixture);
        assert_int_equal(system_count_fds(fixture->pid), n_fds);
        assert_true(g_file_get_contents(path, &text, NULL, NULL));
        assert_string_equal(text, "");
}

/* A limit on processes that was reached answers the request instead of ending init. */
static void test_process_limit(void **state) {
        const char *argv[] = { "/bin/sleep", "100", NULL };
        InitRlimit limit = { RLIMIT_NPROC, 1, 1 };
        Fixture *fixture = *state;
        InitRun ask = program(argv);
        Ran ran;

        ask.rlimits = &limit;
        ask.n_rlimits = 1;
        /* The kernel lets setresuid(2) pass, and stops an exec when more than the limit were there before it.
         */
        for (unsigned i = 0; i < 2; i++)
                assert_int_equal(run(fixture, &ask, -1).errnum, 0);
        ran = run(fixture, &ask, -1);
        assert_int_equal(ran.errnum, EAGAIN);
        assert_int_equal(ran.step, INIT_STEP_EXEC);
        assert_shell(fixture, "echo alive", "alive\n");
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_exit_codes_and_signals, setup, teardown),
                cmocka_unit_test_setup_teardown(test_pid_is_the_kernels, setup, teardown),
                cmocka_unit_test_setup_teardown(test_failures, setup, teardown),
                cmocka_unit_test_setup_teardown(test_search, setup, teardown),
                cmocka_unit_test_setup_teardown(test_what_a_program_has, setup, teardown),
                cmocka_unit_test_setup_teardown(test_what_a_program_has_not, setup, teardown),
                cmocka_unit_test_setup_teardown(test_init_is_out_of_reach, setup, teardown),
                cmocka_unit_test_setup_teardown(test_orphans, setup, teardown),
                cmocka_unit_test_setup_teardown(test_signals, setup, teardown),
                cmocka_unit_test_setup_teardown(test_halt_of_nobody, setup, teardown),
                cmocka_unit_test_setup_teardown(test_halt, setup, teardown),
                cmocka_unit_test_setup_teardown(test_shim_goes, setup, teardown),
                cmocka_unit_test_setup_teardown(test_nonsense_ends_it, setup, teardown),
                cmocka_unit_test_setup_teardown(test_a_thousand, setup, teardown),
                cmocka_unit_test_setup_teardown(test_process_limit, setup, teardown),
        };

        need_root();
        return cmocka_run_group_tests(tests, NULL, NULL);
}
