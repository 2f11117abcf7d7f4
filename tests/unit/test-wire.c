/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/bodies.h"
#include "util/cleanup.h"
#include "util/limits.h"

/* A pair of sockets that do not block. */
typedef struct Pair {
        int a, b;
} Pair;

static Pair pair_open(void) {
        int fds[2];

        assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
        return (Pair){ fds[0], fds[1] };
}

static void pair_close(Pair *pair) {
        pair->a = fd_close(pair->a);
        pair->b = fd_close(pair->b);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Pair, pair_close)
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(WireMessage, wire_message_done)
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(WireWriter, wire_writer_done)

static size_t count_fds(void) {
        DIR *dir = opendir("/proc/self/fd");
        size_t n = 0;

        assert_non_null(dir);
        while (readdir(dir))
                n++;
        closedir(dir);
        return n;
}

static ino_t inode_of(int fd) {
        struct stat st;

        assert_int_equal(fstat(fd, &st), 0);
        return st.st_ino;
}

/* ---- writer and reader ---- */

static void test_values(void **state G_GNUC_UNUSED) {
        static char *strings[] = { (char *) "a", (char *) "", (char *) "b c", NULL };
        g_auto(WireWriter) writer = WIRE_WRITER_NULL;
        g_autofree const char **got = NULL;
        g_autofree const char **none = NULL;
        WireReader reader;
        size_t size;

        wire_put_u8(&writer, 255);
        wire_put_u32(&writer, UINT32_MAX);
        wire_put_u64(&writer, UINT64_MAX - 1);
        wire_put_i32(&writer, INT32_MIN);
        wire_put_string(&writer, "text");
        wire_put_string(&writer, "");
        wire_put_string(&writer, NULL);
        wire_put_strings(&writer, strings);
        wire_put_strings(&writer, NULL);
        wire_put_bytes(&writer, "a\0b", 3);
        wire_put_bytes(&writer, NULL, 0);
        assert_int_equal(writer.error, 0);

        reader = (WireReader){ .bytes = writer.bytes, .size = writer.size };
        assert_int_equal(wire_get_u8(&reader), 255);
        assert_int_equal(wire_get_u32(&reader), UINT32_MAX);
        assert_true(wire_get_u64(&reader) == UINT64_MAX - 1);
        assert_int_equal(wire_get_i32(&reader), INT32_MIN);
        assert_string_equal(wire_get_string(&reader), "text");
        assert_string_equal(wire_get_string(&reader), "");
        assert_null(wire_get_string(&reader));
        assert_false(reader.failed);
        got = wire_get_strings(&reader, 3);
        assert_true(g_strv_equal(got, (const char *const *) strings));
        none = wire_get_strings(&reader, 0);
        assert_non_null(none);
        assert_null(none[0]);
        assert_memory_equal(wire_get_bytes(&reader, &size), "a\0b", 3);
        assert_int_equal(size, 3);
        assert_non_null(wire_get_bytes(&reader, &size));
        assert_int_equal(size, 0);
        assert_false(reader.failed);
        assert_int_equal(reader.at, reader.size);
}

static void test_reader_fails_for_good(void **state G_GNUC_UNUSED) {
        g_auto(WireWriter) writer = WIRE_WRITER_NULL;
        WireReader reader;
        size_t size = 9;

        wire_put_u8(&writer, 7);
        wire_put_u8(&writer, 8);
        reader = (WireReader){ .bytes = writer.bytes, .size = writer.size };
        assert_int_equal(wire_get_u32(&reader), 0);
        assert_true(reader.failed);
        assert_int_equal(wire_get_u8(&reader), 0);
        assert_true(wire_get_u64(&reader) == 0);
        assert_int_equal(wire_get_i32(&reader), 0);
        assert_null(wire_get_string(&reader));
        assert_null(wire_get_strings(&reader, 9));
        assert_null(wire_get_bytes(&reader, &size));
        assert_int_equal(size, 0);
        reader = (WireReader){ 0 };
        assert_int_equal(wire_get_u8(&reader), 0);
        assert_true(reader.failed);
}

typedef enum Get {
        GET_STRING,
        GET_STRINGS,
        GET_BYTES,
} Get;

static const struct {
        const char *name;
        Get get;
        const char *bytes;
        size_t size;
} bad_bodies[] = {
        { "string longer than the body", GET_STRING, "\5\0\0\0abc", 7 },
        { "string without its end", GET_STRING, "\3\0\0\0abc", 7 },
        { "NUL inside", GET_STRING, "\4\0\0\0a\0b", 8 },
        { "two ends", GET_STRING, "\3\0\0\0a\0", 7 },
        { "no room for the end", GET_STRING, "\0\0\0\0", 4 },
        { "nearly NULL", GET_STRING, "\376\377\377\377", 4 },
        { "more strings than allowed", GET_STRINGS,
          "\4\0\0\0"
          "\1\0\0\0\0"
          "\1\0\0\0\0"
          "\1\0\0\0\0"
          "\1\0\0\0\0",
          24 },
        { "fewer strings than said", GET_STRINGS,
          "\2\0\0\0"
          "\2\0\0\0a\0",
          10 },
        { "more strings than fit", GET_STRINGS,
          "\3\0\0\0"
          "\0\0\0\0\0\0\0\0",
          12 },
        { "NULL among the strings", GET_STRINGS,
          "\1\0\0\0"
          "\377\377\377\377",
          8 },
        { "no count", GET_STRINGS, "\1\0", 2 },
        { "bytes longer than the body", GET_BYTES, "\5\0\0\0abc", 7 },
        { "huge length", GET_BYTES, "\377\377\377\377abc", 7 },
};

static void test_bad_bodies(void **state G_GNUC_UNUSED) {
        for (size_t i = 0; i < G_N_ELEMENTS(bad_bodies); i++) {
                g_autofree uint8_t *copy = g_memdup2(bad_bodies[i].bytes, bad_bodies[i].size);
                WireReader reader = { .bytes = copy, .size = bad_bodies[i].size };
                g_autofree const char **strings = NULL;
                size_t size;

                if (bad_bodies[i].get == GET_STRING)
                        assert_null(wire_get_string(&reader));
                else if (bad_bodies[i].get == GET_STRINGS)
                        assert_null(strings = wire_get_strings(&reader, 3));
                else
                        assert_null(wire_get_bytes(&reader, &size));
                if (!reader.failed)
                        fail_msg("%s: not refused", bad_bodies[i].name);
        }
}

static void test_writer_limit(void **state G_GNUC_UNUSED) {
        g_auto(WireWriter) writer = WIRE_WRITER_NULL;
        g_autofree char *block = g_malloc0(WIRE_BODY_MAX);
        g_auto(Pair) pair = pair_open();

        wire_put_bytes(&writer, block, WIRE_BODY_MAX - 4);
        assert_int_equal(writer.error, 0);
        assert_int_equal(writer.size, WIRE_BODY_MAX);
        wire_put_u8(&writer, 1);
        assert_int_equal(writer.error, -E2BIG);
        assert_int_equal(writer.size, WIRE_BODY_MAX);
        wire_put_string(&writer, "x"); /* stays failed */
        assert_int_equal(wire_send(pair.a, 1, 1, &writer, NULL, 0), -E2BIG);
        wire_writer_done(&writer);
        assert_null(writer.bytes);
        assert_int_equal(writer.error, 0);
        wire_put_bytes(&writer, block, UINT32_MAX);
        assert_int_equal(writer.error, -E2BIG);
}

/* ---- messages ---- */

static void assert_sent(const Pair *pair, size_t size, bool in_memfd) {
        g_auto(WireWriter) writer = WIRE_WRITER_NULL;
        g_auto(WireMessage) message = WIRE_MESSAGE_NULL;

        for (size_t i = 0; i < size; i++)
                wire_put_u8(&writer, (uint8_t) (i * 7));
        assert_int_equal(wire_send(pair->a, 40000, UINT32_MAX, size > 0 ? &writer : NULL, NULL, 0), 0);
        assert_int_equal(wire_receive(pair->b, &message), 1);
        assert_int_equal(message.header.type, 40000);
        assert_int_equal(message.header.serial, UINT32_MAX);
        assert_int_equal(message.header.version, WIRE_VERSION);
        assert_int_equal(message.header.size, size);
        assert_int_equal(message.header.in_memfd, in_memfd);
        assert_int_equal(message.n_fds, 0);
        assert_int_equal(message.body == NULL, size == 0);
        assert_int_equal(wire_reader(&message).size, size);
        if (size > 0)
                assert_int_equal(memcmp(message.body, writer.bytes, size), 0);
}

static void test_sizes(void **state G_GNUC_UNUSED) {
        g_auto(Pair) pair = pair_open();
        size_t before = count_fds();

        assert_sent(&pair, 0, false);
        assert_sent(&pair, 1, false);
        assert_sent(&pair, WIRE_BODY_INLINE_MAX, false);
        assert_sent(&pair, WIRE_BODY_INLINE_MAX + 1, true);
        assert_sent(&pair, WIRE_BODY_MAX, true);
        assert_int_equal(count_fds(), before);
}

static void test_descriptors(void **state G_GNUC_UNUSED) {
        static const size_t sizes[] = { 0, WIRE_BODY_INLINE_MAX + 1 };
        g_auto(Pair) pair = pair_open();
        size_t before = count_fds();

        for (size_t i = 0; i < G_N_ELEMENTS(sizes); i++) {
                g_auto(WireWriter) writer = WIRE_WRITER_NULL;
                g_auto(WireMessage) message = WIRE_MESSAGE_NULL;
                autofd int one = open("/", O_RDONLY | O_DIRECTORY);
                autofd int two = open("/dev/null", O_RDONLY);
                autofd int stolen = -EBADF;
                const int fds[] = { one, two };

                for (size_t j = 0; j < sizes[i]; j++)
                        wire_put_u8(&writer, 1);
                assert_int_equal(wire_send(pair.a, 1, 0, &writer, fds, 2), 0);
                assert_true(fcntl(one, F_GETFD) >= 0); /* ours still */
                assert_int_equal(wire_receive(pair.b, &message), 1);
                assert_int_equal(message.n_fds, 2);
                assert_int_equal(message.header.n_fds, 2);
                assert_int_equal(inode_of(message.fds[0]), inode_of(one));
                assert_int_equal(inode_of(message.fds[1]), inode_of(two));
                for (int j = 0; j < 2; j++)
                        assert_true(fcntl(message.fds[j], F_GETFD) & FD_CLOEXEC);
                stolen = wire_message_steal_fd(&message, 1);
                assert_int_equal(inode_of(stolen), inode_of(two));
                assert_int_equal(wire_message_steal_fd(&message, 1), -EBADF);
                assert_int_equal(wire_message_steal_fd(&message, 2), -EBADF);
                wire_message_done(&message);
                assert_true(fcntl(stolen, F_GETFD) >= 0); /* what was stolen is not closed */
        }
        assert_int_equal(count_fds(), before);
}

static void test_most_descriptors(void **state G_GNUC_UNUSED) {
        g_auto(Pair) pair = pair_open();
        g_auto(WireWriter) writer = WIRE_WRITER_NULL;
        g_auto(WireMessage) message = WIRE_MESSAGE_NULL;
        int fds[WIRE_FDS_MAX + 1];
        size_t before = count_fds();

        for (size_t i = 0; i < G_N_ELEMENTS(fds); i++)
                fds[i] = pair.a;
        for (size_t i = 0; i <= WIRE_BODY_INLINE_MAX; i++)
                wire_put_u8(&writer, 1);
        /* with the memfd of the body, one below what the kernel takes */
        assert_int_equal(wire_send(pair.a, 1, 0, &writer, fds, WIRE_FDS_MAX), 0);
        assert_int_equal(wire_receive(pair.b, &message), 1);
        assert_int_equal(message.n_fds, WIRE_FDS_MAX);
        wire_message_done(&message);
        assert_int_equal(wire_send(pair.a, 1, 0, &writer, fds, WIRE_FDS_MAX + 1), -E2BIG);
        assert_int_equal(count_fds(), before);
}

static void test_again_and_end(void **state G_GNUC_UNUSED) {
        g_auto(Pair) pair = pair_open();
        g_auto(WireMessage) message = WIRE_MESSAGE_NULL;
        int r, n = 0;

        assert_int_equal(wire_receive(pair.b, &message), -EAGAIN);
        while ((r = wire_send(pair.a, 1, 0, NULL, NULL, 0)) == 0)
                n++;
        assert_int_equal(r, -EAGAIN);
        pair.a = fd_close(pair.a);
        /* what was sent before the end still comes */
        for (; n > 0; n--) {
                assert_int_equal(wire_receive(pair.b, &message), 1);
                wire_message_done(&message);
        }
        assert_int_equal(wire_receive(pair.b, &message), 0);
        assert_int_equal(wire_send(pair.b, 1, 0, NULL, NULL, 0), -EPIPE);
        assert_int_equal(wire_send(-1, 1, 0, NULL, NULL, 0), -EBADF);
        assert_int_equal(wire_receive(-1, &message), -EBADF);
}

static void test_credentials(void **state G_GNUC_UNUSED) {
        g_auto(Pair) pair = pair_open();
        g_auto(WireMessage) message = WIRE_MESSAGE_NULL;
        int on = 1, status;
        pid_t child;

        assert_int_equal(wire_send(pair.a, 1, 0, NULL, NULL, 0), 0);
        assert_int_equal(wire_receive(pair.b, &message), 1);
        assert_int_equal(message.pid, 0); /* nobody asked the kernel */
        wire_message_done(&message);

        assert_int_equal(setsockopt(pair.b, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)), 0);
        child = fork();
        assert_true(child >= 0);
        if (child == 0)
                _exit(wire_send(pair.a, 1, 0, NULL, &pair.b, 1) == 0 ? 0 : 1);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
        assert_int_equal(wire_receive(pair.b, &message), 1);
        assert_int_equal(message.pid, child);
        assert_int_equal(message.uid, getuid());
        assert_int_equal(message.n_fds, 1);
}

/* ---- what is not a message ---- */

static void send_raw(int fd, const void *header, size_t header_size, const void *body, size_t body_size,
                     const int *fds, size_t n_fds) {
        struct iovec iov[2] = {
                { .iov_base = (void *) header, .iov_len = header_size },
                { .iov_base = (void *) body, .iov_len = body_size },
        };
        union {
                struct cmsghdr align;
                char bytes[CMSG_SPACE(8 * sizeof(int))];
        } control = { 0 };
        struct msghdr message = { .msg_iov = iov, .msg_iovlen = 2 };

        if (n_fds > 0) {
                struct cmsghdr *cmsg;

                message.msg_control = &control;
                message.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
                cmsg = CMSG_FIRSTHDR(&message);
                cmsg->cmsg_level = SOL_SOCKET;
                cmsg->cmsg_type = SCM_RIGHTS;
                cmsg->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
                memcpy(CMSG_DATA(cmsg), fds, n_fds * sizeof(int));
        }
        assert_true(sendmsg(fd, &message, 0) >= 0);
}

#define GOOD .magic = WIRE_MAGIC, .version = WIRE_VERSION, .type = 1

static const struct {
        const char *name;
        WireHeader header;
        size_t header_size, body_size, n_fds;
        bool good;
} raw_messages[] = {
        { "good", { GOOD, .size = 4 }, sizeof(WireHeader), 4, 0, true },
        { "of a newer version",
          { .magic = WIRE_MAGIC, .version = 2, .size = 4 },
          sizeof(WireHeader),
          4,
          0,
          true },
        { "with descriptors", { GOOD, .n_fds = 2 }, sizeof(WireHeader), 0, 2, true },
        { "wrong magic", { .magic = 1, .version = 1 }, sizeof(WireHeader), 0, 0, false },
        { "version 0", { .magic = WIRE_MAGIC }, sizeof(WireHeader), 0, 0, false },
        { "one byte", { GOOD }, 1, 0, 0, false },
        { "header cut short", { GOOD }, sizeof(WireHeader) - 1, 0, 0, false },
        { "body shorter than said", { GOOD, .size = 5 }, sizeof(WireHeader), 4, 0, false },
        { "body longer than said", { GOOD, .size = 3 }, sizeof(WireHeader), 4, 0, false },
        { "size above all", { GOOD, .size = UINT32_MAX }, sizeof(WireHeader), 4, 0, false },
        { "packet too large", { GOOD, .size = 70000 }, sizeof(WireHeader), 70000, 0, false },
        { "fewer descriptors than said", { GOOD, .n_fds = 3 }, sizeof(WireHeader), 0, 2, false },
        { "more descriptors than said", { GOOD, .n_fds = 1 }, sizeof(WireHeader), 0, 2, false },
        { "descriptors nobody announced", { GOOD }, sizeof(WireHeader), 0, 2, false },
        { "descriptors with nothing", { GOOD }, 0, 0, 2, false },
        { "memfd that did not come", { GOOD, .size = 4, .in_memfd = 1 }, sizeof(WireHeader), 0, 0, false },
        { "memfd that is none",
          { GOOD, .size = 4, .in_memfd = 1, .n_fds = 1 },
          sizeof(WireHeader),
          0,
          2,
          false },
        { "memfd and a body",
          { GOOD, .size = 4, .in_memfd = 1, .n_fds = 1 },
          sizeof(WireHeader),
          4,
          2,
          false },
        { "in_memfd of 2", { GOOD, .size = 4, .in_memfd = 2 }, sizeof(WireHeader), 4, 2, false },
};

static void test_raw_messages(void **state G_GNUC_UNUSED) {
        g_autofree char *body = g_malloc0(70000);
        g_auto(Pair) pair = pair_open();
        const int fds[] = { pair.a, pair.b };
        size_t before = count_fds();

        for (size_t i = 0; i < G_N_ELEMENTS(raw_messages); i++) {
                g_auto(WireMessage) message = WIRE_MESSAGE_NULL;
                int r;

                send_raw(pair.a, &raw_messages[i].header, raw_messages[i].header_size, body,
                         raw_messages[i].body_size, fds, raw_messages[i].n_fds);
                r = wire_receive(pair.b, &message);
                if (r != (raw_messages[i].good ? 1 : -EBADMSG))
                        fail_msg("%s: %d", raw_messages[i].name, r);
                assert_int_equal(message.n_fds, raw_messages[i].good ? raw_messages[i].n_fds : 0);
                wire_message_done(&message);
                /* whatever came with it is closed */
                if (count_fds() != before)
                        fail_msg("%s: descriptors are left", raw_messages[i].name);
        }
}

#define ALL_SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

static const struct {
        const char *name;
        int seals;
        off_t size;
        bool good;
} memfds[] = {
        { "sealed", ALL_SEALS, 4, true },
        { "not sealed", 0, 4, false },
        { "seals can be added", ALL_SEALS & ~F_SEAL_SEAL, 4, false },
        { "can shrink", ALL_SEALS & ~F_SEAL_SHRINK, 4, false },
        { "can grow", ALL_SEALS & ~F_SEAL_GROW, 4, false },
        { "can be written", ALL_SEALS & ~F_SEAL_WRITE, 4, false },
        { "too short", ALL_SEALS, 3, false },
        { "too long", ALL_SEALS, 5, false },
};

static void test_memfds(void **state G_GNUC_UNUSED) {
        static const WireHeader header = { GOOD, .size = 4, .in_memfd = 1 };
        g_auto(Pair) pair = pair_open();
        size_t before = count_fds();

        for (size_t i = 0; i < G_N_ELEMENTS(memfds); i++) {
                g_auto(WireMessage) message = WIRE_MESSAGE_NULL;
                int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
                int r;

                assert_int_equal(ftruncate(fd, memfds[i].size), 0);
                assert_int_equal(fcntl(fd, F_ADD_SEALS, memfds[i].seals), 0);
                send_raw(pair.a, &header, sizeof(header), NULL, 0, &fd, 1);
                close(fd);
                r = wire_receive(pair.b, &message);
                if (r != (memfds[i].good ? 1 : -EBADMSG))
                        fail_msg("%s: %d", memfds[i].name, r);
                wire_message_done(&message);
                assert_int_equal(count_fds(), before);
        }
}

/* ---- InitRun ---- */

static int read_init_run(WireReader *reader, Error *error) {
        InitRun run;
        int r = init_run_get(reader, &run);

        if (r < 0)
                return error_set_errnof(error, -r, "Refused");
        init_run_done(&run);
        return 0;
}

static const char *run_argv[] = { "/bin/sh", "-c", "", NULL };
static const char *run_environment[] = { "A=b", NULL };
static uint32_t run_groups[] = { 4, 5 };
static InitRlimit run_rlimits[] = { { 7, 1024, UINT64_MAX } };
static const InitRun sample_run = {
        .run = 9,
        .argv = run_argv,
        .environment = run_environment,
        .working_directory = "/tmp",
        .uid = 1000,
        .gid = 1001,
        .groups = run_groups,
        .n_groups = 2,
        .rlimits = run_rlimits,
        .n_rlimits = 1,
        .n_fds = 3,
};

static void test_init_run(void **state G_GNUC_UNUSED) {
        g_auto(WireWriter) writer = WIRE_WRITER_NULL;
        WireReader reader;
        InitRun run;

        init_run_put(&writer, &sample_run);
        reader = (WireReader){ .bytes = writer.bytes, .size = writer.size };
        assert_int_equal(init_run_get(&reader, &run), 0);
        assert_int_equal(run.run, 9);
        assert_true(g_strv_equal(run.argv, run_argv));
        assert_true(g_strv_equal(run.environment, run_environment));
        assert_string_equal(run.working_directory, "/tmp");
        assert_int_equal(run.uid, 1000);
        assert_int_equal(run.gid, 1001);
        assert_int_equal(run.n_groups, 2);
        assert_memory_equal(run.groups, run_groups, sizeof(run_groups));
        assert_int_equal(run.n_rlimits, 1);
        assert_int_equal(run.rlimits[0].resource, 7);
        assert_true(run.rlimits[0].soft == 1024 && run.rlimits[0].hard == UINT64_MAX);
        assert_int_equal(run.n_fds, 3);
        init_run_done(&run);
        init_run_done(&run); /* twice is fine */
        assert_prefixes_are_refused(&writer, read_init_run);
        assert_flips_are_survived(&writer, read_init_run);
}

static void test_bad_init_runs(void **state G_GNUC_UNUSED) {
        static const char *nothing[] = { NULL };
        static uint32_t groups[RUN_GROUPS_MAX + 1];
        static InitRlimit rlimits[RUN_RLIMITS_MAX + 1];
        g_autofree const char **many = g_new0(const char *, ARGV_MAX + 2);
        InitRun runs[4] = { sample_run, sample_run, sample_run, sample_run };

        for (int i = 0; i <= ARGV_MAX; i++)
                many[i] = "a";
        runs[0].argv = nothing;
        runs[1].argv = many;
        runs[2].groups = groups;
        runs[2].n_groups = RUN_GROUPS_MAX + 1;
        runs[3].rlimits = rlimits;
        runs[3].n_rlimits = RUN_RLIMITS_MAX + 1;
        for (size_t i = 0; i < G_N_ELEMENTS(runs); i++) {
                g_auto(WireWriter) writer = WIRE_WRITER_NULL;
                g_auto(Error) error = ERROR_NULL;

                init_run_put(&writer, &runs[i]);
                assert_int_equal(body_read(writer.bytes, writer.size, read_init_run, &error), -EBADMSG);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_values),
                cmocka_unit_test(test_reader_fails_for_good),
                cmocka_unit_test(test_bad_bodies),
                cmocka_unit_test(test_writer_limit),
                cmocka_unit_test(test_sizes),
                cmocka_unit_test(test_descriptors),
                cmocka_unit_test(test_most_descriptors),
                cmocka_unit_test(test_again_and_end),
                cmocka_unit_test(test_credentials),
                cmocka_unit_test(test_raw_messages),
                cmocka_unit_test(test_memfds),
                cmocka_unit_test(test_init_run),
                cmocka_unit_test(test_bad_init_runs),
        };

        return cmocka_run_group_tests_name("wire", tests, NULL, NULL);
}
