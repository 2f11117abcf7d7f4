/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "util/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/log-private.h"

#define JOURNAL_SOCKET "/run/systemd/journal/socket"

static struct {
        const char *program;
        int level;
        int journal_fd;   /* connected; -EBADF = write to stderr */
        bool with_levels; /* stderr is read by the journal, which understands "<n>", sd-daemon(3) */
} log_state = { .program = "bulkhead", .level = LOG_INFO, .journal_fd = -EBADF };

/* The words of --log-level; the rest of syslog(3)'s are not used here. */
static const struct {
        const char *name;
        int level;
} level_names[] = {
        { "err", LOG_ERR },   { "warning", LOG_WARNING }, { "notice", LOG_NOTICE },
        { "info", LOG_INFO }, { "debug", LOG_DEBUG },
};

int log_level_from_string(const char *name) {
        for (size_t i = 0; name && i < G_N_ELEMENTS(level_names); i++)
                if (strcmp(level_names[i].name, name) == 0)
                        return level_names[i].level;
        return -EINVAL;
}

void log_set_level(int level) {
        log_state.level = level;
}

/* JOURNAL_STREAM is "<device>:<inode>" of what systemd gave us as stderr, systemd.exec(5). Whoever redirects
 * stderr afterwards wants to read it there. */
static bool stderr_is_journal(void) {
        const char *stream = getenv("JOURNAL_STREAM");
        g_autofree char *own = NULL;
        struct stat st;

        if (!stream || fstat(STDERR_FILENO, &st) < 0)
                return false;
        own = g_strdup_printf("%ju:%ju", (uintmax_t) st.st_dev, (uintmax_t) st.st_ino);
        return strcmp(stream, own) == 0;
}

static int connect_journal(const char *path) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        autofd int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

        if (fd < 0)
                return -errno;
        if (g_strlcpy(address.sun_path, path, sizeof(address.sun_path)) >= sizeof(address.sun_path))
                return -ENAMETOOLONG;
        if (connect(fd, (const struct sockaddr *) &address, sizeof(address)) < 0)
                return -errno;
        return fd_steal(&fd);
}

void log_open_at(const char *program, gboolean journal, const char *socket_path) {
        bool is_stream = stderr_is_journal();
        int saved = errno;

        log_state.program = program;
        log_state.with_levels = is_stream;
        log_state.journal_fd = fd_close(log_state.journal_fd);
        if (journal || is_stream)
                log_state.journal_fd = connect_journal(socket_path);
        errno = saved;
}

void log_open(const char *program, gboolean journal) {
        log_open_at(program, journal, JOURNAL_SOCKET);
}

/* ---- to the journal ---- */

/* "NAME=value", or with a newline in it: name, newline, size as 64 bit little endian, value. So no text can
 * add a field of its own (journal export format). */
static void append_field(GString *packet, const char *name, const char *value) {
        uint64_t size;

        if (!strchr(value, '\n')) {
                g_string_append_printf(packet, "%s=%s\n", name, value);
                return;
        }
        size = GUINT64_TO_LE((uint64_t) strlen(value));
        g_string_append_printf(packet, "%s\n", name);
        g_string_append_len(packet, (const char *) &size, sizeof(size));
        g_string_append_printf(packet, "%s\n", value);
}

/* What does not fit into a datagram travels in a sealed memfd, as the protocol has it. */
static int send_in_memfd(int journal_fd, const GString *packet) {
        union {
                struct cmsghdr header;
                char bytes[CMSG_SPACE(sizeof(int))];
        } control = { 0 };
        struct msghdr message = { .msg_control = &control, .msg_controllen = sizeof(control) };
        autofd int fd = memfd_create("log", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);

        if (fd < 0)
                return -errno;
        if (write(fd, packet->str, packet->len) != (ssize_t) packet->len)
                return -EIO;
        if (fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
                return -errno;
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(header), &fd, sizeof(int));
        return sendmsg(journal_fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}

/* MSG_DONTWAIT: a journal that stands still must not hold us up; the line goes to stderr then. */
static int send_packet(int journal_fd, const GString *packet) {
        if (send(journal_fd, packet->str, packet->len, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
                return 0;
        if (errno == EMSGSIZE || errno == ENOBUFS)
                return send_in_memfd(journal_fd, packet);
        return -errno;
}

static int write_journal(int level, const char *const *fields, const char *message) {
        g_autoptr(GString) packet = g_string_new(NULL);

        append_field(packet, "MESSAGE", message);
        g_string_append_printf(packet, "PRIORITY=%d\n", level);
        append_field(packet, "SYSLOG_IDENTIFIER", log_state.program);
        for (; fields && fields[0]; fields += 2)
                if (fields[1])
                        append_field(packet, fields[0], fields[1]);
        return send_packet(log_state.journal_fd, packet);
}

/* ---- to stderr ---- */

/* Control characters, C1 ones in UTF-8 too, and bytes that are no UTF-8 as \xNN: no text that somebody else
 * chose moves the cursor of a terminal or begins a line of its own. */
static char *escape(const char *text) {
        GString *safe = g_string_new(NULL);

        while (*text) {
                gunichar c = g_utf8_get_char_validated(text, -1);

                if (c == (gunichar) -1 || c == (gunichar) -2) {
                        g_string_append_printf(safe, "\\x%02x", (unsigned char) *text);
                        text++;
                        continue;
                }
                if (c < 0x20 || (c >= 0x7f && c < 0xa0))
                        g_string_append_printf(safe, "\\x%02x", (unsigned) c);
                else
                        g_string_append_unichar(safe, c);
                text = g_utf8_next_char(text);
        }
        return g_string_free(safe, FALSE);
}

/* One write(2), so that lines of several processes do not mix. */
static void write_stderr(int level, const char *message) {
        g_autofree char *safe = escape(message);
        g_autoptr(GString) line = g_string_new(NULL);
        ssize_t n;

        if (log_state.with_levels)
                g_string_append_printf(line, "<%d>", level);
        g_string_append_printf(line, "%s: %s\n", log_state.program, safe);
        do
                n = write(STDERR_FILENO, line->str, line->len);
        while (n < 0 && errno == EINTR);
}

static void write_line(int level, const char *const *fields, const char *message) {
        if (log_state.journal_fd >= 0 && write_journal(level, fields, message) >= 0)
                return;
        write_stderr(level, message);
}

void log_full(int level, const char *const *fields, const char *format, ...) {
        g_autofree char *message = NULL;
        int saved = errno;
        va_list args;

        if (level > log_state.level)
                return;
        va_start(args, format);
        message = g_strdup_vprintf(format, args);
        va_end(args);
        write_line(level, fields, message);
        errno = saved;
}

void log_failure(int level, const Error *error, const char *format, ...) {
        g_autofree char *text = NULL, *reason = NULL, *message = NULL;
        char line[16], number[16];
        int saved = errno;
        va_list args;

        if (level > log_state.level)
                return;
        va_start(args, format);
        text = g_strdup_vprintf(format, args);
        va_end(args);
        reason = error_format(error);
        message = g_strdup_printf("%s: %s", text, reason);
        (void) snprintf(line, sizeof(line), "%u", error->line);
        (void) snprintf(number, sizeof(number), "%d", error->errnum);
        write_line(level,
                   (const char *const[]){
                           "MANIFEST_FILE",
                           error->file,
                           "MANIFEST_LINE",
                           error->line > 0 ? line : NULL,
                           "ERRNO",
                           error->errnum > 0 ? number : NULL,
                           NULL,
                   },
                   message);
        errno = saved;
}
