/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "shim/terminal.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/fsuid.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <termios.h>

#include "util/cleanup.h"
#include "util/fs.h"

/* Opens the multiplexer of the sandbox's devpts, and nothing else that may be at its path by now: first only
 * found, then looked at, then opened by its number in our own /proc/self/fd. */
static int open_multiplexer(Error *error) {
        autofd int root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
        autofd int path_fd = root_fd < 0 ? -errno : fs_open_in(root_fd, "/dev/pts/ptmx", O_PATH | O_NOFOLLOW, 0, 0);
        char number[16];
        struct statfs sfs;
        struct stat st;
        int fd;

        if (path_fd < 0)
                return error_set_errnof(error, -path_fd, "Cannot find the sandbox's terminals");
        if (fstatfs(path_fd, &sfs) < 0 || fstat(path_fd, &st) < 0)
                return error_set_errnof(error, errno, "Cannot look at the sandbox's terminals");
        if (sfs.f_type != DEVPTS_SUPER_MAGIC || !S_ISCHR(st.st_mode) || st.st_rdev != makedev(5, 2))
                return error_setf(error, ERROR_SYSTEM, "What is at /dev/pts/ptmx of the sandbox makes no terminals");
        snprintf(number, sizeof(number), "%d", path_fd);
        fd = open(number, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0)
                return error_set_code_errnof(error, errno == ENOSPC ? ERROR_LIMIT_REACHED : ERROR_SYSTEM, errno,
                                             "Cannot make a terminal");
        return fd;
}

int terminal_open(Container *container, uint32_t owner, uint16_t rows, uint16_t columns, int *ret_fd,
                  int *ret_peer_fd, Error *error) {
        struct winsize size = { .ws_row = rows, .ws_col = columns };
        autofd int fd = -EBADF, peer_fd = -EBADF;
        int unlock = 0, r;

        r = container_enter_mounts(container, error);
        if (r < 0)
                return r;
        /* devpts gives the program's end to whoever opens the multiplexer. */
        (void) setfsuid(owner);
        fd = open_multiplexer(error);
        (void) setfsuid(0);
        container_leave_mounts(container);
        if (fd < 0)
                return fd;
        if (ioctl(fd, TIOCSPTLCK, &unlock) < 0 || ioctl(fd, TIOCSWINSZ, &size) < 0)
                return error_set_errnof(error, errno, "Cannot set up the terminal");
        peer_fd = ioctl(fd, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
        if (peer_fd < 0)
                return error_set_errnof(error, errno, "Cannot open the program's end of the terminal");
        *ret_fd = fd_steal(&fd);
        *ret_peer_fd = fd_steal(&peer_fd);
        return 0;
}
