/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The last test: nothing of any instance that the tests before made is left on the machine
 *
 * Each fixture has written a line "pid instance root" into the registry of this build. Instances whose test
 * program still runs (another terminal) are left to it. After all, the registry starts anew.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/fixture/test-service.h"

static void test_no_instance_has_left_anything(void **state G_GNUC_UNUSED) {
        const char *path = g_getenv("BULKHEAD_TEST_REGISTRY");
        g_autofree char *text = NULL;
        g_autoptr(GString) running = g_string_new(NULL);
        unsigned n = 0, n_left = 0;

        assert_non_null(path);
        if (!g_file_get_contents(path, &text, NULL, NULL)) {
                print_message("         no instance was made since the last time\n");
                skip();
        }

        g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

        for (char **line = lines; *line && **line; line++) {
                char instance[16], root[1024];
                int pid;
                g_autoptr(GPtrArray) left = NULL;

                assert_int_equal(sscanf(*line, "%d %15s %1023s", &pid, instance, root), 3);
                if (kill(pid, 0) == 0) {
                        g_string_append_printf(running, "%s\n", *line);
                        continue;
                }
                left = test_instance_find_leftovers(root, instance);
                for (guint i = 0; i < left->len; i++)
                        print_error("Instance %s has left %s\n", instance, (char *) left->pdata[i]);
                n_left += left->len;
                n++;
        }
        print_message("         looked for what %u instances may have left\n", n);
        assert_true(g_file_set_contents(path, running->str, -1, NULL));
        assert_int_equal(n_left, 0);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_no_instance_has_left_anything),
        };
        const char *lacks = test_machine_lacks();

        if (lacks) {
                print_message("SKIP leftovers: %s\n", lacks);
                return TEST_EXIT_SKIP;
        }
        return cmocka_run_group_tests_name("leftovers", tests, NULL, NULL);
}
