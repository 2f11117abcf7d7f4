/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* For shim-client.c, which hears a shim and sees it end, and shim-ask.c, which asks and tells it; nobody else
 */
#include "service/shim-client.h"
#include "service/shim-queue.h"

typedef struct ShimRequest {
        ShimClient *client; /* not owned */
        uint32_t serial;
        uint16_t type;
        sd_event_source *timeout; /* owned; comes at once for a request that failed already */
        Error failure;            /* owned; what the timeout answers, if set */
        ShimDone done;            /* one of these four */
        ShimRan ran;
        ShimNamespaces namespaces;
        ShimHello hello;
        void *userdata;
} ShimRequest;

struct ShimClient {
        const ShimHost *host; /* not owned */
        uint32_t id_base;     /* of the range taken from its pool; 0 = none yet */
        uint32_t number;
        char *name;   /* owned; the number as text: folder and cgroup */
        char *cgroup; /* owned */
        pid_t pid;
        int socket_fd;       /* owned */
        int pid_fd;          /* owned; of one that is not our child */
        sd_event_source *io; /* owned, as the next one: of a child, or of the descriptor above */
        sd_event_source *child;
        bool is_child;
        sd_event_source *deadline; /* owned; the shim is killed then; NULL = none */
        sd_event_source *cleaning; /* owned; NULL while the shim lives */
        unsigned n_cleanings;
        GHashTable *requests; /* owned; serial -> owned Request */
        ShimQueue *outgoing;  /* owned */
        uint32_t last_serial;
        ShimFound *found; /* owned; what was told so far of an account; NULL = none is on its way */
        bool stopping;    /* its end is no accident */
        bool is_gone;     /* gone() was called */
        const ShimClientEvents *events;
        void *userdata;
};

void shim_client_kill(ShimClient *client);
/* From now; the earlier one counts. Then the shim is killed. */
void shim_client_set_deadline(ShimClient *client, uint64_t usec);
/* Takes it out of the table, answers and frees it. */
void shim_request_fail(ShimRequest *request, const Error *error);
ShimFound *shim_found_new(void);
