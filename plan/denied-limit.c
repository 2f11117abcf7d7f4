/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "plan/denied.h"
#include "util/limits.h"

/* What one telling costs of the credit, which grows by 1 each microsecond. */
#define TELL_USEC  (G_USEC_PER_SEC / DENIED_PER_SECOND)
#define CREDIT_MAX ((guint64) DENIED_BURST * TELL_USEC)

typedef struct Kind {
        ShimDenied denied; /* owned; its count is of those that wait */
        guint64 told_usec; /* 0 = never */
} Kind;

struct DeniedLimit {
        GQueue kinds; /* of owned Kind; those told last are at the end */
        Kind *rest;   /* one of @kinds; NULL = none */
        guint64 credit, credit_usec; /* as it was then */
};

static void kind_free(gpointer data) {
        Kind *kind = data;

        shim_denied_done(&kind->denied);
        g_free(kind);
}

DeniedLimit *denied_limit_new(void) {
        DeniedLimit *limit = g_new0(DeniedLimit, 1);

        g_queue_init(&limit->kinds);
        limit->credit = CREDIT_MAX;
        return limit;
}

void denied_limit_free(DeniedLimit *limit) {
        if (!limit)
                return;
        g_queue_clear_full(&limit->kinds, kind_free);
        g_free(limit);
}

static bool denied_is_same(const ShimDenied *a, const ShimDenied *b) {
        return strcmp(a->target, b->target) == 0 && strcmp(a->gateway, b->gateway) == 0 &&
               strcmp(a->detail, b->detail) == 0 && a->port == b->port &&
               g_strcmp0(a->protocol, b->protocol) == 0 && g_strcmp0(a->interface, b->interface) == 0 &&
               g_strcmp0(a->member, b->member) == 0 && g_strcmp0(a->path, b->path) == 0;
}

static guint64 kind_get_due(const Kind *kind) {
        return kind->told_usec == 0 ? 0 : kind->told_usec + DENIED_KIND_INTERVAL_USEC;
}

static Kind *limit_find(const DeniedLimit *limit, const ShimDenied *denied) {
        for (GList *at = limit->kinds.head; at; at = at->next)
                if (denied_is_same(&((Kind *) at->data)->denied, denied))
                        return at->data;
        return NULL;
}

/* Forgets those that were told long ago and have not come again. */
static void limit_clean(DeniedLimit *limit, guint64 now_usec) {
        for (GList *at = limit->kinds.head, *next; at; at = next) {
                Kind *kind = at->data;

                next = at->next;
                if (kind->denied.count > 0 || now_usec < kind_get_due(kind))
                        continue;
                if (kind == limit->rest)
                        limit->rest = NULL;
                kind_free(kind);
                g_queue_delete_link(&limit->kinds, at);
        }
}

static Kind *limit_add_kind(DeniedLimit *limit, ShimDenied *denied) {
        Kind *kind = g_new0(Kind, 1);

        kind->denied = *denied;
        *denied = (ShimDenied){ 0 };
        kind->denied.count = 0;
        g_queue_push_tail(&limit->kinds, kind);
        return kind;
}

void denied_limit_add(DeniedLimit *limit, const ShimDenied *denied, guint64 now_usec) {
        g_auto(ShimDenied) copy = shim_denied_copy(denied);
        Kind *kind = limit_find(limit, &copy);

        if (!kind) {
                limit_clean(limit, now_usec);
                if (limit->kinds.length < DENIED_KINDS_MAX)
                        kind = limit_add_kind(limit, &copy);
                else if (limit->rest)
                        kind = limit->rest;
                else {
                        g_auto(ShimDenied) rest = { .gateway = g_strdup(copy.gateway),
                                                    .target = g_strdup(""),
                                                    .detail = g_strdup("More than can be told one by one") };

                        kind = limit->rest = limit_add_kind(limit, &rest);
                }
        }
        kind->denied.count = MIN(kind->denied.count, G_MAXUINT32 - denied->count) + denied->count;
}

static void limit_refill(DeniedLimit *limit, guint64 now_usec) {
        if (now_usec > limit->credit_usec)
                limit->credit = MIN(limit->credit + (now_usec - limit->credit_usec), CREDIT_MAX);
        limit->credit_usec = now_usec;
}

bool denied_limit_take(DeniedLimit *limit, guint64 now_usec, ShimDenied *ret) {
        limit_refill(limit, now_usec);
        if (limit->credit < TELL_USEC)
                return false;
        for (GList *at = limit->kinds.head; at; at = at->next) {
                Kind *kind = at->data;

                if (kind->denied.count == 0 || now_usec < kind_get_due(kind))
                        continue;
                *ret = shim_denied_copy(&kind->denied);
                kind->denied.count = 0;
                kind->told_usec = MAX(now_usec, 1);
                limit->credit -= TELL_USEC;
                g_queue_unlink(&limit->kinds, at);
                g_queue_push_tail_link(&limit->kinds, at);
                return true;
        }
        return false;
}

guint64 denied_limit_get_due(const DeniedLimit *limit) {
        guint64 due = G_MAXUINT64;

        for (GList *at = limit->kinds.head; at; at = at->next) {
                const Kind *kind = at->data;

                if (kind->denied.count > 0)
                        due = MIN(due, kind_get_due(kind));
        }
        if (due == G_MAXUINT64 || limit->credit >= TELL_USEC)
                return due;
        return MAX(due, limit->credit_usec + (TELL_USEC - limit->credit));
}
