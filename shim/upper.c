/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "shim/upper.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shim/mount.h"
#include "util/cleanup.h"
#include "util/fs.h"

#define UPPERS_FOLDER "uppers" /* in the folder of kept state */

/* Opens the folder @name below @dir_fd, made with @mode if it is not there, and never through a link. */
static int open_folder(int dir_fd, const char *name, mode_t mode, int *ret_fd) {
        int fd;

        if (mkdirat(dir_fd, name, mode) < 0 && errno != EEXIST)
                return -errno;
        fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        *ret_fd = fd;
        return 0;
}

static int check_closed(int folder_fd, const char *what, Error *error) {
        struct stat st;

        if (fstat(folder_fd, &st) < 0)
                return error_set_errnof(error, errno, "Cannot look at '%s'", what);
        if (st.st_uid != 0 || (st.st_mode & 077) != 0)
                return error_setf(
                        error, ERROR_NOT_MOUNTABLE,
                        "'%s' belongs to user %u with mode %04o; it is to be root's with mode 0700, since apps "
                        "can leave set-id programs in it",
                        what, st.st_uid, st.st_mode & 07777);
        return 0;
}

/* What a crash has left in the work folder is of no use to anybody (the kernel's filesystems/overlayfs). */
static int renew(int folder_fd, const char *upper, const char *work, const char *what, Error *error) {
        autofd int upper_fd = -EBADF;
        int r;

        r = open_folder(folder_fd, upper, 0755, &upper_fd);
        if (r < 0)
                return error_set_errnof(error, -r, "Cannot make the folder '%s' in '%s'", upper, what);
        r = fs_remove_recursive(folder_fd, work, error);
        if (r < 0)
                return r;
        if (mkdirat(folder_fd, work, 0700) < 0)
                return error_set_errnof(error, errno, "Cannot make the folder '%s' in '%s'", work, what);
        return 0;
}

/* Takes the lock, cleans up, and makes a mount of it. */
static int open_locked(int folder_fd, const char *upper, const char *work, const char *what, int userns_fd,
                       int *ret_tree_fd, Error *error) {
        autofd int tree_fd = -EBADF;
        int lock_fd, r;

        lock_fd = openat(folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (lock_fd < 0)
                return error_set_errnof(error, errno, "Cannot open '%s'", what);
        if (flock(lock_fd, LOCK_EX | LOCK_NB) < 0) {
                r = errno == EWOULDBLOCK ? error_setf(error, ERROR_BAD_STATE,
                                                      "Another sandbox writes in '%s', stop it first", what)
                                         : error_set_errnof(error, errno, "Cannot lock '%s'", what);
                close(lock_fd);
                return r;
        }
        /* From here on it stays open, and with it the lock, until this process ends. */
        r = renew(folder_fd, upper, work, what, error);
        if (r < 0)
                return r;
        r = mount_clone(folder_fd, "", false, &tree_fd, error);
        if (r < 0)
                return r;
        r = mount_set_attributes(tree_fd, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, userns_fd, false, what,
                                 error);
        if (r < 0)
                return r;
        *ret_tree_fd = fd_steal(&tree_fd);
        return 0;
}

int upper_open(const Spec *spec, int userns_fd, int *ret_tree_fd, Error *error) {
        g_autofree char *owner = g_strdup_printf("%u", (unsigned) spec->owner);
        const char *const names[] = { UPPERS_FOLDER, owner, spec->template_name, spec->name };
        g_autofree char *what = g_build_filename(spec->state_folder, UPPERS_FOLDER, owner,
                                                 spec->template_name, spec->name, NULL);
        autofd int fd = -EBADF;
        int r;

        r = fs_make_folders(AT_FDCWD, spec->state_folder, 0700, error);
        if (r < 0)
                return r;
        fd = open(spec->state_folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return error_set_errnof(error, errno, "Cannot open the folder of kept state '%s'",
                                        spec->state_folder);
        for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
                int next_fd = -EBADF;

                r = open_folder(fd, names[i], 0700, &next_fd);
                if (r < 0)
                        return error_set_errnof(error, -r, "Cannot make the folder '%s'", what);
                (void) fd_close(fd);
                fd = next_fd;
        }
        r = check_closed(fd, what, error);
        if (r < 0)
                return r;
        return open_locked(fd, "upper", "work", what, userns_fd, ret_tree_fd, error);
}

int upper_open_at(const char *parent, const char *upper, const char *work, int userns_fd, int *ret_tree_fd,
                  Error *error) {
        autofd int fd = -EBADF;
        int r;

        r = fs_make_folders(AT_FDCWD, parent, 0700, error);
        if (r < 0)
                return r;
        fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return error_set_errnof(error, errno, "Cannot open the folder '%s'", parent);
        r = check_closed(fd, parent, error);
        if (r < 0)
                return r;
        return open_locked(fd, upper, work, parent, userns_fd, ret_tree_fd, error);
}
