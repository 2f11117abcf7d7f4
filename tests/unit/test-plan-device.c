/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/plan-asserts.h"

enum {
        R = PLAN_DEVICE_READ,
        W = PLAN_DEVICE_WRITE,
        M = PLAN_DEVICE_MKNOD,
        RWM = PLAN_DEVICE_ALL,
        OPT = PLAN_DEVICE_OPTIONAL,
};

static const struct {
        const char *name;
        const char *device;
        const char *message; /* NULL = is one */
} names[] = {
        { "node", "/dev/ttyS0", NULL },
        { "in a folder", "/dev/dri/card0", NULL },
        { "star", "/dev/dri/*", NULL },
        { "everything", "/dev/*", NULL },
        { "set", "/dev/tty[0-9]", NULL },
        { "set of all others", "/dev/tty[!0]?", NULL },
        { "a ']' in its set", "/dev/a[]]", NULL },
        { "most stars", "/dev/****************", NULL },
        { "starts as the sandbox's own", "/dev/ptsx", NULL },
        { "empty", "", "Device: Path '' is not absolute, it has to start with '/'" },
        { "relative", "dev/null", "Device: Path 'dev/null' is not absolute, it has to start with '/'" },
        { "elsewhere", "/etc/passwd", "Device '/etc/passwd' is not below /dev" },
        { "the folder", "/dev", "Device '/dev' is not below /dev" },
        { "a name like it", "/device/a", "Device '/device/a' is not below /dev" },
        { "dots", "/dev/../etc", "Device: Path '/dev/../etc' has a '..' component" },
        { "not normal", "/dev//a", "Device '/dev//a' is not in its normal form, '/dev/a'" },
        { "terminals", "/dev/pts/0", "Device '/dev/pts/0' is one that every sandbox has of its own" },
        { "terminal maker", "/dev/ptmx", "Device '/dev/ptmx' is one that every sandbox has of its own" },
        { "shared memory", "/dev/shm", "Device '/dev/shm' is one that every sandbox has of its own" },
        { "backslash", "/dev/a\\*",
          "Device '/dev/a\\\\*' has a '\\', which no device has and no glob needs" },
        { "open set", "/dev/tty[0-9", "Device '/dev/tty[0-9' has a '[' without its ']'" },
        { "open set of one", "/dev/tty[]", "Device '/dev/tty[]' has a '[' without its ']'" },
        { "set over a slash", "/dev/[a/b]", "Device '/dev/[a/b]' has a '[' without its ']'" },
        { "too many stars", "/dev/*****************",
          "Device '/dev/*****************' has more '*' than are possible" },
        { "not UTF-8", "/dev/\xff", "Device '/dev/\\xff' has characters that do not print" },
};

static void test_names(void **state G_GNUC_UNUSED) {
        for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
                g_autoptr(Plan) plan = plan_new();
                g_auto(Error) error = ERROR_NULL;
                int r = plan_add_device(plan, &maps, names[i].device, 0, PLAN_DEVICE_ALL, &error);

                if (names[i].message) {
                        g_auto(Error) again = ERROR_NULL;

                        assert_refused(names[i].name, r, &error, names[i].message);
                        assert_string_equal(error.file, "maps.json");
                        assert_int_equal(plan_get_size(plan), 0);
                        assert_refused(names[i].name, plan_device_check(names[i].device, &again), &again,
                                       names[i].message);
                } else if (r < 0)
                        fail_msg("%s: %s", names[i].name, error.message);
                else
                        assert_item_comes_back(plan);
        }
        assert_true(plan_device_is_glob("/dev/a*"));
        assert_true(plan_device_is_glob("/dev/a?"));
        assert_true(plan_device_is_glob("/dev/[ab]"));
        assert_false(plan_device_is_glob("/dev/a]-!"));
}

static const struct {
        const char *name;
        unsigned mode;
        int flags;
        unsigned other_mode;
        int other_flags;
        const char *text;
} merges[] = {
        { "each digit the larger one", 0444, RWM, 0266, RWM, "mode 466 | read,write,mknod" },
        { "as numbers, not as bits", 0706, RWM, 0622, RWM, "mode 726 | read,write,mknod" },
        { "short modes", 0444, RWM, 067, RWM, "mode 467 | read,write,mknod" },
        { "short mode first", 020, RWM, 0644, RWM, "mode 644 | read,write,mknod" },
        { "no mode", 0, RWM, 0, RWM, "mode of the host | read,write,mknod" },
        { "a mode and none", 0444, RWM, 0, RWM, "mode 444 or more, if the host's is | read,write,mknod" },
        { "access adds up", 0666, R, 0666, W, "mode 666 | read,write" },
        { "optional, both", 0666, R | OPT, 0666, R | OPT, "mode 666 | read,optional" },
        { "optional, one", 0666, M | OPT, 0666, M, "mode 666 | mknod" },
};

static void test_merges(void **state G_GNUC_UNUSED) {
        for (size_t i = 0; i < G_N_ELEMENTS(merges); i++)
                for (int turned = 0; turned < 2; turned++) {
                        g_autofree char *expected = g_strdup_printf("/dev/a | %s | 2", merges[i].text);
                        g_autoptr(Plan) plan = plan_new(), first = plan_new();

                        assert_int_equal(plan_add_device(plan, turned ? &radio : &maps, "/dev/a",
                                                         turned ? merges[i].other_mode : merges[i].mode,
                                                         turned ? merges[i].other_flags : merges[i].flags,
                                                         NULL),
                                         0);
                        assert_int_equal(plan_merge(first, plan, NULL), 0);
                        assert_int_equal(plan_add_device(plan, turned ? &maps : &radio, "/dev/a",
                                                         turned ? merges[i].mode : merges[i].other_mode,
                                                         turned ? merges[i].flags : merges[i].other_flags,
                                                         NULL),
                                         0);
                        assert_plan_says(merges[i].name, plan, expected);
                        assert_true(plan_item_covers(plan_get_item(plan, 0), plan_get_item(first, 0)));
                        if (!plan_item_is_equal(plan_get_item(plan, 0), plan_get_item(first, 0)) &&
                            !(plan_get_item(first, 0)->device.flags & OPT))
                                assert_false(
                                        plan_item_covers(plan_get_item(first, 0), plan_get_item(plan, 0)));
                }
}

static void test_bad_values(void **state G_GNUC_UNUSED) {
        static const struct {
                unsigned mode;
                int flags;
                const char *message;
        } cases[] = {
                { 01000, RWM, "Mode 01000 of a device, at most 0777 was expected" },
                { 0, 0, "Device '/dev/a' is asked for without any access" },
                { 0666, OPT, "Device '/dev/a' is asked for without any access" },
                { 0, 32, "Flags 0x30 of a device, at most 0x1f were expected" },
                { 0, RWM | PLAN_DEVICE_AS_ON_HOST, "Flags 0x17 of a device, at most 0xf were expected" },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autoptr(Plan) plan = plan_new();
                g_auto(Error) error = ERROR_NULL;
                int r = plan_add_device(plan, &maps, "/dev/a", cases[i].mode, cases[i].flags, &error);

                assert_refused(cases[i].message, r, &error, cases[i].message);
                assert_int_equal(error.code, ERROR_INVALID_ARGS);
                assert_int_equal(plan_get_size(plan), 0);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_names),
                cmocka_unit_test(test_merges),
                cmocka_unit_test(test_bad_values),
        };

        return cmocka_run_group_tests_name("plan-device", tests, NULL, NULL);
}
