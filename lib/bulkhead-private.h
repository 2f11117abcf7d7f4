/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the files of libbulkhead share: the connection, and a request on its way
 */
#include <stdbool.h>

#include "lib/bus.h"

#define BULKHEAD_EXPORT __attribute__((visibility("default")))

#define BULKHEAD_TOLD_MAX 64 /* ends of programs told by Wait whose signal may still come */

struct Bulkhead {
        sd_bus *bus;   /* owned */
        char *service; /* owned; unique name of who answers, once known: others can send signals as well */
        BulkheadCallback callback;
        void *userdata;
        bool is_subscribed;
        GHashTable *waits; /* object path of a process -> ProcessWait; those that run() promised to tell of */
        GQueue told;       /* of char *: object paths, oldest first */
};

/* The filter for signals, and the match for the service's name. */
GHashTable *bulkhead_events_new_waits(void);
int bulkhead_events_start(Bulkhead *bulkhead);
void bulkhead_events_done(Bulkhead *bulkhead);
/* Asks for the end of @process, so that it becomes an event. */
int bulkhead_events_watch(Bulkhead *bulkhead, const char *process, uint32_t pid);

typedef enum RequestPart {
        REQUEST_SANDBOX = 1 << 0,
        REQUEST_PROCESS = 1 << 1,
} RequestPart;

const char *bulkhead_request_get_name(const BulkheadRequest *request); /* "" if there is none */
/* Appends a{sv}; @request NULL = an empty one. */
int bulkhead_request_append(const BulkheadRequest *request, RequestPart parts, sd_bus_message *m);
