/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "util/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "util/limits.h"

#define WIRE_SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

/* The length that stands for a NULL string. */
#define STRING_NULL UINT32_MAX

/* ---- writing ---- */

static void *writer_extend(WireWriter *writer, size_t size) {
        if (writer->error < 0)
                return NULL;
        if (size > WIRE_BODY_MAX - writer->size) {
                writer->error = -E2BIG;
                return NULL;
        }
        if (writer->size + size > writer->allocated) {
                size_t allocated = (writer->size + size) * 2;
                uint8_t *bytes = realloc(writer->bytes, allocated);

                if (!bytes) {
                        writer->error = -ENOMEM;
                        return NULL;
                }
                writer->bytes = bytes;
                writer->allocated = allocated;
        }
        writer->size += size;
        return writer->bytes + writer->size - size;
}

static void put(WireWriter *writer, const void *bytes, size_t size) {
        void *at = writer_extend(writer, size);

        if (at && size > 0)
                memcpy(at, bytes, size);
}

void wire_put_u8(WireWriter *writer, uint8_t value) {
        put(writer, &value, sizeof(value));
}

void wire_put_u32(WireWriter *writer, uint32_t value) {
        put(writer, &value, sizeof(value));
}

void wire_put_u64(WireWriter *writer, uint64_t value) {
        put(writer, &value, sizeof(value));
}

void wire_put_i32(WireWriter *writer, int32_t value) {
        put(writer, &value, sizeof(value));
}

void wire_put_bytes(WireWriter *writer, const void *bytes, size_t size) {
        if (size >= STRING_NULL) {
                writer->error = writer->error ?: -E2BIG;
                return;
        }
        wire_put_u32(writer, (uint32_t) size);
        put(writer, bytes, size);
}

void wire_put_string(WireWriter *writer, const char *string) {
        if (!string)
                wire_put_u32(writer, STRING_NULL);
        else
                wire_put_bytes(writer, string, strlen(string) + 1);
}

void wire_put_strings(WireWriter *writer, char *const *strings) {
        size_t n = 0;

        while (strings && strings[n])
                n++;
        wire_put_u32(writer, (uint32_t) n);
        for (size_t i = 0; i < n; i++)
                wire_put_string(writer, strings[i]);
}

void wire_writer_done(WireWriter *writer) {
        free(writer->bytes);
        *writer = WIRE_WRITER_NULL;
}

/* ---- reading ---- */

static const uint8_t *reader_take(WireReader *reader, size_t size) {
        if (reader->failed || size > reader->size - reader->at) {
                reader->failed = true;
                return NULL;
        }
        reader->at += size;
        return reader->bytes + reader->at - size;
}

static void get(WireReader *reader, void *ret, size_t size) {
        const uint8_t *bytes = reader_take(reader, size);

        if (bytes)
                memcpy(ret, bytes, size);
        else
                memset(ret, 0, size);
}

uint8_t wire_get_u8(WireReader *reader) {
        uint8_t value;

        get(reader, &value, sizeof(value));
        return value;
}

uint32_t wire_get_u32(WireReader *reader) {
        uint32_t value;

        get(reader, &value, sizeof(value));
        return value;
}

uint64_t wire_get_u64(WireReader *reader) {
        uint64_t value;

        get(reader, &value, sizeof(value));
        return value;
}

int32_t wire_get_i32(WireReader *reader) {
        int32_t value;

        get(reader, &value, sizeof(value));
        return value;
}

const void *wire_get_bytes(WireReader *reader, size_t *ret_size) {
        uint32_t size = wire_get_u32(reader);
        const void *bytes = reader_take(reader, size);

        *ret_size = bytes ? size : 0;
        return bytes;
}

const char *wire_get_string(WireReader *reader) {
        uint32_t size = wire_get_u32(reader);
        const uint8_t *bytes;

        if (size == STRING_NULL)
                return NULL;
        bytes = reader_take(reader, size);
        if (!bytes || size == 0 || memchr(bytes, 0, size) != bytes + size - 1) {
                reader->failed = true;
                return NULL;
        }
        return (const char *) bytes;
}

const char **wire_get_strings(WireReader *reader, size_t max) {
        uint32_t n = wire_get_u32(reader);
        const char **strings;

        /* Each string takes at least its length field: a count beyond that is a lie, refuse before allocating. */
        if (reader->failed || n > max || n > (reader->size - reader->at) / sizeof(uint32_t)) {
                reader->failed = true;
                return NULL;
        }
        strings = calloc((size_t) n + 1, sizeof(*strings));
        for (uint32_t i = 0; strings && i < n; i++) {
                strings[i] = wire_get_string(reader);
                if (!strings[i])
                        reader->failed = true;
        }
        if (!strings || reader->failed) {
                reader->failed = true;
                free(strings);
                return NULL;
        }
        return strings;
}

/* ---- sending ---- */

/* A memfd with the body that nobody can change any more. */
static int memfd_with(const WireWriter *writer) {
        int fd = memfd_create("bulkhead-wire", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        size_t written = 0;

        if (fd < 0)
                return -errno;
        while (written < writer->size) {
                ssize_t n = write(fd, writer->bytes + written, writer->size - written);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0) {
                        int r = n < 0 ? -errno : -EIO;

                        close(fd);
                        return r;
                }
                written += (size_t) n;
        }
        if (fcntl(fd, F_ADD_SEALS, WIRE_SEALS) < 0) {
                int r = -errno;

                close(fd);
                return r;
        }
        return fd;
}

static int send_packet(int socket_fd, const WireHeader *header, const WireWriter *body, const int *fds,
                       size_t n_fds) {
        struct iovec iov[2] = {
                { .iov_base = (void *) header, .iov_len = sizeof(*header) },
                { .iov_base = body ? body->bytes : NULL, .iov_len = body ? body->size : 0 },
        };
        union {
                struct cmsghdr align;
                char bytes[CMSG_SPACE((WIRE_FDS_MAX + 1) * sizeof(int))];
        } control;
        struct msghdr message = { .msg_iov = iov, .msg_iovlen = 2 };

        if (n_fds > 0) {
                struct cmsghdr *cmsg;

                memset(&control, 0, CMSG_SPACE(n_fds * sizeof(int)));
                message.msg_control = &control;
                message.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
                cmsg = CMSG_FIRSTHDR(&message);
                cmsg->cmsg_level = SOL_SOCKET;
                cmsg->cmsg_type = SCM_RIGHTS;
                cmsg->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
                memcpy(CMSG_DATA(cmsg), fds, n_fds * sizeof(int));
        }
        for (;;) {
                if (sendmsg(socket_fd, &message, MSG_NOSIGNAL) >= 0)
                        return 0;
                if (errno != EINTR)
                        return -errno;
        }
}

int wire_send(int socket_fd, uint16_t type, uint32_t serial, const WireWriter *writer, const int *fds,
              size_t n_fds) {
        WireHeader header = {
                .magic = WIRE_MAGIC,
                .version = WIRE_VERSION,
                .type = type,
                .serial = serial,
                .size = writer ? (uint32_t) writer->size : 0,
                .n_fds = (uint16_t) n_fds,
        };
        int all[WIRE_FDS_MAX + 1];
        int r;

        if (writer && writer->error < 0)
                return writer->error;
        if (n_fds > WIRE_FDS_MAX)
                return -E2BIG;
        if (!writer || writer->size <= WIRE_BODY_INLINE_MAX)
                return send_packet(socket_fd, &header, writer, fds, n_fds);

        r = memfd_with(writer);
        if (r < 0)
                return r;
        header.in_memfd = 1;
        all[0] = r;
        if (n_fds > 0)
                memcpy(all + 1, fds, n_fds * sizeof(int));
        r = send_packet(socket_fd, &header, NULL, all, n_fds + 1);
        close(all[0]);
        return r;
}

/* ---- receiving ---- */

/* Collects descriptors and credentials; everything that came is in @message also on failure. */
static int take_control(struct msghdr *raw, WireMessage *message) {
        for (struct cmsghdr *cmsg = CMSG_FIRSTHDR(raw); cmsg; cmsg = CMSG_NXTHDR(raw, cmsg)) {
                if (cmsg->cmsg_level != SOL_SOCKET)
                        continue;
                if (cmsg->cmsg_type == SCM_CREDENTIALS) {
                        struct ucred credentials;

                        memcpy(&credentials, CMSG_DATA(cmsg), sizeof(credentials));
                        message->pid = credentials.pid;
                        message->uid = credentials.uid;
                } else if (cmsg->cmsg_type == SCM_RIGHTS) {
                        size_t n = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
                        int *fds = realloc(message->fds, (message->n_fds + n) * sizeof(int));

                        if (!fds)
                                return -ENOMEM; /* the kernel has opened them; the process is lost anyway */
                        memcpy(fds + message->n_fds, CMSG_DATA(cmsg), n * sizeof(int));
                        message->fds = fds;
                        message->n_fds += n;
                }
        }
        return 0;
}

static int read_memfd(WireMessage *message) {
        int fd = wire_message_steal_fd(message, 0);
        struct stat st;
        size_t done = 0;
        int seals, r = -EBADMSG;

        if (fd < 0)
                return -EBADMSG;
        memmove(message->fds, message->fds + 1, --message->n_fds * sizeof(int));
        seals = fcntl(fd, F_GET_SEALS);
        if (seals < 0 || (seals & WIRE_SEALS) != WIRE_SEALS || fstat(fd, &st) < 0 ||
            st.st_size != (off_t) message->header.size)
                goto out;
        message->body = malloc(message->header.size);
        if (!message->body) {
                r = -ENOMEM;
                goto out;
        }
        while (done < message->header.size) {
                ssize_t n = pread(fd, message->body + done, message->header.size - done, (off_t) done);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        goto out;
                done += (size_t) n;
        }
        r = 0;
out:
        close(fd);
        return r;
}

static int check_and_take_body(const uint8_t *packet, size_t size, WireMessage *message) {
        WireHeader *header = &message->header;

        if (size < sizeof(*header))
                return -EBADMSG;
        memcpy(header, packet, sizeof(*header));
        if (header->magic != WIRE_MAGIC || header->version == 0 || header->size > WIRE_BODY_MAX ||
            header->in_memfd > 1 || message->n_fds != (size_t) header->n_fds + header->in_memfd)
                return -EBADMSG;
        if (header->in_memfd)
                return size == sizeof(*header) && header->size > 0 ? read_memfd(message) : -EBADMSG;
        if (size - sizeof(*header) != header->size)
                return -EBADMSG;
        if (header->size == 0)
                return 0;
        message->body = malloc(header->size);
        if (!message->body)
                return -ENOMEM;
        memcpy(message->body, packet + sizeof(*header), header->size);
        return 0;
}

int wire_receive(int socket_fd, WireMessage *ret) {
        /* One process, one thread, no recursion in all three programs: static keeps 64 KiB off the stack. */
        static uint8_t packet[sizeof(WireHeader) + WIRE_BODY_INLINE_MAX];
        union {
                struct cmsghdr align;
                char bytes[CMSG_SPACE((WIRE_FDS_MAX + 1) * sizeof(int)) + CMSG_SPACE(sizeof(struct ucred))];
        } control;
        struct iovec iov = { .iov_base = packet, .iov_len = sizeof(packet) };
        struct msghdr raw = {
                .msg_iov = &iov,
                .msg_iovlen = 1,
                .msg_control = &control,
                .msg_controllen = sizeof(control),
        };
        WireMessage message = WIRE_MESSAGE_NULL;
        int was_reset = 0;
        ssize_t n;
        int r;

        /* A peer that closes without having read all leaves ECONNRESET, once; what it said before is behind that. */
        do
                n = recvmsg(socket_fd, &raw, MSG_CMSG_CLOEXEC);
        while (n < 0 && (errno == EINTR || (errno == ECONNRESET && !was_reset++)));
        if (n < 0)
                return -errno;

        r = take_control(&raw, &message);
        if (r >= 0 && n == 0 && message.n_fds == 0)
                return 0; /* the other end is closed; no message of ours is empty */
        if (r >= 0 && (raw.msg_flags & (MSG_TRUNC | MSG_CTRUNC)))
                r = -EBADMSG;
        if (r >= 0)
                r = check_and_take_body(packet, (size_t) n, &message);
        if (r < 0) {
                wire_message_done(&message);
                return r;
        }
        *ret = message;
        return 1;
}

void wire_message_done(WireMessage *message) {
        free(message->body);
        for (size_t i = 0; i < message->n_fds; i++)
                if (message->fds[i] >= 0)
                        close(message->fds[i]);
        free(message->fds);
        *message = WIRE_MESSAGE_NULL;
}

int wire_message_steal_fd(WireMessage *message, size_t i) {
        int fd;

        if (i >= message->n_fds)
                return -EBADF;
        fd = message->fds[i];
        message->fds[i] = -EBADF;
        return fd;
}

/* ---- shim and init ---- */

void init_setup_put(WireWriter *writer, const InitSetup *setup) {
        wire_put_u64(writer, setup->capabilities);
        for (size_t i = 0; i < INIT_FILTERS; i++)
                wire_put_bytes(writer, setup->filters[i].bytes, setup->filters[i].size);
}

int init_setup_get(WireReader *reader, InitSetup *ret) {
        ret->capabilities = wire_get_u64(reader);
        for (size_t i = 0; i < INIT_FILTERS; i++) {
                ret->filters[i].bytes = wire_get_bytes(reader, &ret->filters[i].size);
                if (ret->filters[i].size > FILTER_SIZE_MAX)
                        reader->failed = true;
        }
        return reader->failed ? -EBADMSG : 0;
}

void init_run_put(WireWriter *writer, const InitRun *run) {
        wire_put_u32(writer, run->run);
        wire_put_strings(writer, (char *const *) run->argv);
        wire_put_strings(writer, (char *const *) run->environment);
        wire_put_string(writer, run->working_directory);
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
        wire_put_u32(writer, run->n_fds);
        wire_put_u8(writer, run->terminal);
}

static void get_rlimits(WireReader *reader, InitRun *run) {
        run->n_rlimits = wire_get_u32(reader);
        if (run->n_rlimits > RUN_RLIMITS_MAX) {
                run->n_rlimits = 0;
                reader->failed = true;
                return;
        }
        run->rlimits = calloc(run->n_rlimits + 1, sizeof(*run->rlimits));
        if (!run->rlimits) {
                reader->failed = true;
                return;
        }
        for (uint32_t i = 0; i < run->n_rlimits; i++) {
                run->rlimits[i].resource = wire_get_u32(reader);
                run->rlimits[i].soft = wire_get_u64(reader);
                run->rlimits[i].hard = wire_get_u64(reader);
        }
}

static void get_groups(WireReader *reader, InitRun *run) {
        run->n_groups = wire_get_u32(reader);
        if (run->n_groups > RUN_GROUPS_MAX) {
                run->n_groups = 0;
                reader->failed = true;
                return;
        }
        run->groups = calloc(run->n_groups + 1, sizeof(*run->groups));
        if (!run->groups) {
                reader->failed = true;
                return;
        }
        for (uint32_t i = 0; i < run->n_groups; i++)
                run->groups[i] = wire_get_u32(reader);
}

int init_run_get(WireReader *reader, InitRun *ret) {
        InitRun run = { 0 };

        run.run = wire_get_u32(reader);
        run.argv = wire_get_strings(reader, ARGV_MAX);
        run.environment = wire_get_strings(reader, ENVIRONMENT_MAX);
        run.working_directory = wire_get_string(reader);
        run.uid = wire_get_u32(reader);
        run.gid = wire_get_u32(reader);
        get_groups(reader, &run);
        get_rlimits(reader, &run);
        run.n_fds = wire_get_u32(reader);
        run.terminal = wire_get_u8(reader);
        if (reader->failed || !run.argv[0]) {
                init_run_done(&run);
                return -EBADMSG;
        }
        *ret = run;
        return 0;
}

void init_run_done(InitRun *run) {
        free(run->argv);
        free(run->environment);
        free(run->groups);
        free(run->rlimits);
        *run = (InitRun){ 0 };
}
