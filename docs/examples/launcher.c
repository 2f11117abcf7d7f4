/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A launcher: runs a program in a sandbox with one capability, and says how it ended
 * cc launcher.c $(pkg-config --cflags --libs bulkhead) -o launcher; ./launcher com.acme.maps /bin/ls /maps
 */
#include <stdio.h>
#include <stdlib.h>

#include <bulkhead.h>

static void on_event(const BulkheadEvent *event, void *userdata) {
        int *running = userdata;

        if (event->type == BULKHEAD_EVENT_EXITED)
                printf("%s: %s %d\n", event->name, event->reason, event->status);
        if (event->type >= BULKHEAD_EVENT_EXITED && event->type != BULKHEAD_EVENT_DENIED)
                *running = 0; /* also when the service or the bus is gone */
}

int main(int argc, char **argv) {
        BulkheadRequest *request = bulkhead_request_new();
        BulkheadError error = { 0 };
        Bulkhead *bulkhead = NULL;
        int running = 1;

        if (argc < 3)
                return 2;
        bulkhead_request_add_capability(request, argv[1]);
        bulkhead_request_set_fd(request, 1, 1); /* its output is ours */
        if (bulkhead_open(getenv("BULKHEAD_BUS"), &bulkhead, &error) < 0 ||
            bulkhead_launch(bulkhead, request, (const char *const *) argv + 2, NULL, NULL, NULL, &error) < 0)
                fprintf(stderr, "%s: %s\n", error.name, error.message);
        else
                bulkhead_set_callback(bulkhead, on_event, &running);
        while (!error.name && running)
                bulkhead_wait_events(bulkhead, UINT64_MAX);
        bulkhead_error_done(&error);
        bulkhead_request_free(request);
        bulkhead_close(bulkhead);
        return running;
}
