/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Every attack of the probe is refused: under the default template and on a folder that a hostile maker has
 * filled, with grants and without, as the app and as root inside
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/attacks/attack-service.h"

static TestClient *client;

static const char *const grants[] = { "attack.writable", "attack.readable", "attack.setid", NULL };
static const char *const grants_inside[] = { "PROBE_WRITABLE", "/gateways/writable", "PROBE_READABLE",
                                             "/gateways/readable", NULL };
static const char *const not_limits[] = { "!limit.*", NULL };

static int open_client(void **state) {
        client = test_client_new(*state);
        return 0;
}

static int close_client(void **state) {
        g_clear_pointer(&client, test_client_free);
        return test_after_each(state);
}

static void expect_refused(const char *what, const Attempt *attempt) {
        g_auto(Report) report = { NULL };

        attack_try(client, attempt, &report);
        assert_true(g_hash_table_size(report.outcomes) >= 400);
        report_expect_refused(&report, what);
}

static void test_default(void **state G_GNUC_UNUSED) {
        expect_refused("default template, as app", &(Attempt){ 0 });
}

static void test_default_as_root_inside(void **state G_GNUC_UNUSED) {
        expect_refused("default template, as root inside", &(Attempt){ .user = "0", .patterns = not_limits });
}

static void test_default_with_grants(void **state G_GNUC_UNUSED) {
        expect_refused(
                "default template with grants, as app",
                &(Attempt){ .capabilities = grants, .environment = grants_inside, .patterns = not_limits });
}

/* Root inside is not whom a writable folder is for: there it may not even make files. */
static void test_default_with_grants_as_root_inside(void **state G_GNUC_UNUSED) {
        expect_refused("default template with grants, as root inside",
                       &(Attempt){ .user = "0", .capabilities = grants, .patterns = not_limits });
}

static void test_layer(void **state G_GNUC_UNUSED) {
        expect_refused("a hostile layer with grants, as app", &(Attempt){ .template_name = "layer",
                                                                          .capabilities = grants,
                                                                          .environment = grants_inside,
                                                                          .patterns = not_limits });
}

/* Root inside may write to its own root; what it writes is not in the layer. */
static void test_layer_as_root_inside(void **state) {
        g_autofree char *usr = test_service_path(*state, "host/layer/usr");
        const char *name;
        unsigned n = 0;

        expect_refused("a hostile layer, as root inside",
                       &(Attempt){ .template_name = "layer",
                                   .user = "0",
                                   .capabilities = grants,
                                   .patterns = TEST_STRV("!limit.*", "!write.usr*", "!write.lib") });

        g_autoptr(GDir) folder = g_dir_open(usr, 0, NULL);

        while ((name = g_dir_read_name(folder)))
                n += !g_str_equal(name, "bin");
        assert_int_equal(n, 0);
}

static void test_image(void **state G_GNUC_UNUSED) {
        expect_refused("a hostile image with grants, as app", &(Attempt){ .template_name = "image",
                                                                          .capabilities = grants,
                                                                          .environment = grants_inside,
                                                                          .patterns = not_limits });
}

static void test_image_as_root_inside(void **state G_GNUC_UNUSED) {
        expect_refused("a hostile image, as root inside",
                       &(Attempt){ .template_name = "image",
                                   .user = "0",
                                   .capabilities = grants,
                                   .patterns = TEST_STRV("!limit.*", "!write.usr*", "!write.lib") });
}

/* ---- bombs ---- */

static void test_bombs_hurt_nobody_else(void **state G_GNUC_UNUSED) {
        Attempt attempt = { .patterns = TEST_STRV("limit.*") };
        g_autofree char *sandbox = attack_create(client, &attempt);
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        g_auto(TestProgram) bomb = { NULL };
        TestRequest request = { .argv = TEST_STRV("/gateways/probe", "--json", "limit.*") };
        g_auto(Report) report = { NULL };
        g_autofree char *output = NULL;
        const TestExit *end;
        unsigned n = 0;
        int fds[2], r;

        assert_return_code(pipe2(fds, O_CLOEXEC), errno);
        request.stdout_fd = fds[1];
        r = test_client_run(client, sandbox, &request, &bomb, &error);
        (void) close(fds[1]);
        test_expect_ok(r, &error, "Run of the bombs");
        do {
                assert_int_equal(test_client_exec(client, TEST_BUS_PATH "/sandbox/neighbour",
                                                  TEST_STRV("/bin/true"), NULL),
                                 0);
                n++;
        } while (test_client_wait(client, bomb.process, 10 * 1000, &end) == -ETIMEDOUT);
        print_message("the neighbour ran %u programs meanwhile\n", n);
        assert_string_equal(end->reason, "exited");
        output = test_client_read_all(client, fds[0], TEST_USEC_PER_SEC);
        (void) close(fds[0]);
        report_parse(output, &report);
        report_expect_refused(&report, "bombs");
        /* And the sandbox itself goes on. */
        assert_int_equal(test_client_exec(client, sandbox, TEST_STRV("/bin/true"), NULL), 0);
}

/* ---- and afterwards ---- */

static char *programs_before;

static void prepare(TestService *service) {
        attack_prepare(service);
        programs_before = attack_hash_programs(service);
}

/* What CVE-2019-5736 was about: the next start would run what an app has written. */
static void test_our_programs_are_the_same(void **state) {
        g_autofree char *programs = attack_hash_programs(*state);

        assert_string_equal(programs, programs_before);
        g_clear_pointer(&programs_before, g_free);
}

#define attack_test(function) cmocka_unit_test_setup_teardown(function, open_client, close_client)

int main(void) {
        static const struct CMUnitTest tests[] = {
                attack_test(test_default),
                attack_test(test_default_as_root_inside),
                attack_test(test_default_with_grants),
                attack_test(test_default_with_grants_as_root_inside),
                attack_test(test_layer),
                attack_test(test_layer_as_root_inside),
                attack_test(test_image),
                attack_test(test_image_as_root_inside),
                attack_test(test_bombs_hurt_nobody_else),
                cmocka_unit_test(test_our_programs_are_the_same),
                cmocka_unit_test(test_nothing_is_left),
        };

        attack_host_enter();
        return test_main("attacks", prepare, tests, G_N_ELEMENTS(tests));
}
