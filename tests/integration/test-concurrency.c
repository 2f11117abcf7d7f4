/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One hangs, others do not: slow starts, callers that leave, many at once
 *
 * The sandbox that hangs in its start has its root on a FUSE file system whose server never answers, as a dead
 * network file system would. It is mounted in a mount namespace of the test program's own, so that nothing of it
 * stays on the machine however this ends.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/fixture/test-client.h"
#include "util/cleanup.h"

#define HANG_TIMEOUT_USEC (2 * TEST_USEC_PER_SEC) /* StartTimeoutSec= of template "hang" */
#define SLACK_USEC        (3 * TEST_USEC_PER_SEC)
#define LIST_CALLS        20
#define LIST_LIMIT_USEC   50000 /* issue 1, "Must hold" */
#define LIST_ROUNDS       3     /* what blocks, blocks each time; what a busy machine does, passes */
#define LAUNCHES          10
#define LEAVERS           10

static TestClient *client;
static int fuse_fd = -EBADF;

static void prepare(TestService *service) {
        g_autofree char *folder = test_service_path(service, "hang"), *options = NULL;
        g_autofree char *text = g_strdup_printf("[Rootfs]\nLayers=%s/layer\n[Process]\nStartTimeoutSec=2\n", folder);

        test_service_add_template(service, "hang", text);
        assert_return_code(g_mkdir_with_parents(folder, 0755), errno);
        fuse_fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
        assert_return_code(fuse_fd, errno);
        options = g_strdup_printf("fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other", fuse_fd);
        assert_return_code(mount("test", folder, "fuse", MS_NOSUID | MS_NODEV, options), errno);
}

/* The connection to the kernel ends with its descriptor: whatever still waits gets ENOTCONN. */
static void end_fuse(const TestService *service) {
        g_autofree char *folder = test_service_path(service, "hang");

        fd_closep(&fuse_fd);
        (void) umount2(folder, MNT_DETACH);
}

static int open_client(void **state) {
        client = test_client_new(*state);
        return 0;
}

static int close_client(void **state) {
        g_clear_pointer(&client, test_client_free);
        return test_after_each(state);
}

/* Sends a CreateSandbox that will hang, and does not wait for it. */
typedef struct Pending {
        bool is_done;
        uint64_t done_usec;
        char *error_name; /* owned; NULL = it worked */
        char *message;    /* owned */
} Pending;

static void pending_done(Pending *pending) {
        g_clear_pointer(&pending->error_name, g_free);
        g_clear_pointer(&pending->message, g_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Pending, pending_done)

static int on_answer(sd_bus_message *message, void *userdata, sd_bus_error *error G_GNUC_UNUSED) {
        Pending *pending = userdata;
        const sd_bus_error *answer = sd_bus_message_get_error(message);

        pending->is_done = true;
        pending->done_usec = test_now_usec();
        pending->error_name = answer ? g_strdup(answer->name) : NULL;
        pending->message = answer ? g_strdup(answer->message) : NULL;
        return 1;
}

static void send_pending(TestClient *caller, sd_bus_message *call, Pending *pending) {
        assert_true(sd_bus_call_async(test_client_get_bus(caller), NULL, call, on_answer, pending,
                                      60 * TEST_USEC_PER_SEC) >= 0);
        assert_true(sd_bus_flush(test_client_get_bus(caller)) >= 0);
}

static void send_hanging_create(TestClient *caller, const char *name, Pending *pending) {
        g_autoptr(sd_bus_message) call = NULL;

        assert_true(sd_bus_message_new_method_call(test_client_get_bus(caller), &call, TEST_BUS_NAME, TEST_BUS_PATH,
                                                   TEST_MANAGER, "CreateSandbox") >= 0);
        assert_true(sd_bus_message_append(call, "sa{sv}", name, 1, "template", "s", "hang") >= 0);
        send_pending(caller, call, pending);
}

static void wait_pending(TestClient *caller, const Pending *pending, uint64_t timeout_usec) {
        uint64_t end = test_now_usec() + timeout_usec;

        while (!pending->is_done) {
                if (test_now_usec() > end)
                        fail_msg("No answer within %.1f s", (double) timeout_usec / 1e6);
                test_client_idle(caller, 5 * 1000);
        }
}

/* The longest of several ListSandboxes, each of which must show @name. */
static uint64_t measure_lists(const char *name) {
        uint64_t worst = 0, sum = 0;

        for (unsigned i = 0; i < LIST_CALLS; i++) {
                uint64_t start = test_now_usec(), took;
                g_auto(GStrv) list = test_client_list(client);

                took = test_now_usec() - start;
                worst = MAX(worst, took);
                sum += took;
                assert_true(g_strv_contains((const char *const *) list, name));
                test_client_idle(client, 20 * 1000);
        }
        print_message("         ListSandboxes: mean %.2f ms, worst %.2f ms of %d\n", (double) sum / LIST_CALLS / 1e3,
                      (double) worst / 1e3, LIST_CALLS);
        return worst;
}

static void test_list_is_answered_while_one_hangs_in_start(void **state) {
        uint64_t best = UINT64_MAX;

        for (unsigned round = 0; round < LIST_ROUNDS && best > LIST_LIMIT_USEC; round++) {
                g_autoptr(TestClient) other = test_client_new(*state);
                g_auto(Pending) pending = { false };
                uint64_t start = test_now_usec(), took;

                send_hanging_create(other, "hangs", &pending);
                test_client_idle(client, 30 * 1000); /* the call is with the service: it is in the list */
                best = MIN(best, measure_lists("hangs"));
                wait_pending(other, &pending, HANG_TIMEOUT_USEC + SLACK_USEC);
                took = pending.done_usec - start;
                print_message("         CreateSandbox failed after %.2f s: %s\n", (double) took / 1e6, pending.message);
                assert_non_null(pending.error_name);
                assert_string_equal(pending.error_name, "org.bulkhead.Bulkhead1.Error.Timeout");
                assert_true(took > HANG_TIMEOUT_USEC / 2);
                test_client_wait_empty(client);
        }
        assert_in_range(best, 0, LIST_LIMIT_USEC);
}

static void test_others_launch_while_one_hangs(void **state) {
        g_autoptr(TestClient) other = test_client_new(*state);
        g_auto(Pending) pending = { false };
        TestRequest request = { .keep = true };

        send_hanging_create(other, "hangs", &pending);
        test_client_idle(client, 30 * 1000);
        assert_int_equal(test_client_launch_shell(client, &request, "exit 3", NULL), 3);
        assert_false(pending.is_done);
        wait_pending(other, &pending, HANG_TIMEOUT_USEC + SLACK_USEC);
        assert_string_equal(pending.error_name, "org.bulkhead.Bulkhead1.Error.Timeout");
}

static void test_a_hanging_start_can_be_stopped(void **state) {
        g_autoptr(TestClient) other = test_client_new(*state);
        g_auto(Pending) pending = { false };
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        uint64_t start = test_now_usec();

        send_hanging_create(other, "hangs", &pending);
        test_client_idle(client, 30 * 1000);
        test_expect_ok(test_client_stop(client, TEST_BUS_PATH "/sandbox/hangs", 0, &error), &error, "Stop");
        assert_true(test_now_usec() - start < HANG_TIMEOUT_USEC);
        wait_pending(other, &pending, TEST_USEC_PER_SEC);
        assert_non_null(pending.error_name);
        test_client_wait_empty(client);
}

static void test_caller_leaves_while_its_sandbox_hangs(void **state) {
        TestClient *leaver = test_client_new(*state);
        g_auto(Pending) pending = { false };
        uint64_t start = test_now_usec();

        send_hanging_create(leaver, "hangs", &pending);
        test_client_idle(client, 30 * 1000);
        g_clear_pointer(&leaver, test_client_free);
        test_client_wait_empty(client);
        assert_true(test_now_usec() - start < HANG_TIMEOUT_USEC + SLACK_USEC);
}

/* Launch is undone entirely when the caller leaves before the reply (contract, Manager). */
static void test_caller_leaves_in_the_middle_of_launch(void **state) {
        for (unsigned i = 0; i < LEAVERS; i++) {
                TestClient *leaver = test_client_new(*state);
                TestRequest request = { .argv = TEST_STRV("/bin/sleep", "1000"), .keep = i % 2 };
                g_autoptr(sd_bus_message) call = test_client_new_launch(leaver, &request);

                test_client_send(leaver, call);
                test_client_free(leaver);
                test_client_wait_empty(client);
        }
        assert_int_equal(test_client_launch_shell(client, NULL, "exit 3", NULL), 3);
}

/* Asks for the list in between, and gives each caller its turn, until all have their answers; the worst list. */
static uint64_t wait_all(TestClient **callers, const Pending *pending, unsigned n) {
        uint64_t end = test_now_usec() + 20 * TEST_USEC_PER_SEC, worst = 0;
        unsigned n_done;

        do {
                uint64_t start = test_now_usec();

                g_strfreev(test_client_list(client));
                worst = MAX(worst, test_now_usec() - start);
                n_done = 0;
                for (unsigned i = 0; i < n; i++) {
                        while (sd_bus_process(test_client_get_bus(callers[i]), NULL) > 0)
                                ;
                        n_done += pending[i].is_done;
                }
                if (test_now_usec() > end)
                        fail_msg("Only %u of %u launches were answered", n_done, n);
                test_client_idle(client, 2000);
        } while (n_done < n);
        return worst;
}

static void test_many_launches_at_once(void **state) {
        TestClient *callers[LAUNCHES];
        Pending pending[LAUNCHES] = { 0 };
        TestRequest request = { .argv = TEST_STRV("/bin/sleep", "1000") };
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        g_auto(TestProgram) first = { NULL };
        uint64_t start, alone, last = 0, worst;

        test_client_idle(client, 200 * 1000); /* so that the pool has filled up */
        start = test_now_usec();
        test_expect_ok(test_client_launch(client, &request, &first, &error), &error, "Launch");
        alone = test_now_usec() - start;
        test_client_idle(client, 200 * 1000);
        for (unsigned i = 0; i < LAUNCHES; i++)
                callers[i] = test_client_new(*state);
        start = test_now_usec();
        for (unsigned i = 0; i < LAUNCHES; i++) {
                g_autoptr(sd_bus_message) call = test_client_new_launch(callers[i], &request);

                send_pending(callers[i], call, &pending[i]);
        }
        worst = wait_all(callers, pending, LAUNCHES);

        g_auto(GStrv) list = test_client_list(client);

        for (unsigned i = 0; i < LAUNCHES; i++) {
                if (pending[i].error_name)
                        fail_msg("Launch %u failed: %s: %s", i, pending[i].error_name, pending[i].message);
                last = MAX(last, pending[i].done_usec - start);
                pending_done(&pending[i]);
                test_client_free(callers[i]);
        }
        assert_int_equal(g_strv_length(list), LAUNCHES + 1);
        print_message("         one launch %.1f ms, the last answer of %d at once %.1f ms, worst ListSandboxes %.1f ms\n",
                      (double) alone / 1e3, LAUNCHES, (double) last / 1e3, (double) worst / 1e3);
}

static void test_many_programs_in_one_sandbox(void **state G_GNUC_UNUSED) {
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        g_autofree char *sandbox = NULL;
        TestProgram programs[LAUNCHES] = { 0 };

        test_expect_ok(test_client_create(client, &(TestRequest){ 0 }, &sandbox, &error), &error, "CreateSandbox");
        for (unsigned i = 0; i < LAUNCHES; i++) {
                g_autofree char *script = g_strdup_printf("sleep 0.1; exit %u", i);
                TestRequest request = { .argv = TEST_STRV("/bin/sh", "-c", script) };

                test_expect_ok(test_client_run(client, sandbox, &request, &programs[i], &error), &error, "Run");
        }
        for (unsigned i = 0; i < LAUNCHES; i++) {
                const TestExit *exit;

                assert_int_equal(test_client_wait(client, programs[i].process, 10 * TEST_USEC_PER_SEC, &exit), 0);
                assert_string_equal(exit->reason, "exited");
                assert_int_equal(exit->status, i);
                test_program_done(&programs[i]);
        }
}

static void test_nothing_is_left_but_our_own_mount(void **state) {
        end_fuse(*state);
        test_nothing_is_left(state);
}

#define concurrency_test(function) cmocka_unit_test_setup_teardown(function, open_client, close_client)

int main(void) {
        static const struct CMUnitTest tests[] = {
                concurrency_test(test_list_is_answered_while_one_hangs_in_start),
                concurrency_test(test_others_launch_while_one_hangs),
                concurrency_test(test_a_hanging_start_can_be_stopped),
                concurrency_test(test_caller_leaves_while_its_sandbox_hangs),
                concurrency_test(test_caller_leaves_in_the_middle_of_launch),
                concurrency_test(test_many_launches_at_once),
                concurrency_test(test_many_programs_in_one_sandbox),
                cmocka_unit_test(test_nothing_is_left_but_our_own_mount),
        };

        if (geteuid() == 0) {
                if (access("/dev/fuse", R_OK | W_OK) < 0) {
                        print_message("SKIP concurrency: /dev/fuse cannot be opened: %s\n", g_strerror(errno));
                        return TEST_EXIT_SKIP;
                }
                if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
                        print_message("SKIP concurrency: no mount namespace of our own: %s\n", g_strerror(errno));
                        return TEST_EXIT_SKIP;
                }
        }
        return test_main("concurrency", prepare, tests, G_N_ELEMENTS(tests));
}
