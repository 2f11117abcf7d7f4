/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The service, whichever it is: the one that started us, then those that find us
 */
#include "shim/shim-private.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "plan/shim-account.h"
#include "util/cleanup.h"
#include "util/fs.h"
#include "util/log.h"

#define BACKLOG 4 /* services that knock; there is one at a time */

/* ---- being found ---- */

/* Paths of sockets are short (unix(7)), those of folders are not: by descriptor. */
static int bind_socket(int fd, const char *folder, Error *error) {
        autofd int folder_fd = open(folder, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        struct sockaddr_un address = { .sun_family = AF_UNIX };

        if (folder_fd < 0)
                return error_set_errnof(error, errno, "Cannot open '%s'", folder);
        (void) snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/" SHIM_SOCKET_FILE,
                        folder_fd);
        /* Linux gives the file the mode that the socket has. */
        if (fchmod(fd, 0600) < 0 || bind(fd, (struct sockaddr *) &address, sizeof(address)) < 0 ||
            listen(fd, BACKLOG) < 0)
                return error_set_errnof(error, errno, "Cannot listen in '%s'", folder);
        return 0;
}

int shim_listen(Shim *shim, Error *error) {
        shim->listen_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (shim->listen_fd < 0)
                return error_set_errnof(error, errno, "Cannot make a socket");
        return bind_socket(shim->listen_fd, shim->runtime_folder, error);
}

int shim_write_identity(const Shim *shim, Error *error) {
        ShimIdentity identity = { .name = shim->spec->name,
                                  .owner = shim->spec->owner,
                                  .id_base = shim->spec->id_base,
                                  .id_count = shim->spec->id_count };
        g_autofree char *file = g_build_filename(shim->runtime_folder, SHIM_IDENTITY_FILE, NULL);
        g_autofree char *text = shim_identity_format(&identity);

        return fs_replace_file_at(AT_FDCWD, file, text, 0600, error);
}

bool shim_wants_service(const Shim *shim) {
        return shim->service_fd < 0 && kept_get_record(shim->kept);
}

void shim_accept_service(Shim *shim) {
        autofd int fd = accept4(shim->listen_fd, NULL, NULL, SOCK_CLOEXEC);
        struct ucred peer;
        socklen_t size = sizeof(peer);

        if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0) {
                log_debug("Cannot take a connection: %s", g_strerror(errno));
                return;
        }
        if (peer.uid != geteuid()) {
                log_warning("Process %d of user %u wants to be the service", (int) peer.pid,
                            (unsigned) peer.uid);
                return;
        }
        shim->service_fd = fd_steal(&fd);
        shim->is_greeted = false;
}

/* ---- the account ---- */

static ShimPhase get_phase(const Shim *shim) {
        if (shim->state != SHIM_RUNNING)
                return SHIM_PHASE_STOPPING;
        return shim->is_frozen ? SHIM_PHASE_FROZEN : SHIM_PHASE_RUNNING;
}

static void send_runs(Shim *shim, uint32_t serial) {
        g_autoptr(GPtrArray) runs = kept_list(shim->kept);

        for (guint i = 0; i < runs->len; i++) {
                const KeptRun *run = runs->pdata[i];
                WireWriter writer = WIRE_WRITER_NULL;
                int fds[2];
                size_t n = 0;

                if (run->peer_fd >= 0)
                        fds[n++] = run->peer_fd; /* while it runs */
                if (run->terminal_fd >= 0)
                        fds[n++] = run->terminal_fd;
                shim_kept_run_put(&writer, &run->told);
                shim_send_with_fds(shim, SHIM_STATE_RUN, serial, &writer, fds, n);
        }
}

void shim_tell_account(Shim *shim, uint32_t serial) {
        ShimAccount account = { .version = shim->version,
                                .instance = shim->instance,
                                .identity = { .name = shim->spec->name,
                                              .owner = shim->spec->owner,
                                              .id_base = shim->spec->id_base,
                                              .id_count = shim->spec->id_count },
                                .spec = shim->spec,
                                .phase = get_phase(shim),
                                .ends_with = kept_get_ends_with(shim->kept),
                                .record = kept_get_record(shim->kept),
                                .last_serial = shim->last_serial };
        WireWriter plan = WIRE_WRITER_NULL, writer = WIRE_WRITER_NULL;

        if (account.phase != SHIM_PHASE_STOPPING)
                account.leader = container_get_init(shim->container);
        shim->is_greeted = true;
        send_runs(shim, serial);
        plan_put(&plan, applier_get_plan(shim->applier));
        shim_send(shim, SHIM_STATE_PLAN, serial, &plan);
        shim_account_put(&writer, &account);
        shim_send(shim, SHIM_STATE, serial, &writer);
        report_repeat(shim->report);
}

/* ---- without a service ---- */

static void lose_service(Shim *shim) {
        uint64_t timeout_usec = shim->spec ? shim->spec->stop_timeout_usec : 0;

        shim->service_fd = fd_close(shim->service_fd);
        shim->is_greeted = false;
        shim->stop_serial = 0;
        kept_orphan(shim->kept);
        if (kept_get_record(shim->kept)) {
                shim_look_for_end(shim);
                return;
        }
        /* Nobody was told that there is a sandbox, and nobody could find it. */
        if (shim->state == SHIM_HALTING)
                shim->deadline = MIN(shim->deadline, shim_deadline_in(timeout_usec));
        shim_begin_halting(shim, timeout_usec);
}

void shim_look_for_end(Shim *shim) {
        if (shim->service_fd < 0 && shim->state == SHIM_RUNNING && kept_has_reached_end(shim->kept))
                shim_begin_halting(shim, shim->spec->stop_timeout_usec);
}

void shim_hear_service(Shim *shim) {
        WireMessage message = WIRE_MESSAGE_NULL;
        int r = wire_receive(shim->service_fd, &message);

        if (r == -EAGAIN)
                return;
        if (r > 0) {
                shim->last_serial = MAX(shim->last_serial, message.header.serial);
                shim_dispatch_request(shim, &message);
                wire_message_done(&message);
                return;
        }
        if (r < 0)
                log_warning("Cannot hear the service: %s", g_strerror(-r));
        lose_service(shim);
}
