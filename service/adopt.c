/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "service/adopt.h"

#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "service/manager-private.h"
#include "service/sandbox-private.h"
#include "service/shim-remains.h"
#include "util/cleanup.h"
#include "util/fs.h"
#include "util/limits.h"
#include "util/log.h"

#define LOOK_USEC         (50 * 1000ULL) /* a shim that cannot be spoken to yet, or something that is dying */
#define LOOK_SLOW_USEC    (1000 * 1000ULL) /* after it was given up */
#define IDENTITY_SIZE_MAX 512              /* a name of 64, three numbers */

/* One folder. */
typedef struct Found {
        Adopt *adopt; /* not owned; it frees us */
        uint32_t number;
        char *name;             /* owned; of the folder */
        int folder_fd;          /* owned; O_PATH */
        int lock_fd;            /* owned; held while we clean up, so that nobody comes in between */
        ShimIdentity identity;  /* owned; no name = it was never started */
        uint32_t id_base;       /* of the range that we have reserved, until its client has it; 0 = none */
        ShimClient *client;     /* owned, until a sandbox has it; NULL = not connected */
        Sandbox *strange;       /* not owned; what stands for it after it was given up */
        sd_event_source *timer; /* owned; the next look */
        uint64_t began_usec;
        bool is_settled; /* adopted, dead or given up */
} Found;

struct Adopt {
        Manager *manager;       /* not owned */
        ShimHost *host;         /* not owned */
        GPtrArray *found;       /* owned Found */
        sd_event_source *start; /* owned */
        guint n_open;           /* not settled */
        guint n_adopted;
        uint64_t began_usec;
        void (*done)(void *userdata); /* NULL once called */
        void *userdata;
};

static void found_free(void *data) {
        Found *found = data;

        ShimClient *client = g_steal_pointer(&found->client);

        sd_event_source_disable_unref(found->timer);
        shim_client_leave(client);
        if (found->id_base > 0)
                id_pool_give_back(found->adopt->host->ids, found->id_base);
        (void) fd_close(found->lock_fd);
        (void) fd_close(found->folder_fd);
        shim_identity_done(&found->identity);
        g_free(found->name);
        g_free(found);
}

static void adopt_finish(Adopt *adopt) {
        void (*done)(void *userdata) = g_steal_pointer(&adopt->done);

        if (adopt->n_adopted > 0)
                log_info("Knows %u sandboxes of an earlier service again, after %.1f ms", adopt->n_adopted,
                         (double) ((uint64_t) g_get_monotonic_time() - adopt->began_usec) / 1000);
        done(adopt->userdata);
}

static void found_settle(Found *found) {
        Adopt *adopt = found->adopt;

        if (found->is_settled)
                return;
        found->is_settled = true;
        adopt->n_open--;
        if (adopt->n_open == 0 && adopt->done && !adopt->start)
                adopt_finish(adopt);
}

/* There is nothing more to do with it. */
static void found_forget(Found *found) {
        found_settle(found);
        (void) g_ptr_array_remove_fast(found->adopt->found, found);
}

static void found_look_again(Found *found, uint64_t usec) {
        (void) sd_event_source_set_time_relative(found->timer, usec);
        (void) sd_event_source_set_enabled(found->timer, SD_EVENT_ONESHOT);
}

/* ---- giving up ---- */

static void found_give_up(Found *found, const char *reason) {
        if (found->identity.name)
                log_warning("Sandbox '%s' of user %u is left to its shim %s: %s", found->identity.name,
                            (unsigned) found->identity.owner, found->name, reason);
        else
                log_warning("Shim %s is left alone: %s", found->name, reason);
        if (found->client && found->identity.name &&
            !manager_find_sandbox(found->adopt->manager, found->identity.owner, found->identity.name)) {
                found->strange = sandbox_new_strange(found->adopt->manager, found->client, &found->identity,
                                                     reason);
                shim_client_set_id_base(found->client, found->id_base);
                found->id_base = 0;
                found->client = NULL;
                manager_add_sandbox(found->adopt->manager, found->strange);
        }
        found_settle(found);
}

/* It will not say anything else. */
static void found_give_up_for_good(Found *found, const char *reason) {
        found_give_up(found, reason);
        if (found->strange)
                found_forget(found);
}

/* ---- what a shim says ---- */

static int found_check(const Found *found, const ShimAccount *account, Error *error) {
        const ShimIdentity *identity = &account->identity;
        ShimHost *host = found->adopt->host;

        if (strcmp(account->instance, host->places->instance) != 0)
                return error_setf(error, ERROR_INVALID_ARGS, "It says to be of instance '%.16s'",
                                  account->instance);
        if (g_strcmp0(identity->name, found->identity.name) != 0 ||
            identity->owner != found->identity.owner || identity->id_base != found->identity.id_base)
                return error_setf(error, ERROR_INVALID_ARGS, "It says to be another sandbox than its folder");
        if (!account->spec)
                return error_setf(error, ERROR_UNSUPPORTED,
                                  "It speaks version %u, and this service understands %u to %u",
                                  account->version, SHIM_VERSION_MIN, SHIM_VERSION);
        if (found->id_base == 0 && !found->strange)
                return error_setf(error, ERROR_LIMIT_REACHED, "Its user ids are another sandbox's");
        if (account->phase != SHIM_PHASE_STOPPING &&
            usage_find_box(host->cgroups, host->places->cgroup_parent, account->leader) != found->number)
                return error_setf(error, ERROR_INVALID_ARGS, "Its process 1 is not in its control group");
        return 0;
}

/* One that was given up, and answers after all. */
static ShimClient *found_take_back(Found *found) {
        Sandbox *strange = g_steal_pointer(&found->strange);
        ShimClient *client = g_steal_pointer(&strange->shim);

        manager_forget_sandbox(found->adopt->manager, strange);
        sandbox_free(strange);
        return client;
}

static void found_adopt(Found *found, ShimFound *told) {
        Manager *manager = found->adopt->manager;
        g_auto(Error) error = ERROR_NULL;
        Sandbox *sandbox = NULL;
        ShimClient *client;
        int r;

        r = found_check(found, told->account, &error);
        /* It has been warned of; or somebody has begun to stop it. */
        if (found->strange && (r < 0 || found->strange->waiters->len > 0)) {
                found_forget(found);
                return;
        }
        client = found->strange ? found_take_back(found) : found->client;
        if (r >= 0 &&
            manager_find_sandbox(manager, told->account->identity.owner, told->account->identity.name))
                r = error_setf(&error, ERROR_SANDBOX_EXISTS, "There is another one of this name");
        if (r >= 0)
                r = sandbox_new_adopted(manager, client, told, &sandbox, &error);
        if (r < 0) {
                found->client = client;
                found_give_up_for_good(found, error.message);
                return;
        }
        if (found->id_base > 0)
                shim_client_set_id_base(client, found->id_base);
        found->id_base = 0;
        found->client = NULL;
        found->adopt->n_adopted++;
        manager_add_sandbox(manager, sandbox);
        found_forget(found);
}

static void on_hello(void *userdata, ShimFound *told, const Error *error) {
        Found *found = userdata;

        if (!error)
                found_adopt(found, told);
        else if (found->strange) /* which sees the end itself */
                found_forget(found);
        else if (found->client && shim_client_is_alive(found->client))
                found_give_up_for_good(found, error->message);
}

/* Its client has cleaned up. */
static void on_ended(void *userdata) {
        Found *found = userdata;

        found_forget(found);
}

static const ShimClientEvents found_events = { .ended = on_ended };

/* ---- connecting ---- */

static int folder_connect(const Found *found, int *ret_fd, pid_t *ret_pid) {
        autofd int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        struct ucred peer;
        socklen_t size = sizeof(peer);

        (void) snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/" SHIM_SOCKET_FILE,
                        found->folder_fd);
        if (fd < 0 || connect(fd, (struct sockaddr *) &address, sizeof(address)) < 0 ||
            getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
                return -errno;
        if (peer.uid != geteuid() || peer.pid <= 0)
                return -EPERM;
        *ret_pid = peer.pid;
        *ret_fd = fd_steal(&fd);
        return 0;
}

/* A shim that answers after its pid was looked up is the one whose pid it is. */
static int found_connect(Found *found, Error *error) {
        ShimAdoption adoption = { .number = found->number };
        int r;

        r = folder_connect(found, &adoption.socket_fd, &adoption.pid);
        if (r < 0)
                return error_set_errnof(error, -r, "Cannot connect to it");
        adoption.pid_fd = pidfd_open(adoption.pid, 0);
        if (adoption.pid_fd < 0) {
                r = error_set_errnof(error, errno, "Cannot watch its process");
                (void) fd_close(adoption.socket_fd);
                return r;
        }
        r = shim_client_adopt(found->adopt->host, &adoption, &found_events, found, &found->client, error);
        if (r >= 0)
                shim_client_hello(found->client, on_hello, found);
        return r;
}

/* ---- looking ---- */

/* 1 if somebody holds the lock, 0 if it is ours now: the shim is dead. */
static int found_probe(Found *found) {
        autofd int fd = openat(found->folder_fd, SHIM_LOCK_FILE, O_RDWR | O_NOFOLLOW | O_CLOEXEC);

        if (fd < 0)
                return errno == ENOENT ? 0 : 1;
        if (flock(fd, LOCK_EX | LOCK_NB) < 0)
                return 1;
        found->lock_fd = fd_steal(&fd);
        return 0;
}

static void found_clean(Found *found) {
        ShimHost *host = found->adopt->host;
        g_auto(Error) error = ERROR_NULL;

        if (shim_remains_clean(host->places, host->cgroups, found->name, &error) >= 0) {
                log_info("Removed what a dead shim has left in folder %s", found->name);
                found_forget(found);
                return;
        }
        if (!found->is_settled)
                log_failure(LOG_DEBUG, &error, "Cannot remove yet what a dead shim has left in folder %s",
                            found->name);
        found_settle(found);
        found_look_again(found, LOOK_USEC);
}

static int on_look(sd_event_source *source G_GNUC_UNUSED, uint64_t now, void *userdata) {
        Found *found = userdata;
        bool is_late = now >= found->began_usec + ADOPT_TIMEOUT_USEC;
        g_auto(Error) error = ERROR_NULL;

        if (found->client) { /* which tells when it is dead */
                if (!found->is_settled && is_late)
                        found_give_up(found, "It does not answer");
                return 0;
        }
        if (found->strange)
                return 0;
        if (found->lock_fd >= 0 || found_probe(found) == 0) {
                found_clean(found);
                return 0;
        }
        if (found_connect(found, &error) >= 0)
                found_look_again(found, is_late ? LOOK_USEC : found->began_usec + ADOPT_TIMEOUT_USEC - now);
        else {
                if (is_late && !found->is_settled)
                        found_give_up(found, error.message);
                found_look_again(found, is_late ? LOOK_SLOW_USEC : LOOK_USEC);
        }
        return 0;
}

static void found_read_identity(Found *found) {
        g_autofree char *text = NULL;
        g_auto(Error) error = ERROR_NULL;

        if (fs_read_file_at(found->folder_fd, SHIM_IDENTITY_FILE, IDENTITY_SIZE_MAX, &text, NULL, NULL) < 0)
                return;
        if (shim_identity_parse(text, &found->identity, &error) < 0 ||
            id_pool_reserve(found->adopt->host->ids, found->identity.id_base, &error) < 0)
                log_failure(LOG_WARNING, &error, "Folder %s of a sandbox", found->name);
        else
                found->id_base = found->identity.id_base;
}

static void adopt_add(Adopt *adopt, int sandboxes_fd, const char *name, uint32_t number) {
        Found *found = g_new0(Found, 1);

        *found = (Found){ .adopt = adopt, .number = number, .name = g_strdup(name), .lock_fd = -EBADF };
        found->began_usec = adopt->began_usec;
        found->folder_fd = openat(sandboxes_fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (found->folder_fd < 0 || sd_event_add_time_relative(adopt->host->event, &found->timer,
                                                               CLOCK_MONOTONIC, 0, 1, on_look, found) < 0) {
                log_warning("Cannot look into folder %s of a sandbox", name);
                found_free(found);
                return;
        }
        found_read_identity(found);
        g_ptr_array_add(adopt->found, found);
        /* A spare one, which ends with its service. */
        found->is_settled = !found->identity.name;
        adopt->n_open += !found->is_settled;
}

static void adopt_scan(Adopt *adopt) {
        const char *path = adopt->host->places->sandboxes_folder, *name;
        autofd int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        g_autoptr(GDir) folder = g_dir_open(path, 0, NULL);

        while (fd >= 0 && folder && (name = g_dir_read_name(folder))) {
                guint64 number;

                if (g_ascii_string_to_unsigned(name, 10, 1, UINT32_MAX / 2, &number, NULL))
                        adopt_add(adopt, fd, name, (uint32_t) number);
        }
}

static int on_start(sd_event_source *source G_GNUC_UNUSED, void *userdata) {
        Adopt *adopt = userdata;

        adopt->start = sd_event_source_disable_unref(adopt->start);
        if (adopt->n_open == 0)
                adopt_finish(adopt);
        return 0;
}

Adopt *adopt_new(Manager *manager, ShimHost *host, void (*done)(void *userdata), void *userdata) {
        Adopt *adopt = g_new0(Adopt, 1);
        int r;

        adopt->manager = manager;
        adopt->host = host;
        adopt->done = done;
        adopt->userdata = userdata;
        adopt->found = g_ptr_array_new_with_free_func(found_free);
        adopt->began_usec = (uint64_t) g_get_monotonic_time();
        adopt_scan(adopt);
        r = sd_event_add_defer(host->event, &adopt->start, on_start, adopt);
        g_assert(r >= 0); /* can only be out of memory */
        return adopt;
}

void adopt_free(Adopt *adopt) {
        if (!adopt)
                return;
        sd_event_source_disable_unref(adopt->start);
        g_ptr_array_unref(adopt->found);
        g_free(adopt);
}

bool adopt_has_name(const Adopt *adopt, uid_t owner, const char *name) {
        for (guint i = 0; adopt && i < adopt->found->len; i++) {
                const Found *found = adopt->found->pdata[i];

                if (found->identity.owner == owner && g_strcmp0(found->identity.name, name) == 0)
                        return true;
        }
        return false;
}
