/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Limits of a live sandbox
 *
 * What a group had before it was first limited by a capability, its template's or the kernel's, is read then and
 * comes back when the last capability is revoked. Settings depend on each other (plan/limit-join.h), so the steps of
 * a plan are worked out together: each prepare() changes what is wanted, the first apply() writes all files that
 * differ, and the first undo() takes that back through the descriptors that are open by then.
 *
 * A limit of memory or processes below what the sandbox uses is refused when it is asked for: the kernel would kill
 * (v2) or refuse (v1). When it comes back because a capability is revoked it cannot be refused, or an app could hold
 * on to a capability by using much. Then memory is limited to what is used, and again every second to less.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "plan/limit-join.h"
#include "shim/apply-private.h"
#include "util/cleanup.h"
#include "util/log.h"

#define HELD_INTERVAL_USEC G_USEC_PER_SEC
/* How often a use that grows meanwhile is followed before it waits for the next time. */
#define HOLD_TRIES 8

/* One file of the group, or of io.max the part of it that is one device's. */
typedef struct Line {
        char *file, *text; /* owned */
        char *asked;       /* owned; key of the item that it comes from */
} Line;

/* One write, on its way or done. */
typedef struct Write {
        const char *id; /* of the line */
        char *file;     /* owned */
        char *from, *to; /* owned */
        const char *asked; /* NULL = what was there before comes back */
        bool may_be_refused;
        int fd; /* owned */
} Write;

struct Limits {
        Applier *applier;      /* not owned */
        GHashTable *set;       /* key -> owned LimitValue, of the items in force */
        GHashTable *lines;     /* id -> owned Line, in force */
        GHashTable *numbers;   /* key of an io.max by path -> owned key by number */
        GHashTable *baseline;  /* id -> owned text */
        GHashTable *held;      /* id -> owned Line that is not reached yet */
        LoopSource *timer;     /* owned; to go on with those; NULL until the first */
        /* while a plan is applied */
        GHashTable *wanted;       /* like set; NULL = nothing has been asked for */
        GHashTable *items;        /* key -> PlanItem * that is new or changed */
        GHashTable *wanted_lines; /* like lines; the old ones once they are taken back or replaced */
        GArray *writes;           /* owned; of Write; those done are in the front */
        guint n_done;
        bool is_applied;
};

/* ---- tables ---- */

static void line_free(void *data) {
        Line *line = data;

        g_free(line->file);
        g_free(line->text);
        g_free(line->asked);
        g_free(line);
}

static GHashTable *lines_new(void) {
        return g_hash_table_new_full(g_str_hash, g_str_equal, g_free, line_free);
}

static void value_free(void *data) {
        limit_clear(data);
        g_free(data);
}

static GHashTable *set_new(void) {
        return g_hash_table_new_full(g_str_hash, g_str_equal, g_free, value_free);
}

static void set_put(GHashTable *set, const char *key, const LimitValue *value) {
        LimitValue *copy = g_new0(LimitValue, 1);

        limit_copy(copy, value);
        g_hash_table_replace(set, g_strdup(key), copy);
}

static GHashTable *set_copy(GHashTable *set) {
        GHashTable *copy = set_new();
        GHashTableIter iter;
        void *key, *value;

        g_hash_table_iter_init(&iter, set);
        while (g_hash_table_iter_next(&iter, &key, &value))
                set_put(copy, key, value);
        return copy;
}

static void write_clear(void *data) {
        Write *write = data;

        g_free(write->file);
        g_free(write->from);
        g_free(write->to);
        write->fd = fd_close(write->fd);
}

static CgroupVersion get_version(const Limits *limits) {
        return cgroup_box_get_layout(limits->applier->box) == CGROUP_UNIFIED ? CGROUP_V2 : CGROUP_V1;
}

/* ---- files ---- */

/* "memory" of "memory.max". */
static char *file_get_controller(const char *file) {
        return g_strndup(file, strcspn(file, "."));
}

static int open_file(Limits *limits, const char *file, Error *error) {
        g_autofree char *controller = file_get_controller(file);

        return cgroup_box_open_file(limits->applier->box, controller, file, file, O_WRONLY, error);
}

static int read_file(Limits *limits, const char *file, char **ret, Error *error) {
        g_autofree char *controller = file_get_controller(file);

        return cgroup_box_read(limits->applier->box, controller, file, file, ret, error);
}

/* A number, or LIMIT_UNLIMITED for what is none. */
static uint64_t text_get_number(const char *text) {
        uint64_t number;

        return g_ascii_string_to_unsigned(text, 10, 0, UINT64_MAX, &number, NULL) ? number : LIMIT_UNLIMITED;
}

/* 0 where it cannot be read: then nothing is refused for it. */
static uint64_t read_use(Limits *limits, const char *file) {
        g_autofree char *text = NULL;

        if (read_file(limits, file, &text, NULL) < 0)
                return 0;
        return g_ascii_strtoull(text, NULL, 10);
}

/* Where the kernel says how much is used of what the file limits; NULL = nothing that could be too much. */
static const char *file_get_use(const char *file) {
        static const char *const uses[][2] = {
                { "memory.limit_in_bytes", "memory.usage_in_bytes" },
                { "memory.memsw.limit_in_bytes", "memory.memsw.usage_in_bytes" },
                { "memory.max", "memory.current" },
                { "pids.max", "pids.current" },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(uses); i++)
                if (strcmp(uses[i][0], file) == 0)
                        return uses[i][1];
        return NULL;
}

/* Nothing ends a list of no CPUs but a newline: a write of no bytes is none. */
static int write_text(int fd, const char *text) {
        if (!*text)
                text = "\n";
        return write(fd, text, strlen(text)) < 0 ? -errno : 0;
}

/* ---- what is wanted, as lines ---- */

/* Of the groups of bfq(5), where the kernel has no other weights: 1 to 1000, 100 is the default. */
static char *weight_to_bfq(uint64_t weight) {
        return g_strdup_printf("%" G_GUINT64_FORMAT, CLAMP((weight * 100 + 512) / 1024, 1, 1000));
}

static void lines_put(GHashTable *lines, const char *key, const char *asked, const char *file, const char *text) {
        const char *device = strchr(key, ':');
        Line *line = g_new0(Line, 1);

        line->file = g_strdup(file);
        line->text = g_strdup(text);
        line->asked = g_strdup(asked);
        g_hash_table_replace(lines, g_strconcat(file, device, NULL), line);
}

static bool has_file(Limits *limits, const char *file) {
        autofd int fd = open_file(limits, file, NULL);

        return fd >= 0;
}

/* The weights of bfq, if the setting is one and the kernel has none but them. */
static bool put_bfq_weight(Limits *limits, const LimitJoined *joined, const char *asked, GHashTable *lines) {
        const char *bfq = get_version(limits) == CGROUP_V1 ? "blkio.bfq.weight" : "io.bfq.weight";
        g_autofree char *text = NULL;

        if (strcmp(joined->key, "io.weight") != 0 ||
            has_file(limits, get_version(limits) == CGROUP_V1 ? "blkio.weight" : "io.weight") ||
            !has_file(limits, bfq))
                return false;
        text = weight_to_bfq(joined->value.number);
        lines_put(lines, joined->key, asked, bfq, text);
        return true;
}

/* Who asked for an io.max by path is known by that. */
static const char *find_asked(const Limits *limits, const char *key) {
        GHashTableIter iter;
        void *path, *number;

        g_hash_table_iter_init(&iter, limits->numbers);
        while (g_hash_table_iter_next(&iter, &path, &number))
                if (strcmp(number, key) == 0 && g_hash_table_contains(limits->wanted, path))
                        return path;
        return key;
}

static GHashTable *resolve_devices(const Limits *limits) {
        GHashTable *resolved = set_new();
        GHashTableIter iter;
        void *key, *value;

        g_hash_table_iter_init(&iter, limits->wanted);
        while (g_hash_table_iter_next(&iter, &key, &value)) {
                const char *number = g_hash_table_lookup(limits->numbers, key) ?: key;
                LimitValue *known = g_hash_table_lookup(resolved, number);

                if (known)
                        (void) limit_merge(limit_find(number), known, value, NULL);
                else
                        set_put(resolved, number, value);
        }
        return resolved;
}

/* Puts the place of who asked into the error. */
static int blame(const Limits *limits, const char *asked, int r, Error *error) {
        const PlanItem *item = asked ? g_hash_table_lookup(limits->items, asked) : NULL;

        return r < 0 && item ? plan_item_blame(item, r, error) : r;
}

static int make_lines(Limits *limits, GHashTable *lines, Error *error) {
        uint64_t memory_max = limits->applier->spec->memory_max ?: LIMIT_UNLIMITED;
        g_autoptr(GHashTable) resolved = resolve_devices(limits);
        g_autoptr(GArray) joined = limits_joined_new();
        const char *refused = NULL;
        int r;

        r = limits_join(resolved, memory_max, get_version(limits), joined, &refused, error);
        if (r < 0)
                return blame(limits, refused ? find_asked(limits, refused) : NULL, r, error);
        for (guint i = 0; i < joined->len; i++) {
                const LimitJoined *limit = &g_array_index(joined, LimitJoined, i);
                const char *asked = find_asked(limits, limit->asked);
                g_auto(GStrv) files = NULL;

                if (put_bfq_weight(limits, limit, asked, lines))
                        continue;
                r = limit_to_files(limit->key, &limit->value, get_version(limits), &files, error);
                if (r < 0)
                        return blame(limits, asked, r, error);
                for (char **file = files; *file; file++) {
                        char *text = strchr(*file, '=');

                        *text++ = '\0';
                        lines_put(lines, limit->key, asked, *file, text);
                }
        }
        return 0;
}

/* What @line's file had before any capability. Throttling is ours alone, so there was none. */
static int read_baseline(Limits *limits, const char *id, const Line *line, Error *error) {
        const char *device = strchr(id, ':');
        g_autofree char *text = NULL;
        int r;

        if (g_hash_table_contains(limits->baseline, id))
                return 0;
        if (device)
                text = g_strconcat(device + 1, get_version(limits) == CGROUP_V1 ? " 0" : " rbps=max wbps=max riops=max wiops=max",
                                   NULL);
        else {
                r = read_file(limits, line->file, &text, error);
                if (r < 0)
                        return r;
                text[strcspn(text, "\n")] = '\0'; /* weights of single devices follow */
                if (g_str_has_prefix(text, "default "))
                        memmove(text, text + strlen("default "), strlen(text + strlen("default ")) + 1);
        }
        g_hash_table_insert(limits->baseline, g_strdup(id), g_steal_pointer(&text));
        return 0;
}

/* ---- writing ---- */

static int refuse_use(const char *file, const char *text, uint64_t use, Error *error) {
        return error_setf(error, ERROR_LIMIT_REACHED, "Cannot set '%s' to %s, the sandbox uses %" G_GUINT64_FORMAT, file,
                          text, use);
}

/* v2: has the kernel take back what can be written to disk or read again (Linux 5.19; older ones do not). */
static uint64_t reclaim(Limits *limits, uint64_t use, uint64_t wanted) {
        g_autofree char *text = g_strdup_printf("%" G_GUINT64_FORMAT, use - wanted);

        (void) cgroup_box_write(limits->applier->box, "memory", NULL, "memory.reclaim", text, NULL);
        return read_use(limits, "memory.current");
}

/* Writes one that limits what is in use already. -EBUSY: it is too low for that. */
static int write_checked(Limits *limits, int fd, const char *file, const char *text) {
        uint64_t wanted = text_get_number(text);
        uint64_t use = wanted == LIMIT_UNLIMITED ? 0 : read_use(limits, file_get_use(file));

        if (use > wanted && strcmp(file, "pids.max") == 0)
                return -EBUSY;
        /* v1 does both by itself: takes back what can be, and says EBUSY */
        if (use > wanted && strcmp(file, "memory.max") == 0 && reclaim(limits, use, wanted) > wanted)
                return -EBUSY;
        return write_text(fd, text);
}

static void on_time(void *userdata);

/* Limits memory to what is used, and comes back to it. */
static void hold(Limits *limits, const char *id, int fd, const char *file, const char *text) {
        Line *line = g_new0(Line, 1);

        for (int i = 0; i < HOLD_TRIES; i++) {
                g_autofree char *use = g_strdup_printf("%" G_GUINT64_FORMAT, read_use(limits, file_get_use(file)));

                if (write_text(fd, use) >= 0)
                        break;
        }
        line->file = g_strdup(file);
        line->text = g_strdup(text);
        g_hash_table_replace(limits->held, g_strdup(id), line);
        if (!limits->timer)
                limits->timer = loop_add_timer(limits->applier->loop, on_time, limits);
        loop_source_set_time(limits->timer, g_get_monotonic_time() + HELD_INTERVAL_USEC);
}

/* Cannot be refused for what is in use: no new processes until there are few enough, and see hold(). */
static int write_forced(Limits *limits, const char *id, int fd, const char *file, const char *text) {
        int r;

        if (strcmp(file, "pids.max") == 0 || !file_get_use(file))
                return write_text(fd, text);
        r = write_checked(limits, fd, file, text);
        /* EINVAL: v1 keeps memory below memory and swap, and the other one may be held. */
        if (r == -EBUSY || r == -EINVAL) {
                hold(limits, id, fd, file, text);
                return 0;
        }
        return r;
}

static void on_time(void *userdata) {
        Limits *limits = userdata;
        g_autoptr(GHashTable) held = g_steal_pointer(&limits->held);
        GHashTableIter iter;
        void *id, *data;

        limits->held = lines_new();
        g_hash_table_iter_init(&iter, held);
        while (g_hash_table_iter_next(&iter, &id, &data)) {
                const Line *line = data;
                autofd int fd = open_file(limits, line->file, NULL);

                if (fd >= 0)
                        (void) write_forced(limits, id, fd, line->file, line->text);
        }
}

/* v2 takes any list, and uses what of it there is. */
static int check_list(Limits *limits, const Write *write, Error *error) {
        g_autofree char *effective = g_strconcat(write->file, ".effective", NULL);
        g_autofree char *text = NULL;

        if (get_version(limits) != CGROUP_V2 || !g_str_has_prefix(write->file, "cpuset.") ||
            read_file(limits, effective, &text, NULL) < 0 || strcmp(g_strstrip(text), write->to) == 0)
                return 0;
        return error_setf(error, ERROR_UNSUPPORTED, "Cannot set '%s' to %s, this host has %s of it", write->file,
                          write->to, *text ? text : "nothing");
}

static int write_failed(Limits *limits, const Write *write, int r, Error *error) {
        if (r == -EBUSY && file_get_use(write->file))
                return refuse_use(write->file, write->to, read_use(limits, file_get_use(write->file)), error);
        return error_set_code_errnof(error, ERROR_UNSUPPORTED, -r, "This host does not take '%s' for '%s'", write->to,
                                     write->file);
}

static int carry_out_write(Limits *limits, const Write *write, Error *error) {
        int r;

        (void) g_hash_table_remove(limits->held, write->id);
        r = write->may_be_refused && file_get_use(write->file)
                    ? write_checked(limits, write->fd, write->file, write->to)
                    : write_forced(limits, write->id, write->fd, write->file, write->to);
        if (r < 0)
                return write_failed(limits, write, r, error);
        r = write->asked ? check_list(limits, write, error) : 0;
        if (r < 0)
                (void) write_text(write->fd, write->from);
        return r;
}

/* ---- all of it ---- */

static void add_write(Limits *limits, const char *id, const Line *from, const Line *to) {
        const char *baseline = g_hash_table_lookup(limits->baseline, id);
        Write write = { .id = id, .fd = -EBADF };

        write.file = g_strdup((to ?: from)->file);
        write.from = g_strdup(from ? from->text : baseline);
        write.to = g_strdup(to ? to->text : baseline);
        write.asked = to ? to->asked : NULL;
        /* One that was there and became less lost a capability that asked for more. */
        write.may_be_refused = to && !g_hash_table_contains(limits->set, to->asked);
        g_array_append_val(limits->writes, write);
}

static int compare_writes(const void *a, const void *b) {
        return strcmp(((const Write *) a)->id, ((const Write *) b)->id);
}

/* v1 wants memory at most as large as memory and swap at every moment: so what grows begins with the latter. */
static void order_memory(GArray *writes) {
        Write *memory = NULL, *total = NULL;

        for (guint i = 0; i < writes->len; i++) {
                Write *write = &g_array_index(writes, Write, i);

                if (strcmp(write->file, "memory.limit_in_bytes") == 0)
                        memory = write;
                else if (strcmp(write->file, "memory.memsw.limit_in_bytes") == 0)
                        total = write;
        }
        if (memory && total && text_get_number(total->to) > text_get_number(total->from)) {
                Write first = *memory;

                *memory = *total;
                *total = first;
        }
}

/* What differs, with all that is needed to write it and to write the old text again. */
static int collect_writes(Limits *limits, Error *error) {
        GHashTableIter iter;
        void *id, *line;
        int r;

        limits->writes = g_array_new(FALSE, FALSE, sizeof(Write));
        g_array_set_clear_func(limits->writes, write_clear);
        g_hash_table_iter_init(&iter, limits->lines);
        while (g_hash_table_iter_next(&iter, &id, &line))
                if (!g_hash_table_contains(limits->wanted_lines, id))
                        add_write(limits, id, line, NULL);
        g_hash_table_iter_init(&iter, limits->wanted_lines);
        while (g_hash_table_iter_next(&iter, &id, &line)) {
                const Line *from = g_hash_table_lookup(limits->lines, id), *to = line;

                r = read_baseline(limits, id, to, error);
                if (r < 0)
                        return blame(limits, to->asked, r, error);
                if (!from || strcmp(from->text, to->text) != 0)
                        add_write(limits, id, from, to);
        }
        g_array_sort(limits->writes, compare_writes);
        order_memory(limits->writes);
        for (guint i = 0; i < limits->writes->len; i++) {
                Write *write = &g_array_index(limits->writes, Write, i);

                write->fd = open_file(limits, write->file, error);
                if (write->fd < 0)
                        return blame(limits, write->asked, write->fd, error);
        }
        return 0;
}

static void take_back(Limits *limits) {
        while (limits->n_done > 0) {
                const Write *write = &g_array_index(limits->writes, Write, --limits->n_done);

                (void) g_hash_table_remove(limits->held, write->id);
                (void) write_forced(limits, write->id, write->fd, write->file, write->from);
        }
        if (limits->is_applied) {
                GHashTable *lines = limits->lines, *set = limits->set;

                limits->lines = limits->wanted_lines;
                limits->wanted_lines = lines;
                limits->set = limits->wanted;
                limits->wanted = set;
                limits->is_applied = false;
        }
}

static int carry_out(Limits *limits, Error *error) {
        GHashTable *lines, *set;
        int r;

        limits->wanted_lines = lines_new();
        r = make_lines(limits, limits->wanted_lines, error);
        if (r >= 0)
                r = collect_writes(limits, error);
        for (guint i = 0; r >= 0 && i < limits->writes->len; i++) {
                const Write *write = &g_array_index(limits->writes, Write, i);

                r = blame(limits, write->asked, carry_out_write(limits, write, error), error);
                if (r >= 0)
                        limits->n_done++;
        }
        if (r < 0) {
                take_back(limits);
                return r;
        }
        lines = limits->lines;
        limits->lines = limits->wanted_lines;
        limits->wanted_lines = lines;
        set = limits->set;
        limits->set = limits->wanted;
        limits->wanted = set;
        limits->is_applied = true;
        return 0;
}

/* ---- steps ---- */

static Limits *limits_new(Applier *applier) {
        Limits *limits = g_new0(Limits, 1);

        limits->applier = applier;
        limits->set = set_new();
        limits->lines = lines_new();
        limits->held = lines_new();
        limits->numbers = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
        limits->baseline = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
        return limits;
}

/* What is in force now stays. */
static void finish(Limits *limits) {
        g_clear_pointer(&limits->writes, g_array_unref);
        g_clear_pointer(&limits->wanted, g_hash_table_unref);
        g_clear_pointer(&limits->wanted_lines, g_hash_table_unref);
        g_clear_pointer(&limits->items, g_hash_table_unref);
        limits->n_done = 0;
        limits->is_applied = false;
}

void limits_free(Limits *limits) {
        if (!limits)
                return;
        finish(limits);
        g_clear_pointer(&limits->timer, loop_source_free);
        g_clear_pointer(&limits->set, g_hash_table_unref);
        g_clear_pointer(&limits->lines, g_hash_table_unref);
        g_clear_pointer(&limits->held, g_hash_table_unref);
        g_clear_pointer(&limits->numbers, g_hash_table_unref);
        g_clear_pointer(&limits->baseline, g_hash_table_unref);
        g_free(limits);
}

/* "io.max:/dev/sda" is "io.max:8:0" for the kernel. */
static int find_number(Limits *limits, const char *key, Error *error) {
        const char *device = strchr(key, ':') ? strchr(key, ':') + 1 : "";
        struct stat st;

        if (*device != '/')
                return 0;
        if (stat(device, &st) < 0)
                return error_set_code_errnof(error, ERROR_NOT_MOUNTABLE, errno, "Cannot limit device '%s'", device);
        if (!S_ISBLK(st.st_mode))
                return error_setf(error, ERROR_NOT_MOUNTABLE, "'%s' is not a block device", device);
        g_hash_table_replace(limits->numbers, g_strdup(key),
                             g_strdup_printf("io.max:%u:%u", major(st.st_rdev), minor(st.st_rdev)));
        return 0;
}

static int limit_prepare(Applier *applier, Step *step, Error *error) {
        const PlanItem *item = step->plan.to;
        Limits *limits;
        int r;

        if (!applier->limits)
                applier->limits = limits_new(applier);
        limits = applier->limits;
        step->data = limits;
        if (!limits->wanted) {
                limits->wanted = set_copy(limits->set);
                limits->items = g_hash_table_new(g_str_hash, g_str_equal);
        }
        if (!item) {
                (void) g_hash_table_remove(limits->wanted, step->plan.from->key);
                return 0;
        }
        r = find_number(limits, item->key, error);
        if (r < 0)
                return r;
        set_put(limits->wanted, item->key, &item->limit);
        g_hash_table_replace(limits->items, item->key, (void *) (uintptr_t) item);
        return 0;
}

/* Of the first step; it does the work of all. */
static int limit_apply(Applier *applier, Step *step G_GNUC_UNUSED, Error *error) {
        return applier->limits->is_applied ? 0 : carry_out(applier->limits, error);
}

static void limit_undo(Applier *applier, Step *step G_GNUC_UNUSED) {
        if (applier->limits->is_applied)
                take_back(applier->limits);
}

static void limit_done(Step *step) {
        Limits *limits = step->data;

        if (limits)
                finish(limits);
}

const ApplyOps apply_limit_ops = {
        .place = APPLY_OUTSIDE,
        .prepare = limit_prepare,
        .apply = limit_apply,
        .undo = limit_undo,
        .done = limit_done,
};
