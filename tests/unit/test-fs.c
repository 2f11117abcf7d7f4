/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "util/cleanup.h"
#include "util/fs.h"
#include "util/limits.h"

/* A folder with "root", what a sandbox would see, and "outside", what it must never reach. */
typedef struct Tree {
        char name[32];
        int tmp_fd, folder_fd, root_fd, outside_fd;
} Tree;

static void make_file(int dir_fd, const char *path, const char *text) {
        autofd int fd = openat(dir_fd, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

        assert_true(fd >= 0);
        assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static bool exists(int dir_fd, const char *path) {
        struct stat st;

        return fstatat(dir_fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static unsigned count_entries(int dir_fd) {
        g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", dir_fd);
        g_autoptr(GDir) folder = g_dir_open(path, 0, NULL);
        unsigned n = 0;

        assert_non_null(folder);
        while (g_dir_read_name(folder))
                n++;
        return n;
}

static int setup(void **state) {
        Tree *tree = g_new0(Tree, 1);
        char path[64] = "/tmp/test-fs-XXXXXX";

        assert_non_null(mkdtemp(path));
        (void) g_strlcpy(tree->name, path + strlen("/tmp/"), sizeof(tree->name));
        tree->tmp_fd = open("/tmp", O_PATH | O_DIRECTORY | O_CLOEXEC);
        tree->folder_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_int_equal(mkdirat(tree->folder_fd, "root", 0755), 0);
        assert_int_equal(mkdirat(tree->folder_fd, "outside", 0755), 0);
        tree->root_fd = openat(tree->folder_fd, "root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        tree->outside_fd = openat(tree->folder_fd, "outside", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        make_file(tree->outside_fd, "secret", "secret");

        /* what an app or an image could have left there */
        assert_int_equal(mkdirat(tree->root_fd, "etc", 0755), 0);
        make_file(tree->root_fd, "etc/hostname", "inside");
        make_file(tree->root_fd, "file", "full");
        assert_int_equal(symlinkat("/etc", tree->root_fd, "to-etc"), 0);
        assert_int_equal(symlinkat("../outside", tree->root_fd, "to-outside"), 0);
        assert_int_equal(symlinkat("../../../../../../../../etc", tree->root_fd, "far-up"), 0);
        assert_int_equal(symlinkat("/proc/self/root", tree->root_fd, "magic"), 0);
        assert_int_equal(symlinkat("nowhere", tree->root_fd, "dangling"), 0);
        assert_int_equal(symlinkat("loop", tree->root_fd, "loop"), 0);
        assert_int_equal(mkfifoat(tree->root_fd, "fifo", 0644), 0);
        *state = tree;
        return 0;
}

static int teardown(void **state) {
        Tree *tree = *state;
        g_auto(Error) error = ERROR_NULL;
        int r;

        tree->outside_fd = fd_close(tree->outside_fd);
        tree->root_fd = fd_close(tree->root_fd);
        tree->folder_fd = fd_close(tree->folder_fd);
        r = fs_remove_recursive(tree->tmp_fd, tree->name, &error);
        if (r < 0)
                print_message("%s\n", error.message);
        tree->tmp_fd = fd_close(tree->tmp_fd);
        g_free(tree);
        return r;
}

/* ---- fs_open_in ---- */

static const struct {
        const char *name, *path;
        uint64_t resolve;
        int r; /* 0 or -errno */
} opens[] = {
        { "relative", "etc/hostname", 0, 0 },
        { "absolute", "/etc/hostname", 0, 0 },
        { "the root itself", "/", 0, 0 },
        { "an absolute link stays inside", "to-etc/hostname", 0, 0 },
        { "dots are clamped", "../../../etc/hostname", 0, 0 },
        { "a link full of dots is clamped", "far-up/hostname", 0, 0 },
        { "no way outside by dots", "../outside/secret", 0, -ENOENT },
        { "no way outside by a link", "to-outside/secret", 0, -ENOENT },
        { "links refused on demand", "to-etc/hostname", RESOLVE_NO_SYMLINKS, -ELOOP },
        { "a loop", "loop", 0, -ELOOP },
        { "a file as a folder", "file/x", 0, -ENOTDIR },
        { "nothing", "", 0, -ENOENT },
};

static void test_open_in(void **state) {
        const Tree *tree = *state;

        for (size_t i = 0; i < G_N_ELEMENTS(opens); i++) {
                autofd int fd = fs_open_in(tree->root_fd, opens[i].path, O_RDONLY, 0, opens[i].resolve);

                print_message("%s\n", opens[i].name);
                assert_int_equal(MIN(fd, 0), opens[i].r);
                if (fd >= 0)
                        assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
        }
}

/* The links of procfs jump to where no path leads: /proc as the root of a sandbox shows them. */
static void test_open_in_magic(void **state G_GNUC_UNUSED) {
        static const char *const paths[] = { "self/root/etc", "self/fd/0", "self/exe", "self/cwd" };
        autofd int proc_fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);

        for (size_t i = 0; i < G_N_ELEMENTS(paths); i++)
                assert_int_equal(fs_open_in(proc_fd, paths[i], O_RDONLY, 0, 0), -ELOOP);
}

static void test_open_in_creates(void **state) {
        const Tree *tree = *state;
        autofd int fd = fs_open_in(tree->root_fd, "/new", O_WRONLY | O_CREAT | O_EXCL, 0600, 0);
        struct stat st;

        assert_true(fd >= 0);
        assert_int_equal(fstat(fd, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0600);
        assert_true(exists(tree->root_fd, "new"));
        /* a mode without O_CREAT is no error */
        assert_int_equal(MIN(fs_open_in(tree->root_fd, "/none", O_RDONLY, 0600, 0), 0), -ENOENT);
}

/* ---- fs_make_in ---- */

static const struct {
        const char *name, *path;
        bool directory;
        unsigned n_made;
} targets[] = {
        { "a folder", "/a", true, 1 },
        { "a deep folder", "/b/c/d", true, 3 },
        { "a deep file", "/e/f/g", false, 3 },
        { "relative", "h/i", false, 2 },
        { "below a folder that is there", "/etc/new", false, 1 },
        { "a folder that is there", "/etc", true, 0 },
        { "a full file that is there", "/file", false, 0 },
        { "a FIFO that is there", "/fifo", false, 0 },
        { "slashes at the end of a folder", "//j///k///", true, 2 },
        { "dots that stay", "/./l/./m", true, 2 },
        { "the root", "/", true, 0 },
        { "strange names", "/..n/ o\n/...", true, 3 },
};

static void test_make_in(void **state) {
        const Tree *tree = *state;

        for (size_t i = 0; i < G_N_ELEMENTS(targets); i++) {
                FsMade made = { 0 };
                g_auto(Error) error = ERROR_NULL;
                unsigned before = count_entries(tree->root_fd);
                mode_t mask = umask(077); /* must not matter */
                autofd int fd = fs_make_in(tree->root_fd, targets[i].path, targets[i].directory, &made,
                                           &error);
                struct stat st, named;

                (void) umask(mask);
                print_message("%s\n", targets[i].name);
                if (fd < 0)
                        fail_msg("%s", error.message);
                assert_int_equal(fcntl(fd, F_GETFL) & O_PATH, O_PATH);
                assert_int_equal(fstat(fd, &st), 0);
                assert_int_equal(S_ISDIR(st.st_mode), targets[i].directory);
                if (strcmp(targets[i].path, "/") != 0) {
                        assert_int_equal(fstatat(tree->root_fd,
                                                 targets[i].path + strspn(targets[i].path, "/"), &named, 0),
                                         0);
                        assert_int_equal(named.st_ino, st.st_ino);
                }
                assert_int_equal(made.paths ? made.paths->len : 0, targets[i].n_made);
                assert_int_equal(made.leaf_inode, targets[i].n_made > 0 ? st.st_ino : 0);
                if (targets[i].n_made > 0)
                        assert_int_equal(st.st_mode & 07777, targets[i].directory ? 0755 : 0644);

                fs_unmake_in(tree->root_fd, &made);
                fs_made_done(&made);
                assert_int_equal(count_entries(tree->root_fd), before);
        }
        assert_true(exists(tree->root_fd, "etc/hostname"));
        assert_true(exists(tree->root_fd, "file"));
        assert_true(exists(tree->root_fd, "fifo"));
}

static const struct {
        const char *name, *path;
        bool directory;
} bad_targets[] = {
        { "a link as target", "/to-etc", true },
        { "a link as target of a file", "/to-etc", false },
        { "through an absolute link", "/to-etc/x", false },
        { "through a link to the outside", "/to-outside/x", true },
        { "through a link full of dots", "/far-up/x", false },
        { "through a magic link", "/magic/tmp/x", true },
        { "a dangling link", "/dangling", false },
        { "below a dangling link", "/dangling/x", true },
        { "a loop", "/loop", false },
        { "dots", "/../outside/x", false },
        { "dots in the middle", "/etc/../x", true },
        { "dots at the end", "/etc/..", true },
        { "a file where a folder should be", "/file", true },
        { "a file on the way", "/file/x", false },
        { "a FIFO on the way", "/fifo/x", true },
        { "a folder where a file should be", "/etc", false },
        { "a slash behind a file", "/new/", false },
        { "the root as a file", "/", false },
        { "nothing", "", true },
        { "nothing as a file", "", false },
        { "made, then stopped by a link", "/new/../to-etc/x", true },
};

static void test_make_in_refuses(void **state) {
        const Tree *tree = *state;
        unsigned before = count_entries(tree->root_fd);

        for (size_t i = 0; i < G_N_ELEMENTS(bad_targets); i++) {
                FsMade made = { 0 };
                g_auto(Error) error = ERROR_NULL;

                print_message("%s\n", bad_targets[i].name);
                assert_true(fs_make_in(tree->root_fd, bad_targets[i].path, bad_targets[i].directory, &made,
                                       &error) < 0);
                assert_int_equal(error.code, ERROR_NOT_MOUNTABLE);
                assert_non_null(error.message);
                assert_null(made.paths);
                assert_int_equal(count_entries(tree->root_fd), before);
                assert_int_equal(count_entries(tree->outside_fd), 1);
        }
        assert_false(exists(AT_FDCWD, "/etc/x"));
}

/* A later component fails: what was made for the earlier ones goes. */
static void test_make_in_undoes(void **state) {
        const Tree *tree = *state;
        g_autofree char *name = g_strnfill(NAME_MAX + 1, 'n');
        g_autofree char *path = g_strconcat("/p/q/", name, NULL);
        g_autofree char *endless = g_strnfill(PATH_SIZE_MAX, '/');
        g_auto(Error) error = ERROR_NULL, longer = ERROR_NULL;
        FsMade made = { 0 };

        assert_int_equal(fs_make_in(tree->root_fd, path, true, &made, &error), -ENAMETOOLONG);
        assert_int_equal(error.code, ERROR_NOT_MOUNTABLE);
        assert_false(exists(tree->root_fd, "p"));
        assert_true(fs_make_in(tree->root_fd, endless, true, &made, &longer) < 0);
        assert_int_equal(longer.code, ERROR_NOT_MOUNTABLE);
}

static void test_unmake_keeps_what_is_used(void **state) {
        const Tree *tree = *state;
        FsMade full = { 0 }, filled = { 0 }, swapped = { 0 }, link = { 0 }, half = { 0 };
        autofd int full_fd = fs_make_in(tree->root_fd, "/full/x", false, &full, NULL);
        autofd int filled_fd = fs_make_in(tree->root_fd, "/filled", true, &filled, NULL);
        autofd int swapped_fd = fs_make_in(tree->root_fd, "/swapped", false, &swapped, NULL);
        autofd int link_fd = fs_make_in(tree->root_fd, "/link/x", false, &link, NULL);
        autofd int half_fd = fs_make_in(tree->root_fd, "/half/x", false, &half, NULL);

        assert_true(full_fd >= 0 && filled_fd >= 0 && swapped_fd >= 0 && link_fd >= 0 && half_fd >= 0);
        assert_int_equal(fs_write_file_at(tree->root_fd, "full/x", "text"), 0);
        make_file(tree->root_fd, "filled/x", "");
        /* another file of the name, empty too; the old one is open, so its inode is not given again */
        assert_int_equal(unlinkat(tree->root_fd, "swapped", 0), 0);
        make_file(tree->root_fd, "swapped", "");
        /* a link in place of the folder, to one where such a file lies */
        assert_int_equal(unlinkat(tree->root_fd, "link/x", 0), 0);
        assert_int_equal(unlinkat(tree->root_fd, "link", AT_REMOVEDIR), 0);
        assert_int_equal(symlinkat("../outside", tree->root_fd, "link"), 0);
        make_file(tree->outside_fd, "x", "");
        make_file(tree->root_fd, "half/y", "");

        fs_unmake_in(tree->root_fd, &full);
        fs_unmake_in(tree->root_fd, &filled);
        fs_unmake_in(tree->root_fd, &swapped);
        fs_unmake_in(tree->root_fd, &link);
        fs_unmake_in(tree->root_fd, &half);
        assert_true(exists(tree->root_fd, "full/x"));
        assert_true(exists(tree->root_fd, "filled/x"));
        assert_true(exists(tree->root_fd, "swapped"));
        assert_true(exists(tree->root_fd, "link"));
        assert_true(exists(tree->outside_fd, "x"));
        assert_false(exists(tree->root_fd, "half/x"));
        assert_true(exists(tree->root_fd, "half/y"));
        fs_made_done(&full);
        fs_made_done(&filled);
        fs_made_done(&swapped);
        fs_made_done(&link);
        fs_made_done(&half);
        fs_made_done(&half); /* safe twice */
}

#define SWAPS 2000

/* An app swaps a folder on the way for a link to the outside, as fast as it can. */
static void test_make_in_against_swaps(void **state) {
        const Tree *tree = *state;
        unsigned n_made = 0, n_refused = 0;
        pid_t app;

        assert_int_equal(mkdirat(tree->root_fd, "way", 0755), 0);
        assert_int_equal(symlinkat("../outside", tree->root_fd, "trap"), 0);
        app = fork();
        assert_true(app >= 0);
        if (app == 0)
                for (;;)
                        (void) syscall(SYS_renameat2, tree->root_fd, "way", tree->root_fd, "trap",
                                       2 /* exchange */);
        /* until both have happened: on one core the swaps come in bursts */
        for (int i = 0; i < SWAPS || ((n_made == 0 || n_refused == 0) && i < 100 * SWAPS); i++) {
                FsMade made = { 0 };
                autofd int fd = fs_make_in(tree->root_fd, "/way/deep/x", i % 2 == 0, &made, NULL);

                if (fd >= 0)
                        n_made++;
                else
                        n_refused++;
                fs_unmake_in(tree->root_fd, &made);
                fs_made_done(&made);
                assert_int_equal(count_entries(tree->outside_fd), 1);
        }
        assert_int_equal(kill(app, SIGKILL), 0);
        assert_int_equal(waitpid(app, NULL, 0), app);
        print_message("made %u, refused %u\n", n_made, n_refused);
        assert_true(n_made > 0);
        assert_true(n_refused > 0);
}

/* ---- files ---- */

static void test_read_file(void **state) {
        static const struct {
                const char *name, *path;
                size_t max;
                int r;
        } cases[] = {
                { "fits exactly", "file", 4, 0 },         { "one byte too many", "file", 3, -EFBIG },
                { "nothing allowed", "file", 0, -EFBIG }, { "not there", "none", 100, -ENOENT },
                { "a folder", "etc", 100, -EISDIR },      { "a FIFO does not block", "fifo", 100, -EINVAL },
        };
        const Tree *tree = *state;
        g_autofree char *large = g_strnfill(300000, 'x'), *back = NULL, *proc = NULL, *nul = NULL;
        size_t size = 0;

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autofree char *text = NULL;
                g_auto(Error) error = ERROR_NULL;

                print_message("%s\n", cases[i].name);
                assert_int_equal(
                        fs_read_file_at(tree->root_fd, cases[i].path, cases[i].max, &text, &size, &error),
                        cases[i].r);
                if (cases[i].r < 0) {
                        assert_non_null(strstr(error.message, cases[i].path));
                        assert_null(text);
                        continue;
                }
                assert_int_equal(size, 4);
                assert_string_equal(text, "full");
        }
        make_file(tree->root_fd, "large", large);
        assert_int_equal(fs_read_file_at(tree->root_fd, "large", 300000, &back, &size, NULL), 0);
        assert_int_equal(size, 300000);
        assert_string_equal(back, large);
        /* procfs says size 0 */
        assert_int_equal(fs_read_file_at(AT_FDCWD, "/proc/self/status", 65536, &proc, NULL, NULL), 0);
        assert_true(g_str_has_prefix(proc, "Name:"));
        assert_int_equal(fs_read_file_at(AT_FDCWD, "/proc/self/status", 10, &nul, NULL, NULL), -EFBIG);
}

static void test_write_file(void **state) {
        const Tree *tree = *state;
        g_autofree char *text = NULL;

        assert_int_equal(fs_write_file_at(tree->root_fd, "etc/hostname", "INS"), 0);
        assert_int_equal(fs_read_file_at(tree->root_fd, "etc/hostname", 100, &text, NULL, NULL), 0);
        assert_string_equal(text, "INSide");
        assert_int_equal(fs_write_file_at(tree->root_fd, "none", "x"), -ENOENT);
        assert_false(exists(tree->root_fd, "none"));
        assert_int_equal(fs_write_file_at(tree->root_fd, "etc", "x"), -EISDIR);
        assert_int_equal(fs_write_file_at(AT_FDCWD, "/proc/self/oom_score_adj", "nonsense"), -EINVAL);
}

static void test_replace_file(void **state) {
        const Tree *tree = *state;
        autofd int old_fd = openat(tree->root_fd, "file", O_RDONLY | O_CLOEXEC);
        unsigned before = count_entries(tree->root_fd);
        g_autofree char *text = NULL, *through = NULL;
        g_auto(Error) error = ERROR_NULL;
        char old[8] = "";
        struct stat st;

        assert_int_equal(fs_replace_file_at(tree->root_fd, "file", "new text", 0640, NULL), 0);
        assert_int_equal(fs_read_file_at(tree->root_fd, "file", 100, &text, NULL, NULL), 0);
        assert_string_equal(text, "new text");
        assert_int_equal(fstatat(tree->root_fd, "file", &st, 0), 0);
        assert_int_equal(st.st_mode & 07777, 0640);
        assert_int_equal(read(old_fd, old, sizeof(old)), 4);
        assert_string_equal(old, "full");

        /* a link is replaced, not followed */
        assert_int_equal(fs_replace_file_at(tree->root_fd, "dangling", "x", 0600, NULL), 0);
        assert_false(exists(tree->root_fd, "nowhere"));
        assert_int_equal(fs_read_file_at(tree->root_fd, "dangling", 100, &through, NULL, NULL), 0);

        /* a failure leaves nothing beside it */
        assert_true(fs_replace_file_at(tree->root_fd, "etc", "x", 0600, &error) < 0);
        assert_non_null(error.message);
        assert_int_equal(fs_replace_file_at(tree->root_fd, "none/x", "x", 0600, NULL), -ENOENT);
        assert_int_equal(count_entries(tree->root_fd), before);
}

/* ---- folders ---- */

static void test_make_folders(void **state) {
        static const struct {
                const char *name, *path;
                int r;
        } cases[] = {
                { "new", "x/y/z", 0 },
                { "again", "x/y/z", 0 },
                { "one more", "x/y/z/a//b/", 0 },
                { "a file", "file", -ENOTDIR },
                { "below a file", "file/x", -ENOTDIR },
                { "nothing", "", -ENOENT },
                { "a dangling link", "dangling", -ENOENT },
        };
        const Tree *tree = *state;
        g_autofree char *absolute = g_strdup_printf("/tmp/%s/root/abs/olute", tree->name);
        mode_t mask = umask(077); /* must not matter */
        struct stat st;

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_auto(Error) error = ERROR_NULL;

                print_message("%s\n", cases[i].name);
                assert_int_equal(fs_make_folders(tree->root_fd, cases[i].path, 0711, &error), cases[i].r);
                assert_int_equal(error.message != NULL, cases[i].r < 0);
        }
        assert_int_equal(fs_make_folders(AT_FDCWD, absolute, 0711, NULL), 0);
        (void) umask(mask);
        assert_int_equal(fstatat(tree->root_fd, "x/y/z/a/b", &st, 0), 0);
        assert_int_equal(st.st_mode & 07777, 0711);
        assert_int_equal(fstatat(tree->root_fd, "abs/olute", &st, 0), 0);
        assert_int_equal(st.st_mode & 07777, 0711);
        /* those that were there stay as they are */
        assert_int_equal(fs_make_folders(tree->root_fd, "etc", 0700, NULL), 0);
        assert_int_equal(fstatat(tree->root_fd, "etc", &st, 0), 0);
        assert_int_equal(st.st_mode & 07777, 0755);
}

#define DEPTH 3000

static void test_remove(void **state) {
        static const char *const bad_names[] = { "", ".", "..", "a/b", "/" };
        const Tree *tree = *state;
        g_auto(Error) error = ERROR_NULL;
        autofd int at = -EBADF;

        /* a whole tree with links to the outside; the outside stays */
        assert_int_equal(fs_remove_recursive(tree->folder_fd, "root", &error), 0);
        assert_false(exists(tree->folder_fd, "root"));
        assert_true(exists(tree->outside_fd, "secret"));
        assert_int_equal(fs_remove_recursive(tree->folder_fd, "root", NULL), 0);

        /* a link itself */
        assert_int_equal(symlinkat("outside", tree->folder_fd, "link"), 0);
        assert_int_equal(fs_remove_recursive(tree->folder_fd, "link", NULL), 0);
        assert_true(exists(tree->outside_fd, "secret"));

        /* deeper than there are descriptors, and than PATH_MAX */
        assert_int_equal(mkdirat(tree->folder_fd, "deep", 0755), 0);
        at = openat(tree->folder_fd, "deep", O_PATH | O_DIRECTORY | O_CLOEXEC);
        for (int i = 0; i < DEPTH; i++) {
                int next;

                assert_int_equal(mkdirat(at, "deeper", 0755), 0);
                make_file(at, "file", "");
                next = openat(at, "deeper", O_PATH | O_DIRECTORY | O_CLOEXEC);
                assert_true(next >= 0);
                (void) fd_close(at);
                at = next;
        }
        assert_int_equal(fs_remove_recursive(tree->folder_fd, "deep", &error), 0);
        assert_false(exists(tree->folder_fd, "deep"));

        for (size_t i = 0; i < G_N_ELEMENTS(bad_names); i++)
                assert_int_equal(fs_remove_recursive(tree->folder_fd, bad_names[i], NULL), -EINVAL);
        assert_int_equal(fs_remove_recursive(tree->outside_fd, "none", NULL), 0);
}

/* In a child with mounts of its own: a mount in the tree stops the removal, and what is mounted stays. */
static int remove_with_mount(const Tree *tree) {
        g_autofree char *source = g_strdup_printf("/tmp/%s/outside", tree->name);
        g_autofree char *target = g_strdup_printf("/tmp/%s/root/etc", tree->name);
        g_auto(Error) error = ERROR_NULL;
        int r;

        if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
                return 77;
        if (mount(source, target, NULL, MS_BIND, NULL) < 0)
                return 77;
        r = fs_remove_recursive(tree->folder_fd, "root", &error);
        if (r >= 0 || !error.message)
                return 1;
        if (!exists(tree->outside_fd, "secret"))
                return 2;
        /* all the rest is gone */
        return exists(tree->folder_fd, "root/file") ? 3 : 0;
}

/* Read-only file systems are told as such. */
static int make_on_read_only(const Tree *tree) {
        g_autofree char *root = g_strdup_printf("/tmp/%s/root", tree->name);
        g_auto(Error) error = ERROR_NULL;
        autofd int root_fd = -EBADF;
        FsMade made = { 0 };

        if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
                return 77;
        if (mount(root, root, NULL, MS_BIND, NULL) < 0 ||
            mount(NULL, root, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL) < 0)
                return 77;
        root_fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (fs_make_in(root_fd, "/a/b", true, &made, &error) != -EROFS || error.code != ERROR_NOT_MOUNTABLE)
                return 1;
        /* what is there can be used */
        return fs_make_in(root_fd, "/etc", true, &made, NULL) < 0 ? 2 : 0;
}

static void check_in_child(void **state, int (*check)(const Tree *tree)) {
        const Tree *tree = *state;
        int status = 0;
        pid_t child;

        if (geteuid() != 0) {
                print_message("Skipped: mounting needs root\n");
                skip();
        }
        child = fork();
        assert_true(child >= 0);
        if (child == 0)
                _exit(check(tree));
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status));
        if (WEXITSTATUS(status) == 77) {
                print_message("Skipped: no mount namespace to be had here\n");
                skip();
        }
        assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_remove_stops_at_mounts(void **state) {
        check_in_child(state, remove_with_mount);
}

static void test_make_in_read_only(void **state) {
        check_in_child(state, make_on_read_only);
}

/* As root, since only root makes links of root. */
static void test_open_trusted(void **state G_GNUC_UNUSED) {
        char folder[] = "/tmp/bulkhead-fs-trusted-XXXXXX";
        static const struct {
                const char *link, *target;
                uid_t owner;
                int result;
        } cases[] = {
                { "root-relative", "here", 0, 0 },     { "root-up", "here/../here", 0, 0 },
                { "user-link", "here", 4000, -ELOOP }, { "root-to-user", "user-link", 0, -ELOOP },
                { "dangling", "nowhere", 0, -ENOENT }, { "loop", "loop", 0, -ELOOP },
                { "root-absolute", "/usr", 0, 0 },
        };

        if (geteuid() != 0)
                skip();
        assert_non_null(mkdtemp(folder));

        g_autofree char *here = g_build_filename(folder, "here", NULL);

        assert_return_code(mkdir(here, 0755), errno);
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autofree char *path = g_build_filename(folder, cases[i].link, NULL);
                struct stat opened, expected;

                assert_return_code(symlink(cases[i].target, path), errno);
                assert_return_code(lchown(path, cases[i].owner, cases[i].owner), errno);

                autofd int fd = fs_open_trusted(path);

                if (cases[i].result < 0 ? fd != cases[i].result : fd < 0)
                        fail_msg("%s: %d", cases[i].link, fd);
                if (fd < 0)
                        continue;
                assert_return_code(fstat(fd, &opened), errno);
                assert_return_code(stat(path, &expected), errno);
                assert_int_equal(opened.st_ino, expected.st_ino);
        }
        assert_int_equal(fs_open_trusted("/usr/../usr/nothing/here"), -ENOENT);
        assert_int_equal(fs_open_trusted("/dev/null/x"), -ENOTDIR);

        autofd int tmp_fd = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        assert_return_code(fs_remove_recursive(tmp_fd, folder + strlen("/tmp/"), NULL), 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_open_trusted),
                cmocka_unit_test_setup_teardown(test_open_in, setup, teardown),
                cmocka_unit_test(test_open_in_magic),
                cmocka_unit_test_setup_teardown(test_open_in_creates, setup, teardown),
                cmocka_unit_test_setup_teardown(test_make_in, setup, teardown),
                cmocka_unit_test_setup_teardown(test_make_in_refuses, setup, teardown),
                cmocka_unit_test_setup_teardown(test_make_in_undoes, setup, teardown),
                cmocka_unit_test_setup_teardown(test_unmake_keeps_what_is_used, setup, teardown),
                cmocka_unit_test_setup_teardown(test_make_in_against_swaps, setup, teardown),
                cmocka_unit_test_setup_teardown(test_make_in_read_only, setup, teardown),
                cmocka_unit_test_setup_teardown(test_read_file, setup, teardown),
                cmocka_unit_test_setup_teardown(test_write_file, setup, teardown),
                cmocka_unit_test_setup_teardown(test_replace_file, setup, teardown),
                cmocka_unit_test_setup_teardown(test_make_folders, setup, teardown),
                cmocka_unit_test_setup_teardown(test_remove, setup, teardown),
                cmocka_unit_test_setup_teardown(test_remove_stops_at_mounts, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
