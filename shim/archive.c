/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "shim/archive.h"

#include <dirent.h>
#include <fcntl.h>
#include <glib.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/limits.h"

#define BLOCK_SIZE  512
#define BUFFER_SIZE (256 * 1024)
#define ID_NOBODY   65534
#define OPAQUE      "trusted.overlay.opaque"

/* A header of the ustar format; numbers are octal digits. */
typedef struct Header {
        char name[100];
        char mode[8], uid[8], gid[8];
        char size[12], mtime[12];
        char checksum[8];
        char type;
        char link[100];
        char magic[6], version[2];
        char user[32], group[32];
        char major[8], minor[8];
        char prefix[155], padding[12];
} Header;

typedef struct Archive {
        int fd; /* not owned */
        uint32_t id_base, id_count;
        GByteArray *buffer; /* owned */
        GHashTable *links;  /* inode of a file with several names -> its first path, owned */
        uint64_t n_bytes;
        ArchiveProgress progress;
        void *userdata;
} Archive;

/* One entry on its way. */
typedef struct Entry {
        int dir_fd;       /* of the folder that it is in */
        const char *name; /* in it */
        const char *path; /* from the top, without a slash before it */
        struct stat st;
        char type;
        const char *link; /* NULL = none */
        GByteArray *pax;  /* owned; what does not fit into a header */
} Entry;

/* ---- bytes ---- */

static int flush(Archive *archive, Error *error) {
        for (guint done = 0; done < archive->buffer->len;) {
                ssize_t n = write(archive->fd, archive->buffer->data + done, archive->buffer->len - done);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return error_set_errnof(error, errno, "Cannot write the snapshot's files");
                done += (guint) n;
        }
        archive->n_bytes += archive->buffer->len;
        g_byte_array_set_size(archive->buffer, 0);
        if (archive->progress)
                archive->progress(archive->userdata, archive->n_bytes);
        return 0;
}

static int put(Archive *archive, const void *bytes, size_t size, Error *error) {
        if (archive->n_bytes + size > ARCHIVE_BYTES_MAX)
                return error_setf(error, ERROR_LIMIT_REACHED,
                                  "The upper's files have more than %" G_GUINT64_FORMAT " bytes",
                                  (guint64) ARCHIVE_BYTES_MAX);
        g_byte_array_append(archive->buffer, bytes, (guint) size);
        return archive->buffer->len >= BUFFER_SIZE ? flush(archive, error) : 0;
}

/* Zeros up to the next whole block, for what has @size bytes. */
static int pad(Archive *archive, uint64_t size, Error *error) {
        static const char zeros[BLOCK_SIZE];

        return size % BLOCK_SIZE == 0 ? 0 : put(archive, zeros, BLOCK_SIZE - size % BLOCK_SIZE, error);
}

/* ---- headers ---- */

/* "<length> <key>=<value>\n", where the length counts itself. */
static void add_pax(GByteArray *pax, const char *key, const void *value, size_t size) {
        size_t rest = strlen(" =\n") + strlen(key) + size, length = rest + 1;
        char head[32];

        while (length != rest + (size_t) snprintf(head, sizeof(head), "%zu", length))
                length++;
        snprintf(head, sizeof(head), "%zu ", length);
        g_byte_array_append(pax, (const guint8 *) head, (guint) strlen(head));
        g_byte_array_append(pax, (const guint8 *) key, (guint) strlen(key));
        g_byte_array_append(pax, (const guint8 *) "=", 1);
        g_byte_array_append(pax, value, (guint) size);
        g_byte_array_append(pax, (const guint8 *) "\n", 1);
}

static uint32_t map_id(const Archive *archive, uint32_t id) {
        uint32_t inside = id - archive->id_base;

        return id >= archive->id_base && inside < archive->id_count ? inside : ID_NOBODY;
}

/* What fits goes into the header, and what does not stands in the pax records already. */
static void set_octal(char *field, size_t size, uint64_t value) {
        char digits[32];

        snprintf(digits, sizeof(digits), "%0*" G_GINT64_MODIFIER "o", (int) size - 1, (guint64) value);
        memcpy(field, digits, size - 1);
}

static void set_checksum(Header *header) {
        const unsigned char *bytes = (const unsigned char *) header;
        unsigned sum = 0;
        char digits[16];

        memset(header->checksum, ' ', sizeof(header->checksum));
        for (size_t i = 0; i < sizeof(*header); i++)
                sum += bytes[i];
        snprintf(digits, sizeof(digits), "%06o", sum);
        memcpy(header->checksum, digits, 7);
}

static int put_header(Archive *archive, Header *header, Error *error) {
        memcpy(header->magic, "ustar", 6);
        memcpy(header->version, "00", 2);
        set_checksum(header);
        G_STATIC_ASSERT(sizeof(*header) == BLOCK_SIZE);
        return put(archive, header, sizeof(*header), error);
}

static int put_pax(Archive *archive, const GByteArray *pax, Error *error) {
        Header header = { .name = "pax", .type = 'x' };
        int r;

        set_octal(header.mode, sizeof(header.mode), 0);
        set_octal(header.size, sizeof(header.size), pax->len);
        r = put_header(archive, &header, error);
        if (r >= 0)
                r = put(archive, pax->data, pax->len, error);
        return r < 0 ? r : pad(archive, pax->len, error);
}

/* @size is of the file's bytes that follow. */
static int put_entry(Archive *archive, Entry *entry, uint64_t size, Error *error) {
        Header header = { .type = entry->type };
        const struct stat *st = &entry->st;
        int r;

        if (strlen(entry->path) > sizeof(header.name))
                add_pax(entry->pax, "path", entry->path, strlen(entry->path));
        else
                memcpy(header.name, entry->path, strlen(entry->path));
        if (entry->link && strlen(entry->link) > sizeof(header.link))
                add_pax(entry->pax, "linkpath", entry->link, strlen(entry->link));
        else if (entry->link)
                memcpy(header.link, entry->link, strlen(entry->link));
        if (size >= UINT64_C(1) << 33) {
                g_autofree char *text = g_strdup_printf("%" G_GUINT64_FORMAT, (guint64) size);

                add_pax(entry->pax, "size", text, strlen(text));
        } else
                set_octal(header.size, sizeof(header.size), size);
        set_octal(header.mode, sizeof(header.mode), st->st_mode & 07777);
        set_octal(header.uid, sizeof(header.uid), map_id(archive, st->st_uid));
        set_octal(header.gid, sizeof(header.gid), map_id(archive, st->st_gid));
        /* squashfs has 32 bits. */
        set_octal(header.mtime, sizeof(header.mtime), (uint64_t) CLAMP(st->st_mtim.tv_sec, 0, UINT32_MAX));
        if (S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode)) {
                set_octal(header.major, sizeof(header.major), major(st->st_rdev) & 07777777);
                set_octal(header.minor, sizeof(header.minor), minor(st->st_rdev) & 07777777);
        }
        r = entry->pax->len > 0 ? put_pax(archive, entry->pax, error) : 0;
        return r < 0 ? r : put_header(archive, &header, error);
}

/* ---- one entry ---- */

static bool xattr_is_wanted(const char *name, const char *value, size_t size) {
        if (strcmp(name, OPAQUE) == 0)
                return size == 1 && value[0] == 'y';
        /* A key of pax ends at '='. */
        return g_str_has_prefix(name, "user.") && !strchr(name, '=');
}

/* By the path of the entry in its folder's descriptor, which follows no link. */
static int add_xattrs(Entry *entry, Error *error) {
        g_autofree char *path = g_strdup_printf("/proc/self/fd/%d/%s", entry->dir_fd, entry->name);
        g_autofree char *names = NULL, *value = NULL;
        ssize_t size = llistxattr(path, NULL, 0);

        if (size == 0 || (size < 0 && (errno == ENOTSUP || errno == ENOENT)))
                return 0;
        names = g_malloc(XATTR_LIST_MAX);
        value = g_malloc(XATTR_LIST_MAX);
        size = llistxattr(path, names, XATTR_LIST_MAX);
        if (size < 0)
                return errno == ENOENT ? 0
                                       : error_set_errnof(error, errno, "Cannot list attributes of '%s'",
                                                          entry->path);
        for (const char *name = names; name < names + size; name += strlen(name) + 1) {
                ssize_t value_size = lgetxattr(path, name, value, XATTR_LIST_MAX);
                g_autofree char *key = g_strconcat("SCHILY.xattr.", name, NULL);

                if (value_size >= 0 && xattr_is_wanted(name, value, (size_t) value_size))
                        add_pax(entry->pax, key, value, (size_t) value_size);
        }
        return 0;
}

/* Exactly as many bytes as the header says, also of a file that changes meanwhile. */
static int put_bytes(Archive *archive, int fd, uint64_t size, const char *path, Error *error) {
        g_autofree char *buffer = g_malloc(BUFFER_SIZE);
        int r;

        for (uint64_t left = size; left > 0;) {
                size_t chunk = MIN(left, BUFFER_SIZE);
                ssize_t n = read(fd, buffer, chunk);

                if (n < 0)
                        return error_set_errnof(error, errno, "Cannot read '%s'", path);
                if (n == 0) {
                        memset(buffer, 0, chunk);
                        n = (ssize_t) chunk;
                }
                r = put(archive, buffer, (size_t) n, error);
                if (r < 0)
                        return r;
                left -= (uint64_t) n;
        }
        return pad(archive, size, error);
}

static int put_file(Archive *archive, Entry *entry, Error *error) {
        gpointer inode = GSIZE_TO_POINTER(entry->st.st_ino);
        autofd int fd = -EBADF;
        int r;

        entry->link = entry->st.st_nlink > 1 ? g_hash_table_lookup(archive->links, inode) : NULL;
        if (entry->link) {
                entry->type = '1';
                return put_entry(archive, entry, 0, error);
        }
        fd = openat(entry->dir_fd, entry->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0 && (errno == ENOENT || errno == ELOOP))
                return 0;
        if (fd < 0 || fstat(fd, &entry->st) < 0)
                return error_set_errnof(error, errno, "Cannot open '%s'", entry->path);
        if (!S_ISREG(entry->st.st_mode))
                return 0;
        if (entry->st.st_nlink > 1)
                g_hash_table_insert(archive->links, inode, g_strdup(entry->path));
        r = put_entry(archive, entry, (uint64_t) entry->st.st_size, error);
        return r < 0 ? r : put_bytes(archive, fd, (uint64_t) entry->st.st_size, entry->path, error);
}

static int put_link(Archive *archive, Entry *entry, Error *error) {
        char target[PATH_SIZE_MAX];
        ssize_t size = readlinkat(entry->dir_fd, entry->name, target, sizeof(target) - 1);

        if (size < 0 && (errno == ENOENT || errno == EINVAL))
                return 0;
        if (size < 0)
                return error_set_errnof(error, errno, "Cannot read link '%s'", entry->path);
        target[size] = '\0';
        entry->link = target;
        return put_entry(archive, entry, 0, error);
}

static int put_folder(Archive *archive, Entry *entry, unsigned depth, Error *error);

static int put_any(Archive *archive, Entry *entry, unsigned depth, Error *error) {
        static const struct {
                mode_t format;
                char type;
        } types[] = {
                { S_IFREG, '0' }, { S_IFLNK, '2' }, { S_IFCHR, '3' },
                { S_IFBLK, '4' }, { S_IFDIR, '5' }, { S_IFIFO, '6' },
        };
        int r;

        for (size_t i = 0; i < G_N_ELEMENTS(types); i++)
                if ((entry->st.st_mode & S_IFMT) == types[i].format)
                        entry->type = types[i].type;
        if (!entry->type)
                return 0; /* a socket, dead without who listens */
        r = add_xattrs(entry, error);
        if (r < 0)
                return r;
        switch (entry->type) {
        case '0':
                return put_file(archive, entry, error);
        case '2':
                return put_link(archive, entry, error);
        case '5':
                return put_folder(archive, entry, depth, error);
        default:
                return put_entry(archive, entry, 0, error);
        }
}

/* ---- folders ---- */

static int put_named(Archive *archive, int dir_fd, const char *name, const char *parent, unsigned depth,
                     Error *error) {
        g_autofree char *path = *parent ? g_strconcat(parent, "/", name, NULL) : g_strdup(name);
        Entry entry = { .dir_fd = dir_fd, .name = name, .path = path };
        int r;

        if (fstatat(dir_fd, name, &entry.st, AT_SYMLINK_NOFOLLOW) < 0)
                return errno == ENOENT ? 0 : error_set_errnof(error, errno, "Cannot look at '%s'", path);
        entry.pax = g_byte_array_new();
        r = put_any(archive, &entry, depth, error);
        g_byte_array_unref(entry.pax);
        return r;
}

/* Takes @fd. */
static int put_entries(Archive *archive, int fd, const char *path, unsigned depth, Error *error) {
        DIR *folder = fdopendir(fd);
        struct dirent *found;
        int r = 0;

        if (!folder) {
                r = error_set_errnof(error, errno, "Cannot read folder '%s'", path);
                close(fd);
                return r;
        }
        while (r >= 0 && (errno = 0, found = readdir(folder)))
                if (strcmp(found->d_name, ".") != 0 && strcmp(found->d_name, "..") != 0)
                        r = put_named(archive, fd, found->d_name, path, depth, error);
        if (r >= 0 && errno != 0)
                r = error_set_errnof(error, errno, "Cannot read folder '%s'", path);
        closedir(folder);
        return r;
}

static int put_folder(Archive *archive, Entry *entry, unsigned depth, Error *error) {
        int fd, r;

        if (depth >= ARCHIVE_DEPTH_MAX)
                return error_setf(error, ERROR_LIMIT_REACHED, "The upper's folders are deeper than %d",
                                  ARCHIVE_DEPTH_MAX);
        fd = openat(entry->dir_fd, entry->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0 && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP))
                return 0;
        if (fd < 0)
                return error_set_errnof(error, errno, "Cannot open folder '%s'", entry->path);
        r = put_entry(archive, entry, 0, error);
        if (r < 0) {
                close(fd);
                return r;
        }
        return put_entries(archive, fd, entry->path, depth + 1, error);
}

int archive_write(int folder_fd, uint32_t id_base, uint32_t id_count, int output_fd, ArchiveProgress progress,
                  void *userdata, Error *error) {
        static const char end[2 * BLOCK_SIZE];
        Archive archive = {
                .fd = output_fd,
                .id_base = id_base,
                .id_count = id_count,
                .progress = progress,
                .userdata = userdata,
        };
        int fd, r;

        fd = openat(folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return error_set_errnof(error, errno, "Cannot open the upper");
        archive.buffer = g_byte_array_new();
        archive.links = g_hash_table_new_full(NULL, NULL, NULL, g_free);
        r = put_entries(&archive, fd, "", 0, error);
        if (r >= 0)
                r = put(&archive, end, sizeof(end), error);
        if (r >= 0)
                r = flush(&archive, error);
        g_byte_array_unref(archive.buffer);
        g_hash_table_unref(archive.links);
        return r;
}
