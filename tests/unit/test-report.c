/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "service/report.h"
#include "util/cleanup.h"

static int socket_fd = -EBADF;

/* An abstract socket in the place of systemd's. */
static int listen_here(void **state G_GNUC_UNUSED) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        g_autofree char *name = g_strdup_printf("@bulkhead-test-report-%d", (int) getpid());

        socket_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        (void) snprintf(address.sun_path, sizeof(address.sun_path), "%s", name);
        address.sun_path[0] = '\0';
        if (bind(socket_fd, (struct sockaddr *) &address,
                 (socklen_t) (offsetof(struct sockaddr_un, sun_path) + strlen(name))) < 0)
                return -1;
        return setenv("NOTIFY_SOCKET", name, 1);
}

static int close_here(void **state G_GNUC_UNUSED) {
        socket_fd = fd_close(socket_fd);
        return unsetenv("NOTIFY_SOCKET");
}

/* "" if nothing was told. Caller frees. */
static char *told(void) {
        char text[1024];
        ssize_t n = recv(socket_fd, text, sizeof(text) - 1, 0);

        return g_strndup(text, n > 0 ? (gsize) n : 0);
}

static char *describe(const void *userdata) {
        return g_strdup_printf("%d sandboxes", *(const int *) userdata);
}

static void test_unit(void **state G_GNUC_UNUSED) {
        sd_event *event = NULL;
        int n = 3;

        assert_true(sd_event_new(&event) >= 0);

        g_autoptr(Report) report = report_new(event, describe, &n);

        report_ready(report);
        g_autofree char *ready = told();

        assert_string_equal(ready, "READY=1\nSTATUS=3 sandboxes");

        report_reloading(report);
        g_autofree char *reloading = told();

        assert_true(g_str_has_prefix(reloading, "RELOADING=1\nMONOTONIC_USEC="));

        /* Many changes at once are one line, later. */
        for (n = 0; n < 100; n++)
                report_changed(report);
        g_autofree char *nothing = told();

        assert_string_equal(nothing, "");
        assert_true(sd_event_run(event, UINT64_MAX) > 0);
        g_autofree char *changed = told();

        assert_string_equal(changed, "STATUS=100 sandboxes");
        assert_int_equal(sd_event_run(event, 0), 0);
        g_clear_pointer(&report, report_free);
        sd_event_unref(event);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_unit, listen_here, close_here),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
