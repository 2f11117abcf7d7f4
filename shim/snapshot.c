/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "shim/snapshot.h"

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "plan/shim-message.h"
#include "shim/archive.h"
#include "shim/mount.h"
#include "shim/rootfs.h"
#include "util/cleanup.h"
#include "util/fs.h"
#include "util/limits.h"

#define PROGRAM "mksquashfs"
/* Nothing read and nothing written for so long: somebody does not take it. */
#define STALL_USEC      (30 * G_USEC_PER_SEC)
#define PROGRESS_USEC   (G_USEC_PER_SEC / 2)
#define RETRY_USEC      (20 * 1000)
#define COPY_SIZE       (256 * 1024)
#define REASON_SIZE_MAX 256 /* of what the program says last */
#define NOBODY_ID       65534

/* What the child tells. */
enum {
        REPORT_PROGRESS = 1,
        REPORT_DONE = 2, /* an Error, or success */
};

/* Where the child has what it needs, and nothing else above. */
enum {
        FD_FILE = 3,
        FD_NAMESPACE,
        FD_REPORT,
        _FD_MAX,
};

struct Snapshot {
        pid_t pid;     /* of the child; 0 once it has ended */
        int report_fd; /* owned */
        LoopSource *report_source, *child_source, *total_timer, *stall_timer;
        bool is_told; /* by the child, or we have given up */
        Error failure;
        SnapshotDone done;
        void *userdata;
};

/* ---- the program ---- */

typedef struct Maker {
        pid_t pid;
        int input_fd;  /* owned; where the tar stream goes */
        int image_fd;  /* owned; what it makes */
        int stderr_fd; /* owned; what it says */
} Maker;

static void maker_done(Maker *maker) {
        maker->input_fd = fd_close(maker->input_fd);
        maker->image_fd = fd_close(maker->image_fd);
        maker->stderr_fd = fd_close(maker->stderr_fd);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Maker, maker_done)

/* Where the administrator has installed it; our environment does not say. NULL if it is not there. Caller
 * frees. */
static char *find_program(void) {
        static const char *const folders[] = { "/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin" };

        for (size_t i = 0; i < G_N_ELEMENTS(folders); i++) {
                g_autofree char *path = g_build_filename(folders[i], PROGRAM, NULL);

                if (access(path, X_OK) == 0)
                        return g_steal_pointer(&path);
        }
        return NULL;
}

/* An id that no app and no user has, where that can be. */
static uint32_t choose_id(const Spec *spec) {
        return spec->user_namespace ? spec->id_base + INIT_UID : NOBODY_ID;
}

/* From here on it can read what everybody can, write what it has open, and speak to nobody. */
static int confine(uint32_t id, pid_t parent) {
        const struct rlimit none = { 0, 0 }, size = { ARCHIVE_BYTES_MAX, ARCHIVE_BYTES_MAX };

        if (unshare(CLONE_NEWNET | CLONE_NEWIPC) < 0 || setrlimit(RLIMIT_CORE, &none) < 0 ||
            setrlimit(RLIMIT_FSIZE, &size) < 0 || setpriority(PRIO_PROCESS, 0, 10) < 0 ||
            setgroups(0, NULL) < 0 || setresgid(id, id, id) < 0 || setresuid(id, id, id) < 0 ||
            prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
                return -errno;
        return getppid() == parent ? 0 : -ESRCH; /* it may have died before the last line */
}

G_GNUC_NORETURN static void maker_main(const Spec *spec, const char *program, const struct stat *top,
                                       pid_t parent, int input_fd, int image_fd, int stderr_fd) {
        static const char *const environment[] = { "LC_ALL=C", "PATH=/usr/bin:/bin", NULL };
        g_autofree char *mode = g_strdup_printf("%o", top->st_mode & 07777u);
        const char *const argv[] = { PROGRAM,     "-",           "/proc/self/fd/3",
                                     "-tar",      "-noappend",   "-no-progress",
                                     "-quiet",    "-processors", "1",
                                     "-mem",      "64M",         "-root-mode",
                                     mode,        "-root-uid",   "0",
                                     "-root-gid", "0",           NULL };
        int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
        int from[] = { input_fd, null_fd, stderr_fd, image_fd };

        for (size_t i = 0; i < G_N_ELEMENTS(from); i++) {
                from[i] = fcntl(from[i], F_DUPFD_CLOEXEC, 32);
                if (from[i] < 0)
                        _exit(126);
        }
        for (size_t i = 0; i < G_N_ELEMENTS(from); i++)
                if (dup2(from[i], (int) i) < 0)
                        _exit(126);
        (void) signal(SIGPIPE, SIG_DFL);
        if (close_range(G_N_ELEMENTS(from), ~0u, 0) < 0 || chdir("/") < 0 ||
            confine(choose_id(spec), parent) < 0)
                _exit(126);
        (void) execve(program, (char **) (uintptr_t) argv, (char **) (uintptr_t) environment);
        _exit(127);
}

/* A file without a name on the disk, or in memory where that cannot be; the program's own. */
static int open_image(const Spec *spec, Error *error) {
        uint32_t id = choose_id(spec);
        int fd = -EBADF;

        if (spec->state_folder && fs_make_folders(AT_FDCWD, spec->state_folder, 0700, NULL) >= 0)
                fd = open(spec->state_folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
        if (fd < 0)
                fd = memfd_create("bulkhead-snapshot", MFD_CLOEXEC);
        if (fd < 0)
                return error_set_errnof(error, errno, "Cannot make a file for the snapshot");
        if (fchown(fd, id, id) < 0) {
                int r = error_set_errnof(error, errno, "Cannot give away the snapshot's file");

                close(fd);
                return r;
        }
        return fd;
}

/* Needs maker->image_fd. */
static int start_maker(const Spec *spec, const struct stat *top, Maker *maker, Error *error) {
        g_autofree char *program = find_program();
        pid_t parent = getpid();
        autofd int input_fd = -EBADF;
        int ends[2];

        if (!program)
                return error_setf(error, ERROR_UNSUPPORTED,
                                  "A snapshot needs " PROGRAM ", of squashfs-tools");
        maker->stderr_fd = memfd_create("bulkhead-mksquashfs", MFD_CLOEXEC);
        if (maker->stderr_fd < 0 || pipe2(ends, O_CLOEXEC) < 0)
                return error_set_errnof(error, errno, "Cannot make what " PROGRAM " needs");
        input_fd = ends[0];
        maker->input_fd = ends[1];
        maker->pid = fork();
        if (maker->pid < 0)
                return error_set_errnof(error, errno, "Cannot fork for " PROGRAM);
        if (maker->pid == 0)
                maker_main(spec, program, top, parent, input_fd, maker->image_fd, maker->stderr_fd);
        return 0;
}

/* The last line that it said. Caller frees. */
static char *read_reason(int stderr_fd) {
        char text[REASON_SIZE_MAX + 1];
        off_t size = lseek(stderr_fd, 0, SEEK_END);
        ssize_t n = pread(stderr_fd, text, REASON_SIZE_MAX, MAX(size - REASON_SIZE_MAX, 0));
        char *line;

        text[MAX(n, 0)] = '\0';
        g_strchomp(text);
        line = strrchr(text, '\n');
        return g_strdup(line ? line + 1 : text);
}

/* Takes its end. */
static int await_maker(Maker *maker, Error *error) {
        g_autofree char *reason = NULL;
        int status;

        maker->input_fd = fd_close(maker->input_fd);
        while (waitpid(maker->pid, &status, 0) < 0)
                if (errno != EINTR)
                        return error_set_errnof(error, errno, "Cannot wait for " PROGRAM);
        if (status == 0)
                return 0;
        reason = read_reason(maker->stderr_fd);
        if (WIFSIGNALED(status))
                return error_setf(error, ERROR_SYSTEM, PROGRAM " was killed by signal %d", WTERMSIG(status));
        return error_setf(error, ERROR_SYSTEM, PROGRAM " has failed with %d: %s", WEXITSTATUS(status),
                          reason);
}

/* ---- in the child ---- */

static void report_done(const Error *error) {
        WireWriter writer = WIRE_WRITER_NULL;

        shim_error_put(&writer, error);
        (void) wire_send(FD_REPORT, REPORT_DONE, 0, &writer, NULL, 0);
        wire_writer_done(&writer);
}

static void report_progress(void *userdata, uint64_t n_bytes G_GNUC_UNUSED) {
        gint64 *last = userdata, now = g_get_monotonic_time();

        if (now - *last < PROGRESS_USEC)
                return;
        *last = now;
        (void) wire_send(FD_REPORT, REPORT_PROGRESS, 0, NULL, NULL, 0);
}

/* The folder of what was written, without what is mounted in it. We do not come back to the host's mounts. */
static int open_upper(int *ret_fd, Error *error) {
        const char *path = ROOTFS_LAYERS "/" ROOTFS_UP "/upper";
        autofd int tree_fd = -EBADF;
        int r;

        if (setns(FD_NAMESPACE, CLONE_NEWNS) < 0)
                return error_set_errnof(error, errno, "Cannot enter the monitor's mount namespace");
        if (access(ROOTFS_LAYERS, F_OK) < 0)
                path = ROOTFS_PATH;
        r = mount_clone(AT_FDCWD, path, false, &tree_fd, error);
        if (r < 0)
                return r;
        *ret_fd = openat(tree_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return *ret_fd < 0 ? error_set_errnof(error, errno, "Cannot open the upper") : 0;
}

/* A descriptor that does not block is the caller's choice: then we ask again, until the time is over. */
static int write_all(const char *bytes, size_t size, Error *error) {
        for (size_t done = 0; done < size;) {
                ssize_t n = write(FD_FILE, bytes + done, size - done);

                if (n >= 0)
                        done += (size_t) n;
                else if (errno == EAGAIN)
                        g_usleep(RETRY_USEC);
                else if (errno != EINTR)
                        return error_set_errnof(error, errno, "Cannot write the snapshot into the file");
        }
        return 0;
}

static int copy_image(int image_fd, gint64 *last, Error *error) {
        g_autofree char *buffer = g_malloc(COPY_SIZE);
        struct stat st;
        off_t at = 0;
        ssize_t n;

        if (fstat(FD_FILE, &st) < 0)
                return error_set_errnof(error, errno, "Cannot look at the file for the snapshot");
        if (S_ISREG(st.st_mode) && (ftruncate(FD_FILE, 0) < 0 || lseek(FD_FILE, 0, SEEK_SET) < 0))
                return error_set_errnof(error, errno, "Cannot empty the file for the snapshot");
        while ((n = pread(image_fd, buffer, COPY_SIZE, at)) > 0) {
                int r = write_all(buffer, (size_t) n, error);

                if (r < 0)
                        return r;
                at += n;
                report_progress(last, (uint64_t) at);
        }
        return n < 0 ? error_set_errnof(error, errno, "Cannot read the snapshot") : 0;
}

static int make(const Spec *spec, Error *error) {
        g_auto(Maker) maker = { .input_fd = -EBADF, .image_fd = -EBADF, .stderr_fd = -EBADF };
        g_auto(Error) said = ERROR_NULL;
        autofd int upper_fd = -EBADF;
        gint64 last = 0;
        struct stat top;
        int r;

        maker.image_fd = open_image(spec, error); /* the folder of kept state is the host's */
        if (maker.image_fd < 0)
                return maker.image_fd;
        r = open_upper(&upper_fd, error);
        if (r < 0)
                return r;
        if (fstat(upper_fd, &top) < 0)
                return error_set_errnof(error, errno, "Cannot look at the upper");
        r = start_maker(spec, &top, &maker, error);
        if (r < 0)
                return r;
        r = archive_write(upper_fd, spec_get_root_id(spec), spec->id_count, maker.input_fd, report_progress,
                          &last, &said);
        /* Where it has stopped reading it knows better why. */
        if (r >= 0 || said.errnum == EPIPE) {
                int ended = await_maker(&maker, error);

                if (ended < 0)
                        return ended;
        }
        if (r < 0)
                return error_move(error, &said);
        return copy_image(maker.image_fd, &last, error);
}

G_GNUC_NORETURN static void child_main(const SnapshotSetup *setup, int namespace_fd, int report_fd) {
        int from[] = { setup->file_fd, namespace_fd, report_fd };
        g_auto(Error) error = ERROR_NULL;
        sigset_t none;

        sigemptyset(&none);
        /* Our owner's death is ours, and ours the program's. */
        if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 || sigprocmask(SIG_SETMASK, &none, NULL) < 0 ||
            signal(SIGPIPE, SIG_IGN) == SIG_ERR || signal(SIGCHLD, SIG_DFL) == SIG_ERR)
                _exit(2);
        for (size_t i = 0; i < G_N_ELEMENTS(from); i++) {
                from[i] = fcntl(from[i], F_DUPFD_CLOEXEC, 32);
                if (from[i] < 0)
                        _exit(2);
        }
        for (size_t i = 0; i < G_N_ELEMENTS(from); i++)
                if (dup3(from[i], FD_FILE + (int) i, O_CLOEXEC) < 0)
                        _exit(2);
        if (close_range(_FD_MAX, ~0u, 0) < 0)
                _exit(2);
        (void) make(setup->spec, &error);
        report_done(&error);
        _exit(0);
}

/* ---- in the shim ---- */

static void snapshot_finish(Snapshot *snapshot, const Error *error) {
        SnapshotDone done = snapshot->done;

        snapshot->done = NULL;
        if (done)
                done(snapshot->userdata, error);
}

/* The child's end says the rest. */
static void snapshot_give_up(Snapshot *snapshot, const char *why) {
        if (snapshot->is_told)
                return;
        snapshot->is_told = true;
        (void) error_setf(&snapshot->failure, ERROR_TIMEOUT, "The snapshot was given up: %s", why);
        (void) kill(snapshot->pid, SIGKILL);
}

static void on_total(void *userdata) {
        snapshot_give_up(userdata, "its time is over");
}

static void on_stall(void *userdata) {
        snapshot_give_up(userdata, "nothing could be written for 30 s");
}

/* False at the end of what there is. */
static bool take_report(Snapshot *snapshot) {
        WireMessage message = WIRE_MESSAGE_NULL;
        WireReader reader;

        if (wire_receive(snapshot->report_fd, &message) <= 0)
                return false;
        reader = wire_reader(&message);
        if (message.header.type == REPORT_PROGRESS)
                loop_source_set_time(snapshot->stall_timer, g_get_monotonic_time() + STALL_USEC);
        else if (message.header.type == REPORT_DONE && !snapshot->is_told) {
                snapshot->is_told = true;
                (void) shim_error_get(&reader, &snapshot->failure);
        }
        wire_message_done(&message);
        return true;
}

static void on_report(void *userdata, short revents) {
        Snapshot *snapshot = userdata;

        while (take_report(snapshot))
                ;
        if (revents & (POLLHUP | POLLERR))
                g_clear_pointer(&snapshot->report_source, loop_source_free);
}

static void on_child(void *userdata, int status) {
        Snapshot *snapshot = userdata;

        snapshot->pid = 0;
        snapshot->child_source = NULL;
        while (take_report(snapshot)) /* its last words */
                ;
        if (!snapshot->is_told)
                (void) error_setf(&snapshot->failure, ERROR_SYSTEM,
                                  "The snapshot's process has ended with %d", status);
        snapshot_finish(snapshot, snapshot->failure.message ? &snapshot->failure : NULL);
}

int snapshot_start(const SnapshotSetup *setup, SnapshotDone done, void *userdata, Snapshot **ret,
                   Error *error) {
        g_autofree char *path = g_strdup_printf("/proc/%d/ns/mnt", (int) setup->monitor);
        g_autofree char *program = find_program();
        g_autoptr(Snapshot) snapshot = g_new0(Snapshot, 1);
        autofd int namespace_fd = -EBADF, report_fd = -EBADF;
        int sockets[2];

        snapshot->report_fd = -EBADF;
        if (setup->spec->upper == SPEC_UPPER_NONE)
                return error_setf(error, ERROR_BAD_STATE,
                                  "The sandbox has no upper to make a snapshot of: its root is read-only");
        if (!program)
                return error_setf(error, ERROR_UNSUPPORTED,
                                  "A snapshot needs " PROGRAM ", of squashfs-tools");
        namespace_fd = open(path, O_RDONLY | O_CLOEXEC);
        if (namespace_fd < 0)
                return error_set_errnof(error, errno, "Cannot open %s", path);
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) < 0)
                return error_set_errnof(error, errno, "Cannot make a socket pair");
        snapshot->report_fd = sockets[0];
        report_fd = sockets[1];
        if (fcntl(snapshot->report_fd, F_SETFL, O_NONBLOCK) < 0)
                return error_set_errnof(error, errno, "Cannot set up a socket pair");
        snapshot->pid = fork();
        if (snapshot->pid < 0) {
                snapshot->pid = 0;
                return error_set_errnof(error, errno, "Cannot fork for the snapshot");
        }
        if (snapshot->pid == 0)
                child_main(setup, namespace_fd, report_fd);
        snapshot->done = done;
        snapshot->userdata = userdata;
        snapshot->report_source = loop_add_fd(setup->loop, LOOP_RANK_NORMAL, snapshot->report_fd, POLLIN,
                                              on_report, snapshot);
        snapshot->child_source = loop_add_child(setup->loop, snapshot->pid, on_child, snapshot);
        snapshot->total_timer = loop_add_timer(setup->loop, on_total, snapshot);
        loop_source_set_time(snapshot->total_timer, g_get_monotonic_time() + (gint64) setup->timeout_usec);
        snapshot->stall_timer = loop_add_timer(setup->loop, on_stall, snapshot);
        loop_source_set_time(snapshot->stall_timer, g_get_monotonic_time() + STALL_USEC);
        *ret = g_steal_pointer(&snapshot);
        return 0;
}

void snapshot_free(Snapshot *snapshot) {
        if (!snapshot)
                return;
        if (snapshot->pid > 0)
                (void) kill(snapshot->pid, SIGKILL); /* the loop still reaps it */
        loop_source_free(snapshot->report_source);
        loop_source_free(snapshot->child_source);
        loop_source_free(snapshot->total_timer);
        loop_source_free(snapshot->stall_timer);
        snapshot->report_fd = fd_close(snapshot->report_fd);
        error_done(&snapshot->failure);
        g_free(snapshot);
}
