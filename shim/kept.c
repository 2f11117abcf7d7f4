/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "shim/kept.h"

#include "util/cleanup.h"
#include "util/limits.h"

struct Kept {
        GBytes *record; /* owned reference */
        uint32_t ends_with;
        GHashTable *runs; /* number -> owned KeptRun */
};

static void run_free(void *data) {
        KeptRun *run = data;

        shim_kept_run_done(&run->told);
        (void) fd_close(run->terminal_fd);
        (void) fd_close(run->peer_fd);
        g_free(run);
}

Kept *kept_new(void) {
        Kept *kept = g_new0(Kept, 1);

        kept->runs = g_hash_table_new_full(NULL, NULL, NULL, run_free);
        return kept;
}

void kept_free(Kept *kept) {
        if (!kept)
                return;
        g_clear_pointer(&kept->record, g_bytes_unref);
        g_hash_table_unref(kept->runs);
        g_free(kept);
}

/* ---- the record ---- */

void kept_set_record(Kept *kept, uint32_t ends_with, GBytes *record) {
        GBytes *before = kept->record;

        kept->ends_with = ends_with;
        kept->record = g_bytes_ref(record);
        g_clear_pointer(&before, g_bytes_unref);
}

GBytes *kept_get_record(const Kept *kept) {
        return kept->record;
}

uint32_t kept_get_ends_with(const Kept *kept) {
        return kept->ends_with;
}

bool kept_has_reached_end(const Kept *kept) {
        const KeptRun *run = kept_find(kept, kept->ends_with);

        return kept->ends_with != 0 && (!run || run->told.has_ended);
}

/* ---- programs ---- */

static int compare_runs(gconstpointer a, gconstpointer b) {
        const KeptRun *left = *(KeptRun *const *) a, *right = *(KeptRun *const *) b;

        return left->told.run < right->told.run ? -1 : left->told.run > right->told.run;
}

static GPtrArray *list_all(const Kept *kept) {
        GPtrArray *list = g_ptr_array_sized_new(g_hash_table_size(kept->runs));
        GHashTableIter iter;
        gpointer run;

        g_hash_table_iter_init(&iter, kept->runs);
        while (g_hash_table_iter_next(&iter, NULL, &run))
                g_ptr_array_add(list, run);
        g_ptr_array_sort(list, compare_runs);
        return list;
}

static bool make_room(Kept *kept) {
        g_autoptr(GPtrArray) list = NULL;

        if (g_hash_table_size(kept->runs) < KEPT_RUNS_MAX)
                return true;
        list = list_all(kept);
        for (guint i = 0; i < list->len; i++) {
                const KeptRun *run = list->pdata[i];

                if (run->told.is_told) {
                        kept_remove(kept, run->told.run);
                        return true;
                }
        }
        return false;
}

int kept_add(Kept *kept, uint32_t number, char *const *argv, bool has_terminal, int terminal_fd, int peer_fd,
             Error *error) {
        autofd int terminal = terminal_fd, peer = peer_fd;
        KeptRun *run;

        if (kept_find(kept, number))
                return error_setf(error, ERROR_INVALID_ARGS, "There is a program %u already", number);
        if (!make_room(kept))
                return error_setf(error, ERROR_LIMIT_REACHED, "The sandbox has %d programs", KEPT_RUNS_MAX);
        run = g_new0(KeptRun, 1);
        *run = (KeptRun){
                .told = { .run = number, .argv = g_strdupv((char **) argv), .has_terminal = has_terminal },
                .terminal_fd = fd_steal(&terminal),
                .peer_fd = fd_steal(&peer)
        };
        g_hash_table_insert(kept->runs, GUINT_TO_POINTER(number), run);
        return 0;
}

KeptRun *kept_find(const Kept *kept, uint32_t run) {
        return g_hash_table_lookup(kept->runs, GUINT_TO_POINTER(run));
}

void kept_set_running(Kept *kept, uint32_t number, pid_t pid) {
        KeptRun *run = kept_find(kept, number);

        if (run)
                run->told.pid = pid;
}

void kept_set_ended(Kept *kept, const ShimExited *exited) {
        KeptRun *run = kept_find(kept, exited->run);

        if (!run)
                return;
        if (run->is_orphan) {
                kept_remove(kept, exited->run);
                return;
        }
        run->told.has_ended = true;
        run->told.exited = *exited;
        run->peer_fd = fd_close(run->peer_fd);
}

void kept_remove(Kept *kept, uint32_t run) {
        (void) g_hash_table_remove(kept->runs, GUINT_TO_POINTER(run));
}

void kept_forget(Kept *kept, uint32_t number) {
        const KeptRun *run = kept_find(kept, number);

        if (run && run->told.has_ended)
                kept_remove(kept, number);
}

void kept_close_terminal(Kept *kept, uint32_t number) {
        KeptRun *run = kept_find(kept, number);

        if (run)
                run->terminal_fd = fd_close(run->terminal_fd);
}

void kept_set_told(Kept *kept, uint32_t number) {
        KeptRun *run = kept_find(kept, number);

        if (run && run->told.has_ended)
                run->told.is_told = true;
}

bool kept_has_untold(const Kept *kept) {
        GHashTableIter iter;
        gpointer value;

        g_hash_table_iter_init(&iter, kept->runs);
        while (g_hash_table_iter_next(&iter, NULL, &value)) {
                const KeptRun *run = value;

                if (run->told.has_ended && !run->told.is_told)
                        return true;
        }
        return false;
}

void kept_orphan(Kept *kept) {
        GHashTableIter iter;
        gpointer value;

        g_hash_table_iter_init(&iter, kept->runs);
        while (g_hash_table_iter_next(&iter, NULL, &value)) {
                KeptRun *run = value;

                run->is_orphan |= run->told.pid == 0;
        }
}

GPtrArray *kept_list(const Kept *kept) {
        GPtrArray *list = list_all(kept);

        for (guint i = list->len; i > 0; i--) {
                const KeptRun *run = list->pdata[i - 1];

                if (run->told.pid == 0 || run->is_orphan)
                        (void) g_ptr_array_remove_index(list, i - 1);
        }
        return list;
}
