/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/shim/images.h"

#include "tests/shim/help.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>

#include "tests/shim/driver.h"
#include "tests/shim/system.h"

extern char **environ;

bool images_run(const char *const *argv) {
        posix_spawn_file_actions_t actions;
        int status, r;
        pid_t pid;

        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
        r = posix_spawnp(&pid, argv[0], &actions, NULL, (char **) (uintptr_t) argv, environ);
        posix_spawn_file_actions_destroy(&actions);
        if (r == ENOENT)
                return false;
        assert_int_equal(r, 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        if (status != 0)
                fail_msg("%s has failed: %d", argv[0], status);
        return true;
}

bool images_make(const char *type, const char *folder, const char *image) {
        const char *const squashfs[] = { "mksquashfs",   folder,   image, "-noappend",
                                         "-no-progress", "-quiet", NULL };
        const char *const erofs[] = { "mkfs.erofs", "--quiet", image, folder, NULL };
        bool is_squashfs = strcmp(type, "squashfs") == 0;

        (void) unlink(image);
        if (images_run(is_squashfs ? squashfs : erofs))
                return true;
        print_message("  %s: skipped, %s is not installed\n", type,
                      is_squashfs ? "squashfs-tools" : "erofs-utils");
        return false;
}

static bool has_loop(const char *word) {
        g_autoptr(GDir) blocks = g_dir_open("/sys/block", 0, NULL);
        const char *name;

        while (blocks && (name = g_dir_read_name(blocks))) {
                g_autofree char *path = g_build_filename("/sys/block", name, "loop/backing_file", NULL);
                g_autofree char *text = NULL;

                if (g_file_get_contents(path, &text, NULL, NULL) && strstr(text, word))
                        return true;
        }
        return false;
}

void images_assert_no_loops(const char *word) {
        uint64_t end = system_now_usec() + DRIVER_PATIENCE_USEC;

        while (has_loop(word)) {
                if (system_now_usec() > end)
                        fail_msg("a loop device still shows '%s'", word);
                system_sleep_msec(5);
        }
}
