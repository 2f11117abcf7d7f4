/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "shim/image.h"

#include <endian.h>
#include <fcntl.h>
#include <glib.h>
#include <linux/loop.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "shim/mount.h"
#include "util/cleanup.h"

#define LOOP_MAJOR 7 /* linux/major.h */
/* Others take free devices too: how often another one is tried. */
#define LOOP_TRIES 64

#define EROFS_MAGIC_OFFSET 1024

/* Kernels parse images with little care for who has made them: who could write this one could break in. */
static int check_owner(int file_fd, const char *what, Error *error) {
        struct stat st;

        if (fstat(file_fd, &st) < 0)
                return error_set_errnof(error, errno, "Cannot look at image '%s'", what);
        if (!S_ISREG(st.st_mode))
                return error_setf(error, ERROR_NOT_MOUNTABLE, "Image '%s' is no regular file", what);
        if (st.st_uid != 0 || (st.st_mode & 022) != 0)
                return error_setf(
                        error, ERROR_NOT_MOUNTABLE,
                        "Image '%s' can be written by others than root: it belongs to user %u with mode %04o",
                        what, st.st_uid, st.st_mode & 07777);
        return 0;
}

/* NULL if it is neither. */
static const char *find_type(int file_fd) {
        uint32_t magic;

        if (pread(file_fd, &magic, sizeof(magic), 0) == sizeof(magic) && le32toh(magic) == SQUASHFS_MAGIC)
                return "squashfs";
        if (pread(file_fd, &magic, sizeof(magic), EROFS_MAGIC_OFFSET) == sizeof(magic) &&
            le32toh(magic) == EROFS_SUPER_MAGIC_V1)
                return "erofs";
        return NULL;
}

/* A loop device that shows the file. -EBUSY: somebody was faster, try again. */
static int attach_loop(int control_fd, int file_fd, int *ret_loop_fd) {
        struct loop_config config = {
                .fd = (uint32_t) file_fd,
                .info.lo_flags = LO_FLAGS_READ_ONLY | LO_FLAGS_AUTOCLEAR,
        };
        int number = ioctl(control_fd, LOOP_CTL_GET_FREE);
        g_autofree char *path = g_strdup_printf("/dev/loop%d", number);
        autofd int loop_fd = -EBADF;
        struct stat st;

        if (number < 0)
                return -errno;
        loop_fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (loop_fd < 0)
                return -errno;
        if (fstat(loop_fd, &st) < 0)
                return -errno;
        if (!S_ISBLK(st.st_mode) || major(st.st_rdev) != LOOP_MAJOR)
                return -ENOTBLK;
        if (ioctl(loop_fd, LOOP_CONFIGURE, &config) < 0)
                return -errno;
        *ret_loop_fd = fd_steal(&loop_fd);
        return 0;
}

static int open_loop(int file_fd, const char *what, int *ret_loop_fd, Error *error) {
        autofd int control_fd = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
        int r = -EBUSY;

        if (control_fd < 0)
                return error_set_code_errnof(error, ERROR_UNSUPPORTED, errno,
                                             "Cannot mount image '%s': this kernel gives no loop devices",
                                             what);
        for (unsigned i = 0; r == -EBUSY && i < LOOP_TRIES; i++)
                r = attach_loop(control_fd, file_fd, ret_loop_fd);
        if (r < 0)
                return error_set_code_errnof(error, ERROR_NOT_MOUNTABLE, -r,
                                             "Cannot mount image '%s': no loop device for it", what);
        return 0;
}

int image_mount(int file_fd, const char *what, int *ret_tree_fd, Error *error) {
        autofd int loop_fd = -EBADF;
        g_autofree char *options = NULL;
        const char *type;
        int r;

        r = check_owner(file_fd, what, error);
        if (r < 0)
                return r;
        type = find_type(file_fd);
        if (!type)
                return error_setf(error, ERROR_NOT_MOUNTABLE,
                                  "'%s' is no folder, and no squashfs or erofs image", what);
        r = open_loop(file_fd, what, &loop_fd, error);
        if (r < 0)
                return r;
        /* Looked up by the kernel as our link to the open device. */
        options = g_strdup_printf("source=/proc/self/fd/%d,ro", loop_fd);
        r = mount_create(type, options, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, what,
                         ret_tree_fd, error);
        return r < 0 ? error_prefixf(error, r, "Image may be damaged") : 0;
}
