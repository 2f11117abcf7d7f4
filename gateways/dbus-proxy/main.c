/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bulkhead-dbus-proxy: one bus for one sandbox
 *
 * Started by a shim, with its socket as descriptor BUS_PROXY_FD_SHIM, and nothing else.
 */
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "gateways/dbus-proxy/proxy.h"
#include "plan/bus-proxy-message.h"
#include "util/log.h"

int main(void) {
        g_autoptr(Proxy) proxy = NULL;
        g_auto(Error) error = ERROR_NULL;
        int r;

        log_open("bulkhead-dbus-proxy", FALSE);
        (void) signal(SIGPIPE, SIG_IGN);
        if (fcntl(BUS_PROXY_FD_SHIM, F_SETFD, FD_CLOEXEC) < 0 ||
            fcntl(BUS_PROXY_FD_SHIM, F_SETFL, O_RDWR | O_NONBLOCK) < 0) {
                log_error("Started without a shim");
                return 1;
        }
        (void) close_range(BUS_PROXY_FD_SHIM + 1, ~0u, 0);
        proxy = proxy_new(BUS_PROXY_FD_SHIM);
        r = proxy_run(proxy, &error);
        if (r < 0)
                log_failure(LOG_ERR, &error, "Bus proxy ends");
        return r < 0 ? 1 : 0;
}
