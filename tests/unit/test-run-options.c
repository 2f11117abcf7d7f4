/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/options.h"
#include "cli/run-options.h"
#include "lib/bulkhead-private.h"
#include "message.h"

static const Verb verb = { .name = "run", .synopsis = "", .summary = "For a test" };

typedef struct Case {
        const char *name;
        const char *line; /* words with blanks between them */
        RunOptionsFor wanted;
        int status;       /* of a wrong use, or 0 */
        const char *sent; /* options as JSON */
        const char *rest; /* the first other argument, or NULL */
} Case;

static const Case cases[] = {
        { "nothing", "run", RUN_OPTIONS_BOTH, 0, "{}", NULL },
        { "a program and its options", "run ls -c x", RUN_OPTIONS_BOTH, 0, "{}", "ls" },
        { "two dashes", "run -- -c", RUN_OPTIONS_BOTH, 0, "{}", "-c" },
        { "all of them",
          "run -c a --capability=b,c -t t -w /x -u 1:2 -e A=1 -i -T -b /s:/d:rw --name n --keep --timings p",
          RUN_OPTIONS_BOTH, 0,
          "{\"environment\":{\"A\":\"1\"},\"capabilities\":[\"a\",\"b,c\"],\"template\":\"t\","
          "\"mounts\":[[\"/s\",\"/d\",1]],"
          "\"working-directory\":\"/x\",\"user\":\"1:2\"}",
          "p" },
        { "a variable twice", "run -e A=1 -e AB=2 -e A=3= p", RUN_OPTIONS_BOTH, 0,
          "{\"environment\":{\"A\":\"3=\",\"AB\":\"2\"}}", "p" },
        { "an empty value", "run -e A= p", RUN_OPTIONS_BOTH, 0, "{\"environment\":{\"A\":\"\"}}", "p" },
        { "the environment of a sandbox", "run -e A=1", RUN_OPTIONS_SANDBOX, 0,
          "{\"environment\":{\"A\":\"1\"}}", NULL },
        { "two binds", "run -b /a:/b --bind /c/../d:/e p", RUN_OPTIONS_BOTH, 0,
          "{\"mounts\":[[\"/a\",\"/b\",0],[\"/d\",\"/e\",0]]}", "p" },
        { "global options behind the verb", "run --json --quiet --bus=session p", RUN_OPTIONS_BOTH, 0, "{}",
          "p" },
        { "no name of a variable", "run -e =1 p", RUN_OPTIONS_BOTH, 2, NULL, NULL },
        { "no value of a variable", "run -e A p", RUN_OPTIONS_BOTH, 2, NULL, NULL },
        { "a relative folder", "run -w x p", RUN_OPTIONS_BOTH, 2, NULL, NULL },
        { "an unknown letter", "run -Z p", RUN_OPTIONS_BOTH, 2, NULL, NULL },
        { "an unknown word", "run --zzz p", RUN_OPTIONS_BOTH, 2, NULL, NULL },
        { "a value too much", "run --keep=1 p", RUN_OPTIONS_BOTH, 2, NULL, NULL },
        { "a value too few", "run -c", RUN_OPTIONS_BOTH, 2, NULL, NULL },
        { "a bind without a target", "run -b /a p", RUN_OPTIONS_BOTH, 2, NULL, NULL },
        { "a bind to a relative target", "run -b /a:b p", RUN_OPTIONS_BOTH, 2, NULL, NULL },
        { "a bind of nothing", "run -b :/b p", RUN_OPTIONS_BOTH, 2, NULL, NULL },
        { "a bind with a misspelt mode", "run -b /a:/b:wr p", RUN_OPTIONS_BOTH, 2, NULL, NULL },
        { "a capability for a process", "run -c a p", RUN_OPTIONS_PROCESS, 2, NULL, NULL },
        { "keep for a process", "run --keep p", RUN_OPTIONS_PROCESS, 2, NULL, NULL },
        { "a bind for a process", "run -b /a:/b p", RUN_OPTIONS_PROCESS, 2, NULL, NULL },
        { "a folder for a sandbox", "run -w /x", RUN_OPTIONS_SANDBOX, 2, NULL, NULL },
        { "a user for a sandbox", "run -u 1", RUN_OPTIONS_SANDBOX, 2, NULL, NULL },
        { "a terminal for a sandbox", "run -T", RUN_OPTIONS_SANDBOX, 2, NULL, NULL },
};

static void check_sent(const Case *test, const RunOptions *options) {
        RequestPart parts = (options->wanted & RUN_OPTIONS_SANDBOX ? REQUEST_SANDBOX : 0) |
                            (options->wanted & RUN_OPTIONS_PROCESS ? REQUEST_PROCESS : 0);
        TestMessage message = {};
        char *text;

        test_message_open(&message);
        assert_true(bulkhead_request_append(options->request, parts, message.m) >= 0);
        text = test_message_to_json(&message);
        if (strcmp(text, test->sent) != 0)
                fail_msg("%s: %s is sent, expected %s", test->name, text, test->sent);
        free(text);
        test_message_close(&message);
}

static void test_cases(void **state G_GNUC_UNUSED) {
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_auto(GStrv) argv = g_strsplit(cases[i].line, " ", -1);
                int argc = (int) g_strv_length(argv), status = 0;
                g_auto(RunOptions) options = {};
                Cli cli = { .address = "system", .verb = &verb };

                run_options_init(&options, cases[i].wanted);
                options_begin();
                if (run_options_read(&options, &cli, argc, argv, &status) != (cases[i].status ? 1 : 0) ||
                    status != cases[i].status)
                        fail_msg("%s: status %d, expected %d", cases[i].name, status, cases[i].status);
                if (cases[i].status)
                        continue;
                if (g_strcmp0(argv[optind], cases[i].rest) != 0)
                        fail_msg("%s: '%s' comes next, expected '%s'", cases[i].name, argv[optind],
                                 cases[i].rest);
                check_sent(&cases[i], &options);
        }
}

static void test_flags(void **state G_GNUC_UNUSED) {
        g_auto(GStrv) argv = g_strsplit(
                "run --json --quiet --bus x --root /r --name n --keep --timings -T -e TERM=a p", " ", -1);
        g_auto(RunOptions) options = {};
        Cli cli = { .address = "system", .verb = &verb };
        int status = 0;

        run_options_init(&options, RUN_OPTIONS_BOTH);
        options_begin();
        assert_int_equal(run_options_read(&options, &cli, (int) g_strv_length(argv), argv, &status), 0);
        assert_true(cli.json && cli.quiet && options.keep && options.timings && options.terminal &&
                    options.has_term);
        assert_string_equal(cli.address, "x");
        assert_string_equal(cli.root, "/r");
        assert_string_equal(bulkhead_request_get_name(options.request), "n");
}

/* exec NAME OPTION... PROGRAM: reading goes on behind the name. */
static void test_twice(void **state G_GNUC_UNUSED) {
        g_auto(GStrv) argv = g_strsplit("exec -u 1 maps -w /x -- ls -l", " ", -1);
        int argc = (int) g_strv_length(argv), status = 0;
        g_auto(RunOptions) options = {};
        Cli cli = { .address = "system", .verb = &verb };

        run_options_init(&options, RUN_OPTIONS_PROCESS);
        options_begin();
        assert_int_equal(run_options_read(&options, &cli, argc, argv, &status), 0);
        assert_string_equal(argv[optind++], "maps");
        assert_int_equal(run_options_read(&options, &cli, argc, argv, &status), 0);
        assert_string_equal(argv[optind], "ls");
        check_sent(&(Case){ .name = "twice", .sent = "{\"working-directory\":\"/x\",\"user\":\"1\"}" },
                   &options);
}

static void test_help(void **state G_GNUC_UNUSED) {
        static const char *const lines[] = { "run --help", "run -h", "run -c a --help p" };

        for (size_t i = 0; i < G_N_ELEMENTS(lines); i++) {
                g_auto(GStrv) argv = g_strsplit(lines[i], " ", -1);
                g_auto(RunOptions) options = {};
                Cli cli = { .address = "system", .verb = &verb };
                int status = -1;

                run_options_init(&options, RUN_OPTIONS_BOTH);
                options_begin();
                assert_int_equal(run_options_read(&options, &cli, (int) g_strv_length(argv), argv, &status),
                                 1);
                assert_int_equal(status, 0);
        }
}

/* options.c through a verb that has none of its own. */
static void test_only_global(void **state G_GNUC_UNUSED) {
        static const struct {
                const char *line;
                int min, max;
                int expected; /* status, or -1 to go on */
        } table[] = {
                { "v", 0, 0, -1 },        { "v --json", 0, 0, -1 },    { "v x", 0, 0, 2 },
                { "v", 1, 1, 2 },         { "v x", 1, 1, -1 },         { "v x y", 1, 1, 2 },
                { "v x y z", 1, -1, -1 }, { "v x --quiet", 1, 1, -1 }, { "v --nope x", 1, 1, 2 },
                { "v -q", 0, 0, 2 },      { "v --bus", 0, 0, 2 },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(table); i++) {
                g_auto(GStrv) argv = g_strsplit(table[i].line, " ", -1);
                Cli cli = { .address = "system", .verb = &verb };
                int status = -1;

                if (options_only_global(&cli, (int) g_strv_length(argv), argv, table[i].min, table[i].max,
                                        &status) != (table[i].expected >= 0) ||
                    status != table[i].expected)
                        fail_msg("'%s': %d, expected %d", table[i].line, status, table[i].expected);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_cases),       cmocka_unit_test(test_flags),
                cmocka_unit_test(test_twice),       cmocka_unit_test(test_help),
                cmocka_unit_test(test_only_global),
        };

        return cmocka_run_group_tests_name("run-options", tests, NULL, NULL);
}
