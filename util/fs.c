/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "util/fs.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/limits.h"

/* openat2(2) answers EAGAIN when a rename anywhere on the system could have led a ".." astray. */
#define RESOLVE_TRIES_MAX 64

/* Somebody else may make and remove the same names while we do; after so many rounds it is on purpose. */
#define MAKE_TRIES_MAX 16

/* Each level of a removal holds one descriptor; folders below are first moved up. */
#define REMOVE_DEPTH_MAX 32

/* As many as the kernel follows (path_resolution(7)). */
#define TRUSTED_LINKS_MAX 40

#define FOLDER_MODE 0755
#define FILE_MODE   0644

static int open_how(int dir_fd, const char *path, int flags, mode_t mode, uint64_t resolve) {
        struct open_how how = {
                .flags = (uint64_t) (unsigned) (flags | O_CLOEXEC),
                /* openat2(2) refuses a mode where nothing can be created */
                .mode = (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE ? mode & 07777 : 0,
                .resolve = resolve,
        };

        for (unsigned i = 0; i < RESOLVE_TRIES_MAX; i++) {
                /* glibc 2.36 has no wrapper */
                long fd = syscall(SYS_openat2, dir_fd, path, &how, sizeof(how));

                if (fd >= 0)
                        return (int) fd;
                if (errno != EAGAIN && errno != EINTR)
                        return -errno;
        }
        return -EAGAIN;
}

int fs_open_in(int root_fd, const char *path, int flags, mode_t mode, uint64_t resolve) {
        return open_how(root_fd, path, flags, mode, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | resolve);
}

/* mkdirat(2) with exactly this mode. umask(2) is of the process, and our processes have one thread. */
static int make_folder(int dir_fd, const char *name, mode_t mode) {
        mode_t saved = umask(0);
        int r = mkdirat(dir_fd, name, mode) < 0 ? -errno : 0;

        (void) umask(saved);
        return r;
}

/* ---- making a place below a root ---- */

/* What a link of root leads to, with @rest behind it; NULL if @fd is no such link. *ret_r is 0, or why not. */
static char *read_trusted_link(int fd, const char *rest, int *ret_r) {
        char target[PATH_SIZE_MAX];
        struct stat st;
        ssize_t size;

        *ret_r = fstat(fd, &st) < 0 ? -errno : 0;
        if (*ret_r < 0 || !S_ISLNK(st.st_mode))
                return NULL;
        if (st.st_uid != 0) {
                *ret_r = -ELOOP;
                return NULL;
        }
        size = readlinkat(fd, "", target, sizeof(target) - 1);
        if (size < 0 || (size_t) size == sizeof(target) - 1) {
                *ret_r = size < 0 ? -errno : -ENAMETOOLONG;
                return NULL;
        }
        target[size] = '\0';
        return g_strdup_printf("%s/%s", target, rest);
}

int fs_open_trusted(const char *path) {
        g_autofree char *left = g_strdup(path);
        autofd int fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
        const char *at = left;
        unsigned n_links = 0;
        int r = fd < 0 ? -errno : 0;

        while (r >= 0 && *(at += strspn(at, "/"))) {
                size_t size = strcspn(at, "/");
                g_autofree char *name = g_strndup(at, size), *target = NULL;
                autofd int next = openat(fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);

                at += size;
                if (next < 0)
                        return -errno;
                target = read_trusted_link(next, at, &r);
                if (!target) {
                        fd = fd_close(fd);
                        fd = fd_steal(&next);
                        continue;
                }
                if (++n_links > TRUSTED_LINKS_MAX)
                        return -ELOOP;
                if (target[0] == '/') {
                        fd = fd_close(fd);
                        fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
                        r = fd < 0 ? -errno : 0;
                }
                g_free(left);
                left = g_steal_pointer(&target);
                at = left;
        }
        return r < 0 ? r : fd_steal(&fd);
}

void fs_made_done(FsMade *made) {
        g_clear_pointer(&made->paths, g_ptr_array_unref);
        made->leaf_inode = 0;
}

static void made_note(FsMade *made, const char *path) {
        if (!made->paths)
                made->paths = g_ptr_array_new_with_free_func(g_free);
        g_ptr_array_add(made->paths, g_strdup(path));
}

/* One component that exists, as an O_PATH descriptor. -ELOOP for a link; -ENOTDIR for anything else that is
 * not a folder where one is wanted, -EISDIR for a folder where none is. */
static int open_component(int dir_fd, const char *name, bool directory) {
        autofd int fd = open_how(dir_fd, name, O_PATH | (directory ? O_DIRECTORY : 0), 0,
                                 RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
        struct stat st;

        if (fd < 0) {
                int r = fd;

                /* O_DIRECTORY is checked first, so a link there is said to be no folder: tell it apart */
                if (r == -ENOTDIR && fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
                    S_ISLNK(st.st_mode))
                        return -ELOOP;
                return r;
        }
        if (!directory) {
                if (fstat(fd, &st) < 0)
                        return -errno;
                if (S_ISDIR(st.st_mode))
                        return -EISDIR;
        }
        return fd_steal(&fd);
}

/* Makes one component that was not there. 1 if it is ours, with its inode; 0 if somebody was faster. */
static int make_component(int dir_fd, const char *name, bool directory, ino_t *ret_inode) {
        autofd int fd = -EBADF;
        struct stat st;
        mode_t saved;
        int r;

        if (directory) {
                r = make_folder(dir_fd, name, FOLDER_MODE);
                if (r < 0)
                        return r == -EEXIST ? 0 : r;
                if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                        return errno == ENOENT ? 0 : -errno;
                if (!S_ISDIR(st.st_mode))
                        return 0;
        } else {
                saved = umask(0);
                fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, FILE_MODE);
                r = fd < 0 ? -errno : 0;
                (void) umask(saved);
                if (r < 0)
                        return r == -EEXIST ? 0 : r;
                if (fstat(fd, &st) < 0)
                        return -errno;
        }
        *ret_inode = st.st_ino;
        return 1;
}

/* Opens the component, and makes it where it is missing; *ret_inode is 0 if it was there. Returns the
 * descriptor. */
static int enter_component(int dir_fd, const char *name, bool directory, ino_t *ret_inode) {
        ino_t made = 0;

        for (unsigned i = 0; i < MAKE_TRIES_MAX; i++) {
                autofd int fd = open_component(dir_fd, name, directory);
                struct stat st;
                int r;

                if (fd >= 0) {
                        if (made != 0 && fstat(fd, &st) < 0)
                                return -errno;
                        /* swapped since: what stands there now is not ours to remove */
                        *ret_inode = made != 0 && st.st_ino == made ? made : 0;
                        return fd_steal(&fd);
                }
                if (fd != -ENOENT)
                        return fd;
                r = make_component(dir_fd, name, directory, &made);
                if (r < 0)
                        return r;
        }
        return -EBUSY;
}

static int make_failed(int r, const char *path, const char *at, Error *error) {
        switch (-r) {
        case ELOOP:
                return error_set_code_errnof(error, ERROR_NOT_MOUNTABLE, -r,
                                             "Cannot use '%s' as a target, '%s' is a link", path, at);
        case ENOTDIR:
                return error_set_code_errnof(error, ERROR_NOT_MOUNTABLE, -r,
                                             "Cannot use '%s' as a target, '%s' is no folder", path, at);
        case EISDIR:
                return error_set_code_errnof(error, ERROR_NOT_MOUNTABLE, -r,
                                             "Cannot use '%s' as the target of a file", path);
        case EROFS:
        case EACCES:
        case EPERM:
        case ENAMETOOLONG:
        case EOVERFLOW: /* an idmapped mount without a row for our fsuid */
        case EBUSY:
                return error_set_code_errnof(error, ERROR_NOT_MOUNTABLE, -r,
                                             "Cannot make '%s' for the target '%s'", at, path);
        default:
                return error_set_errnof(error, -r, "Cannot make '%s' for the target '%s'", at, path);
        }
}

/* The components of @path; ERROR_NOT_MOUNTABLE for one that cannot be a target. Caller frees. */
static int split_path(const char *path, bool directory, char ***ret, Error *error) {
        g_auto(GStrv) all = NULL;
        g_autoptr(GPtrArray) parts = g_ptr_array_new_with_free_func(g_free);

        if (strlen(path) >= PATH_SIZE_MAX)
                return error_setf(error, ERROR_NOT_MOUNTABLE, "Target path of %zu bytes is longer than %d",
                                  strlen(path), PATH_SIZE_MAX - 1);
        if (!directory && g_str_has_suffix(path, "/"))
                return error_setf(error, ERROR_NOT_MOUNTABLE, "Target '%s' of a file ends in a slash", path);
        all = g_strsplit(path, "/", -1);
        for (char **part = all; *part; part++) {
                if (strcmp(*part, "..") == 0)
                        return error_setf(error, ERROR_NOT_MOUNTABLE, "Target '%s' has '..' in it", path);
                if (!**part || strcmp(*part, ".") == 0)
                        continue;
                g_ptr_array_add(parts, g_strdup(*part));
        }
        if (parts->len == 0 && (!directory || !*path))
                return error_setf(error, ERROR_NOT_MOUNTABLE, "Target '%s' names no file or folder", path);
        g_ptr_array_add(parts, NULL);
        *ret = (char **) g_ptr_array_free(g_steal_pointer(&parts), FALSE);
        return 0;
}

int fs_make_in(int root_fd, const char *path, bool directory, FsMade *ret_made, Error *error) {
        g_auto(GStrv) parts = NULL;
        g_autoptr(GString) walked = g_string_new(NULL);
        autofd int at = -EBADF;
        FsMade made = { 0 };
        int r;

        r = split_path(path, directory, &parts, error);
        if (r < 0)
                return r;
        at = open_how(root_fd, ".", O_PATH | O_DIRECTORY, 0, RESOLVE_BENEATH);
        if (at < 0)
                return error_set_errnof(error, -at, "Cannot open the root of the target '%s'", path);

        for (char **part = parts; *part; part++) {
                autofd int next = -EBADF;
                ino_t inode = 0;

                g_string_append_printf(walked, "/%s", *part);
                next = enter_component(at, *part, part[1] || directory, &inode);
                if (next < 0) {
                        r = make_failed(next, path, walked->str, error);
                        fs_unmake_in(root_fd, &made);
                        fs_made_done(&made);
                        return r;
                }
                if (inode != 0)
                        made_note(&made, walked->str);
                made.leaf_inode = inode;
                (void) fd_close(at);
                at = fd_steal(&next);
        }
        *ret_made = made;
        return fd_steal(&at);
}

/* @inode 0: any folder, since rmdir(2) takes only an empty one. */
static void unmake_one(int root_fd, const char *path, ino_t inode) {
        g_autofree char *parent = g_path_get_dirname(path);
        const char *name = strrchr(path, '/') + 1;
        autofd int fd = fs_open_in(root_fd, parent, O_PATH | O_DIRECTORY, 0, RESOLVE_NO_SYMLINKS);
        struct stat st;

        if (fd < 0 || fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return;
        if (inode != 0 && st.st_ino != inode)
                return;
        if (S_ISDIR(st.st_mode))
                (void) unlinkat(fd, name, AT_REMOVEDIR);
        else if (inode != 0 && S_ISREG(st.st_mode) && st.st_size == 0)
                (void) unlinkat(fd, name, 0);
}

void fs_unmake_in(int root_fd, const FsMade *made) {
        guint n = made->paths ? made->paths->len : 0;

        for (guint i = n; i > 0; i--)
                unmake_one(root_fd, g_ptr_array_index(made->paths, i - 1), i == n ? made->leaf_inode : 0);
}

/* ---- whole files ---- */

int fs_read_file_at(int dir_fd, const char *path, size_t max, char **ret_text, size_t *ret_size,
                    Error *error) {
        /* O_NONBLOCK: opening a FIFO must not wait for somebody to write into it */
        autofd int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        g_autofree char *text = NULL;
        size_t size = 0, allocated;
        struct stat st;

        if (fd < 0 || fstat(fd, &st) < 0)
                return error_set_errnof(error, errno, "Cannot open '%s'", path);
        if (!S_ISREG(st.st_mode))
                return error_set_errnof(error, S_ISDIR(st.st_mode) ? EISDIR : EINVAL,
                                        "'%s' is no regular file", path);

        /* procfs and cgroupfs say size 0: read to the end whatever it says, one byte more than allowed */
        allocated = MIN(st.st_size > 0 ? (size_t) st.st_size : 4095, max) + 1;
        text = g_malloc(allocated + 1);
        for (;;) {
                ssize_t n;

                if (size == allocated) {
                        allocated = MIN(allocated * 2, max + 1);
                        text = g_realloc(text, allocated + 1);
                }
                n = read(fd, text + size, allocated - size);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return error_set_errnof(error, errno, "Cannot read '%s'", path);
                if (n == 0)
                        break;
                size += (size_t) n;
                if (size > max)
                        return error_set_errnof(error, EFBIG, "'%s' has more than %zu bytes", path, max);
        }
        text[size] = '\0';
        *ret_text = g_steal_pointer(&text);
        if (ret_size)
                *ret_size = size;
        return 0;
}

int fs_write_file_at(int dir_fd, const char *path, const char *text) {
        autofd int fd = openat(dir_fd, path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
        size_t size = strlen(text);
        ssize_t n;

        if (fd < 0)
                return -errno;
        n = write(fd, text, size);
        if (n < 0)
                return -errno;
        return (size_t) n == size ? 0 : -EIO;
}

static int write_all(int fd, const char *text) {
        for (size_t left = strlen(text); left > 0;) {
                ssize_t n = write(fd, text, left);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                text += n;
                left -= (size_t) n;
        }
        return 0;
}

int fs_replace_file_at(int dir_fd, const char *path, const char *text, mode_t mode, Error *error) {
        g_autofree char *folder = g_path_get_dirname(path);
        g_autofree char *name = g_path_get_basename(path);
        g_autofree char *temporary = g_strdup_printf("%s/.%s.%08x", folder, name, g_random_int());
        autofd int fd = -EBADF;
        int r = 0;

        fd = openat(dir_fd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0)
                return error_set_errnof(error, errno, "Cannot make '%s' for '%s'", temporary, path);
        r = write_all(fd, text);
        if (r >= 0 && fchmod(fd, mode) < 0)
                r = -errno;
        /* the name must not be on the disk before the text is; free on tmpfs */
        if (r >= 0 && fsync(fd) < 0)
                r = -errno;
        if (r >= 0 && renameat(dir_fd, temporary, dir_fd, path) < 0)
                r = -errno;
        if (r < 0) {
                (void) unlinkat(dir_fd, temporary, 0);
                return error_set_errnof(error, -r, "Cannot write '%s'", path);
        }
        return 0;
}

/* ---- folders ---- */

int fs_make_folders(int dir_fd, const char *path, mode_t mode, Error *error) {
        g_autofree char *copy = g_strdup(path);
        struct stat st;

        for (char *end = copy; end;) {
                char kept;
                int r;

                end += strspn(end, "/");
                end += strcspn(end, "/");
                kept = *end;
                *end = '\0';
                r = *copy ? make_folder(dir_fd, copy, mode) : -ENOENT;
                if (r < 0 && r != -EEXIST)
                        return error_set_errnof(error, -r, "Cannot make the folder '%s'", copy);
                *end = kept;
                if (!kept)
                        end = NULL;
        }
        if (fstatat(dir_fd, path, &st, 0) < 0)
                return error_set_errnof(error, errno, "Cannot look at '%s'", path);
        if (!S_ISDIR(st.st_mode))
                return error_set_errnof(error, ENOTDIR, "Cannot make the folder '%s'", path);
        return 0;
}

/* One removal: where folders too deep for one descriptor per level are moved to. */
typedef struct Removal {
        int top_fd; /* not owned */
        unsigned n_moved;
        int error; /* the first that could not be removed */
} Removal;

static void removal_fail(Removal *removal, int r) {
        if (removal->error == 0)
                removal->error = r;
}

static void remove_entries(Removal *removal, int folder_fd, unsigned depth);

static void remove_entry(Removal *removal, int dir_fd, const char *name, unsigned depth) {
        autofd int fd = -EBADF;

        if (unlinkat(dir_fd, name, 0) == 0 || errno == ENOENT)
                return;
        if (errno != EISDIR) { /* what Linux says of a folder */
                removal_fail(removal, -errno);
                return;
        }
        if (unlinkat(dir_fd, name, AT_REMOVEDIR) == 0)
                return;
        if (depth >= REMOVE_DEPTH_MAX) {
                g_autofree char *moved = g_strdup_printf(".deep-%08x-%u", g_random_int(), removal->n_moved);

                if (renameat(dir_fd, name, removal->top_fd, moved) < 0)
                        removal_fail(removal, -errno);
                else
                        removal->n_moved++;
                return;
        }
        fd = open_how(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0,
                      RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV);
        if (fd < 0) {
                if (fd != -ENOENT)
                        removal_fail(removal, fd);
                return;
        }
        remove_entries(removal, fd, depth + 1);
        if (unlinkat(dir_fd, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
                removal_fail(removal, -errno);
}

static void remove_entries(Removal *removal, int folder_fd, unsigned depth) {
        int fd = fcntl(folder_fd, F_DUPFD_CLOEXEC, 0);
        DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;

        if (!folder) {
                removal_fail(removal, -errno);
                (void) fd_close(fd);
                return;
        }
        rewinddir(folder); /* the position is shared with folder_fd, which has been read before */
        for (;;) {
                const struct dirent *entry = readdir(folder);

                if (!entry)
                        break;
                if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
                        remove_entry(removal, folder_fd, entry->d_name, depth);
        }
        (void) closedir(folder);
}

int fs_remove_recursive(int dir_fd, const char *name, Error *error) {
        autofd int top_fd = -EBADF;
        Removal removal = { 0 };
        unsigned n_moved;

        if (!*name || strchr(name, '/') || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
                return error_set_errnof(error, EINVAL, "Cannot remove '%s', which is no name of an entry",
                                        name);
        if (unlinkat(dir_fd, name, 0) == 0 || errno == ENOENT)
                return 0;
        if (errno != EISDIR)
                return error_set_errnof(error, errno, "Cannot remove '%s'", name);
        top_fd = open_how(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0,
                          RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV);
        if (top_fd < 0)
                return error_set_errnof(error, -top_fd, "Cannot remove '%s'", name);

        /* every round ends, since each moves a folder up at least REMOVE_DEPTH_MAX levels */
        removal.top_fd = top_fd;
        do {
                n_moved = removal.n_moved;
                remove_entries(&removal, top_fd, 1);
        } while (removal.n_moved > n_moved && removal.error == 0);
        if (removal.error < 0)
                return error_set_errnof(error, -removal.error, "Cannot remove all of '%s'", name);
        if (unlinkat(dir_fd, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
                return error_set_errnof(error, errno, "Cannot remove '%s'", name);
        return 0;
}
