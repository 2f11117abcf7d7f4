/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "shim/shim-private.h"

#include <errno.h>

#include "util/log.h"

void shim_send_with_fds(Shim *shim, uint16_t type, uint32_t serial, WireWriter *writer, const int *fds,
                          size_t n_fds) {
        if (shim->service_fd >= 0 && shim->is_greeted) {
                int r = wire_send(shim->service_fd, type, serial, writer, fds, n_fds);

                if (r < 0)
                        log_debug("Cannot answer the service: %s", g_strerror(-r));
        }
        wire_writer_done(writer);
}

void shim_send(Shim *shim, uint16_t type, uint32_t serial, WireWriter *writer) {
        shim_send_with_fds(shim, type, serial, writer, NULL, 0);
}

int shim_send_report(void *userdata, uint16_t type, WireWriter *writer) {
        Shim *shim = userdata;
        int r = -ENOTCONN;

        if (shim->service_fd >= 0 && shim->is_greeted)
                r = wire_send(shim->service_fd, type, 0, writer, NULL, 0);
        wire_writer_done(writer);
        return r;
}

void shim_answer(Shim *shim, uint32_t serial, const Error *error) {
        WireWriter writer = WIRE_WRITER_NULL;

        shim_error_put(&writer, error);
        shim_send(shim, SHIM_DONE, serial, &writer);
}

/* Answers with success for @r >= 0. */
void shim_answer_result(Shim *shim, uint32_t serial, int r, const Error *error) {
        shim_answer(shim, serial, r < 0 ? error : NULL);
}

/* A program's terminal goes along with the news that it runs, and nowhere if it does not. */
void shim_answer_run(Shim *shim, uint32_t serial, uint32_t run, const Error *error, pid_t pid) {
        const KeptRun *kept = error ? NULL : kept_find(shim->kept, run);
        bool has_terminal = kept && kept->terminal_fd >= 0;
        WireWriter writer = WIRE_WRITER_NULL;

        shim_ran_put(&writer, run, error, pid);
        shim_send_with_fds(shim, SHIM_RAN, serial, &writer, has_terminal ? &kept->terminal_fd : NULL,
                           has_terminal ? 1 : 0);
}
