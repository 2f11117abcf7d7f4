/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "util/cleanup.h"
#include "util/log-private.h"

/* A journal of our own in a temporary folder, and stderr caught in a file. */
typedef struct Caught {
        char *folder, *socket_path;
        int journal_fd; /* reads what came */
        int text_fd;    /* stderr's file */
        int stderr_fd;  /* the real one */
} Caught;

static int setup(void **state) {
        Caught *caught = g_new0(Caught, 1);
        struct sockaddr_un address = { .sun_family = AF_UNIX };

        caught->folder = g_strdup("/tmp/test-log-XXXXXX");
        assert_non_null(mkdtemp(caught->folder));
        caught->socket_path = g_build_filename(caught->folder, "socket", NULL);
        caught->journal_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        (void) g_strlcpy(address.sun_path, caught->socket_path, sizeof(address.sun_path));
        assert_int_equal(bind(caught->journal_fd, (struct sockaddr *) &address, sizeof(address)), 0);
        caught->text_fd = open(caught->folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
        assert_true(caught->text_fd >= 0);
        caught->stderr_fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
        assert_int_equal(dup2(caught->text_fd, STDERR_FILENO), STDERR_FILENO);
        assert_int_equal(unsetenv("JOURNAL_STREAM"), 0);
        log_set_level(LOG_INFO);
        *state = caught;
        return 0;
}

static int teardown(void **state) {
        Caught *caught = *state;

        log_open("test", FALSE);
        (void) dup2(caught->stderr_fd, STDERR_FILENO);
        (void) fd_close(caught->stderr_fd);
        (void) fd_close(caught->text_fd);
        (void) fd_close(caught->journal_fd);
        (void) unlink(caught->socket_path);
        (void) rmdir(caught->folder);
        g_free(caught->socket_path);
        g_free(caught->folder);
        g_free(caught);
        return 0;
}

/* What came to stderr since the last call. */
static char *take_stderr(Caught *caught) {
        char *text = g_malloc0(65536);
        ssize_t n = pread(caught->text_fd, text, 65535, 0);

        assert_true(n >= 0);
        assert_int_equal(ftruncate(caught->text_fd, 0), 0);
        assert_int_equal(lseek(caught->text_fd, 0, SEEK_SET), 0);
        return text;
}

static void assert_stderr(Caught *caught, const char *wanted) {
        g_autofree char *text = take_stderr(caught);

        assert_string_equal(text, wanted);
}

/* The next packet as bytes; from its memfd if it came in one. */
static GBytes *take_packet(Caught *caught, bool *ret_in_memfd) {
        static char bytes[256 * 1024];
        union {
                struct cmsghdr header;
                char bytes[CMSG_SPACE(sizeof(int))];
        } control = { 0 };
        struct iovec vector = { .iov_base = bytes, .iov_len = sizeof(bytes) };
        struct msghdr message = { .msg_iov = &vector,
                                  .msg_iovlen = 1,
                                  .msg_control = &control,
                                  .msg_controllen = sizeof(control) };
        ssize_t n = recvmsg(caught->journal_fd, &message, MSG_CMSG_CLOEXEC);
        autofd int fd = -EBADF;

        assert_true(n >= 0);
        *ret_in_memfd = CMSG_FIRSTHDR(&message) != NULL;
        if (!*ret_in_memfd)
                return g_bytes_new(bytes, (gsize) n);
        assert_int_equal(n, 0);
        memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(int));
        assert_true(fcntl(fd, F_GET_SEALS) & F_SEAL_WRITE);
        n = pread(fd, bytes, sizeof(bytes), 0);
        assert_true(n > 0 && (size_t) n < sizeof(bytes));
        return g_bytes_new(bytes, (gsize) n);
}

static void assert_packet(Caught *caught, const char *wanted, size_t size) {
        bool in_memfd;
        g_autoptr(GBytes) packet = take_packet(caught, &in_memfd);

        assert_false(in_memfd);
        assert_int_equal(g_bytes_get_size(packet), size);
        assert_memory_equal(g_bytes_get_data(packet, NULL), wanted, size);
}

static const struct {
        const char *name, *text, *wanted;
} texts[] = {
        { "plain", "Sandbox 'a' is ready", "test: Sandbox 'a' is ready\n" },
        { "empty", "", "test: \n" },
        { "umlauts stay", "gr\xc3\xbc\xc3\x9f", "test: gr\xc3\xbc\xc3\x9f\n" },
        { "a line of its own", "a\nbulkheadd: b\r", "test: a\\x0abulkheadd: b\\x0d\n" },
        { "an escape sequence", "\x1b[2J\x7f\t", "test: \\x1b[2J\\x7f\\x09\n" },
        { "a C1 sequence",
          "\xc2\x9b"
          "2J",
          "test: \\x9b2J\n" },
        { "no UTF-8",
          "\xff"
          "a\xc3",
          "test: \\xffa\\xc3\n" },
};

static void test_stderr_escapes(void **state) {
        log_open_at("test", FALSE, "/nonexistent");
        for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
                print_message("%s\n", texts[i].name);
                log_info("%s", texts[i].text);
                assert_stderr(*state, texts[i].wanted);
        }
}

static const struct {
        const char *name;
        int level;
} levels[] = {
        { "err", LOG_ERR },   { "warning", LOG_WARNING }, { "notice", LOG_NOTICE },
        { "info", LOG_INFO }, { "debug", LOG_DEBUG },
};

static void test_levels(void **state) {
        static const char *const unknown[] = { NULL, "", "error", "ERR", "emerg", "7" };

        log_open_at("test", FALSE, "/nonexistent");
        for (size_t i = 0; i < G_N_ELEMENTS(levels); i++) {
                assert_int_equal(log_level_from_string(levels[i].name), levels[i].level);
                log_set_level(levels[i].level);
                log_full(levels[i].level + 1, NULL, "below");
                log_full(levels[i].level, NULL, "above");
                assert_stderr(*state, "test: above\n");
        }
        for (size_t i = 0; i < G_N_ELEMENTS(unknown); i++)
                assert_int_equal(log_level_from_string(unknown[i]), -EINVAL);
}

static void test_journal_fields(void **state) {
        static const char *const fields[] = { "SANDBOX", "maps", "ABSENT", NULL, "LATER", "1", NULL };
        static const char wanted[] = "MESSAGE=Sandbox 'maps' stopped\nPRIORITY=5\nSYSLOG_IDENTIFIER=test\n"
                                     "SANDBOX=maps\nLATER=1\n";
        Caught *caught = *state;

        log_open_at("test", TRUE, caught->socket_path);
        log_full(LOG_NOTICE, fields, "Sandbox '%s' stopped", "maps");
        assert_packet(caught, wanted, strlen(wanted));
        assert_stderr(caught, "");
}

/* A newline in a value must not begin another field. */
static void test_journal_newline(void **state) {
        static const char wanted[] =
                "MESSAGE\n\x0c\0\0\0\0\0\0\0a\nPRIORITY=0\nPRIORITY=6\nSYSLOG_IDENTIFIER=test\n";
        Caught *caught = *state;

        log_open_at("test", TRUE, caught->socket_path);
        log_info("%s", "a\nPRIORITY=0");
        assert_packet(caught, wanted, sizeof(wanted) - 1);
}

static void test_journal_large(void **state) {
        Caught *caught = *state;
        g_autofree char *text = g_strnfill(200 * 1024, 'x');
        g_autoptr(GBytes) packet = NULL;
        bool in_memfd;
        int small = 4096;

        log_open_at("test", TRUE, caught->socket_path);
        /* the default send buffer takes 200 KiB on most machines */
        for (int fd = 3; fd < 64; fd++)
                (void) setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
        log_info("%s", text);
        packet = take_packet(caught, &in_memfd);
        assert_true(in_memfd);
        assert_true(g_bytes_get_size(packet) > strlen(text));
        assert_memory_equal(g_bytes_get_data(packet, NULL), "MESSAGE=xxx", 11);
}

static void test_journal_gone(void **state) {
        Caught *caught = *state;

        log_open_at("test", TRUE, "/nonexistent/socket");
        log_info("one");
        assert_stderr(caught, "test: one\n");

        /* it goes away later */
        log_open_at("test", TRUE, caught->socket_path);
        caught->journal_fd = fd_close(caught->journal_fd);
        log_info("two");
        assert_stderr(caught, "test: two\n");
}

/* A full journal does not hold us up. */
static void test_journal_stands_still(void **state) {
        Caught *caught = *state;
        g_autofree char *text = NULL;

        log_open_at("test", TRUE, caught->socket_path);
        for (int i = 0; i < 2000; i++)
                log_info("line");
        text = take_stderr(caught);
        assert_true(g_str_has_prefix(text, "test: line\n"));
}

static void test_journal_stream(void **state) {
        Caught *caught = *state;
        g_autofree char *stream = NULL;
        struct stat st;

        assert_int_equal(fstat(STDERR_FILENO, &st), 0);
        stream = g_strdup_printf("%ju:%ju", (uintmax_t) st.st_dev, (uintmax_t) st.st_ino);
        assert_int_equal(setenv("JOURNAL_STREAM", stream, 1), 0);
        log_open_at("test", FALSE, caught->socket_path);
        log_info("here");
        assert_packet(caught, "MESSAGE=here\nPRIORITY=6\nSYSLOG_IDENTIFIER=test\n", 47);

        /* no socket: levels in front, which the stream's reader understands */
        log_open_at("test", FALSE, "/nonexistent");
        log_warning("there");
        assert_stderr(caught, "<4>test: there\n");

        /* redirected since */
        assert_int_equal(setenv("JOURNAL_STREAM", "1:1", 1), 0);
        log_open_at("test", FALSE, caught->socket_path);
        log_warning("elsewhere");
        assert_stderr(caught, "test: elsewhere\n");
        assert_int_equal(unsetenv("JOURNAL_STREAM"), 0);
}

static void test_failure(void **state) {
        static const char wanted[] =
                "MESSAGE=Cannot load: /etc/a.json:3:7: /capabilities/0: No 'name'\nPRIORITY=4\n"
                "SYSLOG_IDENTIFIER=test\nMANIFEST_FILE=/etc/a.json\nMANIFEST_LINE=3\n";
        static const char with_errno[] = "MESSAGE=Cannot start: Cannot open 'x': No such file or directory\n"
                                         "PRIORITY=3\nSYSLOG_IDENTIFIER=test\nERRNO=2\n";
        g_auto(Error) placed = ERROR_NULL, system = ERROR_NULL;
        Caught *caught = *state;
        int r;

        r = error_setf(&placed, ERROR_INVALID_MANIFEST, "No 'name'");
        (void) error_set_place(&placed, r, "/etc/a.json", 3, 7, "/capabilities/0");
        (void) error_set_errnof(&system, ENOENT, "Cannot open 'x'");

        log_open_at("test", TRUE, caught->socket_path);
        log_failure(LOG_WARNING, &placed, "Cannot %s", "load");
        assert_packet(caught, wanted, strlen(wanted));
        log_failure(LOG_ERR, &system, "Cannot start");
        assert_packet(caught, with_errno, strlen(with_errno));
        log_failure(LOG_DEBUG, &system, "Not told");
        assert_stderr(caught, "");

        log_open_at("test", FALSE, caught->socket_path);
        log_failure(LOG_WARNING, &placed, "Cannot load");
        assert_stderr(caught, "test: Cannot load: /etc/a.json:3:7: /capabilities/0: No 'name'\n");
}

static void test_errno_is_kept(void **state) {
        Caught *caught = *state;
        g_auto(Error) error = ERROR_NULL;

        (void) error_setf(&error, ERROR_BAD_STATE, "Not now");
        for (int journal = 0; journal < 2; journal++) {
                errno = ENOTTY;
                log_open_at("test", journal, "/nonexistent");
                assert_int_equal(errno, ENOTTY);
                log_info("%s", "x");
                assert_int_equal(errno, ENOTTY);
                log_failure(LOG_INFO, &error, "x");
                assert_int_equal(errno, ENOTTY);
        }
        /* and %m tells the caller's */
        log_open_at("test", FALSE, caught->socket_path);
        g_free(take_stderr(caught));
        errno = ENOTTY;
        log_info("%m");
        assert_stderr(caught, "test: Inappropriate ioctl for device\n");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_stderr_escapes, setup, teardown),
                cmocka_unit_test_setup_teardown(test_levels, setup, teardown),
                cmocka_unit_test_setup_teardown(test_journal_fields, setup, teardown),
                cmocka_unit_test_setup_teardown(test_journal_newline, setup, teardown),
                cmocka_unit_test_setup_teardown(test_journal_large, setup, teardown),
                cmocka_unit_test_setup_teardown(test_journal_gone, setup, teardown),
                cmocka_unit_test_setup_teardown(test_journal_stands_still, setup, teardown),
                cmocka_unit_test_setup_teardown(test_journal_stream, setup, teardown),
                cmocka_unit_test_setup_teardown(test_failure, setup, teardown),
                cmocka_unit_test_setup_teardown(test_errno_is_kept, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
