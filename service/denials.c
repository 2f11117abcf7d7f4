/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "service/denials.h"

#include <string.h>

#include "util/cleanup.h"
#include "util/limits.h"

struct Denials {
        sd_event_source *later; /* owned; for what was held back */
        void (*tell)(void *userdata, const ShimDenied *denied);
        void *userdata;
        DeniedLimit *limit; /* owned */
        GQueue kept;        /* of owned Denial */
};

static void denial_free(gpointer data) {
        Denial *denial = data;

        shim_denied_done(&denial->what);
        g_free(denial->capabilities);
        g_free(denial);
}

static void denials_keep(Denials *denials, const ShimDenied *what, char *capabilities) {
        Denial *denial = g_new0(Denial, 1);

        denial->usec = (guint64) g_get_real_time();
        denial->what = shim_denied_copy(what);
        denial->capabilities = capabilities;
        g_queue_push_tail(&denials->kept, denial);
        if (denials->kept.length > DENIED_KEPT_MAX)
                denial_free(g_queue_pop_head(&denials->kept));
}

static void denials_tell(Denials *denials) {
        g_auto(ShimDenied) denied = { 0 };
        guint64 due;

        while (denied_limit_take(denials->limit, (guint64) g_get_monotonic_time(), &denied)) {
                denials_keep(denials, &denied, NULL);
                denials->tell(denials->userdata, &denied);
                shim_denied_done(&denied);
        }
        due = denied_limit_get_due(denials->limit);
        if (due == G_MAXUINT64)
                return;
        (void) sd_event_source_set_time(denials->later, due);
        (void) sd_event_source_set_enabled(denials->later, SD_EVENT_ONESHOT);
}

static int on_later(sd_event_source *source G_GNUC_UNUSED, uint64_t usec G_GNUC_UNUSED, void *userdata) {
        denials_tell(userdata);
        return 0;
}

void denials_add(Denials *denials, const ShimDenied *denied) {
        denied_limit_add(denials->limit, denied, (guint64) g_get_monotonic_time());
        denials_tell(denials);
}

void denials_add_refusal(Denials *denials, char *const *capabilities, const char *gateway, const Error *error) {
        g_autofree char *text = error_format(error);
        g_autofree char *names = g_strjoinv(" ", (char **) (uintptr_t) capabilities);
        ShimDenied what = { .gateway = (char *) (uintptr_t) gateway, .detail = text, .count = 1 };

        if (strlen(names) > DENIED_TEXT_MAX)
                names[DENIED_TEXT_MAX] = '\0';
        denials_keep(denials, &what, g_utf8_make_valid(names, -1));
}

guint denials_get_size(const Denials *denials) {
        return denials->kept.length;
}

const Denial *denials_get(const Denials *denials, guint i) {
        return g_queue_peek_nth((GQueue *) &denials->kept, i);
}

Denials *denials_new(sd_event *event, void (*tell)(void *userdata, const ShimDenied *denied), void *userdata) {
        Denials *denials = g_new0(Denials, 1);
        int r;

        denials->tell = tell;
        denials->userdata = userdata;
        denials->limit = denied_limit_new();
        g_queue_init(&denials->kept);
        r = sd_event_add_time(event, &denials->later, CLOCK_MONOTONIC, 0, 0, on_later, denials);
        g_assert(r >= 0); /* can only be out of memory */
        (void) sd_event_source_set_enabled(denials->later, SD_EVENT_OFF);
        return denials;
}

void denials_free(Denials *denials) {
        if (!denials)
                return;
        sd_event_source_disable_unref(denials->later);
        denied_limit_free(denials->limit);
        g_queue_clear_full(&denials->kept, denial_free);
        g_free(denials);
}
