/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <inttypes.h>
#include <string.h>

#include "plan/spec-mount.h"

static const char *const kinds[] = {
        [SPEC_MOUNT_BIND] = "bind",
        [SPEC_MOUNT_TMPFS] = "tmpfs",
        [SPEC_MOUNT_OVERLAY] = "overlay",
        [SPEC_MOUNT_IMAGE] = "image",
};

static char *format(const SpecMount *mount) {
        g_autofree char *lower = mount->lower ? g_strjoinv(":", mount->lower) : g_strdup("-");

        return g_strdup_printf("%s %s %s %" PRIx64 "%s%s|%s|%04o %u:%u|%s %s %s", kinds[mount->kind],
                               mount->source, mount->target, mount->attributes,
                               mount->is_recursive ? " recursive" : "", mount->is_optional ? " optional" : "",
                               mount->data->str, mount->mode, mount->uid, mount->gid, lower,
                               mount->upper ?: "-", mount->work ?: "-");
}

/* 6 = nosuid,nodev; 1 ro; 8 noexec; 10 noatime; 20 strictatime; 80 nodiratime; 200000 nosymfollow */
static void test_good(void **state G_GNUC_UNUSED) {
        static const struct {
                const char *line, *expected;
        } rows[] = {
                { "none /tmp tmpfs", "tmpfs none /tmp 6||1777 0:0|- - -" },
                { "tmpfs\t/tmp/  tmpfs defaults 0 0", "tmpfs tmpfs /tmp 6||1777 0:0|- - -" },
                { "none /a tmpfs size=10M,nr_inodes=1k,nr_blocks=5,mode=0700,uid=1000,gid=5",
                  "tmpfs none /a 6|size=10M,nr_inodes=1k,nr_blocks=5|0700 1000:5|- - -" },
                { "none /a tmpfs ro,noexec,noatime,nodiratime,nosymfollow",
                  "tmpfs none /a 20009f||1777 0:0|- - -" },
                { "none /a tmpfs ro,rw,noexec,exec,noatime,strictatime", "tmpfs none /a 26||1777 0:0|- - -" },
                { "none /a tmpfs noatime,relatime,nodiratime,diratime", "tmpfs none /a 6||1777 0:0|- - -" },
                { "none /a tmpfs nosuid,nodev,sync,lazytime,x-anything=1,,private",
                  "tmpfs none /a 6||1777 0:0|- - -" },
                { "/srv/maps /maps none bind,ro", "bind /srv/maps /maps 7||1777 0:0|- - -" },
                { "/srv//maps/ /maps auto rbind,nofail,create=dir",
                  "bind /srv/maps /maps 6 recursive optional||1777 0:0|- - -" },
                { "/srv/a\\040b /c\\011d none bind", NULL },
                { "/srv/a\\040b /c\\134d none bind", "bind /srv/a b /c\\d 6||1777 0:0|- - -" },
                { "/srv/x.squashfs /x squashfs ro", "image /srv/x.squashfs /x 7||1777 0:0|- - -" },
                { "/srv/x /x erofs", "image /srv/x /x 6||1777 0:0|- - -" },
                { "overlay /x overlay lowerdir=/a:/b/", "overlay overlay /x 6||1777 0:0|/a:/b - -" },
                { "overlay /x overlay workdir=/c/w,upperdir=/c/u,lowerdir=/a,ro",
                  "overlay overlay /x 7||1777 0:0|/a /c/u /c/w" },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
                g_auto(SpecMount) mount = SPEC_MOUNT_NULL;
                g_auto(Error) error = ERROR_NULL;
                g_autofree char *found = NULL;
                int r = spec_mount_parse(rows[i].line, &mount, &error);

                if ((r == 0) != (rows[i].expected != NULL))
                        fail_msg("%s: %d %s", rows[i].line, r, error.message);
                if (r < 0)
                        continue;
                found = format(&mount);
                if (strcmp(found, rows[i].expected) != 0)
                        fail_msg("%s: found '%s', expected '%s'", rows[i].line, found, rows[i].expected);
        }
}

static void test_refused(void **state G_GNUC_UNUSED) {
        static const struct {
                const char *line, *words;
        } rows[] = {
                { "", "0 words" },
                { "none /a", "2 words" },
                { "none /a tmpfs ro 0 0 0", "7 words" },
                { "none a tmpfs", "not absolute" },
                { "none /a/../b tmpfs", "'..'" },
                { "none / tmpfs", "Nothing can be mounted on '/'" },
                { "none /proc tmpfs", "the sandbox's own" },
                { "none /proc/sys tmpfs", "the sandbox's own" },
                { "none /sys/fs/cgroup tmpfs", "the sandbox's own" },
                { "none /dev tmpfs", "the sandbox's own" },
                { "none /dev/pts tmpfs", "the sandbox's own" },
                { "proc /p proc", "File system 'proc' is not one of: tmpfs, overlay" },
                { "/dev/sda1 /d ext4", "File system 'ext4' is not one of" },
                { "none /d cgroup2", "File system 'cgroup2' is not one of" },
                { "none /d nfs bind,ro", "Path 'none' is not absolute" },
                { "srv /d none bind", "not absolute" },
                { "/srv /d none bind,size=1M", "Option 'size=1M' is not one of mount(8)" },
                { "/srv /d none bind,suid", "Option 'suid' is refused: set-id bits" },
                { "/srv /d none dev,bind", "Option 'dev' is refused: devices" },
                { "/srv /d none bind,shared", "Option 'shared' is refused: mounts of a sandbox" },
                { "/srv /d none bind,rslave", "Option 'rslave' is refused" },
                { "none /d tmpfs remount", "Option 'remount' is refused" },
                { "none /d tmpfs user", "Option 'user' is refused" },
                { "none /d tmpfs noauto", "Option 'noauto' is refused" },
                { "none /d tmpfs size=10X", "Option 'size=10X' is not one of mount(8), nor of tmpfs" },
                { "none /d tmpfs size=", "nor of tmpfs" },
                { "none /d tmpfs size=50%", "nor of tmpfs" },
                { "none /d tmpfs mode=4755", "Option 'mode=4755' has no number up to" },
                { "none /d tmpfs mode=9", "Option 'mode=9' has no number" },
                { "none /d tmpfs uid=65535", "Option 'uid=65535' has no number up to 65533" },
                { "none /d tmpfs gid=-1", "Option 'gid=-1' has no number" },
                { "none /d tmpfs huge=always", "nor of tmpfs" },
                { "none /d tmpfs mpol=bind:0", "nor of tmpfs" },
                { "o /d overlay", "Overlay without lowerdir=" },
                { "o /d overlay lowerdir=", "lowerdir=" },
                { "o /d overlay lowerdir=a", "not absolute" },
                { "o /d overlay lowerdir=/a,lowerdir=/b", "lowerdir= stands twice" },
                { "o /d overlay lowerdir=/a,upperdir=/u", "only one of upperdir= and workdir=" },
                { "o /d overlay lowerdir=/a,upperdir=/u/u,workdir=/w/w", "not two folders in the same one" },
                { "o /d overlay lowerdir=/a,upperdir=/u/u,workdir=/u/u", "not two folders in the same one" },
                { "o /d overlay lowerdir=/a,userxattr", "nor of overlay" },
                { "o /d overlay lowerdir=/a,index=on", "nor of overlay" },
                { "o /d overlay lowerdir=/a\\054b", "nor of overlay" },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
                g_auto(SpecMount) mount = SPEC_MOUNT_NULL;
                g_auto(Error) error = ERROR_NULL;

                if (spec_mount_parse(rows[i].line, &mount, &error) >= 0)
                        fail_msg("'%s' is taken", rows[i].line);
                if (!strstr(error.message, rows[i].words))
                        fail_msg("'%s': '%s' has no '%s'", rows[i].line, error.message, rows[i].words);
                assert_int_equal(error.code, ERROR_INVALID_ARGS);
                assert_null(mount.target);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_good),
                cmocka_unit_test(test_refused),
        };

        return cmocka_run_group_tests_name("spec-mount", tests, NULL, NULL);
}
