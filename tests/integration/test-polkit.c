/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What no policy section decides is asked of polkit: of a peer that speaks its interface and answers as the name of
 * what is asked for says, and of the real one where the machine has it. Whatever is no yes is a refusal.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
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
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/fixture/test-client.h"
#include "util/cleanup.h"

#define POLKIT_NAME      "org.freedesktop.PolicyKit1"
#define POLKIT_PATH      "/org/freedesktop/PolicyKit1/Authority"
#define POLKIT_INTERFACE "org.freedesktop.PolicyKit1.Authority"
#define POLKITD          "/usr/lib/polkit-1/polkitd"
#define ACTION           "org.bulkhead.Bulkhead1."

static TestClient *root, *member;
static pid_t authority;
static int asked_fd = -EBADF; /* a line for each question */

static void add_capability(TestService *service, const char *name, const char *risk) {
        g_autofree char *file = g_strdup_printf("etc/bulkhead/manifests.d/%s.json", name);
        g_autofree char *text = g_strdup_printf("{ \"version\": \"1\", \"capabilities\": [ { \"name\": \"%s\", "
                                                "\"risk\": \"%s\", \"gateways\": [ { \"id\": \"env\", "
                                                "\"config\": [ { \"name\": \"A\", \"value\": \"1\" } ] } ] } ] }\n",
                                                name, risk);

        g_free(test_service_write(service, file, text));
}

static const char *const high[] = { "yes",      "yes.too", "no",    "challenge", "error",
                                    "nonsense", "never",   "leave", "denied" };

static void prepare(TestService *service) {
        for (size_t i = 0; i < G_N_ELEMENTS(high); i++)
                add_capability(service, high[i], "high");
        add_capability(service, "low", "low");
        test_service_add_template(service, "template-yes", "[Process]\nStopTimeoutSec=1\n");
        test_service_add_template(service, "template-no", "[Process]\nStopTimeoutSec=1\n");
        g_free(test_service_write(service, "etc/bulkhead/bulkhead.conf.d/policy.conf",
                                  "[Policy denies]\nUsers=nobody\nCapabilities=!denied\n"));
        /* As Debian has it for polkitd; our own peer is a user who may nothing else on this bus. */
        g_free(test_service_write(service, "bus/more.conf",
                                  "<busconfig><policy user=\"daemon\"><allow own=\"" POLKIT_NAME "\"/></policy>"
                                  "<policy user=\"polkitd\"><allow own=\"" POLKIT_NAME "\"/></policy>"
                                  "<policy context=\"default\"><allow send_destination=\"" POLKIT_NAME "\"/>"
                                  "</policy></busconfig>\n"));
}

/* ---- the authority ---- */

static int on_check(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        const char *kind, *key, *subject, *action, *about, *what, *cancellation;
        sd_bus_creds *creds = NULL;
        uid_t uid = (uid_t) -1;
        uint32_t flags;

        if (sd_bus_message_read(message, "(sa{sv})sa{ss}us", &kind, 1, &key, "s", &subject, &action, 1, &about,
                                &what, &flags, &cancellation) < 0)
                return -EBADMSG;
        if (sd_bus_get_name_creds(sd_bus_message_get_bus(message), subject, SD_BUS_CREDS_EUID, &creds) >= 0)
                (void) sd_bus_creds_get_euid(creds, &uid);
        sd_bus_creds_unref(creds);
        (void) dprintf(*(int *) userdata, "%s %s %s %s=%s %s=%u\n", kind, action, key, about, what,
                       flags ? "interactive" : "alone", (unsigned) uid);
        if (strstr(what, "yes") || strcmp(what, "0:0") == 0)
                return sd_bus_reply_method_return(message, "(bba{ss})", 1, 0, 0);
        if (strcmp(what, "challenge") == 0)
                return sd_bus_reply_method_return(message, "(bba{ss})", 0, 1, 0);
        if (strcmp(what, "error") == 0)
                return sd_bus_error_set(error, POLKIT_NAME ".Error.Failed", "It did not work");
        if (strcmp(what, "nonsense") == 0)
                return sd_bus_reply_method_return(message, "s", "yes");
        if (strcmp(what, "never") == 0)
                return 1;
        if (strcmp(what, "leave") == 0)
                _exit(0);
        return sd_bus_reply_method_return(message, "(bba{ss})", 0, 0, 0);
}

static int on_cancel(sd_bus_message *message, void *userdata, sd_bus_error *error G_GNUC_UNUSED) {
        (void) dprintf(*(int *) userdata, "cancelled\n");
        return sd_bus_reply_method_return(message, NULL);
}

static const sd_bus_vtable authority_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD("CheckAuthorization", "(sa{sv})sa{ss}us", "(bba{ss})", on_check, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("CancelCheckAuthorization", "s", NULL, on_cancel, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};

_Noreturn static void authority_run(const char *address, int fd) {
        sd_bus *bus = NULL;
        bool is_ok;

        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
        is_ok = setgroups(0, NULL) == 0 && setresgid(1, 1, 1) == 0 && setresuid(1, 1, 1) == 0 &&
                sd_bus_new(&bus) >= 0 && sd_bus_set_address(bus, address) >= 0 && sd_bus_set_bus_client(bus, 1) >= 0 &&
                sd_bus_start(bus) >= 0 &&
                sd_bus_add_object_vtable(bus, NULL, POLKIT_PATH, POLKIT_INTERFACE, authority_vtable, &fd) >= 0 &&
                sd_bus_request_name(bus, POLKIT_NAME, 0) >= 0;
        while (is_ok && sd_bus_process(bus, NULL) >= 0)
                (void) sd_bus_wait(bus, UINT64_MAX);
        _exit(is_ok ? 0 : 1);
}

static bool has_authority(void) {
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        g_autoptr(sd_bus_message) reply = NULL;
        int has = 0;

        return sd_bus_call_method(test_client_get_bus(root), "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                  "org.freedesktop.DBus", "NameHasOwner", &error, &reply, "s", POLKIT_NAME) >= 0 &&
               sd_bus_message_read(reply, "b", &has) >= 0 && has;
}

static bool wait_for_authority(void) {
        for (int i = 0; i < 500 && !has_authority(); i++)
                (void) g_usleep(10 * 1000);
        return has_authority();
}

static int start_authority(void **state) {
        int fds[2];

        root = test_client_new(*state);
        member = test_client_new_as(*state, TEST_MEMBER_UID, TEST_MEMBER_GID);
        assert_return_code(pipe2(fds, O_CLOEXEC), errno);
        authority = fork();
        if (authority == 0)
                authority_run(test_service_get_address(*state), fds[1]);
        (void) close(fds[1]);
        asked_fd = fds[0];
        assert_return_code(fcntl(asked_fd, F_SETFL, O_NONBLOCK), errno);
        return wait_for_authority() ? 0 : -1;
}

static int stop_authority(void **state) {
        if (authority > 0) {
                (void) kill(authority, SIGKILL);
                (void) waitpid(authority, NULL, 0);
        }
        authority = 0;
        asked_fd = fd_close(asked_fd);
        for (int i = 0; i < 500 && has_authority(); i++)
                (void) g_usleep(10 * 1000);
        g_clear_pointer(&root, test_client_free);
        g_clear_pointer(&member, test_client_free);
        return test_after_each(state);
}

/* All questions so far. */
static char *asked(void) {
        char text[16384];
        ssize_t n = read(asked_fd, text, sizeof(text));

        return g_strndup(text, n > 0 ? (gsize) n : 0);
}

static void expect_asked(const char *what, const char *expected) {
        g_autofree char *got = asked();

        if (strcmp(got, expected) != 0)
                fail_msg("%s: polkit was asked '%s' instead of '%s'", what, got, expected);
}

/* Waits for the next one. */
static char *wait_asked(void) {
        struct pollfd ready = { .fd = asked_fd, .events = POLLIN };

        assert_int_equal(poll(&ready, 1, 10000), 1);
        return asked();
}

/* ---- who is told what ---- */

#define ABOUT_CAPABILITY(name) \
        "system-bus-name " ACTION "use-capability name capability=" name " alone=65534\n"

static void test_launches(void **state G_GNUC_UNUSED) {
        const struct {
                const char *what;
                TestRequest request;
                const char *error, *asked;
        } cases[] = {
                { "nothing special", { 0 }, NULL, "" },
                { "low risk", { .capabilities = TEST_STRV("low") }, NULL, "" },
                { "yes", { .capabilities = TEST_STRV("yes") }, NULL, ABOUT_CAPABILITY("yes") },
                { "yes twice",
                  { .capabilities = TEST_STRV("yes", "yes.too") },
                  NULL,
                  ABOUT_CAPABILITY("yes") ABOUT_CAPABILITY("yes.too") },
                { "yes and no",
                  { .capabilities = TEST_STRV("yes", "no") },
                  "CapabilityNotAllowed",
                  ABOUT_CAPABILITY("yes") ABOUT_CAPABILITY("no") },
                { "no", { .capabilities = TEST_STRV("no") }, "CapabilityNotAllowed", ABOUT_CAPABILITY("no") },
                { "only after a challenge",
                  { .capabilities = TEST_STRV("challenge") },
                  "CapabilityNotAllowed",
                  ABOUT_CAPABILITY("challenge") },
                { "an error",
                  { .capabilities = TEST_STRV("error") },
                  "CapabilityNotAllowed",
                  ABOUT_CAPABILITY("error") },
                { "nonsense",
                  { .capabilities = TEST_STRV("nonsense") },
                  "CapabilityNotAllowed",
                  ABOUT_CAPABILITY("nonsense") },
                { "denied by a section", { .capabilities = TEST_STRV("denied") }, "CapabilityNotAllowed", "" },
                { "yes, and denied by a section",
                  { .capabilities = TEST_STRV("yes", "denied") },
                  "CapabilityNotAllowed",
                  ABOUT_CAPABILITY("yes") },
                { "unknown", { .capabilities = TEST_STRV("unknown") }, "UnknownCapability", "" },
                { "template, yes",
                  { .template_name = "template-yes" },
                  NULL,
                  "system-bus-name " ACTION "use-template name template=template-yes alone=65534\n" },
                { "template, no",
                  { .template_name = "template-no" },
                  TEST_ACCESS_DENIED,
                  "system-bus-name " ACTION "use-template name template=template-no alone=65534\n" },
                { "root inside, yes",
                  { .user = "root" },
                  NULL,
                  "system-bus-name " ACTION "run-as-user name inside-user=0:0 alone=65534\n" },
                { "user 5 inside, no",
                  { .user = "5" },
                  TEST_ACCESS_DENIED,
                  "system-bus-name " ACTION "run-as-user name inside-user=5:5 alone=65534\n" },
                { "all of it",
                  { .template_name = "template-yes", .capabilities = TEST_STRV("yes"), .user = "root" },
                  NULL,
                  "system-bus-name " ACTION "use-template name template=template-yes alone=65534\n" ABOUT_CAPABILITY(
                          "yes") "system-bus-name " ACTION "run-as-user name inside-user=0:0 alone=65534\n" },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
                TestRequest request = cases[i].request;
                int r;

                request.argv = TEST_STRV("/bin/true");
                r = test_client_launch(member, &request, NULL, &error);
                if (cases[i].error)
                        test_expect_error(r, &error, cases[i].error, NULL);
                else
                        test_expect_ok(r, &error, cases[i].what);
                expect_asked(cases[i].what, cases[i].asked);
                test_client_wait_empty(member);
        }
}

static void test_root_is_not_asked_about(void **state G_GNUC_UNUSED) {
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        TestRequest request = { .argv = TEST_STRV("/bin/true"), .capabilities = TEST_STRV("no"), .user = "root" };

        test_expect_ok(test_client_launch(root, &request, NULL, &error), &error, "Launch");
        expect_asked("root", "");
        test_client_wait_empty(root);
}

/* A yes is for one call, on the live sandbox too, and is not remembered. */
static void test_grants(void **state G_GNUC_UNUSED) {
        sd_bus_error errors[6] = { SD_BUS_ERROR_NULL };
        g_autofree char *sandbox = NULL;
        g_auto(GStrv) capabilities = NULL;

        test_expect_ok(test_client_create(member, &(TestRequest){ .name = "live" }, &sandbox, &errors[0]),
                       &errors[0], "CreateSandbox");
        test_expect_error(test_client_change(member, sandbox, "Grant", TEST_STRV("no"), &errors[1]), &errors[1],
                          "CapabilityNotAllowed", "'no'");
        test_expect_ok(test_client_change(member, sandbox, "Grant", TEST_STRV("yes"), &errors[2]), &errors[2],
                       "Grant");
        test_expect_error(test_client_change(member, sandbox, "SetCapabilities", TEST_STRV("yes.too", "no"),
                                             &errors[3]),
                          &errors[3], "CapabilityNotAllowed", "'no'");
        capabilities = test_client_get_strings(member, sandbox, TEST_SANDBOX, "Capabilities");
        assert_int_equal(g_strv_length(capabilities), 1);
        assert_string_equal(capabilities[0], "yes");
        test_expect_ok(test_client_change(member, sandbox, "Revoke", TEST_STRV("yes"), &errors[4]), &errors[4],
                       "Revoke");
        expect_asked("grants", ABOUT_CAPABILITY("no") ABOUT_CAPABILITY("yes") ABOUT_CAPABILITY("yes.too")
                                       ABOUT_CAPABILITY("no"));
        test_expect_ok(test_client_change(member, sandbox, "Grant", TEST_STRV("yes"), &errors[5]), &errors[5],
                       "Grant");
        expect_asked("once more", ABOUT_CAPABILITY("yes"));
        for (size_t i = 0; i < G_N_ELEMENTS(errors); i++)
                sd_bus_error_free(&errors[i]);
}

/* A dialogue may be opened only for a caller that has said so. */
static void test_interactive(void **state G_GNUC_UNUSED) {
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        TestRequest request = { .argv = TEST_STRV("/bin/true"), .capabilities = TEST_STRV("no") };
        g_autoptr(sd_bus_message) call = test_client_new_launch(member, &request);

        assert_return_code(sd_bus_message_set_allow_interactive_authorization(call, 1), errno);
        test_expect_error(test_client_call(member, call, NULL, &error), &error, "CapabilityNotAllowed", NULL);
        expect_asked("interactive", "system-bus-name " ACTION
                                    "use-capability name capability=no interactive=65534\n");
}

/* ---- authorities that do not answer, callers that do not wait ---- */

static unsigned n_denied;

static int count_denied(sd_bus_message *reply, void *userdata G_GNUC_UNUSED, sd_bus_error *error G_GNUC_UNUSED) {
        const sd_bus_error *failure = sd_bus_message_get_error(reply);

        if (failure && strstr(failure->name, "CapabilityNotAllowed"))
                n_denied++;
        return 0;
}

static void send_launch(TestClient *client, const char *capability) {
        const char *const capabilities[] = { capability, NULL };
        TestRequest request = { .argv = TEST_STRV("/bin/true"), .capabilities = capabilities };
        g_autoptr(sd_bus_message) call = test_client_new_launch(client, &request);

        assert_true(sd_bus_call_async(test_client_get_bus(client), NULL, call, count_denied, NULL, UINT64_MAX) >= 0);
        (void) sd_bus_flush(test_client_get_bus(client));
}

/* Meanwhile everybody else is served, the caller too; each call that waits is refused in the end. A connection has
 * so many of them at once; more are refused as if there was no polkit. */
static void test_never_answered(void **state G_GNUC_UNUSED) {
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        TestRequest request = { .argv = TEST_STRV("/bin/true") };
        g_auto(GStrv) list = NULL;

        n_denied = 0;
        for (int i = 0; i < 20; i++)
                send_launch(member, "never");
        test_expect_ok(test_client_launch(member, &request, NULL, &error), &error, "Launch");
        assert_int_equal(n_denied, 4);
        for (int i = 0; n_denied < 20 && i < 100; i++)
                test_client_idle(member, 100 * 1000);
        assert_int_equal(n_denied, 20);
        test_client_wait_empty(member);
        list = test_client_list(root);
        assert_null(list[0]);
}

static void test_authority_leaves(void **state G_GNUC_UNUSED) {
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        TestRequest request = { .argv = TEST_STRV("/bin/true"), .capabilities = TEST_STRV("leave") };

        test_expect_error(test_client_launch(member, &request, NULL, &error), &error, "CapabilityNotAllowed", NULL);
        request.capabilities = TEST_STRV("yes");
        sd_bus_error_free(&error);
        /* and there is none any more */
        test_expect_error(test_client_launch(member, &request, NULL, &error), &error, "CapabilityNotAllowed", NULL);
}

/* Who leaves while polkit thinks gets nothing; a dialogue is closed. */
static void test_caller_leaves(void **state) {
        TestClient *leaver = test_client_new_as(*state, TEST_MEMBER_UID, TEST_MEMBER_GID);
        g_autofree char *question = NULL, *cancelled = NULL;
        g_auto(GStrv) list = NULL;

        send_launch(leaver, "never");
        question = wait_asked();
        assert_string_equal(question, ABOUT_CAPABILITY("never"));
        test_client_free(leaver);
        cancelled = wait_asked();
        assert_string_equal(cancelled, "cancelled\n");
        list = test_client_list(root);
        assert_null(list[0]);
}

/* At every point of a call that polkit allows: before the question, before and after the answer, while the sandbox is
 * made. Nothing is left of any. */
static void test_caller_leaves_at_any_point(void **state) {
        for (gulong usec = 0; usec < 20000; usec += 500) {
                TestClient *leaver = test_client_new_as(*state, TEST_MEMBER_UID, TEST_MEMBER_GID);

                send_launch(leaver, usec % 1000 ? "yes" : "no");
                (void) g_usleep(usec);
                test_client_free(leaver);
        }
        test_client_wait_empty(root);
        /* What was asked for those who have left. */
        for (bool more = true; more;) {
                g_autofree char *questions = NULL;

                test_client_idle(root, 200 * 1000);
                questions = asked();
                more = *questions;
        }
        test_launches(state);
}

/* ---- the real one ---- */

static const char rule[] =
        "polkit.addRule(function(action, subject) {\n"
        "    if (action.id == 'org.bulkhead.Bulkhead1.use-capability' && subject.user == 'nobody' &&\n"
        "        action.lookup('capability') == 'yes')\n"
        "        return polkit.Result.YES;\n"
        "});\n";

/* Its folders are fixed, so it sees ours in their place, alone. */
_Noreturn static void polkitd_run(TestService *service) {
        static const char actions[] = "/usr/share/polkit-1/actions", rules[] = "/etc/polkit-1/rules.d";
        g_autofree char *source = g_build_filename(g_getenv("BULKHEAD_TEST_SOURCE"),
                                                   "templates/org.bulkhead.Bulkhead1.policy", NULL);
        g_autofree char *policy = NULL;

        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (!g_file_get_contents(source, &policy, NULL, NULL) || unshare(CLONE_NEWNS) < 0 ||
            mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
            mount("policy", actions, "tmpfs", 0, "mode=755") < 0 ||
            mount("rules", rules, "tmpfs", 0, "mode=755") < 0 ||
            !g_file_set_contents("/usr/share/polkit-1/actions/org.bulkhead.Bulkhead1.policy", policy, -1, NULL) ||
            !g_file_set_contents("/etc/polkit-1/rules.d/10-test.rules", rule, -1, NULL))
                _exit(1);
        (void) chmod("/usr/share/polkit-1/actions/org.bulkhead.Bulkhead1.policy", 0644);
        (void) chmod("/etc/polkit-1/rules.d/10-test.rules", 0644);
        (void) setenv("DBUS_SYSTEM_BUS_ADDRESS", test_service_get_address(service), 1);
        (void) execl(POLKITD, POLKITD, "--no-debug", NULL);
        _exit(1);
}

static int start_polkitd(void **state) {
        root = test_client_new(*state);
        member = test_client_new_as(*state, TEST_MEMBER_UID, TEST_MEMBER_GID);
        if (access(POLKITD, X_OK) < 0)
                return 0;
        authority = fork();
        if (authority == 0)
                polkitd_run(*state);
        (void) wait_for_authority();
        return 0;
}

static void test_real_polkitd(void **state G_GNUC_UNUSED) {
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL, refused = SD_BUS_ERROR_NULL, other = SD_BUS_ERROR_NULL;
        TestRequest request = { .argv = TEST_STRV("/bin/true"), .capabilities = TEST_STRV("yes") };

        if (!has_authority()) {
                print_message("Skipped: polkitd does not run on this machine\n");
                skip();
        }
        test_expect_ok(test_client_launch(member, &request, NULL, &error), &error, "Launch");
        request.capabilities = TEST_STRV("no");
        test_expect_error(test_client_launch(member, &request, NULL, &refused), &refused, "CapabilityNotAllowed",
                          NULL);
        request.capabilities = NULL;
        request.template_name = "template-yes";
        test_expect_error(test_client_launch(member, &request, NULL, &other), &other, TEST_ACCESS_DENIED, NULL);
        test_client_wait_empty(member);
}

#define peer_case(function) cmocka_unit_test_setup_teardown(function, start_authority, stop_authority)

int main(void) {
        static const struct CMUnitTest tests[] = {
                peer_case(test_launches),
                peer_case(test_root_is_not_asked_about),
                peer_case(test_grants),
                peer_case(test_interactive),
                peer_case(test_never_answered),
                peer_case(test_authority_leaves),
                peer_case(test_caller_leaves),
                peer_case(test_caller_leaves_at_any_point),
                cmocka_unit_test_setup_teardown(test_real_polkitd, start_polkitd, stop_authority),
                cmocka_unit_test(test_nothing_is_left),
        };

        return test_main("polkit", prepare, tests, G_N_ELEMENTS(tests));
}
